//! memoryview: its methods and attributes.

use std::borrow::Cow;
use std::cmp::Ordering;

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::binary::{half_from_f64, half_to_f64};
use crate::native::natives;
use crate::number::int::Int;
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Exc, List, MemoryView, Slice, Str, Tuple, int_value};
use crate::vm::FULL_READ_ONLY;
use crate::vm::Name;
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::step::Stepped;

use super::bounds::slice_range;
use super::bytes::{bytes_like, is_index};
use super::bytes_ops::hex_of;
use super::text::wrong_receiver;
use super::text_ops::repetitions;

type View = Gc<'static, MemoryView>;

/// The view a method was called on, if it was not released.
fn view(cx: &mut Cx, this: Root, method: &str) -> Result<View, Raised> {
    let view = any_view(cx, this, method)?;
    not_released(cx, view)?;
    Ok(view)
}

/// Raises an error if a view was released: what looks at its memory after a script ran asks this again, for then the memory may have shrunk.
fn not_released(cx: &mut Cx, view: View) -> Result<(), Raised> {
    match view.released.get() {
        true => Err(cx.value_error("operation forbidden on released memoryview object")),
        false => Ok(()),
    }
}

fn any_view(cx: &mut Cx, this: Root, method: &str) -> Result<View, Raised> {
    let value: Value<'static> = Value::adopt(this.get(cx).raw());
    match value.exact::<MemoryView>() {
        Some(view) => Ok(view),
        None => Err(wrong_receiver(cx, this, method, "memoryview")),
    }
}

/// Bytes of an item of a format.
fn size_of(format: char) -> Option<usize> {
    Some(match format {
        'b' | 'B' | 'c' | '?' => 1,
        'h' | 'H' | 'e' => 2,
        'i' | 'I' | 'f' => 4,
        'l' | 'L' | 'q' | 'Q' | 'n' | 'N' | 'P' | 'd' => 8,
        _ => return None,
    })
}

/// A view of a bytes-like object.
pub(crate) fn of_object(cx: &mut Cx, object: Root) -> NativeResult {
    let flags = cx.push_raw(Raw::int(FULL_READ_ONLY));
    let value: Value<'static> = Value::adopt(object.get(cx).raw());
    let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
    let base = MemoryView {
        owner: Slot::new(value),
        memory: Slot::new(payload),
        giver: Slot::new(Value::NONE),
        offset: 0,
        count: 0,
        stride: 1,
        dimensions: 1,
        inner: Box::default(),
        format: 'B',
        native_mark: false,
        item_size: 1,
        readonly: payload.kind() == Kind::Bytes,
        released: StdCell::new(false),
        hash: StdCell::new(-1),
    };
    let made = if let Some(bytes) = payload.exact::<Bytes>() {
        MemoryView { count: bytes.len(), ..base }
    } else if let Some(array) = payload.exact::<ByteArray>() {
        MemoryView { count: array.len(), ..base }
    } else if let Some(array) = payload.exact::<crate::object::Array>() {
        let (memory, count, format, item_size) = crate::native::array::view_parts(array);
        MemoryView { memory, count, format, item_size, stride: item_size as isize, ..base }
    } else if payload.kind() == Kind::MemoryView {
        like(view(cx, object, "__new__")?)
    } else if let Some(made) = cx.call_special(object, Name::Buffer, &[flags])? {
        // A class of the language says what its memory is.
        if made.get(cx).kind() != Kind::MemoryView {
            return Err(cx.type_error("__buffer__ returned non-memoryview object".to_owned()));
        }
        let giver = Tuple::new(&cx.heap, &[object.get(cx), made.get(cx)]).value().raw();
        let giver = cx.push_raw(giver);
        let shown =
            MemoryView { giver: Slot::new(Value::adopt(giver.get(cx).raw())), ..like(view(cx, made, "__buffer__")?) };
        return Ok(Outcome::Value(make(cx, shown)));
    } else {
        let got = cx.type_name_for_error(value);
        return Err(cx.type_error(format!("memoryview: a bytes-like object is required, not '{got}'")));
    };
    Ok(Outcome::Value(make(cx, made)))
}

