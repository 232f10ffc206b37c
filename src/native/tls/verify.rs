//! Whether a certificate is to be trusted: the chain to one that is, and what each of its links says. Asked in the order in which OpenSSL
//! asks, so that the first fault found is the one it would name, by the same number and text.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};

use super::certificate::{Certificate, id};
use super::der::{Reader, SEQUENCE, elements};

/// A fault by OpenSSL's number, and what it says of it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) code: i64,
    pub(super) text: String,
}

fn fault<T>(code: i64) -> Result<T, Fault> {
    let text = match code {
        1 => "unspecified certificate verification error",
        2 => "unable to get issuer certificate",
        3 => "unable to get certificate CRL",
        7 => "certificate signature failure",
        9 => "certificate is not yet valid",
        10 => "certificate has expired",
        18 => "self-signed certificate",
        19 => "self-signed certificate in certificate chain",
        20 => "unable to get local issuer certificate",
        22 => "certificate chain too long",
        25 => "path length constraint exceeded",
        26 => "unsuitable certificate purpose",
        32 => "key usage does not include certificate signing",
        34 => "unhandled critical extension",
        47 => "permitted subtree violation",
        48 => "excluded subtree violation",
        51 => "unsupported name constraint type",
        66 => "EE certificate key too weak",
        67 => "CA certificate key too weak",
        68 => "CA signature digest algorithm too weak",
        79 => "invalid CA certificate",
        80 => "Path length invalid for non-CA cert",
        81 => "Path length given without key usage keyCertSign",
        82 => "Key usage keyCertSign invalid for non-CA cert",
        85 => "Missing Authority Key Identifier",
        86 => "Missing Subject Key Identifier",
        89 => "Basic Constraints of CA cert not marked critical",
        92 => "CA cert does not include key usage extension",
        93 => "Using cert extension requires at least X509v3",
        _ => "certificate rejected",
    };
    Err(Fault { code, text: text.to_owned() })
}

/// Certificates that are trusted, found by whom they are for: a handshake reads only those that its chain may need.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    certificates: Vec<Arc<[u8]>>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
}

impl Store {
    /// A store of these; what can't be read is of no use.
    pub(super) fn new(certificates: Vec<Vec<u8>>) -> Store {
        let mut store = Store::default();
        for der in certificates {
            if let Some(certificate) = Certificate::read(&der) {
                let subject = certificate.subject.to_vec();
                store.by_subject.entry(subject).or_default().push(store.certificates.len());
                store.certificates.push(Arc::from(der));
            }
        }
        store
    }

    /// Those that a chain from these certificates may go through, in the order of the store.
    fn relevant<'a>(&'a self, chain: &[&Certificate<'_>]) -> Vec<Certificate<'a>> {
        let mut names: Vec<Vec<u8>> = chain.iter().flat_map(|c| [c.subject, c.issuer]).map(<[u8]>::to_vec).collect();
        let mut found = BTreeMap::new();
        while let Some(name) = names.pop() {
            for at in self.by_subject.get(&name).into_iter().flatten() {
                if !found.contains_key(at)
                    && let Some(certificate) = Certificate::read(&self.certificates[*at])
                {
                    names.push(certificate.issuer.to_vec());
                    found.insert(*at, certificate);
                }
            }
        }
        found.into_values().collect()
    }
}

pub(super) const STRICT: i64 = 0x20;
pub(super) const PARTIAL: i64 = 0x80000;
/// The flags that ask for lists of revoked certificates.
const REVOCATION: i64 = 0x4 | 0x8;

/// Whom a certificate is to belong to.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Anybody,
    Host { name: String, common_names: bool },
    Address(IpAddr),
}

/// What certificates of the other end are checked with.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) store: Arc<Store>,
    /// 0: not checked, 1: it may be missing, 2: it is needed.
    pub(super) mode: i64,
    pub(super) flags: i64,
    pub(super) wanted: Wanted,
    /// 1: of servers, 2: of clients.
    pub(super) purpose: u8,
    /// The fault that was found; the chain that was.
    pub(super) found: Mutex<(Option<Fault>, Vec<Vec<u8>>)>,
}

/// Certificates in a chain, at most.
const LONGEST: usize = 101;

