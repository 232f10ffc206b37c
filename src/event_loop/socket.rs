//! Sockets: the module `_socket`, which `socket` builds on.
#![allow(unsafe_code, reason = "descriptors that scripts name by number")]

use std::io::{Error, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::native::types::exception::{io_error, os_error};
use crate::object::{ByteArray, Bytes, ClassFlags, Exc, MemoryView, NativeObject, Payload, Tuple};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

const AF_UNIX: i64 = 1;
const AF_INET: i64 = 2;
const AF_INET6: i64 = 10;

/// The payload of a socket object.
#[derive(Debug)]
struct Sock {
    /// The descriptor; -1 when closed.
    fd: RawFd,
    family: i64,
    kind: i64,
    proto: i64,
    /// Seconds that an operation may wait; none: for ever, 0: not at all.
    timeout: Option<f64>,
}

impl Payload for Sock {}

impl Drop for Sock {
    fn drop(&mut self) {
        close_fd(self.fd);
    }
}

fn close_fd(fd: RawFd) {
    if fd >= 0 {
        // SAFETY: the object owned it.
        unsafe { rustix::io::close(fd) };
    }
}

/// Works with the socket that a descriptor stands for.
fn by_fd<R>(fd: RawFd, work: impl FnOnce(&Socket) -> std::io::Result<R>) -> std::io::Result<R> {
    if fd < 0 {
        return Err(Error::from_raw_os_error(9));
    }
    // SAFETY: only its number is used; one that is not open gives an error.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    work(&SockRef::from(&borrowed))
}

fn with<R>(cx: &mut Cx, this: Root, work: impl FnOnce(&mut Sock) -> R) -> Result<R, Raised> {
    let object = this.get(cx).cell_of_kind::<NativeObject>().map(|o| o.held());
    match object.and_then(|o| o.with::<Sock, R>(work)) {
        Some(result) => Ok(result),
        None => Err(cx.type_error("a socket object is required".into())),
    }
}

fn fd_of(cx: &mut Cx, this: Root) -> Result<RawFd, Raised> {
    with(cx, this, |s| s.fd)
}

fn fail(cx: &mut Cx, error: &Error) -> Raised {
    match error.raw_os_error() {
        None if error.kind() == ErrorKind::TimedOut => cx.raise_text(Exc::TimeoutError, "timed out"),
        _ => io_error(cx, error, None),
    }
}

fn check<R>(cx: &mut Cx, result: std::io::Result<R>) -> Result<R, Raised> {
    result.map_err(|error| fail(cx, &error))
}

/// Waits until a descriptor is ready. Wakes up now and then for signals.
fn wait(cx: &mut Cx, fd: RawFd, write: bool, until: Option<Instant>) -> Result<(), Raised> {
    loop {
        let left = until.map(|u| u.saturating_duration_since(Instant::now()));
        let slice = left.unwrap_or(Duration::MAX).min(Duration::from_millis(100));
        let spec = rustix::event::Timespec { tv_sec: slice.as_secs() as i64, tv_nsec: i64::from(slice.subsec_nanos()) };
        // SAFETY: only its number is used.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let flags = if write { PollFlags::OUT } else { PollFlags::IN };
        let mut fds = [PollFd::new(&borrowed, flags)];
        match rustix::event::poll(&mut fds, Some(&spec)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => cx.check_signals()?,
            Ok(_) => return Ok(()),
            Err(error) => return Err(io_error(cx, &error.into(), None)),
        }
        if until.is_some_and(|u| Instant::now() >= u) {
            return Err(cx.raise_text(Exc::TimeoutError, "timed out"));
        }
    }
}

/// Does an operation as the socket's timeout says: at once, waiting so long, or waiting.
fn operate<R>(
    cx: &mut Cx,
    this: Root,
    write: bool,
    mut work: impl FnMut(&Socket) -> std::io::Result<R>,
) -> Result<R, Raised> {
    let (fd, timeout) = with(cx, this, |s| (s.fd, s.timeout))?;
    let until = timeout.map(|t| Instant::now() + Duration::from_secs_f64(t.min(1e9)));
    if timeout != Some(0.0) && fd >= 0 {
        let _ = cx.host_mut().flush(crate::vm::host::StdStream::Out);
        wait_first(cx, fd, write, until)?;
    }
    loop {
        match by_fd(fd, &mut work) {
            Err(error) if error.kind() == ErrorKind::Interrupted => cx.check_signals()?,
            Err(error) if error.kind() == ErrorKind::WouldBlock && timeout != Some(0.0) => wait(cx, fd, write, until)?,
            result => return check(cx, result),
        }
    }
}

/// A blocking socket could not be interrupted, so it is waited for; a wrong descriptor shows in the operation.
fn wait_first(cx: &mut Cx, fd: RawFd, write: bool, until: Option<Instant>) -> Result<(), Raised> {
    if by_fd(fd, |s| s.r#type()).is_err() {
        return Ok(());
    }
    if !write && by_fd(fd, |s| s.peer_addr()).is_err() && by_fd(fd, |s| s.r#type()).is_ok_and(|t| t == Type::STREAM) {
        // Not connected: a listener is waited for, anything else fails at once.
        let listens = rustix::net::sockopt::socket_acceptconn(
            // SAFETY: only its number is used.
            unsafe { BorrowedFd::borrow_raw(fd) },
        );
        if !listens.unwrap_or(false) {
            return Ok(());
        }
    }
    wait(cx, fd, write, until)
}

// ---- addresses ----

fn raise_gai(cx: &mut Cx, code: i64, text: &str) -> Raised {
    let class = cx.named_class("gaierror").value().raw();
    let class = cx.push_raw(class);
    let code = cx.push_raw(Raw::int(code));
    let text = cx.str(text).value().raw();
    let text = cx.push_raw(text);
    match cx.call(class, &[code, text]) {
        Ok(exception) => cx.raise(exception),
        Err(raised) => raised,
    }
}

/// The addresses a name stands for, of a family (0: any).
fn resolve(cx: &mut Cx, host: &str, port: u16, family: i64) -> Result<Vec<SocketAddr>, Raised> {
    let bare = host.split('%').next().unwrap_or(host);
    if let Ok(v4) = bare.parse::<Ipv4Addr>() {
        if family == AF_INET6 {
            return Err(raise_gai(cx, -9, "Address family for hostname not supported"));
        }
        return Ok(vec![SocketAddr::from((v4, port))]);
    }
    if let Ok(v6) = bare.parse::<Ipv6Addr>() {
        if family == AF_INET {
            return Err(raise_gai(cx, -9, "Address family for hostname not supported"));
        }
        return Ok(vec![SocketAddr::from((v6, port))]);
    }
    let found: Vec<SocketAddr> = match (host, port).to_socket_addrs() {
        Ok(found) => found.filter(|a| family == 0 || a.is_ipv6() == (family == AF_INET6)).collect(),
        Err(_) => vec![],
    };
    if found.is_empty() {
        return Err(raise_gai(cx, -2, "Name or service not known"));
    }
    Ok(found)
}

fn items_of(cx: &mut Cx, tuple: Root) -> Option<Vec<Raw>> {
    cx.payload(tuple.get(cx)).exact::<Tuple>().map(|t| t.items().map(|v| v.raw()).collect())
}

/// The address that a script gives.
fn address(cx: &mut Cx, given: Root, family: i64, function: &str) -> Result<SockAddr, Raised> {
    if family == AF_UNIX {
        let path = match cx.as_str(given.get(cx)).and_then(|s| s.as_str()) {
            Some(text) => text.as_bytes().to_vec(),
            None => bytes_like(cx, given)?.to_vec(),
        };
        let path: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(path);
        return match SockAddr::unix(path) {
            Ok(address) => Ok(address),
            Err(_) => Err(cx.raise_text(Exc::OSError, "AF_UNIX path too long")),
        };
    }
    let Some(items) = items_of(cx, given) else {
        let got = cx.type_name_for_error(given.get(cx));
        let name = if family == AF_INET6 { "AF_INET6" } else { "AF_INET" };
        return Err(cx.type_error(format!("{function}(): {name} address must be tuple, not {got}")));
    };
    if items.len() < 2 || items.len() > 4 || (family == AF_INET && items.len() != 2) {
        let text = if family == AF_INET6 {
            "AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])"
        } else {
            "AF_INET address must be a pair (host, port)"
        };
        return Err(cx.type_error(text.into()));
    }
    let host = cx.push_raw(items[0]);
    let host = match cx.as_str(host.get(cx)).and_then(|s| s.as_str()) {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(&bytes_like(cx, host)?).into_owned(),
    };
    let port = cx.push_raw(items[1]);
    let port = cx.index_as_i64(port)?;
    let Ok(port) = u16::try_from(port) else {
        return Err(cx.overflow_error(&format!("{function}(): port must be 0-65535.")));
    };
    let host = match host.as_str() {
        "" if family == AF_INET6 => "::".to_owned(),
        "" => "0.0.0.0".to_owned(),
        "<broadcast>" => "255.255.255.255".to_owned(),
        _ => host,
    };
    Ok(SockAddr::from(resolve(cx, &host, port, family)?[0]))
}

/// An address as scripts see it.
fn shown(cx: &mut Cx, address: &SockAddr) -> Raw {
    match address.as_socket() {
        Some(SocketAddr::V4(v4)) => {
            let host = cx.str(&v4.ip().to_string()).value().raw();
            cx.tuple(&[Value::adopt(host), Value::int(i64::from(v4.port()))]).value().raw()
        }
        Some(SocketAddr::V6(v6)) => {
            let host = cx.str(&v6.ip().to_string()).value().raw();
            let rest = [i64::from(v6.port()), i64::from(v6.flowinfo()), i64::from(v6.scope_id())];
            cx.tuple(&[Value::adopt(host), Value::int(rest[0]), Value::int(rest[1]), Value::int(rest[2])]).value().raw()
        }
        None => {
            let path = address.as_pathname().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
            cx.str(&path).value().raw()
        }
    }
}

fn pair(cx: &mut Cx, a: Raw, b: Raw) -> Outcome {
    cx.tuple(&[Value::adopt(a), Value::adopt(b)]).into()
}

fn set_nonblocking(fd: RawFd, timeout: Option<f64>) -> std::io::Result<()> {
    by_fd(fd, |s| s.set_nonblocking(timeout.is_some()))
}

thread_local! {
    /// Where bytes are received before they go to an object of their size.
    static BUFFER: std::cell::RefCell<Vec<MaybeUninit<u8>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The bytes of a buffer that the system filled.
fn filled(buffer: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the system wrote as many as it says.
    unsafe { &*(std::ptr::from_ref(buffer) as *const [u8]) }
}

fn receive<R>(
    cx: &mut Cx,
    this: Root,
    size: usize,
    mut work: impl FnMut(&Socket, &mut [MaybeUninit<u8>]) -> std::io::Result<(usize, R)>,
) -> Result<(Vec<MaybeUninit<u8>>, usize, R), Raised> {
    let mut buffer = BUFFER.with(|b| std::mem::take(&mut *b.borrow_mut()));
    if buffer.len() < size {
        buffer.resize(size, MaybeUninit::new(0));
    }
    let (count, rest) = operate(cx, this, false, |s| work(s, &mut buffer[..size]))?;
    Ok((buffer, count, rest))
}

fn give_back(buffer: Vec<MaybeUninit<u8>>) {
    if buffer.len() <= 1 << 20 {
        BUFFER.with(|b| *b.borrow_mut() = buffer);
    }
}

fn size_of(cx: &mut Cx, size: i64, function: &str) -> Result<usize, Raised> {
    match usize::try_from(size) {
        Ok(size) if size <= 1 << 31 => Ok(size),
        Ok(_) => Err(cx.memory_error()),
        Err(_) => Err(cx.value_error(format!("negative buffersize in {function}"))),
    }
}

/// How many bytes a writable buffer has room for.
fn room_of(cx: &mut Cx, target: Root) -> Result<usize, Raised> {
    if let Some(array) = cx.payload(target.get(cx)).exact::<ByteArray>() {
        return Ok(array.len());
    }
    if target.get(cx).exact::<MemoryView>().is_some() {
        return cx.length(target);
    }
    let got = cx.type_name_for_error(target.get(cx));
    Err(cx.type_error(format!("recv_into() argument 1 must be read-write bytes-like object, not {got}")))
}

fn copy_into(cx: &mut Cx, target: Root, bytes: &[u8]) -> Result<(), Raised> {
    if let Some(array) = cx.payload(target.get(cx)).exact::<ByteArray>() {
        for (cell, byte) in array.cells().iter().zip(bytes) {
            cell.set(*byte);
        }
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

// ---- options ----

const SOL_SOCKET: i64 = 1;
const IPPROTO_TCP: i64 = 6;
const IPPROTO_IPV6: i64 = 41;

fn no_option<R>() -> std::io::Result<R> {
    Err(Error::from_raw_os_error(92))
}

fn set_option(s: &Socket, level: i64, option: i64, value: i64) -> std::io::Result<()> {
    let on = value != 0;
    let size = usize::try_from(value).unwrap_or(0);
    match (level, option) {
        (SOL_SOCKET, 2) => s.set_reuse_address(on),
        (SOL_SOCKET, 6) => s.set_broadcast(on),
        (SOL_SOCKET, 7) => s.set_send_buffer_size(size),
        (SOL_SOCKET, 8) => s.set_recv_buffer_size(size),
        (SOL_SOCKET, 9) => s.set_keepalive(on),
        (SOL_SOCKET, 15) => rustix::net::sockopt::set_socket_reuseport(s, on).map_err(Error::from),
        (IPPROTO_TCP, 1) => s.set_tcp_nodelay(on),
        (IPPROTO_IPV6, 26) => s.set_only_v6(on),
        _ => no_option(),
    }
}

fn get_option(s: &Socket, level: i64, option: i64) -> std::io::Result<i64> {
    match (level, option) {
        (SOL_SOCKET, 2) => s.reuse_address().map(i64::from),
        (SOL_SOCKET, 3) => s.r#type().map(|t| i64::from(i32::from(t))),
        (SOL_SOCKET, 4) => s.take_error().map(|e| e.and_then(|e| e.raw_os_error()).map_or(0, i64::from)),
        (SOL_SOCKET, 6) => s.broadcast().map(i64::from),
        (SOL_SOCKET, 7) => s.send_buffer_size().map(|n| n as i64),
        (SOL_SOCKET, 8) => s.recv_buffer_size().map(|n| n as i64),
        (SOL_SOCKET, 9) => s.keepalive().map(i64::from),
        (SOL_SOCKET, 15) => rustix::net::sockopt::socket_reuseport(s).map(i64::from).map_err(Error::from),
        (SOL_SOCKET, 30) => rustix::net::sockopt::socket_acceptconn(s).map(i64::from).map_err(Error::from),
        (IPPROTO_TCP, 1) => s.tcp_nodelay().map(i64::from),
        (IPPROTO_IPV6, 26) => s.only_v6().map(i64::from),
        _ => no_option(),
    }
}

natives!(
    /// A socket.
    static SOCKET: Methods;

    /// Make a socket object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let empty = Sock { fd: -1, family: AF_INET, kind: 1, proto: 0, timeout: None };
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
        let fd = match fileno {
            Some(fd) if fd < 0 => return Err(cx.value_error("negative file descriptor")),
            Some(fd) => i32::try_from(fd).unwrap_or(i32::MAX),
            None => {
                let domain = Domain::from(if family < 0 { AF_INET } else { family } as i32);
                let kind = Type::from(if r#type < 0 { 1 } else { r#type } as i32);
                let proto = (proto > 0).then(|| Protocol::from(proto as i32));
                let made = Socket::new(domain, kind, proto);
                check(cx, made)?.into_raw_fd()
            }
        };
        let known = by_fd(fd, |s| Ok((s.local_addr()?, s.r#type()?)));
        let (local, found) = check(cx, known)?;
        let family = if family < 0 || fileno.is_some() { i64::from(local.family()) } else { family };
        let kind = if r#type < 0 || fileno.is_some() { i64::from(i32::from(found)) } else { r#type & 0xf };
        with(cx, this, |s| {
            close_fd(s.fd);
            *s = Sock { fd, family, kind, proto: proto.max(0), timeout: None };
        })?;
        Ok(Outcome::NONE)
    }

    /// The family of its addresses.
    #[getter]
    fn family(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.family)?.into())
    }

    /// Its type.
    #[getter]
    fn r#type(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.kind)?.into())
    }

    /// Its protocol.
    #[getter]
    fn proto(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |s| s.proto)?.into())
    }

    /// Return the descriptor, -1 if it is closed.
    fn fileno(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(fd_of(cx, this)?).into())
    }

    /// Close it.
    fn _close(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = with(cx, this, |s| std::mem::replace(&mut s.fd, -1))?;
        close_fd(fd);
        Ok(Outcome::NONE)
    }

    /// Give the descriptor away.
    fn _detach(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(with(cx, this, |s| std::mem::replace(&mut s.fd, -1))?).into())
    }

    /// Give it an address.
    fn bind(cx: &mut Cx, this: Root, address: Root) -> NativeResult {
        let (fd, family) = with(cx, this, |s| (s.fd, s.family))?;
        let to = self::address(cx, address, family, "bind")?;
        let result = by_fd(fd, |s| s.bind(&to));
        Ok(check(cx, result)?.into())
    }

    /// Accept connections.
    fn listen(cx: &mut Cx, this: Root, #[default(128)] backlog: i64) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = by_fd(fd, |s| s.listen(backlog.clamp(0, 65535) as i32));
        Ok(check(cx, result)?.into())
    }

    /// Wait for a connection, and return its descriptor and its other end's address.
    fn _accept(cx: &mut Cx, this: Root) -> NativeResult {
        let (socket, from) = operate(cx, this, false, |s| s.accept())?;
        let from = shown(cx, &from);
        Ok(pair(cx, Raw::int(i64::from(socket.into_raw_fd())), from))
    }

    /// Connect to an address.
    fn connect(cx: &mut Cx, this: Root, address: Root) -> NativeResult {
        let result = connect_to(cx, this, address, "connect")?;
        Ok(check(cx, result)?.into())
    }

    /// Connect to an address; return the error's number, or 0.
    fn connect_ex(cx: &mut Cx, this: Root, address: Root) -> NativeResult {
        match connect_to(cx, this, address, "connect_ex")? {
            Ok(()) => Ok(0i64.into()),
            Err(error) => Ok(i64::from(error.raw_os_error().unwrap_or(11)).into()),
        }
    }

    /// Send bytes, and return how many were.
    fn send(cx: &mut Cx, this: Root, data: Root, #[default(0)] flags: i64) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let count = operate(cx, this, true, |s| s.send_with_flags(&bytes, flags as i32 | NO_SIGNAL))?;
        Ok((count as i64).into())
    }

    /// Send all bytes.
    fn sendall(cx: &mut Cx, this: Root, data: Root, #[default(0)] flags: i64) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let mut at = 0;
        while at < bytes.len() {
            at += operate(cx, this, true, |s| s.send_with_flags(&bytes[at..], flags as i32 | NO_SIGNAL))?;
        }
        Ok(Outcome::NONE)
    }

    /// Send a datagram.
    fn sendto(cx: &mut Cx, this: Root, data: Root, flags_or_address: Root, address: Option<Root>) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let (flags, to) = match address {
            Some(to) => (cx.index_as_i64(flags_or_address)?, to),
            None => (0, flags_or_address),
        };
        let family = with(cx, this, |s| s.family)?;
        let to = self::address(cx, to, family, "sendto")?;
        let count = operate(cx, this, true, |s| s.send_to_with_flags(&bytes, &to, flags as i32 | NO_SIGNAL))?;
        Ok((count as i64).into())
    }

    /// Receive up to so many bytes; none means that the other end is closed.
    fn recv(cx: &mut Cx, this: Root, bufsize: i64, #[default(0)] flags: i64) -> NativeResult {
        let size = size_of(cx, bufsize, "recv")?;
        let (buffer, count, ()) = receive(cx, this, size, |s, b| Ok((s.recv_with_flags(b, flags as i32)?, ())))?;
        let bytes = Bytes::new(&cx.heap, filled(&buffer[..count])).into();
        give_back(buffer);
        Ok(bytes)
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
        let room = room_of(cx, buffer)?;
        let size = if nbytes > 0 { room.min(nbytes as usize) } else { room };
        let (bytes, count, ()) = receive(cx, this, size, |s, b| Ok((s.recv_with_flags(b, flags as i32)?, ())))?;
        copy_into(cx, buffer, filled(&bytes[..count]))?;
        give_back(bytes);
        Ok((count as i64).into())
    }

    /// Receive a datagram, and return it and its sender.
    fn recvfrom(cx: &mut Cx, this: Root, bufsize: i64, #[default(0)] flags: i64) -> NativeResult {
        let size = size_of(cx, bufsize, "recvfrom")?;
        let (buffer, count, from) = receive(cx, this, size, |s, b| s.recv_from_with_flags(b, flags as i32))?;
        let bytes = Bytes::new(&cx.heap, filled(&buffer[..count])).value().raw();
        give_back(buffer);
        let from = if from.len() == 0 { Raw::NONE } else { shown(cx, &from) };
        Ok(pair(cx, bytes, from))
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
    fn settimeout(cx: &mut Cx, this: Root, value: Option<f64>) -> NativeResult {
        if value.is_some_and(|v| v < 0.0) {
            return Err(cx.value_error("Timeout value out of range"));
        }
        set_timeout(cx, this, value)
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

    /// Set an option.
    fn setsockopt(cx: &mut Cx, this: Root, level: i64, option: i64, value: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let value = match value.get(cx).kind() {
            Kind::Bytes => {
                let bytes = bytes_like(cx, value)?;
                bytes.first_chunk::<4>().map_or(0, |b| i64::from(i32::from_ne_bytes(*b)))
            }
            _ => cx.index_as_i64(value)?,
        };
        let result = by_fd(fd, |s| set_option(s, level, option, value));
        Ok(check(cx, result)?.into())
    }

    /// Return an option.
    fn getsockopt(cx: &mut Cx, this: Root, level: i64, option: i64, buflen: Option<i64>) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = by_fd(fd, |s| get_option(s, level, option));
        let value = check(cx, result)?;
        match buflen {
            Some(_) => Ok(Bytes::new(&cx.heap, &(value as i32).to_ne_bytes()).into()),
            None => Ok(value.into()),
        }
    }

    /// Return its address.
    fn getsockname(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = by_fd(fd, |s| s.local_addr());
        let found = check(cx, result)?;
        Ok(Outcome::Value(shown(cx, &found)))
    }

    /// Return the address of the other end.
    fn getpeername(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let result = by_fd(fd, |s| s.peer_addr());
        let found = check(cx, result)?;
        Ok(Outcome::Value(shown(cx, &found)))
    }

    /// End one or both directions.
    fn shutdown(cx: &mut Cx, this: Root, how: i64) -> NativeResult {
        let fd = fd_of(cx, this)?;
        let how = match how {
            0 => std::net::Shutdown::Read,
            1 => std::net::Shutdown::Write,
            2 => std::net::Shutdown::Both,
            _ => return Err(os_error(cx, 22, "Invalid argument", None)),
        };
        let result = by_fd(fd, |s| s.shutdown(how));
        Ok(check(cx, result)?.into())
    }
);

