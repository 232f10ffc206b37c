//! Words for what the parser refuses: from the token it stopped at, what stands around it and what would have fitted.
//! Each rule below is one kind of mistake, tried from the most to the least specific; where a rule needs to know
//! whether some tokens are an expression it asks the parser. The words are CPython's, the hints aio's own.

use crate::diagnostic::{Code, Diagnostic, ErrorClass, Reported};
use crate::source::{SourceFile, Span};

use super::ast::{Constant, Expr, ExprKind, UnaryOp};
use super::layout::Bracket;
use super::parser::{parse_expression, reads_all};
use super::target::describe;
use super::token::{Lexeme, Token};

/// How far rules look for the end of an expression.
const MAX_LOOK: usize = 64;

/// A place where the parser got stuck.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) tokens: &'a [Lexeme],
    /// The token that doesn't fit; the number of tokens if the text ended too early.
    pub(super) index: usize,
    /// The terminals of the grammar that would have fitted.
    pub(super) expected: Vec<String>,
    pub(super) unclosed: &'a [Bracket],
    /// Whether one statement of the prompt was parsed.
    pub(super) interactive: bool,
}

/// Explain why the token doesn't fit.
pub(super) fn explain(refused: &Refused<'_>) -> Diagnostic {
    if refused.interactive
        && refused.expected.is_empty()
        && refused.before(1) == Some(Token::Newline)
        && refused.this() != Some(Token::Indent)
    {
        let line_end = refused.span_of(refused.index - 1).start;
        return Diagnostic::new(
            Code::UnexpectedToken,
            refused.span(),
            "multiple statements found while compiling a single statement",
        )
        .reported(Reported::LineRest(line_end));
    }
    let rules: [fn(&Refused<'_>) -> Option<Diagnostic>; 23] = [
        never_closed,
        missing_block,
        indentation,
        legacy_statement,
        field,
        misplaced_clause,
        parameters,
        type_parameters,
        import,
        lambda_parameters,
        double_star,
        assignment_expression,
        assignment_in_condition,
        comprehension_target,
        quote_inside,
        conditional,
        missing_argument,
        missing_in,
        missing_comma,
        dictionary,
        missing_colon,
        missing_parenthesis,
        keyword_as_name,
    ];
    rules.iter().find_map(|rule| rule(refused)).unwrap_or_else(|| refused.invalid_syntax())
}

impl Refused<'_> {
    fn token(&self, index: usize) -> Option<Token> {
        self.tokens.get(index).map(|lexeme| lexeme.token)
    }

    fn this(&self) -> Option<Token> {
        self.token(self.index)
    }

    /// The token `back` before the one refused.
    fn before(&self, back: usize) -> Option<Token> {
        self.index.checked_sub(back).and_then(|index| self.token(index))
    }

    fn span_of(&self, index: usize) -> Span {
        let end = Span::at(self.source.text().len() as u32);
        self.tokens.get(index).map_or(end, |lexeme| lexeme.span)
    }

    fn span(&self) -> Span {
        self.span_of(self.index)
    }

    fn text_of(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |lexeme| self.source.slice(lexeme.span))
    }

    fn expects(&self, terminal: &str) -> bool {
        self.expected.iter().any(|expected| expected.trim_matches('"') == terminal)
    }

    /// The span from one token to another.
    fn range(&self, first: usize, last: usize) -> Span {
        self.span_of(first).to(self.span_of(last))
    }

    /// How CPython places an error at the refused token.
    fn place(&self) -> Reported {
        match self.this() {
            Some(Token::Newline) => Reported::LineRest(self.span().start),
            Some(Token::Indent | Token::Dedent) => Reported::Cursor(self.span().end),
            Some(_) => Reported::Span(self.span()),
            None => Reported::Cursor(self.source.text().len() as u32),
        }
    }

    fn at_token(&self, code: Code, text: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.span(), text).reported(self.place())
    }

    fn invalid_syntax(&self) -> Diagnostic {
        let mut diagnostic = self.at_token(Code::UnexpectedToken, "invalid syntax");
        if self.this().is_none() {
            // The end of the text has no place of its own.
            diagnostic = diagnostic.reported(Reported::End);
        }
        let found = match self.this() {
            None => "the end of the text".into(),
            Some(token @ (Token::Newline | Token::Dedent | Token::Indent | Token::StringEnd)) => {
                token.describe().to_owned()
            }
            Some(_) => format!("`{}`", self.source.slice(self.span())),
        };
        diagnostic = match self.phrase() {
            Some(phrase) => diagnostic.message(format!("expected {phrase}, found {found}")),
            None => diagnostic.message(format!("{found} doesn't fit here")),
        };
        match self.spelling().or_else(|| self.operator_hint()).or_else(|| self.colon_hint()) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }

    /// The list of terminals that would have fitted, in words of the language.
    fn phrase(&self) -> Option<&'static str> {
        let expects = |terminal: &str| self.expects(terminal);
        if expects("INDENT") {
            return Some("an indented block");
        }
        if expects("Number") && expects("lambda") {
            return Some(if expects("return") { "a statement" } else { "an expression" });
        }
        if expects("Number") {
            return Some("an expression");
        }
        if expects("case") {
            return Some("`case`");
        }
        if expects("Name") && self.expected.len() <= 6 {
            return Some("a name");
        }
        if let [only] = &self.expected[..] {
            return match only.trim_matches('"') {
                "(" => Some("`(`"),
                ":" => Some("`:`"),
                "in" => Some("`in`"),
                "import" => Some("`import`"),
                "=" => Some("`=`"),
                _ => None,
            };
        }
        if expects("NEWLINE") && !expects("(") {
            return Some("the end of the line");
        }
        None
    }

    /// A hint if some name on the line before the refused token is a misspelt keyword.
    fn spelling(&self) -> Option<String> {
        let first = self.statement_start(self.index);
        let names = (first..=self.index.min(self.tokens.len().saturating_sub(1))).rev();
        if self.index > first && self.token(self.index - 1) == Some(Token::Async) {
            return Some("`async def` defines an asynchronous function".to_owned());
        }
        let here = names.clone().filter(|&index| self.token(index) == Some(Token::Name));
        for index in here {
            let word = self.text_of(index);
            let keyword = Token::SPELT
                .iter()
                .filter(|(token, _)| token.is_keyword())
                .find(|(_, keyword)| misspelt(word, keyword));
            if let Some((_, keyword)) = keyword {
                return Some(format!("did you mean `{keyword}`?"));
            }
        }
        None
    }

    fn operator_hint(&self) -> Option<String> {
        let (this, before) = (self.this()?, self.before(1)?);
        let touching = self.span_of(self.index.wrapping_sub(1)).end == self.span().start;
        let hint = match (before, this) {
            (Token::Plus, Token::Newline) if self.before(2) == Some(Token::Plus) => "`+= 1` increments",
            (Token::Minus, Token::Newline) if self.before(2) == Some(Token::Minus) => "`-= 1` decrements",
            (Token::Amper, Token::Amper) if touching => "the operator is called `and`",
            (Token::VBar, Token::VBar) if touching => "the operator is called `or`",
            (Token::EqEqual, Token::Equal) if touching => "`==` compares",
            (_, Token::Bang) => "the operator is called `not`",
            (_, Token::LessGreater) => "the operator is written `!=`",
            (_, Token::ColonEqual) => "put parentheses around an assignment expression",
            _ => return None,
        };
        Some(hint.into())
    }

    /// The line begins like a compound statement, and a colon would have fitted.
    fn colon_hint(&self) -> Option<String> {
        let head = self.head()?;
        let is_header = matches!(
            head,
            Token::If
                | Token::Elif
                | Token::For
                | Token::While
                | Token::With
                | Token::Class
                | Token::Except
                | Token::Case
        );
        let word = self.source.slice(self.span());
        if word == "then" {
            return Some("there is no `then`: the condition ends in `:`".into());
        }
        (is_header && self.expects(":") && self.opener(self.index).is_none())
            .then(|| format!("is a `:` missing before `{word}`?"))
    }

    // ---- finding one's way among tokens ----

    /// The first token of the statement that `index` is in.
    fn statement_start(&self, index: usize) -> usize {
        let index = index.min(self.tokens.len());
        let is_break =
            |token: Token| matches!(token, Token::Newline | Token::Indent | Token::Dedent | Token::Semicolon);
        self.tokens[..index].iter().rposition(|lexeme| is_break(lexeme.token)).map_or(0, |before| before + 1)
    }

    /// The keyword the line begins with, `async` skipped.
    fn head(&self) -> Option<Token> {
        let first = self.statement_start(self.index);
        match self.token(first) {
            Some(Token::Async) => self.token(first + 1),
            head => head,
        }
    }

    /// The innermost bracket or replacement field around the token at `index`.
    fn opener(&self, index: usize) -> Option<usize> {
        let mut depth = 0;
        for at in (0..index.min(self.tokens.len())).rev() {
            match self.tokens[at].token {
                token if is_close(token) => depth += 1,
                token if is_open(token) => {
                    if depth == 0 {
                        return Some(at);
                    }
                    depth -= 1;
                }
                Token::Newline | Token::Indent | Token::Dedent => return None,
                _ => {}
            }
        }
        None
    }

    /// Walk back from `index` over tokens outside of inner brackets until one fulfils `stop`; the index after it.
    fn back_to(&self, index: usize, stop: impl Fn(Token) -> bool) -> usize {
        let mut depth = 0;
        for at in (0..index).rev() {
            let token = self.tokens[at].token;
            if is_close(token) {
                depth += 1;
            } else if is_open(token) {
                if depth == 0 {
                    return at + 1;
                }
                depth -= 1;
            } else if depth == 0 && stop(token) {
                return at + 1;
            }
        }
        0
    }

    /// The end of the longest expression that begins at `from`, before any token that fulfils `stop`.
    fn longest(&self, from: usize, stop: impl Fn(Token) -> bool) -> Option<usize> {
        let mut depth = 0_usize;
        let mut end = from;
        while let Some(token) = self.token(end) {
            if end - from > MAX_LOOK || matches!(token, Token::Newline | Token::Semicolon) {
                break;
            }
            if is_open(token) {
                depth += 1;
            } else if is_close(token) {
                if depth == 0 {
                    break;
                }
                depth -= 1;
            } else if depth == 0 && stop(token) {
                break;
            }
            end += 1;
        }
        (from + 1..=end).rev().find(|&end| self.kind(from, end).is_some())
    }

    /// What expression the tokens from `first` up to `end` are.
    fn kind(&self, first: usize, end: usize) -> Option<ExprKind> {
        self.expression(first, end).map(|expr| expr.kind)
    }

    /// The tokens from `first` up to `end` as an expression, if they are one.
    fn expression(&self, first: usize, end: usize) -> Option<Expr> {
        if first >= end || end - first > 4 * MAX_LOOK {
            return None;
        }
        parse_expression(self.source, self.tokens.get(first..end)?)
    }

    /// Whether looking for an expression at the refused token, as CPython does when it words an error, only ends
    /// where the text does.
    fn reads_to_the_end(&self) -> bool {
        let is_layout = |lexeme: &Lexeme| matches!(lexeme.token, Token::Newline | Token::Dedent);
        let end = self.tokens.iter().rposition(|lexeme| !is_layout(lexeme)).map_or(0, |last| last + 1);
        // Nothing is looked for where a name has to follow.
        if matches!(self.before(1), Some(Token::Dot | Token::Import | Token::Lambda)) {
            return false;
        }
        let after_open = self.before(1).is_some_and(is_open);
        let from = match self.this() {
            Some(Token::Equal | Token::ColonEqual) if after_open => return false,
            Some(Token::Equal | Token::ColonEqual) => self.index + 1,
            Some(Token::Pass | Token::Break | Token::Continue) => {
                return self.index + 1 == end && self.expects("Number");
            }
            _ => self.index,
        };
        from < end && reads_all(self.source, &self.tokens[from..end])
    }

    /// Where the operand that ends before `index` begins, if it is a disjunction.
    fn disjunction_before(&self, index: usize) -> Option<usize> {
        let start = self.back_to(index, ends_operand);
        // A prefix star is not part of the operand, an operator is.
        let start = match self.token(start) {
            Some(Token::Star | Token::DoubleStar) => start + 1,
            _ => start,
        };
        let inner = (start..index).find(|&first| {
            self.kind(first, index)
                .is_some_and(|kind| !matches!(kind, ExprKind::IfExp { .. } | ExprKind::Lambda { .. }))
        })?;
        Some(inner)
    }
}

