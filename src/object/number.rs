//! Integers past 64 bits and complex numbers; smaller integers and floats are in the value itself.

use num_bigint::BigInt as Big;

use crate::heap::{Gc, Heap, Value};
use crate::number::int::Int;

/// An integer that does not fit 64 bits.
#[derive(Debug)]
pub struct BigInt {
    /// The number.
    pub value: Big,
}

crate::cell! { BigInt: BigInt { slots: [], refs: [] } }

/// A complex number.
#[derive(Debug)]
pub struct Complex {
    /// The real part.
    pub real: f64,
    /// The imaginary part.
    pub imaginary: f64,
}

crate::cell! { Complex: Complex { slots: [], refs: [] } }

/// The value of an integer: unboxed if it fits 64 bits.
#[inline]
pub fn int_value(heap: &Heap, int: Int) -> Value<'_> {
    match int {
        Int::Small(small) => Value::int(small),
        Int::Big(value) => {
            heap.account(value.bits() as usize / 8 + 16);
            heap.alloc(BigInt { value }).value()
        }
    }
}

/// A complex number.
pub fn complex_value(heap: &Heap, real: f64, imaginary: f64) -> Gc<'_, Complex> {
    heap.alloc(Complex { real, imaginary })
}
