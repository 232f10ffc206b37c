//! The module `time`: clocks by way of the host, and dates. Which time is local is `local_time`'s.

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::native::types::exception::os_error;
use crate::object::Tuple;
use crate::vm::host::Control;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use super::local_time::{self, Shown, TimeKind, Zone};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("time").held();
    cx.functions_of(module, &TIME);
    let clocks = [
        ("CLOCK_REALTIME", Raw::int(0)),
        ("CLOCK_MONOTONIC", Raw::int(1)),
        ("CLOCK_PROCESS_CPUTIME_ID", Raw::int(2)),
        ("CLOCK_THREAD_CPUTIME_ID", Raw::int(3)),
        ("CLOCK_MONOTONIC_RAW", Raw::int(4)),
        ("CLOCK_BOOTTIME", Raw::int(7)),
        ("CLOCK_TAI", Raw::int(11)),
    ];
    for (name, raw) in clocks {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(raw));
        cx.fits(done)?;
    }
    let zone = local_time::zone(cx);
    let module_root = cx.push(module.value());
    show_zone(cx, module_root, &zone)?;
    // The class of broken-down times is written in the language.
    let types = cx.import("_struct_time")?;
    let class = cx.attribute(types, "struct_time")?;
    let key = cx.intern("struct_time").held();
    let done = module.dict().set_str(&cx.heap, key, class.get(cx));
    cx.fits(done)
}

/// The longest time to wait, in seconds: what nanoseconds in 64 bits can say.
pub(crate) const TIMEOUT_MAX: f64 = 9_223_372_036.0;

/// Seconds as a script gives them for how long to wait: no NaN, and no more than [`TIMEOUT_MAX`].
pub(crate) fn duration(cx: &mut Cx, seconds: Root) -> Result<f64, Raised> {
    let (seconds, whole) = match cx.payload(seconds.get(cx)).as_float() {
        Some(float) => (float, false),
        None => {
            let index = cx.index(seconds)?;
            (cx.to_float(index)?, true)
        }
    };
    if seconds.is_nan() {
        return Err(cx.value_error("Invalid value NaN (not a number)"));
    }
    if seconds.abs() > TIMEOUT_MAX {
        return Err(cx.overflow_error(if whole {
            "timestamp too large to convert to C PyTime_t"
        } else {
            "timestamp out of range for platform time_t"
        }));
    }
    Ok(seconds)
}

