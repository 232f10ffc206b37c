//! Text to bytes and back: the encodings, their error handlers, and decoding piece by piece.
//!
//! Encodings report an error and go on where the handler says; the handlers with a name are in [`Handler`], and a handler
//! of the script's own is any closure given to [`decode_with`] or `encode_with`.

#![allow(clippy::wildcard_enum_match_arm, reason = "encodings come in families, and most have no case of their own")]

use super::escape::{self, Escape};
use super::repr::push_escape;
use super::{charmap, names, utf7, wtf8};
use std::borrow::Cow;

/// A text encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `utf-8`
    Utf8,
    /// `utf-8-sig`: a byte order mark is written and skipped.
    Utf8Sig,
    /// `utf-7`
    Utf7,
    /// `latin-1`
    Latin1,
    /// `ascii`
    Ascii,
    /// `utf-16`; without an order, a mark is written, and tells the order when read.
    Utf16(Option<Order>),
    /// `utf-32`
    Utf32(Option<Order>),
    /// An encoding of single bytes by a table.
    Charmap(&'static charmap::Charmap),
    /// `unicode_escape`
    UnicodeEscape,
    /// `raw_unicode_escape`
    RawUnicodeEscape,
}

/// The order of bytes in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least significant first.
    Little,
    /// Most significant first.
    Big,
}

impl Encoding {
    /// Finds an encoding by any of its names.
    pub fn lookup(name: &str) -> Option<Encoding> {
        use {Encoding::*, Order::*};
        match name {
            "utf-8" | "utf8" => return Some(Utf8),
            "ascii" => return Some(Ascii),
            "latin-1" | "latin1" => return Some(Latin1),
            _ => {}
        }
        let mut normal = String::with_capacity(name.len());
        for c in name.chars().filter(char::is_ascii) {
            if c.is_ascii_alphanumeric() || c == '.' {
                normal.push(c.to_ascii_lowercase());
            } else if !normal.is_empty() && !normal.ends_with('_') {
                normal.push('_');
            }
        }
        Some(match normal.trim_end_matches('_') {
            "utf_8" | "utf8" | "u8" | "utf" | "cp65001" | "utf8_ucs2" | "utf8_ucs4" => Utf8,
            "utf_8_sig" | "utf8_sig" => Utf8Sig,
            "utf_7" | "utf7" | "u7" | "unicode_1_1_utf_7" => Utf7,
            "latin_1" | "latin1" | "latin" | "l1" | "iso_8859_1" | "iso8859_1" | "iso8859" | "8859" | "cp819"
            | "iso_8859_1_1987" | "iso_ir_100" | "ibm819" | "csisolatin1" => Latin1,
            "ascii" | "us_ascii" | "us" | "646" | "ansi_x3.4_1968" | "ansi_x3_4_1968" | "ansi_x3.4_1986"
            | "iso646_us" | "iso_646.irv_1991" | "cp367" | "ibm367" | "csascii" | "iso_ir_6" => Ascii,
            "utf_16" | "utf16" | "u16" => Utf16(None),
            "utf_16_le" | "utf_16le" | "utf16_le" | "utf16le" | "unicodelittleunmarked" => Utf16(Some(Little)),
            "utf_16_be" | "utf_16be" | "utf16_be" | "utf16be" | "unicodebigunmarked" => Utf16(Some(Big)),
            "utf_32" | "utf32" | "u32" => Utf32(None),
            "utf_32_le" | "utf_32le" | "utf32_le" | "utf32le" => Utf32(Some(Little)),
            "utf_32_be" | "utf_32be" | "utf32_be" | "utf32be" => Utf32(Some(Big)),
            "unicode_escape" | "unicodeescape" => UnicodeEscape,
            "raw_unicode_escape" | "rawunicodeescape" => RawUnicodeEscape,
            other => Charmap(charmap::lookup(other)?),
        })
    }

    /// The name `codecs.lookup` gives.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf8Sig => "utf-8-sig",
            Encoding::Utf7 => "utf-7",
            Encoding::Latin1 => "iso8859-1",
            Encoding::Ascii => "ascii",
            Encoding::Utf16(None) => "utf-16",
            Encoding::Utf16(Some(Order::Little)) => "utf-16-le",
            Encoding::Utf16(Some(Order::Big)) => "utf-16-be",
            Encoding::Utf32(None) => "utf-32",
            Encoding::Utf32(Some(Order::Little)) => "utf-32-le",
            Encoding::Utf32(Some(Order::Big)) => "utf-32-be",
            Encoding::Charmap(map) => map.name,
            Encoding::UnicodeEscape => "unicode-escape",
            Encoding::RawUnicodeEscape => "raw-unicode-escape",
        }
    }

    /// The name errors carry.
    fn error_name(self, decoding: bool) -> &'static str {
        match self {
            Encoding::Utf8Sig => "utf-8",
            Encoding::Utf7 => "utf7",
            Encoding::Latin1 => "latin-1",
            Encoding::Charmap(_) => "charmap",
            Encoding::UnicodeEscape => "unicodeescape",
            Encoding::RawUnicodeEscape => "rawunicodeescape",
            Encoding::Utf16(None) if decoding => "utf-16-le",
            Encoding::Utf32(None) if decoding => "utf-32-le",
            other => other.name(),
        }
    }
}

