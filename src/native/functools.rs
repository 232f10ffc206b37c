//! The module `_functools`: `reduce`, and what `partial`, `lru_cache` and `cmp_to_key` do when they are called. Their classes are written in
//! the language; they declare slots, which are in the order of their names.

use crate::heap::{AnyRef, Gc, Kind, OutOfMemory, Raw, Ref, Slot, Value};
use crate::native::forward::call;
use crate::native::{Natives, complete, library_class, natives};
use crate::object::{Access, Class, Dict, GetSet, Instance, Str, Tuple};
use crate::vm::native::{
    Args, Cx, Given, KeywordRest, NativeFunction, NativeResult, Outcome, Quick, Raised, Rest, Resumed, Root, Then,
};
use crate::vm::{CompareKind, Library, Name};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_functools").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// Tools that operate on functions.
    static FUNCTIONS: Functions;

    /// Apply a function of two arguments cumulatively to the items of an iterable, from left to right.
    fn reduce(
        cx: &mut Cx,
        function: Root,
        iterable: Root,
        #[either]
        #[text("<unrepresentable>")]
        initial: Given<Root>,
    ) -> NativeResult {
        let raw = iterable.get(cx).raw();
        if !cx.is_iterable(Value::adopt(raw)) {
            return Err(cx.type_error("reduce() arg 2 must support iteration".into()));
        }
        let iterator = cx.iter(iterable)?;
        let total = match initial.0 {
            Some(initial) => initial,
            None => match cx.next(iterator)? {
                Some(first) => first,
                None => return Err(cx.type_error("reduce() of empty iterable with no initial value".into())),
            },
        };
        // The loop is the library's: the run loop calls the function without leaving itself.
        let module = cx.import("_itertools")?;
        let callee = cx.attribute(module, "reduce")?.get(cx).raw();
        let [function, iterator, total] = [function, iterator, total].map(|root| root.get(cx).raw());
        call(cx, callee, &[function, iterator, total], Args::of(iterable, 0), &[], Then::Return)
    }

    /// Make a partial of what its class was called with; None where that is no function to begin with, or one with arguments given, or
    /// places are left open.
    fn _new_partial(cx: &mut Cx, class: Root, args: Root, keywords: Root, placeholder: Root) -> NativeResult {
        let (Some(class), Some(given), Some(named)) = (
            library_class(cx, class, 0),
            args.get(cx).exact::<Tuple>().map(Gc::held),
            keywords.get(cx).exact::<Dict>().map(Gc::held),
        ) else {
            return Ok(Outcome::NONE);
        };
        let open = placeholder.get(cx).raw();
        let plain = named.iter().all(|(_, value)| !value.raw().same(open));
        let given: smallvec::SmallVec<[Raw; 8]> = given.items().map(Value::raw).collect();
        let made = if plain { new_partial(cx, class, &given, named, open) } else { None };
        Ok(made.map_or(Outcome::NONE, Outcome::Value))
    }

    /// Say which class is `partial`, and which object leaves a place open.
    fn _know_partial(cx: &mut Cx, class: Root, placeholder: Root) -> NativeResult {
        let open = placeholder.get(cx).raw();
        if let Some(class) = library_class(cx, class, 4) {
            cx.set_library(Library::Placeholder, open);
            for (name, slot) in [("args", ARGS), ("func", FUNC), ("keywords", KEYWORDS)] {
                let name = cx.intern(name).held();
                let member = cx.heap.alloc(GetSet {
                    name: Ref::new(name),
                    class: Ref::new(class),
                    access: Access::Member(slot as u8),
                    getter: AnyRef::none(),
                    setter: AnyRef::none(),
                    doc: Slot::new(Value::NONE),
                });
                let member = member.value().raw();
                cx.set_class_attribute(class, name, member);
            }
            cx.set_library_maker(Library::Partial, class, partial_of, Some(partial_by_name));
        }
        Ok(Outcome::NONE)
    }

    /// Give a partial what it consists of, which scripts can only read.
    fn _set_partial(cx: &mut Cx, this: Root, func: Root, args: Root, keywords: Root, open: Root) -> NativeResult {
        let partial = instance(cx, this)?;
        for (slot, value) in [(FUNC, func), (ARGS, args), (KEYWORDS, keywords), (OPEN, open)] {
            partial.set_slot(cx.heap.forever(), slot, value.get(cx));
        }
        Ok(Outcome::NONE)
    }

    /// Say which class is `SimpleNamespace`.
    fn _know_namespace(cx: &mut Cx, class: Root) -> NativeResult {
        if let Some(class) = library_class(cx, class, 0) {
            cx.set_library_maker(
                Library::Namespace,
                class,
                |_, _| Ok(Outcome::Value(Raw::UNBOUND)),
                Some(namespace_by_name),
            );
        }
        Ok(Outcome::NONE)
    }

    /// Give a class of the library the methods that are native.
    fn _complete(cx: &mut Cx, class: Root) -> NativeResult {
        let Some(class) = library_class(cx, class, 0) else { return Ok(Outcome::NONE) };
        let methods: &Natives = match class.name().as_bytes() {
            b"partial" => &PARTIAL,
            b"_lru_cache_wrapper" => &CACHE,
            _ => &KEY,
        };
        complete(cx, class, methods);
        Ok(Outcome::NONE)
    }
);

