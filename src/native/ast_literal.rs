//! What `ast.literal_eval` makes of the usual texts: numbers, texts without escapes, lists, tuples, dicts and sets of them. Whatever else stands
//! in a text, and whatever is wrong with it, is left to the parser: nothing was done yet, and no script was asked.

use crate::heap::{Raw, Value};
use crate::number::float::parse_float;
use crate::object::{Dict, List, Set, Str, Tuple};
use crate::vm::native::Cx;

/// What is nested deeper, or longer, is left to the parser.
const DEEPEST: usize = 90;
const LONGEST: usize = 1 << 20;
/// As many digits as always fit an int.
const DIGITS: usize = 18;

/// The value of a text.
pub(super) fn read(cx: &mut Cx, text: &str) -> Option<Raw> {
    if text.len() > LONGEST {
        return None;
    }
    let mut reader = Reader { cx, bytes: text.as_bytes(), at: 0 };
    reader.skip(b" \t");
    let value = reader.value(0)?;
    reader.skip(b" \t\n");
    (reader.at == reader.bytes.len()).then_some(value)
}

/// A text being read. Nothing is collected meanwhile, for no script runs.
struct Reader<'a> {
    cx: &'a mut Cx,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, blanks: &[u8]) {
        while self.peek().is_some_and(|byte| blanks.contains(&byte)) {
            self.at += 1;
        }
    }

    /// What stands next within brackets.
    fn next(&mut self) -> Option<u8> {
        self.skip(b" \t\n");
        self.peek()
    }

    fn value(&mut self, depth: usize) -> Option<Raw> {
        if depth > DEEPEST {
            return None;
        }
        match self.peek()? {
            b'[' => {
                let items = self.items(b']', depth)?.0;
                Some(List::new(&self.cx.heap, &adopted(&items)).value().raw())
            }
            b'(' => match self.items(b')', depth)? {
                (items, false) if items.len() == 1 => Some(items[0]),
                (items, _) => Some(Tuple::new(&self.cx.heap, &adopted(&items)).value().raw()),
            },
            b'{' => self.braces(depth),
            b'"' | b'\'' => self.text(),
            sign @ (b'-' | b'+') => {
                self.at += 1;
                self.skip(b" \t");
                self.number(sign == b'-')
            }
            b'0'..=b'9' | b'.' => self.number(false),
            _ => [("None", Raw::NONE), ("True", Raw::TRUE), ("False", Raw::FALSE)]
                .into_iter()
                .find_map(|(word, value)| self.word(word).then_some(value)),
        }
    }

    /// Whether a word stands here by itself, which is then taken.
    fn word(&mut self, word: &str) -> bool {
        let stands = self.bytes[self.at..].starts_with(word.as_bytes()) && !self.goes_on(self.at + word.len());
        if stands {
            self.at += word.len();
        }
        stands
    }

    /// Whether a word or number that ends before a place would go on there.
    fn goes_on(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | 0x80..))
    }

    /// Values up to a closing bracket, and whether a comma follows one of them.
    fn items(&mut self, close: u8, depth: usize) -> Option<(Vec<Raw>, bool)> {
        self.at += 1;
        let (mut items, mut comma) = (vec![], false);
        while self.next()? != close {
            items.push(self.value(depth + 1)?);
            match self.next()? {
                b',' => {
                    comma = true;
                    self.at += 1;
                }
                byte if byte == close => {}
                _ => return None,
            }
        }
        self.at += 1;
        Some((items, comma))
    }

    fn braces(&mut self, depth: usize) -> Option<Raw> {
        self.at += 1;
        let dict = Dict::new(&self.cx.heap).value().raw();
        if self.next()? == b'}' {
            self.at += 1;
            return Some(dict);
        }
        let mut set = None;
        let mut first = true;
        while self.next()? != b'}' {
            let key = self.value(depth + 1)?;
            if self.next()? == b':' && (first || set.is_none()) {
                self.at += 1;
                self.next()?;
                let value = self.value(depth + 1)?;
                self.cx.dict_set_quickly(dict, key, value).then_some(())?;
            } else if first || set.is_some() {
                let set = *set.get_or_insert_with(|| Set::new(&self.cx.heap).value().raw());
                self.cx.set_add_quickly(set, key).then_some(())?;
            } else {
                return None;
            }
            first = false;
            match self.next()? {
                b',' => self.at += 1,
                b'}' => {}
                _ => return None,
            }
        }
        self.at += 1;
        Some(set.unwrap_or(dict))
    }

    /// A text without escapes, in single quotes of either kind, which no other follows.
    fn text(&mut self) -> Option<Raw> {
        let quote = self.peek()?;
        let start = self.at + 1;
        let length = self.bytes[start..].iter().position(|b| *b == quote || matches!(b, b'\\' | b'\n' | b'\r' | 0))?;
        let end = start + length;
        if self.bytes[end] != quote || length == 0 && self.bytes.get(end + 1) == Some(&quote) {
            return None;
        }
        self.at = end + 1;
        self.skip(b" \t\n");
        if matches!(self.peek(), Some(b'"' | b'\'')) || self.goes_on(self.at) {
            return None;
        }
        let text = std::str::from_utf8(&self.bytes[start..end]).ok()?;
        Some(Str::new(&self.cx.heap, text).value().raw())
    }

    fn number(&mut self, negative: bool) -> Option<Raw> {
        let start = self.at;
        self.skip(b"0123456789");
        let whole = self.at - start;
        let mut float = false;
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            self.skip(b"0123456789");
            if self.at - start == 1 {
                return None;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            float = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let digits = self.at;
            self.skip(b"0123456789");
            if self.at == digits {
                return None;
            }
        }
        let digits = &self.bytes[start..self.at];
        if self.goes_on(self.at) {
            return None;
        }
        if float {
            let x = parse_float(digits)?;
            return Some(Raw::float(if negative { -x } else { x }));
        }
        if whole == 0 || whole > DIGITS || whole > 1 && digits[0] == b'0' {
            return None;
        }
        let number = digits.iter().fold(0i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some(Raw::int(if negative { -number } else { number }))
    }
}

fn adopted(raws: &[Raw]) -> Vec<Value<'_>> {
    raws.iter().map(|raw| Value::adopt(*raw)).collect()
}
