//! The builtin functions that are not classes.

use std::borrow::Cow;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::int_ref;
use crate::native::types::sort::sort_list;
use crate::number::int as integer;
use crate::number::int_text;
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Exc, List, Str, Tuple, complex_value, int_value};
use crate::text::{repr, wtf8};
use crate::vm::drain::take;
use crate::vm::host::StdStream;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::{CompareKind, Name};

natives!(
    /// What every program has without importing anything.
    pub static BUILTINS: Functions;

    /// Write the arguments to a stream, `sys.stdout` unless `file` says otherwise.
    fn print(
        cx: &mut Cx,
        args: Rest,
        #[key]
        #[text("' '")]
        sep: Option<Root>,
        #[key]
        #[text("'\\n'")]
        end: Option<Root>,
        #[key] file: Option<Root>,
        #[key]
        #[default(false)]
        #[text("False")]
        flush: bool,
    ) -> NativeResult {
        let sep = separator(cx, sep, "sep", b" ")?;
        let end = separator(cx, end, "end", b"\n")?;
        let target = match file {
            Some(file) => Some(file),
            None => match stdout(cx) {
                Stdout::Direct => None,
                Stdout::None => return Ok(Outcome::NONE),
                Stdout::Object(raw) => Some(cx.push_raw(raw)),
            },
        };
        match target {
            None => print_direct(cx, args, &sep, &end, flush)?,
            Some(file) => print_to(cx, args, &sep, &end, file, flush)?,
        }
        Ok(Outcome::NONE)
    }

    /// How many items there are in it.
    #[quick(One(crate::native::quick::len))]
    fn len(cx: &mut Cx, obj: Root) -> NativeResult {
        let len = cx.length(obj)?;
        Ok((len as i64).into())
    }

    /// Return the absolute value of a number.
    #[quick(One(crate::native::quick::abs))]
    fn abs(cx: &mut Cx, x: Root) -> NativeResult {
        if let Some(int) = x.get(cx).as_int()
            && int != i64::MIN
        {
            return Ok(int.abs().into());
        }
        if let Some(float) = x.get(cx).as_float() {
            return Ok(float.abs().into());
        }
        match cx.call_special(x, Name::Abs, &[])? {
            Some(result) => Ok(result.get(cx).into()),
            None => {
                let got = cx.type_name_for_error(x.get(cx));
                Err(cx.type_error(format!("bad operand type for abs(): '{got}'")))
            }
        }
    }

    /// Return the smallest of an iterable's items, or of two or more arguments.
    #[quick(Two(crate::native::quick::min))]
    fn min(cx: &mut Cx, args: Rest, #[key] key: Option<Root>, #[key] default: Given<Root>) -> NativeResult {
        extreme(cx, args, key, default.0, "min", CompareKind::Lt)
    }

    /// Return the largest of an iterable's items, or of two or more arguments.
    #[quick(Two(crate::native::quick::max))]
    fn max(cx: &mut Cx, args: Rest, #[key] key: Option<Root>, #[key] default: Given<Root>) -> NativeResult {
        extreme(cx, args, key, default.0, "max", CompareKind::Gt)
    }

    /// Return the sum of a start value and the numbers of an iterable.
    fn sum(
        cx: &mut Cx,
        iterable: Root,
        #[either]
        #[text("0")]
        start: Given<Root>,
    ) -> NativeResult {
        let total = match start.0 {
            None => cx.push_raw(Raw::int(0)),
            Some(start) => {
                let value = start.get(cx);
                let (what, join) = match value.kind() {
                    Kind::Str => ("strings", "''"),
                    Kind::Bytes => ("bytes", "b''"),
                    Kind::ByteArray => ("bytearray", "b''"),
                    _ => ("", ""),
                };
                if !what.is_empty() {
                    cx.iter(iterable)?;
                    return Err(cx.type_error(format!("sum() can't sum {what} [use {join}.join(seq) instead]")));
                }
                let raw = value.raw();
                cx.push_raw(raw)
            }
        };
        if let Some(sum) = sum_of_ints(iterable.get(cx), total.get(cx)) {
            return Ok(sum.into());
        }
        sum_into(cx, iterable, total)?;
        Ok(total.get(cx).into())
    }

    /// Return whether any item of the iterable is true.
    fn any(cx: &mut Cx, iterable: Root) -> NativeResult {
        Ok(cx.find_truth(iterable, true)?.into())
    }

    /// Return whether all items of the iterable are true.
    fn all(cx: &mut Cx, iterable: Root) -> NativeResult {
        Ok((!cx.find_truth(iterable, false)?).into())
    }

    /// Return a new list with the iterable's items in ascending order.
    fn sorted(
        cx: &mut Cx,
        iterable: Root,
        #[key] key: Option<Root>,
        #[key]
        #[default(false)]
        #[text("False")]
        reverse: bool,
    ) -> NativeResult {
        let list = cx.list_from(iterable)?;
        sort_list(cx, list, key, reverse)?;
        Ok(list.get(cx).into())
    }

    /// Return the text that stands for an object in code.
    fn repr(cx: &mut Cx, obj: Root) -> NativeResult {
        let text = cx.repr(obj)?;
        Ok(text.get(cx).into())
    }

    /// Return what repr() does, with escapes for what is not ASCII.
    fn ascii(cx: &mut Cx, obj: Root) -> NativeResult {
        let text = cx.repr(obj)?;
        let shown = cx.as_str(text.get(cx)).expect("repr gives a str");
        if shown.is_ascii() {
            return Ok(text.get(cx).into());
        }
        let escaped = repr::ascii_of_repr(shown.as_bytes());
        Ok(cx.str(&escaped).into())
    }

    /// Return the string of one character with this code point.
    #[quick(One(crate::native::quick::chr))]
    fn chr(cx: &mut Cx, i: Root) -> NativeResult {
        let point = cx.index(i)?.get(cx).as_int().unwrap_or(-1);
        match u32::try_from(point) {
            Ok(point @ 0..=0xFF) => Ok(cx.character(point as u8).into()),
            Ok(point @ 0..=0x10_FFFF) => {
                let mut bytes = vec![];
                wtf8::push(&mut bytes, point);
                Ok(Str::from_parts(&cx.heap, &[&bytes]).into())
            }
            _ => Err(cx.value_error("chr() arg not in range(0x110000)")),
        }
    }

    /// Return the code point of a string of one character.
    #[quick(One(crate::native::quick::ord))]
    fn ord(cx: &mut Cx, character: Root) -> NativeResult {
        let value = cx.payload(character.get(cx));
        let len = match value.kind() {
            Kind::Str => {
                let text = value.exact::<Str>().expect("a str");
                let mut points = wtf8::code_points(text.as_bytes());
                if text.chars() == 1
                    && let Some(point) = points.next()
                {
                    return Ok(i64::from(point).into());
                }
                text.chars()
            }
            Kind::Bytes => match value.exact::<Bytes>().expect("bytes").as_bytes() {
                [byte] => return Ok(i64::from(*byte).into()),
                other => other.len(),
            },
            Kind::ByteArray => match value.exact::<ByteArray>().expect("a bytearray").cells() {
                [byte] => return Ok(i64::from(byte.get()).into()),
                other => other.len(),
            },
            _ => {
                let got = cx.type_name_for_error(character.get(cx));
                return Err(cx.type_error(format!("ord() expected string of length 1, but {got} found")));
            }
        };
        Err(cx.type_error(format!("ord() expected a character, but string of length {len} found")))
    }

    /// Return the binary digits of an integer, as in code.
    fn bin(cx: &mut Cx, number: Root) -> NativeResult {
        prefixed(cx, number, 2)
    }

    /// Return the octal digits of an integer, as in code.
    fn oct(cx: &mut Cx, number: Root) -> NativeResult {
        prefixed(cx, number, 8)
    }

    /// Return the hexadecimal digits of an integer, as in code.
    fn hex(cx: &mut Cx, number: Root) -> NativeResult {
        prefixed(cx, number, 16)
    }

    /// Return value.__format__(format_spec).
    fn format(cx: &mut Cx, value: Root, #[text("''")] format_spec: Given<Root>) -> NativeResult {
        let spec = match format_spec.0 {
            Some(spec) if cx.as_str(spec.get(cx)).is_some() => spec,
            Some(spec) => {
                let got = cx.argument_name_for_error(spec.get(cx));
                return Err(cx.type_error(format!("format() argument 2 must be str, not {got}")));
            }
            None => {
                let empty = cx.str("").value().raw();
                cx.push_raw(empty)
            }
        };
        let text = cx.format_root(value, spec)?;
        Ok(text.get(cx).into())
    }

    /// Round a number to some decimal digits; to an integer without `ndigits`.
    fn round(cx: &mut Cx, #[either] number: Root, #[either] ndigits: Option<Root>) -> NativeResult {
        let result = match ndigits {
            Some(digits) => cx.call_special(number, Name::Round, &[digits])?,
            None => cx.call_special(number, Name::Round, &[])?,
        };
        match result {
            Some(result) => Ok(result.get(cx).into()),
            None => {
                let got = cx.type_name_for_error(number.get(cx));
                Err(cx.type_error(format!("type {got} doesn't define __round__ method")))
            }
        }
    }

    /// Return base**exp, or base**exp % mod for three integers.
    fn pow(cx: &mut Cx, #[either] base: Root, #[either] exp: Root, #[either] r#mod: Option<Root>) -> NativeResult {
        match r#mod {
            None => {
                let result = cx.binary_root(BinaryKind::Pow, base, exp)?;
                Ok(result.get(cx).into())
            }
            Some(modulus) => power_modulo(cx, base, exp, modulus),
        }
    }

    /// Return the tuple (x//y, x%y).
    fn divmod(cx: &mut Cx, x: Root, y: Root) -> NativeResult {
        if let Some(raw) = builtin_divmod(cx, x, y)? {
            return Ok(Outcome::Value(raw));
        }
        match two_sided(cx, x, y, Name::DivMod, Name::RDivMod)? {
            Some(result) => Ok(result.get(cx).into()),
            None => {
                let (a, b) = (cx.type_name_for_error(x.get(cx)), cx.type_name_for_error(y.get(cx)));
                Err(cx.type_error(format!("unsupported operand type(s) for divmod(): '{a}' and '{b}'")))
            }
        }
    }

    /// Return the hash of an object.
    fn hash(cx: &mut Cx, obj: Root) -> NativeResult {
        cx.hash(obj).map(Outcome::from)
    }

    /// Return a number that no other living object has.
    fn id(cx: &mut Cx, obj: Root) -> NativeResult {
        Ok((cx.heap.id(obj.get(cx)) as i64).into())
    }

    /// Return whether an object can be called.
    fn callable(cx: &mut Cx, obj: Root) -> NativeResult {
        let class = cx.class_of(obj.get(cx)).held();
        let name = cx.name(Name::Call).held();
        Ok(cx.lookup_class(class, name).is_some().into())
    }

    /// Return whether an object is an instance of a class, or of one of a tuple of classes.
    #[quick(Two(crate::native::quick::isinstance))]
    fn isinstance(cx: &mut Cx, obj: Root, class_or_tuple: Root) -> NativeResult {
        cx.is_instance(obj, class_or_tuple).map(Outcome::from)
    }

    /// Return whether a class is derived from another, or from one of a tuple of classes.
    fn issubclass(cx: &mut Cx, cls: Root, class_or_tuple: Root) -> NativeResult {
        cx.is_subclass(cls, class_or_tuple).map(Outcome::from)
    }

    /// Return an attribute by name, or the default if there is none.
    fn getattr(
        cx: &mut Cx,
        object: Root,
        name: Root,
        #[text("<unrepresentable>")] default: Given<Root>,
    ) -> NativeResult {
        attribute_name(cx, name)?;
        let value = match default.0 {
            // No exception is made where there is no such attribute.
            Some(default) => cx.find_attribute_root(object, name)?.unwrap_or(default),
            None => cx.get_attribute(object, name)?,
        };
        Ok(value.get(cx).into())
    }

    /// Set an attribute by name.
    fn setattr(cx: &mut Cx, obj: Root, name: Root, value: Root) -> NativeResult {
        attribute_name(cx, name)?;
        cx.set_attribute(obj, name, value)?;
        Ok(Outcome::NONE)
    }

    /// Delete an attribute by name.
    fn delattr(cx: &mut Cx, obj: Root, name: Root) -> NativeResult {
        attribute_name(cx, name)?;
        cx.delete_attribute(obj, name)?;
        Ok(Outcome::NONE)
    }

    /// True if the attribute can be got, False if getting it raises AttributeError.
    fn hasattr(cx: &mut Cx, obj: Root, name: Root) -> NativeResult {
        attribute_name(cx, name)?;
        Ok(cx.find_attribute_root(obj, name)?.is_some().into())
    }

    /// Return the `__dict__` of an object; without argument what locals() does.
    fn vars(cx: &mut Cx, #[text("<unrepresentable>")] object: Given<Root>) -> NativeResult {
        let Some(object) = object.0 else {
            let locals = cx.caller_locals()?;
            return Ok(locals.get(cx).into());
        };
        match cx.find_attribute(object, "__dict__")? {
            Some(dict) => Ok(dict.get(cx).into()),
            None => Err(cx.type_error("vars() argument must have __dict__ attribute".into())),
        }
    }

    /// Return the sorted names of an object's attributes; without argument the local names.
    fn dir(cx: &mut Cx, #[text("<unrepresentable>")] object: Given<Root>) -> NativeResult {
        let names = match object.0 {
            None => {
                let locals = cx.caller_locals()?;
                cx.call_method(locals, "keys", &[])?
            }
            Some(object) => match cx.call_special(object, Name::Dir, &[])? {
                Some(names) => names,
                None => return Err(cx.type_error("object does not provide __dir__".into())),
            },
        };
        let list = cx.list_from(names)?;
        sort_list(cx, list, None, false)?;
        Ok(list.get(cx).into())
    }

    /// Return the dict of the running module's names.
    fn globals(cx: &mut Cx) -> NativeResult {
        let globals = cx.caller_globals();
        Ok(globals.get(cx).into())
    }

    /// Return a dict of the running function's or class body's names.
    fn locals(cx: &mut Cx) -> NativeResult {
        let locals = cx.caller_locals()?;
        Ok(locals.get(cx).into())
    }

    /// Read a line from standard input, after writing a prompt.
    fn input(cx: &mut Cx, #[text("''")] prompt: Given<Root>) -> NativeResult {
        if let Some(prompt) = prompt.0 {
            let text = cx.str_of(prompt)?;
            let bytes = cx.as_str(text.get(cx)).map_or(vec![], |s| s.as_bytes().to_vec());
            write_out(cx, &bytes)?;
        }
        flush_out(cx)?;
        let mut line = match cx.read_input_line()? {
            Ok(line) => line,
            Err(error) => return Err(crate::native::types::exception::io_error(cx, &error, None)),
        };
        if line.is_empty() {
            return Err(cx.raise_text(Exc::EOFError, "EOF when reading a line"));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        Ok(cx.str(&text).into())
    }
);

