//! Matches.

use smallvec::SmallVec;

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::key::as_int_ref;
use crate::object::{Dict, NativeObject, Payload, Str, Tuple};
use crate::text::regex::NONE;
use crate::text::wtf8;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Rest, Root};

use super::pattern::{data, slot};
use super::replace;
use super::subject::{Run, Subject};

/// Where a pattern has matched. Its slots: the pattern, the string.
#[derive(Debug)]
struct MatchData {
    /// Start and end of each group in bytes, the whole first.
    marks: SmallVec<[u32; 4]>,
    bounds: (usize, usize),
    last: u32,
}

impl Payload for MatchData {}

/// The match a run has found.
pub(super) fn new(cx: &Cx, run: &Run) -> Raw {
    let matcher = &run.matcher;
    let mut marks = SmallVec::with_capacity(matcher.marks.len() + 2);
    marks.extend([matcher.start as u32, matcher.end as u32]);
    marks.extend_from_slice(&matcher.marks);
    let class = data(cx, run.pattern, |d| d.match_class);
    let data = MatchData { marks, bounds: run.bounds, last: matcher.last };
    let slots = [run.pattern.get(cx), run.value.get(cx)];
    let object: Gc<'_, NativeObject> = cx.heap.alloc_slots(NativeObject::new(Box::new(data), 2), |i| slots[i]);
    object.set_shape(class.get().root_shape.get());
    object.value().raw()
}

fn with<R>(cx: &Cx, this: Root, work: impl FnOnce(&mut MatchData) -> R) -> R {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
    object.with(work).expect("a match")
}

fn groups(cx: &Cx, this: Root) -> usize {
    with(cx, this, |m| m.marks.len() / 2)
}

/// The bytes a group is at.
fn bytes_of(cx: &Cx, this: Root, group: usize) -> Option<(usize, usize)> {
    let (from, to) = with(cx, this, |m| (m.marks[group * 2], m.marks[group * 2 + 1]));
    (from != NONE && to != NONE && from <= to).then_some((from as usize, to as usize))
}

/// The string the match was found in.
fn subject(cx: &mut Cx, this: Root) -> Result<Subject, Raised> {
    let string = slot(cx, this, 1).raw();
    let string = cx.push_raw(string);
    Subject::of(cx, string)
}

/// A part of a subject; a buffer may have become shorter.
fn part(cx: &Cx, subject: &Subject, (from, to): (usize, usize)) -> Raw {
    let len = subject.bytes(cx).len();
    let to = to.min(len);
    subject.part(cx, from.min(to), to)
}

/// The number of the group that an argument names.
fn group_number(cx: &mut Cx, this: Root, group: Root) -> Result<usize, Raised> {
    let count = groups(cx, this);
    let value = cx.payload(group.get(cx));
    if let Some(int) = as_int_ref(value) {
        let number = int.to_i64().and_then(|n| usize::try_from(n).ok());
        return number.filter(|n| *n < count).ok_or_else(|| cx.index_error("no such group"));
    }
    if let Some(name) = value.exact::<Str>() {
        let pattern = slot(cx, this, 0).raw();
        let name = name.as_bytes();
        let object = Value::adopt(pattern).exact::<NativeObject>().expect("a pattern");
        let found = object.with::<super::pattern::PatternData, _>(|d| {
            d.names.iter().find(|(known, _)| known.as_slice() == name).map(|(_, group)| *group as usize)
        });
        return found.flatten().ok_or_else(|| cx.index_error("no such group"));
    }
    if cx.has_method(Value::adopt(group.get(cx).raw()), crate::vm::Name::Index) {
        let index = cx.index(group)?;
        return group_number(cx, this, index);
    }
    Err(cx.index_error("no such group"))
}

/// What a group has matched, or a default.
fn text_of(cx: &mut Cx, this: Root, group: usize, default: Raw) -> Result<Raw, Raised> {
    match bytes_of(cx, this, group) {
        None => Ok(default),
        Some(span) => {
            let mark = cx.mark();
            let subject = subject(cx, this)?;
            let raw = part(cx, &subject, span);
            cx.release(mark);
            Ok(raw)
        }
    }
}

