//! What goes wrong around whole statements and their parts: blocks, clauses, parameters, imports.

use super::*;

pub(super) fn never_closed(refused: &Refused<'_>) -> Option<Diagnostic> {
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

pub(super) fn missing_block(refused: &Refused<'_>) -> Option<Diagnostic> {
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

pub(super) fn indentation(refused: &Refused<'_>) -> Option<Diagnostic> {
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

pub(super) fn legacy_statement(refused: &Refused<'_>) -> Option<Diagnostic> {
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
    if refused.token(end) == Some(Token::If)
        && let Some(condition) = refused.longest(end + 1, stop)
        && refused.token(condition) != Some(Token::Else)
    {
        return Some(missing_else(refused.range(refused.index, condition - 1)));
    }
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

/// `f` or `t`: the string whose replacement field opens at a token.
fn string_letter(refused: &Refused<'_>, open: usize) -> Option<char> {
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
    Some(if refused.token(string) == Some(Token::TStringStart) { 't' } else { 'f' })
}

/// What nothing else explains within the brackets of an expression in a replacement field: CPython tells how far the field can be read.
pub(super) fn around_field(refused: &Refused<'_>) -> Option<Diagnostic> {
    let mut open = refused.opener(refused.index)?;
    while refused.token(open)? != Token::FieldStart {
        open = refused.opener(open)?;
    }
    let letter = string_letter(refused, open)?;
    let first = open + 1 + usize::from(refused.token(open + 1) == Some(Token::Star));
    let Some(end) = (first + 1..=refused.index).rev().find(|&end| refused.kind(first, end).is_some()) else {
        let text = format!("{letter}-string: expecting a valid expression after '{{'");
        return Some(Diagnostic::new(Code::InvalidField, refused.span_of(open + 1), text));
    };
    let text = format!("{letter}-string: expecting '=', or '!', or ':', or '}}'");
    Some(Diagnostic::new(Code::InvalidField, refused.span_of(end), text))
}

pub(super) fn field(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index).filter(|&open| refused.token(open) == Some(Token::FieldStart))?;
    let letter = string_letter(refused, open)?;
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
    let first = open + 1 + usize::from(refused.token(open + 1) == Some(Token::Star));
    let complete = (first + 1..=refused.index).any(|end| refused.kind(first, end).is_some());
    if !complete {
        let text = format!("{letter}-string: expecting a valid expression after '{{'");
        return Some(Diagnostic::new(Code::InvalidField, refused.span_of(open + 1), text));
    }
    if let Some(diagnostic) = conditional(refused) {
        return Some(diagnostic);
    }
    // Where the longest expression ends that the field begins with.
    let end = (first + 1..=refused.index).rev().find(|&end| refused.kind(first, end).is_some())?;
    let goes_on = !matches!(refused.token(end), Some(Token::Equal | Token::Bang | Token::FieldColon | Token::FieldEnd));
    (goes_on && missing_comma(refused).is_none()).then(|| {
        let text = format!("{letter}-string: expecting '=', or '!', or ':', or '}}'");
        Diagnostic::new(Code::InvalidField, refused.span_of(end), text)
    })
}

pub(super) fn misplaced_clause(refused: &Refused<'_>) -> Option<Diagnostic> {
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
pub(in crate::syntax) fn misses_handler(expected: &[String]) -> bool {
    let expects = |terminal: &str| expected.iter().any(|expected| expected.trim_matches('"') == terminal);
    expects("except") && expects("finally") && !expects("pass")
}

/// Whether the block that just ended belongs to an `else`.
fn follows_else(refused: &Refused<'_>) -> bool {
    if refused.before(1) == Some(Token::Newline)
        && refused.token(refused.statement_start(refused.index - 1)) == Some(Token::Else)
    {
        return true;
    }
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

pub(super) fn parameters(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index)?;
    let first = refused.statement_start(refused.index);
    let in_parameters = refused.head() == Some(Token::Def)
        && refused.token(open) == Some(Token::LParen)
        && refused.opener(open).is_none()
        && !(first..open).any(|at| refused.token(at) == Some(Token::LParen));
    if !in_parameters {
        return None;
    }
    parameter_list(refused, "Function parameters cannot be parenthesized")
}

pub(super) fn lambda_parameters(refused: &Refused<'_>) -> Option<Diagnostic> {
    let start = refused.back_to(refused.index, |token| matches!(token, Token::Lambda | Token::Colon | Token::Newline));
    if start == 0 || refused.token(start - 1) != Some(Token::Lambda) {
        return None;
    }
    parameter_list(refused, "Lambda expression parameters cannot be parenthesized")
}

fn parameter_list(refused: &Refused<'_>, parenthesized: &str) -> Option<Diagnostic> {
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
    if before == Token::Equal && matches!(this, Token::RParen | Token::Comma) {
        let span = refused.span_of(refused.index - 1);
        let first = refused.opener(refused.index).map(|open| open + 1);
        if let Some(first) = first.filter(|&first| refused.token(first) == Some(Token::Slash)) {
            return Some(Diagnostic::new(code, refused.span_of(first), "at least one argument must precede /"));
        }
        return Some(Diagnostic::new(code, span, "expected default value expression"));
    }
    if this == Token::Star && before == Token::Slash {
        return Some(refused.at_token(code, "expected comma between / and *"));
    }
    if this == Token::Equal {
        let start = refused.back_to(refused.index, |token| matches!(token, Token::Comma | Token::Lambda));
        let annotated = refused.token(start + 2) == Some(Token::Colon);
        let text = match refused.token(start)? {
            Token::Star if annotated && refused.token(start + 3) == Some(Token::Star) => return None,
            Token::Star => "var-positional argument cannot have default value",
            Token::DoubleStar => "var-keyword argument cannot have default value",
            _ => return None,
        };
        return (annotated || refused.index == start + 2).then(|| refused.at_token(code, text));
    }
    None
}

pub(super) fn type_parameters(refused: &Refused<'_>) -> Option<Diagnostic> {
    let open = refused.opener(refused.index).filter(|&open| refused.token(open) == Some(Token::LBracket))?;
    let keyword = open.checked_sub(2)?;
    if !matches!(refused.token(keyword), Some(Token::Def | Token::Class | Token::Type)) {
        return None;
    }
    let this = refused.this()?;
    if this == Token::RBracket && refused.index == open + 1 {
        // CPython has it end where it begins, or for an alias where that goes on.
        let at = refused.span().start;
        let reported = match refused.token(keyword) {
            Some(Token::Type) => Reported::Span(Span::new(at, refused.span_of(refused.index + 1).start)),
            _ => Reported::Span(Span::new(at, at)),
        };
        let diagnostic = refused.at_token(Code::InvalidParameters, "Type parameter list cannot be empty");
        return Some(diagnostic.reported(reported));
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

pub(super) fn import(refused: &Refused<'_>) -> Option<Diagnostic> {
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
    if refused.before(2) == Some(Token::As)
        && refused.before(1) == Some(Token::Name)
        && !matches!(this, Token::Comma | Token::RParen | Token::Newline | Token::Semicolon)
    {
        let end = refused.longest(refused.index - 1, |token| token == Token::Comma)?;
        let text = format!("cannot use {} as import target", describe(&refused.kind(refused.index - 1, end)?));
        return Some(Diagnostic::new(Code::InvalidTarget, refused.range(refused.index - 1, end - 1), text));
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
