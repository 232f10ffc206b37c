//! The module `_zlib`: deflate and inflate of bytes that come in pieces. The machines are without any header: those of zlib and gzip are
//! written and read here, so that their faults are named as zlib names them.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use crate::heap::Value;
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::object::{Bytes, NativeObject, Payload};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, NativeResult, Raised, Root};

static ROWS: &[TypeRow] =
    &[TypeRow::native("zlib", "_Deflater", &[&DEFLATER]), TypeRow::native("zlib", "_Inflater", &[&INFLATER])];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_zlib").held();
    cx.functions_of(module, &STREAMS);
    Ok(())
}

/// What stands around deflated bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bare,
    Zlib,
    Gzip,
    /// Of zlib or of gzip: the first byte says.
    Either,
}

impl Form {
    fn of_bits(bits: i64) -> Form {
        match bits {
            ..0 => Form::Bare,
            0..=15 => Form::Zlib,
            16..=31 => Form::Gzip,
            _ => Form::Either,
        }
    }
}

/// What is counted of the bytes before compression.
#[derive(Debug)]
struct Sums {
    crc: Crc,
    adler: (u32, u32),
    total: u32,
}

impl Sums {
    fn new() -> Sums {
        Sums { crc: Crc::new(), adler: (1, 0), total: 0 }
    }

    fn add(&mut self, form: Form, bytes: &[u8]) {
        match form {
            Form::Gzip => self.crc.update(bytes),
            Form::Zlib => {
                for chunk in bytes.chunks(5000) {
                    for byte in chunk {
                        self.adler.0 += u32::from(*byte);
                        self.adler.1 += self.adler.0;
                    }
                    self.adler.0 %= 65521;
                    self.adler.1 %= 65521;
                }
            }
            Form::Bare | Form::Either => {}
        }
        self.total = self.total.wrapping_add(bytes.len() as u32);
    }

    fn adler(&self) -> u32 {
        self.adler.1 << 16 | self.adler.0
    }
}

/// Compresses.
#[derive(Debug)]
struct Deflater {
    machine: Compress,
    form: Form,
    level: u32,
    begun: bool,
    sums: Sums,
    /// The Adler-32 of the dictionary, if there is one.
    dictionary: Option<u32>,
}

impl Payload for Deflater {}

/// The Adler-32 of a dictionary.
fn checksum(dictionary: &[u8]) -> u32 {
    let mut sums = Sums::new();
    sums.add(Form::Zlib, dictionary);
    sums.adler()
}

/// What of a dictionary can be referred to.
fn within_window(dictionary: &[u8]) -> &[u8] {
    &dictionary[dictionary.len().saturating_sub(1 << 15)..]
}

/// Room for what a machine makes at a time.
const PIECE: usize = 1 << 15;

