//! What the grammar's actions call: constructors of nodes, and the checks a context-free grammar can't make. Nothing
//! here fails; what is wrong is reported and a node is made all the same, so that parsing goes on.

use std::collections::HashMap;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::diagnostic::{Code, Diagnostic, ErrorClass, Reported};
use crate::source::{SourceFile, Span};

use super::ast::*;
use super::layout::SyntaxWarning;
use super::literal::{self, Escape, Mode};
use super::target::{self, Purpose};
use super::token::{Lexeme, Token};

/// How high an expression or pattern may be: about what CPython's compiler takes.
pub(super) const MAX_HEIGHT: u32 = 2_990;

/// Collects the tree of one text.
#[derive(Debug)]
pub(crate) struct Builder<'s> {
    pub(super) source: &'s SourceFile,
    tokens: &'s [Lexeme],
    pub(super) ast: Ast,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<SyntaxWarning>,
    /// `(a as b, c)`: legal only as the items of a `with`, which takes it from here.
    with_groups: Vec<(ExprId, Vec<GroupItem>)>,
    too_high: bool,
    /// Statements with a `;` behind them, and where it ends: blocks that end in one reach that far.
    semicolons: HashMap<StmtId, u32>,
}

/// An identifier with its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ident {
    pub(crate) name: Symbol,
    pub(crate) span: Span,
}

/// An item in parentheses, with the target only `with` allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupItem {
    pub(crate) value: ExprId,
    pub(crate) target: Option<ExprId>,
}

/// A run of binary operators, not grouped yet: operands with their places and the operator before each. What stands
/// before an operator that binds less is grouped already, so this is a stack of rising precedence.
pub(crate) type Chain = Vec<(BinaryOp, Placed)>;

/// An expression with the place of its tokens, parentheses included.
pub(crate) type Placed = (u32, ExprId, u32);

/// One item of a list of parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param {
    kind: ParamKind,
    /// None for a bare `*` or `/`.
    arg: Option<Arg>,
    default: Option<ExprId>,
    span: Span,
}

/// A list of parameters as written.
pub(crate) type Params = Vec<Param>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParamKind {
    Plain,
    Star,
    DoubleStar,
    Slash,
}

/// One argument of a call as written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument {
    Positional(ExprId, Span),
    Starred(ExprId, Span),
    /// A generator expression without parentheses of its own.
    Generator(ExprId, Span),
    Keyword(Keyword),
    Unpacking(Keyword),
}

impl Argument {
    pub(crate) fn positional(start: u32, value: ExprId, end: u32) -> Argument {
        Argument::Positional(value, Span::new(start, end))
    }

    pub(crate) fn unpacking(start: u32, value: ExprId, end: u32) -> Argument {
        Argument::Unpacking(Keyword { arg: None, value, span: Span::new(start, end) })
    }
}

impl Argument {
    fn span(&self) -> Span {
        match *self {
            Argument::Positional(_, span) | Argument::Starred(_, span) | Argument::Generator(_, span) => span,
            Argument::Keyword(keyword) | Argument::Unpacking(keyword) => keyword.span,
        }
    }
}

/// The arguments of a call, sorted.
#[derive(Debug, Default)]
pub(crate) struct Args {
    args: Vec<ExprId>,
    keywords: Vec<Keyword>,
    /// The only argument is a generator expression: its parentheses are those of the call.
    lone_generator: bool,
}

/// An `except` clause, before it is known whether all of its `try` agree on the star.
#[derive(Debug)]
pub(crate) struct Handler {
    is_star: bool,
    handler: ExceptHandler,
}

#[derive(Debug)]
pub(crate) enum MappingItem {
    Pair(ExprId, PatternId),
    Rest(u32, Ident),
}

#[derive(Debug)]
pub(crate) struct ClassItem {
    pub(crate) name: Option<Ident>,
    pub(crate) pattern: PatternId,
}

/// A part of adjacent string literals.
#[derive(Debug)]
pub(crate) enum StringPart {
    Plain(Span),
    Format { template: bool, values: Vec<ExprId> },
}

/// A part of an f-string's text or of a format spec.
#[derive(Debug)]
pub(crate) enum TextPart {
    Text(Span),
    Field(Box<Field>),
}

/// A replacement field as written.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) start: u32,
    /// After the brace.
    pub(crate) text_start: u32,
    pub(crate) value: ExprId,
    /// Where the `=` stands.
    pub(crate) debug: Option<u32>,
    /// Where the `!` stands, and what follows it.
    pub(crate) conversion: Option<(u32, Ident)>,
    /// Where the `:` stands, and what follows it.
    pub(crate) spec: Option<(u32, Vec<TextPart>)>,
    /// Where the closing brace stands.
    pub(crate) close: u32,
    pub(crate) end: u32,
}

impl Field {
    /// Where the token after the value, and after `=` if it is there, begins.
    fn value_end(&self) -> u32 {
        let conversion = self.conversion.as_ref().map(|(at, _)| *at);
        conversion.or(self.spec.as_ref().map(|(at, _)| *at)).unwrap_or(self.close)
    }
}

