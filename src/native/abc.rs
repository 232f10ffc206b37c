//! The module `_abc`: what abstract base classes need of the machine, and tables of what is known of classes, which keep none alive.

use hashbrown::HashTable;

use crate::heap::{Gc, Raw, Tracer, Value, WeakRef};
use crate::native::forward::{keep_slow, slow};
use crate::native::{library_class, natives};
use crate::object::{Class, ClassFlags, Instance, List, NativeObject, Payload};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::{Library, Name, TypeRow};

static ROWS: &[TypeRow] = &[TypeRow::native("_abc", "ClassTable", &[&CLASS_TABLE])];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_abc").held();
    cx.functions_of(module, &ABC);
    Ok(())
}

/// What is known of a class, found by its address.
#[derive(Debug)]
struct Known {
    address: usize,
    /// Once the class has died this says so: another class may be at its address.
    reference: Raw,
    value: Raw,
}

impl Known {
    fn is_alive(&self) -> bool {
        Value::adopt(self.reference).exact::<WeakRef>().is_some_and(|weak| weak.get().target().is_some())
    }
}

/// What is known of classes.
#[derive(Debug, Default)]
struct ClassTable(HashTable<Known>);

impl Payload for ClassTable {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        for known in &self.0 {
            tracer.raw(known.reference);
            tracer.raw(known.value);
        }
    }
}

fn hash(address: usize) -> u64 {
    (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl ClassTable {
    fn find(&mut self, class: Raw) -> Option<&mut Known> {
        let address = class.is_pointer().then(|| class.header().addr())?;
        self.0.find_mut(hash(address), |known| known.address == address && known.is_alive())
    }

    fn add(&mut self, known: Known) {
        if self.0.len() == self.0.capacity() {
            // About to grow it forgets those that have died.
            self.0.retain(|known| known.is_alive());
        }
        self.0.insert_unique(hash(known.address), known, |known| hash(known.address));
    }
}

fn table(cx: &Cx, this: Root) -> Gc<'static, NativeObject> {
    this.get(cx).exact::<NativeObject>().expect("a method's receiver").held()
}

fn find(cx: &Cx, this: Root, class: Root) -> Option<Raw> {
    let class = class.get(cx).raw();
    table(cx, this).with(|table: &mut ClassTable| table.find(class).map(|known| known.value)).flatten()
}

// Slots of what an abstract base class knows, in the order of their names.
const KNOWN: usize = 0;
const UNKNOWN: usize = 2;
const UNKNOWN_AT: usize = 3;

/// Whether an abstract base class knows another class as one of its own, or as none; UNBOUND if that is still to be found out.
fn known_subclass(cx: &Cx, class: Raw, of: Gc<'_, Class>) -> Raw {
    let known = || {
        let class = Value::<'static>::adopt(class).exact::<Class>()?;
        let own = class.namespace().get_str(&cx.heap, cx.name(Name::AbcImpl))?.exact::<Instance>()?;
        let of = of.value().raw();
        let among = |slot: usize| {
            let table = own.slot(slot).exact::<NativeObject>()?;
            table.with(|table: &mut ClassTable| table.find(of).is_some())
        };
        if among(KNOWN)? {
            return Some(Raw::TRUE);
        }
        let recent = own.slot(UNKNOWN_AT).raw().same(cx.library(Library::AbcToken));
        (recent && among(UNKNOWN)?).then_some(Raw::FALSE)
    };
    known().unwrap_or(Raw::UNBOUND)
}

/// `ABCMeta.__instancecheck__`, where all is known.
fn known_instance(cx: &mut Cx, class: Raw, object: Raw) -> Raw {
    let own = cx.class_of(Value::adopt(object)).held();
    if !cx.says_its_class(own) {
        return Raw::UNBOUND;
    }
    known_subclass(cx, class, own)
}

/// `ABCMeta.__subclasscheck__`, where all is known.
fn known_class(cx: &mut Cx, class: Raw, other: Raw) -> Raw {
    match Value::<'static>::adopt(other).exact::<Class>() {
        Some(other) => known_subclass(cx, class, other),
        None => Raw::UNBOUND,
    }
}

natives! {
    /// The metaclass of abstract base classes.
    static META: Methods;

    /// Whether an object is an instance of the class or of one that counts among its subclasses.
    #[quick(Two(known_instance))]
    fn __instancecheck__(cx: &mut Cx, this: Root, instance: Root) -> NativeResult {
        let [class, object] = [this, instance].map(|root| root.get(cx).raw());
        let found = known_instance(cx, class, object);
        if found.is_unbound() { slow(cx, "__instancecheck__", this, &[instance]) } else { Ok(Outcome::Value(found)) }
    }

    /// Whether a class counts among the subclasses.
    #[quick(Two(known_class))]
    fn __subclasscheck__(cx: &mut Cx, this: Root, subclass: Root) -> NativeResult {
        let [class, other] = [this, subclass].map(|root| root.get(cx).raw());
        let found = known_class(cx, class, other);
        if found.is_unbound() { slow(cx, "__subclasscheck__", this, &[subclass]) } else { Ok(Outcome::Value(found)) }
    }
}

