//! Searching, splitting, replacing and padding, shared by the methods of `str`, `bytes` and `bytearray`.
//!
//! Offsets are in bytes: a needle in generalised UTF-8 is only found at the start of a code point. What differs between
//! text and bytes (white space, line ends, the places where an empty needle is found) is said by [`Kind`].

use super::{MAX_LENGTH, unicode, wtf8};
use crate::number::{Fault, FaultKind};
use memchr::{memchr, memmem, memrchr};

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The generalised UTF-8 of a `str`.
    Text,
    /// A `bytes` or `bytearray`.
    Bytes,
}

impl Kind {
    /// The length as scripts see it.
    pub fn length(self, bytes: &[u8]) -> usize {
        match self {
            Kind::Text => wtf8::count(bytes),
            Kind::Bytes => bytes.len(),
        }
    }

    fn width(self, first: u8) -> usize {
        match self {
            Kind::Text => wtf8::width(first),
            Kind::Bytes => 1,
        }
    }

    #[inline]
    fn is_ascii_space(self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t'..=b'\r') || self == Kind::Text && matches!(byte, 0x1c..0x20)
    }

    /// The length in bytes of the white space at the start, 0 if there is none.
    #[inline]
    fn space_at_start(self, bytes: &[u8]) -> usize {
        match bytes.first() {
            Some(&first) if first.is_ascii() => self.is_ascii_space(first) as usize,
            Some(&first) if self == Kind::Text => {
                let point = wtf8::code_points(bytes).next();
                point.filter(|&point| unicode::is_space(point)).map_or(0, |_| wtf8::width(first))
            }
            _ => 0,
        }
    }

    #[inline]
    fn space_at_end(self, bytes: &[u8]) -> usize {
        match bytes.last() {
            Some(&last) if last.is_ascii() => self.is_ascii_space(last) as usize,
            Some(_) if self == Kind::Text => {
                let point = wtf8::code_points(bytes).next_back();
                point.filter(|&point| unicode::is_space(point)).map_or(0, wtf8::width_of)
            }
            _ => 0,
        }
    }
}

/// In shorter texts it takes longer to prepare a search than to make one.
const SHORT: usize = 64;

/// The first place of `needle`; an empty one is found at the start.
#[inline]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(0),
        &[byte] if haystack.len() <= SHORT / 4 => haystack.iter().position(|b| *b == byte),
        &[byte] => memchr(byte, haystack),
        [first, rest @ ..] if haystack.len() <= SHORT => {
            let last = haystack.len().checked_sub(needle.len())?;
            let mut from = 0;
            while let Some(next) = memchr(*first, &haystack[from..=last]) {
                let at = from + next;
                if &haystack[at + 1..at + needle.len()] == rest {
                    return Some(at);
                }
                from = at + 1;
                if from > last {
                    break;
                }
            }
            None
        }
        _ => memmem::find(haystack, needle),
    }
}

/// The last place of `needle`; an empty one is found at the end.
pub fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(haystack.len()),
        &[byte] => memrchr(byte, haystack),
        [first, rest @ ..] if haystack.len() <= SHORT => {
            let last = haystack.len().checked_sub(needle.len())?;
            let starts = &haystack[..=last];
            (0..starts.len()).rfind(|at| starts[*at] == *first && haystack[at + 1..].starts_with(rest))
        }
        _ => memmem::rfind(haystack, needle),
    }
}

/// How often `needle` occurs without overlaps; an empty one between all elements and at both ends.
pub fn count(kind: Kind, haystack: &[u8], needle: &[u8]) -> usize {
    match needle {
        [] => kind.length(haystack) + 1,
        &[byte] => memchr::memchr_iter(byte, haystack).count(),
        _ => memmem::find_iter(haystack, needle).count(),
    }
}

