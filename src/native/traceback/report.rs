//! Exceptions as plain data, ready to print: with what caused them, what they came up beside, and the members of groups.
//!
//! A report is an arena, so that a chain of any length is dropped and printed by loops; only groups in groups recurse, as deep as is
//! shown.

use std::collections::HashSet;

use super::frame::{FrameSummary, render_frames};
use super::source_text::indent;
use super::syntax_error::SyntaxSummary;

/// Said between an exception and the one that it was raised from.
const CAUSE: &str = "\nThe above exception was the direct cause of the following exception:\n\n";
/// Said between an exception and the one that was raised while it was handled.
const CONTEXT: &str = "\nDuring handling of the above exception, another exception occurred:\n\n";
/// Groups are never shown deeper than this, whatever a script asks for.
const DEEPEST: usize = 300;

/// What belongs to an exception in `__notes__`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Notes {
    /// Nothing.
    #[default]
    None,
    /// A sequence of notes.
    Lines(Vec<String>),
    /// Something else: its repr.
    Other(String),
}

/// The frames of an exception's traceback.
#[derive(Clone, Debug)]
pub(super) enum Stack {
    /// To be rendered.
    Frames(Vec<FrameSummary>),
    /// Rendered.
    Text(Vec<String>),
}

/// An exception, or None where one was expected.
#[derive(Clone, Debug)]
pub(super) struct ExceptionSummary {
    /// The class as it is shown; none for what is no exception.
    pub(super) class: Option<String>,
    /// `str()` of it, with suggestions.
    pub(super) text: String,
    /// `__notes__`.
    pub(super) notes: Notes,
    /// Whether it has a traceback; its frames may all be left out.
    pub(super) header: bool,
    /// Where it came from.
    pub(super) stack: Stack,
    /// For a SyntaxError the place in the text.
    pub(super) syntax: Option<SyntaxSummary>,
    /// `__suppress_context__`.
    pub(super) suppress_context: bool,
    /// The number of its cause.
    pub(super) cause: Option<usize>,
    /// The number of its context.
    pub(super) context: Option<usize>,
    /// The numbers of a group's members.
    pub(super) members: Option<Vec<usize>>,
}

/// Exceptions that belong together; number 0 is the one to print.
#[derive(Debug)]
pub(super) struct Report {
    /// The exceptions.
    pub(super) exceptions: Vec<ExceptionSummary>,
    /// Whether causes and contexts are printed.
    pub(super) chain: bool,
    /// So many members of a group are shown.
    pub(super) max_group_width: usize,
    /// Groups are shown to this depth.
    pub(super) max_group_depth: usize,
}

/// The tree of groups while it is printed.
#[derive(Default)]
struct Tree {
    out: Vec<String>,
    depth: usize,
    /// The last line of a group is still to come.
    open: bool,
}

impl Tree {
    fn indent(&self) -> String {
        "  ".repeat(self.depth)
    }

    fn emit(&mut self, text: &str) {
        self.emit_with(text, '|');
    }

    fn emit_with(&mut self, text: &str, margin: char) {
        let text = if self.depth == 0 { text.to_owned() } else { indent(text, &format!("{}{margin} ", self.indent())) };
        self.out.push(text);
    }

    fn emit_all(&mut self, texts: &[String]) {
        texts.iter().for_each(|text| self.emit(text));
    }
}

impl ExceptionSummary {
    /// The frames as text, one after the other.
    fn frames(&self) -> Vec<String> {
        match &self.stack {
            Stack::Frames(frames) => render_frames(frames.iter().map(|frame| (frame, frame.render()))),
            Stack::Text(texts) => texts.clone(),
        }
    }

    /// Class and message, preceded by the text of a SyntaxError and followed by the notes; `depth` is that in a listing of groups.
    fn last_lines(&self, depth: usize) -> Vec<String> {
        let margin = "   ".repeat(depth);
        let Some(class) = &self.class else {
            return vec![margin + &last_line("None", &self.text) + "\n"];
        };
        let mut lines: Vec<String> = match &self.syntax {
            Some(syntax) => syntax.render(class),
            None if depth > 0 => last_line(class, &self.text).split('\n').map(|line| format!("{line}\n")).collect(),
            None => vec![last_line(class, &self.text) + "\n"],
        };
        match &self.notes {
            Notes::None => {}
            Notes::Lines(notes) => {
                lines.extend(notes.iter().flat_map(|note| note.split('\n')).map(|line| format!("{line}\n")));
            }
            Notes::Other(repr) => lines.push(format!("{repr}\n")),
        }
        if depth > 0 {
            lines.iter_mut().for_each(|line| line.insert_str(0, &margin));
        }
        lines
    }
}

