//! Patterns: their methods, and scanners.

use std::cell::Cell as StdCell;
use std::rc::Rc;

use crate::heap::{Gc, Raw, Slot, Value};
use crate::native::natives;
use crate::object::{Bytes, Class, Dict, List, MappingProxy, NativeObject, Payload, Str};
use crate::text::regex::{self, Fault, Matcher, Mode, Part, Program, flag};
use crate::text::wtf8;
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root};

use super::subject::{Run, Subject};
use super::{matched, pattern_error, replace};

/// What a pattern is. Its slots: the source, the names of its groups (a dict), an empty str or bytes.
#[derive(Debug)]
pub(super) struct PatternData {
    pub(super) program: Rc<Program>,
    pub(super) flags: u32,
    pub(super) names: Vec<(Vec<u8>, u32)>,
    matcher: Option<Box<Matcher>>,
    /// The class of matches, which the machine never lets go.
    pub(super) match_class: Gc<'static, Class>,
    /// The replacement that was used last, as it was written and as it was read.
    pub(super) template: Option<(bool, Vec<u8>, Rc<Vec<Part>>)>,
}

impl Payload for PatternData {}

/// Works with a pattern.
pub(super) fn data<R>(cx: &Cx, pattern: Root, work: impl FnOnce(&mut PatternData) -> R) -> R {
    let object = pattern.get(cx).exact::<NativeObject>().expect("a pattern");
    object.with(work).expect("a pattern")
}

/// Whether a value is a pattern.
pub(super) fn is_pattern(value: Value<'_>) -> bool {
    value.exact::<NativeObject>().is_some_and(|o| o.with::<PatternData, _>(|_| ()).is_some())
}

/// A matcher to work with: the one that belongs to the pattern, unless it is in use.
pub(super) fn take_matcher(cx: &Cx, pattern: Root) -> Box<Matcher> {
    data(cx, pattern, |d| d.matcher.take()).unwrap_or_default()
}

/// Gives it back.
pub(super) fn give_matcher(cx: &Cx, pattern: Root, mut matcher: Box<Matcher>) {
    if matcher.memory() > 1 << 16 {
        matcher.shrink();
    }
    data(cx, pattern, |d| d.matcher = Some(matcher));
}

/// A slot of an object.
pub(super) fn slot(cx: &Cx, object: Root, index: usize) -> Value<'_> {
    let object = object.get(cx).exact::<NativeObject>().expect("an object of this module");
    object.tail()[index].get()
}

/// The code points of a pattern or template: of a text, or each byte.
pub(super) fn points(cx: &Cx, subject: &Subject) -> Vec<u32> {
    let bytes = subject.bytes(cx);
    if subject.is_text() { wtf8::code_points(bytes).collect() } else { bytes.iter().map(|b| u32::from(*b)).collect() }
}

/// Raises what is wrong with a pattern or template.
pub(super) fn raise_fault(cx: &mut Cx, fault: Fault, source: Root) -> Raised {
    match fault {
        Fault::Pattern(message, at) => pattern_error(cx, &message, Some(source), at),
        Fault::Value(message) => cx.value_error(message),
        Fault::Overflow(message) => cx.overflow_error(message),
        Fault::Recursion => cx.recursion_error(),
        Fault::UnknownName(shown) => cx.index_error(&format!("unknown group name {}", String::from_utf8_lossy(&shown))),
    }
}

