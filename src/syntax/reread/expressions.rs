//! Expressions, from those with commas down to what stands alone, and calls.

use super::*;

/// What the arguments of a call were.
#[derive(Debug, Clone, Copy)]
struct Arguments {
    /// How many have no name, starred ones counted.
    positional: usize,
    /// The last of these.
    last: Option<Node>,
    /// Whether a mapping is unpacked.
    unpacks: bool,
    whole: Node,
}

impl Reader<'_> {
    // ---- with commas ----

    pub(super) fn expressions(&mut self) -> Read<Node> {
        let first = self.at;
        let one = self.expression()?;
        self.tuple_of(first, one, Reader::expression)
    }

    pub(super) fn star_expressions(&mut self) -> Read<Node> {
        let first = self.at;
        let one = self.star_expression()?;
        self.tuple_of(first, one, Reader::star_expression)
    }

    fn tuple_of(&mut self, first: usize, one: Node, rule: impl Fn(&mut Self) -> Read<Node>) -> Read<Node> {
        if !self.is(Token::Comma)? {
            return Ok(one);
        }
        let mut all = vec![one];
        all.extend(self.many(|r| {
            r.expect(Token::Comma)?;
            rule(r)
        })?);
        self.accept(Token::Comma)?;
        Ok(self.node_of(Kind::Tuple, first, &all))
    }

    pub(super) fn star_expression(&mut self) -> Read<Node> {
        self.remembered(Rule::StarExpression, |r| any!(r => r; r.starred_operand(), r.expression()))
    }

    /// `* bitwise_or`
    fn starred_operand(&mut self) -> Read<Node> {
        let first = self.expect(Token::Star)?;
        let value = self.bit_or()?;
        Ok(self.node_of(Kind::Starred, first, &[value]))
    }

    pub(super) fn star_named_expressions(&mut self) -> Read<Vec<Node>> {
        let found = self.listed(Reader::star_named_expression)?;
        self.accept(Token::Comma)?;
        Ok(found)
    }

    pub(super) fn star_named_expression(&mut self) -> Read<Node> {
        any!(self => r; r.starred_operand(), r.named_expression())
    }

    fn assignment_expression(&mut self) -> Read<Node> {
        let first = self.name()?;
        self.expect(Token::ColonEqual)?;
        self.expression()?;
        Ok(self.node(Kind::Named, first))
    }

    pub(super) fn named_expression(&mut self) -> Read<Node> {
        if let Some(node) = self.attempt(Reader::assignment_expression)? {
            return Ok(node);
        }
        if self.second
            && let Some(node) = self.attempt(Reader::invalid_named_expression)?
        {
            return Ok(node);
        }
        let node = self.expression()?;
        self.not_before(&[Token::ColonEqual])?;
        Ok(node)
    }

    fn invalid_named_expression(&mut self) -> Read<Node> {
        self.remembered(Rule::NamedMistake, |r| {
            r.attempt(|r| -> Read<()> {
                let node = r.expression()?;
                r.expect(Token::ColonEqual)?;
                r.expression()?;
                Err(r.raise_on(node, format!("cannot use assignment expressions with {}", node.kind.describe())))
            })?;
            let assigned = &[Token::Equal, Token::ColonEqual];
            r.attempt(|r| -> Read<()> {
                let name = r.name()?;
                r.expect(Token::Equal)?;
                let value = r.bit_or()?;
                r.not_before(assigned)?;
                let text = "invalid syntax. Maybe you meant '==' or ':=' instead of '='?";
                Err(r.raise_at(name, value.last as usize, text))
            })?;
            r.not(|r| any!(r => r; r.list(), r.tuple(), r.generator(), r.singleton()))?;
            let node = r.bit_or()?;
            r.expect(Token::Equal)?;
            r.bit_or()?;
            r.not_before(assigned)?;
            let text = format!("cannot assign to {} here. Maybe you meant '==' instead of '='?", node.kind.describe());
            Err(r.raise_on(node, text))
        })
    }

    fn singleton(&mut self) -> Read<Node> {
        let token = self.expect_any(&[Token::True, Token::None, Token::False])?;
        let kind = match self.tokens[token].token {
            Token::True => Kind::True,
            Token::False => Kind::False,
            _ => Kind::None,
        };
        Ok(self.node(kind, token))
    }

    // ---- expression ----

    pub(super) fn expression(&mut self) -> Read<Node> {
        self.remembered(Rule::Expression, |r| {
            if r.second {
                r.attempt(Reader::invalid_expression)?;
                r.attempt(Reader::invalid_legacy_expression)?;
            }
            r.valid_expression()
        })
    }

    fn valid_expression(&mut self) -> Read<Node> {
        let first = self.at;
        if let Some(node) = self.attempt(|r| {
            r.disjunction()?;
            r.expect(Token::If)?;
            r.disjunction()?;
            r.expect(Token::Else)?;
            r.expression()?;
            Ok(r.node(Kind::Conditional, first))
        })? {
            return Ok(node);
        }
        any!(self => r; r.disjunction(), r.lambda())
    }

    fn without_mistakes(&mut self) -> Read<Node> {
        let before = std::mem::replace(&mut self.second, false);
        let found = self.valid_expression();
        self.second = before;
        found
    }

    fn legacy(&self, node: Node) -> bool {
        node.kind == Kind::Name
            && node.first == node.last
            && matches!(self.text_of(node.first as usize), "print" | "exec")
    }

    fn invalid_expression(&mut self) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            r.expect(Token::String)?;
            let between = r.some(|r| {
                r.not_before(&[Token::String])?;
                r.without_mistakes()
            })?;
            r.expect(Token::String)?;
            let (first, last) = (between[0], between[between.len() - 1]);
            Err(r.raise_over(first, last, "invalid syntax. Is this intended to be part of the string?"))
        })?;
        self.attempt(|r| -> Read<()> {
            r.not(|r| {
                r.name()?;
                r.expect(Token::String)
            })?;
            r.not(|r| {
                let name = r.name()?;
                if matches!(r.text_of(name), "match" | "case" | "type" | "_") { Ok(()) } else { Err(No::Match) }
            })?;
            let node = r.disjunction()?;
            let next = r.without_mistakes()?;
            if r.legacy(node) || r.levels[r.at - 1] == 0 {
                return Err(No::Match);
            }
            Err(r.raise_over(node, next, "invalid syntax. Perhaps you forgot a comma?"))
        })?;
        self.attempt(|r| -> Read<()> {
            let node = r.disjunction()?;
            r.expect(Token::If)?;
            let condition = r.disjunction()?;
            r.not_before(&[Token::Else, Token::Colon])?;
            Err(r.raise_over(node, condition, "expected 'else' after 'if' expression"))
        })?;
        self.attempt(|r| -> Read<()> {
            r.disjunction()?;
            r.expect(Token::If)?;
            r.disjunction()?;
            r.expect(Token::Else)?;
            r.not(Reader::expression)?;
            let at = r.at;
            r.peek()?;
            Err(r.raise_at(at, at, "expected expression after 'else', but statement is given"))
        })?;
        self.attempt(|r| -> Read<()> {
            let first = r.expect_any(&[Token::Pass, Token::Break, Token::Continue])?;
            r.expect(Token::If)?;
            r.disjunction()?;
            r.expect(Token::Else)?;
            r.simple_statement()?;
            Err(r.raise_at(first, first, "expected expression before 'if', but statement is given"))
        })?;
        let first = self.expect(Token::Lambda)?;
        self.attempt(Reader::lambda_parameters)?;
        let colon = self.expect_any(&[Token::Colon, Token::FieldColon])?;
        self.before(&[Token::StringMiddle])?;
        let letter = self.letter_around(colon);
        let text = format!("{letter}-string: lambda expressions are not allowed without parentheses");
        Err(self.raise_at(first, colon, text))
    }

    fn invalid_legacy_expression(&mut self) -> Read<()> {
        let name = self.name()?;
        self.not_before(&[Token::LParen])?;
        let rest = self.star_expressions()?;
        let node = self.token_node(name);
        if !self.legacy(node) {
            return Err(No::Match);
        }
        let name = self.text_of(name);
        Err(self.raise_over(node, rest, format!("Missing parentheses in call to '{name}'. Did you mean {name}(...)?")))
    }

    pub(super) fn yield_expression(&mut self) -> Read<Node> {
        let first = self.expect(Token::Yield)?;
        if self
            .attempt(|r| {
                r.expect(Token::From)?;
                r.expression()
            })?
            .is_none()
        {
            self.attempt(Reader::star_expressions)?;
        }
        Ok(self.node(Kind::Yield, first))
    }

    /// `yield_expr | star_expressions`
    pub(super) fn value(&mut self) -> Read<Node> {
        any!(self => r; r.yield_expression(), r.star_expressions())
    }

    // ---- operators ----

    pub(super) fn disjunction(&mut self) -> Read<Node> {
        self.remembered(Rule::Disjunction, |r| r.joined(Token::Or, Reader::conjunction))
    }

    fn conjunction(&mut self) -> Read<Node> {
        self.remembered(Rule::Conjunction, |r| r.joined(Token::And, Reader::inversion))
    }

    fn joined(&mut self, by: Token, rule: fn(&mut Self) -> Read<Node>) -> Read<Node> {
        let first = self.at;
        let node = rule(self)?;
        let more = self.many(|r| {
            r.expect(by)?;
            rule(r)
        })?;
        Ok(if more.is_empty() { node } else { self.node(Kind::Operation, first) })
    }

    pub(super) fn inversion(&mut self) -> Read<Node> {
        self.remembered(Rule::Inversion, |r| {
            let first = r.at;
            if r.accept(Token::Not)? {
                r.inversion()?;
                return Ok(r.node(Kind::Operation, first));
            }
            r.comparison()
        })
    }

    fn comparison(&mut self) -> Read<Node> {
        let first = self.at;
        let left = self.bit_or()?;
        let pairs = self.many(|r| {
            let operator = any_operator(r)?;
            r.bit_or()?;
            Ok(operator)
        })?;
        match pairs.first() {
            None => Ok(left),
            Some(&operator) => Ok(self.node_of(Kind::Compare(operator == Token::In), first, &[left])),
        }
    }

    fn binary(&mut self, rule: Rule, operators: &[Token], operand: fn(&mut Self) -> Read<Node>) -> Read<Node> {
        self.remembered(rule, |r| {
            let first = r.at;
            let mut node = operand(r)?;
            while r
                .attempt(|r| {
                    r.expect_any(operators)?;
                    operand(r)
                })?
                .is_some()
            {
                node = r.node(Kind::Operation, first);
            }
            Ok(node)
        })
    }

    pub(super) fn bit_or(&mut self) -> Read<Node> {
        self.binary(Rule::BitOr, &[Token::VBar], Reader::bit_xor)
    }

    fn bit_xor(&mut self) -> Read<Node> {
        self.binary(Rule::BitXor, &[Token::Caret], Reader::bit_and)
    }

    fn bit_and(&mut self) -> Read<Node> {
        self.binary(Rule::BitAnd, &[Token::Amper], Reader::shift)
    }

    fn shift(&mut self) -> Read<Node> {
        self.remembered(Rule::Shift, |r| {
            let first = r.at;
            let mut node = r.not_behind_operator()?;
            while r
                .attempt(|r| {
                    r.expect_any(&[Token::Shl, Token::Shr])?;
                    r.sum()
                })?
                .is_some()
            {
                node = r.node(Kind::Operation, first);
            }
            Ok(node)
        })
    }

    /// A sum; the mistake `a + not b`.
    fn not_behind_operator(&mut self) -> Read<Node> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.sum()?;
                let operators = [Token::Plus, Token::Minus, Token::Star, Token::Slash, Token::Percent];
                r.expect_any(&[&operators[..], &[Token::DoubleSlash, Token::At]].concat())?;
                let not = r.expect(Token::Not)?;
                let value = r.inversion()?;
                Err(r.raise_at(not, value.last as usize, "'not' after an operator must be parenthesized"))
            })?;
        }
        self.sum()
    }

    fn sum(&mut self) -> Read<Node> {
        self.binary(Rule::Sum, &[Token::Plus, Token::Minus], Reader::term)
    }

    fn term(&mut self) -> Read<Node> {
        let operators = [Token::Star, Token::Slash, Token::DoubleSlash, Token::Percent, Token::At];
        self.binary(Rule::Term, &operators, Reader::factor)
    }

    fn factor(&mut self) -> Read<Node> {
        self.remembered(Rule::Factor, |r| {
            let signs = [Token::Plus, Token::Minus, Token::Tilde];
            let first = r.at;
            if let Some(node) = r.attempt(|r| {
                r.expect_any(&signs)?;
                r.factor()?;
                Ok(r.node(Kind::Operation, first))
            })? {
                return Ok(node);
            }
            if r.second {
                r.attempt(|r| -> Read<()> {
                    r.expect_any(&signs)?;
                    let not = r.expect(Token::Not)?;
                    let value = r.factor()?;
                    Err(r.raise_at(not, value.last as usize, "'not' after an operator must be parenthesized"))
                })?;
            }
            r.power()
        })
    }

    fn power(&mut self) -> Read<Node> {
        let first = self.at;
        let node = self.await_primary()?;
        let raised = self.attempt(|r| {
            r.expect(Token::DoubleStar)?;
            r.factor()
        })?;
        Ok(if raised.is_some() { self.node(Kind::Operation, first) } else { node })
    }

    fn await_primary(&mut self) -> Read<Node> {
        self.remembered(Rule::AwaitPrimary, |r| {
            let first = r.at;
            if r.accept(Token::Await)? {
                r.primary()?;
                return Ok(r.node(Kind::Await, first));
            }
            r.primary()
        })
    }

    // ---- primaries ----

    fn primary(&mut self) -> Read<Node> {
        self.remembered(Rule::Primary, |r| {
            let first = r.at;
            let mut node = r.atom()?;
            while let Some(kind) = r.trailer()? {
                node = r.node(kind, first);
            }
            Ok(node)
        })
    }

    /// `.name`, a call or a subscript behind an atom.
    pub(super) fn trailer(&mut self) -> Read<Option<Kind>> {
        if let Some(kind) = self.attempt(|r| {
            r.expect(Token::Dot)?;
            r.name()?;
            Ok(Kind::Attribute)
        })? {
            return Ok(Some(kind));
        }
        // The mistakes of comprehensions are looked for here in whatever brackets follow, as in CPython.
        if self.is_any(&[Token::LParen, Token::LBracket, Token::LBrace])? && self.attempt(Reader::generator)?.is_some()
        {
            return Ok(Some(Kind::Call));
        }
        if self.is(Token::LParen)? {
            return self.attempt(|r| {
                r.expect(Token::LParen)?;
                r.attempt(Reader::arguments)?;
                r.expect(Token::RParen)?;
                Ok(Kind::Call)
            });
        }
        self.attempt(|r| {
            r.expect(Token::LBracket)?;
            r.slices()?;
            r.expect(Token::RBracket)?;
            Ok(Kind::Subscript)
        })
    }

    fn slices(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                r.slice()?;
                r.not_before(&[Token::Comma])
            })?
            .is_some()
        {
            return Ok(());
        }
        self.listed(|r| any!(r => r; r.slice(), r.starred_expression().map(|_| ())))?;
        self.accept(Token::Comma)?;
        Ok(())
    }

    fn slice(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.attempt(Reader::expression)?;
                r.expect(Token::Colon)?;
                r.attempt(Reader::expression)?;
                r.attempt(|r| {
                    r.expect(Token::Colon)?;
                    r.attempt(Reader::expression)
                })?;
                Ok(())
            },
            r.named_expression().map(|_| ()),
        )
    }

    pub(super) fn atom(&mut self) -> Read<Node> {
        let first = self.at;
        match self.peek()? {
            Some(token) if names(token) => {
                self.at += 1;
                Ok(self.node(Kind::Name, first))
            }
            Some(Token::True | Token::False | Token::None) => self.singleton(),
            Some(Token::String | Token::FStringStart | Token::TStringStart) => self.strings(),
            Some(Token::Number) => {
                self.at += 1;
                Ok(self.node(Kind::Literal, first))
            }
            Some(Token::LParen) => any!(self => r; r.tuple(), r.group(), r.generator()),
            Some(Token::LBracket) => any!(self => r; r.list(), r.list_comprehension()),
            Some(Token::LBrace) => {
                any!(self => r; r.dict(), r.set(), r.dict_comprehension(), r.set_comprehension())
            }
            Some(Token::Ellipsis) => {
                self.at += 1;
                Ok(self.node(Kind::Ellipsis, first))
            }
            _ => Err(No::Match),
        }
    }

    pub(super) fn tuple(&mut self) -> Read<Node> {
        let first = self.expect(Token::LParen)?;
        let parts = self.attempt(|r| {
            let mut parts = vec![r.star_named_expression()?];
            r.expect(Token::Comma)?;
            parts.extend(r.attempt(Reader::star_named_expressions)?.unwrap_or_default());
            Ok(parts)
        })?;
        self.expect(Token::RParen)?;
        Ok(self.node_of(Kind::Tuple, first, &parts.unwrap_or_default()))
    }

    fn yield_or_named(&mut self) -> Read<Node> {
        any!(self => r; r.yield_expression(), r.named_expression())
    }

    fn group(&mut self) -> Read<Node> {
        if let Some(node) = self.attempt(|r| {
            r.expect(Token::LParen)?;
            let node = r.yield_or_named()?;
            r.expect(Token::RParen)?;
            Ok(node)
        })? {
            // Its place is that of what is in it.
            return Ok(node);
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.expect(Token::LParen)?;
                let node = r.starred_expression()?;
                r.expect(Token::RParen)?;
                Err(r.raise_on(node, "cannot use starred expression here"))
            })?;
            self.attempt(|r| -> Read<()> {
                r.expect(Token::LParen)?;
                let stars = r.expect(Token::DoubleStar)?;
                r.expression()?;
                r.expect(Token::RParen)?;
                Err(r.raise_at(stars, stars, "cannot use double starred expression here"))
            })?;
        }
        Err(No::Match)
    }

    pub(super) fn list(&mut self) -> Read<Node> {
        let first = self.expect(Token::LBracket)?;
        let parts = self.attempt(Reader::star_named_expressions)?;
        self.expect(Token::RBracket)?;
        Ok(self.node_of(Kind::List, first, &parts.unwrap_or_default()))
    }

    fn set(&mut self) -> Read<Node> {
        let first = self.expect(Token::LBrace)?;
        self.star_named_expressions()?;
        self.expect(Token::RBrace)?;
        Ok(self.node(Kind::Set, first))
    }

    fn dict(&mut self) -> Read<Node> {
        let first = self.at;
        if let Some(node) = self.attempt(|r| {
            r.expect(Token::LBrace)?;
            r.attempt(|r| {
                r.listed(Reader::pair)?;
                r.accept(Token::Comma)
            })?;
            r.expect(Token::RBrace)?;
            Ok(r.node(Kind::Dict, first))
        })? {
            return Ok(node);
        }
        self.attempt(|r| {
            r.expect(Token::LBrace)?;
            r.invalid_pairs()
        })?;
        Err(No::Match)
    }

    fn pair(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.expect(Token::DoubleStar)?;
                r.bit_or().map(|_| ())
            },
            r.key_and_value(),
        )
    }

    pub(super) fn key_and_value(&mut self) -> Read<()> {
        self.expression()?;
        self.expect(Token::Colon)?;
        self.expression()?;
        Ok(())
    }

    /// Tried in the first pass, too, as in CPython.
    fn invalid_pairs(&mut self) -> Read<()> {
        self.attempt(|r| {
            r.listed(Reader::pair)?;
            r.expect(Token::Comma)?;
            r.attempt(Reader::key_without_value)?;
            r.invalid_value()
        })?;
        self.invalid_value()
    }

    fn key_without_value(&mut self) -> Read<()> {
        let key = self.expression()?;
        self.not_before(&[Token::Colon])?;
        let span = self.span_of(key.first as usize).to(self.span_of(key.last as usize));
        let mut fault = self.fault_at(key.first as usize, "':' expected after dictionary key");
        (fault.span, fault.reported) = (span, Reported::Open(span.end.saturating_sub(1)));
        self.fault.get_or_insert(fault);
        Err(No::More)
    }

    fn invalid_value(&mut self) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            r.expression()?;
            r.expect(Token::Colon)?;
            let star = r.expect(Token::Star)?;
            r.bit_or()?;
            Err(r.raise_from(star, "cannot use a starred expression in a dictionary value"))
        })?;
        self.expression()?;
        let colon = self.expect(Token::Colon)?;
        self.before(&[Token::RBrace, Token::Comma])?;
        Err(self.raise_at(colon, colon, "expression expected after dictionary key and ':'"))
    }

    // ---- arguments ----

    pub(super) fn arguments(&mut self) -> Read<Node> {
        self.remembered(Rule::Arguments, |r| {
            if let Some(node) = r.attempt(|r| {
                let args = r.args()?;
                r.accept(Token::Comma)?;
                r.before(&[Token::RParen])?;
                Ok(args.whole)
            })? {
                return Ok(node);
            }
            if r.second {
                r.invalid_arguments()?;
            }
            Err(No::Match)
        })
    }

    /// An argument without a name.
    fn positional(&mut self) -> Read<Node> {
        any!(self => r;
            r.starred_expression(),
            {
                let node = r.argument_value()?;
                r.not_before(&[Token::Equal])?;
                Ok(node)
            },
        )
    }

    /// `assignment_expression | expression !':='`
    pub(super) fn argument_value(&mut self) -> Read<Node> {
        any!(self => r;
            r.assignment_expression(),
            {
                let node = r.expression()?;
                r.not_before(&[Token::ColonEqual])?;
                Ok(node)
            },
        )
    }

    fn args(&mut self) -> Read<Arguments> {
        let first = self.at;
        if let Some(positional) = self.attempt(|r| r.listed(Reader::positional))? {
            let keywords = self.attempt(|r| {
                r.expect(Token::Comma)?;
                r.keyword_arguments()
            })?;
            let (starred, unpacks) = keywords.unwrap_or_default();
            return Ok(Arguments {
                positional: positional.len() + starred.len(),
                last: starred.last().or(positional.last()).copied(),
                unpacks,
                whole: self.node(Kind::Call, first),
            });
        }
        let (starred, unpacks) = self.keyword_arguments()?;
        let (positional, last) = (starred.len(), starred.last().copied());
        Ok(Arguments { positional, last, unpacks, whole: self.node(Kind::Call, first) })
    }

    /// The starred ones among arguments with names, and whether a mapping is unpacked.
    fn keyword_arguments(&mut self) -> Read<(Vec<Node>, bool)> {
        if let Some(starred) = self.attempt(|r| {
            let starred = r.listed(Reader::keyword_or_starred)?;
            r.expect(Token::Comma)?;
            r.listed(Reader::keyword_or_double_starred)?;
            Ok(starred)
        })? {
            return Ok((starred.into_iter().flatten().collect(), true));
        }
        if let Some(starred) = self.attempt(|r| r.listed(Reader::keyword_or_starred))? {
            return Ok((starred.into_iter().flatten().collect(), false));
        }
        self.listed(Reader::keyword_or_double_starred)?;
        Ok((Vec::new(), true))
    }

    fn keyword(&mut self) -> Read<()> {
        if self.second {
            self.invalid_keyword()?;
        }
        self.attempt(|r| {
            r.name()?;
            r.expect(Token::Equal)?;
            r.expression()
        })?
        .map(|_| ())
        .ok_or(No::Match)
    }

    fn keyword_or_starred(&mut self) -> Read<Option<Node>> {
        any!(self => r; r.keyword().map(|()| None), r.starred_expression().map(Some))
    }

    fn keyword_or_double_starred(&mut self) -> Read<()> {
        any!(self => r;
            r.keyword(),
            {
                r.expect(Token::DoubleStar)?;
                r.expression().map(|_| ())
            },
        )
    }

    fn invalid_keyword(&mut self) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            let name = r.expect_any(&[Token::True, Token::False, Token::None])?;
            let equal = r.expect(Token::Equal)?;
            let text = format!("cannot assign to {}", r.text_of(name));
            Err(r.raise_at(name, equal, text))
        })?;
        self.attempt(Reader::generator_of_assignment)?;
        self.attempt(|r| -> Read<()> {
            r.not(|r| {
                r.name()?;
                r.expect(Token::Equal)
            })?;
            let node = r.expression()?;
            let equal = r.expect(Token::Equal)?;
            let text = "expression cannot contain assignment, perhaps you meant \"==\"?";
            Err(r.raise_at(node.first as usize, equal, text))
        })?;
        self.attempt(|r| -> Read<()> {
            let stars = r.expect(Token::DoubleStar)?;
            r.expression()?;
            r.expect(Token::Equal)?;
            let value = r.expression()?;
            Err(r.raise_at(stars, value.last as usize, "cannot assign to keyword argument unpacking"))
        })?;
        Ok(())
    }

    /// `name = value for …`
    fn generator_of_assignment(&mut self) -> Read<()> {
        let name = self.name()?;
        let equal = self.expect(Token::Equal)?;
        self.expression()?;
        self.for_if_clauses()?;
        Err(self.raise_at(name, equal, "invalid syntax. Maybe you meant '==' or ':=' instead of '='?"))
    }

    fn invalid_arguments(&mut self) -> Read<()> {
        let parenthesize = "Generator expression must be parenthesized";
        self.attempt(|r| -> Read<()> {
            if r.attempt(|r| {
                r.listed(Reader::positional)?;
                r.expect(Token::Comma)?;
                r.keyword_arguments()
            })?
            .is_none()
            {
                r.keyword_arguments()?;
            }
            let comma = r.expect(Token::Comma)?;
            let starred = r.listed(Reader::starred_expression)?;
            let last = starred.last().map_or(comma, |node| node.last as usize);
            Err(r.raise_at(comma, last, "iterable argument unpacking follows keyword argument unpacking"))
        })?;
        self.attempt(|r| -> Read<()> {
            let node = r.expression()?;
            let clauses = r.for_if_clauses()?;
            r.expect(Token::Comma)?;
            r.attempt(|r| {
                any!(r => r;
                    r.args().map(|_| ()),
                    {
                        r.expression()?;
                        r.for_if_clauses().map(|_| ())
                    },
                )
            })?;
            Err(r.raise_over(node, clauses.last, parenthesize))
        })?;
        self.attempt(Reader::generator_of_assignment)?;
        self.attempt(|r| -> Read<()> {
            r.attempt(|r| {
                r.args()?;
                r.expect(Token::Comma)
            })?;
            let name = r.name()?;
            let equal = r.expect(Token::Equal)?;
            r.before(&[Token::Comma, Token::RParen])?;
            Err(r.raise_at(name, equal, "expected argument value expression"))
        })?;
        self.attempt(|r| -> Read<()> {
            let args = r.args()?;
            let clauses = r.for_if_clauses()?;
            match args.last {
                Some(last) if args.positional > 1 => Err(r.raise_over(last, clauses.last, parenthesize)),
                _ => Err(No::Match),
            }
        })?;
        self.attempt(|r| -> Read<()> {
            r.args()?;
            r.expect(Token::Comma)?;
            let node = r.expression()?;
            let clauses = r.for_if_clauses()?;
            Err(r.raise_over(node, clauses.target, parenthesize))
        })?;
        self.attempt(|r| -> Read<()> {
            let args = r.args()?;
            r.expect(Token::Comma)?;
            r.args()?;
            Err(r.raise(match args.unpacks {
                true => "positional argument follows keyword argument unpacking",
                false => "positional argument follows keyword argument",
            }))
        })?;
        Ok(())
    }

    pub(super) fn starred_expression(&mut self) -> Read<Node> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                let star = r.expect(Token::Star)?;
                r.expression()?;
                r.expect(Token::Equal)?;
                let value = r.expression()?;
                Err(r.raise_at(star, value.last as usize, "cannot assign to iterable argument unpacking"))
            })?;
        }
        let first = self.expect(Token::Star)?;
        match self.attempt(Reader::expression)? {
            Some(value) => Ok(self.node_of(Kind::Starred, first, &[value])),
            None if self.second => Err(self.raise("Invalid star expression")),
            None => Err(No::Match),
        }
    }

    // ---- lambda ----

    fn lambda(&mut self) -> Read<Node> {
        let first = self.expect(Token::Lambda)?;
        self.attempt(Reader::lambda_parameters)?;
        self.expect(Token::Colon)?;
        self.expression()?;
        Ok(self.node(Kind::Lambda, first))
    }
}

fn any_operator(r: &mut Reader<'_>) -> Read<Token> {
    let simple = [
        Token::EqEqual,
        Token::NotEqual,
        Token::LessEqual,
        Token::Less,
        Token::GreaterEqual,
        Token::Greater,
        Token::In,
    ];
    let token = r.peek()?.ok_or(No::Match)?;
    if simple.contains(&token) {
        r.at += 1;
        return Ok(token);
    }
    match token {
        Token::Not => {
            r.at += 1;
            r.expect(Token::In)?;
            Ok(Token::Not)
        }
        Token::Is => {
            r.at += 1;
            r.accept(Token::Not)?;
            Ok(Token::Is)
        }
        _ => Err(No::Match),
    }
}
