//! The module `_process`: children, signals, timers, and waiting for several descriptors.

use std::io;

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::native::types::exception::io_error;
use crate::object::{Bytes, Exc, List, Tuple};
use crate::vm::host::{ChildPlan, Control};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::network::Waited;
use crate::vm::signal::SIGNALS;

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_process").held();
    cx.functions_of(module, &PROCESS);
    Ok(())
}

fn fail(cx: &mut Cx, error: &io::Error) -> Raised {
    match error.raw_os_error() {
        None if error.kind() == io::ErrorKind::PermissionDenied => {
            cx.raise_text(Exc::PermissionError, "processes are not allowed here")
        }
        _ => io_error(cx, error, None),
    }
}

fn items(cx: &Cx, root: Root) -> Vec<Raw> {
    let value = root.get(cx);
    if let Some(list) = value.exact::<List>() {
        return list.items().map(Value::raw).collect();
    }
    value.exact::<Tuple>().map_or(vec![], |tuple| tuple.items().map(Value::raw).collect())
}

fn numbers(cx: &mut Cx, root: Root) -> Result<Vec<i32>, Raised> {
    let mut all = vec![];
    for raw in items(cx, root) {
        match Value::adopt(raw).as_int().and_then(|n| i32::try_from(n).ok()) {
            Some(number) => all.push(number),
            None => return Err(cx.type_error("an integer is required".into())),
        }
    }
    Ok(all)
}

/// A signal's number, or ValueError.
fn signal_number(cx: &mut Cx, signal: i64) -> Result<i32, Raised> {
    match i32::try_from(signal) {
        Ok(signal) if signal > 0 && signal < SIGNALS => Ok(signal),
        _ => Err(cx.value_error("signal number out of range")),
    }
}

/// Waits until any of the descriptors is ready; which are. Signals are dealt with, other fibers run.
fn wait_for(cx: &mut Cx, fds: &[(i32, bool)], timeout: Option<f64>) -> Result<Vec<bool>, Raised> {
    let started = cx.host().real_time();
    loop {
        let mut ready = vec![false; fds.len()];
        let left = timeout.map(|t| (t - (cx.host().real_time() - started)).max(0.0));
        let threads = cx.has_threads();
        let now = if threads { Some(0.0) } else { left };
        match cx.host_mut().network().wait_any(fds, &mut ready, now) {
            Ok(Waited::Ready) => return Ok(ready),
            Ok(Waited::Woken) if ready.contains(&true) => return Ok(ready),
            Ok(_) => {}
            Err(error) => return Err(fail(cx, &error)),
        }
        cx.check_signals()?;
        let left = timeout.map(|t| t - (cx.host().real_time() - started));
        if left.is_some_and(|left| left <= 0.0) {
            return Ok(ready);
        }
        if threads {
            let deadline = left.map(|left| cx.host().monotonic() + left);
            cx.park_for_any(fds, deadline)?;
        }
    }
}

