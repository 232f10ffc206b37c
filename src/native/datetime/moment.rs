//! datetime: what its values do.

use crate::heap::{Gc, Raw};
use crate::native::natives;
use crate::object::{Bytes, DateTime, Moment, Span, Str};
use crate::vm::CompareKind;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

use super::calendar::{Line, Precision, between, moved, ordinal_of, seconds_of_day};
use super::clock::precision;
use super::date::{self, c_text, given_or, struct_time};
use super::moment_class::{days_since_epoch, moment_at};
use super::{
    check_date, check_time, check_zone, class_root, clock, comparisons, datetime_by, datetime_of, delta, is_zone,
    moment_of, new_date, new_datetime, new_delta, new_time, out_of_range, span_of, zone,
};

const NOT: NativeResult = Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));

/// The moment of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'static, DateTime> {
    datetime_of(cx, this.get(cx)).expect("the instance is a datetime")
}

fn at(cx: &Cx, this: Root) -> Moment {
    own(cx, this).get().at.get()
}

fn without_fold(at: Moment) -> Moment {
    Moment { fold: 0, ..at }
}

/// Its zone.
fn own_zone(cx: &mut Cx, this: Root) -> Root {
    let zone = own(cx, this).get().zone.get().raw();
    cx.push_raw(zone)
}

/// Its offset.
fn own_offset(cx: &mut Cx, this: Root) -> Result<Option<Span>, Raised> {
    let zone = own_zone(cx, this);
    zone::offset(cx, zone, this)
}

/// Whether the offset depends on the fold: such a moment equals none of another zone.
fn is_problematic(cx: &mut Cx, this: Root, offset: Option<Span>) -> Result<bool, Raised> {
    if own(cx, this).get().zone.get().exact::<crate::object::TimeZone>().is_some() {
        return Ok(false);
    }
    let zone = own_zone(cx, this);
    let at = at(cx, this);
    let class = class_root(cx, this);
    let other = datetime_by(cx, class, Moment { fold: 1 - at.fold, ..at }, zone.get(cx).raw())?;
    Ok(zone::offset(cx, zone, other)? != offset)
}

fn compare(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    let Some(theirs) = datetime_of(cx, other.get(cx)) else { return NOT };
    let mine = own(cx, this);
    let (a, b) = (without_fold(mine.get().at.get()), without_fold(theirs.get().at.get()));
    if zone::same(mine.get().zone.get(), theirs.get().zone.get()) {
        return Ok(kind.holds(a.cmp(&b)).into());
    }
    let (x, y) = (own_offset(cx, this)?, own_offset(cx, other)?);
    let equality = matches!(kind, CompareKind::Eq | CompareKind::Ne);
    let never = kind == CompareKind::Ne;
    if x == y {
        if equality && a == b && (is_problematic(cx, this, x)? || is_problematic(cx, other, y)?) {
            return Ok(never.into());
        }
        return Ok(kind.holds(a.cmp(&b)).into());
    }
    match (x, y) {
        (Some(x), Some(y)) => {
            let micros = |at: Moment, offset: Span| between(at, Moment::EARLY).total() - offset.total();
            let order = micros(a, x).cmp(&micros(b, y));
            if equality && order.is_eq() && (is_problematic(cx, this, Some(x))? || is_problematic(cx, other, Some(y))?)
            {
                return Ok(never.into());
            }
            Ok(kind.holds(order).into())
        }
        _ if equality => Ok(never.into()),
        _ => Err(cx.type_error("can't compare offset-naive and offset-aware datetimes".into())),
    }
}

comparisons!(COMPARED, compare);

/// A datetime moved by a duration, by its own class.
fn shifted(cx: &mut Cx, this: Root, span: Span, back: bool) -> NativeResult {
    let own = own(cx, this);
    let Some(at) = moved(own.get().at.get(), span, back) else { return Err(out_of_range(cx)) };
    let zone = own.get().zone.get().raw();
    if !this.get(cx).is_subclassed() {
        return Ok(Outcome::Value(new_datetime(cx, at, zone)));
    }
    let class = class_root(cx, this);
    Ok(datetime_by(cx, class, at, zone)?.get(cx).into())
}