/// What can't be encoded or decoded: the arguments of `UnicodeEncodeError` and `UnicodeDecodeError` but the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecError {
    /// The encoding's name.
    pub encoding: &'static str,
    /// The first bad byte, or code point when encoding.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Why.
    pub reason: &'static str,
}

impl CodecError {
    /// `str` of a `UnicodeDecodeError`; see [`decode_message`].
    pub fn decode_message(&self, bytes: &[u8]) -> String {
        decode_message(self.encoding, bytes, self.start, self.end, self.reason)
    }

    /// `str` of a `UnicodeEncodeError`; see [`encode_message`].
    pub fn encode_message(&self, text: &[u8]) -> String {
        encode_message(self.encoding, text, self.start, self.end, self.reason)
    }
}

/// `str` of a `UnicodeDecodeError` with these arguments.
pub fn decode_message(encoding: &str, bytes: &[u8], start: usize, end: usize, reason: &str) -> String {
    match bytes.get(start) {
        Some(byte) if end == start + 1 => {
            format!("'{encoding}' codec can't decode byte 0x{byte:02x} in position {start}: {reason}")
        }
        _ => {
            let last = end as i64 - 1;
            format!("'{encoding}' codec can't decode bytes in position {start}-{last}: {reason}")
        }
    }
}

/// `str` of a `UnicodeEncodeError` with these arguments.
pub fn encode_message(encoding: &str, text: &[u8], start: usize, end: usize, reason: &str) -> String {
    match wtf8::code_points(text).nth(start) {
        Some(point) if end == start + 1 => {
            let mut shown = String::new();
            push_escape(&mut shown, point);
            format!("'{encoding}' codec can't encode character '{shown}' in position {start}: {reason}")
        }
        _ => {
            let last = end as i64 - 1;
            format!("'{encoding}' codec can't encode characters in position {start}-{last}: {reason}")
        }
    }
}

/// An error handler known by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handler {
    /// Raises.
    #[default]
    Strict,
    /// Leaves it out.
    Ignore,
    /// `U+FFFD` or `?`.
    Replace,
    /// `\xff`
    BackslashReplace,
    /// `&#255;`, for encoding.
    XmlCharRefReplace,
    /// `\N{…}`, for encoding.
    NameReplace,
    /// Bytes as the surrogates U+DC80 to U+DCFF.
    SurrogateEscape,
    /// Surrogates as code points like any other.
    SurrogatePass,
}

/// What a handler answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This text instead, and go on at that byte or code point.
    Text(Vec<u8>, usize),
    /// These bytes instead, only when encoding.
    Bytes(Vec<u8>, usize),
}

/// Why a codec stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The error is to be raised.
    Error(CodecError),
    /// The handler can't handle decoding: TypeError "don't know how to handle UnicodeDecodeError in error callback".
    WrongHandler,
}

impl From<CodecError> for Stopped {
    fn from(error: CodecError) -> Stopped {
        Stopped::Error(error)
    }
}

impl Handler {
    /// Finds a handler by its name.
    pub fn lookup(name: &str) -> Option<Handler> {
        Some(match name {
            "strict" => Handler::Strict,
            "ignore" => Handler::Ignore,
            "replace" => Handler::Replace,
            "backslashreplace" => Handler::BackslashReplace,
            "xmlcharrefreplace" => Handler::XmlCharRefReplace,
            "namereplace" => Handler::NameReplace,
            "surrogateescape" => Handler::SurrogateEscape,
            "surrogatepass" => Handler::SurrogatePass,
            _ => return None,
        })
    }

