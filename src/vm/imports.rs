//! Imports: the instructions, and who loads what. A module that one fiber loads is there for others when its body has ended; only where
//! two of them would wait for each other one goes on with a module that is not complete.

use crate::bytecode::code::CodeFlags;
use crate::heap::{Gc, Raw, Value};
use crate::object::{Dict, Exc, List, Module, Str};

use super::call::Invoked;
use super::fiber::FiberId;
use super::native::{Outcome, Raised, Root, Then};
use super::stdlib_names::is_stdlib_module;
use super::{Name, Vm};

/// The modules that are being loaded.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// Their names, and who loads them.
    loading: Vec<(String, FiberId)>,
    /// Who waits until which of them is loaded.
    waiting: Vec<(FiberId, String)>,
}

impl Vm {
    // ---- who loads what ----

    /// The running fiber loads this module: others wait until [`Vm::end_import`].
    pub fn begin_import(&mut self, name: &str) {
        self.imports.loading.push((name.to_owned(), self.current_fiber()));
    }

    /// The module has been loaded, or could not be.
    pub fn end_import(&mut self, name: &str) {
        let me = self.current_fiber();
        let Some(at) = self.imports.loading.iter().rposition(|(n, fiber)| *fiber == me && n == name) else { return };
        self.imports.loading.remove(at);
        let waiting: Vec<FiberId> =
            self.imports.waiting.iter().filter(|(_, n)| n == name).map(|(fiber, _)| *fiber).collect();
        for fiber in waiting {
            self.wake_fiber(fiber);
        }
    }

    /// The other fibers are gone: what they were loading has to be loaded anew.
    pub(super) fn forget_other_imports(&mut self) {
        let me = self.current_fiber();
        self.imports.waiting.clear();
        let (mine, others) = std::mem::take(&mut self.imports.loading).into_iter().partition(|(_, fiber)| *fiber == me);
        self.imports.loading = mine;
        let others: Vec<(String, FiberId)> = others;
        for (name, _) in others {
            let key = self.intern(&name).held();
            self.modules().held().remove_str(&self.heap, key);
        }
    }

    /// Who else loads this module. One that was given up on its way loads nothing any more.
    fn loader_of(&self, name: &str) -> Option<FiberId> {
        let me = self.current_fiber();
        let found = self.imports.loading.iter().find(|(n, f)| n == name && *f != me && !self.fiber_has_ended(*f));
        found.map(|(_, fiber)| *fiber)
    }

    fn is_loaded_elsewhere(&self, name: &str) -> bool {
        !self.imports.loading.is_empty() && self.loader_of(name).is_some()
    }

    /// Waits while another fiber loads this module, unless that one waits for this fiber.
    pub fn wait_for_import(&mut self, name: &str) -> Result<(), Raised> {
        let me = self.current_fiber();
        while let Some(loader) = self.loader_of(name) {
            let mut next = loader;
            // As many steps as there are who wait: a cycle without this fiber was refused before.
            for _ in 0..=self.imports.waiting.len() {
                let awaited = self.imports.waiting.iter().find(|(fiber, _)| *fiber == next);
                match awaited
                    .and_then(|(fiber, name)| self.imports.loading.iter().find(|(n, f)| n == name && f != fiber))
                {
                    Some((_, fiber)) => next = *fiber,
                    None => break,
                }
                if next == me {
                    return Ok(());
                }
            }
            self.imports.waiting.push((me, name.to_owned()));
            let parked = self.park(None);
            self.imports.waiting.retain(|(fiber, _)| *fiber != me);
            parked?;
        }
        Ok(())
    }

    // ---- the instructions ----