fn last_line(class: &str, text: &str) -> String {
    if text.is_empty() { class.to_owned() } else { format!("{class}: {text}") }
}

impl Report {
    /// The report as `traceback.format_exception` gives it: texts of one or more whole lines.
    pub(super) fn render(&self) -> Vec<String> {
        let mut tree = Tree::default();
        self.render_chain(0, &mut tree);
        tree.out
    }

    /// What `format_exception_only` gives, with the members of groups if `groups`.
    pub(super) fn render_last_lines(&self, groups: bool) -> Vec<String> {
        let mut out = vec![];
        let mut rest = vec![(0, 0)];
        while let Some((number, depth)) = rest.pop() {
            let exception = &self.exceptions[number];
            out.extend(exception.last_lines(depth));
            if groups && let Some(members) = &exception.members {
                rest.extend(members.iter().rev().map(|member| (*member, depth + 1)));
            }
        }
        out
    }

    /// An exception after those it is chained to.
    fn render_chain(&self, number: usize, tree: &mut Tree) {
        let mut chain = vec![];
        let mut seen = HashSet::new();
        let mut next = Some(number);
        while let Some(number) = next.filter(|number| seen.insert(*number)) {
            let exception = &self.exceptions[number];
            let (text, before) = match (exception.cause, exception.context) {
                _ if !self.chain => (None, None),
                (Some(cause), _) => (Some(CAUSE), Some(cause)),
                (None, Some(context)) if !exception.suppress_context => (Some(CONTEXT), Some(context)),
                (None, _) => (None, None),
            };
            chain.push((text, exception));
            next = before;
        }
        for (text, exception) in chain.into_iter().rev() {
            if let Some(text) = text {
                tree.emit(text);
            }
            match &exception.members {
                None => {
                    let frames = exception.frames();
                    if exception.header {
                        tree.emit("Traceback (most recent call last):\n");
                        tree.emit_all(&frames);
                    }
                    tree.emit_all(&exception.last_lines(0));
                }
                Some(_) if tree.depth > self.max_group_depth.min(DEEPEST) => {
                    tree.emit(&format!("... (max_group_depth is {})\n", self.max_group_depth));
                }
                Some(members) => self.render_group(exception, members, tree),
            }
        }
    }

    fn render_group(&self, group: &ExceptionSummary, members: &[usize], tree: &mut Tree) {
        let outermost = tree.depth == 0;
        if outermost {
            tree.depth = 1;
        }
        let frames = group.frames();
        if group.header {
            tree.emit_with("Exception Group Traceback (most recent call last):\n", if outermost { '+' } else { '|' });
            tree.emit_all(&frames);
        }
        tree.emit_all(&group.last_lines(0));
        tree.open = false;
        let shown = members.len().min(self.max_group_width.saturating_add(1));
        for (at, member) in members.iter().enumerate().take(shown) {
            let last = at + 1 == shown;
            if last {
                // A group in it may be the one that draws the last line.
                tree.open = true;
            }
            let hidden = at >= self.max_group_width;
            let title = if hidden { "...".to_owned() } else { (at + 1).to_string() };
            let corner = if at == 0 { "+-" } else { "  " };
            let line = format!("{}{corner}+---------------- {title} ----------------\n", tree.indent());
            tree.out.push(line);
            tree.depth += 1;
            if hidden {
                let more = members.len() - self.max_group_width;
                let plural = if more > 1 { "s" } else { "" };
                tree.emit(&format!("and {more} more exception{plural}\n"));
            } else {
                self.render_chain(*member, tree);
            }
            if last && tree.open {
                let line = tree.indent() + "+------------------------------------\n";
                tree.out.push(line);
                tree.open = false;
            }
            tree.depth -= 1;
        }
        if outermost {
            tree.depth = 0;
        }
    }
}
