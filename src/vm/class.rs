//! Classes: how they are made (`class` statements, `type(name, bases, namespace)`, the builtin types at start) and changed.
//!
//! Whoever remembers how an attribute of a class was found does so for the current epoch (`attribute.rs`). So a class that something is
//! remembered of (flag `CACHED`) ends the epoch when an attribute comes, goes, or changes to or from something that is not plain data.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value, WeakRef};
use crate::object::{Access, Class, ClassFlags, CodeObject, Dict, DictPart, Function, GetSet, List, Str, Tuple};

use super::builtin_types::Place;
use super::class_make::Parts;
use super::frame::Held;
use super::inspect::is_library_file;
use super::native::{Args, Raised, Root};
use super::{Name, Vm};

impl Vm {
    // ---- names of classes ----

    /// The class of values whose kind alone does not say it.
    pub(super) fn placed_class(&self, place: Place) -> Gc<'_, Class> {
        let raw = self.types.by_kind[place as usize];
        Value::adopt(raw).exact::<Class>().unwrap_or_else(|| self.kind_class(Kind::Native))
    }

    /// The class of a dict's views of one part.
    pub fn view_class(&self, dict: Raw, part: DictPart) -> Gc<'_, Class> {
        self.placed_class(match (part, self.is_ordered_dict(dict)) {
            (DictPart::Keys, false) => Place::DictKeys,
            (DictPart::Values, false) => Place::DictValues,
            (DictPart::Items, false) => Place::DictItems,
            (DictPart::Keys, true) => Place::OrderedKeys,
            (DictPart::Values, true) => Place::OrderedValues,
            (DictPart::Items, true) => Place::OrderedItems,
        })
    }

    /// `__module__` of a class as text; `builtins` if it does not say.
    pub fn class_module(&self, class: Gc<'_, Class>) -> String {
        let module = class.namespace().get_str(&self.heap, self.name(Name::Module));
        match module.and_then(|m| m.exact::<Str>()) {
            Some(module) => module.to_str_lossy().into_owned(),
            None => "builtins".to_owned(),
        }
    }

    /// `__qualname__` of a class as text.
    pub fn class_qualname(&self, class: Gc<'_, Class>) -> String {
        let qualname = class.get().qualname.get().exact::<Str>();
        qualname.unwrap_or_else(|| class.name()).to_str_lossy().into_owned()
    }

    /// The name messages show: of types written in C in CPython with their module.
    pub(crate) fn tp_name(&self, class: Gc<'_, Class>) -> String {
        let name = class.name().to_str_lossy().into_owned();
        let plain = ClassFlags::HEAP.union(ClassFlags::EXCEPTION).union(ClassFlags::OPEN);
        let module = self.class_module(class);
        if class.get().flags.get().intersects(plain) {
            // Written in the language here.
            return if is_dotted(&module, &name) { format!("{module}.{name}") } else { name };
        }
        match module.as_str() {
            "types" if is_dotted(&module, &name) => format!("{module}.{name}"),
            "builtins" | "types" => name,
            module => format!("{module}.{name}"),
        }
    }

    /// As `type_name_for_error`, for the messages of argument checks, which call `None` by its name.
    pub fn argument_name_for_error(&self, value: Value<'_>) -> String {
        if value.is_none() { "None".into() } else { self.type_name_for_error(value) }
    }

    /// The name of a value's class as messages show it.
    pub fn type_name_for_error(&self, value: Value<'_>) -> String {
        self.tp_name(self.class_of(value))
    }

    /// What stands before a class's name in messages that name its module: nothing for builtins.
    pub fn module_prefix(&self, class: Gc<'_, Class>) -> String {
        match self.class_module(class).as_str() {
            "builtins" => String::new(),
            module => format!("{module}."),
        }
    }

    /// TypeError: the class has abstract methods.
    pub(crate) fn abstract_instantiation(&mut self, class: Held<Class>) -> Raised {
        let names = class.namespace().get_str(&self.heap, self.name(Name::AbstractMethods));
        let Some(names) = names.map(Value::raw) else {
            return self.type_error(format!("Can't instantiate abstract class {}", class.name().to_str_lossy()));
        };
        let mark = self.mark();
        let names = self.push_raw(names);
        let mut texts: Vec<String> = vec![];
        let listed = self.for_each(names, &mut |cx, item| {
            texts.push(cx.as_str(item.get(cx)).map_or(String::new(), |s| s.to_str_lossy().into_owned()));
            Ok(())
        });
        self.release(mark);
        if let Err(raised) = listed {
            return raised;
        }
        texts.sort_unstable();
        let s = if texts.len() == 1 { "" } else { "s" };
        let list: Vec<String> = texts.iter().map(|t| format!("'{t}'")).collect();
        let name = class.name().to_str_lossy().into_owned();
        self.type_error(format!(
            "Can't instantiate abstract class {name} without an implementation for abstract method{s} {}",
            list.join(", ")
        ))
    }

    // ---- functions ----

    /// A child of loaded code, loaded when it is first needed.
    pub(super) fn child_code(&mut self, code: Held<CodeObject>, index: usize) -> Held<CodeObject> {
        let children = code.get().children.get().expect("loaded code has a place for them");
        if let Some(child) = children.item(index).exact::<CodeObject>() {
            return child;
        }
        let compiled = code.code.children[index].clone();
        let child = self.load(&compiled).held();
        children.set_tail(&self.heap, index, child.value());
        child
    }

    /// A function with closure and defaults; `extras` are the defaults, the keyword-only defaults and the annotate function, UNBOUND
    /// where there is none.
    pub(super) fn make_function(
        &mut self,
        code: Held<CodeObject>,
        globals: Gc<'_, Dict>,
        captured: &[Raw],
        extras: [Raw; 3],
    ) -> Raw {
        let heap = self.heap.forever();
        let [defaults, keyword_defaults, annotate] = extras.map(Value::<'static>::adopt);
        let closure = (!captured.is_empty()).then(|| Tuple::build(heap, captured.len(), |i| Value::adopt(captured[i])));
        let function = heap.alloc(Function {
            code: Ref::new(code),
            globals: Ref::new(globals),
            defaults: Ref::from_option(defaults.exact::<Tuple>()),
            kwdefaults: Ref::from_option(keyword_defaults.exact::<Dict>()),
            closure: Ref::from_option(closure),
            details: Ref::none(),
        });
        if !annotate.is_unbound() {
            self.set_function_detail(function, Name::Annotate, annotate.raw());
        }
        if is_library_file(&code.code.filename)
            && let Some(native) = self.native_in_front(function)
        {
            return native;
        }
        function.value().raw()
    }

    // ---- changes ----

    /// Whether an attribute's value is plain data: neither a function nor a descriptor, nor anything that could be one.
    pub(super) fn is_plain_data(raw: Raw) -> bool {
        !raw.is_pointer()
            || matches!(
                Value::adopt(raw).kind(),
                Kind::Str
                    | Kind::Bytes
                    | Kind::BigInt
                    | Kind::Tuple
                    | Kind::List
                    | Kind::Dict
                    | Kind::Set
                    | Kind::FrozenSet
            ) && !Value::adopt(raw).is_subclassed()
    }

    /// TypeError for an attribute of a class that cannot be changed.
    pub(crate) fn check_mutable(&mut self, class: Held<Class>, name: Gc<'_, Str>) -> Result<(), Raised> {
        let mark = self.mark();
        let name = self.push_raw(name.value().raw());
        let checked = self.check_open(class, name);
        self.release(mark);
        checked
    }

    /// TypeError for a class that cannot be changed, whatever the name is.
    pub(crate) fn check_open(&mut self, class: Held<Class>, name: Root) -> Result<(), Raised> {
        if class.has(ClassFlags::HEAP) || class.has(ClassFlags::OPEN) {
            return Ok(());
        }
        let (name, class) = (self.repr_text(name)?, self.tp_name(class));
        Err(self.type_error(format!("cannot set {name} attribute of immutable type '{class}'")))
    }

    /// Sets an attribute in a class's own namespace, or deletes it (`value` is UNBOUND; false if it is not there). `name` is interned.
    pub(crate) fn set_class_attribute(&mut self, class: Held<Class>, name: Held<Str>, value: Raw) -> bool {
        let heap = self.heap.forever();
        let dict = class.namespace();
        let old = dict.get_str(heap, name).map(Value::raw);
        if value.is_unbound() {
            if old.is_none() {
                return false;
            }
            dict.remove_str(heap, name);
        } else {
            dict.put_str(heap, name, Value::adopt(value));
        }
        let quiet = old.is_some_and(Vm::is_plain_data) && !value.is_unbound() && Vm::is_plain_data(value);
        if !quiet {
            self.class_changed(class);
        }
        let bytes = name.as_bytes();
        if bytes.starts_with(b"__") && bytes.ends_with(b"__") {
            self.update_flags_below(class);
        }
        true
    }

    /// What was remembered of a class and of those derived from it holds no longer.
    pub(crate) fn class_changed(&mut self, class: Held<Class>) {
        let version = &class.get().version;
        version.set(version.get().wrapping_add(1));
        if class.has(ClassFlags::CACHED) {
            self.end_epoch();
        }
        for derived in self.subclasses_of(class) {
            self.class_changed(derived);
        }
    }

    /// Nothing that was remembered of attributes holds any longer.
    pub(crate) fn end_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1).max(1);
    }

    /// The classes that derive directly from a class.
    pub(crate) fn subclasses_of(&self, class: Gc<'_, Class>) -> Vec<Held<Class>> {
        let Some(list) = class.get().subclasses.get() else { return vec![] };
        let targets = list.items().filter_map(|item| item.exact::<WeakRef>()?.get().target()?.exact::<Class>());
        targets.map(Gc::held).collect()
    }

    pub(super) fn add_subclass(&mut self, base: Held<Class>, class: Held<Class>) {
        let heap = self.heap.forever();
        let mut list = base.get().subclasses.get().map(Gc::held);
        // About to grow it forgets those that have died.
        if list.is_none_or(|list| (list.len() + 1).is_power_of_two()) {
            list = Some(self.keep_subclasses(base, |_| true));
        }
        let weak = WeakRef::new(heap, class.value(), Value::NONE).expect("a class has a cell");
        list.expect("made above").push_unchecked(heap, weak.value());
    }

    pub(super) fn remove_subclass(&mut self, base: Held<Class>, class: Held<Class>) {
        self.keep_subclasses(base, |derived| !derived.is(class.value()));
    }

    /// Keeps those of the classes derived directly from a class that are alive and such.
    fn keep_subclasses(&mut self, base: Held<Class>, such: impl Fn(Value<'_>) -> bool) -> Held<List> {
        let heap = self.heap.forever();
        let old = base.get().subclasses.get();
        let keep = |item: &Value<'_>| item.exact::<WeakRef>().and_then(|weak| weak.get().target()).is_some_and(&such);
        let kept: Vec<Value<'static>> = old.iter().flat_map(|list| list.held().items()).filter(keep).collect();
        let list = List::new(heap, &kept);
        base.set_ref(heap, |c| &c.subclasses, Some(list));
        list
    }

    pub(super) fn update_flags_below(&mut self, class: Held<Class>) {
        self.update_flags(class);
        for derived in self.subclasses_of(class) {
            self.update_flags_below(derived);
        }
    }

    /// Finds out which hooks a class has.
    pub(crate) fn update_flags(&mut self, class: Held<Class>) {
        let heap = &self.heap;
        // Of the builtin classes these have an algorithm of their own, which the kind of the object chooses.
        let builtin = [
            self.types.object,
            self.types.type_,
            self.types.by_kind[Kind::Module as usize],
            self.types.by_kind[Kind::Super as usize],
            self.types.by_kind[Kind::BoundMethod as usize],
        ];
        let own = |name: Name| {
            class
                .lookup_with_owner(heap, self.name(name))
                .is_some_and(|(_, owner)| !builtin.iter().any(|b| b.same(owner.value().raw())))
        };
        let object = self.types.object;
        let other = |name: Name| {
            class.lookup_with_owner(heap, self.name(name)).is_some_and(|(_, owner)| !object.same(owner.value().raw()))
        };
        let mut flags = class.get().flags.get();
        flags.set(ClassFlags::GETATTRIBUTE, own(Name::GetAttribute));
        flags.set(ClassFlags::GETATTR, own(Name::GetAttr));
        flags.set(ClassFlags::SETATTR, own(Name::SetAttr));
        flags.set(ClassFlags::DELATTR, own(Name::DelAttr));
        flags.set(ClassFlags::FINALISER, class.lookup(heap, self.name(Name::Del)).is_some());
        if class.has(ClassFlags::HEAP) && class.namespace().get_str(heap, self.name(Name::Del)).is_some() {
            heap.show_deaths();
        }
        flags.set(ClassFlags::EQ, other(Name::Eq));
        flags.set(ClassFlags::HASH, other(Name::Hash));
        class.get().flags.set(flags);
    }

    /// Says whether a class has abstract methods.
    pub(crate) fn set_abstract(&mut self, class: Held<Class>, is_abstract: bool) {
        let mut flags = class.get().flags.get();
        flags.set(ClassFlags::ABSTRACT, is_abstract);
        class.get().flags.set(flags);
    }

    // ---- order and layout ----

    /// The class that says how instances are laid out: the nearest that adds to the layout of its bases.
    pub(crate) fn solid_base(&self, class: Held<Class>) -> Held<Class> {
        class.mro().find(|c| c.has(ClassFlags::LAYOUT)).unwrap_or_else(|| self.object_class().held())
    }

    /// Whether instances of one class can become instances of the other.
    pub(crate) fn same_layout(&self, a: Held<Class>, b: Held<Class>) -> bool {
        let (flags_a, flags_b) = (a.get().flags.get(), b.get().flags.get());
        let same = a.get().layout == b.get().layout
            && a.get().fixed_slots.get() == b.get().fixed_slots.get()
            && flags_a.contains(ClassFlags::NO_DICT) == flags_b.contains(ClassFlags::NO_DICT)
            && flags_a.contains(ClassFlags::NO_WEAKREF) == flags_b.contains(ClassFlags::NO_WEAKREF);
        if !same {
            return false;
        }
        let (x, y) = (self.solid_base(a), self.solid_base(b));
        if x != y && self.slot_names(x) != self.slot_names(y) {
            return false;
        }
        // What the last class that added something to the instances added it to has to be the same.
        let (x, y) = (self.extending_base(a), self.extending_base(b));
        x == y || self.base_of(x) == self.base_of(y)
    }

    /// The nearest class, of this one and what it derives from, that gives its instances slots, a dict or weak references of their own.
    fn extending_base(&self, class: Held<Class>) -> Held<Class> {
        let mut class = class;
        while let Some(base) = self.base_of(class).filter(|_| class.has(ClassFlags::HEAP)) {
            let gives = |flag| !class.has(flag) && (base.has(flag) || !base.has(ClassFlags::HEAP));
            if gives(ClassFlags::NO_DICT) || gives(ClassFlags::NO_WEAKREF) || !self.slot_names(class).is_empty() {
                break;
            }
            class = base;
        }
        class
    }

    /// Names of the slots a class adds.
    pub(super) fn slot_names(&self, class: Held<Class>) -> Vec<Vec<u8>> {
        let slots = class.namespace().iter().filter_map(|(key, value)| {
            let getset = value.exact::<GetSet>()?;
            matches!(getset.get().access, Access::Slot(_) | Access::Member(_))
                .then(|| key.exact::<Str>().map(|k| k.as_bytes().to_vec()))?
        });
        let mut names: Vec<_> = slots.collect();
        names.sort_unstable();
        names
    }

    /// The base whose layout a class with these bases has.
    pub(super) fn best_base(&mut self, bases: &[Held<Class>]) -> Result<Held<Class>, Raised> {
        let mut best: Option<(Held<Class>, Held<Class>)> = None;
        for base in bases {
            if base.has(ClassFlags::FINAL) {
                let name = self.tp_name(*base);
                return Err(self.type_error(format!("type '{name}' is not an acceptable base type")));
            }
            let solid = self.solid_base(*base);
            best = match best {
                None => Some((*base, solid)),
                Some((_, winner)) if winner.is_subclass(solid) => best,
                Some((_, winner)) if solid.is_subclass(winner) => Some((*base, solid)),
                Some(_) => return Err(self.type_error("multiple bases have instance lay-out conflict".into())),
            };
        }
        Ok(best.map_or_else(|| self.object_class().held(), |(base, _)| base))
    }

    /// `__base__`.
    pub(crate) fn base_of(&self, class: Held<Class>) -> Option<Held<Class>> {
        let mut best: Option<(Held<Class>, Held<Class>)> = None;
        for base in class.get().bases.get()?.items() {
            let base = base.exact::<Class>()?.held();
            let solid = self.solid_base(base);
            if best.is_none_or(|(_, winner)| winner != solid && solid.is_subclass(winner)) {
                best = Some((base, solid));
            }
        }
        best.map(|(base, _)| base)
    }

    /// The method resolution order of a class with these bases (C3), or CPython's error.
    pub(crate) fn linearise(&mut self, class: Held<Class>, bases: &[Held<Class>]) -> Result<Vec<Raw>, Raised> {
        for (at, base) in bases.iter().enumerate() {
            if bases[..at].contains(base) {
                let name = base.name().to_str_lossy().into_owned();
                return Err(self.type_error(format!("duplicate base class {name}")));
            }
        }
        let mut order = vec![class.value().raw()];
        if let [base] = bases {
            order.extend(base.mro().map(|c| c.value().raw()));
            return Ok(order);
        }
        let mut lists: Vec<Vec<Held<Class>>> = bases.iter().map(|b| b.mro().collect()).collect();
        lists.push(bases.to_vec());
        let mut at = vec![0usize; lists.len()];
        loop {
            let heads: Vec<Held<Class>> =
                lists.iter().zip(&at).filter_map(|(list, at)| list.get(*at).copied()).collect();
            if heads.is_empty() {
                return Ok(order);
            }
            let in_tail =
                |c: Held<Class>| lists.iter().zip(&at).any(|(l, at)| l.get(at + 1..).is_some_and(|t| t.contains(&c)));
            let Some(next) = heads.iter().copied().find(|c| !in_tail(*c)) else {
                let mut names: Vec<String> = vec![];
                let mut seen: Vec<Held<Class>> = vec![];
                for head in heads {
                    if !seen.contains(&head) {
                        seen.push(head);
                        names.push(head.name().to_str_lossy().into_owned());
                    }
                }
                return Err(self.type_error(format!(
                    "Cannot create a consistent method resolution order (MRO) for bases {}",
                    names.join(", ")
                )));
            };
            order.push(next.value().raw());
            for (list, at) in lists.iter().zip(&mut at) {
                if list.get(*at) == Some(&next) {
                    *at += 1;
                }
            }
        }
    }

    pub(super) fn bases_of(&self, class: Held<Class>) -> Vec<Held<Class>> {
        let bases = class.get().bases.get();
        bases.iter().flat_map(|b| b.items()).filter_map(|b| b.exact::<Class>().map(Gc::held)).collect()
    }

    /// Gives a class its method resolution order: its metaclass's `mro` may have a say.
    pub(super) fn set_order(&mut self, class: Held<Class>, bases: &[Held<Class>]) -> Result<(), Raised> {
        let order = self.linearise(class, bases)?;
        let heap = self.heap.forever();
        class.set_ref(heap, |c| &c.mro, Some(Tuple::build(heap, order.len(), |i| Value::adopt(order[i]))));
        let metaclass = class.get().metaclass.get().expect("a class has a class").held();
        if metaclass.value().raw().same(self.types.type_) {
            return Ok(());
        }
        let name = self.intern("mro").held();
        let own = self.lookup_class_with_owner(metaclass, name).filter(|(_, owner)| owner.has(ClassFlags::HEAP));
        let Some(method) = own.map(|(method, _)| method.raw()) else { return Ok(()) };
        let mark = self.mark();
        let bound = self.bind_descriptor(method, class.value().raw(), metaclass)?;
        let bound = self.push_raw(bound);
        let made = self.call(bound, &[])?;
        let tuple = self.tuple_from(made)?;
        let raw = tuple.get(self).raw();
        self.release(mark);
        let tuple: Held<Tuple> = Value::adopt(raw).exact().expect("a tuple");
        for item in tuple.items() {
            if item.exact::<Class>().is_none() {
                let got = self.type_name_for_error(item);
                return Err(self.type_error(format!("mro() returned a non-class ('{got}')")));
            }
        }
        class.set_ref(heap, |c| &c.mro, Some(tuple));
        Ok(())
    }

    /// `class.__bases__ = bases`.
    pub(crate) fn set_bases(&mut self, class: Held<Class>, value: Root) -> Result<(), Raised> {
        let name = self.tp_name(class);
        let Some(tuple) = value.get(self).exact::<Tuple>().map(Gc::held) else {
            let got = self.type_name_for_error(value.get(self));
            return Err(self.type_error(format!("can only assign tuple to {name}.__bases__, not {got}")));
        };
        if tuple.is_empty() {
            return Err(self.type_error(format!("can only assign non-empty tuple to {name}.__bases__, not ()")));
        }
        let mut bases = vec![];
        for item in tuple.items() {
            let Some(base) = item.exact::<Class>() else {
                let got = self.type_name_for_error(item);
                return Err(self.type_error(format!("{name}.__bases__ must be tuple of classes, not '{got}'")));
            };
            if base.is_subclass(class) {
                return Err(self.type_error("a __bases__ item causes an inheritance cycle".into()));
            }
            bases.push(base);
        }
        let best = self.best_base(&bases)?;
        let old = self.base_of(class).expect("it has bases");
        if best != old && !(best.has(ClassFlags::HEAP) && old.has(ClassFlags::HEAP)) {
            let (new, old) = (self.tp_name(best), self.tp_name(old));
            return Err(self.type_error(format!("__bases__ assignment: '{new}' deallocator differs from '{old}'")));
        }
        if self.solid_base(best) != self.solid_base(old) {
            let (new, old) = (self.tp_name(best), self.tp_name(old));
            return Err(self.type_error(format!("__bases__ assignment: '{new}' object layout differs from '{old}'")));
        }
        let old_bases = self.bases_of(class);
        class.set_ref(&self.heap, |c| &c.bases, Some(tuple));
        if let Err(raised) = self.reorder(class) {
            let heap = self.heap.forever();
            let back = Tuple::build(heap, old_bases.len(), |i| old_bases[i].value());
            class.set_ref(heap, |c| &c.bases, Some(back));
            let kept = std::mem::replace(&mut self.raised, Raw::UNBOUND);
            self.reorder(class)?;
            self.raised = kept;
            return Err(raised);
        }
        if class.get().bases.get() != Some(tuple) {
            // A metaclass's `mro` has set other bases meanwhile: they stand.
            return Ok(());
        }
        for base in &old_bases {
            self.remove_subclass(*base, class);
        }
        for base in bases {
            self.add_subclass(base, class);
        }
        self.end_epoch();
        self.class_changed(class);
        self.update_flags_below(class);
        Ok(())
    }

    pub(super) fn reorder(&mut self, class: Held<Class>) -> Result<(), Raised> {
        self.check_stack()?;
        let bases = self.bases_of(class);
        self.set_order(class, &bases)?;
        for derived in self.subclasses_of(class) {
            self.reorder(derived)?;
        }
        Ok(())
    }

    pub(super) fn make_class(&mut self, parts: Parts) -> Result<Held<Class>, Raised> {
        let heap = self.heap.forever();
        let bases: Held<Tuple> = Value::adopt(parts.bases).exact().expect("a tuple");
        let class = heap.alloc(Class {
            name: Ref::from_option(Value::<'static>::adopt(parts.name).exact::<Str>()),
            qualname: Slot::new(Value::adopt(parts.qualname)),
            bases: Ref::new(bases),
            mro: Ref::none(),
            dict: Ref::new(parts.dict),
            metaclass: Ref::new(parts.metaclass),
            subclasses: Ref::none(),
            flags: StdCell::new(parts.flags),
            layout: parts.layout,
            root_shape: StdCell::new(0),
            inline_slots: StdCell::new(parts.fixed),
            fixed_slots: StdCell::new(parts.fixed),
            version: StdCell::new(0),
            maker: StdCell::new(0),
            constructor: Ref::none(),
            constructor_epoch: std::cell::Cell::new(0),
        });
        let shape = self.shapes.root(class, usize::from(parts.fixed));
        class.get().root_shape.set(shape);
        self.guess_inline_slots(class);
        let own: Vec<Held<Class>> = bases.items().filter_map(|b| b.exact::<Class>()).collect();
        self.set_order(class, &own)?;
        for base in own {
            self.add_subclass(base, class);
        }
        Ok(class)
    }

    /// Room in new instances for the attributes that the methods of the class (and of its first base) are seen to set.
    pub(super) fn guess_inline_slots(&mut self, class: Held<Class>) {
        let key = self.name(Name::StaticAttributes).held();
        let own = class.namespace().get_str(&self.heap, key).and_then(|v| v.exact::<Tuple>()).map_or(0, |t| t.len());
        let fixed = usize::from(class.get().fixed_slots.get());
        let inherited = self.base_of(class).map_or(0, |base| usize::from(base.get().inline_slots.get()));
        let guess = (inherited.max(fixed) + own).min(fixed + 24);
        if class.get().layout == Kind::Instance || fixed > 0 {
            class.get().inline_slots.set(guess as u8);
        }
    }
}

impl Vm {
    /// Adds the note CPython adds to what a `__set_name__` raises.
    pub(super) fn note_set_name(&mut self, state: Args, exception: Root) {
        let [class, names, told] = [4, 3, 2].map(|n| state.root(state.len() - n));
        let at = told.get(self).as_int().unwrap_or(2) as usize - 2;
        let list: Held<List> = Value::adopt(names.get(self).raw()).exact().expect("the names");
        let (Some(value), Some(name)) = (list.item(at), list.item(at + 1)) else { return };
        let kind = self.type_name_for_error(value);
        let class = class.get(self).exact::<Class>().map_or(String::new(), |c| c.name().to_str_lossy().into_owned());
        let name = name.exact::<Str>().map_or(String::new(), |n| n.to_str_lossy().into_owned());
        let note = format!("Error calling __set_name__ on '{kind}' instance '{name}' in '{class}'");
        let heap = self.heap.forever();
        let Some(dict) = self.attributes_of(exception.get(self).raw()) else { return };
        let key = self.name(Name::Notes).held();
        let notes = match dict.get_str(heap, key).and_then(|n| n.exact::<List>()) {
            Some(notes) => notes,
            None => {
                let notes = List::new(heap, &[]);
                dict.put_str(heap, key, notes.value());
                notes
            }
        };
        notes.push_unchecked(heap, Str::new(heap, &note).value());
    }
}

/// Whether a class of the library is one that CPython has written in C, outside its builtins: messages name the module of those.
fn is_dotted(module: &str, name: &str) -> bool {
    match module {
        "datetime" | "decimal" | "itertools" | "array" => true,
        "collections" => matches!(name, "deque" | "defaultdict" | "OrderedDict"),
        "functools" => matches!(name, "partial" | "_lru_cache_wrapper" | "KeyWrapper"),
        "operator" => matches!(name, "itemgetter" | "attrgetter" | "methodcaller"),
        "time" => name == "struct_time",
        "types" => matches!(name, "GenericAlias" | "SimpleNamespace"),
        "typing" => matches!(name, "TypeVar" | "TypeVarTuple" | "ParamSpec" | "TypeAliasType"),
        "weakref" => matches!(name, "ReferenceType" | "ProxyType" | "CallableProxyType"),
        "zoneinfo" => name == "ZoneInfo",
        _ => false,
    }
}
