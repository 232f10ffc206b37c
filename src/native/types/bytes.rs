//! bytes and bytearray: their methods and operators. What both have is declared once.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::number::Fault;
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Exc, List, Slice, Str, Tuple};
use crate::text::percent::{self, Resolved};
use crate::text::search::{self, Justify, StripSet};
use crate::text::{MAX_LENGTH, repr as text_repr};
use crate::vm::Name;
use crate::vm::bytearray_literal;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

use super::bounds::{search_range, slice_range};
use super::text::{derived, index_too_large, is_derived, wrong_receiver};
use super::text_codec::{codec_name, decode_bytes, encode_text};
use super::text_format::{PercentArgs, percent_number};
use super::text_ops::{repeat_count, repetitions, to_be_joined};

/// What the algorithms are told of bytes.
const BYTES: search::Kind = search::Kind::Bytes;

/// The bytes of an argument: borrowed where they can't change, copied where they can.
type Content = Cow<'static, [u8]>;

/// Which of the two types a method is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Bytes,
    ByteArray,
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Of::Bytes => "bytes",
            Of::ByteArray => "bytearray",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Of::Bytes => Kind::Bytes,
            Of::ByteArray => Kind::ByteArray,
        }
    }

    /// A new object of the type.
    fn make(self, cx: &mut Cx, bytes: &[u8]) -> Result<Raw, Raised> {
        if bytes.len() > MAX_LENGTH || cx.heap.check(bytes.len()).is_err() {
            return Err(cx.memory_error());
        }
        match self {
            Of::Bytes => Ok(Bytes::new(&cx.heap, bytes).value().raw()),
            Of::ByteArray => new_bytearray(cx, bytes),
        }
    }

    /// The object itself where it can't change and is exactly of the type, else a new one.
    fn same(self, cx: &mut Cx, this: Root, bytes: &[u8]) -> NativeResult {
        if self == Of::Bytes {
            return done(cx.payload(this.get(cx)).raw());
        }
        done(self.make(cx, bytes)?)
    }
}

/// A bytearray with a copy of these bytes.
pub(crate) fn new_bytearray(cx: &mut Cx, bytes: &[u8]) -> Result<Raw, Raised> {
    let made = ByteArray::new(&cx.heap, bytes).map(|array| array.value().raw());
    made.map_err(|_| cx.memory_error())
}

/// The bytes of a bytes-like object, which may be one of a class with `__buffer__`.
pub(crate) fn buffer_of(cx: &mut Cx, root: Root) -> Option<Content> {
    match value_bytes(cx, root.get(cx)) {
        Some(content) => Some(content),
        None => cx.scripted_bytes(root).map(Cow::Owned),
    }
}

/// As `buffer_of`, for a value of a builtin class.
pub(crate) fn value_bytes(cx: &Cx, value: Value<'_>) -> Option<Content> {
    let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
    match payload.kind() {
        Kind::Bytes => payload.exact::<Bytes>().map(|b| Cow::Borrowed(b.as_bytes())),
        Kind::ByteArray => payload.exact::<ByteArray>().map(|b| Cow::Owned(b.to_vec())),
        Kind::Array => payload.exact::<crate::object::Array>().map(|a| Cow::Owned(a.memory().to_vec())),
        Kind::MemoryView => {
            let view = payload.exact::<crate::object::MemoryView>().filter(|view| !view.released.get());
            view.map(|v| Cow::Owned(v.to_vec()))
        }
        _ => None,
    }
}

/// A bytes-like argument.
pub(crate) fn bytes_like(cx: &mut Cx, root: Root) -> Result<Content, Raised> {
    if let Some(bytes) = buffer_of(cx, root) {
        return Ok(bytes);
    }
    check_released(cx, root)?;
    let got = cx.type_name_for_error(root.get(cx));
    Err(cx.type_error(format!("a bytes-like object is required, not '{got}'")))
}

/// A memoryview that was released has no bytes any more.
fn check_released(cx: &mut Cx, root: Root) -> Result<(), Raised> {
    match root.get(cx).exact::<crate::object::MemoryView>() {
        Some(view) if view.released.get() => Err(cx.value_error("operation forbidden on released memoryview object")),
        _ => Ok(()),
    }
}

fn receiver(cx: &mut Cx, this: Root, method: &str, of: Of) -> Result<Content, Raised> {
    if this.get(cx).kind() == of.kind()
        && let Some(bytes) = buffer_of(cx, this)
    {
        // What comes of it may be longer, and is built before it is a cell.
        cx.check_room(bytes.len().saturating_mul(3))?;
        return Ok(bytes);
    }
    Err(wrong_receiver(cx, this, method, of.name()))
}

