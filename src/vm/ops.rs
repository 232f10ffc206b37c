//! Operators on values: out of line, with the full protocols. Exact builtin types are done directly; where a class written in the
//! language has a say, its methods are called through the run loop, one after the other, by continuations.

use num_bigint::BigInt as Big;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::number::int::{self as integer, Int, IntPower};
use crate::number::{Fault, FaultKind, complex, float};
use crate::object::key::{as_int_ref, equal_without_script, hash_without_script};
use crate::object::{
    ByteArray, Bytes, Complex, Dict, DictPart, DictView, Exc, FrozenSet, List, MemoryView, Range, Set, Slice, Str,
    Tuple, complex_value, int_value,
};

use super::call::Invoked;
use super::frame::Held;
use super::native::{Args, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::{Name, Vm};

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum CompareKind {
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
}

impl CompareKind {
    /// Every comparison, by number.
    pub const ALL: [CompareKind; 6] = [Self::Lt, Self::Le, Self::Eq, Self::Ne, Self::Gt, Self::Ge];

    fn name(self) -> Name {
        [Name::Lt, Name::Le, Name::Eq, Name::Ne, Name::Gt, Name::Ge][self as usize]
    }

    fn reflected(self) -> CompareKind {
        [Self::Gt, Self::Ge, Self::Eq, Self::Ne, Self::Lt, Self::Le][self as usize]
    }

    /// The operator as text.
    pub fn sign(self) -> &'static str {
        ["<", "<=", "==", "!=", ">", ">="][self as usize]
    }

    /// What the comparison says of an ordering.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// A unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum UnaryKind {
    Neg,
    Pos,
    Invert,
}

