//! `int(text)`, `float(text)` and `complex(text)`: digits of every script, and messages that show the text.

use super::{repr, unicode, wtf8};
use crate::number::complex::{self, Complex};
use crate::number::int::Int;
use crate::number::int_text::{self, IntTextError};
use crate::number::long::Watch;
use crate::number::{Fault, float};
use std::borrow::Cow;

/// Decimal digits of every script as ASCII digits, white space as spaces, what else isn't ASCII as `?`.
fn to_ascii(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let plain = |point: u32| match point {
        0..0x80 => point as u8,
        _ if unicode::is_space(point) => b' ',
        _ => unicode::decimal(point).map_or(b'?', |digit| b'0' + digit as u8),
    };
    Cow::Owned(wtf8::code_points(text).map(plain).collect())
}

fn int_fault(error: IntTextError, base: i64, shown: impl FnOnce() -> String) -> Fault {
    match error {
        IntTextError::Malformed => {
            // Of a long one the beginning is shown.
            let shown: String = shown().chars().take(200).collect();
            Fault::value(format!("invalid literal for int() with base {base}: {shown}"))
        }
        IntTextError::Fault(fault) => fault,
    }
}

/// `int(text, base)` for a `str`.
pub fn int_from_text(text: &[u8], base: i64, max_digits: usize, watch: &Watch<'_>) -> Result<Int, Fault> {
    int_text::parse_int_watched(&to_ascii(text), base, max_digits, watch)
        .map_err(|error| int_fault(error, base, || repr::text(text)))
}

/// `int(bytes, base)` for `bytes` and `bytearray`.
pub fn int_from_bytes(bytes: &[u8], base: i64, max_digits: usize, watch: &Watch<'_>) -> Result<Int, Fault> {
    int_text::parse_int_watched(bytes, base, max_digits, watch)
        .map_err(|error| int_fault(error, base, || repr::bytes(bytes)))
}

/// `float(text)` for a `str`.
pub fn float_from_text(text: &[u8]) -> Result<f64, Fault> {
    float::parse_float(&to_ascii(text)).ok_or_else(|| not_a_float(repr::text(text)))
}

/// `float(bytes)` for `bytes` and `bytearray`.
pub fn float_from_bytes(bytes: &[u8]) -> Result<f64, Fault> {
    float::parse_float(bytes).ok_or_else(|| not_a_float(repr::bytes(bytes)))
}

fn not_a_float(shown: String) -> Fault {
    Fault::value(format!("could not convert string to float: {shown}"))
}

/// `complex(text)`.
pub fn complex_from_text(text: &[u8]) -> Result<Complex, Fault> {
    complex::parse(&to_ascii(text)).map_err(|mut fault| {
        // The message that shows the text is completed here, for the number knows only its digits.
        if fault.message.ends_with(": ") {
            fault.message.to_mut().push_str(&repr::text(text));
        }
        fault
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script() {
        assert_eq!(int_from_text(" ٣４\u{3000}".as_bytes(), 10, 0, &Watch::never()), Ok(Int::Small(34)));
        assert_eq!(float_from_text("٣.5".as_bytes()), Ok(3.5));
        assert_eq!(
            int_from_text(b"\xed\xa0\x80", 10, 0, &Watch::never()).unwrap_err().message,
            "invalid literal for int() with base 10: '\\ud800'"
        );
        assert_eq!(
            int_from_bytes(b"12x", 10, 0, &Watch::never()).unwrap_err().message,
            "invalid literal for int() with base 10: b'12x'"
        );
        assert_eq!(float_from_text(b"a'b").unwrap_err().message, "could not convert string to float: \"a'b\"");
    }
}
