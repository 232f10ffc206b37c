//! Sockets: the module `_socket`, which `socket` builds on. What the system does is reached through the host's [`Network`].
//!
//! Read on: `address.rs` (addresses as scripts write and see them), `names.rs` (looking names up, and the module's functions).

pub(crate) mod address;
pub(crate) mod names;
mod select;

use std::io::{Error, ErrorKind};

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::bytes::{buffer_of, bytes_like};
use crate::native::types::exception::io_error;
use crate::object::{Array, ByteArray, Bytes, ClassFlags, Exc, MemoryView, NativeObject, Payload, Tuple};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::network::{Control, Message, NetAddress, Network, Orphans, SocketKind, Waited};

use super::loops;
use address::{AF_INET, shown};

/// MSG_DONTWAIT: a call that would wait returns at once.
const DO_NOT_WAIT: i32 = 0x40;
/// EINPROGRESS: the connection is being made.
pub(crate) const IN_PROGRESS: i32 = 115;
const BAD_DESCRIPTOR: i32 = 9;
const SOL_SOCKET: i32 = 1;
const SO_ERROR: i32 = 4;

/// The payload of a socket object.
#[derive(Debug)]
pub(crate) struct Sock {
    /// The descriptor; -1 when closed.
    pub(crate) fd: i32,
    pub(crate) kind: SocketKind,
    /// Seconds that an operation may wait; none: for ever, 0: not at all.
    pub(crate) timeout: Option<f64>,
    /// Files over it that are open.
    files: u32,
    /// Whether `close` was called; it is really closed once no file is over it.
    closed: bool,
    /// Whether what it carries is encrypted by the library.
    pub(crate) tls: bool,
    /// Where it leaves its descriptor if nobody closes it.
    orphans: Option<Orphans>,
    /// The other end, where it was known at once.
    peer: Peer,
}

/// The address of the other end, which may be gone by the time somebody asks.
#[derive(Clone, Debug)]
enum Peer {
    Unknown,
    V4(std::net::SocketAddrV4),
    Other(Box<NetAddress>),
}

impl From<NetAddress> for Peer {
    fn from(address: NetAddress) -> Peer {
        match address {
            NetAddress::V4(v4) => Peer::V4(v4),
            other => Peer::Other(Box::new(other)),
        }
    }
}

impl Payload for Sock {}

impl Drop for Sock {
    fn drop(&mut self) {
        if self.fd >= 0
            && let Some(orphans) = &self.orphans
        {
            orphans.borrow_mut().push(self.fd);
        }
    }
}

/// The network.
#[inline]
pub(crate) fn network(cx: &mut Cx) -> &mut dyn Network {
    cx.host_mut().network()
}

/// Works with the payload of a socket.
#[inline]
pub(crate) fn with<R>(cx: &mut Cx, this: Root, work: impl FnOnce(&mut Sock) -> R) -> Result<R, Raised> {
    let object = this.get(cx).cell_of_kind::<NativeObject>().map(Gc::held);
    match object.and_then(|o| o.with::<Sock, R>(work)) {
        Some(result) => Ok(result),
        None => {
            let got = cx.type_name_for_error(this.get(cx));
            Err(cx.type_error(format!("a socket object is required, not '{got}'")))
        }
    }
}

fn fd_of(cx: &mut Cx, this: Root) -> Result<i32, Raised> {
    with(cx, this, |s| s.fd)
}

/// Raises what an error of the network is.
pub(crate) fn fail(cx: &mut Cx, error: &Error) -> Raised {
    match error.raw_os_error() {
        None if error.kind() == ErrorKind::TimedOut => cx.raise_text(Exc::TimeoutError, "timed out"),
        _ => io_error(cx, error, None),
    }
}

pub(crate) fn check<R>(cx: &mut Cx, result: std::io::Result<R>) -> Result<R, Raised> {
    result.map_err(|error| fail(cx, &error))
}

/// Waits until a descriptor is ready, until a time of the host's clock; signals are dealt with meanwhile.
fn wait(cx: &mut Cx, fd: i32, write: bool, until: Option<f64>) -> Result<(), Raised> {
    while cx.has_threads() {
        // The others run meanwhile. Deadlines of fibers are the clock's that scripts see, which may be virtual.
        let left = until.map(|u| (u - now(cx)).max(0.0));
        let deadline = left.map(|left| cx.host().monotonic() + left);
        if cx.wait_descriptor(fd, write, deadline)? {
            return Ok(());
        }
        if until.is_some_and(|u| now(cx) >= u) || cx.host().is_virtual() {
            return Err(cx.raise_text(Exc::TimeoutError, "timed out"));
        }
    }
    loop {
        let left = until.map(|u| (u - now(cx)).max(0.0));
        match network(cx).wait(Some((fd, write)), left) {
            Ok(Waited::Ready) => return Ok(()),
            Ok(Waited::TimedOut) => return Err(cx.raise_text(Exc::TimeoutError, "timed out")),
            Ok(Waited::Woken) => cx.check_signals()?,
            Err(error) => return Err(io_error(cx, &error, None)),
        }
    }
}

