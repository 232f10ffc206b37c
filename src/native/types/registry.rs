//! The builtin types, a row each, bases before what derives from them.

use crate::heap::Kind;
use crate::object::ClassFlags;
use crate::vm::TypeRow;

use super::{
    bool, bytes, complex, dict, exception, exception_group, exception_unicode, float, frame, int, list, memoryview,
    none, object, range, set, slice, template, text, tuple,
};

use ClassFlags as F;

const SEQUENCE: ClassFlags = F::SEQUENCE;
/// A pattern's one positional part is the subject itself.
const MATCHED: ClassFlags = F::MATCH_SELF;
const FIXED: ClassFlags = F::FINAL;
/// Only the machine makes them.
const INNER: ClassFlags = F::FINAL.union(F::NO_NEW);

/// Every builtin type.
pub static ROWS: &[TypeRow] = &[
    TypeRow::of(Kind::Int, "int", &[&int::INT_METHODS]).with(MATCHED),
    TypeRow::of(Kind::BigInt, "int", &[]).with(MATCHED),
    TypeRow::of(Kind::True, "bool", &[&bool::BOOL_METHODS]).derived("int").with(FIXED),
    TypeRow::of(Kind::False, "bool", &[]),
    TypeRow::of(Kind::Float, "float", &[&float::FLOAT_METHODS]).with(MATCHED),
    TypeRow::of(Kind::Complex, "complex", &[&complex::COMPLEX_METHODS]),
    TypeRow::of(Kind::Str, "str", &[&text::TEXT_METHODS]).with(MATCHED),
    TypeRow::of(Kind::Bytes, "bytes", &[&bytes::BYTES_METHODS]).with(MATCHED),
    TypeRow::of(Kind::ByteArray, "bytearray", &[&bytes::BYTEARRAY_METHODS]).with(MATCHED),
    TypeRow::of(Kind::MemoryView, "memoryview", &[&memoryview::MEMORYVIEW_METHODS, &object::UNEQUAL, &object::ORDERED])
        .with(SEQUENCE)
        .with(FIXED),
    TypeRow::of(Kind::List, "list", &[&list::LIST_METHODS]).with(MATCHED).with(SEQUENCE),
    TypeRow::of(Kind::Tuple, "tuple", &[&tuple::TUPLE_METHODS]).with(MATCHED).with(SEQUENCE),
    TypeRow::of(Kind::Dict, "dict", &[&dict::DICT_METHODS]).with(MATCHED).with(F::MAPPING),
    TypeRow::of(Kind::Set, "set", &[&set::SET_METHODS, &set::SHARED]).with(MATCHED),
    TypeRow::of(Kind::FrozenSet, "frozenset", &[&set::FROZENSET_METHODS, &set::SHARED]).with(MATCHED),
    TypeRow::of(Kind::Range, "range", &[&range::RANGE_METHODS]).with(SEQUENCE).with(FIXED),
    TypeRow::of(Kind::Slice, "slice", &[&slice::SLICE_METHODS]).with(FIXED),
    TypeRow::of(Kind::None, "NoneType", &[&none::NONE_METHODS, &object::ORDERED]).with(FIXED),
    TypeRow::of(Kind::Ellipsis, "ellipsis", &[&none::ELLIPSIS_METHODS]).with(FIXED),
    TypeRow::of(Kind::NotImplemented, "NotImplementedType", &[&none::NOT_IMPLEMENTED_METHODS]).with(FIXED),
    TypeRow::of(Kind::MappingProxy, "mappingproxy", &[&dict::MAPPING_PROXY_METHODS]).with(F::MAPPING).with(FIXED),
    TypeRow::of(Kind::DictView, "dict_keys", &[&dict::VIEW, &dict::SET_VIEW]).with(INNER).undocumented(),
    TypeRow::of(Kind::DictView, "dict_values", &[&dict::VIEW]).with(INNER).undocumented(),
    TypeRow::of(Kind::DictView, "dict_items", &[&dict::VIEW, &dict::SET_VIEW]).with(INNER).undocumented(),
    ordered_view("odict_keys", "dict_keys"),
    ordered_view("odict_values", "dict_values"),
    ordered_view("odict_items", "dict_items"),
    TypeRow::of(Kind::Code, "code", &[&frame::CODE_METHODS, &object::ORDERED]).with(INNER),
    TypeRow::of(Kind::Frame, "frame", &[&frame::FRAME_METHODS]).with(INNER).undocumented(),
    TypeRow::of(Kind::Traceback, "traceback", &[&frame::TRACEBACK_METHODS]).with(FIXED),
    TypeRow::native("string.templatelib", "Template", &[&template::TEMPLATE_METHODS]).with(FIXED),
    TypeRow::native("string.templatelib", "Interpolation", &[&template::INTERPOLATION_METHODS]).with(FIXED),
];

/// What exception classes have besides what derives from their row in the table of exceptions.
pub static EXCEPTION_ROWS: &[TypeRow] = &[
    exception_row("BaseException", &[&exception::BASE_EXCEPTION_METHODS]),
    exception_row("StopIteration", &[&exception::STOP_ITERATION_METHODS]),
    exception_row("SystemExit", &[&exception::SYSTEM_EXIT_METHODS]),
    exception_row("KeyError", &[&exception::KEY_ERROR_METHODS]),
    exception_row("AttributeError", &[&exception::ATTRIBUTE_ERROR_METHODS]),
    exception_row("NameError", &[&exception::NAME_ERROR_METHODS]),
    exception_row("ImportError", &[&exception::IMPORT_ERROR_METHODS]),
    exception_row("OSError", &[&exception::OS_ERROR_METHODS]),
    exception_row("SyntaxError", &[&exception::SYNTAX_ERROR_METHODS]),
    exception_row("UnicodeEncodeError", &[&exception_unicode::UNICODE_ENCODE_ERROR_METHODS]),
    exception_row("UnicodeDecodeError", &[&exception_unicode::UNICODE_DECODE_ERROR_METHODS]),
    exception_row("UnicodeTranslateError", &[&exception_unicode::UNICODE_TRANSLATE_ERROR_METHODS]),
    exception_row("BaseExceptionGroup", &[&exception_group::EXCEPTION_GROUP_METHODS]),
];

const fn ordered_view(name: &'static str, base: &'static str) -> TypeRow {
    const METHODS: &[&crate::native::Natives] = &[&dict::ORDERED_VIEW];
    TypeRow { kind: None, base, flags: INNER, ..TypeRow::of(Kind::DictView, name, METHODS) }.undocumented()
}

const fn exception_row(name: &'static str, methods: &'static [&'static crate::native::Natives]) -> TypeRow {
    TypeRow { layout: Kind::Exception, ..TypeRow::native("builtins", name, methods) }
}