// ---- print ----

/// Where `print` writes without `file`.
enum Stdout {
    /// `sys.stdout` is what it was at the start: straight to the host.
    Direct,
    /// `sys.stdout` is None: nowhere.
    None,
    /// A script put something else there.
    Object(Raw),
}

fn stdout(cx: &mut Cx) -> Stdout {
    let original = cx.intern("__stdout__").held();
    let sys = cx.intern("sys").held();
    let name = cx.name(Name::Stdout).held();
    let heap = &cx.heap;
    let module = cx.modules().get_str(heap, sys);
    let Some(dict) = module.and_then(|m| m.exact::<crate::object::Module>()).map(|m| m.dict()) else {
        return Stdout::Direct;
    };
    match (dict.get_str(heap, name), dict.get_str(heap, original)) {
        (Some(now), Some(first)) if now.is(first) && cx.prints_directly => Stdout::Direct,
        (Some(now), _) if now.is_none() => Stdout::None,
        (Some(now), _) => Stdout::Object(now.raw()),
        (None, _) => Stdout::Direct,
    }
}

fn separator(cx: &mut Cx, given: Option<Root>, name: &str, default: &[u8]) -> Result<Vec<u8>, Raised> {
    let Some(root) = given else { return Ok(default.to_vec()) };
    match cx.as_str(root.get(cx)) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => {
            let got = cx.type_name_for_error(root.get(cx));
            Err(cx.type_error(format!("{name} must be None or a string, not {got}")))
        }
    }
}

