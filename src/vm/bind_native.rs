//! Arguments of a call and parameters of a native, with the errors CPython has for each kind of builtin.

use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{Class, ClassFlags, Dict, Str, Tuple};

use super::call::{Copied, has_receiver};
use super::frame::Held;
use super::native::{Args, NativeDef, NativeFunction, NativeKind, ParamKind, Raised};
use super::{Name, Vm};

impl Vm {
    /// Arranges arguments as a native's parameters want them: parameters in order, `*args` as a run of registers behind them.
    /// Arranges arguments given by position, in their registers; None if there are too many or too few of them.
    pub(super) fn bind_positional(&mut self, native: Held<NativeFunction>, start: u32, argc: u32) -> Option<Args> {
        let params = native.get().def.params;
        let (positional, total) = (u32::from(native.get().positional), params.len() as u32);
        if (start + total + argc) as usize + 512 > self.fiber.registers.len() {
            return None;
        }
        let filled = argc.min(positional);
        let mut has_rest = false;
        for param in &params[filled as usize..] {
            match param.kind {
                ParamKind::Rest => has_rest = true,
                ParamKind::KeywordRest => {}
                _ if param.default.is_empty() => return None,
                _ => {}
            }
        }
        let extra = argc - filled;
        if extra > 0 && !has_rest {
            return None;
        }
        // The run of `*args` follows the parameters; its own register holds nothing.
        for index in (0..extra).rev() {
            let value = self.fiber.registers.get(start + filled + index).raw();
            self.fiber.registers.set(start + total + index, value);
        }
        for index in filled..total {
            let param = &params[index as usize];
            // One with a default is left out where there are no keywords.
            let by_name = param.kind == ParamKind::KeywordRest && param.default.is_empty();
            let value = if by_name { Dict::new(&self.heap).value().raw() } else { Raw::UNBOUND };
            self.fiber.registers.set(start + index, value);
        }
        Some(Args { start, count: total + extra })
    }

