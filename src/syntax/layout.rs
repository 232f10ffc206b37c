//! Lines: from characters to the list of tokens the parser reads. Adds the ends of logical lines and of blocks, joins
//! lines in brackets, keeps track of brackets, and tells soft keywords from names by looking back at a finished line.
//! f- and t-strings switch modes in `fstring.rs`; the first error in the order of the text is CPython's.

use logos::Logos;

use crate::diagnostic::{Code, Diagnostic, ErrorClass, Reported};
use crate::source::{SourceFile, Span};
use crate::text::unicode;

use super::fstring::FString;
use super::lexer::{BadToken, check_name, scan_number, scan_string};
use super::token::{Lexeme, Token};

/// Brackets and replacement fields nest this deep.
const MAX_BRACKETS: usize = 200;
/// Blocks nest this deep, the outermost level counted.
const MAX_INDENTS: usize = 100;
/// After so many errors the rest is likely noise.
const MAX_ERRORS: usize = 20;

/// A warning about the text, for `SyntaxWarning`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxWarning {
    /// What it is about.
    pub span: Span,
    /// CPython's words.
    pub message: String,
}

/// A text as tokens.
#[derive(Debug, Default)]
pub struct Lexed {
    /// All tokens, spans in the order of the text.
    pub tokens: Vec<Lexeme>,
    /// What is wrong, in the order found.
    pub errors: Vec<Diagnostic>,
    /// What is doubtful.
    pub warnings: Vec<SyntaxWarning>,
    /// The token at which CPython's tokenizer meets the first error.
    pub broken: Option<usize>,
    /// Whether it is within an f- or t-string.
    pub broken_in_string: bool,
    /// The brackets that were open at the end of the text, outermost first.
    pub unclosed: Vec<Bracket>,
    /// Whether the text ends within an f- or t-string.
    pub unclosed_in_string: bool,
}

/// An open bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bracket {
    /// `(`, `[` or `{`
    pub open: u8,
    /// Where it stands.
    pub at: u32,
}

#[derive(Debug, Clone, Copy)]
struct Indent {
    /// With tabs to multiples of 8.
    column: u32,
    /// With tabs one wide: both orders have to agree.
    alternate: u32,
    /// Whether this is the block of a `match`, whose lines begin with `case`.
    is_match: bool,
}

/// Split `source` into tokens. Errors don't stop it, unless what follows would be noise.
pub fn lex(source: &SourceFile) -> Lexed {
    let mut lexer = Lexer::new(source);
    lexer.run();
    lexer.lexed
}

#[derive(Debug)]
pub(super) struct Lexer<'s> {
    pub(super) source: &'s SourceFile,
    pub(super) text: &'s str,
    pub(super) logos: logos::Lexer<'s, Token>,
    pub(super) lexed: Lexed,
    pub(super) brackets: Vec<Bracket>,
    pub(super) fstrings: Vec<FString>,
    indents: Vec<Indent>,
    /// Index of the first token of the logical line.
    line_first: usize,
    /// Where the comment on this line begins: the NEWLINE after it covers it.
    comment: Option<u32>,
    /// The next line opens the block of a `match`.
    match_pending: bool,
    pub(super) stopped: bool,
    /// Where the first null byte is: past the end if there is none.
    null: usize,
}

