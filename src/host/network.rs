//! The system's sockets and resolver.

#![allow(unsafe_code, reason = "descriptors by their numbers, and calls that no library offers with every option")]
#![allow(clippy::disallowed_methods, reason = "this is where the system is asked")]

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::FdFlags;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::os::borrow;
use super::pool::Pool;
use super::wake::Wake;
use crate::vm::network::{
    Answer, Control, Found, Lookup, LookupError, Message, NetAddress, Network, Orphans, Question, SocketKind, Waited,
};

/// Sockets of the system.
#[derive(Debug)]
pub(super) struct OsNetwork {
    wake: Arc<Wake>,
    /// Signals that came in and nobody has asked for yet, a bit each.
    pending: Arc<AtomicU64>,
    orphans: Orphans,
    pool: Pool,
    /// How often each number was closed.
    closed: Vec<u32>,
}

impl OsNetwork {
    pub(super) fn new(wake: Arc<Wake>, pending: Arc<AtomicU64>) -> OsNetwork {
        let pool = Pool::new(wake.clone());
        OsNetwork { wake, pending, orphans: Orphans::default(), pool, closed: vec![] }
    }

    /// In a process just forked: the threads that answer are gone, and who wakes this process must not wake the other.
    pub(super) fn begin_again(&mut self) -> io::Result<()> {
        self.wake.begin_again()?;
        std::mem::forget(std::mem::replace(&mut self.pool, Pool::new(self.wake.clone())));
        Ok(())
    }

    /// Closes the descriptors of objects that died.
    fn close_orphans(&mut self) {
        if self.orphans.borrow().is_empty() {
            return;
        }
        let orphans = std::mem::take(&mut *self.orphans.borrow_mut());
        for fd in orphans {
            let _ = self.close(fd);
        }
    }
}

/// Works with the socket that a descriptor stands for.
#[inline]
fn by_fd<R>(fd: i32, work: impl FnOnce(&Socket) -> io::Result<R>) -> io::Result<R> {
    let fd = borrow(fd)?;
    work(&SockRef::from(&fd))
}

/// A buffer that the system only writes to.
fn writable(into: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the system writes initialised bytes, so the slice stays initialised.
    unsafe { &mut *(std::ptr::from_mut(into) as *mut [MaybeUninit<u8>]) }
}

fn to_system(address: &NetAddress) -> io::Result<SockAddr> {
    match address {
        NetAddress::V4(v4) => Ok(SockAddr::from(*v4)),
        NetAddress::V6(v6) => Ok(SockAddr::from(*v6)),
        NetAddress::Unix(path) => SockAddr::unix(OsString::from_vec(path.clone())),
        NetAddress::Other(_) => Err(rustix::io::Errno::AFNOSUPPORT.into()),
    }
}

fn from_system(address: &SockAddr) -> NetAddress {
    match address.as_socket() {
        Some(SocketAddr::V4(v4)) => NetAddress::V4(v4),
        Some(SocketAddr::V6(v6)) => NetAddress::V6(v6),
        None if address.is_unix() => {
            let path = address.as_pathname().map(|p| p.as_os_str().as_bytes().to_vec());
            let hidden = || address.as_abstract_namespace().map(|name| [&[0], name].concat());
            NetAddress::Unix(path.or_else(hidden).unwrap_or_default())
        }
        None if address.len() == 0 => NetAddress::Other(0),
        None => NetAddress::Other(address.family()),
    }
}

fn timespec(seconds: f64) -> Timespec {
    let time = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) }
}

