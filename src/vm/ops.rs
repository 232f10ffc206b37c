//! Operators on values: out of line, with the full protocols. Exact builtin types are done directly; where a class written in the
//! language has a say, its methods are called through the run loop, one after the other, by continuations.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Kind, Raw, Value, interrupt};
use crate::number::int::{self as integer, Int, IntPower};
use crate::number::long::{Patience, Watch};
use crate::number::{Fault, FaultKind, complex, float};
use crate::object::key::as_int_ref;
use crate::object::{
    ByteArray, Bytes, Class, ClassFlags, Complex, Exc, List, MemoryView, Str, Tuple, complex_value, int_value,
};

use super::call::Invoked;
use super::compare::CompareKind;
use super::native::{Args, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::{Name, Vm};

/// What is asked of a buffer: whatever there is, to be read.
pub(crate) const FULL_READ_ONLY: i64 = 284;

/// A unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum UnaryKind {
    Neg,
    Pos,
    Invert,
}

impl Vm {
    /// Raises what a number algorithm found wrong.
    pub fn fault(&mut self, fault: Fault) -> Raised {
        let class = match fault.kind {
            FaultKind::Value => Exc::ValueError,
            FaultKind::Overflow => Exc::OverflowError,
            FaultKind::ZeroDivision => Exc::ZeroDivisionError,
            FaultKind::Type => Exc::TypeError,
            FaultKind::Key => Exc::KeyError,
            FaultKind::Index => Exc::IndexError,
            FaultKind::Lookup => Exc::LookupError,
            FaultKind::Range => {
                let mark = self.mark();
                let number = self.push_raw(Raw::int(34));
                let text = Str::new(&self.heap, &fault.message).value().raw();
                let text = self.push_raw(text);
                let raised = self.raise_new(Exc::OverflowError, &[number, text]);
                self.release(mark);
                return raised;
            }
            FaultKind::Memory => return self.memory_error(),
            FaultKind::Interrupted => {
                unreachable!("only `patiently` lets a computation be stopped, and begins it again")
            }
        };
        self.raise_text(class, &fault.message)
    }

