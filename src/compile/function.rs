//! Functions, lambdas, comprehensions, annotations and type parameters: everything with parameters or a scope of its own,
//! but for classes.

use super::{Annotated, Compiler};
use crate::bytecode::builder::{Finished, Place};
use crate::bytecode::code::{CodeFlags, Const};
use crate::bytecode::op::{CodeIdx, Instr, Intrinsic, Reg};
use crate::resolve::{Binding, Owner, ScopeId, ScopeKind};
use crate::source::Span;
use crate::syntax::ast::{
    Arg, Arguments, Comprehension, ExprId, ExprKind, FunctionDef, StmtId, Symbol, TypeParam, TypeParamKind,
};

/// What a comprehension does with each item.
#[derive(Clone, Copy)]
enum Element {
    List(ExprId, Reg),
    Set(ExprId, Reg),
    Dict(ExprId, ExprId, Reg),
    Yield(ExprId),
}

impl Compiler<'_> {
    // ---- def ----

    pub(super) fn function_def(&mut self, id: StmtId, def: &FunctionDef, span: Span) {
        let top = self.b().top();
        def.decorators.iter().for_each(|&decorator| {
            self.push(decorator);
        });
        let first = def.decorators.first().map_or(span, |&decorator| self.ast.expr(decorator).span);
        let line = self.line(first);
        self.at(span);
        let direct = if def.decorators.is_empty() { self.direct_target(def.name) } else { None };
        let dst = match direct {
            Some(dst) => dst,
            None => self.b().top_reg(),
        };
        if def.type_params.is_empty() {
            self.function_object(id, def, dst, line, span, None);
        } else {
            self.generic_function(id, def, dst, line, span);
        }
        if direct.is_none() {
            self.b().push();
        }
        self.decorate(&def.decorators, dst, span);
        let src = if def.decorators.is_empty() { dst } else { self.reg(top) };
        self.at(span);
        self.store_name(def.name, src);
        self.b().set_top(top);
    }

    /// Applies decorators, pushed before `dst`, innermost first; the result is where the first of them was.
    pub(super) fn decorate(&mut self, decorators: &[ExprId], dst: Reg, span: Span) {
        let mut above = u16::from(dst.0);
        for &decorator in decorators.iter().rev() {
            self.at(self.ast.expr(decorator).span);
            let base = self.reg(above - 1);
            self.emit(Instr::Call { dst: base, base, argc: 1 });
            above -= 1;
            self.b().set_top(above + 1);
        }
        self.at(span);
    }

    /// Makes the function of `def` in `dst`. `given` are the registers of defaults evaluated before, for a generic function.
    fn function_object(
        &mut self,
        id: StmtId,
        def: &FunctionDef,
        dst: Reg,
        line: u32,
        span: Span,
        given: Option<(Option<Reg>, Option<Reg>)>,
    ) {
        let top = self.b().top();
        let base = self.b().top_reg();
        let mut flags = 0;
        match given {
            None => flags |= self.defaults(&def.args, span),
            Some((positional, keyword)) => {
                for (flag, reg) in [(1, positional), (2, keyword)] {
                    if let Some(src) = reg {
                        let dst = self.b().top_reg();
                        self.emit(Instr::Move { dst, src });
                        self.b().push();
                        flags |= flag;
                    }
                }
            }
        }
        if let Some(scope) = self.scopes.scope_of(Owner::Signature(id)) {
            self.signature_function(scope, def, span);
            flags |= 4;
        }
        let Some(scope) = self.scopes.scope_of(Owner::Definition(id)) else { return };
        let (name, qualname) = (self.text(def.name), self.qualified(def.name));
        let method = self.defines_methods();
        self.open_unit(scope, name.into(), qualname, line);
        let info = self.scopes.scope(scope);
        self.unit().flags |= match (def.is_async, info.is_generator) {
            (true, true) => CodeFlags::ASYNC_GENERATOR,
            (true, false) => CodeFlags::COROUTINE,
            (false, true) => CodeFlags::GENERATOR,
            (false, false) => CodeFlags::empty(),
        };
        self.unit().flags.set(CodeFlags::METHOD, method);
        self.parameters(&def.args);
        self.at(span);
        self.make_cells();
        let mut body = &def.body[..];
        if let Some(doc) = self.docstring(body) {
            body = &body[1..];
            if self.options.optimize < 2 {
                self.b().constant(doc);
                self.unit().flags |= CodeFlags::DOCSTRING;
            }
        }
        let suspends = self.is_generator();
        self.generator_body(suspends, |this| {
            this.block(body);
            this.return_none();
        });
        let finished = self.close_unit();
        let code = self.b().child(finished);
        self.at(span);
        self.emit(Instr::MakeFunction { dst, base, flags, code });
        self.b().set_top(top);
    }

    /// Whether functions defined here are methods: the unit is a class body, or type parameters within one.
    fn defines_methods(&self) -> bool {
        let mut kinds = self.units.iter().rev().map(|unit| self.scopes.scope(unit.scope).kind);
        kinds.find(|&kind| kind != ScopeKind::TypeParams) == Some(ScopeKind::Class)
    }

    /// Pushes a tuple of positional and a dict of keyword-only defaults, if there are any; which there are.
    fn defaults(&mut self, args: &Arguments, span: Span) -> u8 {
        let mut flags = 0;
        if !args.defaults.is_empty() {
            let dst = self.b().top_reg();
            self.tuple_of(&args.defaults, dst, span);
            self.b().push();
            flags |= 1;
        }
        if args.kw_defaults.iter().any(Option::is_some) {
            self.keyword_defaults(args, span);
            flags |= 2;
        }
        flags
    }

    fn keyword_defaults(&mut self, args: &Arguments, span: Span) {
        let here = self.here();
        let dict = self.b().top_reg();
        self.emit(Instr::BuildMap { dst: dict, base: dict, pairs: 0 });
        self.b().push();
        for (arg, default) in args.kwonlyargs.iter().zip(&args.kw_defaults) {
            let Some(default) = default else { continue };
            let top = self.b().top();
            let name = self.scopes.mangled_text(self.ast, here, arg.name);
            let key = self.push_str(&name);
            let value = self.operand(*default, &[]);
            self.at(span);
            self.emit(Instr::MapAdd { dict, key, value });
            self.b().set_top(top);
        }
    }

    /// Sets what the unit's header says of parameters; they are bound.
    fn parameters(&mut self, args: &Arguments) {
        let unit = self.unit();
        unit.flags |= CodeFlags::FUNCTION;
        unit.flags.set(CodeFlags::VARARGS, args.vararg.is_some());
        unit.flags.set(CodeFlags::VARKEYWORDS, args.kwarg.is_some());
        unit.positional_only = args.posonlyargs.len() as u16;
        unit.positional = (args.posonlyargs.len() + args.args.len()) as u16;
        unit.keyword_only = args.kwonlyargs.len() as u16;
        self.parameters_bound(args.all().count());
    }

    fn parameters_bound(&mut self, count: usize) {
        let scope = self.unit().scope;
        let info = self.scopes.scope(scope);
        let class = self.scopes.find(self.ast, "__class__");
        if class.is_some_and(|class| info.free.contains(&class)) {
            self.unit().flags |= CodeFlags::CLASS_CELL;
        }
        for (i, local) in info.locals.iter().enumerate().take(count) {
            if !local.is_cell && !local.deletable {
                self.b().set_bound(i);
            }
        }
    }

    /// Opens the unit of a function that the compiler makes up, with `count` positional parameters.
    fn open_made_up(&mut self, scope: ScopeId, name: &str, line: u32, count: u16) {
        let qualname = self.qualified_text(name);
        self.open_unit(scope, name.into(), qualname, line);
        let unit = self.unit();
        unit.flags |= CodeFlags::FUNCTION;
        unit.positional = count;
        self.parameters_bound(usize::from(count));
        self.make_cells();
    }

    fn close_child(&mut self) -> CodeIdx {
        let finished = self.close_unit();
        self.b().child(finished)
    }

    pub(super) fn lambda(&mut self, id: ExprId, args: &Arguments, body: ExprId, dst: Reg) {
        let span = self.ast.expr(id).span;
        let base = self.b().top_reg();
        let flags = self.defaults(args, span);
        let Some(scope) = self.scopes.scope_of(Owner::Expr(id)) else { return };
        let qualname = self.qualified_text("<lambda>");
        let line = self.line(span);
        let method = self.kind() == ScopeKind::Class;
        self.open_unit(scope, "<lambda>".into(), qualname, line);
        let generator = self.scopes.scope(scope).is_generator;
        self.unit().flags.set(CodeFlags::GENERATOR, generator);
        self.unit().flags.set(CodeFlags::METHOD, method);
        self.parameters(args);
        self.make_cells();
        self.generator_body(generator, |this| this.return_value(body));
        let code = self.close_child();
        self.at(span);
        self.emit(Instr::MakeFunction { dst, base, flags, code });
    }

    // ---- comprehensions ----

    /// A list, set or dict comprehension: a loop in place, with locals of its own.
    pub(super) fn comprehension(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        let span = ast.expr(id).span;
        let Some(scope) = self.scopes.scope_of(Owner::Expr(id)) else { return };
        let (ExprKind::ListComp { generators, .. }
        | ExprKind::SetComp { generators, .. }
        | ExprKind::DictComp { generators, .. }) = &ast.expr(id).kind
        else {
            return;
        };
        let Some(outermost) = generators.first() else { return };
        let top = self.b().top();
        let it = self.iterator(outermost);
        let acc = self.b().top_reg();
        self.at(span);
        let element = match ast.expr(id).kind {
            ExprKind::SetComp { elt, .. } => Element::Set(elt, acc),
            ExprKind::DictComp { key, value, .. } => Element::Dict(key, value, acc),
            ExprKind::ListComp { elt, .. } => Element::List(elt, acc),
            _ => return,
        };
        self.emit(match element {
            Element::List(..) | Element::Yield(_) => Instr::BuildList { dst: acc, base: acc, count: 0 },
            Element::Set(..) => Instr::BuildSet { dst: acc, base: acc, count: 0 },
            Element::Dict(..) => Instr::BuildMap { dst: acc, base: acc, pairs: 0 },
        });
        if let ([Comprehension { ifs, is_async: false, .. }], Element::List(..) | Element::Dict(..)) =
            (&generators[..], &element)
            && ifs.is_empty()
        {
            self.emit(Instr::MakeRoom { target: acc, iter: it });
        }
        self.b().push();
        let around = std::mem::replace(&mut self.unit().here, scope);
        self.unit().comprehensions.push(scope);
        self.inner_locals(scope, true);
        self.loops(generators, 0, it, element, span);
        self.at(span);
        self.inner_locals(scope, false);
        self.unit().here = around;
        self.b().set_top(top);
        self.b().push();
        let above = u16::from(acc.0) + 1;
        self.b().set_top(above);
        self.emit(Instr::Move { dst, src: acc });
        self.b().set_top(top);
    }

    /// At the start of a handler: makes the locals unbound of the comprehensions that what is protected has, from number `first` on, since
    /// the exception may have left one of them.
    pub(super) fn leave_comprehensions(&mut self, first: usize) {
        for scope in self.unit().comprehensions.split_off(first) {
            self.inner_locals(scope, false);
            self.unit().comprehensions.push(scope);
        }
    }

    /// Makes the locals of a comprehension unbound: cells anew when it begins, all when it ends.
    fn inner_locals(&mut self, scope: ScopeId, begins: bool) {
        let names: Vec<Symbol> = self.scopes.scope(scope).names.keys().copied().collect();
        for name in names {
            let entry = self.scopes.scope(scope).names[&name];
            if !entry.uses.binds() {
                continue;
            }
            let (slot, is_cell) = match entry.binding {
                Binding::Local(slot) => (slot, false),
                Binding::Cell(slot) => (slot, true),
                _ => continue,
            };
            self.b().set_unbound(slot as usize);
            if begins && !is_cell {
                continue;
            }
            let place = self.b().place(slot as usize);
            let reg = match place {
                Place::Near(reg) => reg,
                Place::Far(_) => self.b().top_reg(),
            };
            self.emit(Instr::Unbind { dst: reg });
            if begins {
                self.emit(Instr::MakeCell { reg });
            }
            if let Place::Far(dst) = place {
                self.emit(Instr::StoreFar { src: reg, dst });
            }
        }
    }

    /// Pushes the iterator of a clause.
    fn iterator(&mut self, generator: &Comprehension) -> Reg {
        let top = self.b().top();
        let src = self.operand(generator.iter, &[]);
        self.at(self.ast.expr(generator.iter).span);
        let dst = self.reg(top);
        self.emit(match generator.is_async {
            true => Instr::GetAIter { dst, src },
            false => Instr::GetIter { dst, src },
        });
        self.b().set_top(top);
        self.b().push()
    }

    /// The loops of a comprehension from clause number `i` on, whose iterator is in `it`.
    fn loops(&mut self, generators: &[Comprehension], i: usize, it: Reg, element: Element, span: Span) {
        let Some(generator) = generators.get(i) else { return self.element(element, span) };
        let (next, handler, done) = (self.b().label(), self.b().label(), self.b().label());
        let top = self.b().top();
        let mut it = it;
        let iter_span = self.ast.expr(generator.iter).span;
        if generator.is_async && u16::from(it.0) + 1 != top {
            // What the instructions need to have last among the temporaries.
            let dst = self.b().top_reg();
            self.emit(Instr::Move { dst, src: it });
            it = self.b().push();
        }
        let inside = self.b().top();
        let start = self.b().label();
        let dst = if generator.is_async {
            self.b().bind(next);
            let item = self.next_async(it, handler, span);
            self.store(generator.target, item);
            self.b().set_top(inside);
            item
        } else {
            self.at(iter_span);
            self.for_target(generator.target, it, start, done)
        };
        for &test in &generator.ifs {
            self.condition(test, false, next);
        }
        match generators.get(i + 1) {
            Some(inner) => {
                let it = self.iterator(inner);
                self.loops(generators, i + 1, it, element, span);
            }
            None => self.element(element, span),
        }
        self.b().set_top(inside);
        if generator.is_async {
            self.at(span);
            self.b().jump(next, |target| Instr::Jump { target });
            self.end_async(it, handler, done, iter_span);
        } else {
            self.b().bind(next);
            self.at(iter_span);
            self.b().jump(start, |target| Instr::ForLoop { dst, iter: it, target });
            self.b().bind(done);
        }
        self.b().set_top(top);
    }

    fn element(&mut self, element: Element, span: Span) {
        let top = self.b().top();
        match element {
            Element::List(elt, list) => {
                let item = self.operand(elt, &[]);
                self.at(self.ast.expr(elt).span);
                self.emit(Instr::ListAppend { list, item });
            }
            Element::Set(elt, set) => {
                let item = self.operand(elt, &[]);
                self.at(self.ast.expr(elt).span);
                self.emit(Instr::SetAdd { set, item });
            }
            Element::Dict(key, value, dict) => {
                let key_span = self.ast.expr(key).span;
                let key = self.operand(key, &[value]);
                let value_reg = self.operand(value, &[]);
                self.at(key_span.to(self.ast.expr(value).span));
                self.emit(Instr::MapAdd { dict, key, value: value_reg });
            }
            Element::Yield(elt) => {
                let src = self.operand(elt, &[]);
                self.at(span);
                self.at(self.ast.expr(elt).span);
                let dst = self.reg(top);
                self.emit_yield(dst, src);
            }
        }
        self.b().set_top(top);
    }

    pub(super) fn generator_expression(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        let span = ast.expr(id).span;
        let ExprKind::GeneratorExp { elt, generators } = &ast.expr(id).kind else { return };
        let (Some(scope), Some(outermost)) = (self.scopes.scope_of(Owner::Expr(id)), generators.first()) else {
            return;
        };
        let line = self.line(span);
        self.open_made_up(scope, "<genexpr>", line, 1);
        let is_async = self.scopes.scope(scope).is_coroutine;
        self.unit().flags |= if is_async { CodeFlags::ASYNC_GENERATOR } else { CodeFlags::GENERATOR };
        self.at(span);
        self.generator_body(true, |this| {
            this.loops(generators, 0, Reg(0), Element::Yield(*elt), span);
            this.return_none();
        });
        let code = self.close_child();
        self.at(span);
        let base = self.b().top_reg();
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
        self.iterator(outermost);
        self.at(span);
        self.emit(Instr::Call { dst, base, argc: 1 });
    }

    // ---- annotations ----

    /// Pushes the function that makes `__annotations__` of a `def`.
    fn signature_function(&mut self, scope: ScopeId, def: &FunctionDef, span: Span) {
        let args = &def.args;
        let line = self.line(span);
        self.open_made_up(scope, "__annotate__", line, 1);
        self.unit().positional_only = 1;
        self.at(span);
        self.check_format();
        let dict = self.b().top_reg();
        self.emit(Instr::BuildMap { dst: dict, base: dict, pairs: 0 });
        self.b().push();
        let annotated =
            args.args.iter().chain(&args.posonlyargs).chain(&args.vararg).chain(&args.kwonlyargs).chain(&args.kwarg);
        for Arg { name, annotation, .. } in annotated.copied().collect::<Vec<_>>() {
            if let Some(annotation) = annotation {
                let here = self.here();
                let name = self.scopes.mangled_text(self.ast, here, name);
                self.annotate(dict, &name, annotation);
            }
        }
        if let Some(returns) = def.returns {
            self.annotate(dict, "return", returns);
        }
        self.emit(Instr::Return { src: dict });
        let code = self.close_child();
        let base = self.b().top_reg();
        self.at(span);
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
    }

    /// `dict[name] = annotation`
    fn annotate(&mut self, dict: Reg, name: &str, annotation: ExprId) {
        let top = self.b().top();
        let key = self.push_str(name);
        let value = if self.scopes.future_annotations {
            let text = self.annotation_text(annotation);
            self.push_str(&text)
        } else if let Some(star) = self.starred(annotation) {
            // `*args: *Ts`
            let src = self.push(star);
            self.emit(Instr::UnpackSequence { base: src, src, count: 1 });
            src
        } else {
            self.operand(annotation, &[])
        };
        self.at(self.ast.expr(annotation).span);
        self.emit(Instr::MapAdd { dict, key, value });
        self.b().set_top(top);
    }

    /// The code of the annotate function of a module or class.
    pub(super) fn annotate_function(&mut self, scope: ScopeId, annotations: &[Annotated]) -> Finished {
        let span = annotations.first().map_or(Span::default(), |first| self.ast.expr(first.annotation).span);
        let line = self.line(span);
        self.open_made_up(scope, "__annotate__", line, 1);
        self.unit().positional_only = 1;
        self.at(span);
        self.check_format();
        let dict = self.b().top_reg();
        self.emit(Instr::BuildMap { dst: dict, base: dict, pairs: 0 });
        self.b().push();
        for annotated in annotations {
            let skip = self.b().label();
            if let Some(number) = annotated.conditional {
                self.at(self.ast.expr(annotated.annotation).span);
                let top = self.b().top();
                let a = self.push_const(Const::Int(i64::from(number)));
                let b = self.b().top_reg();
                self.load_text("__conditional_annotations__", b);
                self.b().push();
                self.emit(Instr::In { dst: a, a, b });
                self.b().jump(skip, |target| Instr::JumpIfFalse { a, target });
                self.b().set_top(top);
            }
            let here = self.here();
            let name = self.scopes.mangled_text(self.ast, here, annotated.name);
            self.annotate(dict, &name, annotated.annotation);
            self.b().bind(skip);
        }
        self.emit(Instr::Return { src: dict });
        self.close_unit()
    }

    fn check_format(&mut self) {
        let dst = self.b().top_reg();
        self.intrinsic(Intrinsic::CheckAnnotateFormat, Reg(0), dst);
    }

    /// An annotation as text, for `from __future__ import annotations`.
    pub(super) fn annotation_text(&self, id: ExprId) -> String {
        crate::syntax::unparse::expression(self.ast, id)
    }

    // ---- type parameters ----

    fn generic_function(&mut self, id: StmtId, def: &FunctionDef, dst: Reg, line: u32, span: Span) {
        let Some(scope) = self.scopes.scope_of(Owner::TypeParams(id)) else { return };
        let base = self.b().top_reg();
        let has_defaults = !def.args.defaults.is_empty();
        let has_keyword = def.args.kw_defaults.iter().any(Option::is_some);
        let count = u16::from(has_defaults) + u16::from(has_keyword);
        let name = format!("<generic parameters of {}>", self.text(def.name));
        self.open_made_up(scope, &name, line, count);
        self.at(span);
        let tuple = self.type_parameters(id, &def.type_params, span);
        let function = self.b().top_reg();
        let given = (has_defaults.then_some(Reg(0)), has_keyword.then_some(Reg(u8::from(has_defaults))));
        self.function_object(id, def, function, line, span, Some(given));
        self.b().push();
        let params = self.b().top_reg();
        self.emit(Instr::Move { dst: params, src: tuple });
        self.b().push();
        self.intrinsic(Intrinsic::SetTypeParams, function, function);
        self.emit(Instr::Return { src: function });
        let code = self.close_child();
        self.at(span);
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
        self.defaults(&def.args, span);
        self.at(span);
        self.emit(Instr::Call { dst, base, argc: count as u8 });
        let top = u16::from(base.0);
        self.b().set_top(top);
    }

    /// Makes the type parameters, binds them, and pushes the tuple of them.
    pub(super) fn type_parameters(&mut self, id: StmtId, params: &[TypeParam], span: Span) -> Reg {
        let mark = self.b().top();
        let tuple = self.b().top_reg();
        self.emit(Instr::BuildList { dst: tuple, base: tuple, count: 0 });
        self.b().push();
        for (i, param) in params.iter().enumerate() {
            let top = self.b().top();
            self.at(param.span);
            let base = self.push_const(Const::Str(self.text(param.name).as_bytes().into()));
            let default = |this: &mut Self| {
                let name = this.text(param.name);
                this.evaluator(Owner::TypeDefault(id, i as u32), name, param.default, param.span);
            };
            let kind = match param.kind {
                TypeParamKind::TypeVar { bound } => {
                    let constraints =
                        bound.is_some_and(|bound| matches!(self.ast.expr(bound).kind, ExprKind::Tuple { .. }));
                    let name = self.text(param.name);
                    let owner = Owner::TypeBound(id, i as u32);
                    self.evaluator(owner, name, bound.filter(|_| !constraints), param.span);
                    self.evaluator(owner, name, bound.filter(|_| constraints), param.span);
                    default(self);
                    Intrinsic::TypeVar
                }
                TypeParamKind::ParamSpec => {
                    default(self);
                    Intrinsic::ParamSpec
                }
                TypeParamKind::TypeVarTuple => {
                    default(self);
                    Intrinsic::TypeVarTuple
                }
            };
            self.at(param.span);
            self.intrinsic(kind, base, base);
            self.b().set_top(top + 1);
            self.emit(Instr::ListAppend { list: tuple, item: base });
            self.store_name(param.name, base);
            self.b().set_top(top);
        }
        self.at(span);
        self.emit(Instr::ListToTuple { dst: tuple, list: tuple });
        self.b().set_top(mark + 1);
        tuple
    }

    /// Pushes the function that evaluates `value` when asked, or None.
    fn evaluator(&mut self, owner: Owner, name: &str, value: Option<ExprId>, span: Span) {
        let (Some(value), Some(scope)) = (value, self.scopes.scope_of(owner)) else {
            self.push_const(Const::None);
            return;
        };
        let line = self.line(span);
        self.open_made_up(scope, name, line, 1);
        self.unit().positional_only = 1;
        self.at(span);
        self.check_format();
        if let Some(star) = self.starred(value) {
            let src = self.push(star);
            self.emit(Instr::UnpackSequence { base: src, src, count: 1 });
            self.emit(Instr::Return { src });
        } else {
            self.return_value(value);
        }
        let code = self.close_child();
        self.at(span);
        let base = self.push_const(Const::Tuple([Const::Int(1)].into()));
        self.emit(Instr::MakeFunction { dst: base, base, flags: 1, code });
    }

    pub(super) fn type_alias(&mut self, id: StmtId, name: ExprId, params: &[TypeParam], value: ExprId, span: Span) {
        let ExprKind::Name { id: symbol, .. } = self.ast.expr(name).kind else { return };
        let text = self.text(symbol);
        let top = self.b().top();
        if params.is_empty() {
            let base = self.push_str(text);
            self.push_const(Const::None);
            self.evaluator(Owner::AliasValue(id), text, Some(value), span);
            self.intrinsic(Intrinsic::TypeAlias, base, base);
            self.b().set_top(top + 1);
            self.store_name(symbol, base);
            return self.b().set_top(top);
        }
        let Some(scope) = self.scopes.scope_of(Owner::TypeParams(id)) else { return };
        let line = self.line(span);
        self.open_made_up(scope, &format!("<generic parameters of {text}>"), line, 0);
        self.at(span);
        let tuple = self.type_parameters(id, params, span);
        let base = self.push_str(text);
        let given = self.b().top_reg();
        self.emit(Instr::Move { dst: given, src: tuple });
        self.b().push();
        self.evaluator(Owner::AliasValue(id), text, Some(value), span);
        self.intrinsic(Intrinsic::TypeAlias, base, base);
        self.emit(Instr::Return { src: base });
        let code = self.close_child();
        self.at(span);
        let base = self.b().top_reg();
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
        self.emit(Instr::Call { dst: base, base, argc: 0 });
        self.store_name(symbol, base);
        self.b().set_top(top);
    }
}
