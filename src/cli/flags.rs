//! The flags of the command line: one row each. From it follow parsing and `--help`.
//!
//! As with Python, flags end where the program begins: at the file, after `-c CODE`, after `-m MODULE`. What follows is the program's
//! own, whatever it looks like.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// Its name after `--`, and how it is found.
    pub name: &'static str,
    /// Its letter after `-`, if it has one.
    pub letter: Option<char>,
    /// Whether it has a name after `--` at all.
    pub long: bool,
    /// What stands for its value in the help; empty if it takes none.
    pub value: &'static str,
    /// The values it takes; empty if it takes any.
    pub values: &'static [&'static str],
    /// Whether the program begins behind it.
    pub program: bool,
    /// Whether it may be given several times.
    pub many: bool,
    /// The line of `--help`.
    pub help: &'static str,
}

const fn flag(name: &'static str, help: &'static str) -> Flag {
    Flag { name, letter: None, long: true, value: "", values: &[], program: false, many: false, help }
}

const fn valued(name: &'static str, value: &'static str, values: &'static [&'static str], help: &'static str) -> Flag {
    Flag { value, values, ..flag(name, help) }
}

/// A flag of Python's, with a letter alone; it may be given several times.
const fn python(letter: char, name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { letter: Some(letter), long: false, value, many: true, ..flag(name, help) }
}

/// Every flag.
pub const FLAGS: &[Flag] = &[
    Flag { letter: Some('c'), long: false, program: true, ..valued("code", "CODE", &[], "Run this text") },
    Flag {
        letter: Some('m'),
        long: false,
        program: true,
        ..valued("module", "MODULE", &[], "Run a module as a program")
    },
    Flag { letter: Some('i'), long: false, ..flag("interactive", "Show the prompt after the program, with its names") },
    Flag { letter: Some('u'), long: false, ..flag("unbuffered", "Write output at once, without collecting it first") },
    python('O', "optimize", "", "Leave out assertions; -OO: docstrings too"),
    python('W', "warning", "FILTER", "What becomes of warnings, as in Python: ignore, error, default::UserWarning"),
    python('X', "extra", "OPTION", "dev (warnings and asyncio's debug mode), int_max_str_digits=N"),
    python('q', "quiet", "", "No greeting before the prompt"),
    python('E', "ignore-environment", "", "Variables that begin with PYTHON have no effect"),
    python('P', "safe-path", "", "Don't look for modules beside the script"),
    python('I', "isolated", "", "Both of -E and -P"),
    python('B', "no-bytecode", "", "Nothing: aio never writes bytecode"),
    python('s', "no-user-site", "", "Nothing: there is no folder of packages"),
    python('S', "no-site", "", "Nothing: there is no folder of packages"),
    flag("virtual-time", "Run on a clock that jumps to the next deadline when nothing is ready"),
    flag("top-level-await", "Allow `await` outside functions"),
    flag("profile", "Say on standard error where the program spent its time"),
    valued("flame-graph", "FILE", &[], "Draw where the program spent its time, as a picture (SVG)"),
    valued(
        "dump",
        "STAGE",
        &["tokens", "ast", "scopes", "code", "positions"],
        "Show a stage of the script, don't run it",
    ),
    valued(
        "color",
        "WHEN",
        &["auto", "always", "never"],
        "Colours in reports: auto (a terminal, no NO_COLOR), always, never",
    ),
    valued(
        "traceback",
        "FORM",
        &["auto", "plain", "rich"],
        "How the prompt shows what is wrong with a text: plain is Python's form",
    ),
];

/// The words that may stand before flags and file.
pub const COMMANDS: &[(&str, &str)] = &[
    ("run", "Run a script (the same as without the word)"),
    ("repl", "Show the prompt (the same as without anything, on a terminal)"),
    ("check", "Find what is wrong with scripts before running them"),
    ("explain", "Explain the code of an error, such as E0301"),
];

/// The command line split up.
#[derive(Debug)]
pub struct Split {
    /// What is aio's own.
    pub own: Vec<String>,
    /// The file and the arguments of the program.
    pub rest: Vec<String>,
}

/// Finds where the program begins. `args` are without the name of the binary.
pub fn split(args: &[String]) -> Split {
    let mut own = vec![];
    let mut args = args.iter();
    while let Some(arg) = args.clone().next() {
        if !arg.starts_with('-') || arg == "-" {
            break;
        }
        args.next();
        if arg == "--" {
            break;
        }
        own.push(arg.clone());
        let Some((flag, inline)) = find(arg) else { continue };
        if !flag.value.is_empty()
            && !inline
            && let Some(value) = args.next()
        {
            own.push(value.clone());
        }
        if flag.program {
            break;
        }
    }
    Split { own, rest: args.cloned().collect() }
}