    /// Handles an error found when decoding. `encoding` tells `surrogatepass` how surrogates are spelled.
    pub fn decode_error(self, encoding: Encoding, bytes: &[u8], error: CodecError) -> Result<Answer, Stopped> {
        let CodecError { start, end, .. } = error;
        let bad = &bytes[start.min(bytes.len())..end.min(bytes.len())];
        let text = match self {
            Handler::Strict => return Err(error.into()),
            Handler::Ignore => Vec::new(),
            Handler::Replace => "\u{fffd}".into(),
            Handler::BackslashReplace => {
                let mut text = String::new();
                bad.iter().for_each(|&byte| push_escape(&mut text, byte as u32));
                text.into_bytes()
            }
            Handler::XmlCharRefReplace | Handler::NameReplace => return Err(Stopped::WrongHandler),
            Handler::SurrogateEscape => {
                let escaped = bad.iter().take(4).take_while(|byte| **byte >= 0x80);
                let mut text = Vec::new();
                let count = escaped.map(|&byte| wtf8::push(&mut text, 0xdc00 + byte as u32)).count();
                if count == 0 {
                    return Err(error.into());
                }
                return Ok(Answer::Text(text, start + count));
            }
            Handler::SurrogatePass => {
                let Some((surrogate, width)) = surrogate_at(encoding, &bytes[start..]) else {
                    return Err(error.into());
                };
                let mut text = Vec::new();
                wtf8::push(&mut text, surrogate);
                return Ok(Answer::Text(text, start + width));
            }
        };
        Ok(Answer::Text(text, end))
    }

    /// Handles an error found when encoding; `rest` is the text from there on.
    fn encode_error(self, encoding: Encoding, rest: &[u8], error: CodecError) -> Result<Answer, Stopped> {
        let CodecError { start, end, .. } = error;
        let bad = || wtf8::code_points(rest).take(end - start);
        let mut shown = String::new();
        match self {
            Handler::Strict => return Err(error.into()),
            Handler::Ignore => {}
            Handler::Replace => shown.extend(bad().map(|_| '?')),
            Handler::BackslashReplace => bad().for_each(|point| push_escape(&mut shown, point)),
            Handler::XmlCharRefReplace => bad().for_each(|point| shown.push_str(&format!("&#{point};"))),
            Handler::NameReplace => bad().for_each(|point| match names::name(point) {
                Some(name) => shown.push_str(&format!("\\N{{{name}}}")),
                None => push_escape(&mut shown, point),
            }),
            Handler::SurrogateEscape => {
                let escaped = bad().take_while(|point| (0xdc80..0xdd00).contains(point));
                let bytes: Vec<u8> = escaped.map(|point| point as u8).collect();
                // A charmap takes all or none, as its handler isn't built in; a byte is no unit of the wider encodings.
                let refused = match encoding {
                    Encoding::Charmap(_) => bytes.len() < end - start,
                    Encoding::Utf16(_) | Encoding::Utf32(_) => true,
                    _ => bytes.is_empty(),
                };
                if refused {
                    return Err(error.into());
                }
                let next = start + bytes.len();
                return Ok(Answer::Bytes(bytes, next));
            }
            Handler::SurrogatePass => {
                let mut bytes = Vec::new();
                for point in bad() {
                    if !wtf8::is_surrogate(point) {
                        return Err(error.into());
                    }
                    match encoding {
                        Encoding::Utf8 | Encoding::Utf8Sig => wtf8::push(&mut bytes, point),
                        Encoding::Utf16(order) => push_unit(&mut bytes, order, point as u16),
                        Encoding::Utf32(order) => push_long_unit(&mut bytes, order, point),
                        _ => return Err(error.into()),
                    }
                }
                return Ok(Answer::Bytes(bytes, end));
            }
        }
        Ok(Answer::Text(shown.into_bytes(), end))
    }
}

/// The surrogate at the start as a careless encoder spells it, and its bytes.
fn surrogate_at(encoding: Encoding, bytes: &[u8]) -> Option<(u32, usize)> {
    let (point, width) = match encoding {
        Encoding::Utf8 | Encoding::Utf8Sig => match bytes {
            [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, ..] => (0xd000 | (*b as u32 & 0x3f) << 6 | (*c as u32 & 0x3f), 3),
            _ => return None,
        },
        Encoding::Utf16(order) => (unit(order, bytes.first_chunk()?) as u32, 2),
        Encoding::Utf32(order) => (long_unit(order, bytes.first_chunk()?), 4),
        _ => return None,
    };
    wtf8::is_surrogate(point).then_some((point, width))
}

fn unit(order: Option<Order>, bytes: &[u8; 2]) -> u16 {
    if order == Some(Order::Big) { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) }
}

fn long_unit(order: Option<Order>, bytes: &[u8; 4]) -> u32 {
    if order == Some(Order::Big) { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) }
}

fn push_unit(out: &mut Vec<u8>, order: Option<Order>, unit: u16) {
    out.extend(if order == Some(Order::Big) { unit.to_be_bytes() } else { unit.to_le_bytes() });
}

