//! Classes, shapes and instances.
//!
//! A class has a namespace (a dict), its bases and its method resolution order. A *shape* says which attribute of an
//! instance is in which slot; it belongs to one class. Adding an attribute moves an instance to the next shape, so instances
//! made alike share one, and a place found once for a shape holds for all of them. Instances with very many attributes, with
//! one deleted, or whose `__dict__` was asked for have a real dict instead (*dict mode*).

use std::cell::Cell as StdCell;

use bitflags::bitflags;

use crate::heap::{AnyRef, Gc, Heap, Kind, Raw, Ref, Slot, Tracer, Value};
use crate::object::{Dict, Function, List, Slots, Str, Tuple};

/// Whether instances of a builtin class can be weakly referred to. Of the others that takes a class derived from theirs.
pub fn has_weak_references(layout: Kind) -> bool {
    use Kind as K;
    matches!(
        layout,
        K::Instance
            | K::Function
            | K::BoundMethod
            | K::Native
            | K::Class
            | K::Module
            | K::Set
            | K::FrozenSet
            | K::Generator
            | K::Coroutine
            | K::AsyncGenerator
            | K::Code
            | K::Future
            | K::Task
            | K::NativeObject
            | K::Array
            | K::Deque
            | K::MemoryView
            | K::GenericAlias
    )
}

bitflags! {
    /// What is known of a class.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ClassFlags: u32 {
        /// Written in the language: it can be changed.
        const HEAP = 1;
        /// Cannot be derived from (bool, NoneType, function, ...).
        const FINAL = 1 << 1;
        /// An inline cache relies on how attributes of this class are found: a change of them must bump the machine's epoch.
        const CACHED = 1 << 2;
        /// Instances have no `__dict__` (`__slots__` without it all the way up).
        const NO_DICT = 1 << 3;
        /// `__getattribute__` is not object's.
        const GETATTRIBUTE = 1 << 4;
        /// Has `__getattr__`.
        const GETATTR = 1 << 5;
        /// `__setattr__` is not object's.
        const SETATTR = 1 << 6;
        /// `__delattr__` is not object's.
        const DELATTR = 1 << 7;
        /// Has `__del__`.
        const FINALISER = 1 << 8;
        /// `__eq__` is not object's.
        const EQ = 1 << 9;
        /// `__hash__` is not object's.
        const HASH = 1 << 10;
        /// Cannot be instantiated by calling it (generator, frame, ...).
        const NO_NEW = 1 << 11;
        /// Instances can be weakly referred to only if this is unset (`__slots__` without `__weakref__`).
        const NO_WEAKREF = 1 << 12;
        /// A pattern matches it positionally by the subject itself (int, str, ...).
        const MATCH_SELF = 1 << 13;
        /// Counts as a sequence in patterns.
        const SEQUENCE = 1 << 14;
        /// Counts as a mapping in patterns.
        const MAPPING = 1 << 15;
        /// Has abstract methods: cannot be instantiated.
        const ABSTRACT = 1 << 16;
        /// An exception class.
        const EXCEPTION = 1 << 17;
        /// A metaclass: derived from type.
        const METACLASS = 1 << 18;
        /// Builtin, but attributes can be set on it, and its instances have a `__dict__` (natives written as classes).
        const OPEN = 1 << 19;
        /// Adds to the layout of its bases: of two such classes one must derive from the other to be bases of a third.
        const LAYOUT = 1 << 20;
        /// Instances have room inline for what the class was told, whatever they get later: most of them never do.
        const LEAN = 1 << 21;
        /// Its instances are fields of named tuples.
        const FIELD = 1 << 22;
        /// Its instances are attributes that stand for another of the same object: the first of their own attributes is its name.
        const ALIAS = 1 << 23;
    }
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// `__name__`.
    pub name: Ref<Str>,
    /// `__qualname__`.
    pub qualname: Slot,
    /// `__bases__`.
    pub bases: Ref<Tuple>,
    /// `__mro__`.
    pub mro: Ref<Tuple>,
    /// The namespace.
    pub dict: Ref<Dict>,
    /// The class's class.
    pub metaclass: Ref<Class>,
    /// Weak references to direct subclasses.
    pub subclasses: Ref<List>,
    /// What is known of it.
    pub flags: StdCell<ClassFlags>,
    /// The layout of its instances: `Instance`, or that of the builtin type it derives from.
    pub layout: Kind,
    /// The shape instances begin with.
    pub root_shape: StdCell<u32>,
    /// Slots a new instance gets inline: learnt from earlier ones.
    pub inline_slots: StdCell<u8>,
    /// Slots taken by `__slots__` (and the payload of a builtin base), which every instance has.
    pub fixed_slots: StdCell<u8>,
    /// Changes when an attribute of it or of a base comes, goes, or changes to or from a function or descriptor.
    pub version: StdCell<u32>,
    /// How the machine makes an instance at once: a number of its own, 0 where it does not (or does not know yet).
    pub maker: StdCell<u8>,
    /// The `__init__` that a call of the class enters with a new instance, where there is no more to it, in this epoch of the machine.
    pub constructor: Ref<Function>,
    /// See `constructor`.
    pub constructor_epoch: StdCell<u32>,
}

