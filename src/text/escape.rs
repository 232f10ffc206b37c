//! Backslash escapes as the codecs `unicode_escape` and `raw_unicode_escape` read them. Literals of scripts have diagnostics of their own
//! (`syntax/literal.rs`).

use super::names;

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
        b'0'..=b'7' => {
            let digits = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let point = rest[..digits].iter().fold(0, |point, byte| point << 3 | (byte - b'0') as u32);
            return Escape::Point(point, digits);
        }
        b'x' => return read_hex(rest, 2, "truncated \\xXX escape"),
        b'u' if text => return read_hex(rest, 4, "truncated \\uXXXX escape"),
        b'U' if text => return read_hex(rest, 8, "truncated \\UXXXXXXXX escape"),
        b'N' if text => return read_name(rest),
        _ => match simple(first) {
            Some(byte) => byte,
            None => return Escape::Unknown,
        },
    };
    Escape::Point(u32::from(point), 1)
}

/// What an escape of one letter means.
pub fn simple(letter: u8) -> Option<u8> {
    Some(match letter {
        b'\\' | b'\'' | b'"' => letter,
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (rest, value) in [
            (r"n", Escape::Point(10, 1)),
            (r"101", Escape::Point(0x41, 3)),
            (r"777", Escape::Point(0x1ff, 3)),
            (r"x41", Escape::Point(0x41, 3)),
            (r"u65e5", Escape::Point('日' as u32, 5)),
            (r"ud800", Escape::Point(0xd800, 5)),
            (r"U0001f600", Escape::Point('😀' as u32, 9)),
            (r"N{BULLET}", Escape::Point('•' as u32, 9)),
            (r"d", Escape::Unknown),
            ("\n", Escape::Nothing(1)),
        ] {
            assert_eq!(read(rest.as_bytes(), true), value, "{rest}");
        }
        assert_eq!(read(br"u65e5", false), Escape::Unknown);
    }

    #[test]
    fn errors() {
        for (rest, length, reason) in [
            (r"N{foo}", 6, "unknown Unicode character name"),
            (r"N{}", 2, "malformed \\N character escape"),
            (r"x4", 2, "truncated \\xXX escape"),
            (r"U00110000", 9, "illegal Unicode character"),
            (r"", 0, "\\ at end of string"),
        ] {
            assert_eq!(read(rest.as_bytes(), true), Escape::Malformed(length, reason), "{rest}");
        }
    }
}