natives!(
    /// Clocks, sleeping, and calendar times.
    pub static TIME: Functions;

    /// Return the seconds since the epoch.
    fn time(cx: &mut Cx) -> NativeResult {
        Ok(cx.host().time().into())
    }

    /// Return the nanoseconds since the epoch.
    fn time_ns(cx: &mut Cx) -> NativeResult {
        Ok(nanoseconds(cx.host().time()))
    }

    /// Return the seconds of a clock that never goes back.
    fn monotonic(cx: &mut Cx) -> NativeResult {
        Ok(cx.host().monotonic().into())
    }

    /// Return the nanoseconds of a clock that never goes back.
    fn monotonic_ns(cx: &mut Cx) -> NativeResult {
        Ok(nanoseconds(cx.host().monotonic()))
    }

    /// Return the seconds of the clock to measure with.
    fn perf_counter(cx: &mut Cx) -> NativeResult {
        Ok(cx.host().monotonic().into())
    }

    /// Return the nanoseconds of the clock to measure with.
    fn perf_counter_ns(cx: &mut Cx) -> NativeResult {
        Ok(nanoseconds(cx.host().monotonic()))
    }

    /// Return the CPU seconds of the process.
    fn process_time(cx: &mut Cx) -> NativeResult {
        Ok(cx.host().process_time().into())
    }

    /// Return the CPU nanoseconds of the process.
    fn process_time_ns(cx: &mut Cx) -> NativeResult {
        Ok(nanoseconds(cx.host().process_time()))
    }

    /// Return the CPU seconds of the thread: those of the process.
    fn thread_time(cx: &mut Cx) -> NativeResult {
        Ok(cx.host().process_time().into())
    }

    /// Return the CPU nanoseconds of the thread: those of the process.
    fn thread_time_ns(cx: &mut Cx) -> NativeResult {
        Ok(nanoseconds(cx.host().process_time()))
    }

    /// Wait for this many seconds. Everything waits: in async code `asyncio.sleep` lets other tasks run.
    fn sleep(cx: &mut Cx, seconds: Root) -> NativeResult {
        let delay = duration(cx, seconds)?;
        if delay < 0.0 {
            return Err(cx.value_error("sleep length must be non-negative"));
        }
        cx.sleep(delay)?;
        Ok(Outcome::NONE)
    }

    /// Break seconds since the epoch down in UTC.
    #[counted]
    fn gmtime(cx: &mut Cx, #[text("None")] seconds: Option<Root>) -> NativeResult {
        let seconds = seconds_of(cx, seconds)?;
        broken_down(cx, seconds, &TimeKind { name: "GMT".into(), ..TimeKind::default() })
    }

    /// Break seconds since the epoch down in local time.
    #[counted]
    fn localtime(cx: &mut Cx, #[text("None")] seconds: Option<Root>) -> NativeResult {
        let seconds = seconds_of(cx, seconds)?;
        let zone = local_time::zone(cx);
        broken_down(cx, seconds, zone.at(seconds))
    }

    /// Make the variable TZ of the environment say which time is local.
    fn tzset(cx: &mut Cx) -> NativeResult {
        let zone = local_time::set_zone(cx);
        let module = cx.import("time")?;
        show_zone(cx, module, &zone)?;
        Ok(Outcome::NONE)
    }

    /// Return the seconds since the epoch of a local time.
    fn mktime(cx: &mut Cx, tuple: Root) -> NativeResult {
        let [year, month, day, hour, minute, second, _, _, dst] = numbers_of(cx, tuple, "mktime")?;
        // Fields beyond their ranges are carried over.
        let year = year + (month - 1).div_euclid(12);
        let days = days_from_civil(year, (month - 1).rem_euclid(12) + 1, 1) + day - 1;
        let local = days * 86400 + hour * 3600 + minute * 60 + second;
        let seconds = local_time::set_zone(cx).moment_as(local, (dst >= 0).then_some(dst > 0));
        if !EARLIEST_TO_LATEST.contains(&seconds) {
            return Err(cx.overflow_error("mktime argument out of range"));
        }
        Ok((seconds as f64).into())
    }

    /// Return a date as text, such as 'Sun Jun 20 23:21:05 1993'.
    fn asctime(cx: &mut Cx, #[text("None")] tuple: Option<Root>) -> NativeResult {
        let date = date_of(cx, tuple, "asctime")?.0;
        let text = as_c_text(&date);
        Ok(cx.str(&text).into())
    }

    /// Return seconds since the epoch as text, in local time.
    #[counted]
    fn ctime(cx: &mut Cx, #[text("None")] seconds: Option<Root>) -> NativeResult {
        let seconds = seconds_of(cx, seconds)?;
        let local = local_time::zone(cx).local(seconds);
        let text = as_c_text(&Date::from_seconds(local));
        Ok(cx.str(&text).into())
    }

    /// Return a date as text, as a format says.
    #[counted]
    fn strftime(cx: &mut Cx, format: Root, #[text("None")] tuple: Option<Root>) -> NativeResult {
        let Some(text) = cx.as_str(format.get(cx)) else {
            let got = cx.argument_name_for_error(format.get(cx));
            return Err(cx.type_error(format!("strftime() argument 1 must be str, not {got}")));
        };
        let format = text.held();
        let (date, zoned) = date_of(cx, tuple, "strftime")?;
        let text = format_bytes(format.as_bytes(), &date, &zoned);
        Ok(Outcome::Value(cx.checked_text(&text)?))
    }

    /// Read a date from text, as a format says.
    fn strptime(
        cx: &mut Cx,
        data_string: Root,
        #[text("'%a %b %d %H:%M:%S %Y'")] format: Option<Root>,
    ) -> NativeResult {
        let format = match format {
            Some(format) => format,
            None => {
                let usual = cx.str("%a %b %d %H:%M:%S %Y").value().raw();
                cx.push_raw(usual)
            }
        };
        for (at, text) in [data_string, format].into_iter().enumerate() {
            if cx.as_str(text.get(cx)).is_none() {
                let got = cx.type_name_for_error(text.get(cx));
                return Err(cx.type_error(format!("strptime() argument {at} must be str, not <class '{got}'>")));
            }
        }
        let read = super::datetime::strptime::read(cx, data_string, format)?;
        let dst = read.daylight;
        let numbers =
            [read.year, read.month, read.day, read.hour, read.minute, read.second, read.weekday, read.year_day, dst];
        let name = read.zone_name.as_ref().map_or(Raw::NONE, |name| cx.str(name).value().raw());
        let offset = read.offset.map_or(Raw::NONE, |(seconds, _)| Raw::int(seconds));
        let mut items: Vec<Value<'_>> = numbers.iter().map(|number| Value::int(*number)).collect();
        items.extend([Value::adopt(name), Value::adopt(offset)]);
        let tuple = cx.tuple(&items).value().raw();
        let tuple = cx.push_raw(tuple);
        let module = cx.import("_struct_time")?;
        let class = cx.attribute(module, "struct_time")?;
        Ok(cx.call(class, &[tuple])?.get(cx).into())
    }

    /// Read one of the clocks, in nanoseconds.
    fn clock_gettime_ns(cx: &mut Cx, clk_id: i64) -> NativeResult {
        match clk_id {
            0 | 11 => Ok(nanoseconds(cx.host().time())),
            1 | 4 | 7 => Ok(nanoseconds(cx.host().monotonic())),
            2 | 3 => Ok(nanoseconds(cx.host().process_time())),
            _ => Err(crate::native::types::exception::os_error(cx, 22, "Invalid argument", None)),
        }
    }

    /// Set one of the clocks, in nanoseconds.
    fn clock_settime_ns(cx: &mut Cx, clk_id: i64, time: i64) -> NativeResult {
        set_clock(cx, clk_id, time)
    }

    /// Set one of the clocks, in seconds.
    #[counted]
    fn clock_settime(cx: &mut Cx, clk_id: i64, time: f64) -> NativeResult {
        if time.is_nan() {
            return Err(cx.value_error("Invalid value NaN (not a number)"));
        }
        if time.abs() > TIMEOUT_MAX {
            return Err(cx.overflow_error("timestamp out of range for platform time_t"));
        }
        set_clock(cx, clk_id, (time * 1e9).floor() as i64)
    }

    /// Return how fine one of the clocks is, in seconds.
    #[counted]
    fn clock_getres(cx: &mut Cx, clk_id: i64) -> NativeResult {
        match clk_id {
            0..=4 | 7 | 11 => Ok(1e-9.into()),
            _ => Err(crate::native::types::exception::os_error(cx, 22, "Invalid argument", None)),
        }
    }

    /// Return what is known of a clock, by the name of the function that reads it.
    #[counted]
    fn get_clock_info(cx: &mut Cx, name: Root) -> NativeResult {
        let given = crate::native::text_argument(cx, name, "get_clock_info", "name")?;
        let (implementation, monotonic, adjustable) = match given.as_str() {
            "time" => ("clock_gettime(CLOCK_REALTIME)", false, true),
            "monotonic" | "perf_counter" => ("clock_gettime(CLOCK_MONOTONIC)", true, false),
            "process_time" => ("clock_gettime(CLOCK_PROCESS_CPUTIME_ID)", true, false),
            "thread_time" => ("clock_gettime(CLOCK_THREAD_CPUTIME_ID)", true, false),
            _ => return Err(cx.value_error("unknown clock")),
        };
        let types = cx.import("types")?;
        let class = cx.attribute(types, "SimpleNamespace")?;
        let made = cx.call(class, &[])?;
        let implementation = cx.str(implementation).value().raw();
        let facts = [
            ("implementation", implementation),
            ("monotonic", Raw::bool(monotonic)),
            ("adjustable", Raw::bool(adjustable)),
            ("resolution", Raw::float(1e-9)),
        ];
        for (name, raw) in facts {
            let value = cx.push_raw(raw);
            crate::native::set(cx, made, name, value)?;
        }
        Ok(made.get(cx).into())
    }

    /// Read one of the clocks.
    fn clock_gettime(cx: &mut Cx, clk_id: Root) -> NativeResult {
        let number = clk_id.get(cx).as_int();
        let Some(number) = number.filter(|number| i32::try_from(*number).is_ok()) else {
            let got = cx.type_name_for_error(clk_id.get(cx));
            return Err(cx.type_error(format!("clk_id should be integer, not {got}")));
        };
        match number {
            0 | 11 => Ok(cx.host().time().into()),
            1 | 4 | 7 => Ok(cx.host().monotonic().into()),
            2 | 3 => Ok(cx.host().process_time().into()),
            _ => Err(os_error(cx, 22, "Invalid argument", None)),
        }
    }
);

