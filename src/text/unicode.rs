//! Properties and cases of characters, as `str` methods and `unicodedata` show them: Unicode 16.0.

use super::unicode_database as database;
use super::unicode_tables::{self as tables, Record};
use super::wtf8::{self, code_points};

#[inline]
fn record(code_point: u32) -> &'static Record {
    let Some(&block) = tables::FIRST.get((code_point >> tables::SHIFT) as usize) else { return &tables::RECORDS[0] };
    let within = code_point as usize & ((1 << tables::SHIFT) - 1);
    &tables::RECORDS[tables::SECOND[((block as usize) << tables::SHIFT) + within] as usize]
}

#[inline]
fn has(code_point: u32, flags: u16) -> bool {
    record(code_point).flags & flags != 0
}

macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident $flags:expr;)*) => {
        $($(#[$doc])*
        pub fn $name(code_point: u32) -> bool {
            has(code_point, $flags)
        })*
    };
}

predicates! {
    /// A letter.
    is_alpha tables::ALPHA;
    /// A decimal digit of some script.
    is_decimal tables::DECIMAL;
    /// A digit, superscripts and the like included.
    is_digit tables::DIGIT;
    /// Has a numeric value.
    is_numeric tables::NUMERIC;
    /// A letter or anything numeric.
    is_alnum tables::ALPHA | tables::DECIMAL | tables::DIGIT | tables::NUMERIC;
    /// White space.
    is_space tables::SPACE;
    /// Shown as it is by `repr`.
    is_printable tables::PRINTABLE;
    /// May start an identifier.
    is_identifier_start tables::START;
    /// May go on in an identifier.
    is_identifier_continue tables::CONTINUE;
    /// An upper-case letter.
    is_upper tables::UPPER;
    /// A lower-case letter.
    is_lower tables::LOWER;
    /// A title-case letter, such as the digraph `ǅ`.
    is_title tables::TITLE;
    /// A letter of any case.
    is_cased tables::UPPER | tables::LOWER | tables::TITLE;
}

/// The general category, such as `Lu`; `Cn` for unassigned code points.
pub fn category(code_point: u32) -> &'static str {
    tables::CATEGORIES[record(code_point).category as usize]
}

/// The value of the run that a code point is in.
fn in_run(runs: &[(u32, u8)], code_point: u32) -> u8 {
    runs[runs.partition_point(|&(start, _)| start <= code_point) - 1].1
}

/// The class in the bidirectional algorithm; empty for unassigned code points.
pub fn bidirectional(code_point: u32) -> &'static str {
    database::BIDI[in_run(&database::BIDI_RUNS, code_point) as usize]
}

/// The East Asian width, such as `W`.
pub fn east_asian_width(code_point: u32) -> &'static str {
    database::WIDTHS[in_run(&database::WIDTH_RUNS, code_point) as usize]
}

/// Whether shown mirrored in text from right to left: 1 or 0.
pub fn mirrored(code_point: u32) -> u8 {
    in_run(&database::MIRRORED_RUNS, code_point)
}

/// The canonical combining class.
pub fn combining(code_point: u32) -> u8 {
    in_run(&database::COMBINING_RUNS, code_point)
}

/// The tag of the decomposition, empty for a canonical one, and what it gives; one step only.
pub fn decomposition(code_point: u32) -> Option<(&'static str, &'static str)> {
    let at = database::DECOMPOSITIONS.binary_search_by_key(&code_point, |entry| entry.0).ok()?;
    let (_, start, length, tag) = database::DECOMPOSITIONS[at];
    let start = start as usize;
    Some((database::TAGS[tag as usize], &database::DECOMPOSED[start..start + length as usize]))
}

/// The value of a decimal digit.
pub fn decimal(code_point: u32) -> Option<u32> {
    if code_point < 0x80 {
        return char::from(code_point as u8).to_digit(10);
    }
    let record = record(code_point);
    (record.flags & tables::DECIMAL != 0).then_some(record.digit as u32)
}

/// The value of a digit.
pub fn digit(code_point: u32) -> Option<u32> {
    u32::try_from(record(code_point).digit).ok()
}

