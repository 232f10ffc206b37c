//! What all streams have: `IOBase` and the three it splits into. Scripts derive from these; each method here asks others of the same
//! object, so a script has to write only a few of them.

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::object::{ByteArray, Exc};
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::{bytes_of, bytes_result, closed_error, new_empty, size_of, unsupported};

/// The attribute that remembers that a stream without a payload of its own was closed.
const CLOSED: &str = "__IOBase_closed";

pub(super) fn check_closed(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    let closed = cx.attribute(this, "closed")?;
    if cx.truth(closed)? { Err(closed_error(cx)) } else { Ok(()) }
}

/// The next line by `readline`; StopIteration where there is none.
pub(super) fn next_line(cx: &mut Cx, this: Root) -> NativeResult {
    let line = cx.call_method(this, "readline", &[])?;
    if !cx.truth(line)? {
        return Err(cx.raise_new(Exc::StopIteration, &[]));
    }
    Ok(line.get(cx).into())
}

/// A line, read byte by byte.
fn line_by_bytes(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
    let limit = size_of(cx, size)?.unwrap_or(usize::MAX);
    let mut line = vec![];
    while line.len() < limit && line.last() != Some(&b'\n') {
        let mark = cx.mark();
        let one = cx.push_raw(Raw::int(1));
        let byte = cx.call_method(this, "read", &[one])?;
        if byte.get(cx).is_none() {
            break;
        }
        let bytes = bytes_of(cx, byte)?;
        if bytes.is_empty() {
            break;
        }
        cx.grow(&mut line, bytes.len())?;
        line.extend_from_slice(&bytes);
        cx.release(mark);
    }
    Ok(bytes_result(cx, &line))
}

natives!(
    /// The base of all streams.
    pub(super) static IO_BASE: Methods;

    /// Make a stream.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        new_empty(cx, class)
    }

    /// Whatever a derived class is made with is its own business.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return the stream, to be closed at the end of the block.
    fn __enter__(cx: &mut Cx, this: Root) -> NativeResult {
        check_closed(cx, this)?;
        Ok(this.get(cx).into())
    }

    /// Close the stream.
    fn __exit__(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        cx.call_method(this, "close", &[])?;
        Ok(Outcome::NONE)
    }

    /// Return the stream: it iterates over its lines.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        check_closed(cx, this)?;
        Ok(this.get(cx).into())
    }

    /// Return the next line.
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        next_line(cx, this)
    }

    /// Flush and close the stream.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        let closed = cx.attribute(this, "closed")?;
        if cx.truth(closed)? {
            return Ok(Outcome::NONE);
        }
        let flushed = cx.call_method(this, "flush", &[]);
        let name = cx.intern(CLOSED).value().raw();
        let name = cx.push_raw(name);
        let value = cx.push_raw(Raw::TRUE);
        match flushed {
            Ok(_) => {
                cx.set_attribute(this, name, value)?;
                Ok(Outcome::NONE)
            }
            Err(raised) => {
                let exception = cx.take_raised(raised);
                let exception = cx.push_raw(exception);
                cx.set_attribute(this, name, value)?;
                Err(cx.raise(exception))
            }
        }
    }

    /// Whether the stream is closed.
    #[getter]
    fn closed(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.find_attribute(this, CLOSED)?.is_some().into())
    }

    /// Write what is not written yet.
    fn flush(cx: &mut Cx, this: Root) -> NativeResult {
        check_closed(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Whether it has positions.
    fn seekable(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(false.into())
    }

    /// Whether it can be read from.
    fn readable(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(false.into())
    }

    /// Whether it can be written to.
    fn writable(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(false.into())
    }

    /// Whether it is a terminal.
    fn isatty(cx: &mut Cx, this: Root) -> NativeResult {
        check_closed(cx, this)?;
        Ok(false.into())
    }

    /// The descriptor.
    fn fileno(cx: &mut Cx, this: Root) -> NativeResult {
        Err(unsupported(cx, "fileno"))
    }

    /// Move to a position.
    fn seek(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "seek"))
    }

    /// Return the position.
    fn tell(cx: &mut Cx, this: Root) -> NativeResult {
        let (zero, one) = (cx.push_raw(Raw::int(0)), cx.push_raw(Raw::int(1)));
        let at = cx.call_method(this, "seek", &[zero, one])?;
        Ok(at.get(cx).into())
    }

    /// Set the size.
    fn truncate(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "truncate"))
    }

    /// Read a line, byte by byte.
    fn readline(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        line_by_bytes(cx, this, size)
    }

    /// Return a list of the lines that are left.
    fn readlines(cx: &mut Cx, this: Root, hint: Option<i64>) -> NativeResult {
        let hint = hint.filter(|h| *h > 0).unwrap_or(i64::MAX);
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        // A BytesIO stops when it has as much as was asked for, all others when they have more.
        let enough = if super::memory::is_bytes_io(cx, this) { hint } else { hint.saturating_add(1) };
        let mut total = 0;
        let iterator = cx.iter(this)?;
        let mark = cx.mark();
        while let Some(line) = cx.next(iterator)? {
            total += cx.length(line)? as i64;
            cx.list_push(list, line)?;
            cx.release(mark);
            if total >= enough {
                break;
            }
        }
        Ok(list.get(cx).into())
    }

    /// Write each line of an iterable; nothing is put between them.
    fn writelines(cx: &mut Cx, this: Root, lines: Root) -> NativeResult {
        check_closed(cx, this)?;
        cx.for_each(lines, &mut |cx, line| cx.call_method(this, "write", &[line]).map(|_| ()))?;
        Ok(Outcome::NONE)
    }
);