/// `haystack.replace(old, new, most)`; `None` if nothing changes.
pub fn replace(
    kind: Kind,
    haystack: &[u8],
    old: &[u8],
    new: &[u8],
    most: Option<usize>,
) -> Result<Option<Vec<u8>>, Fault> {
    let most = most.unwrap_or(usize::MAX);
    if most == 0 || old == new {
        return Ok(None);
    }
    if old.is_empty() {
        return interleave(kind, haystack, new, most).map(Some);
    }
    if old.len() == 1 && new.len() == 1 && most == usize::MAX {
        let Some(first) = memchr(old[0], haystack) else { return Ok(None) };
        let mut out = haystack.to_vec();
        out[first..].iter_mut().filter(|byte| **byte == old[0]).for_each(|byte| *byte = new[0]);
        return Ok(Some(out));
    }
    let finder = Finder::new(haystack, old);
    let Some(first) = finder.find(haystack) else { return Ok(None) };
    if new.len() > old.len() && haystack.len().saturating_mul(new.len()) / old.len() > MAX_LENGTH {
        let found = memmem::find_iter(haystack, old).take(most).count();
        check_length(haystack.len().saturating_add(found.saturating_mul(new.len() - old.len())))?;
    }
    let mut out = Vec::with_capacity(haystack.len() + new.len().saturating_sub(old.len()) * 4);
    let (mut at, mut next, mut left) = (0, Some(first), most);
    while let Some(found) = next {
        out.extend_from_slice(&haystack[at..found]);
        out.extend_from_slice(new);
        at = found + old.len();
        left -= 1;
        next = if left == 0 { None } else { finder.find(&haystack[at..]).map(|found| at + found) };
    }
    out.extend_from_slice(&haystack[at..]);
    Ok(Some(out))
}

/// What looks for the same thing again and again.
#[allow(clippy::large_enum_variant, reason = "it lives on the stack while a search lasts")]
enum Finder<'n> {
    Short(&'n [u8]),
    Prepared(memmem::Finder<'n>),
}

impl<'n> Finder<'n> {
    fn new(haystack: &[u8], needle: &'n [u8]) -> Finder<'n> {
        if haystack.len() <= SHORT || needle.len() == 1 {
            Finder::Short(needle)
        } else {
            Finder::Prepared(memmem::Finder::new(needle))
        }
    }

    #[inline]
    fn find(&self, haystack: &[u8]) -> Option<usize> {
        match self {
            Finder::Short(needle) => find(haystack, needle),
            Finder::Prepared(finder) => finder.find(haystack),
        }
    }
}

fn interleave(kind: Kind, haystack: &[u8], new: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let times = most.min(kind.length(haystack) + 1);
    let length = haystack.len().saturating_add(times.saturating_mul(new.len()));
    check_length(length)?;
    let mut out = Vec::with_capacity(length);
    let mut rest = haystack;
    for time in 0..times {
        out.extend_from_slice(new);
        if time + 1 == times {
            break;
        }
        let (element, after) = rest.split_at(kind.width(rest[0]));
        out.extend_from_slice(element);
        rest = after;
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// Refuses a result that is too long to be made.
pub fn check_length(length: usize) -> Result<(), Fault> {
    if length > MAX_LENGTH { Err(Fault::new(FaultKind::Memory, "")) } else { Ok(()) }
}

/// The parts of `haystack.split(separator, most)`; the separator must not be empty.
pub fn split<'a>(haystack: &'a [u8], separator: &'a [u8], most: Option<usize>) -> impl Iterator<Item = &'a [u8]> + 'a {
    let finder = Finder::new(haystack, separator);
    let mut rest = Some(haystack);
    let mut left = most.unwrap_or(usize::MAX);
    std::iter::from_fn(move || {
        let text = rest?;
        let found = if left == 0 { None } else { finder.find(text) };
        left = left.saturating_sub(1);
        rest = found.map(|at| &text[at + separator.len()..]);
        Some(&text[..found.unwrap_or(text.len())])
    })
}

/// The parts of `haystack.rsplit(separator, most)`, in order.
pub fn rsplit<'a>(haystack: &'a [u8], separator: &[u8], most: Option<usize>) -> Vec<&'a [u8]> {
    let (mut parts, mut rest, mut left) = (Vec::new(), haystack, most.unwrap_or(usize::MAX));
    let prepared = (haystack.len() > SHORT && separator.len() > 1).then(|| memmem::FinderRev::new(separator));
    let last_of = |rest: &[u8]| match &prepared {
        Some(finder) => finder.rfind(rest),
        None => rfind(rest, separator),
    };
    while left > 0
        && let Some(at) = last_of(rest)
    {
        parts.push(&rest[at + separator.len()..]);
        rest = &rest[..at];
        left -= 1;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

/// The words of `text.split(None, most)`. What is left after the last split keeps its white space at the end.
pub fn split_space(kind: Kind, text: &[u8], most: Option<usize>) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    let mut left = most.unwrap_or(usize::MAX);
    std::iter::from_fn(move || {
        rest = trim_start(kind, rest);
        if rest.is_empty() {
            return None;
        }
        if left == 0 {
            return Some(std::mem::take(&mut rest));
        }
        left -= 1;
        let mut end = 0;
        while let Some(&byte) = rest.get(end) {
            if byte.is_ascii() {
                if kind.is_ascii_space(byte) {
                    break;
                }
                end += 1;
            } else if kind.space_at_start(&rest[end..]) > 0 {
                break;
            } else {
                end += kind.width(byte);
            }
        }
        let (word, after) = rest.split_at(end.min(rest.len()));
        rest = after;
        Some(word)
    })
}

/// The words of `text.rsplit(None, most)`, in order.
pub fn rsplit_space(kind: Kind, text: &[u8], most: Option<usize>) -> Vec<&[u8]> {
    let (mut parts, mut rest, mut left) = (Vec::new(), trim_end(kind, text), most.unwrap_or(usize::MAX));
    while !rest.is_empty() {
        if left == 0 {
            parts.push(rest);
            break;
        }
        left -= 1;
        let mut start = rest.len();
        while start > 0 && kind.space_at_end(&rest[..start]) == 0 {
            start -= 1;
            while kind == Kind::Text && start > 0 && (rest[start] as i8) < -0x40 {
                start -= 1;
            }
        }
        parts.push(&rest[start..]);
        rest = trim_end(kind, &rest[..start]);
    }
    parts.reverse();
    parts
}

/// The lines of `text.splitlines(keep_ends)`.
pub fn lines(kind: Kind, text: &[u8], keep_ends: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, end) = match kind {
            Kind::Bytes => match memchr::memchr2(b'\n', b'\r', rest) {
                Some(at) => (at, line_end(kind, &rest[at..])),
                None => (rest.len(), 0),
            },
            Kind::Text => text_line(rest),
        };
        let shown = &rest[..if keep_ends { line + end } else { line }];
        rest = &rest[line + end..];
        Some(shown)
    })
}

