//! The module `array`.

use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value};
use crate::native::natives;
use crate::native::types::bounds::{apply_bounds, slice_bounds};
use crate::native::types::bytes::{bytes_like, value_bytes};
use crate::native::types::iterator::ITERATOR;
use crate::native::types::list::bound;
use crate::object::key::as_int_ref;
use crate::object::{Array, ByteArray, Bytes, ClassFlags, Dict, Exc, Item, List, Slice, Str, array_item_size};
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::step::Stepped;
use crate::vm::{CompareKind, Name, TypeRow};

static ROWS: &[TypeRow] = &[
    TypeRow::of(Kind::Array, "array", &[&ARRAY, &CHANGES]).in_module("array").with(ClassFlags::SEQUENCE),
    TypeRow { kind: None, ..TypeRow::of(Kind::NativeIterator, "arrayiterator", &[&ITERATION, &ITERATOR]) }
        .in_module("array")
        .with(ClassFlags::FINAL),
];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("array").held();
    cx.functions_of(module, &FUNCTIONS);
    let class = cx.kind_class(Kind::Array).value().raw();
    let codes = cx.str("bBuwhHiIlLqQfd").value().raw();
    for (name, raw) in [("array", class), ("ArrayType", class), ("typecodes", codes)] {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(raw));
        cx.fits(done)?;
    }
    let abstracts = cx.import("collections.abc")?;
    let sequence = cx.attribute(abstracts, "MutableSequence")?;
    let class = cx.push_raw(class);
    cx.call_method(sequence, "register", &[class])?;
    Ok(())
}

natives!(
    /// Arrays of numbers of one kind, packed.
    static FUNCTIONS: Functions;

    /// What a pickle of another machine is read with.
    fn _array_reconstructor(
        cx: &mut Cx,
        arraytype: Root,
        typecode: Root,
        mformat_code: i64,
        items: Root,
    ) -> NativeResult {
        let made = cx.call(arraytype, &[typecode])?;
        cx.call_method(made, "frombytes", &[items])?;
        Ok(made.get(cx).into())
    }
);

/// The array of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'static, Array> {
    array_of(cx, this.get(cx)).expect("the instance is an array")
}

