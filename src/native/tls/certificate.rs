//! Certificates, as far as checking them needs.

use super::der::{
    BITS, BOOLEAN, Element, INTEGER, OCTETS, OID, Reader, SEQUENCE, SET, elements, seconds, whole_elements,
};

/// What was read of a certificate; all of it borrowed from its bytes.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) der: &'a [u8],
    /// What is signed, with which algorithm, and the signature.
    pub(super) signed: &'a [u8],
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) version: u8,
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// All that is said of its key; the algorithm, and the key.
    pub(super) key_info: &'a [u8],
    pub(super) key_algorithm: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) extensions: Vec<Extension<'a>>,
}

/// An extension: the bytes of its identifier, whether who does not know it must refuse, its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    pub(super) id: &'a [u8],
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

/// The last byte of identifiers of extensions that begin with 2.5.29.
pub(super) mod id {
    pub(in super::super) const SUBJECT_KEY: u8 = 14;
    pub(in super::super) const KEY_USAGE: u8 = 15;
    pub(in super::super) const SUBJECT_NAMES: u8 = 17;
    pub(in super::super) const BASIC: u8 = 19;
    pub(in super::super) const NAME_CONSTRAINTS: u8 = 30;
    pub(in super::super) const POLICIES: u8 = 32;
    pub(in super::super) const AUTHORITY_KEY: u8 = 35;
    pub(in super::super) const POLICY_CONSTRAINTS: u8 = 36;
    pub(in super::super) const EXTENDED_USAGE: u8 = 37;
}

/// The bit string without the count of unused bits.
fn bits(element: Element<'_>) -> Option<&[u8]> {
    element.content.split_first().map(|(_, rest)| rest)
}

fn algorithm_and_bits<'a>(sequence: Element<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let mut inside = sequence.inside();
    let algorithm = inside.take(SEQUENCE)?.content;
    Some((algorithm, bits(inside.take(BITS)?)?))
}

/// The algorithm of a key, of what is said of it.
pub(super) fn algorithm_of(key_info: &[u8]) -> Option<&[u8]> {
    Reader(key_info).take(SEQUENCE)?.inside().take(SEQUENCE).map(|e| e.content)
}

/// Whether every tree of names in a list has a base.
fn has_bases(trees: &[u8]) -> bool {
    let has_base = |tree: &Element<'_>| whole_elements(tree.content).is_some_and(|parts| !parts.is_empty());
    whole_elements(trees).is_some_and(|trees| trees.iter().all(has_base))
}

impl Extension<'_> {
    /// Whether it is what the rules for certificates (RFC 5280, section 4.2) say, as far as anything depends on it.
    fn is_readable(&self) -> bool {
        let [0x55, 0x1d, id] = self.id else { return true };
        let whole = |tag| Reader(self.value).take(tag).filter(|e| e.whole.len() == self.value.len());
        let list = || whole(SEQUENCE).and_then(|list| whole_elements(list.content));
        match *id {
            id::KEY_USAGE => whole(BITS).and_then(bits).is_some(),
            id::SUBJECT_NAMES | id::EXTENDED_USAGE | id::BASIC | id::AUTHORITY_KEY => list().is_some(),
            id::NAME_CONSTRAINTS => list().is_some_and(|parts| parts.iter().all(|part| has_bases(part.content))),
            id::SUBJECT_KEY => whole(OCTETS).is_some(),
            _ => true,
        }
    }
}

