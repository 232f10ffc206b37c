//! Classes: how they are made (`class` statements, `type(name, bases, namespace)`, the builtin types at start) and changed.
//!
//! Whoever remembers how an attribute of a class was found does so for the current epoch (`attribute.rs`). So a class that something is
//! remembered of (flag `CACHED`) ends the epoch when an attribute comes, goes, or changes to or from something that is not plain data.

use std::cell::Cell as StdCell;

use smallvec::SmallVec;

use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Slot, Value, WeakRef};
use crate::native::Natives;
use crate::object::{
    Access, Class, ClassFlags, ClassMethod, CodeObject, Dict, Exc, Function, GetSet, List, Module, StaticMethod, Str,
    Tuple, Variable, field_count,
};

use super::frame::Held;
use super::native::{Args, NativeDef, NativeFunction, NativeKind, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::{Name, Vm};

/// A builtin type as `Vm::install_types` makes it.
#[derive(Clone, Copy, Debug)]
pub struct TypeRow {
    /// The kind whose values are of this type, if that alone says so.
    pub kind: Option<Kind>,
    /// `__name__`.
    pub name: &'static str,
    /// `__module__`.
    pub module: &'static str,
    /// The name of the type it derives from: an earlier row's.
    pub base: &'static str,
    /// What is known of it.
    pub flags: ClassFlags,
    /// The layout of its instances; `Instance` for types that are only looked at.
    pub layout: Kind,
    /// Its methods, getters and setters. The docs of the first table are its docstring.
    pub methods: &'static [&'static Natives],
}

impl TypeRow {
    /// A type in `builtins` that derives from object, whose values are those of `kind`.
    pub const fn of(kind: Kind, name: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
        TypeRow {
            kind: Some(kind),
            name,
            module: "builtins",
            base: "object",
            flags: ClassFlags::empty(),
            layout: kind,
            methods,
        }
    }

    /// A type for objects with a Rust payload.
    pub const fn native(module: &'static str, name: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
        TypeRow {
            kind: None,
            name,
            module,
            base: "object",
            flags: ClassFlags::empty(),
            layout: Kind::NativeObject,
            methods,
        }
    }

    /// The same with more flags.
    pub const fn with(mut self, flags: ClassFlags) -> TypeRow {
        self.flags = self.flags.union(flags);
        self
    }

    /// The same with another base.
    pub const fn derived(mut self, base: &'static str) -> TypeRow {
        self.base = base;
        self
    }

    /// The same in another module.
    pub const fn in_module(mut self, module: &'static str) -> TypeRow {
        self.module = module;
        self
    }
}

/// Classes of values whose kind alone does not say which: they are kept among those by kind, at numbers that are no kind's.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Place {
    MethodDescriptor = 64,
    WrapperDescriptor,
    ClassMethodDescriptor,
    MethodWrapper,
    MemberDescriptor,
    DictKeys,
    DictValues,
    DictItems,
}

impl Place {
    fn of(name: &str) -> Option<Place> {
        Some(match name {
            "method_descriptor" => Place::MethodDescriptor,
            "wrapper_descriptor" => Place::WrapperDescriptor,
            "classmethod_descriptor" => Place::ClassMethodDescriptor,
            "method-wrapper" => Place::MethodWrapper,
            "member_descriptor" => Place::MemberDescriptor,
            "dict_keys" => Place::DictKeys,
            "dict_values" => Place::DictValues,
            "dict_items" => Place::DictItems,
            _ => return None,
        })
    }
}

/// Kinds whose derived instances are cells of their own, with the class in the shape (or in a field), not plain instances that hold the
/// builtin value in their first slot.
fn has_own_cells(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Instance
            | Kind::Exception
            | Kind::NativeObject
            | Kind::Property
            | Kind::Class
            | Kind::Module
            | Kind::Future
            | Kind::Task
    )
}

/// What a new class is made of.
struct Parts {
    name: Raw,
    qualname: Raw,
    bases: Raw,
    dict: Held<Dict>,
    metaclass: Held<Class>,
    flags: ClassFlags,
    layout: Kind,
    fixed: u8,
}

impl Vm {
    // ---- names of classes ----

