//! The part of the door to the outside that is the network: sockets by their numbers, names of hosts, and being woken up.
//!
//! Everything here is plain data, so that a simulated network is one more implementation. What can wait comes in two forms: a call
//! that says `WouldBlock` together with [`Network::wait`], and [`Network::ask`], whose answer is fetched later.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::rc::Rc;

/// Where a socket is, or its other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetAddress {
    /// IPv4.
    V4(SocketAddrV4),
    /// IPv6.
    V6(SocketAddrV6),
    /// A path, empty for a socket without a name; one that begins with a zero byte is no file.
    Unix(Vec<u8>),
    /// Of a family that is not known here, by its number, or of none.
    Other(u16),
}

/// Family, type and protocol of a socket, as the system numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the type names them")]
pub struct SocketKind {
    pub family: i32,
    pub kind: i32,
    pub protocol: i32,
}

/// How waiting for a descriptor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is ready, or has an error that the next operation tells.
    Ready,
    /// The time is over.
    TimedOut,
    /// A signal came in, or an answer.
    Woken,
}

/// What is asked of the names of hosts and services.
#[derive(Clone, Debug)]
pub enum Question {
    /// `getaddrinfo`.
    Addresses {
        /// The host's name or literal address.
        host: Option<Vec<u8>>,
        /// The service's name or port.
        service: Option<Vec<u8>>,
        /// Which sockets the addresses should be for; zeros: any.
        hints: SocketKind,
        /// `AI_...`
        flags: i32,
    },
    /// `getnameinfo`.
    Name {
        /// The address.
        address: NetAddress,
        /// `NI_...`
        flags: i32,
    },
    /// The names and addresses of a host by its name, as `gethostbyname` has them.
    Host(Vec<u8>),
}

/// One of the addresses a name stands for.
#[derive(Clone, Debug)]
pub struct Found {
    /// What kind of socket it is for.
    pub socket: SocketKind,
    /// The host's canonical name, if it was asked for.
    pub canonical: String,
    /// The address.
    pub address: NetAddress,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To `Question::Addresses` and `Question::Host`.
    Addresses(Vec<Found>),
    /// To `Question::Name`: host and service.
    Name(String, String),
}

/// Why a name could not be looked up.
#[derive(Clone, Debug)]
pub enum LookupError {
    /// `EAI_...`, and what it means.
    Name(i32, String),
    /// An error of the system, by its number.
    System(i32),
}

/// The outcome of a question.
pub type Lookup = Result<Answer, LookupError>;

/// What is sent beside the bytes of a message, descriptors for example: level, type and data.
pub type Control = (i32, i32, Vec<u8>);

/// A message that was received: how many bytes, what came beside them, `MSG_...`, and who sent it.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "said above")]
pub struct Message {
    pub count: usize,
    pub control: Vec<Control>,
    pub flags: i32,
    pub from: NetAddress,
}

/// Descriptors whose objects are gone: they are closed at the next opportunity, since the collector can't call the host.
pub type Orphans = Rc<std::cell::RefCell<Vec<i32>>>;

