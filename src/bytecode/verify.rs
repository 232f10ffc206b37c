//! Checks a [`Code`] against what the run loop takes for granted: it reads registers, constants and words unchecked.
//!
//! Run on every code object in debug builds and tests, and before code from elsewhere is trusted.
#![allow(clippy::wildcard_enum_match_arm, reason = "most instructions need no check beyond what their row says")]

use super::builder::ends_flow;
use super::code::{Capture, Code};
use super::op::{Intrinsic, Op, OperandKind};

/// Checks `code` and its children; an error says where and what.
pub fn verify(code: &Code) -> Result<(), String> {
    check(code).and_then(|()| check_flow(code)).map_err(|what| format!("{}: {what}", code.qualname))?;
    for child in &code.children {
        check_captures(code, child).map_err(|what| format!("{}: {what}", child.qualname))?;
        verify(child)?;
    }
    Ok(())
}

fn ensure(condition: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what()) }
}

fn check(code: &Code) -> Result<(), String> {
    let length = code.words.len();
    ensure(code.near_locals <= code.far_base && code.far_base <= code.registers, || "frame regions overlap".into())?;
    ensure(code.far_base <= 256, || "near registers past 256".into())?;
    let far_locals = code.locals.len().saturating_sub(usize::from(code.near_locals));
    ensure(usize::from(code.far_base) + far_locals <= usize::from(code.registers), || {
        "locals without registers".into()
    })?;
    ensure(usize::from(code.parameters()) <= code.locals.len(), || "parameters without locals".into())?;
    for &cell in &code.cell_registers {
        ensure(cell < code.near_locals || (code.far_base <= cell && cell < code.registers), || {
            format!("cell in register {cell}, which is no local")
        })?;
    }

    let mut starts = vec![false; length + 1];
    let mut last = None;
    let mut at = 0;
    while at < length {
        starts[at] = true;
        let byte = (code.words[at] & 0xff) as u8;
        let op = Op::from_byte(byte).ok_or_else(|| format!("word {at}: no opcode {byte}"))?;
        check_instruction(code, at, op)?;
        at += usize::from(op.info().length());
        last = Some(op);
    }
    ensure(at == length, || "the last instruction is cut off".into())?;
    ensure(last.is_some_and(ends_flow), || "control runs off the end".into())?;

    at = 0;
    while at < length {
        let op = Op::ALL[(code.words[at] & 0xff) as usize];
        let (places, size) = op.info().layout();
        for ((_, kind), place) in op.info().operands.iter().zip(places) {
            if *kind == OperandKind::Jump {
                let target = at as i64 + i64::from(code.words[at + usize::from(place.word)] as i32);
                let lands = usize::try_from(target).is_ok_and(|target| target < length && starts[target]);
                ensure(lands, || format!("word {at}: jump to {target}, inside an instruction or outside the code"))?;
            }
        }
        at += usize::from(size);
    }

    for handler in &code.handlers {
        let sound = |word: u32| (word as usize) < length && starts[word as usize];
        ensure(
            sound(handler.start)
                && (handler.end as usize <= length && starts[handler.end as usize] || handler.end as usize == length)
                && handler.start < handler.end
                && sound(handler.target)
                && u16::from(handler.register) < code.far_base
                && u16::from(handler.register) >= code.near_locals,
            || format!("handler {handler:?} is unsound"),
        )?;
        let live = code.height(handler.target);
        ensure(live == u16::from(handler.register) + 1, || {
            format!("handler at {} expects {live} live registers", handler.target)
        })?;
    }
    let ordered = code.heights.windows(2).all(|w| w[0].word < w[1].word)
        && code.positions.windows(2).all(|w| w[0].word < w[1].word);
    ensure(ordered, || "tables out of order".into())?;
    for height in &code.heights {
        ensure(
            (height.word as usize) < length
                && starts[height.word as usize]
                && height.height >= code.near_locals
                && height.height <= code.far_base,
            || format!("height {height:?} is unsound"),
        )?;
    }
    ensure(code.free.len() <= usize::from(u16::MAX), || "too many captured cells".into())
}

fn check_captures(parent: &Code, child: &Code) -> Result<(), String> {
    ensure(child.captures.len() == child.free.len(), || "captures and free names differ in number".into())?;
    for capture in &child.captures {
        let sound = match *capture {
            Capture::Register(reg) => parent.cell_registers.contains(&u16::from(reg)),
            Capture::Far(reg) => parent.cell_registers.contains(&reg),
            Capture::Free(index) => usize::from(index) < parent.free.len(),
        };
        ensure(sound, || format!("capture {capture:?} is no cell of {}", parent.qualname))?;
    }
    Ok(())
}

