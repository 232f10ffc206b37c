//! Text of objects: `str`, `format`, joining, and the templates of t-strings. What `repr` shows of each kind is in `repr.rs`.
//!
//! [`Vm::text_of`] says how the text of an object comes about: at once, or by a call of a method the script can have
//! overridden. Whether that call is asked of the run loop or waited for is the caller's choice.

use smallvec::SmallVec;

use crate::heap::{Collection, Gc, Kind, Raw, Value, WeakRef};
use crate::number::complex::Complex as ComplexNumber;
use crate::number::int::IntRef;
use crate::number::{float_repr, int_text};
use crate::object::key::as_int_ref;
use crate::object::{ASCII, BigInt, ByteArray, Complex, Exc, MemoryView, NativeObject, Payload, SURROGATES, Str};
use crate::text::format_spec::{self, FormatSpec};
use crate::text::{MAX_LENGTH, repr as text_repr};

use super::call::Invoked;
use super::native::{
    Args, Continuation, NativeFunction, NativeResult, Outcome, Raised, Resumed, Root, Then, takes_receiver,
};
use super::{Name, Vm};

/// A method of an object's class that its text comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    callee: Raw,
    /// Whether the object is passed as first argument: it is not where the callee is bound already.
    unbound: bool,
}

/// How the text of an object comes about.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextOf {
    /// Here it is: a str.
    Done(Raw),
    /// This method of its class gives it.
    Call(Method),
}

/// Builtin kinds whose text is made without asking anybody: those of values, which a script cannot change the class of.
fn is_plain(value: Value<'_>) -> bool {
    !value.is_subclassed()
        && matches!(
            value.kind(),
            Kind::Str
                | Kind::Int
                | Kind::Float
                | Kind::None
                | Kind::False
                | Kind::True
                | Kind::BigInt
                | Kind::Complex
                | Kind::Ellipsis
                | Kind::NotImplemented
        )
}

/// Bytes that are taken without asking for them first.
const UNCHECKED: usize = 4 << 20;

impl Vm {
    // ---- making texts ----

    /// The text of an integer.
    pub(crate) fn int_text(&self, number: i64) -> Raw {
        if (0..10).contains(&number) {
            return self.character(b'0' + number as u8).value().raw();
        }
        let mut text = String::with_capacity(20);
        int_text::push_i64(&mut text, number);
        Str::ascii(&self.heap, text.as_bytes()).value().raw()
    }

    /// The text of generalised UTF-8. Texts of one character below U+0080 are shared.
    pub(crate) fn text_raw(&self, bytes: &[u8]) -> Raw {
        match bytes {
            [byte] => self.character(*byte).value().raw(),
            _ => Str::from_parts(&self.heap, &[bytes]).value().raw(),
        }
    }

    /// As `text_raw`, where scripts choose the length: too long a text is a MemoryError.
    pub(crate) fn checked_text(&mut self, bytes: &[u8]) -> Result<Raw, Raised> {
        if bytes.len() > MAX_LENGTH || self.heap.check(bytes.len()).is_err() {
            return Err(self.memory_error());
        }
        Ok(self.text_raw(bytes))
    }

    /// Before a native builds something whose size scripts choose: whether so many bytes can be had, what becomes of them included.
    pub(crate) fn check_room(&mut self, bytes: usize) -> Result<(), Raised> {
        if bytes <= UNCHECKED || self.heap.check(bytes).is_ok() { Ok(()) } else { Err(self.memory_error()) }
    }

    /// As `check_growth`, for bytes that a native gathers: makes room for `more` of them.
    #[inline]
    pub(crate) fn grow(&mut self, bytes: &mut Vec<u8>, more: usize) -> Result<(), Raised> {
        if bytes.capacity() - bytes.len() >= more { Ok(()) } else { self.grow_now(bytes, more) }
    }

    fn grow_now(&mut self, bytes: &mut Vec<u8>, more: usize) -> Result<(), Raised> {
        self.check_room(bytes.len().saturating_add(more).saturating_mul(3))?;
        bytes.try_reserve(more).map_err(|_| self.memory_error())
    }

