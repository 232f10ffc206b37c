//! The second reading of a text that was refused: what CPython says of it, and where.
//!
//! CPython's parser is a PEG: what its message is follows from the order in which it tries things, and from how far it has read. To say the
//! same of any mistake, this is such a parser too: the grammar of the language reference (its "Full Grammar specification") in the
//! reference's order, and between its rules the mistakes that have words of their own. It builds no tree and runs only
//! once a text was refused. The first pass knows no mistakes: it tells how far a text can be read. The second looks for them.
//!
//! A rule is a method. It returns what it read, or [`No`], and then whoever tried it sets the position back: [`Reader::attempt`] does.

mod comprehensions;
mod expressions;
mod functions;
mod patterns;
mod statements;
mod strings;
mod targets;

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, ErrorClass, Reported};
use crate::source::{SourceFile, Span};

use super::layout::Lexed;
use super::parser::Mode;
use super::token::{Lexeme, Token};

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// CPython's words.
    pub(super) text: String,
    /// The class of exception.
    pub(super) class: ErrorClass,
    /// Where it is.
    pub(super) reported: Reported,
    /// The words it is about.
    pub(super) span: Span,
    /// Whether the line shown has its line end: only while the tokenizer has not read beyond it.
    pub(super) line_end: bool,
}

/// Why a rule has nothing to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum No {
    /// It doesn't fit here: another may.
    Match,
    /// What is wrong is found: nothing else is tried.
    More,
}

type Read<T> = Result<T, No>;

/// What messages call an expression, as far as rules and messages tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Attribute,
    Subscript,
    Starred,
    Name,
    List,
    Tuple,
    Lambda,
    Call,
    Operation,
    Generator,
    Yield,
    Await,
    ListComp,
    SetComp,
    DictComp,
    Dict,
    Set,
    FString,
    TString,
    None,
    True,
    False,
    Ellipsis,
    Literal,
    /// A comparison; whether its first operator is `in`.
    Compare(bool),
    Conditional,
    Named,
}

impl Kind {
    fn describe(self) -> &'static str {
        match self {
            Kind::Attribute => "attribute",
            Kind::Subscript => "subscript",
            Kind::Starred => "starred",
            Kind::Name => "name",
            Kind::List => "list",
            Kind::Tuple => "tuple",
            Kind::Lambda => "lambda",
            Kind::Call => "function call",
            Kind::Operation => "expression",
            Kind::Generator => "generator expression",
            Kind::Yield => "yield expression",
            Kind::Await => "await expression",
            Kind::ListComp => "list comprehension",
            Kind::SetComp => "set comprehension",
            Kind::DictComp => "dict comprehension",
            Kind::Dict => "dict literal",
            Kind::Set => "set display",
            Kind::FString => "f-string expression",
            Kind::TString => "t-string expression",
            Kind::None => "None",
            Kind::True => "True",
            Kind::False => "False",
            Kind::Ellipsis => "ellipsis",
            Kind::Literal => "literal",
            Kind::Compare(_) => "comparison",
            Kind::Conditional => "conditional expression",
            Kind::Named => "named expression",
        }
    }
}

/// An expression that was read.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// Its first token, and its last.
    first: u32,
    last: u32,
    /// Where its parts are in the reader's list: the elements of a tuple or list, the value of what is starred, the left of a comparison.
    parts: (u32, u32),
}

/// A rule whose results are remembered: it would be tried at the same place again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rule {
    SimpleStatement,
    Block,
    Expression,
    StarExpression,
    NamedMistake,
    Disjunction,
    Conjunction,
    Inversion,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Sum,
    Term,
    Factor,
    AwaitPrimary,
    Primary,
    Strings,
    Arguments,
    StarTarget,
    TargetWithStarAtom,
    TargetPrimary,
    DeletionTarget,
    ClosedPattern,
    StarPattern,
    TypeParameter,
}

/// Deeper than this nothing is read: the parser has refused such texts by then for their depth.
const MAX_DEPTH: u32 = 6_000;

/// How much stack a level of the deepest chain of rules takes at most, in bytes.
const LEVEL: usize = 6 << 10;

struct Reader<'a> {
    source: &'a SourceFile,
    tokens: &'a [Lexeme],
    lexed: &'a Lexed,
    /// How many brackets are open behind each token.
    levels: Vec<u32>,
    /// Where the tokenizer stops: the token, and the error it stops with.
    broken: Option<(usize, &'a Diagnostic)>,
    /// The number of tokens before the end of the text.
    end: usize,
    at: usize,
    /// How many tokens have been asked for.
    filled: usize,
    /// Whether mistakes are looked for.
    second: bool,
    depth: u32,
    fault: Option<Fault>,
    /// Whether the fault is the tokenizer's.
    by_tokenizer: bool,
    memo: HashMap<(Rule, u32), Option<(u32, Node)>>,
    parts: Vec<Node>,
    mode: Mode,
}

