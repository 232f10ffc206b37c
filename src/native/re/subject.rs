//! What a pattern is applied to, and runs of the matcher over it.

use std::rc::Rc;

use crate::heap::{Raw, Value};
use crate::native::types::bytes;
use crate::object::{Bytes, Str, Tuple};
use crate::text::regex::{Matcher, Mode, NONE, Program, Step};
use crate::vm::native::{Cx, Raised, Root};

use super::pattern::{data, give_matcher, slot, take_matcher};

/// A text or bytes, which must stay as they are while they are matched.
#[derive(Debug)]
pub(super) enum Subject {
    /// A str: the exact one.
    Text(Root),
    /// Bytes: the exact object.
    Bytes(Root),
    /// A copy of what a buffer held.
    Copy(Vec<u8>),
}

impl Subject {
    /// The subject that a value is, without regard to patterns.
    pub(super) fn of(cx: &mut Cx, value: Root) -> Result<Subject, Raised> {
        let payload = cx.payload_root(value);
        let exact = payload.get(cx);
        if exact.exact::<Str>().is_some() {
            return Ok(Subject::Text(payload));
        }
        if exact.exact::<Bytes>().is_some() {
            return Ok(Subject::Bytes(payload));
        }
        match bytes::buffer_of(cx, value) {
            Some(content) => Ok(Subject::Copy(content.to_vec())),
            None => {
                let got = cx.type_name_for_error(value.get(cx));
                Err(cx.type_error(format!("expected string or bytes-like object, got '{got}'")))
            }
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Subject::Text(_))
    }

    /// Its bytes.
    pub(super) fn bytes<'a>(&'a self, cx: &'a Cx) -> &'a [u8] {
        match self {
            Subject::Text(root) => root.get(cx).exact::<Str>().map_or(&[], |s| s.as_bytes()),
            Subject::Bytes(root) => root.get(cx).exact::<Bytes>().map_or(&[], |b| b.as_bytes()),
            Subject::Copy(bytes) => bytes,
        }
    }

    /// Whether every character is one byte.
    pub(super) fn is_narrow(&self, cx: &Cx) -> bool {
        match self {
            Subject::Text(root) => root.get(cx).exact::<Str>().is_some_and(|s| s.is_ascii()),
            _ => true,
        }
    }

    /// Number of characters.
    pub(super) fn length(&self, cx: &Cx) -> usize {
        match self {
            Subject::Text(root) => root.get(cx).exact::<Str>().map_or(0, |s| s.chars()),
            _ => self.bytes(cx).len(),
        }
    }

    /// The byte offset of a character.
    pub(super) fn offset(&self, cx: &Cx, index: usize) -> usize {
        match self {
            Subject::Text(root) => root.get(cx).exact::<Str>().map_or(0, |s| s.offset(&cx.heap, index)),
            _ => index,
        }
    }

    /// The number of the character at a byte offset.
    pub(super) fn index(&self, cx: &Cx, offset: usize) -> usize {
        match self {
            Subject::Text(root) => root.get(cx).exact::<Str>().map_or(0, |s| s.index_at(&cx.heap, offset)),
            _ => offset,
        }
    }

    /// A part of it, as a str or bytes.
    pub(super) fn part(&self, cx: &Cx, from: usize, to: usize) -> Raw {
        let all = self.bytes(cx);
        let part = &all[from..to];
        match self {
            Subject::Text(root) => {
                if part.len() == all.len() {
                    return root.get(cx).raw();
                }
                if let [byte] = part {
                    return cx.character(*byte).value().raw();
                }
                if self.is_narrow(cx) { Str::ascii(&cx.heap, part) } else { Str::from_parts(&cx.heap, &[part]) }
                    .value()
                    .raw()
            }
            Subject::Bytes(root) if part.len() == all.len() => root.get(cx).raw(),
            _ => Bytes::new(&cx.heap, part).value().raw(),
        }
    }

    /// A str or bytes, as the subject is, of these bytes.
    pub(super) fn made(&self, cx: &mut Cx, bytes: &[u8]) -> Result<Raw, Raised> {
        if bytes.len() > Str::LIMIT || cx.heap.check(bytes.len()).is_err() {
            return Err(cx.memory_error());
        }
        Ok(match self {
            Subject::Text(_) => Str::from_parts(&cx.heap, &[bytes]).value().raw(),
            _ => Bytes::new(&cx.heap, bytes).value().raw(),
        })
    }
}

/// A pattern being applied to a subject.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) pattern: Root,
    pub(super) value: Root,
    pub(super) subject: Subject,
    pub(super) program: Rc<Program>,
    pub(super) matcher: Box<Matcher>,
    narrow: bool,
    /// Byte offset where the text ends for this run.
    pub(super) end: usize,
    /// Byte offset where the next search begins.
    next: usize,
    /// Whether a search must not find an empty match right there.
    advance: bool,
    /// Characters where the run begins and ends.
    pub(super) bounds: (usize, usize),
    beats: u32,
}

