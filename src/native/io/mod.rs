//! `io` and `open`: files in three layers (the descriptor, the buffer, the text), and `StringIO` and `BytesIO`.
//!
//! `file.rs` has descriptors, `buffer.rs` buffers, `text.rs` the text layer, `memory.rs` what is in memory, `base.rs` what all of them share and
//! scripts derive from. What is not written yet is kept with the host (`vm::host::OpenFile`), so it is written even if the object is gone.

mod base;
mod buffer;
mod file;
mod memory;
mod text;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::exception::io_error;
use crate::object::{Bytes, ClassFlags, Exc, NativeObject, Payload, Str};
use crate::text::codec::{Encoding, Handler};
use crate::vm::host::{OpenMode, StdStream};
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};
use crate::vm::{Name, TypeRow};

use buffer::Layer;

/// Bytes a buffer holds.
const BUFFER: usize = 128 * 1024;

type Object = Gc<'static, NativeObject>;

/// The classes, bases first.
static TYPES: &[TypeRow] = &[
    TypeRow::native("io", "IOBase", &[&base::IO_BASE]).with(ClassFlags::OPEN),
    TypeRow::native("io", "RawIOBase", &[&base::RAW_IO_BASE]).derived("IOBase").with(ClassFlags::OPEN),
    TypeRow::native("io", "BufferedIOBase", &[&base::BUFFERED_IO_BASE]).derived("IOBase").with(ClassFlags::OPEN),
    TypeRow::native("io", "TextIOBase", &[&base::TEXT_IO_BASE]).derived("IOBase").with(ClassFlags::OPEN),
    TypeRow::native("_io", "FileIO", &[&file::FILE_IO]).derived("RawIOBase").with(ClassFlags::OPEN),
    TypeRow::native("_io", "BufferedReader", &[&buffer::BUFFERED, &buffer::READING, &buffer::BUFFERED_READER])
        .derived("BufferedIOBase")
        .with(ClassFlags::OPEN),
    TypeRow::native("_io", "BufferedWriter", &[&buffer::BUFFERED, &buffer::WRITING, &buffer::BUFFERED_WRITER])
        .derived("BufferedIOBase")
        .with(ClassFlags::OPEN),
    TypeRow::native(
        "_io",
        "BufferedRandom",
        &[&buffer::BUFFERED, &buffer::READING, &buffer::WRITING, &buffer::BUFFERED_RANDOM],
    )
    .derived("BufferedIOBase")
    .with(ClassFlags::OPEN),
    TypeRow::native("_io", "TextIOWrapper", &[&text::TEXT_IO_WRAPPER]).derived("TextIOBase").with(ClassFlags::OPEN),
    TypeRow::native("_io", "StringIO", &[&memory::STRING_IO, &memory::STATE])
        .derived("TextIOBase")
        .with(ClassFlags::OPEN),
    TypeRow::native("_io", "BytesIO", &[&memory::BYTES_IO, &memory::STATE])
        .derived("BufferedIOBase")
        .with(ClassFlags::OPEN),
];

/// Makes the classes, unless they are there.
fn ensure(cx: &mut Cx) {
    if !cx.types.named.iter().any(|(name, _)| *name == "TextIOWrapper") {
        cx.install_types(TYPES);
        // Instances have a dict, but the classes themselves can't be changed, and messages name them with their module.
        for row in TYPES.iter().filter(|row| row.module == "_io") {
            let class = cx.named_class(row.name);
            class.get().flags.set(class.get().flags.get() - ClassFlags::OPEN);
        }
    }
}

/// The payload of an object of which `__init__` was not called yet, and of those that scripts derive from the bases.
#[derive(Debug)]
struct Empty;
impl Payload for Empty {}

/// A new object of a class with this payload and one slot.
fn new_object(cx: &mut Cx, class: &'static str, payload: Box<dyn Payload>, slot: Raw) -> Root {
    let object = cx.heap.alloc_slots(NativeObject::new(payload, 1), |_| Value::adopt(slot));
    object.set_shape(cx.named_class(class).get().root_shape.get());
    let raw = object.value().raw();
    cx.push_raw(raw)
}

