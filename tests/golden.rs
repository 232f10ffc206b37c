//! Runs every script under tests/golden, examples, tests/errors and tests/stages and compares what it prints.
//!
//! - `tests/golden/<area>/<case>.aio` with `.out` (stdout), `.err` (stderr, absent means empty), `.status` (absent means 0)
//!   and `.opts` (`flags`, `args`, `env NAME=VALUE`, `stdin`, `deaths`, one a line). Expectations come from CPython by way of
//!   `tests/oracle.py`, never from aio. Virtual time, except in `sockets/`, `signals/`, `subprocess/` and `processes/`. A name that begins with `_` is a module.
//! - `examples/<case>.aio` likewise, expectations in tests/golden/examples.
//! - `tests/errors/<case>.aio` with `.err`: the rendered diagnostics. `tests/stages/<case>.aio` with `.tokens`, `.ast`, `.code`:
//!   what `--dump` shows. These are aio's own output: `AIO_BLESS=1` rewrites them and the diff is what is reviewed.
//!
//! `tests/golden/pending.txt` lists cases that don't pass yet (`case reason` a line; `*` stands for any text). A pending
//! case that passes makes the run fail, so the list shrinks; a pattern with `*` forgives that. `AIO_PENDING=write` rewrites the list.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

const TIME_LIMIT: Duration = Duration::from_secs(if cfg!(feature = "gc_stress") { 150 } else { 30 });

/// Areas that wait for the outside world and so run in real time.
const REAL_TIME: [&str; 4] = ["sockets", "signals", "subprocess", "processes"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pending = Arc::new(Pending::read(&root.join("tests/golden/pending.txt")));
    let failing = Arc::new(Mutex::new(BTreeSet::new()));
    let mut trials = vec![Trial::test("normalise", normalise_sample)];
    for case in find_cases(root) {
        let (pending, failing) = (Arc::clone(&pending), Arc::clone(&failing));
        let ignored = pending.skips(&case.name);
        let name = case.name.clone();
        let trial = move || {
            let result = case.check();
            if result.is_err() {
                failing.lock().expect("no trial panics while it holds the lock").insert(case.name.clone());
            }
            pending.judge(&case.name, result)
        };
        trials.push(Trial::test(name, trial).with_ignored_flag(ignored));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if std::env::var("AIO_PENDING").as_deref() == Ok("write") {
        let failing = failing.lock().expect("all trials have ended");
        pending.write(&root.join("tests/golden/pending.txt"), &failing);
    }
    conclusion.exit_code()
}

// ---- what is expected to fail ----

/// The cases that don't pass yet.
struct Pending {
    entries: Vec<(String, String)>,
}

impl Pending {
    fn read(path: &Path) -> Pending {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.map(|line| {
            let (case, reason) = line.split_once(' ').unwrap_or((line, "not yet"));
            (case.to_owned(), reason.trim().to_owned())
        });
        Pending { entries: entries.collect() }
    }

    /// The bare `*` means that the interpreter isn't there yet: nothing is run (`--include-ignored` runs it all the same).
    fn skips(&self, case: &str) -> bool {
        std::env::var_os("AIO_PENDING").is_none() && self.entry(case).is_some_and(|(pattern, _)| pattern == "*")
    }

    fn entry(&self, case: &str) -> Option<&(String, String)> {
        self.entries.iter().find(|(pattern, _)| matches(pattern, case))
    }

    fn judge(&self, case: &str, result: Result<(), String>) -> Result<(), Failed> {
        match (self.entry(case), result) {
            (None, Err(report)) => Err(report.into()),
            (Some((pattern, reason)), Ok(())) if !pattern.contains('*') => {
                Err(format!("passes now: take it out of tests/golden/pending.txt (was pending because: {reason})")
                    .into())
            }
            (None, Ok(())) | (Some(_), _) => Ok(()),
        }
    }

    /// Keeps the comments and the reasons of what still fails.
    fn write(&self, path: &Path, failing: &BTreeSet<String>) {
        let old = fs::read_to_string(path).unwrap_or_default();
        let mut text: String =
            old.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        for case in failing {
            let reason =
                self.entries.iter().find(|(pattern, _)| pattern == case).map_or("not yet", |(_, reason)| reason);
            text.push_str(&format!("{case} {reason}\n"));
        }
        fs::write(path, text).expect("pending.txt can be written");
    }
}

/// Whether `pattern`, in which `*` stands for any text, covers the whole of `name`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => {
            name.starts_with(start)
                && (start.len()..=name.len()).any(|at| name.is_char_boundary(at) && matches(rest, &name[at..]))
        }
    }
}

