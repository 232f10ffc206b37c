//! `array.array`: numbers of one kind, packed in the memory of a bytearray of its own, so that whatever takes a buffer takes that.

use std::cell::Cell as StdCell;

use num_bigint::BigInt as Big;

use crate::heap::{Gc, Heap, Raw, Ref, Value};
use crate::number::int::Int;
use crate::object::{ByteArray, Str, int_value};

/// An array.
#[derive(Debug)]
pub struct Array {
    /// The items, one after the other.
    pub memory: Ref<ByteArray>,
    /// The letter of what they are.
    pub code: u8,
}

crate::cell! { Array: Array { slots: [], refs: [memory] } }

/// An item as a number.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are the kinds")]
pub enum Item {
    Int(i128),
    Float(f64),
    Char(u32),
}

impl Item {
    /// As a value; a character past Unicode is none.
    pub fn value(self, heap: &Heap) -> Option<Raw> {
        Some(match self {
            Item::Int(int) => match i64::try_from(int) {
                Ok(small) => Raw::int(small),
                Err(_) => int_value(heap, Int::from_big(Big::from(int))).raw(),
            },
            Item::Float(float) => Raw::float(float),
            Item::Char(point @ 0xD800..=0xDFFF) => {
                // A lone surrogate takes three bytes of the form of other characters.
                let bytes = [0xED, 0x80 | (point >> 6 & 0x3F) as u8, 0x80 | (point & 0x3F) as u8];
                Str::from_parts(heap, &[&bytes]).value().raw()
            }
            Item::Char(point) => {
                let mut buffer = [0; 4];
                Str::new(heap, char::from_u32(point)?.encode_utf8(&mut buffer)).value().raw()
            }
        })
    }
}

/// The bytes of an item of a kind; None for letters that are no kind.
pub fn array_item_size(code: u8) -> Option<usize> {
    Some(match code {
        b'b' | b'B' => 1,
        b'h' | b'H' => 2,
        b'u' | b'w' | b'i' | b'I' | b'f' => 4,
        b'l' | b'L' | b'q' | b'Q' | b'd' => 8,
        _ => return None,
    })
}

impl Array {
    /// The bytes of an item.
    #[inline]
    pub fn item_size(&self) -> usize {
        array_item_size(self.code).unwrap_or(1)
    }
}

impl<'h> Gc<'h, Array> {
    /// The memory.
    #[inline(always)]
    pub fn memory(self) -> Gc<'h, ByteArray> {
        self.get().memory.get().expect("an array has memory")
    }

    /// Number of items.
    #[inline]
    pub fn len(self) -> usize {
        self.memory().len() / self.item_size()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.memory().is_empty()
    }

    /// An item that is there.
    #[inline]
    pub fn item(self, index: usize) -> Item {
        let size = self.item_size();
        let cells = &self.memory().cells()[index * size..][..size];
        let mut raw = [0u8; 8];
        for (to, from) in raw.iter_mut().zip(cells) {
            *to = from.get();
        }
        let whole = u64::from_le_bytes(raw);
        let four = whole as u32;
        match self.code {
            b'b' => Item::Int(i128::from(raw[0] as i8)),
            b'h' => Item::Int(i128::from(whole as u16 as i16)),
            b'i' => Item::Int(i128::from(four as i32)),
            b'l' | b'q' => Item::Int(i128::from(whole as i64)),
            b'f' => Item::Float(f64::from(f32::from_bits(four))),
            b'd' => Item::Float(f64::from_bits(whole)),
            b'u' | b'w' => Item::Char(four),
            _ => Item::Int(i128::from(whole)),
        }
    }

    /// An item that is there, as a value; UNBOUND for a character past Unicode.
    #[inline]
    pub fn value_at(self, heap: &Heap, index: usize) -> Raw {
        self.item(index).value(heap).unwrap_or(Raw::UNBOUND)
    }

    /// Replaces an item by these bytes.
    pub fn set_bytes(self, index: usize, bytes: &[u8]) {
        let size = self.item_size();
        let cells: &[StdCell<u8>] = &self.memory().cells()[index * size..][..size];
        cells.iter().zip(bytes).for_each(|(cell, byte)| cell.set(*byte));
    }

    /// The bytes of a value as an item, where that is plain; None where more has to be asked or said.
    #[inline]
    pub fn packed(self, value: Value<'_>) -> Option<[u8; 8]> {
        if let Some(int) = value.as_int() {
            let (low, high) = match self.code {
                b'b' => (-128, 127),
                b'B' => (0, 255),
                b'h' => (-32_768, 32_767),
                b'H' => (0, 65_535),
                b'i' => (i64::from(i32::MIN), i64::from(i32::MAX)),
                b'I' => (0, i64::from(u32::MAX)),
                b'l' | b'q' => (i64::MIN, i64::MAX),
                b'L' | b'Q' => (0, i64::MAX),
                b'd' => return Some((int as f64).to_le_bytes()),
                _ => return None,
            };
            return (low <= int && int <= high).then(|| int.to_le_bytes());
        }
        match (self.code, value.as_float()?) {
            (b'd', float) => Some(float.to_le_bytes()),
            (b'f', float) => {
                let mut bytes = [0; 8];
                bytes[..4].copy_from_slice(&(float as f32).to_le_bytes());
                Some(bytes)
            }
            _ => None,
        }
    }
}
