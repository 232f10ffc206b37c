//! From exceptions and tracebacks of the machine to plain data.

use std::collections::HashSet;

use crate::heap::{Kind, Raw, Value};
use crate::object::{Class, Exc, Exception, List, Traceback, Tuple};
use crate::text::wtf8;
use crate::vm::is_library_file;
use crate::vm::native::{Cx, Raised, Root};

use super::frame::FrameSummary;
use super::lines::Lines;
use super::report::{ExceptionSummary, Notes, Report, Stack};
use super::suggest::{hint, quietly, text_items};
use super::syntax_error::{Offset, SyntaxSummary};

/// How many frames are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// All, unless `sys.tracebacklimit` says otherwise.
    None,
    /// As `None`, but with `sys.tracebacklimit` it is the last ones that are kept: how uncaught exceptions are shown.
    Uncaught,
    /// The first so many; with a negative number the last so many.
    Frames(i64),
}

/// What is captured, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// How many frames.
    pub(super) limit: Limit,
    /// Whether source lines are looked up at once.
    pub(super) lines: bool,
    /// Whether the reprs of locals are kept.
    pub(super) locals: bool,
    /// Whether contexts that are not shown are left out.
    pub(super) compact: bool,
}

impl Options {
    /// For printing.
    pub(super) const PRINT: Options = Options { limit: Limit::None, lines: true, locals: false, compact: true };
}

/// A report of an exception, and what is linked to it.
pub(super) fn report(
    cx: &mut Cx,
    class: Root,
    value: Root,
    traceback: Root,
    options: Options,
) -> Result<Report, Raised> {
    let mark = cx.mark();
    let mut collector =
        Collector { options, lines: Lines::default(), seen: HashSet::new(), exceptions: vec![], rest: vec![] };
    collector.add(cx, class, value, traceback)?;
    // The order decides which of several ways to an exception shows it.
    while let Some((number, value)) = collector.rest.pop() {
        collector.link(cx, number, value)?;
    }
    cx.release(mark);
    Ok(Report { exceptions: collector.exceptions, chain: true, max_group_width: 15, max_group_depth: 10 })
}

/// A report in the making.
struct Collector {
    options: Options,
    lines: Lines,
    /// The exceptions that are in it: what is reached again is not shown again.
    seen: HashSet<u64>,
    exceptions: Vec<ExceptionSummary>,
    /// Those whose links are still to be followed.
    rest: Vec<(usize, Root)>,
}

impl Collector {
    fn add(&mut self, cx: &mut Cx, class: Root, value: Root, traceback: Root) -> Result<usize, Raised> {
        self.seen.insert(value.get(cx).raw().bits());
        let summary = summarise(cx, class, value, traceback, self.options, &mut self.lines)?;
        self.exceptions.push(summary);
        let number = self.exceptions.len() - 1;
        self.rest.push((number, value));
        Ok(number)
    }

    /// Adds an exception with its own class and traceback.
    fn add_linked(&mut self, cx: &mut Cx, raw: Raw) -> Result<usize, Raised> {
        let value = push(cx, raw);
        let class = cx.class_of(value.get(cx)).value().raw();
        let class = push(cx, class);
        let traceback = exception_traceback(cx, value);
        self.add(cx, class, value, traceback)
    }

    fn is_new(&self, raw: Raw) -> bool {
        !Value::adopt(raw).is_none() && !self.seen.contains(&raw.bits())
    }

