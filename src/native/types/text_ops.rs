//! What str's methods do with places, parts and padding: searching, splitting, stripping, joining, repeating.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::number::long::Watch;
use crate::number::{Fault, FaultKind};
use crate::object::key::as_int_ref;
use crate::object::{ASCII, Exc, List, SURROGATES, Str, Tuple};
use crate::text::search::{self, Justify, StripSet};
use crate::text::{MAX_LENGTH, unicode, wtf8};
use crate::vm::Name;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use super::bounds::search_range;
use super::text::{Held, TEXT, argument, check, done, list_of, part, receiver};

/// Where a search looks: the bytes between two positions, and the byte they begin at; None if `start` is past the end.
pub(super) fn searched<'a>(
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

pub(super) fn held_offsets(text: Held, heap: &crate::heap::Heap, start: usize, end: usize) -> (usize, usize) {
    let text: Gc<'_, Str> = text;
    (text.offset(heap, start), text.offset(heap, end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Left,
    Right,
}

pub(super) fn find_place(
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
    Ok(found.map(|at| text.index_at(cx.heap.forever(), offset + at)))
}

pub(super) fn starts_or_ends(
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

pub(super) fn match_affix(cx: &mut Cx, bytes: Option<&[u8]>, affix: Root, method: &str) -> Result<bool, Raised> {
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

pub(super) fn strip_text(cx: &mut Cx, this: Root, chars: Option<Root>, method: &'static str) -> NativeResult {
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

pub(super) fn split_text(cx: &mut Cx, this: Root, sep: Option<Root>, most: i64, method: &'static str) -> NativeResult {
    let text = receiver(cx, this, method)?;
    let most = usize::try_from(most).ok();
    let bytes = text.as_bytes();
    let from_left = method == "split";
    let sep = match sep {
        None => None,
        Some(root) => match cx.as_str(root.get(cx)).map(Gc::held) {
            Some(sep) if sep.is_empty() => return Err(cx.value_error("empty separator")),
            Some(sep) => Some(sep.as_bytes()),
            None => {
                let got = cx.type_name_for_error(root.get(cx));
                return Err(cx.type_error(format!("must be str or None, not {got}")));
            }
        },
    };
    done(cx.at_length(bytes.len(), |cx, watch| {
        let mut parts: SmallVec<[Raw; 32]> = SmallVec::new();
        let mut take = |item: &[u8]| {
            parts.push(part(cx, text, item));
            watch.check_at(parts.len())
        };
        match sep {
            None if from_left => search::split_space(TEXT, bytes, most).try_for_each(&mut take)?,
            None => search::rsplit_space(TEXT, bytes, most).into_iter().try_for_each(&mut take)?,
            Some(sep) if from_left => search::split(bytes, sep, most).try_for_each(&mut take)?,
            Some(sep) => search::rsplit(bytes, sep, most).into_iter().try_for_each(&mut take)?,
        }
        Ok(list_of(cx, &parts))
    })?)
}

pub(super) fn partition_at(cx: &mut Cx, this: Root, sep: Root, method: &'static str) -> NativeResult {
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
        None if last => [empty, empty, this.get(cx).raw()],
        None => [this.get(cx).raw(), empty, empty],
    };
    done(Tuple::build(&cx.heap, 3, |i| Value::adopt(items[i])).value().raw())
}

pub(super) fn pad(
    cx: &mut Cx,
    this: Root,
    width: i64,
    fill: Option<Root>,
    how: Justify,
    method: &'static str,
) -> NativeResult {
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
    cx.check_room(width.saturating_mul(2 * wtf8::width_of(fill)))?;
    let padded = search::justify(TEXT, text.as_bytes(), width, fill, how);
    match check(cx, padded)? {
        Some(bytes) => done(cx.checked_text(&bytes)?),
        None => done(text.value().raw()),
    }
}

pub(super) fn test(
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

pub(super) fn compare(
    cx: &mut Cx,
    this: Root,
    other: Root,
    method: &'static str,
    holds: fn(Ordering) -> bool,
) -> NativeResult {
    let text = receiver(cx, this, method)?;
    Ok(match cx.as_str(other.get(cx)) {
        Some(other) => Outcome::from(holds(text.as_bytes().cmp(other.as_bytes()))),
        None => Outcome::Value(Raw::NOT_IMPLEMENTED),
    })
}

/// The value as an integer; None where it is none.
pub(super) fn repetitions(cx: &mut Cx, count: Root) -> Result<Option<i64>, Raised> {
    let value = count.get(cx);
    if let Some(int) = value.as_int() {
        return Ok(Some(int));
    }
    let is_int = matches!(value.kind(), Kind::True | Kind::False | Kind::BigInt | Kind::Int);
    if !is_int && cx.own_method(count, Name::Index)?.is_none() {
        return Ok(None);
    }
    repeat_count(cx, count).map(Some)
}

/// How often to repeat; complains of what is no integer.
pub(super) fn repeat_count(cx: &mut Cx, count: Root) -> Result<i64, Raised> {
    let mark = cx.mark();
    let index = cx.index(count)?;
    let number = as_int_ref(cx.payload(index.get(cx))).and_then(|n| n.to_i64());
    cx.release(mark);
    number.ok_or_else(|| cx.overflow_error("cannot fit 'int' into an index-sized integer"))
}

/// What `join` takes its items from: the iterator, where a script makes one. Whatever type error that ends in, it can't be joined.
pub(super) fn to_be_joined(cx: &mut Cx, iterable: Root) -> Result<Root, Raised> {
    if iterable.get(cx).kind() != Kind::Instance {
        return Ok(iterable);
    }
    match cx.iter(iterable) {
        Err(raised) if cx.raised_is(Exc::TypeError) => {
            cx.take_raised(raised);
            Err(cx.type_error("can only join an iterable".to_owned()))
        }
        made => made,
    }
}

/// `sep.join(items)`, the items being in a list or tuple.
pub(super) fn join_items(cx: &mut Cx, separator: Held, items: Root) -> NativeResult {
    let value = items.get(cx);
    let count =
        value.exact::<List>().map_or_else(|| value.exact::<Tuple>().map_or(0, |tuple| tuple.len()), |l| l.len());
    match cx.at_length(count, |cx, watch| joined(cx, separator, items, watch))? {
        Ok(raw) => done(raw),
        Err((index, item)) => {
            let got = cx.type_name_for_error(Value::adopt(item));
            Err(cx.type_error(format!("sequence item {index}: expected str instance, {got} found")))
        }
    }
}

/// The text that the items of a list or tuple are joined to; or the first that is no text, and its number.
fn joined(cx: &Cx, separator: Held, items: Root, watch: &Watch<'_>) -> Result<Result<Raw, (usize, Raw)>, Fault> {
    let too_long = || Fault::new(FaultKind::Memory, "");
    let value: Value<'static> = Value::adopt(items.get(cx).raw());
    let between = separator.as_bytes();
    let mut slices: SmallVec<[&[u8]; 32]> = SmallVec::new();
    let mut only = None;
    let mut count = 0usize;
    let (mut bytes, mut chars, mut flags) = (0usize, 0usize, ASCII | (separator.aux() & SURROGATES));
    if !separator.is_ascii() {
        flags &= !ASCII;
    }
    let mut wrong = None;
    let mut take = |item: Value<'static>| {
        let found = item.exact::<Str>().or_else(|| cx.as_str(item).map(Gc::held));
        let Some(text) = found else {
            wrong.get_or_insert((count, item.raw()));
            return Ok(());
        };
        bytes += text.len();
        chars += text.chars();
        flags = (flags & text.aux() & ASCII) | ((flags | text.aux()) & SURROGATES);
        if count > 0 && !between.is_empty() {
            slices.push(between);
        }
        slices.push(text.as_bytes());
        only = Some(text);
        count += 1;
        watch.check_at(count)
    };
    if let Some(list) = value.exact::<List>() {
        list.items().try_for_each(&mut take)?;
    } else if let Some(tuple) = value.exact::<Tuple>() {
        tuple.items().try_for_each(&mut take)?;
    }
    if let Some(wrong) = wrong {
        return Ok(Err(wrong));
    }
    let gaps = match (count, only) {
        (1, Some(one)) => return Ok(Ok(one.value().raw())),
        (2.., _) => count - 1,
        _ => return Ok(Ok(cx.text_raw(b""))),
    };
    let total = gaps.checked_mul(separator.len()).and_then(|n| n.checked_add(bytes)).filter(|n| *n <= MAX_LENGTH);
    let total = total.ok_or_else(too_long)?;
    cx.heap.check(total).map_err(|_| too_long())?;
    chars += gaps * separator.chars();
    if !separator.is_ascii() {
        flags &= !ASCII;
    }
    Ok(Ok(Str::known(&cx.heap, &slices, chars, flags).value().raw()))
}
