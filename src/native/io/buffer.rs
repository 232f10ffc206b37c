//! Buffers over raw files: `BufferedReader`, `BufferedWriter`, `BufferedRandom`.

use std::io::ErrorKind;
use std::rc::Rc;

use crate::heap::Raw;
use crate::native::natives;
use crate::object::{Exc, Payload};
use crate::vm::host::{OpenFile, StdStream};
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::file::{FileIo, close_raw, read_rest, read_some, seek_to};
use super::{
    bytes_of, bytes_result, closed_error, copy_into, has, host_error, inner, is_own, new_empty, new_object, room_of,
    set_inner, size_of, unsupported, with,
};

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Reading.
    Reader,
    /// Writing.
    Writer,
    /// Both, at one position.
    Random,
}

/// A buffer over a raw file, which is in the slot.
#[derive(Debug)]
struct Buffered {
    layer: Layer,
    /// Bytes read ahead.
    ahead: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    size: usize,
    /// The descriptor and what is not written yet. Of a raw file that a script wrote only the latter is used.
    file: Rc<OpenFile>,
    /// Whether the raw file is one of this module's.
    native: bool,
    standard: Option<StdStream>,
    detached: bool,
}
impl Payload for Buffered {}

impl Buffered {
    fn left(&self) -> &[u8] {
        &self.ahead[self.taken..]
    }
}

/// A buffer over a raw file.
pub(super) fn new_buffered(cx: &mut Cx, layer: Layer, raw: Root, size: usize) -> Root {
    let class = match layer {
        Layer::Reader => "BufferedReader",
        Layer::Writer => "BufferedWriter",
        Layer::Random => "BufferedRandom",
    };
    let payload = buffered_payload(cx, layer, raw, size);
    let raw = raw.get(cx).raw();
    new_object(cx, class, Box::new(payload), raw)
}

fn buffered_payload(cx: &mut Cx, layer: Layer, raw: Root, size: usize) -> Buffered {
    let native = is_own(cx, raw) && has::<FileIo>(cx, raw);
    let file = match native {
        true => with::<FileIo, _>(cx, raw, |_, f| f.file.clone()).unwrap_or_else(|_| OpenFile::new(-1, false)),
        false => OpenFile::new(-1, false),
    };
    Buffered { layer, ahead: vec![], taken: 0, size, file, native, standard: None, detached: false }
}

/// Notes that standard output, if this is its buffer, is no longer what it was at the start.
pub(super) fn note_change(cx: &mut Cx, buffer: Root) {
    // Text may lie over an object of a class of the language: that is no standard stream.
    if has::<Buffered>(cx, buffer)
        && let Ok(Some(StdStream::Out)) = with::<Buffered, _>(cx, buffer, |_, b| b.standard)
    {
        cx.prints_directly = false;
    }
}

/// Makes a buffer that of a standard stream: what it writes goes through the host's own buffer, as `print` does.
pub(super) fn set_standard(cx: &mut Cx, buffer: Root, stream: StdStream) -> Result<(), Raised> {
    with::<Buffered, _>(cx, buffer, |_, b| b.standard = Some(stream))
}

fn check_open(cx: &mut Cx, this: Root, what: &str) -> Result<(), Raised> {
    let (native, detached, fd) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.detached, b.file.fd.get()))?;
    if detached {
        return Err(cx.value_error("raw stream has been detached"));
    }
    let closed = if native { fd < 0 } else { is_closed(cx, this)? };
    if closed { Err(cx.value_error(what)) } else { Ok(()) }
}

/// Whether a buffer is closed.
pub(super) fn is_closed(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
    let (native, fd) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.file.fd.get()))?;
    if native {
        return Ok(fd < 0);
    }
    let raw = inner(cx, this);
    let closed = cx.attribute(raw, "closed")?;
    cx.truth(closed)
}

