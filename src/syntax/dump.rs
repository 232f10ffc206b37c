//! The tree as text: exactly what CPython's `ast.dump(tree, indent=1)` prints, so that the two can be compared.

use std::fmt::Write;

use crate::number::float_repr;
use crate::source::{SourceFile, Span};
use crate::text::repr;

use super::ast::*;

/// What `ast.dump(ast.parse(text), indent=1)` prints, without a line end.
pub fn dump(ast: &Ast) -> String {
    Dumper { ast, out: String::new(), positions: None, trail: Vec::new(), indented: true }.run()
}

/// The same with `include_attributes=True`: every node with its place in `source`.
pub fn dump_with_positions(ast: &Ast, source: &SourceFile) -> String {
    Dumper { ast, out: String::new(), positions: Some(source), trail: Vec::new(), indented: true }.run()
}

/// The same for a program to read: without indentation, so that deep trees are no longer than they are large.
pub fn dump_compactly(ast: &Ast, source: &SourceFile) -> String {
    Dumper { ast, out: String::new(), positions: Some(source), trail: Vec::new(), indented: false }.run()
}

struct Dumper<'a> {
    ast: &'a Ast,
    out: String,
    positions: Option<&'a SourceFile>,
    trail: Vec<Level>,
    indented: bool,
}

/// An open node or list.
#[derive(Default)]
struct Level {
    fields: usize,
    /// Whether some field is a list, or a node with fields of its own.
    nested: bool,
}

impl<'a> Dumper<'a> {
    fn run(mut self) -> String {
        let ast = self.ast;
        match &ast.root {
            Root::Module(body) => self.node("Module", None, |dumper| dumper.stmts("body", body)),
            Root::Interactive(body) => self.node("Interactive", None, |dumper| dumper.stmts("body", body)),
            Root::Expression(body) => self.node("Expression", None, |dumper| dumper.expr_field("body", *body)),
        }
        self.out
    }

    // ---- layout ----

    /// `Class(fields)`; one without fields stays on its line.
    fn node(&mut self, class: &str, span: Option<Span>, fields: impl FnOnce(&mut Self)) {
        self.out.push_str(class);
        self.out.push('(');
        self.trail.push(Level::default());
        let start = self.out.len();
        fields(self);
        if let (Some(source), Some(span)) = (self.positions, span) {
            self.attributes(source, span);
        }
        self.close_node(start);
    }

    fn attributes(&mut self, source: &SourceFile, span: Span) {
        let (start, end) = (source.position(span.start), source.position(span.end));
        self.plain("lineno", start.line);
        self.plain("col_offset", start.column);
        self.plain("end_lineno", end.line);
        self.plain("end_col_offset", end.column);
    }

    /// End the node whose fields begin at `start` of the output: up to three plain fields share its line.
    fn close_node(&mut self, start: usize) {
        let level = self.trail.pop().expect("the node was opened");
        if !level.nested && level.fields <= 3 {
            let fields = self.out.split_off(start);
            for (index, field) in fields.trim_start().split('\n').enumerate() {
                if index > 0 {
                    self.out.push(' ');
                }
                self.out.push_str(field.trim_start());
            }
        }
        self.out.push(')');
        if level.fields > 0
            && let Some(parent) = self.trail.last_mut()
        {
            parent.nested = true;
        }
    }

    /// `name=`, on a line of its own.
    fn field(&mut self, name: &str) {
        let level = self.trail.last_mut().expect("a field is in a node");
        level.fields += 1;
        if level.fields > 1 {
            self.out.push(',');
        }
        self.line();
        self.out.push_str(name);
        self.out.push('=');
    }

    fn line(&mut self) {
        self.out.push('\n');
        if self.indented {
            self.out.extend(std::iter::repeat_n(' ', self.trail.len()));
        }
    }

