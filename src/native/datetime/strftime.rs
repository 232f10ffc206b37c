//! `strftime` of dates and times: what C's has, with microseconds and zones besides.

use crate::heap::Raw;
use crate::native::time::{Date, Zoned, format_date};
use crate::object::{Moment, Str};
use crate::vm::native::{Cx, NativeResult, Raised, Root};

use super::calendar::{self, Line, ordinal_of, weekday};
use super::{date_of, datetime_of, time_of, zone};

pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const MONTHS: [&str; 12] = [
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

/// `value.strftime(format)` of a date, a time or both.
pub(super) fn write(cx: &mut Cx, value: Root, format: Root) -> NativeResult {
    let Some(text) = cx.as_str(format.get(cx)) else {
        let got = cx.argument_name_for_error(format.get(cx));
        return Err(cx.type_error(format!("strftime() argument 1 must be str, not {got}")));
    };
    let format = text.to_str_lossy().into_owned();
    if !format.contains('%') {
        return Ok(Str::new(&cx.heap, &format).into());
    }
    let moment = datetime_of(cx, value.get(cx));
    let time = time_of(cx, value.get(cx));
    let at = match (moment, time) {
        (Some(moment), _) => moment.get().at.get(),
        (_, Some(time)) => Moment { year: 1900, month: 1, day: 1, ..time.get().at.get() },
        _ => date_of(cx, value.get(cx), true).unwrap_or(Moment::EARLY),
    };
    let ordinal = ordinal_of(at);
    let date = Date {
        year: at.year.into(),
        month: at.month.into(),
        day: at.day.into(),
        hour: at.hour.into(),
        minute: at.minute.into(),
        second: at.second.into(),
        weekday: weekday(ordinal),
        year_day: ordinal - calendar::ordinal(at.year.into(), 1, 1) + 1,
    };
    let zoned = if format.contains('s') { Zoned::local(cx, &date) } else { Zoned::default() };
    let mut out = String::with_capacity(format.len() * 2);
    let mut rest = format.as_str();
    while let Some(found) = rest.find('%') {
        out.push_str(&rest[..found]);
        rest = &rest[found + 1..];
        let Some(code) = rest.chars().next() else {
            out.push('%');
            break;
        };
        let after = &rest[code.len_utf8()..];
        let mut pad = |number: u32, width: usize| {
            let mut line = Line::new();
            line.digits(number, width);
            out.push_str(line.text());
        };
        rest = after;
        match code {
            'Y' => pad(at.year.into(), 4),
            'm' => pad(at.month.into(), 2),
            'd' => pad(at.day.into(), 2),
            'H' => pad(at.hour.into(), 2),
            'M' => pad(at.minute.into(), 2),
            'S' => pad(at.second.into(), 2),
            'f' => pad(at.micros, 6),
            'G' => pad(calendar::iso_calendar(at).0 as u32, 4),
            'C' => pad(u32::from(at.year) / 100, 2),
            'F' => {
                let mut line = Line::new();
                line.date(at);
                out.push_str(line.text());
            }
            'z' => out.push_str(&offset(cx, value, "")?),
            ':' if after.starts_with('z') => {
                rest = &after[1..];
                out.push_str(&offset(cx, value, ":")?);
            }
            'Z' => out.push_str(&name(cx, value)?),
            's' if moment.is_some() => {
                let stamp = cx.call_method(value, "timestamp", &[])?;
                let seconds = cx.to_float(stamp)?.floor() as i64;
                out.push_str(&seconds.to_string());
            }
            // A flag stands before the code.
            '-' if !after.is_empty() => {
                let code = after.chars().next().expect("not empty");
                rest = &after[code.len_utf8()..];
                out.push_str(&format_date(&format!("%-{code}"), &date, &zoned));
            }
            code => out.push_str(&format_date(&format!("%{code}"), &date, &zoned)),
        }
    }
    out.push_str(rest);
    Ok(Str::new(&cx.heap, &out).into())
}

/// The zone of a value and what its methods are handed.
fn zone_of(cx: &mut Cx, value: Root) -> (Root, Root) {
    let moment = datetime_of(cx, value.get(cx)).map(|moment| moment.get().zone.get().raw());
    let time = time_of(cx, value.get(cx)).map(|time| time.get().zone.get().raw());
    let zone = cx.push_raw(moment.or(time).unwrap_or(Raw::NONE));
    let of = if moment.is_some() { value } else { cx.push_raw(Raw::NONE) };
    (zone, of)
}

fn offset(cx: &mut Cx, value: Root, between: &str) -> Result<String, Raised> {
    let (zone, of) = zone_of(cx, value);
    let mut line = Line::new();
    if let Some(span) = zone::offset(cx, zone, of)? {
        line.offset(span, between);
    }
    Ok(line.text().to_owned())
}

fn name(cx: &mut Cx, value: Root) -> Result<String, Raised> {
    let (zone, of) = zone_of(cx, value);
    let name = zone::name(cx, zone, of)?;
    Ok(cx.as_str(name.get(cx)).map_or(String::new(), |text| text.to_str_lossy().into_owned()))
}
