//! The verifier refuses code that the run loop could not take for granted, and never panics, whatever it is given.

use std::sync::Arc;

use aio::bytecode::code::{Capture, Code, Handler, Height};
use aio::bytecode::op::{Op, OperandKind};
use aio::bytecode::verify::verify;
use aio::compile::Options;
use aio::interpreter::compile_text;
use aio::source::SourceFile;
use aio::syntax::Mode;

#[path = "support/texts.rs"]
mod texts;

use texts::{Random, from_environment, mutated, scripts, soup};

const SCRIPT: &str = "\
def outer(a, *rest, k=1, **others):
    total = 0
    def inner(x):
        nonlocal total
        total += x
        return total
    for item in rest:
        try:
            total += inner(item) if item > k else -1
        except (ValueError, TypeError) as error:
            print(error, 'text', 2.5, 10**30)
        finally:
            total *= 2
    with open(a) as file:
        first, *others = file.readlines(), *rest
    return [total, {k: v for k, v in others.items()}, f'{a!r:>{k}}', lambda: total]
class Thing(object):
    x: int = 1
    def method(self):
        return super().method(1, key=2)
async def main():
    async with outer(1) as b:
        async for x in b:
            await main()
            yield x
";

fn compiled(text: &str) -> Option<Arc<Code>> {
    let source = SourceFile::new("case.aio", text);
    compile_text(&source, Mode::Module, &Options::default()).ok().map(|(code, _)| code)
}

fn copy(code: &Code) -> Code {
    Code {
        name: code.name.clone(),
        qualname: code.qualname.clone(),
        filename: code.filename.clone(),
        first_line: code.first_line,
        flags: code.flags,
        positional: code.positional,
        positional_only: code.positional_only,
        keyword_only: code.keyword_only,
        locals: code.locals.clone(),
        near_locals: code.near_locals,
        far_base: code.far_base,
        cell_registers: code.cell_registers.clone(),
        free: code.free.clone(),
        captures: code.captures.clone(),
        registers: code.registers,
        words: code.words.clone(),
        constants: code.constants.clone(),
        names: code.names.clone(),
        children: code.children.clone(),
        handlers: code.handlers.clone(),
        positions: code.positions.clone(),
        heights: code.heights.clone(),
    }
}

/// All code objects of a module.
fn all(code: &Arc<Code>, into: &mut Vec<Arc<Code>>) {
    into.push(code.clone());
    code.children.iter().for_each(|child| all(child, into));
}

fn codes() -> Vec<Arc<Code>> {
    let mut codes = vec![];
    all(&compiled(SCRIPT).expect("a program"), &mut codes);
    codes
}

/// The instructions of code: word and opcode.
fn instructions(code: &Code) -> Vec<(usize, Op)> {
    let mut found = vec![];
    let mut at = 0;
    while at < code.words.len() {
        let op = Op::from_byte((code.words[at] & 0xff) as u8).expect("sound code");
        found.push((at, op));
        at += usize::from(op.info().length());
    }
    found
}

#[test]
fn sound_code_passes() {
    for code in codes() {
        assert_eq!(verify(&code), Ok(()));
        assert_eq!(verify(&copy(&code)), Ok(()));
    }
}

