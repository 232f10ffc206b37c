//! Makes a [`Code`]: instructions with labels, protected ranges, interned constants and names, the temporaries' stack, and
//! what is known about locals at each point.
//!
//! The compiler walks a tree once and calls [`Builder::emit`]; jumps name labels until [`Builder::finish`] knows where
//! everything lies. Control flow passes through labels alone, so the builder knows which code is reachable (the rest is
//! dropped as it is emitted) and which locals are certainly bound: a label's set is the intersection over the jumps to
//! it. That is sound in one pass because sets only grow: locals that a script can delete never enter them.
//!
//! # Temporaries
//! `top` is the first free temporary. A result goes to `top` as the *last* act of its expression and only then `top`
//! moves up; thus at each instruction every register below `top` holds something, which is the collector's contract.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use super::code::{Capture, Code, CodeFlags, Const, Handler, Height, Position};
use super::op::{CodeIdx, ConstIdx, Far, Instr, Jump, NameIdx, Op, OperandKind, Reg};
use crate::source::{SourceFile, Span};

/// The most locals that get a near register; the others are far.
pub const MAX_NEAR: usize = 144;

/// The highest register a temporary may have.
const MAX_TEMP: u16 = 252;

/// A place in the code that jumps can name before it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(u32);

/// A set of locals, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locals(SmallVec<[u64; 2]>);

impl Locals {
    /// Whether `local` is in it.
    pub fn contains(&self, local: usize) -> bool {
        self.0.get(local / 64).is_some_and(|bits| bits >> (local % 64) & 1 == 1)
    }

    /// Adds `local`.
    pub fn insert(&mut self, local: usize) {
        if self.0.len() <= local / 64 {
            self.0.resize(local / 64 + 1, 0);
        }
        self.0[local / 64] |= 1 << (local % 64);
    }

    /// Takes `local` out.
    pub fn remove(&mut self, local: usize) {
        if let Some(bits) = self.0.get_mut(local / 64) {
            *bits &= !(1 << (local % 64));
        }
    }

    fn intersect(&mut self, other: &Locals) {
        self.0.truncate(other.0.len());
        for (bits, others) in self.0.iter_mut().zip(&other.0) {
            *bits &= others;
        }
    }
}

/// An emitted instruction: jumps hold label numbers and far operands count from the first far register.
#[derive(Clone, Copy, Debug)]
struct Slot {
    instr: Instr,
    span: Option<Span>,
    /// Where the method's name stands, for a call that looks it up itself.
    lookup: Option<Span>,
    height: u16,
}

#[derive(Debug, Default)]
struct LabelState {
    /// The number of the instruction it stands before, once bound.
    at: Option<u32>,
    /// What is bound in every jump to it so far; none if there was none.
    bound: Option<Locals>,
}

/// A handler being in force; see [`Builder::protect`].
#[derive(Clone, Copy, Debug)]
pub struct Protection {
    label: Label,
    register: Reg,
    start: u32,
}

#[derive(Debug)]
struct Range {
    start: u32,
    end: u32,
    label: Label,
    register: Reg,
    depth: usize,
}

/// What the compiler knows about a code object besides its instructions.
#[derive(Debug)]
pub struct Header {
    /// `__name__`.
    pub name: Box<str>,
    /// `__qualname__`.
    pub qualname: Box<str>,
    /// The file as tracebacks show it.
    pub filename: Arc<str>,
    /// Line of the definition.
    pub first_line: u32,
    /// What kind of code this is.
    pub flags: CodeFlags,
    /// Number of positional parameters.
    pub positional: u16,
    /// Number of positional-only parameters.
    pub positional_only: u16,
    /// Number of keyword-only parameters.
    pub keyword_only: u16,
    /// Names of the locals.
    pub locals: Vec<Box<str>>,
    /// Which locals hold a cell.
    pub cells: Vec<usize>,
    /// Names of the captured cells.
    pub free: Vec<Box<str>>,
    /// Where they come from.
    pub captures: Vec<CaptureFrom>,
}

/// Where a closure's cell comes from, before the maker's far registers have their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFrom {
    /// A local of the function that makes it.
    Local(usize),
    /// A captured cell of the function that makes it.
    Free(u16),
}

