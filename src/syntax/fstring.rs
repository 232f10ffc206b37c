//! Modes inside f- and t-strings: their text, their replacement fields, the format specs of these. Fields are lexed in
//! place as part of the same list of tokens, so their positions are those of the text and quotes nest freely.

use crate::diagnostic::{Code, Diagnostic, Reported};
use crate::source::Span;

use super::layout::Lexer;
use super::lexer::line_ends;
use super::token::Token;

/// f-strings nest this deep.
const MAX_STRINGS: usize = 149;
/// Fields in format specs of fields nest this deep.
const MAX_FIELDS: usize = 3;

/// An f- or t-string whose end is not reached yet.
#[derive(Debug)]
pub(super) struct FString {
    quote: u8,
    triple: bool,
    raw: bool,
    /// `f` or `t`, as messages begin.
    letter: char,
    start: Span,
    /// The open replacement fields, each inside the format spec of the one before.
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    /// How many brackets are open, its own brace counted.
    depth: usize,
    /// Whether its `:` is behind us.
    in_spec: bool,
}

impl FString {
    /// `f` or `t`.
    pub(super) fn letter(&self) -> char {
        self.letter
    }

    /// Whether the quotes that `text` begins with would end this string; its letter if so.
    pub(super) fn closed_by(&self, text: &str) -> Option<char> {
        let triple = text.as_bytes().starts_with(&[self.quote; 3]);
        (text.as_bytes().first() == Some(&self.quote) && triple == self.triple).then_some(self.letter)
    }

    /// Brackets below this are outside of the innermost field.
    pub(super) fn floor(&self) -> usize {
        self.fields.last().map_or(0, |field| field.depth)
    }
}

