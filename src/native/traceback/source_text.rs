//! Lines of text as tracebacks need them: CPython's `splitlines`, `dedent`, `indent` and `strip` on characters.

/// Whether a character ends a line for `str.splitlines`.
fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether `str.isspace` holds for a character.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// The lines of a text without their ends.
pub(super) fn split_lines(text: &str) -> Vec<&str> {
    split_keeping_ends(text)
        .into_iter()
        .map(|line| line.strip_suffix("\r\n").unwrap_or_else(|| line.trim_end_matches(ends_line)))
        .collect()
}

/// The lines of a text with their ends.
fn split_keeping_ends(text: &str) -> Vec<&str> {
    let mut lines = vec![];
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !ends_line(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        if c == '\r' && chars.peek().is_some_and(|(_, next)| *next == '\n') {
            chars.next();
            end += 1;
        }
        lines.push(&text[start..end]);
        start = end;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

/// Whether a line has anything but white space.
fn is_blank(line: &str) -> bool {
    line.chars().all(is_space)
}

/// The text without the white space all its lines begin with; lines of nothing but white space become empty.
pub(super) fn dedent(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let filled = || lines.iter().copied().filter(|line| !is_blank(line));
    // What the first and the last in order share, all share.
    let margin = match (filled().min(), filled().max()) {
        (Some(first), Some(last)) => {
            let shared = first.bytes().zip(last.bytes());
            shared.take_while(|(a, b)| a == b && matches!(a, b' ' | b'\t')).count()
        }
        _ => 0,
    };
    let dedented: Vec<&str> = lines.iter().map(|line| if is_blank(line) { "" } else { &line[margin..] }).collect();
    dedented.join("\n")
}

/// The text with a prefix before each of its lines.
pub(super) fn indent(text: &str, prefix: &str) -> String {
    let mut out = String::with_capacity(text.len() + prefix.len() * 2);
    for line in split_keeping_ends(text) {
        out.push_str(prefix);
        out.push_str(line);
    }
    out
}

/// The text without white space at its ends.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The number of characters in the first `offset` bytes; a character cut through counts.
pub(super) fn characters_before(line: &str, offset: u32) -> usize {
    let offset = offset as usize;
    line.char_indices().take_while(|(at, _)| *at < offset).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_python_ends_them() {
        assert_eq!(split_lines("a\r\nb\x0cc\n\nd"), ["a", "b", "c", "", "d"]);
        assert_eq!(split_lines(""), [""; 0]);
    }

    #[test]
    fn the_common_margin_goes() {
        assert_eq!(dedent("  a\n    b\n \n"), "a\n  b\n\n");
        assert_eq!(dedent("\ta\n b\n"), "\ta\n b\n");
        assert_eq!(indent("a\n\nb\n", "| "), "| a\n| \n| b\n");
    }
}
