//! `match` statements and their patterns.

use super::*;

impl Reader<'_> {
    pub(super) fn match_statement(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                r.word("match")?;
                r.subject()?;
                r.expect(Token::Colon)?;
                r.expect(Token::Newline)?;
                r.expect(Token::Indent)?;
                r.some(Reader::case_block)?;
                r.expect(Token::Dedent)
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.word("match")?;
                r.subject()?;
                r.expect(Token::Newline)?;
                Err(r.raise("expected ':'"))
            })?;
            self.attempt(|r| {
                let word = r.word("match")?;
                r.subject()?;
                r.expect(Token::Colon)?;
                r.missing_block("'match' statement", word)
            })?;
        }
        Err(No::Match)
    }

    fn subject(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.star_named_expression()?;
                r.expect(Token::Comma)?;
                r.attempt(Reader::star_named_expressions)?;
                Ok(())
            },
            r.named_expression().map(|_| ()),
        )
    }

    fn case_block(&mut self) -> Read<()> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.word("case")?;
                r.patterns()?;
                r.attempt(Reader::guard)?;
                r.expect(Token::Newline)?;
                Err(r.raise("expected ':'"))
            })?;
            self.attempt(|r| {
                let word = r.word("case")?;
                r.patterns()?;
                r.attempt(Reader::guard)?;
                r.expect(Token::Colon)?;
                r.missing_block("'case' statement", word)
            })?;
        }
        self.word("case")?;
        self.patterns()?;
        self.attempt(Reader::guard)?;
        self.expect(Token::Colon)?;
        self.block()
    }

    fn guard(&mut self) -> Read<Node> {
        self.expect(Token::If)?;
        self.named_expression()
    }

    fn patterns(&mut self) -> Read<()> {
        any!(self => r; r.open_sequence_pattern(), r.pattern())
    }

    fn pattern(&mut self) -> Read<()> {
        any!(self => r; r.as_pattern(), r.or_pattern())
    }

    fn as_pattern(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                r.or_pattern()?;
                r.expect(Token::As)?;
                r.capture_target()
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.or_pattern()?;
                r.expect(Token::As)?;
                let wildcard = r.word("_")?;
                Err(r.raise_at(wildcard, wildcard, "cannot use '_' as a target"))
            })?;
            self.attempt(|r| -> Read<()> {
                r.or_pattern()?;
                r.expect(Token::As)?;
                let node = r.expression()?;
                Err(r.raise_on(node, format!("cannot use {} as pattern target", node.kind.describe())))
            })?;
        }
        Err(No::Match)
    }

    fn or_pattern(&mut self) -> Read<()> {
        self.parted(Token::VBar, Reader::closed_pattern)?;
        Ok(())
    }

    fn closed_pattern(&mut self) -> Read<Node> {
        self.remembered(Rule::ClosedPattern, |r| {
            let first = r.at;
            r.any_closed_pattern()?;
            Ok(r.node(Kind::Name, first))
        })
    }

    fn any_closed_pattern(&mut self) -> Read<()> {
        any!(self => r;
            r.literal_pattern(),
            r.capture_target(),
            r.word("_").map(|_| ()),
            r.value_pattern(),
            {
                r.expect(Token::LParen)?;
                r.pattern()?;
                r.expect(Token::RParen)?;
                Ok(())
            },
            {
                r.expect(Token::LBracket)?;
                r.attempt(Reader::maybe_sequence_pattern)?;
                r.expect(Token::RBracket)?;
                Ok(())
            },
            {
                r.expect(Token::LParen)?;
                r.attempt(Reader::open_sequence_pattern)?;
                r.expect(Token::RParen)?;
                Ok(())
            },
            r.mapping_pattern(),
            r.class_pattern(),
        )
    }

    fn signed_number(&mut self) -> Read<()> {
        self.accept(Token::Minus)?;
        self.expect(Token::Number)?;
        Ok(())
    }

    fn complex_number(&mut self) -> Read<()> {
        self.signed_number()?;
        self.part_of_complex(false)?;
        self.expect_any(&[Token::Plus, Token::Minus])?;
        self.expect(Token::Number)?;
        self.part_of_complex(true)
    }

    /// Whether the number that was read is a real or imaginary one, as it has to be.
    fn part_of_complex(&mut self, imaginary: bool) -> Read<()> {
        let number = self.at - 1;
        if self.text_of(number).ends_with(['j', 'J']) == imaginary {
            return Ok(());
        }
        let which = if imaginary { "imaginary" } else { "real" };
        Err(self.raise_at(number, number, format!("{which} number required in complex literal")))
    }

    fn literal_pattern(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.signed_number()?;
                r.not_before(&[Token::Plus, Token::Minus])
            },
            r.complex_number(),
            r.strings().map(|_| ()),
            r.expect_any(&[Token::None, Token::True, Token::False]).map(|_| ()),
        )
    }

    fn capture_target(&mut self) -> Read<()> {
        if self.is_word("_")? {
            return Err(No::Match);
        }
        self.name()?;
        self.not_before(&[Token::Dot, Token::LParen, Token::Equal])
    }

    fn value_pattern(&mut self) -> Read<()> {
        self.attribute()?;
        self.not_before(&[Token::Dot, Token::LParen, Token::Equal])
    }

    /// `a.b`, `a.b.c`
    fn attribute(&mut self) -> Read<()> {
        self.name()?;
        self.some(|r| {
            r.expect(Token::Dot)?;
            r.name()
        })?;
        Ok(())
    }

    pub(super) fn open_sequence_pattern(&mut self) -> Read<()> {
        self.maybe_star_pattern()?;
        self.expect(Token::Comma)?;
        self.attempt(Reader::maybe_sequence_pattern)?;
        Ok(())
    }

    fn maybe_sequence_pattern(&mut self) -> Read<()> {
        self.listed(Reader::maybe_star_pattern)?;
        self.accept(Token::Comma)?;
        Ok(())
    }

    fn maybe_star_pattern(&mut self) -> Read<()> {
        any!(self => r; r.star_pattern().map(|_| ()), r.pattern())
    }

    fn star_pattern(&mut self) -> Read<Node> {
        self.remembered(Rule::StarPattern, |r| {
            let first = r.expect(Token::Star)?;
            if r.attempt(Reader::capture_target)?.is_none() {
                r.word("_")?;
            }
            Ok(r.node(Kind::Starred, first))
        })
    }

    fn mapping_pattern(&mut self) -> Read<()> {
        self.expect(Token::LBrace)?;
        let double_star = |r: &mut Self| -> Read<()> {
            r.expect(Token::DoubleStar)?;
            r.capture_target()
        };
        any!(self => r;
            r.expect(Token::RBrace).map(|_| ()),
            {
                double_star(r)?;
                r.accept(Token::Comma)?;
                r.expect(Token::RBrace).map(|_| ())
            },
            {
                r.listed(Reader::key_pattern)?;
                r.expect(Token::Comma)?;
                double_star(r)?;
                r.accept(Token::Comma)?;
                r.expect(Token::RBrace).map(|_| ())
            },
            {
                r.listed(Reader::key_pattern)?;
                r.accept(Token::Comma)?;
                r.expect(Token::RBrace).map(|_| ())
            },
        )
    }

    fn key_pattern(&mut self) -> Read<()> {
        if self.attempt(Reader::literal_pattern)?.is_none() {
            self.attribute()?;
        }
        self.expect(Token::Colon)?;
        self.pattern()
    }

    fn class_pattern(&mut self) -> Read<()> {
        let class = |r: &mut Self| -> Read<()> {
            r.name()?;
            r.many(|r| {
                r.expect(Token::Dot)?;
                r.name()
            })?;
            r.expect(Token::LParen)?;
            Ok(())
        };
        let close = |r: &mut Self| -> Read<()> {
            r.accept(Token::Comma)?;
            r.expect(Token::RParen)?;
            Ok(())
        };
        if self
            .attempt(|r| {
                class(r)?;
                any!(r => r;
                    r.expect(Token::RParen).map(|_| ()),
                    {
                        r.listed(Reader::pattern)?;
                        close(r)
                    },
                    {
                        r.listed(Reader::keyword_pattern)?;
                        close(r)
                    },
                    {
                        r.listed(Reader::pattern)?;
                        r.expect(Token::Comma)?;
                        r.listed(Reader::keyword_pattern)?;
                        close(r)
                    },
                )
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                class(r)?;
                r.attempt(|r| {
                    r.listed(Reader::pattern)?;
                    r.expect(Token::Comma)
                })?;
                r.listed(Reader::keyword_pattern)?;
                r.expect(Token::Comma)?;
                let first = r.at;
                r.listed(Reader::pattern)?;
                let last = r.at - 1;
                Err(r.raise_at(first, last, "positional patterns follow keyword patterns"))
            })?;
        }
        Err(No::Match)
    }

    fn keyword_pattern(&mut self) -> Read<()> {
        self.name()?;
        self.expect(Token::Equal)?;
        self.pattern()
    }
}