/// A partial of a function and arguments; None if the function is none to begin with (it may be a partial itself), or a place is left open.
fn new_partial(cx: &Cx, class: Gc<'_, Class>, given: &[Raw], named: Gc<'static, Dict>, open: Raw) -> Option<Raw> {
    let (function, rest) = given.split_first()?;
    let function = Value::<'static>::adopt(function.copied());
    let known = matches!(function.kind(), Kind::Function | Kind::Native | Kind::BoundMethod | Kind::Class);
    if !known || open.is_unbound() || given.iter().any(|value| value.same(open)) {
        return None;
    }
    let heap = cx.heap.forever();
    let args = if rest.is_empty() {
        cx.empty_tuple().held()
    } else {
        Tuple::build(heap, rest.len(), |at| Value::adopt(rest[at].copied()))
    };
    let partial = Instance::new(heap, class);
    for (slot, value) in [(OPEN, Value::int(0)), (ARGS, args.value()), (FUNC, function), (KEYWORDS, named.value())] {
        partial.set_slot(heap, slot, value);
    }
    Some(partial.value().raw())
}

/// `partial(function, ...)`.
fn partial_of(cx: &mut Cx, args: Args) -> NativeResult {
    let given: smallvec::SmallVec<[Raw; 8]> = args.roots().map(|arg| arg.get(cx).raw()).collect();
    let Some(class) = Value::<'static>::adopt(cx.library(Library::Partial)).exact::<Class>() else {
        return Ok(Outcome::Value(Raw::UNBOUND));
    };
    let named = Dict::new(cx.heap.forever());
    let made = new_partial(cx, class, &given, named, cx.library(Library::Placeholder));
    Ok(Outcome::Value(made.unwrap_or(Raw::UNBOUND)))
}

/// `partial(function, ..., name=value)`.
fn partial_by_name(cx: &mut Cx, args: Args, names: Gc<'static, Tuple>) -> Raw {
    let open = cx.library(Library::Placeholder);
    let given: smallvec::SmallVec<[Raw; 8]> = args.roots().map(|arg| arg.get(cx).raw()).collect();
    let (given, values) = given.split_at(given.len() - names.len());
    let named = Dict::new(cx.heap.forever());
    for (name, value) in names.items().zip(values) {
        let Some(name) = name.exact::<Str>().filter(|_| !value.same(open)) else { return Raw::UNBOUND };
        if named.set_str(cx.heap.forever(), name, Value::adopt(value.copied())).is_err() {
            return Raw::UNBOUND;
        }
    }
    let class = Value::<'static>::adopt(cx.library(Library::Partial)).exact::<Class>();
    class.and_then(|class| new_partial(cx, class, given, named, open)).unwrap_or(Raw::UNBOUND)
}

