//! Expressions: values, conditions, comparisons, operators.

use super::Compiler;
use crate::bytecode::builder::Label;
use crate::bytecode::code::Const;
use crate::bytecode::op::{BinaryKind, Instr, Reg};
use crate::resolve::Binding;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, BoolOp, CompareOp, Comparison, Constant, Context, ExprId, ExprKind, UnaryOp};

/// Above this temporary, an expression with parts begins low again and the temporaries below are spilled.
const SPILL_ABOVE: u16 = 205;

impl Compiler<'_> {
    /// The value of `id` in the next temporary.
    pub(super) fn push(&mut self, id: ExprId) -> Reg {
        let dst = self.b().top_reg();
        self.expr_to(id, dst);
        self.b().push()
    }

    /// The value of `id` where it is (a local that `later` operands can't rebind) or in the next temporary.
    pub(super) fn operand(&mut self, id: ExprId, later: &[ExprId]) -> Reg {
        if let ExprKind::Name { id: name, ctx: Context::Load } = self.ast.expr(id).kind
            && !self.may_rebind_any(later)
        {
            self.at(self.ast.expr(id).span);
            if let Some(reg) = self.local_in_place(name) {
                return reg;
            }
        }
        if let ExprKind::Await { value } = self.ast.expr(id).kind
            && self.b().top() <= SPILL_ABOVE
        {
            return self.await_operand(value, self.ast.expr(id).span);
        }
        if let ExprKind::NamedExpr { target, value } = self.ast.expr(id).kind
            && let ExprKind::Name { id: name, .. } = self.ast.expr(target).kind
            && let Some(local) = self.direct_target(name)
            && !self.may_rebind_any(later)
        {
            self.expr_to(value, local);
            self.store_name(name, local);
            return local;
        }
        self.push(id)
    }

    /// Whether one of these contains a `:=`.
    fn may_rebind_any(&self, ids: &[ExprId]) -> bool {
        let unit = self.scopes.scope(self.here()).unit;
        self.scopes.scope(unit).has_walrus && ids.iter().any(|&id| self.may_rebind(id))
    }

    /// Whether `id` contains a `:=`.
    fn may_rebind(&self, id: ExprId) -> bool {
        let unit = self.scopes.scope(self.here()).unit;
        if !self.scopes.scope(unit).has_walrus {
            return false;
        }
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            let kind = &self.ast.expr(id).kind;
            if matches!(kind, ExprKind::NamedExpr { .. }) {
                return true;
            }
            kind.children(|child| todo.push(child));
        }
        false
    }

    /// Whether `id` is short and without scopes of its own, so that it can stand twice.
    pub(super) fn is_small(&self, id: ExprId) -> bool {
        let mut left = 24;
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            left -= 1;
            let kind = &self.ast.expr(id).kind;
            let scoped = matches!(
                kind,
                ExprKind::Lambda { .. }
                    | ExprKind::ListComp { .. }
                    | ExprKind::SetComp { .. }
                    | ExprKind::DictComp { .. }
                    | ExprKind::GeneratorExp { .. }
            );
            if scoped || left == 0 {
                return false;
            }
            kind.children(|child| todo.push(child));
        }
        true
    }

    /// Evaluates an expression statement.
    pub(super) fn discard(&mut self, id: ExprId) {
        let ast = self.ast;
        let top = self.b().top();
        let span = ast.expr(id).span;
        match &ast.expr(id).kind {
            ExprKind::Constant(_) => {}
            ExprKind::Await { value } => {
                self.await_operand(*value, span);
            }
            ExprKind::Call { .. } => {
                let src = self.push(id);
                self.emit(Instr::Discard { src });
            }
            ExprKind::Name { .. } => {
                self.operand(id, &[]);
            }
            ExprKind::ListComp { .. } | ExprKind::List { .. } | ExprKind::Tuple { .. } => {
                let src = self.push(id);
                self.emit(Instr::Discard { src });
            }
            _ => {
                self.push(id);
            }
        }
        self.b().set_top(top);
    }

    /// Computes `id` into `dst`: the first free temporary, or a named local. Written last.
    pub(super) fn expr_to(&mut self, id: ExprId, dst: Reg) {
        let leaf = self.ast.expr(id).height == 1;
        self.depth += 1;
        if self.is_too_deep() {
            self.too_complex(self.ast.expr(id).span);
        } else if !leaf && self.b().top() > SPILL_ABOVE {
            self.spilled(id, dst);
        } else {
            self.any_to(id, dst);
        }
        self.depth -= 1;
    }

    /// Computes `id` with the temporaries of this statement put away, and brings them back.
    fn spilled(&mut self, id: ExprId, dst: Reg) {
        let (base, top) = (self.unit().base, self.b().top());
        if base >= top || base > SPILL_ABOVE {
            return self.any_to(id, dst);
        }
        let mut fars = Vec::new();
        for at in base..top {
            let far = self.b().take_far();
            let src = self.reg(at);
            self.emit(Instr::StoreFar { src, dst: far });
            fars.push(far);
        }
        self.b().set_top(base);
        let result = self.push(id);
        let kept = self.b().take_far();
        self.emit(Instr::StoreFar { src: result, dst: kept });
        self.b().set_top(base);
        for &far in &fars {
            let reg = self.b().top_reg();
            self.emit(Instr::LoadFar { dst: reg, src: far });
            self.b().push();
        }
        self.emit(Instr::LoadFar { dst, src: kept });
        self.b().release_far(fars.len() as u16 + 1);
    }

    fn any_to(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        let expr = ast.expr(id);
        let span = expr.span;
        let top = self.b().top();
        self.at(span);
        match &expr.kind {
            ExprKind::Constant(_) => {
                let value = self.constant(id).unwrap_or(Const::None);
                self.load_const(value, dst);
            }
            ExprKind::Name { id: name, .. } => match self.text(*name) {
                "__debug__" => self.load_const(Const::Bool(self.options.optimize == 0), dst),
                _ => self.load_name(*name, dst),
            },
            ExprKind::BoolOp { op, values } => self.bool_op(*op, values, dst),
            ExprKind::NamedExpr { target, value } => self.walrus(*target, *value, dst),
            ExprKind::BinOp { .. } => self.binary(id, dst),
            ExprKind::UnaryOp { op, operand } => self.unary(id, *op, *operand, dst),
            ExprKind::Lambda { args, body } => self.lambda(id, args, *body, dst),
            ExprKind::IfExp { .. } => self.conditional(id, dst),
            ExprKind::Dict { items } => self.dict_display(items, dst, span),
            ExprKind::Set { elts } => self.set_display(elts, dst, span),
            ExprKind::List { elts, .. } => self.list_display(elts, dst, span),
            ExprKind::Tuple { elts, .. } => self.tuple_display(id, elts, dst, span),
            ExprKind::ListComp { .. } | ExprKind::SetComp { .. } | ExprKind::DictComp { .. } => {
                self.comprehension(id, dst);
            }
            ExprKind::GeneratorExp { .. } => self.generator_expression(id, dst),
            ExprKind::Await { value } => {
                let reg = self.await_operand(*value, span);
                self.b().set_top(top);
                self.emit(Instr::Move { dst, src: reg });
            }
            ExprKind::Yield { value } => self.yield_value(*value, dst, span),
            ExprKind::YieldFrom { value } => self.yield_from(*value, dst, span),
            ExprKind::Compare { left, comparisons } => self.compare(*left, comparisons, dst, span),
            ExprKind::Call { .. } => self.call(id, dst),
            ExprKind::JoinedStr { values } => self.joined(values, dst, span),
            ExprKind::FormattedValue { .. } => self.formatted(id, dst),
            ExprKind::TemplateStr { values } => self.template(values, dst, span),
            ExprKind::Interpolation { .. } => self.interpolation(id, dst),
            ExprKind::Attribute { .. } => self.attribute(id, dst),
            ExprKind::Subscript { value, slice, .. } => {
                let obj = self.operand(*value, &[*slice]);
                if let Some(base) = self.plain_slice(*slice) {
                    self.at(span);
                    self.emit(Instr::GetSlice { dst, obj, base });
                } else if let Some(imm) = self.small_int(*slice) {
                    self.at(span);
                    self.emit(Instr::GetItemImm { dst, obj, imm });
                } else {
                    let index = self.operand(*slice, &[]);
                    self.at(span);
                    self.emit(Instr::GetItem { dst, obj, index });
                }
            }
            ExprKind::Slice { lower, upper, step } => {
                let base = self.slice_parts([Some(*lower), Some(*upper), step.map(Some)]);
                self.at(span);
                self.emit(Instr::BuildSlice { dst, base, count: 2 + u8::from(step.is_some()) });
            }
            // A star where none belongs is an error found before.
            ExprKind::Starred { value, .. } => self.expr_to(*value, dst),
        }
        self.b().set_top(top);
    }

    /// Evaluates the bounds of a slice without a step into two registers; None if `slice` is something else.
    pub(super) fn plain_slice(&mut self, slice: ExprId) -> Option<Reg> {
        match self.ast.expr(slice).kind {
            ExprKind::Slice { lower, upper, step: None } => Some(self.slice_parts([Some(lower), Some(upper), None])),
            _ => None,
        }
    }

    /// Evaluates parts of a slice into registers that follow one another: of those that are there, None stands for what is left out.
    fn slice_parts(&mut self, parts: [Option<Option<ExprId>>; 3]) -> Reg {
        let base = self.b().top_reg();
        for part in parts.into_iter().flatten() {
            match part {
                Some(part) => self.push(part),
                None => self.push_const(Const::None),
            };
        }
        base
    }

    // ---- constants ----

    /// The value of `id` if it is known here.
    pub(super) fn constant(&self, id: ExprId) -> Option<Const> {
        let expr = self.ast.expr(id);
        if expr.height > 12 {
            return None;
        }
        match &expr.kind {
            ExprKind::Constant(constant) => Some(match constant {
                Constant::None => Const::None,
                Constant::True => Const::Bool(true),
                Constant::False => Const::Bool(false),
                Constant::Ellipsis => Const::Ellipsis,
                Constant::Int(i) => Const::Int(*i),
                Constant::BigInt(i) => Const::BigInt(num_bigint::BigInt::from((**i).clone())),
                Constant::Float(f) => Const::Float(*f),
                Constant::Complex(f) => Const::Complex(0.0, *f),
                Constant::Str(text) => Const::Str(text.bytes.clone()),
                Constant::Bytes(bytes) => Const::Bytes(bytes.clone()),
            }),
            ExprKind::UnaryOp { op, operand } => fold_unary(*op, self.constant(*operand)?),
            ExprKind::BinOp { left, op, right } => fold_binary(self.constant(*left)?, *op, self.constant(*right)?),
            ExprKind::Tuple { elts, ctx: Context::Load } => {
                self.constants(elts).map(|items| Const::Tuple(items.into()))
            }
            ExprKind::Name { id, .. } if self.text(*id) == "__debug__" => Some(Const::Bool(self.options.optimize == 0)),
            _ => None,
        }
    }

    /// The values of `ids` if all are known here.
    pub(super) fn constants(&self, ids: &[ExprId]) -> Option<Vec<Const>> {
        ids.iter().map(|&id| self.constant(id)).collect()
    }

    fn small_int(&self, id: ExprId) -> Option<i8> {
        match self.constant(id) {
            Some(Const::Int(i)) => i8::try_from(i).ok(),
            _ => None,
        }
    }

    fn truth(&self, id: ExprId) -> Option<bool> {
        Some(match self.constant(id)? {
            Const::None => false,
            Const::Bool(b) => b,
            Const::Ellipsis => true,
            Const::Int(i) => i != 0,
            Const::BigInt(_) => true,
            Const::Float(f) => f != 0.0,
            Const::Complex(re, im) => re != 0.0 || im != 0.0,
            Const::Str(bytes) | Const::Bytes(bytes) => !bytes.is_empty(),
            Const::Tuple(items) | Const::FrozenSet(items) => !items.is_empty(),
        })
    }

    // ---- operators ----

    /// A chain of binary operators that leans to the left, which may be long.
    fn binary(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        if let Some(value) = self.constant(id) {
            return self.load_const(value, dst);
        }
        let mark = self.b().top();
        let mut chain = Vec::new();
        let mut first = id;
        while let ExprKind::BinOp { left, op, right } = ast.expr(first).kind {
            if first != id && self.constant(first).is_some() {
                break;
            }
            chain.push((op, right, ast.expr(first).span));
            first = left;
        }
        let innermost = chain.last().map(|&(_, right, _)| right);
        let mut acc = self.operand(first, innermost.as_slice());
        while let Some((op, right, span)) = chain.pop() {
            let out = if chain.is_empty() { dst } else { self.reg(mark) };
            match self.small_int(right).and_then(|imm| immediate(op, out, acc, imm)) {
                Some(instr) => {
                    self.at(span);
                    self.emit(instr);
                }
                None => {
                    let b = self.operand(right, &[]);
                    self.at(span);
                    self.emit(binary_instr(op, out, acc, b));
                }
            }
            self.b().set_top(mark);
            if !chain.is_empty() {
                acc = self.b().push();
            }
        }
    }

    fn unary(&mut self, id: ExprId, op: UnaryOp, operand: ExprId, dst: Reg) {
        if let Some(value) = self.constant(id) {
            return self.load_const(value, dst);
        }
        let span = self.ast.expr(id).span;
        if op == UnaryOp::Not
            && let ExprKind::Compare { left, comparisons } = &self.ast.expr(operand).kind
            && let [Comparison { op, comparator }] = **comparisons
        {
            // `not a in b` is `a not in b`; the orders are not turned around like that.
            let turned = match op {
                CompareOp::In => Some(CompareOp::NotIn),
                CompareOp::NotIn => Some(CompareOp::In),
                CompareOp::Is => Some(CompareOp::IsNot),
                CompareOp::IsNot => Some(CompareOp::Is),
                _ => None,
            };
            if let Some(op) = turned {
                return self.compare(*left, &[Comparison { op, comparator }], dst, self.ast.expr(operand).span);
            }
        }
        let a = self.operand(operand, &[]);
        self.at(span);
        self.emit(match op {
            UnaryOp::Invert => Instr::Invert { dst, a },
            UnaryOp::Not => Instr::Not { dst, a },
            UnaryOp::UAdd => Instr::Pos { dst, a },
            UnaryOp::USub => Instr::Neg { dst, a },
        });
    }

    fn walrus(&mut self, target: ExprId, value: ExprId, dst: Reg) {
        if let ExprKind::Name { id: name, .. } = self.ast.expr(target).kind
            && let Some(local) = self.direct_target(name)
        {
            self.expr_to(value, local);
            self.store_name(name, local);
            if local != dst {
                self.emit(Instr::Move { dst, src: local });
            }
            return;
        }
        let top = self.b().top();
        let reg = self.push(value);
        self.store(target, reg);
        self.b().set_top(top);
        if reg != dst {
            self.emit(Instr::Move { dst, src: reg });
        }
    }

    /// `and` and `or` as values.
    fn bool_op(&mut self, op: BoolOp, values: &[ExprId], dst: Reg) {
        let end = self.b().label();
        // Each value is written as it comes, so a local can't be the place.
        let work = self.b().top_reg();
        for (i, &value) in values.iter().enumerate() {
            let last = i + 1 == values.len();
            if !last && let Some(truth) = self.truth(value) {
                if truth == (op == BoolOp::Or) {
                    self.expr_to(value, work);
                    self.b().jump(end, |target| Instr::Jump { target });
                    break;
                }
                continue;
            }
            self.expr_to(value, work);
            if !last {
                self.at(self.ast.expr(value).span);
                self.jump_if(work, op == BoolOp::Or, end, true);
            }
        }
        self.b().bind(end);
        if work != dst {
            self.emit(Instr::Move { dst, src: work });
        }
    }

    /// `body if test else orelse`, a chain of which leans to the right and may be long.
    fn conditional(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        let end = self.b().label();
        let mut at = id;
        while let ExprKind::IfExp { test, body, orelse } = ast.expr(at).kind {
            let next = self.b().label();
            self.condition(test, false, next);
            self.expr_to(body, dst);
            self.b().jump(end, |target| Instr::Jump { target });
            self.b().bind(next);
            at = orelse;
        }
        self.expr_to(at, dst);
        self.b().bind(end);
    }

    pub(super) fn attribute(&mut self, id: ExprId, dst: Reg) {
        let ExprKind::Attribute { value, attr, .. } = self.ast.expr(id).kind else { return };
        if self.super_attribute(value, attr, id, dst) {
            return;
        }
        // Chains are as deep as they are long: go down by a loop.
        let mut chain = vec![id];
        let mut first = value;
        while let ExprKind::Attribute { value, .. } = self.ast.expr(first).kind {
            if self.is_super_call(value) {
                break;
            }
            chain.push(first);
            first = value;
        }
        let mark = self.b().top();
        let mut obj = self.operand(first, &[]);
        while let Some(id) = chain.pop() {
            let ExprKind::Attribute { attr, .. } = self.ast.expr(id).kind else { continue };
            let out = if chain.is_empty() { dst } else { self.reg(mark) };
            let name = self.attribute_name(attr);
            let span = self.attribute_span(id);
            self.at(span);
            self.emit(Instr::GetAttr { dst: out, obj, name });
            self.b().set_top(mark);
            if !chain.is_empty() {
                obj = self.b().push();
            }
        }
    }

    /// Where CPython places the lookup of an attribute: if it spans lines, at the name alone.
    pub(super) fn attribute_span(&self, id: ExprId) -> Span {
        self.span_from_attribute(id, self.ast.expr(id).span)
    }

    /// `span`, but beginning at the name of attribute `id` if that ends on a later line than `span` begins.
    pub(super) fn span_from_attribute(&self, id: ExprId, span: Span) -> Span {
        let end = self.ast.expr(id).span.end;
        let ExprKind::Attribute { attr, .. } = self.ast.expr(id).kind else { return span };
        if self.line(span) == self.source.line(end) {
            return span;
        }
        let length = self.text(attr).len() as u32;
        Span::new(end.saturating_sub(length), span.end)
    }

    // ---- comparison ----

    fn compare(&mut self, left: ExprId, comparisons: &[Comparison], dst: Reg, span: Span) {
        let mark = self.b().top();
        if let [Comparison { op, comparator }] = *comparisons {
            let a = self.operand(left, &[comparator]);
            let b = self.right_of(op, comparator);
            self.at(span);
            self.emit(compare_instr(op, dst, a, b));
            return;
        }
        let result = self.reg(mark);
        let mut a = self.push(left);
        let end = self.b().label();
        let comparators: Vec<ExprId> = comparisons.iter().map(|c| c.comparator).collect();
        for (i, &Comparison { op, comparator }) in comparisons.iter().enumerate() {
            let last = i + 1 == comparisons.len();
            let later = &comparators[i + 1..];
            let b = if last { self.right_of(op, comparator) } else { self.operand(comparator, later) };
            self.at(span);
            self.emit(compare_instr(op, result, a, b));
            if !last {
                self.jump_if(result, false, end, true);
                a = b;
                if u16::from(b.0) > mark + 1 {
                    let kept = self.reg(mark + 1);
                    self.emit(Instr::Move { dst: kept, src: b });
                    a = kept;
                }
                self.b().set_top(if u16::from(a.0) > mark { mark + 2 } else { mark + 1 });
            }
        }
        self.b().bind(end);
        self.b().set_top(mark);
        if result != dst {
            self.emit(Instr::Move { dst, src: result });
        }
    }

    /// The right operand of a comparison: a display to look in is a constant if its items are.
    fn right_of(&mut self, op: CompareOp, id: ExprId) -> Reg {
        if matches!(op, CompareOp::In | CompareOp::NotIn) {
            let value = match &self.ast.expr(id).kind {
                ExprKind::List { elts, .. } => self.constants(elts).map(|items| Const::Tuple(items.into())),
                ExprKind::Set { elts } => self.constants(elts).map(|items| Const::FrozenSet(items.into())),
                _ => None,
            };
            if let Some(value) = value {
                self.at(self.ast.expr(id).span);
                return self.push_const(value);
            }
        }
        self.operand(id, &[])
    }

    // ---- conditions ----

    fn jump_if(&mut self, a: Reg, when: bool, label: Label, live: bool) {
        // A temporary that is tested has to count as live.
        let top = self.b().top();
        if live && u16::from(a.0) == top {
            self.b().push();
        }
        self.b().jump(label, |target| match when {
            true => Instr::JumpIfTrue { a, target },
            false => Instr::JumpIfFalse { a, target },
        });
        self.b().set_top(top);
    }

    /// Jumps to `target` if the truth of `id` is `when`, else goes on.
    pub(super) fn condition(&mut self, id: ExprId, when: bool, target: Label) {
        self.depth += 1;
        if self.is_too_deep() {
            self.too_complex(self.ast.expr(id).span);
        } else {
            let top = self.b().top();
            self.condition_inner(id, when, target);
            self.b().set_top(top);
        }
        self.depth -= 1;
    }

    fn condition_inner(&mut self, id: ExprId, when: bool, target: Label) {
        let ast = self.ast;
        let span = ast.expr(id).span;
        if let Some(truth) = self.truth(id) {
            if truth == when {
                self.at(span);
                self.b().jump(target, |target| Instr::Jump { target });
            }
            return;
        }
        match &ast.expr(id).kind {
            ExprKind::UnaryOp { op: UnaryOp::Not, operand } => self.condition(*operand, !when, target),
            ExprKind::BoolOp { op, values } => {
                // The value that decides early: false for `and`, true for `or`.
                let early = *op == BoolOp::Or;
                let Some((&last, front)) = values.split_last() else { return };
                if early == when {
                    values.iter().for_each(|&value| self.condition(value, when, target));
                } else {
                    let skip = self.b().label();
                    front.iter().for_each(|&value| self.condition(value, early, skip));
                    self.condition(last, when, target);
                    self.b().bind(skip);
                }
            }
            ExprKind::IfExp { test, body, orelse } => {
                let (other, end) = (self.b().label(), self.b().label());
                self.condition(*test, false, other);
                self.condition(*body, when, target);
                self.b().jump(end, |target| Instr::Jump { target });
                self.b().bind(other);
                self.condition(*orelse, when, target);
                self.b().bind(end);
            }
            ExprKind::Compare { left, comparisons } => self.compare_and_jump(*left, comparisons, span, when, target),
            _ => {
                let a = self.operand(id, &[]);
                self.at(span);
                self.jump_if(a, when, target, false);
            }
        }
    }

    fn compare_and_jump(&mut self, left: ExprId, comparisons: &[Comparison], span: Span, when: bool, target: Label) {
        let mark = self.b().top();
        let first: Vec<ExprId> = comparisons.iter().map(|c| c.comparator).collect();
        let mut a = self.operand(left, &first[..1]);
        let skip = self.b().label();
        for (i, &Comparison { op, comparator }) in comparisons.iter().enumerate() {
            let last = i + 1 == comparisons.len();
            let (when, target) = match (last, when) {
                (true, _) => (when, target),
                (false, false) => (false, target),
                (false, true) => (false, skip),
            };
            if last && let Some(imm) = self.small_int(comparator) {
                self.at(span);
                if self.jump_compare_imm(op, a, imm, when, target) {
                    break;
                }
            }
            if last && self.jump_none(op, a, comparator, when, target, span) {
                break;
            }
            let b = if last { self.right_of(op, comparator) } else { self.operand(comparator, &first[i + 1..]) };
            self.at(span);
            self.jump_compare(op, a, b, when, target);
            a = b;
            if !last && u16::from(b.0) >= mark {
                let kept = self.reg(mark);
                if kept != b {
                    self.emit(Instr::Move { dst: kept, src: b });
                }
                self.b().set_top(mark + 1);
                a = kept;
            }
        }
        self.b().bind(skip);
    }

    /// `a is None` and `a is not None` as jumps; false if it is neither.
    fn jump_none(&mut self, op: CompareOp, a: Reg, right: ExprId, when: bool, target: Label, span: Span) -> bool {
        let is = match op {
            CompareOp::Is => when,
            CompareOp::IsNot => !when,
            _ => return false,
        };
        if !matches!(self.ast.expr(right).kind, ExprKind::Constant(Constant::None)) {
            return false;
        }
        self.at(span);
        self.b().jump(target, |target| match is {
            true => Instr::JumpIfNone { a, target },
            false => Instr::JumpIfNotNone { a, target },
        });
        true
    }

    fn jump_compare(&mut self, op: CompareOp, a: Reg, b: Reg, when: bool, target: Label) {
        let make = |target| {
            Some(match (op, when) {
                (CompareOp::Lt, true) => Instr::JumpIfLt { a, b, target },
                (CompareOp::LtE, true) => Instr::JumpIfLe { a, b, target },
                (CompareOp::Eq, true) => Instr::JumpIfEq { a, b, target },
                (CompareOp::NotEq, true) => Instr::JumpIfNe { a, b, target },
                (CompareOp::Gt, true) => Instr::JumpIfGt { a, b, target },
                (CompareOp::GtE, true) => Instr::JumpIfGe { a, b, target },
                (CompareOp::Lt, false) => Instr::JumpUnlessLt { a, b, target },
                (CompareOp::LtE, false) => Instr::JumpUnlessLe { a, b, target },
                (CompareOp::Eq, false) => Instr::JumpUnlessEq { a, b, target },
                (CompareOp::NotEq, false) => Instr::JumpUnlessNe { a, b, target },
                (CompareOp::Gt, false) => Instr::JumpUnlessGt { a, b, target },
                (CompareOp::GtE, false) => Instr::JumpUnlessGe { a, b, target },
                (CompareOp::Is, true) | (CompareOp::IsNot, false) => Instr::JumpIfIs { a, b, target },
                (CompareOp::Is, false) | (CompareOp::IsNot, true) => Instr::JumpIfIsNot { a, b, target },
                (CompareOp::In | CompareOp::NotIn, _) => return None,
            })
        };
        if make(crate::bytecode::op::Jump(0)).is_some() {
            self.b().jump(target, |jump| make(jump).unwrap_or(Instr::Jump { target: jump }));
            return;
        }
        let dst = self.b().top_reg();
        self.emit(compare_instr(op, dst, a, b));
        self.b().jump(target, |target| match when {
            true => Instr::JumpIfTrue { a: dst, target },
            false => Instr::JumpIfFalse { a: dst, target },
        });
    }

    fn jump_compare_imm(&mut self, op: CompareOp, a: Reg, imm: i8, when: bool, target: Label) -> bool {
        if matches!(op, CompareOp::Is | CompareOp::IsNot | CompareOp::In | CompareOp::NotIn) {
            return false;
        }
        self.b().jump(target, |target| match (op, when) {
            (CompareOp::Lt, true) => Instr::JumpIfLtImm { a, imm, target },
            (CompareOp::LtE, true) => Instr::JumpIfLeImm { a, imm, target },
            (CompareOp::Eq, true) => Instr::JumpIfEqImm { a, imm, target },
            (CompareOp::Gt, true) => Instr::JumpIfGtImm { a, imm, target },
            (CompareOp::GtE, true) => Instr::JumpIfGeImm { a, imm, target },
            (CompareOp::Lt, false) => Instr::JumpUnlessLtImm { a, imm, target },
            (CompareOp::LtE, false) => Instr::JumpUnlessLeImm { a, imm, target },
            (CompareOp::Eq, false) => Instr::JumpUnlessEqImm { a, imm, target },
            (CompareOp::Gt, false) => Instr::JumpUnlessGtImm { a, imm, target },
            (CompareOp::GtE, false) => Instr::JumpUnlessGeImm { a, imm, target },
            (_, true) => Instr::JumpIfNeImm { a, imm, target },
            (_, false) => Instr::JumpUnlessNeImm { a, imm, target },
        });
        true
    }

    /// Whether evaluating `id` can't be seen: a constant, or a local that is certainly bound.
    pub(super) fn is_silent(&mut self, id: ExprId) -> bool {
        if let ExprKind::Name { id: name, ctx: Context::Load } = self.ast.expr(id).kind {
            let (binding, _) = self.binding(name);
            return matches!(binding, Binding::Local(slot) if self.b().is_bound(slot as usize));
        }
        self.constant(id).is_some()
    }
}

