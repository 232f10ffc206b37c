//! Reading what ISO 8601 allows of dates and times, as far as CPython does.

use super::calendar::{from_iso_calendar, from_ordinal};

/// The text is none of the forms.
#[derive(Debug)]
pub(super) struct Invalid;

/// A date as it stands: its numbers are not checked.
pub(super) type Date = (i64, i64, i64);

/// A time as it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) micros: i64,
    /// The offset of its zone in seconds and microseconds, if it has one.
    pub(super) offset: Option<(i64, i64)>,
}

/// A reader of bytes; past the end there are zeros.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn here(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self) -> u8 {
        let byte = self.here();
        self.at += 1;
        byte
    }

    fn digits(&mut self, count: usize) -> Result<i64, Invalid> {
        let mut number = 0;
        for _ in 0..count {
            let byte = self.take();
            if !byte.is_ascii_digit() {
                return Err(Invalid);
            }
            number = number * 10 + i64::from(byte - b'0');
        }
        Ok(number)
    }
}

/// A date that ends before `end`; what follows it in there is not looked at.
pub(super) fn date(text: &[u8], end: usize) -> Result<Date, Invalid> {
    let mut reader = Reader { bytes: text, at: 0 };
    let year = reader.digits(4)?;
    let dashed = reader.here() == b'-';
    if dashed {
        reader.at += 1;
    }
    if reader.here() == b'W' {
        reader.at += 1;
        let week = reader.digits(2)?;
        let mut day = 1;
        if reader.at < end {
            if dashed && reader.take() != b'-' {
                return Err(Invalid);
            }
            day = reader.digits(1)?;
        }
        return from_iso_calendar(year, week, day).map(from_ordinal).map_err(|_| Invalid);
    }
    let month = reader.digits(2)?;
    if dashed && reader.take() != b'-' {
        return Err(Invalid);
    }
    let day = reader.digits(2)?;
    Ok((year, month, day))
}

/// Hours, minutes, seconds and microseconds of `text[from..to]`, and whether something follows.
fn clock(text: &[u8], from: usize, to: usize) -> Result<([i64; 4], bool), Invalid> {
    let mut reader = Reader { bytes: text, at: from };
    let mut numbers = [0; 4];
    let mut colons = true;
    for part in 0..3 {
        numbers[part] = reader.digits(2)?;
        let following = reader.take();
        if part == 0 {
            colons = following == b':';
        }
        if reader.at >= to {
            return Ok((numbers, following != 0));
        }
        match following {
            b':' if colons => {
                if part == 2 {
                    return Err(Invalid);
                }
            }
            b'.' | b',' => {
                if part < 2 {
                    return Err(Invalid);
                }
                break;
            }
            _ if colons => return Err(Invalid),
            _ => reader.at -= 1,
        }
    }
    let count = to.saturating_sub(reader.at).min(6);
    if count == 0 {
        return Err(Invalid);
    }
    let fraction = reader.digits(count)?;
    numbers[3] = fraction * 10i64.pow(6 - count as u32);
    while reader.here().is_ascii_digit() {
        reader.at += 1;
    }
    Ok((numbers, reader.here() != 0))
}

/// A time: all of the text.
pub(super) fn time(text: &[u8]) -> Result<Clock, Invalid> {
    let sign = text.iter().position(|byte| matches!(byte, b'+' | b'-' | b'Z')).unwrap_or(text.len());
    // A text has no zeros: they stand for its end.
    if text.contains(&0) {
        return Err(Invalid);
    }
    let ([hour, minute, second, micros], more) = clock(text, 0, sign)?;
    let mut read = Clock { hour, minute, second, micros, offset: None };
    if sign == text.len() {
        return if more { Err(Invalid) } else { Ok(read) };
    }
    if text[sign] == b'Z' {
        if sign + 1 != text.len() {
            return Err(Invalid);
        }
        read.offset = Some((0, 0));
        return Ok(read);
    }
    let (parts, more) = clock(text, sign + 1, text.len())?;
    if more {
        return Err(Invalid);
    }
    let direction = if text[sign] == b'-' { -1 } else { 1 };
    let seconds = direction * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    // Without whole seconds it is UTC, whatever the fraction says.
    read.offset = Some((seconds, if seconds == 0 { 0 } else { direction * parts[3] }));
    Ok(read)
}

/// A date, and the time behind it if there is one.
pub(super) fn date_and_time(text: &[u8]) -> Result<(Date, Option<Clock>), Invalid> {
    if text.len() < 7 {
        return Err(Invalid);
    }
    let end = end_of_date(text).ok_or(Invalid)?.min(text.len());
    let date = date(text, end)?;
    if end == text.len() {
        return Ok((date, None));
    }
    // Any one character may stand between.
    let between = match text[end] {
        0..=0x7F => 1,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
        _ => 2,
    };
    let rest = text.get(end + between..).unwrap_or(&[]);
    if rest.is_empty() {
        return Err(Invalid);
    }
    Ok((date, Some(time(rest)?)))
}

/// Where the date ends.
fn end_of_date(text: &[u8]) -> Option<usize> {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    if text.len() == 7 {
        return Some(7);
    }
    if text[4] == b'-' {
        if text[5] != b'W' {
            return Some(10);
        }
        if text.len() > 8 && text[8] == b'-' {
            if text.len() == 9 {
                return None;
            }
            return Some(if is_digit(10) { 8 } else { 10 });
        }
        return Some(8);
    }
    if text[4] == b'W' {
        let mut at = 7;
        while is_digit(at) {
            at += 1;
        }
        return Some(if at < 9 {
            at
        } else if at % 2 == 0 {
            7
        } else {
            8
        });
    }
    Some(8)
}
