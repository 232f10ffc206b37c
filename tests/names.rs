//! The table of names (`tests/names/table.txt`) is true: what of CPython's types and modules was there still is, and what it lists as
//! missing is. `tests/names.py` makes the table.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The names of each owner: a type, a module or a class of a module.
type Owners<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/names"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("a file of tests/names")
}

/// Lines of an owner and its names.
fn owners(text: &str) -> Owners<'_> {
    text.lines()
        .map(|line| {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            (words.next().unwrap_or_default(), words.collect())
        })
        .collect()
}

/// What the table lists as missing.
fn listed(table: &str) -> Owners<'_> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_once(" missing: "))
        .map(|(row, names)| (row.split(' ').next().unwrap_or_default(), names.split(' ').collect()))
        .collect()
}

#[test]
fn the_table_of_names_is_true() {
    let done = Command::new(env!("CARGO_BIN_EXE_aio"))
        .arg(folder().join("probe.py"))
        .arg("all")
        .env("PYTHONWARNINGS", "ignore")
        .output()
        .expect("aio can be started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let printed = String::from_utf8(done.stdout).expect("names are text");
    let (found, expected, table) = (owners(&printed), read("cpython.txt"), read("table.txt"));
    let listed = listed(&table);
    let nothing = BTreeSet::new();
    let mut wrong = vec![];
    for (owner, names) in owners(&expected) {
        let there = found.get(owner).unwrap_or(&nothing);
        let absent = listed.get(owner).unwrap_or(&nothing);
        for name in names {
            match (there.contains(name), absent.contains(name)) {
                (false, false) => wrong.push(format!("{owner}: {name} has disappeared")),
                (true, true) => wrong.push(format!("{owner}: {name} is there; the table calls it missing")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "tests/names.py --write makes the table again:\n{}", wrong.join("\n"));
}
