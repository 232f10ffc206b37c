//! Backslash escapes: in the literals of scripts, and in the codecs `unicode_escape` and `raw_unicode_escape`.

use super::{names, wtf8};

/// What follows a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// A code point, spelled with so many bytes after the backslash.
    Point(u32, usize),
    /// A line end, which goes.
    Nothing(usize),
    /// No escape: the backslash stands for itself.
    Unknown,
    /// Malformed, over so many bytes after the backslash.
    Malformed(usize, &'static str),
}

/// Reads what follows a backslash. In bytes, `\N`, `\u` and `\U` are no escapes.
pub(super) fn read(rest: &[u8], text: bool) -> Escape {
    let Some(&first) = rest.first() else { return Escape::Malformed(0, "\\ at end of string") };
    let point = match first {
        b'\n' => return Escape::Nothing(1),
        b'\\' | b'\'' | b'"' => first,
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0'..=b'7' => {
            let digits = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let point = rest[..digits].iter().fold(0, |point, byte| point << 3 | (byte - b'0') as u32);
            return Escape::Point(point, digits);
        }
        b'x' => return read_hex(rest, 2, "truncated \\xXX escape"),
        b'u' if text => return read_hex(rest, 4, "truncated \\uXXXX escape"),
        b'U' if text => return read_hex(rest, 8, "truncated \\UXXXXXXXX escape"),
        b'N' if text => return read_name(rest),
        _ => return Escape::Unknown,
    };
    Escape::Point(point as u32, 1)
}

fn read_hex(rest: &[u8], count: usize, truncated: &'static str) -> Escape {
    let digits = rest[1..].iter().take(count).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits < count {
        return Escape::Malformed(1 + digits, truncated);
    }
    let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap_or(0);
    let point = rest[1..=count].iter().fold(0u32, |point, byte| point << 4 | digit(byte));
    if point > 0x10_ffff {
        return Escape::Malformed(1 + count, "illegal Unicode character");
    }
    Escape::Point(point, 1 + count)
}

fn read_name(rest: &[u8]) -> Escape {
    const MALFORMED: &str = "malformed \\N character escape";
    if rest.get(1) != Some(&b'{') {
        return Escape::Malformed(1, MALFORMED);
    }
    let Some(length) = rest[2..].iter().position(|&byte| byte == b'}').filter(|&length| length > 0) else {
        let end = rest[2..].iter().position(|&byte| byte == b'}').map_or(rest.len(), |at| at + 2);
        return Escape::Malformed(end, MALFORMED);
    };
    let name = std::str::from_utf8(&rest[2..2 + length]).ok().and_then(names::lookup);
    match name {
        Some(c) => Escape::Point(c as u32, length + 3),
        None => Escape::Malformed(length + 3, "unknown Unicode character name"),
    }
}

/// Why a literal can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscapeError {
    /// Where in the literal's body the escape is, and how many bytes of it.
    pub span: std::ops::Range<usize>,
    /// CPython's whole message, such as `(unicode error) 'unicodeescape' codec can't decode …`.
    pub message: String,
}

/// An escape that means nothing, which gets a SyntaxWarning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEscape {
    /// Where in the literal's body the backslash is.
    pub offset: usize,
    /// The warning's message.
    pub message: String,
}

impl InvalidEscape {
    fn new(offset: usize, escape: &[u8], octal: bool) -> InvalidEscape {
        let (escape, octal) = (String::from_utf8_lossy(escape), if octal { "octal " } else { "" });
        let message = format!(
            "\"\\{escape}\" is an invalid {octal}escape sequence. Such sequences will not work in the future. \
             Did you mean \"\\\\{escape}\"? A raw string is also an option."
        );
        InvalidEscape { offset, message }
    }
}

/// The value of a string literal's body, in generalised UTF-8, and its first invalid escape.
pub fn decode_text_literal(body: &str) -> Result<(Vec<u8>, Option<InvalidEscape>), EscapeError> {
    let bytes = body.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut invalid = None;
    let mut at = 0;
    while let Some(run) = memchr::memchr(b'\\', &bytes[at..]) {
        out.extend_from_slice(&bytes[at..at + run]);
        at += run;
        let rest = &bytes[at + 1..];
        match read(rest, true) {
            Escape::Point(point, length) => {
                if point > 0xff && rest[0].is_ascii_digit() {
                    invalid.get_or_insert_with(|| InvalidEscape::new(at, &rest[..length], true));
                }
                wtf8::push(&mut out, point);
                at += 1 + length;
            }
            Escape::Nothing(length) => at += 1 + length,
            Escape::Unknown => {
                if rest[0].is_ascii() {
                    invalid.get_or_insert_with(|| InvalidEscape::new(at, &rest[..1], false));
                }
                out.push(b'\\');
                at += 1;
            }
            Escape::Malformed(length, reason) => {
                // CPython counts in its own copy of the text, where other than ASCII characters are `\U` escapes.
                let start = counted(&bytes[..at]);
                let end = start + counted(&bytes[at..=at + length]);
                let place = match end - start {
                    1 => format!("byte 0x5c in position {start}"),
                    _ => format!("bytes in position {start}-{}", end - 1),
                };
                let message = format!("(unicode error) 'unicodeescape' codec can't decode {place}: {reason}");
                return Err(EscapeError { span: at..at + 1 + length, message });
            }
        }
    }
    out.extend_from_slice(&bytes[at..]);
    Ok((out, invalid))
}

