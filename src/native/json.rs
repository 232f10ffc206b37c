//! The module `_json`: whole texts and values where nothing is out of the ordinary. Whatever is (an error, a hook, a derived class, a great
//! depth) is left to the modules written in the language, which begin again and say what is to be said: nothing was done yet, and no script
//! was asked.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::Ordering;

use crate::heap::{Raw, Value, interrupt};
use crate::native::natives;
use crate::number::int::Int;
use crate::object::{Dict, List, Str, Tuple, int_value};

use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_json").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

/// What lies deeper is left to the modules written in the language.
const DEEPEST: usize = 5_000;

natives!(
    /// JSON, where it is plain.
    static FUNCTIONS: Functions;

    /// Return a tuple with the value of a text, or None.
    fn decode(cx: &mut Cx, text: Root) -> NativeResult {
        let Some(source) = text.get(cx).exact::<Str>().map(|text| text.held()) else { return Ok(Outcome::NONE) };
        let Some(source) = source.as_str() else { return Ok(Outcome::NONE) };
        if cx.heap.check(source.len().saturating_mul(4)).is_err() {
            return Ok(Outcome::NONE);
        }
        let mut reader = Reader::new(cx, source, 0);
        let Some(value) = reader.whole() else { return Ok(Outcome::NONE) };
        Ok(cx.tuple(&[Value::adopt(value)]).into())
    }

    /// Return a list with the value of a text, and a list of what hooks are to be asked for, or None. `hooks` has a bit for each: of an object, of
    /// an object as pairs (lists of two), of a float and of an int (both texts). For each value in turn the list has the number of the hook,
    /// the container and the key at which its result is to replace it.
    fn decode_for_hooks(cx: &mut Cx, text: Root, hooks: i64) -> NativeResult {
        let Some(source) = text.get(cx).exact::<Str>().map(|text| text.held()) else { return Ok(Outcome::NONE) };
        let Some(source) = source.as_str() else { return Ok(Outcome::NONE) };
        if cx.heap.check(source.len().saturating_mul(8)).is_err() {
            return Ok(Outcome::NONE);
        }
        let mut reader = Reader::new(cx, source, hooks);
        let Some(value) = reader.whole() else { return Ok(Outcome::NONE) };
        let whole = List::new(&reader.cx.heap, &[Value::adopt(value)]).value().raw();
        reader.note(whole, Raw::int(0));
        let notes = reader.notes;
        let notes = List::build(&cx.heap, notes.len(), |at| Value::adopt(notes[at])).value().raw();
        Ok(cx.tuple(&[Value::adopt(whole), Value::adopt(notes)]).into())
    }

    /// Return the text of a value, or None.
    fn encode(
        cx: &mut Cx,
        value: Root,
        ensure_ascii: bool,
        allow_nan: bool,
        sort_keys: bool,
        indent: Root,
        item_separator: Root,
        key_separator: Root,
    ) -> NativeResult {
        let text = |cx: &Cx, root: Root| root.get(cx).exact::<Str>().map(|text| text.as_bytes().to_vec());
        let (Some(item_separator), Some(key_separator)) = (text(cx, item_separator), text(cx, key_separator)) else {
            return Ok(Outcome::NONE);
        };
        let indent = match text(cx, indent) {
            None if !indent.get(cx).is_none() => return Ok(Outcome::NONE),
            indent => indent,
        };
        let mut writer = Writer {
            cx: &*cx,
            out: vec![],
            asked: ASKED,
            ensure_ascii,
            allow_nan,
            sort_keys,
            indent,
            item_separator,
            key_separator,
        };
        if writer.value(value.get(cx), 0).is_none() {
            return Ok(Outcome::NONE);
        }
        let out = writer.out;
        cx.checked_text(&out).map(Outcome::Value)
    }
);

/// Reads a text. Nothing is collected meanwhile, for no script runs.
struct Reader<'a> {
    cx: &'a mut Cx,
    bytes: &'a [u8],
    at: usize,
    keys: HashMap<&'a [u8], Raw>,
    /// The hooks there are.
    hooks: i64,
    /// The hook that the last value is for, if there is one.
    hook: Option<i64>,
    /// What is for hooks.
    notes: Vec<Raw>,
}

/// The hooks, by number.
const OBJECT: i64 = 0;
const PAIRS: i64 = 1;
const FLOAT: i64 = 2;
const INT: i64 = 3;

