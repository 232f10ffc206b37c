//! Streams in memory: `StringIO` and `BytesIO`.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{ByteArray, Bytes, ClassFlags, Dict, Exc, NativeObject, Payload, Str, Tuple};
use crate::text::wtf8;
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::text::{Newline, Seen};
use super::{
    bytes_of, bytes_result, copy_into, has, inner, is_own, new_empty, room_of, set_inner, signed_size_of, size_of,
    text_result, with,
};

/// Text in memory. Positions of scripts count characters, here they are offsets.
#[derive(Debug)]
struct StringIo {
    text: Vec<u8>,
    at: usize,
    /// Characters that the position is past the end.
    beyond: usize,
    newline: Newline,
    seen: Seen,
    closed: bool,
}
impl Payload for StringIo {}

/// Bytes in memory.
#[derive(Debug)]
struct BytesIo {
    bytes: Vec<u8>,
    at: usize,
    closed: bool,
}
impl Payload for BytesIo {}

/// Whether a value is a BytesIO of no derived class.
pub(super) fn is_bytes_io(cx: &Cx, value: Root) -> bool {
    is_own(cx, value) && has::<BytesIo>(cx, value)
}

/// Whether a value is an open BytesIO of no derived class.
pub(super) fn is_open(cx: &Cx, raw: Raw) -> bool {
    own_object(cx, raw).is_some_and(|object| object.with::<BytesIo, _>(|bytes| !bytes.closed) == Some(true))
}

fn set_payload(cx: &Cx, this: Root, payload: Box<dyn Payload>) {
    if let Some(object) = super::object(cx, this) {
        *object.get().payload.borrow_mut() = payload;
    }
}

/// Makes room for `more` bytes in what a stream holds.
fn grow<S: Payload>(cx: &mut Cx, this: Root, more: usize, bytes: fn(&mut S) -> &mut Vec<u8>) -> Result<(), Raised> {
    let mut held = with::<S, _>(cx, this, |_, s| std::mem::take(bytes(s)))?;
    let grown = cx.grow(&mut held, more);
    with::<S, _>(cx, this, |_, s| *bytes(s) = held)?;
    grown
}

// ---- text ----

/// Works with an open StringIO.
fn text<R>(cx: &mut Cx, this: Root, work: impl FnOnce(&mut StringIo) -> R) -> Result<R, Raised> {
    if with::<StringIo, _>(cx, this, |_, s| s.closed)? {
        return Err(cx.value_error("I/O operation on closed file"));
    }
    with::<StringIo, _>(cx, this, |_, s| work(s))
}

impl StringIo {
    fn write(&mut self, given: &[u8]) {
        let universal;
        let translated;
        let mut new = given;
        if self.newline == Newline::Universal {
            universal = self.seen.translate(new.to_vec());
            new = &universal;
        } else if self.newline == Newline::Keep {
            universal = self.seen.note(new.to_vec());
            new = &universal;
        }
        if let Some(other) = self.newline.for_writing(new) {
            translated = other;
            new = &translated;
        }
        if new.is_empty() {
            return;
        }
        if self.beyond > 0 {
            self.text.resize(self.text.len() + self.beyond, 0);
            self.at = self.text.len();
            self.beyond = 0;
        }
        if self.at == self.text.len() {
            self.text.extend_from_slice(new);
        } else {
            // As many characters are replaced as are written.
            let replaced = wtf8::offset(&self.text[self.at..], wtf8::count(new));
            let end = replaced.map_or(self.text.len(), |n| self.at + n);
            self.text.splice(self.at..end, new.iter().copied());
        }
        self.at += new.len();
    }

    fn take(&mut self, count: Option<usize>) -> Vec<u8> {
        if self.beyond > 0 {
            return vec![];
        }
        let left = &self.text[self.at..];
        let n = count.and_then(|c| wtf8::offset(left, c)).unwrap_or(left.len());
        let out = left[..n].to_vec();
        self.at += n;
        out
    }

