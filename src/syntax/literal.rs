//! The values of literals: numbers, and the escapes of strings and bytes.

use num_bigint::BigUint;

use crate::text::escape::simple;
use crate::text::names;

use super::ast::Constant;

/// Decimal integers beyond this many digits are refused: reading them is quadratic.
const MAX_DIGITS: usize = 4300;

/// The value of a number token that the lexer accepted.
pub(super) fn number(text: &str) -> Result<Constant, String> {
    let clean;
    let text = if text.contains('_') {
        clean = text.replace('_', "");
        &clean
    } else {
        text
    };
    let radix = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => 10,
    };
    if radix != 10 {
        return Ok(integer(&text[2..], radix));
    }
    if let Some(imaginary) = text.strip_suffix(['j', 'J']) {
        return Ok(Constant::Complex(float(imaginary)));
    }
    if text.contains(['.', 'e', 'E']) {
        return Ok(Constant::Float(float(text)));
    }
    if text.len() > MAX_DIGITS {
        return Err(format!(
            "Exceeds the limit ({MAX_DIGITS} digits) for integer string conversion: value has {} digits; \
             use sys.set_int_max_str_digits() to increase the limit \
             - Consider hexadecimal for huge integer literals to avoid decimal conversion limits.",
            text.len()
        ));
    }
    Ok(integer(text, 10))
}

fn float(text: &str) -> f64 {
    text.parse().unwrap_or(0.0)
}

fn integer(digits: &str, radix: u32) -> Constant {
    match i64::from_str_radix(digits, radix) {
        Ok(small) => Constant::Int(small),
        Err(_) => {
            let big = BigUint::parse_bytes(digits.as_bytes(), radix).unwrap_or_default();
            Constant::BigInt(Box::new(big))
        }
    }
}

/// What is wrong with an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Escape {
    /// `\d`: kept as it is, with a warning. The offset of the backslash and the text of the escape.
    Doubtful(usize, String),
    /// The literal is wrong; CPython's words.
    Bad(String),
}

/// A string's content without prefix and quotes.
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    pub(super) has_surrogates: bool,
}

/// How to read the content of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) raw: bool,
    pub(super) bytes: bool,
    /// Text of an f-string: doubled braces are one.
    pub(super) braces: bool,
}

/// Decode `content`, reporting escapes to `report`.
pub(super) fn decode(content: &str, mode: Mode, report: &mut dyn FnMut(Escape)) -> Decoded {
    let text = content.as_bytes();
    let mut out = Decoded { bytes: Vec::with_capacity(text.len()), has_surrogates: false };
    let special = |byte: u8| match byte {
        b'\\' => !mode.raw,
        b'\r' => true,
        b'{' | b'}' => mode.braces,
        _ => false,
    };
    let mut at = 0;
    let mut warned = false;
    loop {
        let run = text[at..].iter().position(|&byte| special(byte)).map_or(text.len(), |skip| at + skip);
        out.bytes.extend_from_slice(&text[at..run]);
        at = run;
        let Some(&byte) = text.get(at) else { return out };
        match byte {
            b'\r' => {
                out.bytes.push(b'\n');
                at += 1 + usize::from(text.get(at + 1) == Some(&b'\n'));
            }
            b'{' | b'}' => {
                out.bytes.push(byte);
                at += 1 + usize::from(text.get(at + 1) == Some(&byte));
            }
            _ => {
                let doubtful = |escape: Escape| {
                    if let Escape::Doubtful(..) = escape
                        && std::mem::replace(&mut warned, true)
                    {
                        return;
                    }
                    report(escape);
                };
                at = escape(content, at, mode, &mut out, doubtful);
            }
        }
    }
}

/// Decode the escape whose backslash is at `at`; where to go on.
fn escape(content: &str, at: usize, mode: Mode, out: &mut Decoded, mut report: impl FnMut(Escape)) -> usize {
    let text = content.as_bytes();
    let Some(&letter) = text.get(at + 1) else {
        out.bytes.push(b'\\');
        return at + 1;
    };
    if let Some(byte) = simple(letter) {
        out.bytes.push(byte);
        return at + 2;
    }
    match letter {
        b'\n' => at + 2,
        b'\r' => at + 2 + usize::from(text.get(at + 2) == Some(&b'\n')),
        b'0'..=b'7' => {
            let digits = text[at + 1..].iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
            let digits = &content[at + 1..at + 1 + digits];
            let code = u32::from_str_radix(digits, 8).unwrap_or(0);
            if code > 0o377 {
                report(Escape::Doubtful(at, digits.into()));
            }
            if mode.bytes {
                out.bytes.push(code as u8)
            } else {
                push_code(code, out)
            }
            at + 1 + digits.len()
        }
        b'x' => hex(content, at, 2, mode, out, report),
        b'u' if !mode.bytes => hex(content, at, 4, mode, out, report),
        b'U' if !mode.bytes => hex(content, at, 8, mode, out, report),
        b'N' if !mode.bytes => named(content, at, out, report),
        _ => {
            let char = content[at + 1..].chars().next().expect("there is a byte");
            if char.is_ascii() {
                report(Escape::Doubtful(at, char.to_string()));
            }
            out.bytes.push(b'\\');
            if mode.braces && matches!(letter, b'{' | b'}') {
                return at + 1;
            }
            out.bytes.extend_from_slice(&content.as_bytes()[at + 1..at + 1 + char.len_utf8()]);
            at + 1 + char.len_utf8()
        }
    }
}