/// `SimpleNamespace(name=value, ...)`.
fn namespace_by_name(cx: &mut Cx, args: Args, names: Gc<'static, Tuple>) -> Raw {
    let Some(class) = Value::<'static>::adopt(cx.library(Library::Namespace)).exact::<Class>() else {
        return Raw::UNBOUND;
    };
    if names.len() != args.len() {
        return Raw::UNBOUND;
    }
    let instance = Instance::new(cx.heap.forever(), class);
    for (name, value) in names.items().zip(args.roots()) {
        let value = value.get(cx).raw();
        let kept = name.exact::<Str>().is_some_and(|name| cx.add_attribute(instance, name, value));
        if !kept {
            return Raw::UNBOUND;
        }
    }
    instance.value().raw()
}

/// The instance that a method was called with.
fn instance(cx: &mut Cx, this: Root) -> Result<Gc<'static, Instance>, Raised> {
    match this.get(cx).exact::<Instance>().map(Gc::held) {
        Some(instance) => Ok(instance),
        None => Err(cx.system_error("an object of the library without its slots")),
    }
}

/// The pairs of a dict.
fn pairs(cx: &Cx, dict: Value<'_>) -> Vec<(Raw, Raw)> {
    if dict.is_unbound() {
        return Vec::new();
    }
    match dict.exact::<Dict>() {
        Some(dict) if !dict.is_empty() => dict.iter().map(|(key, value)| (key.raw(), value.raw())).collect(),
        _ => cx
            .dict_of(Value::adopt(dict.raw()))
            .map_or_else(Vec::new, |dict| dict.iter().map(|(key, value)| (key.raw(), value.raw())).collect()),
    }
}

// ---- partial ----

const OPEN: usize = 0;
const ARGS: usize = 1;
const FUNC: usize = 2;
const KEYWORDS: usize = 3;

/// A partial of a native called with one argument more.
fn call_partial(cx: &mut Cx, partial: Raw, argument: Raw) -> Raw {
    let Some(partial) = Value::<'static>::adopt(partial).exact::<Instance>() else { return Raw::UNBOUND };
    let parts = (partial.slot(FUNC).exact::<NativeFunction>(), partial.slot(ARGS).exact::<Tuple>());
    let (Some(function), Some(before)) = parts else { return Raw::UNBOUND };
    let named = partial.slot(KEYWORDS).exact::<Dict>().is_none_or(|keywords| !keywords.is_empty());
    if named || partial.slot(OPEN).as_int() != Some(0) {
        return Raw::UNBOUND;
    }
    let given = |at: usize| before.item(at).raw();
    match (function.get().def.quick, before.len()) {
        (Quick::One(quick), 0) => quick(cx, argument),
        (Quick::Two(quick), 1) => quick(cx, given(0), argument),
        (Quick::Three(quick), 1) => quick(cx, given(0), argument, Raw::UNBOUND),
        (Quick::Three(quick), 2) => quick(cx, given(0), given(1), argument),
        _ => Raw::UNBOUND,
    }
}

