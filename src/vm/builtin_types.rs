//! The builtin types, made at start from their rows.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Slot, Value};
use crate::object::{
    Access, Class, ClassFlags, Dict, Exc, GetSet, Module, Str, Tuple, field_count, has_weak_references,
};

use super::class_make::Parts;
use super::frame::Held;
use super::native::{NativeDef, NativeFunction, NativeKind, Natives};
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
    /// Whether it has a docstring.
    pub documented: bool,
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
            documented: true,
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
            documented: true,
        }
    }

    /// The same with more flags.
    pub const fn with(mut self, flags: ClassFlags) -> TypeRow {
        self.flags = self.flags.union(flags);
        self
    }

    /// The same without a docstring.
    pub const fn undocumented(mut self) -> TypeRow {
        self.documented = false;
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
    OrderedKeys,
    OrderedValues,
    OrderedItems,
}

impl Place {
    pub(super) fn of(name: &str) -> Option<Place> {
        Some(match name {
            "method_descriptor" => Place::MethodDescriptor,
            "wrapper_descriptor" => Place::WrapperDescriptor,
            "classmethod_descriptor" => Place::ClassMethodDescriptor,
            "method-wrapper" => Place::MethodWrapper,
            "member_descriptor" => Place::MemberDescriptor,
            "dict_keys" => Place::DictKeys,
            "dict_values" => Place::DictValues,
            "dict_items" => Place::DictItems,
            "odict_keys" => Place::OrderedKeys,
            "odict_values" => Place::OrderedValues,
            "odict_items" => Place::OrderedItems,
            _ => return None,
        })
    }
}

