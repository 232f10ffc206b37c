//! Targets: expressions in places where something is bound or deleted. The grammar parses them as expressions, this
//! pass turns their context and refuses what can't be bound, in CPython's words.

use crate::diagnostic::{Code, Diagnostic};

use super::ast::*;
use super::builder::Builder;

/// What a target is for; decides what is allowed and how a refusal is worded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// `target = value`; the value if this is the only target, so that `==` may have been meant.
    Assign { single_to: Option<ExprId> },
    /// `target += value`
    Augment,
    /// `target: annotation`
    Annotate,
    /// `del target`
    Delete,
    /// `for target in`
    For,
    /// `as target` of a `with`
    As,
}

impl Builder<'_> {
    /// Make `id` a target.
    pub(super) fn narrow(&mut self, id: ExprId, purpose: Purpose) {
        let node = self.ast.expr(id);
        let name = describe(&node.kind);
        let span = node.span;
        match purpose {
            Purpose::Augment => {
                if !is_single(&node.kind) {
                    let text = format!("'{name}' is an illegal expression for augmented assignment");
                    return self.report(Code::InvalidTarget, span, text);
                }
                self.bind(id, Context::Store);
            }
            Purpose::Annotate => {
                if !is_single(&node.kind) {
                    let text = match node.kind {
                        ExprKind::List { .. } | ExprKind::Tuple { .. } => {
                            format!("only single target (not {name}) can be annotated")
                        }
                        _ => "illegal target for annotation".into(),
                    };
                    // Of a list without parentheses CPython shows the first.
                    let span = match &node.kind {
                        ExprKind::Tuple { elts, .. } if !node.parenthesized => {
                            elts.first().map_or(span, |&first| self.span(first))
                        }
                        _ => span,
                    };
                    return self.report(Code::InvalidTarget, span, text);
                }
                self.bind(id, Context::Store);
            }
            Purpose::Delete => {
                if let Some(bad) = self.bind(id, Context::Del) {
                    let node = self.ast.expr(bad);
                    let (span, text) = (node.span, format!("cannot delete {}", describe(&node.kind)));
                    self.report(Code::InvalidTarget, span, text);
                }
            }
            Purpose::For | Purpose::As => {
                if let Some(bad) = self.bind(id, Context::Store) {
                    let node = self.ast.expr(bad);
                    let (span, text) = (node.span, format!("cannot assign to {}", describe(&node.kind)));
                    self.report(Code::InvalidTarget, span, text);
                }
            }
            Purpose::Assign { single_to } => {
                if let Some(bad) = self.bind(id, Context::Store) {
                    self.bad_assignment(id, bad, single_to);
                }
            }
        }
    }

    fn bad_assignment(&mut self, target: ExprId, bad: ExprId, single_to: Option<ExprId>) {
        let node = self.ast.expr(bad);
        let (span, name) = (node.span, describe(&node.kind));
        if let ExprKind::Yield { .. } | ExprKind::YieldFrom { .. } = node.kind
            && target == bad
            && !node.parenthesized
        {
            return self.report(Code::InvalidTarget, span, "assignment to yield expression not possible");
        }
        // What stands right before the only `=` may have been meant to be compared.
        let whole = self.ast.expr(target);
        let last = match &whole.kind {
            ExprKind::Tuple { elts, .. } if !whole.parenthesized => elts.last().copied().unwrap_or(target),
            _ => target,
        };
        let comparable = |builder: &Self, id: ExprId| {
            let node = builder.ast.expr(id);
            node.parenthesized
                || !matches!(
                    node.kind,
                    ExprKind::BoolOp { .. }
                        | ExprKind::Compare { .. }
                        | ExprKind::IfExp { .. }
                        | ExprKind::Lambda { .. }
                        | ExprKind::UnaryOp { op: UnaryOp::Not, .. }
                        | ExprKind::Yield { .. }
                        | ExprKind::YieldFrom { .. }
                        | ExprKind::Starred { .. }
                )
        };
        let excluded = matches!(
            self.ast.expr(last).kind,
            ExprKind::List { .. }
                | ExprKind::Tuple { .. }
                | ExprKind::GeneratorExp { .. }
                | ExprKind::Constant(Constant::True | Constant::False | Constant::None)
        );
        if let Some(value) = single_to
            && !excluded
            && comparable(self, last)
            && comparable(self, value)
            && !matches!(
                self.ast.expr(last).kind,
                ExprKind::Name { .. } | ExprKind::Attribute { .. } | ExprKind::Subscript { .. }
            )
        {
            let node = self.ast.expr(last);
            let (span, name) = (node.span, describe(&node.kind));
            let text = format!("cannot assign to {name} here. Maybe you meant '==' instead of '='?");
            self.errors.push(
                Diagnostic::new(Code::InvalidTarget, span, text)
                    .message(format!("{} can't be assigned to", article(name)))
                    .hint("`==` compares, `=` binds a name"),
            );
            return;
        }
        self.errors.push(
            Diagnostic::new(Code::InvalidTarget, span, format!("cannot assign to {name}"))
                .message(format!("{} can't be assigned to", article(name))),
        );
    }

    /// Set the context of `id` and what it unpacks to; the first part that can't be bound.
    fn bind(&mut self, id: ExprId, context: Context) -> Option<ExprId> {
        // Depth is bounded: each level is a bracket or a star.
        let deleting = context == Context::Del;
        match &mut self.ast.expr_mut(id).kind {
            ExprKind::Name { ctx, .. } | ExprKind::Attribute { ctx, .. } | ExprKind::Subscript { ctx, .. } => {
                *ctx = context;
                None
            }
            ExprKind::Starred { value, ctx } if !deleting => {
                *ctx = context;
                let value = *value;
                self.bind(value, context)
            }
            ExprKind::List { elts, ctx } | ExprKind::Tuple { elts, ctx } => {
                *ctx = context;
                // The elements are looked at one by one, so the list is borrowed anew for each.
                let count = elts.len();
                (0..count).find_map(|index| {
                    let (ExprKind::List { elts, .. } | ExprKind::Tuple { elts, .. }) = &self.ast.expr(id).kind else {
                        return None;
                    };
                    let element = elts[index];
                    self.bind(element, context)
                })
            }
            _ => Some(id),
        }
    }
}

