//! `list[int]` and `int | str`: generic aliases and unions.

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::natives;
use crate::object::{Class, ClassFlags, GenericAlias, Tuple, Union};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root, Then};

use super::object;

/// The types of this file.
pub static ROWS: &[TypeRow] = &[
    TypeRow::of(Kind::GenericAlias, "GenericAlias", &[&ALIAS_METHODS, &object::UNEQUAL, &object::ORDERED])
        .in_module("types"),
    TypeRow::of(Kind::Union, "Union", &[&UNION_METHODS, &object::UNEQUAL, &object::ORDERED])
        .in_module("typing")
        .with(ClassFlags::FINAL),
];

fn alias(cx: &Cx, this: Root) -> &GenericAlias {
    let payload: Value<'_> = cx.payload(this.get(cx));
    payload.exact::<GenericAlias>().expect("methods check their receiver").get()
}

fn union_args(cx: &Cx, this: Root) -> Raw {
    this.get(cx).exact::<Union>().expect("methods check their receiver").get().args.get().raw()
}

natives!(
    /// A class with arguments for its type parameters.
    pub static ALIAS_METHODS: Methods;

    /// Make an alias.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, origin: Root, args: Root) -> NativeResult {
        cx.check_new_kind(class, Kind::GenericAlias)?;
        let (origin, args) = (origin.get(cx).raw(), args.get(cx).raw());
        let alias = cx.new_generic_alias(origin, args)?;
        cx.new_outcome(class, alias)
    }

    /// The class.
    #[getter]
    fn __origin__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(alias(cx, this).origin.get().into())
    }

    /// The arguments.
    #[getter]
    fn __args__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(alias(cx, this).args.get().into())
    }

    /// The type parameters among the arguments.
    #[getter]
    fn __parameters__(cx: &mut Cx, this: Root) -> NativeResult {
        let args = alias(cx, this).args.get().raw();
        parameters(cx, args).map(Outcome::Value)
    }

    /// Whether it was unpacked with a star.
    #[getter]
    fn __unpacked__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(alias(cx, this).unpacked.into())
    }

    /// The arguments of an unpacked tuple; None of another alias.
    #[getter]
    fn __typing_unpacked_tuple_args__(cx: &mut Cx, this: Root) -> NativeResult {
        let alias = alias(cx, this);
        let of_tuple = alias.origin.get().is(cx.kind_class(Kind::Tuple).value());
        Ok(if alias.unpacked && of_tuple { Outcome::Value(alias.args.get().raw()) } else { Outcome::NONE })
    }

    /// Call the class.
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let origin = alias(cx, this).origin.get().raw();
        let callee = cx.push(Value::adopt(origin));
        let given = args.0.roots().map(|r| r.get(cx).raw()).collect::<Vec<_>>();
        for raw in &given {
            cx.push(Value::adopt(*raw));
        }
        let (count, keywords) = cx.push_keywords(kwargs.0);
        Ok(Outcome::Call { callee, argc: given.len() as u32 + count, keywords, then: Then::Return })
    }

    /// What the class has under this name, but for what is the alias's own.
    fn __getattribute__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        const OWN: &[&str] = &[
            "__args__",
            // What would make it pass for the class itself is not handed on.
            "__bases__",
            "__class__",
            "__copy__",
            "__deepcopy__",
            "__mro_entries__",
            "__origin__",
            "__parameters__",
            "__reduce__",
            "__reduce_ex__",
            "__typing_unpacked_tuple_args__",
            "__unpacked__",
        ];
        let own = cx.as_str(name.get(cx)).is_none_or(|text| OWN.iter().any(|own| own.as_bytes() == text.as_bytes()));
        if own {
            return cx.generic_get(this, name, false);
        }
        let origin = alias(cx, this).origin.get().raw();
        let origin = cx.push(Value::adopt(origin));
        let found = cx.get_attribute(origin, name)?;
        Ok(found.get(cx).into())
    }

    /// What a class derived from it is derived from.
    fn __mro_entries__(cx: &mut Cx, this: Root, bases: Root) -> NativeResult {
        let origin = alias(cx, this).origin.get().raw();
        Ok(Tuple::new(&cx.heap, &[Value::adopt(origin)]).into())
    }

    /// Refused: an alias is no class.
    fn __instancecheck__(cx: &mut Cx, this: Root, instance: Root) -> NativeResult {
        Err(cx.type_error("isinstance() argument 2 cannot be a parameterized generic".into()))
    }

    /// Refused: an alias is no class.
    fn __subclasscheck__(cx: &mut Cx, this: Root, class: Root) -> NativeResult {
        Err(cx.type_error("issubclass() argument 2 cannot be a parameterized generic".into()))
    }

    /// Give arguments to the type parameters that are left.
    fn __getitem__(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        let (origin, args) = (alias(cx, this).origin.get().raw(), alias(cx, this).args.get().raw());
        let left = parameters(cx, args)?;
        let left = cx.push(Value::adopt(left));
        let given = prepared(cx, this, left, item)?;
        let new = substituted(cx, args, left, &given)?;
        let tuple = Tuple::build(&cx.heap, new.len(), |i| Value::adopt(new[i])).value().raw();
        cx.new_generic_alias(origin, tuple).map(Outcome::Value)
    }

    /// A union with another type.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, this, value)
    }

    /// A union with another type.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, value, this)
    }

    /// Whether both mean the same.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        equal(cx, this, value)
    }

    /// Hash of class and arguments.
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let (origin, args) = (alias(cx, this).origin.get().raw(), alias(cx, this).args.get().raw());
        let (origin, args) = (cx.push(Value::adopt(origin)), cx.push(Value::adopt(args)));
        let (a, b) = (cx.hash(origin)?, cx.hash(args)?);
        Ok((a ^ b).into())
    }

    /// As it is written.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Itself unpacked, for `*tuple[int, ...]`.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let (origin, args) = (alias(cx, this).origin.get().raw(), alias(cx, this).args.get().raw());
        let unpacked = GenericAlias {
            origin: Slot::new(Value::adopt(origin)),
            args: Slot::new(Value::adopt(args)),
            parameters: Slot::new(Value::UNBOUND),
            unpacked: true,
        };
        let unpacked = cx.heap.alloc(unpacked).value().raw();
        let tuple = Tuple::new(&cx.heap, &[Value::adopt(unpacked)]).value().raw();
        let tuple = cx.push(Value::adopt(tuple));
        let iterator = cx.iter(tuple)?;
        Ok(iterator.get(cx).into())
    }
);

