//! Local time: the zone that the variable TZ or the system names, as the C library reads it. A zone is a list of moments at which its offset
//! changes (a TZif file, RFC 8536), and a rule for the time after the last of them (a POSIX TZ text).

use std::rc::Rc;

use crate::heap::Tracer;
use crate::vm::native::Cx;
use crate::vm::{Extension, ExtensionSlot};

use super::time::{Date, days_from_civil, is_leap};

const DAY: i64 = 86_400;
/// Where the system's own zone and those with names are.
const SYSTEM: &str = "/etc/localtime";
const FOLDER: &str = "/usr/share/zoneinfo";

/// One kind of time of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeKind {
    /// Seconds ahead of UTC.
    pub offset: i64,
    /// Whether it is summer time.
    pub daylight: bool,
    /// Its abbreviation.
    pub name: String,
}

/// On which day of each year a kind of time begins, and at which local second of it.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// The n-th such day of a month, the last for 5; Sunday is 0.
    WeekDay { month: i64, week: i64, weekday: i64, second: i64 },
    /// The n-th day, where no 29th of February counts.
    Julian { day: i64, second: i64 },
    /// The n-th day from 0.
    Ordinal { day: i64, second: i64 },
}

impl Begin {
    /// Seconds since the epoch, in the time that ends then.
    fn seconds(self, year: i64) -> i64 {
        let (days, second) = match self {
            Begin::WeekDay { month, week, weekday, second } => {
                let first = days_from_civil(year, month, 1);
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let end = days_from_civil(next_year, next_month, 1);
                // The epoch was a Thursday.
                let from_sunday = (first + 4).rem_euclid(7);
                let mut day = first + (weekday - from_sunday).rem_euclid(7) + (week - 1) * 7;
                while day >= end {
                    day -= 7;
                }
                (day, second)
            }
            Begin::Julian { day, second } => {
                let leap = i64::from(is_leap(year) && day >= 60);
                (days_from_civil(year, 1, 1) + day - 1 + leap, second)
            }
            Begin::Ordinal { day, second } => (days_from_civil(year, 1, 1) + day, second),
        };
        days * DAY + second
    }
}

/// What holds after the last change that a file lists.
#[derive(Clone, Debug)]
enum Rule {
    Always(TimeKind),
    Yearly { standard: TimeKind, summer: TimeKind, begin: Begin, end: Begin },
}

impl Rule {
    fn at(&self, seconds: i64) -> &TimeKind {
        match self {
            Rule::Always(kind) => kind,
            Rule::Yearly { standard, summer, begin, end } => {
                // The C library has no rules for the time before the epoch but those of its year.
                let year = Date::from_seconds(seconds).year.max(1970);
                let (begin, end) = (begin.seconds(year) - standard.offset, end.seconds(year) - summer.offset);
                let holds = match begin < end {
                    true => (begin..end).contains(&seconds),
                    false => !(end..begin).contains(&seconds),
                };
                if holds { summer } else { standard }
            }
        }
    }
}

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone {
    moments: Vec<i64>,
    indices: Vec<u8>,
    kinds: Vec<TimeKind>,
    rule: Option<Rule>,
}

impl Zone {
    fn fixed(offset: i64, name: &str) -> Zone {
        let kind = TimeKind { offset, daylight: false, name: name.to_owned() };
        Zone { moments: vec![], indices: vec![], kinds: vec![], rule: Some(Rule::Always(kind)) }
    }

    /// The zone that a value of TZ names; None is the system's. What cannot be read is UTC.
    fn read(cx: &Cx, variable: Option<&str>) -> Zone {
        let file = |path: &str| cx.host().read_file(path).ok().and_then(|bytes| Zone::of_file(&bytes));
        let Some(variable) = variable else {
            return file(SYSTEM).unwrap_or_else(|| Zone::fixed(0, "UTC"));
        };
        let name = variable.strip_prefix(':').unwrap_or(variable);
        if name.is_empty() {
            return Zone::fixed(0, "UTC");
        }
        let path = if name.starts_with('/') { name.to_owned() } else { format!("{FOLDER}/{name}") };
        file(&path).unwrap_or_else(|| Zone::of_text(name))
    }