fn put(cx: &mut Cx, this: Root, class: Root, value: Raw) -> Result<(), Raised> {
    let object = table(cx, this);
    if class.get(cx).exact::<Class>().is_none() {
        return Err(cx.type_error("only what is known of classes is kept".into()));
    }
    cx.heap.barrier_of(object.value());
    let raw = class.get(cx).raw();
    let reference = WeakRef::new(&cx.heap, class.get(cx), Value::NONE).expect("a class has a cell").value().raw();
    object.with(|table: &mut ClassTable| match table.find(raw) {
        Some(known) => known.value = value,
        None => table.add(Known { address: raw.header().addr(), reference, value }),
    });
    Ok(())
}

natives! {
    pub static ABC: Functions;

    /// Give the metaclass its native methods.
    fn complete_metaclass(cx: &mut Cx, metaclass: Root) -> NativeResult {
        if let Some(class) = library_class(cx, metaclass, 0) {
            keep_slow(cx, class, &META);
        }
        Ok(Outcome::NONE)
    }

    /// A class was registered: what was found not to be a subclass may be one now.
    fn note_token(cx: &mut Cx, token: i64) -> NativeResult {
        cx.set_library(Library::AbcToken, Raw::int(token));
        Ok(Outcome::NONE)
    }

    /// Have patterns take instances of the second class as those of the first: as sequences, as mappings, or neither.
    fn share_pattern_kind(cx: &mut Cx, of: Root, with: Root) -> NativeResult {
        if let (Some(of), Some(with)) = (of.get(cx).exact::<Class>(), with.get(cx).exact::<Class>()) {
            let kind = of.pattern_kind();
            if !kind.is_empty() && with.pattern_kind().is_empty() && with.has(ClassFlags::HEAP) {
                with.set_flag(kind);
            }
        }
        Ok(Outcome::NONE)
    }

    /// Have patterns take instances of the class as sequences (1 << 5) or mappings (1 << 6).
    fn set_pattern_kind(cx: &mut Cx, class: Root, flags: i64) -> NativeResult {
        if let Some(class) = class.get(cx).exact::<Class>() {
            if flags & 1 << 5 != 0 {
                class.set_flag(ClassFlags::SEQUENCE);
            } else if flags & 1 << 6 != 0 {
                class.set_flag(ClassFlags::MAPPING);
            }
        }
        Ok(Outcome::NONE)
    }

    /// Make a table without classes.
    fn class_table(cx: &mut Cx) -> NativeResult {
        let shape = cx.named_class("ClassTable").get().root_shape.get();
        let payload = Box::<ClassTable>::default();
        let object = cx.heap.alloc_slots(NativeObject::new(payload, 0), |_| Value::NONE);
        object.set_shape(shape);
        Ok(object.into())
    }
}

natives! {
    /// A table whose keys are classes that it does not keep alive: registries and caches of abstract base classes.
    static CLASS_TABLE: Methods;

    /// Return whether the class is in the table.
    fn __contains__(cx: &mut Cx, this: Root, class: Root) -> NativeResult {
        Ok(find(cx, this, class).is_some().into())
    }

    /// Return what is known of the class, or None.
    fn get(cx: &mut Cx, this: Root, class: Root) -> NativeResult {
        Ok(Outcome::Value(find(cx, this, class).unwrap_or(Raw::NONE)))
    }

    /// Know a class.
    fn add(cx: &mut Cx, this: Root, class: Root) -> NativeResult {
        put(cx, this, class, Raw::TRUE)?;
        Ok(Outcome::NONE)
    }

    /// Know something of a class.
    fn __setitem__(cx: &mut Cx, this: Root, class: Root, value: Root) -> NativeResult {
        let value = value.get(cx).raw();
        put(cx, this, class, value)?;
        Ok(Outcome::NONE)
    }

    /// Forget everything.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        table(cx, this).with(|table: &mut ClassTable| table.0.clear());
        Ok(Outcome::NONE)
    }

    /// Return weak references to the classes.
    fn references(cx: &mut Cx, this: Root) -> NativeResult {
        let object = table(cx, this);
        let alive = |table: &mut ClassTable| {
            table.0.iter().filter(|known| known.is_alive()).map(|known| Value::adopt(known.reference)).collect()
        };
        let found: Vec<Value<'static>> = object.with(alive).unwrap_or_default();
        Ok(List::new(&cx.heap, &found).into())
    }
}
