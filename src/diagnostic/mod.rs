//! What is found before a script runs. A [`Diagnostic`] says it twice: in aio's words for a report with source
//! excerpts ([`render`]), and in CPython's for the `SyntaxError` a script sees. Codes and titles are rows of
//! `codes.rs`.

mod codes;
mod render;

pub use codes::Code;
pub use render::{Color, render};

use crate::source::{SourceFile, Span};

/// The exception class a diagnostic is for a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// `SyntaxError`
    SyntaxError,
    /// `IndentationError`
    IndentationError,
    /// `TabError`
    TabError,
    /// `RecursionError`: the tree is too deep to compile.
    RecursionError,
    /// `MemoryError`: the text is nested too deeply to parse, as CPython's parser says it.
    MemoryError,
}

impl ErrorClass {
    /// The name of the class.
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::SyntaxError => "SyntaxError",
            ErrorClass::IndentationError => "IndentationError",
            ErrorClass::TabError => "TabError",
            ErrorClass::RecursionError => "RecursionError",
            ErrorClass::MemoryError => "MemoryError",
        }
    }
}

/// A remark on another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What about it.
    pub text: String,
}

/// One thing that is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its row in the table of codes.
    pub code: Code,
    /// The exact words it is about.
    pub span: Span,
    /// In aio's words; lower case, no full stop.
    pub message: String,
    /// Other places that explain it.
    pub labels: Vec<Label>,
    /// What to do.
    pub hint: Option<String>,
    /// The class of exception a script sees.
    pub class: ErrorClass,
    /// `str` of that exception: CPython's words.
    pub text: String,
    /// What its `lineno`, `offset`, `end_lineno` and `end_offset` describe.
    pub reported: Reported,
    /// Whether the line that is its `text` ends with a line end, where that is known: CPython's parser shows what it has in its buffer.
    pub line_end: Option<bool>,
}

/// How the positions of a `SyntaxError` follow from bytes of the text: CPython's tokenizer doesn't always report the
/// place it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// From the first to after the last byte of the span.
    Span(Span),
    /// The character at this byte, with no width: errors of the tokenizer.
    Point(u32),
    /// From this byte to the end of its line, the line end counted: a NEWLINE token, maybe with a comment.
    LineRest(u32),
    /// The character at this byte, its end unknown (`end_offset` 0).
    Open(u32),
    /// Where the tokenizer stood: the bytes before this one, on its line; `end_offset` is -1.
    Cursor(u32),
    /// The whole line that this byte is on: `offset` is one past its last character, `end_offset` is -1.
    LineEnd(u32),
    /// The line that this byte is on, `end_offset` 0: `TabError`.
    Line(u32),
    /// The end of the text, which has no columns.
    End,
}

/// The positions of a `SyntaxError`, as its attributes show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPosition {
    /// `lineno`, from 1.
    pub line: u32,
    /// `offset`: characters, from 1.
    pub offset: u32,
    /// `end_lineno`
    pub end_line: u32,
    /// `end_offset`: characters, from 1; -1 if the tokenizer doesn't know.
    pub end_offset: i32,
}

impl Diagnostic {
    /// A plain `SyntaxError` about `span` whose message is the same in both voices.
    pub fn new(code: Code, span: Span, text: impl Into<String>) -> Diagnostic {
        let text = text.into();
        Diagnostic {
            code,
            span,
            message: text.clone(),
            labels: Vec::new(),
            hint: None,
            class: ErrorClass::SyntaxError,
            text,
            reported: Reported::Span(span),
            line_end: None,
        }
    }

    /// With another class of exception.
    pub fn class(mut self, class: ErrorClass) -> Diagnostic {
        self.class = class;
        self
    }

    /// With a message of its own for the report.
    pub fn message(mut self, message: impl Into<String>) -> Diagnostic {
        self.message = message.into();
        self
    }

    /// With a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// With a remark on another place.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// With another place for the exception's attributes.
    pub fn reported(mut self, reported: Reported) -> Diagnostic {
        self.reported = reported;
        self
    }

    /// The attributes of the exception.
    pub fn position(&self, source: &SourceFile) -> ErrorPosition {
        match self.reported {
            Reported::Span(span) => {
                let (start, end) = (source.char_position(span.start), source.char_position(span.end));
                // CPython counts the columns of the last line on the first, if that is the one it shows.
                let shown = source.line_text(start.line).trim_end_matches(['\r', '\n']).chars().count() as u32;
                let clipped = self.line_end.is_some() && end.line > start.line;
                let end_column = if clipped { end.column.min(shown) } else { end.column };
                ErrorPosition {
                    line: start.line,
                    offset: start.column + 1,
                    end_line: end.line,
                    end_offset: end_column as i32 + 1,
                }
            }
            Reported::Point(at) | Reported::LineRest(at) | Reported::Open(at) => {
                let start = source.char_position(at);
                let end_offset = if let Reported::Point(_) = self.reported {
                    start.column as i32 + 1
                } else if let Reported::Open(_) = self.reported {
                    0
                } else {
                    source.line_text(start.line).chars().count() as i32 + 2
                };
                ErrorPosition { line: start.line, offset: start.column + 1, end_line: start.line, end_offset }
            }
            Reported::Cursor(at) => {
                let (line, column) = last_line(source, at);
                // CPython reads a line end even where the text ends without one.
                let added = at as usize == source.text().len() && !source.text().ends_with('\n');
                ErrorPosition { line, offset: column + u32::from(added), end_line: line, end_offset: -1 }
            }
            Reported::LineEnd(at) => {
                let line = source.line(at);
                let offset = source.line_text(line).chars().count() as u32 + 1;
                ErrorPosition { line, offset, end_line: line, end_offset: -1 }
            }
            Reported::Line(at) => {
                let line = source.line(at);
                ErrorPosition { line, offset: 1, end_line: line, end_offset: 0 }
            }
            Reported::End => {
                let (line, _) = last_line(source, source.text().len() as u32);
                ErrorPosition { line, offset: 0, end_line: line, end_offset: 0 }
            }
        }
    }
}

/// The line of `at` and the bytes before it; the end of a text that ends in a line end is on the line before.
fn last_line(source: &SourceFile, at: u32) -> (u32, u32) {
    let position = source.position(at);
    if position.column == 0 && at as usize == source.text().len() && position.line > 1 {
        return (position.line - 1, at - source.line_start(position.line - 1));
    }
    (position.line, position.column)
}