impl<'s> Lexer<'s> {
    fn new(source: &'s SourceFile) -> Lexer<'s> {
        let text = source.text();
        let mut lexed = Lexed::default();
        lexed.tokens.reserve(text.len() / 4);
        Lexer {
            source,
            text,
            logos: Token::lexer(text),
            lexed,
            brackets: Vec::new(),
            fstrings: Vec::new(),
            indents: vec![Indent { column: 0, alternate: 0, is_match: false }],
            line_first: 0,
            comment: None,
            match_pending: false,
            stopped: false,
            null: memchr::memchr(0, text.as_bytes()).unwrap_or(usize::MAX),
        }
    }

    fn run(&mut self) {
        self.line_start();
        while !self.stopped {
            if self.in_string_text() {
                self.string_text();
                if self.position() > self.null {
                    self.null_byte();
                }
                continue;
            }
            let next = self.logos.next();
            // Wherever it is: in a string or a comment too.
            if self.position() > self.null {
                self.null_byte();
                break;
            }
            let Some(token) = next else { break };
            let span = self.logos_span();
            match token {
                Ok(token) => self.token(token, span),
                Err(()) => self.stray(span),
            }
        }
        self.finish();
    }

    /// Where logos stands.
    pub(super) fn position(&self) -> usize {
        self.logos.span().end
    }

    fn logos_span(&self) -> Span {
        let span = self.logos.span();
        Span::new(span.start as u32, span.end as u32)
    }

    /// Go on at `at`, which is at or after the position of logos, or before it by a few bytes.
    pub(super) fn resume(&mut self, at: usize) {
        let position = self.position();
        if at >= position {
            self.logos.bump(at - position);
        } else {
            self.logos = Token::lexer(self.text);
            self.logos.bump(at);
        }
    }

    pub(super) fn push(&mut self, token: Token, span: Span) {
        self.lexed.tokens.push(Lexeme { token, span });
    }

    pub(super) fn error(&mut self, diagnostic: Diagnostic) {
        let tokens = &self.lexed.tokens;
        let at = tokens.iter().rposition(|token| token.span.end <= diagnostic.span.start).map_or(0, |last| last + 1);
        self.error_at(at, diagnostic);
    }

    /// An error that shows at one of the tokens there are, or at the next.
    pub(super) fn error_at(&mut self, token: usize, diagnostic: Diagnostic) {
        if self.lexed.broken.is_none() {
            self.lexed.broken = Some(token);
            self.lexed.broken_in_string = !self.fstrings.is_empty();
        }
        self.lexed.errors.push(diagnostic);
        if self.lexed.errors.len() >= MAX_ERRORS {
            self.stopped = true;
        }
    }

    pub(super) fn warn(&mut self, span: Span, message: String) {
        self.lexed.warnings.push(SyntaxWarning { span, message });
    }

    fn token(&mut self, token: Token, span: Span) {
        match token {
            Token::Comment => self.comment = Some(span.start),
            Token::Continuation => {
                if span.end as usize == self.text.len() {
                    self.error(
                        Diagnostic::new(Code::InvalidContinuation, span, "unexpected EOF while parsing")
                            .message("the text ends after this backslash")
                            .reported(Reported::LineEnd(span.start)),
                    );
                }
            }
            Token::Newline => self.newline(span),
            Token::Name => self.name(span),
            Token::Number => self.number(span),
            Token::String => self.string(span),
            Token::FStringStart | Token::TStringStart => self.string_start(token, span),
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.push(token, span);
                self.open(span.start);
            }
            Token::RParen | Token::RBracket | Token::RBrace => self.close(token, span),
            Token::Colon | Token::ColonEqual | Token::Bang if !self.fstrings.is_empty() => {
                self.in_field(token, span);
            }
            _ => self.push(token, span),
        }
    }

    // ---- names, numbers, strings ----

    fn name(&mut self, span: Span) {
        let name = &self.text[span.range()];
        if !name.is_ascii()
            && let Err((at, char)) = check_name(name)
        {
            let at = span.start + at as u32;
            if at > span.start {
                self.push(Token::Name, Span::new(span.start, at));
            }
            return self.stray_char(at, char);
        }
        // `type x` is never an expression, so a name after it at the start of a statement decides.
        if let [before @ .., Lexeme { token: Token::Name, span: type_span }] = self.lexed.tokens.as_slice()
            && type_span.len() == 4
            && &self.text[type_span.range()] == "type"
            && before.last().is_none_or(|before| begins_statement(before.token))
        {
            let index = before.len();
            self.lexed.tokens[index].token = Token::Type;
        }
        self.push(Token::Name, span);
    }

    fn number(&mut self, span: Span) {
        match scan_number(self.text.as_bytes(), span.start as usize) {
            Ok(number) => {
                let span = Span::new(span.start, number.end as u32);
                if let Some(kind) = number.touches_keyword {
                    self.warn(span, format!("invalid {kind} literal"));
                }
                self.resume(number.end);
                self.push(Token::Number, span);
            }
            Err(bad) => {
                let resume = bad.resume;
                self.bad_token(Code::InvalidNumber, Span::new(span.start, resume as u32), bad);
                self.push(Token::Number, Span::new(span.start, resume as u32));
            }
        }
    }

