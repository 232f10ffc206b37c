//! What must hold for any text at all: no stage panics, spans cover the text in order, line endings change nothing.
//!
//! Texts come from a seeded generator: soup of tokens, and scripts of this repository with pieces cut out, doubled, moved
//! and spoilt. A failure prints its seed; `AIO_PROPERTY_SEED=<seed> AIO_PROPERTY_CASES=1` runs that case alone, and it
//! should become a golden. `AIO_PROPERTY_CASES` (default 20,000 for each kind of text) and `AIO_PROPERTY_SECONDS` (default 20 for each)
//! bound a run; CI sets them for 100,000.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use aio::diagnostic::{Color, render};
use aio::source::SourceFile;
use aio::syntax::dump::{dump, dump_with_positions};
use aio::syntax::layout::lex;
use aio::syntax::{Mode, parse};

#[path = "support/texts.rs"]
mod texts;

use texts::{Random, from_environment, mutated, scripts, soup};

#[test]
fn token_soup() {
    check_many(0, soup);
}

#[test]
fn mutated_scripts() {
    let scripts = scripts();
    assert!(scripts.len() > 100, "the goldens and examples are found");
    check_many(1 << 32, |random| mutated(random, &scripts));
}

#[test]
fn random_bytes_decode_or_are_refused() {
    for seed in 0..from_environment("AIO_PROPERTY_CASES", 20_000).min(100_000) {
        let mut random = Random::new(seed);
        let length = random.below(60);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        if random.below(3) == 0 {
            let marks: [&[u8]; 4] =
                [b"\xef\xbb\xbf", b"# coding: latin-1\n", b"#!x\n# -*- coding: ascii -*-\n", b"# coding: nonsense\n"];
            bytes.splice(0..0, marks[random.below(marks.len())].iter().copied());
        }
        if let Ok(text) = aio::syntax::decode_source(&bytes, "case") {
            check_one(&text).unwrap_or_else(|report| panic!("seed {seed}: {report}\n{text:?}"));
        }
    }
}

// ---- the properties ----

/// Runs cases until the number or the time is used up, on a thread whose stack is as small as a deep text deserves.
fn check_many(first_seed: u64, make: impl Fn(&mut Random) -> String + Sync) {
    let cases = from_environment("AIO_PROPERTY_CASES", 20_000);
    let first_seed = from_environment("AIO_PROPERTY_SEED", first_seed);
    // A message at the end of the time, so that this file needs no clock.
    let (sender, time_is_up) = mpsc::channel();
    let limit = Duration::from_secs(from_environment("AIO_PROPERTY_SECONDS", 20));
    thread::spawn(move || {
        thread::sleep(limit);
        sender.send(()).ok();
    });
    for seed in first_seed..first_seed + cases {
        if time_is_up.try_recv().is_ok() {
            break;
        }
        let text = make(&mut Random::new(seed));
        let outcome = catch_unwind(AssertUnwindSafe(|| check_one(&text)));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(report)) => panic!("seed {seed}: {report}\n{text:?}"),
            Err(_) => panic!("seed {seed}: a panic on\n{text:?}"),
        }
    }
}

fn check_one(text: &str) -> Result<(), String> {
    let source = SourceFile::new("case.aio", text);
    let lexed = lex(&source);
    let mut end = 0;
    for lexeme in &lexed.tokens {
        if lexeme.span.start < end || lexeme.span.end < lexeme.span.start || lexeme.span.end as usize > text.len() {
            return Err(format!("the span of {lexeme:?} is out of order"));
        }
        if !text.is_char_boundary(lexeme.span.start as usize) || !text.is_char_boundary(lexeme.span.end as usize) {
            return Err(format!("the span of {lexeme:?} cuts a character"));
        }
        end = lexeme.span.end;
    }
    let plain = parse(&source, Mode::Module);
    match &plain {
        Ok(ast) => {
            dump_with_positions(ast, &source);
        }
        Err(errors) if errors.is_empty() => return Err("refused without an error".to_owned()),
        Err(errors) => {
            if render(errors, &source, Color::Off).is_empty() {
                return Err("an error that renders as nothing".to_owned());
            }
        }
    }
    parse(&source, Mode::Expression).ok();
    parse(&source, Mode::Interactive).ok();
    same_with_other_line_endings(text, &plain.ok().map(|ast| dump(&ast)))
}

/// CRLF changes nothing but positions.
fn same_with_other_line_endings(text: &str, plain: &Option<String>) -> Result<(), String> {
    if text.contains('\r') {
        return Ok(());
    }
    let source = SourceFile::new("case.aio", text.replace('\n', "\r\n"));
    let other = parse(&source, Mode::Module).ok().map(|ast| dump(&ast));
    if other == *plain { Ok(()) } else { Err("CRLF line endings change the tree".to_owned()) }
}
