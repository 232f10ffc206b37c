//! The module `posix`: what `os` is made of. `stdlib/os.aio` gives it the form that scripts know.

use crate::heap::{Raw, Value};
use crate::native::io::{path_of, path_text};
use crate::native::natives;
use crate::native::types::exception::{io_error, plain_path};
use crate::object::Dict;
use crate::text::wtf8;
use crate::vm::host::{Choice, FileStatus, OpenMode};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use super::set;

/// A path argument: None stands for the working folder.
fn path(cx: &mut Cx, given: Root, function: &str) -> Result<Vec<u8>, Raised> {
    path_of(cx, given, function)
}

/// The result of something done to a path.
fn done(cx: &mut Cx, result: std::io::Result<()>, path: Root) -> NativeResult {
    match result {
        Ok(()) => Ok(Outcome::NONE),
        Err(error) => Err(io_error(cx, &error, Some(path))),
    }
}

/// As `done`, for two paths.
fn done_twice(cx: &mut Cx, result: std::io::Result<()>, from: Root, to: Root) -> NativeResult {
    let Err(error) = result else { return Ok(Outcome::NONE) };
    let raised = io_error(cx, &error, Some(from));
    let exception = cx.take_raised(raised);
    let exception = cx.push_raw(exception);
    let to = plain_path(cx, to);
    cx.set_exception_field(exception, crate::object::Exc::OSError, "filename2", to);
    Err(cx.raise(exception))
}

fn int_of(cx: &Cx, value: Root) -> Option<i32> {
    let value = cx.payload(value.get(cx));
    value.as_int().or_else(|| value.as_bool().map(i64::from)).and_then(|i| i32::try_from(i).ok())
}

/// The fields of a stat_result as a tuple: those of the tuple, then times as floats and nanoseconds, block size, blocks, rdev.
fn status_tuple(cx: &mut Cx, status: &FileStatus) -> Outcome {
    let seconds = |nanos: i128| nanos.div_euclid(1_000_000_000) as i64;
    let float = |nanos: i128| Value::float(seconds(nanos) as f64 + nanos.rem_euclid(1_000_000_000) as f64 * 1e-9);
    let items = [
        Value::int(i64::from(status.mode)),
        Value::int(status.ino as i64),
        Value::int(status.dev as i64),
        Value::int(status.nlink as i64),
        Value::int(i64::from(status.uid)),
        Value::int(i64::from(status.gid)),
        Value::int(status.size),
        Value::int(seconds(status.atime)),
        Value::int(seconds(status.mtime)),
        Value::int(seconds(status.ctime)),
        float(status.atime),
        float(status.mtime),
        float(status.ctime),
        Value::int(status.atime as i64),
        Value::int(status.mtime as i64),
        Value::int(status.ctime as i64),
        Value::int(status.block_size),
        Value::int(status.blocks),
        Value::int(status.rdev as i64),
    ];
    cx.tuple(&items).into()
}

/// A variable's name or value: bytes that are no UTF-8 are surrogates in the script, and stand-ins for the host.
fn variable_text(cx: &mut Cx, root: Root, param: &'static str) -> Result<String, Raised> {
    let Some(text) = cx.as_str(root.get(cx)) else { return super::text_argument(cx, root, "putenv", param) };
    let bytes = text.as_bytes().to_vec();
    let mut system = Vec::with_capacity(bytes.len());
    for point in wtf8::code_points(&bytes) {
        match point {
            0xdc80..=0xdcff => system.push((point - 0xdc00) as u8),
            0xd800..=0xdfff => return Err(cx.surrogate_error(root)),
            point => wtf8::push(&mut system, point),
        }
    }
    Ok(wtf8::of_system(&system))
}

