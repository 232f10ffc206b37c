//! Dates, times, durations and fixed zones: plain numbers in the cell, a zone beside them.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Heap, Slot, Value};
use crate::number::hash::{TupleHash, hash_i64};

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

/// The number of the last day there is; the first of January of the year 1 has 1.
pub const LAST_ORDINAL: i64 = 3_652_059;

/// The number of the first of January 1970.
pub const EPOCH_ORDINAL: i64 = 719_163;

const BEFORE: [i64; 14] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// Whether a year has 366 days.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month, which is one of 1 to 12.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    if month == 2 { 28 + i64::from(is_leap(year)) } else { BEFORE[month as usize + 1] - BEFORE[month as usize] }
}

/// The number of a day.
pub fn ordinal(year: i64, month: i64, day: i64) -> i64 {
    let y = year - 1;
    let before = BEFORE[month as usize] + i64::from(month > 2 && is_leap(year));
    y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + before + day
}

/// The year, month and day with a number.
pub fn from_ordinal(ordinal: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that leap days come last.
    let shifted = ordinal + 305;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl Moment {
    /// The first of January of the year 1.
    pub const EARLY: Moment = Moment { year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, fold: 0 };

    /// The number of its day.
    pub fn ordinal(self) -> i64 {
        ordinal(self.year.into(), self.month.into(), self.day.into())
    }

    /// The whole seconds since midnight.
    pub fn seconds_of_day(self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }

    /// The same, the first of two equal times.
    pub fn without_fold(self) -> Moment {
        Moment { fold: 0, ..self }
    }

    /// Moved by a duration, or back by it; None if that is not in the years 1 to 9999.
    pub fn moved(self, span: Span, back: bool) -> Option<Moment> {
        let sign = if back { -1 } else { 1 };
        let mut micros = i64::from(self.micros) + sign * i64::from(span.micros);
        let mut seconds = self.seconds_of_day() + sign * i64::from(span.seconds) + micros.div_euclid(1_000_000);
        micros = micros.rem_euclid(1_000_000);
        let days = sign * i64::from(span.days) + seconds.div_euclid(86_400);
        seconds = seconds.rem_euclid(86_400);
        let mut moved = self.moved_by_days(days)?;
        (moved.hour, moved.minute, moved.second) =
            ((seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8);
        moved.micros = micros as u32;
        moved.fold = 0;
        Some(moved)
    }

    /// Moved by whole days.
    pub fn moved_by_days(self, days: i64) -> Option<Moment> {
        let mut moved = self;
        let day = i64::from(self.day) + days;
        // Most are moved within a month.
        if (1..=28).contains(&day) {
            moved.day = day as u8;
            return Some(moved);
        }
        let ordinal = self.ordinal() + days;
        if !(1..=LAST_ORDINAL).contains(&ordinal) {
            return None;
        }
        let (year, month, day) = from_ordinal(ordinal);
        (moved.year, moved.month, moved.day) = (year as u16, month as u8, day as u8);
        Some(moved)
    }

    /// How long after another it is, zones apart.
    pub fn since(self, other: Moment) -> Span {
        let days = self.ordinal() - other.ordinal();
        let seconds = self.seconds_of_day() - other.seconds_of_day();
        let micros = i64::from(self.micros) - i64::from(other.micros);
        Span::of(days, seconds, micros).expect("dates are not so far apart")
    }

    /// Its date as it is pickled.
    pub fn date_state(self) -> [u8; 4] {
        let [high, low] = self.year.to_be_bytes();
        [high, low, self.month, self.day]
    }

    /// Its time as it is pickled, `fold` apart.
    pub fn time_state(self) -> [u8; 6] {
        let [_, high, middle, low] = self.micros.to_be_bytes();
        [self.hour, self.minute, self.second, high, middle, low]
    }

    /// Both as they are pickled, `fold` apart.
    pub fn state(self) -> [u8; 10] {
        let mut state = [0; 10];
        state[..4].copy_from_slice(&self.date_state());
        state[4..].copy_from_slice(&self.time_state());
        state
    }
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

    /// Its hash: that of the three numbers as a tuple.
    pub fn hash(self) -> i64 {
        let mut hash = TupleHash::new();
        for part in [self.days, self.seconds, self.micros] {
            hash.push(hash_i64(part.into()));
        }
        hash.finish()
    }

    /// Two added, or the second taken from the first; the days, if they are too many.
    pub fn plus(self, other: Span, minus: bool) -> Result<Span, i128> {
        let sign = if minus { -1 } else { 1 };
        let part = |a: i32, b: i32| i64::from(a) + sign * i64::from(b);
        Span::of(part(self.days, other.days), part(self.seconds, other.seconds), part(self.micros, other.micros))
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

impl DateTime {
    /// A cell for a moment in a zone.
    pub fn new<'h>(heap: &'h Heap, at: Moment, zone: Value<'_>) -> Gc<'h, DateTime> {
        heap.alloc(DateTime { at: at.into(), zone: Slot::new(zone), hash: (-1).into() })
    }
}

/// The hash of a date, time or duration for which no zone has to be asked.
pub(super) fn hash_dated(heap: &Heap, value: Value<'_>) -> Option<i64> {
    if let Some(delta) = value.exact::<TimeDelta>() {
        return Some(delta.span.hash());
    }
    if let Some(date) = value.exact::<Date>() {
        return Some(heap.hash_key().hash_bytes(&date.at.date_state()));
    }
    let moment = value.exact::<DateTime>()?;
    let known = moment.hash.get();
    if known != -1 {
        return Some(known);
    }
    if !moment.zone.get().is_none() {
        return None;
    }
    let hash = heap.hash_key().hash_bytes(&moment.at.get().state());
    moment.hash.set(hash);
    Some(hash)
}

/// The order of two dates, or two durations, for which no zone has to be asked.
pub fn order_dated(a: Value<'_>, b: Value<'_>) -> Option<std::cmp::Ordering> {
    if let (Some(a), Some(b)) = (a.exact::<DateTime>(), b.exact::<DateTime>()) {
        let same = a.zone.get().is(b.zone.get());
        return same.then(|| a.at.get().without_fold().cmp(&b.at.get().without_fold()));
    }
    if let (Some(a), Some(b)) = (a.exact::<TimeDelta>(), b.exact::<TimeDelta>()) {
        return Some(a.span.cmp(&b.span));
    }
    let (a, b) = (a.exact::<Date>()?, b.exact::<Date>()?);
    Some(a.at.cmp(&b.at))
}