fn is_open(token: Token) -> bool {
    matches!(
        token,
        Token::LParen | Token::LBracket | Token::LBrace | Token::FieldStart | Token::FStringStart | Token::TStringStart
    )
}

fn is_close(token: Token) -> bool {
    matches!(token, Token::RParen | Token::RBracket | Token::RBrace | Token::FieldEnd | Token::StringEnd)
}

/// Tokens that an `or` test can't contain outside of brackets.
fn ends_operand(token: Token) -> bool {
    matches!(
        token,
        Token::Comma
            | Token::Equal
            | Token::Colon
            | Token::ColonEqual
            | Token::If
            | Token::Else
            | Token::For
            | Token::Async
            | Token::Lambda
            | Token::Yield
            | Token::From
            | Token::FieldColon
            | Token::Newline
            | Token::Indent
            | Token::Dedent
            | Token::Semicolon
    )
}

// ---- the rules ----

fn never_closed(refused: &Refused<'_>) -> Option<Diagnostic> {
    let bracket = *refused.unclosed.last()?;
    let at_end = !matches!(refused.this(), Some(token) if !matches!(token, Token::Newline | Token::Dedent))
        && refused.span().start as usize >= refused.source.text().trim_end().len();
    let later_line = refused.source.line(refused.span().start) > refused.source.line(bracket.at);
    if !at_end && !later_line && !refused.reads_to_the_end() {
        return None;
    }
    let open = Span::new(bracket.at, bracket.at + 1);
    let open_char = bracket.open as char;
    let close = match bracket.open {
        b'(' => ')',
        b'[' => ']',
        _ => '}',
    };
    Some(
        Diagnostic::new(Code::UnclosedBracket, open, format!("'{open_char}' was never closed"))
            .message(format!("this `{open_char}` is never closed"))
            .hint(format!("add `{close}` where its content ends"))
            .reported(Reported::Open(bracket.at)),
    )
}

