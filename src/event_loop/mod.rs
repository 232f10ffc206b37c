//! Tasks, futures, timers and sockets.
