//! Instances of builtin classes made at once, where `__new__` and `__init__` need not be looked up and called one after the other: the
//! exact builtin types, and exceptions of classes that keep `BaseException`'s.

use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Value};
use crate::object::{Class, ClassFlags, Dict, Exc, Exception, Slots, Str, Tuple, field_count};

use super::call::Invoked;
use super::frame::Held;
use super::native::{Args, NativeResult, Outcome, Raised};
use super::{Library, Vm};

/// Makes an instance of an exact builtin type from positional arguments; UNBOUND leaves it to the type's `__new__` and `__init__`,
/// the arguments being as they were.
pub type Maker = fn(&mut Vm, Args) -> NativeResult;

/// As `Maker`, where the last arguments are given by these names.
pub type NamedMaker = fn(&mut Vm, Args, Held<Tuple>) -> Raw;

/// How instances of a class are made at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Makers {
    plain: Maker,
    named: NamedMaker,
}

/// Leaves it to the class.
fn not_by_name(_: &mut Vm, _: Args, _: Held<Tuple>) -> Raw {
    Raw::UNBOUND
}

/// `dict(name=value, ...)`.
fn dict_by_name(cx: &mut Vm, args: Args, names: Held<Tuple>) -> Raw {
    if names.len() != args.len() {
        return Raw::UNBOUND;
    }
    let heap = cx.heap.forever();
    let dict = Dict::new(heap);
    for (name, value) in names.items().zip(args.roots()) {
        let kept = name.exact::<Str>().map(|name| dict.set_str(heap, name, value.get(cx)).is_ok());
        if kept != Some(true) {
            return Raw::UNBOUND;
        }
    }
    dict.value().raw()
}

impl Vm {
    /// Says how instances of a builtin type are made.
    pub fn set_maker(&mut self, class: &'static str, plain: Maker) {
        self.set_makers(class, Makers { plain, named: not_by_name });
    }

    /// Says how dicts are made.
    pub(crate) fn set_dict_maker(&mut self, plain: Maker) {
        self.set_makers("dict", Makers { plain, named: dict_by_name });
    }

    fn set_makers(&mut self, class: &'static str, makers: Makers) {
        let number = self.add_makers(makers);
        self.named_class(class).get().maker.set(number);
    }

