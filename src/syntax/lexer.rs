//! Tokens within a line that regular expressions don't settle: numbers, plain strings, names beyond ASCII. Each function
//! gets the whole text and a place, and says where the token ends or what is wrong with it. `layout.rs` drives them.

use memchr::{memchr2, memchr3};

use crate::text::unicode;

/// What is wrong with a token: CPython's words, and the bytes its message points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadToken {
    pub(crate) message: String,
    /// Where the caret begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// Whether the caret has no width, as where CPython's tokenizer points at the place it stands.
    pub(crate) point: bool,
    /// Where lexing can go on.
    pub(crate) resume: usize,
}

/// A number that is directly followed by a keyword, as in `1if x else y`: allowed, with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) end: usize,
    /// `decimal`, `hexadecimal`, … if a keyword touches it.
    pub(crate) touches_keyword: Option<&'static str>,
}

/// Find the end of the number that begins at `start` with a digit, or a dot and a digit.
pub(crate) fn scan_number(text: &[u8], start: usize) -> Result<Number, BadToken> {
    let mut scan = NumberScan { text, start, at: start };
    let kind = scan.run()?;
    scan.check_end(kind)
}

struct NumberScan<'s> {
    text: &'s [u8],
    start: usize,
    at: usize,
}

impl NumberScan<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The message points at the character before `at`, where CPython's tokenizer stands.
    fn error<T>(&self, message: String) -> Result<T, BadToken> {
        let mut resume = self.at;
        while self.text.get(resume).is_some_and(|&byte| is_name_byte(byte)) {
            resume += 1;
        }
        let caret = self.at.saturating_sub(1).max(self.start);
        Err(BadToken { message, start: caret, end: caret + 1, point: true, resume: resume.max(self.start + 1) })
    }

    /// Advance over the literal; its kind is what messages about what follows call it.
    fn run(&mut self) -> Result<&'static str, BadToken> {
        if self.peek() == b'0' {
            self.at += 1;
            match self.peek() {
                b'x' | b'X' => return self.radix("hexadecimal", |byte| byte.is_ascii_hexdigit()),
                b'o' | b'O' => return self.radix("octal", |byte| matches!(byte, b'0'..=b'7')),
                b'b' | b'B' => return self.radix("binary", |byte| matches!(byte, b'0' | b'1')),
                _ => {}
            }
            let mut nonzero = false;
            loop {
                if self.peek() == b'_' {
                    self.at += 1;
                    if !self.peek().is_ascii_digit() {
                        return self.error("invalid decimal literal".into());
                    }
                }
                if self.peek() != b'0' {
                    break;
                }
                self.at += 1;
            }
            let zeros_end = self.at;
            if self.peek().is_ascii_digit() {
                nonzero = true;
                self.digits()?;
            }
            return match self.peek() {
                b'.' | b'e' | b'E' | b'j' | b'J' => self.fraction(),
                _ if nonzero => Err(BadToken {
                    message: "leading zeros in decimal integer literals are not permitted; \
                              use an 0o prefix for octal integers"
                        .into(),
                    start: self.start,
                    end: zeros_end,
                    point: false,
                    resume: self.at,
                }),
                _ => Ok("decimal"),
            };
        }
        if self.peek() != b'.' {
            self.digits()?;
        }
        self.fraction()
    }

    fn radix(&mut self, kind: &'static str, is_digit: fn(u8) -> bool) -> Result<&'static str, BadToken> {
        self.at += 1;
        loop {
            if self.peek() == b'_' {
                self.at += 1;
            }
            if !is_digit(self.peek()) {
                if self.peek().is_ascii_digit() {
                    self.at += 1;
                    return self.error(format!("invalid digit '{}' in {kind} literal", self.text[self.at - 1] as char));
                }
                return self.error(format!("invalid {kind} literal"));
            }
            while is_digit(self.peek()) {
                self.at += 1;
            }
            if self.peek() != b'_' {
                break;
            }
        }
        if self.peek().is_ascii_digit() {
            self.at += 1;
            return self.error(format!("invalid digit '{}' in {kind} literal", self.text[self.at - 1] as char));
        }
        Ok(kind)
    }

    /// Digits with single underscores between them.
    fn digits(&mut self) -> Result<(), BadToken> {
        loop {
            while self.peek().is_ascii_digit() {
                self.at += 1;
            }
            if self.peek() != b'_' {
                return Ok(());
            }
            self.at += 1;
            if !self.peek().is_ascii_digit() {
                return self.error("invalid decimal literal".into());
            }
        }
    }

    fn fraction(&mut self) -> Result<&'static str, BadToken> {
        if self.peek() == b'.' {
            self.at += 1;
            if self.peek().is_ascii_digit() {
                self.digits()?;
            }
        }
        if let b'e' | b'E' = self.peek() {
            let exponent = self.at;
            self.at += 1;
            if let b'+' | b'-' = self.peek() {
                self.at += 1;
                if !self.peek().is_ascii_digit() {
                    return self.error("invalid decimal literal".into());
                }
                self.digits()?;
            } else if self.peek().is_ascii_digit() {
                self.digits()?;
            } else {
                self.at = exponent;
                return Ok("decimal");
            }
        }
        if let b'j' | b'J' = self.peek() {
            self.at += 1;
            return Ok("imaginary");
        }
        Ok("decimal")
    }

    fn check_end(&mut self, kind: &'static str) -> Result<Number, BadToken> {
        let rest = &self.text[self.at..];
        // As CPython's tokenizer looks at them: the end of the shortest it doesn't ask for.
        let ends = |rest: &[u8]| !rest.first().is_some_and(|&byte| is_name_byte(byte));
        let keyword = [&b"if"[..], b"in", b"is"].iter().any(|keyword| rest.starts_with(keyword))
            || [&b"and"[..], b"else", b"for", b"or", b"not"]
                .iter()
                .any(|keyword| rest.strip_prefix(*keyword).is_some_and(ends));
        if keyword {
            return Ok(Number { end: self.at, touches_keyword: Some(kind) });
        }
        if rest.first().is_some_and(|&byte| byte < 128 && is_name_byte(byte)) {
            return self.error(format!("invalid {kind} literal"));
        }
        Ok(Number { end: self.at, touches_keyword: None })
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte == b'_' || byte >= 128 || byte.is_ascii_alphanumeric()
}

