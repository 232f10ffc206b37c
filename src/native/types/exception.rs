//! The builtin exceptions: what BaseException has, and what some classes add.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{ClassFlags, Dict, Exc, Exception, Str, Traceback, Tuple, field_index};
use crate::vm::Name;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

natives!(
    /// Common base class for all exceptions.
    pub static BASE_EXCEPTION_METHODS: Methods;

    /// Make an exception with these arguments.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let exception = make(cx, class, &args.0.roots().collect::<Vec<_>>())?;
        Ok(exception.get(cx).into())
    }

    /// Keep the arguments.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        no_keywords(cx, this, kwargs)?;
        set_args(cx, this, args);
        Ok(Outcome::NONE)
    }

    /// Return str(self): the argument, or the tuple of arguments.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        plain_text(cx, this)
    }

    /// Return repr(self): the class's name with the arguments.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let name = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
        let args = own(cx, this).args();
        let (count, raw) = (args.len(), args.value().raw());
        let shown = if count == 1 {
            let raw = Value::adopt(raw).exact::<Tuple>().expect("a tuple").item(0).raw();
            let only = cx.push_raw(raw);
            let text = cx.repr(only)?;
            let bytes = bytes_of(cx, text);
            [b"(".as_slice(), &bytes, b")"].concat()
        } else {
            let args = cx.push_raw(raw);
            let text = cx.repr(args)?;
            bytes_of(cx, text)
        };
        Ok(Str::from_parts(&cx.heap, &[name.as_bytes(), &shown]).into())
    }

    /// Add a note that tracebacks show below the exception.
    fn add_note(cx: &mut Cx, this: Root, note: Root) -> NativeResult {
        if cx.as_str(note.get(cx)).is_none() {
            let got = cx.argument_name_for_error(note.get(cx));
            return Err(cx.type_error(format!("add_note() argument must be str, not {got}")));
        }
        let notes = match cx.find_attribute(this, "__notes__")? {
            Some(notes) if notes.get(cx).kind() == Kind::List => notes,
            Some(_) => return Err(cx.type_error("Cannot add note: __notes__ is not a list".into())),
            None => {
                let list = cx.list(&[]).value().raw();
                let list = cx.push_raw(list);
                let name = cx.name(Name::Notes).value().raw();
                let name = cx.push_raw(name);
                cx.set_attribute(this, name, list)?;
                list
            }
        };
        cx.list_push(notes, note)?;
        Ok(Outcome::NONE)
    }

    /// Set the traceback, and return the exception.
    fn with_traceback(cx: &mut Cx, this: Root, tb: Root) -> NativeResult {
        set_traceback(cx, this, tb)?;
        Ok(this.get(cx).into())
    }

    /// What is pickled: the class, the arguments and the attributes.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let exception = own(cx, this);
        let class = cx.class_of(exception.value()).value();
        let args = exception.args().value();
        Ok(match exception.get().dict.get() {
            Some(dict) => cx.tuple(&[class, args, dict.value()]),
            None => cx.tuple(&[class, args]),
        }
        .into())
    }

    /// Set attributes from a dict.
    fn __setstate__(cx: &mut Cx, this: Root, state: Root) -> NativeResult {
        if state.get(cx).is_none() {
            return Ok(Outcome::NONE);
        }
        let Some(dict) = state.get(cx).exact::<Dict>() else {
            return Err(cx.type_error("state is not a dictionary".into()));
        };
        let pairs: Vec<(Raw, Raw)> = dict.iter().map(|(k, v)| (k.raw(), v.raw())).collect();
        for (name, value) in pairs {
            let (name, value) = (cx.push_raw(name), cx.push_raw(value));
            cx.set_attribute(this, name, value)?;
        }
        Ok(Outcome::NONE)
    }

    /// The arguments it was made with.
    #[getter]
    fn args(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).args().into())
    }

    /// Set the arguments.
    #[setter]
    #[name("args")]
    fn set_args_attribute(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).is_unbound() {
            return Err(cx.type_error("args may not be deleted".into()));
        }
        let tuple = cx.tuple_from(value)?;
        let tuple = tuple.get(cx).exact::<Tuple>();
        own(cx, this).set_ref(&cx.heap, |e| &e.args, tuple);
        Ok(Outcome::NONE)
    }

    /// Where it was raised, or None.
    #[getter]
    fn __traceback__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().traceback.get().map_or(Outcome::NONE, Outcome::from))
    }

    /// Set the traceback.
    #[setter]
    #[name("__traceback__")]
    fn set_traceback_attribute(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).is_unbound() {
            return Err(cx.type_error("__traceback__ may not be deleted".into()));
        }
        set_traceback(cx, this, value)?;
        Ok(Outcome::NONE)
    }

    /// The exception that was being handled when this one was raised, or None.
    #[getter]
    fn __context__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().context.value().into())
    }

    /// Set the context.
    #[setter]
    #[name("__context__")]
    fn set_context_attribute(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        linked(cx, value, "__context__", "exception context must be None or derive from BaseException")?;
        own(cx, this).set_any(&cx.heap, |e| &e.context, value.get(cx));
        Ok(Outcome::NONE)
    }

    /// The exception named after `from`, or None.
    #[getter]
    fn __cause__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().cause.value().into())
    }

    /// Set the cause; the context is not shown any more.
    #[setter]
    #[name("__cause__")]
    fn set_cause_attribute(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        linked(cx, value, "__cause__", "exception cause must be None or derive from BaseException")?;
        let exception = own(cx, this);
        exception.set_any(&cx.heap, |e| &e.cause, value.get(cx));
        exception.get().suppress_context.set(true);
        Ok(Outcome::NONE)
    }

    /// Whether tracebacks leave the context out.
    #[getter]
    fn __suppress_context__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().suppress_context.get().into())
    }

    /// Set whether tracebacks leave the context out.
    #[setter]
    #[name("__suppress_context__")]
    fn set_suppress_context_attribute(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match value.get(cx).as_bool() {
            Some(truth) => {
                own(cx, this).get().suppress_context.set(truth);
                Ok(Outcome::NONE)
            }
            None if value.get(cx).is_unbound() => Err(cx.type_error("can't delete numeric/char attribute".into())),
            None => Err(cx.type_error("attribute value type must be bool".into())),
        }
    }
);

