//! Strings, and what is in them: escapes, parts side by side, the fields of f-strings and t-strings.

use super::*;

impl Builder<'_> {
    fn warn_escape(&mut self, at: u32, escape: &str) {
        let (span, message) = if escape.len() == 3 && escape.bytes().all(|byte| byte.is_ascii_digit()) {
            (
                Span::new(at, at + 1 + escape.len() as u32),
                format!(
                    "\"\\{escape}\" is an invalid octal escape sequence. Such sequences will not work in the future. \
                     Did you mean \"\\\\{escape}\"? A raw string is also an option."
                ),
            )
        } else {
            (
                Span::new(at, at + 1 + escape.len() as u32),
                format!(
                    "\"\\{escape}\" is an invalid escape sequence. Such sequences will not work in the future. \
                     Did you mean \"\\\\{escape}\"? A raw string is also an option."
                ),
            )
        };
        self.warnings.push(SyntaxWarning { span, message });
    }

    /// Decode `content`; what is wrong with its escapes is reported at `token`.
    fn decode(&mut self, content: Span, mode: Mode, token: Span, out: &mut StrBuffer) {
        let mut escapes = Vec::new();
        let decoded = literal::decode(self.text(content), mode, &mut |escape| escapes.push(escape));
        for escape in escapes {
            match escape {
                Escape::Doubtful(at, escape) => self.warn_escape(content.start + at as u32, &escape),
                Escape::Bad(text) => self.errors.push(
                    Diagnostic::new(Code::InvalidEscape, token, text)
                        .hint("write two backslashes, or make it a raw string: r\"…\""),
                ),
            }
        }
        out.has_surrogates |= decoded.has_surrogates;
        if out.bytes.is_empty() {
            out.bytes = decoded.bytes;
        } else {
            out.bytes.extend_from_slice(&decoded.bytes);
        }
    }

    /// Decode the string token at `token` into `out`; whether it is a bytes literal, and whether it has the prefix u.
    fn decode_token(&mut self, token: Span, out: &mut StrBuffer) -> (bool, bool) {
        let text = self.text(token).as_bytes();
        let prefix = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let has = |letter: u8| text[..prefix].iter().any(|byte| byte.to_ascii_lowercase() == letter);
        let (raw, bytes, u_prefix) = (has(b'r'), has(b'b'), has(b'u'));
        let quote = text.get(prefix).copied().unwrap_or_default();
        let quotes = if text.len() >= prefix + 6 && text[prefix..].starts_with(&[quote; 3]) { 3 } else { 1 };
        if text.len() < prefix + 2 * quotes || !text.ends_with(&[quote; 3][..quotes]) {
            // The lexer has said that it isn't closed.
            return (bytes, u_prefix);
        }
        let content = Span::new(token.start + (prefix + quotes) as u32, token.end - quotes as u32);
        if bytes && !self.text(content).is_ascii() {
            self.report(Code::InvalidLiteral, token, "bytes can only contain ASCII literal characters");
        }
        self.decode(content, Mode { raw, bytes, braces: false }, token, out);
        (bytes, u_prefix)
    }

    pub(crate) fn string(&mut self, start: u32, end: u32) -> ExprId {
        let mut buffer = StrBuffer::default();
        let (bytes, u_prefix) = self.decode_token(Span::new(start, end), &mut buffer);
        let value = if bytes { Constant::Bytes(buffer.bytes.into()) } else { buffer.constant(u_prefix) };
        self.constant(start, value, end)
    }

    pub(crate) fn string_part(&mut self, start: u32, part: StringPart, end: u32) -> ExprId {
        self.strings(start, vec![part], end)
    }

    /// Adjacent literals become one node.
    pub(crate) fn strings(&mut self, start: u32, parts: Vec<StringPart>, end: u32) -> ExprId {
        let is_bytes = |builder: &Self, part: &StringPart| {
            matches!(part, StringPart::Plain(span)
                if builder.text(*span).bytes().take_while(u8::is_ascii_alphabetic).any(|byte| matches!(byte, b'b' | b'B')))
        };
        let bytes = parts.iter().filter(|part| is_bytes(self, part)).count();
        let templates = parts.iter().filter(|part| matches!(part, StringPart::Format { template: true, .. })).count();
        let formats = parts.iter().filter(|part| matches!(part, StringPart::Format { .. })).count();
        if templates > 0 && templates < parts.len() {
            let text = "cannot mix t-string literals with string or bytes literals";
            self.report(Code::InvalidLiteral, Span::new(start, end), text);
        } else if bytes > 0 && bytes < parts.len() {
            self.report_after(
                Code::InvalidLiteral,
                Span::new(start, end),
                end,
                "cannot mix bytes and nonbytes literals",
            );
        }
        let mut buffer = StrBuffer::default();
        if formats == 0 {
            let mut u_prefix = false;
            for (index, part) in parts.iter().enumerate() {
                if let StringPart::Plain(span) = part {
                    let (_, prefix) = self.decode_token(*span, &mut buffer);
                    u_prefix |= index == 0 && prefix;
                }
            }
            let value = if bytes > 0 { Constant::Bytes(buffer.bytes.into()) } else { buffer.constant(u_prefix) };
            return self.constant(start, value, end);
        }
        // Neighbouring constants, also across literals, become one.
        let mut values = Vec::new();
        let mut pending: Option<Pending> = None;
        for part in parts {
            match part {
                StringPart::Plain(span) => {
                    let mut joined = pending.take().unwrap_or_else(|| Pending::new(span));
                    joined.span.end = span.end;
                    let first = joined.text.bytes.is_empty();
                    let (_, u_prefix) = self.decode_token(span, &mut joined.text);
                    joined.u_prefix |= first && u_prefix;
                    pending = Some(joined);
                }
                StringPart::Format { values: own, .. } => {
                    for value in own {
                        let node = self.ast.expr(value);
                        let ExprKind::Constant(Constant::Str(text)) = &node.kind else {
                            self.flush(&mut pending, &mut values);
                            values.push(value);
                            continue;
                        };
                        let span = node.span;
                        let joined = pending.get_or_insert_with(|| Pending::new(span));
                        joined.span.end = span.end;
                        joined.text.bytes.extend_from_slice(&text.bytes);
                        joined.text.has_surrogates |= text.has_surrogates;
                    }
                }
            }
        }
        self.flush(&mut pending, &mut values);
        let values = values.into();
        let kind = if templates > 0 { ExprKind::TemplateStr { values } } else { ExprKind::JoinedStr { values } };
        self.expr(start, kind, end)
    }

    fn flush(&mut self, pending: &mut Option<Pending>, values: &mut Vec<ExprId>) {
        if let Some(Pending { span, text, u_prefix }) = pending.take()
            && !text.bytes.is_empty()
        {
            let value = text.constant(u_prefix);
            values.push(self.constant(span.start, value, span.end));
        }
    }

    pub(crate) fn f_string(&mut self, start: u32, open: u32, text: Vec<TextPart>, end: u32) -> StringPart {
        let values = self.text_parts(Span::new(start, open), text, end, false);
        StringPart::Format { template: false, values }
    }

    pub(crate) fn t_string(&mut self, start: u32, open: u32, text: Vec<TextPart>, end: u32) -> StringPart {
        let values = self.text_parts(Span::new(start, open), text, end, true);
        StringPart::Format { template: true, values }
    }

    fn text_parts(&mut self, opening: Span, parts: Vec<TextPart>, end: u32, template: bool) -> Vec<ExprId> {
        let raw = self.text(opening).contains(['r', 'R']);
        let quotes = if ["\"\"\"", "'''"].iter().any(|quotes| self.text(opening).ends_with(quotes)) { 3 } else { 1 };
        let quotes = &self.text(opening)[self.text(opening).len() - quotes..];
        // A string that is not closed, which is said already, ends where its text does.
        let closed = self.text(Span::new(opening.end, end)).ends_with(quotes);
        self.string_end = Span::new(end - if closed { quotes.len() as u32 } else { 0 }, end);
        let mut values = Vec::new();
        let mut pending = None;
        self.text_into(raw, parts, template, &mut pending, &mut values);
        self.flush(&mut pending, &mut values);
        values
    }

    fn text_into(
        &mut self,
        raw: bool,
        parts: Vec<TextPart>,
        template: bool,
        pending: &mut Option<Pending>,
        values: &mut Vec<ExprId>,
    ) {
        for part in parts {
            match part {
                TextPart::Text(span) => {
                    let mut joined = pending.take().unwrap_or_else(|| Pending::new(span));
                    joined.span.end = span.end;
                    let end = self.string_end;
                    self.decode(span, Mode { raw, bytes: false, braces: true }, end, &mut joined.text);
                    *pending = Some(joined);
                }
                TextPart::Field(field) => {
                    if field.debug.is_some() {
                        let span = Span::new(field.text_start, field.value_end());
                        let text = without_comments(self.text(span));
                        let joined = pending.get_or_insert_with(|| Pending::new(span));
                        joined.span.end = span.end;
                        joined.text.bytes.extend_from_slice(text.as_bytes());
                    }
                    self.flush(pending, values);
                    values.push(self.field(raw, *field, template));
                }
            }
        }
    }

    pub(super) fn field(&mut self, raw: bool, field: Field, template: bool) -> ExprId {
        let conversion = match field.conversion {
            None if field.debug.is_some() && field.spec.is_none() => Conversion::Repr,
            None => Conversion::None,
            Some((bang, ident)) if ident.span.start > bang + 1 => {
                let letter = if template { 't' } else { 'f' };
                let text = format!("{letter}-string: conversion type must come right after the exclamation mark");
                self.report(Code::InvalidField, Span::new(bang, ident.span.end), text);
                Conversion::None
            }
            Some((_, ident)) => match self.text(ident.span) {
                "s" => Conversion::Str,
                "r" => Conversion::Repr,
                "a" => Conversion::Ascii,
                other => {
                    let letter = if template { 't' } else { 'f' };
                    let text =
                        format!("{letter}-string: invalid conversion character '{other}': expected 's', 'r', or 'a'");
                    self.report(Code::InvalidField, ident.span, text);
                    Conversion::None
                }
            },
        };
        let text_end = field.debug.unwrap_or(field.value_end());
        let format_spec = field.spec.map(|(colon, parts)| {
            let mut values = Vec::new();
            let mut pending = None;
            // Fields in a format spec are formatted even in a template.
            self.text_into(raw, parts, false, &mut pending, &mut values);
            self.flush(&mut pending, &mut values);
            self.expr(colon, ExprKind::JoinedStr { values: values.into() }, field.close)
        });
        let value = field.value;
        if !template {
            return self.expr(field.start, ExprKind::FormattedValue { value, conversion, format_spec }, field.end);
        }
        let text = without_comments(self.text(Span::new(field.text_start, text_end)));
        let str = text.trim_end().into();
        self.expr(field.start, ExprKind::Interpolation { value, str, conversion, format_spec }, field.end)
    }
}

