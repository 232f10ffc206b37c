//! str: its methods and operators. The algorithms are in `crate::text`; here arguments become byte slices and results texts.
//!
//! Methods accept instances of classes derived from str and return exact texts. A text that doesn't change is handed back as it is.

use std::borrow::Cow;
use std::cell::Cell as StdCell;
use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::number::Fault;
use crate::object::key::as_int_ref;
use crate::object::{ASCII, Bytes, ClassFlags, Dict, Exc, Instance, List, Slice, Str, Tuple};
use crate::text::codec::{self, CodecError, Encoding, Handler, Stopped};
use crate::text::percent::{self, Resolved, Size};
use crate::text::search::{self, Justify, StripSet};
use crate::text::template::{self, First, Numbering, Step};
use crate::text::{MAX_LENGTH, unicode, wtf8};
use crate::vm::Name;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::bounds::{search_range, slice_range};

/// What the algorithms are told of text.
const TEXT: search::Kind = search::Kind::Text;

/// A text that is a native's argument: it stays in its register while the native runs.
type Held = Gc<'static, Str>;

/// The text a method was called on.
fn receiver(cx: &mut Cx, this: Root, method: &str) -> Result<Held, Raised> {
    if let Some(text) = cx.as_str(this.get(cx)) {
        return Ok(text.held());
    }
    Err(wrong_receiver(cx, this, method, "str"))
}

/// The complaint about a method of one type called with an object of another.
pub(super) fn wrong_receiver(cx: &mut Cx, this: Root, method: &str, of: &str) -> Raised {
    let got = cx.type_name_for_error(this.get(cx));
    cx.type_error(if method.starts_with("__") {
        format!("descriptor '{method}' requires a '{of}' object but received a '{got}'")
    } else {
        format!("descriptor '{method}' for '{of}' objects doesn't apply to a '{got}' object")
    })
}

/// A text argument of a method; `place` is what the message calls it.
fn argument(cx: &mut Cx, root: Root, method: &str, place: &str) -> Result<Held, Raised> {
    if let Some(text) = cx.as_str(root.get(cx)) {
        return Ok(text.held());
    }
    let got = cx.argument_name_for_error(root.get(cx));
    Err(cx.type_error(format!("{method}() argument{place} must be str, not {got}")))
}

fn done(raw: Raw) -> NativeResult {
    Ok(Outcome::Value(raw))
}

/// A part of a text, as a text.
fn part(cx: &Cx, of: Held, bytes: &[u8]) -> Raw {
    if bytes.len() == of.len() {
        return of.value().raw();
    }
    if of.is_ascii() && bytes.len() != 1 { Str::ascii(&cx.heap, bytes).value().raw() } else { cx.text_raw(bytes) }
}

/// A text made of another by a mapping that leaves ASCII ASCII.
fn mapped(cx: &mut Cx, of: Held, bytes: Vec<u8>) -> NativeResult {
    if of.is_ascii() && bytes.len() != 1 {
        return done(Str::ascii(&cx.heap, &bytes).value().raw());
    }
    done(cx.checked_text(&bytes)?)
}

fn list_of(cx: &Cx, items: &[Raw]) -> Raw {
    List::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).value().raw()
}

/// Raises what an algorithm complains of.
fn check<T>(cx: &mut Cx, result: Result<T, Fault>) -> Result<T, Raised> {
    result.map_err(|fault| cx.fault(fault))
}

/// An instance of a class derived from a builtin type, standing for `payload`.
pub(crate) fn derived(cx: &Cx, class: Root, payload: Raw) -> Raw {
    let class = class.get(cx).exact::<crate::object::Class>().expect("checked by the caller");
    let instance = Instance::new(&cx.heap, class);
    instance.set_slot(&cx.heap, 0, Value::adopt(payload));
    if class.has(ClassFlags::FINALISER) {
        cx.heap.finalisable(instance.value());
    }
    instance.value().raw()
}

/// Whether `__new__` was given a class for which it makes an instance of a derived class; an error if it is none of its business.
pub(crate) fn is_derived(cx: &mut Cx, class: Root, kind: Kind, type_name: &str) -> Result<bool, Raised> {
    let Some(given) = class.get(cx).exact::<crate::object::Class>() else {
        let got = cx.type_name_for_error(class.get(cx));
        return Err(cx.type_error(format!("{type_name}.__new__(X): X is not a type object ({got})")));
    };
    let own = cx.kind_class(kind);
    if given == own {
        return Ok(false);
    }
    if given.is_subclass(own) {
        return Ok(true);
    }
    let name = given.name().to_str_lossy().into_owned();
    Err(cx.type_error(format!("{type_name}.__new__({name}): {name} is not a subtype of {type_name}")))
}

/// Where a search looks: the bytes between two positions, and the byte they begin at; None if `start` is past the end.
fn searched<'a>(
    cx: &mut Cx,
    text: Held,
    start: Option<Root>,
    end: Option<Root>,
) -> Result<Option<(&'a [u8], usize)>, Raised> {
    if start.is_none() && end.is_none() {
        return Ok(Some((text.as_bytes(), 0)));
    }
    let (start, end) = search_range(cx, start, end, text.chars())?;
    if start > end {
        return Ok(None);
    }
    let heap = &cx.heap;
    let (from, to) = held_offsets(text, heap, start, end);
    Ok(Some((&text.as_bytes()[from..to], from)))
}