    fn line(&mut self, limit: Option<usize>) -> Vec<u8> {
        if self.beyond > 0 {
            return vec![];
        }
        let left = &self.text[self.at..];
        let mut n = self.newline.line_end(left, true).unwrap_or(left.len());
        if let Some(most) = limit.and_then(|c| wtf8::offset(left, c)) {
            n = n.min(most);
        }
        let out = left[..n].to_vec();
        self.at += n;
        out
    }

    fn position(&self) -> usize {
        wtf8::count(&self.text[..self.at]) + self.beyond
    }

    fn move_to(&mut self, position: usize) {
        match wtf8::offset(&self.text, position) {
            Some(at) => (self.at, self.beyond) = (at, 0),
            None => {
                self.at = self.text.len();
                self.beyond = position - wtf8::count(&self.text);
            }
        }
    }
}

/// An object of a class of this module itself.
pub(super) fn own_object(cx: &Cx, raw: Raw) -> Option<Gc<'static, NativeObject>> {
    let object = Value::<'static>::adopt(raw).cell_of_kind::<NativeObject>()?;
    (!cx.class_of(object.value()).has(ClassFlags::HEAP)).then_some(object)
}

/// The most bytes in memory that grow without asking whether there is room.
const UNCHECKED: usize = 1 << 20;

/// Writes bytes behind what there is: how many.
fn quick_write_bytes(cx: &mut Cx, this: Raw, bytes: Raw) -> Raw {
    let value: Value<'static> = Value::adopt(bytes);
    let (Some(object), Some(given)) = (own_object(cx, this), value.exact::<Bytes>()) else { return Raw::UNBOUND };
    let given = given.as_bytes();
    // What views look at is left alone.
    let written = object.tail()[0].get().exact::<ByteArray>().is_none()
        && object.with::<BytesIo, _>(|b| {
            let plain = !b.closed && b.at == b.bytes.len();
            if !plain || b.bytes.len() + given.len() > UNCHECKED.max(b.bytes.capacity()) {
                return false;
            }
            b.bytes.extend_from_slice(given);
            b.at = b.bytes.len();
            true
        }) == Some(true);
    if written { Raw::int(given.len() as i64) } else { Raw::UNBOUND }
}

/// The next line of a StringIO that is open and not at its end.
fn quick_line(cx: &mut Cx, this: Raw) -> Raw {
    let Some(object) = own_object(cx, this) else { return Raw::UNBOUND };
    let line = object.with::<StringIo, _>(|s| {
        if s.closed || s.beyond > 0 || s.at == s.text.len() {
            return None;
        }
        let left = &s.text[s.at..];
        let length = s.newline.line_end(left, true).unwrap_or(left.len());
        s.at += length;
        let line = &left[..length];
        (line.len() <= Str::LIMIT).then(|| cx.text_raw(line))
    });
    line.flatten().unwrap_or(Raw::UNBOUND)
}

/// Writes a text at the end of a StringIO that has room for it and keeps line ends as they are.
fn quick_write(cx: &mut Cx, this: Raw, given: Raw) -> Raw {
    let text = Value::<'static>::adopt(given).exact::<Str>();
    let (Some(object), Some(text)) = (own_object(cx, this), text) else { return Raw::UNBOUND };
    let bytes = text.as_bytes();
    let written = object.with::<StringIo, _>(|s| {
        let plain = !s.closed && s.beyond == 0 && s.newline == Newline::Lf && s.at == s.text.len();
        if !plain || s.text.len() + bytes.len() > UNCHECKED.max(s.text.capacity()) {
            return false;
        }
        s.text.extend_from_slice(bytes);
        s.at = s.text.len();
        true
    });
    if written == Some(true) { Raw::int(text.chars() as i64) } else { Raw::UNBOUND }
}

