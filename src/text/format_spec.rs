//! The format mini-language: what stands after the colon in `f"{x:>10,.2f}"`, for numbers and text.

use super::{unicode, wtf8};
use crate::number::complex::Complex;
use crate::number::float_repr::{self, FloatFlags, FloatStyle};
use crate::number::int::IntRef;
use crate::number::{Fault, int_text};

/// A parsed format specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatSpec {
    /// The code point that fills up to the width.
    pub fill: u32,
    /// `<`, `>`, `^` or `=`, if given or implied by a leading zero.
    pub align: Option<u8>,
    /// `+`, `-` or a space, if given.
    pub sign: Option<u8>,
    /// `z`: no negative zero after rounding.
    pub no_negative_zero: bool,
    /// `#`.
    pub alternate: bool,
    /// The least width, in code points.
    pub width: usize,
    /// `,` or `_` between groups of digits before the point.
    pub grouping: Option<u8>,
    /// `,` or `_` between groups of digits after the point.
    pub fraction_grouping: Option<u8>,
    /// The precision, if given.
    pub precision: Option<usize>,
    /// The code point of the presentation type, if given.
    pub kind: Option<u32>,
}

impl FormatSpec {
    /// Parses a specification. `type_name` is the type of the formatted object, for messages; `text_like` says that it is
    /// text, which a leading zero in the width fills on the right instead of after the sign.
    pub fn parse(text: &[u8], type_name: &str, text_like: bool) -> Result<FormatSpec, Fault> {
        Parser { rest: text, whole: text }.parse(type_name, text_like)
    }

    /// The same without its size, to see whether it would do but for that.
    pub fn narrow(self) -> FormatSpec {
        let precision =
            self.precision.map(|precision| if precision > i32::MAX as usize { precision } else { precision.min(1) });
        FormatSpec { width: 0, precision, ..self }
    }

    /// Digits of a float are counted by a C int.
    fn check_precision(&self) -> Result<(), Fault> {
        match self.precision {
            Some(precision) if precision > i32::MAX as usize => Err(Fault::value("precision too big")),
            _ => Ok(()),
        }
    }

    fn unknown(&self, type_name: &str) -> Fault {
        let kind = self.kind.unwrap_or(0);
        let shown = show_kind(kind);
        Fault::value(format!("Unknown format code '{shown}' for object of type '{type_name}'"))
    }
}

fn show_kind(kind: u32) -> String {
    match kind {
        33..128 => char::from(kind as u8).to_string(),
        _ => format!("\\x{kind:x}"),
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    whole: &'a [u8],
}

impl Parser<'_> {
    fn parse(mut self, type_name: &str, text_like: bool) -> Result<FormatSpec, Fault> {
        let mut spec = FormatSpec {
            fill: ' ' as u32,
            align: None,
            sign: None,
            no_negative_zero: false,
            alternate: false,
            width: 0,
            grouping: None,
            fraction_grouping: None,
            precision: None,
            kind: None,
        };
        let is_align = |byte: Option<&u8>| matches!(byte, Some(b'<' | b'>' | b'=' | b'^'));
        let mut filled = false;
        if let Some(&first) = self.rest.first() {
            let width = wtf8::width(first);
            if is_align(self.rest.get(width)) {
                let mut points = wtf8::code_points(self.rest);
                spec.fill = points.next().unwrap_or(spec.fill);
                spec.align = Some(self.rest[width]);
                self.rest = &self.rest[width + 1..];
                filled = true;
            } else if is_align(Some(&first)) {
                spec.align = Some(first);
                self.rest = &self.rest[1..];
            }
        }
        spec.sign = self.accept(b"+- ");
        spec.no_negative_zero = self.accept(b"z").is_some();
        spec.alternate = self.accept(b"#").is_some();
        if !filled && self.accept(b"0").is_some() {
            spec.fill = '0' as u32;
            if spec.align.is_none() && !text_like {
                spec.align = Some(b'=');
            }
        }
        spec.width = self.number()?.unwrap_or(0);
        spec.grouping = self.separator()?;
        if self.accept(b".").is_some() {
            spec.precision = self.number()?;
            spec.fraction_grouping = self.separator()?;
            if spec.precision.is_none() && spec.fraction_grouping.is_none() {
                return Err(Fault::value("Format specifier missing precision"));
            }
        }
        let mut points = wtf8::code_points(self.rest);
        spec.kind = points.next();
        if points.next().is_some() {
            return Err(Fault::value(format!(
                "Invalid format specifier '{}' for object of type '{type_name}'",
                wtf8::stand_ins(self.whole)
            )));
        }
        let kind = spec.kind.unwrap_or(if text_like { 's' as u32 } else { 'd' as u32 });
        let grouped = |separator: u8| match u8::try_from(kind) {
            Ok(b'd' | b'e' | b'f' | b'g' | b'E' | b'G' | b'%' | b'F') => true,
            Ok(b'b' | b'o' | b'x' | b'X') => separator == b'_',
            _ => false,
        };
        // A separator after the point is only refused where the locale would choose it.
        let refused = (spec.grouping.filter(|&separator| !grouped(separator)))
            .or(spec.fraction_grouping.filter(|_| kind == 'n' as u32));
        if let Some(separator) = refused {
            let (separator, kind) = (separator as char, show_kind(kind));
            return Err(Fault::value(format!("Cannot specify '{separator}' with '{kind}'.")));
        }
        Ok(spec)
    }

    fn accept(&mut self, any: &[u8]) -> Option<u8> {
        let &first = self.rest.first()?;
        any.contains(&first).then(|| {
            self.rest = &self.rest[1..];
            first
        })
    }

    fn number(&mut self) -> Result<Option<usize>, Fault> {
        let mut number = None;
        loop {
            let mut points = wtf8::code_points(self.rest);
            let Some(digit) = points.next().and_then(unicode::decimal) else {
                return Ok(number.map(|number: i64| number as usize));
            };
            self.rest = points.rest();
            number = Some(
                (number.unwrap_or(0i64).checked_mul(10))
                    .and_then(|number| number.checked_add(digit as i64))
                    .ok_or_else(|| Fault::value("Too many decimal digits in format string"))?,
            );
        }
    }

    fn separator(&mut self) -> Result<Option<u8>, Fault> {
        let first = self.accept(b",_");
        let both = matches!((first, self.rest.first()), (Some(b','), Some(b'_')) | (Some(b'_'), Some(b',')));
        if both { Err(Fault::value("Cannot specify both ',' and '_'.")) } else { Ok(first) }
    }
}

