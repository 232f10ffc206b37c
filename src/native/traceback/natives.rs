//! What `stdlib/traceback.aio`, `linecache.aio` and `warnings.aio` stand on, and the hooks of `sys`.

use std::collections::HashMap;

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::object::{List, Str, Traceback, Tuple};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use super::capture::{self, Options, notes_of, printable, source_of, syntax_of};
use super::frame::{FrameSummary, render_frames};
use super::lines::{Lines, read_lines};
use super::report::{ExceptionSummary, Notes, Report, Stack};
use super::suggest::text_items;
use super::unraisable::print_unraisable;
use super::{is_exception_or_none, report_uncaught};

natives!(
    /// Tracebacks: what the module `traceback` stands on.
    pub static TRACEBACK: Functions;

    /// What is shown of an exception and of those it is linked to: a list of tuples that name each other by number.
    fn capture(
        cx: &mut Cx,
        class: Root,
        value: Root,
        traceback: Root,
        limit: Root,
        lines: bool,
        locals: bool,
        compact: bool,
    ) -> NativeResult {
        if !is_exception_or_none(value.get(cx)) {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("Exception expected for value, {got} found")));
        }
        let limit = capture::limit_from(cx, Some(limit));
        let report = capture::report(cx, class, value, traceback, Options { limit, lines, locals, compact })?;
        let list = new_list(cx);
        for exception in &report.exceptions {
            let mark = cx.mark();
            let row = exception_row(cx, exception);
            cx.list_push(list, row)?;
            cx.release(mark);
        }
        Ok(list.get(cx).into())
    }

    /// What is shown of the frames of a traceback: a list of tuples.
    fn frames(cx: &mut Cx, traceback: Root, limit: Root, lines: bool, locals: bool) -> NativeResult {
        let limit = capture::limit_from(cx, Some(limit));
        let options = Options { limit, lines, locals, compact: true };
        let frames = capture::frames(cx, traceback, options, &mut Lines::default())?;
        let list = frame_rows(cx, &frames);
        Ok(list.get(cx).into())
    }

    /// A `TracebackException` as lines.
    fn render(cx: &mut Cx, exception: Root, chain: bool) -> NativeResult {
        let report = report_of(cx, exception, chain)?;
        text_list(cx, &report.render())
    }

    /// The last lines of a `TracebackException`, without frames.
    fn render_last(cx: &mut Cx, exception: Root, groups: bool) -> NativeResult {
        let report = report_of(cx, exception, false)?;
        text_list(cx, &report.render_last_lines(groups))
    }

    /// A frame as lines. `source` is its text as in the file, `first` that of its first line; both may be None.
    fn render_frame(cx: &mut Cx, summary: Root) -> NativeResult {
        let frame = frame_of(cx, summary)?;
        Ok(cx.str(&frame.render()).into())
    }

    /// Rendered frames with repetitions counted: `frames` is a list of frame summaries, `texts` how they are shown.
    fn collapse(cx: &mut Cx, frames: Root, texts: Root) -> NativeResult {
        let texts = texts_of(cx, texts);
        let items: Vec<Raw> = frames.get(cx).exact::<List>().map_or(vec![], |l| l.items().map(|v| v.raw()).collect());
        let mut summaries = vec![];
        for raw in items {
            let mark = cx.mark();
            let summary = push(cx, raw);
            summaries.push(key_of(cx, summary)?);
            cx.release(mark);
        }
        text_list(cx, &render_frames(summaries.iter().zip(texts)))
    }

    /// The lines of a file as it is now, each with its end.
    #[name("read_lines")]
    fn read_lines_of(cx: &mut Cx, filename: Root) -> NativeResult {
        let filename = cx.str_text(filename)?;
        let lines = read_lines(cx, &filename);
        text_list(cx, &lines)
    }

    /// The source lines of a frame summary, each with its end.
    fn source(cx: &mut Cx, filename: Root, first: i64, last: i64, code: Option<Root>) -> NativeResult {
        let clamp = |line: i64| u32::try_from(line).unwrap_or(0);
        let frame = FrameSummary {
            filename: cx.str_text(filename)?,
            line: Some(clamp(first)),
            end_line: Some(clamp(last)),
            ..FrameSummary::default()
        };
        let code =
            code.and_then(|code| code.get(cx).exact::<crate::object::CodeObject>().map(|c| c.get().code.clone()));
        let source = source_of(cx, &frame, code.as_deref(), &mut Lines::default());
        Ok(cx.str(&source.unwrap_or_default()).into())
    }

    /// The frame of the language `depth` calls out from the caller of this function, or None.
    fn frame_at(cx: &mut Cx, depth: i64) -> NativeResult {
        let depth = usize::try_from(depth).unwrap_or(0);
        let frame = cx.frame_at_depth(depth);
        Ok(frame.map_or(Value::NONE, |frame| frame.get(cx)).into())
    }
);