/// Waiting for what is outside takes real time, even where the clock is virtual.
fn now(cx: &mut Cx) -> f64 {
    cx.host().real_time()
}

/// Does an operation as the socket's timeout says: at once, waiting so long, or waiting. `work` is given flags for the call.
fn operate<R>(
    cx: &mut Cx,
    this: Root,
    write: bool,
    nowait: bool,
    mut work: impl FnMut(&mut dyn Network, i32, i32) -> std::io::Result<R>,
) -> Result<R, Raised> {
    let (fd, timeout) = with(cx, this, |s| (s.fd, s.timeout))?;
    let (flags, at_once) = match timeout {
        // A call that waits inside the system could not be interrupted, so the waiting is done here.
        None => (DO_NOT_WAIT, nowait),
        Some(seconds) => (0, seconds == 0.0),
    };
    let mut until = None;
    loop {
        match cx.reclaiming(|cx| work(network(cx), fd, flags)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => cx.check_signals()?,
            Err(error) if error.kind() == ErrorKind::WouldBlock && !at_once => {
                if until.is_none() {
                    until = timeout.map(|t| now(cx) + t);
                }
                wait(cx, fd, write, until)?;
            }
            result => return check(cx, result),
        }
    }
}

fn pair(cx: &mut Cx, a: Raw, b: Raw) -> Outcome {
    cx.tuple(&[Value::adopt(a), Value::adopt(b)]).into()
}

/// Works with the machine's buffer, of at least `size` bytes.
pub(crate) fn with_buffer<R>(cx: &mut Cx, size: usize, work: impl FnOnce(&mut Cx, &mut [u8]) -> R) -> R {
    const KEPT: usize = 1 << 20;
    let mut buffer = std::mem::take(&mut loops(cx).buffer);
    if buffer.len() < size {
        buffer = vec![0; size];
    }
    let result = work(cx, &mut buffer[..size]);
    if buffer.len() <= KEPT {
        loops(cx).buffer = buffer;
    }
    result
}

fn size_of(cx: &mut Cx, size: i64, function: &str) -> Result<usize, Raised> {
    match usize::try_from(size) {
        Ok(size) if size <= 1 << 31 => Ok(size),
        Ok(_) => Err(cx.memory_error()),
        Err(_) => Err(cx.value_error(format!("negative buffersize in {function}"))),
    }
}

/// How many bytes a writable buffer has room for.
pub(crate) fn room_of(cx: &mut Cx, target: Root, function: &str) -> Result<usize, Raised> {
    if let Some(array) = cx.payload(target.get(cx)).exact::<ByteArray>() {
        return Ok(array.len());
    }
    if let Some(array) = cx.payload(target.get(cx)).exact::<Array>() {
        return Ok(array.memory().len());
    }
    if let Some(view) = target.get(cx).exact::<MemoryView>()
        && !view.readonly
    {
        return Ok(buffer_of(cx, target).map_or(0, |b| b.len()));
    }
    let got = cx.type_name_for_error(target.get(cx));
    Err(cx.type_error(format!("{function}() argument 1 must be read-write bytes-like object, not {got}")))
}

/// Copies bytes to the beginning of a writable buffer.
pub(crate) fn copy_into(cx: &mut Cx, target: Root, bytes: &[u8]) -> Result<(), Raised> {
    if let Some(array) = cx.payload(target.get(cx)).exact::<Array>() {
        for (cell, byte) in array.memory().cells().iter().zip(bytes) {
            cell.set(*byte);
        }
        return Ok(());
    }
    if let Some(array) = cx.payload(target.get(cx)).exact::<ByteArray>() {
        for (cell, byte) in array.cells().iter().zip(bytes) {
            cell.set(*byte);
        }
        return Ok(());
    }
    if let Some(view) = target.get(cx).exact::<MemoryView>()
        && view.fill(bytes)
    {
        return Ok(());
    }
    for (at, byte) in bytes.iter().enumerate() {
        let mark = cx.mark();
        let at = cx.push_raw(Raw::int(at as i64));
        let byte = cx.push_raw(Raw::int(i64::from(*byte)));
        cx.set_item_root(target, at, byte)?;
        cx.release(mark);
    }
    Ok(())
}

/// How many bytes `recv_into` and its like receive at most.
fn size_into(cx: &mut Cx, target: Root, count: i64, function: &str) -> Result<usize, Raised> {
    let room = room_of(cx, target, function)?;
    let size = size_of(cx, count, function)?;
    if size > room {
        return Err(cx.value_error("buffer too small for requested bytes"));
    }
    Ok(if size == 0 { room } else { size })
}