/// A number laid out in its parts.
#[derive(Default)]
struct Parts<'a> {
    negative: bool,
    prefix: &'a str,
    /// Digits before the point.
    whole: &'a str,
    /// Digits after the point, if there is a point.
    fraction: Option<&'a str>,
    /// An exponent, a percent sign, or all of `inf` and `nan`.
    rest: &'a str,
}

impl Parts<'_> {
    fn of_float(text: &str) -> Parts<'_> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let digits = |text: &str| text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        let (whole, rest) = text.split_at(digits(text));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(after) => {
                let (fraction, rest) = after.split_at(digits(after));
                (Some(fraction), rest)
            }
            None => (None, rest),
        };
        Parts { negative, prefix: "", whole, fraction, rest }
    }

    fn lay_out(&self, out: &mut Vec<u8>, spec: &FormatSpec) {
        let sign = match (self.negative, spec.sign) {
            (true, _) => "-",
            (false, Some(b'+')) => "+",
            (false, Some(b' ')) => " ",
            (false, _) => "",
        };
        if spec.width == 0 && spec.grouping.is_none() && spec.fraction_grouping.is_none() {
            for part in [sign, self.prefix, self.whole] {
                out.extend_from_slice(part.as_bytes());
            }
            self.push_after_whole(out, None);
            return;
        }
        let fraction = self.fraction.map_or(0, |digits| {
            let separators = digits.len().saturating_sub(1) / 3;
            1 + digits.len() + if spec.fraction_grouping.is_some() { separators } else { 0 }
        });
        let fixed = sign.len() + self.prefix.len() + fraction + self.rest.len();
        let zero_filled = spec.fill == '0' as u32 && spec.align == Some(b'=') && !self.whole.is_empty();
        let group = Group {
            separator: spec.grouping,
            size: if matches!(spec.kind, Some(0x62 | 0x6f | 0x78 | 0x58)) { 4 } else { 3 },
        };
        let (digits, whole) =
            group.measure(self.whole.len(), if zero_filled { spec.width.saturating_sub(fixed) } else { 0 });
        let padding = spec.width.saturating_sub(fixed + whole);
        let (left, inner, right) = match spec.align.unwrap_or(b'>') {
            b'<' => (0, 0, padding),
            b'^' => (padding / 2, 0, padding - padding / 2),
            b'=' => (0, padding, 0),
            _ => (padding, 0, 0),
        };
        out.reserve(fixed + whole + padding);
        wtf8::push_times(out, spec.fill, left);
        out.extend_from_slice(sign.as_bytes());
        out.extend_from_slice(self.prefix.as_bytes());
        wtf8::push_times(out, spec.fill, inner);
        group.push(out, self.whole.as_bytes(), digits);
        self.push_after_whole(out, spec.fraction_grouping);
        wtf8::push_times(out, spec.fill, right);
    }

    fn push_after_whole(&self, out: &mut Vec<u8>, grouping: Option<u8>) {
        if let Some(fraction) = self.fraction {
            out.push(b'.');
            match grouping {
                None => out.extend_from_slice(fraction.as_bytes()),
                Some(separator) => {
                    for (at, group) in fraction.as_bytes().chunks(3).enumerate() {
                        if at > 0 {
                            out.push(separator);
                        }
                        out.extend_from_slice(group);
                    }
                }
            }
        }
        out.extend_from_slice(self.rest.as_bytes());
    }
}

