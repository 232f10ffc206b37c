//! Reads statements, in a thread of its own: from a terminal with rustyline, from anything else line by line.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Cmd, Event as Key, EventHandler, ExternalPrinter, KeyCode, KeyEvent, Modifiers};

use super::Settings;
use super::assist::{AnyKey, Assistant, Backspace, Enter, Pace, Tab, needs_more};
use crate::diagnostic::Color;
use crate::host::{Above, without_signals};

/// What is shown before the first line of a statement.
const PROMPT: &str = ">>> ";
/// What is shown before its other lines, where they are not edited as one text.
const MORE: &str = "... ";
/// Statements that are kept.
const HISTORY: usize = 10_000;
/// How long a key waits for its completions: the machine may be at something else.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the editor has to say.
#[derive(Debug)]
pub(super) enum Event {
    /// A statement was typed.
    Text(String),
    /// There will be no more.
    End,
    /// What was being typed was dropped.
    Interrupt,
    /// The texts are wanted that could stand at a place of a line, in characters.
    Complete { line: String, place: usize },
}

/// What it is asked.
#[derive(Debug)]
struct Ask;

/// The completions of a line: from which character on, and by what.
pub(super) type Answer = (usize, Vec<String>);

/// What is printed while somebody types.
#[derive(Default)]
pub struct Screen {
    typing: AtomicBool,
    /// What was printed last did not end its line: the prompt would be shown over it.
    open_line: AtomicBool,
    printer: Mutex<Option<Box<dyn ExternalPrinter + Send>>>,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("typing", &self.typing).finish_non_exhaustive()
    }
}

impl Above for Screen {
    fn print(&self, bytes: &[u8]) -> bool {
        if let Some(last) = bytes.last() {
            self.open_line.store(*last != b'\n', Ordering::Release);
        }
        if !self.typing.load(Ordering::Acquire) {
            return false;
        }
        let mut printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(bytes).into_owned();
        printer.as_mut().is_some_and(|printer| printer.print(text).is_ok())
    }
}

/// Tells the machine: the event, and that there is one.
#[derive(Debug, Clone)]
pub(super) struct Bell {
    events: Sender<Event>,
    pipe: Arc<OwnedFd>,
}

impl Bell {
    pub(super) fn ring(&self, event: Event) {
        // Nobody listens any more when the program ends.
        let _ = self.events.send(event);
        let _ = rustix::io::write(&*self.pipe, b"!");
    }
}

/// The editor, as the machine sees it.
#[derive(Debug)]
pub(super) struct Editor {
    asks: Sender<Ask>,
    answers: Sender<Answer>,
    events: Receiver<Event>,
    pipe: OwnedFd,
}

impl Editor {
    pub(super) fn start(settings: &Settings, screen: Arc<Screen>) -> io::Result<Editor> {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (asks, asked) = channel();
        let (answers, answered) = channel();
        let (said, events) = channel();
        let bell = Bell { events: said, pipe: Arc::new(writing) };
        let settings = settings.clone();
        std::thread::Builder::new().name("prompt".into()).spawn(move || {
            without_signals();
            let done = match settings.terminal {
                true => edit(&settings, &screen, &asked, answered, &bell),
                false => copy(&asked, &bell, settings.transcript),
            };
            if let Err(error) = done {
                // There is nobody else to tell.
                let _ = writeln!(io::stderr(), "aio: the prompt cannot read any more: {error}");
            }
            bell.ring(Event::End);
        })?;
        Ok(Editor { asks, answers, events, pipe: reading })
    }

    pub(super) fn descriptor(&self) -> i32 {
        self.pipe.as_raw_fd()
    }

    pub(super) fn ask(&self) {
        // A thread that ended has said so.
        let _ = self.asks.send(Ask);
    }

    pub(super) fn take(&self) -> Option<Event> {
        // One byte for each event: that an event has none yet, or its byte comes first, does no harm.
        let _ = rustix::io::read(&self.pipe, &mut [0u8; 1]);
        self.events.try_recv().ok()
    }

    pub(super) fn answer(&self, start: usize, texts: Vec<String>) {
        let _ = self.answers.send((start, texts));
    }
}

