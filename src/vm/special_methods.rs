//! Special methods written in the language, entered at once by the instructions that ask for them: their frame is pushed on the
//! instruction's own, which takes the result when they return. Whatever is not as simple as that goes the way of the whole protocol,
//! which is in `ops.rs`, `compare.rs` and their like.

use crate::bytecode::code::CodeFlags;
use crate::bytecode::op::Op;
use crate::heap::{Kind, Raw, Value};
use crate::object::{BoundMethod, Entry, Function, Instance};

use super::call::Invoked;
use super::frame::{Deliver, Held, Record, RecordKind};
use super::native::{NativeDef, NativeFunction, NativeKind, Quick, Raised, Root};
use super::{Name, SPECIALS, Vm};

/// A special method that was looked up before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Special {
    /// Of the receiver; 0 in a place that was never used.
    shape: u32,
    epoch: u32,
    name: Name,
    /// A function of the language, or a native with a quick way; UNBOUND if the class has neither.
    function: Raw,
}

impl Special {
    pub(super) const NONE: Special = Special { shape: 0, epoch: 0, name: Name::Add, function: Raw::UNBOUND };
}

impl Vm {
    /// The function of the language that an object's class has under the name of a special method; None for whatever else it has.
    #[inline]
    pub(super) fn special(&self, object: Raw, name: Name) -> Option<Held<Function>> {
        let shape = Value::<'_>::adopt(object.copied()).header()?.shape();
        if shape == 0 {
            return None;
        }
        let place = &self.specials[(shape as usize).wrapping_mul(31).wrapping_add(name as usize) & (SPECIALS - 1)];
        let known = place.get();
        if known.shape == shape && known.epoch == self.epoch && known.name == name {
            return Value::adopt(known.function).exact::<Function>();
        }
        self.look_for_special(object, shape, name)
    }

    /// As `special`, for a native method with a quick way.
    #[inline]
    pub(super) fn native_special(&self, object: Raw, name: Name) -> Option<Quick> {
        let shape = Value::<'_>::adopt(object.copied()).header()?.shape();
        if shape == 0 {
            return None;
        }
        let place = &self.specials[(shape as usize).wrapping_mul(31).wrapping_add(name as usize) & (SPECIALS - 1)];
        let known = place.get();
        let function = if known.shape == shape && known.epoch == self.epoch && known.name == name {
            known.function
        } else {
            self.look_for_special(object, shape, name);
            place.get().function
        };
        Some(Value::<'static>::adopt(function).exact::<NativeFunction>()?.get().def.quick)
    }

    /// What the native method of an object's class says at once of one argument; UNBOUND where it is to be called.
    #[inline]
    pub(super) fn ask_native(&mut self, object: Raw, name: Name, argument: Raw) -> Raw {
        match self.native_special(object, name) {
            Some(Quick::Two(quick)) => quick(self, object, argument),
            Some(Quick::Three(quick)) => quick(self, object, argument, Raw::UNBOUND),
            _ => Raw::UNBOUND,
        }
    }

    /// The length of an object, as the native method of its class says at once; UNBOUND where it is to be called.
    pub(crate) fn length_at_once(&mut self, object: Raw) -> Raw {
        match self.native_special(object, Name::Len) {
            Some(Quick::One(quick)) => quick(self, object),
            _ => Raw::UNBOUND,
        }
    }

    /// What calling an object with one argument gives, where a native says so at once; UNBOUND where it is to be called.
    #[inline]
    pub(crate) fn called_at_once(&mut self, callee: Raw, argument: Raw) -> Raw {
        let value = Value::<'static>::adopt(callee);
        if let Some(bound) = value.exact::<BoundMethod>() {
            let def = bound.function.get().exact::<NativeFunction>().map(|native| native.get().def);
            let receiver = bound.receiver.get().raw();
            return match def.filter(|def| def.kind == NativeKind::Method).map(|def| def.quick) {
                Some(Quick::Two(quick)) => quick(self, receiver, argument),
                Some(Quick::Three(quick)) => quick(self, receiver, argument, Raw::UNBOUND),
                _ => Raw::UNBOUND,
            };
        }
        match value.exact::<NativeFunction>().map(|native| native.get().def.quick) {
            Some(Quick::One(quick)) => quick(self, argument),
            Some(_) => Raw::UNBOUND,
            None => self.ask_native(callee, Name::Call, argument),
        }
    }

    /// Calls an object with one argument, for natives that do so for each of many.
    pub(crate) fn call_one(&mut self, callee: Root, argument: Root) -> Result<Root, Raised> {
        let (function, given) = (callee.get(self).raw(), argument.get(self).raw());
        let found = self.called_at_once(function, given);
        if found.is_unbound() { self.call(callee, &[argument]) } else { Ok(self.push_raw(found)) }
    }

    /// `a OP b` by the quick way of a native of the class of either, which takes only operands that no other class has a say about. `names`
    /// are those of the method and of the reflected one.
    #[inline]
    pub(super) fn operate_by_native(&mut self, names: (Name, Name), a: Raw, b: Raw) -> Option<Raw> {
        let of_class = |raw: Raw| Value::<'static>::adopt(raw).cell_of_kind::<Instance>().is_some();
        let found = if of_class(a) {
            self.ask_native(a, names.0, b)
        } else if of_class(b) {
            self.ask_native(b, names.1, a)
        } else {
            return None;
        };
        (!found.is_unbound()).then_some(found)
    }

    #[cold]
    #[inline(never)]
    fn look_for_special(&self, object: Raw, shape: u32, name: Name) -> Option<Held<Function>> {
        let class = self.class_of(Value::adopt(object));
        let found = self.lookup_class(class, self.name(name));
        let quick = |def: &NativeDef| matches!(def.quick, Quick::One(_) | Quick::Two(_) | Quick::Three(_));
        let such = |value: &Value<'_>| {
            let native = value.exact::<NativeFunction>().map(|native| native.get().def);
            value.exact::<Function>().is_some()
                || native.is_some_and(|def| def.kind == NativeKind::Method && quick(def))
        };
        let function = found.filter(such).map_or(Raw::UNBOUND, |function| function.raw());
        let place = &self.specials[(shape as usize).wrapping_mul(31).wrapping_add(name as usize) & (SPECIALS - 1)];
        // Looking it up may have begun to rely on the class.
        place.set(Special { shape, epoch: self.epoch, name, function });
        Value::adopt(function).exact::<Function>()
    }

