//! The types of the loop and of its handles: their methods.

use crate::heap::{Gc, Raw, Value, WeakRef};
use crate::native::natives;
use crate::object::{BLOCKING, Class, Exc, Handle, NativeObject, StepMode, Tuple};
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Resumed, Root, Then};

use super::functions::{any, delegate, ensure_future, new_task_outcome, watch_descriptor, watch_free_descriptor};
use super::handle::new_handle;
use super::run::{Phase, engine};
use super::{
    Ready, clock, combine, context, custom, future, loops, loops_ref, new_loop, open_loop, reactor, report, run, task,
};

/// The number of a signal, or what asyncio raises.
fn signal_number(cx: &mut Cx, sig: Root) -> Result<i32, Raised> {
    let number = match cx.payload(sig.get(cx)).as_int() {
        Some(number) => number,
        None => {
            let text = cx.repr_text(sig)?;
            return Err(cx.type_error(format!("sig must be an int, not {text}")));
        }
    };
    match i32::try_from(number) {
        Ok(signal) if signal > 0 && signal < crate::vm::signal::SIGNALS && signal != 32 && signal != 33 => Ok(signal),
        _ => Err(cx.value_error(format!("invalid signal number {number}"))),
    }
}

/// Checks a callback, in debug mode.
pub(super) fn check_callback(cx: &mut Cx, event_loop: Raw, callback: Root, method: &str) -> Result<(), Raised> {
    let me = cx.current_fiber();
    let state = open_loop(cx, event_loop)?;
    if !state.debug {
        return Ok(());
    }
    if method != "call_soon_threadsafe" && state.runner.is_some_and(|fiber| fiber != me) {
        let text = "Non-thread-safe operation invoked on an event loop other than the current one";
        return Err(cx.runtime_error(text));
    }
    let raw = callback.get(cx).raw();
    let value = Value::adopt(raw);
    let coroutine_function = value
        .exact::<crate::object::Function>()
        .is_some_and(|f| f.code().flags().contains(crate::bytecode::code::CodeFlags::COROUTINE));
    if coroutine_function || task::is_coroutine(cx, value) {
        return Err(cx.type_error(format!("coroutines cannot be used with {method}()")));
    }
    if !cx.is_callable(value) {
        let text = cx.repr_text(callback)?;
        return Err(cx.type_error(format!("a callable object was expected by {method}(), got {text}")));
    }
    Ok(())
}

pub(super) fn call_at(
    cx: &mut Cx,
    this: Root,
    (when, whole): (f64, bool),
    callback: Root,
    args: Args,
    context: Option<Root>,
) -> NativeResult {
    let object = this.get(cx).raw();
    check_callback(cx, object, callback, "call_at")?;
    let handle = new_handle(cx, this, callback, args, context, Some(when))?;
    handle.whole.set(whole);
    let heap = cx.heap.forever();
    let place = open_loop(cx, object)?.timers.add(heap, when, handle.value());
    handle.timer.set(place + 1);
    Ok(handle.value().into())
}