/// Makes one [`Code`].
#[derive(Debug)]
pub struct Builder {
    slots: Vec<Slot>,
    labels: Vec<LabelState>,
    active: Vec<Protection>,
    ranges: Vec<Range>,
    constants: Vec<Const>,
    constant_table: HashMap<ConstKey, ConstIdx>,
    names: Vec<Box<str>>,
    name_table: HashMap<Box<str>, NameIdx>,
    children: Vec<Option<Unplaced>>,
    span: Option<Span>,
    reachable: bool,
    /// Up to here something points at the instructions: none of them may be taken back.
    fence: usize,
    /// The locals certainly bound here.
    bound: Locals,
    local_count: usize,
    near: u16,
    top: u16,
    high: u16,
    spilled: u16,
    spilled_high: u16,
    overflow: bool,
}

/// A child whose far captures wait for the parent's far base.
#[derive(Debug)]
struct Unplaced {
    code: Code,
    captures: Vec<CaptureFrom>,
}

/// A code object whose captures are resolved when its parent is finished.
#[derive(Debug)]
pub struct Finished {
    code: Code,
    captures: Vec<CaptureFrom>,
}

impl Finished {
    /// The code of a unit that captures nothing: a module or an expression.
    pub fn into_code(self) -> Code {
        self.code
    }
}

impl Builder {
    /// A builder for code with `locals` named locals.
    pub fn new(locals: usize) -> Builder {
        let near = locals.min(MAX_NEAR) as u16;
        Builder {
            slots: Vec::new(),
            labels: Vec::new(),
            active: Vec::new(),
            ranges: Vec::new(),
            constants: Vec::new(),
            constant_table: HashMap::new(),
            names: Vec::new(),
            name_table: HashMap::new(),
            children: Vec::new(),
            span: None,
            reachable: true,
            fence: 0,
            bound: Locals::default(),
            local_count: locals,
            near,
            top: near,
            high: near,
            spilled: 0,
            spilled_high: 0,
            overflow: false,
        }
    }

    /// Where the instructions emitted from now on stand in the source.
    pub fn set_span(&mut self, span: Option<Span>) {
        self.span = span;
    }

    /// The source position in force.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// Whether what is emitted here can be reached.
    pub fn reachable(&self) -> bool {
        self.reachable
    }

    /// Appends an instruction; dropped if it can't be reached.
    pub fn emit(&mut self, instr: Instr) {
        if !self.reachable {
            return;
        }
        self.slots.push(Slot { instr, span: self.span, lookup: None, height: self.top });
        if ends_flow(instr.op()) {
            self.reachable = false;
        }
    }

    /// Appends a call that looks up its method: a failing lookup is reported at `lookup`, by the instruction's second word.
    pub fn emit_method_call(&mut self, instr: Instr, lookup: Span) {
        let reachable = self.reachable;
        self.emit(instr);
        if reachable && let Some(slot) = self.slots.last_mut() {
            slot.lookup = Some(lookup);
        }
    }

    // ---- labels ----

