//! The first pass: what each scope does with each name, and the errors that CPython's symbol table finds on the way.
//! What CPython's compiler would find after it (`return` outside of a function, and the like) is returned apart.

use super::{Binding, Context, Entry, Owner, Scope, ScopeId, ScopeKind, Scopes, Uses};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Context as Ctx;
use crate::syntax::ast::{
    Arg, Arguments, Ast, Comprehension, Constant, ExprId, ExprKind, FunctionDef, PatternId, PatternKind, Root, StmtId,
    StmtKind, Symbol, Try, TypeParam, TypeParamKind, UnaryOp,
};
use crate::syntax::layout::SyntaxWarning;

/// How deep blocks (loops, try, with) can nest in one function.
const MAX_BLOCKS: u32 = 21;

pub(super) fn collect(ast: &Ast, context: Context, scopes: &mut Scopes) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
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

pub(super) struct Collector<'a> {
    pub(super) ast: &'a Ast,
    pub(super) scopes: &'a mut Scopes,
    context: Context,
    current: ScopeId,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) late: Vec<Diagnostic>,
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

    pub(super) fn late(&mut self, code: Code, span: Span, text: impl Into<String>) {
        self.late.push(Diagnostic::new(code, span, text));
    }

    pub(super) fn warn(&mut self, span: Span, text: impl Into<String>) {
        self.scopes.warnings.push(SyntaxWarning { span, message: text.into() });
    }

    pub(super) fn text(&self, symbol: Symbol) -> &str {
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

    // ---- statements ----

    fn future_imports(&mut self, body: &[StmtId]) {
        let mut allowed = true;
        for (i, &id) in body.iter().enumerate() {
            let stmt = self.ast.stmt(id);
            if let StmtKind::ImportFrom { module: Some(module), names, level: 0 } = &stmt.kind
                && self.ast.name(*module) == "__future__"
            {
                if !allowed {
                    let text = "from __future__ imports must occur at the beginning of the file";
                    self.error(Code::MisplacedImport, stmt.span, text);
                    return;
                }
                for alias in names {
                    match self.ast.name(alias.name) {
                        "annotations" => self.scopes.future_annotations = true,
                        "nested_scopes" | "generators" | "division" | "absolute_import" | "with_statement"
                        | "print_function" | "unicode_literals" | "barry_as_FLUFL" | "generator_stop" => {}
                        "braces" => return self.error(Code::MisplacedImport, alias.span, "not a chance"),
                        other => {
                            let text = format!("future feature {other} is not defined");
                            return self.error(Code::MisplacedImport, alias.span, text);
                        }
                    }
                }
                continue;
            }
            let docstring = i == 0
                && matches!(&stmt.kind, StmtKind::Expr { value }
                    if matches!(self.ast.expr(*value).kind, ExprKind::Constant(Constant::Str(_))));
            allowed = allowed && docstring;
        }
    }

    pub(super) fn block(&mut self, body: &[StmtId]) {
        for &id in body {
            self.stmt(id);
        }
    }

    /// Walks a block that may not run, or not once: annotations in it are conditional.
    fn conditional(&mut self, walk: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.conditional_block, true);
        walk(self);
        self.conditional_block = before;
    }

    /// Walks what is inside a statically nested block.
    fn nested(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        self.flow.blocks += 1;
        if self.flow.blocks == MAX_BLOCKS + 1 {
            self.late(Code::TooManyBlocks, span, "too many statically nested blocks");
        }
        self.conditional(walk);
        self.flow.blocks -= 1;
    }

    fn stmt(&mut self, id: StmtId) {
        let ast = self.ast;
        let stmt = ast.stmt(id);
        let span = stmt.span;
        match &stmt.kind {
            StmtKind::FunctionDef(def) => self.function(id, def, span),
            StmtKind::ClassDef(def) => {
                self.bind(def.name, span);
                self.exprs(&def.decorators);
                let generic = !def.type_params.is_empty();
                if generic {
                    self.open_type_params(id, &def.type_params);
                    let of_class = [".type_params", ".generic_base"];
                    let names = of_class.map(|name| self.scopes.intern(ast, name));
                    // Of the class's private names its type parameters are mangled here already.
                    self.here().private = Some(def.name);
                    self.here().mangled_only = Some(def.type_params.iter().map(|param| param.name).collect());
                    self.type_params(id, &def.type_params);
                    names.into_iter().for_each(|name| self.note(name, Uses::ASSIGNED | Uses::USED, span));
                }
                def.bases.iter().for_each(|&base| self.starred(base));
                for (i, keyword) in def.keywords.iter().enumerate() {
                    self.keyword(i, keyword, &def.keywords);
                }
                self.open(ScopeKind::Class, Owner::Definition(id));
                self.here().private = Some(def.name);
                self.here().mangled_only = None;
                self.inside(|this| {
                    if generic {
                        let names = ["__type_params__", ".type_params"].map(|name| this.scopes.intern(ast, name));
                        this.note(names[0], Uses::ASSIGNED, span);
                        this.note(names[1], Uses::USED, span);
                    }
                    this.block(&def.body);
                });
                self.close();
                if generic {
                    self.close();
                }
            }
            StmtKind::TypeAlias { name, type_params, value } => {
                let name_expr = ast.expr(*name);
                if let ExprKind::Name { id: name, .. } = name_expr.kind {
                    self.bind(name, name_expr.span);
                }
                let generic = !type_params.is_empty();
                if generic {
                    self.open_type_params(id, type_params);
                    self.type_params(id, type_params);
                }
                self.open(ScopeKind::TypeAlias, Owner::AliasValue(id));
                self.note(self.format, Uses::PARAMETER, span);
                self.inside(|this| this.expr(*value));
                self.close();
                if generic {
                    self.close();
                }
            }
            StmtKind::Return { value } => {
                value.iter().for_each(|&value| self.expr(value));
                self.jump_out(span, "return");
                if !matches!(self.kind(), ScopeKind::Function) {
                    self.late(Code::OutsideFunction, span, "'return' outside function");
                }
            }
            StmtKind::Delete { targets } => self.exprs(targets),
            StmtKind::Assign { targets, value } => {
                self.expr(*value);
                targets.iter().for_each(|&target| self.target(target));
            }
            StmtKind::AugAssign { target, value, .. } => {
                self.expr(*target);
                if let ExprKind::Name { id, .. } = ast.expr(*target).kind {
                    self.note(id, Uses::USED, span);
                }
                self.expr(*value);
            }
            StmtKind::AnnAssign { target, annotation, value, simple } => {
                let target_expr = ast.expr(*target);
                if let ExprKind::Name { id: name, .. } = target_expr.kind {
                    let mangled = self.scopes.mangle_new(ast, self.current, name);
                    let before = self.here().names.get(&mangled).map_or(Uses::empty(), |entry| entry.uses);
                    if before.intersects(Uses::GLOBAL | Uses::NONLOCAL) && *simple && self.kind() != ScopeKind::Module {
                        let declared = if before.contains(Uses::GLOBAL) { "global" } else { "nonlocal" };
                        let text = format!("annotated name '{}' can't be {declared}", self.text(mangled));
                        self.error(Code::ConflictingDeclaration, span, text);
                    }
                    if *simple {
                        self.bind(name, target_expr.span);
                        self.note(name, Uses::ANNOTATED, span);
                    } else if value.is_some() {
                        self.bind(name, target_expr.span);
                    }
                } else {
                    self.expr(*target);
                }
                self.annotation(id, *annotation, *simple && matches!(target_expr.kind, ExprKind::Name { .. }));
                value.iter().for_each(|&value| self.expr(value));
            }
            StmtKind::For { is_async, target, iter, body, orelse } => {
                if *is_async {
                    self.require_async(span, "'async for' outside async function");
                }
                self.target(*target);
                self.expr(*iter);
                self.nested(span, |this| this.loop_body(body));
                self.conditional(|this| this.block(orelse));
            }
            StmtKind::While { test, body, orelse } => {
                self.expr(*test);
                self.nested(span, |this| this.loop_body(body));
                self.conditional(|this| this.block(orelse));
            }
            StmtKind::If { branches, orelse } => {
                for branch in branches {
                    self.expr(branch.test);
                    self.conditional(|this| this.block(&branch.body));
                }
                self.conditional(|this| this.block(orelse));
            }
            StmtKind::With { is_async, items, body } => {
                if *is_async {
                    self.require_async(span, "'async with' outside async function");
                }
                let before = self.flow.blocks;
                for item in items {
                    self.expr(item.context_expr);
                    item.optional_vars.iter().for_each(|&target| self.target(target));
                    self.flow.blocks += 1;
                    if self.flow.blocks == MAX_BLOCKS + 1 {
                        let span = ast.expr(item.context_expr).span;
                        self.late(Code::TooManyBlocks, span, "too many statically nested blocks");
                    }
                }
                self.conditional(|this| this.block(body));
                self.flow.blocks = before;
            }
            StmtKind::Match { subject, cases } => {
                self.expr(*subject);
                for (i, case) in cases.iter().enumerate() {
                    let last = i + 1 == cases.len();
                    self.check_pattern(case.pattern, last || case.guard.is_some());
                    self.pattern(case.pattern);
                    case.guard.iter().for_each(|&guard| self.expr(guard));
                    self.conditional(|this| this.block(&case.body));
                }
            }
            StmtKind::Raise { exc, cause } => exc.iter().chain(cause).for_each(|&expr| self.expr(expr)),
            StmtKind::Try(statement) => self.try_statement(statement, span),
            StmtKind::Assert { test, msg } => {
                if let ExprKind::Tuple { elts, .. } = &ast.expr(*test).kind
                    && !elts.is_empty()
                {
                    self.warn(span, "assertion is always true, perhaps remove parentheses?");
                }
                self.expr(*test);
                msg.iter().for_each(|&msg| self.expr(msg));
            }
            StmtKind::Import { names } => {
                for alias in names {
                    self.import(alias.asname, alias.name, alias.span);
                }
            }
            StmtKind::ImportFrom { names, .. } => {
                for alias in names {
                    if ast.name(alias.name) != "*" {
                        self.import(alias.asname, alias.name, alias.span);
                    } else if self.kind() != ScopeKind::Module {
                        self.error(Code::MisplacedImport, alias.span, "import * only allowed at module level");
                    }
                }
            }
            StmtKind::Global { names } => self.declare(names, Uses::GLOBAL, span),
            StmtKind::Nonlocal { names } => self.declare(names, Uses::NONLOCAL, span),
            StmtKind::Expr { value } => self.expr(*value),
            StmtKind::Pass => {}
            StmtKind::Break => {
                self.jump_out(span, "break");
                if !self.flow.in_loop {
                    self.late(Code::OutsideLoop, span, "'break' outside loop");
                }
            }
            StmtKind::Continue => {
                self.jump_out(span, "continue");
                if !self.flow.in_loop {
                    self.late(Code::OutsideLoop, span, "'continue' not properly in loop");
                }
            }
        }
    }

    fn loop_body(&mut self, body: &[StmtId]) {
        let before = self.flow;
        self.flow.in_loop = true;
        self.flow.star_loop = true;
        self.flow.finally_loop = true;
        self.block(body);
        self.flow = Flow { blocks: self.flow.blocks, ..before };
    }

    /// `return`, `break` or `continue` where it leaves an `except*` or `finally` block.
    fn jump_out(&mut self, span: Span, word: &str) {
        let leaves = word == "return";
        if self.flow.in_star && (leaves || !self.flow.star_loop) {
            let text = "'break', 'continue' and 'return' cannot appear in an except* block";
            self.late(Code::OutsideLoop, span, text);
        }
        if self.flow.in_finally && (leaves || !self.flow.finally_loop) {
            // CPython sees these before all others.
            let message = format!("'{word}' in a 'finally' block");
            let warnings = &mut self.scopes.warnings;
            let at = warnings.iter().take_while(|w| w.message.ends_with("in a 'finally' block")).count();
            warnings.insert(at, SyntaxWarning { span, message });
        }
    }

    fn try_statement(&mut self, statement: &Try, span: Span) {
        let has_finally = !statement.finalbody.is_empty();
        let blocks = self.flow.blocks;
        self.flow.blocks += u32::from(has_finally);
        self.nested(span, |this| this.block(&statement.body));
        for (i, handler) in statement.handlers.iter().enumerate() {
            match handler.type_ {
                Some(class) => self.expr(class),
                None if i + 1 < statement.handlers.len() => {
                    self.late(Code::HandlerOrder, handler.span, "default 'except:' must be last");
                }
                None => {}
            }
            if let Some(name) = handler.name {
                self.bind(name, handler.span);
                self.note(name, Uses::DELETED, handler.span);
            }
            let before = self.flow;
            if statement.is_star {
                self.flow.in_star = true;
                self.flow.star_loop = false;
            }
            self.flow.blocks += u32::from(handler.name.is_some());
            self.nested(handler.span, |this| this.block(&handler.body));
            self.flow = before;
        }
        self.conditional(|this| this.block(&statement.orelse));
        self.flow.blocks = blocks;
        if has_finally {
            let before = self.flow;
            self.flow.in_finally = true;
            self.flow.finally_loop = false;
            self.nested(span, |this| this.block(&statement.finalbody));
            self.flow = before;
        }
    }

    fn import(&mut self, asname: Option<Symbol>, name: Symbol, span: Span) {
        let bound = match asname {
            Some(bound) => bound,
            None => {
                let text = self.text(name);
                match text.find('.') {
                    Some(dot) => {
                        let first = text[..dot].to_owned();
                        self.scopes.intern(self.ast, &first)
                    }
                    None => name,
                }
            }
        };
        self.bind(bound, span);
        self.note(bound, Uses::IMPORTED, span);
    }

    fn declare(&mut self, names: &[Symbol], declaration: Uses, span: Span) {
        let word = if declaration == Uses::GLOBAL { "global" } else { "nonlocal" };
        for &name in names {
            let name = self.scopes.mangle_new(self.ast, self.current, name);
            let before = self.here().names.get(&name).map_or(Uses::empty(), |entry| entry.uses);
            let text = self.text(name);
            if before.contains(Uses::PARAMETER) {
                let text = format!("name '{text}' is parameter and {word}");
                self.error(Code::ConflictingDeclaration, span, text);
            } else if before.contains(Uses::USED) {
                let text = format!("name '{text}' is used prior to {word} declaration");
                self.error(Code::LateDeclaration, span, text);
            } else if before.contains(Uses::ANNOTATED) {
                let text = format!("annotated name '{text}' can't be {word}");
                self.error(Code::ConflictingDeclaration, span, text);
            } else if before.intersects(Uses::ASSIGNED) {
                let text = format!("name '{text}' is assigned to before {word} declaration");
                self.error(Code::LateDeclaration, span, text);
            }
            self.note_mangled(name, declaration, span);
            if declaration == Uses::GLOBAL {
                self.scopes.declared_global.insert(name);
            }
        }
    }

    fn require_async(&mut self, span: Span, text: &str) {
        let top_level = self.context.top_level_await && self.kind() == ScopeKind::Module;
        if top_level {
            self.here().is_coroutine = true;
        } else if !self.scopes.scope(self.current).is_async_def {
            self.error(Code::AwaitOutsideAsync, span, text);
        }
    }

    // ---- functions, classes, type parameters ----

    fn function(&mut self, id: StmtId, def: &FunctionDef, span: Span) {
        self.bind(def.name, span);
        self.exprs(&def.args.defaults);
        def.args.kw_defaults.iter().flatten().for_each(|&default| self.expr(default));
        self.exprs(&def.decorators);
        let generic = !def.type_params.is_empty();
        if generic {
            self.open_type_params(id, &def.type_params);
            if !def.args.defaults.is_empty() {
                let name = self.scopes.intern(self.ast, ".defaults");
                self.note(name, Uses::PARAMETER, span);
            }
            if def.args.kw_defaults.iter().any(Option::is_some) {
                let name = self.scopes.intern(self.ast, ".kwdefaults");
                self.note(name, Uses::PARAMETER, span);
            }
            self.type_params(id, &def.type_params);
        }
        if def.returns.is_some() || def.args.all().any(|arg| arg.annotation.is_some()) {
            self.open(ScopeKind::Annotations, Owner::Signature(id));
            self.here().unevaluated |= self.scopes.future_annotations;
            self.note(self.format, Uses::PARAMETER, span);
            self.inside(|this| {
                let annotations = def.args.posonlyargs.iter().chain(&def.args.args);
                let annotations =
                    annotations.chain(&def.args.vararg).chain(&def.args.kwarg).chain(&def.args.kwonlyargs);
                let annotations: Vec<ExprId> = annotations.filter_map(|arg| arg.annotation).collect();
                annotations.iter().for_each(|&annotation| this.starred(annotation));
                def.returns.iter().for_each(|&returns| this.expr(returns));
            });
            self.close();
        }
        self.open(ScopeKind::Function, Owner::Definition(id));
        self.here().is_async_def = def.is_async;
        self.here().is_coroutine = def.is_async;
        self.inside(|this| {
            this.iterables = 0;
            this.parameters(&def.args);
            this.block(&def.body);
        });
        if def.is_async && self.here().is_generator {
            self.check_generator_returns(&def.body);
        }
        self.close();
        if generic {
            self.close();
        }
    }

    fn parameters(&mut self, args: &Arguments) {
        let all: Vec<Arg> = args.all().copied().collect();
        for arg in all {
            if arg.name == self.debug {
                self.error(Code::DebugName, arg.span, "cannot assign to __debug__");
            }
            self.note(arg.name, Uses::PARAMETER, arg.span);
        }
    }

    fn open_type_params(&mut self, id: StmtId, _params: &[TypeParam]) {
        self.open(ScopeKind::TypeParams, Owner::TypeParams(id));
    }

    fn type_params(&mut self, id: StmtId, params: &[TypeParam]) {
        let mut with_default = false;
        for (i, param) in params.iter().enumerate() {
            if with_default && param.default.is_none() {
                let text =
                    format!("non-default type parameter '{}' follows default type parameter", self.text(param.name));
                self.late(Code::InvalidParameters, param.span, text);
            }
            with_default |= param.default.is_some();
            if param.name == self.debug {
                self.error(Code::DebugName, param.span, "cannot assign to __debug__");
            }
            self.note(param.name, Uses::TYPE_PARAMETER, param.span);
            let kind = match param.kind {
                TypeParamKind::TypeVar { bound } => {
                    if let Some(bound) = bound {
                        let constraints = matches!(self.ast.expr(bound).kind, ExprKind::Tuple { .. });
                        let described = if constraints { "a TypeVar constraint" } else { "a TypeVar bound" };
                        self.type_variable(Owner::TypeBound(id, i as u32), described, bound);
                    }
                    "a TypeVar default"
                }
                TypeParamKind::ParamSpec => "a ParamSpec default",
                TypeParamKind::TypeVarTuple => "a TypeVarTuple default",
            };
            if let Some(default) = param.default {
                self.type_variable(Owner::TypeDefault(id, i as u32), kind, default);
            }
        }
    }

    fn type_variable(&mut self, owner: Owner, described: &'static str, value: ExprId) {
        self.open(ScopeKind::TypeVariable, owner);
        self.here().described = described;
        self.note(self.format, Uses::PARAMETER, Span::default());
        self.inside(|this| this.starred(value));
        self.close();
    }

    /// The annotation of a variable. `kept` if it goes into `__annotations__` of a module or class.
    fn annotation(&mut self, stmt: StmtId, annotation: ExprId, kept: bool) {
        let around = self.current;
        let kind = self.kind();
        let by_name = matches!(kind, ScopeKind::Class | ScopeKind::Module);
        if by_name && kept {
            let conditional = kind == ScopeKind::Module || self.conditional_block;
            let scope = self.here();
            scope.has_annotations = true;
            let first = conditional && !scope.conditional_annotations;
            scope.conditional_annotations |= conditional;
            if first && !self.scopes.future_annotations {
                self.note(self.conditional, Uses::USED, Span::default());
            }
        }
        let owner = if by_name && kept { Owner::Annotations(around) } else { Owner::Signature(stmt) };
        match self.scopes.scope_of(owner) {
            Some(scope) => self.current = scope,
            None => {
                self.open(ScopeKind::Annotations, owner);
                self.note(self.format, Uses::PARAMETER, Span::default());
                if !(by_name && kept) || self.scopes.future_annotations {
                    self.here().unevaluated = true;
                }
            }
        }
        if by_name && kept && self.scopes.scope(around).conditional_annotations && !self.scopes.future_annotations {
            self.note(self.conditional, Uses::USED, Span::default());
        }
        self.inside(|this| this.expr(annotation));
        self.current = around;
    }

    // ---- patterns ----

    fn pattern(&mut self, id: PatternId) {
        let ast = self.ast;
        let pattern = ast.pattern(id);
        match &pattern.kind {
            PatternKind::MatchValue { value } => self.expr(*value),
            PatternKind::MatchSingleton { .. } => {}
            PatternKind::MatchStar { name } => name.iter().for_each(|&name| self.bind(name, pattern.span)),
            PatternKind::MatchMapping { keys, rest, .. } => {
                self.exprs(keys);
                pattern.kind.children(|child| self.pattern(child));
                rest.iter().for_each(|&rest| self.bind(rest, pattern.span));
            }
            PatternKind::MatchClass { cls, kwd_attrs, .. } => {
                self.expr(*cls);
                if kwd_attrs.contains(&self.debug) {
                    self.error(Code::DebugName, pattern.span, "cannot assign to __debug__");
                }
                pattern.kind.children(|child| self.pattern(child));
            }
            PatternKind::MatchAs { name, .. } => {
                pattern.kind.children(|child| self.pattern(child));
                name.iter().for_each(|&name| self.bind(name, pattern.span));
            }
            PatternKind::MatchSequence { .. } | PatternKind::MatchOr { .. } => {
                pattern.kind.children(|child| self.pattern(child));
            }
        }
    }

    // ---- expressions ----

    fn exprs(&mut self, ids: &[ExprId]) {
        ids.iter().for_each(|&id| self.expr(id));
    }

    /// An expression where a star may stand.
    fn starred(&mut self, id: ExprId) {
        match self.ast.expr(id).kind {
            ExprKind::Starred { value, .. } => self.expr(value),
            _ => self.expr(id),
        }
    }

    /// What can be bound: a target of an assignment, loop, `with`.
    fn target(&mut self, id: ExprId) {
        let ast = self.ast;
        if matches!(ast.expr(id).kind, ExprKind::Starred { .. }) {
            let text = "starred assignment target must be in a list or tuple";
            self.late(Code::MisplacedStar, ast.expr(id).span, text);
        }
        self.expr(id);
    }

    /// Walks an expression. Chains that lean to the left are as deep as they are long, so those are a loop.
    fn expr(&mut self, id: ExprId) {
        let ast = self.ast;
        let mut todo = vec![id];
        let mut children = Vec::new();
        while let Some(id) = todo.pop() {
            let expr = ast.expr(id);
            let span = expr.span;
            match &expr.kind {
                ExprKind::Constant(_) => continue,
                ExprKind::Name { id, ctx } => {
                    match ctx {
                        Ctx::Load => {
                            self.note(*id, Uses::USED, span);
                            let in_function = !matches!(
                                self.kind(),
                                ScopeKind::Module
                                    | ScopeKind::Class
                                    | ScopeKind::Annotations
                                    | ScopeKind::TypeParams
                                    | ScopeKind::TypeVariable
                                    | ScopeKind::TypeAlias
                            );
                            if *id == self.super_name && in_function {
                                self.note(self.class_cell, Uses::USED, span);
                            }
                        }
                        Ctx::Store => self.bind(*id, span),
                        Ctx::Del => {
                            if *id == self.debug {
                                self.error(Code::DebugName, span, "cannot delete __debug__");
                            }
                            self.note(*id, Uses::ASSIGNED | Uses::DELETED, span);
                        }
                    }
                    continue;
                }
                ExprKind::Lambda { args, body } => {
                    self.exprs(&args.defaults);
                    args.kw_defaults.iter().flatten().for_each(|&default| self.expr(default));
                    self.open(ScopeKind::Lambda, Owner::Expr(id));
                    self.inside(|this| {
                        this.parameters(args);
                        this.expr(*body);
                    });
                    self.close();
                    continue;
                }
                ExprKind::ListComp { elt, generators } => {
                    self.comprehension(id, ScopeKind::Comprehension, generators, *elt, None, span);
                    continue;
                }
                ExprKind::SetComp { elt, generators } => {
                    self.comprehension(id, ScopeKind::Comprehension, generators, *elt, None, span);
                    continue;
                }
                ExprKind::DictComp { key, value, generators } => {
                    self.comprehension(id, ScopeKind::Comprehension, generators, *key, Some(*value), span);
                    continue;
                }
                ExprKind::GeneratorExp { elt, generators } => {
                    self.comprehension(id, ScopeKind::Generator, generators, *elt, None, span);
                    continue;
                }
                ExprKind::NamedExpr { target, value } => {
                    self.walrus(*target, *value, span);
                    continue;
                }
                ExprKind::Yield { value } => {
                    self.forbid_in_annotation("yield expression", span);
                    value.iter().for_each(|&value| self.expr(value));
                    self.suspends(span, "'yield'");
                    continue;
                }
                ExprKind::YieldFrom { value } => {
                    self.forbid_in_annotation("yield expression", span);
                    self.expr(*value);
                    self.suspends(span, "'yield from'");
                    if self.scopes.scope(self.current).is_async_def {
                        self.late(Code::MisplacedYield, span, "'yield from' inside async function");
                    }
                    continue;
                }
                ExprKind::Await { value } => {
                    self.forbid_in_annotation("await expression", span);
                    self.awaits(span);
                    self.expr(*value);
                    continue;
                }
                ExprKind::Attribute { attr, ctx, .. } => {
                    if *attr == self.debug && *ctx != Ctx::Load {
                        let verb = if *ctx == Ctx::Store { "assign to" } else { "delete" };
                        self.error(Code::DebugName, span, format!("cannot {verb} __debug__"));
                    }
                }
                ExprKind::Call { func, args, keywords } => {
                    self.check_callee(*func, span);
                    for (i, keyword) in keywords.iter().enumerate() {
                        self.check_keyword(i, keyword, keywords);
                    }
                    for &arg in args {
                        if let ExprKind::Starred { value, .. } = ast.expr(arg).kind {
                            children.push(value);
                        } else {
                            children.push(arg);
                        }
                    }
                    children.extend(keywords.iter().map(|keyword| keyword.value));
                    todo.extend(children.drain(..).rev());
                    todo.push(*func);
                    continue;
                }
                ExprKind::Compare { left, comparisons } => self.check_comparison(*left, comparisons, span),
                ExprKind::Subscript { value, slice, ctx } => {
                    if *ctx == Ctx::Load {
                        self.check_subscript(*value, *slice, span);
                    }
                }
                ExprKind::Starred { ctx, .. } => {
                    if *ctx == Ctx::Load {
                        self.late(Code::MisplacedStar, span, "can't use starred expression here");
                    }
                }
                ExprKind::Tuple { elts, ctx } | ExprKind::List { elts, ctx } => {
                    if *ctx == Ctx::Store {
                        self.check_stars(elts, span);
                    }
                    self.push_unstarred(elts, &mut todo);
                    continue;
                }
                ExprKind::Set { elts } => {
                    self.push_unstarred(elts, &mut todo);
                    continue;
                }
                ExprKind::BoolOp { .. }
                | ExprKind::BinOp { .. }
                | ExprKind::UnaryOp { .. }
                | ExprKind::IfExp { .. }
                | ExprKind::Dict { .. }
                | ExprKind::FormattedValue { .. }
                | ExprKind::Interpolation { .. }
                | ExprKind::JoinedStr { .. }
                | ExprKind::TemplateStr { .. }
                | ExprKind::Slice { .. } => {}
            }
            expr.kind.children(|child| children.push(child));
            todo.extend(children.drain(..).rev());
        }
    }

    /// The elements of a display, in which a star is at home.
    fn push_unstarred(&mut self, elts: &[ExprId], todo: &mut Vec<ExprId>) {
        for &elt in elts.iter().rev() {
            match self.ast.expr(elt).kind {
                ExprKind::Starred { value, .. } => todo.push(value),
                _ => todo.push(elt),
            }
        }
    }

    fn walrus(&mut self, target: ExprId, value: ExprId, span: Span) {
        self.forbid_in_annotation("named expression", span);
        if self.iterables > 0 {
            let text = "assignment expression cannot be used in a comprehension iterable expression";
            self.error(Code::MisplacedWalrus, span, text);
        }
        let unit = self.here().unit;
        self.scopes.scope_mut(unit).has_walrus = true;
        let name_expr = self.ast.expr(target);
        if let ExprKind::Name { id: name, .. } = name_expr.kind
            && matches!(self.kind(), ScopeKind::Comprehension | ScopeKind::Generator)
        {
            self.bind_around(name, name_expr.span);
            self.expr(value);
            return;
        }
        self.expr(value);
        self.expr(target);
    }

    /// `:=` in a comprehension binds in the nearest scope around that is none.
    fn bind_around(&mut self, name: Symbol, span: Span) {
        let mangled = self.scopes.mangle_new(self.ast, self.current, name);
        if name == self.debug {
            self.error(Code::DebugName, span, "cannot assign to __debug__");
        }
        let mut at = self.current;
        loop {
            let scope = self.scopes.scope_mut(at);
            let text = match scope.kind {
                ScopeKind::Comprehension | ScopeKind::Generator => {
                    let iterated = scope.names.get(&mangled).is_some_and(|entry| entry.uses.contains(Uses::ITERATION));
                    if iterated {
                        let text = self.text(mangled);
                        let text =
                            format!("assignment expression cannot rebind comprehension iteration variable '{text}'");
                        return self.error(Code::MisplacedWalrus, span, text);
                    }
                    at = scope.parent.expect("comprehensions have a parent");
                    continue;
                }
                ScopeKind::Function | ScopeKind::Lambda => {
                    scope.has_walrus = true;
                    let global = scope.names.get(&mangled).is_some_and(|entry| entry.uses.contains(Uses::GLOBAL));
                    let here = if global { Uses::GLOBAL } else { Uses::NONLOCAL };
                    self.note_mangled(mangled, here, span);
                    return self.note_in(at, mangled, Uses::ASSIGNED, span);
                }
                ScopeKind::Module => {
                    self.note_mangled(mangled, Uses::GLOBAL, span);
                    return self.note_in(at, mangled, Uses::GLOBAL, span);
                }
                ScopeKind::Class => "cannot be used in a class body",
                ScopeKind::TypeVariable => "cannot be used in a TypeVar bound",
                ScopeKind::TypeAlias => "cannot be used in a type alias",
                ScopeKind::TypeParams => "cannot be used within the definition of a generic",
                ScopeKind::Annotations => {
                    return self.error(
                        Code::MisplacedWalrus,
                        span,
                        "named expression cannot be used within an annotation",
                    );
                }
            };
            let text = format!("assignment expression within a comprehension {text}");
            return self.error(Code::MisplacedWalrus, span, text);
        }
    }

    fn note_in(&mut self, scope: ScopeId, name: Symbol, uses: Uses, span: Span) {
        let current = std::mem::replace(&mut self.current, scope);
        let target = std::mem::take(&mut self.in_target);
        self.note_mangled(name, uses, span);
        (self.current, self.in_target) = (current, target);
    }

    fn comprehension(
        &mut self,
        id: ExprId,
        kind: ScopeKind,
        generators: &[Comprehension],
        elt: ExprId,
        value: Option<ExprId>,
        span: Span,
    ) {
        let Some(outermost) = generators.first() else { return };
        // The first iterable is evaluated around the comprehension.
        self.iterable(outermost.iter);
        self.open(kind, Owner::Expr(id));
        if kind == ScopeKind::Generator {
            self.note(self.outer_iterable, Uses::PARAMETER, span);
        }
        let around_target = std::mem::take(&mut self.in_target);
        for (i, generator) in generators.iter().enumerate() {
            self.in_target = true;
            self.target(generator.target);
            self.in_target = false;
            if i > 0 {
                self.iterable(generator.iter);
            }
            self.exprs(&generator.ifs);
            self.here().is_coroutine |= generator.is_async;
        }
        value.iter().for_each(|&value| self.expr(value));
        self.expr(elt);
        self.in_target = around_target;
        let is_async = self.here().is_coroutine && kind != ScopeKind::Generator;
        self.close();
        if is_async {
            let top_level = self.context.top_level_await && self.kind() == ScopeKind::Module;
            let allowed = self.here().is_async_def
                || matches!(self.kind(), ScopeKind::Comprehension | ScopeKind::Generator)
                || top_level;
            if !allowed {
                let text = "asynchronous comprehension outside of an asynchronous function";
                self.error(Code::AwaitOutsideAsync, span, text);
            }
            self.here().is_coroutine = true;
        }
    }

    fn iterable(&mut self, iter: ExprId) {
        self.iterables += 1;
        self.expr(iter);
        self.iterables -= 1;
    }

    fn forbid_in_annotation(&mut self, what: &str, span: Span) {
        let scope = self.scopes.scope(self.current);
        let place = match scope.kind {
            ScopeKind::Annotations => "an annotation",
            ScopeKind::TypeVariable => scope.described,
            ScopeKind::TypeAlias => "a type alias",
            ScopeKind::TypeParams => "the definition of a generic",
            _ => return,
        };
        self.error(Code::NotInAnnotation, span, format!("{what} cannot be used within {place}"));
    }

    fn suspends(&mut self, span: Span, word: &str) {
        let scope = self.scopes.scope(self.current);
        let kind = match (scope.kind, scope.owner) {
            (ScopeKind::Generator, _) => "generator expression",
            (ScopeKind::Comprehension, Owner::Expr(id)) => match self.ast.expr(id).kind {
                ExprKind::SetComp { .. } => "set comprehension",
                ExprKind::DictComp { .. } => "dict comprehension",
                _ => "list comprehension",
            },
            (ScopeKind::Module | ScopeKind::Class, _) => {
                return self.late(Code::OutsideFunction, span, format!("{word} outside function"));
            }
            _ => {
                self.here().is_generator = true;
                return;
            }
        };
        self.error(Code::MisplacedYield, span, format!("'yield' inside {kind}"));
    }

    fn awaits(&mut self, span: Span) {
        let top_level = self.context.top_level_await && self.kind() == ScopeKind::Module;
        let scope = self.here();
        let comprehension = matches!(scope.kind, ScopeKind::Comprehension | ScopeKind::Generator);
        if scope.is_async_def || comprehension || top_level {
            scope.is_coroutine = true;
        } else if matches!(scope.kind, ScopeKind::Module | ScopeKind::Class) {
            self.error(Code::AwaitOutsideAsync, span, "'await' outside function");
        } else {
            self.error(Code::AwaitOutsideAsync, span, "'await' outside async function");
        }
    }

    /// In an async generator, `return` has no value.
    fn check_generator_returns(&mut self, body: &[StmtId]) {
        let ast = self.ast;
        for &id in body {
            let stmt = ast.stmt(id);
            match &stmt.kind {
                StmtKind::Return { value: Some(_) } => {
                    self.late(Code::GeneratorReturn, stmt.span, "'return' with value in async generator");
                }
                StmtKind::For { body, orelse, .. } | StmtKind::While { body, orelse, .. } => {
                    self.check_generator_returns(body);
                    self.check_generator_returns(orelse);
                }
                StmtKind::If { branches, orelse } => {
                    branches.iter().for_each(|branch| self.check_generator_returns(&branch.body));
                    self.check_generator_returns(orelse);
                }
                StmtKind::With { body, .. } => self.check_generator_returns(body),
                StmtKind::Match { cases, .. } => {
                    cases.iter().for_each(|case| self.check_generator_returns(&case.body));
                }
                StmtKind::Try(statement) => {
                    self.check_generator_returns(&statement.body);
                    statement.handlers.iter().for_each(|handler| self.check_generator_returns(&handler.body));
                    self.check_generator_returns(&statement.orelse);
                    self.check_generator_returns(&statement.finalbody);
                }
                _ => {}
            }
        }
    }

    fn keyword(&mut self, i: usize, keyword: &crate::syntax::ast::Keyword, all: &[crate::syntax::ast::Keyword]) {
        self.check_keyword(i, keyword, all);
        self.expr(keyword.value);
    }

    fn check_keyword(&mut self, i: usize, keyword: &crate::syntax::ast::Keyword, all: &[crate::syntax::ast::Keyword]) {
        if keyword.arg == Some(self.debug) {
            self.error(Code::DebugName, keyword.span, "cannot assign to __debug__");
        }
        if let Some(name) = keyword.arg
            && all[..i].iter().any(|earlier| earlier.arg == Some(name))
        {
            let text = format!("keyword argument repeated: {}", self.text(name));
            self.late(Code::DuplicateParameter, keyword.span, text);
        }
    }

    fn check_stars(&mut self, elts: &[ExprId], span: Span) {
        let star = |id: &ExprId| matches!(self.ast.expr(*id).kind, ExprKind::Starred { .. });
        let Some(first) = elts.iter().position(star) else { return };
        if elts[first + 1..].iter().any(star) {
            self.late(Code::MisplacedStar, span, "multiple starred expressions in assignment");
        } else if first >= 256 || elts.len() - first > 0xff_ffff {
            self.late(Code::MisplacedStar, span, "too many expressions in star-unpacking assignment");
        }
    }
}

/// The number a pattern key or literal is, for comparing keys.
pub(super) fn negated(ast: &Ast, id: ExprId) -> Option<ExprId> {
    match ast.expr(id).kind {
        ExprKind::UnaryOp { op: UnaryOp::USub, operand } => Some(operand),
        _ => None,
    }
}
