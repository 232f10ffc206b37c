//! The module `datetime`: its classes keep plain numbers in the cell of each value. `calendar` counts days and writes, `iso` and `format`
//! read; a class a file.

mod calendar;
mod clock;
mod date;
mod delta;
mod iso;
mod moment;
mod moment_class;
mod strftime;
pub(crate) mod strptime;
mod time_format;
mod zone;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::types::object;
use crate::object::{
    Bytes, Class, ClassFlags, Date, DateTime, Dict, Moment, Span, Str, TimeDelta, TimeOfDay, TimeZone,
};
use crate::vm::TypeRow;
use crate::vm::native::{Args, Cx, Raised, Root};

/// The classes, bases first.
static ROWS: &[TypeRow] = &[
    TypeRow::of(Kind::TimeDelta, "timedelta", &[&delta::DELTA, &delta::COMPARED]).in_module("datetime"),
    TypeRow::of(Kind::Date, "date", &[&date::DATE, &date::COMPARED]).in_module("datetime"),
    TypeRow {
        kind: None,
        ..TypeRow::of(Kind::Tuple, "IsoCalendarDate", &[&date::ISO_DATE])
            .in_module("datetime")
            .derived("tuple")
            .with(ClassFlags::FINAL)
    },
    TypeRow::of(Kind::DateTime, "datetime", &[&moment_class::MAKING, &moment::DATETIME, &moment::COMPARED])
        .in_module("datetime")
        .derived("date"),
    TypeRow::of(Kind::TimeOfDay, "time", &[&clock::TIME, &clock::COMPARED]).in_module("datetime"),
    TypeRow { kind: None, ..TypeRow::of(Kind::Instance, "tzinfo", &[&zone::TZINFO]).in_module("datetime") },
    TypeRow::of(Kind::TimeZone, "timezone", &[&zone::TIMEZONE, &object::ORDERED])
        .in_module("datetime")
        .derived("tzinfo")
        .with(ClassFlags::FINAL),
];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    cx.set_maker("timedelta", delta::make);
    cx.set_maker("date", date::make);
    cx.set_maker("datetime", moment_class::make);
    cx.set_maker("time", clock::make);
    let module = cx.new_module("datetime").held();
    let heap = cx.heap.forever();
    let put = |cx: &mut Cx, class: Gc<'static, Class>, name: &str, raw: Raw| {
        let key = cx.intern(name).held();
        let done = class.namespace().set_str(heap, key, Value::adopt(raw));
        cx.fits(done)
    };
    let span = |cx: &Cx, span: Span| new_delta(cx, span);
    let class = |cx: &Cx, kind: Kind| cx.kind_class(kind).held();
    let tick = span(cx, Span { micros: 1, ..Span::default() });
    let day = span(cx, Span { days: 1, ..Span::default() });
    let (first, last) = (
        Moment { year: 1, month: 1, day: 1, ..Moment::default() },
        Moment { year: 9999, month: 12, day: 31, hour: 23, minute: 59, second: 59, micros: 999_999, fold: 0 },
    );
    let most = i32::try_from(crate::object::MOST_DAYS).expect("nine digits");
    let utc = new_zone(cx, Span::default(), Raw::NONE);
    let minutes = Span { days: 0, seconds: 86_340, micros: 0 };
    let rows: [(Kind, &str, Raw); 15] = [
        (Kind::TimeDelta, "min", span(cx, Span { days: -most, ..Span::default() })),
        (Kind::TimeDelta, "max", span(cx, Span { days: most, seconds: 86_399, micros: 999_999 })),
        (Kind::TimeDelta, "resolution", tick),
        (Kind::Date, "min", new_date(cx, first)),
        (Kind::Date, "max", new_date(cx, last)),
        (Kind::Date, "resolution", day),
        (Kind::DateTime, "min", new_datetime(cx, first, Raw::NONE)),
        (Kind::DateTime, "max", new_datetime(cx, last, Raw::NONE)),
        (Kind::DateTime, "resolution", tick),
        (Kind::TimeOfDay, "min", new_time(cx, Moment::default(), Raw::NONE)),
        (Kind::TimeOfDay, "max", new_time(cx, last, Raw::NONE)),
        (Kind::TimeOfDay, "resolution", tick),
        (Kind::TimeZone, "utc", utc),
        (Kind::TimeZone, "min", new_zone(cx, Span { days: -1, seconds: 60, micros: 0 }, Raw::NONE)),
        (Kind::TimeZone, "max", new_zone(cx, minutes, Raw::NONE)),
    ];
    for (kind, name, raw) in rows {
        let class = class(cx, kind);
        put(cx, class, name, raw)?;
    }
    let all = ["date", "datetime", "time", "timedelta", "timezone", "tzinfo", "MINYEAR", "MAXYEAR", "UTC"];
    let texts: Vec<Raw> = all.iter().map(|name| cx.intern(name).value().raw()).collect();
    let texts: Vec<Value<'_>> = texts.iter().map(|raw| Value::adopt(*raw)).collect();
    let listed = cx.tuple(&texts).value().raw();
    let mut entries = vec![("MINYEAR", Raw::int(1)), ("MAXYEAR", Raw::int(9999)), ("UTC", utc), ("__all__", listed)];
    for row in ROWS.iter().filter(|row| row.name != "IsoCalendarDate") {
        entries.push((row.name, cx.named_class(row.name).value().raw()));
    }
    let doc = cx.str("Dates and times.").value().raw();
    entries.push(("__doc__", doc));
    for (name, raw) in entries {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(raw));
        cx.fits(done)?;
    }
    Ok(())
}