// ---- finding cases ----

/// How a case is run and what is compared.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Golden { real_time: bool },
    Errors,
    Stages,
}

struct Case {
    name: String,
    kind: Kind,
    script: PathBuf,
    /// Where the expectations lie; the script's folder, except for examples.
    beside: PathBuf,
}

fn find_cases(root: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for area in entries(&root.join("tests/golden")).into_iter().filter(|path| path.is_dir()) {
        let name = file_name(&area);
        let scripts = if name == "examples" { root.join("examples") } else { area.clone() };
        add_folder(&mut cases, &name, Kind::Golden { real_time: REAL_TIME.contains(&name.as_str()) }, &scripts, &area);
    }
    for (name, kind) in [("errors", Kind::Errors), ("stages", Kind::Stages)] {
        let folder = root.join("tests").join(name);
        add_folder(&mut cases, name, kind, &folder, &folder);
    }
    cases
}

/// One case for every stem that has a script or an expectation, so that neither can be without the other.
fn add_folder(cases: &mut Vec<Case>, area: &str, kind: Kind, scripts: &Path, beside: &Path) {
    let mut stems = BTreeSet::new();
    for path in entries(scripts).into_iter().chain(entries(beside)) {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let known = ["aio", "out", "err", "status", "opts", "tokens", "ast", "code"].contains(&extension);
        if path.is_file() && known && !file_name(&path).starts_with('_') {
            stems.insert(file_name(&path.with_extension("")));
        }
    }
    cases.extend(stems.into_iter().map(|stem| Case {
        name: format!("{area}/{stem}"),
        kind,
        script: scripts.join(format!("{stem}.aio")),
        beside: beside.to_owned(),
    }));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

// ---- checking one ----

/// What `NAME.opts` says.
#[derive(Default)]
struct Options {
    flags: Vec<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: String,
    /// What is printed depends on when things die: where collections come earlier it is run, but not compared.
    deaths: bool,
}

impl Options {
    fn read(path: &Path) -> Options {
        let mut options = Options::default();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "flags" => options.flags.extend(value.split_whitespace().map(str::to_owned)),
                "args" => options.args.extend(value.split_whitespace().map(str::to_owned)),
                "env" => {
                    let (name, value) = value.split_once('=').unwrap_or((value, ""));
                    options.env.insert(name.to_owned(), value.to_owned());
                }
                "stdin" => options.stdin += &format!("{value}\n"),
                "deaths" => options.deaths = true,
                // For the script that makes the expectations.
                "reference" | "#" | "" => {}
                _ => panic!("{}: unknown key `{key}`", path.display()),
            }
        }
        options
    }
}

struct Output {
    stdout: String,
    stderr: String,
    status: i32,
}

impl Case {
    fn check(&self) -> Result<(), String> {
        if !self.script.exists() {
            return Err(format!("an expectation without its script {}", self.script.display()));
        }
        match self.kind {
            Kind::Golden { real_time } => self.check_golden(real_time),
            Kind::Errors => self.check_errors(),
            Kind::Stages => self.check_stages(),
        }
    }

