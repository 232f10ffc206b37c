//! Replacements: texts in which backslashes name groups.

use super::Fault;
use crate::text::{repr, unicode, wtf8};

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is taken as it is: generalised UTF-8, or bytes.
    Literal(Vec<u8>),
    /// What a group has matched.
    Group(u32),
}

struct Reader<'a> {
    points: &'a [u32],
    is_text: bool,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, message: impl Into<Vec<u8>>, at: usize) -> Fault {
        Fault::Pattern(message.into(), Some(at))
    }

    fn digit(&self, at: usize, limit: u32) -> Option<u32> {
        self.points.get(at).filter(|c| (0x30..limit).contains(*c)).copied()
    }
}

/// Reads a replacement for a pattern with so many groups; `group_of` knows those with names.
pub fn parse_template(
    points: &[u32],
    is_text: bool,
    groups: u32,
    group_of: &dyn Fn(&[u8]) -> Option<u32>,
) -> Result<Vec<Part>, Fault> {
    let mut reader = Reader { points, is_text, at: 0 };
    let mut parts = vec![];
    let mut literal = vec![];
    let push = |literal: &mut Vec<u8>, c: u32| {
        if is_text { wtf8::push(literal, c) } else { literal.push(c as u8) }
    };
    while let Some(&c) = points.get(reader.at) {
        reader.at += 1;
        if c != 0x5c {
            push(&mut literal, c);
            continue;
        }
        let start = reader.at - 1;
        let Some(&escaped) = points.get(reader.at) else {
            return Err(reader.fault("bad escape (end of pattern)", start));
        };
        reader.at += 1;
        let mut group = None;
        match u8::try_from(escaped).unwrap_or(0) {
            b'g' => group = Some(reader.named(groups, group_of)?),
            b'0' => {
                let mut value = 0;
                for _ in 0..2 {
                    let Some(digit) = reader.digit(reader.at, 0x38) else { break };
                    value = value * 8 + digit - 0x30;
                    reader.at += 1;
                }
                push(&mut literal, value & 0xff);
            }
            b'1'..=b'9' => {
                let mut number = escaped - 0x30;
                let mut digits = 1;
                if let Some(second) = reader.digit(reader.at, 0x3a) {
                    reader.at += 1;
                    digits = 2;
                    if escaped < 0x38
                        && second < 0x38
                        && let Some(third) = reader.digit(reader.at, 0x38)
                    {
                        reader.at += 1;
                        let value = number * 64 + (second - 0x30) * 8 + third - 0x30;
                        if value > 0o377 {
                            let message = format!("octal escape value \\{value:o} outside of range 0-0o377");
                            return Err(reader.fault(message, start));
                        }
                        push(&mut literal, value);
                        continue;
                    }
                    number = number * 10 + second - 0x30;
                }
                if number > groups {
                    return Err(reader.fault(format!("invalid group reference {number}"), reader.at - digits));
                }
                group = Some(number);
            }
            other => match other {
                b'a' => literal.push(7),
                b'b' => literal.push(8),
                b'f' => literal.push(12),
                b'n' => literal.push(10),
                b'r' => literal.push(13),
                b't' => literal.push(9),
                b'v' => literal.push(11),
                b'\\' => literal.push(b'\\'),
                letter if letter.is_ascii_alphabetic() => {
                    return Err(reader.fault(format!("bad escape \\{}", char::from(letter)), start));
                }
                _ => {
                    literal.push(b'\\');
                    push(&mut literal, escaped);
                }
            },
        }
        if let Some(group) = group {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Group(group));
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

impl Reader<'_> {
    /// `<name>` or `<number>` after `\g`.
    fn named(&mut self, groups: u32, group_of: &dyn Fn(&[u8]) -> Option<u32>) -> Result<u32, Fault> {
        if self.points.get(self.at) != Some(&('<' as u32)) {
            return Err(self.fault("missing <", self.at));
        }
        self.at += 1;
        let start = self.at;
        let Some(len) = self.points[start..].iter().position(|c| *c == '>' as u32) else {
            if start == self.points.len() {
                return Err(self.fault("missing group name", start));
            }
            return Err(self.fault("missing >, unterminated name", start));
        };
        if len == 0 {
            return Err(self.fault("missing group name", start));
        }
        let name = &self.points[start..start + len];
        self.at = start + len + 1;
        let mut text = vec![];
        name.iter().for_each(|c| wtf8::push(&mut text, *c));
        if name.iter().all(|c| (0x30..0x3a).contains(c)) {
            let number = name.iter().fold(0u64, |n, c| n.saturating_mul(10).saturating_add(u64::from(c - 0x30)));
            if number > u64::from(groups) {
                let digits = String::from_utf8_lossy(&text).into_owned();
                let digits = digits.trim_start_matches('0');
                return Err(self.fault(format!("invalid group reference {digits}"), start));
            }
            return Ok(number as u32);
        }
        let shown = if self.is_text { repr::text(&text) } else { repr::ascii_text(&text) };
        if !self.is_text && !text.is_ascii() || !unicode::is_identifier(&text) {
            return Err(self.fault(format!("bad character in group name {shown}"), start));
        }
        group_of(&text).ok_or(Fault::UnknownName(shown.into_bytes()))
    }
}