/// Releases a view, of which the object that gave it is told.
fn let_go(cx: &mut Cx, this: Root, method: &str) -> Result<(), Raised> {
    let view = any_view(cx, this, method)?;
    if view.released.replace(true) {
        return Ok(());
    }
    let giver: Value<'static> = Value::adopt(view.get().giver.get().raw());
    if let Some(giver) = giver.exact::<Tuple>().map(Gc::held) {
        let (object, given) = (cx.push(giver.item(0)), cx.push(giver.item(1)));
        if let Err(raised) = cx.call_special(object, Name::ReleaseBuffer, &[given]) {
            let name = cx.type_name_for_error(object.get(cx));
            cx.unraisable_plainly(raised, &format!("Exception ignored in __release_buffer__ of {name}"));
        }
    }
    Ok(())
}

/// A new view, noted with the bytearray it looks at.
fn make(cx: &mut Cx, view: MemoryView) -> Raw {
    let memory = view.memory.get().raw();
    let raw = cx.heap.alloc(view).value().raw();
    if let Some(array) = Value::adopt(memory).exact::<ByteArray>() {
        cx.add_view(array, raw);
    }
    raw
}

/// A view of the same memory with some things changed.
fn like(of: View) -> MemoryView {
    MemoryView {
        owner: Slot::new(of.get().owner.get()),
        memory: Slot::new(of.get().memory.get()),
        giver: Slot::new(Value::NONE),
        offset: of.offset,
        count: of.count,
        stride: of.stride,
        dimensions: of.dimensions,
        inner: of.inner.clone(),
        format: of.format,
        native_mark: of.native_mark,
        item_size: of.item_size,
        readonly: of.readonly,
        released: StdCell::new(false),
        hash: StdCell::new(-1),
    }
}

/// An item's bytes as a value.
fn unpack(cx: &Cx, format: char, raw: [u8; 8]) -> Raw {
    let four = [raw[0], raw[1], raw[2], raw[3]];
    let two = [raw[0], raw[1]];
    match format {
        'B' => Raw::int(i64::from(raw[0])),
        'b' => Raw::int(i64::from(raw[0] as i8)),
        '?' => Raw::bool(raw[0] != 0),
        'c' => Bytes::new(&cx.heap, &raw[..1]).value().raw(),
        'h' => Raw::int(i64::from(i16::from_le_bytes(two))),
        'H' => Raw::int(i64::from(u16::from_le_bytes(two))),
        'i' => Raw::int(i64::from(i32::from_le_bytes(four))),
        'I' => Raw::int(i64::from(u32::from_le_bytes(four))),
        'f' => Raw::float(f64::from(f32::from_le_bytes(four))),
        'd' => Raw::float(f64::from_le_bytes(raw)),
        'Q' | 'L' | 'N' | 'P' => {
            let int = Int::from_big(num_bigint::BigInt::from(u64::from_le_bytes(raw)));
            int_value(&cx.heap, int).raw()
        }
        'e' => Raw::float(half_to_f64(u16::from_le_bytes(two))),
        _ => Raw::int(i64::from_le_bytes(raw)),
    }
}

/// A value as an item's bytes.
fn pack(cx: &mut Cx, view: View, value: Root) -> Result<[u8; 8], Raised> {
    let format = view.format;
    let invalid_type = |cx: &mut Cx| cx.type_error(format!("memoryview: invalid type for format '{format}'"));
    let invalid_value = |cx: &mut Cx| cx.value_error(format!("memoryview: invalid value for format '{format}'"));
    let mut out = [0; 8];
    match format {
        'c' => match value.get(cx).exact::<Bytes>() {
            Some(bytes) if bytes.len() == 1 => out[0] = bytes.as_bytes()[0],
            Some(_) => return Err(invalid_value(cx)),
            None => return Err(invalid_type(cx)),
        },
        '?' => out[0] = u8::from(cx.truth(value)?),
        'f' | 'd' | 'e' => {
            let number = match value.get(cx).as_float() {
                Some(float) => float,
                None if as_int_ref(value.get(cx)).is_some() => cx.to_float(value)?,
                None => return Err(invalid_type(cx)),
            };
            match format {
                'f' => out[..4].copy_from_slice(&(number as f32).to_le_bytes()),
                'd' => out = number.to_le_bytes(),
                _ => match half_from_f64(number) {
                    Some(half) => out[..2].copy_from_slice(&half.to_le_bytes()),
                    None => return Err(cx.raise_text(Exc::OverflowError, "float too large to pack with e format")),
                },
            }
        }
        _ => {
            if repetitions(cx, value).is_ok_and(|r| r.is_none()) {
                return Err(invalid_type(cx));
            }
            let index = cx.index(value)?;
            let Some(number) = as_int_ref(cx.payload(index.get(cx))).map(|n| n.to_int()) else {
                return Err(invalid_type(cx));
            };
            let signed = matches!(format, 'b' | 'h' | 'i' | 'l' | 'q' | 'n');
            match crate::number::int::to_bytes(number.as_ref(), view.item_size, false, signed) {
                Ok(bytes) => out[..bytes.len()].copy_from_slice(&bytes),
                Err(_) => return Err(invalid_value(cx)),
            }
        }
    }
    Ok(out)
}