pub(super) fn binary_kind(op: BinaryOp) -> BinaryKind {
    match op {
        BinaryOp::Add => BinaryKind::Add,
        BinaryOp::Sub => BinaryKind::Sub,
        BinaryOp::Mult => BinaryKind::Mul,
        BinaryOp::MatMult => BinaryKind::MatMul,
        BinaryOp::Div => BinaryKind::TrueDiv,
        BinaryOp::Mod => BinaryKind::Mod,
        BinaryOp::Pow => BinaryKind::Pow,
        BinaryOp::LShift => BinaryKind::LShift,
        BinaryOp::RShift => BinaryKind::RShift,
        BinaryOp::BitOr => BinaryKind::Or,
        BinaryOp::BitXor => BinaryKind::Xor,
        BinaryOp::BitAnd => BinaryKind::And,
        BinaryOp::FloorDiv => BinaryKind::FloorDiv,
    }
}

fn binary_instr(op: BinaryOp, dst: Reg, a: Reg, b: Reg) -> Instr {
    match op {
        BinaryOp::Add => Instr::Add { dst, a, b },
        BinaryOp::Sub => Instr::Sub { dst, a, b },
        BinaryOp::Mult => Instr::Mul { dst, a, b },
        BinaryOp::MatMult => Instr::MatMul { dst, a, b },
        BinaryOp::Div => Instr::TrueDiv { dst, a, b },
        BinaryOp::Mod => Instr::Mod { dst, a, b },
        BinaryOp::Pow => Instr::Pow { dst, a, b },
        BinaryOp::LShift => Instr::LShift { dst, a, b },
        BinaryOp::RShift => Instr::RShift { dst, a, b },
        BinaryOp::BitOr => Instr::Or { dst, a, b },
        BinaryOp::BitXor => Instr::Xor { dst, a, b },
        BinaryOp::BitAnd => Instr::And { dst, a, b },
        BinaryOp::FloorDiv => Instr::FloorDiv { dst, a, b },
    }
}

