//! Tuples with named fields, as the system's modules return them: `sys.version_info`, `sys.flags`.

use crate::heap::{Kind, Raw, Value};
use crate::object::{Class, ClassFlags, Dict, Instance, Str, Tuple};
use crate::vm::TypeRow;
use crate::vm::native::{
    Args, Cx, KeywordRest, NativeDef, NativeKind, NativeResult, Outcome, Param, ParamKind, Raised, Root,
};

use super::{Natives, natives};

/// The parameters of a getter.
const SELF: &[Param] = &[Param { name: "self", kind: ParamKind::Positional, default: "" }];

/// The getter of field number `N`.
fn item<const N: usize>(cx: &mut Cx, args: Args) -> NativeResult {
    let value = args.get(cx, 0);
    match cx.payload(value).exact::<Tuple>() {
        Some(tuple) if N < tuple.len() => Ok(tuple.item(N).into()),
        _ => Ok(Outcome::NONE),
    }
}

type Getter = fn(&mut Cx, Args) -> NativeResult;

/// Getters by field number.
const GETTERS: [Getter; 20] = [
    item::<0>, item::<1>, item::<2>, item::<3>, item::<4>, item::<5>, item::<6>, item::<7>, item::<8>, item::<9>,
    item::<10>, item::<11>, item::<12>, item::<13>, item::<14>, item::<15>, item::<16>, item::<17>, item::<18>,
    item::<19>,
];

/// The declarations of the getters of these fields.
pub(crate) const fn getters<const N: usize>(fields: &'static [&'static str; N]) -> [NativeDef; N] {
    const NONE: NativeDef = NativeDef {
        name: "",
        doc: &[],
        kind: NativeKind::Getter,
        params: SELF,
        suspends: false,
        scripted: false,
        counted: false,
        unnamed: false,
        quick: crate::vm::native::Quick::No,
        run: item::<0>,
    };
    let mut defs = [NONE; N];
    let mut at = 0;
    while at < N {
        defs[at] = NativeDef { name: fields[at], run: GETTERS[at], ..NONE };
        at += 1;
    }
    defs
}

natives!(
    /// A tuple with named fields.
    pub(crate) static STRUCT_SEQUENCE: Methods;

    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).held();
        let name = format!("{}{}", cx.module_prefix(class), class.name().to_str_lossy());
        let mut text = format!("{name}(");
        let fields = fields_of(&class.name().to_str_lossy());
        for (number, field) in fields.iter().enumerate() {
            let mark = cx.mark();
            let Some(raw) =
                cx.payload(this.get(cx)).exact::<Tuple>().filter(|t| number < t.len()).map(|t| t.item(number).raw())
            else {
                break;
            };
            let value = cx.push_raw(raw);
            let shown = cx.repr_text(value)?;
            let comma = if number > 0 { ", " } else { "" };
            text.push_str(&format!("{comma}{field}={shown}"));
            cx.release(mark);
        }
        text.push(')');
        Ok(cx.str(&text).into())
    }

    /// Return a copy with other values for some fields.
    fn __replace__(cx: &mut Cx, this: Root, changes: KeywordRest) -> NativeResult {
        let class = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
        let fields = fields_of(&class);
        let mut items: Vec<Root> = vec![];
        for at in 0..fields.len() {
            let value = cx.payload(this.get(cx)).exact::<Tuple>().filter(|t| at < t.len()).map(|t| t.item(at).raw());
            let Some(value) = value else { break };
            items.push(cx.push_raw(value));
        }
        let mut unknown: Vec<Raw> = vec![];
        let given: Vec<(Raw, Raw)> =
            changes.0.get(cx).exact::<Dict>().map_or(vec![], |d| d.iter().map(|(k, v)| (k.raw(), v.raw())).collect());
        for (name, value) in given {
            let text = Value::adopt(name).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
            match fields.iter().position(|field| *field == text) {
                Some(at) if at < items.len() => items[at] = cx.push_raw(value),
                _ => unknown.push(name),
            }
        }
        if !unknown.is_empty() {
            let values: Vec<Value<'_>> = unknown.into_iter().map(Value::adopt).collect();
            let list = cx.list(&values).value().raw();
            let list = cx.push_raw(list);
            let shown = cx.repr_text(list)?;
            return Err(cx.type_error(format!("Got unexpected field name(s): {shown}")));
        }
        Ok(make(cx, &class, &items)?.get(cx).into())
    }
);

