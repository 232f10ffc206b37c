//! memoryview: its methods and attributes. Views have one dimension; casting to more is refused by name.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::natives;
use crate::number::int::Int;
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Exc, List, MemoryView, SequenceIterator, Slice, Str, Tuple, int_value};
use crate::vm::Name;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Rest, Root};

use super::bounds::slice_range;
use super::bytes::{bytes_like, hex_of};
use super::text::wrong_receiver;
use super::text_ops::repetitions;

type View = Gc<'static, MemoryView>;

/// The view a method was called on, if it was not released.
fn view(cx: &mut Cx, this: Root, method: &str) -> Result<View, Raised> {
    let view = any_view(cx, this, method)?;
    if view.released.get() {
        return Err(cx.value_error("operation forbidden on released memoryview object"));
    }
    Ok(view)
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

/// What a view asks a buffer for: whatever there is, to be read.
const FULL_READ_ONLY: i64 = 284;

/// A view of a bytes-like object.
pub(crate) fn of_object(cx: &mut Cx, object: Root) -> NativeResult {
    let flags = cx.push_raw(Raw::int(FULL_READ_ONLY));
    let value: Value<'static> = Value::adopt(object.get(cx).raw());
    let payload: Value<'static> = Value::adopt(cx.payload(value).raw());
    let base = MemoryView {
        owner: Slot::new(value),
        memory: Slot::new(payload),
        offset: 0,
        count: 0,
        stride: 1,
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
        return Ok(Outcome::Value(made.get(cx).raw()));
    } else {
        let got = cx.type_name_for_error(value);
        return Err(cx.type_error(format!("memoryview: a bytes-like object is required, not '{got}'")));
    };
    Ok(Outcome::Value(make(cx, made)))
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
        offset: of.offset,
        count: of.count,
        stride: of.stride,
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
        'e' => Raw::float(half_to_double(u16::from_le_bytes(two))),
        _ => Raw::int(i64::from_le_bytes(raw)),
    }
}

/// A number of two bytes with a fraction as one of eight.
fn half_to_double(half: u16) -> f64 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => sign * f64::INFINITY,
        0x1f => f64::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
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
        'f' | 'd' => {
            let number = match value.get(cx).as_float() {
                Some(float) => float,
                None if as_int_ref(value.get(cx)).is_some() => cx.to_float(value)?,
                None => return Err(invalid_type(cx)),
            };
            if format == 'f' {
                out[..4].copy_from_slice(&(number as f32).to_le_bytes());
            } else {
                out = number.to_le_bytes();
            }
        }
        'e' => return Err(cx.missing("memoryview items of format 'e'")),
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
    (0..view.count).map(|i| unpack(cx, view.format, view.item_bytes(i))).collect()
}

fn list(cx: &Cx, items: &[Raw]) -> Raw {
    List::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).value().raw()
}

/// The item number a key means.
fn place(cx: &mut Cx, view: View, key: Root) -> Result<usize, Raised> {
    let Some(index) = repetitions(cx, key)? else {
        return Err(cx.type_error("memoryview: invalid slice key".to_owned()));
    };
    let at = if index < 0 { index + view.count as i64 } else { index };
    if !(0..view.count as i64).contains(&at) {
        return Err(cx.index_error("index out of bounds on dimension 1"));
    }
    Ok(at as usize)
}

fn part(cx: &mut Cx, view: View, slice: Gc<'static, Slice>) -> Result<MemoryView, Raised> {
    let range = slice_range(cx, slice, view.count)?;
    let mut part = like(view);
    part.offset = (view.offset as isize + range.start as isize * view.stride).max(0) as usize;
    part.stride = view.stride * range.step as isize;
    part.count = range.count;
    Ok(part)
}

fn none_tuple(cx: &mut Cx, number: i64) -> NativeResult {
    Ok(Tuple::build(&cx.heap, 1, |_| Value::int(number)).into())
}

