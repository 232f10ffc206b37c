//! The matcher: runs a program on a text, and goes back to the last choice whenever it fails. The choices are on a stack of its own,
//! together with what has to be undone on the way back (positions of groups, counts of loops).

use super::case::Case;
use super::program::{At, DECODE, Follow, NO, NONE, Op, Prefilter, Program, Rep, Unit, is_word};
use super::tree::MANY;
use crate::text::wtf8;

/// How a program is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Finds the first place where it matches.
    #[default]
    Search,
    /// Matches at the start.
    Match,
    /// Matches from start to end.
    Full,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has matched.
    Match,
    /// There is no match.
    Fail,
    /// It has worked for a while and can be continued.
    Pause,
}

/// Choices, turns and so on until a pause.
const FUEL: i64 = 50_000;

/// What an entry of the stack is about: the low bits of its tag; the rest is a number.
mod kind {
    /// Go on at a place in the code.
    pub(super) const CHOICE: u32 = 0;
    /// Undo the position of a group.
    pub(super) const MARK: u32 = 1;
    /// Undo the state of a loop.
    pub(super) const LOOP: u32 = 2;
    /// Another turn of a lazy loop.
    pub(super) const LAZY: u32 = 3;
    /// One character less of a repetition.
    pub(super) const BACK: u32 = 4;
    /// One character more of a lazy repetition.
    pub(super) const MORE: u32 = 5;
    /// The next alternative.
    pub(super) const ALT: u32 = 6;
    /// Where something final, or a look around, began.
    pub(super) const BARRIER: u32 = 7;
    /// Where a look for something that must not be there began.
    pub(super) const NEG: u32 = 8;
    pub(super) const BITS: u32 = 4;
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    a: u32,
    b: u32,
    c: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A match is to be tried from `start` on.
    #[default]
    Seek,
    /// In the middle of one: at `pc` and `pos`.
    Going,
    /// In the middle of one, which has to go back.
    Failing,
}

/// Matches a program. Made once and used again: it keeps its memory.
#[derive(Debug, Default)]
pub struct Matcher {
    stack: Vec<Entry>,
    /// The starts and ends of the groups; `NONE` where there are none.
    pub marks: Vec<u32>,
    loops: Vec<(u32, u32)>,
    /// The group that was closed last; 0 for none.
    pub last: u32,
    /// Where the match begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    mode: Mode,
    /// A match must not be empty here: there was one already.
    not_empty_at: usize,
    state: State,
    /// Whether a match was tried at the start of the run.
    tried: bool,
    pc: u32,
    pos: usize,
    fuel: i64,
}

impl Matcher {
    /// Prepares a run from `start` on. After an empty match, `advance` asks for another than that.
    pub fn begin(&mut self, program: &Program, mode: Mode, start: usize, advance: bool) {
        self.mode = mode;
        self.start = start;
        self.not_empty_at = if advance { start } else { usize::MAX };
        self.state = State::Seek;
        self.tried = false;
        self.stack.clear();
        self.marks.resize(program.groups as usize * 2, NONE);
        self.loops.resize(program.loops.len(), (0, NONE));
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.stack.capacity() * size_of::<Entry>()
    }

    /// Gives back what a long match has needed.
    pub fn shrink(&mut self) {
        self.stack.clear();
        self.stack.shrink_to(1024);
    }

    /// Goes on: until there is a match, or none, or it is time for a pause. `text` ends where the match has to; `narrow` says that every
    /// character is one byte.
    pub fn run(&mut self, program: &Program, text: &[u8], narrow: bool) -> Step {
        self.fuel = FUEL;
        if narrow { self.drive::<false>(program, text) } else { self.drive::<true>(program, text) }
    }