/// Statements from a terminal.
fn edit(
    settings: &Settings,
    screen: &Screen,
    asked: &Receiver<Ask>,
    answered: Receiver<Answer>,
    bell: &Bell,
) -> rustyline::Result<()> {
    let config = rustyline::Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .completion_type(rustyline::CompletionType::List)
        .bracketed_paste(true)
        .tab_stop(4)
        .indent_size(4)
        .color_mode(if settings.color == Color::On {
            rustyline::ColorMode::Enabled
        } else {
            rustyline::ColorMode::Disabled
        })
        .build();
    let mut editor = rustyline::Editor::<Assistant, FileHistory>::with_config(config)?;
    editor.set_helper(Some(Assistant::new(settings.color == Color::On, bell.clone(), answered, PATIENCE)));
    let key = |code| KeyEvent(code, Modifiers::NONE);
    let pace = Arc::new(Pace::default());
    editor.bind_sequence(Key::Any, EventHandler::Conditional(Box::new(AnyKey(pace.clone()))));
    editor.bind_sequence(key(KeyCode::Enter), EventHandler::Conditional(Box::new(Enter(pace.clone()))));
    // What was typed before the terminal was the editor's has line feeds.
    editor.bind_sequence(KeyEvent::ctrl('J'), EventHandler::Conditional(Box::new(Enter(pace))));
    editor.bind_sequence(key(KeyCode::Tab), EventHandler::Conditional(Box::new(Tab)));
    editor.bind_sequence(key(KeyCode::Backspace), EventHandler::Conditional(Box::new(Backspace)));
    // However it is called, the key that never ends a text.
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    // A history that isn't there yet, or can't be read, is an empty one.
    settings.history.as_ref().map(|path| editor.load_history(path));
    *screen.printer.lock().unwrap_or_else(PoisonError::into_inner) = match editor.create_external_printer() {
        Ok(printer) => Some(Box::new(printer)),
        // A terminal without control sequences: what is printed appears where the cursor is.
        Err(_) => None,
    };
    while asked.recv().is_ok() {
        if screen.open_line.swap(false, Ordering::AcqRel) {
            let _ = io::stdout().lock().write_all(b"\n");
        }
        screen.typing.store(true, Ordering::Release);
        let read = editor.readline(PROMPT);
        screen.typing.store(false, Ordering::Release);
        match read {
            Ok(text) => {
                if !text.trim().is_empty() && editor.add_history_entry(text.trim_end())? {
                    remember(&mut editor, settings.history.as_ref());
                }
                bell.ring(Event::Text(text));
            }
            Err(ReadlineError::Interrupted) => bell.ring(Event::Interrupt),
            Err(ReadlineError::Eof) => return Ok(()),
            // The window changed its size before anything was typed: the prompt is shown anew.
            Err(ReadlineError::Signal(_)) => bell.ring(Event::Text(String::new())),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remember(editor: &mut rustyline::Editor<Assistant, FileHistory>, path: Option<&PathBuf>) {
    // A history that can't be written is none: typing goes on.
    path.map(|path| editor.append_history(path));
}

/// Statements from a file or a pipe. In a transcript they are shown as if they had been typed; otherwise only prompts are, and not among the output.
fn copy(asked: &Receiver<Ask>, bell: &Bell, transcript: bool) -> rustyline::Result<()> {
    let mut lines = io::stdin().lock();
    while asked.recv().is_ok() {
        let mut text = String::new();
        let mut out: Box<dyn Write> = if transcript { Box::new(io::stdout().lock()) } else { Box::new(io::stderr()) };
        loop {
            let _ = out.write_all(if text.is_empty() { PROMPT } else { MORE }.as_bytes());
            let _ = out.flush();
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                let _ = out.write_all(b"\n");
                let _ = out.flush();
                if text.is_empty() {
                    return Ok(());
                }
                break;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            let shown = line.trim_end_matches(['\r', '\n']);
            if transcript {
                let _ = writeln!(out, "{shown}");
            }
            text.push_str(shown);
            text.push('\n');
            if !needs_more(&text) {
                break;
            }
        }
        let _ = out.flush();
        drop(out);
        bell.ring(Event::Text(text));
    }
    Ok(())
}
