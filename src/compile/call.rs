//! Calls, methods, `super`.

use super::Compiler;
use super::display::MAX_RUN;
use crate::bytecode::builder::Place;
use crate::bytecode::code::{CodeFlags, Const};
use crate::bytecode::op::{Instr, Intrinsic, Reg};
use crate::resolve::{Binding, ScopeId, ScopeKind};
use crate::source::Span;
use crate::syntax::ast::{Context, ExprId, ExprKind, Keyword, Symbol};

impl Compiler<'_> {
    /// A call; chains of method calls are as deep as they are long, so those go down by a loop.
    pub(super) fn call(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        let ExprKind::Call { func, args, keywords } = &ast.expr(id).kind else { return };
        let mark = self.b().top();
        if self.super_call(id, dst) {
            return;
        }
        // The innermost receiver of `a.b(…).c(…)`, and the calls on it from the outside in.
        let mut chain = vec![id];
        let mut first = *func;
        while let Some((receiver, inner)) = self.method_on_call(first) {
            chain.push(receiver);
            first = inner;
        }
        if chain.len() == 1 {
            self.call_one(*func, args, keywords, ast.expr(id).span, dst, None);
            return;
        }
        let mut receiver = None;
        while let Some(id) = chain.pop() {
            let ExprKind::Call { func, args, keywords } = &ast.expr(id).kind else { continue };
            let out = if chain.is_empty() { dst } else { self.reg(mark) };
            self.call_one(*func, args, keywords, ast.expr(id).span, out, receiver);
            self.b().set_top(mark);
            if !chain.is_empty() {
                receiver = Some(self.b().push());
            }
        }
    }

    /// If `func` is a method looked up on the result of another plain call: that call, and what it calls.
    fn method_on_call(&self, func: ExprId) -> Option<(ExprId, ExprId)> {
        let ExprKind::Attribute { value, ctx: Context::Load, .. } = self.ast.expr(func).kind else { return None };
        let ExprKind::Call { func: inner, .. } = self.ast.expr(value).kind else { return None };
        if self.is_super_call(value) { None } else { Some((value, inner)) }
    }

    fn is_plain(&self, args: &[ExprId], keywords: &[Keyword]) -> bool {
        args.len() + keywords.len() <= MAX_RUN
            && args.iter().all(|&arg| self.starred(arg).is_none())
            && keywords.iter().all(|keyword| keyword.arg.is_some())
    }

    /// One call; `receiver` holds the object if `func` is an attribute of something evaluated already, in the last temporary.
    fn call_one(
        &mut self,
        func: ExprId,
        args: &[ExprId],
        keywords: &[Keyword],
        span: Span,
        dst: Reg,
        receiver: Option<Reg>,
    ) {
        let attribute = match self.ast.expr(func).kind {
            ExprKind::Attribute { value, attr, .. } if !self.is_super_call(value) => Some((value, attr)),
            _ => None,
        };
        let mark = self.b().top() - u16::from(receiver.is_some());
        if let Some((value, attr)) = attribute {
            let obj = match receiver {
                Some(obj) => obj,
                None => self.operand(value, args),
            };
            let base = self.reg(mark);
            let name = self.attribute_name(attr);
            let call_span = self.span_from_attribute(func, span);
            let lookup_span = self.attribute_span(func);
            if !self.is_plain(args, keywords) {
                self.at(lookup_span);
                self.emit(Instr::GetAttr { dst: base, obj, name });
                self.b().set_top(mark + 1);
                return self.call_spread(base, args, keywords, dst, call_span);
            }
            let argc = (args.len() + keywords.len()) as u8;
            if keywords.is_empty() && args.iter().all(|&arg| self.is_silent(arg)) {
                self.silent_arguments(mark, args);
                self.at(call_span);
                return self.b().emit_method_call(Instr::CallMethod { dst, base, argc, obj, name }, lookup_span);
            }
            self.at(lookup_span);
            self.emit(Instr::LoadMethod { base, obj, name });
            self.b().set_top(mark + 2);
            let names = self.arguments(func, args, keywords);
            self.at(call_span);
            self.emit(match names {
                None => Instr::CallLoaded { dst, base, argc },
                Some(names) => Instr::CallLoadedKw { dst, base, argc, names },
            });
            return;
        }
        if let ExprKind::Attribute { value, attr, .. } = self.ast.expr(func).kind
            && self.is_super_call(value)
            && self.is_plain(args, keywords)
        {
            let base = self.reg(mark);
            let flags = u8::from(self.super_operands(value, true));
            let name = self.attribute_name(attr);
            let call_span = self.span_from_attribute(func, span);
            let lookup_span = self.attribute_span(func);
            self.at(lookup_span);
            self.emit(Instr::SuperMethod { base, flags, name });
            self.b().set_top(mark + 2);
            let argc = (args.len() + keywords.len()) as u8;
            let names = self.arguments(func, args, keywords);
            self.at(call_span);
            self.emit(match names {
                None => Instr::CallLoaded { dst, base, argc },
                Some(names) => Instr::CallLoadedKw { dst, base, argc, names },
            });
            return;
        }
        let base = self.push(func);
        if !self.is_plain(args, keywords) {
            return self.call_spread(base, args, keywords, dst, span);
        }
        let argc = (args.len() + keywords.len()) as u8;
        let names = self.arguments(func, args, keywords);
        self.at(span);
        self.emit(match names {
            None => Instr::Call { dst, base, argc },
            Some(names) => Instr::CallKw { dst, base, argc, names },
        });
    }

    /// Arguments that can't be seen evaluating, from two above `mark` on: the call fills what is below.
    pub(super) fn silent_arguments(&mut self, mark: u16, args: &[ExprId]) {
        self.b().set_top(mark + 2);
        args.iter().for_each(|&arg| {
            self.push(arg);
        });
    }

    /// Pushes arguments of a call of `func`; the constant of keyword names, if there are any.
    fn arguments(
        &mut self,
        func: ExprId,
        args: &[ExprId],
        keywords: &[Keyword],
    ) -> Option<crate::bytecode::op::ConstIdx> {
        let called = matches!(self.ast.expr(func).kind, ExprKind::Call { .. });
        args.iter().for_each(|&arg| {
            self.push(arg);
        });
        keywords.iter().for_each(|keyword| {
            self.push(keyword.value);
        });
        // What died while the arguments were made dies before the call.
        if (self.looks || self.looks_after) && (called || args.iter().any(|&arg| !self.is_silent(arg))) {
            self.emit(Instr::Look {});
        }
        if keywords.is_empty() {
            return None;
        }
        let here = self.here();
        let names = keywords.iter().filter_map(|keyword| keyword.arg);
        let names = names.map(|name| self.scopes.mangled_text(self.ast, here, name));
        let names = names.map(|name| Const::Str(name.into_bytes().into())).collect();
        Some(self.b().constant(Const::Tuple(names)))
    }

    /// `base(*args, **keywords)`, with `base` the last temporary.
    pub(super) fn call_spread(&mut self, base: Reg, args: &[ExprId], keywords: &[Keyword], dst: Reg, span: Span) {
        self.spread(base, args, keywords, span);
        self.at(span);
        self.emit(Instr::CallEx { dst, base });
    }

    /// Puts a tuple of arguments and a dict (or None) of keyword arguments above `base`.
    fn spread(&mut self, base: Reg, args: &[ExprId], keywords: &[Keyword], span: Span) {
        let tuple = self.b().top_reg();
        match args {
            [only] if self.starred(*only).is_some() => {
                // It becomes a tuple after the keywords were evaluated.
                self.push(self.starred(*only).unwrap_or(*only));
                self.keyword_dict(base, keywords, span);
                let top = self.b().top();
                let items = self.b().top_reg();
                self.emit(Instr::Move { dst: items, src: tuple });
                self.b().push();
                let callee = self.b().top_reg();
                self.emit(Instr::Move { dst: callee, src: base });
                self.b().push();
                self.at(span);
                self.intrinsic(Intrinsic::CallArgs, items, tuple);
                self.b().set_top(top);
            }
            _ => {
                self.tuple_of(args, tuple, span);
                let top = u16::from(tuple.0) + 1;
                self.b().set_top(top);
                self.keyword_dict(base, keywords, span);
            }
        }
    }

    /// Pushes a dict of keyword arguments for the callable in `base`, or None if there are none.
    pub(super) fn keyword_dict(&mut self, base: Reg, keywords: &[Keyword], span: Span) {
        let here = self.here();
        let dict = self.b().top_reg();
        if keywords.is_empty() {
            self.emit(Instr::LoadNone { dst: dict });
            self.b().push();
            return;
        }
        // What comes first, by name, is the dict to begin with.
        let run = keywords.iter().take(MAX_RUN / 2).take_while(|keyword| keyword.arg.is_some()).count();
        let (first, mut rest) = keywords.split_at(run);
        self.keyword_run(first, here, span);
        let spread = keywords.iter().any(|keyword| keyword.arg.is_none());
        while let Some(first) = rest.first() {
            let top = self.b().top();
            if first.arg.is_none() {
                let mapping = self.operand(first.value, &[]);
                self.at(span);
                self.emit(Instr::DictMerge { dict, mapping, callee: base });
                rest = &rest[1..];
            } else {
                let run = rest.iter().take(MAX_RUN / 2).take_while(|keyword| keyword.arg.is_some()).count();
                let start = self.keyword_run(&rest[..run], here, span);
                self.emit(match spread {
                    true => Instr::DictMerge { dict, mapping: start, callee: base },
                    false => Instr::DictUpdate { dict, mapping: start },
                });
                rest = &rest[run..];
            }
            self.b().set_top(top);
        }
    }

    /// Pushes the dict of keyword arguments that all have names.
    fn keyword_run(&mut self, keywords: &[Keyword], here: ScopeId, span: Span) -> Reg {
        let top = self.b().top();
        let base = self.b().top_reg();
        for keyword in keywords {
            let name = keyword.arg.map_or(String::new(), |name| self.scopes.mangled_text(self.ast, here, name));
            self.push_str(&name);
            self.push(keyword.value);
        }
        self.at(span);
        self.emit(Instr::BuildMap { dst: base, base, pairs: keywords.len() as u8 });
        self.b().set_top(top);
        self.b().push()
    }

    // ---- super ----

    /// Whether `id` is `super(…)` in a form that is compiled apart: without arguments or with two, `super` being the builtin.
    pub(super) fn is_super_call(&self, id: ExprId) -> bool {
        let ExprKind::Call { func, args, keywords } = &self.ast.expr(id).kind else { return false };
        let ExprKind::Name { id: name, .. } = self.ast.expr(*func).kind else { return false };
        self.text(name) == "super"
            && keywords.is_empty()
            && matches!(self.binding(name).0, Binding::Implicit)
            && match args.len() {
                0 => self.class_and_self().is_some(),
                2 => args.iter().all(|&arg| self.starred(arg).is_none()),
                _ => false,
            }
    }

    /// What `super()` means here: the captured cell `__class__`, and the first parameter.
    fn class_and_self(&self) -> Option<(Symbol, Symbol)> {
        let unit = self.units.last()?;
        let scope = self.scopes.scope(unit.scope);
        let class = self.scopes.find(self.ast, "__class__")?;
        let in_function = matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda | ScopeKind::Generator);
        let known = matches!(self.scopes.binding(unit.scope, class), Binding::Free(_));
        if !in_function || !known || unit.positional == 0 {
            return None;
        }
        Some((class, scope.locals.first()?.name))
    }

    /// Pushes `super`, the class and the instance; whether it was the form without arguments.
    fn super_operands(&mut self, call: ExprId, attribute: bool) -> bool {
        let ast = self.ast;
        let ExprKind::Call { func, args, .. } = &ast.expr(call).kind else { return false };
        self.push(*func);
        match (args.len(), self.class_and_self()) {
            (0, Some((class, instance))) => {
                self.at(ast.expr(call).span);
                let here = self.unit().here;
                self.unit().here = self.unit().scope;
                for name in [class, instance] {
                    let dst = self.b().top_reg();
                    match self.binding(name).0 {
                        // Whether the argument is still there is looked at when the object is made.
                        Binding::Local(slot) if name == instance && !attribute => match self.b().place(slot as usize) {
                            Place::Near(src) => self.emit(Instr::Move { dst, src }),
                            Place::Far(src) => self.emit(Instr::LoadFar { dst, src }),
                        },
                        _ => self.load_name(name, dst),
                    }
                    self.b().push();
                }
                self.unit().here = here;
                true
            }
            _ => {
                args.iter().for_each(|&arg| {
                    self.push(arg);
                });
                false
            }
        }
    }

    /// `super().name`; false if it isn't that.
    pub(super) fn super_attribute(&mut self, value: ExprId, attr: Symbol, id: ExprId, dst: Reg) -> bool {
        if !self.is_super_call(value) {
            return false;
        }
        let base = self.b().top_reg();
        let implicit = self.super_operands(value, true);
        let name = self.attribute_name(attr);
        let span = self.attribute_span(id);
        self.at(span);
        self.emit(Instr::SuperAttr { dst, base, flags: u8::from(implicit), name });
        true
    }

    /// `super()` alone; false if it isn't that.
    fn super_call(&mut self, id: ExprId, dst: Reg) -> bool {
        let ExprKind::Call { args, .. } = &self.ast.expr(id).kind else { return false };
        if !args.is_empty() || !self.is_super_call(id) || !self.unit().flags.contains(CodeFlags::FUNCTION) {
            return false;
        }
        let base = self.b().top_reg();
        self.super_operands(id, false);
        self.at(self.ast.expr(id).span);
        self.emit(Instr::CallSuper { dst, base });
        true
    }
}