fn immediate(op: BinaryOp, dst: Reg, a: Reg, imm: i8) -> Option<Instr> {
    Some(match op {
        BinaryOp::Add => Instr::AddImm { dst, a, imm },
        BinaryOp::Sub => Instr::SubImm { dst, a, imm },
        BinaryOp::Mult => Instr::MulImm { dst, a, imm },
        BinaryOp::FloorDiv => Instr::FloorDivImm { dst, a, imm },
        BinaryOp::Mod => Instr::ModImm { dst, a, imm },
        BinaryOp::BitAnd => Instr::AndImm { dst, a, imm },
        BinaryOp::LShift => Instr::LShiftImm { dst, a, imm },
        BinaryOp::RShift => Instr::RShiftImm { dst, a, imm },
        BinaryOp::MatMult | BinaryOp::Div | BinaryOp::Pow | BinaryOp::BitOr | BinaryOp::BitXor => return None,
    })
}

fn compare_instr(op: CompareOp, dst: Reg, a: Reg, b: Reg) -> Instr {
    match op {
        CompareOp::Eq => Instr::Eq { dst, a, b },
        CompareOp::NotEq => Instr::Ne { dst, a, b },
        CompareOp::Lt => Instr::Lt { dst, a, b },
        CompareOp::LtE => Instr::Le { dst, a, b },
        CompareOp::Gt => Instr::Gt { dst, a, b },
        CompareOp::GtE => Instr::Ge { dst, a, b },
        CompareOp::Is => Instr::Is { dst, a, b },
        CompareOp::IsNot => Instr::IsNot { dst, a, b },
        CompareOp::In => Instr::In { dst, a, b },
        CompareOp::NotIn => Instr::NotIn { dst, a, b },
    }
}