fn binary_names(kind: BinaryKind) -> (Name, Name, Name) {
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
fn is_closed(value: Value<'_>) -> bool {
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

fn is_number(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::Int | Kind::Float | Kind::True | Kind::False | Kind::BigInt | Kind::Complex)
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
        };
        self.raise_text(class, &fault.message)
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
            BinaryKind::Or if self.is_type_like(x) && self.is_type_like(y) => self.union_of(a, b).map(Some),
            BinaryKind::Or | BinaryKind::And | BinaryKind::Sub | BinaryKind::Xor => self.set_binary(kind, a, b),
            _ => Ok(None),
        }
    }

    fn is_type_like(&self, value: Value<'_>) -> bool {
        matches!(value.kind(), Kind::Class | Kind::None | Kind::GenericAlias | Kind::Union)
    }

    /// `a | b` for types: a union.
    /// `a | b` of types: a union without doubles.
    pub fn union_of(&mut self, a: Raw, b: Raw) -> Result<Raw, Raised> {
        let mut args: Vec<Raw> = vec![];
        for raw in [a, b] {
            let value = Value::adopt(raw);
            let parts: Vec<Raw> = match value.exact::<crate::object::Union>() {
                Some(union) => {
                    union.get().args.get().exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.raw()).collect())
                }
                None if value.is_none() => vec![self.kind_class(Kind::None).value().raw()],
                None => vec![raw],
            };
            for part in parts {
                if !args.iter().any(|known| known.same(part)) {
                    args.push(part);
                }
            }
        }
        if args.len() == 1 {
            return Ok(args[0]);
        }
        let args = Tuple::build(&self.heap, args.len(), |i| Value::adopt(args[i]));
        let union = crate::object::Union { args: crate::heap::Slot::new(args.value()) };
        Ok(self.heap.alloc(union).value().raw())
    }

    fn number_binary(&mut self, kind: BinaryKind, x: Value<'_>, y: Value<'_>) -> Result<Option<Raw>, Raised> {
        let (x, y) = (x.raw(), y.raw());
        let (xv, yv) = (Value::adopt(x), Value::adopt(y));
        if let (Some(a), Some(b)) = (as_int_ref(xv), as_int_ref(yv)) {
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

    fn number_as_float(&self, value: Value<'_>) -> Result<f64, Fault> {
        match as_int_ref(value) {
            Some(int) => int.to_float(),
            None => Ok(value.as_float().unwrap_or(f64::NAN)),
        }
    }

    fn complex_binary(&mut self, kind: BinaryKind, x: Value<'_>, y: Value<'_>) -> Result<Option<Raw>, Raised> {
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

    /// `a + b` of sequences.
    fn concat(&mut self, x: Value<'_>, y: Value<'_>) -> Result<Option<Raw>, Raised> {
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
                a.held().concat(unsafe_lifetime(heap), b.held()).value().raw()
            }
            (Kind::List, Kind::List) => {
                let (a, b) = (x.exact::<List>().expect("a list"), y.exact::<List>().expect("a list"));
                if heap.check((a.len() + b.len()) * 16).is_err() {
                    return Err(self.memory_error());
                }
                let n = a.len();
                List::build(heap, n + b.len(), |i| {
                    Value::adopt(if i < n { a.item(i) } else { b.item(i - n) }.expect("in range").raw())
                })
                .value()
                .raw()
            }
            (Kind::Tuple, Kind::Tuple) => {
                let (a, b) = (x.exact::<Tuple>().expect("a tuple"), y.exact::<Tuple>().expect("a tuple"));
                if a.is_empty() {
                    return Ok(Some(y.raw()));
                }
                if b.is_empty() {
                    return Ok(Some(x.raw()));
                }
                let n = a.len();
                Tuple::build(heap, n + b.len(), |i| Value::adopt(if i < n { a.item(i) } else { b.item(i - n) }.raw()))
                    .value()
                    .raw()
            }
            (Kind::Bytes | Kind::ByteArray, Kind::Bytes | Kind::ByteArray | Kind::MemoryView) => {
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
            return (!view.released.get()).then(|| view.to_vec());
        }
        value.exact::<ByteArray>().map(|array| array.to_vec())
    }

    /// `a * b` of a sequence and an int.
    fn repeat(&mut self, x: Value<'_>, y: Value<'_>) -> Result<Option<Raw>, Raised> {
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
            None if count.signum() < 0 => 0,
            None => return Err(self.overflow_error("cannot fit 'int' into an index-sized integer")),
        };
        let heap = &self.heap;
        let check = |len: usize, each: usize| -> bool {
            len.checked_mul(count).and_then(|n| n.checked_mul(each)).is_none_or(|n| heap.check(n).is_err())
        };
        let raw = match sequence.kind() {
            Kind::Str => {
                let text = sequence.exact::<Str>().expect("a str");
                if check(text.len(), 1) || text.len() * count > Str::LIMIT {
                    return Err(self.memory_error());
                }
                if count == 1 {
                    sequence.raw()
                } else {
                    Str::from_parts(heap, &[&text.as_bytes().repeat(count)]).value().raw()
                }
            }
            Kind::Bytes => {
                let bytes = sequence.exact::<Bytes>().expect("bytes");
                if check(bytes.len(), 1) {
                    return Err(self.memory_error());
                }
                Bytes::new(heap, &bytes.as_bytes().repeat(count)).value().raw()
            }
            Kind::ByteArray => {
                let bytes = sequence.exact::<ByteArray>().expect("a bytearray");
                if check(bytes.len(), 1) {
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
                List::build(heap, len * count, |i| Value::adopt(list.item(i % len).expect("in range").raw()))
                    .value()
                    .raw()
            }
            _ => {
                let tuple = sequence.exact::<Tuple>().expect("a tuple");
                let len = tuple.len();
                if check(len, 16) {
                    return Err(self.memory_error());
                }
                if len * count == 0 {
                    self.empty_tuple
                } else {
                    Tuple::build(heap, len * count, |i| Value::adopt(tuple.item(i % len).raw())).value().raw()
                }
            }
        };
        Ok(Some(raw))
    }

    /// `a OP b` out of line.
    pub(super) fn binary(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if is_closed(x) && is_closed(y) {
            return match self.builtin_binary(kind, a, b)? {
                Some(raw) => Ok(Invoked::Value(raw)),
                None => Err(self.no_binary(kind, false, a, b)),
            };
        }
        let start = self.fiber.top;
        let outcome = self.binary_outcome(kind, false, a, b)?;
        self.carry_out(outcome, start)
    }

    /// `a OP= b` out of line.
    pub(super) fn inplace(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if x.kind() == Kind::List && !x.is_subclassed() && kind == BinaryKind::Add {
            self.list_extend_raw(a, b)?;
            return Ok(Invoked::Value(a));
        }
        if is_closed(x) && is_closed(y) && x.kind() != Kind::List {
            return match self.builtin_binary(kind, a, b)? {
                Some(raw) => Ok(Invoked::Value(raw)),
                None => Err(self.no_binary(kind, true, a, b)),
            };
        }
        let start = self.fiber.top;
        let outcome = self.binary_outcome(kind, true, a, b)?;
        self.carry_out(outcome, start)
    }

    /// The protocol: in-place method, method, reflected method, in CPython's order. The window holds: a, b, kind and flags, then what is
    /// left to try: method, receiver and argument each, last first.
    pub fn binary_outcome(&mut self, kind: BinaryKind, inplace: bool, a: Raw, b: Raw) -> NativeResult {
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
            let sequence =
                matches!(Value::adopt(a).kind(), Kind::Str | Kind::List | Kind::Tuple | Kind::Bytes | Kind::ByteArray);
            let first = first || native && sequence && matches!(kind, BinaryKind::Add | BinaryKind::Mul);
            let own = own.map(|m| (m, a, b));
            let reflected = reflected.map(|m| (m, b, a));
            if first {
                tries.extend(reflected);
                tries.extend(own);
            } else {
                tries.extend(own);
                tries.extend(reflected);
            }
        }
        for (method, receiver, argument) in tries.into_iter().rev() {
            self.push_raw(method);
            self.push_raw(receiver);
            self.push_raw(argument);
        }
        binary_next(self, Args { start, count: self.fiber.top - start }, None)
    }

    fn no_binary(&mut self, kind: BinaryKind, inplace: bool, a: Raw, b: Raw) -> Raised {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        let other = self.type_name_for_error(y);
        if kind == BinaryKind::Add {
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
            let is_sequence =
                |v: Value<'_>| matches!(v.kind(), Kind::Str | Kind::List | Kind::Tuple | Kind::Bytes | Kind::ByteArray);
            if is_sequence(x) {
                return self.type_error(format!("can't multiply sequence by non-int of type '{other}'"));
            }
            if is_sequence(y) {
                let first = self.type_name_for_error(x);
                return self.type_error(format!("can't multiply sequence by non-int of type '{first}'"));
            }
        }
        self.unsupported(kind, inplace, a, b)
    }

    /// As `binary`, for natives: nested.
    pub fn binary_root(&mut self, kind: BinaryKind, a: Root, b: Root) -> Result<Root, Raised> {
        let (a, b) = (a.get(self).raw(), b.get(self).raw());
        let raw = self.run_nested(|cx| cx.binary(kind, a, b))?;
        Ok(self.push_raw(raw))
    }

    /// As `inplace`, for natives: nested.
    pub fn inplace_root(&mut self, kind: BinaryKind, a: Root, b: Root) -> Result<Root, Raised> {
        let (a, b) = (a.get(self).raw(), b.get(self).raw());
        let raw = self.run_nested(|cx| cx.inplace(kind, a, b))?;
        Ok(self.push_raw(raw))
    }

    /// As `unary`, for natives: nested.
    pub fn unary_root(&mut self, kind: UnaryKind, a: Root) -> Result<Root, Raised> {
        let a = a.get(self).raw();
        let raw = self.run_nested(|cx| cx.unary(kind, a))?;
        Ok(self.push_raw(raw))
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
                                "Bitwise inversion '~' on bool is deprecated and will be removed in Python 3.16. This returns the bitwise inversion of the underlying int object and is usually not what you expect from the negation of a bool object. Use the 'not' operator for boolean negation or ~int(x) for the bitwise inversion of the underlying int.",
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
        let value = Value::adopt(method);
        let plain = match value.kind() {
            Kind::Function => true,
            Kind::Native => value
                .exact::<super::native::NativeFunction>()
                .is_some_and(|n| n.get().def.kind == super::native::NativeKind::Method),
            _ => false,
        };
        if plain {
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

    // ---- comparison ----

    /// `a OP b` for exact builtin types; None where they do not go together. Items may be compared by scripts, nested.
    pub fn builtin_compare(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<bool>, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if is_number(x) && is_number(y) && !x.is_subclassed() && !y.is_subclassed() {
            if x.kind() == Kind::Complex || y.kind() == Kind::Complex {
                return Ok(match kind {
                    CompareKind::Eq => equal_without_script(x, y, 0),
                    CompareKind::Ne => equal_without_script(x, y, 0).map(|e| !e),
                    _ => None,
                });
            }
            let ordering = match (as_int_ref(x), as_int_ref(y)) {
                (Some(a), Some(b)) => Some(integer::compare(a, b)),
                (Some(a), None) => a.compare_float(y.as_float().unwrap_or(f64::NAN)),
                (None, Some(b)) => b.compare_float(x.as_float().unwrap_or(f64::NAN)).map(std::cmp::Ordering::reverse),
                (None, None) => x.as_float().partial_cmp(&y.as_float()),
            };
            return Ok(Some(match ordering {
                Some(ordering) => kind.holds(ordering),
                None => kind == CompareKind::Ne,
            }));
        }
        let (x, y) = (self.payload(x).raw(), self.payload(y).raw());
        let (x, y) = (Value::adopt(x), Value::adopt(y));
        match (x.kind(), y.kind()) {
            (Kind::Str, Kind::Str) => {
                let (a, b) = (x.exact::<Str>().expect("a str"), y.exact::<Str>().expect("a str"));
                Ok(Some(match kind {
                    CompareKind::Eq => a.equals(b),
                    CompareKind::Ne => !a.equals(b),
                    // Generalised UTF-8 orders as code points do.
                    _ => kind.holds(a.as_bytes().cmp(b.as_bytes())),
                }))
            }
            (Kind::Bytes | Kind::ByteArray, Kind::Bytes | Kind::ByteArray) => {
                let (a, b) = (self.bytes_like(x), self.bytes_like(y));
                Ok(Some(kind.holds(a.cmp(&b))))
            }
            (Kind::List, Kind::List) | (Kind::Tuple, Kind::Tuple) => self.compare_sequences(kind, x.raw(), y.raw()),
            (Kind::Dict, Kind::Dict) => match kind {
                CompareKind::Eq => self.dicts_equal(x.raw(), y.raw()).map(Some),
                CompareKind::Ne => self.dicts_equal(x.raw(), y.raw()).map(|e| Some(!e)),
                _ => Ok(None),
            },
            (Kind::Set | Kind::FrozenSet, Kind::Set | Kind::FrozenSet) => {
                self.compare_sets(kind, x.raw(), y.raw()).map(Some)
            }
            (Kind::DictView, Kind::DictView | Kind::Set | Kind::FrozenSet)
            | (Kind::Set | Kind::FrozenSet, Kind::DictView) => self.compare_views(kind, x.raw(), y.raw()),
            (Kind::Range, Kind::Range) => match kind {
                CompareKind::Eq | CompareKind::Ne => {
                    let equal = self.ranges_equal(x, y);
                    Ok(Some(equal == (kind == CompareKind::Eq)))
                }
                _ => Ok(None),
            },
            (Kind::Slice, Kind::Slice) => {
                let tuple = |cx: &Vm, v: Value<'_>| {
                    let s = v.exact::<Slice>().expect("a slice");
                    Tuple::new(
                        &cx.heap,
                        &[
                            Value::adopt(s.start.get().raw()),
                            Value::adopt(s.stop.get().raw()),
                            Value::adopt(s.step.get().raw()),
                        ],
                    )
                    .value()
                    .raw()
                };
                let (a, b) = (tuple(self, x), tuple(self, y));
                self.compare_sequences(kind, a, b)
            }
            (Kind::BoundMethod, Kind::BoundMethod) if matches!(kind, CompareKind::Eq | CompareKind::Ne) => {
                let (a, b) = (
                    x.exact::<crate::object::BoundMethod>().expect("a method"),
                    y.exact::<crate::object::BoundMethod>().expect("a method"),
                );
                let same = a.function.get().is(b.function.get()) && a.receiver.get().is(b.receiver.get());
                Ok(Some(same == (kind == CompareKind::Eq)))
            }
            (Kind::Union | Kind::GenericAlias, Kind::Union | Kind::GenericAlias)
                if matches!(kind, CompareKind::Eq | CompareKind::Ne) =>
            {
                self.aliases_equal(x.raw(), y.raw()).map(|e| Some(e == (kind == CompareKind::Eq)))
            }
            _ => Ok(None),
        }
    }

    fn aliases_equal(&mut self, a: Raw, b: Raw) -> Result<bool, Raised> {
        use crate::object::{GenericAlias, Union};
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        let mark = self.mark();
        let result = if let (Some(x), Some(y)) = (x.exact::<GenericAlias>(), y.exact::<GenericAlias>()) {
            let parts = [x.origin.get().raw(), y.origin.get().raw(), x.args.get().raw(), y.args.get().raw()];
            let roots = parts.map(|p| self.push_raw(p));
            self.equals(roots[0], roots[1])? && self.equals(roots[2], roots[3])?
        } else if let (Some(x), Some(y)) = (x.exact::<Union>(), y.exact::<Union>()) {
            let items = |t: Value<'_>| -> Vec<Raw> {
                t.exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.raw()).collect())
            };
            let (xs, ys) = (items(x.args.get()), items(y.args.get()));
            xs.len() == ys.len() && xs.iter().all(|x| ys.iter().any(|y| x.same(*y)))
        } else {
            false
        };
        self.release(mark);
        Ok(result)
    }

    /// Lists or tuples, item by item; both exact.
    fn compare_sequences(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<bool>, Raised> {
        self.check_stack()?;
        let mark = self.mark();
        let (ra, rb) = (self.push_raw(a), self.push_raw(b));
        let len = |cx: &Vm, r: Root| {
            let v = r.get(cx);
            v.exact::<List>().map_or_else(|| v.exact::<Tuple>().map_or(0, |t| t.len()), |l| l.len())
        };
        let item = |cx: &Vm, r: Root, i: usize| -> Option<Raw> {
            let v = r.get(cx);
            match v.exact::<List>() {
                Some(list) => list.item(i).map(|v| v.raw()),
                None => v.exact::<Tuple>().filter(|t| i < t.len()).map(|t| t.item(i).raw()),
            }
        };
        if matches!(kind, CompareKind::Eq | CompareKind::Ne)
            && Value::adopt(a).kind() == Kind::List
            && len(self, ra) != len(self, rb)
        {
            self.release(mark);
            return Ok(Some(kind == CompareKind::Ne));
        }
        let mut at = 0;
        let different = loop {
            let (Some(x), Some(y)) = (item(self, ra, at), item(self, rb, at)) else { break None };
            if !x.same(y) {
                let equal = match equal_without_script(Value::adopt(x), Value::adopt(y), 0) {
                    Some(equal) => equal,
                    None => {
                        let inner = self.mark();
                        let (x, y) = (self.push_raw(x), self.push_raw(y));
                        let equal = self.equals(x, y)?;
                        self.release(inner);
                        equal
                    }
                };
                if !equal {
                    break Some((x, y));
                }
            } else if Value::adopt(x).as_float().is_some_and(f64::is_nan) {
                // Identity is enough, as in CPython.
            }
            at += 1;
        };
        let result = match different {
            None => kind.holds(len(self, ra).cmp(&len(self, rb))),
            Some(_) if kind == CompareKind::Eq => false,
            Some(_) if kind == CompareKind::Ne => true,
            Some((x, y)) => {
                let (x, y) = (self.push_raw(x), self.push_raw(y));
                self.compare_roots(kind, x, y)?
            }
        };
        self.release(mark);
        Ok(Some(result))
    }

    fn ranges_equal(&self, x: Value<'_>, y: Value<'_>) -> bool {
        let parts = |v: Value<'_>| {
            let r = v.exact::<Range>().expect("a range");
            let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
            (big(r.start.get()), big(r.stop.get()), big(r.step.get()))
        };
        let ((a, b, s), (c, d, t)) = (parts(x), parts(y));
        let zero = Big::default();
        let len = |start: &Big, stop: &Big, step: &Big| -> Big {
            let (low, high, by) = if *step > zero {
                (start.clone(), stop.clone(), step.clone())
            } else {
                (stop.clone(), start.clone(), -step)
            };
            if low >= high { zero.clone() } else { (high - low - 1u8) / by + 1u8 }
        };
        let (n, m) = (len(&a, &b, &s), len(&c, &d, &t));
        n == m && (n == zero || (a == c && (n == Big::from(1u8) || s == t)))
    }

    /// `a OP b` out of line.
    pub(super) fn compare(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if is_closed(x) && is_closed(y) {
            if let Some(result) = self.builtin_compare(kind, a, b)? {
                return Ok(Invoked::Value(Raw::bool(result)));
            }
            return self.compare_fallback(kind, a, b).map(Invoked::Value);
        }
        let start = self.fiber.top;
        let outcome = self.compare_outcome(kind, a, b, false)?;
        self.carry_out(outcome, start)
    }

    /// As `compare`, with a bool as result.
    pub(super) fn compare_truth(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if is_closed(x) && is_closed(y) {
            return self.compare(kind, a, b);
        }
        let start = self.fiber.top;
        let outcome = self.compare_outcome(kind, a, b, true)?;
        self.carry_out(outcome, start)
    }

    fn compare_fallback(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Raw, Raised> {
        match kind {
            CompareKind::Eq => Ok(Raw::bool(a.same(b))),
            CompareKind::Ne => Ok(Raw::bool(!a.same(b))),
            _ => {
                let (x, y) = (self.type_name_for_error(Value::adopt(a)), self.type_name_for_error(Value::adopt(b)));
                let sign = kind.sign();
                Err(self.type_error(format!("'{sign}' not supported between instances of '{x}' and '{y}'")))
            }
        }
    }

    /// The protocol. The window holds: a, b, kind and flags, then method, receiver, argument and whether to invert for each thing left to
    /// try, last first.
    pub fn compare_outcome(&mut self, kind: CompareKind, a: Raw, b: Raw, truth: bool) -> NativeResult {
        let start = self.fiber.top;
        self.push_raw(a);
        self.push_raw(b);
        self.push_raw(Raw::int(kind as i64 * 2 + i64::from(truth)));
        let (class_a, class_b) = (self.class_of(Value::adopt(a)).held(), self.class_of(Value::adopt(b)).held());
        let object = self.types.object;
        let find = |class, kind: CompareKind| -> Option<(Raw, bool)> {
            let name = self.name(kind.name()).held();
            let (method, owner) = self.lookup_class_with_owner(class, name)?;
            let (method, from_object) = (method.raw(), owner.value().raw().same(object));
            if !from_object {
                return Some((method, false));
            }
            if kind != CompareKind::Ne {
                return None;
            }
            // object's `!=` is the opposite of the class's `==`.
            let name = self.name(Name::Eq).held();
            let (method, owner) = self.lookup_class_with_owner(class, name)?;
            (!owner.value().raw().same(object)).then(|| (method.raw(), true))
        };
        let own = find(class_a, kind).map(|(m, invert)| (m, a, b, invert));
        let reflected = find(class_b, kind.reflected()).map(|(m, invert)| (m, b, a, invert));
        let first = class_a != class_b && class_b.is_subclass(class_a) && reflected.is_some();
        let tries = if first { [reflected, own] } else { [own, reflected] };
        for (method, receiver, argument, invert) in tries.into_iter().rev().flatten() {
            self.push_raw(method);
            self.push_raw(receiver);
            self.push_raw(argument);
            self.push_raw(Raw::bool(invert));
        }
        compare_next(self, Args { start, count: self.fiber.top - start }, None)
    }

    /// `a == b`, nested. Identical objects are not equal by themselves here: see `same_or_equal`.
    pub fn equals(&mut self, a: Root, b: Root) -> Result<bool, Raised> {
        let (x, y) = (a.get(self).raw(), b.get(self).raw());
        if let Some(equal) = equal_without_script(Value::adopt(x), Value::adopt(y), 0) {
            return Ok(equal);
        }
        self.compare_roots(CompareKind::Eq, a, b)
    }

    /// `a is b or a == b`, nested: what containers ask.
    pub fn same_or_equal(&mut self, a: Root, b: Root) -> Result<bool, Raised> {
        if a.get(self).is(b.get(self)) { Ok(true) } else { self.equals(a, b) }
    }

    /// The truth of `a OP b`, nested.
    pub fn compare_roots(&mut self, kind: CompareKind, a: Root, b: Root) -> Result<bool, Raised> {
        let (a, b) = (a.get(self).raw(), b.get(self).raw());
        if is_closed(Value::adopt(a))
            && is_closed(Value::adopt(b))
            && let Some(result) = self.builtin_compare(kind, a, b)?
        {
            return Ok(result);
        }
        let raw = self.run_nested(|cx| cx.compare_truth(kind, a, b))?;
        Ok(raw.same(Raw::TRUE))
    }

    // ---- truth ----

    /// The truth of a builtin value; None where a class has a say.
    pub fn builtin_truth(&self, value: Value<'_>) -> Option<bool> {
        if value.is_subclassed() {
            return None;
        }
        Some(match value.kind() {
            Kind::True => true,
            Kind::False | Kind::None => false,
            Kind::Int => value.as_int() != Some(0),
            Kind::Float => value.as_float() != Some(0.0),
            Kind::BigInt => true,
            Kind::Complex => value.exact::<Complex>().is_some_and(|c| c.real != 0.0 || c.imaginary != 0.0),
            Kind::Str => value.exact::<Str>().is_some_and(|s| !s.is_empty()),
            Kind::Bytes => value.exact::<Bytes>().is_some_and(|s| !s.is_empty()),
            Kind::ByteArray => value.exact::<ByteArray>().is_some_and(|s| !s.is_empty()),
            Kind::List => value.exact::<List>().is_some_and(|s| !s.is_empty()),
            Kind::Tuple => value.exact::<Tuple>().is_some_and(|s| !s.is_empty()),
            Kind::Dict => value.exact::<Dict>().is_some_and(|s| !s.is_empty()),
            Kind::Set => value.exact::<Set>().is_some_and(|s| !s.is_empty()),
            Kind::FrozenSet => value.exact::<FrozenSet>().is_some_and(|s| !s.is_empty()),
            Kind::Function
            | Kind::Native
            | Kind::Module
            | Kind::BoundMethod
            | Kind::Generator
            | Kind::Coroutine
            | Kind::AsyncGenerator
            | Kind::Ellipsis => true,
            _ => return None,
        })
    }

    /// The truth of a value as a bool, out of line.
    pub(super) fn truth_of(&mut self, raw: Raw) -> Result<Invoked, Raised> {
        if let Some(truth) = self.builtin_truth(Value::adopt(raw)) {
            return Ok(Invoked::Value(Raw::bool(truth)));
        }
        let start = self.fiber.top;
        let outcome = self.truth_outcome(raw)?;
        self.carry_out(outcome, start)
    }

    /// The protocol: `__bool__`, else `__len__`, else true.
    pub(crate) fn truth_outcome(&mut self, raw: Raw) -> NativeResult {
        if let Some(truth) = self.builtin_truth(Value::adopt(raw)) {
            return Ok(truth.into());
        }
        let class = self.class_of(Value::adopt(raw)).held();
        let name = self.name(Name::Bool).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            return self.call_unbound(method, raw, &[], Then::Continue(bool_result));
        }
        let name = self.name(Name::Len).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            return self.call_unbound(method, raw, &[], Then::Continue(len_result));
        }
        Ok(true.into())
    }

    /// The truth of a value, nested.
    pub fn truth(&mut self, root: Root) -> Result<bool, Raised> {
        if let Some(truth) = self.builtin_truth(root.get(self)) {
            return Ok(truth);
        }
        let raw = root.get(self).raw();
        Ok(self.run_nested(|cx| cx.truth_of(raw))?.same(Raw::TRUE))
    }

    // ---- hash ----

    /// `hash(value)`, nested.
    pub fn hash(&mut self, root: Root) -> Result<i64, Raised> {
        let value = root.get(self);
        if let Some(hash) = hash_without_script(&self.heap, value) {
            return Ok(hash);
        }
        if !value.is_subclassed() {
            match value.kind() {
                Kind::Tuple => {
                    let len = value.exact::<Tuple>().map_or(0, |t| t.len());
                    self.check_stack()?;
                    let mut hash = crate::number::hash::TupleHash::new();
                    for i in 0..len {
                        let mark = self.mark();
                        let item = root.get(self).exact::<Tuple>().expect("a tuple").item(i).raw();
                        let item = self.push_raw(item);
                        let lane = self.hash(item)?;
                        hash.push(lane);
                        self.release(mark);
                    }
                    return Ok(hash.finish());
                }
                Kind::FrozenSet => return self.hash_frozenset(root),
                Kind::List | Kind::Dict | Kind::Set | Kind::ByteArray => {
                    return Err(self.unhashable(root));
                }
                Kind::Range => return self.hash_range(root),
                Kind::Slice => {
                    let mark = self.mark();
                    let slice = root.get(self).exact::<Slice>().expect("a slice");
                    let parts = [slice.start.get().raw(), slice.stop.get().raw(), slice.step.get().raw()];
                    let tuple = Tuple::build(&self.heap, 3, |i| Value::adopt(parts[i])).value().raw();
                    let tuple = self.push_raw(tuple);
                    let hash = self.hash(tuple)?;
                    self.release(mark);
                    return Ok(hash);
                }
                _ => {}
            }
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::Hash).held();
        let Some((method, owner)) = self.lookup_class_with_owner(class, name) else {
            return Err(self.unhashable(root));
        };
        if owner.value().raw().same(self.types.object) {
            return Ok(crate::number::hash::hash_identity(self.heap.id(root.get(self))));
        }
        if method.is_none() {
            return Err(self.unhashable(root));
        }
        let (method, receiver) = (method.raw(), root.get(self).raw());
        let result = self.run_nested(|cx| {
            let start = cx.fiber.top;
            let outcome = cx.call_unbound(method, receiver, &[], Then::Return)?;
            cx.carry_out(outcome, start)
        })?;
        match as_int_ref(self.payload(Value::adopt(result))) {
            // What `__hash__` returns is reduced as ints are.
            Some(int) => Ok(match int.to_i64() {
                Some(-1) => -2,
                Some(hash) => hash,
                None => crate::number::hash::hash_int(int),
            }),
            None => Err(self.type_error("__hash__ method should return an integer".into())),
        }
    }

    /// `unhashable type`.
    pub fn unhashable(&mut self, root: Root) -> Raised {
        let name = self.type_name_for_error(root.get(self));
        self.type_error(format!("unhashable type: '{name}'"))
    }

    fn hash_range(&mut self, root: Root) -> Result<i64, Raised> {
        // As CPython: the hash of (length, first or None, step or None).
        let mark = self.mark();
        let len = self.range_len(root.get(self));
        let range = root.get(self).exact::<Range>().expect("a range");
        let (start, step) = (range.start.get().raw(), range.step.get().raw());
        let (zero, one) = (len == Int::Small(0), len == Int::Small(1));
        let len = int_value(&self.heap, len).raw();
        let parts = [len, if zero { Raw::NONE } else { start }, if zero || one { Raw::NONE } else { step }];
        let tuple = Tuple::build(&self.heap, 3, |i| Value::adopt(parts[i])).value().raw();
        let tuple = self.push_raw(tuple);
        let hash = self.hash(tuple)?;
        self.release(mark);
        Ok(hash)
    }

    /// The number of items of a range.
    pub fn range_len(&self, value: Value<'_>) -> Int {
        let range = value.exact::<Range>().expect("a range");
        if let (Some(start), Some(stop), Some(step)) =
            (range.start.get().as_int(), range.stop.get().as_int(), range.step.get().as_int())
        {
            let (low, high, by) = if step > 0 { (start, stop, step) } else { (stop, start, step.wrapping_neg()) };
            if low >= high {
                return Int::Small(0);
            }
            let span = (high as i128) - (low as i128) - 1;
            let n = span / i128::from(by as u64 as i64 as i128 as u64 as i64).max(1) + 1;
            return match i64::try_from(n) {
                Ok(n) => Int::Small(n),
                Err(_) => Int::Big(Big::from(n)),
            };
        }
        let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
        let (start, stop, step) = (big(range.start.get()), big(range.stop.get()), big(range.step.get()));
        let zero = Big::default();
        let (low, high, by) = if step > zero { (start, stop, step) } else { (stop, start, -step) };
        if low >= high { Int::Small(0) } else { Int::from_big((high - low - 1u8) / by + 1u8) }
    }

    // ---- numbers ----

    /// `operator.index(value)`: an int, exact.
    pub fn index(&mut self, root: Root) -> Result<Root, Raised> {
        let value = self.payload(root.get(self));
        if let Some(int) = as_int_ref(value) {
            let raw = match int.to_i64() {
                Some(small) => Raw::int(small),
                None => value.raw(),
            };
            return Ok(self.push_raw(raw));
        }
        let class = self.class_of(root.get(self)).held();
        let name = self.name(Name::Index).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            let got = self.type_name_for_error(root.get(self));
            return Err(self.type_error(format!("'{got}' object cannot be interpreted as an integer")));
        };
        let receiver = root.get(self).raw();
        let raw = self.run_nested(|cx| {
            let start = cx.fiber.top;
            let outcome = cx.call_unbound(method, receiver, &[], Then::Return)?;
            cx.carry_out(outcome, start)
        })?;
        if as_int_ref(self.payload(Value::adopt(raw))).is_none() {
            let got = self.type_name_for_error(Value::adopt(raw));
            return Err(self.type_error(format!("__index__ returned non-int (type {got})")));
        }
        let raw = self.payload(Value::adopt(raw)).raw();
        let raw = match Value::adopt(raw).as_bool() {
            Some(b) => Raw::int(i64::from(b)),
            None => raw,
        };
        Ok(self.push_raw(raw))
    }

    /// An int that fits 64 bits, from anything with `__index__`.
    pub fn index_as_i64(&mut self, root: Root) -> Result<i64, Raised> {
        let mark = self.mark();
        let index = self.index(root)?;
        let int = index.get(self).as_int();
        self.release(mark);
        match int {
            Some(int) => Ok(int),
            None => Err(self.overflow_error("Python int too large to convert to C ssize_t")),
        }
    }

    /// An index for a subscript: clipped to 64 bits only where slices allow; IndexError otherwise.
    pub fn subscript_index(&mut self, root: Root) -> Result<i64, Raised> {
        let mark = self.mark();
        let index = self.index(root)?;
        let int = index.get(self).as_int();
        self.release(mark);
        match int {
            Some(int) => Ok(int),
            None => {
                let got = self.type_name_for_error(root.get(self));
                Err(self.index_error(&format!("cannot fit '{got}' into an index-sized integer")))
            }
        }
    }

    /// The bounds of a slice over `len` items: start, stop, step, and the number of items.
    pub fn slice_bounds(&mut self, slice: Root, len: usize) -> Result<(i64, i64, i64, usize), Raised> {
        let (start, stop, step) = {
            let s = slice.get(self).exact::<Slice>().expect("a slice");
            (s.start.get().raw(), s.stop.get().raw(), s.step.get().raw())
        };
        let mut clipped = |raw: Raw| -> Result<Option<i64>, Raised> {
            if raw.same(Raw::NONE) {
                return Ok(None);
            }
            let mark = self.mark();
            let root = self.push_raw(raw);
            if as_int_ref(self.payload(root.get(self))).is_none() {
                let class = self.class_of(root.get(self)).held();
                let name = self.name(Name::Index).held();
                if self.lookup_class(class, name).is_none() {
                    return Err(
                        self.type_error("slice indices must be integers or None or have an __index__ method".into())
                    );
                }
            }
            let index = self.index(root)?;
            let value = index.get(self);
            let int = value.as_int().unwrap_or_else(|| {
                if as_int_ref(value).is_some_and(|i| i.signum() < 0) { i64::MIN + 1 } else { i64::MAX }
            });
            self.release(mark);
            Ok(Some(int))
        };
        let step = clipped(step)?.unwrap_or(1);
        let start = clipped(start)?;
        let stop = clipped(stop)?;
        if step == 0 {
            return Err(self.value_error("slice step cannot be zero"));
        }
        let n = len as i64;
        let (low, high) = if step < 0 { (-1, n - 1) } else { (0, n) };
        let clip = |bound: i64| {
            if bound < 0 { (bound.saturating_add(n)).max(low) } else { bound.min(high) }
        };
        let start = start.map_or(if step < 0 { high } else { low }, clip);
        let stop = stop.map_or(if step < 0 { low } else { high }, clip);
        let count = if step < 0 {
            if stop < start { (start - stop - 1) / step.saturating_neg() + 1 } else { 0 }
        } else if start < stop {
            (stop - start - 1) / step + 1
        } else {
            0
        };
        Ok((start, stop, step, count as usize))
    }

    /// A float, from anything with `__float__` or `__index__`.
    pub fn to_float(&mut self, root: Root) -> Result<f64, Raised> {
        let value = self.payload(root.get(self));
        if !root.get(self).is_subclassed() || value.as_float().is_none() {
            if let Some(float) = value.as_float() {
                return Ok(float);
            }
            if let Some(int) = as_int_ref(value) {
                return match int.to_float() {
                    Ok(float) => Ok(float),
                    Err(fault) => Err(self.fault(fault)),
                };
            }
        }
        let class = self.class_of(root.get(self)).held();
        let name = self.name(Name::Float).held();
        let method = self.lookup_class(class, name).map(|v| v.raw());
        let Some(method) = method else {
            let name = self.name(Name::Index).held();
            if self.lookup_class(class, name).is_some() {
                let mark = self.mark();
                let index = self.index(root)?;
                let float = self.to_float(index)?;
                self.release(mark);
                return Ok(float);
            }
            let got = self.type_name_for_error(root.get(self));
            return Err(self.type_error(format!("must be real number, not {got}")));
        };
        let receiver = root.get(self).raw();
        let raw = self.run_nested(|cx| {
            let start = cx.fiber.top;
            let outcome = cx.call_unbound(method, receiver, &[], Then::Return)?;
            cx.carry_out(outcome, start)
        })?;
        match self.payload(Value::adopt(raw)).as_float() {
            Some(float) => Ok(float),
            None => {
                let class = self.type_name_for_error(root.get(self));
                let got = self.type_name_for_error(Value::adopt(raw));
                Err(self.type_error(format!("{class}.__float__ returned non-float (type {got})")))
            }
        }
    }

    // ---- length and membership ----

    /// The length of a builtin collection; None where a class has a say.
    pub fn builtin_length(&self, value: Value<'_>) -> Option<usize> {
        if value.is_subclassed() {
            return None;
        }
        Some(match value.kind() {
            Kind::Str => value.exact::<Str>()?.chars(),
            Kind::List => value.exact::<List>()?.len(),
            Kind::Tuple => value.exact::<Tuple>()?.len(),
            Kind::Dict => value.exact::<Dict>()?.len(),
            Kind::Set => value.exact::<Set>()?.len(),
            Kind::FrozenSet => value.exact::<FrozenSet>()?.len(),
            Kind::Bytes => value.exact::<Bytes>()?.len(),
            Kind::ByteArray => value.exact::<ByteArray>()?.len(),
            Kind::DictView => {
                let dict = value.exact::<DictView>()?.get().dict.get();
                self.dict_of(dict)?.len()
            }
            Kind::Range => match self.range_len(value) {
                Int::Small(n) => usize::try_from(n).ok()?,
                Int::Big(_) => return None,
            },
            _ => return None,
        })
    }

    /// `len(value)`, nested.
    pub fn length(&mut self, root: Root) -> Result<usize, Raised> {
        if let Some(len) = self.builtin_length(root.get(self)) {
            return Ok(len);
        }
        if root.get(self).kind() == Kind::Range {
            return Err(self.overflow_error("Python int too large to convert to C ssize_t"));
        }
        let class = self.class_of(root.get(self)).held();
        let name = self.name(Name::Len).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            let got = self.type_name_for_error(root.get(self));
            return Err(self.type_error(format!("object of type '{got}' has no len()")));
        };
        let receiver = root.get(self).raw();
        let raw = self.run_nested(|cx| {
            let start = cx.fiber.top;
            let outcome = cx.call_unbound(method, receiver, &[], Then::Continue(len_value))?;
            cx.carry_out(outcome, start)
        })?;
        Ok(Value::adopt(raw).as_int().unwrap_or(0) as usize)
    }

    pub(super) fn length_raw(&mut self, raw: Raw) -> Result<Raw, Raised> {
        let mark = self.mark();
        let root = self.push_raw(raw);
        let len = self.length(root)?;
        self.release(mark);
        Ok(Raw::int(len as i64))
    }

    /// `operator.length_hint(value)`: 0 where nothing is known.
    pub fn length_hint(&mut self, root: Root) -> Result<usize, Raised> {
        if let Some(len) = self.builtin_length(root.get(self)) {
            return Ok(len);
        }
        let value = root.get(self);
        if value.exact::<super::iterate::NativeIterator>().is_some() || value.kind() == Kind::Generator {
            return Ok(0);
        }
        let class = self.class_of(value).held();
        for (name, needed) in [(Name::Len, false), (Name::LengthHint, true)] {
            let name = self.name(name).held();
            let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else { continue };
            let receiver = root.get(self).raw();
            let result = self.run_nested(|cx| {
                let start = cx.fiber.top;
                let outcome = cx.call_unbound(method, receiver, &[], Then::Return)?;
                cx.carry_out(outcome, start)
            });
            match result {
                Ok(raw) => {
                    if let Some(int) = Value::adopt(raw).as_int()
                        && int >= 0
                    {
                        return Ok(int as usize);
                    }
                    if needed {
                        return Ok(0);
                    }
                }
                Err(raised) => {
                    if !self.raised_is(Exc::TypeError) {
                        return Err(raised);
                    }
                    self.take_raised(raised);
                }
            }
        }
        Ok(0)
    }

    /// `item in container` as a bool, out of line.
    pub(super) fn contains(&mut self, container: Raw, item: Raw) -> Result<Invoked, Raised> {
        let value = Value::adopt(container);
        if !value.is_subclassed() {
            let mark = self.mark();
            let result = match value.kind() {
                Kind::List | Kind::Tuple => {
                    let (sequence, wanted) = (self.push_raw(container), self.push_raw(item));
                    Some(self.sequence_contains(sequence, wanted)?)
                }
                Kind::Dict => {
                    let (dict, key) = (self.push_raw(container), self.push_raw(item));
                    Some(self.dict_find(dict, key)?.is_some())
                }
                Kind::Set | Kind::FrozenSet => {
                    let (set, key) = (self.push_raw(container), self.push_raw(item));
                    Some(self.set_contains(set, key)?)
                }
                Kind::Str => {
                    let text = value.exact::<Str>().expect("a str");
                    match self.as_str(Value::adopt(item)) {
                        Some(part) => Some(memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some()),
                        None => {
                            let got = self.type_name_for_error(Value::adopt(item));
                            return Err(
                                self.type_error(format!("'in <string>' requires string as left operand, not {got}"))
                            );
                        }
                    }
                }
                Kind::Range => as_int_ref(Value::adopt(item)).map(|_| self.range_contains(value, Value::adopt(item))),
                Kind::DictView => {
                    let view = value.exact::<DictView>().expect("a view");
                    let (dict, part) = (view.dict.get().raw(), view.part);
                    let dict = self.push_raw(dict);
                    let item = self.push_raw(item);
                    match part {
                        DictPart::Keys => Some(self.dict_find(dict, item)?.is_some()),
                        DictPart::Items => Some(self.dict_has_item(dict, item)?),
                        DictPart::Values => None,
                    }
                }
                _ => None,
            };
            self.release(mark);
            if let Some(result) = result {
                return Ok(Invoked::Value(Raw::bool(result)));
            }
        }
        let start = self.fiber.top;
        let class = self.class_of(value).held();
        let name = self.name(Name::Contains).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            if Value::adopt(method).is_none() {
                let got = self.type_name_for_error(value);
                return Err(self.type_error(format!("'{got}' object is not a container")));
            }
            let outcome = self.call_unbound(method, container, &[item], Then::Continue(truth_result))?;
            return self.carry_out(outcome, start);
        }
        // Any iterable: item by item, nested.
        let (container, wanted) = (self.push_raw(container), self.push_raw(item));
        let found = self.iterable_contains(container, wanted)?;
        Ok(Invoked::Value(Raw::bool(found)))
    }

    fn iterable_contains(&mut self, container: Root, wanted: Root) -> Result<bool, Raised> {
        let mark = self.mark();
        let iterator = match self.iter(container) {
            Ok(iterator) => iterator,
            Err(raised) => {
                let value = container.get(self).raw();
                let class = self.class_of(Value::adopt(value)).held();
                let name = self.name(Name::Iter).held();
                if self.raised_is(Exc::TypeError) && self.lookup_class(class, name).is_none() {
                    self.take_raised(raised);
                    let got = self.type_name_for_error(Value::adopt(value));
                    return Err(self.type_error(format!("argument of type '{got}' is not a container or iterable")));
                }
                return Err(raised);
            }
        };
        let inner = self.mark();
        while let Some(item) = self.next(iterator)? {
            if self.same_or_equal(item, wanted)? {
                self.release(mark);
                return Ok(true);
            }
            self.release(inner);
        }
        self.release(mark);
        Ok(false)
    }

    /// `item in container`, nested.
    pub fn contains_root(&mut self, container: Root, item: Root) -> Result<bool, Raised> {
        let (container, item) = (container.get(self).raw(), item.get(self).raw());
        Ok(self.run_nested(|cx| cx.contains(container, item))?.same(Raw::TRUE))
    }

    fn sequence_contains(&mut self, sequence: Root, wanted: Root) -> Result<bool, Raised> {
        let mut at = 0;
        loop {
            let value = sequence.get(self);
            let item = match value.exact::<List>() {
                Some(list) => list.item(at),
                None => value.exact::<Tuple>().filter(|t| at < t.len()).map(|t| t.item(at)),
            };
            let Some(item) = item else { return Ok(false) };
            let wanted_value = wanted.get(self);
            let equal = if item.is(wanted_value) {
                true
            } else {
                match equal_without_script(item, wanted_value, 0) {
                    Some(equal) => equal,
                    None => {
                        let mark = self.mark();
                        let item = item.raw();
                        let item = self.push_raw(item);
                        let equal = self.equals(item, wanted)?;
                        self.release(mark);
                        equal
                    }
                }
            };
            if equal {
                return Ok(true);
            }
            at += 1;
        }
    }

    /// Whether an int is in a range.
    pub fn range_contains(&self, range: Value<'_>, item: Value<'_>) -> bool {
        let range = range.exact::<Range>().expect("a range");
        let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
        let (start, stop, step, item) =
            (big(range.start.get()), big(range.stop.get()), big(range.step.get()), big(item));
        let zero = Big::default();
        let inside = if step > zero { start <= item && item < stop } else { stop < item && item <= start };
        inside && (item - start) % step == zero
    }
}

