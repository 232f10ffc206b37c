//! Code as bytes, and back: how the modules of the library, compiled when aio is built, lie in the binary.
//!
//! The bytes are read by the program that was built with them, so there is no version in them and no check: they are as sound as the
//! code they were made from. Numbers are written seven bits a byte; each text stands once, at the head, and is named by its index.

use std::collections::HashMap;
use std::sync::Arc;

use num_bigint::BigInt;

use super::code::{Capture, Code, CodeFlags, Const, Handler, Height, Position, Positions};

/// A code object with all those in it, as bytes. The name of its file is left out.
pub fn pack(code: &Code) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.code(code);
    let mut head = Packer::default();
    head.number(packer.texts.len() as u64);
    for text in &packer.texts {
        head.bytes(text.as_bytes());
    }
    head.out.extend(packer.out);
    head.out
}

/// The code object that `pack` made these bytes of.
pub fn unpack(bytes: &'static [u8], filename: &Arc<str>) -> Code {
    let mut reader = Reader { bytes };
    let texts: Vec<&'static str> = reader.list(|reader| reader.utf8()).into();
    Unpacker { reader, texts, filename }.code()
}

/// The places that `Packer::positions` wrote.
pub(super) fn unpack_positions(bytes: &'static [u8]) -> Box<[Position]> {
    let (mut word, mut line) = (0, 0);
    Reader { bytes }.list(|reader| {
        word += reader.small();
        line = (i64::from(line) + reader.signed()) as u32;
        let end_line = (i64::from(line) + reader.signed()) as u32;
        let column = reader.small();
        let end_column = (i64::from(column) + reader.signed()) as u32;
        Position { word, line, end_line, column, end_column }
    })
}

// ---- writing ----

#[derive(Default)]
struct Packer {
    out: Vec<u8>,
    texts: Vec<Box<str>>,
    indices: HashMap<Box<str>, usize>,
}

impl Packer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// Small numbers of either sign take few bytes.
    fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        let next = self.texts.len();
        let index = *self.indices.entry(text.into()).or_insert(next);
        if index == next {
            self.texts.push(text.into());
        }
        self.number(index as u64);
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|value| item(self, value));
    }

    fn code(&mut self, code: &Code) {
        self.text(&code.name);
        self.text(&code.qualname);
        self.number(u64::from(code.first_line));
        self.number(u64::from(code.flags.bits()));
        for value in
            [code.positional, code.positional_only, code.keyword_only, code.near_locals, code.far_base, code.registers]
        {
            self.number(u64::from(value));
        }
        self.list(&code.locals, |this, name| this.text(name));
        self.list(&code.cell_registers, |this, register| this.number(u64::from(*register)));
        self.list(&code.free, |this, name| this.text(name));
        self.list(&code.captures, |this, capture| {
            let (kind, at) = match *capture {
                Capture::Register(at) => (0, u64::from(at)),
                Capture::Far(at) => (1, u64::from(at)),
                Capture::Free(at) => (2, u64::from(at)),
            };
            this.number(at * 3 + kind);
        });
        self.number(code.words.len() as u64);
        code.words.iter().for_each(|word| self.out.extend(word.to_le_bytes()));
        self.list(&code.constants, Self::constant);
        self.list(&code.names, |this, name| this.text(name));
        self.list(&code.children, |this, child| this.code(child));
        self.list(&code.handlers, |this, handler| {
            for value in [handler.start, handler.end, handler.target, u32::from(handler.register)] {
                this.number(u64::from(value));
            }
        });
        let mut before = 0;
        self.list(&code.heights, |this, height| {
            this.number(u64::from(height.word - before));
            this.number(u64::from(height.height));
            before = height.word;
        });
        let mut positions = Packer::default();
        positions.positions(&code.positions);
        self.bytes(&positions.out);
    }

    fn positions(&mut self, positions: &[Position]) {
        let (mut word, mut line) = (0, 0);
        self.list(positions, |this, at| {
            this.number(u64::from(at.word - word));
            this.signed(i64::from(at.line) - i64::from(line));
            this.signed(i64::from(at.end_line) - i64::from(at.line));
            this.number(u64::from(at.column));
            this.signed(i64::from(at.end_column) - i64::from(at.column));
            (word, line) = (at.word, at.line);
        });
    }

    fn constant(&mut self, constant: &Const) {
        match constant {
            Const::None => self.out.push(0),
            Const::Bool(false) => self.out.push(1),
            Const::Bool(true) => self.out.push(2),
            Const::Ellipsis => self.out.push(3),
            Const::Int(value) => {
                self.out.push(4);
                self.signed(*value);
            }
            Const::BigInt(value) => {
                self.out.push(5);
                self.bytes(&value.to_signed_bytes_le());
            }
            Const::Float(value) => {
                self.out.push(6);
                self.out.extend(value.to_bits().to_le_bytes());
            }
            Const::Complex(re, im) => {
                self.out.push(7);
                self.out.extend(re.to_bits().to_le_bytes());
                self.out.extend(im.to_bits().to_le_bytes());
            }
            Const::Str(text) => {
                self.out.push(8);
                self.bytes(text);
            }
            Const::Bytes(bytes) => {
                self.out.push(9);
                self.bytes(bytes);
            }
            Const::Tuple(items) => {
                self.out.push(10);
                self.list(items, Self::constant);
            }
            Const::FrozenSet(items) => {
                self.out.push(11);
                self.list(items, Self::constant);
            }
        }
    }
}