/// The array a value is, or stands for.
fn array_of(cx: &Cx, value: Value<'_>) -> Option<Gc<'static, Array>> {
    cx.payload(Value::adopt(value.raw())).exact::<Array>().map(Gc::held)
}

/// An array with these bytes.
fn new_array(cx: &mut Cx, code: u8, bytes: &[u8]) -> Result<Raw, Raised> {
    let memory = ByteArray::new(&cx.heap, bytes).map(|memory| memory.held());
    let memory = cx.fits(memory)?;
    Ok(cx.heap.alloc(Array { memory: Ref::new(memory), code }).value().raw())
}

/// Replaces items `start..end` by these bytes.
fn splice(cx: &mut Cx, this: Root, start: usize, end: usize, bytes: &[u8]) -> Result<(), Raised> {
    let own = own(cx, this);
    let (memory, size) = (own.memory(), own.item_size());
    let changes = bytes.len() != (end - start) * size;
    if changes && memory.exports.get() > 0 && cx.count_views(memory) > 0 {
        let text = "cannot resize an array that is exporting buffers";
        return Err(cx.raise_text(Exc::BufferError, text));
    }
    let done = memory.splice(cx.heap.forever(), start * size, end * size, bytes);
    cx.fits(done)
}

fn push(cx: &mut Cx, this: Root, item: Root) -> Result<(), Raised> {
    let (bytes, size) = (pack(cx, this, item)?, own(cx, this).item_size());
    let len = own(cx, this).len();
    splice(cx, this, len, len, &bytes[..size])
}

/// A value as the bytes of an item.
fn pack(cx: &mut Cx, this: Root, value: Root) -> Result<[u8; 8], Raised> {
    let array = own(cx, this);
    if let Some(bytes) = array.packed(value.get(cx)) {
        return Ok(bytes);
    }
    let mut bytes = [0; 8];
    match array.code {
        b'f' | b'd' => {
            let number = cx.to_float(value)?;
            if array.code == b'd' {
                bytes = number.to_le_bytes();
            } else {
                bytes[..4].copy_from_slice(&(number as f32).to_le_bytes());
            }
        }
        b'u' | b'w' => {
            let Some(text) = cx.as_str(value.get(cx)) else {
                let got = cx.type_name_for_error(value.get(cx));
                return Err(cx.type_error(format!("array item must be a unicode character, not {got}")));
            };
            if text.chars() != 1 {
                let count = text.chars();
                let text = format!("array item must be a unicode character, not a string of length {count}");
                return Err(cx.type_error(text));
            }
            bytes[..4].copy_from_slice(&points(text)[0].to_le_bytes());
        }
        code => {
            let index = cx.index(value)?;
            let int = as_int_ref(index.get(cx)).map(|int| (int.to_i64(), int.signum() < 0, int.bit_length()));
            let (small, negative, bits) = int.unwrap_or((Some(0), false, 0));
            if let (b'L' | b'Q', false, ..=64) = (code, negative, bits) {
                let big = as_int_ref(index.get(cx)).map(|int| int.to_big().into_owned());
                let digits = big.and_then(|big| big.to_u64_digits().1.first().copied()).unwrap_or(0);
                return Ok(digits.to_le_bytes());
            }
            // Of a bool, or what an object said it is.
            let plain = small.and_then(|small| array.packed(Value::int(small)));
            return plain.ok_or(()).map_err(|()| out_of_range(cx, code, small, negative, bits));
        }
    }
    Ok(bytes)
}

/// The error of an integer that an item can't be.
fn out_of_range(cx: &mut Cx, code: u8, small: Option<i64>, negative: bool, bits: u64) -> Raised {
    let how = if negative { "less than minimum" } else { "greater than maximum" };
    let text = match code {
        // What is read first is a C short, or an int.
        b'b' if small.is_some_and(|small| i16::try_from(small).is_err()) => {
            format!("signed short integer is {how}")
        }
        b'H' if small.is_some_and(|small| i32::try_from(small).is_err()) => format!("signed integer is {how}"),
        b'b' if small.is_some() => format!("signed char is {how}"),
        b'B' if small.is_some() => format!("unsigned byte integer is {how}"),
        b'h' if small.is_some() => format!("signed short integer is {how}"),
        b'H' if small.is_some() => format!("unsigned short is {how}"),
        b'i' if small.is_some() => format!("signed integer is {how}"),
        b'q' => "int too big to convert".into(),
        b'Q' if negative => "can't convert negative int to unsigned".into(),
        b'b' | b'B' | b'h' | b'H' | b'i' | b'l' => "Python int too large to convert to C long".into(),
        _ if negative => "can't convert negative value to unsigned int".into(),
        b'I' if bits <= 64 => "unsigned int is greater than maximum".into(),
        b'Q' => "int too big to convert".into(),
        _ => "Python int too large to convert to C unsigned long".into(),
    };
    cx.overflow_error(&text)
}

/// The code points of a text.
fn points(text: Gc<'_, Str>) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(text.chars());
    let mut at = 0;
    while at < bytes.len() {
        let (len, first) = match bytes[at] {
            byte @ 0..=0x7F => (1, u32::from(byte)),
            byte @ 0..=0xDF => (2, u32::from(byte & 0x1F)),
            byte @ 0..=0xEF => (3, u32::from(byte & 0x0F)),
            byte => (4, u32::from(byte & 0x07)),
        };
        found.push(bytes[at + 1..at + len].iter().fold(first, |point, byte| point << 6 | u32::from(byte & 0x3F)));
        at += len;
    }
    found
}

fn text_bytes(text: Gc<'_, Str>) -> Vec<u8> {
    points(text).iter().flat_map(|point| point.to_le_bytes()).collect()
}

/// The items as a text.
fn text_of(cx: &mut Cx, this: Root) -> Result<Raw, Raised> {
    let array = own(cx, this);
    let mut out = vec![];
    for at in 0..array.len() {
        let raw = array.value_at(&cx.heap, at);
        match (Value::<'static>::adopt(raw).exact::<Str>(), array.item(at)) {
            (Some(text), _) => out.extend_from_slice(text.as_bytes()),
            (None, Item::Char(point)) => {
                return Err(cx.value_error(format!("character U+{point:x} is not in range [U+0000; U+10ffff]")));
            }
            _ => {}
        }
    }
    Ok(Str::from_parts(&cx.heap, &[&out]).value().raw())
}

/// An item as a value.
fn value_at(cx: &mut Cx, this: Root, at: usize) -> Result<Raw, Raised> {
    let array = own(cx, this);
    let raw = array.value_at(&cx.heap, at);
    if raw.is_unbound() {
        return Err(no_character(cx, array, at));
    }
    Ok(raw)
}

/// What is wrong with an item that there is no value for.
#[cold]
fn no_character(cx: &mut Cx, array: Gc<'static, Array>, at: usize) -> Raised {
    match array.item(at) {
        Item::Char(_) => cx.value_error("chr() arg not in range(0x110000)"),
        _ => cx.memory_error(),
    }
}

fn list_of(cx: &mut Cx, this: Root) -> Result<Raw, Raised> {
    let len = own(cx, this).len();
    let list = List::with_capacity(&cx.heap, len).map(|list| list.value().raw());
    let list = cx.fits(list)?;
    let list = cx.push_raw(list);
    for at in 0..len {
        // A character is made, and may be none.
        let array = own(cx, this);
        let raw = if is_text(array.code) { value_at(cx, this, at)? } else { array.value_at(&cx.heap, at) };
        let done = list.get(cx).exact::<List>().map_or(Ok(()), |list| list.push(&cx.heap, Value::adopt(raw)));
        cx.fits(done)?;
    }
    Ok(list.get(cx).raw())
}

/// An index of an item that is there.
fn place(cx: &mut Cx, this: Root, key: Root, message: &str) -> Result<usize, Raised> {
    if key.get(cx).as_int().is_none()
        && as_int_ref(cx.payload(key.get(cx))).is_none()
        && cx.special_method(key, Name::Index)?.is_none()
    {
        return Err(cx.type_error("array indices must be integers".into()));
    }
    let index = cx.subscript_index(key)?;
    let len = own(cx, this).len() as i64;
    let at = if index < 0 { index + len } else { index };
    match usize::try_from(at) {
        Ok(at) if at < len as usize => Ok(at),
        _ => Err(cx.index_error(message)),
    }
}

/// The order of two items; None where one is a NaN or a character beside a number.
fn order(a: Item, b: Item) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Item::Int(a), Item::Int(b)) => Some(a.cmp(&b)),
        (Item::Float(a), Item::Float(b)) => a.partial_cmp(&b),
        (Item::Int(a), Item::Float(b)) => (a as f64).partial_cmp(&b),
        (Item::Float(a), Item::Int(b)) => a.partial_cmp(&(b as f64)),
        (Item::Char(a), Item::Char(b)) => Some(a.cmp(&b)),
        _ => None,
    }
}

