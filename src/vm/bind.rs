//! Arguments of a call and parameters of a function of the language: who gets what, and what is wrong if that can't be said.

use smallvec::SmallVec;

use crate::bytecode::code::{Code, CodeFlags};
use crate::heap::{Gc, Raw, Value};
use crate::object::{Dict, Function, Str, Tuple};

use super::call::Copied;
use super::frame::Held;
use super::native::Raised;
use super::{Name, Vm};

impl Vm {
    /// Puts arguments given by name, and defaults, where a function with simple parameters wants them; false, with nothing done, where that
    /// is no simple matter.
    pub(super) fn fill_simple(
        &mut self,
        function: Held<Function>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> bool {
        let code = function.code();
        let positional = u32::from(code.get().positional);
        if argc > positional {
            return false;
        }
        let defaults = function.get().defaults.get();
        let Some(first_default) = positional.checked_sub(defaults.map_or(0, |d| d.len() as u32)) else { return false };
        let default = |index: u32| defaults.map(|d| d.item((index - first_default) as usize).raw());
        let Some(names) = keywords.and_then(|k| Value::<'static>::adopt(k).exact::<Tuple>()) else {
            if keywords.is_some() || argc < first_default {
                return false;
            }
            for index in argc..positional {
                let Some(value) = default(index) else { return false };
                self.fiber.registers.set(start + index, value);
            }
            return true;
        };
        let given = argc - names.len() as u32;
        let mut named: SmallVec<[Raw; 8]> = SmallVec::from_elem(Raw::UNBOUND, (positional - given) as usize);
        let first = given.max(u32::from(code.code.positional_only)) as usize;
        for (number, name) in names.items().enumerate() {
            let Some(name) = name.exact::<Str>() else { return false };
            let bytes = name.as_bytes();
            let locals = code.code.locals.get(first..positional as usize).unwrap_or(&[]);
            let Some(found) = locals.iter().position(|local| local.as_bytes() == bytes) else { return false };
            let place = &mut named[first + found - given as usize];
            if !place.is_unbound() {
                return false;
            }
            *place = self.fiber.registers.get(start + given + number as u32).raw();
        }
        for (number, place) in named.iter_mut().enumerate() {
            let index = given + number as u32;
            if place.is_unbound() {
                if index < first_default {
                    return false;
                }
                match default(index) {
                    Some(value) => *place = value,
                    None => return false,
                }
            }
        }
        for (number, value) in named.into_iter().enumerate() {
            self.fiber.registers.set(start + given + number as u32, value);
        }
        true
    }

    /// Arranges arguments as a function's parameters want them, in the registers from `start` on.
    pub(super) fn bind_arguments(
        &mut self,
        function: Held<Function>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<(), Raised> {
        let holder = function.code();
        let code = &*holder.get().code;
        let positional = usize::from(code.positional);
        let keyword_only = usize::from(code.keyword_only);
        let named = positional + keyword_only;
        let varargs = code.flags.contains(CodeFlags::VARARGS);
        let varkeywords = code.flags.contains(CodeFlags::VARKEYWORDS);
        let args: Copied = (start..start + argc).map(|i| self.fiber.registers.get(i).raw()).collect();
        let names = keywords.and_then(|k| Value::adopt(k).exact::<Tuple>()).map(Gc::held);
        let by_name = names.map_or(0, |n| n.len());
        let given = args.len() - by_name;
        let end = start as usize + code.registers as usize + args.len();
        if end + 512 > self.fiber.registers.len() {
            return Err(self.recursion_error());
        }
        let mut bound: Copied = SmallVec::from_elem(Raw::UNBOUND, usize::from(code.parameters()));
        for (to, from) in bound[..positional].iter_mut().zip(&args[..given]) {
            *to = *from;
        }
        if varargs {
            let rest = args.get(positional..given).unwrap_or(&[]);
            bound[named] = if rest.is_empty() {
                self.empty_tuple
            } else {
                Tuple::build(&self.heap, rest.len(), |i| Value::adopt(rest[i])).value().raw()
            };
        }
        let extra = varkeywords.then(|| Dict::new(&self.heap).held());
        if let Some(extra) = extra {
            bound[named + usize::from(varargs)] = extra.value().raw();
        }
        if let Some(names) = names {
            for (name, value) in names.items().zip(&args[given..]) {
                let Some(text) = name.exact::<Str>() else {
                    return Err(self.type_error("keywords must be strings".into()));
                };
                let bytes = text.as_bytes();
                let found = (usize::from(code.positional_only)..named).find(|i| code.locals[*i].as_bytes() == bytes);
                match (found, extra) {
                    (Some(index), _) if bound[index].is_unbound() => bound[index] = *value,
                    (Some(_), _) => {
                        if let Some(raised) = self.native_complaint(function, given, Some(names)) {
                            return Err(raised);
                        }
                        let name = text.to_str_lossy().into_owned();
                        let function = self.function_label(function);
                        return Err(self.type_error(format!("{function}() got multiple values for argument '{name}'")));
                    }
                    (None, Some(extra)) => {
                        let done = extra.set_str(&self.heap, text, Value::adopt(*value));
                        if done.is_err() {
                            return Err(self.memory_error());
                        }
                    }
                    (None, None) => {
                        let raised = self.native_complaint(function, given, Some(names));
                        return Err(raised.unwrap_or_else(|| self.unexpected_keyword(function, text.held(), names)));
                    }
                }
            }
        }
        if given > positional && !varargs {
            let raised = self.native_complaint(function, given, names);
            return Err(raised.unwrap_or_else(|| self.too_many_positional(function, given, &bound)));
        }
        // Defaults, then what is missing.
        let mut missing: SmallVec<[usize; 4]> = SmallVec::new();
        let defaults = function.get().defaults.get();
        let default_count = defaults.map_or(0, |d| d.len());
        for (index, slot) in bound[..positional].iter_mut().enumerate() {
            if slot.is_unbound() {
                match (index + default_count).checked_sub(positional) {
                    Some(at) => *slot = defaults.expect("there are some").item(at).raw(),
                    None => missing.push(index),
                }
            }
        }
        if !missing.is_empty() {
            let raised = self.native_complaint(function, given, names);
            return Err(raised.unwrap_or_else(|| self.missing_arguments(function, &missing, false)));
        }
        let kwdefaults = function.get().kwdefaults.get();
        for (index, slot) in bound.iter_mut().enumerate().take(named).skip(positional) {
            if slot.is_unbound() {
                let name = Str::new(&self.heap, &code.locals[index]);
                match kwdefaults.and_then(|d| d.get_str(&self.heap, name)) {
                    Some(value) => *slot = value.raw(),
                    None => missing.push(index),
                }
            }
        }
        if !missing.is_empty() {
            return Err(self.missing_arguments(function, &missing, true));
        }
        for (index, value) in bound.into_iter().enumerate() {
            self.fiber.registers.set(start + parameter_register(code, index as u32), value);
        }
        Ok(())
    }

    /// The name of a function in the errors of its calls: the qualified one.
    pub(super) fn function_label(&self, function: Held<Function>) -> String {
        self.function_detail(function, Name::Qualname)
            .and_then(|v| v.exact::<Str>())
            .map_or_else(|| function.code().code.qualname.to_string(), |s| s.to_str_lossy().into_owned())
    }

    /// What was set on a function instead of what its code says.
    pub(super) fn function_detail(&self, function: Held<Function>, name: Name) -> Option<Value<'_>> {
        let details = function.get().details.get()?;
        details.get_str(&self.heap, self.name(name))
    }

    fn unexpected_keyword(&mut self, function: Held<Function>, name: Held<Str>, names: Held<Tuple>) -> Raised {
        let code = function.code().code.clone();
        let label = self.function_label(function);
        let only: Vec<&str> = code.locals[..usize::from(code.positional_only)]
            .iter()
            .filter(|l| names.items().any(|n| n.exact::<Str>().is_some_and(|n| n.as_bytes() == l.as_bytes())))
            .map(|l| &**l)
            .collect();
        if !only.is_empty() {
            let list = only.join(", ");
            return self.type_error(format!(
                "{label}() got some positional-only arguments passed as keyword arguments: '{list}'"
            ));
        }
        let name = name.to_str_lossy().into_owned();
        let range = usize::from(code.positional_only)..usize::from(code.positional + code.keyword_only);
        let choices: Vec<&str> = code.locals[range].iter().map(|l| &**l).collect();
        let hint = match super::error::closest(&name, choices.into_iter()) {
            Some(near) => format!(". Did you mean '{near}'?"),
            None => String::new(),
        };
        self.type_error(format!("{label}() got an unexpected keyword argument '{name}'{hint}"))
    }

    fn too_many_positional(&mut self, function: Held<Function>, given: usize, bound: &[Raw]) -> Raised {
        let code = function.code().code.clone();
        let label = self.function_label(function);
        let positional = usize::from(code.positional);
        let keyword_given =
            bound[positional..positional + usize::from(code.keyword_only)].iter().filter(|v| !v.is_unbound()).count();
        let defaults = function.get().defaults.get().map_or(0, |d| d.len());
        let plural = if defaults > 0 { true } else { positional != 1 };
        let takes = if defaults > 0 {
            format!("from {} to {positional}", positional - defaults.min(positional))
        } else {
            positional.to_string()
        };
        let given_text = if keyword_given > 0 {
            let s = |n: usize| if n == 1 { "" } else { "s" };
            format!(
                "{given} positional argument{} (and {keyword_given} keyword-only argument{})",
                s(given),
                s(keyword_given)
            )
        } else {
            given.to_string()
        };
        let were = if given == 1 && keyword_given == 0 { "was" } else { "were" };
        let s = if plural { "s" } else { "" };
        self.type_error(format!("{label}() takes {takes} positional argument{s} but {given_text} {were} given"))
    }

    fn missing_arguments(&mut self, function: Held<Function>, missing: &[usize], keyword: bool) -> Raised {
        let code = function.code().code.clone();
        let label = self.function_label(function);
        let names: Vec<String> = missing.iter().map(|i| format!("'{}'", code.locals[*i])).collect();
        let list = match names.as_slice() {
            [one] => one.clone(),
            [one, two] => format!("{one} and {two}"),
            [most @ .., last] => format!("{}, and {last}", most.join(", ")),
            [] => String::new(),
        };
        let kind = if keyword { "keyword-only" } else { "positional" };
        let s = if missing.len() == 1 { "" } else { "s" };
        self.type_error(format!("{label}() missing {} required {kind} argument{s}: {list}", missing.len()))
    }
}

/// The register of a parameter: past the near ones they are far.
pub(super) fn parameter_register(code: &Code, index: u32) -> u32 {
    let near = u32::from(code.near_locals);
    if index < near { index } else { u32::from(code.far_base) + index - near }
}