/// Writes WTF-8 to standard output: a lone surrogate is an error, after what comes before it is written, or a byte that was no text.
pub(crate) fn write_out(cx: &mut Cx, bytes: &[u8]) -> Result<(), Raised> {
    let mut bytes = Cow::Borrowed(bytes);
    if std::str::from_utf8(&bytes).is_err() {
        let raw = Str::from_parts(&cx.heap, &[&bytes]).value().raw();
        let text = cx.push_raw(raw);
        let errors = cx.str(super::io::stream_errors(cx, StdStream::Out)).held();
        let encoded = super::types::text_codec::encode_text(cx, text, None, Some(errors))?;
        bytes = Cow::Owned(Value::adopt(encoded).exact::<Bytes>().map_or(vec![], |bytes| bytes.as_bytes().to_vec()));
    }
    match cx.host_mut().write(StdStream::Out, &bytes) {
        Ok(()) => Ok(()),
        Err(error) => Err(crate::native::types::exception::io_error(cx, &error, None)),
    }
}

fn flush_out(cx: &mut Cx) -> Result<(), Raised> {
    match cx.host_mut().flush(StdStream::Out) {
        Ok(()) => Ok(()),
        Err(error) => Err(crate::native::types::exception::io_error(cx, &error, None)),
    }
}