/// `__new__` of every class: an empty object of the class given.
fn new_empty(cx: &mut Cx, class: Root) -> NativeResult {
    let Some(class) = class.get(cx).exact::<crate::object::Class>() else {
        return Err(cx.type_error("__new__(X): X is not a type object".into()));
    };
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(Empty), 1), |_| Value::NONE);
    object.set_shape(class.get().root_shape.get());
    let (finaliser, object) = (class.has(ClassFlags::FINALISER), object.value().raw());
    if finaliser {
        cx.made_finalisable(object);
    }
    Ok(Outcome::Value(object))
}

fn object(cx: &Cx, this: Root) -> Option<Object> {
    this.get(cx).cell_of_kind::<NativeObject>().map(Gc::held)
}

/// Works with the payload of an object that must have one of this type.
fn with<T: Payload, R>(cx: &mut Cx, this: Root, work: impl FnOnce(&mut Cx, &mut T) -> R) -> Result<R, Raised> {
    // The payload is taken out: what works with it may need the machine.
    match object(cx, this) {
        Some(object) => match object.with::<T, R>(|payload| work(cx, payload)) {
            Some(result) => Ok(result),
            None => Err(cx.value_error("I/O operation on uninitialized object")),
        },
        None => Err(cx.type_error("an I/O object is required".into())),
    }
}

fn has<T: Payload>(cx: &Cx, this: Root) -> bool {
    object(cx, this).is_some_and(|o| o.with::<T, ()>(|_| ()).is_some())
}

/// The object in the slot of another: the raw file of a buffer, the buffer of a text.
fn inner(cx: &mut Cx, this: Root) -> Root {
    let raw = object(cx, this).map_or(Raw::NONE, |o| o.tail()[0].get().raw());
    cx.push_raw(raw)
}

fn set_inner(cx: &Cx, this: Root, value: Root) {
    if let Some(object) = object(cx, this) {
        object.set_tail(&cx.heap, 0, value.get(cx));
    }
}

/// Whether a value is of a class of this module itself, none that a script derived: then its methods need not be looked up.
fn is_own(cx: &Cx, value: Root) -> bool {
    let value = value.get(cx);
    value.kind() == Kind::NativeObject && !cx.class_of(value).has(ClassFlags::HEAP)
}

fn unsupported(cx: &mut Cx, what: &str) -> Raised {
    match unsupported_class(cx) {
        Ok(class) => {
            let text = cx.str(what).value().raw();
            let text = cx.push_raw(text);
            match cx.call(class, &[text]) {
                Ok(exception) => cx.raise(exception),
                Err(raised) => raised,
            }
        }
        Err(raised) => raised,
    }
}

/// `io.UnsupportedOperation`, which is made when it is first needed.
fn unsupported_class(cx: &mut Cx) -> Result<Root, Raised> {
    let module = cx.import("io")?;
    cx.attribute(module, "UnsupportedOperation")
}

fn closed_error(cx: &mut Cx) -> Raised {
    cx.value_error("I/O operation on closed file.")
}

fn bytes_result(cx: &Cx, bytes: &[u8]) -> Outcome {
    Bytes::new(&cx.heap, bytes).into()
}

/// A text of WTF-8.
fn text_result(cx: &mut Cx, bytes: &[u8]) -> NativeResult {
    if bytes.len() > Str::LIMIT {
        return Err(cx.memory_error());
    }
    if let [byte] = bytes {
        return Ok(cx.character(*byte).into());
    }
    Ok(Str::from_parts(&cx.heap, &[bytes]).into())
}

/// The bytes of a bytes-like object, or the error of what takes one.
fn bytes_of(cx: &mut Cx, value: Root) -> Result<Vec<u8>, Raised> {
    Ok(crate::native::types::bytes::bytes_like(cx, value)?.to_vec())
}