/// The bytearray a method was called on.
fn array(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, ByteArray>, Raised> {
    let payload: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
    match payload.exact::<ByteArray>() {
        Some(array) => Ok(array),
        None => Err(wrong_receiver(cx, this, method, "bytearray")),
    }
}

fn done(raw: Raw) -> NativeResult {
    Ok(Outcome::Value(raw))
}

fn check<T>(cx: &mut Cx, result: Result<T, Fault>) -> Result<T, Raised> {
    result.map_err(|fault| cx.fault(fault))
}

/// Replaces a range of a bytearray.
fn splice(cx: &mut Cx, array: Gc<'static, ByteArray>, start: usize, end: usize, bytes: &[u8]) -> Result<(), Raised> {
    if bytes.len() != end - start && array.exports.get() > 0 && cx.count_views(array) > 0 {
        return Err(cx.raise_text(Exc::BufferError, "Existing exports of data: object cannot be re-sized"));
    }
    if array.len() + bytes.len() > MAX_LENGTH || splice_heap(cx, array, start, end, bytes).is_err() {
        return Err(cx.memory_error());
    }
    Ok(())
}

fn splice_heap(
    cx: &Cx,
    array: Gc<'static, ByteArray>,
    start: usize,
    end: usize,
    bytes: &[u8],
) -> Result<(), crate::heap::OutOfMemory> {
    let array: Gc<'_, ByteArray> = array;
    array.splice(&cx.heap, start, end, bytes)
}

/// An integer argument that must be a byte.
fn byte(cx: &mut Cx, root: Root) -> Result<u8, Raised> {
    if let Some(small) = root.get(cx).as_int()
        && let Ok(byte) = u8::try_from(small)
    {
        return Ok(byte);
    }
    let mark = cx.mark();
    let index = cx.index(root)?;
    let number = as_int_ref(cx.payload(index.get(cx))).and_then(|n| n.to_i64());
    cx.release(mark);
    match number.and_then(|n| u8::try_from(n).ok()) {
        Some(byte) => Ok(byte),
        None => Err(cx.value_error("byte must be in range(0, 256)")),
    }
}

pub(super) fn is_index(cx: &mut Cx, root: Root) -> Result<bool, Raised> {
    let kind = root.get(cx).kind();
    Ok(matches!(kind, Kind::Int | Kind::True | Kind::False | Kind::BigInt)
        || cx.own_method(root, Name::Index)?.is_some())
}

/// What a search looks for: bytes, or one byte given as a number.
fn needle(cx: &mut Cx, root: Root) -> Result<Content, Raised> {
    if let Some(bytes) = buffer_of(cx, root) {
        return Ok(bytes);
    }
    if is_index(cx, root)? {
        return Ok(Cow::Owned(vec![byte(cx, root)?]));
    }
    check_released(cx, root)?;
    let got = cx.type_name_for_error(root.get(cx));
    Err(cx.type_error(format!("argument should be integer or bytes-like object, not '{got}'")))
}

fn find_place(
    cx: &mut Cx,
    (of, this, sub): (Of, Root, Root),
    (start, end): (Option<Root>, Option<Root>),
    method: &'static str,
) -> Result<Option<usize>, Raised> {
    let bytes = receiver(cx, this, method, of)?;
    let (start, end) = search_range(cx, start, end, bytes.len())?;
    let needle = needle(cx, sub)?;
    if start > end {
        return Ok(None);
    }
    let part = &bytes[start..end];
    let found = if method.starts_with('r') { search::rfind(part, &needle) } else { search::find(part, &needle) };
    Ok(found.map(|at| start + at))
}

fn starts_or_ends(
    cx: &mut Cx,
    (of, this, affix): (Of, Root, Root),
    (start, end): (Option<Root>, Option<Root>),
    method: &'static str,
) -> Result<bool, Raised> {
    let bytes = receiver(cx, this, method, of)?;
    let (start, end) = search_range(cx, start, end, bytes.len())?;
    let part = if start > end { None } else { Some(&bytes[start..end]) };
    let matches = |affix: &[u8]| {
        part.is_some_and(|p| if method == "startswith" { p.starts_with(affix) } else { p.ends_with(affix) })
    };
    let payload: Value<'static> = Value::adopt(cx.payload(affix.get(cx)).raw());
    if let Some(tuple) = payload.exact::<Tuple>() {
        for item in tuple.items() {
            let mark = cx.mark();
            let root = cx.push_raw(item.raw());
            let content = buffer_of(cx, root);
            cx.release(mark);
            match content {
                Some(affix) if matches(&affix) => return Ok(true),
                Some(_) => {}
                None => {
                    let got = cx.type_name_for_error(item);
                    return Err(cx.type_error(format!("a bytes-like object is required, not '{got}'")));
                }
            }
        }
        return Ok(false);
    }
    match buffer_of(cx, affix) {
        Some(affix) => Ok(matches(&affix)),
        None => {
            let got = cx.type_name_for_error(affix.get(cx));
            Err(cx.type_error(format!("{method} first arg must be bytes or a tuple of bytes, not {got}")))
        }
    }
}

fn strip_bytes(cx: &mut Cx, of: Of, this: Root, set: Option<Root>, method: &'static str) -> NativeResult {
    let bytes = receiver(cx, this, method, of)?;
    let (left, right) = (method != "rstrip", method != "lstrip");
    let stripped = match set {
        None => {
            let bytes = if left { search::trim_start(BYTES, &bytes) } else { &bytes };
            if right { search::trim_end(BYTES, bytes) } else { bytes }
        }
        Some(set) => {
            let set = StripSet::new(BYTES, &bytes_like(cx, set)?);
            let bytes = if left { set.trim_start(&bytes) } else { &bytes };
            if right { set.trim_end(bytes) } else { bytes }
        }
    };
    if stripped.len() == bytes.len() {
        return of.same(cx, this, &bytes);
    }
    done(of.make(cx, stripped)?)
}

fn list_of(cx: &mut Cx, of: Of, parts: &[&[u8]]) -> NativeResult {
    const MANY: usize = 4096;
    // Bytes that can't change stay where they are while a signal is seen to.
    if parts.len() > MANY && of == Of::Bytes {
        let list = List::new(&cx.heap, &[]).value().raw();
        let list = cx.push_raw(list);
        for (index, part) in parts.iter().enumerate() {
            cx.poll_at(index + 1)?;
            let item = of.make(cx, part)?;
            let heap = cx.heap.forever();
            list.get(cx).exact::<List>().expect("made above").held().push_unchecked(heap, Value::adopt(item));
        }
        return Ok(list.get(cx).into());
    }
    let mut items = Vec::with_capacity(parts.len());
    for part in parts {
        items.push(of.make(cx, part)?);
    }
    Ok(List::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).into())
}

fn split_bytes(cx: &mut Cx, of: Of, this: Root, sep: Option<Root>, most: i64, method: &'static str) -> NativeResult {
    let bytes = receiver(cx, this, method, of)?;
    let most = usize::try_from(most).ok();
    let from_left = method == "split";
    let sep = match sep {
        Some(sep) => Some(bytes_like(cx, sep)?),
        None => None,
    };
    if sep.as_ref().is_some_and(|s| s.is_empty()) {
        return Err(cx.value_error("empty separator"));
    }
    let parts: Vec<&[u8]> = match &sep {
        None if from_left => search::split_space(BYTES, &bytes, most).collect(),
        None => search::rsplit_space(BYTES, &bytes, most),
        Some(sep) if from_left => search::split(&bytes, sep, most).collect(),
        Some(sep) => search::rsplit(&bytes, sep, most),
    };
    list_of(cx, of, &parts)
}

fn partition_at(cx: &mut Cx, of: Of, this: Root, sep: Root, method: &'static str) -> NativeResult {
    let bytes = receiver(cx, this, method, of)?;
    let separator = bytes_like(cx, sep)?;
    if separator.is_empty() {
        return Err(cx.value_error("empty separator"));
    }
    let last = method == "rpartition";
    let found = if last { search::rfind(&bytes, &separator) } else { search::find(&bytes, &separator) };
    let parts: [&[u8]; 3] = match found {
        Some(at) => [&bytes[..at], &separator, &bytes[at + separator.len()..]],
        None if last => [b"", b"", &bytes],
        None => [&bytes, b"", b""],
    };
    let mut items = [Raw::NONE; 3];
    for (item, part) in items.iter_mut().zip(parts) {
        *item = of.make(cx, part)?;
    }
    Ok(Tuple::build(&cx.heap, 3, |i| Value::adopt(items[i])).into())
}

fn pad(
    cx: &mut Cx,
    of: Of,
    this: Root,
    width: i64,
    fill: Option<Root>,
    how: Justify,
    method: &'static str,
) -> NativeResult {
    let bytes = receiver(cx, this, method, of)?;
    let fill = match fill {
        None => b' ',
        Some(root) => {
            let value: Value<'static> = Value::adopt(cx.payload(root.get(cx)).raw());
            let content = if value.kind() == Kind::MemoryView { None } else { value_bytes(cx, value) };
            match content.as_deref() {
                Some(&[fill]) => fill,
                Some(other) => {
                    let (name, length) = (if value.kind() == Kind::Bytes { "bytes" } else { "bytearray" }, other.len());
                    return Err(cx.type_error(format!(
                        "{method}(): argument 2 must be a byte string of length 1, not a {name} object of length {length}"
                    )));
                }
                None => {
                    let none = root.get(cx).is_none();
                    let got = if none { "None".to_owned() } else { cx.type_name_for_error(root.get(cx)) };
                    return Err(
                        cx.type_error(format!("{method}() argument 2 must be a byte string of length 1, not {got}"))
                    );
                }
            }
        }
    };
    cx.check_room(usize::try_from(width).unwrap_or(0).saturating_mul(2))?;
    let padded = search::justify(BYTES, &bytes, usize::try_from(width).unwrap_or(0), u32::from(fill), how);
    match check(cx, padded)? {
        Some(padded) => done(of.make(cx, &padded)?),
        None => of.same(cx, this, &bytes),
    }
}

fn all(bytes: &[u8], property: fn(&u8) -> bool) -> bool {
    !bytes.is_empty() && bytes.iter().all(property)
}

/// Whether letters with a case are there, all of one kind.
fn cased(bytes: &[u8], wanted: fn(&u8) -> bool, other: fn(&u8) -> bool) -> bool {
    bytes.iter().any(wanted) && !bytes.iter().any(other)
}

fn title_case(bytes: &[u8]) -> Vec<u8> {
    let mut in_word = false;
    bytes
        .iter()
        .map(|b| {
            let letter = if in_word { b.to_ascii_lowercase() } else { b.to_ascii_uppercase() };
            in_word = b.is_ascii_alphabetic();
            letter
        })
        .collect()
}

fn is_title(bytes: &[u8]) -> bool {
    let (mut in_word, mut seen) = (false, false);
    for b in bytes {
        if b.is_ascii_uppercase() && in_word || b.is_ascii_lowercase() && !in_word {
            return false;
        }
        in_word = b.is_ascii_alphabetic();
        seen |= in_word;
    }
    seen
}

