//! The templates of `str.format`: literal text and replacement fields, whose names lead from an argument to a value.

use super::{unicode, wtf8};
use crate::number::Fault;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands for itself (of `{{` and `}}`, one brace).
    Literal(&'a [u8]),
    /// What a value replaces.
    Field(Field<'a>),
}

/// A replacement field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name; see [`parse_name`].
    pub name: &'a [u8],
    /// The letter after `!`.
    pub conversion: Option<u32>,
    /// The format specification.
    pub spec: &'a [u8],
    /// Whether the specification is a template itself.
    pub nested: bool,
}

impl Field<'_> {
    /// The complaint about a conversion that isn't `r`, `s` or `a`.
    pub fn unknown_conversion(&self) -> Fault {
        let shown = match self.conversion.unwrap_or(0) {
            letter @ 33..127 => char::from(letter as u8).to_string(),
            letter => format!("\\x{letter:x}"),
        };
        Fault::value(format!("Unknown conversion specifier {shown}"))
    }
}

/// Templates nest this deep; past it comes [`too_deep`].
pub const MAX_DEPTH: usize = 2;

/// The complaint about a specification inside the specification of a specification.
pub fn too_deep() -> Fault {
    Fault::value("Max string recursion exceeded")
}

/// The pieces of a template, in generalised UTF-8.
pub fn pieces(template: &[u8]) -> Pieces<'_> {
    Pieces { rest: template, field_next: false }
}

/// See [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
    field_next: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() && !self.field_next {
            return None;
        }
        let piece = if self.field_next { self.field().map(Piece::Field) } else { self.literal() };
        if piece.is_err() {
            (self.rest, self.field_next) = (&[], false);
        }
        // A field at the very start has no literal before it.
        if piece == Ok(Piece::Literal(b"")) { self.next() } else { Some(piece) }
    }
}

impl<'a> Pieces<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn literal(&mut self) -> Result<Piece<'a>, Fault> {
        let Some(at) = memchr::memchr2(b'{', b'}', self.rest) else {
            return Ok(Piece::Literal(self.take(self.rest.len())));
        };
        match (self.rest[at], self.rest.get(at + 1)) {
            (brace, Some(&next)) if brace == next => {
                let text = self.take(at + 1);
                self.take(1);
                Ok(Piece::Literal(text))
            }
            (b'}', _) => Err(Fault::value("Single '}' encountered in format string")),
            (_, None) => Err(Fault::value("Single '{' encountered in format string")),
            _ => {
                let text = self.take(at);
                self.take(1);
                self.field_next = true;
                Ok(Piece::Literal(text))
            }
        }
    }

    fn field(&mut self) -> Result<Field<'a>, Fault> {
        self.field_next = false;
        let mut bracket = false;
        let mut end = None;
        for (at, &byte) in self.rest.iter().enumerate() {
            match byte {
                _ if bracket => bracket = byte != b']',
                b'{' => return Err(Fault::value("unexpected '{' in field name")),
                b'[' => bracket = true,
                b'}' | b':' | b'!' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let Some(end) = end else { return Err(Fault::value("expected '}' before end of string")) };
        let name = self.take(end);
        let mut field = Field { name, conversion: None, spec: b"", nested: false };
        match self.take(1)[0] {
            b'}' => return Ok(field),
            b'!' => {
                let Some(&first) = self.rest.first() else {
                    return Err(Fault::value("end of string while looking for conversion specifier"));
                };
                field.conversion = wtf8::code_points(self.take(wtf8::width(first))).next();
                match self.rest.first() {
                    Some(b'}') => {
                        self.take(1);
                        return Ok(field);
                    }
                    Some(b':') => {
                        self.take(1);
                    }
                    Some(_) => return Err(Fault::value("expected ':' after conversion specifier")),
                    None => {}
                }
            }
            _ => {}
        }
        let mut depth = 1;
        for (at, &byte) in self.rest.iter().enumerate() {
            match byte {
                b'{' => {
                    field.nested = true;
                    depth += 1;
                }
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                field.spec = self.take(at);
                self.take(1);
                return Ok(field);
            }
        }
        Err(Fault::value("unmatched '{' in format spec"))
    }
}

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// `{}`: the next positional argument.
    Next,
    /// `{0}`: a positional argument.
    Index(usize),
    /// `{name}`: a keyword argument.
    Name(&'a [u8]),
}

