//! Expressions as text again, as CPython writes annotations under `from __future__ import annotations`.
#![allow(clippy::wildcard_enum_match_arm, reason = "only some kinds of expression are parts of an f-string")]

use crate::number::float_repr;
use crate::text::repr;

use super::ast::{
    Arguments, Ast, BinaryOp, BoolOp, CompareOp, Comprehension, Constant, Conversion, ExprId, ExprKind, UnaryOp,
};

/// How tightly an expression binds; one that binds less tightly than its place asks for gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tight {
    Tuple,
    Test,
    Or,
    And,
    Not,
    Compare,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Sum,
    Term,
    Factor,
    Power,
    Await,
    Atom,
}

/// The text of expression `id`.
pub fn expression(ast: &Ast, id: ExprId) -> String {
    let mut writer = Writer { ast, out: String::new() };
    writer.expr(id, Tight::Test);
    writer.out
}

struct Writer<'a> {
    ast: &'a Ast,
    out: String,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn list(&mut self, ids: &[ExprId]) {
        for (i, &id) in ids.iter().enumerate() {
            self.put(if i > 0 { ", " } else { "" });
            self.expr(id, Tight::Test);
        }
    }

    fn within(&mut self, parentheses: bool, write: impl FnOnce(&mut Self)) {
        self.put(if parentheses { "(" } else { "" });
        write(self);
        self.put(if parentheses { ")" } else { "" });
    }

    fn expr(&mut self, id: ExprId, place: Tight) {
        let ast = self.ast;
        match &ast.expr(id).kind {
            ExprKind::BoolOp { op, values } => {
                let (word, tight, inner) = match op {
                    BoolOp::And => (" and ", Tight::And, Tight::Not),
                    BoolOp::Or => (" or ", Tight::Or, Tight::And),
                };
                self.within(place > tight, |this| {
                    for (i, &value) in values.iter().enumerate() {
                        this.put(if i > 0 { word } else { "" });
                        this.expr(value, inner);
                    }
                });
            }
            ExprKind::NamedExpr { target, value } => self.within(true, |this| {
                this.expr(*target, Tight::Atom);
                this.put(" := ");
                this.expr(*value, Tight::Atom);
            }),
            ExprKind::BinOp { left, op, right } => {
                let (word, tight) = binary(*op);
                let next = above(tight);
                let (on_left, on_right) = if *op == BinaryOp::Pow { (next, tight) } else { (tight, next) };
                self.within(place > tight, |this| {
                    this.expr(*left, on_left);
                    this.put(word);
                    this.expr(*right, on_right);
                });
            }
            ExprKind::UnaryOp { op, operand } => {
                let (word, tight) = match op {
                    UnaryOp::Not => ("not ", Tight::Not),
                    UnaryOp::Invert => ("~", Tight::Factor),
                    UnaryOp::UAdd => ("+", Tight::Factor),
                    UnaryOp::USub => ("-", Tight::Factor),
                };
                self.within(place > tight, |this| {
                    this.put(word);
                    this.expr(*operand, tight);
                });
            }
            ExprKind::Lambda { args, body } => self.within(place > Tight::Test, |this| {
                this.put("lambda");
                this.parameters(args);
                this.put(": ");
                this.expr(*body, Tight::Test);
            }),
            ExprKind::IfExp { test, body, orelse } => self.within(place > Tight::Test, |this| {
                this.expr(*body, Tight::Or);
                this.put(" if ");
                this.expr(*test, Tight::Or);
                this.put(" else ");
                this.expr(*orelse, Tight::Test);
            }),
            ExprKind::Dict { items } => {
                self.put("{");
                for (i, item) in items.iter().enumerate() {
                    self.put(if i > 0 { ", " } else { "" });
                    match item.key {
                        Some(key) => {
                            self.expr(key, Tight::Test);
                            self.put(": ");
                            self.expr(item.value, Tight::Test);
                        }
                        None => {
                            self.put("**");
                            self.expr(item.value, Tight::BitOr);
                        }
                    }
                }
                self.put("}");
            }
            ExprKind::Set { elts } => {
                self.put("{");
                self.list(elts);
                self.put("}");
            }
            ExprKind::ListComp { elt, generators } => self.comprehension("[", *elt, None, generators, "]"),
            ExprKind::SetComp { elt, generators } => self.comprehension("{", *elt, None, generators, "}"),
            ExprKind::GeneratorExp { elt, generators } => self.comprehension("(", *elt, None, generators, ")"),
            ExprKind::DictComp { key, value, generators } => {
                self.comprehension("{", *key, Some(*value), generators, "}");
            }
            ExprKind::Await { value } => self.within(place > Tight::Await, |this| {
                this.put("await ");
                this.expr(*value, Tight::Atom);
            }),
            ExprKind::Yield { value } => self.within(true, |this| {
                this.put("yield");
                if let Some(value) = value {
                    this.put(" ");
                    this.expr(*value, Tight::Test);
                }
            }),
            ExprKind::YieldFrom { value } => self.within(true, |this| {
                this.put("yield from ");
                this.expr(*value, Tight::Test);
            }),
            ExprKind::Compare { left, comparisons } => self.within(place > Tight::Compare, |this| {
                this.expr(*left, Tight::BitOr);
                for comparison in comparisons {
                    this.put(compare(comparison.op));
                    this.expr(comparison.comparator, Tight::BitOr);
                }
            }),
            ExprKind::Call { func, args, keywords } => {
                self.expr(*func, Tight::Atom);
                if let ([only], []) = (&args[..], &keywords[..])
                    && matches!(ast.expr(*only).kind, ExprKind::GeneratorExp { .. })
                {
                    return self.expr(*only, Tight::Atom);
                }
                self.put("(");
                self.list(args);
                for (i, keyword) in keywords.iter().enumerate() {
                    self.put(if i > 0 || !args.is_empty() { ", " } else { "" });
                    match keyword.arg {
                        Some(name) => {
                            self.put(ast.name(name));
                            self.put("=");
                        }
                        None => self.put("**"),
                    }
                    self.expr(keyword.value, Tight::Test);
                }
                self.put(")");
            }
            ExprKind::JoinedStr { .. } | ExprKind::TemplateStr { .. } => {
                let template = matches!(ast.expr(id).kind, ExprKind::TemplateStr { .. });
                let mut inner = Writer { ast, out: String::new() };
                inner.field(id);
                self.put(if template { "t" } else { "f" });
                let text = repr::text(inner.out.as_bytes());
                self.put(&text);
            }
            ExprKind::FormattedValue { .. } | ExprKind::Interpolation { .. } => {
                let mut inner = Writer { ast, out: String::new() };
                inner.field(id);
                let text = repr::text(inner.out.as_bytes());
                self.put("f");
                self.put(&text);
            }
            ExprKind::Constant(constant) => self.constant(constant),
            ExprKind::Attribute { value, attr, .. } => {
                self.expr(*value, Tight::Atom);
                // `1.x` would be a number.
                let number =
                    matches!(ast.expr(*value).kind, ExprKind::Constant(Constant::Int(_) | Constant::BigInt(_)));
                self.put(if number { " ." } else { "." });
                self.put(ast.name(*attr));
            }
            ExprKind::Subscript { value, slice, .. } => {
                self.expr(*value, Tight::Atom);
                self.put("[");
                self.expr(*slice, Tight::Tuple);
                self.put("]");
            }
            ExprKind::Starred { value, .. } => {
                self.put("*");
                self.expr(*value, Tight::BitOr);
            }
            ExprKind::Name { id, .. } => self.put(ast.name(*id)),
            ExprKind::List { elts, .. } => {
                self.put("[");
                self.list(elts);
                self.put("]");
            }
            ExprKind::Tuple { elts, .. } => self.within(place > Tight::Tuple || elts.is_empty(), |this| {
                this.list(elts);
                this.put(if elts.len() == 1 { "," } else { "" });
            }),
            ExprKind::Slice { lower, upper, step } => {
                lower.iter().for_each(|&lower| self.expr(lower, Tight::Test));
                self.put(":");
                upper.iter().for_each(|&upper| self.expr(upper, Tight::Test));
                if let Some(step) = step {
                    self.put(":");
                    self.expr(*step, Tight::Test);
                }
            }
        }
    }

    /// A part of an f-string, without quotes.
    fn field(&mut self, id: ExprId) {
        let ast = self.ast;
        match &ast.expr(id).kind {
            ExprKind::JoinedStr { values } | ExprKind::TemplateStr { values } => {
                values.iter().for_each(|&value| self.field(value));
            }
            ExprKind::Constant(Constant::Str(text)) => {
                let text = String::from_utf8_lossy(&text.bytes).replace('{', "{{").replace('}', "}}");
                self.put(&text);
            }
            ExprKind::FormattedValue { value, conversion, format_spec }
            | ExprKind::Interpolation { value, conversion, format_spec, .. } => {
                let mut inner = Writer { ast, out: String::new() };
                inner.expr(*value, above(Tight::Test));
                self.put(if inner.out.starts_with('{') { "{ " } else { "{" });
                self.put(&inner.out);
                self.put(match conversion {
                    Conversion::None => "",
                    Conversion::Str => "!s",
                    Conversion::Repr => "!r",
                    Conversion::Ascii => "!a",
                });
                if let Some(spec) = format_spec {
                    self.put(":");
                    self.field(*spec);
                }
                self.put("}");
            }
            _ => self.expr(id, Tight::Test),
        }
    }

    fn comprehension(
        &mut self,
        open: &str,
        elt: ExprId,
        value: Option<ExprId>,
        generators: &[Comprehension],
        close: &str,
    ) {
        self.put(open);
        self.expr(elt, Tight::Test);
        if let Some(value) = value {
            self.put(": ");
            self.expr(value, Tight::Test);
        }
        for generator in generators {
            self.put(if generator.is_async { " async for " } else { " for " });
            self.expr(generator.target, Tight::Tuple);
            self.put(" in ");
            self.expr(generator.iter, above(Tight::Test));
            for &test in &generator.ifs {
                self.put(" if ");
                self.expr(test, above(Tight::Test));
            }
        }
        self.put(close);
    }

    fn parameters(&mut self, args: &Arguments) {
        let mut first = true;
        let mut separate = |this: &mut Self| {
            this.put(if std::mem::take(&mut first) { " " } else { ", " });
        };
        let positional = args.posonlyargs.len() + args.args.len();
        for (i, arg) in args.posonlyargs.iter().chain(&args.args).enumerate() {
            separate(self);
            self.put(self.ast.name(arg.name));
            if let Some(at) = (i + args.defaults.len()).checked_sub(positional) {
                self.put("=");
                self.expr(args.defaults[at], Tight::Test);
            }
            if i + 1 == args.posonlyargs.len() {
                self.put(", /");
            }
        }
        if args.vararg.is_some() || !args.kwonlyargs.is_empty() {
            separate(self);
            self.put("*");
            if let Some(arg) = args.vararg {
                self.put(self.ast.name(arg.name));
            }
        }
        for (arg, default) in args.kwonlyargs.iter().zip(&args.kw_defaults) {
            separate(self);
            self.put(self.ast.name(arg.name));
            if let Some(default) = default {
                self.put("=");
                self.expr(*default, Tight::Test);
            }
        }
        if let Some(arg) = args.kwarg {
            separate(self);
            self.put("**");
            self.put(self.ast.name(arg.name));
        }
    }

    fn constant(&mut self, constant: &Constant) {
        let text = match constant {
            Constant::None => "None".into(),
            Constant::True => "True".into(),
            Constant::False => "False".into(),
            Constant::Ellipsis => "...".into(),
            Constant::Int(i) => i.to_string(),
            Constant::BigInt(i) => i.to_string(),
            Constant::Float(f) => float(*f),
            Constant::Complex(f) => format!("{}j", float(*f).trim_end_matches(".0")),
            Constant::Str(text) => format!("{}{}", if text.u_prefix { "u" } else { "" }, repr::text(&text.bytes)),
            Constant::Bytes(bytes) => repr::bytes(bytes),
        };
        self.put(&text);
    }
}

