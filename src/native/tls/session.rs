//! One end of a TLS connection: bytes of the network in and out of buffers, bytes of the program on the other side. Records are handed on one at
//! a time, so that a read gives what one write was.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{Accepted, Acceptor, ClientHello, ProducesTickets, ResolvesServerCert, StoresServerSessions};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CipherSuite, ClientConfig, ClientConnection, Connection, Error, HandshakeKind, InvalidMessage,
    NamedGroup, PeerIncompatible, ProtocolVersion, ServerConfig, SupportedProtocolVersion,
};

use super::verify::{Fault, Verifier};

/// Bytes on their way, and whether more will come.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    pub(super) eof: bool,
}

impl Buffer {
    pub(super) fn left(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > 1 << 16 && 2 * self.start > self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

/// What an operation came to, other than done.
#[derive(Debug)]
pub(super) enum Stop {
    /// More must come from the other end.
    WantRead,
    /// The other end said that it sends no more.
    Closed,
    /// The connection ended without that.
    Eof,
    /// A client said hello: what it is to be answered with is to be chosen.
    Hello,
    /// It failed: OpenSSL's name of the reason, and its text.
    Failed { reason: String, text: String },
    /// A certificate is not trusted.
    Distrusted(Fault),
}

fn failed<T>(reason: &str) -> Result<T, Stop> {
    Err(Stop::Failed { reason: reason.to_owned(), text: reason.to_lowercase().replace('_', " ") })
}

/// The time that certificates and tickets are looked at with: the host's.
#[derive(Debug, Default)]
pub(super) struct Clock(pub(super) AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

/// What a client may resume: of one session, for whoever is given it.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<(Option<Tls12ClientSessionValue>, Vec<Tls13ClientSessionValue>)>);

impl Tickets {
    fn with<R>(
        &self,
        work: impl FnOnce(&mut (Option<Tls12ClientSessionValue>, Vec<Tls13ClientSessionValue>)) -> R,
    ) -> R {
        work(&mut self.0.lock().expect("nothing panics while it is locked"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.with(|(old, new)| old.is_none() && new.is_empty())
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.with(|(old, _)| *old = Some(value));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with(|(old, _)| old.clone())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.with(|(old, _)| *old = None);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.with(|(_, new)| {
            if new.len() < 8 {
                new.push(value);
            }
        });
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(|(_, new)| new.pop())
    }
}

/// The certificates that a server has; the first that suits a client is used.
#[derive(Debug)]
struct Chooser(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let suits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        self.0.iter().find(suits).or(self.0.first()).cloned()
    }
}

/// What a server remembers from one connection to the next.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) ticketer: Arc<dyn ProducesTickets>,
    pub(super) sessions: Arc<dyn StoresServerSessions>,
}

/// How a connection is to be made.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    pub(super) keys: Vec<Arc<CertifiedKey>>,
    pub(super) protocols: Vec<Vec<u8>>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) tickets: usize,
    pub(super) memory: Option<Memory>,
    /// Whether a server takes the first suite of its own list, not of the client's.
    pub(super) own_order: bool,
}

/// A client's session that another connection can go on with.
#[derive(Clone, Debug)]
pub(super) struct Resumable {
    pub(super) config: Arc<ClientConfig>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) clock: Arc<Clock>,
}

enum State {
    Waiting(Box<Acceptor>),
    Greeted(Box<Accepted>),
    Live(Box<Connection>),
    Broken,
}

/// One end of a connection.
pub(super) struct Session {
    state: State,
    clock: Arc<Clock>,
    verifier: Option<Arc<Verifier>>,
    pub(super) resumable: Option<Resumable>,
    plain: Buffer,
    began: bool,
    pub(super) received_close: bool,
    pub(super) sent_close: bool,
    /// What a client's hello asked for.
    pub(super) hello_name: Option<String>,
    hello_protocols: Vec<Vec<u8>>,
    pub(super) hello_suites: Vec<u16>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Session")
    }
}

impl Session {
    fn new(state: State, clock: Arc<Clock>) -> Session {
        Session {
            state,
            clock,
            verifier: None,
            resumable: None,
            plain: Buffer::default(),
            began: false,
            received_close: false,
            sent_close: false,
            hello_name: None,
            hello_protocols: vec![],
            hello_suites: vec![],
        }
    }

    /// The end of a server, which waits for a client's hello.
    pub(super) fn server() -> Session {
        Session::new(State::Waiting(Box::default()), Arc::new(Clock::default()))
    }