/// A new socket object of the class `socket` for a descriptor.
pub(crate) fn adopt(cx: &mut Cx, class: Root, fd: i32, kind: SocketKind, timeout: Option<f64>) -> Result<Root, Raised> {
    let orphans = Some(network(cx).orphans());
    let sock = Sock { fd, kind, timeout, files: 0, closed: false, tls: false, orphans, peer: Peer::Unknown };
    let Outcome::Value(raw) = super::functions::new_object(cx, class, Box::new(sock))? else {
        return Err(cx.runtime_error("a socket is a value"));
    };
    Ok(cx.push_raw(raw))
}

/// Gives an object that was just made its descriptor.
fn take_over(cx: &mut Cx, this: Root, fd: i32, kind: SocketKind, timeout: Option<f64>) -> Result<(), Raised> {
    let orphans = Some(network(cx).orphans());
    let before = with(cx, this, |s| {
        let before = std::mem::replace(&mut s.fd, fd);
        (s.kind, s.timeout, s.files, s.closed, s.orphans) = (kind, timeout, 0, false, orphans);
        s.peer = Peer::Unknown;
        before
    })?;
    if before >= 0 {
        let _ = network(cx).close(before);
    }
    Ok(())
}

fn close_now(cx: &mut Cx, this: Root) -> NativeResult {
    let fd = with(cx, this, |s| std::mem::replace(&mut s.fd, -1))?;
    if fd >= 0 {
        let closed = network(cx).close(fd);
        // A connection that the other end reset is closed all the same.
        if let Err(error) = closed
            && error.raw_os_error() != Some(104)
        {
            return Err(fail(cx, &error));
        }
    }
    Ok(Outcome::NONE)
}

fn set_timeout(cx: &mut Cx, this: Root, timeout: Option<f64>) -> NativeResult {
    let fd = with(cx, this, |s| {
        s.timeout = timeout;
        s.fd
    })?;
    let result = network(cx).set_nonblocking(fd, timeout.is_some());
    Ok(check(cx, result)?.into())
}

/// A timeout that a script gives.
pub(super) fn timeout_of(cx: &mut Cx, value: Root) -> Result<Option<f64>, Raised> {
    if value.get(cx).is_none() {
        return Ok(None);
    }
    let seconds = crate::native::time::duration(cx, value)?;
    if seconds < 0.0 {
        return Err(cx.value_error("Timeout value out of range"));
    }
    Ok(Some(seconds))
}

/// The error that connecting left behind.
fn pending_error(cx: &mut Cx, fd: i32) -> std::io::Result<()> {
    let mut value = [0; 4];
    network(cx).option(fd, SOL_SOCKET, SO_ERROR, &mut value)?;
    match i32::from_ne_bytes(value) {
        0 => Ok(()),
        number => Err(Error::from_raw_os_error(number)),
    }
}

/// Connects a socket that is ready after it could not be connected at once. Unlike asking for the error this leaves it as a call that waits
/// would: it can be tried again.
fn second_try(cx: &mut Cx, fd: i32, to: &crate::vm::network::NetAddress) -> std::io::Result<()> {
    const IS_CONNECTED: i32 = 106;
    match network(cx).connect(fd, to) {
        Err(error) if error.raw_os_error() == Some(IS_CONNECTED) => Ok(()),
        result => result,
    }
}

fn connect_to(cx: &mut Cx, this: Root, address: Root, function: &str) -> Result<std::io::Result<()>, Raised> {
    let (fd, kind, timeout) = with(cx, this, |s| (s.fd, s.kind, s.timeout))?;
    let to = self::address::address(cx, address, kind.family, function)?;
    // A blocking call could not be interrupted.
    let blocking = timeout.is_none() && fd >= 0 && network(cx).set_nonblocking(fd, true).is_ok();
    let begun = network(cx).connect(fd, &to);
    let result = match begun {
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) && timeout != Some(0.0) => {
            let until = timeout.map(|t| now(cx) + t);
            wait(cx, fd, true, until).map(|()| if blocking { second_try(cx, fd, &to) } else { pending_error(cx, fd) })
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock && blocking => {
            // A Unix socket whose other end has no room yet: only the system can wait for that.
            let _ = network(cx).set_nonblocking(fd, false);
            Ok(network(cx).connect(fd, &to))
        }
        result => Ok(result),
    };
    if blocking {
        let _ = network(cx).set_nonblocking(fd, false);
    }
    result
}

