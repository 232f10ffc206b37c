//! tzinfo, whose classes scripts write, and timezone; what the others ask of zones.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{Class, ClassFlags, Exc, Instance, Moment, Span, TimeZone};
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::calendar::{Line, moved};
use super::{class_root, datetime_by, datetime_of, delta, out_of_range, span_of, utc, zone_of};

/// What a zone's method says at a time: a duration less than a day, or None. `of` is what the method is handed.
pub(super) fn ask(cx: &mut Cx, zone: Root, of: Root, method: &str) -> Result<Option<(Root, Span)>, Raised> {
    if zone.get(cx).is_none() {
        return Ok(None);
    }
    if let Some(fixed) = zone.get(cx).exact::<TimeZone>() {
        if method == "dst" {
            return Ok(None);
        }
        let raw = fixed.get().offset.get().raw();
        let root = cx.push_raw(raw);
        let span = span_of(cx, root.get(cx)).unwrap_or_default();
        return Ok(Some((root, span)));
    }
    let found = cx.call_method(zone, method, &[of])?;
    if found.get(cx).is_none() {
        return Ok(None);
    }
    let Some(span) = span_of(cx, found.get(cx)) else {
        let got = cx.type_name_for_error(found.get(cx));
        return Err(cx.type_error(format!("tzinfo.{method}() must return None or timedelta, not '{got}'")));
    };
    if !less_than_a_day(span) {
        return Err(delta::bad_offset(cx, span));
    }
    Ok(Some((found, span)))
}

/// As `ask` for `utcoffset`, without the value.
pub(super) fn offset(cx: &mut Cx, zone: Root, of: Root) -> Result<Option<Span>, Raised> {
    let mark = cx.mark();
    let found = ask(cx, zone, of, "utcoffset")?.map(|(_, span)| span);
    cx.release(mark);
    Ok(found)
}

/// A zone's name at a time: a text or None.
pub(super) fn name(cx: &mut Cx, zone: Root, of: Root) -> Result<Root, Raised> {
    if zone.get(cx).is_none() {
        return Ok(cx.push_raw(Raw::NONE));
    }
    if zone.get(cx).exact::<TimeZone>().is_some() {
        let text = name_of(cx, zone);
        let raw = cx.str(&text).value().raw();
        return Ok(cx.push_raw(raw));
    }
    let found = cx.call_method(zone, "tzname", &[of])?;
    if !found.get(cx).is_none() && cx.as_str(found.get(cx)).is_none() {
        let got = cx.type_name_for_error(found.get(cx));
        return Err(cx.type_error(format!("tzinfo.tzname() must return None or a string, not '{got}'")));
    }
    Ok(found)
}

fn less_than_a_day(span: Span) -> bool {
    span.total().unsigned_abs() < 86_400_000_000
}

/// A zone for an offset; its name is a text or None. UTC is always the same one.
pub(super) fn make(cx: &mut Cx, offset: Root, name: Option<Root>) -> NativeResult {
    let span = span_of(cx, offset.get(cx)).unwrap_or_default();
    if name.is_none() && span.is_zero() {
        return Ok(Outcome::Value(utc(cx)));
    }
    if !less_than_a_day(span) {
        return Err(delta::bad_offset(cx, span));
    }
    let (offset, name) = (offset.get(cx).raw(), name.map_or(Raw::NONE, |name| name.get(cx).raw()));
    Ok(Outcome::Value(zone_of(cx, offset, name)))
}

/// A zone for an offset by numbers.
pub(super) fn of_seconds(cx: &mut Cx, (seconds, micros): (i64, i64), name: Option<Root>) -> Result<Raw, Raised> {
    let span = match Span::of(0, seconds, micros) {
        Ok(span) => span,
        Err(days) => return Err(super::too_many_days(cx, days)),
    };
    let raw = super::new_delta(cx, span);
    let offset = cx.push_raw(raw);
    match make(cx, offset, name)? {
        Outcome::Value(raw) => Ok(raw),
        _ => Err(cx.system_error("a zone was not made at once")),
    }
}

/// What local time is at a moment, in seconds since the epoch, as a zone.
pub(super) fn local(cx: &mut Cx, seconds: i64) -> Raw {
    let zone = crate::native::local_time::zone(cx);
    let kind = zone.at(seconds);
    let name = cx.str(&kind.name).value().raw();
    let offset = super::new_delta(cx, Span::of(0, kind.offset, 0).unwrap_or_default());
    zone_of(cx, offset, name)
}