    /// As `check_room`, for what grows piece by piece and is to be `length` bytes long now; it is made into a cell in the end. `checked` is the
    /// length up to which it is known to fit, zero at first.
    #[inline]
    pub(crate) fn check_growth(&mut self, length: usize, checked: &mut usize) -> Result<(), Raised> {
        if length <= UNCHECKED.max(*checked) {
            return Ok(());
        }
        *checked = length.saturating_add(length / 2);
        // While it grows there is twice of it, and then the copy.
        self.check_room(length.saturating_mul(3))
    }

    /// Joins exact texts, all of them alive.
    pub(super) fn join_texts(&mut self, parts: impl Iterator<Item = Raw>) -> Result<Raw, Raised> {
        let mut all: SmallVec<[&[u8]; 16]> = SmallVec::new();
        let (mut bytes, mut chars, mut flags) = (0usize, 0usize, ASCII);
        let mut kept = Raw::UNBOUND;
        for part in parts {
            let text = Value::adopt(part).exact::<Str>().expect("formatted values are texts");
            if text.is_empty() {
                continue;
            }
            bytes += text.len();
            chars += text.chars();
            flags = (flags & text.aux() & ASCII) | ((flags | text.aux()) & SURROGATES);
            all.push(text.as_bytes());
            kept = part;
        }
        match all.len() {
            0 => return Ok(self.text_raw(b"")),
            1 => return Ok(kept),
            _ => {}
        }
        if bytes > MAX_LENGTH || self.heap.check(bytes).is_err() {
            return Err(self.memory_error());
        }
        Ok(Str::known(&self.heap, &all, chars, flags).value().raw())
    }

    // ---- how the text of an object comes about ----

    /// The method of an object's class with this name, unless that is object's own.
    pub(crate) fn own_method(&mut self, object: Root, name: Name) -> Result<Option<Method>, Raised> {
        let class = self.class_of(object.get(self)).held();
        let name = self.name(name).held();
        let Some((found, owner)) = self.lookup_class_with_owner(class, name) else { return Ok(None) };
        let (found, owner) = (found.raw(), owner.value().raw());
        if owner.same(self.types.object) {
            return Ok(None);
        }
        if takes_receiver(Value::adopt(found)) {
            return Ok(Some(Method { callee: found, unbound: true }));
        }
        let receiver = object.get(self).raw();
        Ok(Some(Method { callee: self.bind_descriptor(found, receiver, class)?, unbound: false }))
    }

    /// How `str(object)`, or with `repr` `repr(object)`, comes about.
    pub(super) fn text_of(&mut self, object: Root, repr: bool) -> Result<TextOf, Raised> {
        let value = object.get(self);
        let raw = value.raw();
        if is_plain(value) {
            if !repr && value.kind() == Kind::Str {
                return Ok(TextOf::Done(raw));
            }
            if let Some(int) = value.as_int() {
                return Ok(TextOf::Done(self.int_text(int)));
            }
        }
        // `str` of a proxy is that of its mapping.
        let builtin = self.has_builtin_repr(value) && (repr || value.kind() != Kind::MappingProxy);
        if !builtin {
            let exception = value.kind() == Kind::Exception;
            // A class can take `object.__str__` back: that is its `__repr__`.
            if !repr
                && let Some(method) = self.own_method(object, Name::Str)?
                && !(exception && self.is_objects_own(method))
            {
                if exception && is_native(method, "__str__") {
                    return self.exception_str(object).map(TextOf::Done);
                }
                return Ok(TextOf::Call(method));
            }
            if let Some(method) = self.own_method(object, Name::Repr)?
                && !(exception && is_native(method, "__repr__"))
            {
                return Ok(TextOf::Call(method));
            }
        }
        let mut out = Vec::new();
        self.write_own_repr(&mut out, object)?;
        self.checked_text(&out).map(TextOf::Done)
    }