/// Copies bytes into a writable bytes-like object, as many as fit; gives back how many it has room for.
fn room_of(cx: &mut Cx, target: Root, function: &str) -> Result<usize, Raised> {
    let value = target.get(cx);
    if let Some(array) = cx.payload(value).exact::<crate::object::ByteArray>() {
        return Ok(array.len());
    }
    if let Some(array) = cx.payload(value).exact::<crate::object::Array>() {
        return Ok(array.memory().len());
    }
    if let Some(view) = value.exact::<crate::object::MemoryView>().filter(|view| !view.readonly && !view.released.get())
    {
        return Ok(view.size());
    }
    let got = cx.argument_name_for_error(target.get(cx));
    Err(cx.type_error(format!("{function}() argument must be read-write bytes-like object, not {got}")))
}

fn copy_into(cx: &mut Cx, target: Root, bytes: &[u8]) -> Result<(), Raised> {
    if let Some(array) = cx.payload(target.get(cx)).exact::<crate::object::ByteArray>() {
        for (cell, byte) in array.cells().iter().zip(bytes) {
            cell.set(*byte);
        }
        return Ok(());
    }
    if let Some(array) = cx.payload(target.get(cx)).exact::<crate::object::Array>() {
        for (cell, byte) in array.memory().cells().iter().zip(bytes) {
            cell.set(*byte);
        }
        return Ok(());
    }
    if let Some(view) = target.get(cx).exact::<crate::object::MemoryView>()
        && view.fill(bytes)
    {
        return Ok(());
    }
    let mark = cx.mark();
    for (at, byte) in bytes.iter().enumerate() {
        let at = cx.push_raw(Raw::int(at as i64));
        let byte = cx.push_raw(Raw::int(i64::from(*byte)));
        cx.set_item_root(target, at, byte)?;
        cx.release(mark);
    }
    Ok(())
}

/// A size argument: None and negative ones mean everything.
fn size_of(cx: &mut Cx, size: Option<Root>) -> Result<Option<usize>, Raised> {
    Ok(signed_size_of(cx, size)?.and_then(|size| usize::try_from(size).ok()))
}

/// The same, for those that don't take negative ones.
fn signed_size_of(cx: &mut Cx, size: Option<Root>) -> Result<Option<i64>, Raised> {
    let Some(size) = size.filter(|size| !size.get(cx).is_none()) else { return Ok(None) };
    if let Some(size) = size.get(cx).as_int() {
        return Ok(Some(size));
    }
    let got = cx.type_name_for_error(size.get(cx));
    if cx.special_method(size, Name::Index)?.is_none() {
        return Err(cx.type_error(format!("argument should be integer or None, not '{got}'")));
    }
    let index = cx.index(size)?;
    match index.get(cx).as_int() {
        Some(size) => Ok(Some(size)),
        None => Err(cx.overflow_error(&format!("cannot fit '{got}' into an index-sized integer"))),
    }
}

// ---- paths ----

/// A path argument as the system's bytes: str, bytes, or an object with `__fspath__`.
pub(crate) fn path_of(cx: &mut Cx, path: Root, function: &str) -> Result<Vec<u8>, Raised> {
    let mark = cx.mark();
    let mut at = path;
    if cx.as_str(path.get(cx)).is_none() && cx.bytes_like(path.get(cx)).is_none() {
        at = match cx.find_attribute(path, "__fspath__")?.filter(|method| !method.get(cx).is_none()) {
            Some(method) => cx.call(method, &[])?,
            None => {
                let got = cx.type_name_for_error(path.get(cx));
                let what = if function == "open" {
                    format!("expected str, bytes or os.PathLike object, not {got}")
                } else {
                    format!("{function}: path should be string, bytes, os.PathLike or integer, not {got}")
                };
                return Err(cx.type_error(what));
            }
        };
    }
    let bytes = match cx.as_str(at.get(cx)) {
        Some(text) => {
            let text = text.as_bytes().to_vec();
            match crate::text::codec::encode(&text, Encoding::Utf8, Handler::SurrogateEscape) {
                Ok(bytes) => bytes.into_owned(),
                Err(_) => return Err(cx.surrogate_error(at)),
            }
        }
        None => match cx.bytes_like(at.get(cx)) {
            Some(bytes) => bytes,
            None => {
                let (class, got) = (cx.type_name_for_error(path.get(cx)), cx.type_name_for_error(at.get(cx)));
                return Err(cx.type_error(format!("expected {class}.__fspath__() to return str or bytes, not {got}")));
            }
        },
    };
    cx.release(mark);
    if bytes.contains(&0) {
        return Err(cx.value_error(if function == "open" {
            "embedded null byte".to_owned()
        } else {
            format!("{function}: embedded null character in path")
        }));
    }
    Ok(bytes)
}