fn print_direct(cx: &mut Cx, args: Rest, sep: &[u8], end: &[u8], flush: bool) -> Result<(), Raised> {
    let mut out: Vec<u8> = Vec::with_capacity(128);
    for (number, root) in args.0.roots().enumerate() {
        if number > 0 {
            out.extend_from_slice(sep);
        }
        let value = root.get(cx);
        if let Some(text) = value.exact::<Str>() {
            if text.as_str().is_some() {
                out.extend_from_slice(text.as_bytes());
            } else {
                // What comes before the surrogates is written before they are an error.
                write_out(cx, &out)?;
                out.clear();
                let bytes = root.get(cx).exact::<Str>().map_or(vec![], |s| s.as_bytes().to_vec());
                write_out(cx, &bytes)?;
            }
            continue;
        }
        if let Some(int) = value.as_int() {
            let mut text = String::new();
            int_text::push_i64(&mut text, int);
            out.extend_from_slice(text.as_bytes());
            continue;
        }
        // A script that runs now may print, too.
        if !out.is_empty() && (value.is_subclassed() || value.kind() > Kind::Free) {
            write_out(cx, &out)?;
            out.clear();
        }
        let mark = cx.mark();
        let text = cx.str_of(root)?;
        let text = cx.as_str(text.get(cx)).expect("str gives a str");
        if text.as_str().is_some() {
            out.extend_from_slice(text.as_bytes());
        } else {
            let bytes = text.as_bytes().to_vec();
            write_out(cx, &bytes)?;
        }
        cx.release(mark);
    }
    out.extend_from_slice(end);
    write_out(cx, &out)?;
    if flush {
        flush_out(cx)?;
    }
    Ok(())
}