#[test]
fn operands_out_of_range_are_refused() {
    let mut tried = 0;
    for code in codes() {
        for (at, op) in instructions(&code) {
            let (places, _) = op.info().layout();
            for ((name, kind), place) in op.info().operands.iter().zip(places) {
                let bad = match kind {
                    OperandKind::Reg if u32::from(code.far_base) <= 0xff => u32::from(code.far_base),
                    OperandKind::Far => u32::from(code.registers),
                    OperandKind::Const => code.constants.len() as u32,
                    OperandKind::Name => code.names.len() as u32,
                    OperandKind::Code => code.children.len() as u32,
                    OperandKind::Jump => 0x7fff_ffff,
                    // Any number will do.
                    OperandKind::Reg
                    | OperandKind::U8
                    | OperandKind::I8
                    | OperandKind::I16
                    | OperandKind::U16
                    | OperandKind::U32 => continue,
                };
                let mask = if *kind == OperandKind::Reg {
                    0xff << place.shift
                } else if *kind == OperandKind::Far {
                    0xffff << place.shift
                } else {
                    u32::MAX
                };
                let mut spoilt = copy(&code);
                let word = &mut spoilt.words[at + usize::from(place.word)];
                *word = *word & !mask | bad.wrapping_shl(u32::from(place.shift)) & mask;
                assert!(verify(&spoilt).is_err(), "{}: {} {name} = {bad} passes", code.qualname, op.info().name);
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried} operands were looked at");
}

#[test]
fn code_that_is_cut_off_is_refused() {
    for code in codes() {
        for length in 0..code.words.len() {
            let mut spoilt = copy(&code);
            spoilt.words = code.words[..length].into();
            // Shorter code may be sound by itself only where nothing refers to what is gone.
            if verify(&spoilt).is_ok() {
                let (_, op) = *instructions(&spoilt).last().expect("code that passes has instructions");
                assert!(aio::bytecode::builder::ends_flow(op), "{length}: {op:?}");
            }
        }
    }
}

#[test]
fn spoilt_tables_are_refused() {
    type Spoil = fn(&mut Code);
    let spoils: [(&str, Spoil); 13] = [
        ("too few registers", |c| c.registers = c.far_base - 1),
        ("near locals past the far ones", |c| c.near_locals = c.far_base + 1),
        ("far locals without registers", |c| c.locals = (0..c.registers + 2).map(|_| "x".into()).collect()),
        ("parameters without locals", |c| c.positional = c.locals.len() as u16 + 1),
        ("a cell that is a temporary", |c| c.cell_registers = [c.near_locals].into()),
        ("captures without names", |c| c.captures = [Capture::Free(0), Capture::Free(1), Capture::Free(2)].into()),
        ("a handler past the end", |c| {
            c.handlers = [Handler { start: 0, end: c.words.len() as u32 + 5, target: 0, register: 0 }].into()
        }),
        ("a handler that goes nowhere", |c| {
            c.handlers =
                [Handler { start: 0, end: 1, target: c.words.len() as u32, register: c.near_locals as u8 }].into();
        }),
        ("a handler into a local", |c| {
            c.handlers = [Handler { start: 0, end: c.words.len() as u32, target: 0, register: 255 }].into()
        }),
        ("heights out of order", |c| c.heights = [Height { word: 1, height: 0 }, Height { word: 0, height: 0 }].into()),
        ("a height past the registers", |c| c.heights = [Height { word: 0, height: c.far_base + 1 }].into()),
        ("no instructions", |c| c.words = [].into()),
        ("no opcode", |c| c.words[0] |= 0xff),
    ];
    for code in codes() {
        for (what, spoil) in spoils {
            let mut spoilt = copy(&code);
            spoil(&mut spoilt);
            let refused = verify(&spoilt).is_err()
                // Captures are checked with the code that makes the function.
                || what.starts_with("captures") && verify(&Code { children: [Arc::new(spoilt)].into(), ..copy(&code) }).is_err();
            assert!(refused, "{}: {what} passes", code.qualname);
        }
    }
}

#[test]
fn cells_are_cells() {
    let mut tried = 0;
    for code in codes() {
        if instructions(&code).iter().any(|(_, op)| matches!(op, Op::MakeCell | Op::LoadCell | Op::StoreCell)) {
            let mut spoilt = copy(&code);
            spoilt.cell_registers = [].into();
            spoilt.children = [].into();
            assert!(verify(&spoilt).is_err(), "{}", code.qualname);
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[test]
fn whatever_is_compiled_passes_and_whatever_is_spoilt_causes_no_panic() {
    let scripts = scripts();
    for seed in 0..from_environment("AIO_PROPERTY_CASES", 20_000).min(3_000) {
        let mut random = Random::new(seed);
        let text = if random.below(2) == 0 { mutated(&mut random, &scripts) } else { soup(&mut random) };
        let Some(code) = compiled(&text) else { continue };
        assert_eq!(verify(&code), Ok(()), "seed {seed}\n{text}");
        let mut objects = vec![];
        all(&code, &mut objects);
        let mut spoilt = copy(&objects[random.below(objects.len())]);
        for _ in 0..1 + random.below(3) {
            let at = random.below(spoilt.words.len());
            match random.below(3) {
                0 => spoilt.words[at] = random.below(1 << 32) as u32,
                1 => spoilt.words[at] ^= 1 << random.below(32),
                _ => spoilt.words[at] = spoilt.words[random.below(spoilt.words.len())],
            }
        }
        // Most are refused; a constant for another is as good. What counts is that it ends, and without a panic.
        let _ = verify(&spoilt);
    }
}
