//! Reading dates and times by a format, for the classes here and for `time.strptime`.

use crate::heap::Raw;
use crate::native::local_time;
use crate::object::Exc;
use crate::vm::native::{Cx, Raised, Root};

use super::calendar::{self, from_iso_calendar, from_ordinal, is_leap, ordinal, weekday};
use super::strftime::{DAYS, MONTHS};
use super::zone;

/// What a text said.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names are the units")]
pub(crate) struct Read {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) micros: i64,
    /// 0 for Monday.
    pub(crate) weekday: i64,
    pub(crate) year_day: i64,
    /// Seconds and microseconds ahead of UTC.
    pub(crate) offset: Option<(i64, i64)>,
    /// The zone as it stood in the text.
    pub(crate) zone_name: Option<String>,
    /// Whether that is the name of summer time: 1, 0, or -1 where nothing is known.
    pub(crate) daylight: i64,
}

impl Read {
    /// The zone of what was read, or None.
    pub(super) fn zone(&self, cx: &mut Cx) -> Result<Raw, Raised> {
        let Some(offset) = self.offset else { return Ok(Raw::NONE) };
        let name = self.zone_name.as_ref().map(|name| cx.str(name).value().raw());
        let name = name.map(|raw| cx.push_raw(raw));
        zone::of_seconds(cx, offset, name)
    }
}

/// The numbers that were found, by directive; names as numbers under `B` and `A`.
#[derive(Debug)]
struct Found {
    numbers: [Option<i64>; 128],
    offset: Option<(i64, i64)>,
    zone_name: Option<String>,
    end: usize,
}

impl Found {
    fn new() -> Found {
        Found { numbers: [None; 128], offset: None, zone_name: None, end: 0 }
    }

    fn get(&self, code: char) -> Option<i64> {
        self.numbers[code as usize & 127]
    }

    fn set(&mut self, code: char, number: i64) {
        let place = &mut self.numbers[code as usize & 127];
        *place = place.or(Some(number));
    }
}

/// Why a format or text is refused.
enum Fault {
    Directive(char),
    Stray,
    Deep,
}

/// A directive that stands for several.
fn expansion(code: char) -> Option<&'static str> {
    Some(match code {
        'D' | 'x' => "%m/%d/%y",
        'T' | 'X' => "%H:%M:%S",
        'R' => "%H:%M",
        'F' => "%Y-%m-%d",
        'c' => "%a %b %d %H:%M:%S %Y",
        'r' => "%I:%M:%S %p",
        _ => return None,
    })
}

/// Of a directive that is a number: the most digits, and its bounds.
fn number_form(code: char) -> Option<(usize, i64, i64)> {
    Some(match code {
        'd' => (2, 1, 31),
        'H' => (2, 0, 23),
        'I' | 'm' => (2, 1, 12),
        'j' => (3, 1, 366),
        'M' => (2, 0, 59),
        'S' => (2, 0, 61),
        'U' | 'W' => (2, 0, 53),
        'V' => (2, 1, 53),
        'u' => (1, 1, 7),
        'w' => (1, 0, 6),
        'y' => (2, 0, 99),
        'Y' | 'G' => (4, 0, 9999),
        _ => return None,
    })
}

/// A text and a format side by side.
struct Matcher<'a> {
    text: &'a [char],
    format: &'a [char],
    /// Names of zones: those of UTC, then the local ones of standard time and of summer.
    zones: [&'a str; 4],
}

/// As many directives follow each other, each of which stands in a format once.
const DEEPEST: usize = 100;

