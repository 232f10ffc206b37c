//! What can be bound or deleted.

use super::*;

/// What a target is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Star,
    For,
    Delete,
}

const BEHIND_TARGET: [Token; 3] = [Token::LParen, Token::LBracket, Token::Dot];

impl Reader<'_> {
    pub(super) fn star_targets(&mut self) -> Read<Node> {
        let first = self.at;
        let one = self.star_target()?;
        if !self.is(Token::Comma)? {
            return Ok(one);
        }
        let mut all = vec![one];
        all.extend(self.many(|r| {
            r.expect(Token::Comma)?;
            r.star_target()
        })?);
        self.accept(Token::Comma)?;
        Ok(self.node_of(Kind::Tuple, first, &all))
    }

    pub(super) fn star_target(&mut self) -> Read<Node> {
        self.remembered(Rule::StarTarget, |r| {
            let first = r.at;
            if let Some(node) = r.attempt(|r| {
                r.expect(Token::Star)?;
                r.not_before(&[Token::Star])?;
                let value = r.star_target()?;
                Ok(r.node_of(Kind::Starred, first, &[value]))
            })? {
                return Ok(node);
            }
            r.target_with_star_atom()
        })
    }

    fn target_with_star_atom(&mut self) -> Read<Node> {
        self.remembered(Rule::TargetWithStarAtom, |r| any!(r => r; r.attribute_or_subscript(), r.star_atom()))
    }

    fn star_atom(&mut self) -> Read<Node> {
        let first = self.at;
        any!(self => r;
            {
                r.name()?;
                Ok(r.node(Kind::Name, first))
            },
            {
                r.expect(Token::LParen)?;
                let node = r.target_with_star_atom()?;
                r.expect(Token::RParen)?;
                Ok(node)
            },
            {
                r.expect(Token::LParen)?;
                r.attempt(|r| {
                    r.star_target()?;
                    r.expect(Token::Comma)?;
                    match r.attempt(|r| r.listed(Reader::star_target))? {
                        Some(_) => r.accept(Token::Comma),
                        None => Ok(true),
                    }
                })?;
                r.expect(Token::RParen)?;
                Ok(r.node(Kind::Tuple, first))
            },
            {
                r.expect(Token::LBracket)?;
                r.attempt(|r| {
                    r.listed(Reader::star_target)?;
                    r.accept(Token::Comma)
                })?;
                r.expect(Token::RBracket)?;
                Ok(r.node(Kind::List, first))
            },
        )
    }

    pub(super) fn single_target(&mut self) -> Read<Node> {
        any!(self => r;
            r.attribute_or_subscript(),
            r.name().map(|name| r.token_node(name)),
            {
                r.expect(Token::LParen)?;
                let node = r.single_target()?;
                r.expect(Token::RParen)?;
                Ok(node)
            },
        )
    }

    /// A target that ends in an attribute or a subscript.
    pub(super) fn attribute_or_subscript(&mut self) -> Read<Node> {
        let first = self.at;
        self.target_primary()?;
        let kind = match self.trailer()? {
            Some(kind @ (Kind::Attribute | Kind::Subscript)) => kind,
            _ => return Err(No::Match),
        };
        self.not_before(&BEHIND_TARGET)?;
        Ok(self.node(kind, first))
    }

    /// All of a primary but what is behind its last dot or bracket.
    fn target_primary(&mut self) -> Read<Node> {
        self.remembered(Rule::TargetPrimary, |r| {
            let first = r.at;
            let mut node = r.atom()?;
            r.before(&BEHIND_TARGET)?;
            while let Some(longer) = r.attempt(|r| {
                let kind = r.trailer()?.ok_or(No::Match)?;
                r.before(&BEHIND_TARGET)?;
                Ok(r.node(kind, first))
            })? {
                node = longer;
            }
            Ok(node)
        })
    }

    pub(super) fn deletion_targets(&mut self) -> Read<()> {
        self.listed(Reader::deletion_target)?;
        self.accept(Token::Comma)?;
        Ok(())
    }

    fn deletion_target(&mut self) -> Read<Node> {
        self.remembered(Rule::DeletionTarget, |r| any!(r => r; r.attribute_or_subscript(), r.deletion_atom()))
    }

    fn deletion_atom(&mut self) -> Read<Node> {
        let first = self.at;
        any!(self => r;
            r.name().map(|name| r.token_node(name)),
            {
                r.expect(Token::LParen)?;
                let node = r.deletion_target()?;
                r.expect(Token::RParen)?;
                Ok(node)
            },
            {
                r.expect(Token::LParen)?;
                r.attempt(Reader::deletion_targets)?;
                r.expect(Token::RParen)?;
                Ok(r.node(Kind::Tuple, first))
            },
            {
                r.expect(Token::LBracket)?;
                r.attempt(Reader::deletion_targets)?;
                r.expect(Token::RBracket)?;
                Ok(r.node(Kind::List, first))
            },
        )
    }

    /// The part of an expression that can't be a target.
    fn bad_target(&self, purpose: Purpose, node: Node) -> Option<Node> {
        match node.kind {
            Kind::List | Kind::Tuple => self.parts_of(node).iter().find_map(|&part| self.bad_target(purpose, part)),
            Kind::Starred if purpose == Purpose::Delete => Some(node),
            Kind::Starred => self.parts_of(node).iter().find_map(|&part| self.bad_target(purpose, part)),
            Kind::Compare(with_in) if purpose == Purpose::For => match with_in {
                true => self.parts_of(node).iter().find_map(|&part| self.bad_target(purpose, part)),
                false => None,
            },
            Kind::Name | Kind::Subscript | Kind::Attribute => None,
            _ => Some(node),
        }
    }

    /// Complain of what can't be a target, if it can't.
    pub(super) fn invalid_target(&mut self, purpose: Purpose, node: Node) -> Read<()> {
        let bad = self.bad_target(purpose, node).ok_or(No::Match)?;
        let verb = if purpose == Purpose::Delete { "delete" } else { "assign to" };
        Err(self.raise_on(bad, format!("cannot {verb} {}", bad.kind.describe())))
    }
}
