//! str: text as generalised UTF-8 (WTF-8: a lone surrogate is three bytes). Length, hash and an offset table for indexing
//! are kept with it. Long texts built by appending share an [`AppendBuffer`].

use std::cell::Cell as StdCell;

use smallvec::SmallVec;

use crate::heap::{AppendBuffer, Gc, Heap, Ref, Value};
use crate::text::wtf8;

/// Every character is ASCII.
pub const ASCII: u8 = 1;
/// There is a lone surrogate in it: it is not valid UTF-8.
pub const SURROGATES: u8 = 2;
/// It is in the table of interned texts: equal interned texts are the same cell.
pub const INTERNED: u8 = 4;

/// From this length on a concatenation gets room to grow at its end.
const GROWING: usize = 256;
/// Characters between two entries of an offset table.
const STRIDE: usize = 64;

/// A text.
#[derive(Debug)]
pub struct Str {
    /// 0 as long as it was not asked for (a real 0 is computed again: only the empty text has it).
    hash: StdCell<i64>,
    bytes: u32,
    chars: u32,
    shared: Ref<AppendBuffer>,
    offsets: Ref<Offsets>,
}

crate::cell! { Str: Str { slots: [], refs: [shared, offsets] } tail ByteTail by |s| if s.shared.get().is_some() { 0 } else { s.bytes as usize } }

/// Byte offsets of every 64th character of a text that is not ASCII.
#[derive(Debug)]
pub struct Offsets {
    len: usize,
}

crate::cell! { Offsets: IndexTable { slots: [], refs: [] } tail IndexTail by |o| o.len }

/// Counts characters and finds flags: what must be known of bytes to make a text of them.
fn survey(parts: &[&[u8]]) -> (usize, u8) {
    let (mut chars, mut ascii, mut surrogates) = (0, true, false);
    for part in parts {
        if part.is_ascii() {
            chars += part.len();
        } else {
            ascii = false;
            chars += part.iter().filter(|b| **b & 0xC0 != 0x80).count();
            // Only surrogates are encoded as ED A0..BF xx.
            surrogates |= memchr::memchr_iter(0xED, part).any(|i| part.get(i + 1).is_some_and(|b| *b >= 0xA0));
        }
    }
    (chars, u8::from(ascii) * ASCII + u8::from(surrogates) * SURROGATES)
}