natives!(
    /// Signal the end from iterator.__next__().
    pub static STOP_ITERATION_METHODS: Methods;

    /// Keep the arguments; the first is the value.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        no_keywords(cx, this, kwargs)?;
        set_args(cx, this, args);
        let value = if args.0.is_empty() { Raw::NONE } else { args.0.get(cx, 0).raw() };
        set_field(cx, this, Exc::StopIteration, "value", value);
        Ok(Outcome::NONE)
    }
);

natives!(
    /// Request to exit from the interpreter.
    pub static SYSTEM_EXIT_METHODS: Methods;

    /// Keep the arguments; the only one, or the tuple of several, is the code, and none leaves it as it is.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        no_keywords(cx, this, kwargs)?;
        set_args(cx, this, args);
        let code = match args.0.len() {
            0 => return Ok(Outcome::NONE),
            1 => args.0.get(cx, 0).raw(),
            _ => own(cx, this).args().value().raw(),
        };
        set_field(cx, this, Exc::SystemExit, "code", code);
        Ok(Outcome::NONE)
    }
);

natives!(
    /// Mapping key not found.
    pub static KEY_ERROR_METHODS: Methods;

    /// Return str(self): the key as repr() shows it.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let args = own(cx, this).args();
        if args.len() != 1 {
            return plain_text(cx, this);
        }
        let raw = args.item(0).raw();
        let key = cx.push_raw(raw);
        let text = cx.repr(key)?;
        Ok(text.get(cx).into())
    }
);

