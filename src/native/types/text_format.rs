//! `str.format` and `%`: templates filled with the values of scripts.

use std::borrow::Cow;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::number::int::IntRef;
use crate::number::{float_repr, int_text};
use crate::object::key::as_int_ref;
use crate::object::{Dict, Exc, Str, Tuple};
use crate::text::MAX_LENGTH;
use crate::text::percent::{self, Resolved, Size};
use crate::text::repr;
use crate::text::template::{self, First, Numbering, Step};
use crate::vm::Name;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root};

use super::text::{Held, check, done};

/// Where the values of a template come from.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// Positional arguments; None for `format_map`.
    pub(super) args: Option<Args>,
    /// Keywords, or `format_map`'s mapping.
    pub(super) names: Root,
}

pub(super) fn format_template(
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
    let mut checked = 0;
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
            let text = text.held();
            cx.check_growth(out.len() + text.len(), &mut checked)?;
            out.extend_from_slice(text.as_bytes());
        } else if spec.is_empty()
            && let Some(int) = value.get(cx).as_int()
        {
            let mut digits = String::with_capacity(20);
            int_text::push_i64(&mut digits, int);
            out.extend_from_slice(digits.as_bytes());
        } else {
            let raw = cx.text_raw(&spec);
            let spec = cx.push_raw(raw);
            let text = cx.format_root(value, spec)?;
            let text = cx.as_str(text.get(cx)).expect("format gives a text").held();
            cx.check_growth(out.len() + text.len(), &mut checked)?;
            out.extend_from_slice(text.as_bytes());
        }
        if out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        cx.release(mark);
    }
    Ok(())
}

/// `__format__` of a number.
pub(super) fn formatted(cx: &mut Cx, this: Root, spec: Root) -> NativeResult {
    let Some(text) = cx.as_str(spec.get(cx)).map(|text| text.value().raw()) else {
        let got = cx.argument_name_for_error(spec.get(cx));
        return Err(cx.type_error(format!("__format__() argument must be str, not {got}")));
    };
    if cx.as_str(spec.get(cx)).is_some_and(|text| text.is_empty()) {
        let text = cx.str_of(this)?;
        return Ok(text.get(cx).into());
    }
    let name = cx.type_name_for_error(this.get(cx));
    let number = cx.payload(this.get(cx)).raw();
    cx.format_as(number, text, Some(&name)).map(Outcome::Value)
}

pub(super) fn field_value(cx: &mut Cx, name: &[u8], source: Source, numbering: &mut Numbering) -> Result<Root, Raised> {
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
    /// What a key was found to stand for.
    pending: Option<Root>,
}

impl PercentArgs {
    pub(super) fn new(cx: &mut Cx, values: Root, bytes: bool) -> Result<PercentArgs, Raised> {
        let value = values.get(cx);
        let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
        let tuple = payload.exact::<Tuple>();
        let is_text = payload.kind() == Kind::Str || bytes && matches!(payload.kind(), Kind::Bytes | Kind::ByteArray);
        let is_mapping = tuple.is_none() && !is_text && cx.own_method(values, Name::GetItem)?.is_some();
        Ok(PercentArgs { values, tuple, next: 0, is_mapping, pending: None })
    }

    pub(super) fn is_mapping(&self) -> bool {
        self.is_mapping
    }