fn held_offsets(text: Held, heap: &crate::heap::Heap, start: usize, end: usize) -> (usize, usize) {
    let text: Gc<'_, Str> = text;
    (text.offset(heap, start), text.offset(heap, end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Left,
    Right,
}

fn find_place(
    cx: &mut Cx,
    (this, sub): (Root, Root),
    (start, end): (Option<Root>, Option<Root>),
    method: &'static str,
    from: From,
) -> Result<Option<usize>, Raised> {
    let text = receiver(cx, this, method)?;
    let needle = argument(cx, sub, method, " 1")?;
    let Some((bytes, offset)) = searched(cx, text, start, end)? else { return Ok(None) };
    let found = match from {
        From::Left => search::find(bytes, needle.as_bytes()),
        From::Right => search::rfind(bytes, needle.as_bytes()),
    };
    Ok(found.map(|at| text.char_index(offset + at)))
}

fn starts_or_ends(
    cx: &mut Cx,
    (this, affix): (Root, Root),
    (start, end): (Option<Root>, Option<Root>),
    method: &'static str,
) -> Result<bool, Raised> {
    let text = receiver(cx, this, method)?;
    let Some((bytes, _)) = searched(cx, text, start, end)? else {
        // A wrong argument is an error all the same.
        match_affix(cx, None, affix, method)?;
        return Ok(false);
    };
    match_affix(cx, Some(bytes), affix, method)
}

fn match_affix(cx: &mut Cx, bytes: Option<&[u8]>, affix: Root, method: &str) -> Result<bool, Raised> {
    let matches =
        |s: Gc<'_, Str>| {
            bytes.is_some_and(|b| {
                if method == "startswith" { b.starts_with(s.as_bytes()) } else { b.ends_with(s.as_bytes()) }
            })
        };
    let value = affix.get(cx);
    if let Some(text) = cx.as_str(value) {
        return Ok(matches(text));
    }
    let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
    if let Some(tuple) = payload.exact::<Tuple>() {
        for item in tuple.items() {
            match cx.as_str(item) {
                Some(text) if matches(text) => return Ok(true),
                Some(_) => {}
                None => {
                    let got = cx.type_name_for_error(item);
                    let text = format!("tuple for {method} must only contain str, not {got}");
                    return Err(cx.type_error(text));
                }
            }
        }
        return Ok(false);
    }
    let got = cx.type_name_for_error(value);
    Err(cx.type_error(format!("{method} first arg must be str or a tuple of str, not {got}")))
}

fn strip_text(cx: &mut Cx, this: Root, chars: Option<Root>, method: &'static str) -> NativeResult {
    let text = receiver(cx, this, method)?;
    let bytes = text.as_bytes();
    let (left, right) = (method != "rstrip", method != "lstrip");
    let stripped = match chars {
        None => {
            let bytes = if left { search::trim_start(TEXT, bytes) } else { bytes };
            if right { search::trim_end(TEXT, bytes) } else { bytes }
        }
        Some(root) => {
            let Some(set) = cx.as_str(root.get(cx)) else {
                return Err(cx.type_error(format!("{method} arg must be None or str")));
            };
            match set.as_bytes() {
                &[only] => {
                    let mut bytes = bytes;
                    while let [first, rest @ ..] = bytes
                        && left
                        && *first == only
                    {
                        bytes = rest;
                    }
                    while let [rest @ .., last] = bytes
                        && right
                        && *last == only
                    {
                        bytes = rest;
                    }
                    bytes
                }
                set => {
                    let set = StripSet::new(TEXT, set);
                    let bytes = if left { set.trim_start(bytes) } else { bytes };
                    if right { set.trim_end(bytes) } else { bytes }
                }
            }
        }
    };
    done(part(cx, text, stripped))
}

fn split_text(cx: &mut Cx, this: Root, sep: Option<Root>, most: i64, method: &'static str) -> NativeResult {
    let text = receiver(cx, this, method)?;
    let most = usize::try_from(most).ok();
    let bytes = text.as_bytes();
    let from_left = method == "split";
    let mut items: Vec<Raw> = Vec::new();
    match sep {
        None if from_left => items.extend(search::split_space(TEXT, bytes, most).map(|word| part(cx, text, word))),
        None => items.extend(search::rsplit_space(TEXT, bytes, most).into_iter().map(|word| part(cx, text, word))),
        Some(root) => {
            let Some(sep) = cx.as_str(root.get(cx)) else {
                let got = cx.type_name_for_error(root.get(cx));
                return Err(cx.type_error(format!("must be str or None, not {got}")));
            };
            let sep = sep.as_bytes();
            if sep.is_empty() {
                return Err(cx.value_error("empty separator"));
            }
            if from_left {
                items.extend(search::split(bytes, sep, most).map(|item| part(cx, text, item)));
            } else {
                items.extend(search::rsplit(bytes, sep, most).into_iter().map(|item| part(cx, text, item)));
            }
        }
    }
    done(list_of(cx, &items))
}

fn partition_at(cx: &mut Cx, this: Root, sep: Root, method: &'static str) -> NativeResult {
    let text = receiver(cx, this, method)?;
    let Some(sep) = cx.as_str(sep.get(cx)).map(Gc::held) else {
        let got = cx.type_name_for_error(sep.get(cx));
        return Err(cx.type_error(format!("must be str, not {got}")));
    };
    if sep.is_empty() {
        return Err(cx.value_error("empty separator"));
    }
    let bytes = text.as_bytes();
    let last = method == "rpartition";
    let found = if last { search::rfind(bytes, sep.as_bytes()) } else { search::find(bytes, sep.as_bytes()) };
    let empty = cx.text_raw(b"");
    let items = match found {
        Some(at) => [part(cx, text, &bytes[..at]), sep.value().raw(), part(cx, text, &bytes[at + sep.len()..])],
        None if last => [empty, empty, text.value().raw()],
        None => [text.value().raw(), empty, empty],
    };
    done(Tuple::build(&cx.heap, 3, |i| Value::adopt(items[i])).value().raw())
}

fn pad(cx: &mut Cx, this: Root, width: i64, fill: Option<Root>, how: Justify, method: &'static str) -> NativeResult {
    let text = receiver(cx, this, method)?;
    let fill = match fill {
        None => ' ' as u32,
        Some(root) => {
            let Some(fill) = cx.as_str(root.get(cx)) else {
                let got = cx.type_name_for_error(root.get(cx));
                return Err(cx.type_error(format!("The fill character must be a unicode character, not {got}")));
            };
            if fill.chars() != 1 {
                return Err(cx.type_error("The fill character must be exactly one character long".to_owned()));
            }
            wtf8::code_points(fill.as_bytes()).next().expect("one character")
        }
    };
    let Ok(width) = usize::try_from(width) else { return done(text.value().raw()) };
    if width <= text.chars() {
        return done(text.value().raw());
    }
    let padded = search::justify(TEXT, text.as_bytes(), width, fill, how);
    match check(cx, padded)? {
        Some(bytes) => done(cx.checked_text(&bytes)?),
        None => done(text.value().raw()),
    }
}

fn test(
    cx: &mut Cx,
    this: Root,
    method: &'static str,
    property: fn(u32) -> bool,
    ascii: fn(&u8) -> bool,
) -> Result<bool, Raised> {
    let text = receiver(cx, this, method)?;
    let bytes = text.as_bytes();
    Ok(if text.is_ascii() { !bytes.is_empty() && bytes.iter().all(ascii) } else { unicode::all(bytes, property) })
}

fn compare(cx: &mut Cx, this: Root, other: Root, method: &'static str, holds: fn(Ordering) -> bool) -> NativeResult {
    let text = receiver(cx, this, method)?;
    Ok(match cx.as_str(other.get(cx)) {
        Some(other) => Outcome::from(holds(text.as_bytes().cmp(other.as_bytes()))),
        None => Outcome::Value(Raw::NOT_IMPLEMENTED),
    })
}

/// `text * count`.
pub(crate) fn repeat_text(cx: &mut Cx, text: Held, count: i64) -> Result<Raw, Raised> {
    let Ok(count) = usize::try_from(count) else { return Ok(cx.text_raw(b"")) };
    match (count, text.len()) {
        (0, _) | (_, 0) => return Ok(cx.text_raw(b"")),
        (1, _) => return Ok(text.value().raw()),
        _ => {}
    }
    let length = text.len().checked_mul(count).filter(|length| *length <= MAX_LENGTH);
    if length.is_none_or(|length| cx.heap.check(2 * length).is_err()) {
        return Err(cx.memory_error());
    }
    let bytes = text.as_bytes().repeat(count);
    let flags = text.aux() & (ASCII | crate::object::SURROGATES);
    Ok(Str::known(&cx.heap, &[&bytes], text.chars() * count, flags).value().raw())
}

/// The count of a repetition: what is no integer cannot multiply a sequence.
pub(super) fn repetitions(cx: &mut Cx, count: Root) -> Result<Option<i64>, Raised> {
    let value = count.get(cx);
    if let Some(int) = value.as_int() {
        return Ok(Some(int));
    }
    let is_int = matches!(value.kind(), Kind::True | Kind::False | Kind::BigInt | Kind::Int);
    if !is_int && cx.own_method(count, Name::Index)?.is_none() {
        return Ok(None);
    }
    let mark = cx.mark();
    let index = cx.index(count)?;
    let number = as_int_ref(cx.payload(index.get(cx))).and_then(|n| n.to_i64());
    cx.release(mark);
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(cx.overflow_error("cannot fit 'int' into an index-sized integer")),
    }
}

fn repeat(cx: &mut Cx, this: Root, count: Root, method: &'static str) -> NativeResult {
    let text = receiver(cx, this, method)?;
    match repetitions(cx, count)? {
        Some(count) => done(repeat_text(cx, text, count)?),
        None => done(Raw::NOT_IMPLEMENTED),
    }
}