fn missing_block(refused: &Refused<'_>) -> Option<Diagnostic> {
    if !(refused.before(1) == Some(Token::Newline)
        && refused.before(2) == Some(Token::Colon)
        && refused.expects("INDENT"))
    {
        return None;
    }
    let first = refused.statement_start(refused.index - 1);
    let keyword = if refused.token(first) == Some(Token::Async) { first + 1 } else { first };
    let line = refused.source.line(refused.span_of(first).start);
    let header = refused.token(keyword)?;
    let what = match header {
        Token::Def => "function definition".to_owned(),
        Token::Class => "class definition".to_owned(),
        Token::Except if refused.token(keyword + 1) == Some(Token::Star) => "'except*' statement".to_owned(),
        _ => format!("'{}' statement", refused.text_of(keyword)),
    };
    Some(
        refused
            .at_token(Code::ExpectedBlock, format!("expected an indented block after {what} on line {line}"))
            .class(ErrorClass::IndentationError)
            .message(format!("expected an indented block after `{}`", refused.text_of(keyword)))
            .label(refused.span_of(keyword), "its block should follow")
            .hint("indent this line, or write `pass` if there is nothing to do"),
    )
}

fn indentation(refused: &Refused<'_>) -> Option<Diagnostic> {
    let text = match refused.this()? {
        Token::Indent => "unexpected indent",
        Token::Dedent if refused.before(1) != Some(Token::Newline) => "unexpected unindent",
        _ => return None,
    };
    Some(
        refused
            .at_token(Code::UnexpectedIndent, text)
            .class(ErrorClass::IndentationError)
            .message("this line is indented deeper, but no block begins here")
            .hint("remove the indentation"),
    )
}