    /// Whether a method is one of `object`.
    fn is_objects_own(&self, method: Method) -> bool {
        Value::adopt(method.callee)
            .exact::<NativeFunction>()
            .and_then(|native: Gc<'_, NativeFunction>| native.get().class.get())
            .is_some_and(|class| class.value().raw().same(self.types.object))
    }

    /// Asks the run loop for a call of a method found by `own_method`.
    fn ask_text(&mut self, object: Root, method: Method, argument: Option<Root>, then: Continuation) -> Outcome {
        let callee = self.push_raw(method.callee);
        let mut argc = 0;
        if method.unbound {
            let raw = object.get(self).raw();
            self.push_raw(raw);
            argc += 1;
        }
        if let Some(argument) = argument {
            let raw = argument.get(self).raw();
            self.push_raw(raw);
            argc += 1;
        }
        Outcome::Call { callee, argc, keywords: None, then: Then::Continue(then) }
    }

    /// Calls a method found by `own_method` and waits for its result.
    pub(super) fn call_own(&mut self, object: Root, method: Method, argument: Option<Root>) -> Result<Root, Raised> {
        let mark = self.mark();
        let callee = self.push_raw(method.callee);
        let mut args: SmallVec<[Root; 2]> = SmallVec::new();
        if method.unbound {
            args.push(object);
        }
        args.extend(argument);
        let result = self.call(callee, &args)?;
        Ok(self.release_keeping(mark, result))
    }

    /// Whether what `__str__` or `__repr__` returned is a text.
    fn expect_text(&mut self, result: Root, repr: bool) -> Result<Root, Raised> {
        if self.as_str(result.get(self)).is_some() {
            return Ok(result);
        }
        let name = if repr { "__repr__" } else { "__str__" };
        let got = self.type_name_for_error(result.get(self));
        Err(self.type_error(format!("{name} returned non-string (type {got})")))
    }

    fn text_waiting(&mut self, object: Root, repr: bool) -> Result<Root, Raised> {
        match self.text_of(object, repr)? {
            TextOf::Done(raw) => Ok(self.push_raw(raw)),
            TextOf::Call(method) => {
                self.check_stack_for_repr(repr)?;
                let result = self.call_own(object, method, None)?;
                self.expect_text(result, repr)
            }
        }
    }

    /// RecursionError, in the words of `repr` or `str`, if natives may not go deeper.
    pub(super) fn check_stack_for_repr(&mut self, repr: bool) -> Result<(), Raised> {
        if self.stack_is_left() {
            return self.poll();
        }
        let what = if repr { "getting the repr" } else { "getting the str" };
        Err(self
            .raise_text(Exc::RecursionError, &format!("maximum recursion depth exceeded while {what} of an object")))
    }

    /// `str(object)`, to be carried out by the run loop.
    pub fn str_outcome(&mut self, object: Root) -> NativeResult {
        match self.text_of(object, false)? {
            TextOf::Done(raw) => Ok(Outcome::Value(raw)),
            TextOf::Call(method) => Ok(self.ask_text(object, method, None, check_str)),
        }
    }

    /// `repr(object)`: a str.
    pub fn repr(&mut self, object: Root) -> Result<Root, Raised> {
        self.text_waiting(object, true)
    }

    /// `repr(object)` as Rust text; with stand-ins for lone surrogates, which only a script's `__repr__` can put there.
    pub fn repr_text(&mut self, object: Root) -> Result<String, Raised> {
        let mark = self.mark();
        let text = self.repr(object)?;
        let text = self.as_str(text.get(self)).expect("checked").to_str_lossy().into_owned();
        self.release(mark);
        Ok(text)
    }

    /// `str(object)`: a str.
    pub fn str_of(&mut self, object: Root) -> Result<Root, Raised> {
        self.text_waiting(object, false)
    }

    /// `str(object)` as Rust text, with stand-ins for lone surrogates.
    pub fn str_text(&mut self, object: Root) -> Result<String, Raised> {
        let mark = self.mark();
        let text = self.str_of(object)?;
        let text = self.as_str(text.get(self)).expect("checked").to_str_lossy().into_owned();
        self.release(mark);
        Ok(text)
    }

    /// `ascii(object)`: a str.
    pub fn ascii(&mut self, object: Root) -> Result<Root, Raised> {
        let text = self.repr(object)?;
        // Of two bytes six can become.
        let length = self.as_str(text.get(self)).map_or(0, |text| text.len());
        self.check_room(length.saturating_mul(6))?;
        let raw = self.ascii_of(text);
        text.set(self, Value::adopt(raw));
        Ok(text)
    }

    /// A text with escapes for what is not ASCII.
    fn ascii_of(&self, text: Root) -> Raw {
        let text = self.as_str(text.get(self)).expect("a text");
        if text.is_ascii() {
            text.value().raw()
        } else {
            self.text_raw(text_repr::ascii_of_repr(text.as_bytes()).as_bytes())
        }
    }

    // ---- format ----

    /// A value in an f-string: `spec` UNBOUND if there is none, `conversion` 0 or a letter.
    pub(super) fn format_value(&mut self, value: Raw, spec: Raw, conversion: u8) -> Result<Invoked, Raised> {
        let plain = is_plain(Value::adopt(value));
        if conversion == 0 && plain {
            if !is_empty_spec(spec) {
                return self.format_plain(value, spec).map(Invoked::Value);
            }
            return self.plain_text(value).map(Invoked::Value);
        }
        let start = self.fiber.top;
        let object = self.push_raw(value);
        if plain && conversion != b'a' && is_empty_spec(spec) {
            // The text a conversion gives is shown as it is.
            let text = self.text_of(object, conversion != b's')?;
            if let TextOf::Done(raw) = text {
                self.release(start);
                return Ok(Invoked::Value(raw));
            }
        }
        let spec = if spec.is_unbound() { self.text_raw(b"") } else { spec };
        let spec = self.push_raw(spec);
        let outcome = if conversion == 0 {
            self.format_outcome(object, spec)?
        } else {
            self.push_raw(Raw::int(i64::from(conversion)));
            match self.text_of(object, conversion != b's')? {
                TextOf::Call(method) => self.ask_text(object, method, None, after_conversion),
                TextOf::Done(raw) => {
                    let text = self.push_raw(raw);
                    self.format_converted(text, spec, conversion)?
                }
            }
        };
        self.carry_out(outcome, start)
    }

    fn format_converted(&mut self, text: Root, spec: Root, conversion: u8) -> NativeResult {
        if conversion == b'a' {
            let raw = self.ascii_of(text);
            text.set(self, Value::adopt(raw));
        }
        self.format_outcome(text, spec)
    }

    /// `format(object, spec)`, to be carried out by the run loop. The spec is a str.
    pub fn format_outcome(&mut self, object: Root, spec: Root) -> NativeResult {
        let value = object.get(self);
        let raw = value.raw();
        if is_plain(value) {
            let spec = self.exact_text(spec);
            if is_empty_spec(spec) {
                return self.plain_text(raw).map(Outcome::Value);
            }
            return self.format_plain(raw, spec).map(Outcome::Value);
        }
        match self.own_method(object, Name::Format)? {
            Some(method) => Ok(self.ask_text(object, method, Some(spec), check_format)),
            None => {
                self.refuse_spec(object, spec)?;
                self.str_outcome(object)
            }
        }
    }

    /// `format(object, spec)`: a str. The spec is a str.
    pub fn format_root(&mut self, object: Root, spec: Root) -> Result<Root, Raised> {
        let value = object.get(self);
        let raw = value.raw();
        if is_plain(value) {
            let spec = self.exact_text(spec);
            let text = if is_empty_spec(spec) { self.plain_text(raw)? } else { self.format_plain(raw, spec)? };
            return Ok(self.push_raw(text));
        }
        match self.own_method(object, Name::Format)? {
            Some(method) => {
                let result = self.call_own(object, method, Some(spec))?;
                self.expect_formatted(result)
            }
            None => {
                self.refuse_spec(object, spec)?;
                self.str_of(object)
            }
        }
    }

    /// `object.__format__`: it knows only the empty spec.
    pub fn refuse_spec(&mut self, object: Root, spec: Root) -> Result<(), Raised> {
        if is_empty_spec(self.exact_text(spec)) {
            return Ok(());
        }
        let name = self.type_name_for_error(object.get(self));
        Err(self.type_error(format!("unsupported format string passed to {name}.__format__")))
    }

    fn expect_formatted(&mut self, result: Root) -> Result<Root, Raised> {
        if self.as_str(result.get(self)).is_some() {
            return Ok(result);
        }
        let got = self.type_name_for_error(result.get(self));
        Err(self.type_error(format!("__format__ must return a str, not {got}")))
    }

    /// The exact text of an instance of str or of a class derived from it.
    fn exact_text(&self, text: Root) -> Raw {
        self.as_str(text.get(self)).map_or(Raw::UNBOUND, |s| s.value().raw())
    }

    /// `str` of a plain value.
    fn plain_text(&mut self, raw: Raw) -> Result<Raw, Raised> {
        let value = Value::adopt(raw);
        match value.kind() {
            Kind::Str => Ok(raw),
            Kind::Int => Ok(self.int_text(value.as_int().expect("an int"))),
            Kind::Float => {
                let mut text = String::with_capacity(24);
                float_repr::push_repr(&mut text, value.as_float().expect("a float"));
                Ok(Str::ascii(&self.heap, text.as_bytes()).value().raw())
            }
            _ => {
                let mut out = Vec::new();
                self.write_plain(&mut out, raw)?;
                self.checked_text(&out)
            }
        }
    }

    /// A value of a builtin type with a format of its own (str, int, bool, float, complex), formatted by a spec that is an exact
    /// str. The value must be exact: natives unwrap instances of derived classes.
    pub fn format_plain(&mut self, raw: Raw, spec: Raw) -> Result<Raw, Raised> {
        self.format_as(raw, spec, None)
    }

    /// As `format_plain`, for the payload of an instance of a derived class, whose name errors give.
    pub(crate) fn format_as(&mut self, raw: Raw, spec: Raw, derived: Option<&str>) -> Result<Raw, Raised> {
        let value = Value::adopt(raw);
        let spec_text = Value::adopt(spec).exact::<Str>().expect("a spec is a text").as_bytes();
        let type_name = match value.kind() {
            Kind::Str => "str",
            Kind::Int | Kind::BigInt => "int",
            Kind::True | Kind::False => "bool",
            Kind::Float => "float",
            Kind::Complex => "complex",
            _ => {
                let name = self.type_name_for_error(value);
                return Err(self.type_error(format!("unsupported format string passed to {name}.__format__")));
            }
        };
        let type_name = derived.unwrap_or(type_name);
        let parsed = match FormatSpec::parse(spec_text, type_name, value.kind() == Kind::Str) {
            Ok(parsed) => parsed,
            Err(fault) => return Err(self.fault(fault)),
        };
        // Once as it is written, once as a text; a fill character may take four bytes.
        let fixed = if value.kind() == Kind::Str { 0 } else { parsed.precision.unwrap_or(0) };
        // Up to a digit for each bit.
        let digits = value.exact::<BigInt>().and_then(|_| as_int_ref(value)).map_or(0, |int| int.bit_length() as usize);
        let room = parsed.width.saturating_add(fixed).saturating_add(digits).saturating_mul(5);
        let too_big = parsed.width > MAX_LENGTH || self.heap.check(room).is_err();
        // What is wrong with the specification is told before there is no room for it.
        let spec = if too_big { parsed.narrow() } else { parsed };
        let mut out: Vec<u8> = Vec::with_capacity(spec.width + 24);
        let done = if let Some(text) = value.exact::<Str>() {
            format_spec::format_text(&mut out, text.as_bytes(), &spec, type_name)
        } else if let Some(float) = value.as_float() {
            format_spec::format_float(&mut out, float, &spec, type_name)
        } else if let Some(complex) = value.exact::<Complex>() {
            let number = ComplexNumber { re: complex.real, im: complex.imaginary };
            format_spec::format_complex(&mut out, number, &spec, type_name)
        } else {
            let int = as_int_ref(value).unwrap_or(IntRef::Small(0));
            format_spec::format_int(&mut out, int, &spec, type_name, self.int_max_str_digits)
        };
        match done {
            Ok(()) if too_big => Err(self.memory_error()),
            Ok(()) => self.checked_text(&out),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    // ---- memoryviews ----

    /// Notes that a memoryview looks at a bytearray.
    pub(crate) fn add_view(&mut self, array: Gc<'static, ByteArray>, view: Raw) {
        let dead = |raw: &Raw| Value::adopt(*raw).exact::<WeakRef>().is_none_or(|w| w.get().target().is_none());
        if self.views.len() >= 32 && self.views.len().is_power_of_two() {
            self.views.retain(|raw| !dead(raw));
        }
        if let Some(weak) = WeakRef::new(&self.heap, Value::adopt(view), Value::NONE) {
            self.views.push(weak.value().raw());
        }
        array.exports.set(array.exports.get() + 1);
    }

    /// How many memoryviews look at a bytearray that has been looked at: those nobody can reach any more are collected first, since
    /// they would have been gone at once with reference counts.
    pub(crate) fn count_views(&mut self, array: Gc<'static, ByteArray>) -> usize {
        self.collect(Collection::Major);
        let is_of = |view: Value<'_>| {
            view.exact::<MemoryView>()
                .is_some_and(|v| !v.released.get() && v.get().memory.get().raw().same(array.value().raw()))
        };
        let views = self.views.iter().filter_map(|raw| Value::adopt(*raw).exact::<WeakRef>());
        let count = views.filter(|w| w.get().target().is_some_and(is_of)).count();
        array.exports.set(count);
        count
    }

    // ---- templates of t-strings ----

    /// An Interpolation of a value, its expression's text and its format spec (UNBOUND for none).
    pub(super) fn build_interpolation(&mut self, parts: [Raw; 3], conversion: u8) -> Result<Raw, Raised> {
        let [value, expression, spec] = parts;
        let conversion = if conversion == 0 { Raw::NONE } else { self.character(conversion).value().raw() };
        let spec = if spec.is_unbound() { self.text_raw(b"") } else { spec };
        Ok(self.new_interpolation([value, expression, conversion, spec]))
    }

    /// An Interpolation with these fields: value, expression, conversion, format spec.
    pub(crate) fn new_interpolation(&self, fields: [Raw; 4]) -> Raw {
        self.template_object("Interpolation", &fields)
    }

    /// A Template of a tuple of texts and a tuple of interpolations, of which there is one less.
    pub(super) fn build_template(&mut self, strings: Raw, interpolations: Raw) -> Result<Raw, Raised> {
        Ok(self.new_template(strings, interpolations))
    }

    /// As `build_template`.
    pub(crate) fn new_template(&self, strings: Raw, interpolations: Raw) -> Raw {
        self.template_object("Template", &[strings, interpolations])
    }

    fn template_object(&self, class: &str, fields: &[Raw]) -> Raw {
        let class = self.named_class(class);
        let body = NativeObject::new(Box::new(TemplatePart), fields.len() as u16);
        let object = self.heap.alloc_slots(body, |i| Value::adopt(fields[i]));
        object.set_shape(class.get().root_shape.get());
        object.value().raw()
    }
}

/// The payload of Template and Interpolation objects, which keep everything in slots.
#[derive(Debug)]
pub(crate) struct TemplatePart;
impl Payload for TemplatePart {}

fn is_empty_spec(spec: Raw) -> bool {
    spec.is_unbound() || Value::adopt(spec).exact::<Str>().is_some_and(|s| s.is_empty())
}

/// Whether a method is a native with this name.
fn is_native(method: Method, name: &str) -> bool {
    Value::adopt(method.callee)
        .exact::<NativeFunction>()
        .is_some_and(|n: Gc<'_, NativeFunction>| n.get().def.name == name)
}

fn returned(resumed: Resumed) -> Root {
    match resumed {
        Resumed::Returned(root) | Resumed::Yielded(root) | Resumed::Raised(root) => root,
    }
}

fn check_str(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let text = cx.expect_text(returned(resumed), false)?;
    Ok(text.get(cx).into())
}

fn check_format(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let text = cx.expect_formatted(returned(resumed))?;
    Ok(text.get(cx).into())
}

/// Window: value, spec, conversion.
fn after_conversion(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let conversion = window.get(cx, 2).as_int().unwrap_or(0) as u8;
    let text = cx.expect_text(returned(resumed), conversion != b's')?;
    cx.format_converted(text, window.root(1), conversion)
}