/// Whether a value is a buffer of this module over a file that is open.
pub(super) fn is_open_file(cx: &Cx, raw: Raw) -> bool {
    let open = |b: &mut Buffered| b.native && !b.detached && b.file.fd.get() >= 0;
    super::memory::own_object(cx, raw).is_some_and(|object| object.with::<Buffered, _>(open) == Some(true))
}

/// Whether an object is a buffer of this module, whose functions here can be called directly.
pub(super) fn is_buffer(cx: &Cx, value: Root) -> bool {
    is_own(cx, value) && has::<Buffered>(cx, value)
}

/// Whether a buffer is for writing.
pub(super) fn writes(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
    with::<Buffered, _>(cx, this, |_, b| b.layer != Layer::Reader)
}

/// Reads once from below a buffer; empty at the end.
fn read_below(cx: &mut Cx, this: Root, count: usize) -> Result<Vec<u8>, Raised> {
    let (native, fd, standard) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.file.fd.get(), b.standard))?;
    if standard == Some(StdStream::In) {
        // Line by line, so that `input()` finds what was not asked for.
        return cx.read_input_line()?.map_err(|error| host_error(cx, &error));
    }
    if native {
        return read_some(cx, fd, count);
    }
    let raw = inner(cx, this);
    let count = cx.push_raw(Raw::int(count as i64));
    let bytes = cx.call_method(raw, "read", &[count])?;
    if bytes.get(cx).is_none() {
        return Ok(vec![]);
    }
    bytes_of(cx, bytes)
}

/// Makes sure that at least one byte is read ahead; false at the end.
fn fill(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
    let (left, size) = with::<Buffered, _>(cx, this, |_, b| (b.left().len(), b.size))?;
    if left > 0 {
        return Ok(true);
    }
    let bytes = read_below(cx, this, size)?;
    let some = !bytes.is_empty();
    with::<Buffered, _>(cx, this, |_, b| {
        b.ahead = bytes;
        b.taken = 0;
    })?;
    Ok(some)
}

fn before_reading(cx: &mut Cx, this: Root, closed: &str) -> Result<(), Raised> {
    check_open(cx, this, closed)?;
    if with::<Buffered, _>(cx, this, |_, b| b.layer == Layer::Random)? {
        write_pending(cx, this)?;
    }
    Ok(())
}

/// Reads so many bytes, fewer only at the end; all where no count is given.
pub(super) fn read(cx: &mut Cx, this: Root, count: Option<usize>) -> Result<Vec<u8>, Raised> {
    before_reading(cx, this, "read of closed file")?;
    let mut out = with::<Buffered, _>(cx, this, |_, b| {
        let n = count.unwrap_or(usize::MAX).min(b.left().len());
        let out = b.left()[..n].to_vec();
        b.taken += n;
        out
    })?;
    let (native, fd, standard) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.file.fd.get(), b.standard))?;
    match count {
        None if native && standard.is_none() => read_rest(cx, fd, &mut out)?,
        None => loop {
            let bytes = read_below(cx, this, 8192)?;
            if bytes.is_empty() {
                break;
            }
            cx.grow(&mut out, bytes.len())?;
            out.extend_from_slice(&bytes);
        },
        Some(count) => {
            while out.len() < count && fill(cx, this)? {
                let more = with::<Buffered, _>(cx, this, |_, b| (count - out.len()).min(b.left().len()))?;
                cx.grow(&mut out, more)?;
                with::<Buffered, _>(cx, this, |_, b| {
                    let n = (count - out.len()).min(b.left().len());
                    out.extend_from_slice(&b.left()[..n]);
                    b.taken += n;
                })?;
            }
        }
    }
    Ok(out)
}

/// Reads what is there, by at most one call below.
pub(super) fn read1(cx: &mut Cx, this: Root, count: usize) -> Result<Vec<u8>, Raised> {
    before_reading(cx, this, "read of closed file")?;
    if count == 0 || !fill(cx, this)? {
        return Ok(vec![]);
    }
    with::<Buffered, _>(cx, this, |_, b| {
        let n = count.min(b.left().len());
        let out = b.left()[..n].to_vec();
        b.taken += n;
        out
    })
}