fn legacy_statement(refused: &Refused<'_>) -> Option<Diagnostic> {
    let first = refused.index.checked_sub(1).filter(|&name| refused.token(name) == Some(Token::Name))?;
    if first > 0 && refused.token(first - 1) == Some(Token::Dot) {
        return None;
    }
    let name = refused.text_of(first).to_owned();
    if name != "print" && name != "exec" {
        return None;
    }
    let stop = |token: Token| matches!(token, Token::Colon | Token::Equal | Token::ColonEqual | Token::FieldColon);
    let end = refused.longest(refused.index, stop)?;
    let span = refused.range(first, end - 1);
    let arguments = refused.source.slice(refused.range(refused.index, end - 1)).to_owned();
    Some(
        Diagnostic::new(
            Code::PrintStatement,
            span,
            format!("Missing parentheses in call to '{name}'. Did you mean {name}(...)?"),
        )
        .message(format!("`{name}` is a function: its arguments stand in parentheses"))
        .hint(format!("write `{name}({arguments})`")),
    )
}

fn field(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index).filter(|&open| refused.token(open) == Some(Token::FieldStart))?;
    let string = (0..open).rev().scan(0, |depth, at| {
        match refused.tokens[at].token {
            Token::StringEnd => *depth += 1,
            Token::FStringStart | Token::TStringStart if *depth > 0 => *depth -= 1,
            Token::FStringStart | Token::TStringStart => return Some(Some(at)),
            _ => {}
        }
        Some(None)
    });
    let string = string.flatten().next()?;
    let letter = if refused.token(string) == Some(Token::TStringStart) { 't' } else { 'f' };
    let this = refused.this()?;
    let at_token = |text: String| Some(refused.at_token(Code::InvalidField, text));
    if refused.index == open + 1 && matches!(this, Token::FieldEnd | Token::Bang | Token::FieldColon | Token::Equal) {
        let found = &refused.source.slice(refused.span())[..1];
        return at_token(format!("{letter}-string: valid expression required before '{found}'"));
    }
    if let Some(lambda) = (open + 1..refused.index).find(|&at| refused.token(at) == Some(Token::Lambda))
        && matches!(this, Token::FieldColon)
    {
        let text = format!("{letter}-string: lambda expressions are not allowed without parentheses");
        return Some(Diagnostic::new(Code::InvalidField, refused.range(lambda, refused.index), text));
    }
    if refused.before(1) == Some(Token::Bang) {
        let missing = matches!(this, Token::FieldEnd | Token::FieldColon);
        let what = if missing { "missing conversion character" } else { "invalid conversion character" };
        return at_token(format!("{letter}-string: {what}"));
    }
    if refused.before(2) == Some(Token::Bang) {
        return at_token(format!("{letter}-string: expecting ':' or '}}'"));
    }
    if refused.before(1) == Some(Token::Equal) {
        return at_token(format!("{letter}-string: expecting '!', or ':', or '}}'"));
    }
    // Nothing in the field is an expression.
    let complete = (open + 2..=refused.index).any(|end| refused.kind(open + 1, end).is_some());
    if !complete {
        let text = format!("{letter}-string: expecting a valid expression after '{{'");
        return Some(Diagnostic::new(Code::InvalidField, refused.span_of(open + 1), text));
    }
    if missing_comma(refused).is_none() && !refused.expects("Number") {
        return at_token(format!("{letter}-string: expecting '=', or '!', or ':', or '}}'"));
    }
    None
}

fn misplaced_clause(refused: &Refused<'_>) -> Option<Diagnostic> {
    let first = refused.statement_start(refused.index);
    if refused.index != first {
        return None;
    }
    if misses_handler(&refused.expected) {
        return Some(
            refused
                .at_token(Code::InvalidClause, "expected 'except' or 'finally' block")
                .message("a `try` block needs an `except` or `finally` clause after it"),
        );
    }
    if refused.this() == Some(Token::Elif) && follows_else(refused) {
        return Some(refused.at_token(Code::InvalidClause, "'elif' block follows an 'else' block"));
    }
    None
}

/// Whether the parser is behind the block of a `try` and nothing but a handler would have fitted.
pub(super) fn misses_handler(expected: &[String]) -> bool {
    let expects = |terminal: &str| expected.iter().any(|expected| expected.trim_matches('"') == terminal);
    expects("except") && expects("finally") && !expects("pass")
}

/// Whether the block that just ended belongs to an `else`.
fn follows_else(refused: &Refused<'_>) -> bool {
    let mut depth = 0;
    for at in (0..refused.index).rev() {
        match refused.tokens[at].token {
            Token::Dedent => depth += 1,
            Token::Indent => {
                depth -= 1;
                if depth == 0 {
                    let header = refused.statement_start(at.saturating_sub(1));
                    return refused.token(header) == Some(Token::Else);
                }
            }
            _ => {}
        }
    }
    false
}

fn parameters(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index)?;
    let first = refused.statement_start(refused.index);
    let in_parameters = refused.head() == Some(Token::Def)
        && refused.token(open) == Some(Token::LParen)
        && refused.opener(open).is_none()
        && !(first..open).any(|at| refused.token(at) == Some(Token::LParen));
    if !in_parameters {
        return None;
    }
    parameter_list(refused, "Function parameters cannot be parenthesized", Token::RParen)
}

fn lambda_parameters(refused: &Refused<'_>) -> Option<Diagnostic> {
    let start = refused.back_to(refused.index, |token| matches!(token, Token::Lambda | Token::Colon | Token::Newline));
    if start == 0 || refused.token(start - 1) != Some(Token::Lambda) {
        return None;
    }
    parameter_list(refused, "Lambda expression parameters cannot be parenthesized", Token::Colon)
}