fn print_to(cx: &mut Cx, args: Rest, sep: &[u8], end: &[u8], file: Root, flush: bool) -> Result<(), Raised> {
    let mark = cx.mark();
    let write = cx.attribute(file, "write")?;
    let emit = |cx: &mut Cx, bytes: &[u8]| -> Result<(), Raised> {
        let raw = Str::from_parts(&cx.heap, &[bytes]).value().raw();
        let text = cx.push_raw(raw);
        cx.call_one(write, text)?;
        Ok(())
    };
    for (number, root) in args.0.roots().enumerate() {
        let inner = cx.mark();
        if number > 0 {
            emit(cx, sep)?;
        }
        let text = cx.str_of(root)?;
        cx.call_one(write, text)?;
        cx.release(inner);
    }
    emit(cx, end)?;
    if flush {
        cx.call_method(file, "flush", &[])?;
    }
    cx.release(mark);
    Ok(())
}

// ---- min and max ----

fn extreme(
    cx: &mut Cx,
    args: Rest,
    key: Option<Root>,
    default: Option<Root>,
    name: &str,
    wanted: CompareKind,
) -> NativeResult {
    let count = args.0.len();
    if count == 0 {
        return Err(cx.type_error(format!("{name} expected at least 1 argument, got 0")));
    }
    if count > 1 && default.is_some() {
        return Err(cx.type_error(format!("Cannot specify a default for {name}() with multiple positional arguments")));
    }
    let best = cx.push_raw(Raw::UNBOUND);
    let best_key = cx.push_raw(Raw::UNBOUND);
    let mut visit = |cx: &mut Cx, item: Root| -> Result<(), Raised> {
        let item_key = match key {
            None => item,
            Some(key) => cx.call_one(key, item)?,
        };
        let better = {
            let (new, old) = (item_key.get(cx), best_key.get(cx));
            if old.is_unbound() {
                true
            } else if let (Some(new), Some(old)) = (new.as_int(), old.as_int()) {
                wanted.holds(new.cmp(&old))
            } else if let (Some(new), Some(old)) = (new.as_float(), old.as_float()) {
                new.partial_cmp(&old).is_some_and(|o| wanted.holds(o))
            } else {
                cx.compare_roots(wanted, item_key, best_key)?
            }
        };
        if better {
            best.set(cx, item.get(cx));
            best_key.set(cx, item_key.get(cx));
        }
        Ok(())
    };
    if count == 1 {
        let iterable = args.0.root(0);
        if key.is_none()
            && let Some(raw) = all_ints(cx, iterable.get(cx), wanted)
        {
            return Ok(Outcome::Value(raw));
        }
        match (key, wanted) {
            (Some(_), _) => cx.for_each(iterable, &mut visit)?,
            (None, CompareKind::Lt) => cx.for_each_taking(iterable, take!(take_least), best, &mut visit)?,
            (None, _) => cx.for_each_taking(iterable, take!(take_greatest), best, &mut visit)?,
        }
    } else {
        for item in args.0.roots() {
            let mark = cx.mark();
            visit(cx, item)?;
            cx.release(mark);
        }
    }
    if best.get(cx).is_unbound() {
        return match default {
            Some(default) => Ok(default.get(cx).into()),
            None => Err(cx.value_error(format!("{name}() iterable argument is empty"))),
        };
    }
    Ok(best.get(cx).into())
}

