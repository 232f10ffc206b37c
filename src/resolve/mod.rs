//! Scopes: which name means which local, cell or global, and the errors that follow from where something stands.
//!
//! Two passes as in CPython's symbol table: `collect` walks the tree once and notes what each scope does with each name,
//! `analyze` then decides what the names mean and gives locals their places. List, set and dict comprehensions have
//! scopes of their own but share the code and the frame of what is around them; a *unit* is a scope with code of its
//! own. `checks` holds what is wrong or suspicious whatever the names mean.
//!
//! The result, [`Scopes`], is side tables; `compile` asks it with [`Scopes::scope_of`] and [`Scopes::binding`].
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "most kinds of node and scope are of no interest to a given question"
)]

mod analyze;
mod checks;
mod collect;
mod dump;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bitflags::bitflags;
use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Ast, ExprId, Interner, StmtId, Symbol};
use crate::syntax::layout::SyntaxWarning;

pub use dump::dump;

/// Names a [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(u32);

impl ScopeId {
    /// The scope of the whole text.
    pub const ROOT: ScopeId = ScopeId(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What opens a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The whole text.
    Root,
    /// A `def` or `class` statement.
    Definition(StmtId),
    /// A lambda, comprehension or generator expression.
    Expr(ExprId),
    /// The type parameters of a definition or type alias.
    TypeParams(StmtId),
    /// Bound (or constraints) of a type parameter, by its number.
    TypeBound(StmtId, u32),
    /// Default of a type parameter, by its number.
    TypeDefault(StmtId, u32),
    /// The value of a type alias.
    AliasValue(StmtId),
    /// Parameter and return annotations of a `def`.
    Signature(StmtId),
    /// The annotated names of a module or class.
    Annotations(ScopeId),
}

/// What kind of scope it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// A module, `exec` or `eval` text.
    Module,
    /// A class body.
    Class,
    /// A `def`.
    Function,
    /// A lambda.
    Lambda,
    /// A generator expression.
    Generator,
    /// A list, set or dict comprehension.
    Comprehension,
    /// Annotations, evaluated when asked for.
    Annotations,
    /// Type parameters.
    TypeParams,
    /// Bound, constraints or default of a type parameter.
    TypeVariable,
    /// Value of a type alias.
    TypeAlias,
}

bitflags! {
    /// What a scope does with a name.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Uses: u32 {
        /// Reads it.
        const USED = 1;
        /// Binds it.
        const ASSIGNED = 1 << 1;
        /// Has it as a parameter.
        const PARAMETER = 1 << 2;
        /// Declares it global.
        const GLOBAL = 1 << 3;
        /// Declares it nonlocal.
        const NONLOCAL = 1 << 4;
        /// Annotates it.
        const ANNOTATED = 1 << 5;
        /// Iterates over it in a comprehension.
        const ITERATION = 1 << 6;
        /// Has it as a type parameter.
        const TYPE_PARAMETER = 1 << 7;
        /// Deletes it, or binds it in an `except … as`.
        const DELETED = 1 << 8;
        /// Imports it.
        const IMPORTED = 1 << 9;
        /// An inner function captures it.
        const CAPTURED = 1 << 10;
    }
}

impl Uses {
    /// Whether the scope makes a variable of this name.
    pub fn binds(self) -> bool {
        self.intersects(Uses::ASSIGNED | Uses::PARAMETER | Uses::IMPORTED | Uses::TYPE_PARAMETER)
    }
}

/// What a name means in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The unit's local of this number.
    Local(u32),
    /// The cell in the unit's local of this number.
    Cell(u32),
    /// The unit's captured cell of this number.
    Free(u32),
    /// A global, by declaration.
    Global,
    /// A global or builtin.
    Implicit,
    /// A name of the namespace the unit runs in.
    Namespace,
}

/// A name in a scope.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the scope does with it.
    pub uses: Uses,
    /// What it means there.
    pub binding: Binding,
    /// Where it was declared global or nonlocal.
    directive: Option<Span>,
}