/// Start and end of a group in characters; -1 if it took no part.
fn span_of(cx: &mut Cx, this: Root, group: usize) -> Result<(i64, i64), Raised> {
    let Some((from, to)) = bytes_of(cx, this, group) else { return Ok((-1, -1)) };
    let string = slot(cx, this, 1);
    if string.exact::<Str>().is_some_and(|s| s.is_ascii()) {
        return Ok((from as i64, to as i64));
    }
    let mark = cx.mark();
    let subject = subject(cx, this)?;
    let span = (subject.index(cx, from) as i64, subject.index(cx, to) as i64);
    cx.release(mark);
    Ok(span)
}

fn optional(cx: &mut Cx, this: Root, group: Option<Root>) -> Result<usize, Raised> {
    group.map_or(Ok(0), |g| group_number(cx, this, g))
}

fn pair(cx: &Cx, (from, to): (i64, i64)) -> Raw {
    Tuple::build(&cx.heap, 2, |i| Value::int(if i == 0 { from } else { to })).value().raw()
}

/// A tuple of what groups have matched, from `first` on in the order given.
fn tuple_of(cx: &mut Cx, this: Root, groups: &[usize], default: Raw) -> NativeResult {
    let subject = subject(cx, this)?;
    let spans: Vec<_> = groups.iter().map(|g| bytes_of(cx, this, *g)).collect();
    let tuple = Tuple::build(&cx.heap, spans.len(), |i| {
        Value::adopt(spans[i].map_or(default.copied(), |span| part(cx, &subject, span)))
    });
    Ok(tuple.into())
}

