//! How datetimes are made: the constructor, from timestamps, from texts.

use crate::heap::{Kind, Raw};
use crate::native::local_time;
use crate::native::natives;
use crate::native::time::Date;
use crate::object::{Exc, Moment};
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::calendar::{EPOCH, days_in_month};
use super::clock::of_state;
use super::date::{invalid_iso, iso_text};
use super::{
    bind, check_date, check_time, check_zone, date, date_of, datetime_by, instance_of, int, iso, moment_of,
    new_datetime, pickled, strptime, time_of, zone,
};

/// `datetime(…)` by small ints and a zone or None; whatever else is left to `__new__`.
pub(super) fn make(cx: &mut Cx, args: Args) -> NativeResult {
    if !(3..=8).contains(&args.len()) {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    let mut numbers = [0i64; 7];
    for (number, root) in numbers.iter_mut().zip(args.roots()) {
        match root.get(cx).as_int() {
            Some(given) if i32::try_from(given).is_ok() => *number = given,
            _ => return Ok(Outcome::Value(Raw::UNBOUND)),
        }
    }
    let [year, month, day, hour, minute, second, micros] = numbers;
    check_date(cx, year, month, day)?;
    let clock = [hour, minute, second, micros, 0];
    check_time(cx, clock)?;
    let mut zone = Raw::NONE;
    if args.len() == 8 {
        check_zone(cx, args.root(7))?;
        zone = args.get(cx, 7).raw();
    }
    Ok(Outcome::Value(new_datetime(cx, moment_of([year, month, day], clock), zone)))
}

/// Seconds and microseconds of a timestamp, rounded to the nearest.
fn timestamp(cx: &mut Cx, root: Root) -> Result<(i64, i64), Raised> {
    if let Some(float) = cx.payload(root.get(cx)).as_float() {
        if float.is_nan() {
            return Err(cx.value_error("Invalid value NaN (not a number)"));
        }
        let (mut whole, part) = (float.trunc(), float.fract());
        let mut micros = (part * 1e6).round_ties_even();
        if micros >= 1e6 {
            micros -= 1e6;
            whole += 1.0;
        } else if micros < 0.0 {
            micros += 1e6;
            whole -= 1.0;
        }
        if whole.abs() >= 9.2e18 {
            return Err(cx.overflow_error("timestamp out of range for platform time_t"));
        }
        return Ok((whole as i64, micros as i64));
    }
    let value = cx.payload(root.get(cx));
    if crate::object::key::as_int_ref(value).is_none() && cx.special_method(root, crate::vm::Name::Index)?.is_none() {
        let got = cx.type_name_for_error(root.get(cx));
        return Err(cx.type_error(format!("argument must be int or float, not {got}")));
    }
    let index = cx.index(root)?;
    match index.get(cx).as_int() {
        Some(seconds) => Ok((seconds, 0)),
        None => Err(cx.overflow_error("timestamp out of range for platform time_t")),
    }
}

/// The moment of a timestamp in UTC.
pub(super) fn moment_at(cx: &mut Cx, (seconds, micros): (i64, i64)) -> Result<Moment, Raised> {
    // Past this the year would not fit either.
    let seconds = seconds.clamp(-(1 << 56), 1 << 56);
    let date = Date::from_seconds(seconds);
    check_date(cx, date.year, date.month, date.day)?;
    Ok(moment_of([date.year, date.month, date.day], [date.hour, date.minute, date.second, micros, 0]))
}

/// The moment of a timestamp in local time.
fn local_moment_at(cx: &mut Cx, (seconds, micros): (i64, i64)) -> Result<Moment, Raised> {
    const DAY: i64 = 86_400;
    let zone = local_time::zone(cx);
    let seconds = seconds.clamp(-(1 << 56), 1 << 56);
    let local = zone.local(seconds);
    let mut at = moment_at(cx, (local, micros))?;
    // The clock may have shown this before it was put back.
    let before = zone.local(seconds - DAY);
    moment_at(cx, (before, 0))?;
    let back = local - before - DAY;
    at.fold = u8::from(back < 0 && zone.local(seconds + back) == local);
    Ok(at)
}

/// The moment of a timestamp by a class, in a zone or, for None, local.
fn from_timestamp(cx: &mut Cx, class: Root, stamp: (i64, i64), zone: Root) -> NativeResult {
    check_zone(cx, zone)?;
    let raw = zone.get(cx).raw();
    if raw.same(Raw::NONE) {
        let at = local_moment_at(cx, stamp)?;
        return Ok(datetime_by(cx, class, at, raw)?.get(cx).into());
    }
    let at = moment_at(cx, stamp)?;
    let made = datetime_by(cx, class, at, raw)?;
    Ok(zone::from_utc(cx, zone, made)?.get(cx).into())
}

/// As `from_timestamp`, in UTC without a zone.
fn from_timestamp_utc(cx: &mut Cx, class: Root, stamp: (i64, i64)) -> NativeResult {
    let at = moment_at(cx, stamp)?;
    Ok(datetime_by(cx, class, at, Raw::NONE)?.get(cx).into())
}

fn this_moment(cx: &mut Cx) -> (i64, i64) {
    let time = cx.host().time();
    let micros = (time.fract() * 1e6).floor().clamp(0.0, 999_999.0);
    (time.floor() as i64, micros as i64)
}

fn none(cx: &mut Cx) -> Root {
    cx.push_raw(Raw::NONE)
}

natives!(
    /// A date with a time of day.
    pub(super) static MAKING: Methods;

    /// Make a date with a time of day.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::DateTime)?;
        if (1..=2).contains(&args.0.len())
            && let Some(state) = pickled(cx, args.0.root(0), 10)
            && (1..=12).contains(&(state[2] & 127))
        {
            let zone = args.0.rest(1).roots().next();
            if let Some(zone) = zone
                && check_zone(cx, zone).map_err(|raised| cx.take_raised(raised)).is_err()
            {
                return Err(cx.type_error("bad tzinfo state arg".into()));
            }
            let zone = zone.map_or(Raw::NONE, |zone| zone.get(cx).raw());
            let fold = state[2] >> 7;
            let at = moment_of(date::of_state(&state), of_state(&state[4..], fold));
            let made = new_datetime(cx, at, zone);
            return Ok(instance_of(cx, class, made).get(cx).into());
        }
        let names = ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo", "fold"];
        let bound = bind(cx, "function", names, (3, 8), args.0, kwargs.0)?;
        let mut numbers = [0; 8];
        for (number, at) in numbers.iter_mut().zip([0, 1, 2, 3, 4, 5, 6, 8]) {
            if let Some(root) = bound[at] {
                *number = int(cx, root)?;
            }
        }
        let [year, month, day, hour, minute, second, micros, fold] = numbers;
        let clock = [hour, minute, second, micros, fold];
        check_date(cx, year, month, day)?;
        check_time(cx, clock)?;
        if let Some(zone) = bound[7] {
            check_zone(cx, zone)?;
        }
        let zone = bound[7].map_or(Raw::NONE, |zone| zone.get(cx).raw());
        let made = new_datetime(cx, moment_of([year, month, day], clock), zone);
        Ok(instance_of(cx, class, made).get(cx).into())
    }

    /// Return the current time, local or in a zone.
    #[class]
    fn now(
        cx: &mut Cx,
        class: Root,
        #[either]
        #[text("None")]
        tz: Given<Root>,
    ) -> NativeResult {
        let stamp = this_moment(cx);
        let zone = match tz.0 {
            Some(zone) => zone,
            None => none(cx),
        };
        from_timestamp(cx, class, stamp, zone)
    }

    /// Return the current local time.
    #[class]
    fn today(cx: &mut Cx, class: Root) -> NativeResult {
        if class.get(cx).raw().same(cx.kind_class(Kind::DateTime).value().raw()) {
            let (stamp, zone) = (this_moment(cx), none(cx));
            return from_timestamp(cx, class, stamp, zone);
        }
        let time = cx.host().time();
        let time = cx.push_raw(Raw::float(time));
        Ok(cx.call_method(class, "fromtimestamp", &[time])?.get(cx).into())
    }

    /// Return the current time in UTC, without a zone.
    #[class]
    fn utcnow(cx: &mut Cx, class: Root) -> NativeResult {
        let text = "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future version. Use \
                    timezone-aware objects to represent datetimes in UTC: datetime.datetime.now(datetime.UTC).";
        cx.warn(Exc::DeprecationWarning, text)?;
        let stamp = this_moment(cx);
        from_timestamp_utc(cx, class, stamp)
    }

    /// Return the local time of a POSIX timestamp, or that in a zone.
    #[class]
    fn fromtimestamp(
        cx: &mut Cx,
        class: Root,
        #[either] timestamp_: Root,
        #[either]
        #[text("None")]
        tz: Given<Root>,
    ) -> NativeResult {
        let zone = match tz.0 {
            Some(zone) => zone,
            None => none(cx),
        };
        check_zone(cx, zone)?;
        let stamp = timestamp(cx, timestamp_)?;
        from_timestamp(cx, class, stamp, zone)
    }

    /// Return the time in UTC of a POSIX timestamp, without a zone.
    #[class]
    #[counted]
    fn utcfromtimestamp(cx: &mut Cx, class: Root, timestamp_: Root) -> NativeResult {
        let text = "datetime.datetime.utcfromtimestamp() is deprecated and scheduled for removal in a future version. \
                    Use timezone-aware objects to represent datetimes in UTC: \
                    datetime.datetime.fromtimestamp(timestamp, datetime.UTC).";
        cx.warn(Exc::DeprecationWarning, text)?;
        let stamp = timestamp(cx, timestamp_)?;
        from_timestamp_utc(cx, class, stamp)
    }

    /// Return a date and a time of day together. The zone is the time's unless another is given.
    #[class]
    fn combine(
        cx: &mut Cx,
        class: Root,
        #[either] date: Root,
        #[either] time: Root,
        #[either]
        #[text("<unrepresentable>")]
        tzinfo: Given<Root>,
    ) -> NativeResult {
        let Some(day) = date_of(cx, date.get(cx), false) else {
            let got = cx.argument_name_for_error(date.get(cx));
            return Err(cx.type_error(format!("combine() argument 1 must be datetime.date, not {got}")));
        };
        let Some(clock) = time_of(cx, time.get(cx)) else {
            let got = cx.argument_name_for_error(time.get(cx));
            return Err(cx.type_error(format!("combine() argument 2 must be datetime.time, not {got}")));
        };
        let zone = match tzinfo.0 {
            Some(zone) => zone,
            None => {
                let zone = clock.get().zone.get().raw();
                cx.push_raw(zone)
            }
        };
        check_zone(cx, zone)?;
        let at = Moment { year: day.year, month: day.month, day: day.day, ..clock.get().at.get() };
        let zone = zone.get(cx).raw();
        Ok(datetime_by(cx, class, at, zone)?.get(cx).into())
    }

    /// Return the time that a text in ISO 8601 names.
    #[class]
    fn fromisoformat(cx: &mut Cx, class: Root, string: Root) -> NativeResult {
        let text = iso_text(cx, string)?;
        let Ok(((mut year, mut month, mut day), clock)) = iso::date_and_time(&text) else {
            return Err(invalid_iso(cx, string));
        };
        let mut clock = clock.unwrap_or_default();
        if clock.hour == 24 && (1..=12).contains(&month) {
            let last = days_in_month(year, month);
            if day <= last {
                if (clock.minute, clock.second, clock.micros) != (0, 0, 0) {
                    return Err(cx.value_error("minute, second, and microsecond must be 0 when hour is 24"));
                }
                clock.hour = 0;
                day += 1;
                if day > last {
                    (month, day) = (month + 1, 1);
                    if month > 12 {
                        (year, month) = (year + 1, 1);
                    }
                }
            }
        }
        let zone = match clock.offset {
            Some(offset) => zone::of_seconds(cx, offset, None)?,
            None => Raw::NONE,
        };
        let numbers = [clock.hour, clock.minute, clock.second, clock.micros, 0];
        check_date(cx, year, month, day)?;
        check_time(cx, numbers)?;
        Ok(datetime_by(cx, class, moment_of([year, month, day], numbers), zone)?.get(cx).into())
    }

    /// Return the time that a text in a format names.
    #[class]
    #[counted]
    fn strptime(cx: &mut Cx, class: Root, string: Root, format: Root) -> NativeResult {
        let read = strptime::read(cx, string, format)?;
        let numbers = [read.hour, read.minute, read.second, read.micros, 0];
        let zone = read.zone(cx)?;
        check_date(cx, read.year, read.month, read.day)?;
        check_time(cx, numbers)?;
        let at = moment_of([read.year, read.month, read.day], numbers);
        Ok(datetime_by(cx, class, at, zone)?.get(cx).into())
    }
);

/// The days from the epoch to a moment's date.
pub(super) fn days_since_epoch(at: Moment) -> i64 {
    super::calendar::ordinal_of(at) - EPOCH
}
