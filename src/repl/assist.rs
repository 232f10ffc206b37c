//! What the editor knows of the language: when a statement is whole, how lines are indented, which colours its words have.

#![allow(clippy::wildcard_enum_match_arm, reason = "most tokens look like any other")]

use std::borrow::Cow;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Cmd, ConditionalEventHandler, Context, Event as Key, EventContext, Helper, Movement, RepeatCount};

use super::editor::{Answer, Bell, Event};
use crate::source::SourceFile;
use crate::syntax::is_incomplete;
use crate::syntax::layout::lex;
use crate::syntax::token::{Lexeme, Token};

/// Columns of a level of blocks.
const LEVEL: usize = 4;

const KEYWORD: &str = "\x1b[1;34m";
const STRING: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const COMMENT: &str = "\x1b[90m";
const BRACKET: &str = "\x1b[1;35m";
const PLAIN: &str = "\x1b[0m";

/// Whether a statement goes on: a text that ends with a line end, or a whole one being edited.
pub(super) fn needs_more(text: &str) -> bool {
    // Commands of the prompt are no statements.
    if text.starts_with(':') || text.trim().is_empty() {
        return false;
    }
    // A line of nothing but blanks ends a block as an empty one does.
    let (line, end) = text.strip_suffix('\n').map_or((text, ""), |line| (line, "\n"));
    let text = format!("{}{end}", line.trim_end_matches([' ', '\t']));
    is_incomplete(&SourceFile::new("", text))
}

/// What a new line behind `before` begins with.
fn indent_after(before: &str) -> String {
    let last = before.rsplit('\n').next().unwrap_or_default();
    let indent = &last[..last.len() - last.trim_start().len()];
    let word = last.trim();
    let opens = word.split('#').next().unwrap_or_default().trim_end().ends_with(':');
    let leaves = ["return", "pass", "break", "continue", "raise"]
        .iter()
        .any(|leave| word.strip_prefix(leave).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
    match (opens, leaves) {
        (true, _) => format!("{indent}{}", " ".repeat(LEVEL)),
        (false, true) => indent.get(LEVEL..).unwrap_or_default().to_owned(),
        (false, false) => indent.to_owned(),
    }
}

/// The line being edited up to the cursor, where it is nothing but blanks.
fn blanks<'c>(context: &'c EventContext<'_>) -> Option<&'c str> {
    let before = &context.line()[..context.pos()];
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.bytes().all(|byte| byte == b' ').then_some(line)
}

/// When the last key came: text that a terminal pastes without saying so comes faster than anybody types.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Less than this is between two characters of a text that is pasted.
    const PASTED: Duration = Duration::from_millis(4);

    /// Notes a key, and says whether the one before came just before it.
    #[allow(
        clippy::disallowed_methods,
        reason = "the keys are those of somebody outside, whatever clock the script has"
    )]
    fn key(&self) -> bool {
        let now = Instant::now();
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_some_and(|before| now - before < Pace::PASTED)
    }
}

/// Any key that does nothing but what it always does.
#[derive(Debug)]
pub(super) struct AnyKey(pub(super) Arc<Pace>);

impl ConditionalEventHandler for AnyKey {
    fn handle(&self, _: &Key, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.key();
        None
    }
}

/// Enter: ends a whole statement, else begins another line of it, indented unless the text is pasted: then it has its blanks.
#[derive(Debug)]
pub(super) struct Enter(pub(super) Arc<Pace>);

impl ConditionalEventHandler for Enter {
    fn handle(&self, _: &Key, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let pasted = self.0.key();
        let (before, after) = context.line().split_at(context.pos());
        let inside = context.line().contains('\n') && !after.trim().is_empty();
        let text = format!("{}\n", context.line().trim_end_matches([' ', '\t']));
        if inside || needs_more(&text) {
            let indent = if pasted { String::new() } else { indent_after(before) };
            return Some(Cmd::Insert(1, format!("\n{indent}")));
        }
        Some(Cmd::AcceptLine)
    }
}

/// Tab: indents where a line begins, else completes.
#[derive(Debug)]
pub(super) struct Tab;

impl ConditionalEventHandler for Tab {
    fn handle(&self, _: &Key, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let line = blanks(context)?;
        Some(Cmd::Insert(1, " ".repeat(LEVEL - line.len() % LEVEL)))
    }
}

/// Backspace: takes back a whole level where a line begins.
#[derive(Debug)]
pub(super) struct Backspace;

impl ConditionalEventHandler for Backspace {
    fn handle(&self, _: &Key, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let line = blanks(context).filter(|line| !line.is_empty())?;
        let back = if line.len() % LEVEL == 0 { LEVEL } else { line.len() % LEVEL };
        Some(Cmd::Kill(Movement::BackwardChar(back as RepeatCount)))
    }
}

