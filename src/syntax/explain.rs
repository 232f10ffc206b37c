//! Words for what the parser refuses: from the token it stopped at, what stands around it and what would have fitted.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{SourceFile, Span};

use super::layout::Bracket;
use super::parser::Mode;
use super::token::Lexeme;

/// A place where the parser got stuck.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) tokens: &'a [Lexeme],
    /// The token that doesn't fit; the number of tokens if the text ended too early.
    pub(super) index: usize,
    /// The terminals of the grammar that would have fitted.
    pub(super) expected: Vec<String>,
    pub(super) unclosed: &'a [Bracket],
    pub(super) mode: Mode,
}

/// Explain why the token doesn't fit.
pub(super) fn explain(refused: &Refused<'_>) -> Diagnostic {
    let end = Span::at(refused.source.text().len() as u32);
    let span = refused.tokens.get(refused.index).map_or(end, |lexeme| lexeme.span);
    Diagnostic::new(Code::UnexpectedToken, span, "invalid syntax")
}
