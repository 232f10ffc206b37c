//! `%` formatting of `str` and `bytes`: the pieces of a template, and the layout of numbers and text for it.
//!
//! The caller fetches the arguments in the order of the pieces: the width if it is `*`, the precision if it is `*`, then
//! the value; only after that comes the complaint about an unknown conversion.

use super::{MAX_LENGTH, wtf8};
use crate::number::float_repr::{self, FloatFlags, FloatStyle};
use crate::number::int::IntRef;
use crate::number::{Fault, FaultKind, int_text};

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands for itself (`%%` gives one `%`).
    Literal(&'a [u8]),
    /// The key in parentheses of the conversion that comes next: it is looked up before the rest is read.
    Key(&'a [u8]),
    /// So many `*` of a conversion of which what follows them is wrong: their arguments are looked at before that is said.
    Stars(usize),
    /// A value to be converted.
    Conversion(Conversion),
}

/// One `%` specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Its flags.
    pub flags: Flags,
    /// The least width.
    pub width: Size,
    /// The precision.
    pub precision: Size,
    /// The letter: a code point, for bytes a byte. See [`Conversion::unsupported`].
    pub kind: u32,
    /// Where the letter stands, in code points or bytes.
    pub index: usize,
}

/// The flags of a conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-`
    pub left: bool,
    /// `+`
    pub plus: bool,
    /// A space.
    pub space: bool,
    /// `#`
    pub alternate: bool,
    /// `0`
    pub zero: bool,
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Not given.
    None,
    /// Given.
    Fixed(usize),
    /// `*`: the next argument.
    Argument,
}

/// Iterates over the pieces of a template.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    whole: &'a [u8],
    at: usize,
    /// A place in it, and the number of characters before.
    counted: (usize, usize),
    text: bool,
    /// Whether there is something that keys are looked up in.
    mapping: bool,
    /// Whether a key was read, and its conversion is next.
    keyed: bool,
    /// How many `*` there were in the conversion that is read.
    stars: usize,
    /// What is wrong with it, and comes after [`Piece::Stars`].
    fault: Option<Fault>,
}

/// The pieces of a `str` template, for arguments that are a mapping or not.
pub fn text_template(template: &[u8], mapping: bool) -> Template<'_> {
    Template { whole: template, at: 0, counted: (0, 0), text: true, mapping, keyed: false, stars: 0, fault: None }
}

/// The pieces of a `bytes` template, for arguments that are a mapping or not.
pub fn bytes_template(template: &[u8], mapping: bool) -> Template<'_> {
    Template { whole: template, at: 0, counted: (0, 0), text: false, mapping, keyed: false, stars: 0, fault: None }
}

impl<'a> Iterator for Template<'a> {
    type Item = Result<Piece<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(fault) = self.fault.take() {
            return Some(Err(fault));
        }
        if std::mem::take(&mut self.keyed) {
            return Some(self.checked(Self::conversion));
        }
        let rest = &self.whole[self.at..];
        if rest.is_empty() {
            return None;
        }
        match memchr::memchr(b'%', rest) {
            Some(0) => {}
            found => {
                let end = found.unwrap_or(rest.len());
                self.at += end;
                return Some(Ok(Piece::Literal(&rest[..end])));
            }
        }
        if rest.get(1) == Some(&b'%') {
            self.at += 2;
            return Some(Ok(Piece::Literal(&rest[..1])));
        }
        self.at += 1;
        self.keyed = rest.get(1) == Some(&b'(');
        Some(self.checked(if self.keyed { Self::key } else { Self::conversion }))
    }
}

impl<'a> Template<'a> {
    fn peek(&self) -> Result<u8, Fault> {
        self.whole.get(self.at).copied().ok_or_else(|| Fault::value("incomplete format"))
    }

