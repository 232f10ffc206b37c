//! The door to the outside world: *do this now and keep running*. Everything a script can see of the machine it runs on goes through
//! here, so that virtual time, a simulated network, seeds and sandboxes are one implementation each.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::io::{self, SeekFrom};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::network::Network;
use crate::number::hash::HashSeed;

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

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenMode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// Made if it is not there.
    pub create: bool,
    /// Emptied.
    pub truncate: bool,
    /// Must not be there.
    pub exclusive: bool,
    /// The permission bits of a file that is made; what files have by default if not given.
    pub permissions: Option<u32>,
    /// Further flags, as the system numbers them.
    pub flags: u32,
    /// Folders can be opened too.
    pub folders: bool,
}

/// What is known of a file without reading it: the fields of `os.stat_result`.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "named as stat(2) names them")]
pub struct FileStatus {
    pub mode: u32,
    pub ino: u64,
    pub dev: u64,
    pub nlink: u64,
    pub uid: u32,
    pub gid: u32,
    pub size: i64,
    pub blocks: i64,
    pub block_size: i64,
    pub rdev: u64,
    /// Nanoseconds since the epoch of the last access.
    pub atime: i128,
    /// Nanoseconds since the epoch of the last change of the content.
    pub mtime: i128,
    /// Nanoseconds since the epoch of the last change of any kind.
    pub ctime: i128,
}

impl FileStatus {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode & 0o170000 == 0o040000
    }

    /// Whether it is a plain file.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170000 == 0o100000
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 0o170000 == 0o120000
    }
}

/// An open file, shared between the objects that scripts have of it and the machine: what is not written yet can still be written
/// when the objects are gone.
#[derive(Debug)]
pub struct OpenFile {
    /// The descriptor; -1 once closed.
    pub fd: Cell<i32>,
    /// Whether the descriptor is closed with the object.
    pub owned: Cell<bool>,
    /// Bytes that are not written yet.
    pub pending: RefCell<Vec<u8>>,
}

impl OpenFile {
    /// An open file with nothing pending.
    pub fn new(fd: i32, owned: bool) -> Rc<OpenFile> {
        Rc::new(OpenFile { fd: Cell::new(fd), owned: Cell::new(owned), pending: RefCell::default() })
    }
}

/// The files that scripts opened.
#[derive(Debug, Default)]
pub struct OpenFiles(Vec<Rc<OpenFile>>);

impl OpenFiles {
    /// Adds one.
    pub fn add(&mut self, file: Rc<OpenFile>) {
        self.0.push(file);
    }

    /// Number of those that are open.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Something that the program does not determine: see [`Host::decide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A seed: of `random`, of what should differ from run to run.
    Seed,
    /// What dicts mix into hashes.
    Secret,
    /// Random bytes that a script asked for, eight at a time.
    Bytes,
    /// Which of the sources that became ready together comes next.
    Readiness,
    /// Which of the fibers that are ready runs next: its place in the order in which they became ready.
    Fiber,
    /// Safepoints of a fiber's time slice.
    Slice,
    /// The id of the process or of its parent.
    ProcessId,
}

impl Choice {
    /// All of them.
    pub const ALL: [Choice; 7] = [
        Choice::Seed,
        Choice::Secret,
        Choice::Bytes,
        Choice::Readiness,
        Choice::Fiber,
        Choice::Slice,
        Choice::ProcessId,
    ];

    /// Its name in recordings.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Seed => "seed",
            Choice::Secret => "secret",
            Choice::Bytes => "bytes",
            Choice::Readiness => "readiness",
            Choice::Fiber => "fiber",
            Choice::Slice => "slice",
            Choice::ProcessId => "process",
        }
    }
}

/// An entry of a folder.
#[derive(Clone, Debug)]
pub struct FolderEntry {
    /// Its name, in the system's bytes.
    pub name: Vec<u8>,
    /// Whether it is a folder itself, where the folder tells (None: ask `stat`).
    pub is_folder: Option<bool>,
    /// Whether it is a symbolic link, where the folder tells.
    pub is_link: Option<bool>,
    /// Its inode.
    pub ino: u64,
}