fn set_clock(cx: &mut Cx, clock: i64, nanoseconds: i64) -> NativeResult {
    let numbers = [clock, nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000), 0];
    match cx.host_mut().control(Control::SetClock, numbers, &mut []) {
        Ok(_) => Ok(Outcome::NONE),
        Err(error) => Err(crate::native::types::exception::io_error(cx, &error, None)),
    }
}

fn nanoseconds(seconds: f64) -> Outcome {
    ((seconds * 1e9) as i64).into()
}

/// A broken-down time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 61.
    pub second: i64,
    /// 0 for Monday.
    pub weekday: i64,
    /// 1 to 366.
    pub year_day: i64,
}

/// Days since the epoch of a date of the Gregorian calendar, which is continued into the past.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that leap days come last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Whether a year has a 29th of February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

impl Date {
    /// From seconds since the epoch.
    pub fn from_seconds(seconds: i64) -> Date {
        let days = seconds.div_euclid(86400);
        let rest = seconds.rem_euclid(86400);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Date {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 3).rem_euclid(7),
            year_day: days - days_from_civil(year, 1, 1) + 1,
        }
    }

    fn fields(&self, daylight: bool) -> [i64; 9] {
        let Date { year, month, day, hour, minute, second, weekday, year_day } = *self;
        [year, month, day, hour, minute, second, weekday, year_day, i64::from(daylight)]
    }

    /// As seconds since the epoch would count it in UTC.
    fn seconds(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day) * 86400 + self.hour * 3600 + self.minute * 60 + self.second
    }
}