/// `sep.join(items)`, the items being in a list or tuple.
fn join_items(cx: &mut Cx, separator: Held, items: Root) -> NativeResult {
    let value: Value<'static> = Value::adopt(items.get(cx).raw());
    let mut parts: SmallVec<[Held; 16]> = SmallVec::new();
    let (mut bytes, mut chars, mut flags) = (0usize, 0usize, ASCII | (separator.aux() & crate::object::SURROGATES));
    if !separator.is_ascii() {
        flags &= !ASCII;
    }
    let mut wrong = None;
    let mut take = |item: Value<'static>| {
        let Some(text) = cx.as_str(item) else {
            wrong.get_or_insert((parts.len(), item.raw()));
            return;
        };
        let text = text.held();
        bytes += text.len();
        chars += text.chars();
        flags = (flags & text.aux() & ASCII) | ((flags | text.aux()) & crate::object::SURROGATES);
        parts.push(text);
    };
    if let Some(list) = value.exact::<List>() {
        list.items().for_each(&mut take);
    } else if let Some(tuple) = value.exact::<Tuple>() {
        tuple.items().for_each(&mut take);
    }
    if let Some((index, item)) = wrong {
        let got = cx.type_name_for_error(Value::adopt(item));
        return Err(cx.type_error(format!("sequence item {index}: expected str instance, {got} found")));
    }
    match parts.as_slice() {
        [] => return done(cx.text_raw(b"")),
        [one] => return done(one.value().raw()),
        _ => {}
    }
    let gaps = parts.len() - 1;
    let Some(total) = gaps.checked_mul(separator.len()).and_then(|n| n.checked_add(bytes)).filter(|n| *n <= MAX_LENGTH)
    else {
        return Err(cx.memory_error());
    };
    if cx.heap.check(total).is_err() {
        return Err(cx.memory_error());
    }
    chars += gaps * separator.chars();
    if !separator.is_ascii() && gaps > 0 {
        flags &= !ASCII;
    }
    let mut slices: Vec<&[u8]> = Vec::with_capacity(2 * parts.len());
    for (index, text) in parts.iter().enumerate() {
        if index > 0 && !separator.is_empty() {
            slices.push(separator.as_bytes());
        }
        slices.push(text.as_bytes());
    }
    done(Str::known(&cx.heap, &slices, chars, flags).value().raw())
}

// ---- codecs ----

/// Finds a text encoding by name.
pub(crate) fn find_encoding(cx: &mut Cx, name: &[u8]) -> Result<Encoding, Raised> {
    let text = String::from_utf8_lossy(name);
    if let Some(encoding) = Encoding::lookup(&text) {
        return Ok(encoding);
    }
    let normal = text.to_ascii_lowercase().replace('-', "_");
    let binary = matches!(
        normal.as_str(),
        "base64"
            | "base64_codec"
            | "base_64"
            | "bz2"
            | "bz2_codec"
            | "hex"
            | "hex_codec"
            | "quopri"
            | "quopri_codec"
            | "rot13"
            | "rot_13"
            | "uu"
            | "uu_codec"
            | "zip"
            | "zlib"
            | "zlib_codec"
    );
    Err(if binary {
        let text = format!("'{text}' is not a text encoding; use codecs.encode() to handle arbitrary codecs");
        cx.raise_text(Exc::LookupError, &text)
    } else {
        cx.raise_text(Exc::LookupError, &format!("unknown encoding: {text}"))
    })
}

/// Raises what a codec stopped at. `handler` is the name of a handler that is not known.
fn stopped(cx: &mut Cx, class: Exc, object: Root, stopped: Stopped, unknown_handler: Option<&[u8]>) -> Raised {
    if let Some(name) = unknown_handler {
        let name = String::from_utf8_lossy(name).into_owned();
        return cx.raise_text(Exc::LookupError, &format!("unknown error handler name '{name}'"));
    }
    match stopped {
        Stopped::Error(CodecError { encoding, start, end, reason }) => {
            cx.unicode_error(class, object, encoding, start, end, reason)
        }
        Stopped::WrongHandler => cx.type_error(format!("don't know how to handle {} in error callback", class.name())),
    }
}

/// The handler with a name; strict and the name itself where there is none, which only matters once there is an error.
fn find_handler(name: Option<&'static [u8]>) -> (Handler, Option<&'static [u8]>) {
    let Some(name) = name else { return (Handler::Strict, None) };
    match std::str::from_utf8(name).ok().and_then(Handler::lookup) {
        Some(handler) => (handler, None),
        None => (Handler::Strict, Some(name)),
    }
}

/// `text.encode(encoding, errors)`: a bytes object.
pub(crate) fn encode_text(
    cx: &mut Cx,
    object: Root,
    encoding: Option<Gc<'static, Str>>,
    errors: Option<Gc<'static, Str>>,
) -> Result<Raw, Raised> {
    let text = receiver(cx, object, "encode")?;
    let encoding = match encoding {
        Some(name) => find_encoding(cx, name.as_bytes())?,
        None => Encoding::Utf8,
    };
    let flags = text.aux();
    let as_it_is = flags & ASCII != 0
        && matches!(encoding, Encoding::Utf8 | Encoding::Ascii | Encoding::Latin1 | Encoding::Charmap(_))
        || encoding == Encoding::Utf8 && flags & crate::object::SURROGATES == 0;
    if as_it_is {
        return Ok(Bytes::new(&cx.heap, text.as_bytes()).value().raw());
    }
    let (handler, unknown) = find_handler(errors.map(|e| e.as_bytes()));
    match codec::encode(text.as_bytes(), encoding, handler) {
        Ok(bytes) => Ok(Bytes::new(&cx.heap, &bytes).value().raw()),
        Err(why) => Err(stopped(cx, Exc::UnicodeEncodeError, object, why, unknown)),
    }
}

/// `bytes.decode(encoding, errors)`: a str. `object` is what the bytes are of, for errors.
pub(crate) fn decode_bytes(
    cx: &mut Cx,
    bytes: &[u8],
    object: Root,
    encoding: Option<Gc<'static, Str>>,
    errors: Option<Gc<'static, Str>>,
) -> Result<Raw, Raised> {
    let encoding = match encoding {
        Some(name) => find_encoding(cx, name.as_bytes())?,
        None => Encoding::Utf8,
    };
    if bytes.is_ascii()
        && matches!(encoding, Encoding::Utf8 | Encoding::Utf8Sig | Encoding::Ascii | Encoding::Latin1)
        && bytes.len() != 1
    {
        if bytes.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        return Ok(Str::ascii(&cx.heap, bytes).value().raw());
    }
    let (handler, unknown) = find_handler(errors.map(|e| e.as_bytes()));
    match codec::decode(bytes, encoding, handler) {
        Ok(text) => cx.checked_text(&text),
        Err(why) => {
            // The exception's object is bytes, whatever was decoded.
            let mark = cx.mark();
            let object = if object.get(cx).exact::<Bytes>().is_some() {
                object
            } else {
                let raw = Bytes::new(&cx.heap, bytes).value().raw();
                cx.push_raw(raw)
            };
            let raised = stopped(cx, Exc::UnicodeDecodeError, object, why, unknown);
            cx.release(mark);
            Err(raised)
        }
    }
}

/// An encoding's or handler's name given to a native.
pub(super) fn codec_name(
    cx: &mut Cx,
    given: Option<Root>,
    method: &str,
    param: &str,
) -> Result<Option<Gc<'static, Str>>, Raised> {
    let Some(root) = given else { return Ok(None) };
    match cx.as_str(root.get(cx)) {
        Some(name) if memchr::memchr(0, name.as_bytes()).is_none() => Ok(Some(name.held())),
        Some(_) => Err(cx.value_error("embedded null character")),
        None => {
            let got = cx.type_name_for_error(root.get(cx));
            let got = if root.get(cx).is_none() { "None".to_owned() } else { got };
            Err(cx.type_error(format!("{method}() argument '{param}' must be str, not {got}")))
        }
    }
}