natives!(
    /// What `sys` has for exceptions and frames.
    pub static HOOKS: Functions;

    /// Return the frame of the caller, or one further out.
    fn _getframe(cx: &mut Cx, #[default(0)] depth: i64) -> NativeResult {
        match cx.frame_at_depth(usize::try_from(depth).unwrap_or(0)) {
            Some(frame) => Ok(frame.get(cx).into()),
            None => Err(cx.value_error("call stack is not deep enough")),
        }
    }

    /// Print an exception to `sys.stderr`, as one that nobody caught.
    fn excepthook(cx: &mut Cx, exctype: Root, value: Root, traceback: Root) -> NativeResult {
        if !is_exception_or_none(value.get(cx)) {
            let got = cx.type_name_for_error(value.get(cx));
            super::write_error(
                cx,
                &format!("TypeError: print_exception(): Exception expected for value, {got} found\n"),
            );
            return Ok(Outcome::NONE);
        }
        if let Some(exception) = value.get(cx).exact::<crate::object::Exception>()
            && exception.get().traceback.get().is_none()
            && let Some(traceback) = traceback.get(cx).exact::<Traceback>()
        {
            exception.set_ref(&cx.heap, |e| &e.traceback, Some(traceback));
        }
        report_uncaught(cx, value);
        Ok(Outcome::NONE)
    }

    /// Print an exception that has nobody to go to, such as one raised by a finaliser.
    fn unraisablehook(cx: &mut Cx, unraisable: Root) -> NativeResult {
        if cx.type_name_for_error(unraisable.get(cx)) != "UnraisableHookArgs" {
            return Err(cx.type_error("sys.unraisablehook argument type must be UnraisableHookArgs".to_owned()));
        }
        let value = cx.attribute(unraisable, "exc_value")?;
        let traceback = cx.attribute(unraisable, "exc_traceback")?;
        let message = cx.attribute(unraisable, "err_msg")?;
        let object = cx.attribute(unraisable, "object")?;
        let message = printable(cx, message.get(cx));
        let object = (!object.get(cx).is_none()).then_some(object);
        print_unraisable(cx, value, traceback, object, message.as_deref());
        Ok(Outcome::NONE)
    }
);

/// Installs the module `_traceback`.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_traceback").held();
    cx.functions_of(module, &TRACEBACK);
    Ok(())
}

// ---- to values ----

fn push(cx: &mut Cx, raw: Raw) -> Root {
    cx.push(Value::adopt(raw))
}

fn new_list(cx: &mut Cx) -> Root {
    let list = List::new(&cx.heap, &[]).value().raw();
    push(cx, list)
}

fn text(cx: &mut Cx, text: &str) -> Root {
    let raw = Str::new(&cx.heap, text).value().raw();
    push(cx, raw)
}

fn optional_text(cx: &mut Cx, value: Option<&str>) -> Root {
    match value {
        Some(value) => text(cx, value),
        None => push(cx, Raw::NONE),
    }
}

fn optional_int(cx: &mut Cx, value: Option<u32>) -> Root {
    push(cx, value.map_or(Raw::NONE, |value| Raw::int(i64::from(value))))
}

