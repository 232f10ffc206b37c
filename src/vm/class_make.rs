//! Classes in the making: the `class` statement, `type(name, bases, namespace)`, and calls of classes.

use smallvec::SmallVec;

use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Slot, Value};
use crate::object::{
    Access, Class, ClassFlags, ClassMethod, Dict, Exc, GetSet, List, StaticMethod, Str, Tuple, Variable, field_count,
};

use super::frame::Held;
use super::native::{Args, NativeFunction, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::{Name, Vm};

/// What a new class is made of.
pub(super) struct Parts {
    pub(super) name: Raw,
    pub(super) qualname: Raw,
    pub(super) bases: Raw,
    pub(super) dict: Held<Dict>,
    pub(super) metaclass: Held<Class>,
    pub(super) flags: ClassFlags,
    pub(super) layout: Kind,
    pub(super) fixed: u8,
}

impl Vm {
    // ---- type(name, bases, namespace) ----

    /// The metaclass a class with these bases has: the most derived of the one asked for and those of the bases.
    pub(super) fn winning_metaclass(&mut self, asked: Held<Class>, bases: &[Raw]) -> Result<Held<Class>, Raised> {
        let mut winner = asked;
        for base in bases {
            let own = self.class_of(Value::adopt(*base)).held();
            if winner.is_subclass(own) {
                continue;
            }
            if !own.is_subclass(winner) {
                return Err(self.type_error(
                    "metaclass conflict: the metaclass of a derived class must be a (non-strict) subclass of the \
                     metaclasses of all its bases"
                        .into(),
                ));
            }
            winner = own;
        }
        Ok(winner)
    }

    /// `type.__new__(metaclass, name, bases, namespace, **keywords)`.
    pub(crate) fn type_new(&mut self, metaclass: Root, args: Args, keywords: Root) -> NativeResult {
        let Some(asked) = metaclass.get(self).exact::<Class>().map(Gc::held) else {
            let got = self.type_name_for_error(metaclass.get(self));
            return Err(self.type_error(format!("type.__new__(X): X is not a type object ({got})")));
        };
        let type_ = self.type_class().held();
        if !asked.is_subclass(type_) {
            let name = self.tp_name(asked);
            return Err(self.type_error(format!("type.__new__({name}): {name} is not a subtype of type")));
        }
        if args.len() != 3 {
            let named = keywords.get(self).exact::<Dict>().is_some_and(|d| !d.is_empty());
            return Err(self.type_error(if asked == type_ && args.len() == 1 && named {
                "type() takes no keyword arguments".to_owned()
            } else if asked == type_ {
                "type() takes 1 or 3 arguments".to_owned()
            } else {
                format!("type.__new__() takes exactly 3 arguments ({} given)", args.len())
            }));
        }
        let (name, bases, namespace) = (args.root(0), args.root(1), args.root(2));
        for (number, root, kind, wanted) in
            [(1, name, Kind::Str, "str"), (2, bases, Kind::Tuple, "tuple"), (3, namespace, Kind::Dict, "dict")]
        {
            if root.get(self).kind() != kind {
                let got = self.type_name_for_error(root.get(self));
                return Err(self.type_error(format!("type.__new__() argument {number} must be {wanted}, not {got}")));
            }
            let exact = self.payload(root.get(self)).raw();
            root.set(self, Value::adopt(exact));
        }
        let base_raws: SmallVec<[Raw; 4]> =
            bases.get(self).exact::<Tuple>().expect("checked").items().map(Value::raw).collect();
        for base in &base_raws {
            if Value::adopt(*base).exact::<Class>().is_none() {
                let root = self.push_raw(*base);
                if self.find_attribute(root, "__mro_entries__")?.is_some() {
                    return Err(
                        self.type_error("type() doesn't support MRO entry resolution; use types.new_class()".into())
                    );
                }
            }
        }
        let winner = self.winning_metaclass(asked, &base_raws)?;
        if winner != asked {
            // A more derived metaclass with a `__new__` of its own makes it.
            let new_name = self.name(Name::New).held();
            if let Some((new, owner)) = self.lookup_class_with_owner(winner, new_name)
                && owner != self.type_class()
            {
                let new = new.raw();
                let new = Value::<'static>::adopt(new).exact::<StaticMethod>().map_or(new, |m| m.function.get().raw());
                let callee = self.push_raw(new);
                self.push_raw(winner.value().raw());
                for arg in args.roots() {
                    let raw = arg.get(self).raw();
                    self.push_raw(raw);
                }
                let (argc, names) = self.push_keywords(keywords);
                return Ok(Outcome::Call { callee, argc: 4 + argc, keywords: names, then: Then::Return });
            }
        }
        let mut base_list: Vec<Held<Class>> = vec![];
        for base in &base_raws {
            match Value::<'static>::adopt(*base).exact::<Class>() {
                Some(base) => base_list.push(base),
                None => return Err(self.type_error("bases must be types".into())),
            }
        }
        if base_list.is_empty() {
            base_list.push(self.object_class().held());
            let tuple = self.tuple(&[base_list[0].value()]).value().raw();
            bases.set(self, Value::adopt(tuple));
        }
        let class = self.assemble(winner, name, bases, namespace, &base_list)?;
        if class.namespace().iter().any(|(key, _)| key.kind() != Kind::Str) {
            let shown = class.name().to_str_lossy().into_owned();
            self.warn(Exc::RuntimeWarning, &format!("non-string key in the __dict__ of class {shown}"))?;
        }
        // Window from here on: ..., class, names to tell, how many were told, keywords.
        let raw = class.value().raw();
        self.push_raw(raw);
        let told = self.names_to_tell(class);
        self.push_raw(told);
        self.push_raw(Raw::int(0));
        let keywords = keywords.get(self).raw();
        self.push_raw(keywords);
        let window = Args { start: self.fiber.window, count: self.fiber.top - self.fiber.window };
        self.tell_names(window)
    }

    /// Values of a namespace that want to know their names: a list of value, name, value, name ...
    pub(super) fn names_to_tell(&mut self, class: Held<Class>) -> Raw {
        let heap = self.heap.forever();
        let list = List::new(heap, &[]);
        let hook = self.name(Name::SetName).held();
        for (key, value) in class.namespace().iter() {
            if Vm::is_plain_data(value.raw()) || matches!(value.kind(), Kind::Function | Kind::Native | Kind::GetSet) {
                continue;
            }
            let own = self.class_of(value).held();
            if self.lookup_class(own, hook).is_some() {
                list.push_unchecked(heap, value);
                list.push_unchecked(heap, key);
            }
        }
        list.value().raw()
    }

    /// Everything of a class but what its `__set_name__` and `__init_subclass__` do.
    pub(super) fn assemble(
        &mut self,
        metaclass: Held<Class>,
        name: Root,
        bases: Root,
        namespace: Root,
        base_list: &[Held<Class>],
    ) -> Result<Held<Class>, Raised> {
        let best = self.best_base(base_list)?;
        let text = name.get(self).exact::<Str>().expect("checked").held();
        if text.as_bytes().contains(&0) {
            return Err(self.value_error("type name must not contain null characters"));
        }
        if text.aux() & crate::object::SURROGATES != 0 {
            return Err(self.surrogate_error(name));
        }
        // The class's own namespace: a copy with interned keys.
        let heap = self.heap.forever();
        let from = namespace.get(self).exact::<Dict>().expect("checked").held();
        let dict = Dict::new(heap);
        for index in 0..from.used() {
            let Some((key, value)) = from.entry(index) else { continue };
            let hash = from.entry_hash(index);
            let key = match key.exact::<Str>() {
                Some(text) if !text.is_interned() => {
                    let bytes = text.as_bytes().to_vec();
                    self.intern_bytes(&bytes).held().value()
                }
                _ => key,
            };
            if dict.insert(heap, hash, key, value).is_err() {
                return Err(self.memory_error());
            }
        }
        let take = |cx: &Vm, name: Name| dict.remove_str(heap, cx.name(name)).map(Value::raw);
        let qualname = match take(self, Name::Qualname) {
            None => text.value().raw(),
            Some(raw) if Value::adopt(raw).kind() == Kind::Str => raw,
            Some(raw) => {
                let got = self.type_name_for_error(Value::adopt(raw));
                return Err(self.type_error(format!("type __qualname__ must be a str, not {got}")));
            }
        };
        let class_cell = take(self, Name::ClassCell);
        let dict_cell = take(self, Name::ClassDictCell);
        let module_name = self.name(Name::Module).held();
        if dict.find_str(heap, module_name).is_none()
            && let Some(module) = self.running_module()
        {
            dict.put_str(heap, module_name, Value::adopt(module));
        }
        self.wrap_special(dict);
        // Layout: slots of the best base, and those of `__slots__` behind them.
        let inherited = ClassFlags::EXCEPTION | ClassFlags::METACLASS | ClassFlags::MATCH_SELF;
        let mut flags = ClassFlags::HEAP;
        for base in base_list {
            flags |= base.get().flags.get() & inherited;
        }
        let layout = best.get().layout;
        let mut fixed = best.get().fixed_slots.get();
        if layout == Kind::Exception {
            // They lie behind the fields that the builtin class keeps.
            let kept = base_list.iter().map(|base| field_count(self.builtin_exception(*base)) as u8);
            fixed = kept.fold(fixed, u8::max);
        }
        // The best base says what there is already; the other bases only add what `__slots__` leave out.
        let sized = matches!(layout, Kind::Int | Kind::Tuple | Kind::Bytes);
        let may_add_dict = best.has(ClassFlags::NO_DICT);
        let may_add_weakref = best.has(ClassFlags::NO_WEAKREF) && !sized;
        let (mut adds_dict, mut adds_weakref) = (may_add_dict, may_add_weakref);
        let mut members: Vec<Held<Str>> = vec![];
        let slots_name = self.name(Name::Slots).held();
        if let Some(slots) = dict.get_str(heap, slots_name) {
            (adds_dict, adds_weakref) = (false, false);
            let slots = slots.raw();
            let slots = self.slot_list(slots)?;
            if !slots.is_empty() && (sized || best.is_subclass(self.kind_class(Kind::Class))) {
                let name = self.tp_name(best);
                return Err(self.type_error(format!("nonempty __slots__ not supported for subtype of '{name}'")));
            }
            for slot in &slots {
                let (adds, may_add) = match slot.as_bytes() {
                    b"__dict__" => (&mut adds_dict, may_add_dict),
                    b"__weakref__" => (&mut adds_weakref, may_add_weakref),
                    _ => continue,
                };
                if !may_add || *adds {
                    let name = slot.to_str_lossy();
                    return Err(self.type_error(format!("{name} slot disallowed: we already got one")));
                }
                *adds = true;
            }
            for slot in slots.into_iter().filter(|slot| !matches!(slot.as_bytes(), b"__dict__" | b"__weakref__")) {
                let mangled = self.mangled(text, slot);
                let is_docs = mangled.as_bytes() == b"__doc__";
                if dict.get_str(heap, mangled).is_some_and(|v| !is_docs || !v.is_none()) {
                    let shown = slot.to_str_lossy().into_owned();
                    return Err(self.value_error(format!("'{shown}' in __slots__ conflicts with class variable")));
                }
                if !members.contains(&mangled) {
                    members.push(mangled);
                }
            }
        }
        adds_dict |= may_add_dict && base_list.iter().any(|b| !b.has(ClassFlags::NO_DICT));
        adds_weakref |= may_add_weakref && base_list.iter().any(|b| !b.has(ClassFlags::NO_WEAKREF));
        members.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        if !members.is_empty() {
            flags |= ClassFlags::LAYOUT;
        }
        let first = fixed;
        if usize::from(fixed) + members.len() > 200 {
            return Err(self.value_error("too many __slots__"));
        }
        fixed += members.len() as u8;
        if may_add_dict && !adds_dict {
            flags |= ClassFlags::NO_DICT;
        }
        if best.has(ClassFlags::NO_WEAKREF) && !adds_weakref {
            flags |= ClassFlags::NO_WEAKREF;
        }
        let name = {
            let bytes = text.as_bytes().to_vec();
            self.intern_bytes(&bytes).value().raw()
        };
        let bases = bases.get(self).raw();
        let class = self.make_class(Parts { name, qualname, bases, dict, metaclass, flags, layout, fixed })?;
        if metaclass.has(ClassFlags::FINALISER) {
            self.heap.finalisable(class.value());
        }
        // Room for the attributes that its methods set, as far as the compiler saw.
        let mut expected: Vec<Raw> = vec![];
        for base in class.mro() {
            let names = base.namespace().get_str(heap, self.name(Name::StaticAttributes));
            for name in names.and_then(|n| n.exact::<Tuple>()).iter().flat_map(|n| n.items()) {
                if !expected.iter().any(|e| e.same(name.raw())) {
                    expected.push(name.raw());
                }
            }
        }
        if !flags.contains(ClassFlags::NO_DICT) {
            class.get().inline_slots.set(fixed + expected.len().min(super::lookup::MOST_INLINE) as u8);
        }
        for (number, name) in members.iter().enumerate() {
            let getset = heap.alloc(GetSet {
                name: Ref::new(*name),
                class: Ref::new(class),
                access: Access::Slot(first + number as u8),
                getter: AnyRef::none(),
                setter: AnyRef::none(),
                doc: Slot::new(Value::NONE),
            });
            dict.put_str(heap, *name, getset.value());
        }
        let has = |name: Name| dict.get_str(heap, self.name(name)).is_some();
        let (adds_dict, adds_weakref) = (adds_dict && !has(Name::Dict), adds_weakref && !has(Name::Weakref));
        if adds_dict {
            self.copy_getset(class, Name::Dict);
        }
        if adds_weakref {
            self.copy_getset(class, Name::Weakref);
        }
        let doc = self.name(Name::Doc).held();
        if dict.find_str(heap, doc).is_none() {
            dict.put_str(heap, doc, Value::NONE);
        }
        if let Some(raw) = class_cell {
            let Some(cell) = Value::<'static>::adopt(raw).exact::<Variable>() else {
                let got = self.type_name_for_error(Value::adopt(raw));
                return Err(self.type_error(format!("__classcell__ must be a nonlocal cell, not <class '{got}'>")));
            };
            cell.set(heap, |c| &c.content, class.value());
        }
        if let Some(raw) = dict_cell
            && let Some(cell) = Value::<'static>::adopt(raw).exact::<Variable>()
        {
            cell.set(heap, |c| &c.content, dict.value());
        }
        self.update_flags(class);
        Ok(class)
    }

    /// `__new__` becomes a static method, `__init_subclass__` and `__class_getitem__` class methods; a class with `__eq__` but no
    /// `__hash__` is not hashable.
    pub(super) fn wrap_special(&mut self, dict: Held<Dict>) {
        let heap = self.heap.forever();
        let new = self.name(Name::New).held();
        let function = |name: Held<Str>| dict.get_str(heap, name).filter(|v| v.kind() == Kind::Function);
        if let Some(value) = function(new) {
            let method = heap.alloc(StaticMethod { function: Slot::new(value), dict: Ref::none() });
            dict.put_str(heap, new, method.value());
        }
        for name in [Name::InitSubclass, Name::ClassGetItem] {
            let name = self.name(name).held();
            if let Some(value) = function(name) {
                let method = heap.alloc(ClassMethod { function: Slot::new(value), dict: Ref::none() });
                dict.put_str(heap, name, method.value());
            }
        }
        let (eq, hash) = (self.name(Name::Eq).held(), self.name(Name::Hash).held());
        if dict.find_str(heap, eq).is_some() && dict.find_str(heap, hash).is_none() {
            dict.put_str(heap, hash, Value::NONE);
        }
    }

    /// `__name__` of the module that runs: the `__module__` of what it makes.
    pub(crate) fn running_module(&self) -> Option<Raw> {
        let function = self.fiber.records.iter().rev().find_map(|r| r.function)?;
        function.globals().get_str(&self.heap, self.name(Name::Name)).map(Value::raw)
    }

    /// The names in `__slots__`.
    pub(super) fn slot_list(&mut self, slots: Raw) -> Result<Vec<Held<Str>>, Raised> {
        let mark = self.mark();
        let root = self.push_raw(slots);
        let mut names = vec![];
        let mut items: Vec<Raw> = vec![];
        if root.get(self).kind() == Kind::Str {
            items.push(slots);
        } else {
            let tuple = self.tuple_from(root)?;
            items.extend(tuple.get(self).exact::<Tuple>().expect("a tuple").items().map(Value::raw));
        }
        for item in items {
            let Some(text) = self.as_str(Value::adopt(item)).map(Gc::held) else {
                let got = self.type_name_for_error(Value::adopt(item));
                return Err(self.type_error(format!("__slots__ items must be strings, not '{got}'")));
            };
            if !text.as_str().is_some_and(is_identifier) {
                return Err(self.type_error("__slots__ must be identifiers".into()));
            }
            let bytes = text.as_bytes().to_vec();
            names.push(self.intern_bytes(&bytes).held());
        }
        self.release(mark);
        Ok(names)
    }

    /// A private name as a class's methods spell it.
    pub(super) fn mangled(&mut self, class: Held<Str>, name: Held<Str>) -> Held<Str> {
        let (class, text) = (class.to_str_lossy(), name.to_str_lossy());
        let stripped = class.trim_start_matches('_');
        if !text.starts_with("__") || text.ends_with("__") || text.contains('.') || stripped.is_empty() {
            return name;
        }
        let mangled = format!("_{stripped}{text}");
        self.intern(&mangled).held()
    }

    /// Gives a class the getter and setter that instances' `__dict__` or `__weakref__` has.
    pub(super) fn copy_getset(&mut self, class: Held<Class>, name: Name) {
        let heap = self.heap.forever();
        let name = self.name(name).held();
        let from = self.named_class("instance attributes").namespace().get_str(heap, name);
        let Some(from) = from.and_then(|g| g.exact::<GetSet>()) else { return };
        let getset = heap.alloc(GetSet {
            name: Ref::new(name),
            class: Ref::new(class),
            access: from.get().access,
            getter: AnyRef::new(from.get().getter.value()),
            setter: AnyRef::new(from.get().setter.value()),
            doc: Slot::new(from.get().doc.get()),
        });
        class.namespace().put_str(heap, name, getset.value());
    }

    /// Window: ..., class, names to tell, how many were told, keywords. Calls `__set_name__` of the next, or goes on.
    pub(super) fn tell_names(&mut self, window: Args) -> NativeResult {
        let [class, names, told, keywords] = [4, 3, 2, 1].map(|n| window.root(window.len() - n));
        let class_held: Held<Class> = Value::adopt(class.get(self).raw()).exact().expect("the class");
        let at = told.get(self).as_int().expect("a count") as usize;
        let list: Held<List> = Value::adopt(names.get(self).raw()).exact().expect("the names");
        if let (Some(value), Some(name)) = (list.item(at), list.item(at + 1)) {
            told.set(self, Value::int(at as i64 + 2));
            let own = self.class_of(value).held();
            let hook = self.name(Name::SetName).held();
            if let Some(method) = self.lookup_class(own, hook).map(Value::raw) {
                let value = self.push_raw(value.raw());
                let args = [class.get(self).raw(), name.raw()];
                return self.ask_method(method, value, own, &args, Then::Catch(after_set_name));
            }
        }
        // `super(class, class).__init_subclass__(**keywords)`.
        let hook = self.name(Name::InitSubclass).held();
        let found =
            class_held.mro().skip(1).find_map(|c| c.namespace().get_str(&self.heap, hook).map(|v| (v.raw(), c)));
        // A metaclass may have left `object` out of the resolution order.
        let Some((method, owner)) = found else {
            return Ok(class.get(self).into());
        };
        let empty = keywords.get(self).exact::<Dict>().is_none_or(|d| d.is_empty());
        if owner == self.object_class() && empty {
            return Ok(class.get(self).into());
        }
        let bound = self.bind_descriptor(method, Raw::UNBOUND, class_held)?;
        // The names of the keywords stand before the callable, where the window keeps them.
        let names = self.keyword_names(keywords);
        let names = self.push_raw(names);
        let callee = self.push_raw(bound);
        let argc = self.push_values(keywords);
        Ok(Outcome::Call {
            callee,
            argc,
            keywords: (argc > 0).then_some(names),
            then: Then::Continue(after_init_subclass),
        })
    }

    /// A tuple of a dict's keys, which are texts.
    pub(super) fn keyword_names(&mut self, keywords: Root) -> Raw {
        let keys: SmallVec<[Raw; 4]> = match keywords.get(self).exact::<Dict>() {
            Some(dict) => dict.iter().map(|(key, _)| key.raw()).collect(),
            None => SmallVec::new(),
        };
        Tuple::build(&self.heap, keys.len(), |i| Value::adopt(keys[i])).value().raw()
    }

    /// Pushes a dict's values; how many there are.
    pub(super) fn push_values(&mut self, keywords: Root) -> u32 {
        let values: SmallVec<[Raw; 4]> = match keywords.get(self).exact::<Dict>() {
            Some(dict) => dict.iter().map(|(_, value)| value.raw()).collect(),
            None => SmallVec::new(),
        };
        for value in &values {
            self.push_raw(*value);
        }
        values.len() as u32
    }

    /// Pushes a dict's values as the last arguments of a call, and then the tuple of their names: how many, and where that is.
    pub(crate) fn push_keywords(&mut self, keywords: Root) -> (u32, Option<Root>) {
        let argc = self.push_values(keywords);
        if argc == 0 {
            return (0, None);
        }
        let names = self.keyword_names(keywords);
        (argc, Some(self.push_raw(names)))
    }

    // ---- calls of classes by `type.__call__` ----

    /// `type.__call__(class, *args, **keywords)` called by name. The native's window is class, (nothing), keywords, arguments.
    pub(crate) fn type_call(&mut self, class: Root, args: Args, keywords: Root) -> NativeResult {
        let Some(held) = class.get(self).exact::<Class>().map(Gc::held) else {
            let got = self.type_name_for_error(class.get(self));
            return Err(
                self.type_error(format!("descriptor '__call__' requires a 'type' object but received a '{got}'"))
            );
        };
        if held == self.type_class() && args.len() == 1 {
            return Ok(self.class_of(args.get(self, 0)).into());
        }
        let new = self.name(Name::New).held();
        let Some(new) = self.lookup_class(held, new).map(Value::raw) else {
            let name = self.tp_name(held);
            return Err(self.type_error(format!("cannot create '{name}' instances")));
        };
        let is_plain = Value::<'static>::adopt(new)
            .exact::<NativeFunction>()
            .is_some_and(|n| n.get().class.get().is_some_and(|c| c.value().raw().same(self.types.object)));
        if is_plain && (held.has(ClassFlags::NO_NEW) || held.get().layout != Kind::Instance) {
            let (prefix, name) = (self.module_prefix(held), held.name().to_str_lossy().into_owned());
            return Err(self.type_error(format!("cannot create '{prefix}{name}' instances")));
        }
        let new = self.bind_descriptor(new, Raw::UNBOUND, held)?;
        let callee = self.push_raw(new);
        let raw = class.get(self).raw();
        self.push_raw(raw);
        for arg in args.roots() {
            let raw = arg.get(self).raw();
            self.push_raw(raw);
        }
        let (argc, names) = self.push_keywords(keywords);
        let argc = argc + 1 + args.len() as u32;
        Ok(Outcome::Call { callee, argc, keywords: names, then: Then::Continue(after_type_new) })
    }

    // ---- __build_class__ ----

    /// The builtin that makes classes.
    pub(super) fn load_build_class(&mut self, globals: Held<Dict>) -> Result<Raw, Raised> {
        self.builtin_for(globals, Name::BuildClass, Exc::NameError)
    }

    /// `__build_class__(function, name, *bases, metaclass=None, **keywords)`. The window is function, name, (nothing), keywords, bases.
    pub(crate) fn build_class(&mut self, function: Root, name: Root, bases: Args, keywords: Root) -> NativeResult {
        if function.get(self).kind() != Kind::Function {
            return Err(self.type_error("__build_class__: func must be a function".into()));
        }
        if name.get(self).kind() != Kind::Str {
            return Err(self.type_error("__build_class__: name is not a string".into()));
        }
        let original: SmallVec<[Raw; 4]> = bases.roots().map(|r| r.get(self).raw()).collect();
        let original = Tuple::build(&self.heap, original.len(), |i| Value::adopt(original[i])).value().raw();
        let original = self.push_raw(original);
        let resolved = self.mro_entries(original)?;
        let base_raws: SmallVec<[Raw; 4]> =
            resolved.get(self).exact::<Tuple>().expect("a tuple").items().map(Value::raw).collect();
        let asked = self.intern("metaclass").held();
        let dict = keywords.get(self).exact::<Dict>().map(Gc::held);
        let asked = dict.and_then(|d| d.remove_str(&self.heap, asked)).map(Value::raw);
        let first = base_raws.first().map(|b| self.class_of(Value::adopt(*b)).value().raw());
        let mut metaclass = asked.or(first).unwrap_or(self.types.type_);
        if let Some(class) = Value::<'static>::adopt(metaclass).exact::<Class>() {
            metaclass = self.winning_metaclass(class, &base_raws)?.value().raw();
        }
        // State, from the end of the window: names of keywords (1), namespace (2), metaclass (3), bases (4), original bases (5).
        let (original, resolved) = (original.get(self).raw(), resolved.get(self).raw());
        self.push_raw(original);
        let resolved = self.push_raw(resolved);
        let metaclass = self.push_raw(metaclass);
        let namespace = self.push_raw(Raw::NONE);
        let names = self.keyword_names(keywords);
        let names = self.push_raw(names);
        let prepare = match metaclass.get(self).raw().same(self.types.type_) {
            true => None,
            false => self.find_attribute(metaclass, "__prepare__")?.map(|r| r.get(self).raw()),
        };
        self.release(names.0 + 1);
        let Some(prepare) = prepare else {
            let dict = Dict::new(&self.heap).value().raw();
            namespace.set(self, Value::adopt(dict));
            return self.run_class_body(function, namespace);
        };
        let callee = self.push_raw(prepare);
        let (name, bases) = (name.get(self).raw(), resolved.get(self).raw());
        self.push_raw(name);
        self.push_raw(bases);
        let argc = self.push_values(keywords);
        Ok(Outcome::Call {
            callee,
            argc: argc + 2,
            keywords: (argc > 0).then_some(names),
            then: Then::Continue(after_prepare),
        })
    }

    pub(super) fn run_class_body(&mut self, function: Root, namespace: Root) -> NativeResult {
        let (function, namespace) = (function.get(self).raw(), namespace.get(self).raw());
        self.ask(function, &[namespace], Then::Continue(after_body))
    }

    /// The bases of a class statement with those replaced that say so; the same tuple if none does.
    pub(crate) fn mro_entries(&mut self, bases: Root) -> Result<Root, Raised> {
        let items: SmallVec<[Raw; 4]> =
            bases.get(self).exact::<Tuple>().expect("a tuple").items().map(Value::raw).collect();
        if items.iter().all(|b| Value::adopt(*b).kind() == Kind::Class) {
            return Ok(bases);
        }
        let list = self.list(&[]).value().raw();
        let list = self.push_raw(list);
        let mut changed = false;
        for base in items {
            let mark = self.mark();
            let base = self.push_raw(base);
            let hook =
                if base.get(self).kind() == Kind::Class { None } else { self.find_attribute(base, "__mro_entries__")? };
            match hook {
                None => self.list_push(list, base)?,
                Some(hook) => {
                    changed = true;
                    let entries = self.call(hook, &[bases])?;
                    let Some(entries) = entries.get(self).exact::<Tuple>() else {
                        return Err(self.type_error("__mro_entries__ must return a tuple".into()));
                    };
                    let entries: SmallVec<[Raw; 4]> = entries.items().map(Value::raw).collect();
                    for entry in entries {
                        let entry = self.push_raw(entry);
                        self.list_push(list, entry)?;
                    }
                }
            }
            self.release(mark);
        }
        if !changed {
            return Ok(bases);
        }
        self.tuple_from(list)
    }
}