    /// Carries out a computation that may take long and needs nothing of the machine. A signal stops it: if its handler raises, that is the
    /// result, else it begins again. `work` gets its operands anew each time, out of roots.
    pub fn patiently<T>(
        &mut self,
        work: impl Fn(&Vm, &Watch<'_>) -> Result<T, Fault>,
    ) -> Result<Result<T, Fault>, Raised> {
        let patience = Patience::default();
        loop {
            let word = self.interrupt().clone();
            let may_go_on =
                || patience.ask(|| word.load(Ordering::Relaxed) & (interrupt::SIGNAL | interrupt::STOP) == 0);
            match work(self, &Watch::new(&may_go_on)) {
                Err(fault) if fault.kind == FaultKind::Interrupted => {
                    self.poll()?;
                    patience.begin_again();
                }
                done => return Ok(done),
            }
        }
    }

    /// As `patiently`, for work on so many bytes or items: with few it is not asked for signals.
    pub fn at_length<T>(
        &mut self,
        size: usize,
        work: impl Fn(&Vm, &Watch<'_>) -> Result<T, Fault>,
    ) -> Result<T, Raised> {
        const FEW: usize = 1 << 15;
        let result = if size < FEW { work(self, &Watch::never()) } else { self.patiently(work)? };
        result.map_err(|fault| self.fault(fault))
    }

    /// An operation on long integers that may take more than a millisecond; None if this one does not.
    #[cold]
    fn long_binary(&mut self, kind: BinaryKind, x: Raw, y: Raw) -> Option<Result<Raw, Raised>> {
        let (a, b) = (as_int_ref(Value::adopt(x))?, as_int_ref(Value::adopt(y))?);
        let (m, n) = (a.bit_length(), b.bit_length());
        let work = match kind {
            BinaryKind::Mul => m.saturating_mul(n),
            BinaryKind::FloorDiv | BinaryKind::Mod => m.saturating_sub(n).saturating_mul(n),
            BinaryKind::Pow => {
                let bits = m.saturating_mul(b.to_i64().map_or(u64::MAX, i64::unsigned_abs));
                bits.saturating_mul(bits)
            }
            _ => 0,
        };
        if work < 1 << 31 || b.is_zero() || (kind == BinaryKind::Pow && b.signum() < 0) {
            return None;
        }
        // What a product takes while it is made.
        let bytes = usize::try_from(m.saturating_add(n) / 8).unwrap_or(usize::MAX).saturating_mul(4);
        if kind == BinaryKind::Mul && self.heap.check(bytes).is_err() {
            return Some(Err(self.memory_error()));
        }
        let mark = self.mark();
        let (x, y) = (self.push_raw(x), self.push_raw(y));
        let result = self.patiently(|cx, watch| {
            let int = |root: Root| as_int_ref(root.get(cx)).expect("looked at above");
            let (a, b) = (int(x), int(y));
            match kind {
                BinaryKind::Mul => integer::multiply_watched(a, b, watch),
                BinaryKind::FloorDiv => integer::floor_divide_watched(a, b, watch),
                BinaryKind::Mod => integer::modulo_watched(a, b, watch),
                _ => integer::power_watched(a, b, watch).map(|power| match power {
                    IntPower::Int(int) => int,
                    IntPower::Float(_) => unreachable!("the exponent is not negative"),
                }),
            }
        });
        self.release(mark);
        Some(match result {
            Ok(Ok(int)) => Ok(int_value(&self.heap, int).raw()),
            Ok(Err(fault)) => Err(self.fault(fault)),
            Err(raised) => Err(raised),
        })
    }

    // ---- arithmetic ----

    /// `a OP b` for exact builtin types, without asking any class; None where the types do not go together.
    pub fn builtin_binary(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if is_number(x) && is_number(y) {
            return self.number_binary(kind, x, y);
        }
        match kind {
            BinaryKind::Add => self.concat(x, y),
            BinaryKind::Mul => self.repeat(x, y),
            BinaryKind::Mod => match x.kind() {
                Kind::Str | Kind::Bytes | Kind::ByteArray => self.percent_format(a, b).map(Some),
                _ => Ok(None),
            },
            BinaryKind::Or if x.kind() == Kind::Dict && y.kind() == Kind::Dict => {
                let mark = self.mark();
                let copy = self.dict_of(x).and_then(|d| d.copy(&self.heap).ok()).map(|d| d.value().raw());
                let Some(copy) = copy else { return Err(self.memory_error()) };
                let result = self.push_raw(copy);
                let other = self.push_raw(b);
                self.dict_merge_from(result, other)?;
                let raw = result.get(self).raw();
                self.release(mark);
                Ok(Some(raw))
            }
            BinaryKind::Or if self.makes_union(x, y) => self.union_of(a, b).map(Some),
            BinaryKind::Or | BinaryKind::And | BinaryKind::Sub | BinaryKind::Xor => self.set_binary(kind, a, b),
            _ => Ok(None),
        }
    }

    pub(super) fn is_type_like(&self, value: Value<'_>) -> bool {
        matches!(value.kind(), Kind::Class | Kind::None | Kind::GenericAlias | Kind::Union)
    }

    /// Whether `x | y` is a union: of two types, or of a union and whatever has no operators of its own.
    pub fn makes_union(&self, x: Value<'_>, y: Value<'_>) -> bool {
        if self.is_type_like(x) && self.is_type_like(y) {
            return !x.is_none() || !y.is_none();
        }
        let other = |v: Value<'_>| !matches!(v.kind(), Kind::Instance | Kind::Native) && !v.is_subclassed();
        (x.kind() == Kind::Union && other(y)) || (y.kind() == Kind::Union && other(x))
    }

    /// Whether it is a class whose class is `type` itself: equal to itself alone.
    fn is_type(&self, value: Value<'_>) -> bool {
        value.exact::<Class>().is_some() && self.class_of(value) == self.kind_class(Kind::Class)
    }

    /// `a | b` of types: a union without doubles. A text stands for a type that is not known yet.
    pub fn union_of(&mut self, a: Raw, b: Raw) -> Result<Raw, Raised> {
        let mut args: SmallVec<[Root; 8]> = SmallVec::new();
        let mut operands = [self.push_raw(a), self.push_raw(b)];
        for operand in &mut operands {
            if operand.get(self).kind() == Kind::Str {
                let module = self.import("annotationlib")?;
                *operand = self.call_method(module, "ForwardRef", &[*operand])?;
            }
        }
        for operand in operands {
            let raw = operand.get(self).raw();
            let value = Value::adopt(raw);
            let mut parts: SmallVec<[Root; 8]> = SmallVec::new();
            match value.exact::<crate::object::Union>() {
                Some(union) => {
                    if let Some(of) = union.get().args.get().exact::<Tuple>() {
                        parts.extend(of.items().map(|part| self.push(part)));
                    }
                }
                None if value.is_none() => {
                    let none = self.kind_class(Kind::None).value().raw();
                    parts.push(self.push_raw(none));
                }
                None => parts.push(self.push_raw(raw)),
            }
            'parts: for part in parts {
                for known in &args {
                    let (one, other) = (known.get(self), part.get(self));
                    if !one.is(other) && self.is_type(one) && self.is_type(other) {
                        continue;
                    }
                    if self.equals(*known, part)? {
                        continue 'parts;
                    }
                }
                args.push(part);
            }
        }
        if let [only] = args[..] {
            return Ok(only.get(self).raw());
        }
        let args = Tuple::build(&self.heap, args.len(), |i| args[i].get(self));
        let union = crate::object::Union { args: crate::heap::Slot::new(args.value()) };
        Ok(self.heap.alloc(union).value().raw())
    }

    pub(super) fn number_binary(
        &mut self,
        kind: BinaryKind,
        x: Value<'_>,
        y: Value<'_>,
    ) -> Result<Option<Raw>, Raised> {
        let (x, y) = (x.raw(), y.raw());
        let (xv, yv) = (Value::adopt(x), Value::adopt(y));
        if let (Some(a), Some(b)) = (as_int_ref(xv), as_int_ref(yv)) {
            if xv.as_bool().is_none()
                && yv.as_bool().is_none()
                && let Some(wide) = integer::within_128(kind_sign(kind), a, b)
            {
                return Ok(Some(int_value(&self.heap, wide).raw()));
            }
            if matches!(kind, BinaryKind::Mul | BinaryKind::FloorDiv | BinaryKind::Mod | BinaryKind::Pow)
                && (xv.kind() == Kind::BigInt || kind == BinaryKind::Pow)
                && let Some(done) = self.long_binary(kind, x, y)
            {
                return done.map(Some);
            }
            let (Some(a), Some(b)) = (as_int_ref(xv), as_int_ref(yv)) else { return Ok(None) };
            let bools = xv.as_bool().zip(yv.as_bool());
            let result: Result<Int, Fault> = match kind {
                BinaryKind::Add => Ok(integer::add(a, b)),
                BinaryKind::Sub => Ok(integer::subtract(a, b)),
                BinaryKind::Mul => integer::multiply(a, b),
                BinaryKind::FloorDiv => integer::floor_divide(a, b),
                BinaryKind::Mod => integer::modulo(a, b),
                BinaryKind::LShift => integer::shift_left(a, b),
                BinaryKind::RShift => integer::shift_right(a, b),
                BinaryKind::And | BinaryKind::Or | BinaryKind::Xor => {
                    if let Some((a, b)) = bools {
                        return Ok(Some(Raw::bool(match kind {
                            BinaryKind::And => a & b,
                            BinaryKind::Or => a | b,
                            _ => a ^ b,
                        })));
                    }
                    Ok(match kind {
                        BinaryKind::And => integer::and(a, b),
                        BinaryKind::Or => integer::or(a, b),
                        _ => integer::xor(a, b),
                    })
                }
                BinaryKind::TrueDiv => {
                    return match integer::true_divide(a, b) {
                        Ok(f) => Ok(Some(Raw::float(f))),
                        Err(fault) => Err(self.fault(fault)),
                    };
                }
                BinaryKind::Pow => match integer::power(a, b) {
                    Ok(IntPower::Int(int)) => Ok(int),
                    Ok(IntPower::Float(f)) => return Ok(Some(Raw::float(f))),
                    Err(fault) => Err(fault),
                },
                BinaryKind::MatMul => return Ok(None),
            };
            return match result {
                Ok(int) => Ok(Some(int_value(&self.heap, int).raw())),
                Err(fault) => Err(self.fault(fault)),
            };
        }
        if xv.kind() == Kind::Complex || yv.kind() == Kind::Complex {
            return self.complex_binary(kind, xv, yv);
        }
        let (a, b) = match (self.number_as_float(xv), self.number_as_float(yv)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(fault), _) | (_, Err(fault)) => return Err(self.fault(fault)),
        };
        let result = match kind {
            BinaryKind::Add => Ok(a + b),
            BinaryKind::Sub => Ok(a - b),
            BinaryKind::Mul => Ok(a * b),
            BinaryKind::TrueDiv => float::divide(a, b),
            BinaryKind::FloorDiv => float::floor_divide(a, b),
            BinaryKind::Mod => float::modulo(a, b),
            BinaryKind::Pow => match float::power(a, b) {
                Ok(float::Power::Real(f)) => Ok(f),
                Ok(float::Power::Complex) => {
                    return self.complex_binary(kind, xv, yv);
                }
                Err(fault) => Err(fault),
            },
            BinaryKind::LShift
            | BinaryKind::RShift
            | BinaryKind::And
            | BinaryKind::Or
            | BinaryKind::Xor
            | BinaryKind::MatMul => return Ok(None),
        };
        match result {
            Ok(f) => Ok(Some(Raw::float(f))),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    pub(super) fn number_as_float(&self, value: Value<'_>) -> Result<f64, Fault> {
        match as_int_ref(value) {
            Some(int) => int.to_float(),
            None => Ok(value.as_float().unwrap_or(f64::NAN)),
        }
    }

    pub(super) fn complex_binary(
        &mut self,
        kind: BinaryKind,
        x: Value<'_>,
        y: Value<'_>,
    ) -> Result<Option<Raw>, Raised> {
        let part = |cx: &Vm, v: Value<'_>| -> Result<complex::Operand, Fault> {
            match v.exact::<Complex>() {
                Some(c) => Ok(complex::Operand::Complex(complex::Complex::new(c.real, c.imaginary))),
                None => cx.number_as_float(v).map(complex::Operand::Real),
            }
        };
        let (a, b) = match (part(self, x), part(self, y)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(fault), _) | (_, Err(fault)) => return Err(self.fault(fault)),
        };
        let widen = |operand: complex::Operand| match operand {
            complex::Operand::Real(re) => complex::Complex::new(re, 0.0),
            complex::Operand::Complex(c) => c,
        };
        let result = match kind {
            BinaryKind::Add => Ok(complex::add(a, b)),
            BinaryKind::Sub => Ok(complex::subtract(a, b)),
            BinaryKind::Mul => Ok(complex::multiply(a, b)),
            BinaryKind::TrueDiv => complex::divide(a, b),
            BinaryKind::Pow => complex::power(widen(a), widen(b)),
            _ => return Ok(None),
        };
        match result {
            Ok(c) => Ok(Some(complex_value(&self.heap, c.re, c.im).value().raw())),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    /// `a + b` of two exact texts that together are short enough not to need a look at the limits.
    #[inline]
    fn joined_texts(&self, kind: BinaryKind, x: Value<'_>, y: Value<'_>) -> Option<Raw> {
        const SHORT: usize = 1 << 20;
        let (a, b) = (x.exact::<Str>()?, y.exact::<Str>()?);
        if kind != BinaryKind::Add || a.len() + b.len() > SHORT {
            return None;
        }
        Some(a.held().concat(self.heap.forever(), b.held()).value().raw())
    }

    /// `a + b` of sequences.
    pub(super) fn concat(&mut self, x: Value<'_>, y: Value<'_>) -> Result<Option<Raw>, Raised> {
        let (x, y) = (self.payload(x).raw(), self.payload(y).raw());
        let (x, y) = (Value::adopt(x), Value::adopt(y));
        let heap = &self.heap;
        let result = match (x.kind(), y.kind()) {
            (Kind::Str, Kind::Str) => {
                let (a, b) = (x.exact::<Str>().expect("a str"), y.exact::<Str>().expect("a str"));
                if a.len() + b.len() > Str::LIMIT {
                    return Err(self.memory_error());
                }
                if heap.check(a.len() + b.len()).is_err() {
                    return Err(self.memory_error());
                }
                a.held().concat(heap.forever(), b.held()).value().raw()
            }
            (Kind::List, Kind::List) => {
                let (a, b) = (x.exact::<List>().expect("a list"), y.exact::<List>().expect("a list"));
                if heap.check((a.len() + b.len()) * 16).is_err() {
                    return Err(self.memory_error());
                }
                List::of_parts(heap, a.len() + b.len(), [a.slots(), b.slots()].into_iter()).value().raw()
            }
            (Kind::Tuple, Kind::Tuple) => {
                let (a, b) = (x.exact::<Tuple>().expect("a tuple"), y.exact::<Tuple>().expect("a tuple"));
                if a.is_empty() {
                    return Ok(Some(y.raw()));
                }
                if b.is_empty() {
                    return Ok(Some(x.raw()));
                }
                if heap.check((a.len() + b.len()) * 16).is_err() {
                    return Err(self.memory_error());
                }
                Tuple::of_parts(heap, a.len() + b.len(), [a.tail(), b.tail()].into_iter()).value().raw()
            }
            (Kind::Bytes | Kind::ByteArray, Kind::Bytes | Kind::ByteArray | Kind::MemoryView | Kind::Array) => {
                let length = |v: Value<'_>| {
                    v.exact::<Bytes>().map(|b| b.len()).or_else(|| v.exact::<ByteArray>().map(|b| b.len())).unwrap_or(0)
                };
                // Both are copied first.
                let room = (length(x) + length(y)).saturating_mul(2);
                if room > 1 << 20 && heap.check(room).is_err() {
                    return Err(self.memory_error());
                }
                let a = self.bytes_like(x).unwrap_or_default();
                let Some(b) = self.bytes_like(y) else { return Ok(None) };
                if x.kind() == Kind::Bytes {
                    Bytes::from_parts(&self.heap, &[&a, &b]).value().raw()
                } else {
                    match ByteArray::new(&self.heap, &[a, b].concat()) {
                        Ok(array) => array.value().raw(),
                        Err(_) => return Err(self.memory_error()),
                    }
                }
            }
            (kind @ (Kind::Str | Kind::List | Kind::Tuple | Kind::Bytes | Kind::ByteArray), _) => {
                let _ = kind;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(Some(result))
    }

    /// The bytes of a bytes-like object, copied.
    pub fn bytes_like(&self, value: Value<'_>) -> Option<Vec<u8>> {
        let value = self.payload(value);
        if let Some(bytes) = value.exact::<Bytes>() {
            return Some(bytes.as_bytes().to_vec());
        }
        if let Some(view) = value.exact::<MemoryView>() {
            return (!view.released.get() && view.is_contiguous()).then(|| view.to_vec());
        }
        if let Some(array) = value.exact::<crate::object::Array>() {
            return Some(array.memory().to_vec());
        }
        value.exact::<ByteArray>().map(|array| array.to_vec())
    }

    /// The bytes of what `__buffer__` of a class of the language gives; `__release_buffer__` is told at once that they were copied. What they
    /// raise makes the object one that isn't bytes-like.
    pub fn scripted_bytes(&mut self, root: Root) -> Option<Vec<u8>> {
        self.bytes_of_scripted(root, 0).unwrap_or_else(|raised| {
            self.take_raised(raised);
            None
        })
    }

    /// As `scripted_bytes`, asked for with these flags, and what its methods raise. None if the class has no `__buffer__` of the language.
    pub fn bytes_of_scripted(&mut self, root: Root, flags: i64) -> Result<Option<Vec<u8>>, Raised> {
        if !self.class_of(root.get(self)).held().has(ClassFlags::HEAP) {
            return Ok(None);
        }
        let mark = self.mark();
        let flags = self.push_raw(Raw::int(flags));
        let Some(view) = self.call_special(root, Name::Buffer, &[flags])? else { return Ok(None) };
        if view.get(self).kind() != Kind::MemoryView {
            return Err(self.type_error("__buffer__ returned non-memoryview object".into()));
        }
        let bytes = self.bytes_like(view.get(self));
        self.call_special(root, Name::ReleaseBuffer, &[view])?;
        self.release(mark);
        Ok(bytes)
    }

    /// `a + b` of bytes and an object of a class with `__buffer__`, once neither has an operator of its own.
    fn concat_scripted(&mut self, a: Root, b: Root) -> Result<Option<Raw>, Raised> {
        let value: Value<'static> = Value::adopt(a.get(self).raw());
        let joins = !value.is_subclassed() || self.leaves_to_builtin(value, Name::Add);
        if !joins || !matches!(value.kind(), Kind::Bytes | Kind::ByteArray) {
            return Ok(None);
        }
        let Some(bytes) = self.scripted_bytes(b) else { return Ok(None) };
        let bytes = Bytes::new(&self.heap, &bytes).value().raw();
        let a = a.get(self).raw();
        self.concat(Value::adopt(a), Value::adopt(bytes))
    }

    /// `a * b` of a sequence and an int.
    pub(super) fn repeat(&mut self, x: Value<'_>, y: Value<'_>) -> Result<Option<Raw>, Raised> {
        let (x, y) = (self.payload(x).raw(), self.payload(y).raw());
        let (x, y) = (Value::adopt(x), Value::adopt(y));
        let is_sequence =
            |v: Value<'_>| matches!(v.kind(), Kind::Str | Kind::List | Kind::Tuple | Kind::Bytes | Kind::ByteArray);
        let (sequence, count) = if is_sequence(x) { (x, y) } else { (y, x) };
        if !is_sequence(sequence) {
            return Ok(None);
        }
        let Some(count) = as_int_ref(count) else { return Ok(None) };
        let count = match count.to_i64() {
            Some(count) => count.max(0) as usize,
            None => return Err(self.overflow_error("cannot fit 'int' into an index-sized integer")),
        };
        let heap = &self.heap;
        let check = |len: usize, each: usize| -> bool {
            len.checked_mul(count)
                .and_then(|n| n.checked_mul(each))
                .is_none_or(|n| n > 1 << 16 && heap.check(n).is_err())
        };
        let raw = match sequence.kind() {
            Kind::Str => {
                let text = sequence.exact::<Str>().expect("a str");
                if text.chars().checked_mul(count).is_none_or(|chars| chars > i64::MAX as usize) {
                    return Err(self.overflow_error("repeated string is too long"));
                }
                if check(text.len(), 2) || text.len() * count > Str::LIMIT {
                    return Err(self.memory_error());
                }
                if count == 1 { sequence.raw() } else { Str::repeated(heap, text, count).value().raw() }
            }
            Kind::Bytes => {
                let bytes = sequence.exact::<Bytes>().expect("bytes");
                if bytes.len().checked_mul(count).is_none_or(|len| len > i64::MAX as usize) {
                    return Err(self.overflow_error("repeated bytes are too long"));
                }
                if check(bytes.len(), 2) {
                    return Err(self.memory_error());
                }
                if count == 1 {
                    return Ok(Some(sequence.raw()));
                }
                Bytes::new(heap, &bytes.as_bytes().repeat(count)).value().raw()
            }
            Kind::ByteArray => {
                let bytes = sequence.exact::<ByteArray>().expect("a bytearray");
                if check(bytes.len(), 2) {
                    return Err(self.memory_error());
                }
                match ByteArray::new(heap, &bytes.to_vec().repeat(count)) {
                    Ok(array) => array.value().raw(),
                    Err(_) => return Err(self.memory_error()),
                }
            }
            Kind::List => {
                let list = sequence.exact::<List>().expect("a list");
                let len = list.len();
                if check(len, 16) {
                    return Err(self.memory_error());
                }
                if let [slot] = list.slots() {
                    let item = slot.get();
                    List::build(heap, count, |_| item).value().raw()
                } else {
                    let parts = std::iter::repeat_n(list.slots(), count);
                    List::of_parts(heap, len * count, parts).value().raw()
                }
            }
            _ => {
                let tuple = sequence.exact::<Tuple>().expect("a tuple");
                let len = tuple.len();
                if count == 1 {
                    return Ok(Some(sequence.raw()));
                }
                if check(len, 16) {
                    return Err(self.memory_error());
                }
                if len * count == 0 {
                    self.empty_tuple
                } else {
                    let parts = std::iter::repeat_n(tuple.tail(), count);
                    Tuple::of_parts(heap, len * count, parts).value().raw()
                }
            }
        };
        Ok(Some(raw))
    }

    /// `a OP b` out of line.
    pub(super) fn binary(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if let Some(raw) = self.joined_texts(kind, x, y) {
            return Ok(Invoked::Value(raw));
        }
        if is_closed(x) && is_closed(y) {
            if kind == BinaryKind::Mod && matches!(x.kind(), Kind::Str | Kind::Bytes) {
                return self.percent_invoked(a, b);
            }
            return match self.builtin_binary(kind, a, b)? {
                Some(raw) => Ok(Invoked::Value(raw)),
                None => Err(self.no_binary(kind, false, a, b)),
            };
        }
        let declined = self.has_declined();
        let (name, reflected, _) = binary_names(kind);
        if !declined {
            if let Some(raw) = self.operate_by_native((name, reflected), a, b) {
                return Ok(Invoked::Value(raw));
            }
            if let Some(invoked) = self.operate_by_method(name, a, b)? {
                return Ok(invoked);
            }
            if let Some(raw) = self.binary_derived(kind, a, b)? {
                return Ok(Invoked::Value(raw));
            }
        }
        if let Some(done) = self.binary_at_once(kind, false, a, b) {
            return done.map(Invoked::Value);
        }
        let start = self.fiber.top;
        let outcome = self.binary_outcome_after(kind, false, a, b, declined)?;
        self.carry_out(outcome, start)
    }

    /// `a OP b` of numbers and texts, for natives: None where the whole protocol is to be followed.
    pub fn operate_quickly(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        let small = match (x.as_int(), y.as_int(), kind) {
            (Some(a), Some(b), BinaryKind::Add) => a.checked_add(b),
            (Some(a), Some(b), BinaryKind::Sub) => a.checked_sub(b),
            (Some(a), Some(b), BinaryKind::Mul) => a.checked_mul(b),
            _ => None,
        };
        if let Some(small) = small {
            return Ok(Some(Raw::int(small)));
        }
        let formats = kind == BinaryKind::Mod && matches!(x.kind(), Kind::Str | Kind::Bytes);
        if is_closed(x) && is_closed(y) && !formats { self.builtin_binary(kind, a, b) } else { Ok(None) }
    }

    /// `a OP= b` out of line.
    pub(super) fn inplace(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if let Some(raw) = self.joined_texts(kind, x, y) {
            return Ok(Invoked::Value(raw));
        }
        if x.kind() == Kind::List && !x.is_subclassed() && kind == BinaryKind::Add && !self.has_own_radd(y) {
            self.list_extend_raw(a, b)?;
            return Ok(Invoked::Value(a));
        }
        if is_closed(x) && is_closed(y) && x.kind() != Kind::List {
            return match self.builtin_binary(kind, a, b)? {
                Some(raw) => Ok(Invoked::Value(raw)),
                None => Err(self.no_binary(kind, true, a, b)),
            };
        }
        let declined = self.has_declined();
        if !declined && x.kind() == Kind::Instance {
            let (name, reflected, inplace_name) = binary_names(kind);
            let class = self.class_of(x);
            let own = self.lookup_class(class, self.name(inplace_name)).is_some();
            if !own && let Some(raw) = self.operate_by_native((name, reflected), a, b) {
                return Ok(Invoked::Value(raw));
            }
            if let Some(invoked) = self.operate_by_method(if own { inplace_name } else { name }, a, b)? {
                return Ok(invoked);
            }
        }
        if let Some(done) = self.binary_at_once(kind, true, a, b) {
            return done.map(Invoked::Value);
        }
        let start = self.fiber.top;
        let outcome = self.binary_outcome_after(kind, true, a, b, declined)?;
        self.carry_out(outcome, start)
    }

    /// `a OP b` of ints or floats of which one or both are of a derived class that leaves this operator as it is.
    fn binary_derived(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        let (x, y) = (Value::<'static>::adopt(a), Value::<'static>::adopt(b));
        if !matches!(x.kind(), Kind::Int | Kind::Float) || !matches!(y.kind(), Kind::Int | Kind::Float) {
            return Ok(None);
        }
        let (name, reflected, _) = binary_names(kind);
        for value in [x, y] {
            let own = value.is_subclassed()
                && !(self.leaves_to_builtin(value, name) && self.leaves_to_builtin(value, reflected));
            if own {
                return Ok(None);
            }
        }
        let (x, y) = (self.payload(x).raw(), self.payload(y).raw());
        self.builtin_binary(kind, x, y)
    }

    /// Whether a value is of a class of the language with `__radd__`, which CPython asks even before a list extends itself.
    fn has_own_radd(&self, value: Value<'_>) -> bool {
        let class = self.class_of(value).held();
        class.has(ClassFlags::HEAP) && class.lookup(&self.heap, self.name(Name::RAdd)).is_some()
    }

    /// The protocol: in-place method, method, reflected method, in CPython's order. The window holds: a, b, kind and flags, then what is
    /// left to try: method, receiver and argument each, last first.
    pub fn binary_outcome(&mut self, kind: BinaryKind, inplace: bool, a: Raw, b: Raw) -> NativeResult {
        self.binary_outcome_after(kind, inplace, a, b, false)
    }

    /// As `binary_outcome`; `declined` if the first method that would be asked was asked already.
    fn binary_outcome_after(
        &mut self,
        kind: BinaryKind,
        inplace: bool,
        a: Raw,
        b: Raw,
        declined: bool,
    ) -> NativeResult {
        let start = self.fiber.top;
        self.push_raw(a);
        self.push_raw(b);
        self.push_raw(Raw::int(kind as i64 * 2 + i64::from(inplace)));
        let (name, reflected_name, inplace_name) = binary_names(kind);
        let (class_a, class_b) = (self.class_of(Value::adopt(a)).held(), self.class_of(Value::adopt(b)).held());
        let find = |cx: &mut Vm, class, name| {
            let name = cx.name(name).held();
            cx.lookup_class(class, name).map(|v| v.raw())
        };
        let mut tries: smallvec::SmallVec<[(Raw, Raw, Raw); 3]> = smallvec::SmallVec::new();
        if inplace && let Some(method) = find(self, class_a, inplace_name) {
            tries.push((method, a, b));
        }
        let own = find(self, class_a, name);
        if class_a == class_b {
            if let Some(method) = own {
                tries.push((method, a, b));
            }
            // Builtin types mix kinds under one class (ints and big ints), and have one implementation for both sides.
        } else {
            let reflected = find(self, class_b, reflected_name);
            let first = class_b.is_subclass(class_a) && {
                let inherited = find(self, class_a, reflected_name);
                match (reflected, inherited) {
                    (Some(r), Some(i)) => !r.same(i),
                    (Some(_), None) => true,
                    _ => false,
                }
            };
            // Sequences are joined and repeated once no number has anything to say.
            let native = own.is_some_and(|m| Value::adopt(m).kind() == Kind::Native);
            // A class of its own reflected method is asked as numbers are.
            let numeric = find(self, class_a, reflected_name).is_some_and(|m| Value::adopt(m).kind() != Kind::Native);
            let joined = native && !numeric && is_sequence(Value::adopt(a));
            // Of two sequences the one on the left is repeated.
            let both = kind == BinaryKind::Mul
                && reflected.is_some_and(|m| Value::adopt(m).kind() == Kind::Native)
                && self.repeats(Value::adopt(b));
            let first = first || joined && !both && matches!(kind, BinaryKind::Add | BinaryKind::Mul);
            let own = own.map(|m| (m, a, b));
            let reflected = reflected.map(|m| (m, b, a));
            if first {
                // So does a sequence that changes in place.
                let script = reflected.is_some_and(|(m, ..)| Value::adopt(m).kind() != Kind::Native);
                match script && joined {
                    // In place a script's own method comes first all the same, and what a derived class adds with.
                    true => {
                        let derived = kind == BinaryKind::Add && class_a.has(ClassFlags::HEAP);
                        let before = inplace
                            && tries.first().is_some_and(|(m, ..)| derived || Value::adopt(*m).kind() != Kind::Native);
                        tries.insert(usize::from(before), reflected.expect("just seen"));
                    }
                    false => tries.extend(reflected),
                }
                tries.extend(own);
            } else {
                tries.extend(own);
                tries.extend(reflected);
            }
        }
        if kind == BinaryKind::Mul {
            // A sequence's own method would complain of what is no number in its own words.
            let index = self.name(Name::Index).held();
            let only_first = inplace && self.has_sequence_slots(Value::adopt(a)) && !is_sequence(Value::adopt(a));
            let left = self.repeats(Value::adopt(a));
            tries.retain(|(method, receiver, count)| {
                let sequences = Value::adopt(*method).kind() == Kind::Native && self.repeats(Value::adopt(*receiver));
                if sequences && (only_first || left && !receiver.same(a)) {
                    return false;
                }
                let class = self.class_of(Value::adopt(*count)).held();
                Value::adopt(*method).kind() != Kind::Native
                    || !self.repeats(Value::adopt(*receiver))
                    || self.lookup_class(class, index).is_some()
            });
        }
        let sequences = [Kind::List, Kind::ByteArray].contains(&Value::adopt(a).kind());
        if inplace && kind == BinaryKind::Mul && sequences && !self.repeats(Value::adopt(a)) {
            // As a sequence it is repeated in place after its class's own methods had nothing to say.
            let index = self.name(Name::Index).held();
            if let Some(first) =
                tries.first().copied().filter(|(method, ..)| Value::adopt(*method).kind() == Kind::Native)
            {
                tries.remove(0);
                if self.lookup_class(class_b, index).is_some() {
                    tries.push(first);
                }
            }
        }
        if declined && !tries.is_empty() {
            tries.remove(0);
        }
        for (method, receiver, argument) in tries.into_iter().rev() {
            self.push_raw(method);
            self.push_raw(receiver);
            self.push_raw(argument);
        }
        binary_next(self, Args { start, count: self.fiber.top - start }, None)
    }

    pub(super) fn no_binary(&mut self, kind: BinaryKind, inplace: bool, a: Raw, b: Raw) -> Raised {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        let other = self.type_name_for_error(y);
        let joins = !x.is_subclassed() || self.leaves_to_builtin(x, Name::Add);
        if kind == BinaryKind::Add && joins {
            match x.kind() {
                Kind::Str => return self.type_error(format!("can only concatenate str (not \"{other}\") to str")),
                Kind::List => return self.type_error(format!("can only concatenate list (not \"{other}\") to list")),
                Kind::Tuple => {
                    return self.type_error(format!("can only concatenate tuple (not \"{other}\") to tuple"));
                }
                Kind::Bytes | Kind::ByteArray => {
                    let own = self.type_name_for_error(x);
                    return self.type_error(format!("can't concat {other} to {own}"));
                }
                _ => {}
            }
        }
        if kind == BinaryKind::Mul {
            let in_place = inplace && matches!(x.kind(), Kind::List | Kind::ByteArray);
            if self.repeats(x) || in_place && self.leaves_to_builtin(x, Name::IMul) {
                return self.type_error(format!("can't multiply sequence by non-int of type '{other}'"));
            }
            if self.repeats(y) && !(inplace && self.has_sequence_slots(x)) {
                let first = self.type_name_for_error(x);
                return self.type_error(format!("can't multiply sequence by non-int of type '{first}'"));
            }
        }
        self.unsupported(kind, inplace, a, b)
    }

    /// Whether a value can be asked for items by their number: what C code takes for a sequence.
    pub fn has_numbered_items(&mut self, root: Root) -> Result<bool, Raised> {
        let value = root.get(self);
        let numbered = matches!(value.kind(), Kind::Str | Kind::Bytes | Kind::ByteArray | Kind::List | Kind::Tuple)
            || matches!(value.kind(), Kind::Range | Kind::MemoryView | Kind::Array | Kind::Deque);
        if numbered || value.kind() == Kind::Dict || !self.class_of(value).has(ClassFlags::HEAP) {
            return Ok(numbered);
        }
        Ok(self.own_method(root, Name::GetItem)?.is_some())
    }

    /// Whether a multiplication takes a value for a sequence: not where its class has methods of its own for that.
    fn repeats(&self, value: Value<'_>) -> bool {
        let own = [Name::Mul, Name::RMul];
        (is_sequence(value) || matches!(value.kind(), Kind::Deque | Kind::Array))
            && (!value.is_subclassed() || own.iter().all(|name| self.leaves_to_builtin(value, *name)))
    }

    /// Whether an in-place multiplication looks at a value as a sequence, although it can't be repeated: then the other one isn't
    /// looked at.
    fn has_sequence_slots(&self, value: Value<'_>) -> bool {
        matches!(
            value.kind(),
            Kind::Dict | Kind::Set | Kind::FrozenSet | Kind::DictView | Kind::Range | Kind::MemoryView
        ) || self.class_of(value).held().has(ClassFlags::HEAP)
    }

    /// As `binary`, for natives: nested.
    pub fn binary_root(&mut self, kind: BinaryKind, a: Root, b: Root) -> Result<Root, Raised> {
        let (a, b) = (a.get(self).raw(), b.get(self).raw());
        let raw = self.run_nested(|cx| cx.binary(kind, a, b))?;
        Ok(self.push_raw(raw))
    }

    /// As `unary`, for natives: nested.
    pub fn unary_root(&mut self, kind: UnaryKind, a: Root) -> Result<Root, Raised> {
        let a = a.get(self).raw();
        let raw = self.run_nested(|cx| cx.unary(kind, a))?;
        Ok(self.push_raw(raw))
    }

    /// As `call_unbound`, for natives: nested.
    pub(super) fn call_unbound_nested(
        &mut self,
        method: Raw,
        receiver: Raw,
        args: &[Raw],
        then: Then,
    ) -> Result<Raw, Raised> {
        self.run_nested(|cx| {
            let start = cx.fiber.top;
            let outcome = cx.call_unbound(method, receiver, args, then)?;
            cx.carry_out(outcome, start)
        })
    }

    /// Does something that may enter frames, and waits for the result: for natives.
    pub(super) fn run_nested(&mut self, start: impl FnOnce(&mut Vm) -> Result<Invoked, Raised>) -> Result<Raw, Raised> {
        self.check_stack()?;
        let (window, top) = (self.fiber.window, self.fiber.top);
        self.push_exit(top);
        let invoked = start(self);
        let result = self.finish_nested(invoked);
        (self.fiber.window, self.fiber.top) = (window, top);
        result
    }

    /// `-a`, `+a`, `~a` out of line.
    pub(super) fn unary(&mut self, kind: UnaryKind, a: Raw) -> Result<Invoked, Raised> {
        let value = Value::adopt(a);
        if !value.is_subclassed() {
            if let Some(int) = as_int_ref(value) {
                let int = match kind {
                    UnaryKind::Neg => integer::negate(int),
                    UnaryKind::Pos => int.to_int(),
                    UnaryKind::Invert => {
                        if value.as_bool().is_some() {
                            self.warn_deprecated(
                                "Bitwise inversion '~' on bool is deprecated and will be removed in Python 3.16. This returns the bitwise inversion of the underlying int object and is usually not what you expect from negating a bool. Use the 'not' operator for boolean negation or ~int(x) if you really want the bitwise inversion of the underlying int.",
                            )?;
                        }
                        integer::invert(int)
                    }
                };
                return Ok(Invoked::Value(int_value(&self.heap, int).raw()));
            }
            if let Some(float) = value.as_float() {
                match kind {
                    UnaryKind::Neg => return Ok(Invoked::Value(Raw::float(-float))),
                    UnaryKind::Pos => return Ok(Invoked::Value(a)),
                    UnaryKind::Invert => {}
                }
            }
            if let Some(c) = value.exact::<Complex>() {
                match kind {
                    UnaryKind::Neg => {
                        let (re, im) = (-c.real, -c.imaginary);
                        return Ok(Invoked::Value(complex_value(&self.heap, re, im).value().raw()));
                    }
                    UnaryKind::Pos => return Ok(Invoked::Value(a)),
                    UnaryKind::Invert => {}
                }
            }
        }
        let name = [Name::Neg, Name::Pos, Name::Invert][kind as usize];
        if let Some(invoked) = self.by_method(a, name, &[a])? {
            return Ok(invoked);
        }
        let class = self.class_of(value).held();
        let name = self.name(name).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            let sign = ["-", "+", "~"][kind as usize];
            let got = self.type_name_for_error(value);
            return Err(self.type_error(format!("bad operand type for unary {sign}: '{got}'")));
        };
        let start = self.fiber.top;
        let outcome = self.call_unbound(method, a, &[], Then::Return)?;
        self.carry_out(outcome, start)
    }

    /// Asks for a call of a method found in a class, with its receiver.
    pub fn call_unbound(&mut self, method: Raw, receiver: Raw, args: &[Raw], then: Then) -> NativeResult {
        if super::native::takes_receiver(Value::adopt(method)) {
            let callee = self.push_raw(method);
            self.push_raw(receiver);
            for arg in args {
                self.push_raw(*arg);
            }
            return Ok(Outcome::Call { callee, argc: args.len() as u32 + 1, keywords: None, then });
        }
        let class = self.class_of(Value::adopt(receiver)).held();
        let bound = self.bind_descriptor(method, receiver, class)?;
        let callee = self.push_raw(bound);
        for arg in args {
            self.push_raw(*arg);
        }
        Ok(Outcome::Call { callee, argc: args.len() as u32, keywords: None, then })
    }
}

pub(super) fn binary_names(kind: BinaryKind) -> (Name, Name, Name) {
    match kind {
        BinaryKind::Add => (Name::Add, Name::RAdd, Name::IAdd),
        BinaryKind::Sub => (Name::Sub, Name::RSub, Name::ISub),
        BinaryKind::Mul => (Name::Mul, Name::RMul, Name::IMul),
        BinaryKind::TrueDiv => (Name::TrueDiv, Name::RTrueDiv, Name::ITrueDiv),
        BinaryKind::FloorDiv => (Name::FloorDiv, Name::RFloorDiv, Name::IFloorDiv),
        BinaryKind::Mod => (Name::Mod, Name::RMod, Name::IMod),
        BinaryKind::Pow => (Name::Pow, Name::RPow, Name::IPow),
        BinaryKind::LShift => (Name::LShift, Name::RLShift, Name::ILShift),
        BinaryKind::RShift => (Name::RShift, Name::RRShift, Name::IRShift),
        BinaryKind::And => (Name::And, Name::RAnd, Name::IAnd),
        BinaryKind::Or => (Name::Or, Name::ROr, Name::IOr),
        BinaryKind::Xor => (Name::Xor, Name::RXor, Name::IXor),
        BinaryKind::MatMul => (Name::MatMul, Name::RMatMul, Name::IMatMul),
    }
}

/// Kinds whose operators are all known here: no method of a class can come before them.
pub(super) fn is_closed(value: Value<'_>) -> bool {
    !value.is_subclassed()
        && matches!(
            value.kind(),
            Kind::Int
                | Kind::Float
                | Kind::True
                | Kind::False
                | Kind::None
                | Kind::Str
                | Kind::BigInt
                | Kind::Complex
                | Kind::Bytes
                | Kind::List
                | Kind::Tuple
                | Kind::Ellipsis
                | Kind::NotImplemented
        )
}

/// An operator by its sign; a space for those that `within_128` does not know.
fn kind_sign(kind: BinaryKind) -> u8 {
    match kind {
        BinaryKind::Add => b'+',
        BinaryKind::Sub => b'-',
        BinaryKind::Mul => b'*',
        BinaryKind::And => b'&',
        BinaryKind::Or => b'|',
        BinaryKind::Xor => b'^',
        BinaryKind::Pow => b'p',
        _ => b' ',
    }
}

pub(super) fn is_number(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::Int | Kind::Float | Kind::True | Kind::False | Kind::BigInt | Kind::Complex)
}

/// Whether a value is of a type that `+` joins and `*` repeats.
fn is_sequence(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::Str | Kind::List | Kind::Tuple | Kind::Bytes | Kind::ByteArray)
}