    /// Adds what an exception is linked to.
    fn link(&mut self, cx: &mut Cx, number: usize, value: Root) -> Result<(), Raised> {
        let Some(exception) = value.get(cx).exact::<Exception>() else { return Ok(()) };
        let (cause, context) = (exception.get().cause.value().raw(), exception.get().context.value().raw());
        let suppressed = exception.get().suppress_context.get();
        let members: Option<Vec<Raw>> = cx.is_exception(value.get(cx), Exc::BaseExceptionGroup).then(|| {
            let members = exception.field(1).exact::<Tuple>();
            members.map_or(vec![], |tuple| tuple.items().map(|v| v.raw()).collect())
        });
        // Later ones are followed first.
        let cause = if self.is_new(cause) { Some(self.add_linked(cx, cause)?) } else { None };
        let wanted = !self.options.compact || (cause.is_none() && !suppressed);
        let context = if wanted && self.is_new(context) { Some(self.add_linked(cx, context)?) } else { None };
        let members = match members {
            Some(members) => {
                Some(members.into_iter().map(|raw| self.add_linked(cx, raw)).collect::<Result<Vec<usize>, Raised>>()?)
            }
            None => None,
        };
        let summary = &mut self.exceptions[number];
        (summary.cause, summary.context, summary.members) = (cause, context, members);
        Ok(())
    }
}

/// The traceback of an exception, or None.
pub(super) fn exception_traceback(cx: &mut Cx, value: Root) -> Root {
    let traceback = value.get(cx).exact::<Exception>().and_then(|e| e.get().traceback.get());
    let raw = traceback.map_or(Raw::NONE, |t| t.value().raw());
    push(cx, raw)
}

fn push(cx: &mut Cx, raw: Raw) -> Root {
    cx.push(Value::adopt(raw))
}

/// A text for printing: lone surrogates are escaped.
pub(super) fn printable(cx: &Cx, value: Value<'_>) -> Option<String> {
    let text = cx.as_str(value)?;
    if let Some(text) = text.as_str() {
        return Some(text.to_owned());
    }
    let escape = |point: u32| char::from_u32(point).map_or_else(|| format!("\\u{point:04x}"), String::from);
    Some(wtf8::code_points(text.as_bytes()).map(escape).collect())
}

/// `str(value)`, or `repr(value)`, or what stands for it where that fails.
pub(super) fn safe_text(cx: &mut Cx, value: Root, what: &str, repr: bool) -> String {
    let mark = cx.mark();
    let text = quietly(cx, |cx| if repr { cx.repr(value) } else { cx.str_of(value) });
    let text = text.and_then(|text| printable(cx, text.get(cx)));
    cx.release(mark);
    text.unwrap_or_else(|| format!("<{what} {}() failed>", if repr { "repr" } else { "str" }))
}

/// The name of an exception class as it is shown, and its parts.
pub(super) fn class_parts(cx: &mut Cx, class: Root) -> (Option<String>, Option<String>) {
    let mark = cx.mark();
    let mut part = |name: &str| {
        let found = quietly(cx, |cx| cx.find_attribute(class, name)).flatten();
        found.and_then(|value| printable(cx, value.get(cx)))
    };
    let parts = (part("__qualname__"), part("__module__"));
    cx.release(mark);
    parts
}

/// `module.Class`, or the class alone where the module goes without saying.
pub(super) fn shown_class(qualname: Option<&str>, module: Option<&str>) -> String {
    let qualname = qualname.unwrap_or("<unknown>");
    match module {
        Some("__main__" | "builtins") => qualname.to_owned(),
        module => format!("{}.{qualname}", module.unwrap_or("<unknown>")),
    }
}

fn summarise(
    cx: &mut Cx,
    class: Root,
    value: Root,
    traceback: Root,
    options: Options,
    lines: &mut Lines,
) -> Result<ExceptionSummary, Raised> {
    let mark = cx.mark();
    let text = safe_text(cx, value, "exception", false);
    let notes = match quietly_or_text(cx, value) {
        Ok(Some(notes)) => notes_of(cx, notes),
        Ok(None) => Notes::None,
        Err(failure) => Notes::Lines(vec![failure]),
    };
    let shown = class.get(cx).exact::<Class>().is_some().then(|| {
        let (qualname, module) = class_parts(cx, class);
        shown_class(qualname.as_deref(), module.as_deref())
    });
    let syntax = cx.is_exception(value.get(cx), Exc::SyntaxError).then(|| syntax_of(cx, value));
    let hint = if syntax.is_none() { hint(cx, value, traceback) } else { String::new() };
    let frames = frames(cx, traceback, options, lines)?;
    // A traceback of nothing but frames of the library still shows that there is one.
    let header =
        !frames.is_empty() || (has_library_frames_only(cx, traceback) && limit_of(cx, options.limit).is_none());
    let suppress_context = value.get(cx).exact::<Exception>().is_some_and(|e| e.get().suppress_context.get());
    cx.release(mark);
    Ok(ExceptionSummary {
        class: shown,
        text: text + &hint,
        notes,
        header,
        stack: Stack::Frames(frames),
        syntax,
        suppress_context,
        cause: None,
        context: None,
        members: None,
    })
}