    /// The end of a client.
    pub(super) fn client(
        settings: Settings,
        name: ServerName<'static>,
        sends_name: bool,
        resume: Option<Resumable>,
    ) -> Result<Session, Error> {
        let resumable = match resume {
            Some(resumable) => resumable,
            None => {
                let clock = Arc::new(Clock::default());
                let tickets = Arc::new(Tickets::default());
                let builder = ClientConfig::builder_with_details(settings.provider, clock.clone())
                    .with_protocol_versions(&settings.versions)?
                    .dangerous()
                    .with_custom_certificate_verifier(settings.verifier.clone());
                let mut config = match settings.keys.first() {
                    Some(key) => {
                        builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key.clone())))
                    }
                    None => builder.with_no_client_auth(),
                };
                config.alpn_protocols = settings.protocols;
                config.enable_sni = sends_name;
                config.resumption = Resumption::store(tickets.clone());
                Resumable { config: Arc::new(config), verifier: settings.verifier, tickets, clock }
            }
        };
        let mut connection = ClientConnection::new(resumable.config.clone(), name)?;
        connection.set_buffer_limit(None);
        let mut session = Session::new(State::Live(Box::new(connection.into())), resumable.clock.clone());
        session.verifier = Some(resumable.verifier.clone());
        session.resumable = Some(resumable);
        Ok(session)
    }

    /// Answers a client's hello.
    pub(super) fn answer(&mut self, settings: Settings, out: &mut Buffer) -> Result<(), Stop> {
        let State::Greeted(accepted) = std::mem::replace(&mut self.state, State::Broken) else {
            return failed("INTERNAL_ERROR");
        };
        if settings.keys.is_empty() {
            self.alert(AlertDescription::HandshakeFailure, out);
            return failed("NO_SHARED_CIPHER");
        }
        let made = ServerConfig::builder_with_details(settings.provider, self.clock.clone())
            .with_protocol_versions(&settings.versions);
        let builder = made.map_err(|error| self.stop(&error))?;
        let mut config = builder
            .with_client_cert_verifier(settings.verifier.clone())
            .with_cert_resolver(Arc::new(Chooser(settings.keys)));
        // Where nothing is common to both, there is no protocol; that is no fault.
        let common = |p: &&Vec<u8>| self.hello_protocols.contains(p);
        config.alpn_protocols = settings.protocols.iter().filter(common).cloned().collect();
        config.send_tls13_tickets = settings.tickets;
        config.ignore_client_order = settings.own_order;
        match settings.memory {
            Some(memory) => {
                config.ticketer = memory.ticketer;
                config.session_storage = memory.sessions;
            }
            None => config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {}),
        }
        self.verifier = Some(settings.verifier);
        match accepted.into_connection(Arc::new(config)) {
            Ok(mut connection) => {
                connection.set_buffer_limit(None);
                self.state = State::Live(Box::new(connection.into()));
                self.flush(out);
                Ok(())
            }
            Err((error, mut alert)) => {
                let _ = alert.write_all(&mut out.bytes);
                Err(self.stop(&error))
            }
        }
    }

    /// Sends an alert that ends the connection; nothing is encrypted yet.
    pub(super) fn alert(&mut self, description: AlertDescription, out: &mut Buffer) {
        out.add(&[21, 3, 3, 0, 2, 2, description.into()]);
        self.state = State::Broken;
    }

    pub(super) fn set_time(&self, seconds: f64) {
        self.clock.0.store(seconds.max(0.0) as u64, Ordering::Relaxed);
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.state {
            State::Live(connection) => Some(connection),
            State::Waiting(_) | State::Greeted(_) | State::Broken => None,
        }
    }

    /// Whether the handshake is done.
    pub(super) fn is_ready(&self) -> bool {
        self.connection().is_some_and(|c| !c.is_handshaking())
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.connection().is_some_and(|c| c.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Certificates from the other end's to one that is trusted.
    pub(super) fn verified(&self) -> Vec<Vec<u8>> {
        let found =
            self.verifier.as_ref().map(|v| v.found.lock().expect("nothing panics while it is locked").1.clone());
        found.unwrap_or_default()
    }

    fn flush(&mut self, out: &mut Buffer) {
        if let State::Live(connection) = &mut self.state {
            while connection.wants_write() {
                if connection.write_tls(&mut out.bytes).is_err() {
                    break;
                }
            }
        }
    }

    /// Takes one record in.
    fn step(&mut self, input: &mut Buffer, out: &mut Buffer) -> Result<(), Stop> {
        let left = input.left();
        let ended = if input.eof { Stop::Eof } else { Stop::WantRead };
        if !self.began && left.len() >= 3 && matches!(self.state, State::Waiting(_)) {
            for (start, reason) in [
                (&b"GET "[..], "HTTP_REQUEST"),
                (b"POST ", "HTTP_REQUEST"),
                (b"HEAD ", "HTTP_REQUEST"),
                (b"PUT ", "HTTP_REQUEST"),
                (b"CONNE", "HTTPS_PROXY_REQUEST"),
            ] {
                if left.starts_with(start) {
                    self.state = State::Broken;
                    return failed(reason);
                }
            }
        }
        let Some(&[kind, major, _, high, low]) = left.first_chunk::<5>() else { return Err(ended) };
        if !(20..=24).contains(&kind) || major != 3 {
            self.state = State::Broken;
            return failed("WRONG_VERSION_NUMBER");
        }
        let size = 5 + (usize::from(high) << 8 | usize::from(low));
        let Some(mut record) = left.get(..size) else { return Err(ended) };
        self.began = true;
        let result = match &mut self.state {
            State::Broken | State::Greeted(_) => return failed("PROTOCOL_IS_SHUTDOWN"),
            State::Waiting(acceptor) => {
                let mut result = Ok(());
                while !record.is_empty() {
                    if let Err(error) = acceptor.read_tls(&mut record) {
                        result = Err(Error::General(error.to_string()));
                        break;
                    }
                }
                match result.map(|()| acceptor.accept()) {
                    Err(error) => Err(error),
                    Ok(Ok(None)) => Ok(()),
                    Ok(Ok(Some(accepted))) => {
                        let hello = accepted.client_hello();
                        self.hello_name = hello.server_name().map(str::to_owned);
                        self.hello_protocols = hello.alpn().map_or(vec![], |all| all.map(<[u8]>::to_vec).collect());
                        self.hello_suites = hello.cipher_suites().iter().map(|s| u16::from(*s)).collect();
                        self.state = State::Greeted(Box::new(accepted));
                        input.skip(size);
                        return Err(Stop::Hello);
                    }
                    Ok(Err((error, mut alert))) => {
                        let _ = alert.write_all(&mut out.bytes);
                        Err(error)
                    }
                }
            }
            State::Live(connection) => {
                let mut result = Ok(());
                while result.is_ok() && !record.is_empty() {
                    if let Err(error) = connection.read_tls(&mut record) {
                        result = Err(Error::General(error.to_string()));
                        break;
                    }
                    match connection.process_new_packets() {
                        Ok(state) => {
                            let count = state.plaintext_bytes_to_read();
                            if count > 0 {
                                let start = self.plain.bytes.len();
                                self.plain.bytes.resize(start + count, 0);
                                let read = connection.reader().read_exact(&mut self.plain.bytes[start..]);
                                read.expect("as much as there is");
                            }
                            self.received_close |= state.peer_has_closed();
                        }
                        Err(error) => result = Err(error),
                    }
                }
                result
            }
        };
        input.skip(size);
        self.flush(out);
        // That alert came with TLS 1.3; before, OpenSSL says that the handshake failed.
        if matches!(result, Err(Error::NoCertificatesPresented))
            && self.connection().is_some_and(|c| c.protocol_version() == Some(ProtocolVersion::TLSv1_2))
            && out.bytes.ends_with(&[21, 3, 3, 0, 2, 2, AlertDescription::CertificateRequired.into()])
            && let Some(last) = out.bytes.last_mut()
        {
            *last = AlertDescription::HandshakeFailure.into();
        }
        result.map_err(|error| {
            let stop = self.stop(&error);
            self.state = State::Broken;
            stop
        })
    }

    /// What an error of rustls is to scripts.
    fn stop(&self, error: &Error) -> Stop {
        if let Some(verifier) = &self.verifier
            && let Some(fault) = verifier.found.lock().expect("nothing panics while it is locked").0.take()
        {
            return Stop::Distrusted(fault);
        }
        let reason = match error {
            Error::AlertReceived(alert) => {
                let (name, text) = alert_names(*alert);
                return Stop::Failed { reason: name, text };
            }
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => "NO_SHARED_CIPHER",
            Error::PeerIncompatible(
                PeerIncompatible::NoKxGroupsInCommon
                | PeerIncompatible::NamedGroupsExtensionRequired
                | PeerIncompatible::KeyShareExtensionRequired,
            ) => "NO_SUITABLE_KEY_SHARE",
            Error::PeerIncompatible(
                PeerIncompatible::NoSignatureSchemesInCommon
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
            ) => "NO_SUITABLE_SIGNATURE_ALGORITHM",
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => "UNSUPPORTED_PROTOCOL",
            Error::NoCertificatesPresented => "PEER_DID_NOT_RETURN_A_CERTIFICATE",
            Error::DecryptError => "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
            Error::PeerSentOversizedRecord => "DATA_LENGTH_TOO_LONG",
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                "WRONG_VERSION_NUMBER"
            }
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => "UNEXPECTED_MESSAGE",
            Error::InvalidCertificate(rustls::CertificateError::BadSignature) => "BAD_SIGNATURE",
            other => return Stop::Failed { reason: "INTERNAL_ERROR".into(), text: other.to_string() },
        };
        Stop::Failed { reason: reason.to_owned(), text: reason.to_lowercase().replace('_', " ") }
    }

    /// Goes on with the handshake until it is done.
    pub(super) fn handshake(&mut self, input: &mut Buffer, out: &mut Buffer) -> Result<(), Stop> {
        loop {
            self.flush(out);
            match &self.state {
                State::Broken => return failed("PROTOCOL_IS_SHUTDOWN"),
                State::Greeted(_) => return Err(Stop::Hello),
                State::Live(connection) if !connection.is_handshaking() => return Ok(()),
                State::Live(_) | State::Waiting(_) => self.step(input, out)?,
            }
        }
    }

    /// Reads at most so many bytes, of one record.
    pub(super) fn read(&mut self, count: usize, input: &mut Buffer, out: &mut Buffer) -> Result<Vec<u8>, Stop> {
        while self.plain.left().is_empty() {
            if self.received_close {
                return Err(Stop::Closed);
            }
            self.handshake(input, out)?;
            if self.plain.left().is_empty() {
                self.step(input, out)?;
            }
        }
        let left = self.plain.left();
        let data = left[..count.min(left.len())].to_vec();
        self.plain.skip(data.len());
        Ok(data)
    }

    /// Encrypts bytes to be sent.
    pub(super) fn write(&mut self, data: &[u8], input: &mut Buffer, out: &mut Buffer) -> Result<(), Stop> {
        self.handshake(input, out)?;
        if self.sent_close {
            return failed("PROTOCOL_IS_SHUTDOWN");
        }
        for piece in data.chunks(1 << 14) {
            if let State::Live(connection) = &mut self.state {
                connection.writer().write_all(piece).expect("there is no limit");
            }
            self.flush(out);
        }
        Ok(())
    }

    /// Says that no more is sent, and waits for the other end to say so.
    pub(super) fn shutdown(&mut self, input: &mut Buffer, out: &mut Buffer) -> Result<(), Stop> {
        if !self.sent_close {
            self.sent_close = true;
            if let State::Live(connection) = &mut self.state {
                connection.send_close_notify();
            }
            self.flush(out);
            if matches!(self.state, State::Broken) {
                return failed("PROTOCOL_IS_SHUTDOWN");
            }
        }
        while !self.received_close {
            if !self.plain.left().is_empty() {
                return failed("APPLICATION_DATA_AFTER_CLOSE_NOTIFY");
            }
            self.step(input, out)?;
        }
        Ok(())
    }

    /// Bytes that can be read at once.
    pub(super) fn pending(&self) -> usize {
        self.plain.left().len()
    }
}

