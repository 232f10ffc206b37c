//! The lowest layer: `FileIO`, a descriptor.

use std::io::{ErrorKind, SeekFrom};
use std::rc::Rc;

use crate::heap::Raw;
use crate::native::natives;
use crate::native::types::exception::io_error;
use crate::object::Payload;
use crate::vm::host::{OpenFile, OpenMode};
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::{
    bytes_of, bytes_result, copy_into, host_error, inner, new_empty, new_object, room_of, set_inner, size_of,
    unsupported, with,
};

/// A descriptor. The slot has its name.
#[derive(Debug)]
pub(super) struct FileIo {
    pub(super) file: Rc<OpenFile>,
    pub(super) mode: &'static str,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) seekable: Option<bool>,
}
impl Payload for FileIo {}

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
            return Err(io_error(cx, &error, None));
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
        None => match cx.reclaiming(|cx| cx.host_mut().open_file(&path, *open)) {
            Ok(fd) => fd,
            Err(error) => return Err(io_error(cx, &error, Some(file))),
        },
    };
    let open = OpenFile::new(fd, true);
    cx.host_mut().open_files().add(open.clone());
    Ok((open, name))
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

// ---- the descriptor ----

/// The open descriptor of a raw file.
fn descriptor(cx: &mut Cx, this: Root) -> Result<i32, Raised> {
    let fd = with::<FileIo, _>(cx, this, |_, f| f.file.fd.get())?;
    if fd < 0 { Err(cx.value_error("I/O operation on closed file")) } else { Ok(fd) }
}

/// Reads once from a descriptor, and again where a signal came in between.
pub(super) fn read_some(cx: &mut Cx, fd: i32, count: usize) -> Result<Vec<u8>, Raised> {
    let count = count.min(1 << 30);
    let mut bytes = vec![];
    cx.grow(&mut bytes, count)?;
    bytes.resize(count, 0);
    loop {
        cx.before_io(fd, false)?;
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
pub(super) fn read_rest(cx: &mut Cx, fd: i32, into: &mut Vec<u8>) -> Result<(), Raised> {
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
        cx.grow(into, bytes.len())?;
        into.extend_from_slice(&bytes);
        step = (into.len() / 2).clamp(8192, 8 << 20);
    }
}

pub(super) fn seek_to(cx: &mut Cx, fd: i32, offset: i64, whence: i64) -> Result<u64, Raised> {
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
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
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
        if mode.chars().any(|c| !"rwaxbt+".contains(c)) {
            return Err(cx.value_error(format!("invalid mode: {mode}")));
        }
        let count = |of: &str| mode.chars().filter(|c| of.contains(*c)).count();
        if count("rwax") != 1 || count("+") > 1 {
            return Err(cx.value_error("Must have exactly one of create/read/write/append mode and at most one plus"));
        }
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
        let room = room_of(cx, buffer, "readinto")?;
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
            cx.before_io(fd, true)?;
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

pub(super) fn close_raw(cx: &mut Cx, this: Root) -> Result<(), Raised> {
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
