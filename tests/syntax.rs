//! The front end against CPython 3.14: trees of what is new there, errors of 500 wrong texts, and the limits.
//! Expectations are made by `tests/syntax/expect.py`.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use aio::source::SourceFile;
use aio::syntax::{self, Mode, dump};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn trees_are_those_of_the_reference() {
    let source = SourceFile::new("new-in-314.aio", read("new-in-314.aio"));
    let ast = syntax::parse(&source, Mode::Module).expect("every line is Python 3.14");
    assert_eq!(dump::dump(&ast) + "\n", read("new-in-314.ast"));
    assert_eq!(dump::dump_with_positions(&ast, &source) + "\n", read("new-in-314.positions"));
}

/// `errors.known` has the cases that differ: places only, and the pattern that CPython refuses in a later stage.
///
/// What `expect.py` writes for a case.
fn outcome(text: &str) -> String {
    let source = SourceFile::new("case", text);
    match syntax::parse(&source, Mode::Module) {
        Ok(_) => "accepted".into(),
        Err(diagnostics) => {
            let first = &diagnostics[0];
            let place = first.position(&source);
            format!(
                "{} {},{},{},{} {}",
                first.class.name(),
                place.line,
                place.offset,
                place.end_line,
                place.end_offset,
                first.text
            )
        }
    }
}

#[test]
fn errors_are_those_of_the_reference() {
    let cases = read("errors.cases");
    let expected = read("errors.expected");
    let known = read("errors.known");
    let known: Vec<&str> = known.split("# ----\n").collect();
    let mut report = String::new();
    let mut wrong = 0;
    for (case, expected) in cases.split("# ----\n").zip(expected.lines()) {
        let got = outcome(case);
        match (got == expected, known.contains(&case)) {
            (true, false) | (false, true) => {}
            (true, true) => {
                wrong += 1;
                writeln!(report, "{case:?}\n  is right now: strike it from errors.known").expect("a String");
            }
            (false, false) => {
                wrong += 1;
                writeln!(report, "{case:?}\n  aio     {got}\n  CPython {expected}").expect("a String");
            }
        }
    }
    assert!(wrong == 0, "{wrong} cases differ:\n{report}");
}

#[test]
fn line_ends_change_nothing_but_positions() {
    let text = read("new-in-314.aio");
    let parse = |text: String| {
        let source = SourceFile::new("case", text);
        dump::dump(&syntax::parse(&source, Mode::Module).expect("it is Python 3.14"))
    };
    let expected = parse(text.clone());
    assert!(expected == parse(text.replace('\n', "\r\n")), "with \\r\\n");
    assert!(expected == parse(text.replace('\n', "\r")), "with \\r");
    assert!(expected == parse(text.trim_end().to_owned()), "without the last line end");
}

#[test]
fn spans_cover_the_text_in_order() {
    for text in read("errors.cases").split("# ----\n").chain([&*read("new-in-314.aio")]) {
        let source = SourceFile::new("case", text);
        let mut at = 0;
        for lexeme in syntax::layout::lex(&source).tokens {
            assert!(lexeme.span.start <= lexeme.span.end, "{text:?} {lexeme:?}");
            assert!(lexeme.span.start >= at || lexeme.span.is_empty(), "{text:?} {lexeme:?} begins before {at}");
            assert!(text.is_char_boundary(lexeme.span.start as usize), "{text:?} {lexeme:?}");
            let between = &text[at as usize..lexeme.span.start.max(at) as usize];
            let skipped = between.lines().all(|line| {
                let line = line.trim_matches([' ', '\t', '\x0c', '\\']);
                line.is_empty() || line.contains('#') || line.contains(['}', '\\', '"', '\''])
            });
            assert!(skipped, "{text:?} {lexeme:?} leaves out {between:?}");
            at = at.max(lexeme.span.end);
        }
    }
}

