//! From the tree and its scopes to bytecode.
//!
//! One walk, no intermediate form: statements are in `stmt`, expressions in `expr`, calls in `call`, what is bound in `targets` and
//! `patterns`, definitions in `function` and `class`, what suspends in `asyncs`. Here are the unit being compiled, the meaning of
//! names as instructions, and the way out of nested blocks.
//!
//! # Registers
//! `expr_to(e, dst)` leaves the value in `dst`, which is either the first free temporary or a named local, and writes it
//! last: so `x = a + b` needs no temporary and `x = f(x)` reads `x` before it is gone. Locals that are certainly bound
//! serve as operands where they are, unless a later operand could rebind them with `:=`.
#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of node are of no interest to a given question")]

mod asyncs;
mod call;
mod class;
mod display;
mod expr;
mod function;
mod patterns;
mod stmt;
mod targets;
mod unawaited;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::bytecode::builder::{Builder, CaptureFrom, Finished, Header, Label, Place};
use crate::bytecode::code::{Code, CodeFlags, Const};
use crate::bytecode::op::{Instr, Intrinsic, NameIdx, Reg};
use crate::bytecode::verify::verify;
use crate::diagnostic::{self, Diagnostic, ErrorClass};
use crate::resolve::{self, Binding, Context, ScopeId, ScopeKind, Scopes};
use crate::source::{SourceFile, Span};
use crate::syntax::ast::{Ast, ExprId, Root, StmtId, Symbol};
use crate::syntax::layout::SyntaxWarning;

/// How a text is to be compiled. What it is (module, prompt, expression) its tree says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file as tracebacks show it.
    pub filename: Arc<str>,
    /// `await` is allowed outside of functions.
    pub top_level_await: bool,
    /// 1 leaves out `assert`, 2 docstrings too.
    pub optimize: u8,
    /// Names live in a mapping in register 0 that may not be the globals (`exec` and `eval` with locals).
    pub namespace: bool,
    /// `from __future__ import annotations` is in force from outside.
    pub future_annotations: bool,
    /// There is a large stack: expressions may nest deeper.
    pub deep: bool,
    /// A text that speaks of finalisers or weak references looks before each statement whether something has died; one that may drop
    /// coroutines, after each.
    pub looks: bool,
}

/// How deep expressions may nest, chains to the left not counted.
const MAX_DEPTH: u32 = 1000;
/// As `MAX_DEPTH`, where there is a large stack.
const MAX_DEPTH_DEEP: u32 = 30_000;

/// Compiles a tree, with what CPython would warn about besides the parser's warnings; or says what is wrong, in the order CPython would meet it.
pub fn compile(
    ast: &Ast,
    source: &SourceFile,
    options: &Options,
) -> Result<(Arc<Code>, Vec<SyntaxWarning>), Vec<Diagnostic>> {
    let context = Context {
        top_level_await: options.top_level_await,
        namespace: options.namespace,
        future_annotations: options.future_annotations,
    };
    let mut scopes = resolve::resolve(ast, context)?;
    let warnings = std::mem::take(&mut scopes.warnings);
    let looks = options.looks && ["__del__", "weakref"].iter().any(|name| ast.names.find(name).is_some());
    let looks_after = options.looks && unawaited::drops_coroutines(ast);
    let (units, errors) = (Vec::new(), Vec::new());
    let mut compiler = Compiler { ast, source, scopes: &scopes, options, looks, looks_after, units, depth: 0, errors };
    let code = compiler.root();
    if !compiler.errors.is_empty() {
        return Err(compiler.errors);
    }
    if cfg!(debug_assertions)
        && let Err(what) = verify(&code)
    {
        panic!("the compiler made unsound code: {what}\n{}", crate::bytecode::disasm::disassemble(&code));
    }
    Ok((Arc::new(code), warnings))
}

/// A statically nested block that `return`, `break` or `continue` can leave.
#[derive(Clone, Copy, Debug)]
struct Block {
    kind: BlockKind,
    /// How many protections of the builder belong to it.
    protections: u8,
}