fn compare(
    cx: &mut Cx,
    of: Of,
    this: Root,
    other: Root,
    method: &'static str,
    holds: fn(Ordering) -> bool,
) -> NativeResult {
    let bytes = receiver(cx, this, method, of)?;
    // A bytearray compares itself with any buffer, bytes only with bytes.
    let buffer =
        if matches!(of, Of::Bytes) && other.get(cx).kind() != Kind::Bytes { None } else { buffer_of(cx, other) };
    Ok(match buffer {
        Some(other) => Outcome::from(holds((*bytes).cmp(&other))),
        None => Outcome::Value(Raw::NOT_IMPLEMENTED),
    })
}

fn no_concat(cx: &mut Cx, this: Root, value: Root) -> Raised {
    let (got, own) = (cx.type_name_for_error(value.get(cx)), cx.type_name_for_error(this.get(cx)));
    cx.type_error(format!("can't concat {got} to {own}"))
}

fn repeated(cx: &mut Cx, bytes: &[u8], count: Root) -> Result<Vec<u8>, Raised> {
    let count = usize::try_from(repeat_count(cx, count)?).unwrap_or(0);
    let length = bytes.len().checked_mul(count).filter(|n| *n <= MAX_LENGTH);
    if length.is_none_or(|n| cx.heap.check(2 * n).is_err()) {
        return Err(cx.memory_error());
    }
    Ok(bytes.repeat(count))
}

fn join_bytes(cx: &mut Cx, of: Of, this: Root, iterable: Root) -> NativeResult {
    let separator = receiver(cx, this, "join", of)?;
    let iterable_at_all =
        cx.own_method(iterable, Name::Iter)?.is_some() || cx.own_method(iterable, Name::GetItem)?.is_some();
    if !iterable_at_all {
        return Err(cx.type_error("can only join an iterable".to_owned()));
    }
    let plain = matches!(iterable.get(cx).kind(), Kind::List | Kind::Tuple) && !iterable.get(cx).is_subclassed();
    let items = if plain {
        iterable
    } else {
        let iterable = to_be_joined(cx, iterable)?;
        cx.list_of_items(iterable)?
    };
    let value: Value<'static> = Value::adopt(items.get(cx).raw());
    let values: Vec<Value<'static>> = match (value.exact::<List>(), value.exact::<Tuple>()) {
        (Some(list), _) => list.items().collect(),
        (_, Some(tuple)) => tuple.items().collect(),
        _ => vec![],
    };
    let (mut out, mut checked) = (Vec::new(), 0);
    for (index, item) in values.into_iter().enumerate() {
        let content = match value_bytes(cx, item) {
            Some(content) => Some(content),
            None => {
                let mark = cx.mark();
                let root = cx.push_raw(item.raw());
                let content = buffer_of(cx, root);
                cx.release(mark);
                content
            }
        };
        let Some(bytes) = content else {
            let got = cx.type_name_for_error(item);
            return Err(cx.type_error(format!("sequence item {index}: expected a bytes-like object, {got} found")));
        };
        cx.check_growth(out.len() + separator.len() + bytes.len(), &mut checked)?;
        if index > 0 {
            out.extend_from_slice(&separator);
        }
        out.extend_from_slice(&bytes);
        if out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
    }
    done(of.make(cx, &out)?)
}

/// `%` with a template of bytes.
fn percent_bytes(cx: &mut Cx, pattern: &[u8], values: Root) -> Result<Vec<u8>, Raised> {
    let mut args = PercentArgs::new(cx, values, true)?;
    let mut out: Vec<u8> = Vec::with_capacity(pattern.len() + 16);
    for piece in percent::bytes_template(pattern, args.is_mapping()) {
        let conversion = match check(cx, piece)? {
            percent::Piece::Literal(text) => {
                out.extend_from_slice(text);
                continue;
            }
            percent::Piece::Conversion(conversion) => conversion,
        };
        let mark = cx.mark();
        if let Some(key) = conversion.key {
            let raw = Bytes::new(&cx.heap, key).value().raw();
            args.keyed(cx, raw)?;
        }
        let width = args.size(cx, conversion.width, false)?;
        let precision = args.size(cx, conversion.precision, true)?;
        let how = Resolved::new(&conversion, width, precision);
        let how = check(cx, how)?;
        let kind = u8::try_from(conversion.kind).unwrap_or(0);
        let value = args.next(cx)?;
        if cx.heap.check(how.room()).is_err() {
            return Err(cx.memory_error());
        }
        match kind {
            b'r' | b'a' => {
                let text = cx.ascii(value)?;
                how.format_bytes(&mut out, cx.as_str(text.get(cx)).expect("a text").as_bytes());
            }
            b's' | b'b' => {
                let bytes = match buffer_of(cx, value) {
                    Some(bytes) => bytes,
                    None if cx.own_method(value, Name::Bytes)?.is_some() => {
                        let made = cx.call_special(value, Name::Bytes, &[])?.expect("just found");
                        bytes_like(cx, made)?
                    }
                    None => {
                        let got = cx.type_name_for_error(value.get(cx));
                        return Err(cx.type_error(format!(
                            "%b requires a bytes-like object, or an object that implements __bytes__, not '{got}'"
                        )));
                    }
                };
                how.format_bytes(&mut out, &bytes);
            }
            b'c' => match buffer_of(cx, value) {
                Some(bytes) if bytes.len() == 1 => {
                    let whole = Resolved { precision: None, ..how };
                    whole.format_bytes(&mut out, &bytes);
                }
                Some(bytes) => {
                    let got = cx.type_name_for_error(value.get(cx));
                    let text = format!(
                        "%c requires an integer in range(256) or a single byte, not a {got} object of length {}",
                        bytes.len()
                    );
                    return Err(cx.type_error(text));
                }
                None if is_index(cx, value)? => {
                    let index = cx.index(value)?;
                    let result = how.format_byte(&mut out, as_int_ref(cx.payload(index.get(cx))).expect("an int"));
                    check(cx, result)?;
                }
                None => {
                    let got = cx.type_name_for_error(value.get(cx));
                    let text = format!("%c requires an integer in range(256) or a single byte, not {got}");
                    return Err(cx.type_error(text));
                }
            },
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                percent_number(cx, &mut out, &how, value, true)?;
            }
            _ => return Err(cx.fault(conversion.unsupported(false))),
        }
        if out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        cx.release(mark);
    }
    args.finish(cx, "bytes")?;
    Ok(out)
}

/// The digits of bytes, in groups counted from the end (negative: from the start).
fn hex_text(bytes: &[u8], sep: Option<u8>, group: i64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 3);
    let size = group.unsigned_abs() as usize;
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(sep) = sep
            && size > 0
            && index > 0
        {
            let at_boundary = if group > 0 { (bytes.len() - index).is_multiple_of(size) } else { index % size == 0 };
            if at_boundary {
                out.push(char::from(sep));
            }
        }
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// `hex(sep, bytes_per_sep)` of bytes.
pub(super) fn hex_of(cx: &mut Cx, bytes: &[u8], sep: Option<Root>, group: i64) -> NativeResult {
    let sep = match sep {
        None => None,
        Some(root) => {
            let value: Value<'static> = Value::adopt(cx.payload(root.get(cx)).raw());
            let text = match (value.exact::<Str>(), value.exact::<Bytes>()) {
                (Some(text), _) => text.as_bytes(),
                (_, Some(bytes)) => bytes.as_bytes(),
                _ => {
                    if cx.length(root)? != 1 {
                        return Err(cx.value_error("sep must be length 1."));
                    }
                    return Err(cx.type_error("sep must be str or bytes.".to_owned()));
                }
            };
            let chars = if value.kind() == Kind::Str { crate::text::wtf8::count(text) } else { text.len() };
            if chars != 1 {
                return Err(cx.value_error("sep must be length 1."));
            }
            if !text.is_ascii() {
                return Err(cx.value_error("sep must be ASCII."));
            }
            Some(text[0])
        }
    };
    let text = hex_text(bytes, sep, group);
    done(cx.checked_text(text.as_bytes())?)
}