/// The numeric value.
pub fn numeric(code_point: u32) -> Option<f64> {
    if !is_numeric(code_point) {
        return None;
    }
    match tables::NUMBERS.binary_search_by_key(&code_point, |&(point, _)| point) {
        Ok(at) => Some(tables::NUMBERS[at].1),
        Err(_) => digit(code_point).map(f64::from),
    }
}

/// The lower case as one code point, as case-insensitive matching compares.
pub fn simple_lower(code_point: u32) -> u32 {
    let record = record(code_point);
    if record.flags & tables::SPECIAL == 0 {
        return code_point.wrapping_add_signed(record.lower);
    }
    code_points(special(code_point).2.as_bytes()).next().unwrap_or(code_point)
}

fn special(code_point: u32) -> &'static tables::Special {
    let at = tables::SPECIALS.binary_search_by_key(&code_point, |entry| entry.0).expect("flagged SPECIAL");
    &tables::SPECIALS[at]
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Upper,
    Lower,
    Title,
    Fold,
}

fn push_case(out: &mut Vec<u8>, code_point: u32, case: Case) {
    let record = record(code_point);
    if record.flags & tables::SPECIAL != 0 {
        let &(_, upper, lower, title, fold) = special(code_point);
        let text = match case {
            Case::Upper => upper,
            Case::Lower => lower,
            Case::Title => title,
            Case::Fold => fold,
        };
        return out.extend_from_slice(text.as_bytes());
    }
    let delta = match case {
        Case::Upper => record.upper,
        Case::Lower | Case::Fold => record.lower,
        Case::Title => record.title,
    };
    wtf8::push(out, code_point.wrapping_add_signed(delta));
}

const CAPITAL_SIGMA: u32 = 0x3a3;

/// A capital sigma at the end of a word becomes `ς`, elsewhere `σ`.
fn push_lower(out: &mut Vec<u8>, text: &[u8], at: usize, code_point: u32) {
    if code_point != CAPITAL_SIGMA {
        return push_case(out, code_point, Case::Lower);
    }
    let cased = |point: Option<u32>| point.is_some_and(is_cased);
    let ignorable = |point: &u32| has(*point, tables::IGNORABLE);
    let before = code_points(&text[..at]).rev().find(|point| !ignorable(point));
    let after = code_points(&text[at + 2..]).find(|point| !ignorable(point));
    out.extend_from_slice(if cased(before) && !cased(after) { "ς" } else { "σ" }.as_bytes());
}

/// `text.upper()`.
pub fn upper(text: &[u8]) -> Vec<u8> {
    map_case(text, <[u8]>::to_ascii_uppercase, Case::Upper)
}

/// `text.casefold()`.
pub fn casefold(text: &[u8]) -> Vec<u8> {
    map_case(text, <[u8]>::to_ascii_lowercase, Case::Fold)
}

fn map_case(text: &[u8], ascii: fn(&[u8]) -> Vec<u8>, case: Case) -> Vec<u8> {
    if text.is_ascii() {
        return ascii(text);
    }
    let mut out = Vec::with_capacity(text.len());
    code_points(text).for_each(|point| push_case(&mut out, point, case));
    out
}

/// `text.lower()`.
pub fn lower(text: &[u8]) -> Vec<u8> {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = Vec::with_capacity(text.len());
    for (at, point) in wtf8::code_point_indices(text) {
        push_lower(&mut out, text, at, point);
    }
    out
}

/// `text.title()`.
pub fn title(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut in_word = false;
    for (at, point) in wtf8::code_point_indices(text) {
        if in_word {
            push_lower(&mut out, text, at, point);
        } else {
            push_case(&mut out, point, Case::Title);
        }
        in_word = is_cased(point);
    }
    out
}

/// `text.capitalize()`.
pub fn capitalize(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, point) in wtf8::code_point_indices(text) {
        if at == 0 {
            push_case(&mut out, point, Case::Title);
        } else {
            push_lower(&mut out, text, at, point);
        }
    }
    out
}

