//! The layers below text: `FileIO`, a descriptor, and the buffers over it.

use std::io::{ErrorKind, SeekFrom};
use std::rc::Rc;

use crate::heap::{Collection, Raw};
use crate::native::natives;
use crate::native::types::exception::io_error;
use crate::object::{Exc, Payload};
use crate::vm::host::{OpenFile, OpenMode, StdStream};
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

use super::{
    bytes_of, bytes_result, closed_error, copy_into, has, host_error, inner, is_own, new_empty, new_object, room_of,
    set_inner, size_of, unsupported, with,
};

/// A descriptor. The slot has its name.
#[derive(Debug)]
struct FileIo {
    file: Rc<OpenFile>,
    mode: &'static str,
    read: bool,
    write: bool,
    seekable: Option<bool>,
}
impl Payload for FileIo {}

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

// ---- making ----

/// Opens the raw file of a path or a descriptor.
pub(super) fn open_raw(
    cx: &mut Cx,
    file: Root,
    open: &OpenMode,
    mode: &'static str,
    closefd: bool,
    opener: Option<Root>,
) -> Result<Root, Raised> {
    let (file, name) = open_descriptor(cx, file, open, closefd, opener)?;
    if open.append {
        // Where nothing can be sought, nothing has to be.
        let _ = cx.host_mut().seek_fd(file.fd.get(), SeekFrom::End(0));
    }
    let payload = FileIo { file, mode, read: open.read, write: open.write, seekable: None };
    Ok(new_object(cx, "FileIO", Box::new(payload), name))
}

fn open_descriptor(
    cx: &mut Cx,
    file: Root,
    open: &OpenMode,
    closefd: bool,
    opener: Option<Root>,
) -> Result<(Rc<OpenFile>, Raw), Raised> {
    let name = file.get(cx).raw();
    let int = crate::object::key::as_int_ref(cx.payload(file.get(cx))).is_some();
    if int {
        let fd = cx.index_as_i64(file)?;
        if fd < 0 {
            return Err(cx.value_error("negative file descriptor"));
        }
        let fd = i32::try_from(fd).unwrap_or(i32::MAX);
        if let Err(error) = cx.host().status_fd(fd) {
            return Err(io_error(cx, &error, Some(file)));
        }
        let open = OpenFile::new(fd, closefd);
        cx.host_mut().open_files().add(open.clone());
        return Ok((open, name));
    }
    if !closefd {
        return Err(cx.value_error("Cannot use closefd=False with file name"));
    }
    let path = super::path_of(cx, file, "open")?;
    // What other objects wrote is seen by whoever opens the file.
    cx.host_mut().flush_files();
    let fd = match opener {
        Some(opener) => {
            let flags = cx.push_raw(Raw::int(open_flags(open)));
            let fd = cx.call(opener, &[file, flags])?;
            let fd = cx.index_as_i64(fd)?;
            if fd < 0 {
                return Err(cx.value_error(format!("opener returned {fd}")));
            }
            fd as i32
        }
        None => match open_collecting(cx, &path, open) {
            Ok(fd) => fd,
            Err(error) => return Err(io_error(cx, &error, Some(file))),
        },
    };
    let open = OpenFile::new(fd, true);
    cx.host_mut().open_files().add(open.clone());
    Ok((open, name))
}

/// Opens a file; where there are too many open, those that nobody refers to any more are closed first.
fn open_collecting(cx: &mut Cx, path: &[u8], open: &OpenMode) -> std::io::Result<i32> {
    const TOO_MANY: [i32; 2] = [24, 23];
    match cx.host_mut().open_file(path, *open) {
        Err(error) if error.raw_os_error().is_some_and(|e| TOO_MANY.contains(&e)) => {
            cx.collect(Collection::Major);
            cx.host_mut().flush_files();
            cx.host_mut().open_file(path, *open)
        }
        result => result,
    }
}