fn from_hex(cx: &mut Cx, string: Root) -> Result<Vec<u8>, Raised> {
    let bytes: Content = if let Some(text) = cx.as_str(string.get(cx)) {
        Cow::Borrowed(text.held().as_bytes())
    } else if let Some(bytes) = buffer_of(cx, string) {
        bytes
    } else {
        let got = cx.type_name_for_error(string.get(cx));
        return Err(cx.type_error(format!("fromhex() argument must be str or bytes-like, not {got}")));
    };
    let wrong = |cx: &mut Cx, at: usize| {
        // Positions count characters.
        let at = bytes[..at].iter().filter(|b| **b & 0xC0 != 0x80).count();
        cx.value_error(format!("non-hexadecimal number found in fromhex() arg at position {at}"))
    };
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(bytes.len() / 2);
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b' ' | b'\t'..=b'\r') {
            at += 1;
            continue;
        }
        let Some(high) = digit(bytes[at]) else { return Err(wrong(cx, at)) };
        let Some(&next) = bytes.get(at + 1) else {
            return Err(cx.value_error("fromhex() arg must contain an even number of hexadecimal digits"));
        };
        let Some(low) = digit(next) else { return Err(wrong(cx, at + 1)) };
        out.push(high << 4 | low);
        at += 2;
    }
    Ok(out)
}

/// The bytes that the arguments of `bytes` or `bytearray` stand for.
fn constructed(
    cx: &mut Cx,
    of: Of,
    source: Option<Root>,
    encoding: Option<Root>,
    errors: Option<Root>,
) -> Result<Vec<u8>, Raised> {
    let has_encoding = encoding.is_some();
    let has_errors = errors.is_some();
    let encoding = codec_name(cx, encoding, of.name(), "encoding")?;
    let errors = codec_name(cx, errors, of.name(), "errors")?;
    let Some(source) = source else {
        if has_encoding || has_errors {
            let what = if has_encoding { "encoding" } else { "errors" };
            return Err(cx.type_error(format!("{what} without a string argument")));
        }
        return Ok(vec![]);
    };
    if cx.as_str(source.get(cx)).is_some() && (has_encoding || has_errors || of == Of::ByteArray) {
        if !has_encoding {
            return Err(cx.type_error("string argument without an encoding".to_owned()));
        }
        let raw = encode_text(cx, source, encoding, errors)?;
        return Ok(Value::adopt(raw).exact::<Bytes>().expect("encoded").as_bytes().to_vec());
    }
    if has_encoding || has_errors {
        let what = if has_encoding { "encoding" } else { "errors" };
        return Err(cx.type_error(format!("{what} without a string argument")));
    }
    if of == Of::Bytes && !is_exact_buffer(source.get(cx)) && cx.own_method(source, Name::Bytes)?.is_some() {
        let made = cx.call_special(source, Name::Bytes, &[])?.expect("just found");
        if made.get(cx).kind() != Kind::Bytes {
            let got = cx.type_name_for_error(made.get(cx));
            return Err(cx.type_error(format!("__bytes__ returned non-bytes (type {got})")));
        }
        return Ok(buffer_of(cx, made).expect("bytes").into_owned());
    }
    if cx.as_str(source.get(cx)).is_some() {
        return Err(cx.type_error("string argument without an encoding".to_owned()));
    }
    if is_index(cx, source)? {
        let mark = cx.mark();
        let index = match cx.index(source) {
            Ok(index) => index,
            // It may have items still.
            Err(raised) if cx.raised_is(Exc::TypeError) => {
                cx.take_raised(raised);
                cx.release(mark);
                return bytes_of_items(cx, of, source);
            }
            Err(raised) => return Err(raised),
        };
        let number = as_int_ref(cx.payload(index.get(cx))).and_then(|n| n.to_i64());
        cx.release(mark);
        return match number {
            None => {
                let got = cx.type_name_for_error(source.get(cx));
                Err(cx.overflow_error(&format!("cannot fit '{got}' into an index-sized integer")))
            }
            Some(negative) if negative < 0 => Err(cx.value_error("negative count")),
            Some(count) if count as usize > MAX_LENGTH || cx.heap.check(2 * count as usize).is_err() => {
                Err(cx.memory_error())
            }
            Some(count) => Ok(vec![0; count as usize]),
        };
    }
    if let Some(bytes) = buffer_of(cx, source) {
        return Ok(bytes.into_owned());
    }
    check_released(cx, source)?;
    bytes_of_items(cx, of, source)
}

fn is_exact_buffer(value: Value<'_>) -> bool {
    !value.is_subclassed() && matches!(value.kind(), Kind::Bytes | Kind::ByteArray | Kind::MemoryView)
}

/// The bytes of an iterable of integers.
fn bytes_of_items(cx: &mut Cx, of: Of, source: Root) -> Result<Vec<u8>, Raised> {
    let iterable = cx.own_method(source, Name::Iter)?.is_some() || cx.own_method(source, Name::GetItem)?.is_some();
    if !iterable {
        let got = cx.type_name_for_error(source.get(cx));
        return Err(cx.type_error(format!("cannot convert '{got}' object to {}", of.name())));
    }
    let mut out = Vec::new();
    let source = cx.iter_with_hint(source)?;
    cx.for_each(source, &mut |cx: &mut Cx, item: Root| {
        let value = item.get(cx);
        if let Some(small) = value.as_int()
            && let Ok(byte) = u8::try_from(small)
        {
            out.push(byte);
            return Ok(());
        }
        let index = cx.index(item)?;
        let number = as_int_ref(cx.payload(index.get(cx))).and_then(|n| n.to_i64());
        match number.and_then(|n| u8::try_from(n).ok()) {
            Some(byte) => {
                out.push(byte);
                Ok(())
            }
            None => {
                let what = if of == Of::Bytes { "bytes" } else { "byte" };
                Err(cx.value_error(format!("{what} must be in range(0, 256)")))
            }
        }
    })?;
    Ok(out)
}

/// An index given to a bytearray's item.
fn item_index(cx: &mut Cx, key: Root, of: Of) -> Result<i64, Raised> {
    match repetitions(cx, key).map_err(|raised| index_too_large(cx, raised, key))? {
        Some(index) => Ok(index),
        None => {
            let got = cx.type_name_for_error(key.get(cx));
            let what = if of == Of::Bytes { "byte" } else { "bytearray" };
            Err(cx.type_error(format!("{what} indices must be integers or slices, not {got}")))
        }
    }
}

/// An index that may count from the end, brought into the range; an error if it is out of it.
fn place(cx: &mut Cx, index: i64, length: usize, message: &str) -> Result<usize, Raised> {
    let at = if index < 0 { index + length as i64 } else { index };
    if (0..length as i64).contains(&at) { Ok(at as usize) } else { Err(cx.index_error(message)) }
}

fn get_item(cx: &mut Cx, of: Of, this: Root, key: Root) -> NativeResult {
    // One byte of a bytearray is read without copying the others.
    let value: Value<'static> = Value::adopt(key.get(cx).raw());
    if let Some(slice) = value.exact::<Slice>() {
        let bytes = receiver(cx, this, "__getitem__", of)?;
        let range = slice_range(cx, slice, bytes.len())?;
        if range.step == 1 {
            let start = range.start as usize;
            if range.count == bytes.len() {
                return of.same(cx, this, &bytes);
            }
            return done(of.make(cx, &bytes[start..start + range.count])?);
        }
        let picked: Vec<u8> = range.indices().map(|i| bytes[i]).collect();
        return done(of.make(cx, &picked)?);
    }
    let index = item_index(cx, key, of)?;
    let payload: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
    let byte = match (of, payload.exact::<Bytes>(), payload.exact::<ByteArray>()) {
        (Of::Bytes, Some(bytes), _) => bytes.as_bytes()[place(cx, index, bytes.len(), "index out of range")?],
        (Of::ByteArray, _, Some(array)) => {
            array.cells()[place(cx, index, array.len(), "bytearray index out of range")?].get()
        }
        _ => return Err(wrong_receiver(cx, this, "__getitem__", of.name())),
    };
    Ok(i64::from(byte).into())
}

