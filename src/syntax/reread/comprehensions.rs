//! Comprehensions and their clauses.

use super::*;

/// The clauses of a comprehension, as far as messages show them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clauses {
    /// The target of the last.
    pub(super) target: Node,
    /// What it ends with.
    pub(super) last: Node,
}

impl Reader<'_> {
    pub(super) fn for_if_clauses(&mut self) -> Read<Clauses> {
        self.some(Reader::for_if_clause)?.last().copied().ok_or(No::Match)
    }

    fn for_if_clause(&mut self) -> Read<Clauses> {
        // Behind `in` there is no other way.
        let at = self.at;
        let head = self.attempt(|r| {
            r.accept(Token::Async)?;
            r.expect(Token::For)?;
            let target = r.star_targets()?;
            r.expect(Token::In)?;
            Ok(target)
        })?;
        if let Some(target) = head {
            let mut last = self.disjunction()?;
            if let Some(&condition) = self
                .many(|r| {
                    r.expect(Token::If)?;
                    r.disjunction()
                })?
                .last()
            {
                last = condition;
            }
            return Ok(Clauses { target, last });
        }
        self.at = at;
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.accept(Token::Async)?;
                r.expect(Token::For)?;
                r.listed(Reader::bit_or)?;
                r.accept(Token::Comma)?;
                r.not_before(&[Token::In])?;
                Err(r.raise("'in' expected after for-loop variables"))
            })?;
            self.attempt(Reader::invalid_for_target)?;
        }
        Err(No::Match)
    }

    pub(super) fn invalid_for_target(&mut self) -> Read<()> {
        self.accept(Token::Async)?;
        self.expect(Token::For)?;
        let node = self.star_expressions()?;
        self.invalid_target(Purpose::For, node)
    }

    pub(super) fn list_comprehension(&mut self) -> Read<Node> {
        self.comprehension(Token::LBracket, Token::RBracket, Kind::ListComp, Reader::named_expression)
    }

    pub(super) fn set_comprehension(&mut self) -> Read<Node> {
        self.comprehension(Token::LBrace, Token::RBrace, Kind::SetComp, Reader::named_expression)
    }

    pub(super) fn generator(&mut self) -> Read<Node> {
        self.comprehension(Token::LParen, Token::RParen, Kind::Generator, Reader::argument_value)
    }

    fn comprehension(
        &mut self,
        open: Token,
        close: Token,
        kind: Kind,
        item: fn(&mut Self) -> Read<Node>,
    ) -> Read<Node> {
        let first = self.at;
        if let Some(node) = self.attempt(|r| {
            r.expect(open)?;
            item(r)?;
            r.for_if_clauses()?;
            r.expect(close)?;
            Ok(r.node(kind, first))
        })? {
            return Ok(node);
        }
        if self.second {
            self.invalid_comprehension()?;
        }
        Err(No::Match)
    }

    fn invalid_comprehension(&mut self) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            r.expect_any(&[Token::LBracket, Token::LParen, Token::LBrace])?;
            let node = r.starred_expression()?;
            r.for_if_clauses()?;
            Err(r.raise_on(node, "iterable unpacking cannot be used in comprehension"))
        })?;
        let parentheses = "did you forget parentheses around the comprehension target?";
        self.attempt(|r| -> Read<()> {
            r.expect_any(&[Token::LBracket, Token::LBrace])?;
            let first = r.star_named_expression()?;
            r.expect(Token::Comma)?;
            let rest = r.star_named_expressions()?;
            r.for_if_clauses()?;
            let last = rest.last().copied().unwrap_or(first);
            Err(r.raise_over(first, last, parentheses))
        })?;
        self.attempt(|r| -> Read<()> {
            r.expect_any(&[Token::LBracket, Token::LBrace])?;
            let first = r.star_named_expression()?;
            let comma = r.expect(Token::Comma)?;
            r.for_if_clauses()?;
            Err(r.raise_at(first.first as usize, comma, parentheses))
        })?;
        Ok(())
    }

    pub(super) fn dict_comprehension(&mut self) -> Read<Node> {
        let first = self.at;
        if let Some(node) = self.attempt(|r| {
            r.expect(Token::LBrace)?;
            r.key_and_value()?;
            r.for_if_clauses()?;
            r.expect(Token::RBrace)?;
            Ok(r.node(Kind::DictComp, first))
        })? {
            return Ok(node);
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.expect(Token::LBrace)?;
                let stars = r.expect(Token::DoubleStar)?;
                r.bit_or()?;
                r.for_if_clauses()?;
                r.expect(Token::RBrace)?;
                Err(r.raise_at(stars, stars, "dict unpacking cannot be used in dict comprehension"))
            })?;
        }
        Err(No::Match)
    }
}

use super::targets::Purpose;