/// Digits in groups counted from the right.
struct Group {
    separator: Option<u8>,
    size: usize,
}

impl Group {
    /// How many digits there will be, zeros in front included, and the length with separators, for at least some width.
    fn measure(&self, digits: usize, width: usize) -> (usize, usize) {
        if self.separator.is_none() {
            let count = digits.max(width);
            return (count, count);
        }
        let length = |count: usize| count + count.saturating_sub(1) / self.size;
        let mut count = digits;
        if length(count) < width {
            // Full groups with their separators, then what is left; never a separator in front: rather a zero more.
            let (groups, left) = (width / (self.size + 1), width % (self.size + 1));
            count = groups * self.size + left.max(1);
        }
        (count, length(count))
    }

    fn push(&self, out: &mut Vec<u8>, digits: &[u8], count: usize) {
        let zeros = count - digits.len();
        let Some(separator) = self.separator else {
            out.resize(out.len() + zeros, b'0');
            return out.extend_from_slice(digits);
        };
        for at in 0..count {
            if at > 0 && (count - at).is_multiple_of(self.size) {
                out.push(separator);
            }
            out.push(if at < zeros { b'0' } else { digits[at - zeros] });
        }
    }
}

/// Formats text. `out` receives generalised UTF-8.
pub fn format_text(out: &mut Vec<u8>, text: &[u8], spec: &FormatSpec, type_name: &str) -> Result<(), Fault> {
    let refuse = |message: &'static str| Err(Fault::value(message));
    match spec {
        _ if spec.kind.is_some_and(|kind| kind != 's' as u32) => return Err(spec.unknown(type_name)),
        FormatSpec { sign: Some(b' '), .. } => return refuse("Space not allowed in string format specifier"),
        FormatSpec { sign: Some(_), .. } => return refuse("Sign not allowed in string format specifier"),
        FormatSpec { no_negative_zero: true, .. } => {
            return refuse("Negative zero coercion (z) not allowed in string format specifier");
        }
        FormatSpec { alternate: true, .. } => {
            return refuse("Alternate form (#) not allowed in string format specifier");
        }
        FormatSpec { align: Some(b'='), .. } => {
            return refuse("'=' alignment not allowed in string format specifier");
        }
        _ => {}
    }
    let text = match spec.precision {
        Some(precision) if precision < text.len() => &text[..wtf8::offset(text, precision).unwrap_or(text.len())],
        _ => text,
    };
    pad(out, text, spec, b'<');
    Ok(())
}

/// Pads what is formatted already, by the specification's fill, width and alignment.
fn pad(out: &mut Vec<u8>, text: &[u8], spec: &FormatSpec, default: u8) {
    let padding = if spec.width == 0 { 0 } else { spec.width.saturating_sub(wtf8::count(text)) };
    let left = match spec.align.unwrap_or(default) {
        b'<' => 0,
        b'^' => padding / 2,
        _ => padding,
    };
    wtf8::push_times(out, spec.fill, left);
    out.extend_from_slice(text);
    wtf8::push_times(out, spec.fill, padding - left);
}

