//! Variables by name: class bodies, modules, and `exec` with any mapping.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Raw, Value};
use crate::object::{Dict, Exc, Module, Str, Variable};

use super::frame::Held;
use super::native::Raised;
use super::{Name, Vm};

impl Vm {
    // ---- variables by name ----

    /// A global or builtin; fills the cache: globals' version, index, builtins' version (0 for a global).
    pub(super) fn load_global(
        &mut self,
        globals: Gc<'static, Dict>,
        name: Raw,
        cache: [&StdCell<u32>; 3],
    ) -> Result<Raw, Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if self.is_spec(key) {
            self.make_spec_of(globals)?;
        }
        if let Some(index) = globals.find_str(&self.heap, key) {
            cache[0].set(globals.version());
            cache[1].set(index as u32);
            cache[2].set(0);
            return Ok(globals.value_at(index).raw());
        }
        let builtins = self.builtins_of(globals);
        if let Some(index) = builtins.find_str(&self.heap, key) {
            if builtins.value().raw().same(self.builtins) {
                cache[0].set(globals.version());
                cache[1].set(index as u32);
                cache[2].set(builtins.version());
            }
            return Ok(builtins.value_at(index).raw());
        }
        self.foreign_builtin(globals, name)
    }

    /// Asks what a script set for `__builtins__`, if that is neither a dict nor a module.
    fn foreign_builtin(&mut self, globals: Gc<'static, Dict>, name: Raw) -> Result<Raw, Raised> {
        let builtins = globals.get_str(&self.heap, self.name(Name::Builtins)).map(Value::raw);
        let foreign = builtins.filter(|raw| {
            let value: Value<'static> = Value::adopt(raw.copied());
            value.exact::<Dict>().is_none() && value.exact::<crate::object::Module>().is_none()
        });
        let Some(builtins) = foreign else { return Err(self.name_error(name)) };
        match self.find_name(builtins, name.copied())? {
            Some(found) => Ok(found),
            None => Err(self.name_error(name)),
        }
    }

    /// `__import__` or `__build_class__`, as the code with these globals sees it; what is said if it is not there.
    pub(super) fn builtin_for(&mut self, globals: Held<Dict>, name: Name, missing: Exc) -> Result<Raw, Raised> {
        let key = self.name(name).held();
        if let Some(found) = self.builtins_of(globals).get_str(&self.heap, key) {
            return Ok(found.raw());
        }
        let builtins = globals.get_str(&self.heap, self.name(Name::Builtins)).map(Value::raw);
        let foreign = builtins.filter(|raw| {
            let value: Value<'static> = Value::adopt(raw.copied());
            value.exact::<Dict>().is_none() && value.exact::<Module>().is_none()
        });
        if let Some(builtins) = foreign {
            let (builtins, key) = (self.push_raw(builtins), self.push(key.value()));
            let (builtins, key) = (builtins.get(self).raw(), key.get(self).raw());
            return self.run_nested(|cx| cx.get_item(builtins, key));
        }
        Err(self.raise_text(missing, &format!("{} not found", key.to_str_lossy())))
    }

    /// Whether this is a name of what says where a module comes from.
    pub(super) fn is_spec(&self, name: Gc<'_, Str>) -> bool {
        name == self.name(Name::Spec) || name == self.name(Name::Loader)
    }

    /// Gives a module its `__spec__` and `__loader__`.
    pub(super) fn make_spec(&mut self, module: Held<Module>) -> Result<(), Raised> {
        // What is imported for it may ask for the same.
        module.get().spec_due.set(false);
        let mark = self.mark();
        let root = self.push(module.value());
        let made = self.import("importlib.util").and_then(|util| self.call_method(util, "_complete", &[root]));
        self.release(mark);
        if made.is_err() {
            module.get().spec_due.set(true);
        }
        made.map(drop)
    }

    /// As `make_spec`, for the module with this namespace, if there is one.
    fn make_spec_of(&mut self, globals: Held<Dict>) -> Result<(), Raised> {
        let name = globals.get_str(&self.heap, self.name(Name::Name)).and_then(|name| name.exact::<Str>());
        let module = name.and_then(|name| self.modules().get_str(&self.heap, name)?.exact::<Module>().map(Gc::held));
        match module {
            Some(module) if module.dict() == globals && module.get().spec_due.get() => self.make_spec(module),
            _ => Ok(()),
        }
    }

    /// The builtins that code with these globals sees: `__builtins__` may have been replaced.
    pub(crate) fn builtins_of(&self, globals: Gc<'static, Dict>) -> Gc<'static, Dict> {
        match globals.get_str(&self.heap, self.name(Name::Builtins)) {
            Some(value) => match value.exact::<Dict>() {
                Some(dict) => dict.held(),
                None => match value.exact::<crate::object::Module>() {
                    Some(module) => module.dict().held(),
                    // Whatever it is, it is asked for what isn't here.
                    None => Dict::new(self.heap.forever()),
                },
            },
            None => self.builtins().held(),
        }
    }

    pub(super) fn store_global(
        &mut self,
        globals: Gc<'static, Dict>,
        name: Raw,
        value: Raw,
        cache: [&StdCell<u32>; 2],
    ) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        let heap = self.heap.forever();
        let old = globals.get_str(heap, key).map(|v| v.raw());
        if globals.set_str(heap, key, Value::adopt(value)).is_err() {
            return Err(self.memory_error());
        }
        if let Some(index) = globals.find_str(heap, key) {
            cache[0].set(globals.version());
            cache[1].set(index as u32);
        }
        old.map_or(Ok(()), |old| self.let_go(old))
    }

    pub(super) fn delete_global(&mut self, globals: Gc<'static, Dict>, name: Raw) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        match globals.remove_str(&self.heap, key).map(|v| v.raw()) {
            Some(old) => self.let_go(old),
            None => Err(self.name_error(name)),
        }
    }

    /// A name in a namespace, None if it is not there. Any mapping can be one.
    pub(super) fn find_name(&mut self, names: Raw, name: Raw) -> Result<Option<Raw>, Raised> {
        let value = Value::adopt(names);
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(dict) = value.exact::<Dict>() {
            return Ok(dict.get_str(&self.heap, key).map(|v| v.raw()));
        }
        let mark = self.mark();
        let (names, name) = (self.push_raw(names), self.push_raw(name));
        let result = match self.item(names, name) {
            Ok(found) => Some(found.get(self).raw()),
            Err(raised) => {
                if !self.raised_is(Exc::KeyError) {
                    return Err(raised);
                }
                self.take_raised(raised);
                None
            }
        };
        self.release(mark);
        Ok(result)
    }

    pub(super) fn load_name(&mut self, names: Raw, name: Raw, globals: Gc<'static, Dict>) -> Result<Raw, Raised> {
        if let Some(raw) = self.find_name(names, name)? {
            return Ok(raw);
        }
        let empty = [StdCell::new(0), StdCell::new(0), StdCell::new(0)];
        self.load_global(globals, name, [&empty[0], &empty[1], &empty[2]])
    }

    pub(super) fn load_name_or_free(
        &mut self,
        names: Raw,
        name: Raw,
        cell: Gc<'static, Variable>,
    ) -> Result<Raw, Raised> {
        if let Some(raw) = self.find_name(names, name)? {
            return Ok(raw);
        }
        let content = cell.content.get().raw();
        if content.is_unbound() { Err(self.unbound_free(name)) } else { Ok(content) }
    }

    pub(super) fn store_name(&mut self, names: Raw, name: Raw, value: Raw) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(dict) = Value::adopt(names).exact::<Dict>() {
            return match dict.held().set_str(self.heap.forever(), key, Value::adopt(value)) {
                Ok(()) => Ok(()),
                Err(_) => Err(self.memory_error()),
            };
        }
        let mark = self.mark();
        let (names, name, value) = (self.push_raw(names), self.push_raw(name), self.push_raw(value));
        self.set_item_root(names, name, value)?;
        self.release(mark);
        Ok(())
    }

    pub(super) fn delete_name(&mut self, names: Raw, name: Raw) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(dict) = Value::adopt(names).exact::<Dict>() {
            return match dict.remove_str(&self.heap, key) {
                Some(_) => Ok(()),
                None => Err(self.name_error(name)),
            };
        }
        let mark = self.mark();
        let (names, key) = (self.push_raw(names), self.push_raw(name));
        let result = self.delete_item_root(names, key);
        self.release(mark);
        match result {
            Err(raised) if self.raised_is(Exc::KeyError) => {
                self.take_raised(raised);
                Err(self.name_error(name))
            }
            other => other,
        }
    }

    /// `locals()` of the frame on top: its namespace, or a fresh dict of what is bound.
    pub(super) fn locals_of_top(&mut self) -> Result<Raw, Raised> {
        let at = self.fiber.records.len() - 1;
        self.locals_of(at)
    }

    /// `locals()` of a running frame.
    pub(super) fn locals_of(&mut self, at: usize) -> Result<Raw, Raised> {
        let record = self.fiber.records[at];
        let function = record.function.expect("a frame of the language");
        let dict = self.named_locals(function, |cx, register| match record.kind {
            super::frame::RecordKind::InPlace { generator, .. } => generator.get_tail_value(register).raw(),
            _ => cx.fiber.registers.get(record.base + register as u32).raw(),
        });
        // What scripts added to the frame's `f_locals`.
        let frame = self.known_frame(at).and_then(|raw| Value::adopt(raw).exact::<crate::object::Frame>());
        if let Some(names) = frame.and_then(|frame| frame.get().names.get::<Dict>()).map(|names| names.value().raw()) {
            self.dict_update_raw(dict, names)?;
        }
        Ok(dict)
    }
}