/// The length of the first line of a text and of its end.
#[inline]
fn text_line(text: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        // Only these start a line end.
        if matches!(byte, b'\n'..=b'\r' | 0x1c..=0x1e | 0xc2 | 0xe2) {
            let end = line_end(Kind::Text, &text[at..]);
            if end > 0 {
                return (at, end);
            }
        }
        at += 1;
    }
    (at, 0)
}

/// The length of the line end at the start, 0 if there is none.
#[inline]
fn line_end(kind: Kind, rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        _ if kind == Kind::Bytes => 0,
        [0x0b | 0x0c | 0x1c..=0x1e, ..] => 1,
        [0xc2, 0x85, ..] => 2,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        _ => 0,
    }
}

/// `text.lstrip()`.
pub fn trim_start(kind: Kind, text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        match kind.space_at_start(rest) {
            0 => return rest,
            width => rest = &rest[width..],
        }
    }
}

/// `text.rstrip()`.
pub fn trim_end(kind: Kind, text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        match kind.space_at_end(rest) {
            0 => return rest,
            width => rest = &rest[..rest.len() - width],
        }
    }
}

/// A set of the elements to be stripped.
#[derive(Clone, Debug)]
pub struct StripSet {
    kind: Kind,
    ascii: [bool; 256],
    wide: Vec<u32>,
}

impl StripSet {
    /// The elements of `set`.
    pub fn new(kind: Kind, set: &[u8]) -> StripSet {
        let mut found = StripSet { kind, ascii: [false; 256], wide: Vec::new() };
        match kind {
            Kind::Bytes => set.iter().for_each(|&byte| found.ascii[byte as usize] = true),
            Kind::Text => wtf8::code_points(set).for_each(|point| match point {
                0..256 => found.ascii[point as usize] = true,
                _ => found.wide.push(point),
            }),
        }
        found
    }

    fn contains(&self, point: u32) -> bool {
        self.ascii.get(point as usize).copied().unwrap_or_else(|| self.wide.contains(&point))
    }