/// The seconds since the epoch whose year the C library can count.
const EARLIEST_TO_LATEST: std::ops::RangeInclusive<i64> = -67_768_040_609_740_800..=67_768_036_191_676_799;

fn seconds_of(cx: &mut Cx, seconds: Option<Root>) -> Result<i64, Raised> {
    let Some(root) = seconds else { return Ok(cx.host().time().floor() as i64) };
    let seconds = if let Some(float) = root.get(cx).as_float() {
        if float.is_nan() {
            return Err(cx.value_error("Invalid value NaN (not a number)"));
        }
        let floor = float.floor();
        (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&floor).then_some(floor as i64)
    } else {
        let index = cx.index(root)?;
        index.get(cx).as_int()
    };
    match seconds {
        None => Err(cx.overflow_error("timestamp out of range for platform time_t")),
        Some(seconds) if !EARLIEST_TO_LATEST.contains(&seconds) => {
            Err(os_error(cx, 75, "Value too large for defined data type", None))
        }
        Some(seconds) => Ok(seconds),
    }
}

/// Puts what is known of the local zone into the module.
fn show_zone(cx: &mut Cx, module: Root, zone: &Zone) -> Result<(), Raised> {
    let now = cx.host().time();
    let Shown { behind: [standard, summer], daylight, names } = zone.shown(now);
    let mark = cx.mark();
    let [first, second] = names.map(|name| cx.str(&name).value().raw());
    let names = cx.tuple(&[Value::adopt(first), Value::adopt(second)]).value().raw();
    let daylight = Raw::int(i64::from(daylight));
    let all =
        [("timezone", Raw::int(standard)), ("altzone", Raw::int(summer)), ("daylight", daylight), ("tzname", names)];
    // A script may have put something of its own in the module's place.
    for (name, value) in all.map(|(name, raw)| (name, cx.push_raw(raw))) {
        crate::native::set(cx, module, name, value)?;
    }
    cx.release(mark);
    Ok(())
}