    fn string(&mut self, span: Span) {
        // `ub"…"`: logos saw a name and then a string that touches it.
        if let Some(&Lexeme { token: Token::Name, span: prefix }) = self.lexed.tokens.last()
            && prefix.end == span.start
            && let Some((one, other)) = clashing_prefix(self.text, prefix, span)
        {
            let span = Span::new(prefix.start, span.end - 1);
            self.error(Diagnostic::new(
                Code::InvalidLiteral,
                span,
                format!("'{one}' and '{other}' prefixes are incompatible"),
            ));
        }
        match scan_string(self.text.as_bytes(), span.start as usize, span.end as usize - 1) {
            Ok(end) => {
                self.resume(end);
                self.push(Token::String, Span::new(span.start, end as u32));
            }
            Err(mut bad) => {
                let resume = bad.resume;
                let whole = Span::new(span.start, resume as u32);
                let quotes = &self.text[span.end as usize - 1..];
                if let Some(letter) = self.fstrings.last().and_then(|fstring| fstring.closed_by(quotes)) {
                    // The quote was meant to end the f-string around it.
                    bad.message = format!("{letter}-string: expecting '}}'");
                }
                let triple = bad.message.contains("triple");
                self.bad_token(Code::UnterminatedString, Span::new(span.start, span.end), bad);
                if triple {
                    self.stopped = true;
                }
                self.push(Token::String, whole);
            }
        }
    }

    /// Report what `scan_…` found and go on behind it.
    pub(super) fn bad_token(&mut self, code: Code, span: Span, bad: BadToken) {
        let reported = Span::new(bad.start as u32, bad.end as u32);
        let reported = if bad.point { Reported::Point(reported.start) } else { Reported::Span(reported) };
        let in_field = bad.message.starts_with("f-string: expecting") || bad.message.starts_with("t-string: expecting");
        let mut diagnostic = Diagnostic::new(code, span, bad.message).reported(reported);
        if code == Code::UnterminatedString && in_field {
            diagnostic = diagnostic.message("the `{` before it is not closed: `}` is missing here");
        } else if code == Code::UnterminatedString {
            diagnostic = diagnostic.message("this quote is never closed");
        }
        self.error(diagnostic);
        self.resume(bad.resume);
    }

    // ---- characters that begin nothing ----

    fn stray(&mut self, span: Span) {
        let start = span.start as usize;
        let char = self.text[start..].chars().next().expect("logos stops on a character");
        self.resume(start + char.len_utf8());
        if char == '\\' {
            let at_end = span.end as usize == self.text.len();
            let diagnostic = if at_end {
                Diagnostic::new(Code::InvalidContinuation, span, "unexpected EOF while parsing")
                    .reported(Reported::LineEnd(span.start))
            } else {
                Diagnostic::new(
                    Code::InvalidContinuation,
                    span,
                    "unexpected character after line continuation character",
                )
                .reported(Reported::Open(span.end))
            };
            self.error(diagnostic.message("only the line end may stand after a backslash"));
            // What follows on the line says nothing more.
            let rest = self.text.as_bytes();
            let end = memchr::memchr2(b'\n', b'\r', &rest[start..]).map_or(rest.len(), |skip| start + skip);
            self.push(Token::Unknown, Span::new(span.start, end as u32));
            self.resume(end);
            return;
        }
        self.stray_char(span.start, char);
    }

    fn null_byte(&mut self) {
        let span = Span::new(self.null as u32, self.null as u32 + 1);
        // What was wrong before may have been skipped beyond it.
        if self.lexed.tokens.last().is_none_or(|last| last.span.end <= span.start) {
            self.push(Token::Unknown, span);
        }
        self.error(Diagnostic::new(Code::InvalidEncoding, span, "source code cannot contain null bytes"));
        self.stopped = true;
    }

    fn stray_char(&mut self, at: u32, char: char) {
        let span = Span::new(at, at + char.len_utf8() as u32);
        let code = char as u32;
        self.push(Token::Unknown, span);
        if !unicode::is_printable(code) {
            let text = format!("invalid non-printable character U+{code:04X}");
            self.error(Diagnostic::new(Code::InvalidCharacter, span, text).reported(Reported::Point(at)));
        } else if !char.is_ascii() {
            let text = format!("invalid character '{char}' (U+{code:04X})");
            let mut diagnostic = Diagnostic::new(Code::InvalidCharacter, span, text).reported(Reported::Point(at));
            if let Some(ascii) = look_alike(char) {
                diagnostic = diagnostic.hint(format!("did you mean `{ascii}`?"));
            }
            self.error(diagnostic);
        }
        // `?`, `$` and the like are left to the parser: an unknown token fits nowhere.
        self.resume(span.end as usize);
    }

    // ---- brackets ----

