//! The instruction table of the register machine: one documented row per opcode.
//!
//! From a row follow the encoding, the disassembly, the verifier's checks and the [`Instr`] that the compiler emits;
//! the build stops at the missing arm in `vm/run.rs`. Read `builder.rs` next.
//!
//! # Encoding
//! Code is a sequence of 32-bit words. The first word of an instruction holds the opcode in its low byte and up to
//! three operand bytes A, B, C above it. Operands are placed in row order: a one-byte operand takes the next free byte;
//! a two-byte operand takes bytes B and C if B is the next free byte or A is; everything else takes an extra word of its
//! own, in row order. `cache N` words, zero at first, end the instruction.
//!
//! # Registers
//! A frame's registers are `[near locals][temporaries]...[far locals]`. One byte names the first 256; locals that do not
//! fit are *far* and reached by `LoadFar`/`StoreFar` only. A named local owns its register for the whole function and
//! is UNBOUND until assigned. Temporaries are a stack above the near locals; the live height at each instruction is in the
//! code's height table, and the collector scans no further. Every register below that height holds a value, a cell or
//! UNBOUND. Far registers (locals, and temporaries spilled in huge expressions) are UNBOUND at entry and always live.
//!
//! # Calls
//! The callee is in `base`, its arguments in the registers after it. The callee's frame begins at `base + 1` (its
//! parameter 0 is the caller's `base + 1`), so arguments are not copied. The height at a call counts callee and arguments.
//! (The `CallMethod` rows fill `base` and `base + 1` themselves, before anything else can happen: the compiler leaves them empty.)
//! After a call the registers from `base` up are dead, apart from `dst`.

/// How an operand is written in the instruction and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandKind {
    /// One byte: a near register that is read or written.
    Reg,
    /// One byte: an unsigned number.
    U8,
    /// One byte: a signed number.
    I8,
    /// Two bytes: a signed number.
    I16,
    /// Two bytes: an unsigned number.
    U16,
    /// Two bytes: a far register, as an index into the whole frame.
    Far,
    /// One word: an index into the constants.
    Const,
    /// One word: an index into the names.
    Name,
    /// One word: a jump distance in words, from the start of this instruction.
    Jump,
    /// One word: an index into the child code objects.
    Code,
    /// One word: an unsigned number.
    U32,
}

/// A near register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(pub u8);

/// A far register: an index into the whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far(pub u16);

/// An index into the constants of a code object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConstIdx(pub u32);

/// An index into the names of a code object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NameIdx(pub u32);

/// An index into the child code objects of a code object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeIdx(pub u32);

/// A jump distance in words, from the start of the jumping instruction. The builder patches it from a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump(pub i32);

/// A type that can stand as an operand in a row of the table.
pub trait Operand: Copy {
    /// How it is written.
    const KIND: OperandKind;
    /// Its bits, as they go into the instruction.
    fn bits(self) -> u32;
}

macro_rules! operand {
    ($($ty:ty => $kind:ident, |$v:ident| $bits:expr;)*) => {$(
        impl Operand for $ty {
            const KIND: OperandKind = OperandKind::$kind;
            fn bits(self) -> u32 { let $v = self; $bits }
        }
    )*};
}

operand! {
    Reg => Reg, |v| u32::from(v.0);
    u8 => U8, |v| u32::from(v);
    i8 => I8, |v| u32::from(v as u8);
    i16 => I16, |v| u32::from(v as u16);
    u16 => U16, |v| u32::from(v);
    Far => Far, |v| u32::from(v.0);
    ConstIdx => Const, |v| v.0;
    NameIdx => Name, |v| v.0;
    Jump => Jump, |v| v.0 as u32;
    CodeIdx => Code, |v| v.0;
    u32 => U32, |v| v;
}

/// Where an operand sits: the number of its word within the instruction, and the bit it starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// 0 for the first word.
    pub word: u8,
    /// 8, 16 or 24 in the first word, 0 in an extra word.
    pub shift: u8,
}

/// What the table says of an opcode.
#[derive(Debug)]
pub struct OpInfo {
    /// Its name.
    pub name: &'static str,
    /// Names and kinds of its operands, in row order.
    pub operands: &'static [(&'static str, OperandKind)],
    /// The number of cache words at its end.
    pub cache: u8,
}

/// The most operands a row can have.
pub const MAX_OPERANDS: usize = 6;

