//! Runs frames. [`Vm`] is a machine: its heap, its modules, its fibers. Nothing about a script is kept anywhere else.
//!
//! Read on: `native.rs` (what a Rust function can ask for), `frame.rs`, `call.rs`, `run.rs` (the loop), `unwind.rs`, then the
//! protocols: `lookup.rs`, `attribute.rs`,
//! `store.rs` (attributes), `ops.rs`, `compare.rs`, `numeric.rs` (operators), `subscript.rs`, `mapping.rs` (items), `lists.rs`, `iterate.rs`, `class.rs`,
//! `class_make.rs` (classes), `collect.rs`, `finalise.rs` (what dies). `host.rs` is the door to the outside world, with the network in `network.rs`.

#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of values are of no interest to a given question")]

mod attribute;
mod awaitable;
mod bind;
mod bind_native;
mod builtin_types;
mod call;
pub mod class;
mod class_make;
mod collect;
mod compare;
mod construct;
pub mod coroutine;
mod direct;
pub mod drain;
mod error;
pub mod fiber;
mod finalise;
mod frame;
pub mod host;
mod imports;
mod inspect;
mod instance_check;
mod interned;
pub mod iterate;
pub mod limits;
mod lists;
mod lookup;
pub mod make;
mod mapping;
mod names;
mod locals;
pub mod native;
mod native_words;
mod nested;
pub mod network;
mod numeric;
mod ops;
mod pattern;
pub mod profile;
mod repr;
mod run;
mod scripted;
pub mod signal;
pub mod special;
mod special_methods;
pub mod stdlib_names;
pub mod step;
mod store;
mod subscript;
mod super_object;
pub mod switches;
mod text;
mod thread_local;
mod unpack;
mod unwind;
mod variables;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bytecode::code::{Code, Const};
use crate::heap::{Deaths, Gc, Heap, Kind, Raw, Ref, Tracer, Value};
use crate::number::hash::{HashKey, HashSeed};
use crate::object::{
    Bytes, Class, CodeObject, Dict, Entry, Exc, Function, List, Module, Shapes, Str, Tuple, complex_value, int_value,
};
pub use builtin_types::TypeRow;
pub use compare::CompareKind;
pub use error::closest;
use frame::Fiber;
use host::{Choice, Host};
pub use inspect::{CallSite, is_library_file};
pub(crate) use lookup::{is_wrapper, is_wrapper_of};
pub use names::Name;
use native::{NativeFunction, Raised, Root};
pub(crate) use ops::FULL_READ_ONLY;
pub use ops::UnaryKind;
pub(crate) use repr::bytearray_literal;

/// Entries of the method cache; a power of two.
const METHOD_CACHE: usize = 2048;
/// Places for what instructions found in objects of a shape; a power of two.
const KNOWN: usize = 1024;
/// Places for special methods looked up; a power of two.
const SPECIALS: usize = 256;

/// What a layer above keeps in the machine (the event loop, the module system): found by its number.
pub trait Extension: Any + fmt::Debug {
    /// Visits the values it holds.
    fn trace(&self, tracer: &mut Tracer<'_>);
    /// The fiber `to` runs from now on, and `from` not any more, or never again if it has `ended`.
    fn switch(&mut self, from: u32, to: u32, ended: bool) {
        let _ = (from, to, ended);
    }
    /// The value that a context variable has in what runs, if this knows contexts.
    fn value_of_variable(&self, variable: Value<'_>) -> Option<Raw> {
        let _ = variable;
        None
    }
}

/// The places for extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionSlot {
    /// `event_loop`.
    EventLoop,
    /// `native` modules' state.
    Natives,
    /// `repl`: the prompt.
    Prompt,
    /// `struct`: formats that were read.
    Formats,
    /// `time`: the local time zone.
    LocalZone,
}

#[derive(Clone, Copy)]
struct CachedMethod {
    class: *const (),
    name: *const (),
    epoch: u32,
    /// The class it was found in, if it is in any.
    owner: Option<frame::Held<Class>>,
    /// The number of its entry in that class's namespace.
    index: u32,
}

