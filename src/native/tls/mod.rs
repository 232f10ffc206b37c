//! The module `_ssl`: TLS by rustls, between buffers in memory. What scripts see of it is in `stdlib/ssl.aio`. Random numbers of keys are the
//! system's own, whatever the host says; the time is the host's.
//!
//! Read on: `session.rs` (one end of a connection), `verify.rs` (which certificates are trusted), `certificate.rs` and `der.rs`.

mod certificate;
mod der;
mod session;
mod verify;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ServerSessionMemoryCache;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CipherSuite, ProtocolVersion};

use crate::heap::Value;
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::object::{Bytes, NativeObject, Payload};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use session::{Buffer, Memory, Resumable, Session, Settings, Stop, suite_names};
use verify::{Store, Verifier, Wanted};

impl Payload for Buffer {}
impl Payload for Session {}
impl Payload for Resumable {}
impl Payload for Memory {}

/// A private key and the certificates that say whose it is.
#[derive(Debug)]
struct Certified(Arc<CertifiedKey>);
impl Payload for Certified {}

/// Certificates that are trusted.
#[derive(Debug)]
struct Trusted(Arc<Store>);
impl Payload for Trusted {}

static ROWS: &[TypeRow] = &[
    TypeRow::native("_ssl", "MemoryBIO", &[&BIO]),
    TypeRow::native("_ssl", "_TlsEnd", &[&SESSION]),
    TypeRow::native("_ssl", "_TlsResumable", &[]),
    TypeRow::native("_ssl", "_TlsMemory", &[]),
    TypeRow::native("_ssl", "_TlsKey", &[]),
    TypeRow::native("_ssl", "_TlsTrusted", &[]),
];

/// Makes the module.
pub(super) fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_ssl").held();
    cx.functions_of(module, &FUNCTIONS);
    let class = cx.named_class("MemoryBIO").held();
    let key = cx.intern("MemoryBIO").held();
    let done = module.dict().set_str(&cx.heap, key, class.value());
    cx.fits(done)?;
    Ok(())
}

fn make(cx: &mut Cx, class: &str, payload: Box<dyn Payload>) -> NativeResult {
    let shape = cx.named_class(class).get().root_shape.get();
    let object = cx.heap.alloc_slots(NativeObject::new(payload, 0), |_| Value::NONE);
    object.set_shape(shape);
    Ok(object.value().into())
}

/// Works with the payload of an object.
fn with<T: Payload, R>(cx: &mut Cx, this: Root, work: impl FnOnce(&mut T) -> R) -> Result<R, Raised> {
    let object = this.get(cx).cell_of_kind::<NativeObject>().map(|o| o.held());
    match object.and_then(|o| o.with(work)) {
        Some(result) => Ok(result),
        None => Err(cx.type_error("an object of TLS is required".to_owned())),
    }
}

/// Works with a session and its two buffers.
fn between<R>(
    cx: &mut Cx,
    session: Root,
    input: Root,
    output: Root,
    work: impl FnOnce(&mut Session, &mut Buffer, &mut Buffer) -> R,
) -> Result<R, Raised> {
    let now = cx.host().time();
    // Both buffers may be the same object: they are taken out while they are worked with.
    let mut incoming = with(cx, input, |b: &mut Buffer| std::mem::take(b))?;
    let mut outgoing = match with(cx, output, |b: &mut Buffer| std::mem::take(b)) {
        Ok(buffer) => buffer,
        Err(raised) => {
            with(cx, input, |b: &mut Buffer| *b = incoming)?;
            return Err(raised);
        }
    };
    let result = with(cx, session, |s: &mut Session| {
        s.set_time(now);
        work(s, &mut incoming, &mut outgoing)
    });
    with(cx, output, |b: &mut Buffer| *b = outgoing)?;
    with(cx, input, |b: &mut Buffer| {
        let added = std::mem::replace(b, incoming);
        b.add(added.left());
    })?;
    result
}

