//! What `repr` shows of each builtin kind, and `str` of exceptions.
//!
//! Containers write their items into one buffer. Each level takes machine stack, which is checked, so nesting without end is a
//! RecursionError; a container that is being written already shows as `[...]`.

#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds show as object does")]

use std::io::Write as _;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::number::{complex, float_repr, int_text};
use crate::object::key::as_int_ref;
use crate::object::{
    BoundMethod, ByteArray, Bytes, Class, ClassMethod, CodeObject, Complex, Dict, DictPart, DictView, Exc, Exception,
    Frame, FrozenSet, Function, GenericAlias, GetSet, List, MappingProxy, Module, Range, Set, Slice, StaticMethod, Str,
    Super, Tuple, Union, Variable, any_generator, field_index,
};
use crate::text::codec;
use crate::text::repr as text_repr;

use super::frame::Held;
use super::native::{NativeFunction, NativeKind, Raised, Root};
use super::text::TextOf;
use super::{Name, Vm};

impl Vm {
    /// Whether `repr` of a value is written here, whatever its class says: exact builtin kinds.
    pub(super) fn has_builtin_repr(&self, value: Value<'_>) -> bool {
        if value.is_subclassed() {
            return false;
        }
        match value.kind() {
            Kind::Class => {
                let class = value.exact::<Class>().expect("a class");
                class.get().metaclass.get().is_none_or(|m| m.value().raw().same(self.types.type_))
            }
            Kind::Module => value.exact::<Module>().is_some_and(|m| m.get().class.get().is_none()),
            Kind::Set | Kind::FrozenSet | Kind::List | Kind::Tuple | Kind::Dict | Kind::Range | Kind::Slice => true,
            Kind::Str | Kind::Bytes | Kind::ByteArray | Kind::Int | Kind::BigInt | Kind::Float | Kind::Complex => true,
            Kind::None | Kind::True | Kind::False | Kind::Ellipsis | Kind::NotImplemented => true,
            Kind::Function | Kind::Native | Kind::BoundMethod | Kind::Code | Kind::Cell | Kind::Frame => true,
            Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator | Kind::DictView => true,
            Kind::StaticMethod | Kind::ClassMethod | Kind::Super | Kind::GetSet => {
                value.header().is_some_and(|h| h.shape() == 0)
            }
            Kind::MappingProxy | Kind::GenericAlias | Kind::Union | Kind::Traceback => true,
            _ => false,
        }
    }

