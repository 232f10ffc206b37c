//! The module `_struct`: values as bytes laid out as C does. A format is read once, into a [`Layout`]; the class `Struct` and the exception are
//! in `stdlib/struct.aio`.

use std::borrow::Cow;
use std::rc::Rc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Tracer, Value};
use crate::native::types::iterator::ITERATOR;
use crate::native::{complete, library_class, natives};
use crate::number::int::{Int, IntRef};
use crate::object::key::as_int_ref;
use crate::object::{Array, ByteArray, Bytes, ClassFlags, Exc, Instance, MemoryView, NativeObject, Payload, Str};
use crate::object::{Complex, Tuple, complex_value, int_value};
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::step::Stepped;
use crate::vm::{Extension, ExtensionSlot, Name, TypeRow};

use super::binary::{half_from_f64, half_to_f64};

static ROWS: &[TypeRow] = &[
    TypeRow::native("_struct", "_Layout", &[]),
    TypeRow {
        kind: None,
        ..TypeRow::of(Kind::NativeIterator, "unpack_iterator", &[&ITERATOR])
            .in_module("_struct")
            .with(ClassFlags::NO_NEW)
    },
];

/// Makes the module.
pub(super) fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_struct").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

/// A run of values of one kind.
#[derive(Debug)]
struct Field {
    at: usize,
    code: u8,
    /// Bytes of each.
    size: usize,
    /// How many there are.
    count: usize,
}

/// A format that was read.
#[derive(Debug)]
struct Layout {
    format: Box<[u8]>,
    size: usize,
    /// Number of values.
    values: usize,
    big: bool,
    /// Whether sizes and places are the machine's own.
    native: bool,
    fields: Vec<Field>,
}

/// A layout as an object.
#[derive(Debug)]
struct Held(Rc<Layout>);

impl Payload for Held {}

/// Layouts kept; when there are more all are dropped.
const MOST: usize = 256;

/// The layouts of formats that functions of the module were called with.
#[derive(Debug, Default)]
struct Cache(HashTable<(u64, Rc<Layout>)>);

impl Extension for Cache {
    fn trace(&self, _: &mut Tracer<'_>) {}
}

fn sizes(code: u8, native: bool) -> Option<usize> {
    Some(match code {
        b'b' | b'B' | b'?' | b'c' => 1,
        b'h' | b'H' | b'e' => 2,
        b'i' | b'I' | b'f' => 4,
        b'l' | b'L' => {
            if native {
                8
            } else {
                4
            }
        }
        b'q' | b'Q' | b'd' | b'F' => 8,
        b'D' => 16,
        b'n' | b'N' | b'P' if native => 8,
        _ => return None,
    })
}

const TOO_LONG: &str = "total struct size too long";

fn read(format: &[u8]) -> Result<Layout, &'static str> {
    let mut rest = format;
    let (mut big, mut native) = (false, true);
    if let [mark @ (b'@' | b'=' | b'<' | b'>' | b'!'), more @ ..] = rest {
        big = matches!(mark, b'>' | b'!');
        native = *mark == b'@';
        rest = more;
    }
    if rest.contains(&0) {
        return Err("embedded null character");
    }
    let mut layout = Layout { format: format.into(), size: 0, values: 0, big, native, fields: vec![] };
    let most = isize::MAX as usize;
    let mut codes = rest.iter().copied();
    while let Some(mut code) = codes.next() {
        if matches!(code, b' ' | b'\t'..=b'\r') {
            continue;
        }
        let mut count = 1;
        if code.is_ascii_digit() {
            count = 0usize;
            while code.is_ascii_digit() {
                count = count.checked_mul(10).and_then(|n| n.checked_add(usize::from(code - b'0'))).ok_or(TOO_LONG)?;
                code = codes.next().ok_or("repeat count given without format specifier")?;
            }
        }
        let (size, values) = match code {
            b'x' => (1, 0),
            b's' | b'p' => (count, 1),
            _ => (sizes(code, native).ok_or("bad char in struct format")?, count),
        };
        if native && !matches!(code, b'x' | b's' | b'p') {
            // A complex number begins where one of its parts may.
            let unit = if matches!(code, b'F' | b'D') { size / 2 } else { size };
            layout.size = layout.size.next_multiple_of(unit);
        }
        if values > 0 {
            layout.fields.push(Field { at: layout.size, code, size, count: values });
        }
        layout.values += values;
        let length = if code == b'x' { count } else { size.checked_mul(values).ok_or(TOO_LONG)? };
        layout.size = layout.size.checked_add(length).filter(|size| *size <= most).ok_or(TOO_LONG)?;
    }
    Ok(layout)
}