/// `a - b`, in this order.
fn difference(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    let Some(left) = datetime_of(cx, a.get(cx)) else { return NOT };
    if let Some(span) = span_of(cx, b.get(cx)) {
        return shifted(cx, a, span, true);
    }
    let Some(right) = datetime_of(cx, b.get(cx)) else { return NOT };
    let mut span = between(left.get().at.get(), right.get().at.get());
    if !zone::same(left.get().zone.get(), right.get().zone.get()) {
        let (x, y) = (own_offset(cx, a)?, own_offset(cx, b)?);
        match (x, y) {
            (Some(x), Some(y)) => {
                span = Span::of_micros(span.total() - x.total() + y.total()).expect("dates are not so far apart");
            }
            (None, None) => {}
            _ => return Err(cx.type_error("can't subtract offset-naive and offset-aware datetimes".into())),
        }
    }
    Ok(Outcome::Value(new_delta(cx, span)))
}

/// As ISO 8601 writes it.
fn text(cx: &mut Cx, this: Root, between: &[u8], precision: Precision) -> NativeResult {
    let mut line = Line::new();
    let at = at(cx, this);
    line.date(at);
    let date = line.bytes().len();
    line.time(at, precision);
    if let Some(offset) = own_offset(cx, this)? {
        line.offset(offset, ":");
    }
    let (date, time) = line.bytes().split_at(date);
    Ok(Str::from_parts(&cx.heap, &[date, between, time]).into())
}

/// The fields that `replace` is given.
struct Fields {
    date: [Given<Root>; 3],
    time: [Given<Root>; 4],
    zone: Given<Root>,
    fold: Given<Root>,
}

fn replaced(cx: &mut Cx, this: Root, fields: Fields) -> NativeResult {
    let at = at(cx, this);
    let [year, month, day] = fields.date;
    let date = [given_or(cx, year, at.year)?, given_or(cx, month, at.month)?, given_or(cx, day, at.day)?];
    let [hour, minute, second, micros] = fields.time;
    let time = [
        given_or(cx, hour, at.hour)?,
        given_or(cx, minute, at.minute)?,
        given_or(cx, second, at.second)?,
        given_or(cx, micros, at.micros)?,
        given_or(cx, fields.fold, at.fold)?,
    ];
    let zone = match fields.zone.0 {
        Some(zone) => zone,
        None => own_zone(cx, this),
    };
    check_date(cx, date[0], date[1], date[2])?;
    check_time(cx, time)?;
    check_zone(cx, zone)?;
    let class = class_root(cx, this);
    Ok(zone::with_zone(cx, class, moment_of(date, time), zone)?.get(cx).into())
}

fn reduced(cx: &mut Cx, this: Root, folded: bool) -> NativeResult {
    let own = own(cx, this);
    let at = own.get().at.get();
    let mut state = date::state_of(at).to_vec();
    state.extend_from_slice(&clock::state_of(without_fold(at), false));
    if folded && at.fold != 0 {
        state[2] |= 128;
    }
    let state = Bytes::new(&cx.heap, &state).value();
    let zone = own.get().zone.get();
    let arguments = if zone.is_none() { cx.tuple(&[state]) } else { cx.tuple(&[state, zone]) }.value();
    let class = cx.class_of(this.get(cx)).value();
    Ok(cx.tuple(&[class, arguments]).into())
}

/// Seconds since the epoch, of a moment that has an offset.
fn since_epoch(at: Moment, offset: Span) -> Span {
    let seconds = days_since_epoch(at) * 86_400 + seconds_of_day(at) - offset.whole_seconds();
    Span::of(0, seconds, i64::from(at.micros) - i64::from(offset.micros)).expect("dates are not so far apart")
}

/// Seconds since the epoch of a local time. Whether the clock was put back is seen from the day before it or, of a second reading,
/// the day behind it, which has to be a date too.
fn local_seconds(cx: &mut Cx, at: Moment) -> Result<i64, Raised> {
    let local = since_epoch(at, Span::default()).whole_seconds();
    let zone = crate::native::local_time::zone(cx);
    let seconds = zone.moment(local, at.fold != 0);
    let beside = zone.local(seconds + if at.fold != 0 { 86_400 } else { -86_400 });
    moment_at(cx, (beside, 0))?;
    Ok(seconds)
}

