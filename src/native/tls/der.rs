//! Reading DER, the encoding of certificates.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERAL_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// One element: its tag, what is in it, and all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next element; None at the end, and where the bytes are none.
    pub(super) fn next(&mut self) -> Option<Element<'a>> {
        let bytes = self.0;
        let (&tag, rest) = bytes.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut len = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 || rest.len() < count {
                return None;
            }
            len = rest[..count].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = &rest[count..];
        }
        let content = rest.get(..len)?;
        let size = bytes.len() - rest.len() + len;
        self.0 = &rest[len..];
        Some(Element { tag, content, whole: &bytes[..size] })
    }

    /// The next element, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|e| e.tag == tag)?;
        *self = ahead;
        Some(element)
    }
}

impl<'a> Element<'a> {
    /// What is inside, to read.
    pub(super) fn inside(self) -> Reader<'a> {
        Reader(self.content)
    }
}

/// The elements in a sequence.
pub(super) fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || reader.next())
}

/// The elements in a sequence; None if there is something else in it.
pub(super) fn whole_elements(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut reader = Reader(bytes);
    let mut all = vec![];
    while !reader.0.is_empty() {
        all.push(reader.next()?);
    }
    Some(all)
}

/// Seconds since 1970 of a time.
pub(super) fn seconds(element: Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let short: i64 = text.get(..2)?.parse().ok()?;
            (if short < 50 { 2000 + short } else { 1900 + short }, text.get(2..)?)
        }
        GENERAL_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| -> Option<i64> { rest.get(at..at + 2)?.parse().ok() };
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute) = (part(4)?, part(6)?);
    let second = if rest.len() > 8 { part(8)? } else { 0 };
    // Days of the civil calendar, counted from March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86400 + hour * 3600 + minute * 60 + second)
}