fn error(cx: &mut Cx, message: &str) -> Raised {
    let make = |cx: &mut Cx| {
        let module = cx.import("struct")?;
        let class = cx.attribute(module, "error")?;
        let message = cx.str(message).value().raw();
        let message = cx.push_raw(message);
        cx.call(class, &[message])
    };
    match make(cx) {
        Ok(exception) => cx.raise(exception),
        Err(raised) => raised,
    }
}

/// The layout of a format.
fn layout_of(cx: &mut Cx, format: Root) -> Result<Rc<Layout>, Raised> {
    let given = format.get(cx).raw();
    let text: Value<'static> = Value::adopt(cx.payload(Value::adopt(given)).raw());
    let (bytes, hash) = match (text.exact::<Str>(), text.exact::<Bytes>()) {
        (Some(text), _) => (text.as_bytes(), text.hash(&cx.heap)),
        (None, Some(bytes)) => (bytes.as_bytes(), bytes.hash(&cx.heap)),
        (None, None) => {
            let got = cx.type_name_for_error(format.get(cx));
            return Err(cx.type_error(format!("Struct() argument 1 must be a str or bytes object, not {got}")));
        }
    };
    let hash = hash as u64;
    if let Some(cache) = cx.extension::<Cache>(ExtensionSlot::Formats)
        && let Some((_, layout)) = cache.0.find(hash, |(known, layout)| *known == hash && *layout.format == *bytes)
    {
        return Ok(layout.clone());
    }
    if !bytes.is_ascii() && text.exact::<Str>().is_some() {
        let ascii = cx.str("ascii").value().raw();
        let ascii = cx.push_raw(ascii);
        cx.call_method(format, "encode", &[ascii])?;
    }
    let layout = Rc::new(read(bytes).map_err(|message| error(cx, message))?);
    if cx.extension::<Cache>(ExtensionSlot::Formats).is_none() {
        cx.set_extension(ExtensionSlot::Formats, Box::new(Cache::default()));
    }
    if let Some(Cache(table)) = cx.extension_mut::<Cache>(ExtensionSlot::Formats) {
        if table.len() >= MOST {
            table.clear();
        }
        table.insert_unique(hash, (hash, layout.clone()), |(hash, _)| *hash);
    }
    Ok(layout)
}

/// Where instances of `Struct` have their layout: their slots are in the order of their names.
const LAYOUT: usize = 1;

/// The layout of a `Struct`.
fn own(cx: &mut Cx, this: Root) -> Result<Rc<Layout>, Raised> {
    let layout = this.get(cx).exact::<Instance>().and_then(|this| held(this.slot(LAYOUT)));
    match layout {
        Some(layout) => Ok(layout),
        None => Err(cx.runtime_error("Struct object is not initialized")),
    }
}

fn held(value: Value<'_>) -> Option<Rc<Layout>> {
    if value.is_unbound() { None } else { value.exact::<NativeObject>()?.with(|held: &mut Held| held.0.clone()) }
}

fn new_held(cx: &mut Cx, layout: Rc<Layout>) -> Raw {
    let shape = cx.named_class("_Layout").get().root_shape.get();
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(Held(layout)), 0), |_| Value::NONE);
    object.set_shape(shape);
    object.value().raw()
}

// ---- to bytes ----

/// The bytes of values.
fn pack_values(cx: &mut Cx, layout: &Layout, values: Args, name: &str) -> Result<SmallVec<[u8; 64]>, Raised> {
    if values.len() != layout.values {
        let (wanted, got) = (layout.values, values.len());
        return Err(error(cx, &format!("{name} expected {wanted} items for packing (got {got})")));
    }
    if layout.size > 1 << 16 {
        cx.check_room(layout.size)?;
    }
    let mut out = SmallVec::from_elem(0, layout.size);
    let mut values = values.roots();
    for field in &layout.fields {
        for index in 0..field.count {
            let value = values.next().expect("as many as were counted");
            let at = field.at + index * field.size;
            pack_value(cx, layout, field, value, &mut out[at..at + field.size])?;
        }
    }
    Ok(out)
}