    /// `import name`: what `__import__` of the builtins returns.
    pub(super) fn import_name(
        &mut self,
        name: Raw,
        from: Raw,
        level: u8,
        globals: Gc<'static, Dict>,
    ) -> Result<Invoked, Raised> {
        // A module that is loaded, without dots: no call. What is taken from a package may be a submodule still to be loaded.
        if level == 0
            && let Some(key) = Value::adopt(name).exact::<Str>()
            && !key.as_bytes().contains(&b'.')
            && let Some(module) = self.modules().get_str(&self.heap, key)
            && let Some(loaded) = module.exact::<Module>()
            && !self.import_replaced
            && self.builtins_of(globals).value().raw().same(self.builtins)
            && !self.is_loaded_elsewhere(&key.to_str_lossy())
            && (from.same(Raw::NONE) || loaded.dict().get_str(&self.heap, self.name(Name::Path)).is_none())
        {
            return Ok(Invoked::Value(module.raw()));
        }
        let start = self.fiber.top;
        let import = self.builtin_for(globals, Name::Import, Exc::ImportError)?;
        let callee = self.push_raw(import);
        self.push_raw(name);
        self.push_raw(globals.value().raw());
        self.push_raw(Raw::NONE);
        self.push_raw(from);
        self.push_raw(Raw::int(i64::from(level)));
        self.carry_out(Outcome::Call { callee, argc: 5, keywords: None, then: Then::Return }, start)
    }

    /// `from module import name`: an attribute, or a submodule that is loaded.
    pub(super) fn import_from(&mut self, module: Raw, name: Raw) -> Result<Invoked, Raised> {
        let (module, key) = (self.push_raw(module), self.push_raw(name));
        match self.get_attribute(module, key) {
            Ok(value) => return Ok(Invoked::Value(value.get(self).raw())),
            Err(raised) => {
                if !self.raised_is(Exc::AttributeError) {
                    return Err(raised);
                }
                self.take_raised(raised);
            }
        }
        let name_text = self.str_text(key)?;
        let package = match self.find_attribute(module, "__name__")? {
            Some(name) if self.as_str(name.get(self)).is_some() => Some(self.str_text(name)?),
            _ => None,
        };
        if let Some(package) = &package
            && let Some(found) = self.find_module(&format!("{package}.{name_text}"))
        {
            return Ok(Invoked::Value(found.raw()));
        }
        let file: Option<String> = match self.find_attribute(module, "__file__")? {
            Some(file) if self.as_str(file.get(self)).is_some() => Some(self.str_text(file)?),
            _ => None,
        };
        let shown = package.clone().unwrap_or_else(|| "<unknown module name>".into());
        let place = file.as_deref().unwrap_or("unknown location").to_owned();
        let message = match self.shadowing(module) {
            Some(advice) => format!("cannot import name '{name_text}' from '{shown}' ({advice})"),
            None if self.is_being_loaded(module) => format!(
                "cannot import name '{name_text}' from partially initialized module '{shown}' (most likely due to a circular import) \
                 ({place})"
            ),
            None => format!("cannot import name '{name_text}' from '{shown}' ({place})"),
        };
        let text = self.str(&message).value().raw();
        let text = self.push_raw(text);
        let raw = self.new_exception(Exc::ImportError, &[text]).value().raw();
        let exception = self.push_raw(raw);
        self.set_exception_field(exception, Exc::ImportError, "msg", text);
        let name = self.str(&shown).value().raw();
        let name = self.push_raw(name);
        self.set_exception_field(exception, Exc::ImportError, "name", name);
        self.set_exception_field(exception, Exc::ImportError, "name_from", key);
        if let Some(file) = file {
            let path = self.str(&file).value().raw();
            let path = self.push_raw(path);
            self.set_exception_field(exception, Exc::ImportError, "path", path);
        }
        Err(self.raise(exception))
    }

    /// What is said of an attribute that a module doesn't have.
    pub(super) fn no_module_attribute(&mut self, module: Raw, attr: &str) -> String {
        let mark = self.mark();
        let module = self.push_raw(module);
        let message = match self.module_text(module, Name::Name) {
            None => format!("module has no attribute '{attr}'"),
            Some(name)
                if self.imports.loading.iter().any(|(n, _)| n.strip_prefix(&*name) == Some(&format!(".{attr}"))) =>
            {
                format!("cannot access submodule '{attr}' of module '{name}' (most likely due to a circular import)")
            }
            Some(name) => match (self.shadowing(module), self.module_text(module, Name::File)) {
                (Some(advice), _) => format!("module '{name}' has no attribute '{attr}' ({advice})"),
                (None, file) if self.is_being_loaded(module) && name != "__main__" => {
                    let from = file.map_or(String::new(), |file| format!(" from '{file}'"));
                    format!(
                        "partially initialized module '{name}'{from} has no attribute '{attr}' (most likely due to a circular import)"
                    )
                }
                _ => format!("module '{name}' has no attribute '{attr}'"),
            },
        };
        self.release(mark);
        message
    }