natives!(
    /// Attribute not found.
    pub static ATTRIBUTE_ERROR_METHODS: Methods;

    /// Keep the arguments, the name and the object.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        set_args(cx, this, args);
        keyword_fields(cx, this, Exc::AttributeError, kwargs, &["name", "obj"])
    }

    /// What is pickled: the object isn't.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduce_with_fields(cx, this, Exc::AttributeError, &["name"], true)
    }

    /// The attributes of a copy.
    fn __getstate__(cx: &mut Cx, this: Root) -> NativeResult {
        let reduced = reduce_with_fields(cx, this, Exc::AttributeError, &["name"], true)?;
        let Outcome::Value(raw) = reduced else { return Ok(reduced) };
        let state = Value::adopt(raw).exact::<Tuple>().map_or(Raw::NONE, |t| t.item(2).raw());
        Ok(Outcome::Value(state))
    }
);

natives!(
    /// Name not found globally.
    pub static NAME_ERROR_METHODS: Methods;

    /// Keep the arguments and the name.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        set_args(cx, this, args);
        keyword_fields(cx, this, Exc::NameError, kwargs, &["name"])
    }
);

natives!(
    /// A module, or a name wanted from one, is not there.
    pub static IMPORT_ERROR_METHODS: Methods;

    /// Keep the arguments, the names and the path.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        set_args(cx, this, args);
        keyword_fields(cx, this, Exc::ImportError, kwargs, &["name", "path", "name_from"])?;
        let message = if args.0.len() == 1 { args.0.get(cx, 0).raw() } else { Raw::NONE };
        set_field(cx, this, Exc::ImportError, "msg", message);
        Ok(Outcome::NONE)
    }

    /// What is pickled: the names are attributes.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduce_with_fields(cx, this, Exc::ImportError, &["name", "path", "name_from"], false)
    }

    /// Return str(self): the message.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let message = field(cx, this, Exc::ImportError, "msg");
        if Value::adopt(message).exact::<Str>().is_some() {
            return Ok(Outcome::Value(message));
        }
        plain_text(cx, this)
    }
);

natives!(
    /// Base class for I/O related errors.
    pub static OS_ERROR_METHODS: Methods;

    /// How many characters were written before a stream would have had to wait.
    #[getter]
    fn characters_written(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = field(cx, this, Exc::OSError, "characters_written");
        if raw.same(Raw::NONE) {
            return Err(cx.raise_text(Exc::AttributeError, "characters_written"));
        }
        Ok(Outcome::Value(raw))
    }

    #[setter]
    fn characters_written(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).is_unbound() {
            if field(cx, this, Exc::OSError, "characters_written").same(Raw::NONE) {
                return Err(cx.raise_text(Exc::AttributeError, "characters_written"));
            }
            set_field(cx, this, Exc::OSError, "characters_written", Raw::NONE);
            return Ok(Outcome::NONE);
        }
        let index = cx.index(value)?;
        let Some(count) = crate::native::types::int_ref(cx, index.get(cx)).and_then(|n| n.to_i64()) else {
            return Err(cx.value_error("cannot fit 'int' into an index-sized integer"));
        };
        set_field(cx, this, Exc::OSError, "characters_written", Raw::int(count));
        Ok(Outcome::NONE)
    }

    /// Make an OSError; the errno says of which derived class.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let args: Vec<Root> = args.0.roots().collect();
        if own_init(cx, class) {
            // A class with an `__init__` of its own hands on what it wants.
            let exception = make(cx, class, &[])?;
            return Ok(exception.get(cx).into());
        }
        if let Some(keywords) = kwargs.0.get(cx).exact::<Dict>()
            && !keywords.is_empty()
        {
            let name = class_name(cx, class);
            return Err(cx.type_error(format!("{name}() takes no keyword arguments")));
        }
        let plain = cx.exception_class(Exc::OSError).value().raw();
        let class = if class.get(cx).raw().same(plain) && (2..=5).contains(&args.len()) {
            match args[0].get(cx).as_int().and_then(class_of_errno) {
                Some(better) => {
                    let raw = cx.exception_class(better).value().raw();
                    cx.push_raw(raw)
                }
                None => class,
            }
        } else {
            class
        };
        let exception = make(cx, class, &args)?;
        keep_os_arguments(cx, exception, &args)?;
        Ok(exception.get(cx).into())
    }

    /// Keep the arguments, where a derived class has its own `__init__`.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let class = cx.class_of(this.get(cx)).value().raw();
        let class = cx.push_raw(class);
        if own_init(cx, class) {
            no_keywords(cx, this, kwargs)?;
            set_args(cx, this, args);
            keep_os_arguments(cx, this, &args.0.roots().collect::<Vec<_>>())?;
        }
        Ok(Outcome::NONE)
    }

    /// Return str(self): errno, text and files.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(cx.exception_str(this)?))
    }

    /// What is pickled: the file names come back into the arguments.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let exception = own(cx, this);
        let mut args: Vec<Value<'_>> = exception.args().items().collect();
        let given = |name| exception.given_field(field_index(Exc::OSError, name)?);
        if let (2, Some(first)) = (args.len(), given("filename")) {
            args.push(first);
            if let Some(second) = given("filename2") {
                args.extend([Value::NONE, second]);
            }
        }
        let class = cx.class_of(exception.value()).value();
        let args = cx.tuple(&args).value();
        Ok(match exception.get().dict.get() {
            Some(dict) => cx.tuple(&[class, args, dict.value()]),
            None => cx.tuple(&[class, args]),
        }
        .into())
    }
);