/// What instructions of one kind found under a name in objects of one shape: for those that meet several shapes, whose own cache
/// knows the first.
#[derive(Clone, Copy)]
struct Known {
    name: *const (),
    shape: u32,
    epoch: u32,
    use_of: lookup::UseOf,
    /// As an instruction's cache has them, behind shape and epoch.
    words: [u32; 3],
}

/// Objects of modules written in the language that natives know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name in the module")]
pub(crate) enum Library {
    Decimal,
    DecimalContext,
    /// The context variable that holds the current context.
    DecimalVariable,
    Namespace,
    Partial,
    Placeholder,
    DefaultDict,
    OrderedDict,
    /// A number that changes with each class registered with an abstract base class.
    AbcToken,
}

impl Library {
    const COUNT: usize = Library::AbcToken as usize + 1;
}

/// The classes the machine itself needs.
#[derive(Debug)]
pub struct Types {
    by_kind: Vec<Raw>,
    by_exception: Vec<Raw>,
    /// `object`.
    pub(crate) object: Raw,
    /// `type`.
    pub(crate) type_: Raw,
    /// `int`, which bool derives from.
    pub(crate) bool_: Raw,
    /// Classes of natives without a kind of their own, by name: set by `native`.
    pub(crate) named: Vec<(&'static str, Raw)>,
    /// How instances of some builtin types are made at once.
    makers: Vec<make::Makers>,
    /// What natives know of the library; UNBOUND for modules that are not loaded.
    library: [Raw; Library::COUNT],
    /// The numbers of the makers of classes among these; 0 for none yet.
    library_makers: [u8; Library::COUNT],
}

/// A machine.
pub struct Vm {
    /// Its heap.
    pub heap: Heap,
    pub(crate) shapes: Shapes,
    pub(crate) types: Types,
    /// Registers and records of the fiber that runs.
    pub(crate) fiber: Fiber,
    fibers: fiber::Fibers,
    thread_locals: thread_local::ThreadLocals,
    names: Vec<Raw>,
    interned: interned::Interned,
    method_cache: Box<[std::cell::Cell<CachedMethod>]>,
    known: Box<[std::cell::Cell<Known>]>,
    /// Special methods looked up before.
    specials: Box<[std::cell::Cell<special_methods::Special>]>,
    /// The method that an instruction asked first has declined, and the instruction is about to be carried out again.
    declined: bool,
    /// Changes whenever a cached way of finding an attribute may have become wrong.
    epoch: u32,
    raised: Raw,
    deaths: Deaths,
    recursion_limit: u32,
    /// Weak references to the memoryviews of bytearrays: see `view_count`.
    views: Vec<Raw>,
    /// What the command line says of the program.
    pub(crate) switches: switches::Switches,
    /// `sys.get_int_max_str_digits()`; 0 for no limit.
    pub(crate) int_max_str_digits: usize,
    /// The interrupt word, shared with signal handlers and timers.
    interrupt: Arc<AtomicU32>,
    host: Box<dyn Host>,
    extensions: [Option<Box<dyn Extension>>; 5],
    /// `sys.modules`.
    modules: Raw,
    /// The namespace of `builtins`.
    builtins: Raw,
    /// Values that live as long as the machine.
    permanent: Vec<Raw>,
    /// Tuple without items: there is only one.
    empty_tuple: Raw,
    /// Texts of one Latin-1 character.
    characters: Vec<Raw>,
    /// What a native whose arguments are being bound was bound to as a method; unbound for others.
    bound_to: Raw,
    /// `builtins.__import__` is not the machine's own any more.
    pub(crate) import_replaced: bool,
    imports: imports::Imports,
    /// What awaiting needs to know of natives, and what was reported.
    pub(crate) coroutines: coroutine::Coroutines,
    /// Texts of code that was not read from files: see `Vm::register_source`.
    sources: inspect::Sources,
    /// What a signal handler, a limit or another thread asks of the run loop beyond the interrupt word.
    pub(crate) pending_signals: Vec<i32>,
    /// What is done about signals.
    pub(crate) signals: signal::SignalState,
    /// The first Ctrl-C is left for the event loop.
    pub(crate) defer_interrupt: bool,
    /// `sys.stdout` writes UTF-8 to the system: `print` need not ask it.
    pub(crate) prints_directly: bool,
    /// Steps that are left, where they are counted.
    steps: u64,
    /// Why the program is being stopped.
    stopped: Option<limits::Stop>,
    /// What was sampled, if the program is profiled.
    profile: Option<Box<profile::Profile>>,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").field("heap", &self.heap).field("records", &self.fiber.records.len()).finish()
    }
}

