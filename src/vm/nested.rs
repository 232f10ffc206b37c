//! Calls from natives that cannot ask by their outcome: they nest on the machine's stack.

use std::sync::atomic::Ordering;

use crate::heap::{Raw, Value};
use crate::object::Exc;

use super::Vm;
use super::call::Invoked;
use super::drain::Taker;
use super::frame::{Deliver, Record, RecordKind};
use super::native::{Args, NativeFunction, NativeKind, Outcome, Raised, Root};

impl Vm {
    /// Calls a callable and waits for its result. Natives that can ask by their outcome do that instead: this nests on the machine's
    /// stack.
    pub fn call(&mut self, callee: Root, args: &[Root]) -> Result<Root, Raised> {
        self.call_keywords(callee, args, None)
    }

    /// As `call`, of values; what it returns is not rooted.
    pub(crate) fn call_raw(&mut self, callee: Raw, args: &[Raw]) -> Result<Raw, Raised> {
        let mark = self.mark();
        self.push_raw(callee);
        for arg in args {
            self.push_raw(arg.copied());
        }
        let result = self.call_window(mark, args.len() as u32, None)?;
        self.release(mark);
        Ok(result)
    }

    /// As `call`; `keywords` is a root with a tuple that names the last arguments.
    pub fn call_keywords(&mut self, callee: Root, args: &[Root], keywords: Option<Root>) -> Result<Root, Raised> {
        let mark = self.mark();
        let callee = callee.get(self).raw();
        self.push_raw(callee);
        for arg in args {
            let raw = arg.get(self).raw();
            self.push_raw(raw);
        }
        let keywords = keywords.map(|k| k.get(self).raw());
        let result = self.call_window(mark, args.len() as u32, keywords)?;
        self.release(mark);
        Ok(self.push_raw(result))
    }

    /// Calls what is in register `at` with the `argc` registers after it.
    pub(super) fn call_window(&mut self, at: u32, argc: u32, keywords: Option<Raw>) -> Result<Raw, Raised> {
        self.check_stack()?;
        let callee = self.fiber.registers.get(at).raw();
        let (window, top) = (self.fiber.window, self.fiber.top);
        if keywords.is_none()
            && let Some(native) = Value::<'static>::adopt(callee).exact::<NativeFunction>()
            && native.get().takes(argc as usize)
            && matches!(native.get().def.kind, NativeKind::Function | NativeKind::StaticMethod)
        {
            // Nothing to arrange, and mostly no script to run.
            let (start, count) = (at + 1, u32::from(native.get().positional));
            for missing in start + argc..start + count {
                self.fiber.registers.set(missing, Raw::UNBOUND);
            }
            // What the native that calls has pushed must be seen, should this one run a script that collects.
            self.push_exit(at);
            (self.fiber.window, self.fiber.top) = (start, start + count);
            let result = match (native.get().def.run)(self, Args { start, count }) {
                Ok(Outcome::Value(raw)) => {
                    self.fiber.records.pop();
                    Ok(raw)
                }
                Ok(other) => {
                    self.fiber.window = window;
                    let invoked = self.carry_out_checked(other, start);
                    self.finish_nested(invoked)
                }
                Err(raised) => {
                    self.fiber.records.pop();
                    Err(raised)
                }
            };
            (self.fiber.window, self.fiber.top) = (window, top);
            return result;
        }
        self.push_exit(at);
        let invoked = self.invoke(callee, at + 1, argc, keywords);
        let result = self.finish_nested(invoked);
        (self.fiber.window, self.fiber.top) = (window, top);
        result
    }

    pub(super) fn push_exit(&mut self, base: u32) {
        self.push_exit_taking(base, None);
    }

    /// As `push_exit`, of a native that has items of a generator taken as they come.
    pub(super) fn push_exit_taking(&mut self, base: u32, taker: Option<Taker>) {
        let window = self.fiber.window;
        self.fiber.records.push(Record {
            kind: RecordKind::Exit { window, taker },
            deliver: Deliver::Store,
            dst: 0,
            flags: 0,
            base,
            end: base,
            ip: std::ptr::null(),
            next: std::ptr::null(),
            target: std::ptr::null(),
            function: None,
            handled: Raw::UNBOUND,
        });
    }

    /// Runs what `invoked` started until its result reaches the exit record, which is popped.
    pub(super) fn finish_nested(&mut self, invoked: Result<Invoked, Raised>) -> Result<Raw, Raised> {
        match invoked {
            Ok(Invoked::Pushed) if self.fiber.stopping => {
                let _ = self.stop_raised();
                self.finish_nested(Ok(Invoked::Raise))
            }
            Ok(Invoked::Pushed) => {
                let waits = self.interrupt().load(Ordering::Relaxed) != 0;
                if waits && self.safepoint_of_call().is_err() {
                    return self.finish_nested(Ok(Invoked::Raise));
                }
                self.fiber.nesting += 1;
                let result = self.run();
                self.fiber.nesting -= 1;
                result
            }
            Ok(Invoked::Value(raw)) => {
                self.fiber.records.pop();
                Ok(raw)
            }
            Ok(Invoked::Raise) => {
                self.fiber.nesting += 1;
                let result = match self.unwind() {
                    Ok(Some(raw)) => Ok(raw),
                    Ok(None) => self.run(),
                    Err(raised) => Err(raised),
                };
                self.fiber.nesting -= 1;
                result
            }
            Ok(Invoked::Suspended(_) | Invoked::Yielded(_)) => {
                self.fiber.records.pop();
                Err(self.system_error("a native suspended where nothing awaits it"))
            }
            Err(raised) => {
                self.fiber.records.pop();
                Err(raised)
            }
        }
    }

    /// Calls a method of an object and waits for its result.
    pub fn call_method(&mut self, object: Root, name: &str, args: &[Root]) -> Result<Root, Raised> {
        let mark = self.mark();
        let name = self.intern(name).value().raw();
        let name = self.push_raw(name);
        let method = self.get_attribute(object, name)?;
        let result = self.call(method, args)?;
        Ok(self.release_keeping(mark, result))
    }

    /// Raises StopIteration with a value.
    pub fn stop_iteration(&mut self, value: Root) -> Raised {
        if value.get(self).is_none() {
            return self.raise_new(Exc::StopIteration, &[]);
        }
        self.raise_new(Exc::StopIteration, &[value])
    }
}
