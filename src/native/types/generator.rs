//! Generators, coroutines, asynchronous generators, and what awaiting them goes through.

use crate::heap::{Kind, Raw, Slot, Value};
use crate::native::{Natives, natives};
use crate::object::{
    AsyncGeneratorStep, BUSY, ClassFlags, CoroutineWrapper, Dict, Generator, GeneratorState, StepMode, Str, Tuple,
    any_generator,
};
use crate::vm::coroutine::NativeCoroutine;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root, Then};
use crate::vm::{Name, TypeRow};

use super::iterator::SUBSCRIPTED;

natives!(
    /// What generators, coroutines and their wrappers have in common.
    pub static RESUMABLE: Methods;

    /// Resume with a value, which the expression it stopped at gives.
    #[quick(Send)]
    fn send(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let target = resumed(cx, this);
        Ok(Outcome::Resume { target, input: value, throw: false, then: Then::Return })
    }

    /// Resume by raising an exception where it stopped.
    #[name("throw")]
    fn throw_(cx: &mut Cx, this: Root, r#type: Root, value: Given<Root>, traceback: Given<Root>) -> NativeResult {
        let target = resumed(cx, this);
        let input = cx.thrown_into(target, r#type, value.0, traceback.0)?;
        Ok(Outcome::Resume { target, input, throw: true, then: Then::Return })
    }

    /// End by raising GeneratorExit where it stopped.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        let done =
            this.get(cx).exact::<AsyncGeneratorStep>().is_some_and(|s| s.state.get() == GeneratorState::Finished);
        if done {
            return Ok(Outcome::NONE);
        }
        let target = resumed(cx, this);
        cx.close_outcome(target)
    }
);

natives!(
    /// What of those is an iterator.
    pub static RESUMABLE_ITERATOR: Methods;

    /// Return the iterator itself.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return the next item.
    #[quick(Next)]
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        let target = resumed(cx, this);
        let input = cx.push(Value::NONE);
        Ok(Outcome::Resume { target, input, throw: false, then: Then::Return })
    }
);

natives!(
    /// Names that generators and coroutines show.
    pub static NAMED: Methods;

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let value = this.get(cx);
        let what = match value.kind() {
            Kind::Generator => "generator",
            Kind::AsyncGenerator => "async_generator",
            _ => "coroutine",
        };
        let name = cx.coroutine_name(value);
        let text = format!("<{what} object {name} at {:#x}>", cx.heap.id(value));
        Ok(cx.str(&text).into())
    }

    /// name of the function
    #[getter]
    fn __name__(cx: &mut Cx, this: Root) -> NativeResult {
        own_name(cx, this, Name::Name)
    }

    /// Sets the name.
    #[setter]
    #[name("__name__")]
    fn set_name(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_own_name(cx, this, Name::Name, value)
    }

    /// qualified name of the function
    #[getter]
    fn __qualname__(cx: &mut Cx, this: Root) -> NativeResult {
        own_name(cx, this, Name::Qualname)
    }

    /// Sets the qualified name.
    #[setter]
    #[name("__qualname__")]
    fn set_qualname(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_own_name(cx, this, Name::Qualname, value)
    }
);

/// The getters of generators, coroutines and asynchronous generators differ by the letters they begin with.
macro_rules! inspected {
    ($(#[doc = $doc:literal])* $table:ident, $running:literal, $suspended:literal, $code:literal, $frame:literal, $awaiting:literal) => {
        natives!(
            $(#[doc = $doc])*
            pub static $table: Methods;

            /// Whether it is running.
            #[getter]
            #[name($running)]
            fn running(cx: &mut Cx, this: Root) -> NativeResult {
                Ok(is_running(cx, this).into())
            }

            /// Whether it is suspended.
            #[getter]
            #[name($suspended)]
            fn suspended(cx: &mut Cx, this: Root) -> NativeResult {
                let suspended = state(cx, this) == GeneratorState::Suspended && !is_running(cx, this);
                Ok(suspended.into())
            }

            /// Its code.
            #[getter]
            #[name($code)]
            fn code(cx: &mut Cx, this: Root) -> NativeResult {
                let function = any_generator(this.get(cx)).and_then(|g| g.get().function.get());
                Ok(function.map_or(Value::NONE, |f| f.code().value()).into())
            }

            /// Its frame; None once it has ended.
            #[getter]
            #[name($frame)]
            fn frame(cx: &mut Cx, this: Root) -> NativeResult {
                Ok(Outcome::Value(cx.generator_frame(this)))
            }

            /// What it awaits or delegates to; None if nothing.
            #[getter]
            #[name($awaiting)]
            fn awaiting(cx: &mut Cx, this: Root) -> NativeResult {
                // One that is running has been resumed: nothing is awaited now.
                if is_running(cx, this) {
                    return Ok(Outcome::NONE);
                }
                Ok(Outcome::Value(cx.awaited(this)))
            }
        );
    };
}

inspected!(
    /// What can be asked of a generator.
    GENERATOR, "gi_running", "gi_suspended", "gi_code", "gi_frame", "gi_yieldfrom"
);
inspected!(
    /// What can be asked of a coroutine.
    COROUTINE, "cr_running", "cr_suspended", "cr_code", "cr_frame", "cr_await"
);
inspected!(
    /// What can be asked of an asynchronous generator.
    ASYNC_GENERATOR, "ag_running", "ag_suspended", "ag_code", "ag_frame", "ag_await"
);

natives!(
    /// Coroutines.
    pub static AWAITED: Methods;

    /// What drives this coroutine when it is awaited.
    fn __await__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = CoroutineWrapper { coroutine: Slot::new(this.get(cx)) };
        Ok(cx.heap.alloc(wrapper).into())
    }

    /// Where it was made, if that is recorded.
    #[getter]
    fn cr_origin(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(cx.coroutine_origin(this.get(cx))))
    }
);