impl Verifier {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// Whether the other end has the key of its certificate, which may be of any version.
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &[u8],
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let read = Certificate::read(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        verify_tls13_signature_with_raw_key(message, &read.key_info.into(), signed, self.algorithms())
    }

    /// The same in TLS 1.2.
    fn check_old_signature(
        &self,
        message: &[u8],
        certificate: &[u8],
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let read = Certificate::read(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let schemes = self.algorithms().mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let fits = schemes
            .flat_map(|(_, algorithms)| algorithms.iter())
            .filter(|a| a.public_key_alg_id().as_ref() == read.key_algorithm)
            .any(|a| a.verify_signature(read.key, message, signed.signature()).is_ok());
        match fits {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
        }
    }

    /// Checks, and remembers what was found.
    fn check(&self, leaf: &[u8], others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        if self.mode == 0 {
            return Ok(());
        }
        let result = self.chain_of(leaf, others, now.as_secs() as i64);
        let mut found = self.found.lock().expect("nothing panics while it is locked");
        match result {
            Ok(chain) => {
                found.1 = chain;
                Ok(())
            }
            Err(fault) => {
                // The alert that the other end gets depends on it.
                let error = match fault.code {
                    10 => CertificateError::Expired,
                    2 | 3 | 18..=20 | 22 | 25 | 79 => CertificateError::UnknownIssuer,
                    9 | 62 | 64 | 66..=68 => CertificateError::NotValidForName,
                    26 => CertificateError::InvalidPurpose,
                    7 => CertificateError::BadSignature,
                    _ => CertificateError::Other(OtherError(Arc::new(std::fmt::Error))),
                };
                found.0 = Some(fault);
                Err(Error::InvalidCertificate(error))
            }
        }
    }

    fn chain_of(&self, leaf: &[u8], others: &[CertificateDer<'_>], now: i64) -> Result<Vec<Vec<u8>>, Fault> {
        let Some(leaf) = Certificate::read(leaf) else { return fault(1) };
        let others: Vec<Certificate<'_>> = others.iter().filter_map(|der| Certificate::read(der)).collect();
        let presented: Vec<&Certificate<'_>> = std::iter::once(&leaf).chain(&others).collect();
        let trusted = self.store.relevant(&presented);
        let chain = self.build(&leaf, &trusted, &others, now)?;
        self.check_extensions(&chain)?;
        for (index, certificate) in chain.iter().enumerate() {
            if certificate.has_short_key() {
                return fault(if index == 0 { 66 } else { 67 });
            }
            // What the last one says of itself is not asked.
            if index + 1 < chain.len() && certificate.has_weak_hash() {
                return fault(68);
            }
        }
        self.check_name(chain[0])?;
        if self.flags & REVOCATION != 0 {
            return fault(3);
        }
        for index in (0..chain.len()).rev() {
            if let Some(issuer) = chain.get(index + 1)
                && !self.is_signed_by(chain[index], issuer)
            {
                return fault(7);
            }
            if chain[index].not_before > now {
                return fault(9);
            }
            if chain[index].not_after < now {
                return fault(10);
            }
        }
        let common_names = matches!(self.wanted, Wanted::Host { common_names: true, .. });
        check_constraints(&chain, common_names)?;
        Ok(chain.iter().map(|c| c.der.to_vec()).collect())
    }

    /// The chain from a certificate to one that is trusted.
    fn build<'c, 'a>(
        &self,
        leaf: &'c Certificate<'a>,
        trusted: &'c [Certificate<'a>],
        others: &'c [Certificate<'a>],
        now: i64,
    ) -> Result<Vec<&'c Certificate<'a>>, Fault> {
        let partial = self.flags & PARTIAL != 0;
        let stored = |c: &Certificate<'_>| trusted.iter().any(|t| t.der == c.der);
        let best = |list: &'c [Certificate<'a>], of: &Certificate<'_>, chain: &[&Certificate<'_>]| {
            let fits = |c: &&Certificate<'a>| of.names_issuer(c) && !chain.iter().any(|have| have.der == c.der);
            let valid = |c: &&Certificate<'a>| c.not_before <= now && now <= c.not_after;
            list.iter().filter(fits).find(valid).or_else(|| list.iter().find(fits))
        };
        let mut chain = vec![leaf];
        let mut from_store = 0;
        if stored(leaf) && (partial || leaf.is_self_issued()) {
            return Ok(chain);
        }
        while chain.len() < LONGEST {
            let last = chain[chain.len() - 1];
            if last.is_self_issued() && last.names_issuer(last) {
                break;
            }
            if let Some(issuer) = best(trusted, last, &chain) {
                chain.push(issuer);
                from_store += 1;
                if issuer.is_self_issued() || partial {
                    return Ok(chain);
                }
            } else if from_store > 0 {
                break;
            } else if let Some(issuer) = best(others, last, &chain) {
                chain.push(issuer);
            } else {
                break;
            }
        }
        let last = chain[chain.len() - 1];
        if chain.len() >= LONGEST {
            return fault(22);
        }
        if last.is_self_issued() && last.names_issuer(last) {
            return fault(if chain.len() == 1 { 18 } else { 19 });
        }
        fault(if from_store > 0 { 2 } else { 20 })
    }

    fn check_extensions(&self, chain: &[&Certificate<'_>]) -> Result<(), Fault> {
        const SIGNS_CERTIFICATES: u8 = 0x04;
        // Signatures and agreement on keys; servers may also get them encrypted.
        let for_tls: u8 = if self.purpose == 1 { 0x80 | 0x20 | 0x08 } else { 0x80 | 0x08 };
        let strict = self.flags & STRICT != 0;
        let known = [
            id::KEY_USAGE,
            id::SUBJECT_NAMES,
            id::BASIC,
            id::NAME_CONSTRAINTS,
            id::POLICIES,
            id::AUTHORITY_KEY,
            id::SUBJECT_KEY,
            id::POLICY_CONSTRAINTS,
            id::EXTENDED_USAGE,
        ];
        let mut below = 0;
        for (index, certificate) in chain.iter().enumerate() {
            let is_known = |id: &[u8]| matches!(id, [0x55, 0x1d, last] if known.contains(last));
            if certificate.extensions.iter().any(|e| e.critical && !is_known(e.id)) {
                return fault(34);
            }
            let usage = certificate.usage();
            let basic = certificate.basic();
            let says_authority = basic.is_some_and(|(authority, _)| authority);
            let authority = match (usage, basic) {
                (Some(usage), _) if usage & SIGNS_CERTIFICATES == 0 => false,
                (_, Some((authority, _))) => authority,
                // Certificates of the first version can't say what they are.
                (_, None) => certificate.is_self_issued() && certificate.version == 1 || usage.is_some(),
            };
            // Only the last one may be an authority without saying so.
            let must_say = strict || index + 1 < chain.len();
            if index > 0 && (!authority || must_say && !says_authority) {
                return fault(79);
            }
            if index == 0 && strict && authority && !says_authority {
                return fault(79);
            }
            if strict && chain.len() > 1 {
                let depth = basic.and_then(|(_, depth)| depth);
                if depth.is_some() && !says_authority {
                    return fault(80);
                }
                if depth.is_some() && usage.is_some_and(|u| u & SIGNS_CERTIFICATES == 0) {
                    return fault(81);
                }
                if says_authority && !certificate.extension(id::BASIC).is_some_and(|e| e.critical) {
                    return fault(89);
                }
                if says_authority && usage.is_none() {
                    return fault(92);
                }
                if !says_authority && usage.is_some_and(|u| u & SIGNS_CERTIFICATES != 0) {
                    return fault(82);
                }
                if certificate.version >= 3 {
                    if index + 1 < chain.len() && certificate.extension(id::AUTHORITY_KEY).is_none() {
                        return fault(85);
                    }
                    if says_authority && certificate.extension(id::SUBJECT_KEY).is_none() {
                        return fault(86);
                    }
                } else if !certificate.extensions.is_empty() {
                    return fault(93);
                }
            }
            if !certificate.serves(self.purpose) || index == 0 && usage.is_some_and(|u| u & for_tls == 0) {
                return fault(26);
            }
            if index > 1
                && let Some((_, Some(depth))) = basic
                && below > depth
            {
                return fault(25);
            }
            if index > 0 && !certificate.is_self_issued() {
                below += 1;
            }
        }
        Ok(())
    }

    fn check_name(&self, leaf: &Certificate<'_>) -> Result<(), Fault> {
        match &self.wanted {
            Wanted::Anybody => Ok(()),
            Wanted::Address(address) => {
                let bytes = match address {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                };
                if leaf.names().iter().any(|(tag, content)| *tag == 0x87 && *content == bytes) {
                    return Ok(());
                }
                let text = format!("IP address mismatch, certificate is not valid for '{address}'.");
                Err(Fault { code: 64, text })
            }
            Wanted::Host { name, common_names } => {
                let names = leaf.names();
                let mut hosts: Vec<&[u8]> = names.iter().filter(|(tag, _)| *tag == 0x82).map(|(_, c)| *c).collect();
                if hosts.is_empty() && *common_names {
                    hosts = leaf.common_names();
                }
                if hosts.iter().any(|pattern| matches(pattern, name.as_bytes())) {
                    return Ok(());
                }
                let text = format!("Hostname mismatch, certificate is not valid for '{name}'.");
                Err(Fault { code: 62, text })
            }
        }
    }

    fn is_signed_by(&self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
        if issuer.usage().is_some_and(|usage| usage & 0x04 == 0) {
            return false;
        }
        self.algorithms()
            .all
            .iter()
            .filter(|a| a.signature_alg_id().as_ref() == certificate.algorithm)
            .filter(|a| a.public_key_alg_id().as_ref() == issuer.key_algorithm)
            .any(|a| a.verify_signature(issuer.key, certificate.signed, certificate.signature).is_ok())
    }
}

