//! The module `_pickle_plain`: pickles of what is plain (None, numbers, texts, bytes, tuples, lists, dicts and no class derived from them; instances
//! of classes that have no say in how they are pickled), written and read at once. Anything else, and whatever is wrong, is left to `stdlib/_pickle.aio` and `_unpickle.aio`, which begin again: nothing was
//! done yet, and no script was asked.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::{Bytes, Dict, Instance, List, Str, Tuple};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use super::pickle_classes;

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_pickle_plain").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

/// What lies deeper is left to the modules written in the language.
const DEEPEST: usize = 5_000;
/// Items between two marks.
const BATCH: usize = 1000;
/// A frame ends before a value once it has so many bytes; longer texts and bytes stand outside of frames.
const FRAME: usize = 64 * 1024;
/// A frame that is shorter has no head.
const FRAME_MIN: usize = 4;
const FRAME_HEAD: usize = 9;

natives!(
    /// Pickles of plain values.
    static FUNCTIONS: Functions;

    /// Return the pickle of a value, by protocol 4 or 5, or None.
    fn dumps(cx: &mut Cx, value: Root, protocol: i64) -> NativeResult {
        if !(4..=5).contains(&protocol) {
            return Ok(Outcome::NONE);
        }
        let mut writer = Writer { cx: &*cx, out: vec![0x80, protocol as u8], frame: None, memo: HashMap::default() };
        if writer.save(value.get(cx), 0).is_none() {
            return Ok(Outcome::NONE);
        }
        writer.write(b".");
        writer.end_frame();
        let out = writer.out;
        cx.check_room(out.len())?;
        Ok(Bytes::new(&cx.heap, &out).into())
    }

    /// Return a tuple with the value of a pickle, or None.
    fn loads(cx: &mut Cx, data: Root) -> NativeResult {
        let Some(bytes) = data.get(cx).exact::<Bytes>().map(|bytes| bytes.held()) else { return Ok(Outcome::NONE) };
        let bytes = bytes.as_bytes();
        if cx.heap.check(bytes.len().saturating_mul(8)).is_err() {
            return Ok(Outcome::NONE);
        }
        let mut reader = Reader { cx, bytes, at: 0, stack: vec![], marks: vec![], memo: vec![] };
        match reader.run() {
            Some(value) => Ok(cx.tuple(&[Value::adopt(value)]).into()),
            None => Ok(Outcome::NONE),
        }
    }
);

