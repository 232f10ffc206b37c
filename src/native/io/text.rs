//! The text layer: `TextIOWrapper`, encodings and line ends over a buffer.

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::{Exc, Payload, Str, Tuple};
use crate::text::codec::{self, Decoder, Encoding, Handler, Stopped};
use crate::text::wtf8;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::{
    buffer, bytes_of, closed_error, inner, is_own, memory, new_empty, new_object, set_inner, size_of, text_result,
    unsupported, with,
};

/// Bytes that are decoded at a time.
const CHUNK: usize = 8192;

/// How line ends are read and written: `newline` of `open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newline {
    /// None: all three become `\n`; `\n` is written as the system does, which is `\n`.
    Universal,
    /// `''`: all three end lines, none is changed.
    Keep,
    /// `'\n'`: only that ends lines.
    Lf,
    /// `'\r'`: what is written for `\n`.
    Cr,
    /// `'\r\n'`: what is written for `\n`.
    CrLf,
}

impl Newline {
    /// What `newline` says.
    pub(super) fn from_argument(cx: &mut Cx, newline: Option<Root>, quoted: bool) -> Result<Newline, Raised> {
        let Some(root) = newline else { return Ok(Newline::Universal) };
        if root.get(cx).is_none() {
            return Ok(Newline::Universal);
        }
        let Some(text) = cx.as_str(root.get(cx)) else {
            let got = cx.type_name_for_error(root.get(cx));
            return Err(cx.type_error(format!("open() argument 'newline' must be str or None, not {got}")));
        };
        Ok(match text.as_bytes() {
            b"" => Newline::Keep,
            b"\n" => Newline::Lf,
            b"\r" => Newline::Cr,
            b"\r\n" => Newline::CrLf,
            _ => {
                let shown = cx.repr_text(root)?;
                let shown = if quoted { shown } else { shown.trim_matches('\'').to_owned() };
                return Err(cx.value_error(format!("illegal newline value: {shown}")));
            }
        })
    }

    /// Text as it is written.
    pub(super) fn for_writing(self, text: &[u8]) -> Option<Vec<u8>> {
        let end: &[u8] = match self {
            Newline::Cr => b"\r",
            Newline::CrLf => b"\r\n",
            Newline::Universal | Newline::Keep | Newline::Lf => return None,
        };
        memchr::memchr(b'\n', text)?;
        let mut out = Vec::with_capacity(text.len() + 16);
        for (number, line) in text.split(|b| *b == b'\n').enumerate() {
            if number > 0 {
                out.extend_from_slice(end);
            }
            out.extend_from_slice(line);
        }
        Some(out)
    }

    /// Where the first line of `text` ends, if it does. `last` says that nothing follows.
    pub(super) fn line_end(self, text: &[u8], last: bool) -> Option<usize> {
        match self {
            Newline::Universal | Newline::Lf => memchr::memchr(b'\n', text).map(|at| at + 1),
            Newline::Cr => memchr::memchr(b'\r', text).map(|at| at + 1),
            Newline::CrLf => memchr::memmem::find(text, b"\r\n").map(|at| at + 2),
            Newline::Keep => match memchr::memchr2(b'\n', b'\r', text)? {
                at if text[at] == b'\n' => Some(at + 1),
                at if text.get(at + 1) == Some(&b'\n') => Some(at + 2),
                at if at + 1 == text.len() && !last => None,
                at => Some(at + 1),
            },
        }
    }
}

/// Line ends met: `\r`, `\n`, `\r\n`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    cr: bool,
    lf: bool,
    crlf: bool,
}

impl Seen {
    /// Makes all line ends `\n`, and notes which there were.
    pub(super) fn translate(&mut self, text: Vec<u8>) -> Vec<u8> {
        if memchr::memchr(b'\r', &text).is_none() {
            self.lf |= !self.lf && memchr::memchr(b'\n', &text).is_some();
            return text;
        }
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                b'\r' if text.get(at + 1) == Some(&b'\n') => {
                    self.crlf = true;
                    out.push(b'\n');
                    at += 1;
                }
                b'\r' => {
                    self.cr = true;
                    out.push(b'\n');
                }
                byte => {
                    self.lf |= byte == b'\n';
                    out.push(byte);
                }
            }
            at += 1;
        }
        out
    }

    /// Notes which line ends there are in a text, and gives it back as it is.
    pub(super) fn note(&mut self, text: Vec<u8>) -> Vec<u8> {
        for at in memchr::memchr2_iter(b'\n', b'\r', &text) {
            match (text[at], at.checked_sub(1).map(|before| text[before]), text.get(at + 1)) {
                (b'\r', _, Some(b'\n')) => self.crlf = true,
                (b'\r', ..) => self.cr = true,
                (_, Some(b'\r'), _) => {}
                _ => self.lf = true,
            }
        }
        text
    }

    /// The value of `newlines`.
    pub(super) fn value(self, cx: &mut Cx) -> Raw {
        let mut ends = vec![];
        for (seen, end) in [(self.cr, "\r"), (self.lf, "\n"), (self.crlf, "\r\n")] {
            if seen {
                ends.push(end);
            }
        }
        match ends[..] {
            [] => Raw::NONE,
            [one] => cx.str(one).value().raw(),
            _ => {
                let values: Vec<_> = ends.iter().map(|e| cx.str(e).value()).collect();
                cx.tuple(&values).value().raw()
            }
        }
    }
}