/// The system's bytes as text.
pub(crate) fn path_text(cx: &Cx, bytes: &[u8]) -> Raw {
    let text = match std::str::from_utf8(bytes) {
        Ok(_) => std::borrow::Cow::Borrowed(bytes),
        Err(_) => crate::text::codec::decode(bytes, Encoding::Utf8, Handler::SurrogateEscape)
            .unwrap_or(std::borrow::Cow::Borrowed(b"")),
    };
    Str::from_parts(&cx.heap, &[&text]).value().raw()
}

// ---- open ----

/// What a mode such as `r+b` says.
struct ModeText {
    open: OpenMode,
    binary: bool,
    /// The mode of the raw file: `rb+`.
    raw: &'static str,
}

fn parse_mode(cx: &mut Cx, mode: &str) -> Result<ModeText, Raised> {
    let invalid = |cx: &mut Cx| Err(cx.value_error(format!("invalid mode: '{mode}'")));
    let mut seen = vec![];
    for c in mode.chars() {
        if !"rwaxbt+".contains(c) || seen.contains(&c) {
            return invalid(cx);
        }
        seen.push(c);
    }
    let has = |c: char| seen.contains(&c);
    if has('b') && has('t') {
        return Err(cx.value_error("can't have text and binary mode at once"));
    }
    let plus = has('+');
    let (open, raw) = match (has('r'), has('w'), has('a'), has('x')) {
        (true, false, false, false) => {
            (OpenMode { read: true, write: plus, ..OpenMode::default() }, if plus { "rb+" } else { "rb" })
        }
        (false, true, false, false) => (
            OpenMode { read: plus, write: true, create: true, truncate: true, ..OpenMode::default() },
            if plus { "rb+" } else { "wb" },
        ),
        (false, false, true, false) => (
            OpenMode { read: plus, write: true, create: true, append: true, ..OpenMode::default() },
            if plus { "ab+" } else { "ab" },
        ),
        (false, false, false, true) => (
            OpenMode { read: plus, write: true, create: true, exclusive: true, ..OpenMode::default() },
            if plus { "xb+" } else { "xb" },
        ),
        (false, false, false, false) if seen.is_empty() || !plus => {
            return Err(cx.value_error("Must have exactly one of create/read/write/append mode and at most one plus"));
        }
        _ => return Err(cx.value_error("must have exactly one of create/read/write/append mode")),
    };
    Ok(ModeText { open, binary: has('b'), raw })
}

natives!(
    /// Files.
    pub static OPEN: Functions;

    /// Open a file and return an object to read or write it with.
    fn open(
        cx: &mut Cx,
        #[either] file: Root,
        #[either]
        #[text("'r'")]
        mode: Given<Root>,
        #[either]
        #[default(-1)]
        buffering: i64,
        #[either] encoding: Option<Root>,
        #[either] errors: Option<Root>,
        #[either] newline: Option<Root>,
        #[either]
        #[default(true)]
        #[text("True")]
        closefd: bool,
        #[either] opener: Option<Root>,
    ) -> NativeResult {
        let mode = match mode.0 {
            Some(mode) => super::text_argument(cx, mode, "open", "mode")?,
            None => "r".to_owned(),
        };
        open_any(cx, file, &mode, buffering, [encoding, errors, newline], closefd, opener)
    }
);

/// What `_io_more` has.
const MORE: [&str; 4] = ["BufferedRWPair", "IncrementalNewlineDecoder", "Reader", "Writer"];