fn items(cx: &Cx, view: View) -> Vec<Raw> {
    if view.format == 'B' {
        return view.to_vec().into_iter().map(|byte| Raw::int(i64::from(byte))).collect();
    }
    view.places().map(|at| unpack(cx, view.format, view.item_bytes(at))).collect()
}

fn list(cx: &Cx, items: &[Raw]) -> Raw {
    List::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).value().raw()
}

/// The items as lists in lists, one level for each dimension.
fn nested(cx: &Cx, shape: &[usize], items: &[Raw]) -> Raw {
    let [count, rest @ ..] = shape else { return items[0] };
    if rest.is_empty() {
        return list(cx, items);
    }
    let size = items.len() / count.max(&1);
    let rows: Vec<Raw> = (0..*count).map(|row| nested(cx, rest, &items[row * size..(row + 1) * size])).collect();
    list(cx, &rows)
}

/// Indices of a key: an int, or a tuple of ints.
enum Key {
    Index(i64),
    Indices(Vec<i64>),
    Slice(Gc<'static, Slice>),
    Slices,
    /// `()` or `...` of a view without dimensions.
    Whole,
}

fn key_of(cx: &mut Cx, view: View, key: Root) -> Result<Key, Raised> {
    let value: Value<'static> = Value::adopt(key.get(cx).raw());
    if view.dimensions == 0 {
        let whole =
            value.raw().same(Raw::ELLIPSIS) || cx.payload(value).exact::<Tuple>().is_some_and(|keys| keys.is_empty());
        return match whole {
            true => Ok(Key::Whole),
            false => Err(cx.type_error("invalid indexing of 0-dim memory".to_owned())),
        };
    }
    if let Some(slice) = value.exact::<Slice>() {
        return Ok(Key::Slice(slice));
    }
    if let Some(keys) = Value::<'static>::adopt(cx.payload(value).raw()).exact::<Tuple>() {
        let slices = keys.items().filter(|key| key.kind() == Kind::Slice).count();
        if slices > 0 && slices == keys.len() {
            return Ok(Key::Slices);
        }
        // All are looked at before the first is asked for its number.
        let mark = cx.mark();
        let roots: Vec<Root> = keys.items().map(|key| cx.push_raw(key.raw())).collect();
        for root in &roots {
            check_index(cx, *root)?;
        }
        check_dimensions(cx, view, roots.len())?;
        let indices = roots.iter().map(|root| cx.subscript_index(*root)).collect::<Result<_, _>>()?;
        cx.release(mark);
        return Ok(Key::Indices(indices));
    }
    check_index(cx, key)?;
    cx.subscript_index(key).map(Key::Index)
}

fn check_index(cx: &mut Cx, key: Root) -> Result<(), Raised> {
    match is_index(cx, key)? {
        true => Ok(()),
        false => Err(cx.type_error("memoryview: invalid slice key".to_owned())),
    }
}

fn check_dimensions(cx: &mut Cx, view: View, got: usize) -> Result<(), Raised> {
    let have = view.dimensions;
    match got.cmp(&have) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(cx.raise_text(Exc::NotImplementedError, "sub-views are not implemented")),
        Ordering::Greater => Err(cx.type_error(format!("cannot index {have}-dimension view with {got}-element tuple"))),
    }
}