impl Vm {
    /// A machine without any class or module: `native::install` adds those.
    pub fn new(host: Box<dyn Host>) -> Vm {
        let mut heap = Heap::new();
        crate::object::register(&mut heap);
        heap.register::<NativeFunction>();
        heap.register::<iterate::NativeIterator>();
        heap.register::<coroutine::NativeCoroutine>();
        let interrupt = heap.interrupt().clone();
        let mut vm = Vm {
            heap,
            shapes: Shapes::new(),
            types: Types {
                by_kind: vec![Raw::NONE; 256],
                by_exception: vec![Raw::NONE; Exc::ALL.len()],
                object: Raw::NONE,
                type_: Raw::NONE,
                bool_: Raw::NONE,
                named: vec![],
                makers: vec![],
                library: [Raw::UNBOUND; Library::COUNT],
                library_makers: [0; Library::COUNT],
            },
            fiber: Fiber::new(host.registers()),
            fibers: fiber::Fibers::default(),
            names: vec![],
            interned: interned::Interned::new(),
            method_cache: vec![
                std::cell::Cell::new(CachedMethod {
                    class: std::ptr::null(),
                    name: std::ptr::null(),
                    epoch: 0,
                    owner: None,
                    index: 0,
                });
                METHOD_CACHE
            ]
            .into(),
            specials: vec![std::cell::Cell::new(special_methods::Special::NONE); SPECIALS].into(),
            declined: false,
            known: vec![
                std::cell::Cell::new(Known {
                    name: std::ptr::null(),
                    shape: 0,
                    epoch: 0,
                    use_of: lookup::UseOf::Get,
                    words: [0; 3],
                });
                KNOWN
            ]
            .into(),
            epoch: 1,
            raised: Raw::UNBOUND,
            deaths: Deaths::default(),
            recursion_limit: 1000,
            views: vec![],
            switches: switches::Switches::default(),
            int_max_str_digits: crate::number::int_text::DEFAULT_MAX_DIGITS,
            interrupt,
            host,
            thread_locals: thread_local::ThreadLocals::default(),
            extensions: [const { None }; 5],
            modules: Raw::NONE,
            builtins: Raw::NONE,
            permanent: vec![],
            empty_tuple: Raw::NONE,
            characters: vec![],
            bound_to: Raw::UNBOUND,
            import_replaced: false,
            imports: imports::Imports::default(),
            coroutines: coroutine::Coroutines::default(),
            sources: inspect::Sources::default(),
            pending_signals: vec![],
            signals: signal::SignalState::default(),
            defer_interrupt: false,
            prints_directly: true,
            steps: 0,
            stopped: None,
            profile: None,
        };
        if let Some(every) = vm.host.variable("AIO_GC_STRESS").and_then(|text| text.parse().ok()) {
            let seed = vm.host.variable("AIO_GC_SEED").and_then(|text| text.parse().ok());
            vm.heap.set_stress(every, seed.unwrap_or(1));
        }
        let key = match vm.host.hash_seed() {
            HashSeed::Fixed(seed) => HashKey::from_seed(seed),
            HashSeed::Random => {
                let seed = vm.host.random_seed();
                HashKey::from_random(vm.host.decide(Choice::Secret, seed))
            }
        };
        vm.heap.set_hash_key(key);
        let seed = vm.host.random_seed();
        vm.heap.set_secret(vm.host.decide(Choice::Secret, seed));
        vm.set_stack_room(vm.host.stack_size());
        let limit = vm.host.memory();
        if limit.is_some() {
            crate::heap::keep_reserve();
        }
        vm.heap.set_limit(limit.unwrap_or(usize::MAX));
        for text in Name::TEXTS {
            let name = vm.intern(text).value().raw();
            vm.names.push(name);
        }
        vm.empty_tuple = Tuple::new(&vm.heap, &[]).value().raw();
        for c in 0..=255u8 {
            let text = vm.intern(char::from(c).encode_utf8(&mut [0; 4])).value().raw();
            vm.characters.push(text);
        }
        vm.modules = Dict::new(&vm.heap).value().raw();
        vm.builtins = Dict::new(&vm.heap).value().raw();
        vm
    }

