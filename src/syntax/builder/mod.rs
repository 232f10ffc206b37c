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

mod expr;
mod pattern;
mod stmt;
mod string;

pub(in crate::syntax) use expr::too_complex;

/// How high an expression or pattern may be: what the passes over a tree have room for on any stack.
pub(in crate::syntax) const MAX_HEIGHT: u32 = 2_990;
/// As `MAX_HEIGHT`, where they have a large stack to themselves.
pub(in crate::syntax) const MAX_HEIGHT_DEEP: u32 = 30_000;
/// How high one may be whose operand is on the right: about what CPython's parser takes.
const MAX_HEIGHT_RIGHT: u32 = 5_975;

/// Collects the tree of one text.
#[derive(Debug)]
pub(crate) struct Builder<'s> {
    pub(in crate::syntax) source: &'s SourceFile,
    tokens: &'s [Lexeme],
    pub(in crate::syntax) ast: Ast,
    pub(in crate::syntax) errors: Vec<Diagnostic>,
    pub(in crate::syntax) warnings: Vec<SyntaxWarning>,
    /// `(a as b, c)`: legal only as the items of a `with`, which takes it from here.
    with_groups: Vec<(ExprId, Vec<GroupItem>)>,
    too_high: bool,
    pub(in crate::syntax) max_height: u32,
    /// Statements with a `;` behind them, and where it ends: blocks that end in one reach that far.
    semicolons: HashMap<StmtId, u32>,
    /// The quotes that end the f- or t-string whose texts are decoded: what is wrong with an escape is reported there.
    string_end: Span,
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
    pub(in crate::syntax) fn new(source: &'s SourceFile, tokens: &'s [Lexeme]) -> Builder<'s> {
        Builder {
            source,
            tokens,
            ast: Ast::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            with_groups: Vec::new(),
            too_high: false,
            max_height: MAX_HEIGHT,
            semicolons: HashMap::new(),
            string_end: Span::default(),
        }
    }

    /// Report what only shows when all is parsed: `complete` says whether it is.
    pub(in crate::syntax) fn finish(&mut self, complete: bool) {
        let groups = std::mem::take(&mut self.with_groups);
        for (group, items) in groups.into_iter().filter(|_| complete) {
            if let Some(target) = items.iter().find_map(|item| item.target) {
                let span = self.ast.expr(target).span;
                let group = self.span(group);
                let at = self.tokens.partition_point(|lexeme| lexeme.span.start < group.start);
                if at > 0 && self.tokens[at - 1].token == Token::With {
                    // The items are sound: what follows them is what doesn't fit.
                    self.report_after(Code::UnexpectedToken, Span::default(), group.end, "invalid syntax");
                    continue;
                }
                // The error is at the `as` before the target.
                let before = self.source.text()[..span.start as usize].rfind("as").unwrap_or(0) as u32;
                self.report(Code::UnexpectedToken, Span::new(before, before + 2), "invalid syntax");
            }
        }
        self.errors.sort_by_key(|diagnostic| diagnostic.span.start);
    }

    pub(in crate::syntax) fn report(&mut self, code: Code, span: Span, text: impl Into<String>) {
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

    pub(in crate::syntax) fn text(&self, span: Span) -> &'s str {
        &self.source.text()[span.range()]
    }

    pub(in crate::syntax) fn span(&self, id: ExprId) -> Span {
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
}