    fn list<T>(&mut self, name: &str, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        if items.is_empty() {
            return;
        }
        self.field(name);
        self.open_list();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.line();
            each(self, item);
        }
        self.trail.pop();
        self.out.push(']');
    }

    fn open_list(&mut self) {
        self.trail.last_mut().expect("a list is a field").nested = true;
        self.out.push('[');
        self.trail.push(Level::default());
    }

    fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.field(name);
        write!(self.out, "{value}").expect("a String takes everything");
    }

    fn symbol(&mut self, name: &str, symbol: Symbol) {
        let text = self.ast.name(symbol);
        self.field(name);
        self.out.push_str(&repr::text(text.as_bytes()));
    }

    fn symbols(&mut self, name: &str, symbols: &[Symbol]) {
        let ast = self.ast;
        self.list(name, symbols, |dumper, symbol| dumper.out.push_str(&repr::text(ast.name(*symbol).as_bytes())));
    }

    fn context(&mut self, ctx: Context) {
        self.plain(
            "ctx",
            match ctx {
                Context::Load => "Load()",
                Context::Store => "Store()",
                Context::Del => "Del()",
            },
        );
    }

    // ---- expressions ----

    fn expr_field(&mut self, name: &str, id: ExprId) {
        self.field(name);
        self.expr(id);
    }

    fn optional(&mut self, name: &str, id: Option<ExprId>) {
        if let Some(id) = id {
            self.expr_field(name, id);
        }
    }

    fn exprs(&mut self, name: &str, ids: &[ExprId]) {
        self.list(name, ids, |dumper, id| dumper.expr(*id));
    }

    fn expr(&mut self, id: ExprId) {
        let ast: &'a Ast = self.ast;
        let node = ast.expr(id);
        let class = match &node.kind {
            ExprKind::BoolOp { .. } => "BoolOp",
            ExprKind::NamedExpr { .. } => "NamedExpr",
            ExprKind::BinOp { .. } => "BinOp",
            ExprKind::UnaryOp { .. } => "UnaryOp",
            ExprKind::Lambda { .. } => "Lambda",
            ExprKind::IfExp { .. } => "IfExp",
            ExprKind::Dict { .. } => "Dict",
            ExprKind::Set { .. } => "Set",
            ExprKind::ListComp { .. } => "ListComp",
            ExprKind::SetComp { .. } => "SetComp",
            ExprKind::DictComp { .. } => "DictComp",
            ExprKind::GeneratorExp { .. } => "GeneratorExp",
            ExprKind::Await { .. } => "Await",
            ExprKind::Yield { .. } => "Yield",
            ExprKind::YieldFrom { .. } => "YieldFrom",
            ExprKind::Compare { .. } => "Compare",
            ExprKind::Call { .. } => "Call",
            ExprKind::FormattedValue { .. } => "FormattedValue",
            ExprKind::Interpolation { .. } => "Interpolation",
            ExprKind::JoinedStr { .. } => "JoinedStr",
            ExprKind::TemplateStr { .. } => "TemplateStr",
            ExprKind::Constant(_) => "Constant",
            ExprKind::Attribute { .. } => "Attribute",
            ExprKind::Subscript { .. } => "Subscript",
            ExprKind::Starred { .. } => "Starred",
            ExprKind::Name { .. } => "Name",
            ExprKind::List { .. } => "List",
            ExprKind::Tuple { .. } => "Tuple",
            ExprKind::Slice { .. } => "Slice",
        };
        self.node(class, Some(node.span), |dumper| dumper.expr_fields(&node.kind));
    }

    fn expr_fields(&mut self, kind: &'a ExprKind) {
        match kind {
            ExprKind::BoolOp { op, values } => {
                self.plain("op", if *op == BoolOp::And { "And()" } else { "Or()" });
                self.exprs("values", values);
            }
            ExprKind::NamedExpr { target, value } => {
                self.expr_field("target", *target);
                self.expr_field("value", *value);
            }
            ExprKind::BinOp { left, op, right } => {
                self.expr_field("left", *left);
                self.plain("op", binary(*op));
                self.expr_field("right", *right);
            }
            ExprKind::UnaryOp { op, operand } => {
                let op = match op {
                    UnaryOp::Invert => "Invert()",
                    UnaryOp::Not => "Not()",
                    UnaryOp::UAdd => "UAdd()",
                    UnaryOp::USub => "USub()",
                };
                self.plain("op", op);
                self.expr_field("operand", *operand);
            }
            ExprKind::Lambda { args, body } => {
                self.arguments(args);
                self.expr_field("body", *body);
            }
            ExprKind::IfExp { test, body, orelse } => {
                self.expr_field("test", *test);
                self.expr_field("body", *body);
                self.expr_field("orelse", *orelse);
            }
            ExprKind::Dict { items } => {
                self.list("keys", items, |dumper, item| match item.key {
                    Some(key) => dumper.expr(key),
                    None => dumper.out.push_str("None"),
                });
                self.list("values", items, |dumper, item| dumper.expr(item.value));
            }
            ExprKind::Set { elts } => self.exprs("elts", elts),
            ExprKind::ListComp { elt, generators }
            | ExprKind::SetComp { elt, generators }
            | ExprKind::GeneratorExp { elt, generators } => {
                self.expr_field("elt", *elt);
                self.generators(generators);
            }
            ExprKind::DictComp { key, value, generators } => {
                self.expr_field("key", *key);
                self.expr_field("value", *value);
                self.generators(generators);
            }
            ExprKind::Await { value } | ExprKind::YieldFrom { value } => self.expr_field("value", *value),
            ExprKind::Yield { value } => self.optional("value", *value),
            ExprKind::Compare { left, comparisons } => {
                self.expr_field("left", *left);
                self.list("ops", comparisons, |dumper, comparison| {
                    dumper.out.push_str(match comparison.op {
                        CompareOp::Eq => "Eq()",
                        CompareOp::NotEq => "NotEq()",
                        CompareOp::Lt => "Lt()",
                        CompareOp::LtE => "LtE()",
                        CompareOp::Gt => "Gt()",
                        CompareOp::GtE => "GtE()",
                        CompareOp::Is => "Is()",
                        CompareOp::IsNot => "IsNot()",
                        CompareOp::In => "In()",
                        CompareOp::NotIn => "NotIn()",
                    });
                });
                self.list("comparators", comparisons, |dumper, comparison| dumper.expr(comparison.comparator));
            }
            ExprKind::Call { func, args, keywords } => {
                self.expr_field("func", *func);
                self.exprs("args", args);
                self.keywords(keywords);
            }
            ExprKind::FormattedValue { value, conversion, format_spec } => {
                self.expr_field("value", *value);
                self.plain("conversion", conversion_code(*conversion));
                self.optional("format_spec", *format_spec);
            }
            ExprKind::Interpolation { value, str, conversion, format_spec } => {
                self.expr_field("value", *value);
                self.plain("str", repr::text(str.as_bytes()));
                self.plain("conversion", conversion_code(*conversion));
                self.optional("format_spec", *format_spec);
            }
            ExprKind::JoinedStr { values } | ExprKind::TemplateStr { values } => self.exprs("values", values),
            ExprKind::Constant(value) => {
                self.plain("value", repr_constant(value));
                if let Constant::Str(text) = value
                    && text.u_prefix
                {
                    self.plain("kind", "'u'");
                }
            }
            ExprKind::Attribute { value, attr, ctx } => {
                self.expr_field("value", *value);
                self.symbol("attr", *attr);
                self.context(*ctx);
            }
            ExprKind::Subscript { value, slice, ctx } => {
                self.expr_field("value", *value);
                self.expr_field("slice", *slice);
                self.context(*ctx);
            }
            ExprKind::Starred { value, ctx } => {
                self.expr_field("value", *value);
                self.context(*ctx);
            }
            ExprKind::Name { id, ctx } => {
                self.symbol("id", *id);
                self.context(*ctx);
            }
            ExprKind::List { elts, ctx } | ExprKind::Tuple { elts, ctx } => {
                self.exprs("elts", elts);
                self.context(*ctx);
            }
            ExprKind::Slice { lower, upper, step } => {
                self.optional("lower", *lower);
                self.optional("upper", *upper);
                self.optional("step", *step);
            }
        }
    }

    fn generators(&mut self, generators: &[Comprehension]) {
        self.list("generators", generators, |dumper, generator| {
            dumper.node("comprehension", None, |dumper| {
                dumper.expr_field("target", generator.target);
                dumper.expr_field("iter", generator.iter);
                dumper.exprs("ifs", &generator.ifs);
                dumper.plain("is_async", u8::from(generator.is_async));
            });
        });
    }

    fn keywords(&mut self, keywords: &[Keyword]) {
        self.list("keywords", keywords, |dumper, keyword| {
            dumper.node("keyword", Some(keyword.span), |dumper| {
                if let Some(arg) = keyword.arg {
                    dumper.symbol("arg", arg);
                }
                dumper.expr_field("value", keyword.value);
            });
        });
    }

    fn arguments(&mut self, args: &Arguments) {
        self.field("args");
        self.node("arguments", None, |dumper| {
            dumper.list("posonlyargs", &args.posonlyargs, |dumper, arg| dumper.arg(arg));
            dumper.list("args", &args.args, |dumper, arg| dumper.arg(arg));
            if let Some(arg) = &args.vararg {
                dumper.field("vararg");
                dumper.arg(arg);
            }
            dumper.list("kwonlyargs", &args.kwonlyargs, |dumper, arg| dumper.arg(arg));
            dumper.list("kw_defaults", &args.kw_defaults, |dumper, default| match default {
                Some(default) => dumper.expr(*default),
                None => dumper.out.push_str("None"),
            });
            if let Some(arg) = &args.kwarg {
                dumper.field("kwarg");
                dumper.arg(arg);
            }
            dumper.exprs("defaults", &args.defaults);
        });
    }

    fn arg(&mut self, arg: &Arg) {
        self.node("arg", Some(arg.span), |dumper| {
            dumper.symbol("arg", arg.name);
            dumper.optional("annotation", arg.annotation);
        });
    }

    // ---- statements ----

    fn stmts(&mut self, name: &str, ids: &'a [StmtId]) {
        self.list(name, ids, |dumper, id| dumper.stmt(*id));
    }

    fn stmt(&mut self, id: StmtId) {
        let ast: &'a Ast = self.ast;
        let node = ast.stmt(id);
        if let StmtKind::If { branches, orelse } = &node.kind {
            return self.if_stmt(branches, orelse);
        }
        let class = match &node.kind {
            StmtKind::FunctionDef(function) if function.is_async => "AsyncFunctionDef",
            StmtKind::FunctionDef(_) => "FunctionDef",
            StmtKind::ClassDef(_) => "ClassDef",
            StmtKind::Return { .. } => "Return",
            StmtKind::Delete { .. } => "Delete",
            StmtKind::Assign { .. } => "Assign",
            StmtKind::TypeAlias { .. } => "TypeAlias",
            StmtKind::AugAssign { .. } => "AugAssign",
            StmtKind::AnnAssign { .. } => "AnnAssign",
            StmtKind::For { is_async: true, .. } => "AsyncFor",
            StmtKind::For { .. } => "For",
            StmtKind::While { .. } => "While",
            StmtKind::If { .. } => "If",
            StmtKind::With { is_async: true, .. } => "AsyncWith",
            StmtKind::With { .. } => "With",
            StmtKind::Match { .. } => "Match",
            StmtKind::Raise { .. } => "Raise",
            StmtKind::Try(node) if node.is_star => "TryStar",
            StmtKind::Try(_) => "Try",
            StmtKind::Assert { .. } => "Assert",
            StmtKind::Import { .. } => "Import",
            StmtKind::ImportFrom { .. } => "ImportFrom",
            StmtKind::Global { .. } => "Global",
            StmtKind::Nonlocal { .. } => "Nonlocal",
            StmtKind::Expr { .. } => "Expr",
            StmtKind::Pass => "Pass",
            StmtKind::Break => "Break",
            StmtKind::Continue => "Continue",
        };
        self.node(class, Some(node.span), |dumper| dumper.stmt_fields(&node.kind));
    }

    /// `elif` is a lone `If` in the `orelse` of the one before; written by a loop, since chains can be long.
    fn if_stmt(&mut self, branches: &'a [IfBranch], orelse: &'a [StmtId]) {
        for (index, branch) in branches.iter().enumerate() {
            if index > 0 {
                self.field("orelse");
                self.open_list();
                self.line();
            }
            self.out.push_str("If(");
            self.trail.push(Level::default());
            self.expr_field("test", branch.test);
            self.stmts("body", &branch.body);
        }
        self.stmts("orelse", orelse);
        for (index, branch) in branches.iter().enumerate().rev() {
            if let Some(source) = self.positions {
                self.attributes(source, branch.span);
            }
            // A branch has a body, so it never fits on a line.
            let start = self.out.len();
            self.close_node(start);
            if index > 0 {
                self.trail.pop();
                self.out.push(']');
            }
        }
    }

    fn stmt_fields(&mut self, kind: &'a StmtKind) {
        match kind {
            StmtKind::FunctionDef(function) => {
                self.symbol("name", function.name);
                self.arguments(&function.args);
                self.stmts("body", &function.body);
                self.exprs("decorator_list", &function.decorators);
                self.optional("returns", function.returns);
                self.type_params(&function.type_params);
            }
            StmtKind::ClassDef(class) => {
                self.symbol("name", class.name);
                self.exprs("bases", &class.bases);
                self.keywords(&class.keywords);
                self.stmts("body", &class.body);
                self.exprs("decorator_list", &class.decorators);
                self.type_params(&class.type_params);
            }
            StmtKind::Return { value } => self.optional("value", *value),
            StmtKind::Delete { targets } => self.exprs("targets", targets),
            StmtKind::Assign { targets, value } => {
                self.exprs("targets", targets);
                self.expr_field("value", *value);
            }
            StmtKind::TypeAlias { name, type_params, value } => {
                self.expr_field("name", *name);
                self.type_params(type_params);
                self.expr_field("value", *value);
            }
            StmtKind::AugAssign { target, op, value } => {
                self.expr_field("target", *target);
                self.plain("op", binary(*op));
                self.expr_field("value", *value);
            }
            StmtKind::AnnAssign { target, annotation, value, simple } => {
                self.expr_field("target", *target);
                self.expr_field("annotation", *annotation);
                self.optional("value", *value);
                self.plain("simple", u8::from(*simple));
            }
            StmtKind::For { target, iter, body, orelse, .. } => {
                self.expr_field("target", *target);
                self.expr_field("iter", *iter);
                self.stmts("body", body);
                self.stmts("orelse", orelse);
            }
            StmtKind::While { test, body, orelse } => {
                self.expr_field("test", *test);
                self.stmts("body", body);
                self.stmts("orelse", orelse);
            }
            StmtKind::If { branches, orelse } => self.if_stmt(branches, orelse),
            StmtKind::With { items, body, .. } => {
                self.list("items", items, |dumper, item| {
                    dumper.node("withitem", None, |dumper| {
                        dumper.expr_field("context_expr", item.context_expr);
                        dumper.optional("optional_vars", item.optional_vars);
                    });
                });
                self.stmts("body", body);
            }
            StmtKind::Match { subject, cases } => {
                self.expr_field("subject", *subject);
                self.list("cases", cases, |dumper, case| {
                    dumper.node("match_case", None, |dumper| {
                        dumper.field("pattern");
                        dumper.pattern(case.pattern);
                        dumper.optional("guard", case.guard);
                        dumper.list("body", &case.body, |dumper, id| dumper.stmt(*id));
                    });
                });
            }
            StmtKind::Raise { exc, cause } => {
                self.optional("exc", *exc);
                self.optional("cause", *cause);
            }
            StmtKind::Try(node) => {
                self.stmts("body", &node.body);
                self.list("handlers", &node.handlers, |dumper, handler| {
                    dumper.node("ExceptHandler", Some(handler.span), |dumper| {
                        dumper.optional("type", handler.type_);
                        if let Some(name) = handler.name {
                            dumper.symbol("name", name);
                        }
                        dumper.list("body", &handler.body, |dumper, id| dumper.stmt(*id));
                    });
                });
                self.stmts("orelse", &node.orelse);
                self.stmts("finalbody", &node.finalbody);
            }
            StmtKind::Assert { test, msg } => {
                self.expr_field("test", *test);
                self.optional("msg", *msg);
            }
            StmtKind::Import { names } => self.aliases(names),
            StmtKind::ImportFrom { module, names, level } => {
                if let Some(module) = module {
                    self.symbol("module", *module);
                }
                self.aliases(names);
                self.plain("level", level);
            }
            StmtKind::Global { names } | StmtKind::Nonlocal { names } => self.symbols("names", names),
            StmtKind::Expr { value } => self.expr_field("value", *value),
            StmtKind::Pass | StmtKind::Break | StmtKind::Continue => {}
        }
    }

    fn aliases(&mut self, names: &[Alias]) {
        self.list("names", names, |dumper, alias| {
            dumper.node("alias", Some(alias.span), |dumper| {
                dumper.symbol("name", alias.name);
                if let Some(asname) = alias.asname {
                    dumper.symbol("asname", asname);
                }
            });
        });
    }

    fn type_params(&mut self, params: &[TypeParam]) {
        self.list("type_params", params, |dumper, param| {
            let class = match param.kind {
                TypeParamKind::TypeVar { .. } => "TypeVar",
                TypeParamKind::ParamSpec => "ParamSpec",
                TypeParamKind::TypeVarTuple => "TypeVarTuple",
            };
            dumper.node(class, Some(param.span), |dumper| {
                dumper.symbol("name", param.name);
                if let TypeParamKind::TypeVar { bound } = param.kind {
                    dumper.optional("bound", bound);
                }
                dumper.optional("default_value", param.default);
            });
        });
    }

    // ---- patterns ----

    fn patterns(&mut self, name: &str, ids: &[PatternId]) {
        self.list(name, ids, |dumper, id| dumper.pattern(*id));
    }

    fn pattern(&mut self, id: PatternId) {
        let ast: &'a Ast = self.ast;
        let node = ast.pattern(id);
        let class = match &node.kind {
            PatternKind::MatchValue { .. } => "MatchValue",
            PatternKind::MatchSingleton { .. } => "MatchSingleton",
            PatternKind::MatchSequence { .. } => "MatchSequence",
            PatternKind::MatchMapping { .. } => "MatchMapping",
            PatternKind::MatchClass { .. } => "MatchClass",
            PatternKind::MatchStar { .. } => "MatchStar",
            PatternKind::MatchAs { .. } => "MatchAs",
            PatternKind::MatchOr { .. } => "MatchOr",
        };
        self.node(class, Some(node.span), |dumper| match &node.kind {
            PatternKind::MatchValue { value } => dumper.expr_field("value", *value),
            PatternKind::MatchSingleton { value } => dumper.plain("value", repr_constant(value)),
            PatternKind::MatchSequence { patterns } | PatternKind::MatchOr { patterns } => {
                dumper.patterns("patterns", patterns);
            }
            PatternKind::MatchMapping { keys, patterns, rest } => {
                dumper.exprs("keys", keys);
                dumper.patterns("patterns", patterns);
                if let Some(rest) = rest {
                    dumper.symbol("rest", *rest);
                }
            }
            PatternKind::MatchClass { cls, patterns, kwd_attrs, kwd_patterns } => {
                dumper.expr_field("cls", *cls);
                dumper.patterns("patterns", patterns);
                dumper.symbols("kwd_attrs", kwd_attrs);
                dumper.patterns("kwd_patterns", kwd_patterns);
            }
            PatternKind::MatchStar { name } => {
                if let Some(name) = name {
                    dumper.symbol("name", *name);
                }
            }
            PatternKind::MatchAs { pattern, name } => {
                if let Some(pattern) = pattern {
                    dumper.field("pattern");
                    dumper.pattern(*pattern);
                }
                if let Some(name) = name {
                    dumper.symbol("name", *name);
                }
            }
        });
    }
}