fn pack_value(cx: &mut Cx, layout: &Layout, field: &Field, value: Root, to: &mut [u8]) -> Result<(), Raised> {
    let code = field.code;
    match code {
        b'c' | b's' | b'p' => {
            let given: Value<'static> = Value::adopt(cx.payload(value.get(cx)).raw());
            let bytes: Cow<'static, [u8]> = match (given.exact::<Bytes>(), given.exact::<ByteArray>()) {
                (Some(bytes), _) => Cow::Borrowed(bytes.as_bytes()),
                (None, Some(array)) if code != b'c' => Cow::Owned(array.to_vec()),
                _ if code == b'c' => return Err(error(cx, NOT_CHAR)),
                _ => {
                    let code = char::from(code);
                    return Err(error(cx, &format!("argument for '{code}' must be a bytes object")));
                }
            };
            if code == b'c' && bytes.len() != 1 {
                return Err(error(cx, NOT_CHAR));
            }
            let mut to = to;
            if code == b'p' && !to.is_empty() {
                to[0] = bytes.len().min(to.len() - 1).min(255) as u8;
                to = &mut to[1..];
            }
            let length = bytes.len().min(to.len());
            to[..length].copy_from_slice(&bytes[..length]);
        }
        b'?' => to[0] = u8::from(cx.truth(value)?),
        b'F' | b'D' => {
            let complex = cx.payload(value.get(cx)).exact::<Complex>().map(|c| (c.real, c.imaginary));
            let parts = complex.or_else(|| float_of(cx, value).map(|real| (real, 0.0)));
            let Some(parts) = parts else { return Err(error(cx, "required argument is not a complex")) };
            let (real, imaginary) = to.split_at_mut(field.size / 2);
            for (half, number) in [(real, parts.0), (imaginary, parts.1)] {
                let bits = if code == b'D' { number.to_bits() } else { u64::from((number as f32).to_bits()) };
                place(half, bits, layout.big);
            }
        }
        b'e' | b'f' | b'd' => {
            let Some(number) = float_of(cx, value) else { return Err(error(cx, "required argument is not a float")) };
            let fits = match code {
                b'd' => {
                    place(to, number.to_bits(), layout.big);
                    true
                }
                b'f' => {
                    let small = number as f32;
                    place(to, u64::from(small.to_bits()), layout.big);
                    // Native floats overflow to infinity.
                    layout.native || !small.is_infinite() || number.is_infinite()
                }
                _ => {
                    let bits = half_from_f64(number);
                    place(to, u64::from(bits.unwrap_or(0)), layout.big);
                    bits.is_some()
                }
            };
            if !fits && as_int_ref(cx.payload(value.get(cx))).is_some() {
                return Err(error(cx, TOO_LARGE));
            }
            if !fits {
                return Err(cx.overflow_error(&format!("float too large to pack with {} format", char::from(code))));
            }
        }
        _ => {
            let number = match value.get(cx).as_int() {
                Some(number) => Some(i128::from(number)),
                None => integer_of(cx, value)?,
            };
            let bits = 8 * field.size;
            if code == b'P' {
                // A pointer: its sign is no matter.
                let number = number.filter(|number| (-(1i128 << 63)..1 << 64).contains(number));
                let Some(number) = number else { return Err(error(cx, TOO_LARGE)) };
                place(to, number as u64, layout.big);
                return Ok(());
            }
            let (low, high) = if matches!(code, b'b' | b'h' | b'i' | b'l' | b'q' | b'n') {
                (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
            } else {
                (0, (1i128 << bits) - 1)
            };
            match number.filter(|number| (low..=high).contains(number)) {
                Some(number) => place(to, number as u64, layout.big),
                None => {
                    let code = char::from(code);
                    return Err(error(cx, &format!("'{code}' format requires {low} <= number <= {high}")));
                }
            }
        }
    }
    Ok(())
}

const TOO_LARGE: &str = "int too large to convert";
const NOT_CHAR: &str = "char format requires a bytes object of length 1";

/// Writes the lowest bytes of a number.
#[inline]
fn place(to: &mut [u8], bits: u64, big: bool) {
    let length = to.len();
    if big {
        to.copy_from_slice(&bits.to_be_bytes()[8 - length..]);
    } else {
        to.copy_from_slice(&bits.to_le_bytes()[..length]);
    }
}