fn compare(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    let Some(b) = array_of(cx, other.get(cx)) else { return Ok(Value::NOT_IMPLEMENTED.into()) };
    let a = own(cx, this);
    let equality = matches!(kind, CompareKind::Eq | CompareKind::Ne);
    if equality && a.len() != b.len() {
        return Ok((kind == CompareKind::Ne).into());
    }
    for at in 0..a.len().min(b.len()) {
        if at % (1 << 16) == 0 {
            cx.poll()?;
        }
        let (x, y) = (a.item(at), b.item(at));
        match order(x, y) {
            Some(order) if order.is_eq() => {}
            Some(order) => return Ok(kind.holds(order).into()),
            None if equality => return Ok((kind == CompareKind::Ne).into()),
            None => {
                let items = [value_at(cx, this, at)?, value_at(cx, other, at)?];
                let [x, y] = items.map(|raw| cx.push_raw(raw));
                return cx.compare_roots(kind, x, y).map(Outcome::from);
            }
        }
    }
    Ok(kind.holds(a.len().cmp(&b.len())).into())
}

/// The first item from `start` on that equals a value.
fn find(cx: &mut Cx, this: Root, value: Root, start: usize, stop: usize) -> Result<Option<usize>, Raised> {
    let mut at = start;
    let plain = value.get(cx).as_int();
    loop {
        let array = own(cx, this);
        if at >= array.len().min(stop) {
            return Ok(None);
        }
        let equal = match (array.item(at), plain) {
            (Item::Int(item), Some(int)) => item == i128::from(int),
            _ => {
                let mark = cx.mark();
                let item = value_at(cx, this, at)?;
                let item = cx.push_raw(item);
                let equal = cx.equals(item, value)?;
                cx.release(mark);
                equal
            }
        };
        if equal {
            return Ok(Some(at));
        }
        at += 1;
        if at.is_multiple_of(1 << 16) {
            cx.poll()?;
        }
    }
}

/// Appends bytes that are whole items.
fn append_bytes(cx: &mut Cx, this: Root, bytes: &[u8]) -> Result<(), Raised> {
    if !bytes.len().is_multiple_of(own(cx, this).item_size()) {
        return Err(cx.value_error("bytes length not a multiple of item size"));
    }
    let len = own(cx, this).len();
    splice(cx, this, len, len, bytes)
}