/// What a child is started with.
#[derive(Clone, Debug, Default)]
pub struct ChildPlan {
    /// The program: a path, or a name that is looked for.
    pub program: Vec<u8>,
    /// Its arguments, the first is its own name.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment; None for this machine's.
    pub environment: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Its working folder; None for this machine's.
    pub folder: Option<Vec<u8>>,
    /// The descriptors that its standard streams are copies of; -1 for this machine's.
    pub streams: [i32; 3],
    /// Further descriptors that it gets.
    pub pass: Vec<i32>,
    /// Whether it gets no others.
    pub close_others: bool,
    /// Whether it begins a session of its own.
    pub new_session: bool,
    /// The group of processes that it joins; 0 for one of its own.
    pub group: Option<i32>,
    /// Its mask of permissions.
    pub umask: Option<u32>,
}

/// A child that was started.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// Its number.
    pub id: i32,
    /// A descriptor that becomes readable when it ends; -1 where there is none.
    pub descriptor: i32,
}

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalAction {
    /// What it does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// It is told to the machine.
    Tell,
}

/// A call on a descriptor or a limit: see [`Host::control`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `fcntl`: descriptor, command, and a number or a structure.
    Fcntl,
    /// `ioctl`: descriptor, request, and a number or a structure.
    Ioctl,
    /// `flock`: descriptor, operation.
    Flock,
    /// A limit: which, of what process (0: this one).
    GetLimit,
    /// Sets a limit; what it was is written over it.
    SetLimit,
    /// What was used: by whom.
    Usage,
    /// Settings of a terminal.
    GetTerminal,
    /// Sets them: descriptor, when.
    SetTerminal,
    /// Waits until what was written to a terminal has been sent.
    Drain,
    /// Drops what was not sent or read: descriptor, which.
    FlushQueue,
    /// Stops or begins output or input: descriptor, which.
    Flow,
    /// Sends a break: descriptor, how long.
    Break,
    /// Makes a pair of a terminal and what stands for its screen; two descriptors are written.
    OpenTerminal,
    /// The file of a terminal; its name is written, ending in a zero.
    TerminalName,
    /// Begins a session.
    NewSession,
    /// The session of a process.
    SessionOf,
    /// The group of a process.
    GroupOf,
    /// Sets it: process, group.
    SetGroup,
    /// The group in front on a terminal.
    TerminalGroup,
    /// Sets it: descriptor, group.
    SetTerminalGroup,
    /// An object that waits for many descriptors: flags.
    NewEpoll,
    /// Changes what it waits for: its descriptor, operation, descriptor, events.
    ChangeEpoll,
    /// Takes what is ready, without waiting.
    TakeEpoll,
    /// Blocks signals, or lets them through: how, a bit for each. Those that were blocked.
    SignalMask,
    /// The blocked signals that have come in.
    PendingSignals,
    /// Takes one of some signals that has come in, without waiting; six numbers of 32 bits are written.
    TakeSignal,
    /// A child that has ended: its number, options. Its status is written, and what it used.
    WaitChild,
    /// As that, by kind of number and number: number, user, signal, status and reason are written.
    WaitAny,
    /// The process becomes another program: how many arguments and variables there are in the texts, which come after its file's name.
    Execute,
    /// Sets the user or group: which call, and its numbers.
    SetIdentity,
    /// The users (0) or groups (1) of the process: three numbers are written.
    Identity,
    /// The further groups of the process: numbers are written.
    Groups,
    /// Sets them.
    SetGroups,
    /// The file system of a descriptor, or of a path where that is negative; its description is written over the path.
    FileSystem,
    /// Sets who owns a file: user, group, whether links are followed, and a descriptor, or -1 for a path.
    SetOwner,
    /// Makes a file of a special kind: mode, device.
    MakeNode,
    /// The permissions that new files do not get, which are set.
    Umask,
    /// How little a process matters: kind of number, number; as the system counts it, from 1 to 40.
    Priority,
    /// Sets it: from -20 to 19.
    SetPriority,
    /// Locks a part of a file: descriptor, command, length.
    Lock,
    /// Makes room for a part of a file: descriptor, start, length.
    Allocate,
    /// A descriptor for a process: its number, flags.
    ProcessDescriptor,
    /// Writes what is not on disks yet.
    Sync,
    /// Another folder becomes the root.
    ChangeRoot,
    /// An extended attribute: whether links are followed, and a descriptor, or -1 for a path. The path and the name come first, each ending in a
    /// zero; the value is written over them. Its length.
    Attribute,
    /// Sets it: as that, the flags, and the value after the names.
    SetAttribute,
    /// The names of all of them, each ending in a zero.
    Attributes,
    /// Removes one.
    RemoveAttribute,
    /// The processors that a process may run on: a bit for each is written. How many bytes.
    Affinity,
    /// Sets them.
    SetAffinity,
    /// How a process is scheduled.
    Scheduler,
    /// Sets it: process, policy, priority; with a policy of -1 only the priority.
    SetScheduler,
    /// The priority that goes with it.
    SchedulerPriority,
    /// The slice of time that a process gets: seconds and nanoseconds are written.
    SchedulerSlice,
    /// Moves bytes between descriptors, one of them a pipe: from, to, how many, flags. Two offsets are in the structure, negative for none.
    Splice,
    /// Copies between files: from, to, how many, flags. Two offsets are in the structure, negative for none.
    CopyRange,
    /// A timer that is a descriptor: clock, flags.
    NewTimer,
    /// Sets it: descriptor, flags; four numbers, of which the old ones are written.
    SetTimer,
    /// What it is set to: four numbers are written.
    Timer,
    /// Enters a namespace: descriptor, kind.
    EnterNamespace,
    /// Leaves namespaces, and other things shared with the parent: flags.
    LeaveNamespaces,
    /// A limit of a path, or of a descriptor where that is not negative: descriptor, which.
    PathLimit,
    /// A text that the system is configured with: which. It is written, ending in a zero; its length with that.
    SystemText,
    /// A limit of the system: which.
    SystemLimit,
    /// Sets a clock: which, seconds, nanoseconds.
    SetClock,
    /// Sets the name of the machine.
    SetHostName,
    /// Says how a part of a file will be used: descriptor, start, length, advice.
    Advise,
    /// `preadv2` into one piece: descriptor, flags, position.
    ReadAt,
    /// `pwritev2` of one piece: descriptor, flags, position.
    WriteAt,
}

