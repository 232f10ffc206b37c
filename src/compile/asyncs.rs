//! What suspends, and what is entered and left: `await`, `yield`, `async for`, `with` and `async with`.

use super::{Block, BlockKind, Compiler};
use crate::bytecode::op::{AwaitContext, Instr, Reg};
use crate::source::Span;
use crate::syntax::ast::{ExprId, ExprKind, StmtId, WithItem};

impl Compiler<'_> {
    /// `await value`; the result is in the register returned, the last temporary.
    pub(super) fn await_operand(&mut self, value: ExprId, span: Span) -> Reg {
        let ast = self.ast;
        let mark = self.b().top();
        let base = self.reg(mark);
        let dst = self.reg(mark + 1);
        if let ExprKind::Call { func, args, keywords } = &ast.expr(value).kind
            && keywords.is_empty()
            && args.len() <= super::display::MAX_RUN
            && args.iter().all(|&arg| self.starred(arg).is_none())
            && !self.is_super_call(value)
        {
            let call_span = ast.expr(value).span;
            let argc = args.len() as u8;
            match ast.expr(*func).kind {
                ExprKind::Attribute { value: object, attr, .. } if !self.is_super_call(object) => {
                    let obj = self.operand(object, args);
                    if args.iter().all(|&arg| self.is_silent(arg)) {
                        let name = self.attribute_name(attr);
                        self.silent_arguments(mark, args);
                        let span = self.span_from_attribute(*func, call_span);
                        self.at(span);
                        let lookup = self.attribute_span(*func);
                        self.b().emit_method_call(Instr::CallMethodAwait { dst, base, argc, obj, name }, lookup);
                    } else {
                        let name = self.attribute_name(attr);
                        let lookup = self.attribute_span(*func);
                        self.at(lookup);
                        self.emit(Instr::LoadMethod { base, obj, name });
                        self.b().set_top(mark + 2);
                        args.iter().for_each(|&arg| {
                            self.push(arg);
                        });
                        let span = self.span_from_attribute(*func, call_span);
                        self.at(span);
                        self.emit(Instr::CallLoaded { dst: base, base, argc });
                    }
                }
                _ => {
                    self.push(*func);
                    args.iter().for_each(|&arg| {
                        self.push(arg);
                    });
                    self.at(call_span);
                    self.emit(Instr::CallAwait { dst, base, argc });
                }
            }
        } else {
            self.push(value);
        }
        self.b().set_top(mark + 1);
        self.at(span);
        self.await_reg(base, AwaitContext::Await)
    }

    /// Awaits what is in the last temporary, `base`; the result is in the temporary after it, returned as the last one.
    fn await_reg(&mut self, base: Reg, context: AwaitContext) -> Reg {
        let mark = u16::from(base.0);
        let dst = self.reg(mark + 1);
        self.emit(Instr::GetAwaitable { dst: base, src: base, context: context as u8 });
        self.emit(Instr::LoadNone { dst });
        self.b().set_top(mark + 2);
        self.emit(Instr::Delegate { dst, iter: base });
        dst
    }

    pub(super) fn yield_value(&mut self, value: Option<ExprId>, dst: Reg, span: Span) {
        let src = match value {
            Some(value) => self.operand(value, &[]),
            None => self.push_const(crate::bytecode::code::Const::None),
        };
        self.at(span);
        self.emit_yield(dst, src);
    }

    pub(super) fn emit_yield(&mut self, dst: Reg, src: Reg) {
        use crate::bytecode::code::CodeFlags;
        if self.unit().flags.contains(CodeFlags::ASYNC_GENERATOR) {
            self.emit(Instr::YieldAsync { dst, src });
        } else {
            self.emit(Instr::Yield { dst, src });
        }
    }

    pub(super) fn yield_from(&mut self, value: ExprId, dst: Reg, span: Span) {
        let mark = self.b().top();
        let src = self.operand(value, &[]);
        self.at(span);
        let iter = self.reg(mark);
        self.emit(Instr::GetYieldFrom { dst: iter, src });
        self.b().set_top(mark + 1);
        let result = self.b().top_reg();
        self.emit(Instr::LoadNone { dst: result });
        self.b().push();
        self.emit(Instr::Delegate { dst: result, iter });
        self.emit(Instr::Move { dst, src: result });
    }

    // ---- async for ----

    pub(super) fn async_for(&mut self, target: ExprId, iter: ExprId, body: &[StmtId], orelse: &[StmtId], stmt: Span) {
        let (next, handler, done, end) = (self.b().label(), self.b().label(), self.b().label(), self.b().label());
        let top = self.b().top();
        let src = self.operand(iter, &[]);
        let span = self.ast.expr(iter).span;
        self.at(span);
        let it = self.reg(top);
        self.emit(Instr::GetAIter { dst: it, src });
        self.b().set_top(top + 1);
        self.b().bind(next);
        let item = self.next_async(it, handler, stmt);
        self.store(target, item);
        self.b().set_top(top + 1);
        self.unit().blocks.push(Block { kind: BlockKind::Loop { end, next, iter: Some(it) }, protections: 0 });
        self.block(body);
        self.unit().blocks.pop();
        self.b().set_span(None);
        self.b().jump(next, |target| Instr::Jump { target });
        self.end_async(it, handler, done, span);
        self.b().set_top(top);
        self.block(orelse);
        self.b().bind(end);
    }

    /// The next item of the async iterator in `it`, the last temporary; it ends at `handler`. The item is the last temporary then.
    pub(super) fn next_async(&mut self, it: Reg, handler: crate::bytecode::builder::Label, span: Span) -> Reg {
        self.at(span);
        let mark = u16::from(it.0) + 1;
        let base = self.reg(mark);
        let dst = self.reg(mark + 1);
        self.b().protect(handler, base);
        self.emit(Instr::NextAsync { dst, aiter: it, base });
        self.b().set_top(mark + 1);
        let item = self.await_reg(base, AwaitContext::AsyncNext);
        self.b().unprotect();
        item
    }

    /// The handler of an async iterator's end, and `done` after it.
    pub(super) fn end_async(
        &mut self,
        it: Reg,
        handler: crate::bytecode::builder::Label,
        done: crate::bytecode::builder::Label,
        span: Span,
    ) {
        let exc = self.reg(u16::from(it.0) + 1);
        self.b().bind_handler(handler, exc);
        self.at(span);
        self.b().jump(done, |target| Instr::EndAsyncFor { exc, target });
        // What is no end is raised again by that instruction: nothing follows it but `done`.
        self.b().bind(done);
    }

    // ---- with ----

    pub(super) fn with(&mut self, is_async: bool, items: &[WithItem], body: &[StmtId]) {
        let Some((item, rest)) = items.split_first() else { return self.block(body) };
        let item_span = self.ast.expr(item.context_expr).span;
        let top = self.b().top();
        let base = self.push(item.context_expr);
        self.at(item_span);
        let (handler, end) = (self.b().label(), self.b().label());
        let mut result = self.reg(top + 1);
        if is_async {
            self.emit(Instr::AsyncWithEnter { base });
            self.b().set_top(top + 2);
            result = self.await_reg(result, AwaitContext::AsyncEnter);
        } else {
            self.emit(Instr::WithEnter { base });
            self.b().set_top(top + 2);
        }
        let exc = self.reg(top + 1);
        let first = self.unit().comprehensions.len();
        self.b().protect(handler, exc);
        self.unit().blocks.push(Block { kind: BlockKind::With { base, is_async, span: item_span }, protections: 1 });
        if let Some(target) = item.optional_vars {
            self.store(target, result);
        }
        self.b().set_top(top + 1);
        self.look_after(item_span);
        // Deep in an expression nothing above is needed: the next item begins a statement of its own.
        let new_base = self.b().top();
        self.unit().base = new_base;
        self.with(is_async, rest, body);
        self.unit().blocks.pop();
        self.b().unprotect();
        self.b().set_top(top + 1);
        self.at(item_span);
        self.exit_with(base, is_async);
        self.b().jump(end, |target| Instr::Jump { target });

        self.b().bind_handler(handler, exc);
        self.leave_comprehensions(first);
        let save = self.b().top_reg();
        self.emit(Instr::EnterHandler { save, exc });
        self.b().push();
        let cleanup = self.b().label();
        let again = self.b().top_reg();
        self.b().protect(cleanup, again);
        self.at(item_span);
        let mut suppressed = self.b().top_reg();
        if is_async {
            self.emit(Instr::AsyncWithExitExc { dst: suppressed, base, exc });
            self.b().push();
            suppressed = self.await_reg(suppressed, AwaitContext::AsyncExit);
        } else {
            self.emit(Instr::WithExitExc { dst: suppressed, base, exc });
            self.b().push();
        }
        let quiet = self.b().label();
        self.b().jump(quiet, |target| Instr::JumpIfTrue { a: suppressed, target });
        self.b().unprotect();
        self.b().set_span(None);
        self.emit(Instr::LeaveHandler { save });
        self.emit(Instr::Reraise { src: exc });
        self.b().bind_handler(cleanup, again);
        self.emit(Instr::LeaveHandler { save });
        self.emit(Instr::Reraise { src: again });
        self.b().bind(quiet);
        self.b().set_top(top + 3);
        self.emit(Instr::LeaveHandler { save });
        self.b().bind(end);
        self.b().set_top(top);
    }

    /// Calls the exit method in `base` when no exception is on its way.
    pub(super) fn exit_with(&mut self, base: Reg, is_async: bool) {
        let top = self.b().top();
        if is_async {
            let dst = self.b().top_reg();
            self.emit(Instr::AsyncWithExit { dst, base });
            self.b().push();
            self.await_reg(dst, AwaitContext::AsyncExit);
        } else {
            self.emit(Instr::WithExit { base });
        }
        self.b().set_top(top);
    }
}