/// The best so far is in two registers, as itself and as its own key.
fn take_extreme(cx: &Cx, best: Root, item: Raw, better: fn(Raw, Raw) -> Option<bool>) -> bool {
    match better(item, best.get(cx).raw()) {
        Some(true) => {
            best.set(cx, Value::adopt(item));
            best.offset(1).set(cx, Value::adopt(item));
            true
        }
        Some(false) => true,
        None => false,
    }
}

fn take_least(cx: &mut Cx, best: Root, item: Raw) -> bool {
    take_extreme(cx, best, item, |item, best| crate::native::quick::order(item, best).map(|(less, _)| less))
}

fn take_greatest(cx: &mut Cx, best: Root, item: Raw) -> bool {
    take_extreme(cx, best, item, |item, best| crate::native::quick::order(item, best).map(|(_, greater)| greater))
}

/// The extreme of a list or tuple that holds only small ints.
fn all_ints(_: &Cx, value: Value<'_>, wanted: CompareKind) -> Option<Raw> {
    fn best<'h>(mut items: impl Iterator<Item = Value<'h>>, wanted: CompareKind) -> Option<Raw> {
        let mut best = items.next()?.as_int()?;
        for item in items {
            let item = item.as_int()?;
            if wanted.holds(item.cmp(&best)) {
                best = item;
            }
        }
        Some(Raw::int(best))
    }
    if let Some(list) = value.exact::<List>() {
        return best(list.items(), wanted);
    }
    best(value.exact::<Tuple>()?.items(), wanted)
}

// ---- sum ----

/// A float sum that keeps what rounding lost (Neumaier).
#[derive(Clone, Copy, Default)]
struct Compensated {
    high: f64,
    low: f64,
}

impl Compensated {
    fn add(&mut self, x: f64) {
        let total = self.high + x;
        if self.high.abs() >= x.abs() {
            self.low += (self.high - total) + x;
        } else {
            self.low += (x - total) + self.high;
        }
        self.high = total;
    }

    fn value(self) -> f64 {
        // An infinite or undefined correction says nothing.
        if self.low != 0.0 && self.low.is_finite() { self.high + self.low } else { self.high }
    }
}

/// What is being summed: it only ever moves down this list. Ints and floats are in two registers, where `take_number` finds them: the sum, and
/// what rounding lost of it, UNBOUND for ints; None for what it leaves alone.
#[derive(Clone, Copy)]
enum Summing {
    Ints,
    Floats,
    Complexes(Compensated, Compensated),
    Objects,
}

impl Summing {
    /// How to go on from what is in the first of the two registers.
    fn begin(cx: &Cx, total: Root) -> Summing {
        let value = total.get(cx);
        let (summing, low) = match value.kind() {
            _ if value.is_subclassed() => (Summing::Objects, Value::NONE),
            Kind::Int => (Summing::Ints, Value::UNBOUND),
            Kind::Float => (Summing::Floats, Value::float(0.0)),
            Kind::Complex => {
                let part = |high| Compensated { high, low: 0.0 };
                let parts = value.exact::<crate::object::Complex>().map(|c| (part(c.real), part(c.imaginary)));
                (parts.map_or(Summing::Objects, |(real, imaginary)| Summing::Complexes(real, imaginary)), Value::NONE)
            }
            _ => (Summing::Objects, Value::NONE),
        };
        total.offset(1).set(cx, low);
        summing
    }

    /// Puts the sum in its register as a value like any other.
    fn end(self, cx: &Cx, total: Root) {
        match self {
            Summing::Ints | Summing::Objects => {}
            Summing::Floats => {
                if let Some(sum) = floats(cx, total) {
                    total.set(cx, Value::float(sum.value()));
                }
            }
            Summing::Complexes(real, imaginary) => {
                let c = complex_value(&cx.heap, real.value(), imaginary.value()).value().raw();
                total.set(cx, Value::adopt(c));
            }
        }
    }
}

/// The sum of floats in two registers.
fn floats(cx: &Cx, total: Root) -> Option<Compensated> {
    let (high, low) = (total.get(cx).as_float()?, total.offset(1).get(cx).as_float()?);
    Some(Compensated { high, low })
}

