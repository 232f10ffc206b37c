//! The tree of a pattern to instructions.

use super::case::{CASED_END, Case};
use super::first::is_unbounded;
use super::parse::{Parsed, TYPE_FLAGS};
use super::program::{
    Alt, At, DECODE, Follow, Look, Loop, Members, NO, NONE, Op, Prefilter, Program, Rep, Set, Unit, YES, in_category,
};
use super::tree::{Category, How, Item, Node, Place, Seq, width};
use super::{Fault, flag};
use crate::text::wtf8;

/// Compiles a pattern. `room` tells whether the machine's stack has room for another level of nesting.
pub fn compile(parsed: &Parsed, room: &dyn Fn() -> bool) -> Result<Program, Fault> {
    let mut compiler = Compiler {
        program: Program {
            code: vec![],
            pool: vec![],
            sets: vec![],
            reps: vec![],
            loops: vec![],
            looks: vec![],
            alts: vec![],
            peeks: vec![],
            prefilter: Prefilter::Anywhere,
            groups: parsed.groups,
            is_text: parsed.is_text,
        },
        literal: vec![],
        widths: &parsed.widths,
        room,
    };
    compiler.seq(&parsed.body, parsed.flags)?;
    compiler.emit(Op::Match);
    let mut program = compiler.program;
    program.look_ahead();
    Ok(program)
}

struct Compiler<'a> {
    program: Program,
    /// Bytes to be matched literally that were not emitted yet.
    literal: Vec<u8>,
    widths: &'a [Option<(u64, u64)>],
    room: &'a dyn Fn() -> bool,
}

fn case_of(flags: u32) -> Case {
    if flags & flag::IGNORECASE == 0 {
        Case::Exact
    } else if flags & flag::LOCALE != 0 {
        Case::Locale
    } else if flags & flag::UNICODE != 0 {
        Case::Unicode
    } else {
        Case::Ascii
    }
}

fn combined(flags: u32, add: u32, del: u32) -> u32 {
    let flags = if add & TYPE_FLAGS != 0 { flags & !TYPE_FLAGS } else { flags };
    (flags | add) & !del
}

