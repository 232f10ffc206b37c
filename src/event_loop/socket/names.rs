//! Looking names up, and the functions of the module `_socket`. What has to be asked of a name server is asked on a thread of the host's
//! when a loop runs ([`ask`]); a literal address never is.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::native::types::bytes::{buffer_of, bytes_like};
use crate::native::types::exception::os_error;
use crate::object::{AnyFuture, Bytes, Exc, FutureState, Str};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::network::{Answer, Found, Lookup, LookupError, NetAddress, Question, SocketKind};

use super::super::{future, open_loop, running_object};
use super::address::{AF_INET, AF_INET6, address, family_of, literal, shown};
use super::{check, network, timeout_of};
use crate::event_loop::loops;

const AI_PASSIVE: i32 = 1;
const AI_CANONNAME: i32 = 2;
const NO_NAME: i32 = -2;

/// gaierror.
pub(super) fn raise_name_error(cx: &mut Cx, code: i32, text: &str) -> Raised {
    raise_error(cx, "gaierror", i64::from(code), text)
}

fn raise_error(cx: &mut Cx, class: &str, code: i64, text: &str) -> Raised {
    let class = cx.named_class(class).value().raw();
    let class = cx.push_raw(class);
    let code = cx.push_raw(Raw::int(code));
    let text = cx.str(text).value().raw();
    let text = cx.push_raw(text);
    match cx.call(class, &[code, text]) {
        Ok(exception) => cx.raise(exception),
        Err(raised) => raised,
    }
}

/// Raises why a name was not found.
pub(super) fn lookup_failed(cx: &mut Cx, error: LookupError) -> Raised {
    match error {
        LookupError::Name(code, text) => raise_name_error(cx, code, &text),
        LookupError::System(number) => {
            let error = std::io::Error::from_raw_os_error(number);
            super::fail(cx, &error)
        }
    }
}

/// What is found, as scripts see it: of `getaddrinfo` a list of (family, type, protocol, canonical name, address), of `getnameinfo` a pair.
fn shown_answer(cx: &mut Cx, answer: Answer) -> Raw {
    match answer {
        Answer::Name(host, service) => {
            let host = cx.str(&host).value().raw();
            let service = cx.str(&service).value().raw();
            cx.tuple(&[Value::adopt(host), Value::adopt(service)]).value().raw()
        }
        Answer::Addresses(found) => {
            let mut items = vec![];
            for one in found {
                let address = shown(cx, &one.address);
                let canonical = cx.str(&one.canonical).value().raw();
                let kind = one.socket;
                let numbers = [kind.family, kind.kind, kind.protocol].map(|n| Value::int(i64::from(n)));
                let [family, kind, protocol] = numbers;
                let item = [family, kind, protocol, Value::adopt(canonical), Value::adopt(address)];
                items.push(cx.tuple(&item).value().raw());
            }
            let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
            cx.list(&values).value().raw()
        }
    }
}

/// The text of a host, or None; or of a service, which may be a number.
fn name_of(cx: &mut Cx, value: Root, service: bool) -> Result<Option<Vec<u8>>, Raised> {
    if value.get(cx).is_none() {
        return Ok(None);
    }
    if let Some(text) = cx.as_str(value.get(cx)) {
        let bytes = text.as_bytes().to_vec();
        if !service && bytes.is_ascii() {
            super::address::check_labels(cx, &bytes)?;
        }
        return Ok(Some(bytes));
    }
    if let Some(bytes) = buffer_of(cx, value) {
        return Ok(Some(bytes.to_vec()));
    }
    if service && (value.get(cx).as_int().is_some() || cx.find_attribute(value, "__index__")?.is_some()) {
        let number = cx.index_as_i64(value)?;
        return Ok(Some(number.to_string().into_bytes()));
    }
    let text = if service { "Int or String expected" } else { "getaddrinfo() argument 1 must be string or None" };
    Err(if service { cx.raise_text(Exc::OSError, text) } else { cx.type_error(text.into()) })
}