impl Str {
    /// The text of `parts`, one after the other. Each must be WTF-8; a high surrogate at the end of one part before a low one
    /// must have been joined by the caller.
    pub fn from_parts<'h>(heap: &'h Heap, parts: &[&[u8]]) -> Gc<'h, Str> {
        let (chars, flags) = survey(parts);
        Str::known(heap, parts, chars, flags)
    }

    /// As `from_parts`, where the number of characters and the flags (`ASCII`, `SURROGATES`) are known.
    #[inline(never)]
    pub fn known<'h>(heap: &'h Heap, parts: &[&[u8]], chars: usize, flags: u8) -> Gc<'h, Str> {
        let bytes: usize = parts.iter().map(|p| p.len()).sum();
        if bytes > Str::LIMIT {
            return Str::refused(heap);
        }
        let text = heap.alloc_bytes(
            Str {
                hash: StdCell::new(0),
                bytes: bytes as u32,
                chars: chars as u32,
                shared: Ref::none(),
                offsets: Ref::none(),
            },
            parts,
        );
        text.set_aux(flags);
        text
    }

    /// The text so many times; that there is room for it is for the caller to see to.
    pub fn repeated<'h>(heap: &'h Heap, text: Gc<'_, Str>, count: usize) -> Gc<'h, Str> {
        if count == 0 || text.is_empty() {
            return Str::known(heap, &[], 0, ASCII);
        }
        // Copied piece by piece: a longer one is not made first.
        const PIECE: usize = 1 << 14;
        let bytes = text.as_bytes();
        let in_piece = (PIECE / bytes.len()).clamp(1, count);
        let piece = bytes.repeat(in_piece);
        let mut pieces: SmallVec<[&[u8]; 2]> = SmallVec::from_elem(piece.as_slice(), count / in_piece);
        pieces.push(&piece[..count % in_piece * bytes.len()]);
        let flags = text.aux() & (ASCII | SURROGATES);
        Str::known(heap, &pieces, text.chars() * count, flags)
    }

    /// In place of a text that is too long: lengths are checked by those who let scripts choose them; where one was forgotten the program gets
    /// its MemoryError at the next safepoint.
    #[cold]
    fn refused<'h>(heap: &'h Heap) -> Gc<'h, Str> {
        heap.refuse();
        Str::known(heap, &[], 0, ASCII)
    }

    /// The text of valid UTF-8.
    pub fn new<'h>(heap: &'h Heap, text: &str) -> Gc<'h, Str> {
        Str::from_parts(heap, &[text.as_bytes()])
    }

    /// The text of ASCII bytes.
    #[inline]
    pub fn ascii<'h>(heap: &'h Heap, text: &[u8]) -> Gc<'h, Str> {
        debug_assert!(text.is_ascii());
        Str::known(heap, &[text], text.len(), ASCII)
    }

    /// The longest text, in bytes.
    pub const LIMIT: usize = u32::MAX as usize;

    /// Number of characters.
    #[inline(always)]
    pub fn chars(&self) -> usize {
        self.chars as usize
    }

    /// Number of bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.bytes as usize
    }

    /// Whether it has no characters.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl<'h> Gc<'h, Str> {
    /// The text as WTF-8.
    #[inline(always)]
    pub fn as_bytes(self) -> &'h [u8] {
        match self.get().shared.get() {
            None => self.tail(),
            Some(buffer) => buffer.prefix(self.bytes as usize),
        }
    }

    /// The text as UTF-8, unless there is a lone surrogate in it.
    pub fn as_str(self) -> Option<&'h str> {
        if self.aux() & SURROGATES != 0 {
            return None;
        }
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The text as UTF-8, with stand-ins for lone surrogates (`wtf8::stand_ins`): messages that are made of it show them again.
    pub fn to_str_lossy(self) -> std::borrow::Cow<'h, str> {
        wtf8::stand_ins(self.as_bytes())
    }

    /// Whether every character is ASCII.
    #[inline(always)]
    pub fn is_ascii(self) -> bool {
        self.aux() & ASCII != 0
    }

    /// Whether it is in the table of interned texts.
    #[inline(always)]
    pub fn is_interned(self) -> bool {
        self.aux() & INTERNED != 0
    }

    /// The hash, as CPython's with the machine's key.
    #[inline(always)]
    pub fn hash(self, heap: &Heap) -> i64 {
        let known = self.hash.get();
        if known != 0 {
            return known;
        }
        let hash = heap.hash_key().hash_text(self.as_bytes());
        self.hash.set(hash);
        hash
    }

    /// Whether both have the same characters.
    #[inline(always)]
    pub fn equals(self, other: Gc<'_, Str>) -> bool {
        let (a, b) = (self.get(), other.get());
        std::ptr::eq(a, b)
            || a.bytes == b.bytes
                && (a.hash.get() == b.hash.get() || a.hash.get() == 0 || b.hash.get() == 0)
                && self.as_bytes() == other.as_bytes()
    }

    /// Byte offset of character number `index`, which may be one past the last.
    pub fn offset(self, heap: &'h Heap, index: usize) -> usize {
        if self.is_ascii() {
            return index;
        }
        let bytes = self.as_bytes();
        if self.chars() <= STRIDE {
            return skip(bytes, 0, index);
        }
        let offsets = self.offsets(heap);
        skip(bytes, offsets.tail()[index / STRIDE].get() as usize, index % STRIDE)
    }

    /// The table of offsets, which is made when it is first needed.
    fn offsets(self, heap: &'h Heap) -> Gc<'h, Offsets> {
        if let Some(table) = self.get().offsets.get() {
            return table;
        }
        let bytes = self.as_bytes();
        let table = heap.alloc_zeroed_unchecked(Offsets { len: self.chars() / STRIDE + 1 });
        let mut chars = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if *byte & 0xC0 != 0x80 {
                if chars % STRIDE == 0 {
                    table.tail()[chars / STRIDE].set(at as u32);
                }
                chars += 1;
            }
        }
        if chars % STRIDE == 0 {
            table.tail()[chars / STRIDE].set(bytes.len() as u32);
        }
        self.set_ref(heap, |s| &s.offsets, Some(table));
        table
    }

    /// Number of the character that begins at a byte offset: the inverse of `offset`, in as little time.
    pub fn index_at(self, heap: &'h Heap, offset: usize) -> usize {
        if self.is_ascii() {
            return offset;
        }
        let bytes = self.as_bytes();
        if offset >= bytes.len() {
            return self.chars();
        }
        // Near the beginning counting is quicker than a table is made.
        if offset <= 2 * STRIDE || self.chars() <= STRIDE {
            return self.char_index(offset);
        }
        let table = self.offsets(heap).tail();
        let before = table.partition_point(|at| at.get() as usize <= offset) - 1;
        let from = table[before].get() as usize;
        before * STRIDE + bytes[from..offset].iter().filter(|b| **b & 0xC0 != 0x80).count()
    }

    /// Number of the character that begins at a byte offset.
    pub fn char_index(self, offset: usize) -> usize {
        if self.is_ascii() {
            return offset;
        }
        self.as_bytes()[..offset].iter().filter(|b| **b & 0xC0 != 0x80).count()
    }

    /// `self + other`. Where `self` is long the result has room to grow, and where `self` is the newest end of such a result the new
    /// characters are written behind it.
    pub fn concat(self, heap: &'h Heap, other: Gc<'h, Str>) -> Gc<'h, Str> {
        let (a, b) = (self.as_bytes(), other.as_bytes());
        if b.is_empty() {
            return self;
        }
        if a.is_empty() {
            return other;
        }
        let flags = (self.aux() & other.aux() & ASCII) | ((self.aux() | other.aux()) & SURROGATES);
        if flags & SURROGATES != 0 {
            // A high surrogate before a low one would become one character of UTF-8, which str never does: keep both.
            return Str::known(heap, &[a, b], self.chars() + other.chars(), flags);
        }
        let len = a.len() + b.len();
        if len < GROWING {
            return Str::known(heap, &[a, b], self.chars() + other.chars(), flags);
        }
        let shared = match self.get().shared.get() {
            Some(buffer) if buffer.append(a.len(), b) => Some(buffer),
            _ => AppendBuffer::new(heap, len + len / 2, &[a, b]).ok(),
        };
        let Some(shared) = shared else { return Str::known(heap, &[a, b], self.chars() + other.chars(), flags) };
        let text = heap.alloc_bytes(
            Str {
                hash: StdCell::new(0),
                bytes: len as u32,
                chars: (self.chars() + other.chars()) as u32,
                shared: Ref::new(shared),
                offsets: Ref::none(),
            },
            &[],
        );
        text.set_aux(flags);
        text
    }

    /// Characters `start..end`, which must be in order and within the text.
    pub fn slice(self, heap: &'h Heap, start: usize, end: usize) -> Gc<'h, Str> {
        if start == 0 && end == self.chars() {
            return self;
        }
        let (from, to) = (self.offset(heap, start), self.offset(heap, end));
        let part = &self.as_bytes()[from..to];
        let flags = if self.is_ascii() { ASCII } else { survey(&[part]).1 };
        Str::known(heap, &[part], end - start, flags)
    }
}

/// The byte offset `count` characters after `from`.
fn skip(bytes: &[u8], from: usize, count: usize) -> usize {
    let mut at = from;
    for _ in 0..count {
        at += 1;
        while bytes.get(at).is_some_and(|b| b & 0xC0 == 0x80) {
            at += 1;
        }
    }
    at
}

/// The text of a value whose exact type is str.
#[inline(always)]
pub fn exact_str(value: Value<'_>) -> Option<Gc<'_, Str>> {
    value.exact::<Str>()
}