natives!(
    /// Asynchronous generators.
    pub static ASYNC_STEPS: Methods;

    /// Return the asynchronous iterator itself.
    fn __aiter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return an awaitable for the next item.
    fn __anext__(cx: &mut Cx, this: Root) -> NativeResult {
        step(cx, this, StepMode::Send, Raw::NONE)
    }

    /// Return an awaitable that resumes with a value and gives the next item.
    fn asend(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let argument = value.get(cx).raw();
        step(cx, this, StepMode::Send, argument)
    }

    /// Return an awaitable that resumes by raising an exception and gives the next item.
    fn athrow(cx: &mut Cx, this: Root, r#type: Root, value: Given<Root>, traceback: Given<Root>) -> NativeResult {
        cx.warn_three_arguments("athrow", value.0, traceback.0)?;
        // What they mean is seen when it is awaited.
        let given: Vec<Value<'_>> =
            [Some(r#type), value.0, traceback.0].into_iter().flatten().map(|root| root.get(cx)).collect();
        let argument = Tuple::new(&cx.heap, &given).value().raw();
        step(cx, this, StepMode::Throw, argument)
    }

    /// Return an awaitable that ends it by raising GeneratorExit where it stopped.
    fn aclose(cx: &mut Cx, this: Root) -> NativeResult {
        step(cx, this, StepMode::Close, Raw::NONE)
    }

    /// Whether a step of it is running.
    #[getter]
    fn ag_running(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(any_generator(this.get(cx)).is_some_and(|g| g.has(BUSY)).into())
    }
);

natives!(
    /// What is awaited as itself.
    pub static AWAITS_ITSELF: Methods;

    /// Return the awaitable itself.
    fn __await__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }
);

const INTERNAL: ClassFlags = ClassFlags::NO_NEW.union(ClassFlags::FINAL);

/// The types of generators and coroutines. A native coroutine shows the class of the others.
pub static TYPES: &[TypeRow] = &[
    row(Kind::Generator, "generator", &[&GENERATOR, &RESUMABLE, &RESUMABLE_ITERATOR, &NAMED, &SUBSCRIPTED]),
    row(Kind::NativeCoroutine, "coroutine", &[&COROUTINE, &RESUMABLE, &AWAITED, &NAMED, &SUBSCRIPTED]),
    row(Kind::Coroutine, "coroutine", &[]),
    row(Kind::AsyncGenerator, "async_generator", &[&ASYNC_GENERATOR, &ASYNC_STEPS, &NAMED, &SUBSCRIPTED]),
    TypeRow {
        documented: true,
        ..row(Kind::CoroutineWrapper, "coroutine_wrapper", &[&RESUMABLE, &RESUMABLE_ITERATOR])
    },
    row(Kind::AsyncGeneratorStep, "async_generator_asend", &[&RESUMABLE, &RESUMABLE_ITERATOR, &AWAITS_ITSELF]),
    TypeRow {
        kind: None,
        ..row(Kind::AsyncGeneratorStep, "async_generator_athrow", &[&RESUMABLE, &RESUMABLE_ITERATOR, &AWAITS_ITSELF])
    },
];

const fn row(kind: Kind, name: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
    TypeRow::of(kind, name, methods).with(INTERNAL).undocumented()
}

/// What is resumed: the coroutine of a wrapper, else the object itself.
fn resumed(cx: &mut Cx, this: Root) -> Root {
    let coroutine = this.get(cx).exact::<CoroutineWrapper>().map(|w| w.coroutine.get().raw());
    match coroutine {
        Some(raw) => cx.push(Value::adopt(raw)),
        None => this,
    }
}

fn step(cx: &mut Cx, this: Root, mode: StepMode, argument: Raw) -> NativeResult {
    let generator = this.get(cx).raw();
    Ok(Outcome::Value(cx.async_step(generator, mode, argument, true)?))
}

fn state(cx: &Cx, this: Root) -> GeneratorState {
    let value = this.get(cx);
    match any_generator(value) {
        Some(generator) => generator.state.get(),
        None => value.exact::<NativeCoroutine>().map_or(GeneratorState::Finished, |n| n.state.get()),
    }
}

fn is_running(cx: &Cx, this: Root) -> bool {
    match any_generator(this.get(cx)) {
        Some(generator) => generator.is_running(),
        None => state(cx, this) == GeneratorState::Running,
    }
}

fn details(cx: &Cx, this: Root) -> Option<crate::heap::Gc<'_, Dict>> {
    any_generator(this.get(cx)).and_then(|g| g.get().details.get::<Dict>())
}

