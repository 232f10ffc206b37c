//! Exceptions that have nobody to go to: raised by finalisers, by callbacks of weak references, while a generator is closed.

use crate::heap::{Raw, Value};
use crate::vm::native::{Cx, Root};

use super::capture::{Limit, Options, class_parts, exception_traceback, frames, safe_text, shown_class};
use super::frame::render_frames;
use super::lines::Lines;
use super::suggest::quietly;
use super::{replaced_hook, write_error};

/// Hands an exception to `sys.unraisablehook`. `message` says what was going on ("Exception ignored while closing generator ..."), `object` is
/// what it was about where the message doesn't say.
pub fn report_unraisable(cx: &mut Cx, exception: Root, object: Option<Root>, message: Option<&str>) {
    let mark = cx.mark();
    match replaced_hook(cx, "unraisablehook", "__unraisablehook__") {
        None => {
            let traceback = exception_traceback(cx, exception);
            print_unraisable(cx, exception, traceback, object, message);
        }
        Some(hook) => {
            let called = quietly_or_exception(cx, |cx| {
                let module = cx.import("traceback")?;
                let make = cx.attribute(module, "_unraisable")?;
                let traceback = exception_traceback(cx, exception);
                let message = message.map_or(Raw::NONE, |text| cx.str(text).value().raw());
                let message = cx.push(Value::adopt(message));
                let object = object.map_or(Raw::NONE, |object| object.get(cx).raw());
                let object = cx.push(Value::adopt(object));
                let arguments = cx.call(make, &[exception, traceback, message, object])?;
                cx.call(hook, &[arguments])
            });
            if let Err(failure) = called {
                let traceback = exception_traceback(cx, failure);
                print_unraisable(cx, failure, traceback, Some(hook), Some("Exception ignored in sys.unraisablehook"));
            }
        }
    }
    cx.release(mark);
}

fn quietly_or_exception(
    cx: &mut Cx,
    work: impl FnOnce(&mut Cx) -> Result<Root, crate::vm::native::Raised>,
) -> Result<Root, Root> {
    work(cx).map_err(|raised| {
        let raw = cx.take_raised(raised);
        cx.push(Value::adopt(raw))
    })
}

/// What `sys.unraisablehook` itself does: prints the exception, without signs under the lines and without what it is chained to.
pub(super) fn print_unraisable(
    cx: &mut Cx,
    exception: Root,
    traceback: Root,
    object: Option<Root>,
    message: Option<&str>,
) {
    let mark = cx.mark();
    let mut text = match (object, message) {
        (Some(object), message) => {
            let shown = safe_text(cx, object, "object", true);
            format!("{}: {shown}\n", message.unwrap_or("Exception ignored in"))
        }
        (None, Some(message)) => format!("{message}:\n"),
        (None, None) => String::new(),
    };
    if !traceback.get(cx).is_none() {
        text.push_str("Traceback (most recent call last):\n");
        let options = Options { limit: Limit::Uncaught, ..Options::PRINT };
        let mut captured = quietly(cx, |cx| frames(cx, traceback, options, &mut Lines::default())).unwrap_or_default();
        captured.iter_mut().for_each(|frame| frame.columns = None);
        text.extend(render_frames(captured.iter().map(|frame| (frame, frame.render()))));
    }
    let class = cx.class_of(exception.get(cx)).value().raw();
    let class = cx.push(Value::adopt(class));
    let (qualname, module) = class_parts(cx, class);
    text.push_str(&shown_class(qualname.as_deref(), module.as_deref()));
    if !exception.get(cx).is_none() {
        text.push_str(": ");
        text.push_str(&safe_text(cx, exception, "exception", false));
    }
    text.push('\n');
    write_error(cx, &text);
    cx.release(mark);
}
