//! time.

use crate::heap::{Gc, Kind, Raw};
use crate::native::natives;
use crate::object::{Bytes, Moment, Span, Str, TimeOfDay};
use crate::vm::CompareKind;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::calendar::{Line, Precision, seconds_of_day};
use super::date::{formatted, given_or, invalid_iso, iso_text};
use super::{
    bind, check_time, check_zone, class_root, comparisons, delta, instance_of, int, iso, moment_of, new_time, pickled,
    strftime, strptime, time_by, time_of, zone,
};

/// The time of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'static, TimeOfDay> {
    time_of(cx, this.get(cx)).expect("the instance is a time")
}

/// Its zone.
fn own_zone(cx: &mut Cx, this: Root) -> Root {
    let zone = own(cx, this).get().zone.get().raw();
    cx.push_raw(zone)
}

/// Its offset.
fn own_offset(cx: &mut Cx, this: Root) -> Result<Option<Span>, Raised> {
    let zone = own_zone(cx, this);
    let none = cx.push_raw(Raw::NONE);
    zone::offset(cx, zone, none)
}

/// `time(hour, minute, second, microsecond)` of small ints; whatever else is left to `__new__`.
pub(super) fn make(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() > 4 {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    let mut numbers = [0i64; 5];
    for (number, root) in numbers.iter_mut().zip(args.roots()) {
        match root.get(cx).as_int() {
            Some(given) if i32::try_from(given).is_ok() => *number = given,
            _ => return Ok(Outcome::Value(Raw::UNBOUND)),
        }
    }
    check_time(cx, numbers)?;
    Ok(Outcome::Value(new_time(cx, moment_of([0; 3], numbers), Raw::NONE)))
}

/// What is pickled of a time of day.
pub(super) fn state_of(at: Moment, folded: bool) -> [u8; 6] {
    let [_, high, middle, low] = at.micros.to_be_bytes();
    let fold = if folded && at.fold != 0 { 128 } else { 0 };
    [at.hour | fold, at.minute, at.second, high, middle, low]
}

/// The numbers in what was pickled.
pub(super) fn of_state(state: &[u8], fold: u8) -> [i64; 5] {
    let micros = u32::from_be_bytes([0, state[3], state[4], state[5]]);
    [i64::from(state[0]), state[1].into(), state[2].into(), micros.into(), fold.into()]
}

fn without_fold(at: Moment) -> Moment {
    Moment { fold: 0, ..at }
}

fn compare(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    let Some(theirs) = time_of(cx, other.get(cx)) else { return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED)) };
    let mine = own(cx, this);
    let (a, b) = (without_fold(mine.get().at.get()), without_fold(theirs.get().at.get()));
    if zone::same(mine.get().zone.get(), theirs.get().zone.get()) {
        return Ok(kind.holds(a.cmp(&b)).into());
    }
    let (x, y) = (own_offset(cx, this)?, own_offset(cx, other)?);
    match (x, y) {
        (x, y) if x == y => Ok(kind.holds(a.cmp(&b)).into()),
        (Some(x), Some(y)) => {
            let micros = |at: Moment, offset: Span| {
                i128::from(seconds_of_day(at)) * 1_000_000 + i128::from(at.micros) - offset.total()
            };
            Ok(kind.holds(micros(a, x).cmp(&micros(b, y))).into())
        }
        _ => match kind {
            CompareKind::Eq => Ok(false.into()),
            CompareKind::Ne => Ok(true.into()),
            _ => Err(cx.type_error("can't compare offset-naive and offset-aware times".into())),
        },
    }
}

comparisons!(COMPARED, compare);

/// As ISO 8601 writes it.
fn text(cx: &mut Cx, this: Root, precision: Precision) -> NativeResult {
    let mut line = Line::new();
    line.time(own(cx, this).get().at.get(), precision);
    if let Some(offset) = own_offset(cx, this)? {
        line.offset(offset, ":");
    }
    Ok(Str::ascii(&cx.heap, line.bytes()).into())
}

/// How much of a time is to be written, from an argument.
pub(super) fn precision(cx: &mut Cx, spec: Given<Root>, number: usize) -> Result<Precision, Raised> {
    let Some(root) = spec.0 else { return Ok(Precision::Auto) };
    let Some(name) = cx.as_str(root.get(cx)) else {
        let got = cx.argument_name_for_error(root.get(cx));
        return Err(cx.type_error(format!("isoformat() argument {number} must be str, not {got}")));
    };
    match Precision::named(&name.to_str_lossy()) {
        Some(precision) => Ok(precision),
        None => Err(cx.value_error("Unknown timespec value")),
    }
}

