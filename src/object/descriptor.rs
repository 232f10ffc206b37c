//! Descriptors and other small objects of the data model.

use crate::heap::{AnyRef, Ref, Slot};
use crate::object::{Class, Dict, Str};

/// A property.
#[derive(Debug)]
pub struct Property {
    /// `fget` or None.
    pub get: Slot,
    /// `fset` or None.
    pub set: Slot,
    /// `fdel` or None.
    pub delete: Slot,
    /// `__doc__`, if it was given.
    pub doc: Slot,
    /// `__name__`, from `__set_name__`; None before.
    pub name: Slot,
    /// The dict of a subclass's instance; the class is in the shape.
    pub dict: Ref<Dict>,
}

crate::cell! { Property: Property { slots: [get, set, delete, doc, name], refs: [dict] } }

/// A staticmethod.
#[derive(Debug)]
pub struct StaticMethod {
    /// What it wraps.
    pub function: Slot,
    /// Attributes, or none.
    pub dict: Ref<Dict>,
}

crate::cell! { StaticMethod: StaticMethod { slots: [function], refs: [dict] } }

/// A classmethod.
#[derive(Debug)]
pub struct ClassMethod {
    /// What it wraps.
    pub function: Slot,
    /// Attributes, or none.
    pub dict: Ref<Dict>,
}

crate::cell! { ClassMethod: ClassMethod { slots: [function], refs: [dict] } }

/// A super object.
#[derive(Debug)]
pub struct Super {
    /// The class after which the search begins.
    pub class: Ref<Class>,
    /// The instance or class it is bound to; None if it is not.
    pub receiver: Slot,
    /// The class whose method resolution order is searched, or none.
    pub receiver_class: Ref<Class>,
}

crate::cell! { Super: Super { slots: [receiver], refs: [class, receiver_class] } }

/// How a [`GetSet`] reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Slot of an instance, from `__slots__`.
    Slot(u8),
    /// The same of a class of the library, for scripts to read only.
    Member(u8),
    /// Field of an exception.
    Field(u8),
    /// Native functions.
    Native {
        /// Whether CPython keeps it as a member of a C structure, which its class and errors show.
        member: bool,
    },
}

impl Access {
    /// Whether it is a `member_descriptor`.
    pub fn is_member(self) -> bool {
        !matches!(self, Access::Native { member: false })
    }
}

/// An attribute of a builtin type, or a slot of a class with `__slots__`.
#[derive(Debug)]
pub struct GetSet {
    /// `__name__`.
    pub name: Ref<Str>,
    /// The class it is an attribute of.
    pub class: Ref<Class>,
    /// How.
    pub access: Access,
    /// Native getter, if any: a native function.
    pub getter: AnyRef,
    /// Native setter, if any.
    pub setter: AnyRef,
    /// `__doc__`.
    pub doc: Slot,
}

crate::cell! { GetSet: GetSet { slots: [doc], refs: [name, class, getter, setter] } }

/// A read-only view of a mapping.
#[derive(Debug)]
pub struct MappingProxy {
    /// The mapping.
    pub mapping: Slot,
}

crate::cell! { MappingProxy: MappingProxy { slots: [mapping], refs: [] } }

/// `list[int]`.
#[derive(Debug)]
pub struct GenericAlias {
    /// `__origin__`.
    pub origin: Slot,
    /// `__args__`.
    pub args: Slot,
    /// `__parameters__`, once asked for.
    pub parameters: Slot,
    /// Whether it was unpacked with a star.
    pub unpacked: bool,
}

crate::cell! { GenericAlias: GenericAlias { slots: [origin, args, parameters], refs: [] } }

/// `int | str`.
#[derive(Debug)]
pub struct Union {
    /// `__args__`.
    pub args: Slot,
}

crate::cell! { Union: Union { slots: [args], refs: [] } }