    /// A piece; nothing comes after one that is wrong.
    fn checked(&mut self, piece: fn(&mut Self) -> Result<Piece<'a>, Fault>) -> Result<Piece<'a>, Fault> {
        self.stars = 0;
        piece(self).or_else(|fault| {
            self.at = self.whole.len();
            self.keyed = false;
            if self.stars == 0 {
                return Err(fault);
            }
            self.fault = Some(fault);
            Ok(Piece::Stars(self.stars))
        })
    }

    fn conversion(&mut self) -> Result<Piece<'a>, Fault> {
        let mut flags = Flags::default();
        loop {
            match self.peek()? {
                b'-' => flags.left = true,
                b'+' => flags.plus = true,
                b' ' => flags.space = true,
                b'#' => flags.alternate = true,
                b'0' => flags.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        let width = self.size("width too big", isize::MAX as usize)?;
        let mut precision = Size::None;
        if self.peek()? == b'.' {
            self.at += 1;
            let too_big = if self.text { "precision too big" } else { "prec too big" };
            precision = match self.size(too_big, i32::MAX as usize)? {
                Size::None => Size::Fixed(0),
                size @ (Size::Fixed(_) | Size::Argument) => size,
            };
        }
        if matches!(self.peek()?, b'h' | b'l' | b'L') {
            self.at += 1;
        }
        let first = self.peek()?;
        // Counted on from the last one: a template may be long.
        let (from, chars) = self.counted;
        let index = if self.text { chars + wtf8::count(&self.whole[from..self.at]) } else { self.at };
        self.counted = (self.at, index);
        let kind = if self.text { wtf8::code_points(&self.whole[self.at..]).next().unwrap_or(0) } else { first as u32 };
        self.at += if self.text { wtf8::width(first) } else { 1 };
        Ok(Piece::Conversion(Conversion { flags, width, precision, kind, index }))
    }

    /// Parentheses inside a key are balanced.
    fn key(&mut self) -> Result<Piece<'a>, Fault> {
        if !self.mapping {
            return Err(Fault::type_error("format requires a mapping"));
        }
        let start = self.at + 1;
        let mut depth = 0;
        while let Some(&byte) = self.whole.get(self.at) {
            self.at += 1;
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(Piece::Key(&self.whole[start..self.at - 1]));
            }
        }
        Err(Fault::value("incomplete format key"))
    }

    fn size(&mut self, too_big: &'static str, most: usize) -> Result<Size, Fault> {
        if self.peek()? == b'*' {
            self.at += 1;
            self.stars += 1;
            return Ok(Size::Argument);
        }
        let mut size = None;
        while let digit @ b'0'..=b'9' = self.peek()? {
            let next =
                size.unwrap_or(0usize).checked_mul(10).and_then(|size| size.checked_add((digit - b'0') as usize));
            size = Some(next.filter(|&size| size <= most).ok_or_else(|| Fault::value(too_big))?);
            self.at += 1;
        }
        Ok(size.map_or(Size::None, Size::Fixed))
    }
}

impl Conversion {
    /// The complaint about a letter that converts nothing.
    pub fn unsupported(&self, text: bool) -> Fault {
        if !text && self.kind >= 0x80 {
            return Fault::overflow("character argument not in range(0x110000)");
        }
        let shown = if (32..127).contains(&self.kind) { char::from(self.kind as u8) } else { '?' };
        Fault::value(format!("unsupported format character '{shown}' ({:#x}) at index {}", self.kind, self.index))
    }
}

/// A conversion whose `*` have been replaced by their arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolved {
    /// Its flags.
    pub flags: Flags,
    /// The least width.
    pub width: usize,
    /// The precision, if given.
    pub precision: Option<usize>,
    /// The letter.
    pub kind: u8,
}

impl Resolved {
    /// From a conversion and the arguments of its `*`; a negative width means left, a negative precision 0.
    pub fn new(conversion: &Conversion, width: Option<i64>, precision: Option<i64>) -> Result<Resolved, Fault> {
        let mut flags = conversion.flags;
        let width = match (conversion.width, width) {
            (Size::None, _) => 0,
            (Size::Fixed(width), _) => width,
            (Size::Argument, width) => {
                let width = width.unwrap_or(0);
                flags.left |= width < 0;
                width.unsigned_abs() as usize
            }
        };
        let precision = match (conversion.precision, precision) {
            (Size::None, _) => None,
            (Size::Fixed(precision), _) => Some(precision),
            (Size::Argument, precision) => Some(precision.unwrap_or(0).max(0) as usize),
        };
        Ok(Resolved { flags, width, precision, kind: conversion.kind as u8 })
    }

