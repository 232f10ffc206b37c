//! Functions and types written in Rust that scripts can use. One declaration gives name, signature, defaults, docs, whether it
//! suspends: from it follow calls and their errors, `help()`, completion and the reference.
//!
//! ```text
//! natives!(
//!     /// Tasks, time and waiting.
//!     pub static ASYNCIO: Functions;
//!
//!     /// Return the number of items in a container.
//!     fn len(cx: &mut Cx, obj: Root) -> NativeResult { … }
//!
//!     /// Return a new sorted list.
//!     fn sorted(cx: &mut Cx, iterable: Root, #[key] key: Option<Root>, #[key] #[default(false)] reverse: bool) -> NativeResult { … }
//! );
//! ```
//! Parameters are positional-only; `#[either]` makes one positional or keyword, `#[key]` keyword-only. `#[default(x)]`, `Option` and
//! `Given` make one optional; `Rest` and `KeywordRest` are `*args` and `**kwargs`. In a table of `Methods` the first parameter is
//! the instance; `#[class]`, `#[fixed]` (a static method), `#[getter]` and `#[setter]` before a function say otherwise. `#[name("x")]` gives a
//! name that Rust has no identifier for. `#[quick(One(f))]` names what the run loop tries before (see `Quick`). `#[suspends]` marks what can suspend the task, `#[counted]` what counts its
//! arguments itself in CPython, `#[unnamed]` what does so without saying its name: errors of such calls are worded otherwise. `#[text("x")]` before a parameter gives its default as
//! signatures show it, where that is not the Rust text. A table of `ScriptFunctions` or `ScriptMethods` stands for what CPython has written
//! in the language: errors of its calls are worded as for such functions.

#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of values are of no interest to a given question")]

pub mod io;
pub mod os;
pub(crate) mod structseq;
pub mod sys;
pub mod types;

pub mod abc;
pub mod array;
pub mod ast;
pub mod binary;
pub mod bisect;
mod blake2;
pub mod builtins;
pub mod codecs;
pub mod collections;
mod csv;
pub mod datetime;
mod decimal;
mod enums;
mod forward;
pub mod gc;
pub mod functools;
pub mod hash;
pub mod heapq;
pub mod itertools;
pub mod json;
mod later;
pub mod local_time;
pub mod math;
pub mod operator;
mod quick;
pub mod pickle;
mod pickle_classes;
mod ast_literal;
pub mod process;
pub mod random;
pub mod re;
mod site;
mod structs;
pub mod thread;
pub mod time;
mod tls;
pub mod traceback;
pub mod unicodedata;
pub mod weak;
mod xml;
pub mod zlib;

pub use crate::vm::native::Natives;
pub(crate) use later::{later, names_with};