fn parameter_list(refused: &Refused<'_>, parenthesized: &str, end: Token) -> Option<Diagnostic> {
    let (this, before) = (refused.this()?, refused.before(1)?);
    let code = Code::InvalidParameters;
    if this == Token::LParen && matches!(before, Token::LParen | Token::Comma | Token::Lambda) {
        let mut at = refused.index + 1;
        while matches!(refused.token(at), Some(Token::Name | Token::Comma)) {
            at += 1;
        }
        if refused.token(at) == Some(Token::RParen) && at > refused.index + 1 {
            return Some(Diagnostic::new(code, refused.range(refused.index, at), parenthesized));
        }
    }
    if before == Token::Equal && (this == end || this == Token::Comma) {
        let span = refused.span_of(refused.index - 1);
        return Some(Diagnostic::new(code, span, "expected default value expression"));
    }
    if this == Token::Star && before == Token::Slash {
        return Some(refused.at_token(code, "expected comma between / and *"));
    }
    if this == Token::Equal && before == Token::Name {
        let text = match refused.before(2)? {
            Token::Star => "var-positional argument cannot have default value",
            Token::DoubleStar => "var-keyword argument cannot have default value",
            _ => return None,
        };
        return Some(refused.at_token(code, text));
    }
    None
}

fn type_parameters(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index).filter(|&open| refused.token(open) == Some(Token::LBracket))?;
    let keyword = open.checked_sub(2)?;
    if !matches!(refused.token(keyword), Some(Token::Def | Token::Class | Token::Type)) {
        return None;
    }
    let this = refused.this()?;
    if this == Token::RBracket && refused.index == open + 1 {
        let diagnostic = refused.at_token(Code::InvalidParameters, "Type parameter list cannot be empty");
        return Some(diagnostic);
    }
    if this == Token::Colon && refused.before(1) == Some(Token::Name) {
        let kind = match refused.before(2)? {
            Token::Star => "TypeVarTuple",
            Token::DoubleStar => "ParamSpec",
            _ => return None,
        };
        let end = refused.longest(refused.index + 1, |token| matches!(token, Token::Comma | Token::Equal))?;
        let span = refused.range(refused.index, end - 1);
        let constraints = matches!(refused.kind(refused.index + 1, end), Some(ExprKind::Tuple { .. }));
        let what = if constraints { "constraints" } else { "bound" };
        return Some(Diagnostic::new(Code::InvalidParameters, span, format!("cannot use {what} with {kind}")));
    }
    // Type parameters that are none leave a `def` without its parenthesis.
    (refused.token(keyword) == Some(Token::Def)).then(|| {
        Diagnostic::new(Code::InvalidParameters, refused.span(), "expected '('")
            .message("this is no type parameter")
            .reported(Reported::Span(refused.span_of(open)))
    })
}

fn import(refused: &Refused<'_>) -> Option<Diagnostic> {
    let first = refused.statement_start(refused.index);
    let head = refused.token(first)?;
    let this = refused.this()?;
    if !matches!(head, Token::Import | Token::From) {
        return None;
    }
    if this == Token::Newline && refused.before(1) == Some(Token::Import) {
        let at = refused.span().start;
        return Some(
            refused
                .at_token(Code::InvalidImport, "Expected one or more names after 'import'")
                .reported(Reported::Point(at)),
        );
    }
    if head == Token::From && this == Token::Newline && refused.before(1) == Some(Token::Comma) {
        return Some(
            refused
                .at_token(Code::InvalidImport, "trailing comma not allowed without surrounding parentheses")
                .hint("put parentheses around the names"),
        );
    }
    if head == Token::Import && this == Token::From && refused.token(refused.index + 1) == Some(Token::Name) {
        let mut end = refused.index + 1;
        while matches!(refused.token(end + 1), Some(Token::Dot | Token::Name)) {
            end += 1;
        }
        return Some(
            Diagnostic::new(
                Code::InvalidImport,
                refused.range(first, end),
                "Did you mean to use 'from ... import ...' instead?",
            )
            .message("the module comes first: `from module import name`"),
        );
    }
    None
}

fn double_star(refused: &Refused<'_>) -> Option<Diagnostic> {
    let (this, before) = (refused.this()?, refused.before(1)?);
    if this == Token::DoubleStar && before == Token::LParen {
        let end = refused.longest(refused.index + 1, |token| token == Token::Comma)?;
        if refused.token(end) == Some(Token::RParen) {
            return Some(refused.at_token(Code::UnexpectedToken, "cannot use double starred expression here"));
        }
    }
    if before == Token::Star
        && matches!(this, Token::RParen | Token::RBracket | Token::Comma | Token::Colon)
        && matches!(refused.before(2)?, Token::LParen | Token::LBracket | Token::Comma)
        && (in_call(refused) || refused.this() == Some(Token::RBracket))
        && refused.head() != Some(Token::Def)
    {
        return Some(refused.at_token(Code::InvalidArguments, "Invalid star expression"));
    }
    None
}

/// Whether the innermost bracket is that of a call.
fn in_call(refused: &Refused<'_>) -> bool {
    let Some(open) = refused.opener(refused.index) else { return false };
    refused.token(open) == Some(Token::LParen)
        && open > 0
        && matches!(
            refused.token(open - 1),
            Some(Token::Name | Token::RParen | Token::RBracket | Token::RBrace | Token::String | Token::StringEnd)
        )
}