/// The addresses that a literal host stands for, where no lookup is needed: as the system's resolver lists them.
fn known(host: Option<&[u8]>, service: Option<&[u8]>, hints: SocketKind, flags: i32) -> Option<Vec<Found>> {
    const KINDS: [(i32, i32); 3] = [(1, 6), (2, 17), (3, 0)];
    let port = match service {
        None => 0,
        Some(text) => std::str::from_utf8(text).ok()?.parse::<u16>().ok()?,
    };
    let address = literal(host?, port)?;
    if hints.family != 0 && hints.family != family_of(&address) || flags & !(AI_PASSIVE | AI_CANONNAME | 4 | 1024) != 0
    {
        return None;
    }
    let fits = |(kind, protocol): &(i32, i32)| {
        (hints.kind == 0 || hints.kind == *kind) && (hints.protocol == 0 || hints.protocol == *protocol)
    };
    if flags & AI_CANONNAME != 0 || (hints.kind == 3 && hints.protocol != 0) {
        return None;
    }
    let family = family_of(&address);
    let found = KINDS.iter().filter(|k| fits(k)).map(|(kind, protocol)| Found {
        socket: SocketKind { family, kind: *kind, protocol: *protocol },
        canonical: String::new(),
        address: address.clone(),
    });
    let found: Vec<Found> = found.collect();
    if found.is_empty() { None } else { Some(found) }
}

struct Wanted {
    host: Option<Vec<u8>>,
    service: Option<Vec<u8>>,
    hints: SocketKind,
    flags: i32,
}

fn wanted(
    cx: &mut Cx,
    host: Root,
    port: Root,
    family: i64,
    kind: i64,
    proto: i64,
    flags: i64,
) -> Result<Wanted, Raised> {
    let host = name_of(cx, host, false)?;
    let service = name_of(cx, port, true)?;
    let hints = SocketKind { family: family as i32, kind: kind as i32, protocol: proto as i32 };
    Ok(Wanted { host, service, hints, flags: flags as i32 })
}

impl Wanted {
    fn known(&self) -> Option<Vec<Found>> {
        known(self.host.as_deref(), self.service.as_deref(), self.hints, self.flags)
    }

    fn question(self) -> Question {
        Question::Addresses { host: self.host, service: self.service, hints: self.hints, flags: self.flags }
    }
}

/// A future for the answer to a question.
fn ask(cx: &mut Cx, question: Question) -> Result<AnyFuture<'static>, Raised> {
    let object = running_object(cx)?;
    let asked = network(cx).ask(question);
    let ticket = check(cx, asked)?;
    let future = future::new(cx, object);
    open_loop(cx, object)?.questions.insert(ticket, future);
    Ok(future)
}

/// An answer came in: whoever waits for it gets it.
pub(crate) fn answered(cx: &mut Cx, future: AnyFuture<'static>, lookup: Lookup) {
    if future.base().is_done() {
        return;
    }
    match lookup {
        Ok(answer) => {
            let result = shown_answer(cx, answer);
            future::finish(cx, future, FutureState::Finished, result);
        }
        Err(error) => {
            let mark = cx.mark();
            let raised = lookup_failed(cx, error);
            let exception = cx.take_raised(raised);
            if let Some(exception) = Value::adopt(exception).cell_of_kind::<crate::object::Exception>() {
                exception.set_ref(&cx.heap, |e| &e.traceback, None);
            }
            future::finish(cx, future, FutureState::Failed, exception);
            cx.release(mark);
        }
    }
}

/// A str argument.
fn text_of(cx: &mut Cx, value: Root, function: &str) -> Result<String, Raised> {
    let known: Option<Gc<'_, Str>> = cx.as_str(value.get(cx));
    if known.is_none() {
        let got = cx.type_name_for_error(value.get(cx));
        return Err(cx.type_error(format!("{function}() argument 1 must be str, not {got}")));
    }
    cx.str_text(value)
}

/// The four bytes of an address as the oldest function reads it: one to four numbers, the last of which fills what is left.
fn old_form(text: &str) -> Option<[u8; 4]> {
    let text = text.split_ascii_whitespace().next()?;
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let mut numbers = vec![];
    for part in &parts {
        let (digits, base) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            Some(hex) => (hex, 16),
            None if part.len() > 1 && part.starts_with('0') => (&part[1..], 8),
            None => (*part, 10),
        };
        if digits.starts_with('+') {
            return None;
        }
        numbers.push(u32::from_str_radix(digits, base).ok()?);
    }
    let (last, first) = numbers.split_last()?;
    let mut whole = 0u32;
    for (at, number) in first.iter().enumerate() {
        whole |= u32::from(u8::try_from(*number).ok()?) << (24 - 8 * at);
    }
    let room = 32 - 8 * first.len() as u32;
    if room < 32 && *last >> room != 0 {
        return None;
    }
    Some((whole | last).to_be_bytes())
}