/// What is to be sent beside the bytes of a message.
fn control_of(cx: &mut Cx, given: Option<Root>) -> Result<Vec<Control>, Raised> {
    let mut control = vec![];
    let Some(given) = given else { return Ok(control) };
    cx.for_each(given, &mut |cx, item| {
        let parts: Option<Vec<Raw>> = item.get(cx).exact::<Tuple>().map(|t| t.items().map(Value::raw).collect());
        let Some(&[level, kind, data]) = parts.as_deref() else {
            let text = "[sendmsg() argument 2] must be sequence of length 3";
            return Err(cx.type_error(text.into()));
        };
        let (Some(level), Some(kind)) = (Value::adopt(level).as_int(), Value::adopt(kind).as_int()) else {
            return Err(cx.type_error("an integer is required".into()));
        };
        let data = cx.push_raw(data);
        let data = match Value::adopt(data.get(cx).raw()).exact::<crate::object::NativeObject>() {
            // An array has its bytes by a method.
            Some(_) => {
                let bytes = cx.call_method(data, "tobytes", &[])?;
                bytes_like(cx, bytes)?.to_vec()
            }
            None => bytes_like(cx, data)?.to_vec(),
        };
        control.push((level as i32, kind as i32, data));
        Ok(())
    })?;
    Ok(control)
}

fn beside_of(cx: &mut Cx, size: i64) -> Result<usize, Raised> {
    match usize::try_from(size) {
        Ok(size) if size <= 1 << 20 => Ok(size),
        _ => Err(cx.value_error("invalid ancillary data buffer length")),
    }
}

/// A message as scripts see it, after what its bytes are.
fn shown_message(cx: &mut Cx, first: Raw, message: Message) -> NativeResult {
    let first = cx.push_raw(first);
    let list = cx.list(&[]).value().raw();
    let list = cx.push_raw(list);
    for (level, kind, data) in message.control {
        let data = Bytes::new(&cx.heap, &data).value().raw();
        let (level, kind) = (Raw::int(i64::from(level)), Raw::int(i64::from(kind)));
        let item = cx.tuple(&[Value::adopt(level), Value::adopt(kind), Value::adopt(data)]).value().raw();
        let item = cx.push_raw(item);
        cx.list_push(list, item)?;
    }
    let from = shown(cx, &message.from);
    let flags = Raw::int(i64::from(message.flags));
    Ok(cx.tuple(&[first.get(cx), list.get(cx), Value::adopt(flags), Value::adopt(from)]).into())
}

fn is_nowait(flags: i64) -> bool {
    flags as i32 & DO_NOT_WAIT != 0
}

