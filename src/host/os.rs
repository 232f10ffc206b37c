//! The machine this process runs on.

#![allow(clippy::disallowed_methods, reason = "this is the file where the system is asked")]

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::number::hash::HashKey;
use crate::vm::host::{Host, StdStream};

/// Bytes of standard output that are kept before they are written.
const OUTPUT: usize = 64 * 1024;

/// The host of a process of its own.
#[derive(Debug)]
pub struct OsHost {
    started: Instant,
    /// Seconds a virtual clock has moved on; None for the real one.
    virtual_offset: Option<f64>,
    virtual_epoch: f64,
    output: Vec<u8>,
    /// Whether output is written line by line: a terminal.
    line_buffered: bool,
    unbuffered: bool,
    hash_key: HashKey,
    random: Option<File>,
}

impl OsHost {
    /// The host; with a clock that jumps if `virtual_time`.
    pub fn new(virtual_time: bool) -> OsHost {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        OsHost {
            started: Instant::now(),
            virtual_offset: virtual_time.then_some(0.0),
            virtual_epoch: now.floor(),
            output: Vec::new(),
            line_buffered: io::stdout().is_terminal(),
            unbuffered: std::env::var_os("PYTHONUNBUFFERED").is_some_and(|v| !v.is_empty()),
            hash_key: hash_key_from_environment(),
            random: None,
        }
    }

    fn write_output(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let result = stdout.write_all(&self.output).and_then(|()| stdout.flush());
        self.output.clear();
        result
    }
}

/// The key that `PYTHONHASHSEED` asks for; a seed of zero where it says nothing, so that runs repeat.
fn hash_key_from_environment() -> HashKey {
    match std::env::var("PYTHONHASHSEED") {
        Ok(text) if text != "random" && !text.is_empty() => {
            text.parse::<u32>().map_or(HashKey::default(), HashKey::from_seed)
        }
        _ => HashKey::default(),
    }
}

impl Host for OsHost {
    fn time(&self) -> f64 {
        match self.virtual_offset {
            Some(offset) => self.virtual_epoch + offset,
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()),
        }
    }

    fn monotonic(&self) -> f64 {
        match self.virtual_offset {
            Some(offset) => offset,
            // Since the machine's start, as Linux counts.
            None => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
            }
        }
    }

    fn process_time(&self) -> f64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
    }

    fn sleep(&mut self, seconds: f64) {
        match &mut self.virtual_offset {
            Some(offset) => *offset += seconds.max(0.0),
            None if seconds > 0.0 => std::thread::sleep(Duration::from_secs_f64(seconds.min(1e9))),
            None => {}
        }
    }

    fn is_virtual(&self) -> bool {
        self.virtual_offset.is_some()
    }

    fn advance(&mut self, seconds: f64) {
        if let Some(offset) = &mut self.virtual_offset {
            *offset += seconds.max(0.0);
        }
    }

    fn hash_key(&self) -> HashKey {
        self.hash_key
    }

    fn random_seed(&self) -> u64 {
        let mut bytes = [0; 8];
        match getrandom::fill(&mut bytes) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => self.started.elapsed().as_nanos() as u64 ^ u64::from(std::process::id()),
        }
    }

    fn random_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        match getrandom::fill(bytes) {
            Ok(()) => Ok(()),
            Err(_) => {
                let mut file = match self.random.take() {
                    Some(file) => file,
                    None => File::open("/dev/urandom")?,
                };
                let result = file.read_exact(bytes);
                self.random = Some(file);
                result
            }
        }
    }

    fn stack_size(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
        // The interpreter runs on a thread of its own where the limit says too little.
        limit.map_or(64 << 20, |bytes| usize::try_from(bytes).unwrap_or(8 << 20)).clamp(1 << 20, 64 << 20)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn variables(&self) -> Vec<(String, String)> {
        std::env::vars_os().map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned())).collect()
    }

    fn write(&mut self, stream: StdStream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            StdStream::Err => {
                // What was printed before is seen before, as with one terminal.
                if self.line_buffered {
                    self.write_output()?;
                }
                let mut stderr = io::stderr().lock();
                stderr.write_all(bytes)
            }
            _ => {
                self.output.extend_from_slice(bytes);
                let line_done = self.line_buffered && bytes.contains(&b'\n');
                if line_done || self.unbuffered || self.output.len() >= OUTPUT { self.write_output() } else { Ok(()) }
            }
        }
    }

    fn flush(&mut self, stream: StdStream) -> io::Result<()> {
        match stream {
            StdStream::Err => io::stderr().flush(),
            _ if self.output.is_empty() => Ok(()),
            _ => self.write_output(),
        }
    }

    fn is_terminal(&self, stream: StdStream) -> bool {
        match stream {
            StdStream::In => io::stdin().is_terminal(),
            StdStream::Out => io::stdout().is_terminal(),
            StdStream::Err => io::stderr().is_terminal(),
        }
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        io::stdin().lock().read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn is_file(&self, path: &str) -> bool {
        std::fs::metadata(path).is_ok_and(|m| m.is_file())
    }

    fn is_folder(&self, path: &str) -> bool {
        std::fs::metadata(path).is_ok_and(|m| m.is_dir())
    }

    fn working_folder(&self) -> io::Result<String> {
        std::env::current_dir().map(|p| p.to_string_lossy().into_owned())
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }
}
