//! UTF-7: ASCII, with what isn't in it as UTF-16 in base64 between `+` and `-`.

use super::wtf8;

/// The machine of the decoder inside a shift sequence.
#[derive(Debug, Default)]
struct Shift {
    /// Where its `+` is.
    start: usize,
    /// How much text there was before it.
    text: usize,
    bits: u32,
    buffer: u32,
    /// The first half of a pair.
    surrogate: Option<u16>,
}

impl Shift {
    fn take(&mut self, value: u8, out: &mut Vec<u8>) {
        self.buffer = self.buffer << 6 | u32::from(value);
        self.bits += 6;
        if self.bits < 16 {
            return;
        }
        self.bits -= 16;
        let unit = (self.buffer >> self.bits) as u16;
        self.buffer &= (1 << self.bits) - 1;
        match (self.surrogate.take(), unit) {
            (Some(first), 0xdc00..0xe000) => {
                let point = 0x1_0000 + ((u32::from(first) & 0x3ff) << 10 | (u32::from(unit) & 0x3ff));
                return wtf8::push(out, point);
            }
            (Some(first), _) => wtf8::push(out, first.into()),
            (None, _) => {}
        }
        match unit {
            0xd800..0xdc00 => self.surrogate = Some(unit),
            _ => wtf8::push(out, unit.into()),
        }
    }

    /// Whether what was read ends in the middle of something.
    fn partial(&self) -> bool {
        self.bits >= 6
    }
}

/// What stopped the decoder: the length of the bad bytes, and why.
pub(super) type Fault = (usize, &'static str);

/// Why a sequence that isn't over is a fault: more bytes could end it.
pub(super) const UNTERMINATED: &str = "unterminated shift sequence";

/// Decodes up to the end or the first error; gives the number of good bytes. A sequence that isn't over is left where more bytes may come.
pub(super) fn decode(bytes: &[u8], last: bool, out: &mut Vec<u8>) -> (usize, Option<Fault>) {
    let mut shift: Option<Shift> = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let Some(open) = &mut shift {
            if let Some(value) = value_of(byte) {
                open.take(value, out);
                at += 1;
                continue;
            }
            let length = at + 1 - open.start;
            if open.partial() {
                return (open.start, Some((length, "partial character in shift sequence")));
            }
            if open.buffer != 0 {
                return (open.start, Some((length, "non-zero padding bits in shift sequence")));
            }
            if let Some(surrogate) = open.surrogate
                && byte.is_ascii()
            {
                wtf8::push(out, surrogate.into());
            }
            at += usize::from(byte == b'-');
            shift = None;
            continue;
        }
        match (byte, bytes.get(at + 1)) {
            (b'+', Some(b'-')) => {
                out.push(b'+');
                at += 2;
                continue;
            }
            (b'+', Some(&next)) if value_of(next).is_none() => return (at, Some((2, "ill-formed sequence"))),
            (b'+', _) => shift = Some(Shift { start: at, text: out.len(), ..Shift::default() }),
            (0..0x80, _) => out.push(byte),
            _ => return (at, Some((1, "unexpected special character"))),
        }
        at += 1;
    }
    match shift {
        Some(open) if !last || open.partial() || open.buffer != 0 || open.surrogate.is_some() => {
            if !last {
                out.truncate(open.text);
            }
            (open.start, Some((at - open.start, UNTERMINATED)))
        }
        _ => (at, None),
    }
}

/// Encodes code points; there is none it doesn't have.
pub(super) fn encode(points: impl Iterator<Item = u32>, out: &mut Vec<u8>) {
    let mut open = false;
    let (mut bits, mut buffer) = (0u32, 0u32);
    let close = |out: &mut Vec<u8>, bits: &mut u32, buffer: &mut u32| {
        if *bits > 0 {
            out.push(digit(*buffer << (6 - *bits)));
        }
        (*bits, *buffer) = (0, 0);
    };
    for point in points {
        if is_direct(point) {
            let byte = point as u8;
            if open {
                close(out, &mut bits, &mut buffer);
                open = false;
                if value_of(byte).is_some() || byte == b'-' {
                    out.push(b'-');
                }
            }
            out.push(byte);
            continue;
        }
        if !open {
            if point == u32::from(b'+') {
                out.extend_from_slice(b"+-");
                continue;
            }
            out.push(b'+');
            open = true;
        }
        let units = match point {
            0x1_0000.. => [Some(0xd800 | (point - 0x1_0000) >> 10), Some(0xdc00 | point & 0x3ff)],
            _ => [None, Some(point)],
        };
        for unit in units.into_iter().flatten() {
            buffer = buffer << 16 | unit;
            bits += 16;
            while bits >= 6 {
                bits -= 6;
                out.push(digit(buffer >> bits));
                buffer &= (1 << bits) - 1;
            }
        }
    }
    if open {
        close(out, &mut bits, &mut buffer);
        out.push(b'-');
    }
}

/// Characters that are written as they are.
fn is_direct(point: u32) -> bool {
    match u8::try_from(point) {
        Ok(b'+' | b'\\' | b'~') => false,
        Ok(byte) => matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'}'),
        Err(_) => false,
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn digit(value: u32) -> u8 {
    DIGITS[(value & 0x3f) as usize]
}

fn value_of(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}