/// `fromutc` of a zone: a time that says UTC, in the zone.
pub(super) fn from_utc(cx: &mut Cx, zone: Root, moment: Root) -> Result<Root, Raised> {
    if let Some(fixed) = zone.get(cx).exact::<TimeZone>() {
        let span = span_of(cx, fixed.get().offset.get()).unwrap_or_default();
        return shifted(cx, moment, span, false);
    }
    cx.call_method(zone, "fromutc", &[moment])
}

/// A date with a time moved by a duration, by its own class.
pub(super) fn shifted(cx: &mut Cx, moment: Root, span: Span, back: bool) -> Result<Root, Raised> {
    let own = datetime_of(cx, moment.get(cx)).expect("a datetime");
    let zone = own.get().zone.get().raw();
    match moved(own.get().at.get(), span, back) {
        Some(at) => {
            let class = class_root(cx, moment);
            datetime_by(cx, class, at, zone)
        }
        None => Err(out_of_range(cx)),
    }
}

fn own(cx: &Cx, this: Root) -> Gc<'static, TimeZone> {
    this.get(cx).exact::<TimeZone>().expect("the instance is a timezone").held()
}

fn own_span(cx: &Cx, this: Root) -> Span {
    span_of(cx, own(cx, this).get().offset.get()).unwrap_or_default()
}

/// The name of a fixed zone.
fn name_of(cx: &Cx, zone: Root) -> String {
    let own = own(cx, zone);
    if let Some(name) = cx.as_str(own.get().name.get()) {
        return name.to_str_lossy().into_owned();
    }
    let span = own_span(cx, zone);
    if span.is_zero() {
        return "UTC".into();
    }
    let mut line = Line::new();
    line.offset(span, ":");
    format!("UTC{}", line.text())
}

/// Complains of an argument that is neither a datetime nor None.
fn check_moment(cx: &mut Cx, of: Root, method: &str) -> Result<(), Raised> {
    if of.get(cx).is_none() || datetime_of(cx, of.get(cx)).is_some() {
        return Ok(());
    }
    let got = cx.type_name_for_error(of.get(cx));
    Err(cx.type_error(format!("{method}(dt) argument must be a datetime instance or None, not {got}")))
}

/// Complains of what `fromutc` can't take.
fn check_own(cx: &mut Cx, this: Root, moment: Root) -> Result<(), Raised> {
    let Some(own) = datetime_of(cx, moment.get(cx)) else {
        return Err(cx.type_error("fromutc: argument must be a datetime".into()));
    };
    if !own.get().zone.get().raw().same(this.get(cx).raw()) {
        return Err(cx.value_error("fromutc: dt.tzinfo is not self"));
    }
    Ok(())
}

fn not_implemented(cx: &mut Cx, method: &str) -> Raised {
    cx.raise_text(Exc::NotImplementedError, &format!("a tzinfo subclass must implement {method}()"))
}

natives!(
    /// Abstract base class for time zone info objects.
    pub(super) static TZINFO: Methods;

    /// Make an instance; what it is given is for the class derived from it.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let base = cx.named_class("tzinfo").held();
        cx.check_new(class, base)?;
        let class = class.get(cx).exact::<Class>().expect("checked").held();
        if class.has(ClassFlags::ABSTRACT) {
            return Err(cx.abstract_instantiation(class));
        }
        if class.get().layout != Kind::Instance {
            return Err(cx.type_error("tzinfo.__new__(timezone) is not safe, use datetime.timezone.__new__()".into()));
        }
        let instance = Instance::new(&cx.heap, class).value().raw();
        if class.has(ClassFlags::FINALISER) {
            cx.made_finalisable(instance);
        }
        Ok(Outcome::Value(instance))
    }

    /// The name of the zone at a time.
    fn tzname(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        Err(not_implemented(cx, "tzname"))
    }

    /// How far ahead of UTC the zone is at a time.
    fn utcoffset(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        Err(not_implemented(cx, "utcoffset"))
    }

    /// How much of that is for daylight saving.
    fn dst(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        Err(not_implemented(cx, "dst"))
    }

    /// A time given in UTC, in this zone.
    fn fromutc(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        check_own(cx, this, dt)?;
        let Some(offset) = offset_of(cx, dt, "utcoffset")? else {
            return Err(cx.value_error("fromutc: non-None utcoffset() result required"));
        };
        let Some(saving) = offset_of(cx, dt, "dst")? else {
            return Err(cx.value_error("fromutc: non-None dst() result required"));
        };
        let standard = Span::of_micros(offset.total() - saving.total()).expect("less than two days");
        let mut moment = dt;
        if !standard.is_zero() {
            moment = shifted(cx, dt, standard, false)?;
        }
        let saving = match standard.is_zero() {
            true => saving,
            false => match offset_of(cx, moment, "dst")? {
                Some(saving) => saving,
                None => {
                    return Err(cx.value_error("fromutc: tz.dst() gave inconsistent results; cannot convert"));
                }
            },
        };
        Ok(shifted(cx, moment, saving, false)?.get(cx).into())
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let arguments = match cx.find_attribute(this, "__getinitargs__")? {
            Some(method) => {
                let found = cx.call(method, &[])?;
                cx.tuple_from(found)?
            }
            None => {
                let nothing = cx.empty_tuple().value().raw();
                cx.push_raw(nothing)
            }
        };
        let state = cx.call_method(this, "__getstate__", &[])?;
        let class = cx.class_of(this.get(cx)).value();
        Ok(cx.tuple(&[class, arguments.get(cx), state.get(cx)]).into())
    }
);

