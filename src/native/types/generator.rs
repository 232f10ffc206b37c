//! Generators, coroutines, asynchronous generators, and what awaiting them goes through.

use crate::heap::{Kind, Raw, Slot, Value};
use crate::native::{Natives, natives};
use crate::object::{
    AsyncGeneratorStep, BUSY, ClassFlags, CoroutineWrapper, Dict, Generator, GeneratorState, StepMode, Str,
    any_generator,
};
use crate::vm::coroutine::NativeCoroutine;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root, Then};
use crate::vm::{Name, TypeRow};

natives!(
    /// What generators, coroutines and their wrappers have in common.
    pub static RESUMABLE: Methods;

    /// Resume with a value, which the expression it stopped at gives.
    fn send(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let target = resumed(cx, this);
        Ok(Outcome::Resume { target, input: value, throw: false, then: Then::Return })
    }

    /// Resume by raising an exception where it stopped.
    #[name("throw")]
    fn throw_(cx: &mut Cx, this: Root, r#type: Root, value: Given<Root>, traceback: Given<Root>) -> NativeResult {
        let input = cx.thrown(r#type, value.0, traceback.0)?;
        let target = resumed(cx, this);
        Ok(Outcome::Resume { target, input, throw: true, then: Then::Return })
    }

    /// End by raising GeneratorExit where it stopped.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        let done = this.get(cx).exact::<AsyncGeneratorStep>().is_some_and(|s| s.state.get() == GeneratorState::Finished);
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
                Ok(any_generator(this.get(cx)).map_or(Value::NONE, |g| g.get().awaiting.value()).into())
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

    /// Return an iterator to be used in an await expression.
    fn __await__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = CoroutineWrapper { coroutine: Slot::new(this.get(cx)) };
        Ok(cx.heap.alloc(wrapper).into())
    }

    /// Where it was made, if that is recorded.
    #[getter]
    fn cr_origin(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::NONE)
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
        let exception = cx.thrown(r#type, value.0, traceback.0)?;
        let argument = exception.get(cx).raw();
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
    row(Kind::Generator, "generator", &[&GENERATOR, &RESUMABLE, &RESUMABLE_ITERATOR, &NAMED]),
    row(Kind::NativeCoroutine, "coroutine", &[&COROUTINE, &RESUMABLE, &AWAITED, &NAMED]),
    row(Kind::Coroutine, "coroutine", &[]),
    row(Kind::AsyncGenerator, "async_generator", &[&ASYNC_GENERATOR, &ASYNC_STEPS, &NAMED]),
    row(Kind::CoroutineWrapper, "coroutine_wrapper", &[&RESUMABLE, &RESUMABLE_ITERATOR]),
    row(Kind::AsyncGeneratorStep, "async_generator_asend", &[&RESUMABLE, &RESUMABLE_ITERATOR, &AWAITS_ITSELF]),
    TypeRow {
        kind: None,
        ..row(Kind::AsyncGeneratorStep, "async_generator_athrow", &[&RESUMABLE, &RESUMABLE_ITERATOR, &AWAITS_ITSELF])
    },
];

const fn row(kind: Kind, name: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
    TypeRow::of(kind, name, methods).with(INTERNAL)
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
            generator.get().function.get().map_or(String::new(), |f| f.code().code.name.to_string())
        }
        (Name::Name, None) => {
            this.get(cx).exact::<NativeCoroutine>().map_or(String::new(), |n| n.def.name.to_owned())
        }
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