/// `__notes__`; or what is shown where asking for it fails.
fn quietly_or_text(cx: &mut Cx, value: Root) -> Result<Option<Root>, String> {
    match cx.find_attribute(value, "__notes__") {
        Ok(found) => Ok(found.filter(|notes| !notes.get(cx).is_none())),
        Err(raised) => {
            let raw = cx.take_raised(raised);
            let failure = push(cx, raw);
            Err(format!("Ignored error getting __notes__: {}", safe_text(cx, failure, "__notes__", true)))
        }
    }
}

/// Notes from the value of `__notes__`.
pub(super) fn notes_of(cx: &mut Cx, notes: Root) -> Notes {
    let payload = cx.payload(notes.get(cx));
    let items: Vec<Raw> = match (payload.exact::<List>(), payload.exact::<Tuple>()) {
        (Some(list), _) => list.items().map(|v| v.raw()).collect(),
        (None, Some(tuple)) => tuple.items().map(|v| v.raw()).collect(),
        (None, None) if payload.is_none() => return Notes::None,
        (None, None) => return Notes::Other(safe_text(cx, notes, "__notes__", true)),
    };
    let mark = cx.mark();
    let roots: Vec<Root> = items.into_iter().map(|raw| push(cx, raw)).collect();
    let lines = roots.into_iter().map(|note| safe_text(cx, note, "note", false)).collect();
    cx.release(mark);
    Notes::Lines(lines)
}

/// The place of a SyntaxError, by its attributes or those of what stands for it.
pub(super) fn syntax_of(cx: &mut Cx, value: Root) -> SyntaxSummary {
    let mark = cx.mark();
    let attribute = |cx: &mut Cx, name: &str| {
        let found = quietly(cx, |cx| cx.find_attribute(value, name)).flatten();
        found.filter(|root| !root.get(cx).is_none())
    };
    let text = |cx: &mut Cx, root: Option<Root>| root.map(|root| safe_text(cx, root, "exception", false));
    let integer = |cx: &Cx, root: Root| match cx.payload(root.get(cx)) {
        value if value.kind() == Kind::True => Some(1),
        value if value.kind() == Kind::False => Some(0),
        value => value.as_int(),
    };
    let filename = attribute(cx, "filename");
    let line = attribute(cx, "lineno");
    let end_line = attribute(cx, "end_lineno");
    let source = attribute(cx, "text");
    let offset = attribute(cx, "offset");
    let end_offset = attribute(cx, "end_offset");
    let message = attribute(cx, "msg");
    let summary = SyntaxSummary {
        filename: text(cx, filename),
        line: text(cx, line),
        end_line: text(cx, end_line),
        text: source.and_then(|source| printable(cx, source.get(cx))),
        offset: match offset {
            None => Offset::None,
            Some(offset) => integer(cx, offset).map_or(Offset::Other, Offset::Column),
        },
        end_offset: end_offset.and_then(|end| integer(cx, end)),
        message: text(cx, message),
    };
    cx.release(mark);
    summary
}

