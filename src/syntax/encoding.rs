//! The bytes of a source file as text: byte order mark, encoding declaration, UTF-8.

use std::fmt;

use crate::text::codec::{self, Encoding, Handler, Stopped};

/// Why bytes are no source text, in the words of the `SyntaxError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// CPython's message, without the ` (file, line N)` of its `str`.
    pub message: String,
    /// The line it is about, from 1; 0 if it is about the whole file.
    pub line: u32,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SourceError {}

/// Decode a source file: UTF-8 unless its first or second line declares another encoding.
///
/// Those there is no codec for are refused by name. A byte order mark is dropped.
pub fn decode_source(bytes: &[u8], name: &str) -> Result<String, SourceError> {
    let (bytes, marked) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    let declared = declaration(bytes);
    let normal = declared.map(|encoding| {
        let lower: String = String::from_utf8_lossy(encoding).to_ascii_lowercase().replace('_', "-");
        lower.chars().take(12).collect::<String>()
    });
    let is = |encoding: &str, name: &str| encoding == name || encoding.starts_with(&format!("{name}-"));
    match normal.as_deref() {
        Some(encoding) if ["latin-1", "iso-8859-1", "iso-latin-1"].iter().any(|name| is(encoding, name)) => {
            if marked {
                let message = format!("encoding problem: {} with BOM", encoding);
                return Err(SourceError { message, line: 0 });
            }
            Ok(bytes.iter().map(|&byte| byte as char).collect())
        }
        Some("latin1" | "latin" | "l1" | "iso8859-1" | "8859" | "cp819") => {
            Ok(bytes.iter().map(|&byte| byte as char).collect())
        }
        Some(encoding) if is(encoding, "utf-8") || matches!(encoding, "utf8" | "u8" | "utf8-sig") => utf8(bytes, name),
        Some("ascii" | "us-ascii" | "646") => {
            if let Some(at) = bytes.iter().position(|byte| !byte.is_ascii()) {
                let message = format!(
                    "(unicode error) 'ascii' codec can't decode byte 0x{:02x} in position {at}: ordinal not in range(128)",
                    bytes[at]
                );
                return Err(SourceError { message, line: 0 });
            }
            utf8(bytes, name)
        }
        Some(_) => {
            let encoding = String::from_utf8_lossy(declared.unwrap_or_default());
            if marked {
                return Err(SourceError { message: format!("encoding problem: {encoding} with BOM"), line: 0 });
            }
            by_codec(bytes, &encoding)
        }
        None => utf8(bytes, name),
    }
}

/// The text by the codec with a name.
fn by_codec(bytes: &[u8], name: &str) -> Result<String, SourceError> {
    let refused = |message: String| SourceError { message, line: 0 };
    let encoding = Encoding::lookup(name).ok_or_else(|| refused(format!("unknown encoding: {name}")))?;
    match codec::decode(bytes, encoding, Handler::Strict) {
        Ok(text) => {
            let what = "(unicode error) the text has surrogates without their other halves";
            String::from_utf8(text.into_owned()).map_err(|_| refused(what.to_owned()))
        }
        Err(Stopped::Error(error)) => Err(refused(format!("(unicode error) {}", error.decode_message(bytes)))),
        Err(Stopped::WrongHandler) => Err(refused(format!("(unicode error) '{name}' can't decode this"))),
    }
}

fn utf8(bytes: &[u8], name: &str) -> Result<String, SourceError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            let line = 1 + super::lexer::line_ends(&bytes[..at]) as u32;
            let message = format!(
                "Non-UTF-8 code starting with '\\x{:02x}' in file {name} on line {line}, but no encoding declared; \
                 see https://peps.python.org/pep-0263/ for details",
                bytes[at]
            );
            Err(SourceError { message, line })
        }
    }
}

/// The encoding that a comment on the first or second line declares: `coding[:=]\s*([-\w.]+)`.
fn declaration(bytes: &[u8]) -> Option<&[u8]> {
    for line in bytes.split(|&byte| byte == b'\n').take(2) {
        let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\x0c' | b'\r'));
        let Some(start) = start else { continue };
        let comment = &line[start..];
        if comment[0] != b'#' {
            return None;
        }
        for at in memchr::memmem::find_iter(comment, b"coding") {
            let [b':' | b'=', rest @ ..] = &comment[at + 6..] else { continue };
            let rest = rest.trim_ascii_start();
            let len = rest
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
                .count();
            if len > 0 {
                return Some(&rest[..len]);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_encodings_are_honoured() {
        assert_eq!(decode_source(b"\xef\xbb\xbfx = 1", "f"), Ok("x = 1".into()));
        assert_eq!(decode_source("é".as_bytes(), "f"), Ok("é".into()));
        assert!(decode_source(b"#!/x\n# -*- coding: latin-1 -*-\n'\xe9'", "f").is_ok_and(|text| text.ends_with("é'")));
        assert!(decode_source(b"x = 1\n# coding: latin-1\n'\xe9'", "f").is_err(), "only a comment line declares");
        assert!(decode_source(b"# coding: ascii\n'\xe9'", "f").is_err());
        assert_eq!(decode_source(b"# coding: koi8-r\n'\xc1'", "f"), Ok("# coding: koi8-r\n'\u{430}'".into()));
        assert!(decode_source(b"# coding: cp1252\n'\x81'", "f").is_err());
        assert_eq!(decode_source(b"# coding: klingon\n", "f").unwrap_err().message, "unknown encoding: klingon");
    }

    #[test]
    fn bytes_that_are_no_text_name_their_line() {
        let error = decode_source(b"x\n\xff", "f.aio").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.message.starts_with("Non-UTF-8 code starting with '\\xff' in file f.aio on line 2"));
    }
}