natives!(
    /// The base of streams that read and write by one call of the system.
    pub(super) static RAW_IO_BASE: Methods;

    /// Read at most so many bytes, by `readinto`.
    fn read(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let Some(size) = size_of(cx, size)? else {
            let all = cx.call_method(this, "readall", &[])?;
            return Ok(all.get(cx).into());
        };
        let Ok(array) = ByteArray::new(&cx.heap, &vec![0; size]) else { return Err(cx.memory_error()) };
        let raw = array.value().raw();
        let buffer = cx.push_raw(raw);
        let count = cx.call_method(this, "readinto", &[buffer])?;
        if count.get(cx).is_none() {
            return Ok(Outcome::NONE);
        }
        let count = cx.index_as_i64(count)?;
        let bytes = bytes_of(cx, buffer)?;
        Ok(bytes_result(cx, &bytes[..(count.max(0) as usize).min(bytes.len())]))
    }

    /// Read everything that is left.
    fn readall(cx: &mut Cx, this: Root) -> NativeResult {
        let mut all = vec![];
        loop {
            let mark = cx.mark();
            let size = cx.push_raw(Raw::int(super::BUFFER as i64));
            let part = cx.call_method(this, "read", &[size])?;
            let bytes = if part.get(cx).is_none() { vec![] } else { bytes_of(cx, part)? };
            if bytes.is_empty() {
                return Ok(bytes_result(cx, &all));
            }
            cx.grow(&mut all, bytes.len())?;
            all.extend_from_slice(&bytes);
            cx.release(mark);
        }
    }

    /// Read into a bytearray.
    fn readinto(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        Err(cx.raise_new(Exc::NotImplementedError, &[]))
    }

    /// Write bytes.
    fn write(cx: &mut Cx, this: Root, b: Root) -> NativeResult {
        Err(cx.raise_new(Exc::NotImplementedError, &[]))
    }
);

natives!(
    /// The base of streams of bytes that come with a buffer.
    pub(super) static BUFFERED_IO_BASE: Methods;

    /// Read bytes.
    fn read(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "read"))
    }

    /// Read bytes by one call of the system.
    fn read1(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "read1"))
    }

    /// Read a line; what cannot be read says so.
    fn readline(cx: &mut Cx, this: Root, size: Option<Root>) -> NativeResult {
        let readable = cx.call_method(this, "readable", &[])?;
        if !cx.truth(readable)? {
            return Err(unsupported(cx, "read"));
        }
        line_by_bytes(cx, this, size)
    }

    /// Read into a bytearray.
    fn readinto(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        read_into(cx, this, buffer, "read", "readinto")
    }

    /// Read into a bytearray by one call of the system.
    fn readinto1(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        read_into(cx, this, buffer, "read1", "readinto1")
    }

    /// Write bytes.
    fn write(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "write"))
    }

    /// Take the raw file off.
    fn detach(cx: &mut Cx, this: Root) -> NativeResult {
        Err(unsupported(cx, "detach"))
    }
);

/// Reads by a method that gives bytes.
fn read_into(cx: &mut Cx, this: Root, buffer: Root, method: &str, function: &str) -> NativeResult {
    let room = super::room_of(cx, buffer, function)?;
    let size = cx.push_raw(Raw::int(room as i64));
    let bytes = cx.call_method(this, method, &[size])?;
    let bytes = bytes_of(cx, bytes)?;
    super::copy_into(cx, buffer, &bytes)?;
    Ok((bytes.len() as i64).into())
}

natives!(
    /// The base of streams of text.
    pub(super) static TEXT_IO_BASE: Methods;

    /// Read text.
    fn read(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "read"))
    }

    /// Read a line.
    fn readline(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "readline"))
    }

    /// Write text.
    fn write(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        Err(unsupported(cx, "write"))
    }

    /// Take the buffer off.
    fn detach(cx: &mut Cx, this: Root) -> NativeResult {
        Err(unsupported(cx, "detach"))
    }

    /// The encoding.
    #[getter]
    fn encoding(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Value::NONE.into())
    }

    /// The line ends met so far.
    #[getter]
    fn newlines(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Value::NONE.into())
    }

    /// What happens to what cannot be encoded or decoded.
    #[getter]
    fn errors(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Value::NONE.into())
    }
);
