//! Classes: the body is a function that fills a namespace, handed to the builtin that makes the class.

use super::Compiler;
use super::display::MAX_RUN;
use crate::bytecode::code::{CodeFlags, Const};
use crate::bytecode::op::{Instr, Intrinsic, Reg};
use crate::resolve::Owner;
use crate::source::Span;
use crate::syntax::ast::{ClassDef, StmtId};

impl Compiler<'_> {
    pub(super) fn class_def(&mut self, id: StmtId, def: &ClassDef, span: Span) {
        let top = self.b().top();
        def.decorators.iter().for_each(|&decorator| {
            self.push(decorator);
        });
        let first = def.decorators.first().map_or(span, |&decorator| self.ast.expr(decorator).span);
        let line = self.line(first);
        self.at(span);
        let dst = self.b().top_reg();
        if def.type_params.is_empty() {
            self.build_class(id, def, line, span, None, dst);
        } else {
            self.generic_class(id, def, line, span, dst);
        }
        self.b().push();
        self.decorate(&def.decorators, dst, span);
        self.b().set_top(top + 1);
        let src = self.reg(top);
        self.at(span);
        self.store_name(def.name, src);
        self.b().set_top(top);
    }

    fn generic_class(&mut self, id: StmtId, def: &ClassDef, line: u32, span: Span, dst: Reg) {
        let Some(scope) = self.scopes.scope_of(Owner::TypeParams(id)) else { return };
        let name = format!("<generic parameters of {}>", self.text(def.name));
        let qualname = self.qualified_text(&name);
        self.open_unit(scope, name.into(), qualname, line);
        self.unit().flags |= CodeFlags::FUNCTION;
        self.make_cells();
        self.at(span);
        let tuple = self.type_parameters(id, &def.type_params, span);
        if let Some(name) = self.scopes.find(self.ast, ".type_params") {
            self.store_name(name, tuple);
        }
        let base = self.b().top_reg();
        self.emit(Instr::Move { dst: base, src: tuple });
        self.b().push();
        self.intrinsic(Intrinsic::SubscriptGeneric, base, base);
        let class = self.b().top_reg();
        self.build_class(id, def, line, span, Some(base), class);
        self.b().push();
        self.emit(Instr::Return { src: class });
        let finished = self.close_unit();
        let code = self.b().child(finished);
        self.at(span);
        let base = self.b().top_reg();
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
        self.emit(Instr::Call { dst, base, argc: 0 });
        let top = u16::from(base.0);
        self.b().set_top(top);
    }

    /// Calls the builtin that makes classes. `generic` is one more base, in a register.
    fn build_class(&mut self, id: StmtId, def: &ClassDef, line: u32, span: Span, generic: Option<Reg>, dst: Reg) {
        let ast = self.ast;
        let top = self.b().top();
        let base = self.b().top_reg();
        self.emit(Instr::LoadBuildClass { dst: base });
        self.b().push();
        self.class_body(id, def, line, span);
        let name = self.text(def.name);
        self.push_str(name);
        let count = def.bases.len() + def.keywords.len() + 3;
        let plain = count <= MAX_RUN
            && def.bases.iter().all(|&base| self.starred(base).is_none())
            && def.keywords.iter().all(|keyword| keyword.arg.is_some());
        if plain {
            def.bases.iter().for_each(|&base| {
                self.push(base);
            });
            if let Some(generic) = generic {
                let dst = self.b().top_reg();
                self.emit(Instr::Move { dst, src: generic });
                self.b().push();
            }
            def.keywords.iter().for_each(|keyword| {
                self.push(keyword.value);
            });
            let argc = (self.b().top() - top - 1) as u8;
            self.at(span);
            if def.keywords.is_empty() {
                self.emit(Instr::Call { dst, base, argc });
            } else {
                let here = self.here();
                let names = def.keywords.iter().filter_map(|keyword| keyword.arg);
                let names = names.map(|name| self.scopes.mangled_text(ast, here, name));
                let names = names.map(|name| Const::Str(name.into_bytes().into())).collect();
                let names = self.b().constant(Const::Tuple(names));
                self.emit(Instr::CallKw { dst, base, argc, names });
            }
            return self.b().set_top(top);
        }
        // The body function and the name lead the tuple of arguments.
        let first = self.reg(top + 1);
        self.emit(Instr::BuildList { dst: first, base: first, count: 2 });
        self.b().set_top(top + 2);
        for &base in &def.bases {
            let at = self.b().top();
            let star = self.starred(base);
            let item = self.operand(star.unwrap_or(base), &[]);
            self.at(span);
            self.emit(match star {
                Some(_) => Instr::ListExtend { list: first, iterable: item },
                None => Instr::ListAppend { list: first, item },
            });
            self.b().set_top(at);
        }
        if let Some(generic) = generic {
            self.emit(Instr::ListAppend { list: first, item: generic });
        }
        self.emit(Instr::ListToTuple { dst: first, list: first });
        self.keyword_dict(base, &def.keywords, span);
        self.at(span);
        self.emit(Instr::CallEx { dst, base });
        self.b().set_top(top);
    }

    /// Pushes the function of the class body.
    fn class_body(&mut self, id: StmtId, def: &ClassDef, line: u32, span: Span) {
        let Some(scope) = self.scopes.scope_of(Owner::Definition(id)) else { return };
        let (name, qualname) = (self.text(def.name), self.qualified(def.name));
        self.open_unit(scope, name.into(), qualname.clone(), line);
        self.unit().flags |= CodeFlags::NAMESPACE;
        self.b().set_bound(0);
        self.make_cells();
        self.b().set_span(Some(Span::new(span.start, span.start)));
        let top = self.b().top();
        let src = self.b().top_reg();
        self.load_text("__name__", src);
        self.b().push();
        self.store_text("__module__", src);
        self.b().set_top(top);
        self.store_const("__qualname__", Const::Str(qualname.as_bytes().into()));
        self.store_const("__firstlineno__", Const::Int(i64::from(line)));
        if !def.type_params.is_empty() {
            self.load_text(".type_params", src);
            self.b().push();
            self.store_text("__type_params__", src);
            self.b().set_top(top);
        }
        let info = self.scopes.scope(scope);
        if info.needs_class_dict {
            self.store_cell("__classdict__", Reg(0));
        }
        if info.has_annotations {
            if self.scopes.future_annotations {
                self.setup_annotations();
            } else if info.conditional_annotations {
                self.conditional_set();
            }
        }
        let mut body = &def.body[..];
        if let Some(doc) = self.docstring(body) {
            self.at(self.ast.stmt(body[0]).span);
            body = &body[1..];
            if self.options.optimize < 2 {
                self.store_const("__doc__", doc);
            }
        }
        self.block(body);
        if !self.scopes.future_annotations
            && !self.unit().annotations.is_empty()
            && let Some(finished) = self.deferred_annotations()
        {
            let code = self.b().child(finished);
            self.store_annotate("__annotate_func__", code);
        }
        self.b().set_span(Some(Span::new(span.start, span.start)));
        let mut attributes: Vec<&str> = Vec::new();
        for symbol in std::mem::take(&mut self.unit().static_attributes) {
            attributes.push(self.text(symbol));
        }
        attributes.sort_unstable();
        let attributes = attributes.into_iter().map(|name| Const::Str(name.as_bytes().into())).collect();
        self.store_const("__static_attributes__", Const::Tuple(attributes));
        if info.needs_class_dict
            && let Some(cell) = self.cell_of("__classdict__")
        {
            self.store_text("__classdictcell__", cell);
        }
        if info.needs_class_cell
            && let Some(cell) = self.cell_of("__class__")
        {
            self.store_text("__classcell__", cell);
            self.emit(Instr::Return { src: cell });
        } else {
            self.return_none();
        }
        let finished = self.close_unit();
        let code = self.b().child(finished);
        self.at(span);
        let base = self.b().top_reg();
        self.emit(Instr::MakeFunction { dst: base, base, flags: 0, code });
        self.b().push();
    }

    fn store_const(&mut self, name: &str, value: Const) {
        let top = self.b().top();
        let src = self.push_const(value);
        self.store_text(name, src);
        self.b().set_top(top);
    }

    /// The register with the class's own cell `name`.
    fn cell_of(&mut self, name: &str) -> Option<Reg> {
        let symbol = self.scopes.find(self.ast, name)?;
        let scope = self.unit().scope;
        let locals = &self.scopes.scope(scope).locals;
        let slot = locals.iter().position(|local| local.is_cell && !local.is_inner && local.name == symbol)?;
        Some(self.cell(slot as u32))
    }

    fn store_cell(&mut self, name: &str, src: Reg) {
        if let Some(cell) = self.cell_of(name) {
            self.emit(Instr::StoreCell { cell, src });
        }
    }
}
