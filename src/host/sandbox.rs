//! A host that gives a program nothing: no files, no environment, no process; a clock that jumps; the same random numbers each time. What
//! the program prints is kept up to a limit. For programs one does not trust, and for tests.

use std::io::{self, ErrorKind, SeekFrom};

use crate::number::hash::HashSeed;
use crate::vm::host::{FileStatus, FolderEntry, Host, OpenFiles, OpenMode, StdStream};
use crate::vm::network::{Lookup, LookupError, NetAddress, Network, Orphans, Question, SocketKind, Waited};

/// A host without an outside.
#[derive(Debug)]
pub struct Sandbox {
    now: f64,
    /// How often it was asked for the time it has taken.
    asked: std::cell::Cell<u32>,
    seed: u64,
    stack: usize,
    output: Vec<u8>,
    room: usize,
    files: OpenFiles,
    network: NoNetwork,
}

impl Sandbox {
    /// A host whose random numbers follow from `seed`, for a thread with a stack of `stack` bytes. What is printed is kept up to `room`
    /// bytes, what goes beyond is dropped.
    pub fn new(seed: u64, stack: usize, room: usize) -> Sandbox {
        Sandbox {
            now: 0.0,
            asked: std::cell::Cell::new(0),
            seed,
            stack,
            output: vec![],
            room,
            files: OpenFiles::default(),
            network: NoNetwork::default(),
        }
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn refused<T>() -> io::Result<T> {
    Err(ErrorKind::PermissionDenied.into())
}

impl Host for Sandbox {
    fn time(&self) -> f64 {
        1_000_000_000.0 + self.now
    }

    fn monotonic(&self) -> f64 {
        self.now
    }

    /// Each question takes some: what may take only a share of the time (looking for what has died) comes to an end in a program that
    /// takes none.
    fn process_time(&self) -> f64 {
        const QUESTION: f64 = 0.02;
        self.asked.set(self.asked.get().saturating_add(1));
        self.now + f64::from(self.asked.get()) * QUESTION
    }

    fn sleep(&mut self, seconds: f64) {
        self.advance(seconds);
    }

    fn is_virtual(&self) -> bool {
        true
    }

    fn advance(&mut self, seconds: f64) {
        self.now += seconds.max(0.0);
    }

    fn hash_seed(&self) -> HashSeed {
        HashSeed::Fixed(0)
    }

    fn random_seed(&self) -> u64 {
        self.seed
    }

    fn random_bytes(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
        Ok(())
    }

    fn stack_size(&self) -> usize {
        self.stack
    }

    fn registers(&self) -> usize {
        // Clearing more would be most of what a short program takes.
        1 << 17
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn variables(&self) -> Vec<(String, String)> {
        vec![]
    }

    fn write(&mut self, _stream: StdStream, bytes: &[u8]) -> io::Result<()> {
        let left = self.room.saturating_sub(self.output.len());
        self.output.extend_from_slice(&bytes[..bytes.len().min(left)]);
        Ok(())
    }

    fn flush(&mut self, _stream: StdStream) -> io::Result<()> {
        Ok(())
    }

    fn is_terminal(&self, _stream: StdStream) -> bool {
        false
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        Ok(vec![])
    }

    fn read_file(&self, _path: &str) -> io::Result<Vec<u8>> {
        refused()
    }

    fn is_file(&self, _path: &str) -> bool {
        false
    }

    fn is_folder(&self, _path: &str) -> bool {
        false
    }

    fn working_folder(&self) -> io::Result<String> {
        Ok("/".to_owned())
    }

    fn process_id(&self) -> u32 {
        1
    }

    fn open_files(&mut self) -> &mut OpenFiles {
        &mut self.files
    }

    fn open_file(&mut self, _path: &[u8], _mode: OpenMode) -> io::Result<i32> {
        refused()
    }

    fn read_fd(&mut self, fd: i32, _into: &mut [u8]) -> io::Result<usize> {
        if fd == 0 { Ok(0) } else { refused() }
    }

    fn write_fd(&mut self, fd: i32, bytes: &[u8]) -> io::Result<usize> {
        if fd == 1 || fd == 2 { self.write(StdStream::Out, bytes).map(|()| bytes.len()) } else { refused() }
    }

    fn seek_fd(&mut self, _fd: i32, _to: SeekFrom) -> io::Result<u64> {
        refused()
    }

    fn truncate_fd(&mut self, _fd: i32, _size: u64) -> io::Result<()> {
        refused()
    }

    fn close_fd(&mut self, _fd: i32) -> io::Result<()> {
        refused()
    }

    fn sync_fd(&mut self, _fd: i32) -> io::Result<()> {
        refused()
    }

    fn is_terminal_fd(&self, _fd: i32) -> bool {
        false
    }

    fn status_fd(&self, _fd: i32) -> io::Result<FileStatus> {
        refused()
    }

    fn status(&self, _path: &[u8], _follow: bool) -> io::Result<FileStatus> {
        refused()
    }

    fn list_folder(&self, _path: &[u8]) -> io::Result<Vec<FolderEntry>> {
        refused()
    }

    fn make_folder(&mut self, _path: &[u8], _mode: u32) -> io::Result<()> {
        refused()
    }

    fn remove_folder(&mut self, _path: &[u8]) -> io::Result<()> {
        refused()
    }

    fn remove_file(&mut self, _path: &[u8]) -> io::Result<()> {
        refused()
    }

    fn rename(&mut self, _from: &[u8], _to: &[u8]) -> io::Result<()> {
        refused()
    }

    fn link(&mut self, _to: &[u8], _at: &[u8], _symbolic: bool) -> io::Result<()> {
        refused()
    }

    fn read_link(&self, _path: &[u8]) -> io::Result<Vec<u8>> {
        refused()
    }

    fn set_permissions(&mut self, _path: &[u8], _mode: u32) -> io::Result<()> {
        refused()
    }

    fn set_times(&mut self, _path: &[u8], _access: i128, _change: i128) -> io::Result<()> {
        refused()
    }

    fn may_access(&self, _path: &[u8], _mode: u32) -> bool {
        false
    }

    fn set_working_folder(&mut self, _path: &[u8]) -> io::Result<()> {
        refused()
    }

    fn set_variable(&mut self, _name: &str, _value: Option<&str>) {}

    fn parent_id(&self) -> u32 {
        0
    }

    fn user_ids(&self) -> [u32; 4] {
        [65534; 4]
    }

    fn processors(&self) -> usize {
        1
    }

    fn network(&mut self) -> &mut dyn Network {
        &mut self.network
    }

    /// Panics: whoever runs a program in a sandbox is not to be ended by it, and catches this. Nothing of the machine is to be used
    /// afterwards.
    fn exit(&mut self, status: i32) -> ! {
        std::panic::panic_any(Exit(status))
    }
}

/// A network that refuses everything.
#[derive(Debug, Default)]
struct NoNetwork {
    orphans: Orphans,
}

impl Network for NoNetwork {
    fn open(&mut self, _kind: SocketKind) -> io::Result<i32> {
        refused()
    }

    fn open_pair(&mut self, _kind: SocketKind) -> io::Result<(i32, i32)> {
        refused()
    }

    fn kind(&self, _fd: i32) -> io::Result<SocketKind> {
        refused()
    }

    fn duplicate(&mut self, _fd: i32) -> io::Result<i32> {
        refused()
    }

    fn bind(&mut self, _fd: i32, _address: &NetAddress) -> io::Result<()> {
        refused()
    }

    fn listen(&mut self, _fd: i32, _backlog: i32) -> io::Result<()> {
        refused()
    }

    fn accept(&mut self, _fd: i32, _nonblocking: bool) -> io::Result<(i32, NetAddress)> {
        refused()
    }

    fn connect(&mut self, _fd: i32, _address: &NetAddress) -> io::Result<()> {
        refused()
    }

    fn send(&mut self, _fd: i32, _bytes: &[u8], _flags: i32) -> io::Result<usize> {
        refused()
    }

    fn send_to(&mut self, _fd: i32, _bytes: &[u8], _flags: i32, _to: &NetAddress) -> io::Result<usize> {
        refused()
    }

    fn receive(&mut self, _fd: i32, _into: &mut [u8], _flags: i32) -> io::Result<usize> {
        refused()
    }

    fn receive_from(&mut self, _fd: i32, _into: &mut [u8], _flags: i32) -> io::Result<(usize, NetAddress)> {
        refused()
    }

    fn set_option(&mut self, _fd: i32, _level: i32, _option: i32, _value: &[u8]) -> io::Result<()> {
        refused()
    }

    fn option(&self, _fd: i32, _level: i32, _option: i32, _into: &mut [u8]) -> io::Result<usize> {
        refused()
    }

    fn local_address(&self, _fd: i32) -> io::Result<NetAddress> {
        refused()
    }

    fn peer_address(&self, _fd: i32) -> io::Result<NetAddress> {
        refused()
    }

    fn shut(&mut self, _fd: i32, _how: i32) -> io::Result<()> {
        refused()
    }

    fn set_nonblocking(&mut self, _fd: i32, _on: bool) -> io::Result<()> {
        refused()
    }

    fn is_nonblocking(&self, _fd: i32) -> io::Result<bool> {
        refused()
    }

    fn set_inheritable(&mut self, _fd: i32, _on: bool) -> io::Result<()> {
        refused()
    }

    fn is_inheritable(&self, _fd: i32) -> io::Result<bool> {
        refused()
    }

    fn close(&mut self, _fd: i32) -> io::Result<()> {
        refused()
    }

    fn closed_times(&self, _fd: i32) -> u32 {
        0
    }

    fn orphans(&self) -> Orphans {
        self.orphans.clone()
    }

    fn poll(&mut self, _fds: &mut [(i32, i16, i16)], _seconds: Option<f64>) -> io::Result<Waited> {
        refused()
    }

    fn send_message(
        &mut self,
        _fd: i32,
        _bytes: &[u8],
        _control: &[crate::vm::network::Control],
        _flags: i32,
        _to: Option<&NetAddress>,
    ) -> io::Result<usize> {
        refused()
    }

    fn receive_message(
        &mut self,
        _fd: i32,
        _into: &mut [u8],
        _beside: usize,
        _flags: i32,
    ) -> io::Result<crate::vm::network::Message> {
        refused()
    }

    fn wait_any(&mut self, _: &[(i32, bool)], _: &mut [bool], _: Option<f64>) -> io::Result<Waited> {
        refused()
    }

    fn wait(&mut self, _fd: Option<(i32, bool)>, _seconds: Option<f64>) -> io::Result<Waited> {
        Ok(Waited::TimedOut)
    }

    fn wake_descriptor(&mut self) -> io::Result<i32> {
        refused()
    }

    fn woken(&mut self) {}

    fn machine_name(&self) -> String {
        "sandbox".to_owned()
    }

    fn look_up(&mut self, _question: &Question) -> Lookup {
        Err(LookupError::System(rustix::io::Errno::PERM.raw_os_error()))
    }

    fn ask(&mut self, _question: Question) -> io::Result<u64> {
        refused()
    }

    fn take_answers(&mut self) -> Vec<(u64, Lookup)> {
        vec![]
    }

    fn service_port(&self, _name: &str, _protocol: Option<&str>) -> Option<u16> {
        None
    }

    fn service_name(&self, _port: u16, _protocol: Option<&str>) -> Option<String> {
        None
    }

    fn interfaces(&self) -> io::Result<Vec<(u32, String)>> {
        refused()
    }
}

/// What a program in a [`Sandbox`] panics with when it calls `os._exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub i32);