fn add_float(cx: &Cx, total: Root, x: f64) {
    if let Some(mut sum) = floats(cx, total) {
        sum.add(x);
        total.set(cx, Value::float(sum.high));
        total.offset(1).set(cx, Value::float(sum.low));
    }
}

/// Adds an int to ints, a float to floats.
fn take_number(cx: &mut Cx, total: Root, item: Raw) -> bool {
    let item = Value::adopt(item);
    if let Some(x) = item.as_int().or_else(|| item.as_bool().map(i64::from)) {
        if total.offset(1).get(cx).is_unbound()
            && let Some(sum) = total.get(cx).as_int().and_then(|sum| sum.checked_add(x))
        {
            total.set(cx, Value::int(sum));
            return true;
        }
    } else if let Some(x) = item.as_float()
        && floats(cx, total).is_some()
    {
        add_float(cx, total, x);
        return true;
    }
    false
}

/// The sum of a list or tuple of small ints, if it is a small int, too.
fn sum_of_ints(items: Value<'_>, start: Value<'_>) -> Option<i64> {
    let slots = match (items.exact::<List>(), items.exact::<Tuple>()) {
        (Some(list), _) => list.slots(),
        (_, Some(tuple)) => tuple.tail(),
        _ => return None,
    };
    slots.iter().try_fold(start.as_int()?, |sum, slot| sum.checked_add(slot.get().as_int()?))
}

fn sum_into(cx: &mut Cx, iterable: Root, start: Root) -> Result<(), Raised> {
    let total = cx.push_raw(start.get(cx).raw());
    cx.push_raw(Raw::NONE);
    let mut summing = Summing::begin(cx, total);
    cx.for_each_taking(iterable, take!(take_number), total, &mut |cx, item| {
        let value = item.get(cx);
        match &mut summing {
            Summing::Ints => {
                let add = value.as_int().or_else(|| value.as_bool().map(i64::from));
                let sum = total.get(cx).as_int();
                if let Some(next) = add.and_then(|add| sum?.checked_add(add)) {
                    total.set(cx, Value::int(next));
                    return Ok(());
                }
            }
            Summing::Floats => {
                let float = match value.as_float() {
                    Some(float) => Some(Ok(float)),
                    None => int_ref(cx, value).map(|int| int.to_float()),
                };
                match float {
                    Some(Ok(float)) => {
                        add_float(cx, total, float);
                        return Ok(());
                    }
                    Some(Err(fault)) => return Err(cx.fault(fault)),
                    None => {}
                }
            }
            Summing::Complexes(real, imaginary) => {
                if let Some(c) = value.exact::<crate::object::Complex>() {
                    real.add(c.real);
                    imaginary.add(c.imaginary);
                    return Ok(());
                }
                if let Some(float) = value.as_float() {
                    real.add(float);
                    return Ok(());
                }
                if let Some(int) = int_ref(cx, value) {
                    return match int.to_float() {
                        Ok(float) => {
                            real.add(float);
                            Ok(())
                        }
                        Err(fault) => Err(cx.fault(fault)),
                    };
                }
            }
            Summing::Objects => {}
        }
        summing.end(cx, total);
        let was = std::mem::replace(&mut summing, Summing::Objects);
        let next = cx.binary_root(BinaryKind::Add, total, item)?;
        total.set(cx, next.get(cx));
        // Ints may go on as floats, floats as complex numbers; nothing goes back.
        summing = match (was, Summing::begin(cx, total)) {
            (Summing::Ints, new @ (Summing::Floats | Summing::Complexes(..))) => new,
            (Summing::Floats, new @ Summing::Complexes(..)) => new,
            _ => {
                total.offset(1).set(cx, Value::NONE);
                Summing::Objects
            }
        };
        Ok(())
    })?;
    summing.end(cx, total);
    start.set(cx, total.get(cx));
    Ok(())
}

// ---- numbers ----

fn prefixed(cx: &mut Cx, number: Root, radix: u32) -> NativeResult {
    let index = cx.index(number)?;
    let int = as_int_ref(index.get(cx)).expect("index gives an int");
    // The digits, made one by one, and the text of them.
    let digits = int.bit_length() as usize / radix.ilog2() as usize;
    cx.check_room(digits.saturating_mul(4))?;
    let int = as_int_ref(index.get(cx)).expect("index gives an int");
    let text = int_text::format_prefixed(int, radix);
    Ok(cx.str(&text).into())
}