#[derive(Clone, Copy, Debug)]
enum BlockKind {
    /// A loop, with the iterator of a `for`.
    Loop { end: Label, next: Label, iter: Option<Reg> },
    /// The body of a `try` with `except`.
    Try,
    /// The body of a `try` with `finally`: that statement.
    Finally(StmtId),
    /// The body of a `with`.
    With { base: Reg, is_async: bool, span: Span },
    /// An `except` block (or the `finally` block of an exception), with the name it unbinds in the end.
    Handler { save: Reg, name: Option<Symbol> },
}

/// A code object in the making.
struct Unit {
    b: Builder,
    scope: ScopeId,
    /// The scope names are looked up in: the unit's, or that of a comprehension within.
    here: ScopeId,
    blocks: Vec<Block>,
    name: Box<str>,
    qualname: Box<str>,
    first_line: u32,
    flags: CodeFlags,
    positional: u16,
    positional_only: u16,
    keyword_only: u16,
    /// The first free temporary when the current statement began.
    base: u16,
    /// In a class: attributes that methods assign on `self`.
    static_attributes: Vec<Symbol>,
    /// In a class or module: annotated names so far.
    annotations: Vec<Annotated>,
    /// The comprehensions so far that run in its frame.
    comprehensions: Vec<ScopeId>,
}

/// An annotated name of a class or module.
#[derive(Clone, Copy, Debug)]
struct Annotated {
    name: Symbol,
    annotation: ExprId,
    /// Its number, if whether it counts is only known when the statement has run.
    conditional: Option<u32>,
}

