//! The second pass: decides what each name of each scope means, marks what inner functions capture, and numbers the
//! locals and captured cells of each unit.

use std::collections::HashMap;

use super::{Binding, Context, Entry, Local, ScopeId, ScopeKind, Scopes, Uses};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{Ast, Symbol};

/// What a name means before locals are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A variable of this scope.
    Of(ScopeId),
    Global,
    Implicit,
}

pub(super) fn analyze(ast: &Ast, context: Context, scopes: &mut Scopes) -> Vec<Diagnostic> {
    let mut analyzer = Analyzer {
        class_cell: scopes.intern(ast, "__class__"),
        class_dict: scopes.intern(ast, "__classdict__"),
        conditional: scopes.intern(ast, "__conditional_annotations__"),
        ast,
        scopes,
        errors: Vec::new(),
        namespace: context.namespace,
    };
    analyzer.run();
    analyzer.errors
}

struct Analyzer<'a> {
    ast: &'a Ast,
    scopes: &'a mut Scopes,
    errors: Vec<Diagnostic>,
    class_cell: Symbol,
    class_dict: Symbol,
    conditional: Symbol,
    namespace: bool,
}

impl Analyzer<'_> {
    fn run(&mut self) {
        // What each name means; captures are noted on the way.
        let mut meanings: Vec<Vec<Meaning>> = Vec::new();
        for id in self.scopes.ids() {
            let names: Vec<(Symbol, Entry)> = self.scopes.scope(id).names.iter().map(|(&n, &e)| (n, e)).collect();
            let decided = names.iter().map(|(name, entry)| {
                let meaning = self.decide(id, *name, entry);
                if let Meaning::Of(owner) = meaning {
                    self.capture(id, *name, owner);
                }
                meaning
            });
            meanings.push(decided.collect());
        }
        // Scripts see captures by name (`co_freevars`, `__closure__`).
        for id in self.scopes.ids() {
            let mut free = std::mem::take(&mut self.scopes.scope_mut(id).free);
            free.sort_by(|&a, &b| self.scopes.name(self.ast, a).cmp(self.scopes.name(self.ast, b)));
            self.scopes.scope_mut(id).free = free;
        }
        // Numbers for locals; comprehensions come after their unit, which comes first.
        let mut shared: HashMap<(ScopeId, Symbol, u32, bool), u32> = HashMap::new();
        let mut slots: Vec<HashMap<Symbol, u32>> = vec![HashMap::new(); meanings.len()];
        for id in self.scopes.ids() {
            self.number_locals(id, &mut shared, &mut slots);
        }
        for (id, decided) in self.scopes.ids().zip(meanings) {
            let unit = self.scopes.scope(id).unit;
            for (i, meaning) in decided.into_iter().enumerate() {
                let (&name, entry) = self.scopes.scope(id).names.get_index(i).expect("names stay in order");
                let is_class = self.scopes.scope(id).kind == ScopeKind::Class;
                let is_module = self.scopes.scope(id).kind == ScopeKind::Module;
                let in_module = unit == ScopeId::ROOT;
                let binding = match meaning {
                    Meaning::Global => Binding::Global,
                    Meaning::Of(owner) if owner == id && is_class && (entry.uses.binds() || !self.is_special(name)) => {
                        Binding::Namespace
                    }
                    Meaning::Of(owner) if owner == id && is_module => {
                        if self.namespace && self.scopes.declared_global.contains(&name) {
                            Binding::Global
                        } else if self.namespace {
                            Binding::Namespace
                        } else {
                            Binding::Implicit
                        }
                    }
                    Meaning::Of(owner) if self.scopes.scope(owner).unit == unit => {
                        let slot = slots[owner.index()].get(&name).copied().unwrap_or_default();
                        let local = self.scopes.scope(unit).locals.get(slot as usize);
                        if local.is_some_and(|local| local.is_cell) {
                            Binding::Cell(slot)
                        } else {
                            Binding::Local(slot)
                        }
                    }
                    Meaning::Of(_) if self.scopes.scope(id).unevaluated => Binding::Implicit,
                    Meaning::Of(_) => {
                        let free = &self.scopes.scope(unit).free;
                        let at =
                            free.iter().position(|&f| f == name).expect("captures are noted in every unit between");
                        Binding::Free(at as u32)
                    }
                    Meaning::Implicit if is_class && entry.uses.intersects(Uses::USED) => Binding::Namespace,
                    Meaning::Implicit if in_module && self.namespace => Binding::Namespace,
                    Meaning::Implicit => Binding::Implicit,
                };
                self.scopes.scope_mut(id).names[i].binding = binding;
            }
        }
    }

    /// The cells that a class body has beside its namespace.
    fn is_special(&self, name: Symbol) -> bool {
        name == self.class_cell || name == self.class_dict || name == self.conditional
    }

    fn error(&mut self, code: Code, entry: &Entry, text: String) -> Meaning {
        let span = entry.directive.unwrap_or_default();
        self.errors.push(Diagnostic::new(code, span, text));
        Meaning::Implicit
    }

    fn decide(&mut self, id: ScopeId, name: Symbol, entry: &Entry) -> Meaning {
        let scope = self.scopes.scope(id);
        let text = || self.scopes.name(self.ast, name).to_owned();
        if entry.uses.contains(Uses::GLOBAL) {
            if entry.uses.contains(Uses::NONLOCAL) {
                let text = format!("name '{}' is nonlocal and global", text());
                return self.error(Code::ConflictingDeclaration, entry, text);
            }
            return Meaning::Global;
        }
        if entry.uses.contains(Uses::NONLOCAL) {
            if scope.kind == ScopeKind::Module {
                let text = "nonlocal declaration not allowed at module level".to_owned();
                return self.error(Code::NoBinding, entry, text);
            }
            return match self.enclosing(id, name) {
                Meaning::Of(owner) => {
                    let of_owner = self.scopes.scope(owner).names.get(&name);
                    if of_owner.is_some_and(|entry| entry.uses.contains(Uses::TYPE_PARAMETER)) {
                        let text = format!("nonlocal binding not allowed for type parameter '{}'", text());
                        return self.error(Code::NoBinding, entry, text);
                    }
                    Meaning::Of(owner)
                }
                Meaning::Global | Meaning::Implicit => {
                    let text = format!("no binding for nonlocal '{}' found", text());
                    self.error(Code::NoBinding, entry, text)
                }
            };
        }
        if entry.uses.binds() {
            return Meaning::Of(id);
        }
        if scope.kind == ScopeKind::Class && (name == self.class_dict || name == self.conditional) {
            return Meaning::Of(id);
        }
        // A comprehension runs in the frame of its class body, which has no `__class__` yet.
        if name == self.class_cell
            && scope.kind == ScopeKind::Comprehension
            && self.scopes.scope(scope.unit).kind == ScopeKind::Class
        {
            return Meaning::Implicit;
        }
        if let Some(class) = scope.sees_class
            && let Some(of_class) = self.scopes.scope(class).names.get(&name)
            && !self.is_special(name)
        {
            if of_class.uses.contains(Uses::GLOBAL) {
                return Meaning::Global;
            }
            if of_class.uses.binds() && !of_class.uses.contains(Uses::NONLOCAL) {
                return Meaning::Implicit;
            }
        }
        self.enclosing(id, name)
    }

    /// What `name` means around `id`.
    fn enclosing(&self, id: ScopeId, name: Symbol) -> Meaning {
        let mut at = self.scopes.scope(id).parent;
        while let Some(id) = at {
            let scope = self.scopes.scope(id);
            at = scope.parent;
            match scope.kind {
                ScopeKind::Module => break,
                ScopeKind::Class => {
                    if self.is_special(name) {
                        return Meaning::Of(id);
                    }
                }
                _ => match scope.names.get(&name) {
                    Some(entry) if entry.uses.contains(Uses::GLOBAL) => return Meaning::Implicit,
                    Some(entry) if entry.uses.contains(Uses::NONLOCAL) => {}
                    Some(entry) if entry.uses.binds() => return Meaning::Of(id),
                    Some(_) | None => {}
                },
            }
        }
        Meaning::Implicit
    }

    /// Notes that `id` uses the variable `name` of `owner`: every unit between hands the cell down.
    fn capture(&mut self, id: ScopeId, name: Symbol, owner: ScopeId) {
        if self.scopes.scope(id).unevaluated {
            return;
        }
        let owner_unit = self.scopes.scope(owner).unit;
        let mut unit = self.scopes.scope(id).unit;
        if unit == owner_unit {
            if self.scopes.scope(owner).kind == ScopeKind::Class && self.is_special(name) {
                self.mark_special(owner, name);
            }
            return;
        }
        if self.scopes.scope(owner).kind == ScopeKind::Class {
            self.mark_special(owner, name);
        }
        if let Some(entry) = self.scopes.scope_mut(owner).names.get_mut(&name) {
            entry.uses.insert(Uses::CAPTURED);
        }
        while unit != owner_unit {
            let scope = self.scopes.scope_mut(unit);
            if !scope.free.contains(&name) {
                scope.free.push(name);
            }
            let parent = scope.parent.expect("an owner is somewhere around");
            unit = self.scopes.scope(parent).unit;
        }
    }

    fn mark_special(&mut self, class: ScopeId, name: Symbol) {
        let (class_cell, class_dict) = (self.class_cell, self.class_dict);
        let scope = self.scopes.scope_mut(class);
        if name == class_cell {
            scope.needs_class_cell = true;
        } else if name == class_dict {
            scope.needs_class_dict = true;
        }
        let fresh = Entry { uses: Uses::empty(), binding: Binding::Implicit, directive: None };
        scope.names.entry(name).or_insert(fresh).uses.insert(Uses::CAPTURED);
    }

    fn number_locals(
        &mut self,
        id: ScopeId,
        shared: &mut HashMap<(ScopeId, Symbol, u32, bool), u32>,
        slots: &mut [HashMap<Symbol, u32>],
    ) {
        let scope = self.scopes.scope(id);
        let (unit, depth, kind) = (scope.unit, scope.depth, scope.kind);
        let names: Vec<(Symbol, Entry)> = scope.names.iter().map(|(&n, &e)| (n, e)).collect();
        let mut locals = std::mem::take(&mut self.scopes.scope_mut(unit).locals);
        let by_name = match kind {
            ScopeKind::Class => true,
            ScopeKind::Module => self.namespace,
            _ => false,
        };
        if by_name {
            let namespace = self.scopes.intern(self.ast, ".namespace");
            locals.push(Local { name: namespace, is_cell: false, deletable: false, is_inner: false });
        }
        for (name, entry) in names {
            let captured = entry.uses.contains(Uses::CAPTURED);
            let owned = match kind {
                ScopeKind::Module => false,
                ScopeKind::Class => self.is_special(name) && captured,
                _ => entry.uses.binds() && !entry.uses.intersects(Uses::GLOBAL | Uses::NONLOCAL),
            };
            if !owned {
                continue;
            }
            let slot = *shared.entry((unit, name, depth, captured)).or_insert_with(|| {
                let deletable = entry.uses.contains(Uses::DELETED);
                locals.push(Local { name, is_cell: captured, deletable, is_inner: depth > 0 });
                locals.len() as u32 - 1
            });
            locals[slot as usize].deletable |= entry.uses.contains(Uses::DELETED);
            slots[id.index()].insert(name, slot);
        }
        self.scopes.scope_mut(unit).locals = locals;
    }
}