/// The flags of open(2), for openers.
fn open_flags(open: &OpenMode) -> i64 {
    let access = match (open.read, open.write) {
        (true, true) => 2,
        (false, true) => 1,
        _ => 0,
    };
    let flag = |set: bool, bits: i64| if set { bits } else { 0 };
    access
        | flag(open.create, 0o100)
        | flag(open.exclusive, 0o200)
        | flag(open.truncate, 0o1000)
        | flag(open.append, 0o2000)
        | 0o2_000_000
}

/// The raw file of a standard stream.
pub(super) fn standard_raw(cx: &mut Cx, fd: i32, mode: &'static str, name: &str) -> Root {
    let name = cx.str(name).value().raw();
    let payload = FileIo { file: OpenFile::new(fd, false), mode, read: fd == 0, write: fd != 0, seekable: None };
    new_object(cx, "FileIO", Box::new(payload), name)
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

/// Makes a buffer that of a standard stream: what it writes goes through the host's own buffer, as `print` does.
pub(super) fn set_standard(cx: &mut Cx, buffer: Root, stream: StdStream) -> Result<(), Raised> {
    with::<Buffered, _>(cx, buffer, |_, b| b.standard = Some(stream))
}

// ---- the descriptor ----

/// The open descriptor of a raw file.
fn descriptor(cx: &mut Cx, this: Root) -> Result<i32, Raised> {
    let fd = with::<FileIo, _>(cx, this, |_, f| f.file.fd.get())?;
    if fd < 0 { Err(cx.value_error("I/O operation on closed file")) } else { Ok(fd) }
}

/// Reads once from a descriptor, and again where a signal came in between.
fn read_some(cx: &mut Cx, fd: i32, count: usize) -> Result<Vec<u8>, Raised> {
    let mut bytes = vec![0; count.min(1 << 30)];
    loop {
        match cx.host_mut().read_fd(fd, &mut bytes) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(bytes);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => cx.check_signals()?,
            Err(error) => return Err(host_error(cx, &error)),
        }
    }
}

/// Reads to the end.
fn read_rest(cx: &mut Cx, fd: i32, into: &mut Vec<u8>) -> Result<(), Raised> {
    let size = match (cx.host().status_fd(fd), cx.host_mut().seek_fd(fd, SeekFrom::Current(0))) {
        (Ok(status), Ok(at)) => (status.size as u64).saturating_sub(at).min(1 << 30) as usize + 1,
        _ => 0,
    };
    let mut step = size.max(8192);
    loop {
        let bytes = read_some(cx, fd, step)?;
        if bytes.is_empty() {
            return Ok(());
        }
        into.extend_from_slice(&bytes);
        step = (into.len() / 2).clamp(8192, 8 << 20);
    }
}

fn seek_to(cx: &mut Cx, fd: i32, offset: i64, whence: i64) -> Result<u64, Raised> {
    let to = match whence {
        0 => match u64::try_from(offset) {
            Ok(at) => SeekFrom::Start(at),
            Err(_) => return Err(crate::native::types::exception::os_error(cx, 22, "Invalid argument", None)),
        },
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(crate::native::types::exception::os_error(cx, 22, "Invalid argument", None)),
    };
    match cx.host_mut().seek_fd(fd, to) {
        Ok(at) => Ok(at),
        Err(error) => Err(host_error(cx, &error)),
    }
}

/// Whether a raw file is a terminal.
pub(super) fn raw_is_terminal(cx: &mut Cx, raw: Root) -> bool {
    match with::<FileIo, _>(cx, raw, |_, f| f.file.fd.get()) {
        Ok(fd) => fd >= 0 && cx.host().is_terminal_fd(fd),
        Err(raised) => {
            cx.take_raised(raised);
            false
        }
    }
}