/// A str argument.
fn text_of(cx: &mut Cx, value: Root, function: &str) -> Result<String, Raised> {
    if cx.as_str(value.get(cx)).is_none() {
        let got = cx.type_name_for_error(value.get(cx));
        return Err(cx.type_error(format!("{function}() argument must be str, not {got}")));
    }
    cx.str_text(value)
}

/// MSG_NOSIGNAL: a closed connection is an error, not a signal.
const NO_SIGNAL: i32 = 0x4000;

fn set_timeout(cx: &mut Cx, this: Root, timeout: Option<f64>) -> NativeResult {
    let fd = with(cx, this, |s| {
        s.timeout = timeout;
        s.fd
    })?;
    let result = set_nonblocking(fd, timeout);
    Ok(check(cx, result)?.into())
}

fn connect_to(cx: &mut Cx, this: Root, address: Root, function: &str) -> Result<std::io::Result<()>, Raised> {
    let (fd, family, timeout) = with(cx, this, |s| (s.fd, s.family, s.timeout))?;
    let to = self::address(cx, address, family, function)?;
    match by_fd(fd, |s| s.connect(&to)) {
        Err(error) if error.raw_os_error() == Some(115) && timeout.is_some_and(|t| t > 0.0) => {
            let until = timeout.map(|t| Instant::now() + Duration::from_secs_f64(t.min(1e9)));
            wait(cx, fd, true, until)?;
            Ok(by_fd(fd, |s| s.take_error()).and_then(|e| e.map_or(Ok(()), Err)))
        }
        result => Ok(result),
    }
}