crate::cell! { Class: Class {
    slots: [qualname], refs: [name, bases, mro, dict, metaclass, subclasses, constructor]
} }

impl<'h> Gc<'h, Class> {
    /// Whether a flag is set.
    #[inline(always)]
    pub fn has(self, flag: ClassFlags) -> bool {
        self.get().flags.get().contains(flag)
    }

    /// What instances are to patterns: `SEQUENCE`, `MAPPING`, or nothing. The first class of the resolution order that is either says.
    pub fn pattern_kind(self) -> ClassFlags {
        let either = ClassFlags::SEQUENCE | ClassFlags::MAPPING;
        let kind = self.get().flags.get() & either;
        if kind.is_empty() {
            return self
                .mro()
                .map(|class| class.get().flags.get() & either)
                .find(|kind| !kind.is_empty())
                .unwrap_or(kind);
        }
        kind
    }

    /// Sets a flag.
    pub fn set_flag(self, flag: ClassFlags) {
        self.get().flags.set(self.get().flags.get() | flag);
    }

    /// The namespace.
    #[inline(always)]
    pub fn namespace(self) -> Gc<'h, Dict> {
        self.get().dict.get().expect("a class has a namespace")
    }

    /// The name as `__name__` gives it.
    pub fn name(self) -> Gc<'h, Str> {
        self.get().name.get().expect("a class has a name")
    }

    /// The method resolution order: itself first, object last.
    pub fn mro(self) -> impl DoubleEndedIterator<Item = Gc<'h, Class>> + ExactSizeIterator {
        self.get().mro.get().expect("a class has an order").items().map(|v| v.exact::<Class>().expect("of classes"))
    }

    /// Whether it is `other` or derived from it.
    #[inline]
    pub fn is_subclass(self, other: Gc<'_, Class>) -> bool {
        if self == other {
            return true;
        }
        let (order, other) = (self.get().mro.get().expect("a class has an order"), other.value().raw());
        order.tail().iter().any(|class| class.get().raw().same(other))
    }

    /// Looks a name up along the method resolution order.
    pub fn lookup(self, heap: &Heap, name: Gc<'_, Str>) -> Option<Value<'h>> {
        self.lookup_with_owner(heap, name).map(|(value, _)| value)
    }

    /// As `lookup`, with the class it was found in.
    pub fn lookup_with_owner(self, heap: &Heap, name: Gc<'_, Str>) -> Option<(Value<'h>, Gc<'h, Class>)> {
        self.mro().find_map(|c| c.namespace().get_str(heap, name).map(|v| (v, c)))
    }
}

/// The number of a shape. 0 is none.
pub type ShapeId = u32;

/// Attributes from which on an instance goes to dict mode.
const MOST_SLOTS: usize = 60;

/// One shape; what class it belongs to is in a list of its own.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Names of the slots, in order; UNBOUND for slots reached only by descriptors (`__slots__`, a builtin base's payload).
    names: Vec<Raw>,
    /// Shapes with one more attribute.
    next: Vec<(Raw, ShapeId)>,
    /// The shape without the last attribute; that of no class if there is none.
    before: ShapeId,
    /// Whether attributes are in a dict.
    dict_mode: bool,
    /// The shape with the same class in dict mode.
    dict_shape: ShapeId,
}

/// Every shape of a machine. One lives as long as its class, and that as long as something refers to it or has one of its shapes.
#[derive(Debug, Default)]
pub struct Shapes {
    table: Vec<Shape>,
    /// The class each belongs to; UNBOUND for those not in use.
    classes: Vec<Raw>,
    /// Numbers of shapes whose class died.
    free: Vec<ShapeId>,
    /// Shapes made since the last collection.
    young: Vec<ShapeId>,
}