/// The flag of an argument, or the last of the letters in it, and whether its value is in the same argument.
fn find(arg: &str) -> Option<(&'static Flag, bool)> {
    match arg.strip_prefix("--") {
        Some(long) => {
            let name = long.split('=').next().unwrap_or(long);
            FLAGS.iter().find(|f| f.long && f.name == name).map(|flag| (flag, long.contains('=')))
        }
        None => {
            let mut found = None;
            for (at, letter) in arg.char_indices().skip(1) {
                let flag = FLAGS.iter().find(|f| f.letter == Some(letter))?;
                found = Some((flag, at + letter.len_utf8() < arg.len()));
                if !flag.value.is_empty() {
                    break;
                }
            }
            found
        }
    }
}

/// The description of the command line.
pub fn command() -> Command {
    let mut command = Command::new("aio")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs asyncio scripts: Python's language with the event loop built in.")
        .override_usage("aio [FLAGS] FILE [ARGUMENTS]...\n       aio [FLAGS] -c CODE [ARGUMENTS]...\n       aio [FLAGS] -m MODULE [ARGUMENTS]...\n       aio [FLAGS] - [ARGUMENTS]...   (a script on standard input)\n       aio                              (the prompt)\n       aio run|check [FLAGS] FILE...\n       aio explain CODE")
        .disable_help_subcommand(true);
    for flag in FLAGS {
        let mut arg = Arg::new(flag.name).help(flag.help);
        if flag.long {
            arg = arg.long(flag.name);
        }
        if let Some(letter) = flag.letter {
            arg = arg.short(letter);
        }
        if flag.value.is_empty() {
            arg = arg.action(if flag.many { ArgAction::Count } else { ArgAction::SetTrue });
        } else {
            let action = if flag.many { ArgAction::Append } else { ArgAction::Set };
            arg = arg.value_name(flag.value).action(action).allow_hyphen_values(flag.program);
            if !flag.values.is_empty() {
                arg = arg.value_parser(PossibleValuesParser::new(flag.values)).hide_possible_values(false);
            }
        }
        command = command.arg(arg);
    }
    let mut words = String::from("Commands:\n");
    for (word, help) in COMMANDS {
        words.push_str(&format!("  {word:<8} {help}\n"));
    }
    command.after_help(words)
}

/// The flags that were given.
#[derive(Debug)]
pub struct Given(Option<ArgMatches>);

impl Given {
    /// Whether a flag without a value is there.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|matches| matches.get_flag(name))
    }

    /// How often a flag that may be repeated is there.
    pub fn count(&self, name: &str) -> u8 {
        self.0.as_ref().map_or(0, |matches| matches.get_count(name))
    }

    /// The value of a flag.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get_one::<String>(name).map(String::as_str)
    }

    /// All values of a flag that may be repeated.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.0.iter().filter_map(|matches| matches.get_many(name)).flatten().cloned().collect()
    }
}

/// Parses aio's own part. On an error, or for `--help` and `--version`: what is to be printed.
pub fn parse(own: &[String]) -> Result<Given, clap::Error> {
    if own.is_empty() {
        // Nothing to parse: most starts do without the description of the command line.
        return Ok(Given(None));
    }
    let args = std::iter::once("aio".to_owned()).chain(own.iter().cloned());
    command().try_get_matches_from(args).map(|matches| Given(Some(matches)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (String, String) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let Split { own, rest } = split(&args);
        (own.join(" "), rest.join(" "))
    }

    #[test]
    fn flags_end_where_the_program_begins() {
        assert_eq!(parts("a.aio --help"), (String::new(), "a.aio --help".into()));
        assert_eq!(parts("--color never a.aio -c"), ("--color never".into(), "a.aio -c".into()));
        assert_eq!(parts("-u -c code -u"), ("-u -c code".into(), "-u".into()));
        assert_eq!(parts("-ccode -u"), ("-ccode".into(), "-u".into()));
        assert_eq!(parts("-OOW error -Xdev -uc code -u"), ("-OOW error -Xdev -uc code".into(), "-u".into()));
        assert_eq!(parts("--dump=ast - x"), ("--dump=ast".into(), "- x".into()));
    }

    #[test]
    fn the_table_is_a_valid_command() {
        command().debug_assert();
    }
}