impl<'a> Reader<'a> {
    fn new(cx: &'a mut Cx, source: &'a str, hooks: i64) -> Reader<'a> {
        Reader { cx, bytes: source.as_bytes(), at: 0, keys: HashMap::new(), hooks, hook: None, notes: vec![] }
    }

    /// The only value of the text.
    fn whole(&mut self) -> Option<Raw> {
        self.blank();
        let value = self.value(0)?;
        self.blank();
        (self.at == self.bytes.len()).then_some(value)
    }

    /// Says that the last value is for a hook, if there is such a one.
    fn is_for(&mut self, hook: i64) -> bool {
        let given = self.hooks & 1 << hook != 0;
        if given {
            self.hook = Some(hook);
        }
        given
    }

    /// Notes where the last value is, if it is for a hook.
    fn note(&mut self, container: Raw, key: Raw) {
        if let Some(hook) = self.hook.take() {
            self.notes.extend([Raw::int(hook), container, key]);
        }
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn word(&mut self, word: &[u8], value: Raw) -> Option<Raw> {
        let fits = self.bytes[self.at..].starts_with(word);
        self.at += word.len();
        fits.then_some(value)
    }

    fn value(&mut self, depth: usize) -> Option<Raw> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string(false)
            }
            b'{' if depth < DEEPEST && self.cx.stack_is_left() => self.object(depth + 1),
            b'[' if depth < DEEPEST && self.cx.stack_is_left() => self.array(depth + 1),
            b'n' => self.word(b"null", Raw::NONE),
            b't' => self.word(b"true", Raw::TRUE),
            b'f' => self.word(b"false", Raw::FALSE),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<Raw> {
        self.at += 1;
        self.blank();
        if self.hooks != 0 {
            return self.array_for_hooks(depth);
        }
        let mut items: Vec<Raw> = vec![];
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                items.push(self.value(depth)?);
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        Some(List::build(&self.cx.heap, items.len(), |at| Value::adopt(items[at])).value().raw())
    }

    /// As `array`, where the list has to be there before its items.
    fn array_for_hooks(&mut self, depth: usize) -> Option<Raw> {
        let list = List::new(&self.cx.heap, &[]).value().raw();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(list);
        }
        for index in 0.. {
            let item = self.value(depth)?;
            self.push(list, item)?;
            self.note(list, Raw::int(index));
            if !self.goes_on(b']')? {
                break;
            }
        }
        Some(list)
    }

    /// Appends to a list.
    fn push(&mut self, list: Raw, item: Raw) -> Option<()> {
        Value::adopt(list).exact::<List>()?.push(self.cx.heap.forever(), Value::adopt(item)).ok()
    }

    /// Whether another item follows, or the end does.
    fn goes_on(&mut self, end: u8) -> Option<bool> {
        self.blank();
        let next = self.peek()?;
        self.at += 1;
        if next == b',' {
            self.blank();
            return Some(true);
        }
        (next == end).then_some(false)
    }

    fn object(&mut self, depth: usize) -> Option<Raw> {
        self.at += 1;
        self.blank();
        let pairs = self.hooks & 1 << PAIRS != 0;
        let made = match pairs {
            true => List::new(&self.cx.heap, &[]).value().raw(),
            false => Dict::new(&self.cx.heap).value().raw(),
        };
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                self.entry(made, pairs, depth)?;
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        let _ = self.is_for(PAIRS) || self.is_for(OBJECT);
        Some(made)
    }

    /// A key and its value, of a dict or a list of pairs.
    fn entry(&mut self, of: Raw, pairs: bool, depth: usize) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let key = self.string(true)?;
        self.blank();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.blank();
        let value = self.value(depth)?;
        if pairs {
            let pair = List::new(&self.cx.heap, &[Value::adopt(key), Value::adopt(value)]).value().raw();
            self.push(of, pair)?;
            self.note(pair, Raw::int(1));
            return Some(());
        }
        let len = |dict: Raw| Value::adopt(dict).exact::<Dict>().map_or(0, |dict| dict.len());
        let before = len(of);
        if !self.cx.dict_set_quickly(of, key, value) || self.hooks != 0 && len(of) == before {
            // A key that comes twice has a value that is for a hook and nowhere.
            return None;
        }
        self.note(of, key);
        Some(())
    }

    fn number(&mut self) -> Option<Raw> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        let mut whole = true;
        if self.peek() == Some(b'.') && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            self.digits();
            whole = false;
        }
        if let Some(b'e' | b'E') = self.peek() {
            let sign = matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-'));
            let first = self.at + 1 + usize::from(sign);
            if self.bytes.get(first).is_some_and(u8::is_ascii_digit) {
                self.at = first;
                self.digits();
                whole = false;
            }
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        if self.is_for(if whole { INT } else { FLOAT }) {
            return Some(self.cx.text_raw(text.as_bytes()));
        }
        if !whole {
            return text.parse().ok().map(Raw::float);
        }
        let small = text.parse().ok().map(Raw::int);
        small.or_else(|| Some(int_value(&self.cx.heap, Int::from(text.parse::<i128>().ok()?)).raw()))
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// The string whose opening quote was read; keys that occur again are the same text.
    fn string(&mut self, key: bool) -> Option<Raw> {
        let start = self.at;
        let (mut at, mut ascii) = (start, true);
        loop {
            match *self.bytes.get(at)? {
                b'"' => break,
                b'\\' => return self.escaped(start, at),
                0..0x20 => return None,
                byte => ascii &= byte < 0x80,
            }
            at += 1;
        }
        self.at = at + 1;
        let bytes = &self.bytes[start..at];
        if key && let Some(known) = self.keys.get(bytes) {
            return Some(known.copied());
        }
        let heap = &self.cx.heap;
        let text = match ascii {
            true => Str::ascii(heap, bytes).value().raw(),
            false => Str::from_parts(heap, &[bytes]).value().raw(),
        };
        if key {
            self.keys.insert(bytes, text.copied());
        }
        Some(text)
    }

    /// As `string`, with the first backslash at `at`.
    fn escaped(&mut self, start: usize, mut at: usize) -> Option<Raw> {
        let mut out = self.bytes[start..at].to_vec();
        loop {
            let byte = *self.bytes.get(at)?;
            at += 1;
            match byte {
                b'"' => break,
                0..0x20 => return None,
                b'\\' => {
                    let escape = *self.bytes.get(at)?;
                    at += 1;
                    let plain = match escape {
                        b'"' | b'\\' | b'/' => escape,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'u' => {
                            let mut code = self.hex(at)?;
                            at += 4;
                            if (0xD800..0xDC00).contains(&code) && self.bytes[at..].starts_with(b"\\u") {
                                let low = self.hex(at + 2)?;
                                if (0xDC00..0xE000).contains(&low) {
                                    code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
                                    at += 6;
                                }
                            }
                            // A lone surrogate is no character.
                            let character = char::from_u32(code)?;
                            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                            continue;
                        }
                        _ => return None,
                    };
                    out.push(plain);
                }
                byte => out.push(byte),
            }
        }
        self.at = at;
        Some(Str::from_parts(&self.cx.heap, &[&out]).value().raw())
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 4)?;
        digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
    }
}