natives!(
    /// One of several types.
    pub static UNION_METHODS: Methods;

    /// The types.
    #[getter]
    fn __args__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(union_args(cx, this)))
    }

    /// The union of these types: what is in it twice counts once, and a union of one type is that type.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        let items: Vec<Raw> = match item.get(cx).exact::<Tuple>() {
            Some(tuple) => tuple.items().map(Value::raw).collect(),
            None => vec![item.get(cx).raw()],
        };
        if items.is_empty() {
            return Err(cx.type_error("Cannot take a Union of no types.".into()));
        }
        let items = cx.tuple(&items.iter().map(|raw| Value::adopt(*raw)).collect::<Vec<_>>()).value().raw();
        let items = cx.push_raw(items);
        union_of_items(cx, items)
    }

    /// Give arguments to the type parameters that are left.
    fn __getitem__(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        let args = union_args(cx, this);
        let left = parameters(cx, args)?;
        let left = cx.push(Value::adopt(left));
        let given = prepared(cx, this, left, item)?;
        let new = substituted(cx, args, left, &given)?;
        let new = Tuple::build(&cx.heap, new.len(), |i| Value::adopt(new[i])).value().raw();
        let new = cx.push_raw(new);
        union_of_items(cx, new)
    }

    /// Refused: a union is no base.
    fn __mro_entries__(cx: &mut Cx, this: Root, bases: Root) -> NativeResult {
        let text = cx.repr_text(this)?;
        Err(cx.type_error(format!("Cannot subclass {text}")))
    }

    /// The class of unions.
    #[getter]
    fn __origin__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.class_of(this.get(cx)).into())
    }

    /// The type parameters among the types.
    #[getter]
    fn __parameters__(cx: &mut Cx, this: Root) -> NativeResult {
        let args = union_args(cx, this);
        parameters(cx, args).map(Outcome::Value)
    }

    /// A union with one more type.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, this, value)
    }

    /// A union with one more type.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, value, this)
    }

    /// Whether both have the same types.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        equal(cx, this, value)
    }

    /// Hash of the types, whatever their order.
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let args = union_args(cx, this);
        let args = cx.push(Value::adopt(args));
        let set = cx.new_set_from(args, true)?;
        cx.hash(set).map(Outcome::from)
    }

    /// As it is written.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Whether an object is an instance of one of the types.
    fn __instancecheck__(cx: &mut Cx, this: Root, instance: Root) -> NativeResult {
        let args = union_args(cx, this);
        let args = cx.push(Value::adopt(args));
        cx.is_instance(instance, args).map(Outcome::from)
    }

    /// Whether a class is derived from one of the types.
    fn __subclasscheck__(cx: &mut Cx, this: Root, class: Root) -> NativeResult {
        let args = union_args(cx, this);
        let args = cx.push(Value::adopt(args));
        cx.is_subclass(class, args).map(Outcome::from)
    }
);

