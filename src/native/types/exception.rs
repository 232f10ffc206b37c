//! The builtin exceptions: what BaseException has, and what some classes add.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{ClassFlags, Dict, Exc, Exception, Str, Traceback, Tuple, field_index};
use crate::text::codec;
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

    /// Keep the arguments; the only one, or the tuple of several, is the code.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        no_keywords(cx, this, kwargs)?;
        set_args(cx, this, args);
        let code = match args.0.len() {
            0 => Raw::NONE,
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
        let get = |cx: &mut Cx, name: &str| {
            let raw = field(cx, this, Exc::OSError, name);
            cx.push_raw(raw)
        };
        let (errno, text) = (get(cx, "errno"), get(cx, "strerror"));
        let (first, second) = (get(cx, "filename"), get(cx, "filename2"));
        let args = own(cx, this).args().len();
        let has_both = (!errno.get(cx).is_none() && !text.get(cx).is_none()) || args == 2;
        if first.get(cx).is_none() && !has_both {
            return plain_text(cx, this);
        }
        let (errno, text) = (cx.str_of(errno)?, cx.str_of(text)?);
        let mut out = [b"[Errno ".as_slice(), &bytes_of(cx, errno), b"] ", &bytes_of(cx, text)].concat();
        if !first.get(cx).is_none() {
            let shown = cx.repr(first)?;
            out.extend_from_slice(b": ");
            out.extend_from_slice(&bytes_of(cx, shown));
            if !second.get(cx).is_none() {
                let shown = cx.repr(second)?;
                out.extend_from_slice(b" -> ");
                out.extend_from_slice(&bytes_of(cx, shown));
            }
        }
        Ok(Str::from_parts(&cx.heap, &[&out]).into())
    }

    /// What is pickled: the file names come back into the arguments.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let exception = own(cx, this);
        let mut args: Vec<Value<'_>> = exception.args().items().collect();
        let first = exception.field(field_index(Exc::OSError, "filename").expect("a field"));
        let second = exception.field(field_index(Exc::OSError, "filename2").expect("a field"));
        if args.len() == 2 && !first.is_none() {
            args.push(first);
            if !second.is_none() {
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

natives!(
    /// Unicode encoding error.
    pub static UNICODE_ENCODE_ERROR_METHODS: Methods;

    /// Keep the encoding, the text, the place in it and the reason.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        unicode_init(cx, this, args, kwargs, Exc::UnicodeEncodeError)
    }

    /// Return str(self): what cannot be encoded, where and why.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        unicode_text(cx, this, Exc::UnicodeEncodeError)
    }
);

natives!(
    /// Unicode decoding error.
    pub static UNICODE_DECODE_ERROR_METHODS: Methods;

    /// Keep the encoding, the bytes, the place in them and the reason.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        unicode_init(cx, this, args, kwargs, Exc::UnicodeDecodeError)
    }

    /// Return str(self): what cannot be decoded, where and why.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        unicode_text(cx, this, Exc::UnicodeDecodeError)
    }
);

natives!(
    /// Unicode translation error.
    pub static UNICODE_TRANSLATE_ERROR_METHODS: Methods;

    /// Keep the text, the place in it and the reason.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        unicode_init(cx, this, args, kwargs, Exc::UnicodeTranslateError)
    }

    /// Return str(self): what cannot be translated, where and why.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        unicode_text(cx, this, Exc::UnicodeTranslateError)
    }
);

natives!(
    /// Several exceptions that travel as one.
    pub static EXCEPTION_GROUP_METHODS: Methods;

    /// Make a group; one of Exceptions alone is an ExceptionGroup.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let group = new_group(cx, class, args)?;
        Ok(group.get(cx).into())
    }

    /// Keep the arguments.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        no_keywords(cx, this, kwargs)?;
        set_args(cx, this, args);
        Ok(Outcome::NONE)
    }

    /// Return str(self): the message and how many there are.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let message = field(cx, this, Exc::BaseExceptionGroup, "message");
        let message = cx.push_raw(message);
        let text = cx.str_of(message)?;
        let count = members(cx, this).len();
        let s = if count == 1 { "" } else { "s" };
        let more = format!(" ({count} sub-exception{s})");
        let bytes = bytes_of(cx, text);
        Ok(Str::from_parts(&cx.heap, &[&bytes, more.as_bytes()]).into())
    }

    /// Make a group with the same message of other exceptions: what subgroup() and split() call.
    fn derive(cx: &mut Cx, this: Root, excs: Root) -> NativeResult {
        let message = field(cx, this, Exc::BaseExceptionGroup, "message");
        let message = cx.push_raw(message);
        let class = cx.exception_class(Exc::BaseExceptionGroup).value().raw();
        let class = cx.push_raw(class);
        let group = cx.call(class, &[message, excs])?;
        Ok(group.get(cx).into())
    }

    /// Return the group of those exceptions that match, nested as they are; None if there are none.
    fn subgroup(cx: &mut Cx, this: Root, matcher_value: Root) -> NativeResult {
        let by = matcher(cx, matcher_value)?;
        let (matched, _) = self::split(cx, this, matcher_value, by, false)?;
        Ok(matched.get(cx).into())
    }

    /// Return the group of those exceptions that match and the group of the others.
    fn split(cx: &mut Cx, this: Root, matcher_value: Root) -> NativeResult {
        let by = matcher(cx, matcher_value)?;
        let (matched, rest) = self::split(cx, this, matcher_value, by, true)?;
        Ok(cx.tuple(&[matched.get(cx), rest.get(cx)]).into())
    }

    /// Return the alias of the class and an item.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