    /// The class of values whose kind alone does not say it.
    pub(super) fn placed_class(&self, place: Place) -> Gc<'_, Class> {
        let raw = self.types.by_kind[place as usize];
        Value::adopt(raw).exact::<Class>().unwrap_or_else(|| self.kind_class(Kind::Native))
    }

    /// The class of a dict's views of one part.
    pub fn view_class(&self, part: crate::object::DictPart) -> Gc<'_, Class> {
        use crate::object::DictPart;
        self.placed_class(match part {
            DictPart::Keys => Place::DictKeys,
            DictPart::Values => Place::DictValues,
            DictPart::Items => Place::DictItems,
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
        if class.get().flags.get().intersects(plain) {
            return name;
        }
        match self.class_module(class).as_str() {
            "builtins" | "types" => name,
            module => format!("{module}.{name}"),
        }
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
        function.value().raw()
    }

    // ---- changes ----

    /// Whether an attribute's value is plain data: neither a function nor a descriptor, nor anything that could be one.
    fn is_plain_data(raw: Raw) -> bool {
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
        if class.has(ClassFlags::HEAP) || class.has(ClassFlags::OPEN) {
            return Ok(());
        }
        let (name, class) = (name.to_str_lossy().into_owned(), self.tp_name(class));
        Err(self.type_error(format!("cannot set '{name}' attribute of immutable type '{class}'")))
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
            dict.set_str(heap, name, Value::adopt(value)).expect("a namespace has room");
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

    fn add_subclass(&mut self, base: Held<Class>, class: Held<Class>) {
        let heap = self.heap.forever();
        let list = match base.get().subclasses.get() {
            Some(list) => list,
            None => {
                let list = List::new(heap, &[]);
                base.set_ref(heap, |c| &c.subclasses, Some(list));
                list
            }
        };
        let weak = WeakRef::new(heap, class.value(), Value::NONE).expect("a class has a cell");
        list.push(heap, weak.value()).expect("a list of classes has room");
    }

    fn remove_subclass(&mut self, base: Held<Class>, class: Held<Class>) {
        let rest: Vec<Held<Class>> = self.subclasses_of(base).into_iter().filter(|c| *c != class).collect();
        base.set_ref(&self.heap, |c| &c.subclasses, None);
        for derived in rest {
            self.add_subclass(base, derived);
        }
    }

    fn update_flags_below(&mut self, class: Held<Class>) {
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
        x == y || self.slot_names(x) == self.slot_names(y)
    }

    /// Names of the slots a class adds.
    fn slot_names(&self, class: Held<Class>) -> Vec<Vec<u8>> {
        let slots = class.namespace().iter().filter_map(|(key, value)| {
            let getset = value.exact::<GetSet>()?;
            matches!(getset.get().access, Access::Slot(_)).then(|| key.exact::<Str>().map(|k| k.as_bytes().to_vec()))?
        });
        let mut names: Vec<_> = slots.collect();
        names.sort_unstable();
        names
    }

    /// The base whose layout a class with these bases has.
    fn best_base(&mut self, bases: &[Held<Class>]) -> Result<Held<Class>, Raised> {
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

    fn bases_of(&self, class: Held<Class>) -> Vec<Held<Class>> {
        let bases = class.get().bases.get();
        bases.iter().flat_map(|b| b.items()).filter_map(|b| b.exact::<Class>().map(Gc::held)).collect()
    }

    /// Gives a class its method resolution order: its metaclass's `mro` may have a say.
    fn set_order(&mut self, class: Held<Class>, bases: &[Held<Class>]) -> Result<(), Raised> {
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

    fn reorder(&mut self, class: Held<Class>) -> Result<(), Raised> {
        let bases = self.bases_of(class);
        self.set_order(class, &bases)?;
        for derived in self.subclasses_of(class) {
            self.reorder(derived)?;
        }
        Ok(())
    }

    fn make_class(&mut self, parts: Parts) -> Result<Held<Class>, Raised> {
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
    fn guess_inline_slots(&mut self, class: Held<Class>) {
        let key = self.name(Name::StaticAttributes).held();
        let own = class.namespace().get_str(&self.heap, key).and_then(|v| v.exact::<Tuple>()).map_or(0, |t| t.len());
        let fixed = usize::from(class.get().fixed_slots.get());
        let inherited = self.base_of(class).map_or(0, |base| usize::from(base.get().inline_slots.get()));
        let guess = (inherited.max(fixed) + own).min(fixed + 24);
        if class.get().layout == Kind::Instance || fixed > 0 {
            class.get().inline_slots.set(guess as u8);
        }
    }

    // ---- type(name, bases, namespace) ----

    /// The metaclass a class with these bases has: the most derived of the one asked for and those of the bases.
    fn winning_metaclass(&mut self, asked: Held<Class>, bases: &[Raw]) -> Result<Held<Class>, Raised> {
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
            return Err(self.type_error(if asked == type_ {
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
    fn names_to_tell(&mut self, class: Held<Class>) -> Raw {
        let heap = self.heap.forever();
        let list = List::new(heap, &[]);
        let hook = self.name(Name::SetName).held();
        for (key, value) in class.namespace().iter() {
            if Vm::is_plain_data(value.raw()) || matches!(value.kind(), Kind::Function | Kind::Native | Kind::GetSet) {
                continue;
            }
            let own = self.class_of(value).held();
            if self.lookup_class(own, hook).is_some() {
                list.push(heap, value).and_then(|()| list.push(heap, key)).expect("a list of names has room");
            }
        }
        list.value().raw()
    }

    /// Everything of a class but what its `__set_name__` and `__init_subclass__` do.
    fn assemble(
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
            return Err(self.unicode_encode_error(name, "utf-8", 0, 1, "surrogates not allowed"));
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
            dict.set_str(heap, module_name, Value::adopt(module)).expect("a namespace has room");
        }
        let doc = self.name(Name::Doc).held();
        if dict.find_str(heap, doc).is_none() {
            dict.set_str(heap, doc, Value::NONE).expect("a namespace has room");
        }
        self.wrap_special(dict);
        // Layout: slots of the best base, and those of `__slots__` behind them.
        let inherited = ClassFlags::EXCEPTION
            | ClassFlags::METACLASS
            | ClassFlags::SEQUENCE
            | ClassFlags::MAPPING
            | ClassFlags::MATCH_SELF;
        let mut flags = ClassFlags::HEAP;
        for base in base_list {
            flags |= base.get().flags.get() & inherited;
        }
        let layout = best.get().layout;
        let mut fixed = best.get().fixed_slots.get();
        let has_dict = base_list.iter().any(|b| !b.has(ClassFlags::NO_DICT));
        let has_weakref = base_list.iter().any(|b| !b.has(ClassFlags::NO_WEAKREF));
        let sized = matches!(layout, Kind::Int | Kind::Tuple | Kind::Bytes);
        let (mut adds_dict, mut adds_weakref) = (!has_dict, !has_weakref && !sized);
        let mut members: Vec<Held<Str>> = vec![];
        let slots_name = self.name(Name::Slots).held();
        if let Some(slots) = dict.get_str(heap, slots_name) {
            (adds_dict, adds_weakref) = (false, false);
            let slots = slots.raw();
            for slot in self.slot_list(slots)? {
                match slot.as_bytes() {
                    b"__dict__" => {
                        if has_dict || adds_dict {
                            return Err(self.type_error("__dict__ slot disallowed: we already got one".into()));
                        }
                        adds_dict = true;
                    }
                    b"__weakref__" => {
                        if has_weakref || adds_weakref {
                            return Err(self.type_error("__weakref__ slot disallowed: we already got one".into()));
                        }
                        adds_weakref = true;
                    }
                    _ => {
                        if sized {
                            let name = self.tp_name(best);
                            return Err(
                                self.type_error(format!("nonempty __slots__ not supported for subtype of '{name}'"))
                            );
                        }
                        let mangled = self.mangled(text, slot);
                        if dict.find_str(heap, mangled).is_some() {
                            let shown = slot.to_str_lossy().into_owned();
                            return Err(
                                self.value_error(format!("'{shown}' in __slots__ conflicts with class variable"))
                            );
                        }
                        if !members.contains(&mangled) {
                            members.push(mangled);
                        }
                    }
                }
            }
        }
        members.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        if !members.is_empty() {
            flags |= ClassFlags::LAYOUT;
        }
        let first = fixed;
        if usize::from(fixed) + members.len() > 200 {
            return Err(self.value_error("too many __slots__"));
        }
        fixed += members.len() as u8;
        if !has_dict && !adds_dict {
            flags |= ClassFlags::NO_DICT;
        }
        if !has_weakref && !adds_weakref {
            flags |= ClassFlags::NO_WEAKREF;
        }
        let name = {
            let bytes = text.as_bytes().to_vec();
            self.intern_bytes(&bytes).value().raw()
        };
        let bases = bases.get(self).raw();
        let class = self.make_class(Parts { name, qualname, bases, dict, metaclass, flags, layout, fixed })?;
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
            class.get().inline_slots.set(fixed + expected.len().min(super::attribute::MOST_INLINE) as u8);
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
            dict.set_str(heap, *name, getset.value()).expect("a namespace has room");
        }
        if adds_dict {
            self.copy_getset(class, Name::Dict);
        }
        if adds_weakref {
            self.copy_getset(class, Name::Weakref);
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
    fn wrap_special(&mut self, dict: Held<Dict>) {
        let heap = self.heap.forever();
        let new = self.name(Name::New).held();
        let function = |name: Held<Str>| dict.get_str(heap, name).filter(|v| v.kind() == Kind::Function);
        if let Some(value) = function(new) {
            let method = heap.alloc(StaticMethod { function: Slot::new(value), dict: Ref::none() });
            dict.set_str(heap, new, method.value()).expect("the key is there");
        }
        for name in [Name::InitSubclass, Name::ClassGetItem] {
            let name = self.name(name).held();
            if let Some(value) = function(name) {
                let method = heap.alloc(ClassMethod { function: Slot::new(value), dict: Ref::none() });
                dict.set_str(heap, name, method.value()).expect("the key is there");
            }
        }
        let (eq, hash) = (self.name(Name::Eq).held(), self.name(Name::Hash).held());
        if dict.find_str(heap, eq).is_some() && dict.find_str(heap, hash).is_none() {
            dict.set_str(heap, hash, Value::NONE).expect("a namespace has room");
        }
    }

    /// `__name__` of the module that runs: the `__module__` of what it makes.
    pub(crate) fn running_module(&self) -> Option<Raw> {
        let function = self.fiber.records.iter().rev().find_map(|r| r.function)?;
        function.globals().get_str(&self.heap, self.name(Name::Name)).map(Value::raw)
    }

    /// The names in `__slots__`.
    fn slot_list(&mut self, slots: Raw) -> Result<Vec<Held<Str>>, Raised> {
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
    fn mangled(&mut self, class: Held<Str>, name: Held<Str>) -> Held<Str> {
        let (class, text) = (class.to_str_lossy(), name.to_str_lossy());
        let stripped = class.trim_start_matches('_');
        if !text.starts_with("__") || text.ends_with("__") || text.contains('.') || stripped.is_empty() {
            return name;
        }
        let mangled = format!("_{stripped}{text}");
        self.intern(&mangled).held()
    }

    /// Gives a class the getter and setter that instances' `__dict__` or `__weakref__` has.
    fn copy_getset(&mut self, class: Held<Class>, name: Name) {
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
        class.namespace().set_str(heap, name, getset.value()).expect("a namespace has room");
    }

    /// Window: ..., class, names to tell, how many were told, keywords. Calls `__set_name__` of the next, or goes on.
    fn tell_names(&mut self, window: Args) -> NativeResult {
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
        let (method, owner) = found.expect("object has it");
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
    fn keyword_names(&mut self, keywords: Root) -> Raw {
        let keys: SmallVec<[Raw; 4]> = match keywords.get(self).exact::<Dict>() {
            Some(dict) => dict.iter().map(|(key, _)| key.raw()).collect(),
            None => SmallVec::new(),
        };
        Tuple::build(&self.heap, keys.len(), |i| Value::adopt(keys[i])).value().raw()
    }

    /// Pushes a dict's values; how many there are.
    fn push_values(&mut self, keywords: Root) -> u32 {
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
            return Err(self.system_error("a class without __new__"));
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
    pub(super) fn load_build_class(&mut self) -> Result<Raw, Raised> {
        let name = self.name(Name::BuildClass);
        match self.builtins().get_str(&self.heap, name) {
            Some(found) => Ok(found.raw()),
            None => Err(self.raise_text(Exc::NameError, "__build_class__ not found")),
        }
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

    fn run_class_body(&mut self, function: Root, namespace: Root) -> NativeResult {
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

    // ---- builtin types ----

    /// Makes `object` and `type`, which everything else needs.
    pub fn install_core(&mut self) {
        let heap = self.heap.forever();
        let builtin = ClassFlags::NO_DICT | ClassFlags::NO_WEAKREF;
        let mut made: Vec<Held<Class>> = vec![];
        for (name, layout, flags) in
            [("object", Kind::Instance, builtin), ("type", Kind::Class, ClassFlags::METACLASS | ClassFlags::LAYOUT)]
        {
            let name = self.intern(name).held();
            let bases = made.first().map_or_else(|| self.empty_tuple().held(), |o| Tuple::new(heap, &[o.value()]));
            let class = heap.alloc(Class {
                name: Ref::new(name),
                qualname: Slot::new(name.value()),
                bases: Ref::new(bases),
                mro: Ref::none(),
                dict: Ref::new(Dict::new(heap)),
                metaclass: Ref::none(),
                subclasses: Ref::none(),
                flags: StdCell::new(flags),
                layout,
                root_shape: StdCell::new(0),
                inline_slots: StdCell::new(0),
                fixed_slots: StdCell::new(0),
                version: StdCell::new(0),
            });
            let shape = self.shapes.root(class, 0);
            class.get().root_shape.set(shape);
            let order: Vec<Value<'static>> =
                std::iter::once(class.value()).chain(made.iter().map(|c| c.value())).collect();
            class.set_ref(heap, |c| &c.mro, Some(Tuple::new(heap, &order)));
            made.push(class);
        }
        let (object, type_) = (made[0], made[1]);
        self.types.object = object.value().raw();
        self.types.type_ = type_.value().raw();
        for class in &made {
            class.set_ref(heap, |c| &c.metaclass, Some(type_));
        }
        self.add_subclass(object, type_);
        self.types.named.push(("object", object.value().raw()));
        self.types.named.push(("type", type_.value().raw()));
        self.types.set_kind(Kind::Instance, object);
        self.types.set_kind(Kind::Class, type_);
    }

    /// Makes builtin types, or adds methods to those that are there already under the same name. Bases must come before.
    pub fn install_types(&mut self, rows: &[TypeRow]) {
        for row in rows {
            let known = self.types.named.iter().find(|(name, _)| *name == row.name).map(|(_, raw)| *raw);
            let class = match known {
                Some(raw) => Value::adopt(raw).exact::<Class>().expect("a class"),
                None => self.install_type(row),
            };
            if let Some(kind) = row.kind {
                // Some types have values of two kinds.
                let (kind, twin) = match kind {
                    Kind::Int | Kind::BigInt => (Kind::Int, Kind::BigInt),
                    Kind::False | Kind::True => (Kind::False, Kind::True),
                    Kind::None => (Kind::None, Kind::Unbound),
                    kind => (kind, kind),
                };
                self.types.set_kind(kind, class);
                self.types.set_kind(twin, class);
                if kind == Kind::False {
                    self.types.bool_ = class.value().raw();
                }
            }
            if let Some(place) = Place::of(row.name) {
                self.types.by_kind[place as usize] = class.value().raw();
            }
            for table in row.methods {
                self.methods_of(class, table);
            }
            if let Some(table) = row.methods.first() {
                self.document(class, table);
            }
            if class != self.object_class() {
                self.update_flags_below(class);
            }
        }
        self.end_epoch();
    }

    fn install_type(&mut self, row: &TypeRow) -> Held<Class> {
        let base = match row.base {
            "" => self.object_class().held(),
            base => self.named_class(base).held(),
        };
        let mut flags = row.flags | (base.get().flags.get() & (ClassFlags::EXCEPTION | ClassFlags::METACLASS));
        let layout = if row.layout == Kind::Instance { base.get().layout } else { row.layout };
        if layout != base.get().layout || layout == Kind::NativeObject {
            flags |= ClassFlags::LAYOUT;
        }
        let with_dict = matches!(
            layout,
            Kind::Exception
                | Kind::Module
                | Kind::Function
                | Kind::Class
                | Kind::StaticMethod
                | Kind::ClassMethod
                | Kind::Future
                | Kind::Task
        );
        if !with_dict && !flags.contains(ClassFlags::OPEN) && base.has(ClassFlags::NO_DICT) {
            flags |= ClassFlags::NO_DICT;
        }
        let fixed = if has_own_cells(layout) { base.get().fixed_slots.get() } else { 1 };
        let class = self.builtin_class(row.name, row.module, &[base], flags, layout, fixed);
        self.types.named.push((row.name, class.value().raw()));
        class
    }

    fn builtin_class(
        &mut self,
        name: &str,
        module: &str,
        bases: &[Held<Class>],
        flags: ClassFlags,
        layout: Kind,
        fixed: u8,
    ) -> Held<Class> {
        let heap = self.heap.forever();
        let dict = Dict::new(heap);
        if module != "builtins" {
            let value = self.intern(module).held();
            dict.set_str(heap, self.name(Name::Module), value.value()).expect("a namespace has room");
        }
        let name = self.intern(name).value().raw();
        let bases = Tuple::build(heap, bases.len(), |i| bases[i].value()).value().raw();
        let metaclass = self.type_class().held();
        let parts = Parts { name, qualname: name, bases, dict, metaclass, flags, layout, fixed };
        self.make_class(parts).expect("builtin classes are consistent")
    }

    fn document(&mut self, class: Held<Class>, table: &'static Natives) {
        let name = self.name(Name::Doc).held();
        let known = class.namespace().get_str(&self.heap, name);
        if known.is_some_and(|d| d.kind() == Kind::GetSet) {
            // Instances have docs of their own.
            return;
        }
        let doc = self.doc_value(table.doc);
        class.namespace().set_str(self.heap.forever(), name, Value::adopt(doc)).expect("a namespace has room");
    }

    /// A docstring from the lines of a declaration; None if there are none.
    pub(crate) fn doc_value(&self, lines: &[&str]) -> Raw {
        if lines.is_empty() {
            return Raw::NONE;
        }
        let lines: Vec<&str> = lines.iter().map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
        Str::new(&self.heap, &lines.join("\n")).value().raw()
    }

    /// Puts a table of methods, getters and setters into a class's namespace.
    pub(crate) fn methods_of(&mut self, class: Held<Class>, table: &'static Natives) {
        let heap = self.heap.forever();
        for def in table.defs {
            let name = self.intern(def.name).held();
            let native = self.native_function(def, Raw::NONE, Some(class), Raw::NONE);
            let value = match def.kind {
                NativeKind::Getter | NativeKind::Setter => self.accessor(class, name, native, def),
                _ => native,
            };
            class.namespace().set_str(heap, name, Value::adopt(value)).expect("a namespace has room");
        }
    }

    /// The GetSet of a class that a getter or setter belongs to.
    fn accessor(&mut self, class: Held<Class>, name: Held<Str>, native: Raw, def: &'static NativeDef) -> Raw {
        let heap = self.heap.forever();
        let known = class.namespace().get_str(heap, name).and_then(|v| v.exact::<GetSet>());
        let getset = known.unwrap_or_else(|| {
            heap.alloc(GetSet {
                name: Ref::new(name),
                class: Ref::new(class),
                access: Access::Native(0),
                getter: AnyRef::none(),
                setter: AnyRef::none(),
                doc: Slot::new(Value::NONE),
            })
        });
        if def.kind == NativeKind::Getter {
            getset.set_any(heap, |g| &g.getter, Value::adopt(native));
            let doc = self.doc_value(def.doc);
            getset.set(heap, |g| &g.doc, Value::adopt(doc));
        } else {
            getset.set_any(heap, |g| &g.setter, Value::adopt(native));
        }
        getset.value().raw()
    }

    /// A native as a value.
    pub(crate) fn native_function(
        &self,
        def: &'static NativeDef,
        receiver: Raw,
        class: Option<Held<Class>>,
        module: Raw,
    ) -> Raw {
        let (positional, simple) = def.positional();
        let native = self.heap.alloc(NativeFunction {
            def,
            positional: positional as u8,
            simple,
            receiver: Slot::new(Value::adopt(receiver)),
            class: Ref::from_option(class),
            module: AnyRef::new(Value::adopt(module)),
        });
        native.value().raw()
    }

    /// Puts a table of functions into a module.
    pub fn functions_of(&mut self, module: Gc<'static, Module>, table: &'static Natives) {
        let heap = self.heap.forever();
        let name = module.dict().get_str(heap, self.name(Name::Name)).map_or(Raw::NONE, Value::raw);
        for def in table.defs {
            let native = self.native_function(def, module.value().raw(), None, name);
            let key = self.intern(def.name).held();
            module.dict().set_str(heap, key, Value::adopt(native)).expect("a namespace has room");
        }
        let doc_name = self.name(Name::Doc).held();
        if module.dict().get_str(heap, doc_name).is_none_or(Value::is_none) && !table.doc.is_empty() {
            let doc = self.doc_value(table.doc);
            module.dict().set_str(heap, doc_name, Value::adopt(doc)).expect("a namespace has room");
        }
    }

    /// Makes the builtin exception classes, with the attributes their instances keep. Methods come by rows of the same names.
    pub fn install_exceptions(&mut self) {
        let heap = self.heap.forever();
        for exc in Exc::ALL.iter().copied() {
            let mut bases = vec![];
            let root = exc.base() == exc;
            bases.push(if root { self.object_class().held() } else { self.exception_class(exc.base()).held() });
            if exc == Exc::ExceptionGroup {
                bases.push(self.exception_class(Exc::Exception).held());
            }
            let module = match exc {
                Exc::CancelledError | Exc::InvalidStateError => "asyncio.exceptions",
                _ => "builtins",
            };
            let mut flags = ClassFlags::EXCEPTION;
            if root || !exc.own_fields().is_empty() {
                flags |= ClassFlags::LAYOUT;
            }
            let class = self.builtin_class(exc.name(), module, &bases, flags, Kind::Exception, 0);
            self.types.set_exception(exc, class);
            class.get().inline_slots.set(exc as u8);
            self.types.named.push((exc.name(), class.value().raw()));
            if root {
                self.types.set_kind(Kind::Exception, class);
            }
            let first = field_count(exc) - exc.own_fields().len();
            for (number, field) in exc.own_fields().iter().enumerate() {
                let name = self.intern(field).held();
                let getset = heap.alloc(GetSet {
                    name: Ref::new(name),
                    class: Ref::new(class),
                    access: Access::Field((first + number) as u8),
                    getter: AnyRef::none(),
                    setter: AnyRef::none(),
                    doc: Slot::new(Value::NONE),
                });
                class.namespace().set_str(heap, name, getset.value()).expect("a namespace has room");
            }
        }
        self.end_epoch();
    }

    /// The builtin exception class whose layout instances of an exception class have.
    pub fn builtin_exception(&self, class: Gc<'_, Class>) -> Exc {
        // The classes of the table keep their number where others keep the inline slots of instances.
        let known = |c: Gc<'_, Class>| {
            let exc = Exc::ALL.get(usize::from(c.get().inline_slots.get())).copied()?;
            self.types.by_exception[exc as usize].same(c.value().raw()).then_some(exc)
        };
        let mut nearest = class.mro().filter_map(known);
        let first = nearest.next().unwrap_or(Exc::BaseException);
        // With several bases the one with the most fields is the one that says what an instance keeps.
        nearest.fold(first, |best, other| if field_count(other) > field_count(best) { other } else { best })
    }
}

/// Whether a text is an identifier.
fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || unicode_ident::is_xid_start(c))
        && chars.all(unicode_ident::is_xid_continue)
}

/// Window: ..., class, names to tell, how many were told, keywords, the value told.
fn after_set_name(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let state = Args { start: window.start, count: window.count - 1 };
    if let Resumed::Raised(exception) = resumed {
        cx.note_set_name(state, exception);
        return Err(cx.pass_on(exception));
    }
    cx.release(state.start + state.count);
    cx.tell_names(state)
}

/// Window: ..., class, names told, how many, keywords, names of the keywords.
fn after_init_subclass(cx: &mut Vm, window: Args, _: Resumed) -> NativeResult {
    Ok(window.get(cx, window.len() - 5).into())
}

impl Vm {
    /// Adds the note CPython adds to what a `__set_name__` raises.
    fn note_set_name(&mut self, state: Args, exception: Root) {
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
                dict.set_str(heap, key, notes.value()).expect("a small dict");
                notes
            }
        };
        notes.push(heap, Str::new(heap, &note).value()).expect("a list of notes has room");
    }
}

/// Window: function, name, (nothing), keywords, bases, ..., and the state of [`Vm::build_class`].
fn after_prepare(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
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
fn after_body(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
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
fn after_class(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
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
fn after_type_new(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
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

fn after_type_init(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Returned(value) = resumed
        && !value.get(cx).is_none()
    {
        let got = cx.type_name_for_error(value.get(cx));
        return Err(cx.type_error(format!("__init__() should return None, not '{got}'")));
    }
    Ok(window.get(cx, 0).into())
}