fn tuple(cx: &mut Cx, items: &[Root]) -> Root {
    let raw = Tuple::build(&cx.heap, items.len(), |at| items[at].get(cx)).value().raw();
    push(cx, raw)
}

fn text_list(cx: &mut Cx, texts: &[String]) -> NativeResult {
    let list = new_list(cx);
    for line in texts {
        let mark = cx.mark();
        let line = text(cx, line);
        cx.list_push(list, line)?;
        cx.release(mark);
    }
    Ok(list.get(cx).into())
}

fn frame_rows(cx: &mut Cx, frames: &[FrameSummary]) -> Root {
    let list = new_list(cx);
    for frame in frames {
        let mark = cx.mark();
        let parts = [
            text(cx, &frame.filename),
            optional_int(cx, frame.line),
            text(cx, &frame.name),
            optional_int(cx, frame.end_line),
            optional_int(cx, frame.columns.map(|c| c.0)),
            optional_int(cx, frame.columns.map(|c| c.1)),
            optional_text(cx, frame.source.as_deref()),
            local_rows(cx, &frame.locals),
        ];
        let row = tuple(cx, &parts);
        // The list was just made and nobody else has it: this cannot fail but for memory, which shows where the rows are used.
        let _ = cx.list_push(list, row);
        cx.release(mark);
    }
    list
}

fn local_rows(cx: &mut Cx, locals: &[(String, String)]) -> Root {
    let dict = crate::object::Dict::new(&cx.heap).value().raw();
    let dict = push(cx, dict);
    for (name, value) in locals {
        let mark = cx.mark();
        let (name, value) = (text(cx, name), text(cx, value));
        let _ = cx.dict_set(dict, name, value);
        cx.release(mark);
    }
    dict
}

fn exception_row(cx: &mut Cx, exception: &ExceptionSummary) -> Root {
    let frames = match &exception.stack {
        Stack::Frames(frames) => frame_rows(cx, frames),
        Stack::Text(_) => new_list(cx),
    };
    let number = |cx: &mut Cx, number: Option<usize>| optional_int(cx, number.map(|n| n as u32));
    let members = match &exception.members {
        Some(members) => {
            let list = new_list(cx);
            for member in members {
                let mark = cx.mark();
                let member = push(cx, Raw::int(*member as i64));
                let _ = cx.list_push(list, member);
                cx.release(mark);
            }
            list
        }
        None => push(cx, Raw::NONE),
    };
    let parts = [
        text(cx, &exception.text),
        frames,
        push(cx, Raw::bool(exception.header)),
        push(cx, Raw::bool(exception.syntax.is_some())),
        push(cx, Raw::bool(exception.suppress_context)),
        number(cx, exception.cause),
        number(cx, exception.context),
        members,
    ];
    tuple(cx, &parts)
}

// ---- from values ----

fn texts_of(cx: &mut Cx, list: Root) -> Vec<String> {
    match list.get(cx).exact::<List>() {
        Some(list) => list.items().map(|v| printable(cx, v).unwrap_or_default()).collect(),
        None => vec![],
    }
}

fn optional_number(cx: &mut Cx, object: Root, name: &str) -> Result<Option<u32>, Raised> {
    let Some(value) = cx.find_attribute(object, name)? else { return Ok(None) };
    Ok(cx.payload(value.get(cx)).as_int().and_then(|number| u32::try_from(number).ok()))
}

/// What frames are told apart by.
fn key_of(cx: &mut Cx, summary: Root) -> Result<FrameSummary, Raised> {
    let shown = |cx: &mut Cx, name: &str| -> Result<String, Raised> {
        let value = cx.attribute(summary, name)?;
        cx.str_text(value)
    };
    let (filename, name) = (shown(cx, "filename")?, shown(cx, "name")?);
    Ok(FrameSummary { filename, name, line: optional_number(cx, summary, "lineno")?, ..FrameSummary::default() })
}