    /// A new label, not bound yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(LabelState::default());
        Label(self.labels.len() as u32 - 1)
    }

    /// Emits an instruction that jumps to `label`; `make` gets the operand for it.
    pub fn jump(&mut self, label: Label, make: impl FnOnce(Jump) -> Instr) {
        if !self.reachable {
            return;
        }
        let state = &mut self.labels[label.0 as usize];
        match &mut state.bound {
            Some(bound) => bound.intersect(&self.bound),
            None => state.bound = Some(self.bound.clone()),
        }
        self.emit(make(Jump(label.0 as i32)));
    }

    /// Puts `label` here.
    pub fn bind(&mut self, label: Label) {
        // A jump to what follows it is none.
        let jump = Instr::Jump { target: Jump(label.0 as i32) };
        if self.fence < self.slots.len() && self.slots.last().is_some_and(|slot| slot.instr == jump) && !self.reachable
        {
            self.slots.pop();
        }
        self.fence = self.slots.len();
        let state = &mut self.labels[label.0 as usize];
        debug_assert!(state.at.is_none(), "a label is bound once");
        state.at = Some(self.slots.len() as u32);
        if let Some(bound) = &state.bound {
            if self.reachable {
                self.bound.intersect(bound);
            } else {
                self.bound = bound.clone();
                self.reachable = true;
            }
        }
    }

    // ---- handlers ----

    /// From here on an exception continues at `label`, with the exception in `register`.
    pub fn protect(&mut self, label: Label, register: Reg) {
        if self.reachable {
            let state = &mut self.labels[label.0 as usize];
            match &mut state.bound {
                Some(bound) => bound.intersect(&self.bound),
                None => state.bound = Some(self.bound.clone()),
            }
        }
        self.fence = self.slots.len();
        self.active.push(Protection { label, register, start: self.slots.len() as u32 });
    }

    /// Ends the innermost protection and returns it, for [`Builder::resume_protection`].
    pub fn unprotect(&mut self) -> Protection {
        let protection = self.active.pop().expect("protections end as often as they begin");
        let end = self.slots.len() as u32;
        self.fence = self.slots.len();
        if protection.start < end {
            let Protection { label, register, start } = protection;
            self.ranges.push(Range { start, end, label, register, depth: self.active.len() });
        }
        protection
    }

    /// Lets a protection ended by [`Builder::unprotect`] go on from here.
    pub fn resume_protection(&mut self, protection: Protection) {
        self.fence = self.slots.len();
        self.active.push(Protection { start: self.slots.len() as u32, ..protection });
    }

    /// Puts the label of a handler here: code that only exceptions reach. Temporaries from `register` up are gone.
    pub fn bind_handler(&mut self, label: Label, register: Reg) {
        debug_assert!(!self.reachable, "nothing falls into a handler");
        if !self.ranges.iter().any(|range| range.label == label) {
            self.labels[label.0 as usize].bound = None;
        }
        self.bind(label);
        self.set_top(u16::from(register.0) + 1);
    }

    // ---- what is known of locals ----

    /// Whether `local` is certainly bound here.
    pub fn is_bound(&self, local: usize) -> bool {
        self.bound.contains(local)
    }

    /// Notes that `local` is bound from here on.
    pub fn set_bound(&mut self, local: usize) {
        self.bound.insert(local);
    }

    /// Notes that `local` may be unbound. Only sound for locals that enter the set in one straight piece of code.
    pub fn set_unbound(&mut self, local: usize) {
        self.bound.remove(local);
    }

    // ---- temporaries ----

    /// The first free temporary.
    pub fn top(&self) -> u16 {
        self.top
    }

    /// The register of the first free temporary.
    pub fn top_reg(&mut self) -> Reg {
        self.reg(self.top)
    }

    /// The register `offset` above the first free temporary.
    pub fn top_plus(&mut self, offset: u16) -> Reg {
        self.reg(self.top + offset)
    }

    /// The register number `at`, a temporary.
    pub fn reg(&mut self, at: u16) -> Reg {
        if at > MAX_TEMP {
            self.overflow = true;
        }
        self.high = self.high.max(at + 1);
        Reg(at.min(MAX_TEMP) as u8)
    }

    /// Moves the first free temporary.
    pub fn set_top(&mut self, top: u16) {
        self.top = top;
        self.high = self.high.max(top);
        if top > MAX_TEMP {
            self.overflow = true;
        }
    }

    /// Takes the first free temporary, which the instruction just emitted has filled.
    pub fn push(&mut self) -> Reg {
        let reg = self.top_reg();
        self.set_top(self.top + 1);
        reg
    }

    /// A far register for a spilled temporary; given back by [`Builder::release_far`] in reverse order.
    pub fn take_far(&mut self) -> Far {
        let far = (self.local_count - usize::from(self.near)) as u16 + self.spilled;
        self.spilled += 1;
        self.spilled_high = self.spilled_high.max(self.spilled);
        Far(far)
    }

    /// Gives back the last `count` far registers taken.
    pub fn release_far(&mut self, count: u16) {
        self.spilled -= count;
    }

    /// Where local number `local` lives.
    pub fn place(&self, local: usize) -> Place {
        match local.checked_sub(usize::from(self.near)) {
            None => Place::Near(Reg(local as u8)),
            Some(far) => Place::Far(Far(far as u16)),
        }
    }

    /// Whether the code needs more temporaries at once than there are.
    pub fn overflowed(&self) -> bool {
        self.overflow
    }

    // ---- tables ----

    /// The index of a constant equal to `value` in type and value.
    pub fn constant(&mut self, value: Const) -> ConstIdx {
        let constants = &mut self.constants;
        *self.constant_table.entry(ConstKey(value)).or_insert_with_key(|key| {
            constants.push(key.0.clone());
            ConstIdx(constants.len() as u32 - 1)
        })
    }

    /// The index of `name`.
    pub fn name(&mut self, name: &str) -> NameIdx {
        if let Some(&index) = self.name_table.get(name) {
            return index;
        }
        let index = NameIdx(self.names.len() as u32);
        self.names.push(name.into());
        self.name_table.insert(name.into(), index);
        index
    }

    /// Adds a nested function or class body.
    pub fn child(&mut self, finished: Finished) -> CodeIdx {
        let child = self.reserve_child();
        self.fill_child(child, finished);
        child
    }

    /// A place for a function whose code is known later (see [`Self::fill_child`]).
    pub fn reserve_child(&mut self) -> CodeIdx {
        self.children.push(None);
        CodeIdx(self.children.len() as u32 - 1)
    }

    /// Puts a function into the place kept for it.
    pub fn fill_child(&mut self, place: CodeIdx, finished: Finished) {
        self.children[place.0 as usize] = Some(Unplaced { code: finished.code, captures: finished.captures });
    }

    /// Lays everything out.
    pub fn finish(self, header: Header, source: &SourceFile) -> Finished {
        debug_assert!(!self.reachable && self.active.is_empty(), "code ends and so do its protections");
        let far_locals = (self.local_count - usize::from(self.near)) as u16;
        let far_base = self.high;
        let mut starts = Vec::with_capacity(self.slots.len() + 1);
        let mut words = Vec::with_capacity(self.slots.len() * 2);
        for slot in &self.slots {
            starts.push(words.len() as u32);
            slot.instr.encode(&mut words);
        }
        starts.push(words.len() as u32);
        let at = |label: u32| starts[self.labels[label as usize].at.expect("jumps go to bound labels") as usize];
        let mut positions: Vec<Position> = Vec::new();
        let mut heights: Vec<Height> = Vec::new();
        let mut lines = Lines { source, last: (1, 0, 0) };
        let mut last_span = None;
        for (slot, &start) in self.slots.iter().zip(&starts) {
            let info = slot.instr.op().info();
            let (places, _) = info.layout();
            for ((_, kind), place) in info.operands.iter().zip(places) {
                let word = &mut words[start as usize + usize::from(place.word)];
                if *kind == OperandKind::Jump {
                    *word = at(*word).wrapping_sub(start);
                } else if *kind == OperandKind::Far {
                    *word = word.wrapping_add(u32::from(far_base) << place.shift);
                }
            }
            if last_span != Some(slot.span) {
                last_span = Some(slot.span);
                positions.push(lines.position(start, slot.span));
            }
            if slot.lookup.is_some() && slot.lookup != slot.span {
                last_span = Some(slot.lookup);
                positions.push(lines.position(start + 1, slot.lookup));
            }
            // A frame that was just entered has its locals: what the first instruction reserves above them holds nothing yet.
            let height = if start == 0 { self.near.min(slot.height) } else { slot.height };
            if heights.last().is_none_or(|last| last.height != height) {
                heights.push(Height { word: start, height });
            }
        }
        let mut ranges = self.ranges;
        ranges.sort_by_key(|range| std::cmp::Reverse(range.depth));
        let handlers = ranges.iter().map(|range| Handler {
            start: starts[range.start as usize],
            end: starts[range.end as usize],
            target: at(range.label.0),
            register: range.register.0,
        });
        let near = self.near;
        let place = |local: usize| match local.checked_sub(usize::from(near)) {
            None => local as u16,
            Some(far) => far_base + far as u16,
        };
        let children = self.children.into_iter().map(|child| {
            let Unplaced { mut code, captures } = child.expect("every place kept for a function was filled");
            code.captures = captures
                .iter()
                .map(|&from| match from {
                    CaptureFrom::Free(index) => Capture::Free(index),
                    CaptureFrom::Local(local) if local < usize::from(near) => Capture::Register(local as u8),
                    CaptureFrom::Local(local) => Capture::Far(place(local)),
                })
                .collect();
            Arc::new(code)
        });
        let code = Code {
            name: header.name,
            qualname: header.qualname,
            filename: header.filename,
            first_line: header.first_line,
            flags: header.flags,
            positional: header.positional,
            positional_only: header.positional_only,
            keyword_only: header.keyword_only,
            locals: header.locals.into(),
            near_locals: near,
            far_base,
            cell_registers: header.cells.iter().map(|&local| place(local)).collect(),
            free: header.free.into(),
            captures: Box::default(),
            registers: far_base + far_locals + self.spilled_high,
            handlers: handlers.collect(),
            words: words.into(),
            constants: self.constants.into(),
            names: self.names.into(),
            children: children.collect(),
            positions: positions.into_iter().collect(),
            heights: heights.into(),
        };
        Finished { code, captures: header.captures }
    }
}

