//! Calls of classes: `__new__`, `__init__`, and what both come to for plain classes.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{Class, ClassFlags, ClassMethod, Dict, Function, Instance, List, Set, StaticMethod};

use super::call::Invoked;
use super::frame::Held;
use super::native::{
    Args, NativeFunction, NativeResult, Outcome, Raised, Resumed, Root, Then, quick_method, takes_receiver,
};
use super::{Name, Vm};

impl Vm {
    /// Calls a class: `__new__`, then `__init__`.
    pub(super) fn construct(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        if class.get().constructor_epoch.get() == self.epoch
            && let Some(init) = class.get().constructor.get()
        {
            let instance = Instance::new(&self.heap, class).value().raw();
            let init = init.value().raw();
            return self.initialise(instance, init, start, argc, keywords);
        }
        let metaclass = class.get().metaclass.get().map(Gc::held);
        if let Some(metaclass) = metaclass
            && !metaclass.value().raw().same(self.types.type_)
        {
            let name = self.name(Name::Call).held();
            if let Some((call, owner)) = self.lookup_class_with_owner(metaclass, name)
                && !owner.value().raw().same(self.types.type_)
            {
                let call = call.raw();
                if argc == 1
                    && keywords.is_none()
                    && let Some(quick) = quick_method(Value::adopt(call))
                {
                    let argument = self.fiber.registers.get(start).raw();
                    let found = quick(self, class.value().raw(), argument);
                    if !found.is_unbound() {
                        return Ok(Invoked::Value(found));
                    }
                }
                if !takes_receiver(Value::adopt(call)) {
                    // What it is bound to may be such a class again.
                    if !self.stack_is_left() {
                        return Err(self.recursion_error());
                    }
                    let callee = self.bind_descriptor(call, class.value().raw(), metaclass)?;
                    return self.invoke(callee, start, argc, keywords);
                }
                self.fiber.registers.set(start - 1, class.value().raw());
                return self.invoke(call, start - 1, argc + 1, keywords);
            }
        }
        self.construct_plain(class, start, argc, keywords)
    }