// ---- str.format ----

/// Where the values of a template come from.
#[derive(Clone, Copy)]
struct Source {
    /// Positional arguments; None for `format_map`.
    args: Option<Args>,
    /// Keywords, or `format_map`'s mapping.
    names: Root,
}

fn format_template(
    cx: &mut Cx,
    out: &mut Vec<u8>,
    pattern: &[u8],
    source: Source,
    numbering: &mut Numbering,
    depth: usize,
) -> Result<(), Raised> {
    if depth == 0 {
        return Err(cx.fault(template::too_deep()));
    }
    for piece in template::pieces(pattern) {
        let field = match check(cx, piece)? {
            template::Piece::Literal(text) => {
                out.extend_from_slice(text);
                continue;
            }
            template::Piece::Field(field) => field,
        };
        let mark = cx.mark();
        let value = field_value(cx, field.name, source, numbering)?;
        let value = match field.conversion.map(u8::try_from) {
            None => value,
            Some(Ok(b'r')) => cx.repr(value)?,
            Some(Ok(b's')) => cx.str_of(value)?,
            Some(Ok(b'a')) => cx.ascii(value)?,
            Some(_) => return Err(cx.fault(field.unknown_conversion())),
        };
        let spec: Cow<'_, [u8]> = if field.nested {
            let mut spec = Vec::new();
            format_template(cx, &mut spec, field.spec, source, numbering, depth - 1)?;
            Cow::Owned(spec)
        } else {
            Cow::Borrowed(field.spec)
        };
        if spec.is_empty()
            && let Some(text) = value.get(cx).exact::<Str>()
        {
            out.extend_from_slice(text.as_bytes());
        } else {
            let raw = cx.text_raw(&spec);
            let spec = cx.push_raw(raw);
            let text = cx.format_root(value, spec)?;
            out.extend_from_slice(cx.as_str(text.get(cx)).expect("format gives a text").as_bytes());
        }
        if out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        cx.release(mark);
    }
    Ok(())
}

fn field_value(cx: &mut Cx, name: &[u8], source: Source, numbering: &mut Numbering) -> Result<Root, Raised> {
    let parsed = template::parse_name(name);
    let (first, steps) = check(cx, parsed)?;
    let number = numbering.resolve(first);
    let mut value = match check(cx, number)? {
        Some(number) => {
            let Some(args) = source.args else {
                return Err(cx.value_error("Format string contains positional fields"));
            };
            if number >= args.len() {
                let text = format!("Replacement index {number} out of range for positional args tuple");
                return Err(cx.index_error(&text));
            }
            args.root(number)
        }
        None => {
            let First::Name(name) = first else { unreachable!("numbers were resolved") };
            let raw = cx.text_raw(name);
            let key = cx.push_raw(raw);
            if source.args.is_some() {
                let dict = source.names.get(cx).exact::<Dict>();
                let key_text = key.get(cx).exact::<Str>().expect("a text");
                match dict.and_then(|d| d.get_str(&cx.heap, key_text)).map(|v| v.raw()) {
                    Some(raw) => cx.push_raw(raw),
                    None => return Err(cx.key_error(key)),
                }
            } else {
                cx.item(source.names, key)?
            }
        }
    };
    for step in steps {
        value = match check(cx, step)? {
            Step::Attribute(name) => {
                let raw = cx.intern_bytes(name).value().raw();
                let name = cx.push_raw(raw);
                cx.get_attribute(value, name)?
            }
            Step::Index(index) => {
                let key = cx.push_raw(Raw::int(index as i64));
                cx.item(value, key)?
            }
            Step::Key(key) => {
                let raw = cx.text_raw(key);
                let key = cx.push_raw(raw);
                cx.item(value, key)?
            }
        };
    }
    Ok(value)
}

// ---- % formatting ----

/// The arguments of a `%` template.
pub(super) struct PercentArgs {
    values: Root,
    /// Items of a tuple; None if `values` is the one argument.
    tuple: Option<Gc<'static, Tuple>>,
    next: usize,
    is_mapping: bool,
}

impl PercentArgs {
    pub(super) fn new(cx: &mut Cx, values: Root, bytes: bool) -> Result<PercentArgs, Raised> {
        let value = values.get(cx);
        let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
        let tuple = payload.exact::<Tuple>();
        let is_text = payload.kind() == Kind::Str || bytes && matches!(payload.kind(), Kind::Bytes | Kind::ByteArray);
        let is_mapping = tuple.is_none() && !is_text && cx.own_method(values, Name::GetItem)?.is_some();
        Ok(PercentArgs { values, tuple, next: 0, is_mapping })
    }

    pub(super) fn next(&mut self, cx: &mut Cx) -> Result<Root, Raised> {
        let item = match self.tuple {
            Some(tuple) => (self.next < tuple.len()).then(|| tuple.item(self.next).raw()),
            None => (self.next == 0).then(|| self.values.get(cx).raw()),
        };
        self.next += 1;
        match item {
            Some(raw) => Ok(cx.push_raw(raw)),
            None => Err(cx.type_error("not enough arguments for format string".to_owned())),
        }
    }

    /// The value of a `%(key)` conversion, which from then on stands for the arguments.
    pub(super) fn keyed(&mut self, cx: &mut Cx, key: Raw) -> Result<Root, Raised> {
        if !self.is_mapping {
            return Err(cx.type_error("format requires a mapping".to_owned()));
        }
        let key = cx.push_raw(key);
        self.next = 1;
        cx.item(self.values, key)
    }

    pub(super) fn finish(self, cx: &mut Cx, what: &str) -> Result<(), Raised> {
        let left = match self.tuple {
            Some(tuple) => self.next < tuple.len(),
            None => self.next == 0 && !self.is_mapping,
        };
        if left {
            return Err(cx.type_error(format!("not all arguments converted during {what} formatting")));
        }
        Ok(())
    }

    /// A `*`: the width or precision is the next argument.
    pub(super) fn size(&mut self, cx: &mut Cx, size: Size, precision: bool) -> Result<Option<i64>, Raised> {
        if !matches!(size, Size::Argument) {
            return Ok(None);
        }
        let root = self.next(cx)?;
        let value = root.get(cx);
        let number = as_int_ref(cx.payload(value));
        match number.map(|n| n.to_i64()) {
            None => Err(cx.type_error("* wants int".to_owned())),
            Some(Some(number)) if !precision || i32::try_from(number).is_ok() => Ok(Some(number)),
            Some(_) if precision => Err(cx.overflow_error("Python int too large to convert to C int")),
            Some(_) => Err(cx.overflow_error("Python int too large to convert to C ssize_t")),
        }
    }
}

