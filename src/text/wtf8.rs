//! Generalised UTF-8: what Python's `str` can hold, a lone surrogate being three bytes.
//!
//! Two surrogates side by side stay two code points, as in Python, so concatenation is that of the bytes. All functions
//! here trust their input to be well formed in this sense, as what makes strings sees to it.

/// The number of code points.
pub fn count(text: &[u8]) -> usize {
    // Every byte but a continuation starts one. Sums that fit a byte let the compiler count 16 or 32 at a time.
    let starts = |chunk: &[u8]| chunk.iter().map(|&byte| (byte as i8 >= -0x40) as u8).sum::<u8>();
    text.chunks(255).map(|chunk| starts(chunk) as usize).sum()
}

/// The number of bytes of the code point that starts with `first`.
pub fn width(first: u8) -> usize {
    match first {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

/// Where the code point with the given number starts; the length of the text for the one past the end.
pub fn offset(text: &[u8], index: usize) -> Option<usize> {
    let (mut left, mut at) = (index, 0);
    for chunk in text.chunks(128) {
        // Whole chunks are only counted.
        let starts = count(chunk);
        if left < starts {
            let mut places = (0..chunk.len()).filter(|&place| chunk[place] as i8 >= -0x40);
            return places.nth(left).map(|place| at + place);
        }
        left -= starts;
        at += chunk.len();
    }
    (left == 0).then_some(text.len())
}

/// Appends a code point, surrogates included.
pub fn push(out: &mut Vec<u8>, code_point: u32) {
    match code_point {
        0..0x80 => out.push(code_point as u8),
        0x80..0x800 => out.extend_from_slice(&[0xc0 | (code_point >> 6) as u8, tail(code_point)]),
        0x800..0x1_0000 => {
            out.extend_from_slice(&[0xe0 | (code_point >> 12) as u8, tail(code_point >> 6), tail(code_point)]);
        }
        _ => out.extend_from_slice(&[
            0xf0 | (code_point >> 18) as u8,
            tail(code_point >> 12),
            tail(code_point >> 6),
            tail(code_point),
        ]),
    }
}

fn tail(bits: u32) -> u8 {
    0x80 | (bits & 0x3f) as u8
}

/// Appends a code point a number of times.
pub fn push_times(out: &mut Vec<u8>, code_point: u32, times: usize) {
    if code_point < 0x80 {
        out.resize(out.len() + times, code_point as u8);
    } else {
        for _ in 0..times {
            push(out, code_point);
        }
    }
}

/// Whether a code point is a surrogate.
pub fn is_surrogate(code_point: u32) -> bool {
    (0xd800..0xe000).contains(&code_point)
}

/// The code points of a text, from either end.
pub fn code_points(text: &[u8]) -> CodePoints<'_> {
    CodePoints { rest: text }
}

/// The code points with the offsets at which they start.
pub fn code_point_indices(text: &[u8]) -> impl Iterator<Item = (usize, u32)> + Clone + '_ {
    let mut points = code_points(text);
    std::iter::from_fn(move || {
        let at = text.len() - points.rest.len();
        Some((at, points.next()?))
    })
}

/// The number of bytes a code point takes.
pub fn width_of(code_point: u32) -> usize {
    match code_point {
        0..0x80 => 1,
        0x80..0x800 => 2,
        0x800..0x1_0000 => 3,
        _ => 4,
    }
}

/// See [`code_points`].
#[derive(Clone, Debug)]
pub struct CodePoints<'a> {
    rest: &'a [u8],
}

impl<'a> CodePoints<'a> {
    /// The bytes not yet visited.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Iterator for CodePoints<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let (&first, after) = self.rest.split_first()?;
        if first < 0x80 {
            self.rest = after;
            return Some(first as u32);
        }
        let (length, start) = match first {
            0..0xe0 => (1, first as u32 & 0x1f),
            0xe0..0xf0 => (2, first as u32 & 0x0f),
            _ => (3, first as u32 & 0x07),
        };
        let (tail, rest) = after.split_at(length.min(after.len()));
        self.rest = rest;
        Some(tail.iter().fold(start, |point, byte| point << 6 | (byte & 0x3f) as u32))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len().div_ceil(4), Some(self.rest.len()))
    }
}