/// A text layer. The buffer is in the slot.
#[derive(Debug)]
pub(super) struct Text {
    encoding: Encoding,
    encoding_name: String,
    handler: Handler,
    handler_name: String,
    newline: Newline,
    line_buffering: bool,
    write_through: bool,
    mode: Option<String>,
    decoder: Decoder,
    /// Decoded and not yet taken, from `at` on.
    decoded: Vec<u8>,
    at: usize,
    /// The bytes that `decoded` (and what the decoder holds back) was made of.
    chunk: Vec<u8>,
    /// A `\r` at the end of what was decoded, which a `\n` may follow.
    held_cr: bool,
    seen: Seen,
    ended: bool,
    detached: bool,
    /// Iteration makes positions untellable.
    iterating: bool,
    /// Whether a byte order mark was written, for encodings that begin with one.
    begun: bool,
}
impl Payload for Text {}

fn name_of(cx: &mut Cx, given: Option<Root>, default: &str, what: &str) -> Result<String, Raised> {
    let Some(root) = given else { return Ok(default.to_owned()) };
    match cx.as_str(root.get(cx)) {
        Some(text) => Ok(text.to_str_lossy().into_owned()),
        None => {
            let got = cx.type_name_for_error(root.get(cx));
            Err(cx.type_error(format!("open() argument '{what}' must be str or None, not {got}")))
        }
    }
}

fn payload(
    cx: &mut Cx,
    encoding: Option<Root>,
    errors: Option<Root>,
    newline: Option<Root>,
    line_buffering: bool,
    write_through: bool,
) -> Result<Text, Raised> {
    let mut encoding_name = name_of(cx, encoding, "UTF-8", "encoding")?;
    if encoding_name == "locale" {
        encoding_name = "UTF-8".into();
    }
    let handler_name = name_of(cx, errors, "strict", "errors")?;
    let newline = Newline::from_argument(cx, newline, false)?;
    let encoding = crate::native::types::text_codec::find_encoding(cx, encoding_name.as_bytes())?;
    // One that isn't built in is looked for where it is needed.
    let handler = Handler::lookup(&handler_name).unwrap_or(Handler::Strict);
    Ok(Text {
        encoding,
        encoding_name,
        handler,
        handler_name,
        newline,
        line_buffering,
        write_through,
        mode: None,
        decoder: Decoder::new(encoding),
        decoded: vec![],
        at: 0,
        chunk: vec![],
        held_cr: false,
        seen: Seen::default(),
        ended: false,
        detached: false,
        iterating: false,
        begun: false,
    })
}

/// A text layer over a buffer.
pub(super) fn wrap(
    cx: &mut Cx,
    buffer: Root,
    encoding: Option<Root>,
    errors: Option<Root>,
    newline: Option<Root>,
    line_buffering: bool,
    write_through: bool,
) -> Result<Root, Raised> {
    let payload = payload(cx, encoding, errors, newline, line_buffering, write_through)?;
    let buffer = buffer.get(cx).raw();
    Ok(new_object(cx, "TextIOWrapper", Box::new(payload), buffer))
}

/// Sets the mode that `open` was given.
pub(super) fn set_mode(cx: &mut Cx, text: Root, mode: &str) {
    if let Err(raised) = with::<Text, _>(cx, text, |_, t| t.mode = Some(mode.to_owned())) {
        cx.take_raised(raised);
    }
}

// ---- the buffer below ----

fn check_open(cx: &mut Cx, this: Root) -> Result<Root, Raised> {
    if with::<Text, _>(cx, this, |_, t| t.detached)? {
        return Err(cx.value_error("underlying buffer has been detached"));
    }
    let buffer = inner(cx, this);
    if closed_below(cx, buffer)? { Err(closed_error(cx)) } else { Ok(buffer) }
}

fn closed_below(cx: &mut Cx, buffer: Root) -> Result<bool, Raised> {
    if buffer::is_buffer(cx, buffer) {
        return buffer::is_closed(cx, buffer);
    }
    let closed = cx.attribute(buffer, "closed")?;
    cx.truth(closed)
}