/// A number as a float; None if it is none, or a script would not have it so.
fn float_of(cx: &mut Cx, value: Root) -> Option<f64> {
    if let Some(number) = value.get(cx).as_float() {
        return Some(number);
    }
    if matches!(cx.payload(value.get(cx)).kind(), Kind::Str) {
        return None;
    }
    match cx.to_float(value) {
        Ok(number) => Some(number),
        Err(raised) => {
            cx.take_raised(raised);
            None
        }
    }
}

/// An integer, or None if it does not fit any format.
fn integer_of(cx: &mut Cx, value: Root) -> Result<Option<i128>, Raised> {
    let own: Value<'static> = Value::adopt(cx.payload(value.get(cx)).raw());
    if let Some(number) = as_int_ref(own) {
        return Ok(number.to_i128());
    }
    let raw = value.get(cx).raw();
    if !cx.has_method(Value::adopt(raw), Name::Index) {
        return Err(error(cx, "required argument is not an integer"));
    }
    let index = cx.index(value)?;
    let number: Value<'static> = Value::adopt(index.get(cx).raw());
    Ok(as_int_ref(number).and_then(IntRef::to_i128))
}

// ---- from bytes ----

/// Number of bytes of a buffer.
fn buffer_length(cx: &mut Cx, buffer: Root) -> Result<usize, Raised> {
    let own: Value<'static> = Value::adopt(cx.payload(buffer.get(cx)).raw());
    let length = match own.kind() {
        Kind::Bytes => own.exact::<Bytes>().map(|bytes| bytes.len()),
        Kind::ByteArray => own.exact::<ByteArray>().map(|array| array.len()),
        Kind::Array => own.exact::<Array>().map(|array| array.memory().len()),
        Kind::MemoryView => own.exact::<MemoryView>().map(|view| view.count * view.item_size),
        _ => None,
    };
    if let Some(view) = own.exact::<MemoryView>()
        && view.released.get()
    {
        return Err(cx.value_error("operation forbidden on released memoryview object"));
    }
    if own.exact::<MemoryView>().is_some_and(|view| !view.is_contiguous()) {
        return Err(cx.raise_text(Exc::BufferError, "memoryview: underlying buffer is not C-contiguous"));
    }
    match length {
        Some(length) => Ok(length),
        None => {
            let got = cx.type_name_for_error(buffer.get(cx));
            Err(cx.type_error(format!("a bytes-like object is required, not '{got}'")))
        }
    }
}

/// Bytes of a buffer, copied where they can change.
fn part(cx: &Cx, buffer: Value<'_>, at: usize, length: usize) -> Cow<'static, [u8]> {
    let own: Value<'static> = Value::adopt(cx.payload(buffer).raw());
    let copied = |array: Gc<'static, ByteArray>, at: usize| {
        array.cells()[at..at + length].iter().map(|cell| cell.get()).collect()
    };
    match own.kind() {
        Kind::Bytes => own.exact::<Bytes>().map(|bytes| Cow::Borrowed(&bytes.as_bytes()[at..at + length])),
        Kind::ByteArray => own.exact::<ByteArray>().map(|array| Cow::Owned(copied(array, at))),
        Kind::Array => own.exact::<Array>().map(|array| Cow::Owned(copied(array.memory(), at))),
        _ => own.exact::<MemoryView>().map(|view| {
            let memory: Value<'static> = Value::adopt(view.memory.get().raw());
            let at = view.offset + at;
            match (memory.exact::<Bytes>(), memory.exact::<ByteArray>()) {
                (Some(bytes), _) => Cow::Borrowed(&bytes.as_bytes()[at..at + length]),
                (None, Some(array)) => Cow::Owned(copied(array, at)),
                (None, None) => Cow::Owned(view.to_vec()),
            }
        }),
    }
    .unwrap_or_default()
}