fn check_instruction(code: &Code, at: usize, op: Op) -> Result<(), String> {
    let info = op.info();
    let (places, size) = info.layout();
    ensure(at + usize::from(size) <= code.words.len(), || format!("word {at}: {} is cut off", info.name))?;
    let mut operands = [0u32; super::op::MAX_OPERANDS];
    for (i, ((name, kind), place)) in info.operands.iter().zip(places).enumerate() {
        let word = code.words[at + usize::from(place.word)] >> place.shift;
        let (value, limit) = match kind {
            OperandKind::Reg => (word & 0xff, u32::from(code.far_base)),
            OperandKind::U8 | OperandKind::I8 => (word & 0xff, u32::MAX),
            OperandKind::I16 | OperandKind::U16 => (word & 0xffff, u32::MAX),
            OperandKind::Far => (word & 0xffff, u32::from(code.registers)),
            OperandKind::Const => (word, code.constants.len() as u32),
            OperandKind::Name => (word, code.names.len() as u32),
            OperandKind::Code => (word, code.children.len() as u32),
            OperandKind::Jump | OperandKind::U32 => (word, u32::MAX),
        };
        operands[i] = value;
        ensure(value < limit || limit == u32::MAX, || format!("word {at}: {} {name} = {value}", info.name))?;
        if *kind == OperandKind::Far {
            ensure(value >= u32::from(code.far_base), || format!("word {at}: {} of near register {value}", info.name))?;
        }
    }
    let operand = |name: &str| info.operands.iter().position(|(field, _)| *field == name).map_or(0, |i| operands[i]);
    // The last register of a run that an instruction reads or writes besides its named ones.
    let run = match op {
        Op::Call | Op::CallKw | Op::CallAwait => operand("base") + operand("argc"),
        Op::CallMethod | Op::CallMethodAwait | Op::CallLoaded | Op::CallLoadedKw => {
            operand("base") + 1 + operand("argc")
        }
        Op::BuildList | Op::BuildTuple | Op::BuildSet | Op::BuildString | Op::BuildSlice | Op::UnpackSequence => {
            (operand("base") + operand("count")).saturating_sub(1)
        }
        Op::BuildMap => (operand("base") + 2 * operand("pairs")).saturating_sub(1),
        Op::UnpackEx => operand("base") + operand("before") + operand("after"),
        Op::CallEx | Op::BuildInterpolation | Op::MatchClass | Op::CallSuper | Op::SuperAttr | Op::SuperMethod => {
            operand("base") + 2
        }
        Op::BuildTemplate | Op::WithEnter | Op::AsyncWithEnter | Op::LoadMethod | Op::GetSlice | Op::SetSlice => {
            operand("base") + 1
        }
        Op::MakeFunction => (operand("base") + operand("flags").count_ones()).saturating_sub(1),
        Op::LoadFree | Op::StoreFree | Op::DeleteFree | Op::LoadFreeCell | Op::LoadNameOrFree => {
            let index = operand("index") as usize;
            ensure(index < code.free.len(), || format!("word {at}: {} of captured cell {index}", info.name))?;
            0
        }
        Op::Intrinsic => {
            let kind = operand("kind") as usize;
            ensure(kind < Intrinsic::ALL.len(), || format!("word {at}: no intrinsic {kind}"))?;
            operand("base") + u32::from(Intrinsic::ALL[kind].operands()).saturating_sub(1)
        }
        // The run loop takes what is there for a cell.
        Op::MakeCell | Op::LoadCell | Op::StoreCell | Op::DeleteCell => {
            let cell = operand(if op == Op::MakeCell { "reg" } else { "cell" });
            ensure(code.cell_registers.contains(&(cell as u16)), || {
                format!("word {at}: {} of r{cell}, which is no cell", info.name)
            })?;
            0
        }
        _ => 0,
    };
    ensure(run < u32::from(code.far_base).max(1), || format!("word {at}: {} reaches register {run}", info.name))
}

/// A set of near registers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Registers([u64; 4]);

impl Registers {
    fn below(end: u16) -> Registers {
        let mut set = Registers::default();
        (0..end.min(256)).for_each(|reg| set.insert(reg as u8));
        set
    }

    fn insert(&mut self, reg: u8) {
        self.0[usize::from(reg / 64)] |= 1 << (reg % 64);
    }

    fn contains(&self, reg: u8) -> bool {
        self.0[usize::from(reg / 64)] >> (reg % 64) & 1 == 1
    }

