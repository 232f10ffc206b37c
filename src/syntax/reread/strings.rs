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
                r.check_mixture(first)?;
                return Ok(r.node(kind, first));
            }
            r.some(Reader::tstring)?;
            r.check_mixture(first)?;
            Ok(r.node(Kind::TString, first))
        })
    }

    /// What is wrong with a string besides where it stands: what its prefix and escapes ask for.
    fn check_string(&mut self, token: usize) -> Read<()> {
        let text = self.text_of(token);
        if text.is_ascii() && !text.contains('\\') {
            return Ok(());
        }
        match value_errors(self.source, &self.tokens[token..=token]).first() {
            None => Ok(()),
            Some(error) => {
                let line_end = self.line_read() <= self.source.line(error.span.start);
                self.fault.get_or_insert(Fault { line_end, ..of_tokenizer(error) });
                Err(No::More)
            }
        }
    }

    /// Complains of bytes among texts.
    fn check_mixture(&mut self, first: usize) -> Read<()> {
        if self.at - first < 2 {
            return Ok(());
        }
        let errors = value_errors(self.source, &self.tokens[first..self.at]);
        match errors.iter().find(|error| error.text.starts_with("cannot mix")) {
            None => Ok(()),
            Some(error) => Err(self.raise(error.text.clone())),
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
                let token = r.expect(Token::String)?;
                r.check_string(token)?;
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
        let read = self.attempt(|r| {
            r.expect(Token::FieldStart)?;
            r.value()?;
            r.accept(Token::Equal)?;
            let conversion = r.attempt(|r| r.conversion(letter))?;
            r.attempt(|r| r.format(letter))?;
            r.expect(Token::FieldEnd)?;
            match conversion.filter(|&name| !matches!(r.text_of(name), "s" | "r" | "a")) {
                None => Ok(()),
                Some(name) => {
                    let text = format!(
                        "{letter}-string: invalid conversion character '{}': expected 's', 'r', or 'a'",
                        r.text_of(name)
                    );
                    Err(r.raise_at(name, name, text))
                }
            }
        })?;
        if read.is_some() {
            return Ok(());
        }
        if self.second {
            self.invalid_field(letter)?;
        }
        Err(No::Match)
    }

    /// `!` and a name right behind it.
    fn conversion(&mut self, letter: char) -> Read<usize> {
        let mark = self.expect(Token::Bang)?;
        let name = self.name()?;
        if self.span_of(mark).end != self.span_of(name).start {
            let text = format!("{letter}-string: conversion type must come right after the exclamation mark");
            return Err(self.raise_at(mark, name, text));
        }
        Ok(name)
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
            r.attempt(|r| r.conversion(letter))?;
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
