//! Parameters of functions and lambdas, and type parameters.

use super::*;

/// What differs between the parameters of `def` and `lambda`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Def,
    Lambda,
}

impl Of {
    /// What ends the parameters.
    fn close(self) -> Token {
        if self == Of::Def { Token::RParen } else { Token::Colon }
    }

    fn noun(self) -> &'static str {
        if self == Of::Def { "Function" } else { "Lambda expression" }
    }
}

impl Reader<'_> {
    pub(super) fn parameters(&mut self) -> Read<()> {
        self.all_parameters(Of::Def)
    }

    pub(super) fn lambda_parameters(&mut self) -> Read<()> {
        self.all_parameters(Of::Lambda)
    }

    fn all_parameters(&mut self, of: Of) -> Read<()> {
        if self.second {
            self.attempt(|r| r.invalid_parameters(of))?;
        }
        any!(self => r;
            {
                r.slash_no_default(of)?;
                r.many(|r| r.no_default(of))?;
                r.many(|r| r.with_default(of))?;
                r.attempt(|r| r.star_etc(of))?;
                Ok(())
            },
            {
                r.slash_with_default(of)?;
                r.many(|r| r.with_default(of))?;
                r.attempt(|r| r.star_etc(of))?;
                Ok(())
            },
            {
                r.some(|r| r.no_default(of))?;
                r.many(|r| r.with_default(of))?;
                r.attempt(|r| r.star_etc(of))?;
                Ok(())
            },
            {
                r.some(|r| r.with_default(of))?;
                r.attempt(|r| r.star_etc(of))?;
                Ok(())
            },
            r.star_etc(of),
        )
    }

    /// A comma, or the end of the parameters behind.
    fn parameter_end(&mut self, of: Of) -> Read<()> {
        if self.accept(Token::Comma)? { Ok(()) } else { self.parameters_end(of) }
    }

    fn parameters_end(&mut self, of: Of) -> Read<()> {
        // In a replacement field the colon of a lambda is taken for that of the format.
        let close = if of == Of::Def { [of.close(); 2] } else { [Token::Colon, Token::FieldColon] };
        self.before(&close)
    }

    fn slash_no_default(&mut self, of: Of) -> Read<()> {
        self.some(|r| r.no_default(of))?;
        self.expect(Token::Slash)?;
        self.parameter_end(of)
    }

    fn slash_with_default(&mut self, of: Of) -> Read<()> {
        self.many(|r| r.no_default(of))?;
        self.some(|r| r.with_default(of))?;
        self.expect(Token::Slash)?;
        self.parameter_end(of)
    }

    /// A name, with its annotation; the node is the name's alone for a lambda.
    fn parameter(&mut self, of: Of) -> Read<Node> {
        let first = self.name()?;
        if of == Of::Def {
            self.attempt(|r| {
                r.expect(Token::Colon)?;
                r.expression()
            })?;
        }
        Ok(self.node(Kind::Name, first))
    }

    fn no_default(&mut self, of: Of) -> Read<Node> {
        let node = self.parameter(of)?;
        self.parameter_end(of)?;
        Ok(node)
    }

    fn with_default(&mut self, of: Of) -> Read<()> {
        self.parameter(of)?;
        self.default()?;
        self.parameter_end(of)
    }

    fn maybe_default(&mut self, of: Of) -> Read<()> {
        self.parameter(of)?;
        self.attempt(Reader::default)?;
        self.parameter_end(of)
    }

    fn default(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                r.expect(Token::Equal)?;
                r.expression()
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                let equal = r.expect(Token::Equal)?;
                r.before(&[Token::RParen, Token::Comma])?;
                Err(r.raise_at(equal, equal, "expected default value expression"))
            })?;
        }
        Err(No::Match)
    }

    fn star_etc(&mut self, of: Of) -> Read<()> {
        if self.second {
            self.invalid_star_etc(of)?;
        }
        any!(self => r;
            {
                r.expect(Token::Star)?;
                r.no_default(of)?;
                r.many(|r| r.maybe_default(of))?;
                r.attempt(|r| r.keywords(of))?;
                Ok(())
            },
            {
                r.expect(Token::Star)?;
                if of == Of::Lambda {
                    return Err(No::Match);
                }
                r.name()?;
                r.expect(Token::Colon)?;
                r.star_expression()?;
                r.parameter_end(of)?;
                r.many(|r| r.maybe_default(of))?;
                r.attempt(|r| r.keywords(of))?;
                Ok(())
            },
            {
                r.expect(Token::Star)?;
                r.expect(Token::Comma)?;
                r.some(|r| r.maybe_default(of))?;
                r.attempt(|r| r.keywords(of))?;
                Ok(())
            },
            r.keywords(of),
        )
    }

    fn keywords(&mut self, of: Of) -> Read<()> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.expect(Token::DoubleStar)?;
                r.parameter(of)?;
                let equal = r.expect(Token::Equal)?;
                Err(r.raise_at(equal, equal, "var-keyword argument cannot have default value"))
            })?;
            let behind = "arguments cannot follow var-keyword argument";
            self.attempt(|r| -> Read<()> {
                r.expect(Token::DoubleStar)?;
                r.parameter(of)?;
                r.expect(Token::Comma)?;
                let node = r.parameter(of)?;
                Err(r.raise_on(node, behind))
            })?;
            self.attempt(|r| -> Read<()> {
                r.expect(Token::DoubleStar)?;
                r.parameter(of)?;
                r.expect(Token::Comma)?;
                let token = r.expect_any(&[Token::Star, Token::DoubleStar, Token::Slash])?;
                Err(r.raise_at(token, token, behind))
            })?;
        }
        self.expect(Token::DoubleStar)?;
        self.no_default(of)?;
        Ok(())
    }

    fn invalid_parameters(&mut self, of: Of) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            let slash = r.expect(Token::Slash)?;
            r.expect(Token::Comma)?;
            Err(r.raise_at(slash, slash, "at least one argument must precede /"))
        })?;
        let slashed = |r: &mut Self| any!(r => r; r.slash_no_default(of), r.slash_with_default(of));
        self.attempt(|r| -> Read<()> {
            slashed(r)?;
            r.many(|r| r.maybe_default(of))?;
            let slash = r.expect(Token::Slash)?;
            Err(r.raise_at(slash, slash, "/ may appear only once"))
        })?;
        self.attempt(|r| -> Read<()> {
            r.attempt(|r| r.slash_no_default(of))?;
            r.many(|r| r.no_default(of))?;
            if r.attempt(|r| r.slash_with_default(of))?.is_none() {
                r.some(|r| r.with_default(of))?;
            }
            let node = r.no_default(of)?;
            Err(r.raise_on(node, "parameter without a default follows parameter with a default"))
        })?;
        self.attempt(|r| -> Read<()> {
            r.many(|r| r.no_default(of))?;
            let open = r.expect(Token::LParen)?;
            match of {
                Of::Def => {
                    r.some(|r| r.no_default(of))?;
                }
                Of::Lambda => {
                    r.listed(|r| r.parameter(of))?;
                }
            }
            r.accept(Token::Comma)?;
            let close = r.expect(Token::RParen)?;
            Err(r.raise_at(open, close, format!("{} parameters cannot be parenthesized", of.noun())))
        })?;
        self.attempt(|r| -> Read<()> {
            r.attempt(slashed)?;
            r.many(|r| r.maybe_default(of))?;
            r.expect(Token::Star)?;
            if !r.accept(Token::Comma)? {
                r.no_default(of)?;
            }
            r.many(|r| r.maybe_default(of))?;
            let slash = r.expect(Token::Slash)?;
            Err(r.raise_at(slash, slash, "/ must be ahead of *"))
        })?;
        self.some(|r| r.maybe_default(of))?;
        self.expect(Token::Slash)?;
        let star = self.expect(Token::Star)?;
        Err(self.raise_at(star, star, "expected comma between / and *"))
    }

    fn invalid_star_etc(&mut self, of: Of) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            let star = r.expect(Token::Star)?;
            if !r.accept(of.close())? {
                r.expect(Token::Comma)?;
                r.expect_any(&[of.close(), Token::DoubleStar])?;
            }
            Err(match of {
                Of::Def => r.raise_at(star, star, "named arguments must follow bare *"),
                Of::Lambda => r.raise("named arguments must follow bare *"),
            })
        })?;
        self.attempt(|r| -> Read<()> {
            r.expect(Token::Star)?;
            r.parameter(of)?;
            let equal = r.expect(Token::Equal)?;
            Err(r.raise_at(equal, equal, "var-positional argument cannot have default value"))
        })?;
        self.attempt(|r| -> Read<()> {
            let one = |r: &mut Self| -> Read<()> {
                if r.attempt(|r| r.no_default(of))?.is_none() {
                    r.expect(Token::Comma)?;
                }
                Ok(())
            };
            r.expect(Token::Star)?;
            one(r)?;
            r.many(|r| r.maybe_default(of))?;
            let star = r.expect(Token::Star)?;
            one(r)?;
            Err(r.raise_at(star, star, "* argument may appear only once"))
        })?;
        Ok(())
    }

    // ---- type parameters ----

    pub(super) fn type_parameters(&mut self) -> Read<()> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.expect(Token::LBracket)?;
                let close = r.expect(Token::RBracket)?;
                Err(r.raise_from(close, "Type parameter list cannot be empty"))
            })?;
        }
        self.expect(Token::LBracket)?;
        self.listed(Reader::type_parameter)?;
        self.accept(Token::Comma)?;
        self.expect(Token::RBracket)?;
        Ok(())
    }

    fn type_parameter(&mut self) -> Read<Node> {
        self.remembered(Rule::TypeParameter, |r| {
            let first = r.at;
            if let Some(node) = r.attempt(|r| {
                r.name()?;
                r.attempt(|r| {
                    r.expect(Token::Colon)?;
                    r.expression()
                })?;
                r.attempt(Reader::type_default)?;
                Ok(r.node(Kind::Name, first))
            })? {
                return Ok(node);
            }
            if r.second {
                for (star, what) in [(Token::Star, "TypeVarTuple"), (Token::DoubleStar, "ParamSpec")] {
                    r.attempt(|r| -> Read<()> {
                        r.expect(star)?;
                        r.name()?;
                        let colon = r.expect(Token::Colon)?;
                        let bound = r.expression()?;
                        let kind = if bound.kind == Kind::Tuple { "constraints" } else { "bound" };
                        Err(r.raise_from(colon, format!("cannot use {kind} with {what}")))
                    })?;
                }
            }
            any!(r => r;
                {
                    r.expect(Token::Star)?;
                    r.name()?;
                    r.attempt(|r| {
                        r.expect(Token::Equal)?;
                        r.star_expression()
                    })?;
                    Ok(r.node(Kind::Name, first))
                },
                {
                    r.expect(Token::DoubleStar)?;
                    r.name()?;
                    r.attempt(Reader::type_default)?;
                    Ok(r.node(Kind::Name, first))
                },
            )
        })
    }

    fn type_default(&mut self) -> Read<Node> {
        self.expect(Token::Equal)?;
        self.expression()
    }
}