/// What an operation came to, for the library: a number, or a tuple that tells what failed.
fn told(cx: &mut Cx, stop: &Stop) -> NativeResult {
    Ok(match stop {
        Stop::WantRead => 2i64.into(),
        Stop::Closed => 6i64.into(),
        Stop::Eof => 8i64.into(),
        Stop::Hello => 20i64.into(),
        Stop::Failed { reason, text } => cx.tuple(&[cx.str(reason).value(), cx.str(text).value()]).into(),
        Stop::Distrusted(fault) => cx.tuple(&[Value::int(fault.code), cx.str(&fault.text).value()]).into(),
    })
}

fn done(cx: &mut Cx, result: Result<(), Stop>) -> NativeResult {
    match result {
        Ok(()) => Ok(0i64.into()),
        Err(stop) => told(cx, &stop),
    }
}

/// A text, if it is one.
fn text_of(cx: &Cx, root: Root) -> Option<String> {
    cx.as_str(root.get(cx)).and_then(|s| s.as_str()).map(str::to_owned)
}

/// The bytes in a list.
fn all_bytes(cx: &mut Cx, list: Root) -> Result<Vec<Vec<u8>>, Raised> {
    let mut all = vec![];
    cx.for_each(list, &mut |cx, item| {
        all.push(bytes_like(cx, item)?.to_vec());
        Ok(())
    })?;
    Ok(all)
}

fn bytes_list(cx: &mut Cx, all: &[Vec<u8>]) -> Outcome {
    let values: Vec<Value<'_>> = all.iter().map(|one| Bytes::new(&cx.heap, one).value()).collect();
    cx.list(&values).into()
}

/// How a connection is to be made, from a tuple: (keys, protocols, trusted, mode, flags, name to check or None, whether common names count, the
/// lowest and highest version, numbers of cipher suites or None, tickets, memory or None, whether the server's order of suites counts).
fn settings(cx: &mut Cx, row: Root, purpose: u8) -> Result<Settings, Raised> {
    let mut items = vec![];
    const PARTS: usize = 13;
    let parts = cx.list_from(row)?;
    let count = cx.length(parts)?;
    if count != PARTS {
        return Err(cx.type_error(format!("settings of {PARTS} parts are needed, not {count}")));
    }
    for index in 0..count {
        let key = cx.push(Value::int(index as i64));
        items.push(cx.item(parts, key)?);
    }
    let mut keys = vec![];
    cx.for_each(items[0], &mut |cx, item| {
        keys.push(with(cx, item, |k: &mut Certified| k.0.clone())?);
        Ok(())
    })?;
    let protocols = all_bytes(cx, items[1])?;
    let store = with(cx, items[2], |s: &mut Trusted| s.0.clone())?;
    let (mode, flags) = (cx.index_as_i64(items[3])?, cx.index_as_i64(items[4])?);
    let common_names = cx.truth(items[6])?;
    let wanted = match text_of(cx, items[5]) {
        None if items[5].get(cx).is_none() => Wanted::Anybody,
        None => return Err(cx.type_error("the name of a host is a str".into())),
        Some(name) => match name.parse::<IpAddr>() {
            Ok(address) => Wanted::Address(address),
            Err(_) => Wanted::Host { name, common_names },
        },
    };
    let (low, high) = (cx.index_as_i64(items[7])?, cx.index_as_i64(items[8])?);
    let mut versions = vec![];
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        if (low..=high).contains(&i64::from(u16::from(version.version))) {
            versions.push(version);
        }
    }
    let mut provider = ring::default_provider();
    if !items[9].get(cx).is_none() {
        let mut chosen = vec![];
        cx.for_each(items[9], &mut |cx, item| {
            chosen.push(cx.index_as_i64(item)?);
            Ok(())
        })?;
        let number = |suite: CipherSuite| i64::from(u16::from(suite));
        let kept = |s: &rustls::SupportedCipherSuite| s.tls13().is_some() || chosen.contains(&number(s.suite()));
        provider.cipher_suites.retain(kept);
        // In the order that was asked for.
        provider.cipher_suites.sort_by_key(|s| chosen.iter().position(|c| *c == number(s.suite())));
    }
    let tickets = cx.index_as_i64(items[10])?.max(0) as usize;
    let memory = match items[11].get(cx).is_none() {
        true => None,
        false => Some(with(cx, items[11], |m: &mut Memory| m.clone())?),
    };
    let provider: Arc<CryptoProvider> = Arc::new(provider);
    let found = Mutex::new((None, vec![]));
    let verifier = Verifier { provider: provider.clone(), store, mode, flags, wanted, purpose, found };
    let own_order = cx.truth(items[12])?;
    Ok(Settings { provider, versions, keys, protocols, verifier: Arc::new(verifier), tickets, memory, own_order })
}

