//! The module `_xml_tree`: plain documents of XML, read at once. Whatever is unusual (a document type, another entity) or wrong is left to
//! `stdlib/xml/etree/_reader.aio`, which then begins again: nothing was done yet, and no script was asked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::heap::{Raw, Value, interrupt};
use crate::native::natives;
use crate::object::{Dict, List, Str};
use crate::text::wtf8;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub(super) fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_xml_tree").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// Documents of XML.
    static FUNCTIONS: Functions;

    /// Return a list with five things for each element of a document, in its order: how deep it is, its tag, a dict of its attributes, the text
    /// it begins with and the text that follows it. None if that is not for here.
    fn elements(cx: &mut Cx, text: Root) -> NativeResult {
        let Some(text) = text.get(cx).exact::<Str>().map(|text| text.held()) else { return Ok(Outcome::NONE) };
        let Some(source) = text.as_str() else { return Ok(Outcome::NONE) };
        if cx.heap.check(source.len().saturating_mul(16)).is_err() || !is_clean(source.as_bytes()) {
            return Ok(Outcome::NONE);
        }
        let lines = match source.contains('\r') {
            true => Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n")),
            false => Cow::Borrowed(source),
        };
        let mut reader = Reader {
            cx,
            text: lines.as_bytes(),
            at: 0,
            texts: HashMap::new(),
            open: vec![],
            scopes: vec![(b"xml", XML_URI)],
            parts: vec![],
            last: None,
            pending: vec![],
        };
        let read = reader.document();
        let parts = reader.parts;
        if read.is_none() {
            return Ok(Outcome::NONE);
        }
        Ok(List::build(&cx.heap, parts.len(), |at| Value::adopt(parts[at])).into())
    }
);

const XML_URI: &[u8] = b"http://www.w3.org/XML/1998/namespace";

/// Things that are told of an element.
const PARTS: usize = 5;
/// After so many of them signals are looked for.
const ASKED: usize = PARTS << 10;
/// Which of them are its texts.
const TEXT: usize = 3;
const TAIL: usize = 4;

/// Whether there are only characters that a document may have.
fn is_clean(text: &[u8]) -> bool {
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    !text.iter().any(control)
        && memchr::memmem::find(text, "\u{FFFE}".as_bytes()).is_none()
        && memchr::memmem::find(text, "\u{FFFF}".as_bytes()).is_none()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// An element that has not ended.
struct Open<'a> {
    /// Its tag as it is written.
    name: &'a [u8],
    /// Where it is among all parts.
    part: usize,
    /// How many prefixes were known before it.
    scopes: usize,
}