impl Shapes {
    /// A table without shapes.
    pub fn new() -> Shapes {
        let none = Shape { dict_mode: true, ..Shape::default() };
        Shapes { table: vec![none], classes: vec![Raw::UNBOUND], ..Shapes::default() }
    }

    /// Visits the classes that shapes belong to: all, or only those of the shapes made since the last collection.
    pub fn trace(&self, young: bool, tracer: &mut Tracer<'_>) {
        if young {
            self.young.iter().for_each(|shape| tracer.raw(self.classes[*shape as usize]));
        } else {
            self.classes.iter().for_each(|class| tracer.raw(*class));
        }
    }

    /// The class of each shape, by its number.
    pub fn classes(&self) -> &[Raw] {
        &self.classes
    }

    /// What is alive is marked: visits the names of shapes whose class lives, and forgets the others. Whether there were any.
    pub fn forget_dead(&mut self, tracer: &mut Tracer<'_>) -> bool {
        let before = self.free.len();
        for (number, class) in self.classes.iter_mut().enumerate() {
            if tracer.is_alive(*class) {
                self.table[number].names.iter().for_each(|name| tracer.raw(*name));
            } else if !class.is_unbound() {
                *class = Raw::UNBOUND;
                self.table[number] = Shape::default();
                self.free.push(number as ShapeId);
            }
        }
        self.free.len() > before
    }

    /// A collection has ended: what there is is old.
    pub fn grow_old(&mut self) {
        self.young.clear();
    }

    fn add(&mut self, class: Raw, shape: Shape) -> ShapeId {
        let number = match self.free.pop() {
            Some(number) => {
                self.table[number as usize] = shape;
                self.classes[number as usize] = class;
                number
            }
            None => {
                self.table.push(shape);
                self.classes.push(class);
                // The numbers above stand for builtin types in the keys of caches.
                u32::try_from(self.table.len() - 1).ok().filter(|n| *n < 0xFFFF_0000).expect("under 4 Gi shapes")
            }
        };
        self.young.push(number);
        number
    }

    /// The shape that instances of a new class begin with: `fixed` slots that only descriptors reach.
    pub fn root(&mut self, class: Gc<'_, Class>, fixed: usize) -> ShapeId {
        let class = class.value().raw();
        let names = vec![Raw::UNBOUND; fixed];
        let dict_shape = self.add(class, Shape { names: names.clone(), dict_mode: true, ..Shape::default() });
        self.table[dict_shape as usize].dict_shape = dict_shape;
        self.add(class, Shape { names, dict_shape, ..Shape::default() })
    }

    /// The class a shape belongs to.
    #[inline(always)]
    pub fn class<'h>(&self, _heap: &'h Heap, shape: ShapeId) -> Gc<'h, Class> {
        let class = Value::adopt(self.classes[shape as usize]);
        class.exact::<Class>().expect("a shape belongs to a class")
    }

    /// Whether instances of this shape have their attributes in a dict.
    #[inline(always)]
    pub fn is_dict_mode(&self, shape: ShapeId) -> bool {
        self.table[shape as usize].dict_mode
    }

    /// The same class's shape in dict mode.
    pub fn dict_shape(&self, shape: ShapeId) -> ShapeId {
        self.table[shape as usize].dict_shape
    }

    /// The slot of an attribute. `name` is interned.
    #[inline]
    pub fn slot(&self, shape: ShapeId, name: Gc<'_, Str>) -> Option<usize> {
        let name = name.value().raw();
        self.table[shape as usize].names.iter().position(|n| n.same(name))
    }

    /// The shape without the attribute in the last slot, if `slot` is that.
    pub fn without(&self, shape: ShapeId, slot: usize) -> Option<ShapeId> {
        let from = &self.table[shape as usize];
        (slot + 1 == from.names.len() && from.before != 0).then_some(from.before)
    }

    /// Number of slots in use.
    pub fn len(&self, shape: ShapeId) -> usize {
        self.table[shape as usize].names.len()
    }

    /// Whether there are no shapes but the first.
    pub fn is_empty(&self) -> bool {
        self.table.len() <= 1
    }

    /// Names and slots of a shape's attributes, in order of their making.
    pub fn names<'h>(&self, _heap: &'h Heap, shape: ShapeId) -> Vec<(usize, Gc<'h, Str>)> {
        let names = self.table[shape as usize].names.iter().enumerate();
        names.filter_map(|(slot, name)| Value::adopt(*name).exact::<Str>().map(|n| (slot, n))).collect()
    }

    /// The shape with one more attribute, in a new slot at the end; None if such an instance should go to dict mode.
    pub fn with(&mut self, shape: ShapeId, name: Gc<'_, Str>) -> Option<ShapeId> {
        let raw = name.value().raw();
        let from = &self.table[shape as usize];
        if let Some((_, next)) = from.next.iter().find(|(n, _)| n.same(raw)) {
            return Some(*next);
        }
        // A class whose instances differ a lot is better off with dicts.
        if from.names.len() >= MOST_SLOTS || from.next.len() >= 64 {
            return None;
        }
        let mut names = from.names.clone();
        names.push(raw);
        let dict_shape = from.dict_shape;
        let next =
            self.add(self.classes[shape as usize], Shape { names, dict_shape, before: shape, ..Shape::default() });
        self.table[shape as usize].next.push((raw, next));
        Some(next)
    }
}