/// The fields that `replace` is given.
struct Fields {
    hour: Given<Root>,
    minute: Given<Root>,
    second: Given<Root>,
    micros: Given<Root>,
    zone: Given<Root>,
    fold: Given<Root>,
}

fn replaced(cx: &mut Cx, this: Root, fields: Fields) -> NativeResult {
    let at = own(cx, this).get().at.get();
    let numbers = [
        given_or(cx, fields.hour, at.hour)?,
        given_or(cx, fields.minute, at.minute)?,
        given_or(cx, fields.second, at.second)?,
        given_or(cx, fields.micros, at.micros)?,
        given_or(cx, fields.fold, at.fold)?,
    ];
    let zone = match fields.zone.0 {
        Some(zone) => zone,
        None => own_zone(cx, this),
    };
    check_time(cx, numbers)?;
    check_zone(cx, zone)?;
    let (class, zone) = (class_root(cx, this), zone.get(cx).raw());
    Ok(time_by(cx, class, moment_of([0; 3], numbers), zone)?.get(cx).into())
}

fn reduced(cx: &mut Cx, this: Root, folded: bool) -> NativeResult {
    let own = own(cx, this);
    let state = Bytes::new(&cx.heap, &state_of(own.get().at.get(), folded)).value();
    let zone = own.get().zone.get();
    let arguments = if zone.is_none() { cx.tuple(&[state]) } else { cx.tuple(&[state, zone]) }.value();
    let class = cx.class_of(this.get(cx)).value();
    Ok(cx.tuple(&[class, arguments]).into())
}

