//! The real host: system calls, files, processes.