fn readline(cx: &mut Cx, this: Root, limit: Option<usize>) -> Result<Vec<u8>, Raised> {
    before_reading(cx, this, "readline of closed file")?;
    let limit = limit.unwrap_or(usize::MAX);
    let mut out = vec![];
    while out.len() < limit && fill(cx, this)? {
        let more = with::<Buffered, _>(cx, this, |_, b| b.left().len())?;
        cx.grow(&mut out, more)?;
        let done = with::<Buffered, _>(cx, this, |_, b| {
            let left = b.left();
            let n = memchr::memchr(b'\n', left).map_or(left.len(), |at| at + 1).min(limit - out.len());
            out.extend_from_slice(&left[..n]);
            b.taken += n;
            out.last() == Some(&b'\n')
        })?;
        if done {
            break;
        }
    }
    Ok(out)
}

/// Writes to a buffer.
pub(super) fn write(cx: &mut Cx, this: Root, bytes: &[u8]) -> Result<(), Raised> {
    check_open(cx, this, "write to closed file")?;
    let (standard, layer, size) = with::<Buffered, _>(cx, this, |_, b| (b.standard, b.layer, b.size))?;
    if let Some(stream) = standard {
        return match cx.host_mut().write(stream, bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(host_error(cx, &error)),
        };
    }
    if layer == Layer::Random {
        drop_ahead(cx, this)?;
    }
    let file = with::<Buffered, _>(cx, this, |_, b| b.file.clone())?;
    file.pending.borrow_mut().extend_from_slice(bytes);
    if file.pending.borrow().len() >= size {
        write_pending(cx, this)?;
    }
    Ok(())
}

/// As `write`, for a writer over an open file of its own where there is room for the bytes: whether they were taken.
pub(super) fn write_quickly(cx: &Cx, buffer: Raw, bytes: &[u8]) -> bool {
    let Some(object) = super::memory::own_object(cx, buffer) else { return false };
    let taken = object.with::<Buffered, _>(|b| {
        let plain = b.native && !b.detached && b.standard.is_none() && b.layer == Layer::Writer;
        let mut pending = b.file.pending.borrow_mut();
        let fits = plain && b.file.fd.get() >= 0 && pending.len() + bytes.len() < b.size;
        if fits {
            pending.extend_from_slice(bytes);
        }
        fits
    });
    taken == Some(true)
}

/// Goes back by what was read ahead.
fn drop_ahead(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    let (left, native, fd) = with::<Buffered, _>(cx, this, |_, b| {
        let left = b.left().len() as i64;
        b.ahead.clear();
        b.taken = 0;
        (left, b.native, b.file.fd.get())
    })?;
    if left > 0 {
        if native {
            seek_to(cx, fd, -left, 1)?;
        } else {
            let raw = inner(cx, this);
            let (by, whence) = (cx.push_raw(Raw::int(-left)), cx.push_raw(Raw::int(1)));
            cx.call_method(raw, "seek", &[by, whence])?;
        }
    }
    Ok(())
}

/// Hands on what is not written yet.
fn write_pending(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    let (native, file, standard) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.file.clone(), b.standard))?;
    if let Some(stream) = standard {
        return match cx.host_mut().flush(stream) {
            Ok(()) => Ok(()),
            Err(error) => Err(host_error(cx, &error)),
        };
    }
    if native {
        loop {
            match cx.host_mut().flush_file(&file) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => cx.check_signals()?,
                Err(error) => return Err(host_error(cx, &error)),
            }
        }
    }
    let bytes = std::mem::take(&mut *file.pending.borrow_mut());
    let mut done = 0;
    while done < bytes.len() {
        let mark = cx.mark();
        let raw = inner(cx, this);
        let part = crate::object::Bytes::new(&cx.heap, &bytes[done..]).value().raw();
        let part = cx.push_raw(part);
        let count = cx.call_method(raw, "write", &[part])?;
        if count.get(cx).is_none() {
            break;
        }
        done += cx.index_as_i64(count)?.clamp(0, (bytes.len() - done) as i64) as usize;
        cx.release(mark);
    }
    Ok(())
}