    /// `text.lstrip(set)`.
    pub fn trim_start<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        if self.kind == Kind::Bytes {
            let kept = text.iter().position(|&byte| !self.ascii[byte as usize]).unwrap_or(text.len());
            return &text[kept..];
        }
        let mut points = wtf8::code_points(text);
        loop {
            let rest = points.rest();
            match points.next() {
                Some(point) if self.contains(point) => {}
                _ => return rest,
            }
        }
    }

    /// `text.rstrip(set)`.
    pub fn trim_end<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        if self.kind == Kind::Bytes {
            let kept = text.iter().rposition(|&byte| !self.ascii[byte as usize]).map_or(0, |at| at + 1);
            return &text[..kept];
        }
        let mut points = wtf8::code_points(text);
        loop {
            let rest = points.rest();
            match points.next_back() {
                Some(point) if self.contains(point) => {}
                _ => return rest,
            }
        }
    }
}

/// Where the padding of `ljust`, `rjust` and `center` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Justify {
    /// Behind.
    Left,
    /// In front.
    Right,
    /// On both sides; the odd one in front if the width is odd.
    Center,
}

/// Pads to a width; `None` if the text is as wide already. For bytes, `fill` is a byte.
pub fn justify(kind: Kind, text: &[u8], width: usize, fill: u32, how: Justify) -> Result<Option<Vec<u8>>, Fault> {
    let length = kind.length(text);
    if width <= length {
        return Ok(None);
    }
    check_length(width.saturating_mul(wtf8::width_of(fill)))?;
    let padding = width - length;
    let left = match how {
        Justify::Left => 0,
        Justify::Right => padding,
        Justify::Center => padding / 2 + (padding & width & 1),
    };
    let mut out = Vec::with_capacity(text.len() + padding * wtf8::width_of(fill));
    let fill_up = |out: &mut Vec<u8>, times: usize| match kind {
        Kind::Text => wtf8::push_times(out, fill, times),
        Kind::Bytes => out.resize(out.len() + times, fill as u8),
    };
    fill_up(&mut out, left);
    out.extend_from_slice(text);
    fill_up(&mut out, padding - left);
    Ok(Some(out))
}

/// `text.zfill(width)`: zeros go behind a sign. `None` if the text is as wide already.
pub fn zfill(kind: Kind, text: &[u8], width: usize) -> Result<Option<Vec<u8>>, Fault> {
    let Some(mut out) = justify(kind, text, width, '0' as u32, Justify::Right)? else { return Ok(None) };
    let zeros = out.len() - text.len();
    if let Some(&sign @ (b'+' | b'-')) = text.first() {
        out[0] = sign;
        out[zeros] = b'0';
    }
    Ok(Some(out))
}

/// `text.expandtabs(size)`.
pub fn expand_tabs(kind: Kind, text: &[u8], size: i64) -> Result<Vec<u8>, Fault> {
    let size = usize::try_from(size).unwrap_or(0);
    let mut out = Vec::with_capacity(text.len());
    let mut column = 0;
    for &byte in text {
        match byte {
            b'\t' if size > 0 => {
                let step = size - column % size;
                check_length(out.len().saturating_add(step))?;
                out.resize(out.len() + step, b' ');
                column += step;
            }
            b'\t' => {}
            _ => {
                out.push(byte);
                // Columns count code points.
                column += (kind == Kind::Bytes || byte as i8 >= -0x40) as usize;
                if matches!(byte, b'\n' | b'\r') {
                    column = 0;
                }
            }
        }
    }
    Ok(out)
}