/// A step from the argument to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// `.name`
    Attribute(&'a [u8]),
    /// `[0]`
    Index(usize),
    /// `[key]`
    Key(&'a [u8]),
}

/// Splits a field's name into its start and the steps from there; a malformed step is found when it is reached.
pub fn parse_name(name: &[u8]) -> Result<(First<'_>, impl Iterator<Item = Result<Step<'_>, Fault>>), Fault> {
    let end = memchr::memchr2(b'.', b'[', name).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(end);
    let first = match index(first)? {
        _ if first.is_empty() => First::Next,
        Some(index) => First::Index(index),
        None => First::Name(first),
    };
    let steps = std::iter::from_fn(move || {
        let (&separator, after) = rest.split_first()?;
        let step = match separator {
            b'.' => {
                let end = memchr::memchr2(b'.', b'[', after).unwrap_or(after.len());
                rest = &after[end..];
                Ok(Step::Attribute(&after[..end]))
            }
            b'[' => match memchr::memchr(b']', after) {
                Some(end) => {
                    rest = &after[end + 1..];
                    let key = &after[..end];
                    index(key).map(|index| index.map_or(Step::Key(key), Step::Index))
                }
                None => Err(Fault::value("Missing ']' in format string")),
            },
            _ => Err(Fault::value("Only '.' or '[' may follow ']' in format field specifier")),
        };
        Some(match step {
            Ok(Step::Attribute(b"") | Step::Key(b"")) => Err(Fault::value("Empty attribute in format string")),
            step => step,
        })
    });
    Ok((first, steps))
}

/// The number, if there are only decimal digits.
fn index(text: &[u8]) -> Result<Option<usize>, Fault> {
    let mut number = None;
    for point in wtf8::code_points(text) {
        let Some(digit) = unicode::decimal(point) else { return Ok(None) };
        let next = number.unwrap_or(0i64).checked_mul(10).and_then(|number| number.checked_add(digit as i64));
        number = Some(next.ok_or_else(|| Fault::value("Too many decimal digits in format string"))?);
    }
    Ok(number.map(|number| number as usize))
}

/// Numbers the fields `{}`, and refuses to mix them with numbered ones. One for a template and those nested in it.
#[derive(Clone, Copy, Debug, Default)]
pub enum Numbering {
    /// No field seen yet.
    #[default]
    Undecided,
    /// Fields are numbered by their place; the next number.
    Automatic(usize),
    /// Fields tell their number.
    Manual,
}

impl Numbering {
    /// The number of the positional argument a field starts from, `None` for a keyword.
    pub fn resolve(&mut self, first: First<'_>) -> Result<Option<usize>, Fault> {
        match (first, *self) {
            (First::Name(_), _) => Ok(None),
            (First::Next, Numbering::Manual) => {
                Err(Fault::value("cannot switch from manual field specification to automatic field numbering"))
            }
            (First::Index(_), Numbering::Automatic(_)) => {
                Err(Fault::value("cannot switch from automatic field numbering to manual field specification"))
            }
            (First::Index(index), _) => {
                *self = Numbering::Manual;
                Ok(Some(index))
            }
            (First::Next, Numbering::Undecided) => {
                *self = Numbering::Automatic(1);
                Ok(Some(0))
            }
            (First::Next, Numbering::Automatic(next)) => {
                *self = Numbering::Automatic(next + 1);
                Ok(Some(next))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str) -> String {
        let mut out = String::new();
        for piece in pieces(template.as_bytes()) {
            match piece {
                Ok(Piece::Literal(text)) => out.push_str(std::str::from_utf8(text).unwrap()),
                Ok(Piece::Field(field)) => {
                    let text = |bytes| std::str::from_utf8(bytes).unwrap();
                    let conversion = field.conversion.and_then(char::from_u32).unwrap_or('-');
                    out.push_str(&format!("<{}|{conversion}|{}|{}>", text(field.name), text(field.spec), field.nested));
                }
                Err(fault) => out.push_str(&fault.message),
            }
        }
        out
    }

    #[test]
    fn fields() {
        for (template, result) in [
            ("", ""),
            ("a{}b", "a<|-||false>b"),
            ("{{}}{0!r:>{w}}", "{}<0|r|>{w}|true>"),
            ("{a[}]!s}", "<a[}]|s||false>"),
            ("{0", "expected '}' before end of string"),
            ("{", "Single '{' encountered in format string"),
            ("a}", "Single '}' encountered in format string"),
            ("{}}", "<|-||false>Single '}' encountered in format string"),
            ("{!}", "unmatched '{' in format spec"),
            ("{!rr}", "expected ':' after conversion specifier"),
            ("{:{}", "unmatched '{' in format spec"),
            ("{a{", "unexpected '{' in field name"),
            ("{!", "end of string while looking for conversion specifier"),
        ] {
            assert_eq!(shown(template), result, "{template}");
        }
    }

    #[test]
    fn names() {
        let parsed = |name: &'static str| {
            let (first, steps) = parse_name(name.as_bytes()).unwrap();
            (first, steps.collect::<Result<Vec<_>, _>>().map_err(|fault| fault.message))
        };
        assert_eq!(parsed(""), (First::Next, Ok(vec![])));
        assert_eq!(
            parsed("0.a[1][k]"),
            (First::Index(0), Ok(vec![Step::Attribute(b"a"), Step::Index(1), Step::Key(b"k")]))
        );
        assert_eq!(parsed("x[-1]"), (First::Name(b"x"), Ok(vec![Step::Key(b"-1")])));
        assert_eq!(parsed("0.").1, Err("Empty attribute in format string".into()));
        assert_eq!(parsed("0[]").1, Err("Empty attribute in format string".into()));
        assert_eq!(parsed("0[").1, Err("Missing ']' in format string".into()));
        assert_eq!(parsed("0[a]b").1, Err("Only '.' or '[' may follow ']' in format field specifier".into()));
        assert!(parse_name(b"99999999999999999999").is_err());
        let mut numbering = Numbering::default();
        assert_eq!(numbering.resolve(First::Next), Ok(Some(0)));
        assert_eq!(numbering.resolve(First::Next), Ok(Some(1)));
        assert_eq!(numbering.resolve(First::Name(b"a")), Ok(None));
        assert!(numbering.resolve(First::Index(0)).is_err());
    }
}