    /// Takes out the registers from `start` up.
    fn truncate(&mut self, start: u16) {
        let kept = Registers::below(start);
        self.0.iter_mut().zip(kept.0).for_each(|(bits, kept)| *bits &= kept);
    }

    fn intersect(&mut self, other: &Registers) -> bool {
        let before = *self;
        self.0.iter_mut().zip(other.0).for_each(|(bits, other)| *bits &= other);
        *self != before
    }
}

/// Checks that no instruction reads a register that nothing was written to, and that the collector finds none below the height: on
/// every way through the code.
fn check_flow(code: &Code) -> Result<(), String> {
    let mut states: Vec<Option<Registers>> = vec![None; code.words.len()];
    let mut todo = vec![0usize];
    if let Some(first) = states.first_mut() {
        *first = Some(Registers::below(code.near_locals));
    }
    while let Some(at) = todo.pop() {
        let op = Op::ALL[(code.words[at] & 0xff) as usize];
        let before = states[at].expect("only reached instructions are looked at");
        let mut reach = |target: usize, state: Registers| match &mut states[target] {
            Some(known) => {
                if known.intersect(&state) {
                    todo.push(target);
                }
            }
            slot => {
                *slot = Some(state);
                todo.push(target);
            }
        };
        if let Some(handler) = code.handler(at as u32) {
            let mut state = before;
            state.truncate(u16::from(handler.register));
            state.insert(handler.register);
            reach(handler.target as usize, state);
        }
        let (after, jumped) = effect(code, at, op, before);
        let next = at + usize::from(op.info().length());
        if let Some(target) = jump_target(code, at, op) {
            reach(target, jumped);
        }
        if let Some((base, dst)) = fused_registers(code, at, op) {
            // The result, if the callee ran at once, is used behind the three instructions that follow.
            let mut behind = next;
            for expected in [Op::GetAwaitable, Op::LoadNone, Op::Delegate] {
                let found = code.words.get(behind).map(|word| Op::ALL[(word & 0xff) as usize]);
                ensure(found == Some(expected), || format!("word {at}: {} without its {expected:?}", op.info().name))?;
                behind += usize::from(expected.info().length());
            }
            let mut state = before;
            if op != Op::AsyncWithExit {
                state.truncate(u16::from(base));
            }
            if op == Op::AsyncWithEnter {
                state.insert(base - 1);
            }
            state.insert(base);
            state.insert(dst);
            reach(behind, state);
        }
        if !ends_flow(op) {
            reach(next, after);
        }
    }
    for (at, state) in states.iter().enumerate() {
        let Some(state) = state else { continue };
        let op = Op::ALL[(code.words[at] & 0xff) as usize];
        check_reads(code, at, op, state)?;
    }
    Ok(())
}

/// Of an instruction that may await at once what it calls: where the awaitable is otherwise, and the result.
fn fused_registers(code: &Code, at: usize, op: Op) -> Option<(u8, u8)> {
    let get = |name| operand(code, at, op, name) as u8;
    match op {
        Op::CallAwait | Op::CallMethodAwait | Op::NextAsync => Some((get("base"), get("dst"))),
        Op::AsyncWithEnter => Some((get("base") + 1, get("base") + 2)),
        Op::AsyncWithExit => Some((get("dst"), get("dst") + 1)),
        _ => None,
    }
}

fn operand(code: &Code, at: usize, op: Op, name: &str) -> u32 {
    let (places, _) = op.info().layout();
    let mut operands = op.info().operands.iter().zip(places);
    let Some(((_, kind), place)) = operands.find(|((field, _), _)| *field == name) else { return 0 };
    let word = code.words[at + usize::from(place.word)] >> place.shift;
    match kind {
        OperandKind::Reg | OperandKind::U8 | OperandKind::I8 => word & 0xff,
        OperandKind::I16 | OperandKind::U16 | OperandKind::Far => word & 0xffff,
        _ => word,
    }
}

fn jump_target(code: &Code, at: usize, op: Op) -> Option<usize> {
    let jumps = op.info().operands.iter().any(|(_, kind)| *kind == OperandKind::Jump);
    jumps.then(|| (at as i64 + i64::from(operand(code, at, op, "target") as i32)) as usize)
}