natives!(
    /// Invalid syntax.
    pub static SYNTAX_ERROR_METHODS: Methods;

    /// Keep the message and, from a tuple, where it was.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        no_keywords(cx, this, kwargs)?;
        set_args(cx, this, args);
        if !args.0.is_empty() {
            let message = args.0.get(cx, 0).raw();
            set_field(cx, this, Exc::SyntaxError, "msg", message);
        }
        if args.0.len() == 2 {
            let place = cx.tuple_from(args.0.root(1))?;
            let parts: Vec<Raw> =
                place.get(cx).exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.raw()).collect());
            let given = parts.len();
            if given < 4 {
                return Err(cx.type_error(format!("function takes at least 4 arguments ({given} given)")));
            }
            if given > 7 {
                return Err(cx.type_error(format!("function takes at most 7 arguments ({given} given)")));
            }
            let names = ["filename", "lineno", "offset", "text", "end_lineno", "end_offset", "_metadata"];
            for (name, part) in names.into_iter().zip(parts) {
                set_field(cx, this, Exc::SyntaxError, name, part);
            }
            if given == 5 {
                return Err(cx.type_error("end_offset must be provided when end_lineno is provided".into()));
            }
        }
        Ok(Outcome::NONE)
    }

    /// Return str(self): the message and where.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let message = field(cx, this, Exc::SyntaxError, "msg");
        let message = cx.push_raw(message);
        let line = Value::adopt(field(cx, this, Exc::SyntaxError, "lineno")).as_int();
        let file = field(cx, this, Exc::SyntaxError, "filename");
        let file = Value::adopt(file).exact::<Str>().map(|s| s.to_str_lossy().into_owned());
        let file = file.map(|f| f.rsplit('/').next().unwrap_or_default().to_owned());
        let text = cx.str_of(message)?;
        let place = match (file, line) {
            (None, None) => return Ok(text.get(cx).into()),
            (Some(file), Some(line)) => format!(" ({file}, line {line})"),
            (Some(file), None) => format!(" ({file})"),
            (None, Some(line)) => format!(" (line {line})"),
        };
        let bytes = bytes_of(cx, text);
        Ok(Str::from_parts(&cx.heap, &[&bytes, place.as_bytes()]).into())
    }
);

/// The exception of a method's instance.
pub(super) fn own(cx: &Cx, this: Root) -> Gc<'_, Exception> {
    this.get(cx).exact::<Exception>().expect("the instance is an exception")
}