fn broken_down(cx: &mut Cx, seconds: i64, kind: &TimeKind) -> NativeResult {
    let mut fields = Date::from_seconds(seconds.saturating_add(kind.offset)).fields(kind.daylight);
    // The C library counts years from 1900 in 32 bits, and CPython adds to that in as many.
    fields[0] = i64::from(fields[0] as i32);
    let zone = cx.str(&kind.name).value().raw();
    let hidden = [Value::adopt(zone), Value::int(kind.offset)];
    let rest = Tuple::build(&cx.heap, 2, |i| hidden[i]).value().raw();
    let items = Tuple::build(&cx.heap, fields.len(), |i| Value::int(fields[i])).value().raw();
    let (items, rest) = (cx.push_raw(items), cx.push_raw(rest));
    let module = match cx.find_module("_struct_time") {
        Some(module) => {
            let module = module.raw();
            cx.push_raw(module)
        }
        None => cx.import("_struct_time")?,
    };
    let make = cx.attribute(module, "made")?;
    let time = cx.call(make, &[items, rest])?;
    Ok(time.get(cx).into())
}

/// The nine numbers of a tuple, for the function `of`.
fn numbers_of(cx: &mut Cx, root: Root, of: &str) -> Result<[i64; 9], Raised> {
    let parts: Option<Vec<Raw>> =
        cx.payload(root.get(cx)).exact::<Tuple>().map(|t| t.items().map(|v| v.raw()).collect());
    let Some(parts) = parts else {
        return Err(cx.type_error("Tuple or struct_time argument required".into()));
    };
    if parts.len() != 9 {
        return Err(cx.type_error(format!("{of}(): illegal time tuple argument")));
    }
    let mark = cx.mark();
    let mut numbers = [0i64; 9];
    for (number, raw) in numbers.iter_mut().zip(parts) {
        let part = cx.push_raw(raw);
        let part = cx.index(part)?;
        *number = match part.get(cx).as_int() {
            None => return Err(cx.overflow_error("Python int too large to convert to C long")),
            Some(number) if number > i64::from(i32::MAX) => {
                return Err(cx.overflow_error("signed integer is greater than maximum"));
            }
            Some(number) if number < i64::from(i32::MIN) => {
                return Err(cx.overflow_error("signed integer is less than minimum"));
            }
            Some(number) => number,
        };
    }
    cx.release(mark);
    if numbers[0] < i64::from(i32::MIN) + 1900 {
        return Err(cx.overflow_error("year out of range"));
    }
    Ok(numbers)
}

/// What is written of the zone of a date.
#[derive(Debug, Default)]
pub struct Zoned {
    /// The name of the zone.
    name: String,
    /// Seconds ahead of UTC; None where that is not known.
    offset: Option<i64>,
    /// Seconds since the epoch.
    seconds: i64,
}

impl Zoned {
    /// That a date is local time.
    pub fn local(cx: &mut Cx, date: &Date) -> Zoned {
        let seconds = local_time::zone(cx).moment(date.seconds(), false);
        Zoned { seconds, ..Zoned::default() }
    }
}

/// A date from a tuple of nine numbers, for the function `of`; now without.
fn date_of(cx: &mut Cx, tuple: Option<Root>, of: &str) -> Result<(Date, Zoned), Raised> {
    let Some(root) = tuple else {
        let seconds = seconds_of(cx, None)?;
        let zone = local_time::zone(cx);
        let TimeKind { offset, name, .. } = zone.at(seconds).clone();
        return Ok((Date::from_seconds(seconds + offset), Zoned { name, offset: Some(offset), seconds }));
    };
    let [year, month, day, hour, minute, second, weekday, year_day, dst] = numbers_of(cx, root, of)?;
    // Zero stands for the first.
    let first = |number: i64| if number == 0 { 1 } else { number };
    // Days of the week in C begin with Sunday.
    let from_sunday = (weekday + 1) % 7;
    let (month, day, year_day) = (first(month), first(day), first(year_day));
    let date = Date { year, month, day, hour, minute, second, weekday: (from_sunday + 6) % 7, year_day };
    let wrong = [
        (!(1..=12).contains(&month), "month out of range"),
        (!(1..=31).contains(&day), "day of month out of range"),
        (!(0..=23).contains(&hour), "hour out of range"),
        (!(0..=59).contains(&minute), "minute out of range"),
        (!(0..=61).contains(&second), "seconds out of range"),
        (from_sunday < 0, "day of week out of range"),
        (!(1..=366).contains(&year_day), "day of year out of range"),
    ];
    if let Some((_, message)) = wrong.iter().find(|(wrong, _)| *wrong) {
        return Err(cx.value_error(message));
    }
    let zoned = zone_of(cx, root, &date, dst)?;
    Ok((date, zoned))
}