/// OpenSSL's name and text for an alert.
fn alert_names(alert: AlertDescription) -> (String, String) {
    let (old, name) = match u8::from(alert) {
        10 => (true, "unexpected message"),
        20 => (true, "bad record mac"),
        21 => (false, "decryption failed"),
        22 => (false, "record overflow"),
        30 => (true, "decompression failure"),
        40 => (true, "handshake failure"),
        41 => (true, "no certificate"),
        42 => (true, "bad certificate"),
        43 => (true, "unsupported certificate"),
        44 => (true, "certificate revoked"),
        45 => (true, "certificate expired"),
        46 => (true, "certificate unknown"),
        47 => (true, "illegal parameter"),
        48 => (false, "unknown ca"),
        49 => (false, "access denied"),
        50 => (false, "decode error"),
        51 => (false, "decrypt error"),
        70 => (false, "protocol version"),
        71 => (false, "insufficient security"),
        80 => (false, "internal error"),
        86 => (false, "inappropriate fallback"),
        90 => (false, "user cancelled"),
        100 => (false, "no renegotiation"),
        110 => return ("TLSV1_UNSUPPORTED_EXTENSION".into(), "tlsv1 unsupported extension".into()),
        112 => return ("TLSV1_UNRECOGNIZED_NAME".into(), "tlsv1 unrecognized name".into()),
        116 => {
            let text = "tlsv13 alert certificate required";
            return ("TLSV13_ALERT_CERTIFICATE_REQUIRED".into(), text.into());
        }
        120 => return ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL".into(), "tlsv1 alert no application protocol".into()),
        _ => (false, "unknown alert"),
    };
    let text = format!("{} alert {name}", if old { "sslv3" } else { "tlsv1" });
    (text.to_uppercase().replace(' ', "_"), text)
}

/// OpenSSL's name of a cipher suite, the version it is said to be of, and the bits of its key.
pub(super) fn suite_names(suite: CipherSuite) -> Option<(&'static str, &'static str, i64)> {
    Some(match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256),
        CipherSuite::TLS13_AES_128_GCM_SHA256 => ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => ("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", 256),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => ("ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", 256),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", 256),
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => ("ECDHE-RSA-CHACHA20-POLY1305", "TLSv1.2", 256),
        _ => return None,
    })
}