/// Colours, and completions that the machine is asked for.
#[derive(Debug)]
pub(super) struct Assistant {
    colors: bool,
    bell: Bell,
    answers: Mutex<Receiver<Answer>>,
    patience: Duration,
}

impl Assistant {
    pub(super) fn new(colors: bool, bell: Bell, answers: Receiver<Answer>, patience: Duration) -> Assistant {
        Assistant { colors, bell, answers: Mutex::new(answers), patience }
    }
}

impl Helper for Assistant {}

impl Validator for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let Ok(answers) = self.answers.lock() else { return Ok((pos, vec![])) };
        // An answer that came too late for the question before.
        while answers.try_recv().is_ok() {}
        self.bell.ring(Event::Complete { line: line.to_owned(), place: line[..pos].chars().count() });
        let Ok((start, texts)) = answers.recv_timeout(self.patience) else { return Ok((pos, vec![])) };
        let start = line.char_indices().nth(start).map_or(line.len(), |(at, _)| at);
        Ok((start.min(pos), texts))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        if self.colors && !line.starts_with(':') { Cow::Owned(painted(line, pos)) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colors
    }
}

/// A text with its colours.
fn painted(text: &str, cursor: usize) -> String {
    let source = SourceFile::new("", text);
    // Where a text begins with a mark that the lexer doesn't count, places would be off.
    if source.text() != text {
        return text.to_owned();
    }
    let lexed = lex(&source);
    let pair = brackets_at(&lexed.tokens, cursor);
    let mut out = String::with_capacity(text.len() * 2);
    let mut done = 0;
    for lexeme in &lexed.tokens {
        let (from, to) = (lexeme.span.start as usize, lexeme.span.end as usize);
        let Some(part) = text.get(from..to).filter(|part| !part.is_empty() && from >= done) else { continue };
        let color = match lexeme.token {
            Token::Newline if part.starts_with('#') => COMMENT,
            Token::Number => NUMBER,
            Token::String | Token::FStringStart | Token::TStringStart | Token::StringMiddle | Token::StringEnd => {
                STRING
            }
            token if token.is_keyword() => KEYWORD,
            Token::Match | Token::Case | Token::Type => KEYWORD,
            _ if pair.is_some_and(|(one, other)| from == one || from == other) => BRACKET,
            _ => continue,
        };
        out.push_str(&text[done..from]);
        // Each line begins and ends without colour: the editor may draw something between them.
        for (number, line) in part.split('\n').enumerate() {
            if number > 0 {
                out.push('\n');
            }
            if !line.is_empty() {
                out.extend([color, line, PLAIN]);
            }
        }
        done = to;
    }
    out.push_str(&text[done..]);
    out
}

/// Where the bracket at the cursor, or just before it, and its partner begin.
fn brackets_at(tokens: &[Lexeme], cursor: usize) -> Option<(usize, usize)> {
    let mut open = vec![];
    for lexeme in tokens {
        let at = lexeme.span.start as usize;
        match lexeme.token {
            Token::LParen | Token::LBracket | Token::LBrace => open.push(at),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let opener = open.pop()?;
                let touches = |at: usize| at == cursor || at + 1 == cursor;
                if touches(at) || touches(opener) {
                    return Some((opener, at));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_go_on_until_they_are_whole() {
        for whole in [
            "x = 1\n",
            "if x:\n    y\n\n",
            "if x:\n    y\n    \n",
            ":tasks\n",
            "\n",
            "x = (\n1)\n",
            "x = )\n",
            "f('''a\nb''')\n",
        ] {
            assert!(!needs_more(whole), "{whole:?}");
        }
        for part in [
            "if x:\n",
            "if x:\n    y\n",
            "x = (\n",
            "f('''a\n",
            "x = \\\n",
            "@f\n",
            "@f\ndef g(): pass\n",
            "async def f():\n",
        ] {
            assert!(needs_more(part), "{part:?}");
        }
    }

    #[test]
    fn lines_are_indented_as_the_one_before() {
        assert_eq!(indent_after("if x:  # why"), "    ");
        assert_eq!(indent_after("if x:\n    y"), "    ");
        assert_eq!(indent_after("if x:\n    return 1"), "");
        assert_eq!(indent_after("if x:\n    passed"), "    ");
        assert_eq!(indent_after("x"), "");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        for text in [
            "if x: # no",
            "f'{a}b' + \"\"\"c\nd\"\"\" # é",
            "x = (1, [2})",
            "ß = 'ü",
            "\u{feff}x",
            "match x:\n    case 1: ...",
        ] {
            let plain: String = {
                let painted = painted(text, 3);
                let mut out = String::new();
                let mut rest = painted.as_str();
                while let Some(at) = rest.find('\x1b') {
                    out.push_str(&rest[..at]);
                    rest = &rest[at + rest[at..].find('m').expect("a sequence ends") + 1..];
                }
                out + rest
            };
            assert_eq!(plain, text);
        }
    }
}
