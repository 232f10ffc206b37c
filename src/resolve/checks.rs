//! What is wrong or suspicious in an expression or pattern whatever the names in it mean.

use super::collect::{Collector, negated};
use crate::diagnostic::Code;
use crate::source::Span;
use crate::syntax::ast::{Ast, CompareOp, Comparison, Constant, ExprId, ExprKind, PatternId, PatternKind, Symbol};

/// The type of what an expression surely makes, if it shows.
fn shown_type(ast: &Ast, id: ExprId) -> Option<&'static str> {
    Some(match &ast.expr(id).kind {
        ExprKind::Tuple { .. } => "tuple",
        ExprKind::List { .. } | ExprKind::ListComp { .. } => "list",
        ExprKind::Dict { .. } | ExprKind::DictComp { .. } => "dict",
        ExprKind::Set { .. } | ExprKind::SetComp { .. } => "set",
        ExprKind::GeneratorExp { .. } => "generator",
        ExprKind::Lambda { .. } => "function",
        ExprKind::TemplateStr { .. } => "string.templatelib.Template",
        ExprKind::JoinedStr { .. } | ExprKind::FormattedValue { .. } => "str",
        ExprKind::Interpolation { .. } => "string.templatelib.Interpolation",
        ExprKind::Constant(constant) => constant_type(constant),
        _ => return None,
    })
}

fn constant_type(constant: &Constant) -> &'static str {
    match constant {
        Constant::None => "NoneType",
        Constant::True | Constant::False => "bool",
        Constant::Ellipsis => "ellipsis",
        Constant::Int(_) | Constant::BigInt(_) => "int",
        Constant::Float(_) => "float",
        Constant::Complex(_) => "complex",
        Constant::Str(_) => "str",
        Constant::Bytes(_) => "bytes",
    }
}

/// The type of a literal that `is` should not be asked about.
fn literal_type(ast: &Ast, id: ExprId) -> Option<&'static str> {
    match &ast.expr(id).kind {
        ExprKind::Constant(Constant::None | Constant::True | Constant::False | Constant::Ellipsis) => None,
        ExprKind::Constant(constant) => Some(constant_type(constant)),
        ExprKind::Tuple { elts, .. } => {
            let constant =
                |id: &ExprId| matches!(ast.expr(*id).kind, ExprKind::Constant(_)) || literal_type(ast, *id).is_some();
            elts.iter().all(constant).then_some("tuple")
        }
        _ => negated(ast, id).and_then(|operand| match &ast.expr(operand).kind {
            ExprKind::Constant(Constant::Int(_) | Constant::BigInt(_)) => Some("int"),
            ExprKind::Constant(Constant::Float(_)) => Some("float"),
            ExprKind::Constant(Constant::Complex(_)) => Some("complex"),
            _ => None,
        }),
    }
}