/// A number for one of the integer or float conversions, appended as the conversion says.
pub(super) fn percent_number(cx: &mut Cx, out: &mut Vec<u8>, how: &Resolved, value: Root) -> Result<(), Raised> {
    let letter = char::from(how.kind);
    let digits = cx.int_max_str_digits;
    match how.kind {
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
            let plain = value.get(cx);
            let is_number = plain.as_float().is_some() || plain.as_int().is_some();
            let number = if is_number
                || matches!(plain.kind(), Kind::Float | Kind::Int | Kind::BigInt | Kind::True | Kind::False)
                || cx.own_method(value, Name::Float)?.is_some()
                || cx.own_method(value, Name::Index)?.is_some()
            {
                cx.to_float(value)?
            } else {
                let got = cx.type_name_for_error(value.get(cx));
                return Err(cx.type_error(format!("must be real number, not {got}")));
            };
            how.format_float(out, number);
            return Ok(());
        }
        _ => {}
    }
    let hexadecimal = matches!(how.kind, b'o' | b'x' | b'X');
    let mut root = value;
    if as_int_ref(cx.payload(root.get(cx))).is_none() {
        let converted = match root.get(cx).kind() {
            Kind::Float if !hexadecimal => {
                let payload = cx.payload(root.get(cx)).as_float().unwrap_or(0.0);
                let whole = crate::number::int::Int::from_float(payload);
                let whole = check(cx, whole)?;
                let raw = crate::object::int_value(&cx.heap, whole).raw();
                Some(cx.push_raw(raw))
            }
            _ if cx.own_method(root, Name::Index)?.is_some() => Some(cx.index(root)?),
            _ if !hexadecimal && cx.own_method(root, Name::Int)?.is_some() => {
                Some(cx.call_method(root, "__int__", &[])?)
            }
            _ => None,
        };
        let is_int = converted.filter(|c| as_int_ref(cx.payload(c.get(cx))).is_some());
        let Some(int) = is_int else {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(if hexadecimal {
                format!("%{letter} format: an integer is required, not {got}")
            } else {
                format!("%{letter} format: a real number is required, not {got}")
            }));
        };
        root = int;
    }
    let result = how.format_int(out, as_int_ref(cx.payload(root.get(cx))).expect("an int"), digits);
    check(cx, result)
}

fn percent_format(cx: &mut Cx, pattern: Held, values: Root) -> NativeResult {
    let mut args = PercentArgs::new(cx, values, false)?;
    let mut out: Vec<u8> = Vec::with_capacity(pattern.len() + 16);
    for piece in percent::text_template(pattern.as_bytes()) {
        let conversion = match check(cx, piece)? {
            percent::Piece::Literal(text) => {
                out.extend_from_slice(text);
                continue;
            }
            percent::Piece::Conversion(conversion) => conversion,
        };
        let mark = cx.mark();
        let keyed = match conversion.key {
            Some(key) => {
                let raw = cx.text_raw(key);
                Some(args.keyed(cx, raw)?)
            }
            None => None,
        };
        let width = args.size(cx, conversion.width, false)?;
        let precision = args.size(cx, conversion.precision, true)?;
        let how = Resolved::new(&conversion, width, precision);
        let how = check(cx, how)?;
        let kind = u8::try_from(conversion.kind).unwrap_or(0);
        let value = match keyed {
            Some(value) => value,
            None => args.next(cx)?,
        };
        match kind {
            b's' | b'r' | b'a' => {
                let text = match kind {
                    b's' => cx.str_of(value)?,
                    b'r' => cx.repr(value)?,
                    _ => cx.ascii(value)?,
                };
                how.format_text(&mut out, cx.as_str(text.get(cx)).expect("a text").as_bytes());
            }
            b'c' => {
                let given = value.get(cx);
                if let Some(text) = cx.as_str(given) {
                    if text.chars() != 1 {
                        let text = format!(
                            "%c requires an int or a unicode character, not a string of length {}",
                            text.chars()
                        );
                        return Err(cx.type_error(text));
                    }
                    // The precision means nothing to a character.
                    let whole = Resolved { precision: None, ..how };
                    whole.format_text(&mut out, text.as_bytes());
                } else {
                    let is_int = as_int_ref(cx.payload(given)).is_some();
                    if !is_int && cx.own_method(value, Name::Index)?.is_none() {
                        let got = cx.type_name_for_error(value.get(cx));
                        return Err(cx.type_error(format!("%c requires an int or a unicode character, not {got}")));
                    }
                    let index = cx.index(value)?;
                    let result = how.format_char(&mut out, as_int_ref(cx.payload(index.get(cx))).expect("an int"));
                    check(cx, result)?;
                }
            }
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                percent_number(cx, &mut out, &how, value)?;
            }
            _ => return Err(cx.fault(conversion.unsupported(true))),
        }
        if out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        cx.release(mark);
    }
    args.finish(cx, "string")?;
    done(cx.checked_text(&out)?)
}

// ---- translate ----

/// Appends what a table makes of a code point.
fn translate_point(cx: &mut Cx, out: &mut Vec<u8>, table: Root, point: u32) -> Result<(), Raised> {
    let mark = cx.mark();
    let key = cx.push_raw(Raw::int(i64::from(point)));
    let found = if table.get(cx).exact::<Dict>().is_some() {
        cx.dict_get(table, key)?
    } else {
        match cx.item(table, key) {
            Ok(found) => Some(found),
            Err(raised) if cx.raised_is(Exc::LookupError) => {
                cx.take_raised(raised);
                None
            }
            Err(raised) => return Err(raised),
        }
    };
    let Some(found) = found else {
        wtf8::push(out, point);
        cx.release(mark);
        return Ok(());
    };
    let value = found.get(cx);
    if let Some(text) = cx.as_str(value) {
        out.extend_from_slice(text.as_bytes());
    } else if let Some(number) = as_int_ref(cx.payload(value)) {
        match number.to_i64().filter(|n| (0..0x11_0000).contains(n)) {
            Some(point) => wtf8::push(out, point as u32),
            None => return Err(cx.value_error("character mapping must be in range(0x110000)")),
        }
    } else if !value.is_none() {
        return Err(cx.type_error("character mapping must return integer, None or str".to_owned()));
    }
    cx.release(mark);
    Ok(())
}