/// Formats an integer. `type_name` is `int`, `bool` or a subclass; `max_digits` limits decimal conversions.
pub fn format_int(
    out: &mut Vec<u8>,
    number: IntRef<'_>,
    spec: &FormatSpec,
    type_name: &str,
    max_digits: usize,
) -> Result<(), Fault> {
    let kind = match spec.kind.map(u8::try_from) {
        None | Some(Ok(b'd' | b'n')) => b'd',
        Some(Ok(kind @ (b'b' | b'o' | b'x' | b'X' | b'c'))) => kind,
        Some(Ok(b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'%')) => {
            return format_float(out, number.to_float()?, spec, type_name);
        }
        Some(_) => return Err(spec.unknown(type_name)),
    };
    if spec.precision.is_some() {
        return Err(Fault::value("Precision not allowed in integer format specifier"));
    }
    if spec.no_negative_zero {
        return Err(Fault::value("Negative zero coercion (z) not allowed in integer format specifier"));
    }
    let mut digits = String::new();
    let prefix = match kind {
        b'c' => return format_char(out, number, spec),
        b'd' => {
            match number {
                IntRef::Small(small) => int_text::push_i64(&mut digits, small),
                big @ IntRef::Big(_) => digits = int_text::format_int(big, max_digits)?,
            }
            ""
        }
        b'b' => "0b",
        b'o' => "0o",
        b'x' => "0x",
        _ => "0X",
    };
    match kind {
        b'd' => {}
        b'b' => int_text::push_radix(&mut digits, number, 2, false),
        b'o' => int_text::push_radix(&mut digits, number, 8, false),
        _ => int_text::push_radix(&mut digits, number, 16, kind == b'X'),
    }
    let whole = digits.strip_prefix('-').unwrap_or(&digits);
    let prefix = if spec.alternate { prefix } else { "" };
    Parts { negative: number.signum() < 0, prefix, whole, ..Parts::default() }.lay_out(out, spec);
    Ok(())
}

fn format_char(out: &mut Vec<u8>, number: IntRef<'_>, spec: &FormatSpec) -> Result<(), Fault> {
    if spec.sign.is_some() {
        return Err(Fault::value("Sign not allowed with integer format specifier 'c'"));
    }
    if spec.alternate {
        return Err(Fault::value("Alternate form (#) not allowed with integer format specifier 'c'"));
    }
    let point = number.to_i64().ok_or_else(|| Fault::overflow("Python int too large to convert to C long"))?;
    if !(0..0x11_0000).contains(&point) {
        return Err(Fault::overflow("%c arg not in range(0x110000)"));
    }
    let mut text = Vec::with_capacity(4);
    wtf8::push(&mut text, point as u32);
    pad(out, &text, spec, b'>');
    Ok(())
}

/// Formats a float.
pub fn format_float(out: &mut Vec<u8>, x: f64, spec: &FormatSpec, type_name: &str) -> Result<(), Fault> {
    let kind = match spec.kind.map(u8::try_from) {
        None | Some(Ok(0)) => None,
        Some(Ok(kind @ (b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'n' | b'%'))) => Some(kind),
        Some(_) => return Err(spec.unknown(type_name)),
    };
    spec.check_precision()?;
    let mut text = String::with_capacity(32);
    push_digits(&mut text, if kind == Some(b'%') { x * 100.0 } else { x }, kind, spec, true);
    if kind == Some(b'%') {
        text.push('%');
    }
    Parts::of_float(&text).lay_out(out, spec);
    Ok(())
}

/// The digits of a float in the presentation wanted, `-` in front if it stays.
fn push_digits(text: &mut String, x: f64, kind: Option<u8>, spec: &FormatSpec, add_dot_0: bool) {
    let style = match (kind, spec.precision) {
        (None, None) => FloatStyle::Repr,
        (Some(b'e' | b'E'), _) => FloatStyle::Exponent,
        (Some(b'f' | b'F' | b'%'), _) => FloatStyle::Fixed,
        _ => FloatStyle::General,
    };
    let flags = FloatFlags {
        alternate: spec.alternate,
        add_dot_0: kind.is_none() && add_dot_0,
        upper: matches!(kind, Some(b'E' | b'F' | b'G')),
    };
    let start = text.len();
    float_repr::format_float(text, x, style, spec.precision.unwrap_or(6), flags);
    if spec.no_negative_zero && text[start..].starts_with('-') {
        let digits = text[start + 1..].split(['e', 'E']).next().unwrap_or("");
        if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            text.remove(start);
        }
    }
}