/// Compiles a pattern that is not in the cache.
pub(super) fn compile(cx: &mut Cx, source: Root, flags: i64) -> Result<Raw, Raised> {
    let subject = match Subject::of(cx, source) {
        Ok(subject @ (Subject::Text(_) | Subject::Bytes(_))) => subject,
        other => {
            if let Err(raised) = other {
                cx.take_raised(raised);
            }
            // It would be part of a key of the cache.
            if let Err(raised) = cx.hash(source) {
                cx.take_raised(raised);
                let got = cx.type_name_for_error(source.get(cx));
                return Err(cx.type_error(format!("cannot use 'tuple' as a dict key (unhashable type: '{got}')")));
            }
            return Err(cx.type_error("first argument must be string or compiled pattern".into()));
        }
    };
    // What a character may become: a node of the parsed pattern while that grows, and an instruction.
    let length = subject.bytes(cx).len();
    cx.check_room(length.saturating_mul(256))?;
    let points = points(cx, &subject);
    let room = || cx.stack_is_left();
    let mut warnings = vec![];
    let parsed = regex::parse(&points, subject.is_text(), flags as u32, &room, &mut warnings);
    for message in &warnings {
        cx.warn(crate::object::Exc::FutureWarning, message)?;
    }
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(fault) => return Err(raise_fault(cx, fault, source)),
    };
    if parsed.flags & flag::DEBUG != 0 {
        return Err(cx.missing("re.DEBUG, which shows how a pattern was compiled,"));
    }
    let room = || cx.stack_is_left();
    let program = match regex::compile(&parsed, &room) {
        Ok(program) => program,
        Err(fault) => return Err(raise_fault(cx, fault, source)),
    };
    let names_raw = Dict::new(&cx.heap).value().raw();
    let names = cx.push_raw(names_raw);
    for (name, group) in &parsed.names {
        let key = Str::from_parts(&cx.heap, &[name]).value().raw();
        let key = cx.push_raw(key);
        let value = cx.push_raw(Raw::int(i64::from(*group)));
        cx.dict_set(names, key, value)?;
    }
    let empty = if subject.is_text() { cx.str("").value().raw() } else { Bytes::new(&cx.heap, &[]).value().raw() };
    let data = PatternData {
        program: Rc::new(program),
        flags: parsed.flags | flags as u32 & !0x1ff,
        names: parsed.names,
        matcher: None,
        match_class: cx.named_class("Match").held(),
        template: None,
    };
    let slots = [source.get(cx).raw(), names.get(cx).raw(), empty];
    let object: Gc<'_, NativeObject> =
        cx.heap.alloc_slots(NativeObject::new(Box::new(data), 3), |i| Value::adopt(slots[i]));
    object.set_shape(cx.named_class("Pattern").get().root_shape.get());
    Ok(object.value().raw())
}

/// A match, or None.
pub(super) fn once(cx: &mut Cx, pattern: Root, string: Root, pos: i64, endpos: i64, mode: Mode) -> NativeResult {
    let mut run = Run::new(cx, pattern, string, pos, endpos)?;
    let found = run.next(cx, mode)?;
    let result = if found { matched::new(cx, &run) } else { Raw::NONE };
    run.done(cx);
    Ok(Outcome::Value(result))
}

/// All matches, as `findall` shows them.
pub(super) fn all(cx: &mut Cx, pattern: Root, string: Root, pos: i64, endpos: i64) -> NativeResult {
    let mut run = Run::new(cx, pattern, string, pos, endpos)?;
    let list = cx.list(&[]).value().raw();
    let list = cx.push_raw(list);
    while run.next(cx, Mode::Search)? {
        let found = run.found(cx);
        push_to(cx, list, found)?;
        run.beat(cx)?;
    }
    run.done(cx);
    Ok(list.get(cx).into())
}

fn push_to(cx: &mut Cx, list: Root, raw: Raw) -> Result<(), Raised> {
    let done = list.get(cx).exact::<List>().expect("a list").push(&cx.heap, Value::adopt(raw));
    if done.is_err() {
        return Err(cx.memory_error());
    }
    Ok(())
}

/// The parts between matches.
pub(super) fn split(cx: &mut Cx, pattern: Root, string: Root, most: i64) -> NativeResult {
    let mut run = Run::new(cx, pattern, string, 0, i64::MAX)?;
    let list = cx.list(&[]).value().raw();
    let list = cx.push_raw(list);
    let (mut last, mut count) = (0, 0);
    while (most == 0 || count < most) && run.next(cx, Mode::Search)? {
        let (from, to) = run.group(0).expect("a match");
        let part = run.subject.part(cx, last, from);
        push_to(cx, list, part)?;
        for group in 1..=run.program.groups as usize {
            let part = run.group(group).map_or(Raw::NONE, |(from, to)| run.subject.part(cx, from, to));
            push_to(cx, list, part)?;
        }
        last = to;
        count += 1;
        run.beat(cx)?;
    }
    let rest = run.subject.part(cx, last, run.end);
    push_to(cx, list, rest)?;
    run.done(cx);
    Ok(list.get(cx).into())
}

/// An iterator over the matches.
pub(super) fn iterate(cx: &mut Cx, pattern: Root, string: Root, pos: i64, endpos: i64) -> NativeResult {
    let scanner = new_scanner(cx, pattern, string, pos, endpos)?;
    Ok(cx.new_iterator(step, "callable_iterator", &[scanner]).into())
}