    /// A TZif file's zone.
    fn of_file(bytes: &[u8]) -> Option<Zone> {
        let mut input = Input { bytes, at: 0 };
        let (version, mut counts) = input.header()?;
        let mut wide = false;
        if version >= b'2' {
            // The first block is for old readers.
            let [utc, standard, leaps, times, kinds, letters] = counts;
            input.take(times * 5 + kinds * 6 + letters + leaps * 8 + standard + utc)?;
            counts = input.header()?.1;
            wide = true;
        }
        let [utc, standard, leaps, times, kinds, letters] = counts;
        let width = if wide { 8 } else { 4 };
        let moments = input.take(times * width)?.chunks(width).map(number).collect();
        let indices = input.take(times)?.to_vec();
        let described = input.take(kinds * 6)?;
        let names = input.take(letters)?;
        let kind = |six: &[u8]| {
            let name = names.get(usize::from(six[5])..)?.split(|b| *b == 0).next()?;
            let name = String::from_utf8_lossy(name).into_owned();
            Some(TimeKind { offset: number(&six[..4]), daylight: six[4] != 0, name })
        };
        let kinds: Vec<TimeKind> = described.chunks(6).map(kind).collect::<Option<_>>()?;
        if kinds.is_empty() || indices.iter().any(|index| usize::from(*index) >= kinds.len()) {
            return None;
        }
        input.take(leaps * (width + 4) + standard + utc)?;
        let text = bytes.get(input.at + 1..).unwrap_or(&[]).split(|b| *b == b'\n').next().unwrap_or(&[]);
        let rule = if wide { std::str::from_utf8(text).ok().and_then(rule_of) } else { None };
        Some(Zone { moments, indices, kinds, rule })
    }

    /// The zone of a POSIX text; for what is none UTC under the name it begins with.
    fn of_text(text: &str) -> Zone {
        match rule_of(text) {
            Some(rule) => Zone { moments: vec![], indices: vec![], kinds: vec![], rule: Some(rule) },
            None => Zone::fixed(0, Text(text).name().unwrap_or_default()),
        }
    }

    /// The kind of time that holds at a moment, in seconds since the epoch.
    pub fn at(&self, seconds: i64) -> &TimeKind {
        let after = self.moments.partition_point(|moment| *moment <= seconds);
        match (&self.rule, after) {
            (Some(rule), after) if after == self.moments.len() => rule.at(seconds),
            (_, 0) => self.kinds.iter().find(|kind| !kind.daylight).unwrap_or(&self.kinds[0]),
            (_, after) => &self.kinds[usize::from(self.indices[after - 1])],
        }
    }

    /// The local time of a moment, as seconds since the epoch would count it in UTC.
    pub fn local(&self, seconds: i64) -> i64 {
        seconds.saturating_add(self.at(seconds).offset)
    }

    /// The moment of a local time: of two the first one, or with `fold` the second; of none, as if the clock had not been moved, or with `fold`
    /// as if it had been already.
    pub fn moment(&self, local: i64, fold: bool) -> i64 {
        let before = self.at(local.saturating_sub(DAY)).offset;
        let after = self.at(local.saturating_add(DAY)).offset;
        let (first, second) = (local - before, local - after);
        let (fits, also) = (self.local(first) == local, self.local(second) == local);
        match (fits, also, fold) {
            (true, false, _) => first,
            (false, true, _) => second,
            (true, true, false) => first.min(second),
            (true, true, true) => first.max(second),
            (false, false, false) => first,
            (false, false, true) => second,
        }
    }