/// The exception of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'_, Exception> {
    this.get(cx).exact::<Exception>().expect("the instance is an exception")
}

fn bytes_of(cx: &Cx, text: Root) -> Vec<u8> {
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
fn make(cx: &mut Cx, class: Root, args: &[Root]) -> Result<Root, Raised> {
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

fn set_args(cx: &mut Cx, this: Root, args: Rest) {
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

fn no_keywords(cx: &mut Cx, this: Root, kwargs: KeywordRest) -> Result<(), Raised> {
    if kwargs.0.get(cx).exact::<Dict>().is_none_or(|d| d.is_empty()) {
        return Ok(());
    }
    let name = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
    Err(cx.type_error(format!("{name}() takes no keyword arguments")))
}

/// The content of a field, None if it was not set.
fn field(cx: &Cx, this: Root, class: Exc, name: &str) -> Raw {
    field_index(class, name).map_or(Raw::NONE, |index| own(cx, this).field(index).raw())
}

fn set_field(cx: &Cx, this: Root, class: Exc, name: &str, value: Raw) {
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
    let set: Vec<(&str, Raw)> = names.iter().map(|name| (*name, field(cx, this, class, name))).collect();
    let set: Vec<_> = set.into_iter().filter(|(_, value)| !value.same(Raw::NONE)).collect();
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
        set_field(cx, this, class, name, Raw::NONE);
    }
    for (key, value) in pairs {
        let key = Value::adopt(key).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
        if !names.contains(&key.as_str()) {
            let name = class.name();
            return Err(cx.type_error(format!("{name}() got an unexpected keyword argument '{key}'")));
        }
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
    set_field(cx, exception, Exc::OSError, "filename2", second);
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
    if let Some(name) = filename {
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

// ---- Unicode ----

fn unicode_init(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest, class: Exc) -> NativeResult {
    no_keywords(cx, this, kwargs)?;
    set_args(cx, this, args);
    let names = class.own_fields();
    let given = args.0.len();
    if given != names.len() {
        let wanted = names.len();
        return Err(cx.type_error(format!("function takes exactly {wanted} arguments ({given} given)")));
    }
    for (number, (name, root)) in names.iter().zip(args.0.roots()).enumerate() {
        let number = number + 1;
        let value = root.get(cx);
        let raw = match *name {
            "start" | "end" => {
                let index = cx.index_as_i64(root)?;
                Raw::int(index)
            }
            "object" if class == Exc::UnicodeDecodeError => {
                let payload = cx.payload(value);
                if payload.kind() == Kind::Bytes {
                    payload.raw()
                } else if let Some(bytes) = cx.bytes_like(payload) {
                    crate::object::Bytes::new(&cx.heap, &bytes).value().raw()
                } else {
                    let got = cx.type_name_for_error(root.get(cx));
                    return Err(cx.type_error(format!("a bytes-like object is required, not '{got}'")));
                }
            }
            _ if cx.as_str(value).is_some() => value.raw(),
            _ => {
                let got = cx.type_name_for_error(value);
                return Err(cx.type_error(format!("argument {number} must be str, not {got}")));
            }
        };
        set_field(cx, this, class, name, raw);
    }
    Ok(Outcome::NONE)
}

fn unicode_text(cx: &mut Cx, this: Root, class: Exc) -> NativeResult {
    let get = |cx: &Cx, name: &str| field(cx, this, class, name);
    let object = get(cx, "object");
    if object.same(Raw::NONE) {
        return Ok(cx.str("").into());
    }
    let number = |raw: Raw| Value::adopt(raw).as_int().unwrap_or(0);
    let (start, end) = (number(get(cx, "start")), number(get(cx, "end")));
    let reason = get(cx, "reason");
    let reason = cx.push_raw(reason);
    let reason = cx.str_text(reason)?;
    let encoding = get(cx, "encoding");
    let encoding = cx.push_raw(encoding);
    let encoding = cx.str_text(encoding)?;
    let value = cx.payload(Value::adopt(object));
    let bytes_wanted = class == Exc::UnicodeDecodeError;
    let fits = if bytes_wanted { cx.bytes_like(value).is_some() } else { cx.as_str(value).is_some() };
    if !fits {
        let wanted = if bytes_wanted { "bytes" } else { "string" };
        return Err(cx.type_error(format!("UnicodeError 'object' attribute must be a {wanted}")));
    }
    let text = match class {
        Exc::UnicodeDecodeError => {
            let bytes = cx.bytes_like(value).unwrap_or_default();
            match usize::try_from(start) {
                Ok(at) if at < bytes.len() && end == start + 1 => {
                    codec::decode_message(&encoding, &bytes, at, at + 1, &reason)
                }
                _ => format!("'{encoding}' codec can't decode bytes in position {start}-{}: {reason}", end - 1),
            }
        }
        _ => {
            let bytes = cx.as_str(value).map_or(vec![], |s| s.as_bytes().to_vec());
            let len = crate::text::wtf8::count(&bytes) as i64;
            let one = (0..len).contains(&start) && end == start + 1;
            let what = match (class, one) {
                (Exc::UnicodeEncodeError, _) => format!("'{encoding}' codec can't encode"),
                _ => "can't translate".to_owned(),
            };
            if one {
                let point = crate::text::wtf8::code_points(&bytes).nth(start as usize).unwrap_or(0);
                let shown = match point {
                    0..=0xFF => format!("\\x{point:02x}"),
                    0x100..=0xFFFF => format!("\\u{point:04x}"),
                    _ => format!("\\U{point:08x}"),
                };
                format!("{what} character '{shown}' in position {start}: {reason}")
            } else {
                format!("{what} characters in position {start}-{}: {reason}", end - 1)
            }
        }
    };
    Ok(cx.str(&text).into())
}

// ---- groups ----

/// The exceptions of a group.
fn members(cx: &Cx, group: Root) -> Vec<Raw> {
    let exceptions = field(cx, group, Exc::BaseExceptionGroup, "exceptions");
    Value::adopt(exceptions).exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.raw()).collect())
}

fn new_group(cx: &mut Cx, class: Root, args: Rest) -> Result<Root, Raised> {
    let given = args.0.len();
    if given != 2 {
        return Err(cx.type_error(format!("BaseExceptionGroup.__new__() takes exactly 2 arguments ({given} given)")));
    }
    let (message, exceptions) = (args.0.root(0), args.0.root(1));
    if cx.as_str(message.get(cx)).is_none() {
        let got = cx.argument_name_for_error(message.get(cx));
        return Err(cx.type_error(format!("BaseExceptionGroup.__new__() argument 1 must be str, not {got}")));
    }
    let kind = exceptions.get(cx).kind();
    let sequence = matches!(kind, Kind::List | Kind::Tuple)
        || !matches!(kind, Kind::Dict | Kind::Set | Kind::FrozenSet)
            && cx.special_method(exceptions, Name::GetItem)?.is_some()
            && cx.special_method(exceptions, Name::Len)?.is_some();
    if !sequence {
        return Err(cx.type_error("second argument (exceptions) must be a sequence".into()));
    }
    let tuple = cx.tuple_from(exceptions)?;
    let items: Vec<Raw> = tuple.get(cx).exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.raw()).collect());
    if items.is_empty() {
        return Err(cx.value_error("second argument (exceptions) must be a non-empty sequence"));
    }
    let mut nested_base = false;
    for (number, item) in items.iter().enumerate() {
        if Value::adopt(*item).kind() != Kind::Exception {
            return Err(cx.value_error(format!("Item {number} of second argument (exceptions) is not an exception")));
        }
        nested_base |= !cx.is_exception(Value::adopt(*item), Exc::Exception);
    }
    let plain = cx.exception_class(Exc::ExceptionGroup).held();
    let base = cx.exception_class(Exc::BaseExceptionGroup).held();
    cx.check_new(class, base)?;
    let own_class = class.get(cx).exact::<crate::object::Class>().expect("checked").held();
    let mut class = class;
    if own_class == base {
        if !nested_base {
            class = cx.push_raw(plain.value().raw());
        }
    } else if nested_base && own_class == plain {
        return Err(cx.type_error("Cannot nest BaseExceptions in an ExceptionGroup".into()));
    } else if nested_base && own_class.is_subclass(cx.exception_class(Exc::Exception)) {
        let name = own_class.name().to_str_lossy().into_owned();
        return Err(cx.type_error(format!("Cannot nest BaseExceptions in '{name}'")));
    }
    let group = make(cx, class, &[message, exceptions])?;
    let (message, tuple) = (message.get(cx).raw(), tuple.get(cx).raw());
    set_field(cx, group, Exc::BaseExceptionGroup, "message", message);
    set_field(cx, group, Exc::BaseExceptionGroup, "exceptions", tuple);
    Ok(group)
}

/// How a group is split.
#[derive(Clone, Copy)]
enum Matcher {
    /// By a class or a tuple of classes.
    Classes,
    /// By asking a function.
    Predicate,
}

fn matcher(cx: &mut Cx, value: Root) -> Result<Matcher, Raised> {
    let base = cx.exception_class(Exc::BaseException).held();
    let is_class = |v: Value<'_>| v.exact::<crate::object::Class>().is_some_and(|c| c.is_subclass(base));
    let given = value.get(cx);
    if is_class(given) || given.exact::<Tuple>().is_some_and(|t| t.items().all(is_class)) {
        return Ok(Matcher::Classes);
    }
    let is_callable = given.kind() != Kind::Class && given.kind() != Kind::Tuple;
    if is_callable {
        let class = cx.class_of(given).held();
        let name = cx.name(Name::Call).held();
        if cx.lookup_class(class, name).is_some() {
            return Ok(Matcher::Predicate);
        }
    }
    let text = "expected an exception type, a tuple of exception types, or a callable (other than a class)";
    Err(cx.type_error(text.into()))
}

/// The part of an exception that matches and the rest, each None if there is nothing.
fn split(cx: &mut Cx, exception: Root, value: Root, by: Matcher, want_rest: bool) -> Result<(Root, Root), Raised> {
    cx.check_stack()?;
    let matches = match by {
        Matcher::Classes => cx.is_instance(exception, value)?,
        Matcher::Predicate => {
            let answer = cx.call(value, &[exception])?;
            cx.truth(answer)?
        }
    };
    let none = cx.push_raw(Raw::NONE);
    if matches {
        return Ok((exception, none));
    }
    if !cx.is_exception(exception.get(cx), Exc::BaseExceptionGroup) {
        return Ok((none, exception));
    }
    let list = |cx: &mut Cx| {
        let raw = cx.list(&[]).value().raw();
        cx.push_raw(raw)
    };
    let (matched, rest) = (list(cx), list(cx));
    for raw in members(cx, exception) {
        let mark = cx.mark();
        let item = cx.push_raw(raw);
        let (yes, no) = self::split(cx, item, value, by, want_rest)?;
        if !yes.get(cx).is_none() {
            cx.list_push(matched, yes)?;
        }
        if want_rest && !no.get(cx).is_none() {
            cx.list_push(rest, no)?;
        }
        cx.release(mark);
    }
    let matched = subset(cx, exception, matched)?;
    let rest = if want_rest { subset(cx, exception, rest)? } else { none };
    Ok((matched, rest))
}

/// A group like another with fewer exceptions; None if there are none.
fn subset(cx: &mut Cx, group: Root, exceptions: Root) -> Result<Root, Raised> {
    if cx.length(exceptions)? == 0 {
        return Ok(cx.push_raw(Raw::NONE));
    }
    let new = cx.call_method(group, "derive", &[exceptions])?;
    if !cx.is_exception(new.get(cx), Exc::BaseExceptionGroup) {
        return Err(cx.type_error("derive must return an instance of BaseExceptionGroup".into()));
    }
    let (to, from) = (own(cx, new), own(cx, group));
    if let Some(traceback) = from.get().traceback.get() {
        to.set_ref(&cx.heap, |e| &e.traceback, Some(traceback));
    }
    to.set_any(&cx.heap, |e| &e.context, from.get().context.value());
    to.set_any(&cx.heap, |e| &e.cause, from.get().cause.value());
    to.get().suppress_context.set(true);
    if let Some(notes) = cx.find_attribute(group, "__notes__")?
        && matches!(notes.get(cx).kind(), Kind::List | Kind::Tuple)
    {
        let notes = cx.list_from(notes)?;
        let name = cx.name(Name::Notes).value().raw();
        let name = cx.push_raw(name);
        cx.set_attribute(new, name, notes)?;
    }
    Ok(new)
}
