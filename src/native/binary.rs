//! The module `_binary`: what `binascii`, `zlib` and `struct` need of the machine: checksums, base64, deflate, the bytes of floats.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::heap::Value;
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::object::Bytes;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_binary").held();
    cx.functions_of(module, &BINARY);
    Ok(())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode64(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let word = u32::from(chunk[0]) << 16
            | chunk.get(1).map_or(0, |b| u32::from(*b) << 8)
            | chunk.get(2).map_or(0, |b| u32::from(*b));
        for place in 0..4 {
            let index = (word >> (18 - 6 * place)) & 63;
            out.push(if place > chunk.len() { b'=' } else { ALPHABET[index as usize] });
        }
    }
    out
}

/// What characters of base64 stand for; `NOT_64` for others.
static VALUES: [u8; 256] = {
    let mut values = [NOT_64; 256];
    let mut at = 0;
    while at < 64 {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

const NOT_64: u8 = 255;

/// What a character of base64 stands for.
fn value64(byte: u8) -> Option<u8> {
    let value = VALUES[usize::from(byte)];
    (value != NOT_64).then_some(value)
}

/// The bytes of a text in base64, or what is wrong with it, as CPython says.
fn decode64(data: &[u8], strict: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(data.len() / 4 * 3);
    let mut quad = 0usize;
    let mut left = 0u32;
    let mut pads = 0usize;
    let mut padded = false;
    if strict && data.first() == Some(&b'=') {
        return Err("Leading padding not allowed".into());
    }
    // Groups without anything unusual, as most are.
    let mut plain = 0;
    for group in data.chunks_exact(4) {
        let values = [group[0], group[1], group[2], group[3]].map(|byte| u32::from(VALUES[usize::from(byte)]));
        if values.iter().any(|value| *value == u32::from(NOT_64)) {
            break;
        }
        let [_, first, second, third] = (values[0] << 18 | values[1] << 12 | values[2] << 6 | values[3]).to_be_bytes();
        out.extend_from_slice(&[first, second, third]);
        plain += 4;
    }
    for (at, byte) in data.iter().enumerate().skip(plain) {
        if *byte == b'=' {
            if quad >= 2 {
                pads += 1;
                if quad + pads >= 4 {
                    if strict && at + 1 < data.len() {
                        return Err("Excess data after padding".into());
                    }
                    return Ok(out);
                }
            } else if strict && quad == 0 {
                return Err("Excess padding not allowed".into());
            }
            padded = true;
            continue;
        }
        let Some(value) = value64(*byte) else {
            if strict {
                return Err("Only base64 data is allowed".into());
            }
            continue;
        };
        if strict && padded {
            return Err("Discontinuous padding not allowed".into());
        }
        pads = 0;
        left = left << 6 | u32::from(value);
        quad += 1;
        match quad {
            2 => out.push((left >> 4) as u8),
            3 => out.push((left >> 2) as u8),
            4 => {
                out.push(left as u8);
                quad = 0;
                left = 0;
            }
            _ => {}
        }
    }
    match quad {
        0 => Ok(out),
        1 => Err(format!(
            "Invalid base64-encoded string: number of data characters ({}) cannot be 1 more than a multiple of 4",
            out.len() / 3 * 4 + 1
        )),
        _ => Err("Incorrect padding".into()),
    }
}

pub(crate) fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// A float in sixteen bits, ties to even; None if it is too large.
pub(crate) fn half_from_f64(value: f64) -> Option<u16> {
    let sign = if value.is_sign_negative() { 0x8000u16 } else { 0 };
    let size = value.abs();
    if value.is_nan() {
        return Some(sign | 0x7e00);
    }
    if size.is_infinite() {
        return Some(sign | 0x7c00);
    }
    if size == 0.0 {
        return Some(sign);
    }
    let mut exponent = (size.to_bits() >> 52) as i32 - 1023;
    exponent = exponent.max(-14);
    let scaled = (size / 2f64.powi(exponent - 10)).round_ties_even() as u32;
    let (mut exponent, mut scaled) = (exponent, scaled);
    if scaled >= 2048 {
        scaled /= 2;
        exponent += 1;
    }
    if exponent > 15 {
        return None;
    }
    let bits = if scaled < 1024 { scaled } else { (exponent + 15) as u32 * 1024 + scaled - 1024 };
    Some(sign | bits as u16)
}

natives!(
    /// Checksums, base64, deflate, the bytes of floats.
    pub(crate) static BINARY: Functions;

    /// Return the CRC-32 of bytes, going on from a value.
    fn crc32(cx: &mut Cx, data: Root, value: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let value = cx.index_as_i64(value)?;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        if value == 0 {
            return Ok(i64::from(crc.sum()).into());
        }
        let mut sum = !(value as u32);
        let bytes = bytes.to_vec();
        for (i, byte) in bytes.iter().enumerate() {
            if i % (1 << 16) == 0 {
                cx.poll()?;
            }
            sum = CRC[((sum ^ u32::from(*byte)) & 255) as usize] ^ sum >> 8;
        }
        Ok(i64::from(!sum).into())
    }

    /// Return the Adler-32 of bytes, going on from a value.
    fn adler32(cx: &mut Cx, data: Root, value: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let value = cx.index_as_i64(value)? as u32;
        let (mut low, mut high) = (value & 0xffff, value >> 16);
        let bytes = bytes.to_vec();
        for chunk in bytes.chunks(5000) {
            cx.poll()?;
            for byte in chunk {
                low += u32::from(*byte);
                high += low;
            }
            low %= 65521;
            high %= 65521;
        }
        Ok(i64::from(high << 16 | low).into())
    }

    /// Return bytes in base64.
    fn encode_base64(cx: &mut Cx, data: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        Ok(Bytes::new(&cx.heap, &encode64(&bytes)).into())
    }

    /// Return what base64 stands for; of a wrong text a str that says what is wrong.
    fn decode_base64(cx: &mut Cx, data: Root, strict: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let strict = cx.truth(strict)?;
        match decode64(&bytes, strict) {
            Ok(out) => Ok(Bytes::new(&cx.heap, &out).into()),
            Err(text) => Ok(cx.str(&text).into()),
        }
    }

    /// Return bytes in an alphabet of 85, in groups of five for each four; the last group is shorter unless `pad` is true. With `zero` four zeros
    /// are a `z`, with `spaces` four spaces a `y`.
    fn encode_85(cx: &mut Cx, data: Root, alphabet: Root, pad: bool, zero: bool, spaces: bool) -> NativeResult {
        let (bytes, alphabet) = (bytes_like(cx, data)?, bytes_like(cx, alphabet)?);
        let Ok(alphabet) = <&[u8; 85]>::try_from(&alphabet[..]) else {
            return Err(cx.value_error("an alphabet of 85 has 85 characters"));
        };
        cx.check_room(bytes.len().saturating_mul(3))?;
        let mut out = Vec::with_capacity(bytes.len().div_ceil(4) * 5);
        for chunk in bytes.chunks(4) {
            let mut four = [0; 4];
            four[..chunk.len()].copy_from_slice(chunk);
            let mut word = u32::from_be_bytes(four);
            let whole = pad || chunk.len() == 4;
            if zero && whole && word == 0 {
                out.push(b'z');
                continue;
            }
            // Four spaces there are only in what is given.
            if spaces && word == 0x2020_2020 {
                out.push(b'y');
                continue;
            }
            let mut five = [0; 5];
            for digit in five.iter_mut().rev() {
                *digit = alphabet[(word % 85) as usize];
                word /= 85;
            }
            out.extend_from_slice(if whole { &five } else { &five[..chunk.len() + 1] });
        }
        Ok(Bytes::new(&cx.heap, &out).into())
    }

    /// Return what five digits each in an alphabet of 85 stand for, the last ones filled up; None if there is anything wrong with them.
    fn decode_85(cx: &mut Cx, data: Root, alphabet: Root) -> NativeResult {
        const NONE: u8 = 85;
        let (bytes, alphabet) = (bytes_like(cx, data)?, bytes_like(cx, alphabet)?);
        let mut values = [NONE; 256];
        for (value, byte) in alphabet.iter().enumerate().take(85) {
            values[usize::from(*byte)] = value as u8;
        }
        cx.check_room(bytes.len().saturating_mul(2))?;
        let mut out = Vec::with_capacity(bytes.len() / 5 * 4 + 4);
        for chunk in bytes.chunks(5) {
            let digit = |at: usize| chunk.get(at).map_or(84, |byte| values[usize::from(*byte)]);
            if (0..5).any(|at| digit(at) == NONE) {
                return Ok(Outcome::NONE);
            }
            let word = (0..5).fold(0u64, |word, at| word * 85 + u64::from(digit(at)));
            let Ok(word) = u32::try_from(word) else { return Ok(Outcome::NONE) };
            out.extend_from_slice(&word.to_be_bytes()[..chunk.len() - 1]);
        }
        Ok(Bytes::new(&cx.heap, &out).into())
    }

    /// Return the bytes that hexadecimal digits stand for; None if there is anything wrong with them.
    fn decode_hex(cx: &mut Cx, digits: Root) -> NativeResult {
        let Some(digits) = digits.get(cx).exact::<Bytes>().map(|bytes| bytes.as_bytes()) else {
            return Ok(Outcome::NONE);
        };
        let value = |byte: u8| (byte as char).to_digit(16);
        let pairs = digits.chunks(2).map(|pair| match *pair {
            [high, low] => Some((value(high)? << 4 | value(low)?) as u8),
            _ => None,
        });
        Ok(match pairs.collect::<Option<Vec<u8>>>() {
            Some(bytes) => Bytes::new(&cx.heap, &bytes).into(),
            None => Outcome::NONE,
        })
    }

    /// Return bytes in hexadecimal digits.
    fn encode_hex(cx: &mut Cx, data: Root) -> NativeResult {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = bytes_like(cx, data)?;
        cx.check_room(bytes.len().saturating_mul(3))?;
        let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        let out: Vec<u8> = bytes.iter().flat_map(digits).collect();
        Ok(Bytes::new(&cx.heap, &out).into())
    }

    /// Return a float's bytes, the lowest first; None if it is too large for so few.
    fn float_bytes(cx: &mut Cx, value: Root, size: Root) -> NativeResult {
        let value = cx.to_float(value)?;
        let bytes: Vec<u8> = match cx.index_as_i64(size)? {
            2 => match half_from_f64(value) {
                Some(bits) => bits.to_le_bytes().to_vec(),
                None => return Ok(Value::NONE.into()),
            },
            4 => {
                let small = value as f32;
                if small.is_infinite() && value.is_finite() {
                    return Ok(Value::NONE.into());
                }
                small.to_le_bytes().to_vec()
            }
            _ => value.to_le_bytes().to_vec(),
        };
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Return the float of two, four or eight bytes, the lowest first.
    fn float_value(cx: &mut Cx, data: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        let value = match *bytes {
            [a, b] => half_to_f64(u16::from_le_bytes([a, b])),
            [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => return Err(cx.value_error("2, 4 or 8 bytes are needed")),
        };
        Ok(Value::float(value).into())
    }

    /// Return bytes compressed: with the header of zlib, of gzip, or none, as the window bits say.
    fn compress(cx: &mut Cx, data: Root, level: Root, wbits: Root) -> NativeResult {
        let level = cx.index_as_i64(level)?;
        let wbits = cx.index_as_i64(wbits)?;
        let bytes = bytes_like(cx, data)?.to_vec();
        cx.check_room(bytes.len().saturating_mul(3))?;
        let level = Compression::new(if level < 0 { 6 } else { level.min(9) as u32 });
        // Piece by piece, so that it can be stopped.
        fn feed(cx: &mut Cx, bytes: &[u8], encoder: &mut dyn Write) -> Result<(), Raised> {
            for piece in bytes.chunks(1 << 16) {
                cx.poll()?;
                encoder.write_all(piece).expect("writing to memory does not fail");
            }
            Ok(())
        }
        let done = if wbits < 0 {
            let mut encoder = DeflateEncoder::new(vec![], level);
            feed(cx, &bytes, &mut encoder)?;
            encoder.finish()
        } else if wbits > 15 {
            let mut encoder = GzEncoder::new(vec![], level);
            feed(cx, &bytes, &mut encoder)?;
            encoder.finish()
        } else {
            let mut encoder = ZlibEncoder::new(vec![], level);
            feed(cx, &bytes, &mut encoder)?;
            encoder.finish()
        };
        let out = done.expect("writing to memory does not fail");
        Ok(Bytes::new(&cx.heap, &out).into())
    }
);

/// What a byte does to a CRC-32.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};