impl Deflater {
    fn header(&mut self, out: &mut Vec<u8>) {
        self.begun = true;
        match self.form {
            Form::Zlib => {
                let flags = match self.level {
                    0 | 1 => 0x01,
                    2..=5 => 0x5e,
                    6 => 0x9c,
                    _ => 0xda,
                };
                match self.dictionary {
                    None => out.extend([0x78, flags]),
                    Some(sum) => {
                        // The flag for it, and what makes the two bytes a multiple of 31 again.
                        let flags = flags & 0xc0 | 0x20;
                        out.extend([0x78, flags + (31 - (0x7800 + u16::from(flags)) % 31) as u8]);
                        out.extend(sum.to_be_bytes());
                    }
                }
            }
            Form::Gzip => {
                let effort = match self.level {
                    9 => 2,
                    1 => 4,
                    _ => 0,
                };
                out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 3]);
            }
            Form::Bare | Form::Either => {}
        }
    }

    /// Has the machine know a dictionary: it compresses it, and nobody gets what comes of that.
    fn learn(&mut self, dictionary: &[u8]) {
        let (dictionary, mut piece) = (within_window(dictionary), vec![0; PIECE]);
        loop {
            let before = self.machine.total_out();
            let used = (self.machine.total_in() as usize).min(dictionary.len());
            let status = self.machine.compress(&dictionary[used..], &mut piece, FlushCompress::Sync);
            let full = self.machine.total_out() - before == piece.len() as u64;
            if status.is_err() || !full {
                return;
            }
        }
    }

    /// Takes all of the bytes; what comes of them is appended.
    fn feed(&mut self, bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        if !self.begun {
            self.header(out);
        }
        self.sums.add(self.form, bytes);
        let mut piece = vec![0; PIECE];
        let mut used = 0;
        loop {
            let (before_in, before_out) = (self.machine.total_in(), self.machine.total_out());
            let status = self.machine.compress(&bytes[used..], &mut piece, flush).unwrap_or(Status::BufError);
            used += (self.machine.total_in() - before_in) as usize;
            let made = (self.machine.total_out() - before_out) as usize;
            out.extend_from_slice(&piece[..made]);
            if status == Status::StreamEnd || (made < piece.len() && used == bytes.len()) || status == Status::BufError
            {
                break;
            }
        }
        if flush == FlushCompress::Finish {
            match self.form {
                Form::Zlib => out.extend(self.sums.adler().to_be_bytes()),
                Form::Gzip => {
                    out.extend(self.sums.crc.sum().to_le_bytes());
                    out.extend(self.sums.total.to_le_bytes());
                }
                Form::Bare | Form::Either => {}
            }
        }
    }
}

/// Where in the bytes an inflater is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Body,
    Trailer,
    Done,
}

/// Decompresses.
#[derive(Debug)]
struct Inflater {
    machine: Decompress,
    form: Form,
    stage: Stage,
    /// Of a header or trailer, what came so far.
    partial: Vec<u8>,
    sums: Sums,
    dictionary: Vec<u8>,
}

impl Payload for Inflater {}