/// A local of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    /// Its name.
    pub name: Symbol,
    /// Whether its register holds a cell.
    pub is_cell: bool,
    /// Whether it can become unbound again.
    pub deletable: bool,
    /// Whether it is a local of a comprehension, and nothing outside of it.
    pub is_inner: bool,
}

/// A scope.
#[derive(Debug)]
pub struct Scope {
    /// What kind it is.
    pub kind: ScopeKind,
    /// What opened it.
    pub owner: Owner,
    /// The scope around it.
    pub parent: Option<ScopeId>,
    /// The scope whose code and frame it shares: itself, but for comprehensions.
    pub unit: ScopeId,
    /// Its names, in order of first appearance, private names mangled.
    pub names: IndexMap<Symbol, Entry>,
    /// The class around it, if names of that class can be seen here (annotations, type parameters).
    pub sees_class: Option<ScopeId>,
    /// Whether it contains `yield`, or is a generator expression.
    pub is_generator: bool,
    /// Whether it contains what only an async function can, or is one.
    pub is_coroutine: bool,
    /// Whether it is the body of an `async def`.
    pub is_async_def: bool,
    /// Whether it was never going to run (annotations of locals).
    pub unevaluated: bool,
    /// Whether a function is somewhere around it.
    pub nested: bool,
    /// In a class: whether methods use `__class__`.
    pub needs_class_cell: bool,
    /// In a class: whether annotations look at its namespace.
    pub needs_class_dict: bool,
    /// In a class or module: whether some annotations depend on control flow.
    pub conditional_annotations: bool,
    /// In a class or module: whether names are annotated.
    pub has_annotations: bool,
    /// In a unit: whether `:=` occurs.
    pub has_walrus: bool,
    /// In a unit: its locals, parameters first.
    pub locals: Vec<Local>,
    /// In a unit: its captured cells.
    pub free: Vec<Symbol>,
    /// The class whose private names are mangled here.
    private: Option<Symbol>,
    /// The only names mangled here, where a class's type parameters are in scope and its body is not.
    mangled_only: Option<Rc<[Symbol]>>,
    /// How deep it is among comprehensions of its unit.
    depth: u32,
    /// What a bound or default is, in words.
    described: &'static str,
}

/// How a text is going to be run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// `await` is allowed outside of functions.
    pub top_level_await: bool,
    /// Names live in a mapping that may not be the globals (`exec` and `eval` with locals).
    pub namespace: bool,
    /// `from __future__ import annotations` is in force from outside.
    pub future_annotations: bool,
}

/// The scopes of a tree.
#[derive(Debug)]
pub struct Scopes {
    scopes: Vec<Scope>,
    owners: HashMap<Owner, ScopeId>,
    extra: Interner,
    base: u32,
    /// Whether `from __future__ import annotations` is in force.
    pub future_annotations: bool,
    /// What CPython would warn about.
    pub warnings: Vec<SyntaxWarning>,
    /// Names that some `global` statement declares: at module level they are globals too, whatever namespace the code runs in.
    declared_global: HashSet<Symbol>,
}

/// Finds the scopes of `ast` and what its names mean; or what is wrong, in the order CPython would meet it.
pub fn resolve(ast: &Ast, context: Context) -> Result<Scopes, Vec<Diagnostic>> {
    let mut scopes = Scopes {
        scopes: Vec::new(),
        owners: HashMap::new(),
        extra: Interner::default(),
        base: ast.names.len() as u32,
        future_annotations: context.future_annotations,
        warnings: Vec::new(),
        declared_global: HashSet::new(),
    };
    let (mut errors, late) = collect::collect(ast, context, &mut scopes);
    if errors.is_empty() {
        errors = analyze::analyze(ast, context, &mut scopes);
    }
    errors.extend(late);
    if errors.is_empty() { Ok(scopes) } else { Err(errors) }
}