natives!(
    /// The system's own functions.
    pub static POSIX: Functions;

    /// Return the fields of os.stat_result for a path or descriptor.
    fn stat(
        cx: &mut Cx,
        #[either] path: Root,
        #[either]
        #[default(true)]
        follow: bool,
    ) -> NativeResult {
        // What is not written yet counts for the size.
        cx.host_mut().flush_files();
        let result = match int_of(cx, path) {
            Some(fd) => cx.host().status_fd(fd),
            None => {
                let bytes = self::path(cx, path, "stat")?;
                cx.host().status(&bytes, follow)
            }
        };
        match result {
            Ok(status) => Ok(status_tuple(cx, &status)),
            Err(error) => Err(io_error(cx, &error, Some(path))),
        }
    }

    /// Return what kind of thing a path is: `file`, `folder`, `link`, `other`, or None.
    fn kind(cx: &mut Cx, path: Root, #[default(true)] follow: bool) -> NativeResult {
        let result = match int_of(cx, path) {
            Some(fd) => cx.host().status_fd(fd),
            None => {
                let bytes = self::path(cx, path, "stat")?;
                cx.host().status(&bytes, follow)
            }
        };
        let kind = match result {
            Ok(status) if status.is_file() => "file",
            Ok(status) if status.is_folder() => "folder",
            Ok(status) if status.is_link() => "link",
            Ok(_) => "other",
            Err(_) => return Ok(Outcome::NONE),
        };
        Ok(cx.str(kind).into())
    }

    /// Return the entries of a folder as tuples: name, whether it is a folder, whether it is a link, inode.
    fn entries(cx: &mut Cx, path: Root) -> NativeResult {
        cx.host_mut().flush_files();
        let bytes = self::path(cx, path, "scandir")?;
        let entries = match cx.host().list_folder(&bytes) {
            Ok(entries) => entries,
            Err(error) => return Err(io_error(cx, &error, Some(path))),
        };
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        for entry in entries {
            let mark = cx.mark();
            let name = path_text(cx, &entry.name);
            let flag = |known: Option<bool>| known.map_or(Value::NONE, Value::bool);
            let items = [Value::adopt(name), flag(entry.is_folder), flag(entry.is_link), Value::int(entry.ino as i64)];
            let tuple = cx.tuple(&items).value().raw();
            let tuple = cx.push_raw(tuple);
            cx.list_push(list, tuple)?;
            cx.release(mark);
        }
        Ok(list.get(cx).into())
    }

    /// Return the names in a folder.
    fn listdir(
        cx: &mut Cx,
        #[either]
        #[default(None)]
        #[text("None")]
        path: Option<Root>,
    ) -> NativeResult {
        cx.host_mut().flush_files();
        let bytes = match path {
            Some(path) => self::path(cx, path, "listdir")?,
            None => b".".to_vec(),
        };
        let entries = match cx.host().list_folder(&bytes) {
            Ok(entries) => entries,
            Err(error) => return Err(io_error(cx, &error, path)),
        };
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        for entry in entries {
            let mark = cx.mark();
            let name = path_text(cx, &entry.name);
            let name = cx.push_raw(name);
            cx.list_push(list, name)?;
            cx.release(mark);
        }
        Ok(list.get(cx).into())
    }

    /// Make a folder.
    fn mkdir(
        cx: &mut Cx,
        #[either] path: Root,
        #[either]
        #[default(511)]
        mode: i64,
    ) -> NativeResult {
        let bytes = self::path(cx, path, "mkdir")?;
        let result = cx.host_mut().make_folder(&bytes, mode as u32);
        done(cx, result, path)
    }

    /// Remove an empty folder.
    fn rmdir(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        let bytes = self::path(cx, path, "rmdir")?;
        let result = cx.host_mut().remove_folder(&bytes);
        done(cx, result, path)
    }

    /// Remove a file.
    fn remove(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        let bytes = self::path(cx, path, "remove")?;
        let result = cx.host_mut().remove_file(&bytes);
        done(cx, result, path)
    }

    /// Remove a file.
    fn unlink(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        let bytes = self::path(cx, path, "unlink")?;
        let result = cx.host_mut().remove_file(&bytes);
        done(cx, result, path)
    }

    /// Rename a file or folder.
    fn rename(cx: &mut Cx, #[either] src: Root, #[either] dst: Root) -> NativeResult {
        cx.host_mut().flush_files();
        let from = self::path(cx, src, "rename")?;
        let to = self::path(cx, dst, "rename")?;
        let result = cx.host_mut().rename(&from, &to);
        done_twice(cx, result, src, dst)
    }

    /// Rename a file or folder, replacing what is there.
    fn replace(cx: &mut Cx, #[either] src: Root, #[either] dst: Root) -> NativeResult {
        cx.host_mut().flush_files();
        let from = self::path(cx, src, "replace")?;
        let to = self::path(cx, dst, "replace")?;
        let result = cx.host_mut().rename(&from, &to);
        done_twice(cx, result, src, dst)
    }

    /// Make a second name for a file.
    fn link(cx: &mut Cx, #[either] src: Root, #[either] dst: Root) -> NativeResult {
        let to = self::path(cx, src, "link")?;
        let at = self::path(cx, dst, "link")?;
        let result = cx.host_mut().link(&to, &at, false);
        done_twice(cx, result, src, dst)
    }

    /// Make a symbolic link.
    fn symlink(
        cx: &mut Cx,
        #[either] src: Root,
        #[either] dst: Root,
        #[either]
        #[default(false)]
        target_is_directory: bool,
    ) -> NativeResult {
        let to = self::path(cx, src, "symlink")?;
        let at = self::path(cx, dst, "symlink")?;
        let result = cx.host_mut().link(&to, &at, true);
        done_twice(cx, result, src, dst)
    }

    /// Return what a symbolic link says.
    fn readlink(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        let bytes = self::path(cx, path, "readlink")?;
        match cx.host().read_link(&bytes) {
            Ok(target) => Ok(Outcome::Value(path_text(cx, &target))),
            Err(error) => Err(io_error(cx, &error, Some(path))),
        }
    }

    /// Set the permission bits.
    fn chmod(cx: &mut Cx, #[either] path: Root, #[either] mode: i64) -> NativeResult {
        let bytes = self::path(cx, path, "chmod")?;
        let result = cx.host_mut().set_permissions(&bytes, mode as u32);
        done(cx, result, path)
    }

    /// Set the times of last access and change, in nanoseconds.
    fn set_times(cx: &mut Cx, path: Root, access: i64, change: i64) -> NativeResult {
        cx.host_mut().flush_files();
        let bytes = self::path(cx, path, "utime")?;
        let result = cx.host_mut().set_times(&bytes, i128::from(access), i128::from(change));
        done(cx, result, path)
    }

    /// Return the time in nanoseconds since the epoch.
    fn now(cx: &mut Cx) -> NativeResult {
        let seconds = cx.host().time();
        Ok(((seconds * 1e9) as i64).into())
    }

    /// Return whether the user may do something with a path.
    fn access(cx: &mut Cx, #[either] path: Root, #[either] mode: i64) -> NativeResult {
        let bytes = self::path(cx, path, "access")?;
        Ok(cx.host().may_access(&bytes, mode as u32).into())
    }

    /// Return the working folder.
    fn getcwd(cx: &mut Cx) -> NativeResult {
        match cx.host().working_folder() {
            Ok(folder) => Ok(cx.str(&folder).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Change the working folder.
    fn chdir(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        let bytes = self::path(cx, path, "chdir")?;
        let result = cx.host_mut().set_working_folder(&bytes);
        done(cx, result, path)
    }

    /// Return a path as str or bytes.
    fn fspath(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        let value = path.get(cx);
        if cx.as_str(value).is_some() || matches!(value.kind(), crate::heap::Kind::Bytes) {
            return Ok(path.get(cx).into());
        }
        // None stands for no method.
        let class = cx.class_of(path.get(cx)).held();
        let name = cx.name(crate::vm::Name::Fspath).held();
        let method = cx.lookup_class(class, name).is_some_and(|method| !method.is_none());
        let result = if method { cx.call_special(path, crate::vm::Name::Fspath, &[])? } else { None };
        match result {
            Some(result) => {
                let kind = result.get(cx).kind();
                if matches!(kind, crate::heap::Kind::Str | crate::heap::Kind::Bytes) {
                    return Ok(result.get(cx).into());
                }
                let (class, got) = (cx.type_name_for_error(path.get(cx)), cx.type_name_for_error(result.get(cx)));
                Err(cx.type_error(format!("expected {class}.__fspath__() to return str or bytes, not {got}")))
            }
            None => {
                let got = cx.type_name_for_error(path.get(cx));
                Err(cx.type_error(format!("expected str, bytes or os.PathLike object, not {got}")))
            }
        }
    }

    /// Return the environment as a dict.
    fn environment(cx: &mut Cx) -> NativeResult {
        let dict = Dict::new(&cx.heap).value().raw();
        let dict = cx.push_raw(dict);
        for (name, value) in cx.host().variables() {
            let mark = cx.mark();
            let name = cx.message(&name);
            let name = cx.push_raw(name);
            let value = cx.message(&value);
            let value = cx.push_raw(value);
            cx.dict_set(dict, name, value)?;
            cx.release(mark);
        }
        Ok(dict.get(cx).into())
    }

    /// Set an environment variable; None removes it.
    fn set_variable(cx: &mut Cx, name: Root, value: Option<Root>) -> NativeResult {
        let name = variable_text(cx, name, "name")?;
        let value = match value {
            Some(value) => Some(variable_text(cx, value, "value")?),
            None => None,
        };
        if name.is_empty() || name.contains('=') {
            return Err(cx.value_error("illegal environment variable name"));
        }
        if name.contains('\0') || value.as_ref().is_some_and(|v| v.contains('\0')) {
            return Err(cx.value_error("embedded null byte"));
        }
        if name == "TZ" {
            // What it says now is still what local time goes by until `time.tzset`.
            super::local_time::zone(cx);
        }
        cx.host_mut().set_variable(&name, value.as_deref());
        Ok(Outcome::NONE)
    }

    /// Return the process's id.
    fn getpid(cx: &mut Cx) -> NativeResult {
        let natural = u64::from(cx.host().process_id());
        Ok((cx.host_mut().decide(Choice::ProcessId, natural) as i64).into())
    }

    /// Return the id of the process that started this one.
    fn getppid(cx: &mut Cx) -> NativeResult {
        let natural = u64::from(cx.host().parent_id());
        Ok((cx.host_mut().decide(Choice::ProcessId, natural) as i64).into())
    }

    /// Return the user's id.
    fn getuid(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(cx.host().user_ids()[0]).into())
    }

    /// Return the id of the user whose rights count.
    fn geteuid(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(cx.host().user_ids()[1]).into())
    }

    /// Return the group's id.
    fn getgid(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(cx.host().user_ids()[2]).into())
    }

    /// Return the id of the group whose rights count.
    fn getegid(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(cx.host().user_ids()[3]).into())
    }

    /// Return so many random bytes.
    fn urandom(cx: &mut Cx, size: i64) -> NativeResult {
        let Ok(size) = usize::try_from(size) else { return Err(cx.value_error("negative argument not allowed")) };
        let mut bytes = vec![];
        cx.grow(&mut bytes, size)?;
        bytes.resize(size, 0);
        match cx.host_mut().random_bytes(&mut bytes) {
            Ok(()) => Ok(crate::object::Bytes::new(&cx.heap, &bytes).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Return the number of processors.
    fn cpu_count(cx: &mut Cx) -> NativeResult {
        Ok((cx.host().processors() as i64).into())
    }

    /// Return what the system says about an errno.
    fn strerror(cx: &mut Cx, code: i64) -> NativeResult {
        let text = i32::try_from(code).map_or_else(|_| format!("Unknown error {code}"), crate::errno::text);
        Ok(cx.str(&text).into())
    }

    /// End the process at once: nothing is flushed, no handler runs.
    fn _exit(cx: &mut Cx, #[either] status: i64) -> NativeResult {
        cx.host_mut().exit(status as i32)
    }

    /// Open a file by the flags of the system, and return its descriptor.
    fn open(
        cx: &mut Cx,
        #[either] path: Root,
        #[either] flags: i64,
        #[either]
        #[default(511)]
        mode: i64,
    ) -> NativeResult {
        cx.host_mut().flush_files();
        let bytes = self::path(cx, path, "open")?;
        let access = flags & 3;
        let open = OpenMode {
            read: access != 1,
            write: access != 0,
            append: flags & 0o2000 != 0,
            create: flags & 0o100 != 0,
            truncate: flags & 0o1000 != 0,
            exclusive: flags & 0o200 != 0,
            permissions: Some(mode as u32 & 0o7777),
            flags: flags as u32 & !0o3303,
            folders: true,
        };
        match cx.reclaiming(|cx| cx.host_mut().open_file(&bytes, open)) {
            Ok(fd) => Ok(i64::from(fd).into()),
            Err(error) => Err(io_error(cx, &error, Some(path))),
        }
    }

    /// Close a descriptor.
    fn close(cx: &mut Cx, #[either] fd: i64) -> NativeResult {
        let result = cx.host().status_fd(fd as i32).map(|_| ()).and_then(|()| cx.host_mut().close_fd(fd as i32));
        match result {
            Ok(()) => Ok(Outcome::NONE),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Make a pipe: a descriptor to read from, and one to write to.
    fn pipe(cx: &mut Cx) -> NativeResult {
        match cx.reclaiming(|cx| cx.host_mut().open_pipe()) {
            Ok((read, write)) => {
                let pair = [read, write].map(|fd| crate::heap::Value::int(i64::from(fd)));
                Ok(cx.tuple(&pair).into())
            }
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Return a second descriptor for the same file.
    fn dup(cx: &mut Cx, fd: i64) -> NativeResult {
        match cx.reclaiming(|cx| cx.host_mut().network().duplicate(fd as i32)) {
            Ok(new) => Ok(i64::from(new).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Set whether reading and writing wait.
    fn set_blocking(cx: &mut Cx, fd: i64, blocking: bool) -> NativeResult {
        match cx.host_mut().network().set_nonblocking(fd as i32, !blocking) {
            Ok(()) => Ok(Outcome::NONE),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Whether reading and writing wait.
    fn get_blocking(cx: &mut Cx, fd: i64) -> NativeResult {
        match cx.host_mut().network().is_nonblocking(fd as i32) {
            Ok(on) => Ok((!on).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Read at most so many bytes from a descriptor.
    fn read(cx: &mut Cx, fd: i64, length: i64) -> NativeResult {
        let length = length.clamp(0, 1 << 30) as usize;
        let mut bytes = vec![];
        cx.grow(&mut bytes, length)?;
        bytes.resize(length, 0);
        loop {
            cx.before_io(fd as i32, false)?;
            match cx.host_mut().read_fd(fd as i32, &mut bytes) {
                Ok(count) => return Ok(crate::object::Bytes::new(&cx.heap, &bytes[..count]).into()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => cx.check_signals()?,
                Err(error) => return Err(io_error(cx, &error, None)),
            }
        }
    }

    /// Write bytes to a descriptor, and return how many were written.
    fn write(cx: &mut Cx, fd: i64, data: Root) -> NativeResult {
        let bytes = crate::native::types::bytes::bytes_like(cx, data)?.to_vec();
        cx.before_io(fd as i32, true)?;
        match cx.host_mut().write_fd(fd as i32, &bytes) {
            Ok(count) => Ok((count as i64).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Read at most so many bytes at a position.
    fn pread(cx: &mut Cx, fd: i64, length: i64, offset: i64) -> NativeResult {
        let length = length.clamp(0, 1 << 30) as usize;
        let mut bytes = vec![];
        cx.grow(&mut bytes, length)?;
        bytes.resize(length, 0);
        match cx.host_mut().read_at(fd as i32, &mut bytes, offset as u64) {
            Ok(count) => Ok(crate::object::Bytes::new(&cx.heap, &bytes[..count]).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Write bytes at a position, and return how many were written.
    fn pwrite(cx: &mut Cx, fd: i64, data: Root, offset: i64) -> NativeResult {
        let bytes = crate::native::types::bytes::bytes_like(cx, data)?.to_vec();
        match cx.host_mut().write_at(fd as i32, &bytes, offset as u64) {
            Ok(count) => Ok((count as i64).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Make a descriptor a second number for what another stands for.
    fn dup2(
        cx: &mut Cx,
        #[either] fd: i64,
        #[either] fd2: i64,
        #[either]
        #[default(true)]
        inheritable: bool,
    ) -> NativeResult {
        cx.host_mut().flush_files();
        match cx.host_mut().duplicate_to(fd as i32, fd2 as i32, inheritable) {
            Ok(()) => Ok(fd2.into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Move a descriptor's position, and return it.
    fn lseek(cx: &mut Cx, fd: i64, position: i64, how: i64) -> NativeResult {
        use std::io::SeekFrom;
        let to = match how {
            0 => SeekFrom::Start(position.max(0) as u64),
            1 => SeekFrom::Current(position),
            _ => SeekFrom::End(position),
        };
        match cx.host_mut().seek_fd(fd as i32, to) {
            Ok(at) => Ok((at as i64).into()),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Wait until what was written to a descriptor is on the disk.
    fn fsync(cx: &mut Cx, #[either] fd: Root) -> NativeResult {
        let fd = match int_of(cx, fd) {
            Some(fd) => fd,
            None => {
                let number = cx.call_method(fd, "fileno", &[])?;
                cx.index_as_i64(number)? as i32
            }
        };
        match cx.host_mut().sync_fd(fd) {
            Ok(()) => Ok(Outcome::NONE),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Set the size of an open file.
    fn ftruncate(cx: &mut Cx, fd: i64, length: i64) -> NativeResult {
        match cx.host_mut().truncate_fd(fd as i32, length.max(0) as u64) {
            Ok(()) => Ok(Outcome::NONE),
            Err(error) => Err(io_error(cx, &error, None)),
        }
    }

    /// Return whether a descriptor is a terminal.
    fn isatty(cx: &mut Cx, fd: i64) -> NativeResult {
        Ok(cx.host().is_terminal_fd(fd as i32).into())
    }
);

/// Installs the module `posix`.
pub(crate) fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("posix").held();
    cx.functions_of(module, &POSIX);
    Ok(())
}

/// Installs the module `errno`.
pub(crate) fn install_errno(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("errno").value().raw();
    let module = cx.push_raw(module);
    let names = Dict::new(&cx.heap).value().raw();
    let names = cx.push_raw(names);
    for (name, number) in crate::errno::NAMES {
        let mark = cx.mark();
        let value = cx.push_raw(Raw::int(i64::from(*number)));
        set(cx, module, name, value)?;
        let text = cx.str(name).value().raw();
        let text = cx.push_raw(text);
        // Of two names for one number the first is the usual one.
        if cx.dict_get(names, value)?.is_none() {
            cx.dict_set(names, value, text)?;
        }
        cx.release(mark);
    }
    set(cx, module, "errorcode", names)
}