natives!(
    /// A file as the system has it: bytes, unbuffered.
    pub(super) static FILE_IO: Methods;

    /// Make an object that is not open yet.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        args: crate::vm::native::Rest,
        kwargs: crate::vm::native::KeywordRest,
    ) -> NativeResult {
        new_empty(cx, class)
    }

    /// Open a file.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] file: Root,
        #[either]
        #[text("'r'")]
        mode: Given<Root>,
        #[either]
        #[default(true)]
        #[text("True")]
        closefd: bool,
        #[either] opener: Option<Root>,
    ) -> NativeResult {
        let mode = match mode.0 {
            Some(mode) => crate::native::text_argument(cx, mode, "FileIO", "mode")?.replace('b', ""),
            None => "r".to_owned(),
        };
        let parsed = super::parse_mode(cx, &mode)?;
        let made = open_raw(cx, file, &parsed.open, parsed.raw, closefd, opener)?;
        let payload = with::<FileIo, _>(cx, made, |_, f| FileIo {
            file: f.file.clone(),
            mode: f.mode,
            read: f.read,
            write: f.write,
            seekable: None,
        })?;
        if let Some(object) = super::object(cx, this) {
            *object.get().payload.borrow_mut() = Box::new(payload);
        }
        set_inner(cx, this, file);
        Ok(Outcome::NONE)
    }

    /// Read at most so many bytes, by one call of the system; all of them where no size is given.
    fn read(cx: &mut Cx, this: Root, #[either] size: Option<Root>) -> NativeResult {
        let fd = readable_descriptor(cx, this)?;
        match size_of(cx, size)? {
            Some(size) => {
                let bytes = read_some(cx, fd, size)?;
                Ok(bytes_result(cx, &bytes))
            }
            None => {
                let mut bytes = vec![];
                read_rest(cx, fd, &mut bytes)?;
                Ok(bytes_result(cx, &bytes))
            }
        }
    }

    /// Read everything that is left.
    fn readall(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = readable_descriptor(cx, this)?;
        let mut bytes = vec![];
        read_rest(cx, fd, &mut bytes)?;
        Ok(bytes_result(cx, &bytes))
    }

    /// Read into a bytearray or memoryview, and return how many bytes.
    fn readinto(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let fd = readable_descriptor(cx, this)?;
        let room = room_of(cx, buffer)?;
        let bytes = read_some(cx, fd, room)?;
        copy_into(cx, buffer, &bytes)?;
        Ok((bytes.len() as i64).into())
    }

    /// Write bytes, and return how many were written.
    fn write(cx: &mut Cx, this: Root, b: Root) -> NativeResult {
        let bytes = bytes_of(cx, b)?;
        let fd = descriptor(cx, this)?;
        if !with::<FileIo, _>(cx, this, |_, f| f.write)? {
            return Err(unsupported(cx, "File not open for writing"));
        }
        loop {
            match cx.host_mut().write_fd(fd, &bytes) {
                Ok(count) => return Ok((count as i64).into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => cx.check_signals()?,
                Err(error) => return Err(host_error(cx, &error)),
            }
        }
    }

    /// Move to a position, and return it.
    fn seek(cx: &mut Cx, this: Root, pos: i64, #[default(0)] whence: i64) -> NativeResult {
        let fd = descriptor(cx, this)?;
        Ok((seek_to(cx, fd, pos, whence)? as i64).into())
    }

    /// Return the position.
    fn tell(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = descriptor(cx, this)?;
        Ok((seek_to(cx, fd, 0, 1)? as i64).into())
    }

    /// Set the size of the file, by default to the position.
    fn truncate(cx: &mut Cx, this: Root, #[either] size: Option<i64>) -> NativeResult {
        let fd = descriptor(cx, this)?;
        if !with::<FileIo, _>(cx, this, |_, f| f.write)? {
            return Err(unsupported(cx, "File not open for writing"));
        }
        let size = match size {
            Some(size) => size,
            None => seek_to(cx, fd, 0, 1)? as i64,
        };
        match cx.host_mut().truncate_fd(fd, size.max(0) as u64) {
            Ok(()) => Ok(size.into()),
            Err(error) => Err(host_error(cx, &error)),
        }
    }

    /// Close the file.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        close_raw(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Whether it can be read from.
    fn readable(cx: &mut Cx, this: Root) -> NativeResult {
        descriptor(cx, this)?;
        Ok(with::<FileIo, _>(cx, this, |_, f| f.read)?.into())
    }

    /// Whether it can be written to.
    fn writable(cx: &mut Cx, this: Root) -> NativeResult {
        descriptor(cx, this)?;
        Ok(with::<FileIo, _>(cx, this, |_, f| f.write)?.into())
    }

    /// Whether it has positions.
    fn seekable(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(raw_seekable(cx, this)?.into())
    }

    /// The descriptor.
    fn fileno(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(descriptor(cx, this)?).into())
    }

    /// Whether it is a terminal.
    fn isatty(cx: &mut Cx, this: Root) -> NativeResult {
        let fd = descriptor(cx, this)?;
        Ok(cx.host().is_terminal_fd(fd).into())
    }

    /// Whether it is closed.
    #[getter]
    fn closed(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with::<FileIo, _>(cx, this, |_, f| f.file.fd.get() < 0)?.into())
    }

    /// Whether the descriptor is closed with the object.
    #[getter]
    fn closefd(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with::<FileIo, _>(cx, this, |_, f| f.file.owned.get())?.into())
    }

    /// The mode.
    #[getter]
    fn mode(cx: &mut Cx, this: Root) -> NativeResult {
        let mode = with::<FileIo, _>(cx, this, |_, f| f.mode)?;
        Ok(cx.str(mode).into())
    }

    /// The path or descriptor it was opened by.
    #[getter]
    fn name(cx: &mut Cx, this: Root) -> NativeResult {
        let name = inner(cx, this);
        Ok(name.get(cx).into())
    }

    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (closed, mode, closefd) =
            with::<FileIo, _>(cx, this, |_, f| (f.file.fd.get() < 0, f.mode, f.file.owned.get()))?;
        if closed {
            return Ok(cx.str("<_io.FileIO [closed]>").into());
        }
        let name = inner(cx, this);
        let name = cx.repr_text(name)?;
        let closefd = if closefd { "True" } else { "False" };
        Ok(cx.str(&format!("<_io.FileIO name={name} mode='{mode}' closefd={closefd}>")).into())
    }
);