// ---- reading ----

struct Reader {
    bytes: &'static [u8],
}

impl Reader {
    fn take(&mut self, count: usize) -> &'static [u8] {
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes[0];
        self.bytes = &self.bytes[1..];
        byte
    }

    fn number(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    fn small(&mut self) -> u32 {
        self.number() as u32
    }

    fn signed(&mut self) -> i64 {
        let value = self.number();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn sized(&mut self) -> &'static [u8] {
        let count = self.number() as usize;
        self.take(count)
    }

    fn utf8(&mut self) -> &'static str {
        std::str::from_utf8(self.sized()).expect("it was a text when it was packed")
    }

    fn bits(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes were taken"))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Box<[T]> {
        let count = self.number();
        (0..count).map(|_| item(self)).collect()
    }

    fn constant(&mut self) -> Const {
        match self.byte() {
            0 => Const::None,
            1 => Const::Bool(false),
            2 => Const::Bool(true),
            3 => Const::Ellipsis,
            4 => Const::Int(self.signed()),
            5 => Const::BigInt(BigInt::from_signed_bytes_le(self.sized())),
            6 => Const::Float(f64::from_bits(self.bits())),
            7 => {
                let [re, im] = [(); 2].map(|()| f64::from_bits(self.bits()));
                Const::Complex(re, im)
            }
            8 => Const::Str(self.sized().into()),
            9 => Const::Bytes(self.sized().into()),
            10 => Const::Tuple(self.list(Self::constant)),
            _ => Const::FrozenSet(self.list(Self::constant)),
        }
    }
}

struct Unpacker<'f> {
    reader: Reader,
    texts: Vec<&'static str>,
    filename: &'f Arc<str>,
}

impl Unpacker<'_> {
    fn text(&mut self) -> Box<str> {
        self.texts[self.reader.number() as usize].into()
    }

    fn texts(&mut self) -> Box<[Box<str>]> {
        let count = self.reader.number();
        (0..count).map(|_| self.text()).collect()
    }

    fn code(&mut self) -> Code {
        let (name, qualname) = (self.text(), self.text());
        let (first_line, flags) = (self.reader.small(), self.reader.small());
        let mut short = || self.reader.number() as u16;
        let (positional, positional_only, keyword_only) = (short(), short(), short());
        let (near_locals, far_base, registers) = (short(), short(), short());
        let locals = self.texts();
        let cell_registers = self.reader.list(|reader| reader.number() as u16);
        let free = self.texts();
        let captures = self.reader.list(|reader| {
            let value = reader.number();
            match value % 3 {
                0 => Capture::Register((value / 3) as u8),
                1 => Capture::Far((value / 3) as u16),
                _ => Capture::Free((value / 3) as u16),
            }
        });
        let count = self.reader.number() as usize;
        let words = self.reader.take(count * 4);
        let words = words.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let constants = self.reader.list(Reader::constant);
        let names = self.texts();
        let count = self.reader.number();
        let children = (0..count).map(|_| Arc::new(self.code())).collect();
        let handlers = self.reader.list(|reader| Handler {
            start: reader.small(),
            end: reader.small(),
            target: reader.small(),
            register: reader.number() as u8,
        });
        let mut word = 0;
        let heights = self.reader.list(|reader| {
            word += reader.small();
            Height { word, height: reader.number() as u16 }
        });
        Code {
            name,
            qualname,
            filename: self.filename.clone(),
            first_line,
            flags: CodeFlags::from_bits_retain(flags),
            positional,
            positional_only,
            keyword_only,
            locals,
            near_locals,
            far_base,
            cell_registers,
            free,
            captures,
            registers,
            words,
            constants,
            names,
            children,
            handlers,
            positions: Positions::packed(self.reader.sized()),
            heights,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Options, compile};
    use crate::source::SourceFile;
    use crate::syntax::{Mode, parse};

    #[test]
    fn what_is_packed_comes_back() {
        let text = "import a.b as c\nX = (1, -2.5, 3j, 10**30, 1234567890123456789012, b'x', 'é', '\\ud800', ..., None, True)\n\
                    class K[T]:\n    def f(self, a, /, b=1, *c, d, **e):\n        try:\n            return [lambda: (a, x) for x in {1, 2}]\n        \
                    except E as e:\n            raise\n    async def g(self):\n        async with self as y:\n            yield await y\n";
        let source = SourceFile::new("m.aio", text);
        let ast = parse(&source, Mode::Module).expect("it is right");
        let options = Options { filename: "m.aio".into(), ..Options::default() };
        let (code, _) = compile(&ast, &source, &options).expect("it is right");
        let bytes: &'static [u8] = Vec::leak(pack(&code));
        let back = unpack(bytes, &options.filename);
        assert_eq!(format!("{code:?}"), format!("{back:?}"));
    }
}
