//! A script's text, and places in it: the byte spans that every later stage carries, and the lines and columns people
//! read. Everything that reports a position goes through [`SourceFile`].

use std::fmt;

/// A range of bytes in one source text; `start <= end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`.
    pub const fn new(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    /// The empty span at `offset`.
    pub const fn at(offset: u32) -> Span {
        Span { start: offset, end: offset }
    }

    /// From the start of `self` to the end of `last`.
    pub const fn to(self, last: Span) -> Span {
        Span { start: self.start, end: last.end }
    }

    /// Number of bytes.
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the span covers no byte.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// As a range for slicing the text.
    pub const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A line and a column: `line` counts from 1, `column` from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line number, the first is 1.
    pub line: u32,
    /// Offset in the line, the first is 0; bytes or characters, as the function that made it says.
    pub column: u32,
}

/// One text to run, with the name tracebacks show for it.
///
/// Lines end at `\n`, `\r\n` or a lone `\r`, as the tokenizer ends them.
#[derive(Debug, Clone)]
pub struct SourceFile {
    name: String,
    text: String,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// Wrap decoded text. A byte order mark belongs to the encoding and should be gone by now.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let bytes = text.as_bytes();
        let mut line_starts = vec![0];
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            // The `\r` of a `\r\n` doesn't end the line, its `\n` does.
            if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                line_starts.push(at as u32 + 1);
            }
        }
        SourceFile { name: name.into(), text, line_starts }
    }

    /// The name shown in tracebacks: a path, `<stdin>`, `<string>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text under `span`.
    pub fn slice(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    /// How many lines there are; text that ends in a line end has an empty last one.
    pub fn line_count(&self) -> u32 {
        self.line_starts.len() as u32
    }

    /// The number of the line that `offset` is on, from 1.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|&start| start <= offset) as u32
    }

    /// Where line `line` begins; past the last line, the end of the text.
    pub fn line_start(&self, line: u32) -> u32 {
        self.line_starts.get((line as usize).saturating_sub(1)).copied().unwrap_or(self.text.len() as u32)
    }

    /// Line `line` without its line end; empty if there is no such line.
    pub fn line_text(&self, line: u32) -> &str {
        let start = self.line_start(line) as usize;
        let end = self.line_start(line + 1) as usize;
        self.text[start..end.max(start)].trim_end_matches(['\n', '\r'])
    }

    /// Line and column of `offset`, the column in bytes (what `ast` calls `col_offset`).
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line(offset);
        Position { line, column: offset - self.line_start(line) }
    }

    /// Line and column of `offset`, the column in characters (what `SyntaxError.offset` counts, less one).
    pub fn char_position(&self, offset: u32) -> Position {
        let line = self.line(offset);
        let start = self.line_start(line) as usize;
        let before = self.text.as_bytes().get(start..offset as usize).unwrap_or_default();
        let column = before.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32;
        Position { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_all_three_line_ends() {
        let file = SourceFile::new("x", "a\nbb\r\nc\rd");
        let texts: Vec<&str> = (1..=file.line_count()).map(|line| file.line_text(line)).collect();
        assert_eq!(texts, ["a", "bb", "c", "d"]);
        assert_eq!(file.line(5), 2, "the `\\n` of `\\r\\n` is still on its line");
        assert_eq!(file.line(6), 3);
        assert_eq!(file.line_text(9), "");
    }

    #[test]
    fn columns_count_bytes_or_characters() {
        let file = SourceFile::new("x", "é = 1\nß");
        assert_eq!(file.position(3), Position { line: 1, column: 3 });
        assert_eq!(file.char_position(3), Position { line: 1, column: 2 });
        assert_eq!(file.char_position(9), Position { line: 2, column: 1 });
    }
}