fn extend_from(cx: &mut Cx, this: Root, source: Root) -> Result<(), Raised> {
    if let Some(other) = array_of(cx, source.get(cx)) {
        if other.code != own(cx, this).code {
            return Err(cx.type_error("can only extend with array of same kind".into()));
        }
        return append_bytes(cx, this, &other.memory().to_vec());
    }
    cx.for_each(source, &mut |cx, item| push(cx, this, item))
}

/// How often to repeat.
fn times(cx: &mut Cx, this: Root, count: Root) -> Result<Vec<u8>, Raised> {
    let count = cx.index_as_i64(count)?.max(0) as usize;
    let bytes = own(cx, this).memory().to_vec();
    match bytes.len().checked_mul(count) {
        Some(room) => cx.check_room(room.saturating_mul(2))?,
        None => return Err(cx.memory_error()),
    }
    Ok(bytes.repeat(count))
}

fn is_text(code: u8) -> bool {
    matches!(code, b'u' | b'w')
}

/// What `array(...)` is given first: the letter of a kind.
fn code_of(cx: &mut Cx, code: Root, source: Option<Root>) -> Result<u8, Raised> {
    let Some(text) = cx.as_str(code.get(cx)) else {
        let got = cx.argument_name_for_error(code.get(cx));
        return Err(cx.type_error(format!("array() argument 1 must be a unicode character, not {got}")));
    };
    if text.chars() != 1 {
        let count = text.chars();
        let text = format!("array() argument 1 must be a unicode character, not a string of length {count}");
        return Err(cx.type_error(text));
    }
    let known = match text.as_bytes() {
        [code] if array_item_size(*code).is_some() => Some(*code),
        _ => None,
    };
    let shown = String::from_utf8_lossy(text.as_bytes()).into_owned();
    // What the items come from is looked at before the letter is.
    if let Some(source) = source {
        let value = source.get(cx);
        let text = |code: Option<u8>| code.is_some_and(is_text);
        if cx.as_str(value).is_some() && !text(known) {
            return Err(cx.type_error(format!("cannot use a str to initialize an array with typecode '{shown}'")));
        }
        if array_of(cx, value).is_some_and(|other| is_text(other.code)) && !text(known) {
            let text = "cannot use a unicode array to initialize an array with typecode";
            return Err(cx.type_error(format!("{text} '{shown}'")));
        }
        if known.is_none() {
            cx.iter(source)?;
        }
    }
    known.ok_or_else(|| cx.value_error("bad typecode (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)"))
}

// ---- iteration: the array; the count is the number of items done ----

fn next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let source = iterator.slot(0);
    let Some(array) = source.exact::<Array>() else { return Ok(Stepped::End) };
    let at = iterator.count.get() as usize;
    if at >= array.len() {
        // It ends once and for all.
        iterator.get().count.set(i64::MAX);
        return Ok(Stepped::End);
    }
    iterator.get().count.set(at as i64 + 1);
    *to = array.value_at(&cx.heap, at);
    if to.is_unbound() {
        return Err(no_character(cx, array.held(), at));
    }
    Ok(Stepped::Item)
}

fn step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = window.get(cx, 0).exact::<NativeIterator>().expect("a step has its iterator first").held();
    let mut item = Raw::UNBOUND;
    next(cx, iterator, &mut item)?;
    Ok(Outcome::Value(item))
}

natives!(
    /// An iterator over an array.
    static ITERATION: Methods;

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let name = cx.intern("iter").held();
        let iter = cx.builtins().get_str(&cx.heap, name).map_or(Raw::NONE, Value::raw);
        let iterator = this.get(cx).exact::<NativeIterator>().expect("a method's receiver");
        let arguments = cx.tuple(&[iterator.slot(0)]).value();
        let done = Value::int(iterator.count.get().min(i64::from(i32::MAX)));
        Ok(cx.tuple(&[Value::adopt(iter), arguments, done]).into())
    }

    /// Go on from an index.
    fn __setstate__(cx: &mut Cx, this: Root, state: i64) -> NativeResult {
        let iterator = this.get(cx).exact::<NativeIterator>().expect("a method's receiver");
        iterator.get().count.set(state.max(0));
        Ok(Outcome::NONE)
    }
);