fn frame_of(cx: &mut Cx, summary: Root) -> Result<FrameSummary, Raised> {
    let mut frame = key_of(cx, summary)?;
    frame.end_line = optional_number(cx, summary, "end_lineno")?;
    let (start, end) = (optional_number(cx, summary, "colno")?, optional_number(cx, summary, "end_colno")?);
    frame.columns = start.zip(end);
    let source = cx.attribute(summary, "_original_lines")?;
    frame.source = printable(cx, source.get(cx));
    let locals = cx.attribute(summary, "locals")?;
    for (name, value) in text_items(cx, locals) {
        let value = cx.str_text(value)?;
        frame.locals.push((name, value));
    }
    Ok(frame)
}

/// The report that a `TracebackException` stands for.
fn report_of(cx: &mut Cx, exception: Root, chain: bool) -> Result<Report, Raised> {
    let mut objects = Objects::default();
    objects.number(cx, exception);
    let mut exceptions = vec![];
    while let Some(object) = objects.list.get(exceptions.len()).copied() {
        let mut link = |cx: &mut Cx, name: &str| -> Result<Option<usize>, Raised> {
            let Some(linked) = cx.find_attribute(object, name)?.filter(|l| !l.get(cx).is_none()) else {
                return Ok(None);
            };
            Ok(Some(objects.number(cx, linked)))
        };
        let (cause, context) = if chain { (link(cx, "__cause__")?, link(cx, "__context__")?) } else { (None, None) };
        let members = cx.attribute(object, "exceptions")?;
        let items = cx.payload(members.get(cx)).exact::<List>().map(|l| l.items().map(|v| v.raw()).collect::<Vec<_>>());
        let members = items.map(|items| {
            let roots: Vec<Root> = items.into_iter().map(|raw| push(cx, raw)).collect();
            roots.into_iter().map(|root| objects.number(cx, root)).collect()
        });
        let mut summary = summary_of(cx, object)?;
        (summary.cause, summary.context, summary.members) = (cause, context, members);
        exceptions.push(summary);
    }
    let most = |cx: &mut Cx, name: &str| -> Result<usize, Raised> {
        let value = cx.attribute(exception, name)?;
        Ok(cx.payload(value.get(cx)).as_int().map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(0)))
    };
    let (max_group_width, max_group_depth) = (most(cx, "max_group_width")?, most(cx, "max_group_depth")?);
    Ok(Report { exceptions, chain, max_group_width, max_group_depth })
}

/// Objects in the order they were met.
#[derive(Default)]
struct Objects {
    list: Vec<Root>,
    numbers: HashMap<u64, usize>,
}

impl Objects {
    fn number(&mut self, cx: &Cx, object: Root) -> usize {
        *self.numbers.entry(object.get(cx).raw().bits()).or_insert_with(|| {
            self.list.push(object);
            self.list.len() - 1
        })
    }
}

fn summary_of(cx: &mut Cx, object: Root) -> Result<ExceptionSummary, Raised> {
    let stack = cx.attribute(object, "stack")?;
    let header = cx.attribute(object, "_header")?;
    let header = cx.truth(header)?;
    let lines = cx.call_method(stack, "format", &[])?;
    let texts = texts_of(cx, lines);
    let class = cx.attribute(object, "exc_type_str")?;
    let class = printable(cx, class.get(cx));
    let shown = cx.attribute(object, "_str")?;
    let shown = printable(cx, shown.get(cx)).unwrap_or_default();
    let notes = cx.attribute(object, "__notes__")?;
    let notes = if notes.get(cx).is_none() { Notes::None } else { notes_of(cx, notes) };
    let is_syntax = cx.attribute(object, "_is_syntax_error")?;
    let is_syntax = cx.truth(is_syntax)?;
    let syntax = is_syntax.then(|| syntax_of(cx, object));
    let suppress = cx.attribute(object, "__suppress_context__")?;
    let suppress_context = cx.truth(suppress)?;
    Ok(ExceptionSummary {
        class,
        text: shown,
        notes,
        header: header || !texts.is_empty(),
        stack: Stack::Text(texts),
        syntax,
        suppress_context,
        cause: None,
        context: None,
        members: None,
    })
}