/// Declares a table of natives; see the module's docs.
macro_rules! natives {
    (
        $(#[doc = $tdoc:literal])*
        $vis:vis static $table:ident : $what:ident ;
        $(
            $(#[$($fattr:tt)*])*
            fn $name:ident $(<$lt:lifetime>)? (
                $cx:ident : $cxty:ty $(, $(#[$($pattr:tt)*])* $p:ident : $pty:ty)* $(,)?
            ) -> $ret:ty $body:block
        )*
    ) => {
        #[doc = concat!("The natives of the table `", stringify!($table), "`; their docs are for scripts.")]
        $vis static $table: $crate::native::Natives = $crate::native::Natives {
            doc: &[$($tdoc),*],
            defs: &[$({
                #[allow(unused_variables, unused_mut, dead_code, clippy::extra_unused_lifetimes, clippy::needless_lifetimes, clippy::too_many_arguments,
                    reason = "declarations are uniform, and not all need everything")]
                fn run $(<$lt>)? (cx: &mut $crate::vm::native::Cx, window: $crate::vm::native::Args) -> $crate::vm::native::NativeResult {
                    fn $name $(<$lt>)? ($cx: $cxty $(, $p: $pty)*) -> $ret $body
                    const COUNT: usize = <[&str]>::len(&[$(stringify!($p)),*]);
                    let mut index = 0usize;
                    $(
                        let $p = {
                            let place = $crate::vm::native::Place { args: window, index, count: COUNT };
                            index += 1;
                            $crate::native::natives!(@prepare cx, place, index, $name, $p, $pty, [$([$($pattr)*])*])
                        };
                    )*
                    $( let $p = $crate::native::natives!(@get cx, $p, $pty, [$([$($pattr)*])*]); )*
                    let cx: $cxty = cx;
                    Ok($name(cx $(, $p)*)?.into())
                }
                $crate::vm::native::NativeDef {
                    name: $crate::native::natives!(@name $name, $([$($fattr)*])*),
                    doc: $crate::native::natives!(@docs [] $([$($fattr)*])*),
                    kind: $crate::native::natives!(@fnkind $what, $([$($fattr)*])*),
                    params: &[$($crate::vm::native::Param {
                        name: $crate::native::natives!(@pname $p),
                        kind: $crate::native::natives!(@kind $pty, [$([$($pattr)*])*]),
                        default: $crate::native::natives!(@default $pty, [$([$($pattr)*])*]),
                    }),*],
                    suspends: $crate::native::natives!(@suspends $([$($fattr)*])*),
                    scripted: $crate::native::natives!(@scripted $what),
                    counted: $crate::native::natives!(@counted $([$($fattr)*])*),
                    unnamed: $crate::native::natives!(@unnamed $([$($fattr)*])*),
                    quick: $crate::native::natives!(@quick $([$($fattr)*])*),
                    run,
                }
            }),*],
        };
    };

    (@name $name:ident,) => { $crate::native::param_name(stringify!($name)) };
    (@name $name:ident, [name($py:literal)] $($more:tt)*) => { $py };
    (@name $name:ident, $other:tt $($more:tt)*) => { $crate::native::natives!(@name $name, $($more)*) };
    (@pname $p:ident) => { $crate::native::param_name(stringify!($p)) };
    (@docs [$($line:literal)*]) => { &[$($line),*] };
    (@docs [$($line:literal)*] [doc = $doc:literal] $($more:tt)*) => { $crate::native::natives!(@docs [$($line)* $doc] $($more)*) };
    (@docs [$($line:literal)*] $other:tt $($more:tt)*) => { $crate::native::natives!(@docs [$($line)*] $($more)*) };
    (@suspends) => { false };
    (@suspends [suspends] $($more:tt)*) => { true };
    (@suspends $other:tt $($more:tt)*) => { $crate::native::natives!(@suspends $($more)*) };
    (@counted) => { false };
    (@counted [counted] $($more:tt)*) => { true };
    (@counted $other:tt $($more:tt)*) => { $crate::native::natives!(@counted $($more)*) };
    (@unnamed) => { false };
    (@unnamed [unnamed] $($more:tt)*) => { true };
    (@unnamed $other:tt $($more:tt)*) => { $crate::native::natives!(@unnamed $($more)*) };
    (@quick) => { $crate::vm::native::Quick::No };
    (@quick [quick($kind:ident($work:path))] $($more:tt)*) => { $crate::vm::native::Quick::$kind($work) };
    (@quick [quick($kind:ident)] $($more:tt)*) => { $crate::vm::native::Quick::$kind };
    (@quick $other:tt $($more:tt)*) => { $crate::native::natives!(@quick $($more)*) };
    (@scripted ScriptFunctions) => { true };
    (@scripted ScriptMethods) => { true };
    (@scripted $what:ident) => { false };
    (@fnkind ScriptFunctions,) => { $crate::vm::native::NativeKind::Function };
    (@fnkind ScriptMethods,) => { $crate::vm::native::NativeKind::Method };
    (@fnkind Functions,) => { $crate::vm::native::NativeKind::Function };
    (@fnkind Methods,) => { $crate::vm::native::NativeKind::Method };
    (@fnkind $w:ident, [class] $($more:tt)*) => { $crate::vm::native::NativeKind::ClassMethod };
    (@fnkind $w:ident, [fixed] $($more:tt)*) => { $crate::vm::native::NativeKind::StaticMethod };
    (@fnkind $w:ident, [getter] $($more:tt)*) => { $crate::vm::native::NativeKind::Getter };
    (@fnkind $w:ident, [setter] $($more:tt)*) => { $crate::vm::native::NativeKind::Setter };
    (@fnkind $w:ident, $other:tt $($more:tt)*) => { $crate::native::natives!(@fnkind $w, $($more)*) };

    (@kind Rest, $attrs:tt) => { $crate::vm::native::ParamKind::Rest };
    (@kind KeywordRest, $attrs:tt) => { $crate::vm::native::ParamKind::KeywordRest };
    (@kind $ty:ty, []) => { <$ty as $crate::native::Special>::KIND };
    (@kind $ty:ty, [[key] $($more:tt)*]) => { $crate::vm::native::ParamKind::Keyword };
    (@kind $ty:ty, [[either] $($more:tt)*]) => { $crate::vm::native::ParamKind::Either };
    (@kind $ty:ty, [$other:tt $($more:tt)*]) => { $crate::native::natives!(@kind $ty, [$($more)*]) };

    (@default $ty:ty, []) => { <$ty as $crate::native::Special>::DEFAULT };
    (@default $ty:ty, [[text($t:literal)] $($more:tt)*]) => { $t };
    (@default $ty:ty, [[default($d:expr)] $($more:tt)*]) => { $crate::native::natives!(@deftext $d, [$($more)*]) };
    (@default $ty:ty, [$other:tt $($more:tt)*]) => { $crate::native::natives!(@default $ty, [$($more)*]) };
    (@deftext $d:expr, []) => { $crate::native::default_text(stringify!($d)) };
    (@deftext $d:expr, [[text($t:literal)] $($more:tt)*]) => { $t };
    (@deftext $d:expr, [$other:tt $($more:tt)*]) => { $crate::native::natives!(@deftext $d, [$($more)*]) };

    (@prepare $cx:ident, $root:ident, $index:ident, $fn:ident, $p:ident, $ty:ty, [[default($d:expr)] $($more:tt)*]) => {
        if $root.root().get($cx).is_unbound() { None } else {
            Some($crate::native::natives!(@prepare $cx, $root, $index, $fn, $p, $ty, []))
        }
    };
    (@prepare $cx:ident, $root:ident, $index:ident, $fn:ident, $p:ident, $ty:ty, [$other:tt $($more:tt)*]) => {
        $crate::native::natives!(@prepare $cx, $root, $index, $fn, $p, $ty, [$($more)*])
    };
    (@prepare $cx:ident, $root:ident, $index:ident, $fn:ident, $p:ident, $ty:ty, []) => {
        <$ty as $crate::vm::native::FromArg<'_>>::prepare_at($cx, $root, &$crate::vm::native::ParamAt {
            function: const { $crate::native::param_name(stringify!($fn)) },
            param: const { $crate::native::param_name(stringify!($p)) },
            number: $index,
        })?
    };
    (@get $cx:ident, $p:ident, $ty:ty, [[default($d:expr)] $($more:tt)*]) => {
        match $p { Some(p) => $crate::vm::native::FromArg::get(&*$cx, p), None => $d }
    };
    (@get $cx:ident, $p:ident, $ty:ty, [$other:tt $($more:tt)*]) => { $crate::native::natives!(@get $cx, $p, $ty, [$($more)*]) };
    (@get $cx:ident, $p:ident, $ty:ty, []) => { <$ty as $crate::vm::native::FromArg<'_>>::get(&*$cx, $p) };
}
pub(crate) use natives;

/// What a parameter's type alone says of it.
pub trait Special {
    /// How it is given, unless an attribute says otherwise.
    const KIND: crate::vm::native::ParamKind = crate::vm::native::ParamKind::Positional;
    /// Its default as text; empty if it must be given.
    const DEFAULT: &'static str = "";
}

impl Special for crate::vm::native::Rest {
    const KIND: crate::vm::native::ParamKind = crate::vm::native::ParamKind::Rest;
}
impl Special for crate::vm::native::KeywordRest {
    const KIND: crate::vm::native::ParamKind = crate::vm::native::ParamKind::KeywordRest;
}
impl<T> Special for Option<T> {
    const DEFAULT: &'static str = "None";
}
impl<T> Special for crate::vm::native::Given<T> {
    const DEFAULT: &'static str = "<unrepresentable>";
}
macro_rules! plain { ($($ty:ty),*) => { $(impl Special for $ty {})* } }
plain!(crate::vm::native::Root, crate::heap::Value<'_>, i64, f64, bool, crate::heap::Gc<'_, crate::object::Str>, &str);

/// A parameter's name without what keeps it apart from Rust's keywords: `r#in` and `in_` are both `in`; `this` is `self`.
pub const fn param_name(name: &'static str) -> &'static str {
    let bytes = name.as_bytes();
    if bytes.len() == 4 && bytes[0] == b't' && bytes[1] == b'h' && bytes[2] == b'i' && bytes[3] == b's' {
        return "self";
    }
    if bytes.len() > 2 && bytes[0] == b'r' && bytes[1] == b'#' {
        return name.split_at(2).1;
    }
    if bytes.len() > 1 && bytes[bytes.len() - 1] == b'_' && bytes[bytes.len() - 2] != b'_' {
        return name.split_at(bytes.len() - 1).0;
    }
    name
}

/// A default as scripts write it, of its text in Rust. What differs in more than the words for truth says `#[text("x")]`.
pub const fn default_text(rust: &'static str) -> &'static str {
    match rust.as_bytes() {
        b"true" => "True",
        b"false" => "False",
        _ => rust,
    }
}

/// Installs a module written in Rust.
pub type Install = fn(&mut crate::vm::Vm) -> Result<(), crate::vm::native::Raised>;

/// The modules written in Rust that are installed when first imported, by name.
pub(crate) static MODULES: &[(&str, Install)] = &[
    ("_abc", abc::install),
    ("_ast", ast::install),
    ("_binary", binary::install),
    ("_codecs_native", codecs::install),
    ("_bisect", bisect::install),
    ("_collections", collections::install),
    ("_csv_rows", csv::install),
    ("_xml_tree", xml::install),
    ("_decimal_native", decimal::install),
    ("_enum_native", enums::install),
    ("_functools", functools::install),
    ("_hash", hash::install),
    ("_heapq", heapq::install),
    ("_json", json::install),
    ("_operator", operator::install),
    ("_pickle_plain", pickle::install),
    ("_process", process::install),
    ("_random", random::install),
    ("_sre", re::install),
    ("_ssl", tls::install),
    ("_struct", structs::install),
    ("_thread", thread::install),
    ("_traceback", traceback::install),
    ("_weakref", weak::install),
    ("_zlib", zlib::install),
    ("array", array::install),
    ("datetime", datetime::install),
    ("errno", os::install_errno),
    ("gc", gc::install),
    ("io", io::install),
    ("itertools", itertools::install),
    ("math", math::install),
    ("posix", os::install),
    ("time", time::install),
    ("unicodedata", unicodedata::install),
];

/// How a module written in Rust is installed, if there is one of this name.
pub fn module(name: &str) -> Option<Install> {
    MODULES.iter().find(|(n, _)| *n == name).map(|(_, install)| *install)
}

/// Packages that scripts in the wild install and aio is to bring along, in order: named as missing, too.
pub static KNOWN_PACKAGES: &[&str] = &[
    "aiofiles",
    "aiohttp",
    "aioredis",
    "fastapi",
    "httpx",
    "pytest",
    "pytest_asyncio",
    "redis",
    "requests",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
];

/// Modules of Python's standard library that are not in packages which are there, in order.
pub const MISSING_WITHIN: &[&str] = &[
    "concurrent.interpreters",
    "email.base64mime",
    "email.charset",
    "email.contentmanager",
    "email.headerregistry",
    "email.iterators",
    "email.quoprimime",
    "urllib.robotparser",
    "xml.dom",
    "xml.parsers",
];

/// Installs what every script sees: the builtin types, exceptions and functions, and `sys`.
pub fn install(vm: &mut crate::vm::Vm) {
    vm.install_core();
    vm.install_types(types::core::ROWS);
    let rows = types::registry::ROWS;
    vm.install_types(rows);
    vm.install_types(types::generic::ROWS);
    vm.install_types(types::iterator::TYPES);
    vm.install_types(types::frame_locals::ROWS);
    vm.install_types(types::generator::TYPES);
    vm.install_exceptions();
    vm.install_types(types::core::EXCEPTION_ROWS);
    vm.install_types(types::registry::EXCEPTION_ROWS);
    let module = vm.new_module("builtins").held();
    vm.functions_of(module, &builtins::BUILTINS);
    vm.functions_of(module, &types::iterator::BUILTIN_ITERATION);
    for name in ["enumerate", "filter", "map", "reversed", "zip"] {
        vm.set_builtin(name, vm.named_class(name).value().raw());
    }
    vm.functions_of(module, &types::class::BUILD_CLASS);
    for name in types::core::VISIBLE {
        vm.set_builtin(name, vm.named_class(name).value().raw());
    }
    for row in rows.iter().filter(|r| r.module == "builtins") {
        let hidden = [
            "NoneType",
            "ellipsis",
            "NotImplementedType",
            "mappingproxy",
            "code",
            "cell",
            "frame",
            "traceback",
            "dict_keys",
            "dict_values",
            "dict_items",
            "odict_keys",
            "odict_values",
            "odict_items",
        ]
        .contains(&row.name);
        if !hidden {
            vm.set_builtin(row.name, vm.named_class(row.name).value().raw());
        }
    }
    for exception in crate::object::Exc::ALL {
        if !matches!(exception, crate::object::Exc::CancelledError | crate::object::Exc::InvalidStateError) {
            vm.set_builtin(exception.name(), vm.exception_class(*exception).value().raw());
        }
    }
    for (name, error) in [("EnvironmentError", "OSError"), ("IOError", "OSError")] {
        vm.set_builtin(name, vm.named_class(error).value().raw());
    }
    types::template::install(vm);
    vm.coroutines.report_unraisable = Some(traceback::report_unraisable);
    for (name, maker) in types::make::MAKERS {
        vm.set_maker(name, *maker);
    }
    vm.set_dict_maker(types::make::dict);
    use crate::heap::Raw;
    for (name, raw) in [
        ("None", Raw::NONE),
        ("True", Raw::TRUE),
        ("False", Raw::FALSE),
        ("Ellipsis", Raw::ELLIPSIS),
        ("NotImplemented", Raw::NOT_IMPLEMENTED),
        ("__debug__", Raw::TRUE),
    ] {
        vm.set_builtin(name, raw);
    }
    vm.functions_of(module, &io::OPEN);
    site::install(vm, module);
    if let Err(raised) = sys::install(vm) {
        vm.take_raised(raised);
    }
}

/// The class of the library that an argument is, to be given natives: one written in the language, which declares at least so many slots.
pub(crate) fn library_class(
    cx: &crate::vm::Vm,
    root: crate::vm::native::Root,
    slots: u8,
) -> Option<crate::heap::Gc<'static, crate::object::Class>> {
    let class = root.get(cx).exact::<crate::object::Class>()?.held();
    let such = class.has(crate::object::ClassFlags::HEAP) && class.get().fixed_slots.get() >= slots;
    such.then_some(class)
}

/// Gives a class of the library, written in the language, methods that are native.
pub(crate) fn complete(
    cx: &mut crate::vm::Vm,
    class: crate::heap::Gc<'static, crate::object::Class>,
    methods: &'static Natives,
) {
    for def in methods.defs {
        let name = cx.intern(def.name).held();
        let native = cx.native_function(def, crate::heap::Raw::NONE, Some(class), crate::heap::Raw::NONE);
        cx.set_class_attribute(class, name, native);
    }
}

/// The text of an argument that must be a str.
pub(crate) fn text_argument(
    cx: &mut crate::vm::Vm,
    root: crate::vm::native::Root,
    function: &'static str,
    param: &'static str,
) -> Result<String, crate::vm::native::Raised> {
    let at = crate::vm::native::ParamAt { function, param, number: 0 };
    <&str as crate::vm::native::FromArg>::prepare(cx, root, &at)?;
    Ok(cx.as_str(root.get(cx)).map_or(String::new(), |s| s.to_str_lossy().into_owned()))
}

/// Sets an attribute of a module or another object.
pub(crate) fn set(
    cx: &mut crate::vm::Vm,
    object: crate::vm::native::Root,
    name: &str,
    value: crate::vm::native::Root,
) -> Result<(), crate::vm::native::Raised> {
    let mark = cx.mark();
    let key = cx.intern(name).value().raw();
    let key = cx.push_raw(key);
    cx.set_attribute(object, key, value)?;
    cx.release(mark);
    Ok(())
}