natives!(
    /// The result of re.match() and re.search().
    /// Match objects always have a boolean value of True.
    pub(super) static MATCH: Methods;

    /// Return what one group or several have matched; the whole match is group 0.
    fn group(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        let mut roots = args.0.roots();
        match (roots.next(), args.0.len()) {
            (None, _) => Ok(Outcome::Value(text_of(cx, this, 0, Raw::NONE)?)),
            (Some(group), 1) => {
                let group = group_number(cx, this, group)?;
                Ok(Outcome::Value(text_of(cx, this, group, Raw::NONE)?))
            }
            _ => {
                let numbers = args.0.roots().map(|g| group_number(cx, this, g)).collect::<Result<Vec<_>, _>>()?;
                tuple_of(cx, this, &numbers, Raw::NONE)
            }
        }
    }

    /// Return what all groups have matched, with a default for those that took no part.
    fn groups(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("None")]
        default: Option<Root>,
    ) -> NativeResult {
        let numbers: Vec<usize> = (1..self::groups(cx, this)).collect();
        let default = default.map_or(Raw::NONE, |d| d.get(cx).raw());
        tuple_of(cx, this, &numbers, default)
    }

    /// Return what the groups with names have matched, by name.
    fn groupdict(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("None")]
        default: Option<Root>,
    ) -> NativeResult {
        let default = default.map_or(Raw::NONE, |d| d.get(cx).raw());
        let pattern = slot(cx, this, 0).raw();
        let pattern = cx.push_raw(pattern);
        let subject = subject(cx, this)?;
        let dict = Dict::new(&cx.heap).held();
        let names = slot(cx, pattern, 1).exact::<Dict>().expect("the dict of names").held();
        for (name, group) in names.iter() {
            let group = group.as_int().unwrap_or(0) as usize;
            let value = bytes_of(cx, this, group).map_or(default.copied(), |span| part(cx, &subject, span));
            let name = name.exact::<Str>().expect("names are texts");
            let done = dict.set_str(&cx.heap, name, Value::adopt(value));
            if done.is_err() {
                return Err(cx.memory_error());
            }
        }
        Ok(dict.into())
    }

    /// Return where a group starts; -1 if it took no part.
    fn start(cx: &mut Cx, this: Root, #[text("0")] group: Given<Root>) -> NativeResult {
        let group = optional(cx, this, group.0)?;
        Ok(span_of(cx, this, group)?.0.into())
    }

    /// Return where a group ends; -1 if it took no part.
    fn end(cx: &mut Cx, this: Root, #[text("0")] group: Given<Root>) -> NativeResult {
        let group = optional(cx, this, group.0)?;
        Ok(span_of(cx, this, group)?.1.into())
    }

    /// Return where a group starts and ends.
    fn span(cx: &mut Cx, this: Root, #[text("0")] group: Given<Root>) -> NativeResult {
        let group = optional(cx, this, group.0)?;
        let span = span_of(cx, this, group)?;
        Ok(Outcome::Value(pair(cx, span)))
    }

    /// Return a template with groups filled in, as sub() does.
    fn expand(cx: &mut Cx, this: Root, #[either] template: Root) -> NativeResult {
        let pattern = slot(cx, this, 0).raw();
        let pattern = cx.push_raw(pattern);
        let parts = replace::template(cx, pattern, template)?;
        let subject = subject(cx, this)?;
        let is_text = cx.as_str(template.get(cx)).is_some();
        let mut out = vec![];
        let mut at = 0;
        for part in parts.iter() {
            match part {
                // The template decides what is made, and text and bytes don't mix.
                crate::text::regex::Part::Group(group)
                    if is_text != subject.is_text() && bytes_of(cx, this, *group as usize).is_some() =>
                {
                    return Err(cx.type_error(match is_text {
                        true => format!("sequence item {at}: expected str instance, bytes found"),
                        false => format!("sequence item {at}: expected a bytes-like object, str found"),
                    }));
                }
                crate::text::regex::Part::Literal(bytes) => {
                    out.extend(bytes);
                    at += 1;
                }
                crate::text::regex::Part::Group(group) => {
                    if let Some((from, to)) = bytes_of(cx, this, *group as usize) {
                        out.extend(subject.bytes(cx).get(from..to).unwrap_or(&[]));
                    }
                }
            }
        }
        if is_text != subject.is_text() {
            return if is_text {
                cx.checked_text(&out).map(Outcome::Value)
            } else {
                Ok(crate::object::Bytes::new(&cx.heap, &out).into())
            };
        }
        let made = subject.made(cx, &out)?;
        Ok(Outcome::Value(made))
    }

    /// Return self[key].
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let group = group_number(cx, this, key)?;
        Ok(Outcome::Value(text_of(cx, this, group, Raw::NONE)?))
    }

    /// The string that was searched.
    #[getter]
    fn string(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(slot(cx, this, 1).into())
    }

    /// The pattern.
    #[getter]
    fn re(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(slot(cx, this, 0).into())
    }

    /// Where the search began.
    #[getter]
    fn pos(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(cx, this, |m| m.bounds.0) as i64).into())
    }

    /// Where the search was to end.
    #[getter]
    fn endpos(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(cx, this, |m| m.bounds.1) as i64).into())
    }

    /// The number of the group that ended last.
    #[getter]
    fn lastindex(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(match with(cx, this, |m| m.last) {
            0 => Outcome::NONE,
            last => i64::from(last).into(),
        })
    }

    /// The name of the group that ended last.
    #[getter]
    fn lastgroup(cx: &mut Cx, this: Root) -> NativeResult {
        let last = with(cx, this, |m| m.last);
        let pattern = slot(cx, this, 0).raw();
        let pattern = cx.push_raw(pattern);
        let name = data(cx, pattern, |d| d.names.iter().find(|(_, g)| *g == last).map(|(name, _)| name.clone()));
        Ok(name.map_or(Outcome::NONE, |name| Str::from_parts(&cx.heap, &[&name]).into()))
    }

    /// Start and end of all groups.
    #[getter]
    fn regs(cx: &mut Cx, this: Root) -> NativeResult {
        let mut spans = vec![];
        for group in 0..self::groups(cx, this) {
            spans.push(span_of(cx, this, group)?);
        }
        Ok(Tuple::build(&cx.heap, spans.len(), |i| Value::adopt(pair(cx, spans[i]))).into())
    }

    /// Return the match itself.
    fn __copy__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return the match itself.
    fn __deepcopy__(cx: &mut Cx, this: Root, memo: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (from, to) = span_of(cx, this, 0)?;
        let text = text_of(cx, this, 0, Raw::NONE)?;
        let text = cx.push_raw(text);
        let shown = cx.repr(text)?;
        let head = format!("<re.Match object; span=({from}, {to}), match=");
        let shown = cx.as_str(shown.get(cx)).map_or(vec![], |s| s.as_bytes().to_vec());
        let shown = &shown[..wtf8::offset(&shown, 50).unwrap_or(shown.len())];
        Ok(Str::from_parts(&cx.heap, &[head.as_bytes(), shown, b">"]).into())
    }

    /// See PEP 585
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);