/// What is known of the zone of a tuple: what a struct_time says itself, or else which local time `dst` says.
fn zone_of(cx: &mut Cx, tuple: Root, date: &Date, dst: i64) -> Result<Zoned, Raised> {
    let zone = local_time::zone(cx);
    let seconds = zone.moment_as(date.seconds(), (dst >= 0).then_some(dst > 0));
    let mut zoned = Zoned { offset: (dst >= 0).then_some(0), seconds, ..Zoned::default() };
    if tuple.get(cx).exact::<Tuple>().is_none() {
        let module = cx.import("_struct_time")?;
        let class = cx.attribute(module, "struct_time")?;
        if cx.class_of(tuple.get(cx)).value().is(class.get(cx)) {
            let (name, offset) = (cx.attribute(tuple, "tm_zone")?, cx.attribute(tuple, "tm_gmtoff")?);
            zoned.name = cx.as_str(name.get(cx)).map_or(String::new(), |name| name.to_str_lossy().into_owned());
            if let (Some(offset), true) = (offset.get(cx).as_int(), dst >= 0) {
                zoned.offset = Some(offset);
            }
        }
    }
    if zoned.name.is_empty() && dst >= 0 {
        let now = cx.host().time() as i64;
        zoned.name = zone.nearest(now, dst > 0).unwrap_or(zone.at(now)).name.clone();
    }
    Ok(zoned)
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn as_c_text(date: &Date) -> String {
    let (day, month) = (&DAYS[date.weekday as usize][..3], &MONTHS[date.month as usize - 1][..3]);
    let Date { day: number, hour, minute, second, year, .. } = date;
    format!("{day} {month} {number:2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// The number of the ISO week and its year.
fn iso_week(date: &Date) -> (i64, i64) {
    let week = (date.year_day - 1 - date.weekday + 10) / 7;
    let weeks_of = |year: i64| {
        // A year has 53 weeks if it ends on a Thursday, or began on one and is a leap year.
        let last = (days_from_civil(year, 12, 31) + 3).rem_euclid(7);
        if last == 3 || last == 4 && is_leap(year) { 53 } else { 52 }
    };
    if week < 1 {
        (date.year - 1, weeks_of(date.year - 1))
    } else if week > weeks_of(date.year) {
        (date.year + 1, 1)
    } else {
        (date.year, week)
    }
}

/// A date as text: what `strftime` of the C library does in the C locale, with its flags and widths.
fn format_bytes(format: &[u8], date: &Date, zoned: &Zoned) -> Vec<u8> {
    let mut out = vec![];
    let mut at = 0;
    while at < format.len() {
        if format[at] != b'%' {
            out.push(format[at]);
            at += 1;
            continue;
        }
        let start = at;
        at += 1;
        let (mut fill, mut upper, mut swapped) = (None, false, false);
        while let Some(flag) = format.get(at) {
            match flag {
                b'_' | b'-' | b'0' => fill = Some(*flag),
                b'^' => upper = true,
                b'#' => swapped = true,
                _ => break,
            }
            at += 1;
        }
        let mut width = 0usize;
        while let Some(digit) = format.get(at).filter(|c| c.is_ascii_digit()) {
            width = (width * 10 + usize::from(digit - b'0')).min(WIDEST);
            at += 1;
        }
        let modifier = format.get(at).copied().filter(|c| matches!(c, b'E' | b'O'));
        at += usize::from(modifier.is_some());
        let code = format.get(at).copied();
        at = format.len().min(at + 1);
        let fits = match modifier {
            Some(b'E') => code.is_some_and(|c| b"cCyYxXzZntprPs".contains(&c)),
            Some(_) => code.is_some_and(|c| b"deHIkljmMSUVWwyuCzZntprPs".contains(&c)),
            None => true,
        };
        match code.filter(|_| fits).and_then(|code| field(code, date, zoned)) {
            Some(Field::Number(number, digits, usual)) => {
                let text = number.to_string();
                let (least, with) = match fill {
                    Some(b'-') => (0, b' '),
                    Some(b'_') => (digits, b' '),
                    Some(_) => (digits, b'0'),
                    None => (digits, usual),
                };
                out.resize(out.len() + least.max(width).saturating_sub(text.len()), with);
                out.extend_from_slice(text.as_bytes());
            }
            Some(Field::Text(text)) => {
                let lower = swapped && matches!(code, Some(b'p' | b'Z'));
                let raised = upper || (swapped && matches!(code, Some(b'a' | b'A' | b'b' | b'B' | b'h')));
                let text = match (lower, raised && code != Some(b'P')) {
                    (true, _) => text.to_ascii_lowercase(),
                    (_, true) => text.to_ascii_uppercase(),
                    _ => text,
                };
                let with = if fill == Some(b'0') { b'0' } else { b' ' };
                out.resize(out.len() + width.saturating_sub(text.len()), with);
                out.extend_from_slice(text.as_bytes());
            }
            None => {
                // What is no conversion stays as it is. A character of several bytes ends with what follows.
                let text = &format[start..at];
                out.resize(out.len() + width.saturating_sub(text.len()), b' ');
                out.extend_from_slice(text);
            }
        }
    }
    out
}

/// As `strftime`, for text.
pub fn format_date(format: &str, date: &Date, zoned: &Zoned) -> String {
    String::from_utf8_lossy(&format_bytes(format.as_bytes(), date, zoned)).into_owned()
}

/// The widest that a field of a date is made.
const WIDEST: usize = 1 << 20;

/// What a conversion stands for.
enum Field {
    /// A number, its least number of digits, and what it is filled up with.
    Number(i64, usize, u8),
    Text(String),
}

fn field(code: u8, date: &Date, zoned: &Zoned) -> Option<Field> {
    let sunday_based = (date.weekday + 1) % 7;
    let half_day = if date.hour % 12 == 0 { 12 } else { date.hour % 12 };
    let number = |number, digits| Some(Field::Number(number, digits, b'0'));
    let filled = |number| Some(Field::Number(number, 2, b' '));
    let text = |text: &str| Some(Field::Text(text.to_owned()));
    let date_text = |format: &str| Some(Field::Text(format_date(format, date, zoned)));
    match code {
        b'a' => text(&DAYS[date.weekday as usize][..3]),
        b'A' => text(DAYS[date.weekday as usize]),
        b'b' | b'h' => text(&MONTHS[date.month as usize - 1][..3]),
        b'B' => text(MONTHS[date.month as usize - 1]),
        b'c' => Some(Field::Text(as_c_text(date))),
        b'C' => number(date.year.div_euclid(100), 0),
        b'd' => number(date.day, 2),
        b'D' | b'x' => date_text("%m/%d/%y"),
        b'e' => filled(date.day),
        b'F' => date_text("%Y-%m-%d"),
        b'g' => number(iso_week(date).0.rem_euclid(100), 2),
        b'G' => number(iso_week(date).0, 0),
        b'H' => number(date.hour, 2),
        b'I' => number(half_day, 2),
        b'j' => number(date.year_day, 3),
        b'k' => filled(date.hour),
        b'l' => filled(half_day),
        b'm' => number(date.month, 2),
        b'M' => number(date.minute, 2),
        b'n' => text("\n"),
        b'p' => text(if date.hour < 12 { "AM" } else { "PM" }),
        b'P' => text(if date.hour < 12 { "am" } else { "pm" }),
        b'r' => date_text("%I:%M:%S %p"),
        b'R' => date_text("%H:%M"),
        b's' => Some(Field::Number(zoned.seconds, 0, b' ')),
        b'S' => number(date.second, 2),
        b't' => text("\t"),
        b'T' | b'X' => date_text("%H:%M:%S"),
        b'u' => number(date.weekday + 1, 1),
        b'U' => number((date.year_day + 6 - sunday_based) / 7, 2),
        b'V' => number(iso_week(date).1, 2),
        b'w' => number(sunday_based, 1),
        b'W' => number((date.year_day + 6 - date.weekday) / 7, 2),
        b'y' => number(date.year.rem_euclid(100), 2),
        b'Y' => number(date.year, 0),
        b'z' => text(&zoned.offset.map_or(String::new(), |offset| {
            let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
            format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
        })),
        b'Z' => text(&zoned.name),
        b'%' => text("%"),
        _ => None,
    }
}
