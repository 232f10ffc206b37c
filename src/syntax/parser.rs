//! From text to tree: lexes, runs the generated parser over the tokens, and turns what it refuses into diagnostics.
//!
//! After an error the logical line it is in is replaced by a harmless one of the same shape, and parsing begins again:
//! so one run reports the errors of many statements. (LALRPOP's own recovery throws away whole blocks, since tokens
//! are dropped until the innermost rule that knows `!` fits, and doubles the tables.)

use lalrpop_util::ParseError;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{SourceFile, Span};

use super::ast::{Ast, Expr, Root};
use super::builder::{Builder, MAX_HEIGHT, MAX_HEIGHT_DEEP, too_complex};
use super::explain::{self, Refused};
use super::layout::{Lexed, SyntaxWarning, lex};
use super::reread::{self, Fault, met_in_passing};
use super::token::{Lexeme, Token};

#[allow(
    clippy::all,
    unused,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/aio.rs"));
}

/// More errors than this are rarely read.
const MAX_ERRORS: usize = 20;

/// What kind of text is parsed: the modes of `compile()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A file or an `exec` text.
    Module,
    /// An `eval` text: one expression.
    Expression,
    /// One statement of the prompt.
    Interactive,
}

/// A tree, with what is doubtful in its text.
#[derive(Debug)]
pub struct Parsed {
    /// The tree.
    pub ast: Ast,
    /// For `SyntaxWarning`s, in the order of the text.
    pub warnings: Vec<SyntaxWarning>,
}

/// Parse `source`. The first diagnostic is the one CPython reports; there is at least one.
pub fn parse(source: &SourceFile, mode: Mode) -> Result<Ast, Vec<Diagnostic>> {
    parse_with_warnings(source, mode).map(|parsed| parsed.ast)
}

/// Parse `source` and collect warnings too.
pub fn parse_with_warnings(source: &SourceFile, mode: Mode) -> Result<Parsed, Vec<Diagnostic>> {
    parse_to(source, mode, MAX_HEIGHT)
}

/// As `parse_with_warnings`, for trees so high that passes over them need a large stack.
pub fn parse_deep(source: &SourceFile, mode: Mode) -> Result<Parsed, Vec<Diagnostic>> {
    parse_to(source, mode, MAX_HEIGHT_DEEP)
}

fn parse_to(source: &SourceFile, mode: Mode, max_height: u32) -> Result<Parsed, Vec<Diagnostic>> {
    let mut lexed = lex(source);
    let mut warnings = std::mem::take(&mut lexed.warnings);
    if lexed.errors.is_empty()
        && let Some(span) = endless_prefix(&lexed.tokens)
    {
        return Err(vec![too_complex(span)]);
    }
    let (outcome, builder) = run_to(source, &lexed.tokens, mode, max_height);
    let Builder { ast, errors, warnings: mut more, .. } = builder;
    if outcome.is_ok() && lexed.errors.is_empty() && errors.is_empty() {
        warnings.append(&mut more);
        warnings.sort_by_key(|warning| warning.span.start);
        return Ok(Parsed { ast, warnings });
    }
    let reread = reread::reread(source, &lexed, mode);
    let mut found = diagnose(source, lexed, mode, outcome.err(), errors);
    if let Some(fault) = reread {
        put_first(source, &mut found, fault);
    }
    Err(found)
}

/// How many signs and `not`s may follow one another: about what CPython's parser takes.
const MOST_SIGNS: usize = 5_974;

/// Where more of them follow one another. The parser would keep them all before it makes a tree of them.
fn endless_prefix(tokens: &[Lexeme]) -> Option<Span> {
    let is_prefix = |lexeme: &Lexeme| matches!(lexeme.token, Token::Minus | Token::Plus | Token::Tilde | Token::Not);
    let mut runs = tokens.chunk_by(|a, b| is_prefix(a) && is_prefix(b));
    runs.find(|run| run.len() > MOST_SIGNS).map(|run| run[0].span)
}