natives!(
    /// What runs tasks and callbacks.
    pub(super) static LOOP: ScriptMethods;

    /// Make a loop.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let raw = new_loop(cx);
        let shape = class.get(cx).exact::<Class>().expect("a class").get().root_shape.get();
        Value::adopt(raw).exact::<NativeObject>().expect("just made").set_shape(shape);
        cx.push_raw(raw);
        custom::adopt(cx, raw);
        Ok(Outcome::Value(raw))
    }

    /// Take the selector that the loop is to wait by.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let object = this.get(cx).raw();
        if let Some(selector) = custom::given_selector(cx, args.0, kwargs.0)? {
            custom::take_selector(cx, object, selector)?;
            let module = cx.import("asyncio._selecting")?;
            cx.call_method(module, "make_self_pipe", &[this])?;
        }
        Ok(Outcome::NONE)
    }

    /// Implement setattr(self, name, value).
    fn __setattr__(cx: &mut Cx, this: Root, name: Root, value: Root) -> NativeResult {
        let (object, raw) = (this.get(cx).raw(), value.get(cx).raw());
        let outcome = cx.generic_set(this, name, raw)?;
        custom::changed(cx, object, name, false)?;
        Ok(outcome)
    }

    /// Implement delattr(self, name).
    fn __delattr__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let outcome = cx.generic_set(this, name, Raw::UNBOUND)?;
        custom::changed(cx, object, name, true)?;
        Ok(outcome)
    }

    /// What the loop waits by.
    #[getter]
    fn _selector(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(custom::selector(cx, object)?.get(cx).into())
    }

    /// What the loop waits by.
    #[setter]
    #[name("_selector")]
    fn set_selector(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let object = this.get(cx).raw();
        custom::take_selector(cx, object, value)?;
        Ok(Outcome::NONE)
    }

    /// Take one turn: wait for what is next, and run what is ready.
    fn _run_once(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        engine(cx, object, Raw::NONE, Phase::Once)
    }

    /// Make ready who waits for what a selector told of.
    fn _process_events(cx: &mut Cx, this: Root, event_list: Root) -> NativeResult {
        let module = cx.import("asyncio._selecting")?;
        Ok(cx.call_method(module, "process_events", &[this, event_list])?.get(cx).into())
    }

    /// Wake a loop that waits by a selector.
    fn _write_to_self(cx: &mut Cx, this: Root) -> NativeResult {
        let module = cx.import("asyncio._selecting")?;
        Ok(cx.call_method(module, "write_to_self", &[this])?.get(cx).into())
    }

    /// Make a handle ready, unless it was cancelled.
    fn _add_callback(cx: &mut Cx, this: Root, handle: Root) -> NativeResult {
        let object = this.get(cx).raw();
        if let Some(handle) = handle.get(cx).cell_of_kind::<Handle>().map(Gc::held)
            && !handle.cancelled.get()
        {
            open_loop(cx, object)?.ready.push_back(Ready::Run(handle));
        }
        Ok(Outcome::NONE)
    }

    /// Raise RuntimeError if it is closed.
    fn _check_closed(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        Ok(Outcome::NONE)
    }

    /// A timer was cancelled: nothing more is to be done.
    fn _timer_handle_cancelled(cx: &mut Cx, this: Root, handle: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Seconds that its clock can tell apart.
    #[getter]
    fn _clock_resolution(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.host().clock_resolution().into())
    }

    /// The number of the thread that runs it, or None.
    #[getter]
    fn _thread_id(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let runner = loops(cx).find(object).and_then(|state| state.runner);
        Ok(runner.map_or(Outcome::NONE, |fiber| Outcome::Value(Raw::int(i64::from(fiber.0) + 1))))
    }

    /// Call a function whenever a descriptor can be read from.
    fn add_reader(cx: &mut Cx, this: Root, fd: Root, callback: Root, args: Rest) -> NativeResult {
        watch_free_descriptor(cx, this, fd, reactor::Interest::Read, Some((callback, args.0)))?;
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a descriptor can be read from. Return whether something was.
    fn remove_reader(cx: &mut Cx, this: Root, fd: Root) -> NativeResult {
        Ok(watch_free_descriptor(cx, this, fd, reactor::Interest::Read, None)?.into())
    }

    /// Call a function whenever a descriptor can be written to.
    fn add_writer(cx: &mut Cx, this: Root, fd: Root, callback: Root, args: Rest) -> NativeResult {
        watch_free_descriptor(cx, this, fd, reactor::Interest::Write, Some((callback, args.0)))?;
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a descriptor can be written to. Return whether something was.
    fn remove_writer(cx: &mut Cx, this: Root, fd: Root) -> NativeResult {
        Ok(watch_free_descriptor(cx, this, fd, reactor::Interest::Write, None)?.into())
    }

    /// Call a function whenever a descriptor can be read from. Not asked whose descriptor it is.
    fn _add_reader(cx: &mut Cx, this: Root, fd: Root, callback: Root, args: Rest) -> NativeResult {
        watch_descriptor(cx, this, fd, reactor::Interest::Read, Some((callback, args.0)))?;
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a descriptor can be read from. Return whether something was. Not asked whose descriptor it is.
    fn _remove_reader(cx: &mut Cx, this: Root, fd: Root) -> NativeResult {
        Ok(watch_descriptor(cx, this, fd, reactor::Interest::Read, None)?.into())
    }

    /// Call a function whenever a descriptor can be written to. Not asked whose descriptor it is.
    fn _add_writer(cx: &mut Cx, this: Root, fd: Root, callback: Root, args: Rest) -> NativeResult {
        watch_descriptor(cx, this, fd, reactor::Interest::Write, Some((callback, args.0)))?;
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a descriptor can be written to. Return whether something was. Not asked whose descriptor it is.
    fn _remove_writer(cx: &mut Cx, this: Root, fd: Root) -> NativeResult {
        Ok(watch_descriptor(cx, this, fd, reactor::Interest::Write, None)?.into())
    }

    /// Connect to an address.
    fn sock_connect(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_connect", this, args.0, kwargs.0)
    }

    /// Receive a datagram and its sender.
    fn sock_recvfrom(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_recvfrom", this, args.0, kwargs.0)
    }

    /// Receive a datagram into a buffer, and return how many bytes it has and its sender.
    fn sock_recvfrom_into(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_recvfrom_into", this, args.0, kwargs.0)
    }

    /// Send what is in a file, and return how many bytes.
    fn sock_sendfile(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_sendfile", this, args.0, kwargs.0)
    }

    /// Send a datagram.
    fn sock_sendto(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_sendto", this, args.0, kwargs.0)
    }

    /// Connect a protocol to an address.
    fn create_connection(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_connection", this, args.0, kwargs.0)
    }

    /// Listen, with a protocol for each connection.
    fn create_server(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_server", this, args.0, kwargs.0)
    }

    /// Run a protocol over a connection that was accepted.
    fn connect_accepted_socket(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "connect_accepted_socket", this, args.0, kwargs.0)
    }

    /// Connect a protocol to a path.
    fn create_unix_connection(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_unix_connection", this, args.0, kwargs.0)
    }

    /// Listen at a path.
    fn create_unix_server(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_unix_server", this, args.0, kwargs.0)
    }

    /// Look an address up.
    fn getaddrinfo(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "getaddrinfo", this, args.0, kwargs.0)
    }

    /// Look up the name and service of an address.
    fn getnameinfo(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "getnameinfo", this, args.0, kwargs.0)
    }

    /// Open a socket for datagrams.
    fn create_datagram_endpoint(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_datagram_endpoint", this, args.0, kwargs.0)
    }

    /// Call a function, in a turn of the loop, whenever a signal comes in.
    fn add_signal_handler(
        cx: &mut Cx,
        this: Root,
        #[either] sig: Root,
        #[either] callback: Root,
        args: Rest,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        let raw = callback.get(cx).raw();
        let is_coroutine_function = Value::adopt(raw)
            .exact::<crate::object::Function>()
            .is_some_and(|f| f.code().flags().contains(crate::bytecode::code::CodeFlags::COROUTINE));
        if is_coroutine_function || task::is_coroutine(cx, Value::adopt(raw)) {
            return Err(cx.type_error("coroutines cannot be used with add_signal_handler()".into()));
        }
        let signal = signal_number(cx, sig)?;
        open_loop(cx, object)?;
        if cx.current_fiber() != crate::vm::fiber::FiberId::MAIN {
            return Err(cx.runtime_error("set_wakeup_fd only works in main thread of the main interpreter"));
        }
        let handle = new_handle(cx, this, callback, args.0, None, None)?;
        if cx.tell_loops(signal).is_err() {
            return Err(cx.runtime_error(format!("sig {signal} cannot be caught")));
        }
        if let Some(old) = open_loop(cx, object)?.signal_handlers.insert(signal, handle) {
            old.cancelled.set(true);
        }
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a signal comes in. Return whether something was.
    fn remove_signal_handler(cx: &mut Cx, this: Root, #[either] sig: Root) -> NativeResult {
        let signal = signal_number(cx, sig)?;
        let object = this.get(cx).raw();
        Ok(run::remove_signal_handler(cx, object, signal).into())
    }

    /// Connect a protocol to the end of a pipe that is read from.
    fn connect_read_pipe(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "connect_read_pipe", this, args.0, kwargs.0)
    }

    /// Connect a protocol to the end of a pipe that is written to.
    fn connect_write_pipe(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "connect_write_pipe", this, args.0, kwargs.0)
    }

    /// Start a program.
    fn subprocess_exec(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "subprocess_exec", this, args.0, kwargs.0)
    }

    /// Start a line of the shell.
    fn subprocess_shell(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "subprocess_shell", this, args.0, kwargs.0)
    }

    /// Send a file over a transport.
    fn sendfile(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sendfile", this, args.0, kwargs.0)
    }

    /// Go on over TLS with a connection.
    fn start_tls(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "start_tls", this, args.0, kwargs.0)
    }

    /// Run a function in a thread of a pool: the default one if `executor` is None.
    fn run_in_executor(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "run_in_executor", this, args.0, kwargs.0)
    }

    /// Set the pool for functions that `run_in_executor` is given without one.
    fn set_default_executor(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "set_default_executor", this, args.0, kwargs.0)
    }

    /// Run until `stop` is called.
    fn run_forever(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        engine(cx, object, Raw::NONE, Phase::Forever)
    }

    /// Run until a future or coroutine is done, and return its result.
    fn run_until_complete(cx: &mut Cx, this: Root, #[either] future: Root) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        if loops(cx).is_running(object) {
            return Err(cx.runtime_error("This event loop is already running"));
        }
        if loops(cx).running().is_some() {
            return Err(cx.runtime_error("Cannot run the event loop while another loop is running"));
        }
        let until = ensure_future(cx, object, future)?;
        // What is only like a future says that it is done by its callbacks; and a script's `run_forever` is asked to run the loop.
        let plain = crate::object::AnyFuture::of(Value::adopt(until)).is_some();
        if !plain || super::functions::overrides_loop_method(cx, object, "run_forever") {
            let until = cx.push_raw(until);
            let runners = cx.import("asyncio._runner")?;
            return Ok(cx.call_method(runners, "_run_until_complete", &[this, until])?.get(cx).into());
        }
        engine(cx, object, until, Phase::Until)
    }

    /// Stop at the end of this turn.
    fn stop(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        if let Some(state) = loops(cx).find(object) {
            state.stopping = true;
        }
        Ok(Outcome::NONE)
    }

    /// Close the loop.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        if loops(cx).is_running(object) {
            return Err(cx.runtime_error("Cannot close a running event loop"));
        }
        if loops(cx).find(object).is_some()
            && let Some(threads) = cx.find_module("asyncio.threads").map(|m| m.raw())
        {
            let threads = cx.push_raw(threads);
            cx.call_method(threads, "close", &[this])?;
        }
        if loops(cx).find(object).is_some_and(|state| state.own.selector) {
            let module = cx.import("asyncio._selecting")?;
            cx.call_method(module, "close", &[this])?;
        }
        run::close(cx, object);
        Ok(Outcome::NONE)
    }

    /// Whether it runs.
    fn is_running(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(loops_ref(cx).is_running(this.get(cx).raw()).into())
    }

    /// Whether it is closed.
    fn is_closed(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_none().into())
    }

    /// The time of the loop's clock, in seconds.
    fn time(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(clock::now(cx).into())
    }

    /// Call a function in the next turn.
    fn call_soon(
        cx: &mut Cx,
        this: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        check_callback(cx, object, callback, "call_soon")?;
        let handle = new_handle(cx, this, callback, args.0, context, None)?;
        open_loop(cx, object)?.ready.push_back(Ready::Run(handle));
        Ok(handle.value().into())
    }

    /// Call a function in the next turn: can be called from other threads.
    fn call_soon_threadsafe(
        cx: &mut Cx,
        this: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        check_callback(cx, object, callback, "call_soon_threadsafe")?;
        let handle = new_handle(cx, this, callback, args.0, context, None)?;
        open_loop(cx, object)?.ready.push_back(Ready::Run(handle));
        super::wake(cx, object);
        Ok(handle.value().into())
    }

    /// Call a function after some seconds.
    fn call_later(
        cx: &mut Cx,
        this: Root,
        #[either] delay: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        if delay.get(cx).is_none() {
            return Err(cx.type_error("delay must not be None".into()));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        let seconds = clock::seconds(cx, delay, clock::Use::Add)?;
        let (now, whole) = custom::time_of(cx, object)?;
        let (when, whole) = (now + seconds, whole && delay.get(cx).as_int().is_some());
        if loops(cx).find(object).is_some_and(|state| state.own.call_at) {
            let when = cx.push_raw(custom::number(when, whole));
            let method = cx.attribute(this, "call_at")?;
            let mut all = vec![when, callback];
            all.extend(args.0.roots());
            let names = match context {
                Some(context) => {
                    all.push(context);
                    let key = cx.intern("context").value().raw();
                    let names = cx.tuple(&[Value::adopt(key)]).value().raw();
                    Some(cx.push_raw(names))
                }
                None => None,
            };
            return Ok(cx.call_keywords(method, &all, names)?.get(cx).into());
        }
        call_at(cx, this, (when, whole), callback, args.0, context)
    }

    /// Call a function at a time of the loop's clock.
    fn call_at(
        cx: &mut Cx,
        this: Root,
        #[either] when: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        if when.get(cx).is_none() {
            return Err(cx.type_error("when cannot be None".into()));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        let whole = when.get(cx).as_int().is_some();
        let when = cx.to_float(when)?;
        self::call_at(cx, this, (when, whole), callback, args.0, context)
    }

    /// Make a future.
    fn create_future(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let future = future::new(cx, object);
        if loops(cx).find(object).is_some_and(|l| l.debug) {
            report::remember_origin(cx, future);
        }
        Ok(future.value().into())
    }

    /// Make a task of a coroutine.
    fn create_task(
        cx: &mut Cx,
        this: Root,
        #[either] coro: Root,
        #[key] name: Option<Root>,
        #[key] context: Option<Root>,
        #[key] eager_start: Given<Root>,
        kwargs: KeywordRest,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        let outcome = new_task_outcome(cx, object, coro, name, context, eager_start.0, kwargs.0)?;
        custom::announced(cx, object, outcome)
    }

    /// Set what makes tasks: called with the loop, the coroutine and keyword arguments.
    fn set_task_factory(cx: &mut Cx, this: Root, factory: Root) -> NativeResult {
        let raw = factory.get(cx).raw();
        if !raw.same(Raw::NONE) && !cx.is_callable(Value::adopt(raw)) {
            return Err(cx.type_error("task factory must be a callable or None".into()));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?.task_factory = raw;
        Ok(Outcome::NONE)
    }

    /// What makes tasks, or None.
    fn get_task_factory(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(Outcome::NONE, |l| Outcome::Value(l.task_factory)))
    }

    /// Set what is called with exceptions nobody handles.
    fn set_exception_handler(cx: &mut Cx, this: Root, handler: Root) -> NativeResult {
        let raw = handler.get(cx).raw();
        if !raw.same(Raw::NONE) && !cx.is_callable(Value::adopt(raw)) {
            let text = cx.repr_text(handler)?;
            return Err(cx.type_error(format!("A callable object or None is expected, got {text}")));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?.exception_handler = raw;
        Ok(Outcome::NONE)
    }

    /// What is called with exceptions nobody handles, or None.
    fn get_exception_handler(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(Outcome::NONE, |l| Outcome::Value(l.exception_handler)))
    }

    /// Report an exception nobody handles.
    fn default_exception_handler(cx: &mut Cx, this: Root, #[either] context: Root) -> NativeResult {
        report::default_handler(cx, context)?;
        Ok(Outcome::NONE)
    }

    /// Call the exception handler.
    fn call_exception_handler(cx: &mut Cx, this: Root, #[either] context: Root) -> NativeResult {
        report::handle(cx, this, context)?;
        Ok(Outcome::NONE)
    }

    /// Whether debug mode is on.
    fn get_debug(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_some_and(|l| l.debug).into())
    }

    /// Switch debug mode on or off.
    fn set_debug(cx: &mut Cx, this: Root, enabled: bool) -> NativeResult {
        let object = this.get(cx).raw();
        if let Some(state) = loops(cx).find(object) {
            state.debug = enabled;
        }
        if loops(cx).is_running(object) {
            cx.coroutines.origin_depth = if enabled { report::ORIGIN_DEPTH } else { 0 };
        }
        Ok(Outcome::NONE)
    }

    /// What is ready, in order: a list of handles.
    #[getter]
    fn _ready(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        let entries: Vec<Ready> =
            loops(cx).find(object).map_or(vec![], |l| l.ready.iter().chain(l.inbox.iter()).copied().collect());
        for entry in entries {
            let mark = cx.mark();
            let handle = custom::handle_for(cx, object, entry);
            cx.list_push(list, handle)?;
            cx.release(mark);
        }
        let collections = cx.import("collections")?;
        Ok(cx.call_method(collections, "deque", &[list])?.get(cx).into())
    }

    /// What is to happen at a time, the next first: a list of handles.
    #[getter]
    fn _scheduled(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        let timers = loops(cx).find(object).map_or(vec![], |l| l.timers.targets());
        for (when, target) in timers {
            let mark = cx.mark();
            let handle = custom::timer_handle(cx, object, when, target);
            cx.list_push(list, handle)?;
            cx.release(mark);
        }
        Ok(list.get(cx).into())
    }

    /// Whether debug mode is on.
    #[getter]
    fn _debug(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_some_and(|l| l.debug).into())
    }

    /// Whether it was closed.
    #[getter]
    fn _closed(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_none().into())
    }

    /// Whether it stops after this turn.
    #[getter]
    fn _stopping(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_some_and(|l| l.stopping).into())
    }

    /// What is called with exceptions nobody handles, or None.
    #[getter]
    fn _exception_handler(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(Outcome::NONE, |l| Outcome::Value(l.exception_handler)))
    }

    /// What makes tasks, or None.
    #[getter]
    fn _task_factory(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(Outcome::NONE, |l| Outcome::Value(l.task_factory)))
    }

    /// Seconds from which on a step is reported as slow in debug mode.
    #[getter]
    fn slow_callback_duration(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(0.1, |l| l.slow_callback_duration).into())
    }

    /// Seconds from which on a step is reported as slow in debug mode.
    #[setter]
    #[name("slow_callback_duration")]
    fn set_slow_callback_duration(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let seconds = cx.to_float(value)?;
        let object = this.get(cx).raw();
        if let Some(state) = loops(cx).find(object) {
            state.slow_callback_duration = seconds;
        }
        Ok(Outcome::NONE)
    }

    /// Close asynchronous generators that are not finished.
    #[suspends]
    fn shutdown_asyncgens(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let state = open_loop(cx, object)?;
        state.generators_closed = true;
        let references = std::mem::take(&mut state.generators);
        let mut generators = vec![];
        for raw in references {
            let alive = Value::adopt(raw).exact::<WeakRef>().and_then(|w| w.target().map(Value::raw));
            if let Some(raw) = alive {
                cx.push_raw(raw);
                generators.push(raw);
            }
        }
        let mut tasks = vec![];
        for raw in &generators {
            let step = cx.async_step(*raw, StepMode::Close, Raw::NONE, false)?;
            let step = cx.push_raw(step);
            let task = task::new_task(cx, object, step, None, context::snapshot_raw)?;
            tasks.push(task.get(cx).raw());
        }
        if tasks.is_empty() {
            return Ok(Outcome::NONE);
        }
        let gathered = combine::gather_futures(cx, object, &tasks, true);
        let values: Vec<Value<'_>> = generators.iter().map(|raw| Value::adopt(*raw)).collect();
        let list = cx.tuple(&values).value().raw();
        // The window: the loop, the generators, and what is waited for.
        cx.release(this.number() + 1);
        cx.push_raw(list);
        let value = cx.push_raw(gathered);
        any(cx, value).base().put(BLOCKING, true);
        Ok(Outcome::Suspend { value, then: Then::Continue(generators_closed) })
    }

    /// Wait for the threads of the default executor.
    #[suspends]
    fn shutdown_default_executor(cx: &mut Cx, this: Root, #[either] timeout: Option<Root>) -> NativeResult {
        let Some(threads) = cx.find_module("asyncio.threads").map(|m| m.raw()) else { return Ok(Outcome::NONE) };
        let threads = cx.push_raw(threads);
        let timeout = match timeout {
            Some(timeout) => timeout,
            None => cx.push_raw(Raw::NONE),
        };
        let future = cx.call_method(threads, "shutdown_default_executor", &[this, timeout])?;
        let future = future.get(cx).raw();
        if future.same(Raw::NONE) {
            return Ok(Outcome::NONE);
        }
        cx.release(this.number() + 1);
        let value = cx.push_raw(future);
        any(cx, value).base().put(BLOCKING, true);
        Ok(Outcome::Suspend { value, then: Then::Nothing })
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let name = super::class_name(cx, this.get(cx));
        let running = if loops(cx).is_running(object) { "True" } else { "False" };
        let (closed, debug) = match loops(cx).find(object) {
            Some(state) => ("False", if state.debug { "True" } else { "False" }),
            None => ("True", "False"),
        };
        Ok(cx.str(&format!("<{name} running={running} closed={closed} debug={debug}>")).into())
    }
);