natives!(
    /// Functions with some arguments given.
    static PARTIAL: Methods;

    /// Call self as a function.
    #[quick(Two(call_partial))]
    fn __call__(cx: &mut Cx, this: Root, args: Rest, #[text("<unrepresentable>")] kwargs: KeywordRest) -> NativeResult {
        let partial = instance(cx, this)?;
        if partial.slot(OPEN).as_int() != Some(0) {
            let given: Vec<Root> = args.0.roots().collect();
            let tuple = Tuple::build(&cx.heap, given.len(), |at| given[at].get(cx)).value().raw();
            let (method, tuple) = (cx.attribute(this, "_call_open")?, cx.push_raw(tuple));
            if kwargs.0.get(cx).is_unbound() {
                let none = Dict::new(&cx.heap).value().raw();
                kwargs.0.set(cx, Value::adopt(none));
            }
            let before = [tuple.get(cx).raw(), kwargs.0.get(cx).raw()];
            let callee = method.get(cx).raw();
            return call(cx, callee, &before, Args::of(this, 0), &[], Then::Return);
        }
        let Some(before) = partial.slot(ARGS).exact::<Tuple>() else {
            return Err(cx.system_error("a partial without arguments"));
        };
        let before: smallvec::SmallVec<[Raw; 8]> = before.items().map(Value::raw).collect();
        let function = partial.slot(FUNC).raw();
        let mut keywords = pairs(cx, partial.slot(KEYWORDS));
        for (name, value) in pairs(cx, kwargs.0.get(cx)) {
            let text = Value::<'static>::adopt(name).exact::<Str>();
            let known = keywords.iter_mut().find(|(known, _)| {
                known.same(name)
                    || matches!((Value::<'static>::adopt(*known).exact::<Str>(), text), (Some(a), Some(b)) if a.equals(b))
            });
            match known {
                Some(pair) => pair.1 = value,
                None => keywords.push((name, value)),
            }
        }
        call(cx, function, &before, args.0, &keywords, Then::Return)
    }
);

// ---- lru_cache: the cache is a dict, in order of use; without a limit, in order of first use ----

const CACHED: usize = 0;
const FUNCTION: usize = 1;
const HITS: usize = 2;
const MOST: usize = 3;
const MISSES: usize = 4;
const TYPED: usize = 5;

/// What a cache has for one argument that stands for itself.
fn cached_result(cx: &mut Cx, cached: Raw, argument: Raw) -> Raw {
    let Some(cached) = Value::<'static>::adopt(cached).exact::<Instance>() else { return Raw::UNBOUND };
    let argument = Value::<'static>::adopt(argument);
    if cached.slot(TYPED).is(Value::TRUE) || !stands_for_itself(argument) {
        return Raw::UNBOUND;
    }
    let Some(dict) = cached.slot(CACHED).exact::<Dict>() else { return Raw::UNBOUND };
    let Some(Some(at)) = cx.dict_find_at_once(dict, argument) else { return Raw::UNBOUND };
    let result = dict.value_at(at).raw();
    if !cached.slot(MOST).is_none() && to_end(cx, dict, at).is_err() {
        return Raw::UNBOUND;
    }
    count(cx, cached, HITS);
    result
}

/// Moves an entry behind all others.
pub(super) fn to_end(cx: &Cx, dict: Gc<'static, Dict>, at: usize) -> Result<(), OutOfMemory> {
    let Some((key, value)) = dict.entry(at).filter(|_| at + 1 != dict.used()) else { return Ok(()) };
    let hash = dict.entry_hash(at);
    dict.remove_at(&cx.heap, at);
    dict.insert(cx.heap.forever(), hash, key, value).map(drop)
}

/// Whether an only argument is the key of its call.
fn stands_for_itself(argument: Value<'_>) -> bool {
    argument.as_int().is_some() || argument.exact::<Str>().is_some()
}

natives!(
    /// Functions with a cache.
    static CACHE: Methods;

    /// Call self as a function.
    #[quick(Two(cached_result))]
    fn __call__(cx: &mut Cx, this: Root, args: Rest, #[text("<unrepresentable>")] kwargs: KeywordRest) -> NativeResult {
        let cached = instance(cx, this)?;
        let function = cached.slot(FUNCTION).raw();
        let most = cached.slot(MOST).as_int();
        let keywords = pairs(cx, kwargs.0.get(cx));
        if most == Some(0) {
            count(cx, cached, MISSES);
            return call(cx, function, &[], args.0, &keywords, Then::Return);
        }
        let key = key_of(cx, cached, args.0, &keywords);
        let key = cx.push_raw(key);
        let mark = cx.mark();
        let table = cx.push_raw(cached.slot(CACHED).raw());
        let dict = table_in(cx, table);
        let (found, hash) = match cx.dict_find_at_once(dict, key.get(cx)) {
            Some(Some(at)) => (Some(at), dict.entry_hash(at)),
            Some(None) => (None, cx.hash(key)?),
            None => {
                let hash = cx.hash(key)?;
                (cx.dict_find_hash(table, key, hash)?, hash)
            }
        };
        if let Some(at) = found {
            count(cx, cached, HITS);
            let dict = table_in(cx, table);
            let result = dict.value_at(at).raw();
            if most.is_some() {
                let moved = to_end(cx, dict, at);
                cx.fits(moved)?;
            }
            return Ok(Outcome::Value(result));
        }
        count(cx, cached, MISSES);
        // The continuation looks for key and hash behind everything else.
        cx.release(mark);
        cx.push(Value::int(hash));
        call(cx, function, &[], args.0, &keywords, Then::Continue(called))
    }
);

fn table_in(cx: &Cx, table: Root) -> Gc<'static, Dict> {
    table.get(cx).exact::<Dict>().expect("a cache's dict").held()
}

fn count(cx: &Cx, cached: Gc<'static, Instance>, slot: usize) {
    let next = cached.slot(slot).as_int().unwrap_or(0) + 1;
    cached.set_slot(cx.heap.forever(), slot, Value::int(next));
}

/// What stands for the arguments of a call: the only one itself if it is an int or a text, else a tuple.
fn key_of(cx: &mut Cx, cached: Gc<'static, Instance>, args: Args, keywords: &[(Raw, Raw)]) -> Raw {
    let typed = cached.slot(TYPED).is(Value::TRUE);
    if !typed && keywords.is_empty() {
        if args.len() == 1 {
            let only = args.get(cx, 0);
            if stands_for_itself(only) {
                return only.raw();
            }
        }
        return Tuple::build(&cx.heap, args.len(), |at| args.get(cx, at)).value().raw();
    }
    let mut parts: Vec<Raw> = args.roots().map(|arg| arg.get(cx).raw()).collect();
    if !keywords.is_empty() {
        // Between the positional ones and the others stands what nobody passes.
        parts.push(cx.class_of(cached.value()).value().raw());
        parts.extend(keywords.iter().flat_map(|(name, value)| [*name, *value]));
    }
    if typed {
        let given = args.roots().map(|arg| arg.get(cx).raw()).chain(keywords.iter().map(|(_, value)| *value));
        let types: Vec<Raw> = given.map(|raw| cx.class_of(Value::adopt(raw)).value().raw()).collect();
        parts.extend(types);
    }
    Tuple::build(&cx.heap, parts.len(), |at| Value::adopt(parts[at])).value().raw()
}

/// The cached function returned.
fn called(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(result) | Resumed::Yielded(result) | Resumed::Raised(result)) = resumed;
    let raw = result.get(cx).raw();
    let result = cx.push_raw(raw);
    let (key, hash) = (window.root(window.len() - 2), window.get(cx, window.len() - 1).as_int().unwrap_or(0));
    let cached = instance(cx, window.root(0))?;
    let table = cx.push_raw(cached.slot(CACHED).raw());
    if cx.dict_find_hash(table, key, hash)?.is_some() {
        return Ok(result.get(cx).into());
    }
    let dict = table_in(cx, table);
    if let Some(most) = cached.slot(MOST).as_int()
        && dict.len() as i64 >= most
    {
        let first = first_entry(cx, dict)?;
        if let Some(first) = first {
            dict.remove_at(&cx.heap, first);
        }
    }
    let done = dict.insert(cx.heap.forever(), hash, key.get(cx), result.get(cx));
    cx.fits(done)?;
    Ok(result.get(cx).into())
}