fn counted(text: &[u8]) -> usize {
    let mut count = 0;
    let mut after_backslash = false;
    for &byte in text {
        match byte {
            0..0x80 => count += 1,
            // A backslash before such a character is an escape of its own there.
            0xc0.. => count += 10 + if after_backslash { 5 } else { 0 },
            _ => {}
        }
        after_backslash = byte == b'\\' && !after_backslash;
    }
    count
}

/// The value of a bytes literal's body, and its first invalid escape.
pub fn decode_bytes_literal(body: &str) -> Result<(Vec<u8>, Option<InvalidEscape>), EscapeError> {
    let bytes = body.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut invalid = None;
    let mut at = 0;
    while let Some(run) = memchr::memchr(b'\\', &bytes[at..]) {
        out.extend_from_slice(&bytes[at..at + run]);
        at += run;
        let rest = &bytes[at + 1..];
        match read(rest, false) {
            Escape::Point(point, length) => {
                if point > 0xff {
                    invalid.get_or_insert_with(|| InvalidEscape::new(at, &rest[..length], true));
                }
                out.push(point as u8);
                at += 1 + length;
            }
            Escape::Nothing(length) => at += 1 + length,
            Escape::Unknown => {
                invalid.get_or_insert_with(|| InvalidEscape::new(at, &rest[..1], false));
                out.push(b'\\');
                at += 1;
            }
            Escape::Malformed(length, _) => {
                let message = match length {
                    0 => "(value error) Trailing \\ in string".to_owned(),
                    _ => format!("(value error) invalid \\x escape at position {at}"),
                };
                return Err(EscapeError { span: at..at + 1 + length, message });
            }
        }
    }
    out.extend_from_slice(&bytes[at..]);
    Ok((out, invalid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let text = |body| decode_text_literal(body).unwrap();
        assert_eq!(text(r"a\n\x41\101\u65e5\U0001f600\N{BULLET}\'\\").0, "a\nAA日😀•'\\".as_bytes());
        assert_eq!(text(r"\ud800é").0, b"\xed\xa0\x80\xc3\xa9");
        assert_eq!(text("a\\\nb").0, b"ab");
        let (value, invalid) = text(r"a\d\e");
        assert_eq!(value, br"a\d\e");
        let invalid = invalid.unwrap();
        assert_eq!(invalid.offset, 1);
        assert!(invalid.message.starts_with("\"\\d\" is an invalid escape sequence."), "{}", invalid.message);
        assert!(text(r"\400").1.is_some_and(|invalid| invalid.message.contains("invalid octal escape")));
        assert!(text(r"\é").1.is_none());
        assert_eq!(decode_bytes_literal(r"\x41\u65e5\777").unwrap().0, b"A\\u65e5\xff");
    }

    #[test]
    fn errors() {
        for (body, message) in [
            (r"\N{foo}", "bytes in position 0-6: unknown Unicode character name"),
            (r"\x4", "bytes in position 0-2: truncated \\xXX escape"),
            (r"\U00110000", "bytes in position 0-9: illegal Unicode character"),
            (r"日\x", "bytes in position 10-11: truncated \\xXX escape"),
            (r"a\日\x", "bytes in position 17-18: truncated \\xXX escape"),
            (r"\N{}", "bytes in position 0-2: malformed \\N character escape"),
            (r"ab\N{LATIN SMALL LETTER", "bytes in position 2-22: malformed \\N character escape"),
        ] {
            let expected = format!("(unicode error) 'unicodeescape' codec can't decode {message}");
            assert_eq!(decode_text_literal(body).unwrap_err().message, expected);
        }
        let fault = decode_bytes_literal(r"ab\x1").unwrap_err();
        assert_eq!((fault.message.as_str(), fault.span), ("(value error) invalid \\x escape at position 2", 2..5));
    }
}
