//! The text of a pattern to its tree. Mistakes are found in the order, and worded and placed as, scripts know them; so characters are
//! read one ahead, and a backslash at the very end is noticed when the character before it is taken.

use std::collections::BTreeMap;

use super::tree::{Category, How, Item, MANY, Node, Place, Seq, width};
use super::{Fault, flag};
use crate::text::{names, repr, unicode, wtf8};

/// Groups a pattern may have.
const MAX_GROUPS: u64 = 1_073_741_823;
/// How deeply groups may be nested.
const MAX_NESTING: usize = 490;

/// A pattern that was read.
#[derive(Debug)]
pub struct Parsed {
    pub(super) body: Seq,
    /// All flags that hold for it.
    pub flags: u32,
    /// Number of groups, the whole match not counted.
    pub groups: u32,
    /// The named groups, in the order of their numbers.
    pub names: Vec<(Vec<u8>, u32)>,
    pub(super) widths: Vec<Option<(u64, u64)>>,
    pub(super) is_text: bool,
}

impl Parsed {
    /// Whether it is a pattern over text, not bytes.
    pub fn is_text(&self) -> bool {
        self.is_text
    }
}

/// A character, or a backslash with what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Plain(u32),
    Escape(u32),
}

impl Token {
    fn len(self) -> usize {
        match self {
            Token::Plain(_) => 1,
            Token::Escape(_) => 2,
        }
    }

    fn push(self, out: &mut Vec<u8>) {
        match self {
            Token::Plain(c) => wtf8::push(out, c),
            Token::Escape(c) => {
                out.push(b'\\');
                wtf8::push(out, c);
            }
        }
    }
}

/// Reads characters one ahead.
pub(super) struct Source<'a> {
    points: &'a [u32],
    pub(super) is_text: bool,
    index: usize,
    next: Option<Token>,
}

type Result<T> = std::result::Result<T, Fault>;

fn is(c: u32, set: &str) -> bool {
    u8::try_from(c).is_ok_and(|b| set.as_bytes().contains(&b))
}

fn is_digit(c: u32) -> bool {
    (0x30..0x3a).contains(&c)
}

fn is_octal(c: u32) -> bool {
    (0x30..0x38).contains(&c)
}

fn is_letter(c: u32) -> bool {
    u8::try_from(c).is_ok_and(|b| b.is_ascii_alphabetic())
}