fn fold_unary(op: UnaryOp, value: Const) -> Option<Const> {
    Some(match (op, value) {
        (UnaryOp::USub, Const::Int(i)) => Const::Int(i.checked_neg()?),
        (UnaryOp::USub, Const::BigInt(i)) => match i64::try_from(-i.clone()) {
            Ok(small) => Const::Int(small),
            Err(_) => Const::BigInt(-i),
        },
        (UnaryOp::USub, Const::Float(f)) => Const::Float(-f),
        (UnaryOp::USub, Const::Complex(re, im)) => Const::Complex(-re, -im),
        (UnaryOp::UAdd, value @ (Const::Int(_) | Const::Float(_) | Const::BigInt(_) | Const::Complex(..))) => value,
        (UnaryOp::Invert, Const::Int(i)) => Const::Int(!i),
        (UnaryOp::Not, Const::Bool(b)) => Const::Bool(!b),
        (UnaryOp::Not, Const::None) => Const::Bool(true),
        (UnaryOp::Not, Const::Int(i)) => Const::Bool(i == 0),
        _ => return None,
    })
}

fn fold_binary(left: Const, op: BinaryOp, right: Const) -> Option<Const> {
    match (left, right) {
        (Const::Int(a), Const::Int(b)) => fold_int(a, op, b).or_else(|| fold_big(&a.into(), op, &b.into())),
        (Const::BigInt(a), Const::Int(b)) => fold_big(&a, op, &b.into()),
        (Const::Int(a), Const::BigInt(b)) => fold_big(&a.into(), op, &b),
        (Const::BigInt(a), Const::BigInt(b)) => fold_big(&a, op, &b),
        (Const::Float(a), Const::Float(b)) => fold_float(a, op, b),
        (Const::Float(a), Const::Int(b)) if b.unsigned_abs() < 1 << 53 => fold_float(a, op, b as f64),
        (Const::Int(a), Const::Float(b)) if a.unsigned_abs() < 1 << 53 => fold_float(a as f64, op, b),
        (Const::Int(a), Const::Complex(re, im)) if a.unsigned_abs() < 1 << 53 => fold_complex(a as f64, op, re, im),
        (Const::Float(a), Const::Complex(re, im)) => fold_complex(a, op, re, im),
        _ => None,
    }
}