/// Stores into, or with no value deletes, an item or slice of a bytearray.
fn change_item(cx: &mut Cx, this: Root, key: Root, value: Option<Root>, method: &'static str) -> Result<(), Raised> {
    let array = array(cx, this, method)?;
    let key_value: Value<'static> = Value::adopt(key.get(cx).raw());
    let Some(slice) = key_value.exact::<Slice>() else {
        let index = item_index(cx, key, Of::ByteArray)?;
        return match value {
            Some(value) => {
                let byte = byte(cx, value)?;
                let at = place(cx, index, array.len(), "bytearray index out of range")?;
                match array.cells().get(at) {
                    Some(cell) => cell.set(byte),
                    None => return Err(cx.index_error("bytearray index out of range")),
                }
                Ok(())
            }
            None => {
                let at = place(cx, index, array.len(), "bytearray index out of range")?;
                splice(cx, array, at, at + 1, b"")
            }
        };
    };
    slice_range(cx, slice, array.len())?;
    let new: Content = match value {
        None => Cow::Borrowed(b""),
        Some(value) => match buffer_of(cx, value) {
            Some(bytes) => bytes,
            None => {
                let number = matches!(cx.payload(value.get(cx)).kind(), Kind::Float | Kind::Complex | Kind::Str)
                    || cx.own_method(value, Name::Index)?.is_some()
                    || cx.own_method(value, Name::Int)?.is_some()
                    || cx.own_method(value, Name::Float)?.is_some();
                if number {
                    let text = "can assign only bytes, buffers, or iterables of ints in range(0, 256)";
                    return Err(cx.type_error(text.to_owned()));
                }
                Cow::Owned(bytes_of_items(cx, Of::ByteArray, value)?)
            }
        },
    };
    let range = slice_range(cx, slice, array.len())?;
    if range.step == 1 {
        let start = range.start as usize;
        return splice(cx, array, start, start + range.count, &new);
    }
    if value.is_none() {
        let mut gone: Vec<usize> = range.indices().collect();
        gone.sort_unstable();
        if gone.is_empty() {
            return Ok(());
        }
        let mut dead = gone.iter().peekable();
        let kept: Vec<u8> = array
            .to_vec()
            .into_iter()
            .enumerate()
            .filter(|(i, _)| dead.next_if(|d| **d == *i).is_none())
            .map(|(_, b)| b)
            .collect();
        return splice(cx, array, 0, array.len(), &kept);
    }
    if new.is_empty() && range.count > 0 || new.len() != range.count {
        if new.is_empty() {
            return change_item(cx, this, key, None, method);
        }
        let text = format!("attempt to assign bytes of size {} to extended slice of size {}", new.len(), range.count);
        return Err(cx.value_error(text));
    }
    let cells = array.cells();
    for (index, byte) in range.indices().zip(new.iter()) {
        cells[index].set(*byte);
    }
    Ok(())
}