impl Compiler<'_> {
    fn here(&self) -> u32 {
        self.program.code.len() as u32
    }

    fn emit(&mut self, op: Op) -> u32 {
        self.flush();
        self.program.code.push(op);
        self.here() - 1
    }

    /// Emits the literal bytes that wait.
    fn flush(&mut self) {
        match self.literal[..] {
            [] => {}
            [byte] => self.program.code.push(Op::Byte(byte)),
            _ => {
                let at = self.program.pool.len() as u32;
                self.program.pool.extend(&self.literal);
                self.program.code.push(Op::Literal(at, self.literal.len() as u32));
            }
        }
        self.literal.clear();
    }

    fn seq(&mut self, seq: &Seq, flags: u32) -> Result<(), Fault> {
        if !(self.room)() {
            return Err(Fault::Recursion);
        }
        for node in seq {
            self.node(node, flags)?;
        }
        self.flush();
        Ok(())
    }

    fn node(&mut self, node: &Node, flags: u32) -> Result<(), Fault> {
        match node {
            Node::Literal(c) if !case_of(flags).is_cased(*c) => self.push_literal(*c),
            Node::Literal(_) | Node::NotLiteral(_) | Node::Any | Node::Class { .. } => {
                let unit = self.unit(node, flags);
                self.emit(match unit {
                    Unit::Byte(b) => Op::Byte(b),
                    Unit::NotByte(b) => Op::NotByte(b),
                    Unit::All => Op::All,
                    Unit::Set(set) => Op::Set(set),
                });
            }
            Node::At(place) => {
                let multiline = flags & flag::MULTILINE != 0;
                let boundary = |negate| At::Boundary { unicode: flags & flag::UNICODE != 0, negate };
                self.emit(Op::At(match place {
                    Place::Beginning if multiline => At::LineStart,
                    Place::Beginning | Place::Start => At::Start,
                    Place::End if multiline => At::LineEnd,
                    Place::End => At::End,
                    Place::Stop => At::Stop,
                    Place::Boundary => boundary(false),
                    Place::NonBoundary => boundary(true),
                }));
            }
            Node::Branch(branches) => self.branches(branches, flags)?,
            Node::Repeat { how, min, max, body } => self.repeat(*how, *min, *max, body, flags)?,
            Node::Group { id, add, del, body } => {
                let flags = combined(flags, *add, *del);
                match id {
                    None => self.seq(body, flags)?,
                    Some(id) => {
                        self.emit(Op::Mark(id * 2 - 2));
                        self.seq(body, flags)?;
                        self.emit(Op::Mark(id * 2 - 1));
                    }
                }
            }
            Node::Atomic(body) => {
                self.emit(Op::Atomic);
                self.seq(body, flags)?;
                self.emit(Op::AtomicEnd);
            }
            Node::Look { behind, negate, body } => {
                let mut back = 0;
                if *behind {
                    let (low, high) = width(body, self.widths);
                    if low != high {
                        return Err(Fault::Pattern(b"look-behind requires fixed-width pattern".to_vec(), None));
                    }
                    back = match u32::try_from(low) {
                        Ok(back) => back,
                        Err(_) => return Err(Fault::Pattern(b"looks too much behind".to_vec(), None)),
                    };
                }
                let look = self.program.looks.len();
                self.program.looks.push(Look { back, negate: *negate, after: 0 });
                self.emit(Op::Look(look as u32));
                self.seq(body, flags)?;
                self.emit(if *negate { Op::NegEnd } else { Op::LookEnd });
                self.program.looks[look].after = self.here();
            }
            Node::Ref(group) => {
                self.emit(Op::Ref(group - 1, case_of(flags)));
            }
            Node::Cond { group, yes, no } => {
                let cond = self.emit(Op::Cond(group - 1, 0));
                self.seq(yes, flags)?;
                let mut no_at = self.here();
                if let Some(no) = no {
                    let jump = self.emit(Op::Jump(0));
                    no_at = self.here();
                    self.seq(no, flags)?;
                    self.program.code[jump as usize] = Op::Jump(self.here());
                }
                self.program.code[cond as usize] = Op::Cond(group - 1, no_at);
            }
            Node::Fail => {
                self.emit(Op::Fail);
            }
        }
        Ok(())
    }

    fn push_literal(&mut self, c: u32) {
        if self.program.is_text {
            wtf8::push(&mut self.literal, c);
        } else {
            self.literal.push(c as u8);
        }
    }

    fn branches(&mut self, branches: &[Seq], flags: u32) -> Result<(), Fault> {
        let alt = self.program.alts.len();
        self.program.alts.push(Alt { branches: vec![], by_byte: Box::new([0; 257]), lists: vec![] });
        self.emit(Op::Alt(alt as u32));
        let mut starts = vec![];
        let mut jumps = vec![];
        for (at, branch) in branches.iter().enumerate() {
            starts.push(self.here());
            self.seq(branch, flags)?;
            if at + 1 < branches.len() {
                jumps.push(self.emit(Op::Jump(0)));
            }
        }
        let end = self.here();
        for jump in jumps {
            self.program.code[jump as usize] = Op::Jump(end);
        }
        self.program.alts[alt].branches = starts;
        Ok(())
    }

    fn repeat(&mut self, how: How, min: u32, max: u32, body: &Seq, flags: u32) -> Result<(), Fault> {
        if let Some((single, flags)) = single(body, flags) {
            let unit = self.unit(single, flags);
            let rep = self.program.reps.len();
            self.program.reps.push(Rep {
                unit,
                min,
                max,
                lazy: how == How::Lazy,
                possessive: how == How::Possessive,
                follow: Follow::Anything,
            });
            self.emit(Op::Rep(rep as u32));
            return Ok(());
        }
        if how == How::Possessive {
            // Each turn is final by itself.
            self.emit(Op::Atomic);
            self.turns(How::Greedy, min, max, &vec![Node::Atomic(body.clone())], flags)?;
            self.emit(Op::AtomicEnd);
            return Ok(());
        }
        self.turns(how, min, max, body, flags)
    }

    fn turns(&mut self, how: How, min: u32, max: u32, body: &Seq, flags: u32) -> Result<(), Fault> {
        self.flush();
        let lazy = how == How::Lazy;
        let split = |body: u32, exit: u32| {
            let (first, second) = if lazy { (exit, body) } else { (body, exit) };
            Op::Split { first, second, peek: NONE }
        };
        let takes_something = width(body, self.widths).0 > 0;
        if (min, max) == (0, 1) {
            let at = self.emit(Op::Fail);
            self.seq(body, flags)?;
            self.program.code[at as usize] = split(at + 1, self.here());
            return Ok(());
        }
        if takes_something && is_unbounded(max) && min <= 1 {
            if min == 0 {
                let at = self.emit(Op::Fail);
                self.seq(body, flags)?;
                self.emit(Op::Jump(at));
                self.program.code[at as usize] = split(at + 1, self.here());
            } else {
                let at = self.here();
                self.seq(body, flags)?;
                let end = self.emit(Op::Fail);
                self.program.code[end as usize] = split(at, end + 1);
            }
            return Ok(());
        }
        let number = self.program.loops.len();
        self.program.loops.push(Loop { min, max, lazy, exit: 0, peek: NONE });
        self.emit(Op::LoopInit(number as u32));
        let at = self.emit(Op::Loop(number as u32));
        self.seq(body, flags)?;
        self.emit(Op::Jump(at));
        self.program.loops[number].exit = self.here();
        Ok(())
    }

    // ---- sets ----

    /// What a node that takes one character takes.
    fn unit(&mut self, node: &Node, flags: u32) -> Unit {
        let case = case_of(flags);
        let (negate, items) = match node {
            Node::Any if flags & flag::DOTALL != 0 => return Unit::All,
            Node::Any => return Unit::NotByte(b'\n'),
            Node::Literal(c) | Node::NotLiteral(c) => {
                let negate = matches!(node, Node::NotLiteral(_));
                let narrow = u8::try_from(*c).ok().filter(|b| *b < 0x80 || !self.program.is_text);
                if let Some(byte) = narrow.filter(|_| !case.is_cased(*c)) {
                    return if negate { Unit::NotByte(byte) } else { Unit::Byte(byte) };
                }
                let case = if case == Case::Locale { Case::Ascii } else { case };
                let members = members(negate, &[Item::Literal(*c)], case, flags & flag::UNICODE != 0);
                return Unit::Set(self.set(members));
            }
            Node::Class { negate, items } => (*negate, items),
            Node::At(_)
            | Node::Branch(_)
            | Node::Repeat { .. }
            | Node::Group { .. }
            | Node::Atomic(_)
            | Node::Look { .. }
            | Node::Ref(_)
            | Node::Cond { .. }
            | Node::Fail => unreachable!("only nodes that take one character are asked"),
        };
        let unicode = flags & flag::UNICODE != 0;
        if let [Item::Category(a), Item::Category(b)] = items[..]
            && (0..0x80).all(|c| in_category(a, unicode, c) != in_category(b, unicode, c))
            && !negate
        {
            return Unit::All;
        }
        let members = members(negate, items, case, unicode);
        Unit::Set(self.set(members))
    }

    fn set(&mut self, members: Members) -> u32 {
        let mut table = Box::new([NO; 256]);
        let narrow = if self.program.is_text { 0x80 } else { 0x100 };
        for point in 0..narrow {
            table[point as usize] = if members.matches(point) { YES } else { NO };
        }
        if self.program.is_text {
            let answer = wide_answer(&members);
            table[0xc2..=0xf4].fill(answer);
            if answer == DECODE {
                // Scripts of two bytes a letter often belong to a set whole.
                for lead in 0xc2..0xe0u32 {
                    let mut points = (lead & 0x1f) << 6..((lead & 0x1f) << 6) + 64;
                    let first = members.matches(points.start);
                    if points.all(|c| members.matches(c) == first) {
                        table[lead as usize] = if first { YES } else { NO };
                    }
                }
            }
        }
        self.program.sets.push(Set { table, wide: members });
        self.program.sets.len() as u32 - 1
    }
}

