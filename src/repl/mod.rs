//! The interactive prompt.
//!
//! The editor runs in a thread of its own (`editor.rs`), so that the event loop goes on while somebody types; `assist.rs` is what it knows
//! of the language. It tells the loop over a pipe that something was typed. What happens then is written in aio itself
//! (`stdlib/_repl.aio`), upon the natives here.

mod assist;
mod editor;

use std::path::PathBuf;
use std::sync::Arc;

use crate::compile::Options;
use crate::diagnostic::{Color, render};
use crate::heap::Tracer;
use crate::interpreter::{compile_text, raise_syntax_error};
use crate::native::natives;
use crate::native::types::exception::io_error;
use crate::object::{List, Str};
use crate::source::SourceFile;
use crate::syntax::Mode;
use crate::syntax::ast::{Root as SyntaxRoot, StmtKind};
use crate::syntax::parser::parse_with_warnings;
use crate::vm::host::StdStream;
use crate::vm::native::{Cx, NativeResult, Outcome, Root};
use crate::vm::{Extension, ExtensionSlot};

pub use editor::Screen;
use editor::{Editor, Event};

/// How the prompt looks and where its history is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether reports and what is typed are coloured.
    pub color: Color,
    /// Whether what is wrong with a text is shown with excerpts instead of as Python does it.
    pub rich: bool,
    /// Whether somebody types at a terminal. Else lines are read as they come.
    pub terminal: bool,
    /// Whether such lines are shown as if they had been typed, so that the output is a transcript.
    pub transcript: bool,
    /// The file with the history.
    pub history: Option<PathBuf>,
}

/// The prompt of a machine.
#[derive(Debug)]
struct Prompt {
    settings: Settings,
    editor: Editor,
}

impl Extension for Prompt {
    fn trace(&self, _: &mut Tracer<'_>) {}
}

/// Makes the module `_prompt`, and starts the editor. What is printed while somebody types goes to `screen`, which the host was given.
///
/// # Errors
/// The system has no thread or no pipe.
pub fn install(cx: &mut Cx, settings: Settings, screen: Arc<Screen>) -> std::io::Result<()> {
    let editor = Editor::start(&settings, screen)?;
    let module = cx.new_module("_prompt").held();
    cx.functions_of(module, &PROMPT);
    cx.set_extension(ExtensionSlot::Prompt, Box::new(Prompt { settings, editor }));
    Ok(())
}

fn prompt(cx: &mut Cx) -> &mut Prompt {
    cx.extension_mut(ExtensionSlot::Prompt).expect("installed with the module")
}

natives!(
    /// The editor of the prompt.
    pub static PROMPT: Functions;

    /// The descriptor that can be read from when there is something to take.
    fn fileno(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(prompt(cx).editor.descriptor()).into())
    }

    /// Whether somebody types at a terminal.
    fn is_terminal(cx: &mut Cx) -> NativeResult {
        Ok(prompt(cx).settings.terminal.into())
    }

    /// Ask for a statement.
    fn ask(cx: &mut Cx) -> NativeResult {
        // What was printed comes before the prompt.
        for stream in [StdStream::Out, StdStream::Err] {
            if let Err(error) = cx.host_mut().flush(stream) {
                return Err(io_error(cx, &error, None));
            }
        }
        prompt(cx).editor.ask();
        Ok(Outcome::NONE)
    }

    /// What was typed: a text, False for its end, True where it was interrupted, a pair of a line and a place in it of which completions are
    /// wanted (see `answer`); None if nothing is there yet.
    fn take(cx: &mut Cx) -> NativeResult {
        Ok(match prompt(cx).editor.take() {
            None => Outcome::NONE,
            Some(Event::Text(text)) => cx.str(&text).into(),
            Some(Event::End) => false.into(),
            Some(Event::Interrupt) => true.into(),
            Some(Event::Complete { line, place }) => {
                let line = cx.str(&line).value();
                cx.tuple(&[line, crate::heap::Value::int(place as i64)]).into()
            }
        })
    }