impl DoubleEndedIterator for CodePoints<'_> {
    fn next_back(&mut self) -> Option<u32> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.iter().rposition(|&byte| byte as i8 >= -0x40).unwrap_or(0);
        let (rest, last) = self.rest.split_at(start);
        self.rest = rest;
        CodePoints { rest: last }.next()
    }
}

/// The first of the code points that stand for lone surrogates where text has to be UTF-8: the last 2,048 for private use.
const STAND_IN: u32 = 0x10f800;

/// Text as UTF-8, a private code point in place of each lone surrogate.
pub fn stand_ins(text: &[u8]) -> std::borrow::Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return text.into();
    }
    let shown = |point| if is_surrogate(point) { STAND_IN + (point - 0xd800) } else { point };
    let chars = code_points(text).map(|point| char::from_u32(shown(point)).unwrap_or(char::REPLACEMENT_CHARACTER));
    chars.collect::<String>().into()
}

/// What the system hands over (arguments, variables, names), which should be UTF-8: other bytes become lone surrogates, as
/// `surrogateescape` makes of them, and those their stand-ins. The characters that serve as stand-ins are such bytes themselves, so that
/// nothing is lost.
pub fn of_system(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let escape = |text: &mut String, bytes: &[u8]| {
        let escaped = bytes.iter().map(|byte| STAND_IN + (0xdc00 - 0xd800) + u32::from(*byte));
        text.extend(escaped.map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)));
    };
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char as u32 >= STAND_IN {
                escape(&mut text, char.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(char);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// Undoes `of_system`.
pub fn to_system(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for point in code_points(&without_stand_ins(text)) {
        match point {
            0xdc80..=0xdcff => bytes.push((point - 0xdc00) as u8),
            point => push(&mut bytes, point),
        }
    }
    bytes
}

/// Undoes `stand_ins`.
pub fn without_stand_ins(text: &str) -> std::borrow::Cow<'_, [u8]> {
    let is_stand_in = |char: char| (char as u32) >= STAND_IN;
    if !text.contains(is_stand_in) {
        return text.as_bytes().into();
    }
    let mut out = Vec::with_capacity(text.len());
    for char in text.chars() {
        push(&mut out, if is_stand_in(char) { 0xd800 + (char as u32 - STAND_IN) } else { char as u32 });
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_the_system_come_back_as_surrogates() {
        assert_eq!(of_system("é".as_bytes()), "é");
        let mut text = b"a".to_vec();
        push(&mut text, 0xdcff);
        push(&mut text, 0xdce9);
        text.push(b'b');
        let read = of_system(b"a\xff\xe9b");
        assert_eq!(without_stand_ins(&read).into_owned(), text);
        assert_eq!(to_system(&read), b"a\xff\xe9b");
        assert_eq!(to_system(&of_system("x\u{10ffff}".as_bytes())), "x\u{10ffff}".as_bytes());
    }

    #[test]
    fn every_width_both_ways() {
        let points = [0x41, 0x7f, 0x80, 0x7ff, 0x800, 0xd800, 0xdfff, 0xffff, 0x1_0000, 0x10_ffff];
        let mut text = Vec::new();
        points.iter().for_each(|&point| push(&mut text, point));
        assert!(code_points(&text).eq(points));
        assert!(code_points(&text).rev().eq(points.into_iter().rev()));
        assert_eq!(count(&text), points.len());
        for (index, (at, point)) in code_point_indices(&text).enumerate() {
            assert_eq!((offset(&text, index), point), (Some(at), points[index]));
        }
        assert_eq!(offset(&text, points.len()), Some(text.len()));
        assert_eq!(offset(&text, points.len() + 1), None);
        let long = text.repeat(50);
        let starts: Vec<_> = code_point_indices(&long).map(|(at, _)| at).collect();
        assert!(starts.iter().enumerate().all(|(index, &at)| offset(&long, index) == Some(at)));
        assert_eq!(count(&long), starts.len());
    }
}