fn fold_int(a: i64, op: BinaryOp, b: i64) -> Option<Const> {
    Some(Const::Int(match op {
        BinaryOp::Add => a.checked_add(b)?,
        BinaryOp::Sub => a.checked_sub(b)?,
        BinaryOp::Mult => a.checked_mul(b)?,
        BinaryOp::Pow => a.checked_pow(u32::try_from(b).ok()?)?,
        BinaryOp::LShift => (0..63).contains(&b).then(|| a.checked_mul(1i64 << b)).flatten()?,
        BinaryOp::RShift => (0..64).contains(&b).then(|| a >> b)?,
        BinaryOp::BitOr => a | b,
        BinaryOp::BitXor => a ^ b,
        BinaryOp::BitAnd => a & b,
        BinaryOp::FloorDiv if b > 0 => a.div_euclid(b),
        BinaryOp::Mod if b > 0 => a.rem_euclid(b),
        BinaryOp::Div if b != 0 && a.unsigned_abs() < 1 << 53 && b.unsigned_abs() < 1 << 53 => {
            return Some(Const::Float(a as f64 / b as f64));
        }
        _ => return None,
    }))
}

/// What doesn't fit in a word; as CPython, nothing that makes code larger than 128 bits of a number.
fn fold_big(a: &num_bigint::BigInt, op: BinaryOp, b: &num_bigint::BigInt) -> Option<Const> {
    const MOST: u64 = 128;
    let small = || u64::try_from(b).ok().filter(|b| *b <= MOST);
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mult if a.bits() + b.bits() <= MOST => a * b,
        BinaryOp::Pow => small().filter(|b| a.bits() * b <= MOST).map(|b| a.pow(b as u32))?,
        BinaryOp::LShift => small().filter(|b| a.bits() + b <= MOST).map(|b| a << b)?,
        BinaryOp::BitOr => a | b,
        BinaryOp::BitXor => a ^ b,
        BinaryOp::BitAnd => a & b,
        _ => return None,
    };
    Some(match i64::try_from(&value) {
        Ok(small) => Const::Int(small),
        Err(_) => Const::BigInt(value),
    })
}

fn fold_float(a: f64, op: BinaryOp, b: f64) -> Option<Const> {
    Some(Const::Float(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mult => a * b,
        BinaryOp::Div if b != 0.0 => a / b,
        _ => return None,
    }))
}

/// `3 - 4j`: a real number has no imaginary part.
fn fold_complex(real: f64, op: BinaryOp, re: f64, im: f64) -> Option<Const> {
    match op {
        BinaryOp::Add => Some(Const::Complex(real + re, im)),
        BinaryOp::Sub => Some(Const::Complex(real - re, -im)),
        _ => None,
    }
}