impl OpInfo {
    /// Where each operand sits (only the first `operands.len()` entries mean something), and the instruction's length in
    /// words, caches included.
    pub const fn layout(&self) -> ([Place; MAX_OPERANDS], u8) {
        let mut places = [Place { word: 0, shift: 0 }; MAX_OPERANDS];
        let (mut shift, mut word, mut i) = (8u8, 1u8, 0);
        while i < self.operands.len() {
            let width = match self.operands[i].1 {
                OperandKind::Reg | OperandKind::U8 | OperandKind::I8 => 1,
                OperandKind::I16 | OperandKind::U16 | OperandKind::Far => 2,
                OperandKind::Const | OperandKind::Name | OperandKind::Jump | OperandKind::Code | OperandKind::U32 => 4,
            };
            if width == 1 && shift < 32 {
                places[i] = Place { word: 0, shift };
                shift += 8;
            } else if width == 2 && shift <= 16 {
                places[i] = Place { word: 0, shift: 16 };
                shift = 32;
            } else {
                places[i] = Place { word, shift: 0 };
                word += 1;
            }
            i += 1;
        }
        (places, word + self.cache)
    }

    /// The instruction's length in words, caches included.
    pub const fn length(&self) -> u8 {
        self.layout().1
    }
}

macro_rules! opcodes {
    ($( $(#[$doc:meta])* $name:ident ( $($field:ident : $ty:ty),* ) $(cache $cache:literal)? ; )*) => {
        /// An opcode; see the table for what each does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Op { $( $(#[$doc])* $name, )* }

        /// An instruction as the compiler emits it.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the fields are documented by the row of the opcode")]
        pub enum Instr { $( $(#[$doc])* $name { $($field: $ty),* }, )* }

        impl Op {
            /// Every opcode, by number.
            pub const ALL: &'static [Op] = &[$(Op::$name),*];

            /// What the table says of each opcode, by number.
            pub const INFO: &'static [OpInfo] = &[$( OpInfo {
                name: stringify!($name),
                operands: &[$((stringify!($field), <$ty as Operand>::KIND)),*],
                cache: 0 $(+ $cache)?,
            } ),*];
        }

        impl Instr {
            /// The opcode.
            pub fn op(&self) -> Op {
                match self { $( Instr::$name { .. } => Op::$name, )* }
            }

            /// The operands' bits, in row order.
            fn operands(&self, out: &mut [u32; MAX_OPERANDS]) {
                match *self { $( Instr::$name { $($field),* } => {
                    #[allow(unused_mut, unused_variables, reason = "some rows have no operands")]
                    let mut i = 0;
                    $( out[i] = $field.bits(); #[allow(unused_assignments, reason = "the last one is not read")] { i += 1; } )*
                } )* }
            }
        }
    };
}

impl Op {
    /// The opcode with this number, if there is one.
    pub fn from_byte(byte: u8) -> Option<Op> {
        Op::ALL.get(usize::from(byte)).copied()
    }

    /// What the table says of it.
    pub fn info(self) -> &'static OpInfo {
        &Op::INFO[self as usize]
    }
}

impl Instr {
    /// Appends the encoded instruction to `out`.
    pub fn encode(&self, out: &mut Vec<u32>) {
        let op = self.op();
        let info = op.info();
        let (places, length) = info.layout();
        let start = out.len();
        out.resize(start + usize::from(length), 0);
        out[start] = op as u32;
        let mut bits = [0; MAX_OPERANDS];
        self.operands(&mut bits);
        for (place, bits) in places.iter().zip(bits).take(info.operands.len()) {
            out[start + usize::from(place.word)] |= bits << place.shift;
        }
    }
}

opcodes! {
    // ---- moves and constants ----
    /// `dst = src`.
    Move(dst: Reg, src: Reg);
    /// `dst = constant`.
    LoadConst(dst: Reg, value: ConstIdx);
    /// `dst = value`, a small integer.
    LoadInt(dst: Reg, value: i16);
    /// `dst = None`.
    LoadNone(dst: Reg);
    /// `dst = True`.
    LoadTrue(dst: Reg);
    /// `dst = False`.
    LoadFalse(dst: Reg);
    /// `dst` becomes UNBOUND, without a check. What `del` of a local ends in; also drops the iterator of a `for` left by break.
    Unbind(dst: Reg);
    /// Raises UnboundLocalError for `name` if `src` is UNBOUND.
    CheckBound(src: Reg, name: NameIdx);
    /// `dst = far register` (UNBOUND is copied; `CheckBound` follows where needed).
    LoadFar(dst: Reg, src: Far);
    /// `far register = src`.
    StoreFar(src: Reg, dst: Far);

    // ---- variables ----
    /// Puts the content of `reg` (UNBOUND allowed) into a new cell and the cell into `reg`.
    MakeCell(reg: Reg);
    /// `dst = content of the cell in register cell`; NameError (UnboundLocalError) for `name` if it is UNBOUND.
    LoadCell(dst: Reg, cell: Reg, name: NameIdx);
    /// `content of the cell in register cell = src`.
    StoreCell(cell: Reg, src: Reg);
    /// Makes the content of the cell UNBOUND; an error for `name` if it was so already.
    DeleteCell(cell: Reg, name: NameIdx);
    /// `dst = content of the function's captured cell number index`; NameError for `name` if it is UNBOUND.
    LoadFree(dst: Reg, index: u16, name: NameIdx);
    /// `content of captured cell number index = src`.
    StoreFree(src: Reg, index: u16);
    /// Makes the content of captured cell number `index` UNBOUND; an error for `name` if it was so already.
    DeleteFree(index: u16, name: NameIdx);
    /// `dst = captured cell number index` itself (for `__class__` cells and locals()).
    LoadFreeCell(dst: Reg, index: u16);
    /// `dst = globals()[name]`, else `builtins[name]`, else NameError.
    LoadGlobal(dst: Reg, name: NameIdx) cache 3;
    /// `globals()[name] = src`.
    StoreGlobal(src: Reg, name: NameIdx) cache 2;
    /// `del globals()[name]`, NameError if it is not there.
    DeleteGlobal(name: NameIdx);
    /// `dst = names[name]` with the mapping in register `names` (class bodies, exec), else global, else builtin.
    LoadName(dst: Reg, names: Reg, name: NameIdx);
    /// `names[name] = src`.
    StoreName(names: Reg, src: Reg, name: NameIdx);
    /// `del names[name]`, NameError if it is not there.
    DeleteName(names: Reg, name: NameIdx);
    /// `dst = names[name]` if it is there, else the content of captured cell number `index` (class bodies in functions).
    LoadNameOrFree(dst: Reg, names: Reg, index: u32, name: NameIdx);
    /// `dst = names[name]` if it is there, else as `LoadGlobal` (annotation scopes in a class; `names` holds its namespace).
    LoadNameOrGlobal(dst: Reg, names: Reg, name: NameIdx);
    /// `dst = globals()` of the running function.
    LoadGlobals(dst: Reg);
    /// `dst = locals()` as PEP 667 has it: a fresh dict in a function, the namespace elsewhere.
    LoadLocals(dst: Reg);

    // ---- arithmetic: dst = a OP b, with the full protocol of reflected methods ----
    /// `dst = a + b`.
    Add(dst: Reg, a: Reg, b: Reg);
    /// `dst = a - b`.
    Sub(dst: Reg, a: Reg, b: Reg);
    /// `dst = a * b`.
    Mul(dst: Reg, a: Reg, b: Reg);
    /// `dst = a / b`.
    TrueDiv(dst: Reg, a: Reg, b: Reg);
    /// `dst = a // b`.
    FloorDiv(dst: Reg, a: Reg, b: Reg);
    /// `dst = a % b`.
    Mod(dst: Reg, a: Reg, b: Reg);
    /// `dst = a ** b`.
    Pow(dst: Reg, a: Reg, b: Reg);
    /// `dst = a << b`.
    LShift(dst: Reg, a: Reg, b: Reg);
    /// `dst = a >> b`.
    RShift(dst: Reg, a: Reg, b: Reg);
    /// `dst = a & b`.
    And(dst: Reg, a: Reg, b: Reg);
    /// `dst = a | b`.
    Or(dst: Reg, a: Reg, b: Reg);
    /// `dst = a ^ b`.
    Xor(dst: Reg, a: Reg, b: Reg);
    /// `dst = a @ b`.
    MatMul(dst: Reg, a: Reg, b: Reg);
    /// `dst = a + imm`.
    AddImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a - imm`.
    SubImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a * imm`.
    MulImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a // imm`.
    FloorDivImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a % imm`.
    ModImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a & imm`.
    AndImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a << imm`.
    LShiftImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = a >> imm`.
    RShiftImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = (a += b)`: tries the in-place method first. So for the rows below.
    InplaceAdd(dst: Reg, a: Reg, b: Reg);
    /// `dst = (a -= b)`.
    InplaceSub(dst: Reg, a: Reg, b: Reg);
    /// `dst = (a *= b)`.
    InplaceMul(dst: Reg, a: Reg, b: Reg);
    /// `dst = (a OP= b)` for the other operators; `kind` is a [`BinaryKind`].
    InplaceOp(dst: Reg, a: Reg, b: Reg, kind: u32);
    /// `dst = (a += imm)`.
    InplaceAddImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = (a -= imm)`.
    InplaceSubImm(dst: Reg, a: Reg, imm: i8);
    /// `dst = -a`.
    Neg(dst: Reg, a: Reg);
    /// `dst = +a`.
    Pos(dst: Reg, a: Reg);
    /// `dst = ~a`.
    Invert(dst: Reg, a: Reg);
    /// `dst = not a`.
    Not(dst: Reg, a: Reg);

    // ---- comparison ----
    /// `dst = a < b`.
    Lt(dst: Reg, a: Reg, b: Reg);
    /// `dst = a <= b`.
    Le(dst: Reg, a: Reg, b: Reg);
    /// `dst = a == b`.
    Eq(dst: Reg, a: Reg, b: Reg);
    /// `dst = a != b`.
    Ne(dst: Reg, a: Reg, b: Reg);
    /// `dst = a > b`.
    Gt(dst: Reg, a: Reg, b: Reg);
    /// `dst = a >= b`.
    Ge(dst: Reg, a: Reg, b: Reg);
    /// `dst = a is b`.
    Is(dst: Reg, a: Reg, b: Reg);
    /// `dst = a is not b`.
    IsNot(dst: Reg, a: Reg, b: Reg);
    /// `dst = a in b`.
    In(dst: Reg, a: Reg, b: Reg);
    /// `dst = a not in b`.
    NotIn(dst: Reg, a: Reg, b: Reg);

    // ---- jumps; a backward jump is a safepoint ----
    /// Jumps.
    Jump(target: Jump);
    /// Jumps if `a` is true.
    JumpIfTrue(a: Reg, target: Jump);
    /// Jumps if `a` is false.
    JumpIfFalse(a: Reg, target: Jump);
    /// Jumps if `a` is None.
    JumpIfNone(a: Reg, target: Jump);
    /// Jumps if `a` is not None.
    JumpIfNotNone(a: Reg, target: Jump);
    /// Jumps if `a is b`.
    JumpIfIs(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a is not b`.
    JumpIfIsNot(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a < b` is true. The `Unless` rows jump if the comparison is false.
    JumpIfLt(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a <= b`.
    JumpIfLe(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a == b`.
    JumpIfEq(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a != b`.
    JumpIfNe(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a > b`.
    JumpIfGt(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a >= b`.
    JumpIfGe(a: Reg, b: Reg, target: Jump);
    /// Jumps unless `a < b`.
    JumpUnlessLt(a: Reg, b: Reg, target: Jump);
    /// Jumps unless `a <= b`.
    JumpUnlessLe(a: Reg, b: Reg, target: Jump);
    /// Jumps unless `a == b`.
    JumpUnlessEq(a: Reg, b: Reg, target: Jump);
    /// Jumps unless `a != b`.
    JumpUnlessNe(a: Reg, b: Reg, target: Jump);
    /// Jumps unless `a > b`.
    JumpUnlessGt(a: Reg, b: Reg, target: Jump);
    /// Jumps unless `a >= b`.
    JumpUnlessGe(a: Reg, b: Reg, target: Jump);
    /// Jumps if `a < imm`. The rows below compare with a small integer in the same way.
    JumpIfLtImm(a: Reg, imm: i8, target: Jump);
    /// Jumps if `a <= imm`.
    JumpIfLeImm(a: Reg, imm: i8, target: Jump);
    /// Jumps if `a == imm`.
    JumpIfEqImm(a: Reg, imm: i8, target: Jump);
    /// Jumps if `a != imm`.
    JumpIfNeImm(a: Reg, imm: i8, target: Jump);
    /// Jumps if `a > imm`.
    JumpIfGtImm(a: Reg, imm: i8, target: Jump);
    /// Jumps if `a >= imm`.
    JumpIfGeImm(a: Reg, imm: i8, target: Jump);
    /// Jumps unless `a < imm`.
    JumpUnlessLtImm(a: Reg, imm: i8, target: Jump);
    /// Jumps unless `a <= imm`.
    JumpUnlessLeImm(a: Reg, imm: i8, target: Jump);
    /// Jumps unless `a == imm`.
    JumpUnlessEqImm(a: Reg, imm: i8, target: Jump);
    /// Jumps unless `a != imm`.
    JumpUnlessNeImm(a: Reg, imm: i8, target: Jump);
    /// Jumps unless `a > imm`.
    JumpUnlessGtImm(a: Reg, imm: i8, target: Jump);
    /// Jumps unless `a >= imm`.
    JumpUnlessGeImm(a: Reg, imm: i8, target: Jump);

    // ---- iteration and unpacking ----
    /// `dst = iter(src)`.
    GetIter(dst: Reg, src: Reg);
    /// `dst = next(iter)`; when exhausted jumps to `target` and leaves `dst` alone.
    ForIter(dst: Reg, iter: Reg, target: Jump);
    /// The end of a loop's body: `dst = next(iter)` and back to `target`; when exhausted goes on behind and leaves `dst` alone.
    ForLoop(dst: Reg, iter: Reg, target: Jump);
    /// Unpacks `src` into exactly `count` registers from `base` on.
    UnpackSequence(base: Reg, src: Reg, count: u8);
    /// Unpacks `src` into `before` registers from `base` on, then a list of what is left over, then `after` registers.
    UnpackEx(base: Reg, src: Reg, before: u8, after: u32);

    // ---- building ----
    /// `dst = [base, ... count registers]`.
    BuildList(dst: Reg, base: Reg, count: u8);
    /// `dst = (base, ... count registers)`.
    BuildTuple(dst: Reg, base: Reg, count: u8);
    /// `dst = {base, ... count registers}`.
    BuildSet(dst: Reg, base: Reg, count: u8);
    /// `dst = {base: base+1, ...}`, `pairs` pairs of registers.
    BuildMap(dst: Reg, base: Reg, pairs: u8);
    /// `dst = slice(base, base+1[, base+2])` for `count` 2 or 3.
    BuildSlice(dst: Reg, base: Reg, count: u8);
    /// `dst` = the strings in `count` registers from `base` on, joined (f-strings).
    BuildString(dst: Reg, base: Reg, count: u8);
    /// Appends `item` to the list in `list`.
    ListAppend(list: Reg, item: Reg);
    /// Makes room in the new list or dict in `target` for what a builtin iterator says is to come.
    MakeRoom(target: Reg, iter: Reg);
    /// Extends the list in `list` by an iterable.
    ListExtend(list: Reg, iterable: Reg);
    /// Adds `item` to the set in `set`.
    SetAdd(set: Reg, item: Reg);
    /// Adds every item of an iterable to the set in `set`.
    SetUpdate(set: Reg, iterable: Reg);
    /// `dict[key] = value` on the dict in `dict`.
    MapAdd(dict: Reg, key: Reg, value: Reg);
    /// `dict.update(mapping)`; a non-mapping is `TypeError: 'int' object is not a mapping`.
    DictUpdate(dict: Reg, mapping: Reg);
    /// As `DictUpdate` for `**mapping` in a call of the callable in `callee`: a repeated key is a TypeError naming the function.
    DictMerge(dict: Reg, mapping: Reg, callee: Reg);
    /// `dst = tuple(list)` for a list just built.
    ListToTuple(dst: Reg, list: Reg);
    /// `dst` = `src` formatted for an f-string without a spec; `conversion` is 0, or the letter `s`, `r` or `a`.
    FormatSimple(dst: Reg, src: Reg, conversion: u8);
    /// `dst` = `src` formatted with the spec in `spec`; `conversion` as above.
    FormatSpec(dst: Reg, src: Reg, spec: Reg, conversion: u32);
    /// `dst` = an Interpolation of `base` = value, `base+1` = expression text, `base+2` = format spec text.
    BuildInterpolation(dst: Reg, base: Reg, conversion: u8);
    /// `dst` = a Template of the tuple of strings in `base` and the tuple of interpolations in `base+1`.
    BuildTemplate(dst: Reg, base: Reg);

    // ---- attributes and items ----
    /// `dst = obj.name`.
    GetAttr(dst: Reg, obj: Reg, name: NameIdx) cache 5;
    /// `obj.name = src`.
    SetAttr(obj: Reg, src: Reg, name: NameIdx) cache 5;
    /// `del obj.name`.
    DeleteAttr(obj: Reg, name: NameIdx);
    /// `dst = obj[index]`.
    GetItem(dst: Reg, obj: Reg, index: Reg);
    /// `dst = obj[imm]`.
    GetItemImm(dst: Reg, obj: Reg, imm: i8);
    /// `obj[index] = src`.
    SetItem(obj: Reg, index: Reg, src: Reg);
    /// `dst = obj[base:base+1]`; what `base` holds is gone afterwards.
    GetSlice(dst: Reg, obj: Reg, base: Reg);
    /// `obj[base:base+1] = src`; what `base` holds is gone afterwards.
    SetSlice(obj: Reg, base: Reg, src: Reg);
    /// `del obj[index]`.
    DeleteItem(obj: Reg, index: Reg);
    /// `dst = super(base+1, base+2).name` if `base` is the builtin super, else `base(base+1, base+2)` or, with `flags` bit 0
    /// (zero-argument form), `base()`, and then its attribute.
    SuperAttr(dst: Reg, base: Reg, flags: u8, name: NameIdx);
    /// As `LoadMethod`, of `super(...)` as in `SuperAttr`: the operands are in `base`, `base+1` and `base+2`.
    SuperMethod(base: Reg, flags: u8, name: NameIdx) cache 6;

    // ---- calls ----
    /// `dst = base(base+1 ... argc registers)`.
    Call(dst: Reg, base: Reg, argc: u8) cache 4;
    /// As `Call`; the last arguments are keyword arguments named by the constant tuple `names`. `argc` counts all.
    CallKw(dst: Reg, base: Reg, argc: u8, names: ConstIdx);
    /// `dst = base(*base+1, **base+2)`: a tuple, and a dict or None.
    CallEx(dst: Reg, base: Reg);
    /// `dst = obj.name(base+2 ... argc registers)`: lookup and call in one; the receiver is copied to `base+1` first (`obj` may be
    /// `base`, or a local in place). Only emitted when evaluating the arguments cannot be seen to happen before the lookup (locals
    /// known to be bound, constants). `base` (unless it is `obj`) and `base+1` hold nothing before.
    CallMethod(dst: Reg, base: Reg, argc: u8, obj: Reg, name: NameIdx) cache 6;
    /// Looks up a method for a later `CallLoaded`: `base` becomes the function and `base+1` the receiver `obj`; or, if the attribute
    /// is not a plain method, `base` becomes the attribute's value and `base+1` UNBOUND. `obj` may be `base` or a local in place.
    LoadMethod(base: Reg, obj: Reg, name: NameIdx) cache 6;
    /// `dst = base(base+1 if it is not UNBOUND, base+2 ... argc registers)` after `LoadMethod`; `argc` does not count `base+1`.
    CallLoaded(dst: Reg, base: Reg, argc: u8);
    /// As `CallLoaded` with keyword arguments; `names` as in `CallKw`.
    CallLoadedKw(dst: Reg, base: Reg, argc: u8, names: ConstIdx);
    /// `super()` without arguments: `dst` = the call of `base`; if that is the builtin super, with `base+1` (the class) and
    /// `base+2` (the instance).
    CallSuper(dst: Reg, base: Reg);
    /// In a program with finalisers, or that may drop coroutines: whether something has died, if it is time to look.
    Look();
    /// Drops the value of an expression statement that was a call: a coroutine never started is reported here.
    Discard(src: Reg);
    /// `dst` = a function of child code `code`. The registers from `base` on hold what `flags` says, in this order: 1 = tuple of
    /// positional defaults, 2 = dict of keyword-only defaults, 4 = the annotate function. The cells are taken as the child's
    /// capture list says.
    MakeFunction(dst: Reg, base: Reg, flags: u8, code: CodeIdx);
    /// `dst` = the builtin that makes a class of (body function, name, *bases, **keywords).
    LoadBuildClass(dst: Reg);
    /// Returns `src` from a plain function, module or class body.
    Return(src: Reg);
    /// Returns None from a plain function, module or class body.
    ReturnNone();

    // ---- exceptions ----
    /// `raise src`.
    Raise(src: Reg);
    /// `raise src from cause`.
    RaiseFrom(src: Reg, cause: Reg);
    /// `raise` without operand: raises what is being handled.
    RaiseAgain();
    /// Raises the exception in `src` again, without touching its context or adding this line twice (end of handlers, finally).
    Reraise(src: Reg);
    /// At the start of a handler: `save` = what was being handled, and the exception in `exc` is handled from now on.
    EnterHandler(save: Reg, exc: Reg);
    /// At the end of a handler: what was being handled before is so again.
    LeaveHandler(save: Reg);
    /// Jumps to `target` unless the exception in `exc` matches the class or tuple of classes in `class`.
    JumpUnlessMatch(exc: Reg, class: Reg, target: Jump);
    /// except*: splits `rest` (an exception, a group or None) by `class`: `dst` = the matching group or None, `rest` = the remainder or None.
    SplitGroup(dst: Reg, rest: Reg, class: Reg);
    /// End of a try with except*: from the original exception in `orig` and the list of raised ones and the rest in `raised`, `dst` = what is to be
    /// raised, or None.
    JoinGroup(dst: Reg, orig: Reg, raised: Reg);
    /// `dst` = AssertionError, whatever the name means to the script.
    LoadAssertionError(dst: Reg);

    // ---- with ----
    /// With a context manager in `base`: `base` = its bound exit method, `base+1` = the result of its enter method.
    WithEnter(base: Reg);
    /// Calls the exit method in `base` with three None.
    WithExit(base: Reg);
    /// Calls the exit method in `base` with type, value and traceback of the exception in `exc`; `dst` = its result.
    WithExitExc(dst: Reg, base: Reg, exc: Reg);
    /// As `WithEnter` for async with; `base+1` = what `__aenter__` returned, to be awaited by the three instructions that follow, as for
    /// `CallAwait`: if it runs at once `base+2` = its result.
    AsyncWithEnter(base: Reg);
    /// As `WithExit`; `dst` = what `__aexit__` returned, to be awaited as for `CallAwait`: if it runs at once `dst+1` = its result.
    AsyncWithExit(dst: Reg, base: Reg);
    /// As `WithExitExc`; `dst` = what `__aexit__` returned, to be awaited.
    AsyncWithExitExc(dst: Reg, base: Reg, exc: Reg);

    // ---- generators and coroutines ----
    /// Returns `src` from a generator, coroutine or async generator (which only returns None).
    ReturnGenerator(src: Reg);
    /// Yields `src`; when resumed `dst` = what was sent.
    Yield(dst: Reg, src: Reg);
    /// Yields `src` from an async generator; when resumed `dst` = what was sent.
    YieldAsync(dst: Reg, src: Reg);
    /// `dst` = what `yield from src` iterates: a generator as it is, a coroutine where allowed, else `iter(src)`.
    GetYieldFrom(dst: Reg, src: Reg);
    /// `dst` = what `await src` iterates; `context` is an [`AwaitContext`] for the wording of the error.
    GetAwaitable(dst: Reg, src: Reg, context: u8);
    /// Drives the iterator in `iter` (from `GetYieldFrom` or `GetAwaitable`) until it returns; `dst` = its result. `dst` must be
    /// None before. While it runs, what it yields is yielded and what is sent goes to it.
    Delegate(dst: Reg, iter: Reg);
    /// `await base(base+1 ... argc registers)`. If the callee is an async def it runs at once, and `dst` = its result, continuing behind the
    /// `Delegate` below; while it runs the awaiting frame stands at that `Delegate` (its position and height hold), with `base` UNBOUND
    /// and `dst` None. Otherwise `base` = the result of the call, and the instructions that must follow do the rest:
    /// `GetAwaitable base, base; LoadNone dst; Delegate dst, base`.
    CallAwait(dst: Reg, base: Reg, argc: u8) cache 4;
    /// As `CallAwait` for `await obj.name(...)`; registers as in `CallMethod`.
    CallMethodAwait(dst: Reg, base: Reg, argc: u8, obj: Reg, name: NameIdx) cache 6;
    /// `dst = aiter(src)`.
    GetAIter(dst: Reg, src: Reg);
    /// `async for`: asks the iterator in `aiter` for its next item. If it is an async generator it runs at once, `dst` = the item, continuing
    /// behind the `Delegate` below (`base` is UNBOUND then, as for `CallAwait`). Otherwise `base` = the awaitable, followed as in `CallAwait` by `GetAwaitable; LoadNone; Delegate`.
    /// Ends by StopAsyncIteration, which the handler table leads to `EndAsyncFor`.
    NextAsync(dst: Reg, aiter: Reg, base: Reg);
    /// Jumps to `target` if the exception in `exc` is StopAsyncIteration, else raises it again.
    EndAsyncFor(exc: Reg, target: Jump);

    // ---- imports ----
    /// `dst` = the module `name` (dotted) as `__import__(name, globals, None, fromlist, level)` returns it; `fromlist` is a constant tuple or None.
    ImportName(dst: Reg, level: u8, name: NameIdx, fromlist: ConstIdx);
    /// `dst = module.name` for `from module import name`.
    ImportFrom(dst: Reg, module: Reg, name: NameIdx);
    /// `from module import *` into the namespace: register `names`, or the globals if `flags` is 0.
    ImportStar(module: Reg, names: Reg, flags: u8);

    // ---- match ----
    /// `dst` = whether `src` is a sequence for patterns.
    MatchSequence(dst: Reg, src: Reg);
    /// `dst` = whether `src` is a mapping for patterns.
    MatchMapping(dst: Reg, src: Reg);
    /// `dst = len(src)`.
    GetLen(dst: Reg, src: Reg);
    /// `dst` = a tuple of the values of the mapping `src` for the tuple of keys `keys`, or None.
    MatchKeys(dst: Reg, src: Reg, keys: Reg);
    /// `dst` = a tuple of the attributes of `base` if it is an instance of `base+1`, `positional` ones by `__match_args__` and then those
    /// named by the tuple in `base+2`; or None.
    MatchClass(dst: Reg, base: Reg, positional: u8);

    // ---- what is rare ----
    /// `dst` = what `kind`, an [`Intrinsic`], makes of the `count` registers from `base` on (the count is the intrinsic's own).
    Intrinsic(dst: Reg, base: Reg, kind: u8);
}

/// Which operator an `InplaceOp` (and a slow path of the others) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum BinaryKind {
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
    LShift,
    RShift,
    And,
    Or,
    Xor,
    MatMul,
}

impl BinaryKind {
    /// Every operator, by number.
    pub const ALL: [BinaryKind; 13] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::TrueDiv,
        Self::FloorDiv,
        Self::Mod,
        Self::Pow,
        Self::LShift,
        Self::RShift,
        Self::And,
        Self::Or,
        Self::Xor,
        Self::MatMul,
    ];
}

/// Where a `GetAwaitable` stands, for the wording of its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AwaitContext {
    /// An `await` expression.
    Await,
    /// What `__aenter__` returned.
    AsyncEnter,
    /// What `__aexit__` returned.
    AsyncExit,
    /// What `__anext__` returned.
    AsyncNext,
}

/// Operations too rare for an opcode of their own. Each names its operands, from `base` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Intrinsic {
    /// value: prints it as the prompt does (`sys.displayhook`).
    DisplayHook,
    /// name, bound-evaluator or None, constraints-evaluator or None, default-evaluator or None: a TypeVar.
    TypeVar,
    /// name, default-evaluator or None: a ParamSpec.
    ParamSpec,
    /// name, default-evaluator or None: a TypeVarTuple.
    TypeVarTuple,
    /// name, tuple of type parameters or None, value-evaluator: a TypeAliasType.
    TypeAlias,
    /// tuple of type parameters: the `Generic[...]` base of a class with type parameters.
    SubscriptGeneric,
    /// function, tuple of type parameters: sets `__type_params__`, returns the function.
    SetTypeParams,
    /// the annotations dict so far (or UNBOUND) — returns the set that collects conditional annotations.
    ConditionalAnnotations,
    /// format number: raises NotImplementedError unless it is 1 or 2 (the head of an annotate function).
    CheckAnnotateFormat,
    /// an exception: turns a StopIteration that leaves a generator into RuntimeError.
    StopIterationError,
    /// value, callable: the tuple of the value's items for `f(*value)`; TypeError in CPython's words if it is no iterable.
    CallArgs,
    /// namespace: makes `__annotations__` a dict in it if it is not there; returns None.
    SetupAnnotations,
}

impl Intrinsic {
    /// Every intrinsic, by number.
    pub const ALL: [Intrinsic; 12] = [
        Self::DisplayHook,
        Self::TypeVar,
        Self::ParamSpec,
        Self::TypeVarTuple,
        Self::TypeAlias,
        Self::SubscriptGeneric,
        Self::SetTypeParams,
        Self::ConditionalAnnotations,
        Self::CheckAnnotateFormat,
        Self::StopIterationError,
        Self::CallArgs,
        Self::SetupAnnotations,
    ];

    /// How many registers it reads, from `base` on.
    pub const fn operands(self) -> u8 {
        match self {
            Self::DisplayHook | Self::SubscriptGeneric | Self::ConditionalAnnotations => 1,
            Self::CheckAnnotateFormat | Self::StopIterationError | Self::SetupAnnotations => 1,
            Self::ParamSpec | Self::TypeVarTuple | Self::SetTypeParams | Self::CallArgs => 2,
            Self::TypeAlias => 3,
            Self::TypeVar => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_fits_its_limits() {
        assert!(Op::ALL.len() <= 256);
        for info in Op::INFO {
            assert!(info.operands.len() <= MAX_OPERANDS, "{}", info.name);
        }
    }

    #[test]
    fn operands_are_placed_by_the_rule() {
        let mut words = vec![];
        Instr::Call { dst: Reg(1), base: Reg(2), argc: 3 }.encode(&mut words);
        assert_eq!(words, [Op::Call as u32 | 1 << 8 | 2 << 16 | 3 << 24, 0, 0, 0, 0]);
        words.clear();
        Instr::LoadInt { dst: Reg(1), value: -2 }.encode(&mut words);
        assert_eq!(words, [Op::LoadInt as u32 | 1 << 8 | 0xFFFE << 16]);
        words.clear();
        Instr::LoadNameOrFree { dst: Reg(1), names: Reg(0), index: 5, name: NameIdx(7) }.encode(&mut words);
        assert_eq!(words, [Op::LoadNameOrFree as u32 | 1 << 8, 5, 7]);
    }
}