fn write_below(cx: &mut Cx, buffer: Root, bytes: &[u8]) -> Result<(), Raised> {
    if buffer::is_buffer(cx, buffer) {
        return buffer::write(cx, buffer, bytes);
    }
    let bytes = crate::object::Bytes::new(&cx.heap, bytes).value().raw();
    let bytes = cx.push_raw(bytes);
    cx.call_method(buffer, "write", &[bytes]).map(|_| ())
}

fn flush_below(cx: &mut Cx, buffer: Root) -> Result<(), Raised> {
    if buffer::is_buffer(cx, buffer) {
        return buffer::flush(cx, buffer);
    }
    cx.call_method(buffer, "flush", &[]).map(|_| ())
}

fn read_below(cx: &mut Cx, buffer: Root, count: Option<usize>) -> Result<Vec<u8>, Raised> {
    if buffer::is_buffer(cx, buffer) {
        return match count {
            Some(count) => buffer::read1(cx, buffer, count),
            None => buffer::read(cx, buffer, None),
        };
    }
    let mark = cx.mark();
    let bytes = match count {
        Some(count) => {
            let size = cx.push_raw(Raw::int(count as i64));
            let name = if cx.find_attribute(buffer, "read1")?.is_some() { "read1" } else { "read" };
            cx.call_method(buffer, name, &[size])?
        }
        None => cx.call_method(buffer, "read", &[])?,
    };
    if bytes.get(cx).is_none() {
        return Ok(vec![]);
    }
    let bytes = bytes_of(cx, bytes)?;
    cx.release(mark);
    Ok(bytes)
}

// ---- reading ----

fn check_readable(cx: &mut Cx, buffer: Root) -> Result<(), Raised> {
    let readable = cx.call_method(buffer, "readable", &[])?;
    if cx.truth(readable)? { Ok(()) } else { Err(unsupported(cx, "not readable")) }
}

fn raise_stopped(cx: &mut Cx, class: Exc, object: Root, why: Stopped) -> Raised {
    match why {
        Stopped::Error(e) => cx.unicode_error(class, object, e.encoding, e.start, e.end, e.reason),
        Stopped::WrongHandler => cx.type_error(format!("don't know how to handle {} in error callback", class.name())),
    }
}

/// Decodes the next bytes, all that are left if no count is given; false at the end.
fn decode_more(cx: &mut Cx, this: Root, buffer: Root, count: Option<usize>) -> Result<bool, Raised> {
    with::<Text, _>(cx, this, |_, t| t.forget_taken())?;
    let bytes = read_below(cx, buffer, count)?;
    let last = bytes.is_empty() || count.is_none();
    let kept = with::<Text, _>(cx, this, |_, t| t.decoded.len())?;
    if kept + bytes.len() > 1 << 20 {
        // What was read, its text, and what is handed out of that, some of it while it grows.
        cx.check_room(kept.saturating_add(bytes.len()).saturating_mul(5))?;
    }
    let result = with::<Text, _>(cx, this, |_, t| {
        t.chunk.extend_from_slice(&bytes);
        t.decoder.feed(&bytes, last, t.handler)
    })?;
    let text = match result {
        Ok(text) => text,
        Err((why, input)) => {
            let object = crate::object::Bytes::new(&cx.heap, &input).value().raw();
            let object = cx.push_raw(object);
            let own = with::<Text, _>(cx, this, |_, t| t.own_handler())?;
            let Some((handler, encoding)) = own else {
                return Err(raise_stopped(cx, Exc::UnicodeDecodeError, object, why));
            };
            let last = cx.push(Value::bool(last));
            let answer = crate::native::types::text_codec::ask_codecs(
                cx,
                "_decode_some",
                object,
                [encoding.name(), &handler],
                &[last],
            )?;
            let answer = answer.get(cx).exact::<Tuple>().map(Gc::held).expect("text and a length");
            let used = answer.item(1).as_int().unwrap_or(0) as usize;
            let text = cx.as_str(answer.item(0)).map(|text| text.as_bytes().to_vec()).unwrap_or_default();
            with::<Text, _>(cx, this, |_, t| t.decoder.keep(input.get(used..).unwrap_or_default()))?;
            text
        }
    };
    let ended = bytes.is_empty();
    let more = with::<Text, _>(cx, this, |_, t| t.take_text(text, last, ended))?;
    Ok(more || !ended)
}

impl Text {
    /// The name of an error handler that isn't built in, and the encoding.
    fn own_handler(&self) -> Option<(String, Encoding)> {
        Handler::lookup(&self.handler_name).is_none().then(|| (self.handler_name.clone(), self.encoding))
    }