pub(super) fn bytes_of(cx: &Cx, text: Root) -> Vec<u8> {
    cx.as_str(text.get(cx)).map_or(vec![], |s| s.as_bytes().to_vec())
}

fn class_name(cx: &Cx, class: Root) -> String {
    class.get(cx).exact::<crate::object::Class>().map_or(String::new(), |c| c.name().to_str_lossy().into_owned())
}

/// The builtin exception class that a class is or derives from.
fn builtin_base(cx: &Cx, class: Root) -> Exc {
    let class = class.get(cx).exact::<crate::object::Class>().expect("checked");
    cx.exception_kind(class)
}

/// An exception of a class, builtin or derived, with these arguments.
pub(super) fn make(cx: &mut Cx, class: Root, args: &[Root]) -> Result<Root, Raised> {
    let base = cx.exception_class(Exc::BaseException).held();
    cx.check_new(class, base)?;
    let kind = builtin_base(cx, class);
    let exception = cx.new_exception(kind, args).held();
    let class = class.get(cx).exact::<crate::object::Class>().expect("checked").held();
    exception.set_shape(class.get().root_shape.get());
    let exception = exception.value().raw();
    if class.has(ClassFlags::FINALISER) {
        cx.made_finalisable(exception);
    }
    Ok(cx.push_raw(exception))
}

pub(super) fn set_args(cx: &mut Cx, this: Root, args: Rest) {
    let values: Vec<Raw> = args.0.roots().map(|r| r.get(cx).raw()).collect();
    let exception = own(cx, this);
    let known = exception.args();
    // `__new__` has kept them already, most of the time.
    if known.len() == values.len() && known.items().zip(&values).all(|(a, b)| a.raw().same(*b)) {
        return;
    }
    let tuple = Tuple::build(&cx.heap, values.len(), |i| Value::adopt(values[i]));
    exception.set_ref(&cx.heap, |e| &e.args, Some(tuple));
}

pub(super) fn no_keywords(cx: &mut Cx, this: Root, kwargs: KeywordRest) -> Result<(), Raised> {
    if kwargs.0.get(cx).exact::<Dict>().is_none_or(|d| d.is_empty()) {
        return Ok(());
    }
    let name = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
    Err(cx.type_error(format!("{name}() takes no keyword arguments")))
}

/// The content of a field, None if it was not set.
pub(super) fn field(cx: &Cx, this: Root, class: Exc, name: &str) -> Raw {
    field_index(class, name).map_or(Raw::NONE, |index| own(cx, this).field(index).raw())
}

pub(super) fn set_field(cx: &Cx, this: Root, class: Exc, name: &str, value: Raw) {
    if let (Some(index), Some(fields)) = (field_index(class, name), own(cx, this).get().fields.get())
        && index < fields.capacity()
    {
        fields.set_tail(&cx.heap, index, Value::adopt(value));
    }
}

/// What is pickled of an exception with fields that aren't among its arguments: those that are set are attributes.
fn reduce_with_fields(cx: &mut Cx, this: Root, class: Exc, names: &[&str], with_args: bool) -> NativeResult {
    let exception = own(cx, this).held();
    let made = cx.class_of(exception.value()).value().raw();
    let args = exception.args().value().raw();
    // None that was set is told from what was not given.
    let given = |name: &str| exception.given_field(field_index(class, name)?).map(Value::raw);
    let set: Vec<(&str, Raw)> = names.iter().filter_map(|name| Some((*name, given(name)?))).collect();
    if set.is_empty() && exception.get().dict.get().is_none() && !with_args {
        return Ok(cx.tuple(&[Value::adopt(made), Value::adopt(args)]).into());
    }
    let heap = cx.heap.forever();
    let state = Dict::new(heap);
    for (key, value) in exception.get().dict.get().into_iter().flat_map(|dict| dict.iter()) {
        if let Some(name) = key.exact::<Str>() {
            state.set_str(heap, name.held(), value).expect("a copy has room");
        }
    }
    let args_field = [("args", args)];
    for (name, value) in set.into_iter().chain(with_args.then_some(args_field).into_iter().flatten()) {
        let name = cx.intern(name).held();
        state.set_str(heap, name, Value::adopt(value)).expect("a few more fit");
    }
    Ok(cx.tuple(&[Value::adopt(made), Value::adopt(args), state.value()]).into())
}