    /// `type.__call__`.
    pub(super) fn construct_plain(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        if class.value().raw().same(self.types.type_) && argc == 1 && keywords.is_none() {
            return Ok(Invoked::Value(self.class_of(self.fiber.registers.get(start)).value().raw()));
        }
        let (new_name, init_name) = (self.name(Name::New).held(), self.name(Name::Init).held());
        let new = self.lookup_class_with_owner(class, new_name);
        let init = self.lookup_class_with_owner(class, init_name);
        let (Some((new, new_owner)), Some((init, init_owner))) = (new, init) else {
            // A metaclass may have left `object` out of the resolution order.
            let name = self.tp_name(class);
            return Err(self.type_error(format!("cannot create '{name}' instances")));
        };
        let (new, init) = (new.raw(), init.raw());
        let owners = (new_owner.value().raw(), init_owner.value().raw());
        let object = self.types.object;
        let plain_new = new_owner.value().raw().same(object);
        let plain_init = init_owner.value().raw().same(object);
        if plain_new {
            if class.has(ClassFlags::ABSTRACT) {
                return Err(self.abstract_instantiation(class));
            }
            if class.has(ClassFlags::NO_NEW) || class.get().layout != Kind::Instance {
                return self.construct_layout(class, start, argc, keywords, init);
            }
            if plain_init {
                if argc > 0 {
                    let name = class.name().to_str_lossy().into_owned();
                    return Err(self.type_error(format!("{name}() takes no arguments")));
                }
                let instance = Instance::new(&self.heap, class).value().raw();
                if class.has(ClassFlags::FINALISER) {
                    self.made_finalisable(instance);
                    self.replace_local(instance)?;
                }
                return Ok(Invoked::Value(instance));
            }
            let instance = Instance::new(&self.heap, class).value().raw();
            if class.has(ClassFlags::FINALISER) {
                self.made_finalisable(instance);
            }
            let plain = class.get().metaclass.get().is_some_and(|m| m.value().raw().same(self.types.type_));
            if let Some(init) = Value::adopt(init).exact::<Function>()
                && plain
                && !class.has(ClassFlags::FINALISER)
                && class.get().constructor_epoch.get() != self.epoch
            {
                class.set_ref(&self.heap, |c| &c.constructor, Some(init));
                class.get().constructor_epoch.set(self.epoch);
            }
            return self.initialise(instance, init, start, argc, keywords);
        }
        if class.get().layout == Kind::Exception
            && let Some(invoked) = self.construct_exception(class, owners, init, (start, argc), keywords)
        {
            return invoked;
        }
        if let Some(payload) = self.empty_payload(class, owners.0) {
            let instance = Instance::new(&self.heap, class);
            instance.set_slot(self.heap.forever(), 0, Value::adopt(payload));
            let instance = instance.value().raw();
            if owners.0.same(owners.1) && argc == 0 && keywords.is_none() {
                return Ok(Invoked::Value(instance));
            }
            return self.initialise(instance, init, start, argc, keywords);
        }
        // `__new__` is looked up as a static method.
        let new = match (Value::adopt(new).exact::<StaticMethod>(), Value::adopt(new).exact::<ClassMethod>()) {
            (Some(method), _) => method.function.get().raw(),
            // One that is a class method gets the class twice.
            (_, Some(method)) => self.bound_method(method.function.get().raw(), class.value().raw()),
            _ => new,
        };
        self.fiber.registers.set(start - 1, class.value().raw());
        if plain_init && Value::adopt(new).exact::<NativeFunction>().is_some() {
            // Nothing to initialise: the result of `__new__` is the result. One of the language may give an instance of a derived
            // class, which has something.
            return self.invoke(new, start - 1, argc + 1, keywords);
        }
        // Arguments are needed twice: they stay in this window, copies go to `__new__`.
        let top = start + argc;
        self.check_registers(top, argc as usize)?;
        let keywords_at = top;
        self.fiber.registers.set(keywords_at, keywords.unwrap_or(Raw::NONE));
        self.fiber.registers.set(keywords_at + 1, init);
        self.fiber.registers.set(keywords_at + 2, new);
        for index in 0..=argc {
            let arg = self.fiber.registers.get(start - 1 + index).raw();
            self.fiber.registers.set(keywords_at + 3 + index, arg);
        }
        self.fiber.top = keywords_at + 4 + argc;
        self.carry_out(
            Outcome::Call {
                callee: Root(keywords_at + 2),
                argc: argc + 1,
                keywords: keywords.map(|_| Root(keywords_at)),
                then: Then::Continue(after_new),
            },
            start - 1,
        )
    }

    /// What an instance of a class derived from dict, list or set stands for at first, where `owner` is the class whose `__new__` it has:
    /// these look at no arguments.
    fn empty_payload(&self, class: Held<Class>, owner: Raw) -> Option<Raw> {
        let layout = class.get().layout;
        if !matches!(layout, Kind::Dict | Kind::List | Kind::Set)
            || class.has(ClassFlags::FINALISER)
            || !self.kind_class(layout).value().raw().same(owner)
            || class.value().raw().same(owner)
        {
            return None;
        }
        Some(match layout {
            Kind::Dict => Dict::new(&self.heap).value().raw(),
            Kind::List => List::new(&self.heap, &[]).value().raw(),
            _ => Set::new(&self.heap).value().raw(),
        })
    }