impl Control {
    /// Every call, by the number that the library knows it by.
    pub const ALL: [Control; 69] = [
        Control::Fcntl,
        Control::Ioctl,
        Control::Flock,
        Control::GetLimit,
        Control::SetLimit,
        Control::Usage,
        Control::GetTerminal,
        Control::SetTerminal,
        Control::Drain,
        Control::FlushQueue,
        Control::Flow,
        Control::Break,
        Control::OpenTerminal,
        Control::TerminalName,
        Control::NewSession,
        Control::SessionOf,
        Control::GroupOf,
        Control::SetGroup,
        Control::TerminalGroup,
        Control::SetTerminalGroup,
        Control::NewEpoll,
        Control::ChangeEpoll,
        Control::TakeEpoll,
        Control::SignalMask,
        Control::PendingSignals,
        Control::TakeSignal,
        Control::WaitChild,
        Control::WaitAny,
        Control::Execute,
        Control::SetIdentity,
        Control::Identity,
        Control::Groups,
        Control::SetGroups,
        Control::FileSystem,
        Control::SetOwner,
        Control::MakeNode,
        Control::Umask,
        Control::Priority,
        Control::SetPriority,
        Control::Lock,
        Control::Allocate,
        Control::ProcessDescriptor,
        Control::Sync,
        Control::ChangeRoot,
        Control::Attribute,
        Control::SetAttribute,
        Control::Attributes,
        Control::RemoveAttribute,
        Control::Affinity,
        Control::SetAffinity,
        Control::Scheduler,
        Control::SetScheduler,
        Control::SchedulerPriority,
        Control::SchedulerSlice,
        Control::Splice,
        Control::CopyRange,
        Control::NewTimer,
        Control::SetTimer,
        Control::Timer,
        Control::EnterNamespace,
        Control::LeaveNamespaces,
        Control::PathLimit,
        Control::SystemText,
        Control::SystemLimit,
        Control::SetClock,
        Control::SetHostName,
        Control::Advise,
        Control::ReadAt,
        Control::WriteAt,
    ];
}

