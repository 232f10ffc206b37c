//! What comes first: which bytes a part of a program can begin with. From that follow where a search looks, which alternatives are tried
//! and which repetitions need never give back.

use super::program::{Alt, At, Follow, NO, Op, Peek, Prefilter, Program, Unit};
use super::tree::MANY;

/// Places looked at for one answer; beyond that anything may come.
const BUDGET: usize = 3000;

/// Bytes that something can begin with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct First {
    bits: [u64; 4],
    /// It may match without taking a byte, or nothing is known.
    open: bool,
}

impl First {
    const ANY: First = First { bits: [u64::MAX; 4], open: true };

    fn add(&mut self, byte: u8) {
        self.bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn admits(&self, byte: u8) -> bool {
        self.open || self.bits[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255).filter(|b| self.bits[usize::from(b >> 6)] >> (b & 63) & 1 != 0)
    }

    fn is_disjoint(&self, other: &First) -> bool {
        !self.open && !other.open && self.bits.iter().zip(other.bits).all(|(a, b)| a & b == 0)
    }
}

impl Program {
    fn add_unit(&self, first: &mut First, unit: Unit) {
        match unit {
            Unit::Byte(b) => first.add(b),
            Unit::NotByte(not) => (0..=255).filter(|b| *b != not).for_each(|b| first.add(b)),
            Unit::All => first.bits = [u64::MAX; 4],
            Unit::Set(set) => {
                let table = &self.sets[set as usize].table;
                (0..=255u8).filter(|b| table[usize::from(*b)] != NO).for_each(|b| first.add(b));
            }
        }
    }

    /// What the program from `pc` on can begin with.
    fn first(&self, pc: u32) -> First {
        let mut first = First::default();
        let mut seen = vec![];
        let mut open = vec![pc];
        while let Some(pc) = open.pop() {
            if seen.contains(&pc) {
                continue;
            }
            seen.push(pc);
            if seen.len() > 200 && seen.len() + open.len() > BUDGET {
                return First::ANY;
            }
            match self.code[pc as usize] {
                // What ends something final is reached or not whatever follows it.
                Op::Match | Op::AtomicEnd | Op::LookEnd | Op::NegEnd | Op::Ref(..) => return First::ANY,
                Op::Fail => {}
                Op::Byte(b) => first.add(b),
                Op::Literal(at, _) => first.add(self.pool[at as usize]),
                Op::NotByte(b) => self.add_unit(&mut first, Unit::NotByte(b)),
                Op::All => self.add_unit(&mut first, Unit::All),
                Op::Set(set) => self.add_unit(&mut first, Unit::Set(set)),
                Op::At(_) | Op::Mark(_) | Op::LoopInit(_) | Op::Atomic => open.push(pc + 1),
                Op::Jump(to) => open.push(to),
                Op::Split { first, second, .. } => open.extend([second, first]),
                Op::Alt(alt) => open.extend(&self.alts[alt as usize].branches),
                Op::Rep(rep) => {
                    let rep = self.reps[rep as usize];
                    if rep.max > 0 {
                        self.add_unit(&mut first, rep.unit);
                    }
                    if rep.min == 0 {
                        open.push(pc + 1);
                    }
                }
                Op::Loop(l) => open.extend([self.loops[l as usize].exit, pc + 1]),
                Op::Look(look) => open.push(self.looks[look as usize].after),
                Op::Cond(_, no) => open.extend([no, pc + 1]),
            }
        }
        first
    }

    fn peek(&mut self, first: u32, second: u32) -> u32 {
        let (a, b) = (self.first(first), self.first(second));
        let mut peek: Peek = Box::new([0; 257]);
        for byte in 0..=255u8 {
            peek[usize::from(byte)] = u8::from(a.admits(byte)) | u8::from(b.admits(byte)) << 1;
        }
        peek[256] = u8::from(a.open) | u8::from(b.open) << 1;
        self.peeks.push(peek);
        self.peeks.len() as u32 - 1
    }

    /// Fills in what the matcher wants to know ahead.
    pub(super) fn look_ahead(&mut self) {
        for pc in 0..self.code.len() as u32 {
            match self.code[pc as usize] {
                Op::Split { first, second, .. } => {
                    let peek = self.peek(first, second);
                    self.code[pc as usize] = Op::Split { first, second, peek };
                }
                Op::Loop(l) => {
                    let peek = self.peek(pc + 1, self.loops[l as usize].exit);
                    self.loops[l as usize].peek = peek;
                }
                Op::Alt(alt) => self.sort_alternatives(alt as usize),
                Op::Rep(rep) => self.look_behind_repetition(rep as usize, pc + 1),
                Op::Match
                | Op::Fail
                | Op::Byte(_)
                | Op::Literal(..)
                | Op::NotByte(_)
                | Op::All
                | Op::Set(_)
                | Op::At(_)
                | Op::Mark(_)
                | Op::Jump(_)
                | Op::LoopInit(_)
                | Op::Atomic
                | Op::AtomicEnd
                | Op::Look(_)
                | Op::LookEnd
                | Op::NegEnd
                | Op::Ref(..)
                | Op::Cond(..) => {}
            }
        }
        self.prefilter = self.find_prefilter();
    }

