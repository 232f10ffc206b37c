//! `sys`: what a program can know of and change about the machine it runs on.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::object::key::as_int_ref;
use crate::object::{Dict, Exc, Exception, Str, Tuple};
use crate::vm::Vm;
use crate::vm::host::StdStream;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root, Then};

use super::forward::call;
use super::{set, structseq};

/// The version of the language: major, minor, micro.
const VERSION: [i64; 3] = [3, 14, 0];

natives!(
    /// The machine the program runs on.
    pub static SYS: Functions;

    /// End the program with a status, or with a text on standard error and status 1.
    fn exit(cx: &mut Cx, status: Option<Root>) -> NativeResult {
        Err(match status {
            None => cx.raise_new(Exc::SystemExit, &[]),
            Some(status) => cx.raise_new(Exc::SystemExit, &[status]),
        })
    }

    /// Return the exception being handled, or None.
    fn exception(cx: &mut Cx) -> NativeResult {
        let handled = cx.handled_exception();
        Ok(Outcome::Value(if handled.is_unbound() { Raw::NONE } else { handled }))
    }

    /// Return class, value and traceback of the exception being handled, or three times None.
    fn exc_info(cx: &mut Cx) -> NativeResult {
        let handled = cx.handled_exception();
        if handled.is_unbound() {
            return Ok(cx.tuple(&[Value::NONE; 3]).into());
        }
        let value = Value::adopt(handled);
        let class = cx.class_of(value).value().raw();
        let traceback = value.exact::<Exception>().and_then(|e| e.get().traceback.get());
        let traceback = traceback.map_or(Raw::NONE, |t| t.value().raw());
        Ok(cx.tuple(&[Value::adopt(class), value, Value::adopt(traceback)]).into())
    }

    /// Return the most frames that may be open at once.
    fn getrecursionlimit(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(cx.recursion_limit()).into())
    }

    /// Set the most frames that may be open at once.
    fn setrecursionlimit(cx: &mut Cx, limit: i64) -> NativeResult {
        if limit < 1 {
            return Err(cx.value_error("recursion limit must be greater or equal than 1"));
        }
        let Ok(small) = i32::try_from(limit) else {
            return Err(cx.overflow_error("Python int too large to convert to C int"));
        };
        let depth = cx.depth();
        if small as u32 <= depth {
            let text = format!(
                "cannot set the recursion limit to {limit} at the recursion depth {depth}: the limit is too low"
            );
            return Err(cx.raise_text(Exc::RecursionError, &text));
        }
        cx.set_recursion_limit(small as u32);
        Ok(Outcome::NONE)
    }

    /// Return the most digits of an integer that is made from or into a decimal numeral; 0: any number.
    fn get_int_max_str_digits(cx: &mut Cx) -> NativeResult {
        Ok((cx.int_max_str_digits as i64).into())
    }

    /// Set the most digits of an integer that is made from or into a decimal numeral; 0: any number.
    fn set_int_max_str_digits(cx: &mut Cx, #[either] maxdigits: i64) -> NativeResult {
        if maxdigits != 0 && maxdigits < 640 {
            return Err(cx.value_error("maxdigits must be >= 640 or 0 for unlimited"));
        }
        cx.int_max_str_digits = maxdigits as usize;
        Ok(Outcome::NONE)
    }

    /// Return the bytes an object takes, about.
    fn getsizeof(cx: &mut Cx, #[either] object: Root, #[either] default: Given<Root>) -> NativeResult {
        let own = match cx.find_attribute(object, "__sizeof__")? {
            Some(method) => {
                let size = cx.call(method, &[])?;
                if as_int_ref(cx.payload(size.get(cx))).is_none() {
                    return Err(cx.type_error("an integer is required".into()));
                }
                cx.index_as_i64(size)?
            }
            None => match default.0 {
                Some(default) => return Ok(default.get(cx).into()),
                None => 16,
            },
        };
        // The collector's header.
        Ok(own.into())
    }

    /// Return the one string of this content that is shared.
    fn intern(cx: &mut Cx, string: Root) -> NativeResult {
        if string.get(cx).exact::<Str>().is_some() {
            return Ok(cx.intern_str(string).into());
        }
        let got = cx.type_name_for_error(string.get(cx));
        if cx.as_str(string.get(cx)).is_some() {
            return Err(cx.type_error(format!("can't intern {got}")));
        }
        Err(cx.type_error(format!("intern() argument must be str, not {got}")))
    }

    /// Print a value as the prompt does, and keep it as `builtins._`.
    fn displayhook(cx: &mut Cx, object: Root) -> NativeResult {
        if object.get(cx).is_none() {
            return Ok(Outcome::NONE);
        }
        let text = cx.repr_text(object)?;
        let stdout = current(cx, "stdout")?;
        let line = cx.str(&format!("{text}\n")).value().raw();
        let line = cx.push_raw(line);
        cx.call_method(stdout, "write", &[line])?;
        let module = cx.find_module("builtins").map_or(Raw::NONE, |m| m.raw());
        let module = cx.push_raw(module);
        set(cx, module, "_", object)?;
        Ok(Outcome::NONE)
    }

    /// What breakpoint() calls, unless PYTHONBREAKPOINT names a function; aio has no debugger, so this says what to do instead.
    fn breakpointhook(cx: &mut Cx, args: Rest, kws: KeywordRest) -> NativeResult {
        super::site::breakpoint_hook(cx, args, kws)
    }

    /// Return the name of the encoding of str.encode().
    fn getdefaultencoding(cx: &mut Cx) -> NativeResult {
        Ok(cx.str("utf-8").into())
    }

    /// Return the name of the encoding of file names.
    fn getfilesystemencoding(cx: &mut Cx) -> NativeResult {
        Ok(cx.str("utf-8").into())
    }

    /// Return what happens with file names that are no text.
    fn getfilesystemencodeerrors(cx: &mut Cx) -> NativeResult {
        Ok(cx.str("surrogateescape").into())
    }

    /// Return whether the program is ending.
    fn is_finalizing(cx: &mut Cx) -> NativeResult {
        Ok(false.into())
    }

    /// Return whether a string is shared.
    fn _is_interned(cx: &mut Cx, string: Root) -> NativeResult {
        Ok(string.get(cx).exact::<Str>().is_some_and(|s| s.is_interned()).into())
    }

    /// Return whether there is a lock that lets only one thread run.
    fn _is_gil_enabled(cx: &mut Cx) -> NativeResult {
        Ok(true.into())
    }

    /// Return the seconds that a thread runs before another gets its turn.
    fn getswitchinterval(cx: &mut Cx) -> NativeResult {
        Ok(0.005.into())
    }

    /// Accept a number of seconds; threads take turns as it suits the machine.
    fn setswitchinterval(cx: &mut Cx, interval: f64) -> NativeResult {
        if interval <= 0.0 {
            return Err(cx.value_error("switch interval must be strictly positive"));
        }
        Ok(Outcome::NONE)
    }

    /// Accept a hook for events that are not reported.
    fn addaudithook(cx: &mut Cx, #[either] hook: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Report an event to nobody.
    fn audit(cx: &mut Cx, event: Root, args: Rest) -> NativeResult {
        if cx.as_str(event.get(cx)).is_none() {
            let got = cx.argument_name_for_error(event.get(cx));
            return Err(cx.type_error(format!("audit() argument 1 must be str, not {got}")));
        }
        Ok(Outcome::NONE)
    }

    /// Return what is called with asynchronous generators when they are first iterated and when they are dropped.
    fn get_asyncgen_hooks(cx: &mut Cx) -> NativeResult {
        let hooks = [cx.coroutines.first_iteration, cx.coroutines.finalizer];
        let hooks = hooks.map(|raw| cx.push_raw(if raw.is_unbound() { Raw::NONE } else { raw }));
        let made = structseq::make(cx, "asyncgen_hooks", &hooks)?;
        Ok(made.get(cx).into())
    }

    /// Set what is called with asynchronous generators when they are first iterated and when they are dropped.
    fn set_asyncgen_hooks(
        cx: &mut Cx,
        #[either] firstiter: Given<Root>,
        #[either] finalizer: Given<Root>,
    ) -> NativeResult {
        for (name, given) in [("firstiter", firstiter.0), ("finalizer", finalizer.0)] {
            let Some(root) = given else { continue };
            let raw = root.get(cx).raw();
            let callable = raw.same(Raw::NONE) || cx.is_callable(root.get(cx));
            if !callable {
                let got = cx.type_name_for_error(root.get(cx));
                return Err(cx.type_error(format!("callable {name} expected, got {got}")));
            }
            match name {
                "firstiter" => cx.coroutines.first_iteration = raw,
                _ => cx.coroutines.finalizer = raw,
            }
        }
        Ok(Outcome::NONE)
    }

    /// Return how many calls are noted for each coroutine that is made.
    fn get_coroutine_origin_tracking_depth(cx: &mut Cx) -> NativeResult {
        Ok((cx.coroutines.origin_depth as i64).into())
    }

    /// Set how many calls are noted for each coroutine that is made.
    fn set_coroutine_origin_tracking_depth(cx: &mut Cx, #[either] depth: i64) -> NativeResult {
        let Ok(depth) = usize::try_from(depth) else {
            return Err(cx.value_error("depth must be >= 0"));
        };
        cx.coroutines.origin_depth = depth;
        Ok(Outcome::NONE)
    }

    /// Return the frame that runs, or the one so many calls out.
    fn _getframe(cx: &mut Cx, #[default(0)] depth: i64) -> NativeResult {
        let frame = usize::try_from(depth.max(0)).ok().and_then(|depth| cx.frame_at_depth(depth));
        match frame {
            Some(frame) => Ok(frame.get(cx).into()),
            None => Err(cx.value_error("call stack is not deep enough")),
        }
    }

    /// Return the name of the module that the function so many calls out belongs to.
    fn _getframemodulename(
        cx: &mut Cx,
        #[either]
        #[default(0)]
        depth: i64,
    ) -> NativeResult {
        let frame = usize::try_from(depth.max(0)).ok().and_then(|depth| cx.frame_at_depth(depth));
        let Some(frame) = frame else { return Ok(Outcome::NONE) };
        let globals = cx.attribute(frame, "f_globals")?;
        let key = text(cx, "__name__");
        match cx.dict_get(globals, key)? {
            Some(name) => Ok(name.get(cx).into()),
            None => Ok(Outcome::NONE),
        }
    }

    /// Tracing is not there: functions cannot be watched line by line.
    fn settrace(cx: &mut Cx, function: Root) -> NativeResult {
        if function.get(cx).is_none() { Ok(Outcome::NONE) } else { Err(cx.missing("sys.settrace()")) }
    }

    /// Return the tracing function: none.
    fn gettrace(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Profiling is not there.
    fn setprofile(cx: &mut Cx, function: Root) -> NativeResult {
        if function.get(cx).is_none() { Ok(Outcome::NONE) } else { Err(cx.missing("sys.setprofile()")) }
    }

    /// Return the profiling function: none.
    fn getprofile(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Call a function with a tuple of arguments; CPython traces what it does if that is wanted.
    fn call_tracing(cx: &mut Cx, func: Root, args: Root) -> NativeResult {
        let Some(tuple) = args.get(cx).exact::<Tuple>() else {
            let got = cx.argument_name_for_error(args.get(cx));
            return Err(cx.type_error(format!("call_tracing() argument 2 must be tuple, not {got}")));
        };
        let given: Vec<Raw> = tuple.items().map(Value::raw).collect();
        let function = func.get(cx).raw();
        call(cx, function, &given, Args::of(func, 0), &[], Then::Return)
    }

    /// Return how many blocks of memory are in use: of the size of the smallest object.
    fn getallocatedblocks(cx: &mut Cx) -> NativeResult {
        Ok((cx.heap.used() as i64 / 16).into())
    }

    /// Return how many texts are interned.
    fn getunicodeinternedsize(
        cx: &mut Cx,
        #[key]
        #[default(false)]
        _only_immortal: bool,
    ) -> NativeResult {
        Ok((cx.count_interned() as i64).into())
    }

    /// Return False: no other process can have code run here.
    fn is_remote_debug_enabled(cx: &mut Cx) -> NativeResult {
        Ok(false.into())
    }

    /// No process can have another one run code.
    fn remote_exec(cx: &mut Cx, #[either] pid: i64, #[either] script: Root) -> NativeResult {
        Err(cx.missing("sys.remote_exec()"))
    }

    /// Objects are not counted here.
    fn getrefcount(cx: &mut Cx, object: Root) -> NativeResult {
        Err(cx.missing("sys.getrefcount(): nothing counts references"))
    }
);

/// The stream a script sees as `sys.NAME` now.
fn current(cx: &mut Cx, name: &str) -> Result<Root, Raised> {
    let sys = cx.import("sys")?;
    match cx.find_attribute(sys, name)? {
        Some(stream) => Ok(stream),
        None => Err(cx.runtime_error(format!("lost sys.{name}"))),
    }
}

// ---- the module ----

/// What the system said may hold stand-ins for surrogates.
/// Sets `sys.ps1` and `sys.ps2`, which are there only where somebody types: programs tell that by them.
///
/// # Errors
/// The module can't be changed.
pub fn set_prompts(cx: &mut Cx) -> Result<(), Raised> {
    let Some(sys) = cx.find_module("sys").map(|module| module.raw()) else { return Ok(()) };
    let mark = cx.mark();
    let sys = cx.push_raw(sys);
    for (name, prompt) in [("ps1", ">>> "), ("ps2", "... ")] {
        let prompt = text(cx, prompt);
        set(cx, sys, name, prompt)?;
    }
    cx.release(mark);
    Ok(())
}

fn text(cx: &mut Cx, text: &str) -> Root {
    let raw = cx.message(text);
    cx.push_raw(raw)
}

fn int(cx: &mut Cx, value: i64) -> Root {
    cx.push_raw(Raw::int(value))
}

fn texts<T: AsRef<str>>(cx: &mut Cx, texts: &[T]) -> Root {
    let mark = cx.mark();
    let roots: Vec<Root> = texts.iter().map(|t| text(cx, t.as_ref())).collect();
    let values: Vec<Value<'_>> = roots.iter().map(|r| r.get(cx)).collect();
    let list = cx.list(&values).value().raw();
    cx.release(mark);
    cx.push_raw(list)
}

/// Installs the module.
pub(crate) fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(structseq::TYPES);
    structseq::describe(cx);
    let module = cx.new_module("sys").held();
    cx.functions_of(module, &SYS);
    cx.functions_of(module, &super::traceback::HOOKS);
    let sys = cx.push_raw(module.value().raw());
    let modules = cx.modules().value().raw();
    let modules = cx.push_raw(modules);
    set(cx, sys, "modules", modules)?;
    for stream in [("stdin", StdStream::In), ("stdout", StdStream::Out), ("stderr", StdStream::Err)] {
        let object = super::io::standard_stream(cx, stream.1)?;
        set(cx, sys, stream.0, object)?;
        set(cx, sys, &format!("__{}__", stream.0), object)?;
    }
    for hook in ["breakpointhook", "displayhook", "excepthook", "unraisablehook"] {
        let function = cx.attribute(sys, hook)?;
        set(cx, sys, &format!("__{hook}__"), function)?;
    }
    let [major, minor, micro] = VERSION;
    let version = format!("{major}.{minor}.{micro} (aio {}) [{}]", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let executable = cx.host().executable();
    let prefix = executable.rsplit_once("/bin/").map_or("/usr".to_owned(), |(p, _)| p.to_owned());
    for (name, value) in [
        ("version", version.as_str()),
        ("platform", "linux"),
        ("executable", &executable),
        ("_base_executable", &executable),
        ("prefix", &prefix),
        ("exec_prefix", &prefix),
        ("base_prefix", &prefix),
        ("base_exec_prefix", &prefix),
        ("platlibdir", "lib"),
        ("byteorder", "little"),
        ("float_repr_style", "short"),
        ("copyright", "aio is free software: MIT or Apache-2.0."),
        ("abiflags", ""),
    ] {
        let value = text(cx, value);
        set(cx, sys, name, value)?;
    }
    let hexversion = major << 24 | minor << 16 | micro << 8 | 0xf0;
    for (name, value) in
        [("maxsize", i64::MAX), ("maxunicode", 0x10_FFFF), ("hexversion", hexversion), ("api_version", 1013)]
    {
        let value = int(cx, value);
        set(cx, sys, name, value)?;
    }
    for (name, value) in [("dont_write_bytecode", Raw::TRUE), ("pycache_prefix", Raw::NONE)] {
        let value = cx.push_raw(value);
        set(cx, sys, name, value)?;
    }
    for name in ["argv", "orig_argv", "path", "meta_path", "path_hooks", "warnoptions"] {
        let list = texts::<&str>(cx, &[]);
        set(cx, sys, name, list)?;
    }
    for name in ["_xoptions", "path_importer_cache"] {
        let dict = Dict::new(&cx.heap).value().raw();
        let dict = cx.push_raw(dict);
        set(cx, sys, name, dict)?;
    }
    sequences(cx, sys)?;
    let mut names: Vec<String> = super::MODULES.iter().map(|(n, _)| (*n).to_owned()).collect();
    names.extend(["builtins".to_owned(), "sys".to_owned()]);
    names.sort_unstable();
    names.dedup();
    let list = texts(cx, &names);
    let tuple = cx.tuple_from(list)?;
    set(cx, sys, "builtin_module_names", tuple)?;
    let names = texts(cx, &crate::vm::stdlib_names::STDLIB_MODULE_NAMES);
    let class = cx.kind_class(Kind::FrozenSet).value().raw();
    let class = cx.push_raw(class);
    let names = cx.call(class, &[names])?;
    set(cx, sys, "stdlib_module_names", names)?;
    implementation(cx, sys, hexversion)
}

/// `sys.implementation`.
fn implementation(cx: &mut Cx, sys: Root, hexversion: i64) -> Result<(), Raised> {
    let class = cx.type_class().value().raw();
    let class = cx.push_raw(class);
    let name = text(cx, "SimpleNamespace");
    let bases = cx.empty_tuple().value().raw();
    let bases = cx.push_raw(bases);
    let dict = Dict::new(&cx.heap).value().raw();
    let dict = cx.push_raw(dict);
    let (key, module) = (text(cx, "__module__"), text(cx, "types"));
    cx.dict_set(dict, key, module)?;
    let class = cx.call(class, &[name, bases, dict])?;
    let namespace = cx.call(class, &[])?;
    let name = text(cx, "aio");
    set(cx, namespace, "name", name)?;
    let none = cx.push_raw(Raw::NONE);
    set(cx, namespace, "cache_tag", none)?;
    let version = cx.attribute(sys, "version_info")?;
    set(cx, namespace, "version", version)?;
    let hexversion = int(cx, hexversion);
    set(cx, namespace, "hexversion", hexversion)?;
    let multiarch = text(cx, &format!("{}-linux-gnu", std::env::consts::ARCH));
    set(cx, namespace, "_multiarch", multiarch)?;
    set(cx, sys, "implementation", namespace)
}

/// `version_info` and its like.
fn sequences(cx: &mut Cx, sys: Root) -> Result<(), Raised> {
    let [major, minor, micro] = VERSION;
    let items = [int(cx, major), int(cx, minor), int(cx, micro), text(cx, "final"), int(cx, 0)];
    let version = structseq::make(cx, "version_info", &items)?;
    set(cx, sys, "version_info", version)?;
    flags(cx, sys)?;
    let float = |cx: &mut Cx, value: f64| cx.push_raw(Raw::float(value));
    let items = [
        float(cx, f64::MAX),
        int(cx, 1024),
        int(cx, 308),
        float(cx, f64::MIN_POSITIVE),
        int(cx, -1021),
        int(cx, -307),
        int(cx, 15),
        int(cx, 53),
        float(cx, f64::EPSILON),
        int(cx, 2),
        int(cx, 1),
    ];
    let info = structseq::make(cx, "float_info", &items)?;
    set(cx, sys, "float_info", info)?;
    let items = [int(cx, 30), int(cx, 4), int(cx, 4300), int(cx, 640)];
    let info = structseq::make(cx, "int_info", &items)?;
    set(cx, sys, "int_info", info)?;
    let items = [
        int(cx, 64),
        int(cx, (1 << 61) - 1),
        int(cx, 314_159),
        int(cx, 0),
        int(cx, 1_000_003),
        text(cx, "siphash13"),
        int(cx, 64),
        int(cx, 128),
        int(cx, 0),
    ];
    let info = structseq::make(cx, "hash_info", &items)?;
    set(cx, sys, "hash_info", info)?;
    let items = [text(cx, "pthread"), text(cx, "semaphore"), text(cx, "aio")];
    let info = structseq::make(cx, "thread_info", &items)?;
    set(cx, sys, "thread_info", info)
}

/// `sys.flags`, as the command line says.
fn flags(cx: &mut Cx, sys: Root) -> Result<(), Raised> {
    let given = cx.switches.clone();
    let number = |flag: bool| i64::from(flag);
    let mut items: Vec<Root> = [
        0,
        number(given.inspect),
        number(given.inspect),
        i64::from(given.optimize),
        1,
        number(given.no_user_site),
        number(given.no_site),
        number(given.ignore_environment),
        0,
        0,
        number(given.quiet),
        0,
        number(given.isolated),
    ]
    .map(|value| int(cx, value))
    .into();
    items.push(cx.push_raw(Raw::bool(given.dev_mode)));
    items.push(int(cx, 1));
    items.push(int(cx, 0));
    items.push(cx.push_raw(Raw::bool(given.safe_path)));
    let digits = cx.int_max_str_digits as i64;
    items.push(int(cx, digits));
    let flags = structseq::make(cx, "flags", &items)?;
    set(cx, sys, "flags", flags)
}

/// Tells the module of the program that is run.
pub(crate) fn set_program(vm: &mut Vm, argv: &[String], orig_argv: &[String], folder: &str) {
    let mark = vm.mark();
    let done = (|| {
        let sys = vm.import("sys")?;
        let list = texts(vm, argv);
        set(vm, sys, "argv", list)?;
        let list = texts(vm, orig_argv);
        set(vm, sys, "orig_argv", list)?;
        let given = vm.switches.clone();
        flags(vm, sys)?;
        let list = texts(vm, &given.warnings);
        set(vm, sys, "warnoptions", list)?;
        let extras = vm.attribute(sys, "_xoptions")?;
        for (name, value) in &given.extras {
            let name = text(vm, name);
            let value = match value {
                Some(value) => text(vm, value),
                None => vm.push_raw(Raw::TRUE),
            };
            vm.dict_set(extras, name, value)?;
        }
        if !given.warnings.is_empty() {
            // Filters that are none are reported before the program begins.
            vm.import("warnings")?;
        }
        let mut path = if given.safe_path { vec![] } else { vec![folder.to_owned()] };
        if let Some(more) = vm.python_variable("PYTHONPATH") {
            path.extend(more.split(':').filter(|p| !p.is_empty()).map(str::to_owned));
        }
        let list = texts(vm, &path);
        set(vm, sys, "path", list)
    })();
    if let Err(raised) = done {
        vm.take_raised(raised);
    }
    vm.release(mark);
}
