//! str: its methods and operators. The algorithms are in `crate::text`; here arguments become byte slices and results texts.
//!
//! Methods accept instances of classes derived from str and return exact texts. A text that doesn't change is handed back as it is.

use std::cell::Cell as StdCell;
use std::cmp::Ordering;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::number::Fault;
use crate::object::key::as_int_ref;
use crate::object::{ClassFlags, Dict, Exc, Instance, List, Slice, Str};
use crate::text::search::{self, Justify};
use crate::text::template::{self, Numbering};
use crate::text::{MAX_LENGTH, unicode, wtf8};
use crate::vm::Name;
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::bounds::slice_range;
use super::list::repeat;
use super::text_codec::{codec_name, decode_bytes, encode_text};
use super::text_format::{Source, format_template, percent_format};
use super::text_ops::{
    From, compare, find_place, held_offsets, join_items, pad, partition_at, repetitions, searched, split_text,
    starts_or_ends, strip_text, test, to_be_joined,
};

/// What the algorithms are told of text.
pub(super) const TEXT: search::Kind = search::Kind::Text;

/// A text that is a native's argument: it stays in its register while the native runs.
pub(super) type Held = Gc<'static, Str>;

/// The text a method was called on.
pub(super) fn receiver(cx: &mut Cx, this: Root, method: &str) -> Result<Held, Raised> {
    if let Some(text) = cx.as_str(this.get(cx)) {
        let text = text.held();
        // What comes of it may be longer, and is built before it is a cell.
        cx.check_room(text.len().saturating_mul(3))?;
        return Ok(text);
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
pub(super) fn argument(cx: &mut Cx, root: Root, method: &str, place: &str) -> Result<Held, Raised> {
    if let Some(text) = cx.as_str(root.get(cx)) {
        return Ok(text.held());
    }
    let got = cx.argument_name_for_error(root.get(cx));
    Err(cx.type_error(format!("{method}() argument{place} must be str, not {got}")))
}

pub(super) fn done(raw: Raw) -> NativeResult {
    Ok(Outcome::Value(raw))
}

/// A part of a text, as a text.
pub(super) fn part(cx: &Cx, of: Held, bytes: &[u8]) -> Raw {
    if bytes.len() == of.len() {
        return of.value().raw();
    }
    if of.is_ascii() && bytes.len() != 1 { Str::ascii(&cx.heap, bytes).value().raw() } else { cx.text_raw(bytes) }
}

/// A text made of another by a mapping that leaves ASCII ASCII.
pub(super) fn mapped(cx: &mut Cx, of: Held, bytes: Vec<u8>) -> NativeResult {
    if of.is_ascii() && bytes.len() != 1 {
        return done(Str::ascii(&cx.heap, &bytes).value().raw());
    }
    done(cx.checked_text(&bytes)?)
}

/// Whether there is room for a text with spaces in place of its tabs.
pub(super) fn check_tabs(cx: &mut Cx, text: &[u8], size: i64) -> Result<(), Raised> {
    let tabs = memchr::memchr_iter(b'\t', text).count();
    let spaces = tabs.saturating_mul(usize::try_from(size).unwrap_or(0));
    cx.check_room(text.len().saturating_add(spaces).saturating_mul(3))
}

pub(super) fn list_of(cx: &Cx, items: &[Raw]) -> Raw {
    List::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).value().raw()
}

/// Raises what an algorithm complains of.
pub(super) fn check<T>(cx: &mut Cx, result: Result<T, Fault>) -> Result<T, Raised> {
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

/// Translates ASCII by a dict that has one ASCII character, or nothing, for each of the characters that it has; whether it is such a dict, as
/// far as it was asked.
fn translate_ascii(cx: &Cx, text: &[u8], table: Gc<'static, Dict>, out: &mut Vec<u8>) -> bool {
    const UNKNOWN: u8 = 0xFF;
    const GONE: u8 = 0xFE;
    let mut known = [UNKNOWN; 128];
    for byte in text {
        let mut to = known[usize::from(*byte)];
        if to == UNKNOWN {
            to = match cx.dict_find_at_once(table, Value::int(i64::from(*byte))) {
                Some(None) => *byte,
                Some(Some(number)) => {
                    let value = table.value_at(number);
                    match (value.as_int(), value.exact::<Str>().map(|text| text.as_bytes())) {
                        _ if value.is_none() => GONE,
                        (Some(point @ 0..0x80), _) => point as u8,
                        (_, Some([byte @ 0..0x80])) => *byte,
                        (_, Some([])) => GONE,
                        _ => return false,
                    }
                }
                None => return false,
            };
            known[usize::from(*byte)] = to;
        }
        if to != GONE {
            out.push(to);
        }
    }
    true
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
        done(cx.at_length(text.len(), |cx, watch| {
            let mut items = vec![];
            for line in search::lines(TEXT, text.as_bytes(), keepends) {
                items.push(part(cx, text, line));
                watch.check_at(items.len())?;
            }
            Ok(list_of(cx, &items))
        })?)
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
        let iterable_at_all = cx.own_method(iterable, Name::Iter)?.is_some() || cx.has_numbered_items(iterable)?;
        if !iterable_at_all {
            return Err(cx.type_error("can only join an iterable".to_owned()));
        }
        let iterable = to_be_joined(cx, iterable)?;
        let iterable = to_be_joined(cx, iterable)?;
        let items = cx.list_of_items(iterable)?;
        join_items(cx, separator, items)
    }

    /// With one text in place of another, everywhere or so many times.
    fn replace(
        cx: &mut Cx,
        this: Root,
        old: Root,
        new: Root,
        #[either]
        #[text("-1")]
        count: Given<Root>,
    ) -> NativeResult {
        let text = receiver(cx, this, "replace")?;
        let old = argument(cx, old, "replace", " 1")?;
        let new = argument(cx, new, "replace", " 2")?;
        let count = count.0.map_or(Ok(-1), |count| cx.index_as_i64(count))?;
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
        tabsize: i32,
    ) -> NativeResult {
        let tabsize = i64::from(tabsize);
        let text = receiver(cx, this, "expandtabs")?;
        check_tabs(cx, text.as_bytes(), tabsize)?;
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
        cx.check_room(usize::try_from(width).unwrap_or(0).saturating_mul(2))?;
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
        if this.get(cx).is_subclassed()
            && !pattern.is_empty()
            && memchr::memchr2(b'{', b'}', pattern.as_bytes()).is_none()
        {
            // With nothing to put in, it is itself.
            return Ok(this.get(cx).into());
        }
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
        if text.is_ascii()
            && let Some(table) = table.get(cx).exact::<Dict>()
            && translate_ascii(cx, text.as_bytes(), table.held(), &mut out)
        {
            return mapped(cx, text, out);
        }
        out.clear();
        let mut checked = 0;
        // What became of each ASCII character, looked up once: start and end in `out`, of which nothing is taken away.
        let known: [StdCell<Option<(usize, usize)>>; 128] = [const { StdCell::new(None) }; 128];
        for point in wtf8::code_points(text.as_bytes()) {
            let memo = known.get(point as usize);
            cx.check_growth(out.len(), &mut checked)?;
            if let Some((start, end)) = memo.and_then(StdCell::get) {
                cx.check_growth(out.len() + (end - start), &mut checked)?;
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
        let to = argument(cx, y, "maketrans", " 2")?;
        let deleted = match z.0 {
            Some(z) => argument(cx, z, "maketrans", " 3")?.as_bytes(),
            None => b"",
        };
        let Some(from) = cx.as_str(x.get(cx)).map(Gc::held) else {
            let text = "first maketrans argument must be a string if there is a second argument";
            return Err(cx.type_error(text.to_owned()));
        };
        if from.chars() != to.chars() {
            return Err(cx.value_error("the first two maketrans arguments must have equal length"));
        }
        let pairs = wtf8::code_points(from.as_bytes()).zip(wtf8::code_points(to.as_bytes()).map(Some));
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
        let Some(other) = cx.as_str(value.get(cx)).map(Gc::held) else {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only concatenate str (not \"{got}\") to str")));
        };
        if text.len() + other.len() > MAX_LENGTH || cx.heap.check(text.len() + other.len()).is_err() {
            return Err(cx.memory_error());
        }
        done(concat(cx, text, other))
    }

    /// The text so many times.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        receiver(cx, this, "__mul__")?;
        repeat(cx, this, value)
    }

    /// The text so many times.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        receiver(cx, this, "__rmul__")?;
        repeat(cx, this, value)
    }

    /// With values in place of the conversions.
    fn __mod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let pattern = receiver(cx, this, "__mod__")?;
        let made = percent_format(cx, pattern, value)?;
        if this.get(cx).is_subclassed() && !pattern.is_empty() && memchr::memchr(b'%', pattern.as_bytes()).is_none() {
            // With nothing to put in, it is itself.
            return Ok(this.get(cx).into());
        }
        Ok(made)
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
        let derived = this.get(cx).is_subclassed().then(|| cx.type_name_for_error(this.get(cx)));
        done(cx.format_as(text.value().raw(), spec.value().raw(), derived.as_deref())?)
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
        // As long as the text it may be, and be another.
        return Ok(cx.text_raw(&picked));
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
