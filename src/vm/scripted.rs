//! Errors of calls of natives that stand for what CPython has written in the language: worded as for functions of scripts.

use super::Vm;
use super::call::has_receiver;
use super::frame::Held;
use super::native::{NativeFunction, Param, ParamKind, Raised};
use crate::heap::{Raw, Value};
use crate::object::Tuple;

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn missing_text(label: &str, kind: &str, names: &[String]) -> String {
    let list = match names {
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [most @ .., last] => format!("{}, and {last}", most.join(", ")),
        [] => String::new(),
    };
    format!("{label}() missing {} required {kind} argument{}: {list}", names.len(), plural(names.len()))
}

fn is_positional(param: &Param) -> bool {
    matches!(param.kind, ParamKind::Positional | ParamKind::Either)
}

impl Vm {
    /// The name of such a native, qualified; `__new__` does the work of `__init__`.
    pub(super) fn scripted_label(&self, native: Held<NativeFunction>) -> String {
        let name = match native.get().def.name {
            "__new__" => "__init__",
            name => name,
        };
        match native.get().class.get() {
            Some(class) => format!("{}.{name}", class.name().to_str_lossy()),
            None => name.to_owned(),
        }
    }

    /// More arguments by position than there are parameters for. Receivers count.
    pub(super) fn scripted_too_many(&mut self, native: Held<NativeFunction>, given: usize) -> Raised {
        let label = self.scripted_label(native);
        let positional: Vec<&Param> = native.get().def.params.iter().filter(|p| is_positional(p)).collect();
        let most = positional.len();
        let least = positional.iter().filter(|p| p.default.is_empty()).count();
        let were = if given == 1 { "was" } else { "were" };
        self.type_error(if least < most {
            format!("{label}() takes from {least} to {most} positional arguments but {given} {were} given")
        } else {
            format!("{label}() takes {most} positional argument{} but {given} {were} given", plural(most))
        })
    }

    /// What has to be given and is not.
    pub(super) fn scripted_missing(&mut self, native: Held<NativeFunction>, bound: &[Raw]) -> Raised {
        let def = native.get().def;
        let label = self.scripted_label(native);
        let lacks = |(at, param): &(usize, &Param)| {
            *at >= usize::from(has_receiver(def)) && bound[*at].is_unbound() && param.default.is_empty()
        };
        let missing: Vec<&Param> = def.params.iter().enumerate().filter(lacks).map(|(_, param)| param).collect();
        let positional = missing.iter().any(|p| is_positional(p));
        let kind = if positional { "positional" } else { "keyword-only" };
        let wanted = missing
            .iter()
            .filter(|p| is_positional(p) == positional && !matches!(p.kind, ParamKind::Rest | ParamKind::KeywordRest));
        let names: Vec<String> = wanted.map(|p| format!("'{}'", p.name)).collect();
        self.type_error(missing_text(&label, kind, &names))
    }

    /// A method called through its class without an object.
    pub(super) fn scripted_alone(&mut self, native: Held<NativeFunction>, keywords: Option<Raw>) -> Raised {
        let label = self.scripted_label(native);
        let given: Vec<String> = keywords
            .and_then(|k| Value::<'static>::adopt(k).exact::<Tuple>())
            .map(|k| k.items().filter_map(|name| Some(self.as_str(name)?.to_str_lossy().into_owned())).collect())
            .unwrap_or_default();
        let lacks = |p: &&Param| is_positional(p) && p.default.is_empty() && !given.iter().any(|name| name == p.name);
        let wanted = native.get().def.params.iter().skip(1).filter(lacks);
        let names: Vec<String> =
            std::iter::once("'self'".to_owned()).chain(wanted.map(|p| format!("'{}'", p.name))).collect();
        self.type_error(missing_text(&label, "positional", &names))
    }
}