/// What CPython says of a text that was refused; None if it would take it, or is not the one to ask: what is too deep, and what is
/// found behind the parser.
pub(super) fn reread(source: &SourceFile, lexed: &Lexed, mode: Mode) -> Option<Fault> {
    let mut level = 0_u32;
    let levels: Vec<u32> = lexed
        .tokens
        .iter()
        .map(|lexeme| {
            match lexeme.token {
                Token::LParen | Token::LBracket | Token::LBrace | Token::FieldStart => level += 1,
                Token::RParen | Token::RBracket | Token::RBrace | Token::FieldEnd => level = level.saturating_sub(1),
                _ => {}
            }
            level
        })
        .collect();
    // Deep texts are read where there is room for the recursion.
    let deepest = levels.iter().copied().max().unwrap_or(0);
    let read = || Reader::new(source, lexed, levels.clone(), mode).run();
    if deepest < 8 && lexed.tokens.len() < 400 {
        return read();
    }
    let stack = MAX_DEPTH as usize * LEVEL;
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, read).ok()?.join().ok()?
    })
}

/// Try each in turn; the first that fits is returned.
macro_rules! any {
    ($outer:expr => $reader:ident; $($alternative:expr),+ $(,)?) => {{
        $(if let Some(found) = $outer.attempt(|$reader| $alternative)? { return Ok(found); })+
        Err(No::Match)
    }};
}
use any;

