//! Which texts may drop a coroutine without having awaited it. That is reported where it happens, so such texts look for it after each statement.

use std::collections::HashSet;

use crate::syntax::ast::{Alias, Ast, ExprId, ExprKind, StmtKind, Symbol};

/// What takes a coroutine over, or hands it to what does.
const TAKERS: [&str; 12] = [
    "create_task",
    "gather",
    "ensure_future",
    "run",
    "run_until_complete",
    "run_coroutine_threadsafe",
    "wait_for",
    "shield",
    "as_completed",
    "wait",
    "Task",
    "start_soon",
];

/// Methods of builtin types: a call of one is no sign, whatever asynchronous methods have the same name.
const COMMON: [&str; 24] = [
    "get", "set", "add", "pop", "put", "read", "write", "close", "send", "update", "append", "clear", "copy", "count",
    "index", "join", "items", "keys", "values", "remove", "insert", "format", "split", "start",
];

/// Functions of `asyncio` that give coroutines.
const ASYNCIO: [&str; 4] = ["sleep", "wait_for", "wait", "to_thread"];

/// The name that an import binds.
fn bound(alias: &Alias) -> Symbol {
    alias.asname.unwrap_or(alias.name)
}

/// Whether the text calls an asynchronous function of its own, or one of `asyncio`, and neither awaits the result at once nor hands it to a task.
pub(super) fn drops_coroutines(ast: &Ast) -> bool {
    let mut asynchronous = HashSet::new();
    let mut asyncio = HashSet::new();
    for stmt in ast.stmts() {
        match &stmt.kind {
            StmtKind::FunctionDef(def) if def.is_async => _ = asynchronous.insert(def.name),
            StmtKind::Import { names } => {
                asyncio.extend(names.iter().filter(|alias| ast.name(alias.name) == "asyncio").map(bound));
            }
            StmtKind::ImportFrom { module: Some(module), names, .. } if ast.name(*module) == "asyncio" => {
                asynchronous.extend(names.iter().filter(|alias| ASYNCIO.contains(&ast.name(alias.name))).map(bound));
            }
            _ => {}
        }
    }
    if asynchronous.is_empty() && asyncio.is_empty() {
        return false;
    }
    let this = ast.names.find("self");
    let is_made = |id: ExprId| {
        let ExprKind::Call { func, .. } = &ast.expr(id).kind else { return false };
        match &ast.expr(*func).kind {
            ExprKind::Name { id, .. } => asynchronous.contains(id),
            ExprKind::Attribute { value, attr, .. } => {
                let of = match ast.expr(*value).kind {
                    ExprKind::Name { id, .. } => Some(id),
                    _ => None,
                };
                let name = ast.name(*attr);
                (asynchronous.contains(attr) && (!COMMON.contains(&name) || (of.is_some() && of == this)))
                    || (of.is_some_and(|of| asyncio.contains(&of)) && ASYNCIO.contains(&name))
            }
            _ => false,
        }
    };
    let mut handed = HashSet::new();
    for expr in ast.exprs() {
        match &expr.kind {
            ExprKind::Await { value } => _ = handed.insert(*value),
            ExprKind::ListComp { generators, .. }
            | ExprKind::SetComp { generators, .. }
            | ExprKind::DictComp { generators, .. }
            | ExprKind::GeneratorExp { generators, .. } => {
                handed.extend(generators.iter().filter(|generator| generator.is_async).map(|generator| generator.iter));
            }
            ExprKind::Call { func, args, .. } => {
                let name = match &ast.expr(*func).kind {
                    ExprKind::Name { id, .. } => ast.name(*id),
                    ExprKind::Attribute { attr, .. } => ast.name(*attr),
                    _ => continue,
                };
                if TAKERS.contains(&name) {
                    // Of `gather(*(fetch(url) for url in urls))` the elements.
                    handed.extend(args.iter().map(|arg| match ast.expr(*arg).kind {
                        ExprKind::Starred { value, .. } => match ast.expr(value).kind {
                            ExprKind::ListComp { elt, .. } | ExprKind::GeneratorExp { elt, .. } => elt,
                            _ => value,
                        },
                        _ => *arg,
                    }));
                }
            }
            _ => {}
        }
    }
    for stmt in ast.stmts() {
        match &stmt.kind {
            // A call that is a statement is looked after without that (`Discard`).
            StmtKind::Expr { value } => _ = handed.insert(*value),
            // What these take is an asynchronous generator, or begun at once.
            StmtKind::For { is_async: true, iter, .. } => _ = handed.insert(*iter),
            StmtKind::With { is_async: true, items, .. } => handed.extend(items.iter().map(|item| item.context_expr)),
            _ => {}
        }
    }
    ast.expr_ids().any(|id| !handed.contains(&id) && is_made(id))
}
