//! Case in patterns: which characters are the same when case is ignored.

use crate::text::unicode;
use crate::text::wtf8;

/// Lower-case letters that have the same upper case, so that each matches the others.
const EQUIVALENT: &[&[u32]] = &[
    &[0x69, 0x131],
    &[0x73, 0x17f],
    &[0xb5, 0x3bc],
    &[0x345, 0x3b9, 0x1fbe],
    &[0x390, 0x1fd3],
    &[0x3b0, 0x1fe3],
    &[0x3b2, 0x3d0],
    &[0x3b5, 0x3f5],
    &[0x3b8, 0x3d1],
    &[0x3ba, 0x3f0],
    &[0x3c0, 0x3d6],
    &[0x3c1, 0x3f1],
    &[0x3c2, 0x3c3],
    &[0x3c6, 0x3d5],
    &[0x432, 0x1c80],
    &[0x434, 0x1c81],
    &[0x43e, 0x1c82],
    &[0x441, 0x1c83],
    &[0x442, 0x1c84, 0x1c85],
    &[0x44a, 0x1c86],
    &[0x463, 0x1c87],
    &[0x1c88, 0xa64b],
    &[0x1e61, 0x1e9b],
    &[0xfb05, 0xfb06],
];

/// From here on no character has a case.
pub(super) const CASED_END: u32 = 0x1f000;

/// How case is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Characters are what they are.
    Exact,
    /// Letters of ASCII match either way.
    Ascii,
    /// As `Ascii`, by the rules of the locale.
    Locale,
    /// Letters of all scripts match either way.
    Unicode,
}

impl Case {
    /// The lower case that stands for a character when it is compared.
    pub(super) fn lower(self, point: u32) -> u32 {
        match self {
            Case::Exact => point,
            Case::Ascii | Case::Locale => {
                if (0x41..=0x5a).contains(&point) {
                    point + 32
                } else {
                    point
                }
            }
            Case::Unicode if point < 0x80 => Case::Ascii.lower(point),
            Case::Unicode => unicode::simple_lower(point),
        }
    }

    /// The upper case, where it is one character.
    pub(super) fn upper(self, point: u32) -> u32 {
        match self {
            Case::Exact => point,
            Case::Unicode if point >= 0x80 => {
                let mut text = Vec::with_capacity(4);
                wtf8::push(&mut text, point);
                let upper = unicode::upper(&text);
                wtf8::code_points(&upper).next().unwrap_or(point)
            }
            Case::Ascii | Case::Locale | Case::Unicode => {
                if (0x61..=0x7a).contains(&point) {
                    point - 32
                } else {
                    point
                }
            }
        }
    }

    /// Whether a character has another case.
    pub(super) fn is_cased(self, point: u32) -> bool {
        self != Case::Exact && (self.lower(point) != point || self.upper(point) != point)
    }

    /// Other lower-case characters that match the given one.
    pub(super) fn others(self, lower: u32) -> impl Iterator<Item = u32> {
        let class = match self {
            Case::Unicode => EQUIVALENT.iter().copied().find(|class| class.contains(&lower)).unwrap_or(&[]),
            Case::Exact | Case::Ascii | Case::Locale => &[],
        };
        class.iter().copied().filter(move |other| *other != lower)
    }
}