/// Whether a text is an identifier.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || unicode_ident::is_xid_start(c))
        && chars.all(unicode_ident::is_xid_continue)
}

/// Window: ..., class, names to tell, how many were told, keywords, the value told.
pub(super) fn after_set_name(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let state = Args { start: window.start, count: window.count - 1 };
    if let Resumed::Raised(exception) = resumed {
        cx.note_set_name(state, exception);
        return Err(cx.pass_on(exception));
    }
    cx.release(state.start + state.count);
    cx.tell_names(state)
}

/// Window: ..., class, names told, how many, keywords, names of the keywords.
pub(super) fn after_init_subclass(cx: &mut Vm, window: Args, _: Resumed) -> NativeResult {
    Ok(window.get(cx, window.len() - 5).into())
}

/// Window: function, name, (nothing), keywords, bases, ..., and the state of [`Vm::build_class`].
pub(super) fn after_prepare(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(namespace) = resumed else { unreachable!("exceptions pass") };
    let raw = namespace.get(cx).raw();
    if Value::adopt(raw).kind() != Kind::Dict {
        let class = cx.class_of(Value::adopt(raw)).held();
        let name = cx.name(Name::GetItem).held();
        if cx.lookup_class(class, name).is_none() {
            let metaclass = window.get(cx, window.len() - 3).exact::<Class>();
            let shown = metaclass.map_or("<metaclass>".to_owned(), |c| c.name().to_str_lossy().into_owned());
            let got = cx.type_name_for_error(Value::adopt(raw));
            return Err(cx.type_error(format!("{shown}.__prepare__() must return a mapping, not {got}")));
        }
    }
    let place = window.root(window.len() - 2);
    place.set(cx, Value::adopt(raw));
    cx.release(window.start + window.count);
    cx.run_class_body(window.root(0), place)
}

