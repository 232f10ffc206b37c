//! The run loop: one `match` over the opcodes. Handlers do the common case of exact builtin types; everything else is a call of a
//! function out of line, whose result comes back as [`Invoked`]. The loop never recurses for a call of a script by a script.
//!
//! Registers, words and constants are reached through raw pointers. What makes that sound: code passed the verifier, so every
//! register index is below the frame's size and every jump leads to an instruction; frames are pushed only with room for all their
//! registers; registers and cells never move; and the record on top keeps the code and generator alive.

#![allow(unsafe_code, reason = "register and code access; see above")]

use std::cell::Cell as StdCell;
use std::sync::atomic::Ordering;

use crate::bytecode::op::{BinaryKind, Op};
use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    BoundMethod, Class, CodeObject, Dict, Entry, Function, Generator, GeneratorState, Instance, List, Module,
    RangeIterator, SequenceIterator, Str, Tuple, Variable, any_generator,
};

use super::Vm;
use super::call::Invoked;
use super::compare::CompareKind;
use super::frame::{Deliver, Held, Left, Record, RecordKind};
use super::native::{Args, NativeFunction, NativeKind, Outcome, Quick, Raised};
use super::step::{Items, Stepped, next_key_at_once};
use super::unwind::Delivery;

/// Some registers of the running frame. They stay where they are and are not written to while one of its instructions is carried out,
/// whatever runs meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    first: *const Raw,
    count: usize,
}

impl Window {
    /// `count` registers, from `first` on.
    ///
    /// # Safety
    /// They are registers of the running frame, and the window is not used once its instruction is done.
    pub(super) unsafe fn new(first: *const Raw, count: usize) -> Window {
        Window { first, count }
    }

    /// Number of registers.
    pub(super) fn len(self) -> usize {
        self.count
    }

    /// What is in a register.
    #[inline(always)]
    pub(super) fn get(self, index: usize) -> Raw {
        assert!(index < self.count, "within the window");
        // SAFETY: by the promise of `new`.
        unsafe { Raw::read(self.first.add(index)) }
    }
}

const INT: u64 = Kind::Int as u64;
const FLOAT: u64 = Kind::Float as u64;
const TRUE: u64 = Kind::True as u64;
const FALSE: u64 = Kind::False as u64;
const NONE: u64 = Kind::None as u64;
const LIST: u64 = Kind::List as u64 | crate::heap::POINTER;
const TUPLE: u64 = Kind::Tuple as u64 | crate::heap::POINTER;
const DICT: u64 = Kind::Dict as u64 | crate::heap::POINTER;
const STR: u64 = Kind::Str as u64 | crate::heap::POINTER;
const FUNCTION: u64 = Kind::Function as u64 | crate::heap::POINTER;
const NATIVE: u64 = Kind::Native as u64 | crate::heap::POINTER;
const INSTANCE: u64 = Kind::Instance as u64 | crate::heap::POINTER;
const BOUND: u64 = Kind::BoundMethod as u64 | crate::heap::POINTER;
const CLASS: u64 = Kind::Class as u64 | crate::heap::POINTER;
const MODULE: u64 = Kind::Module as u64 | crate::heap::POINTER;
const NATIVE_ITERATOR: u64 = Kind::NativeIterator as u64 | crate::heap::POINTER;
const DICT_ITERATOR: u64 = Kind::DictIterator as u64 | crate::heap::POINTER;
const RANGE_ITERATOR: u64 = Kind::RangeIterator as u64 | crate::heap::POINTER;
const SEQUENCE_ITERATOR: u64 = Kind::SequenceIterator as u64 | crate::heap::POINTER;
const GENERATOR: u64 = Kind::Generator as u64 | crate::heap::POINTER;

/// What an attribute cache says: see `attribute.rs`, which fills it.
pub(super) mod cached {
    /// Nothing.
    pub(in crate::vm) const EMPTY: u32 = 0;
    /// The attribute is in this inline slot (low bits) of the instance.
    pub(in crate::vm) const INLINE: u32 = 1;
    /// It is a function of the language, a method: the pointer is in the next two words.
    pub(in crate::vm) const FUNCTION: u32 = 2;
    /// It is a native method.
    pub(in crate::vm) const NATIVE: u32 = 3;
    /// An entry of a module's dict: the shape word is the dict's version.
    pub(in crate::vm) const MODULE: u32 = 4;
    /// A new attribute: the instance moves to the shape in the next word and its inline slot is in the one after.
    pub(in crate::vm) const ADD: u32 = 5;
    /// A property whose getter is this function of the language: the pointer is in the next two words.
    pub(in crate::vm) const GETTER: u32 = 6;
    /// Data of a class, reached through an instance: the number of the entry is in the upper bits, a pointer to the class's dict in the
    /// next two words.
    pub(in crate::vm) const CLASS: u32 = 7;
    /// What a static method wraps: it is called without the object.
    pub(in crate::vm) const STATIC: u32 = 8;
    /// What a class method wraps: it is called with the object's class.
    pub(in crate::vm) const OF_CLASS: u32 = 9;
    /// As `STATIC`, or a method, reached through a class: the shape word is the version of its dict.
    pub(in crate::vm) const CLASS_STATIC: u32 = 10;
    /// What a class method wraps, reached through a class: it is called with that. The shape word is the version of its dict.
    pub(in crate::vm) const CLASS_OWN: u32 = 11;
    /// An item of the tuple that the instance is, a field of a named tuple: its number is in the next word.
    pub(in crate::vm) const FIELD: u32 = 12;
}

/// The key under which caches know a value: its shape, or for a builtin type without shapes a number made of its tag.
#[inline(always)]
pub(super) fn shape_key(raw: Raw) -> u32 {
    let pseudo = 0xFFFF_0000 | (raw.tag() as u32 & 0x1FF);
    if !raw.is_pointer() {
        return pseudo;
    }
    // SAFETY: the tag says there is a cell, and it is alive in a register.
    let shape = unsafe { (*raw.header()).shape() };
    if shape == 0 { pseudo } else { shape }
}

/// Why the inner loop was left.
enum Leave {
    /// An exception is on its way.
    Raise,
    /// A result is to be delivered to the record on top.
    Deliver(Delivery),
}

const fn length(op: Op) -> usize {
    Op::INFO[op as usize].length() as usize
}