fn small(cx: &mut Cx, x: Root, function: &str) -> Result<u16, Raised> {
    if x.get(cx).as_int().is_none() {
        cx.index(x)?;
    }
    let number = match x.get(cx).as_int() {
        Some(number) => number,
        None => cx.index_as_i64(x).unwrap_or(i64::MAX),
    };
    match u16::try_from(number) {
        Ok(small) => Ok(small),
        Err(_) if number < 0 => {
            let text = format!("{function}: can't convert negative Python int to C 16-bit unsigned integer");
            Err(cx.overflow_error(&text))
        }
        Err(_) => {
            Err(cx.overflow_error(&format!("{function}: Python int too large to convert to C 16-bit unsigned integer")))
        }
    }
}

fn large(cx: &mut Cx, x: Root) -> Result<u32, Raised> {
    let Some(number) = x.get(cx).as_int() else {
        let got = cx.type_name_for_error(x.get(cx));
        return Err(cx.type_error(format!("expected int, {got} found")));
    };
    match u32::try_from(number) {
        Ok(large) => Ok(large),
        Err(_) if number < 0 => Err(cx.overflow_error("can't convert negative value to unsigned int")),
        Err(_) => Err(cx.overflow_error("int larger than 32 bits")),
    }
}

/// The names and addresses of a host: its name, other names, IPv4 addresses.
fn host_entry(cx: &mut Cx, name: &str) -> NativeResult {
    let found = match network(cx).look_up(&Question::Host(name.as_bytes().to_vec())) {
        Ok(Answer::Addresses(found)) => found,
        Ok(_) => vec![],
        Err(error) => return Err(lookup_failed(cx, error)),
    };
    let canonical = found.iter().find(|f| !f.canonical.is_empty()).map_or(name, |f| f.canonical.as_str()).to_owned();
    entry(cx, &canonical, found.into_iter().map(|f| f.address))
}

fn entry(cx: &mut Cx, name: &str, addresses: impl Iterator<Item = NetAddress>) -> NativeResult {
    let mut items = vec![];
    for address in addresses {
        let text = match address {
            NetAddress::V4(v4) => v4.ip().to_string(),
            NetAddress::V6(v6) => v6.ip().to_string(),
            NetAddress::Unix(_) | NetAddress::Other(_) => continue,
        };
        items.push(cx.str(&text).value().raw());
    }
    let name = cx.str(name).value().raw();
    let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
    let list = cx.list(&values).value().raw();
    let none = cx.list(&[]).value().raw();
    Ok(cx.tuple(&[Value::adopt(name), Value::adopt(none), Value::adopt(list)]).into())
}