fn last_error(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Network for OsNetwork {
    fn open(&mut self, kind: SocketKind) -> io::Result<i32> {
        self.close_orphans();
        let protocol = (kind.protocol > 0).then(|| Protocol::from(kind.protocol));
        Ok(Socket::new(Domain::from(kind.family), Type::from(kind.kind), protocol)?.into_raw_fd())
    }

    fn open_pair(&mut self, kind: SocketKind) -> io::Result<(i32, i32)> {
        self.close_orphans();
        let mut fds = [-1; 2];
        let kind_number = kind.kind | libc::SOCK_CLOEXEC;
        // SAFETY: two numbers are written.
        last_error(unsafe { libc::socketpair(kind.family, kind_number, kind.protocol, fds.as_mut_ptr()) })?;
        Ok((fds[0], fds[1]))
    }

    fn kind(&self, fd: i32) -> io::Result<SocketKind> {
        let number = |option| {
            let mut value = [0; 4];
            self.option(fd, libc::SOL_SOCKET, option, &mut value).map(|_| i32::from_ne_bytes(value))
        };
        Ok(SocketKind {
            family: number(libc::SO_DOMAIN)?,
            kind: number(libc::SO_TYPE)?,
            protocol: number(libc::SO_PROTOCOL)?,
        })
    }

    fn duplicate(&mut self, fd: i32) -> io::Result<i32> {
        self.close_orphans();
        Ok(rustix::io::fcntl_dupfd_cloexec(borrow(fd)?, 0)?.into_raw_fd())
    }

    fn bind(&mut self, fd: i32, address: &NetAddress) -> io::Result<()> {
        let address = to_system(address)?;
        by_fd(fd, |s| s.bind(&address))
    }

    fn listen(&mut self, fd: i32, backlog: i32) -> io::Result<()> {
        by_fd(fd, |s| s.listen(backlog))
    }

    fn accept(&mut self, fd: i32, nonblocking: bool) -> io::Result<(i32, NetAddress)> {
        self.close_orphans();
        borrow(fd)?;
        let flags = libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
        // SAFETY: the system writes an address no longer than the storage that it is given, and its length.
        let (new, from) = unsafe {
            SockAddr::try_init(|storage, length| {
                let new = libc::accept4(fd, storage.cast(), length, flags);
                last_error(new).map(|()| new)
            })?
        };
        Ok((new, from_system(&from)))
    }

    fn connect(&mut self, fd: i32, address: &NetAddress) -> io::Result<()> {
        let address = to_system(address)?;
        by_fd(fd, |s| s.connect(&address))
    }

    fn send(&mut self, fd: i32, bytes: &[u8], flags: i32) -> io::Result<usize> {
        by_fd(fd, |s| s.send_with_flags(bytes, flags | libc::MSG_NOSIGNAL))
    }

    fn send_to(&mut self, fd: i32, bytes: &[u8], flags: i32, to: &NetAddress) -> io::Result<usize> {
        let to = to_system(to)?;
        by_fd(fd, |s| s.send_to_with_flags(bytes, &to, flags | libc::MSG_NOSIGNAL))
    }

    fn receive(&mut self, fd: i32, into: &mut [u8], flags: i32) -> io::Result<usize> {
        by_fd(fd, |s| s.recv_with_flags(writable(into), flags))
    }

    fn receive_from(&mut self, fd: i32, into: &mut [u8], flags: i32) -> io::Result<(usize, NetAddress)> {
        let (count, from) = by_fd(fd, |s| s.recv_from_with_flags(writable(into), flags))?;
        Ok((count, from_system(&from)))
    }

    fn send_message(
        &mut self,
        fd: i32,
        bytes: &[u8],
        control: &[Control],
        flags: i32,
        to: Option<&NetAddress>,
    ) -> io::Result<usize> {
        borrow(fd)?;
        let to = to.map(to_system).transpose()?;
        // SAFETY: sizes alone are computed.
        let space = |length: usize| unsafe { libc::CMSG_SPACE(length as u32) } as usize;
        let size: usize = control.iter().map(|(_, _, data)| space(data.len())).sum();
        // Words, since the heads are aligned like them.
        let mut beside = vec![0u64; size.div_ceil(8)];
        let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: a head of zeros is an empty one.
        let mut head: libc::msghdr = unsafe { std::mem::zeroed() };
        head.msg_iov = &raw mut piece;
        head.msg_iovlen = 1;
        if let Some(to) = &to {
            head.msg_name = to.as_ptr().cast_mut().cast();
            head.msg_namelen = to.len();
        }
        if size > 0 {
            head.msg_control = beside.as_mut_ptr().cast();
            head.msg_controllen = size;
            // SAFETY: there is room for each message with its head, as computed above.
            unsafe {
                let mut at = libc::CMSG_FIRSTHDR(&raw const head);
                for (level, kind, data) in control {
                    if at.is_null() {
                        break;
                    }
                    (*at).cmsg_level = *level;
                    (*at).cmsg_type = *kind;
                    (*at).cmsg_len = libc::CMSG_LEN(data.len() as u32) as usize;
                    std::ptr::copy_nonoverlapping(data.as_ptr(), libc::CMSG_DATA(at), data.len());
                    at = libc::CMSG_NXTHDR(&raw const head, at);
                }
            }
        }
        // SAFETY: everything the head refers to is alive.
        let count = unsafe { libc::sendmsg(fd, &raw const head, flags | libc::MSG_NOSIGNAL) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    fn receive_message(&mut self, fd: i32, into: &mut [u8], beside: usize, flags: i32) -> io::Result<Message> {
        borrow(fd)?;
        let mut room = vec![0u64; beside.div_ceil(8)];
        let mut piece = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        // SAFETY: a head of zeros is an empty one.
        let mut head: libc::msghdr = unsafe { std::mem::zeroed() };
        head.msg_iov = &raw mut piece;
        head.msg_iovlen = 1;
        if beside > 0 {
            head.msg_control = room.as_mut_ptr().cast();
            head.msg_controllen = beside;
        }
        // SAFETY: the system writes an address of the length it says, and nothing beyond the buffers.
        let (count, from) = unsafe {
            SockAddr::try_init(|storage, length| {
                head.msg_name = storage.cast();
                head.msg_namelen = *length;
                let count = libc::recvmsg(fd, &raw mut head, flags);
                *length = head.msg_namelen;
                usize::try_from(count).map_err(|_| io::Error::last_os_error())
            })?
        };
        let mut control = vec![];
        // SAFETY: the heads are where the system wrote them, and each says how long its message is.
        unsafe {
            let mut at = if beside > 0 { libc::CMSG_FIRSTHDR(&raw const head) } else { std::ptr::null_mut() };
            let end = room.as_ptr().cast::<u8>().add(head.msg_controllen.min(beside));
            while !at.is_null() {
                let data = libc::CMSG_DATA(at);
                let length = ((*at).cmsg_len).saturating_sub(libc::CMSG_LEN(0) as usize);
                let length = length.min((end as usize).saturating_sub(data as usize));
                control.push(((*at).cmsg_level, (*at).cmsg_type, std::slice::from_raw_parts(data, length).to_vec()));
                at = libc::CMSG_NXTHDR(&raw const head, at);
            }
        }
        Ok(Message { count, control, flags: head.msg_flags, from: from_system(&from) })
    }

    fn set_option(&mut self, fd: i32, level: i32, option: i32, value: &[u8]) -> io::Result<()> {
        let size = value.len() as libc::socklen_t;
        // SAFETY: the system reads `size` bytes of the value.
        last_error(unsafe { libc::setsockopt(fd, level, option, value.as_ptr().cast(), size) })
    }

    fn option(&self, fd: i32, level: i32, option: i32, into: &mut [u8]) -> io::Result<usize> {
        let mut size = into.len() as libc::socklen_t;
        // SAFETY: the system writes no more than `size` bytes to the buffer, and to `size` how many.
        last_error(unsafe { libc::getsockopt(fd, level, option, into.as_mut_ptr().cast(), &raw mut size) })?;
        Ok(size as usize)
    }

    fn local_address(&self, fd: i32) -> io::Result<NetAddress> {
        by_fd(fd, |s| Ok(from_system(&s.local_addr()?)))
    }

    fn peer_address(&self, fd: i32) -> io::Result<NetAddress> {
        by_fd(fd, |s| Ok(from_system(&s.peer_addr()?)))
    }

    fn shut(&mut self, fd: i32, how: i32) -> io::Result<()> {
        let how = match how {
            0 => Shutdown::Read,
            1 => Shutdown::Write,
            2 => Shutdown::Both,
            _ => return Err(rustix::io::Errno::INVAL.into()),
        };
        by_fd(fd, |s| s.shutdown(how))
    }

    fn set_nonblocking(&mut self, fd: i32, on: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(borrow(fd)?, on)?)
    }

    fn is_nonblocking(&self, fd: i32) -> io::Result<bool> {
        Ok(rustix::fs::fcntl_getfl(borrow(fd)?)?.contains(rustix::fs::OFlags::NONBLOCK))
    }

    fn set_inheritable(&mut self, fd: i32, on: bool) -> io::Result<()> {
        let fd = borrow(fd)?;
        let mut flags = rustix::io::fcntl_getfd(fd)?;
        flags.set(FdFlags::CLOEXEC, !on);
        Ok(rustix::io::fcntl_setfd(fd, flags)?)
    }

    fn is_inheritable(&self, fd: i32) -> io::Result<bool> {
        Ok(!rustix::io::fcntl_getfd(borrow(fd)?)?.contains(FdFlags::CLOEXEC))
    }

    fn close(&mut self, fd: i32) -> io::Result<()> {
        borrow(fd)?;
        // SAFETY: the number is not -1; the objects that own descriptors forget them when they are closed.
        let result = last_error(unsafe { libc::close(fd) });
        if let Some(times) = self.closed.get_mut(fd as usize) {
            *times = times.wrapping_add(1);
        } else if result.is_ok() {
            self.closed.resize(fd as usize, 0);
            self.closed.push(1);
        }
        result
    }

    fn closed_times(&self, fd: i32) -> u32 {
        self.closed.get(fd as usize).copied().unwrap_or(0)
    }

    fn orphans(&self) -> Orphans {
        self.orphans.clone()
    }

    fn wait(&mut self, fd: Option<(i32, bool)>, seconds: Option<f64>) -> io::Result<Waited> {
        self.close_orphans();
        let until = seconds.map(|s| Instant::now() + Duration::from_secs_f64(s.clamp(0.0, 1e9)));
        let wake = self.wake.clone();
        let wake = wake.descriptor()?;
        let mut left = seconds;
        loop {
            // After the descriptor was asked for: what comes in from here on makes it readable.
            if self.pending.load(Ordering::Relaxed) != 0 || self.pool.has_answers() {
                return Ok(Waited::Woken);
            }
            let source = match fd {
                Some((fd, write)) => Some((borrow(fd)?, if write { PollFlags::OUT } else { PollFlags::IN })),
                None => None,
            };
            let count = 1 + usize::from(source.is_some());
            let (source, flags) = source.unwrap_or((wake, PollFlags::IN));
            let mut fds = [PollFd::from_borrowed_fd(wake, PollFlags::IN), PollFd::from_borrowed_fd(source, flags)];
            let time = left.map(timespec);
            match rustix::event::poll(&mut fds[..count], time.as_ref()) {
                Ok(0) => return Ok(Waited::TimedOut),
                Ok(_) if count == 2 && !fds[1].revents().is_empty() => return Ok(Waited::Ready),
                Ok(_) => {
                    self.wake.clear();
                    return Ok(Waited::Woken);
                }
                Err(rustix::io::Errno::INTR) => {
                    left = until.map(|u| u.saturating_duration_since(Instant::now()).as_secs_f64());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn poll(&mut self, fds: &mut [(i32, i16, i16)], seconds: Option<f64>) -> io::Result<Waited> {
        self.close_orphans();
        let until = seconds.map(|s| Instant::now() + Duration::from_secs_f64(s.clamp(0.0, 1e9)));
        let wake = self.wake.clone();
        let wake = wake.descriptor()?;
        if self.pending.load(Ordering::Relaxed) != 0 || self.pool.has_answers() {
            return Ok(Waited::Woken);
        }
        let mut polled = vec![PollFd::from_borrowed_fd(wake, PollFlags::IN)];
        for (fd, events, _) in fds.iter() {
            let flags = PollFlags::from_bits_retain(*events as u16);
            polled.push(PollFd::from_borrowed_fd(borrow(*fd)?, flags));
        }
        loop {
            let left = until.map(|u| u.saturating_duration_since(Instant::now()).as_secs_f64());
            match rustix::event::poll(&mut polled, left.map(timespec).as_ref()) {
                Ok(0) => return Ok(Waited::TimedOut),
                Ok(_) => {
                    for ((_, _, found), polled) in fds.iter_mut().zip(&polled[1..]) {
                        *found = polled.revents().bits() as i16;
                    }
                    if polled[0].revents().is_empty() {
                        return Ok(Waited::Ready);
                    }
                    self.wake.clear();
                    return Ok(Waited::Woken);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn wait_any(&mut self, fds: &[(i32, bool)], ready: &mut [bool], seconds: Option<f64>) -> io::Result<Waited> {
        let wanted = |write: bool| if write { PollFlags::OUT } else { PollFlags::IN }.bits() as i16;
        let mut polled: Vec<(i32, i16, i16)> = fds.iter().map(|(fd, write)| (*fd, wanted(*write), 0)).collect();
        let waited = self.poll(&mut polled, seconds)?;
        for (ready, (_, _, found)) in ready.iter_mut().zip(polled) {
            *ready = found != 0;
        }
        Ok(waited)
    }

    fn wake_descriptor(&mut self) -> io::Result<i32> {
        Ok(std::os::fd::AsRawFd::as_raw_fd(&self.wake.descriptor()?))
    }

    fn woken(&mut self) {
        self.wake.clear();
    }

    fn machine_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn look_up(&mut self, question: &Question) -> Lookup {
        look_up(question)
    }

    fn ask(&mut self, question: Question) -> io::Result<u64> {
        self.pool.ask(question)
    }

    fn take_answers(&mut self) -> Vec<(u64, Lookup)> {
        self.pool.take_answers()
    }

    fn service_port(&self, name: &str, protocol: Option<&str>) -> Option<u16> {
        let kind = if protocol == Some("udp") { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let hints = SocketKind { family: libc::AF_INET, kind, protocol: 0 };
        let host = Some(b"127.0.0.1".to_vec());
        let question = Question::Addresses { host, service: Some(name.into()), hints, flags: libc::AI_NUMERICHOST };
        match look_up(&question) {
            Ok(Answer::Addresses(found)) => match found.first()?.address {
                NetAddress::V4(v4) => Some(v4.port()),
                NetAddress::V6(_) | NetAddress::Unix(_) | NetAddress::Other(_) => None,
            },
            _ if protocol.is_none() => self.service_port(name, Some("udp")),
            _ => None,
        }
    }

    fn service_name(&self, port: u16, protocol: Option<&str>) -> Option<String> {
        let address = NetAddress::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port));
        let datagram = if protocol == Some("udp") { libc::NI_DGRAM } else { 0 };
        match look_up(&Question::Name { address, flags: libc::NI_NUMERICHOST | datagram }) {
            Ok(Answer::Name(_, service)) if service != port.to_string() => Some(service),
            _ => None,
        }
    }

    fn interfaces(&self) -> io::Result<Vec<(u32, String)>> {
        let mut found = vec![];
        // SAFETY: the list ends with an entry without a name; it is freed after the last look at it.
        unsafe {
            let all = libc::if_nameindex();
            if all.is_null() {
                return Err(io::Error::last_os_error());
            }
            let mut at = all;
            while !(*at).if_name.is_null() {
                let name = CStr::from_ptr((*at).if_name).to_string_lossy().into_owned();
                found.push(((*at).if_index, name));
                at = at.add(1);
            }
            libc::if_freenameindex(all);
        }
        Ok(found)
    }
}

fn lookup_error(code: i32) -> LookupError {
    if code == libc::EAI_SYSTEM {
        return LookupError::System(io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: the answer is a text that lives for ever.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
    LookupError::Name(code, text.to_string_lossy().into_owned())
}

fn c_text(bytes: Option<&Vec<u8>>) -> Result<Option<CString>, LookupError> {
    match bytes {
        Some(bytes) => CString::new(bytes.as_slice()).map(Some).map_err(|_| lookup_error(libc::EAI_NONAME)),
        None => Ok(None),
    }
}

/// Looks a name up. Called on threads of the pool, too.
pub(super) fn look_up(question: &Question) -> Lookup {
    match question {
        Question::Addresses { host, service, hints, flags } => {
            let (host, service) = (c_text(host.as_ref())?, c_text(service.as_ref())?);
            addresses(host.as_deref(), service.as_deref(), *hints, *flags).map(Answer::Addresses)
        }
        Question::Host(name) => {
            let host = c_text(Some(name))?;
            let hints = SocketKind { family: libc::AF_INET, kind: libc::SOCK_STREAM, protocol: 0 };
            addresses(host.as_deref(), None, hints, libc::AI_CANONNAME).map(Answer::Addresses)
        }
        Question::Name { address, flags } => {
            let address = to_system(address).map_err(|_| lookup_error(libc::EAI_FAMILY))?;
            let mut host = [0; libc::NI_MAXHOST as usize];
            let mut service = [0; 64];
            // SAFETY: the address is as long as it says, and so are the buffers, to which texts with an end are written.
            let code = unsafe {
                libc::getnameinfo(
                    address.as_ptr().cast(),
                    address.len(),
                    host.as_mut_ptr(),
                    host.len() as libc::socklen_t,
                    service.as_mut_ptr(),
                    service.len() as libc::socklen_t,
                    *flags,
                )
            };
            if code != 0 {
                return Err(lookup_error(code));
            }
            // SAFETY: written above.
            let (host, service) = unsafe { (CStr::from_ptr(host.as_ptr()), CStr::from_ptr(service.as_ptr())) };
            Ok(Answer::Name(host.to_string_lossy().into_owned(), service.to_string_lossy().into_owned()))
        }
    }
}

fn addresses(
    host: Option<&CStr>,
    service: Option<&CStr>,
    hints: SocketKind,
    flags: i32,
) -> Result<Vec<Found>, LookupError> {
    // SAFETY: zeros are what the fields that are not set have to be.
    let mut wanted: libc::addrinfo = unsafe { std::mem::zeroed() };
    (wanted.ai_family, wanted.ai_socktype) = (hints.family, hints.kind);
    (wanted.ai_protocol, wanted.ai_flags) = (hints.protocol, flags);
    let mut list: *mut libc::addrinfo = std::ptr::null_mut();
    let text = |t: Option<&CStr>| t.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: texts and hints live until it returns.
    let code = unsafe { libc::getaddrinfo(text(host), text(service), &raw const wanted, &raw mut list) };
    if code != 0 {
        return Err(lookup_error(code));
    }
    let mut found = vec![];
    let mut at = list;
    while !at.is_null() {
        // SAFETY: an entry of the list, which is freed below.
        let entry = unsafe { &*at };
        // SAFETY: the entry's address is as long as it says, and fits a storage.
        let address = unsafe {
            SockAddr::try_init(|storage, length| {
                let size = (entry.ai_addrlen as usize).min(size_of_val(&*storage));
                std::ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), storage.cast::<u8>(), size);
                *length = size as libc::socklen_t;
                Ok(())
            })
        };
        let canonical = match entry.ai_canonname.is_null() {
            true => String::new(),
            // SAFETY: a text with an end.
            false => unsafe { CStr::from_ptr(entry.ai_canonname) }.to_string_lossy().into_owned(),
        };
        let socket = SocketKind { family: entry.ai_family, kind: entry.ai_socktype, protocol: entry.ai_protocol };
        if let Ok(((), address)) = address {
            found.push(Found { socket, canonical, address: from_system(&address) });
        }
        at = entry.ai_next;
    }
    // SAFETY: it came from `getaddrinfo`, and nothing of it is used any more.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}