    /// Appends `repr` of a value that contains no other; false if it is none such.
    pub(super) fn write_plain(&mut self, out: &mut Vec<u8>, raw: Raw) -> Result<bool, Raised> {
        let value = Value::adopt(raw);
        if value.is_subclassed() {
            return Ok(false);
        }
        if let (_, Some(length)) | (Some(length), None) =
            (value.exact::<Str>().map(|s| s.len()), value.exact::<Bytes>().map(|b| b.len()))
        {
            // An escape is four times as long, and there is a copy.
            self.check_room(length.saturating_mul(5))?;
        }
        match value.kind() {
            Kind::Int => {
                let mut text = String::with_capacity(20);
                int_text::push_i64(&mut text, value.as_int().expect("an int"));
                out.extend_from_slice(text.as_bytes());
            }
            Kind::Str => write_text_repr(out, value.exact::<Str>().expect("a text").as_bytes()),
            Kind::Float => {
                let mut text = String::with_capacity(24);
                float_repr::push_repr(&mut text, value.as_float().expect("a float"));
                out.extend_from_slice(text.as_bytes());
            }
            Kind::None => out.extend_from_slice(b"None"),
            Kind::True => out.extend_from_slice(b"True"),
            Kind::False => out.extend_from_slice(b"False"),
            Kind::Ellipsis => out.extend_from_slice(b"Ellipsis"),
            Kind::NotImplemented => out.extend_from_slice(b"NotImplemented"),
            Kind::BigInt => {
                let mark = self.mark();
                let root = self.push_raw(value.raw());
                let text = self.patiently(|cx, watch| {
                    let number = as_int_ref(root.get(cx)).expect("a big integer");
                    int_text::format_int_watched(number, cx.int_max_str_digits, watch)
                });
                self.release(mark);
                match text? {
                    Ok(text) => out.extend_from_slice(text.as_bytes()),
                    Err(fault) => return Err(self.fault(fault)),
                }
            }
            Kind::Complex => {
                let c = value.exact::<Complex>().expect("a complex");
                out.extend_from_slice(complex::repr(complex::Complex { re: c.real, im: c.imaginary }).as_bytes());
            }
            Kind::Bytes => {
                let text = text_repr::bytes(value.exact::<Bytes>().expect("bytes").as_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What the builtin type's own `__repr__` gives, for an instance of a class derived from it, too.
    pub(crate) fn own_repr(&mut self, this: Root) -> Result<Raw, Raised> {
        let mut out = Vec::new();
        self.write_own_repr(&mut out, this)?;
        self.checked_text(&out)
    }

    /// Appends `repr(value)`.
    pub fn write_repr(&mut self, out: &mut Vec<u8>, root: Root) -> Result<(), Raised> {
        let raw = root.get(self).raw();
        if self.write_plain(out, raw)? {
            return Ok(());
        }
        self.check_stack_for_repr(true)?;
        if out.len() > self.heap.limit() {
            return Err(self.memory_error());
        }
        if self.has_builtin_repr(Value::adopt(raw)) {
            return self.write_own_repr(out, root);
        }
        let mark = self.mark();
        let text = match self.text_of(root, true)? {
            TextOf::Done(raw) => self.push_raw(raw),
            TextOf::Call(_) => self.repr(root)?,
        };
        out.extend_from_slice(self.as_str(text.get(self)).expect("repr gives a text").as_bytes());
        self.release(mark);
        Ok(())
    }

    /// Appends `repr` of a value that need not be in a register.
    fn write_item(&mut self, out: &mut Vec<u8>, raw: Raw) -> Result<(), Raised> {
        if self.write_plain(out, raw)? {
            return Ok(());
        }
        let mark = self.mark();
        let root = self.push_raw(raw);
        self.write_repr(out, root)?;
        self.release(mark);
        Ok(())
    }

    /// Says that `repr` of a container begins; false if it is going on already.
    pub fn enter_repr(&mut self, container: Root) -> bool {
        let bits = container.get(self).raw().bits();
        if self.fiber.reprs.contains(&bits) {
            return false;
        }
        self.fiber.reprs.push(bits);
        true
    }

    /// Says that `repr` of a container ended, well or not.
    pub fn leave_repr(&mut self, container: Root) {
        let bits = container.get(self).raw().bits();
        if let Some(at) = self.fiber.reprs.iter().rposition(|b| *b == bits) {
            self.fiber.reprs.truncate(at);
        }
    }

    /// Appends what a value's builtin type shows, whatever a derived class does: for an instance of a class derived from list, the
    /// items in brackets. Values of no such kind show as `<C object at 0x…>`.
    pub fn write_own_repr(&mut self, out: &mut Vec<u8>, root: Root) -> Result<(), Raised> {
        let value = root.get(self);
        let instance = value.raw();
        let raw = self.payload(value).raw();
        let value: Value<'static> = Value::adopt(raw);
        if self.write_plain(out, raw)? {
            return Ok(());
        }
        match value.kind() {
            Kind::List | Kind::Tuple | Kind::Dict | Kind::Set | Kind::FrozenSet | Kind::DictView => {
                let mark = self.mark();
                let payload = self.push_raw(raw);
                if self.enter_repr(payload) {
                    let done = self.write_container(out, payload, Value::adopt(instance));
                    self.leave_repr(payload);
                    done?;
                } else {
                    let dots = match value.kind() {
                        Kind::List => "[...]",
                        Kind::Tuple => "(...)",
                        Kind::Dict => "{...}",
                        Kind::DictView => "...",
                        _ => {
                            let name = self.type_name_for_error(Value::adopt(instance));
                            let _ = write!(out, "{name}(...)");
                            ""
                        }
                    };
                    out.extend_from_slice(dots.as_bytes());
                }
                self.release(mark);
                return Ok(());
            }
            Kind::ByteArray => {
                let name = self.type_name_for_error(Value::adopt(instance));
                let bytes = value.exact::<ByteArray>().expect("a bytearray").to_vec();
                let _ = write!(out, "{name}({})", bytearray_literal(&bytes));
            }
            Kind::Range => {
                let range = value.exact::<Range>().expect("a range");
                let parts = [range.start.get().raw(), range.stop.get().raw(), range.step.get().raw()];
                out.extend_from_slice(b"range(");
                self.write_item(out, parts[0])?;
                out.extend_from_slice(b", ");
                self.write_item(out, parts[1])?;
                if Value::adopt(parts[2]).as_int() != Some(1) {
                    out.extend_from_slice(b", ");
                    self.write_item(out, parts[2])?;
                }
                out.push(b')');
            }
            Kind::Slice => {
                let slice = value.exact::<Slice>().expect("a slice");
                let parts = [slice.start.get().raw(), slice.stop.get().raw(), slice.step.get().raw()];
                for (part, before) in parts.into_iter().zip(["slice(", ", ", ", "]) {
                    out.extend_from_slice(before.as_bytes());
                    self.write_item(out, part)?;
                }
                out.push(b')');
            }
            Kind::Exception => {
                let exception = value.exact::<Exception>().expect("an exception");
                let name = self.class_of(value).name().as_bytes().to_vec();
                out.extend_from_slice(&name);
                let args = exception.args();
                if args.len() == 1 {
                    out.push(b'(');
                    self.write_item(out, args.item(0).raw())?;
                    out.push(b')');
                } else {
                    self.write_item(out, args.value().raw())?;
                }
            }
            _ => return self.write_other_repr(out, root, value),
        }
        Ok(())
    }

    /// Lists, tuples, dicts, sets and views. What is shown is looked at item by item, since an item's `__repr__` may change it.
    fn write_container(&mut self, out: &mut Vec<u8>, root: Root, instance: Value<'static>) -> Result<(), Raised> {
        let value: Value<'static> = Value::adopt(root.get(self).raw());
        if let Some(list) = value.exact::<List>() {
            let mut index = 0;
            out.push(b'[');
            while let Some(item) = self.poll_at(index).map(|()| list.item(index))? {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                self.write_item(out, item.raw())?;
                index += 1;
            }
            out.push(b']');
        } else if let Some(tuple) = value.exact::<Tuple>() {
            out.push(b'(');
            for (index, item) in tuple.items().enumerate() {
                self.poll_at(index)?;
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                self.write_item(out, item.raw())?;
            }
            out.extend_from_slice(if tuple.len() == 1 { b",)" } else { b")" });
        } else if let Some(dict) = value.exact::<Dict>() {
            out.push(b'{');
            let mut first = true;
            let mut index = 0;
            while index < dict.used() {
                self.poll_at(index)?;
                let entry = dict.entry(index).map(|(k, v)| (k.raw(), v.raw()));
                index += 1;
                let Some((key, item)) = entry else { continue };
                if !std::mem::take(&mut first) {
                    out.extend_from_slice(b", ");
                }
                let mark = self.mark();
                self.push_raw(item);
                self.write_item(out, key)?;
                out.extend_from_slice(b": ");
                self.write_item(out, item)?;
                self.release(mark);
            }
            out.push(b'}');
        } else if let Some(view) = value.exact::<DictView>() {
            return self.write_view(out, view);
        } else {
            let set = value.exact::<Set>().map(|s| s.held());
            let frozen = value.exact::<FrozenSet>().map(|s| s.held());
            let keys: Vec<Raw> = match (set, frozen) {
                (Some(set), _) => set.iter().map(|(_, k)| k.raw()).collect(),
                (_, Some(set)) => set.iter().map(|(_, k)| k.raw()).collect(),
                _ => vec![],
            };
            let plain = value.kind() == Kind::Set && !instance.is_subclassed();
            if !plain || keys.is_empty() {
                let name = self.type_name_for_error(instance);
                let _ = write!(out, "{name}(");
            }
            if !keys.is_empty() {
                // A tuple keeps all keys: the set may lose them meanwhile.
                let mark = self.mark();
                let kept = Tuple::build(&self.heap, keys.len(), |at| Value::adopt(keys[at])).value().raw();
                self.push_raw(kept);
                out.push(b'{');
                for (index, key) in keys.iter().enumerate() {
                    self.poll_at(index)?;
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    self.write_item(out, *key)?;
                }
                out.push(b'}');
                self.release(mark);
            }
            if !plain || keys.is_empty() {
                out.push(b')');
            }
        }
        Ok(())
    }

    fn write_view(&mut self, out: &mut Vec<u8>, view: Gc<'static, DictView>) -> Result<(), Raised> {
        let class = self.class_of(view.value());
        out.extend_from_slice(class.name().as_bytes());
        out.extend_from_slice(b"([");
        let dict = self.payload(view.get().dict.get()).raw();
        let dict = Value::adopt(dict).exact::<Dict>();
        let mut first = true;
        let mut index = 0;
        while let Some(dict) = dict.filter(|d| index < d.used()) {
            let entry = dict.entry(index).map(|(k, v)| (k.raw(), v.raw()));
            index += 1;
            let Some((key, item)) = entry else { continue };
            if !std::mem::take(&mut first) {
                out.extend_from_slice(b", ");
            }
            match view.part {
                DictPart::Keys => self.write_item(out, key)?,
                DictPart::Values => self.write_item(out, item)?,
                DictPart::Items => {
                    let mark = self.mark();
                    self.push_raw(item);
                    out.push(b'(');
                    self.write_item(out, key)?;
                    out.extend_from_slice(b", ");
                    self.write_item(out, item)?;
                    out.push(b')');
                    self.release(mark);
                }
            }
        }
        out.extend_from_slice(b"])");
        Ok(())
    }

    /// What is neither a number, a text nor a container of values.
    fn write_other_repr(&mut self, out: &mut Vec<u8>, root: Root, value: Value<'static>) -> Result<(), Raised> {
        let id = self.heap.id(value);
        let text = match value.kind() {
            Kind::Class => format!("<class '{}'>", self.class_path(value.exact::<Class>().expect("a class"))),
            Kind::Function => {
                let function = value.exact::<Function>().expect("a function");
                self.function_repr(function.held())
            }
            Kind::Native => self.native_repr(value.exact::<NativeFunction>().expect("a native")),
            Kind::BoundMethod => return self.write_method(out, value.exact::<BoundMethod>().expect("a method")),
            Kind::Module => self.module_repr(value.exact::<Module>().expect("a module"))?,
            Kind::Code => {
                let code = value.exact::<CodeObject>().expect("code");
                let code = &code.code;
                format!("<code object {} at {id:#x}, file \"{}\", line {}>", code.name, code.filename, code.first_line)
            }
            Kind::Cell => {
                let content = value.exact::<Variable>().expect("a cell").get().content.get();
                match content.given() {
                    None => format!("<cell at {id:#x}: empty>"),
                    Some(content) => {
                        let name = self.type_name_for_error(content);
                        format!("<cell at {id:#x}: {name} object at {:#x}>", self.heap.id(content))
                    }
                }
            }
            Kind::Frame => {
                let frame = value.exact::<Frame>().expect("a frame");
                let code = frame.get().function.get().expect("a frame has a function").code().code.clone();
                let line = self.frame_line(frame).unwrap_or(code.first_line);
                format!("<frame at {id:#x}, file '{}', line {line}, code {}>", code.filename, code.name)
            }
            Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator => {
                let generator = any_generator(value).expect("one of them").held();
                let what = match value.kind() {
                    Kind::Generator => "generator",
                    Kind::Coroutine => "coroutine",
                    _ => "async_generator",
                };
                let set = generator.get().details.get::<Dict>();
                let set = set.and_then(|d| d.get_str(&self.heap, self.name(Name::Qualname)));
                let name = match set.and_then(|v| v.exact::<Str>()) {
                    Some(name) => name.to_str_lossy().into_owned(),
                    None => self.function_label(generator.get().function.get().expect("it has one").held()),
                };
                format!("<{what} object {name} at {id:#x}>")
            }
            Kind::StaticMethod => {
                let function = value.exact::<StaticMethod>().expect("a staticmethod").get().function.get().raw();
                return self.write_wrapped(out, "<staticmethod(", function, ")>");
            }
            Kind::ClassMethod => {
                let function = value.exact::<ClassMethod>().expect("a classmethod").get().function.get().raw();
                return self.write_wrapped(out, "<classmethod(", function, ")>");
            }
            Kind::MappingProxy => {
                let mapping = value.exact::<MappingProxy>().expect("a proxy").get().mapping.get().raw();
                return self.write_wrapped(out, "mappingproxy(", mapping, ")");
            }
            Kind::Super => {
                let it = value.exact::<Super>().expect("a super");
                let class = it.get().class.get().map_or("NULL".to_owned(), |c| c.name().to_str_lossy().into_owned());
                match it.get().receiver_class.get() {
                    Some(of) => format!("<super: <class '{class}'>, <{} object>>", of.name().to_str_lossy()),
                    None => format!("<super: <class '{class}'>, NULL>"),
                }
            }
            Kind::GetSet => {
                let it = value.exact::<GetSet>().expect("a getset");
                let what = if it.get().access.is_member() { "member" } else { "attribute" };
                let name = it.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
                let class = it.get().class.get().map_or(String::new(), |c| self.tp_name(c));
                format!("<{what} '{name}' of '{class}' objects>")
            }
            Kind::GenericAlias => return self.write_alias(out, value.exact::<GenericAlias>().expect("an alias")),
            Kind::Union => {
                let args = value.exact::<Union>().expect("a union").get().args.get().raw();
                let args = Value::adopt(args).exact::<Tuple>().expect("a tuple");
                for (index, arg) in args.items().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b" | ");
                    }
                    self.write_type(out, arg.raw())?;
                }
                return Ok(());
            }
            _ => {
                let class = self.class_of(root.get(self)).held();
                let id = self.heap.id(root.get(self));
                format!("<{} object at {id:#x}>", self.class_path(class))
            }
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_wrapped(&mut self, out: &mut Vec<u8>, before: &str, raw: Raw, after: &str) -> Result<(), Raised> {
        out.extend_from_slice(before.as_bytes());
        self.write_item(out, raw)?;
        out.extend_from_slice(after.as_bytes());
        Ok(())
    }

    /// A class's name as `repr` shows it: qualified, and with its module unless that is `builtins`.
    pub fn class_path(&self, class: Held<Class>) -> String {
        let qualname = class.get().qualname.get();
        let name = match qualname.exact::<Str>() {
            Some(name) => name.to_str_lossy().into_owned(),
            None => class.name().to_str_lossy().into_owned(),
        };
        let module = class.namespace().get_str(&self.heap, self.name(Name::Module));
        match module.and_then(|m| m.exact::<Str>()) {
            Some(module) if module.as_bytes() != b"builtins" => format!("{}.{name}", module.to_str_lossy()),
            _ => name,
        }
    }

    fn native_repr(&self, native: Held<NativeFunction>) -> String {
        let def = native.get().def;
        let name = def.name;
        match (native.get().class.get(), def.kind) {
            (Some(class), NativeKind::StaticMethod) => {
                format!("<built-in method {name} of type object at {:#x}>", self.heap.id(class.value()))
            }
            (Some(class), _) => {
                let shown = self.tp_name(class);
                if is_slot(name, &class.name().to_str_lossy()) {
                    format!("<slot wrapper '{name}' of '{shown}' objects>")
                } else {
                    format!("<method '{name}' of '{shown}' objects>")
                }
            }
            (None, _) if def.scripted => format!("<function {name} at {:#x}>", self.heap.id(native.value())),
            (None, _) => format!("<built-in function {name}>"),
        }
    }

    fn write_method(&mut self, out: &mut Vec<u8>, method: Gc<'static, BoundMethod>) -> Result<(), Raised> {
        let function: Value<'static> = Value::adopt(method.get().function.get().raw());
        let receiver = method.get().receiver.get().raw();
        if let Some(native) = function.exact::<NativeFunction>()
            && native.get().def.kind != NativeKind::Function
        {
            let name = native.get().def.name;
            let of = self.type_name_for_error(Value::adopt(receiver));
            let id = self.heap.id(Value::adopt(receiver));
            let what = match super::is_wrapper_of(native.held()) {
                true => format!("method-wrapper '{name}'"),
                false => format!("built-in method {name}"),
            };
            let _ = write!(out, "<{what} of {of} object at {id:#x}>");
            return Ok(());
        }
        let name = match function.exact::<Function>() {
            Some(function) => self.function_label(function),
            None => {
                let mark = self.mark();
                let function = self.push_raw(function.raw());
                let name = match self.find_attribute(function, "__qualname__")? {
                    Some(name) => Some(name),
                    None => self.find_attribute(function, "__name__")?,
                };
                let text = name.and_then(|n| self.as_str(n.get(self))).map(|s| s.to_str_lossy().into_owned());
                self.release(mark);
                text.unwrap_or_else(|| "?".to_owned())
            }
        };
        self.write_wrapped(out, &format!("<bound method {name} of "), receiver, ">")
    }

    /// Where CPython has a module that is part of the program, if it isn't in a file there: what its repr says.
    pub(crate) fn place_of_module(name: &str) -> Option<&'static str> {
        match name {
            "abc"
            | "codecs"
            | "genericpath"
            | "importlib.machinery"
            | "importlib.util"
            | "io"
            | "ntpath"
            | "os"
            | "posixpath"
            | "runpy"
            | "stat" => Some("frozen"),
            "_codecs" | "_io" => Some("built-in"),
            _ => None,
        }
    }

    fn module_repr(&mut self, module: Gc<'static, Module>) -> Result<String, Raised> {
        let get = |cx: &Vm, name: Name| {
            let value = module.dict().get_str(&cx.heap, cx.name(name))?;
            value.exact::<Str>().map(|s| s.as_bytes().to_vec())
        };
        let name = match get(self, Name::Name) {
            Some(name) => text_repr::text(&name),
            None => "'?'".to_owned(),
        };
        let loaded = get(self, Name::Name)
            .and_then(|n| String::from_utf8(n).ok())
            .and_then(|n| self.find_module(&n))
            .is_some_and(|m| m.is(module.value()));
        let place = std::str::from_utf8(&get(self, Name::Name).unwrap_or_default()).ok().and_then(Vm::place_of_module);
        Ok(match get(self, Name::File) {
            Some(file) if file.starts_with(b"<") && place.is_some() => {
                format!("<module {name} ({})>", place.unwrap_or_default())
            }
            None if loaded && place.is_some() => format!("<module {name} ({})>", place.unwrap_or_default()),
            Some(file) => format!("<module {name} from {}>", text_repr::text(&file)),
            None if loaded => format!("<module {name} (built-in)>"),
            None => format!("<module {name}>"),
        })
    }

    fn write_alias(&mut self, out: &mut Vec<u8>, alias: Gc<'static, GenericAlias>) -> Result<(), Raised> {
        if alias.get().unpacked {
            out.push(b'*');
        }
        self.write_type(out, alias.get().origin.get().raw())?;
        out.push(b'[');
        let args: Value<'static> = Value::adopt(alias.get().args.get().raw());
        if let Some(args) = args.exact::<Tuple>() {
            if args.is_empty() {
                out.extend_from_slice(b"()");
            }
            for (index, arg) in args.items().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                self.write_parameter(out, arg.raw())?;
            }
        }
        out.push(b']');
        Ok(())
    }

    /// What stands in the brackets of an alias: also a list of types, as that of a callable's parameters.
    fn write_parameter(&mut self, out: &mut Vec<u8>, raw: Raw) -> Result<(), Raised> {
        let value: Value<'static> = Value::adopt(raw);
        let Some(list) = value.exact::<List>() else { return self.write_type(out, raw) };
        out.push(b'[');
        let mut index = 0;
        while let Some(item) = list.item(index) {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            self.write_type(out, item.raw())?;
            index += 1;
        }
        out.push(b']');
        Ok(())
    }

    /// A part of an alias or a union: classes by their names alone.
    fn write_type(&mut self, out: &mut Vec<u8>, raw: Raw) -> Result<(), Raised> {
        let value: Value<'static> = Value::adopt(raw);
        match value.kind() {
            Kind::Ellipsis => out.extend_from_slice(b"..."),
            Kind::None => out.extend_from_slice(b"None"),
            Kind::Class => {
                let class = value.exact::<Class>().expect("a class");
                if class == self.kind_class(Kind::None) {
                    out.extend_from_slice(b"None");
                } else {
                    out.extend_from_slice(self.class_path(class).as_bytes());
                }
            }
            _ => match self.path_of_type(raw)? {
                Some(path) => out.extend_from_slice(&path),
                None => self.write_item(out, raw)?,
            },
        }
        Ok(())
    }

    /// The name under which an object with `__module__` and `__qualname__` stands in an alias, as functions do; None for what is shown
    /// by its own text.
    fn path_of_type(&mut self, raw: Raw) -> Result<Option<Vec<u8>>, Raised> {
        let mark = self.mark();
        let root = self.push_raw(raw);
        let is_alias =
            self.find_attribute(root, "__origin__")?.is_some() && self.find_attribute(root, "__args__")?.is_some();
        let path = if is_alias { None } else { self.module_and_name(root)? };
        self.release(mark);
        Ok(path)
    }

    fn module_and_name(&mut self, root: Root) -> Result<Option<Vec<u8>>, Raised> {
        let Some(qualname) = self.find_attribute(root, "__qualname__")? else { return Ok(None) };
        let Some(module) = self.find_attribute(root, "__module__")?.filter(|m| !m.get(self).is_none()) else {
            return Ok(None);
        };
        let (module, qualname) = (self.str_text(module)?, self.str_text(qualname)?);
        Ok(Some(if module == "builtins" { qualname.into_bytes() } else { format!("{module}.{qualname}").into_bytes() }))
    }

    // ---- exceptions ----

    /// `str` of an exception as its builtin class gives it.
    pub fn exception_str(&mut self, root: Root) -> Result<Raw, Raised> {
        let value: Value<'static> = Value::adopt(root.get(self).raw());
        if let Some(exception) = value.exact::<Exception>()
            && exception.args().len() == 1
            && exception.args().item(0).exact::<Str>().is_some()
            && shows_its_argument(self.exception_kind(self.class_of(value)))
        {
            return Ok(exception.args().item(0).raw());
        }
        let mut out = Vec::new();
        self.write_exception_str(&mut out, root)?;
        self.checked_text(&out)
    }

    fn write_exception_str(&mut self, out: &mut Vec<u8>, root: Root) -> Result<(), Raised> {
        self.check_stack_for_repr(false)?;
        let value: Value<'static> = Value::adopt(root.get(self).raw());
        let Some(exception) = value.exact::<Exception>() else {
            return Err(self.type_error("expected an exception".to_owned()));
        };
        let field = |class: Exc, name: &str| {
            let index = field_index(class, name).expect("a field of the class");
            exception.field(index)
        };
        let is = |cx: &Vm, class: Exc| cx.is_exception(value, class);
        let args = exception.args();
        if is(self, Exc::KeyError) && args.len() == 1 {
            return self.write_item(out, args.item(0).raw());
        }
        if is(self, Exc::OSError) {
            let given =
                |name: &str| exception.given_field(field_index(Exc::OSError, name).expect("a field of the class"));
            let [errno, message, first, second] = ["errno", "strerror", "filename", "filename2"].map(given);
            // None that was set is shown, what was never set or deleted is not.
            if errno.is_some() && message.is_some() || first.is_some() {
                out.extend_from_slice(b"[Errno ");
                self.write_str(out, errno.unwrap_or(Value::NONE).raw())?;
                out.extend_from_slice(b"] ");
                self.write_str(out, message.unwrap_or(Value::NONE).raw())?;
                if let Some(first) = first {
                    out.extend_from_slice(b": ");
                    self.write_item(out, first.raw())?;
                    if let Some(second) = second {
                        out.extend_from_slice(b" -> ");
                        self.write_item(out, second.raw())?;
                    }
                }
                return Ok(());
            }
        }
        if is(self, Exc::UnicodeDecodeError)
            || is(self, Exc::UnicodeEncodeError)
            || is(self, Exc::UnicodeTranslateError)
        {
            return self.write_unicode_error(out, value, exception);
        }
        if is(self, Exc::ImportError) {
            let message = field(Exc::ImportError, "msg");
            if let Some(text) = message.exact::<Str>() {
                out.extend_from_slice(text.as_bytes());
                return Ok(());
            }
        }
        if is(self, Exc::SyntaxError) {
            let (file, line) = (field(Exc::SyntaxError, "filename"), field(Exc::SyntaxError, "lineno"));
            self.write_str(out, field(Exc::SyntaxError, "msg").raw())?;
            let file = file.exact::<Str>().map(|f| {
                let bytes = f.as_bytes();
                bytes[memchr::memrchr(b'/', bytes).map_or(0, |at| at + 1)..].to_vec()
            });
            match (file, line.as_int()) {
                (Some(file), Some(line)) => {
                    out.extend_from_slice(b" (");
                    out.extend_from_slice(&file);
                    let _ = write!(out, ", line {line})");
                }
                (Some(file), None) => {
                    out.extend_from_slice(b" (");
                    out.extend_from_slice(&file);
                    out.push(b')');
                }
                (None, Some(line)) => {
                    let _ = write!(out, " (line {line})");
                }
                (None, None) => {}
            }
            return Ok(());
        }
        if is(self, Exc::BaseExceptionGroup) {
            self.write_str(out, field(Exc::BaseExceptionGroup, "message").raw())?;
            let count = field(Exc::BaseExceptionGroup, "exceptions").exact::<Tuple>().map_or(0, |t| t.len());
            let s = if count == 1 { "" } else { "s" };
            let _ = write!(out, " ({count} sub-exception{s})");
            return Ok(());
        }
        match args.len() {
            0 => Ok(()),
            1 => self.write_str(out, args.item(0).raw()),
            _ => self.write_item(out, args.value().raw()),
        }
    }

    /// Appends `str` of a value.
    fn write_str(&mut self, out: &mut Vec<u8>, raw: Raw) -> Result<(), Raised> {
        let mark = self.mark();
        let root = self.push_raw(raw);
        let text = self.str_of(root)?;
        out.extend_from_slice(self.as_str(text.get(self)).expect("str gives a text").as_bytes());
        self.release(mark);
        Ok(())
    }

    fn write_unicode_error(
        &mut self,
        out: &mut Vec<u8>,
        value: Value<'static>,
        exception: Gc<'static, Exception>,
    ) -> Result<(), Raised> {
        let class = if self.is_exception(value, Exc::UnicodeDecodeError) {
            Exc::UnicodeDecodeError
        } else if self.is_exception(value, Exc::UnicodeEncodeError) {
            Exc::UnicodeEncodeError
        } else {
            Exc::UnicodeTranslateError
        };
        let field = |name: &str| exception.field(field_index(class, name).expect("a field of the class"));
        let object = field("object");
        if object.is_none() {
            // It was never initialised.
            return Ok(());
        }
        let (start, end) = (field("start").as_int().unwrap_or(0), field("end").as_int().unwrap_or(0));
        let mut reason = Vec::new();
        self.write_str(&mut reason, field("reason").raw())?;
        let reason = crate::text::wtf8::stand_ins(&reason).into_owned();
        let mut encoding = Vec::new();
        if class != Exc::UnicodeTranslateError {
            self.write_str(&mut encoding, field("encoding").raw())?;
        }
        let encoding = crate::text::wtf8::stand_ins(&encoding).into_owned();
        let payload: Value<'static> = Value::adopt(self.payload(object).raw());
        let last = end - 1;
        let one = |length: usize| (0..length as i64).contains(&start) && end == start + 1;
        let message = match (class, payload.exact::<Bytes>(), payload.exact::<Str>()) {
            (Exc::UnicodeDecodeError, Some(bytes), _) => match one(bytes.len()) {
                true => {
                    let at = start as usize;
                    codec::decode_message(&encoding, bytes.as_bytes(), at, at + 1, &reason)
                }
                false => {
                    format!("'{encoding}' codec can't decode bytes in position {start}-{last}: {reason}")
                }
            },
            (Exc::UnicodeDecodeError, ..) => {
                return Err(self.type_error("UnicodeError 'object' attribute must be a bytes".to_owned()));
            }
            (_, _, Some(s)) => {
                let what = match class {
                    Exc::UnicodeEncodeError => format!("'{encoding}' codec can't encode"),
                    _ => "can't translate".to_owned(),
                };
                match one(s.chars()) {
                    true => {
                        let point = crate::text::wtf8::code_points(s.as_bytes()).nth(start as usize).unwrap_or(0);
                        let shown = match point {
                            0..=0xFF => format!("\\x{point:02x}"),
                            0x100..=0xFFFF => format!("\\u{point:04x}"),
                            _ => format!("\\U{point:08x}"),
                        };
                        format!("{what} character '{shown}' in position {start}: {reason}")
                    }
                    false => format!("{what} characters in position {start}-{last}: {reason}"),
                }
            }
            _ => return Err(self.type_error("UnicodeError 'object' attribute must be a string".to_owned())),
        };
        out.extend_from_slice(&crate::text::wtf8::without_stand_ins(&message));
        Ok(())
    }
}

/// The literal in a bytearray's `repr`: single quotes are escaped whatever stands around them.
pub(crate) fn bytearray_literal(bytes: &[u8]) -> String {
    let text = text_repr::bytes(bytes);
    if text.starts_with("b\"") { text.replace('\'', "\\'") } else { text }
}

/// Whether a method's name is that of an operator or statement. Those that dict, list and the sets have as methods besides show as such.
pub(super) fn is_slot(name: &str, class: &str) -> bool {
    let twice = match name {
        "__contains__" => matches!(class, "dict" | "set" | "frozenset"),
        "__getitem__" => matches!(class, "dict" | "list"),
        _ => false,
    };
    !twice && super::is_wrapper(name)
}

/// Appends `repr` of a text, with nothing to look up where it is printable ASCII.
fn write_text_repr(out: &mut Vec<u8>, text: &[u8]) {
    if text.iter().all(|b| (b' '..0x7f).contains(b) && *b != b'\'' && *b != b'\\') {
        out.push(b'\'');
        out.extend_from_slice(text);
        out.push(b'\'');
        return;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    text_repr::push_text(&mut shown, text);
    out.extend_from_slice(shown.as_bytes());
}

/// Whether `str` of an exception with one argument is that of the argument, for those that are raised most.
fn shows_its_argument(class: Exc) -> bool {
    matches!(
        class,
        Exc::Exception
            | Exc::ValueError
            | Exc::TypeError
            | Exc::RuntimeError
            | Exc::IndexError
            | Exc::ArithmeticError
            | Exc::ZeroDivisionError
            | Exc::AssertionError
            | Exc::NotImplementedError
            | Exc::LookupError
            | Exc::OverflowError
    )
}
