//! Formats that `strptime` reads by, taken apart. CPython makes a regular expression of a format; what can be wrong with one is told
//! in terms of that expression.

/// One thing that a text has to have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    /// Whitespace.
    Spaces,
    /// A character, in any case.
    Char(char),
    /// What a directive stands for.
    Directive(char),
}

/// A format as pieces.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) pieces: Vec<Piece>,
    /// Whether it names a day of a month of no year.
    pub(super) is_ambiguous: bool,
}

/// Why a format is refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no such directive.
    Directive(String),
    /// A `%` with nothing behind it.
    Stray,
}

/// A directive that stands for several.
fn expansion(code: char) -> Option<&'static str> {
    Some(match code {
        'x' => "%m/%d/%y",
        'T' | 'X' => "%H:%M:%S",
        'R' => "%H:%M",
        'c' => "%a %b %d %H:%M:%S %Y",
        'r' => "%I:%M:%S %p",
        _ => return None,
    })
}

/// A directive under the name of what it finds.
fn canonical(code: char) -> Option<char> {
    Some(match code {
        'e' => 'd',
        'k' => 'H',
        'l' => 'I',
        'P' => 'p',
        'a' | 'A' | 'b' | 'B' | 'd' | 'f' | 'G' | 'H' | 'I' | 'j' | 'm' | 'M' | 'p' | 'S' | 'u' | 'U' | 'V' | 'w'
        | 'W' | 'y' | 'Y' | 'z' | 'Z' => code,
        _ => return None,
    })
}

/// What numbers in other digits stand for, of which the C locale has none.
const OTHER_DIGITS: &str = "CdeHImMSwy";

impl Format {
    /// Takes a format apart.
    pub(super) fn read(text: &[char]) -> Result<Format, Fault> {
        let mut format = Format { pieces: Vec::with_capacity(text.len()), is_ambiguous: false };
        let (has_year, has_day) = format.add(text)?;
        format.is_ambiguous = has_day && !has_year;
        Ok(format)
    }

    /// Adds pieces, and says whether a year and a day were named.
    fn add(&mut self, text: &[char]) -> Result<(bool, bool), Fault> {
        let (mut has_year, mut has_day) = (false, false);
        let mut at = 0;
        while let Some(&c) = text.get(at) {
            at += 1;
            if c.is_whitespace() {
                while text.get(at).is_some_and(|c| c.is_whitespace()) {
                    at += 1;
                }
                self.pieces.push(Piece::Spaces);
                continue;
            }
            if c != '%' {
                self.pieces.push(Piece::Char(c));
                continue;
            }
            // How wide a number was written is of no interest.
            while text.get(at).is_some_and(|c| "-_0#".contains(*c)) {
                at += 1;
            }
            while text.get(at).is_some_and(char::is_ascii_digit) {
                at += 1;
            }
            let variant = text.get(at).copied().filter(|c| matches!(c, 'O' | 'E'));
            at += usize::from(variant.is_some());
            let code = text.get(at).copied().filter(|c| !c.is_whitespace());
            at += usize::from(code.is_some());
            match (variant, code) {
                (None, None) => return Err(Fault::Stray),
                (Some('O'), Some('p')) => self.pieces.push(Piece::Directive('p')),
                (Some('O'), Some(code)) if OTHER_DIGITS.contains(code) => {}
                (None, Some('%')) => self.pieces.push(Piece::Char('%')),
                (None, Some(code)) => {
                    has_year |= matches!(code, 'Y' | 'y' | 'G');
                    has_day |= code == 'd';
                    match (canonical(code), expansion(code)) {
                        (Some(code), _) => self.pieces.push(Piece::Directive(code)),
                        (None, Some(more)) => {
                            self.add(&more.chars().collect::<Vec<_>>())?;
                        }
                        (None, None) => return Err(Fault::Directive(shown(code).to_string())),
                    }
                }
                (Some(variant), code) => {
                    return Err(Fault::Directive(std::iter::once(variant).chain(code.map(shown)).collect()));
                }
            }
        }
        Ok((has_year, has_day))
    }

    /// What CPython's regular expression complains of where a directive stands twice. `zones` are the names of zones.
    pub(super) fn repetition(&self, zones: &[&str]) -> Option<String> {
        let mut seen: Vec<(char, usize)> = vec![];
        let (mut offset, mut group) = (0, 1);
        for piece in &self.pieces {
            match piece {
                Piece::Spaces => offset += r"\s+".len(),
                Piece::Char('\'') => offset += 4,
                Piece::Char(c) => offset += 1 + usize::from(r"\.^$*+?(){}[]|".contains(*c)),
                Piece::Directive(code) => {
                    if let Some((_, first)) = seen.iter().find(|(other, _)| other == code) {
                        return Some(format!(
                            "redefinition of group name '{code}' as group {group}; was group {first} at position {}",
                            offset + "(?P<".len()
                        ));
                    }
                    seen.push((*code, group));
                    group += if *code == 'z' { 3 } else { 1 };
                    offset += width(*code, zones);
                }
            }
        }
        None
    }
}

/// A character as errors show it: there, an apostrophe stands for a class of two.
fn shown(code: char) -> char {
    if code == '\'' { '[' } else { code }
}

/// How long the group of a directive is in CPython's regular expression.
fn width(code: char, zones: &[&str]) -> usize {
    match code {
        'p' | 'u' | 'w' => 12,
        'y' => 11,
        'Y' | 'G' => 15,
        'M' | 'f' => 17,
        'S' | 'U' | 'W' => 24,
        'm' => 26,
        'H' => 28,
        'V' => 31,
        'I' => 33,
        'a' => 34,
        'd' => 41,
        'b' => 54,
        'z' => 56,
        'A' => 63,
        'j' => 71,
        'B' => 92,
        _ => {
            let escaped = |c: char| 1 + usize::from(c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_');
            let names: usize = zones.iter().map(|name| name.chars().map(escaped).sum::<usize>() + 1).sum();
            "(?P<Z>)".len() + names.saturating_sub(1)
        }
    }
}