/// Addresses are as good as hashes once they are spread.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, n: u64) {
        self.0 = (n ^ (n >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Takes values apart.
struct Writer<'a> {
    cx: &'a Cx,
    out: Vec<u8>,
    /// Where the open frame begins.
    frame: Option<usize>,
    /// The numbers of what was written, by identity.
    memo: HashMap<u64, u32, BuildHasherDefault<Spread>>,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) {
        if self.frame.is_none() {
            self.frame = Some(self.out.len());
            self.out.extend_from_slice(&[0; FRAME_HEAD]);
        }
        self.out.extend_from_slice(bytes);
    }

    fn end_frame(&mut self) {
        let Some(start) = self.frame.take() else { return };
        let length = self.out.len() - start - FRAME_HEAD;
        if length < FRAME_MIN {
            self.out.drain(start..start + FRAME_HEAD);
        } else {
            self.out[start] = 0x95;
            self.out[start + 1..start + FRAME_HEAD].copy_from_slice(&(length as u64).to_le_bytes());
        }
    }

    /// A head and what belongs to it; what is long stands outside of frames.
    fn payload(&mut self, head: &[u8], bytes: &[u8]) {
        if bytes.len() < FRAME {
            self.write(head);
            self.out.extend_from_slice(bytes);
            return;
        }
        self.end_frame();
        self.out.extend_from_slice(head);
        self.out.extend_from_slice(bytes);
    }

    fn memoize(&mut self, value: Value<'_>) {
        let number = self.memo.len() as u32;
        self.memo.insert(value.raw().bits(), number);
        self.write(&[0x94]);
    }

    fn get(&mut self, number: u32) {
        match u8::try_from(number) {
            Ok(number) => self.write(&[b'h', number]),
            Err(_) => {
                self.write(b"j");
                self.out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    fn known(&self, value: Value<'_>) -> Option<u32> {
        self.memo.get(&value.raw().bits()).copied()
    }

    fn save(&mut self, value: Value<'_>, depth: usize) -> Option<()> {
        if self.frame.is_some_and(|start| self.out.len() - start - FRAME_HEAD >= FRAME) {
            self.end_frame();
        }
        self.plain(value, depth)?;
        // A value that takes more than there is room for is refused by whoever begins again.
        let long = self.out.len() >= 1 << 20 && self.out.len().is_power_of_two();
        if long && self.cx.heap.check(self.out.len()).is_err() { None } else { Some(()) }
    }

    fn plain(&mut self, value: Value<'_>, depth: usize) -> Option<()> {
        if value.is_none() {
            self.write(b"N");
        } else if let Some(flag) = value.as_bool() {
            self.write(if flag { &[0x88] } else { &[0x89] });
        } else if let Some(n) = value.as_int() {
            self.int(n);
        } else if let Some(x) = value.as_float() {
            self.write(b"G");
            self.out.extend_from_slice(&x.to_be_bytes());
        } else if value.is_subclassed() {
            return None;
        } else if let Some(text) = value.exact::<Str>() {
            match self.known(value) {
                Some(number) => self.get(number),
                None => {
                    self.sized(text.as_bytes(), 0x8C, b'X', 0x8D);
                    self.memoize(value);
                }
            }
        } else if let Some(bytes) = value.exact::<Bytes>() {
            match self.known(value) {
                Some(number) => self.get(number),
                None => {
                    self.sized(bytes.as_bytes(), b'C', b'B', 0x8E);
                    self.memoize(value);
                }
            }
        } else if depth >= DEEPEST || !self.cx.stack_is_left() {
            return None;
        } else if let Some(tuple) = value.exact::<Tuple>() {
            return self.tuple(value, tuple.items(), tuple.len(), depth);
        } else if let Some(list) = value.exact::<List>() {
            if let Some(number) = self.known(value) {
                self.get(number);
                return Some(());
            }
            self.write(b"]");
            self.memoize(value);
            let size = list.len();
            for (index, item) in list.items().enumerate() {
                if size > 1 && index % BATCH == 0 {
                    self.write(b"(");
                }
                self.save(item, depth + 1)?;
                if size == 1 {
                    self.write(b"a");
                } else if index % BATCH == BATCH - 1 || index == size - 1 {
                    self.write(b"e");
                }
            }
        } else if let Some(instance) = value.exact::<Instance>() {
            return self.instance(value, instance, depth);
        } else if let Some(dict) = value.exact::<Dict>() {
            if let Some(number) = self.known(value) {
                self.get(number);
                return Some(());
            }
            self.write(b"}");
            self.memoize(value);
            return self.pairs(dict.iter(), dict.len(), depth);
        } else {
            return None;
        }
        Some(())
    }

    /// What is in a dict that was begun.
    fn pairs<'v>(
        &mut self,
        pairs: impl Iterator<Item = (Value<'v>, Value<'v>)>,
        size: usize,
        depth: usize,
    ) -> Option<()> {
        if size > 1 {
            self.write(b"(");
        }
        let mut count = 0;
        for (key, item) in pairs {
            if count == BATCH {
                self.write(b"u(");
                count = 0;
            }
            self.save(key, depth + 1)?;
            self.save(item, depth + 1)?;
            count += 1;
        }
        match size {
            0 => {}
            1 => self.write(b"s"),
            _ if count == BATCH => self.write(b"u(u"),
            _ => self.write(b"u"),
        }
        Some(())
    }

    /// An instance that is reduced to its class and its attributes.
    fn instance(&mut self, value: Value<'_>, instance: Gc<'_, Instance>, depth: usize) -> Option<()> {
        if let Some(number) = self.known(value) {
            self.get(number);
            return Some(());
        }
        let cx = self.cx;
        let class = cx.class_of(value);
        match self.known(class.value()) {
            Some(number) => self.get(number),
            None => {
                for name in pickle_classes::names_of(cx, class)? {
                    self.save(Value::adopt(name), depth + 1)?;
                }
                self.write(&[0x93]);
                self.memoize(class.value());
            }
        }
        self.write(b")\x81");
        self.memoize(value);
        if let Some(dict) = instance.dict() {
            if !dict.is_empty() {
                self.save(dict.value(), depth + 1)?;
                self.write(b"b");
            }
            return Some(());
        }
        let attributes = pickle_classes::attributes(cx, instance)?;
        if !attributes.is_empty() {
            self.write(b"}");
            // The dict there would be has a number of its own.
            let number = self.memo.len() as u32;
            self.memo.insert(!value.raw().bits(), number);
            self.write(&[0x94]);
            let size = attributes.len();
            self.pairs(attributes.into_iter(), size, depth)?;
            self.write(b"b");
        }
        Some(())
    }

    fn tuple<'v>(
        &mut self,
        value: Value<'_>,
        items: impl Iterator<Item = Value<'v>>,
        size: usize,
        depth: usize,
    ) -> Option<()> {
        if size == 0 {
            self.write(b")");
            return Some(());
        }
        if let Some(number) = self.known(value) {
            self.get(number);
            return Some(());
        }
        if size > 3 {
            self.write(b"(");
        }
        for item in items {
            self.save(item, depth + 1)?;
        }
        if self.known(value).is_some() {
            // It contains itself.
            return None;
        }
        match size {
            1 => self.write(&[0x85]),
            2 => self.write(&[0x86]),
            3 => self.write(&[0x87]),
            _ => self.write(b"t"),
        }
        self.memoize(value);
        Some(())
    }

    fn int(&mut self, n: i64) {
        if let Ok(n) = u8::try_from(n) {
            self.write(&[b'K', n]);
        } else if let Ok(n) = u16::try_from(n) {
            self.write(b"M");
            self.out.extend_from_slice(&n.to_le_bytes());
        } else if let Ok(n) = i32::try_from(n) {
            self.write(b"J");
            self.out.extend_from_slice(&n.to_le_bytes());
        } else {
            let bytes = n.to_le_bytes();
            // As few bytes as keep the sign.
            let size = (1..8).find(|size| n << (64 - 8 * size) >> (64 - 8 * size) == n).unwrap_or(8);
            self.write(&[0x8A, size as u8]);
            self.out.extend_from_slice(&bytes[..size]);
        }
    }

    fn sized(&mut self, bytes: &[u8], short: u8, medium: u8, long: u8) {
        let length = bytes.len();
        if let Ok(length) = u8::try_from(length) {
            self.payload(&[short, length], bytes);
        } else if let Ok(length) = u32::try_from(length) {
            let mut head = [medium, 0, 0, 0, 0];
            head[1..].copy_from_slice(&length.to_le_bytes());
            self.payload(&head, bytes);
        } else {
            let mut head = [long, 0, 0, 0, 0, 0, 0, 0, 0];
            head[1..].copy_from_slice(&(length as u64).to_le_bytes());
            self.payload(&head, bytes);
        }
    }
}

/// Runs a pickle. Nothing is collected meanwhile, for no script runs.
struct Reader<'a> {
    cx: &'a mut Cx,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Raw>,
    marks: Vec<usize>,
    memo: Vec<Raw>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N)?);
        Some(u64::from_le_bytes(bytes))
    }

    fn text(&mut self, length: u64) -> Option<()> {
        let bytes = self.take(usize::try_from(length).ok()?)?;
        let text = std::str::from_utf8(bytes).ok()?;
        let made = Str::new(&self.cx.heap, text).value().raw();
        self.stack.push(made);
        Some(())
    }

    fn bytes(&mut self, length: u64) -> Option<()> {
        let bytes = self.take(usize::try_from(length).ok()?)?;
        let made = Bytes::new(&self.cx.heap, bytes).value().raw();
        self.stack.push(made);
        Some(())
    }

    fn remembered(&mut self, index: u64) -> Option<()> {
        let found = *self.memo.get(usize::try_from(index).ok()?)?;
        self.stack.push(found);
        Some(())
    }

    /// Where the last values begin, so many that are above the last mark.
    fn own(&self, count: usize) -> Option<usize> {
        let from = self.stack.len().checked_sub(count)?;
        self.marks.last().is_none_or(|mark| from >= *mark).then_some(from)
    }

    fn tuple(&mut self, from: usize) -> Option<()> {
        let items: Vec<Value<'_>> = self.stack.get(from..)?.iter().map(|raw| Value::adopt(*raw)).collect();
        let made = self.cx.tuple(&items).value().raw();
        self.stack.truncate(from);
        self.stack.push(made);
        Some(())
    }

    fn append(&mut self, from: usize) -> Option<()> {
        if self.marks.last().is_some_and(|mark| from <= *mark) {
            return None;
        }
        let list = *self.stack.get(from.checked_sub(1)?)?;
        let list = Value::adopt(list).exact::<List>()?;
        list.reserve(&self.cx.heap, self.stack.len() - from).ok()?;
        for raw in self.stack.drain(from..) {
            list.push(&self.cx.heap, Value::adopt(raw)).ok()?;
        }
        Some(())
    }

    fn set_items(&mut self, from: usize) -> Option<()> {
        if self.marks.last().is_some_and(|mark| from <= *mark) {
            return None;
        }
        let dict = *self.stack.get(from.checked_sub(1)?)?;
        Value::adopt(dict).exact::<Dict>()?;
        if !(self.stack.len() - from).is_multiple_of(2) {
            return None;
        }
        for pair in self.stack.get(from..)?.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if !self.cx.dict_set_quickly(dict, key, value) {
                return None;
            }
        }
        self.stack.truncate(from);
        Some(())
    }

    fn run(&mut self) -> Option<Raw> {
        loop {
            let op = self.number::<1>()? as u8;
            match op {
                0x80 => drop((self.number::<1>()? <= 5).then_some(())?),
                0x95 => {
                    let length = usize::try_from(self.number::<8>()?).ok()?;
                    if length > self.bytes.len() - self.at {
                        return None;
                    }
                }
                b'N' => self.stack.push(Raw::NONE),
                0x88 => self.stack.push(Raw::TRUE),
                0x89 => self.stack.push(Raw::FALSE),
                b'K' => {
                    let n = self.number::<1>()?;
                    self.stack.push(Raw::int(n as i64));
                }
                b'M' => {
                    let n = self.number::<2>()?;
                    self.stack.push(Raw::int(n as i64));
                }
                b'J' => {
                    let n = self.number::<4>()? as u32 as i32;
                    self.stack.push(Raw::int(i64::from(n)));
                }
                0x8A => {
                    let size = self.number::<1>()? as usize;
                    let bytes = self.take(size)?;
                    if size > 8 {
                        return None;
                    }
                    let mut all = [0; 8];
                    all[..size].copy_from_slice(bytes);
                    let shift = 64 - 8 * size as u32;
                    let n = if size == 0 { 0 } else { i64::from_le_bytes(all) << shift >> shift };
                    self.stack.push(Raw::int(n));
                }
                b'G' => {
                    let x = f64::from_be_bytes(self.take(8)?.try_into().ok()?);
                    self.stack.push(Value::float(x).raw());
                }
                0x8C => {
                    let n = self.number::<1>()?;
                    self.text(n)?;
                }
                b'X' => {
                    let n = self.number::<4>()?;
                    self.text(n)?;
                }
                0x8D => {
                    let n = self.number::<8>()?;
                    self.text(n)?;
                }
                b'C' => {
                    let n = self.number::<1>()?;
                    self.bytes(n)?;
                }
                b'B' => {
                    let n = self.number::<4>()?;
                    self.bytes(n)?;
                }
                0x8E => {
                    let n = self.number::<8>()?;
                    self.bytes(n)?;
                }
                0x94 => {
                    let top = *self.stack.last()?;
                    self.memo.push(top);
                }
                b'h' => {
                    let n = self.number::<1>()?;
                    self.remembered(n)?;
                }
                b'j' => {
                    let n = self.number::<4>()?;
                    self.remembered(n)?;
                }
                b')' => {
                    let made = self.cx.tuple(&[]).value().raw();
                    self.stack.push(made);
                }
                0x85..=0x87 => {
                    let from = self.stack.len().checked_sub(usize::from(op - 0x84))?;
                    // What lies below a mark is not its own.
                    if self.marks.last().is_some_and(|mark| from < *mark) {
                        return None;
                    }
                    self.tuple(from)?;
                }
                b't' => {
                    let from = self.marks.pop()?;
                    self.tuple(from)?;
                }
                b']' => {
                    let made = List::new(&self.cx.heap, &[]).value().raw();
                    self.stack.push(made);
                }
                b'}' => {
                    let made = Dict::new(&self.cx.heap).value().raw();
                    self.stack.push(made);
                }
                0x93 => {
                    let from = self.own(2)?;
                    let [module, name] = [0, 1].map(|at| Value::<'static>::adopt(self.stack[from + at]));
                    let class = pickle_classes::named(self.cx, module.exact()?, name.exact()?)?.value().raw();
                    self.stack.truncate(from);
                    self.stack.push(class);
                }
                0x81 => {
                    let from = self.own(2)?;
                    let [class, args] = [0, 1].map(|at| Value::<'static>::adopt(self.stack[from + at]));
                    args.exact::<Tuple>().filter(|args| args.is_empty())?;
                    let made = pickle_classes::made(self.cx, class.exact()?)?;
                    self.stack.truncate(from);
                    self.stack.push(made);
                }
                b'b' => {
                    let from = self.own(2)?;
                    let [object, state] = [0, 1].map(|at| self.stack[from + at]);
                    pickle_classes::restore(self.cx, object, state)?;
                    self.stack.truncate(from + 1);
                }
                b'(' => self.marks.push(self.stack.len()),
                b'a' => {
                    let from = self.stack.len().checked_sub(1)?;
                    self.append(from)?;
                }
                b'e' => {
                    let from = self.marks.pop()?;
                    self.append(from)?;
                }
                b's' => {
                    let from = self.stack.len().checked_sub(2)?;
                    self.set_items(from)?;
                }
                b'u' => {
                    let from = self.marks.pop()?;
                    self.set_items(from)?;
                }
                b'.' => return self.marks.is_empty().then(|| self.stack.pop()).flatten(),
                _ => return None,
            }
        }
    }
}
