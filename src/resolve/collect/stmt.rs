//! Statements: what they bind, and where they may stand.

use super::*;

impl Collector<'_> {
    pub(super) fn future_imports(&mut self, body: &[StmtId]) {
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

    pub(in crate::resolve) fn block(&mut self, body: &[StmtId]) {
        for &id in body {
            self.stmt(id);
        }
    }

    /// Walks a block that may not run, or not once: annotations in it are conditional.
    pub(super) fn conditional(&mut self, walk: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.conditional_block, true);
        walk(self);
        self.conditional_block = before;
    }

    /// Walks what is inside a statically nested block.
    pub(super) fn nested(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        self.flow.blocks += 1;
        if self.flow.blocks == MAX_BLOCKS + 1 {
            self.late(Code::TooManyBlocks, span, "too many statically nested blocks");
        }
        self.conditional(walk);
        self.flow.blocks -= 1;
    }

    pub(super) fn stmt(&mut self, id: StmtId) {
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
                if !matches!(self.kind(), ScopeKind::Function) {
                    self.late(Code::OutsideFunction, span, "'return' outside function");
                }
                value.iter().for_each(|&value| self.expr(value));
                // A constant result is what CPython points at.
                let constant = |value: &&Expr| matches!(value.kind, ExprKind::Constant(_));
                let shown = value.map(|value| self.ast.expr(value)).filter(constant).map_or(span, |value| value.span);
                self.jump_out(span, shown, "return");
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
                self.jump_out(span, span, "break");
                if !self.flow.in_loop {
                    self.late(Code::OutsideLoop, span, "'break' outside loop");
                }
            }
            StmtKind::Continue => {
                self.jump_out(span, span, "continue");
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

    /// `return`, `break` or `continue` where it leaves an `except*` or `finally` block; an error is at `shown`.
    fn jump_out(&mut self, span: Span, shown: Span, word: &str) {
        let leaves = word == "return";
        if self.flow.in_star && (leaves || !self.flow.star_loop) {
            let text = "'break', 'continue' and 'return' cannot appear in an except* block";
            self.late(Code::OutsideLoop, shown, text);
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
            } else if before.intersects(Uses::ASSIGNED) && !before.contains(Uses::IMPORTED) {
                // What was only imported may be declared late.
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
}