/// The first entry of a dict. Entries are moved together once there are many dead ones before it, so that it need not be looked for long.
pub(super) fn first_entry(cx: &mut Cx, dict: Gc<'static, Dict>) -> Result<Option<usize>, Raised> {
    let first = (0..dict.used()).find(|at| dict.entry(*at).is_some());
    if first.is_some_and(|first| first > 32 && first > dict.len() / 4) {
        let done = dict.compact(cx.heap.forever());
        cx.fits(done)?;
        return Ok(Some(0));
    }
    Ok(first)
}

// ---- cmp_to_key ----

const COMPARE: usize = 0;
const OBJECT: usize = 1;

natives!(
    /// Keys that are compared by a function.
    static KEY: Methods;

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, #[either] obj: Root) -> NativeResult {
        let by = instance(cx, this)?;
        let class = cx.class_of(this.get(cx)).held();
        let key = Instance::new(cx.heap.forever(), class);
        key.set_slot(cx.heap.forever(), COMPARE, by.slot(COMPARE));
        key.set_slot(cx.heap.forever(), OBJECT, Value::adopt(obj.get(cx).raw()));
        Ok(key.into())
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, answer::<0>)
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, answer::<1>)
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, answer::<2>)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, answer::<3>)
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, answer::<4>)
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, answer::<5>)
    }
);