natives!(
    /// Text in memory with the methods of a file.
    pub(super) static STRING_IO: Methods;

    /// Make an empty object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        new_empty(cx, class)
    }

    /// Begin with a text; the position is its start.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] initial_value: Option<Root>,
        #[either]
        #[text("'\\n'")]
        newline: Given<Root>,
    ) -> NativeResult {
        let newline = match newline.0 {
            None => Newline::Lf,
            given => Newline::from_argument(cx, given, true)?,
        };
        let initial = match initial_value {
            None => vec![],
            Some(root) => match cx.as_str(root.get(cx)) {
                Some(text) => text.as_bytes().to_vec(),
                None => {
                    let got = cx.type_name_for_error(root.get(cx));
                    return Err(cx.type_error(format!("initial_value must be str or None, not {got}")));
                }
            },
        };
        let mut payload = StringIo { text: vec![], at: 0, beyond: 0, newline, seen: Seen::default(), closed: false };
        payload.write(&initial);
        payload.at = 0;
        set_payload(cx, this, Box::new(payload));
        Ok(Outcome::NONE)
    }

    /// Return the whole text.
    fn getvalue(cx: &mut Cx, this: Root) -> NativeResult {
        let all = text(cx, this, |s| s.text.clone())?;
        text_result(cx, &all)
    }

    /// Read so many characters, or all that are left.
    fn read(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let part = text(cx, this, |s| s.take(size))?;
        text_result(cx, &part)
    }

    /// Read a line, with its end.
    #[quick(One(quick_line))]
    fn readline(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let line = text(cx, this, |s| s.line(size))?;
        text_result(cx, &line)
    }

    /// Return the next line.
    #[quick(One(quick_line))]
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        if !is_own(cx, this) {
            return super::base::next_line(cx, this);
        }
        let line = text(cx, this, |s| s.line(None))?;
        if line.is_empty() {
            return Err(cx.raise_new(Exc::StopIteration, &[]));
        }
        text_result(cx, &line)
    }

    /// Write a text, and return its length.
    #[quick(Two(quick_write))]
    fn write(cx: &mut Cx, this: Root, s: Root) -> NativeResult {
        let Some(given) = cx.as_str(s.get(cx)).map(|s| s.held()) else {
            let got = cx.type_name_for_error(s.get(cx));
            return Err(cx.type_error(format!("string argument expected, got '{got}'")));
        };
        let room = text(cx, this, |s| s.beyond.saturating_add(given.len().saturating_mul(2)))?;
        grow::<StringIo>(cx, this, room, |s| &mut s.text)?;
        text(cx, this, |s| s.write(given.as_bytes()))?;
        Ok((given.chars() as i64).into())
    }

    /// Return the position.
    fn tell(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((text(cx, this, |s| s.position())? as i64).into())
    }

    /// Move to a position, to the start or to the end.
    fn seek(cx: &mut Cx, this: Root, pos: i64, #[default(0)] whence: i64) -> NativeResult {
        text(cx, this, |_| ())?;
        match whence {
            0 if pos < 0 => return Err(cx.value_error(format!("Negative seek position {pos}"))),
            0 => text(cx, this, |s| s.move_to(pos as usize))?,
            1 | 2 if pos != 0 => return Err(cx.raise_text(Exc::OSError, "Can't do nonzero cur-relative seeks")),
            1 => {}
            2 => text(cx, this, |s| (s.at, s.beyond) = (s.text.len(), 0))?,
            _ => return Err(cx.value_error(format!("Invalid whence ({whence}, should be 0, 1 or 2)"))),
        }
        Ok((text(cx, this, |s| s.position())? as i64).into())
    }

    /// Cut the text, by default at the position.
    fn truncate(cx: &mut Cx, this: Root, pos: Option<Root>) -> NativeResult {
        let size = match signed_size_of(cx, pos)? {
            Some(pos) if pos < 0 => return Err(cx.value_error(format!("Negative size value {pos}"))),
            Some(pos) => pos as usize,
            None => text(cx, this, |s| s.position())?,
        };
        text(cx, this, |s| {
            if let Some(at) = wtf8::offset(&s.text, size) {
                let position = s.position();
                s.text.truncate(at);
                s.move_to(position);
            }
        })?;
        Ok((size as i64).into())
    }

    /// Let go of the text.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        with::<StringIo, _>(cx, this, |_, s| {
            s.closed = true;
            s.text = vec![];
            s.at = 0;
        })?;
        Ok(Outcome::NONE)
    }

    /// Does nothing: there is nothing to wait for.
    fn flush(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Whether it is closed.
    #[getter]
    fn closed(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with::<StringIo, _>(cx, this, |_, s| s.closed)?.into())
    }

    /// The line ends met so far.
    #[getter]
    fn newlines(cx: &mut Cx, this: Root) -> NativeResult {
        let seen = text(cx, this, |s| s.seen)?;
        Ok(Outcome::Value(seen.value(cx)))
    }

    /// Whether a line end is handed on at once.
    #[getter]
    fn line_buffering(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |_| false).map(Outcome::from)
    }

    /// It can be read from.
    fn readable(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |_| true).map(Outcome::from)
    }

    /// It can be written to.
    fn writable(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |_| true).map(Outcome::from)
    }

    /// It has positions.
    fn seekable(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |_| true).map(Outcome::from)
    }
);