/// Where a local lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a register that instructions can name.
    Near(Reg),
    /// In one that only `LoadFar` and `StoreFar` reach.
    Far(Far),
}

/// Whether nothing follows an instruction of this kind in the order of execution.
pub fn ends_flow(op: Op) -> bool {
    matches!(
        op,
        Op::Jump
            | Op::Return
            | Op::ReturnNone
            | Op::ReturnGenerator
            | Op::Raise
            | Op::RaiseFrom
            | Op::RaiseAgain
            | Op::Reraise
    )
}

/// Turns offsets into lines, remembering the last one: neighbours in the code are neighbours in the text.
struct Lines<'a> {
    source: &'a SourceFile,
    /// A line, its first offset and that of the next.
    last: (u32, u32, u32),
}

impl Lines<'_> {
    fn find(&mut self, offset: u32) -> (u32, u32) {
        if !(self.last.1 <= offset && offset < self.last.2) {
            let line = self.source.line(offset);
            self.last = (line, self.source.line_start(line), self.source.line_start(line + 1));
        }
        (self.last.0, offset - self.last.1)
    }

    fn position(&mut self, word: u32, span: Option<Span>) -> Position {
        let Some(span) = span else {
            return Position { word, line: 0, end_line: 0, column: 0, end_column: 0 };
        };
        let (line, column) = self.find(span.start);
        let (end_line, end_column) = self.find(span.end);
        Position { word, line, end_line, column, end_column }
    }
}

