//! The first pass: what each scope does with each name, and the errors that CPython's symbol table finds on the way.
//! What CPython's compiler would find after it (`return` outside of a function, and the like) is returned apart.

mod definition;
mod expr;
mod stmt;

use super::{Binding, Context, Entry, Owner, Scope, ScopeId, ScopeKind, Scopes, Uses};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Context as Ctx;
use crate::syntax::ast::{
    Arg, Arguments, Ast, Comprehension, Constant, Expr, ExprId, ExprKind, FunctionDef, PatternId, PatternKind, Root,
    StmtId, StmtKind, Symbol, Try, TypeParam, TypeParamKind, UnaryOp,
};
use crate::syntax::layout::SyntaxWarning;

/// How deep blocks (loops, try, with) can nest in one function.
const MAX_BLOCKS: u32 = 21;

pub(in crate::resolve) fn collect(
    ast: &Ast,
    context: Context,
    scopes: &mut Scopes,
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut collector = Collector {
        ast,
        super_name: scopes.intern(ast, "super"),
        debug: scopes.intern(ast, "__debug__"),
        class_cell: scopes.intern(ast, "__class__"),
        class_dict: scopes.intern(ast, "__classdict__"),
        conditional: scopes.intern(ast, "__conditional_annotations__"),
        outer_iterable: scopes.intern(ast, ".0"),
        format: scopes.intern(ast, ".format"),
        scopes,
        context,
        current: ScopeId::ROOT,
        errors: Vec::new(),
        late: Vec::new(),
        flow: Flow::default(),
        iterables: 0,
        in_target: false,
        conditional_block: false,
    };
    collector.open(ScopeKind::Module, Owner::Root);
    match &ast.root {
        Root::Module(body) | Root::Interactive(body) => {
            collector.future_imports(body);
            collector.block(body);
        }
        Root::Expression(expr) => collector.expr(*expr),
    }
    (collector.errors, collector.late)
}

/// What is around a statement in its function.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    in_loop: bool,
    /// Inside an `except*` block, with the loops within not counted.
    in_star: bool,
    /// A loop within the `except*` block.
    star_loop: bool,
    in_finally: bool,
    /// A loop within the `finally` block.
    finally_loop: bool,
    blocks: u32,
}

pub(in crate::resolve) struct Collector<'a> {
    pub(in crate::resolve) ast: &'a Ast,
    pub(in crate::resolve) scopes: &'a mut Scopes,
    context: Context,
    current: ScopeId,
    pub(in crate::resolve) errors: Vec<Diagnostic>,
    pub(in crate::resolve) late: Vec<Diagnostic>,
    flow: Flow,
    /// How many iterable expressions of comprehensions we are in.
    iterables: u32,
    in_target: bool,
    conditional_block: bool,
    super_name: Symbol,
    debug: Symbol,
    class_cell: Symbol,
    class_dict: Symbol,
    conditional: Symbol,
    outer_iterable: Symbol,
    format: Symbol,
}

