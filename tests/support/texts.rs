//! Random texts, and chance that repeats.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::path::{Path, PathBuf};

// ---- the texts ----

/// What soup is made of.
pub(crate) const PIECES: &[&str] = &[
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

/// Tokens one after the other.
pub(crate) fn soup(random: &mut Random) -> String {
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

/// A script with pieces cut out, doubled, moved and spoilt.
pub(crate) fn mutated(random: &mut Random, scripts: &[String]) -> String {
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
pub(crate) fn scripts() -> Vec<String> {
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
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// What follows from `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A piece of `text`, mostly short, that cuts no character.
    pub(crate) fn range_in(&mut self, text: &str) -> (usize, usize) {
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

/// A number that an environment variable gives.
pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