// ---- making and looking into values ----

/// A duration.
fn new_delta(cx: &Cx, span: Span) -> Raw {
    cx.heap.alloc(TimeDelta { span }).value().raw()
}

/// A date: the time of the moment is left out.
fn new_date(cx: &Cx, at: Moment) -> Raw {
    let at = Moment { year: at.year, month: at.month, day: at.day, ..Moment::default() };
    cx.heap.alloc(Date { at }).value().raw()
}

/// A time of day: the date of the moment is left out.
fn new_time(cx: &Cx, at: Moment, zone: Raw) -> Raw {
    let at = Moment { year: 0, month: 0, day: 0, ..at };
    let zone = crate::heap::Slot::new(Value::adopt(zone));
    cx.heap.alloc(TimeOfDay { at: at.into(), zone, hash: (-1).into() }).value().raw()
}

/// A date with a time.
fn new_datetime(cx: &Cx, at: Moment, zone: Raw) -> Raw {
    let zone = crate::heap::Slot::new(Value::adopt(zone));
    cx.heap.alloc(DateTime { at: at.into(), zone, hash: (-1).into() }).value().raw()
}

/// A zone. `name` is a text or None.
fn new_zone(cx: &Cx, span: Span, name: Raw) -> Raw {
    let offset = new_delta(cx, span);
    zone_of(cx, offset, name)
}

/// A zone with an offset that is a value already.
fn zone_of(cx: &Cx, offset: Raw, name: Raw) -> Raw {
    let (offset, name) = (crate::heap::Slot::new(Value::adopt(offset)), crate::heap::Slot::new(Value::adopt(name)));
    cx.heap.alloc(TimeZone { offset, name }).value().raw()
}

/// `timezone.utc`.
fn utc(cx: &mut Cx) -> Raw {
    let key = cx.intern("utc").held();
    let class = cx.kind_class(Kind::TimeZone);
    class.namespace().get_str(&cx.heap, key).map_or(Raw::NONE, Value::raw)
}

/// The duration a value is, or stands for.
fn span_of(cx: &Cx, value: Value<'_>) -> Option<Span> {
    let value = Value::adopt(value.raw());
    match value.exact::<TimeDelta>() {
        Some(delta) => Some(delta.get().span),
        None => cx.payload(value).exact::<TimeDelta>().map(|delta| delta.get().span),
    }
}

