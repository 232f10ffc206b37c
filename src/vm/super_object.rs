//! `super()` and the look-up that starts behind a class.

use std::cell::Cell as StdCell;

use smallvec::smallvec;

use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value};
use crate::object::{Class, Super};

use super::attribute::{Few, Loaded, fill, pointer_words, text};
use super::call::Invoked;
use super::frame::Held;
use super::native::{Args, NativeResult, Raised, Resumed, Then};
use super::{Name, Vm};

impl Vm {
    // ---- super ----

    /// The class whose method resolution order `super(class, object)` searches.
    pub(crate) fn super_start(&mut self, class: Held<Class>, object: Raw) -> Result<Held<Class>, Raised> {
        let value: Value<'static> = Value::adopt(object);
        let as_class = value.exact::<Class>();
        if let Some(given) = as_class
            && given.is_subclass(class)
        {
            return Ok(given);
        }
        let own = self.class_of(value).held();
        if own.is_subclass(class) {
            return Ok(own);
        }
        let mark = self.mark();
        let root = self.push_raw(object);
        let said = self.find_attribute(root, "__class__")?.and_then(|r| r.get(self).exact::<Class>().map(Gc::held));
        self.release(mark);
        if let Some(said) = said
            && said.is_subclass(class)
        {
            return Ok(said);
        }
        let (what, name) = match as_class {
            Some(given) => ("type", self.tp_name(given)),
            None => ("instance of", self.tp_name(own)),
        };
        let wanted = self.tp_name(class);
        Err(self.type_error(format!(
            "super(type, obj): obj ({what} {name}) is not an instance or subtype of type ({wanted})."
        )))
    }

    /// A super object.
    pub(crate) fn new_super(&self, class: Held<Class>, receiver: Raw, start: Option<Held<Class>>) -> Raw {
        let made = Super {
            class: Ref::new(class),
            receiver: Slot::new(Value::adopt(receiver)),
            receiver_class: Ref::from_option(start),
        };
        self.heap.alloc(made).value().raw()
    }

    pub(super) fn is_builtin_super(&self, raw: Raw) -> bool {
        raw.same(self.kind_class(Kind::Super).value().raw())
    }

    /// Class and receiver of a `super()` or `super(class, receiver)` in a method.
    pub(super) fn super_parts(&mut self, parts: [Raw; 3]) -> Result<(Held<Class>, Raw), Raised> {
        let [_, class, receiver] = parts;
        if receiver.is_unbound() {
            return Err(self.runtime_error("super(): arg[0] deleted"));
        }
        match Value::adopt(class).exact::<Class>() {
            Some(class) => Ok((class, receiver)),
            None => {
                let got = self.type_name_for_error(Value::adopt(class));
                Err(self.type_error(format!("super() argument 1 must be a type, not {got}")))
            }
        }
    }

    /// What a call of `super(...).name(...)` calls with the receiver as its first argument, where that is a function found without further
    /// ado. The cache gets the shape of the receiver, the epoch, the class and the function.
    pub(super) fn super_function(&self, parts: [Raw; 3], name: Raw, cache: [&StdCell<u32>; 6]) -> Option<Raw> {
        let [_, class, receiver] = parts;
        if !self.is_builtin_super(parts[0]) {
            return None;
        }
        let class = Value::<'static>::adopt(class).exact::<Class>()?;
        let value: Value<'static> = Value::adopt(receiver);
        if value.is_unbound() || value.exact::<Class>().is_some() {
            return None;
        }
        let own = self.class_of(value);
        let (order, class) = (own.get().mro.get()?, class.value().raw());
        let order = order.tail();
        let after = order.iter().position(|c| c.get().raw().same(class))? + 1;
        let next = order.get(after)?.get().exact::<Class>()?;
        // What is left of the order is mostly the order of the next class itself, and that look-up is remembered.
        if next.mro().len() != order.len() - after {
            return None;
        }
        let found = self.lookup_class(next, text(name))?;
        if found.kind() != Kind::Function {
            return None;
        }
        if value.kind() == Kind::Instance
            && let Some(shape) = value.header().map(|h| h.shape())
            && shape != 0
        {
            let ((class_low, class_high), (low, high)) = (pointer_words(class), pointer_words(found.raw()));
            fill(cache, [shape, self.epoch, class_low, class_high, low, high]);
        }
        Some(found.raw())
    }