    /// The same without its size, to see whether it would do but for that.
    pub fn narrow(self) -> Resolved {
        Resolved { width: 0, precision: self.precision.map(|precision| precision.min(1)), ..self }
    }

    /// Bytes that filling up to the width and the precision may take, once as it is written and once as a text; a fill character may
    /// take four bytes.
    pub fn room(&self) -> usize {
        let cuts = matches!(self.kind, b's' | b'r' | b'a' | b'b' | b'c');
        let digits = if cuts { 0 } else { self.precision.unwrap_or(0) };
        self.width.saturating_add(digits).saturating_mul(5)
    }

    /// `%d %i %u %o %x %X`.
    pub fn format_int(&self, out: &mut Vec<u8>, number: IntRef<'_>, max_digits: usize) -> Result<(), Fault> {
        let mut digits = String::new();
        let radix = match self.kind {
            b'o' => 8,
            b'x' | b'X' => 16,
            _ => 10,
        };
        match number {
            IntRef::Small(small) if radix == 10 => int_text::push_i64(&mut digits, small),
            _ if radix == 10 => digits = int_text::format_int(number, max_digits)?,
            IntRef::Small(_) | IntRef::Big(_) => int_text::push_radix(&mut digits, number, radix, self.kind == b'X'),
        }
        let prefix = match self.kind {
            b'o' if self.flags.alternate => "0o",
            b'x' if self.flags.alternate => "0x",
            b'X' if self.flags.alternate => "0X",
            _ => "",
        };
        let digits = digits.strip_prefix('-').unwrap_or(&digits);
        let precision = self.precision.unwrap_or(0);
        if precision > MAX_LENGTH {
            return Err(Fault::new(FaultKind::Memory, ""));
        }
        let zeros = precision.saturating_sub(digits.len());
        self.lay_out(out, number.signum() < 0, prefix, zeros, digits);
        Ok(())
    }

    /// `%e %f %g` and their capitals.
    pub fn format_float(&self, out: &mut Vec<u8>, x: f64) {
        let style = match self.kind {
            b'e' | b'E' => FloatStyle::Exponent,
            b'f' | b'F' => FloatStyle::Fixed,
            _ => FloatStyle::General,
        };
        let flags = FloatFlags {
            alternate: self.flags.alternate,
            upper: self.kind.is_ascii_uppercase(),
            ..FloatFlags::default()
        };
        let mut text = String::with_capacity(32);
        float_repr::format_float(&mut text, x, style, self.precision.unwrap_or(6), flags);
        let digits = text.strip_prefix('-').unwrap_or(&text);
        self.lay_out(out, text.len() != digits.len(), "", 0, digits);
    }

    fn lay_out(&self, out: &mut Vec<u8>, negative: bool, prefix: &str, zeros: usize, digits: &str) {
        let sign = match (negative, self.flags) {
            (true, _) => "-",
            (_, Flags { plus: true, .. }) => "+",
            (_, Flags { space: true, .. }) => " ",
            _ => "",
        };
        let padding = self.width.saturating_sub(sign.len() + prefix.len() + zeros + digits.len());
        let (before, inner, after) = match self.flags {
            Flags { left: true, .. } => (0, 0, padding),
            Flags { zero: true, .. } => (0, padding, 0),
            _ => (padding, 0, 0),
        };
        wtf8::push_times(out, ' ' as u32, before);
        out.extend_from_slice(sign.as_bytes());
        out.extend_from_slice(prefix.as_bytes());
        wtf8::push_times(out, '0' as u32, inner + zeros);
        out.extend_from_slice(digits.as_bytes());
        wtf8::push_times(out, ' ' as u32, after);
    }

    /// `%s %r %a` of a `str`: cut to the precision, filled to the width.
    pub fn format_text(&self, out: &mut Vec<u8>, text: &[u8]) {
        let text = match self.precision {
            Some(precision) if precision < text.len() => &text[..wtf8::offset(text, precision).unwrap_or(text.len())],
            _ => text,
        };
        let length = if self.width == 0 { 0 } else { wtf8::count(text) };
        self.pad(out, text, length);
    }