    /// Enter the bracket at `at`, whose token is already in the list.
    pub(super) fn open(&mut self, at: u32) {
        if self.brackets.len() >= MAX_BRACKETS {
            self.error(
                Diagnostic::new(Code::TooDeep, Span::new(at, at + 1), "too many nested parentheses")
                    .message(format!("more than {MAX_BRACKETS} brackets are open here"))
                    .reported(Reported::Point(at)),
            );
            self.stopped = true;
            return;
        }
        self.brackets.push(Bracket { open: self.text.as_bytes()[at as usize], at });
    }

    fn close(&mut self, token: Token, span: Span) {
        if token == Token::RBrace && self.close_field(span) {
            return;
        }
        let close = self.text.as_bytes()[span.start as usize];
        // Only brackets of the innermost replacement field can be closed from within it.
        let floor = self.fstrings.last().map_or(0, |fstring| fstring.floor());
        self.push(token, span);
        if self.brackets.len() <= floor {
            let prefix = self.fstrings.last().map_or(String::new(), |fstring| format!("{}-string: ", fstring.letter()));
            let text = format!("{prefix}unmatched '{}'", close as char);
            self.error(Diagnostic::new(Code::BracketMismatch, span, text).reported(Reported::Point(span.start)));
            return;
        }
        let bracket = self.brackets.pop().expect("the length was just compared");
        let expected = match bracket.open {
            b'(' => b')',
            b'[' => b']',
            _ => b'}',
        };
        if close != expected {
            let (line, open_line) = (self.source.line(span.start), self.source.line(bracket.at));
            let mut text = format!(
                "closing parenthesis '{}' does not match opening parenthesis '{}'",
                close as char, bracket.open as char
            );
            if line != open_line {
                text.push_str(&format!(" on line {open_line}"));
            }
            self.error(
                Diagnostic::new(Code::BracketMismatch, span, text)
                    .message(format!("this should be `{}`", expected as char))
                    .label(Span::new(bracket.at, bracket.at + 1), "to close this one")
                    .reported(Reported::Point(span.start)),
            );
        }
    }

    // ---- lines ----

    fn newline(&mut self, span: Span) {
        let comment = self.comment.take();
        if !self.brackets.is_empty() {
            return;
        }
        self.end_line(Span::new(comment.unwrap_or(span.start), span.end));
        self.line_start();
    }

    /// End the logical line, if there is one, with a NEWLINE at `span`.
    fn end_line(&mut self, span: Span) {
        let [first, ..] = &mut self.lexed.tokens[self.line_first..] else { return };
        if first.token == Token::Name {
            // A line that is an expression can't end in a colon, so one that does and begins with `match` is a
            // match statement. In its block every line begins with `case`.
            let text = &self.text[first.span.range()];
            if text == "match" {
                let first = self.line_first;
                if let [_, second, .., last] = &self.lexed.tokens[first..]
                    && last.token == Token::Colon
                    && !matches!(second.token, Token::Colon | Token::Equal | Token::Dot | Token::Comma)
                {
                    self.lexed.tokens[first].token = Token::Match;
                    self.match_pending = true;
                }
            }
        }
        self.push(Token::Newline, span);
        self.line_first = self.lexed.tokens.len();
    }