natives!(
    /// A socket.
    static SOCKET: Methods;

    /// Make a socket object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let kind = SocketKind { family: AF_INET, kind: 1, protocol: 0 };
        let empty = Sock {
            fd: -1,
            kind,
            timeout: None,
            files: 0,
            closed: false,
            tls: false,
            orphans: None,
            peer: Peer::Unknown,
        };
        super::functions::new_object(cx, class, Box::new(empty))
    }

    /// Open a socket, or take over an open descriptor.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(-1)]
        family: i64,
        #[either]
        #[default(-1)]
        r#type: i64,
        #[either]
        #[default(-1)]
        proto: i64,
        #[either] fileno: Option<i64>,
    ) -> NativeResult {
        let timeout = loops(cx).socket_timeout;
        let (fd, kind) = match fileno {
            Some(fd) if fd < 0 => return Err(cx.value_error("negative file descriptor")),
            Some(fd) => {
                let fd = i32::try_from(fd).unwrap_or(i32::MAX);
                let found = network(cx).kind(fd);
                let found = check(cx, found)?;
                let given = |given: i64, found: i32| if given < 0 { found } else { given as i32 };
                let kind = SocketKind {
                    family: given(family, found.family),
                    kind: given(r#type, found.kind),
                    protocol: given(proto, found.protocol),
                };
                (fd, kind)
            }
            None => {
                let kind = SocketKind {
                    family: if family < 0 { AF_INET } else { family as i32 },
                    kind: if r#type < 0 { 1 } else { r#type as i32 },
                    protocol: proto.max(0) as i32,
                };
                let made = cx.reclaiming(|cx| network(cx).open(kind));
                (check(cx, made)?, kind)
            }
        };
        // SOCK_NONBLOCK and SOCK_CLOEXEC are no part of the type.
        let timeout = if kind.kind & 0o4000 != 0 { Some(0.0) } else { timeout };
        let kind = SocketKind { kind: kind.kind & 0xf, ..kind };
        take_over(cx, this, fd, kind, timeout)?;
        if timeout.is_some() { set_timeout(cx, this, timeout) } else { Ok(Outcome::NONE) }
    }

    /// The family of its addresses, as a number.
    #[getter]
    fn _family(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(with(cx, this, |s| s.kind.family)?).into())
    }

    /// Its type, as a number.
    #[getter]
    fn _type(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(with(cx, this, |s| s.kind.kind)?).into())
    }

    /// Its protocol.
    #[getter]
    fn proto(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(with(cx, this, |s| s.kind.protocol)?).into())
    }

    /// Return the descriptor, -1 if it is closed.
    fn fileno(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(fd_of(cx, this)?).into())
    }

    /// Whether it was closed.
    #[getter]
    fn _closed(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.closed)?.into())
    }

    /// Close it, once the files over it are closed.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        let files = with(cx, this, |s| {
            s.closed = true;
            s.files
        })?;
        if files == 0 { close_now(cx, this) } else { Ok(Outcome::NONE) }
    }

    /// A file over it was opened.
    fn _file_opened(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.files += 1)?.into())
    }

    /// A file over it was closed.
    fn _file_closed(cx: &mut Cx, this: Root) -> NativeResult {
        let last = with(cx, this, |s| {
            s.files = s.files.saturating_sub(1);
            s.files == 0 && s.closed
        })?;
        if last { close_now(cx, this) } else { Ok(Outcome::NONE) }
    }

    /// Give the descriptor away, and be closed without closing it.
    fn detach(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = with(cx, this, |s| {
            s.closed = true;
            std::mem::replace(&mut s.fd, -1)
        })?;
        Ok(i64::from(fd).into())
    }

    /// Give it an address.
    fn bind(cx: &mut Cx, this: Root, address: Root) -> NativeResult {
        let (fd, family) = with(cx, this, |s| (s.fd, s.kind.family))?;
        let to = self::address::address(cx, address, family, "bind")?;
        let result = network(cx).bind(fd, &to);
        Ok(check(cx, result)?.into())
    }

    /// Accept connections.
    fn listen(cx: &mut Cx, this: Root, #[default(128)] backlog: i64) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = network(cx).listen(fd, backlog.clamp(0, i64::from(i32::MAX)) as i32);
        Ok(check(cx, result)?.into())
    }

    /// Wait for a connection, and return its descriptor and its other end's address.
    fn _accept(cx: &mut Cx, this: Root) -> NativeResult {
        let (fd, timeout) = with(cx, this, |s| (s.fd, s.timeout))?;
        if timeout.is_none() && fd >= 0 {
            wait(cx, fd, false, None)?;
        }
        let (number, from) = operate(cx, this, false, false, |n, fd, _| n.accept(fd, false))?;
        let from = shown(cx, &from);
        Ok(pair(cx, Raw::int(i64::from(number)), from))
    }

    /// Take a connection that waits, for a loop: its socket, whose calls don't wait and which knows the other end's address.
    fn _accept_ready(cx: &mut Cx, this: Root) -> NativeResult {
        let (fd, kind) = with(cx, this, |s| (s.fd, s.kind))?;
        let accepted = cx.reclaiming(|cx| network(cx).accept(fd, true));
        let (number, from) = check(cx, accepted)?;
        let class = cx.class_of(this.get(cx)).value().raw();
        let class = cx.push_raw(class);
        let new = adopt(cx, class, number, kind, Some(0.0))?;
        with(cx, new, |s| s.peer = from.into())?;
        Ok(new.get(cx).into())
    }

    /// Say that the library encrypts what it carries.
    fn _mark_tls(cx: &mut Cx, this: Root) -> NativeResult {
        with(cx, this, |s| s.tls = true)?;
        Ok(Outcome::NONE)
    }

    /// Find out the other end's address, and keep it.
    fn _keep_peer(cx: &mut Cx, this: Root) -> NativeResult {
        if with(cx, this, |s| matches!(s.peer, Peer::Unknown))? {
            let fd = fd_of(cx, this)?;
            if let Ok(peer) = network(cx).peer_address(fd) {
                with(cx, this, |s| s.peer = peer.into())?;
            }
        }
        Ok(Outcome::NONE)
    }

    /// The other end's address, if it was kept.
    #[getter]
    fn _peer(cx: &mut Cx, this: Root) -> NativeResult {
        let peer = match with(cx, this, |s| s.peer.clone())? {
            Peer::Unknown => return Ok(Outcome::NONE),
            Peer::V4(v4) => NetAddress::V4(v4),
            Peer::Other(other) => *other,
        };
        Ok(Value::adopt(shown(cx, &peer)).into())
    }

    /// Connect to an address.
    fn connect(cx: &mut Cx, this: Root, address: Root) -> NativeResult {
        let result = connect_to(cx, this, address, "connect")?;
        Ok(check(cx, result)?.into())
    }

    /// Connect to an address; return the error's number, or 0.
    fn connect_ex(cx: &mut Cx, this: Root, address: Root) -> NativeResult {
        match connect_to(cx, this, address, "connect_ex") {
            Ok(Ok(())) => Ok(0i64.into()),
            Ok(Err(error)) => Ok(i64::from(error.raw_os_error().unwrap_or(11)).into()),
            Err(raised) => {
                let exception = cx.take_raised(raised);
                let exception = cx.push_raw(exception);
                if cx.is_exception(exception.get(cx), Exc::TimeoutError) {
                    Ok(11i64.into())
                } else {
                    Err(cx.rethrow(exception))
                }
            }
        }
    }

    /// Send bytes, and return how many were.
    fn send(cx: &mut Cx, this: Root, data: Root, #[default(0)] flags: i64) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let count = operate(cx, this, true, is_nowait(flags), |n, fd, more| n.send(fd, &bytes, flags as i32 | more))?;
        Ok((count as i64).into())
    }

    /// Send all bytes.
    fn sendall(cx: &mut Cx, this: Root, data: Root, #[default(0)] flags: i64) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += operate(cx, this, true, is_nowait(flags), |n, fd, more| n.send(fd, rest, flags as i32 | more))?;
        }
        Ok(Outcome::NONE)
    }

    /// Send a datagram.
    fn sendto(
        cx: &mut Cx,
        this: Root,
        data: Root,
        flags_or_address: Option<Root>,
        address: Option<Root>,
    ) -> NativeResult {
        let Some(flags_or_address) = flags_or_address else {
            return Err(cx.type_error("sendto() takes 2 or 3 arguments (1 given)".into()));
        };
        let bytes = bytes_like(cx, data)?;
        let (flags, to) = match address {
            Some(to) => (cx.index_as_i64(flags_or_address)?, to),
            None => (0, flags_or_address),
        };
        let family = with(cx, this, |s| s.kind.family)?;
        let to = self::address::address(cx, to, family, "sendto")?;
        let count =
            operate(cx, this, true, is_nowait(flags), |n, fd, more| n.send_to(fd, &bytes, flags as i32 | more, &to))?;
        Ok((count as i64).into())
    }

    /// Send several pieces of bytes as one.
    fn sendmsg(
        cx: &mut Cx,
        this: Root,
        buffers: Root,
        ancdata: Option<Root>,
        #[default(0)] flags: i64,
        address: Option<Root>,
    ) -> NativeResult {
        let control = control_of(cx, ancdata)?;
        let mut all = vec![];
        cx.for_each(buffers, &mut |cx, piece| {
            let bytes = bytes_like(cx, piece)?;
            all.extend_from_slice(&bytes);
            Ok(())
        })?;
        let to = match address {
            Some(to) => {
                let family = with(cx, this, |s| s.kind.family)?;
                Some(self::address::address(cx, to, family, "sendmsg")?)
            }
            None => None,
        };
        let count = operate(cx, this, true, is_nowait(flags), |n, fd, more| match &to {
            _ if !control.is_empty() => n.send_message(fd, &all, &control, flags as i32 | more, to.as_ref()),
            Some(to) => n.send_to(fd, &all, flags as i32 | more, to),
            None => n.send(fd, &all, flags as i32 | more),
        })?;
        Ok((count as i64).into())
    }

    /// Receive bytes and what came beside them: both, the message's flags and its sender.
    fn recvmsg(
        cx: &mut Cx,
        this: Root,
        bufsize: i64,
        #[default(0)] ancbufsize: i64,
        #[default(0)] flags: i64,
    ) -> NativeResult {
        let Ok(size) = usize::try_from(bufsize) else {
            return Err(cx.value_error("negative buffer size in recvmsg()"));
        };
        let beside = beside_of(cx, ancbufsize)?;
        with_buffer(cx, size, |cx, buffer| {
            let message = operate(cx, this, false, is_nowait(flags), |n, fd, more| {
                n.receive_message(fd, buffer, beside, flags as i32 | more)
            })?;
            let bytes = Bytes::new(&cx.heap, &buffer[..message.count]).value().raw();
            shown_message(cx, bytes, message)
        })
    }

    /// Receive bytes into several buffers: how many, what came beside them, the message's flags and its sender.
    fn recvmsg_into(
        cx: &mut Cx,
        this: Root,
        buffers: Root,
        #[default(0)] ancbufsize: i64,
        #[default(0)] flags: i64,
    ) -> NativeResult {
        // The list keeps them while it is waited.
        let kept = cx.list(&[]).value().raw();
        let kept = cx.push_raw(kept);
        let mut rooms = vec![];
        cx.for_each(buffers, &mut |cx, piece| {
            rooms.push(room_of(cx, piece, "recvmsg_into")?);
            cx.list_push(kept, piece)?;
            Ok(())
        })?;
        let raws: Vec<Raw> = match kept.get(cx).exact::<crate::object::List>() {
            Some(list) => list.items().map(Value::raw).collect(),
            None => vec![],
        };
        let targets: Vec<(Root, usize)> = raws.into_iter().map(|raw| cx.push_raw(raw)).zip(rooms).collect();
        let beside = beside_of(cx, ancbufsize)?;
        let size = targets.iter().map(|(_, room)| room).sum();
        with_buffer(cx, size, |cx, buffer| {
            let message = operate(cx, this, false, is_nowait(flags), |n, fd, more| {
                n.receive_message(fd, buffer, beside, flags as i32 | more)
            })?;
            let mut left = &buffer[..message.count];
            for (target, room) in targets {
                let (now, later) = left.split_at(room.min(left.len()));
                if !now.is_empty() {
                    copy_into(cx, target, now)?;
                }
                left = later;
            }
            let count = Raw::int(message.count as i64);
            shown_message(cx, count, message)
        })
    }

    /// Receive up to so many bytes; none means that the other end is closed.
    fn recv(cx: &mut Cx, this: Root, bufsize: i64, #[default(0)] flags: i64) -> NativeResult {
        let size = size_of(cx, bufsize, "recv")?;
        with_buffer(cx, size, |cx, buffer| {
            let count =
                operate(cx, this, false, is_nowait(flags), |n, fd, more| n.receive(fd, buffer, flags as i32 | more))?;
            Ok(Bytes::new(&cx.heap, &buffer[..count]).into())
        })
    }

    /// Receive bytes into a buffer, and return how many.
    fn recv_into(
        cx: &mut Cx,
        this: Root,
        #[either] buffer: Root,
        #[either]
        #[default(0)]
        nbytes: i64,
        #[either]
        #[default(0)]
        flags: i64,
    ) -> NativeResult {
        let size = size_into(cx, buffer, nbytes, "recv_into")?;
        with_buffer(cx, size, |cx, bytes| {
            let count =
                operate(cx, this, false, is_nowait(flags), |n, fd, more| n.receive(fd, bytes, flags as i32 | more))?;
            copy_into(cx, buffer, &bytes[..count])?;
            Ok((count as i64).into())
        })
    }

    /// Receive a datagram, and return it and its sender.
    fn recvfrom(cx: &mut Cx, this: Root, bufsize: i64, #[default(0)] flags: i64) -> NativeResult {
        let size = size_of(cx, bufsize, "recvfrom")?;
        with_buffer(cx, size, |cx, buffer| {
            let (count, from) = operate(cx, this, false, is_nowait(flags), |n, fd, more| {
                n.receive_from(fd, buffer, flags as i32 | more)
            })?;
            let bytes = Bytes::new(&cx.heap, &buffer[..count]).value().raw();
            let from = shown(cx, &from);
            Ok(pair(cx, bytes, from))
        })
    }

    /// Receive a datagram into a buffer, and return how many bytes it has and its sender.
    fn recvfrom_into(
        cx: &mut Cx,
        this: Root,
        #[either] buffer: Root,
        #[either]
        #[default(0)]
        nbytes: i64,
        #[either]
        #[default(0)]
        flags: i64,
    ) -> NativeResult {
        let size = size_into(cx, buffer, nbytes, "recvfrom_into")?;
        with_buffer(cx, size, |cx, bytes| {
            let (count, from) = operate(cx, this, false, is_nowait(flags), |n, fd, more| {
                n.receive_from(fd, bytes, flags as i32 | more)
            })?;
            copy_into(cx, buffer, &bytes[..count])?;
            let from = shown(cx, &from);
            Ok(pair(cx, Raw::int(count as i64), from))
        })
    }

    /// Set whether operations wait.
    fn setblocking(cx: &mut Cx, this: Root, flag: bool) -> NativeResult {
        let timeout = if flag { None } else { Some(0.0) };
        set_timeout(cx, this, timeout)
    }

    /// Whether operations wait.
    fn getblocking(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.timeout != Some(0.0))?.into())
    }

    /// Set how many seconds operations wait; None: for ever.
    fn settimeout(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let timeout = timeout_of(cx, value)?;
        set_timeout(cx, this, timeout)
    }

    /// How many seconds operations wait; None: for ever.
    fn gettimeout(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.timeout)?.map_or(Outcome::NONE, Outcome::from))
    }

    /// How many seconds operations wait; None: for ever.
    #[getter]
    fn timeout(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.timeout)?.map_or(Outcome::NONE, Outcome::from))
    }

    /// Set an option: a number, bytes as the system has them, or None and a length.
    fn setsockopt(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        let given = args.0.len();
        if !(3..=4).contains(&given) {
            return Err(cx.type_error(format!("setsockopt() takes exactly 3 arguments ({given} given)")));
        }
        let level = cx.index_as_i64(args.0.root(0))? as i32;
        let option = cx.index_as_i64(args.0.root(1))? as i32;
        let value = args.0.root(2);
        let fd = fd_of(cx, this)?;
        if given == 4 && value.get(cx).is_none() {
            let length = cx.index_as_i64(args.0.root(3))?;
            let zeros = vec![0; length.clamp(0, 1024) as usize];
            let result = network(cx).set_option(fd, level, option, &zeros);
            return Ok(check(cx, result)?.into());
        }
        let bytes = match buffer_of(cx, value) {
            None if value.get(cx).as_int().is_some() || cx.find_attribute(value, "__index__")?.is_some() => {
                let number = cx.index_as_i64(value)?;
                match i32::try_from(number) {
                    Ok(number) => number.to_ne_bytes().to_vec(),
                    // What does not fit is taken for something else than a number.
                    Err(_) => return Err(cx.type_error("a bytes-like object is required, not 'int'".into())),
                }
            }
            Some(bytes) => bytes.to_vec(),
            None => bytes_like(cx, value)?.to_vec(),
        };
        let result = network(cx).set_option(fd, level, option, &bytes);
        Ok(check(cx, result)?.into())
    }

    /// Return an option: as a number, or so many bytes as the system has them.
    fn getsockopt(cx: &mut Cx, this: Root, level: i64, option: i64, #[default(0)] buflen: i64) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let (level, option) = (level as i32, option as i32);
        if buflen == 0 {
            let mut value = [0; 4];
            let result = network(cx).option(fd, level, option, &mut value);
            check(cx, result)?;
            return Ok(i64::from(i32::from_ne_bytes(value)).into());
        }
        if !(0..=1024).contains(&buflen) {
            return Err(cx.raise_text(Exc::OSError, "getsockopt buflen out of range"));
        }
        let mut value = vec![0; buflen as usize];
        let result = network(cx).option(fd, level, option, &mut value);
        let count = check(cx, result)?;
        Ok(Bytes::new(&cx.heap, &value[..count]).into())
    }

    /// Return its address.
    fn getsockname(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let found = network(cx).local_address(fd);
        let found = check(cx, found)?;
        Ok(Outcome::Value(shown(cx, &found)))
    }

    /// Return the address of the other end.
    fn getpeername(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let found = network(cx).peer_address(fd);
        let found = check(cx, found)?;
        Ok(Outcome::Value(shown(cx, &found)))
    }

    /// End one or both directions.
    fn shutdown(cx: &mut Cx, this: Root, how: i64) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = network(cx).shut(fd, how as i32);
        Ok(check(cx, result)?.into())
    }

    /// Whether child processes get it.
    fn get_inheritable(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = network(cx).is_inheritable(fd);
        Ok(check(cx, result)?.into())
    }

    /// Set whether child processes get it.
    fn set_inheritable(cx: &mut Cx, this: Root, inheritable: bool) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = network(cx).set_inheritable(fd, inheritable);
        Ok(check(cx, result)?.into())
    }

    /// A second descriptor for the same socket.
    fn _duplicate(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = cx.reclaiming(|cx| network(cx).duplicate(fd));
        Ok(i64::from(check(cx, result)?).into())
    }
);