    /// The instruction `dst = super(...).name`: the super object is not made.
    pub(super) fn super_attribute(&mut self, parts: [Raw; 3], flags: u8, name: Raw) -> Result<Invoked, Raised> {
        let bare = flags & 1 != 0;
        if !self.is_builtin_super(parts[0]) {
            let args: Few = if bare { smallvec![] } else { smallvec![parts[1], parts[2]] };
            return self.with_window(|cx, start| {
                // The result goes where the object of a look-up is.
                cx.push_raw(Raw::NONE);
                cx.push_raw(name);
                let outcome = cx.ask(parts[0], &args, Then::Continue(after_super))?;
                cx.carry_out(outcome, start)
            });
        }
        let (class, receiver) = self.super_parts(parts)?;
        // None stands for no receiver.
        let start = if receiver.same(Raw::NONE) { None } else { Some(self.super_start(class, receiver)?) };
        let name_text = text(name);
        if let Some(start) = start
            && name_text != self.name(Name::Class)
            && let Some(found) = self.load_after(class, start, receiver, name_text)
        {
            return match found? {
                Loaded::Value(raw) => Ok(Invoked::Value(raw)),
                Loaded::Call(callee, args) => self.with_window(|cx, at| {
                    let outcome = cx.ask(callee, &args, Then::Return)?;
                    cx.carry_out(outcome, at)
                }),
                Loaded::Missing => unreachable!("what was found is bound"),
            };
        }
        let object = self.new_super(class, receiver, start);
        self.load_nested(object, name_text).map(Invoked::Value)
    }

    /// The instruction for `super()` without arguments.
    pub(super) fn call_super(&mut self, parts: [Raw; 3]) -> Result<Invoked, Raised> {
        if !self.is_builtin_super(parts[0]) {
            return self.with_window(|cx, start| {
                let outcome = cx.ask(parts[0], &[], Then::Return)?;
                cx.carry_out(outcome, start)
            });
        }
        let (class, receiver) = self.super_parts(parts)?;
        // None stands for no receiver.
        let start = if receiver.same(Raw::NONE) { None } else { Some(self.super_start(class, receiver)?) };
        Ok(Invoked::Value(self.new_super(class, receiver, start)))
    }

    /// Class and first argument of the method that runs, for `super()` called through another name.
    pub(crate) fn super_of_frame(&mut self) -> Result<(Held<Class>, Raw), Raised> {
        use super::frame::RecordKind;
        let record = self.fiber.records.iter().rev().find(|r| r.function.is_some()).copied();
        let Some(record) = record else { return Err(self.runtime_error("super(): no current frame")) };
        let function = record.function.expect("just looked for");
        let code = function.code();
        if code.code.positional == 0 {
            return Err(self.runtime_error("super(): no arguments"));
        }
        let mut receiver = match record.kind {
            RecordKind::InPlace { generator, .. } => generator.get_tail_value(0).raw(),
            _ => self.fiber.registers.get(record.base).raw(),
        };
        if let Some(cell) = Value::adopt(receiver).exact::<crate::object::Variable>() {
            receiver = cell.get().content.get().raw();
        }
        if receiver.is_unbound() {
            return Err(self.runtime_error("super(): arg[0] deleted"));
        }
        let free = code.code.free.iter().position(|n| &**n == "__class__");
        let closure = function.get().closure.get();
        let cell = free.zip(closure).and_then(|(i, c)| c.item(i).exact::<crate::object::Variable>());
        let Some(cell) = cell else { return Err(self.runtime_error("super(): __class__ cell not found")) };
        match cell.get().content.get().exact::<Class>() {
            Some(class) => Ok((class.held(), receiver)),
            None => Err(self.runtime_error("super(): empty __class__ cell")),
        }
    }
}

/// Window: a place for the object, and the name. What stands for `super` was called.
pub(super) fn after_super(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(object) = resumed else { unreachable!("exceptions pass") };
    let object = object.get(cx).raw();
    window.root(0).set(cx, Value::adopt(object));
    cx.getattr_outcome(window.root(0), window.root(1), None)
}