/// What bytes and bytearray have in common, and what is the table's own.
macro_rules! bytes_table {
    ($(#[doc = $doc:literal])* $table:ident, $of:expr; $($own:tt)*) => {
        natives!(
            $(#[doc = $doc])*
            pub static $table: Methods;

            /// The ASCII letters small.
            fn lower(cx: &mut Cx, this: Root) -> NativeResult {
                let bytes = receiver(cx, this, "lower", $of)?;
                done($of.make(cx, &bytes.to_ascii_lowercase())?)
            }

            /// The ASCII letters as capitals.
            fn upper(cx: &mut Cx, this: Root) -> NativeResult {
                let bytes = receiver(cx, this, "upper", $of)?;
                done($of.make(cx, &bytes.to_ascii_uppercase())?)
            }

            /// Every word with a capital first and small letters after it.
            fn title(cx: &mut Cx, this: Root) -> NativeResult {
                let bytes = receiver(cx, this, "title", $of)?;
                done($of.make(cx, &title_case(&bytes))?)
            }

            /// A capital first and small letters after it.
            fn capitalize(cx: &mut Cx, this: Root) -> NativeResult {
                let mut bytes = receiver(cx, this, "capitalize", $of)?.to_ascii_lowercase();
                if let Some(first) = bytes.first_mut() {
                    first.make_ascii_uppercase();
                }
                done($of.make(cx, &bytes)?)
            }

            /// Capitals made small and small letters capitals.
            fn swapcase(cx: &mut Cx, this: Root) -> NativeResult {
                let bytes = receiver(cx, this, "swapcase", $of)?;
                let swapped: Vec<u8> =
                    bytes.iter().map(|b| if b.is_ascii_alphabetic() { b ^ 0x20 } else { *b }).collect();
                done($of.make(cx, &swapped)?)
            }

            /// Whether there are ASCII letters only, and at least one.
            fn isalpha(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                Ok(all(&receiver(cx, this, "isalpha", $of)?, u8::is_ascii_alphabetic))
            }

            /// Whether there are ASCII letters and digits only, and at least one.
            fn isalnum(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                Ok(all(&receiver(cx, this, "isalnum", $of)?, u8::is_ascii_alphanumeric))
            }

            /// Whether there are ASCII digits only, and at least one.
            fn isdigit(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                Ok(all(&receiver(cx, this, "isdigit", $of)?, u8::is_ascii_digit))
            }

            /// Whether there is ASCII white space only, and at least one byte.
            fn isspace(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                Ok(all(&receiver(cx, this, "isspace", $of)?, |b| matches!(b, b' ' | 9..=13)))
            }

            /// Whether every byte is ASCII.
            fn isascii(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                Ok(receiver(cx, this, "isascii", $of)?.is_ascii())
            }

            /// Whether there are ASCII letters, all of them capitals.
            fn isupper(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                let bytes = receiver(cx, this, "isupper", $of)?;
                Ok(cased(&bytes, u8::is_ascii_uppercase, u8::is_ascii_lowercase))
            }

            /// Whether there are ASCII letters, all of them small.
            fn islower(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                let bytes = receiver(cx, this, "islower", $of)?;
                Ok(cased(&bytes, u8::is_ascii_lowercase, u8::is_ascii_uppercase))
            }

            /// Whether every word begins with a capital and goes on in small letters.
            fn istitle(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
                Ok(is_title(&receiver(cx, this, "istitle", $of)?))
            }

            /// The first place where `sub` is found, or -1.
            fn find(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
                let found = find_place(cx, ($of, this, sub), (start, end), "find")?;
                Ok(found.map_or(-1, |at| at as i64))
            }

            /// The last place where `sub` is found, or -1.
            fn rfind(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
                let found = find_place(cx, ($of, this, sub), (start, end), "rfind")?;
                Ok(found.map_or(-1, |at| at as i64))
            }

            /// The first place where `sub` is found; ValueError if there is none.
            fn index(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
                match find_place(cx, ($of, this, sub), (start, end), "index")? {
                    Some(at) => Ok(at as i64),
                    None => Err(cx.value_error("subsection not found")),
                }
            }

            /// The last place where `sub` is found; ValueError if there is none.
            fn rindex(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
                match find_place(cx, ($of, this, sub), (start, end), "rindex")? {
                    Some(at) => Ok(at as i64),
                    None => Err(cx.value_error("subsection not found")),
                }
            }

            /// How often `sub` occurs, without overlaps.
            fn count(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
                let bytes = receiver(cx, this, "count", $of)?;
                let (start, end) = search_range(cx, start, end, bytes.len())?;
                let needle = needle(cx, sub)?;
                Ok(if start > end { 0 } else { search::count(BYTES, &bytes[start..end], &needle) as i64 })
            }

            /// Whether it begins with bytes, or some of a tuple of them.
            fn startswith(cx: &mut Cx, this: Root, prefix: Root, start: Option<Root>, end: Option<Root>) -> Result<bool, Raised> {
                starts_or_ends(cx, ($of, this, prefix), (start, end), "startswith")
            }

            /// Whether it ends with bytes, or some of a tuple of them.
            fn endswith(cx: &mut Cx, this: Root, suffix: Root, start: Option<Root>, end: Option<Root>) -> Result<bool, Raised> {
                starts_or_ends(cx, ($of, this, suffix), (start, end), "endswith")
            }

            /// Without bytes at the start, if they are there.
            fn removeprefix(cx: &mut Cx, this: Root, prefix: Root) -> NativeResult {
                let bytes = receiver(cx, this, "removeprefix", $of)?;
                let prefix = bytes_like(cx, prefix)?;
                match bytes.strip_prefix(&*prefix) {
                    Some(rest) => done($of.make(cx, rest)?),
                    None => $of.same(cx, this, &bytes),
                }
            }

            /// Without bytes at the end, if they are there.
            fn removesuffix(cx: &mut Cx, this: Root, suffix: Root) -> NativeResult {
                let bytes = receiver(cx, this, "removesuffix", $of)?;
                let suffix = bytes_like(cx, suffix)?;
                match bytes.strip_suffix(&*suffix) {
                    Some(rest) => done($of.make(cx, rest)?),
                    None => $of.same(cx, this, &bytes),
                }
            }

            /// Without white space, or the bytes given, at both ends.
            fn strip(cx: &mut Cx, this: Root, bytes: Option<Root>) -> NativeResult {
                strip_bytes(cx, $of, this, bytes, "strip")
            }

            /// Without white space, or the bytes given, at the start.
            fn lstrip(cx: &mut Cx, this: Root, bytes: Option<Root>) -> NativeResult {
                strip_bytes(cx, $of, this, bytes, "lstrip")
            }

            /// Without white space, or the bytes given, at the end.
            fn rstrip(cx: &mut Cx, this: Root, bytes: Option<Root>) -> NativeResult {
                strip_bytes(cx, $of, this, bytes, "rstrip")
            }

            /// The parts between separators, or the words between white space.
            fn split(cx: &mut Cx, this: Root, #[either] sep: Option<Root>, #[either] #[default(-1)] maxsplit: i64) -> NativeResult {
                split_bytes(cx, $of, this, sep, maxsplit, "split")
            }

            /// As split, splitting at the last separators where not at all.
            fn rsplit(cx: &mut Cx, this: Root, #[either] sep: Option<Root>, #[either] #[default(-1)] maxsplit: i64) -> NativeResult {
                split_bytes(cx, $of, this, sep, maxsplit, "rsplit")
            }

            /// The lines, with their ends if asked for.
            fn splitlines(cx: &mut Cx, this: Root, #[either] #[default(false)] keepends: bool) -> NativeResult {
                let bytes = receiver(cx, this, "splitlines", $of)?;
                let lines: Vec<&[u8]> = search::lines(BYTES, &bytes, keepends).collect();
                list_of(cx, $of, &lines)
            }

            /// What is before the first separator, it, and what is after it.
            fn partition(cx: &mut Cx, this: Root, sep: Root) -> NativeResult {
                partition_at(cx, $of, this, sep, "partition")
            }

            /// What is before the last separator, it, and what is after it.
            fn rpartition(cx: &mut Cx, this: Root, sep: Root) -> NativeResult {
                partition_at(cx, $of, this, sep, "rpartition")
            }

            /// The bytes of an iterable's items, with these between them.
            fn join(cx: &mut Cx, this: Root, iterable_of_bytes: Root) -> NativeResult {
                join_bytes(cx, $of, this, iterable_of_bytes)
            }

            /// With some bytes in place of others, everywhere or so many times.
            fn replace(cx: &mut Cx, this: Root, old: Root, new: Root, #[text("-1")] count: Given<Root>) -> NativeResult {
                let bytes = receiver(cx, this, "replace", $of)?;
                let (old, new) = (bytes_like(cx, old)?, bytes_like(cx, new)?);
                let count = count.0.map_or(Ok(-1), |count| cx.index_as_i64(count))?;
                let replaced = search::replace(BYTES, &bytes, &old, &new, usize::try_from(count).ok());
                match check(cx, replaced)? {
                    Some(replaced) => done($of.make(cx, &replaced)?),
                    None => $of.same(cx, this, &bytes),
                }
            }

            /// With spaces in place of tabs.
            fn expandtabs(cx: &mut Cx, this: Root, #[either] #[default(8)] tabsize: i64) -> NativeResult {
                let bytes = receiver(cx, this, "expandtabs", $of)?;
                super::text::check_tabs(cx, &bytes, tabsize)?;
                let expanded = search::expand_tabs(BYTES, &bytes, tabsize);
                let expanded = check(cx, expanded)?;
                done($of.make(cx, &expanded)?)
            }

            /// Filled on the right to a width.
            fn ljust(cx: &mut Cx, this: Root, width: i64, #[text("b' '")] fillchar: Given<Root>) -> NativeResult {
                pad(cx, $of, this, width, fillchar.0, Justify::Left, "ljust")
            }

            /// Filled on the left to a width.
            fn rjust(cx: &mut Cx, this: Root, width: i64, #[text("b' '")] fillchar: Given<Root>) -> NativeResult {
                pad(cx, $of, this, width, fillchar.0, Justify::Right, "rjust")
            }

            /// Filled on both sides to a width.
            fn center(cx: &mut Cx, this: Root, width: i64, #[text("b' '")] fillchar: Given<Root>) -> NativeResult {
                pad(cx, $of, this, width, fillchar.0, Justify::Center, "center")
            }

            /// Filled with zeros behind the sign to a width.
            fn zfill(cx: &mut Cx, this: Root, width: i64) -> NativeResult {
                cx.check_room(usize::try_from(width).unwrap_or(0).saturating_mul(2))?;
                let bytes = receiver(cx, this, "zfill", $of)?;
                let filled = search::zfill(BYTES, &bytes, usize::try_from(width).unwrap_or(0));
                match check(cx, filled)? {
                    Some(filled) => done($of.make(cx, &filled)?),
                    None => $of.same(cx, this, &bytes),
                }
            }

            /// The text these bytes are in an encoding.
            fn decode(
                cx: &mut Cx,
                this: Root,
                #[either] #[text("'utf-8'")] encoding: Given<Root>,
                #[either] #[text("'strict'")] errors: Given<Root>,
            ) -> NativeResult {
                let bytes = receiver(cx, this, "decode", $of)?;
                let encoding = codec_name(cx, encoding.0, "decode", "encoding")?;
                let errors = codec_name(cx, errors.0, "decode", "errors")?;
                done(decode_bytes(cx, &bytes, this, encoding, errors)?)
            }

            /// The bytes in hexadecimal digits, in groups if a separator is given.
            fn hex(
                cx: &mut Cx,
                this: Root,
                #[either] sep: Given<Root>,
                #[either] #[default(1)] bytes_per_sep: i64,
            ) -> NativeResult {
                let bytes = receiver(cx, this, "hex", $of)?;
                hex_of(cx, &bytes, sep.0, bytes_per_sep)
            }

            /// Bytes from hexadecimal digits; white space between them means nothing.
            #[class]
            fn fromhex(cx: &mut Cx, this: Root, string: Root) -> NativeResult {
                let bytes = from_hex(cx, string)?;
                let raw = $of.make(cx, &bytes)?;
                if this.get(cx).is(cx.kind_class($of.kind()).value()) {
                    return done(raw);
                }
                let bytes = cx.push_raw(raw);
                let made = cx.call(this, &[bytes])?;
                Ok(made.get(cx).into())
            }

            /// A table for translate.
            #[fixed]
            fn maketrans(cx: &mut Cx, frm: Root, to: Root) -> NativeResult {
                let (from, to) = (bytes_like(cx, frm)?, bytes_like(cx, to)?);
                if from.len() != to.len() {
                    return Err(cx.value_error("maketrans arguments must have same length"));
                }
                let mut table: [u8; 256] = std::array::from_fn(|i| i as u8);
                for (from, to) in from.iter().zip(to.iter()) {
                    table[usize::from(*from)] = *to;
                }
                Ok(Bytes::new(&cx.heap, &table).into())
            }

            /// With every byte replaced by what a table has for it, some left out.
            fn translate(
                cx: &mut Cx,
                this: Root,
                table: Root,
                #[either] #[text("b''")] delete: Given<Root>,
            ) -> NativeResult {
                let bytes = receiver(cx, this, "translate", $of)?;
                let table = if table.get(cx).is_none() { None } else { Some(bytes_like(cx, table)?) };
                let table: Option<&[u8; 256]> = match &table {
                    None => None,
                    Some(table) => match (&**table).try_into() {
                        Ok(table) => Some(table),
                        Err(_) => return Err(cx.value_error("translation table must be 256 characters long")),
                    },
                };
                let delete = match delete.0 {
                    Some(delete) => bytes_like(cx, delete)?,
                    None => Cow::Borrowed(&b""[..]),
                };
                let translated = search::translate_bytes(&bytes, table, &delete);
                done($of.make(cx, &translated)?)
            }

            /// Both, one after the other.
            fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                let bytes = receiver(cx, this, "__add__", $of)?;
                let Some(other) = buffer_of(cx, value) else { return Err(no_concat(cx, this, value)) };
                if bytes.len() + other.len() > MAX_LENGTH || cx.heap.check(bytes.len() + other.len()).is_err() {
                    return Err(cx.memory_error());
                }
                if $of == Of::Bytes {
                    return Ok(Bytes::from_parts(&cx.heap, &[&bytes, &other]).into());
                }
                done($of.make(cx, &[&*bytes, &*other].concat())?)
            }

            /// The bytes so many times.
            fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                let bytes = receiver(cx, this, "__mul__", $of)?;
                let repeated = repeated(cx, &bytes, value)?;
                done($of.make(cx, &repeated)?)
            }

            /// The bytes so many times.
            fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                let bytes = receiver(cx, this, "__rmul__", $of)?;
                let repeated = repeated(cx, &bytes, value)?;
                done($of.make(cx, &repeated)?)
            }

            /// With values in place of the conversions.
            fn __mod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                let pattern = receiver(cx, this, "__mod__", $of)?;
                let bytes = percent_bytes(cx, &pattern, value)?;
                done($of.make(cx, &bytes)?)
            }

            /// Bytes formatted by these.
            fn __rmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                receiver(cx, this, "__rmod__", $of)?;
                if value.get(cx).kind() != $of.kind() {
                    return done(Raw::NOT_IMPLEMENTED);
                }
                let pattern = receiver(cx, value, "__mod__", $of)?;
                let bytes = percent_bytes(cx, &pattern, this)?;
                done($of.make(cx, &bytes)?)
            }

            /// A view of the bytes.
            fn __buffer__(cx: &mut Cx, this: Root, flags: i64) -> NativeResult {
                receiver(cx, this, "__buffer__", $of)?;
                if flags & 1 != 0 && matches!($of, Of::Bytes) {
                    return Err(cx.raise_text(Exc::BufferError, "Object is not writable."));
                }
                super::memoryview::of_object(cx, this)
            }

            /// Whether a byte, or some in a row, occur.
            fn __contains__(cx: &mut Cx, this: Root, key: Root) -> Result<bool, Raised> {
                let bytes = receiver(cx, this, "__contains__", $of)?;
                let needle = match buffer_of(cx, key) {
                    Some(needle) => needle,
                    None if is_index(cx, key)? => Cow::Owned(vec![byte(cx, key)?]),
                    None => bytes_like(cx, key)?,
                };
                Ok(search::find(&bytes, &needle).is_some())
            }

            /// The byte at an index, or those of a slice.
            fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
                get_item(cx, $of, this, key)
            }

            /// An iterator over the bytes as numbers.
            fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
                if this.get(cx).kind() != $of.kind() {
                    return Err(wrong_receiver(cx, this, "__iter__", $of.name()));
                }
                let iterator = cx.payload_iter(this).expect("bytes have an iterator of their own");
                Ok(iterator.get(cx).into())
            }

            /// How many bytes there are.
            fn __len__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
                let payload: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
                match (payload.exact::<Bytes>(), payload.exact::<ByteArray>()) {
                    (Some(bytes), _) => Ok(bytes.len() as i64),
                    (_, Some(array)) => Ok(array.len() as i64),
                    _ => Err(wrong_receiver(cx, this, "__len__", $of.name())),
                }
            }

            /// Whether the bytes are the same.
            fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                compare(cx, $of, this, value, "__eq__", Ordering::is_eq)
            }

            /// Whether the bytes differ.
            fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                compare(cx, $of, this, value, "__ne__", Ordering::is_ne)
            }

            /// Whether they come before others.
            fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                compare(cx, $of, this, value, "__lt__", Ordering::is_lt)
            }

            /// Whether they come before others or are the same.
            fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                compare(cx, $of, this, value, "__le__", Ordering::is_le)
            }

            /// Whether they come after others.
            fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                compare(cx, $of, this, value, "__gt__", Ordering::is_gt)
            }

            /// Whether they come after others or are the same.
            fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                compare(cx, $of, this, value, "__ge__", Ordering::is_ge)
            }

            $($own)*
        );
    };
}

