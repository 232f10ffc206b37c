//! date; what datetime inherits of it works on either.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::native::structseq;
use crate::object::{Bytes, Moment, Span};
use crate::vm::CompareKind;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::calendar::{
    self, LAST_ORDINAL, Line, WeekFault, from_iso_calendar, from_ordinal, iso_calendar, ordinal_of, weekday,
};
use super::{
    bind, check_date, class_root, comparisons, date_by, date_of, instance_of, int, is_exact, iso, moment_of, new_date,
    new_delta, out_of_range, pickled, span_of, strftime, strptime,
};

const NOT: NativeResult = Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));

/// The date of a method's instance, with its time if it has one.
fn own(cx: &Cx, this: Root) -> Moment {
    date_of(cx, this.get(cx), false).expect("the instance is a date")
}

/// `date(year, month, day)` of small ints; whatever else is left to `__new__`.
pub(super) fn make(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() != 3 {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    let mut numbers = [0i64; 3];
    for (number, root) in numbers.iter_mut().zip(args.roots()) {
        match root.get(cx).as_int() {
            Some(given) if i32::try_from(given).is_ok() => *number = given,
            _ => return Ok(Outcome::Value(Raw::UNBOUND)),
        }
    }
    let [year, month, day] = numbers;
    check_date(cx, year, month, day)?;
    Ok(Outcome::Value(new_date(cx, moment_of(numbers, [0; 5]))))
}

/// A date from what was pickled: its month is sane.
pub(super) fn of_state(state: &[u8]) -> [i64; 3] {
    [i64::from(state[0]) * 256 + i64::from(state[1]), i64::from(state[2] & 127), i64::from(state[3])]
}

/// What is pickled of a date.
pub(super) fn state_of(at: Moment) -> [u8; 4] {
    let [high, low] = at.year.to_be_bytes();
    [high, low, at.month, at.day]
}

fn compare(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    // A date with a time does not compare with one without.
    let (Some(a), Some(b)) = (date_of(cx, this.get(cx), true), date_of(cx, other.get(cx), true)) else { return NOT };
    Ok(kind.holds(a.cmp(&b)).into())
}

comparisons!(COMPARED, compare);

/// A date moved by whole days, by its own class.
fn moved(cx: &mut Cx, this: Root, days: i64) -> NativeResult {
    let ordinal = ordinal_of(own(cx, this)) + days;
    if !(1..=LAST_ORDINAL).contains(&ordinal) {
        return Err(out_of_range(cx));
    }
    let class = class_root(cx, this);
    Ok(date_by(cx, class, from_ordinal(ordinal))?.get(cx).into())
}

/// `a - b`, in this order.
fn difference(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    let Some(left) = date_of(cx, a.get(cx), true) else { return NOT };
    if let Some(span) = span_of(cx, b.get(cx)) {
        return moved(cx, a, -i64::from(span.days));
    }
    let Some(right) = date_of(cx, b.get(cx), true) else { return NOT };
    let days = ordinal_of(left) - ordinal_of(right);
    Ok(Outcome::Value(new_delta(cx, Span { days: days as i32, ..Span::default() })))
}

/// The error of a week date.
fn week_error(cx: &mut Cx, fault: WeekFault, (year, week, day): (i64, i64, i64)) -> Raised {
    cx.value_error(match fault {
        WeekFault::Year => format!("year must be in 1..9999, not {year}"),
        WeekFault::Week => format!("Invalid week: {week}"),
        WeekFault::Day => format!("Invalid weekday: {day} (range is [1, 7])"),
    })
}

/// The text handed to a `fromisoformat`.
pub(super) fn iso_text(cx: &mut Cx, text: Root) -> Result<Vec<u8>, Raised> {
    match cx.as_str(text.get(cx)) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => Err(cx.type_error("fromisoformat: argument must be str".into())),
    }
}

/// The error of a text that is none of the forms.
pub(super) fn invalid_iso(cx: &mut Cx, text: Root) -> Raised {
    match cx.repr_text(text) {
        Ok(shown) => cx.value_error(format!("Invalid isoformat string: {shown}")),
        Err(raised) => raised,
    }
}