/// The registers that hold something behind an instruction, and where it jumps to.
fn effect(code: &Code, at: usize, op: Op, before: Registers) -> (Registers, Registers) {
    let get = |name| operand(code, at, op, name);
    let mut after = before;
    let fill = |after: &mut Registers, start: u32, count: u32| {
        (start..start + count).for_each(|reg| after.insert(reg as u8));
    };
    match op {
        Op::Call
        | Op::CallKw
        | Op::CallEx
        | Op::CallMethod
        | Op::CallLoaded
        | Op::CallLoadedKw
        | Op::CallSuper
        | Op::SuperAttr => {
            after.truncate(get("base") as u16);
        }
        Op::CallAwait | Op::CallMethodAwait | Op::NextAsync => {
            after.truncate(get("base") as u16);
            fill(&mut after, get("base"), 1);
            return (after, before);
        }
        Op::SuperMethod => {
            after.truncate(get("base") as u16);
            fill(&mut after, get("base"), 2);
        }
        Op::LoadMethod | Op::WithEnter | Op::AsyncWithEnter => fill(&mut after, get("base"), 2),
        Op::UnpackSequence => fill(&mut after, get("base"), get("count")),
        Op::UnpackEx => fill(&mut after, get("base"), get("before") + 1 + get("after")),
        Op::EnterHandler => fill(&mut after, get("save"), 1),
        Op::MakeCell => fill(&mut after, get("reg"), 1),
        _ => {}
    }
    if op.info().operands.first().is_some_and(|(name, kind)| *name == "dst" && *kind == OperandKind::Reg) {
        after.insert(get("dst") as u8);
    }
    // An exhausted iterator leaves `dst` alone.
    match op {
        Op::ForIter => (after, before),
        Op::ForLoop => (before, after),
        _ => (after, after),
    }
}

fn check_reads(code: &Code, at: usize, op: Op, state: &Registers) -> Result<(), String> {
    let get = |name| operand(code, at, op, name);
    let fused = matches!(op, Op::CallMethod | Op::CallMethodAwait);
    let run = |start: u32, count: u32| -> Result<(), String> {
        (start..start + count).try_for_each(|reg| {
            ensure(state.contains(reg as u8), || {
                format!("word {at}: {} reads r{reg}, which holds nothing", op.info().name)
            })
        })
    };
    for (name, kind) in op.info().operands {
        if *kind == OperandKind::Reg && !matches!(*name, "dst" | "base" | "save" | "names") {
            run(get(name), 1)?;
        }
    }
    match op {
        Op::Call | Op::CallKw | Op::CallAwait => run(get("base"), get("argc") + 1)?,
        Op::CallLoaded | Op::CallLoadedKw => run(get("base"), get("argc") + 2)?,
        Op::CallMethod | Op::CallMethodAwait => run(get("base") + 2, get("argc"))?,
        Op::CallEx | Op::CallSuper | Op::SuperAttr | Op::SuperMethod | Op::BuildInterpolation | Op::MatchClass => {
            run(get("base"), 3)?
        }
        Op::BuildTemplate | Op::GetSlice | Op::SetSlice => run(get("base"), 2)?,
        Op::BuildList | Op::BuildTuple | Op::BuildSet | Op::BuildString | Op::BuildSlice => {
            run(get("base"), get("count"))?
        }
        Op::BuildMap => run(get("base"), 2 * get("pairs"))?,
        Op::MakeFunction => run(get("base"), get("flags").count_ones())?,
        Op::LeaveHandler => run(get("save"), 1)?,
        Op::WithEnter
        | Op::WithExit
        | Op::WithExitExc
        | Op::AsyncWithEnter
        | Op::AsyncWithExit
        | Op::AsyncWithExitExc => {
            run(get("base"), 1)?;
        }
        Op::Intrinsic => run(get("base"), u32::from(Intrinsic::ALL[get("kind") as usize].operands()))?,
        Op::LoadName | Op::StoreName | Op::DeleteName | Op::LoadNameOrFree | Op::LoadNameOrGlobal => {
            run(get("names"), 1)?
        }
        _ => {}
    }
    // These neither collect nor run script code; the registers of a method call wait for it among them.
    let silent = matches!(
        op,
        Op::Move
            | Op::LoadConst
            | Op::LoadInt
            | Op::LoadNone
            | Op::LoadTrue
            | Op::LoadFalse
            | Op::LoadFar
            | Op::StoreFar
            | Op::Unbind
    );
    let hole = if fused { get("base")..get("base") + 2 } else { 0..0 };
    let height = if silent { 0 } else { code.height(at as u32) };
    for reg in code.near_locals..height {
        let filled = state.contains(reg as u8) || hole.contains(&u32::from(reg));
        ensure(filled, || format!("word {at}: {} has r{reg} below its height, which holds nothing", op.info().name))?;
    }
    Ok(())
}