/// `f() := 1` outside of parentheses, `f(x = y for y in z)`.
fn assignment_expression(refused: &Refused<'_>) -> Option<Diagnostic> {
    let start =
        refused.back_to(refused.index, |token| matches!(token, Token::Comma | Token::Newline | Token::Semicolon));
    if refused.this()? == Token::ColonEqual {
        let node = refused.expression(start, refused.index)?;
        if matches!(node.kind, ExprKind::Name { .. }) {
            return None;
        }
        let text = format!("cannot use assignment expressions with {}", describe(&node.kind));
        return Some(Diagnostic::new(Code::InvalidTarget, node.span, text));
    }
    let keyword = refused.token(start) == Some(Token::Name) && refused.token(start + 1) == Some(Token::Equal);
    if refused.this()? == Token::For && keyword && in_call(refused) {
        let text = "invalid syntax. Maybe you meant '==' or ':=' instead of '='?";
        return Some(Diagnostic::new(Code::AssignmentInExpression, refused.range(start, start + 1), text));
    }
    None
}

/// `if x = 1:` and the like.
fn assignment_in_condition(refused: &Refused<'_>) -> Option<Diagnostic> {
    if refused.this()? != Token::Equal {
        return None;
    }
    let open = refused.opener(refused.index);
    let start = match open {
        Some(open) => {
            let start = refused.back_to(refused.index, |token| token == Token::Comma);
            if refused.token(open) == Some(Token::FieldStart) {
                return None;
            }
            start
        }
        None => {
            let first = refused.statement_start(refused.index);
            match refused.token(first)? {
                Token::If | Token::Elif | Token::While | Token::Match => first + 1,
                _ => return None,
            }
        }
    };
    let kind = refused.kind(start, refused.index)?;
    if !is_bitwise(&kind) {
        return None;
    }
    let stop = |token: Token| {
        ends_operand(token)
            || matches!(token, Token::And | Token::Or | Token::Not | Token::In | Token::Is)
            || matches!(
                token,
                Token::EqEqual
                    | Token::NotEqual
                    | Token::Less
                    | Token::LessEqual
                    | Token::Greater
                    | Token::GreaterEqual
            )
    };
    let end = refused.longest(refused.index + 1, stop)?;
    if matches!(refused.token(end), Some(Token::Equal | Token::ColonEqual)) {
        return None;
    }
    let hint = "`==` compares, `:=` binds a name inside an expression";
    let code = Code::AssignmentInExpression;
    if let ExprKind::Name { .. } = kind
        && refused.index == start + 1
    {
        let span = refused.range(start, end - 1);
        let text = "invalid syntax. Maybe you meant '==' or ':=' instead of '='?";
        return Some(
            Diagnostic::new(code, span, text).message("an assignment can't stand in an expression").hint(hint),
        );
    }
    let excluded = matches!(
        kind,
        ExprKind::List { .. }
            | ExprKind::Tuple { .. }
            | ExprKind::GeneratorExp { .. }
            | ExprKind::Constant(Constant::True | Constant::False | Constant::None)
    );
    if excluded {
        return None;
    }
    let name = describe(&kind);
    let text = format!("cannot assign to {name} here. Maybe you meant '==' instead of '='?");
    Some(Diagnostic::new(code, refused.range(start, refused.index - 1), text).hint(hint))
}

/// Whether an expression is at the level of `|` or tighter.
fn is_bitwise(kind: &ExprKind) -> bool {
    !matches!(
        kind,
        ExprKind::BoolOp { .. }
            | ExprKind::Compare { .. }
            | ExprKind::IfExp { .. }
            | ExprKind::Lambda { .. }
            | ExprKind::UnaryOp { op: UnaryOp::Not, .. }
    )
}

/// `[a, b for a, b in c]`
fn comprehension_target(refused: &Refused<'_>) -> Option<Diagnostic> {
    let is_async = refused.this()? == Token::Async && refused.token(refused.index + 1) == Some(Token::For);
    if refused.this()? != Token::For && !is_async {
        return None;
    }
    let open = refused.opener(refused.index)?;
    if !matches!(refused.token(open), Some(Token::LBracket | Token::LBrace)) {
        return None;
    }
    let comma = refused.back_to(refused.index, |token| token == Token::Comma);
    if comma == open + 1 {
        return None;
    }
    Some(
        Diagnostic::new(
            Code::UnexpectedToken,
            refused.range(open + 1, refused.index - 1),
            "did you forget parentheses around the comprehension target?",
        )
        .message("what a comprehension makes is one expression: a tuple needs parentheses"),
    )
}

/// `"the word "quoted" is"`: a quote that should be part of the string.
fn quote_inside(refused: &Refused<'_>) -> Option<Diagnostic> {
    if refused.before(1)? != Token::String || is_string(refused.before(2)) || is_string(refused.this()) {
        return None;
    }
    let mut at = refused.index;
    while refused.token(at)? != Token::String {
        at = refused.longest(at, |token| token == Token::Comma)?;
    }
    let text = "invalid syntax. Is this intended to be part of the string?";
    Some(
        Diagnostic::new(Code::UnterminatedString, refused.range(refused.index, at - 1), text)
            .message("the string ends before this")
            .hint("write `\\\"` for a quote inside of a string, or use the other kind of quotes around it"),
    )
}

