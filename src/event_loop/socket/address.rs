//! Addresses as scripts write and see them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use crate::heap::{Raw, Value};
use crate::native::types::bytes::{buffer_of, bytes_like};
use crate::object::{Bytes, Exc, Tuple};
use crate::vm::native::{Cx, Raised, Root};
use crate::vm::network::{Answer, NetAddress, Question, SocketKind};

use super::names::{lookup_failed, raise_name_error};
use super::network;

pub(crate) const AF_UNIX: i32 = 1;
pub(crate) const AF_INET: i32 = 2;
pub(crate) const AF_INET6: i32 = 10;

/// EAI_ADDRFAMILY.
const WRONG_FAMILY: i32 = -9;

/// The parts of a host's name have a greatest length.
pub(super) fn check_labels(cx: &mut Cx, host: &[u8]) -> Result<(), Raised> {
    const MOST: usize = 63;
    let mut start = 0;
    let labels: Vec<&[u8]> = host.split(|byte| *byte == b'.').collect();
    for (at, label) in labels.iter().enumerate() {
        let fault = match label.len() {
            0 if at + 1 < labels.len() => Some("label empty"),
            length if length > MOST => Some("label too long"),
            _ => None,
        };
        if let Some(fault) = fault {
            let text = cx.str(&String::from_utf8_lossy(host)).value().raw();
            let text = cx.push_raw(text);
            return Err(cx.unicode_encode_error(text, "idna", start, start + label.len().max(1), fault));
        }
        start += label.len() + 1;
    }
    Ok(())
}

/// The text or bytes of a host.
fn host_of(cx: &mut Cx, host: Root) -> Result<Vec<u8>, Raised> {
    if let Some(text) = cx.as_str(host.get(cx)) {
        if text.is_ascii() {
            let bytes = text.as_bytes().to_vec();
            check_labels(cx, &bytes)?;
            return Ok(bytes);
        }
        return Err(cx.missing("names of hosts beyond ASCII (the codec 'idna')"));
    }
    if let Some(bytes) = buffer_of(cx, host) {
        return Ok(bytes.to_vec());
    }
    let got = cx.type_name_for_error(host.get(cx));
    Err(cx.type_error(format!("str, bytes or bytearray expected, not {got}")))
}

/// A literal address.
pub(super) fn literal(host: &[u8], port: u16) -> Option<NetAddress> {
    let text = std::str::from_utf8(host).ok()?;
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(NetAddress::V4(SocketAddrV4::new(v4, port)));
    }
    // A scope has to be looked up.
    let v6 = text.parse::<Ipv6Addr>().ok()?;
    Some(NetAddress::V6(SocketAddrV6::new(v6, port, 0, 0)))
}

/// The family of an address.
pub(super) fn family_of(address: &NetAddress) -> i32 {
    match address {
        NetAddress::V4(_) => AF_INET,
        NetAddress::V6(_) => AF_INET6,
        NetAddress::Unix(_) => AF_UNIX,
        NetAddress::Other(family) => i32::from(*family),
    }
}

/// The address of a host: at once if it is a literal, else its name is looked up, which can take a while.
fn host_address(cx: &mut Cx, host: &[u8], port: u16, family: i32) -> Result<NetAddress, Raised> {
    let literal = match (host, family) {
        (b"", AF_INET6) => Some(NetAddress::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0))),
        (b"", _) => Some(NetAddress::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))),
        (b"<broadcast>" | b"255.255.255.255", AF_INET) => {
            Some(NetAddress::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, port)))
        }
        _ => literal(host, port),
    };
    if let Some(address) = literal {
        if family_of(&address) != family {
            return Err(raise_name_error(cx, WRONG_FAMILY, "Address family for hostname not supported"));
        }
        return Ok(address);
    }
    let hints = SocketKind { family, kind: 0, protocol: 0 };
    let question = Question::Addresses { host: Some(host.to_vec()), service: None, hints, flags: 0 };
    match network(cx).look_up(&question) {
        Ok(Answer::Addresses(found)) if !found.is_empty() => Ok(with_port(found[0].address.clone(), port)),
        Ok(_) => Err(raise_name_error(cx, -2, "Name or service not known")),
        Err(error) => Err(lookup_failed(cx, error)),
    }
}

