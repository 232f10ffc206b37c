//! The real host: system calls, files, streams. With `--virtual-time` its clock jumps instead of waiting.

mod os;

pub use os::{OsHost, Signals, die_of_interrupt};

/// What the system says about an errno.
pub fn error_text(errno: i32) -> String {
    let shown = std::io::Error::from_raw_os_error(errno).to_string();
    shown.strip_suffix(&format!(" (os error {errno})")).unwrap_or(&shown).to_owned()
}

/// An error as the `str` of an OSError has it.
pub fn describe(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => format!("[Errno {errno}] {}", error_text(errno)),
        None => error.to_string(),
    }
}