/// The type parameters among arguments: what has `__typing_subst__`, and those of arguments that have parameters.
fn parameters(cx: &mut Cx, args: Raw) -> Result<Raw, Raised> {
    let mut found: Vec<Raw> = vec![];
    let items: Vec<Raw> = Value::adopt(args).exact::<Tuple>().map_or(vec![], |t| t.items().map(Value::raw).collect());
    for raw in items {
        let value = Value::adopt(raw);
        if value.exact::<Class>().is_some() || matches!(value.kind(), Kind::None | Kind::Ellipsis | Kind::Str) {
            continue;
        }
        let mark = cx.mark();
        let item = cx.push(value);
        let mut add = |raw: Raw| {
            if !found.iter().any(|known| known.same(raw)) {
                found.push(raw);
            }
        };
        if cx.find_attribute(item, "__typing_subst__")?.is_some() {
            add(raw);
        } else if let Some(own) = cx.find_attribute(item, "__parameters__")?
            && let Some(tuple) = own.get(cx).exact::<Tuple>()
        {
            tuple.items().for_each(|v| add(v.raw()));
        }
        cx.release(mark);
    }
    if found.is_empty() {
        return Ok(cx.empty_tuple().value().raw());
    }
    Ok(Tuple::build(&cx.heap, found.len(), |i| Value::adopt(found[i])).value().raw())
}

/// What is given for each of the parameters in `left`: the parameters have a say in it, so that one can stand for several.
fn prepared(cx: &mut Cx, this: Root, left: Root, item: Root) -> Result<Vec<Raw>, Raised> {
    let items = |value: Value<'_>| value.exact::<Tuple>().map(|t| t.items().map(Value::raw).collect::<Vec<Raw>>());
    let names = items(left.get(cx)).unwrap_or_default();
    if names.is_empty() {
        let text = cx.repr_text(this)?;
        return Err(cx.type_error(format!("{text} is not a generic class")));
    }
    let mut given = items(item.get(cx)).unwrap_or_else(|| vec![item.get(cx).raw()]);
    if given.iter().any(|raw| Value::adopt(*raw).exact::<Class>().is_none()) {
        let module = cx.import("_typeparams")?;
        let all: Vec<Value<'_>> = given.iter().map(|raw| Value::adopt(*raw)).collect();
        let all = cx.tuple(&all).value().raw();
        let all = cx.push_raw(all);
        let all = cx.call_method(module, "_unpack_args", &[all])?;
        let all = cx.tuple_from(all)?;
        given = items(all.get(cx)).unwrap_or_default();
    }
    let all: Vec<Value<'_>> = given.iter().map(|raw| Value::adopt(*raw)).collect();
    let all = cx.tuple(&all).value().raw();
    let mut all = cx.push_raw(all);
    for name in &names {
        let name = cx.push_raw(*name);
        if let Some(prepare) = cx.find_attribute(name, "__typing_prepare_subst__")? {
            let changed = cx.call(prepare, &[this, all])?;
            all = cx.tuple_from(changed)?;
        }
    }
    let given = items(all.get(cx)).unwrap_or_default();
    if given.len() != names.len() {
        let few = if given.len() > names.len() { "many" } else { "few" };
        let (text, actual, expected) = (cx.repr_text(this)?, given.len(), names.len());
        return Err(cx.type_error(format!("Too {few} arguments for {text}; actual {actual}, expected {expected}")));
    }
    Ok(given)
}