    /// Skip blank lines, then measure the indentation of the next one.
    fn line_start(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = self.position();
        let (mut column, mut alternate) = (0, 0);
        let mut continued = None;
        loop {
            match bytes.get(at) {
                Some(b' ') => {
                    column += 1;
                    alternate += 1;
                }
                Some(b'\t') => {
                    column = (column / 8 + 1) * 8;
                    alternate += 1;
                }
                Some(b'\x0c') => (column, alternate) = (0, 0),
                Some(b'\n' | b'\r') => (column, alternate, continued) = (0, 0, None),
                Some(b'#') => {
                    at = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |skip| at + skip);
                    continue;
                }
                // A backslash among the indentation: the line goes on, the first part counts.
                // (At the very end of a text nothing follows, and that is an error.)
                Some(b'\\')
                    if matches!(bytes.get(at + 1), Some(b'\n' | b'\r'))
                        && !matches!(&bytes[at + 1..], b"\n" | b"\r" | b"\r\n") =>
                {
                    if column > 0 {
                        continued.get_or_insert((column, column));
                    }
                    at += 1 + usize::from(bytes[at + 1..].starts_with(b"\r\n"));
                    (column, alternate) = (0, 0);
                }
                None => return self.resume(at),
                Some(_) => break,
            }
            at += 1;
        }
        self.resume(at);
        if let Some(first) = continued {
            (column, alternate) = first;
        }
        self.indentation(column, alternate, at as u32);
        self.case_keyword(at);
    }

    fn indentation(&mut self, column: u32, alternate: u32, at: u32) {
        let top = *self.indents.last().expect("the outermost level stays");
        let line = Span::new(self.source.line_start(self.source.line(at)), at);
        let tabs = |lexer: &mut Lexer<'_>| {
            lexer.error(
                Diagnostic::new(Code::InconsistentTabs, line, "inconsistent use of tabs and spaces in indentation")
                    .class(ErrorClass::TabError)
                    .message("this indentation is deeper or not depending on the width of a tab")
                    .hint("indent with spaces only")
                    .reported(Reported::Line(at)),
            );
        };
        let is_match = std::mem::take(&mut self.match_pending);
        if column == top.column {
            if alternate != top.alternate {
                tabs(self);
            }
        } else if column > top.column {
            if alternate <= top.alternate {
                tabs(self);
            }
            if self.indents.len() >= MAX_INDENTS {
                self.error(
                    Diagnostic::new(Code::TooDeep, line, "too many levels of indentation")
                        .class(ErrorClass::IndentationError)
                        .message(format!("at most {MAX_INDENTS} blocks nest"))
                        .reported(Reported::Line(at)),
                );
                self.stopped = true;
                return;
            }
            self.indents.push(Indent { column, alternate, is_match });
            self.push(Token::Indent, Span::new(line.start, at));
        } else {
            while self.indents.last().is_some_and(|indent| indent.column > column) {
                self.indents.pop();
                self.push(Token::Dedent, Span::at(at));
            }
            let top = *self.indents.last().expect("column is not below 0");
            if top.column != column {
                self.error(
                    Diagnostic::new(Code::UnmatchedDedent, line, "unindent does not match any outer indentation level")
                        .class(ErrorClass::IndentationError)
                        .message("no open block is indented this far")
                        .reported(Reported::LineEnd(at)),
                );
            } else if top.alternate != alternate {
                tabs(self);
            }
        }
        self.line_first = self.lexed.tokens.len();
    }

    /// In the block of a `match` a line that begins with the word `case` begins a case.
    fn case_keyword(&mut self, at: usize) {
        if !self.indents.last().is_some_and(|indent| indent.is_match) {
            return;
        }
        let rest = &self.text.as_bytes()[at..];
        if rest.starts_with(b"case")
            && !rest.get(4).is_some_and(|&byte| byte == b'_' || byte >= 128 || byte.is_ascii_alphanumeric())
        {
            self.resume(at + 4);
            self.push(Token::Case, Span::new(at as u32, at as u32 + 4));
        }
    }

    fn finish(&mut self) {
        let end = Span::at(self.text.len() as u32);
        self.lexed.unclosed = std::mem::take(&mut self.brackets);
        self.lexed.unclosed_in_string = !self.fstrings.is_empty();
        let comment = self.comment.take();
        self.end_line(comment.map_or(end, |comment| Span::new(comment, end.end)));
        for _ in 1..self.indents.len() {
            self.push(Token::Dedent, end);
        }
    }
}

/// Whether a statement can begin after `token`.
fn begins_statement(token: Token) -> bool {
    matches!(token, Token::Newline | Token::Indent | Token::Dedent | Token::Semicolon | Token::Colon)
}

/// The two letters of a string prefix that don't go together, if `prefix` is made of prefix letters.
fn clashing_prefix(text: &str, prefix: Span, string: Span) -> Option<(char, char)> {
    let all = text[prefix.start as usize..string.end as usize - 1].to_ascii_lowercase();
    let has = |letter: char| all.matches(letter).count() == 1;
    if all.len() > 3 || !all.chars().all(|letter| "ubrft".contains(letter) && has(letter)) {
        return None;
    }
    [('u', 'b'), ('u', 'r'), ('u', 'f'), ('u', 't'), ('b', 'f'), ('b', 't'), ('f', 't')]
        .into_iter()
        .find(|&(one, other)| has(one) && has(other))
}

/// The ASCII character a stray one was probably meant to be.
fn look_alike(char: char) -> Option<char> {
    Some(match char {
        '“' | '”' | '„' => '"',
        '‘' | '’' | '‚' => '\'',
        '–' | '—' | '−' => '-',
        '×' => '*',
        '÷' => '/',
        '（' => '(',
        '）' => ')',
        '，' => ',',
        '：' => ':',
        '；' => ';',
        '＝' => '=',
        _ => return None,
    })
}