fn binary(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "Add()",
        BinaryOp::Sub => "Sub()",
        BinaryOp::Mult => "Mult()",
        BinaryOp::MatMult => "MatMult()",
        BinaryOp::Div => "Div()",
        BinaryOp::Mod => "Mod()",
        BinaryOp::Pow => "Pow()",
        BinaryOp::LShift => "LShift()",
        BinaryOp::RShift => "RShift()",
        BinaryOp::BitOr => "BitOr()",
        BinaryOp::BitXor => "BitXor()",
        BinaryOp::BitAnd => "BitAnd()",
        BinaryOp::FloorDiv => "FloorDiv()",
    }
}

fn conversion_code(conversion: Conversion) -> i32 {
    match conversion {
        Conversion::None => -1,
        Conversion::Str => b's'.into(),
        Conversion::Repr => b'r'.into(),
        Conversion::Ascii => b'a'.into(),
    }
}

fn repr_constant(value: &Constant) -> String {
    match value {
        Constant::None => "None".into(),
        Constant::True => "True".into(),
        Constant::False => "False".into(),
        Constant::Ellipsis => "Ellipsis".into(),
        Constant::Int(value) => value.to_string(),
        Constant::BigInt(value) => value.to_string(),
        Constant::Float(value) => float_repr::repr(*value),
        Constant::Complex(value) => format!("{}j", imaginary(*value)),
        Constant::Str(text) => repr::text(&text.bytes),
        Constant::Bytes(bytes) => repr::bytes(bytes),
    }
}

/// The repr of a float without the `.0` of whole numbers, as complex numbers show their parts.
fn imaginary(value: f64) -> String {
    let text = float_repr::repr(value);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
