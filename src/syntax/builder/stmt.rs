//! Statements.

use super::*;

impl Builder<'_> {
    pub(crate) fn stmt(&mut self, start: u32, kind: StmtKind, end: u32) -> StmtId {
        self.ast.add_stmt(kind, Span::new(start, end))
    }

    /// Note the end of the `;` behind the last statement of a line.
    pub(crate) fn semicolon(&mut self, stmt: StmtId, end: u32) {
        self.semicolons.insert(stmt, end);
    }

    /// The end of a block's last statement.
    fn block_end(&self, block: &[StmtId]) -> u32 {
        let Some(last) = block.last() else { return 0 };
        self.semicolons.get(last).copied().unwrap_or(self.ast.stmt(*last).span.end)
    }

    pub(crate) fn expr_stmt(&mut self, start: u32, value: ExprId, end: u32) -> StmtId {
        self.stmt(start, StmtKind::Expr { value }, end)
    }

    pub(crate) fn assign(&mut self, start: u32, targets: Vec<ExprId>, value: ExprId, end: u32) -> StmtId {
        let single = targets.len() == 1;
        for &target in &targets {
            self.narrow(target, Purpose::Assign { single_to: single.then_some(value) });
        }
        self.stmt(start, StmtKind::Assign { targets: targets.into(), value }, end)
    }

    pub(crate) fn aug_assign(&mut self, start: u32, target: ExprId, op: BinaryOp, value: ExprId, end: u32) -> StmtId {
        self.narrow(target, Purpose::Augment);
        self.stmt(start, StmtKind::AugAssign { target, op, value }, end)
    }

    pub(crate) fn ann_assign(
        &mut self,
        start: u32,
        target: ExprId,
        annotation: ExprId,
        value: Option<ExprId>,
        end: u32,
    ) -> StmtId {
        self.narrow(target, Purpose::Annotate);
        let node = self.ast.expr(target);
        let simple = matches!(node.kind, ExprKind::Name { .. }) && !node.parenthesized;
        self.stmt(start, StmtKind::AnnAssign { target, annotation, value, simple }, end)
    }

    pub(crate) fn type_alias(
        &mut self,
        start: u32,
        name: Ident,
        type_params: Option<Vec<TypeParam>>,
        value: ExprId,
        end: u32,
    ) -> StmtId {
        let name = self.name(name);
        self.narrow(name, Purpose::Assign { single_to: None });
        let type_params = type_params.unwrap_or_default().into();
        self.stmt(start, StmtKind::TypeAlias { name, type_params, value }, end)
    }

    pub(crate) fn delete(&mut self, start: u32, targets: ExprId, end: u32) -> StmtId {
        self.narrow(targets, Purpose::Delete);
        let node = self.ast.expr(targets);
        let targets = match &node.kind {
            ExprKind::Tuple { elts, .. } if !node.parenthesized => elts.clone(),
            _ => [targets].into(),
        };
        self.stmt(start, StmtKind::Delete { targets }, end)
    }

    pub(crate) fn assert(&mut self, start: u32, test: ExprId, msg: Option<ExprId>, end: u32) -> StmtId {
        self.stmt(start, StmtKind::Assert { test, msg }, end)
    }

    pub(crate) fn alias(&mut self, start: u32, name: Span, asname: Option<ExprId>, end: u32) -> Alias {
        let name = self.dotted(name);
        let asname = asname.and_then(|target| self.plain_name(target, "import target", "use"));
        Alias { name, asname, span: Span::new(start, end) }
    }

    /// `target` has to be a name: `cannot {verb} attribute as {role}`.
    pub(super) fn plain_name(&mut self, target: ExprId, role: &str, verb: &str) -> Option<Symbol> {
        let node = self.ast.expr(target);
        if let ExprKind::Name { id, .. } = node.kind
            && !node.parenthesized
        {
            return Some(id);
        }
        let (span, name) = (node.span, target::describe(&node.kind));
        self.report(Code::InvalidTarget, span, format!("cannot {verb} {name} as {role}"));
        None
    }

    pub(crate) fn star_alias(&mut self, start: u32, end: u32) -> Alias {
        Alias { name: self.ast.names.intern("*"), asname: None, span: Span::new(start, end) }
    }

    pub(crate) fn import_from(
        &mut self,
        start: u32,
        level: u32,
        module: Option<Span>,
        names: Vec<Alias>,
        end: u32,
    ) -> StmtId {
        if level == 0 && module.is_none() {
            let at = self.source.text()[start as usize..].find("import").map_or(start, |skip| start + skip as u32);
            self.report(Code::InvalidImport, Span::new(at, at + 6), "invalid syntax");
        }
        let module = module.map(|span| self.dotted(span));
        self.stmt(start, StmtKind::ImportFrom { module, names: names.into(), level }, end)
    }

    pub(crate) fn branch(&mut self, start: u32, test: ExprId, body: Block) -> IfBranch {
        let end = self.block_end(&body);
        IfBranch { test, body, span: Span::new(start, end) }
    }

    pub(crate) fn if_stmt(
        &mut self,
        start: u32,
        test: ExprId,
        body: Block,
        elifs: Vec<IfBranch>,
        orelse: Option<Block>,
    ) -> StmtId {
        let orelse = orelse.unwrap_or_default();
        let first = self.branch(start, test, body);
        let mut branches = vec![first];
        branches.extend(elifs);
        let last = branches.last().expect("the first branch").span.end;
        let end = if orelse.is_empty() { last } else { self.block_end(&orelse) };
        for branch in &mut branches {
            branch.span.end = end;
        }
        self.stmt(start, StmtKind::If { branches: branches.into(), orelse }, end)
    }

    pub(crate) fn while_stmt(&mut self, start: u32, test: ExprId, body: Block, orelse: Option<Block>) -> StmtId {
        let orelse = orelse.unwrap_or_default();
        let end = self.block_end(if orelse.is_empty() { &body } else { &orelse });
        self.stmt(start, StmtKind::While { test, body, orelse }, end)
    }

    pub(crate) fn for_stmt(
        &mut self,
        start: u32,
        is_async: bool,
        target: ExprId,
        iter: ExprId,
        body: Block,
        orelse: Option<Block>,
    ) -> StmtId {
        let orelse = orelse.unwrap_or_default();
        let end = self.block_end(if orelse.is_empty() { &body } else { &orelse });
        self.stmt(start, StmtKind::For { is_async, target, iter, body, orelse }, end)
    }

    pub(crate) fn target(&mut self, target: ExprId) -> ExprId {
        self.narrow(target, Purpose::For);
        target
    }

    pub(crate) fn with_item(&mut self, context_expr: ExprId, target: ExprId) -> WithItem {
        self.narrow(target, Purpose::As);
        WithItem { context_expr, optional_vars: Some(target) }
    }

    pub(crate) fn with_stmt(&mut self, start: u32, is_async: bool, items: Vec<WithItem>, body: Block) -> StmtId {
        let end = self.block_end(&body);
        let items = self.with_items(items).into();
        self.stmt(start, StmtKind::With { is_async, items, body }, end)
    }

    /// Parentheses around all items are part of the statement, not a tuple.
    fn with_items(&mut self, items: Vec<WithItem>) -> Vec<WithItem> {
        let [WithItem { context_expr: group, optional_vars: None }] = items[..] else { return items };
        if let Some(index) = self.with_groups.iter().rposition(|(id, _)| *id == group) {
            let (_, grouped) = self.with_groups.remove(index);
            for item in &grouped {
                let node = self.ast.expr(item.value);
                if let (ExprKind::Starred { .. }, span) = (&node.kind, node.span) {
                    self.report(Code::UnexpectedToken, span, "invalid syntax");
                }
            }
            return grouped
                .into_iter()
                .map(|item| match item.target {
                    Some(target) => self.with_item(item.value, target),
                    None => WithItem { context_expr: item.value, optional_vars: None },
                })
                .collect();
        }
        let node = self.ast.expr(group);
        let ExprKind::Tuple { elts, .. } = &node.kind else { return items };
        let is_item = |id: &ExprId| {
            let node = self.ast.expr(*id);
            match node.kind {
                ExprKind::Starred { .. } => false,
                ExprKind::NamedExpr { .. } => node.parenthesized,
                _ => true,
            }
        };
        if elts.is_empty() || !elts.iter().all(is_item) {
            return items;
        }
        elts.iter().map(|&context_expr| WithItem { context_expr, optional_vars: None }).collect()
    }

    pub(crate) fn handler(
        &mut self,
        start: u32,
        is_star: bool,
        type_: Option<ExprId>,
        name: Option<ExprId>,
        body: Block,
    ) -> Handler {
        let end = self.block_end(&body);
        if let (Some(type_), Some(name)) = (type_, name) {
            let node = self.ast.expr(type_);
            if let ExprKind::Tuple { elts, .. } = &node.kind
                && !node.parenthesized
                && let [first, ..] = elts[..]
            {
                let span = self.span(first).to(self.span(name));
                self.report(
                    Code::InvalidClause,
                    span,
                    "multiple exception types must be parenthesized when using 'as'",
                );
            }
        }
        let name = name.and_then(|target| {
            let node = self.ast.expr(target);
            if let ExprKind::Name { id, .. } = node.kind
                && !node.parenthesized
            {
                return Some(id);
            }
            let (span, name) = (node.span, target::describe(&node.kind));
            let star = if is_star { "*" } else { "" };
            self.report(Code::InvalidTarget, span, format!("cannot use except{star} statement with {name}"));
            None
        });
        Handler { is_star, handler: ExceptHandler { type_, name, body, span: Span::new(start, end) } }
    }

    pub(crate) fn try_stmt(
        &mut self,
        start: u32,
        body: Block,
        handlers: Vec<Handler>,
        orelse: Option<Block>,
        finalbody: Option<Block>,
    ) -> StmtId {
        let is_star = handlers.first().is_some_and(|handler| handler.is_star);
        if let Some(other) = handlers.iter().find(|handler| handler.is_star != is_star) {
            let start = other.handler.span.start;
            let star = self.token_at(start + 6);
            let end = if star.token == Token::Star { star.span.end } else { start + 6 };
            self.report(
                Code::InvalidClause,
                Span::new(start, end),
                "cannot have both 'except' and 'except*' on the same 'try'",
            );
        }
        let handlers: Box<[ExceptHandler]> = handlers.into_iter().map(|handler| handler.handler).collect();
        let (orelse, finalbody) = (orelse.unwrap_or_default(), finalbody.unwrap_or_default());
        let end = if !finalbody.is_empty() {
            self.block_end(&finalbody)
        } else if !orelse.is_empty() {
            self.block_end(&orelse)
        } else {
            handlers.last().map_or(start, |handler| handler.span.end)
        };
        self.stmt(start, StmtKind::Try(Box::new(Try { is_star, body, handlers, orelse, finalbody })), end)
    }

    pub(crate) fn match_stmt(&mut self, start: u32, subject: ExprId, cases: Vec<MatchCase>) -> StmtId {
        let end = cases.last().map_or(start, |case| self.block_end(&case.body));
        self.stmt(start, StmtKind::Match { subject, cases: cases.into() }, end)
    }

    #[expect(clippy::too_many_arguments, reason = "a definition has that many parts")]
    pub(crate) fn function(
        &mut self,
        start: u32,
        is_async: bool,
        name: Ident,
        type_params: Option<Vec<TypeParam>>,
        params: Params,
        returns: Option<ExprId>,
        body: Block,
    ) -> StmtId {
        let end = self.block_end(&body);
        let args = self.arguments(params, false);
        let function = FunctionDef {
            is_async,
            name: name.name,
            name_span: name.span,
            args,
            body,
            decorators: Box::default(),
            returns,
            type_params: type_params.unwrap_or_default().into(),
        };
        self.stmt(start, StmtKind::FunctionDef(Box::new(function)), end)
    }

    pub(crate) fn class(
        &mut self,
        start: u32,
        name: Ident,
        type_params: Option<Vec<TypeParam>>,
        args: Option<Args>,
        body: Block,
    ) -> StmtId {
        let end = self.block_end(&body);
        let args = args.unwrap_or_default();
        if args.lone_generator
            && let ExprKind::GeneratorExp { elt, .. } = self.ast.expr(args.args[0]).kind
        {
            let end = self.span(elt).end;
            self.report_after(Code::InvalidArguments, Span::at(end), end, "invalid syntax");
        }
        let class = ClassDef {
            name: name.name,
            name_span: name.span,
            bases: args.args.into(),
            keywords: args.keywords.into(),
            body,
            decorators: Box::default(),
            type_params: type_params.unwrap_or_default().into(),
        };
        self.stmt(start, StmtKind::ClassDef(Box::new(class)), end)
    }

    pub(crate) fn decorate(&mut self, decorators: Vec<ExprId>, definition: StmtId) -> StmtId {
        match &mut self.ast.stmt_mut(definition).kind {
            StmtKind::FunctionDef(function) => function.decorators = decorators.into(),
            StmtKind::ClassDef(class) => class.decorators = decorators.into(),
            _ => unreachable!("the grammar decorates definitions only"),
        }
        definition
    }

    pub(crate) fn type_param(
        &mut self,
        start: u32,
        kind: TypeParamKind,
        name: Ident,
        default: Option<ExprId>,
        end: u32,
    ) -> TypeParam {
        TypeParam { kind, name: name.name, default, span: Span::new(start, end) }
    }
}
