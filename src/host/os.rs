//! The machine this process runs on.

#![allow(clippy::disallowed_methods, reason = "this is the file where the system is asked")]
#![allow(unsafe_code, reason = "descriptors that scripts name by number")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal, Read, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirEntryExt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::number::hash::HashSeed;
use crate::text::wtf8::of_system;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::choices::Choices;
use super::control;
use super::network::OsNetwork;
use super::processes::{self, Watch};
use super::ticker::{Tick, Ticker};
use super::wake::Wake;
use crate::vm::host::{
    Child, ChildPlan, Choice, Control, FileStatus, FolderEntry, Host, OpenFiles, OpenMode, SignalAction, StdStream,
};
use crate::vm::network::{Network, Waited};

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
    hash_seed: HashSeed,
    random: Option<File>,
    files: OpenFiles,
    /// Read from standard input, not yet taken.
    input: Vec<u8>,
    /// Environment variables that this machine changed; None for those it removed.
    environment: BTreeMap<String, Option<String>>,
    signals: Watch,
    hears_interrupts: Arc<AtomicBool>,
    choices: Rc<RefCell<Choices>>,
    ticker: Option<Ticker>,
    sampler: Option<Ticker>,
    network: OsNetwork,
    /// Where output goes while somebody types at the prompt.
    above: Option<Arc<dyn Above>>,
}

/// A screen on which somebody types: what is printed meanwhile goes above the line being edited.
pub trait Above: std::fmt::Debug + Send + Sync {
    /// Prints; false if nobody types just now.
    fn print(&self, bytes: &[u8]) -> bool;
}

/// Hands signals of the process to a machine.
#[derive(Debug)]
pub struct Signals {
    pending: Arc<AtomicU64>,
    wake: Arc<Wake>,
    hears_interrupts: Arc<AtomicBool>,
}

impl Signals {
    /// Ctrl-C is from now on told to the machine with this interrupt word, instead of ending the process.
    pub fn watch(&self, word: &Arc<AtomicU32>) {
        // Even where it is ignored: whoever asked for that wants the program to go on.
        self.hears_interrupts.store(true, Ordering::Relaxed);
        if ignores_interrupts() {
            return;
        }
        // Where it cannot be set up, Ctrl-C ends the process as it does without it.
        let _ = processes::tell(signal_hook::consts::SIGINT, word, &self.pending, &self.wake);
    }
}

/// Whether the process was started with Ctrl-C ignored, as shells start what runs in the background.
fn ignores_interrupts() -> bool {
    // SAFETY: a struct of integers and pointers that may all be zero; the call only writes to it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGINT, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Ends the process as Ctrl-C does where nobody handles it, so that a shell sees what happened.
pub fn die_of_interrupt() {
    // Where it fails the caller goes on, to an exit status.
    let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGINT);
}

/// A descriptor by its number.
pub(super) fn borrow(fd: i32) -> io::Result<BorrowedFd<'static>> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::BADF.raw_os_error()));
    }
    // SAFETY: the number is not -1; that it is open is not relied on: the system answers EBADF.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