natives!(
    /// A date with a time of day.
    pub(super) static DATETIME: Methods;

    /// 0 to 23.
    #[getter]
    fn hour(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(at(cx, this).hour).into())
    }

    /// 0 to 59.
    #[getter]
    fn minute(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(at(cx, this).minute).into())
    }

    /// 0 to 59.
    #[getter]
    fn second(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(at(cx, this).second).into())
    }

    /// 0 to 999999.
    #[getter]
    fn microsecond(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(at(cx, this).micros).into())
    }

    /// The zone, or None.
    #[getter]
    fn tzinfo(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().zone.get().into())
    }

    /// 1 for the second of two equal times when clocks go back.
    #[getter]
    fn fold(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(at(cx, this).fold).into())
    }

    /// Return the date.
    fn date(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(new_date(cx, at(cx, this))))
    }

    /// Return the time of day, without its zone.
    fn time(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(new_time(cx, at(cx, this), Raw::NONE)))
    }

    /// Return the time of day with its zone.
    fn timetz(cx: &mut Cx, this: Root) -> NativeResult {
        let zone = own(cx, this).get().zone.get().raw();
        Ok(Outcome::Value(new_time(cx, at(cx, this), zone)))
    }

    /// Return seconds since the epoch.
    fn timestamp(cx: &mut Cx, this: Root) -> NativeResult {
        let at = at(cx, this);
        match own_offset(cx, this)? {
            Some(offset) => Ok(delta::in_seconds(cx, since_epoch(at, offset))?.into()),
            None => {
                let seconds = local_seconds(cx, at)?;
                Ok((seconds as f64 + f64::from(at.micros) / 1e6).into())
            }
        }
    }

    /// Return the moment as time.localtime gives it.
    fn timetuple(cx: &mut Cx, this: Root) -> NativeResult {
        let zone = own_zone(cx, this);
        let dst = match zone::ask(cx, zone, this, "dst")? {
            None => -1,
            Some((_, span)) => i64::from(!span.is_zero()),
        };
        let at = at(cx, this);
        struct_time(cx, at, dst)
    }

    /// Return the moment as time.gmtime gives it.
    fn utctimetuple(cx: &mut Cx, this: Root) -> NativeResult {
        let mut at = at(cx, this);
        if let Some(offset) = own_offset(cx, this)? {
            match moved(at, offset, true) {
                Some(moved) => at = moved,
                None => return Err(out_of_range(cx)),
            }
        }
        struct_time(cx, at, 0)
    }

    /// Return the moment as C's ctime writes it.
    fn ctime(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.str(&c_text(at(cx, this))).into())
    }

    /// Return the moment as ISO 8601 writes it. `sep` stands between date and time, `timespec` says how much of the time is written.
    fn isoformat(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("'T'")]
        sep: Given<Root>,
        #[either]
        #[text("'auto'")]
        timespec: Given<Root>,
    ) -> NativeResult {
        let mut between = b"T".to_vec();
        if let Some(root) = sep.0 {
            let Some(given) = cx.as_str(root.get(cx)) else {
                let got = cx.argument_name_for_error(root.get(cx));
                let text = format!("isoformat() argument 1 must be a unicode character, not {got}");
                return Err(cx.type_error(text));
            };
            if given.chars() != 1 {
                let count = given.chars();
                let text =
                    format!("isoformat() argument 1 must be a unicode character, not a string of length {count}");
                return Err(cx.type_error(text));
            }
            between = given.as_bytes().to_vec();
        }
        let precision = precision(cx, timespec, 2)?;
        text(cx, this, &between, precision)
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        if this.get(cx).is_subclassed() {
            let blank = cx.str(" ").value().raw();
            let blank = cx.push_raw(blank);
            return Ok(cx.call_method(this, "isoformat", &[blank])?.get(cx).into());
        }
        text(cx, this, b" ", Precision::Auto)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (name, at) = (cx.type_name_for_error(this.get(cx)), at(cx, this));
        let mut text = format!("{name}({}, {}, {}, {}, {}", at.year, at.month, at.day, at.hour, at.minute);
        if at.micros != 0 {
            text.push_str(&format!(", {}, {}", at.second, at.micros));
        } else if at.second != 0 {
            text.push_str(&format!(", {}", at.second));
        }
        if at.fold != 0 {
            text.push_str(", fold=1");
        }
        let zone = own_zone(cx, this);
        if !zone.get(cx).is_none() {
            text.push_str(&format!(", tzinfo={}", cx.repr_text(zone)?));
        }
        text.push(')');
        Ok(cx.str(&text).into())
    }

    /// The zone's offset, or None.
    fn utcoffset(cx: &mut Cx, this: Root) -> NativeResult {
        let zone = own_zone(cx, this);
        Ok(zone::ask(cx, zone, this, "utcoffset")?.map_or(Outcome::NONE, |(found, _)| found.get(cx).into()))
    }

    /// The zone's daylight saving, or None.
    fn dst(cx: &mut Cx, this: Root) -> NativeResult {
        let zone = own_zone(cx, this);
        Ok(zone::ask(cx, zone, this, "dst")?.map_or(Outcome::NONE, |(found, _)| found.get(cx).into()))
    }

    /// The zone's name, or None.
    fn tzname(cx: &mut Cx, this: Root) -> NativeResult {
        let zone = own_zone(cx, this);
        Ok(zone::name(cx, zone, this)?.get(cx).into())
    }

    /// Return a datetime with some fields changed.
    fn replace(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("<unrepresentable>")]
        year: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        month: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        day: Given<Root>,
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
        let fields = Fields { date: [year, month, day], time: [hour, minute, second, microsecond], zone: tzinfo, fold };
        replaced(cx, this, fields)
    }

    /// The same as replace().
    fn __replace__(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("<unrepresentable>")]
        year: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        month: Given<Root>,
        #[either]
        #[text("<unrepresentable>")]
        day: Given<Root>,
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
        let fields = Fields { date: [year, month, day], time: [hour, minute, second, microsecond], zone: tzinfo, fold };
        replaced(cx, this, fields)
    }

    /// Return the same moment in another zone, by default the local one.
    fn astimezone(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("None")]
        tz: Given<Root>,
    ) -> NativeResult {
        let given = tz.0.filter(|tz| !tz.get(cx).is_none());
        if let Some(given) = given {
            if !is_zone(cx, given.get(cx)) {
                check_zone(cx, given)?;
            }
            let zone = own_zone(cx, this);
            if zone::same(zone.get(cx), given.get(cx)) {
                return Ok(this.get(cx).into());
            }
        }
        // Without an offset it is taken as local time.
        let own = match own_offset(cx, this)? {
            Some(offset) => offset,
            None => {
                let at = at(cx, this);
                // Both readings are looked at, to know which one holds.
                local_seconds(cx, Moment { fold: 1 - at.fold, ..at })?;
                let ahead = since_epoch(at, Span::default()).whole_seconds() - local_seconds(cx, at)?;
                Span::of(0, ahead, 0).unwrap_or_default()
            }
        };
        let target = match given {
            Some(given) => given,
            None => {
                let local = zone::local(cx, since_epoch(at(cx, this), own).whole_seconds());
                cx.push_raw(local)
            }
        };
        let Some(at) = moved(at(cx, this), own, true) else { return Err(out_of_range(cx)) };
        let class = class_root(cx, this);
        let raw = target.get(cx).raw();
        let moment = datetime_by(cx, class, at, raw)?;
        Ok(zone::from_utc(cx, target, moment)?.get(cx).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let known = own(cx, this).get().hash.get();
        if known != -1 {
            return Ok(known.into());
        }
        let at = at(cx, this);
        let mut plain = this;
        if at.fold != 0 {
            let (zone, class) = (own_zone(cx, this), class_root(cx, this));
            plain = zone::with_zone(cx, class, without_fold(at), zone)?;
        }
        let hash = match own_offset(cx, plain)? {
            Some(offset) => {
                let seconds = seconds_of_day(at) - offset.whole_seconds();
                let span = Span::of(ordinal_of(at), seconds, i64::from(at.micros) - i64::from(offset.micros));
                delta::hash(span.unwrap_or_default())
            }
            None => {
                let mut state = date::state_of(at).to_vec();
                state.extend_from_slice(&clock::state_of(at, false));
                cx.heap.hash_key().hash_bytes(&state)
            }
        };
        own(cx, this).get().hash.set(hash);
        Ok(hash.into())
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match span_of(cx, value.get(cx)) {
            Some(span) => shifted(cx, this, span, false),
            None => NOT,
        }
    }

    /// Return value+self.
    fn __radd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match span_of(cx, value.get(cx)) {
            Some(span) => shifted(cx, this, span, false),
            None => NOT,
        }
    }

    /// Return self-value.
    fn __sub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        difference(cx, this, value)
    }

    /// Return value-self.
    fn __rsub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        difference(cx, value, this)
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