    fn check_golden(&self, real_time: bool) -> Result<(), String> {
        if !self.expectation("out").exists() {
            return Err("a script without its expectation: bless it with tests/oracle.py".to_owned());
        }
        let options = Options::read(&self.script.with_extension("opts"));
        let folder = self.stage().map_err(|error| error.to_string())?;
        let mut flags = vec!["run".to_owned()];
        if !real_time {
            flags.push("--virtual-time".to_owned());
        }
        flags.extend(options.flags.iter().cloned());
        flags.push(file_name(&self.script));
        flags.extend(options.args.iter().cloned());
        let output = run(&flags, &folder, &options)?;
        let home = folder.to_string_lossy();
        let mut report = String::new();
        if !(options.deaths && cfg!(feature = "gc_stress")) {
            compare(&mut report, "stdout", &self.read("out"), &normalise(&output.stdout, &home));
            compare(&mut report, "stderr", &self.read("err"), &normalise(&output.stderr, &home));
        }
        let status = if self.expectation("status").exists() { self.read("status") } else { "0\n".to_owned() };
        compare(&mut report, "status", &status, &format!("{}\n", output.status));
        if report.is_empty() { Ok(()) } else { Err(report) }
    }

    fn check_errors(&self) -> Result<(), String> {
        let folder = self.stage().map_err(|error| error.to_string())?;
        let options = Options::read(&self.script.with_extension("opts"));
        let mut flags = options.flags.clone();
        flags.push(file_name(&self.script));
        let output = run(&flags, &folder, &options)?;
        self.compare_or_bless(&[("err", normalise(&output.stderr, &folder.to_string_lossy()))])
    }

    fn check_stages(&self) -> Result<(), String> {
        let folder = self.stage().map_err(|error| error.to_string())?;
        let mut shown = Vec::new();
        for stage in ["tokens", "ast", "code"] {
            if self.expectation(stage).exists() || blessing() {
                let flags = [format!("--dump={stage}"), file_name(&self.script)];
                shown.push((stage, run(&flags, &folder, &Options::default())?.stdout));
            }
        }
        if shown.is_empty() {
            return Err("a script without any of .tokens, .ast, .code (AIO_BLESS=1 writes them)".to_owned());
        }
        self.compare_or_bless(&shown)
    }

    fn compare_or_bless(&self, outputs: &[(&str, String)]) -> Result<(), String> {
        let mut report = String::new();
        for (kind, output) in outputs {
            if blessing() {
                fs::write(self.expectation(kind), output).map_err(|error| error.to_string())?;
            }
            compare(&mut report, kind, &self.read(kind), output);
        }
        if report.is_empty() { Ok(()) } else { Err(report) }
    }

    fn expectation(&self, kind: &str) -> PathBuf {
        self.beside.join(file_name(&self.script.with_extension(kind)))
    }

    fn read(&self, kind: &str) -> String {
        let bytes = fs::read(self.expectation(kind)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// An empty folder with the script and the modules beside it, so that what a case writes stays out of the tree.
    fn stage(&self) -> std::io::Result<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(&self.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::copy(&self.script, folder.join(file_name(&self.script)))?;
        for path in entries(self.script.parent().expect("a script lies in a folder")) {
            let name = file_name(&path);
            if path.is_dir() {
                copy_folder(&path, &folder.join(&name))?;
            } else if name.ends_with(".py") || (name.starts_with('_') && name.ends_with(".aio")) {
                fs::copy(&path, folder.join(&name))?;
            }
        }
        folder.canonicalize()
    }
}

fn blessing() -> bool {
    std::env::var_os("AIO_BLESS").is_some()
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for path in entries(from) {
        let target = to.join(file_name(&path));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, target)?;
        }
    }
    Ok(())
}