/// Flushes a buffer.
pub(super) fn flush(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    if with::<Buffered, _>(cx, this, |_, b| b.layer == Layer::Reader)? {
        return if is_closed(cx, this)? { Err(closed_error(cx)) } else { Ok(()) };
    }
    check_open(cx, this, "flush of closed file")?;
    write_pending(cx, this)
}

/// Flushes and closes a buffer and what is below it.
pub(super) fn close(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    if with::<Buffered, _>(cx, this, |_, b| b.detached)? || is_closed(cx, this)? {
        return Ok(());
    }
    let flushed =
        if with::<Buffered, _>(cx, this, |_, b| b.layer != Layer::Reader)? { write_pending(cx, this) } else { Ok(()) };
    note_change(cx, this);
    let raw = inner(cx, this);
    let native = with::<Buffered, _>(cx, this, |_, b| b.native)?;
    let flushed = match flushed {
        Ok(()) => None,
        Err(raised) => {
            let raw = cx.take_raised(raised);
            Some(cx.push_raw(raw))
        }
    };
    if native {
        close_raw(cx, raw)?;
    } else {
        cx.call_method(raw, "close", &[])?;
    }
    match flushed {
        Some(exception) => Err(cx.raise(exception)),
        None => Ok(()),
    }
}

/// The position as the reader of a buffer sees it.
pub(super) fn tell(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
    check_open(cx, this, "I/O operation on closed file")?;
    let (native, file, left) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.file.clone(), b.left().len() as i64))?;
    let at = if native {
        seek_to(cx, file.fd.get(), 0, 1)? as i64
    } else {
        let raw = inner(cx, this);
        let at = cx.call_method(raw, "tell", &[])?;
        cx.index_as_i64(at)?
    };
    let pending = file.pending.borrow().len() as i64;
    Ok(at - left + pending)
}

/// Moves a buffer.
pub(super) fn seek(cx: &mut Cx, this: Root, offset: i64, whence: i64) -> Result<i64, Raised> {
    check_open(cx, this, "seek of closed file")?;
    if !(0..=2).contains(&whence) {
        return Err(cx.value_error(format!("whence value {whence} unsupported")));
    }
    if with::<Buffered, _>(cx, this, |_, b| b.layer != Layer::Reader)? {
        write_pending(cx, this)?;
    }
    drop_ahead_for_seek(cx, this, whence)?;
    let (native, fd) = with::<Buffered, _>(cx, this, |_, b| (b.native, b.file.fd.get()))?;
    if native {
        return Ok(seek_to(cx, fd, offset, whence)? as i64);
    }
    let raw = inner(cx, this);
    let (offset, whence) = (cx.push_raw(Raw::int(offset)), cx.push_raw(Raw::int(whence)));
    let at = cx.call_method(raw, "seek", &[offset, whence])?;
    cx.index_as_i64(at)
}

fn drop_ahead_for_seek(cx: &mut Cx, this: Root, whence: i64) -> Result<(), Raised> {
    if whence == 1 {
        return drop_ahead(cx, this);
    }
    with::<Buffered, _>(cx, this, |_, b| {
        b.ahead.clear();
        b.taken = 0;
    })
}