/// Keeps a borrow of the heap as long as a held cell's: nothing is collected in between.
fn unsafe_lifetime(heap: &crate::heap::Heap) -> &'static crate::heap::Heap {
    heap.forever()
}

/// Tries the next method; `previous` is what the last one returned.
fn binary_next(cx: &mut Vm, window: Args, previous: Option<Raw>) -> NativeResult {
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
        return Err(cx.no_binary(kind, code & 1 == 1, a, b));
    }
    let method = window.get(cx, count - 3).raw();
    let (receiver, argument) = (window.get(cx, count - 2).raw(), window.get(cx, count - 1).raw());
    cx.release(window.start + count as u32 - 3);
    cx.call_unbound(method, receiver, &[argument], Then::Continue(binary_resumed))
}

fn binary_resumed(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.release(window.start + window.count);
    binary_next(cx, window, Some(raw))
}

fn compare_next(cx: &mut Vm, window: Args, previous: Option<Raw>) -> NativeResult {
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

fn compare_resumed(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.release(window.start + window.count);
    compare_next(cx, window, Some(raw))
}

/// `!=` by way of `==`.
fn compare_inverted(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    if Value::adopt(raw).is_not_implemented() {
        cx.release(window.start + window.count);
        return compare_next(cx, window, Some(raw));
    }
    let truth = cx.truth(value)?;
    Ok((!truth).into())
}

/// What `__bool__` returned.
fn bool_result(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    if value.get(cx).as_bool().is_some() {
        return Ok(value.get(cx).into());
    }
    let got = cx.type_name_for_error(value.get(cx));
    Err(cx.type_error(format!("__bool__ should return bool, returned {got}")))
}

/// What `__len__` returned, as an int that is no less than 0.
fn len_value(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    if as_int_ref(cx.payload(value.get(cx))).is_none() {
        let class = cx.class_of(value.get(cx)).held();
        let name = cx.name(Name::Index).held();
        if cx.lookup_class(class, name).is_none() {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("'{got}' object cannot be interpreted as an integer")));
        }
    }
    let index = cx.index(value)?;
    match index.get(cx).as_int() {
        Some(len) if len >= 0 => Ok(len.into()),
        Some(_) => Err(cx.value_error("__len__() should return >= 0")),
        None if as_int_ref(index.get(cx)).is_some_and(|i| i.signum() < 0) => {
            Err(cx.value_error("__len__() should return >= 0"))
        }
        None => Err(cx.overflow_error("cannot fit 'int' into an index-sized integer")),
    }
}

/// Whether what `__len__` returned is not 0.
fn len_result(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match len_value(cx, window, resumed)? {
        Outcome::Value(raw) => Ok((Value::adopt(raw).as_int() != Some(0)).into()),
        other => Ok(other),
    }
}

/// The truth of what was returned.
fn truth_result(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.truth_outcome(raw)
}

/// A held cell's type, for readers of the signatures above.
#[allow(dead_code, reason = "names the type that continuations pass around")]
type HeldCell<T> = Held<T>;
#[allow(dead_code, reason = "names the borrowed counterpart")]
type BorrowedCell<'h, T> = Gc<'h, T>;