    /// Takes text that was decoded, its line ends as is asked; whether there was any.
    fn take_text(&mut self, mut text: Vec<u8>, last: bool, ended: bool) -> bool {
        if self.held_cr {
            text.insert(0, b'\r');
            self.held_cr = false;
        }
        if matches!(self.newline, Newline::Universal | Newline::Keep) {
            if !last && text.last() == Some(&b'\r') {
                text.pop();
                self.held_cr = true;
            }
            text = if self.newline == Newline::Keep { self.seen.note(text) } else { self.seen.translate(text) };
        }
        self.decoded.extend_from_slice(&text);
        self.ended = ended;
        !text.is_empty()
    }

    fn left(&self) -> &[u8] {
        &self.decoded[self.at..]
    }

    /// Drops what was taken, here and from the bytes it was made of.
    fn forget_taken(&mut self) {
        if self.at == 0 {
            return;
        }
        let bytes = if self.at == self.decoded.len() && self.decoder.pending().is_empty() && !self.held_cr {
            self.chunk.len()
        } else {
            self.bytes_of_taken()
        };
        self.chunk.drain(..bytes.min(self.chunk.len()));
        self.decoded.drain(..self.at);
        self.at = 0;
    }

    /// How many bytes of the chunk the text taken was made of.
    fn bytes_of_taken(&self) -> usize {
        if self.decoded.len() == self.chunk.len() {
            return self.at;
        }
        let mut bytes = 0;
        let mut text = 0;
        while text < self.at {
            let width = wtf8::width(self.decoded[text]);
            let character = &self.decoded[text..(text + width).min(self.decoded.len())];
            let rest = &self.chunk[bytes.min(self.chunk.len())..];
            bytes += if self.newline == Newline::Universal && character == b"\n" && rest.starts_with(b"\r") {
                if rest.starts_with(b"\r\n") { 2 } else { 1 }
            } else {
                match self.encoding {
                    Encoding::Utf8 | Encoding::Utf8Sig => {
                        let mark = if bytes == 0 && rest.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
                        mark + if rest[mark.min(rest.len())..].starts_with(character) { width } else { 1 }
                    }
                    Encoding::Utf16(_) => {
                        if width == 4 {
                            4
                        } else {
                            2
                        }
                    }
                    Encoding::Utf32(_) => 4,
                    Encoding::Latin1
                    | Encoding::Ascii
                    | Encoding::Charmap(_)
                    | Encoding::UnicodeEscape
                    | Encoding::RawUnicodeEscape
                    | Encoding::Utf7 => 1,
                }
            };
            text += width;
        }
        bytes
    }

    /// Forgets everything read ahead.
    fn reset(&mut self) {
        self.decoded.clear();
        self.at = 0;
        self.chunk.clear();
        self.held_cr = false;
        self.ended = false;
        self.decoder.reset(self.encoding);
    }
}

fn start_reading(cx: &mut Cx, this: Root) -> Result<Root, Raised> {
    let buffer = check_open(cx, this)?;
    if !buffer::is_buffer(cx, buffer) && !memory::is_bytes_io(cx, buffer)
        || with::<Text, _>(cx, this, |_, t| t.chunk.is_empty())?
    {
        check_readable(cx, buffer)?;
    }
    Ok(buffer)
}

/// The next line of a file that is open, if it is decoded already. Iterating makes positions untellable.
fn next_decoded(cx: &mut Cx, this: Raw, iterates: bool) -> Raw {
    let Some(object) = memory::own_object(cx, this) else { return Raw::UNBOUND };
    let below = object.tail()[0].get().raw();
    if !buffer::is_open_file(cx, below) && !memory::is_open(cx, below) {
        return Raw::UNBOUND;
    }
    let line = object.with::<Text, _>(|t| {
        if t.detached || t.chunk.is_empty() {
            return None;
        }
        let left = t.left();
        let length = t.newline.line_end(left, t.ended).filter(|length| *length <= crate::object::Str::LIMIT)?;
        let line = cx.text_raw(&left[..length]);
        t.at += length;
        t.ended = false;
        t.iterating |= iterates;
        Some(line)
    });
    line.flatten().unwrap_or(Raw::UNBOUND)
}

fn quick_line(cx: &mut Cx, this: Raw) -> Raw {
    next_decoded(cx, this, false)
}

fn quick_next(cx: &mut Cx, this: Raw) -> Raw {
    next_decoded(cx, this, true)
}

/// Writes a text that is UTF-8 as it is, where nothing below has to be asked: its length.
fn quick_write(cx: &mut Cx, this: Raw, text: Raw) -> Raw {
    let value: Value<'static> = Value::adopt(text);
    let (Some(object), Some(given)) = (memory::own_object(cx, this), value.exact::<Str>()) else { return Raw::UNBOUND };
    if !given.is_ascii() && given.as_str().is_none() {
        return Raw::UNBOUND;
    }
    let bytes = given.as_bytes();
    let plain = object.with::<Text, _>(|t| {
        let ends = || memchr::memchr2(b'\n', b'\r', bytes).is_some();
        t.begun
            && !t.detached
            && t.encoding == Encoding::Utf8
            && t.chunk.is_empty()
            && !t.write_through
            && t.newline.for_writing(bytes).is_none()
            && !(t.line_buffering && ends())
    });
    let buffer = object.tail()[0].get().raw();
    let written = plain == Some(true) && buffer::write_quickly(cx, buffer, bytes);
    if written { Raw::int(given.chars() as i64) } else { Raw::UNBOUND }
}