natives!(
    /// Sockets, and what is said about addresses.
    pub(super) static FUNCTIONS: Functions;

    /// Return the descriptors of two sockets connected with each other.
    fn _socketpair(cx: &mut Cx, family: i64, r#type: i64, proto: i64) -> NativeResult {
        let kind = SocketKind { family: family as i32, kind: r#type as i32, protocol: proto as i32 };
        let made = cx.reclaiming(|cx| network(cx).open_pair(kind));
        let (a, b) = check(cx, made)?;
        Ok(super::pair(cx, Raw::int(i64::from(a)), Raw::int(i64::from(b))))
    }

    /// Return the addresses that a host and port stand for: (family, type, protocol, canonical name, address).
    fn getaddrinfo(
        cx: &mut Cx,
        #[either] host: Root,
        #[either] port: Root,
        #[either]
        #[default(0)]
        family: i64,
        #[either]
        #[default(0)]
        r#type: i64,
        #[either]
        #[default(0)]
        proto: i64,
        #[either]
        #[default(0)]
        flags: i64,
    ) -> NativeResult {
        let wanted = wanted(cx, host, port, family, r#type, proto, flags)?;
        let found = match wanted.known() {
            Some(found) => Ok(Answer::Addresses(found)),
            None => network(cx).look_up(&wanted.question()),
        };
        match found {
            Ok(answer) => Ok(Outcome::Value(shown_answer(cx, answer))),
            Err(error) => Err(lookup_failed(cx, error)),
        }
    }

    /// As getaddrinfo, for a running loop: the list if the host is a literal address, else a future for it.
    fn _ask_addresses(
        cx: &mut Cx,
        host: Root,
        port: Root,
        family: i64,
        r#type: i64,
        proto: i64,
        flags: i64,
    ) -> NativeResult {
        let wanted = wanted(cx, host, port, family, r#type, proto, flags)?;
        if let Some(found) = wanted.known() {
            return Ok(Outcome::Value(shown_answer(cx, Answer::Addresses(found))));
        }
        Ok(ask(cx, wanted.question())?.value().into())
    }

    /// Return host and service of an address.
    #[counted]
    fn getnameinfo(cx: &mut Cx, sockaddr: Root, flags: i64) -> NativeResult {
        let question = name_question(cx, sockaddr, flags)?;
        match network(cx).look_up(&question) {
            Ok(answer) => Ok(Outcome::Value(shown_answer(cx, answer))),
            Err(error) => Err(lookup_failed(cx, error)),
        }
    }

    /// As getnameinfo, for a running loop: a future.
    fn _ask_name(cx: &mut Cx, sockaddr: Root, flags: i64) -> NativeResult {
        let question = name_question(cx, sockaddr, flags)?;
        Ok(ask(cx, question)?.value().into())
    }

    /// Return the IPv4 address of a host.
    #[counted]
    fn gethostbyname(cx: &mut Cx, hostname: Root) -> NativeResult {
        let name = text_of(cx, hostname, "gethostbyname")?;
        match network(cx).look_up(&Question::Host(name.into_bytes())) {
            Ok(Answer::Addresses(found)) => match found.first().map(|f| &f.address) {
                Some(NetAddress::V4(v4)) => Ok(cx.str(&v4.ip().to_string()).into()),
                _ => Err(raise_name_error(cx, NO_NAME, "Name or service not known")),
            },
            Ok(_) => Err(raise_name_error(cx, NO_NAME, "Name or service not known")),
            Err(error) => Err(lookup_failed(cx, error)),
        }
    }

    /// Return name, other names and IPv4 addresses of a host.
    #[counted]
    fn gethostbyname_ex(cx: &mut Cx, hostname: Root) -> NativeResult {
        let name = text_of(cx, hostname, "gethostbyname_ex")?;
        host_entry(cx, &name)
    }

    /// Return name, other names and addresses of the host at an address.
    #[counted]
    fn gethostbyaddr(cx: &mut Cx, ip_address: Root) -> NativeResult {
        const NAME_REQUIRED: i32 = 8;
        let text = text_of(cx, ip_address, "gethostbyaddr")?;
        let address = match literal(text.as_bytes(), 0) {
            Some(address) => address,
            None => match network(cx).look_up(&Question::Host(text.into_bytes())) {
                Ok(Answer::Addresses(found)) if !found.is_empty() => found[0].address.clone(),
                Ok(_) => return Err(raise_name_error(cx, NO_NAME, "Name or service not known")),
                Err(error) => return Err(lookup_failed(cx, error)),
            },
        };
        let question = Question::Name { address: address.clone(), flags: NAME_REQUIRED };
        match network(cx).look_up(&question) {
            Ok(Answer::Name(host, _)) => entry(cx, &host, std::iter::once(address)),
            _ => Err(raise_error(cx, "herror", 1, "Unknown host")),
        }
    }

    /// Return the port of a service.
    #[counted]
    fn getservbyname(cx: &mut Cx, servicename: Root, protocolname: Option<Root>) -> NativeResult {
        let name = text_of(cx, servicename, "getservbyname")?;
        let protocol = match protocolname {
            Some(protocol) => Some(text_of(cx, protocol, "getservbyname")?),
            None => None,
        };
        match network(cx).service_port(&name, protocol.as_deref()) {
            Some(port) => Ok(i64::from(port).into()),
            None => Err(cx.raise_text(Exc::OSError, "service/proto not found")),
        }
    }

    /// Return the service at a port.
    #[counted]
    fn getservbyport(cx: &mut Cx, port: i64, protocolname: Option<Root>) -> NativeResult {
        let Ok(port) = u16::try_from(port) else {
            return Err(cx.overflow_error("getservbyport: port must be 0-65535."));
        };
        let protocol = match protocolname {
            Some(protocol) => Some(text_of(cx, protocol, "getservbyport")?),
            None => None,
        };
        match network(cx).service_name(port, protocol.as_deref()) {
            Some(name) => Ok(cx.str(&name).into()),
            None => Err(cx.raise_text(Exc::OSError, "port/proto not found")),
        }
    }

    /// Return the number of a protocol.
    #[counted]
    fn getprotobyname(cx: &mut Cx, protocolname: Root) -> NativeResult {
        let name = text_of(cx, protocolname, "getprotobyname")?;
        let number: i64 = match name.as_str() {
            "ip" => 0,
            "icmp" => 1,
            "tcp" => 6,
            "udp" => 17,
            "ipv6" => 41,
            "ipv6-icmp" => 58,
            "sctp" => 132,
            _ => return Err(cx.raise_text(Exc::OSError, "protocol not found")),
        };
        Ok(number.into())
    }

    /// Return numbers and names of the network interfaces.
    fn if_nameindex(cx: &mut Cx) -> NativeResult {
        let found = network(cx).interfaces();
        let mut items = vec![];
        for (number, name) in check(cx, found)? {
            let name = cx.str(&name).value().raw();
            items.push(cx.tuple(&[Value::int(i64::from(number)), Value::adopt(name)]).value().raw());
        }
        let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
        Ok(cx.list(&values).into())
    }

    /// Return the number of a network interface.
    fn if_nametoindex(cx: &mut Cx, oname: Root) -> NativeResult {
        let wanted = text_of(cx, oname, "if_nametoindex")?;
        let found = network(cx).interfaces();
        match check(cx, found)?.into_iter().find(|(_, name)| *name == wanted) {
            Some((number, _)) => Ok(i64::from(number).into()),
            None => Err(cx.raise_text(Exc::OSError, "no interface with this name")),
        }
    }

    /// Return the name of a network interface.
    fn if_indextoname(cx: &mut Cx, index: i64) -> NativeResult {
        let found = network(cx).interfaces();
        match check(cx, found)?.into_iter().find(|(number, _)| i64::from(*number) == index) {
            Some((_, name)) => Ok(cx.str(&name).into()),
            None => Err(os_error(cx, 6, "No such device or address", None)),
        }
    }

    /// Return the timeout of new sockets.
    fn getdefaulttimeout(cx: &mut Cx) -> NativeResult {
        Ok(loops(cx).socket_timeout.map_or(Outcome::NONE, Outcome::from))
    }

    /// Set the timeout of new sockets.
    fn setdefaulttimeout(cx: &mut Cx, timeout: Root) -> NativeResult {
        let timeout = timeout_of(cx, timeout)?;
        loops(cx).socket_timeout = timeout;
        Ok(Outcome::NONE)
    }

    /// Return the name of the machine.
    fn gethostname(cx: &mut Cx) -> NativeResult {
        let name = network(cx).machine_name();
        Ok(cx.str(&name).into())
    }

    /// Close a descriptor.
    fn close(cx: &mut Cx, fd: i64) -> NativeResult {
        let result = network(cx).close(i32::try_from(fd).unwrap_or(-1));
        Ok(check(cx, result)?.into())
    }

    /// Return a second descriptor for the same socket.
    fn dup(cx: &mut Cx, fd: i64) -> NativeResult {
        let result = cx.reclaiming(|cx| network(cx).duplicate(i32::try_from(fd).unwrap_or(-1)));
        Ok(i64::from(check(cx, result)?).into())
    }

    /// Convert an IPv4 address to its four bytes.
    fn inet_aton(cx: &mut Cx, ip_addr: Root) -> NativeResult {
        let ip_addr = text_of(cx, ip_addr, "inet_aton")?;
        match old_form(&ip_addr) {
            Some(octets) => Ok(Bytes::new(&cx.heap, &octets).into()),
            None => Err(cx.raise_text(Exc::OSError, "illegal IP address string passed to inet_aton")),
        }
    }

    /// Convert four bytes to an IPv4 address.
    fn inet_ntoa(cx: &mut Cx, packed_ip: Root) -> NativeResult {
        let bytes = bytes_like(cx, packed_ip)?;
        match <[u8; 4]>::try_from(&bytes[..]) {
            Ok(octets) => Ok(cx.str(&Ipv4Addr::from(octets).to_string()).into()),
            Err(_) => Err(cx.raise_text(Exc::OSError, "packed IP wrong length for inet_ntoa")),
        }
    }

    /// Convert an address to its bytes.
    #[counted]
    fn inet_pton(cx: &mut Cx, address_family: i64, ip_string: Root) -> NativeResult {
        let ip_string = text_of(cx, ip_string, "inet_pton")?;
        let bytes = match i32::try_from(address_family) {
            Ok(AF_INET) => ip_string.parse::<Ipv4Addr>().ok().map(|ip| ip.octets().to_vec()),
            Ok(AF_INET6) => ip_string.parse::<Ipv6Addr>().ok().map(|ip| ip.octets().to_vec()),
            _ => return Err(os_error(cx, 97, "Address family not supported by protocol", None)),
        };
        match bytes {
            Some(bytes) => Ok(Bytes::new(&cx.heap, &bytes).into()),
            None => Err(cx.raise_text(Exc::OSError, "illegal IP address string passed to inet_pton")),
        }
    }

    /// Convert bytes to an address.
    #[counted]
    fn inet_ntop(cx: &mut Cx, address_family: i64, packed_ip: Root) -> NativeResult {
        let bytes = bytes_like(cx, packed_ip)?;
        let text = match i32::try_from(address_family) {
            Ok(AF_INET) => <[u8; 4]>::try_from(&bytes[..]).ok().map(|o| Ipv4Addr::from(o).to_string()),
            Ok(AF_INET6) => <[u8; 16]>::try_from(&bytes[..]).ok().map(|o| Ipv6Addr::from(o).to_string()),
            _ => return Err(cx.value_error(format!("unknown address family {address_family}"))),
        };
        match text {
            Some(text) => Ok(cx.str(&text).into()),
            None => Err(cx.value_error("invalid length of packed IP address string")),
        }
    }

    /// Turn two bytes round for the wire, where this machine needs it.
    fn htons(cx: &mut Cx, x: Root) -> NativeResult {
        Ok(i64::from(small(cx, x, "htons")?.to_be()).into())
    }

    /// Turn two bytes from the wire round, where this machine needs it.
    fn ntohs(cx: &mut Cx, x: Root) -> NativeResult {
        Ok(i64::from(u16::from_be(small(cx, x, "ntohs")?)).into())
    }

    /// Turn four bytes round for the wire, where this machine needs it.
    fn htonl(cx: &mut Cx, x: Root) -> NativeResult {
        Ok(i64::from(large(cx, x)?.to_be()).into())
    }

    /// Turn four bytes from the wire round, where this machine needs it.
    fn ntohl(cx: &mut Cx, x: Root) -> NativeResult {
        Ok(i64::from(u32::from_be(large(cx, x)?)).into())
    }
);

fn name_question(cx: &mut Cx, sockaddr: Root, flags: i64) -> Result<Question, Raised> {
    let Some(tuple) = cx.payload(sockaddr.get(cx)).exact::<crate::object::Tuple>() else {
        return Err(cx.type_error("getnameinfo() argument 1 must be a tuple".into()));
    };
    let host = tuple.items().next().map(|v| v.raw());
    let family = match host {
        Some(host) => {
            let host = cx.push_raw(host);
            match cx.as_str(host.get(cx)) {
                Some(text) if text.as_bytes().contains(&b':') => AF_INET6,
                Some(_) => AF_INET,
                None => return Err(cx.type_error("getnameinfo(): illegal sockaddr argument".into())),
            }
        }
        None => return Err(cx.type_error("getnameinfo(): illegal sockaddr argument".into())),
    };
    let address = address(cx, sockaddr, family, "getnameinfo")?;
    Ok(Question::Name { address, flags: flags as i32 })
}