impl Run {
    /// Prepares a run over characters `pos` to `endpos`.
    pub(super) fn new(cx: &mut Cx, pattern: Root, value: Root, pos: i64, endpos: i64) -> Result<Run, Raised> {
        let subject = Subject::of(cx, value)?;
        let program = data(cx, pattern, |d| d.program.clone());
        if program.is_text != subject.is_text() {
            return Err(cx.type_error(
                match program.is_text {
                    true => "cannot use a string pattern on a bytes-like object",
                    false => "cannot use a bytes pattern on a string-like object",
                }
                .into(),
            ));
        }
        let length = subject.length(cx);
        let clamp = |at: i64| usize::try_from(at).unwrap_or(0).min(length);
        let bounds = (clamp(pos), clamp(endpos));
        let end = if bounds.1 == length { subject.bytes(cx).len() } else { subject.offset(cx, bounds.1) };
        let next = if bounds.0 == 0 { 0 } else { subject.offset(cx, bounds.0) };
        let narrow = subject.is_narrow(cx);
        let matcher = take_matcher(cx, pattern);
        Ok(Run { pattern, value, subject, program, matcher, narrow, end, next, advance: false, bounds, beats: 0 })
    }

    /// Looks for the next match.
    pub(super) fn next(&mut self, cx: &mut Cx, mode: Mode) -> Result<bool, Raised> {
        if self.next > self.end {
            // Past the end nothing is looked at, but nothing is there.
            (self.matcher.start, self.matcher.end) = (self.next, self.next);
            let nothing = mode == Mode::Match && self.next != usize::MAX && self.program.is_empty();
            self.next = usize::MAX;
            return Ok(nothing);
        }
        self.matcher.begin(&self.program, mode, self.next, self.advance);
        loop {
            let text = &self.subject.bytes(cx)[..self.end];
            match self.matcher.run(&self.program, text, self.narrow) {
                Step::Match => {
                    self.advance = self.matcher.end == self.matcher.start;
                    self.next = self.matcher.end;
                    return Ok(true);
                }
                Step::Fail => {
                    self.next = usize::MAX;
                    return Ok(false);
                }
                Step::Pause => self.pause(cx)?,
            }
        }
    }

    #[cold]
    fn pause(&mut self, cx: &mut Cx) -> Result<(), Raised> {
        cx.breathe()?;
        if cx.heap.check(self.matcher.memory()).is_err() {
            return Err(cx.memory_error());
        }
        Ok(())
    }

    /// Between two matches of many: now and then a collection, if one is due, and an error if the program is to stop.
    #[inline]
    pub(super) fn beat(&mut self, cx: &mut Cx) -> Result<(), Raised> {
        self.beats += 1;
        if self.beats & 63 == 0 {
            cx.make_room()?;
            if self.beats & 1023 == 0 {
                cx.breathe()?;
            }
        }
        Ok(())
    }

    /// Where the next search would begin, and whether it may not find an empty match there.
    pub(super) fn position(&self) -> (usize, bool) {
        (self.next, self.advance)
    }

    /// Goes on from there.
    pub(super) fn resume(&mut self, (next, advance): (usize, bool)) {
        (self.next, self.advance) = (next, advance);
    }

    /// The bytes a group of the last match is at.
    #[inline]
    pub(super) fn group(&self, group: usize) -> Option<(usize, usize)> {
        if group == 0 {
            return Some((self.matcher.start, self.matcher.end));
        }
        let (from, to) = (self.matcher.marks[group * 2 - 2], self.matcher.marks[group * 2 - 1]);
        (from != NONE && to != NONE && from <= to).then_some((from as usize, to as usize))
    }

    /// A group of the last match as a value; if it took no part, an empty one.
    pub(super) fn group_or_empty(&self, cx: &Cx, group: usize) -> Raw {
        match self.group(group) {
            Some((from, to)) if from == to => slot(cx, self.pattern, 2).raw(),
            Some((from, to)) => self.subject.part(cx, from, to),
            None => slot(cx, self.pattern, 2).raw(),
        }
    }

    /// What `findall` makes of a match.
    pub(super) fn found(&self, cx: &Cx) -> Raw {
        match self.program.groups as usize {
            0 => self.group_or_empty(cx, 0),
            1 => self.group_or_empty(cx, 1),
            groups => {
                let tuple = Tuple::build(&cx.heap, groups, |i| Value::adopt(self.group_or_empty(cx, i + 1)));
                tuple.value().raw()
            }
        }
    }

    /// Gives the matcher back for the next run.
    pub(super) fn done(self, cx: &Cx) {
        give_matcher(cx, self.pattern, self.matcher);
    }
}