impl<'a> Reader<'a> {
    fn new(source: &'a SourceFile, lexed: &'a Lexed, levels: Vec<u32>, mode: Mode) -> Reader<'a> {
        let tokens = &lexed.tokens[..];
        let broken = lexed.errors.first().zip(lexed.broken).map(|(error, at)| {
            // CPython looks behind a backslash while it measures the indentation.
            let measured = error.code == Code::InvalidContinuation;
            let layout = |lexeme: &Lexeme| matches!(lexeme.token, Token::Indent | Token::Dedent);
            let before = tokens[..at].iter().rev().take_while(|lexeme| measured && layout(lexeme)).count();
            (at - before, error)
        });
        let mut end = tokens.len();
        if !lexed.unclosed.is_empty() && broken.is_none() {
            // There is no end of a line within brackets.
            while end > 0 && tokens[end - 1].token == Token::Dedent {
                end -= 1;
            }
            end = end.saturating_sub(1);
        }
        Reader {
            source,
            tokens,
            lexed,
            levels,
            broken,
            end,
            at: 0,
            filled: 0,
            second: false,
            depth: 0,
            fault: None,
            by_tokenizer: false,
            memo: HashMap::new(),
            parts: Vec::new(),
            mode,
        }
    }

    fn run(mut self) -> Option<Fault> {
        let read = self.whole();
        if self.depth > MAX_DEPTH {
            return None;
        }
        if read.is_ok() {
            if self.mode == Mode::Interactive && self.at < self.end {
                self.raise("multiple statements found while compiling a single statement");
            }
            return self.fault;
        }
        if self.fault.is_some() {
            if !self.by_tokenizer {
                self.look_ahead();
            }
            return self.fault;
        }
        let last = self.filled.saturating_sub(1);
        (self.at, self.depth, self.second) = (0, 0, true);
        self.memo.clear();
        self.parts.clear();
        let read = self.whole();
        if self.depth > MAX_DEPTH {
            return None;
        }
        if self.fault.is_none() {
            if read.is_ok() {
                return None;
            }
            match self.token_at(last) {
                Some(Token::Indent) => {
                    self.indentation_error("unexpected indent");
                    return self.fault;
                }
                Some(Token::Dedent) => {
                    self.indentation_error("unexpected unindent");
                    return self.fault;
                }
                _ => {}
            }
            let mut fault = self.fault_at(last, "invalid syntax");
            if last >= self.end {
                fault.reported = Reported::End;
            }
            self.fault = Some(fault);
        }
        if !self.by_tokenizer {
            self.look_ahead();
        }
        self.fault
    }

    /// The rest of the text may have a fault of the tokenizer, which is told in place of the one that was found.
    fn look_ahead(&mut self) {
        match self.broken {
            Some((at, error)) if at >= self.filled => {
                if !met_in_passing(error) && !in_formatted(error) && !self.lexed.broken_in_string {
                    self.fault = Some(of_tokenizer(error));
                }
                // A bracket that is open where the tokenizer gives up is not looked at: it belongs to what is behind.
            }
            Some(_) => {}
            None => {
                if let Some(bracket) = self.lexed.unclosed.last()
                    && !self.lexed.unclosed_in_string
                {
                    let line = self.source.line(self.span_of(self.filled.saturating_sub(1)).start);
                    if line > self.source.line(bracket.at) {
                        self.fault = Some(self.never_closed());
                    }
                }
            }
        }
    }

    fn whole(&mut self) -> Read<()> {
        match self.mode {
            Mode::Module => {
                while self.attempt(Reader::statement)?.is_some() {
                    // Nothing goes back behind it.
                    self.memo.clear();
                    self.parts.clear();
                }
                self.end_of_text()
            }
            Mode::Expression => {
                self.expressions()?;
                while self.attempt(|r| r.expect(Token::Newline))?.is_some() {}
                self.end_of_text()
            }
            Mode::Interactive => self.interactive(),
        }
    }

    fn end_of_text(&mut self) -> Read<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(No::Match),
        }
    }

    // ---- tokens ----

    fn token_at(&self, index: usize) -> Option<Token> {
        (index < self.end).then(|| self.tokens[index].token)
    }

    fn span_of(&self, index: usize) -> Span {
        let end = Span::at(self.source.text().len() as u32);
        if index >= self.end { end } else { self.tokens[index].span }
    }

    fn text_of(&self, index: usize) -> &'a str {
        self.source.slice(self.span_of(index))
    }

    /// The next token; None at the end of the text. Asking for it may be what finds a fault.
    fn peek(&mut self) -> Read<Option<Token>> {
        self.peek_at(self.at)
    }

    fn peek_at(&mut self, index: usize) -> Read<Option<Token>> {
        while self.filled <= index && self.filled <= self.end {
            if let Some((at, error)) = self.broken
                && self.filled >= at
            {
                self.by_tokenizer = true;
                self.fault = Some(match error.text == "unexpected EOF while parsing" {
                    true => self.unexpected_end(error),
                    false => of_tokenizer(error),
                });
                return Err(No::More);
            }
            if self.filled == self.end && !self.lexed.unclosed.is_empty() {
                self.by_tokenizer = true;
                self.fault = Some(self.never_closed());
                return Err(No::More);
            }
            self.filled += 1;
        }
        Ok(self.token_at(index))
    }

    /// A backslash at the end of the text.
    fn unexpected_end(&self, error: &Diagnostic) -> Fault {
        if self.mode != Mode::Module && !self.source.text().ends_with('\n') {
            let text = "unexpected character after line continuation character".to_owned();
            return Fault { text, reported: Reported::Open(error.span.start), ..of_tokenizer(error) };
        }
        if self.lexed.unclosed.is_empty() { of_tokenizer(error) } else { self.never_closed() }
    }

    fn never_closed(&self) -> Fault {
        let bracket = self.lexed.unclosed.last().expect("asked for where one is open");
        Fault {
            text: format!("'{}' was never closed", bracket.open as char),
            class: ErrorClass::SyntaxError,
            reported: Reported::Open(bracket.at),
            span: Span::new(bracket.at, bracket.at + 1),
            line_end: self.source.line(bracket.at) == self.last_line(),
        }
    }

    fn is(&mut self, token: Token) -> Read<bool> {
        Ok(self.peek()? == Some(token))
    }

    fn is_any(&mut self, tokens: &[Token]) -> Read<bool> {
        Ok(self.peek()?.is_some_and(|token| tokens.contains(&token)))
    }

    /// The token, and its index.
    fn expect(&mut self, token: Token) -> Read<usize> {
        if !self.is(token)? {
            return Err(No::Match);
        }
        self.at += 1;
        Ok(self.at - 1)
    }

    fn expect_any(&mut self, tokens: &[Token]) -> Read<usize> {
        if !self.is_any(tokens)? {
            return Err(No::Match);
        }
        self.at += 1;
        Ok(self.at - 1)
    }

    /// Whether it was there; read if so.
    fn accept(&mut self, token: Token) -> Read<bool> {
        let there = self.is(token)?;
        self.at += usize::from(there);
        Ok(there)
    }

    /// A token that has to be there, or nothing else is tried.
    fn force(&mut self, token: Token) -> Read<()> {
        if self.accept(token)? {
            return Ok(());
        }
        self.miss(token)
    }

    /// Complains that a token is missing here, where mistakes are looked for.
    fn miss<T>(&mut self, token: Token) -> Read<T> {
        if !self.second {
            return Err(No::Match);
        }
        let at = self.at;
        Err(self.raise_at(at, at, format!("expected '{}'", token.describe())))
    }

    fn is_name(&mut self) -> Read<bool> {
        Ok(self.peek()?.is_some_and(names))
    }

    fn name(&mut self) -> Read<usize> {
        if !self.is_name()? {
            return Err(No::Match);
        }
        self.at += 1;
        Ok(self.at - 1)
    }

    /// A soft keyword.
    fn is_word(&mut self, word: &str) -> Read<bool> {
        Ok(self.is_name()? && self.text_of(self.at) == word)
    }

    fn word(&mut self, word: &str) -> Read<usize> {
        if !self.is_word(word)? {
            return Err(No::Match);
        }
        self.at += 1;
        Ok(self.at - 1)
    }

    // ---- trying ----

    /// What the rule reads, or nothing, and then the position is as before.
    fn attempt<T>(&mut self, rule: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        let at = self.at;
        match rule(self) {
            Ok(found) => Ok(Some(found)),
            Err(No::Match) => {
                self.at = at;
                Ok(None)
            }
            Err(No::More) => Err(No::More),
        }
    }

    /// Whether the rule would fit here; nothing is read.
    fn ahead<T>(&mut self, rule: impl FnOnce(&mut Self) -> Read<T>) -> Read<bool> {
        let at = self.at;
        let found = self.attempt(rule)?.is_some();
        self.at = at;
        Ok(found)
    }

    /// Goes on only where the rule would not fit.
    fn not<T>(&mut self, rule: impl FnOnce(&mut Self) -> Read<T>) -> Read<()> {
        if self.ahead(rule)? { Err(No::Match) } else { Ok(()) }
    }

    /// Goes on only before one of these.
    fn before(&mut self, tokens: &[Token]) -> Read<()> {
        if self.is_any(tokens)? { Ok(()) } else { Err(No::Match) }
    }

    /// Goes on only where none of these is next.
    fn not_before(&mut self, tokens: &[Token]) -> Read<()> {
        if self.is_any(tokens)? { Err(No::Match) } else { Ok(()) }
    }

    /// As often as it fits.
    fn many<T>(&mut self, rule: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut found = Vec::new();
        while let Some(one) = self.attempt(&rule)? {
            found.push(one);
        }
        Ok(found)
    }

    fn some<T>(&mut self, rule: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let found = self.many(rule)?;
        if found.is_empty() { Err(No::Match) } else { Ok(found) }
    }

    /// One or more, with commas between; a comma behind the last is left.
    fn listed<T>(&mut self, rule: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        self.parted(Token::Comma, rule)
    }

    fn parted<T>(&mut self, by: Token, rule: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut found = vec![rule(self)?];
        while let Some(one) = self.attempt(|r| {
            r.expect(by)?;
            rule(r)
        })? {
            found.push(one);
        }
        Ok(found)
    }

    /// What the rule reads here, or read here before.
    fn remembered(&mut self, rule: Rule, read: impl FnOnce(&mut Self) -> Read<Node>) -> Read<Node> {
        let from = self.at as u32;
        if let Some(known) = self.memo.get(&(rule, from)) {
            return match *known {
                Some((end, node)) => {
                    self.at = end as usize;
                    Ok(node)
                }
                None => Err(No::Match),
            };
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(No::More);
        }
        let found = self.attempt(read)?;
        self.depth -= 1;
        self.memo.insert((rule, from), found.map(|node| (self.at as u32, node)));
        found.ok_or(No::Match)
    }

    // ---- what was read ----

    fn node(&self, kind: Kind, first: usize) -> Node {
        Node { kind, first: first as u32, last: self.at.saturating_sub(1) as u32, parts: (0, 0) }
    }

    fn node_of(&mut self, kind: Kind, first: usize, parts: &[Node]) -> Node {
        let from = self.parts.len() as u32;
        self.parts.extend_from_slice(parts);
        Node { parts: (from, from + parts.len() as u32), ..self.node(kind, first) }
    }

    fn parts_of(&self, node: Node) -> &[Node] {
        &self.parts[node.parts.0 as usize..node.parts.1 as usize]
    }

    fn token_node(&self, token: usize) -> Node {
        Node { kind: Kind::Name, first: token as u32, last: token as u32, parts: (0, 0) }
    }

    // ---- raising ----

    /// How CPython places an error at a token.
    fn place(&self, index: usize) -> Reported {
        match self.token_at(index) {
            Some(Token::Newline) => Reported::LineRest(self.span_of(index).start),
            Some(Token::Indent | Token::Dedent) => Reported::Cursor(self.span_of(index).end),
            Some(_) => Reported::Span(self.span_of(index)),
            None => Reported::Cursor(self.source.text().len() as u32),
        }
    }

    fn fault_at(&self, index: usize, text: impl Into<String>) -> Fault {
        Fault {
            text: text.into(),
            class: ErrorClass::SyntaxError,
            reported: self.place(index),
            span: self.span_of(index),
            line_end: self.line_read() <= self.source.line(self.span_of(index).start),
        }
    }

    /// The line that the tokenizer has come to.
    fn line_read(&self) -> u32 {
        let last = self.filled.saturating_sub(1);
        match self.token_at(last) {
            Some(Token::Newline) => self.source.line(self.span_of(last).start),
            Some(_) => self.source.line(self.span_of(last).end),
            None => self.last_line(),
        }
    }

    fn last_line(&self) -> u32 {
        let text = self.source.text();
        self.source.line(text.len() as u32) - u32::from(text.ends_with('\n'))
    }

    /// From one token to another.
    fn raise_at(&mut self, first: usize, last: usize, text: impl Into<String>) -> No {
        let mut fault = self.fault_at(first, text);
        if first != last {
            fault.span = self.span_of(first).to(self.span_of(last));
            fault.reported = Reported::Span(fault.span);
        }
        self.fault.get_or_insert(fault);
        No::More
    }

    /// At what was read.
    fn raise_on(&mut self, node: Node, text: impl Into<String>) -> No {
        self.raise_at(node.first as usize, node.last as usize, text)
    }

    fn raise_over(&mut self, first: Node, last: Node, text: impl Into<String>) -> No {
        self.raise_at(first.first as usize, last.last as usize, text)
    }

    /// Where the parser has come to: the last token that was asked for.
    fn raise(&mut self, text: impl Into<String>) -> No {
        let last = self.filled.saturating_sub(1);
        self.raise_at(last, last, text)
    }

    /// From a token to where the tokenizer has come to.
    fn raise_from(&mut self, token: usize, text: impl Into<String>) -> No {
        let start = self.span_of(token).start;
        let end = self.span_of(self.filled.saturating_sub(1)).end;
        // CPython forgets that places are counted from one.
        let implied = self.span_of(self.filled.saturating_sub(1)).is_empty();
        let span = Span::new(start, start.max(end.saturating_sub(u32::from(!implied))));
        let mut fault = self.fault_at(token, text);
        (fault.span, fault.reported) = (span, Reported::Span(span));
        self.fault.get_or_insert(fault);
        No::More
    }

    fn indentation_error(&mut self, text: impl Into<String>) -> No {
        let last = self.filled.saturating_sub(1);
        let mut fault = self.fault_at(last, text);
        fault.class = ErrorClass::IndentationError;
        self.fault.get_or_insert(fault);
        No::More
    }

    /// `: NEWLINE` without a block behind it.
    fn missing_block(&mut self, what: &str, token: usize) -> Read<()> {
        self.expect(Token::Newline)?;
        self.not_before(&[Token::Indent])?;
        let line = self.source.line(self.span_of(token).start);
        Err(self.indentation_error(format!("expected an indented block after {what} on line {line}")))
    }
}

/// Whether a token can be a name: soft keywords can.
fn names(token: Token) -> bool {
    matches!(token, Token::Name | Token::Match | Token::Case | Token::Type)
}

fn of_tokenizer(error: &Diagnostic) -> Fault {
    Fault {
        text: error.text.clone(),
        class: error.class,
        reported: error.reported,
        span: error.span,
        line_end: met_in_passing(error),
    }
}

/// Whether an error of the tokenizer is one within f- and t-strings: these are not looked for ahead.
pub(super) fn in_formatted(error: &Diagnostic) -> bool {
    let text = error.text.strip_prefix("unterminated ").unwrap_or(&error.text);
    let text = text.strip_prefix("triple-quoted ").unwrap_or(text);
    text.starts_with("f-string") || text.starts_with("t-string")
}

/// Whether an error of the tokenizer shows only when the parser asks for that token.
pub(super) fn met_in_passing(error: &Diagnostic) -> bool {
    matches!(error.code, Code::UnmatchedDedent | Code::InconsistentTabs | Code::InvalidContinuation)
        || error.code == Code::TooDeep && error.class == ErrorClass::IndentationError
}