/// Reads a document. Nothing is collected meanwhile, for no script runs. None is whatever is not for here.
struct Reader<'a, 'cx> {
    cx: &'cx mut Cx,
    text: &'a [u8],
    at: usize,
    /// Names that were seen.
    texts: HashMap<Vec<u8>, Raw>,
    open: Vec<Open<'a>>,
    /// Prefixes and what they stand for, the latest last.
    scopes: Vec<(&'a [u8], &'a [u8])>,
    parts: Vec<Raw>,
    /// The part that the next text is for.
    last: Option<usize>,
    /// That text.
    pending: Vec<u8>,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Option<()> {
        if self.text.starts_with("\u{FEFF}".as_bytes()) {
            self.at = 3;
        }
        let begun = self.at;
        while let Some(byte) = self.peek() {
            if byte != b'<' {
                self.characters()?;
                continue;
            }
            match self.text.get(self.at + 1)? {
                b'/' => self.end()?,
                b'!' => self.declaration()?,
                b'?' => self.instruction(begun)?,
                _ => self.start()?,
            }
        }
        (self.open.is_empty() && !self.parts.is_empty()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) -> bool {
        let from = self.at;
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.at > from
    }

    fn name(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        let first = self.peek()?;
        if !(first.is_ascii_alphabetic() || first == b'_' || first >= 0x80) {
            return None;
        }
        while self
            .peek()
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':') || b >= 0x80)
        {
            self.at += 1;
        }
        Some(&self.text[from..self.at])
    }

    /// The bytes up to the next time that `end` stands there; goes behind that.
    fn until(&mut self, end: &[u8]) -> Option<&'a [u8]> {
        let from = self.at;
        let found = from + memchr::memmem::find(&self.text[from..], end)?;
        self.at = found + end.len();
        Some(&self.text[from..found])
    }

    /// Text between tags.
    fn characters(&mut self) -> Option<()> {
        let left = &self.text[self.at..];
        let piece = &left[..memchr::memchr(b'<', left).unwrap_or(left.len())];
        self.at += piece.len();
        if self.open.is_empty() {
            return piece.iter().all(|byte| is_blank(*byte)).then_some(());
        }
        if memchr::memmem::find(piece, b"]]>").is_some() {
            return None;
        }
        let expanded = expanded(piece)?;
        self.pending.extend_from_slice(&expanded);
        Some(())
    }

    /// Gives the text that was read to whom it belongs.
    fn flush(&mut self) {
        if let Some(last) = self.last
            && !self.pending.is_empty()
        {
            self.parts[last] = self.cx.text_raw(&self.pending);
            self.pending.clear();
        }
    }

    fn end(&mut self) -> Option<()> {
        self.at += 2;
        let name = self.name()?;
        self.blank();
        if self.peek()? != b'>' {
            return None;
        }
        self.at += 1;
        let open = self.open.pop().filter(|open| open.name == name)?;
        self.close(open);
        Some(())
    }

    fn close(&mut self, open: Open<'a>) {
        self.flush();
        self.scopes.truncate(open.scopes);
        self.last = Some(open.part + TAIL);
    }

    /// A comment or text that is taken as it stands.
    fn declaration(&mut self) -> Option<()> {
        let left = &self.text[self.at..];
        if left.starts_with(b"<!--") {
            self.at += 4;
            self.until(b"--")?;
            let ends = self.peek()? == b'>';
            self.at += 1;
            return ends.then_some(());
        }
        if !left.starts_with(b"<![CDATA[") || self.open.is_empty() {
            return None;
        }
        self.at += 9;
        let text = self.until(b"]]>").filter(|text| !text.is_empty())?;
        self.pending.extend_from_slice(text);
        Some(())
    }

    /// A processing instruction, which leaves nothing; or the declaration at the start.
    fn instruction(&mut self, begun: usize) -> Option<()> {
        let from = self.at;
        self.at += 2;
        let name = self.name()?;
        if name.eq_ignore_ascii_case(b"xml") && from != begun {
            return None;
        }
        let apart = self.blank();
        let text = self.until(b"?>")?;
        (apart || text.is_empty()).then_some(())
    }

    fn start(&mut self) -> Option<()> {
        if self.open.is_empty() && !self.parts.is_empty() {
            return None;
        }
        // With a signal to be looked at it is not for here either.
        let word = || self.cx.interrupt().load(Ordering::Relaxed) & (interrupt::SIGNAL | interrupt::STOP);
        if self.parts.len().is_multiple_of(ASKED) && word() != 0 {
            return None;
        }
        self.at += 1;
        let name = self.name()?;
        let scopes = self.scopes.len();
        let mut attributes: Vec<(&'a [u8], &'a [u8])> = vec![];
        let empty = loop {
            let apart = self.blank();
            match self.peek()? {
                b'>' => {
                    self.at += 1;
                    break false;
                }
                b'/' => {
                    self.at += 1;
                    if self.peek()? != b'>' {
                        return None;
                    }
                    self.at += 1;
                    break true;
                }
                _ if !apart => return None,
                _ => {}
            }
            let (key, value) = self.attribute()?;
            match key.strip_prefix(b"xmlns") {
                // What stands for a prefix is rarely more than plain text.
                Some(b"") if !value.contains(&b'&') => self.scopes.push((b"", value)),
                Some([b':', prefix @ ..]) if !prefix.is_empty() && !value.is_empty() && !value.contains(&b'&') => {
                    self.scopes.push((prefix, value));
                }
                Some([b':', ..] | []) => return None,
                _ => attributes.push((key, value)),
            }
        };
        if self.scopes[scopes..].iter().any(|(prefix, value)| {
            matches!(*prefix, b"xml" | b"xmlns") || *value == XML_URI || value.iter().any(|b| is_blank(*b))
        }) {
            return None;
        }
        let fresh = &self.scopes[scopes..];
        if fresh.iter().enumerate().any(|(at, (prefix, _))| fresh[..at].iter().any(|(other, _)| other == prefix)) {
            return None;
        }
        self.flush();
        let tag = self.qualified(name, true)?;
        let dict = Dict::new(&self.cx.heap).value().raw();
        for (key, value) in &attributes {
            let key = self.qualified(key, false)?;
            let value = self.value(value)?;
            if !self.cx.dict_set_quickly(dict, key, value) {
                return None;
            }
        }
        if Value::adopt(dict).exact::<Dict>()?.len() != attributes.len() {
            return None;
        }
        let part = self.parts.len();
        self.parts.extend([Raw::int(self.open.len() as i64), tag, dict, Raw::NONE, Raw::NONE]);
        debug_assert_eq!(self.parts.len(), part + PARTS);
        self.last = Some(part + TEXT);
        let open = Open { name, part, scopes };
        if empty {
            self.close(open)
        } else {
            self.open.push(open)
        }
        Some(())
    }

    fn attribute(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let key = self.name()?;
        self.blank();
        if self.peek()? != b'=' {
            return None;
        }
        self.at += 1;
        self.blank();
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        self.at += 1;
        let value = self.until(&[quote])?;
        (!value.contains(&b'<')).then_some((key, value))
    }

    /// The value of an attribute.
    fn value(&mut self, written: &[u8]) -> Option<Raw> {
        if !written.iter().any(|byte| matches!(byte, b'\n' | b'\t' | b'&')) {
            return Some(self.cx.text_raw(written));
        }
        // Spaces that are written as references stay what they are.
        let spaced: Vec<u8> = written.iter().map(|byte| if is_blank(*byte) { b' ' } else { *byte }).collect();
        let expanded = expanded(&spaced)?;
        Some(self.cx.text_raw(&expanded))
    }

    /// A name with what its prefix stands for.
    fn qualified(&mut self, name: &[u8], element: bool) -> Option<Raw> {
        let (prefix, local) = match memchr::memchr(b':', name) {
            Some(colon) if colon + 1 < name.len() => (&name[..colon], &name[colon + 1..]),
            Some(_) => return None,
            None => (&b""[..], name),
        };
        let uri = match prefix.is_empty() && !element {
            true => None,
            false => self.scopes.iter().rev().find(|(known, _)| *known == prefix).map(|(_, uri)| *uri),
        };
        let whole = match uri {
            Some(uri) if !uri.is_empty() => Cow::Owned([b"{", uri, b"}", local].concat()),
            None if !prefix.is_empty() => return None,
            _ => Cow::Borrowed(local),
        };
        if let Some(known) = self.texts.get(&whole[..]) {
            return Some(*known);
        }
        let made = self.cx.text_raw(&whole);
        self.texts.insert(whole.into_owned(), made);
        Some(made)
    }
}

