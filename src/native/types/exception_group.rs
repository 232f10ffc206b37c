//! Groups of exceptions: how they are made, split and derived from.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::object::{Exc, Str, Tuple};
use crate::vm::Name;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::exception::{bytes_of, field, make, no_keywords, own, set_args, set_field};

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
    if !cx.has_numbered_items(exceptions)? {
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