/// EBADF.
pub(crate) fn bad_descriptor() -> Error {
    Error::from_raw_os_error(BAD_DESCRIPTOR)
}

natives!(
    /// An error of looking an address up.
    static NOTHING: Methods;
);

static ROWS: &[TypeRow] = &[TypeRow::native("_socket", "socket", &[&SOCKET]).with(ClassFlags::OPEN)];

static NO_METHODS: &[&crate::native::Natives] = &[&NOTHING];

static EXCEPTION_ROWS: &[TypeRow] = &[error_row("gaierror"), error_row("herror")];

const fn error_row(name: &'static str) -> TypeRow {
    let mut row = TypeRow::native("socket", name, NO_METHODS).derived("OSError").with(ClassFlags::OPEN);
    row.layout = Kind::Exception;
    row
}

/// Installs the module `_socket`.
pub(crate) fn install(cx: &mut Cx) -> Result<(), Raised> {
    super::module::prepare(cx);
    cx.install_types(ROWS);
    cx.install_types(EXCEPTION_ROWS);
    let module = cx.new_module("_socket").held();
    cx.functions_of(module, &names::FUNCTIONS);
    cx.functions_of(module, &select::SELECT);
    cx.functions_of(module, &super::tell::TELL);
    let module = cx.push(module.value());
    for row in ROWS.iter().chain(EXCEPTION_ROWS) {
        let class = cx.named_class(row.name).value().raw();
        let class = cx.push_raw(class);
        let name = cx.intern(row.name).value().raw();
        let name = cx.push_raw(name);
        cx.set_attribute(module, name, class)?;
    }
    Ok(())
}