/// Runs the binary with an environment of its own and a limit on its time.
fn run(flags: &[String], folder: &Path, options: &Options) -> Result<Output, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aio"))
        .args(flags)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .envs(std::env::vars().filter(|(name, _)| name.starts_with("AIO_GC_")))
        .envs(&options.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the binary doesn't start: {error}"))?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let text = options.stdin.clone();
    // A script that never reads its input closes the pipe first: that isn't the case's failure.
    thread::spawn(move || stdin.write_all(text.as_bytes()).ok());
    let stdout = drain(child.stdout.take().expect("stdout is piped"));
    let stderr = drain(child.stderr.take().expect("stderr is piped"));
    let both = stdout.recv_timeout(TIME_LIMIT).and_then(|stdout| Ok((stdout, stderr.recv_timeout(TIME_LIMIT)?)));
    let Ok((stdout, stderr)) = both else {
        child.kill().map_err(|error| error.to_string())?;
        child.wait().map_err(|error| error.to_string())?;
        return Err(format!("no end after {} s", TIME_LIMIT.as_secs()));
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(Output { stdout, stderr, status: status.code().unwrap_or_else(|| -signal(status)) })
}

#[cfg(unix)]
fn signal(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.signal().unwrap_or(0)
}

#[cfg(not(unix))]
fn signal(_status: std::process::ExitStatus) -> i32 {
    0
}

/// Reads a pipe to its end on a thread of its own; a full pipe would otherwise stop the child.
fn drain(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a read error is still worth showing.
        if let Err(error) = pipe.read_to_end(&mut bytes) {
            bytes.extend_from_slice(format!("\n[reading what it printed: {error}]\n").as_bytes());
        }
        sender.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
    });
    receiver
}

/// Adds the first difference, with two lines around it, to the report.
fn compare(report: &mut String, what: &str, expected: &str, found: &str) {
    if expected == found {
        return;
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let at = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    report.push_str(&format!("{what} differs at line {}\n", at + 1));
    for line in &left[at.saturating_sub(2)..at] {
        report.push_str(&format!("    {line}\n"));
    }
    for line in left.iter().skip(at).take(5) {
        report.push_str(&format!("  - {line}\n"));
    }
    for line in right.iter().skip(at).take(15) {
        report.push_str(&format!("  + {line}\n"));
    }
}

// ---- what two correct runs may print differently ----

/// Drops folder names, addresses and library frames of tracebacks; `normalise` in tests/oracle.py does the same.
fn normalise(text: &str, folder: &str) -> String {
    let text = hide_addresses(&text.replace(&format!("{folder}/"), ""));
    let mut kept = String::new();
    let mut dropping: Option<String> = None;
    for line in text.split_inclusive('\n') {
        if let Some(prefix) = &dropping {
            let rest = line.strip_prefix(prefix.as_str());
            if rest.is_some_and(|rest| rest.starts_with("  ") || rest.starts_with("[Previous line")) {
                continue;
            }
        }
        dropping = library_frame(line).map(str::to_owned);
        if dropping.is_none() {
            kept.push_str(line);
        }
    }
    kept
}

/// The indentation of a traceback's `File` line if it names a file outside the script's folder.
fn library_frame(line: &str) -> Option<&str> {
    let at = line.find("File \"")?;
    let prefix = &line[..at];
    let path = &line[at + "File \"".len()..];
    let outside = path.starts_with('/') || path.starts_with("<frozen ");
    (outside && prefix.chars().all(|c| c == ' ' || c == '|')).then_some(prefix)
}

fn hide_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let (before, address) = (&rest[..at], &rest[at + 2..]);
        let digits = address.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(before);
        let word = before.strip_suffix(' ').unwrap_or(before);
        let introduced = ["at", "id="].iter().any(|mark| {
            word.strip_suffix(mark).is_some_and(|start| !start.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        if introduced && digits > 0 {
            out.push_str("0x...");
        } else {
            out.push_str("0x");
            out.push_str(&address[..digits]);
        }
        rest = &address[digits..];
    }
    out.push_str(rest);
    out
}

fn normalise_sample() -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/normalise");
    let read = |name| fs::read_to_string(folder.join(name)).map_err(|error| Failed::from(error.to_string()));
    let mut report = String::new();
    compare(
        &mut report,
        "normalised text",
        &read("after.txt")?,
        &normalise(&read("before.txt")?, "/home/someone/scripts"),
    );
    if report.is_empty() { Ok(()) } else { Err(report.into()) }
}