struct Compiler<'a> {
    ast: &'a Ast,
    source: &'a SourceFile,
    scopes: &'a Scopes,
    options: &'a Options,
    /// Each statement begins with a `Look`.
    looks: bool,
    /// Each statement ends with a `Look`, and so does the head of a compound one.
    looks_after: bool,
    units: Vec<Unit>,
    depth: u32,
    errors: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    fn root(&mut self) -> Code {
        self.open_unit(ScopeId::ROOT, "<module>".into(), "<module>".into(), 1);
        self.unit().flags = if self.options.namespace { CodeFlags::NAMESPACE } else { CodeFlags::MODULE };
        let ast = self.ast;
        let is_async = self.scopes.scope(ScopeId::ROOT).is_coroutine;
        if is_async {
            self.unit().flags |= CodeFlags::COROUTINE | CodeFlags::TOP_LEVEL_AWAIT;
        }
        self.generator_body(is_async, |this| match &ast.root {
            Root::Module(body) => {
                this.module_body(body, false);
                this.return_none();
            }
            Root::Interactive(body) => {
                this.module_body(body, true);
                this.return_none();
            }
            Root::Expression(value) => {
                this.unit().name = "<module>".into();
                this.return_value(*value);
            }
        });
        self.close_unit().into_code()
    }

    fn unit(&mut self) -> &mut Unit {
        self.units.last_mut().expect("a unit is open while code is made")
    }

    fn b(&mut self) -> &mut Builder {
        &mut self.units.last_mut().expect("a unit is open while code is made").b
    }

    fn reg(&mut self, at: u16) -> Reg {
        self.b().reg(at)
    }

    fn emit(&mut self, instr: Instr) {
        self.b().emit(instr);
    }

    fn here(&self) -> ScopeId {
        self.units.last().expect("a unit is open while code is made").here
    }

    fn kind(&self) -> ScopeKind {
        self.scopes.scope(self.units.last().expect("a unit is open while code is made").scope).kind
    }

    fn at(&mut self, span: Span) {
        self.b().set_span(Some(span));
    }

    fn text(&self, symbol: Symbol) -> &'a str {
        self.scopes.name(self.ast, symbol)
    }

    fn line(&self, span: Span) -> u32 {
        self.source.line(span.start)
    }

    /// The index of an attribute's or keyword's name, mangled if it is private.
    fn attribute_name(&mut self, symbol: Symbol) -> NameIdx {
        let text = self.scopes.mangled_text(self.ast, self.here(), symbol);
        self.b().name(&text)
    }

    fn is_too_deep(&self) -> bool {
        self.depth > if self.options.deep { MAX_DEPTH_DEEP } else { MAX_DEPTH }
    }

    fn too_complex(&mut self, span: Span) {
        if self.errors.is_empty() {
            let error = Diagnostic::new(
                diagnostic::Code::TooComplex,
                span,
                "maximum recursion depth exceeded during compilation",
            );
            self.errors.push(error.class(ErrorClass::RecursionError));
        }
    }

    // ---- units ----

    fn open_unit(&mut self, scope: ScopeId, name: Box<str>, qualname: Box<str>, first_line: u32) {
        let info = self.scopes.scope(scope);
        let mut flags = CodeFlags::empty();
        flags.set(CodeFlags::NESTED, info.nested);
        let mut unit = Unit {
            b: Builder::new(info.locals.len()),
            scope,
            here: scope,
            blocks: Vec::new(),
            name,
            qualname,
            first_line,
            flags,
            positional: 0,
            positional_only: 0,
            keyword_only: 0,
            base: 0,
            static_attributes: Vec::new(),
            annotations: Vec::new(),
            comprehensions: vec![],
        };
        unit.base = unit.b.top();
        self.units.push(unit);
    }

    /// Puts the captured locals of the unit into cells; those of comprehensions get theirs when they begin.
    fn make_cells(&mut self) {
        let scope = self.unit().scope;
        for (i, local) in self.scopes.scope(scope).locals.iter().enumerate() {
            if !local.is_cell || local.is_inner {
                continue;
            }
            match self.b().place(i) {
                Place::Near(reg) => self.emit(Instr::MakeCell { reg }),
                Place::Far(far) => {
                    let reg = self.b().top_reg();
                    self.emit(Instr::LoadFar { dst: reg, src: far });
                    self.emit(Instr::MakeCell { reg });
                    self.emit(Instr::StoreFar { src: reg, dst: far });
                }
            }
        }
    }

    fn close_unit(&mut self) -> Finished {
        let unit = self.units.pop().expect("a unit is open while code is made");
        let scope = self.scopes.scope(unit.scope);
        if unit.b.overflowed() {
            self.too_complex(Span::default());
        }
        if scope.free.len() > usize::from(u16::MAX) {
            self.too_complex(Span::default());
        }
        let shown = |symbol: Symbol| match self.text(symbol) {
            ".format" => "format",
            text => text,
        };
        let captures = scope.free.iter().map(|&name| {
            // The unit around knows the name as a cell of its own or as captured itself.
            self.capture(name)
        });
        let mut flags = unit.flags;
        flags.set(CodeFlags::FUTURE_ANNOTATIONS, self.scopes.future_annotations);
        let header = Header {
            name: unit.name,
            qualname: unit.qualname,
            filename: self.options.filename.clone(),
            first_line: unit.first_line,
            flags,
            positional: unit.positional,
            positional_only: unit.positional_only,
            keyword_only: unit.keyword_only,
            locals: scope.locals.iter().map(|local| shown(local.name).into()).collect(),
            cells: scope.locals.iter().enumerate().filter(|(_, local)| local.is_cell).map(|(i, _)| i).collect(),
            free: scope.free.iter().map(|&name| self.text(name).into()).collect(),
            captures: captures.collect(),
        };
        if self.errors.is_empty() {
            unit.b.finish(header, self.source)
        } else {
            // What was emitted may be unsound, and nobody is going to run it.
            let mut b = Builder::new(0);
            b.emit(Instr::ReturnNone {});
            b.finish(
                Header {
                    locals: Vec::new(),
                    cells: Vec::new(),
                    free: Vec::new(),
                    captures: Vec::new(),
                    positional: 0,
                    keyword_only: 0,
                    flags: CodeFlags::empty(),
                    ..header
                },
                self.source,
            )
        }
    }

    /// Where the current unit has the cell that a unit within it captures as `name`.
    fn capture(&self, name: Symbol) -> CaptureFrom {
        let unit = self.units.last().expect("only inner units capture");
        let mut at = Some(unit.here);
        while let Some(id) = at {
            let scope = self.scopes.scope(id);
            if scope.names.contains_key(&name) {
                match self.scopes.binding(id, name) {
                    Binding::Cell(slot) => return CaptureFrom::Local(slot as usize),
                    Binding::Free(index) => return CaptureFrom::Free(index as u16),
                    Binding::Local(_) | Binding::Global | Binding::Implicit | Binding::Namespace => {}
                }
            }
            if id == unit.scope {
                break;
            }
            at = scope.parent;
        }
        let scope = self.scopes.scope(unit.scope);
        if let Some(slot) = scope.locals.iter().position(|local| local.is_cell && local.name == name) {
            return CaptureFrom::Local(slot);
        }
        let index =
            scope.free.iter().position(|&free| free == name).expect("captures are handed down from unit to unit");
        CaptureFrom::Free(index as u16)
    }

    /// The qualified name of something called `name` that the current unit defines.
    fn qualified(&self, name: Symbol) -> Box<str> {
        let text = self.text(name);
        let mut units = self.units.iter().rev();
        let Some(mut unit) = units.next() else { return text.into() };
        if self.scopes.scope(unit.scope).kind == ScopeKind::TypeParams {
            match units.next() {
                Some(outer) => unit = outer,
                None => return text.into(),
            }
        }
        let scope = self.scopes.scope(unit.scope);
        let mangled = self.scopes.mangle(self.ast, unit.scope, name);
        if scope.names.get(&mangled).is_some_and(|entry| entry.binding == Binding::Global) {
            return text.into();
        }
        self.qualified_in(unit, text)
    }

    fn qualified_in(&self, unit: &Unit, text: &str) -> Box<str> {
        match self.scopes.scope(unit.scope).kind {
            ScopeKind::Module => text.into(),
            ScopeKind::Class => format!("{}.{text}", unit.qualname).into(),
            _ => format!("{}.<locals>.{text}", unit.qualname).into(),
        }
    }

    /// The qualified name of something without a name of its own in the text: `<lambda>`, `__annotate__`.
    fn qualified_text(&self, text: &str) -> Box<str> {
        let mut units = self.units.iter().rev();
        let Some(mut unit) = units.next() else { return text.into() };
        // Neither type parameters nor annotations are a place of their own.
        if matches!(self.scopes.scope(unit.scope).kind, ScopeKind::TypeParams | ScopeKind::Annotations)
            && let Some(outer) = units.next()
        {
            unit = outer;
        }
        self.qualified_in(unit, text)
    }

    // ---- names ----

    fn binding(&self, name: Symbol) -> (Binding, Symbol) {
        let here = self.here();
        let name = self.scopes.mangle(self.ast, here, name);
        (self.scopes.binding(here, name), name)
    }

    fn name_index(&mut self, name: Symbol) -> NameIdx {
        let text = self.text(name);
        self.b().name(text)
    }

    /// The register of `name` if it is a local that can be an operand where it is. Raises if it is unbound.
    fn local_in_place(&mut self, name: Symbol) -> Option<Reg> {
        let (Binding::Local(slot), name) = self.binding(name) else { return None };
        let Place::Near(reg) = self.b().place(slot as usize) else { return None };
        self.check_bound(slot, reg, name);
        Some(reg)
    }

    /// Raises if local `slot`, now in `reg`, is unbound.
    fn check_bound(&mut self, slot: u32, reg: Reg, name: Symbol) {
        if !self.b().is_bound(slot as usize) {
            let name = self.name_index(name);
            self.emit(Instr::CheckBound { src: reg, name });
            self.note_bound(slot);
        }
    }

    fn note_bound(&mut self, slot: u32) {
        let scope = self.unit().scope;
        if !self.scopes.scope(scope).locals[slot as usize].deletable {
            self.b().set_bound(slot as usize);
        }
    }

    fn load_name(&mut self, name: Symbol, dst: Reg) {
        let (binding, name) = self.binding(name);
        let idx = self.name_index(name);
        let scope = self.scopes.scope(self.here());
        let in_class = scope.kind == ScopeKind::Class;
        match binding {
            Binding::Local(slot) => match self.b().place(slot as usize) {
                Place::Near(reg) => {
                    self.check_bound(slot, reg, name);
                    if reg != dst {
                        self.emit(Instr::Move { dst, src: reg });
                    }
                }
                Place::Far(far) => {
                    let temp = self.b().top_reg();
                    self.emit(Instr::LoadFar { dst: temp, src: far });
                    if !self.b().is_bound(slot as usize) {
                        self.emit(Instr::CheckBound { src: temp, name: idx });
                        self.note_bound(slot);
                    }
                    if temp != dst {
                        self.emit(Instr::Move { dst, src: temp });
                    }
                }
            },
            Binding::Cell(slot) => {
                let cell = self.cell(slot);
                self.emit(Instr::LoadCell { dst, cell, name: idx });
            }
            Binding::Free(index) if in_class => {
                self.emit(Instr::LoadNameOrFree { dst, names: Reg(0), index, name: idx });
            }
            Binding::Free(index) if scope.sees_class.is_some() && !self.is_class_dict(name) => {
                let names = self.class_dict();
                self.emit(Instr::LoadNameOrFree { dst, names, index, name: idx });
            }
            Binding::Free(index) => self.emit(Instr::LoadFree { dst, index: index as u16, name: idx }),
            Binding::Implicit if scope.sees_class.is_some() => {
                let names = self.class_dict();
                self.emit(Instr::LoadNameOrGlobal { dst, names, name: idx });
            }
            Binding::Global | Binding::Implicit => self.emit(Instr::LoadGlobal { dst, name: idx }),
            Binding::Namespace => self.emit(Instr::LoadName { dst, names: Reg(0), name: idx }),
        }
    }

    fn is_class_dict(&self, name: Symbol) -> bool {
        matches!(self.text(name), "__classdict__" | "__conditional_annotations__" | "__class__")
    }

    /// The namespace of the class that an annotation sees, in the first free temporary.
    fn class_dict(&mut self) -> Reg {
        let dst = self.b().top_reg();
        if let Some(name) = self.scopes.find(self.ast, "__classdict__") {
            self.load_name(name, dst);
        }
        dst
    }

    /// The register with the cell in local `slot`.
    fn cell(&mut self, slot: u32) -> Reg {
        match self.b().place(slot as usize) {
            Place::Near(reg) => reg,
            Place::Far(far) => {
                let temp = self.b().top_plus(1);
                self.emit(Instr::LoadFar { dst: temp, src: far });
                temp
            }
        }
    }

    fn store_name(&mut self, name: Symbol, src: Reg) {
        let (binding, name) = self.binding(name);
        match binding {
            Binding::Local(slot) => {
                match self.b().place(slot as usize) {
                    Place::Near(dst) if dst == src => {}
                    Place::Near(dst) => self.emit(Instr::Move { dst, src }),
                    Place::Far(dst) => self.emit(Instr::StoreFar { src, dst }),
                }
                self.note_bound(slot);
            }
            Binding::Cell(slot) => {
                let cell = self.cell(slot);
                self.emit(Instr::StoreCell { cell, src });
            }
            Binding::Free(index) => self.emit(Instr::StoreFree { src, index: index as u16 }),
            Binding::Global | Binding::Implicit => {
                let name = self.name_index(name);
                self.emit(Instr::StoreGlobal { src, name });
            }
            Binding::Namespace => {
                let name = self.name_index(name);
                self.emit(Instr::StoreName { names: Reg(0), src, name });
            }
        }
    }

    fn delete_name(&mut self, name: Symbol) {
        let (binding, name) = self.binding(name);
        let idx = self.name_index(name);
        match binding {
            Binding::Local(slot) => match self.b().place(slot as usize) {
                Place::Near(reg) => {
                    self.check_bound(slot, reg, name);
                    self.emit(Instr::Unbind { dst: reg });
                }
                Place::Far(far) => {
                    let temp = self.b().top_reg();
                    self.emit(Instr::LoadFar { dst: temp, src: far });
                    self.emit(Instr::CheckBound { src: temp, name: idx });
                    self.emit(Instr::Unbind { dst: temp });
                    self.emit(Instr::StoreFar { src: temp, dst: far });
                }
            },
            Binding::Cell(slot) => {
                let cell = self.cell(slot);
                self.emit(Instr::DeleteCell { cell, name: idx });
            }
            Binding::Free(index) => self.emit(Instr::DeleteFree { index: index as u16, name: idx }),
            Binding::Global | Binding::Implicit => self.emit(Instr::DeleteGlobal { name: idx }),
            Binding::Namespace => self.emit(Instr::DeleteName { names: Reg(0), name: idx }),
        }
    }

    /// The near register that `x = …` can compute into, if `name` is such a local.
    fn direct_target(&mut self, name: Symbol) -> Option<Reg> {
        let (Binding::Local(slot), _) = self.binding(name) else { return None };
        match self.b().place(slot as usize) {
            Place::Near(reg) => Some(reg),
            Place::Far(_) => None,
        }
    }

    // ---- small things ----

    fn load_const(&mut self, value: Const, dst: Reg) {
        let instr = match value {
            Const::None => Instr::LoadNone { dst },
            Const::Bool(true) => Instr::LoadTrue { dst },
            Const::Bool(false) => Instr::LoadFalse { dst },
            Const::Int(i) if i16::try_from(i).is_ok() => Instr::LoadInt { dst, value: i as i16 },
            value => Instr::LoadConst { dst, value: self.b().constant(value) },
        };
        self.emit(instr);
    }

    /// Loads a constant into the next temporary.
    fn push_const(&mut self, value: Const) -> Reg {
        let dst = self.b().top_reg();
        self.load_const(value, dst);
        self.b().push()
    }

    fn push_str(&mut self, text: &str) -> Reg {
        self.push_const(Const::Str(text.as_bytes().into()))
    }

    fn intrinsic(&mut self, kind: Intrinsic, base: Reg, dst: Reg) {
        self.emit(Instr::Intrinsic { dst, base, kind: kind as u8 });
    }

    fn is_generator(&mut self) -> bool {
        let flags = self.unit().flags;
        flags.intersects(CodeFlags::GENERATOR | CodeFlags::COROUTINE | CodeFlags::ASYNC_GENERATOR)
    }

    fn return_reg(&mut self, src: Reg) {
        if self.is_generator() {
            self.emit(Instr::ReturnGenerator { src });
        } else {
            self.emit(Instr::Return { src });
        }
    }

    fn return_none(&mut self) {
        if !self.b().reachable() {
            return;
        }
        if self.is_generator() {
            let src = self.b().top_reg();
            self.emit(Instr::LoadNone { dst: src });
            self.b().push();
            self.emit(Instr::ReturnGenerator { src });
            let top = self.b().top() - 1;
            self.b().set_top(top);
        } else {
            self.emit(Instr::ReturnNone {});
        }
    }

    fn return_value(&mut self, value: ExprId) {
        let top = self.b().top();
        let src = self.operand(value, &[]);
        self.return_reg(src);
        self.b().set_top(top);
    }

    /// The body of code that may suspend: a StopIteration must not leave it as such.
    fn generator_body(&mut self, suspends: bool, body: impl FnOnce(&mut Self)) {
        if !suspends {
            return body(self);
        }
        let handler = self.b().label();
        let register = self.b().top_reg();
        self.b().protect(handler, register);
        body(self);
        self.b().unprotect();
        self.b().bind_handler(handler, register);
        self.b().set_span(None);
        self.intrinsic(Intrinsic::StopIterationError, register, register);
        self.emit(Instr::Reraise { src: register });
    }
}