/// Find the end of a string whose opening quote is at `quote` (its token began at `start`).
pub(crate) fn scan_string(text: &[u8], start: usize, quote: usize) -> Result<usize, BadToken> {
    let mark = text[quote];
    let unterminated = |message: &str, at: usize| {
        // At the end of the text the tokenizer stands on the last line that has something.
        let ends_line = at == text.len() && text.ends_with(b"\n");
        let line = 1 + line_ends(&text[..at]) - usize::from(ends_line);
        Err(BadToken {
            message: format!("unterminated {message} (detected at line {line})"),
            start,
            end: start + 1,
            point: true,
            resume: at,
        })
    };
    if text[quote..].starts_with(&[mark; 3]) {
        let mut at = quote + 3;
        loop {
            match memchr2(mark, b'\\', &text[at..]) {
                None => return unterminated("triple-quoted string literal", text.len()),
                Some(skip) if text[at + skip] == b'\\' => at = (at + skip + 2).min(text.len()),
                Some(skip) => {
                    at += skip;
                    if text[at..].starts_with(&[mark; 3]) {
                        return Ok(at + 3);
                    }
                    at += 1;
                }
            }
        }
    }
    let mut at = quote + 1;
    let mut escaped_quote = false;
    loop {
        let found = match memchr3(mark, b'\\', b'\n', &text[at..]) {
            Some(skip) => at + skip,
            None => text.len(),
        };
        // A lone `\r` ends a line too; it is so rare that it isn't worth a fourth needle.
        if let Some(cr) = memchr::memchr(b'\r', &text[at..found]) {
            return unterminated_line(unterminated, at + cr, escaped_quote);
        }
        match text.get(found) {
            Some(&byte) if byte == mark => return Ok(found + 1),
            Some(b'\\') => {
                at = found + 2;
                match text.get(found + 1) {
                    Some(&byte) if byte == mark => escaped_quote = true,
                    Some(b'\r') if text.get(found + 2) == Some(&b'\n') => at = found + 3,
                    Some(_) => {}
                    None => return unterminated_line(unterminated, text.len(), escaped_quote),
                }
            }
            _ => return unterminated_line(unterminated, found, escaped_quote),
        }
    }
}