natives!(
    /// Files, and streams in memory.
    pub static IO: Functions;

    /// Open a file of code for reading.
    fn open_code(cx: &mut Cx, #[either] path: Root) -> NativeResult {
        open_any(cx, path, "rb", -1, [None; 3], true, None)
    }

    /// What is written in the language, and loaded when it is asked for.
    fn __getattr__(cx: &mut Cx, name: Root) -> NativeResult {
        crate::native::later(cx, "io", "_io_more", &MORE, name)
    }

    /// All names, with those that are loaded when they are asked for.
    fn __dir__(cx: &mut Cx) -> NativeResult {
        crate::native::names_with(cx, "io", &MORE)
    }

    /// Return the encoding, or `'locale'` or `'utf-8'` for None.
    fn text_encoding(cx: &mut Cx, encoding: Root, #[default(2)] stacklevel: i64) -> NativeResult {
        if encoding.get(cx).is_none() {
            return Ok(cx.str("locale").into());
        }
        Ok(encoding.get(cx).into())
    }
);

fn open_any(
    cx: &mut Cx,
    file: Root,
    mode: &str,
    buffering: i64,
    [encoding, errors, newline]: [Option<Root>; 3],
    closefd: bool,
    opener: Option<Root>,
) -> NativeResult {
    ensure(cx);
    let parsed = parse_mode(cx, mode)?;
    if parsed.binary {
        for (given, name) in [(encoding, "an encoding"), (errors, "an errors"), (newline, "a newline")] {
            if given.is_some() {
                return Err(cx.value_error(format!("binary mode doesn't take {name} argument")));
            }
        }
    }
    let mark = cx.mark();
    // The file knows the text that stands for its path.
    let is_path = |cx: &Cx, root: Root| cx.as_str(root.get(cx)).is_some() || cx.bytes_like(root.get(cx)).is_some();
    let method = if is_path(cx, file) { None } else { cx.find_attribute(file, "__fspath__")? };
    let path = match method.filter(|method| !method.get(cx).is_none()) {
        Some(method) => Some(cx.call(method, &[])?).filter(|path| is_path(cx, *path)),
        None => None,
    };
    let file = path.unwrap_or(file);
    let raw = file::open_raw(cx, file, &parsed.open, parsed.raw, closefd, opener)?;
    let terminal = file::raw_is_terminal(cx, raw);
    let line_buffering = buffering == 1 && !parsed.binary || buffering < 0 && terminal;
    if buffering == 0 {
        if parsed.binary {
            return Ok(raw.get(cx).into());
        }
        return Err(cx.value_error("can't have unbuffered text I/O"));
    }
    let size = if buffering > 1 { buffering as usize } else { BUFFER };
    let layer = match (parsed.open.read, parsed.open.write) {
        (true, true) => Layer::Random,
        (false, true) => Layer::Writer,
        _ => Layer::Reader,
    };
    let buffer = buffer::new_buffered(cx, layer, raw, size);
    if parsed.binary {
        let raw = buffer.get(cx).raw();
        cx.release(mark);
        return Ok(Outcome::Value(raw));
    }
    let wrapped = text::wrap(cx, buffer, encoding, errors, newline, line_buffering, false);
    match wrapped {
        Ok(text) => {
            text::set_mode(cx, text, mode);
            let raw = text.get(cx).raw();
            cx.release(mark);
            Ok(Outcome::Value(raw))
        }
        Err(raised) => {
            let exception = cx.take_raised(raised);
            let exception = cx.push_raw(exception);
            if let Err(second) = buffer::close(cx, buffer) {
                cx.take_raised(second);
            }
            Err(cx.raise(exception))
        }
    }
}

/// The error handler of a standard stream. In the locales that stand for none, names of files that are no text pass through
/// (<https://docs.python.org/3/library/sys.html#sys.stdin>).
pub(crate) fn stream_errors(cx: &Cx, stream: StdStream) -> &'static str {
    if stream == StdStream::Err {
        return "backslashreplace";
    }
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| cx.host().variable(name).filter(|v| !v.is_empty()));
    match locale.as_deref() {
        None | Some("C" | "POSIX" | "C.UTF-8" | "C.utf8" | "UTF-8") => "surrogateescape",
        Some(_) => "strict",
    }
}