    pub(super) fn next(&mut self, cx: &mut Cx) -> Result<Root, Raised> {
        if let Some(value) = self.pending.take() {
            return Ok(value);
        }
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

    /// Looks up the key of a `%(key)` conversion: its value is the next argument, and the only one.
    pub(super) fn keyed(&mut self, cx: &mut Cx, key: Raw) -> Result<(), Raised> {
        if !self.is_mapping {
            return Err(cx.type_error("format requires a mapping".to_owned()));
        }
        let key = cx.push_raw(key);
        self.next = 1;
        self.pending = Some(cx.item(self.values, key)?);
        Ok(())
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
pub(super) fn percent_number(
    cx: &mut Cx,
    out: &mut Vec<u8>,
    how: &Resolved,
    value: Root,
    bytes: bool,
) -> Result<(), Raised> {
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
                match cx.to_float(value) {
                    Err(raised) if bytes => {
                        cx.take_raised(raised);
                        let got = cx.type_name_for_error(value.get(cx));
                        return Err(cx.type_error(format!("float argument required, not {got}")));
                    }
                    number => number?,
                }
            } else {
                let got = cx.type_name_for_error(value.get(cx));
                let wanted = if bytes { "float argument required" } else { "must be real number" };
                return Err(cx.type_error(format!("{wanted}, not {got}")));
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
            // A class derived from float may have its own idea of that.
            Kind::Float if !hexadecimal && !has_own_int(cx, root.get(cx)) => {
                let payload = cx.payload(root.get(cx)).as_float().unwrap_or(0.0);
                let whole = crate::number::int::Int::from_float(payload);
                let whole = check(cx, whole)?;
                let raw = crate::object::int_value(&cx.heap, whole).raw();
                Some(cx.push_raw(raw))
            }
            _ => {
                let converted = if hexadecimal {
                    match cx.own_method(root, Name::Index)? {
                        Some(_) => cx.index(root).map(Some),
                        None => Ok(None),
                    }
                } else if is_number(cx, root)? {
                    crate::native::types::int::to_int(cx, root).map(|raw| Some(cx.push_raw(raw)))
                } else {
                    Ok(None)
                };
                match converted {
                    // What is no number here is told as that.
                    Err(_) if cx.raised_is(Exc::TypeError) => None,
                    other => other?,
                }
            }
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

/// Whether a value says how it becomes a number of some kind.
fn is_number(cx: &mut Cx, value: Root) -> Result<bool, Raised> {
    for name in [Name::Int, Name::Index, Name::Float] {
        if cx.own_method(value, name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(cx.payload(value.get(cx)).kind() == Kind::Complex)
}

/// Whether a value of a derived class becomes an integer in a way of its own.
fn has_own_int(cx: &Cx, value: Value<'_>) -> bool {
    value.is_subclassed() && !cx.leaves_to_builtin(value, Name::Int)
}

/// A conversion, its key, and what is behind it.
type PlainConversion<'p> = (Resolved, Option<&'p [u8]>, &'p [u8]);

/// A conversion of a template that no argument has a say in. None for one that has to be looked at closely.
fn plain_conversion(pattern: &[u8]) -> Option<PlainConversion<'_>> {
    let (mut key, mut rest) = (None, pattern);
    if let [b'(', inner @ ..] = rest {
        let end = inner.iter().position(|byte| matches!(byte, b'(' | b')'))?;
        (key, rest) = (Some(&inner[..end]), inner[end..].strip_prefix(b")")?);
    }
    let mut how = Resolved::default();
    while let [flag, behind @ ..] = rest {
        match flag {
            b'-' => how.flags.left = true,
            b'0' => how.flags.zero = true,
            b'+' => how.flags.plus = true,
            _ => break,
        }
        rest = behind;
    }
    let number = |rest: &mut &[u8]| {
        let mut number = 0;
        while let [digit @ b'0'..=b'9', behind @ ..] = *rest {
            number = number * 10 + usize::from(digit - b'0');
            *rest = behind;
            if number > 256 {
                return None;
            }
        }
        Some(number)
    };
    how.width = number(&mut rest)?;
    if let [b'.', behind @ ..] = rest {
        rest = behind;
        how.precision = Some(number(&mut rest)?);
    }
    let (kind, rest) = rest.split_first()?;
    how.kind = *kind;
    Some((how, key, rest))
}

/// What a template and its values give where every conversion is one of the usual ones and every value an exact number or text, as mostly;
/// None where not. Nothing is asked of a script.
fn percent_plain(cx: &mut Cx, pattern: &[u8], values: Value<'static>) -> Option<Vec<u8>> {
    const MOST: usize = 1 << 12;
    let (tuple, dict) = (values.exact::<Tuple>(), values.exact::<Dict>());
    let single = values.exact::<Str>().is_some() || values.as_int().is_some() || values.as_float().is_some();
    if tuple.is_none() && dict.is_none() && !single {
        return None;
    }
    let count = tuple.map_or(1, |tuple| tuple.len());
    let mut out = Vec::with_capacity(pattern.len() + 24);
    let (mut rest, mut used) = (pattern, 0);
    while let Some(before) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..before]);
        rest = &rest[before + 1..];
        if let [b'%', behind @ ..] = rest {
            out.push(b'%');
            rest = behind;
            continue;
        }
        let (how, key, behind) = plain_conversion(rest)?;
        rest = behind;
        if out.len() > MOST {
            return None;
        }
        let value = match (key, dict, tuple) {
            (Some(key), Some(dict), _) => {
                used = 1;
                let key = Value::<'static>::adopt(cx.text_raw(key)).exact::<Str>()?;
                dict.value_at(dict.find_text(&cx.heap, key)??)
            }
            (None, None, _) if used < count => {
                used += 1;
                tuple.map_or(values, |tuple| tuple.item(used - 1))
            }
            _ => return None,
        };
        let bare = how.width == 0 && how.precision.is_none();
        match (how.kind, value.as_int(), value.as_float()) {
            (b's' | b'd' | b'r', Some(int), _) if bare && !how.flags.plus => {
                let mut digits = String::with_capacity(20);
                int_text::push_i64(&mut digits, int);
                out.extend_from_slice(digits.as_bytes());
            }
            (b'd' | b'i' | b'x' | b'X' | b'o', Some(int), _) => how.format_int(&mut out, IntRef::Small(int), 0).ok()?,
            (b'f' | b'F' | b'g' | b'G' | b'e' | b'E', _, Some(float)) => how.format_float(&mut out, float),
            (b's' | b'r', _, Some(float)) => how.format_text(&mut out, float_repr::repr(float).as_bytes()),
            (b's' | b'r', Some(int), _) => how.format_text(&mut out, int.to_string().as_bytes()),
            (b's', ..) => {
                let text = value.exact::<Str>().filter(|text| text.len() <= MOST)?;
                how.format_text(&mut out, text.as_bytes());
            }
            (b'r', ..) => {
                let text = value.exact::<Str>().filter(|text| text.len() <= MOST)?;
                how.format_text(&mut out, repr::text(text.as_bytes()).as_bytes());
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest);
    // What is left of a mapping nobody asks for.
    (used == count || dict.is_some()).then_some(out)
}

pub(super) fn percent_format(cx: &mut Cx, pattern: Held, values: Root) -> NativeResult {
    let given = Value::adopt(values.get(cx).raw());
    if let Some(out) = percent_plain(cx, pattern.as_bytes(), given) {
        return done(cx.checked_text(&out)?);
    }
    let mut args = PercentArgs::new(cx, values, false)?;
    let mark = cx.mark();
    let mut out: Vec<u8> = Vec::with_capacity(pattern.len() + 16);
    let mut checked = 0;
    for (number, piece) in percent::text_template(pattern.as_bytes(), args.is_mapping()).enumerate() {
        if number % 1024 == 1023 {
            cx.breathe()?;
        }
        let conversion = match check(cx, piece)? {
            percent::Piece::Literal(text) => {
                out.extend_from_slice(text);
                continue;
            }
            percent::Piece::Key(key) => {
                let raw = cx.text_raw(key);
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
            b's' | b'r' | b'a' => {
                let text = match kind {
                    b's' => cx.str_of(value)?,
                    b'r' => cx.repr(value)?,
                    _ => cx.ascii(value)?,
                };
                let text = cx.as_str(text.get(cx)).expect("a text").held();
                cx.check_growth(out.len() + text.len(), &mut checked)?;
                how.format_text(&mut out, text.as_bytes());
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
                    let index = match cx.index(value) {
                        Ok(index) => index,
                        Err(_) if cx.raised_is(Exc::TypeError) => {
                            let got = cx.type_name_for_error(value.get(cx));
                            return Err(cx.type_error(format!("%c requires an int or a unicode character, not {got}")));
                        }
                        Err(raised) => return Err(raised),
                    };
                    let result = how.format_char(&mut out, as_int_ref(cx.payload(index.get(cx))).expect("an int"));
                    check(cx, result)?;
                }
            }
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                percent_number(cx, &mut out, &how, value, false)?;
            }
            _ => return Err(cx.fault(conversion.unsupported(true))),
        }
        if too_big || out.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        cx.release(mark);
    }
    args.finish(cx, "string")?;
    done(cx.checked_text(&out)?)
}
