//! Code as text, for `--dump=code`: what the table says of each instruction, with names and constants spelt out.

use std::fmt::Write;

use super::code::{Code, Const};
use super::op::{Intrinsic, Op, OperandKind};

/// `code` and its children as text.
pub fn disassemble(code: &Code) -> String {
    let mut out = String::new();
    write_code(code, &mut out);
    out
}

fn write_code(code: &Code, out: &mut String) {
    let _ = writeln!(out, "code {} (line {}, {} registers)", code.qualname, code.first_line, code.registers);
    if !code.flags.is_empty() {
        let flags: Vec<_> = code.flags.iter_names().map(|(name, _)| name.to_lowercase()).collect();
        let _ = writeln!(out, "  flags {}", flags.join(" "));
    }
    if !code.locals.is_empty() {
        let cells = |i: usize| code.cell_registers.contains(&local_register(code, i));
        let locals = code.locals.iter().enumerate();
        let locals: Vec<_> = locals
            .map(|(i, name)| format!("r{}={name}{}", local_register(code, i), if cells(i) { " (cell)" } else { "" }))
            .collect();
        let _ = writeln!(out, "  locals {}", locals.join(", "));
    }
    if !code.free.is_empty() {
        let _ = writeln!(out, "  captures {}", code.free.join(", "));
    }
    let mut targets: Vec<usize> = code.handlers.iter().map(|handler| handler.target as usize).collect();
    walk(code, |at, op| {
        let (places, _) = op.info().layout();
        for ((_, kind), place) in op.info().operands.iter().zip(places) {
            if *kind == OperandKind::Jump {
                targets.push((at as i64 + i64::from(code.words[at + usize::from(place.word)] as i32)) as usize);
            }
        }
    });
    targets.sort_unstable();
    let mut line = 0;
    walk(code, |at, op| {
        let position = code.position(at as u32);
        let here = position.map_or(0, |position| position.line);
        let shown = if here != line && here != 0 { here.to_string() } else { String::new() };
        line = here;
        let mark = if targets.binary_search(&at).is_ok() { '>' } else { ' ' };
        let _ = write!(out, "{shown:>5} {mark} {at:>4}  {:<16}", op.info().name);
        let (places, _) = op.info().layout();
        for (i, ((name, kind), place)) in op.info().operands.iter().zip(places).enumerate() {
            out.push_str(if i > 0 { ", " } else { " " });
            let word = code.words[at + usize::from(place.word)] >> place.shift;
            let _ = match kind {
                OperandKind::Reg => write!(out, "r{}", word & 0xff),
                OperandKind::Far => write!(out, "r{}", word & 0xffff),
                OperandKind::U8 if op == Op::Intrinsic && *name == "kind" => {
                    match Intrinsic::ALL.get((word & 0xff) as usize) {
                        Some(kind) => write!(out, "{kind:?}"),
                        None => write!(out, "?"),
                    }
                }
                OperandKind::U8 => write!(out, "{}", word & 0xff),
                OperandKind::I8 => write!(out, "{}", word as u8 as i8),
                OperandKind::I16 => write!(out, "{}", word as u16 as i16),
                OperandKind::U16 => write!(out, "{}", word & 0xffff),
                OperandKind::U32 => write!(out, "{word}"),
                OperandKind::Const => match code.constants.get(word as usize) {
                    Some(value) => write!(out, "{}", show(value)),
                    None => write!(out, "?"),
                },
                OperandKind::Name => write!(out, "{}", code.names.get(word as usize).map_or("?", |name| name)),
                OperandKind::Code => match code.children.get(word as usize) {
                    Some(child) => write!(out, "<code {}>", child.qualname),
                    None => write!(out, "?"),
                },
                OperandKind::Jump => write!(out, "to {}", at as i64 + i64::from(word as i32)),
            };
        }
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    });
    for handler in &code.handlers {
        let _ = writeln!(
            out,
            "  handler {}..{} to {}, exception in r{}",
            handler.start, handler.end, handler.target, handler.register
        );
    }
    for child in &code.children {
        out.push('\n');
        write_code(child, out);
    }
}

fn local_register(code: &Code, local: usize) -> u16 {
    match local.checked_sub(usize::from(code.near_locals)) {
        None => local as u16,
        Some(far) => code.far_base + far as u16,
    }
}

fn walk(code: &Code, mut visit: impl FnMut(usize, Op)) {
    let mut at = 0;
    while at < code.words.len() {
        let Some(op) = Op::from_byte((code.words[at] & 0xff) as u8) else { return };
        visit(at, op);
        at += usize::from(op.info().length());
    }
}

fn show(value: &Const) -> String {
    let list = |items: &[Const]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match value {
        Const::None => "None".into(),
        Const::Bool(true) => "True".into(),
        Const::Bool(false) => "False".into(),
        Const::Ellipsis => "...".into(),
        Const::Int(i) => i.to_string(),
        Const::BigInt(i) => i.to_string(),
        Const::Float(f) => format!("{f:?}"),
        Const::Complex(re, im) if *re == 0.0 && re.is_sign_positive() => format!("{im:?}j"),
        Const::Complex(re, im) => format!("({re:?}{im:+?}j)"),
        Const::Str(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Const::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Const::Tuple(items) if items.len() == 1 => format!("({},)", list(items)),
        Const::Tuple(items) => format!("({})", list(items)),
        Const::FrozenSet(items) => format!("frozenset({{{}}})", list(items)),
    }
}
