//! Checks a [`Code`] against what the run loop takes for granted: it reads registers, constants and words unchecked.
//!
//! Run on every code object in debug builds and tests, and before code from elsewhere is trusted.

use super::builder::ends_flow;
use super::code::{Capture, Code};
use super::op::{Intrinsic, Op, OperandKind};

/// Checks `code` and its children; an error says where and what.
pub fn verify(code: &Code) -> Result<(), String> {
    check(code).map_err(|what| format!("{}: {what}", code.qualname))?;
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
        Op::CallEx | Op::BuildInterpolation | Op::MatchClass | Op::CallSuper | Op::SuperAttr => operand("base") + 2,
        Op::BuildTemplate | Op::WithEnter | Op::AsyncWithEnter | Op::LoadMethod => operand("base") + 1,
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
        Op::MakeCell | Op::LoadCell | Op::StoreCell | Op::DeleteCell => 0,
        _ => 0,
    };
    ensure(run < u32::from(code.far_base).max(1), || format!("word {at}: {} reaches register {run}", info.name))
}