/// A constant, equal to another only if type and bits are.
#[derive(Debug)]
struct ConstKey(Const);

impl PartialEq for ConstKey {
    fn eq(&self, other: &ConstKey) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for ConstKey {}

fn same(a: &Const, b: &Const) -> bool {
    match (a, b) {
        (Const::Float(a), Const::Float(b)) => a.to_bits() == b.to_bits(),
        (Const::Complex(a, b), Const::Complex(c, d)) => a.to_bits() == c.to_bits() && b.to_bits() == d.to_bits(),
        (Const::Tuple(a), Const::Tuple(b)) | (Const::FrozenSet(a), Const::FrozenSet(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (a, b) => a == b,
    }
}

impl Hash for ConstKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.0, state);
    }
}

fn hash<H: Hasher>(value: &Const, state: &mut H) {
    std::mem::discriminant(value).hash(state);
    match value {
        Const::None | Const::Ellipsis => {}
        Const::Bool(b) => b.hash(state),
        Const::Int(i) => i.hash(state),
        Const::BigInt(i) => i.hash(state),
        Const::Float(f) => f.to_bits().hash(state),
        Const::Complex(re, im) => (re.to_bits(), im.to_bits()).hash(state),
        Const::Str(bytes) | Const::Bytes(bytes) => bytes.hash(state),
        Const::Tuple(items) | Const::FrozenSet(items) => items.iter().for_each(|item| hash(item, state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_shared_by_type_and_bits() {
        let mut builder = Builder::new(0);
        let zero = builder.constant(Const::Float(0.0));
        assert_ne!(zero, builder.constant(Const::Float(-0.0)));
        assert_ne!(builder.constant(Const::Int(1)), builder.constant(Const::Bool(true)));
        assert_eq!(zero, builder.constant(Const::Float(0.0)));
    }

    #[test]
    fn a_label_keeps_what_every_way_to_it_binds() {
        let mut builder = Builder::new(2);
        let end = builder.label();
        builder.set_bound(0);
        builder.jump(end, |target| Instr::JumpIfTrue { a: Reg(0), target });
        builder.set_bound(1);
        assert!(builder.is_bound(1));
        builder.bind(end);
        assert!(builder.is_bound(0) && !builder.is_bound(1));
    }

    #[test]
    fn unreachable_code_is_dropped() {
        let mut builder = Builder::new(0);
        builder.emit(Instr::ReturnNone {});
        builder.emit(Instr::ReturnNone {});
        assert_eq!(builder.slots.len(), 1);
    }
}