fn is_single(kind: &ExprKind) -> bool {
    matches!(kind, ExprKind::Name { .. } | ExprKind::Attribute { .. } | ExprKind::Subscript { .. })
}

fn article(name: &str) -> String {
    match name.as_bytes()[0] {
        b'N' | b'T' | b'F' => format!("`{name}`"),
        b'a' | b'e' | b'i' | b'o' | b'u' => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

/// What messages call an expression.
pub(super) fn describe(kind: &ExprKind) -> &'static str {
    match kind {
        ExprKind::Attribute { .. } => "attribute",
        ExprKind::Subscript { .. } => "subscript",
        ExprKind::Starred { .. } => "starred",
        ExprKind::Name { .. } => "name",
        ExprKind::List { .. } => "list",
        ExprKind::Tuple { .. } => "tuple",
        ExprKind::Lambda { .. } => "lambda",
        ExprKind::Call { .. } => "function call",
        ExprKind::BoolOp { .. } | ExprKind::BinOp { .. } | ExprKind::UnaryOp { .. } => "expression",
        ExprKind::GeneratorExp { .. } => "generator expression",
        ExprKind::Yield { .. } | ExprKind::YieldFrom { .. } => "yield expression",
        ExprKind::Await { .. } => "await expression",
        ExprKind::ListComp { .. } => "list comprehension",
        ExprKind::SetComp { .. } => "set comprehension",
        ExprKind::DictComp { .. } => "dict comprehension",
        ExprKind::Dict { .. } => "dict literal",
        ExprKind::Set { .. } => "set display",
        ExprKind::JoinedStr { .. } | ExprKind::FormattedValue { .. } => "f-string expression",
        ExprKind::TemplateStr { .. } | ExprKind::Interpolation { .. } => "t-string expression",
        ExprKind::Constant(Constant::None) => "None",
        ExprKind::Constant(Constant::True) => "True",
        ExprKind::Constant(Constant::False) => "False",
        ExprKind::Constant(Constant::Ellipsis) => "ellipsis",
        ExprKind::Constant(_) => "literal",
        ExprKind::Compare { .. } => "comparison",
        ExprKind::IfExp { .. } => "conditional expression",
        ExprKind::NamedExpr { .. } => "named expression",
        ExprKind::Slice { .. } => "slice",
    }
}