/// What a machine needs from outside.
pub trait Host: Debug {
    /// The one place where it is decided what the program does not determine. `natural` is what would be so by itself; an answer that differs
    /// from it makes another run, as possible as this one. So runs can be recorded, replayed and explored.
    fn decide(&mut self, choice: Choice, natural: u64) -> u64 {
        let _ = choice;
        natural
    }
    /// Whether to set the bit `SWITCH` of an interrupt word each time a time slice is over.
    fn tick(&mut self, word: &Arc<AtomicU32>, on: bool) {
        let _ = (word, on);
    }
    /// Whether to set the bit `SAMPLE` of an interrupt word every millisecond.
    fn sample(&mut self, word: &Arc<AtomicU32>, on: bool) {
        let _ = (word, on);
    }
    /// Seconds since the epoch.
    fn time(&self) -> f64;
    /// Seconds of a clock that never goes back.
    fn monotonic(&self) -> f64;
    /// CPU seconds of the process.
    fn process_time(&self) -> f64;
    /// Blocks for this many seconds, or until a signal or an answer comes in (a virtual clock just moves on).
    fn sleep(&mut self, seconds: f64);
    /// Seconds of the clock that waiting for what is outside goes by, even where the other clocks are virtual.
    fn real_time(&self) -> f64 {
        self.monotonic()
    }
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
    /// What the hashes of texts depend on, from the environment.
    fn hash_seed(&self) -> HashSeed;
    /// A number for what should differ from run to run.
    fn random_seed(&self) -> u64;
    /// Fills with random bytes.
    fn random_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()>;
    /// Room on the machine's stack for natives, in bytes.
    fn stack_size(&self) -> usize;
    /// Bytes that the heap may use; None if only the system's memory bounds it.
    fn memory(&self) -> Option<usize> {
        None
    }
    /// Registers of the main fiber, which bound how deep scripts call each other. By default 4 Mi of them: 64 MiB of address space of which
    /// only what is used is committed.
    fn registers(&self) -> usize {
        4 << 20
    }
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// All environment variables; what is no UTF-8 in them has stand-ins (`wtf8::of_system`).
    fn variables(&self) -> Vec<(String, String)>;
    /// Writes to a standard stream, all of it. Output may be kept until `flush`.
    fn write(&mut self, stream: StdStream, bytes: &[u8]) -> io::Result<()>;
    /// Hands on what `write` kept.
    fn flush(&mut self, stream: StdStream) -> io::Result<()>;
    /// Whether a standard stream is a terminal.
    fn is_terminal(&self, stream: StdStream) -> bool;
    /// Reads a line from standard input, with its end; empty at the end of input. `Interrupted` if a signal comes in first.
    fn read_line(&mut self) -> io::Result<Vec<u8>>;
    /// Whether `read_line` has a whole line already.
    fn has_line(&self) -> bool {
        false
    }
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

    /// Whether Ctrl-C is told to the machine.
    fn hears_interrupts(&self) -> bool {
        false
    }
    /// Signals that came in since this was asked last.
    fn take_signals(&mut self) -> Vec<i32> {
        vec![]
    }
    /// The path of the running binary.
    fn executable(&self) -> String {
        String::new()
    }