    pub(super) fn bind_native(
        &mut self,
        native: Held<NativeFunction>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Args, Raised> {
        let def = native.get().def;
        let params = def.params;
        let args: Copied = (start..start + argc).map(|i| self.fiber.registers.get(i).raw()).collect();
        let names = keywords.and_then(|k| Value::adopt(k).exact::<Tuple>()).map(Gc::held);
        let by_name = names.map_or(0, |n| n.len());
        let given = args.len() - by_name;
        let positional = usize::from(native.get().positional);
        if start as usize + params.len() + args.len() + 512 > self.fiber.registers.len() {
            return Err(self.recursion_error());
        }
        let has_rest = params.iter().any(|p| p.kind == ParamKind::Rest);
        let mut bound: Copied = SmallVec::from_elem(Raw::UNBOUND, params.len());
        for (to, from) in bound.iter_mut().zip(&args[..given.min(positional)]) {
            *to = *from;
        }
        let accepts = |p: &super::native::Param| matches!(p.kind, ParamKind::Either | ParamKind::Keyword);
        let keyword_rest = params.iter().position(|p| p.kind == ParamKind::KeywordRest);
        let ignored = keyword_rest.is_none() && !def.scripted && !params.iter().any(accepts);
        if ignored && by_name > 0 && given >= usize::from(has_receiver(def)) {
            // What takes no keywords says so before it counts.
            if is_operator(native) && !def.counted {
                return Err(self.type_error(format!("wrapper {}() takes no keyword arguments", def.name)));
            }
            if !bound.first().is_some_and(|receiver| self.keywords_are_of_subclass(native, *receiver)) {
                let label = self.refusing_label(native);
                return Err(self.type_error(format!("{label}() takes no keyword arguments")));
            }
        }
        if !has_rest && !def.scripted {
            let receiver = bound.first().copied();
            self.check_total(native, receiver, given, by_name)?;
        }
        if given > positional && !has_rest {
            if def.scripted {
                return Err(self.scripted_too_many(native, given));
            }
            if matches!(def.name, "__init__" | "__new__")
                && let label @ ("set" | "frozenset") = self.short_label(native).as_str()
            {
                // These two name the class that is made.
                let receiver: Value<'static> = Value::adopt(bound[0]);
                let class = receiver.exact::<Class>().map_or_else(|| self.class_of(receiver).held(), Gc::held);
                let name =
                    if class.has(ClassFlags::HEAP) { class.name().to_str_lossy().into_owned() } else { label.into() };
                return Err(self.type_error(format!("{name} expected at most 1 argument, got {}", given - 1)));
            }
            return Err(self.native_too_many(native, given));
        }
        if has_rest && !def.scripted && keyword_rest.is_none() {
            // More names than there are parameters for them are counted first.
            let known = params.iter().filter(|p| p.kind == ParamKind::Keyword).count();
            if known > 0 && by_name > known {
                let label = self.short_label(native);
                if matches!(&*label, "min" | "max") && given == 0 {
                    return Err(self.type_error(format!("{label} expected at least 1 argument, got 0")));
                }
                let s = if known == 1 { "" } else { "s" };
                let text = format!("{label}() takes at most {known} keyword argument{s} ({by_name} given)");
                return Err(self.type_error(text));
            }
        }
        if let Some(at) = keyword_rest {
            bound[at] = Dict::new(&self.heap).value().raw();
        }
        if let Some(names) = names {
            for (name, value) in names.items().zip(&args[given..]).filter(|_| !ignored) {
                let Some(text) = name.exact::<Str>() else {
                    return Err(self.type_error("keywords must be strings".into()));
                };
                let found = params.iter().position(|p| accepts(p) && p.name.as_bytes() == text.as_bytes());
                match (found, keyword_rest) {
                    (Some(at), _) if bound[at].is_unbound() => bound[at] = *value,
                    (Some(at), _) if def.scripted => {
                        let label = self.scripted_label(native);
                        let name = params[at].name;
                        return Err(self.type_error(format!("{label}() got multiple values for argument '{name}'")));
                    }
                    (Some(at), _) => {
                        if let Some(at) = first_missing(def, &bound) {
                            let name = params[at].name;
                            if !names.items().any(|n| n.exact::<Str>().is_some_and(|n| n.as_bytes() == name.as_bytes()))
                            {
                                return Err(self.native_missing(native, given, at));
                            }
                        }
                        let label = self.short_label(native);
                        let position = at + 1 - usize::from(has_receiver(def));
                        let name = params[at].name;
                        if label == "enumerate" {
                            let text = format!("'{name}' is an invalid keyword argument for {label}()");
                            return Err(self.type_error(text));
                        }
                        let label = self.called(native);
                        return Err(self.type_error(format!(
                            "argument for {label} given by name ('{name}') and position ({position})"
                        )));
                    }
                    (None, Some(at)) => {
                        let dict = Value::adopt(bound[at]).exact::<Dict>().expect("just made");
                        if dict.set_str(&self.heap, text, Value::adopt(*value)).is_err() {
                            return Err(self.memory_error());
                        }
                    }
                    (None, None) => {
                        let enumerates = !def.scripted
                            && self.short_label(native) == "enumerate"
                            && native.get().class.get().is_some_and(|class| class.value().raw().same(bound[0]));
                        if enumerates && given <= 1 {
                            let name = text.to_str_lossy().into_owned();
                            let text = format!("'{name}' is an invalid keyword argument for enumerate()");
                            return Err(self.type_error(text));
                        }
                        // What is missing is said before what is too much.
                        if !def.scripted
                            && let Some(at) = first_missing(def, &bound)
                        {
                            return Err(self.native_missing(native, given, at));
                        }
                        let name = text.to_str_lossy().into_owned();
                        let label = if def.scripted { self.scripted_label(native) } else { self.short_label(native) };
                        if matches!(&*label, "min" | "max") && given == 0 {
                            return Err(self.type_error(format!("{label} expected at least 1 argument, got 0")));
                        }
                        if enumerates {
                            let text = format!("'{name}' is an invalid keyword argument for {label}()");
                            return Err(self.type_error(text));
                        }
                        // The list is sorted by its method, which takes the keywords.
                        let label = if label == "sorted" {
                            // The items are there before the list is asked to sort them.
                            let items = self.push_raw(bound[0]);
                            self.list_from(items)?;
                            if by_name > 2 {
                                let text = format!("sort() takes at most 2 keyword arguments ({by_name} given)");
                                return Err(self.type_error(text));
                            }
                            "sort".to_owned()
                        } else {
                            label
                        };
                        let choices = params.iter().filter(|p| accepts(p)).map(|p| p.name);
                        let hint = match super::error::closest(&name, choices) {
                            Some(near) => format!(". Did you mean '{near}'?"),
                            None => String::new(),
                        };
                        let label = if def.unnamed { "this function".into() } else { format!("{label}()") };
                        return Err(
                            self.type_error(format!("{label} got an unexpected keyword argument '{name}'{hint}"))
                        );
                    }
                }
            }
        }
        for (at, param) in params.iter().enumerate() {
            let optional = !param.default.is_empty() || matches!(param.kind, ParamKind::Rest | ParamKind::KeywordRest);
            if bound[at].is_unbound() && !optional {
                if def.scripted && at >= usize::from(has_receiver(def)) {
                    return Err(self.scripted_missing(native, &bound));
                }
                if by_name == 1 && self.short_label(native) == "enumerate" {
                    return Err(self.type_error("'start' is an invalid keyword argument for enumerate()".into()));
                }
                return Err(self.native_missing(native, given, at));
            }
        }
        // The run of `*args` follows the parameters; its own register holds nothing.
        let mut count = 0;
        for value in &bound {
            self.fiber.registers.set(start + count, *value);
            count += 1;
        }
        for value in args.get(positional..given).unwrap_or(&[]) {
            self.fiber.registers.set(start + count, *value);
            count += 1;
        }
        Ok(Args { start, count })
    }

    /// The name of a native in the errors of its calls: methods are shown with their class, functions with their module.
    pub(super) fn native_label(&self, native: Held<NativeFunction>) -> String {
        let name = native.get().def.name;
        match native.get().class.get() {
            Some(class) if is_call_of_class(name) => class.name().to_str_lossy().into_owned(),
            Some(class) => format!("{}.{name}", self.bound_class().unwrap_or(class).name().to_str_lossy()),
            None => match native.get().module.get::<Str>() {
                Some(module) if module.as_bytes() != b"builtins" => format!("{}.{name}", module.to_str_lossy()),
                _ => name.to_owned(),
            },
        }
    }

    /// As `native_label`, for keywords where there are none. What CPython gives its arguments as a tuple is shown without its class, a
    /// method if it was bound before.
    fn refusing_label(&self, native: Held<NativeFunction>) -> String {
        const METHODS: &[&str] = &["Match.group", "datetime.__reduce_ex__", "time.__reduce_ex__"];
        let (label, name) = (self.native_label(native), native.get().def.name);
        let bare = match native.get().class.get() {
            None => native.get().def.counted,
            Some(_) if native.get().def.counted && native.get().def.kind != NativeKind::Method => true,
            Some(_) if self.bound_to.is_unbound() => false,
            Some(_) => {
                native.get().def.counted
                    || name == "__exit__" && label != "IOBase.__exit__"
                    || METHODS.contains(&label.as_str())
            }
        };
        if bare { name.to_owned() } else { label }
    }

    /// The class that the errors of a call of a method name, if it was bound before.
    fn bound_class(&self) -> Option<Held<Class>> {
        let receiver: Value<'static> = Value::adopt(self.bound_to);
        match receiver.is_unbound() {
            true => None,
            false => Some(receiver.exact::<Class>().map_or_else(|| self.class_of(receiver).held(), Gc::held)),
        }
    }

    /// As `native_label`, for natives that take keywords: CPython shows those without their class.
    fn short_label(&self, native: Held<NativeFunction>) -> String {
        let name = native.get().def.name;
        match native.get().class.get() {
            Some(class) if is_call_of_class(name) => class.name().to_str_lossy().into_owned(),
            _ => name.to_owned(),
        }
    }

    /// Whether keywords that `__new__` or `__init__` of a builtin class doesn't take are meant for the other one, which a subclass
    /// has of its own.
    fn keywords_are_of_subclass(&self, native: Held<NativeFunction>, receiver: Raw) -> bool {
        let receiver = Value::adopt(receiver);
        let (class, other) = match native.get().def.name {
            "__new__" => (receiver.exact::<Class>(), Name::Init),
            "__init__" => (Some(self.class_of(receiver)), Name::New),
            _ => return false,
        };
        let Some(class) = class.map(Gc::held) else { return false };
        class.has(ClassFlags::HEAP)
            && !class.has(ClassFlags::EXCEPTION)
            && self
                .lookup_class(class, self.name(other))
                .is_some_and(|found| matches!(found.kind(), Kind::Function | Kind::StaticMethod))
    }

    /// Complains of more arguments than a native that takes keywords has parameters.
    fn check_total(
        &mut self,
        native: Held<NativeFunction>,
        receiver: Option<Raw>,
        given: usize,
        by_name: usize,
    ) -> Result<(), Raised> {
        let derived = receiver
            .and_then(|raw| Value::<'static>::adopt(raw).exact::<Class>())
            .is_some_and(|class| class.has(ClassFlags::HEAP));
        let def = native.get().def;
        let receiver = usize::from(has_receiver(def));
        let total = def.params.len() - receiver;
        let given = given.saturating_sub(receiver);
        if given + by_name <= total || !takes_keywords(def) {
            return Ok(());
        }
        let label = self.short_label(native);
        if given > 0 && def.name == "sorted" {
            return match given {
                1 => Ok(()),
                _ => Err(self.type_error(format!("sorted expected 1 argument, got {given}"))),
            };
        }
        // Calls of the types themselves are told otherwise than those of classes derived from them.
        if by_name == 0 && !derived && def.name == "__new__" && matches!(&*label, "str" | "int") {
            let s = if total == 1 { "" } else { "s" };
            return Err(self.type_error(format!("{label} expected at most {total} argument{s}, got {given}")));
        }
        if given == 0 && label == "enumerate" {
            return Err(self.type_error("enumerate() missing required argument 'iterable'".into()));
        }
        let label = self.called(native);
        let keyword = if given == 0 { "keyword " } else { "" };
        let s = if total == 1 { "" } else { "s" };
        let count = given + by_name;
        Err(self.type_error(format!("{label} takes at most {total} {keyword}argument{s} ({count} given)")))
    }

    fn native_too_many(&mut self, native: Held<NativeFunction>, given: usize) -> Raised {
        let def = native.get().def;
        let receiver = usize::from(has_receiver(def));
        let label = if takes_keywords(def) { self.short_label(native) } else { self.native_label(native) };
        let (least, most) = positional_arguments(def);
        let given = given - receiver;
        if def.counted {
            return self.counted_arity(native, least, most, given);
        }
        if is_operator(native) {
            return self.type_error(operator_arity(def.name, least, most, given));
        }
        if def.name == "__set_name__" {
            return self.type_error(format!("__set_name__() takes 2 positional arguments but {given} were given"));
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        if def.name == "sorted"
            || (matches!(def.name, "__new__" | "__init__") && least == 1 && most == 1 && !takes_keywords(def))
        {
            let label = self.short_label(native);
            return self.type_error(format!("{label} expected 1 argument, got {given}"));
        }
        if takes_keywords(def) {
            let at_most = if least == most { "exactly" } else { "at most" };
            return self.type_error(if most == 0 {
                format!("{label}() takes no positional arguments")
            } else {
                format!("{label}() takes {at_most} {most} positional argument{} ({given} given)", s(most))
            });
        }
        self.type_error(match (least, most) {
            (_, 0) => format!("{label}() takes no arguments ({given} given)"),
            (1, 1) if !is_call_of_class(def.name) => format!("{label}() takes exactly one argument ({given} given)"),
            (least, most) if least == most => {
                format!("{} expected {most} argument{}, got {given}", self.short_label(native), s(most))
            }
            (_, most) => {
                let label = self.short_label(native);
                let parentheses = if label == "super" { "()" } else { "" };
                format!("{label}{parentheses} expected at most {most} argument{}, got {given}", s(most))
            }
        })
    }

    /// A native as the errors of its calls speak of it, where it takes keywords or counts its arguments.
    fn called(&self, native: Held<NativeFunction>) -> String {
        if native.get().def.unnamed { "function".into() } else { format!("{}()", self.short_label(native)) }
    }

    /// Complains of the number of arguments of a native that counts them itself.
    fn counted_arity(&mut self, native: Held<NativeFunction>, least: usize, most: usize, given: usize) -> Raised {
        let name = self.called(native);
        let (how, bound) = match given < least {
            _ if least == most => ("exactly", most),
            true => ("at least", least),
            false => ("at most", most),
        };
        let s = if bound == 1 { "" } else { "s" };
        self.type_error(format!("{name} takes {how} {bound} argument{s} ({given} given)"))
    }

    fn native_missing(&mut self, native: Held<NativeFunction>, given: usize, at: usize) -> Raised {
        let def = native.get().def;
        let receiver = usize::from(has_receiver(def));
        if at < receiver {
            let class = native.get().class.get().map_or(String::new(), |c| c.name().to_str_lossy().into_owned());
            return self.type_error(if def.name == "__new__" {
                format!("{class}.__new__(): not enough arguments")
            } else {
                format!("unbound method {class}.{}() needs an argument", def.name)
            });
        }
        let label = if takes_keywords(def) { self.short_label(native) } else { self.native_label(native) };
        let param = &def.params[at];
        let given = given.saturating_sub(receiver);
        let (least, most) = positional_arguments(def);
        if def.counted {
            return self.counted_arity(native, least, most, given);
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        if is_operator(native) {
            return self.type_error(operator_arity(def.name, least, most, given));
        }
        if def.name == "__set_name__" {
            return self.type_error(format!("__set_name__() takes 2 positional arguments but {given} were given"));
        }
        if matches!(param.kind, ParamKind::Either | ParamKind::Keyword) && label == "enumerate" {
            // It counts its arguments itself.
            return self.type_error(format!("enumerate() missing required argument '{}'", param.name));
        }
        if matches!(param.kind, ParamKind::Either | ParamKind::Keyword) {
            let label = self.called(native);
            return self.type_error(format!(
                "{label} missing required argument '{}' (pos {})",
                param.name,
                at + 1 - receiver
            ));
        }
        if def.name == "sorted"
            || (matches!(def.name, "__new__" | "__init__") && least == 1 && most == 1 && !takes_keywords(def))
        {
            let label = self.short_label(native);
            return self.type_error(format!("{label} expected 1 argument, got {given}"));
        }
        if takes_keywords(def) {
            let only =
                def.params.iter().skip(receiver).filter(|p| p.kind == ParamKind::Positional && p.default.is_empty());
            let least = only.count();
            let how = if least < most { "at least" } else { "exactly" };
            return self
                .type_error(format!("{label}() takes {how} {least} positional argument{} ({given} given)", s(least)));
        }
        self.type_error(match (least, most) {
            (1, 1) if !is_call_of_class(def.name) => format!("{label}() takes exactly one argument ({given} given)"),
            (least, most) if least == most => {
                format!("{} expected {most} argument{}, got {given}", self.short_label(native), s(most))
            }
            (least, _) => {
                format!("{} expected at least {least} argument{}, got {given}", self.short_label(native), s(least))
            }
        })
    }
}

/// What is wrong with the number of arguments of an operator's method: these do not name themselves.
pub(super) fn operator_arity(name: &str, least: usize, most: usize, given: usize) -> String {
    let (bound, at) = match given < least {
        true if least < most => (least, "at least "),
        false if least < most => (most, "at most "),
        _ => (most, ""),
    };
    let s = if bound == 1 { "" } else { "s" };
    // Some of CPython's wrappers name themselves.
    if matches!(name, "__setattr__" | "__setitem__" | "__set__" | "__get__") {
        return format!("{name} expected {at}{bound} argument{s}, got {given}");
    }
    if matches!(name, "__pow__" | "__rpow__") {
        return format!("expected {least} or {most} arguments, got {given}");
    }
    format!("expected {at}{bound} argument{s}, got {given}")
}

/// Whether calls of a method are calls of its class, or of an instance: errors name the class.
fn is_call_of_class(name: &str) -> bool {
    matches!(name, "__new__" | "__init__" | "__call__")
}

/// How many arguments a native takes by position, its receiver aside: at least, at most.
fn positional_arguments(def: &NativeDef) -> (usize, usize) {
    let positional = def.params.iter().filter(|p| matches!(p.kind, ParamKind::Positional | ParamKind::Either));
    let (mut least, mut most) = (0, 0);
    for param in positional.skip(usize::from(has_receiver(def))) {
        most += 1;
        least += usize::from(param.default.is_empty());
    }
    (least, most)
}

/// Whether a native has parameters that may be given by name, and no `**kwargs`.
fn takes_keywords(def: &NativeDef) -> bool {
    def.params.iter().any(|p| matches!(p.kind, ParamKind::Either | ParamKind::Keyword))
        && !def.params.iter().any(|p| matches!(p.kind, ParamKind::KeywordRest | ParamKind::Rest))
}

/// Whether a native is the method of an operator or statement, which CPython wraps.
fn is_operator(native: Held<NativeFunction>) -> bool {
    let def = native.get().def;
    def.kind == NativeKind::Method
        && native.get().class.get().is_some_and(|class| super::repr::is_slot(def.name, &class.name().to_str_lossy()))
        && !matches!(def.name, "__init__" | "__call__")
}

/// The first parameter that must be given by position or name and was not; none where a native takes no names at all.
fn first_missing(def: &NativeDef, bound: &[Raw]) -> Option<usize> {
    let required =
        |p: &super::native::Param| p.default.is_empty() && matches!(p.kind, ParamKind::Positional | ParamKind::Either);
    def.params.iter().zip(bound).position(|(p, value)| required(p) && value.is_unbound())
}
