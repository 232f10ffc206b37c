//! The door to the outside world: *do this now and keep running*. Everything a script can see of the machine it runs on goes through
//! here, so that virtual time, a simulated network, seeds and sandboxes are one implementation each.

use std::fmt::Debug;
use std::io;

use crate::number::hash::HashKey;

/// One of the standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdStream {
    /// 0.
    In,
    /// 1.
    Out,
    /// 2.
    Err,
}

/// A module's source, found by name.
#[derive(Clone, Debug)]
pub struct ModuleSource {
    /// Its text.
    pub text: String,
    /// The file as tracebacks show it.
    pub filename: String,
    /// For a package its folder.
    pub package: Option<String>,
}

/// What a machine needs from outside.
pub trait Host: Debug {
    /// Seconds since the epoch.
    fn time(&self) -> f64;
    /// Seconds of a clock that never goes back.
    fn monotonic(&self) -> f64;
    /// CPU seconds of the process.
    fn process_time(&self) -> f64;
    /// Blocks for this many seconds (a virtual clock just moves on).
    fn sleep(&mut self, seconds: f64);
    /// The clock's resolution in seconds.
    fn clock_resolution(&self) -> f64 {
        1e-9
    }
    /// Whether the clock is virtual: then `advance` moves it.
    fn is_virtual(&self) -> bool {
        false
    }
    /// Moves a virtual clock on.
    fn advance(&mut self, seconds: f64) {
        let _ = seconds;
    }
    /// The key of text hashes, from the environment.
    fn hash_key(&self) -> HashKey;
    /// A number for what should differ from run to run.
    fn random_seed(&self) -> u64;
    /// Fills with random bytes.
    fn random_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()>;
    /// Room on the machine's stack for natives, in bytes.
    fn stack_size(&self) -> usize;
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// All environment variables.
    fn variables(&self) -> Vec<(String, String)>;
    /// Writes to a standard stream, all of it. Output may be kept until `flush`.
    fn write(&mut self, stream: StdStream, bytes: &[u8]) -> io::Result<()>;
    /// Hands on what `write` kept.
    fn flush(&mut self, stream: StdStream) -> io::Result<()>;
    /// Whether a standard stream is a terminal.
    fn is_terminal(&self, stream: StdStream) -> bool;
    /// Reads a line from standard input, with its end; empty at the end of input.
    fn read_line(&mut self) -> io::Result<Vec<u8>>;
    /// Reads a whole file.
    fn read_file(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Whether a path is a file (not a folder).
    fn is_file(&self, path: &str) -> bool;
    /// Whether a path is a folder.
    fn is_folder(&self, path: &str) -> bool;
    /// The working folder.
    fn working_folder(&self) -> io::Result<String>;
    /// The process's id.
    fn process_id(&self) -> u32;
}