fn push_long_unit(out: &mut Vec<u8>, order: Option<Order>, unit: u32) {
    out.extend(if order == Some(Order::Big) { unit.to_be_bytes() } else { unit.to_le_bytes() });
}

/// `bytes.decode(encoding, handler)`: generalised UTF-8.
pub fn decode(bytes: &[u8], encoding: Encoding, handler: Handler) -> Result<Cow<'_, [u8]>, Stopped> {
    if matches!(encoding, Encoding::Utf8) && std::str::from_utf8(bytes).is_ok()
        || matches!(encoding, Encoding::Ascii | Encoding::Latin1) && bytes.is_ascii()
    {
        return Ok(Cow::Borrowed(bytes));
    }
    decode_with(bytes, encoding, |error| handler.decode_error(encoding, bytes, error)).map(Cow::Owned)
}

/// Decodes with a handler of the caller's own.
pub fn decode_with<E>(
    bytes: &[u8],
    encoding: Encoding,
    mut handler: impl FnMut(CodecError) -> Result<Answer, E>,
) -> Result<Vec<u8>, E> {
    let mut out = Vec::with_capacity(bytes.len());
    decode_part(bytes, encoding, true, &mut out, &mut handler)?;
    Ok(out)
}

/// Decodes as far as possible; without `last`, an unfinished end is left. The number of bytes taken.
pub fn decode_part<E>(
    bytes: &[u8],
    encoding: Encoding,
    last: bool,
    out: &mut Vec<u8>,
    handler: &mut impl FnMut(CodecError) -> Result<Answer, E>,
) -> Result<usize, E> {
    let (encoding, mut at) = match (encoding, bytes) {
        (Encoding::Utf8Sig, [0xef, 0xbb, 0xbf, ..]) => (Encoding::Utf8, 3),
        (Encoding::Utf8Sig, _) => (Encoding::Utf8, 0),
        (Encoding::Utf32(None), [0xff, 0xfe, 0, 0, ..]) => (Encoding::Utf32(Some(Order::Little)), 4),
        (Encoding::Utf32(None), [0, 0, 0xfe, 0xff, ..]) => (Encoding::Utf32(Some(Order::Big)), 4),
        (Encoding::Utf16(None), [0xff, 0xfe, ..]) => (Encoding::Utf16(Some(Order::Little)), 2),
        (Encoding::Utf16(None), [0xfe, 0xff, ..]) => (Encoding::Utf16(Some(Order::Big)), 2),
        (encoding, _) => (encoding, 0),
    };
    while at < bytes.len() {
        let (taken, bad) = decode_run(&bytes[at..], encoding, last, out);
        at += taken;
        let Some(Bad { length, reason, unfinished }) = bad else { break };
        if unfinished && !last {
            break;
        }
        let error = CodecError { encoding: encoding.error_name(true), start: at, end: at + length, reason };
        match handler(error)? {
            Answer::Text(text, next) | Answer::Bytes(text, next) => {
                out.extend_from_slice(&text);
                at = next;
            }
        }
    }
    Ok(at)
}

/// Bytes that aren't text. `unfinished`: more bytes could make them so.
struct Bad {
    length: usize,
    reason: &'static str,
    unfinished: bool,
}

impl Bad {
    fn new(length: usize, reason: &'static str) -> Option<Bad> {
        Some(Bad { length, reason, unfinished: false })
    }

    fn unfinished(length: usize, reason: &'static str) -> Option<Bad> {
        Some(Bad { length, reason, unfinished: true })
    }
}

