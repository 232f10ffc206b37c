//! Scopes as text, for `--dump=scopes`.

use std::fmt::Write;

use super::{Binding, Owner, ScopeId, ScopeKind, Scopes};
use crate::syntax::ast::{Ast, StmtKind};

/// The scopes of `ast` as an indented list, each with its names and what they mean.
pub fn dump(ast: &Ast, scopes: &Scopes) -> String {
    let mut out = String::new();
    for id in scopes.ids() {
        let mut depth = 0;
        let mut at = scopes.scope(id).parent;
        while let Some(parent) = at {
            depth += 1;
            at = scopes.scope(parent).parent;
        }
        write_scope(ast, scopes, id, depth, &mut out);
    }
    out
}

fn write_scope(ast: &Ast, scopes: &Scopes, id: ScopeId, depth: usize, out: &mut String) {
    let scope = scopes.scope(id);
    let indent = "  ".repeat(depth);
    let kind = match scope.kind {
        ScopeKind::Module => "module",
        ScopeKind::Class => "class",
        ScopeKind::Function => "function",
        ScopeKind::Lambda => "lambda",
        ScopeKind::Generator => "generator expression",
        ScopeKind::Comprehension => "comprehension",
        ScopeKind::Annotations => "annotations",
        ScopeKind::TypeParams => "type parameters",
        ScopeKind::TypeVariable => "type variable",
        ScopeKind::TypeAlias => "type alias",
    };
    let _ = write!(out, "{indent}{kind}");
    if let Owner::Definition(stmt) = scope.owner {
        let name = match &ast.stmt(stmt).kind {
            StmtKind::FunctionDef(def) => ast.name(def.name),
            StmtKind::ClassDef(def) => ast.name(def.name),
            _ => "?",
        };
        let _ = write!(out, " {name}");
    }
    out.push('\n');
    for (&name, entry) in &scope.names {
        let name = scopes.name(ast, name);
        let _ = match entry.binding {
            Binding::Local(slot) => writeln!(out, "{indent}  {name}: local {slot}"),
            Binding::Cell(slot) => writeln!(out, "{indent}  {name}: cell {slot}"),
            Binding::Free(index) => writeln!(out, "{indent}  {name}: captured {index}"),
            Binding::Global => writeln!(out, "{indent}  {name}: global"),
            Binding::Implicit => writeln!(out, "{indent}  {name}: global or builtin"),
            Binding::Namespace => writeln!(out, "{indent}  {name}: in the namespace"),
        };
    }
}