    /// The record of the instruction that is being carried out, if a frame's own instruction it is, and no native's doing.
    #[inline]
    fn asking(&mut self) -> Option<&mut Record> {
        let record = self.fiber.records.last_mut()?;
        matches!(record.kind, RecordKind::Plain | RecordKind::InPlace { .. }).then_some(record)
    }

    /// Enters a plain function with these arguments for the instruction of the frame on top, which waits in the manner of `deliver`
    /// (None: as it does already). False, with nothing done, if the function is none that can be entered so.
    fn enter_for(&mut self, function: Held<Function>, args: &[Raw], deliver: Option<Deliver>) -> Result<bool, Raised> {
        let code = function.code();
        if code.get().entry != Entry::Simple || usize::from(code.get().positional) != args.len() {
            return Ok(false);
        }
        let Some(record) = self.asking() else { return Ok(false) };
        if let Some(deliver) = deliver {
            record.deliver = deliver;
        }
        let start = record.end + 1;
        self.fiber.registers.set(start - 1, Raw::NONE);
        for (index, arg) in args.iter().enumerate() {
            self.fiber.registers.set(start + index as u32, arg.copied());
        }
        self.push_plain(function, start, Raw::UNBOUND)?;
        Ok(true)
    }

    /// `-object`, `object[key]`, `object[key] = value` and their like, where that is a plain method's doing. None, with nothing done, if not.
    #[inline]
    pub(super) fn by_method(&mut self, object: Raw, name: Name, args: &[Raw]) -> Result<Option<Invoked>, Raised> {
        if Value::<'_>::adopt(object.copied()).kind() != Kind::Instance {
            return Ok(None);
        }
        let Some(function) = self.special(object, name) else { return Ok(None) };
        Ok(self.enter_for(function, args, None)?.then_some(Invoked::Pushed))
    }

    /// As `by_method`, for what must give an iterator.
    pub(super) fn iter_by_method(&mut self, object: Raw) -> Result<Option<Invoked>, Raised> {
        if Value::<'_>::adopt(object.copied()).kind() != Kind::Instance {
            return Ok(None);
        }
        let Some(function) = self.special(object, Name::Iter) else { return Ok(None) };
        let code = function.code();
        if code.get().entry == Entry::Generator {
            if !code.flags().contains(CodeFlags::GENERATOR) || self.asking().is_none() {
                return Ok(None);
            }
            let start = self.fiber.top + 1;
            self.fiber.registers.set(start - 1, Raw::NONE);
            self.fiber.registers.set(start, object);
            return self.enter(function, start, 1, None, Raw::UNBOUND).map(Some);
        }
        Ok(self.enter_for(function, &[object], Some(Deliver::Iterator))?.then_some(Invoked::Pushed))
    }

    /// As `by_method`, for the truth of an object.
    pub(super) fn truth_by_method(&mut self, object: Raw) -> Result<Option<Invoked>, Raised> {
        let jumps = |record: &mut Record| matches!(record.deliver, Deliver::JumpTrue | Deliver::JumpFalse);
        if !self.asking().is_some_and(jumps) || !self.tests_truth() {
            return Ok(None);
        }
        self.by_method(object, Name::Bool, &[object])
    }

    /// Whether the instruction of the frame on top waits for the next item of an iterator.
    pub(super) fn waits_for_next(&mut self) -> bool {
        self.asking().is_some_and(|record| record.deliver == Deliver::Next)
    }

    /// Whether the instruction of the frame on top tests the truth of a value, rather than an operation's.
    fn tests_truth(&self) -> bool {
        let Some(record) = self.fiber.records.last() else { return false };
        let op = record.op();
        [Op::JumpIfTrue, Op::JumpIfFalse].iter().any(|test| *test as u8 == op)
    }

    /// `a OP b` where the method `name` of `a` is asked first, and is a plain one. The instruction is carried out again if it declines.
    #[inline]
    pub(super) fn operate_by_method(&mut self, name: Name, a: Raw, b: Raw) -> Result<Option<Invoked>, Raised> {
        let Some(function) = self.special(a, name) else { return Ok(None) };
        if !self.asks_first(a, b) {
            return Ok(None);
        }
        let Some(record) = self.asking() else { return Ok(None) };
        let deliver = match record.deliver {
            Deliver::Store => Some(Deliver::Operated),
            Deliver::JumpTrue | Deliver::JumpFalse => None,
            _ => return Ok(None),
        };
        Ok(self.enter_for(function, &[a, b], deliver)?.then_some(Invoked::Pushed))
    }

    /// Whether the first operand is asked before the second: that is not of a class made from the first one's.
    pub(super) fn asks_first(&self, a: Raw, b: Raw) -> bool {
        let (a, b) = (Value::<'_>::adopt(a), Value::<'_>::adopt(b));
        let Some(shape) = b.header().map(|header| header.shape()) else { return true };
        if shape == 0 || a.header().is_some_and(|header| header.shape() == shape) {
            return true;
        }
        let (class_a, class_b) = (self.class_of(a), self.class_of(b));
        class_a == class_b || !class_b.is_subclass(class_a)
    }

    /// Whether the method asked first has declined, and the instruction is being carried out again.
    #[inline]
    pub(super) fn has_declined(&mut self) -> bool {
        std::mem::take(&mut self.declined)
    }

    /// Takes what a method returned that `by_method` and its like entered, or one the frame called itself, in the simple cases; the frame
    /// that returns is on top. False, with nothing done, in all others.
    #[inline(never)]
    pub(super) fn take_at_once(&mut self, raw: Raw) -> bool {
        let top = self.fiber.records.len() - 1;
        let record = self.fiber.records[top - 1];
        if !matches!(record.kind, RecordKind::Plain | RecordKind::InPlace { .. }) {
            return false;
        }
        match record.deliver {
            Deliver::Operated if !raw.same(Raw::NOT_IMPLEMENTED) => self.set_register(&record, raw),
            Deliver::Next => self.set_register(&record, raw),
            Deliver::Discard => {}
            Deliver::JumpTrue | Deliver::JumpFalse => {
                let jumps = match record.deliver {
                    Deliver::JumpTrue => Raw::TRUE,
                    _ => Raw::FALSE,
                };
                if !raw.same(Raw::TRUE) && !raw.same(Raw::FALSE) {
                    return false;
                }
                if raw.same(jumps) {
                    self.fiber.records[top - 1].next = record.target;
                }
            }
            _ => return false,
        }
        self.fiber.records.pop();
        true
    }

    /// What a method returned to an instruction that takes no such value as it is: another method is asked, or its truth. None if the
    /// instruction goes on.
    #[cold]
    #[inline(never)]
    pub(super) fn take_of_method(&mut self, raw: Raw) -> Result<Option<Invoked>, Raised> {
        let top = self.fiber.records.len() - 1;
        let record = self.fiber.records[top];
        let value = Value::<'static>::adopt(raw.copied());
        match record.deliver {
            Deliver::Iterator => {
                if !self.is_iterator(value) {
                    let got = self.type_name_for_error(value);
                    return Err(self.type_error(format!("iter() returned non-iterator of type '{got}'")));
                }
                self.set_register(&record, raw);
                Ok(None)
            }
            _ if self.tests_truth() => {
                let got = self.type_name_for_error(value);
                Err(self.type_error(format!("__bool__ should return bool, returned {got}")))
            }
            _ if raw.same(Raw::NOT_IMPLEMENTED) => {
                self.fiber.records[top].next = record.ip;
                self.declined = true;
                Ok(None)
            }
            Deliver::JumpTrue | Deliver::JumpFalse => {
                self.fiber.top = record.end;
                self.fiber.window = record.end;
                self.truth_of(raw).map(Some)
            }
            _ => {
                self.set_register(&record, raw);
                Ok(None)
            }
        }
    }
}