/// Decodes up to the end or the first error; gives the number of good bytes.
fn decode_run(bytes: &[u8], encoding: Encoding, last: bool, out: &mut Vec<u8>) -> (usize, Option<Bad>) {
    match encoding {
        Encoding::Utf8 | Encoding::Utf8Sig => match std::str::from_utf8(bytes) {
            Ok(_) => {
                out.extend_from_slice(bytes);
                (bytes.len(), None)
            }
            Err(error) => {
                let good = error.valid_up_to();
                out.extend_from_slice(&bytes[..good]);
                (
                    good,
                    match error.error_len() {
                        None => Bad::unfinished(bytes.len() - good, "unexpected end of data"),
                        Some(1) if matches!(bytes[good], 0x80..0xc2 | 0xf5..) => Bad::new(1, "invalid start byte"),
                        Some(length) => {
                            // Half a surrogate may become one that `surrogatepass` takes.
                            let unfinished = matches!(bytes[good..], [0xed, 0xa0..=0xbf]);
                            Some(Bad { length, reason: "invalid continuation byte", unfinished })
                        }
                    },
                )
            }
        },
        Encoding::Latin1 => {
            bytes.iter().for_each(|&byte| wtf8::push(out, byte as u32));
            (bytes.len(), None)
        }
        Encoding::Ascii => {
            let good = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len());
            out.extend_from_slice(&bytes[..good]);
            (good, if good < bytes.len() { Bad::new(1, "ordinal not in range(128)") } else { None })
        }
        Encoding::Charmap(map) => {
            for (at, &byte) in bytes.iter().enumerate() {
                match map.decode(byte) {
                    Some(point) => wtf8::push(out, point),
                    None => return (at, Bad::new(1, "character maps to <undefined>")),
                }
            }
            (bytes.len(), None)
        }
        Encoding::Utf7 => {
            let (good, fault) = utf7::decode(bytes, last, out);
            (good, fault.map(|(length, reason)| Bad { length, reason, unfinished: reason == utf7::UNTERMINATED }))
        }
        Encoding::Utf16(order) => decode_utf16(bytes, order, out),
        Encoding::Utf32(order) => decode_utf32(bytes, order, out),
        Encoding::UnicodeEscape => decode_escapes(bytes, out),
        Encoding::RawUnicodeEscape => decode_raw_escapes(bytes, last, out),
    }
}

fn decode_utf16(bytes: &[u8], order: Option<Order>, out: &mut Vec<u8>) -> (usize, Option<Bad>) {
    let mut at = 0;
    while let Some(first) = bytes[at..].first_chunk() {
        let first = unit(order, first);
        match first {
            0xd800..0xdc00 => match bytes[at + 2..].first_chunk().map(|second| unit(order, second)) {
                Some(second @ 0xdc00..0xe000) => {
                    wtf8::push(out, 0x1_0000 + ((first as u32 & 0x3ff) << 10 | (second as u32 & 0x3ff)));
                    at += 4;
                    continue;
                }
                Some(_) => return (at, Bad::new(2, "illegal UTF-16 surrogate")),
                None => return (at, Bad::unfinished(bytes.len() - at, "unexpected end of data")),
            },
            0xdc00..0xe000 => return (at, Bad::new(2, "illegal encoding")),
            _ => wtf8::push(out, first as u32),
        }
        at += 2;
    }
    (at, if at < bytes.len() { Bad::unfinished(1, "truncated data") } else { None })
}

fn decode_utf32(bytes: &[u8], order: Option<Order>, out: &mut Vec<u8>) -> (usize, Option<Bad>) {
    let mut at = 0;
    while let Some(point) = bytes[at..].first_chunk() {
        match long_unit(order, point) {
            0xd800..0xe000 => return (at, Bad::new(4, "code point in surrogate code point range(0xd800, 0xe000)")),
            0x11_0000.. => return (at, Bad::new(4, "code point not in range(0x110000)")),
            point => wtf8::push(out, point),
        }
        at += 4;
    }
    (at, if at < bytes.len() { Bad::unfinished(bytes.len() - at, "truncated data") } else { None })
}

fn decode_escapes(bytes: &[u8], out: &mut Vec<u8>) -> (usize, Option<Bad>) {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'\\' {
            wtf8::push(out, byte as u32);
            at += 1;
            continue;
        }
        match escape::read(&bytes[at + 1..], true) {
            Escape::Point(point, length) => {
                wtf8::push(out, point);
                at += 1 + length;
            }
            Escape::Nothing(length) => at += 1 + length,
            Escape::Unknown => {
                out.push(b'\\');
                at += 1;
            }
            Escape::Malformed(length, reason) => {
                let unfinished = at + 1 + length == bytes.len();
                return (at, Some(Bad { length: 1 + length, reason, unfinished }));
            }
        }
    }
    (at, None)
}

/// Only `\u` and `\U` behind an odd number of backslashes are escapes.
fn decode_raw_escapes(bytes: &[u8], last: bool, out: &mut Vec<u8>) -> (usize, Option<Bad>) {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'u' | b'U')) => match escape::read(&bytes[at + 1..], true) {
                Escape::Malformed(length, reason) => {
                    let reason =
                        if reason == "illegal Unicode character" { "\\Uxxxxxxxx out of range" } else { reason };
                    let unfinished = at + 1 + length == bytes.len();
                    return (at, Some(Bad { length: 1 + length, reason, unfinished }));
                }
                Escape::Point(point, length) => {
                    wtf8::push(out, point);
                    at += 1 + length;
                }
                Escape::Nothing(_) | Escape::Unknown => unreachable!("`u` and `U` start escapes"),
            },
            (b'\\', None) if !last => return (at, Bad::unfinished(1, "")),
            (b'\\', Some(b'\\')) => {
                out.extend_from_slice(b"\\\\");
                at += 2;
            }
            _ => {
                wtf8::push(out, byte as u32);
                at += 1;
            }
        }
    }
    (at, None)
}