    /// Says how much of the machine's stack, in bytes from here on, natives may use.
    pub fn set_stack_room(&mut self, bytes: usize) {
        let here = std::ptr::from_ref(&bytes).addr();
        self.fiber.stack_limit = here.saturating_sub(bytes.saturating_sub(256 * 1024));
    }

    /// Whether natives may go deeper on the machine's stack.
    #[inline]
    pub fn stack_is_left(&self) -> bool {
        let here = 0u8;
        std::ptr::from_ref(&here).addr() > self.fiber.stack_limit
    }

    /// Raises RecursionError if natives may not go deeper on the machine's stack.
    pub fn check_stack(&mut self) -> Result<(), Raised> {
        if self.stack_is_left() { self.poll() } else { Err(self.recursion_error()) }
    }

    /// As `poll`, for natives that hold nothing outside of their window: other threads get their turn, which may collect.
    #[inline]
    pub(crate) fn breathe(&mut self) -> Result<(), Raised> {
        self.poll()?;
        if self.take_interrupt(crate::heap::interrupt::SWITCH) { self.slice_over() } else { Ok(()) }
    }

    /// For natives that may go on for long: an error if they are to stop. Nothing is collected.
    #[inline]
    pub fn poll(&mut self) -> Result<(), Raised> {
        use crate::heap::interrupt::{SIGNAL, STEP, STOP};
        if self.interrupt.load(Ordering::Relaxed) & (SIGNAL | STEP | STOP) == 0 {
            return Ok(());
        }
        if self.fiber.id == 0 {
            self.check_signals()?;
        }
        self.check_limits()
    }

    /// As `poll`, now and then: for natives that go from item to item.
    #[inline]
    pub fn poll_at(&mut self, index: usize) -> Result<(), Raised> {
        if index.is_multiple_of(4096) { self.poll() } else { Ok(()) }
    }

    // ---- names ----