/// `time.struct_time` of a moment.
pub(super) fn struct_time(cx: &mut Cx, at: Moment, dst: i64) -> NativeResult {
    let ordinal = ordinal_of(at);
    let of_year = ordinal - calendar::ordinal(at.year.into(), 1, 1) + 1;
    let fields = [
        i64::from(at.year),
        at.month.into(),
        at.day.into(),
        at.hour.into(),
        at.minute.into(),
        at.second.into(),
        weekday(ordinal),
        of_year,
        dst,
    ];
    let fields = cx.tuple(&fields.map(Value::int)).value().raw();
    let fields = cx.push_raw(fields);
    let module = cx.import("_struct_time")?;
    let class = cx.attribute(module, "struct_time")?;
    Ok(cx.call(class, &[fields])?.get(cx).into())
}

/// As C's ctime writes it.
pub(super) fn c_text(at: Moment) -> String {
    let day = strftime::DAYS[weekday(ordinal_of(at)) as usize];
    let month = strftime::MONTHS[usize::from(at.month) - 1];
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {:04}",
        &day[..3],
        &month[..3],
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.year
    )
}

/// `text` where it is given to `__format__`: what `strftime` says, and `str` without.
pub(super) fn formatted(cx: &mut Cx, this: Root, format: Root) -> NativeResult {
    let Some(text) = cx.as_str(format.get(cx)) else {
        let got = cx.argument_name_for_error(format.get(cx));
        return Err(cx.type_error(format!("__format__() argument 1 must be str, not {got}")));
    };
    if text.is_empty() {
        return Ok(cx.str_of(this)?.get(cx).into());
    }
    Ok(cx.call_method(this, "strftime", &[format])?.get(cx).into())
}

/// A field of `replace`: what is given, or what there is.
pub(super) fn given_or(cx: &mut Cx, given: Given<Root>, own: impl Into<i64>) -> Result<i64, Raised> {
    match given.0 {
        Some(root) => int(cx, root),
        None => Ok(own.into()),
    }
}

fn replaced(cx: &mut Cx, this: Root, year: Given<Root>, month: Given<Root>, day: Given<Root>) -> NativeResult {
    let at = own(cx, this);
    let year = given_or(cx, year, at.year)?;
    let month = given_or(cx, month, at.month)?;
    let day = given_or(cx, day, at.day)?;
    let class = class_root(cx, this);
    Ok(date_by(cx, class, (year, month, day))?.get(cx).into())
}

/// Whole seconds of a timestamp, rounded down.
fn whole_seconds(cx: &mut Cx, timestamp: Root) -> Result<i64, Raised> {
    if let Some(float) = cx.payload(timestamp.get(cx)).as_float() {
        if float.is_nan() {
            return Err(cx.value_error("Invalid value NaN (not a number)"));
        }
        if float.abs() >= 9.2e18 {
            return Err(cx.overflow_error("timestamp out of range for platform time_t"));
        }
        return Ok(float.floor() as i64);
    }
    let index = cx.index(timestamp)?;
    match index.get(cx).as_int() {
        Some(seconds) => Ok(seconds),
        None => Err(cx.overflow_error("timestamp out of range for platform time_t")),
    }
}