impl<'a> Certificate<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Certificate<'a>> {
        let outer = Reader(der).take(SEQUENCE)?;
        let mut reader = outer.inside();
        let signed = reader.take(SEQUENCE)?;
        let algorithm = reader.take(SEQUENCE)?.content;
        let signature = bits(reader.take(BITS)?)?;
        let mut body = signed.inside();
        let version = match body.take(0xa0) {
            Some(tagged) => match tagged.inside().take(INTEGER)?.content {
                [number @ 0..=2] => number + 1,
                _ => return None,
            },
            None => 1,
        };
        body.take(INTEGER)?;
        // What is signed says so too.
        if body.take(SEQUENCE)?.content != algorithm {
            return None;
        }
        let issuer = body.take(SEQUENCE)?.whole;
        let mut validity = body.take(SEQUENCE)?.inside();
        let not_before = seconds(validity.next()?)?;
        let not_after = seconds(validity.next()?)?;
        let subject = body.take(SEQUENCE)?.whole;
        let key_info = body.take(SEQUENCE)?;
        let (key_algorithm, key) = algorithm_and_bits(key_info)?;
        let mut extensions = vec![];
        while let Some(part) = body.next() {
            if part.tag == 0xa3 {
                for one in whole_elements(part.inside().take(SEQUENCE)?.content)? {
                    let mut inside = one.inside();
                    let id = inside.take(OID)?.content;
                    let critical = inside.take(BOOLEAN).is_some_and(|b| b.content != [0]);
                    let value = inside.take(OCTETS)?.content;
                    if extensions.iter().any(|known: &Extension<'_>| known.id == id) {
                        return None;
                    }
                    extensions.push(Extension { id, critical, value });
                }
            }
        }
        // What can't be read would else count as not there.
        extensions.iter().all(Extension::is_readable).then_some(())?;
        Some(Certificate {
            der: outer.whole,
            signed: signed.whole,
            algorithm,
            signature,
            version,
            issuer,
            subject,
            not_before,
            not_after,
            key_info: key_info.whole,
            key_algorithm,
            key,
            extensions,
        })
    }

    pub(super) fn extension(&self, id: u8) -> Option<Extension<'a>> {
        self.extensions.iter().find(|e| e.id == [0x55, 0x1d, id]).copied()
    }

    /// Whether its issuer has the name it has itself.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether a certificate may be the issuer of this one, from what both say.
    pub(super) fn names_issuer(&self, issuer: &Certificate<'_>) -> bool {
        if self.issuer != issuer.subject {
            return false;
        }
        match (self.authority_key(), issuer.subject_key()) {
            (Some(wanted), Some(key)) => wanted == key,
            _ => true,
        }
    }

    fn authority_key(&self) -> Option<&'a [u8]> {
        let sequence = Reader(self.extension(id::AUTHORITY_KEY)?.value).take(SEQUENCE)?;
        sequence.inside().take(0x80).map(|e| e.content)
    }

    fn subject_key(&self) -> Option<&'a [u8]> {
        Reader(self.extension(id::SUBJECT_KEY)?.value).take(OCTETS).map(|e| e.content)
    }

    /// Whether it is an authority, and how many may be below it; None if it does not say.
    pub(super) fn basic(&self) -> Option<(bool, Option<usize>)> {
        let mut inside = Reader(self.extension(id::BASIC)?.value).take(SEQUENCE)?.inside();
        let authority = inside.take(BOOLEAN).is_some_and(|b| b.content != [0]);
        let depth = inside.take(INTEGER).map(|e| e.content.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)));
        Some((authority, depth))
    }

    /// The bits of what its key may be used for, the first one highest; None if it does not say.
    pub(super) fn usage(&self) -> Option<u8> {
        let element = Reader(self.extension(id::KEY_USAGE)?.value).take(BITS)?;
        Some(bits(element)?.first().copied().unwrap_or(0))
    }

    /// Whether it may be used for a purpose: the last byte of 1.3.6.1.5.5.7.3.x.
    pub(super) fn serves(&self, purpose: u8) -> bool {
        let Some(extension) = self.extension(id::EXTENDED_USAGE) else { return true };
        let Some(list) = Reader(extension.value).take(SEQUENCE) else { return false };
        elements(list.content).any(|e| e.content == [0x2b, 6, 1, 5, 5, 7, 3, purpose])
    }

    /// Its other names: tags and contents.
    pub(super) fn names(&self) -> Vec<(u8, &'a [u8])> {
        let list = self.extension(id::SUBJECT_NAMES).and_then(|e| Reader(e.value).take(SEQUENCE));
        list.map_or(vec![], |l| elements(l.content).map(|e| (e.tag, e.content)).collect())
    }

    /// Whether its key is one of RSA with less than 2048 bits.
    pub(super) fn has_short_key(&self) -> bool {
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
        if Reader(self.key_algorithm).take(OID).is_none_or(|e| e.content != RSA) {
            return false;
        }
        let modulus = Reader(self.key).take(SEQUENCE).and_then(|s| s.inside().take(INTEGER));
        modulus.is_some_and(|m| m.content.iter().skip_while(|b| **b == 0).count() < 256)
    }

    /// Whether its signature is over a hash that is no longer trusted: MD5 or SHA-1.
    pub(super) fn has_weak_hash(&self) -> bool {
        let id = Reader(self.algorithm).take(OID).map(|e| e.content);
        matches!(id, Some([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2..=5] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]))
    }

    /// The common names of its subject.
    pub(super) fn common_names(&self) -> Vec<&'a [u8]> {
        let mut found = vec![];
        let Some(subject) = Reader(self.subject).take(SEQUENCE) else { return found };
        for set in elements(subject.content).filter(|e| e.tag == SET) {
            for pair in elements(set.content) {
                let mut inside = pair.inside();
                let name = inside.take(OID).is_some_and(|e| e.content == [0x55, 4, 3]);
                if let (true, Some(value)) = (name, inside.next()) {
                    found.push(value.content);
                }
            }
        }
        found
    }
}