    fn sort_alternatives(&mut self, alt: usize) {
        let branches = self.alts[alt].branches.clone();
        let firsts: Vec<First> = branches.iter().map(|b| self.first(*b)).collect();
        let mut by_byte = Box::new([0; 257]);
        let mut lists: Vec<Box<[u32]>> = vec![];
        for byte in 0..=256usize {
            let admits = |first: &First| u8::try_from(byte).map_or(first.open, |b| first.admits(b));
            let list: Box<[u32]> =
                branches.iter().zip(&firsts).filter(|(_, first)| admits(first)).map(|(b, _)| *b).collect();
            let known = lists.iter().position(|l| *l == list);
            by_byte[byte] = known.unwrap_or(lists.len()) as u16;
            if known.is_none() {
                lists.push(list);
            }
        }
        self.alts[alt] = Alt { branches, by_byte, lists };
    }

    fn look_behind_repetition(&mut self, rep: usize, next: u32) {
        let mut own = First::default();
        self.add_unit(&mut own, self.reps[rep].unit);
        let follow = self.first(next);
        if own.is_disjoint(&follow) {
            self.reps[rep].possessive = true;
            self.reps[rep].lazy = false;
        }
        if follow.open {
            return;
        }
        let mut bytes = follow.bytes();
        self.reps[rep].follow = match (bytes.next(), bytes.next()) {
            (Some(byte), None) => Follow::Byte(byte),
            _ => {
                drop(bytes);
                Follow::Peek(self.peek(next, next))
            }
        };
    }

    /// Whether a repetition is `.*`, and nothing in the program can tell where a match began.
    fn is_dot_star(&self, rep: u32) -> bool {
        let rep = &self.reps[rep as usize];
        rep.unit == Unit::NotByte(b'\n')
            && (rep.min, rep.max, rep.lazy) == (0, MANY, false)
            && !self.code.iter().any(|op| matches!(op, Op::Ref(..) | Op::Cond(..)))
    }

    fn find_prefilter(&self) -> Prefilter {
        let mut literal = vec![];
        let mut whole = true;
        for op in &self.code {
            match *op {
                Op::Mark(_) => whole = false,
                Op::Byte(b) => literal.push(b),
                Op::Literal(at, len) => literal.extend(&self.pool[at as usize..(at + len) as usize]),
                Op::At(At::Start) if literal.is_empty() => return Prefilter::Start,
                Op::At(At::LineStart) if literal.is_empty() => return Prefilter::LineStart,
                Op::Match => break,
                Op::Rep(rep) if literal.is_empty() && self.is_dot_star(rep) => return Prefilter::OncePerLine,
                Op::Rep(rep) => {
                    // At least one character of a kind is a literal, too.
                    let rep = &self.reps[rep as usize];
                    if let Unit::Byte(b) = rep.unit {
                        literal.extend(std::iter::repeat_n(b, rep.min.min(16) as usize));
                    }
                    whole = false;
                    break;
                }
                Op::Fail
                | Op::NotByte(_)
                | Op::All
                | Op::Set(_)
                | Op::At(_)
                | Op::Jump(_)
                | Op::Split { .. }
                | Op::Alt(_)
                | Op::LoopInit(_)
                | Op::Loop(_)
                | Op::Atomic
                | Op::AtomicEnd
                | Op::Look(_)
                | Op::LookEnd
                | Op::NegEnd
                | Op::Ref(..)
                | Op::Cond(..) => {
                    whole = false;
                    break;
                }
            }
        }
        if literal.len() > 1 || whole && !literal.is_empty() {
            return Prefilter::Literal(memchr::memmem::Finder::new(&literal).into_owned(), whole);
        }
        let first = self.first(0);
        if first.open {
            return Prefilter::Anywhere;
        }
        let bytes: Vec<u8> = first.bytes().take(4).collect();
        match bytes[..] {
            [a] => Prefilter::Bytes(a, a, a),
            [a, b] => Prefilter::Bytes(a, b, b),
            [a, b, c] => Prefilter::Bytes(a, b, c),
            _ => {
                let mut table = Box::new([false; 256]);
                first.bytes().for_each(|b| table[usize::from(b)] = true);
                if first.bytes().count() > 250 { Prefilter::Anywhere } else { Prefilter::Table(table) }
            }
        }
    }
}

/// Whether a repetition has no bound that counts.
pub(super) fn is_unbounded(max: u32) -> bool {
    max == MANY
}