impl Lexer<'_> {
    /// Whether what comes next is text of an f-string, not tokens.
    pub(super) fn in_string_text(&self) -> bool {
        self.fstrings.last().is_some_and(|fstring| fstring.fields.last().is_none_or(|field| field.in_spec))
    }

    /// The prefix and first quote of an f- or t-string.
    pub(super) fn string_start(&mut self, token: Token, span: Span) {
        let bytes = self.text.as_bytes();
        let quote = bytes[span.end as usize - 1];
        let triple = bytes[span.end as usize..].starts_with(&[quote; 2]);
        let raw = self.text[span.range()].contains(['r', 'R']);
        let span = Span::new(span.start, span.end + if triple { 2 } else { 0 });
        let letter = if token == Token::FStringStart { 'f' } else { 't' };
        self.resume(span.end as usize);
        self.push(token, span);
        if self.fstrings.len() >= MAX_STRINGS {
            self.error(
                Diagnostic::new(Code::TooDeep, span, "too many nested f-strings or t-strings")
                    .reported(Reported::Point(span.start + 1)),
            );
            self.stopped = true;
            return;
        }
        self.fstrings.push(FString { quote, triple, raw, letter, start: span, fields: Vec::new() });
    }

    /// A run of text up to a field, the end of the spec or the closing quote, and the token that ends it.
    pub(super) fn string_text(&mut self) {
        let Some(fstring) = self.fstrings.last() else { return };
        let bytes = self.text.as_bytes();
        let (quote, triple, raw, letter) = (fstring.quote, fstring.triple, fstring.raw, fstring.letter);
        let in_spec = !fstring.fields.is_empty();
        let start = self.position();
        let mut at = start;
        let mut warnings = Vec::new();
        let end = loop {
            let Some(&byte) = bytes.get(at) else { break End::Unterminated };
            match byte {
                b'\\' => {
                    let mut next = at + 1;
                    if bytes.get(next) == Some(&b'\r') && bytes.get(next + 1) == Some(&b'\n') {
                        next += 1;
                    }
                    match bytes.get(next) {
                        Some(&brace @ (b'{' | b'}')) => {
                            if !raw {
                                warnings.push((Span::new(at as u32, next as u32 + 1), brace as char));
                            }
                            at = next;
                        }
                        Some(b'N') if !raw && bytes.get(next + 1) == Some(&b'{') => {
                            // The braces of a named character are no field.
                            let close = memchr::memchr3(b'}', b'\n', quote, &bytes[next + 2..]);
                            at = match close {
                                Some(skip) if bytes[next + 2 + skip] == b'}' => next + 3 + skip,
                                _ => next + 2,
                            };
                        }
                        Some(_) => at = next + 1,
                        None => at = next,
                    }
                }
                b'{' if in_spec || bytes.get(at + 1) != Some(&b'{') => break End::Field,
                b'{' => at += 2,
                b'}' if in_spec => break End::Spec,
                b'}' if bytes.get(at + 1) == Some(&b'}') => at += 2,
                b'}' => break End::StrayBrace,
                b'\n' | b'\r' if !triple => break if in_spec { End::Spec } else { End::Unterminated },
                _ if byte == quote && (!triple || bytes[at..].starts_with(&[quote; 3])) => break End::Quote,
                _ => at += 1,
            }
        };
        for (span, brace) in warnings {
            self.warn(
                span,
                format!(
                    "\"\\{brace}\" is an invalid escape sequence. Such sequences will not work in the future. \
                     Did you mean \"\\\\{brace}\"? A raw string is also an option."
                ),
            );
        }
        if at > start {
            self.push(Token::StringMiddle, Span::new(start as u32, at as u32));
        }
        self.resume(at);
        match end {
            End::Field => self.field_start(at),
            End::Quote => {
                // Brackets of fields that were never closed stay open, as in CPython: the parser complains.
                self.fstrings.pop();
                let width = if triple { 3 } else { 1 };
                self.resume(at + width);
                self.push(Token::StringEnd, Span::new(at as u32, (at + width) as u32));
            }
            End::Spec => {
                if bytes.get(at) == Some(&b'}') {
                    self.resume(at + 1);
                    self.close_field(Span::new(at as u32, at as u32 + 1));
                } else {
                    self.newline_in_spec(at);
                }
            }
            End::StrayBrace => {
                let span = Span::new(at as u32, at as u32 + 1);
                self.error(
                    Diagnostic::new(Code::InvalidField, span, format!("{letter}-string: single '}}' is not allowed"))
                        .hint("write `}}` for the character `}`")
                        .reported(Reported::Point(at as u32)),
                );
                self.resume(at + 1);
            }
            End::Unterminated if in_spec && !triple => self.newline_in_spec(at),
            End::Unterminated => self.unterminated(at),
        }
    }

    /// The line ends in a format spec: said so if no field of its own stands in it.
    fn newline_in_spec(&mut self, at: usize) {
        let before = self.lexed.tokens.iter().rev().find(|lexeme| lexeme.token != Token::StringMiddle);
        if before.is_none_or(|lexeme| lexeme.token != Token::FieldColon) {
            return self.unterminated(at);
        }
        self.abandon(at, |FString { letter, .. }| {
            let text = format!(
                "{letter}-string: newlines are not allowed in format specifiers for single quoted {letter}-strings"
            );
            Diagnostic::new(Code::InvalidField, Span::at(at as u32), text).reported(Reported::Point(at as u32))
        });
    }

    fn unterminated(&mut self, at: usize) {
        let ends_line = at == self.text.len() && self.text.ends_with('\n');
        let line = 1 + line_ends(&self.text.as_bytes()[..at]) - usize::from(ends_line);
        self.abandon(at, |fstring| {
            let triple = if fstring.triple { "triple-quoted " } else { "" };
            let text = format!("unterminated {triple}{}-string literal (detected at line {line})", fstring.letter);
            Diagnostic::new(Code::UnterminatedString, fstring.start, text)
                .message("this quote is never closed")
                .reported(Reported::Point(fstring.start.start))
        });
    }

    /// Reads no more of the string whose text is being read: `complain` says why.
    fn abandon(&mut self, at: usize, complain: impl FnOnce(&FString) -> Diagnostic) {
        let fstring = self.fstrings.pop().expect("its text was being read");
        if let Some(first) = fstring.fields.first() {
            self.brackets.truncate(first.depth.saturating_sub(1));
        }
        let text = self.lexed.tokens.last().is_some_and(|last| last.token == Token::StringMiddle);
        self.error_at(self.lexed.tokens.len() - usize::from(text), complain(&fstring));
        self.push(Token::StringEnd, Span::at(at as u32));
        if fstring.triple {
            self.stopped = true;
        }
    }

    fn field_start(&mut self, at: usize) {
        let span = Span::new(at as u32, at as u32 + 1);
        self.resume(at + 1);
        self.push(Token::FieldStart, span);
        self.open(span.start);
        let depth = self.brackets.len();
        let Some(fstring) = self.fstrings.last_mut() else { return };
        fstring.fields.push(Field { depth, in_spec: false });
        if fstring.fields.len() > MAX_FIELDS {
            let text = format!("{}-string: expressions nested too deeply", fstring.letter);
            self.error(
                Diagnostic::new(Code::TooDeep, span, text).reported(Reported::Point(span.start.saturating_sub(1))),
            );
            self.stopped = true;
        }
    }

    /// `:`, `:=` or `!` while some f-string is open: at the level of a field they end its expression.
    pub(super) fn in_field(&mut self, token: Token, span: Span) {
        let depth = self.brackets.len();
        let field = self.fstrings.last_mut().and_then(|fstring| fstring.fields.last_mut());
        match field.filter(|field| field.depth == depth) {
            Some(field) if token != Token::Bang => {
                field.in_spec = true;
                self.push(Token::FieldColon, Span::new(span.start, span.start + 1));
                self.resume(span.start as usize + 1);
            }
            _ => self.push(token, span),
        }
    }

    /// A `}`: does it close a replacement field?
    pub(super) fn close_field(&mut self, span: Span) -> bool {
        let depth = self.brackets.len();
        let Some(fstring) = self.fstrings.last_mut() else { return false };
        if fstring.fields.last().is_none_or(|field| field.depth != depth) {
            return false;
        }
        fstring.fields.pop();
        self.brackets.pop();
        self.push(Token::FieldEnd, span);
        true
    }
}

enum End {
    Field,
    Quote,
    Spec,
    StrayBrace,
    Unterminated,
}
