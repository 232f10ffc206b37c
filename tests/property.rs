//! What must hold for any text at all: no stage panics, spans cover the text in order, line endings change nothing.
//!
//! Texts come from a seeded generator: soup of tokens, and scripts of this repository with pieces cut out, doubled, moved
//! and spoilt. A failure prints its seed; `AIO_PROPERTY_SEED=<seed> AIO_PROPERTY_CASES=1` runs that case alone, and it
//! should become a golden. `AIO_PROPERTY_CASES` (default 20,000 for each kind of text) and `AIO_PROPERTY_SECONDS` (default 20 for each)
//! bound a run; CI sets them for 100,000.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use aio::diagnostic::{Color, render};
use aio::source::SourceFile;
use aio::syntax::dump::{dump, dump_with_positions};
use aio::syntax::layout::lex;
use aio::syntax::{Mode, parse};

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

// ---- the texts ----

const PIECES: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "\n    ",
    "\n    ",
    "\n        ",
    "\n\t",
    "\\\n",
    " ",
    " ",
    " ",
    ";",
    ":",
    ":",
    ",",
    ",",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    "...",
    "=",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    "<<",
    "<<=",
    "->",
    ":=",
    "+",
    "+=",
    "-",
    "*",
    "**",
    "**=",
    "/",
    "//",
    "%",
    "@",
    "@=",
    "&",
    "|",
    "^",
    "~",
    "!",
    "$",
    "?",
    "`",
    "if ",
    "elif ",
    "else",
    "while ",
    "for ",
    " in ",
    "def ",
    "class ",
    "return ",
    "yield ",
    "yield from ",
    "await ",
    "async ",
    "async def ",
    "async for ",
    "async with ",
    "try",
    "except ",
    "except* ",
    "finally",
    "raise ",
    " from ",
    "with ",
    " as ",
    "import ",
    "from ",
    "global ",
    "nonlocal ",
    "lambda ",
    "not ",
    " and ",
    " or ",
    " is ",
    "None",
    "True",
    "False",
    "pass",
    "break",
    "continue",
    "del ",
    "assert ",
    "match ",
    "case ",
    "type ",
    "_",
    "match",
    "case",
    "type",
    "print",
    "__debug__",
    "self",
    "x",
    "y",
    "f",
    "name",
    "größe",
    "日本",
    "ﬁ",
    "x1",
    "0",
    "1",
    "0x1F",
    "0b2",
    "0o8",
    "1_000",
    "1__0",
    "1e5",
    "1e",
    "3.14",
    ".5",
    "5.",
    "1j",
    "0777",
    "1if",
    "99999999999999999999999",
    "'a'",
    "\"b\"",
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "'unterminated\n",
    "b'x'",
    "b'é'",
    "r'\\'",
    "rb'x'",
    "u'x'",
    "'\\x4'",
    "'\\N{BULLET}'",
    "'\\N{nope}'",
    "'\\ud800'",
    "f'",
    "f\"",
    "f'''",
    "rf'",
    "t'",
    "t\"",
    "f'{x}'",
    "f'{x!r:>{w}}'",
    "f'{'",
    "f'{x'",
    "{x}",
    "{x!r}",
    "{x=}",
    "{{",
    "}}",
    "!r",
    ":>10",
    "f'{f'{1}'}'",
    "# comment",
    "# coding: utf-8",
    "\u{0c}",
    "\t",
    "\u{feff}",
    "\u{200b}",
    "\u{a0}",
    "\0",
    "\u{1F600}",
    "é",
    "\u{301}",
    "def f(a, /, *, b=1, **c): ",
    "def f[T: int](x: T) -> T: ",
    "class A[T](B, metaclass=M): ",
    "[x for x in y if z]",
    "(yield)",
    "*a",
    "**b",
    "a, *b = c",
    "x: int = 1",
    "@d\n",
    "case [a, *_] if b: ",
    "case {'k': v, **r}: ",
    "case A(b=1) | None as c: ",
];

fn soup(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(40) {
        let piece = PIECES[random.below(PIECES.len())];
        // Now and then the same thing many times: nesting, runs of operators, deep indentation.
        let times = if random.below(60) == 0 { 1 + random.below(400) } else { 1 };
        text.push_str(&piece.repeat(times));
        if random.below(3) == 0 {
            text.push(' ');
        }
    }
    text
}

fn mutated(random: &mut Random, scripts: &[String]) -> String {
    let mut text = scripts[random.below(scripts.len())].clone();
    for _ in 0..1 + random.below(4) {
        let (start, end) = random.range_in(&text);
        match random.below(7) {
            0 => text.replace_range(start..end, ""),
            1 => text.insert_str(start, PIECES[random.below(PIECES.len())]),
            2 => text.replace_range(start..end, PIECES[random.below(PIECES.len())]),
            3 => {
                let piece = text[start..end].to_owned();
                text.insert_str(end, &piece);
            }
            4 => {
                let other = &scripts[random.below(scripts.len())];
                let (from, to) = random.range_in(other);
                text.insert_str(start, &other[from..to]);
            }
            5 => text.truncate(end),
            _ => {
                let mut lines: Vec<&str> = text.lines().collect();
                if lines.len() > 1 {
                    let (a, b) = (random.below(lines.len()), random.below(lines.len()));
                    lines.swap(a, b);
                }
                text = lines.join("\n");
            }
        }
    }
    text
}

/// Every script of the repository that is short enough for thousands of cases.
fn scripts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> =
        ["tests/golden", "examples", "benches"].iter().map(|folder| root.join(folder)).collect();
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "aio") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).filter(|text| text.len() < 3_000).collect()
}

// ---- chance ----

/// SplitMix64: a few lines, and the same sequence on every machine.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A piece of `text`, mostly short, that cuts no character.
    fn range_in(&mut self, text: &str) -> (usize, usize) {
        let floor = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = self.below(text.len() + 1);
        let length = if self.below(4) == 0 { self.below(200) } else { self.below(8) };
        (floor(start), floor((start + length).min(text.len())))
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