fn with_port(address: NetAddress, port: u16) -> NetAddress {
    match address {
        NetAddress::V4(mut v4) => {
            v4.set_port(port);
            NetAddress::V4(v4)
        }
        NetAddress::V6(mut v6) => {
            v6.set_port(port);
            NetAddress::V6(v6)
        }
        other => other,
    }
}

/// The address that a script gives.
pub(crate) fn address(cx: &mut Cx, given: Root, family: i32, function: &str) -> Result<NetAddress, Raised> {
    let name = match family {
        AF_UNIX => return unix_address(cx, given),
        AF_INET => "AF_INET",
        AF_INET6 => "AF_INET6",
        _ => return Err(cx.raise_text(Exc::OSError, &format!("{function}(): bad family"))),
    };
    let payload = cx.payload(given.get(cx)).exact::<Tuple>();
    let Some(items) = payload.map(|t| t.items().map(|v| v.raw()).collect::<Vec<Raw>>()) else {
        let got = cx.type_name_for_error(given.get(cx));
        return Err(cx.type_error(format!("{function}(): {name} address must be tuple, not {got}")));
    };
    if family == AF_INET && items.len() != 2 {
        return Err(cx.type_error("AF_INET address must be a pair (host, port)".into()));
    }
    if !(2..=4).contains(&items.len()) {
        let text = "AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])";
        return Err(cx.type_error(text.into()));
    }
    let host = cx.push_raw(items[0]);
    let host = host_of(cx, host)?;
    let port = cx.push_raw(items[1]);
    let port = cx.index_as_i64(port)?;
    let Ok(port) = u16::try_from(port) else {
        return Err(cx.overflow_error(&format!("{function}(): port must be 0-65535.")));
    };
    let mut rest = [0; 2];
    for (place, raw) in rest.iter_mut().zip(&items[2..]) {
        let item = cx.push_raw(*raw);
        let number = cx.index_as_i64(item)?;
        *place = u32::try_from(number).unwrap_or(u32::MAX);
    }
    if rest[0] > 0xfffff {
        return Err(cx.overflow_error(&format!("{function}(): flowinfo must be 0-1048575.")));
    }
    match host_address(cx, &host, port, family)? {
        NetAddress::V6(mut v6) => {
            if items.len() > 2 {
                v6.set_flowinfo(rest[0]);
            }
            if items.len() > 3 {
                v6.set_scope_id(rest[1]);
            }
            Ok(NetAddress::V6(v6))
        }
        other => Ok(other),
    }
}

fn unix_address(cx: &mut Cx, given: Root) -> Result<NetAddress, Raised> {
    /// As long as the system's structure has room for, with the zero at its end.
    const LONGEST: usize = 107;
    let path = match cx.as_str(given.get(cx)) {
        Some(text) => text.as_bytes().to_vec(),
        None => bytes_like(cx, given)?.to_vec(),
    };
    if path.len() > LONGEST + usize::from(path.first() == Some(&0)) {
        return Err(cx.raise_text(Exc::OSError, "AF_UNIX path too long"));
    }
    Ok(NetAddress::Unix(path))
}

/// An address as scripts see it.
pub(crate) fn shown(cx: &mut Cx, address: &NetAddress) -> Raw {
    match address {
        NetAddress::V4(v4) => {
            let host = cx.str(&v4.ip().to_string()).value().raw();
            cx.tuple(&[Value::adopt(host), Value::int(i64::from(v4.port()))]).value().raw()
        }
        NetAddress::V6(v6) => {
            let host = cx.str(&v6.ip().to_string()).value().raw();
            let rest = [i64::from(v6.port()), i64::from(v6.flowinfo()), i64::from(v6.scope_id())];
            cx.tuple(&[Value::adopt(host), Value::int(rest[0]), Value::int(rest[1]), Value::int(rest[2])]).value().raw()
        }
        NetAddress::Unix(path) if path.first() == Some(&0) => Bytes::new(&cx.heap, path).value().raw(),
        NetAddress::Unix(path) => cx.str(&String::from_utf8_lossy(path)).value().raw(),
        NetAddress::Other(_) => Raw::NONE,
    }
}