bytes_table! {
    /// Bytes: an immutable sequence of numbers from 0 to 255.
    BYTES_METHODS, Of::Bytes;

    /// Bytes of a text in an encoding, of other bytes, of an iterable of numbers, or so many zeros.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] #[text("b''")] source: Given<Root>,
        #[either] #[text("'utf-8'")] encoding: Given<Root>,
        #[either] #[text("'strict'")] errors: Given<Root>,
    ) -> NativeResult {
        let derived_class = is_derived(cx, class, Kind::Bytes, "bytes")?;
        let plain = encoding.0.is_none() && errors.0.is_none();
        if let Some(source) = source.0
            && plain
            && !derived_class
            && source.get(cx).exact::<Bytes>().is_some()
        {
            return done(source.get(cx).raw());
        }
        if let Some(source) = source.0
            && plain
            && !derived_class
            && !is_exact_buffer(source.get(cx))
            && let Some(made) = cx.call_special(source, Name::Bytes, &[])?
        {
            // It may be of a derived class.
            if made.get(cx).kind() != Kind::Bytes {
                let got = cx.type_name_for_error(made.get(cx));
                return Err(cx.type_error(format!("__bytes__ returned non-bytes (type {got})")));
            }
            return done(made.get(cx).raw());
        }
        let bytes = constructed(cx, Of::Bytes, source.0, encoding.0, errors.0)?;
        let raw = Of::Bytes.make(cx, &bytes)?;
        done(if derived_class { derived(cx, class, raw) } else { raw })
    }

    /// The hash.
    fn __hash__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        let payload: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
        match payload.exact::<Bytes>() {
            Some(bytes) => Ok(bytes.hash(&cx.heap)),
            None => Err(wrong_receiver(cx, this, "__hash__", "bytes")),
        }
    }

    /// The bytes themselves.
    fn __bytes__(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = receiver(cx, this, "__bytes__", Of::Bytes)?;
        Of::Bytes.same(cx, this, &bytes)
    }

    /// The bytes as a literal.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = receiver(cx, this, "__repr__", Of::Bytes)?;
        done(cx.checked_text(text_repr::bytes(&bytes).as_bytes())?)
    }

    /// The bytes as a literal.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = receiver(cx, this, "__str__", Of::Bytes)?;
        done(cx.checked_text(text_repr::bytes(&bytes).as_bytes())?)
    }

    /// What a copy is made of.
    fn __getnewargs__(cx: &mut Cx, this: Root) -> NativeResult {
        receiver(cx, this, "__getnewargs__", Of::Bytes)?;
        let raw = cx.payload(this.get(cx)).raw();
        Ok(cx.tuple(&[Value::adopt(raw)]).into())
    }

    /// The size in memory, in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(33 + receiver(cx, this, "__sizeof__", Of::Bytes)?.len() as i64)
    }
}

