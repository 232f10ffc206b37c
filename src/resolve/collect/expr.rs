//! Expressions: names in them, comprehensions and their scopes, and what may be awaited or yielded where.

use super::*;

impl Collector<'_> {
    pub(super) fn exprs(&mut self, ids: &[ExprId]) {
        ids.iter().for_each(|&id| self.expr(id));
    }

    /// An expression where a star may stand.
    pub(super) fn starred(&mut self, id: ExprId) {
        match self.ast.expr(id).kind {
            ExprKind::Starred { value, .. } => self.expr(value),
            _ => self.expr(id),
        }
    }

    /// What can be bound: a target of an assignment, loop, `with`.
    pub(super) fn target(&mut self, id: ExprId) {
        let ast = self.ast;
        if matches!(ast.expr(id).kind, ExprKind::Starred { .. }) {
            let text = "starred assignment target must be in a list or tuple";
            self.late(Code::MisplacedStar, ast.expr(id).span, text);
        }
        self.expr(id);
    }

    /// Walks an expression. Chains that lean to the left are as deep as they are long, so those are a loop.
    pub(super) fn expr(&mut self, id: ExprId) {
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

    pub(super) fn comprehension(
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

    pub(super) fn iterable(&mut self, iter: ExprId) {
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
    pub(super) fn check_generator_returns(&mut self, body: &[StmtId]) {
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

    pub(super) fn keyword(
        &mut self,
        i: usize,
        keyword: &crate::syntax::ast::Keyword,
        all: &[crate::syntax::ast::Keyword],
    ) {
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