/// Whether the statement typed so far at the prompt needs more lines: an open bracket or string, a missing block, or a
/// block that a blank line hasn't ended yet.
pub fn is_incomplete(source: &SourceFile) -> bool {
    let lexed = lex(source);
    if let Some(error) = lexed.errors.last() {
        let runs_on = error.text.contains("triple-quoted") || error.text == "unexpected EOF while parsing";
        return runs_on && lexed.errors.len() == 1;
    }
    let is_layout = |lexeme: &Lexeme| matches!(lexeme.token, Token::Newline | Token::Dedent);
    let end = lexed.tokens.iter().rposition(|lexeme| !is_layout(lexeme)).map_or(0, |last| last + 1);
    match run(source, &lexed.tokens, Mode::Interactive).0 {
        // In the middle of a line an error is an error, unless a bracket is open.
        Err((index, _)) => index >= end && end > 0 && (!lexed.unclosed.is_empty() || index > end),
        Ok(()) => {
            let is_compound = lexed.tokens.first().is_some_and(|first| {
                matches!(
                    first.token,
                    Token::If
                        | Token::While
                        | Token::For
                        | Token::With
                        | Token::Try
                        | Token::Def
                        | Token::Class
                        | Token::Async
                        | Token::At
                        | Token::Match
                )
            });
            let ends_blank = source.text().trim_end_matches('\n').len() + 1 < source.text().len();
            is_compound && !ends_blank
        }
    }
}

/// Where the parser got stuck: the index of the token, and what would have fitted.
type Stuck = (usize, Vec<String>);

/// One pass of the generated parser.
fn run<'s>(source: &'s SourceFile, tokens: &'s [Lexeme], mode: Mode) -> (Result<(), Stuck>, Builder<'s>) {
    run_to(source, tokens, mode, MAX_HEIGHT)
}

fn run_to<'s>(
    source: &'s SourceFile,
    tokens: &'s [Lexeme],
    mode: Mode,
    max_height: u32,
) -> (Result<(), Stuck>, Builder<'s>) {
    let mut builder = Builder::new(source, tokens);
    builder.max_height = max_height;
    let mut at = 0;
    let stream = tokens.iter().map(|lexeme| {
        at += 1;
        Ok((lexeme.span.start, lexeme.token, lexeme.span.end))
    });
    let outcome = match mode {
        Mode::Module => grammar::ModuleParser::new().parse(&mut builder, stream),
        Mode::Expression => grammar::EvalParser::new().parse(&mut builder, stream),
        Mode::Interactive => grammar::SingleParser::new().parse(&mut builder, stream),
    };
    builder.finish(outcome.is_ok());
    let outcome = outcome.map_err(|error| match error {
        ParseError::UnrecognizedToken { expected, .. } => (at - 1, expected),
        ParseError::UnrecognizedEof { expected, .. } => (tokens.len(), expected),
        ParseError::ExtraToken { .. } => (at - 1, Vec::new()),
        ParseError::InvalidToken { .. } => (at.saturating_sub(1), Vec::new()),
        ParseError::User { error } => match error {},
    });
    (outcome, builder)
}

/// What expression `tokens` are, if they are one.
pub(super) fn parse_expression(source: &SourceFile, tokens: &[Lexeme]) -> Option<Expr> {
    let (outcome, builder) = run(source, tokens, Mode::Expression);
    let ast = builder.ast;
    match ast.root {
        Root::Expression(id) if outcome.is_ok() && builder.errors.is_empty() => Some(ast.expr(id).clone()),
        _ => None,
    }
}

/// What is wrong with an expression that can be parsed.
pub(super) fn value_errors(source: &SourceFile, tokens: &[Lexeme]) -> Vec<Diagnostic> {
    let (outcome, builder) = run(source, tokens, Mode::Expression);
    if outcome.is_ok() { builder.errors } else { Vec::new() }
}

/// Whether `tokens` begin like an expression that takes all of them, finished or not.
pub(super) fn reads_all(source: &SourceFile, tokens: &[Lexeme]) -> bool {
    match run(source, tokens, Mode::Expression).0 {
        Ok(()) => true,
        Err((index, _)) => index >= tokens.len(),
    }
}