natives!(
    /// Text: an immutable sequence of characters.
    pub static TEXT_METHODS: Methods;

    /// The text an object shows as, or bytes decoded.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either]
        #[text("''")]
        object: Given<Root>,
        #[either]
        #[text("'utf-8'")]
        encoding: Given<Root>,
        #[either]
        #[text("'strict'")]
        errors: Given<Root>,
    ) -> NativeResult {
        let derived_class = is_derived(cx, class, Kind::Str, "str")?;
        let encoding = codec_name(cx, encoding.0, "str", "encoding")?;
        let errors = codec_name(cx, errors.0, "str", "errors")?;
        let raw = match object.0 {
            None => cx.text_raw(b""),
            Some(object) if encoding.is_none() && errors.is_none() => {
                if !derived_class {
                    return cx.str_outcome(object);
                }
                let text = cx.str_of(object)?;
                cx.as_str(text.get(cx)).expect("a text").value().raw()
            }
            Some(object) => {
                if cx.as_str(object.get(cx)).is_some() {
                    return Err(cx.type_error("decoding str is not supported".to_owned()));
                }
                let Some(bytes) = super::bytes::buffer_of(cx, object) else {
                    let got = cx.type_name_for_error(object.get(cx));
                    return Err(cx.type_error(format!("decoding to str: need a bytes-like object, {got} found")));
                };
                decode_bytes(cx, &bytes, object, encoding, errors)?
            }
        };
        done(if derived_class { derived(cx, class, raw) } else { raw })
    }

    /// The characters in lower case.
    fn lower(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "lower")?;
        let bytes = text.as_bytes();
        mapped(cx, text, if text.is_ascii() { bytes.to_ascii_lowercase() } else { unicode::lower(bytes) })
    }

    /// The characters in upper case.
    fn upper(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "upper")?;
        let bytes = text.as_bytes();
        mapped(cx, text, if text.is_ascii() { bytes.to_ascii_uppercase() } else { unicode::upper(bytes) })
    }

    /// The characters made alike for comparison without regard to case.
    fn casefold(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "casefold")?;
        let bytes = text.as_bytes();
        mapped(cx, text, if text.is_ascii() { bytes.to_ascii_lowercase() } else { unicode::casefold(bytes) })
    }

    /// Every word with a capital first and small letters after it.
    fn title(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "title")?;
        mapped(cx, text, unicode::title(text.as_bytes()))
    }

    /// A capital first and small letters after it.
    fn capitalize(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "capitalize")?;
        mapped(cx, text, unicode::capitalize(text.as_bytes()))
    }

    /// Capitals made small and small letters capitals.
    fn swapcase(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "swapcase")?;
        mapped(cx, text, unicode::swapcase(text.as_bytes()))
    }

    /// Whether there are letters only, and at least one.
    fn isalpha(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        test(cx, this, "isalpha", unicode::is_alpha, u8::is_ascii_alphabetic)
    }

    /// Whether there are letters and digits only, and at least one.
    fn isalnum(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        test(cx, this, "isalnum", unicode::is_alnum, u8::is_ascii_alphanumeric)
    }

    /// Whether there are digits only, superscripts included, and at least one.
    fn isdigit(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        test(cx, this, "isdigit", |point| unicode::digit(point).is_some(), u8::is_ascii_digit)
    }

    /// Whether there are digits of decimal numbers only, and at least one.
    fn isdecimal(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        test(cx, this, "isdecimal", |point| unicode::decimal(point).is_some(), u8::is_ascii_digit)
    }

    /// Whether there are characters with a numeric value only, and at least one.
    fn isnumeric(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        test(cx, this, "isnumeric", |point| unicode::numeric(point).is_some(), u8::is_ascii_digit)
    }

    /// Whether there is white space only, and at least one character.
    fn isspace(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        test(cx, this, "isspace", unicode::is_space, |b| matches!(b, b' ' | 9..=13 | 0x1c..=0x1f))
    }

    /// Whether every character can be shown.
    fn isprintable(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        let text = receiver(cx, this, "isprintable")?;
        Ok(text.is_empty() || unicode::all(text.as_bytes(), unicode::is_printable))
    }

    /// Whether every character is ASCII.
    fn isascii(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(receiver(cx, this, "isascii")?.is_ascii())
    }

    /// Whether there are letters with a case, all of them capitals.
    fn isupper(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(unicode::is_upper_text(receiver(cx, this, "isupper")?.as_bytes()))
    }

    /// Whether there are letters with a case, all of them small.
    fn islower(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(unicode::is_lower_text(receiver(cx, this, "islower")?.as_bytes()))
    }

    /// Whether every word begins with a capital and goes on in small letters.
    fn istitle(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(unicode::is_title_text(receiver(cx, this, "istitle")?.as_bytes()))
    }

    /// Whether it could be a name.
    fn isidentifier(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(unicode::is_identifier(receiver(cx, this, "isidentifier")?.as_bytes()))
    }

    /// The first place where `sub` is found, or -1.
    fn find(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
        let found = find_place(cx, (this, sub), (start, end), "find", From::Left)?;
        Ok(found.map_or(-1, |at| at as i64))
    }

    /// The last place where `sub` is found, or -1.
    fn rfind(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
        let found = find_place(cx, (this, sub), (start, end), "rfind", From::Right)?;
        Ok(found.map_or(-1, |at| at as i64))
    }

    /// The first place where `sub` is found; ValueError if there is none.
    fn index(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
        match find_place(cx, (this, sub), (start, end), "index", From::Left)? {
            Some(at) => Ok(at as i64),
            None => Err(cx.value_error("substring not found")),
        }
    }

    /// The last place where `sub` is found; ValueError if there is none.
    fn rindex(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
        match find_place(cx, (this, sub), (start, end), "rindex", From::Right)? {
            Some(at) => Ok(at as i64),
            None => Err(cx.value_error("substring not found")),
        }
    }

    /// How often `sub` occurs, without overlaps.
    fn count(cx: &mut Cx, this: Root, sub: Root, start: Option<Root>, end: Option<Root>) -> Result<i64, Raised> {
        let text = receiver(cx, this, "count")?;
        let needle = argument(cx, sub, "count", " 1")?;
        Ok(match searched(cx, text, start, end)? {
            Some((bytes, _)) => search::count(TEXT, bytes, needle.as_bytes()) as i64,
            None => 0,
        })
    }

    /// Whether it begins with a text, or one of a tuple of texts.
    fn startswith(
        cx: &mut Cx,
        this: Root,
        prefix: Root,
        start: Option<Root>,
        end: Option<Root>,
    ) -> Result<bool, Raised> {
        starts_or_ends(cx, (this, prefix), (start, end), "startswith")
    }

    /// Whether it ends with a text, or one of a tuple of texts.
    fn endswith(cx: &mut Cx, this: Root, suffix: Root, start: Option<Root>, end: Option<Root>) -> Result<bool, Raised> {
        starts_or_ends(cx, (this, suffix), (start, end), "endswith")
    }

    /// Without a text at the start, if it is there.
    fn removeprefix(cx: &mut Cx, this: Root, prefix: Root) -> NativeResult {
        let text = receiver(cx, this, "removeprefix")?;
        let prefix = argument(cx, prefix, "removeprefix", "")?;
        let bytes = text.as_bytes();
        done(part(cx, text, bytes.strip_prefix(prefix.as_bytes()).unwrap_or(bytes)))
    }

    /// Without a text at the end, if it is there.
    fn removesuffix(cx: &mut Cx, this: Root, suffix: Root) -> NativeResult {
        let text = receiver(cx, this, "removesuffix")?;
        let suffix = argument(cx, suffix, "removesuffix", "")?;
        let bytes = text.as_bytes();
        done(part(cx, text, bytes.strip_suffix(suffix.as_bytes()).unwrap_or(bytes)))
    }

    /// Without white space, or the characters given, at both ends.
    fn strip(cx: &mut Cx, this: Root, chars: Option<Root>) -> NativeResult {
        strip_text(cx, this, chars, "strip")
    }

    /// Without white space, or the characters given, at the start.
    fn lstrip(cx: &mut Cx, this: Root, chars: Option<Root>) -> NativeResult {
        strip_text(cx, this, chars, "lstrip")
    }

    /// Without white space, or the characters given, at the end.
    fn rstrip(cx: &mut Cx, this: Root, chars: Option<Root>) -> NativeResult {
        strip_text(cx, this, chars, "rstrip")
    }

    /// The parts between separators, or the words between white space.
    fn split(
        cx: &mut Cx,
        this: Root,
        #[either] sep: Option<Root>,
        #[either]
        #[default(-1)]
        maxsplit: i64,
    ) -> NativeResult {
        split_text(cx, this, sep, maxsplit, "split")
    }

    /// As split, splitting at the last separators where not at all.
    fn rsplit(
        cx: &mut Cx,
        this: Root,
        #[either] sep: Option<Root>,
        #[either]
        #[default(-1)]
        maxsplit: i64,
    ) -> NativeResult {
        split_text(cx, this, sep, maxsplit, "rsplit")
    }

    /// The lines, with their ends if asked for.
    fn splitlines(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(false)]
        keepends: bool,
    ) -> NativeResult {
        let text = receiver(cx, this, "splitlines")?;
        let items: Vec<Raw> = search::lines(TEXT, text.as_bytes(), keepends).map(|line| part(cx, text, line)).collect();
        done(list_of(cx, &items))
    }

    /// What is before the first separator, it, and what is after it.
    fn partition(cx: &mut Cx, this: Root, sep: Root) -> NativeResult {
        partition_at(cx, this, sep, "partition")
    }

    /// What is before the last separator, it, and what is after it.
    fn rpartition(cx: &mut Cx, this: Root, sep: Root) -> NativeResult {
        partition_at(cx, this, sep, "rpartition")
    }

    /// The texts of an iterable, with this text between them.
    fn join(cx: &mut Cx, this: Root, iterable: Root) -> NativeResult {
        let separator = receiver(cx, this, "join")?;
        let value = iterable.get(cx);
        if matches!(value.kind(), Kind::List | Kind::Tuple) && !value.is_subclassed() {
            return join_items(cx, separator, iterable);
        }
        let iterable_at_all =
            cx.own_method(iterable, Name::Iter)?.is_some() || cx.own_method(iterable, Name::GetItem)?.is_some();
        if !iterable_at_all {
            return Err(cx.type_error("can only join an iterable".to_owned()));
        }
        let items = cx.list_from(iterable)?;
        join_items(cx, separator, items)
    }

    /// With one text in place of another, everywhere or so many times.
    fn replace(
        cx: &mut Cx,
        this: Root,
        old: Root,
        new: Root,
        #[either]
        #[default(-1)]
        count: i64,
    ) -> NativeResult {
        let text = receiver(cx, this, "replace")?;
        let old = argument(cx, old, "replace", " 1")?;
        let new = argument(cx, new, "replace", " 2")?;
        let replaced =
            search::replace(TEXT, text.as_bytes(), old.as_bytes(), new.as_bytes(), usize::try_from(count).ok());
        match check(cx, replaced)? {
            Some(bytes) if text.is_ascii() && new.is_ascii() => mapped(cx, text, bytes),
            Some(bytes) => done(cx.checked_text(&bytes)?),
            None => done(text.value().raw()),
        }
    }

    /// With spaces in place of tabs.
    fn expandtabs(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(8)]
        tabsize: i64,
    ) -> NativeResult {
        if i32::try_from(tabsize).is_err() {
            return Err(cx.overflow_error("Python int too large to convert to C int"));
        }
        let text = receiver(cx, this, "expandtabs")?;
        let expanded = search::expand_tabs(TEXT, text.as_bytes(), tabsize);
        let bytes = check(cx, expanded)?;
        mapped(cx, text, bytes)
    }

    /// Filled on the right to a width.
    fn ljust(cx: &mut Cx, this: Root, width: i64, #[text("' '")] fillchar: Given<Root>) -> NativeResult {
        pad(cx, this, width, fillchar.0, Justify::Left, "ljust")
    }

    /// Filled on the left to a width.
    fn rjust(cx: &mut Cx, this: Root, width: i64, #[text("' '")] fillchar: Given<Root>) -> NativeResult {
        pad(cx, this, width, fillchar.0, Justify::Right, "rjust")
    }

    /// Filled on both sides to a width.
    fn center(cx: &mut Cx, this: Root, width: i64, #[text("' '")] fillchar: Given<Root>) -> NativeResult {
        pad(cx, this, width, fillchar.0, Justify::Center, "center")
    }

    /// Filled with zeros behind the sign to a width.
    fn zfill(cx: &mut Cx, this: Root, width: i64) -> NativeResult {
        let text = receiver(cx, this, "zfill")?;
        let filled = search::zfill(TEXT, text.as_bytes(), usize::try_from(width).unwrap_or(0));
        match check(cx, filled)? {
            Some(bytes) => done(cx.checked_text(&bytes)?),
            None => done(text.value().raw()),
        }
    }

    /// The text as bytes in an encoding.
    fn encode(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("'utf-8'")]
        encoding: Given<Root>,
        #[either]
        #[text("'strict'")]
        errors: Given<Root>,
    ) -> NativeResult {
        receiver(cx, this, "encode")?;
        let encoding = codec_name(cx, encoding.0, "encode", "encoding")?;
        let errors = codec_name(cx, errors.0, "encode", "errors")?;
        done(encode_text(cx, this, encoding, errors)?)
    }

    /// With values in place of the fields in braces.
    fn format(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let pattern = receiver(cx, this, "format")?;
        let mut out = Vec::with_capacity(pattern.len() + 16);
        let source = Source { args: Some(args.0), names: kwargs.0 };
        format_template(cx, &mut out, pattern.as_bytes(), source, &mut Numbering::default(), template::MAX_DEPTH)?;
        done(cx.checked_text(&out)?)
    }

    /// With values of a mapping in place of the fields in braces.
    fn format_map(cx: &mut Cx, this: Root, mapping: Root) -> NativeResult {
        let pattern = receiver(cx, this, "format_map")?;
        let mut out = Vec::with_capacity(pattern.len() + 16);
        let source = Source { args: None, names: mapping };
        format_template(cx, &mut out, pattern.as_bytes(), source, &mut Numbering::default(), template::MAX_DEPTH)?;
        done(cx.checked_text(&out)?)
    }

    /// With every character replaced by what a table has for its number.
    fn translate(cx: &mut Cx, this: Root, table: Root) -> NativeResult {
        let text = receiver(cx, this, "translate")?;
        let mut out = Vec::with_capacity(text.len());
        // What became of each ASCII character, looked up once: start and end in `out`, of which nothing is taken away.
        let known: [StdCell<Option<(usize, usize)>>; 128] = [const { StdCell::new(None) }; 128];
        for point in wtf8::code_points(text.as_bytes()) {
            let memo = known.get(point as usize);
            if let Some((start, end)) = memo.and_then(StdCell::get) {
                out.extend_from_within(start..end);
                continue;
            }
            let start = out.len();
            translate_point(cx, &mut out, table, point)?;
            if let Some(memo) = memo {
                memo.set(Some((start, out.len())));
            }
        }
        done(cx.checked_text(&out)?)
    }

    /// A table for translate: of a dict, or of texts with characters that stand for each other.
    #[fixed]
    fn maketrans(cx: &mut Cx, x: Root, y: Given<Root>, z: Given<Root>) -> NativeResult {
        let raw = Dict::new(&cx.heap).value().raw();
        let table = cx.push_raw(raw);
        let Some(y) = y.0 else {
            let source = x.get(cx).exact::<Dict>().map(Gc::held);
            let Some(source) = source else {
                let text = "if you give only one argument to maketrans it must be a dict";
                return Err(cx.type_error(text.to_owned()));
            };
            let mut index = 0;
            while index < source.used() {
                let entry = source.entry(index).map(|(k, v)| (k.raw(), v.raw()));
                index += 1;
                let Some((key, value)) = entry else { continue };
                let mark = cx.mark();
                let (key, value) = (cx.push_raw(key), cx.push_raw(value));
                let key = if let Some(text) = cx.as_str(key.get(cx)) {
                    if text.chars() != 1 {
                        return Err(cx.value_error("string keys in translate table must be of length 1"));
                    }
                    let point = wtf8::code_points(text.as_bytes()).next().expect("one character");
                    cx.push_raw(Raw::int(i64::from(point)))
                } else if as_int_ref(cx.payload(key.get(cx))).is_some() {
                    key
                } else {
                    return Err(cx.type_error("keys in translate table must be strings or integers".to_owned()));
                };
                cx.dict_set(table, key, value)?;
                cx.release(mark);
            }
            return done(table.get(cx).raw());
        };
        let Some(from) = cx.as_str(x.get(cx)).map(Gc::held) else {
            let text = "first maketrans argument must be a string if there is a second argument";
            return Err(cx.type_error(text.to_owned()));
        };
        let to = argument(cx, y, "maketrans", " 2")?;
        if from.chars() != to.chars() {
            return Err(cx.value_error("the first two maketrans arguments must have equal length"));
        }
        let pairs = wtf8::code_points(from.as_bytes()).zip(wtf8::code_points(to.as_bytes()).map(Some));
        let deleted = match z.0 {
            Some(z) => argument(cx, z, "maketrans", " 3")?.as_bytes(),
            None => b"",
        };
        for (from, to) in pairs.chain(wtf8::code_points(deleted).map(|point| (point, None))) {
            let mark = cx.mark();
            let key = cx.push_raw(Raw::int(i64::from(from)));
            let value = cx.push_raw(to.map_or(Raw::NONE, |to| Raw::int(i64::from(to))));
            cx.dict_set(table, key, value)?;
            cx.release(mark);
        }
        done(table.get(cx).raw())
    }

    /// Two texts one after the other.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let text = receiver(cx, this, "__add__")?;
        // The operator complains, once the other operand had its say.
        let Some(other) = cx.as_str(value.get(cx)).map(Gc::held) else { return done(Raw::NOT_IMPLEMENTED) };
        if text.len() + other.len() > MAX_LENGTH || cx.heap.check(text.len() + other.len()).is_err() {
            return Err(cx.memory_error());
        }
        done(concat(cx, text, other))
    }

    /// The text so many times.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value, "__mul__")
    }

    /// The text so many times.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value, "__rmul__")
    }

    /// With values in place of the conversions.
    fn __mod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let pattern = receiver(cx, this, "__mod__")?;
        percent_format(cx, pattern, value)
    }

    /// A text formatted by this one.
    fn __rmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        receiver(cx, this, "__rmod__")?;
        match cx.as_str(value.get(cx)).map(Gc::held) {
            Some(pattern) => percent_format(cx, pattern, this),
            None => done(Raw::NOT_IMPLEMENTED),
        }
    }

    /// Whether a text occurs in this one.
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> Result<bool, Raised> {
        let text = receiver(cx, this, "__contains__")?;
        match cx.as_str(key.get(cx)) {
            Some(needle) => Ok(search::find(text.as_bytes(), needle.as_bytes()).is_some()),
            None => {
                let got = cx.type_name_for_error(key.get(cx));
                Err(cx.type_error(format!("'in <string>' requires string as left operand, not {got}")))
            }
        }
    }

    /// The character at an index, or those of a slice.
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let text = receiver(cx, this, "__getitem__")?;
        let value: Value<'static> = Value::adopt(key.get(cx).raw());
        if let Some(slice) = value.exact::<Slice>() {
            return done(slice_text(cx, text, slice)?);
        }
        let Some(index) = repetitions(cx, key).map_err(|raised| index_too_large(cx, raised, key))? else {
            let got = cx.type_name_for_error(key.get(cx));
            return Err(cx.type_error(format!("string indices must be integers, not '{got}'")));
        };
        match text_item(cx, text, index) {
            Some(raw) => done(raw),
            None => Err(cx.index_error("string index out of range")),
        }
    }

    /// An iterator over the characters.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        receiver(cx, this, "__iter__")?;
        let iterator = cx.payload_iter(this).expect("a text has an iterator of its own");
        Ok(iterator.get(cx).into())
    }

    /// How many characters there are.
    fn __len__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(receiver(cx, this, "__len__")?.chars() as i64)
    }

    /// The hash.
    fn __hash__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(receiver(cx, this, "__hash__")?.hash(&cx.heap))
    }

    /// Whether the characters are the same.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let text = receiver(cx, this, "__eq__")?;
        Ok(match cx.as_str(value.get(cx)) {
            Some(other) => Outcome::from(text.equals(other)),
            None => Outcome::Value(Raw::NOT_IMPLEMENTED),
        })
    }

    /// Whether the characters differ.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let text = receiver(cx, this, "__ne__")?;
        Ok(match cx.as_str(value.get(cx)) {
            Some(other) => Outcome::from(!text.equals(other)),
            None => Outcome::Value(Raw::NOT_IMPLEMENTED),
        })
    }

    /// Whether it comes before another text.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, "__lt__", Ordering::is_lt)
    }

    /// Whether it comes before another text or is the same.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, "__le__", Ordering::is_le)
    }

    /// Whether it comes after another text.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, "__gt__", Ordering::is_gt)
    }

    /// Whether it comes after another text or is the same.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, "__ge__", Ordering::is_ge)
    }

    /// The text filled and cut as a format specification says.
    fn __format__(cx: &mut Cx, this: Root, format_spec: Root) -> NativeResult {
        let text = receiver(cx, this, "__format__")?;
        let spec = argument(cx, format_spec, "__format__", "")?;
        if spec.is_empty() {
            if this.get(cx).is_subclassed() {
                return cx.str_outcome(this);
            }
            return done(text.value().raw());
        }
        done(cx.format_plain(text.value().raw(), spec.value().raw())?)
    }

    /// The text in quotes, with escapes.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = receiver(cx, this, "__repr__")?;
        let shown = crate::text::repr::text(text.as_bytes());
        done(cx.checked_text(shown.as_bytes())?)
    }

    /// The text itself.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        done(receiver(cx, this, "__str__")?.value().raw())
    }

    /// What a copy is made of.
    fn __getnewargs__(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = receiver(cx, this, "__getnewargs__")?.value().raw();
        Ok(cx.tuple(&[Value::adopt(raw)]).into())
    }

    /// The size in memory, in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        let text = receiver(cx, this, "__sizeof__")?;
        let chars = text.chars() as i64 + 1;
        let widest = wtf8::code_points(text.as_bytes()).max().unwrap_or(0);
        Ok(match widest {
            0..0x80 => 40 + chars,
            0x80..0x100 => 56 + chars,
            0x100..0x1_0000 => 56 + 2 * chars,
            _ => 56 + 4 * chars,
        })
    }
);

