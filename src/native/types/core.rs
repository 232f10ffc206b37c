//! The types that everything else is made of, as rows: what `native::install` makes first.

use crate::heap::Kind;
use crate::object::ClassFlags;
use crate::vm::TypeRow;

use super::{class, descriptor, function, object};

const FINAL: ClassFlags = ClassFlags::FINAL;
const CLOSED: ClassFlags = ClassFlags::FINAL.union(ClassFlags::NO_NEW);

/// `object`, `type`, and the types of functions, descriptors and modules.
pub static ROWS: &[TypeRow] = &[
    TypeRow::of(Kind::Instance, "object", &[&object::OBJECT]),
    TypeRow::of(Kind::Class, "type", &[&class::TYPE]),
    // Never seen by scripts: classes with a `__dict__` or weak references take theirs from here.
    TypeRow::native("builtins", "instance attributes", &[&object::DICT, &object::WEAKREF]).with(CLOSED),
    TypeRow::of(Kind::Function, "function", &[&function::FUNCTION, &object::DICT]).with(FINAL),
    TypeRow::of(Kind::BoundMethod, "method", &[&function::METHOD, &object::ORDERED]).with(FINAL),
    TypeRow::of(Kind::Native, "builtin_function_or_method", &[&function::NATIVE, &function::BUILTIN, &object::ORDERED])
        .with(CLOSED),
    descriptor_row("method_descriptor", &[&function::NATIVE, &function::UNBOUND]),
    descriptor_row("wrapper_descriptor", &[&function::NATIVE, &function::UNBOUND]),
    descriptor_row("classmethod_descriptor", &[&function::NATIVE, &function::UNBOUND]),
    descriptor_row("method-wrapper", &[&function::NATIVE, &function::BUILTIN, &object::ORDERED]),
    descriptor_row("member_descriptor", &[&descriptor::GETSET]),
    TypeRow::of(Kind::GetSet, "getset_descriptor", &[&descriptor::GETSET]).with(CLOSED),
    TypeRow::of(Kind::Property, "property", &[&descriptor::PROPERTY]),
    TypeRow::of(Kind::StaticMethod, "staticmethod", &[&descriptor::STATICMETHOD, &object::DICT]),
    TypeRow::of(Kind::ClassMethod, "classmethod", &[&descriptor::CLASSMETHOD, &object::DICT]),
    TypeRow::of(Kind::Super, "super", &[&descriptor::SUPER]),
    TypeRow::of(Kind::Cell, "cell", &[&function::CELL]).with(FINAL),
    TypeRow::of(Kind::Module, "module", &[&function::MODULE]),
];

/// Those of them that have a name in `builtins`.
pub static VISIBLE: &[&str] = &["object", "type", "property", "staticmethod", "classmethod", "super"];

/// Every exception has a `__dict__`.
pub static EXCEPTION_ROWS: &[TypeRow] = &[TypeRow::of(Kind::Exception, "BaseException", &[&object::DICT])];

const fn descriptor_row(name: &'static str, methods: &'static [&'static crate::native::Natives]) -> TypeRow {
    TypeRow {
        kind: None,
        name,
        module: "builtins",
        base: "object",
        flags: CLOSED,
        layout: Kind::Native,
        methods,
        documented: true,
    }
}