bytes_table! {
    /// Bytes that can be changed.
    BYTEARRAY_METHODS, Of::ByteArray;

    /// A bytearray without bytes: those it is made of come with __init__.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: crate::vm::native::Rest, kwargs: crate::vm::native::KeywordRest) -> NativeResult {
        let derived_class = is_derived(cx, class, Kind::ByteArray, "bytearray")?;
        let raw = new_bytearray(cx, b"")?;
        done(if derived_class { derived(cx, class, raw) } else { raw })
    }

    /// Sets the bytes: of a text in an encoding, of other bytes, of an iterable of numbers, or so many zeros.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] #[text("b''")] source: Given<Root>,
        #[either] #[text("'utf-8'")] encoding: Given<Root>,
        #[either] #[text("'strict'")] errors: Given<Root>,
    ) -> Result<(), Raised> {
        let array = array(cx, this, "__init__")?;
        codec_name(cx, encoding.0, "bytearray", "encoding")?;
        codec_name(cx, errors.0, "bytearray", "errors")?;
        if !array.is_empty() {
            // What was there is gone whatever comes of the source.
            splice(cx, array, 0, array.len(), b"")?;
        }
        let bytes = constructed(cx, Of::ByteArray, source.0, encoding.0, errors.0)?;
        splice(cx, array, 0, array.len(), &bytes)
    }

    /// Adds a byte at the end.
    fn append(cx: &mut Cx, this: Root, item: Root) -> Result<(), Raised> {
        let array = array(cx, this, "append")?;
        let byte = byte(cx, item)?;
        splice(cx, array, array.len(), array.len(), &[byte])
    }

    /// Adds the bytes of an iterable at the end.
    fn extend(cx: &mut Cx, this: Root, iterable_of_ints: Root) -> Result<(), Raised> {
        let array = array(cx, this, "extend")?;
        let bytes = match buffer_of(cx, iterable_of_ints) {
            Some(bytes) => bytes,
            None if cx.as_str(iterable_of_ints.get(cx)).is_some_and(|text| !text.is_empty()) => {
                return Err(cx.type_error("expected iterable of integers; got: 'str'".to_owned()));
            }
            None => {
                let iterable = cx.own_method(iterable_of_ints, Name::Iter)?.is_some()
                    || cx.own_method(iterable_of_ints, Name::GetItem)?.is_some();
                if !iterable {
                    let got = cx.type_name_for_error(iterable_of_ints.get(cx));
                    return Err(cx.type_error(format!("can't extend bytearray with {got}")));
                }
                Cow::Owned(bytes_of_items(cx, Of::ByteArray, iterable_of_ints)?)
            }
        };
        splice(cx, array, array.len(), array.len(), &bytes)
    }

    /// Puts a byte before the one at an index.
    fn insert(cx: &mut Cx, this: Root, index: i64, item: Root) -> Result<(), Raised> {
        let array = array(cx, this, "insert")?;
        let byte = byte(cx, item)?;
        let length = array.len() as i64;
        let at = (if index < 0 { index.saturating_add(length) } else { index }).clamp(0, length) as usize;
        splice(cx, array, at, at, &[byte])
    }

    /// Takes out the byte at an index, the last if none is given.
    fn pop(cx: &mut Cx, this: Root, #[default(-1)] index: i64) -> Result<i64, Raised> {
        let array = array(cx, this, "pop")?;
        if array.is_empty() {
            return Err(cx.index_error("pop from empty bytearray"));
        }
        let at = place(cx, index, array.len(), "pop index out of range")?;
        let byte = array.cells()[at].get();
        splice(cx, array, at, at + 1, b"")?;
        Ok(i64::from(byte))
    }

    /// Takes out the first byte with a value.
    fn remove(cx: &mut Cx, this: Root, value: Root) -> Result<(), Raised> {
        let array = array(cx, this, "remove")?;
        let byte = byte(cx, value)?;
        let found = array.cells().iter().position(|c| c.get() == byte);
        match found {
            Some(at) => splice(cx, array, at, at + 1, b""),
            None => Err(cx.value_error("value not found in bytearray")),
        }
    }

    /// Turns the order of the bytes round.
    fn reverse(cx: &mut Cx, this: Root) -> Result<(), Raised> {
        let array = array(cx, this, "reverse")?;
        let cells = array.cells();
        let length = cells.len();
        for i in 0..length / 2 {
            cells[i].swap(&cells[length - 1 - i]);
        }
        Ok(())
    }

    /// Takes out all bytes.
    fn clear(cx: &mut Cx, this: Root) -> Result<(), Raised> {
        let array = array(cx, this, "clear")?;
        splice(cx, array, 0, array.len(), b"")
    }

    /// A bytearray with the same bytes.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = receiver(cx, this, "copy", Of::ByteArray)?;
        done(new_bytearray(cx, &bytes)?)
    }

    /// Makes it so many bytes long; new ones are zero.
    fn resize(cx: &mut Cx, this: Root, size: i64) -> Result<(), Raised> {
        let array = array(cx, this, "resize")?;
        let Ok(size) = usize::try_from(size) else {
            return Err(cx.value_error(format!("Can only resize to positive sizes, got {size}")));
        };
        if size > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        let length = array.len();
        if size < length { splice(cx, array, size, length, b"") } else { splice(cx, array, length, length, &vec![0; size - length]) }
    }

    /// Sets the byte at an index, or those of a slice.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> Result<(), Raised> {
        change_item(cx, this, key, Some(value), "__setitem__")
    }

    /// Takes out the byte at an index, or those of a slice.
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> Result<(), Raised> {
        change_item(cx, this, key, None, "__delitem__")
    }

    /// Adds bytes at the end.
    fn __iadd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let array = array(cx, this, "__iadd__")?;
        let Some(other) = buffer_of(cx, value) else { return Err(no_concat(cx, this, value)) };
        splice(cx, array, array.len(), array.len(), &other)?;
        Ok(this.get(cx).into())
    }

    /// Repeats the bytes so many times.
    fn __imul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let array = array(cx, this, "__imul__")?;
        let repeated = repeated(cx, &array.to_vec(), value)?;
        splice(cx, array, 0, array.len(), &repeated)?;
        Ok(this.get(cx).into())
    }

    /// The bytes as a call of bytearray.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = receiver(cx, this, "__repr__", Of::ByteArray)?;
        let name = cx.type_name_for_error(this.get(cx));
        let text = format!("{name}({})", bytearray_literal(&bytes));
        done(cx.checked_text(text.as_bytes())?)
    }

    /// The bytes as a call of bytearray.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = receiver(cx, this, "__str__", Of::ByteArray)?;
        let name = cx.type_name_for_error(this.get(cx));
        let text = format!("{name}({})", bytearray_literal(&bytes));
        done(cx.checked_text(text.as_bytes())?)
    }

    /// The size in memory, in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(57 + array(cx, this, "__sizeof__")?.len() as i64)
    }
}