/// Arguments with what is given put for the parameters in `left`.
fn substituted(cx: &mut Cx, args: Raw, left: Root, given: &[Raw]) -> Result<Vec<Raw>, Raised> {
    let names: Vec<Raw> = left.get(cx).exact::<Tuple>().map_or(vec![], |t| t.items().map(Value::raw).collect());
    let old: Vec<Raw> = Value::adopt(args).exact::<Tuple>().map_or(vec![], |t| t.items().map(Value::raw).collect());
    let given: Vec<Root> = given.iter().map(|raw| cx.push_raw(*raw)).collect();
    let old: Vec<Root> = old.iter().map(|raw| cx.push_raw(*raw)).collect();
    let mut new = vec![];
    for arg in old {
        let replaced = if let Some(at) = names.iter().position(|n| n.same(arg.get(cx).raw())) {
            let given = given[at];
            match cx.find_attribute(arg, "__typing_subst__")? {
                Some(method) => cx.call(method, &[given])?,
                None => given,
            }
        } else if arg.get(cx).exact::<Class>().is_none()
            && let Some(own) = cx.find_attribute(arg, "__parameters__")?
            && let Some(own) = own.get(cx).exact::<Tuple>().map(|t| t.items().map(Value::raw).collect::<Vec<_>>())
            && !own.is_empty()
        {
            let mut inner: Vec<Value<'_>> = vec![];
            for at in own.iter().filter_map(|raw| names.iter().position(|n| n.same(*raw))) {
                let value = given[at].get(cx);
                // What stands for several is given as a tuple.
                match value.exact::<Tuple>() {
                    Some(several) if stands_for_several(cx, Value::adopt(names[at])) => inner.extend(several.items()),
                    _ => inner.push(value),
                }
            }
            let inner = cx.tuple(&inner).value().raw();
            let inner = cx.push_raw(inner);
            let several = cx.item(arg, inner)?;
            if let Some(tuple) = several.get(cx).exact::<Tuple>().map(Gc::held) {
                for raw in tuple.items().map(Value::raw) {
                    new.push(cx.push_raw(raw));
                }
                continue;
            }
            several
        } else {
            arg
        };
        new.push(replaced);
    }
    Ok(new.into_iter().map(|root| root.get(cx).raw()).collect())
}

/// Whether a type parameter is one for any number of types.
fn stands_for_several(cx: &Cx, parameter: Value<'_>) -> bool {
    cx.type_name_for_error(parameter) == "typing.TypeVarTuple" || cx.type_name_for_error(parameter) == "TypeVarTuple"
}

/// The union of the items of a tuple.
fn union_of_items(cx: &mut Cx, items: Root) -> NativeResult {
    let count = items.get(cx).exact::<Tuple>().map_or(0, |t| t.len());
    let mut known: Vec<Root> = vec![];
    for at in 0..count {
        let raw = items.get(cx).exact::<Tuple>().map_or(Raw::NONE, |t| t.item(at).raw());
        let item = cx.push_raw(raw);
        let parts: Vec<Raw> = match item.get(cx).kind() {
            Kind::Union => {
                let args = union_args(cx, item);
                Value::adopt(args).exact::<Tuple>().map_or(vec![], |t| t.items().map(Value::raw).collect())
            }
            Kind::None => vec![cx.kind_class(Kind::None).value().raw()],
            Kind::Class | Kind::GenericAlias => vec![raw],
            _ => {
                let module = cx.import("_typeparams")?;
                let message = cx.str("Union[arg, ...]: each arg must be a type.").value().raw();
                let message = cx.push_raw(message);
                let part = cx.call_method(module, "_check", &[item, message])?;
                vec![part.get(cx).raw()]
            }
        };
        let parts: Vec<Root> = parts.into_iter().map(|raw| cx.push_raw(raw)).collect();
        'parts: for part in parts {
            for other in &known {
                if cx.equals(*other, part)? {
                    continue 'parts;
                }
            }
            known.push(part);
        }
    }
    if known.len() == 1 {
        return Ok(known[0].get(cx).into());
    }
    let parts: Vec<Value<'_>> = known.iter().map(|root| root.get(cx)).collect();
    let args = cx.tuple(&parts).value();
    Ok(cx.heap.alloc(Union { args: Slot::new(args) }).into())
}

/// `a | b` of two types; NotImplemented where one is none.
pub(super) fn either(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    if !cx.makes_union(a.get(cx), b.get(cx)) {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    let (a, b) = (a.get(cx).raw(), b.get(cx).raw());
    cx.union_of(a, b).map(Outcome::Value)
}

fn equal(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
    let (a, b) = (cx.payload(this.get(cx)).raw(), cx.payload(value.get(cx)).raw());
    Ok(match cx.builtin_compare(crate::vm::CompareKind::Eq, a, b)? {
        Some(equal) => equal.into(),
        None => Outcome::Value(Raw::NOT_IMPLEMENTED),
    })
}