/// Whether instances of a class are `cmp_to_key`'s keys.
pub(crate) fn are_keys(cx: &Cx, class: Gc<'_, Class>) -> bool {
    let less = cx.lookup_class(class, cx.name(Name::Lt)).and_then(|method| method.exact::<NativeFunction>());
    less.is_some_and(|less| KEY.defs.iter().any(|def| std::ptr::eq(def, less.get().def)))
}

/// What `a` and `b` stand for, behind the function that compares it; None if they are none of `are_keys`, or nothing yet.
pub(crate) fn compared_by(a: Raw, b: Raw) -> Option<[Raw; 3]> {
    let a = Value::<'static>::adopt(a).exact::<Instance>()?;
    let b = Value::<'static>::adopt(b).exact::<Instance>()?;
    let found = [a.slot(COMPARE).raw(), a.slot(OBJECT).raw(), b.slot(OBJECT).raw()];
    (!found.iter().any(|raw| raw.is_unbound())).then_some(found)
}

fn compare(cx: &mut Cx, this: Root, other: Root, then: fn(&mut Cx, Args, Resumed) -> NativeResult) -> NativeResult {
    let by = instance(cx, this)?;
    if cx.class_of(other.get(cx)) != cx.class_of(this.get(cx)) {
        return Err(cx.type_error("other argument must be K instance".into()));
    }
    let other = instance(cx, other)?;
    let [a, b] = [by.slot(OBJECT), other.slot(OBJECT)];
    if a.is_unbound() || b.is_unbound() {
        return Err(cx.raise_text(crate::object::Exc::AttributeError, "object"));
    }
    let callee = cx.push_raw(by.slot(COMPARE).raw());
    cx.push_raw(a.raw());
    cx.push_raw(b.raw());
    Ok(Outcome::Call { callee, argc: 2, keywords: None, then: Then::Continue(then) })
}

const KINDS: [CompareKind; 6] =
    [CompareKind::Lt, CompareKind::Le, CompareKind::Eq, CompareKind::Ne, CompareKind::Gt, CompareKind::Ge];

/// What the function's answer says, as a comparison with zero.
fn answer<const KIND: usize>(cx: &mut Cx, _: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(answer) | Resumed::Yielded(answer) | Resumed::Raised(answer)) = resumed;
    if let Some(number) = answer.get(cx).as_int() {
        return Ok(KINDS[KIND].holds(number.cmp(&0)).into());
    }
    let zero = cx.push(Value::int(0));
    Ok(cx.compare_value(KINDS[KIND], answer, zero)?.get(cx).into())
}
