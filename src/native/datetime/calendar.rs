//! The proleptic Gregorian calendar by numbers: days counted from the first of January of the year 1, ISO weeks, and how times are written.

use crate::object::{Moment, Span};

pub(super) use crate::object::{EPOCH_ORDINAL as EPOCH, LAST_ORDINAL, days_in_month, from_ordinal, is_leap, ordinal};

/// The number of the day of a date.
pub(super) fn ordinal_of(at: Moment) -> i64 {
    at.ordinal()
}

/// 0 for Monday.
pub(super) fn weekday(ordinal: i64) -> i64 {
    (ordinal + 6).rem_euclid(7)
}

/// The number of the Monday with which the first ISO week of a year begins.
fn first_monday(year: i64) -> i64 {
    let first = ordinal(year, 1, 1);
    let weekday = weekday(first);
    let monday = first - weekday;
    if weekday > 3 { monday + 7 } else { monday }
}

/// Year, week and weekday of ISO 8601.
pub(super) fn iso_calendar(at: Moment) -> (i64, i64, i64) {
    let (mut year, today) = (i64::from(at.year), ordinal_of(at));
    let mut monday = first_monday(year);
    if today < monday {
        year -= 1;
        monday = first_monday(year);
    } else if today >= first_monday(year + 1) {
        year += 1;
        monday = first_monday(year);
    }
    (year, (today - monday) / 7 + 1, (today - monday) % 7 + 1)
}

/// What is wrong with a week date.
pub(super) enum WeekFault {
    Year,
    Week,
    Day,
}

/// The number of the day with a year, week and weekday of ISO 8601.
pub(super) fn from_iso_calendar(year: i64, week: i64, day: i64) -> Result<i64, WeekFault> {
    if !(1..=9999).contains(&year) {
        return Err(WeekFault::Year);
    }
    if !(1..=52).contains(&week) {
        let first = weekday(ordinal(year, 1, 1));
        if week != 53 || !(first == 3 || first == 2 && is_leap(year)) {
            return Err(WeekFault::Week);
        }
    }
    if !(1..=7).contains(&day) {
        return Err(WeekFault::Day);
    }
    Ok(first_monday(year) + (week - 1) * 7 + day - 1)
}

/// A moment moved by a duration; None if that is not in the years 1 to 9999.
pub(super) fn moved(at: Moment, span: Span, back: bool) -> Option<Moment> {
    at.moved(span, back)
}

pub(super) fn seconds_of_day(at: Moment) -> i64 {
    at.seconds_of_day()
}

/// From `b` to `a`, zones apart.
pub(super) fn between(a: Moment, b: Moment) -> Span {
    a.since(b)
}

/// A short line of ASCII being written.
pub(super) struct Line {
    bytes: [u8; 64],
    len: usize,
}

impl Line {
    pub(super) fn new() -> Line {
        Line { bytes: [0; 64], len: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).expect("digits and signs")
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// The last so many digits of a number.
    pub(super) fn digits(&mut self, mut number: u32, count: usize) {
        for at in (self.len..self.len + count).rev() {
            self.bytes[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.len += count;
    }

    pub(super) fn date(&mut self, at: Moment) {
        self.digits(at.year.into(), 4);
        self.push(b'-');
        self.digits(at.month.into(), 2);
        self.push(b'-');
        self.digits(at.day.into(), 2);
    }

    pub(super) fn time(&mut self, at: Moment, precision: Precision) {
        self.digits(at.hour.into(), 2);
        if precision == Precision::Hours {
            return;
        }
        self.push(b':');
        self.digits(at.minute.into(), 2);
        if precision == Precision::Minutes {
            return;
        }
        self.push(b':');
        self.digits(at.second.into(), 2);
        match precision {
            Precision::Milliseconds => {
                self.push(b'.');
                self.digits(at.micros / 1000, 3);
            }
            Precision::Microseconds => {
                self.push(b'.');
                self.digits(at.micros, 6);
            }
            Precision::Auto if at.micros != 0 => {
                self.push(b'.');
                self.digits(at.micros, 6);
            }
            _ => {}
        }
    }

    /// How far ahead of UTC, with this between hours and minutes.
    pub(super) fn offset(&mut self, span: Span, between: &str) {
        let total = span.total();
        self.push(if total < 0 { b'-' } else { b'+' });
        let total = total.unsigned_abs() as u64;
        let (seconds, micros) = (total / 1_000_000, (total % 1_000_000) as u32);
        self.digits((seconds / 3600) as u32, 2);
        let colon = |line: &mut Line| between.bytes().for_each(|byte| line.push(byte));
        colon(self);
        self.digits((seconds / 60 % 60) as u32, 2);
        if seconds % 60 != 0 || micros != 0 {
            colon(self);
            self.digits((seconds % 60) as u32, 2);
            if micros != 0 {
                self.push(b'.');
                self.digits(micros, 6);
            }
        }
    }
}

/// How much of a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Auto,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    Microseconds,
}

impl Precision {
    pub(super) fn named(name: &str) -> Option<Precision> {
        Some(match name {
            "auto" => Precision::Auto,
            "hours" => Precision::Hours,
            "minutes" => Precision::Minutes,
            "seconds" => Precision::Seconds,
            "milliseconds" => Precision::Milliseconds,
            "microseconds" => Precision::Microseconds,
            _ => return None,
        })
    }
}