natives!(
    /// A time of day.
    pub(super) static TIME: Methods;

    /// Make a time of day.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::TimeOfDay)?;
        if (1..=2).contains(&args.0.len())
            && let Some(mut state) = pickled(cx, args.0.root(0), 6)
            && state[0] & 127 < 24
        {
            let zone = args.0.rest(1).roots().next();
            if let Some(zone) = zone
                && check_zone(cx, zone).map_err(|raised| cx.take_raised(raised)).is_err()
            {
                return Err(cx.type_error("bad tzinfo state arg".into()));
            }
            let zone = zone.map_or(Raw::NONE, |zone| zone.get(cx).raw());
            let fold = state[0] >> 7;
            state[0] &= 127;
            let made = new_time(cx, moment_of([0; 3], of_state(&state, fold)), zone);
            return Ok(instance_of(cx, class, made).get(cx).into());
        }
        let names = ["hour", "minute", "second", "microsecond", "tzinfo", "fold"];
        let bound = bind(cx, "function", names, (0, 5), args.0, kwargs.0)?;
        let mut numbers = [0; 5];
        for (number, at) in numbers.iter_mut().zip([0, 1, 2, 3, 5]) {
            if let Some(root) = bound[at] {
                *number = int(cx, root)?;
            }
        }
        check_time(cx, numbers)?;
        if let Some(zone) = bound[4] {
            check_zone(cx, zone)?;
        }
        let zone = bound[4].map_or(Raw::NONE, |zone| zone.get(cx).raw());
        let made = new_time(cx, moment_of([0; 3], numbers), zone);
        Ok(instance_of(cx, class, made).get(cx).into())
    }

    /// 0 to 23.
    #[getter]
    fn hour(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).get().at.get().hour).into())
    }

    /// 0 to 59.
    #[getter]
    fn minute(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).get().at.get().minute).into())
    }

    /// 0 to 59.
    #[getter]
    fn second(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).get().at.get().second).into())
    }

    /// 0 to 999999.
    #[getter]
    fn microsecond(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).get().at.get().micros).into())
    }

    /// The zone, or None.
    #[getter]
    fn tzinfo(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().zone.get().into())
    }

    /// 1 for the second of two equal times when clocks go back.
    #[getter]
    fn fold(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).get().at.get().fold).into())
    }

    /// Return the time that a text in ISO 8601 names.
    #[class]
    fn fromisoformat(cx: &mut Cx, class: Root, string: Root) -> NativeResult {
        let text = iso_text(cx, string)?;
        let Ok(mut clock) = iso::time(text.strip_prefix(b"T").unwrap_or(&text)) else {
            return Err(invalid_iso(cx, string));
        };
        if clock.hour == 24 {
            if (clock.minute, clock.second, clock.micros) != (0, 0, 0) {
                return Err(cx.value_error("minute, second, and microsecond must be 0 when hour is 24"));
            }
            clock.hour = 0;
        }
        let numbers = [clock.hour, clock.minute, clock.second, clock.micros, 0];
        let zone = match clock.offset {
            Some(offset) => zone::of_seconds(cx, offset, None)?,
            None => Raw::NONE,
        };
        check_time(cx, numbers)?;
        Ok(time_by(cx, class, moment_of([0; 3], numbers), zone)?.get(cx).into())
    }

    /// Return the time that a text in a format names.
    #[class]
    #[counted]
    fn strptime(cx: &mut Cx, class: Root, string: Root, format: Root) -> NativeResult {
        let read = strptime::read(cx, string, format)?;
        let numbers = [read.hour, read.minute, read.second, read.micros, 0];
        let zone = read.zone(cx)?;
        check_time(cx, numbers)?;
        Ok(time_by(cx, class, moment_of([0; 3], numbers), zone)?.get(cx).into())
    }

    /// Return the time as text in a format.
    fn strftime(cx: &mut Cx, this: Root, #[either] format: Root) -> NativeResult {
        strftime::write(cx, this, format)
    }

    /// Formats self with strftime.
    #[counted]
    fn __format__(cx: &mut Cx, this: Root, format: Root) -> NativeResult {
        formatted(cx, this, format)
    }

    /// Return the time as ISO 8601 writes it. `timespec` says how much of it.
    fn isoformat(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("'auto'")]
        timespec: Given<Root>,
    ) -> NativeResult {
        let precision = precision(cx, timespec, 1)?;
        text(cx, this, precision)
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        if this.get(cx).is_subclassed() {
            return Ok(cx.call_method(this, "isoformat", &[])?.get(cx).into());
        }
        text(cx, this, Precision::Auto)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (name, at) = (cx.type_name_for_error(this.get(cx)), own(cx, this).get().at.get());
        let mut text = format!("{name}({}, {}", at.hour, at.minute);
        if at.micros != 0 {
            text.push_str(&format!(", {}, {}", at.second, at.micros));
        } else if at.second != 0 {
            text.push_str(&format!(", {}", at.second));
        }
        let zone = own_zone(cx, this);
        if !zone.get(cx).is_none() {
            text.push_str(&format!(", tzinfo={}", cx.repr_text(zone)?));
        }
        text.push_str(if at.fold != 0 { ", fold=1)" } else { ")" });
        Ok(cx.str(&text).into())
    }

    /// The zone's offset, or None.
    fn utcoffset(cx: &mut Cx, this: Root) -> NativeResult {
        let (zone, none) = (own_zone(cx, this), cx.push_raw(Raw::NONE));
        Ok(zone::ask(cx, zone, none, "utcoffset")?.map_or(Outcome::NONE, |(found, _)| found.get(cx).into()))
    }

    /// The zone's daylight saving, or None.
    fn dst(cx: &mut Cx, this: Root) -> NativeResult {
        let (zone, none) = (own_zone(cx, this), cx.push_raw(Raw::NONE));
        Ok(zone::ask(cx, zone, none, "dst")?.map_or(Outcome::NONE, |(found, _)| found.get(cx).into()))
    }

    /// The zone's name, or None.
    fn tzname(cx: &mut Cx, this: Root) -> NativeResult {
        let (zone, none) = (own_zone(cx, this), cx.push_raw(Raw::NONE));
        Ok(zone::name(cx, zone, none)?.get(cx).into())
    }

    /// Return a time with some fields changed.
    fn replace(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("<unrepresentable>")]
        hour: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        minute: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        second: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        microsecond: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        tzinfo: Given<Root>,
        #[key]
        #[text("<unrepresentable>")]
        fold: Given<Root>,
    ) -> NativeResult {
        replaced(cx, this, Fields { hour, minute, second, micros: microsecond, zone: tzinfo, fold })
    }

    /// The same as replace().
    fn __replace__(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("<unrepresentable>")]
        hour: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        minute: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        second: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        microsecond: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        tzinfo: Given<Root>,
        #[key]
        #[text("<unrepresentable>")]
        fold: Given<Root>,
    ) -> NativeResult {
        replaced(cx, this, Fields { hour, minute, second, micros: microsecond, zone: tzinfo, fold })
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let known = own(cx, this).get().hash.get();
        if known != -1 {
            return Ok(known.into());
        }
        let at = without_fold(own(cx, this).get().at.get());
        let hash = match own_offset(cx, this)? {
            Some(offset) if !offset.is_zero() => {
                let seconds = seconds_of_day(at) - offset.whole_seconds();
                let span = Span::of(0, seconds, i64::from(at.micros) - i64::from(offset.micros));
                delta::hash(span.unwrap_or_default())
            }
            _ => cx.heap.hash_key().hash_bytes(&state_of(at, false)),
        };
        own(cx, this).get().hash.set(hash);
        Ok(hash.into())
    }

    /// What is pickled.
    fn __reduce_ex__(cx: &mut Cx, this: Root, protocol: i64) -> NativeResult {
        reduced(cx, this, protocol > 3)
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduced(cx, this, false)
    }
);
