//! string.templatelib: what t-strings make. The objects keep everything in slots: a Template its texts and interpolations, an
//! Interpolation its value, expression, conversion and format spec.

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::{List, NativeObject, Str, Tuple};
use crate::vm::Name;
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::text::wrong_receiver;

/// A field of a Template or an Interpolation.
fn field(cx: &mut Cx, this: Root, class: &str, index: usize) -> Result<Raw, Raised> {
    let value: Value<'static> = Value::adopt(this.get(cx).raw());
    let object = value.exact::<NativeObject>().filter(|o| o.shape() == cx.named_class(class).get().root_shape.get());
    match object {
        Some(object) => Ok(object.tail()[index].get().raw()),
        None => Err(wrong_receiver(cx, this, "__repr__", &format!("string.templatelib.{class}"))),
    }
}

fn get(cx: &mut Cx, this: Root, class: &str, index: usize) -> NativeResult {
    Ok(Outcome::Value(field(cx, this, class, index)?))
}

fn is_a(cx: &Cx, value: Value<'_>, class: &str) -> bool {
    value.exact::<NativeObject>().is_some_and(|o| o.shape() == cx.named_class(class).get().root_shape.get())
}

fn tuple(raw: Raw) -> Gc<'static, Tuple> {
    Value::adopt(raw).exact::<Tuple>().expect("a template has tuples")
}

/// A template of texts and interpolations in any order: texts beside each other are joined, and empty ones put between interpolations.
fn assemble(cx: &mut Cx, parts: &[Raw]) -> Raw {
    let mut strings: Vec<Raw> = vec![];
    let mut interpolations: Vec<Raw> = vec![];
    let mut pending: Vec<u8> = vec![];
    for raw in parts {
        match Value::adopt(*raw).exact::<Str>() {
            Some(text) => pending.extend_from_slice(text.as_bytes()),
            None => {
                strings.push(cx.text_raw(&pending));
                pending.clear();
                interpolations.push(*raw);
            }
        }
    }
    strings.push(cx.text_raw(&pending));
    let build = |cx: &Cx, items: &[Raw]| {
        if items.is_empty() {
            return cx.empty_tuple().value().raw();
        }
        Tuple::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).value().raw()
    };
    let (strings, interpolations) = (build(cx, &strings), build(cx, &interpolations));
    cx.new_template(strings, interpolations)
}

/// The parts of a template in order, empty texts included.
fn parts(cx: &mut Cx, this: Root) -> Result<Vec<Raw>, Raised> {
    let (strings, interpolations) = (tuple(field(cx, this, "Template", 0)?), tuple(field(cx, this, "Template", 1)?));
    let mut out = vec![];
    for (index, text) in strings.items().enumerate() {
        out.push(text.raw());
        if index < interpolations.len() {
            out.push(interpolations.item(index).raw());
        }
    }
    Ok(out)
}

/// The class of `this` and `arguments`, as a pair.
fn reduced(cx: &mut Cx, this: Root, arguments: &[Raw]) -> NativeResult {
    let arguments = Tuple::build(&cx.heap, arguments.len(), |i| Value::adopt(arguments[i])).value().raw();
    let pair = [cx.class_of(this.get(cx)).value().raw(), arguments];
    Ok(Tuple::build(&cx.heap, 2, |i| Value::adopt(pair[i])).into())
}

natives!(
    /// What a t-string makes: its texts and interpolations.
    pub static TEMPLATE_METHODS: Methods;

    /// A template of texts and interpolations.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let names = kwargs.0.get(cx).exact::<crate::object::Dict>().is_some_and(|d| !d.is_empty());
        if names {
            return Err(cx.type_error("Template.__new__ only accepts *args arguments".to_owned()));
        }
        let mut given = vec![];
        for root in args.0.roots() {
            let value = root.get(cx);
            if value.exact::<Str>().is_none() && !is_a(cx, value, "Interpolation") {
                let got = cx.type_name_for_error(value);
                let text = format!("Template.__new__ *args need to be of type 'str' or 'Interpolation', got {got}");
                return Err(cx.type_error(text));
            }
            given.push(value.raw());
        }
        Ok(Outcome::Value(assemble(cx, &given)))
    }

    /// The texts around the interpolations: one more than those.
    #[getter]
    fn strings(cx: &mut Cx, this: Root) -> NativeResult {
        get(cx, this, "Template", 0)
    }

    /// The interpolations.
    #[getter]
    fn interpolations(cx: &mut Cx, this: Root) -> NativeResult {
        get(cx, this, "Template", 1)
    }

    /// The values of the interpolations.
    #[getter]
    fn values(cx: &mut Cx, this: Root) -> NativeResult {
        let interpolations = tuple(field(cx, this, "Template", 1)?);
        if interpolations.is_empty() {
            return Ok(cx.empty_tuple().into());
        }
        let value = |i: usize| {
            let object = interpolations.item(i).exact::<NativeObject>().expect("an interpolation");
            object.tail()[0].get()
        };
        Ok(Tuple::build(&cx.heap, interpolations.len(), |i| Value::adopt(value(i).raw())).into())
    }

    /// Two templates one after the other.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let mut all = parts(cx, this)?;
        if !is_a(cx, value.get(cx), "Template") {
            let got = cx.type_name_for_error(value.get(cx));
            let text = format!(
                "can only concatenate string.templatelib.Template (not \"{got}\") to string.templatelib.Template"
            );
            return Err(cx.type_error(text));
        }
        all.extend(parts(cx, value)?);
        Ok(Outcome::Value(assemble(cx, &all)))
    }

    /// An iterator over the texts that are not empty and the interpolations, in order.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let shown: Vec<Raw> = parts(cx, this)?
            .into_iter()
            .filter(|raw| Value::adopt(*raw).exact::<Str>().is_none_or(|s| !s.is_empty()))
            .collect();
        let list = List::build(&cx.heap, shown.len(), |i| Value::adopt(shown[i]));
        let iterator = crate::object::SequenceIterator {
            sequence: crate::heap::Slot::new(list.value()),
            next: std::cell::Cell::new(0),
            backward: false,
        };
        Ok(cx.heap.alloc(iterator).into())
    }

    /// The template as a call that makes it.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let strings = field(cx, this, "Template", 0)?;
        let interpolations = field(cx, this, "Template", 1)?;
        let mut out = b"Template(strings=".to_vec();
        let strings = cx.push_raw(strings);
        cx.write_repr(&mut out, strings)?;
        out.extend_from_slice(b", interpolations=");
        let interpolations = cx.push_raw(interpolations);
        cx.write_repr(&mut out, interpolations)?;
        out.push(b')');
        Ok(Outcome::Value(cx.checked_text(&out)?))
    }

    /// The alias for such an object of `item`.
    #[class]
    fn __class_getitem__(cx: &mut Cx, cls: Root, item: Root) -> NativeResult {
        cx.generic_alias(cls, item)
    }

    /// What makes it again: the class and the arguments to call it with.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let parts = parts(cx, this)?;
        reduced(cx, this, &parts)
    }
);

