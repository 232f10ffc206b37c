//! Statements, simple and compound.

use super::targets::Purpose;
use super::*;

const AUGMENTED: [Token; 13] = [
    Token::PlusEqual,
    Token::MinusEqual,
    Token::StarEqual,
    Token::AtEqual,
    Token::SlashEqual,
    Token::PercentEqual,
    Token::AmperEqual,
    Token::VBarEqual,
    Token::CaretEqual,
    Token::ShlEqual,
    Token::ShrEqual,
    Token::DoubleStarEqual,
    Token::DoubleSlashEqual,
];

impl Reader<'_> {
    pub(super) fn interactive(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                r.compound_statement()?;
                r.expect(Token::Newline)
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.attempt(Reader::simple_statements)?.is_some() {
            return Ok(());
        }
        if self.attempt(|r| r.expect(Token::Newline))?.is_some() {
            return Ok(());
        }
        self.end_of_text()
    }

    pub(super) fn statement(&mut self) -> Read<()> {
        any!(self => r; r.compound_statement(), r.simple_statements())
    }

    fn statements(&mut self) -> Read<()> {
        self.some(Reader::statement)?;
        Ok(())
    }

    fn simple_statements(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.simple_statement()?;
                r.not_before(&[Token::Semicolon])?;
                r.expect(Token::Newline)?;
                Ok(())
            },
            {
                r.parted(Token::Semicolon, Reader::simple_statement)?;
                r.accept(Token::Semicolon)?;
                r.expect(Token::Newline)?;
                Ok(())
            },
        )
    }

    pub(super) fn simple_statement(&mut self) -> Read<Node> {
        self.remembered(Rule::SimpleStatement, |r| {
            let first = r.at;
            r.any_simple_statement()?;
            Ok(r.node(Kind::Name, first))
        })
    }

    fn any_simple_statement(&mut self) -> Read<()> {
        if self.attempt(Reader::assignment)?.is_some() {
            return Ok(());
        }
        if self.is_word("type")? && self.attempt(Reader::type_alias)?.is_some() {
            return Ok(());
        }
        if self.attempt(Reader::star_expressions)?.is_some() {
            return Ok(());
        }
        match self.peek()?.ok_or(No::Match)? {
            Token::Return => {
                self.at += 1;
                self.attempt(Reader::star_expressions)?;
                Ok(())
            }
            Token::Import | Token::From => self.import_statement(),
            Token::Raise => self.raise_statement(),
            Token::Pass | Token::Break | Token::Continue => {
                self.at += 1;
                Ok(())
            }
            Token::Del => self.del_statement(),
            Token::Yield => self.yield_expression().map(|_| ()),
            Token::Assert => {
                self.at += 1;
                self.expression()?;
                self.attempt(|r| {
                    r.expect(Token::Comma)?;
                    r.expression()
                })?;
                Ok(())
            }
            Token::Global | Token::Nonlocal => {
                self.at += 1;
                self.listed(Reader::name)?;
                Ok(())
            }
            _ => Err(No::Match),
        }
    }

    fn assignment(&mut self) -> Read<()> {
        let annotated = |r: &mut Self| -> Read<()> {
            r.expect(Token::Colon)?;
            r.expression()?;
            r.attempt(|r| {
                r.expect(Token::Equal)?;
                r.value()
            })?;
            Ok(())
        };
        if self
            .attempt(|r| {
                r.name()?;
                annotated(r)
            })?
            .is_some()
        {
            return Ok(());
        }
        if self
            .attempt(|r| {
                if r.attempt(|r| {
                    r.expect(Token::LParen)?;
                    r.single_target()?;
                    r.expect(Token::RParen)
                })?
                .is_none()
                {
                    r.attribute_or_subscript()?;
                }
                annotated(r)
            })?
            .is_some()
        {
            return Ok(());
        }
        if self
            .attempt(|r| {
                r.some(Reader::bound)?;
                r.value()?;
                r.not_before(&[Token::Equal])
            })?
            .is_some()
        {
            return Ok(());
        }
        // Behind the operator there is no other way.
        let at = self.at;
        if self
            .attempt(|r| {
                r.single_target()?;
                r.expect_any(&AUGMENTED)
            })?
            .is_some()
        {
            return self.value().map(|_| ());
        }
        self.at = at;
        if self.second {
            self.invalid_assignment()?;
        }
        Err(No::Match)
    }

    /// `targets =`
    fn bound(&mut self) -> Read<()> {
        self.star_targets()?;
        self.expect(Token::Equal)?;
        Ok(())
    }

    fn invalid_assignment(&mut self) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            let node = r.invalid_annotated()?;
            r.expect(Token::Colon)?;
            r.expression()?;
            Err(r.raise_on(node, format!("only single target (not {}) can be annotated", node.kind.describe())))
        })?;
        self.attempt(|r| -> Read<()> {
            let node = r.star_named_expression()?;
            r.expect(Token::Comma)?;
            r.many(Reader::star_named_expressions)?;
            r.expect(Token::Colon)?;
            r.expression()?;
            Err(r.raise_on(node, "only single target (not tuple) can be annotated"))
        })?;
        self.attempt(|r| -> Read<()> {
            let node = r.expression()?;
            r.expect(Token::Colon)?;
            r.expression()?;
            Err(r.raise_on(node, "illegal target for annotation"))
        })?;
        self.attempt(|r| -> Read<()> {
            r.many(Reader::bound)?;
            let node = r.star_expressions()?;
            r.expect(Token::Equal)?;
            r.invalid_target(Purpose::Star, node)
        })?;
        self.attempt(|r| -> Read<()> {
            r.many(Reader::bound)?;
            let node = r.yield_expression()?;
            r.expect(Token::Equal)?;
            Err(r.raise_on(node, "assignment to yield expression not possible"))
        })?;
        self.attempt(|r| -> Read<()> {
            let node = r.star_expressions()?;
            r.expect_any(&AUGMENTED)?;
            r.value()?;
            let text = format!("'{}' is an illegal expression for augmented assignment", node.kind.describe());
            Err(r.raise_on(node, text))
        })?;
        Ok(())
    }

    fn invalid_annotated(&mut self) -> Read<Node> {
        any!(self => r;
            r.list(),
            r.tuple(),
            {
                r.expect(Token::LParen)?;
                let node = r.invalid_annotated()?;
                r.expect(Token::RParen)?;
                Ok(node)
            },
        )
    }

    fn type_alias(&mut self) -> Read<()> {
        self.word("type")?;
        self.name()?;
        self.attempt(Reader::type_parameters)?;
        self.expect(Token::Equal)?;
        self.expression()?;
        Ok(())
    }

    fn raise_statement(&mut self) -> Read<()> {
        self.expect(Token::Raise)?;
        if self
            .attempt(|r| {
                r.expression()?;
                r.expect(Token::From)?;
                r.expression()
            })?
            .is_some()
        {
            return Ok(());
        }
        self.attempt(Reader::expression)?;
        Ok(())
    }

    fn del_statement(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                r.expect(Token::Del)?;
                r.deletion_targets()?;
                r.before(&[Token::Semicolon, Token::Newline])
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| {
                r.expect(Token::Del)?;
                let node = r.star_expressions()?;
                r.invalid_target(Purpose::Delete, node)
            })?;
        }
        Err(No::Match)
    }

    // ---- imports ----

    fn import_statement(&mut self) -> Read<()> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                let import = r.expect(Token::Import)?;
                r.listed(Reader::dotted_name)?;
                r.expect(Token::From)?;
                r.dotted_name()?;
                Err(r.raise_from(import, "Did you mean to use 'from ... import ...' instead?"))
            })?;
            self.attempt(|r| -> Read<()> {
                r.expect(Token::Import)?;
                let line_end = r.expect(Token::Newline)?;
                Err(r.raise_from(line_end, "Expected one or more names after 'import'"))
            })?;
        }
        any!(self => r;
            {
                r.expect(Token::Import)?;
                r.listed(|r| r.imported(Reader::dotted_name))?;
                Ok(())
            },
            {
                r.expect(Token::From)?;
                r.many(|r| r.expect_any(&[Token::Dot, Token::Ellipsis]))?;
                r.dotted_name()?;
                r.expect(Token::Import)?;
                r.imported_names()
            },
            {
                r.expect(Token::From)?;
                r.some(|r| r.expect_any(&[Token::Dot, Token::Ellipsis]))?;
                r.expect(Token::Import)?;
                r.imported_names()
            },
        )
    }

    fn dotted_name(&mut self) -> Read<()> {
        self.parted(Token::Dot, Reader::name)?;
        Ok(())
    }

    fn plain_name(&mut self) -> Read<()> {
        self.name().map(|_| ())
    }

    /// What is imported, `as` what.
    fn imported(&mut self, what: fn(&mut Self) -> Read<()>) -> Read<()> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                what(r)?;
                r.expect(Token::As)?;
                r.not(|r| {
                    r.name()?;
                    r.expect_any(&[Token::Comma, Token::RParen, Token::Semicolon, Token::Newline])
                })?;
                let node = r.expression()?;
                Err(r.raise_on(node, format!("cannot use {} as import target", node.kind.describe())))
            })?;
        }
        what(self)?;
        self.attempt(|r| {
            r.expect(Token::As)?;
            r.name()
        })?;
        Ok(())
    }

    fn imported_list(&mut self) -> Read<()> {
        self.listed(|r| r.imported(Reader::plain_name))?;
        Ok(())
    }

    fn imported_names(&mut self) -> Read<()> {
        if self
            .attempt(|r| {
                any!(r => r;
                    {
                        r.expect(Token::LParen)?;
                        r.imported_list()?;
                        r.accept(Token::Comma)?;
                        r.expect(Token::RParen).map(|_| ())
                    },
                    {
                        r.imported_list()?;
                        r.not_before(&[Token::Comma])
                    },
                    r.expect(Token::Star).map(|_| ()),
                )
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.imported_list()?;
                r.expect(Token::Comma)?;
                r.expect(Token::Newline)?;
                Err(r.raise("trailing comma not allowed without surrounding parentheses"))
            })?;
            self.attempt(|r| -> Read<()> {
                let line_end = r.expect(Token::Newline)?;
                Err(r.raise_from(line_end, "Expected one or more names after 'import'"))
            })?;
        }
        Err(No::Match)
    }

    // ---- compound statements ----

    fn compound_statement(&mut self) -> Read<()> {
        let token = self.peek()?.ok_or(No::Match)?;
        let mut rules: Vec<fn(&mut Self) -> Read<()>> = Vec::new();
        if matches!(token, Token::Def | Token::At | Token::Async) {
            rules.push(Reader::function_definition);
        }
        if token == Token::If {
            rules.push(Reader::if_statement);
        }
        if matches!(token, Token::Class | Token::At) {
            rules.push(Reader::class_definition);
        }
        if matches!(token, Token::With | Token::Async) {
            rules.push(Reader::with_statement);
        }
        if matches!(token, Token::For | Token::Async) {
            rules.push(Reader::for_statement);
        }
        if token == Token::Try {
            rules.push(Reader::try_statement);
        }
        if token == Token::While {
            rules.push(Reader::while_statement);
        }
        rules.push(Reader::match_statement);
        for rule in rules {
            if self.attempt(rule)?.is_some() {
                return Ok(());
            }
        }
        Err(No::Match)
    }

    pub(super) fn block(&mut self) -> Read<()> {
        self.remembered(Rule::Block, |r| {
            let first = r.at;
            if r.attempt(|r| {
                r.expect(Token::Newline)?;
                r.expect(Token::Indent)?;
                r.statements()?;
                r.expect(Token::Dedent)
            })?
            .is_none()
                && r.attempt(Reader::simple_statements)?.is_none()
            {
                if r.second {
                    r.attempt(|r| -> Read<()> {
                        r.expect(Token::Newline)?;
                        r.not_before(&[Token::Indent])?;
                        Err(r.indentation_error("expected an indented block"))
                    })?;
                }
                return Err(No::Match);
            }
            Ok(r.node(Kind::Name, first))
        })
        .map(|_| ())
    }

    fn decorators(&mut self) -> Read<()> {
        self.some(|r| {
            r.expect(Token::At)?;
            r.named_expression()?;
            r.expect(Token::Newline)
        })?;
        Ok(())
    }

    fn class_definition(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.decorators()?;
                r.plain_class()
            },
            r.plain_class(),
        )
    }

    fn class_head(&mut self) -> Read<usize> {
        let class = self.expect(Token::Class)?;
        self.name()?;
        self.attempt(Reader::type_parameters)?;
        self.attempt(|r| {
            r.expect(Token::LParen)?;
            r.attempt(Reader::arguments)?;
            r.expect(Token::RParen)
        })?;
        Ok(class)
    }

    fn plain_class(&mut self) -> Read<()> {
        if self.second {
            self.attempt(|r| -> Read<()> {
                r.class_head()?;
                r.expect(Token::Newline)?;
                Err(r.raise("expected ':'"))
            })?;
            self.attempt(|r| {
                let class = r.class_head()?;
                r.expect(Token::Colon)?;
                r.missing_block("class definition", class)
            })?;
        }
        self.class_head()?;
        self.expect(Token::Colon)?;
        self.block()
    }

    fn function_definition(&mut self) -> Read<()> {
        any!(self => r;
            {
                r.decorators()?;
                r.plain_function()
            },
            r.plain_function(),
        )
    }

    fn plain_function(&mut self) -> Read<()> {
        let returned = |r: &mut Self| {
            r.attempt(|r| {
                r.expect(Token::Arrow)?;
                r.expression()
            })
        };
        if self.second {
            self.attempt(|r| {
                r.accept(Token::Async)?;
                let def = r.expect(Token::Def)?;
                r.name()?;
                r.attempt(Reader::type_parameters)?;
                r.expect(Token::LParen)?;
                r.attempt(Reader::parameters)?;
                r.expect(Token::RParen)?;
                returned(r)?;
                r.expect(Token::Colon)?;
                r.missing_block("function definition", def)
            })?;
        }
        self.accept(Token::Async)?;
        self.expect(Token::Def)?;
        self.name()?;
        self.attempt(Reader::type_parameters)?;
        if !self.is(Token::LParen)? {
            return self.miss(Token::LParen);
        }
        self.expect(Token::LParen)?;
        self.attempt(Reader::parameters)?;
        self.expect(Token::RParen)?;
        returned(self)?;
        self.force(Token::Colon)?;
        self.block()
    }

    /// `head NEWLINE` where a colon is missing, `head : NEWLINE` where a block is.
    fn invalid_head(&mut self, what: &str, head: impl Fn(&mut Self) -> Read<usize>) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            head(r)?;
            r.expect(Token::Newline)?;
            Err(r.raise("expected ':'"))
        })?;
        self.attempt(|r| {
            let keyword = head(r)?;
            r.expect(Token::Colon)?;
            r.missing_block(what, keyword)
        })?;
        Ok(())
    }

    fn condition(&mut self, keyword: Token) -> Read<usize> {
        let keyword = self.expect(keyword)?;
        self.named_expression()?;
        Ok(keyword)
    }

    fn if_statement(&mut self) -> Read<()> {
        self.if_or_elif(Token::If, "'if' statement")
    }

    fn if_or_elif(&mut self, keyword: Token, what: &str) -> Read<()> {
        if self.second {
            self.invalid_head(what, |r| r.condition(keyword))?;
        }
        self.condition(keyword)?;
        self.expect(Token::Colon)?;
        self.block()?;
        if self.attempt(|r| r.if_or_elif(Token::Elif, "'elif' statement"))?.is_none() {
            self.attempt(Reader::else_block)?;
        }
        Ok(())
    }

    fn else_block(&mut self) -> Read<()> {
        if self.second {
            self.attempt(|r| {
                let keyword = r.expect(Token::Else)?;
                r.expect(Token::Colon)?;
                r.missing_block("'else' statement", keyword)
            })?;
            self.attempt(|r| -> Read<()> {
                r.expect(Token::Else)?;
                r.expect(Token::Colon)?;
                r.block()?;
                let keyword = r.expect(Token::Elif)?;
                Err(r.raise_at(keyword, keyword, "'elif' block follows an 'else' block"))
            })?;
        }
        self.expect(Token::Else)?;
        self.force(Token::Colon)?;
        self.block()
    }

    fn while_statement(&mut self) -> Read<()> {
        if self.second {
            self.invalid_head("'while' statement", |r| r.condition(Token::While))?;
        }
        self.condition(Token::While)?;
        self.expect(Token::Colon)?;
        self.block()?;
        self.attempt(Reader::else_block)?;
        Ok(())
    }

    fn for_head(&mut self) -> Read<usize> {
        self.accept(Token::Async)?;
        let keyword = self.expect(Token::For)?;
        self.star_targets()?;
        self.expect(Token::In)?;
        self.star_expressions()?;
        Ok(keyword)
    }

    fn for_statement(&mut self) -> Read<()> {
        if self.second {
            self.invalid_head("'for' statement", Reader::for_head)?;
        }
        // Behind `in` there is no other way.
        let at = self.at;
        if self
            .attempt(|r| {
                r.accept(Token::Async)?;
                r.expect(Token::For)?;
                r.star_targets()?;
                r.expect(Token::In)
            })?
            .is_some()
        {
            self.star_expressions()?;
            self.expect(Token::Colon)?;
            self.block()?;
            self.attempt(Reader::else_block)?;
            return Ok(());
        }
        self.at = at;
        if self.second {
            self.attempt(Reader::invalid_for_target)?;
        }
        Err(No::Match)
    }

    fn with_statement(&mut self) -> Read<()> {
        let with = |r: &mut Self| -> Read<usize> {
            r.accept(Token::Async)?;
            r.expect(Token::With)
        };
        let bound = |r: &mut Self, rule: fn(&mut Self) -> Read<Node>| -> Read<()> {
            rule(r)?;
            r.attempt(|r| {
                r.expect(Token::As)?;
                r.star_target()
            })?;
            Ok(())
        };
        let plain = |r: &mut Self| -> Read<usize> {
            let keyword = with(r)?;
            r.listed(|r| bound(r, Reader::expression))?;
            Ok(keyword)
        };
        let bracketed = |r: &mut Self| -> Read<usize> {
            let keyword = with(r)?;
            r.expect(Token::LParen)?;
            r.listed(|r| bound(r, Reader::expressions))?;
            r.accept(Token::Comma)?;
            r.expect(Token::RParen)?;
            Ok(keyword)
        };
        if self.second {
            for head in [&plain as &dyn Fn(&mut Self) -> Read<usize>, &bracketed] {
                self.attempt(|r| {
                    let keyword = head(r)?;
                    r.expect(Token::Colon)?;
                    r.missing_block("'with' statement", keyword)
                })?;
            }
        }
        if self
            .attempt(|r| {
                with(r)?;
                r.expect(Token::LParen)?;
                r.listed(Reader::with_item)?;
                r.accept(Token::Comma)?;
                r.expect(Token::RParen)?;
                r.expect(Token::Colon)?;
                r.block()
            })?
            .is_some()
            || self
                .attempt(|r| {
                    with(r)?;
                    r.listed(Reader::with_item)?;
                    r.expect(Token::Colon)?;
                    r.block()
                })?
                .is_some()
        {
            return Ok(());
        }
        if self.second {
            for head in [&plain as &dyn Fn(&mut Self) -> Read<usize>, &bracketed] {
                self.attempt(|r| -> Read<()> {
                    head(r)?;
                    r.expect(Token::Newline)?;
                    Err(r.raise("expected ':'"))
                })?;
            }
        }
        Err(No::Match)
    }

    fn with_item(&mut self) -> Read<()> {
        let end = &[Token::Comma, Token::RParen, Token::Colon];
        if self
            .attempt(|r| {
                r.expression()?;
                r.expect(Token::As)?;
                r.star_target()?;
                r.before(end)
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.attempt(|r| {
                r.expression()?;
                r.expect(Token::As)?;
                let node = r.expression()?;
                r.before(end)?;
                r.invalid_target(Purpose::Star, node)
            })?;
        }
        self.expression()?;
        Ok(())
    }

    // ---- try ----

    fn try_statement(&mut self) -> Read<()> {
        if self.second {
            self.invalid_try()?;
        }
        let head = |r: &mut Self| -> Read<()> {
            r.expect(Token::Try)?;
            r.force(Token::Colon)?;
            r.block()
        };
        if self
            .attempt(|r| {
                head(r)?;
                r.finally_block()
            })?
            .is_some()
        {
            return Ok(());
        }
        for star in [false, true] {
            if self
                .attempt(|r| {
                    head(r)?;
                    r.some(|r| r.except_block(star))?;
                    r.attempt(Reader::else_block)?;
                    r.attempt(Reader::finally_block)
                })?
                .is_some()
            {
                return Ok(());
            }
        }
        Err(No::Match)
    }

    fn invalid_try(&mut self) -> Read<()> {
        self.attempt(|r| {
            let keyword = r.expect(Token::Try)?;
            r.expect(Token::Colon)?;
            r.missing_block("'try' statement", keyword)
        })?;
        self.attempt(|r| -> Read<()> {
            r.expect(Token::Try)?;
            r.expect(Token::Colon)?;
            r.block()?;
            r.not_before(&[Token::Except, Token::Finally])?;
            Err(r.raise("expected 'except' or 'finally' block"))
        })?;
        let both = "cannot have both 'except' and 'except*' on the same 'try'";
        self.attempt(|r| -> Read<()> {
            r.expect(Token::Try)?;
            r.expect(Token::Colon)?;
            r.many(Reader::block)?;
            r.some(|r| r.except_block(false))?;
            let keyword = r.expect(Token::Except)?;
            let star = r.expect(Token::Star)?;
            r.expression()?;
            r.as_name()?;
            r.expect(Token::Colon)?;
            Err(r.raise_at(keyword, star, both))
        })?;
        self.attempt(|r| -> Read<()> {
            r.expect(Token::Try)?;
            r.expect(Token::Colon)?;
            r.many(Reader::block)?;
            r.some(|r| r.except_block(true))?;
            let keyword = r.expect(Token::Except)?;
            r.attempt(|r| {
                r.expression()?;
                r.as_name()
            })?;
            r.expect(Token::Colon)?;
            Err(r.raise_at(keyword, keyword, both))
        })?;
        Ok(())
    }

    /// `as name`, or nothing.
    fn as_name(&mut self) -> Read<()> {
        self.attempt(|r| {
            r.expect(Token::As)?;
            r.name()
        })?;
        Ok(())
    }

    fn except_block(&mut self, star: bool) -> Read<()> {
        let what = if star { "'except*' statement" } else { "'except' statement" };
        let head = |r: &mut Self| -> Read<usize> {
            let keyword = r.expect(Token::Except)?;
            if star {
                r.expect(Token::Star)?;
            }
            Ok(keyword)
        };
        if self.second {
            self.attempt(|r| {
                let keyword = head(r)?;
                r.expression()?;
                r.as_name()?;
                r.expect(Token::Colon)?;
                r.missing_block(what, keyword)
            })?;
            if !star {
                self.attempt(|r| {
                    let keyword = head(r)?;
                    r.expect(Token::Colon)?;
                    r.missing_block(what, keyword)
                })?;
            }
        }
        if self
            .attempt(|r| {
                head(r)?;
                r.expression()?;
                r.expect(Token::Colon)?;
                r.block()
            })?
            .is_some()
            || self
                .attempt(|r| {
                    head(r)?;
                    r.expression()?;
                    r.expect(Token::As)?;
                    r.name()?;
                    r.expect(Token::Colon)?;
                    r.block()
                })?
                .is_some()
            || self
                .attempt(|r| {
                    head(r)?;
                    r.expressions()?;
                    r.expect(Token::Colon)?;
                    r.block()
                })?
                .is_some()
            || !star
                && self
                    .attempt(|r| {
                        head(r)?;
                        r.expect(Token::Colon)?;
                        r.block()
                    })?
                    .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.invalid_except(head, star)?;
        }
        Err(No::Match)
    }

    fn invalid_except(&mut self, head: impl Fn(&mut Self) -> Read<usize>, star: bool) -> Read<()> {
        self.attempt(|r| -> Read<()> {
            head(r)?;
            let node = r.expression()?;
            r.expect(Token::Comma)?;
            r.expressions()?;
            r.expect(Token::As)?;
            let name = r.name()?;
            r.expect(Token::Colon)?;
            let text = "multiple exception types must be parenthesized when using 'as'";
            Err(r.raise_at(node.first as usize, name, text))
        })?;
        self.attempt(|r| -> Read<()> {
            head(r)?;
            r.expression()?;
            r.as_name()?;
            r.expect(Token::Newline)?;
            Err(r.raise("expected ':'"))
        })?;
        self.attempt(|r| -> Read<()> {
            head(r)?;
            if star {
                r.expect_any(&[Token::Newline, Token::Colon])?;
                return Err(r.raise("expected one or more exception types"));
            }
            r.expect(Token::Newline)?;
            Err(r.raise("expected ':'"))
        })?;
        self.attempt(|r| -> Read<()> {
            head(r)?;
            r.expression()?;
            r.expect(Token::As)?;
            let node = r.expression()?;
            r.expect(Token::Colon)?;
            r.block()?;
            let keyword = if star { "except*" } else { "except" };
            Err(r.raise_on(node, format!("cannot use {keyword} statement with {}", node.kind.describe())))
        })?;
        Ok(())
    }

    fn finally_block(&mut self) -> Read<()> {
        if self.second {
            self.attempt(|r| {
                let keyword = r.expect(Token::Finally)?;
                r.expect(Token::Colon)?;
                r.missing_block("'finally' statement", keyword)
            })?;
        }
        self.expect(Token::Finally)?;
        self.force(Token::Colon)?;
        self.block()
    }
}