fn file_status(stat: &rustix::fs::Stat) -> FileStatus {
    let time = |seconds: i64, nanos: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    FileStatus {
        mode: stat.st_mode,
        ino: stat.st_ino,
        dev: stat.st_dev,
        nlink: stat.st_nlink,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: stat.st_size,
        blocks: stat.st_blocks,
        block_size: stat.st_blksize,
        rdev: stat.st_rdev,
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

impl OsHost {
    /// The host; with a clock that jumps if `virtual_time`.
    pub fn new(virtual_time: bool) -> OsHost {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        let (wake, pending) = (Wake::new(), Arc::<AtomicU64>::default());
        OsHost {
            started: Instant::now(),
            virtual_offset: virtual_time.then_some(0.0),
            virtual_epoch: now.floor(),
            output: Vec::new(),
            line_buffered: io::stdout().is_terminal(),
            unbuffered: false,
            hash_seed: HashSeed::Fixed(0),
            random: None,
            files: OpenFiles::default(),
            input: Vec::new(),
            environment: BTreeMap::new(),
            choices: Rc::default(),
            ticker: None,
            sampler: None,
            network: OsNetwork::new(wake.clone(), pending.clone()),
            above: None,
            signals: Watch::new(pending, wake),
            hears_interrupts: Arc::default(),
        }
    }

    /// Output goes to a screen while somebody types on it.
    pub fn print_above(&mut self, screen: Arc<dyn Above>) {
        self.above = Some(screen);
    }

    /// The seed of the hashes of texts: zero unless another is set before the machine is made.
    pub fn set_hash_seed(&mut self, seed: HashSeed) {
        self.hash_seed = seed;
    }

    /// Output is written at once.
    pub fn set_unbuffered(&mut self) {
        self.unbuffered = true;
    }

    /// What decides for this host: to be told to write down or to replay, before a machine gets the host.
    pub fn choices(&self) -> Rc<RefCell<Choices>> {
        self.choices.clone()
    }

    /// What hands signals to the machine that gets this host.
    pub fn signals(&self) -> Signals {
        Signals {
            pending: self.signals.pending.clone(),
            wake: self.signals.wake.clone(),
            hears_interrupts: self.hears_interrupts.clone(),
        }
    }

    /// Waits until there is something to read, where that can take long: the system would not come back from reading for a signal. An answer
    /// that comes in meanwhile is for the loop, later.
    fn wait_to_read(&mut self, fd: i32) -> io::Result<()> {
        let kind = rustix::fs::fstat(borrow(fd)?)?.st_mode & 0o170000;
        let is_file = kind == 0o100000;
        if is_file || rustix::fs::fcntl_getfl(borrow(fd)?)?.contains(OFlags::NONBLOCK) {
            return Ok(());
        }
        loop {
            match self.network.wait(Some((fd, false)), None)? {
                Waited::Ready | Waited::TimedOut => return Ok(()),
                Waited::Woken if self.signals.pending.load(Ordering::Relaxed) != 0 => {
                    return Err(rustix::io::Errno::INTR.into());
                }
                Waited::Woken => {}
            }
        }
    }

    fn system_random(&mut self, bytes: &mut [u8]) -> io::Result<()> {
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

    fn write_output(&mut self) -> io::Result<()> {
        if self.above.as_ref().is_some_and(|above| above.print(&self.output)) {
            self.output.clear();
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let result = stdout.write_all(&self.output).and_then(|()| stdout.flush());
        self.output.clear();
        result
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
            None => self.real_time(),
        }
    }

    fn real_time(&self) -> f64 {
        // Since the machine's start, as Linux counts.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
    }

    fn process_time(&self) -> f64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
    }

    fn sleep(&mut self, seconds: f64) {
        match &mut self.virtual_offset {
            Some(offset) => *offset += seconds.max(0.0),
            // Where waiting fails there is nothing better to do than to go on.
            None if seconds > 0.0 => drop(self.network.wait(None, Some(seconds))),
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

    fn hash_seed(&self) -> HashSeed {
        self.hash_seed
    }

    fn random_seed(&self) -> u64 {
        let mut bytes = [0; 8];
        match getrandom::fill(&mut bytes) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => self.started.elapsed().as_nanos() as u64 ^ u64::from(std::process::id()),
        }
    }

    fn random_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.system_random(bytes)?;
        if self.choices.borrow().is_used() {
            for part in bytes.chunks_mut(8) {
                let mut natural = [0; 8];
                natural[..part.len()].copy_from_slice(part);
                let decided = self.decide(Choice::Bytes, u64::from_le_bytes(natural)).to_le_bytes();
                part.copy_from_slice(&decided[..part.len()]);
            }
        }
        Ok(())
    }

    fn decide(&mut self, choice: Choice, natural: u64) -> u64 {
        self.choices.borrow_mut().decide(choice, natural)
    }

    fn tick(&mut self, word: &Arc<AtomicU32>, on: bool) {
        self.ticker.get_or_insert_with(|| Ticker::new(word, Tick::Slice)).set(on);
    }

    fn sample(&mut self, word: &Arc<AtomicU32>, on: bool) {
        self.sampler = on.then(|| Ticker::new(word, Tick::Sample));
        if let Some(sampler) = &self.sampler {
            sampler.set(true);
        }
    }

    fn stack_size(&self) -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
        // The interpreter runs on a thread of its own where the limit says too little.
        limit.map_or(64 << 20, |bytes| usize::try_from(bytes).unwrap_or(8 << 20)).clamp(1 << 20, 64 << 20)
    }

    fn memory(&self) -> Option<usize> {
        // A part is for stacks, the binary, and what natives build before it becomes a cell.
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
        limit.and_then(|bytes| usize::try_from(bytes / 4 * 3).ok())
    }

    fn variable(&self, name: &str) -> Option<String> {
        match self.environment.get(name) {
            Some(changed) => changed.clone(),
            None => std::env::var(name).ok(),
        }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = std::env::vars_os()
            .map(|(k, v)| (of_system(k.as_bytes()), of_system(v.as_bytes())))
            .filter(|(k, _)| !self.environment.contains_key(k))
            .collect();
        all.extend(self.environment.iter().filter_map(|(k, v)| v.clone().map(|v| (k.clone(), v))));
        all
    }

    fn write(&mut self, stream: StdStream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            StdStream::Err => {
                // What was printed before is seen before, as with one terminal.
                if self.line_buffered {
                    self.write_output()?;
                }
                if self.above.as_ref().is_some_and(|above| above.print(bytes)) {
                    return Ok(());
                }
                let mut stderr = io::stderr().lock();
                stderr.write_all(bytes)
            }
            StdStream::In | StdStream::Out => {
                self.output.extend_from_slice(bytes);
                let line_done = self.line_buffered && bytes.contains(&b'\n');
                if line_done || self.unbuffered || self.output.len() >= OUTPUT { self.write_output() } else { Ok(()) }
            }
        }
    }

    fn flush(&mut self, stream: StdStream) -> io::Result<()> {
        match stream {
            StdStream::Err => io::stderr().flush(),
            StdStream::In | StdStream::Out if self.output.is_empty() => Ok(()),
            StdStream::In | StdStream::Out => self.write_output(),
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
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.input[searched..]) {
                let rest = self.input.split_off(searched + at + 1);
                return Ok(std::mem::replace(&mut self.input, rest));
            }
            searched = self.input.len();
            let mut chunk = [0; 8192];
            self.wait_to_read(0)?;
            let count = rustix::io::read(borrow(0)?, &mut chunk[..])?;
            if count == 0 {
                return Ok(std::mem::take(&mut self.input));
            }
            self.input.extend_from_slice(&chunk[..count]);
        }
    }

    fn has_line(&self) -> bool {
        memchr::memchr(b'\n', &self.input).is_some()
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

    fn hears_interrupts(&self) -> bool {
        self.hears_interrupts.load(Ordering::Relaxed)
    }

    fn take_signals(&mut self) -> Vec<i32> {
        let came = self.signals.pending.swap(0, Ordering::Relaxed);
        (1..=64).filter(|signal| came & (1 << (signal - 1)) != 0).collect()
    }

    fn spawn(&mut self, plan: &ChildPlan) -> io::Result<Child> {
        let environment = if plan.environment.is_none() { processes::environment(&self.environment) } else { vec![] };
        processes::spawn(plan, environment)
    }

    fn fork(&mut self) -> io::Result<i32> {
        let child = processes::fork()?;
        if child == 0 {
            // The threads of the system are gone, and with them whoever would let go of what they held.
            std::mem::forget(self.ticker.take());
            self.network.begin_again()?;
            self.signals.pending.store(0, Ordering::Relaxed);
            self.random = None;
        }
        Ok(child)
    }

    fn reap(&mut self, id: i32) -> io::Result<Option<(i32, i32)>> {
        processes::reap(id)
    }

    fn send_signal(&mut self, id: i32, signal: i32) -> io::Result<()> {
        processes::send(id, signal)
    }

    fn watch_signal(&mut self, signal: i32, word: &Arc<AtomicU32>, action: SignalAction) -> io::Result<()> {
        self.signals.set(signal, word, action)
    }

    fn control(&mut self, call: Control, numbers: [i64; 4], bytes: &mut [u8]) -> io::Result<i64> {
        control::control(call, numbers, bytes)
    }

    fn set_timer(&mut self, which: i32, set: Option<(f64, f64)>) -> io::Result<(f64, f64)> {
        processes::set_timer(which, set)
    }

    fn executable(&self) -> String {
        std::env::current_exe().map_or(String::new(), |p| p.to_string_lossy().into_owned())
    }

    fn open_files(&mut self) -> &mut OpenFiles {
        &mut self.files
    }

    fn network(&mut self) -> &mut dyn Network {
        &mut self.network
    }

    fn open_file(&mut self, path: &[u8], mode: OpenMode) -> io::Result<i32> {
        let mut flags = OFlags::CLOEXEC;
        flags |= match (mode.read, mode.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        flags.set(OFlags::APPEND, mode.append);
        flags.set(OFlags::CREATE, mode.create);
        flags.set(OFlags::TRUNC, mode.truncate);
        flags.set(OFlags::EXCL, mode.exclusive);
        flags |= OFlags::from_bits_retain(mode.flags);
        let file = rustix::fs::open(path, flags, Mode::from_raw_mode(mode.permissions.unwrap_or(0o666)))?;
        if !mode.write && !mode.folders && file_status(&rustix::fs::fstat(&file)?).is_folder() {
            return Err(rustix::io::Errno::ISDIR.into());
        }
        Ok(std::os::fd::IntoRawFd::into_raw_fd(file))
    }

    fn read_fd(&mut self, fd: i32, into: &mut [u8]) -> io::Result<usize> {
        if fd == 0 && !self.input.is_empty() {
            let count = into.len().min(self.input.len());
            into[..count].copy_from_slice(&self.input[..count]);
            self.input.drain(..count);
            return Ok(count);
        }
        self.wait_to_read(fd)?;
        Ok(rustix::io::read(borrow(fd)?, into)?)
    }

    fn write_fd(&mut self, fd: i32, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(borrow(fd)?, bytes)?)
    }

    fn seek_fd(&mut self, fd: i32, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => rustix::fs::SeekFrom::Start(at),
            SeekFrom::End(by) => rustix::fs::SeekFrom::End(by),
            SeekFrom::Current(by) => rustix::fs::SeekFrom::Current(by),
        };
        Ok(rustix::fs::seek(borrow(fd)?, to)?)
    }

    fn truncate_fd(&mut self, fd: i32, size: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(borrow(fd)?, size)?)
    }

    fn close_fd(&mut self, fd: i32) -> io::Result<()> {
        self.network.close(fd)
    }

    fn open_pipe(&mut self) -> io::Result<(i32, i32)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok((std::os::fd::IntoRawFd::into_raw_fd(read), std::os::fd::IntoRawFd::into_raw_fd(write)))
    }

    fn open_counter(&mut self, initial: u32, single: bool, nonblocking: bool) -> io::Result<i32> {
        use rustix::event::{EventfdFlags, eventfd};
        let mut flags = EventfdFlags::CLOEXEC;
        flags.set(EventfdFlags::SEMAPHORE, single);
        flags.set(EventfdFlags::NONBLOCK, nonblocking);
        Ok(std::os::fd::IntoRawFd::into_raw_fd(eventfd(initial, flags)?))
    }

    fn open_memory(&mut self, name: &str) -> io::Result<i32> {
        let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
        Ok(std::os::fd::IntoRawFd::into_raw_fd(file))
    }

    fn read_at(&mut self, fd: i32, into: &mut [u8], position: u64) -> io::Result<usize> {
        Ok(rustix::io::pread(borrow(fd)?, into, position)?)
    }

    fn write_at(&mut self, fd: i32, bytes: &[u8], position: u64) -> io::Result<usize> {
        Ok(rustix::io::pwrite(borrow(fd)?, bytes, position)?)
    }

    fn duplicate_to(&mut self, fd: i32, to: i32, inheritable: bool) -> io::Result<()> {
        processes::duplicate_to(fd, to, inheritable)
    }

    fn sync_fd(&mut self, fd: i32) -> io::Result<()> {
        Ok(rustix::fs::fsync(borrow(fd)?)?)
    }

    fn is_terminal_fd(&self, fd: i32) -> bool {
        borrow(fd).is_ok_and(|fd| fd.is_terminal())
    }

    fn status_fd(&self, fd: i32) -> io::Result<FileStatus> {
        Ok(file_status(&rustix::fs::fstat(borrow(fd)?)?))
    }

    fn status(&self, path: &[u8], follow: bool) -> io::Result<FileStatus> {
        let stat = if follow { rustix::fs::stat(path)? } else { rustix::fs::lstat(path)? };
        Ok(file_status(&stat))
    }

    fn list_folder(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>> {
        let mut entries = vec![];
        for entry in std::fs::read_dir(OsStr::from_bytes(path))? {
            let entry = entry?;
            let kind = entry.file_type().ok();
            entries.push(FolderEntry {
                name: entry.file_name().into_vec(),
                is_folder: kind.map(|k| k.is_dir()),
                is_link: kind.map(|k| k.is_symlink()),
                ino: entry.ino(),
            });
        }
        Ok(entries)
    }

    fn make_folder(&mut self, path: &[u8], mode: u32) -> io::Result<()> {
        Ok(rustix::fs::mkdir(path, Mode::from_raw_mode(mode))?)
    }

    fn remove_folder(&mut self, path: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::rmdir(path)?)
    }

    fn remove_file(&mut self, path: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlink(path)?)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::rename(from, to)?)
    }

    fn link(&mut self, to: &[u8], at: &[u8], symbolic: bool) -> io::Result<()> {
        if symbolic { Ok(rustix::fs::symlink(to, at)?) } else { Ok(rustix::fs::link(to, at)?) }
    }

    fn read_link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlink(path, Vec::new())?.into_bytes())
    }

    fn set_permissions(&mut self, path: &[u8], mode: u32) -> io::Result<()> {
        Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
    }

    fn set_times(&mut self, path: &[u8], access: i128, change: i128) -> io::Result<()> {
        let spec = |nanos: i128| rustix::fs::Timespec {
            tv_sec: nanos.div_euclid(1_000_000_000) as i64,
            tv_nsec: nanos.rem_euclid(1_000_000_000) as i64,
        };
        let times = rustix::fs::Timestamps { last_access: spec(access), last_modification: spec(change) };
        Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::empty())?)
    }

    fn may_access(&self, path: &[u8], mode: u32) -> bool {
        let access = rustix::fs::Access::from_bits_retain(mode);
        rustix::fs::access(path, access).is_ok()
    }

    fn set_working_folder(&mut self, path: &[u8]) -> io::Result<()> {
        Ok(rustix::process::chdir(path)?)
    }

    fn set_variable(&mut self, name: &str, value: Option<&str>) {
        self.environment.insert(name.to_owned(), value.map(str::to_owned));
    }

    fn parent_id(&self) -> u32 {
        std::os::unix::process::parent_id()
    }

    fn user_ids(&self) -> [u32; 4] {
        use rustix::process::{getegid, geteuid, getgid, getuid};
        [getuid().as_raw(), geteuid().as_raw(), getgid().as_raw(), getegid().as_raw()]
    }

    fn processors(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn exit(&mut self, status: i32) -> ! {
        std::process::exit(status)
    }
}