/// Text with its references replaced; None if there is another one than those that are always known, or none where one begins.
fn expanded(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(first) = memchr::memchr(b'&', text) else { return Some(Cow::Borrowed(text)) };
    let mut out = text[..first].to_vec();
    let mut left = &text[first..];
    while let [b'&', rest @ ..] = left {
        let end = memchr::memchr(b';', rest)?;
        match &rest[..end] {
            b"amp" => out.push(b'&'),
            b"lt" => out.push(b'<'),
            b"gt" => out.push(b'>'),
            b"quot" => out.push(b'"'),
            b"apos" => out.push(b'\''),
            [b'#', b'x', digits @ ..] => push_point(&mut out, digits, 16)?,
            [b'#', digits @ ..] => push_point(&mut out, digits, 10)?,
            _ => return None,
        }
        let rest = &rest[end + 1..];
        let plain = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        left = &rest[plain..];
    }
    Some(Cow::Owned(out))
}

/// Appends the character with a number.
fn push_point(out: &mut Vec<u8>, digits: &[u8], radix: u32) -> Option<()> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let mut point = 0;
    for digit in digits {
        point = point * radix + (*digit as char).to_digit(radix)?;
    }
    let allowed = char::from_u32(point).is_some() && (point >= 0x20 || matches!(point, 9 | 10 | 13));
    allowed.then(|| wtf8::push(out, point))
}