fn hex(content: &str, at: usize, width: usize, mode: Mode, out: &mut Decoded, mut report: impl FnMut(Escape)) -> usize {
    let text = content.as_bytes();
    let found = text[at + 2..].iter().take(width).take_while(|digit| digit.is_ascii_hexdigit()).count();
    let end = at + 2 + found;
    if found < width {
        report(Escape::Bad(if mode.bytes {
            format!("(value error) invalid \\x escape at position {at}")
        } else {
            let form = match width {
                2 => "\\xXX",
                4 => "\\uXXXX",
                _ => "\\UXXXXXXXX",
            };
            format!(
                "(unicode error) 'unicodeescape' codec can't decode bytes in position {}-{}: truncated {form} escape",
                position(content, at),
                position(content, end) - 1
            )
        }));
        return end;
    }
    let code = u32::from_str_radix(&content[at + 2..end], 16).unwrap_or(0);
    if mode.bytes {
        out.bytes.push(code as u8);
    } else if code > 0x10_ffff {
        report(Escape::Bad(format!(
            "(unicode error) 'unicodeescape' codec can't decode bytes in position {}-{}: illegal Unicode character",
            position(content, at),
            position(content, end) - 1
        )));
    } else {
        push_code(code, out);
    }
    end
}

fn named(content: &str, at: usize, out: &mut Decoded, mut report: impl FnMut(Escape)) -> usize {
    let rest = &content[at + 2..];
    let mut fail = |end: usize, what: &str| {
        report(Escape::Bad(format!(
            "(unicode error) 'unicodeescape' codec can't decode bytes in position {}-{}: {what}",
            position(content, at),
            position(content, end).max(1) - 1
        )));
        end
    };
    let Some(name) = rest.strip_prefix('{').and_then(|rest| rest.find('}').map(|end| &rest[..end])) else {
        let end = if rest.starts_with('{') { content.len() } else { at + 2 };
        return fail(end, "malformed \\N character escape");
    };
    let end = at + 4 + name.len();
    if name.is_empty() {
        return fail(end, "malformed \\N character escape");
    }
    match names::lookup(name) {
        Some(char) => {
            push_code(char as u32, out);
            end
        }
        None => fail(end, "unknown Unicode character name"),
    }
}

/// The position a codec's message gives: it sees the literal with each character beyond ASCII as a ten-byte escape.
fn position(content: &str, at: usize) -> usize {
    content[..at].chars().map(|char| if char.is_ascii() { 1 } else { 10 }).sum()
}

/// Append a code point as generalised UTF-8.
fn push_code(code: u32, out: &mut Decoded) {
    match char::from_u32(code) {
        Some(char) => out.bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            out.has_surrogates = true;
            out.bytes.extend_from_slice(&[
                0xe0 | (code >> 12) as u8,
                0x80 | (code >> 6 & 0x3f) as u8,
                0x80 | (code & 0x3f) as u8,
            ]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(content: &str) -> (Vec<u8>, Vec<Escape>) {
        let mut escapes = Vec::new();
        let mode = Mode { raw: false, bytes: false, braces: false };
        let decoded = decode(content, mode, &mut |escape| escapes.push(escape));
        (decoded.bytes, escapes)
    }

    #[test]
    fn escapes_become_characters() {
        assert_eq!(plain(r"a\n\x41\101\u00e9\U0001F600\N{BULLET}\\").0, "a\nAAé😀•\\".as_bytes());
        assert_eq!(plain("a\\\nb\r\nc\rd").0, b"ab\nc\nd");
        assert_eq!(plain(r"\d").0, br"\d");
        assert_eq!(plain(r"\d").1, [Escape::Doubtful(0, "d".into())]);
        assert_eq!(plain(r"\ud800").0, [0xed, 0xa0, 0x80]);
    }

    #[test]
    fn numbers_have_values() {
        assert!(matches!(number("0x_ff"), Ok(Constant::Int(255))));
        assert!(matches!(number("1_000"), Ok(Constant::Int(1000))));
        assert!(matches!(number("9223372036854775808"), Ok(Constant::BigInt(_))));
        assert!(matches!(number("1e3"), Ok(Constant::Float(value)) if value == 1000.0));
        assert!(matches!(number("2.5J"), Ok(Constant::Complex(value)) if value == 2.5));
        assert!(number(&"9".repeat(4301)).is_err());
        assert!(number(&"0".repeat(3)).is_ok());
    }
}
