//! `match`: each pattern is a chain of tests that jump to the next case; what it captures is bound when all have passed.

use super::Compiler;
use crate::bytecode::builder::Label;
use crate::bytecode::code::Const;
use crate::bytecode::op::{Instr, Reg};
use crate::syntax::ast::{Constant, ExprId, MatchCase, PatternId, PatternKind, Symbol};

/// Names captured so far, and the temporaries with their values.
type Captures = Vec<(Symbol, Reg)>;

impl Compiler<'_> {
    pub(super) fn match_stmt(&mut self, subject: ExprId, cases: &[MatchCase]) {
        let top = self.b().top();
        let value = self.push(subject);
        let end = self.b().label();
        for case in cases {
            let next = self.b().label();
            self.at(self.ast.pattern(case.pattern).span);
            let mut captures = Captures::new();
            self.pattern(case.pattern, value, next, &mut captures);
            for (name, reg) in captures {
                self.store_name(name, reg);
            }
            self.b().set_top(top + 1);
            if let Some(guard) = case.guard {
                self.condition(guard, false, next);
            }
            // The subject is needed for the next case only.
            self.b().set_top(top);
            self.look_after(self.ast.pattern(case.pattern).span);
            self.block(&case.body);
            self.b().set_span(None);
            self.b().jump(end, |target| Instr::Jump { target });
            self.b().bind(next);
            self.b().set_top(top + 1);
        }
        self.b().bind(end);
        self.b().set_top(top);
    }

    /// Tests the value in `reg`; jumps to `fail` if it doesn't match.
    fn pattern(&mut self, id: PatternId, reg: Reg, fail: Label, captures: &mut Captures) {
        let ast = self.ast;
        let pattern = ast.pattern(id);
        self.at(pattern.span);
        match &pattern.kind {
            PatternKind::MatchValue { value } => {
                let top = self.b().top();
                if let Some(Const::Int(i)) = self.constant(*value)
                    && let Ok(imm) = i8::try_from(i)
                {
                    return self.b().jump(fail, |target| Instr::JumpUnlessEqImm { a: reg, imm, target });
                }
                let b = self.operand(*value, &[]);
                self.at(pattern.span);
                self.b().jump(fail, |target| Instr::JumpUnlessEq { a: reg, b, target });
                self.b().set_top(top);
            }
            PatternKind::MatchSingleton { value } => {
                let top = self.b().top();
                let value = match value {
                    Constant::True => Const::Bool(true),
                    Constant::False => Const::Bool(false),
                    _ => return self.b().jump(fail, |target| Instr::JumpIfNotNone { a: reg, target }),
                };
                let b = self.push_const(value);
                self.b().jump(fail, |target| Instr::JumpIfIsNot { a: reg, b, target });
                self.b().set_top(top);
            }
            PatternKind::MatchSequence { patterns } => self.sequence(patterns, reg, fail, captures),
            PatternKind::MatchMapping { keys, patterns, rest } => {
                self.mapping(keys, patterns, *rest, reg, fail, captures);
            }
            PatternKind::MatchClass { cls, patterns, kwd_attrs, kwd_patterns } => {
                let base = self.b().top_reg();
                self.emit(Instr::Move { dst: base, src: reg });
                self.b().push();
                self.push(*cls);
                // Names of attributes in patterns are taken as they stand: private ones are not mangled.
                let names = kwd_attrs.iter().map(|&attr| self.scopes.name(ast, attr).to_owned());
                let names = names.map(|name| Const::Str(name.into_bytes().into())).collect();
                self.push_const(Const::Tuple(names));
                self.at(pattern.span);
                self.emit(Instr::MatchClass { dst: base, base, positional: patterns.len() as u8 });
                let top = u16::from(base.0) + 1;
                self.b().set_top(top);
                self.b().jump(fail, |target| Instr::JumpIfNone { a: base, target });
                let inner: Vec<PatternId> = patterns.iter().chain(kwd_patterns).copied().collect();
                self.unpacked(&inner, base, fail, captures);
            }
            // Stars are bound by the sequence around them.
            PatternKind::MatchStar { .. } => {}
            PatternKind::MatchAs { pattern, name } => {
                if let Some(inner) = pattern {
                    self.pattern(*inner, reg, fail, captures);
                }
                if let Some(name) = name {
                    captures.push((*name, reg));
                }
            }
            PatternKind::MatchOr { patterns } => self.alternatives(patterns, reg, fail, captures),
        }
    }

    fn is_wildcard(&self, id: PatternId) -> bool {
        matches!(
            self.ast.pattern(id).kind,
            PatternKind::MatchAs { pattern: None, name: None } | PatternKind::MatchStar { name: None }
        )
    }

    /// Unpacks the tuple in `tuple` into as many values as there are patterns, and tests those.
    fn unpacked(&mut self, patterns: &[PatternId], tuple: Reg, fail: Label, captures: &mut Captures) {
        if patterns.iter().all(|&inner| self.is_wildcard(inner)) {
            return;
        }
        let at = self.b().top();
        let base = self.b().top_reg();
        self.emit(Instr::UnpackSequence { base, src: tuple, count: patterns.len().min(255) as u8 });
        self.b().set_top(at + patterns.len() as u16);
        self.each(patterns, at, fail, captures);
    }

    fn each(&mut self, patterns: &[PatternId], at: u16, fail: Label, captures: &mut Captures) {
        for (i, &inner) in patterns.iter().enumerate() {
            let reg = self.reg(at + i as u16);
            match self.ast.pattern(inner).kind {
                PatternKind::MatchStar { name: Some(name) } => captures.push((name, reg)),
                _ => self.pattern(inner, reg, fail, captures),
            }
        }
    }

    fn sequence(&mut self, patterns: &[PatternId], reg: Reg, fail: Label, captures: &mut Captures) {
        let top = self.b().top();
        let test = self.b().top_reg();
        self.emit(Instr::MatchSequence { dst: test, src: reg });
        self.b().jump(fail, |target| Instr::JumpIfFalse { a: test, target });
        let star = patterns.iter().position(|&p| matches!(self.ast.pattern(p).kind, PatternKind::MatchStar { .. }));
        let needed = patterns.len() - usize::from(star.is_some());
        if star.is_none() || needed > 0 {
            self.emit(Instr::GetLen { dst: test, src: reg });
            self.b().push();
            self.length_test(test, needed, star.is_none(), fail);
        }
        self.b().set_top(top);
        if patterns.iter().all(|&inner| self.is_wildcard(inner)) {
            return;
        }
        match star {
            Some(before) if self.is_wildcard(patterns[before]) => {
                // The items around `*_` are fetched one by one.
                for (i, &inner) in patterns.iter().enumerate() {
                    if i == before || self.is_wildcard(inner) {
                        continue;
                    }
                    let at = self.b().top();
                    let item = self.b().top_reg();
                    if i < before {
                        let index = self.push_const(Const::Int(i as i64));
                        self.emit(Instr::GetItem { dst: item, obj: reg, index });
                    } else {
                        self.emit(Instr::GetLen { dst: item, src: reg });
                        self.b().push();
                        let back = self.push_const(Const::Int((patterns.len() - i) as i64));
                        self.emit(Instr::Sub { dst: item, a: item, b: back });
                        self.b().set_top(at + 1);
                        self.emit(Instr::GetItem { dst: item, obj: reg, index: item });
                    }
                    self.b().set_top(at + 1);
                    self.pattern(inner, item, fail, captures);
                }
            }
            _ => {
                let base = self.b().top_reg();
                let count = patterns.len();
                self.emit(match star {
                    None => Instr::UnpackSequence { base, src: reg, count: count.min(255) as u8 },
                    Some(before) => Instr::UnpackEx {
                        base,
                        src: reg,
                        before: before.min(255) as u8,
                        after: (count - before - 1) as u32,
                    },
                });
                self.b().set_top(top + count as u16);
                self.each(patterns, top, fail, captures);
            }
        }
    }

    /// Jumps to `fail` unless the length in `len` is `needed`, or at least that.
    fn length_test(&mut self, len: Reg, needed: usize, exactly: bool, fail: Label) {
        match i8::try_from(needed) {
            Ok(imm) => self.b().jump(fail, |target| match exactly {
                true => Instr::JumpUnlessEqImm { a: len, imm, target },
                false => Instr::JumpUnlessGeImm { a: len, imm, target },
            }),
            Err(_) => {
                let b = self.push_const(Const::Int(needed as i64));
                self.b().jump(fail, |target| match exactly {
                    true => Instr::JumpUnlessEq { a: len, b, target },
                    false => Instr::JumpUnlessGe { a: len, b, target },
                });
            }
        }
    }

    fn mapping(
        &mut self,
        keys: &[ExprId],
        patterns: &[PatternId],
        rest: Option<Symbol>,
        reg: Reg,
        fail: Label,
        captures: &mut Captures,
    ) {
        let top = self.b().top();
        let test = self.b().top_reg();
        self.emit(Instr::MatchMapping { dst: test, src: reg });
        self.b().jump(fail, |target| Instr::JumpIfFalse { a: test, target });
        if !keys.is_empty() {
            self.emit(Instr::GetLen { dst: test, src: reg });
            self.b().push();
            self.length_test(test, keys.len(), false, fail);
            self.b().set_top(top);
        }
        if keys.is_empty() && rest.is_none() {
            return;
        }
        let tuple = self.b().top_reg();
        let span = self.b().span();
        if let Some(span) = span {
            self.tuple_of(keys, tuple, span);
        }
        self.b().push();
        let values = self.b().top_reg();
        self.b().set_span(span);
        self.emit(Instr::MatchKeys { dst: values, src: reg, keys: tuple });
        self.b().push();
        self.b().jump(fail, |target| Instr::JumpIfNone { a: values, target });
        self.unpacked(patterns, values, fail, captures);
        if let Some(rest) = rest {
            self.b().set_span(span);
            let dict = self.b().top_reg();
            self.emit(Instr::BuildMap { dst: dict, base: dict, pairs: 0 });
            self.b().push();
            self.emit(Instr::DictUpdate { dict, mapping: reg });
            let at = self.b().top();
            for i in 0..keys.len() {
                let index = self.push_const(Const::Int(i as i64));
                self.emit(Instr::GetItem { dst: index, obj: tuple, index });
                self.emit(Instr::DeleteItem { obj: dict, index });
                self.b().set_top(at);
            }
            captures.push((rest, dict));
        }
    }

    /// `a | b`: every alternative leaves what it captures in the same temporaries.
    fn alternatives(&mut self, patterns: &[PatternId], reg: Reg, fail: Label, captures: &mut Captures) {
        let mut names = Vec::new();
        if let Some(&first) = patterns.first() {
            self.captured_names(first, &mut names);
        }
        let at = self.b().top();
        for _ in &names {
            self.push_const(Const::None);
        }
        let top = self.b().top();
        let matched = self.b().label();
        for (i, &inner) in patterns.iter().enumerate() {
            let last = i + 1 == patterns.len();
            let next = if last { fail } else { self.b().label() };
            let mut own = Captures::new();
            self.pattern(inner, reg, next, &mut own);
            for (slot, name) in names.iter().enumerate() {
                if let Some(&(_, src)) = own.iter().find(|(captured, _)| captured == name) {
                    let dst = self.reg(at + slot as u16);
                    self.emit(Instr::Move { dst, src });
                }
            }
            self.b().set_top(top);
            if !last {
                self.b().jump(matched, |target| Instr::Jump { target });
                self.b().bind(next);
                self.b().set_top(top);
            }
        }
        self.b().bind(matched);
        self.b().set_top(top);
        for (slot, name) in names.into_iter().enumerate() {
            let reg = self.reg(at + slot as u16);
            captures.push((name, reg));
        }
    }

    fn captured_names(&self, id: PatternId, names: &mut Vec<Symbol>) {
        let kind = &self.ast.pattern(id).kind;
        match kind {
            // Every alternative captures the same.
            PatternKind::MatchOr { patterns } => {
                patterns.first().iter().for_each(|&&first| self.captured_names(first, names));
            }
            _ => kind.children(|child| self.captured_names(child, names)),
        }
        match kind {
            PatternKind::MatchStar { name: Some(name) }
            | PatternKind::MatchAs { name: Some(name), .. }
            | PatternKind::MatchMapping { rest: Some(name), .. } => names.push(*name),
            _ => {}
        }
    }
}
