//! Statements, and the ways out of nested blocks.

use super::{Annotated, Block, BlockKind, Compiler};
use crate::bytecode::builder::{Finished, Label};
use crate::bytecode::code::Const;
use crate::bytecode::op::{CodeIdx, Instr, Intrinsic, Reg};
use crate::resolve::{Owner, ScopeKind};
use crate::source::Span;
use crate::syntax::ast::{
    Alias, Constant, ExceptHandler, ExprId, ExprKind, IfBranch, Root, StmtId, StmtKind, Symbol, Try,
};

impl Compiler<'_> {
    pub(super) fn module_body(&mut self, body: &[StmtId], interactive: bool) {
        let scope = self.scopes.scope(self.here());
        let (has_annotations, conditional) = (scope.has_annotations, scope.conditional_annotations);
        if self.unit().flags.contains(crate::bytecode::code::CodeFlags::NAMESPACE) {
            self.make_cells();
        }
        let future = self.scopes.future_annotations;
        // The annotate function is there before the first statement; what is in it is known after the last.
        let annotate = (has_annotations && !future).then(|| self.b().reserve_child());
        if let Some(place) = annotate {
            self.store_annotate("__annotate__", place);
        }
        if has_annotations && future {
            self.setup_annotations();
        } else if has_annotations && conditional {
            self.conditional_set();
        }
        let mut body = body;
        if !interactive && let Some(doc) = self.docstring(body) {
            self.at(self.ast.stmt(body[0]).span);
            body = &body[1..];
            if self.options.optimize < 2 {
                let top = self.b().top();
                let src = self.push_const(doc);
                self.store_text("__doc__", src);
                self.b().set_top(top);
            }
        }
        for &id in body {
            self.stmt(id);
        }
        if let Some(place) = annotate {
            let finished = self.deferred_annotations().expect("annotations have a scope");
            self.b().fill_child(place, finished);
        }
    }

    /// Whether a statement is the prompt's own, not one of a function or class.
    fn at_prompt(&self) -> bool {
        matches!(self.ast.root, Root::Interactive(_)) && self.units.len() == 1
    }

    /// The prompt shows the values of expression statements.
    fn display(&mut self, value: ExprId) {
        let top = self.b().top();
        let reg = self.push(value);
        self.at(self.ast.expr(value).span);
        self.intrinsic(Intrinsic::DisplayHook, reg, reg);
        self.b().set_top(top);
    }

    /// Stores to a name that the text need not contain (`__doc__`).
    pub(super) fn store_text(&mut self, text: &str, src: Reg) {
        if let Some(symbol) = self.scopes.find(self.ast, text)
            && self.scopes.scope(self.here()).names.contains_key(&symbol)
        {
            return self.store_name(symbol, src);
        }
        let name = self.b().name(text);
        if self.by_name() {
            self.emit(Instr::StoreName { names: Reg(0), src, name });
        } else {
            self.emit(Instr::StoreGlobal { src, name });
        }
    }

    /// Loads a name that the text need not contain.
    pub(super) fn load_text(&mut self, text: &str, dst: Reg) {
        if let Some(symbol) = self.scopes.find(self.ast, text)
            && self.scopes.scope(self.here()).names.contains_key(&symbol)
        {
            return self.load_name(symbol, dst);
        }
        let name = self.b().name(text);
        if self.by_name() {
            self.emit(Instr::LoadName { dst, names: Reg(0), name });
        } else {
            self.emit(Instr::LoadGlobal { dst, name });
        }
    }

    /// Whether the unit's names are in the mapping in register 0.
    fn by_name(&self) -> bool {
        match self.kind() {
            ScopeKind::Class => true,
            ScopeKind::Module => self.options.namespace,
            _ => false,
        }
    }

    pub(super) fn setup_annotations(&mut self) {
        let dst = self.b().top_reg();
        if self.by_name() {
            self.intrinsic(Intrinsic::SetupAnnotations, Reg(0), dst);
        } else {
            self.emit(Instr::LoadGlobals { dst });
            self.b().push();
            self.intrinsic(Intrinsic::SetupAnnotations, dst, dst);
            let top = self.b().top() - 1;
            self.b().set_top(top);
        }
    }

    /// Makes the set in which annotated names note that their statement has run.
    pub(super) fn conditional_set(&mut self) {
        let top = self.b().top();
        let dst = self.b().top_reg();
        self.emit(Instr::BuildSet { dst, base: dst, count: 0 });
        self.b().push();
        self.store_text("__conditional_annotations__", dst);
        self.b().set_top(top);
    }

    /// The docstring of a body, as it is kept.
    pub(super) fn docstring(&self, body: &[StmtId]) -> Option<Const> {
        let StmtKind::Expr { value } = self.ast.stmt(*body.first()?).kind else { return None };
        let ExprKind::Constant(Constant::Str(text)) = &self.ast.expr(value).kind else { return None };
        Some(Const::Str(clean_doc(&text.bytes).into()))
    }

    pub(super) fn block(&mut self, body: &[StmtId]) {
        body.iter().for_each(|&id| self.stmt(id));
    }

    fn begin(&mut self, id: StmtId) {
        let span = self.ast.stmt(id).span;
        self.at(span);
        let top = self.b().top();
        self.unit().base = top;
        if self.looks {
            self.emit(Instr::Look {});
        }
    }

    /// Where coroutines may be dropped: looks whether what stands at `span` has done so.
    pub(super) fn look_after(&mut self, span: Span) {
        if self.looks_after {
            self.at(span);
            self.emit(Instr::Look {});
        }
    }

    /// As `look_after`, for the expression in the head of a statement.
    pub(super) fn look_after_expr(&mut self, id: ExprId) {
        if self.looks_after && !self.is_silent(id) {
            self.look_after(self.ast.expr(id).span);
        }
    }

    pub(super) fn stmt(&mut self, id: StmtId) {
        self.begin(id);
        let ast = self.ast;
        let stmt = ast.stmt(id);
        let span = stmt.span;
        let top = self.b().top();
        match &stmt.kind {
            StmtKind::FunctionDef(def) => self.function_def(id, def, span),
            StmtKind::ClassDef(def) => self.class_def(id, def, span),
            StmtKind::TypeAlias { name, type_params, value } => self.type_alias(id, *name, type_params, *value, span),
            StmtKind::Return { value } => self.return_stmt(*value, span),
            StmtKind::Delete { targets } => targets.iter().for_each(|&target| self.delete(target)),
            StmtKind::Assign { targets, value } => self.assign(targets, *value),
            StmtKind::AugAssign { target, op, value } => self.aug_assign(*target, *op, *value, span),
            StmtKind::AnnAssign { target, annotation, value, simple } => {
                self.ann_assign(*target, *annotation, *value, *simple, span);
            }
            StmtKind::For { is_async: false, target, iter, body, orelse } => {
                self.for_loop(*target, *iter, body, orelse);
            }
            StmtKind::For { is_async: true, target, iter, body, orelse } => {
                self.async_for(*target, *iter, body, orelse, span);
            }
            StmtKind::While { test, body, orelse } => self.while_loop(*test, body, orelse),
            StmtKind::If { branches, orelse }
                if orelse.is_empty() && !self.looks_after && self.plain_jump(branches).is_some() =>
            {
                if let Some((test, target)) = self.plain_jump(branches) {
                    self.condition(test, true, target);
                }
            }
            StmtKind::If { branches, orelse } => {
                let end = self.b().label();
                for (i, branch) in branches.iter().enumerate() {
                    let next = self.b().label();
                    self.at(branch.span);
                    self.condition(branch.test, false, next);
                    self.look_after_expr(branch.test);
                    self.block(&branch.body);
                    if i + 1 < branches.len() || !orelse.is_empty() {
                        self.b().jump(end, |target| Instr::Jump { target });
                    }
                    self.b().bind(next);
                    self.look_after_expr(branch.test);
                }
                self.block(orelse);
                self.b().bind(end);
            }
            StmtKind::With { is_async, items, body } => self.with(*is_async, items, body),
            StmtKind::Match { subject, cases } => self.match_stmt(*subject, cases),
            StmtKind::Raise { exc: None, .. } => self.emit(Instr::RaiseAgain {}),
            StmtKind::Raise { exc: Some(exc), cause: None } => {
                let src = self.operand(*exc, &[]);
                self.at(span);
                self.emit(Instr::Raise { src });
            }
            StmtKind::Raise { exc: Some(exc), cause: Some(cause) } => {
                let src = self.operand(*exc, &[*cause]);
                let cause = self.operand(*cause, &[]);
                self.at(span);
                self.emit(Instr::RaiseFrom { src, cause });
            }
            StmtKind::Try(statement) => {
                if statement.finalbody.is_empty() {
                    self.try_except(statement);
                } else {
                    self.try_finally(id, statement);
                }
            }
            StmtKind::Assert { test, msg } => self.assert(*test, *msg, span),
            StmtKind::Import { names } => names.iter().for_each(|alias| self.import(alias)),
            StmtKind::ImportFrom { module, names, level } => self.import_from(*module, names, *level),
            StmtKind::Global { .. } | StmtKind::Nonlocal { .. } | StmtKind::Pass => {}
            StmtKind::Expr { value } if self.at_prompt() => self.display(*value),
            StmtKind::Expr { value } => self.discard(*value),
            StmtKind::Break => self.leave_loop(true),
            StmtKind::Continue => self.leave_loop(false),
        }
        self.b().set_top(top);
        let simple = matches!(
            stmt.kind,
            StmtKind::Assign { .. }
                | StmtKind::AugAssign { .. }
                | StmtKind::AnnAssign { .. }
                | StmtKind::Delete { .. }
                | StmtKind::Expr { .. }
                | StmtKind::Assert { .. }
        );
        if simple {
            self.look_after(span);
        }
    }

    /// If `branches` is one that only leaves or continues the loop right around it, with nothing to do on the way: its test and where it
    /// goes.
    fn plain_jump(&self, branches: &[IfBranch]) -> Option<(ExprId, Label)> {
        let [IfBranch { test, body, .. }] = branches else { return None };
        let [only] = **body else { return None };
        let BlockKind::Loop { end, next, iter } = self.units.last()?.blocks.last()?.kind else { return None };
        match self.ast.stmt(only).kind {
            StmtKind::Continue => Some((*test, next)),
            StmtKind::Break if iter.is_none() => Some((*test, end)),
            _ => None,
        }
    }

    fn assert(&mut self, test: ExprId, msg: Option<ExprId>, span: Span) {
        if self.options.optimize > 0 {
            return;
        }
        let end = self.b().label();
        self.condition(test, true, end);
        self.at(self.ast.expr(test).span);
        let base = self.b().top_reg();
        self.emit(Instr::LoadAssertionError { dst: base });
        self.b().push();
        if let Some(msg) = msg {
            self.push(msg);
            self.at(span);
            self.emit(Instr::Call { dst: base, base, argc: 1 });
            let top = u16::from(base.0) + 1;
            self.b().set_top(top);
            self.at(self.ast.expr(test).span);
        }
        self.emit(Instr::Raise { src: base });
        self.b().bind(end);
    }

    // ---- loops and ways out ----

    fn while_loop(&mut self, test: ExprId, body: &[StmtId], orelse: &[StmtId]) {
        let (start, next, done, end) = (self.b().label(), self.b().label(), self.b().label(), self.b().label());
        // The test stands again at the end, as the jump back; unless it is big, then there alone.
        let twice = self.is_small(test);
        if twice {
            self.condition(test, false, done);
            self.b().bind(start);
            self.look_after_expr(test);
            self.loop_body(Block { kind: BlockKind::Loop { end, next, iter: None }, protections: 0 }, body);
            self.b().bind(next);
            self.condition(test, true, start);
            self.b().bind(done);
        } else {
            self.b().bind(next);
            self.condition(test, false, done);
            self.look_after_expr(test);
            self.loop_body(Block { kind: BlockKind::Loop { end, next, iter: None }, protections: 0 }, body);
            self.b().set_span(None);
            self.b().jump(next, |target| Instr::Jump { target });
            self.b().bind(done);
        }
        self.look_after_expr(test);
        self.block(orelse);
        self.b().bind(end);
    }

    fn loop_body(&mut self, block: Block, body: &[StmtId]) {
        self.unit().blocks.push(block);
        self.block(body);
        self.unit().blocks.pop();
    }

    fn for_loop(&mut self, target: ExprId, iter: ExprId, body: &[StmtId], orelse: &[StmtId]) {
        let (next, start, done) = (self.b().label(), self.b().label(), self.b().label());
        let end = self.b().label();
        let top = self.b().top();
        let src = self.operand(iter, &[]);
        let iter_span = self.ast.expr(iter).span;
        self.at(iter_span);
        let it = self.reg(top);
        self.emit(Instr::GetIter { dst: it, src });
        self.b().set_top(top + 1);
        let dst = self.for_target(target, it, start, done);
        self.look_after(iter_span);
        self.loop_body(Block { kind: BlockKind::Loop { end, next, iter: Some(it) }, protections: 0 }, body);
        self.b().bind(next);
        self.at(iter_span);
        self.b().jump(start, |target| Instr::ForLoop { dst, iter: it, target });
        self.b().bind(done);
        self.b().set_top(top);
        self.look_after(iter_span);
        self.block(orelse);
        self.b().bind(end);
    }

    /// `target = next(it)`, to `done` when there is none. The end of the loop, a `ForLoop` with the register returned, goes back to
    /// `start`, where the item is in it.
    pub(super) fn for_target(&mut self, target: ExprId, it: Reg, start: Label, done: Label) -> Reg {
        if let ExprKind::Name { id: name, .. } = self.ast.expr(target).kind
            && let Some(dst) = self.direct_target(name)
        {
            self.b().jump(done, |target| Instr::ForIter { dst, iter: it, target });
            self.store_name(name, dst);
            self.b().bind(start);
            return dst;
        }
        let top = self.b().top();
        let dst = self.b().top_reg();
        self.b().jump(done, |target| Instr::ForIter { dst, iter: it, target });
        self.b().bind(start);
        self.b().push();
        self.store(target, dst);
        self.b().set_top(top);
        dst
    }

    fn leave_loop(&mut self, breaks: bool) {
        let blocks = &self.unit().blocks;
        let Some(at) = blocks.iter().rposition(|block| matches!(block.kind, BlockKind::Loop { .. })) else { return };
        let BlockKind::Loop { end, next, iter } = blocks[at].kind else { return };
        self.unwind(at + 1, |this| {
            if breaks && let Some(iter) = iter {
                this.emit(Instr::Unbind { dst: iter });
            }
            this.b().jump(if breaks { end } else { next }, |target| Instr::Jump { target });
        });
    }

    fn return_stmt(&mut self, value: Option<ExprId>, span: Span) {
        let plain =
            !self.unit().blocks.iter().any(|block| !matches!(block.kind, BlockKind::Loop { .. } | BlockKind::Try));
        let Some(value) = value.filter(|&value| !plain || self.constant(value) != Some(Const::None)) else {
            return self.unwind(0, |this| {
                this.at(span);
                this.return_none();
            });
        };
        // A finally block could assign a local that is returned, so those need a copy.
        let src = if plain { self.operand(value, &[]) } else { self.push(value) };
        self.look_after_expr(value);
        self.unwind(0, |this| {
            this.at(span);
            this.return_reg(src);
        });
    }

    /// Leaves the blocks from number `until` on: runs what stands at their ends, then `jump`. The code that follows is inside them still.
    fn unwind(&mut self, until: usize, jump: impl FnOnce(&mut Self)) {
        let top = self.b().top();
        let mut left = Vec::new();
        while self.unit().blocks.len() > until {
            let block = self.unit().blocks.pop().expect("just counted");
            let protections: Vec<_> = (0..block.protections).map(|_| self.b().unprotect()).collect();
            left.push((block, protections));
            self.leave(block.kind);
        }
        jump(self);
        while let Some((block, mut protections)) = left.pop() {
            while let Some(protection) = protections.pop() {
                self.b().resume_protection(protection);
            }
            self.unit().blocks.push(block);
        }
        self.b().set_top(top);
    }

    /// What stands at the end of a block.
    fn leave(&mut self, kind: BlockKind) {
        match kind {
            BlockKind::Loop { .. } | BlockKind::Try => {}
            BlockKind::Finally(id) => {
                if let StmtKind::Try(statement) = &self.ast.stmt(id).kind {
                    self.block(&statement.finalbody);
                }
            }
            BlockKind::With { base, is_async, span } => {
                self.at(span);
                self.exit_with(base, is_async);
            }
            BlockKind::Handler { save, name } => {
                self.emit(Instr::LeaveHandler { save });
                if let Some(name) = name {
                    self.forget(name);
                }
            }
        }
    }

    /// `name = None; del name`: the end of `except … as name`.
    fn forget(&mut self, name: Symbol) {
        if let Some(reg) = self.direct_target(name) {
            return self.emit(Instr::Unbind { dst: reg });
        }
        let top = self.b().top();
        let none = self.push_const(Const::None);
        self.store_name(name, none);
        self.b().set_top(top);
        self.delete_name(name);
    }

    // ---- try ----

    fn try_finally(&mut self, id: StmtId, statement: &Try) {
        let top = self.b().top();
        let (handler, end) = (self.b().label(), self.b().label());
        let exc = self.reg(top);
        let first = self.unit().comprehensions.len();
        self.b().protect(handler, exc);
        self.unit().blocks.push(Block { kind: BlockKind::Finally(id), protections: 1 });
        if statement.handlers.is_empty() {
            self.block(&statement.body);
        } else {
            self.try_except(statement);
        }
        self.unit().blocks.pop();
        self.b().unprotect();
        self.block(&statement.finalbody);
        self.b().set_span(None);
        self.b().jump(end, |target| Instr::Jump { target });
        self.b().bind_handler(handler, exc);
        self.leave_comprehensions(first);
        self.in_handler(exc, None, |this| {
            this.block(&statement.finalbody);
        });
        self.b().set_span(None);
        self.emit(Instr::Reraise { src: exc });
        self.b().bind(end);
        self.b().set_top(top);
    }

    /// Code that handles the exception in `exc`, at the start of a handler. When it ends, or an exception ends it, what was handled
    /// before is so again; then the code that follows runs.
    pub(super) fn in_handler(&mut self, exc: Reg, name: Option<Symbol>, body: impl FnOnce(&mut Self)) {
        let top = self.b().top();
        let save = self.b().top_reg();
        self.emit(Instr::EnterHandler { save, exc });
        self.b().push();
        let (cleanup, end) = (self.b().label(), self.b().label());
        let again = self.b().top_reg();
        self.b().protect(cleanup, again);
        self.unit().blocks.push(Block { kind: BlockKind::Handler { save, name }, protections: 1 });
        body(self);
        self.unit().blocks.pop();
        self.b().unprotect();
        self.b().set_span(None);
        self.leave(BlockKind::Handler { save, name });
        self.b().jump(end, |target| Instr::Jump { target });
        self.b().bind_handler(cleanup, again);
        self.leave(BlockKind::Handler { save, name });
        self.emit(Instr::Reraise { src: again });
        self.b().bind(end);
        self.b().set_top(top);
    }

    fn try_except(&mut self, statement: &Try) {
        let top = self.b().top();
        let (handler, end) = (self.b().label(), self.b().label());
        let exc = self.reg(top);
        let first = self.unit().comprehensions.len();
        self.b().protect(handler, exc);
        self.unit().blocks.push(Block { kind: BlockKind::Try, protections: 1 });
        self.block(&statement.body);
        self.unit().blocks.pop();
        self.b().unprotect();
        self.b().set_top(top);
        self.block(&statement.orelse);
        self.b().set_span(None);
        self.b().jump(end, |target| Instr::Jump { target });
        self.b().bind_handler(handler, exc);
        self.leave_comprehensions(first);
        if statement.is_star {
            self.star_handlers(exc, &statement.handlers, end);
        } else {
            self.handlers(exc, &statement.handlers, end);
        }
        self.b().bind(end);
        self.b().set_top(top);
    }

    fn handlers(&mut self, exc: Reg, handlers: &[ExceptHandler], end: Label) {
        let save = self.b().top_reg();
        self.emit(Instr::EnterHandler { save, exc });
        self.b().push();
        let cleanup = self.b().label();
        let again = self.b().top_reg();
        self.b().protect(cleanup, again);
        self.unit().blocks.push(Block { kind: BlockKind::Handler { save, name: None }, protections: 1 });
        let inside = self.b().top();
        for handler in handlers {
            let next = self.b().label();
            self.at(handler.span);
            if let Some(class) = handler.type_ {
                // The registers below are needed if the class can't be evaluated, so they are not spilled.
                self.unit().base = inside;
                let reg = self.operand(class, &[]);
                self.at(handler.span);
                self.b().jump(next, |target| Instr::JumpUnlessMatch { exc, class: reg, target });
                self.b().set_top(inside);
            }
            match handler.name {
                Some(name) => {
                    self.store_name(name, exc);
                    self.named_handler(name, save, handler);
                }
                None => self.block(&handler.body),
            }
            self.b().set_span(None);
            self.emit(Instr::LeaveHandler { save });
            if let Some(last) = handler.body.last() {
                // The exception is gone, and what its traceback kept.
                self.b().set_top(u16::from(exc.0));
                self.look_after(self.ast.stmt(*last).span);
                self.b().set_span(None);
            }
            self.b().jump(end, |target| Instr::Jump { target });
            self.b().bind(next);
            self.b().set_top(inside);
        }
        self.b().set_span(None);
        self.unit().blocks.pop();
        self.b().unprotect();
        self.emit(Instr::LeaveHandler { save });
        self.emit(Instr::Reraise { src: exc });
        self.b().bind_handler(cleanup, again);
        self.emit(Instr::LeaveHandler { save });
        self.emit(Instr::Reraise { src: again });
    }

    /// The body of `except … as name`: the name is gone afterwards, however it ends.
    fn named_handler(&mut self, name: Symbol, save: Reg, handler: &ExceptHandler) {
        let top = self.b().top();
        let (cleanup, done) = (self.b().label(), self.b().label());
        let again = self.b().top_reg();
        self.b().protect(cleanup, again);
        // The outer block restores what was handled; this one stands for the name only.
        let outer = self.unit().blocks.pop().expect("a handler is inside its block");
        self.unit()
            .blocks
            .push(Block { kind: BlockKind::Handler { save, name: Some(name) }, protections: outer.protections + 1 });
        self.block(&handler.body);
        self.unit().blocks.pop();
        self.unit().blocks.push(outer);
        self.b().unprotect();
        self.b().set_span(None);
        self.forget(name);
        self.b().jump(done, |target| Instr::Jump { target });
        self.b().bind_handler(cleanup, again);
        self.forget(name);
        self.emit(Instr::Reraise { src: again });
        self.b().bind(done);
        self.b().set_top(top);
    }

    fn star_handlers(&mut self, orig: Reg, handlers: &[ExceptHandler], end: Label) {
        let outer_top = self.b().top();
        let save = self.b().top_reg();
        self.emit(Instr::EnterHandler { save, exc: orig });
        self.b().push();
        let cleanup = self.b().label();
        let again = self.b().top_reg();
        self.b().protect(cleanup, again);
        self.unit().blocks.push(Block { kind: BlockKind::Handler { save, name: None }, protections: 1 });
        let raised = self.b().top_reg();
        self.emit(Instr::BuildList { dst: raised, base: raised, count: 0 });
        self.b().push();
        let rest = self.b().top_reg();
        self.emit(Instr::Move { dst: rest, src: orig });
        self.b().push();
        let inside = self.b().top();
        for handler in handlers {
            self.at(handler.span);
            let next = self.b().label();
            if let Some(class) = handler.type_ {
                // The registers below are needed if the class can't be evaluated, so they are not spilled.
                self.unit().base = inside;
                let reg = self.operand(class, &[]);
                self.at(handler.span);
                let dst = self.reg(inside);
                self.emit(Instr::SplitGroup { dst, rest, class: reg });
                self.b().set_top(inside + 1);
                self.b().jump(next, |target| Instr::JumpIfNone { a: dst, target });
                if let Some(name) = handler.name {
                    self.store_name(name, dst);
                }
                let failed = self.b().label();
                let inner_save = self.b().top_reg();
                self.emit(Instr::EnterHandler { save: inner_save, exc: dst });
                self.b().push();
                let thrown = self.b().top_reg();
                self.b().protect(failed, thrown);
                let block = Block { kind: BlockKind::Handler { save: inner_save, name: handler.name }, protections: 1 };
                self.unit().blocks.push(block);
                self.block(&handler.body);
                self.unit().blocks.pop();
                self.b().unprotect();
                self.b().set_span(None);
                self.leave(block.kind);
                self.b().jump(next, |target| Instr::Jump { target });
                self.b().bind_handler(failed, thrown);
                self.emit(Instr::ListAppend { list: raised, item: thrown });
                self.leave(block.kind);
            }
            self.b().bind(next);
            self.b().set_top(inside);
        }
        self.b().set_span(None);
        self.emit(Instr::ListAppend { list: raised, item: rest });
        let result = self.b().top_reg();
        self.emit(Instr::JoinGroup { dst: result, orig, raised });
        self.b().push();
        self.unit().blocks.pop();
        self.b().unprotect();
        let clean = self.b().label();
        self.emit(Instr::LeaveHandler { save });
        self.b().jump(clean, |target| Instr::JumpIfNone { a: result, target });
        self.emit(Instr::Reraise { src: result });
        self.b().bind(clean);
        self.b().jump(end, |target| Instr::Jump { target });
        self.b().bind_handler(cleanup, again);
        self.emit(Instr::LeaveHandler { save });
        self.emit(Instr::Reraise { src: again });
        self.b().set_top(outer_top);
    }

    // ---- imports ----

    fn import(&mut self, alias: &Alias) {
        let top = self.b().top();
        let full = self.ast.name(alias.name);
        let name = self.b().name(full);
        let fromlist = self.b().constant(Const::None);
        let dst = self.b().top_reg();
        self.emit(Instr::ImportName { dst, level: 0, name, fromlist });
        self.b().push();
        match alias.asname {
            Some(bound) => {
                // `import a.b.c as d` walks down the modules.
                for part in full.split('.').skip(1) {
                    let name = self.b().name(part);
                    self.emit(Instr::ImportFrom { dst, module: dst, name });
                }
                self.store_name(bound, dst);
            }
            None => {
                let first = full.split('.').next().unwrap_or(full);
                let symbol = self.scopes.find(self.ast, first).unwrap_or(alias.name);
                self.store_name(symbol, dst);
            }
        }
        self.b().set_top(top);
    }

    fn import_from(&mut self, module: Option<Symbol>, names: &[Alias], level: u32) {
        let top = self.b().top();
        let wanted = names.iter().map(|alias| Const::Str(self.ast.name(alias.name).as_bytes().into())).collect();
        let fromlist = self.b().constant(Const::Tuple(wanted));
        let module_name = module.map_or("", |module| self.ast.name(module));
        let name = self.b().name(module_name);
        let dst = self.b().top_reg();
        self.emit(Instr::ImportName { dst, level: level.min(255) as u8, name, fromlist });
        self.b().push();
        for alias in names {
            if self.ast.name(alias.name) == "*" {
                let flags = u8::from(self.by_name());
                let names = if flags == 1 { Reg(0) } else { dst };
                self.emit(Instr::ImportStar { module: dst, names, flags });
                continue;
            }
            let name = self.name_index(alias.name);
            let bound = alias.asname.unwrap_or(alias.name);
            if let Some(local) = self.direct_target(bound) {
                self.emit(Instr::ImportFrom { dst: local, module: dst, name });
                self.store_name(bound, local);
                continue;
            }
            let value = self.b().top_reg();
            self.emit(Instr::ImportFrom { dst: value, module: dst, name });
            self.b().push();
            self.store_name(bound, value);
            self.b().set_top(top + 1);
        }
        self.b().set_top(top);
    }

    // ---- annotated names ----

    fn ann_assign(&mut self, target: ExprId, annotation: ExprId, value: Option<ExprId>, simple: bool, span: Span) {
        let ast = self.ast;
        if let Some(value) = value {
            self.assign(&[target], value);
        }
        let by_name = matches!(self.kind(), ScopeKind::Class | ScopeKind::Module);
        match ast.expr(target).kind {
            ExprKind::Name { id: name, .. } if simple && by_name => {
                self.at(span);
                if self.scopes.future_annotations {
                    let top = self.b().top();
                    let dict = self.b().top_reg();
                    self.load_text("__annotations__", dict);
                    self.b().push();
                    let text = self.scopes.mangled_text(ast, self.here(), name);
                    let key = self.push_str(&text);
                    let shown = self.annotation_text(annotation);
                    let src = self.push_str(&shown);
                    self.emit(Instr::SetItem { obj: dict, index: key, src });
                    self.b().set_top(top);
                    return;
                }
                let scope = self.here();
                let conditional = self.scopes.scope(scope).conditional_annotations;
                let number = self.unit().annotations.len() as u32;
                if conditional {
                    let top = self.b().top();
                    let set = self.b().top_reg();
                    self.load_text("__conditional_annotations__", set);
                    self.b().push();
                    let item = self.push_const(Const::Int(i64::from(number)));
                    self.emit(Instr::SetAdd { set, item });
                    self.b().set_top(top);
                }
                let conditional = conditional.then_some(number);
                self.unit().annotations.push(Annotated { name, annotation, conditional });
            }
            // Without a value, the parts of the target are evaluated still.
            ExprKind::Attribute { value: object, .. } if value.is_none() => self.discard(object),
            ExprKind::Subscript { value: object, slice, .. } if value.is_none() => {
                self.discard(object);
                self.discard_index(slice);
            }
            _ => {}
        }
    }

    fn discard_index(&mut self, slice: ExprId) {
        let top = self.b().top();
        self.push(slice);
        self.b().set_top(top);
    }

    /// The code of the annotate function of a module or class, from the names annotated in it.
    pub(super) fn deferred_annotations(&mut self) -> Option<Finished> {
        let annotations = std::mem::take(&mut self.unit().annotations);
        let scope = self.scopes.scope_of(Owner::Annotations(self.here()))?;
        self.b().set_span(None);
        Some(self.annotate_function(scope, &annotations))
    }

    /// Makes the annotate function whose code is `code`.
    pub(super) fn store_annotate(&mut self, stored_as: &str, code: CodeIdx) {
        let top = self.b().top();
        self.b().set_span(None);
        let base = self.b().top_reg();
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
        self.store_text(stored_as, base);
        self.b().set_top(top);
    }
}