#[test]
fn depth_is_refused_not_survived_by_luck() {
    let million = 1_000_000;
    let too_many = |text: String| assert!(outcome(&text).contains("too many nested parentheses"), "{:.40}", text);
    too_many("(".repeat(million));
    too_many("[".repeat(million) + &"]".repeat(million));
    too_many("f'{".repeat(149) + &"(".repeat(million));
    let nested = "(".repeat(200) + &")".repeat(200);
    assert_eq!(outcome(&nested), "accepted");
    let too_high = |text: String| {
        let got = outcome(&text);
        let words = ["maximum recursion depth exceeded during compilation", "Parser stack overflowed"];
        assert!(words.iter().any(|words| got.contains(words)), "{text:.40} {got}");
    };
    too_high("-".repeat(million) + "1");
    too_high("x = 1".to_owned() + &" + 1".repeat(million));
    too_high("not ".repeat(million) + "1");
    too_high("a".to_owned() + &".b".repeat(million));
    too_high("1 if 1 else ".repeat(million) + "1");
    too_high("lambda: ".repeat(million) + "1");
    too_high("2 ** ".repeat(million) + "2");
    assert_eq!(outcome(&("x = 1".to_owned() + &" + 1".repeat(2_000))), "accepted");
    let indented = |levels: usize| (0..levels).map(|level| " ".repeat(level) + "if x:\n").collect::<String>();
    assert!(outcome(&(indented(150) + &" ".repeat(150) + "pass\n")).contains("too many levels of indentation"));
    assert_eq!(outcome(&(indented(99) + &" ".repeat(99) + "pass\n")), "accepted");
}

#[test]
fn flat_is_never_too_long() {
    assert_eq!(outcome(&("if a: pass\n".to_owned() + &"elif b: pass\n".repeat(100_000))), "accepted");
    assert_eq!(outcome(&("x = a".to_owned() + &" and a".repeat(100_000))), "accepted");
    assert_eq!(outcome(&("x = a".to_owned() + &" < a".repeat(100_000))), "accepted");
    assert_eq!(outcome(&("x = [".to_owned() + &"1, ".repeat(100_000) + "]")), "accepted");
    assert_eq!(outcome(&"x = 1\n".repeat(100_000)), "accepted");
    assert_eq!(outcome(&("with a".to_owned() + &", a".repeat(10_000) + ": pass")), "accepted");
    assert_eq!(outcome(&("a = ".repeat(100_000) + "1")), "accepted");
}

#[test]
fn several_errors_are_reported_in_one_run() {
    let text = "x = = 1\ndef f():\n    y = 2 3\n    return 1\nif x\n    pass\nelse:\n    z = (1, 2]\nok = 1\nfor in y:\n    pass\n";
    let source = SourceFile::new("case", text);
    let errors = syntax::parse(&source, Mode::Module).expect_err("five lines are wrong");
    let mut lines: Vec<u32> = errors.iter().map(|error| source.line(error.span.start)).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 3, 5, 8, 10]);
}