impl Vm {
    /// Runs the frame on top until the exit record below it is reached; returns what reaches that.
    pub(super) fn run(&mut self) -> Result<Raw, Raised> {
        'reload: loop {
            // SAFETY: as the module's docs say, for the whole loop.
            let leave = unsafe {
                let mut fp: *mut Record = self.fiber.records.last_mut().expect("a frame to run");
                let mut function = (*fp).function.expect("a frame of the language");
                let mut code = function.code();
                let (mut regs, mut detached): (*mut Raw, bool) = match (*fp).kind {
                    RecordKind::InPlace { generator, .. } => (generator.tail().as_ptr().cast_mut().cast(), true),
                    _ => (self.fiber.registers.pointer((*fp).base), code.get().detached),
                };
                let mut constants = constants_of(code);
                let interrupt: *const std::sync::atomic::AtomicU32 = &**self.interrupt();
                let mut pc: *const StdCell<u32> = (*fp).next;

                macro_rules! a {
                    ($insn:expr) => {
                        (($insn >> 8) & 0xFF) as usize
                    };
                }
                macro_rules! b {
                    ($insn:expr) => {
                        (($insn >> 16) & 0xFF) as usize
                    };
                }
                macro_rules! c {
                    ($insn:expr) => {
                        ($insn >> 24) as usize
                    };
                }
                macro_rules! imm {
                    ($insn:expr) => {
                        i64::from(($insn >> 24) as u8 as i8)
                    };
                }
                macro_rules! imm_b {
                    ($insn:expr) => {
                        i64::from(($insn >> 16) as u8 as i8)
                    };
                }
                macro_rules! half {
                    ($insn:expr) => {
                        $insn >> 16
                    };
                }
                macro_rules! word {
                    ($ip:expr, $n:expr) => {
                        (*$ip.add($n)).get()
                    };
                }
                macro_rules! reg {
                    ($i:expr) => {{
                        let i: usize = $i;
                        if cfg!(feature = "checked") {
                            assert!(i < code.get().registers as usize);
                        }
                        Raw::read(regs.add(i))
                    }};
                }
                macro_rules! set {
                    ($i:expr, $v:expr) => {{
                        let (i, v): (usize, Raw) = ($i, $v);
                        if cfg!(feature = "checked") {
                            assert!(i < code.get().registers as usize);
                        }
                        regs.add(i).write(v)
                    }};
                }
                macro_rules! name {
                    ($ip:expr, $n:expr) => {
                        code.get().names.get().expect("loaded code has them").item(word!($ip, $n) as usize).raw()
                    };
                }
                macro_rules! constant {
                    ($i:expr) => {
                        Raw::read(constants.add($i as usize))
                    };
                }

                break_run(|| ());
                let leave: Leave = 'run: loop {
                    let ip = pc;
                    // Widened here once: where each handler does it, the compiler makes as many copies here, and no longer thinks the dispatch
                    // short enough to end each handler with.
                    let insn = u64::from((*ip).get());
                    // SAFETY: the verifier saw only known opcodes.
                    let op: Op = std::mem::transmute(insn as u8);

                    // Ends a handler: the instruction at `pc` is next. The comment in the assembler's text, of another wording for each
                    // place and way, keeps the compiler from merging handlers that end alike, which would cost each of them a jump
                    // more: programs run 5 to 10 % faster.
                    macro_rules! next {
                        ($way:literal) => {{
                            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
                            std::arch::asm!(
                                "/* {line} {way} */",
                                line = const line!(),
                                way = const $way,
                                options(nomem, nostack, preserves_flags)
                            );
                            continue 'run
                        }};
                    }
                    macro_rules! go {
                        ($op:ident) => {
                            go!($op, 0)
                        };
                        ($op:ident, $way:literal) => {{
                            pc = ip.add(const { length(Op::$op) });
                            next!($way)
                        }};
                    }
                    // What must be so before anything that could look at the frame.
                    macro_rules! sync {
                        ($op:ident, $deliver:expr, $dst:expr) => {{
                            let record = &mut *fp;
                            record.ip = ip;
                            record.next = ip.add(const { length(Op::$op) });
                            record.deliver = $deliver;
                            record.dst = $dst as u8;
                            let end = record.end;
                            self.fiber.top = end;
                            self.fiber.window = end;
                        }};
                    }
                    // The record is on top again, but records may have moved.
                    macro_rules! reload {
                        () => {{
                            let records = &mut self.fiber.records;
                            debug_assert!(!records.is_empty());
                            fp = records.as_mut_ptr().add(records.len().wrapping_sub(1));
                            let _ = fp;
                        }};
                    }
                    macro_rules! raise {
                        ($op:ident, $e:expr) => {{
                            sync!($op, Deliver::Discard, 0);
                            let _: Raised = $e;
                            break 'run Leave::Raise;
                        }};
                    }
                    // A frame was entered: a safepoint, as the program may be nothing but calls.
                    macro_rules! entered {
                        () => {{
                            if (*interrupt).load(Ordering::Relaxed) != 0 && self.safepoint_of_call().is_err() {
                                break 'run Leave::Raise;
                            }
                            continue 'reload;
                        }};
                    }
                    // Calls out of line: `$e` gives Result<Invoked, Raised>.
                    macro_rules! out {
                        ($e:expr, |$raw:ident| $done:expr) => {
                            match $e {
                                Ok(Invoked::Value(ref raw)) => {
                                    let $raw = raw.copied();
                                    reload!();
                                    $done
                                }
                                Ok(Invoked::Pushed) => entered!(),
                                Ok(Invoked::Raise) | Err(_) => break 'run Leave::Raise,
                                Ok(Invoked::Suspended(raw)) => break 'run Leave::Deliver(Delivery::Suspended(raw)),
                                Ok(Invoked::Yielded(raw)) => break 'run Leave::Deliver(Delivery::Yielded(raw)),
                            }
                        };
                    }
                    macro_rules! store {
                        ($op:ident, $dst:expr, $e:expr) => {{
                            let dst: usize = $dst;
                            sync!($op, Deliver::Store, dst);
                            out!($e, |raw| { set!(dst, raw); go!($op) })
                        }};
                    }
                    macro_rules! discard {
                        ($op:ident, $e:expr) => {{
                            sync!($op, Deliver::Discard, 0);
                            out!($e, |_raw| go!($op))
                        }};
                    }
                    // For what gives a plain Result<Raw, Raised>, with at most nested runs.
                    macro_rules! direct {
                        ($op:ident, $dst:expr, $e:expr) => {{
                            let dst: usize = $dst;
                            sync!($op, Deliver::Store, dst);
                            match $e {
                                Ok(ref raw) => {
                                    reload!();
                                    set!(dst, raw.copied());
                                    go!($op)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }};
                    }
                    macro_rules! effect {
                        ($op:ident, $e:expr) => {{
                            sync!($op, Deliver::Discard, 0);
                            match $e {
                                Ok(_) => {
                                    reload!();
                                    go!($op)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }};
                    }
                    // A taken jump; backward ones are safepoints.
                    macro_rules! jump {
                        ($op:ident, $offset:expr) => {{
                            let offset = $offset as i32 as isize;
                            pc = ip.offset(offset);
                            if offset <= 0 && (*interrupt).load(Ordering::Relaxed) != 0 {
                                sync!($op, Deliver::Discard, 0);
                                (*fp).next = pc;
                                match self.safepoint() {
                                    Ok(()) => continue 'reload,
                                    Err(_) => break 'run Leave::Raise,
                                }
                            }
                            next!(10)
                        }};
                    }
                    // Jumps on the truth of what `$e` gives.
                    macro_rules! jump_on {
                        ($op:ident, $sense:expr, $offset:expr, $e:expr) => {{
                            let offset: u32 = $offset;
                            sync!($op, if $sense { Deliver::JumpTrue } else { Deliver::JumpFalse }, 0);
                            (*fp).target = ip.offset(offset as i32 as isize);
                            out!($e, |raw| {
                                if raw.same(Raw::bool($sense)) { jump!($op, offset) } else { go!($op, 1) }
                            })
                        }};
                    }
                    macro_rules! arithmetic {
                        ($op:ident, $kind:ident, $checked:ident, $x:ident, $y:ident, $float:expr) => {{
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT && y.tag() == INT {
                                if let Some(r) = x.int_unchecked().$checked(y.int_unchecked()) {
                                    set!(a!(insn), Raw::int(r));
                                    go!($op, 1);
                                }
                            } else if x.tag() == FLOAT && y.tag() == FLOAT {
                                let ($x, $y) = (x.float_unchecked(), y.float_unchecked());
                                set!(a!(insn), Raw::float($float));
                                go!($op, 2);
                            } else if let Some(($x, $y)) = mixed(x, y) {
                                set!(a!(insn), Raw::float($float));
                                go!($op, 3);
                            }
                            store!($op, a!(insn), self.binary(BinaryKind::$kind, x, y))
                        }};
                    }
                    macro_rules! inplace {
                        ($op:ident, $kind:ident, $checked:ident, $x:ident, $y:ident, $float:expr) => {{
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT && y.tag() == INT {
                                if let Some(r) = x.int_unchecked().$checked(y.int_unchecked()) {
                                    set!(a!(insn), Raw::int(r));
                                    go!($op, 1);
                                }
                            } else if x.tag() == FLOAT && y.tag() == FLOAT {
                                let ($x, $y) = (x.float_unchecked(), y.float_unchecked());
                                set!(a!(insn), Raw::float($float));
                                go!($op, 2);
                            } else if let Some(($x, $y)) = mixed(x, y) {
                                set!(a!(insn), Raw::float($float));
                                go!($op, 3);
                            }
                            store!($op, a!(insn), self.inplace(BinaryKind::$kind, x, y))
                        }};
                    }
                    macro_rules! arithmetic_imm {
                        ($op:ident, $slow:ident, $kind:ident, $checked:ident, $x:ident, $y:ident, $float:expr) => {{
                            let (x, imm) = (reg!(b!(insn)), imm!(insn));
                            if x.tag() == INT {
                                if let Some(r) = x.int_unchecked().$checked(imm) {
                                    set!(a!(insn), Raw::int(r));
                                    go!($op, 1);
                                }
                            } else if x.tag() == FLOAT {
                                let ($x, $y) = (x.float_unchecked(), imm as f64);
                                set!(a!(insn), Raw::float($float));
                                go!($op, 2);
                            }
                            store!($op, a!(insn), self.$slow(BinaryKind::$kind, x, Raw::int(imm)))
                        }};
                    }
                    macro_rules! bits {
                        ($op:ident, $kind:ident, $o:tt) => {{
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT && y.tag() == INT {
                                set!(a!(insn), Raw::int(x.int_unchecked() $o y.int_unchecked()));
                                go!($op);
                            }
                            store!($op, a!(insn), self.binary(BinaryKind::$kind, x, y))
                        }};
                    }
                    macro_rules! compare {
                        ($op:ident, $kind:ident, $o:tt) => {{
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT && y.tag() == INT {
                                set!(a!(insn), Raw::bool(x.int_unchecked() $o y.int_unchecked()));
                                go!($op, 1);
                            }
                            if x.tag() == FLOAT && y.tag() == FLOAT {
                                set!(a!(insn), Raw::bool(x.float_unchecked() $o y.float_unchecked()));
                                go!($op, 2);
                            }
                            store!($op, a!(insn), self.compare(CompareKind::$kind, x, y))
                        }};
                    }
                    macro_rules! jump_compare {
                        ($op:ident, $kind:ident, $o:tt, $sense:expr) => {{
                            let (x, y) = (reg!(a!(insn)), reg!(b!(insn)));
                            let truth = if x.tag() == INT && y.tag() == INT {
                                x.int_unchecked() $o y.int_unchecked()
                            } else if x.tag() == FLOAT && y.tag() == FLOAT {
                                x.float_unchecked() $o y.float_unchecked()
                            } else {
                                jump_on!($op, $sense, word!(ip, 1), self.compare_truth(CompareKind::$kind, x, y))
                            };
                            if truth == $sense { jump!($op, word!(ip, 1)) } else { go!($op, 1) }
                        }};
                    }
                    macro_rules! jump_compare_imm {
                        ($op:ident, $kind:ident, $o:tt, $sense:expr) => {{
                            let (x, imm) = (reg!(a!(insn)), imm_b!(insn));
                            let truth = if x.tag() == INT {
                                x.int_unchecked() $o imm
                            } else if x.tag() == FLOAT {
                                x.float_unchecked() $o imm as f64
                            } else {
                                jump_on!($op, $sense, word!(ip, 1), self.compare_truth(CompareKind::$kind, x, Raw::int(imm)))
                            };
                            if truth == $sense { jump!($op, word!(ip, 1)) } else { go!($op, 1) }
                        }};
                    }
                    // The frame on top goes on, without a detour through `'reload`.
                    macro_rules! go_on {
                        ($function:expr, $regs:expr, $detached:expr, $pc:expr) => {{
                            function = $function;
                            code = function.code();
                            regs = $regs;
                            detached = $detached;
                            constants = constants_of(code);
                            pc = $pc;
                            next!(11)
                        }};
                    }
                    // Enters a function of the language whose arguments are in registers `first..` of this frame.
                    macro_rules! enter {
                        ($op:ident, $dst:expr, $function:expr, $first:expr, $argc:expr) => {
                            enter!($op, $dst, $function, $first, $argc, Raw::UNBOUND)
                        };
                        ($op:ident, $dst:expr, $function:expr, $first:expr, $argc:expr, $instance:expr) => {{
                            let instance: Raw = $instance;
                            let callee: Held<Function> = $function;
                            let (first, argc): (usize, usize) = ($first, $argc);
                            let callee_code = callee.code();
                            let depth = self.fiber.records.len();
                            let positional = usize::from(callee_code.get().positional);
                            if callee_code.get().entry == Entry::Simple
                                && (argc == positional || callee.get().defaults_cover(argc, positional))
                                && depth < self.fiber.records.capacity()
                                && (depth as u32 + self.fiber.extra_depth) < self.recursion_limit
                            {
                                let record = &mut *fp;
                                let start = if detached { record.end + 1 } else { record.base + first as u32 };
                                let end = start + callee_code.get().registers;
                                if end as usize + 512 <= self.fiber.registers.len() {
                                    record.ip = ip;
                                    record.next = ip.add(const { length(Op::$op) });
                                    record.deliver = Deliver::Store;
                                    record.dst = $dst as u8;
                                    let to = self.fiber.registers.pointer(start);
                                    if detached {
                                        for i in 0..argc {
                                            to.add(i).write(reg!(first + i));
                                        }
                                        to.sub(1).write(Raw::NONE);
                                    }
                                    if argc != positional {
                                        write_defaults(callee, to, argc, positional);
                                    }
                                    for i in positional..usize::from(callee_code.get().locals) {
                                        to.add(i).write(Raw::UNBOUND);
                                    }
                                    let entry = callee_code.get().words.as_ptr();
                                    fp = fp.add(1);
                                    fp.write(Record {
                                        kind: RecordKind::Plain,
                                        deliver: Deliver::Store,
                                        dst: 0,
                                        flags: if instance.is_unbound() { 0 } else { Record::CONSTRUCTOR },
                                        base: start,
                                        end,
                                        ip: entry,
                                        next: entry,
                                        target: entry,
                                        function: Some(callee),
                                        handled: instance,
                                    });
                                    self.fiber.records.set_len(depth + 1);
                                    if (*interrupt).load(Ordering::Relaxed) != 0 {
                                        entered!();
                                    }
                                    go_on!(callee, to, false, entry)
                                }
                            }
                        }};
                    }
                    // Returns to the frame that called this one, where that is all there is to it.
                    macro_rules! leave {
                        ($value:expr) => {{
                            let value: Raw = $value;
                            (*fp).ip = ip;
                            let parent = fp.sub(1);
                            let (flags, result) = if (*fp).flags == Record::CONSTRUCTOR && value.tag() == NONE {
                                (0, (*fp).handled)
                            } else {
                                ((*fp).flags, value)
                            };
                            if flags == 0 && (*parent).deliver == Deliver::Store {
                                let home: Option<(*mut Raw, bool)> = match (*parent).kind {
                                    RecordKind::Plain => Some((self.fiber.registers.pointer((*parent).base), false)),
                                    RecordKind::InPlace { generator, .. } => {
                                        Some((generator.tail().as_ptr().cast_mut().cast(), true))
                                    }
                                    RecordKind::Native { .. } | RecordKind::Exit { .. } => None,
                                };
                                if let Some((home, in_place)) = home {
                                    home.add(usize::from((*parent).dst)).write(result);
                                    let depth = self.fiber.records.len();
                                    self.fiber.records.set_len(depth - 1);
                                    fp = parent;
                                    let caller = (*parent).function.expect("a frame of the language");
                                    go_on!(caller, home, in_place || caller.code().get().detached, (*parent).next)
                                }
                            }
                            if flags == 0 && matches!((*parent).kind, RecordKind::Exit { .. }) {
                                // What `deliver` does for a native that called.
                                let depth = self.fiber.records.len();
                                self.fiber.records.set_len(depth - 2);
                                self.coroutines.yielded = false;
                                return Ok(result);
                            }
                            if flags == 0 && self.take_at_once(result) {
                                continue 'reload;
                            }
                            match self.return_slow(value) {
                                Ok(value) => break 'run Leave::Deliver(Delivery::Returned(value)),
                                Err(_) => break 'run Leave::Raise,
                            }
                        }};
                    }
                    // Resumes a generator that awaits nothing, for its next item. What `push_in_place` does, with the frame's position known.
                    macro_rules! resume {
                        ($generator:expr, $state:expr, $input:expr) => {{
                            let (generator, input): (Held<Generator>, Raw) = ($generator, $input);
                            let cell = generator.get();
                            self.heap.barrier_of(generator.value());
                            cell.state.set(GeneratorState::Running);
                            let home: *mut Raw = generator.tail().as_ptr().cast_mut().cast();
                            if $state == GeneratorState::Suspended {
                                home.add(usize::from(cell.input.get())).write(input);
                            }
                            let callee = cell.function.get().expect("a generator has a function").held();
                            let words = callee.code().get().words.as_ptr();
                            let next = words.add(cell.next.get() as usize);
                            let depth = self.fiber.records.len();
                            fp = fp.add(1);
                            fp.write(Record {
                                kind: RecordKind::InPlace { generator, root: generator },
                                deliver: Deliver::Store,
                                dst: 0,
                                flags: 0,
                                base: self.fiber.top,
                                end: self.fiber.top,
                                ip: next,
                                next,
                                target: words,
                                function: Some(callee),
                                handled: self.fiber.handled,
                            });
                            self.fiber.records.set_len(depth + 1);
                            let handled = cell.handled.value();
                            self.fiber.handled = if handled.is_none() { Raw::UNBOUND } else { handled.raw() };
                            self.fiber.extra_depth += cell.depth.get();
                            go_on!(callee, home, true, next)
                        }};
                    }
                    // A call of anything with callee and arguments in registers `base..`.
                    macro_rules! call {
                        ($op:ident, $dst:expr, $callee:expr, $first:expr, $argc:expr, $keywords:expr) => {{
                            let dst: usize = $dst;
                            let (callee, first, argc): (Raw, usize, usize) = ($callee, $first, $argc);
                            sync!($op, Deliver::Store, dst);
                            let start = self.window((*fp).base, regs, first, argc, detached);
                            out!(self.invoke(callee, start, argc as u32, $keywords), |raw| {
                                set!(dst, raw);
                                go!($op)
                            })
                        }};
                    }
                    // While what a fused await called runs, this frame stands at the `Delegate`.
                    macro_rules! stand_at_delegate {
                        ($base:expr, $dst:expr, $kind:expr) => {{
                            set!($base, Raw::UNBOUND);
                            set!($dst, Raw::NONE);
                            if let RecordKind::InPlace { generator, .. } = $kind {
                                let word = generator.get().next.get() - const { length(Op::Delegate) as u32 };
                                generator.get().word.set(word);
                            }
                        }};
                    }
                    // `await` of a call: an async def runs at once in the place of this frame, a native that can suspend within it.
                    macro_rules! fused_await {
                        ($op:ident, $base:expr, $dst:expr, $callee:expr, $argc:expr, || $start:expr) => {{
                            let callee: Raw = $callee;
                            let (base, dst, argc): (usize, usize, usize) = ($base, $dst, $argc);
                            if callee.tag() == FUNCTION {
                                let function: Held<Function> = Gc::from_header(callee.header());
                                sync!($op, Deliver::Store, dst);
                                (*fp).next = behind_delegate(ip.add(const { length(Op::$op) }));
                                let start = $start;
                                let kind = (*fp).kind;
                                match self.await_call(function, start, argc as u32) {
                                    Ok(true) => {
                                        stand_at_delegate!(base, dst, kind);
                                        entered!()
                                    }
                                    Ok(false) => {}
                                    Err(_) => break 'run Leave::Raise,
                                }
                            } else if callee.tag() == NATIVE && matches!((*fp).kind, RecordKind::InPlace { .. }) {
                                let native: Held<NativeFunction> = Gc::from_header(callee.header());
                                if native.get().def.suspends {
                                    sync!($op, Deliver::Delegate, dst);
                                    let start = $start;
                                    match self.native_arguments(native, start, argc as u32, None) {
                                        Ok(args) => {
                                            reload!();
                                            let behind = behind_delegate(ip.add(const { length(Op::$op) }));
                                            (*fp).next = behind;
                                            (*fp).ip = behind.sub(const { length(Op::Delegate) });
                                            set!(base, callee);
                                            set!(dst, Raw::NONE);
                                            out!(self.await_native(native, args), |raw| {
                                                set!(dst, raw);
                                                pc = behind;
                                                next!(12)
                                            })
                                        }
                                        Err(_) => break 'run Leave::Raise,
                                    }
                                }
                            }
                        }};
                    }
                    // What a native does for arguments of the usual types.
                    macro_rules! quick {
                        ($op:ident, $dst:expr, $native:expr, $first:expr, $argc:expr) => {{
                            let native: Held<NativeFunction> = $native;
                            let (first, argc): (usize, usize) = ($first, $argc);
                            let quick = match (native.get().def.quick, argc) {
                                (Quick::One(f), 1) => f(self, reg!(first)),
                                (Quick::Two(f), 2) => f(self, reg!(first), reg!(first + 1)),
                                (Quick::Three(f), 2) => f(self, reg!(first), reg!(first + 1), Raw::UNBOUND),
                                (Quick::Three(f), 3) => f(self, reg!(first), reg!(first + 1), reg!(first + 2)),
                                _ => Raw::UNBOUND,
                            };
                            if let Quick::Next | Quick::Send = native.get().def.quick
                                && argc == 1 + usize::from(matches!(native.get().def.quick, Quick::Send))
                                && let Some((generator, state)) = idle_generator(reg!(first))
                                && self.fiber.records.len() < self.fiber.records.capacity()
                                && self.depth() < self.recursion_limit
                            {
                                let input = if argc == 2 { reg!(first + 1) } else { Raw::NONE };
                                if state == GeneratorState::Suspended || input.tag() == NONE {
                                    sync!($op, Deliver::Sent, $dst);
                                    resume!(generator, state, input)
                                }
                            }
                            if !quick.is_unbound() {
                                set!($dst, quick);
                                go!($op);
                            }
                        }};
                    }
                    // A native with just the arguments it wants needs no binding.
                    macro_rules! call_native {
                        ($op:ident, $dst:expr, $native:expr, $first:expr, $argc:expr) => {{
                            let native: Held<NativeFunction> = $native;
                            let (first, argc): (usize, usize) = ($first, $argc);
                            quick!($op, $dst, native, first, argc);
                            if native.get().takes(argc) {
                                let dst: usize = $dst;
                                let start = if detached {
                                    sync!($op, Deliver::Store, dst);
                                    self.window((*fp).base, regs, first, argc, detached)
                                } else {
                                    // The native's window is the top of the stack as long as it runs.
                                    let record = &mut *fp;
                                    record.ip = ip;
                                    record.next = ip.add(const { length(Op::$op) });
                                    record.deliver = Deliver::Store;
                                    record.dst = dst as u8;
                                    record.base + first as u32
                                };
                                let count = u32::from(native.get().positional);
                                for missing in start + argc as u32..start + count {
                                    self.fiber.registers.set(missing, Raw::UNBOUND);
                                }
                                self.fiber.window = start;
                                self.fiber.top = start + count;
                                match (native.get().def.run)(self, Args { start, count }) {
                                    Ok(Outcome::Value(ref raw)) => {
                                        let raw = raw.copied();
                                        reload!();
                                        set!(dst, raw);
                                        go!($op)
                                    }
                                    Ok(other) => {
                                        reload!();
                                        self.fiber.window = (*fp).end;
                                        out!(self.carry_out_checked(other, start), |raw| {
                                            set!(dst, raw);
                                            go!($op)
                                        })
                                    }
                                    Err(_) => break 'run Leave::Raise,
                                }
                            }
                        }};
                    }

                    // `dst = next(iter)`, then on at `$body`; at `$done` if there is none.
                    macro_rules! next_item {
                        ($op:ident, $body:expr, $done:expr) => {{
                            let (body, done): (*const StdCell<u32>, *const StdCell<u32>) = ($body, $done);
                            let iter = reg!(b!(insn));
                            if iter.tag() == RANGE_ITERATOR {
                                let range: Gc<'_, RangeIterator> = Gc::from_header(iter.header());
                                let left = range.left.get();
                                if left == 0 {
                                    pc = done;
                                    next!(13)
                                }
                                let next = range.next.get();
                                range.left.set(left - 1);
                                range.next.set(next.wrapping_add(range.step));
                                set!(a!(insn), Raw::int(next));
                                pc = body;
                                next!(14)
                            }
                            match iter.tag() {
                                SEQUENCE_ITERATOR => {
                                    let sequence: Gc<'_, SequenceIterator> = Gc::from_header(iter.header());
                                    let source = sequence.sequence.get().raw();
                                    let at = sequence.next.get();
                                    let item = if sequence.backward {
                                        None
                                    } else if source.tag() == LIST {
                                        let list: Gc<'_, List> = Gc::from_header(source.header());
                                        Some(list.item(at))
                                    } else if source.tag() == TUPLE {
                                        let tuple: Gc<'_, Tuple> = Gc::from_header(source.header());
                                        Some(if at < tuple.len() { Some(tuple.item(at)) } else { None })
                                    } else {
                                        None
                                    };
                                    match item {
                                        Some(Some(item)) => {
                                            sequence.next.set(at + 1);
                                            set!(a!(insn), item.raw());
                                            pc = body;
                                            next!(15)
                                        }
                                        Some(None) => {
                                            sequence.set(&self.heap, |s| &s.sequence, Value::NONE);
                                            pc = done;
                                            next!(16)
                                        }
                                        None => {}
                                    }
                                }
                                NATIVE_ITERATOR | DICT_ITERATOR => {
                                    // Two targets get their items without a tuple.
                                    let behind = (*body).get();
                                    let pair = behind & 0xFF == Op::UnpackSequence as u32
                                        && b!(behind) == a!(insn)
                                        && c!(behind) == 2;
                                    if pair {
                                        if cfg!(feature = "checked") {
                                            assert!(a!(behind) + 1 < code.get().registers as usize);
                                        }
                                        if self.next_pair_at_once(iter, &mut *regs.add(a!(behind)).cast::<Items>()) {
                                            pc = body.add(const { length(Op::UnpackSequence) });
                                            next!(17)
                                        }
                                    } else if iter.tag() == DICT_ITERATOR {
                                        let mut item = Raw::UNBOUND;
                                        if next_key_at_once(iter, &mut item) {
                                            set!(a!(insn), item.copied());
                                            pc = body;
                                            next!(18)
                                        }
                                    }
                                }
                                GENERATOR => {
                                    if let Some((generator, state)) = idle_generator(iter)
                                        && self.fiber.records.len() < self.fiber.records.capacity()
                                        && self.depth() < self.recursion_limit
                                    {
                                        sync!($op, Deliver::Next, a!(insn));
                                        (*fp).next = body;
                                        (*fp).target = done;
                                        resume!(generator, state, Raw::NONE)
                                    }
                                }
                                _ => {}
                            }
                            sync!($op, Deliver::Next, a!(insn));
                            (*fp).next = body;
                            (*fp).target = done;
                            if iter.tag() != GENERATOR {
                                // Two targets get their items without a tuple.
                                let behind = (*body).get();
                                let pair = behind & 0xFF == Op::UnpackSequence as u32
                                    && b!(behind) == a!(insn)
                                    && c!(behind) == 2;
                                let mut items = [Raw::UNBOUND; 2];
                                match self.advance_into(iter, pair, &mut items) {
                                    Ok(Stepped::Item) => {
                                        set!(a!(insn), items[0].copied());
                                        pc = body;
                                        next!(19)
                                    }
                                    Ok(Stepped::Pair) => {
                                        set!(a!(behind), items[0].copied());
                                        set!(a!(behind) + 1, items[1].copied());
                                        pc = body.add(const { length(Op::UnpackSequence) });
                                        next!(20)
                                    }
                                    Ok(Stepped::End) => {
                                        pc = done;
                                        next!(21)
                                    }
                                    Ok(Stepped::Ask) => {}
                                    Err(_) => break 'run Leave::Raise,
                                }
                            }
                            out!(self.next_item(iter), |raw| {
                                if raw.is_unbound() {
                                    pc = done;
                                    next!(22)
                                }
                                set!(a!(insn), raw);
                                pc = body;
                                next!(23)
                            })
                        }};
                    }

                    match op {
                        // ---- moves and constants ----
                        Op::Move => {
                            set!(a!(insn), reg!(b!(insn)));
                            go!(Move)
                        }
                        Op::LoadConst => {
                            set!(a!(insn), constant!(word!(ip, 1)));
                            go!(LoadConst)
                        }
                        Op::LoadInt => {
                            set!(a!(insn), Raw::int(i64::from(half!(insn) as u16 as i16)));
                            go!(LoadInt)
                        }
                        Op::LoadNone => {
                            set!(a!(insn), Raw::NONE);
                            go!(LoadNone)
                        }
                        Op::LoadTrue => {
                            set!(a!(insn), Raw::TRUE);
                            go!(LoadTrue)
                        }
                        Op::LoadFalse => {
                            set!(a!(insn), Raw::FALSE);
                            go!(LoadFalse)
                        }
                        Op::Unbind => {
                            let old = reg!(a!(insn));
                            set!(a!(insn), Raw::UNBOUND);
                            if old.is_pointer()
                                && ((*old.header()).flags() & crate::heap::FINALISABLE != 0
                                    || matches!(old.tag(), LIST | TUPLE))
                            {
                                effect!(Unbind, self.let_go(old))
                            }
                            go!(Unbind)
                        }
                        Op::CheckBound => {
                            if reg!(a!(insn)).is_unbound() {
                                raise!(CheckBound, self.unbound_local(name!(ip, 1)))
                            }
                            go!(CheckBound)
                        }
                        Op::LoadFar => {
                            set!(a!(insn), reg!(half!(insn) as usize));
                            go!(LoadFar)
                        }
                        Op::StoreFar => {
                            set!(half!(insn) as usize, reg!(a!(insn)));
                            go!(StoreFar)
                        }

                        // ---- variables ----
                        Op::MakeCell => {
                            let content = crate::heap::Slot::new(Value::adopt(reg!(a!(insn))));
                            let cell = self.heap.alloc(Variable { content });
                            set!(a!(insn), cell.value().raw());
                            go!(MakeCell)
                        }
                        Op::LoadCell => {
                            let content = variable(reg!(b!(insn))).content.get().raw();
                            if content.is_unbound() {
                                raise!(LoadCell, self.unbound_local(name!(ip, 1)))
                            }
                            set!(a!(insn), content);
                            go!(LoadCell)
                        }
                        Op::StoreCell => {
                            variable(reg!(a!(insn))).set(&self.heap, |v| &v.content, Value::adopt(reg!(b!(insn))));
                            go!(StoreCell)
                        }
                        Op::DeleteCell => {
                            let cell = variable(reg!(a!(insn)));
                            if cell.content.get().is_unbound() {
                                raise!(DeleteCell, self.unbound_local(name!(ip, 1)))
                            }
                            cell.set(&self.heap, |v| &v.content, Value::UNBOUND);
                            go!(DeleteCell)
                        }
                        Op::LoadFree => {
                            let content = free(function, half!(insn) as usize).content.get().raw();
                            if content.is_unbound() {
                                raise!(LoadFree, self.unbound_free(name!(ip, 1)))
                            }
                            set!(a!(insn), content);
                            go!(LoadFree)
                        }
                        Op::StoreFree => {
                            let value = Value::adopt(reg!(a!(insn)));
                            free(function, half!(insn) as usize).set(&self.heap, |v| &v.content, value);
                            go!(StoreFree)
                        }
                        Op::DeleteFree => {
                            // One two-byte operand and no other: it is in bytes B and C.
                            let cell = free(function, half!(insn) as usize);
                            if cell.content.get().is_unbound() {
                                raise!(DeleteFree, self.unbound_free(name!(ip, 1)))
                            }
                            cell.set(&self.heap, |v| &v.content, Value::UNBOUND);
                            go!(DeleteFree)
                        }
                        Op::LoadFreeCell => {
                            let closure = function.get().closure.get().expect("a closure");
                            set!(a!(insn), closure.item(half!(insn) as usize).raw());
                            go!(LoadFreeCell)
                        }
                        Op::LoadGlobal => {
                            let globals = function.globals();
                            if globals.version() == word!(ip, 2) && word!(ip, 2) != 0 {
                                let index = word!(ip, 3);
                                if word!(ip, 4) == 0 {
                                    set!(a!(insn), globals.value_at(index as usize).raw());
                                    go!(LoadGlobal);
                                }
                                let builtins = self.builtins();
                                if builtins.version() == word!(ip, 4) {
                                    set!(a!(insn), builtins.value_at(index as usize).raw());
                                    go!(LoadGlobal);
                                }
                            }
                            let cache = [&*ip.add(2), &*ip.add(3), &*ip.add(4)];
                            direct!(LoadGlobal, a!(insn), self.load_global(globals, name!(ip, 1), cache))
                        }
                        Op::StoreGlobal => {
                            let globals = function.globals();
                            let value = Value::adopt(reg!(a!(insn)));
                            if globals.version() == word!(ip, 2) && word!(ip, 2) != 0 {
                                let old = globals.value_at(word!(ip, 3) as usize).raw();
                                globals.set_value_at(&self.heap, word!(ip, 3) as usize, value);
                                if old.is_pointer() && (*old.header()).flags() & crate::heap::FINALISABLE != 0 {
                                    effect!(StoreGlobal, self.let_go(old))
                                }
                                go!(StoreGlobal);
                            }
                            let cache = [&*ip.add(2), &*ip.add(3)];
                            effect!(StoreGlobal, self.store_global(globals, name!(ip, 1), value.raw(), cache))
                        }
                        Op::DeleteGlobal => effect!(DeleteGlobal, self.delete_global(function.globals(), name!(ip, 1))),
                        Op::LoadName => {
                            direct!(
                                LoadName,
                                a!(insn),
                                self.load_name(reg!(b!(insn)), name!(ip, 1), function.globals())
                            )
                        }
                        Op::StoreName => {
                            effect!(StoreName, self.store_name(reg!(a!(insn)), name!(ip, 1), reg!(b!(insn))))
                        }
                        Op::DeleteName => effect!(DeleteName, self.delete_name(reg!(a!(insn)), name!(ip, 1))),
                        Op::LoadNameOrFree => {
                            let cell = free(function, word!(ip, 1) as usize);
                            direct!(
                                LoadNameOrFree,
                                a!(insn),
                                self.load_name_or_free(reg!(b!(insn)), name!(ip, 2), cell)
                            )
                        }
                        Op::LoadNameOrGlobal => {
                            direct!(
                                LoadNameOrGlobal,
                                a!(insn),
                                self.load_name(reg!(b!(insn)), name!(ip, 1), function.globals())
                            )
                        }
                        Op::LoadGlobals => {
                            set!(a!(insn), function.globals().value().raw());
                            go!(LoadGlobals)
                        }
                        Op::LoadLocals => {
                            direct!(LoadLocals, a!(insn), self.locals_of_top())
                        }

                        // ---- arithmetic ----
                        Op::Add => arithmetic!(Add, Add, checked_add, x, y, x + y),
                        Op::Sub => arithmetic!(Sub, Sub, checked_sub, x, y, x - y),
                        Op::Mul => arithmetic!(Mul, Mul, checked_mul, x, y, x * y),
                        Op::TrueDiv => {
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            let pair = if x.tag() == FLOAT && y.tag() == FLOAT {
                                Some((x.float_unchecked(), y.float_unchecked()))
                            } else if x.tag() == INT && y.tag() == INT {
                                small_pair(x.int_unchecked(), y.int_unchecked())
                            } else {
                                mixed(x, y)
                            };
                            if let Some((x, y)) = pair
                                && y != 0.0
                            {
                                set!(a!(insn), Raw::float(x / y));
                                go!(TrueDiv);
                            }
                            store!(TrueDiv, a!(insn), self.binary(BinaryKind::TrueDiv, x, y))
                        }
                        Op::FloorDiv => {
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT
                                && y.tag() == INT
                                && let Some(r) = floor_div(x.int_unchecked(), y.int_unchecked())
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(FloorDiv);
                            }
                            store!(FloorDiv, a!(insn), self.binary(BinaryKind::FloorDiv, x, y))
                        }
                        Op::Mod => {
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT
                                && y.tag() == INT
                                && let Some(r) = modulo(x.int_unchecked(), y.int_unchecked())
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(Mod);
                            }
                            store!(Mod, a!(insn), self.binary(BinaryKind::Mod, x, y))
                        }
                        Op::Pow => {
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == FLOAT && y.tag() == FLOAT && x.float_unchecked() > 0.0 {
                                let power = x.float_unchecked().powf(y.float_unchecked());
                                if power.is_finite() {
                                    set!(a!(insn), Raw::float(power));
                                    go!(Pow);
                                }
                            }
                            store!(Pow, a!(insn), self.binary(BinaryKind::Pow, reg!(b!(insn)), reg!(c!(insn))))
                        }
                        Op::LShift => {
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT
                                && y.tag() == INT
                                && let Some(r) = shift_left(x.int_unchecked(), y.int_unchecked())
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(LShift);
                            }
                            store!(LShift, a!(insn), self.binary(BinaryKind::LShift, x, y))
                        }
                        Op::RShift => {
                            let (x, y) = (reg!(b!(insn)), reg!(c!(insn)));
                            if x.tag() == INT && y.tag() == INT && y.int_unchecked() >= 0 {
                                set!(a!(insn), Raw::int(x.int_unchecked() >> y.int_unchecked().min(63)));
                                go!(RShift);
                            }
                            store!(RShift, a!(insn), self.binary(BinaryKind::RShift, x, y))
                        }
                        Op::And => bits!(And, And, &),
                        Op::Or => bits!(Or, Or, |),
                        Op::Xor => bits!(Xor, Xor, ^),
                        Op::MatMul => {
                            store!(MatMul, a!(insn), self.binary(BinaryKind::MatMul, reg!(b!(insn)), reg!(c!(insn))))
                        }
                        Op::AddImm => arithmetic_imm!(AddImm, binary, Add, checked_add, x, y, x + y),
                        Op::SubImm => arithmetic_imm!(SubImm, binary, Sub, checked_sub, x, y, x - y),
                        Op::MulImm => arithmetic_imm!(MulImm, binary, Mul, checked_mul, x, y, x * y),
                        Op::FloorDivImm => {
                            let (x, imm) = (reg!(b!(insn)), imm!(insn));
                            if x.tag() == INT && imm > 0 && imm & (imm - 1) == 0 {
                                set!(a!(insn), Raw::int(x.int_unchecked() >> imm.trailing_zeros()));
                                go!(FloorDivImm);
                            }
                            if x.tag() == INT
                                && let Some(r) = floor_div(x.int_unchecked(), imm)
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(FloorDivImm);
                            }
                            store!(FloorDivImm, a!(insn), self.binary(BinaryKind::FloorDiv, x, Raw::int(imm)))
                        }
                        Op::ModImm => {
                            let (x, imm) = (reg!(b!(insn)), imm!(insn));
                            if x.tag() == INT && imm > 0 && imm & (imm - 1) == 0 {
                                set!(a!(insn), Raw::int(x.int_unchecked() & (imm - 1)));
                                go!(ModImm);
                            }
                            if x.tag() == INT
                                && let Some(r) = modulo(x.int_unchecked(), imm)
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(ModImm);
                            }
                            store!(ModImm, a!(insn), self.binary(BinaryKind::Mod, x, Raw::int(imm)))
                        }
                        Op::AndImm => {
                            let (x, imm) = (reg!(b!(insn)), imm!(insn));
                            if x.tag() == INT {
                                set!(a!(insn), Raw::int(x.int_unchecked() & imm));
                                go!(AndImm);
                            }
                            store!(AndImm, a!(insn), self.binary(BinaryKind::And, x, Raw::int(imm)))
                        }
                        Op::LShiftImm => {
                            let (x, imm) = (reg!(b!(insn)), imm!(insn));
                            if x.tag() == INT
                                && let Some(r) = shift_left(x.int_unchecked(), imm)
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(LShiftImm);
                            }
                            store!(LShiftImm, a!(insn), self.binary(BinaryKind::LShift, x, Raw::int(imm)))
                        }
                        Op::RShiftImm => {
                            let (x, imm) = (reg!(b!(insn)), imm!(insn));
                            if x.tag() == INT && imm >= 0 {
                                set!(a!(insn), Raw::int(x.int_unchecked() >> imm.min(63)));
                                go!(RShiftImm);
                            }
                            store!(RShiftImm, a!(insn), self.binary(BinaryKind::RShift, x, Raw::int(imm)))
                        }
                        Op::InplaceAdd => inplace!(InplaceAdd, Add, checked_add, x, y, x + y),
                        Op::InplaceSub => inplace!(InplaceSub, Sub, checked_sub, x, y, x - y),
                        Op::InplaceMul => inplace!(InplaceMul, Mul, checked_mul, x, y, x * y),
                        Op::InplaceOp => {
                            let kind = BinaryKind::ALL[word!(ip, 1) as usize];
                            store!(InplaceOp, a!(insn), self.inplace(kind, reg!(b!(insn)), reg!(c!(insn))))
                        }
                        Op::InplaceAddImm => arithmetic_imm!(InplaceAddImm, inplace, Add, checked_add, x, y, x + y),
                        Op::InplaceSubImm => arithmetic_imm!(InplaceSubImm, inplace, Sub, checked_sub, x, y, x - y),
                        Op::Neg => {
                            let x = reg!(b!(insn));
                            if x.tag() == INT
                                && let Some(r) = x.int_unchecked().checked_neg()
                            {
                                set!(a!(insn), Raw::int(r));
                                go!(Neg);
                            }
                            if x.tag() == FLOAT {
                                set!(a!(insn), Raw::float(-x.float_unchecked()));
                                go!(Neg);
                            }
                            store!(Neg, a!(insn), self.unary(super::ops::UnaryKind::Neg, x))
                        }
                        Op::Pos => store!(Pos, a!(insn), self.unary(super::ops::UnaryKind::Pos, reg!(b!(insn)))),
                        Op::Invert => {
                            store!(Invert, a!(insn), self.unary(super::ops::UnaryKind::Invert, reg!(b!(insn))))
                        }
                        Op::Not => {
                            let x = reg!(b!(insn));
                            match x.tag() {
                                TRUE => {
                                    set!(a!(insn), Raw::FALSE);
                                    go!(Not)
                                }
                                FALSE | NONE => {
                                    set!(a!(insn), Raw::TRUE);
                                    go!(Not)
                                }
                                _ => {}
                            }
                            sync!(Not, Deliver::StoreNot, a!(insn));
                            out!(self.truth_of(x), |raw| {
                                set!(a!(insn), Raw::bool(raw.same(Raw::FALSE)));
                                go!(Not)
                            })
                        }

                        // ---- comparison ----
                        Op::Lt => compare!(Lt, Lt, <),
                        Op::Le => compare!(Le, Le, <=),
                        Op::Eq => compare!(Eq, Eq, ==),
                        Op::Ne => compare!(Ne, Ne, !=),
                        Op::Gt => compare!(Gt, Gt, >),
                        Op::Ge => compare!(Ge, Ge, >=),
                        Op::Is => {
                            set!(a!(insn), Raw::bool(reg!(b!(insn)).same(reg!(c!(insn)))));
                            go!(Is)
                        }
                        Op::IsNot => {
                            set!(a!(insn), Raw::bool(!reg!(b!(insn)).same(reg!(c!(insn)))));
                            go!(IsNot)
                        }
                        Op::In => store!(In, a!(insn), self.contains(reg!(c!(insn)), reg!(b!(insn)))),
                        Op::NotIn => {
                            sync!(NotIn, Deliver::StoreNot, a!(insn));
                            out!(self.contains(reg!(c!(insn)), reg!(b!(insn))), |raw| {
                                set!(a!(insn), Raw::bool(raw.same(Raw::FALSE)));
                                go!(NotIn)
                            })
                        }

                        // ---- jumps ----
                        Op::Jump => jump!(Jump, word!(ip, 1)),
                        Op::JumpIfTrue => {
                            let x = reg!(a!(insn));
                            match x.tag() {
                                TRUE => jump!(JumpIfTrue, word!(ip, 1)),
                                FALSE | NONE => go!(JumpIfTrue),
                                INT => {
                                    if x.int_unchecked() != 0 {
                                        jump!(JumpIfTrue, word!(ip, 1))
                                    } else {
                                        go!(JumpIfTrue)
                                    }
                                }
                                _ => jump_on!(JumpIfTrue, true, word!(ip, 1), self.truth_of(x)),
                            }
                        }
                        Op::JumpIfFalse => {
                            let x = reg!(a!(insn));
                            match x.tag() {
                                TRUE => go!(JumpIfFalse),
                                FALSE | NONE => jump!(JumpIfFalse, word!(ip, 1)),
                                INT => {
                                    if x.int_unchecked() == 0 {
                                        jump!(JumpIfFalse, word!(ip, 1))
                                    } else {
                                        go!(JumpIfFalse)
                                    }
                                }
                                _ => jump_on!(JumpIfFalse, false, word!(ip, 1), self.truth_of(x)),
                            }
                        }
                        Op::JumpIfNone => {
                            if reg!(a!(insn)).tag() == NONE {
                                jump!(JumpIfNone, word!(ip, 1))
                            } else {
                                go!(JumpIfNone)
                            }
                        }
                        Op::JumpIfNotNone => {
                            if reg!(a!(insn)).tag() != NONE {
                                jump!(JumpIfNotNone, word!(ip, 1))
                            } else {
                                go!(JumpIfNotNone)
                            }
                        }
                        Op::JumpIfIs => {
                            if reg!(a!(insn)).same(reg!(b!(insn))) {
                                jump!(JumpIfIs, word!(ip, 1))
                            } else {
                                go!(JumpIfIs)
                            }
                        }
                        Op::JumpIfIsNot => {
                            if reg!(a!(insn)).same(reg!(b!(insn))) {
                                go!(JumpIfIsNot)
                            } else {
                                jump!(JumpIfIsNot, word!(ip, 1))
                            }
                        }
                        Op::JumpIfLt => jump_compare!(JumpIfLt, Lt, <, true),
                        Op::JumpIfLe => jump_compare!(JumpIfLe, Le, <=, true),
                        Op::JumpIfEq => jump_compare!(JumpIfEq, Eq, ==, true),
                        Op::JumpIfNe => jump_compare!(JumpIfNe, Ne, !=, true),
                        Op::JumpIfGt => jump_compare!(JumpIfGt, Gt, >, true),
                        Op::JumpIfGe => jump_compare!(JumpIfGe, Ge, >=, true),
                        Op::JumpUnlessLt => jump_compare!(JumpUnlessLt, Lt, <, false),
                        Op::JumpUnlessLe => jump_compare!(JumpUnlessLe, Le, <=, false),
                        Op::JumpUnlessEq => jump_compare!(JumpUnlessEq, Eq, ==, false),
                        Op::JumpUnlessNe => jump_compare!(JumpUnlessNe, Ne, !=, false),
                        Op::JumpUnlessGt => jump_compare!(JumpUnlessGt, Gt, >, false),
                        Op::JumpUnlessGe => jump_compare!(JumpUnlessGe, Ge, >=, false),
                        Op::JumpIfLtImm => jump_compare_imm!(JumpIfLtImm, Lt, <, true),
                        Op::JumpIfLeImm => jump_compare_imm!(JumpIfLeImm, Le, <=, true),
                        Op::JumpIfEqImm => jump_compare_imm!(JumpIfEqImm, Eq, ==, true),
                        Op::JumpIfNeImm => jump_compare_imm!(JumpIfNeImm, Ne, !=, true),
                        Op::JumpIfGtImm => jump_compare_imm!(JumpIfGtImm, Gt, >, true),
                        Op::JumpIfGeImm => jump_compare_imm!(JumpIfGeImm, Ge, >=, true),
                        Op::JumpUnlessLtImm => jump_compare_imm!(JumpUnlessLtImm, Lt, <, false),
                        Op::JumpUnlessLeImm => jump_compare_imm!(JumpUnlessLeImm, Le, <=, false),
                        Op::JumpUnlessEqImm => jump_compare_imm!(JumpUnlessEqImm, Eq, ==, false),
                        Op::JumpUnlessNeImm => jump_compare_imm!(JumpUnlessNeImm, Ne, !=, false),
                        Op::JumpUnlessGtImm => jump_compare_imm!(JumpUnlessGtImm, Gt, >, false),
                        Op::JumpUnlessGeImm => jump_compare_imm!(JumpUnlessGeImm, Ge, >=, false),

                        // ---- iteration and unpacking ----
                        Op::GetIter => store!(GetIter, a!(insn), self.get_iter(reg!(b!(insn)))),
                        Op::ForIter => {
                            let target = ip.offset(word!(ip, 1) as i32 as isize);
                            next_item!(ForIter, ip.add(const { length(Op::ForIter) }), target)
                        }
                        Op::ForLoop => {
                            let body = ip.offset(word!(ip, 1) as i32 as isize);
                            // The safepoint of the loop's backward jump comes before the item is taken.
                            if (*interrupt).load(Ordering::Relaxed) != 0 {
                                sync!(ForLoop, Deliver::Discard, 0);
                                match self.safepoint() {
                                    Ok(()) => reload!(),
                                    Err(_) => break 'run Leave::Raise,
                                }
                            }
                            next_item!(ForLoop, body, ip.add(const { length(Op::ForLoop) }))
                        }
                        Op::UnpackSequence => {
                            let (base, src, count) = (a!(insn), reg!(b!(insn)), c!(insn));
                            if src.tag() == TUPLE {
                                let tuple: Gc<'_, Tuple> = Gc::from_header(src.header());
                                if tuple.len() == count {
                                    for i in 0..count {
                                        set!(base + i, tuple.item(i).raw());
                                    }
                                    go!(UnpackSequence);
                                }
                            } else if src.tag() == LIST {
                                let list: Gc<'_, List> = Gc::from_header(src.header());
                                if list.len() == count {
                                    for (i, item) in list.items().enumerate() {
                                        set!(base + i, item.raw());
                                    }
                                    go!(UnpackSequence);
                                }
                            }
                            sync!(UnpackSequence, Deliver::Discard, 0);
                            match self.unpack_sequence(src, count) {
                                Ok(items) => {
                                    reload!();
                                    for (i, item) in items.iter().enumerate() {
                                        set!(base + i, *item);
                                    }
                                    go!(UnpackSequence)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::UnpackEx => {
                            let (base, src, before) = (a!(insn), reg!(b!(insn)), c!(insn));
                            sync!(UnpackEx, Deliver::Discard, 0);
                            match self.unpack_extended(src, before, word!(ip, 1) as usize) {
                                Ok(items) => {
                                    reload!();
                                    for (i, item) in items.iter().enumerate() {
                                        set!(base + i, *item);
                                    }
                                    go!(UnpackEx)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }

                        // ---- building ----
                        Op::BuildList => {
                            let base = b!(insn);
                            let list = List::build(&self.heap, c!(insn), |i| Value::adopt(reg!(base + i)));
                            set!(a!(insn), list.value().raw());
                            go!(BuildList)
                        }
                        Op::BuildTuple => {
                            let (base, count) = (b!(insn), c!(insn));
                            let tuple = if count == 0 {
                                self.empty_tuple().value().raw()
                            } else {
                                Tuple::build(&self.heap, count, |i| Value::adopt(reg!(base + i))).value().raw()
                            };
                            set!(a!(insn), tuple);
                            go!(BuildTuple)
                        }
                        Op::BuildSet => {
                            direct!(BuildSet, a!(insn), self.build_set(Window::new(regs.add(b!(insn)), c!(insn))))
                        }
                        Op::BuildMap => {
                            direct!(BuildMap, a!(insn), self.build_map(Window::new(regs.add(b!(insn)), 2 * c!(insn))))
                        }
                        Op::BuildSlice => {
                            let base = b!(insn);
                            let step = if c!(insn) == 3 { reg!(base + 2) } else { Raw::NONE };
                            let slice = self.build_slice(reg!(base), reg!(base + 1), step);
                            set!(a!(insn), slice);
                            go!(BuildSlice)
                        }
                        Op::BuildString => {
                            let (base, count) = (b!(insn), c!(insn));
                            sync!(BuildString, Deliver::Store, 0);
                            let joined = self.join_texts((0..count).map(|i| reg!(base + i)));
                            match joined {
                                Ok(raw) => {
                                    set!(a!(insn), raw);
                                    go!(BuildString)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::ListAppend => {
                            let list: Gc<'_, List> = Gc::from_header(reg!(a!(insn)).header());
                            if list.push(&self.heap, Value::adopt(reg!(b!(insn)))).is_err() {
                                raise!(ListAppend, self.memory_error());
                            }
                            go!(ListAppend)
                        }
                        Op::MakeRoom => {
                            self.prepare_for(reg!(a!(insn)), reg!(b!(insn)));
                            go!(MakeRoom)
                        }
                        Op::ListExtend => effect!(ListExtend, self.list_extend(reg!(a!(insn)), reg!(b!(insn)))),
                        Op::SetAdd => {
                            let (set, key) = (reg!(a!(insn)), reg!(b!(insn)));
                            if self.set_add_quickly(set, key) {
                                go!(SetAdd);
                            }
                            effect!(SetAdd, self.set_add_raw(set, key))
                        }
                        Op::SetUpdate => effect!(SetUpdate, self.set_update_raw(reg!(a!(insn)), reg!(b!(insn)))),
                        Op::MapAdd => {
                            let (dict, key, value) = (reg!(a!(insn)), reg!(b!(insn)), reg!(c!(insn)));
                            if matches!(self.dict_set_at_once(dict, key, value), Some(Ok(()))) {
                                go!(MapAdd);
                            }
                            effect!(MapAdd, self.dict_set_raw(dict, key, value))
                        }
                        Op::DictUpdate => effect!(DictUpdate, self.dict_update_raw(reg!(a!(insn)), reg!(b!(insn)))),
                        Op::DictMerge => {
                            effect!(DictMerge, self.dict_merge_raw(reg!(a!(insn)), reg!(b!(insn)), reg!(c!(insn))))
                        }
                        Op::ListToTuple => {
                            let list: Gc<'_, List> = Gc::from_header(reg!(b!(insn)).header());
                            let tuple = if list.is_empty() {
                                self.empty_tuple().value().raw()
                            } else {
                                let mut items = list.items();
                                Tuple::build(&self.heap, list.len(), |_| items.next().expect("as many")).value().raw()
                            };
                            set!(a!(insn), tuple);
                            go!(ListToTuple)
                        }
                        Op::FormatSimple => {
                            let value = reg!(b!(insn));
                            if value.tag() == STR {
                                if matches!(c!(insn) as u8, 0 | b's') {
                                    set!(a!(insn), value);
                                    go!(FormatSimple);
                                }
                            } else if value.tag() == INT && matches!(c!(insn) as u8, 0 | b's' | b'r') {
                                let text = self.int_text(value.int_unchecked());
                                set!(a!(insn), text);
                                go!(FormatSimple);
                            }
                            store!(FormatSimple, a!(insn), self.format_value(value, Raw::UNBOUND, c!(insn) as u8))
                        }
                        Op::FormatSpec => {
                            let (value, spec) = (reg!(b!(insn)), reg!(c!(insn)));
                            store!(FormatSpec, a!(insn), self.format_value(value, spec, word!(ip, 1) as u8))
                        }
                        Op::BuildInterpolation => {
                            let base = b!(insn);
                            let parts = [reg!(base), reg!(base + 1), reg!(base + 2)];
                            direct!(BuildInterpolation, a!(insn), self.build_interpolation(parts, c!(insn) as u8))
                        }
                        Op::BuildTemplate => {
                            let base = b!(insn);
                            direct!(BuildTemplate, a!(insn), self.build_template(reg!(base), reg!(base + 1)))
                        }

                        // ---- attributes and items ----
                        Op::GetAttr => {
                            let object = reg!(b!(insn));
                            if object.tag() == INSTANCE {
                                let instance: Gc<'_, Instance> = Gc::from_header(object.header());
                                if instance.shape() == word!(ip, 2) && word!(ip, 3) == self.epoch {
                                    let kind = word!(ip, 4);
                                    if kind == cached::INLINE {
                                        // A member of `__slots__` may be unset; an instance made early may have fewer inline slots.
                                        let slot = word!(ip, 5) as usize;
                                        let value = match instance.tail().get(slot) {
                                            Some(slot) => slot.get().raw(),
                                            None => instance.slot(slot).raw(),
                                        };
                                        if !value.is_unbound() {
                                            set!(a!(insn), value);
                                            go!(GetAttr);
                                        }
                                    } else if kind == cached::GETTER {
                                        let pointer = pointer_of(word!(ip, 5), word!(ip, 6));
                                        let getter: Held<Function> = Gc::from_header(pointer);
                                        store!(GetAttr, a!(insn), self.call_getter(getter, object))
                                    } else if kind & 0xFF == cached::CLASS {
                                        let pointer = pointer_of(word!(ip, 5), word!(ip, 6));
                                        let dict: Gc<'_, Dict> = Gc::from_header(pointer);
                                        set!(a!(insn), dict.value_at((kind >> 8) as usize).raw());
                                        go!(GetAttr);
                                    }
                                }
                            } else if word!(ip, 4) == cached::MODULE {
                                if let Some(dict) = namespace_of(object)
                                    && dict.version() == word!(ip, 2)
                                    && word!(ip, 3) == self.epoch
                                {
                                    set!(a!(insn), dict.value_at(word!(ip, 5) as usize).raw());
                                    go!(GetAttr);
                                }
                            } else if word!(ip, 4) == cached::NATIVE
                                && shape_key(object) == word!(ip, 2)
                                && word!(ip, 3) == self.epoch
                            {
                                let getter: Held<NativeFunction> =
                                    Gc::from_header(pointer_of(word!(ip, 5), word!(ip, 6)));
                                store!(GetAttr, a!(insn), self.call_native_getter(getter, object))
                            } else if word!(ip, 4) == cached::FIELD
                                && shape_key(object) == word!(ip, 2)
                                && word!(ip, 3) == self.epoch
                                && let Some(item) = self.item_of_derived(object, word!(ip, 5) as usize)
                            {
                                set!(a!(insn), item);
                                go!(GetAttr);
                            }
                            let cache = [&*ip.add(2), &*ip.add(3), &*ip.add(4), &*ip.add(5), &*ip.add(6)];
                            store!(GetAttr, a!(insn), self.get_attr_op(object, name!(ip, 1), cache))
                        }
                        Op::SetAttr => {
                            let (object, value) = (reg!(a!(insn)), reg!(b!(insn)));
                            if object.tag() == INSTANCE {
                                let instance: Gc<'_, Instance> = Gc::from_header(object.header());
                                if instance.shape() == word!(ip, 2) && word!(ip, 3) == self.epoch {
                                    let kind = word!(ip, 4);
                                    let slot = word!(ip, 5) as usize;
                                    let inline = slot < instance.inline();
                                    if kind == cached::INLINE {
                                        if inline {
                                            instance.set_tail(&self.heap, slot, Value::adopt(value));
                                        } else {
                                            instance.set_slot(self.heap.forever(), slot, Value::adopt(value));
                                        }
                                        go!(SetAttr);
                                    }
                                    if kind == cached::ADD && inline {
                                        instance.set_tail(&self.heap, slot, Value::adopt(value));
                                        instance.set_shape(word!(ip, 6));
                                        go!(SetAttr);
                                    }
                                }
                            }
                            let cache = [&*ip.add(2), &*ip.add(3), &*ip.add(4), &*ip.add(5), &*ip.add(6)];
                            discard!(SetAttr, self.set_attr_op(object, name!(ip, 1), value, cache))
                        }
                        Op::DeleteAttr => discard!(DeleteAttr, self.delete_attr_op(reg!(a!(insn)), name!(ip, 1))),
                        Op::GetItem => {
                            let (object, index) = (reg!(b!(insn)), reg!(c!(insn)));
                            match object.tag() {
                                LIST if index.tag() == INT => {
                                    let list: Gc<'_, List> = Gc::from_header(object.header());
                                    let i = index.int_unchecked();
                                    let at = if i < 0 { i.wrapping_add(list.len() as i64) } else { i };
                                    if let Some(item) = list.item(at as usize) {
                                        set!(a!(insn), item.raw());
                                        go!(GetItem);
                                    }
                                }
                                TUPLE if index.tag() == INT => {
                                    let tuple: Gc<'_, Tuple> = Gc::from_header(object.header());
                                    let i = index.int_unchecked();
                                    let at = if i < 0 { i.wrapping_add(tuple.len() as i64) } else { i };
                                    if (at as u64) < tuple.len() as u64 {
                                        set!(a!(insn), tuple.item(at as usize).raw());
                                        go!(GetItem);
                                    }
                                }
                                DICT if index.tag() == STR => {
                                    let dict: Gc<'_, Dict> = Gc::from_header(object.header());
                                    let key: Gc<'_, Str> = Gc::from_header(index.header());
                                    if let Some(value) = dict.get_str(&self.heap, key) {
                                        set!(a!(insn), value.raw());
                                        go!(GetItem);
                                    }
                                }
                                DICT => {
                                    let dict: Gc<'_, Dict> = Gc::from_header(object.header());
                                    if let Some(Some(number)) = self.dict_find_at_once(dict, Value::adopt(index)) {
                                        set!(a!(insn), dict.value_at(number).raw());
                                        go!(GetItem);
                                    }
                                }
                                _ => {}
                            }
                            store!(GetItem, a!(insn), self.get_item(object, index))
                        }
                        Op::GetItemImm => {
                            let (object, i) = (reg!(b!(insn)), imm!(insn));
                            if object.tag() == LIST {
                                let list: Gc<'_, List> = Gc::from_header(object.header());
                                let at = if i < 0 { i.wrapping_add(list.len() as i64) } else { i };
                                if let Some(item) = list.item(at as usize) {
                                    set!(a!(insn), item.raw());
                                    go!(GetItemImm);
                                }
                            } else if object.tag() == TUPLE {
                                let tuple: Gc<'_, Tuple> = Gc::from_header(object.header());
                                let at = if i < 0 { i.wrapping_add(tuple.len() as i64) } else { i };
                                if (at as u64) < tuple.len() as u64 {
                                    set!(a!(insn), tuple.item(at as usize).raw());
                                    go!(GetItemImm, 1);
                                }
                            } else if object.tag() == DICT {
                                let dict: Gc<'_, Dict> = Gc::from_header(object.header());
                                let key = Raw::int(i);
                                if let Some(Some(number)) = self.dict_find_at_once(dict, Value::adopt(key)) {
                                    set!(a!(insn), dict.value_at(number).raw());
                                    go!(GetItemImm, 2);
                                }
                            }
                            store!(GetItemImm, a!(insn), self.get_item(object, Raw::int(i)))
                        }
                        Op::SetItem => {
                            let (object, index, value) = (reg!(a!(insn)), reg!(b!(insn)), reg!(c!(insn)));
                            if object.tag() == LIST && index.tag() == INT {
                                let list: Gc<'_, List> = Gc::from_header(object.header());
                                let i = index.int_unchecked();
                                let at = if i < 0 { i.wrapping_add(list.len() as i64) } else { i };
                                if list.set_item(&self.heap, at as usize, Value::adopt(value)) {
                                    go!(SetItem);
                                }
                            } else if object.tag() == DICT
                                && matches!(self.dict_set_at_once(object, index, value), Some(Ok(())))
                            {
                                go!(SetItem);
                            }
                            discard!(SetItem, self.set_item(object, index, value))
                        }
                        Op::GetSlice => {
                            let (object, base) = (reg!(b!(insn)), c!(insn));
                            let parts = [reg!(base), reg!(base + 1), Raw::NONE];
                            if let Some(part) = &self.part_at_once(object, parts) {
                                set!(a!(insn), part.copied());
                                go!(GetSlice);
                            }
                            let slice = self.build_slice(parts[0], parts[1], parts[2]);
                            set!(base, slice);
                            store!(GetSlice, a!(insn), self.get_item(object, slice))
                        }
                        Op::SetSlice => {
                            let (object, base, value) = (reg!(a!(insn)), b!(insn), reg!(c!(insn)));
                            let parts = [reg!(base), reg!(base + 1), Raw::NONE];
                            sync!(SetSlice, Deliver::Discard, 0);
                            match self.store_part_at_once(object, parts, value) {
                                Some(Ok(())) => go!(SetSlice),
                                Some(Err(_)) => break 'run Leave::Raise,
                                None => {}
                            }
                            let slice = self.build_slice(parts[0], parts[1], parts[2]);
                            set!(base, slice);
                            discard!(SetSlice, self.set_item(object, slice, value))
                        }
                        Op::DeleteItem => discard!(DeleteItem, self.delete_item(reg!(a!(insn)), reg!(b!(insn)))),
                        Op::SuperAttr => {
                            let base = b!(insn);
                            let parts = [reg!(base), reg!(base + 1), reg!(base + 2)];
                            store!(SuperAttr, a!(insn), self.super_attribute(parts, c!(insn) as u8, name!(ip, 1)))
                        }

                        // ---- calls ----
                        Op::Call => {
                            let (base, argc) = (b!(insn), c!(insn));
                            let callee = reg!(base);
                            if callee.tag() == FUNCTION {
                                let function: Held<Function> = Gc::from_header(callee.header());
                                enter!(Call, a!(insn), function, base + 1, argc);
                            } else if callee.tag() == CLASS {
                                let class: Held<Class> = Gc::from_header(callee.header());
                                if class.get().constructor_epoch.get() == self.epoch
                                    && let Some(init) = class.get().constructor.get()
                                    && init.code().get().entry == Entry::Simple
                                {
                                    let instance = Instance::new(&self.heap, class).value().raw();
                                    set!(base, instance);
                                    enter!(Call, a!(insn), init.held(), base, argc + 1, instance);
                                }
                            } else if callee.tag() == NATIVE {
                                // Methods called through their class have their receiver checked, out of line.
                                let native: Held<NativeFunction> = Gc::from_header(callee.header());
                                if matches!(native.get().def.kind, NativeKind::Function | NativeKind::StaticMethod) {
                                    call_native!(Call, a!(insn), native, base + 1, argc);
                                }
                            }
                            if callee.tag() == BOUND {
                                // The receiver takes the place of the method.
                                let method: Gc<'_, BoundMethod> = Gc::from_header(callee.header());
                                let (function, receiver) = (method.function.get().raw(), method.receiver.get().raw());
                                if function.tag() == FUNCTION {
                                    set!(base, receiver);
                                    let function: Held<Function> = Gc::from_header(function.header());
                                    enter!(Call, a!(insn), function, base, argc + 1);
                                    call!(Call, a!(insn), function.value().raw(), base, argc + 1, None)
                                }
                                if function.tag() == NATIVE {
                                    set!(base, receiver);
                                    let native: Held<NativeFunction> = Gc::from_header(function.header());
                                    quick!(Call, a!(insn), native, base, argc + 1);
                                }
                            }
                            call!(Call, a!(insn), callee, base + 1, argc, None)
                        }
                        Op::CallKw => {
                            let (base, argc) = (b!(insn), c!(insn));
                            call!(CallKw, a!(insn), reg!(base), base + 1, argc, Some(constant!(word!(ip, 1))))
                        }
                        Op::CallEx => {
                            let base = b!(insn);
                            let parts = [reg!(base), reg!(base + 1), reg!(base + 2)];
                            store!(CallEx, a!(insn), self.call_extended(parts))
                        }
                        Op::CallMethod => {
                            let (base, argc) = (b!(insn), c!(insn));
                            // What a class or static method wraps.
                            macro_rules! call_of_class {
                                ($callee:expr, $first:expr, $argc:expr) => {{
                                    let callee: Raw = $callee;
                                    if callee.tag() == FUNCTION {
                                        let function: Held<Function> = Gc::from_header(callee.header());
                                        enter!(CallMethod, a!(insn), function, $first, $argc);
                                    }
                                    call!(CallMethod, a!(insn), callee, $first, $argc, None)
                                }};
                            }
                            // The fourth byte operand has a word of its own.
                            let object = reg!(word!(ip, 1) as usize);
                            // Both registers before the arguments are in the frame's live ones now, and hold what was there long ago.
                            set!(base, Raw::UNBOUND);
                            set!(base + 1, object);
                            if shape_key(object) == word!(ip, 3) && word!(ip, 4) == self.epoch {
                                let pointer = pointer_of(word!(ip, 6), word!(ip, 7));
                                match word!(ip, 5) {
                                    cached::FUNCTION => {
                                        let function: Held<Function> = Gc::from_header(pointer);
                                        enter!(CallMethod, a!(insn), function, base + 1, argc + 1);
                                        call!(CallMethod, a!(insn), function.value().raw(), base + 1, argc + 1, None)
                                    }
                                    cached::NATIVE => {
                                        let native: Held<NativeFunction> = Gc::from_header(pointer);
                                        call_native!(CallMethod, a!(insn), native, base + 1, argc + 1);
                                        call!(CallMethod, a!(insn), native.value().raw(), base + 1, argc + 1, None)
                                    }
                                    cached::STATIC => {
                                        let callee = Raw::cell(pointer);
                                        set!(base, Raw::NONE);
                                        set!(base + 1, callee);
                                        call_of_class!(callee, base + 2, argc)
                                    }
                                    cached::OF_CLASS => {
                                        let callee = Raw::cell(pointer);
                                        set!(base, callee);
                                        set!(base + 1, self.class_of(Value::adopt(object)).value().raw());
                                        call_of_class!(callee, base + 1, argc + 1)
                                    }
                                    _ => {}
                                }
                            }
                            if matches!(word!(ip, 5), cached::CLASS_STATIC | cached::CLASS_OWN)
                                && let Some(dict) = namespace_of(object)
                                && dict.version() == word!(ip, 3)
                                && word!(ip, 4) == self.epoch
                            {
                                let callee = Raw::cell(pointer_of(word!(ip, 6), word!(ip, 7)));
                                if word!(ip, 5) == cached::CLASS_OWN {
                                    set!(base, callee);
                                    call_of_class!(callee, base + 1, argc + 1)
                                }
                                set!(base, Raw::NONE);
                                set!(base + 1, callee);
                                call_of_class!(callee, base + 2, argc)
                            }
                            if word!(ip, 5) == cached::MODULE
                                && let Some(dict) = namespace_of(object)
                                && dict.version() == word!(ip, 3)
                                && word!(ip, 4) == self.epoch
                            {
                                let callee = dict.value_at(word!(ip, 6) as usize).raw();
                                set!(base, Raw::NONE);
                                set!(base + 1, callee);
                                if callee.tag() == FUNCTION {
                                    let function: Held<Function> = Gc::from_header(callee.header());
                                    enter!(CallMethod, a!(insn), function, base + 2, argc);
                                } else if callee.tag() == NATIVE {
                                    let native: Held<NativeFunction> = Gc::from_header(callee.header());
                                    if matches!(native.get().def.kind, NativeKind::Function) {
                                        call_native!(CallMethod, a!(insn), native, base + 2, argc);
                                    }
                                }
                                call!(CallMethod, a!(insn), callee, base + 2, argc, None)
                            }
                            let cache = [&*ip.add(3), &*ip.add(4), &*ip.add(5), &*ip.add(6), &*ip.add(7)];
                            sync!(CallMethod, Deliver::Store, a!(insn));
                            match self.find_method(object, name!(ip, 2), cache) {
                                Ok((callee, Some(receiver))) => {
                                    reload!();
                                    set!(base, callee);
                                    set!(base + 1, receiver);
                                    if callee.tag() == NATIVE {
                                        let native: Held<NativeFunction> = Gc::from_header(callee.header());
                                        if native.get().def.kind == NativeKind::Method {
                                            call_native!(CallMethod, a!(insn), native, base + 1, argc + 1);
                                        }
                                    }
                                    call!(CallMethod, a!(insn), callee, base + 1, argc + 1, None)
                                }
                                Ok((callee, None)) => {
                                    reload!();
                                    set!(base, Raw::NONE);
                                    set!(base + 1, callee);
                                    call!(CallMethod, a!(insn), callee, base + 2, argc, None)
                                }
                                Err(_) => {
                                    // The second word stands for the name.
                                    self.fiber.records.last_mut().expect("this frame").ip = ip.add(1);
                                    break 'run Leave::Raise;
                                }
                            }
                        }
                        Op::LoadMethod => {
                            let (base, object) = (a!(insn), reg!(b!(insn)));
                            if shape_key(object) == word!(ip, 2) && word!(ip, 3) == self.epoch {
                                let kind = word!(ip, 4);
                                if kind == cached::FUNCTION || kind == cached::NATIVE {
                                    let pointer = pointer_of(word!(ip, 5), word!(ip, 6));
                                    set!(base + 1, object);
                                    set!(base, Raw::cell(pointer));
                                    go!(LoadMethod);
                                }
                            }
                            if word!(ip, 4) == cached::MODULE
                                && let Some(dict) = namespace_of(object)
                                && dict.version() == word!(ip, 2)
                                && word!(ip, 3) == self.epoch
                            {
                                set!(base + 1, Raw::UNBOUND);
                                set!(base, dict.value_at(word!(ip, 5) as usize).raw());
                                go!(LoadMethod);
                            }
                            let cache = [&*ip.add(2), &*ip.add(3), &*ip.add(4), &*ip.add(5), &*ip.add(6)];
                            sync!(LoadMethod, Deliver::Store, base);
                            match self.find_method(object, name!(ip, 1), cache) {
                                Ok((callee, receiver)) => {
                                    reload!();
                                    set!(base + 1, receiver.unwrap_or(Raw::UNBOUND));
                                    set!(base, callee);
                                    go!(LoadMethod)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::SuperMethod => {
                            let base = a!(insn);
                            let parts = [reg!(base), reg!(base + 1), reg!(base + 2)];
                            if parts[2].tag() == INSTANCE
                                && (*parts[2].header()).shape() == word!(ip, 2)
                                && word!(ip, 3) == self.epoch
                                && parts[1].same(Raw::cell(pointer_of(word!(ip, 4), word!(ip, 5))))
                                && self.is_builtin_super(parts[0])
                            {
                                set!(base, Raw::cell(pointer_of(word!(ip, 6), word!(ip, 7))));
                                set!(base + 1, parts[2]);
                                go!(SuperMethod);
                            }
                            let cache = [&*ip.add(2), &*ip.add(3), &*ip.add(4), &*ip.add(5), &*ip.add(6), &*ip.add(7)];
                            if let Some(function) = self.super_function(parts, name!(ip, 1), cache) {
                                set!(base, function);
                                set!(base + 1, parts[2]);
                                go!(SuperMethod);
                            }
                            set!(base + 1, Raw::UNBOUND);
                            store!(SuperMethod, base, self.super_attribute(parts, b!(insn) as u8, name!(ip, 1)))
                        }
                        Op::CallLoaded => {
                            let (base, argc) = (b!(insn), c!(insn));
                            let callee = reg!(base);
                            let own = usize::from(!reg!(base + 1).is_unbound());
                            let (first, argc) = (base + 2 - own, argc + own);
                            if callee.tag() == FUNCTION {
                                let function: Held<Function> = Gc::from_header(callee.header());
                                enter!(CallLoaded, a!(insn), function, first, argc);
                            } else if callee.tag() == NATIVE {
                                let native: Held<NativeFunction> = Gc::from_header(callee.header());
                                if own == 1
                                    || matches!(native.get().def.kind, NativeKind::Function | NativeKind::StaticMethod)
                                {
                                    call_native!(CallLoaded, a!(insn), native, first, argc);
                                }
                            }
                            call!(CallLoaded, a!(insn), callee, first, argc, None)
                        }
                        Op::CallLoadedKw => {
                            let (base, argc) = (b!(insn), c!(insn));
                            let own = usize::from(!reg!(base + 1).is_unbound());
                            let keywords = Some(constant!(word!(ip, 1)));
                            call!(CallLoadedKw, a!(insn), reg!(base), base + 2 - own, argc + own, keywords)
                        }
                        Op::CallSuper => {
                            let base = b!(insn);
                            let parts = [reg!(base), reg!(base + 1), reg!(base + 2)];
                            store!(CallSuper, a!(insn), self.call_super(parts))
                        }
                        Op::Look => {
                            if self.heap.look_due() {
                                sync!(Look, Deliver::Discard, 0);
                                self.look();
                                reload!();
                            }
                            go!(Look)
                        }
                        Op::Discard => {
                            let value = reg!(a!(insn));
                            if value.is_pointer()
                                && ((*value.header()).flags() & crate::heap::FINALISABLE != 0
                                    || matches!(value.tag(), LIST | TUPLE))
                            {
                                effect!(Discard, self.discard(value))
                            }
                            go!(Discard)
                        }
                        Op::MakeFunction => {
                            let base = b!(insn);
                            let flags = c!(insn) as u8;
                            let extras = [0, 1, 2].map(|i| {
                                let before = (flags & ((1 << i) - 1)).count_ones() as usize;
                                if flags & (1 << i) != 0 { reg!(base + before) } else { Raw::UNBOUND }
                            });
                            // Loading the child needs scratch registers.
                            sync!(MakeFunction, Deliver::Store, a!(insn));
                            let child = self.child_code(code, word!(ip, 1) as usize);
                            let mut captured = smallvec::SmallVec::<[Raw; 8]>::new();
                            for capture in &child.code.captures {
                                use crate::bytecode::code::Capture;
                                captured.push(match *capture {
                                    Capture::Register(r) => reg!(usize::from(r)),
                                    Capture::Far(r) => reg!(usize::from(r)),
                                    Capture::Free(i) => {
                                        function.get().closure.get().expect("a closure").item(usize::from(i)).raw()
                                    }
                                });
                            }
                            let made = self.make_function(child, function.globals(), &captured, extras);
                            set!(a!(insn), made);
                            go!(MakeFunction)
                        }
                        Op::LoadBuildClass => {
                            direct!(LoadBuildClass, a!(insn), self.load_build_class(function.globals()))
                        }
                        Op::Return => leave!(reg!(a!(insn))),
                        Op::ReturnNone => leave!(Raw::NONE),

                        // ---- exceptions ----
                        Op::Raise => raise!(Raise, self.raise_statement(reg!(a!(insn)), Raw::UNBOUND)),
                        Op::RaiseFrom => raise!(RaiseFrom, self.raise_statement(reg!(a!(insn)), reg!(b!(insn)))),
                        Op::RaiseAgain => raise!(RaiseAgain, self.raise_again()),
                        Op::Reraise => raise!(Reraise, self.reraise(reg!(a!(insn)))),
                        Op::EnterHandler => {
                            set!(a!(insn), self.fiber.handled);
                            self.fiber.handled = reg!(b!(insn));
                            go!(EnterHandler)
                        }
                        Op::LeaveHandler => {
                            self.fiber.handled = reg!(a!(insn));
                            if (*fp).left() != Left::Nothing {
                                // The exception goes, and what its traceback kept with it, unless it is raised again: after the
                                // jump its register is no longer live.
                                sync!(LeaveHandler, Deliver::Discard, 0);
                                let next = (*fp).next;
                                if (*next).get() as u8 == Op::Jump as u8 {
                                    (*fp).ip = next.offset((*next.add(1)).get() as i32 as isize);
                                    let made = (*fp).left() == Left::Any;
                                    self.frame_left(Raw::NONE, made);
                                }
                                continue 'reload;
                            }
                            go!(LeaveHandler)
                        }
                        Op::JumpUnlessMatch => {
                            sync!(JumpUnlessMatch, Deliver::Discard, 0);
                            match self.exception_matches(reg!(a!(insn)), reg!(b!(insn))) {
                                Ok(true) => {
                                    reload!();
                                    go!(JumpUnlessMatch)
                                }
                                Ok(false) => {
                                    reload!();
                                    jump!(JumpUnlessMatch, word!(ip, 1))
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::SplitGroup => {
                            sync!(SplitGroup, Deliver::Discard, 0);
                            match self.split_group(reg!(b!(insn)), reg!(c!(insn))) {
                                Ok((matched, rest)) => {
                                    reload!();
                                    set!(b!(insn), rest);
                                    set!(a!(insn), matched);
                                    go!(SplitGroup)
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::JoinGroup => direct!(JoinGroup, a!(insn), self.join_group(reg!(b!(insn)), reg!(c!(insn)))),
                        Op::LoadAssertionError => {
                            set!(a!(insn), self.exception_class(crate::object::Exc::AssertionError).value().raw());
                            go!(LoadAssertionError)
                        }

                        // ---- with ----
                        Op::AsyncWithEnter => {
                            let base = a!(insn);
                            let manager = reg!(base);
                            sync!(AsyncWithEnter, Deliver::Store, base + 1);
                            match self.with_methods(manager, true) {
                                Ok((enter, exit)) => {
                                    reload!();
                                    set!(base, exit);
                                    let start = self.fiber.top + 1;
                                    self.fiber.registers.set(start, manager);
                                    fused_await!(AsyncWithEnter, base + 1, base + 2, enter, 1, || start);
                                    sync!(AsyncWithEnter, Deliver::Store, base + 1);
                                    out!(self.invoke_bound(enter, manager, start), |raw| {
                                        set!(base + 1, raw);
                                        go!(AsyncWithEnter)
                                    })
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::WithEnter => {
                            let base = a!(insn);
                            let manager = reg!(base);
                            sync!(WithEnter, Deliver::Store, base + 1);
                            match self.with_methods(manager, false) {
                                Ok((enter, exit)) => {
                                    reload!();
                                    set!(base, exit);
                                    let start = self.fiber.top + 1;
                                    self.fiber.registers.set(start, manager);
                                    out!(self.invoke_bound(enter, manager, start), |raw| {
                                        set!(base + 1, raw);
                                        go!(WithEnter)
                                    })
                                }
                                Err(_) => break 'run Leave::Raise,
                            }
                        }
                        Op::WithExit => {
                            let exit = reg!(a!(insn));
                            sync!(WithExit, Deliver::Discard, 0);
                            out!(self.call_exit(exit, Raw::UNBOUND), |_raw| go!(WithExit))
                        }
                        Op::WithExitExc => {
                            store!(WithExitExc, a!(insn), self.call_exit(reg!(b!(insn)), reg!(c!(insn))))
                        }
                        Op::AsyncWithExit => {
                            let exit = reg!(b!(insn));
                            let (dst, start) = (a!(insn), (*fp).end + 1);
                            if let Some(function) = self.exit_arguments(exit, start) {
                                fused_await!(AsyncWithExit, dst, dst + 1, function, 4, || start);
                            }
                            store!(AsyncWithExit, a!(insn), self.call_exit(reg!(b!(insn)), Raw::UNBOUND))
                        }
                        Op::AsyncWithExitExc => {
                            store!(AsyncWithExitExc, a!(insn), self.call_exit(reg!(b!(insn)), reg!(c!(insn))))
                        }

                        // ---- generators and coroutines ----
                        Op::ReturnGenerator => {
                            let value = reg!(a!(insn));
                            (*fp).ip = ip;
                            match self.return_in_place(value) {
                                None => continue 'reload,
                                Some(delivery) => break 'run Leave::Deliver(delivery),
                            }
                        }
                        Op::Yield => {
                            let value = reg!(b!(insn));
                            let parent = fp.sub(1);
                            if let RecordKind::Exit { taker: Some((take, state)), .. } = (*parent).kind {
                                // The native that asked for items takes it, and the generator runs on.
                                if take(self, state, value) {
                                    set!(a!(insn), Raw::NONE);
                                    go!(Yield);
                                }
                            }
                            if let RecordKind::InPlace { generator, root } = (*fp).kind
                                && generator == root
                                && !code.get().handles
                                && generator.get().innermost.is_none()
                            {
                                // What `suspend` does, where that is little.
                                let cell = generator.get();
                                let word = ip.offset_from_unsigned(code.get().words.as_ptr()) as u32;
                                cell.word.set(word);
                                cell.next.set(word + const { length(Op::Yield) as u32 });
                                cell.input.set(a!(insn) as u8);
                                cell.state.set(GeneratorState::Suspended);
                                if !self.fiber.handled.is_unbound() || !cell.handled.is_none() {
                                    let handled = Value::adopt(self.fiber.handled);
                                    generator.set_any(&self.heap, |g| &g.handled, handled);
                                }
                                self.fiber.handled = (*fp).handled;
                                self.fiber.extra_depth -= cell.depth.get();
                                let depth = self.fiber.records.len();
                                self.fiber.records.set_len(depth - 1);
                            } else {
                                sync!(Yield, Deliver::Store, a!(insn));
                                self.suspend(value);
                            }
                            fp = parent;
                            let home: Option<(*mut Raw, bool)> = match (*fp).kind {
                                RecordKind::Plain => Some((self.fiber.registers.pointer((*fp).base), false)),
                                RecordKind::InPlace { generator, .. } => {
                                    Some((generator.tail().as_ptr().cast_mut().cast(), true))
                                }
                                RecordKind::Exit { .. } => {
                                    self.fiber.records.pop();
                                    self.coroutines.yielded = true;
                                    return Ok(value);
                                }
                                RecordKind::Native { .. } => None,
                            };
                            if let Some((home, in_place)) = home
                                && matches!((*fp).deliver, Deliver::Next | Deliver::Sent)
                            {
                                home.add(usize::from((*fp).dst)).write(value);
                                let caller = (*fp).function.expect("a frame of the language");
                                go_on!(caller, home, in_place || caller.code().get().detached, (*fp).next)
                            }
                            break 'run Leave::Deliver(Delivery::Yielded(value));
                        }
                        Op::YieldAsync => {
                            let value = reg!(b!(insn));
                            sync!(YieldAsync, Deliver::Store, a!(insn));
                            match self.yield_async(value) {
                                None => continue 'reload,
                                Some(delivery) => break 'run Leave::Deliver(delivery),
                            }
                        }
                        Op::GetYieldFrom => store!(GetYieldFrom, a!(insn), self.get_yield_from(reg!(b!(insn)))),
                        Op::GetAwaitable => {
                            let value = reg!(b!(insn));
                            if value.tag() == Kind::Coroutine as u64 | crate::heap::POINTER {
                                let coroutine = any_generator(Value::adopt(value)).expect("the tag says so");
                                if coroutine.get().state.get() == GeneratorState::Created {
                                    set!(a!(insn), value);
                                    go!(GetAwaitable);
                                }
                            }
                            store!(GetAwaitable, a!(insn), self.get_awaitable(value, c!(insn) as u8))
                        }
                        Op::Delegate => {
                            let (dst, iter) = (a!(insn), reg!(b!(insn)));
                            sync!(Delegate, Deliver::Delegate, dst);
                            out!(self.delegate(iter), |raw| {
                                set!(dst, raw);
                                go!(Delegate)
                            })
                        }
                        Op::CallAwait => {
                            let (base, argc) = (b!(insn), c!(insn));
                            let callee = reg!(base);
                            fused_await!(CallAwait, base, a!(insn), callee, argc, || {
                                self.window((*fp).base, regs, base + 1, argc, detached)
                            });
                            call!(CallAwait, base, callee, base + 1, argc, None)
                        }
                        Op::CallMethodAwait => {
                            let (base, argc) = (b!(insn), c!(insn));
                            let object = reg!(word!(ip, 1) as usize);
                            let cache = [&*ip.add(3), &*ip.add(4), &*ip.add(5), &*ip.add(6), &*ip.add(7)];
                            let known = shape_key(object) == word!(ip, 3) && word!(ip, 4) == self.epoch;
                            let (callee, receiver) =
                                if known && matches!(word!(ip, 5), cached::FUNCTION | cached::NATIVE) {
                                    (Raw::cell(pointer_of(word!(ip, 6), word!(ip, 7))), Some(object))
                                } else {
                                    // As in `CallMethod`.
                                    set!(base, Raw::UNBOUND);
                                    set!(base + 1, object);
                                    sync!(CallMethodAwait, Deliver::Store, base);
                                    match self.find_method(object, name!(ip, 2), cache) {
                                        Ok(found) => {
                                            reload!();
                                            found
                                        }
                                        Err(_) => {
                                            self.fiber.records.last_mut().expect("this frame").ip = ip.add(1);
                                            break 'run Leave::Raise;
                                        }
                                    }
                                };
                            let own = usize::from(receiver.is_some());
                            set!(base, if receiver.is_some() { callee } else { Raw::NONE });
                            set!(base + 1, receiver.unwrap_or(callee));
                            let (first, argc) = (base + 2 - own, argc + own);
                            fused_await!(CallMethodAwait, base, a!(insn), callee, argc, || {
                                self.window((*fp).base, regs, first, argc, detached)
                            });
                            call!(CallMethodAwait, base, callee, first, argc, None)
                        }
                        Op::GetAIter => store!(GetAIter, a!(insn), self.get_aiter(reg!(b!(insn)))),
                        Op::NextAsync => {
                            let (dst, aiter, base) = (a!(insn), reg!(b!(insn)), c!(insn));
                            sync!(NextAsync, Deliver::Store, dst);
                            let behind = behind_delegate(ip.add(const { length(Op::NextAsync) }));
                            (*fp).next = behind;
                            let kind = (*fp).kind;
                            match self.next_async_in_place(aiter) {
                                Ok(true) => {
                                    stand_at_delegate!(base, dst, kind);
                                    continue 'reload;
                                }
                                Ok(false) => {}
                                Err(_) => break 'run Leave::Raise,
                            }
                            store!(NextAsync, base, self.call_anext(aiter))
                        }
                        Op::EndAsyncFor => {
                            sync!(EndAsyncFor, Deliver::Discard, 0);
                            let exception = reg!(a!(insn));
                            let stop = self.exception_class(crate::object::Exc::StopAsyncIteration);
                            if self.class_of(Value::adopt(exception)).is_subclass(stop) {
                                jump!(EndAsyncFor, word!(ip, 1))
                            }
                            raise!(EndAsyncFor, self.reraise(exception))
                        }

                        // ---- imports ----
                        Op::ImportName => {
                            let level = b!(insn) as u8;
                            let (name, from) = (name!(ip, 1), constant!(word!(ip, 2)));
                            store!(ImportName, a!(insn), self.import_name(name, from, level, function.globals()))
                        }
                        Op::ImportFrom => store!(ImportFrom, a!(insn), self.import_from(reg!(b!(insn)), name!(ip, 1))),
                        Op::ImportStar => {
                            let names = if c!(insn) == 0 { function.globals().value().raw() } else { reg!(b!(insn)) };
                            effect!(ImportStar, self.import_star(reg!(a!(insn)), names))
                        }

                        // ---- match ----
                        Op::MatchSequence => {
                            let matches = self.matches_sequence(reg!(b!(insn)));
                            set!(a!(insn), Raw::bool(matches));
                            go!(MatchSequence)
                        }
                        Op::MatchMapping => {
                            let matches = self.matches_mapping(reg!(b!(insn)));
                            set!(a!(insn), Raw::bool(matches));
                            go!(MatchMapping)
                        }
                        Op::GetLen => direct!(GetLen, a!(insn), self.length_raw(reg!(b!(insn)))),
                        Op::MatchKeys => direct!(MatchKeys, a!(insn), self.match_keys(reg!(b!(insn)), reg!(c!(insn)))),
                        Op::MatchClass => {
                            let base = b!(insn);
                            let parts = [reg!(base), reg!(base + 1), reg!(base + 2)];
                            direct!(MatchClass, a!(insn), self.match_class(parts, c!(insn)))
                        }
                        Op::Intrinsic => {
                            let kind = crate::bytecode::op::Intrinsic::ALL[c!(insn)];
                            let window = self.window_of(regs, b!(insn), usize::from(kind.operands()));
                            direct!(Intrinsic, a!(insn), self.intrinsic(kind, &window))
                        }
                    }
                };
                leave
            };
            let done = match leave {
                Leave::Raise => self.unwind()?,
                Leave::Deliver(delivery) => match self.deliver(delivery) {
                    Ok(done) => done,
                    Err(_) => self.unwind()?,
                },
            };
            if let Some(raw) = done {
                return Ok(raw);
            }
        }
    }

    /// Where a callee finds `argc` arguments that are in registers `first..` of the running frame, whose window begins at `base`: right there, or, for a frame whose
    /// registers are not the end of the fiber's stack, in a copy.
    #[inline(always)]
    unsafe fn window(&mut self, base: u32, regs: *mut Raw, first: usize, argc: usize, detached: bool) -> u32 {
        if !detached {
            return base + first as u32;
        }
        let start = self.fiber.top + 1;
        for i in 0..argc {
            // SAFETY: the arguments are registers of the frame.
            let arg = unsafe { Raw::read(regs.add(first + i)) };
            self.fiber.registers.set(start + i as u32, arg);
        }
        self.fiber.registers.set(start - 1, Raw::NONE);
        self.fiber.top = start + argc as u32;
        start
    }

    /// A copy of `count` registers from `first` on.
    unsafe fn window_of(&self, regs: *mut Raw, first: usize, count: usize) -> smallvec::SmallVec<[Raw; 16]> {
        // SAFETY: registers of the frame.
        (0..count).map(|i| unsafe { Raw::read(regs.add(first + i)) }).collect()
    }

    /// Returns from the constructor of something with a finaliser.
    fn return_made(&mut self, made: Raw) -> Result<Raw, Raised> {
        let record = *self.fiber.records.last().expect("the frame");
        (self.fiber.top, self.fiber.window) = (record.end, record.end);
        self.leave_plain();
        if record.flags & Record::MADE != 0 {
            self.frame_dropped(made);
        }
        self.replace_local(made)?;
        Ok(made)
    }

    /// Returns from a plain frame that somebody looks at, that is a constructor, or that something else than a frame waits for.
    #[cold]
    #[inline(never)]
    fn return_slow(&mut self, value: Raw) -> Result<Raw, Raised> {
        let record = *self.fiber.records.last().expect("the frame");
        let mut value = value;
        if record.flags & Record::CONSTRUCTOR != 0 {
            if !value.same(Raw::NONE) {
                let got = self.type_name_for_error(Value::adopt(value));
                return Err(self.type_error(format!("__init__() should return None, not '{got}'")));
            }
            value = record.handled;
            if record.flags & Record::REPLACES != 0 {
                return self.return_made(value);
            }
        }
        if record.flags & (Record::MADE | Record::COROUTINES) != 0 {
            // What is on the stack above it is nobody's any more.
            self.fiber.top = record.end;
            self.fiber.window = record.end;
            self.note_order(&record);
            self.leave_plain();
            self.frame_left(value, record.flags & Record::MADE != 0);
        } else {
            self.leave_plain();
        }
        Ok(value)
    }

    /// The safepoint of a call: the frame on top is new.
    #[cold]
    #[inline(never)]
    pub(super) fn safepoint_of_call(&mut self) -> Result<(), Raised> {
        let end = self.fiber.records.last().expect("the frame that was entered").end;
        self.fiber.top = end;
        self.fiber.window = end;
        self.safepoint()
    }

    /// What the interrupt word asks for, done at a safepoint.
    #[cold]
    #[inline(never)]
    pub(super) fn safepoint(&mut self) -> Result<(), Raised> {
        use crate::heap::interrupt;
        if let Some(kind) = self.heap.stress_due() {
            self.collect_with_classes(kind);
        }
        if self.take_interrupt(interrupt::SAMPLE) {
            self.sample();
        }
        if self.take_interrupt(interrupt::COLLECT) {
            let kind = self.heap.due();
            self.collect_with_classes(kind);
        }
        if self.take_interrupt(interrupt::MEMORY) {
            self.check_memory()?;
        }
        if self.take_interrupt(interrupt::FINALISE) {
            self.run_finalisers();
        }
        if self.fiber.id == 0 && self.take_interrupt(interrupt::SIGNAL) {
            self.handle_signals()?;
        }
        // Signals are the main fiber's: another one makes way for it.
        let signal = self.fiber.id != 0 && self.interrupt().load(Ordering::Relaxed) & interrupt::SIGNAL != 0;
        if self.take_interrupt(interrupt::SWITCH) || signal {
            self.slice_over()?;
        }
        self.check_limits()
    }
}

/// Writes the defaults of the parameters from `argc` to `positional` into a new frame.
///
/// # Safety
/// The frame has that many registers from `to` on, and `defaults_cover` said that there are defaults for them.
#[inline(never)]
unsafe fn write_defaults(callee: Held<Function>, to: *mut Raw, argc: usize, positional: usize) {
    let Some(defaults) = callee.get().defaults.get() else { return };
    let first = positional - defaults.len();
    for index in argc..positional {
        // SAFETY: see above.
        unsafe { to.add(index).write(defaults.item(index - first).raw()) };
    }
}

/// The namespace of a module or a class.
#[inline(always)]
fn namespace_of(raw: Raw) -> Option<Gc<'static, Dict>> {
    let value: Value<'static> = Value::adopt(raw);
    match raw.tag() {
        MODULE => value.exact::<Module>().map(|m| m.dict()),
        CLASS => value.exact::<Class>().map(|c| c.namespace()),
        _ => None,
    }
}

/// A generator that can be resumed where it stands: it does not run, and waits for nothing; and whether it has begun.
#[inline(always)]
fn idle_generator(raw: Raw) -> Option<(Held<Generator>, GeneratorState)> {
    if raw.tag() != GENERATOR {
        return None;
    }
    let generator = any_generator(Value::adopt(raw))?.held();
    let state = generator.get().state.get();
    let idle = matches!(state, GeneratorState::Suspended | GeneratorState::Created)
        && generator.get().innermost.is_none()
        && generator.get().awaiting.is_none()
        && generator.get().awaiter.is_none();
    idle.then_some((generator, state))
}

/// Where the constants of loaded code are.
#[inline(always)]
fn constants_of(code: Held<CodeObject>) -> *const Raw {
    code.get().constants.get().expect("loaded code has them").tail().as_ptr().cast()
}

/// Keeps the compiler from warning about the unused label when every handler leaves by name.
#[inline(always)]
fn break_run(f: impl FnOnce()) {
    f();
}

#[inline(always)]
fn variable(raw: Raw) -> Gc<'static, Variable> {
    // SAFETY: the compiler of scripts uses registers with cells as such only; the verifier's cell registers agree.
    unsafe { Gc::from_header(raw.header()) }
}

#[inline(always)]
fn free(function: Held<Function>, index: usize) -> Gc<'static, Variable> {
    let cell = function.get().closure.get().expect("a function with free variables has a closure").item(index);
    cell.exact::<Variable>().expect("of cells").held()
}

/// Both as floats, for one float and one int that a float holds exactly.
#[inline(always)]
fn mixed(x: Raw, y: Raw) -> Option<(f64, f64)> {
    const EXACT: i64 = 1 << 53;
    match (x.tag(), y.tag()) {
        (FLOAT, INT) if y.int_unchecked().abs_diff(0) <= EXACT as u64 => {
            Some((x.float_unchecked(), y.int_unchecked() as f64))
        }
        (INT, FLOAT) if x.int_unchecked().abs_diff(0) <= EXACT as u64 => {
            Some((x.int_unchecked() as f64, y.float_unchecked()))
        }
        _ => None,
    }
}

/// Two ints that floats hold exactly.
#[inline(always)]
fn small_pair(x: i64, y: i64) -> Option<(f64, f64)> {
    const EXACT: u64 = 1 << 53;
    (x.abs_diff(0) <= EXACT && y.abs_diff(0) <= EXACT).then_some((x as f64, y as f64))
}

#[inline(always)]
fn floor_div(x: i64, y: i64) -> Option<i64> {
    if y == 0 {
        return None;
    }
    let q = x.checked_div(y)?;
    Some(if (x % y != 0) && ((x < 0) != (y < 0)) { q - 1 } else { q })
}

#[inline(always)]
fn modulo(x: i64, y: i64) -> Option<i64> {
    if y == 0 {
        return None;
    }
    let r = x.checked_rem(y)?;
    Some(if r != 0 && ((r < 0) != (y < 0)) { r + y } else { r })
}

#[inline(always)]
fn shift_left(x: i64, by: i64) -> Option<i64> {
    if !(0..63).contains(&by) {
        return (x == 0 && by >= 0).then_some(0);
    }
    let r = x << by;
    (r >> by == x).then_some(r)
}

/// The cell whose pointer is in two words of a cache that holds: its shape and epoch, which were compared, keep the class and so what
/// it points to. `T` is what the kind of the cache says.
pub(super) fn cell_of<T: crate::heap::Cell>(low: u32, high: u32) -> Held<T> {
    // SAFETY: whoever filled the cache wrote a pointer to such a cell.
    unsafe { Gc::from_header(pointer_of(low, high)) }
}

/// The pointer in two cache words.
#[inline(always)]
pub(super) fn pointer_of(low: u32, high: u32) -> *mut crate::heap::Header {
    std::ptr::with_exposed_provenance_mut((u64::from(low) | u64::from(high) << 32) as usize)
}

/// The instruction behind the `GetAwaitable; LoadNone; Delegate` at `at`.
#[inline(always)]
unsafe fn behind_delegate(at: *const StdCell<u32>) -> *const StdCell<u32> {
    const SKIP: usize = length(Op::GetAwaitable) + length(Op::LoadNone) + length(Op::Delegate);
    // SAFETY: the verifier saw the three instructions there.
    unsafe { at.add(SKIP) }
}
