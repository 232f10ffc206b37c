//! Which part of an expression the sharper signs of a caret line mark: the operator of a binary operation, the brackets of a
//! subscript or a call. And whether carets say anything that the line doesn't.

use crate::source::{SourceFile, Span};
use crate::syntax::ast::{Ast, Expr, ExprKind, StmtKind};
use crate::syntax::parser::{Mode, parse};

use super::source_text::{is_space, split_lines};

/// A place in the lines of a segment: line and character, both from 0.
type Place = (usize, usize);

/// What is marked with `^` where the rest of the expression gets `~`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchors {
    /// Where it begins.
    pub(super) start: Place,
    /// Where it ends.
    pub(super) end: Place,
}

/// Finds the anchors in the text of an expression; none if it is no expression that has any.
pub(super) fn find(segment: &str) -> Option<Anchors> {
    // Brackets make an expression over several lines one that parses; so lines count from 1 on here.
    let source = SourceFile::new("<segment>", format!("(\n{segment}\n)"));
    let ast = parse(&source, Mode::Module).ok()?;
    let [statement] = ast.body() else { return None };
    let StmtKind::Expr { value } = &ast.stmt(*statement).kind else { return None };
    let expr = ast.expr(*value);
    let scan =
        Scan { source: &source, lines: split_lines(segment).into_iter().map(|line| line.chars().collect()).collect() };
    if let ExprKind::BinOp { left, right, .. } = &expr.kind {
        return scan.operator(ast.expr(*left), ast.expr(*right));
    }
    if let ExprKind::Subscript { value, .. } = &expr.kind {
        return scan.brackets(expr, ast.expr(*value), '[');
    }
    let ExprKind::Call { func, .. } = &expr.kind else { return None };
    scan.brackets(expr, ast.expr(*func), '(')
}

/// The characters of a segment, to look for signs that the tree doesn't keep.
struct Scan<'a> {
    source: &'a SourceFile,
    lines: Vec<Vec<char>>,
}

impl Scan<'_> {
    /// Line and character of an offset into the bracketed text.
    fn place(&self, offset: u32) -> Option<Place> {
        let at = self.source.char_position(offset);
        Some(((at.line as usize).checked_sub(2)?, at.column as usize))
    }

    /// The next place with a character on it, the given one included.
    fn valid(&self, (mut line, mut column): Place) -> Option<Place> {
        while column >= self.lines.get(line)?.len() {
            column = 0;
            line += 1;
        }
        Some((line, column))
    }

    /// The first place from `from` on whose character is wanted; comments and joined lines are passed over.
    fn until(&self, from: Place, wanted: impl Fn(char) -> bool) -> Option<Place> {
        let mut at = self.valid(from)?;
        loop {
            let c = self.lines[at.0][at.1];
            at = match c {
                '\\' | '#' => self.valid((at.0 + 1, 0))?,
                c if wanted(c) => return Some(at),
                _ => self.valid((at.0, at.1 + 1))?,
            };
        }
    }

    fn operator(&self, left: &Expr, right: &Expr) -> Option<Anchors> {
        let start = self.until(self.place(left.span.end)?, |c| !is_space(c) && c != ')')?;
        let line = &self.lines[start.0];
        let mut end = start.1 + 1;
        let right = self.place(right.span.start)?;
        let apart = right.0 > start.0 || end < right.1;
        if let Some(&c) = line.get(end)
            && apart
            && !is_space(c)
            && c != '\\'
            && c != '#'
        {
            end += 1;
        }
        Some(Anchors { start, end: (start.0, end) })
    }

    fn brackets(&self, whole: &Expr, before: &Expr, bracket: char) -> Option<Anchors> {
        let start = self.until(self.place(before.span.end)?, |c| c == bracket)?;
        Some(Anchors { start, end: self.place(whole.span.end)? })
    }
}

/// Whether carets under characters `start` of the first line to `end` of the last are worth a line.
pub(super) fn worth_carets(lines: &[&str], start: usize, end: usize, anchors: Option<&Anchors>) -> bool {
    let source = SourceFile::new("<lines>", lines.join("\n"));
    if let Ok(ast) = parse(&source, Mode::Module) {
        let Some(first) = ast.body().first() else { return false };
        if plain_call(&ast, &ast.stmt(*first).kind).is_some_and(|span| covers(&source, span, lines.len(), start, end)) {
            return false;
        }
    }
    if anchors.is_some() {
        return true;
    }
    let before: String = lines[0].chars().take(start).collect();
    let after: String = lines[lines.len() - 1].chars().skip(end).collect();
    !before.chars().all(is_space) || !after.chars().all(is_space)
}

/// The call of `return name(...)` and `name = f(...)`: that it is the call which failed is plain to see.
fn plain_call(ast: &Ast, statement: &StmtKind) -> Option<Span> {
    if let StmtKind::Return { value: Some(value) } = statement {
        let call = ast.expr(*value);
        let ExprKind::Call { func, .. } = &call.kind else { return None };
        return matches!(ast.expr(*func).kind, ExprKind::Name { .. }).then_some(call.span);
    }
    let StmtKind::Assign { targets, value } = statement else { return None };
    let [target] = &**targets else { return None };
    let call = ast.expr(*value);
    let plain = matches!(call.kind, ExprKind::Call { .. }) && matches!(ast.expr(*target).kind, ExprKind::Name { .. });
    plain.then_some(call.span)
}

fn covers(source: &SourceFile, span: Span, lines: usize, start: usize, end: usize) -> bool {
    let (first, last) = (source.position(span.start), source.position(span.end));
    first.line == 1 && last.line as usize == lines && first.column as usize == start && last.column as usize == end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_brackets() {
        let anchors = |text| find(text).map(|a| (a.start, a.end));
        assert_eq!(anchors("a + b"), Some(((0, 2), (0, 3))));
        assert_eq!(anchors("(a) // (b)"), Some(((0, 4), (0, 6))));
        assert_eq!(anchors("x[1][2]"), Some(((0, 4), (0, 7))));
        assert_eq!(anchors("f(\n  1\n)"), Some(((0, 1), (2, 1))));
        assert_eq!(anchors("é.b(1)"), Some(((0, 3), (0, 6))));
        assert_eq!(anchors("a.b"), None);
        assert_eq!(anchors("return a + b"), None);
    }
}