impl Vm {
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
                maker: StdCell::new(0),
                constructor: Ref::none(),
                constructor_epoch: std::cell::Cell::new(0),
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
        let mut classes = Vec::with_capacity(rows.len());
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
            self.without_hash(class);
            if let Some(table) = row.methods.first() {
                self.document(class, table, row.documented);
            }
            classes.push((class, known.is_some()));
        }
        // Once their methods are all there: a class comes after its bases, and with one that was there before come those below it.
        let object = self.object_class().held();
        let mut updated: Vec<Held<Class>> = vec![];
        for (class, known) in classes {
            if !known {
                self.update_flags(class);
            } else if class != object && !class.mro().any(|base| updated.contains(&base)) {
                self.update_flags_below(class);
                updated.push(class);
            }
        }
        self.end_epoch();
    }

    /// What defines equality and no hash is not hashable.
    fn without_hash(&mut self, class: Held<Class>) {
        let heap = self.heap.forever();
        let (eq, hash) = (self.name(Name::Eq).held(), self.name(Name::Hash).held());
        let namespace = class.namespace();
        if namespace.find_str(heap, eq).is_some() && namespace.find_str(heap, hash).is_none() {
            namespace.put_str(heap, hash, Value::NONE);
        }
    }

    pub(super) fn install_type(&mut self, row: &TypeRow) -> Held<Class> {
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

    pub(super) fn builtin_class(
        &mut self,
        name: &str,
        module: &str,
        bases: &[Held<Class>],
        flags: ClassFlags,
        layout: Kind,
        fixed: u8,
    ) -> Held<Class> {
        let heap = self.heap.forever();
        let flags = if has_weak_references(layout) { flags } else { flags | ClassFlags::NO_WEAKREF };
        let dict = Dict::new(heap);
        if module != "builtins" {
            let value = self.intern(module).held();
            dict.put_str(heap, self.name(Name::Module), value.value());
        }
        let name = self.intern(name).value().raw();
        let bases = Tuple::build(heap, bases.len(), |i| bases[i].value()).value().raw();
        let metaclass = self.type_class().held();
        let parts = Parts { name, qualname: name, bases, dict, metaclass, flags, layout, fixed };
        self.make_class(parts).expect("builtin classes are consistent")
    }

    pub(super) fn document(&mut self, class: Held<Class>, table: &'static Natives, documented: bool) {
        let name = self.name(Name::Doc).held();
        let known = class.namespace().get_str(&self.heap, name);
        if known.is_some_and(|d| d.kind() == Kind::GetSet) {
            // Instances have docs of their own.
            return;
        }
        let doc = if documented { self.doc_value(table.doc) } else { Raw::NONE };
        class.namespace().put_str(self.heap.forever(), name, Value::adopt(doc));
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
            class.namespace().put_str(heap, name, Value::adopt(value));
        }
    }

    /// The GetSet of a class that a getter or setter belongs to.
    pub(super) fn accessor(
        &mut self,
        class: Held<Class>,
        name: Held<Str>,
        native: Raw,
        def: &'static NativeDef,
    ) -> Raw {
        let heap = self.heap.forever();
        // A field that has functions of its own is reached through them alone.
        let known = class.namespace().get_str(heap, name).and_then(|v| v.exact::<GetSet>());
        let known = known.filter(|getset| matches!(getset.get().access, Access::Native { .. }));
        let getset = known.unwrap_or_else(|| {
            heap.alloc(GetSet {
                name: Ref::new(name),
                class: Ref::new(class),
                access: Access::Native { member: is_member(&class.name().to_str_lossy(), def.name) },
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
            least: def.least(),
            receiver: Slot::new(Value::adopt(receiver)),
            class: Ref::from_option(class),
            module: AnyRef::new(Value::adopt(module)),
            target: Ref::none(),
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
            module.dict().put_str(heap, key, Value::adopt(native));
        }
        let doc_name = self.name(Name::Doc).held();
        if module.dict().get_str(heap, doc_name).is_none_or(Value::is_none) && !table.doc.is_empty() {
            let doc = self.doc_value(table.doc);
            module.dict().put_str(heap, doc_name, Value::adopt(doc));
        }
    }

    /// Makes the builtin exception classes, with the attributes their instances keep. Methods come by rows of the same names.
    pub fn install_exceptions(&mut self) {
        let heap = self.heap.forever();
        for exc in Exc::ALL.iter().copied() {
            let mut bases = vec![];
            let (root, group) = (exc.base() == exc, exc == Exc::ExceptionGroup);
            bases.push(if root { self.object_class().held() } else { self.exception_class(exc.base()).held() });
            if group {
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
            if group {
                // CPython makes it as scripts make classes.
                flags |= ClassFlags::OPEN;
            }
            let class = self.builtin_class(exc.name(), module, &bases, flags, Kind::Exception, 0);
            self.types.set_exception(exc, class);
            let (name, doc) = (self.name(Name::Doc).held(), self.doc_value(if group { &[] } else { exc.doc() }));
            class.namespace().put_str(heap, name, Value::adopt(doc));
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
                class.namespace().put_str(heap, name, getset.value());
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

/// Whether CPython has an attribute of a builtin class as a member of its C structure (a `member_descriptor`), not by functions.
fn is_member(class: &str, name: &str) -> bool {
    let names: &[&str] = match class {
        "ContextVar" => &["name"],
        "Match" => &["endpos", "pos", "re", "string"],
        "Pattern" => &["flags", "groups", "pattern"],
        "BaseException" => &["__suppress_context__"],
        "async_generator" => &["ag_running"],
        "builtin_function_or_method" => &["__module__"],
        "classmethod" | "staticmethod" => &["__func__", "__wrapped__"],
        "classmethod_descriptor"
        | "getset_descriptor"
        | "member_descriptor"
        | "method_descriptor"
        | "wrapper_descriptor" => &["__objclass__", "__name__"],
        "code" => &[
            "co_argcount",
            "co_posonlyargcount",
            "co_kwonlyargcount",
            "co_stacksize",
            "co_flags",
            "co_nlocals",
            "co_consts",
            "co_names",
            "co_filename",
            "co_name",
            "co_qualname",
            "co_firstlineno",
            "co_linetable",
            "co_exceptiontable",
        ],
        "complex" => &["real", "imag"],
        "coroutine" => &["cr_origin"],
        "frame" => &["f_trace_lines"],
        "function" => &["__closure__", "__doc__", "__globals__", "__module__", "__builtins__"],
        "method" => &["__func__", "__self__"],
        "method-wrapper" => &["__self__"],
        "module" => &["__dict__"],
        "property" => &["fget", "fset", "fdel", "__doc__"],
        "range" | "slice" => &["start", "stop", "step"],
        "super" => &["__thisclass__", "__self__", "__self_class__"],
        "traceback" => &["tb_frame", "tb_lasti"],
        "type" => &["__basicsize__", "__itemsize__", "__flags__", "__weakrefoffset__", "__base__", "__dictoffset__"],
        "timedelta" => &["days", "seconds", "microseconds"],
        "Interpolation" => &["value", "expression", "conversion", "format_spec"],
        "Template" => &["strings", "interpolations"],
        "GenericAlias" => &["__origin__", "__args__", "__unpacked__"],
        "SimpleNamespace" => &["__dict__"],
        "TypeAliasType" => &["__name__"],
        "Union" => &["__args__"],
        "ReferenceType" => &["__callback__"],
        _ => &[],
    };
    names.contains(&name)
}

/// Kinds whose derived instances are cells of their own, with the class in the shape (or in a field), not plain instances that hold the
/// builtin value in their first slot.
pub(super) fn has_own_cells(kind: Kind) -> bool {
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
