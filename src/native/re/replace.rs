//! What `sub` and `subn` do.

use std::rc::Rc;

use crate::heap::{Raw, Value};
use crate::native::types::function::is_callable;
use crate::object::Tuple;
use crate::text::regex::{Mode, Part, parse_template};
use crate::vm::native::{Cx, NativeResult, Raised, Root};

use super::matched;
use super::pattern::{data, points, raise_fault};
use super::subject::{Run, Subject};

/// What a match is replaced by.
enum Replacement {
    /// Always the same.
    Literal(Vec<u8>),
    /// A text with groups.
    Template(Rc<Vec<Part>>),
    /// What a function returns.
    Function,
    /// Something that does not go with the string.
    Wrong,
}

/// A template as `expand` and `sub` take it, read.
pub(super) fn template(cx: &mut Cx, pattern: Root, template: Root) -> Result<Rc<Vec<Part>>, Raised> {
    let subject = match Subject::of(cx, template) {
        Ok(subject) => subject,
        Err(raised) => {
            cx.take_raised(raised);
            // Whatever is no text is looked up in a cache first, so it has to be hashable.
            cx.hash(template)?;
            let got = cx.type_name_for_error(template.get(cx));
            return Err(cx.type_error(format!("decoding to str: need a bytes-like object, {got} found")));
        }
    };
    let is_text = subject.is_text();
    let bytes = subject.bytes(cx).to_vec();
    let known = data(cx, pattern, |d| match &d.template {
        Some((was_text, source, parts)) if *was_text == is_text && *source == bytes => Some(parts.clone()),
        _ => None,
    });
    if let Some(parts) = known {
        return Ok(parts);
    }
    let points = points(cx, &subject);
    let read = data(cx, pattern, |d| {
        let names = &d.names;
        let find = |name: &[u8]| names.iter().find(|(known, _)| known.as_slice() == name).map(|(_, group)| *group);
        parse_template(&points, is_text, d.program.groups, &find)
    });
    match read {
        Ok(parts) => {
            let parts = Rc::new(parts);
            data(cx, pattern, |d| d.template = Some((is_text, bytes, parts.clone())));
            Ok(parts)
        }
        Err(fault) => Err(raise_fault(cx, fault, template)),
    }
}

fn replacement(cx: &mut Cx, pattern: Root, repl: Root, is_text: bool) -> Result<Replacement, Raised> {
    if is_callable(cx, repl.get(cx)) {
        return Ok(Replacement::Function);
    }
    if let Ok(subject) = Subject::of(cx, repl).map_err(|raised| cx.take_raised(raised)) {
        let bytes = subject.bytes(cx);
        if memchr::memchr(b'\\', bytes).is_none() {
            let bytes = bytes.to_vec();
            return Ok(if subject.is_text() == is_text { Replacement::Literal(bytes) } else { Replacement::Wrong });
        }
        let parts = template(cx, pattern, repl)?;
        if subject.is_text() != is_text {
            return Ok(Replacement::Wrong);
        }
        return Ok(match parts.as_slice() {
            [] => Replacement::Literal(vec![]),
            [Part::Literal(bytes)] => Replacement::Literal(bytes.clone()),
            _ => Replacement::Template(parts),
        });
    }
    template(cx, pattern, repl)?;
    Ok(Replacement::Wrong)
}

/// Replaces matches, at most `most` of them (0 for all): the result and how many there were.
pub(super) fn replace(cx: &mut Cx, pattern: Root, repl: Root, string: Root, most: i64) -> Result<(Raw, i64), Raised> {
    let mut run = Run::new(cx, pattern, string, 0, i64::MAX)?;
    let replacement = replacement(cx, pattern, repl, run.subject.is_text())?;
    let mut out: Vec<u8> = vec![];
    let (mut last, mut count) = (0, 0);
    // Items joined so far, as messages count them.
    let mut items = 0;
    let mut wrong: Option<(usize, Root)> = None;
    while (most == 0 || count < most) && run.next(cx, Mode::Search)? {
        let (from, to) = (run.matcher.start, run.matcher.end);
        if from > last {
            items += 1;
            cx.grow(&mut out, from - last)?;
            out.extend_from_slice(&run.subject.bytes(cx)[last..from]);
        }
        match &replacement {
            Replacement::Literal(bytes) => {
                cx.grow(&mut out, bytes.len())?;
                out.extend_from_slice(bytes);
            }
            Replacement::Template(parts) => {
                for part in parts.iter() {
                    match part {
                        Part::Literal(bytes) => out.extend_from_slice(bytes),
                        Part::Group(group) => {
                            if let Some((from, to)) = run.group(*group as usize) {
                                cx.grow(&mut out, to - from)?;
                                out.extend_from_slice(&run.subject.bytes(cx)[from..to]);
                            }
                        }
                    }
                }
            }
            Replacement::Function => {
                let mark = cx.mark();
                let found = matched::new(cx, &run);
                let found = cx.push_raw(found);
                let result = cx.call(repl, &[found])?;
                if !result.get(cx).is_none() {
                    let good = wrong.is_none() && append(cx, &mut out, result, run.subject.is_text());
                    if !good && wrong.is_none() {
                        wrong = Some((items, cx.release_keeping(mark, result)));
                    }
                    items += 1;
                }
                if wrong.is_none() {
                    cx.release(mark);
                }
            }
            Replacement::Wrong => {
                wrong.get_or_insert((items, repl));
            }
        }
        // For what a function gave: it has been copied in already.
        cx.grow(&mut out, 0)?;
        last = to;
        count += 1;
        run.beat(cx)?;
    }
    if let Some((at, item)) = wrong {
        let got = cx.type_name_for_error(item.get(cx));
        let wanted = if run.subject.is_text() { "str instance" } else { "a bytes-like object" };
        run.done(cx);
        return Err(cx.type_error(format!("sequence item {at}: expected {wanted}, {got} found")));
    }
    let result = if count == 0 {
        run.subject.part(cx, 0, run.end)
    } else {
        out.extend_from_slice(&run.subject.bytes(cx)[last..run.end]);
        run.subject.made(cx, &out)?
    };
    run.done(cx);
    Ok((result, count))
}

/// Appends what a function has returned; false if it does not go with the string.
fn append(cx: &mut Cx, out: &mut Vec<u8>, value: Root, is_text: bool) -> bool {
    match Subject::of(cx, value) {
        Ok(subject) if subject.is_text() == is_text => {
            out.extend_from_slice(subject.bytes(cx));
            true
        }
        Ok(_) => false,
        Err(raised) => {
            cx.take_raised(raised);
            false
        }
    }
}

/// As `replace`, as a tuple.
pub(super) fn counted(cx: &mut Cx, pattern: Root, repl: Root, string: Root, most: i64) -> NativeResult {
    let (raw, count) = replace(cx, pattern, repl, string, most)?;
    Ok(Tuple::build(&cx.heap, 2, |i| if i == 0 { Value::adopt(raw.copied()) } else { Value::int(count) }).into())
}
