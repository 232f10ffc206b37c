//! The place in the text that a SyntaxError shows, with signs under it.

use super::source_text::is_space;

/// What a SyntaxError knows of its place.
#[derive(Clone, Debug, Default)]
pub(super) struct SyntaxSummary {
    /// `filename`.
    pub(super) filename: Option<String>,
    /// `lineno`, as text.
    pub(super) line: Option<String>,
    /// `end_lineno`, as text.
    pub(super) end_line: Option<String>,
    /// `text`, if it is a text.
    pub(super) text: Option<String>,
    /// `offset`.
    pub(super) offset: Offset,
    /// `end_offset`, if it is an integer.
    pub(super) end_offset: Option<i64>,
    /// `msg`.
    pub(super) message: Option<String>,
}

/// `offset` of a SyntaxError.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Offset {
    /// None: the text is shown without signs.
    #[default]
    None,
    /// A column from 1.
    Column(i64),
    /// Anything else: the text isn't shown.
    Other,
}

impl SyntaxSummary {
    /// The lines that show it.
    pub(super) fn render(&self, class: &str) -> Vec<String> {
        let mut out = vec![];
        let mut suffix = String::new();
        let filename = self.filename.as_deref().filter(|name| !name.is_empty());
        match (&self.line, &self.filename) {
            (Some(line), _) => out.push(format!("  File \"{}\", line {line}\n", filename.unwrap_or("<string>"))),
            (None, Some(filename)) => suffix = format!(" ({filename})"),
            (None, None) => {}
        }
        if let Some(text) = &self.text {
            self.render_text(text, &mut out);
        }
        let message = self.message.as_deref().filter(|m| !m.is_empty()).unwrap_or("<no detail available>");
        out.push(format!("{class}: {message}{suffix}\n"));
        out
    }

    fn render_text(&self, text: &str, out: &mut Vec<String>) {
        let right = text.trim_end_matches('\n');
        let shown = right.trim_start_matches([' ', '\n', '\x0c']);
        let length = |text: &str| text.chars().count() as i64;
        let spaces = length(right) - length(shown);
        let mut offset = match self.offset {
            Offset::None => {
                out.push(format!("    {shown}\n"));
                return;
            }
            Offset::Other => return,
            Offset::Column(offset) => offset,
        };
        let past = length(right) + 1;
        let mut end =
            if self.line == self.end_line { self.end_offset.filter(|end| *end != 0).unwrap_or(offset) } else { past };
        if !text.is_empty() && offset > length(text) {
            offset = past;
        }
        if !text.is_empty() && end > length(text) {
            end = past;
        }
        if offset >= end || end < 0 {
            end = offset.saturating_add(1);
        }
        let (column, end_column) = (offset.saturating_sub(1 + spaces), end.saturating_sub(1 + spaces));
        out.push(format!("    {shown}\n"));
        if let Ok(column) = usize::try_from(column) {
            // Tabs stay, so that the signs stand below what they are of.
            let before: String = shown.chars().take(column).map(|c| if is_space(c) { c } else { ' ' }).collect();
            // A script can make up any number.
            let count = usize::try_from(end_column).unwrap_or(0).saturating_sub(column).min(1 << 16);
            out.push(format!("    {before}{}\n", "^".repeat(count)));
        }
    }
}