impl Matcher<'_> {
    fn digits(&self, at: usize, count: usize) -> Option<i64> {
        let digits = self.text.get(at..at + count)?;
        digits.iter().try_fold(0, |number, c| Some(number * 10 + i64::from(c.to_digit(10)?)))
    }

    /// Whether a name stands here, in any case.
    fn has_name(&self, at: usize, name: &str) -> bool {
        let mut rest = self.text[at.min(self.text.len())..].iter();
        name.chars().all(|c| rest.next().is_some_and(|t| t.eq_ignore_ascii_case(&c)))
    }

    /// One of several names, the longest first.
    fn names(
        &self,
        (at, next, depth): (usize, usize, usize),
        names: &[&str],
        key: char,
        found: &mut Found,
    ) -> Result<bool, Fault> {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|number| std::cmp::Reverse(names[*number].len()));
        for number in order {
            if !names[number].is_empty()
                && self.has_name(at, names[number])
                && self.run(at + names[number].len(), next, depth, found)?
            {
                if key == 'Z' {
                    let name = self.text[at..at + names[number].len()].iter().collect();
                    found.zone_name = found.zone_name.take().or(Some(name));
                }
                found.set(key, number as i64);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Matches the format from `next` on with the text from `at` on.
    fn run(&self, mut at: usize, mut next: usize, depth: usize, found: &mut Found) -> Result<bool, Fault> {
        if depth > DEEPEST {
            return Err(Fault::Deep);
        }
        while let Some(&c) = self.format.get(next) {
            let here = self.text.get(at).copied();
            if c.is_whitespace() {
                while self.format.get(next).is_some_and(|c| c.is_whitespace()) {
                    next += 1;
                }
                if !here.is_some_and(char::is_whitespace) {
                    return Ok(false);
                }
                while self.text.get(at).is_some_and(|c| c.is_whitespace()) {
                    at += 1;
                }
                continue;
            }
            if c != '%' {
                if !here.is_some_and(|t| t == c || t.to_lowercase().eq(c.to_lowercase())) {
                    return Ok(false);
                }
                (at, next) = (at + 1, next + 1);
                continue;
            }
            let Some(&code) = self.format.get(next + 1) else { return Err(Fault::Stray) };
            next += 2;
            if code == '%' {
                if here != Some('%') {
                    return Ok(false);
                }
                at += 1;
                continue;
            }
            return self.directive(code, (at, next, depth + 1), found);
        }
        found.end = at;
        Ok(true)
    }

    fn directive(&self, code: char, place: (usize, usize, usize), found: &mut Found) -> Result<bool, Fault> {
        let (at, next, depth) = place;
        if let Some((most, low, high)) = number_form(code) {
            if code == 'd' && self.text.get(at) == Some(&' ') {
                let day = self.digits(at + 1, 1).filter(|day| *day != 0);
                let Some(day) = day else { return Ok(false) };
                let matched = self.run(at + 2, next, depth, found)?;
                if matched {
                    found.set('d', day);
                }
                return Ok(matched);
            }
            let least = if matches!(code, 'y' | 'Y' | 'G') { most } else { 1 };
            for count in (least..=most).rev() {
                if let Some(number) = self.digits(at, count).filter(|n| (low..=high).contains(n))
                    && self.run(at + count, next, depth, found)?
                {
                    found.set(code, number);
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        match code {
            'f' => {
                let most = (1..=6).take_while(|count| self.digits(at, *count).is_some()).last().unwrap_or(0);
                for count in (1..=most).rev() {
                    if self.run(at + count, next, depth, found)? {
                        let fraction = self.digits(at, count).unwrap_or(0);
                        found.set('f', fraction * 10i64.pow(6 - count as u32));
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            'B' => self.names(place, &MONTHS, 'B', found),
            'b' | 'h' => self.names(place, &MONTHS.map(|name| &name[..3]), 'B', found),
            'A' => self.names(place, &DAYS, 'A', found),
            'a' => self.names(place, &DAYS.map(|name| &name[..3]), 'A', found),
            'p' => self.names(place, &["am", "pm"], 'p', found),
            'Z' => self.names(place, &self.zones, 'Z', found),
            'z' => self.offset(place, found),
            code => Err(Fault::Directive(code)),
        }
    }

    /// `Z`, or hours and minutes with a sign, seconds and a fraction.
    fn offset(&self, (at, next, depth): (usize, usize, usize), found: &mut Found) -> Result<bool, Fault> {
        let sign = match self.text.get(at) {
            Some('Z') => {
                let matched = self.run(at + 1, next, depth, found)?;
                if matched {
                    found.offset = found.offset.or(Some((0, 0)));
                }
                return Ok(matched);
            }
            Some('+') => 1,
            Some('-') => -1,
            _ => return Ok(false),
        };
        let mut end = at + 1;
        while self.text.get(end).is_some_and(|c| c.is_ascii_digit() || matches!(c, ':' | '.')) {
            end += 1;
        }
        while end > at + 4 {
            if let Some((seconds, micros)) = offset_of(&self.text[at + 1..end])
                && self.run(end, next, depth, found)?
            {
                found.offset = found.offset.or(Some((sign * seconds, sign * micros)));
                return Ok(true);
            }
            end -= 1;
        }
        Ok(false)
    }
}

/// `hhmm`, `hh:mm`, with seconds and a fraction of them.
fn offset_of(text: &[char]) -> Option<(i64, i64)> {
    let two = |at: usize| -> Option<i64> {
        let digits = text.get(at..at + 2)?;
        Some(i64::from(digits[0].to_digit(10)? * 10 + digits[1].to_digit(10)?))
    };
    let colon = usize::from(text.get(2) == Some(&':'));
    let (hours, minutes) = (two(0)?, two(2 + colon).filter(|minutes| *minutes < 60)?);
    let mut at = 4 + colon;
    let mut seconds = hours * 3600 + minutes * 60;
    if at == text.len() {
        return Some((seconds, 0));
    }
    if colon == 1 {
        if text[at] != ':' {
            return None;
        }
        at += 1;
    }
    seconds += two(at).filter(|seconds| *seconds < 60)?;
    at += 2;
    if at == text.len() {
        return Some((seconds, 0));
    }
    let digits = &text[at + 1..];
    if text[at] != '.' || digits.is_empty() || digits.len() > 6 {
        return None;
    }
    let fraction = digits.iter().try_fold(0, |number, c| Some(number * 10 + i64::from(c.to_digit(10)?)))?;
    Some((seconds, fraction * 10i64.pow(6 - digits.len() as u32)))
}

/// The codes in a format.
fn codes(format: &[char]) -> Vec<char> {
    let mut found = vec![];
    let mut at = 0;
    while at + 1 < format.len() {
        if format[at] == '%' {
            found.push(format[at + 1]);
            at += 1;
        }
        at += 1;
    }
    found
}

fn text_of(cx: &mut Cx, root: Root, number: usize) -> Result<Vec<char>, Raised> {
    if let Some(text) = cx.as_str(root.get(cx)) {
        return Ok(text.to_str_lossy().chars().collect());
    }
    let got = cx.argument_name_for_error(root.get(cx));
    Err(cx.type_error(format!("strptime() argument {number} must be str, not {got}")))
}

/// Whether a zone's name is that of summer time: 1, 0, or -1 where names don't say.
fn daylight(name: &str, shown: &local_time::Shown) -> i64 {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("utc") || is("gmt") {
        return 0;
    }
    let [standard, summer] = &shown.names;
    if standard == summer && shown.daylight {
        return -1;
    }
    i64::from(!is(standard) && is(summer) && shown.daylight)
}

/// Reads a text by a format.
pub(crate) fn read(cx: &mut Cx, string: Root, format_: Root) -> Result<Read, Raised> {
    let text = text_of(cx, string, 1)?;
    let format = text_of(cx, format_, 2)?;
    let whole: String = format.iter().collect();
    let mut expanded = Vec::with_capacity(format.len());
    let mut at = 0;
    while at < format.len() {
        let code = format.get(at + 1).filter(|_| format[at] == '%').copied();
        match code.and_then(expansion) {
            Some(more) => expanded.extend(more.chars()),
            None => expanded.extend(&format[at..(at + 1 + usize::from(code.is_some())).min(format.len())]),
        }
        at += 1 + usize::from(code.is_some());
    }
    // What is wrong with the format is said whatever the text is.
    let mut place = 0;
    while place < expanded.len() {
        if expanded[place] == '%' {
            match expanded.get(place + 1) {
                None => return Err(cx.value_error(format!("stray % in format '{whole}'"))),
                Some(code) if "fBbhAapZz%".contains(*code) || number_form(*code).is_some() => {}
                Some(code) => return Err(bad_directive(cx, *code, &whole)),
            }
            place += 1;
        }
        place += 1;
    }
    let mut found = Found::new();
    let zoned = expanded.contains(&'Z');
    let local = zoned.then(|| {
        let now = cx.host().time();
        local_time::zone(cx).shown(now)
    });
    let [standard, summer] = local.as_ref().map_or(["", ""], |shown| [shown.names[0].as_str(), &shown.names[1]]);
    let matcher = Matcher { text: &text, format: &expanded, zones: ["utc", "gmt", standard, summer] };
    let matched = match matcher.run(0, 0, 0, &mut found) {
        Ok(matched) => matched,
        Err(Fault::Directive(code)) => return Err(bad_directive(cx, code, &whole)),
        Err(Fault::Stray) => return Err(cx.value_error(format!("stray % in format '{whole}'"))),
        Err(Fault::Deep) => return Err(cx.recursion_error()),
    };
    let codes = codes(&format);
    let has_year = ['Y', 'y', 'G', 'c', 'x', 'D', 'F'].iter().any(|code| codes.contains(code));
    if codes.contains(&'d') && !has_year {
        cx.warn(Exc::DeprecationWarning, AMBIGUOUS)?;
    }
    if !matched {
        let (text, format) = (cx.repr_text(string)?, cx.repr_text(format_)?);
        return Err(cx.value_error(format!("time data {text} does not match format {format}")));
    }
    if found.end != text.len() {
        let rest: String = text[found.end..].iter().collect();
        return Err(cx.value_error(format!("unconverted data remains: {rest}")));
    }
    let mut read = combine(cx, found)?;
    if let (Some(name), Some(shown)) = (&read.zone_name, &local) {
        read.daylight = daylight(name, shown);
    }
    Ok(read)
}

fn bad_directive(cx: &mut Cx, code: char, format: &str) -> Raised {
    let code = if code == '\\' { "\\\\".to_owned() } else { code.to_string() };
    cx.value_error(format!("'{code}' is a bad directive in format '{format}'"))
}

const AMBIGUOUS: &str = "\
Parsing dates involving a day of month without a year specified is ambiguous
and fails to parse leap day. The default behavior will change in Python 3.15
to either always raise an exception or to use a different default year (TBD).
To avoid trouble, add a specific year to the input & format.
See https://github.com/python/cpython/issues/70647.";

/// The date and time that the parts found say together.
fn combine(cx: &mut Cx, found: Found) -> Result<Read, Raised> {
    let get = |code: char| found.get(code);
    let mut year = get('Y').or_else(|| get('y').map(|y| y + if y <= 68 { 2000 } else { 1900 }));
    let mut month = get('m').or_else(|| get('B').map(|number| number + 1)).unwrap_or(1);
    let mut day = get('d').unwrap_or(1);
    let mut hour = get('H').unwrap_or(0);
    if let Some(of_half) = get('I') {
        hour = match get('p') {
            Some(1) => of_half % 12 + 12,
            Some(_) => of_half % 12,
            None => of_half,
        };
    }
    let weekday_found = match (get('u'), get('w')) {
        (Some(day), _) => Some(day - 1),
        (None, Some(day)) => Some((day + 6) % 7),
        (None, None) => get('A'),
    };
    let mut julian = get('j');
    let iso_year = get('G');
    const NAMES: &str = "and a weekday directive ('%A', '%a', '%w', or '%u').";
    if iso_year.is_some() {
        if julian.is_some() {
            let text =
                "Day of the year directive '%j' is not compatible with ISO year directive '%G'. Use '%Y' instead.";
            return Err(cx.value_error(text));
        }
        if get('V').is_none() || weekday_found.is_none() {
            let text = format!("ISO year directive '%G' must be used with the ISO week directive '%V' {NAMES}");
            return Err(cx.value_error(text));
        }
    } else if get('V').is_some() {
        return Err(cx.value_error(if year.is_none() || weekday_found.is_none() {
            format!("ISO week directive '%V' must be used with the ISO year directive '%G' {NAMES}")
        } else {
            "ISO week directive '%V' is incompatible with the year directive '%Y'. Use the ISO year '%G' instead."
                .into()
        }));
    }
    // The 29th of February without a year is one of a leap year until the end.
    let leap_day = year.is_none() && month == 2 && day == 29;
    let of_year = *year.get_or_insert(if leap_day { 1904 } else { 1900 });
    let mut year = of_year;
    if let (None, Some(weekday_found)) = (julian, weekday_found) {
        if let Some(week) = get('U').or_else(|| get('W')) {
            let (mut first, mut of_week) = (weekday(ordinal(year, 1, 1)), weekday_found);
            if get('U').is_some() {
                (first, of_week) = ((first + 1) % 7, (of_week + 1) % 7);
            }
            let mut counted =
                if week == 0 { 1 + of_week - first } else { 1 + (7 - first) % 7 + 7 * (week - 1) + of_week };
            if counted <= 0 {
                year -= 1;
                counted += if is_leap(year) { 366 } else { 365 };
            }
            julian = Some(counted);
        } else if let (Some(iso_year), Some(week)) = (iso_year, get('V')) {
            match from_iso_calendar(iso_year, week, weekday_found + 1) {
                Ok(number) => (year, month, day) = from_ordinal(number),
                Err(fault) => {
                    let text = match fault {
                        calendar::WeekFault::Year => format!("year must be in 1..9999, not {iso_year}"),
                        calendar::WeekFault::Week => format!("Invalid week: {week}"),
                        calendar::WeekFault::Day => format!("Invalid weekday: {} (range is [1, 7])", weekday_found + 1),
                    };
                    return Err(cx.value_error(text));
                }
            }
        }
    }
    if let Some(julian) = julian {
        (year, month, day) = from_ordinal(julian - 1 + ordinal(year, 1, 1));
    }
    super::check_date(cx, year, month, day)?;
    let number = ordinal(year, month, day);
    let year_day = julian.unwrap_or(number - ordinal(year, 1, 1) + 1);
    if leap_day {
        year = 1900;
    }
    Ok(Read {
        year,
        month,
        day,
        hour,
        minute: get('M').unwrap_or(0),
        second: get('S').unwrap_or(0),
        micros: get('f').unwrap_or(0),
        weekday: weekday_found.unwrap_or(weekday(number)),
        year_day,
        offset: found.offset,
        daylight: -1,
        zone_name: found.zone_name,
    })
}
