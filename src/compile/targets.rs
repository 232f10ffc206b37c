//! What is bound: assignments to names, attributes, items and nested lists of these, `del`, and `op=`.

use super::Compiler;
use super::expr::binary_kind;
use crate::bytecode::code::Const;
use crate::bytecode::op::{Instr, Reg};
use crate::resolve::{Binding, ScopeKind};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Constant, ExprId, ExprKind, Symbol};

impl Compiler<'_> {
    pub(super) fn assign(&mut self, targets: &[ExprId], value: ExprId) {
        let ast = self.ast;
        if let [target] = *targets {
            match &ast.expr(target).kind {
                ExprKind::Name { id: name, .. } => {
                    if let Some(dst) = self.direct_target(*name) {
                        if matches!(ast.expr(value).kind, ExprKind::Constant(Constant::None)) {
                            // What is let go of so may have a finaliser.
                            self.emit(Instr::Unbind { dst });
                        }
                        self.expr_to(value, dst);
                        self.at(ast.expr(target).span);
                        return self.store_name(*name, dst);
                    }
                }
                ExprKind::Tuple { elts, .. } | ExprKind::List { elts, .. } if self.assign_in_parallel(elts, value) => {
                    return;
                }
                _ => {}
            }
        }
        let top = self.b().top();
        // The value is used where it is: nothing of a single target is bound before it is stored.
        let src = match targets {
            [target] if !matches!(ast.expr(*target).kind, ExprKind::Tuple { .. } | ExprKind::List { .. }) => {
                self.operand(value, targets)
            }
            _ => self.push(value),
        };
        targets.iter().for_each(|&target| self.store(target, src));
        self.b().set_top(top);
    }

    /// `a, b = b, a` without a tuple; false if it can't be done so.
    fn assign_in_parallel(&mut self, targets: &[ExprId], value: ExprId) -> bool {
        let ast = self.ast;
        let ExprKind::Tuple { elts: values, .. } = &ast.expr(value).kind else { return false };
        let starred = |&id: &ExprId| self.starred(id).is_some();
        if values.len() != targets.len()
            || values.len() > 8
            || targets.iter().any(starred)
            || values.iter().any(starred)
        {
            return false;
        }
        let top = self.b().top();
        let base = self.b().top();
        // Among different locals the order of the stores cannot be seen: the last value goes straight to its place.
        let names: Vec<_> = targets.iter().map_while(|&target| self.plain_name(target)).collect();
        let places: Vec<Reg> = names.iter().map_while(|&name| self.direct_target(name)).collect();
        let straight = match places.split_last() {
            Some((last, others)) if places.len() == targets.len() && !others.contains(last) => Some(*last),
            _ => None,
        };
        let (temporaries, rest) = values.split_at(values.len() - usize::from(straight.is_some()));
        temporaries.iter().for_each(|&value| {
            self.push(value);
        });
        if let (Some(dst), &[value]) = (straight, rest) {
            self.expr_to(value, dst);
        }
        for (i, &target) in targets.iter().enumerate() {
            match (straight, i == temporaries.len()) {
                (Some(dst), true) => self.store_name(names[i], dst),
                _ => {
                    let src = self.reg(base + i as u16);
                    self.store(target, src);
                }
            }
        }
        self.b().set_top(top);
        true
    }

    fn plain_name(&self, target: ExprId) -> Option<Symbol> {
        match self.ast.expr(target).kind {
            ExprKind::Name { id: name, .. } => Some(name),
            _ => None,
        }
    }

    /// Binds `target` to the value in `src`, a live register.
    pub(super) fn store(&mut self, target: ExprId, src: Reg) {
        let ast = self.ast;
        let span = ast.expr(target).span;
        let top = self.b().top();
        match &ast.expr(target).kind {
            ExprKind::Name { id: name, .. } => {
                self.at(span);
                self.store_name(*name, src);
            }
            ExprKind::Attribute { value, attr, .. } => {
                self.note_static_attribute(*value, *attr);
                let obj = self.operand(*value, &[]);
                let name = self.attribute_name(*attr);
                let span = self.attribute_span(target);
                self.at(span);
                self.emit(Instr::SetAttr { obj, src, name });
            }
            ExprKind::Subscript { value, slice, .. } => {
                let obj = self.operand(*value, &[*slice]);
                if let Some(base) = self.plain_slice(*slice) {
                    self.at(span);
                    self.emit(Instr::SetSlice { obj, base, src });
                } else {
                    let index = self.operand(*slice, &[]);
                    self.at(span);
                    self.emit(Instr::SetItem { obj, index, src });
                }
            }
            ExprKind::Tuple { elts, .. } | ExprKind::List { elts, .. } => self.unpack(elts, src, span),
            ExprKind::Starred { value, .. } => self.store(*value, src),
            _ => {}
        }
        self.b().set_top(top);
    }

    fn unpack(&mut self, elts: &[ExprId], src: Reg, span: Span) {
        let star = elts.iter().position(|&elt| self.starred(elt).is_some());
        let base_at = self.b().top();
        if elts.len() > 64 {
            return self.unpack_long(elts, star, src, span);
        }
        if let Some(base) = self.neighbours(elts) {
            self.at(span);
            self.emit(Instr::UnpackSequence { base, src, count: elts.len() as u8 });
            for (i, &elt) in elts.iter().enumerate() {
                self.store(elt, Reg(base.0 + i as u8));
            }
            return;
        }
        let base = self.b().top_reg();
        self.at(span);
        self.emit(match star {
            None => Instr::UnpackSequence { base, src, count: elts.len() as u8 },
            Some(before) => {
                Instr::UnpackEx { base, src, before: before as u8, after: (elts.len() - before - 1) as u32 }
            }
        });
        self.b().set_top(base_at + elts.len() as u16);
        for (i, &elt) in elts.iter().enumerate() {
            let src = self.reg(base_at + i as u16);
            self.store(elt, src);
        }
    }

    /// The first of the registers that hold the targets, if these are different locals whose registers follow one another: they can be
    /// filled at once, as an unpacking that fails fills none.
    fn neighbours(&mut self, targets: &[ExprId]) -> Option<Reg> {
        let mut places =
            targets.iter().map(|&target| self.plain_name(target).and_then(|name| self.direct_target(name)));
        let first = places.next()??;
        let mut next = usize::from(first.0) + 1;
        let follow = places.all(|place| {
            next += 1;
            place.is_some_and(|place| usize::from(place.0) == next - 1)
        });
        follow.then_some(first)
    }

    /// Targets too many for registers at once: unpacked as a first part and the list of the rest, again and again. CPython's error for
    /// a wrong number of values is the one thing that differs.
    fn unpack_long(&mut self, elts: &[ExprId], star: Option<usize>, src: Reg, span: Span) {
        const PART: usize = 32;
        let top = self.b().top();
        let head = star.unwrap_or(elts.len()).min(PART);
        let base_at = top;
        let base = self.b().top_reg();
        self.at(span);
        if head > 0 {
            self.emit(Instr::UnpackEx { base, src, before: head as u8, after: 0 });
            self.b().set_top(base_at + head as u16 + 1);
            for (i, &elt) in elts[..head].iter().enumerate() {
                let src = self.reg(base_at + i as u16);
                self.store(elt, src);
            }
            let rest = self.reg(base_at + head as u16);
            let kept = self.reg(base_at);
            self.emit(Instr::Move { dst: kept, src: rest });
            self.b().set_top(base_at + 1);
            return self.unpack(&elts[head..], kept, span);
        }
        // The star comes first: cut a list of all values in two.
        let list = self.b().top_reg();
        self.emit(Instr::UnpackEx { base: list, src, before: 0, after: 0 });
        self.b().push();
        let cut = self.b().top_reg();
        self.emit(Instr::GetLen { dst: cut, src: list });
        self.b().push();
        let tail = self.push_const(Const::Int(elts.len() as i64 - 1));
        self.emit(Instr::Sub { dst: cut, a: cut, b: tail });
        self.b().set_top(base_at + 2);
        for (part, front) in [(&elts[..1], true), (&elts[1..], false)] {
            let slice = self.b().top_reg();
            for bound in [!front, front] {
                if bound {
                    let dst = self.b().top_reg();
                    self.emit(Instr::Move { dst, src: cut });
                    self.b().push();
                } else {
                    self.push_const(Const::None);
                }
            }
            self.emit(Instr::BuildSlice { dst: slice, base: slice, count: 2 });
            self.emit(Instr::GetItem { dst: slice, obj: list, index: slice });
            self.b().set_top(base_at + 3);
            match (front, part) {
                (true, [star]) => self.store(*star, slice),
                _ => self.unpack(part, slice, span),
            }
            self.b().set_top(base_at + 2);
        }
    }

    /// `self.x = …` in a method is noted for the class.
    fn note_static_attribute(&mut self, object: ExprId, attr: crate::syntax::ast::Symbol) {
        let ExprKind::Name { id, .. } = self.ast.expr(object).kind else { return };
        if self.text(id) != "self" {
            return;
        }
        let scopes = self.scopes;
        let class = self.units.iter_mut().rev().find(|unit| scopes.scope(unit.scope).kind == ScopeKind::Class);
        if let Some(class) = class
            && !class.static_attributes.contains(&attr)
        {
            class.static_attributes.push(attr);
        }
    }

    pub(super) fn delete(&mut self, target: ExprId) {
        let ast = self.ast;
        let span = ast.expr(target).span;
        let top = self.b().top();
        match &ast.expr(target).kind {
            ExprKind::Name { id: name, .. } => {
                self.at(span);
                self.delete_name(*name);
            }
            ExprKind::Attribute { value, attr, .. } => {
                let obj = self.operand(*value, &[]);
                let name = self.attribute_name(*attr);
                let span = self.attribute_span(target);
                self.at(span);
                self.emit(Instr::DeleteAttr { obj, name });
            }
            ExprKind::Subscript { value, slice, .. } => {
                let obj = self.operand(*value, &[*slice]);
                let index = self.operand(*slice, &[]);
                self.at(span);
                self.emit(Instr::DeleteItem { obj, index });
            }
            ExprKind::Tuple { elts, .. } | ExprKind::List { elts, .. } => {
                elts.iter().for_each(|&elt| self.delete(elt));
            }
            _ => {}
        }
        self.b().set_top(top);
    }

    pub(super) fn aug_assign(&mut self, target: ExprId, op: BinaryOp, value: ExprId, span: Span) {
        let ast = self.ast;
        let mark = self.b().top();
        match ast.expr(target).kind {
            ExprKind::Name { id: name, .. } => {
                self.at(ast.expr(target).span);
                let direct = self.direct_target(name);
                let in_place = match self.binding(name).0 {
                    Binding::Local(_) if !self.may_rebind_in(value) => self.local_in_place(name),
                    _ => None,
                };
                let a = match in_place {
                    Some(reg) => reg,
                    None => {
                        let dst = self.b().top_reg();
                        self.load_name(name, dst);
                        self.b().push()
                    }
                };
                let dst = direct.unwrap_or(self.reg(mark));
                self.in_place(op, dst, a, value, span);
                if direct.is_none() {
                    self.b().set_top(mark);
                    self.b().push();
                }
                self.at(ast.expr(target).span);
                self.store_name(name, dst);
            }
            ExprKind::Attribute { value: object, attr, .. } => {
                let obj = self.operand(object, &[value]);
                let at = self.b().top();
                let name = self.attribute_name(attr);
                let attr_span = self.attribute_span(target);
                self.at(attr_span);
                let dst = self.b().top_reg();
                self.emit(Instr::GetAttr { dst, obj, name });
                self.b().push();
                self.in_place(op, dst, dst, value, span);
                self.b().set_top(at + 1);
                self.at(attr_span);
                self.emit(Instr::SetAttr { obj, src: dst, name });
            }
            ExprKind::Subscript { value: object, slice, .. } => {
                let obj = self.operand(object, &[slice, value]);
                let index = self.operand(slice, &[value]);
                let at = self.b().top();
                self.at(ast.expr(target).span);
                let dst = self.b().top_reg();
                self.emit(Instr::GetItem { dst, obj, index });
                self.b().push();
                self.in_place(op, dst, dst, value, span);
                self.b().set_top(at + 1);
                self.at(ast.expr(target).span);
                self.emit(Instr::SetItem { obj, index, src: dst });
            }
            _ => {}
        }
        self.b().set_top(mark);
    }

    fn may_rebind_in(&self, value: ExprId) -> bool {
        let unit = self.scopes.scope(self.here()).unit;
        self.scopes.scope(unit).has_walrus && !matches!(self.ast.expr(value).kind, ExprKind::Constant(_))
    }

    /// `dst = (a op= value)`.
    fn in_place(&mut self, op: BinaryOp, dst: Reg, a: Reg, value: ExprId, span: Span) {
        if let ExprKind::Constant(Constant::Int(i)) = self.ast.expr(value).kind
            && let Ok(imm) = i8::try_from(i)
            && matches!(op, BinaryOp::Add | BinaryOp::Sub)
        {
            self.at(span);
            return self.emit(match op {
                BinaryOp::Add => Instr::InplaceAddImm { dst, a, imm },
                _ => Instr::InplaceSubImm { dst, a, imm },
            });
        }
        let b = self.operand(value, &[]);
        self.at(span);
        self.emit(match op {
            BinaryOp::Add => Instr::InplaceAdd { dst, a, b },
            BinaryOp::Sub => Instr::InplaceSub { dst, a, b },
            BinaryOp::Mult => Instr::InplaceMul { dst, a, b },
            _ => Instr::InplaceOp { dst, a, b, kind: binary_kind(op) as u32 },
        });
    }
}