impl<'a> Source<'a> {
    pub(super) fn new(points: &'a [u32], is_text: bool) -> Result<Source<'a>> {
        let mut source = Source { points, is_text, index: 0, next: None };
        source.advance()?;
        Ok(source)
    }

    fn advance(&mut self) -> Result<()> {
        let Some(&c) = self.points.get(self.index) else {
            self.next = None;
            return Ok(());
        };
        self.next = Some(if c == 0x5c {
            let Some(&escaped) = self.points.get(self.index + 1) else {
                return Err(Fault::Pattern(b"bad escape (end of pattern)".to_vec(), Some(self.points.len() - 1)));
            };
            self.index += 1;
            Token::Escape(escaped)
        } else {
            Token::Plain(c)
        });
        self.index += 1;
        Ok(())
    }

    pub(super) fn tell(&self) -> usize {
        self.index - self.next.map_or(0, Token::len)
    }

    fn seek(&mut self, index: usize) -> Result<()> {
        self.index = index;
        self.advance()
    }

    fn get(&mut self) -> Result<Option<Token>> {
        let this = self.next;
        if this.is_some() {
            self.advance()?;
        }
        Ok(this)
    }

    fn next_plain(&self) -> Option<u32> {
        match self.next {
            Some(Token::Plain(c)) => Some(c),
            _ => None,
        }
    }

    fn takes(&mut self, c: char) -> Result<bool> {
        if self.next_plain() == Some(c as u32) {
            self.advance()?;
            return Ok(true);
        }
        Ok(false)
    }

    fn get_while(&mut self, most: usize, set: fn(u32) -> bool, out: &mut Vec<u32>) -> Result<()> {
        for _ in 0..most {
            match self.next_plain() {
                Some(c) if set(c) => {
                    out.push(c);
                    self.advance()?;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// The text up to a character that ends it.
    fn until(&mut self, end: char, what: &str) -> Result<Vec<u32>> {
        let mut name = vec![];
        loop {
            let Some(token) = self.next else {
                if name.is_empty() {
                    return Err(self.error(format!("missing {what}"), 0));
                }
                return Err(self.error(format!("missing {end}, unterminated name"), name.len()));
            };
            self.advance()?;
            match token {
                Token::Plain(c) if c == end as u32 => {
                    if name.is_empty() {
                        return Err(self.error(format!("missing {what}"), 1));
                    }
                    return Ok(name);
                }
                Token::Plain(c) => name.push(c),
                Token::Escape(c) => name.extend([0x5c, c]),
            }
        }
    }

    pub(super) fn error(&self, message: impl Into<Vec<u8>>, back: usize) -> Fault {
        let mut message = message.into();
        if !self.is_text {
            message = escaped(&message);
        }
        Fault::Pattern(message, Some(self.tell() - back))
    }

    fn token_error(&self, before: &str, token: Token, back: usize) -> Fault {
        let mut message = before.as_bytes().to_vec();
        token.push(&mut message);
        self.error(message, back)
    }

    fn check_name(&self, name: &[u32], offset: usize) -> Result<()> {
        let text = text_of(name);
        if !self.is_text && !text.is_ascii() {
            let shown = repr::ascii_text(&text);
            return Err(self.error(format!("bad character in group name {shown}"), name.len() + offset));
        }
        if !unicode::is_identifier(&text) {
            let shown = repr::text(&text);
            return Err(self.error(format!("bad character in group name {shown}"), name.len() + offset));
        }
        Ok(())
    }
}

/// ASCII with escapes for the rest: how messages about patterns of bytes are.
fn escaped(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for c in wtf8::code_points(message) {
        match c {
            0..0x80 => out.push(c as u8),
            0x80..0x100 => out.extend(format!("\\x{c:02x}").bytes()),
            0x100..0x1_0000 => out.extend(format!("\\u{c:04x}").bytes()),
            _ => out.extend(format!("\\U{c:08x}").bytes()),
        }
    }
    out
}

fn text_of(points: &[u32]) -> Vec<u8> {
    let mut text = Vec::with_capacity(points.len());
    points.iter().for_each(|p| wtf8::push(&mut text, *p));
    text
}

fn number(digits: &[u32], radix: u64) -> u64 {
    let digit = |c: u32| u64::from(char::from_u32(c).and_then(|c| c.to_digit(36)).unwrap_or(0));
    digits.iter().fold(0u64, |n, c| n.saturating_mul(radix).saturating_add(digit(*c)))
}

fn shown(digits: &[u32]) -> String {
    digits.iter().filter_map(|c| char::from_u32(*c)).collect()
}

/// A decimal number as scripts print it: without leading zeros.
fn shown_number(digits: &[u32]) -> String {
    let text = shown(digits);
    let short = text.trim_start_matches('0');
    if short.is_empty() { "0".into() } else { short.into() }
}

/// What an escape stands for.
enum Escape {
    Literal(u32),
    Category(Category),
    Node(Node),
}

fn letter_category(c: u32) -> Option<Category> {
    Some(match u8::try_from(c).ok()? {
        b'd' => Category::Digit,
        b'D' => Category::NotDigit,
        b's' => Category::Space,
        b'S' => Category::NotSpace,
        b'w' => Category::Word,
        b'W' => Category::NotWord,
        _ => return None,
    })
}

fn letter_place(c: u32) -> Option<Place> {
    Some(match u8::try_from(c).ok()? {
        b'A' => Place::Start,
        b'Z' | b'z' => Place::Stop,
        b'b' => Place::Boundary,
        b'B' => Place::NonBoundary,
        _ => return None,
    })
}

fn letter_character(c: u32) -> Option<u32> {
    Some(match u8::try_from(c).ok()? {
        b'a' => 7,
        b'f' => 12,
        b'n' => 10,
        b'r' => 13,
        b't' => 9,
        b'v' => 11,
        b'\\' => 0x5c,
        _ => return None,
    })
}

fn flag_of(c: u32) -> Option<u32> {
    Some(match u8::try_from(c).ok()? {
        b'i' => flag::IGNORECASE,
        b'L' => flag::LOCALE,
        b'm' => flag::MULTILINE,
        b's' => flag::DOTALL,
        b'x' => flag::VERBOSE,
        b'a' => flag::ASCII,
        b'u' => flag::UNICODE,
        _ => return None,
    })
}

/// The flags that say what classes hold: one of them at a time.
pub(super) const TYPE_FLAGS: u32 = flag::ASCII | flag::LOCALE | flag::UNICODE;

struct Parser<'a> {
    source: Source<'a>,
    /// Whether there is room to go deeper on the machine's stack.
    room: &'a dyn Fn() -> bool,
    flags: u32,
    /// Widths of the groups closed so far, by number; 0 is the whole pattern.
    widths: Vec<Option<(u64, u64)>>,
    names: BTreeMap<Vec<u8>, u32>,
    /// Where conditions name groups by number that need not be there yet.
    conditions: Vec<(u64, usize)>,
    /// Number of groups when the outermost look-behind began.
    behind: Option<usize>,
    /// What scripts are to be warned of.
    warnings: &'a mut Vec<String>,
}

/// Reads a pattern: code points of a text, or bytes. `room` tells whether the machine's stack has room for another level of nesting;
/// `warnings` gets what scripts are to be warned of, whether the pattern is good or not.
pub fn parse(
    points: &[u32],
    is_text: bool,
    flags: u32,
    room: &dyn Fn() -> bool,
    warnings: &mut Vec<String>,
) -> Result<Parsed> {
    let source = Source::new(points, is_text)?;
    let mut parser = Parser {
        source,
        room,
        flags,
        widths: vec![None],
        names: BTreeMap::new(),
        conditions: vec![],
        behind: None,
        warnings,
    };
    let body = parser.alternatives(flags & flag::VERBOSE != 0, 0)?;
    let flags = fixed_flags(parser.flags, is_text)?;
    if parser.source.next.is_some() {
        return Err(parser.source.error("unbalanced parenthesis", 0));
    }
    for (group, at) in &parser.conditions {
        if *group >= parser.widths.len() as u64 {
            return Err(Fault::Pattern(format!("invalid group reference {group}").into_bytes(), Some(*at)));
        }
    }
    let mut names: Vec<(Vec<u8>, u32)> = parser.names.into_iter().collect();
    names.sort_by_key(|(_, group)| *group);
    Ok(Parsed { body, flags, groups: parser.widths.len() as u32 - 1, names, widths: parser.widths, is_text })
}

fn fixed_flags(flags: u32, is_text: bool) -> Result<u32> {
    let has = |bit: u32| flags & bit != 0;
    if is_text {
        if has(flag::LOCALE) {
            return Err(Fault::Value("cannot use LOCALE flag with a str pattern"));
        }
        if has(flag::ASCII) && has(flag::UNICODE) {
            return Err(Fault::Value("ASCII and UNICODE flags are incompatible"));
        }
        return Ok(if has(flag::ASCII) { flags } else { flags | flag::UNICODE });
    }
    if has(flag::UNICODE) {
        return Err(Fault::Value("cannot use UNICODE flag with a bytes pattern"));
    }
    if has(flag::LOCALE) && has(flag::ASCII) {
        return Err(Fault::Value("ASCII and LOCALE flags are incompatible"));
    }
    Ok(flags)
}

impl Parser<'_> {
    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }

    fn alternatives(&mut self, mut verbose: bool, nested: usize) -> Result<Seq> {
        if nested > MAX_NESTING || !(self.room)() {
            return Err(Fault::Recursion);
        }
        let mut items = vec![];
        loop {
            items.push(self.sequence(verbose, nested, nested == 0 && items.is_empty())?);
            if !self.source.takes('|')? {
                break;
            }
            if nested == 0 {
                verbose = self.flags & flag::VERBOSE != 0;
            }
        }
        if items.len() == 1 {
            return Ok(items.pop().unwrap_or_default());
        }
        Ok(joined(items))
    }

    fn sequence(&mut self, mut verbose: bool, nested: usize, first: bool) -> Result<Seq> {
        let mut seq: Seq = vec![];
        while let Some(this) = self.source.next {
            if let Token::Plain(c) = this
                && is(c, "|)")
            {
                break;
            }
            self.source.get()?;
            let c = match this {
                Token::Escape(c) => {
                    let node = match self.escape(c)? {
                        Escape::Literal(c) => Node::Literal(c),
                        Escape::Category(category) => {
                            Node::Class { negate: false, items: vec![Item::Category(category)] }
                        }
                        Escape::Node(node) => node,
                    };
                    seq.push(node);
                    continue;
                }
                Token::Plain(c) => c,
            };
            if verbose {
                if is(c, " \t\n\r\x0b\x0c") {
                    continue;
                }
                if c == '#' as u32 {
                    while let Some(token) = self.source.get()? {
                        if token == Token::Plain(10) {
                            break;
                        }
                    }
                    continue;
                }
            }
            match u8::try_from(c).unwrap_or(0) {
                b'[' => {
                    let node = self.class()?;
                    seq.push(node);
                }
                b'*' | b'+' | b'?' | b'{' => self.repeat(c, &mut seq)?,
                b'.' => seq.push(Node::Any),
                b'^' => seq.push(Node::At(Place::Beginning)),
                b'$' => seq.push(Node::At(Place::End)),
                b'(' => {
                    let at_start = first && seq.is_empty();
                    if let Some(node) = self.group(&mut verbose, nested, at_start)? {
                        seq.push(node);
                    }
                }
                _ => seq.push(Node::Literal(c)),
            }
        }
        // Groups that neither capture nor change flags are only brackets.
        if seq.iter().any(is_plain_group) {
            let mut flat = Vec::with_capacity(seq.len());
            for node in seq {
                match node {
                    Node::Group { id: None, add: 0, del: 0, body } => flat.extend(body),
                    node @ Node::Literal(_)
                    | node @ Node::NotLiteral(_)
                    | node @ Node::Any
                    | node @ Node::Class { .. }
                    | node @ Node::At(_)
                    | node @ Node::Branch(_)
                    | node @ Node::Repeat { .. }
                    | node @ Node::Group { .. }
                    | node @ Node::Atomic(_)
                    | node @ Node::Look { .. }
                    | node @ Node::Ref(_)
                    | node @ Node::Cond { .. }
                    | node @ Node::Fail => flat.push(node),
                }
            }
            seq = flat;
        }
        Ok(seq)
    }

    // ---- escapes ----

    /// `\x`, `\u`, `\U` and `\N`, which are the same within classes and outside. None if it is no such escape.
    fn coded(&mut self, c: u32) -> Result<Option<u32>> {
        let (digits, full) = match u8::try_from(c).unwrap_or(0) {
            b'x' => (2, 4),
            b'u' if self.source.is_text => (4, 6),
            b'U' if self.source.is_text => (8, 10),
            b'N' if self.source.is_text => {
                if !self.source.takes('{')? {
                    return Err(self.source.error("missing {", 0));
                }
                let name = self.source.until('}', "character name")?;
                let text = text_of(&name);
                let found = std::str::from_utf8(&text).ok().and_then(names::lookup);
                return match found {
                    Some(found) => Ok(Some(found as u32)),
                    None => {
                        let shown = repr::text(&text);
                        Err(self.source.error(format!("undefined character name {shown}"), name.len() + 4))
                    }
                };
            }
            _ => return Ok(None),
        };
        let mut text = vec![0x5c, c];
        self.source.get_while(digits, |c| char::from_u32(c).is_some_and(|c| c.is_ascii_hexdigit()), &mut text)?;
        if text.len() != full {
            return Err(self.source.error(format!("incomplete escape {}", shown(&text)), text.len()));
        }
        let value = number(&text[2..], 16);
        if value > 0x10_ffff {
            return Err(self.source.error(format!("bad escape {}", shown(&text)), text.len()));
        }
        Ok(Some(value as u32))
    }

    fn octal(&self, text: &[u32]) -> Result<u32> {
        let value = number(&text[1..], 8);
        if value > 0o377 {
            let message = format!("octal escape value {} outside of range 0-0o377", shown(text));
            return Err(self.source.error(message, text.len()));
        }
        Ok(value as u32)
    }

    fn class_escape(&mut self, c: u32) -> Result<Item> {
        if c == 'b' as u32 {
            return Ok(Item::Literal(8));
        }
        if let Some(c) = letter_character(c) {
            return Ok(Item::Literal(c));
        }
        if let Some(category) = letter_category(c) {
            return Ok(Item::Category(category));
        }
        if let Some(c) = self.coded(c)? {
            return Ok(Item::Literal(c));
        }
        if is_octal(c) {
            let mut text = vec![0x5c, c];
            self.source.get_while(2, is_octal, &mut text)?;
            return Ok(Item::Literal(self.octal(&text)?));
        }
        if is_digit(c) || is_letter(c) {
            return Err(self.source.token_error("bad escape ", Token::Escape(c), 2));
        }
        Ok(Item::Literal(c))
    }

    fn escape(&mut self, c: u32) -> Result<Escape> {
        if let Some(place) = letter_place(c) {
            return Ok(Escape::Node(Node::At(place)));
        }
        if let Some(category) = letter_category(c) {
            return Ok(Escape::Category(category));
        }
        if let Some(c) = letter_character(c) {
            return Ok(Escape::Literal(c));
        }
        if let Some(c) = self.coded(c)? {
            return Ok(Escape::Literal(c));
        }
        let mut text = vec![0x5c, c];
        if c == '0' as u32 {
            self.source.get_while(2, is_octal, &mut text)?;
            return Ok(Escape::Literal(number(&text[1..], 8) as u32));
        }
        if is_digit(c) {
            if let Some(second) = self.source.next_plain().filter(|c| is_digit(*c)) {
                text.push(second);
                self.source.get()?;
                if is_octal(c)
                    && is_octal(second)
                    && let Some(third) = self.source.next_plain().filter(|c| is_octal(*c))
                {
                    text.push(third);
                    self.source.get()?;
                    return Ok(Escape::Literal(self.octal(&text)?));
                }
            }
            let group = number(&text[1..], 10);
            if group < self.widths.len() as u64 {
                if self.widths[group as usize].is_none() {
                    return Err(self.source.error("cannot refer to an open group", text.len()));
                }
                self.check_behind(group)?;
                return Ok(Escape::Node(Node::Ref(group as u32)));
            }
            return Err(self.source.error(format!("invalid group reference {group}"), text.len() - 1));
        }
        if is_letter(c) {
            return Err(self.source.token_error("bad escape ", Token::Escape(c), 2));
        }
        Ok(Escape::Literal(c))
    }

    fn check_behind(&self, group: u64) -> Result<()> {
        let Some(behind) = self.behind else { return Ok(()) };
        let known = usize::try_from(group).ok().and_then(|g| self.widths.get(g)).copied().flatten();
        if known.is_none() {
            return Err(self.source.error("cannot refer to an open group", 0));
        }
        if group >= behind as u64 {
            return Err(self.source.error("cannot refer to group defined in the same lookbehind subpattern", 0));
        }
        Ok(())
    }

    // ---- classes ----

    fn class(&mut self) -> Result<Node> {
        let here = self.source.tell() - 1;
        if self.source.next_plain() == Some('[' as u32) {
            self.warn(format!("Possible nested set at position {}", self.source.tell()));
        }
        let negate = self.source.takes('^')?;
        let mut items: Vec<Item> = vec![];
        let unfinished = |source: &Source<'_>| source.error("unterminated character set", source.tell() - here);
        loop {
            let Some(this) = self.source.get()? else { return Err(unfinished(&self.source)) };
            let low = match this {
                Token::Plain(c) if c == ']' as u32 && !items.is_empty() => break,
                Token::Escape(c) => self.class_escape(c)?,
                Token::Plain(c) => {
                    if !items.is_empty() && is(c, "-&~|") && self.source.next == Some(this) {
                        let what = match c as u8 {
                            b'-' => "difference",
                            b'&' => "intersection",
                            b'~' => "symmetric difference",
                            _ => "union",
                        };
                        let at = self.source.tell() - 1;
                        self.warn(format!("Possible set {what} at position {at}"));
                    }
                    Item::Literal(c)
                }
            };
            if !self.source.takes('-')? {
                push_once(&mut items, low);
                continue;
            }
            let Some(that) = self.source.get()? else { return Err(unfinished(&self.source)) };
            let high = match that {
                Token::Plain(c) if c == ']' as u32 => {
                    push_once(&mut items, low);
                    push_once(&mut items, Item::Literal('-' as u32));
                    break;
                }
                Token::Escape(c) => self.class_escape(c)?,
                Token::Plain(c) => {
                    if c == '-' as u32 {
                        let at = self.source.tell() - 2;
                        self.warn(format!("Possible set difference at position {at}"));
                    }
                    Item::Literal(c)
                }
            };
            match (low, high) {
                (Item::Literal(low), Item::Literal(high)) if low <= high => {
                    push_once(&mut items, Item::Range(low, high));
                }
                _ => {
                    let mut message = b"bad character range ".to_vec();
                    this.push(&mut message);
                    message.push(b'-');
                    that.push(&mut message);
                    return Err(self.source.error(message, this.len() + 1 + that.len()));
                }
            }
        }
        Ok(match items[..] {
            [Item::Literal(c)] if negate => Node::NotLiteral(c),
            [Item::Literal(c)] => Node::Literal(c),
            _ => Node::Class { negate, items },
        })
    }

    // ---- repetitions ----

    fn repeat(&mut self, c: u32, seq: &mut Seq) -> Result<()> {
        let here = self.source.tell();
        let (mut min, mut max) = (0, MANY);
        match c as u8 {
            b'?' => max = 1,
            b'*' => {}
            b'+' => min = 1,
            _ => {
                if self.source.next_plain() == Some('}' as u32) {
                    seq.push(Node::Literal(c));
                    return Ok(());
                }
                let (mut low, mut high) = (vec![], vec![]);
                self.source.get_while(usize::MAX, is_digit, &mut low)?;
                if self.source.takes(',')? {
                    self.source.get_while(usize::MAX, is_digit, &mut high)?;
                } else {
                    high.clone_from(&low);
                }
                if !self.source.takes('}')? {
                    seq.push(Node::Literal(c));
                    return self.source.seek(here);
                }
                let bound = |digits: &[u32]| match number(digits, 10) {
                    n if n >= u64::from(MANY) => Err(Fault::Overflow("the repetition number is too large")),
                    n => Ok(n as u32),
                };
                if !low.is_empty() {
                    min = bound(&low)?;
                }
                if !high.is_empty() {
                    max = bound(&high)?;
                    if max < min {
                        let back = self.source.tell() - here;
                        return Err(self.source.error("min repeat greater than max repeat", back));
                    }
                }
            }
        }
        let back = self.source.tell() - here + 1;
        let body = match seq.last() {
            None | Some(Node::At(_)) => return Err(self.source.error("nothing to repeat", back)),
            Some(Node::Repeat { .. }) => return Err(self.source.error("multiple repeat", back)),
            Some(_) => seq.pop(),
        };
        let body = match body {
            Some(Node::Group { id: None, add: 0, del: 0, body }) => body,
            other => other.into_iter().collect(),
        };
        let how = if self.source.takes('?')? {
            How::Lazy
        } else if self.source.takes('+')? {
            How::Possessive
        } else {
            How::Greedy
        };
        seq.push(Node::Repeat { how, min, max, body });
        Ok(())
    }

    // ---- groups ----

    fn unclosed(&self, start: usize) -> Fault {
        self.source.error("missing ), unterminated subpattern", self.source.tell() - start)
    }

    fn close(&mut self, start: usize) -> Result<()> {
        if self.source.takes(')')? { Ok(()) } else { Err(self.unclosed(start)) }
    }

    fn named(&mut self, name: &[u32]) -> Result<u32> {
        let text = text_of(name);
        match self.names.get(&text) {
            Some(group) => Ok(*group),
            None => {
                let shown = repr::text(&text);
                Err(self.source.error(format!("unknown group name {shown}"), name.len() + 1))
            }
        }
    }

    /// What follows an opening bracket. None if that matches nothing by itself: a comment, or flags.
    fn group(&mut self, verbose: &mut bool, nested: usize, at_start: bool) -> Result<Option<Node>> {
        let start = self.source.tell() - 1;
        let (mut capture, mut atomic, mut name) = (true, false, None);
        let (mut add, mut del) = (0, 0);
        if self.source.takes('?')? {
            let Some(token) = self.source.get()? else { return Err(self.source.error("unexpected end of pattern", 0)) };
            let c = match token {
                Token::Plain(c) => c,
                Token::Escape(_) => return Err(self.source.token_error("unknown extension ?", token, 3)),
            };
            match char::from_u32(c).unwrap_or(' ') {
                'P' => {
                    if self.source.takes('<')? {
                        let text = self.source.until('>', "group name")?;
                        self.source.check_name(&text, 1)?;
                        name = Some(text);
                    } else if self.source.takes('=')? {
                        let text = self.source.until(')', "group name")?;
                        self.source.check_name(&text, 1)?;
                        let group = self.named(&text)?;
                        if self.widths[group as usize].is_none() {
                            return Err(self.source.error("cannot refer to an open group", text.len() + 1));
                        }
                        self.check_behind(u64::from(group))?;
                        return Ok(Some(Node::Ref(group)));
                    } else {
                        let Some(token) = self.source.get()? else {
                            return Err(self.source.error("unexpected end of pattern", 0));
                        };
                        return Err(self.source.token_error("unknown extension ?P", token, token.len() + 2));
                    }
                }
                ':' => capture = false,
                '#' => {
                    loop {
                        if self.source.next.is_none() {
                            let back = self.source.tell() - start;
                            return Err(self.source.error("missing ), unterminated comment", back));
                        }
                        if self.source.get()? == Some(Token::Plain(')' as u32)) {
                            break;
                        }
                    }
                    return Ok(None);
                }
                '=' | '!' | '<' => return self.look(c, *verbose, nested, start).map(Some),
                '(' => return self.condition(*verbose, nested, start).map(Some),
                '>' => {
                    capture = false;
                    atomic = true;
                }
                other if flag_of(c).is_some() || other == '-' => {
                    match self.flags(c)? {
                        None => {
                            if !at_start {
                                let back = self.source.tell() - start;
                                let message = "global flags not at the start of the expression";
                                return Err(self.source.error(message, back));
                            }
                            *verbose = self.flags & flag::VERBOSE != 0;
                            return Ok(None);
                        }
                        Some((on, off)) => (add, del) = (on, off),
                    }
                    capture = false;
                }
                _ => return Err(self.source.token_error("unknown extension ?", token, 2)),
            }
        }
        let id = if capture { Some(self.open(name)?) } else { None };
        let inner_verbose = (*verbose || add & flag::VERBOSE != 0) && del & flag::VERBOSE == 0;
        let body = self.alternatives(inner_verbose, nested + 1)?;
        self.close(start)?;
        if let Some(id) = id {
            self.widths[id as usize] = Some(width(&body, &self.widths));
        }
        Ok(Some(if atomic { Node::Atomic(body) } else { Node::Group { id, add, del, body } }))
    }

    fn open(&mut self, name: Option<Vec<u32>>) -> Result<u32> {
        let id = self.widths.len() as u32;
        self.widths.push(None);
        if let Some(name) = name {
            let text = text_of(&name);
            if let Some(was) = self.names.get(&text) {
                let shown = repr::text(&text);
                let message = format!("redefinition of group name {shown} as group {id}; was group {was}");
                return Err(self.source.error(message, name.len() + 1));
            }
            self.names.insert(text, id);
        }
        Ok(id)
    }

    fn look(&mut self, c: u32, verbose: bool, nested: usize, start: usize) -> Result<Node> {
        let behind = c == '<' as u32;
        let mut c = c;
        let mut outermost = false;
        if behind {
            let Some(token) = self.source.get()? else { return Err(self.source.error("unexpected end of pattern", 0)) };
            match token {
                Token::Plain(kind) if is(kind, "=!") => c = kind,
                Token::Plain(_) | Token::Escape(_) => {
                    return Err(self.source.token_error("unknown extension ?<", token, token.len() + 2));
                }
            }
            outermost = self.behind.is_none();
            if outermost {
                self.behind = Some(self.widths.len());
            }
        }
        let body = self.alternatives(verbose, nested + 1)?;
        if outermost {
            self.behind = None;
        }
        self.close(start)?;
        let negate = c == '!' as u32;
        Ok(if negate && body.is_empty() { Node::Fail } else { Node::Look { behind, negate, body } })
    }

    fn condition(&mut self, verbose: bool, nested: usize, start: usize) -> Result<Node> {
        if nested >= MAX_NESTING {
            return Err(Fault::Recursion);
        }
        let name = self.source.until(')', "group name")?;
        let group = if name.iter().all(|c| is_digit(*c)) {
            let group = number(&name, 10);
            if group == 0 {
                return Err(self.source.error("bad group number", name.len() + 1));
            }
            if group >= MAX_GROUPS {
                let message = format!("invalid group reference {}", shown_number(&name));
                return Err(self.source.error(message, name.len() + 1));
            }
            if !self.conditions.iter().any(|(known, _)| *known == group) {
                self.conditions.push((group, self.source.tell() - name.len() - 1));
            }
            group
        } else {
            self.source.check_name(&name, 1)?;
            u64::from(self.named(&name)?)
        };
        self.check_behind(group)?;
        let yes = self.sequence(verbose, nested + 1, false)?;
        let mut no = None;
        if self.source.takes('|')? {
            no = Some(self.sequence(verbose, nested + 1, false)?);
            if self.source.next_plain() == Some('|' as u32) {
                return Err(self.source.error("conditional backref with more than two branches", 0));
            }
        }
        self.close(start)?;
        Ok(Node::Cond { group: group as u32, yes, no })
    }

    /// Flags in a group. None if they hold for the whole pattern.
    fn flags(&mut self, c: u32) -> Result<Option<(u32, u32)>> {
        let (mut add, mut del) = (0, 0);
        let alpha = |token: Token| matches!(token, Token::Plain(c) if unicode::is_alpha(c));
        let mut end = c;
        if c != '-' as u32 {
            let mut c = c;
            loop {
                let bit = flag_of(c).unwrap_or(0);
                if self.source.is_text && bit == flag::LOCALE {
                    return Err(self.source.error("bad inline flags: cannot use 'L' flag with a str pattern", 0));
                }
                if !self.source.is_text && bit == flag::UNICODE {
                    return Err(self.source.error("bad inline flags: cannot use 'u' flag with a bytes pattern", 0));
                }
                add |= bit;
                if bit & TYPE_FLAGS != 0 && add & TYPE_FLAGS != bit {
                    let message = "bad inline flags: flags 'a', 'u' and 'L' are incompatible";
                    return Err(self.source.error(message, 0));
                }
                let Some(token) = self.source.get()? else { return Err(self.source.error("missing -, : or )", 0)) };
                match token {
                    Token::Plain(next) if is(next, ")-:") => {
                        end = next;
                        break;
                    }
                    Token::Plain(next) if flag_of(next).is_some() => c = next,
                    Token::Plain(_) | Token::Escape(_) => {
                        let message = if alpha(token) { "unknown flag" } else { "missing -, : or )" };
                        return Err(self.source.error(message, token.len()));
                    }
                }
            }
        }
        if end == ')' as u32 {
            self.flags |= add;
            return Ok(None);
        }
        if end == '-' as u32 {
            let Some(mut token) = self.source.get()? else { return Err(self.source.error("missing flag", 0)) };
            let mut missing = "missing flag";
            loop {
                let bit = match token {
                    Token::Plain(c) => flag_of(c),
                    Token::Escape(_) => None,
                };
                let Some(bit) = bit else {
                    let message = if alpha(token) { "unknown flag" } else { missing };
                    return Err(self.source.error(message, token.len()));
                };
                if bit & TYPE_FLAGS != 0 {
                    let message = "bad inline flags: cannot turn off flags 'a', 'u' and 'L'";
                    return Err(self.source.error(message, 0));
                }
                del |= bit;
                let Some(next) = self.source.get()? else { return Err(self.source.error("missing :", 0)) };
                if next == Token::Plain(':' as u32) {
                    break;
                }
                missing = "missing :";
                token = next;
            }
        }
        if add & del != 0 {
            return Err(self.source.error("bad inline flags: flag turned on and off", 1));
        }
        Ok(Some((add, del)))
    }
}

fn is_plain_group(node: &Node) -> bool {
    matches!(node, Node::Group { id: None, add: 0, del: 0, .. })
}

fn push_once(items: &mut Vec<Item>, item: Item) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// Alternatives, with what all begin with before them; alternatives of one character each are a class.
fn joined(mut items: Vec<Seq>) -> Seq {
    let mut seq = vec![];
    while let Some(head) = items[0].first().cloned() {
        // What captures is in one place only.
        if !items.iter().all(|item| item.first() == Some(&head)) {
            break;
        }
        items.iter_mut().for_each(|item| {
            item.remove(0);
        });
        seq.push(head);
    }
    let mut class = vec![];
    for item in &items {
        match item.as_slice() {
            [Node::Literal(c)] => push_once(&mut class, Item::Literal(*c)),
            [Node::Class { negate: false, items }] => items.iter().for_each(|i| push_once(&mut class, *i)),
            _ => {
                seq.push(Node::Branch(items));
                return seq;
            }
        }
    }
    seq.push(Node::Class { negate: false, items: class });
    seq
}
