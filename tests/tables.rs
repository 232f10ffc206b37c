//! What is written down once is true everywhere: the order of modules, where unsafe code and other crates are, cases for every
//! diagnostic, docs for every native.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aio::diagnostic::Code;
use aio::heap::Collection;
use aio::host::OsHost;
use aio::interpreter;
use aio::vm::native::{NativeFunction, NativeKind};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of src, with their paths inside it.
fn sources() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut files = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read(&path);
                files.push((path.strip_prefix(&src).expect("inside").to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The lines of a file that are code of the program: without comments, and without the tests at its end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let program = lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    program.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// What follows each occurrence of `prefix` in a line, as far as it is a name.
fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            return None;
        }
        let rest = &line[at + prefix.len()..];
        Some(&rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())])
    })
}

#[test]
fn a_module_uses_only_modules_listed_above_it() {
    let lib = read(&root().join("src/front.rs")) + &read(&root().join("src/lib.rs"));
    let order: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let place = |name: &str| order.iter().position(|module| *module == name);
    let mut wrong = vec![];
    for (path, text) in sources() {
        let first = path.components().next().expect("a path").as_os_str().to_string_lossy().into_owned();
        let Some(own) = place(first.trim_end_matches(".rs")) else { continue };
        for (line, content) in code(&text) {
            for used in names_after(content, "crate::") {
                if place(used).is_some_and(|used| used > own) {
                    wrong.push(format!("src/{}:{line} uses `{used}`", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let map = read(&root().join("ARCHITECTURE.md"));
    let rows: Vec<usize> = order.iter().filter_map(|module| map.find(&format!("`{module}`"))).collect();
    assert!(rows.len() + 1 >= order.len(), "the map names the modules");
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let may = ["heap/", "host/", "vm/run.rs", "vm/fiber.rs", "event_loop/reactor.rs"];
    for (path, text) in sources() {
        let path = path.to_string_lossy();
        if text.contains("allow(unsafe_code") {
            assert!(may.iter().any(|prefix| path.starts_with(prefix)), "unsafe code in src/{path}");
        }
    }
}

#[test]
fn each_crate_is_known_to_few_files() {
    let homes: [(&str, &[&str]); 8] = [
        ("logos", &["syntax/"]),
        ("lalrpop_util", &["syntax/"]),
        ("ariadne", &["diagnostic/render.rs"]),
        ("polling", &["event_loop/reactor.rs"]),
        ("corosensei", &["vm/fiber.rs"]),
        ("rustls", &["native/tls/"]),
        ("rustyline", &["repl/"]),
        ("socket2", &["host/"]),
    ];
    for (path, text) in sources() {
        let path = path.to_string_lossy();
        for (name, home) in homes {
            let prefix = format!("{name}::");
            let uses = code(&text).any(|(_, line)| names_after(line, &prefix).next().is_some());
            assert!(!uses || home.iter().any(|h| path.starts_with(h)), "src/{path} uses {name}");
        }
    }
}

#[test]
fn every_diagnostic_has_a_case() {
    let folder = root().join("tests/errors");
    let cases: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the cases can be read")
        .filter_map(|entry| entry.expect("a case").file_name().to_str()?.get(..5).map(str::to_owned))
        .collect();
    // The parser refuses what nests so deeply (E0109) before the compiler would.
    let shadowed = ["E0318"];
    let codes = Code::ALL.iter().map(|code| code.code()).filter(|code| !shadowed.contains(code));
    let without: Vec<&str> = codes.filter(|code| !cases.contains(*code)).collect();
    assert!(without.is_empty(), "no case in tests/errors for {without:?}");
}

#[test]
fn every_native_has_docs() {
    let mut vm = interpreter::machine(Box::new(OsHost::new(true)));
    for module in ["asyncio", "math", "time", "os", "io", "gc", "sys", "random", "weakref", "_thread", "socket", "_ssl"]
    {
        assert!(vm.import(module).is_ok(), "`{module}` can be imported");
    }
    vm.collect(Collection::Major);
    let mut without = BTreeSet::new();
    let mut count = 0;
    vm.heap.each_live(|value| {
        if let Some(native) = value.exact::<NativeFunction>() {
            count += 1;
            let def = native.get().def;
            // What a special method or a field does is said by the language.
            let field = matches!(def.kind, NativeKind::Getter | NativeKind::Setter);
            let said = def.name.starts_with("__") || field;
            if !said && native.get().def.doc.iter().all(|line| line.trim().is_empty()) {
                without.insert(native.get().def.name);
            }
        }
    });
    assert!(count > 1000, "only {count} natives were seen");
    assert!(without.is_empty(), "no docs: {without:?}");
}