/// Fields that are given by keyword.
fn keyword_fields(cx: &mut Cx, this: Root, class: Exc, kwargs: KeywordRest, names: &[&str]) -> NativeResult {
    let pairs: Vec<(Raw, Raw)> =
        kwargs.0.get(cx).exact::<Dict>().map_or(vec![], |d| d.iter().map(|(k, v)| (k.raw(), v.raw())).collect());
    if pairs.len() > names.len() {
        let (name, most, given) = (class.name(), names.len(), pairs.len());
        let s = if most == 1 { "" } else { "s" };
        return Err(cx.type_error(format!("{name}() takes at most {most} keyword argument{s} ({given} given)")));
    }
    for name in names {
        // What an earlier call has set isn't kept.
        set_field(cx, this, class, name, Raw::UNBOUND);
    }
    let text = |key: Raw| Value::adopt(key).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
    let pairs: Vec<(String, Raw)> = pairs.into_iter().map(|(key, value)| (text(key), value)).collect();
    // Nothing is set before all of them are known.
    if let Some((key, _)) = pairs.iter().find(|(key, _)| !names.contains(&key.as_str())) {
        let name = class.name();
        return Err(cx.type_error(format!("{name}() got an unexpected keyword argument '{key}'")));
    }
    for (key, value) in pairs {
        set_field(cx, this, class, &key, value);
    }
    Ok(Outcome::NONE)
}

fn plain_text(cx: &mut Cx, this: Root) -> NativeResult {
    let args = own(cx, this).args();
    let text = match args.len() {
        0 => return Ok(cx.str("").into()),
        1 => {
            let raw = args.item(0).raw();
            let only = cx.push_raw(raw);
            cx.str_of(only)?
        }
        _ => {
            let raw = args.value().raw();
            let args = cx.push_raw(raw);
            cx.repr(args)?
        }
    };
    Ok(text.get(cx).into())
}

fn set_traceback(cx: &mut Cx, this: Root, value: Root) -> Result<(), Raised> {
    let traceback = value.get(cx).exact::<Traceback>();
    if traceback.is_none() && !value.get(cx).is_none() {
        return Err(cx.type_error("__traceback__ must be a traceback or None".into()));
    }
    own(cx, this).set_ref(&cx.heap, |e| &e.traceback, traceback);
    Ok(())
}

/// Checks what is set as cause or context.
fn linked(cx: &mut Cx, value: Root, name: &str, otherwise: &str) -> Result<(), Raised> {
    let given = value.get(cx);
    if given.is_none() || given.kind() == Kind::Exception {
        return Ok(());
    }
    if given.is_unbound() {
        return Err(cx.type_error(format!("{name} may not be deleted")));
    }
    Err(cx.type_error(otherwise.to_owned()))
}

// ---- OSError ----

/// Whether a class derived from OSError has an `__init__` written in the language, and no `__new__`.
fn own_init(cx: &mut Cx, class: Root) -> bool {
    let Some(class) = class.get(cx).exact::<crate::object::Class>().map(Gc::held) else { return false };
    let written = |cx: &Cx, name: Name| {
        class.lookup_with_owner(&cx.heap, cx.name(name)).is_some_and(|(_, owner)| owner.has(ClassFlags::HEAP))
    };
    written(cx, Name::Init) && !written(cx, Name::New)
}