/// Formats a complex number.
pub fn format_complex(out: &mut Vec<u8>, z: Complex, spec: &FormatSpec, type_name: &str) -> Result<(), Fault> {
    let kind = match spec.kind.map(u8::try_from) {
        None | Some(Ok(0)) => None,
        Some(Ok(kind @ (b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'n'))) => Some(kind),
        Some(_) => return Err(spec.unknown(type_name)),
    };
    spec.check_precision()?;
    if spec.fill == '0' as u32 {
        return Err(Fault::value("Zero padding is not allowed in complex format specifier"));
    }
    if spec.align == Some(b'=') {
        return Err(Fault::value("'=' alignment flag is not allowed in complex format specifier"));
    }
    let lone = kind.is_none() && z.re == 0.0 && z.re.is_sign_positive();
    let mut text = Vec::new();
    let bare = FormatSpec { width: 0, ..*spec };
    if kind.is_none() && !lone {
        text.push(b'(');
    }
    let mut digits = String::new();
    if !lone {
        push_digits(&mut digits, z.re, kind, spec, false);
        Parts::of_float(&digits).lay_out(&mut text, &bare);
        digits.clear();
    }
    push_digits(&mut digits, z.im, kind, spec, false);
    let sign = if lone { spec.sign } else { Some(b'+') };
    Parts::of_float(&digits).lay_out(&mut text, &FormatSpec { sign, ..bare });
    text.push(b'j');
    if kind.is_none() && !lone {
        text.push(b')');
    }
    pad(out, &text, spec, b'>');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64, spec: &str) -> String {
        let mut out = Vec::new();
        let spec = FormatSpec::parse(spec.as_bytes(), "float", false);
        match spec.and_then(|spec| format_float(&mut out, value, &spec, "float")) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(fault) => fault.message.into_owned(),
        }
    }

    fn shown_int(value: i64, spec: &str) -> String {
        let mut out = Vec::new();
        let spec = FormatSpec::parse(spec.as_bytes(), "int", false);
        match spec.and_then(|spec| format_int(&mut out, IntRef::Small(value), &spec, "int", 4300)) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(fault) => fault.message.into_owned(),
        }
    }

    fn shown_text(value: &str, spec: &str) -> String {
        let mut out = Vec::new();
        let spec = FormatSpec::parse(spec.as_bytes(), "str", true);
        match spec.and_then(|spec| format_text(&mut out, value.as_bytes(), &spec, "str")) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(fault) => fault.message.into_owned(),
        }
    }

    #[test]
    fn floats() {
        for (value, spec, text) in [
            (3.0, "", "3.0"),
            (1234567.1234567, ",.6,f", "1,234,567.123,457"),
            (1234567.1234567, "020.6,f", "000001234567.123,457"),
            (1234567.1234567, "025,.6,f", "0,000,001,234,567.123,457"),
            (1234567.1234567, ".,", "1234567.123,456,7"),
            (1234.0, "06,.0f", "01,234"),
            (1234.0, "08,.0f", "0,001,234"),
            (f64::NAN, "010,", "0000000nan"),
            (-0.04, "z.1f", "0.0"),
            (1e16, ".17", "1e+16"),
            (3.0, "#.3", "3.00"),
            (0.125, ".1%", "12.5%"),
            (-2.5, "=+10", "-      2.5"),
            (1.5, "d", "Unknown format code 'd' for object of type 'float'"),
            (1.5, ".", "Format specifier missing precision"),
            (1.5, "{}", "Invalid format specifier '{}' for object of type 'float'"),
            (1.5, "\u{1}", "Unknown format code '\\x1' for object of type 'float'"),
        ] {
            assert_eq!(shown(value, spec), text, "{value} {spec}");
        }
    }

    #[test]
    fn integers() {
        for (value, spec, text) in [
            (255, "#010x", "0x000000ff"),
            (255, "010_b", "0_1111_1111"),
            (255, "é>10", "ééééééé255"),
            (65, "=5c", "    A"),
            (-1, "c", "%c arg not in range(0x110000)"),
            (1, ",x", "Cannot specify ',' with 'x'."),
            (1, ",_d", "Cannot specify both ',' and '_'."),
            (1, ".3", "Precision not allowed in integer format specifier"),
            (1, "99999999999999999999d", "Too many decimal digits in format string"),
            (3, ".1%", "300.0%"),
        ] {
            assert_eq!(shown_int(value, spec), text, "{value} {spec}");
        }
    }

    #[test]
    fn texts() {
        for (value, spec, text) in [
            ("ab", "^7.1", "   a   "),
            ("a", "05", "a0000"),
            ("日本", "*<4", "日本**"),
            ("a", "=5", "'=' alignment not allowed in string format specifier"),
            ("a", " 5", "Space not allowed in string format specifier"),
            ("a", ",", "Cannot specify ',' with 's'."),
        ] {
            assert_eq!(shown_text(value, spec), text, "{value} {spec}");
        }
    }
}
