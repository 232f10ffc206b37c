//! The patterns of `match`.

use super::*;

impl Builder<'_> {
    pub(super) fn pattern(&mut self, start: u32, kind: PatternKind, end: u32) -> PatternId {
        self.ast.add_pattern(kind, Span::new(start, end))
    }

    pub(crate) fn value_pattern(&mut self, start: u32, value: ExprId, end: u32) -> PatternId {
        let kind = match &self.ast.expr(value).kind {
            ExprKind::Constant(value @ (Constant::None | Constant::True | Constant::False)) => {
                PatternKind::MatchSingleton { value: value.clone() }
            }
            ExprKind::JoinedStr { .. } | ExprKind::TemplateStr { .. } => {
                let text = "patterns may only match literals and attribute lookups";
                self.report(Code::UnreachablePattern, Span::new(start, end), text);
                PatternKind::MatchValue { value }
            }
            _ => {
                self.refuse_wildcard(value);
                PatternKind::MatchValue { value }
            }
        };
        self.pattern(start, kind, end)
    }

    pub(crate) fn complex_pattern(
        &mut self,
        start: u32,
        left: ExprId,
        op: BinaryOp,
        right: ExprId,
        end: u32,
    ) -> ExprId {
        let is_imaginary = |id: ExprId| matches!(self.ast.expr(id).kind, ExprKind::Constant(Constant::Complex(_)));
        let real = match self.ast.expr(left).kind {
            ExprKind::UnaryOp { operand, .. } => operand,
            _ => left,
        };
        if is_imaginary(real) {
            let span = self.span(left);
            self.report(Code::InvalidPattern, span, "real number required in complex literal");
        } else if !is_imaginary(right) {
            let span = self.span(right);
            self.report(Code::InvalidPattern, span, "imaginary number required in complex literal");
        }
        self.expr(start, ExprKind::BinOp { left, op, right }, end)
    }

    pub(crate) fn capture(&mut self, name: Ident) -> PatternId {
        let bound = (self.text(name.span) != "_").then_some(name.name);
        self.pattern(name.span.start, PatternKind::MatchAs { pattern: None, name: bound }, name.span.end)
    }

    pub(crate) fn star_pattern(&mut self, start: u32, name: Ident, end: u32) -> PatternId {
        let name = (self.text(name.span) != "_").then_some(name.name);
        self.pattern(start, PatternKind::MatchStar { name }, end)
    }

    pub(crate) fn as_pattern(&mut self, start: u32, pattern: PatternId, target: ExprId, end: u32) -> PatternId {
        let span = self.span(target);
        let name = if self.text(span) == "_" {
            self.report(Code::InvalidPattern, span, "cannot use '_' as a target");
            None
        } else {
            self.plain_name(target, "pattern target", "use")
        };
        self.pattern(start, PatternKind::MatchAs { pattern: Some(pattern), name }, end)
    }

    pub(crate) fn or_pattern(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        self.pattern(start, PatternKind::MatchOr { patterns: patterns.into() }, end)
    }

    pub(crate) fn sequence_pattern(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        self.pattern(start, PatternKind::MatchSequence { patterns: patterns.into() }, end)
    }

    /// `case (a, b):`
    pub(crate) fn tuple_pattern(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        if let [only] = patterns[..] {
            let rest = self.text(Span::new(self.ast.pattern(only).span.end, end));
            // A comma may stand behind comments.
            let comma = rest.lines().any(|line| line.split('#').next().is_some_and(|code| code.contains(',')));
            if !comma {
                self.report(Code::InvalidPattern, Span::new(end - 1, end), "invalid syntax");
            }
        }
        self.sequence_pattern(start, patterns, end)
    }

    /// `case a, b:`
    pub(crate) fn open_sequence(&mut self, start: u32, patterns: Vec<PatternId>, end: u32) -> PatternId {
        if let [only] = patterns[..]
            && self.ast.pattern(only).span.end == end
        {
            // A lone star without a comma.
            self.report_after(Code::InvalidPattern, Span::new(start, end), end, "invalid syntax");
        }
        self.sequence_pattern(start, patterns, end)
    }

    pub(crate) fn mapping_pattern(&mut self, start: u32, items: Vec<MappingItem>, end: u32) -> PatternId {
        let (mut keys, mut patterns, mut rest) = (Vec::new(), Vec::new(), None);
        for item in items {
            if let MappingItem::Pair(key, _) = &item
                && matches!(self.ast.expr(*key).kind, ExprKind::JoinedStr { .. } | ExprKind::TemplateStr { .. })
            {
                let text = "mapping pattern keys may only match literals and attribute lookups";
                self.report(Code::InvalidPattern, Span::new(start, end), text);
            }
            if rest.is_some() {
                let start = match &item {
                    MappingItem::Pair(key, _) => self.span(*key).start,
                    MappingItem::Rest(stars, _) => *stars,
                };
                self.report_after(Code::InvalidPattern, Span::at(start), start, "invalid syntax");
            }
            match item {
                MappingItem::Pair(key, pattern) => {
                    keys.push(key);
                    patterns.push(pattern);
                }
                MappingItem::Rest(_, name) => {
                    if self.text(name.span) == "_" {
                        self.report(Code::InvalidPattern, name.span, "invalid syntax");
                    }
                    rest = Some(name.name);
                }
            }
        }
        let kind = PatternKind::MatchMapping { keys: keys.into(), patterns: patterns.into(), rest };
        self.pattern(start, kind, end)
    }

    /// `_` is a pattern of its own: neither attributes nor calls can stand behind it.
    fn refuse_wildcard(&mut self, mut id: ExprId) {
        while let ExprKind::Attribute { value, .. } = self.ast.expr(id).kind {
            id = value;
        }
        let span = self.ast.expr(id).span;
        if self.source.slice(span) == "_" {
            self.report(Code::InvalidPattern, span, "invalid syntax");
        }
    }

    pub(crate) fn class_pattern(&mut self, start: u32, cls: ExprId, items: Vec<ClassItem>, end: u32) -> PatternId {
        self.refuse_wildcard(cls);
        let (mut patterns, mut attrs, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut misplaced: Option<Span> = None;
        for item in items {
            match item.name {
                Some(name) => {
                    attrs.push(name.name);
                    values.push(item.pattern);
                }
                None => {
                    let span = self.ast.pattern(item.pattern).span;
                    if !attrs.is_empty() {
                        misplaced = Some(misplaced.map_or(span, |first| first.to(span)));
                    }
                    patterns.push(item.pattern);
                }
            }
        }
        if let Some(span) = misplaced {
            self.report(Code::InvalidPattern, span, "positional patterns follow keyword patterns");
        }
        let kind = PatternKind::MatchClass {
            cls,
            patterns: patterns.into(),
            kwd_attrs: attrs.into(),
            kwd_patterns: values.into(),
        };
        self.pattern(start, kind, end)
    }
}