    /// A text in a module's namespace.
    fn module_text(&self, module: Root, name: Name) -> Option<String> {
        let dict = module.get(self).exact::<Module>()?.dict();
        let text = self.as_str(dict.get_str(&self.heap, self.name(name))?)?;
        Some(text.to_str_lossy().into_owned())
    }

    /// What to do about a module that lacks something, where it lies beside the program and has a name that a library's may have had too.
    fn shadowing(&self, module: Root) -> Option<String> {
        let file = self.module_text(module, Name::File)?;
        let name = self.module_text(module, Name::Name)?;
        let main = self.find_module("__main__").filter(|main| !main.is(module.get(self)))?;
        let main = main.exact::<Module>()?.dict().get_str(&self.heap, self.name(Name::File))?;
        let main = self.as_str(main)?.to_str_lossy().into_owned();
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let own = file.strip_suffix("/__init__.py").or_else(|| file.strip_suffix("/__init__.aio")).unwrap_or(&file);
        if folder(own)? != folder(&main)? {
            return None;
        }
        if is_stdlib_module(&name) {
            return Some(format!(
                "consider renaming '{file}' since it has the same name as the standard library module named '{name}' and prevents \
                 importing that standard library module"
            ));
        }
        let advice = format!("consider renaming '{file}' if it has the same name as a library you intended to import");
        self.is_being_loaded(module).then_some(advice)
    }

    /// Whether a module's body is still being run, by this fiber or by another, which waits for this one.
    fn is_being_loaded(&self, module: Root) -> bool {
        let Some(dict) = module.get(self).exact::<Module>().map(|module| module.dict()) else { return false };
        self.fiber.records.iter().filter_map(|record| record.function).any(|function| {
            function.code().flags().contains(CodeFlags::MODULE) && function.globals().value().is(dict.value())
        }) || self
            .imports
            .loading
            .iter()
            .any(|(name, _)| self.find_module(name).is_some_and(|loading| loading.is(module.get(self))))
    }

    /// `from module import *`.
    pub(super) fn import_star(&mut self, module: Raw, names: Raw) -> Result<(), Raised> {
        let (module, names) = (self.push_raw(module), self.push_raw(names));
        let (list, all) = match self.find_attribute(module, "__all__")? {
            Some(all) => (self.list_from(all)?, true),
            None => {
                let dict = self.attribute(module, "__dict__")?;
                (self.list_from(dict)?, false)
            }
        };
        let len = list.get(self).exact::<List>().map_or(0, |l| l.len());
        for i in 0..len {
            let mark = self.mark();
            let name = list.get(self).exact::<List>().and_then(|l| l.item(i)).map_or(Raw::NONE, |v| v.raw());
            let name = self.push_raw(name);
            let Some(text) = self.as_str(name.get(self)) else {
                let got = self.type_name_for_error(name.get(self));
                let of = self.attribute(module, "__name__")?;
                let of = self.str_text(of)?;
                let (what, list) = if all { ("Item", "__all__") } else { ("Key", "__dict__") };
                return Err(self.type_error(format!("{what} in {of}.{list} must be str, not {got}")));
            };
            if all || !text.as_bytes().starts_with(b"_") {
                let value = self.get_attribute(module, name)?;
                let (n, k, v) = (names.get(self).raw(), name.get(self).raw(), value.get(self).raw());
                self.store_name(n, k, v)?;
            }
            self.release(mark);
        }
        Ok(())
    }

    /// Imports a module by its full name, nested: for natives.
    pub fn import(&mut self, name: &str) -> Result<Root, Raised> {
        if !self.is_loaded_elsewhere(name)
            && let Some(module) = self.find_module(name)
        {
            let raw = module.raw();
            return Ok(self.push_raw(raw));
        }
        let mark = self.mark();
        let key = self.name(Name::Import).held();
        let import = self.builtins().get_str(&self.heap, key).map_or(Raw::NONE, |v| v.raw());
        let import = self.push_raw(import);
        let text = self.str(name).value().raw();
        let text = self.push_raw(text);
        self.call(import, &[text])?;
        self.release(mark);
        match self.find_module(name).map(|m| m.raw()) {
            Some(raw) => Ok(self.push_raw(raw)),
            None => Err(self.raise_text(Exc::ImportError, &format!("No module named '{name}'"))),
        }
    }
}