fn own_name(cx: &mut Cx, this: Root, name: Name) -> NativeResult {
    let key = cx.name(name);
    if let Some(set) = details(cx, this).and_then(|d| d.get_str(&cx.heap, key)) {
        return Ok(set.into());
    }
    let text = match (name, any_generator(this.get(cx))) {
        (Name::Name, Some(generator)) => {
            let function = generator.get().function.get();
            let set = function.and_then(|f| f.get().details.get()).and_then(|d| d.get_str(&cx.heap, key));
            if let Some(set) = set {
                return Ok(set.into());
            }
            function.map_or(String::new(), |f| f.code().code.name.to_string())
        }
        (Name::Name, None) => this.get(cx).exact::<NativeCoroutine>().map_or(String::new(), |n| n.def.name.to_owned()),
        _ => cx.coroutine_name(this.get(cx)),
    };
    Ok(cx.str(&text).into())
}

fn set_own_name(cx: &mut Cx, this: Root, name: Name, value: Root) -> NativeResult {
    let generator = any_generator(this.get(cx)).map(|g| g.held());
    let (Some(text), Some(generator)) = (value.get(cx).exact::<Str>(), generator) else {
        return Err(must_be_text(cx, name));
    };
    let text = text.held();
    let details = match details(cx, this) {
        Some(details) => details.held(),
        None => Dict::new(&cx.heap).held(),
    };
    generator.set_any(&cx.heap, |g: &Generator| &g.details, details.value());
    let key = cx.name(name).held();
    match details.set_str(cx.heap.forever(), key, text.value()) {
        Ok(()) => Ok(Outcome::NONE),
        Err(_) => Err(cx.memory_error()),
    }
}