// ---- bytes ----

/// Works with an open BytesIO.
fn bytes<R>(cx: &mut Cx, this: Root, work: impl FnOnce(&mut BytesIo) -> R) -> Result<R, Raised> {
    if with::<BytesIo, _>(cx, this, |_, b| b.closed)? {
        return Err(super::closed_error(cx));
    }
    if let Some(array) = shared(cx, this) {
        with::<BytesIo, _>(cx, this, |_, b| b.bytes = array.to_vec())?;
    }
    with::<BytesIo, _>(cx, this, |_, b| work(b))
}

/// The bytearray that has the bytes since views of them were asked for: what is written through a view is read back from it.
fn shared(cx: &mut Cx, this: Root) -> Option<Gc<'static, ByteArray>> {
    let mark = cx.mark();
    let array = inner(cx, this).get(cx).exact::<ByteArray>().map(Gc::held);
    cx.release(mark);
    array
}

/// Before bytes are written or removed: complains while there are views of them.
fn check_views(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    let Some(array) = shared(cx, this) else { return Ok(()) };
    if cx.count_views(array) > 0 {
        return Err(cx.raise_text(Exc::BufferError, "Existing exports of data: object cannot be re-sized"));
    }
    bytes(cx, this, |_| ())?;
    let none = cx.push_raw(Raw::NONE);
    set_inner(cx, this, none);
    Ok(())
}

impl BytesIo {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }

    fn take(&mut self, count: Option<usize>) -> Vec<u8> {
        let n = count.unwrap_or(usize::MAX).min(self.left().len());
        let out = self.left()[..n].to_vec();
        self.at += n;
        out
    }

    fn line(&mut self, limit: Option<usize>) -> Vec<u8> {
        let end = memchr::memchr(b'\n', self.left()).map_or(usize::MAX, |at| at + 1);
        self.take(Some(end.min(limit.unwrap_or(usize::MAX))))
    }

    fn write(&mut self, new: &[u8]) {
        if new.is_empty() {
            return;
        }
        if self.at > self.bytes.len() {
            self.bytes.resize(self.at, 0);
        }
        let end = (self.at + new.len()).min(self.bytes.len());
        self.bytes.splice(self.at..end, new.iter().copied());
        self.at += new.len();
    }
}