natives!(
    /// Sockets, and what is said about addresses.
    static FUNCTIONS: Functions;

    /// Return the descriptors of two sockets connected with each other.
    fn _socketpair(cx: &mut Cx, family: i64, r#type: i64, proto: i64) -> NativeResult {
        use rustix::net::{AddressFamily, SocketFlags, SocketType};
        let (family, kind) = (AddressFamily::from_raw(family as u16), SocketType::from_raw(r#type as u32));
        let made = rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None).map_err(Error::from);
        let (a, b) = check(cx, made)?;
        Ok(pair(cx, Raw::int(i64::from(a.into_raw_fd())), Raw::int(i64::from(b.into_raw_fd()))))
    }

    /// Return the family and address of each that a name and port stand for.
    fn _resolve(cx: &mut Cx, host: Root, port: i64, family: i64) -> NativeResult {
        let host = text_of(cx, host, "getaddrinfo")?;
        let Ok(port) = u16::try_from(port) else {
            return Err(cx.overflow_error("getaddrinfo(): port must be 0-65535."));
        };
        let found = resolve(cx, &host, port, family)?;
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        for address in found {
            let mark = cx.mark();
            let family = if address.is_ipv6() { AF_INET6 } else { AF_INET };
            let address = shown(cx, &SockAddr::from(address));
            let item = cx.tuple(&[Value::int(family), Value::adopt(address)]).value().raw();
            let item = cx.push_raw(item);
            cx.list_push(list, item)?;
            cx.release(mark);
        }
        Ok(list.get(cx).into())
    }

    /// Raise the error of an address that can't be looked up.
    fn _gaierror(cx: &mut Cx, code: i64, text: Root) -> NativeResult {
        let text = text_of(cx, text, "gaierror")?;
        Err(raise_gai(cx, code, &text))
    }

    /// Return the name of the machine.
    fn gethostname(cx: &mut Cx) -> NativeResult {
        let name = rustix::system::uname();
        Ok(cx.str(&name.nodename().to_string_lossy()).into())
    }

    /// Close a descriptor.
    fn close(cx: &mut Cx, fd: i64) -> NativeResult {
        let result = cx.host_mut().close_fd(fd as i32);
        Ok(check(cx, result)?.into())
    }

    /// Convert an IPv4 address to its four bytes.
    fn inet_aton(cx: &mut Cx, ip_addr: Root) -> NativeResult {
        let ip_addr = text_of(cx, ip_addr, "inet_aton")?;
        match ip_addr.parse::<Ipv4Addr>() {
            Ok(ip) => Ok(Bytes::new(&cx.heap, &ip.octets()).into()),
            Err(_) => Err(cx.raise_text(Exc::OSError, "illegal IP address string passed to inet_aton")),
        }
    }

    /// Convert four bytes to an IPv4 address.
    fn inet_ntoa(cx: &mut Cx, packed_ip: Root) -> NativeResult {
        let bytes = bytes_like(cx, packed_ip)?;
        match <[u8; 4]>::try_from(&bytes[..]) {
            Ok(octets) => Ok(cx.str(&Ipv4Addr::from(octets).to_string()).into()),
            Err(_) => Err(cx.raise_text(Exc::OSError, "packed IP wrong length")),
        }
    }

    /// Convert an address to its bytes.
    fn inet_pton(cx: &mut Cx, address_family: i64, ip_string: Root) -> NativeResult {
        let ip_string = text_of(cx, ip_string, "inet_pton")?;
        let bytes = match address_family {
            AF_INET => ip_string.parse::<Ipv4Addr>().ok().map(|ip| ip.octets().to_vec()),
            AF_INET6 => ip_string.parse::<Ipv6Addr>().ok().map(|ip| ip.octets().to_vec()),
            _ => return Err(os_error(cx, 97, "Address family not supported by protocol", None)),
        };
        match bytes {
            Some(bytes) => Ok(Bytes::new(&cx.heap, &bytes).into()),
            None => Err(cx.raise_text(Exc::OSError, "illegal IP address string passed to inet_pton")),
        }
    }

    /// Convert bytes to an address.
    fn inet_ntop(cx: &mut Cx, address_family: i64, packed_ip: Root) -> NativeResult {
        let bytes = bytes_like(cx, packed_ip)?;
        let text = match address_family {
            AF_INET => <[u8; 4]>::try_from(&bytes[..]).ok().map(|o| Ipv4Addr::from(o).to_string()),
            AF_INET6 => <[u8; 16]>::try_from(&bytes[..]).ok().map(|o| Ipv6Addr::from(o).to_string()),
            _ => return Err(cx.value_error(format!("unknown address family {address_family}"))),
        };
        match text {
            Some(text) => Ok(cx.str(&text).into()),
            None => Err(cx.value_error("invalid length of packed IP address string")),
        }
    }

    /// Convert a 16-bit integer from host to network order.
    fn htons(cx: &mut Cx, x: i64) -> NativeResult {
        Ok(i64::from((x as u16).to_be()).into())
    }

    /// Convert a 16-bit integer from network to host order.
    fn ntohs(cx: &mut Cx, x: i64) -> NativeResult {
        Ok(i64::from(u16::from_be(x as u16)).into())
    }

    /// Convert a 32-bit integer from host to network order.
    fn htonl(cx: &mut Cx, x: i64) -> NativeResult {
        Ok(i64::from((x as u32).to_be()).into())
    }

    /// Convert a 32-bit integer from network to host order.
    fn ntohl(cx: &mut Cx, x: i64) -> NativeResult {
        Ok(i64::from(u32::from_be(x as u32)).into())
    }
);

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
    cx.install_types(ROWS);
    cx.install_types(EXCEPTION_ROWS);
    let module = cx.new_module("_socket").held();
    cx.functions_of(module, &FUNCTIONS);
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