/// Mistakes in `a if b else c`.
fn conditional(refused: &Refused<'_>) -> Option<Diagnostic> {
    let code = Code::UnexpectedToken;
    let is_statement = |token: Token| matches!(token, Token::Pass | Token::Break | Token::Continue);
    let this = refused.this()?;
    if refused.before(1) == Some(Token::Else) && refused.head() != Some(Token::Else) && !refused.expects("NEWLINE") {
        let condition = refused.back_to(refused.index - 1, |token| token == Token::If);
        if condition > 0
            && refused.token(condition - 1) == Some(Token::If)
            && refused.kind(condition, refused.index - 1).is_some()
        {
            let start = refused.disjunction_before(condition - 1);
            if start.is_some() {
                let text = "expected expression after 'else', but statement is given";
                return Some(refused.at_token(code, text));
            }
        }
    }
    if is_statement(this) && refused.token(refused.index + 1) == Some(Token::If) {
        let end = refused.longest(refused.index + 2, |token| token == Token::Else)?;
        if refused.token(end) == Some(Token::Else) {
            return Some(refused.at_token(code, "expected expression before 'if', but statement is given"));
        }
    }
    if this != Token::Else && this != Token::Colon && refused.expects("else") {
        let condition = refused.back_to(refused.index, |token| token == Token::If);
        if condition > 0 && refused.token(condition - 1) == Some(Token::If) {
            let start = refused.disjunction_before(condition - 1)?;
            refused.kind(condition, refused.index)?;
            return Some(
                Diagnostic::new(code, refused.range(start, refused.index - 1), "expected 'else' after 'if' expression")
                    .message("an `if` inside an expression needs an `else`"),
            );
        }
    }
    None
}

/// `f(a=)`
fn missing_argument(refused: &Refused<'_>) -> Option<Diagnostic> {
    let this = refused.this()?;
    if refused.before(1)? != Token::Equal
        || !matches!(this, Token::RParen | Token::Comma)
        || refused.before(2)? != Token::Name
        || refused.head() == Some(Token::Def)
    {
        return None;
    }
    let start = refused.back_to(refused.index, |token| token == Token::Comma);
    let span = refused.range(start, refused.index - 1);
    let alone = start + 2 == refused.index;
    in_call(refused).then(|| {
        if alone {
            Diagnostic::new(Code::InvalidArguments, span, "expected argument value expression")
        } else {
            let text = "expression cannot contain assignment, perhaps you meant \"==\"?";
            Diagnostic::new(Code::AssignmentInExpression, span, text)
        }
    })
}

/// Two expressions side by side in brackets.
fn missing_comma(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index)?;
    if refused.head() == Some(Token::Def) && refused.opener(open).is_none() {
        // Between parameters CPython misses nothing by name.
        return None;
    }
    if refused.index == 0 || matches!(refused.token(open), Some(Token::FStringStart | Token::TStringStart)) {
        return None;
    }
    let this = refused.this()?;
    if this == Token::FieldStart
        || !refused.expects(",") && !refused.expects(")") && !refused.expects("f}") && !refused.expects("]")
    {
        return None;
    }
    if matches!(refused.head(), Some(Token::Import | Token::From)) {
        return None;
    }
    let start = refused.disjunction_before(refused.index)?;
    // What a comprehension runs over, or filters by, is no whole expression.
    let clause = start.checked_sub(1).and_then(|before| refused.token(before));
    let in_comprehension =
        (open + 1..start).any(|at| refused.token(at) == Some(Token::For) && refused.opener(at) == Some(open));
    if clause == Some(Token::For) || matches!(clause, Some(Token::If | Token::In)) && in_comprehension {
        return None;
    }
    let text = refused.text_of(start);
    if refused.token(start) == Some(Token::Name) {
        let soft = matches!(text, "match" | "case" | "type" | "_")
            || matches!(text, "print" | "exec") && refused.index == start + 1;
        if soft || is_string(refused.token(start + 1)) {
            return None;
        }
    }
    let stop = |token: Token| {
        matches!(
            token,
            Token::Comma
                | Token::Colon
                | Token::Equal
                | Token::ColonEqual
                | Token::For
                | Token::Async
                | Token::FieldColon
                | Token::Bang
        )
    };
    let end = refused.longest(refused.index, stop)?;
    // The key of a dict item: then its colon is what CPython misses.
    let span = refused.range(start, end - 1);
    Some(
        Diagnostic::new(Code::MissingComma, span, "invalid syntax. Perhaps you forgot a comma?")
            .message("two expressions stand side by side")
            .hint("put a comma between them"),
    )
}

fn is_string(token: Option<Token>) -> bool {
    matches!(token, Some(Token::String | Token::FStringStart | Token::TStringStart))
}

fn dictionary(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index)?;
    if refused.token(open) != Some(Token::LBrace) {
        return None;
    }
    let this = refused.this()?;
    let code = Code::UnexpectedToken;
    let closes = matches!(this, Token::RBrace | Token::Comma);
    if closes && refused.before(1) == Some(Token::Colon) {
        let span = refused.span_of(refused.index - 1);
        return Some(Diagnostic::new(code, span, "expression expected after dictionary key and ':'"));
    }
    if this == Token::Star && refused.before(1) == Some(Token::Colon) {
        let end = refused.longest(refused.index + 1, |token| token == Token::Comma)?;
        let span = refused.range(refused.index, end - 1);
        return Some(Diagnostic::new(code, span, "cannot use a starred expression in a dictionary value"));
    }
    let key = refused.back_to(refused.index, |token| token == Token::Comma);
    let is_dict = key > open + 1
        && (matches!(refused.token(open + 1), Some(Token::DoubleStar))
            || refused.back_to(key - 1, |token| token == Token::Colon) > open + 1);
    if is_dict && refused.kind(key, refused.index).is_some() && refused.expects(":") {
        let last = refused.span_of(refused.index - 1);
        return Some(
            Diagnostic::new(code, refused.range(key, refused.index - 1), "':' expected after dictionary key")
                .reported(Reported::Open(last.end - 1)),
        );
    }
    None
}