natives!(
    /// Bytes in memory with the methods of a file.
    pub(super) static BYTES_IO: Methods;

    /// Make an empty object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let made = new_empty(cx, class)?;
        if let Outcome::Value(raw) = made {
            let this = cx.push_raw(raw);
            set_payload(cx, this, Box::new(BytesIo { bytes: vec![], at: 0, closed: false }));
        }
        Ok(made)
    }

    /// Begin with a copy of bytes; the position is their start.
    fn __init__(cx: &mut Cx, this: Root, #[either] initial_bytes: Option<Root>) -> NativeResult {
        let initial = match initial_bytes {
            None => vec![],
            Some(root) => bytes_of(cx, root)?,
        };
        check_views(cx, this)?;
        set_payload(cx, this, Box::new(BytesIo { bytes: initial, at: 0, closed: false }));
        Ok(Outcome::NONE)
    }

    /// Return all the bytes.
    fn getvalue(cx: &mut Cx, this: Root) -> NativeResult {
        let all = bytes(cx, this, |b| b.bytes.clone())?;
        Ok(bytes_result(cx, &all))
    }

    /// Return a view of the bytes, through which they can be changed.
    fn getbuffer(cx: &mut Cx, this: Root) -> NativeResult {
        let all = bytes(cx, this, |b| b.bytes.clone())?;
        if shared(cx, this).is_none() {
            let Ok(array) = ByteArray::new(&cx.heap, &all).map(|array| array.value().raw()) else {
                return Err(cx.memory_error());
            };
            let array = cx.push_raw(array);
            set_inner(cx, this, array);
        }
        let class = cx.push_raw(cx.kind_class(Kind::MemoryView).value().raw());
        let array = inner(cx, this);
        let view = cx.call(class, &[array])?;
        Ok(view.get(cx).into())
    }

    /// Read so many bytes, or all that are left.
    fn read(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let part = bytes(cx, this, |b| b.take(size))?;
        Ok(bytes_result(cx, &part))
    }

    /// As read().
    fn read1(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let part = bytes(cx, this, |b| b.take(size))?;
        Ok(bytes_result(cx, &part))
    }

    /// Read a line, with its end.
    fn readline(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let line = bytes(cx, this, |b| b.line(size))?;
        Ok(bytes_result(cx, &line))
    }

    /// Read into a bytearray or memoryview, and return how many bytes.
    fn readinto(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let room = room_of(cx, buffer, "readinto")?;
        let part = bytes(cx, this, |b| b.take(Some(room)))?;
        copy_into(cx, buffer, &part)?;
        Ok((part.len() as i64).into())
    }

    /// Read into a bytearray or memoryview, and return how many bytes.
    fn readinto1(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let room = room_of(cx, buffer, "readinto1")?;
        let part = bytes(cx, this, |b| b.take(Some(room)))?;
        copy_into(cx, buffer, &part)?;
        Ok((part.len() as i64).into())
    }

    /// Return the next line.
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        if !is_own(cx, this) {
            return super::base::next_line(cx, this);
        }
        let line = bytes(cx, this, |b| b.line(None))?;
        if line.is_empty() {
            return Err(cx.raise_new(Exc::StopIteration, &[]));
        }
        Ok(Bytes::new(&cx.heap, &line).into())
    }

    /// Write bytes, and return how many.
    #[quick(Two(quick_write_bytes))]
    fn write(cx: &mut Cx, this: Root, b: Root) -> NativeResult {
        bytes(cx, this, |_| ())?;
        let new = bytes_of(cx, b)?;
        check_views(cx, this)?;
        let room = bytes(cx, this, |b| b.at.saturating_sub(b.bytes.len()).saturating_add(new.len()))?;
        grow::<BytesIo>(cx, this, room, |b| &mut b.bytes)?;
        bytes(cx, this, |b| b.write(&new))?;
        Ok((new.len() as i64).into())
    }

    /// Return the position.
    fn tell(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((bytes(cx, this, |b| b.at)? as i64).into())
    }

    /// Move to a position, and return it.
    fn seek(cx: &mut Cx, this: Root, pos: i64, #[default(0)] whence: i64) -> NativeResult {
        let (at, len) = bytes(cx, this, |b| (b.at as i64, b.bytes.len() as i64))?;
        let to = match whence {
            0 if pos < 0 => return Err(cx.value_error(format!("negative seek value {pos}"))),
            0 => pos,
            1 => at.saturating_add(pos).max(0),
            2 => len.saturating_add(pos).max(0),
            _ => return Err(cx.value_error(format!("invalid whence ({whence}, should be 0, 1 or 2)"))),
        };
        bytes(cx, this, |b| b.at = to as usize)?;
        Ok(to.into())
    }

    /// Cut the bytes, by default at the position.
    fn truncate(cx: &mut Cx, this: Root, size: Option<i64>) -> NativeResult {
        let size = match size {
            Some(size) if size < 0 => return Err(cx.value_error(format!("negative size value {size}"))),
            Some(size) => size as usize,
            None => bytes(cx, this, |b| b.at)?,
        };
        check_views(cx, this)?;
        bytes(cx, this, |b| b.bytes.truncate(size))?;
        Ok((size as i64).into())
    }

    /// Let go of the bytes.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        if !with::<BytesIo, _>(cx, this, |_, b| b.closed)? {
            check_views(cx, this)?;
        }
        with::<BytesIo, _>(cx, this, |_, b| {
            b.closed = true;
            b.bytes = vec![];
        })?;
        Ok(Outcome::NONE)
    }

    /// Whether it is closed.
    #[getter]
    fn closed(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with::<BytesIo, _>(cx, this, |_, b| b.closed)?.into())
    }

    /// It can be read from.
    fn readable(cx: &mut Cx, this: Root) -> NativeResult {
        bytes(cx, this, |_| true).map(Outcome::from)
    }

    /// It can be written to.
    fn writable(cx: &mut Cx, this: Root) -> NativeResult {
        bytes(cx, this, |_| true).map(Outcome::from)
    }

    /// It has positions.
    fn seekable(cx: &mut Cx, this: Root) -> NativeResult {
        bytes(cx, this, |_| true).map(Outcome::from)
    }
);