    /// As C's `mktime`: with `daylight` the local time is taken as that of such a kind of time, of the one nearest.
    pub fn moment_as(&self, local: i64, daylight: Option<bool>) -> i64 {
        let found = self.moment(local, false);
        let Some(wanted) = daylight else { return found };
        let other = self.moment(local, true);
        for moment in [found, other] {
            if self.local(moment) == local && self.at(moment).daylight == wanted {
                return moment;
            }
        }
        match self.nearest(found, wanted) {
            Some(kind) => local - kind.offset,
            // A zone that has none of that kind: an hour stands for it.
            None if wanted => found - 3600,
            None => found + 3600,
        }
    }

    /// The kind of time, summer time or not, that holds nearest to a moment, if there is one for years.
    pub fn nearest(&self, moment: i64, daylight: bool) -> Option<&TimeKind> {
        // A week or so is shorter than any such time lasts; what ended 17 years ago is over.
        const STEP: usize = 601_200;
        const FARTHEST: i64 = 536_454_000;
        let near = |distance: i64| [moment - distance, moment + distance].map(|moment| self.at(moment));
        (0..FARTHEST).step_by(STEP).flat_map(near).find(|kind| kind.daylight == daylight)
    }
}

/// What the module `time` shows of a zone.
#[derive(Debug)]
pub struct Shown {
    /// Seconds behind UTC in standard time and in summer.
    pub behind: [i64; 2],
    /// Whether they differ.
    pub daylight: bool,
    /// Their names.
    pub names: [String; 2],
}

impl Zone {
    /// As CPython finds it: by the offsets half a year apart.
    pub fn shown(&self, now: f64) -> Shown {
        const YEAR: i64 = (365 * 24 + 6) * 3600;
        let begin = (now as i64).div_euclid(YEAR) * YEAR;
        let (winter, summer) = (self.at(begin), self.at(begin + YEAR / 2));
        // South of the equator it is the other way round.
        let kinds = if winter.offset > summer.offset { [summer, winter] } else { [winter, summer] };
        Shown {
            behind: kinds.map(|kind| -kind.offset),
            daylight: winter.offset != summer.offset,
            names: kinds.map(|kind| kind.name.chars().take(9).collect()),
        }
    }
}

/// A number of four or eight bytes.
fn number(bytes: &[u8]) -> i64 {
    let first = if bytes.first().is_some_and(|b| *b >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(first, |number, byte| number << 8 | i64::from(*byte))
}

/// A file being read.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// The version, and six counts.
    fn header(&mut self) -> Option<(u8, [usize; 6])> {
        let head = self.take(44)?;
        if !head.starts_with(b"TZif") {
            return None;
        }
        let mut counts = [0; 6];
        for (count, four) in counts.iter_mut().zip(head[20..].chunks(4)) {
            *count = usize::try_from(number(four)).ok()?;
        }
        Some((head[4], counts))
    }
}

// ---- POSIX texts, such as CET-1CEST,M3.5.0,M10.5.0/3 ----