    /// The interned text of a name the machine looks up.
    #[inline(always)]
    pub fn name(&self, name: Name) -> Gc<'_, Str> {
        Value::adopt(self.names[name as usize]).exact::<Str>().expect("names are texts")
    }

    // ---- roots ----

    /// Pushes a value to the running native's registers.
    #[inline]
    pub fn push(&mut self, value: Value<'_>) -> Root {
        self.push_raw(value.raw())
    }

    /// Pushes a bare value to the running native's registers.
    #[inline]
    pub(crate) fn push_raw(&mut self, raw: Raw) -> Root {
        let top = self.fiber.top;
        self.fiber.registers.set(top, raw);
        self.fiber.top = top + 1;
        Root(top)
    }

    /// Where the next root goes: hand it to `release` to drop those pushed since.
    pub fn mark(&self) -> u32 {
        self.fiber.top
    }

    /// Drops the roots pushed since `mark`.
    pub fn release(&mut self, mark: u32) {
        debug_assert!(mark <= self.fiber.top);
        self.fiber.top = mark;
    }

    /// Drops the roots pushed since `mark`, keeping one, which moves to the first place freed.
    pub fn release_keeping(&mut self, mark: u32, keep: Root) -> Root {
        let raw = keep.get(self).raw();
        self.fiber.top = mark;
        self.push_raw(raw)
    }

    /// Keeps a value alive as long as the machine.
    pub fn keep(&mut self, value: Raw) {
        self.permanent.push(value);
    }

    // ---- small constructors ----

    /// A text.
    pub fn str(&self, text: &str) -> Gc<'_, Str> {
        let bytes = text.as_bytes();
        if bytes.len() == 1 { self.character(bytes[0]) } else { Str::new(&self.heap, text) }
    }

    /// The text of one character below U+0100.
    #[inline]
    pub fn character(&self, c: u8) -> Gc<'_, Str> {
        Value::adopt(self.characters[usize::from(c)]).exact::<Str>().expect("texts")
    }

    /// The tuple without items.
    pub fn empty_tuple(&self) -> Gc<'_, Tuple> {
        Value::adopt(self.empty_tuple).exact::<Tuple>().expect("a tuple")
    }

    /// A tuple of these items.
    pub fn tuple(&self, items: &[Value<'_>]) -> Gc<'_, Tuple> {
        if items.is_empty() {
            self.empty_tuple()
        } else {
            Tuple::build(&self.heap, items.len(), |i| Value::adopt(items[i].raw()))
        }
    }

    /// A list of these items.
    pub fn list(&self, items: &[Value<'_>]) -> Gc<'_, List> {
        List::build(&self.heap, items.len(), |i| Value::adopt(items[i].raw()))
    }

    /// The text a value is: exact, or an instance of a class derived from str.
    #[inline]
    pub fn as_str<'h>(&'h self, value: Value<'h>) -> Option<Gc<'h, Str>> {
        value.exact::<Str>().or_else(|| self.payload(value).exact::<Str>())
    }

    /// The value that an instance of a class derived from a builtin type stands for; any other value as it is.
    #[inline]
    pub fn payload<'h>(&'h self, value: Value<'h>) -> Value<'h> {
        if !value.is_subclassed() {
            return value;
        }
        match value.cell_of_kind::<crate::object::Instance>() {
            Some(instance) => instance.slot(0),
            None => value,
        }
    }

    // ---- modules and namespaces ----

    /// `sys.modules`.
    pub fn modules(&self) -> Gc<'_, Dict> {
        Value::adopt(self.modules).exact::<Dict>().expect("a dict")
    }

    /// The namespace of `builtins`.
    pub fn builtins(&self) -> Gc<'_, Dict> {
        Value::adopt(self.builtins).exact::<Dict>().expect("a dict")
    }

    /// Makes a module and puts it into `sys.modules`.
    pub fn new_module(&mut self, name: &str) -> Gc<'_, Module> {
        let key = self.intern(name).value().raw();
        let doc = self.name(Name::Doc).value().raw();
        let dunder = self.name(Name::Name).value().raw();
        let package = self.name(Name::Package).value().raw();
        let loader = self.name(Name::Loader).value().raw();
        let spec = self.name(Name::Spec).value().raw();
        let heap = &self.heap;
        let text = |raw: Raw| Value::adopt(raw).exact::<Str>().expect("a text");
        let dict = if name == "builtins" { self.builtins() } else { Dict::new(heap) };
        dict.put_str(heap, text(dunder), Value::adopt(key));
        dict.put_str(heap, text(doc), Value::NONE);
        dict.put_str(heap, text(package), Value::NONE);
        dict.put_str(heap, text(loader), Value::NONE);
        dict.put_str(heap, text(spec), Value::NONE);
        let module = heap.alloc(Module {
            dict: Ref::new(dict),
            class: Ref::none(),
            spec_due: std::cell::Cell::new(name != "__main__"),
        });
        self.modules().put_str(heap, text(key), module.value());
        module
    }

    /// Puts a value into the namespace of `builtins`.
    pub fn set_builtin(&mut self, name: &str, raw: Raw) {
        let key = self.intern(name).held();
        let heap = self.heap.forever();
        self.builtins().put_str(heap, key, Value::adopt(raw));
    }

    /// A module that is loaded.
    pub fn find_module(&self, name: &str) -> Option<Value<'_>> {
        let key = Str::new(&self.heap, name);
        self.modules().get_str(&self.heap, key)
    }

    // ---- code ----

    /// Loads compiled code: a copy of its words to keep caches in, its constants and names as values.
    pub fn load(&mut self, code: &Arc<Code>) -> Gc<'_, CodeObject> {
        let mark = self.mark();
        for name in &code.names {
            let raw = self.intern(name).value().raw();
            self.push_raw(raw);
        }
        let names_at = mark;
        let constants_at = self.mark();
        for constant in &code.constants {
            let raw = self.constant(constant).raw();
            self.push_raw(raw);
        }
        let heap = &self.heap;
        let registers = &self.fiber.registers;
        let names = Tuple::build(heap, code.names.len(), |i| registers.get(names_at + i as u32));
        let constants = Tuple::build(heap, code.constants.len(), |i| registers.get(constants_at + i as u32));
        let children = Tuple::build(heap, code.children.len(), |_| Value::NONE);
        let flags = code.flags;
        use crate::bytecode::code::CodeFlags as F;
        let simple = code.keyword_only == 0
            && !flags.intersects(F::VARARGS | F::VARKEYWORDS | F::NAMESPACE)
            && code.far_base == code.registers
            && code.near_locals as usize >= code.positional as usize;
        let entry = if flags.intersects(F::GENERATOR | F::COROUTINE | F::ASYNC_GENERATOR) {
            Entry::Generator
        } else if simple {
            Entry::Simple
        } else {
            Entry::Bind
        };
        let object = heap.alloc(CodeObject {
            code: code.clone(),
            words: code.words.iter().map(|w| std::cell::Cell::new(*w)).collect(),
            constants: Ref::new(constants),
            names: Ref::new(names),
            children: Ref::new(children),
            registers: u32::from(code.registers),
            positional: code.positional,
            locals: code.near_locals,
            entry,
            awaited_simply: simple && flags.contains(F::COROUTINE),
            detached: code.far_base != code.registers,
            handles: code.handlers.len() > usize::from(entry == Entry::Generator),
        });
        heap.account(code.words.len() * 4);
        let raw = object.value().raw();
        self.release(mark);
        Value::adopt(raw).exact::<CodeObject>().expect("just made")
    }

    /// A constant as a value.
    pub fn constant(&mut self, constant: &Const) -> Value<'_> {
        match constant {
            Const::None => Value::NONE,
            Const::Bool(b) => Value::bool(*b),
            Const::Ellipsis => Value::ELLIPSIS,
            Const::Int(i) => Value::int(*i),
            Const::BigInt(big) => int_value(&self.heap, crate::number::int::Int::Big(big.clone())),
            Const::Float(f) => Value::float(*f),
            Const::Complex(re, im) => complex_value(&self.heap, *re, *im).value(),
            Const::Str(bytes) => {
                // Texts that look like names are shared, as CPython does; so `is` agrees for them.
                if bytes.len() <= 64 && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                    self.intern_bytes(bytes).value()
                } else {
                    Str::from_parts(&self.heap, &[bytes]).value()
                }
            }
            Const::Bytes(bytes) => Bytes::new(&self.heap, bytes).value(),
            Const::Tuple(items) => {
                let mark = self.mark();
                for item in items {
                    let raw = self.constant(item).raw();
                    self.push_raw(raw);
                }
                let registers = &self.fiber.registers;
                let tuple = if items.is_empty() {
                    self.empty_tuple
                } else {
                    Tuple::build(&self.heap, items.len(), |i| registers.get(mark + i as u32)).value().raw()
                };
                self.release(mark);
                Value::adopt(tuple)
            }
            Const::FrozenSet(items) => {
                let mark = self.mark();
                let set = crate::object::FrozenSet::new(&self.heap).value().raw();
                let set = self.push_raw(set);
                for item in items {
                    let raw = self.constant(item).raw();
                    let item = self.push_raw(raw);
                    // Constants are hashable and compare without scripts.
                    let _ = self.frozenset_add(set, item);
                }
                // Where hashes are not those of small ints the order is that of CPython 3.13, which makes such a constant twice.
                if items.iter().any(|item| matches!(item, Const::Str(_) | Const::Bytes(_) | Const::Float(_))) {
                    let again = crate::object::FrozenSet::new(&self.heap).value().raw();
                    let again = self.push_raw(again);
                    for (hash, key) in self.set_items(set.get(self)) {
                        let key = self.push_raw(key);
                        let _ = self.set_add_hash(again, key, hash);
                    }
                    let raw = again.get(self).raw();
                    set.set(self, Value::adopt(raw));
                }
                let raw = set.get(self).raw();
                self.release(mark);
                Value::adopt(raw)
            }
        }
    }

    /// A function of loaded code, without closure or defaults.
    pub fn function(&self, code: Gc<'_, CodeObject>, globals: Gc<'_, Dict>) -> Gc<'_, Function> {
        self.heap.alloc(Function {
            code: Ref::new(code),
            globals: Ref::new(globals),
            defaults: Ref::none(),
            kwdefaults: Ref::none(),
            closure: Ref::none(),
            details: Ref::none(),
        })
    }

    // ---- extensions and host ----

    /// The door to the outside world.
    #[inline]
    pub fn host(&self) -> &dyn Host {
        self.host.as_ref()
    }

    /// The door to the outside world, to change something.
    #[inline]
    pub fn host_mut(&mut self) -> &mut dyn Host {
        self.host.as_mut()
    }

    /// Puts an extension in its place.
    pub fn set_extension(&mut self, slot: ExtensionSlot, extension: Box<dyn Extension>) {
        self.extensions[slot as usize] = Some(extension);
    }

    /// An extension, by place and type.
    #[inline]
    pub fn extension<T: Extension>(&self, slot: ExtensionSlot) -> Option<&T> {
        let any: &dyn Any = self.extensions[slot as usize].as_deref()?;
        any.downcast_ref()
    }

    /// An extension, by place and type, to change it.
    #[inline]
    pub fn extension_mut<T: Extension>(&mut self, slot: ExtensionSlot) -> Option<&mut T> {
        let any: &mut dyn Any = self.extensions[slot as usize].as_deref_mut()?;
        any.downcast_mut()
    }

    // ---- the library ----

    /// An object of the library that natives know; UNBOUND if its module is not loaded.
    #[inline(always)]
    pub(crate) fn library(&self, part: Library) -> Raw {
        self.types.library[part as usize]
    }

    /// Has natives know an object of the library.
    pub(crate) fn set_library(&mut self, part: Library, object: Raw) {
        self.types.library[part as usize] = object;
    }

    /// The value that a context variable has in what runs.
    pub(crate) fn context_value(&self, variable: Raw) -> Option<Raw> {
        self.extensions[ExtensionSlot::EventLoop as usize].as_ref()?.value_of_variable(Value::adopt(variable))
    }

    // ---- limits and collection ----

    /// `sys.getrecursionlimit()`.
    pub fn recursion_limit(&self) -> u32 {
        self.recursion_limit
    }

    /// `sys.setrecursionlimit(limit)`.
    pub fn set_recursion_limit(&mut self, limit: u32) {
        self.recursion_limit = limit;
    }

    /// Depth of frames, those in await chains included.
    pub fn depth(&self) -> u32 {
        self.fiber.records.len() as u32 + self.fiber.extra_depth
    }

    /// The interrupt word.
    pub fn interrupt(&self) -> &Arc<AtomicU32> {
        &self.interrupt
    }

    /// Takes a bit of the interrupt word.
    fn take_interrupt(&self, bit: u32) -> bool {
        self.interrupt.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }
}