/// When a date, or a date with a time, is: only the first if `plain`.
fn date_of(cx: &Cx, value: Value<'_>, plain: bool) -> Option<Moment> {
    let value = cx.payload(Value::adopt(value.raw()));
    if let Some(date) = value.exact::<Date>() {
        return Some(date.get().at);
    }
    if plain { None } else { value.exact::<DateTime>().map(|moment| moment.get().at.get()) }
}

/// The date with a time that a value is, or stands for.
fn datetime_of(cx: &Cx, value: Value<'_>) -> Option<Gc<'static, DateTime>> {
    cx.payload(Value::adopt(value.raw())).exact::<DateTime>().map(Gc::held)
}

/// The time of day that a value is, or stands for.
fn time_of(cx: &Cx, value: Value<'_>) -> Option<Gc<'static, TimeOfDay>> {
    cx.payload(Value::adopt(value.raw())).exact::<TimeOfDay>().map(Gc::held)
}

/// Whether a value is a zone.
fn is_zone(cx: &Cx, value: Value<'_>) -> bool {
    value.kind() == Kind::TimeZone || cx.class_of(value).is_subclass(cx.named_class("tzinfo"))
}

/// A zone as an argument: None or an instance of tzinfo.
fn check_zone(cx: &mut Cx, zone: Root) -> Result<(), Raised> {
    let value = zone.get(cx);
    if value.is_none() || is_zone(cx, value) {
        return Ok(());
    }
    let got = cx.type_name_for_error(value);
    Err(cx.type_error(format!("tzinfo argument must be None or of a tzinfo subclass, not type '{got}'")))
}

fn check_date(cx: &mut Cx, year: i64, month: i64, day: i64) -> Result<(), Raised> {
    if !(1..=9999).contains(&year) {
        return Err(cx.value_error(format!("year must be in 1..9999, not {year}")));
    }
    if !(1..=12).contains(&month) {
        return Err(cx.value_error(format!("month must be in 1..12, not {month}")));
    }
    let last = calendar::days_in_month(year, month);
    if !(1..=last).contains(&day) {
        let text = format!("day {day} must be in range 1..{last} for month {month} in year {year}");
        return Err(cx.value_error(text));
    }
    Ok(())
}

fn check_time(cx: &mut Cx, [hour, minute, second, micros, fold]: [i64; 5]) -> Result<(), Raised> {
    let parts = [(hour, "hour", 23), (minute, "minute", 59), (second, "second", 59), (micros, "microsecond", 999_999)];
    for (number, name, most) in parts {
        if !(0..=most).contains(&number) {
            return Err(cx.value_error(format!("{name} must be in 0..{most}, not {number}")));
        }
    }
    if !(0..=1).contains(&fold) {
        return Err(cx.value_error(format!("fold must be either 0 or 1, not {fold}")));
    }
    Ok(())
}

/// A moment of numbers that have been checked.
fn moment_of([year, month, day]: [i64; 3], [hour, minute, second, micros, fold]: [i64; 5]) -> Moment {
    Moment {
        year: year as u16,
        month: month as u8,
        day: day as u8,
        hour: hour as u8,
        minute: minute as u8,
        second: second as u8,
        micros: micros as u32,
        fold: fold as u8,
    }
}

/// A duration with too many days.
fn too_many_days(cx: &mut Cx, days: i128) -> Raised {
    if i32::try_from(days).is_err() {
        return cx.overflow_error("Python int too large to convert to C int");
    }
    cx.overflow_error(&format!("days={days}; must have magnitude <= 999999999"))
}

fn out_of_range(cx: &mut Cx) -> Raised {
    cx.overflow_error("date value out of range")
}

// ---- arguments ----

/// A number as C's int.
fn int(cx: &mut Cx, root: Root) -> Result<i64, Raised> {
    let number = match root.get(cx).as_int() {
        Some(number) => Some(number),
        None => {
            let mark = cx.mark();
            let index = cx.index(root)?;
            let number = index.get(cx).as_int();
            cx.release(mark);
            number
        }
    };
    match number {
        None => Err(cx.overflow_error("Python int too large to convert to C long")),
        Some(number) if number > i64::from(i32::MAX) => {
            Err(cx.overflow_error("signed integer is greater than maximum"))
        }
        Some(number) if number < i64::from(i32::MIN) => Err(cx.overflow_error("signed integer is less than minimum")),
        Some(number) => Ok(number),
    }
}

/// The arguments of a constructor that calls itself `label`, by parameter. The first `required` must be given, those from `positional` on by
/// name only.
fn bind<const N: usize>(
    cx: &mut Cx,
    label: &str,
    names: [&str; N],
    (required, positional): (usize, usize),
    args: Args,
    kwargs: Root,
) -> Result<[Option<Root>; N], Raised> {
    let mut bound = [None; N];
    let given: Vec<(String, Raw)> = kwargs
        .get(cx)
        .exact::<Dict>()
        .map(|dict| {
            let text = |key: Value<'_>| key.exact::<Str>().map_or(String::new(), |k| k.to_str_lossy().into_owned());
            dict.iter().map(|(key, value)| (text(key), value.raw())).collect()
        })
        .unwrap_or_default();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let count = args.len() + given.len();
    if count > N {
        let keyword = if args.is_empty() { "keyword " } else { "" };
        let text = format!("{label} takes at most {N} {keyword}argument{} ({count} given)", plural(N));
        return Err(cx.type_error(text));
    }
    if args.len() > positional {
        let s = plural(positional);
        let text = format!("{label} takes at most {positional} positional argument{s} ({} given)", args.len());
        return Err(cx.type_error(text));
    }
    for (at, root) in args.roots().enumerate() {
        bound[at] = Some(root);
    }
    let (mut unknown, mut twice) = (None, None);
    for (name, raw) in given {
        match names.iter().position(|known| **known == *name) {
            Some(at) if at < args.len() => twice = twice.or(Some((at, name))),
            Some(at) => bound[at] = Some(cx.push_raw(raw)),
            None => unknown = unknown.or(Some(name)),
        }
    }
    if let Some(at) = (0..required).find(|at| bound[*at].is_none()) {
        // Those that must be given are numbers, and each is looked at before the next is missed.
        for root in bound[..at].iter().flatten() {
            int(cx, *root)?;
        }
        let text = format!("{label} missing required argument '{}' (pos {})", names[at], at + 1);
        return Err(cx.type_error(text));
    }
    if required > 0 && (unknown.is_some() || twice.is_some()) {
        let numbers = bound.iter().zip(names).filter(|(_, name)| *name != "tzinfo");
        for root in numbers.filter_map(|(root, _)| *root) {
            int(cx, root)?;
        }
    }
    if let Some((at, name)) = twice {
        let text = format!("argument for {label} given by name ('{name}') and position ({})", at + 1);
        return Err(cx.type_error(text));
    }
    if let Some(name) = unknown {
        let label = if label == "function" { "this function" } else { label };
        return Err(cx.type_error(format!("{label} got an unexpected keyword argument '{name}'")));
    }
    Ok(bound)
}

/// What a pickle hands to a constructor: so many bytes, or a text of as many characters below U+0100.
fn pickled(cx: &mut Cx, root: Root, count: usize) -> Option<Vec<u8>> {
    let value = cx.payload(root.get(cx));
    let bytes = match (value.exact::<Bytes>(), value.exact::<Str>()) {
        (Some(bytes), _) => bytes.as_bytes().to_vec(),
        (_, Some(text)) if text.chars() == count => {
            text.as_str()?.chars().map(|c| u8::try_from(c as u32).ok()).collect::<Option<Vec<u8>>>()?
        }
        _ => return None,
    };
    (bytes.len() == count).then_some(bytes)
}

/// An instance of a class: of the class of a kind at once, of one derived from it as `__new__` makes it.
fn instance_of(cx: &mut Cx, class: Root, payload: Raw) -> Root {
    let payload = cx.push_raw(payload);
    cx.new_of(class, payload)
}

/// Whether a class is that of a kind, not one derived from it.
fn is_exact(cx: &Cx, class: Root, kind: Kind) -> bool {
    class.get(cx).raw().same(cx.kind_class(kind).value().raw())
}

/// The class of a value, as a root.
fn class_root(cx: &mut Cx, value: Root) -> Root {
    let class = cx.class_of(value.get(cx)).value().raw();
    cx.push_raw(class)
}

/// A date by a class: a class written in the language is called.
fn date_by(cx: &mut Cx, class: Root, (year, month, day): (i64, i64, i64)) -> Result<Root, Raised> {
    if is_exact(cx, class, Kind::Date) {
        check_date(cx, year, month, day)?;
        let raw = new_date(cx, moment_of([year, month, day], [0; 5]));
        return Ok(cx.push_raw(raw));
    }
    let args = [year, month, day].map(|number| cx.push_raw(Raw::int(number)));
    cx.call(class, &args)
}

/// A date with a time by a class, from numbers that have been checked.
fn datetime_by(cx: &mut Cx, class: Root, at: Moment, zone: Raw) -> Result<Root, Raised> {
    if is_exact(cx, class, Kind::DateTime) {
        let raw = new_datetime(cx, at, zone);
        return Ok(cx.push_raw(raw));
    }
    let numbers = [
        u32::from(at.year),
        at.month.into(),
        at.day.into(),
        at.hour.into(),
        at.minute.into(),
        at.second.into(),
        at.micros,
    ];
    let mut args: Vec<Root> = numbers.iter().map(|number| cx.push_raw(Raw::int(i64::from(*number)))).collect();
    args.push(cx.push_raw(zone));
    let made = cx.call(class, &args)?;
    if at.fold != 0
        && let Some(moment) = datetime_of(cx, made.get(cx))
    {
        moment.get().at.set(Moment { fold: at.fold, ..moment.get().at.get() });
    }
    Ok(made)
}

/// A time of day by a class, from numbers that have been checked.
fn time_by(cx: &mut Cx, class: Root, at: Moment, zone: Raw) -> Result<Root, Raised> {
    if is_exact(cx, class, Kind::TimeOfDay) {
        let raw = new_time(cx, at, zone);
        return Ok(cx.push_raw(raw));
    }
    let numbers = [u32::from(at.hour), at.minute.into(), at.second.into(), at.micros];
    let mut args: Vec<Root> = numbers.iter().map(|number| cx.push_raw(Raw::int(i64::from(*number)))).collect();
    args.push(cx.push_raw(zone));
    let made = cx.call(class, &args)?;
    if at.fold != 0
        && let Some(time) = time_of(cx, made.get(cx))
    {
        time.get().at.set(Moment { fold: at.fold, ..time.get().at.get() });
    }
    Ok(made)
}

/// The six comparisons of a class by one function.
macro_rules! comparisons {
    ($table:ident, $compare:path) => {
        crate::native::natives!(
            /// Comparisons.
            pub(super) static $table: Methods;

            /// Return self==value.
            fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $compare(cx, crate::vm::CompareKind::Eq, this, value)
            }

            /// Return self!=value.
            fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $compare(cx, crate::vm::CompareKind::Ne, this, value)
            }

            /// Return self<value.
            fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $compare(cx, crate::vm::CompareKind::Lt, this, value)
            }

            /// Return self<=value.
            fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $compare(cx, crate::vm::CompareKind::Le, this, value)
            }

            /// Return self>value.
            fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $compare(cx, crate::vm::CompareKind::Gt, this, value)
            }

            /// Return self>=value.
            fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $compare(cx, crate::vm::CompareKind::Ge, this, value)
            }
        );
    };
}
use comparisons;
