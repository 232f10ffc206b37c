//! Builds the parser from `grammar/` and embeds `stdlib/`.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=grammar");
    println!("cargo::rerun-if-changed=stdlib");
    grammar();
    stdlib();
}

/// Generate `OUT_DIR/stdlib.rs`: a table of the modules in `stdlib/`, in order of their dotted names, with their texts included.
fn stdlib() {
    let root = fs::canonicalize("stdlib").expect("stdlib/ is there");
    let mut modules = Vec::new();
    collect(&root, "", &mut modules);
    modules.sort();
    let mut table = String::from("static MODULES: &[Embedded] = &[\n");
    for (name, path, package) in modules {
        table.push_str(&format!("Embedded {{ name: {name:?}, text: include_str!({path:?}), package: {package} }},\n"));
    }
    table.push_str("];\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("stdlib.rs"), table).expect("OUT_DIR can be written");
}

fn collect(folder: &Path, prefix: &str, modules: &mut Vec<(String, String, bool)>) {
    for entry in fs::read_dir(folder).expect("a folder of stdlib/") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let full = if prefix.is_empty() { stem.clone() } else { format!("{prefix}.{stem}") };
        if path.is_dir() {
            collect(&path, &full, modules);
        } else if path.extension().is_some_and(|e| e == "aio") {
            let text = path.to_string_lossy().into_owned();
            if stem == "__init__" {
                modules.push((prefix.to_owned(), text, true));
            } else {
                modules.push((full, text, false));
            }
        }
    }
}

/// Generate `OUT_DIR/aio.rs` from `grammar/aio.lalrpop`. LALRPOP itself skips the work if the grammar's hash stands in
/// the file it made before, so a build script that runs for another reason costs nothing here.
fn grammar() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::create_dir_all(&out).expect("OUT_DIR can be made");
    lalrpop::Configuration::new()
        .set_in_dir(Path::new("grammar"))
        .set_out_dir(Path::new(&out))
        .emit_rerun_directives(false)
        .process()
        .unwrap_or_else(|error| panic!("grammar/aio.lalrpop: {error}"));
}
