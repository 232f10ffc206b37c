//! Exceptions and tracebacks as CPython prints them.
//!
//! An exception is first captured as plain data (`capture.rs`, with what an unknown name may have meant from `suggest.rs`), as a
//! *report* (`report.rs`) of frames (`frame.rs`, `anchors.rs`) and places in texts (`syntax_error.rs`); then rendered. The module
//! `traceback` of scripts is `stdlib/traceback.aio` on top of the natives below, so there is one renderer.

mod anchors;
mod capture;
mod frame;
mod lines;
mod natives;
mod report;
mod source_text;
mod suggest;
mod syntax_error;
mod unraisable;
mod width;

use crate::heap::Value;
use crate::object::{Exc, Exception};
use crate::vm::host::StdStream;
use crate::vm::native::{Cx, Raised, Root};

use capture::{Limit, Options};
pub use natives::{HOOKS, TRACEBACK, install};
pub use unraisable::report_unraisable;

/// An exception as CPython prints one nobody caught: with its traceback, what it is chained to, and its notes.
pub fn format_exception(cx: &mut Cx, exception: Root) -> Result<String, Raised> {
    format_with(cx, exception, Options::PRINT)
}

fn format_with(cx: &mut Cx, exception: Root, options: Options) -> Result<String, Raised> {
    let mark = cx.mark();
    let class = cx.class_of(exception.get(cx)).value().raw();
    let class = cx.push(Value::adopt(class));
    let traceback = capture::exception_traceback(cx, exception);
    let report = capture::report(cx, class, exception, traceback, options)?;
    cx.release(mark);
    Ok(report.render().concat())
}

/// What `sys.excepthook` does: prints an exception to `sys.stderr`.
pub fn report_uncaught(cx: &mut Cx, exception: Root) {
    let options = Options { limit: Limit::Uncaught, ..Options::PRINT };
    let text = suggest::quietly(cx, |cx| format_with(cx, exception, options));
    let text = text.unwrap_or_else(|| "<exception could not be shown>\n".to_owned());
    write_error(cx, &text);
}

/// What happens with an exception that nobody caught: `sys.excepthook` gets it, where a script replaced that. An exception that the hook
/// raises is printed, and then the first one. SystemExit of a hook is returned: it ends the program.
pub fn handle_uncaught(cx: &mut Cx, exception: Root) -> Option<Root> {
    // It is the last that a program says; that it ran out of memory is among it.
    cx.heap.set_limit(usize::MAX);
    let hook = replaced_hook(cx, "excepthook", "__excepthook__");
    let Some(hook) = hook else {
        report_uncaught(cx, exception);
        return None;
    };
    let class = cx.class_of(exception.get(cx)).value().raw();
    let class = cx.push(Value::adopt(class));
    let traceback = capture::exception_traceback(cx, exception);
    if let Err(raised) = cx.call(hook, &[class, exception, traceback]) {
        let raw = cx.take_raised(raised);
        let failure = cx.push(Value::adopt(raw));
        if cx.is_exception(failure.get(cx), Exc::SystemExit) {
            return Some(failure);
        }
        write_error(cx, "Error in sys.excepthook:\n");
        report_uncaught(cx, failure);
        write_error(cx, "\nOriginal exception was:\n");
        report_uncaught(cx, exception);
    }
    None
}

/// A hook of `sys`, if a script replaced it.
fn replaced_hook(cx: &mut Cx, name: &str, original: &str) -> Option<Root> {
    let sys = cx.find_module("sys").map(|m| m.raw())?;
    let sys = cx.push(Value::adopt(sys));
    let mut get = |name: &str| suggest::quietly(cx, |cx| cx.find_attribute(sys, name)).flatten();
    let (hook, original) = (get(name)?, get(original));
    original.is_none_or(|original| !original.get(cx).is(hook.get(cx))).then_some(hook)
}

/// Writes to `sys.stderr`, or past it where it does not work. Nothing where it is None.
pub fn write_error(cx: &mut Cx, text: &str) {
    let mark = cx.mark();
    let written = suggest::quietly(cx, |cx| {
        let Some(sys) = cx.find_module("sys").map(|m| m.raw()) else { return Ok(false) };
        let sys = cx.push(Value::adopt(sys));
        let Some(stream) = cx.find_attribute(sys, "stderr")? else { return Ok(false) };
        if stream.get(cx).is_none() {
            return Ok(true);
        }
        let raw = cx.str(text).value().raw();
        let argument = cx.push(Value::adopt(raw));
        cx.call_method(stream, "write", &[argument])?;
        let _ = suggest::quietly(cx, |cx| cx.call_method(stream, "flush", &[]));
        Ok(true)
    });
    cx.release(mark);
    if written != Some(true) {
        // The last way out; nothing is left to tell if it fails too.
        let _ = cx.host_mut().write(StdStream::Err, text.as_bytes());
        let _ = cx.host_mut().flush(StdStream::Err);
    }
}

/// Whether a value is an exception or None: what can be printed.
fn is_exception_or_none(value: Value<'_>) -> bool {
    value.is_none() || value.exact::<Exception>().is_some()
}