natives!(
    /// Numbers of one kind, packed: array('i', [1, 2, 3]). The letter says what they are.
    static ARRAY: Methods;

    /// Make an array.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::Array)?;
        let exact = class.get(cx).raw().same(cx.kind_class(Kind::Array).value().raw());
        let named = kwargs.0.get(cx).exact::<Dict>().is_some_and(|dict| !dict.is_empty());
        if exact && named {
            return Err(cx.type_error("array.array() takes no keyword arguments".into()));
        }
        let args = args.0;
        match args.len() {
            0 => return Err(cx.type_error("array() takes at least 1 argument (0 given)".into())),
            1 | 2 => {}
            count => return Err(cx.type_error(format!("array() takes at most 2 arguments ({count} given)"))),
        }
        let code = code_of(cx, args.root(0), (args.len() == 2).then(|| args.root(1)))?;
        if code == b'u' {
            let text = "The 'u' type code is deprecated and will be removed in Python 3.16";
            cx.warn(Exc::DeprecationWarning, text)?;
        }
        let made = new_array(cx, code, &[])?;
        let made = cx.push_raw(made);
        if args.len() == 2 {
            let source = args.root(1);
            let value = source.get(cx);
            if let Some(text) = cx.as_str(value) {
                let bytes = text_bytes(text);
                append_bytes(cx, made, &bytes)?;
            } else if let Some(other) = array_of(cx, value) {
                if other.code == code {
                    append_bytes(cx, made, &other.memory().to_vec())?;
                } else {
                    cx.for_each(source, &mut |cx, item| push(cx, made, item))?;
                }
            } else if matches!(cx.payload(value).kind(), Kind::Bytes | Kind::ByteArray) {
                let bytes = bytes_like(cx, source)?;
                append_bytes(cx, made, &bytes)?;
            } else {
                cx.for_each(source, &mut |cx, item| push(cx, made, item))?;
            }
        }
        Ok(cx.new_of(class, made).get(cx).into())
    }

    /// The letter of what it holds.
    #[getter]
    fn typecode(cx: &mut Cx, this: Root) -> NativeResult {
        let code = own(cx, this).code;
        Ok(cx.character(code).into())
    }

    /// How many bytes an item takes.
    #[getter]
    fn itemsize(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).item_size() as i64).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let name = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
        let array = own(cx, this);
        let mut out = format!("{name}('{}'", array.code as char).into_bytes();
        if !array.is_empty() {
            let items = if is_text(array.code) { text_of(cx, this)? } else { list_of(cx, this)? };
            let items = cx.push_raw(items);
            out.extend_from_slice(b", ");
            cx.write_repr(&mut out, items)?;
        }
        out.push(b')');
        cx.checked_text(&out).map(Outcome::Value)
    }

    /// Return len(self).
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).len() as i64).into())
    }

    /// Implement iter(self).
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let array = cx.payload_root(this);
        let iterator = cx.new_iterator(step, "arrayiterator", &[array]).held();
        cx.step_directly(iterator, next, true, &[]);
        Ok(iterator.into())
    }

    /// Return whether an item equals a value.
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        Ok(find(cx, this, key, 0, usize::MAX)?.is_some().into())
    }

    /// Return self[key].
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let value: Value<'static> = Value::adopt(key.get(cx).raw());
        let Some(slice) = value.exact::<Slice>() else {
            let at = place(cx, this, key, "array index out of range")?;
            return value_at(cx, this, at).map(Outcome::Value);
        };
        let array = own(cx, this);
        let range = apply_bounds(slice_bounds(cx, slice)?, array.len());
        let (bytes, size) = (array.memory().to_vec(), array.item_size());
        let mut picked = Vec::with_capacity(range.count * size);
        for at in range.indices() {
            picked.extend_from_slice(&bytes[at * size..][..size]);
        }
        new_array(cx, array.code, &picked).map(Outcome::Value)
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Eq, this, value)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Ne, this, value)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Lt, this, value)
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Le, this, value)
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Gt, this, value)
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Ge, this, value)
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let Some(other) = array_of(cx, value.get(cx)) else {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only append array (not \"{got}\") to array")));
        };
        let array = own(cx, this);
        if other.code != array.code {
            return Err(cx.type_error("bad argument type for built-in operation".into()));
        }
        let mut bytes = array.memory().to_vec();
        bytes.extend(other.memory().to_vec());
        new_array(cx, array.code, &bytes).map(Outcome::Value)
    }

    /// Return self*value.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (bytes, code) = (times(cx, this, value)?, own(cx, this).code);
        new_array(cx, code, &bytes).map(Outcome::Value)
    }

    /// Return value*self.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (bytes, code) = (times(cx, this, value)?, own(cx, this).code);
        new_array(cx, code, &bytes).map(Outcome::Value)
    }

    /// Return first index of value.
    fn index(
        cx: &mut Cx,
        this: Root,
        v: Root,
        #[text("0")] start: Given<Root>,
        #[text("sys.maxsize")] stop: Given<Root>,
    ) -> NativeResult {
        let len = own(cx, this).len();
        let start = bound(cx, start.0, 0, len)?;
        let stop = bound(cx, stop.0, usize::MAX, len)?;
        match find(cx, this, v, start, stop)? {
            Some(at) => Ok((at as i64).into()),
            None => Err(cx.value_error("array.index(x): x not in array")),
        }
    }

    /// Return how many items equal a value.
    fn count(cx: &mut Cx, this: Root, v: Root) -> NativeResult {
        let (mut count, mut at) = (0i64, 0);
        while let Some(found) = find(cx, this, v, at, usize::MAX)? {
            (count, at) = (count + 1, found + 1);
        }
        Ok(count.into())
    }

    /// Return the items as a list.
    fn tolist(cx: &mut Cx, this: Root) -> NativeResult {
        list_of(cx, this).map(Outcome::Value)
    }

    /// Return the bytes of all items.
    fn tobytes(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = own(cx, this).memory().to_vec();
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Return the characters as a text.
    fn tounicode(cx: &mut Cx, this: Root) -> NativeResult {
        if !is_text(own(cx, this).code) {
            let text = "tounicode() may only be called on unicode type arrays ('u' or 'w')";
            return Err(cx.value_error(text));
        }
        text_of(cx, this).map(Outcome::Value)
    }

    /// Write the bytes of all items to a file.
    fn tofile(cx: &mut Cx, this: Root, f: Root) -> NativeResult {
        let bytes = own(cx, this).memory().to_vec();
        for piece in bytes.chunks(1 << 16) {
            let piece = Bytes::new(&cx.heap, piece).value().raw();
            let mark = cx.mark();
            let piece = cx.push_raw(piece);
            cx.call_method(f, "write", &[piece])?;
            cx.release(mark);
        }
        Ok(Outcome::NONE)
    }

    /// Return address and length.
    fn buffer_info(cx: &mut Cx, this: Root) -> NativeResult {
        let array = own(cx, this);
        let id = cx.heap.id(array.memory().value()) as i64;
        Ok(cx.tuple(&[Value::int(id), Value::int(array.len() as i64)]).into())
    }

    /// Return a view of the memory.
    fn __buffer__(cx: &mut Cx, this: Root, flags: Root) -> NativeResult {
        let payload = cx.payload_root(this);
        crate::native::types::memoryview::of_object(cx, payload)
    }

    /// Return a copy.
    fn __copy__(cx: &mut Cx, this: Root) -> NativeResult {
        let (bytes, code) = (own(cx, this).memory().to_vec(), own(cx, this).code);
        new_array(cx, code, &bytes).map(Outcome::Value)
    }

    /// Return a copy.
    fn __deepcopy__(cx: &mut Cx, this: Root, memo: Root) -> NativeResult {
        let (bytes, code) = (own(cx, this).memory().to_vec(), own(cx, this).code);
        new_array(cx, code, &bytes).map(Outcome::Value)
    }

    /// What is pickled.
    fn __reduce_ex__(cx: &mut Cx, this: Root, protocol: i64) -> NativeResult {
        let code = own(cx, this).code;
        let items = if is_text(code) { text_of(cx, this)? } else { list_of(cx, this)? };
        let items = cx.push_raw(items);
        let state = match cx.find_attribute(this, "__dict__")? {
            Some(state) => state,
            None => cx.push_raw(Raw::NONE),
        };
        let letter = cx.character(code).value();
        let arguments = cx.tuple(&[letter, items.get(cx)]).value();
        let class = cx.class_of(this.get(cx)).value();
        Ok(cx.tuple(&[class, arguments, state.get(cx)]).into())
    }

    /// Return the size in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((64 + own(cx, this).memory().len() as i64).into())
    }

    /// See PEP 585.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