natives!(
    /// What buffers have in common.
    pub(super) static BUFFERED: Methods;

    /// Make an object that has no file yet.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        new_empty(cx, class)
    }

    /// Write what is not written yet.
    fn flush(cx: &mut Cx, this: Root) -> NativeResult {
        self::flush(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Flush and close the file.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        if !is_own(cx, this) && !is_closed(cx, this)? {
            cx.call_method(this, "flush", &[])?;
        }
        self::close(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Move to a position, and return it.
    fn seek(cx: &mut Cx, this: Root, target: i64, #[default(0)] whence: i64) -> NativeResult {
        Ok(self::seek(cx, this, target, whence)?.into())
    }

    /// Return the position.
    fn tell(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(self::tell(cx, this)?.into())
    }

    /// Set the size of the file, by default to the position.
    fn truncate(cx: &mut Cx, this: Root, pos: Option<i64>) -> NativeResult {
        check_open(cx, this, "truncate of closed file")?;
        if with::<Buffered, _>(cx, this, |_, b| b.layer == Layer::Reader)? {
            return Err(unsupported(cx, "truncate"));
        }
        write_pending(cx, this)?;
        let pos = match pos {
            Some(pos) => pos,
            None => self::tell(cx, this)?,
        };
        let raw = inner(cx, this);
        let pos = cx.push_raw(Raw::int(pos));
        let size = cx.call_method(raw, "truncate", &[pos])?;
        Ok(size.get(cx).into())
    }

    /// Take the raw file off.
    fn detach(cx: &mut Cx, this: Root) -> NativeResult {
        self::flush(cx, this)?;
        let raw = inner(cx, this);
        with::<Buffered, _>(cx, this, |_, b| b.detached = true)?;
        Ok(raw.get(cx).into())
    }

    /// Whether it can be read from.
    fn readable(cx: &mut Cx, this: Root) -> NativeResult {
        if with::<Buffered, _>(cx, this, |_, b| b.layer == Layer::Writer)? {
            return Ok(false.into());
        }
        below(cx, this, "readable")
    }

    /// Whether it can be written to.
    fn writable(cx: &mut Cx, this: Root) -> NativeResult {
        if with::<Buffered, _>(cx, this, |_, b| b.layer == Layer::Reader)? {
            return Ok(false.into());
        }
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
        Ok(is_closed(cx, this)?.into())
    }

    /// The raw file.
    #[getter]
    fn raw(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = inner(cx, this);
        Ok(raw.get(cx).into())
    }

    /// The mode of the raw file.
    #[getter]
    fn mode(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = inner(cx, this);
        let mode = cx.attribute(raw, "mode")?;
        Ok(mode.get(cx).into())
    }

    /// The name of the raw file.
    #[getter]
    fn name(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = inner(cx, this);
        let name = cx.attribute(raw, "name")?;
        Ok(name.get(cx).into())
    }

    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
        let raw = inner(cx, this);
        match cx.find_attribute(raw, "name")? {
            Some(name) => {
                let name = cx.repr_text(name)?;
                Ok(cx.str(&format!("<_io.{class} name={name}>")).into())
            }
            None => Ok(cx.str(&format!("<_io.{class}>")).into()),
        }
    }
);

/// Asks the raw file.
fn below(cx: &mut Cx, this: Root, method: &str) -> NativeResult {
    let raw = inner(cx, this);
    let answer = cx.call_method(raw, method, &[])?;
    Ok(answer.get(cx).into())
}

natives!(
    /// Reading through a buffer.
    pub(super) static READING: Methods;

    /// Read so many bytes, or all that are left.
    fn read(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let bytes = self::read(cx, this, size)?;
        Ok(bytes_result(cx, &bytes))
    }

    /// Read at most so many bytes, asking the system at most once.
    fn read1(cx: &mut Cx, this: Root, #[default(-1)] size: i64) -> NativeResult {
        let bytes = self::read1(cx, this, usize::try_from(size).unwrap_or(super::BUFFER))?;
        Ok(bytes_result(cx, &bytes))
    }

    /// Return bytes that are read ahead, without taking them.
    fn peek(cx: &mut Cx, this: Root, #[default(0)] size: i64) -> NativeResult {
        before_reading(cx, this, "peek of closed file")?;
        fill(cx, this)?;
        let bytes = with::<Buffered, _>(cx, this, |_, b| b.left().to_vec())?;
        Ok(bytes_result(cx, &bytes))
    }

    /// Read a line, with its end.
    fn readline(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let size = size_of(cx, size)?;
        let bytes = self::readline(cx, this, size)?;
        Ok(bytes_result(cx, &bytes))
    }

    /// Read into a bytearray or memoryview, and return how many bytes.
    fn readinto(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let room = room_of(cx, buffer, "readinto")?;
        before_reading(cx, this, "readinto of closed file")?;
        let bytes = self::read(cx, this, Some(room))?;
        copy_into(cx, buffer, &bytes)?;
        Ok((bytes.len() as i64).into())
    }

    /// Read into a bytearray or memoryview, asking the system at most once.
    fn readinto1(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let room = room_of(cx, buffer, "readinto1")?;
        let bytes = self::read1(cx, this, room)?;
        copy_into(cx, buffer, &bytes)?;
        Ok((bytes.len() as i64).into())
    }

    /// Return the next line.
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        if !is_own(cx, this) {
            return super::base::next_line(cx, this);
        }
        let line = self::readline(cx, this, None)?;
        if line.is_empty() {
            return Err(cx.raise_new(Exc::StopIteration, &[]));
        }
        Ok(bytes_result(cx, &line))
    }
);