/// What a set says to all characters beyond ASCII, if it is the same.
fn wide_answer(members: &Members) -> u8 {
    let plain = members
        .categories
        .iter()
        .all(|c| !members.unicode && matches!(c, Category::Digit | Category::Space | Category::Word));
    let all = !members.unicode
        && members.categories.iter().any(|c| matches!(c, Category::NotDigit | Category::NotSpace | Category::NotWord));
    if all {
        return if members.negate { NO } else { YES };
    }
    // Letters of ASCII that are the lower case of others.
    let folds = members.case == Some(Case::Unicode)
        && [0x69, 0x6b].iter().any(|c| members.ranges.iter().any(|(low, high)| low <= c && c <= high));
    if !plain || folds || members.ranges.iter().any(|(_, high)| *high >= 0x80) {
        return DECODE;
    }
    if members.negate { YES } else { NO }
}

/// The members of a set, with what matches them when case is ignored.
fn members(negate: bool, items: &[Item], case: Case, unicode: bool) -> Members {
    let mut ranges = vec![];
    let mut categories = vec![];
    let mut cased = false;
    for item in items {
        let (low, high) = match *item {
            Item::Category(category) => {
                categories.push(category);
                continue;
            }
            Item::Literal(c) => (c, c),
            Item::Range(low, high) => (low, high),
        };
        ranges.push((low, high));
        if matches!(case, Case::Exact | Case::Locale) {
            continue;
        }
        for c in low..=high.min(CASED_END) {
            let lower = case.lower(c);
            if lower != c {
                ranges.push((lower, lower));
            }
            ranges.extend(case.others(lower).map(|other| (other, other)));
            cased = cased || case.is_cased(c);
        }
    }
    let case = match case {
        Case::Exact => None,
        Case::Locale => Some(Case::Locale),
        case @ Case::Ascii | case @ Case::Unicode => cased.then_some(case),
    };
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = vec![];
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    Members { negate, case, unicode, ranges: merged, categories }
}

/// The node of a body that takes just one character, with the flags that hold for it.
fn single(body: &Seq, flags: u32) -> Option<(&Node, u32)> {
    match body.as_slice() {
        [node @ (Node::Literal(_) | Node::NotLiteral(_) | Node::Any | Node::Class { .. })] => Some((node, flags)),
        [Node::Group { id: None, add, del, body }] => single(body, combined(flags, *add, *del)),
        _ => None,
    }
}