/// Says of each class how many fields it has, and which those of its patterns are.
pub(crate) fn describe(cx: &mut Cx) {
    for row in TYPES {
        let fields = fields_of(row.name);
        let names: Vec<Raw> = fields.iter().map(|field| cx.intern(field).value().raw()).collect();
        let tuple = Tuple::build(&cx.heap, names.len(), |at| Value::adopt(names[at])).value().raw();
        let number = Raw::int(fields.len() as i64);
        let facts = [
            ("n_fields", number),
            ("n_sequence_fields", number),
            ("n_unnamed_fields", Raw::int(0)),
            ("__match_args__", tuple),
        ];
        for (name, value) in facts {
            let key = cx.intern(name).held();
            let class = cx.named_class(row.name).held();
            class.namespace().set_str(cx.heap.forever(), key, Value::adopt(value)).expect("a namespace has room");
        }
    }
}

/// Declares classes of tuples with named fields.
macro_rules! sequences {
    ($($table:ident $module:literal $name:literal [$($field:literal),* $(,)?];)*) => {
        $(static $table: Natives = {
            const FIELDS: &[&str; <[&str]>::len(&[$($field),*])] = &[$($field),*];
            Natives { doc: &[], defs: &const { getters(FIELDS) } }
        };)*
        /// Their types.
        pub(crate) static TYPES: &[TypeRow] = &[$(TypeRow {
            kind: None,
            name: $name,
            module: $module,
            base: "tuple",
            flags: if matches!($name.as_bytes(), b"version_info" | b"flags") {
                ClassFlags::FINAL.union(ClassFlags::NO_NEW)
            } else {
                ClassFlags::FINAL
            },
            layout: Kind::Tuple,
            methods: &[&STRUCT_SEQUENCE, &$table],
            documented: true,
        }),*];
        fn fields_of(name: &str) -> &'static [&'static str] {
            match name { $($name => &[$($field),*],)* _ => &[] }
        }
    };
}

sequences! {
    VERSION_INFO "sys" "version_info" ["major", "minor", "micro", "releaselevel", "serial"];
    FLAGS "sys" "flags" [
        "debug", "inspect", "interactive", "optimize", "dont_write_bytecode", "no_user_site", "no_site", "ignore_environment",
        "verbose", "bytes_warning", "quiet", "hash_randomization", "isolated", "dev_mode", "utf8_mode", "warn_default_encoding",
        "safe_path", "int_max_str_digits",
    ];
    FLOAT_INFO "sys" "float_info" [
        "max", "max_exp", "max_10_exp", "min", "min_exp", "min_10_exp", "dig", "mant_dig", "epsilon", "radix", "rounds",
    ];
    INT_INFO "sys" "int_info" ["bits_per_digit", "sizeof_digit", "default_max_str_digits", "str_digits_check_threshold"];
    HASH_INFO "sys" "hash_info" [
        "width", "modulus", "inf", "nan", "imag", "algorithm", "hash_bits", "seed_bits", "cutoff",
    ];
    THREAD_INFO "sys" "thread_info" ["name", "lock", "version"];
    ISO_CALENDAR_DATE "datetime" "IsoCalendarDate" ["year", "week", "weekday"];
    ASYNCGEN_HOOKS "sys" "asyncgen_hooks" ["firstiter", "finalizer"];
}

/// A tuple of a class declared above, with these items.
pub(crate) fn make(cx: &mut Cx, class: &str, items: &[Root]) -> Result<Root, Raised> {
    let values: Vec<Value<'_>> = items.iter().map(|r| r.get(cx)).collect();
    let tuple = cx.tuple(&values).value().raw();
    let tuple = cx.push_raw(tuple);
    let class = cx.named_class(class).value().raw();
    let instance = {
        let class = Value::adopt(class).exact::<Class>().expect("a class");
        let instance = Instance::new(&cx.heap, class);
        instance.set_slot(&cx.heap, 0, tuple.get(cx));
        instance.value().raw()
    };
    Ok(cx.push_raw(instance))
}
