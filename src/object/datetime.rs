//! Dates, times, durations and fixed zones: plain numbers in the cell, a zone beside them.

use std::cell::Cell as StdCell;

use crate::heap::Slot;

/// A date with a time of day; of a date alone the time is zero, of a time alone the date is. In order of time, `fold` apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the units")]
pub struct Moment {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub micros: u32,
    /// 1 for the second of two equal times when clocks go back.
    pub fold: u8,
}

impl Moment {
    /// The first of January of the year 1.
    pub const EARLY: Moment = Moment { year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, fold: 0 };
}

/// A duration: days of any sign, and of the rest less than a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the units")]
pub struct Span {
    pub days: i32,
    pub seconds: i32,
    pub micros: i32,
}

/// The most days of a duration.
pub const MOST_DAYS: i64 = 999_999_999;

impl Span {
    /// A duration of so many microseconds; the days, if they are too many.
    pub fn of_micros(total: i128) -> Result<Span, i128> {
        const DAY: i128 = 86_400_000_000;
        let (days, rest) = (total.div_euclid(DAY), total.rem_euclid(DAY) as i64);
        if days.unsigned_abs() > MOST_DAYS as u128 {
            return Err(days);
        }
        Ok(Span { days: days as i32, seconds: (rest / 1_000_000) as i32, micros: (rest % 1_000_000) as i32 })
    }

    /// A duration of parts of any size; the days, if they are too many.
    pub fn of(days: i64, seconds: i64, micros: i64) -> Result<Span, i128> {
        let seconds = seconds + micros.div_euclid(1_000_000);
        let days = days + seconds.div_euclid(86_400);
        if days.unsigned_abs() > MOST_DAYS as u64 {
            return Err(i128::from(days));
        }
        let (seconds, micros) = (seconds.rem_euclid(86_400), micros.rem_euclid(1_000_000));
        Ok(Span { days: days as i32, seconds: seconds as i32, micros: micros as i32 })
    }

    /// All of it in microseconds.
    pub fn total(self) -> i128 {
        i128::from(self.whole_seconds()) * 1_000_000 + i128::from(self.micros)
    }

    /// The whole seconds before the microseconds.
    pub fn whole_seconds(self) -> i64 {
        i64::from(self.days) * 86_400 + i64::from(self.seconds)
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self == Span::default()
    }
}

/// `timedelta`.
#[derive(Debug)]
pub struct TimeDelta {
    /// How long.
    pub span: Span,
}

crate::cell! { TimeDelta: TimeDelta { slots: [], refs: [] } }

/// `date`.
#[derive(Debug)]
pub struct Date {
    /// When.
    pub at: Moment,
}

crate::cell! { Date: Date { slots: [], refs: [] } }

/// `time`.
#[derive(Debug)]
pub struct TimeOfDay {
    /// When.
    pub at: StdCell<Moment>,
    /// Its zone, or None.
    pub zone: Slot,
    /// Its hash once it was asked for, else -1.
    pub hash: StdCell<i64>,
}

crate::cell! { TimeOfDay: TimeOfDay { slots: [zone], refs: [] } }

/// `datetime`.
#[derive(Debug)]
pub struct DateTime {
    /// When.
    pub at: StdCell<Moment>,
    /// Its zone, or None.
    pub zone: Slot,
    /// Its hash once it was asked for, else -1.
    pub hash: StdCell<i64>,
}

crate::cell! { DateTime: DateTime { slots: [zone], refs: [] } }

/// `timezone`: always as far ahead of UTC.
#[derive(Debug)]
pub struct TimeZone {
    /// How far: a duration.
    pub offset: Slot,
    /// Its name, or None.
    pub name: Slot,
}

crate::cell! { TimeZone: TimeZone { slots: [offset, name], refs: [] } }