/// An index past 64 bits is out of any range.
pub(super) fn index_too_large(cx: &mut Cx, raised: Raised, key: Root) -> Raised {
    if !cx.raised_is(Exc::OverflowError) {
        return raised;
    }
    cx.take_raised(raised);
    let got = cx.type_name_for_error(key.get(cx));
    cx.index_error(&format!("cannot fit '{got}' into an index-sized integer"))
}

/// Two texts one after the other.
fn concat(cx: &Cx, text: Held, other: Held) -> Raw {
    let (text, other): (Gc<'_, Str>, Gc<'_, Str>) = (text, other);
    text.concat(&cx.heap, other).value().raw()
}

/// The character at an index, which may count from the end.
pub(crate) fn text_item(cx: &Cx, text: Gc<'_, Str>, index: i64) -> Option<Raw> {
    let length = text.chars() as i64;
    let index = if index < 0 { index + length } else { index };
    if !(0..length).contains(&index) {
        return None;
    }
    let bytes = text.as_bytes();
    if text.is_ascii() {
        return Some(cx.character(bytes[index as usize]).value().raw());
    }
    let at = Value::adopt(text.value().raw()).exact::<Str>().expect("a text").offset(&cx.heap, index as usize);
    let character = &bytes[at..at + wtf8::width(bytes[at])];
    match wtf8::code_points(character).next() {
        Some(point @ 0..0x100) => Some(cx.character(point as u8).value().raw()),
        _ => Some(Str::from_parts(&cx.heap, &[character]).value().raw()),
    }
}