/// `text.swapcase()`.
pub fn swapcase(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, point) in wtf8::code_point_indices(text) {
        if is_upper(point) {
            push_lower(&mut out, text, at, point);
        } else if is_lower(point) {
            push_case(&mut out, point, Case::Upper);
        } else {
            wtf8::push(&mut out, point);
        }
    }
    out
}

/// Whether a text isn't empty and each of its code points has a property: `isalpha` and its like.
pub fn all(text: &[u8], property: fn(u32) -> bool) -> bool {
    !text.is_empty() && code_points(text).all(property)
}

/// `text.isupper()`: some letter has a case, and all that have are upper case.
pub fn is_upper_text(text: &[u8]) -> bool {
    let mut cased = false;
    for point in code_points(text) {
        if has(point, tables::LOWER | tables::TITLE) {
            return false;
        }
        cased |= is_upper(point);
    }
    cased
}

/// `text.islower()`.
pub fn is_lower_text(text: &[u8]) -> bool {
    let mut cased = false;
    for point in code_points(text) {
        if has(point, tables::UPPER | tables::TITLE) {
            return false;
        }
        cased |= is_lower(point);
    }
    cased
}

/// `text.istitle()`: upper case starts words, lower case goes on in them.
pub fn is_title_text(text: &[u8]) -> bool {
    let (mut cased, mut in_word) = (false, false);
    for point in code_points(text) {
        if has(point, tables::UPPER | tables::TITLE) {
            if in_word {
                return false;
            }
            (in_word, cased) = (true, true);
        } else if is_lower(point) {
            if !in_word {
                return false;
            }
        } else {
            in_word = false;
        }
    }
    cased
}

/// `text.isidentifier()`.
pub fn is_identifier(text: &[u8]) -> bool {
    let mut points = code_points(text);
    points.next().is_some_and(is_identifier_start) && points.all(is_identifier_continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(text: &str) -> [String; 6] {
        [upper, lower, title, capitalize, swapcase, casefold]
            .map(|case| String::from_utf8(case(text.as_bytes())).unwrap())
    }

    #[test]
    fn cases_of_texts() {
        assert_eq!(cases("straße"), ["STRASSE", "straße", "Straße", "Straße", "STRASSE", "strasse"]);
        assert_eq!(cases("ΑΣ ΣΑ"), ["ΑΣ ΣΑ", "ας σα", "Ας Σα", "Ας σα", "ας σα", "ασ σα"]);
        assert_eq!(cases("ǆ they're"), ["Ǆ THEY'RE", "ǆ they're", "ǅ They'Re", "ǅ they're", "Ǆ THEY'RE", "ǆ they're"]);
        assert_eq!(cases("İﬃ"), ["İFFI", "i̇ﬃ", "İﬃ", "İﬃ", "i̇FFI", "i̇ffi"]);
        assert_eq!(upper(b"a\xed\xa0\x80b"), b"A\xed\xa0\x80B");
        assert_eq!(simple_lower(0x130), 'i' as u32);
    }

    #[test]
    fn properties() {
        let point = |c: char| c as u32;
        assert!(is_decimal(point('٣')) && !is_decimal(point('²')) && is_digit(point('²')) && !is_digit(point('½')));
        assert!(is_numeric(point('½')) && is_numeric(point('一')));
        assert_eq!((decimal(point('٣')), digit(point('²'))), (Some(3), Some(2)));
        assert_eq!((numeric(point('½')), numeric(point('一')), numeric(point('x'))), (Some(0.5), Some(1.0), None));
        assert!(is_space(0x1c) && is_space(0x3000) && !is_space(0x200b));
        assert!(!is_printable(0xa0) && is_printable(point(' ')) && !is_printable(0xd800) && !is_printable(0x37e00));
        assert_eq!([0x41, 0x20ac, 0xd800, 0x378].map(category), ["Lu", "Sc", "Cs", "Cn"]);
        assert!(is_identifier("ªx1".as_bytes()) && !is_identifier(b"1x") && !is_identifier(b""));
        assert!(is_title_text("A Bc ǅx".as_bytes()) && !is_title_text(b"AB") && !is_title_text(b"1"));
        assert!(is_upper_text("A1É".as_bytes()) && !is_upper_text(b"1") && is_lower_text("a1é".as_bytes()));
    }
}