/// Make what CPython would say the first of the errors.
fn put_first(source: &SourceFile, found: &mut Vec<Diagnostic>, fault: Fault) {
    let mut told =
        Diagnostic::new(Code::UnexpectedToken, fault.span, fault.text).class(fault.class).reported(fault.reported);
    told.line_end = Some(fault.line_end);
    if told.text.starts_with("f-string: ") || told.text.starts_with("t-string: ") {
        told.code = Code::InvalidField;
    }
    let same = |known: &Diagnostic| {
        known.text == told.text && known.class == told.class && known.position(source) == told.position(source)
    };
    if let Some(at) = found.iter().position(same) {
        found[..=at].rotate_right(1);
        found[0].line_end = told.line_end;
        return;
    }
    // What was said of the same line in other words was meant to be this.
    let line = source.line(told.span.start);
    if let Some(at) = found.iter().position(|known| source.line(known.span.start) == line) {
        let known = found.remove(at);
        if known.text == told.text {
            (told.code, told.message, told.labels, told.hint) = (known.code, known.message, known.labels, known.hint);
        }
        found.retain(|known| source.line(known.span.start) != line);
    }
    found.insert(0, told);
    found.truncate(MAX_ERRORS);
}

/// Everything that is wrong with a text, first what CPython would say.
fn diagnose(
    source: &SourceFile,
    lexed: Lexed,
    mode: Mode,
    mut stuck: Option<Stuck>,
    mut found: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let mut errors = lexed.errors;
    let lexer_errors = errors.len();
    let mut tokens = lexed.tokens;
    let mut refused_lines = 0;
    while let Some((index, expected)) = stuck.take() {
        refused_lines += 1;
        if refused_lines > MAX_ERRORS {
            break;
        }
        let in_try = explain::misses_handler(&expected);
        let refused = Refused {
            source,
            tokens: &tokens,
            index,
            expected,
            unclosed: &lexed.unclosed,
            interactive: mode == Mode::Interactive,
        };
        let diagnostic = explain::explain(&refused);
        // An error of the lexer on the same line has said it already.
        let line = source.line(diagnostic.span.start);
        let repeated = errors[..lexer_errors].iter().any(|error| source.line(error.span.start) == line);
        let unclosed = diagnostic.code == Code::UnclosedBracket;
        // What stands in the place of a line that was refused is nothing anybody wrote.
        let replaced = tokens.get(index).is_some_and(|lexeme| {
            lexeme.span.is_empty() && !matches!(lexeme.token, Token::Newline | Token::Indent | Token::Dedent)
        });
        if replaced {
            // Said already.
        } else if !repeated || diagnostic.code == Code::UnexpectedIndent {
            found.push(diagnostic);
        }
        if unclosed || mode != Mode::Module || !replace_line(&mut tokens, index, in_try) {
            break;
        }
        let (outcome, Builder { errors: more, .. }) = run(source, &tokens, mode);
        stuck = outcome.err();
        let known = found.len();
        for error in more {
            if !found[..known].contains(&error) {
                found.push(error);
            }
        }
    }
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    found.dedup();
    // CPython's parser looks for faults of the tokenizer in the rest of the text before it reports its own, but some
    // of these it only meets when it gets there; and it doesn't look at all if a line is indented too deep.
    let parser_first = found.first().is_some_and(|own| {
        let unexpected_indent = own.code == Code::UnexpectedIndent;
        errors
            .first()
            .is_some_and(|error| error.span.start > own.span.start && (unexpected_indent || met_in_passing(error)))
    });
    if parser_first {
        errors.splice(0..0, found);
    } else {
        errors.extend(found);
    }
    errors.truncate(MAX_ERRORS);
    errors
}