natives!(
    /// How streams in memory are pickled and copied.
    pub(super) static STATE: Methods;

    /// What is pickled: the content, of texts how lines end, the position and other attributes.
    fn __getstate__(cx: &mut Cx, this: Root) -> NativeResult {
        let newline = match has::<StringIo>(cx, this) {
            true => Some(text(cx, this, |s| s.newline)?),
            false => None,
        };
        let content = cx.call_method(this, "getvalue", &[])?;
        let position = cx.call_method(this, "tell", &[])?;
        // Of a derived class's instance what a script set.
        let own = super::object(cx, this).and_then(|object| object.get().dict.get().map(|dict| dict.value().raw()));
        let attributes = match own {
            Some(dict) => {
                let dict = cx.push_raw(dict);
                cx.call_method(dict, "copy", &[])?
            }
            None => cx.push_raw(Raw::NONE),
        };
        let mut items = vec![content.get(cx).raw()];
        match newline {
            Some(Newline::Universal) => items.push(Raw::NONE),
            Some(newline) => {
                let ending = match newline {
                    Newline::Lf => "\n",
                    Newline::Cr => "\r",
                    Newline::CrLf => "\r\n",
                    Newline::Keep | Newline::Universal => "",
                };
                items.push(cx.str(ending).value().raw());
            }
            None => {}
        }
        items.extend([position.get(cx).raw(), attributes.get(cx).raw()]);
        let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
        Ok(cx.tuple(&values).into())
    }

    /// Become what was pickled.
    fn __setstate__(cx: &mut Cx, this: Root, state: Root) -> NativeResult {
        // A StringIO has nothing in it before it is initialised.
        let count = if has::<BytesIo>(cx, this) { 3 } else { 4 };
        let parts: Vec<Raw> = match cx.payload(state.get(cx)).exact::<Tuple>() {
            Some(tuple) => tuple.items().map(Value::raw).collect(),
            None => vec![],
        };
        if parts.len() < count {
            let (name, got) = (cx.type_name_for_error(this.get(cx)), cx.type_name_for_error(state.get(cx)));
            let text = format!("{name}.__setstate__ argument should be {count}-tuple, got {got}");
            return Err(cx.type_error(text));
        }
        let parts: Vec<Root> = parts.into_iter().map(|raw| cx.push_raw(raw)).collect();
        cx.call_method(this, "__init__", &parts[..count - 2])?;
        cx.call_method(this, "seek", &parts[count - 2..count - 1])?;
        if !parts[count - 1].get(cx).is_none() {
            let pairs: Vec<(Raw, Raw)> = match cx.payload(parts[count - 1].get(cx)).exact::<Dict>() {
                Some(dict) => dict.iter().map(|(name, value)| (name.raw(), value.raw())).collect(),
                None => {
                    let got = cx.type_name_for_error(parts[count - 1].get(cx));
                    let text = format!("fourth item of state should be a dict, got a {got}");
                    return Err(cx.type_error(text));
                }
            };
            let pairs: Vec<(Root, Root)> =
                pairs.into_iter().map(|(name, value)| (cx.push_raw(name), cx.push_raw(value))).collect();
            for (name, value) in pairs {
                cx.set_attribute(this, name, value)?;
            }
        }
        Ok(Outcome::NONE)
    }
);
