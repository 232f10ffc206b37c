//! The prompt, as somebody meets it who types: `tests/repl/*.repl` are transcripts. What stands behind a prompt in them is typed; all that
//! the prompt shows then, prompts included, is to be the transcript itself.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repl");
    let entries = std::fs::read_dir(folder).expect("tests/repl is there");
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    all.retain(|path| path.extension().is_some_and(|ending| ending == "repl"));
    all.sort();
    all
}

/// What the prompt shows when `typed` is typed.
fn shown(typed: &str) -> String {
    let (mut reading, writing) = std::io::pipe().expect("a pipe");
    let mut command = Command::new(env!("CARGO_BIN_EXE_aio"));
    command.arg("repl").stdin(Stdio::piped());
    command.stdout(writing.try_clone().expect("a descriptor")).stderr(writing);
    let mut child = command.spawn().expect("the binary runs");
    // The command holds the writing ends too: without them the reading ends when the child does.
    drop(command);
    child.stdin.take().expect("piped").write_all(typed.as_bytes()).expect("it reads all that is typed");
    let mut text = String::new();
    reading.read_to_string(&mut text).expect("text");
    child.wait().expect("it ends");
    text
}

#[test]
fn transcripts_come_out_as_they_were_written() {
    let mut wrong = vec![];
    let all = transcripts();
    assert!(all.len() >= 6, "the transcripts are gone");
    for path in all {
        let wanted = std::fs::read_to_string(&path).expect("a transcript");
        let lines = wanted.lines().filter_map(|line| line.strip_prefix(">>> ").or_else(|| line.strip_prefix("... ")));
        let typed: String = lines.flat_map(|line| [line, "\n"]).collect();
        // The end of what is typed is met at a last prompt.
        let got = shown(&typed);
        let wanted = format!("{wanted}>>> \n");
        if got != wanted {
            wrong.push(format!("{}:\n--- wanted\n{wanted}\n--- shown\n{got}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ---- a terminal ----

/// What Enter sends.
const ENTER: &str = "\r";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary in a terminal of its own, and what has appeared there.
struct Terminal {
    child: Child,
    history: PathBuf,
    keys: File,
    output: Receiver<Vec<u8>>,
    shown: String,
    /// How far of it was waited for.
    seen: usize,
}

impl Terminal {
    fn new(name: &str) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        tcsetwinsize(&master, Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).expect("a terminal");
        let path = ptsname(&master, Vec::new()).expect("a terminal has a name");
        let slave =
            rustix::fs::open(path.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("a terminal");
        let end = |slave: &OwnedFd| Stdio::from(slave.try_clone().expect("a descriptor"));
        let history = std::env::temp_dir().join(format!("aio-repl-{}-{name}", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_aio"));
        command.stdin(end(&slave)).stdout(end(&slave)).stderr(end(&slave));
        command.env("TERM", "xterm").env("AIO_HISTORY", &history).env("NO_COLOR", "1");
        let child = command.spawn().expect("the binary runs");
        let mut reading = File::from(master.try_clone().expect("a descriptor"));
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end is an error when the child is gone.
            while let Ok(count @ 1..) = reading.read(&mut bytes)
                && sender.send(bytes[..count].to_vec()).is_ok()
            {}
        });
        let mut terminal = Terminal { child, history, keys: File::from(master), output, shown: String::new(), seen: 0 };
        terminal.wait(">>> ");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal takes keys");
    }

    /// Waits until a text appears behind all that was waited for; returns what came before it.
    fn wait(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                let before = self.shown[self.seen..self.seen + at].to_owned();
                self.seen += at + text.len();
                return before;
            }
            match self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let _ = self.child.kill();
                    panic!("{text:?} is not shown:\n{}\n(raw: {:?})", self.shown, &self.shown[self.seen..]);
                }
            }
        }
    }

    /// The status that the binary ends with.
    fn end(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let _ = std::fs::remove_file(&self.history);
                return status.code();
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        panic!("it does not end:\n{}", self.shown);
    }
}

const SEVERAL: &str =
    "x = 1\nfor i in range(3):\n    print('item', i + x)\n\ndef double(a):\n    return a * 2\n\ndouble(21)\n";

#[test]
fn a_line_that_did_not_end_stays_above_the_prompt() {
    let mut terminal = Terminal::new("open");
    terminal.press(&format!("print('no', 'end', sep='-', end=''){ENTER}"));
    terminal.wait("no-end\r\n");
    terminal.wait(">>> ");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_text_pasted_line_by_line_runs_line_by_line() {
    let mut terminal = Terminal::new("lines");
    terminal.press(&SEVERAL.replace('\n', ENTER));
    for text in ["item 1", "item 2", "item 3", "\n42\r", ">>> "] {
        terminal.wait(text);
    }
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn several_statements_pasted_as_one_text_run_and_the_last_shows_its_value() {
    let mut terminal = Terminal::new("paste");
    terminal.press(&format!("\x1b[200~1 + 10000\n{}\x1b[201~", SEVERAL.trim_end()));
    terminal.press(ENTER);
    terminal.wait("item 3");
    terminal.wait("\n42\r");
    terminal.wait(">>> ");
    assert!(!terminal.shown.contains("10001"), "only the last value is shown");
    // What fails ends it.
    terminal.press(&format!("\x1b[200~print('be' 'fore')\n1/0\nprint('be' 'hind')\x1b[201~{ENTER}"));
    terminal.wait("before");
    terminal.wait("ZeroDivisionError");
    terminal.wait(">>> ");
    assert!(!terminal.shown.contains("behind"), "{}", terminal.shown);
    terminal.press(&format!("exit{ENTER}"));
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn what_is_typed_while_a_statement_runs_is_not_lost() {
    let mut terminal = Terminal::new("ahead");
    terminal.press(&format!("import time; time.sleep(0.5); print('aw' 'ake'){ENTER}"));
    thread::sleep(Duration::from_millis(100));
    terminal.press(&format!("20 + 3{ENTER}30 + "));
    terminal.wait("awake");
    terminal.wait("\n23\r");
    terminal.press(&format!("4{ENTER}"));
    terminal.wait("\n34\r");
    // The line before, again, and the one before that.
    terminal.press(&format!("\x1b[A{ENTER}"));
    terminal.wait("\n34\r");
    terminal.press(&format!("exit(3){ENTER}"));
    assert_eq!(terminal.end(), Some(3));
}

#[test]
fn names_are_completed_and_tasks_print_above_what_is_typed() {
    let mut terminal = Terminal::new("tasks");
    terminal.press(&format!("abcdefgh = 77{ENTER}"));
    terminal.wait(">>> ");
    terminal.press("abcd\t");
    terminal.wait("abcdefgh");
    terminal.press(&format!(" + 1{ENTER}"));
    terminal.wait("\n78\r");
    // Also what is typed before the prompt is there.
    terminal.press("async def later():\r    await asyncio.sleep(0.3)\r    print('from the ' 'task')\r\r");
    terminal.wait(">>> ");
    terminal.press(&format!("task = asyncio.create_task(later()){ENTER}"));
    terminal.wait(">>> ");
    terminal.press("100 + 2");
    terminal.wait("from the task");
    // What was being typed is shown anew, and still there.
    terminal.wait("100 + 2");
    terminal.press(&format!("0{ENTER}"));
    terminal.wait("\n120\r");
    terminal.wait(">>> ");
    // Ctrl-C drops what is typed.
    terminal.press("garbage(\x03");
    terminal.wait("KeyboardInterrupt");
    terminal.wait(">>> ");
    terminal.press(&format!("await asyncio.sleep(0, 'wo' 'rks'){ENTER}"));
    terminal.wait("'works'");
    terminal.wait(">>> ");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}