    /// Calls `__init__` on a new instance; the result is the instance.
    pub(super) fn initialise(
        &mut self,
        instance: Raw,
        init: Raw,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        self.fiber.registers.set(start - 1, instance);
        if let Some(function) = Value::adopt(init).exact::<Function>() {
            return self.enter(function.held(), start - 1, argc + 1, keywords, instance);
        }
        self.check_registers(start + argc, argc as usize)?;
        if let Some(native) =
            Value::adopt(init).exact::<NativeFunction>().filter(|native| takes_receiver(native.value()))
        {
            // The window before is free for the instance: a native may overwrite its arguments.
            let native = native.held();
            let at = start + argc;
            self.fiber.registers.set(at, instance);
            self.fiber.registers.set(at + 1, native.value().raw());
            for index in 0..=argc {
                let arg = self.fiber.registers.get(start - 1 + index).raw();
                self.fiber.registers.set(at + 2 + index, arg);
            }
            let keywords_at = at + 3 + argc;
            self.fiber.registers.set(keywords_at, keywords.unwrap_or(Raw::NONE));
            self.fiber.top = keywords_at + 1;
            return self.carry_out(
                Outcome::Call {
                    callee: Root(at + 1),
                    argc: argc + 1,
                    keywords: keywords.map(|_| Root(keywords_at)),
                    then: Then::Continue(after_init),
                },
                at,
            );
        }
        // Some other callable: bind it, and drop its result.
        let class = self.class_of(Value::adopt(instance)).held();
        let callable = self.bind_descriptor(init, instance, class)?;
        let at = start + argc;
        self.fiber.registers.set(at, instance);
        self.fiber.registers.set(at + 1, callable);
        for index in 0..argc {
            let arg = self.fiber.registers.get(start + index).raw();
            self.fiber.registers.set(at + 2 + index, arg);
        }
        self.fiber.registers.set(at + 2 + argc, keywords.unwrap_or(Raw::NONE));
        self.fiber.top = at + 3 + argc;
        self.carry_out(
            Outcome::Call {
                callee: Root(at + 1),
                argc,
                keywords: keywords.map(|_| Root(at + 2 + argc)),
                then: Then::Continue(after_init),
            },
            at,
        )
    }

    /// A class whose `__new__` is object's although its instances are no plain ones.
    fn construct_layout(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
        init: Raw,
    ) -> Result<Invoked, Raised> {
        let _ = (start, argc, keywords, init);
        let name = class.name().to_str_lossy().into_owned();
        let module = self.module_prefix(class);
        Err(self.type_error(format!("cannot create '{module}{name}' instances")))
    }
}

/// Window: class, arguments, keywords or None, `__init__`.
fn after_new(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(object) = resumed else { unreachable!("exceptions pass") };
    let argc = window.count - 3;
    let class = window.get(cx, 0).exact::<Class>().expect("the class").held();
    if !cx.class_of(object.get(cx)).is_subclass(class) {
        return Ok(object.get(cx).into());
    }
    let keywords = window.root(argc as usize + 1);
    let init = window.root(argc as usize + 2);
    let has_keywords = !keywords.get(cx).is_none();
    let instance_class = cx.class_of(object.get(cx)).held();
    // The object's own class may have another `__init__`.
    let name = cx.name(Name::Init).held();
    let init_raw = match cx.lookup_class_with_owner(instance_class, name) {
        Some((_, owner)) if owner == cx.object_class() => return Ok(object.get(cx).into()),
        Some((own, _)) => own.raw(),
        None => init.get(cx).raw(),
    };
    let receiver = object.get(cx).raw();
    let bound = cx.bind_descriptor(init_raw, receiver, instance_class)?;
    let top = cx.mark();
    cx.check_registers(top, argc as usize)?;
    let callee = cx.push_raw(bound);
    for index in 0..argc {
        let arg = window.get(cx, 1 + index as usize).raw();
        cx.push_raw(arg);
    }
    // The object takes the class's place, to be there afterwards.
    let object = object.get(cx).raw();
    cx.fiber.registers.set(window.start, object);
    Ok(Outcome::Call { callee, argc, keywords: has_keywords.then_some(keywords), then: Then::Continue(after_init) })
}

/// Window: the instance first.
fn after_init(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Returned(value) = resumed
        && !value.get(cx).is_none()
    {
        let got = cx.type_name_for_error(value.get(cx));
        return Err(cx.type_error(format!("__init__() should return None, not '{got}'")));
    }
    Ok(window.get(cx, 0).into())
}
