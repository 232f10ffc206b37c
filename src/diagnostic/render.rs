//! Reports with source excerpts, drawn by ariadne.

use ariadne::{CharSet, Config, IndexType, Label, Report, ReportKind, Source};

use crate::source::{SourceFile, Span};

use super::Diagnostic;

/// Whether a report has terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// With escape sequences.
    On,
    /// Plain text.
    Off,
}

/// Draw `diagnostics` about `source` in the order of the text.
pub fn render(diagnostics: &[Diagnostic], source: &SourceFile, color: Color) -> String {
    let mut out = Vec::new();
    let config = Config::new()
        .with_color(color == Color::On)
        .with_index_type(IndexType::Byte)
        .with_char_set(CharSet::Unicode)
        .with_compact(false);
    let name = source.name();
    let mut ordered: Vec<&Diagnostic> = diagnostics.iter().collect();
    ordered.sort_by_key(|diagnostic| diagnostic.span.start);
    for diagnostic in ordered {
        let place = |span: Span| (name, clamp(span, source));
        let mut report = Report::build(ReportKind::Error, place(diagnostic.span))
            .with_config(config)
            .with_code(diagnostic.code.code())
            .with_message(diagnostic.code.title())
            .with_label(Label::new(place(diagnostic.span)).with_message(&diagnostic.message).with_order(0));
        for (order, label) in diagnostic.labels.iter().enumerate() {
            report =
                report.with_label(Label::new(place(label.span)).with_message(&label.text).with_order(order as i32 + 1));
        }
        if let Some(hint) = &diagnostic.hint {
            report = report.with_help(hint);
        }
        report.finish().write((name, Source::from(source.text())), &mut out).expect("writing to memory doesn't fail");
    }
    let text = String::from_utf8_lossy(&out);
    // ariadne pads lines; expectations in files don't.
    let mut trimmed = String::with_capacity(text.len());
    for line in text.lines() {
        trimmed.push_str(line.trim_end());
        trimmed.push('\n');
    }
    trimmed
}

/// A span at the very end, or of nothing, gets a place that can be drawn.
fn clamp(span: Span, source: &SourceFile) -> std::ops::Range<usize> {
    let len = source.text().len();
    let start = (span.start as usize).min(len);
    start..(span.end as usize).clamp(start, len)
}