/// A line with its end; empty at the end of the file.
pub(super) fn read_line(cx: &mut Cx, this: Root, limit: Option<usize>) -> Result<Vec<u8>, Raised> {
    let mark = cx.mark();
    let buffer = start_reading(cx, this)?;
    let mut searched = 0;
    let line = loop {
        let found = with::<Text, _>(cx, this, |_, t| {
            let left = t.left();
            // A line end may have begun at the end of what was searched.
            let from = searched.min(left.len()).saturating_sub(1);
            let mut end = t.newline.line_end(&left[from..], t.ended).map(|e| e + from);
            if let Some(limit) = limit {
                let most = wtf8::offset(left, limit).filter(|at| *at < left.len() || wtf8::count(left) == limit);
                match (end, most) {
                    (Some(e), Some(m)) => end = Some(e.min(m)),
                    (None, Some(m)) => end = Some(m),
                    _ => {}
                }
            }
            if end.is_none() && t.ended {
                end = Some(left.len());
            }
            searched = left.len();
            let line = end.map(|end| left[..end].to_vec());
            t.at += end.unwrap_or(0);
            line
        })?;
        if let Some(line) = found {
            break line;
        }
        if !decode_more(cx, this, buffer, Some(CHUNK))? {
            let rest = with::<Text, _>(cx, this, |_, t| {
                let rest = t.left().to_vec();
                t.at = t.decoded.len();
                rest
            })?;
            let end = with::<Text, _>(cx, this, |_, t| t.newline)?.line_end(&rest, true);
            if let Some(end) = end
                && end < rest.len()
            {
                with::<Text, _>(cx, this, |_, t| t.at -= rest.len() - end)?;
                break rest[..end].to_vec();
            }
            break rest;
        }
    };
    // At the end somebody may append; then reading goes on.
    with::<Text, _>(cx, this, |_, t| t.ended = false)?;
    cx.release(mark);
    Ok(line)
}

fn read(cx: &mut Cx, this: Root, count: Option<usize>) -> Result<Vec<u8>, Raised> {
    let buffer = start_reading(cx, this)?;
    match count {
        None => {
            decode_more(cx, this, buffer, None)?;
        }
        Some(count) => {
            while with::<Text, _>(cx, this, |_, t| wtf8::count(t.left()) < count)? {
                let missing = count.clamp(1, CHUNK).max(CHUNK.min(count.saturating_mul(4)));
                if !decode_more(cx, this, buffer, Some(missing.max(CHUNK)))? {
                    break;
                }
            }
        }
    }
    with::<Text, _>(cx, this, |_, t| {
        let left = t.left();
        let end = count.and_then(|c| wtf8::offset(left, c)).unwrap_or(left.len());
        let text = left[..end].to_vec();
        t.at += end;
        t.ended = false;
        text
    })
}

// ---- writing ----

/// Writes WTF-8; `object` is the text it is of, for errors.
fn write(cx: &mut Cx, this: Root, object: Root, text: &[u8]) -> Result<(), Raised> {
    let buffer = check_open(cx, this)?;
    if buffer::is_buffer(cx, buffer) {
        if !buffer::writes(cx, buffer)? {
            return Err(unsupported(cx, "not writable"));
        }
    } else if !is_own(cx, buffer) {
        let writable = cx.call_method(buffer, "writable", &[])?;
        if !cx.truth(writable)? {
            return Err(unsupported(cx, "not writable"));
        }
    }
    let (newline, encoding, handler, begun) = with::<Text, _>(cx, this, |_, t| {
        let begun = t.begun;
        t.begun = true;
        (t.newline, t.encoding, t.handler, begun)
    })?;
    let translated = newline.for_writing(text);
    let text = translated.as_deref().unwrap_or(text);
    let plain = encoding == Encoding::Utf8 && std::str::from_utf8(text).is_ok();
    if plain {
        write_below(cx, buffer, text)?;
    } else {
        let encoding = if begun || after_start(cx, buffer)? { without_mark(encoding) } else { encoding };
        match codec::encode(text, encoding, handler) {
            Ok(bytes) => write_below(cx, buffer, &bytes)?,
            Err(why) => {
                let own = with::<Text, _>(cx, this, |_, t| t.own_handler())?;
                let Some((handler, _)) = own else {
                    return Err(raise_stopped(cx, Exc::UnicodeEncodeError, object, why));
                };
                let whole = cx.text_raw(text);
                let whole = cx.push_raw(whole);
                let names = [encoding.name(), &*handler];
                let made = crate::native::types::text_codec::ask_codecs(cx, "_encode_with", whole, names, &[])?;
                let bytes = cx.bytes_like(made.get(cx)).unwrap_or_default();
                write_below(cx, buffer, &bytes)?;
            }
        }
    }
    let (line_buffering, write_through, reading) =
        with::<Text, _>(cx, this, |_, t| (t.line_buffering, t.write_through, !t.chunk.is_empty()))?;
    if reading {
        with::<Text, _>(cx, this, |_, t| t.reset())?;
    }
    if write_through || line_buffering && memchr::memchr2(b'\n', b'\r', text).is_some() {
        flush_below(cx, buffer)?;
    }
    Ok(())
}