/// Tries the next method; `previous` is what the last one returned.
pub(super) fn binary_next(cx: &mut Vm, window: Args, previous: Option<Raw>) -> NativeResult {
    if let Some(raw) = previous
        && !Value::adopt(raw).is_not_implemented()
    {
        return Ok(Outcome::Value(raw));
    }
    let count = window.len();
    if count < 6 {
        let (a, b) = (window.get(cx, 0).raw(), window.get(cx, 1).raw());
        let code = window.get(cx, 2).as_int().expect("kind and flags");
        let kind = BinaryKind::ALL[code as usize / 2];
        if kind == BinaryKind::Add
            && let Some(joined) = cx.concat_scripted(window.root(0), window.root(1))?
        {
            return Ok(Outcome::Value(joined));
        }
        return Err(cx.no_binary(kind, code & 1 == 1, a, b));
    }
    let method = window.get(cx, count - 3).raw();
    let (receiver, argument) = (window.get(cx, count - 2).raw(), window.get(cx, count - 1).raw());
    cx.release(window.start + count as u32 - 3);
    cx.call_unbound(method, receiver, &[argument], Then::Continue(binary_resumed))
}

pub(super) fn binary_resumed(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.release(window.start + window.count);
    binary_next(cx, window, Some(raw))
}

pub(super) fn compare_next(cx: &mut Vm, window: Args, previous: Option<Raw>) -> NativeResult {
    let code = window.get(cx, 2).as_int().expect("kind and flags");
    if let Some(raw) = previous
        && !Value::adopt(raw).is_not_implemented()
    {
        return if code & 1 == 1 { cx.truth_outcome(raw) } else { Ok(Outcome::Value(raw)) };
    }
    let count = window.len();
    if count < 7 {
        let (a, b) = (window.get(cx, 0).raw(), window.get(cx, 1).raw());
        let kind = CompareKind::ALL[code as usize / 2];
        return cx.compare_fallback(kind, a, b).map(Outcome::Value);
    }
    let method = window.get(cx, count - 4).raw();
    let (receiver, argument) = (window.get(cx, count - 3).raw(), window.get(cx, count - 2).raw());
    let invert = window.get(cx, count - 1).as_bool() == Some(true);
    cx.release(window.start + count as u32 - 4);
    cx.call_unbound(
        method,
        receiver,
        &[argument],
        Then::Continue(if invert { compare_inverted } else { compare_resumed }),
    )
}

pub(super) fn compare_resumed(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.release(window.start + window.count);
    compare_next(cx, window, Some(raw))
}

/// `!=` by way of `==`.
pub(super) fn compare_inverted(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    if Value::adopt(raw).is_not_implemented() {
        cx.release(window.start + window.count);
        return compare_next(cx, window, Some(raw));
    }
    let truth = cx.truth(value)?;
    Ok((!truth).into())
}