/// The characters a slice means.
pub(crate) fn slice_text(cx: &mut Cx, text: Held, slice: Gc<'static, Slice>) -> Result<Raw, Raised> {
    let range = slice_range(cx, slice, text.chars())?;
    if range.count == 0 {
        return Ok(cx.text_raw(b""));
    }
    if range.step == 1 {
        let (start, end) = (range.start as usize, range.start as usize + range.count);
        if range.count == text.chars() {
            return Ok(text.value().raw());
        }
        let (from, to) = held_offsets(text, &cx.heap, start, end);
        let bytes = &text.as_bytes()[from..to];
        return Ok(part(cx, text, bytes));
    }
    let bytes = text.as_bytes();
    if text.is_ascii() {
        let picked: Vec<u8> = range.indices().map(|i| bytes[i]).collect();
        return Ok(part(cx, text, &picked));
    }
    // Every character's offset is needed, or at least those between two picked ones: walked once.
    let offsets: Vec<usize> = wtf8::code_point_indices(bytes).map(|(at, _)| at).collect();
    let mut picked = Vec::with_capacity(range.count);
    for index in range.indices() {
        let at = offsets[index];
        picked.extend_from_slice(&bytes[at..at + wtf8::width(bytes[at])]);
    }
    Ok(cx.text_raw(&picked))
}
