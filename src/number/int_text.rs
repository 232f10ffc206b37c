//! Integers as text: reading literals in any base and writing digits, with the limit on long decimal conversions.

use super::Fault;
use super::int::{Int, IntRef};
use super::long::{self, Watch};
use num_bigint::{BigInt, Sign};

/// The most digits converted unless the script raises the limit (`sys.set_int_max_str_digits`); 0 means no limit.
pub const DEFAULT_MAX_DIGITS: usize = 4_300;

/// Why a text is no integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntTextError {
    /// It doesn't read as an integer: the caller names the text, "invalid literal for int() with base …".
    Malformed,
    /// The base isn't allowed, or there are too many digits.
    Fault(Fault),
}

/// ASCII text without the white space C knows around it.
pub fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |at| at + 1);
    &text[start..end]
}

/// Reads an integer as `int(text, base)` does: space around it, a sign, a prefix, underscores between digits.
pub fn parse_int(text: &[u8], base: i64, max_digits: usize) -> Result<Int, IntTextError> {
    parse_int_watched(text, base, max_digits, &Watch::never())
}

/// As `parse_int`; a long text may be given up on.
pub fn parse_int_watched(text: &[u8], base: i64, max_digits: usize, watch: &Watch<'_>) -> Result<Int, IntTextError> {
    if base == 10
        && (1..=18).contains(&text.len())
        && let Some(small) = parse_plain(text)
    {
        return Ok(Int::Small(small));
    }
    if base != 0 && !(2..=36).contains(&base) {
        return Err(IntTextError::Fault(Fault::value("int() base must be >= 2 and <= 36, or 0")));
    }
    let mut text = trim(text);
    let negative = text.first() == Some(&b'-');
    if let Some(b'+' | b'-') = text.first() {
        text = &text[1..];
    }
    let prefix = match text {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => 0,
    };
    let mut radix = base as u32;
    if prefix != 0 && (base == 0 || base == prefix) {
        radix = prefix as u32;
        text = &text[2..];
        // One underscore may stand between the prefix and the digits.
        text = text.strip_prefix(b"_").unwrap_or(text);
    } else if base == 0 {
        // A leading zero once meant octal: only zeros may follow it.
        if text.first() == Some(&b'0') && text.iter().any(|byte| !matches!(byte, b'0' | b'_')) {
            return Err(IntTextError::Malformed);
        }
        radix = 10;
    }
    let digits = digits_of(text, radix).ok_or(IntTextError::Malformed)?;
    if max_digits != 0 && digits.len() > max_digits && !radix.is_power_of_two() {
        return Err(IntTextError::Fault(Fault::value(format!(
            "Exceeds the limit ({max_digits} digits) for integer string conversion: value has {} digits; \
             use sys.set_int_max_str_digits() to increase the limit",
            digits.len()
        ))));
    }
    // A digit has less than six bits.
    if digits.len() <= 63 / 6 || radix <= 10 && digits.len() <= 38 {
        let number = digits.iter().fold(0i128, |number, digit| number * i128::from(radix) + i128::from(*digit));
        return Ok(Int::from(if negative { -number } else { number }));
    }
    let magnitude = long::from_digits(&digits, radix, watch).map_err(IntTextError::Fault)?;
    Ok(Int::from_big(BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, magnitude)))
}

/// Decimal digits with an optional sign and nothing else.
fn parse_plain(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + digit as i64;
    }
    Some(if negative { -number } else { number })
}

fn digits_of(text: &[u8], radix: u32) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    let mut after_digit = false;
    for &byte in text {
        if byte == b'_' {
            if !after_digit {
                return None;
            }
            after_digit = false;
        } else {
            digits.push((byte as char).to_digit(radix)? as u8);
            after_digit = true;
        }
    }
    after_digit.then_some(digits)
}

const PAIRS: &[u8; 200] =
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Appends the decimal digits of `number`.
pub fn push_i64(out: &mut String, number: i64) {
    let mut buffer = [0u8; 20];
    let mut at = buffer.len();
    let mut rest = number.unsigned_abs();
    while rest >= 100 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if rest >= 10 {
        let pair = rest as usize * 2;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = b'0' + rest as u8;
    }
    if number < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    out.push_str(std::str::from_utf8(&buffer[at..]).expect("digits are ASCII"));
}

/// `str(number)`.
pub fn format_i64(number: i64) -> String {
    let mut out = String::with_capacity(20);
    push_i64(&mut out, number);
    out
}

/// `str(number)`, unless it has more than `max_digits` digits (0: no limit).
pub fn format_int(number: IntRef<'_>, max_digits: usize) -> Result<String, Fault> {
    format_int_watched(number, max_digits, &Watch::never())
}