fn class_of_errno(errno: i64) -> Option<Exc> {
    Some(match errno {
        11 | 114 | 115 => Exc::BlockingIOError,
        32 | 108 => Exc::BrokenPipeError,
        10 => Exc::ChildProcessError,
        103 => Exc::ConnectionAbortedError,
        111 => Exc::ConnectionRefusedError,
        104 => Exc::ConnectionResetError,
        17 => Exc::FileExistsError,
        2 => Exc::FileNotFoundError,
        21 => Exc::IsADirectoryError,
        20 => Exc::NotADirectoryError,
        4 => Exc::InterruptedError,
        13 | 1 => Exc::PermissionError,
        3 => Exc::ProcessLookupError,
        110 => Exc::TimeoutError,
        _ => return None,
    })
}

/// Fills the fields from the arguments: errno, text, file name, (a number of Windows), second file name.
fn keep_os_arguments(cx: &mut Cx, exception: Root, args: &[Root]) -> Result<(), Raised> {
    if !(2..=5).contains(&args.len()) {
        return Ok(());
    }
    let value = |cx: &Cx, at: usize| args.get(at).map_or(Raw::NONE, |r| r.get(cx).raw());
    let (errno, text, first, second) = (value(cx, 0), value(cx, 1), value(cx, 2), value(cx, 4));
    set_field(cx, exception, Exc::OSError, "errno", errno);
    set_field(cx, exception, Exc::OSError, "strerror", text);
    if first.same(Raw::NONE) {
        return Ok(());
    }
    let blocking = cx.exception_class(Exc::BlockingIOError) == cx.class_of(exception.get(cx));
    if blocking && crate::native::types::int_ref(cx, Value::adopt(first)).is_some() {
        set_field(cx, exception, Exc::OSError, "characters_written", first);
        return Ok(());
    }
    set_field(cx, exception, Exc::OSError, "filename", first);
    if !second.same(Raw::NONE) {
        set_field(cx, exception, Exc::OSError, "filename2", second);
    }
    // File names are not among the arguments.
    let tuple = Tuple::build(&cx.heap, 2, |i| args[i].get(cx));
    own(cx, exception).set_ref(&cx.heap, |e| &e.args, Some(tuple));
    Ok(())
}

/// Raises the OSError of an errno.
pub fn os_error(cx: &mut Cx, errno: i32, text: &str, filename: Option<Root>) -> Raised {
    let mark = cx.mark();
    let class = class_of_errno(i64::from(errno)).unwrap_or(Exc::OSError);
    let number = cx.push_raw(Raw::int(i64::from(errno)));
    let text = Str::new(&cx.heap, text).value().raw();
    let text = cx.push_raw(text);
    let exception = cx.new_exception(class, &[number, text]).value().raw();
    let exception = cx.push_raw(exception);
    let (number, text) = (number.get(cx).raw(), text.get(cx).raw());
    set_field(cx, exception, Exc::OSError, "errno", number);
    set_field(cx, exception, Exc::OSError, "strerror", text);
    if let Some(name) = filename.filter(|name| !name.get(cx).is_none()) {
        let name = name.get(cx).raw();
        set_field(cx, exception, Exc::OSError, "filename", name);
    }
    let raised = cx.raise(exception);
    cx.release(mark);
    raised
}

/// Raises what an I/O error of the host is.
pub fn io_error(cx: &mut Cx, error: &std::io::Error, filename: Option<Root>) -> Raised {
    let shown = error.to_string();
    let filename = filename.map(|path| plain_path(cx, path));
    match error.raw_os_error() {
        Some(errno) => {
            let text = shown.strip_suffix(&format!(" (os error {errno})")).unwrap_or(&shown);
            os_error(cx, errno, text, filename)
        }
        None => cx.raise_text(Exc::OSError, &shown),
    }
}

/// What errors say for a path: the text or bytes that it stands for.
pub fn plain_path(cx: &mut Cx, path: Root) -> Root {
    if matches!(path.get(cx).kind(), Kind::Str | Kind::Bytes | Kind::Int) {
        return path;
    }
    let text = match cx.call_special(path, Name::Fspath, &[]) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => return path,
        Err(raised) => Err(raised),
    };
    text.unwrap_or_else(|raised| {
        cx.take_raised(raised);
        path
    })
}