impl Types {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        crate::object::trace_all(tracer, self.by_kind.iter().chain(&self.by_exception));
        crate::object::trace_all(tracer, [&self.object, &self.type_, &self.bool_]);
        crate::object::trace_all(tracer, self.named.iter().map(|(_, raw)| raw));
        crate::object::trace_all(tracer, self.library.iter());
    }

    /// Says which class values of a kind have.
    pub(crate) fn set_kind(&mut self, kind: Kind, class: Gc<'_, Class>) {
        self.by_kind[kind as usize] = class.value().raw();
    }

    /// Says which class a builtin exception is.
    pub(crate) fn set_exception(&mut self, exception: Exc, class: Gc<'_, Class>) {
        self.by_exception[exception as usize] = class.value().raw();
    }
}

impl Vm {
    /// The class of values of a kind.
    #[inline(always)]
    pub fn kind_class(&self, kind: Kind) -> Gc<'_, Class> {
        Value::adopt(self.types.by_kind[kind as usize]).exact::<Class>().expect("every kind has a class")
    }

    /// A builtin exception class.
    #[inline]
    pub fn exception_class(&self, exception: Exc) -> Gc<'_, Class> {
        Value::adopt(self.types.by_exception[exception as usize]).exact::<Class>().expect("every exception has a class")
    }

    /// `object`.
    pub fn object_class(&self) -> Gc<'_, Class> {
        Value::adopt(self.types.object).exact::<Class>().expect("installed")
    }

    /// `type`.
    pub fn type_class(&self) -> Gc<'_, Class> {
        Value::adopt(self.types.type_).exact::<Class>().expect("installed")
    }

    /// The class of natives that have no kind of their own, by the name it was registered with.
    pub fn named_class(&self, name: &str) -> Gc<'_, Class> {
        let found = self.types.named.iter().find(|(n, _)| *n == name);
        found.and_then(|(_, raw)| Value::adopt(*raw).exact::<Class>()).expect("registered at the start")
    }
}