/// Token soup and damaged scripts: the front end may say anything, but it says it.
#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "(", ")", "[", "]", "{", "}", "f'", "'", "\"", "f\"\"\"", "t'", "\"\"\"", ":", ":=", "=", "==", "!", "!r", ",",
        ".", "...", "*", "**", "\n", "\n    ", "\n\t", "\r", " ", "\\", "\\\n", "if ", "else", "elif ", "for ", "in ",
        "x", "y1", "1", "0x", "1e", "'a'", "b''", "def ", "class ", "lambda ", "match ", "case ", "type ", "try",
        "except ", "finally", "with ", "as ", "async ", "await ", "yield ", "return ", "import ", "from ", "global ",
        "del ", "not ", "is ", "and ", "@", "->", ";", "#c", "é", "€", "\0", "\x0c", "print ", "pass", "\\N{", "{{",
        "}}", "\u{feff}", "_", "+", "-", "<", "|", "~", "raise ", "assert ", "while ",
    ];
    let valid = read("new-in-314.aio");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for round in 0..6_000 {
        let mut text = String::new();
        if round % 3 == 0 {
            let lines: Vec<&str> = valid.lines().collect();
            for _ in 0..next(6) + 1 {
                let mut line: Vec<char> = lines[next(lines.len())].chars().collect();
                for _ in 0..next(3) {
                    let at = next(line.len() + 1);
                    if next(2) == 0 && at < line.len() {
                        line.remove(at);
                    } else {
                        let piece = pieces[next(pieces.len())];
                        line.splice(at..at, piece.chars());
                    }
                }
                text.extend(line);
                text.push('\n');
            }
        } else {
            for _ in 0..next(30) + 1 {
                text.push_str(pieces[next(pieces.len())]);
            }
        }
        let source = SourceFile::new("case", text);
        for mode in [Mode::Module, Mode::Expression, Mode::Interactive] {
            if let Err(errors) = syntax::parse(&source, mode) {
                assert!(!errors.is_empty());
                for error in &errors {
                    error.position(&source);
                }
                aio::diagnostic::render(&errors, &source, aio::diagnostic::Color::Off);
            }
        }
    }
}

/// `cargo test --profile fast --test syntax -- --ignored --nocapture speed`
#[test]
#[ignore = "says nothing in a debug build"]
fn speed() {
    let path = std::env::var("AIO_SPEED_FILE").expect("AIO_SPEED_FILE names a script of some megabytes");
    let source = SourceFile::new("speed", fs::read_to_string(path).expect("the script can be read"));
    let megabytes = source.text().len() as f64 / 1e6;
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let lexed = syntax::layout::lex(&source);
        let lexing = start.elapsed().as_secs_f64();
        let start = std::time::Instant::now();
        let ast = syntax::parse(&source, Mode::Module).expect("the script parses");
        let parsing = start.elapsed().as_secs_f64();
        eprintln!(
            "{megabytes:.1} MB: lex {:.0} MB/s, lex and parse {:.1} MB/s ({} tokens, {} expressions)",
            megabytes / lexing,
            megabytes / parsing,
            lexed.tokens.len(),
            ast.expr_count()
        );
    }
}

#[test]
fn every_code_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let cases: Vec<String> = fs::read_dir(folder)
        .expect("tests/errors is there")
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    let syntax = |code: &&aio::diagnostic::Code| code.code() < "E03";
    for code in aio::diagnostic::Code::ALL.iter().filter(syntax) {
        assert!(cases.iter().any(|case| case.starts_with(code.code())), "{} has no case", code.code());
    }
}

#[test]
fn the_prompt_knows_when_to_go_on() {
    let incomplete = |text: &str| syntax::is_incomplete(&SourceFile::new("<stdin>", text));
    let go_on = [
        "f(1,\n",
        "x = [\n",
        "\"\"\"doc\n",
        "if x:\n",
        "if x:\n    y\n",
        "def f():\n    x\n    y\n",
        "x = 1 + \\\n",
        "try:\n    x\n",
        "@d\n",
        "class A: pass\n",
        "match x:\n",
        "f'''{x}\n",
    ];
    for text in go_on {
        assert!(incomplete(text), "{text:?} goes on");
    }
    let done = [
        "x\n",
        "x = 1\n",
        "if x:\n    y\n\n",
        "x = = 1\n",
        "x = 'abc\n",
        "def f():\n    x\n\n",
        "f(1 2\n)\n",
        "if x\n",
        "x = \n",
        "pass\n",
    ];
    for text in done {
        assert!(!incomplete(text), "{text:?} is done");
    }
    let source = SourceFile::new("<stdin>", "x = 1\ny = 2\n");
    let errors = syntax::parse(&source, Mode::Interactive).expect_err("two statements");
    assert_eq!(errors[0].text, "multiple statements found while compiling a single statement");
}