natives!(
    /// TLS between buffers in memory.
    static FUNCTIONS: Functions;

    /// What is in a text of PEM: kinds and contents; None where it is spoilt.
    fn pem(cx: &mut Cx, data: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?.to_vec();
        let mut rows = vec![];
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes) {
            let Ok((kind, content)) = section else { return Ok(Outcome::NONE) };
            let kind = match kind {
                SectionKind::Certificate => "certificate",
                SectionKind::RsaPrivateKey => "rsa",
                SectionKind::PrivateKey => "pkcs8",
                SectionKind::EcPrivateKey => "ec",
                SectionKind::Crl => "crl",
                _ => "other",
            };
            rows.push((kind, content));
        }
        let row = |(kind, content): &(&str, Vec<u8>)| {
            let row = [cx.str(kind).value(), Bytes::new(&cx.heap, content).value()];
            cx.tuple(&row).value()
        };
        let values: Vec<Value<'_>> = rows.iter().map(row).collect();
        Ok(cx.list(&values).into())
    }

    /// Certificates to be trusted.
    fn trusted(cx: &mut Cx, certificates: Root) -> NativeResult {
        let all = all_bytes(cx, certificates)?;
        make(cx, "_TlsTrusted", Box::new(Trusted(Arc::new(Store::new(all)))))
    }

    /// Whether some bytes are a certificate: 0 no, 1 yes, 2 that of an authority.
    fn kind_of(cx: &mut Cx, certificate: Root) -> NativeResult {
        let bytes = bytes_like(cx, certificate)?;
        let kind = match certificate::Certificate::read(&bytes) {
            None => 0i64,
            Some(read) => {
                let authority = read.basic().map_or(read.version == 1 && read.is_self_issued(), |(ca, _)| ca);
                if authority { 2 } else { 1 }
            }
        };
        Ok(kind.into())
    }

    /// A private key with certificates, its own first; or what is wrong with it.
    fn certified(cx: &mut Cx, certificates: Root, kind: Root, key: Root) -> NativeResult {
        let kind = text_of(cx, kind).unwrap_or_default();
        let chain: Vec<CertificateDer<'static>> = all_bytes(cx, certificates)?.into_iter().map(Into::into).collect();
        let bytes = bytes_like(cx, key)?.to_vec();
        let key = match kind.as_str() {
            "rsa" => PrivateKeyDer::Pkcs1(bytes.into()),
            "ec" => PrivateKeyDer::Sec1(bytes.into()),
            _ => PrivateKeyDer::Pkcs8(bytes.into()),
        };
        let leaf = chain.first().and_then(|der| certificate::Certificate::read(der));
        let Some(leaf) = leaf else { return Ok(cx.str("unsupported").into()) };
        if leaf.has_short_key() {
            return Ok(cx.str("short").into());
        }
        if leaf.has_weak_hash() && !leaf.is_self_issued() {
            return Ok(cx.str("weak").into());
        }
        let Ok(key) = ring::sign::any_supported_type(&key) else { return Ok(cx.str("unsupported").into()) };
        if let Some(info) = key.public_key()
            && info.as_ref() != leaf.key_info
        {
            let of = certificate::algorithm_of(&info);
            return Ok(cx.str(if of == Some(leaf.key_algorithm) { "mismatch" } else { "other" }).into());
        }
        make(cx, "_TlsKey", Box::new(Certified(Arc::new(CertifiedKey::new(chain, key)))))
    }

    /// What a server remembers from one connection to the next.
    fn memory(cx: &mut Cx) -> NativeResult {
        let Ok(ticketer) = ring::Ticketer::new() else {
            return Err(cx.runtime_error("the system has no random numbers"));
        };
        make(cx, "_TlsMemory", Box::new(Memory { ticketer, sessions: ServerSessionMemoryCache::new(256) }))
    }

    /// The end of a client; `resume` is what another one left.
    fn client(cx: &mut Cx, row: Root, name: Root, resume: Option<Root>) -> NativeResult {
        let name = text_of(cx, name);
        let sends_name = name.as_ref().is_some_and(|n| n.parse::<IpAddr>().is_err());
        let name = match name {
            Some(name) => match ServerName::try_from(name) {
                Ok(name) => name,
                // Not the name of a host: it is not sent, and no certificate is for it.
                Err(_) => return Ok(cx.str("name").into()),
            },
            None => ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()),
        };
        let resume = match resume {
            Some(root) => Some(with(cx, root, |r: &mut Resumable| r.clone())?),
            None => None,
        };
        let now = cx.host().time();
        let settings = settings(cx, row, 1)?;
        if let Some(resumable) = &resume {
            resumable.clock.0.store(now.max(0.0) as u64, std::sync::atomic::Ordering::Relaxed);
        }
        if settings.versions.is_empty() {
            return Ok(cx.str("versions").into());
        }
        match Session::client(settings, name, sends_name, resume) {
            Ok(session) => {
                session.set_time(now);
                cx.heap.account(1 << 15);
                make(cx, "_TlsEnd", Box::new(session))
            }
            Err(error) => {
                let text = error.to_string();
                Err(cx.value_error(text))
            }
        }
    }

    /// The end of a server.
    fn server(cx: &mut Cx) -> NativeResult {
        cx.heap.account(1 << 15);
        make(cx, "_TlsEnd", Box::new(Session::server()))
    }

    /// The cipher suites there are: number, name, version, bits.
    fn suites(cx: &mut Cx) -> NativeResult {
        let mut values = vec![];
        for suite in &ring::default_provider().cipher_suites {
            if let Some((name, version, bits)) = suite_names(suite.suite()) {
                let number = Value::int(i64::from(u16::from(suite.suite())));
                let row = [number, cx.str(name).value(), cx.str(version).value(), Value::int(bits)];
                values.push(cx.tuple(&row).value());
            }
        }
        Ok(cx.list(&values).into())
    }
);