/// Where the item that a key means begins.
fn place(cx: &mut Cx, view: View, indices: &[i64]) -> Result<usize, Raised> {
    check_dimensions(cx, view, indices.len())?;
    let mut place = view.offset as isize;
    for (number, ((index, size), stride)) in indices.iter().zip(view.extents()).zip(view.strides()).enumerate() {
        let at = if *index < 0 { index + size as i64 } else { *index };
        if !(0..size as i64).contains(&at) {
            return Err(cx.index_error(&format!("index out of bounds on dimension {}", number + 1)));
        }
        place += at as isize * stride;
    }
    Ok(place as usize)
}

/// NotImplementedError or TypeError: what goes item by item is for views of one dimension.
fn one_dimension(cx: &mut Cx, view: View, none: &str, several: &str) -> Result<(), Raised> {
    match view.dimensions {
        0 => Err(cx.type_error(none.to_owned())),
        1 => Ok(()),
        _ => Err(cx.raise_text(Exc::NotImplementedError, several)),
    }
}

/// The sizes that `cast` was given, and their product.
fn cast_shape(cx: &mut Cx, view: View, shape: Root) -> Result<Vec<usize>, Raised> {
    let value: Value<'static> = Value::adopt(shape.get(cx).raw());
    if !matches!(cx.payload(value).kind(), Kind::List | Kind::Tuple) {
        return Err(cx.type_error("shape must be a list or a tuple".to_owned()));
    }
    let sizes = cx.tuple_from(shape)?;
    let sizes: Value<'static> = Value::adopt(sizes.get(cx).raw());
    let sizes = sizes.exact::<Tuple>().expect("just made");
    if sizes.len() > 64 {
        return Err(cx.value_error("memoryview: number of dimensions must not exceed 64"));
    }
    if view.dimensions != 1 && sizes.len() != 1 {
        return Err(cx.type_error("memoryview: cast must be 1D -> ND or ND -> 1D".to_owned()));
    }
    let mut out = vec![];
    let mut product = 1usize;
    for at in 0..sizes.len() {
        let Some(size) = as_int_ref(cx.payload(sizes.item(at))).map(|size| size.to_int()) else {
            return Err(cx.type_error("memoryview.cast(): elements of shape must be integers".to_owned()));
        };
        let Some(size) = size.as_ref().to_i64() else {
            return Err(cx.overflow_error("Python int too large to convert to C ssize_t"));
        };
        if size <= 0 {
            return Err(cx.value_error("memoryview.cast(): elements of shape must be integers > 0"));
        }
        product = match product.checked_mul(size as usize).filter(|product| isize::try_from(*product).is_ok()) {
            Some(product) => product,
            None => return Err(cx.value_error("memoryview.cast(): product(shape) > SSIZE_MAX")),
        };
        out.push(size as usize);
    }
    Ok(out)
}

fn part(cx: &mut Cx, view: View, slice: Gc<'static, Slice>) -> Result<MemoryView, Raised> {
    let range = slice_range(cx, slice, view.count)?;
    not_released(cx, view)?;
    let mut part = like(view);
    part.offset = (view.offset as isize + range.start as isize * view.stride).max(0) as usize;
    part.stride = view.stride * range.step as isize;
    part.count = range.count;
    Ok(part)
}

/// Sets a part of a view of one dimension to what a bytes-like object has.
fn set_part(cx: &mut Cx, view: View, slice: Gc<'static, Slice>, value: Root) -> Result<(), Raised> {
    let bytes = match value.get(cx).exact::<MemoryView>().filter(|source| !source.released.get()) {
        // They need not be next to each other.
        Some(source) => Cow::Owned(source.to_vec()),
        None => bytes_like(cx, value)?,
    };
    let target = part(cx, view, slice)?;
    let source = value.get(cx).exact::<MemoryView>();
    let source_format = source.map_or('B', |v| v.format);
    if source.is_some_and(|v| v.dimensions != 1)
        || source_format != target.format
        || bytes.len() != target.count * target.item_size
    {
        let text = "memoryview assignment: lvalue and rvalue have different structures";
        return Err(cx.value_error(text));
    }
    for (index, item) in bytes.chunks(target.item_size).enumerate() {
        target.set_item_bytes(target.place(index), item);
    }
    Ok(())
}