/// Whether a file is written to that has something in it already: then a byte order mark is there.
fn after_start(cx: &mut Cx, buffer: Root) -> Result<bool, Raised> {
    let mark = cx.mark();
    let seekable = cx.call_method(buffer, "seekable", &[])?;
    if !cx.truth(seekable)? {
        return Ok(false);
    }
    let at = cx.call_method(buffer, "tell", &[])?;
    let after = cx.index_as_i64(at)? > 0;
    cx.release(mark);
    Ok(after)
}

fn without_mark(encoding: Encoding) -> Encoding {
    match encoding {
        Encoding::Utf8Sig => Encoding::Utf8,
        Encoding::Utf16(None) => Encoding::Utf16(Some(codec::Order::Little)),
        Encoding::Utf32(None) => Encoding::Utf32(Some(codec::Order::Little)),
        other => other,
    }
}

natives!(
    /// A stream of text over a stream of bytes.
    pub(super) static TEXT_IO_WRAPPER: Methods;

    /// Make an object that has no buffer yet.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        new_empty(cx, class)
    }

    /// Read and write text over a stream of bytes.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] buffer: Root,
        #[either] encoding: Option<Root>,
        #[either] errors: Option<Root>,
        #[either] newline: Option<Root>,
        #[either]
        #[default(false)]
        #[text("False")]
        line_buffering: bool,
        #[either]
        #[default(false)]
        #[text("False")]
        write_through: bool,
    ) -> NativeResult {
        let payload = payload(cx, encoding, errors, newline, line_buffering, write_through)?;
        if let Some(object) = super::object(cx, this) {
            *object.get().payload.borrow_mut() = Box::new(payload);
        }
        set_inner(cx, this, buffer);
        if !buffer::is_buffer(cx, buffer) {
            // What it can do is asked at once.
            for question in ["readable", "writable", "seekable"] {
                cx.call_method(buffer, question, &[])?;
            }
        }
        Ok(Outcome::NONE)
    }

    /// Read so many characters, or all that are left.
    fn read(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let text = self::read(cx, this, size)?;
        text_result(cx, &text)
    }

    /// Read a line, with its end.
    #[quick(One(quick_line))]
    fn readline(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let line = read_line(cx, this, size)?;
        text_result(cx, &line)
    }

    /// Return the next line.
    #[quick(One(quick_next))]
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        with::<Text, _>(cx, this, |_, t| t.iterating = true)?;
        if !is_own(cx, this) {
            return super::base::next_line(cx, this);
        }
        let line = read_line(cx, this, None)?;
        if line.is_empty() {
            with::<Text, _>(cx, this, |_, t| t.iterating = false)?;
            return Err(cx.raise_new(Exc::StopIteration, &[]));
        }
        text_result(cx, &line)
    }

    /// Write a text, and return its length.
    #[quick(Two(quick_write))]
    fn write(cx: &mut Cx, this: Root, text: Root) -> NativeResult {
        let Some(given) = cx.as_str(text.get(cx)).map(|s| s.held()) else {
            let got = cx.type_name_for_error(text.get(cx));
            return Err(cx.type_error(format!("write() argument must be str, not {got}")));
        };
        let bytes = given.as_bytes().to_vec();
        let chars = given.chars();
        self::write(cx, this, text, &bytes)?;
        Ok((chars as i64).into())
    }

    /// Write what is not written yet.
    fn flush(cx: &mut Cx, this: Root) -> NativeResult {
        let buffer = check_open(cx, this)?;
        flush_below(cx, buffer)?;
        Ok(Outcome::NONE)
    }

    /// Flush and close the file.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        if with::<Text, _>(cx, this, |_, t| t.detached)? {
            return Ok(Outcome::NONE);
        }
        let buffer = inner(cx, this);
        if closed_below(cx, buffer)? {
            return Ok(Outcome::NONE);
        }
        if buffer::is_buffer(cx, buffer) && is_own(cx, this) {
            buffer::close(cx, buffer)?;
        } else {
            let flushed = cx.call_method(this, "flush", &[]);
            let kept = match flushed {
                Ok(_) => None,
                Err(raised) => {
                    let raw = cx.take_raised(raised);
                    Some(cx.push_raw(raw))
                }
            };
            cx.call_method(buffer, "close", &[])?;
            if let Some(exception) = kept {
                return Err(cx.raise(exception));
            }
        }
        Ok(Outcome::NONE)
    }

    /// Take the buffer off.
    fn detach(cx: &mut Cx, this: Root) -> NativeResult {
        let buffer = check_open(cx, this)?;
        flush_below(cx, buffer)?;
        super::buffer::note_change(cx, buffer);
        with::<Text, _>(cx, this, |_, t| t.detached = true)?;
        Ok(buffer.get(cx).into())
    }

    /// Change encoding, line ends or buffering.
    fn reconfigure(
        cx: &mut Cx,
        this: Root,
        #[key] encoding: Option<Root>,
        #[key] errors: Option<Root>,
        #[key] newline: crate::vm::native::Given<Root>,
        #[key] line_buffering: Option<bool>,
        #[key] write_through: Option<bool>,
    ) -> NativeResult {
        let buffer = check_open(cx, this)?;
        if (encoding.is_some() || errors.is_some() || newline.0.is_some())
            && with::<Text, _>(cx, this, |_, t| !t.chunk.is_empty() || !t.decoded.is_empty() || t.ended)?
        {
            let text = "It is not possible to set the encoding or newline of stream after the first read";
            return Err(unsupported(cx, text));
        }
        flush_below(cx, buffer)?;
        super::buffer::note_change(cx, buffer);
        let new = payload(cx, encoding, errors, newline.0, false, false)?;
        with::<Text, _>(cx, this, |_, t| {
            if encoding.is_some() {
                t.encoding = new.encoding;
                t.encoding_name = new.encoding_name;
                t.decoder = new.decoder;
                t.handler = Handler::Strict;
                t.handler_name = "strict".into();
            }
            if errors.is_some() {
                t.handler = new.handler;
                t.handler_name = new.handler_name;
            }
            if newline.0.is_some() {
                t.newline = new.newline;
            }
            t.line_buffering = line_buffering.unwrap_or(t.line_buffering);
            t.write_through = write_through.unwrap_or(t.write_through);
        })?;
        Ok(Outcome::NONE)
    }

    /// Return a number for the position, to be given to seek().
    fn tell(cx: &mut Cx, this: Root) -> NativeResult {
        let buffer = check_open(cx, this)?;
        let seekable = cx.call_method(buffer, "seekable", &[])?;
        if !cx.truth(seekable)? {
            return Err(unsupported(cx, "underlying stream is not seekable"));
        }
        if with::<Text, _>(cx, this, |_, t| t.iterating)? {
            return Err(os_error_without_number(cx, "telling position disabled by next() call"));
        }
        let at = cx.call_method(buffer, "tell", &[])?;
        let at = cx.index_as_i64(at)?;
        let ahead = with::<Text, _>(cx, this, |_, t| t.chunk.len() - t.bytes_of_taken().min(t.chunk.len()))?;
        Ok((at - ahead as i64).into())
    }

    /// Move to a position that tell() gave, to the start or to the end.
    fn seek(cx: &mut Cx, this: Root, cookie: i64, #[default(0)] whence: i64) -> NativeResult {
        let buffer = check_open(cx, this)?;
        let seekable = cx.call_method(buffer, "seekable", &[])?;
        if !cx.truth(seekable)? {
            return Err(unsupported(cx, "underlying stream is not seekable"));
        }
        let (mut cookie, mut whence) = (cookie, whence);
        match whence {
            0 if cookie < 0 => return Err(cx.value_error(format!("negative seek position {cookie}"))),
            0 => {}
            1 if cookie != 0 => return Err(unsupported(cx, "can't do nonzero cur-relative seeks")),
            1 => {
                let at = cx.call_method(this, "tell", &[])?;
                cookie = cx.index_as_i64(at)?;
                whence = 0;
            }
            2 if cookie != 0 => return Err(unsupported(cx, "can't do nonzero end-relative seeks")),
            2 => {}
            _ => return Err(cx.value_error(format!("invalid whence ({whence}, should be 0, 1 or 2)"))),
        }
        flush_below(cx, buffer)?;
        let (to, how) = (cx.push_raw(Raw::int(cookie)), cx.push_raw(Raw::int(whence)));
        let at = cx.call_method(buffer, "seek", &[to, how])?;
        with::<Text, _>(cx, this, |_, t| {
            t.reset();
            t.iterating = false;
            t.begun = cookie != 0 || whence == 2;
        })?;
        Ok(at.get(cx).into())
    }

    /// Set the size of the file, by default to the position.
    fn truncate(cx: &mut Cx, this: Root, pos: Option<Root>) -> NativeResult {
        let buffer = check_open(cx, this)?;
        flush_below(cx, buffer)?;
        let size = match pos {
            Some(pos) => cx.call_method(buffer, "truncate", &[pos])?,
            None => cx.call_method(buffer, "truncate", &[])?,
        };
        Ok(size.get(cx).into())
    }

    /// Whether it can be read from.
    fn readable(cx: &mut Cx, this: Root) -> NativeResult {
        below(cx, this, "readable")
    }

    /// Whether it can be written to.
    fn writable(cx: &mut Cx, this: Root) -> NativeResult {
        below(cx, this, "writable")
    }

    /// Whether it has positions.
    fn seekable(cx: &mut Cx, this: Root) -> NativeResult {
        below(cx, this, "seekable")
    }

    /// The descriptor.
    fn fileno(cx: &mut Cx, this: Root) -> NativeResult {
        below(cx, this, "fileno")
    }

    /// Whether it is a terminal.
    fn isatty(cx: &mut Cx, this: Root) -> NativeResult {
        below(cx, this, "isatty")
    }

    /// Whether it is closed.
    #[getter]
    fn closed(cx: &mut Cx, this: Root) -> NativeResult {
        let buffer = inner(cx, this);
        Ok(closed_below(cx, buffer)?.into())
    }

    /// The stream of bytes.
    #[getter]
    fn buffer(cx: &mut Cx, this: Root) -> NativeResult {
        let buffer = inner(cx, this);
        Ok(buffer.get(cx).into())
    }

    /// The name of the file.
    #[getter]
    fn name(cx: &mut Cx, this: Root) -> NativeResult {
        let buffer = inner(cx, this);
        let name = cx.attribute(buffer, "name")?;
        Ok(name.get(cx).into())
    }

    /// The mode it was opened with.
    #[getter]
    fn mode(cx: &mut Cx, this: Root) -> NativeResult {
        match with::<Text, _>(cx, this, |_, t| t.mode.clone())? {
            Some(mode) => Ok(cx.str(&mode).into()),
            None => {
                let name = cx.str("mode").value().raw();
                let name = cx.push_raw(name);
                Err(cx.attribute_error("'_io.TextIOWrapper' object has no attribute 'mode'", this, name))
            }
        }
    }

    /// Say what mode it was opened with.
    #[setter]
    #[name("mode")]
    fn set_own_mode(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let mode = cx.str_text(value)?;
        set_mode(cx, this, &mode);
        Ok(Outcome::NONE)
    }

    /// The encoding.
    #[getter]
    fn encoding(cx: &mut Cx, this: Root) -> NativeResult {
        let name = with::<Text, _>(cx, this, |_, t| t.encoding_name.clone())?;
        Ok(cx.str(&name).into())
    }

    /// What happens to what cannot be encoded or decoded.
    #[getter]
    fn errors(cx: &mut Cx, this: Root) -> NativeResult {
        let name = with::<Text, _>(cx, this, |_, t| t.handler_name.clone())?;
        Ok(cx.str(&name).into())
    }

    /// The line ends met so far.
    #[getter]
    fn newlines(cx: &mut Cx, this: Root) -> NativeResult {
        let seen = with::<Text, _>(cx, this, |_, t| t.seen)?;
        Ok(Outcome::Value(seen.value(cx)))
    }

    /// Whether a line end is handed on at once.
    #[getter]
    fn line_buffering(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with::<Text, _>(cx, this, |_, t| t.line_buffering)?.into())
    }

    /// Whether everything is handed on at once.
    #[getter]
    fn write_through(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with::<Text, _>(cx, this, |_, t| t.write_through)?.into())
    }

    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (encoding, mode) = with::<Text, _>(cx, this, |_, t| (t.encoding_name.clone(), t.mode.clone()))?;
        let mut text = String::from("<_io.TextIOWrapper");
        let buffer = inner(cx, this);
        if let Some(name) = cx.find_attribute(buffer, "name")? {
            let name = cx.repr_text(name)?;
            text.push_str(&format!(" name={name}"));
        }
        if let Some(mode) = mode {
            text.push_str(&format!(" mode='{mode}'"));
        }
        text.push_str(&format!(" encoding='{encoding}'>"));
        Ok(cx.str(&text).into())
    }
);

/// An OSError that is only text.
fn os_error_without_number(cx: &mut Cx, text: &str) -> Raised {
    cx.raise_text(Exc::OSError, text)
}

/// Asks the buffer.
fn below(cx: &mut Cx, this: Root, method: &str) -> NativeResult {
    if with::<Text, _>(cx, this, |_, t| t.detached)? {
        return Err(cx.value_error("underlying buffer has been detached"));
    }
    let buffer = inner(cx, this);
    let answer = cx.call_method(buffer, method, &[])?;
    Ok(answer.get(cx).into())
}