natives!(
    /// Writing through a buffer.
    pub(super) static WRITING: Methods;

    /// Write bytes, and return how many.
    fn write(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let bytes = bytes_of(cx, buffer)?;
        self::write(cx, this, &bytes)?;
        Ok((bytes.len() as i64).into())
    }
);

/// The slot and payload of a buffer that a script makes.
fn init(cx: &mut Cx, this: Root, layer: Layer, raw: Root, size: i64, ask: &[(&str, &str)]) -> NativeResult {
    for (method, message) in ask {
        let answer = cx.call_method(raw, method, &[])?;
        if !cx.truth(answer)? {
            return Err(unsupported(cx, message));
        }
    }
    if size <= 0 {
        return Err(cx.value_error("buffer size must be strictly positive"));
    }
    let payload = buffered_payload(cx, layer, raw, size as usize);
    if let Some(object) = super::object(cx, this) {
        *object.get().payload.borrow_mut() = Box::new(payload);
    }
    set_inner(cx, this, raw);
    Ok(Outcome::NONE)
}

const NOT_READABLE: (&str, &str) = ("readable", "File or stream is not readable.");
const NOT_WRITABLE: (&str, &str) = ("writable", "File or stream is not writable.");
const NOT_SEEKABLE: (&str, &str) = ("seekable", "File or stream is not seekable.");

natives!(
    /// A buffer for reading from a raw file.
    pub(super) static BUFFERED_READER: Methods;

    /// Read from a raw file.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] raw: Root,
        #[either]
        #[default(131_072)]
        buffer_size: i64,
    ) -> NativeResult {
        init(cx, this, Layer::Reader, raw, buffer_size, &[NOT_READABLE])
    }
);

natives!(
    /// A buffer for writing to a raw file.
    pub(super) static BUFFERED_WRITER: Methods;

    /// Write to a raw file.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] raw: Root,
        #[either]
        #[default(131_072)]
        buffer_size: i64,
    ) -> NativeResult {
        init(cx, this, Layer::Writer, raw, buffer_size, &[NOT_WRITABLE])
    }
);

natives!(
    /// A buffer for reading and writing at one position.
    pub(super) static BUFFERED_RANDOM: Methods;

    /// Read from and write to a raw file.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] raw: Root,
        #[either]
        #[default(131_072)]
        buffer_size: i64,
    ) -> NativeResult {
        init(cx, this, Layer::Random, raw, buffer_size, &[NOT_SEEKABLE, NOT_READABLE, NOT_WRITABLE])
    }
);