fn readable_descriptor(cx: &mut Cx, this: Root) -> Result<i32, Raised> {
    let fd = descriptor(cx, this)?;
    if !with::<FileIo, _>(cx, this, |_, f| f.read)? {
        return Err(unsupported(cx, "File not open for reading"));
    }
    Ok(fd)
}

fn raw_seekable(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
    let fd = descriptor(cx, this)?;
    if let Some(known) = with::<FileIo, _>(cx, this, |_, f| f.seekable)? {
        return Ok(known);
    }
    let seekable = cx.host_mut().seek_fd(fd, SeekFrom::Current(0)).is_ok();
    with::<FileIo, _>(cx, this, |_, f| f.seekable = Some(seekable))?;
    Ok(seekable)
}

fn close_raw(cx: &mut Cx, this: Root) -> Result<(), Raised> {
    let file = with::<FileIo, _>(cx, this, |_, f| f.file.clone())?;
    let fd = file.fd.replace(-1);
    if fd >= 0
        && file.owned.get()
        && let Err(error) = cx.host_mut().close_fd(fd)
    {
        return Err(host_error(cx, &error));
    }
    Ok(())
}

// ---- buffers, for the layers above ----

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
        loop {
            match cx.host_mut().read_line() {
                Ok(line) => return Ok(line),
                Err(error) if error.kind() == ErrorKind::Interrupted => cx.check_signals()?,
                Err(error) => return Err(host_error(cx, &error)),
            }
        }
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
            out.extend_from_slice(&bytes);
        },
        Some(count) => {
            while out.len() < count && fill(cx, this)? {
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
    fn __new__(
        cx: &mut Cx,
        class: Root,
        args: crate::vm::native::Rest,
        kwargs: crate::vm::native::KeywordRest,
    ) -> NativeResult {
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
        let room = room_of(cx, buffer)?;
        before_reading(cx, this, "readinto of closed file")?;
        let bytes = self::read(cx, this, Some(room))?;
        copy_into(cx, buffer, &bytes)?;
        Ok((bytes.len() as i64).into())
    }

    /// Read into a bytearray or memoryview, asking the system at most once.
    fn readinto1(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let room = room_of(cx, buffer)?;
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
