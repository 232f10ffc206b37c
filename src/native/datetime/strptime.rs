//! Reading dates and times by a format, for the classes here and for `time.strptime`.

use crate::heap::Raw;
use crate::native::local_time;
use crate::object::Exc;
use crate::vm::native::{Cx, Raised, Root};

use super::calendar::{self, from_iso_calendar, from_ordinal, is_leap, ordinal, weekday};
use super::strftime::{DAYS, MONTHS};
use super::time_format::{Fault, Format, Piece};
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

/// What was found in a text.
#[derive(Debug, Default)]
struct Found {
    /// The numbers by directive, the last of the format first. Names count as numbers.
    numbers: Vec<(char, i64)>,
    offset: Option<(i64, i64)>,
    zone_name: Option<String>,
    end: usize,
}

impl Found {
    fn get(&self, code: char) -> Option<i64> {
        self.last_of(&[code]).map(|(_, number)| number)
    }

    /// Of several directives that say the same, the last one and what it found.
    fn last_of(&self, codes: &[char]) -> Option<(char, i64)> {
        self.numbers.iter().copied().find(|(code, _)| codes.contains(code))
    }
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
        'V' => (2, 0, 53),
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
    format: &'a [Piece],
    /// Names of zones: those of UTC, then the local ones of standard time and of summer.
    zones: &'a [&'a str],
}

