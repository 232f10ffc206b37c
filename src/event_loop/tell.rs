//! What the library's own transports and protocols use so that a connection at rest costs little: an object whose method is called stands
//! where a script's callback needs a handle, a bound method and a context.

use crate::heap::Gc;
use crate::native::natives;
use crate::object::{AnyFuture, Callback, Class, ClassFlags, Instance};
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root};

use super::{context, functions, future, loops, reactor};

/// The object, if nothing is to be known of it but its method: not where a context or the debug mode's notes have to go along.
fn plain(cx: &mut Cx, event_loop: crate::heap::Raw, object: Root) -> Option<Gc<'static, Instance>> {
    let empty = context::snapshot_raw(cx).same(crate::heap::Raw::NONE);
    let debug = loops(cx).find(event_loop).is_none_or(|state| state.debug);
    if empty && !debug { object.get(cx).cell_of_kind::<Instance>().map(Gc::held) } else { None }
}

natives!(
    /// What connections at rest are made of.
    pub(super) static TELL: Functions;

    /// From now on instances of a class have room for so many attributes; what is set later takes more memory, for those few that have it.
    fn _lean(cx: &mut Cx, class: Root, attributes: i64) -> NativeResult {
        if let Some(class) = class.get(cx).exact::<Class>() {
            let fixed = i64::from(class.get().fixed_slots.get());
            class.get().inline_slots.set((fixed + attributes).clamp(0, 100) as u8);
            class.set_flag(ClassFlags::LEAN);
        }
        Ok(Outcome::NONE)
    }

    /// Call `target._readable()` whenever a descriptor of a loop can be read from.
    fn _tell_readable(cx: &mut Cx, event_loop: Root, fd: Root, target: Root) -> NativeResult {
        let raw = event_loop.get(cx).raw();
        if let Some(object) = plain(cx, raw, target) {
            let number = functions::descriptor(cx, fd)?;
            let watcher = reactor::Watcher::Tell(object);
            let old = reactor::set(cx, raw, number, reactor::Interest::Read, Some(watcher))?;
            if let Some(reactor::Watcher::Call(handle)) = old {
                handle.cancelled.set(true);
            }
            return Ok(Outcome::NONE);
        }
        let method = cx.attribute(target, "_readable")?;
        let none = Args::of(method, 0);
        functions::watch_descriptor(cx, event_loop, fd, reactor::Interest::Read, Some((method, none)))?;
        Ok(Outcome::NONE)
    }

    /// Call `target._served(future)` when a future is done.
    fn _tell_done(cx: &mut Cx, done: Root, target: Root) -> NativeResult {
        let Some(waited) = AnyFuture::of(done.get(cx)).map(AnyFuture::held) else { return by_method(cx, done, target) };
        let event_loop = waited.base().event_loop.value().raw();
        match plain(cx, event_loop, target) {
            Some(object) => future::add_callback(cx, waited, Callback::Tell, object.value()),
            None => return by_method(cx, done, target),
        }
        Ok(Outcome::NONE)
    }
);

/// As any done callback is added: a task factory may make something else.
fn by_method(cx: &mut Cx, done: Root, target: Root) -> Result<Outcome, Raised> {
    let method = cx.attribute(target, "_served")?;
    cx.call_method(done, "add_done_callback", &[method])?;
    Ok(Outcome::NONE)
}
