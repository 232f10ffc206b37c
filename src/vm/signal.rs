//! Signals of the process: which were told, and what scripts want to be done about them. Handlers run on the main fiber.

use crate::heap::{Raw, Tracer, Value, interrupt};
use crate::object::{Exc, Frame};

use super::host::SignalAction;
use super::native::Raised;
use super::{Vm, is_library_file};

/// Numbers of signals are below this.
pub const SIGNALS: i32 = 65;
const SIGINT: i32 = 2;

/// What a script sees as the handlers that are none: `SIG_DFL` and `SIG_IGN`.
pub const DEFAULT: i64 = 0;
/// See `DEFAULT`.
pub const IGNORE: i64 = 1;

/// What is done about signals.
#[derive(Debug, Default)]
pub(crate) struct SignalState {
    /// Handlers that scripts set, by number: UNBOUND for those nobody set.
    handlers: Vec<Raw>,
    /// Signals that an event loop deals with, a bit each.
    of_loops: u64,
}

impl SignalState {
    pub(super) fn trace(&self, tracer: &mut Tracer<'_>) {
        self.handlers.iter().for_each(|raw| tracer.raw(*raw));
    }
}

impl Vm {
    /// What a script set as a signal's handler, if it did.
    pub fn signal_handler(&self, signal: i32) -> Option<Raw> {
        let raw = *self.signals.handlers.get(signal as usize)?;
        if raw.is_unbound() { None } else { Some(raw) }
    }

    /// Sets a signal's handler: a callable, or the numbers for the default and for none.
    pub fn set_signal_handler(&mut self, signal: i32, handler: Raw) -> std::io::Result<()> {
        let action = match Value::adopt(handler).as_int() {
            Some(DEFAULT) => SignalAction::Default,
            Some(IGNORE) => SignalAction::Ignore,
            _ => SignalAction::Tell,
        };
        let word = self.interrupt().clone();
        self.host_mut().watch_signal(signal, &word, action)?;
        if self.signals.handlers.is_empty() {
            self.signals.handlers = vec![Raw::UNBOUND; SIGNALS as usize];
        }
        self.signals.handlers[signal as usize] = handler;
        Ok(())
    }

    /// A signal does what it did before anybody set a handler.
    pub(crate) fn forget_signal_handler(&mut self, signal: i32) {
        let action = if signal == SIGINT { SignalAction::Tell } else { SignalAction::Default };
        let word = self.interrupt().clone();
        // What the host let be set it lets be put back.
        let _ = self.host_mut().watch_signal(signal, &word, action);
        if let Some(place) = self.signals.handlers.get_mut(signal as usize) {
            *place = Raw::UNBOUND;
        }
    }

    /// Has a signal told, for an event loop that deals with it.
    pub(crate) fn tell_loops(&mut self, signal: i32) -> std::io::Result<()> {
        let word = self.interrupt().clone();
        self.host_mut().watch_signal(signal, &word, SignalAction::Tell)?;
        self.give_signal_to_loops(signal, true);
        Ok(())
    }

    /// Whether an event loop deals with a signal.
    pub(crate) fn give_signal_to_loops(&mut self, signal: i32, on: bool) {
        let bit = 1 << (signal - 1);
        if on { self.signals.of_loops |= bit } else { self.signals.of_loops &= !bit }
    }

    fn is_of_loops(&self, signal: i32) -> bool {
        self.signals.of_loops & (1 << (signal - 1)) != 0
    }

    /// Whether SIGINT is an interrupt of the keyboard: no script deals with it.
    pub(crate) fn interrupts(&self) -> bool {
        self.signal_handler(SIGINT).is_none() && !self.is_of_loops(SIGINT)
    }

    /// For natives that waited for the system and were interrupted: does what signals that came in ask for.
    pub fn check_signals(&mut self) -> Result<(), Raised> {
        if self.fiber.id == 0 && self.take_interrupt(interrupt::SIGNAL) { self.handle_signals() } else { Ok(()) }
    }

    /// Whether a signal came in that nobody has dealt with: for the event loop, which is to look between its turns.
    pub(crate) fn signals_wait(&mut self) -> bool {
        if self.take_interrupt(interrupt::SIGNAL) {
            let came = self.host.take_signals();
            self.pending_signals.extend(came);
        }
        !self.pending_signals.is_empty()
    }

    /// Whether a signal could still make a program go on in which every fiber waits for another: Ctrl-C is how many
    /// services end.
    pub(super) fn signals_expected(&self) -> bool {
        let heard = self.host().hears_interrupts() || self.signals.handlers.iter().any(|raw| !raw.is_unbound());
        heard && !self.host().is_virtual()
    }

    /// Does what signals that came in ask for: calls handlers, raises KeyboardInterrupt. What is for an event loop stays.
    pub(crate) fn handle_signals(&mut self) -> Result<(), Raised> {
        let came = self.host.take_signals();
        self.pending_signals.extend(came);
        let interrupts = self.pending_signals.iter().filter(|s| **s == SIGINT).count();
        // The running loop cancels its main task; a second one is raised where the code is.
        let keep_interrupt = self.defer_interrupt && interrupts == 1 && self.interrupts();
        loop {
            let next = self
                .pending_signals
                .iter()
                .position(|signal| !(self.is_of_loops(*signal) || *signal == SIGINT && keep_interrupt));
            let Some(at) = next else { return Ok(()) };
            let signal = self.pending_signals.remove(at);
            let Some(handler) = self.signal_handler(signal) else {
                if signal == SIGINT {
                    self.pending_signals.retain(|signal| *signal != SIGINT);
                    return Err(self.raise_new(Exc::KeyboardInterrupt, &[]));
                }
                continue;
            };
            if !self.is_callable(Value::adopt(handler)) {
                continue;
            }
            let mark = self.mark();
            let handler = self.push_raw(handler);
            let number = self.push_raw(Raw::int(i64::from(signal)));
            // What the library does in the language is native elsewhere: a handler sees who called it.
            let mut frame = self.frame_at_depth(0);
            while let Some(root) = frame
                && root.get(self).exact::<Frame>().is_some_and(|frame| {
                    frame.get().function.get().is_some_and(|f| is_library_file(&f.code().code.filename))
                })
            {
                frame = self.frame_back(root);
            }
            let frame = match frame {
                Some(frame) => frame,
                None => self.push_raw(Raw::NONE),
            };
            self.call(handler, &[number, frame])?;
            self.release(mark);
        }
    }
}