fn missing_in(refused: &Refused<'_>) -> Option<Diagnostic> {
    let target = refused.back_to(refused.index, |token| token == Token::For);
    if target == 0 || refused.token(target - 1) != Some(Token::For) || refused.opener(refused.index).is_none() {
        return None;
    }
    let complete = target < refused.index
        && refused.kind(target, refused.index).is_some_and(|kind| !matches!(kind, ExprKind::Compare { .. }));
    (complete && refused.expects("in") && !is_string(refused.this()))
        .then(|| refused.at_token(Code::UnexpectedToken, "'in' expected after for-loop variables"))
}

fn missing_colon(refused: &Refused<'_>) -> Option<Diagnostic> {
    let head = refused.head()?;
    if refused.opener(refused.index).is_some() {
        return None;
    }
    let first = refused.statement_start(refused.index);
    let at_end = refused.this() == Some(Token::Newline);
    if head == Token::Def && refused.before(1) == Some(Token::Arrow) && refused.this() == Some(Token::Colon) {
        return Some(Diagnostic::new(Code::MissingColon, refused.span_of(refused.index - 1), "expected ':'"));
    }
    if head == Token::Name && refused.text_of(first) == "match" && refused.index == first + 1 {
        let skip = refused.tokens[first..].iter().position(|lexeme| lexeme.token == Token::Newline)?;
        let newline = first + skip;
        let is_block = refused.token(newline + 1) == Some(Token::Indent) && refused.text_of(newline + 2) == "case";
        if !is_block || refused.kind(first + 1, newline).is_none() {
            return None;
        }
        let span = refused.span_of(newline);
        return Some(
            Diagnostic::new(Code::MissingColon, span, "expected ':'")
                .message("the head of `match` ends in a colon")
                .hint("add `:` here")
                .reported(Reported::LineRest(span.start)),
        );
    }
    if head == Token::Except && at_end && refused.before(1) == Some(Token::Star) {
        return None;
    }
    if head == Token::Except && refused.before(1) == Some(Token::Star) && refused.index == first + 2 {
        return Some(refused.at_token(Code::InvalidClause, "expected one or more exception types"));
    }
    // These insist on their colon whatever stands in its place.
    let forced = matches!(head, Token::Def | Token::Else | Token::Try | Token::Finally);
    let is_header = forced
        || matches!(
            head,
            Token::If
                | Token::Elif
                | Token::For
                | Token::While
                | Token::With
                | Token::Except
                | Token::Class
                | Token::Match
                | Token::Case
        );
    if !is_header || !(forced || at_end) || !refused.expects(":") {
        return None;
    }
    if (first + 1..refused.index).any(|at| refused.token(at) == Some(Token::Colon) && refused.opener(at).is_none()) {
        return None;
    }
    let keyword = head.describe();
    Some(
        refused
            .at_token(Code::MissingColon, "expected ':'")
            .message(format!("the head of `{keyword}` ends in a colon"))
            .hint("add `:` here"),
    )
}

/// `class = 1`, `x.import`
fn keyword_as_name(refused: &Refused<'_>) -> Option<Diagnostic> {
    let is_name_place = refused.expects("Name") && !refused.expects("Number");
    let keyword = match (refused.before(1), refused.this()?) {
        (_, token) if token.is_keyword() && is_name_place => refused.index,
        (Some(token), Token::Equal) if token.is_keyword() => refused.index - 1,
        _ => return None,
    };
    let word = refused.text_of(keyword);
    Some(
        Diagnostic::new(Code::KeywordAsName, refused.span_of(keyword), "invalid syntax")
            .message(format!("`{word}` is a keyword and can't be a name"))
            .hint(format!("call it `{word}_`"))
            .reported(refused.place()),
    )
}

fn missing_parenthesis(refused: &Refused<'_>) -> Option<Diagnostic> {
    (refused.head() == Some(Token::Def)
        && refused.opener(refused.index).is_none()
        && refused.expects("(")
        && !refused.expects("Number"))
    .then(|| refused.at_token(Code::UnexpectedToken, "expected '('").hint("parameters stand in parentheses: `()`"))
}

/// Whether `word` is `keyword` with two letters swapped, or one added, missing or changed.
fn misspelt(word: &str, keyword: &str) -> bool {
    let (word, keyword) = (word.as_bytes(), keyword.as_bytes());
    if word == keyword || keyword.len() < 2 || word.len() < 2 {
        return false;
    }
    let prefix = word.iter().zip(keyword).take_while(|(one, other)| one == other).count();
    let (one, other) = (&word[prefix..], &keyword[prefix..]);
    let swapped = one.len() == other.len()
        && one.len() >= 2
        && one[0] == other[1]
        && one[1] == other[0]
        && one[2..] == other[2..];
    let added = !one.is_empty() && one[1..] == *other;
    let missing = !other.is_empty() && other[1..] == *one;
    let changed = !one.is_empty() && !other.is_empty() && one[1..] == other[1..] && keyword.len() > 3;
    swapped || (added || missing) && keyword.len() > 2 || changed
}

#[cfg(test)]
mod tests {
    use super::misspelt;

    #[test]
    fn misspelt_keywords_are_recognised() {
        for (word, keyword) in
            [("esle", "else"), ("fro", "for"), ("whille", "while"), ("retrun", "return"), ("clas", "class")]
        {
            assert!(misspelt(word, keyword), "{word}");
        }
        assert!(!misspelt("x", "if"));
        assert!(!misspelt("while", "while"));
        assert!(!misspelt("foo", "for"), "one letter of three is too little to tell");
    }
}
