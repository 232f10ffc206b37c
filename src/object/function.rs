//! What can be called and what it is made of: loaded code, functions, bound methods, variables shared by closures,
//! modules. Functions written in Rust are in `native`.

use std::cell::Cell as StdCell;
use std::sync::Arc;

use crate::bytecode::code::{Code, CodeFlags};
use crate::heap::{AnyRef, Gc, Ref, Slot};
use crate::object::{Class, Dict, Tuple};

/// Code as one machine has it: its own copy of the words (the caches in them are written to), constants and names as values.
#[derive(Debug)]
pub struct CodeObject {
    /// What was compiled.
    pub code: Arc<Code>,
    /// The instructions, with room for caches.
    pub words: Box<[StdCell<u32>]>,
    /// The constants.
    pub constants: Ref<Tuple>,
    /// The names, interned.
    pub names: Ref<Tuple>,
    /// The child code objects, made when first needed; None before.
    pub children: Ref<Tuple>,
    /// Size of a frame in registers.
    pub registers: u32,
    /// Number of parameters that a simple call fills.
    pub positional: u16,
    /// Number of registers that must be UNBOUND at entry where they are not arguments: all named locals near.
    pub locals: u16,
    /// How calls enter it.
    pub entry: Entry,
    /// Whether it is of a coroutine function with the parameters of a simple one: an await of its call only has to copy the arguments.
    pub awaited_simply: bool,
    /// Whether a frame's registers are not followed by free ones where its calls could have their windows: there are far registers.
    pub detached: bool,
    /// Whether a handler other than the one around a whole generator is in it: such a generator has something to do when it dies.
    pub handles: bool,
}

crate::cell! { CodeObject: Code { slots: [], refs: [constants, names, children] } }

/// How a call enters a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A plain function with positional parameters only, all registers near: arguments are where the frame wants them.
    Simple,
    /// A plain function; arguments have to be bound.
    Bind,
    /// A generator, coroutine or asynchronous generator function.
    Generator,
}

impl CodeObject {
    /// Whether a handler is around the instruction at `word`, besides the one around the whole of a generator, which is the last.
    pub fn handled_within(&self, word: u32) -> bool {
        let handlers = &self.code.handlers;
        let whole = usize::from(self.entry == Entry::Generator);
        handlers[..handlers.len().saturating_sub(whole)].iter().any(|h| h.start <= word && word < h.end)
    }

    /// What kind of code this is.
    #[inline(always)]
    pub fn flags(&self) -> CodeFlags {
        self.code.flags
    }
}

/// A function written in the language.
#[derive(Debug)]
pub struct Function {
    /// Its code.
    pub code: Ref<CodeObject>,
    /// Its globals.
    pub globals: Ref<Dict>,
    /// `__defaults__`: a tuple or none.
    pub defaults: Ref<Tuple>,
    /// `__kwdefaults__`: a dict or none.
    pub kwdefaults: Ref<Dict>,
    /// The captured cells, or none.
    pub closure: Ref<Tuple>,
    /// What few functions have, by name: `__name__`, `__qualname__`, `__doc__`, `__module__` where they were changed, `__annotate__`,
    /// `__annotations__`, `__type_params__`, and under `__dict__` the dict of its own attributes.
    pub details: Ref<Dict>,
}

crate::cell! { Function: Function { slots: [], refs: [code, globals, defaults, kwdefaults, closure, details] } }

impl<'h> Gc<'h, Function> {
    /// Its code.
    #[inline(always)]
    pub fn code(self) -> Gc<'h, CodeObject> {
        self.get().code.get().expect("a function has code")
    }

    /// Its globals.
    #[inline(always)]
    pub fn globals(self) -> Gc<'h, Dict> {
        self.get().globals.get().expect("a function has globals")
    }
}

impl Function {
    /// Whether there are defaults for the last of so many parameters, all but the first `argc`.
    #[inline]
    pub fn defaults_cover(&self, argc: usize, positional: usize) -> bool {
        let count = self.defaults.get().map_or(0, |defaults| defaults.len());
        argc < positional && positional - argc <= count && count <= positional
    }
}

/// A callable bound to its first argument.
#[derive(Debug)]
pub struct BoundMethod {
    /// What is called.
    pub function: Slot,
    /// The first argument.
    pub receiver: Slot,
}

crate::cell! { BoundMethod: BoundMethod { slots: [function, receiver], refs: [] } }

/// A variable shared by closures.
#[derive(Debug)]
pub struct Variable {
    /// Its content; UNBOUND if there is none.
    pub content: Slot,
}

crate::cell! { Variable: Cell { slots: [content], refs: [] } }

/// A module.
#[derive(Debug)]
pub struct Module {
    /// Its namespace.
    pub dict: Ref<Dict>,
    /// A subclass of module that `__class__` was set to, or none.
    pub class: Ref<Class>,
    /// `__spec__` and `__loader__` are made when they are asked for: the classes of both are the library's.
    pub spec_due: StdCell<bool>,
}

crate::cell! { Module: Module { slots: [], refs: [dict, class] } }

impl<'h> Gc<'h, Module> {
    /// Its namespace.
    #[inline(always)]
    pub fn dict(self) -> Gc<'h, Dict> {
        self.get().dict.get().expect("a module has a namespace")
    }
}

/// A range of code positions in a frame that was left or is running.
#[derive(Debug)]
pub struct Traceback {
    /// The function whose frame it is of.
    pub function: Ref<Function>,
    /// The word of the instruction.
    pub word: u32,
    /// The frame object.
    pub frame: AnyRef,
    /// The next entry, nearer to where the exception was raised.
    pub next: Ref<Traceback>,
    /// A line to show instead of the instruction's (`traceback` objects made by scripts); 0 for none.
    pub line: StdCell<u32>,
}

// In the order in which CPython lets go of them.
crate::cell! { Traceback: Traceback { slots: [], refs: [next, function, frame] } }

/// A frame object: made when somebody asks for it. While its frame runs it knows where that is; when the frame ends its named
/// locals are copied into it.
#[derive(Debug)]
pub struct Frame {
    /// The function.
    pub function: Ref<Function>,
    /// The frame that called this one, as far as it was asked for.
    pub back: AnyRef,
    /// The number of the running frame it stands for, or `u32::MAX` once that ended.
    pub record: StdCell<u32>,
    /// The fiber that runs it.
    pub fiber: StdCell<u32>,
    /// Somebody asked for it. One that was made for a traceback alone does not keep the frames that called it.
    pub asked: StdCell<bool>,
    /// The generator whose frame it is, or none.
    pub generator: AnyRef,
    /// The word of the current or last instruction.
    pub word: StdCell<u32>,
    /// The named locals, once the frame ended: a tuple, in register order.
    pub locals: Ref<Tuple>,
    /// The namespace of a module or class body; or what a script added to `f_locals`.
    pub names: AnyRef,
}

crate::cell! { Frame: Frame { slots: [], refs: [function, back, generator, locals, names] } }