/// Sockets.
pub trait Network: Debug {
    /// Makes a socket. It is not inherited by children.
    fn open(&mut self, kind: SocketKind) -> io::Result<i32>;
    /// Makes two sockets connected with each other.
    fn open_pair(&mut self, kind: SocketKind) -> io::Result<(i32, i32)>;
    /// What kind of socket a descriptor is.
    fn kind(&self, fd: i32) -> io::Result<SocketKind>;
    /// A second descriptor for the same socket.
    fn duplicate(&mut self, fd: i32) -> io::Result<i32>;
    /// Gives it an address.
    fn bind(&mut self, fd: i32, address: &NetAddress) -> io::Result<()>;
    /// Lets others connect.
    fn listen(&mut self, fd: i32, backlog: i32) -> io::Result<()>;
    /// Takes a connection; one whose calls return at once, if so asked.
    fn accept(&mut self, fd: i32, nonblocking: bool) -> io::Result<(i32, NetAddress)>;
    /// Connects.
    fn connect(&mut self, fd: i32, address: &NetAddress) -> io::Result<()>;
    /// Sends bytes, perhaps not all.
    fn send(&mut self, fd: i32, bytes: &[u8], flags: i32) -> io::Result<usize>;
    /// Sends a datagram to somebody.
    fn send_to(&mut self, fd: i32, bytes: &[u8], flags: i32, to: &NetAddress) -> io::Result<usize>;
    /// Receives bytes; 0: the other end sends no more.
    fn receive(&mut self, fd: i32, into: &mut [u8], flags: i32) -> io::Result<usize>;
    /// Receives a datagram and who sent it.
    fn receive_from(&mut self, fd: i32, into: &mut [u8], flags: i32) -> io::Result<(usize, NetAddress)>;
    /// Sends bytes and what goes beside them.
    fn send_message(
        &mut self,
        fd: i32,
        bytes: &[u8],
        control: &[Control],
        flags: i32,
        to: Option<&NetAddress>,
    ) -> io::Result<usize>;
    /// Receives bytes and up to so many bytes of what came beside them, heads included.
    fn receive_message(&mut self, fd: i32, into: &mut [u8], beside: usize, flags: i32) -> io::Result<Message>;
    /// Sets an option; its value is as the system has it in memory.
    fn set_option(&mut self, fd: i32, level: i32, option: i32, value: &[u8]) -> io::Result<()>;
    /// An option's value as the system has it in memory, into the buffer: how many bytes.
    fn option(&self, fd: i32, level: i32, option: i32, into: &mut [u8]) -> io::Result<usize>;
    /// Its address.
    fn local_address(&self, fd: i32) -> io::Result<NetAddress>;
    /// The other end's.
    fn peer_address(&self, fd: i32) -> io::Result<NetAddress>;
    /// Ends receiving (0), sending (1), or both (2).
    fn shut(&mut self, fd: i32, how: i32) -> io::Result<()>;
    /// Sets whether calls return at once where they would wait.
    fn set_nonblocking(&mut self, fd: i32, on: bool) -> io::Result<()>;
    /// Whether they do.
    fn is_nonblocking(&self, fd: i32) -> io::Result<bool>;
    /// Sets whether children get it.
    fn set_inheritable(&mut self, fd: i32, on: bool) -> io::Result<()>;
    /// Whether children get it.
    fn is_inheritable(&self, fd: i32) -> io::Result<bool>;
    /// Closes it.
    fn close(&mut self, fd: i32) -> io::Result<()>;
    /// How often a descriptor of this number was closed: whether what is known of one is still about the same.
    fn closed_times(&self, fd: i32) -> u32;

    /// Where objects of sockets leave their descriptors when they die.
    fn orphans(&self) -> Orphans;

    /// Waits until a descriptor (none: nothing but signals and answers) is ready, for so many seconds at most (none: for ever).
    fn wait(&mut self, fd: Option<(i32, bool)>, seconds: Option<f64>) -> io::Result<Waited>;
    /// As `wait`, for several descriptors: `ready` has a place for each that is set if it is ready.
    fn wait_any(&mut self, fds: &[(i32, bool)], ready: &mut [bool], seconds: Option<f64>) -> io::Result<Waited>;
    /// As `wait`, with the bits of `poll`: descriptors, what is asked of each, and room for what each is ready for.
    fn poll(&mut self, fds: &mut [(i32, i16, i16)], seconds: Option<f64>) -> io::Result<Waited>;
    /// A descriptor that is readable when a signal came in or an answer is there; for who waits for many.
    fn wake_descriptor(&mut self) -> io::Result<i32>;
    /// Takes note that one was woken.
    fn woken(&mut self);

    /// The machine's name.
    fn machine_name(&self) -> String;
    /// Looks a name up; this can take seconds.
    fn look_up(&mut self, question: &Question) -> Lookup;
    /// Asks for a name to be looked up: the number under which `take_answers` tells.
    fn ask(&mut self, question: Question) -> io::Result<u64>;
    /// The answers that came in.
    fn take_answers(&mut self) -> Vec<(u64, Lookup)>;
    /// The port of a service, or none.
    fn service_port(&self, name: &str, protocol: Option<&str>) -> Option<u16>;
    /// The service at a port, or none.
    fn service_name(&self, port: u16, protocol: Option<&str>) -> Option<String>;
    /// Network interfaces: numbers and names.
    fn interfaces(&self) -> io::Result<Vec<(u32, String)>>;
}