/// The body ran: the metaclass is called.
pub(super) fn after_body(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(cell) = resumed else { unreachable!("exceptions pass") };
    let cell = cell.get(cx).raw();
    let at = |n: usize| window.root(window.len() - n);
    let (names, namespace, metaclass, bases, original) = (at(1), at(2), at(3), at(4), at(5));
    if !bases.get(cx).is(original.get(cx)) {
        let key = cx.name(Name::OrigBases).value().raw();
        let key = cx.push_raw(key);
        cx.set_item_root(namespace, key, original)?;
    }
    cx.release(window.start + window.count);
    // The cell takes the place of the original bases, to be looked at afterwards.
    original.set(cx, Value::adopt(cell));
    let keywords = window.root(3);
    let parts = [metaclass, window.root(1), bases, namespace].map(|r| r.get(cx).raw());
    let callee = cx.push_raw(parts[0]);
    for part in &parts[1..] {
        cx.push_raw(*part);
    }
    let argc = cx.push_values(keywords);
    Ok(Outcome::Call {
        callee,
        argc: argc + 3,
        keywords: (argc > 0).then_some(names),
        then: Then::Continue(after_class),
    })
}

/// The metaclass made something: if that is a class, the `__class__` of its methods must be it.
pub(super) fn after_class(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(class) = resumed else { unreachable!("exceptions pass") };
    let raw = class.get(cx).raw();
    let cell = window.get(cx, window.len() - 5).exact::<Variable>().map(Gc::held);
    if let Some(cell) = cell
        && Value::adopt(raw).kind() == Kind::Class
    {
        let content = cell.get().content.get();
        if !content.is(Value::adopt(raw)) {
            let name = cx.repr_text(window.root(1))?;
            let made = cx.repr_text(class)?;
            if content.is_unbound() {
                return Err(cx.runtime_error(format!(
                    "__class__ not set defining {name} as {made}. Was __classcell__ propagated to type.__new__?"
                )));
            }
            let root = cx.push_raw(content.raw());
            let set = cx.repr_text(root)?;
            return Err(cx.type_error(format!("__class__ set to {set} defining {name} as {made}")));
        }
    }
    Ok(Outcome::Value(raw))
}