/// `bytes.translate(table, delete)`.
pub fn translate_bytes(bytes: &[u8], table: Option<&[u8; 256]>, delete: &[u8]) -> Vec<u8> {
    let deleted = StripSet::new(Kind::Bytes, delete).ascii;
    let kept = bytes.iter().filter(|&&byte| !deleted[byte as usize]);
    kept.map(|&byte| table.map_or(byte, |table| table[byte as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::*;

    fn shown(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
        parts.into_iter().map(|part| String::from_utf8_lossy(part.as_ref()).into_owned()).collect()
    }

    #[test]
    fn replacing() {
        for (text, old, new, most, result) in [
            ("abc", "", "-", None, Some("-a-b-c-")),
            ("abc", "", "-", Some(2), Some("-a-bc")),
            ("é", "", "-", None, Some("-é-")),
            ("", "", "x", None, Some("x")),
            ("", "", "x", Some(0), None),
            ("aXbXc", "X", "yy", None, Some("ayybyyc")),
            ("aXbXc", "X", "y", None, Some("aybyc")),
            ("aXbXc", "X", "y", Some(1), Some("aybXc")),
            ("aaaa", "aa", "a", None, Some("aa")),
            ("abc", "x", "y", None, None),
        ] {
            let got = replace(Text, text.as_bytes(), old.as_bytes(), new.as_bytes(), most).unwrap();
            assert_eq!(got.as_deref(), result.map(str::as_bytes), "{text} {old}");
        }
        assert_eq!(count(Text, "éa".as_bytes(), b""), 3);
        assert_eq!(count(Bytes, b"aaaa", b"aa"), 2);
    }

    #[test]
    fn splitting() {
        let words = |most| shown(split_space(Text, "  a\u{3000}b  c ".as_bytes(), most));
        assert_eq!(words(None), ["a", "b", "c"]);
        assert_eq!(words(Some(1)), ["a", "b  c "]);
        assert_eq!(words(Some(0)), ["a\u{3000}b  c "]);
        let words = |most| shown(rsplit_space(Text, "  a\u{3000}é  c ".as_bytes(), most));
        assert_eq!(words(None), ["a", "é", "c"]);
        assert_eq!(words(Some(1)), ["  a\u{3000}é", "c"]);
        assert_eq!(words(Some(0)), ["  a\u{3000}é  c"]);
        assert_eq!(shown(split_space(Bytes, b"a\x1cb c", None)), ["a\x1cb", "c"]);
        assert_eq!(shown(split(b"a,b,,c", b",", None)), ["a", "b", "", "c"]);
        assert_eq!(shown(split(b"a,b,,c", b",", Some(1))), ["a", "b,,c"]);
        assert_eq!(shown(split(b"", b",", None)), [""]);
        assert_eq!(shown(split(b"a--b--", b"--", None)), ["a", "b", ""]);
        assert_eq!(shown(rsplit(b"a--b---c", b"--", Some(1))), ["a--b-", "c"]);
    }

    #[test]
    fn lines_end_in_many_ways() {
        let text = "a\x0bb\x0cc\x1cd\x1de\x1ef\u{85}g\u{2028}h\u{2029}i\r\nj\rk\n";
        assert_eq!(shown(lines(Text, text.as_bytes(), false)).concat(), "abcdefghijk");
        assert_eq!(shown(lines(Text, text.as_bytes(), true)).concat(), text);
        assert_eq!(shown(lines(Bytes, b"a\x0bb\r\nc\rd", true)), ["a\x0bb\r\n", "c\r", "d"]);
        assert_eq!(lines(Text, b"", true).count(), 0);
    }

    #[test]
    fn stripping_and_padding() {
        let set = StripSet::new(Text, "日x".as_bytes());
        assert_eq!(set.trim_end(set.trim_start("x日a日".as_bytes())), b"a");
        assert_eq!(trim_end(Text, trim_start(Text, "\u{3000}a\x1f".as_bytes())), b"a");
        assert_eq!(trim_start(Bytes, b"\x1fa"), b"\x1fa");
        let center = |text: &str, width| {
            justify(Text, text.as_bytes(), width, ' ' as u32, Justify::Center)
                .unwrap()
                .map(|text| shown([text])[0].clone())
        };
        assert_eq!(center("a", 4).unwrap(), " a  ");
        assert_eq!(center("ab", 5).unwrap(), "  ab ");
        assert_eq!(center("é", 3).unwrap(), " é ");
        assert_eq!(center("ab", 2), None);
        assert_eq!(zfill(Text, b"-1", 5).unwrap().unwrap(), b"-0001");
        assert_eq!(expand_tabs(Text, "a\té\t\n\tb".as_bytes(), 4).unwrap(), "a   é   \n    b".as_bytes());
        assert_eq!(expand_tabs(Bytes, b"a\tb", 0).unwrap(), b"ab");
        assert_eq!(translate_bytes(b"abc", None, b"b"), b"ac");
    }
}