natives!(
    /// Processes, signals and timers.
    pub static PROCESS: Functions;

    /// Start a child: its program, arguments and environment in bytes, the descriptors of its streams (-1: as they are here). Returns
    /// its number and a descriptor that becomes readable when it ends.
    fn spawn(
        cx: &mut Cx,
        program: Root,
        arguments: Root,
        environment: Option<Root>,
        folder: Option<Root>,
        streams: Root,
        close_others: bool,
        pass: Root,
        new_session: bool,
        group: i64,
        umask: i64,
    ) -> NativeResult {
        let of = |cx: &Cx, raw: &Raw| Value::adopt(*raw).exact::<Bytes>().map_or(vec![], |b| b.as_bytes().to_vec());
        let program = of(cx, &program.get(cx).raw());
        let arguments = items(cx, arguments).iter().map(|raw| of(cx, raw)).collect();
        let environment = environment.map(|root| {
            let flat: Vec<Vec<u8>> = items(cx, root).iter().map(|raw| of(cx, raw)).collect();
            flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        });
        let folder = folder.map(|root| of(cx, &root.get(cx).raw()));
        let streams = numbers(cx, streams)?;
        let pass = numbers(cx, pass)?;
        let plan = ChildPlan {
            program,
            arguments,
            environment,
            folder,
            streams: [streams[0], streams[1], streams[2]],
            pass,
            close_others,
            new_session,
            group: i32::try_from(group).ok().filter(|group| *group >= 0),
            umask: u32::try_from(umask).ok(),
        };
        cx.host_mut().flush_files();
        match cx.reclaiming(|cx| cx.host_mut().spawn(&plan)) {
            Ok(child) => {
                let pair = [Value::int(i64::from(child.id)), Value::int(i64::from(child.descriptor))];
                Ok(cx.tuple(&pair).into())
            }
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Double the process. Returns 0 in the child, which goes on with the calling thread alone, and the child's number in the parent.
    fn fork(cx: &mut Cx) -> NativeResult {
        match cx.host_mut().fork() {
            Ok(0) => {
                cx.forget_other_fibers();
                Ok(0i64.into())
            }
            Ok(child) => Ok(i64::from(child).into()),
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Make a count that processes share, and return its descriptor.
    fn counter(cx: &mut Cx, initial: i64, single: bool, nonblocking: bool) -> NativeResult {
        match cx.reclaiming(|cx| cx.host_mut().open_counter(initial as u32, single, nonblocking)) {
            Ok(fd) => Ok(i64::from(fd).into()),
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Make a file in memory, without a name, and return its descriptor.
    fn memory(cx: &mut Cx, name: Root) -> NativeResult {
        let name = super::text_argument(cx, name, "memory", "name")?;
        match cx.host_mut().open_memory(&name) {
            Ok(fd) => Ok(i64::from(fd).into()),
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Return the number and the status of a child that has ended (0: any), or None if it has not.
    fn reap(cx: &mut Cx, pid: i64) -> NativeResult {
        match cx.host_mut().reap(pid as i32) {
            Ok(Some((pid, status))) => {
                let pair = [Value::int(i64::from(pid)), Value::int(i64::from(status))];
                Ok(cx.tuple(&pair).into())
            }
            Ok(None) => Ok(Outcome::NONE),
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Wait until one of the descriptors is ready, for so many seconds. Returns those to read from and those to write to.
    fn select(cx: &mut Cx, readers: Root, writers: Root, timeout: Option<f64>) -> NativeResult {
        let readers = numbers(cx, readers)?;
        let writers = numbers(cx, writers)?;
        let fds: Vec<(i32, bool)> =
            readers.iter().map(|fd| (*fd, false)).chain(writers.iter().map(|fd| (*fd, true))).collect();
        let ready = wait_for(cx, &fds, timeout)?;
        let mut both = [vec![], vec![]];
        for ((fd, write), ready) in fds.iter().zip(ready) {
            if ready {
                both[usize::from(*write)].push(Value::int(i64::from(*fd)));
            }
        }
        let readers = cx.list(&both[0]).value().raw();
        let writers = cx.list(&both[1]).value().raw();
        Ok(cx.tuple(&[Value::adopt(readers), Value::adopt(writers)]).into())
    }

    /// Send a signal to a process.
    fn kill(cx: &mut Cx, pid: i64, signal: i64) -> NativeResult {
        match cx.host_mut().send_signal(pid as i32, signal as i32) {
            Ok(()) => {
                cx.check_signals()?;
                Ok(Outcome::NONE)
            }
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Set a signal's handler: a callable, 0 for the default, 1 for none.
    fn set_handler(cx: &mut Cx, signal: i64, handler: Root) -> NativeResult {
        let signal = signal_number(cx, signal)?;
        let handler = handler.get(cx).raw();
        match cx.set_signal_handler(signal, handler) {
            Ok(()) => Ok(Outcome::NONE),
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// A signal does what it did before a handler was set.
    fn reset_handler(cx: &mut Cx, signal: i64) -> NativeResult {
        let signal = signal_number(cx, signal)?;
        cx.forget_signal_handler(signal);
        Ok(Outcome::NONE)
    }

    /// Do what signals that came in ask for.
    fn check(cx: &mut Cx) -> NativeResult {
        cx.check_signals()?;
        Ok(Outcome::NONE)
    }

    /// Wait until a signal comes in, and do what it asks for.
    fn pause(cx: &mut Cx) -> NativeResult {
        let waited = if cx.has_threads() {
            cx.park(None)
        } else {
            match cx.host_mut().network().wait(None, None) {
                Ok(_) => Ok(()),
                Err(error) => Err(fail(cx, &error)),
            }
        };
        waited?;
        cx.check_signals()?;
        Ok(Outcome::NONE)
    }

    /// Carry out a call on a descriptor or a limit, with at most four numbers and a packed structure. Returns its result and the structure
    /// as it is then.
    fn control(
        cx: &mut Cx,
        call: i64,
        structure: Option<Root>,
        #[default(0)] first: i64,
        #[default(0)] second: i64,
        #[default(0)] third: i64,
        #[default(0)] fourth: i64,
    ) -> NativeResult {
        let Some(call) = usize::try_from(call).ok().and_then(|at| Control::ALL.get(at).copied()) else {
            return Err(cx.value_error("there is no such call"));
        };
        let mut bytes = structure
            .and_then(|root| root.get(cx).exact::<Bytes>().map(|bytes| bytes.as_bytes().to_vec()))
            .unwrap_or_default();
        match cx.host_mut().control(call, [first, second, third, fourth], &mut bytes) {
            Ok(result) => {
                let bytes = Bytes::new(&cx.heap, &bytes).value().raw();
                Ok(cx.tuple(&[Value::int(result), Value::adopt(bytes)]).into())
            }
            Err(error) => Err(fail(cx, &error)),
        }
    }

    /// Set a timer of the process (0: real time, 1: its CPU time, 2: that and the system's), or ask for it if nothing is given. Returns
    /// the seconds until its signal, and between further ones, as they were before.
    fn timer(cx: &mut Cx, which: i64, seconds: Option<f64>, #[default(0.0)] interval: f64) -> NativeResult {
        match cx.host_mut().set_timer(which as i32, seconds.map(|seconds| (seconds, interval))) {
            Ok((left, interval)) => Ok(cx.tuple(&[Value::float(left), Value::float(interval)]).into()),
            Err(error) => Err(fail(cx, &error)),
        }
    }
);