fn unterminated_line(
    unterminated: impl Fn(&str, usize) -> Result<usize, BadToken>,
    at: usize,
    escaped_quote: bool,
) -> Result<usize, BadToken> {
    let mut result = unterminated("string literal", at);
    if let (true, Err(bad)) = (escaped_quote, &mut result) {
        bad.message.push_str("; perhaps you escaped the end quote?");
    }
    result
}

/// How many line ends there are.
pub(crate) fn line_ends(text: &[u8]) -> usize {
    let all = memchr::memchr2_iter(b'\n', b'\r', text).count();
    all - memchr::memmem::find_iter(text, b"\r\n").count()
}

/// Check that a name with characters beyond ASCII is an identifier; else the character that isn't allowed.
pub(crate) fn check_name(name: &str) -> Result<(), (usize, char)> {
    for (at, char) in name.char_indices() {
        let allowed = if at == 0 {
            char == '_' || unicode::is_identifier_start(char as u32)
        } else {
            unicode::is_identifier_continue(char as u32)
        };
        if !allowed {
            return Err((at, char));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<usize, String> {
        scan_number(text.as_bytes(), 0).map(|number| number.end).map_err(|bad| bad.message)
    }

    #[test]
    fn numbers_end_where_they_should() {
        for text in
            ["0", "00_0", "1_000", "0xF_f", "0b_1", "0o17", "1.", ".5", "1e5", "1.5E-3", "1_0.0_1e+1_0j", "0777.5"]
        {
            assert_eq!(number(text), Ok(text.len()), "{text}");
            assert_eq!(number(&format!("{text} + 1")), Ok(text.len()), "{text}");
        }
        assert_eq!(number("1..real"), Ok(2));
        assert_eq!(number("1if"), Ok(1));
        assert_eq!(number("1else"), Ok(1), "the `e` is no exponent");
    }

    #[test]
    fn bad_numbers_have_their_words() {
        assert_eq!(number("0b12"), Err("invalid digit '2' in binary literal".into()));
        assert_eq!(number("0o8"), Err("invalid digit '8' in octal literal".into()));
        assert_eq!(number("0x"), Err("invalid hexadecimal literal".into()));
        assert_eq!(number("1__0"), Err("invalid decimal literal".into()));
        assert_eq!(number("12abc"), Err("invalid decimal literal".into()));
        assert_eq!(number("2jx"), Err("invalid imaginary literal".into()));
        assert!(number("0123").unwrap_err().starts_with("leading zeros"));
    }

    #[test]
    fn strings_end_at_their_quote() {
        let end = |text: &str| scan_string(text.as_bytes(), 0, 0).map_err(|bad| bad.message);
        assert_eq!(end(r#"'a"b\'c' d"#), Ok(8));
        assert_eq!(end("'''a'\n''b''' c"), Ok(12));
        assert_eq!(end("'a\\\r\nb'"), Ok(7));
        assert_eq!(end("'a\nb'"), Err("unterminated string literal (detected at line 1)".into()));
        assert_eq!(end("'a\rb'"), Err("unterminated string literal (detected at line 1)".into()));
        assert_eq!(
            end("'a\\'"),
            Err("unterminated string literal (detected at line 1); perhaps you escaped the end quote?".into())
        );
    }
}