/// Whether a name of a certificate, which may begin with `*.`, is that of a host.
fn matches(pattern: &[u8], host: &[u8]) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    if let Some(rest) = pattern.strip_prefix(b"*.") {
        let Some(dot) = host.iter().position(|b| *b == b'.') else { return false };
        // A star stands for one label, not before a top-level name alone.
        return dot > 0 && rest.contains(&b'.') && rest.eq_ignore_ascii_case(&host[dot + 1..]);
    }
    pattern.eq_ignore_ascii_case(host)
}

/// Whether names below an authority are those it may speak for; also the common names of the first one, where those may count.
fn check_constraints(chain: &[&Certificate<'_>], common_names: bool) -> Result<(), Fault> {
    for (index, authority) in chain.iter().enumerate().skip(1) {
        let Some(extension) = authority.extension(id::NAME_CONSTRAINTS) else { continue };
        let Some(sequence) = Reader(extension.value).take(SEQUENCE) else { return fault(1) };
        let bases =
            || elements(sequence.content).flat_map(|part| elements(part.content)).filter_map(|t| t.inside().next());
        // Names in directories are not compared, so nothing is known of them.
        if bases().any(|base| base.tag == 0xa4) {
            return fault(51);
        }
        for (below, lower) in chain[..index].iter().enumerate() {
            let mut names = lower.names();
            if below == 0 && common_names && names.iter().all(|(tag, _)| *tag != 0x82) {
                names.extend(lower.common_names().into_iter().map(|name| (0x82, name)));
            }
            for (tag, name) in names {
                // Of other kinds nothing is known either.
                if !matches!(tag, 0x82 | 0x87) {
                    if bases().any(|base| base.tag == tag) {
                        return fault(51);
                    }
                    continue;
                }
                let mut permitted = None;
                for part in elements(sequence.content) {
                    let trees = elements(part.content).filter_map(|tree| tree.inside().next());
                    for base in trees.filter(|base| base.tag == tag) {
                        let inside = is_below(tag, name, base.content);
                        if part.tag == 0xa1 && inside {
                            return fault(48);
                        }
                        if part.tag == 0xa0 {
                            permitted = Some(permitted.unwrap_or(false) || inside);
                        }
                    }
                }
                if permitted == Some(false) {
                    return fault(47);
                }
            }
        }
    }
    Ok(())
}

fn is_below(tag: u8, name: &[u8], base: &[u8]) -> bool {
    if tag == 0x87 {
        let half = base.len() / 2;
        return name.len() == half && (0..half).all(|i| name[i] & base[half + i] == base[i]);
    }
    let Some(start) = name.len().checked_sub(base.len()) else { return false };
    let begins = start == 0 || base.is_empty() || base[0] == b'.' || name[start - 1] == b'.';
    begins && name[start..].eq_ignore_ascii_case(base)
}

/// What both traits ask of signatures.
macro_rules! signatures_checked {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.check_old_signature(message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.check_signature(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms().supported_schemes()
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    signatures_checked!();
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.mode != 0
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mode == 2
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    signatures_checked!();
}