/// Window: class, (nothing), keywords, arguments. `__new__` ended.
pub(super) fn after_type_new(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(object) = resumed else { unreachable!("exceptions pass") };
    let raw = object.get(cx).raw();
    let class: Held<Class> = Value::adopt(window.get(cx, 0).raw()).exact().expect("the class");
    let own = cx.class_of(Value::adopt(raw)).held();
    if !own.is_subclass(class) {
        return Ok(Outcome::Value(raw));
    }
    let init = cx.name(Name::Init).held();
    let Some(init) = cx.lookup_class(own, init).map(Value::raw) else { return Ok(Outcome::Value(raw)) };
    let bound = cx.bind_descriptor(init, raw, own)?;
    // The object takes the class's place.
    window.root(0).set(cx, Value::adopt(raw));
    let args = window.rest(3);
    let callee = cx.push_raw(bound);
    for arg in args.roots() {
        let raw = arg.get(cx).raw();
        cx.push_raw(raw);
    }
    let (argc, names) = cx.push_keywords(window.root(2));
    Ok(Outcome::Call { callee, argc: argc + args.len() as u32, keywords: names, then: Then::Continue(after_type_init) })
}

pub(super) fn after_type_init(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Returned(value) = resumed
        && !value.get(cx).is_none()
    {
        let got = cx.type_name_for_error(value.get(cx));
        return Err(cx.type_error(format!("__init__() should return None, not '{got}'")));
    }
    Ok(window.get(cx, 0).into())
}
