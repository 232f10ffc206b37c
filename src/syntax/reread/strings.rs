//! Strings, and the replacement fields of f- and t-strings.

use super::super::parser::value_errors;
use super::*;

impl Reader<'_> {
    /// `f` or `t`: the string that a token is in.
    pub(super) fn letter_around(&self, token: usize) -> char {
        let mut depth = 0;
        for lexeme in self.tokens[..token].iter().rev() {
            match lexeme.token {
                Token::StringEnd => depth += 1,
                Token::FStringStart | Token::TStringStart if depth > 0 => depth -= 1,
                Token::FStringStart => return 'f',
                Token::TStringStart => return 't',
                _ => {}
            }
        }
        'f'
    }

    pub(super) fn strings(&mut self) -> Read<Node> {
        self.remembered(Rule::Strings, |r| {
            let first = r.at;
            if r.second {
                r.invalid_mixture()?;
            }
            let mut kind = Kind::Literal;
            if let Some(found) = r.attempt(|r| r.some(Reader::string_or_fstring))? {
                if found.contains(&Kind::FString) {
                    kind = Kind::FString;
                }
                r.check_values(first)?;
                return Ok(r.node(kind, first));
            }
            r.some(Reader::tstring)?;
            r.check_values(first)?;
            Ok(r.node(Kind::TString, first))
        })
    }

    /// What is wrong with strings besides where they stand: escapes, prefixes that differ, conversions.
    fn check_values(&mut self, first: usize) -> Read<()> {
        let tokens = &self.tokens[first..self.at];
        let text = self.source.slice(tokens[0].span.to(tokens[tokens.len() - 1].span));
        if tokens.len() == 1 && text.is_ascii() && !text.contains('\\') {
            return Ok(());
        }
        let errors = value_errors(self.source, tokens);
        let mixed = |error: &Diagnostic| error.text.starts_with("cannot mix");
        match errors.iter().find(|error| !mixed(error)).or(errors.first()) {
            None => Ok(()),
            Some(error) if mixed(error) => Err(self.raise(error.text.clone())),
            Some(error) => {
                let line_end = self.line_read() <= self.source.line(error.span.start);
                self.fault.get_or_insert(Fault { line_end, ..of_tokenizer(error) });
                Err(No::More)
            }
        }
    }

    fn invalid_mixture(&mut self) -> Read<()> {
        let text = "cannot mix t-string literals with string or bytes literals";
        self.attempt(|r| -> Read<()> {
            let first = r.at;
            r.some(Reader::string_or_fstring)?;
            r.tstring()?;
            let last = r.at - 1;
            Err(r.raise_at(first, last, text))
        })?;
        self.attempt(|r| -> Read<()> {
            let first = r.at;
            r.some(Reader::tstring)?;
            r.string_or_fstring()?;
            let last = r.at - 1;
            Err(r.raise_at(first, last, text))
        })?;
        Ok(())
    }

    fn string_or_fstring(&mut self) -> Read<Kind> {
        any!(self => r;
            {
                r.formatted(Token::FStringStart)?;
                Ok(Kind::FString)
            },
            {
                r.expect(Token::String)?;
                Ok(Kind::Literal)
            },
        )
    }

    fn tstring(&mut self) -> Read<()> {
        self.formatted(Token::TStringStart)
    }

    fn formatted(&mut self, start: Token) -> Read<()> {
        let letter = if start == Token::FStringStart { 'f' } else { 't' };
        self.expect(start)?;
        self.many(|r| any!(r => r; r.field(letter), r.expect(Token::StringMiddle).map(|_| ())))?;
        self.expect(Token::StringEnd)?;
        Ok(())
    }

    fn field(&mut self, letter: char) -> Read<()> {
        if self
            .attempt(|r| {
                r.expect(Token::FieldStart)?;
                r.value()?;
                r.accept(Token::Equal)?;
                r.attempt(|r| {
                    r.expect(Token::Bang)?;
                    r.name()
                })?;
                r.attempt(|r| r.format(letter))?;
                r.expect(Token::FieldEnd)
            })?
            .is_some()
        {
            return Ok(());
        }
        if self.second {
            self.invalid_field(letter)?;
        }
        Err(No::Match)
    }

    fn format(&mut self, letter: char) -> Read<()> {
        self.expect(Token::FieldColon)?;
        self.many(|r| any!(r => r; r.expect(Token::StringMiddle).map(|_| ()), r.field(letter)))?;
        Ok(())
    }

    fn invalid_field(&mut self, letter: char) -> Read<()> {
        let say = |what: &str| format!("{letter}-string: {what}");
        self.attempt(|r| -> Read<()> {
            r.expect(Token::FieldStart)?;
            let tokens = [Token::Equal, Token::Bang, Token::FieldColon, Token::FieldEnd];
            let token = r.expect_any(&tokens)?;
            let text = say(&format!("valid expression required before '{}'", r.text_of(token)));
            Err(r.raise_at(token, token, text))
        })?;
        let next = |r: &mut Self, what: &str| -> Read<()> {
            r.peek()?;
            let at = r.at;
            Err(r.raise_at(at, at, say(what)))
        };
        self.attempt(|r| {
            r.expect(Token::FieldStart)?;
            r.not(Reader::value)?;
            next(r, "expecting a valid expression after '{'")
        })?;
        self.attempt(|r| {
            r.expect(Token::FieldStart)?;
            r.value()?;
            r.not_before(&[Token::Equal, Token::Bang, Token::FieldColon, Token::FieldEnd])?;
            next(r, "expecting '=', or '!', or ':', or '}'")
        })?;
        self.attempt(|r| {
            r.expect(Token::FieldStart)?;
            r.value()?;
            r.expect(Token::Equal)?;
            r.not_before(&[Token::Bang, Token::FieldColon, Token::FieldEnd])?;
            next(r, "expecting '!', or ':', or '}'")
        })?;
        self.attempt(|r| {
            r.expect(Token::FieldStart)?;
            r.value()?;
            r.accept(Token::Equal)?;
            r.attempt(|r| {
                r.expect(Token::Bang)?;
                r.before(&[Token::FieldColon, Token::FieldEnd])?;
                next(r, "missing conversion character")
            })?;
            r.expect(Token::Bang)?;
            r.not(Reader::name)?;
            next(r, "invalid conversion character")
        })?;
        let converted = |r: &mut Self| -> Read<()> {
            r.expect(Token::FieldStart)?;
            r.value()?;
            r.accept(Token::Equal)?;
            r.attempt(|r| {
                r.expect(Token::Bang)?;
                r.name()
            })?;
            Ok(())
        };
        self.attempt(|r| {
            converted(r)?;
            r.not_before(&[Token::FieldColon, Token::FieldEnd])?;
            next(r, "expecting ':' or '}'")
        })?;
        self.attempt(|r| {
            converted(r)?;
            r.format(letter)?;
            r.not_before(&[Token::FieldEnd])?;
            next(r, "expecting '}', or format specs")
        })?;
        converted(self)?;
        self.not_before(&[Token::FieldEnd])?;
        next(self, "expecting '}'")
    }
}