/// As `format_int`; a long number may be given up on.
pub fn format_int_watched(number: IntRef<'_>, max_digits: usize, watch: &Watch<'_>) -> Result<String, Fault> {
    let big = match number {
        IntRef::Small(small) => return Ok(format_i64(small)),
        IntRef::Big(big) => big,
    };
    let too_long = || {
        Fault::value(format!(
            "Exceeds the limit ({max_digits} digits) for integer string conversion; \
             use sys.set_int_max_str_digits() to increase the limit"
        ))
    };
    // A bit is 0.30103 digits: what is far too long isn't converted at all.
    if max_digits != 0 && (big.bits() - 1) as f64 * 0.301 > max_digits as f64 + 1.0 {
        return Err(too_long());
    }
    if let Some(number) = number.to_i128() {
        return Ok(number.to_string());
    }
    let mut text = String::new();
    if big.sign() == Sign::Minus {
        text.push('-');
    }
    long::push_decimal(&mut text, big.magnitude(), watch)?;
    if max_digits != 0 && text.len() - text.starts_with('-') as usize > max_digits {
        return Err(too_long());
    }
    Ok(text)
}

/// Appends the digits of the absolute value in base 2, 8 or 16 (or any up to 36), without a prefix.
pub fn push_radix(out: &mut String, number: IntRef<'_>, radix: u32, upper: bool) {
    let start = out.len();
    match number {
        IntRef::Small(small) => {
            const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
            let (mut buffer, mut at, mut rest) = ([0u8; 64], 64, small.unsigned_abs());
            let shift = radix.trailing_zeros();
            loop {
                at -= 1;
                if radix.is_power_of_two() {
                    buffer[at] = DIGITS[(rest as u32 & (radix - 1)) as usize];
                    rest >>= shift;
                } else {
                    buffer[at] = DIGITS[(rest % u64::from(radix)) as usize];
                    rest /= u64::from(radix);
                }
                if rest == 0 {
                    break;
                }
            }
            out.push_str(std::str::from_utf8(&buffer[at..]).expect("digits are ASCII"));
        }
        IntRef::Big(big) => out.push_str(&big.magnitude().to_str_radix(radix)),
    }
    if upper {
        out[start..].make_ascii_uppercase();
    }
}

/// `bin`, `oct` and `hex`: sign, prefix, digits.
pub fn format_prefixed(number: IntRef<'_>, radix: u32) -> String {
    // Sign, prefix, and the digits of most.
    let mut out = String::with_capacity(3 + 64);
    if number.signum() < 0 {
        out.push('-');
    }
    out.push_str(match radix {
        2 => "0b",
        8 => "0o",
        _ => "0x",
    });
    push_radix(&mut out, number, radix, false);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading() {
        for (text, base, number) in [
            ("0", 10, Some(0)),
            (" -12\n", 10, Some(-12)),
            ("+7", 10, Some(7)),
            ("1_000", 10, Some(1000)),
            ("0x_ff", 0, Some(255)),
            ("0XfF", 16, Some(255)),
            ("0b11", 16, Some(0xb11)),
            ("0o17", 0, Some(15)),
            ("zz", 36, Some(1295)),
            ("00", 0, Some(0)),
            ("0_0", 0, Some(0)),
            ("012", 0, None),
            ("1__2", 10, None),
            ("_1", 10, None),
            ("1_", 10, None),
            ("", 10, None),
            ("-", 10, None),
            ("- 1", 10, None),
            ("0x", 16, None),
            ("0x__1", 0, None),
            ("9223372036854775807", 10, Some(i64::MAX)),
            ("-9223372036854775808", 10, Some(i64::MIN)),
        ] {
            let got = parse_int(text.as_bytes(), base, DEFAULT_MAX_DIGITS);
            assert_eq!(got, number.map(Int::Small).ok_or(IntTextError::Malformed), "{text}");
        }
        assert!(matches!(parse_int(b"1", 37, 0), Err(IntTextError::Fault(_))));
    }

    #[test]
    fn the_limit() {
        let text = "9".repeat(4301);
        let Err(IntTextError::Fault(fault)) = parse_int(text.as_bytes(), 10, 4300) else { panic!("past the limit") };
        assert_eq!(
            fault.message,
            "Exceeds the limit (4300 digits) for integer string conversion: value has 4301 digits; use \
             sys.set_int_max_str_digits() to increase the limit"
        );
        let number = parse_int(text.as_bytes(), 10, 0).unwrap();
        assert_eq!(format_int(number.as_ref(), 0).unwrap(), text);
        assert!(format_int(number.as_ref(), 4300).is_err());
        assert!(format_int(number.as_ref(), 4301).is_ok());
        assert!(parse_int(text.as_bytes(), 16, 4300).is_ok());
    }

    #[test]
    fn long_texts_survive_the_splits() {
        let text = format!("1{}7{}", "0".repeat(20_000), "0".repeat(15_000));
        let number = parse_int(text.as_bytes(), 10, 0).unwrap();
        assert_eq!(format_int(number.as_ref(), 0).unwrap(), text);
    }

    #[test]
    fn writing() {
        for number in [0, 7, 10, 99, 100, 12345, -1, -100, i64::MAX, i64::MIN] {
            assert_eq!(format_i64(number), number.to_string());
        }
        assert_eq!(format_prefixed(IntRef::Small(-255), 16), "-0xff");
        assert_eq!(format_prefixed(IntRef::Small(i64::MIN), 2), format!("-0b1{}", "0".repeat(63)));
    }
}
