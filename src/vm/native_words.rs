//! Functions that stand for what CPython has written in C. A module of aio's own library says in its global `__native__` which of its
//! functions and classes those are: `"_operator"` (all that it has; they call themselves functions of `_operator`) or
//! `"_functools: reduce partial"` (these only). Errors of their calls are worded as for natives, and functions are natives to all that
//! look at them: a native in front of each is what its module has.
//! Behind a ` | ` the global says what is worded otherwise: `unnamed` that functions taking several arguments don't name themselves,
//! `unpacked: dst tzname` that these, which take no keywords, count their arguments as those do that take some.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bytecode::code::{Code, CodeFlags, Const};
use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Slot, Value};
use crate::object::{Function, Str, Tuple};

use super::Vm;
use super::frame::Held;
use super::inspect::is_library_file;
use super::native::{NativeDef, NativeFunction, NativeKind, Param, ParamKind, Quick, Raised};

fn leak(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// What the marker of a module says of one of its functions.
struct Marked {
    /// What the module's functions call themselves.
    home: String,
    is_unnamed: bool,
    is_unpacked: bool,
}

impl Marked {
    /// Reads a marker, for a function that is called `qualname`.
    fn read(marker: &str, qualname: &str) -> Option<Marked> {
        let mut sections = marker.split(" | ");
        let named = sections.next().unwrap_or_default();
        let outermost = qualname.split('.').next().unwrap_or_default();
        let home = match named.split_once(": ") {
            Some((home, names)) => names.split(' ').any(|name| name == outermost).then_some(home)?,
            None => named,
        };
        let mut found = Marked { home: home.to_owned(), is_unnamed: false, is_unpacked: false };
        let own = qualname.rsplit('.').next().unwrap_or_default();
        for section in sections {
            match section.split_once(": ") {
                Some(("unpacked", names)) => found.is_unpacked |= names.split(' ').any(|name| name == own),
                _ => found.is_unnamed |= section == "unnamed",
            }
        }
        Some(found)
    }
}

/// What an error says of a function, its receiver left out.
struct Signature {
    marked: Marked,
    /// The class, of a method.
    class: Option<String>,
    name: String,
    code: Arc<Code>,
    receiver: usize,
    defaults: usize,
}

impl Signature {
    /// Whether a call of it is a call of its class, or of an object.
    fn is_call_of_class(&self) -> bool {
        self.class.is_some() && matches!(&*self.name, "__init__" | "__new__" | "__call__")
    }

    fn short(&self) -> &str {
        match &self.class {
            Some(class) if self.is_call_of_class() => class,
            _ => &self.name,
        }
    }

    fn full(&self) -> String {
        match &self.class {
            Some(class) if self.is_call_of_class() => class.clone(),
            Some(class) => format!("{class}.{}", self.name),
            None => format!("{}.{}", self.marked.home, self.name),
        }
    }

    fn has(&self, flag: CodeFlags) -> bool {
        self.code.flags.contains(flag)
    }

    /// The parameters that may be given by position.
    fn positional(&self) -> usize {
        usize::from(self.code.positional) - self.receiver
    }

    fn positional_only(&self) -> usize {
        usize::from(self.code.positional_only).saturating_sub(self.receiver)
    }

    fn required(&self) -> usize {
        self.positional() - self.defaults
    }

    fn takes_keywords(&self) -> bool {
        self.positional_only() < self.positional() || self.code.keyword_only > 0
    }

    fn parameter(&self, at: usize) -> &str {
        &self.code.locals[at + self.receiver]
    }

    /// What is wrong with a call that gave so many arguments by position and these by name.
    fn complaint(&self, given: usize, names: &[String]) -> String {
        let (least, most) = (self.required(), self.positional());
        let short = self.short();
        if let Some(class) = &self.class
            && !self.is_call_of_class()
            && super::repr::is_slot(&self.name, class)
        {
            if !names.is_empty() {
                return format!("wrapper {}() takes no keyword arguments", self.name);
            }
            return super::bind_native::operator_arity(&self.name, least, most, given);
        }
        if !self.takes_keywords() && !self.marked.is_unpacked {
            return match (least, most) {
                _ if self.marked.is_unnamed && most > 0 && (least, most) != (1, 1) => {
                    if !names.is_empty() {
                        return format!("{short}() takes no keyword arguments");
                    }
                    let (how, bound) = match given < least {
                        _ if least == most => ("exactly", most),
                        true => ("at least", least),
                        false => ("at most", most),
                    };
                    format!("function takes {how} {bound} argument{} ({given} given)", plural(bound))
                }
                _ if !names.is_empty() && !self.has(CodeFlags::VARKEYWORDS) => {
                    format!("{}() takes no keyword arguments", self.full())
                }
                (_, 0) => format!("{}() takes no arguments ({given} given)", self.full()),
                (1, 1) if !self.is_call_of_class() && !self.has(CodeFlags::VARARGS) => {
                    format!("{}() takes exactly one argument ({given} given)", self.full())
                }
                _ => {
                    let (how, bound) = match given < least {
                        true if least < most || self.has(CodeFlags::VARARGS) && !self.is_call_of_class() => {
                            ("at least ", least)
                        }
                        false if least < most => ("at most ", most),
                        _ => ("", most),
                    };
                    format!("{short} expected {how}{bound} argument{}, got {given}", plural(bound))
                }
            };
        }
        let all = most + usize::from(self.code.keyword_only);
        let count = given + names.len();
        let (label, this) = match self.marked.is_unnamed {
            true => ("function".to_owned(), "this function".to_owned()),
            false => (format!("{short}()"), format!("{short}()")),
        };
        let open = self.has(CodeFlags::VARARGS) || self.has(CodeFlags::VARKEYWORDS);
        if count > all && !open {
            let keyword = if given == 0 { "keyword " } else { "" };
            return format!("{label} takes at most {all} {keyword}argument{} ({count} given)", plural(all));
        }
        let only = self.positional_only().min(least);
        if given > most && !self.has(CodeFlags::VARARGS) || given < only {
            let (how, bound) = match given < only {
                true if only < most => ("at least", only),
                false if least < most => ("at most", most),
                _ => ("exactly", most),
            };
            return format!("{label} takes {how} {bound} positional argument{} ({given} given)", plural(bound));
        }
        let is_named = |at: usize| names.iter().any(|name| name == self.parameter(at));
        if let Some(at) = (given..least).find(|at| !is_named(*at)) {
            return format!("{label} missing required argument '{}' (pos {})", self.parameter(at), at + 1);
        }
        if let Some(at) = (self.positional_only()..given.min(most)).find(|at| is_named(*at)) {
            let name = self.parameter(at);
            return format!("argument for {label} given by name ('{name}') and position ({})", at + 1);
        }
        let known: Vec<&str> = (self.positional_only()..all).map(|at| self.parameter(at)).collect();
        let unknown = names.iter().find(|name| !known.contains(&name.as_str())).map_or("", |name| name);
        let hint = match super::error::closest(unknown, known.into_iter()) {
            Some(near) => format!(". Did you mean '{near}'?"),
            None => String::new(),
        };
        format!("{this} got an unexpected keyword argument '{unknown}'{hint}")
    }
}

impl Vm {
    /// `repr` of a function.
    pub fn function_repr(&self, function: Held<Function>) -> String {
        let label = self.function_label(function);
        if !label.contains('.') && self.native_home(function).is_some() {
            return format!("<built-in function {label}>");
        }
        format!("<function {label} at {:#x}>", self.heap.id(function.value()))
    }

    /// Whether a function of aio's library stands for one that CPython has written in C.
    pub fn stands_for_native(&self, function: Held<Function>) -> bool {
        self.native_home(function).is_some()
    }

    /// What is known of a function of aio's library that CPython has written in C.
    fn native_home(&self, function: Held<Function>) -> Option<Marked> {
        let code = function.code().code.clone();
        if !is_library_file(&code.filename) {
            return None;
        }
        let globals = function.get().globals.get()?;
        let marker = globals.get_str(&self.heap, Str::new(&self.heap, "__native__"))?;
        let marker = self.as_str(marker)?.to_str_lossy().into_owned();
        Marked::read(&marker, &code.qualname)
    }

    /// A native to be seen in place of a module's function that stands for one written in C; None for others. Calling it calls the
    /// function.
    pub(super) fn native_in_front(&mut self, function: Held<Function>) -> Option<Raw> {
        let code = function.code().code.clone();
        let other = CodeFlags::NAMESPACE | CodeFlags::GENERATOR | CodeFlags::COROUTINE | CodeFlags::ASYNC_GENERATOR;
        if code.flags.intersects(other) || code.qualname.contains(['.', '<']) || code.qualname.starts_with('_') {
            return None;
        }
        let home = self.native_home(function)?.home;
        let def = self.native_def(&home, function);
        let receiver = self.modules().get_str(&self.heap, Str::new(&self.heap, &home)).map_or(Raw::NONE, Value::raw);
        let module = Str::new(&self.heap, &home).held();
        let native = self.heap.alloc(NativeFunction {
            def,
            positional: 0,
            simple: false,
            least: u8::MAX,
            receiver: Slot::new(Value::adopt(receiver)),
            class: Ref::none(),
            module: AnyRef::new(module.value()),
            target: Ref::new(function),
        });
        Some(native.value().raw())
    }

    /// The declaration of such a native: made once in a process, however many machines there are.
    fn native_def(&mut self, home: &str, function: Held<Function>) -> &'static NativeDef {
        static MADE: Mutex<BTreeMap<String, &'static NativeDef>> = Mutex::new(BTreeMap::new());
        let code = function.code().code.clone();
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{home}.{}", code.qualname);
        if let Some(def) = made.get(&key) {
            return def;
        }
        let doc = match code.constants.first() {
            Some(Const::Str(text)) if code.flags.contains(CodeFlags::DOCSTRING) => {
                String::from_utf8_lossy(text).into_owned()
            }
            _ => String::new(),
        };
        let def = NativeDef {
            name: leak(&code.qualname),
            doc: Vec::leak(doc.lines().map(leak).collect()),
            kind: NativeKind::Function,
            params: Vec::leak(self.native_params(function)),
            suspends: false,
            scripted: false,
            counted: false,
            unnamed: false,
            quick: Quick::No,
            run: |cx, _| Err(cx.system_error("a function of the library was not called")),
        };
        let def = Box::leak(Box::new(def));
        made.insert(key, def);
        def
    }

    fn native_params(&self, function: Held<Function>) -> Vec<Param> {
        let code = function.code().code.clone();
        let (positional, only) = (usize::from(code.positional), usize::from(code.positional_only));
        let names = positional + usize::from(code.keyword_only);
        let defaults = function.get().defaults.get().map(Gc::held);
        let first = positional - defaults.map_or(0, |d| d.len());
        let by_name = function.get().kwdefaults.get().map(Gc::held);
        let mut params = vec![];
        let mut locals = code.locals.iter();
        for (at, name) in locals.by_ref().take(names).enumerate() {
            let kind = match at {
                _ if at < only => ParamKind::Positional,
                _ if at < positional => ParamKind::Either,
                _ => ParamKind::Keyword,
            };
            let default = match kind {
                ParamKind::Keyword => {
                    by_name.and_then(|d| d.get_str(&self.heap, Str::new(&self.heap, name)).map(Value::raw))
                }
                _ if at >= first => defaults.map(|d| d.item(at - first).raw()),
                _ => None,
            };
            let default = default.map_or(String::new(), |raw| self.default_text(Value::adopt(raw)));
            params.push(Param { name: leak(name), kind, default: leak(&default) });
        }
        let rest = [(CodeFlags::VARARGS, ParamKind::Rest), (CodeFlags::VARKEYWORDS, ParamKind::KeywordRest)];
        for (_, kind) in rest.into_iter().filter(|(flag, _)| code.flags.contains(*flag)) {
            let name = locals.next().map_or("", |name| leak(name));
            // Those before `*args` can't be given by name, as far as anybody is told.
            let at = params.iter().position(|p: &Param| p.kind == ParamKind::Keyword).unwrap_or(params.len());
            let at = if kind == ParamKind::Rest { at } else { params.len() };
            params.insert(at, Param { name, kind, default: "" });
        }
        params
    }

    /// A default as signatures show it.
    fn default_text(&self, value: Value<'_>) -> String {
        if let Some(text) = self.as_str(value) {
            let text = text.to_str_lossy();
            return if text.contains(['\'', '\\']) { "<unrepresentable>".into() } else { format!("'{text}'") };
        }
        match value.kind() {
            Kind::None => "None".into(),
            Kind::True => "True".into(),
            Kind::False => "False".into(),
            _ => match (value.as_int(), value.as_float()) {
                (Some(number), _) => number.to_string(),
                (_, Some(number)) => crate::number::float_repr::repr(number),
                _ => "<unrepresentable>".into(),
            },
        }
    }

    /// What is wrong with a call of a function that stands for one written in C; None for others.
    pub(super) fn native_complaint(
        &mut self,
        function: Held<Function>,
        given: usize,
        names: Option<Held<Tuple>>,
    ) -> Option<Raised> {
        let marked = self.native_home(function)?;
        let code = function.code().code.clone();
        let qualname: Vec<String> = code.qualname.split('.').map(str::to_owned).collect();
        let (class, name) = match qualname.as_slice() {
            [name] => (None, name.clone()),
            [.., class, name] => (Some(class.clone()), name.clone()),
            [] => return None,
        };
        let receiver = usize::from(class.is_some() && code.positional > 0);
        let given = given.checked_sub(receiver)?;
        let defaults = function.get().defaults.get().map_or(0, |d| d.len());
        let names: Vec<String> = names.map_or(vec![], |names| {
            names.items().filter_map(|n: Value<'_>| n.exact::<Str>().map(|n| n.to_str_lossy().into_owned())).collect()
        });
        let signature = Signature { marked, class, name, code, receiver, defaults };
        Some(self.type_error(signature.complaint(given, &names)))
    }
}