/// The values in bytes, which are as many as the layout takes.
fn unpack_values(cx: &Cx, layout: &Layout, bytes: &[u8]) -> Raw {
    let one = |field: &Field, at: usize| {
        let bytes = &bytes[at..at + field.size];
        let bits = || {
            let mut word = [0; 8];
            if layout.big {
                word[8 - bytes.len()..].copy_from_slice(bytes);
                u64::from_be_bytes(word)
            } else {
                word[..bytes.len()].copy_from_slice(bytes);
                u64::from_le_bytes(word)
            }
        };
        match field.code {
            b'c' | b's' => Bytes::new(&cx.heap, bytes).value().raw(),
            b'p' => {
                let length = bytes.first().map_or(0, |length| usize::from(*length).min(bytes.len() - 1));
                let text = if bytes.is_empty() { bytes } else { &bytes[1..1 + length] };
                Bytes::new(&cx.heap, text).value().raw()
            }
            b'?' => Raw::bool(bytes[0] != 0),
            b'd' => Raw::float(f64::from_bits(bits())),
            b'f' => Raw::float(f64::from(f32::from_bits(bits() as u32))),
            b'e' => Raw::float(half_to_f64(bits() as u16)),
            b'F' | b'D' => {
                let (real, imaginary) = bytes.split_at(bytes.len() / 2);
                let part = |half: &[u8]| {
                    let bits = half.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
                    let bits = if layout.big { bits.swap_bytes() >> (64 - 8 * half.len()) } else { bits };
                    if half.len() == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
                };
                complex_value(&cx.heap, part(real), part(imaginary)).value().raw()
            }
            b'b' | b'h' | b'i' | b'l' | b'q' | b'n' => {
                let unused = 64 - 8 * bytes.len() as u32;
                Raw::int(((bits() << unused) as i64) >> unused)
            }
            _ => int_value(&cx.heap, Int::from(bits())).raw(),
        }
    };
    let mut values = SmallVec::<[Raw; 16]>::new();
    for field in &layout.fields {
        for index in 0..field.count {
            values.push(one(field, field.at + index * field.size));
        }
    }
    Tuple::build(&cx.heap, values.len(), |at| Value::adopt(values[at].copied())).value().raw()
}

/// A buffer that is not of a builtin type, as the bytes it shows.
fn shown(cx: &mut Cx, buffer: Root) -> Root {
    match cx.payload(buffer.get(cx)).kind() {
        Kind::Bytes | Kind::ByteArray | Kind::Array | Kind::MemoryView => buffer,
        _ => match cx.scripted_bytes(buffer) {
            Some(bytes) => {
                let bytes = Bytes::new(&cx.heap, &bytes).value().raw();
                cx.push_raw(bytes)
            }
            None => buffer,
        },
    }
}

fn unpack_whole(cx: &mut Cx, layout: &Layout, buffer: Root) -> NativeResult {
    let buffer = shown(cx, buffer);
    if buffer_length(cx, buffer)? != layout.size {
        return Err(error(cx, &format!("unpack requires a buffer of {} bytes", layout.size)));
    }
    let bytes = part(cx, buffer.get(cx), 0, layout.size);
    cx.check_room(if layout.values > 1 << 12 { layout.values * 16 } else { 0 })?;
    Ok(Outcome::Value(unpack_values(cx, layout, &bytes)))
}

/// Where in a buffer an offset is.
fn locate(cx: &mut Cx, layout: &Layout, length: usize, offset: i64, packs: bool) -> Result<usize, Raised> {
    let size = layout.size as i128;
    let (length, mut at) = (length as i128, i128::from(offset));
    if at < 0 {
        if at + size > 0 {
            let message = if packs {
                format!("no space to pack {size} bytes at offset {at}")
            } else {
                format!("not enough data to unpack {size} bytes at offset {at}")
            };
            return Err(error(cx, &message));
        }
        if at + length < 0 {
            return Err(error(cx, &format!("offset {at} out of range for {length}-byte buffer")));
        }
        at += length;
    }
    if length - at < size {
        let (name, verb) = if packs { ("pack_into", "pack") } else { ("unpack_from", "unpack") };
        return Err(error(
            cx,
            &format!(
                "{name} requires a buffer of at least {} bytes for {verb}ing {size} bytes at offset {at} \
                 (actual buffer size is {length})",
                size + at
            ),
        ));
    }
    Ok(at as usize)
}

fn unpack_part(cx: &mut Cx, layout: &Layout, buffer: Root, offset: i64) -> NativeResult {
    let buffer = shown(cx, buffer);
    let length = buffer_length(cx, buffer)?;
    let at = locate(cx, layout, length, offset, false)?;
    let bytes = part(cx, buffer.get(cx), at, layout.size);
    Ok(Outcome::Value(unpack_values(cx, layout, &bytes)))
}