/// A text being read.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn skip(&mut self, prefix: char) -> bool {
        match self.0.strip_prefix(prefix) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Three letters or more, or anything of letters, digits and signs in angle brackets.
    fn name(&mut self) -> Option<&'a str> {
        let quoted = self.0.strip_prefix('<');
        let text = quoted.unwrap_or(self.0);
        let belongs = |c: char| c.is_ascii_alphabetic() || quoted.is_some() && (c.is_ascii_digit() || "+-".contains(c));
        let len = text.find(|c| !belongs(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(len);
        if len < 3 {
            return None;
        }
        self.0 = if quoted.is_some() { rest.strip_prefix('>')? } else { rest };
        Some(name)
    }

    fn number(&mut self) -> Option<i64> {
        let len = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(len);
        self.0 = rest;
        digits.parse().ok()
    }

    /// Hours, minutes and seconds with a sign.
    fn clock(&mut self, most: i64) -> Option<i64> {
        let sign = if self.skip('-') {
            -1
        } else {
            self.skip('+');
            1
        };
        let hours = self.number()?.min(most);
        let (mut minutes, mut seconds) = (0, 0);
        if self.skip(':') {
            minutes = self.number()?.min(59);
            if self.skip(':') {
                seconds = self.number()?.min(59);
            }
        }
        Some(sign * (hours * 3600 + minutes * 60 + seconds))
    }

    fn begin(&mut self) -> Option<Begin> {
        if self.skip('M') {
            let month = self.number().filter(|month| (1..=12).contains(month))?;
            let week = self.skip('.').then(|| self.number())?.filter(|week| (1..=5).contains(week))?;
            let weekday = self.skip('.').then(|| self.number())?.filter(|day| (0..=6).contains(day))?;
            let second = self.second()?;
            return Some(Begin::WeekDay { month, week, weekday, second });
        }
        if self.skip('J') {
            let day = self.number().filter(|day| (1..=365).contains(day))?;
            return Some(Begin::Julian { day, second: self.second()? });
        }
        let day = self.number().filter(|day| (0..=365).contains(day))?;
        Some(Begin::Ordinal { day, second: self.second()? })
    }

    /// What follows a day; two o'clock if it doesn't say.
    fn second(&mut self) -> Option<i64> {
        if self.skip('/') { self.clock(167) } else { Some(7200) }
    }
}

/// When summer time begins and ends where a text doesn't say: as in the United States.
const USUAL: [Begin; 2] = [
    Begin::WeekDay { month: 3, week: 2, weekday: 0, second: 7200 },
    Begin::WeekDay { month: 11, week: 1, weekday: 0, second: 7200 },
];

fn rule_of(text: &str) -> Option<Rule> {
    let mut text = Text(text);
    let name = text.name()?.to_owned();
    let offset = -text.clock(24)?;
    let standard = TimeKind { offset, daylight: false, name };
    if text.0.is_empty() {
        return Some(Rule::Always(standard));
    }
    let name = text.name()?.to_owned();
    let offset = match text.0.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) {
        true => -text.clock(24)?,
        false => offset + 3600,
    };
    let summer = TimeKind { offset, daylight: true, name };
    let [begin, end] = match text.0 {
        "" | "," => USUAL,
        _ => {
            let begin = text.skip(',').then(|| text.begin())??;
            [begin, text.skip(',').then(|| text.begin())??]
        }
    };
    Some(Rule::Yearly { standard, summer, begin, end })
}

// ---- the zone of a machine ----

/// The zone that was read, and what TZ said then.
#[derive(Debug)]
struct Known {
    variable: Option<String>,
    zone: Rc<Zone>,
}

impl Extension for Known {
    fn trace(&self, _: &mut Tracer<'_>) {}
}

/// The local zone: as it was when it was read first, or set last.
pub fn zone(cx: &mut Cx) -> Rc<Zone> {
    match cx.extension::<Known>(ExtensionSlot::LocalZone) {
        Some(known) => Rc::clone(&known.zone),
        None => set_zone(cx),
    }
}

/// Reads the local zone again if TZ says something else by now.
pub fn set_zone(cx: &mut Cx) -> Rc<Zone> {
    let variable = cx.host().variable("TZ");
    if let Some(known) = cx.extension::<Known>(ExtensionSlot::LocalZone)
        && known.variable == variable
    {
        return Rc::clone(&known.zone);
    }
    let zone = Rc::new(Zone::read(cx, variable.as_deref()));
    cx.set_extension(ExtensionSlot::LocalZone, Box::new(Known { variable, zone: Rc::clone(&zone) }));
    zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_texts() {
        let zone = Zone::of_text("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(zone.at(1_688_162_400).name, "CEST");
        assert_eq!(zone.at(1_672_491_600).offset, 3600);
        assert_eq!(zone.moment(1_698_546_600, false), 1_698_539_400);
        assert_eq!(zone.moment(1_698_546_600, true), 1_698_543_000);
        assert_eq!(Zone::of_text("XX").at(0), &TimeKind::default());
        assert_eq!(Zone::of_text("Foo/Bar").at(0).name, "Foo");
    }
}
