//! How bytes and bytearray are made of what a script gives, and their items and slices.

use crate::heap::{Kind, Value};
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Exc, List, Slice, Tuple};
use crate::text::MAX_LENGTH;
use crate::vm::native::{Cx, NativeResult, Raised, Root};
use crate::vm::{FULL_READ_ONLY, Name};
use std::borrow::Cow;

use super::bounds::{apply_bounds, slice_bounds, slice_range};
use super::bytes::{Content, Of, array, buffer_of, byte, check_view, done, is_index, receiver, shown_bytes, splice};
use super::text::{index_too_large, wrong_receiver};
use super::text_codec::{codec_name, encode_text};
use super::text_ops::repetitions;

/// The bytes that the arguments of `bytes` or `bytearray` stand for.
pub(super) fn constructed(
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
                return bytes_of_items(cx, of, source, not_converted, matches!(of, Of::Bytes));
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
            // With what CPython keeps beside them, they would be more than there are addresses.
            Some(count) if count > i64::MAX - 33 && matches!(of, Of::Bytes) => {
                Err(cx.overflow_error("byte string is too large"))
            }
            Some(count) if count as usize > MAX_LENGTH || cx.heap.check(2 * count as usize).is_err() => {
                Err(cx.memory_error())
            }
            Some(count) => Ok(vec![0; count as usize]),
        };
    }
    if let Some(bytes) = shown_bytes(cx, source, FULL_READ_ONLY)? {
        return Ok(bytes.into_owned());
    }
    check_view(cx, source)?;
    bytes_of_items(cx, of, source, not_converted, matches!(of, Of::Bytes))
}

pub(super) fn is_exact_buffer(value: Value<'_>) -> bool {
    !value.is_subclassed() && matches!(value.kind(), Kind::Bytes | Kind::ByteArray | Kind::MemoryView)
}

fn not_converted(of: Of, got: &str) -> String {
    format!("cannot convert '{got}' object to {}", of.name())
}

/// The bytes of an iterable of integers, which is asked how many there will be where `hinted`. Of anything else, `refusal` is what is said
/// of its type.
pub(super) fn bytes_of_items(
    cx: &mut Cx,
    of: Of,
    source: Root,
    refusal: fn(Of, &str) -> String,
    hinted: bool,
) -> Result<Vec<u8>, Raised> {
    let iterable = cx.own_method(source, Name::Iter)?.is_some() || cx.own_method(source, Name::GetItem)?.is_some();
    if !iterable {
        let got = cx.type_name_for_error(source.get(cx));
        return Err(cx.type_error(refusal(of, &got)));
    }
    let given = source;
    let value = source.get(cx);
    let row = match (value.exact::<List>(), value.exact::<Tuple>()) {
        (Some(list), _) => list.slots(),
        (_, Some(tuple)) => tuple.tail(),
        _ => &[],
    };
    // Nothing is asked of small integers.
    let small: Option<Vec<u8>> =
        row.iter().map(|item| item.get().as_int().and_then(|int| u8::try_from(int).ok())).collect();
    if let Some(bytes) = small.filter(|bytes| !bytes.is_empty()) {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    let iterator = if hinted { cx.iter_with_hint(given) } else { cx.iter(given) };
    let source = match iterator {
        Ok(iterator) => iterator,
        Err(raised) if cx.raised_is(Exc::TypeError) => {
            cx.take_raised(raised);
            let got = cx.type_name_for_error(given.get(cx));
            return Err(cx.type_error(refusal(of, &got)));
        }
        Err(raised) => return Err(raised),
    };
    cx.drain(source, &mut |cx: &mut Cx, item: Root| {
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
pub(super) fn item_index(cx: &mut Cx, key: Root, of: Of) -> Result<i64, Raised> {
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
pub(super) fn place(cx: &mut Cx, index: i64, length: usize, message: &str) -> Result<usize, Raised> {
    let at = if index < 0 { index + length as i64 } else { index };
    if (0..length as i64).contains(&at) { Ok(at as usize) } else { Err(cx.index_error(message)) }
}

pub(super) fn get_item(cx: &mut Cx, of: Of, this: Root, key: Root) -> NativeResult {
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
pub(super) fn change_item(
    cx: &mut Cx,
    this: Root,
    key: Root,
    value: Option<Root>,
    method: &'static str,
) -> Result<(), Raised> {
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
    let bounds = slice_bounds(cx, slice)?;
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
                Cow::Owned(bytes_of_items(cx, Of::ByteArray, value, not_converted, false)?)
            }
        },
    };
    // What is asked for bounds and items may have changed the length.
    let range = apply_bounds(bounds, array.len());
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
