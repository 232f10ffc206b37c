//! What the patterns of a `match` statement ask of a value.

use crate::heap::{Raw, Value};
use crate::object::{Class, ClassFlags, List, Set, Str, Tuple};

use super::Vm;
use super::native::Raised;

impl Vm {
    // ---- match ----

    pub(super) fn matches_sequence(&self, raw: Raw) -> bool {
        self.class_of(Value::adopt(raw)).pattern_kind() == ClassFlags::SEQUENCE
    }

    pub(super) fn matches_mapping(&self, raw: Raw) -> bool {
        self.class_of(Value::adopt(raw)).pattern_kind() == ClassFlags::MAPPING
    }

    /// The values of a mapping for the keys of a pattern, or None.
    pub(super) fn match_keys(&mut self, subject: Raw, keys: Raw) -> Result<Raw, Raised> {
        let mark = self.mark();
        let (subject, keys) = (self.push_raw(subject), self.push_raw(keys));
        let values = List::new(&self.heap, &[]).value().raw();
        let values = self.push_raw(values);
        let seen = Set::new(&self.heap).value().raw();
        let seen = self.push_raw(seen);
        let missing = self.object_class().value().raw();
        let missing = self.push_raw(missing);
        let default = self.call(missing, &[])?;
        let get = self.attribute(subject, "get")?;
        let len = keys.get(self).exact::<Tuple>().map_or(0, |t| t.len());
        for i in 0..len {
            let inner = self.mark();
            let key = keys.get(self).exact::<Tuple>().expect("a tuple").item(i).raw();
            let key = self.push_raw(key);
            if !self.set_add(seen, key)? {
                let text = self.repr_text(key)?;
                return Err(self.value_error(format!("mapping pattern checks duplicate key ({text})")));
            }
            let value = self.call(get, &[key, default])?;
            if value.get(self).is(default.get(self)) {
                self.release(mark);
                return Ok(Raw::NONE);
            }
            self.list_push(values, value)?;
            self.release(inner);
        }
        let raw = self.tuple_from(values)?.get(self).raw();
        self.release(mark);
        Ok(raw)
    }

    /// The attributes a class pattern binds, or None if the subject is no instance.
    pub(super) fn match_class(&mut self, parts: [Raw; 3], positional: usize) -> Result<Raw, Raised> {
        let mark = self.mark();
        let [subject, class, names] = parts.map(|p| self.push_raw(p));
        if class.get(self).exact::<Class>().is_none() {
            let got = self.type_name_for_error(class.get(self));
            let _ = got;
            return Err(self.type_error("called match pattern must be a class".into()));
        }
        if !self.is_instance(subject, class)? {
            self.release(mark);
            return Ok(Raw::NONE);
        }
        let values = List::new(&self.heap, &[]).value().raw();
        let values = self.push_raw(values);
        let mut used: Vec<String> = vec![];
        if positional > 0 {
            let class_name = class.get(self).exact::<Class>().expect("a class").name().to_str_lossy().into_owned();
            let args = self.find_attribute(class, "__match_args__")?;
            let mut allowed: Vec<Raw> = vec![];
            let mut by_self = false;
            match args {
                Some(args) => {
                    let Some(tuple) = args.get(self).exact::<Tuple>() else {
                        let got = self.type_name_for_error(args.get(self));
                        return Err(self.type_error(format!("{class_name}.__match_args__ must be a tuple (got {got})")));
                    };
                    allowed = tuple.items().map(|v| v.raw()).collect();
                }
                None => {
                    by_self =
                        class.get(self).exact::<Class>().expect("a class").mro().any(|c| c.has(ClassFlags::MATCH_SELF));
                }
            }
            let most = if by_self { 1 } else { allowed.len() };
            if positional > most {
                let s = if most == 1 { "" } else { "s" };
                return Err(self.type_error(format!(
                    "{class_name}() accepts {most} positional sub-pattern{s} ({positional} given)"
                )));
            }
            if by_self {
                self.list_push(values, subject)?;
            } else {
                for name in &allowed[..positional] {
                    let Some(text) = Value::adopt(*name).exact::<Str>() else {
                        let got = self.type_name_for_error(Value::adopt(*name));
                        return Err(self.type_error(format!("__match_args__ elements must be strings (got {got})")));
                    };
                    let text = text.to_str_lossy().into_owned();
                    if used.contains(&text) {
                        return Err(
                            self.type_error(format!("{class_name}() got multiple sub-patterns for attribute '{text}'"))
                        );
                    }
                    let Some(value) = self.find_attribute(subject, &text)? else {
                        self.release(mark);
                        return Ok(Raw::NONE);
                    };
                    used.push(text);
                    self.list_push(values, value)?;
                }
            }
        }
        let len = names.get(self).exact::<Tuple>().map_or(0, |t| t.len());
        for i in 0..len {
            let name = names.get(self).exact::<Tuple>().expect("a tuple").item(i);
            let text = name.exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
            if used.contains(&text) {
                let class_name = class.get(self).exact::<Class>().expect("a class").name().to_str_lossy().into_owned();
                return Err(self.type_error(format!("{class_name}() got multiple sub-patterns for attribute '{text}'")));
            }
            let Some(value) = self.find_attribute(subject, &text)? else {
                self.release(mark);
                return Ok(Raw::NONE);
            };
            used.push(text);
            self.list_push(values, value)?;
        }
        let raw = self.tuple_from(values)?.get(self).raw();
        self.release(mark);
        Ok(raw)
    }
}