fn pack_part(cx: &mut Cx, layout: &Layout, buffer: Root, offset: Root, values: Args) -> NativeResult {
    if values.len() != layout.values {
        let (wanted, got) = (layout.values, values.len());
        return Err(error(cx, &format!("pack_into expected {wanted} items for packing (got {got})")));
    }
    if cx.payload(buffer.get(cx)).kind() == Kind::Instance && cx.find_attribute(buffer, "__buffer__")?.is_some() {
        // A class with `__buffer__`: what it shows is written to, and given back.
        let class = cx.named_class("memoryview").value().raw();
        let class = cx.push_raw(class);
        let view = cx.call(class, &[buffer])?;
        let done = pack_part(cx, layout, view, offset, values);
        let release = cx.attribute(view, "release")?;
        cx.call(release, &[])?;
        return done;
    }
    let own: Value<'static> = Value::adopt(cx.payload(buffer.get(cx)).raw());
    let array = match (own.exact::<ByteArray>(), own.exact::<Array>(), own.exact::<MemoryView>()) {
        (Some(array), _, _) => Some((array, 0)),
        (_, Some(array), _) => Some((array.memory(), 0)),
        (_, _, Some(view)) if !view.readonly && view.is_contiguous() && !view.released.get() => {
            let memory: Value<'static> = Value::adopt(view.memory.get().raw());
            memory.exact::<ByteArray>().map(|array| (array, view.offset))
        }
        _ => None,
    };
    let Some((array, start)) = array else {
        let got = cx.type_name_for_error(buffer.get(cx));
        return Err(cx.type_error(format!("argument must be read-write bytes-like object, not {got}")));
    };
    let offset = cx.index_as_i64(offset)?;
    let length = buffer_length(cx, buffer)?;
    let at = start + locate(cx, layout, length, offset, true)?;
    let bytes = pack_values(cx, layout, values, "pack_into")?;
    // Scripts that were asked for numbers may have made it shorter.
    let Some(cells) = array.cells().get(at..at + bytes.len()) else {
        return Err(error(cx, "the buffer changed its size"));
    };
    cells.iter().zip(&bytes).for_each(|(cell, byte)| cell.set(*byte));
    Ok(Outcome::NONE)
}

// ---- chunk by chunk ----

fn unpack_chunks(cx: &mut Cx, layout: Rc<Layout>, buffer: Root) -> NativeResult {
    if layout.size == 0 {
        return Err(error(cx, "cannot iteratively unpack with a struct of length 0"));
    }
    let buffer = shown(cx, buffer);
    if !buffer_length(cx, buffer)?.is_multiple_of(layout.size) {
        let size = layout.size;
        return Err(error(cx, &format!("iterative unpacking requires a buffer of a multiple of {size} bytes")));
    }
    let layout = new_held(cx, layout);
    let (layout, at) = (cx.push_raw(layout), cx.push(Value::int(0)));
    let iterator = cx.new_iterator(chunk_step, "unpack_iterator", &[layout, buffer, at]).held();
    cx.step_directly(iterator, chunk, false, &[]);
    Ok(iterator.into())
}

/// State: the layout, the buffer, where the next chunk begins.
fn chunk(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let buffer = iterator.slot(1).raw();
    if buffer.same(Raw::NONE) {
        return Ok(Stepped::End);
    }
    let layout = held(iterator.slot(0)).expect("a layout");
    let at = iterator.slot(2).as_int().unwrap_or(0) as usize;
    let mark = cx.mark();
    let root = cx.push_raw(buffer.copied());
    let length = buffer_length(cx, root)?;
    cx.release(mark);
    if at + layout.size > length {
        iterator.set_tail(&cx.heap, 1, Value::NONE);
        return Ok(Stepped::End);
    }
    let bytes = part(cx, Value::adopt(buffer), at, layout.size);
    iterator.set_tail(&cx.heap, 2, Value::int((at + layout.size) as i64));
    *to = unpack_values(cx, &layout, &bytes);
    Ok(Stepped::Item)
}

fn chunk_step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = window.get(cx, 0).exact::<NativeIterator>().expect("a step has its iterator first").held();
    let mut item = Raw::UNBOUND;
    chunk(cx, iterator, &mut item)?;
    Ok(Outcome::Value(item))
}

/// The layout of the format that a function was given first.
fn first_layout(cx: &mut Cx, args: Args) -> Result<Rc<Layout>, Raised> {
    if args.is_empty() {
        return Err(cx.type_error("missing format argument".into()));
    }
    layout_of(cx, args.root(0))
}