/// An instance. The inline slots are its tail; slots past them are in `extra`, which in dict mode is the dict.
#[derive(Debug)]
pub struct Instance {
    /// A [`Slots`] with the slots past the inline ones, or a [`Dict`] in dict mode, or none.
    pub extra: AnyRef,
    inline: u8,
}

crate::cell! { Instance: Instance { slots: [], refs: [extra] } tail SlotTail by |i| i.inline as usize }

impl Instance {
    /// An instance with the class's first shape.
    #[inline]
    pub fn new<'h>(heap: &'h Heap, class: Gc<'_, Class>) -> Gc<'h, Instance> {
        let inline = class.get().inline_slots.get();
        let instance = heap.alloc_slots(Instance { extra: AnyRef::none(), inline }, |_| Value::UNBOUND);
        instance.set_shape(class.get().root_shape.get());
        if class.get().layout != Kind::Instance {
            instance.set_layout(class.get().layout);
        }
        instance
    }

    /// An instance with the class's first shape, and these in its first slots.
    #[inline]
    pub fn with_slots<'h>(heap: &'h Heap, class: Gc<'_, Class>, values: &[Value<'h>]) -> Gc<'h, Instance> {
        let inline = class.get().inline_slots.get();
        if usize::from(inline) == values.len() && class.get().layout == Kind::Instance {
            let instance = heap.alloc_slots(Instance { extra: AnyRef::none(), inline }, |slot| values[slot]);
            instance.set_shape(class.get().root_shape.get());
            return instance;
        }
        let instance = Instance::new(heap, class);
        for (slot, value) in values.iter().enumerate() {
            instance.set_slot(heap, slot, *value);
        }
        instance
    }

    /// Number of inline slots.
    #[inline(always)]
    pub fn inline(&self) -> usize {
        usize::from(self.inline)
    }
}

impl<'h> Gc<'h, Instance> {
    /// The dict of an instance in dict mode.
    #[inline(always)]
    pub fn dict(self) -> Option<Gc<'h, Dict>> {
        self.get().extra.get::<Dict>()
    }

    /// The content of a slot; UNBOUND if it was never set.
    #[inline(always)]
    pub fn slot(self, slot: usize) -> Value<'h> {
        let inline = self.tail();
        if slot < inline.len() {
            return inline[slot].get();
        }
        match self.get().extra.get::<Slots>() {
            Some(more) if slot - inline.len() < more.capacity() => more.tail()[slot - inline.len()].get(),
            _ => Value::UNBOUND,
        }
    }

    /// Sets the content of a slot, with room made where there is none.
    pub fn set_slot(self, heap: &'h Heap, slot: usize, value: Value<'_>) {
        let inline = self.inline();
        if slot < inline {
            self.set_tail(heap, slot, value);
            return;
        }
        let at = slot - inline;
        let more = match self.get().extra.get::<Slots>() {
            Some(more) if at < more.capacity() => more,
            old => {
                let capacity = (at + 1).next_power_of_two().max(4);
                let more = Slots::few(heap, capacity);
                if let Some(old) = old {
                    for (i, slot) in old.tail().iter().enumerate() {
                        more.set_tail(heap, i, slot.get());
                    }
                }
                self.set_any(heap, |i| &i.extra, more.value());
                more
            }
        };
        more.set_tail(heap, at, value);
    }
}