    /// `%b %s %r %a` of `bytes`.
    pub fn format_bytes(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        let bytes = &bytes[..self.precision.unwrap_or(bytes.len()).min(bytes.len())];
        self.pad(out, bytes, bytes.len());
    }

    /// `%c` of a `str`; the precision means nothing to it.
    pub fn format_char(&self, out: &mut Vec<u8>, number: IntRef<'_>) -> Result<(), Fault> {
        let point = number
            .to_i64()
            .filter(|point| (0..0x11_0000).contains(point))
            .ok_or_else(|| Fault::overflow("%c arg not in range(0x110000)"))?;
        let mut text = Vec::with_capacity(4);
        wtf8::push(&mut text, point as u32);
        self.pad(out, &text, 1);
        Ok(())
    }

    /// `%c` of `bytes`.
    pub fn format_byte(&self, out: &mut Vec<u8>, number: IntRef<'_>) -> Result<(), Fault> {
        let byte = number.to_i64().and_then(|byte| u8::try_from(byte).ok());
        let byte = byte.ok_or_else(|| Fault::overflow("%c arg not in range(256)"))?;
        self.pad(out, &[byte], 1);
        Ok(())
    }

    fn pad(&self, out: &mut Vec<u8>, text: &[u8], length: usize) {
        let padding = self.width.saturating_sub(length);
        if !self.flags.left {
            wtf8::push_times(out, ' ' as u32, padding);
        }
        out.extend_from_slice(text);
        if self.flags.left {
            wtf8::push_times(out, ' ' as u32, padding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(template: &str) -> Result<Conversion, Fault> {
        match text_template(template.as_bytes(), true).next().expect("a piece")? {
            Piece::Conversion(conversion) => Ok(conversion),
            other @ (Piece::Literal(_) | Piece::Key(_) | Piece::Stars(_)) => panic!("no conversion: {other:?}"),
        }
    }

    #[test]
    fn numbers() {
        for (template, number, text) in [
            ("%d", 5, "5"),
            ("%08.5d", 12, "00000012"),
            ("%-08d", 12, "12      "),
            ("%#.5x", 255, "0x000ff"),
            ("%#010X", 255, "0X000000FF"),
            ("%010x", -255, "-0000000ff"),
            ("% +d", 1, "+1"),
        ] {
            let mut out = Vec::new();
            let resolved = Resolved::new(&first(template).unwrap(), None, None).unwrap();
            resolved.format_int(&mut out, IntRef::Small(number), 0).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text, "{template}");
        }
        let mut out = Vec::new();
        Resolved::new(&first("%08.2f").unwrap(), None, None).unwrap().format_float(&mut out, -1.5);
        assert_eq!(out, b"-0001.50");
    }

    #[test]
    fn pieces() {
        let pieces: Vec<_> = text_template("a%%b%(k(e)y)-*.*s".as_bytes(), true).map(Result::unwrap).collect();
        assert_eq!(pieces[..3], [b"a", b"%", b"b"].map(|text| Piece::Literal(text)));
        assert_eq!(pieces[3], Piece::Key(b"k(e)y"));
        let Piece::Conversion(conversion) = pieces[4] else { panic!() };
        assert_eq!((conversion.width, conversion.precision), (Size::Argument, Size::Argument));
        let resolved = Resolved::new(&conversion, Some(-5), Some(-1)).unwrap();
        assert_eq!((resolved.width, resolved.precision, resolved.flags.left), (5, Some(0), true));
    }

    #[test]
    fn malformed_templates() {
        for (template, message) in [
            ("%", "incomplete format"),
            ("%5", "incomplete format"),
            ("%(a", "incomplete format key"),
            ("%99999999999999999999d", "width too big"),
            ("%.2147483648f", "precision too big"),
        ] {
            assert_eq!(first(template).unwrap_err().message, message);
        }
        let message = |template| first(template).unwrap().unsupported(true).message;
        assert_eq!(message("%y"), "unsupported format character 'y' (0x79) at index 1");
        assert_eq!(message("%日"), "unsupported format character '?' (0x65e5) at index 1");
        assert_eq!(message("%lld"), "unsupported format character 'l' (0x6c) at index 2");
    }
}