natives!(
    /// A date: year, month and day.
    pub(super) static DATE: Methods;

    /// Make a date.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::Date)?;
        if args.0.len() == 1
            && let Some(state) = pickled(cx, args.0.root(0), 4)
            && (1..=12).contains(&state[2])
        {
            let made = new_date(cx, moment_of(of_state(&state), [0; 5]));
            return Ok(instance_of(cx, class, made).get(cx).into());
        }
        let bound = bind(cx, "function", ["year", "month", "day"], (3, 3), args.0, kwargs.0)?;
        let mut numbers = [0; 3];
        for (number, root) in numbers.iter_mut().zip(bound.into_iter().flatten()) {
            *number = int(cx, root)?;
        }
        check_date(cx, numbers[0], numbers[1], numbers[2])?;
        let made = new_date(cx, moment_of(numbers, [0; 5]));
        Ok(instance_of(cx, class, made).get(cx).into())
    }

    /// The year.
    #[getter]
    fn year(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).year).into())
    }

    /// The month: 1 to 12.
    #[getter]
    fn month(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).month).into())
    }

    /// The day of the month.
    #[getter]
    fn day(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).day).into())
    }

    /// Return the local date of a POSIX timestamp.
    #[class]
    fn fromtimestamp(cx: &mut Cx, class: Root, timestamp: Root) -> NativeResult {
        let seconds = whole_seconds(cx, timestamp)?;
        let local = crate::native::local_time::zone(cx).local(seconds);
        let date = crate::native::time::Date::from_seconds(local);
        Ok(date_by(cx, class, (date.year, date.month, date.day))?.get(cx).into())
    }

    /// Return the current local date.
    #[class]
    fn today(cx: &mut Cx, class: Root) -> NativeResult {
        let now = cx.host().time();
        if is_exact(cx, class, Kind::Date) {
            let local = crate::native::local_time::zone(cx).local(now.floor() as i64);
            let date = crate::native::time::Date::from_seconds(local);
            return Ok(date_by(cx, class, (date.year, date.month, date.day))?.get(cx).into());
        }
        let now = cx.push_raw(Raw::float(now));
        Ok(cx.call_method(class, "fromtimestamp", &[now])?.get(cx).into())
    }

    /// Return the date with a number: the first of January of the year 1 has 1.
    #[class]
    #[counted]
    fn fromordinal(cx: &mut Cx, class: Root, ordinal: Root) -> NativeResult {
        let ordinal = int(cx, ordinal)?;
        if ordinal < 1 {
            return Err(cx.value_error("ordinal must be >= 1"));
        }
        Ok(date_by(cx, class, from_ordinal(ordinal))?.get(cx).into())
    }

    /// Return the date that a text in ISO 8601 names.
    #[class]
    fn fromisoformat(cx: &mut Cx, class: Root, string: Root) -> NativeResult {
        let text = iso_text(cx, string)?;
        let date = match text.len() {
            7 | 8 | 10 => iso::date(&text, text.len()),
            _ => Err(iso::Invalid),
        };
        match date {
            Ok(date) => Ok(date_by(cx, class, date)?.get(cx).into()),
            Err(iso::Invalid) => Err(invalid_iso(cx, string)),
        }
    }

    /// Return the date with a year, week and weekday of ISO 8601.
    #[class]
    fn fromisocalendar(
        cx: &mut Cx,
        class: Root,
        #[either] year: Root,
        #[either] week: Root,
        #[either] day: Root,
    ) -> NativeResult {
        let mut date = (0, 0, 0);
        for (number, root) in [(&mut date.0, year), (&mut date.1, week), (&mut date.2, day)] {
            let index = cx.index(root)?;
            match index.get(cx).as_int().filter(|number| i32::try_from(*number).is_ok()) {
                Some(given) => *number = given,
                None => return Err(cx.value_error("ISO calendar component out of range")),
            }
        }
        match from_iso_calendar(date.0, date.1, date.2) {
            Ok(ordinal) => Ok(date_by(cx, class, from_ordinal(ordinal))?.get(cx).into()),
            Err(fault) => Err(week_error(cx, fault, date)),
        }
    }

    /// Return the date that a text in a format names.
    #[class]
    #[counted]
    fn strptime(cx: &mut Cx, class: Root, string: Root, format: Root) -> NativeResult {
        let read = strptime::read(cx, string, format)?;
        Ok(date_by(cx, class, (read.year, read.month, read.day))?.get(cx).into())
    }

    /// Return the date as C's ctime writes it.
    fn ctime(cx: &mut Cx, this: Root) -> NativeResult {
        let at = Moment { hour: 0, minute: 0, second: 0, ..own(cx, this) };
        Ok(cx.str(&c_text(at)).into())
    }

    /// Return the date as text in a format.
    fn strftime(cx: &mut Cx, this: Root, #[either] format: Root) -> NativeResult {
        strftime::write(cx, this, format)
    }

    /// Formats self with strftime.
    #[counted]
    fn __format__(cx: &mut Cx, this: Root, format: Root) -> NativeResult {
        formatted(cx, this, format)
    }

    /// Return the date as ISO 8601 writes it.
    fn isoformat(cx: &mut Cx, this: Root) -> NativeResult {
        let mut line = Line::new();
        line.date(own(cx, this));
        Ok(crate::object::Str::ascii(&cx.heap, line.bytes()).into())
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        if this.get(cx).is_subclassed() {
            return Ok(cx.call_method(this, "isoformat", &[])?.get(cx).into());
        }
        let mut line = Line::new();
        line.date(own(cx, this));
        Ok(crate::object::Str::ascii(&cx.heap, line.bytes()).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (name, at) = (cx.type_name_for_error(this.get(cx)), own(cx, this));
        let text = format!("{name}({}, {}, {})", at.year, at.month, at.day);
        Ok(cx.str(&text).into())
    }

    /// Return the date as time.localtime gives it.
    fn timetuple(cx: &mut Cx, this: Root) -> NativeResult {
        let at = own(cx, this);
        struct_time(cx, at, -1)
    }

    /// Return the number of the day: the first of January of the year 1 has 1.
    fn toordinal(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(ordinal_of(own(cx, this)).into())
    }

    /// Return 0 for Monday to 6 for Sunday.
    fn weekday(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(calendar::weekday(ordinal_of(own(cx, this))).into())
    }

    /// Return 1 for Monday to 7 for Sunday.
    fn isoweekday(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((calendar::weekday(ordinal_of(own(cx, this))) + 1).into())
    }

    /// Return year, week and weekday of ISO 8601, as a named tuple.
    fn isocalendar(cx: &mut Cx, this: Root) -> NativeResult {
        let (year, week, day) = iso_calendar(own(cx, this));
        let parts = [year, week, day].map(|number| cx.push_raw(Raw::int(number)));
        Ok(structseq::make(cx, "IsoCalendarDate", &parts)?.get(cx).into())
    }

    /// Return a date with some fields changed.
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
    ) -> NativeResult {
        replaced(cx, this, year, month, day)
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
    ) -> NativeResult {
        replaced(cx, this, year, month, day)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.heap.hash_key().hash_bytes(&state_of(own(cx, this))).into())
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match span_of(cx, value.get(cx)) {
            Some(span) => moved(cx, this, span.days.into()),
            None => NOT,
        }
    }

    /// Return value+self.
    fn __radd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match span_of(cx, value.get(cx)) {
            Some(span) => moved(cx, this, span.days.into()),
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
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let state = Bytes::new(&cx.heap, &state_of(own(cx, this))).value();
        let arguments = cx.tuple(&[state]).value();
        let class = cx.class_of(this.get(cx)).value();
        Ok(cx.tuple(&[class, arguments]).into())
    }
);

natives!(
    /// Year, week and weekday of ISO 8601.
    pub(super) static ISO_DATE: Methods;

    /// Make it of its parts.
    #[fixed]
    #[name("__new__")]
    fn isocalendardate(
        cx: &mut Cx,
        class: Root,
        #[either] year: i64,
        #[either] week: i64,
        #[either] weekday: i64,
    ) -> NativeResult {
        let parts = [year, week, weekday].map(|number| cx.push_raw(Raw::int(number)));
        Ok(structseq::make(cx, "IsoCalendarDate", &parts)?.get(cx).into())
    }

    /// What is pickled: a plain tuple.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let parts = cx.payload(this.get(cx)).raw();
        let arguments = cx.tuple(&[Value::adopt(parts)]).value().raw();
        let class = cx.kind_class(Kind::Tuple).value();
        Ok(cx.tuple(&[class, Value::adopt(arguments)]).into())
    }
);
