//! bytes and bytearray: their methods and operators. What both have is declared once.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::number::Fault;
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Exc};
use crate::text::search::{self, Justify};
use crate::text::{MAX_LENGTH, repr as text_repr};
use crate::vm::Name;
use crate::vm::bytearray_literal;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};
use std::borrow::Cow;
use std::cmp::Ordering;

use super::bounds::search_range;
use super::bytes_items::{bytes_of_items, change_item, constructed, get_item, is_exact_buffer, place};
use super::bytes_ops::{
    all, cased, compare, find_place, from_hex, hex_of, is_title, join_bytes, list_of, no_concat, pad, partition_at,
    percent_bytes, repeated, split_bytes, starts_or_ends, strip_bytes, title_case,
};
use super::list::repeat;
use super::text::{derived, is_derived, wrong_receiver};
use super::text_codec::{codec_name, decode_bytes};

/// What the algorithms are told of bytes.
pub(super) const BYTES: search::Kind = search::Kind::Bytes;

/// The bytes of an argument: borrowed where they can't change, copied where they can.
pub(super) type Content = Cow<'static, [u8]>;

/// Which of the two types a method is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Bytes,
    ByteArray,
}

impl Of {
    pub(super) fn name(self) -> &'static str {
        match self {
            Of::Bytes => "bytes",
            Of::ByteArray => "bytearray",
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Of::Bytes => Kind::Bytes,
            Of::ByteArray => Kind::ByteArray,
        }
    }

    /// A new object of the type.
    pub(super) fn make(self, cx: &mut Cx, bytes: &[u8]) -> Result<Raw, Raised> {
        if bytes.len() > MAX_LENGTH || cx.heap.check(bytes.len()).is_err() {
            return Err(cx.memory_error());
        }
        match self {
            Of::Bytes => Ok(Bytes::new(&cx.heap, bytes).value().raw()),
            Of::ByteArray => new_bytearray(cx, bytes),
        }
    }

    /// The object itself where it can't change and is exactly of the type, else a new one.
    pub(super) fn same(self, cx: &mut Cx, this: Root, bytes: &[u8]) -> NativeResult {
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

/// As `buffer_of`, for what hands on what `__buffer__` raises, which is given these flags: with those of a full look at what is there the
/// bytes need not be next to each other.
pub(crate) fn shown_bytes(cx: &mut Cx, root: Root, flags: i64) -> Result<Option<Content>, Raised> {
    if flags == crate::vm::FULL_READ_ONLY
        && let Some(view) = root.get(cx).exact::<crate::object::MemoryView>().filter(|view| !view.released.get())
    {
        return Ok(Some(Cow::Owned(view.to_vec())));
    }
    match value_bytes(cx, root.get(cx)) {
        Some(content) => Ok(Some(content)),
        None => Ok(cx.bytes_of_scripted(root, flags)?.map(Cow::Owned)),
    }
}

/// As `buffer_of`, for a value of a builtin class. None for views of bytes that are not next to each other.
pub(crate) fn value_bytes(cx: &Cx, value: Value<'_>) -> Option<Content> {
    let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
    match payload.kind() {
        Kind::Bytes => payload.exact::<Bytes>().map(|b| Cow::Borrowed(b.as_bytes())),
        Kind::ByteArray => payload.exact::<ByteArray>().map(|b| Cow::Owned(b.to_vec())),
        Kind::Array => payload.exact::<crate::object::Array>().map(|a| Cow::Owned(a.memory().to_vec())),
        Kind::MemoryView => {
            let view = payload.exact::<crate::object::MemoryView>();
            view.filter(|view| !view.released.get() && view.is_contiguous()).map(|v| Cow::Owned(v.to_vec()))
        }
        _ => None,
    }
}

/// A bytes-like argument.
pub(crate) fn bytes_like(cx: &mut Cx, root: Root) -> Result<Content, Raised> {
    if let Some(bytes) = shown_bytes(cx, root, 0)? {
        return Ok(bytes);
    }
    check_view(cx, root)?;
    let got = cx.type_name_for_error(root.get(cx));
    Err(cx.type_error(format!("a bytes-like object is required, not '{got}'")))
}

/// A memoryview that was released has no bytes any more; one that passes over some can't be taken for bytes in a row.
pub(crate) fn check_view(cx: &mut Cx, root: Root) -> Result<(), Raised> {
    match root.get(cx).exact::<crate::object::MemoryView>() {
        Some(view) if view.released.get() => Err(cx.value_error("operation forbidden on released memoryview object")),
        Some(view) if !view.is_contiguous() => {
            Err(cx.raise_text(Exc::BufferError, "memoryview: underlying buffer is not C-contiguous"))
        }
        _ => Ok(()),
    }
}

pub(super) fn receiver(cx: &mut Cx, this: Root, method: &str, of: Of) -> Result<Content, Raised> {
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
pub(super) fn array(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, ByteArray>, Raised> {
    let payload: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
    match payload.exact::<ByteArray>() {
        Some(array) => Ok(array),
        None => Err(wrong_receiver(cx, this, method, "bytearray")),
    }
}

pub(super) fn done(raw: Raw) -> NativeResult {
    Ok(Outcome::Value(raw))
}

pub(super) fn check<T>(cx: &mut Cx, result: Result<T, Fault>) -> Result<T, Raised> {
    result.map_err(|fault| cx.fault(fault))
}

/// Replaces a range of a bytearray.
pub(super) fn splice(
    cx: &mut Cx,
    array: Gc<'static, ByteArray>,
    start: usize,
    end: usize,
    bytes: &[u8],
) -> Result<(), Raised> {
    if bytes.len() != end - start && array.exports.get() > 0 && cx.count_views(array) > 0 {
        return Err(cx.raise_text(Exc::BufferError, "Existing exports of data: object cannot be re-sized"));
    }
    if array.len() + bytes.len() > MAX_LENGTH || splice_heap(cx, array, start, end, bytes).is_err() {
        return Err(cx.memory_error());
    }
    Ok(())
}

pub(super) fn splice_heap(
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
pub(super) fn byte(cx: &mut Cx, root: Root) -> Result<u8, Raised> {
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
pub(super) fn needle(cx: &mut Cx, root: Root) -> Result<Content, Raised> {
    if let Some(bytes) = shown_bytes(cx, root, 0)? {
        return Ok(bytes);
    }
    if is_index(cx, root)? {
        return Ok(Cow::Owned(vec![byte(cx, root)?]));
    }
    check_view(cx, root)?;
    let got = cx.type_name_for_error(root.get(cx));
    Err(cx.type_error(format!("argument should be integer or bytes-like object, not '{got}'")))
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
            fn expandtabs(cx: &mut Cx, this: Root, #[either] #[default(8)] tabsize: i32) -> NativeResult {
                let tabsize = i64::from(tabsize);
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
                #[either] #[default(1)] bytes_per_sep: i32,
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
                receiver(cx, this, "__mul__", $of)?;
                repeat(cx, this, value)
            }

            /// The bytes so many times.
            fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                receiver(cx, this, "__rmul__", $of)?;
                repeat(cx, this, value)
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
                    None if is_index(cx, key)? => match cx.index(key) {
                        Ok(number) => Cow::Owned(vec![byte(cx, number)?]),
                        // What can't say which byte it is may be some bytes all the same.
                        Err(raised) => {
                            cx.take_raised(raised);
                            bytes_like(cx, key)?
                        }
                    },
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
    #[quick(Two(crate::native::quick::append_byte))]
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
                if let Some(view) = iterable_of_ints.get(cx).exact::<crate::object::MemoryView>()
                    && !view.released.get()
                    && !view.is_contiguous()
                {
                    return Err(cx.type_error("can't set bytearray slice from memoryview".to_owned()));
                }
                let refusal = |_, got: &str| format!("can't extend bytearray with {got}");
                Cow::Owned(bytes_of_items(cx, Of::ByteArray, iterable_of_ints, refusal, true)?)
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
        if !other.is_empty() && cx.payload(value.get(cx)).is(array.value()) {
            // Its bytes are looked at while room is made for them.
            return Err(cx.raise_text(Exc::BufferError, "Existing exports of data: object cannot be re-sized"));
        }
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

    /// Bytes that are taken for the content, with the one that ends it.
    fn __alloc__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        let len = array(cx, this, "__alloc__")?.len() as i64;
        Ok(if len == 0 { 0 } else { len + 1 })
    }
}
