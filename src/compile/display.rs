//! Lists, tuples, sets, dicts, f-strings and t-strings. What is small is built from a run of registers; what is big, or has
//! a star in it, grows piece by piece.

use super::Compiler;
use crate::bytecode::code::Const;
use crate::bytecode::op::{Instr, Reg};
use crate::source::Span;
use crate::syntax::ast::{Constant, Conversion, DictItem, ExprId, ExprKind};

/// How many registers a display or call fills at once.
pub(super) const MAX_RUN: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Set,
}

impl Compiler<'_> {
    pub(super) fn starred(&self, id: ExprId) -> Option<ExprId> {
        match self.ast.expr(id).kind {
            ExprKind::Starred { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Whether `elts` can be pushed one after the other.
    fn fits(&self, elts: &[ExprId]) -> bool {
        elts.len() <= MAX_RUN && elts.iter().all(|&elt| self.starred(elt).is_none())
    }

    fn run(&mut self, elts: &[ExprId]) -> Reg {
        let base = self.b().top_reg();
        elts.iter().for_each(|&elt| {
            self.push(elt);
        });
        base
    }

    pub(super) fn list_display(&mut self, elts: &[ExprId], dst: Reg, span: Span) {
        let constants = if elts.len() >= 3 { self.constants(elts) } else { None };
        if constants.is_none() && self.fits(elts) {
            let base = self.run(elts);
            self.at(span);
            return self.emit(Instr::BuildList { dst, base, count: elts.len() as u8 });
        }
        let list = self.b().top_reg();
        match constants {
            Some(items) => {
                self.emit(Instr::BuildList { dst: list, base: list, count: 0 });
                self.b().push();
                let iterable = self.push_const(Const::Tuple(items.into()));
                self.emit(Instr::ListExtend { list, iterable });
            }
            None => {
                self.grow(elts, Kind::List, span);
            }
        }
        if list != dst {
            self.emit(Instr::Move { dst, src: list });
        }
    }

    pub(super) fn tuple_display(&mut self, id: ExprId, elts: &[ExprId], dst: Reg, span: Span) {
        if let Some(value) = self.constant(id) {
            return self.load_const(value, dst);
        }
        self.tuple_of(elts, dst, span);
    }

    /// A tuple of the values of `elts`.
    pub(super) fn tuple_of(&mut self, elts: &[ExprId], dst: Reg, span: Span) {
        if elts.len() > 2
            && let Some(items) = self.constants(elts)
        {
            return self.load_const(Const::Tuple(items.into()), dst);
        }
        let top = self.b().top();
        if self.fits(elts) {
            let base = self.run(elts);
            self.at(span);
            self.emit(Instr::BuildTuple { dst, base, count: elts.len() as u8 });
            return self.b().set_top(top);
        }
        let list = self.grow(elts, Kind::List, span);
        self.at(span);
        self.emit(Instr::ListToTuple { dst, list });
        self.b().set_top(top);
    }

    pub(super) fn set_display(&mut self, elts: &[ExprId], dst: Reg, span: Span) {
        if elts.len() > 2
            && let Some(items) = self.constants(elts)
        {
            // As CPython does it: the order of a set shows how it was made.
            let top = self.b().top();
            self.at(span);
            let set = self.b().top_reg();
            self.emit(Instr::BuildSet { dst: set, base: set, count: 0 });
            self.b().push();
            let iterable = self.push_const(Const::FrozenSet(items.into()));
            self.at(span);
            self.emit(Instr::SetUpdate { set, iterable });
            self.b().set_top(top);
            if set != dst {
                self.emit(Instr::Move { dst, src: set });
            }
            return;
        }
        if self.fits(elts) {
            let base = self.run(elts);
            self.at(span);
            return self.emit(Instr::BuildSet { dst, base, count: elts.len() as u8 });
        }
        let set = self.grow(elts, Kind::Set, span);
        if set != dst {
            self.emit(Instr::Move { dst, src: set });
        }
    }

    /// Builds a list or set element by element, in the next temporary.
    fn grow(&mut self, elts: &[ExprId], kind: Kind, span: Span) -> Reg {
        let into = self.b().top_reg();
        let first = elts.iter().take(MAX_RUN / 2).take_while(|&&elt| self.starred(elt).is_none()).count();
        let top = self.b().top();
        let base = self.run(&elts[..first]);
        self.at(span);
        let count = first as u8;
        self.emit(match kind {
            Kind::List => Instr::BuildList { dst: into, base, count },
            Kind::Set => Instr::BuildSet { dst: into, base, count },
        });
        self.b().set_top(top);
        self.b().push();
        for &elt in &elts[first..] {
            let top = self.b().top();
            match self.starred(elt) {
                Some(value) => {
                    let iterable = self.operand(value, &[]);
                    self.at(span);
                    self.emit(match kind {
                        Kind::List => Instr::ListExtend { list: into, iterable },
                        Kind::Set => Instr::SetUpdate { set: into, iterable },
                    });
                }
                None => {
                    let item = self.operand(elt, &[]);
                    self.at(span);
                    self.emit(match kind {
                        Kind::List => Instr::ListAppend { list: into, item },
                        Kind::Set => Instr::SetAdd { set: into, item },
                    });
                }
            }
            self.b().set_top(top);
        }
        into
    }

    pub(super) fn dict_display(&mut self, items: &[DictItem], dst: Reg, span: Span) {
        if items.len() <= MAX_RUN / 2 && items.iter().all(|item| item.key.is_some()) {
            let base = self.b().top_reg();
            for item in items {
                item.key.iter().for_each(|&key| {
                    self.push(key);
                });
                self.push(item.value);
            }
            self.at(span);
            return self.emit(Instr::BuildMap { dst, base, pairs: items.len() as u8 });
        }
        let dict = self.b().top_reg();
        self.emit(Instr::BuildMap { dst: dict, base: dict, pairs: 0 });
        self.b().push();
        for item in items {
            let top = self.b().top();
            match item.key {
                Some(key) => {
                    let key = self.operand(key, &[item.value]);
                    let value = self.operand(item.value, &[]);
                    self.at(span);
                    self.emit(Instr::MapAdd { dict, key, value });
                }
                None => {
                    let mapping = self.operand(item.value, &[]);
                    self.at(span);
                    self.emit(Instr::DictUpdate { dict, mapping });
                }
            }
            self.b().set_top(top);
        }
        if dict != dst {
            self.emit(Instr::Move { dst, src: dict });
        }
    }

    // ---- f-strings ----

    pub(super) fn joined(&mut self, values: &[ExprId], dst: Reg, span: Span) {
        match values {
            [] => self.load_const(Const::Str(Box::default()), dst),
            [only] => self.expr_to(*only, dst),
            _ => {
                let mark = self.b().top();
                let base = self.b().top_reg();
                for &value in values {
                    if usize::from(self.b().top() - mark) == MAX_RUN {
                        self.at(span);
                        self.emit(Instr::BuildString { dst: base, base, count: MAX_RUN as u8 });
                        self.b().set_top(mark + 1);
                    }
                    self.push(value);
                }
                let count = (self.b().top() - mark) as u8;
                self.at(span);
                self.emit(Instr::BuildString { dst, base, count });
            }
        }
    }

    pub(super) fn formatted(&mut self, id: ExprId, dst: Reg) {
        let ExprKind::FormattedValue { value, conversion, format_spec } = self.ast.expr(id).kind else { return };
        let span = self.ast.expr(id).span;
        let conversion = conversion_letter(conversion);
        match format_spec {
            None => {
                let src = self.operand(value, &[]);
                self.at(span);
                self.emit(Instr::FormatSimple { dst, src, conversion });
            }
            Some(spec) => {
                let src = self.operand(value, &[spec]);
                let spec = self.push(spec);
                self.at(span);
                self.emit(Instr::FormatSpec { dst, src, spec, conversion: u32::from(conversion) });
            }
        }
    }

    pub(super) fn template(&mut self, values: &[ExprId], dst: Reg, span: Span) {
        // Strings and interpolations alternate; between two interpolations stands an empty string.
        let mut strings: Vec<Const> = Vec::new();
        let mut fields = Vec::new();
        let mut after_string = false;
        for &value in values {
            match &self.ast.expr(value).kind {
                ExprKind::Constant(Constant::Str(text)) => {
                    strings.push(Const::Str(text.bytes.clone()));
                    after_string = true;
                }
                _ => {
                    if !after_string {
                        strings.push(Const::Str(Box::default()));
                    }
                    fields.push(value);
                    after_string = false;
                }
            }
        }
        if !after_string {
            strings.push(Const::Str(Box::default()));
        }
        let base = self.push_const(Const::Tuple(strings.into()));
        let tuple = self.b().top_reg();
        self.tuple_of(&fields, tuple, span);
        self.b().push();
        self.at(span);
        self.emit(Instr::BuildTemplate { dst, base });
    }

    pub(super) fn interpolation(&mut self, id: ExprId, dst: Reg) {
        let ast = self.ast;
        let ExprKind::Interpolation { value, str, conversion, format_spec } = &ast.expr(id).kind else { return };
        let base = self.push(*value);
        self.push_str(str);
        match format_spec {
            Some(spec) => self.push(*spec),
            None => self.push_str(""),
        };
        self.at(ast.expr(id).span);
        self.emit(Instr::BuildInterpolation { dst, base, conversion: conversion_letter(*conversion) });
    }
}

fn conversion_letter(conversion: Conversion) -> u8 {
    match conversion {
        Conversion::None => 0,
        Conversion::Str => b's',
        Conversion::Repr => b'r',
        Conversion::Ascii => b'a',
    }
}