    // ---- files: paths are in the system's bytes, files are descriptors ----

    /// The files that scripts opened.
    fn open_files(&mut self) -> &mut OpenFiles;
    /// Writes what is pending for open files, so that everybody sees it, and closes those that no object refers to any more.
    fn flush_files(&mut self) {
        let files = std::mem::take(&mut self.open_files().0);
        let mut left = Vec::with_capacity(files.len());
        for file in files {
            // Nobody is there to tell of a failure; the object that is still there will meet it again.
            let _ = self.flush_file(&file);
            if Rc::strong_count(&file) == 1 && file.owned.get() {
                let fd = file.fd.replace(-1);
                if fd >= 0 {
                    let _ = self.close_fd(fd);
                }
            }
            if file.fd.get() >= 0 && Rc::strong_count(&file) > 1 {
                left.push(file);
            }
        }
        let table = &mut self.open_files().0;
        left.append(table);
        *table = left;
    }
    /// Writes what is pending for one file.
    fn flush_file(&mut self, file: &OpenFile) -> io::Result<()> {
        loop {
            let bytes = std::mem::take(&mut *file.pending.borrow_mut());
            if bytes.is_empty() || file.fd.get() < 0 {
                return Ok(());
            }
            let (mut done, mut error) = (0, None);
            while done < bytes.len() {
                match self.write_fd(file.fd.get(), &bytes[done..]) {
                    Ok(n) => done += n,
                    Err(e) => {
                        error = Some(e);
                        break;
                    }
                }
            }
            if let Some(error) = error {
                let mut pending = file.pending.borrow_mut();
                pending.splice(..0, bytes[done..].iter().copied());
                return Err(error);
            }
        }
    }
    /// Opens a file; a folder is an error. The descriptor is not inherited by children.
    fn open_file(&mut self, path: &[u8], mode: OpenMode) -> io::Result<i32>;
    /// Reads up to the buffer's length; 0 at the end. `Interrupted` if a signal comes in first.
    fn read_fd(&mut self, fd: i32, into: &mut [u8]) -> io::Result<usize>;
    /// Writes, perhaps not all.
    fn write_fd(&mut self, fd: i32, bytes: &[u8]) -> io::Result<usize>;
    /// Moves to a position and tells it.
    fn seek_fd(&mut self, fd: i32, to: SeekFrom) -> io::Result<u64>;
    /// Sets a file's size.
    fn truncate_fd(&mut self, fd: i32, size: u64) -> io::Result<()>;
    /// Closes a file.
    fn close_fd(&mut self, fd: i32) -> io::Result<()>;
    /// Makes a pipe: the end to read from, and the end to write to. They are not inherited by children.
    fn open_pipe(&mut self) -> io::Result<(i32, i32)> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes a descriptor that is a count which processes share: reading it takes one (or all, if not `single`) and waits while there is none,
    /// writing adds.
    fn open_counter(&mut self, initial: u32, single: bool, nonblocking: bool) -> io::Result<i32> {
        let _ = (initial, single, nonblocking);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes a file without a name that is in memory alone.
    fn open_memory(&mut self, name: &str) -> io::Result<i32> {
        let _ = name;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Reads at a position, whatever the descriptor's own position is.
    fn read_at(&mut self, fd: i32, into: &mut [u8], position: u64) -> io::Result<usize> {
        let _ = (fd, into, position);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Writes at a position.
    fn write_at(&mut self, fd: i32, bytes: &[u8], position: u64) -> io::Result<usize> {
        let _ = (fd, bytes, position);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes `to` a second number for what `fd` stands for.
    fn duplicate_to(&mut self, fd: i32, to: i32, inheritable: bool) -> io::Result<()> {
        let _ = (fd, to, inheritable);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Waits until what was written is on the disk.
    fn sync_fd(&mut self, fd: i32) -> io::Result<()>;
    /// Whether it is a terminal.
    fn is_terminal_fd(&self, fd: i32) -> bool;
    /// What is known of an open file.
    fn status_fd(&self, fd: i32) -> io::Result<FileStatus>;
    /// What is known of a path; of a symbolic link itself unless `follow`.
    fn status(&self, path: &[u8], follow: bool) -> io::Result<FileStatus>;
    /// The entries of a folder, in the order of the system.
    fn list_folder(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>>;
    /// Makes a folder.
    fn make_folder(&mut self, path: &[u8], mode: u32) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&mut self, path: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&mut self, path: &[u8]) -> io::Result<()>;
    /// Renames, replacing a file that is there.
    fn rename(&mut self, from: &[u8], to: &[u8]) -> io::Result<()>;
    /// Makes a link at `at` to `to`.
    fn link(&mut self, to: &[u8], at: &[u8], symbolic: bool) -> io::Result<()>;
    /// What a symbolic link says.
    fn read_link(&self, path: &[u8]) -> io::Result<Vec<u8>>;
    /// Sets the permission bits.
    fn set_permissions(&mut self, path: &[u8], mode: u32) -> io::Result<()>;
    /// Sets the times of last access and change, in nanoseconds since the epoch.
    fn set_times(&mut self, path: &[u8], access: i128, change: i128) -> io::Result<()>;
    /// Whether the user may read (4), write (2), execute (1) it, or it is there (0).
    fn may_access(&self, path: &[u8], mode: u32) -> bool;
    /// Changes the working folder.
    fn set_working_folder(&mut self, path: &[u8]) -> io::Result<()>;

    /// Sockets and names.
    fn network(&mut self) -> &mut dyn Network;

    // ---- processes ----

    /// Starts a child. It gets what was written to files.
    fn spawn(&mut self, plan: &ChildPlan) -> io::Result<Child> {
        let _ = plan;
        Err(io::ErrorKind::PermissionDenied.into())
    }
    /// Doubles the process: its child gets 0 and goes on with a copy of everything but other threads of the system, the parent gets its number.
    fn fork(&mut self) -> io::Result<i32> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
    /// The number and status of a child that has ended, as the system has it; None if it has not. 0 stands for any child.
    fn reap(&mut self, id: i32) -> io::Result<Option<(i32, i32)>> {
        let _ = id;
        Err(io::ErrorKind::PermissionDenied.into())
    }
    /// Sends a signal to a process, or to a group of them if the number is negative.
    fn send_signal(&mut self, id: i32, signal: i32) -> io::Result<()> {
        let _ = (id, signal);
        Err(io::ErrorKind::PermissionDenied.into())
    }
    /// Sets what a signal does to this process; told ones set the bit `SIGNAL` of an interrupt word.
    fn watch_signal(&mut self, signal: i32, word: &Arc<AtomicU32>, action: SignalAction) -> io::Result<()> {
        let _ = (signal, word, action);
        Err(io::ErrorKind::PermissionDenied.into())
    }
    /// Sets a timer of the process, or asks for it: seconds until its signal, and between further ones. What it was before.
    fn set_timer(&mut self, which: i32, set: Option<(f64, f64)>) -> io::Result<(f64, f64)> {
        let _ = (which, set);
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Carries out a call on a descriptor, or on a limit of the process: numbers and a packed structure, which is written to. What they
    /// are depends on the call.
    fn control(&mut self, call: Control, numbers: [i64; 4], bytes: &mut [u8]) -> io::Result<i64> {
        let _ = (call, numbers, bytes);
        Err(io::ErrorKind::PermissionDenied.into())
    }

    // ---- the process ----

    /// Sets an environment variable, or removes it: for this machine and the children it starts.
    fn set_variable(&mut self, name: &str, value: Option<&str>);
    /// The id of the process that started this one.
    fn parent_id(&self) -> u32;
    /// User and group: real and effective.
    fn user_ids(&self) -> [u32; 4];
    /// Number of processors that can be used.
    fn processors(&self) -> usize;
    /// Ends the process at once, with nothing flushed.
    fn exit(&mut self, status: i32) -> !;
}
