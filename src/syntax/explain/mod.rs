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

mod clauses;
mod expressions;

pub(super) use clauses::misses_handler;
use clauses::*;
use expressions::*;

/// How far rules look for the end of an expression.
const MAX_LOOK: usize = 64;

/// A place where the parser got stuck.
#[derive(Debug)]
pub(in crate::syntax) struct Refused<'a> {
    pub(in crate::syntax) source: &'a SourceFile,
    pub(in crate::syntax) tokens: &'a [Lexeme],
    /// The token that doesn't fit; the number of tokens if the text ended too early.
    pub(in crate::syntax) index: usize,
    /// The terminals of the grammar that would have fitted.
    pub(in crate::syntax) expected: Vec<String>,
    pub(in crate::syntax) unclosed: &'a [Bracket],
    /// Whether one statement of the prompt was parsed.
    pub(in crate::syntax) interactive: bool,
}

/// Explain why the token doesn't fit.
pub(in crate::syntax) fn explain(refused: &Refused<'_>) -> Diagnostic {
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
    let rules: [fn(&Refused<'_>) -> Option<Diagnostic>; 29] = [
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
        assigned_unpacking,
        assignment_expression,
        assignment_in_condition,
        starred_generator,
        comprehension_target,
        quote_inside,
        conditional,
        missing_argument,
        missing_in,
        missing_comma,
        dictionary,
        missing_colon,
        missing_parenthesis,
        not_after_operator,
        pattern_target,
        unfinished_star,
        keyword_as_name,
        around_field,
    ];
    let in_pattern: [fn(&Refused<'_>) -> Option<Diagnostic>; 6] =
        [never_closed, missing_block, indentation, misplaced_clause, pattern_target, missing_colon];
    let rules = if refused.in_pattern() { &in_pattern[..] } else { &rules[..] };
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

    /// Whether the token stands in the pattern of a `case`, where none of the rules about expressions hold.
    fn in_pattern(&self) -> bool {
        let first = self.statement_start(self.index);
        let stops = |token: Token| matches!(token, Token::If | Token::FStringStart | Token::TStringStart);
        self.token(first) == Some(Token::Case)
            && self.index > first
            && !self.tokens[first..self.index].iter().any(|lexeme| stops(lexeme.token))
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