fn above(tight: Tight) -> Tight {
    match tight {
        Tight::Tuple => Tight::Test,
        Tight::Test => Tight::Or,
        Tight::Or => Tight::And,
        Tight::And => Tight::Not,
        Tight::Not => Tight::Compare,
        Tight::Compare => Tight::BitOr,
        Tight::BitOr => Tight::BitXor,
        Tight::BitXor => Tight::BitAnd,
        Tight::BitAnd => Tight::Shift,
        Tight::Shift => Tight::Sum,
        Tight::Sum => Tight::Term,
        Tight::Term => Tight::Factor,
        Tight::Factor => Tight::Power,
        Tight::Power => Tight::Await,
        Tight::Await | Tight::Atom => Tight::Atom,
    }
}

fn binary(op: BinaryOp) -> (&'static str, Tight) {
    match op {
        BinaryOp::Add => (" + ", Tight::Sum),
        BinaryOp::Sub => (" - ", Tight::Sum),
        BinaryOp::Mult => (" * ", Tight::Term),
        BinaryOp::MatMult => (" @ ", Tight::Term),
        BinaryOp::Div => (" / ", Tight::Term),
        BinaryOp::Mod => (" % ", Tight::Term),
        BinaryOp::FloorDiv => (" // ", Tight::Term),
        BinaryOp::Pow => (" ** ", Tight::Power),
        BinaryOp::LShift => (" << ", Tight::Shift),
        BinaryOp::RShift => (" >> ", Tight::Shift),
        BinaryOp::BitOr => (" | ", Tight::BitOr),
        BinaryOp::BitXor => (" ^ ", Tight::BitXor),
        BinaryOp::BitAnd => (" & ", Tight::BitAnd),
    }
}

fn compare(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => " == ",
        CompareOp::NotEq => " != ",
        CompareOp::Lt => " < ",
        CompareOp::LtE => " <= ",
        CompareOp::Gt => " > ",
        CompareOp::GtE => " >= ",
        CompareOp::Is => " is ",
        CompareOp::IsNot => " is not ",
        CompareOp::In => " in ",
        CompareOp::NotIn => " not in ",
    }
}

/// A float as `repr` has it; infinity as a literal that is infinite.
fn float(value: f64) -> String {
    if value.is_infinite() {
        return "1e309".into();
    }
    float_repr::repr(value)
}