    fn drive<const WIDE: bool>(&mut self, program: &Program, text: &[u8]) -> Step {
        loop {
            if self.state == State::Seek {
                if self.mode == Mode::Search {
                    match seek(program, text, self.start, self.tried) {
                        Some(start) => self.start = start,
                        None => return Step::Fail,
                    }
                    if let Prefilter::Literal(finder, true) = &program.prefilter {
                        self.end = self.start + finder.needle().len();
                        self.last = 0;
                        return Step::Match;
                    }
                }
                // Not `fill`: that calls `memset`, which takes longer than the few marks there are.
                let none = std::hint::black_box(NONE);
                self.tried = true;
                self.marks.iter_mut().for_each(|mark| *mark = none);
                self.last = 0;
                self.stack.clear();
                self.pc = 0;
                self.pos = self.start;
                self.state = State::Going;
            }
            match self.attempt::<WIDE>(program, text) {
                Step::Fail if self.mode == Mode::Search => {
                    let Some(&byte) = text.get(self.start) else { return Step::Fail };
                    self.start += if WIDE { wtf8::width(byte) } else { 1 };
                    self.not_empty_at = usize::MAX;
                    self.state = State::Seek;
                    self.fuel -= 1;
                    if self.fuel < 0 {
                        return Step::Pause;
                    }
                }
                step @ Step::Match | step @ Step::Fail | step @ Step::Pause => return step,
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, kind: u32, number: u32, a: usize, b: u32, c: u32) {
        self.stack.push(Entry { tag: number << kind::BITS | kind, a: a as u32, b, c });
    }

    /// Pauses in the middle.
    #[cold]
    fn pause(&mut self, state: State, pc: u32, pos: usize) -> Step {
        (self.state, self.pc, self.pos) = (state, pc, pos);
        Step::Pause
    }

    /// Drops the choices made since the last barrier, keeping what has to be undone. Returns the position there.
    fn cut(&mut self) -> usize {
        let is = |entry: &Entry, kinds: &[u32]| kinds.contains(&(entry.tag & ((1 << kind::BITS) - 1)));
        let base = self.stack.iter().rposition(|e| is(e, &[kind::BARRIER])).expect("a barrier was set");
        let at = self.stack[base].a as usize;
        let mut kept = base;
        if base > 0 {
            for index in base + 1..self.stack.len() {
                let entry = self.stack[index];
                if is(&entry, &[kind::MARK, kind::LOOP]) {
                    self.stack[kept] = entry;
                    kept += 1;
                }
            }
        }
        self.stack.truncate(kept);
        at
    }

    /// Tries to match at `start`, or goes on with that.
    #[allow(clippy::too_many_lines, reason = "one loop over the instructions")]
    fn attempt<const WIDE: bool>(&mut self, program: &Program, text: &[u8]) -> Step {
        let code = program.code.as_slice();
        let (mut pc, mut pos) = (self.pc, self.pos);
        let mut failing = self.state == State::Failing;
        'run: loop {
            if !failing {
                'fail: {
                    loop {
                        match code[pc as usize] {
                            Op::Byte(byte) => {
                                if text.get(pos) != Some(&byte) {
                                    break 'fail;
                                }
                                pos += 1;
                                pc += 1;
                            }
                            Op::Literal(at, len) => {
                                let literal = &program.pool[at as usize..(at + len) as usize];
                                if text.get(pos..pos + literal.len()) != Some(literal) {
                                    break 'fail;
                                }
                                pos += literal.len();
                                pc += 1;
                            }
                            Op::Set(set) => {
                                let Some(&byte) = text.get(pos) else { break 'fail };
                                let set = &program.sets[set as usize];
                                match set.table[usize::from(byte)] {
                                    NO => break 'fail,
                                    DECODE if WIDE => {
                                        let (point, width) = decode(text, pos);
                                        if !set.wide.matches(point) {
                                            break 'fail;
                                        }
                                        pos += width;
                                    }
                                    _ => pos += if WIDE { wtf8::width(byte) } else { 1 },
                                }
                                pc += 1;
                            }
                            Op::NotByte(not) => match text.get(pos) {
                                Some(&byte) if byte != not => {
                                    pos += if WIDE { wtf8::width(byte) } else { 1 };
                                    pc += 1;
                                }
                                _ => break 'fail,
                            },
                            Op::All => {
                                let Some(&byte) = text.get(pos) else { break 'fail };
                                pos += if WIDE { wtf8::width(byte) } else { 1 };
                                pc += 1;
                            }
                            Op::Mark(slot) => {
                                let old = std::mem::replace(&mut self.marks[slot as usize], pos as u32);
                                if !self.stack.is_empty() {
                                    self.push(kind::MARK, slot, old as usize, self.last, 0);
                                }
                                if slot & 1 != 0 {
                                    self.last = slot / 2 + 1;
                                }
                                pc += 1;
                            }
                            Op::Jump(to) => {
                                self.fuel -= 1;
                                if self.fuel < 0 {
                                    return self.pause(State::Going, pc, pos);
                                }
                                pc = to;
                            }
                            Op::Split { first, second, peek } => {
                                self.fuel -= 1;
                                if self.fuel < 0 {
                                    return self.pause(State::Going, pc, pos);
                                }
                                match program.peeks[peek as usize][at_hand(text, pos)] {
                                    0 => break 'fail,
                                    1 => pc = first,
                                    2 => pc = second,
                                    _ => {
                                        self.push(kind::CHOICE, second, pos, 0, 0);
                                        pc = first;
                                    }
                                }
                            }
                            Op::Alt(number) => {
                                let alt = &program.alts[number as usize];
                                let list = alt.by_byte[at_hand(text, pos)];
                                match *alt.lists[usize::from(list)] {
                                    [] => break 'fail,
                                    [only] => pc = only,
                                    [first, ..] => {
                                        self.push(kind::ALT, number, pos, u32::from(list), 1);
                                        pc = first;
                                    }
                                }
                            }
                            Op::Rep(number) => {
                                let rep = &program.reps[number as usize];
                                if rep.lazy {
                                    let Some(at) = scan_just::<WIDE>(program, rep.unit, text, pos, rep.min) else {
                                        break 'fail;
                                    };
                                    let left = if rep.max == MANY { MANY } else { rep.max - rep.min };
                                    let Some((at, left)) = take_more::<WIDE>(program, rep, text, at, left) else {
                                        break 'fail;
                                    };
                                    self.fuel -= ((at - pos) >> 6) as i64;
                                    pos = at;
                                    if left > 0 {
                                        self.push(kind::MORE, pc, pos, left, 0);
                                    }
                                    pc += 1;
                                    continue;
                                }
                                let start = pos;
                                let end = scan::<WIDE>(program, rep.unit, text, pos, rep.max);
                                self.fuel -= ((end - start) >> 6) as i64;
                                let least = match rep.min {
                                    0 => start,
                                    1 if end > start => start + if WIDE { wtf8::width(text[start]) } else { 1 },
                                    1 => break 'fail,
                                    min if WIDE => match wtf8::offset(&text[start..end], min as usize) {
                                        Some(at) => start + at,
                                        None => break 'fail,
                                    },
                                    min if end - start >= min as usize => start + min as usize,
                                    _ => break 'fail,
                                };
                                pos = end;
                                if !rep.possessive && end > least {
                                    match give_back::<WIDE>(program, rep.follow, text, least, end) {
                                        Some(at) => {
                                            pos = at;
                                            if at > least {
                                                self.push(kind::BACK, pc, least, at as u32, 0);
                                            }
                                        }
                                        None => break 'fail,
                                    }
                                }
                                pc += 1;
                            }
                            Op::At(at) => {
                                if !is_at::<WIDE>(at, text, pos) {
                                    break 'fail;
                                }
                                pc += 1;
                            }
                            Op::LoopInit(number) => {
                                let (count, last) = self.loops[number as usize];
                                if !self.stack.is_empty() {
                                    self.push(kind::LOOP, number, count as usize, last, 0);
                                }
                                self.loops[number as usize] = (0, NONE);
                                pc += 1;
                            }
                            Op::Loop(number) => {
                                self.fuel -= 1;
                                if self.fuel < 0 {
                                    return self.pause(State::Going, pc, pos);
                                }
                                let state = program.loops[number as usize];
                                let (count, last) = self.loops[number as usize];
                                if count < state.min {
                                    if !self.stack.is_empty() {
                                        self.push(kind::LOOP, number, count as usize, last, 0);
                                    }
                                    self.loops[number as usize].0 = count + 1;
                                    pc += 1;
                                    continue;
                                }
                                let peek = program.peeks[state.peek as usize][at_hand(text, pos)];
                                if state.lazy {
                                    if peek & 1 != 0 {
                                        self.push(kind::LAZY, pc, pos, 0, 0);
                                    }
                                    pc = state.exit;
                                    continue;
                                }
                                let again =
                                    peek & 1 != 0 && (count < state.max || state.max == MANY) && pos as u32 != last;
                                if !again {
                                    pc = state.exit;
                                    continue;
                                }
                                if peek & 2 != 0 {
                                    self.push(kind::CHOICE, state.exit, pos, 0, 0);
                                }
                                if !self.stack.is_empty() {
                                    self.push(kind::LOOP, number, count as usize, last, 0);
                                }
                                self.loops[number as usize] = (count.saturating_add(1), pos as u32);
                                pc += 1;
                            }
                            Op::Atomic => {
                                self.push(kind::BARRIER, 0, pos, 0, 0);
                                pc += 1;
                            }
                            Op::AtomicEnd => {
                                self.cut();
                                pc += 1;
                            }
                            Op::Look(number) => {
                                let look = program.looks[number as usize];
                                let Some(from) = step_back::<WIDE>(text, pos, look.back) else {
                                    if look.negate {
                                        pc = look.after;
                                        continue;
                                    }
                                    break 'fail;
                                };
                                if look.negate {
                                    self.push(kind::NEG, look.after, pos, 0, 0);
                                } else {
                                    self.push(kind::BARRIER, 0, pos, 0, 0);
                                }
                                pos = from;
                                pc += 1;
                            }
                            Op::LookEnd => {
                                pos = self.cut();
                                pc += 1;
                            }
                            Op::NegEnd => {
                                // What must not be there is there: everything since is undone, and the look has failed.
                                while let Some(entry) = self.stack.pop() {
                                    match entry.tag & ((1 << kind::BITS) - 1) {
                                        kind::NEG => break,
                                        kind::MARK | kind::LOOP => self.undo(entry),
                                        _ => {}
                                    }
                                }
                                break 'fail;
                            }
                            Op::Ref(group, case) => {
                                let (from, to) = (self.marks[group as usize * 2], self.marks[group as usize * 2 + 1]);
                                if from == NONE || to == NONE || to < from {
                                    break 'fail;
                                }
                                let part = &text[from as usize..to as usize];
                                if case == Case::Exact {
                                    if text.get(pos..pos + part.len()) != Some(part) {
                                        break 'fail;
                                    }
                                    pos += part.len();
                                } else {
                                    match same_ignoring_case::<WIDE>(case, part, &text[pos..]) {
                                        Some(taken) => pos += taken,
                                        None => break 'fail,
                                    }
                                }
                                pc += 1;
                            }
                            Op::Cond(group, no) => {
                                let (from, to) = (self.marks[group as usize * 2], self.marks[group as usize * 2 + 1]);
                                let is_set = from != NONE && to != NONE && to >= from;
                                pc = if is_set { pc + 1 } else { no };
                            }
                            Op::Match => {
                                if self.mode == Mode::Full && pos != text.len()
                                    || pos == self.not_empty_at && pos == self.start
                                {
                                    break 'fail;
                                }
                                self.end = pos;
                                return Step::Match;
                            }
                            Op::Fail => break 'fail,
                        }
                    }
                }
            }
            failing = false;
            self.fuel -= 1;
            if self.fuel < 0 {
                return self.pause(State::Failing, pc, pos);
            }
            // Back to the last choice.
            loop {
                let Some(entry) = self.stack.pop() else { return Step::Fail };
                let number = entry.tag >> kind::BITS;
                match entry.tag & ((1 << kind::BITS) - 1) {
                    kind::CHOICE | kind::NEG => {
                        (pc, pos) = (number, entry.a as usize);
                        continue 'run;
                    }
                    kind::MARK | kind::LOOP => self.undo(entry),
                    kind::BACK => {
                        let Op::Rep(rep) = code[number as usize] else { unreachable!("of a repetition") };
                        let rep = &program.reps[rep as usize];
                        let least = entry.a as usize;
                        let before =
                            step_back::<WIDE>(text, entry.b as usize, 1).expect("there is more than the least");
                        let Some(at) = give_back::<WIDE>(program, rep.follow, text, least, before) else { continue };
                        if at > least {
                            self.push(kind::BACK, number, least, at as u32, 0);
                        }
                        (pc, pos) = (number + 1, at);
                        continue 'run;
                    }
                    kind::MORE => {
                        let Op::Rep(rep) = code[number as usize] else { unreachable!("of a repetition") };
                        let rep = &program.reps[rep as usize];
                        let from = entry.a as usize;
                        let Some(at) = scan_just::<WIDE>(program, rep.unit, text, from, 1) else { continue };
                        let left = if entry.b == MANY { MANY } else { entry.b - 1 };
                        let Some((at, left)) = take_more::<WIDE>(program, rep, text, at, left) else { continue };
                        self.fuel -= ((at - from) >> 6) as i64;
                        if left > 0 {
                            self.push(kind::MORE, number, at, left, 0);
                        }
                        (pc, pos) = (number + 1, at);
                        continue 'run;
                    }
                    kind::ALT => {
                        let list = &program.alts[number as usize].lists[entry.b as usize];
                        let next = entry.c as usize;
                        if next + 1 < list.len() {
                            self.push(kind::ALT, number, entry.a as usize, entry.b, entry.c + 1);
                        }
                        (pc, pos) = (list[next], entry.a as usize);
                        continue 'run;
                    }
                    kind::LAZY => {
                        let Op::Loop(number_of_loop) = code[number as usize] else { unreachable!("of a loop") };
                        let state = program.loops[number_of_loop as usize];
                        let (count, last) = self.loops[number_of_loop as usize];
                        if count >= state.max && state.max != MANY || entry.a == last {
                            continue;
                        }
                        if !self.stack.is_empty() {
                            self.push(kind::LOOP, number_of_loop, count as usize, last, 0);
                        }
                        self.loops[number_of_loop as usize] = (count.saturating_add(1), entry.a);
                        (pc, pos) = (number + 1, entry.a as usize);
                        continue 'run;
                    }
                    // A barrier: what began there has failed.
                    _ => {}
                }
            }
        }
    }

    #[inline]
    fn undo(&mut self, entry: Entry) {
        let number = (entry.tag >> kind::BITS) as usize;
        if entry.tag & ((1 << kind::BITS) - 1) == kind::MARK {
            self.marks[number] = entry.a;
            self.last = entry.b;
        } else {
            self.loops[number] = (entry.a, entry.b);
        }
    }
}

/// Where a match may begin, from `from` on.
#[inline]
fn seek(program: &Program, text: &[u8], from: usize, tried: bool) -> Option<usize> {
    let rest = text.get(from..)?;
    let found = match &program.prefilter {
        Prefilter::Anywhere => Some(0),
        Prefilter::Start => (from == 0).then_some(0),
        Prefilter::OncePerLine if !tried => Some(0),
        Prefilter::LineStart | Prefilter::OncePerLine => {
            if from == 0 || text[from - 1] == b'\n' {
                Some(0)
            } else {
                memchr::memchr(b'\n', rest).map(|at| at + 1)
            }
        }
        Prefilter::Literal(finder, _) => finder.find(rest),
        Prefilter::Bytes(a, b, c) => match rest.first() {
            // Often it is right here.
            Some(byte) if byte == a || byte == b || byte == c => Some(0),
            _ if a == b => memchr::memchr(*a, rest),
            _ if b == c => memchr::memchr2(*a, *b, rest),
            _ => memchr::memchr3(*a, *b, *c, rest),
        },
        Prefilter::Table(table) => rest.iter().position(|b| table[usize::from(*b)]),
    };
    found.map(|at| from + at)
}

/// The byte at hand as tables know it.
#[inline(always)]
fn at_hand(text: &[u8], pos: usize) -> usize {
    text.get(pos).map_or(256, |b| usize::from(*b))
}

#[inline]
fn decode(text: &[u8], pos: usize) -> (u32, usize) {
    let tail = |at: usize| u32::from(text.get(pos + at).map_or(0, |b| b & 0x3f));
    let first = u32::from(text[pos]);
    match first {
        0..0x80 => (first, 1),
        0x80..0xe0 => ((first & 0x1f) << 6 | tail(1), 2),
        0xe0..0xf0 => ((first & 0x0f) << 12 | tail(1) << 6 | tail(2), 3),
        _ => ((first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4),
    }
}

/// `count` characters before `pos`.
#[inline]
fn step_back<const WIDE: bool>(text: &[u8], pos: usize, count: u32) -> Option<usize> {
    if !WIDE {
        return pos.checked_sub(count as usize);
    }
    let mut at = pos;
    for _ in 0..count {
        at = at.checked_sub(1)?;
        while text[at] & 0xc0 == 0x80 {
            at -= 1;
        }
    }
    Some(at)
}

/// The end of as many characters of a kind as there are, up to `max`.
#[inline]
fn scan<const WIDE: bool>(program: &Program, unit: Unit, text: &[u8], pos: usize, max: u32) -> usize {
    if WIDE && max != MANY {
        return scan_counted(program, unit, text, pos, max).0;
    }
    let limit = if max == MANY { text.len() } else { text.len().min(pos + max as usize) };
    let Some(part) = text.get(pos..limit) else { return pos };
    let taken = match unit {
        Unit::All => part.len(),
        Unit::Byte(byte) => part.iter().position(|b| *b != byte).unwrap_or(part.len()),
        Unit::NotByte(byte) => {
            // Short runs are the rule.
            let near = part.len().min(16);
            match part[..near].iter().position(|b| *b == byte) {
                Some(at) => at,
                None => memchr::memchr(byte, &part[near..]).map_or(part.len(), |at| near + at),
            }
        }
        Unit::Set(set) => {
            let set = &program.sets[set as usize];
            if !WIDE {
                part.iter().position(|b| set.table[usize::from(*b)] == NO).unwrap_or(part.len())
            } else {
                let mut at = 0;
                while let Some(&byte) = part.get(at) {
                    match set.table[usize::from(byte)] {
                        NO => break,
                        DECODE => {
                            let (point, width) = decode(part, at);
                            if !set.wide.matches(point) {
                                break;
                            }
                            at += width;
                        }
                        _ => at += wtf8::width(byte),
                    }
                }
                at
            }
        }
    };
    pos + taken
}

/// As `scan`, character by character; gives back the number, too.
fn scan_counted(program: &Program, unit: Unit, text: &[u8], pos: usize, max: u32) -> (usize, u32) {
    let (mut at, mut count) = (pos, 0);
    while count < max
        && let Some(&byte) = text.get(at)
    {
        let matches = match unit {
            Unit::All => true,
            Unit::Byte(b) => byte == b,
            Unit::NotByte(b) => byte != b,
            Unit::Set(set) => {
                let set = &program.sets[set as usize];
                match set.table[usize::from(byte)] {
                    DECODE => set.wide.matches(decode(text, at).0),
                    answer => answer != NO,
                }
            }
        };
        if !matches {
            break;
        }
        at += wtf8::width(byte);
        count += 1;
    }
    (at, count)
}

/// The end of exactly `count` characters of a kind.
#[inline]
fn scan_just<const WIDE: bool>(program: &Program, unit: Unit, text: &[u8], pos: usize, count: u32) -> Option<usize> {
    if count == 0 {
        return Some(pos);
    }
    if WIDE {
        let (end, found) = scan_counted(program, unit, text, pos, count);
        return (found == count).then_some(end);
    }
    let end = scan::<false>(program, unit, text, pos, count);
    (end - pos == count as usize).then_some(end)
}

/// Where a lazy repetition that may stop at `pos` does stop, since what follows can begin there, and how many more there may be then.
#[inline]
fn take_more<const WIDE: bool>(
    program: &Program,
    rep: &Rep,
    text: &[u8],
    pos: usize,
    left: u32,
) -> Option<(usize, u32)> {
    let (mut at, mut left) = (pos, left);
    if left == MANY
        && let Follow::Byte(byte) = rep.follow
        && let Unit::NotByte(not) = rep.unit
    {
        let found = memchr::memchr2(byte, not, text.get(at..)?)? + at;
        return (text[found] == byte).then_some((found, left));
    }
    loop {
        if may_follow(program, rep.follow, text, at) {
            return Some((at, left));
        }
        if left == 0 {
            return None;
        }
        at = scan_just::<WIDE>(program, rep.unit, text, at, 1)?;
        if left != MANY {
            left -= 1;
        }
    }
}

/// Whether what follows a repetition can begin at `pos`.
#[inline]
fn may_follow(program: &Program, follow: Follow, text: &[u8], pos: usize) -> bool {
    match follow {
        Follow::Anything => true,
        Follow::Byte(byte) => text.get(pos) == Some(&byte),
        Follow::Peek(peek) => program.peeks[peek as usize][at_hand(text, pos)] != 0,
    }
}

/// The last place from `least` to `end` where what follows a repetition can begin.
#[inline]
fn give_back<const WIDE: bool>(
    program: &Program,
    follow: Follow,
    text: &[u8],
    least: usize,
    end: usize,
) -> Option<usize> {
    match follow {
        Follow::Anything => Some(end),
        Follow::Byte(byte) => {
            if text.get(end) == Some(&byte) {
                return Some(end);
            }
            memchr::memrchr(byte, &text[least..end]).map(|at| least + at)
        }
        Follow::Peek(peek) => {
            let peek = &program.peeks[peek as usize];
            if peek[at_hand(text, end)] != 0 {
                return Some(end);
            }
            // Bytes within a character are never what something begins with.
            let begins = |b: &u8| peek[usize::from(*b)] != 0 && !(WIDE && *b & 0xc0 == 0x80);
            text[least..end].iter().rposition(begins).map(|at| least + at)
        }
    }
}

fn is_at<const WIDE: bool>(at: At, text: &[u8], pos: usize) -> bool {
    match at {
        At::Start => pos == 0,
        At::LineStart => pos == 0 || text[pos - 1] == b'\n',
        At::Stop => pos == text.len(),
        At::LineEnd => text.get(pos).is_none_or(|b| *b == b'\n'),
        At::End => pos == text.len() || pos + 1 == text.len() && text[pos] == b'\n',
        At::Boundary { unicode, negate } => {
            let unicode = unicode && WIDE;
            let before = pos > 0 && {
                match text[pos - 1] {
                    byte if byte < 0x80 || !unicode => is_word(u32::from(byte), false),
                    _ => {
                        let from = step_back::<true>(text, pos, 1).unwrap_or(0);
                        is_word(decode(text, from).0, true)
                    }
                }
            };
            let after = match text.get(pos) {
                None => false,
                Some(&byte) if byte < 0x80 || !unicode => is_word(u32::from(byte), false),
                Some(_) => is_word(decode(text, pos).0, true),
            };
            (before != after) != negate
        }
    }
}

/// The number of bytes at the start of `text` that are `part` but for case.
fn same_ignoring_case<const WIDE: bool>(case: Case, part: &[u8], text: &[u8]) -> Option<usize> {
    if !WIDE {
        let same = |(a, b): (&u8, &u8)| case.lower(u32::from(*a)) == case.lower(u32::from(*b));
        return (text.len() >= part.len() && part.iter().zip(text).all(same)).then_some(part.len());
    }
    let mut points = wtf8::code_points(text);
    for wanted in wtf8::code_points(part) {
        if case.lower(points.next()?) != case.lower(wanted) {
            return None;
        }
    }
    Some(text.len() - points.rest().len())
}