/// `text.encode(encoding, handler)`.
pub fn encode(text: &[u8], encoding: Encoding, handler: Handler) -> Result<Cow<'_, [u8]>, Stopped> {
    let as_it_is = match encoding {
        Encoding::Utf8 => std::str::from_utf8(text).is_ok(),
        Encoding::Ascii | Encoding::Latin1 | Encoding::Charmap(_) => text.is_ascii(),
        _ => false,
    };
    if as_it_is {
        return Ok(Cow::Borrowed(text));
    }
    encode_with(text, encoding, |error, rest| handler.encode_error(encoding, rest, error)).map(Cow::Owned)
}

/// Encodes with a handler of the caller's own, which is told the error and the text from there on.
///
/// The text the handler answers is encoded in turn; if that fails, the handler is asked to be strict by the error given.
fn encode_with<E: From<CodecError>>(
    text: &[u8],
    encoding: Encoding,
    mut handler: impl FnMut(CodecError, &[u8]) -> Result<Answer, E>,
) -> Result<Vec<u8>, E> {
    let mut out = Vec::with_capacity(text.len() + 4);
    match encoding {
        Encoding::Utf8Sig => out.extend_from_slice(b"\xef\xbb\xbf"),
        Encoding::Utf16(None) => push_unit(&mut out, None, 0xfeff),
        Encoding::Utf32(None) => push_long_unit(&mut out, None, 0xfeff),
        Encoding::Utf7 => {
            utf7::encode(wtf8::code_points(text), &mut out);
            return Ok(out);
        }
        _ => {}
    }
    let reason = match encoding {
        Encoding::Ascii => "ordinal not in range(128)",
        Encoding::Latin1 => "ordinal not in range(256)",
        Encoding::Charmap(_) => "character maps to <undefined>",
        _ => "surrogates not allowed",
    };
    let single = matches!(encoding, Encoding::Utf16(_) | Encoding::Utf32(_));
    let mut points = wtf8::code_points(text);
    let mut index = 0;
    loop {
        let from_here = points.clone();
        let Some(point) = points.next() else { return Ok(out) };
        if encode_point(&mut out, encoding, point) {
            index += 1;
            continue;
        }
        let mut scratch = Vec::new();
        let mut encodable = |point: u32| encode_point(&mut scratch, encoding, point);
        let bad = if single { 1 } else { from_here.clone().take_while(|&point| !encodable(point)).count() };
        let error = CodecError { encoding: encoding.error_name(false), start: index, end: index + bad, reason };
        let rest = from_here.rest();
        let next = match handler(error, rest)? {
            Answer::Bytes(bytes, next) => {
                out.extend_from_slice(&bytes);
                next
            }
            Answer::Text(replacement, next) => {
                if !wtf8::code_points(&replacement).all(|point| encode_point(&mut out, encoding, point)) {
                    return Err(error.into());
                }
                next
            }
        };
        // Mostly it is near: not counted from the start.
        let (of, places) = if next >= index { (rest, next - index) } else { (text, next) };
        points = wtf8::code_points(&of[wtf8::offset(of, places).unwrap_or(of.len())..]);
        index = next;
    }
}

/// Appends a code point; whether the encoding has it.
fn encode_point(out: &mut Vec<u8>, encoding: Encoding, point: u32) -> bool {
    match encoding {
        Encoding::Ascii if point >= 0x80 => return false,
        Encoding::Latin1 if point >= 0x100 => return false,
        Encoding::Ascii | Encoding::Latin1 => out.push(point as u8),
        Encoding::Charmap(map) => match map.encode(point) {
            Some(byte) => out.push(byte),
            None => return false,
        },
        Encoding::UnicodeEscape => match point {
            0x5c => out.extend_from_slice(b"\\\\"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x20..0x7f => out.push(point as u8),
            _ => escape_into(out, point),
        },
        Encoding::RawUnicodeEscape if point < 0x100 => out.push(point as u8),
        Encoding::RawUnicodeEscape => escape_into(out, point),
        Encoding::Utf7 => utf7::encode(std::iter::once(point), out),
        _ if wtf8::is_surrogate(point) => return false,
        Encoding::Utf8 | Encoding::Utf8Sig => wtf8::push(out, point),
        Encoding::Utf16(order) => match point {
            0..0x1_0000 => push_unit(out, order, point as u16),
            _ => {
                push_unit(out, order, 0xd800 | ((point - 0x1_0000) >> 10) as u16);
                push_unit(out, order, 0xdc00 | (point & 0x3ff) as u16);
            }
        },
        Encoding::Utf32(order) => push_long_unit(out, order, point),
    }
    true
}

fn escape_into(out: &mut Vec<u8>, point: u32) {
    let mut text = String::new();
    push_escape(&mut text, point);
    out.extend_from_slice(text.as_bytes());
}

/// Decodes bytes that come in pieces.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    started: bool,
    pending: Vec<u8>,
}

