//! What goes wrong within expressions: operands and commas that miss, names that can't be, assignments in odd places.

use super::*;

pub(super) fn double_star(refused: &Refused<'_>) -> Option<Diagnostic> {
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
pub(super) fn assignment_expression(refused: &Refused<'_>) -> Option<Diagnostic> {
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
pub(super) fn assignment_in_condition(refused: &Refused<'_>) -> Option<Diagnostic> {
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

/// `f(*a for a in b)`
pub(super) fn starred_generator(refused: &Refused<'_>) -> Option<Diagnostic> {
    let is_async = refused.this()? == Token::Async && refused.token(refused.index + 1) == Some(Token::For);
    if refused.this()? != Token::For && !is_async {
        return None;
    }
    let open = refused.opener(refused.index).filter(|&open| refused.token(open) == Some(Token::LParen))?;
    if refused.token(open + 1) != Some(Token::Star) || refused.kind(open + 2, refused.index).is_none() {
        return None;
    }
    let text = "iterable unpacking cannot be used in comprehension";
    Some(Diagnostic::new(Code::UnexpectedToken, refused.range(open + 1, refused.index - 1), text))
}

/// `[a, b for a, b in c]`
pub(super) fn comprehension_target(refused: &Refused<'_>) -> Option<Diagnostic> {
    let is_async = refused.this()? == Token::Async && refused.token(refused.index + 1) == Some(Token::For);
    if refused.this()? != Token::For && !is_async {
        return None;
    }
    let open = refused.opener(refused.index)?;
    if !matches!(refused.token(open), Some(Token::LBracket | Token::LBrace)) {
        return None;
    }
    let comma = refused.back_to(refused.index, |token| token == Token::Comma);
    let of_dict = |at: usize| {
        let depth = refused.opener(at) == Some(open);
        // Two stars between operands are a power.
        let unpacks = at == open + 1 || refused.token(at - 1) == Some(Token::Comma);
        depth
            && match refused.token(at) {
                Some(Token::Colon) => true,
                Some(Token::DoubleStar) => unpacks,
                _ => false,
            }
    };
    if comma == open + 1 || (open + 1..refused.index).any(of_dict) {
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
pub(super) fn quote_inside(refused: &Refused<'_>) -> Option<Diagnostic> {
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
pub(super) fn conditional(refused: &Refused<'_>) -> Option<Diagnostic> {
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
    if this == Token::If && is_statement(refused.before(1)?) {
        let end = refused.longest(refused.index + 1, |token| token == Token::Else)?;
        if refused.token(end) == Some(Token::Else) {
            let text = "expected expression before 'if', but statement is given";
            return Some(Diagnostic::new(code, refused.span_of(refused.index - 1), text));
        }
    }
    if this != Token::Else && this != Token::Colon && refused.expects("else") {
        let condition = refused.back_to(refused.index, |token| token == Token::If);
        if condition > 0 && refused.token(condition - 1) == Some(Token::If) {
            let start = refused.disjunction_before(condition - 1)?;
            refused.kind(condition, refused.index)?;
            return Some(missing_else(refused.range(start, refused.index - 1)));
        }
    }
    None
}

/// `a if b`
pub(super) fn missing_else(span: Span) -> Diagnostic {
    Diagnostic::new(Code::UnexpectedToken, span, "expected 'else' after 'if' expression")
        .message("an `if` inside an expression needs an `else`")
}

/// `f(a=)`
pub(super) fn missing_argument(refused: &Refused<'_>) -> Option<Diagnostic> {
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

/// `f(*args=value)`
pub(super) fn assigned_unpacking(refused: &Refused<'_>) -> Option<Diagnostic> {
    if refused.this()? != Token::Equal || refused.head() == Some(Token::Def) || !in_call(refused) {
        return None;
    }
    let start = refused.back_to(refused.index, |token| token == Token::Comma);
    let text = match refused.token(start)? {
        Token::Star => "cannot assign to iterable argument unpacking",
        Token::DoubleStar => "cannot assign to keyword argument unpacking",
        _ => return None,
    };
    refused.kind(start + 1, refused.index)?;
    let end = refused.longest(refused.index + 1, |token| token == Token::Comma)?;
    Some(Diagnostic::new(Code::InvalidTarget, refused.range(start, end - 1), text))
}

/// `1 + not x`
pub(super) fn not_after_operator(refused: &Refused<'_>) -> Option<Diagnostic> {
    let before = refused.before(1)?;
    if refused.this()? != Token::Not {
        return None;
    }
    let sign = matches!(before, Token::Plus | Token::Minus | Token::Tilde);
    let sum = matches!(before, Token::Star | Token::Slash | Token::DoubleSlash | Token::Percent | Token::At);
    if !sign && !sum {
        return None;
    }
    let after_operand = refused.index >= 2 && {
        let start = refused.back_to(refused.index - 1, ends_operand);
        (start..refused.index - 1).any(|first| refused.kind(first, refused.index - 1).is_some())
    };
    if !after_operand && !sign {
        return None;
    }
    // What follows a sign is an operand of operators, what follows an operator may compare.
    let stop = |token: Token| {
        ends_operand(token)
            || matches!(token, Token::And | Token::Or)
            || !after_operand
                && matches!(
                    token,
                    Token::Plus
                        | Token::Minus
                        | Token::Star
                        | Token::Slash
                        | Token::DoubleSlash
                        | Token::Percent
                        | Token::EqEqual
                        | Token::NotEqual
                        | Token::Less
                        | Token::LessEqual
                        | Token::Greater
                        | Token::GreaterEqual
                        | Token::In
                        | Token::Is
                )
    };
    let end = refused.longest(refused.index + 1, stop)?;
    let span = refused.range(refused.index, end - 1);
    Some(
        Diagnostic::new(Code::UnexpectedToken, span, "'not' after an operator must be parenthesized")
            .hint("put parentheses around the `not`"),
    )
}

/// `f(*for x in y)`, `a[*:]`: what follows the star is no expression.
pub(super) fn unfinished_star(refused: &Refused<'_>) -> Option<Diagnostic> {
    refused.this()?;
    let mut index = refused.index;
    while let Some(open) = refused.opener(index) {
        let start = refused.back_to(index, |token| token == Token::Comma);
        let before = open.checked_sub(1).and_then(|at| refused.token(at));
        let called = matches!(
            before,
            Some(Token::Name | Token::RParen | Token::RBracket | Token::RBrace | Token::String | Token::StringEnd)
        );
        if called
            && refused.head() != Some(Token::Def)
            && matches!(refused.token(open), Some(Token::LParen | Token::LBracket))
            && refused.token(start) == Some(Token::Star)
            && refused.kind(start + 1, refused.index).is_none()
        {
            return Some(refused.at_token(Code::InvalidArguments, "Invalid star expression"));
        }
        index = open;
    }
    None
}

/// `case 1 as 2 + 3`
pub(super) fn pattern_target(refused: &Refused<'_>) -> Option<Diagnostic> {
    if refused.head()? != Token::Case {
        return None;
    }
    let target = refused.back_to(refused.index, |token| matches!(token, Token::As | Token::Comma | Token::VBar));
    if target == refused.index || target == 0 || refused.token(target - 1) != Some(Token::As) {
        return None;
    }
    let end = refused.longest(target, |token| matches!(token, Token::Comma | Token::Colon | Token::If))?;
    if end <= refused.index {
        return None;
    }
    let text = format!("cannot use {} as pattern target", describe(&refused.kind(target, end)?));
    Some(Diagnostic::new(Code::InvalidTarget, refused.range(target, end - 1), text))
}

/// Two expressions side by side in brackets.
pub(super) fn missing_comma(refused: &Refused<'_>) -> Option<Diagnostic> {
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

pub(super) fn dictionary(refused: &Refused<'_>) -> Option<Diagnostic> {
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

pub(super) fn missing_in(refused: &Refused<'_>) -> Option<Diagnostic> {
    let target = refused.back_to(refused.index, |token| token == Token::For);
    if target == 0 || refused.token(target - 1) != Some(Token::For) || refused.opener(refused.index).is_none() {
        return None;
    }
    let complete = target < refused.index
        && refused.kind(target, refused.index).is_some_and(|kind| !matches!(kind, ExprKind::Compare { .. }));
    (complete && refused.expects("in") && !is_string(refused.this()))
        .then(|| refused.at_token(Code::UnexpectedToken, "'in' expected after for-loop variables"))
}

pub(super) fn missing_colon(refused: &Refused<'_>) -> Option<Diagnostic> {
    let head = refused.head()?;
    if refused.opener(refused.index).is_some() {
        return None;
    }
    let first = refused.statement_start(refused.index);
    let at_end = refused.this() == Some(Token::Newline);
    if head == Token::Def
        && refused.before(1) == Some(Token::Arrow)
        && matches!(refused.this(), Some(Token::Colon | Token::Star))
    {
        return Some(Diagnostic::new(Code::MissingColon, refused.span_of(refused.index - 1), "expected ':'"));
    }
    if head == Token::Name && refused.text_of(first) == "match" && refused.index == first + 1 {
        let skip = refused.tokens[first..].iter().position(|lexeme| lexeme.token == Token::Newline)?;
        let newline = first + skip;
        if let Some(end) = refused.longest(first + 1, |token| token == Token::Colon)
            && let wrong = end + usize::from(refused.token(end) == Some(Token::Colon))
            && wrong < newline
        {
            // As far as that the head is sound: what follows is what doesn't fit.
            return Some(
                Diagnostic::new(Code::UnexpectedToken, refused.span_of(wrong), "invalid syntax")
                    .message("the cases of `match` begin on a line of their own"),
            );
        }
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
pub(super) fn keyword_as_name(refused: &Refused<'_>) -> Option<Diagnostic> {
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

pub(super) fn missing_parenthesis(refused: &Refused<'_>) -> Option<Diagnostic> {
    (refused.head() == Some(Token::Def)
        && refused.opener(refused.index).is_none()
        && (refused.before(2) == Some(Token::Def) || refused.before(1) == Some(Token::RBracket))
        && refused.expects("(")
        && !refused.expects("Number"))
    .then(|| refused.at_token(Code::UnexpectedToken, "expected '('").hint("parameters stand in parentheses: `()`"))
}