/// The object for a standard stream: `sys.stdin` and its like.
pub(crate) fn standard_stream(cx: &mut Cx, stream: StdStream) -> Result<Root, Raised> {
    ensure(cx);
    let (fd, layer, mode, raw_mode, name) = match stream {
        StdStream::In => (0, Layer::Reader, "r", "rb", "<stdin>"),
        StdStream::Out => (1, Layer::Writer, "w", "wb", "<stdout>"),
        StdStream::Err => (2, Layer::Writer, "w", "wb", "<stderr>"),
    };
    let terminal = cx.host().is_terminal(stream);
    let raw = file::standard_raw(cx, fd, raw_mode, name);
    let buffer = buffer::new_buffered(cx, layer, raw, BUFFER);
    buffer::set_standard(cx, buffer, stream)?;
    let errors = cx.str(stream_errors(cx, stream)).value().raw();
    let errors = Some(cx.push_raw(errors));
    let line_buffering = terminal || stream == StdStream::Err;
    let encoding = cx.str("utf-8").value().raw();
    let encoding = cx.push_raw(encoding);
    let text = text::wrap(cx, buffer, Some(encoding), errors, None, line_buffering, false)?;
    text::set_mode(cx, text, mode);
    Ok(text)
}

/// Raises what an I/O error of the host is.
fn host_error(cx: &mut Cx, error: &std::io::Error) -> Raised {
    io_error(cx, error, None)
}

/// What `from io import *` takes.
const PUBLIC: [&str; 24] = [
    "BlockingIOError",
    "open",
    "open_code",
    "IOBase",
    "RawIOBase",
    "FileIO",
    "BytesIO",
    "StringIO",
    "BufferedIOBase",
    "BufferedReader",
    "BufferedWriter",
    "BufferedRWPair",
    "BufferedRandom",
    "TextIOBase",
    "TextIOWrapper",
    "UnsupportedOperation",
    "SEEK_SET",
    "SEEK_CUR",
    "SEEK_END",
    "DEFAULT_BUFFER_SIZE",
    "text_encoding",
    "IncrementalNewlineDecoder",
    "Reader",
    "Writer",
];

/// Installs the module `io`.
pub(crate) fn install(cx: &mut Cx) -> Result<(), Raised> {
    ensure(cx);
    let module = cx.new_module("io").held();
    cx.functions_of(module, &OPEN);
    cx.functions_of(module, &IO);
    let root = cx.push_raw(module.value().raw());
    for row in TYPES {
        let class = cx.named_class(row.name).value().raw();
        let class = cx.push_raw(class);
        super::set(cx, root, row.name, class)?;
    }
    let public = PUBLIC.map(|name| cx.intern(name).held().value());
    let public = cx.list(&public).value().raw();
    let public = cx.push_raw(public);
    super::set(cx, root, "__all__", public)?;
    for (name, value) in [("SEEK_SET", 0), ("SEEK_CUR", 1), ("SEEK_END", 2), ("DEFAULT_BUFFER_SIZE", BUFFER as i64)] {
        let value = cx.push_raw(Raw::int(value));
        super::set(cx, root, name, value)?;
    }
    // class UnsupportedOperation(OSError, ValueError)
    let type_class = cx.type_class().value().raw();
    let type_class = cx.push_raw(type_class);
    let name = cx.str("UnsupportedOperation").value().raw();
    let name = cx.push_raw(name);
    let bases = cx.tuple(&[cx.exception_class(Exc::OSError).value(), cx.exception_class(Exc::ValueError).value()]);
    let bases = bases.value().raw();
    let bases = cx.push_raw(bases);
    let dict = crate::object::Dict::new(&cx.heap).value().raw();
    let dict = cx.push_raw(dict);
    let key = cx.intern("__module__").value().raw();
    let key = cx.push_raw(key);
    let value = cx.str("io").value().raw();
    let value = cx.push_raw(value);
    cx.dict_set(dict, key, value)?;
    let class = cx.call(type_class, &[name, bases, dict])?;
    super::set(cx, root, "UnsupportedOperation", class)?;
    let error = cx.exception_class(Exc::BlockingIOError).value().raw();
    let error = cx.push_raw(error);
    super::set(cx, root, "BlockingIOError", error)
}
