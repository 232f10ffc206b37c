//! What opens scopes of its own: functions, classes, type parameters, annotations. And patterns, which bind.

use super::*;

impl Collector<'_> {
    pub(super) fn function(&mut self, id: StmtId, def: &FunctionDef, span: Span) {
        self.bind(def.name, span);
        // CPython makes the scope of a function's annotations even where there are none, and that asks for the namespace around it.
        if self.here().kind == ScopeKind::Class {
            let name = self.class_dict;
            self.here().needs_class_dict = true;
            let fresh = Entry { uses: Uses::empty(), binding: Binding::Implicit, directive: None };
            self.here().names.entry(name).or_insert(fresh).uses.insert(Uses::CAPTURED);
        }
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

    pub(super) fn parameters(&mut self, args: &Arguments) {
        let all: Vec<Arg> = args.all().copied().collect();
        for arg in all {
            if arg.name == self.debug {
                self.error(Code::DebugName, arg.span, "cannot assign to __debug__");
            }
            self.note(arg.name, Uses::PARAMETER, arg.span);
        }
    }

    pub(super) fn open_type_params(&mut self, id: StmtId, _params: &[TypeParam]) {
        self.open(ScopeKind::TypeParams, Owner::TypeParams(id));
    }

    pub(super) fn type_params(&mut self, id: StmtId, params: &[TypeParam]) {
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
    pub(super) fn annotation(&mut self, stmt: StmtId, annotation: ExprId, kept: bool) {
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

    pub(super) fn pattern(&mut self, id: PatternId) {
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
}