/// What a moment's own zone says of it.
fn offset_of(cx: &mut Cx, moment: Root, method: &str) -> Result<Option<Span>, Raised> {
    let Some(own) = datetime_of(cx, moment.get(cx)) else { return Ok(None) };
    let zone = own.get().zone.get().raw();
    let zone = cx.push_raw(zone);
    Ok(ask(cx, zone, moment, method)?.map(|(_, span)| span))
}

natives!(
    /// Fixed offset from UTC implementation of tzinfo.
    pub(super) static TIMEZONE: Methods;

    /// Make a zone that is always as far ahead of UTC.
    #[fixed]
    #[name("__new__")]
    fn timezone(
        cx: &mut Cx,
        class: Root,
        #[either] offset: Root,
        #[either]
        #[text("<unrepresentable>")]
        name: Given<Root>,
    ) -> NativeResult {
        cx.check_new_kind(class, Kind::TimeZone)?;
        if span_of(cx, offset.get(cx)).is_none() {
            let got = cx.argument_name_for_error(offset.get(cx));
            return Err(cx.type_error(format!("timezone() argument 1 must be datetime.timedelta, not {got}")));
        }
        if let Some(name) = name.0
            && cx.as_str(name.get(cx)).is_none()
        {
            let got = cx.argument_name_for_error(name.get(cx));
            return Err(cx.type_error(format!("timezone() argument 2 must be str, not {got}")));
        }
        make(cx, offset, name.0)
    }

    /// What `timezone` is called with to make it again.
    fn __getinitargs__(cx: &mut Cx, this: Root) -> NativeResult {
        let own = own(cx, this);
        let (offset, name) = (own.get().offset.get(), own.get().name.get());
        Ok(if name.is_none() { cx.tuple(&[offset]).into() } else { cx.tuple(&[offset, name]).into() })
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).kind() != Kind::TimeZone {
            return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
        }
        Ok((own_span(cx, this) == own_span(cx, value)).into())
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).kind() != Kind::TimeZone {
            return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
        }
        Ok((own_span(cx, this) != own_span(cx, value)).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(delta::hash(own_span(cx, this)).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        if utc(cx).same(this.get(cx).raw()) {
            return Ok(cx.str("datetime.timezone.utc").into());
        }
        let own = own(cx, this);
        let (offset, name) = (own.get().offset.get().raw(), own.get().name.get().raw());
        let offset = cx.push_raw(offset);
        let mut text = format!("datetime.timezone({}", cx.repr_text(offset)?);
        if !name.same(Raw::NONE) {
            let name = cx.push_raw(name);
            text.push_str(&format!(", {}", cx.repr_text(name)?));
        }
        text.push(')');
        Ok(cx.str(&text).into())
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = name_of(cx, this);
        Ok(cx.str(&text).into())
    }

    /// How far ahead of UTC the zone is.
    fn utcoffset(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        check_moment(cx, dt, "utcoffset")?;
        Ok(own(cx, this).get().offset.get().into())
    }

    /// The name of the zone: that it was given, or 'UTC(+|-)HH:MM'.
    fn tzname(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        check_moment(cx, dt, "tzname")?;
        let text = name_of(cx, this);
        Ok(cx.str(&text).into())
    }

    /// None: there is no daylight saving.
    fn dst(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        check_moment(cx, dt, "dst")?;
        Ok(Outcome::NONE)
    }

    /// A time given in UTC, in this zone.
    fn fromutc(cx: &mut Cx, this: Root, dt: Root) -> NativeResult {
        check_own(cx, this, dt)?;
        Ok(from_utc(cx, this, dt)?.get(cx).into())
    }
);

/// The same moment, another zone: nothing is converted.
pub(super) fn with_zone(cx: &mut Cx, class: Root, at: Moment, zone: Root) -> Result<Root, Raised> {
    let zone = zone.get(cx).raw();
    datetime_by(cx, class, at, zone)
}

/// Whether two zones are the same object.
pub(super) fn same(a: Value<'_>, b: Value<'_>) -> bool {
    a.raw().same(b.raw())
}
