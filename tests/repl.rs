//! The prompt, as somebody meets it who types: `tests/repl/*.repl` are transcripts. What stands behind a prompt in them is typed; all that
//! the prompt shows then, prompts included, is to be the transcript itself.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    assert!(all.len() >= 5, "the transcripts are gone");
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