fn step(cx: &mut Cx, window: Args) -> NativeResult {
    let scanner = window.root(0).get(cx).exact::<NativeIterator>().expect("an iterator").slot(0).raw();
    if Value::adopt(scanner).is_none() {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    let scanner = cx.push_raw(scanner);
    let found = scan(cx, scanner, Mode::Search)?;
    if Value::adopt(found).is_none() {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    Ok(Outcome::Value(found))
}

/// Where a scanner is. Its slots: the pattern, the string.
#[derive(Debug)]
struct Scanner {
    bounds: (usize, usize),
    position: StdCell<Option<(usize, bool)>>,
}

impl Payload for Scanner {}

fn new_scanner(cx: &mut Cx, pattern: Root, string: Root, pos: i64, endpos: i64) -> Result<Root, Raised> {
    let run = Run::new(cx, pattern, string, pos, endpos)?;
    let data = Scanner { bounds: run.bounds, position: StdCell::new(Some(run.position())) };
    run.done(cx);
    let slots = [pattern.get(cx).raw(), string.get(cx).raw()];
    let object: Gc<'_, NativeObject> =
        cx.heap.alloc_slots(NativeObject::new(Box::new(data), 2), |i| Value::adopt(slots[i]));
    object.set_shape(cx.named_class("SRE_Scanner").get().root_shape.get());
    let raw = object.value().raw();
    Ok(cx.push_raw(raw))
}

/// The next match of a scanner, or None.
fn scan(cx: &mut Cx, scanner: Root, mode: Mode) -> Result<Raw, Raised> {
    let object = scanner.get(cx).exact::<NativeObject>().expect("a scanner");
    let (bounds, position) = object.with::<Scanner, _>(|s| (s.bounds, s.position.get())).expect("a scanner");
    let Some(position) = position else { return Ok(Raw::NONE) };
    let (pattern, string) = (slot(cx, scanner, 0).raw(), slot(cx, scanner, 1).raw());
    let pattern = cx.push_raw(pattern);
    let string = cx.push_raw(string);
    let mut run = Run::new(cx, pattern, string, bounds.0 as i64, bounds.1 as i64)?;
    run.resume(position);
    let found = run.next(cx, mode)?;
    let next = found.then(|| run.position());
    let object = scanner.get(cx).exact::<NativeObject>().expect("a scanner");
    object.with::<Scanner, _>(|s| s.position.set(next));
    let result = if found { matched::new(cx, &run) } else { Raw::NONE };
    run.done(cx);
    Ok(result)
}

/// The names of flags that `repr` shows, by bits.
const NAMES: [(u32, &str); 8] = [
    (flag::IGNORECASE, "re.IGNORECASE"),
    (flag::LOCALE, "re.LOCALE"),
    (flag::MULTILINE, "re.MULTILINE"),
    (flag::DOTALL, "re.DOTALL"),
    (flag::UNICODE, "re.UNICODE"),
    (flag::VERBOSE, "re.VERBOSE"),
    (flag::DEBUG, "re.DEBUG"),
    (flag::ASCII, "re.ASCII"),
];

fn same_pattern(cx: &Cx, this: Root, other: Root) -> Option<bool> {
    let (a, b) = (this.get(cx), other.get(cx));
    if !is_pattern(b) {
        return None;
    }
    if a.raw().same(b.raw()) {
        return Some(true);
    }
    let (flags, other_flags) = (data(cx, this, |d| d.flags), data(cx, other, |d| d.flags));
    let (a, b) = (cx.payload(slot(cx, this, 0)), cx.payload(slot(cx, other, 0)));
    let same = match (a.exact::<Str>(), b.exact::<Str>()) {
        (Some(a), Some(b)) => a.equals(b),
        (None, None) => a.exact::<Bytes>().map(|b| b.as_bytes()) == b.exact::<Bytes>().map(|b| b.as_bytes()),
        _ => false,
    };
    Some(same && flags == other_flags)
}

natives!(
    /// Compiled regular expression object.
    pub(super) static PATTERN: Methods;

    /// Match at the start of the string; None if that does not match.
    fn r#match(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        pos: i64,
        #[either]
        #[text("sys.maxsize")]
        #[default(i64::MAX)]
        endpos: i64,
    ) -> NativeResult {
        once(cx, this, string, pos, endpos, Mode::Match)
    }

    /// Match all of the string; None if that does not match.
    fn fullmatch(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        pos: i64,
        #[either]
        #[text("sys.maxsize")]
        #[default(i64::MAX)]
        endpos: i64,
    ) -> NativeResult {
        once(cx, this, string, pos, endpos, Mode::Full)
    }

    /// Look for the first place that matches; None if there is none.
    fn search(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        pos: i64,
        #[either]
        #[text("sys.maxsize")]
        #[default(i64::MAX)]
        endpos: i64,
    ) -> NativeResult {
        once(cx, this, string, pos, endpos, Mode::Search)
    }

    /// Return the string with each match replaced.
    fn sub(
        cx: &mut Cx,
        this: Root,
        #[either] repl: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        count: i64,
    ) -> NativeResult {
        Ok(Outcome::Value(replace::replace(cx, this, repl, string, count)?.0))
    }

    /// Return the string with each match replaced, and how many there were.
    fn subn(
        cx: &mut Cx,
        this: Root,
        #[either] repl: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        count: i64,
    ) -> NativeResult {
        replace::counted(cx, this, repl, string, count)
    }

    /// Return the parts between the matches, and what groups have matched.
    fn split(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        maxsplit: i64,
    ) -> NativeResult {
        self::split(cx, this, string, maxsplit)
    }

    /// Return all matches: the texts, or those of the groups if there are any.
    fn findall(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        pos: i64,
        #[either]
        #[text("sys.maxsize")]
        #[default(i64::MAX)]
        endpos: i64,
    ) -> NativeResult {
        all(cx, this, string, pos, endpos)
    }

    /// Return an iterator over the matches.
    fn finditer(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        pos: i64,
        #[either]
        #[text("sys.maxsize")]
        #[default(i64::MAX)]
        endpos: i64,
    ) -> NativeResult {
        iterate(cx, this, string, pos, endpos)
    }

    /// Return an object that finds one match after the other.
    fn scanner(
        cx: &mut Cx,
        this: Root,
        #[either] string: Root,
        #[either]
        #[default(0)]
        pos: i64,
        #[either]
        #[text("sys.maxsize")]
        #[default(i64::MAX)]
        endpos: i64,
    ) -> NativeResult {
        Ok(new_scanner(cx, this, string, pos, endpos)?.get(cx).into())
    }

    /// The text that was compiled.
    #[getter]
    fn pattern(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(slot(cx, this, 0).into())
    }

    /// The flags, those within the text and those that are the default included.
    #[getter]
    fn flags(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(data(cx, this, |d| d.flags)).into())
    }

    /// The number of groups.
    #[getter]
    fn groups(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(data(cx, this, |d| d.program.groups)).into())
    }

    /// The numbers of the groups that have names.
    #[getter]
    fn groupindex(cx: &mut Cx, this: Root) -> NativeResult {
        if slot(cx, this, 1).exact::<Dict>().is_some_and(|d| d.is_empty()) {
            return Ok(Dict::new(&cx.heap).into());
        }
        Ok(cx.heap.alloc(MappingProxy { mapping: Slot::new(slot(cx, this, 1)) }).into())
    }

    /// Return the pattern itself.
    fn __copy__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return the pattern itself.
    fn __deepcopy__(cx: &mut Cx, this: Root, memo: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let flags = data(cx, this, |d| d.flags);
        let source = slot(cx, this, 0).raw();
        let source = cx.push_raw(source);
        let shown = cx.repr(source)?;
        let mut out: Vec<u8> = b"re.compile(".to_vec();
        let text = cx.as_str(shown.get(cx)).map_or(vec![], |s| s.as_bytes().to_vec());
        out.extend(&text[..wtf8::offset(&text, 200).unwrap_or(text.len())]);
        let is_text = data(cx, this, |d| d.program.is_text);
        let types = flag::LOCALE | flag::UNICODE | flag::ASCII;
        let flags = if is_text && flags & types == flag::UNICODE { flags & !flag::UNICODE } else { flags };
        let mut names: Vec<String> =
            NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
        let rest = flags & !NAMES.iter().fold(0, |all, (bit, _)| all | bit);
        if rest != 0 {
            names.push(format!("0x{rest:x}"));
        }
        if !names.is_empty() {
            out.extend(b", ");
            out.extend(names.join("|").bytes());
        }
        out.push(b')');
        Ok(Str::from_parts(&cx.heap, &[&out]).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let source = slot(cx, this, 0).raw();
        let source = cx.push_raw(source);
        let hash = cx.hash(source)?;
        let flags = data(cx, this, |d| d.flags);
        let hash = hash.wrapping_mul(31) ^ i64::from(flags);
        Ok(if hash == -1 { -2 } else { hash }.into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(match same_pattern(cx, this, value) {
            Some(same) => same.into(),
            None => Outcome::Value(Raw::NOT_IMPLEMENTED),
        })
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(match same_pattern(cx, this, value) {
            Some(same) => (!same).into(),
            None => Outcome::Value(Raw::NOT_IMPLEMENTED),
        })
    }

    /// See PEP 585
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

natives!(
    /// Finds one match after the other.
    pub(super) static SCANNER: Methods;

    /// Match where the last match has ended; None if that does not match.
    fn r#match(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(scan(cx, this, Mode::Match)?))
    }

    /// Look for the next match; None if there is none.
    fn search(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(scan(cx, this, Mode::Search)?))
    }

    /// The pattern.
    #[getter]
    fn pattern(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(slot(cx, this, 0).into())
    }
);