natives!(
    /// What changes arrays.
    static CHANGES: Methods;

    /// Set self[key] to value.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> NativeResult {
        let key_value: Value<'static> = Value::adopt(key.get(cx).raw());
        let Some(slice) = key_value.exact::<Slice>() else {
            let at = place(cx, this, key, "array assignment index out of range")?;
            let bytes = pack(cx, this, value)?;
            // Asking the value may have changed the length.
            if at >= own(cx, this).len() {
                return Err(cx.index_error("array assignment index out of range"));
            }
            own(cx, this).set_bytes(at, &bytes);
            return Ok(Outcome::NONE);
        };
        let bounds = slice_bounds(cx, slice)?;
        let Some(other) = array_of(cx, value.get(cx)) else {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only assign array (not \"{got}\") to array slice")));
        };
        let array = own(cx, this);
        if other.code != array.code {
            return Err(cx.type_error("bad argument type for built-in operation".into()));
        }
        let bytes = other.memory().to_vec();
        let range = apply_bounds(bounds, array.len());
        if range.step == 1 {
            let start = range.start as usize;
            splice(cx, this, start, start + range.count, &bytes)?;
            return Ok(Outcome::NONE);
        }
        let size = array.item_size();
        if bytes.len() / size != range.count {
            let given = bytes.len() / size;
            let text = format!("attempt to assign array of size {given} to extended slice of size {}", range.count);
            return Err(cx.value_error(text));
        }
        for (at, item) in range.indices().zip(bytes.chunks(size)) {
            array.set_bytes(at, item);
        }
        Ok(Outcome::NONE)
    }

    /// Delete self[key].
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let key_value: Value<'static> = Value::adopt(key.get(cx).raw());
        let Some(slice) = key_value.exact::<Slice>() else {
            let at = place(cx, this, key, "array assignment index out of range")?;
            splice(cx, this, at, at + 1, &[])?;
            return Ok(Outcome::NONE);
        };
        let array = own(cx, this);
        let bounds = slice_bounds(cx, slice)?;
        let len = array.len();
        let range = apply_bounds(bounds, len);
        if range.count == 0 {
            return Ok(Outcome::NONE);
        }
        let (bytes, size) = (array.memory().to_vec(), array.item_size());
        let mut gone = vec![false; len];
        range.indices().for_each(|at| gone[at] = true);
        let kept: Vec<u8> =
            bytes.chunks(size).zip(gone).filter(|(_, gone)| !gone).flat_map(|(item, _)| item.to_vec()).collect();
        splice(cx, this, 0, len, &kept)?;
        Ok(Outcome::NONE)
    }

    /// Implement self+=value.
    fn __iadd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if array_of(cx, value.get(cx)).is_none() {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only extend array with array (not \"{got}\")")));
        }
        extend_from(cx, this, value)?;
        Ok(this.get(cx).into())
    }

    /// Implement self*=value.
    fn __imul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let bytes = times(cx, this, value)?;
        let len = own(cx, this).len();
        splice(cx, this, 0, len, &bytes)?;
        Ok(this.get(cx).into())
    }

    /// Append an item.
    fn append(cx: &mut Cx, this: Root, v: Root) -> NativeResult {
        push(cx, this, v)?;
        Ok(Outcome::NONE)
    }

    /// Append the items of an array or of anything iterable.
    fn extend(cx: &mut Cx, this: Root, bb: Root) -> NativeResult {
        extend_from(cx, this, bb)?;
        Ok(Outcome::NONE)
    }

    /// Insert an item before an index.
    fn insert(cx: &mut Cx, this: Root, i: i64, v: Root) -> NativeResult {
        let bytes = pack(cx, this, v)?;
        let (len, size) = (own(cx, this).len() as i64, own(cx, this).item_size());
        let at = if i < 0 { i.saturating_add(len).max(0) } else { i.min(len) } as usize;
        splice(cx, this, at, at, &bytes[..size])?;
        Ok(Outcome::NONE)
    }

    /// Remove and return an item.
    fn pop(cx: &mut Cx, this: Root, #[default(-1)] i: i64) -> NativeResult {
        let len = own(cx, this).len() as i64;
        if len == 0 {
            return Err(cx.index_error("pop from empty array"));
        }
        let at = if i < 0 { i + len } else { i };
        if !(0..len).contains(&at) {
            return Err(cx.index_error("pop index out of range"));
        }
        let at = at as usize;
        let item = value_at(cx, this, at)?;
        let item = cx.push_raw(item);
        splice(cx, this, at, at + 1, &[])?;
        Ok(item.get(cx).into())
    }

    /// Remove the first item that equals a value.
    fn remove(cx: &mut Cx, this: Root, v: Root) -> NativeResult {
        match find(cx, this, v, 0, usize::MAX)? {
            Some(at) => {
                splice(cx, this, at, at + 1, &[])?;
                Ok(Outcome::NONE)
            }
            None => Err(cx.value_error("array.remove(x): x not in array")),
        }
    }

    /// Turn the order round.
    fn reverse(cx: &mut Cx, this: Root) -> NativeResult {
        let array = own(cx, this);
        let bytes = array.memory().to_vec();
        for (at, item) in bytes.chunks(array.item_size()).rev().enumerate() {
            array.set_bytes(at, item);
        }
        Ok(Outcome::NONE)
    }

    /// Remove all items.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        let len = own(cx, this).len();
        splice(cx, this, 0, len, &[])?;
        Ok(Outcome::NONE)
    }

    /// Append the items of a list: all or none.
    fn fromlist(cx: &mut Cx, this: Root, list: Root) -> NativeResult {
        if cx.payload(list.get(cx)).kind() != Kind::List {
            return Err(cx.type_error("arg must be list".into()));
        }
        let len = own(cx, this).len();
        let done = cx.for_each(list, &mut |cx, item| push(cx, this, item));
        if done.is_err() {
            let now = own(cx, this).len();
            let memory = own(cx, this).memory();
            let size = own(cx, this).item_size();
            let cut = memory.splice(cx.heap.forever(), len.min(now) * size, now * size, &[]);
            debug_assert!(cut.is_ok(), "nothing is made to take items away");
        }
        done?;
        Ok(Outcome::NONE)
    }

    /// Append items from their bytes.
    fn frombytes(cx: &mut Cx, this: Root, buffer: Root) -> NativeResult {
        let known = value_bytes(cx, buffer.get(cx)).map(|bytes| bytes.to_vec());
        let bytes = match known {
            Some(bytes) => bytes,
            None if cx.as_str(buffer.get(cx)).is_some() => {
                return Err(cx.type_error("a bytes-like object is required, not 'str'".into()));
            }
            None => bytes_like(cx, buffer)?.to_vec(),
        };
        append_bytes(cx, this, &bytes)?;
        Ok(Outcome::NONE)
    }

    /// Append n items read from a file.
    fn fromfile(cx: &mut Cx, this: Root, f: Root, n: i64) -> NativeResult {
        if n < 0 {
            return Err(cx.value_error("negative count"));
        }
        let size = n.saturating_mul(own(cx, this).item_size() as i64);
        let wanted = cx.push_raw(Raw::int(size));
        let read = cx.call_method(f, "read", &[wanted])?;
        let Some(bytes) = read.get(cx).exact::<Bytes>().map(|bytes| bytes.as_bytes().to_vec()) else {
            return Err(cx.type_error("read() didn't return bytes".into()));
        };
        append_bytes(cx, this, &bytes)?;
        if (bytes.len() as i64) < size {
            return Err(cx.raise_text(Exc::EOFError, "read() didn't return enough bytes"));
        }
        Ok(Outcome::NONE)
    }

    /// Append the characters of a text.
    fn fromunicode(cx: &mut Cx, this: Root, ustr: Root) -> NativeResult {
        let Some(text) = cx.as_str(ustr.get(cx)) else {
            let got = cx.argument_name_for_error(ustr.get(cx));
            return Err(cx.type_error(format!("fromunicode() argument must be str, not {got}")));
        };
        let bytes = text_bytes(text);
        if !is_text(own(cx, this).code) {
            let text = "fromunicode() may only be called on unicode type arrays ('u' or 'w')";
            return Err(cx.value_error(text));
        }
        append_bytes(cx, this, &bytes)?;
        Ok(Outcome::NONE)
    }

    /// Turn the bytes of each item round.
    fn byteswap(cx: &mut Cx, this: Root) -> NativeResult {
        let array = own(cx, this);
        let bytes = array.memory().to_vec();
        for (at, item) in bytes.chunks(array.item_size()).enumerate() {
            let turned: Vec<u8> = item.iter().rev().copied().collect();
            array.set_bytes(at, &turned);
        }
        Ok(Outcome::NONE)
    }
);

/// The view of an array's memory.
pub(crate) fn view_parts(array: Gc<'static, Array>) -> (Slot, usize, char, usize) {
    // Characters of both kinds are shown as those of four bytes.
    let format = if array.code == b'u' { 'w' } else { char::from(array.code) };
    (Slot::new(array.memory().value()), array.len(), format, array.item_size())
}