    /// Say which texts could stand instead of what begins at the character `start` and ends where was asked.
    fn answer(cx: &mut Cx, start: i64, candidates: Root) -> NativeResult {
        let texts: Vec<String> = match candidates.get(cx).exact::<List>() {
            Some(list) => {
                list.items().filter_map(|item| item.exact::<Str>().map(|s| s.to_str_lossy().into_owned())).collect()
            }
            None => return Err(cx.type_error("candidates are a list".into())),
        };
        prompt(cx).editor.answer(usize::try_from(start).unwrap_or(0), texts);
        Ok(Outcome::NONE)
    }

    /// The version of aio.
    fn version(cx: &mut Cx) -> NativeResult {
        Ok(cx.str(env!("CARGO_PKG_VERSION")).into())
    }

    /// Compile a statement, with `await` allowed outside functions, into a list of one code; None if its errors have been shown already.
    /// Of several statements, as they come when a text is pasted, all but the last are in a code of their own: only that one's value is
    /// shown.
    fn compile(cx: &mut Cx, text: Root, filename: Root) -> NativeResult {
        let (text, filename) = (cx.str_text(text)?, cx.str_text(filename)?);
        let source = SourceFile::new(filename.as_str(), text);
        let options = Options { filename: filename.as_str().into(), top_level_await: true, ..Options::default() };
        let compiled = match last_statement(&source) {
            None => compile_text(&source, Mode::Interactive, &options).map(|whole| vec![whole]),
            Some(start) => {
                let text = source.text();
                // Lines keep their numbers.
                let lines = "\n".repeat(text[..start].matches('\n').count());
                let [first, last] = [text[..start].to_owned(), lines + &text[start..]]
                    .map(|text| SourceFile::new(filename.as_str(), text));
                compile_text(&first, Mode::Module, &options)
                    .and_then(|first| Ok(vec![first, compile_text(&last, Mode::Interactive, &options)?]))
            }
        };
        match compiled {
            Ok(parts) => {
                let mark = cx.mark();
                let codes = List::new(&cx.heap, &[]).value().raw();
                let codes = cx.push_raw(codes);
                for (code, warnings) in parts {
                    cx.register_source(&code, source.text());
                    for warning in warnings {
                        let line = source.line(warning.span.start);
                        let text = format!("{filename}:{line}: SyntaxWarning: {}\n", warning.message);
                        // Nobody is left to be told that a warning could not be shown.
                        let _ = cx.host_mut().write(StdStream::Err, text.as_bytes());
                    }
                    let code = cx.load(&code).value().raw();
                    let code = cx.push_raw(code);
                    cx.list_push(codes, code)?;
                }
                let codes = codes.get(cx).raw();
                cx.release(mark);
                Ok(Outcome::Value(codes))
            }
            Err(diagnostics) => {
                let Settings { rich, color, .. } = prompt(cx).settings;
                if !rich {
                    return Err(raise_syntax_error(cx, &source, &diagnostics));
                }
                let report = render(&diagnostics, &source, color);
                // As above.
                let _ = cx.host_mut().write(StdStream::Err, report.as_bytes());
                Ok(Outcome::NONE)
            }
        }
    }
);

/// Where the last of several statements begins that are a whole text each; None if there is but one, or none that can be told.
fn last_statement(source: &SourceFile) -> Option<usize> {
    let parsed = parse_with_warnings(source, Mode::Module).ok()?;
    let SyntaxRoot::Module(body) = &parsed.ast.root else { return None };
    let text = source.text();
    body.iter().skip(1).rev().find_map(|&statement| {
        let statement = parsed.ast.stmt(statement);
        let decorator = if let StmtKind::FunctionDef(function) = &statement.kind {
            function.decorators.first()
        } else if let StmtKind::ClassDef(class) = &statement.kind {
            class.decorators.first()
        } else {
            None
        };
        let start = decorator.map_or(statement.span, |&first| parsed.ast.expr(first).span).start as usize;
        let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
        // Not behind another one in its line.
        text[line..start].trim_start_matches(['@', ' ', '\t', '\x0c']).is_empty().then_some(line)
    })
}