/// `divmod` of two exact numbers.
pub(crate) fn builtin_divmod(cx: &mut Cx, x: Root, y: Root) -> Result<Option<Raw>, Raised> {
    let (a, b) = (x.get(cx), y.get(cx));
    let result = if as_int_ref(a).is_some() && as_int_ref(b).is_some() {
        let pair = cx.patiently(|cx, watch| {
            let int = |root: Root| as_int_ref(root.get(cx)).expect("looked at above");
            integer::divide_modulo_watched(int(x), int(y), watch)
        })?;
        pair.map(|(q, r)| {
            let (q, r) = (int_value(&cx.heap, q).raw(), int_value(&cx.heap, r).raw());
            (q, r)
        })
    } else {
        let float = |v: Value<'_>| match v.as_float() {
            Some(f) => Some(Ok(f)),
            None => as_int_ref(v).map(|i| i.to_float()),
        };
        match (float(a), float(b)) {
            (Some(Ok(a)), Some(Ok(b))) => {
                crate::number::float::divide_modulo(a, b).map(|(q, r)| (Raw::float(q), Raw::float(r)))
            }
            (Some(Err(fault)), Some(_)) | (Some(_), Some(Err(fault))) => Err(fault),
            _ => return Ok(None),
        }
    };
    match result {
        Ok((q, r)) => Ok(Some(cx.tuple(&[Value::adopt(q), Value::adopt(r)]).value().raw())),
        Err(fault) => Err(cx.fault(fault)),
    }
}

/// A binary operator that has no instruction: the left method, then the reflected one; the other way round where the right class
/// is derived from the left one.
fn two_sided(cx: &mut Cx, a: Root, b: Root, name: Name, reflected: Name) -> Result<Option<Root>, Raised> {
    let (left, right) = (cx.class_of(a.get(cx)).held(), cx.class_of(b.get(cx)).held());
    let of = |cx: &mut Cx, class| {
        let reflected = cx.name(reflected).held();
        cx.lookup_class(class, reflected).map(|method| method.raw())
    };
    // Asked first is what the derived class changed.
    let swap = left != right && right.is_subclass(left) && {
        let (inherited, own) = (of(cx, left), of(cx, right));
        match (inherited, own) {
            (Some(inherited), Some(own)) => !inherited.same(own),
            _ => true,
        }
    };
    let same = left == right;
    for step in 0..2 {
        let (object, other, name) = if (step == 0) != swap { (a, b, name) } else { (b, a, reflected) };
        if same && step == 1 {
            break;
        }
        if let Some(result) = cx.call_special(object, name, &[other])?
            && !result.get(cx).is_not_implemented()
        {
            return Ok(Some(result));
        }
    }
    Ok(None)
}

fn power_modulo(cx: &mut Cx, base: Root, exp: Root, modulus: Root) -> NativeResult {
    if [base, exp, modulus].iter().all(|root| as_int_ref(root.get(cx)).is_some()) {
        return match crate::native::types::int::power_modulo(cx, base, exp, modulus)? {
            Ok(int) => Ok(int_value(&cx.heap, int).into()),
            Err(fault) => Err(cx.fault(fault)),
        };
    }
    if let Some(result) = cx.call_special(base, Name::Pow, &[exp, modulus])?
        && !result.get(cx).is_not_implemented()
    {
        return Ok(result.get(cx).into());
    }
    if let Some(result) = cx.call_special(exp, Name::RPow, &[base, modulus])?
        && !result.get(cx).is_not_implemented()
    {
        return Ok(result.get(cx).into());
    }
    // A modulus that is no integer has the last word.
    match modulus.get(cx).kind() {
        Kind::Float => {
            return Err(cx.type_error("pow() 3rd argument not allowed unless all arguments are integers".into()));
        }
        Kind::Complex if [base, exp].iter().all(|root| is_number(root.get(cx).kind())) => {
            return Err(cx.value_error("complex modulo"));
        }
        _ => {}
    }
    let names = [base, exp, modulus].map(|r| cx.type_name_for_error(r.get(cx)));
    let [a, b, m] = names;
    Err(cx.type_error(format!("unsupported operand type(s) for ** or pow(): '{a}', '{b}', '{m}'")))
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::BigInt | Kind::True | Kind::False | Kind::Float | Kind::Complex)
}

fn attribute_name(cx: &mut Cx, name: Root) -> Result<(), Raised> {
    if cx.as_str(name.get(cx)).is_some() {
        return Ok(());
    }
    let got = cx.type_name_for_error(name.get(cx));
    Err(cx.type_error(format!("attribute name must be string, not '{got}'")))
}