impl Collector<'_> {
    fn here(&mut self) -> &mut Scope {
        self.scopes.scope_mut(self.current)
    }

    fn kind(&self) -> ScopeKind {
        self.scopes.scope(self.current).kind
    }

    fn error(&mut self, code: Code, span: Span, text: impl Into<String>) {
        self.errors.push(Diagnostic::new(code, span, text));
    }

    pub(in crate::resolve) fn late(&mut self, code: Code, span: Span, text: impl Into<String>) {
        self.late.push(Diagnostic::new(code, span, text));
    }

    pub(in crate::resolve) fn warn(&mut self, span: Span, text: impl Into<String>) {
        self.scopes.warnings.push(SyntaxWarning { span, message: text.into() });
    }

    pub(in crate::resolve) fn text(&self, symbol: Symbol) -> &str {
        self.scopes.name(self.ast, symbol)
    }

    // ---- scopes ----

    fn open(&mut self, kind: ScopeKind, owner: Owner) -> ScopeId {
        let id = ScopeId(self.scopes.scopes.len() as u32);
        let parent = (id != ScopeId::ROOT).then_some(self.current);
        let outer = parent.map(|parent| self.scopes.scope(parent));
        let inlined = kind == ScopeKind::Comprehension;
        let annotating = matches!(
            kind,
            ScopeKind::Annotations | ScopeKind::TypeParams | ScopeKind::TypeVariable | ScopeKind::TypeAlias
        );
        let sees_class = match outer {
            Some(outer) if annotating && outer.kind == ScopeKind::Class => parent,
            Some(outer) if annotating => outer.sees_class,
            _ => None,
        };
        let function_like = |kind: ScopeKind| !matches!(kind, ScopeKind::Module | ScopeKind::Class);
        let scope = Scope {
            kind,
            owner,
            parent,
            unit: outer.filter(|_| inlined).map_or(id, |outer| outer.unit),
            names: Default::default(),
            sees_class,
            is_generator: kind == ScopeKind::Generator,
            is_coroutine: false,
            is_async_def: false,
            unevaluated: outer.is_some_and(|outer| outer.unevaluated),
            nested: outer.is_some_and(|outer| outer.nested || function_like(outer.kind)),
            needs_class_cell: false,
            needs_class_dict: false,
            conditional_annotations: false,
            has_annotations: false,
            has_walrus: false,
            locals: Vec::new(),
            free: Vec::new(),
            private: outer.and_then(|outer| outer.private),
            mangled_only: outer.and_then(|outer| outer.mangled_only.clone()),
            depth: outer.filter(|_| inlined).map_or(0, |outer| outer.depth + 1),
            described: "",
        };
        self.scopes.scopes.push(scope);
        self.scopes.owners.insert(owner, id);
        self.current = id;
        if sees_class.is_some() {
            self.note(self.class_dict, Uses::USED, Span::default());
        }
        id
    }

    /// Goes back to the scope around the current one.
    fn close(&mut self) {
        self.current = self.scopes.scope(self.current).parent.expect("the root is never closed");
    }

    /// Walks the inside of a function-like scope: loops and iterables around it don't count there.
    fn inside(&mut self, walk: impl FnOnce(&mut Self)) {
        let flow = std::mem::take(&mut self.flow);
        let iterables = self.iterables;
        let target = std::mem::take(&mut self.in_target);
        let conditional = std::mem::take(&mut self.conditional_block);
        walk(self);
        (self.flow, self.iterables, self.in_target, self.conditional_block) = (flow, iterables, target, conditional);
    }

    /// Notes what the current scope does with `name`.
    fn note(&mut self, name: Symbol, uses: Uses, span: Span) {
        let name = self.scopes.mangle_new(self.ast, self.current, name);
        self.note_mangled(name, uses, span);
    }

    fn note_mangled(&mut self, name: Symbol, mut uses: Uses, span: Span) {
        let current = self.current;
        if self.in_target && uses.contains(Uses::ASSIGNED) {
            uses.insert(Uses::ITERATION);
        }
        let fresh = Entry { uses: Uses::empty(), binding: Binding::Implicit, directive: None };
        let entry = self.scopes.scope_mut(current).names.entry(name).or_insert(fresh);
        let before = entry.uses;
        entry.uses.insert(uses);
        if uses.intersects(Uses::GLOBAL | Uses::NONLOCAL) {
            entry.directive.get_or_insert(span);
        }
        if uses.contains(Uses::PARAMETER) && before.contains(Uses::PARAMETER) {
            let text = format!("duplicate argument '{}' in function definition", self.text(name));
            self.error(Code::DuplicateParameter, span, text);
        }
        if uses.contains(Uses::TYPE_PARAMETER) && before.contains(Uses::TYPE_PARAMETER) {
            let text = format!("duplicate type parameter '{}'", self.text(name));
            self.error(Code::DuplicateParameter, span, text);
        }
        // A target of a comprehension that `:=` inside has bound around it already.
        if uses.contains(Uses::ITERATION) && before.intersects(Uses::GLOBAL | Uses::NONLOCAL) {
            let text =
                format!("comprehension inner loop cannot rebind assignment expression target '{}'", self.text(name));
            self.error(Code::MisplacedWalrus, span, text);
        }
    }

    fn bind(&mut self, name: Symbol, span: Span) {
        if name == self.debug {
            self.error(Code::DebugName, span, "cannot assign to __debug__");
        }
        self.note(name, Uses::ASSIGNED, span);
    }
}

/// The number a pattern key or literal is, for comparing keys.
pub(in crate::resolve) fn negated(ast: &Ast, id: ExprId) -> Option<ExprId> {
    match ast.expr(id).kind {
        ExprKind::UnaryOp { op: UnaryOp::USub, operand } => Some(operand),
        _ => None,
    }
}