natives!(
    /// Bytes in memory, as one end of a connection.
    static BIO: Methods;

    /// Make an empty one.
    #[fixed]
    #[name("__new__")]
    fn memory_bio(cx: &mut Cx, class: Root) -> NativeResult {
        make(cx, "MemoryBIO", Box::new(Buffer::default()))
    }

    /// Read up to size bytes from the memory BIO.
    fn read(cx: &mut Cx, this: Root, #[default(-1)] size: i64) -> NativeResult {
        let data = with(cx, this, |b: &mut Buffer| {
            let left = b.left();
            let count = if size < 0 { left.len() } else { left.len().min(size as usize) };
            let data = left[..count].to_vec();
            b.skip(count);
            data
        })?;
        Ok(Bytes::new(&cx.heap, &data).into())
    }

    /// Drop bytes that were peeked at.
    fn _skip(cx: &mut Cx, this: Root, count: i64) -> NativeResult {
        with(cx, this, |b: &mut Buffer| b.skip((count.max(0) as usize).min(b.left().len())))?;
        Ok(Outcome::NONE)
    }

    /// The bytes in it, which stay there.
    fn _peek(cx: &mut Cx, this: Root) -> NativeResult {
        let data = with(cx, this, |b: &mut Buffer| b.left().to_vec())?;
        Ok(Bytes::new(&cx.heap, &data).into())
    }

    /// Write bytes to the memory BIO; the number of bytes written.
    fn write(cx: &mut Cx, this: Root, b: Root) -> NativeResult {
        let bytes = bytes_like(cx, b)?;
        let count = bytes.len() as i64;
        cx.check_room(bytes.len())?;
        let ended = with(cx, this, |b: &mut Buffer| {
            if !b.eof {
                b.add(&bytes);
            }
            b.eof
        })?;
        if ended {
            let errors = cx.import("_ssl_errors")?;
            let class = cx.attribute(errors, "SSLError")?;
            let text = cx.str("cannot write() after write_eof()").value().raw();
            let text = cx.push_raw(text);
            let exception = cx.call(class, &[text])?;
            return Err(cx.raise(exception));
        }
        Ok(count.into())
    }

    /// Write an EOF marker to the memory BIO.
    fn write_eof(cx: &mut Cx, this: Root) -> NativeResult {
        with(cx, this, |b: &mut Buffer| b.eof = true)?;
        Ok(Outcome::NONE)
    }

    /// The number of bytes pending.
    #[getter]
    fn pending(cx: &mut Cx, this: Root) -> NativeResult {
        let count = with(cx, this, |b: &mut Buffer| b.left().len() as i64)?;
        Ok(count.into())
    }

    /// Whether the memory BIO is at EOF.
    #[getter]
    fn eof(cx: &mut Cx, this: Root) -> NativeResult {
        let eof = with(cx, this, |b: &mut Buffer| b.eof && b.left().is_empty())?;
        Ok(eof.into())
    }
);