natives!(
    /// A window on the bytes of another object.
    pub static MEMORYVIEW_METHODS: Methods;

    /// A view of a bytes-like object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] object: Root) -> NativeResult {
        of_object(cx, object)
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
        if let Some(order) = order {
            let Some(text) = cx.as_str(order.get(cx)).map(|s| s.to_str_lossy().into_owned()) else {
                let got = cx.type_name_for_error(order.get(cx));
                return Err(cx.type_error(format!("tobytes() argument 'order' must be str or None, not {got}")));
            };
            if !matches!(text.as_str(), "C" | "F" | "A") {
                return Err(cx.value_error("order must be 'C', 'F' or 'A'"));
            }
        }
        let view = view(cx, this, "tobytes")?;
        cx.check_room(view.count.saturating_mul(view.item_size).saturating_mul(2))?;
        let bytes = view.to_vec();
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// The items as a list.
    fn tolist(cx: &mut Cx, this: Root) -> NativeResult {
        let view = view(cx, this, "tolist")?;
        // The list, and as much while it is made.
        cx.check_room(view.count.saturating_mul(view.item_size).saturating_mul(40))?;
        let items = items(cx, view);
        Ok(Outcome::Value(list(cx, &items)))
    }

    /// The bytes in hexadecimal digits, in groups if a separator is given.
    fn hex(
        cx: &mut Cx,
        this: Root,
        #[either] sep: Given<Root>,
        #[either]
        #[default(1)]
        bytes_per_sep: i64,
    ) -> NativeResult {
        let bytes = view(cx, this, "hex")?.to_vec();
        hex_of(cx, &bytes, sep.0, bytes_per_sep)
    }

    /// Lets go of the memory: the view is of no use afterwards.
    fn release(cx: &mut Cx, this: Root) -> Result<(), Raised> {
        let view = any_view(cx, this, "release")?;
        view.released.set(true);
        Ok(())
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
        let bytes = view.count * view.item_size;
        if bytes % item_size != 0 {
            return Err(cx.type_error("memoryview: length is not a multiple of itemsize".to_owned()));
        }
        if let Some(shape) = shape.0 {
            let shape = cx.tuple_from(shape)?;
            let shape: Value<'static> = Value::adopt(shape.get(cx).raw());
            let sizes: Vec<Option<i64>> =
                shape.exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.as_int()).collect());
            match sizes.as_slice() {
                [Some(count)] if *count as usize * item_size == bytes => {}
                [Some(_)] => {
                    let text = "memoryview: product(shape) * itemsize != buffer size";
                    return Err(cx.type_error(text.to_owned()));
                }
                _ => return Err(cx.missing("memoryviews of several dimensions")),
            }
        }
        let made = MemoryView {
            format,
            native_mark,
            item_size,
            count: bytes / item_size,
            stride: item_size as isize,
            ..like(view)
        };
        Ok(Outcome::Value(make(cx, made)))
    }

    /// How often a value occurs among the items.
    fn count(cx: &mut Cx, this: Root, value: Root) -> Result<i64, Raised> {
        let view = view(cx, this, "count")?;
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
    fn index(cx: &mut Cx, this: Root, value: Root, start: Option<Root>, stop: Option<Root>) -> Result<i64, Raised> {
        let view = view(cx, this, "index")?;
        let (start, stop) = super::bounds::search_range(cx, start, stop, view.count)?;
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
        let view = view(cx, this, "nbytes")?;
        Ok((view.count * view.item_size) as i64)
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
        view(cx, this, "ndim")?;
        Ok(1)
    }

    /// Number of items in each dimension.
    #[getter]
    fn shape(cx: &mut Cx, this: Root) -> NativeResult {
        let count = view(cx, this, "shape")?.count as i64;
        none_tuple(cx, count)
    }

    /// Bytes from one item to the next in each dimension.
    #[getter]
    fn strides(cx: &mut Cx, this: Root) -> NativeResult {
        let stride = view(cx, this, "strides")?.stride as i64;
        none_tuple(cx, stride)
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

    /// Whether items follow each other without gaps.
    #[getter]
    fn contiguous(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "contiguous")?.is_contiguous())
    }

    /// Whether items follow each other without gaps.
    #[getter]
    fn c_contiguous(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "c_contiguous")?.is_contiguous())
    }

    /// Whether items follow each other without gaps.
    #[getter]
    fn f_contiguous(cx: &mut Cx, this: Root) -> Result<bool, Raised> {
        Ok(view(cx, this, "f_contiguous")?.is_contiguous())
    }

    /// The view itself.
    fn __enter__(cx: &mut Cx, this: Root) -> NativeResult {
        view(cx, this, "__enter__")?;
        Ok(this.get(cx).into())
    }

    /// Releases the view.
    fn __exit__(cx: &mut Cx, this: Root, exc_info: Rest) -> Result<(), Raised> {
        let view = any_view(cx, this, "__exit__")?;
        view.released.set(true);
        Ok(())
    }

    /// Number of items.
    fn __len__(cx: &mut Cx, this: Root) -> Result<i64, Raised> {
        Ok(view(cx, this, "__len__")?.count as i64)
    }

    /// An item, or a view of some of them.
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let view = view(cx, this, "__getitem__")?;
        let value: Value<'static> = Value::adopt(key.get(cx).raw());
        if let Some(slice) = value.exact::<Slice>() {
            let made = part(cx, view, slice)?;
            return Ok(Outcome::Value(make(cx, made)));
        }
        let at = place(cx, view, key)?;
        Ok(Outcome::Value(unpack(cx, view.format, view.item_bytes(at))))
    }

    /// Sets an item, or some of them to those of a bytes-like object.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> Result<(), Raised> {
        let view = view(cx, this, "__setitem__")?;
        if view.readonly {
            return Err(cx.type_error("cannot modify read-only memory".to_owned()));
        }
        let key_value: Value<'static> = Value::adopt(key.get(cx).raw());
        let Some(slice) = key_value.exact::<Slice>() else {
            let at = place(cx, view, key)?;
            let bytes = pack(cx, view, value)?;
            view.set_item_bytes(at, &bytes[..view.item_size]);
            return Ok(());
        };
        let target = part(cx, view, slice)?;
        let source_format = value.get(cx).exact::<MemoryView>().map_or('B', |v| v.format);
        let bytes = bytes_like(cx, value)?;
        if source_format != target.format || bytes.len() != target.count * target.item_size {
            let text = "memoryview assignment: lvalue and rvalue have different structures";
            return Err(cx.value_error(text));
        }
        for (index, item) in bytes.chunks(target.item_size).enumerate() {
            target.set_item_bytes(index, item);
        }
        Ok(())
    }

    /// Items can't be deleted.
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> Result<(), Raised> {
        if view(cx, this, "__delitem__")?.readonly {
            return Err(cx.type_error("cannot modify read-only memory".to_owned()));
        }
        Err(cx.type_error("cannot delete memory".to_owned()))
    }

    /// An iterator over the items as they are now.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let view = view(cx, this, "__iter__")?;
        let items = items(cx, view);
        let items = list(cx, &items);
        let iterator =
            SequenceIterator { sequence: Slot::new(Value::adopt(items)), next: StdCell::new(0), backward: false };
        Ok(cx.heap.alloc(iterator).into())
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
            if other.released.get() || other.count != view.count {
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
        let Some(bytes) = super::bytes::buffer_of(cx, value) else { return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED)) };
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