impl Scopes {
    /// The scope `id`.
    pub fn scope(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.index()]
    }

    fn scope_mut(&mut self, id: ScopeId) -> &mut Scope {
        &mut self.scopes[id.index()]
    }

    /// All scopes: outer ones before inner ones.
    pub fn ids(&self) -> impl Iterator<Item = ScopeId> + use<> {
        (0..self.scopes.len() as u32).map(ScopeId)
    }

    /// The scope that `owner` opens, if it opens one.
    pub fn scope_of(&self, owner: Owner) -> Option<ScopeId> {
        self.owners.get(&owner).copied()
    }

    /// What `name`, mangled already, means in `scope`.
    pub fn binding(&self, scope: ScopeId, name: Symbol) -> Binding {
        self.scope(scope).names.get(&name).map_or(Binding::Implicit, |entry| entry.binding)
    }

    /// The symbol for `name`, also if the text doesn't contain it.
    pub fn intern(&mut self, ast: &Ast, name: &str) -> Symbol {
        match ast.names.find(name) {
            Some(symbol) => symbol,
            None => Symbol(self.base + self.extra.intern(name).0),
        }
    }

    /// The symbol of `name` if any scope knows it.
    pub fn find(&self, ast: &Ast, name: &str) -> Option<Symbol> {
        ast.names.find(name).or_else(|| self.extra.find(name).map(|symbol| Symbol(self.base + symbol.0)))
    }

    /// The text of `symbol`.
    pub fn name<'a>(&'a self, ast: &'a Ast, symbol: Symbol) -> &'a str {
        match symbol.0.checked_sub(self.base) {
            None => ast.name(symbol),
            Some(extra) => self.extra.name(Symbol(extra)),
        }
    }

    /// `name` as it is known in `scope`: `__x` in class `C` is `_C__x`.
    pub fn mangle(&self, ast: &Ast, scope: ScopeId, name: Symbol) -> Symbol {
        match self.private_in(scope, name).and_then(|class| mangled(self.name(ast, class), self.name(ast, name))) {
            Some(text) => self.find(ast, &text).unwrap_or(name),
            None => name,
        }
    }

    fn mangle_new(&mut self, ast: &Ast, scope: ScopeId, name: Symbol) -> Symbol {
        match self.private_in(scope, name).and_then(|class| mangled(self.name(ast, class), self.name(ast, name))) {
            Some(text) => self.intern(ast, &text),
            None => name,
        }
    }

    /// The class that a private name belongs to in `scope`.
    fn private_in(&self, scope: ScopeId, name: Symbol) -> Option<Symbol> {
        let scope = self.scope(scope);
        scope.private.filter(|_| scope.mangled_only.as_ref().is_none_or(|only| only.contains(&name)))
    }

    /// `name` as an attribute or keyword is known in `scope`.
    pub fn mangled_text(&self, ast: &Ast, scope: ScopeId, name: Symbol) -> String {
        let text = self.name(ast, name);
        let class = self.private_in(scope, name);
        class.and_then(|class| mangled(self.name(ast, class), text)).unwrap_or_else(|| text.to_owned())
    }
}

/// The private name that `name` is in a class called `class`, if it is one.
fn mangled(class: &str, name: &str) -> Option<String> {
    if !name.starts_with("__") || name.ends_with("__") || name.contains('.') {
        return None;
    }
    let class = class.trim_start_matches('_');
    if class.is_empty() { None } else { Some(format!("_{class}{name}")) }
}

#[cfg(test)]
mod tests {
    use super::mangled;

    #[test]
    fn private_names_carry_their_class() {
        assert_eq!(mangled("C", "__x").as_deref(), Some("_C__x"));
        assert_eq!(mangled("__C", "__x").as_deref(), Some("_C__x"));
        assert_eq!(mangled("__", "__x"), None);
        assert_eq!(mangled("C", "__x__"), None);
        assert_eq!(mangled("C", "_x"), None);
    }
}