impl Matcher<'_> {
    fn digits(&self, at: usize, count: usize) -> Option<i64> {
        let digits = self.text.get(at..at + count)?;
        digits.iter().try_fold(0, |number, c| Some(number * 10 + i64::from(c.to_digit(10)?)))
    }

    /// The number that a directive finds in so many characters.
    fn number(&self, code: char, at: usize, count: usize) -> Option<i64> {
        let (_, low, high) = number_form(code)?;
        // Where any digit may stand, digits of any script may.
        let any_first = matches!(code, 'y' | 'Y' | 'G') || count == 1 && low == 0 && !matches!(code, 'u' | 'w');
        let text = self.text.get(at..at + count)?;
        let mut number = 0;
        for (place, c) in text.iter().enumerate() {
            let is_free = any_first || place > 0 && number > 0 && (number + 1) * 10 <= high;
            let value = c.to_digit(10).or_else(|| crate::text::unicode::decimal(*c as u32).filter(|_| is_free))?;
            number = number * 10 + i64::from(value);
        }
        let fits = (low..=high).contains(&number) && !(code == 'V' && count == 2 && number == 0);
        fits.then_some(number)
    }

    /// Whether a name stands here, in any case.
    fn has_name(&self, at: usize, name: &str) -> bool {
        let mut rest = self.text[at.min(self.text.len())..].iter();
        name.chars().all(|c| rest.next().is_some_and(|t| t.eq_ignore_ascii_case(&c)))
    }

    /// One of several names, the longest first.
    fn names(&self, (at, next): (usize, usize), names: &[&str], key: char, found: &mut Found) -> bool {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|number| std::cmp::Reverse(names[*number].len()));
        for number in order {
            let end = at + names[number].len();
            if !names[number].is_empty() && self.has_name(at, names[number]) && self.run(end, next, found) {
                if key == 'Z' {
                    found.zone_name = Some(self.text[at..end].iter().collect());
                }
                found.numbers.push((key, number as i64));
                return true;
            }
        }
        false
    }

    /// Matches the format from `next` on with the text from `at` on.
    fn run(&self, mut at: usize, mut next: usize, found: &mut Found) -> bool {
        while let Some(piece) = self.format.get(next) {
            let here = self.text.get(at).copied();
            next += 1;
            match *piece {
                Piece::Spaces => {
                    if !here.is_some_and(char::is_whitespace) {
                        return false;
                    }
                    while self.text.get(at).is_some_and(|c| c.is_whitespace()) {
                        at += 1;
                    }
                }
                Piece::Char(c) => {
                    let fits = |t: char| {
                        t == c
                            || t.to_lowercase().eq(c.to_lowercase())
                            || t.to_uppercase().eq(c.to_uppercase())
                            || c == '\'' && t == '\u{2bc}'
                    };
                    if !here.is_some_and(fits) {
                        return false;
                    }
                    at += 1;
                }
                // A directive stands in a format once, so this is no deeper than there are directives.
                Piece::Directive(code) => return self.directive(code, (at, next), found),
            }
        }
        found.end = at;
        true
    }

    fn directive(&self, code: char, place: (usize, usize), found: &mut Found) -> bool {
        let (at, next) = place;
        if let Some((most, _, _)) = number_form(code) {
            if matches!(code, 'd' | 'H' | 'I') && self.text.get(at) == Some(&' ') {
                let Some(number) = self.number(code, at + 1, 1) else { return false };
                let matched = self.run(at + 2, next, found);
                if matched {
                    found.numbers.push((code, number));
                }
                return matched;
            }
            let least = if matches!(code, 'y' | 'Y' | 'G') { most } else { 1 };
            for count in (least..=most).rev() {
                if let Some(number) = self.number(code, at, count)
                    && self.run(at + count, next, found)
                {
                    found.numbers.push((code, number));
                    return true;
                }
            }
            return false;
        }
        match code {
            'f' => {
                let most = (1..=6).take_while(|count| self.digits(at, *count).is_some()).last().unwrap_or(0);
                for count in (1..=most).rev() {
                    if self.run(at + count, next, found) {
                        let fraction = self.digits(at, count).unwrap_or(0);
                        found.numbers.push(('f', fraction * 10i64.pow(6 - count as u32)));
                        return true;
                    }
                }
                false
            }
            'B' => self.names(place, &MONTHS, 'B', found),
            'b' => self.names(place, &MONTHS.map(|name| &name[..3]), 'b', found),
            'A' => self.names(place, &DAYS, 'A', found),
            'a' => self.names(place, &DAYS.map(|name| &name[..3]), 'a', found),
            'p' => self.names(place, &["am", "pm"], 'p', found),
            'Z' => self.names(place, self.zones, 'Z', found),
            _ => self.offset(place, found),
        }
    }

    /// `Z`, or hours and minutes with a sign, seconds and a fraction.
    fn offset(&self, (at, next): (usize, usize), found: &mut Found) -> bool {
        let sign = match self.text.get(at) {
            Some('Z') => {
                let matched = self.run(at + 1, next, found);
                if matched {
                    found.offset = found.offset.or(Some((0, 0)));
                }
                return matched;
            }
            Some('+') => 1,
            Some('-') => -1,
            _ => return false,
        };
        let mut end = at + 1;
        while self.text.get(end).is_some_and(|c| c.is_ascii_digit() || matches!(c, ':' | '.')) {
            end += 1;
        }
        while end > at + 4 {
            if let Some((seconds, micros)) = offset_of(&self.text[at + 1..end])
                && self.run(end, next, found)
            {
                found.offset = found.offset.or(Some((sign * seconds, sign * micros)));
                return true;
            }
            end -= 1;
        }
        false
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
    let read = match Format::read(&format) {
        Ok(read) => read,
        Err(fault) => {
            let whole: String = format.iter().collect();
            return Err(cx.value_error(match fault {
                Fault::Directive(code) => format!("'{code}' is a bad directive in format '{whole}'"),
                Fault::Stray => format!("stray % in format '{whole}'"),
            }));
        }
    };
    if read.is_ambiguous {
        cx.warn(Exc::DeprecationWarning, AMBIGUOUS)?;
    }
    let zoned = read.pieces.iter().any(|piece| matches!(piece, Piece::Directive('Z')));
    let local = zoned.then(|| {
        let now = cx.host().time();
        local_time::zone(cx).shown(now)
    });
    let zones = local.as_ref().map_or(vec![], zone_names);
    if let Some(complaint) = read.repetition(&zones) {
        return Err(crate::native::re::pattern_error(cx, complaint.as_bytes(), None, None));
    }
    let mut found = Found::default();
    let matched = Matcher { text: &text, format: &read.pieces, zones: &zones }.run(0, 0, &mut found);
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

/// The names of zones that `%Z` knows.
fn zone_names(shown: &local_time::Shown) -> Vec<&str> {
    let [standard, summer] = &shown.names;
    let mut names = vec!["utc", "gmt"];
    if !names.iter().any(|name| name.eq_ignore_ascii_case(standard)) {
        names.push(standard);
    }
    if shown.daylight {
        names.push(summer);
    }
    names
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
    let mut year = found.last_of(&['Y', 'y']).map(|(code, year)| match code {
        'Y' => year,
        _ => year + if year <= 68 { 2000 } else { 1900 },
    });
    let mut month = found.last_of(&['m', 'B', 'b']).map_or(1, |(code, number)| number + i64::from(code != 'm'));
    let mut day = get('d').unwrap_or(1);
    let hour = match found.last_of(&['H', 'I']) {
        Some(('H', hour)) => hour,
        Some((_, of_half)) => of_half % 12 + if get('p') == Some(1) { 12 } else { 0 },
        None => 0,
    };
    let weekday_found = found.last_of(&['u', 'w', 'A', 'a']).map(|(code, day)| match code {
        'u' => day - 1,
        'w' => (day + 6) % 7,
        _ => day,
    });
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
        if let Some((code, week)) = found.last_of(&['U', 'W']) {
            let (mut first, mut of_week) = (weekday(ordinal(year, 1, 1)), weekday_found);
            if code == 'U' {
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