/// The frames of a traceback, those of aio's own library left out.
pub(super) fn frames(
    cx: &mut Cx,
    traceback: Root,
    options: Options,
    lines: &mut Lines,
) -> Result<Vec<FrameSummary>, Raised> {
    let mark = cx.mark();
    let mut entries = vec![];
    let mut next = traceback.get(cx).exact::<Traceback>().map(|t| t.held());
    while let Some(entry) = next {
        let code = entry.get().function.get().map(|f| f.code().get().code.clone());
        if code.is_some_and(|code| !is_library_file(&code.filename)) {
            entries.push(push(cx, entry.value().raw()));
        }
        next = entry.get().next.get().map(|t| t.held());
    }
    let entries = limited(entries, limit_of(cx, options.limit));
    let mut frames = vec![];
    for entry in entries {
        frames.push(frame(cx, entry, options, lines)?);
    }
    cx.release(mark);
    Ok(frames)
}

fn has_library_frames_only(cx: &Cx, traceback: Root) -> bool {
    let mut next = traceback.get(cx).exact::<Traceback>();
    let some = next.is_some();
    while let Some(entry) = next {
        if entry.get().function.get().is_some_and(|f| !is_library_file(&f.code().get().code.filename)) {
            return false;
        }
        next = entry.get().next.get();
    }
    some
}

fn frame(cx: &mut Cx, entry: Root, options: Options, lines: &mut Lines) -> Result<FrameSummary, Raised> {
    let traceback = entry.get(cx).exact::<Traceback>().expect("an entry").held();
    let function = traceback.get().function.get().expect("entries have functions");
    let code = function.code().get().code.clone();
    let place = code.position(traceback.get().word).filter(|p| p.line != 0 && traceback.get().line.get() == 0);
    let mut summary = FrameSummary {
        filename: code.filename.to_string(),
        name: code.name.to_string(),
        line: cx.traceback_line(traceback),
        ..FrameSummary::default()
    };
    summary.end_line = place.map_or(summary.line, |p| Some(p.end_line));
    summary.columns = place.map(|p| (p.column, p.end_column));
    if options.lines {
        summary.source = source_of(cx, &summary, Some(&code), lines);
    }
    if options.locals {
        let mark = cx.mark();
        let frame = cx.traceback_frame(entry);
        let locals = cx.frame_locals(frame)?;
        for (name, value) in text_items(cx, locals) {
            let shown = safe_text(cx, value, "local", true);
            summary.locals.push((name, shown));
        }
        cx.release(mark);
    }
    Ok(summary)
}

/// The source lines of a frame.
pub(super) fn source_of(
    cx: &mut Cx,
    frame: &FrameSummary,
    code: Option<&crate::bytecode::code::Code>,
    lines: &mut Lines,
) -> Option<String> {
    let (first, last) = (frame.line?, frame.end_line?);
    let mut source = String::new();
    // No expression is that long; a script can make up any number.
    for number in first..=last.min(first.saturating_add(10_000)) {
        source.push_str(&lines.line(cx, &frame.filename, number, code));
        source.push('\n');
    }
    Some(source)
}

/// The number of frames to keep, and whether they are the last ones.
fn limit_of(cx: &mut Cx, limit: Limit) -> Option<(usize, bool)> {
    match limit {
        Limit::Frames(limit @ 0..) => Some((limit as usize, false)),
        Limit::Frames(limit) => Some((limit.unsigned_abs() as usize, true)),
        Limit::None | Limit::Uncaught => {
            let name = cx.intern("tracebacklimit").held();
            let sys = cx.find_module("sys")?.exact::<crate::object::Module>()?;
            let limit_value = sys.dict().get_str(&cx.heap, name)?.as_int()?;
            Some((limit_value.max(0) as usize, limit == Limit::Uncaught))
        }
    }
}

fn limited(mut entries: Vec<Root>, limit: Option<(usize, bool)>) -> Vec<Root> {
    match limit {
        Some((count, true)) => entries.split_off(entries.len().saturating_sub(count)),
        Some((count, false)) => {
            entries.truncate(count);
            entries
        }
        None => entries,
    }
}

/// Reads the options a script gave.
pub(super) fn limit_from(cx: &Cx, limit: Option<Root>) -> Limit {
    match limit.and_then(|limit| cx.payload(limit.get(cx)).as_int()) {
        Some(limit) => Limit::Frames(limit),
        None => Limit::None,
    }
}