impl Decoder {
    /// Before the first byte.
    pub fn new(encoding: Encoding) -> Decoder {
        Decoder { encoding, started: false, pending: Vec::new() }
    }

    /// The text of the next bytes; `last` says that no more come. Errors count from the bytes held back before.
    pub fn feed(&mut self, bytes: &[u8], last: bool, handler: Handler) -> Result<Vec<u8>, (Stopped, Vec<u8>)> {
        let joined;
        let input = if self.pending.is_empty() {
            bytes
        } else {
            self.pending.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.pending);
            &joined[..]
        };
        let mut out = Vec::with_capacity(input.len());
        if !self.started && !self.start(input, last) {
            self.pending = input.to_vec();
            return Ok(out);
        }
        let encoding = self.encoding;
        let mut handle = |error| handler.decode_error(encoding, input, error);
        let taken = decode_part(input, encoding, last, &mut out, &mut handle).map_err(|stop| (stop, input.to_vec()))?;
        self.encoding = self.settled(input);
        self.pending = input[taken..].to_vec();
        Ok(out)
    }

    /// Keeps bytes of an unfinished end, after somebody else decoded what came before.
    pub fn keep(&mut self, rest: &[u8]) {
        self.started = true;
        self.pending = rest.to_vec();
    }

    /// Whether there are enough bytes to see a byte order mark.
    fn start(&mut self, input: &[u8], last: bool) -> bool {
        let needed = match self.encoding {
            Encoding::Utf8Sig if b"\xef\xbb\xbf".starts_with(&input[..input.len().min(3)]) => 3,
            Encoding::Utf16(None) => 2,
            Encoding::Utf32(None) => 4,
            _ => 0,
        };
        last || input.len() >= needed
    }

    /// After the start, a mark is text, and the order is known.
    fn settled(&mut self, input: &[u8]) -> Encoding {
        if self.started || input.is_empty() {
            return self.encoding;
        }
        self.started = true;
        match (self.encoding, input) {
            (Encoding::Utf8Sig, _) => Encoding::Utf8,
            (Encoding::Utf16(None), [0xfe, 0xff, ..]) => Encoding::Utf16(Some(Order::Big)),
            (Encoding::Utf16(None), _) => Encoding::Utf16(Some(Order::Little)),
            (Encoding::Utf32(None), [0, 0, 0xfe, 0xff, ..]) => Encoding::Utf32(Some(Order::Big)),
            (Encoding::Utf32(None), _) => Encoding::Utf32(Some(Order::Little)),
            (encoding, _) => encoding,
        }
    }

    /// The bytes held back.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Forgets everything fed so far; `encoding` as it was given.
    pub fn reset(&mut self, encoding: Encoding) {
        *self = Decoder::new(encoding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], encoding: &str, handler: &str) -> String {
        let (encoding, handler) = (Encoding::lookup(encoding).unwrap(), Handler::lookup(handler).unwrap());
        match decode(bytes, encoding, handler) {
            Ok(text) => super::super::repr::ascii_text(&text),
            Err(Stopped::Error(error)) => error.decode_message(bytes),
            Err(Stopped::WrongHandler) => "wrong handler".into(),
        }
    }

    fn encoded(text: &str, encoding: &str, handler: &str) -> String {
        let ascii: String =
            text.chars().map(|c| if c.is_ascii() { c.into() } else { format!("\\U{:08x}", c as u32) }).collect();
        let escapes = Encoding::lookup("unicode_escape").unwrap();
        let Ok(text) = decode(ascii.as_bytes(), escapes, Handler::Strict) else { panic!("{text} is no literal") };
        let (encoding, handler) = (Encoding::lookup(encoding).unwrap(), Handler::lookup(handler).unwrap());
        match encode(&text, encoding, handler) {
            Ok(bytes) => super::super::repr::bytes(&bytes),
            Err(Stopped::Error(error)) => error.encode_message(&text),
            Err(Stopped::WrongHandler) => "wrong handler".into(),
        }
    }

    #[test]
    fn decoding() {
        for (bytes, encoding, handler, result) in [
            (&b"\xff"[..], "utf-8", "strict", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
            (
                b"ab\xe2\x82",
                "utf8",
                "strict",
                "'utf-8' codec can't decode bytes in position 2-3: unexpected end of data",
            ),
            (
                b"\xe2\x82a",
                "U8",
                "strict",
                "'utf-8' codec can't decode bytes in position 0-1: invalid continuation byte",
            ),
            (b"\xf0\x9f\x98a\xff", "utf-8", "backslashreplace", "'\\\\xf0\\\\x9f\\\\x98a\\\\xff'"),
            (b"\xed\xa0\x80", "utf-8", "surrogatepass", "'\\ud800'"),
            (b"\xff\xe2\x82", "utf-8", "surrogateescape", "'\\udcff\\udce2\\udc82'"),
            (b"\xe2(\xa1", "utf-8", "replace", "'\\ufffd(\\ufffd'"),
            (
                b"a\xff",
                "ascii",
                "surrogatepass",
                "'ascii' codec can't decode byte 0xff in position 1: ordinal not in range(128)",
            ),
            (b"a", "utf-16", "strict", "'utf-16-le' codec can't decode byte 0x61 in position 0: truncated data"),
            (b"\xfe\xff\x00a", "utf-16", "strict", "'a'"),
            (b"\x00\xd8a\x00", "utf-16-le", "replace", "'\\ufffda'"),
            (b"\x00\xd8\x00\x00", "utf-32-le", "surrogatepass", "'\\ud800'"),
            (
                b"\x81",
                "cp1252",
                "strict",
                "'charmap' codec can't decode byte 0x81 in position 0: character maps to <undefined>",
            ),
            (b"\\u65e5\\n\\q\\N{BULLET}", "unicode_escape", "strict", "'\\u65e5\\n\\\\q\\u2022'"),
            (b"\\u65e5\\n\xe9", "raw_unicode_escape", "strict", "'\\u65e5\\\\n\\xe9'"),
            (b"\xff", "utf-8", "namereplace", "wrong handler"),
        ] {
            assert_eq!(decoded(bytes, encoding, handler), result);
        }
    }

    #[test]
    fn encoding() {
        for (text, encoding, handler, result) in [
            (
                r"a\ud800\udc00b",
                "utf-8",
                "strict",
                "'utf-8' codec can't encode characters in position 1-2: surrogates not allowed",
            ),
            (
                r"\ud800",
                "utf-16",
                "strict",
                "'utf-16' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
            ),
            (
                r"\udcff\ud800",
                "utf-8",
                "surrogateescape",
                "'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed",
            ),
            ("é日😀", "ascii", "xmlcharrefreplace", "b'&#233;&#26085;&#128512;'"),
            (
                "é日😀",
                "ascii",
                "namereplace",
                r"b'\\N{LATIN SMALL LETTER E WITH ACUTE}\\N{CJK UNIFIED IDEOGRAPH-65E5}\\N{GRINNING FACE}'",
            ),
            (
                "é日a",
                "latin-1",
                "strict",
                "'latin-1' codec can't encode character '\\u65e5' in position 1: ordinal not in range(256)",
            ),
            ("é€", "cp1252", "strict", r"b'\xe9\x80'"),
            ("a😀", "utf-32", "strict", r"b'\xff\xfe\x00\x00a\x00\x00\x00\x00\xf6\x01\x00'"),
            (r"\ud800", "utf-16-le", "replace", r"b'?\x00'"),
            ("a", "utf-8-sig", "strict", r"b'\xef\xbb\xbfa'"),
            (r"日\n\\é", "unicode-escape", "strict", r"b'\\u65e5\\n\\\\\\xe9'"),
        ] {
            assert_eq!(encoded(text, encoding, handler), result);
        }
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let text = "\u{feff}aé日😀z";
        for name in ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le"] {
            let encoding = Encoding::lookup(name).unwrap();
            let bytes = encode(text.as_bytes(), encoding, Handler::Strict).unwrap();
            let mut decoder = Decoder::new(encoding);
            let mut out = Vec::new();
            for byte in bytes.iter() {
                out.extend(decoder.feed(&[*byte], false, Handler::Strict).unwrap());
            }
            out.extend(decoder.feed(&[], true, Handler::Strict).unwrap());
            assert_eq!(out, text.as_bytes(), "{name}");
        }
        let mut decoder = Decoder::new(Encoding::Utf8);
        assert_eq!(decoder.feed(b"a\xe2\x82", false, Handler::Strict).unwrap(), b"a");
        assert_eq!(decoder.pending(), b"\xe2\x82");
        assert!(decoder.feed(b"", true, Handler::Strict).is_err());
    }
}