/// How long the header at the beginning of some bytes is; None if there is more of it to come.
fn header_len(form: Form, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    if form == Form::Zlib {
        let [first, second, ..] = *bytes else { return Ok(None) };
        if (u32::from(first) * 256 + u32::from(second)) % 31 != 0 {
            return Err("incorrect header check");
        }
        if first & 15 != 8 {
            return Err("unknown compression method");
        }
        if first >> 4 > 7 {
            return Err("invalid window size");
        }
        // The sum of a dictionary, if there is one.
        let len = if second & 0x20 == 0 { 2 } else { 6 };
        return Ok((len <= bytes.len()).then_some(len));
    }
    if bytes.first().is_some_and(|b| *b != 0x1f) || bytes.get(1).is_some_and(|b| *b != 0x8b) {
        return Err("incorrect header check");
    }
    if bytes.get(2).is_some_and(|b| *b != 8) {
        return Err("unknown compression method");
    }
    let Some(flags) = bytes.get(3).copied() else { return Ok(None) };
    if flags & 0xe0 != 0 {
        return Err("unknown header flags set");
    }
    let mut at = 10;
    if flags & 4 != 0 {
        let Some(size) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([size[0], size[1]]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let Some(rest) = bytes.get(at..) else { return Ok(None) };
            let Some(len) = rest.iter().position(|b| *b == 0) else { return Ok(None) };
            at += len + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok((at <= bytes.len()).then_some(at))
}

impl Inflater {
    /// Has the machine know the dictionary: as a block of bytes that are not compressed, which nobody gets.
    fn learn(&mut self) {
        for part in within_window(&self.dictionary).chunks(PIECE - 1) {
            let size = part.len() as u16;
            let mut block = vec![0];
            block.extend(size.to_le_bytes());
            block.extend((!size).to_le_bytes());
            block.extend_from_slice(part);
            let mut piece = vec![0; PIECE];
            let _ = self.machine.decompress(&block, &mut piece, FlushDecompress::None);
        }
    }

    /// Takes bytes until `limit` (0 for none) are made or the end is found; how many were used.
    fn feed(&mut self, cx: &mut Cx, bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut used = 0;
        if self.stage == Stage::Header {
            if self.form == Form::Either
                && let Some(first) = bytes.first()
            {
                self.form = if *first == 0x1f { Form::Gzip } else { Form::Zlib };
            }
            let before = self.partial.len();
            self.partial.extend_from_slice(bytes);
            match header_len(self.form, &self.partial).map_err(Fault::Data)? {
                Some(len) => {
                    used = len - before;
                    if let (Form::Zlib, Some([a, b, c, d])) = (self.form, self.partial[..len].get(2..)) {
                        if self.dictionary.is_empty() {
                            return Err(Fault::NeedsDictionary);
                        }
                        if u32::from_be_bytes([*a, *b, *c, *d]) != checksum(&self.dictionary) {
                            return Err(Fault::OtherDictionary);
                        }
                        self.learn();
                    }
                    self.partial.clear();
                    self.stage = Stage::Body;
                }
                None => return Ok(bytes.len()),
            }
        }
        if self.stage == Stage::Body {
            let mut piece = vec![0; PIECE];
            loop {
                cx.poll().map_err(Fault::Raised)?;
                let most = if limit == 0 { PIECE } else { (limit - out.len()).min(PIECE) };
                if most == 0 {
                    return Ok(used);
                }
                let (before_in, before_out) = (self.machine.total_in(), self.machine.total_out());
                let status = self
                    .machine
                    .decompress(&bytes[used..], &mut piece[..most], FlushDecompress::None)
                    .map_err(|_| Fault::Data("invalid block type"))?;
                let taken = (self.machine.total_in() - before_in) as usize;
                let made = (self.machine.total_out() - before_out) as usize;
                used += taken;
                if made > 0 {
                    cx.grow(out, made).map_err(Fault::Raised)?;
                    out.extend_from_slice(&piece[..made]);
                    self.sums.add(self.form, &piece[..made]);
                }
                if status == Status::StreamEnd {
                    self.stage = if self.form == Form::Bare { Stage::Done } else { Stage::Trailer };
                    break;
                }
                if made == 0 && (taken == 0 || used == bytes.len()) {
                    return Ok(used);
                }
            }
        }
        if self.stage == Stage::Trailer {
            let size = if self.form == Form::Gzip { 8 } else { 4 };
            let more = (size - self.partial.len()).min(bytes.len() - used);
            self.partial.extend_from_slice(&bytes[used..used + more]);
            used += more;
            if self.partial.len() == size {
                self.check_trailer().map_err(Fault::Data)?;
                self.stage = Stage::Done;
            }
        }
        Ok(used)
    }

    fn check_trailer(&self) -> Result<(), &'static str> {
        let number = |at: usize| {
            let part = &self.partial[at..at + 4];
            [part[0], part[1], part[2], part[3]]
        };
        if self.form == Form::Zlib {
            return match u32::from_be_bytes(number(0)) == self.sums.adler() {
                true => Ok(()),
                false => Err("incorrect data check"),
            };
        }
        if u32::from_le_bytes(number(0)) != self.sums.crc.sum() {
            return Err("incorrect data check");
        }
        if u32::from_le_bytes(number(4)) != self.sums.total {
            return Err("incorrect length check");
        }
        Ok(())
    }
}

/// What goes wrong with a piece.
enum Fault {
    Data(&'static str),
    NeedsDictionary,
    OtherDictionary,
    Raised(Raised),
}

fn make(cx: &mut Cx, class: &str, payload: Box<dyn Payload>) -> NativeResult {
    let shape = cx.named_class(class).get().root_shape.get();
    let object = cx.heap.alloc_slots(NativeObject::new(payload, 0), |_| Value::NONE);
    object.set_shape(shape);
    // The machine's window and tables.
    cx.heap.account(1 << 16);
    Ok(object.value().into())
}

natives!(
    /// Deflate and inflate in pieces.
    static STREAMS: Functions;

    /// Begin to compress at a level, for a header that the window bits say.
    fn deflater(cx: &mut Cx, level: i64, wbits: i64, dictionary: Option<Root>) -> NativeResult {
        let known = match dictionary {
            Some(dictionary) => bytes_like(cx, dictionary)?.to_vec(),
            None => vec![],
        };
        let level = if level < 0 { 6 } else { level.min(9) as u32 };
        let machine = Compress::new(Compression::new(level), false);
        let form = Form::of_bits(wbits);
        let sum = dictionary.is_some().then(|| checksum(&known));
        let mut made = Deflater { machine, form, level, begun: false, sums: Sums::new(), dictionary: sum };
        if !known.is_empty() {
            made.learn(&known);
        }
        make(cx, "_Deflater", Box::new(made))
    }

    /// Begin to decompress what has the header that the window bits say.
    fn inflater(cx: &mut Cx, wbits: i64, dictionary: Root) -> NativeResult {
        let dictionary = bytes_like(cx, dictionary)?.to_vec();
        let form = Form::of_bits(wbits);
        let stage = if form == Form::Bare { Stage::Body } else { Stage::Header };
        let machine = Decompress::new(false);
        let mut made = Inflater { machine, form, stage, partial: vec![], sums: Sums::new(), dictionary };
        if form == Form::Bare {
            made.learn();
        }
        make(cx, "_Inflater", Box::new(made))
    }
);

natives!(
    /// Compresses bytes that come in pieces.
    static DEFLATER: Methods;

    /// Return what comes of a piece; `mode` says what is flushed.
    fn feed(cx: &mut Cx, this: Root, data: Root, mode: i64) -> NativeResult {
        let bytes = bytes_like(cx, data)?.to_vec();
        let flush = match mode {
            1 => FlushCompress::Partial,
            2 => FlushCompress::Sync,
            3 => FlushCompress::Full,
            4 => FlushCompress::Finish,
            _ => FlushCompress::None,
        };
        cx.check_room(bytes.len().saturating_mul(2))?;
        let mut out = vec![];
        let mut pieces = bytes.chunks(1 << 18).peekable();
        let own = |cx: &Cx, piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>| {
            let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
            object.with(|deflater: &mut Deflater| deflater.feed(piece, flush, out)).expect("a deflater");
        };
        if pieces.peek().is_none() {
            own(cx, &[], flush, &mut out);
        }
        while let Some(piece) = pieces.next() {
            cx.poll()?;
            let flush = if pieces.peek().is_none() { flush } else { FlushCompress::None };
            own(cx, piece, flush, &mut out);
        }
        Ok(Bytes::new(&cx.heap, &out).into())
    }
);

natives!(
    /// Decompresses bytes that come in pieces.
    static INFLATER: Methods;

    /// Return what comes of a piece, at most `limit` bytes of it, how many bytes were used, and whether the end was found; of wrong bytes
    /// what is wrong.
    fn feed(cx: &mut Cx, this: Root, data: Root, limit: i64) -> NativeResult {
        let bytes = bytes_like(cx, data)?.to_vec();
        let limit = limit.max(0) as usize;
        let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver").held();
        // Taken out while it works: a signal's handler may use it.
        let idle = Inflater {
            machine: Decompress::new(false),
            form: Form::Bare,
            stage: Stage::Done,
            partial: vec![],
            sums: Sums::new(),
            dictionary: vec![],
        };
        let mut own = object.with(|inflater: &mut Inflater| std::mem::replace(inflater, idle)).expect("an inflater");
        let mut out = vec![];
        let fed = own.feed(cx, &bytes, limit, &mut out);
        let done = own.stage == Stage::Done;
        let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
        object.with(|inflater: &mut Inflater| *inflater = own).expect("an inflater");
        match fed {
            Ok(used) => {
                let bytes = Bytes::new(&cx.heap, &out).value();
                let row = [bytes, Value::int(used as i64), if done { Value::TRUE } else { Value::FALSE }];
                Ok(cx.tuple(&row).into())
            }
            Err(Fault::Data(text)) => Ok(cx.str(&format!("Error -3 while decompressing data: {text}")).into()),
            Err(Fault::NeedsDictionary) => Ok(cx.str("Error 2 while decompressing data").into()),
            Err(Fault::OtherDictionary) => Ok(cx.str("Error -3 while setting zdict: invalid input data").into()),
            Err(Fault::Raised(raised)) => Err(raised),
        }
    }
);
