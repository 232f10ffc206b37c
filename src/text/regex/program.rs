//! What a pattern is compiled to: instructions for the matcher, and the tables they refer to.

use super::case::Case;
use super::tree::Category;
use crate::text::unicode;

/// No position.
pub const NONE: u32 = u32::MAX;

/// An instruction. Numbers are places in the code unless they name a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// The pattern has matched.
    Match,
    Fail,
    Byte(u8),
    /// Bytes of the pool: where, and how many.
    Literal(u32, u32),
    /// Any character but this one of ASCII.
    NotByte(u8),
    All,
    Set(u32),
    At(At),
    /// Remembers the position: the start of a group has an even number, its end an odd one.
    Mark(u32),
    Jump(u32),
    /// Tries one place, then the other, with the table of what they can begin with.
    Split {
        first: u32,
        second: u32,
        peek: u32,
    },
    /// Alternatives: a table.
    Alt(u32),
    /// A character a number of times: a table.
    Rep(u32),
    /// Before the first turn of a counted loop.
    LoopInit(u32),
    /// Where each turn of a counted loop begins.
    Loop(u32),
    /// What follows up to `AtomicEnd` is matched in one way only.
    Atomic,
    AtomicEnd,
    /// What follows is looked at without being taken: a table.
    Look(u32),
    LookEnd,
    NegEnd,
    /// What a group has matched.
    Ref(u32, Case),
    /// Goes on if a group has matched, jumps if not.
    Cond(u32, u32),
}

/// Places that take nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Start,
    LineStart,
    End,
    LineEnd,
    Stop,
    /// Between a character of words and another: by Unicode's letters or ASCII's, or not there.
    Boundary {
        unicode: bool,
        negate: bool,
    },
}

/// What a single character may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte(u8),
    NotByte(u8),
    All,
    Set(u32),
}

/// What follows a repetition, as far as it can be told from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    Anything,
    Byte(u8),
    /// A table of peeks: the first kind.
    Peek(u32),
}

/// A character a number of times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rep {
    pub(super) unit: Unit,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) lazy: bool,
    /// It never gives back.
    pub(super) possessive: bool,
    pub(super) follow: Follow,
}

/// A loop whose turns are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) lazy: bool,
    pub(super) exit: u32,
    pub(super) peek: u32,
}

/// A look around.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Characters to go back.
    pub(super) back: u32,
    pub(super) negate: bool,
    pub(super) after: u32,
}

/// Alternatives by the byte at hand; number 256 is the end of the text.
#[derive(Clone, Debug)]
pub(super) struct Alt {
    pub(super) branches: Vec<u32>,
    pub(super) by_byte: Box<[u16; 257]>,
    /// For each of the classes in `by_byte`, the places to try in order.
    pub(super) lists: Vec<Box<[u32]>>,
}

/// Bits by the byte at hand (256: the end of the text): 1 if the first of two ways may begin so, 2 if the second may.
pub(super) type Peek = Box<[u8; 257]>;

/// How a set answers for a byte.
pub(super) const NO: u8 = 0;
pub(super) const YES: u8 = 1;
pub(super) const DECODE: u8 = 2;

/// A set of characters.
#[derive(Clone, Debug)]
pub(super) struct Set {
    /// By the first byte.
    pub(super) table: Box<[u8; 256]>,
    /// For characters of several bytes.
    pub(super) wide: Members,
}

/// The members of a set as they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pub(super) negate: bool,
    pub(super) case: Option<Case>,
    /// Whether categories are those of Unicode.
    pub(super) unicode: bool,
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) categories: Vec<Category>,
}

/// Whether a character is in a category.
pub(super) fn in_category(category: Category, unicode: bool, point: u32) -> bool {
    use Category as C;
    let yes = match category {
        C::Digit | C::NotDigit => match point {
            0..0x80 => (0x30..0x3a).contains(&point),
            _ => unicode && unicode::is_decimal(point),
        },
        C::Space | C::NotSpace if unicode => unicode::is_space(point),
        C::Space | C::NotSpace => matches!(point, 9..=13 | 32),
        C::Word | C::NotWord => is_word(point, unicode),
    };
    yes != matches!(category, C::NotDigit | C::NotSpace | C::NotWord)
}

/// Whether a character is part of a word.
#[inline]
pub(super) fn is_word(point: u32, unicode: bool) -> bool {
    match u8::try_from(point) {
        Ok(byte) if byte < 0x80 => byte.is_ascii_alphanumeric() || byte == b'_',
        _ => unicode && unicode::is_alnum(point),
    }
}

impl Members {
    fn holds(&self, point: u32) -> bool {
        let found = match self.ranges.binary_search_by(|(low, _)| low.cmp(&point)) {
            Ok(_) => true,
            Err(0) => false,
            Err(at) => point <= self.ranges[at - 1].1,
        };
        (found || self.categories.iter().any(|c| in_category(*c, self.unicode, point))) != self.negate
    }

    /// Whether a character is in the set.
    pub(super) fn matches(&self, point: u32) -> bool {
        match self.case {
            None => self.holds(point),
            Some(Case::Locale) => self.holds(Case::Locale.lower(point)) || self.holds(Case::Locale.upper(point)),
            Some(case) => self.holds(case.lower(point)),
        }
    }
}

/// What a search looks for before it tries to match.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one for a pattern")]
pub(super) enum Prefilter {
    /// Every place may begin a match.
    Anywhere,
    /// Only the start of the text.
    Start,
    /// Only the starts of lines.
    LineStart,
    /// Where it was begun, and the starts of lines: it begins with `.*`, so what fails at one place of a line fails at all that follow.
    OncePerLine,
    /// What a match begins with; whether that is the whole pattern.
    Literal(memchr::memmem::Finder<'static>, bool),
    /// One of up to three bytes.
    Bytes(u8, u8, u8),
    /// Bytes by a table.
    Table(Box<[bool; 256]>),
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Program {
    pub(super) code: Vec<Op>,
    pub(super) pool: Vec<u8>,
    pub(super) sets: Vec<Set>,
    pub(super) reps: Vec<Rep>,
    pub(super) loops: Vec<Loop>,
    pub(super) looks: Vec<Look>,
    pub(super) alts: Vec<Alt>,
    pub(super) peeks: Vec<Peek>,
    pub(super) prefilter: Prefilter,
    /// Number of groups, the whole match not counted.
    pub groups: u32,
    /// Whether it is over text, not bytes.
    pub is_text: bool,
}

impl Program {
    /// Whether it matches nothing, anywhere.
    pub fn is_empty(&self) -> bool {
        self.code == [Op::Match]
    }
}