natives!(
    /// A value in a t-string, with how it was written.
    pub static INTERPOLATION_METHODS: Methods;

    /// An interpolation of a value.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] value: Root,
        #[either]
        #[text("''")]
        expression: Given<Root>,
        #[either] conversion: Option<Root>,
        #[either]
        #[text("''")]
        format_spec: Given<Root>,
    ) -> NativeResult {
        let mut texts = [Raw::NONE; 2];
        for (index, (name, given)) in
            [("expression", expression.0), ("format_spec", format_spec.0)].into_iter().enumerate()
        {
            texts[index] = match given {
                None => cx.text_raw(b""),
                Some(root) if cx.as_str(root.get(cx)).is_some() => root.get(cx).raw(),
                Some(root) => {
                    let got = cx.type_name_for_error(root.get(cx));
                    return Err(cx.type_error(format!("Interpolation() argument '{name}' must be str, not {got}")));
                }
            };
        }
        let letter = match conversion {
            None => Raw::NONE,
            Some(root) => match cx.as_str(root.get(cx)) {
                Some(text) if matches!(text.as_bytes(), b"s" | b"r" | b"a") => text.value().raw(),
                Some(_) => {
                    return Err(cx.value_error("Interpolation() argument 'conversion' must be one of 's', 'a' or 'r'"));
                }
                None => {
                    let got = cx.type_name_for_error(root.get(cx));
                    let text = format!("Interpolation() argument 'conversion' must be str, not {got}");
                    return Err(cx.type_error(text));
                }
            },
        };
        let value = value.get(cx).raw();
        Ok(Outcome::Value(cx.new_interpolation([value, texts[0], letter, texts[1]])))
    }

    /// The value.
    #[getter]
    fn value(cx: &mut Cx, this: Root) -> NativeResult {
        get(cx, this, "Interpolation", 0)
    }

    /// The expression as it was written.
    #[getter]
    fn expression(cx: &mut Cx, this: Root) -> NativeResult {
        get(cx, this, "Interpolation", 1)
    }

    /// The letter after the exclamation mark, or None.
    #[getter]
    fn conversion(cx: &mut Cx, this: Root) -> NativeResult {
        get(cx, this, "Interpolation", 2)
    }

    /// What was behind the colon.
    #[getter]
    fn format_spec(cx: &mut Cx, this: Root) -> NativeResult {
        get(cx, this, "Interpolation", 3)
    }

    /// The interpolation as a call that makes it.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let mut out = b"Interpolation(".to_vec();
        for index in 0..4 {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            let raw = field(cx, this, "Interpolation", index)?;
            let mark = cx.mark();
            let part = cx.push_raw(raw);
            cx.write_repr(&mut out, part)?;
            cx.release(mark);
        }
        out.push(b')');
        Ok(Outcome::Value(cx.checked_text(&out)?))
    }

    /// The alias for such an object of `item`.
    #[class]
    fn __class_getitem__(cx: &mut Cx, cls: Root, item: Root) -> NativeResult {
        cx.generic_alias(cls, item)
    }

    /// What makes it again: the class and the arguments to call it with.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let mut parts = vec![];
        for index in 0..4 {
            parts.push(field(cx, this, "Interpolation", index)?);
        }
        reduced(cx, this, &parts)
    }
);

/// Sets what tables of methods can't say: the fields an Interpolation is matched by.
pub fn install(cx: &mut Cx) {
    let names = ["value", "expression", "conversion", "format_spec"].map(|name| cx.intern(name).value().raw());
    let heap = &cx.heap;
    let tuple = Tuple::build(heap, names.len(), |i| Value::adopt(names[i]));
    let namespace = cx.named_class("Interpolation").namespace();
    namespace.put_str(heap, cx.name(Name::MatchArgs), tuple.value());
}
