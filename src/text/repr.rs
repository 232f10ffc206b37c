//! `repr` and `ascii` of text and bytes: the quotes are chosen and what can't be seen is escaped.

use super::{unicode, wtf8};
use std::fmt::Write;

fn quote_for(text: &[u8]) -> u8 {
    if memchr::memchr(b'\'', text).is_some() && memchr::memchr(b'"', text).is_none() { b'"' } else { b'\'' }
}

/// `repr(text)`; always UTF-8, as surrogates are escaped.
pub fn text(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_text(&mut out, text);
    out
}

/// Appends `repr(text)`.
pub fn push_text(out: &mut String, text: &[u8]) {
    push_quoted(out, text, unicode::is_printable);
}

/// `ascii(text)`.
pub fn ascii_text(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text, |_| false);
    out
}

/// `ascii` of an object: its `repr` with escapes for what isn't ASCII.
pub fn ascii_of_repr(shown: &[u8]) -> String {
    let mut out = String::with_capacity(shown.len());
    wtf8::code_points(shown).for_each(|point| match point {
        0..0x80 => out.push(point as u8 as char),
        _ => push_escape(&mut out, point),
    });
    out
}

fn push_quoted(out: &mut String, text: &[u8], shown: fn(u32) -> bool) {
    let quote = quote_for(text);
    out.push(quote as char);
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != quote && byte != b'\\';
    let mut rest = text;
    loop {
        let run = rest.iter().position(|&byte| !plain(byte)).unwrap_or(rest.len());
        out.push_str(std::str::from_utf8(&rest[..run]).expect("plain bytes are ASCII"));
        let mut points = wtf8::code_points(&rest[run..]);
        let Some(point) = points.next() else { break };
        rest = points.rest();
        match point {
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x20..0x7f => out.extend(['\\', point as u8 as char]),
            _ => match char::from_u32(point) {
                Some(c) if point >= 0x80 && shown(point) => out.push(c),
                _ => push_escape(out, point),
            },
        }
    }
    out.push(quote as char);
}

/// Appends `\xhh`, `\uhhhh` or `\Uhhhhhhhh`, the shortest that fits.
pub fn push_escape(out: &mut String, point: u32) {
    match point {
        0..0x100 => write!(out, "\\x{point:02x}"),
        0x100..0x1_0000 => write!(out, "\\u{point:04x}"),
        _ => write!(out, "\\U{point:08x}"),
    }
    .expect("a String takes all text");
}

/// `repr(bytes)`.
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 3);
    push_bytes(&mut out, bytes);
    out
}

/// Appends `repr(bytes)`.
pub fn push_bytes(out: &mut String, bytes: &[u8]) {
    let quote = quote_for(bytes);
    out.push('b');
    out.push(quote as char);
    for &byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ if byte == quote || byte == b'\\' => out.extend(['\\', byte as char]),
            0x20..0x7f => out.push(byte as char),
            _ => push_escape(out, byte as u32),
        }
    }
    out.push(quote as char);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes() {
        for (value, shown, ascii) in [
            ("abc", "'abc'", "'abc'"),
            ("it's", "\"it's\"", "\"it's\""),
            ("\"it's\"", "'\"it\\'s\"'", "'\"it\\'s\"'"),
            ("a\n\r\t\\\0\x7f", "'a\\n\\r\\t\\\\\\x00\\x7f'", "'a\\n\\r\\t\\\\\\x00\\x7f'"),
            ("é日😀", "'é日😀'", "'\\xe9\\u65e5\\U0001f600'"),
            ("\u{a0}\u{3000}\u{e000}", "'\\xa0\\u3000\\ue000'", "'\\xa0\\u3000\\ue000'"),
        ] {
            assert_eq!(text(value.as_bytes()), shown);
            assert_eq!(ascii_text(value.as_bytes()), ascii);
        }
        assert_eq!(text(b"\xed\xa0\x80"), "'\\ud800'");
        assert_eq!(bytes(b"a'\n\xff\\"), "b\"a'\\n\\xff\\\\\"");
        assert_eq!(ascii_of_repr("Point('é')".as_bytes()), "Point('\\xe9')");
    }
}