    /// Says how instances of a class of the library are made, which becomes known by this.
    pub(crate) fn set_library_maker(
        &mut self,
        part: Library,
        class: Held<Class>,
        plain: Maker,
        named: Option<NamedMaker>,
    ) {
        // What is made is an instance of the class that is known last.
        if let Some(before) = Value::<'static>::adopt(self.library(part)).exact::<Class>() {
            before.get().maker.set(0);
        }
        self.set_library(part, class.value().raw());
        let known = self.types.library_makers[part as usize];
        // A module that is loaded again has new classes, made in the same way.
        let number =
            if known != 0 { known } else { self.add_makers(Makers { plain, named: named.unwrap_or(not_by_name) }) };
        self.types.library_makers[part as usize] = number;
        class.get().maker.set(number);
    }

    fn add_makers(&mut self, makers: Makers) -> u8 {
        self.types.makers.push(makers);
        u8::try_from(self.types.makers.len()).expect("a few")
    }

    /// Makes an instance of a class that has a maker; None if that leaves it to the class.
    #[inline]
    pub(super) fn make_at_once(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
    ) -> Result<Option<Invoked>, Raised> {
        if class.get().layout == Kind::Exception {
            return Ok(None);
        }
        let maker = self.types.makers[usize::from(class.get().maker.get()) - 1].plain;
        let window = std::mem::replace(&mut self.fiber.window, start);
        self.fiber.top = start + argc;
        let outcome = maker(self, Args { start, count: argc });
        self.fiber.window = window;
        match outcome {
            Ok(Outcome::Value(ref raw)) => {
                let raw = raw.copied();
                Ok(if raw.is_unbound() { None } else { Some(Invoked::Value(raw)) })
            }
            Ok(other) => self.carry_out(other, start).map(Some),
            Err(raised) => Err(raised),
        }
    }

    /// As `make_at_once`, where arguments are given by name.
    pub(super) fn make_by_name(&mut self, class: Held<Class>, start: u32, argc: u32, names: Raw) -> Option<Raw> {
        if class.get().layout == Kind::Exception {
            return None;
        }
        let names = Value::<'static>::adopt(names).exact::<Tuple>()?;
        let maker = self.types.makers[usize::from(class.get().maker.get()) - 1].named;
        let made = maker(self, Args { start, count: argc }, names);
        (!made.is_unbound()).then_some(made)
    }

    /// The builtin exception class that an exception class is, or derives from first.
    pub fn exception_kind(&self, class: Gc<'_, Class>) -> Exc {
        let known = class.get().maker.get();
        if known != 0 {
            return Exc::ALL[usize::from(known) - 1];
        }
        let found = class.mro().find_map(|c| Exc::ALL.iter().position(|e| self.exception_class(*e) == c));
        let found = found.unwrap_or(Exc::BaseException as usize);
        class.get().maker.set(u8::try_from(found + 1).expect("fewer classes than that"));
        Exc::ALL[found]
    }

    /// What `BaseException.__new__` makes, given the arguments in registers.
    fn new_exception_of(&self, class: Held<Class>, start: u32, count: u32) -> Raw {
        let fields = field_count(self.exception_kind(class));
        let fields = (fields > 0).then(|| Slots::few(&self.heap, fields));
        let args = match count {
            0 => self.empty_tuple(),
            _ => Tuple::build(&self.heap, count as usize, |i| self.fiber.registers.get(start + i as u32)),
        };
        let exception = self.heap.alloc(Exception {
            args: Ref::new(args),
            cause: AnyRef::none(),
            context: AnyRef::none(),
            traceback: Ref::none(),
            suppress_context: std::cell::Cell::new(false),
            dict: Ref::none(),
            fields: Ref::from_option(fields),
        });
        exception.set_shape(class.get().root_shape.get());
        if class.has(ClassFlags::FINALISER) {
            self.heap.finalisable(exception.value());
        }
        exception.value().raw()
    }

    /// Makes an exception whose class (by `owners` of `__new__` and `__init__`) keeps `BaseException.__new__`, and its `__init__` too or
    /// has one in the language. None for others.
    pub(super) fn construct_exception(
        &mut self,
        class: Held<Class>,
        owners: (Raw, Raw),
        init: Raw,
        (start, argc): (u32, u32),
        keywords: Option<Raw>,
    ) -> Option<Result<Invoked, Raised>> {
        let base = self.exception_class(Exc::BaseException).value().raw();
        if !owners.0.same(base) {
            return None;
        }
        if owners.1.same(base) {
            return keywords.is_none().then(|| Ok(Invoked::Value(self.new_exception_of(class, start, argc))));
        }
        if Value::adopt(init).kind() != Kind::Function {
            return None;
        }
        let named = keywords.and_then(|k| Value::<'static>::adopt(k).exact::<Tuple>()).map_or(0, |k| k.len() as u32);
        let exception = self.new_exception_of(class, start, argc - named);
        Some(self.initialise(exception, init, start, argc, keywords))
    }

    /// Raises a new exception of a class that was raised as it is: as though it had been called without arguments. None if that has to be
    /// done in full.
    pub(super) fn exception_of_class(&mut self, class: Held<Class>) -> Option<Raw> {
        let base = self.exception_class(Exc::BaseException).held();
        if class.get().layout != Kind::Exception
            || class.get().metaclass.get().is_none_or(|m| !m.value().raw().same(self.types.type_))
        {
            return None;
        }
        let (new, init) = (self.name(super::Name::New).held(), self.name(super::Name::Init).held());
        let new = self.lookup_class_with_owner(class, new)?.1;
        if new != base {
            return None;
        }
        let init = self.lookup_class_with_owner(class, init)?.1;
        (init == base).then(|| self.new_exception_of(class, 0, 0))
    }
}