/// The text of a string under construction.
#[derive(Debug, Default)]
struct StrBuffer {
    bytes: Vec<u8>,
    has_surrogates: bool,
}

impl StrBuffer {
    pub(super) fn constant(self, u_prefix: bool) -> Constant {
        Constant::Str(Box::new(StrLiteral { bytes: self.bytes.into(), has_surrogates: self.has_surrogates, u_prefix }))
    }
}

/// A constant part of an f-string that may still grow.
#[derive(Debug)]
struct Pending {
    span: Span,
    text: StrBuffer,
    u_prefix: bool,
}

impl Pending {
    pub(super) fn new(span: Span) -> Pending {
        Pending { span, text: StrBuffer::default(), u_prefix: false }
    }
}

/// The text of a replacement field's expression, as `=` and templates show it: comments are left out, and lines end in
/// `\n`.
fn without_comments(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['#', '\r']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (_, '\r') => {
                chars.next_if_eq(&'\n');
                out.push('\n');
                continue;
            }
            (Some(open), _) if char == open => quote = None,
            (None, '"' | '\'') => quote = Some(char),
            (None, '#') => {
                while chars.next_if(|&next| next != '\n' && next != '\r').is_some() {}
                continue;
            }
            _ => {}
        }
        out.push(char);
    }
    out.into()
}