natives!(
    /// One end of a connection.
    static SESSION: Methods;

    /// Go on with the handshake.
    fn handshake(cx: &mut Cx, this: Root, input: Root, output: Root) -> NativeResult {
        let result = between(cx, this, input, output, |s, i, o| s.handshake(i, o))?;
        done(cx, result)
    }

    /// What a client's hello said: the name it wants, and the numbers of its cipher suites.
    fn hello(cx: &mut Cx, this: Root) -> NativeResult {
        let (name, suites) = with(cx, this, |s: &mut Session| (s.hello_name.clone(), s.hello_suites.clone()))?;
        let name = name.map(|n| cx.str(&n).value().raw());
        let suites: Vec<Value<'_>> = suites.iter().map(|s| Value::int(i64::from(*s))).collect();
        let row = [name.map_or(Value::NONE, Value::adopt), cx.list(&suites).value()];
        Ok(cx.tuple(&row).into())
    }

    /// Answer a client's hello.
    fn answer(cx: &mut Cx, this: Root, row: Root, output: Root) -> NativeResult {
        let settings = settings(cx, row, 2)?;
        let now = cx.host().time();
        let mut out = with(cx, output, |b: &mut Buffer| std::mem::take(b))?;
        let result = with(cx, this, |s: &mut Session| {
            s.set_time(now);
            s.answer(settings, &mut out)
        });
        with(cx, output, |b: &mut Buffer| *b = out)?;
        done(cx, result?)
    }

    /// End the connection with an alert.
    fn refuse(cx: &mut Cx, this: Root, alert: i64, output: Root) -> NativeResult {
        let mut out = with(cx, output, |b: &mut Buffer| std::mem::take(b))?;
        let result = with(cx, this, |s: &mut Session| s.alert(AlertDescription::from(alert as u8), &mut out));
        with(cx, output, |b: &mut Buffer| *b = out)?;
        result?;
        Ok(Outcome::NONE)
    }

    /// Read at most so many bytes.
    fn read(cx: &mut Cx, this: Root, size: i64, input: Root, output: Root) -> NativeResult {
        let result = between(cx, this, input, output, |s, i, o| s.read(size.max(0) as usize, i, o))?;
        match result {
            Ok(data) => Ok(Bytes::new(&cx.heap, &data).into()),
            Err(stop) => told(cx, &stop),
        }
    }

    /// Encrypt bytes.
    fn write(cx: &mut Cx, this: Root, data: Root, input: Root, output: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        cx.check_room(bytes.len())?;
        let result = between(cx, this, input, output, |s, i, o| s.write(&bytes, i, o))?;
        done(cx, result)
    }

    /// End both directions.
    fn shutdown(cx: &mut Cx, this: Root, input: Root, output: Root) -> NativeResult {
        let result = between(cx, this, input, output, |s, i, o| s.shutdown(i, o))?;
        done(cx, result)
    }

    /// Bytes that can be read at once.
    fn pending(cx: &mut Cx, this: Root) -> NativeResult {
        let count = with(cx, this, |s: &mut Session| s.pending() as i64)?;
        Ok(count.into())
    }

    /// What is known after the handshake, or None before: (version, cipher suite, protocol, resumed).
    fn known(cx: &mut Cx, this: Root) -> NativeResult {
        let known = with(cx, this, |s: &mut Session| {
            let connection = s.connection().filter(|_| s.is_ready())?;
            let suite = connection.negotiated_cipher_suite().and_then(|suite| suite_names(suite.suite()));
            let protocol = connection.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
            Some((connection.protocol_version(), suite, protocol, s.is_resumed()))
        })?;
        let Some((version, suite, protocol, resumed)) = known else { return Ok(Outcome::NONE) };
        let version = match version {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let suite = suite.map_or(Value::NONE, |(name, of, bits)| {
            let row = [cx.str(name).value(), cx.str(of).value(), Value::int(bits)];
            cx.tuple(&row).value()
        });
        let protocol = protocol.map_or(Value::NONE, |p| cx.str(&p).value());
        let resumed = if resumed { Value::TRUE } else { Value::FALSE };
        Ok(cx.tuple(&[cx.str(version).value(), suite, protocol, resumed]).into())
    }

    /// The certificates that the other end sent.
    fn peer_chain(cx: &mut Cx, this: Root) -> NativeResult {
        let chain = with(cx, this, |s: &mut Session| {
            let chain = s.connection().and_then(|c| c.peer_certificates());
            chain.map_or(vec![], |all| all.iter().map(|c| c.to_vec()).collect())
        })?;
        Ok(bytes_list(cx, &chain))
    }

    /// The chain that the certificate of the other end is trusted by.
    fn verified_chain(cx: &mut Cx, this: Root) -> NativeResult {
        let chain = with(cx, this, |s: &mut Session| s.verified())?;
        Ok(bytes_list(cx, &chain))
    }

    /// What another connection can resume, or None, and whether it has tickets.
    fn resumable(cx: &mut Cx, this: Root) -> NativeResult {
        let found = with(cx, this, |s: &mut Session| s.resumable.clone())?;
        match found {
            None => Ok(Outcome::NONE),
            Some(resumable) => {
                let has = if resumable.tickets.is_empty() { Value::FALSE } else { Value::TRUE };
                let has = has.raw();
                let Outcome::Value(made) = make(cx, "_TlsResumable", Box::new(resumable))? else {
                    return Ok(Outcome::NONE);
                };
                Ok(cx.tuple(&[Value::adopt(made), Value::adopt(has)]).into())
            }
        }
    }

    /// Whether each side has said that it sends no more: (received, sent).
    fn closed(cx: &mut Cx, this: Root) -> NativeResult {
        let (received, sent) = with(cx, this, |s: &mut Session| (s.received_close, s.sent_close))?;
        Ok(Value::int(i64::from(received) + 2 * i64::from(sent)).into())
    }
);