fn must_be_text(cx: &mut Cx, name: Name) -> Raised {
    cx.type_error(format!("{} must be set to a string object", name.text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Exc;
    use crate::vm::native::{Args, Resumed};

    natives!(
        /// Natives that suspend.
        static SUSPENDING: Functions;

        /// Yields the value a number of times; the result is the sum of what was sent. KeyError ends it early.
        #[suspends]
        fn pause(cx: &mut Cx, value: Root, times: i64) -> NativeResult {
            let total = cx.push(Value::int(0));
            if times == 0 {
                return Ok(total.get(cx).into());
            }
            Ok(Outcome::Suspend { value, then: Then::Catch(paused) })
        }

        /// Awaits a coroutine, and adds 1 to what it returns.
        #[suspends]
        fn relay(cx: &mut Cx, coroutine: Root) -> NativeResult {
            let input = cx.push(Value::NONE);
            Ok(Outcome::Resume { target: coroutine, input, throw: false, then: Then::Catch(relay_stepped) })
        }

        /// Calls a function, yields its result, and returns what is sent.
        #[suspends]
        fn calling(cx: &mut Cx, function: Root) -> NativeResult {
            let raw = function.get(cx).raw();
            let callee = cx.push(Value::adopt(raw));
            Ok(Outcome::Call { callee, argc: 0, keywords: None, then: Then::Continue(yield_it) })
        }
    );

    fn paused(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
        let sent = match resumed {
            Resumed::Returned(sent) | Resumed::Yielded(sent) => sent.get(cx).as_int().unwrap_or(0),
            Resumed::Raised(e) if cx.is_exception(e.get(cx), Exc::KeyError) => return Ok(window.get(cx, 2).into()),
            Resumed::Raised(e) => return Err(cx.rethrow(e)),
        };
        let total = window.get(cx, 2).as_int().unwrap_or(0) + sent;
        let left = window.get(cx, 1).as_int().unwrap_or(0) - 1;
        window.root(1).set(cx, Value::int(left));
        window.root(2).set(cx, Value::int(total));
        cx.trim(window, 3);
        if left == 0 {
            return Ok(total.into());
        }
        Ok(Outcome::Suspend { value: window.root(0), then: Then::Catch(paused) })
    }

    fn relay_stepped(cx: &mut Cx, _window: Args, resumed: Resumed) -> NativeResult {
        match resumed {
            Resumed::Yielded(value) => Ok(Outcome::Suspend { value, then: Then::Catch(relay_resumed) }),
            Resumed::Returned(value) => Ok((value.get(cx).as_int().unwrap_or(0) + 1).into()),
            Resumed::Raised(exception) => Err(cx.rethrow(exception)),
        }
    }

    fn relay_resumed(_cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
        let (input, throw) = match resumed {
            Resumed::Raised(input) => (input, true),
            Resumed::Returned(input) | Resumed::Yielded(input) => (input, false),
        };
        Ok(Outcome::Resume { target: window.root(0), input, throw, then: Then::Catch(relay_stepped) })
    }

    fn yield_it(_cx: &mut Cx, _: Args, resumed: Resumed) -> NativeResult {
        let (Resumed::Returned(value) | Resumed::Yielded(value) | Resumed::Raised(value)) = resumed;
        Ok(Outcome::Suspend { value, then: Then::Return })
    }

    fn run(text: &str) {
        let source = crate::source::SourceFile::new("test.aio", text.to_owned());
        let options = crate::compile::Options { filename: "test.aio".into(), ..Default::default() };
        let (code, _) = crate::interpreter::compile_text(&source, crate::syntax::parser::Mode::Module, &options)
            .expect("the test's text is a program");
        let mut vm = crate::interpreter::machine(Box::new(crate::host::OsHost::new(true)));
        let builtins =
            vm.find_module("builtins").and_then(|m| m.exact::<crate::object::Module>()).expect("it is there");
        let builtins = builtins.held();
        vm.functions_of(builtins, &SUSPENDING);
        match crate::interpreter::run_main(&mut vm, source.name(), &crate::interpreter::Main::Script, &code) {
            crate::interpreter::Ending::Status(0) => {}
            crate::interpreter::Ending::Status(status) => panic!("status {status}"),
            crate::interpreter::Ending::Uncaught(exception) => {
                let name = vm.type_name_for_error(exception.get(&vm));
                let text = vm.str_text(exception).unwrap_or_default();
                panic!("{name}: {text}");
            }
        }
    }

    #[test]
    fn natives_suspend() {
        run(r#"
def drive(c):
    log = []
    try:
        v = None
        while True:
            log.append(c.send(v)); v = len(log)
    except StopIteration as e:
        return e.value, log
def check(got, expected):
    if got != expected: raise AssertionError(f'{got!r} is not {expected!r}')
check(drive(pause('a', 3)), (6, ['a'] * 3))
check(drive(pause('a', 0)), (0, []))
async def f(n): return await pause('f', n)
check(drive(f(2)), (3, ['f'] * 2))
check(drive(f(0)), (0, []))
check(drive(relay(f(2))), (4, ['f'] * 2))
check(drive(relay(relay(pause('x', 2)))), (5, ['x'] * 2))
async def g():
    a = await relay(f(1)); b = await relay(relay(f(2)))
    return a, b
check(drive(g()), ((2, 7), ['f'] * 3))
check(drive(calling(lambda: 'called')), (1, ['called']))
async def h(): return await calling(lambda: [1, 2]), await calling(lambda: 3)
check(drive(h()), ((1, 2), [[1, 2], 3]))
async def k():
    try: return await relay(f(2))
    except TypeError as e: return str(e)
c = k(); c.send(None)
try: c.throw(KeyError())
except StopIteration as e: check(e.value, 1)
c = k(); c.send(None)
try: c.throw(TypeError('t'))
except StopIteration as e: check(e.value, 't')
c = k(); c.send(None); check(c.close(), None)
c = pause('q', 2); c.send(None); c.close()
try: c.send(None)
except RuntimeError as e: check(str(e), 'cannot reuse already awaited coroutine')
c = pause('q', 2)
try: c.send(1)
except TypeError as e: check(str(e), "can't send non-None value to a just-started coroutine")
async def twice(): return await c
c.send(None)
try: drive(twice())
except RuntimeError as e: check(str(e), 'coroutine is being awaited already')
check(type(c).__name__, type(k()).__name__)
check(repr(c).startswith('<coroutine object pause at 0x'), True)
check([v for v in c.__await__()], ['q'])
"#);
    }
}
