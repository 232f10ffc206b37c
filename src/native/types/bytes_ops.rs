//! What the methods of bytes and bytearray do: search, split, pad, format, hexadecimal digits.

use crate::heap::{Kind, Raw, Value};
use crate::object::key::as_int_ref;
use crate::object::{Bytes, List, Str, Tuple};
use crate::text::MAX_LENGTH;
use crate::text::percent::{self, Resolved};
use crate::text::search::{self, Justify, StripSet};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::{FULL_READ_ONLY, Name};
use std::borrow::Cow;
use std::cmp::Ordering;

use super::bounds::search_range;
use super::bytes::{
    BYTES, Content, Of, buffer_of, bytes_like, check, check_view, done, is_index, needle, receiver, shown_bytes,
    value_bytes,
};
use super::text_format::{PercentArgs, percent_number};
use super::text_ops::{repeat_count, to_be_joined};

pub(super) fn find_place(
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

pub(super) fn starts_or_ends(
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
            match buffer_of(cx, root) {
                Some(affix) if matches(&affix) => return Ok(true),
                Some(_) => cx.release(mark),
                None => {
                    check_view(cx, root)?;
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
            check_view(cx, affix)?;
            let got = cx.type_name_for_error(affix.get(cx));
            Err(cx.type_error(format!("{method} first arg must be bytes or a tuple of bytes, not {got}")))
        }
    }
}

pub(super) fn strip_bytes(cx: &mut Cx, of: Of, this: Root, set: Option<Root>, method: &'static str) -> NativeResult {
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

pub(super) fn list_of(cx: &mut Cx, of: Of, parts: &[&[u8]]) -> NativeResult {
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

pub(super) fn split_bytes(
    cx: &mut Cx,
    of: Of,
    this: Root,
    sep: Option<Root>,
    most: i64,
    method: &'static str,
) -> NativeResult {
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

pub(super) fn partition_at(cx: &mut Cx, of: Of, this: Root, sep: Root, method: &'static str) -> NativeResult {
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

pub(super) fn pad(
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

pub(super) fn all(bytes: &[u8], property: fn(&u8) -> bool) -> bool {
    !bytes.is_empty() && bytes.iter().all(property)
}

/// Whether letters with a case are there, all of one kind.
pub(super) fn cased(bytes: &[u8], wanted: fn(&u8) -> bool, other: fn(&u8) -> bool) -> bool {
    bytes.iter().any(wanted) && !bytes.iter().any(other)
}

pub(super) fn title_case(bytes: &[u8]) -> Vec<u8> {
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

pub(super) fn is_title(bytes: &[u8]) -> bool {
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

pub(super) fn compare(
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

pub(super) fn no_concat(cx: &mut Cx, this: Root, value: Root) -> Raised {
    let (got, own) = (cx.type_name_for_error(value.get(cx)), cx.type_name_for_error(this.get(cx)));
    cx.type_error(format!("can't concat {got} to {own}"))
}

pub(super) fn repeated(cx: &mut Cx, bytes: &[u8], count: Root) -> Result<Vec<u8>, Raised> {
    let count = usize::try_from(repeat_count(cx, count)?).unwrap_or(0);
    let length = bytes.len().checked_mul(count).filter(|n| *n <= MAX_LENGTH);
    if length.is_none_or(|n| cx.heap.check(2 * n).is_err()) {
        return Err(cx.memory_error());
    }
    Ok(bytes.repeat(count))
}

pub(super) fn join_bytes(cx: &mut Cx, of: Of, this: Root, iterable: Root) -> NativeResult {
    let separator = receiver(cx, this, "join", of)?;
    let iterable_at_all = cx.own_method(iterable, Name::Iter)?.is_some() || cx.has_numbered_items(iterable)?;
    if !iterable_at_all {
        return Err(cx.type_error("can only join an iterable".to_owned()));
    }
    let plain = matches!(iterable.get(cx).kind(), Kind::List | Kind::Tuple) && !iterable.get(cx).is_subclassed();
    let items = if plain {
        iterable
    } else {
        let iterable = to_be_joined(cx, iterable)?;
        cx.list_from(iterable)?
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
pub(super) fn percent_bytes(cx: &mut Cx, pattern: &[u8], values: Root) -> Result<Vec<u8>, Raised> {
    let mut args = PercentArgs::new(cx, values, true)?;
    let mark = cx.mark();
    let mut out: Vec<u8> = Vec::with_capacity(pattern.len() + 16);
    for piece in percent::bytes_template(pattern, args.is_mapping()) {
        let conversion = match check(cx, piece)? {
            percent::Piece::Literal(text) => {
                out.extend_from_slice(text);
                continue;
            }
            percent::Piece::Key(key) => {
                let raw = Bytes::new(&cx.heap, key).value().raw();
                args.keyed(cx, raw)?;
                continue;
            }
            percent::Piece::Stars(count) => {
                for number in 0..count {
                    args.size(cx, percent::Size::Argument, number > 0)?;
                }
                continue;
            }
            percent::Piece::Conversion(conversion) => conversion,
        };
        let width = args.size(cx, conversion.width, false)?;
        let precision = args.size(cx, conversion.precision, true)?;
        let how = Resolved::new(&conversion, width, precision);
        let kind = u8::try_from(conversion.kind).unwrap_or(0);
        let value = args.next(cx)?;
        let how = check(cx, how)?;
        // What is wrong with the value is told before there is no room for it.
        let too_big = how.width > MAX_LENGTH || cx.heap.check(how.room()).is_err();
        let how = if too_big { how.narrow() } else { how };
        match kind {
            b'r' | b'a' => {
                let text = cx.ascii(value)?;
                how.format_bytes(&mut out, cx.as_str(text.get(cx)).expect("a text").as_bytes());
            }
            b's' | b'b' => {
                let bytes = match shown_bytes(cx, value, FULL_READ_ONLY)? {
                    Some(bytes) => bytes,
                    None if cx.own_method(value, Name::Bytes)?.is_some() => {
                        let made = cx.call_special(value, Name::Bytes, &[])?.expect("just found");
                        if made.get(cx).kind() != Kind::Bytes {
                            let got = cx.type_name_for_error(made.get(cx));
                            return Err(cx.type_error(format!("__bytes__ returned non-bytes (type {got})")));
                        }
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
            b'c' => match value_bytes(cx, value.get(cx))
                .filter(|_| matches!(value.get(cx).kind(), Kind::Bytes | Kind::ByteArray))
            {
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
        if too_big || out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        cx.release(mark);
    }
    args.finish(cx, "bytes")?;
    Ok(out)
}

/// The digits of bytes, in groups counted from the end (negative: from the start).
pub(super) fn hex_text(bytes: &[u8], sep: Option<u8>, group: i32) -> String {
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
pub(super) fn hex_of(cx: &mut Cx, bytes: &[u8], sep: Option<Root>, group: i32) -> NativeResult {
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

pub(super) fn from_hex(cx: &mut Cx, string: Root) -> Result<Vec<u8>, Raised> {
    let bytes: Content = if let Some(text) = cx.as_str(string.get(cx)) {
        Cow::Borrowed(text.held().as_bytes())
    } else if let Some(bytes) = buffer_of(cx, string) {
        bytes
    } else {
        check_view(cx, string)?;
        let got = cx.type_name_for_error(string.get(cx));
        return Err(cx.type_error(format!("fromhex() argument must be str or bytes-like, not {got}")));
    };
    // In a text the first character that is no ASCII is what is wrong, wherever it stands.
    let foreign = cx.as_str(string.get(cx)).and_then(|text| text.as_bytes().iter().position(|b| !b.is_ascii()));
    let wrong = |cx: &mut Cx, at: usize| {
        let at = foreign.unwrap_or(at);
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