/// Put a line that always parses in the place of the one with the token `index`; whether there is hope of finding
/// more errors behind it. `in_try`: what is wrong is that a `try` has no handler here.
fn replace_line(tokens: &mut Vec<Lexeme>, index: usize, in_try: bool) -> bool {
    let Some(refused) = tokens.get(index).copied() else { return false };
    let at = |token: Token| Lexeme { token, span: Span::at(refused.span.start) };
    if in_try {
        tokens.splice(index..index, [Token::Finally, Token::Colon, Token::Pass, Token::Newline].map(at));
        return true;
    }
    if refused.token == Token::Indent {
        // An unexpected block: its lines belong to the block around it.
        let Some(end) = block_end(tokens, index) else { return false };
        tokens.remove(end - 1);
        tokens.remove(index);
        return true;
    }
    let is_break = |lexeme: &Lexeme| matches!(lexeme.token, Token::Newline | Token::Indent | Token::Dedent);
    let first = tokens[..index].iter().rposition(is_break).map_or(0, |before| before + 1);
    // A block was expected: the token before is the end of the header's line.
    let header_missing_block = first > 1
        && tokens[first - 1].token == Token::Newline
        && tokens[first - 2].token == Token::Colon
        && (index == first || refused.token == Token::Dedent);
    if header_missing_block {
        tokens.splice(first..first, [at(Token::Indent), at(Token::Pass), at(Token::Newline), at(Token::Dedent)]);
        return true;
    }
    if refused.token == Token::Dedent {
        return false;
    }
    let newline = tokens[index..].iter().position(|lexeme| lexeme.token == Token::Newline).map(|skip| index + skip);
    let Some(newline) = newline else { return false };
    let has_block = tokens.get(newline + 1).is_some_and(|next| next.token == Token::Indent);
    let head = tokens[first].token;
    let head = if head == Token::Async { Token::If } else { head };
    if head == Token::Case {
        // Only a case fits among cases.
        let line = [Token::Case, Token::None, Token::Colon].map(at);
        let rest = if has_block { &[][..] } else { &[Token::Pass][..] };
        tokens.splice(first..newline, line.into_iter().chain(rest.iter().map(|&token| at(token))));
        return true;
    }
    if refused.token == Token::Pass && refused.span.is_empty() {
        // It does not fit behind the line before, which is a decorator.
        if first == 0 {
            return false;
        }
        let before = tokens[..first - 1].iter().rposition(is_break).map_or(0, |before| before + 1);
        tokens.splice(before..newline, [at(Token::Pass)]);
        return true;
    }
    if !has_block && !matches!(head, Token::Elif | Token::Else | Token::Except | Token::Finally | Token::Try) {
        tokens.splice(first..newline, [at(Token::Pass)]);
        return true;
    }
    if has_block && head == Token::Name || head == Token::Match || head == Token::At {
        // Whatever was meant, the lines of its block may only make sense in it.
        let end = if has_block { block_end(tokens, newline + 1) } else { Some(newline + 1) };
        let Some(end) = end else { return false };
        tokens.splice(first..end, [at(Token::Pass), at(Token::Newline)]);
        return true;
    }
    let header: &[Token] = match head {
        Token::Elif => &[Token::Elif, Token::Ellipsis, Token::Colon],
        Token::Else => &[Token::Else, Token::Colon],
        Token::Except => &[Token::Except, Token::Ellipsis, Token::Colon],
        Token::Finally => &[Token::Finally, Token::Colon],
        Token::Try => &[Token::Try, Token::Colon],
        _ => &[Token::If, Token::Ellipsis, Token::Colon],
    };
    let rest: &[Token] = if has_block { &[] } else { &[Token::Pass] };
    if tokens[first..newline].iter().map(|lexeme| lexeme.token).eq(header.iter().chain(rest).copied()) {
        // The line is as harmless as can be: it stands in the wrong place.
        let end = if has_block { block_end(tokens, newline + 1) } else { Some(newline + 1) };
        let Some(end) = end else { return false };
        tokens.drain(first..end);
        return true;
    }
    tokens.splice(first..newline, header.iter().chain(rest).map(|&token| at(token)));
    true
}

/// The index after the DEDENT that belongs to the INDENT at `indent`.
fn block_end(tokens: &[Lexeme], indent: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, lexeme) in tokens.iter().enumerate().skip(indent) {
        match lexeme.token {
            Token::Indent => depth += 1,
            Token::Dedent => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(index + 1);
        }
    }
    None
}