/// The generators are closed: their errors are reported.
pub(super) fn generators_closed(cx: &mut Cx, window: Args, _: Resumed) -> NativeResult {
    let generators: Vec<Raw> = window.get(cx, 1).exact::<Tuple>().expect("a tuple").items().map(|v| v.raw()).collect();
    let outer = any(cx, window.root(2));
    let results: Vec<Raw> = match outer.base().content.get().exact::<crate::object::List>() {
        Some(list) => list.items().map(|v| v.raw()).collect(),
        None => vec![],
    };
    for (generator, result) in generators.into_iter().zip(results) {
        if cx.is_exception(Value::adopt(result), Exc::Exception) {
            let mark = cx.mark();
            let generator = cx.push_raw(generator);
            let exception = cx.push_raw(result);
            let text = cx.repr_text(generator)?;
            let message = format!("an error occurred during closing of asynchronous generator {text}");
            let keys = [("exception", exception), ("asyncgen", generator)];
            report::call_handler(cx, window.root(0), &message, &keys)?;
            cx.release(mark);
        }
    }
    Ok(Outcome::NONE)
}

natives!(
    /// Called by the machine.
    pub(super) static HOOKS: Functions;

    /// An asynchronous generator is iterated for the first time.
    fn first_iteration(cx: &mut Cx, generator: Root) -> NativeResult {
        let reference = WeakRef::new(cx.heap.forever(), generator.get(cx), Value::NONE).map(|w| w.value().raw());
        if let (Some(raw), Some(state)) = (reference, loops(cx).running()) {
            if state.generators.len() > 64 && state.generators.len().is_power_of_two() {
                state
                    .generators
                    .retain(|raw| Value::adopt(*raw).exact::<WeakRef>().is_some_and(|w| w.target().is_some()));
            }
            state.generators.push(raw);
        }
        Ok(Outcome::NONE)
    }

    /// An asynchronous generator that is suspended is not referred to any more.
    fn finalizer(cx: &mut Cx, generator: Root) -> NativeResult {
        let Some(object) = loops(cx).running().map(|l| l.object) else { return Ok(Outcome::NONE) };
        let raw = generator.get(cx).raw();
        let step = cx.async_step(raw, StepMode::Close, Raw::NONE, false)?;
        let step = cx.push_raw(step);
        // The task that closes it is made in the next turn.
        let event_loop = cx.push_raw(object);
        let create_task = cx.attribute(event_loop, "create_task")?;
        let handle = new_handle(cx, event_loop, create_task, Args::of(step, 1), None, None)?;
        super::schedule(cx, object, Ready::Run(handle));
        Ok(Outcome::NONE)
    }

    /// A task that is not the machine's own: nothing to do.
    fn nothing(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }
);

natives!(
    /// A base class.
    pub(super) static NOTHING: Methods;
);