/// Packs into a buffer at an offset: the first two arguments.
fn pack_at(cx: &mut Cx, layout: &Layout, args: Args) -> NativeResult {
    let missing = match args.len() {
        0 => "buffer",
        1 => "offset",
        _ => return pack_part(cx, layout, args.root(0), args.root(1), args.rest(2)),
    };
    Err(error(cx, &format!("pack_into expected {missing} argument")))
}

natives!(
    /// Functions to convert between Python values and C structs.
    static FUNCTIONS: Functions;

    /// Return size in bytes of the struct described by the format string.
    fn calcsize(cx: &mut Cx, format: Root) -> NativeResult {
        Ok((layout_of(cx, format)?.size as i64).into())
    }

    /// Return a bytes object containing the values v1, v2, ... packed according to the format string.
    fn pack(cx: &mut Cx, args: Rest) -> NativeResult {
        let layout = first_layout(cx, args.0)?;
        let bytes = pack_values(cx, &layout, args.0.rest(1), "pack")?;
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Pack the values v1, v2, ... according to the format string and write the bytes into the writable buffer starting at offset.
    fn pack_into(cx: &mut Cx, args: Rest) -> NativeResult {
        let layout = first_layout(cx, args.0)?;
        pack_at(cx, &layout, args.0.rest(1))
    }

    /// Return a tuple containing values unpacked according to the format string.
    fn unpack(cx: &mut Cx, format: Root, buffer: Root) -> NativeResult {
        let layout = layout_of(cx, format)?;
        unpack_whole(cx, &layout, buffer)
    }

    /// Return a tuple containing values unpacked according to the format string, from a buffer's bytes at an offset.
    fn unpack_from(
        cx: &mut Cx,
        format: Root,
        #[either] buffer: Root,
        #[either]
        #[default(0)]
        offset: i64,
    ) -> NativeResult {
        let layout = layout_of(cx, format)?;
        unpack_part(cx, &layout, buffer, offset)
    }

    /// Return an iterator yielding tuples unpacked from the given bytes.
    fn iter_unpack(cx: &mut Cx, format: Root, buffer: Root) -> NativeResult {
        let layout = layout_of(cx, format)?;
        unpack_chunks(cx, layout, buffer)
    }

    /// Clear the internal cache.
    fn _clearcache(cx: &mut Cx) -> NativeResult {
        if let Some(cache) = cx.extension_mut::<Cache>(ExtensionSlot::Formats) {
            cache.0.clear();
        }
        Ok(Outcome::NONE)
    }

    /// Return the text, the size and the layout of a format.
    fn _read(cx: &mut Cx, format: Root) -> NativeResult {
        let layout = layout_of(cx, format)?;
        let text = String::from_utf8_lossy(&layout.format).into_owned();
        let (text, size) = (cx.str(&text).value().raw(), Raw::int(layout.size as i64));
        let layout = new_held(cx, layout);
        Ok(cx.tuple(&[text, size, layout].map(Value::adopt)).into())
    }

    /// Give the library's class `Struct` the methods that are native.
    fn _complete(cx: &mut Cx, class: Root) -> NativeResult {
        if let Some(class) = library_class(cx, class, 0) {
            complete(cx, class, &STRUCT);
        }
        Ok(Outcome::NONE)
    }
);

natives!(
    /// A format that was read.
    static STRUCT: Methods;

    /// Return a bytes object containing the values v1, v2, ... packed according to the format.
    fn pack(cx: &mut Cx, this: Root, values: Rest) -> NativeResult {
        let layout = own(cx, this)?;
        let bytes = pack_values(cx, &layout, values.0, "pack")?;
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Pack the values v1, v2, ... according to the format and write the bytes into the writable buffer starting at offset.
    fn pack_into(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        let layout = own(cx, this)?;
        pack_at(cx, &layout, args.0)
    }

    /// Return a tuple containing unpacked values.
    fn unpack(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let layout = own(cx, this)?;
        unpack_whole(cx, &layout, buffer)
    }

    /// Return a tuple containing values unpacked from a buffer's bytes at an offset.
    fn unpack_from(
        cx: &mut Cx,
        this: Root,
        #[either] buffer: Root,
        #[either]
        #[default(0)]
        offset: i64,
    ) -> NativeResult {
        let layout = own(cx, this)?;
        unpack_part(cx, &layout, buffer, offset)
    }

    /// Return an iterator yielding tuples unpacked from the given bytes.
    fn iter_unpack(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let layout = own(cx, this)?;
        unpack_chunks(cx, layout, buffer)
    }
);