/// A docstring without the indentation its lines share, as CPython keeps it.
fn clean_doc(text: &[u8]) -> Vec<u8> {
    let expanded = expand_tabs(text);
    let lines: Vec<&[u8]> = expanded.split(|&byte| byte == b'\n').collect();
    let indent = |line: &[u8]| line.iter().take_while(|&&byte| byte == b' ').count();
    let margin =
        lines.iter().skip(1).filter(|line| indent(line) < line.len()).map(|line| indent(line)).min().unwrap_or(0);
    let mut out = Vec::with_capacity(expanded.len());
    for (i, line) in lines.iter().enumerate() {
        let cut = if i == 0 { indent(line) } else { margin.min(indent(line)) };
        if i > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&line[cut..]);
    }
    out
}

/// Tabs as spaces to the next column that is a multiple of eight, counted in characters.
fn expand_tabs(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut column = 0;
    for &byte in text {
        match byte {
            b'\t' => {
                let fill = 8 - column % 8;
                out.extend(std::iter::repeat_n(b' ', fill));
                column += fill;
            }
            b'\n' | b'\r' => {
                out.push(byte);
                column = 0;
            }
            _ => {
                out.push(byte);
                column += usize::from(byte & 0xc0 != 0x80);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::clean_doc;

    #[test]
    fn docstrings_lose_their_common_indentation() {
        assert_eq!(clean_doc(b"  a\n    b\n\n      c\n    "), b"a\nb\n\n  c\n");
        assert_eq!(clean_doc(b"a\n\tb"), b"a\nb");
    }
}