impl<'s> Builder<'s> {
    pub(super) fn new(source: &'s SourceFile, tokens: &'s [Lexeme]) -> Builder<'s> {
        Builder {
            source,
            tokens,
            ast: Ast::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            with_groups: Vec::new(),
            too_high: false,
            semicolons: HashMap::new(),
        }
    }

    /// Report what only shows when all is parsed: `complete` says whether it is.
    pub(super) fn finish(&mut self, complete: bool) {
        let groups = std::mem::take(&mut self.with_groups);
        for (_, items) in groups.into_iter().filter(|_| complete) {
            if let Some(target) = items.iter().find_map(|item| item.target) {
                let span = self.ast.expr(target).span;
                // The error is at the `as` before the target.
                let before = self.source.text()[..span.start as usize].rfind("as").unwrap_or(0) as u32;
                self.report(Code::UnexpectedToken, Span::new(before, before + 2), "invalid syntax");
            }
        }
        self.errors.sort_by_key(|diagnostic| diagnostic.span.start);
    }

    pub(super) fn report(&mut self, code: Code, span: Span, text: impl Into<String>) {
        self.errors.push(Diagnostic::new(code, span, text));
    }

    /// The token at or after `offset`.
    fn token_at(&self, offset: u32) -> Lexeme {
        let index = self.tokens.partition_point(|lexeme| lexeme.span.start < offset);
        let end = Lexeme { token: Token::Newline, span: Span::at(self.source.text().len() as u32) };
        self.tokens.get(index).copied().unwrap_or(end)
    }

    /// Report something about `span`; a script sees the token that follows `offset`, where CPython's parser stands
    /// when it notices.
    fn report_after(&mut self, code: Code, span: Span, offset: u32, text: impl Into<String>) {
        let next = self.token_at(offset);
        let reported = match next.token {
            Token::Newline => Reported::LineRest(next.span.start),
            _ => Reported::Span(next.span),
        };
        let span = if span.is_empty() { next.span } else { span };
        self.errors.push(Diagnostic::new(code, span, text).reported(reported));
    }

    pub(super) fn text(&self, span: Span) -> &'s str {
        &self.source.text()[span.range()]
    }

    pub(super) fn span(&self, id: ExprId) -> Span {
        self.ast.expr(id).span
    }

    // ---- roots ----

    pub(crate) fn module(&mut self, body: Vec<StmtId>) {
        self.ast.root = Root::Module(body.into());
    }

    pub(crate) fn interactive(&mut self, body: Vec<StmtId>) {
        self.ast.root = Root::Interactive(body.into());
    }

    pub(crate) fn expression(&mut self, body: ExprId) {
        self.ast.root = Root::Expression(body);
    }

    // ---- names ----

    fn intern(&mut self, span: Span) -> Symbol {
        let name = self.text(span);
        if name.is_ascii() || is_nfkc_quick(name.chars()) == IsNormalized::Yes {
            return self.ast.names.intern(name);
        }
        let normal: String = name.nfkc().collect();
        self.ast.names.intern(&normal)
    }

    pub(crate) fn ident(&mut self, start: u32, end: u32) -> Ident {
        let span = Span::new(start, end);
        Ident { name: self.intern(span), span }
    }

    pub(crate) fn name(&mut self, ident: Ident) -> ExprId {
        self.expr(ident.span.start, ExprKind::Name { id: ident.name, ctx: Context::Load }, ident.span.end)
    }

    /// A dotted name, with what may stand between its parts taken out.
    fn dotted(&mut self, span: Span) -> Symbol {
        let text = self.text(span);
        if text.bytes().all(|byte| byte == b'.' || byte == b'_' || byte.is_ascii_alphanumeric()) {
            return self.ast.names.intern(text);
        }
        let mut clean = String::new();
        for part in text.split('.') {
            // A comment or continuation can only follow the part, so the name is the first word.
            let part = part.trim_matches(|char: char| char.is_ascii_whitespace() || char == '\\' || char == '\x0c');
            if !clean.is_empty() {
                clean.push('.');
            }
            clean.extend(part.nfkc());
        }
        self.ast.names.intern(&clean)
    }

    // ---- expressions ----

    pub(crate) fn expr(&mut self, start: u32, kind: ExprKind, end: u32) -> ExprId {
        let id = self.ast.add_expr(kind, Span::new(start, end));
        if self.ast.expr(id).height > MAX_HEIGHT && !self.too_high {
            self.too_high = true;
            let span = Span::new(start, end);
            // Where the operand is on the right CPython's parser gives up, else its compiler.
            let (class, text) = match self.ast.expr(id).kind {
                ExprKind::UnaryOp { .. }
                | ExprKind::Lambda { .. }
                | ExprKind::IfExp { .. }
                | ExprKind::BinOp { op: BinaryOp::Pow, .. } => {
                    (ErrorClass::MemoryError, "Parser stack overflowed - Python source too complex to parse")
                }
                _ => (ErrorClass::RecursionError, "maximum recursion depth exceeded during compilation"),
            };
            self.errors.push(
                Diagnostic::new(Code::TooDeep, span, text)
                    .class(class)
                    .message("this expression is too long: split it into several"),
            );
        }
        id
    }

    pub(crate) fn constant(&mut self, start: u32, value: Constant, end: u32) -> ExprId {
        self.expr(start, ExprKind::Constant(value), end)
    }

    pub(crate) fn number(&mut self, start: u32, end: u32) -> ExprId {
        let span = Span::new(start, end);
        let value = literal::number(self.text(span)).unwrap_or_else(|message| {
            self.report(Code::InvalidNumber, span, message);
            Constant::Int(0)
        });
        self.constant(start, value, end)
    }

    pub(crate) fn tuple(&mut self, start: u32, elts: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Tuple { elts: elts.into(), ctx: Context::Load }, end)
    }

    pub(crate) fn list(&mut self, start: u32, elts: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::List { elts: elts.into(), ctx: Context::Load }, end)
    }

    pub(crate) fn set(&mut self, start: u32, elts: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Set { elts: elts.into() }, end)
    }

    pub(crate) fn dict(&mut self, start: u32, items: Vec<DictItem>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Dict { items: items.into() }, end)
    }

    pub(crate) fn starred(&mut self, start: u32, value: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::Starred { value, ctx: Context::Load }, end)
    }

    fn comprehension(&mut self, elt: ExprId) {
        if let ExprKind::Starred { .. } = self.ast.expr(elt).kind {
            let span = self.span(elt);
            self.report(Code::UnexpectedToken, span, "iterable unpacking cannot be used in comprehension");
        }
    }

    pub(crate) fn generator(&mut self, start: u32, elt: ExprId, generators: Vec<Comprehension>, end: u32) -> ExprId {
        self.comprehension(elt);
        self.expr(start, ExprKind::GeneratorExp { elt, generators: generators.into() }, end)
    }

    pub(crate) fn list_comp(&mut self, start: u32, elt: ExprId, generators: Vec<Comprehension>, end: u32) -> ExprId {
        self.comprehension(elt);
        self.expr(start, ExprKind::ListComp { elt, generators: generators.into() }, end)
    }

    pub(crate) fn set_comp(&mut self, start: u32, elt: ExprId, generators: Vec<Comprehension>, end: u32) -> ExprId {
        self.comprehension(elt);
        self.expr(start, ExprKind::SetComp { elt, generators: generators.into() }, end)
    }

    pub(crate) fn dict_comp(&mut self, start: u32, item: DictItem, generators: Vec<Comprehension>, end: u32) -> ExprId {
        let Some(key) = item.key else {
            let value = self.span(item.value);
            let stars = self.source.text()[..value.start as usize].rfind("**").unwrap_or(start as usize) as u32;
            self.report(
                Code::UnexpectedToken,
                Span::new(stars, stars + 2),
                "dict unpacking cannot be used in dict comprehension",
            );
            return item.value;
        };
        self.expr(start, ExprKind::DictComp { key, value: item.value, generators: generators.into() }, end)
    }

    /// `(item)`
    pub(crate) fn group(&mut self, start: u32, item: GroupItem, end: u32) -> ExprId {
        if item.target.is_some() {
            return self.group_list(start, vec![item], end);
        }
        if let ExprKind::Starred { .. } = self.ast.expr(item.value).kind {
            let span = self.span(item.value);
            self.report(Code::UnexpectedToken, span, "cannot use starred expression here");
        }
        self.parenthesized(item.value)
    }

    /// Note that parentheses stand around `id`.
    pub(crate) fn parenthesized(&mut self, id: ExprId) -> ExprId {
        self.ast.expr_mut(id).parenthesized = true;
        id
    }

    /// `(item, item)`
    pub(crate) fn group_list(&mut self, start: u32, items: Vec<GroupItem>, end: u32) -> ExprId {
        let values = items.iter().map(|item| item.value).collect();
        let id = self.tuple(start, values, end);
        if items.iter().any(|item| item.target.is_some()) {
            self.with_groups.push((id, items));
        }
        self.parenthesized(id)
    }

    pub(crate) fn named(&mut self, start: u32, target: ExprId, value: ExprId, end: u32) -> ExprId {
        if let ExprKind::Name { ctx, .. } = &mut self.ast.expr_mut(target).kind {
            *ctx = Context::Store;
        }
        let node = self.ast.expr(target);
        if !matches!(node.kind, ExprKind::Name { .. }) || node.parenthesized {
            let (span, name) = (node.span, target::describe(&node.kind));
            self.report(Code::InvalidTarget, span, format!("cannot use assignment expressions with {name}"));
        }
        self.expr(start, ExprKind::NamedExpr { target, value }, end)
    }

    pub(crate) fn if_exp(&mut self, start: u32, body: ExprId, test: ExprId, orelse: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::IfExp { test, body, orelse }, end)
    }

    pub(crate) fn lambda(&mut self, start: u32, params: Params, body: ExprId, end: u32) -> ExprId {
        let args = Box::new(self.arguments(params, true));
        self.expr(start, ExprKind::Lambda { args, body }, end)
    }

    pub(crate) fn bool_op(&mut self, start: u32, op: BoolOp, values: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::BoolOp { op, values: values.into() }, end)
    }

    pub(crate) fn unary(&mut self, start: u32, op: UnaryOp, operand: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::UnaryOp { op, operand }, end)
    }

    pub(crate) fn compare(&mut self, start: u32, left: ExprId, comparisons: Vec<Comparison>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Compare { left, comparisons: comparisons.into() }, end)
    }

    pub(crate) fn power(&mut self, start: u32, left: ExprId, right: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::BinOp { left, op: BinaryOp::Pow, right }, end)
    }

    pub(crate) fn chain_start(&mut self, left: Placed, op: BinaryOp, right: Placed) -> Chain {
        // The operator of the bottom entry is never looked at.
        vec![(op, left), (op, right)]
    }

    pub(crate) fn chain_more(&mut self, chain: &mut Chain, op: BinaryOp, right: Placed) {
        self.chain_reduce(chain, precedence(op));
        chain.push((op, right));
    }

    pub(crate) fn chain(&mut self, mut chain: Chain) -> ExprId {
        self.chain_reduce(&mut chain, 0);
        chain[0].1.1
    }

    /// Group what binds at least as tight as `floor`, from the right; operators associate to the left.
    fn chain_reduce(&mut self, chain: &mut Chain, floor: u8) {
        while chain.len() > 1
            && let Some((op, right)) = chain.pop_if(|(op, _)| precedence(*op) >= floor)
        {
            let left = &mut chain.last_mut().expect("an operator has a left operand").1;
            let (start, end) = (left.0, right.2);
            let kind = ExprKind::BinOp { left: left.1, op, right: right.1 };
            let node = self.expr(start, kind, end);
            *left = (start, node, end);
        }
    }

    pub(crate) fn attribute(&mut self, start: u32, value: ExprId, attr: Ident, end: u32) -> ExprId {
        self.expr(start, ExprKind::Attribute { value, attr: attr.name, ctx: Context::Load }, end)
    }

    pub(crate) fn subscript(&mut self, start: u32, value: ExprId, slice: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::Subscript { value, slice, ctx: Context::Load }, end)
    }

    /// A lone index: a starred one makes a tuple.
    pub(crate) fn index(&mut self, index: ExprId) -> ExprId {
        let node = self.ast.expr(index);
        match node.kind {
            ExprKind::Starred { .. } => self.tuple(node.span.start, vec![index], node.span.end),
            _ => index,
        }
    }

    // ---- calls ----

    pub(crate) fn keyword(&mut self, start: u32, name: ExprId, value: ExprId, end: u32) -> Argument {
        let span = Span::new(start, end);
        let node = self.ast.expr(name);
        let arg = match node.kind {
            ExprKind::Name { id, .. } if !node.parenthesized => Some(id),
            _ => {
                let head = Span::new(node.span.start, self.equals_after(node.span.end));
                let constant = match node.kind {
                    ExprKind::Constant(Constant::True) => Some("True"),
                    ExprKind::Constant(Constant::False) => Some("False"),
                    ExprKind::Constant(Constant::None) => Some("None"),
                    _ => None,
                };
                let text = match constant {
                    Some(word) => format!("cannot assign to {word}"),
                    None => "expression cannot contain assignment, perhaps you meant \"==\"?".into(),
                };
                self.report(Code::AssignmentInExpression, head, text);
                None
            }
        };
        Argument::Keyword(Keyword { arg, value, span })
    }

    /// The end of the `=` that follows `at`.
    pub(super) fn equals_after(&self, at: u32) -> u32 {
        let rest = &self.source.text().as_bytes()[at as usize..];
        memchr::memchr(b'=', rest).map_or(at, |skip| at + skip as u32 + 1)
    }

    pub(crate) fn star_argument(&mut self, start: u32, value: ExprId, end: u32) -> Argument {
        Argument::Starred(self.starred(start, value, end), Span::new(start, end))
    }

    pub(crate) fn generator_argument(
        &mut self,
        start: u32,
        elt: ExprId,
        generators: Vec<Comprehension>,
        end: u32,
    ) -> Argument {
        let last = generators.last().expect("a generator has a clause");
        let last = self.span(last.ifs.last().copied().unwrap_or(last.iter)).end;
        Argument::Generator(self.generator(start, elt, generators, end), Span::new(start, last))
    }

    pub(crate) fn args(&mut self, mut list: Vec<Argument>, last: Option<Argument>) -> Args {
        let trailing_comma = last.is_none() && !list.is_empty();
        list.extend(last);
        let mut args = Args::default();
        let count = list.len();
        let (mut unpacked, mut misplaced) = (false, false);
        for argument in &list {
            match *argument {
                Argument::Positional(value, _) => {
                    if !args.keywords.is_empty() && !misplaced {
                        misplaced = true;
                        let what = if unpacked { " unpacking" } else { "" };
                        let last = list.last().map_or(0, |last| last.span().end);
                        let next = self.token_at(last);
                        let at = if next.token == Token::Comma { next.span.end } else { last };
                        self.report_after(
                            Code::InvalidArguments,
                            argument.span(),
                            at,
                            format!("positional argument follows keyword argument{what}"),
                        );
                    }
                    args.args.push(value);
                }
                Argument::Starred(value, span) => {
                    if unpacked {
                        let comma = self.source.text()[..span.start as usize].rfind(',').unwrap_or(0) as u32;
                        self.report(
                            Code::InvalidArguments,
                            Span::new(comma, span.end),
                            "iterable argument unpacking follows keyword argument unpacking",
                        );
                    }
                    args.args.push(value);
                }
                Argument::Generator(value, span) => {
                    if count == 1 && !trailing_comma {
                        args.lone_generator = true;
                    } else {
                        self.report(Code::InvalidArguments, span, "Generator expression must be parenthesized");
                    }
                    args.args.push(value);
                }
                Argument::Keyword(keyword) => args.keywords.push(keyword),
                Argument::Unpacking(keyword) => {
                    unpacked = true;
                    args.keywords.push(keyword);
                }
            }
        }
        args
    }

    pub(crate) fn call(&mut self, start: u32, func: ExprId, open: u32, args: Args, end: u32) -> ExprId {
        if args.lone_generator {
            self.ast.expr_mut(args.args[0]).span = Span::new(open, end);
        }
        self.expr(start, ExprKind::Call { func, args: args.args.into(), keywords: args.keywords.into() }, end)
    }

    // ---- parameters ----

    pub(crate) fn param(
        &mut self,
        start: u32,
        kind: ParamKind,
        name: Ident,
        annotation: Option<ExprId>,
        default: Option<ExprId>,
        end: u32,
    ) -> Param {
        let span = Span::new(start, end);
        Param { kind, arg: Some(Arg { name: name.name, annotation, span }), default, span }
    }

    pub(crate) fn mark(&mut self, kind: ParamKind, start: u32, end: u32) -> Param {
        Param { kind, arg: None, default: None, span: Span::new(start, end) }
    }

    /// Sort parameters into their kinds.
    fn arguments(&mut self, params: Params, lambda: bool) -> Arguments {
        if params.is_empty() {
            return Arguments::default();
        }
        let mut posonly = Vec::new();
        let mut plain = Vec::new();
        let mut kwonly = Vec::new();
        let mut kw_defaults = Vec::new();
        let mut defaults = Vec::new();
        let (mut vararg, mut kwarg) = (None, None);
        let mut star: Option<Span> = None;
        let mut slash = false;
        let fail = |builder: &mut Self, span: Span, text: &str| {
            builder.report(Code::InvalidParameters, span, text);
        };
        for (index, param) in params.iter().enumerate() {
            let span = param.span;
            if kwarg.is_some() {
                let span = match param.kind {
                    ParamKind::Star => Span::new(self.star_before(span), self.star_before(span) + 1),
                    _ => span,
                };
                fail(self, span, "arguments cannot follow var-keyword argument");
                break;
            }
            match (param.kind, param.arg) {
                (ParamKind::Plain, Some(arg)) if star.is_some() => {
                    kwonly.push(arg);
                    kw_defaults.push(param.default);
                }
                (ParamKind::Plain, Some(arg)) => {
                    match param.default {
                        Some(default) => defaults.push(default),
                        None if !defaults.is_empty() => {
                            fail(self, span, "parameter without a default follows parameter with a default");
                        }
                        None => {}
                    }
                    plain.push(arg);
                }
                (ParamKind::Star, arg) => {
                    if star.is_some() {
                        fail(
                            self,
                            Span::new(self.star_before(span), self.star_before(span) + 1),
                            "* argument may appear only once",
                        );
                    } else if arg.is_none() {
                        let next = params.get(index + 1);
                        if next.is_none_or(|next| next.kind == ParamKind::DoubleStar) {
                            let text = "named arguments must follow bare *";
                            if lambda {
                                let comma = self.token_at(span.end);
                                let at = if comma.token == Token::Comma { comma.span.end } else { span.end };
                                self.report_after(Code::InvalidParameters, span, at, text);
                            } else {
                                fail(self, span, text);
                            }
                        }
                    }
                    star = Some(span);
                    vararg = arg;
                }
                (ParamKind::DoubleStar, arg) => kwarg = arg,
                (ParamKind::Slash, _) | (ParamKind::Plain, None) => {
                    if slash {
                        fail(self, span, "/ may appear only once");
                    } else if star.is_some() {
                        fail(self, span, "/ must be ahead of *");
                    } else if index == 0 {
                        fail(self, span, "invalid syntax");
                    }
                    slash = true;
                    posonly = std::mem::take(&mut plain);
                }
            }
        }
        Arguments {
            posonlyargs: posonly.into(),
            args: plain.into(),
            vararg,
            kwonlyargs: kwonly.into(),
            kw_defaults: kw_defaults.into(),
            kwarg,
            defaults: defaults.into(),
        }
    }

    fn star_before(&self, span: Span) -> u32 {
        if self.text(span) == "*" {
            return span.start;
        }
        self.source.text()[..span.start as usize].rfind('*').unwrap_or(0) as u32
    }

    // ---- strings ----

    fn warn_escape(&mut self, at: u32, escape: &str) {
        let (span, message) = if escape.bytes().all(|byte| byte.is_ascii_digit()) {
            (
                Span::new(at, at + 1 + escape.len() as u32),
                format!(
                    "\"\\{escape}\" is an invalid octal escape sequence. Such sequences will not work in the future. \
                     Did you mean \"\\\\{escape}\"? A raw string is also an option."
                ),
            )
        } else {
            (
                Span::new(at, at + 1 + escape.len() as u32),
                format!(
                    "\"\\{escape}\" is an invalid escape sequence. Such sequences will not work in the future. \
                     Did you mean \"\\\\{escape}\"? A raw string is also an option."
                ),
            )
        };
        self.warnings.push(SyntaxWarning { span, message });
    }

    /// Decode `content`; what is wrong with its escapes is reported at `token`.
    fn decode(&mut self, content: Span, mode: Mode, token: Span, out: &mut StrBuffer) {
        let mut escapes = Vec::new();
        let decoded = literal::decode(self.text(content), mode, &mut |escape| escapes.push(escape));
        for escape in escapes {
            match escape {
                Escape::Doubtful(at, escape) => self.warn_escape(content.start + at as u32, &escape),
                Escape::Bad(text) => self.errors.push(
                    Diagnostic::new(Code::InvalidEscape, token, text)
                        .hint("write two backslashes, or make it a raw string: r\"…\""),
                ),
            }
        }
        out.has_surrogates |= decoded.has_surrogates;
        if out.bytes.is_empty() {
            out.bytes = decoded.bytes;
        } else {
            out.bytes.extend_from_slice(&decoded.bytes);
        }
    }

    /// Decode the string token at `token` into `out`; whether it is a bytes literal, and whether it has the prefix u.
    fn decode_token(&mut self, token: Span, out: &mut StrBuffer) -> (bool, bool) {
        let text = self.text(token).as_bytes();
        let prefix = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let has = |letter: u8| text[..prefix].iter().any(|byte| byte.to_ascii_lowercase() == letter);
        let (raw, bytes, u_prefix) = (has(b'r'), has(b'b'), has(b'u'));
        let quote = text.get(prefix).copied().unwrap_or_default();
        let quotes = if text.len() >= prefix + 6 && text[prefix..].starts_with(&[quote; 3]) { 3 } else { 1 };
        if text.len() < prefix + 2 * quotes || !text.ends_with(&[quote; 3][..quotes]) {
            // The lexer has said that it isn't closed.
            return (bytes, u_prefix);
        }
        let content = Span::new(token.start + (prefix + quotes) as u32, token.end - quotes as u32);
        if bytes && !self.text(content).is_ascii() {
            self.report(Code::InvalidLiteral, token, "bytes can only contain ASCII literal characters");
        }
        self.decode(content, Mode { raw, bytes, braces: false }, token, out);
        (bytes, u_prefix)
    }

    pub(crate) fn string(&mut self, start: u32, end: u32) -> ExprId {
        let mut buffer = StrBuffer::default();
        let (bytes, u_prefix) = self.decode_token(Span::new(start, end), &mut buffer);
        let value = if bytes { Constant::Bytes(buffer.bytes.into()) } else { buffer.constant(u_prefix) };
        self.constant(start, value, end)
    }

    pub(crate) fn string_part(&mut self, start: u32, part: StringPart, end: u32) -> ExprId {
        self.strings(start, vec![part], end)
    }

    /// Adjacent literals become one node.
    pub(crate) fn strings(&mut self, start: u32, parts: Vec<StringPart>, end: u32) -> ExprId {
        let is_bytes = |builder: &Self, part: &StringPart| {
            matches!(part, StringPart::Plain(span)
                if builder.text(*span).bytes().take_while(u8::is_ascii_alphabetic).any(|byte| matches!(byte, b'b' | b'B')))
        };
        let bytes = parts.iter().filter(|part| is_bytes(self, part)).count();
        let templates = parts.iter().filter(|part| matches!(part, StringPart::Format { template: true, .. })).count();
        let formats = parts.iter().filter(|part| matches!(part, StringPart::Format { .. })).count();
        if templates > 0 && templates < parts.len() {
            let text = "cannot mix t-string literals with string or bytes literals";
            self.report(Code::InvalidLiteral, Span::new(start, end), text);
        } else if bytes > 0 && bytes < parts.len() {
            self.report_after(
                Code::InvalidLiteral,
                Span::new(start, end),
                end,
                "cannot mix bytes and nonbytes literals",
            );
        }
        let mut buffer = StrBuffer::default();
        if formats == 0 {
            let mut u_prefix = false;
            for (index, part) in parts.iter().enumerate() {
                if let StringPart::Plain(span) = part {
                    let (_, prefix) = self.decode_token(*span, &mut buffer);
                    u_prefix |= index == 0 && prefix;
                }
            }
            let value = if bytes > 0 { Constant::Bytes(buffer.bytes.into()) } else { buffer.constant(u_prefix) };
            return self.constant(start, value, end);
        }
        // Neighbouring constants, also across literals, become one.
        let mut values = Vec::new();
        let mut pending: Option<Pending> = None;
        for part in parts {
            match part {
                StringPart::Plain(span) => {
                    let mut joined = pending.take().unwrap_or_else(|| Pending::new(span));
                    joined.span.end = span.end;
                    let first = joined.text.bytes.is_empty();
                    let (_, u_prefix) = self.decode_token(span, &mut joined.text);
                    joined.u_prefix |= first && u_prefix;
                    pending = Some(joined);
                }
                StringPart::Format { values: own, .. } => {
                    for value in own {
                        let node = self.ast.expr(value);
                        let ExprKind::Constant(Constant::Str(text)) = &node.kind else {
                            self.flush(&mut pending, &mut values);
                            values.push(value);
                            continue;
                        };
                        let span = node.span;
                        let joined = pending.get_or_insert_with(|| Pending::new(span));
                        joined.span.end = span.end;
                        joined.text.bytes.extend_from_slice(&text.bytes);
                        joined.text.has_surrogates |= text.has_surrogates;
                    }
                }
            }
        }
        self.flush(&mut pending, &mut values);
        let values = values.into();
        let kind = if templates > 0 { ExprKind::TemplateStr { values } } else { ExprKind::JoinedStr { values } };
        self.expr(start, kind, end)
    }

    fn flush(&mut self, pending: &mut Option<Pending>, values: &mut Vec<ExprId>) {
        if let Some(Pending { span, text, u_prefix }) = pending.take()
            && !text.bytes.is_empty()
        {
            let value = text.constant(u_prefix);
            values.push(self.constant(span.start, value, span.end));
        }
    }

    pub(crate) fn f_string(&mut self, start: u32, open: u32, text: Vec<TextPart>) -> StringPart {
        let values = self.text_parts(Span::new(start, open), text, false);
        StringPart::Format { template: false, values }
    }

    pub(crate) fn t_string(&mut self, start: u32, open: u32, text: Vec<TextPart>) -> StringPart {
        let values = self.text_parts(Span::new(start, open), text, true);
        StringPart::Format { template: true, values }
    }

    fn text_parts(&mut self, opening: Span, parts: Vec<TextPart>, template: bool) -> Vec<ExprId> {
        let raw = self.text(opening).contains(['r', 'R']);
        let mut values = Vec::new();
        let mut pending = None;
        self.text_into(raw, parts, template, &mut pending, &mut values);
        self.flush(&mut pending, &mut values);
        values
    }

    fn text_into(
        &mut self,
        raw: bool,
        parts: Vec<TextPart>,
        template: bool,
        pending: &mut Option<Pending>,
        values: &mut Vec<ExprId>,
    ) {
        for part in parts {
            match part {
                TextPart::Text(span) => {
                    let mut joined = pending.take().unwrap_or_else(|| Pending::new(span));
                    joined.span.end = span.end;
                    self.decode(span, Mode { raw, bytes: false, braces: true }, span, &mut joined.text);
                    *pending = Some(joined);
                }
                TextPart::Field(field) => {
                    if field.debug.is_some() {
                        let span = Span::new(field.text_start, field.value_end());
                        let text = without_comments(self.text(span));
                        let joined = pending.get_or_insert_with(|| Pending::new(span));
                        joined.span.end = span.end;
                        joined.text.bytes.extend_from_slice(text.as_bytes());
                    }
                    self.flush(pending, values);
                    values.push(self.field(raw, *field, template));
                }
            }
        }
    }

    fn field(&mut self, raw: bool, field: Field, template: bool) -> ExprId {
        let conversion = match field.conversion {
            None if field.debug.is_some() && field.spec.is_none() => Conversion::Repr,
            None => Conversion::None,
            Some((bang, ident)) if ident.span.start > bang + 1 => {
                let letter = if template { 't' } else { 'f' };
                let text = format!("{letter}-string: conversion type must come right after the exclamation mark");
                self.report(Code::InvalidField, Span::new(bang, ident.span.end), text);
                Conversion::None
            }
            Some((_, ident)) => match self.text(ident.span) {
                "s" => Conversion::Str,
                "r" => Conversion::Repr,
                "a" => Conversion::Ascii,
                other => {
                    let letter = if template { 't' } else { 'f' };
                    let text =
                        format!("{letter}-string: invalid conversion character '{other}': expected 's', 'r', or 'a'");
                    self.report(Code::InvalidField, ident.span, text);
                    Conversion::None
                }
            },
        };
        let text_end = field.debug.unwrap_or(field.value_end());
        let format_spec = field.spec.map(|(colon, parts)| {
            let mut values = Vec::new();
            let mut pending = None;
            // Fields in a format spec are formatted even in a template.
            self.text_into(raw, parts, false, &mut pending, &mut values);
            self.flush(&mut pending, &mut values);
            self.expr(colon, ExprKind::JoinedStr { values: values.into() }, field.close)
        });
        let value = field.value;
        if !template {
            return self.expr(field.start, ExprKind::FormattedValue { value, conversion, format_spec }, field.end);
        }
        let text = without_comments(self.text(Span::new(field.text_start, text_end)));
        let str = text.trim_end().into();
        self.expr(field.start, ExprKind::Interpolation { value, str, conversion, format_spec }, field.end)
    }

    // ---- statements ----

    pub(crate) fn stmt(&mut self, start: u32, kind: StmtKind, end: u32) -> StmtId {
        self.ast.add_stmt(kind, Span::new(start, end))
    }

    /// Note the end of the `;` behind the last statement of a line.
    pub(crate) fn semicolon(&mut self, stmt: StmtId, end: u32) {
        self.semicolons.insert(stmt, end);
    }

    /// The end of a block's last statement.
    fn block_end(&self, block: &[StmtId]) -> u32 {
        let Some(last) = block.last() else { return 0 };
        self.semicolons.get(last).copied().unwrap_or(self.ast.stmt(*last).span.end)
    }

    pub(crate) fn expr_stmt(&mut self, start: u32, value: ExprId, end: u32) -> StmtId {
        self.stmt(start, StmtKind::Expr { value }, end)
    }

    pub(crate) fn assign(&mut self, start: u32, targets: Vec<ExprId>, value: ExprId, end: u32) -> StmtId {
        let single = targets.len() == 1;
        for &target in &targets {
            self.narrow(target, Purpose::Assign { single_to: single.then_some(value) });
        }
        self.stmt(start, StmtKind::Assign { targets: targets.into(), value }, end)
    }

    pub(crate) fn aug_assign(&mut self, start: u32, target: ExprId, op: BinaryOp, value: ExprId, end: u32) -> StmtId {
        self.narrow(target, Purpose::Augment);
        self.stmt(start, StmtKind::AugAssign { target, op, value }, end)
    }

    pub(crate) fn ann_assign(
        &mut self,
        start: u32,
        target: ExprId,
        annotation: ExprId,
        value: Option<ExprId>,
        end: u32,
    ) -> StmtId {
        self.narrow(target, Purpose::Annotate);
        let node = self.ast.expr(target);
        let simple = matches!(node.kind, ExprKind::Name { .. }) && !node.parenthesized;
        self.stmt(start, StmtKind::AnnAssign { target, annotation, value, simple }, end)
    }

    pub(crate) fn type_alias(
        &mut self,
        start: u32,
        name: Ident,
        type_params: Option<Vec<TypeParam>>,
        value: ExprId,
        end: u32,
    ) -> StmtId {
        let name = self.name(name);
        self.narrow(name, Purpose::Assign { single_to: None });
        let type_params = type_params.unwrap_or_default().into();
        self.stmt(start, StmtKind::TypeAlias { name, type_params, value }, end)
    }

    pub(crate) fn delete(&mut self, start: u32, targets: ExprId, end: u32) -> StmtId {
        self.narrow(targets, Purpose::Delete);
        let node = self.ast.expr(targets);
        let targets = match &node.kind {
            ExprKind::Tuple { elts, .. } if !node.parenthesized => elts.clone(),
            _ => [targets].into(),
        };
        self.stmt(start, StmtKind::Delete { targets }, end)
    }

    pub(crate) fn assert(&mut self, start: u32, test: ExprId, msg: Option<ExprId>, end: u32) -> StmtId {
        self.stmt(start, StmtKind::Assert { test, msg }, end)
    }

    pub(crate) fn alias(&mut self, start: u32, name: Span, asname: Option<ExprId>, end: u32) -> Alias {
        let name = self.dotted(name);
        let asname = asname.and_then(|target| self.plain_name(target, "import target", "use"));
        Alias { name, asname, span: Span::new(start, end) }
    }

    /// `target` has to be a name: `cannot {verb} attribute as {role}`.
    fn plain_name(&mut self, target: ExprId, role: &str, verb: &str) -> Option<Symbol> {
        let node = self.ast.expr(target);
        if let ExprKind::Name { id, .. } = node.kind
            && !node.parenthesized
        {
            return Some(id);
        }
        let (span, name) = (node.span, target::describe(&node.kind));
        self.report(Code::InvalidTarget, span, format!("cannot {verb} {name} as {role}"));
        None
    }

    pub(crate) fn star_alias(&mut self, start: u32, end: u32) -> Alias {
        Alias { name: self.ast.names.intern("*"), asname: None, span: Span::new(start, end) }
    }

    pub(crate) fn import_from(
        &mut self,
        start: u32,
        level: u32,
        module: Option<Span>,
        names: Vec<Alias>,
        end: u32,
    ) -> StmtId {
        if level == 0 && module.is_none() {
            let at = self.source.text()[start as usize..].find("import").map_or(start, |skip| start + skip as u32);
            self.report(Code::InvalidImport, Span::new(at, at + 6), "invalid syntax");
        }
        let module = module.map(|span| self.dotted(span));
        self.stmt(start, StmtKind::ImportFrom { module, names: names.into(), level }, end)
    }

    pub(crate) fn branch(&mut self, start: u32, test: ExprId, body: Block) -> IfBranch {
        let end = self.block_end(&body);
        IfBranch { test, body, span: Span::new(start, end) }
    }

    pub(crate) fn if_stmt(
        &mut self,
        start: u32,
        test: ExprId,
        body: Block,
        elifs: Vec<IfBranch>,
        orelse: Option<Block>,
    ) -> StmtId {
        let orelse = orelse.unwrap_or_default();
        let first = self.branch(start, test, body);
        let mut branches = vec![first];
        branches.extend(elifs);
        let last = branches.last().expect("the first branch").span.end;
        let end = if orelse.is_empty() { last } else { self.block_end(&orelse) };
        for branch in &mut branches {
            branch.span.end = end;
        }
        self.stmt(start, StmtKind::If { branches: branches.into(), orelse }, end)
    }

    pub(crate) fn while_stmt(&mut self, start: u32, test: ExprId, body: Block, orelse: Option<Block>) -> StmtId {
        let orelse = orelse.unwrap_or_default();
        let end = self.block_end(if orelse.is_empty() { &body } else { &orelse });
        self.stmt(start, StmtKind::While { test, body, orelse }, end)
    }

    pub(crate) fn for_stmt(
        &mut self,
        start: u32,
        is_async: bool,
        target: ExprId,
        iter: ExprId,
        body: Block,
        orelse: Option<Block>,
    ) -> StmtId {
        let orelse = orelse.unwrap_or_default();
        let end = self.block_end(if orelse.is_empty() { &body } else { &orelse });
        self.stmt(start, StmtKind::For { is_async, target, iter, body, orelse }, end)
    }

    pub(crate) fn target(&mut self, target: ExprId) -> ExprId {
        self.narrow(target, Purpose::For);
        target
    }

    pub(crate) fn with_item(&mut self, context_expr: ExprId, target: ExprId) -> WithItem {
        self.narrow(target, Purpose::As);
        WithItem { context_expr, optional_vars: Some(target) }
    }

    pub(crate) fn with_stmt(&mut self, start: u32, is_async: bool, items: Vec<WithItem>, body: Block) -> StmtId {
        let end = self.block_end(&body);
        let items = self.with_items(items).into();
        self.stmt(start, StmtKind::With { is_async, items, body }, end)
    }

    /// Parentheses around all items are part of the statement, not a tuple.
    fn with_items(&mut self, items: Vec<WithItem>) -> Vec<WithItem> {
        let [WithItem { context_expr: group, optional_vars: None }] = items[..] else { return items };
        if let Some(index) = self.with_groups.iter().rposition(|(id, _)| *id == group) {
            let (_, grouped) = self.with_groups.remove(index);
            return grouped
                .into_iter()
                .map(|item| match item.target {
                    Some(target) => self.with_item(item.value, target),
                    None => WithItem { context_expr: item.value, optional_vars: None },
                })
                .collect();
        }
        let node = self.ast.expr(group);
        let ExprKind::Tuple { elts, .. } = &node.kind else { return items };
        let is_item = |id: &ExprId| {
            let node = self.ast.expr(*id);
            match node.kind {
                ExprKind::Starred { .. } => false,
                ExprKind::NamedExpr { .. } => node.parenthesized,
                _ => true,
            }
        };
        if elts.is_empty() || !elts.iter().all(is_item) {
            return items;
        }
        elts.iter().map(|&context_expr| WithItem { context_expr, optional_vars: None }).collect()
    }

    pub(crate) fn handler(
        &mut self,
        start: u32,
        is_star: bool,
        type_: Option<ExprId>,
        name: Option<ExprId>,
        body: Block,
    ) -> Handler {
        let end = self.block_end(&body);
        if let (Some(type_), Some(name)) = (type_, name) {
            let node = self.ast.expr(type_);
            if let ExprKind::Tuple { elts, .. } = &node.kind
                && !node.parenthesized
                && let [first, ..] = elts[..]
            {
                let span = self.span(first).to(self.span(name));
                self.report(
                    Code::InvalidClause,
                    span,
                    "multiple exception types must be parenthesized when using 'as'",
                );
            }
        }
        let name = name.and_then(|target| {
            let node = self.ast.expr(target);
            if let ExprKind::Name { id, .. } = node.kind
                && !node.parenthesized
            {
                return Some(id);
            }
            let (span, name) = (node.span, target::describe(&node.kind));
            let star = if is_star { "*" } else { "" };
            self.report(Code::InvalidTarget, span, format!("cannot use except{star} statement with {name}"));
            None
        });
        Handler { is_star, handler: ExceptHandler { type_, name, body, span: Span::new(start, end) } }
    }

    pub(crate) fn try_stmt(
        &mut self,
        start: u32,
        body: Block,
        handlers: Vec<Handler>,
        orelse: Option<Block>,
        finalbody: Option<Block>,
    ) -> StmtId {
        let is_star = handlers.first().is_some_and(|handler| handler.is_star);
        if let Some(other) = handlers.iter().find(|handler| handler.is_star != is_star) {
            let start = other.handler.span.start;
            let star = self.token_at(start + 6);
            let end = if star.token == Token::Star { star.span.end } else { start + 6 };
            self.report(
                Code::InvalidClause,
                Span::new(start, end),
                "cannot have both 'except' and 'except*' on the same 'try'",
            );
        }
        let handlers: Box<[ExceptHandler]> = handlers.into_iter().map(|handler| handler.handler).collect();
        let (orelse, finalbody) = (orelse.unwrap_or_default(), finalbody.unwrap_or_default());
        let end = if !finalbody.is_empty() {
            self.block_end(&finalbody)
        } else if !orelse.is_empty() {
            self.block_end(&orelse)
        } else {
            handlers.last().map_or(start, |handler| handler.span.end)
        };
        self.stmt(start, StmtKind::Try(Box::new(Try { is_star, body, handlers, orelse, finalbody })), end)
    }

    pub(crate) fn match_stmt(&mut self, start: u32, subject: ExprId, cases: Vec<MatchCase>) -> StmtId {
        let end = cases.last().map_or(start, |case| self.block_end(&case.body));
        self.stmt(start, StmtKind::Match { subject, cases: cases.into() }, end)
    }

    #[expect(clippy::too_many_arguments, reason = "a definition has that many parts")]
    pub(crate) fn function(
        &mut self,
        start: u32,
        is_async: bool,
        name: Ident,
        type_params: Option<Vec<TypeParam>>,
        params: Params,
        returns: Option<ExprId>,
        body: Block,
    ) -> StmtId {
        let end = self.block_end(&body);
        let args = self.arguments(params, false);
        let function = FunctionDef {
            is_async,
            name: name.name,
            name_span: name.span,
            args,
            body,
            decorators: Box::default(),
            returns,
            type_params: type_params.unwrap_or_default().into(),
        };
        self.stmt(start, StmtKind::FunctionDef(Box::new(function)), end)
    }

    pub(crate) fn class(
        &mut self,
        start: u32,
        name: Ident,
        type_params: Option<Vec<TypeParam>>,
        args: Option<Args>,
        body: Block,
    ) -> StmtId {
        let end = self.block_end(&body);
        let args = args.unwrap_or_default();
        if args.lone_generator
            && let ExprKind::GeneratorExp { elt, .. } = self.ast.expr(args.args[0]).kind
        {
            let end = self.span(elt).end;
            self.report_after(Code::InvalidArguments, Span::at(end), end, "invalid syntax");
        }
        let class = ClassDef {
            name: name.name,
            name_span: name.span,
            bases: args.args.into(),
            keywords: args.keywords.into(),
            body,
            decorators: Box::default(),
            type_params: type_params.unwrap_or_default().into(),
        };
        self.stmt(start, StmtKind::ClassDef(Box::new(class)), end)
    }

    pub(crate) fn decorate(&mut self, decorators: Vec<ExprId>, definition: StmtId) -> StmtId {
        match &mut self.ast.stmt_mut(definition).kind {
            StmtKind::FunctionDef(function) => function.decorators = decorators.into(),
            StmtKind::ClassDef(class) => class.decorators = decorators.into(),
            _ => unreachable!("the grammar decorates definitions only"),
        }
        definition
    }

    pub(crate) fn type_param(
        &mut self,
        start: u32,
        kind: TypeParamKind,
        name: Ident,
        default: Option<ExprId>,
        end: u32,
    ) -> TypeParam {
        TypeParam { kind, name: name.name, default, span: Span::new(start, end) }
    }

    // ---- patterns ----

    fn pattern(&mut self, start: u32, kind: PatternKind, end: u32) -> PatternId {
        self.ast.add_pattern(kind, Span::new(start, end))
    }

    pub(crate) fn value_pattern(&mut self, start: u32, value: ExprId, end: u32) -> PatternId {
        let kind = match &self.ast.expr(value).kind {
            ExprKind::Constant(value @ (Constant::None | Constant::True | Constant::False)) => {
                PatternKind::MatchSingleton { value: value.clone() }
            }
            ExprKind::JoinedStr { .. } | ExprKind::TemplateStr { .. } => {
                let text = "patterns may only match literals and attribute lookups";
                self.report(Code::InvalidPattern, Span::new(start, end), text);
                PatternKind::MatchValue { value }
            }
            _ => PatternKind::MatchValue { value },
        };
        self.pattern(start, kind, end)
    }

    pub(crate) fn complex_pattern(
        &mut self,
        start: u32,
        left: ExprId,
        op: BinaryOp,
        right: ExprId,
        end: u32,
    ) -> ExprId {
        let is_imaginary = |id: ExprId| matches!(self.ast.expr(id).kind, ExprKind::Constant(Constant::Complex(_)));
        let real = match self.ast.expr(left).kind {
            ExprKind::UnaryOp { operand, .. } => operand,
            _ => left,
        };
        if is_imaginary(real) {
            let span = self.span(left);
            self.report(Code::InvalidPattern, span, "real number required in complex literal");
        } else if !is_imaginary(right) {
            let span = self.span(right);
            self.report(Code::InvalidPattern, span, "imaginary number required in complex literal");
        }
        self.expr(start, ExprKind::BinOp { left, op, right }, end)
    }

    pub(crate) fn capture(&mut self, name: Ident) -> PatternId {
        let bound = (self.text(name.span) != "_").then_some(name.name);
        self.pattern(name.span.start, PatternKind::MatchAs { pattern: None, name: bound }, name.span.end)
    }

    pub(crate) fn star_pattern(&mut self, start: u32, name: Ident, end: u32) -> PatternId {
        let name = (self.text(name.span) != "_").then_some(name.name);
        self.pattern(start, PatternKind::MatchStar { name }, end)
    }

    pub(crate) fn as_pattern(&mut self, start: u32, pattern: PatternId, target: ExprId, end: u32) -> PatternId {
        let span = self.span(target);
        let name = if self.text(span) == "_" {
            self.report(Code::InvalidPattern, span, "cannot use '_' as a target");
            None
        } else {
            self.plain_name(target, "pattern target", "use")
        };
        self.pattern(start, PatternKind::MatchAs { pattern: Some(pattern), name }, end)
    }

    pub(crate) fn or_pattern(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        self.pattern(start, PatternKind::MatchOr { patterns: patterns.into() }, end)
    }

    pub(crate) fn sequence_pattern(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        self.pattern(start, PatternKind::MatchSequence { patterns: patterns.into() }, end)
    }

    /// `case (a, b):`
    pub(crate) fn tuple_pattern(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        if let [only] = patterns[..] {
            let rest = self.text(Span::new(self.ast.pattern(only).span.end, end));
            // A comma may stand behind comments.
            let comma = rest.lines().any(|line| line.split('#').next().is_some_and(|code| code.contains(',')));
            if !comma {
                self.report(Code::InvalidPattern, Span::new(end - 1, end), "invalid syntax");
            }
        }
        self.sequence_pattern(start, patterns, end)
    }

    /// `case a, b:`
    pub(crate) fn open_sequence(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        if let [only] = patterns[..]
            && self.ast.pattern(only).span.end == end
        {
            // A lone star without a comma.
            self.report_after(Code::InvalidPattern, Span::new(start, end), end, "invalid syntax");
        }
        self.sequence_pattern(start, patterns, end)
    }

    pub(crate) fn mapping_pattern(&mut self, start: u32, items: Vec<MappingItem>, end: u32) -> PatternId {
        let (mut keys, mut patterns, mut rest) = (Vec::new(), Vec::new(), None);
        for item in items {
            if let MappingItem::Pair(key, _) = &item
                && matches!(self.ast.expr(*key).kind, ExprKind::JoinedStr { .. } | ExprKind::TemplateStr { .. })
            {
                let text = "mapping pattern keys may only match literals and attribute lookups";
                self.report(Code::InvalidPattern, Span::new(start, end), text);
            }
            if rest.is_some() {
                let start = match &item {
                    MappingItem::Pair(key, _) => self.span(*key).start,
                    MappingItem::Rest(stars, _) => *stars,
                };
                self.report_after(Code::InvalidPattern, Span::at(start), start, "invalid syntax");
            }
            match item {
                MappingItem::Pair(key, pattern) => {
                    keys.push(key);
                    patterns.push(pattern);
                }
                MappingItem::Rest(_, name) => {
                    if self.text(name.span) == "_" {
                        self.report(Code::InvalidPattern, name.span, "invalid syntax");
                    }
                    rest = Some(name.name);
                }
            }
        }
        let kind = PatternKind::MatchMapping { keys: keys.into(), patterns: patterns.into(), rest };
        self.pattern(start, kind, end)
    }

    pub(crate) fn class_pattern(&mut self, start: u32, cls: ExprId, items: Vec<ClassItem>, end: u32) -> PatternId {
        let (mut patterns, mut attrs, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut misplaced: Option<Span> = None;
        for item in items {
            match item.name {
                Some(name) => {
                    attrs.push(name.name);
                    values.push(item.pattern);
                }
                None => {
                    let span = self.ast.pattern(item.pattern).span;
                    if !attrs.is_empty() {
                        misplaced = Some(misplaced.map_or(span, |first| first.to(span)));
                    }
                    patterns.push(item.pattern);
                }
            }
        }
        if let Some(span) = misplaced {
            self.report(Code::InvalidPattern, span, "positional patterns follow keyword patterns");
        }
        let kind = PatternKind::MatchClass {
            cls,
            patterns: patterns.into(),
            kwd_attrs: attrs.into(),
            kwd_patterns: values.into(),
        };
        self.pattern(start, kind, end)
    }
}