impl Collector<'_> {
    pub(super) fn check_callee(&mut self, func: ExprId, span: Span) {
        if matches!(self.ast.expr(func).kind, ExprKind::Lambda { .. }) {
            return;
        }
        if let Some(kind) = shown_type(self.ast, func) {
            self.warn(span, format!("'{kind}' object is not callable; perhaps you missed a comma?"));
        }
    }

    pub(super) fn check_subscript(&mut self, value: ExprId, index: ExprId, span: Span) {
        let ast = self.ast;
        match &ast.expr(value).kind {
            ExprKind::Constant(
                Constant::None
                | Constant::True
                | Constant::False
                | Constant::Ellipsis
                | Constant::Int(_)
                | Constant::BigInt(_)
                | Constant::Float(_)
                | Constant::Complex(_),
            )
            | ExprKind::Set { .. }
            | ExprKind::SetComp { .. }
            | ExprKind::GeneratorExp { .. }
            | ExprKind::TemplateStr { .. }
            | ExprKind::Interpolation { .. }
            | ExprKind::Lambda { .. } => {
                let kind = shown_type(ast, value).unwrap_or("object");
                self.warn(span, format!("'{kind}' object is not subscriptable; perhaps you missed a comma?"));
            }
            ExprKind::Constant(Constant::Str(_) | Constant::Bytes(_))
            | ExprKind::Tuple { .. }
            | ExprKind::List { .. }
            | ExprKind::ListComp { .. }
            | ExprKind::JoinedStr { .. }
            | ExprKind::FormattedValue { .. } => {
                let kind = shown_type(ast, value).unwrap_or("object");
                let Some(index) = shown_type(ast, index) else { return };
                if !matches!(index, "int" | "bool") {
                    let text =
                        format!("{kind} indices must be integers or slices, not {index}; perhaps you missed a comma?");
                    self.warn(span, text);
                }
            }
            _ => {}
        }
    }

    pub(super) fn check_comparison(&mut self, left: ExprId, comparisons: &[Comparison], span: Span) {
        let mut before = literal_type(self.ast, left);
        for comparison in comparisons {
            let after = literal_type(self.ast, comparison.comparator);
            let words = match comparison.op {
                CompareOp::Is => Some(("is", "==")),
                CompareOp::IsNot => Some(("is not", "!=")),
                _ => None,
            };
            if let (Some((word, meant)), Some(kind)) = (words, before.or(after)) {
                self.warn(span, format!("\"{word}\" with '{kind}' literal. Did you mean \"{meant}\"?"));
                return;
            }
            before = after;
        }
    }

    /// The checks CPython makes while it compiles a pattern. `irrefutable` says whether one that always matches may stand here.
    pub(super) fn check_pattern(&mut self, id: PatternId, irrefutable: bool) {
        self.check_captures(id, irrefutable, &mut Vec::new());
    }

    fn check_captures(&mut self, id: PatternId, irrefutable: bool, bound: &mut Vec<Symbol>) {
        let ast = self.ast;
        let pattern = ast.pattern(id);
        match &pattern.kind {
            PatternKind::MatchValue { .. } | PatternKind::MatchSingleton { .. } => {}
            PatternKind::MatchStar { name } => self.check_capture(*name, pattern.span, bound),
            PatternKind::MatchAs { pattern: None, name } => {
                if !irrefutable {
                    let text = match name {
                        Some(name) => {
                            format!("name capture '{}' makes remaining patterns unreachable", self.text(*name))
                        }
                        None => "wildcard makes remaining patterns unreachable".to_owned(),
                    };
                    self.late(Code::UnreachablePattern, pattern.span, text);
                }
                self.check_capture(*name, pattern.span, bound);
            }
            PatternKind::MatchAs { pattern: Some(inner), name } => {
                self.check_captures(*inner, irrefutable, bound);
                self.check_capture(*name, pattern.span, bound);
            }
            PatternKind::MatchSequence { patterns } => {
                let stars = patterns.iter().filter(|&&p| matches!(ast.pattern(p).kind, PatternKind::MatchStar { .. }));
                if stars.count() > 1 {
                    self.late(Code::MisplacedStar, pattern.span, "multiple starred names in sequence pattern");
                }
                patterns.iter().for_each(|&inner| self.check_captures(inner, true, bound));
            }
            PatternKind::MatchMapping { keys, patterns, rest } => {
                let shown: Vec<Option<String>> = keys.iter().map(|&key| key_text(ast, key)).collect();
                for (i, key) in shown.iter().enumerate() {
                    if let Some((shown, same)) = key.as_ref().and_then(|key| key.split_once('\0'))
                        && keys[..i]
                            .iter()
                            .filter_map(|&key| key_text(ast, key))
                            .any(|key| key.split_once('\0').is_some_and(|(_, other)| other == same))
                    {
                        self.late(
                            Code::UnreachablePattern,
                            pattern.span,
                            format!("mapping pattern checks duplicate key ({shown})"),
                        );
                        break;
                    }
                }
                patterns.iter().for_each(|&inner| self.check_captures(inner, true, bound));
                self.check_capture(*rest, pattern.span, bound);
            }
            PatternKind::MatchClass { patterns, kwd_attrs, kwd_patterns, .. } => {
                for (i, attr) in kwd_attrs.iter().enumerate() {
                    if kwd_attrs[..i].contains(attr) {
                        let text = format!("attribute name repeated in class pattern: {}", self.text(*attr));
                        self.late(Code::UnreachablePattern, ast.pattern(kwd_patterns[i]).span, text);
                        break;
                    }
                }
                patterns.iter().chain(kwd_patterns).for_each(|&inner| self.check_captures(inner, true, bound));
            }
            PatternKind::MatchOr { patterns } => {
                let before = bound.len();
                let mut first: Option<Vec<Symbol>> = None;
                for (i, &inner) in patterns.iter().enumerate() {
                    let mut names = bound[..before].to_vec();
                    self.check_captures(inner, irrefutable && i + 1 == patterns.len(), &mut names);
                    let mut own = names.split_off(before);
                    own.sort_unstable();
                    match &first {
                        None => first = Some(own),
                        Some(first) if *first != own => {
                            self.late(
                                Code::UnreachablePattern,
                                pattern.span,
                                "alternative patterns bind different names",
                            );
                            break;
                        }
                        Some(_) => {}
                    }
                }
                bound.extend(first.unwrap_or_default());
            }
        }
    }

    fn check_capture(&mut self, name: Option<Symbol>, span: Span, bound: &mut Vec<Symbol>) {
        let Some(name) = name else { return };
        if bound.contains(&name) {
            let text = format!("multiple assignments to name '{}' in pattern", self.text(name));
            self.late(Code::UnreachablePattern, span, text);
        }
        bound.push(name);
    }
}

/// A literal key of a mapping pattern: how it is shown, a null character, and a text that is equal for equal keys.
fn key_text(ast: &Ast, id: ExprId) -> Option<String> {
    let (negative, id) = match negated(ast, id) {
        Some(operand) => ("-", operand),
        None => ("", id),
    };
    let ExprKind::Constant(constant) = &ast.expr(id).kind else { return None };
    Some(match constant {
        Constant::None => "None\0None".to_owned(),
        Constant::True => "True\0n1".to_owned(),
        Constant::False => "False\0n0".to_owned(),
        Constant::Ellipsis => "Ellipsis\0Ellipsis".to_owned(),
        Constant::Int(0) => "0\0n0".to_owned(),
        Constant::Int(i) => format!("{negative}{i}\0n{negative}{i}"),
        Constant::BigInt(i) => format!("{negative}{i}\0n{negative}{i}"),
        Constant::Float(f) if f.fract() == 0.0 && f.abs() < 1e15 => {
            let same = if *f == 0.0 { "0".to_owned() } else { format!("{negative}{f}") };
            format!("{negative}{f:?}\0n{same}")
        }
        Constant::Float(f) => format!("{negative}{f:?}\0n{negative}{f:?}"),
        Constant::Complex(0.0) => format!("{negative}0j\0n0"),
        Constant::Complex(f) => format!("{negative}{f}j\0c{negative}{f:?}"),
        Constant::Str(text) => {
            let shown = String::from_utf8_lossy(&text.bytes);
            format!("'{shown}'\0s{shown}")
        }
        Constant::Bytes(bytes) => format!("b'{0}'\0b{0}", bytes.escape_ascii()),
    })
}