/// Items in the order of the first index first.
fn by_columns(shape: &[usize], item_size: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..bytes.len() / item_size {
        let at = index.iter().zip(shape).fold(0, |at, (index, size)| at * size + index) * item_size;
        out.extend_from_slice(&bytes[at..at + item_size]);
        for (index, size) in index.iter_mut().zip(shape) {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    out
}

fn sizes(cx: &mut Cx, numbers: &[isize]) -> NativeResult {
    Ok(Tuple::build(&cx.heap, numbers.len(), |at| Value::int(numbers[at] as i64)).into())
}

natives!(
    /// A window on the bytes of another object.
    pub static MEMORYVIEW_METHODS: Methods;

    /// A view of a bytes-like object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] object: Root) -> NativeResult {
        of_object(cx, object)
    }

    /// The class with parameters, for annotations.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }

    /// A view of a view.
    fn __buffer__(cx: &mut Cx, this: Root, flags: i64) -> NativeResult {
        let readonly = view(cx, this, "__buffer__")?.readonly;
        if readonly && flags & 1 != 0 {
            return Err(cx.raise_text(Exc::BufferError, "memoryview: underlying buffer is not writable"));
        }
        of_object(cx, this)
    }

    /// The bytes of all items.
    fn tobytes(cx: &mut Cx, this: Root, #[either] order: Option<Root>) -> NativeResult {
        let mut columns = false;
        if let Some(order) = order.filter(|order| !order.get(cx).is_none()) {
            let Some(text) = cx.as_str(order.get(cx)).map(|s| s.to_str_lossy().into_owned()) else {
                let got = cx.type_name_for_error(order.get(cx));
                return Err(cx.type_error(format!("tobytes() argument 'order' must be str or None, not {got}")));
            };
            if !matches!(text.as_str(), "C" | "F" | "A") {
                return Err(cx.value_error("order must be 'C', 'F' or 'A'"));
            }
            columns = text == "F";
        }
        let view = view(cx, this, "tobytes")?;
        cx.check_room(view.size().saturating_mul(2))?;
        let mut bytes = view.to_vec();
        if columns && view.dimensions > 1 {
            bytes = by_columns(&view.extents(), view.item_size, &bytes);
        }
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// The items as a list.
    fn tolist(cx: &mut Cx, this: Root) -> NativeResult {
        let view = view(cx, this, "tolist")?;
        // The list, and as much while it is made.
        cx.check_room(view.size().saturating_mul(40))?;
        let items = items(cx, view);
        Ok(Outcome::Value(nested(cx, &view.extents(), &items)))
    }

    /// The bytes in hexadecimal digits, in groups if a separator is given.
    fn hex(
        cx: &mut Cx,
        this: Root,
        #[either] sep: Given<Root>,
        #[either]
        #[default(1)]
        bytes_per_sep: i32,
    ) -> NativeResult {
        let bytes = view(cx, this, "hex")?.to_vec();
        hex_of(cx, &bytes, sep.0, bytes_per_sep)
    }

    /// Lets go of the memory: the view is of no use afterwards.
    fn release(cx: &mut Cx, this: Root) -> Result<(), Raised> {
        let_go(cx, this, "release")
    }

    /// A view of the same memory that can't be written to.
    fn toreadonly(cx: &mut Cx, this: Root) -> NativeResult {
        let view = view(cx, this, "toreadonly")?;
        Ok(Outcome::Value(make(cx, MemoryView { readonly: true, ..like(view) })))
    }

    /// The same memory as items of another format.
    fn cast(cx: &mut Cx, this: Root, #[either] format: Root, #[either] shape: Given<Root>) -> NativeResult {
        let view = view(cx, this, "cast")?;
        let Some(text) = cx.as_str(format.get(cx)).map(|s| s.to_str_lossy().into_owned()) else {
            let got = cx.argument_name_for_error(format.get(cx));
            return Err(cx.type_error(format!("cast() argument 'format' must be str, not {got}")));
        };
        if !view.is_contiguous() {
            return Err(cx.type_error("memoryview: casts are restricted to C-contiguous views".to_owned()));
        }
        if (shape.0.is_some() || view.dimensions != 1) && view.size() == 0 {
            return Err(cx.type_error("memoryview: cannot cast view with zeros in shape or strides".to_owned()));
        }
        let shape = match shape.0 {
            Some(shape) => Some(cast_shape(cx, view, shape)?),
            None => None,
        };
        if let Some(start) = text.chars().position(|c| !c.is_ascii()) {
            let end = start + text.chars().skip(start).take_while(|c| !c.is_ascii()).count();
            return Err(cx.unicode_error(
                Exc::UnicodeEncodeError,
                format,
                "ascii",
                start,
                end,
                "ordinal not in range(128)",
            ));
        }
        let native_mark = text.starts_with('@');
        let mut letters = text.trim_start_matches('@').chars();
        let format = letters.next().filter(|_| letters.next().is_none());
        let Some((format, item_size)) = format.and_then(|f| Some((f, size_of(f)?))) else {
            let text =
                "memoryview: destination format must be a native single character format prefixed with an optional '@'";
            return Err(cx.value_error(text));
        };
        let bytes_like = |f: char| matches!(f, 'B' | 'b' | 'c');
        if !bytes_like(view.format) && !bytes_like(format) {
            let text = "memoryview: cannot cast between two non-byte formats";
            return Err(cx.type_error(text.to_owned()));
        }
        let bytes = view.size();
        if bytes % item_size != 0 {
            return Err(cx.type_error("memoryview: length is not a multiple of itemsize".to_owned()));
        }
        let shape = shape.unwrap_or_else(|| vec![bytes / item_size]);
        if shape.iter().product::<usize>().checked_mul(item_size) != Some(bytes) {
            return Err(cx.type_error("memoryview: product(shape) * itemsize != buffer size".to_owned()));
        }
        let inner: Box<[usize]> = shape.get(1..).unwrap_or_default().into();
        let made = MemoryView {
            format,
            native_mark,
            item_size,
            count: shape.first().copied().unwrap_or(1),
            stride: (inner.iter().product::<usize>() * item_size) as isize,
            dimensions: shape.len(),
            inner,
            ..like(view)
        };
        Ok(Outcome::Value(make(cx, made)))
    }

    /// How often a value occurs among the items.
    fn count(cx: &mut Cx, this: Root, value: Root) -> Result<i64, Raised> {
        let view = view(cx, this, "count")?;
        one_dimension(cx, view, "invalid indexing of 0-dim memory", "multi-dimensional sub-views are not implemented")?;
        let mut count = 0;
        for raw in items(cx, view) {
            let mark = cx.mark();
            let item = cx.push_raw(raw);
            count += i64::from(cx.equals(item, value)?);
            cx.release(mark);
        }
        Ok(count)
    }

    /// The first place of a value among the items; ValueError if there is none.
    fn index(cx: &mut Cx, this: Root, value: Root, start: Given<Root>, stop: Given<Root>) -> Result<i64, Raised> {
        let view = view(cx, this, "index")?;
        one_dimension(cx, view, "invalid lookup on 0-dim memory", "multi-dimensional lookup is not implemented")?;
        let (start, stop) = (start.0, stop.0);
        for limit in [start, stop].into_iter().flatten() {
            if !is_index(cx, limit)? {
                let text = "slice indices must be integers or have an __index__ method";
                return Err(cx.type_error(text.to_owned()));
            }
        }
        let (start, stop) = super::bounds::search_range(cx, start, stop, view.count)?;
        not_released(cx, view)?;
        for (index, raw) in items(cx, view).into_iter().enumerate().take(stop).skip(start) {
            let mark = cx.mark();
            let item = cx.push_raw(raw);
            if cx.equals(item, value)? {
                return Ok(index as i64);
            }
            cx.release(mark);
        }
        Err(cx.value_error("memoryview.index(x): x not found"))
    }

    /// The object it is a view of.
    #[getter]
    fn obj(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = view(cx, this, "obj")?.get().owner.get().raw();
        Ok(Outcome::Value(raw))
    }

    /// Size of all items in bytes.
    #[getter]
    fn nbytes(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(view(cx, this, "nbytes")?.size() as i64)
    }

    /// Size of an item in bytes.
    #[getter]
    fn itemsize(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(view(cx, this, "itemsize")?.item_size as i64)
    }

    /// The item's type as `struct` writes it.
    #[getter]
    fn format(cx: &mut Cx, this: Root) -> NativeResult {
        let view = view(cx, this, "format")?;
        let mark = if view.native_mark { "@" } else { "" };
        Ok(Str::new(&cx.heap, &format!("{mark}{}", view.format)).into())
    }

    /// Number of dimensions.
    #[getter]
    fn ndim(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(view(cx, this, "ndim")?.dimensions as i64)
    }

    /// Number of items in each dimension.
    #[getter]
    fn shape(cx: &mut Cx, this: Root) -> NativeResult {
        let shape: Vec<isize> = view(cx, this, "shape")?.extents().into_iter().map(|size| size as isize).collect();
        sizes(cx, &shape)
    }

    /// Bytes from one item to the next in each dimension.
    #[getter]
    fn strides(cx: &mut Cx, this: Root) -> NativeResult {
        let strides = view(cx, this, "strides")?.strides();
        sizes(cx, &strides)
    }

    /// Of no use: an empty tuple.
    #[getter]
    fn suboffsets(cx: &mut Cx, this: Root) -> NativeResult {
        view(cx, this, "suboffsets")?;
        Ok(cx.empty_tuple().into())
    }

    /// Whether items can't be set.
    #[getter]
    fn readonly(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "readonly")?.readonly)
    }

    /// Whether items follow each other without gaps, in one order or the other.
    #[getter]
    fn contiguous(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "contiguous")?.is_contiguous())
    }

    /// Whether items follow each other without gaps, the last index first.
    #[getter]
    fn c_contiguous(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "c_contiguous")?.is_contiguous())
    }

    /// Whether items follow each other without gaps, the first index first.
    #[getter]
    fn f_contiguous(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "f_contiguous")?.is_contiguous_by_columns())
    }

    /// The view itself.
    fn __enter__(cx: &mut Cx, this: Root) -> NativeResult {
        view(cx, this, "__enter__")?;
        Ok(this.get(cx).into())
    }

    /// Releases the view.
    fn __exit__(cx: &mut Cx, this: Root, exc_info: Rest) -> Result<(), Raised> {
        let_go(cx, this, "__exit__")
    }

    /// Number of items.
    fn __len__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        let view = view(cx, this, "__len__")?;
        match view.dimensions {
            0 => Err(cx.type_error("0-dim memory has no length".to_owned())),
            _ => Ok(view.count as i64),
        }
    }

    /// An item, or a view of some of them.
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let view = view(cx, this, "__getitem__")?;
        let at = match key_of(cx, view, key)? {
            Key::Slice(slice) => {
                let made = part(cx, view, slice)?;
                return Ok(Outcome::Value(make(cx, made)));
            }
            Key::Index(_) if view.dimensions > 1 => {
                let text = "multi-dimensional sub-views are not implemented";
                return Err(cx.raise_text(Exc::NotImplementedError, text));
            }
            Key::Slices => {
                let text = "multi-dimensional slicing is not implemented";
                return Err(cx.raise_text(Exc::NotImplementedError, text));
            }
            Key::Whole if key.get(cx).raw().same(Raw::ELLIPSIS) => return Ok(this.get(cx).into()),
            Key::Whole => view.offset,
            Key::Index(index) => place(cx, view, &[index])?,
            Key::Indices(indices) => place(cx, view, &indices)?,
        };
        not_released(cx, view)?;
        Ok(Outcome::Value(unpack(cx, view.format, view.item_bytes(at))))
    }

    /// Sets an item, or some of them to those of a bytes-like object.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> Result<(), Raised> {
        let view = view(cx, this, "__setitem__")?;
        if view.readonly {
            return Err(cx.type_error("cannot modify read-only memory".to_owned()));
        }
        // A row can't be set, whatever its number.
        if view.dimensions > 1 && cx.special_method(key, crate::vm::Name::Index)?.is_some() {
            return Err(cx.raise_text(Exc::NotImplementedError, "sub-views are not implemented"));
        }
        let at = match key_of(cx, view, key)? {
            Key::Slice(slice) if view.dimensions == 1 => return set_part(cx, view, slice, value),
            Key::Slice(_) | Key::Slices => {
                let text = "memoryview slice assignments are currently restricted to ndim = 1";
                return Err(cx.raise_text(Exc::NotImplementedError, text));
            }
            Key::Whole => view.offset,
            Key::Index(index) => place(cx, view, &[index])?,
            Key::Indices(indices) => place(cx, view, &indices)?,
        };
        let bytes = pack(cx, view, value)?;
        not_released(cx, view)?;
        view.set_item_bytes(at, &bytes[..view.item_size]);
        Ok(())
    }

    /// Items can't be deleted.
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> Result<(), Raised> {
        if view(cx, this, "__delitem__")?.readonly {
            return Err(cx.type_error("cannot modify read-only memory".to_owned()));
        }
        Err(cx.type_error("cannot delete memory".to_owned()))
    }

    /// An iterator over the items.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let view = view(cx, this, "__iter__")?;
        one_dimension(cx, view, "invalid indexing of 0-dim memory", "multi-dimensional sub-views are not implemented")?;
        let iterator = cx.new_iterator(step, "memory_iterator", &[this]).held();
        cx.step_directly(iterator, next, true, &[]);
        Ok(iterator.into())
    }

    /// Whether the items are equal to those of another bytes-like object.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if this.get(cx).is(value.get(cx)) {
            return Ok(true.into());
        }
        let view = any_view(cx, this, "__eq__")?;
        if view.released.get() {
            return Ok(false.into());
        }
        let other: Value<'static> = Value::adopt(value.get(cx).raw());
        if let Some(other) = other.exact::<MemoryView>() {
            if other.released.get() || other.extents() != view.extents() {
                return Ok(false.into());
            }
            if other.format == view.format && !matches!(view.format, 'f' | 'd' | 'e') {
                return Ok((view.to_vec() == other.to_vec()).into());
            }
            let (a, b) = (items(cx, view), items(cx, other));
            for (a, b) in a.into_iter().zip(b) {
                let mark = cx.mark();
                let (a, b) = (cx.push_raw(a), cx.push_raw(b));
                if !cx.equals(a, b)? {
                    return Ok(false.into());
                }
                cx.release(mark);
            }
            return Ok(true.into());
        }
        let Some(bytes) = super::bytes::shown_bytes(cx, value, FULL_READ_ONLY)? else {
            return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
        };
        if view.dimensions != 1 {
            return Ok(false.into());
        }
        if view.format == 'B' {
            return Ok((view.to_vec() == *bytes).into());
        }
        let same = view.count == bytes.len()
            && items(cx, view).iter().zip(bytes.iter()).all(|(a, b)| Value::adopt(*a).as_int() == Some(i64::from(*b)));
        Ok(same.into())
    }

    /// The hash of the bytes, if they can't change.
    fn __hash__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        let view = view(cx, this, "__hash__")?;
        if view.hash.get() != -1 {
            return Ok(view.hash.get());
        }
        if !view.readonly {
            return Err(cx.value_error("cannot hash writable memoryview object"));
        }
        if !matches!(view.format, 'B' | 'b' | 'c') {
            return Err(cx.value_error("memoryview: hashing is restricted to formats 'B', 'b' or 'c'"));
        }
        // What it looks at has a say.
        let object = cx.push_raw(view.memory.get().raw());
        cx.hash(object)?;
        let hash = cx.heap.hash_key().hash_bytes(&view.to_vec());
        view.hash.set(hash);
        Ok(hash)
    }

    /// What it is and where.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let view = any_view(cx, this, "__repr__")?;
        let what = if view.released.get() { "released memory" } else { "memory" };
        let id = cx.heap.id(view.value());
        Ok(Str::new(&cx.heap, &format!("<{what} at {id:#x}>")).into())
    }
);

/// State: the view; items are counted through.
fn next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let source = iterator.slot(0);
    let at = iterator.count.get();
    let Some(view) = source.exact::<MemoryView>().filter(|view| at < view.count as i64) else {
        return Ok(Stepped::End);
    };
    not_released(cx, view.held())?;
    iterator.get().count.set(at + 1);
    if let Some(byte) = view.byte_at(at) {
        *to = Raw::int(i64::from(byte));
        return Ok(Stepped::Item);
    }
    *to = unpack(cx, view.format, view.item_bytes(view.place(at as usize)));
    Ok(Stepped::Item)
}

fn step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = window.get(cx, 0).exact::<NativeIterator>().expect("a native iterator").held();
    let mut item = Raw::UNBOUND;
    next(cx, iterator, &mut item)?;
    Ok(Outcome::Value(item))
}