/// The text of a string under construction.
#[derive(Debug, Default)]
struct StrBuffer {
    bytes: Vec<u8>,
    has_surrogates: bool,
}

impl StrBuffer {
    fn constant(self, u_prefix: bool) -> Constant {
        Constant::Str(Box::new(StrLiteral { bytes: self.bytes.into(), has_surrogates: self.has_surrogates, u_prefix }))
    }
}

/// A constant part of an f-string that may still grow.
#[derive(Debug)]
struct Pending {
    span: Span,
    text: StrBuffer,
    u_prefix: bool,
}

impl Pending {
    fn new(span: Span) -> Pending {
        Pending { span, text: StrBuffer::default(), u_prefix: false }
    }
}

fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::BitOr => 1,
        BinaryOp::BitXor => 2,
        BinaryOp::BitAnd => 3,
        BinaryOp::LShift | BinaryOp::RShift => 4,
        BinaryOp::Add | BinaryOp::Sub => 5,
        BinaryOp::Mult | BinaryOp::MatMult | BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Mod => 6,
        BinaryOp::Pow => 7,
    }
}

/// The text of a replacement field's expression, as `=` and templates show it: comments are left out, and lines end in
/// `\n`.
fn without_comments(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['#', '\r']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (_, '\r') => {
                chars.next_if_eq(&'\n');
                out.push('\n');
                continue;
            }
            (Some(open), _) if char == open => quote = None,
            (None, '"' | '\'') => quote = Some(char),
            (None, '#') => {
                while chars.next_if(|&next| next != '\n' && next != '\r').is_some() {}
                continue;
            }
            _ => {}
        }
        out.push(char);
    }
    out.into()
}