/// Bytes between two looks around while a text is written.
const ASKED: usize = 1 << 16;

/// Writes a text; None where something is out of the ordinary.
struct Writer<'a> {
    cx: &'a Cx,
    out: Vec<u8>,
    /// The length up to which nothing has to be asked.
    asked: usize,
    ensure_ascii: bool,
    allow_nan: bool,
    sort_keys: bool,
    indent: Option<Vec<u8>>,
    item_separator: Vec<u8>,
    key_separator: Vec<u8>,
}

impl Writer<'_> {
    /// Looks now and then whether the text still fits into memory, and whether a signal waits: what is shared in a value is written each
    /// time, so that a small one can have an endless text. The library's own encoder then does what is to be done.
    #[inline]
    fn may_go_on(&mut self) -> Option<()> {
        if self.out.len() < self.asked {
            return Some(());
        }
        self.asked = self.out.len() + ASKED;
        let disturbed = self.cx.interrupt().load(Ordering::Relaxed) & (interrupt::SIGNAL | interrupt::STOP) != 0;
        // While it grows there is twice of it, and then the copy.
        let fits = self.cx.heap.check(self.out.len().saturating_mul(3)).is_ok();
        (fits && !disturbed).then_some(())
    }

    fn value(&mut self, value: Value<'_>, depth: usize) -> Option<()> {
        self.may_go_on()?;
        if let Some(text) = value.exact::<Str>() {
            return self.string(text.as_str()?);
        }
        if let Some(truth) = value.as_bool() {
            self.out.extend_from_slice(if truth { b"true" } else { b"false" });
            return Some(());
        }
        if let Some(int) = value.as_int() {
            return write!(self.out, "{int}").ok();
        }
        if value.is_none() {
            self.out.extend_from_slice(b"null");
            return Some(());
        }
        if let Some(float) = value.as_float() {
            return self.float(float);
        }
        if depth >= DEEPEST || !self.cx.stack_is_left() {
            return None;
        }
        if let Some(list) = value.exact::<List>() {
            return self.array(list.items(), depth + 1);
        }
        if let Some(tuple) = value.exact::<Tuple>() {
            return self.array(tuple.items(), depth + 1);
        }
        self.object(value.exact::<Dict>()?.iter(), depth + 1)
    }

    fn float(&mut self, float: f64) -> Option<()> {
        if float.is_finite() {
            self.out.extend_from_slice(crate::number::float_repr::repr(float).as_bytes());
            return Some(());
        }
        if !self.allow_nan {
            return None;
        }
        self.out.extend_from_slice(match float {
            _ if float.is_nan() => b"NaN",
            _ if float > 0.0 => b"Infinity",
            _ => b"-Infinity",
        });
        Some(())
    }

    /// A new line, if there are any.
    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push(b'\n');
            for _ in 0..depth {
                self.out.extend_from_slice(indent);
            }
        }
    }

    fn array<'h>(&mut self, items: impl ExactSizeIterator<Item = Value<'h>>, depth: usize) -> Option<()> {
        if items.len() == 0 {
            self.out.extend_from_slice(b"[]");
            return Some(());
        }
        self.out.push(b'[');
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.out.extend_from_slice(&self.item_separator);
            }
            self.line(depth);
            self.value(item, depth)?;
        }
        self.line(depth - 1);
        self.out.push(b']');
        Some(())
    }

    fn object<'h>(&mut self, items: impl Iterator<Item = (Value<'h>, Value<'h>)>, depth: usize) -> Option<()> {
        let mut items: Vec<(Value<'h>, Value<'h>)> = items.collect();
        if items.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Some(());
        }
        if self.sort_keys {
            // Bytes of UTF-8 are in the order of code points.
            if !items.iter().all(|(key, _)| key.exact::<Str>().is_some()) {
                return None;
            }
            items.sort_by_key(|(key, _)| key.exact::<Str>().map(|text| text.as_bytes()));
        }
        self.out.push(b'{');
        for (at, (key, value)) in items.into_iter().enumerate() {
            if at > 0 {
                self.out.extend_from_slice(&self.item_separator);
            }
            self.line(depth);
            match (key.exact::<Str>(), key.as_int()) {
                (Some(text), _) => self.string(text.as_str()?)?,
                (_, Some(int)) if key.as_bool().is_none() => write!(self.out, "\"{int}\"").ok()?,
                _ => return None,
            }
            self.out.extend_from_slice(&self.key_separator);
            self.value(value, depth)?;
        }
        self.line(depth - 1);
        self.out.push(b'}');
        Some(())
    }

    fn string(&mut self, text: &str) -> Option<()> {
        self.out.push(b'"');
        let plain = |byte: u8, ascii: bool| !(matches!(byte, b'"' | b'\\' | 0..0x20) || ascii && byte >= 0x7F);
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| !plain(byte, self.ensure_ascii)) {
            self.out.extend_from_slice(&rest.as_bytes()[..at]);
            let character = rest[at..].chars().next()?;
            match character {
                '"' => self.out.extend_from_slice(b"\\\""),
                '\\' => self.out.extend_from_slice(b"\\\\"),
                '\n' => self.out.extend_from_slice(b"\\n"),
                '\r' => self.out.extend_from_slice(b"\\r"),
                '\t' => self.out.extend_from_slice(b"\\t"),
                '\u{c}' => self.out.extend_from_slice(b"\\f"),
                '\u{8}' => self.out.extend_from_slice(b"\\b"),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let digit = |shift: u32| b"0123456789abcdef"[usize::from(*unit >> shift) & 0xF];
                        self.out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
                    }
                }
            }
            rest = &rest[at + character.len_utf8()..];
        }
        self.out.extend_from_slice(rest.as_bytes());
        self.out.push(b'"');
        Some(())
    }
}
