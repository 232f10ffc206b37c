//! Compiles `stdlib/` and embeds it: the texts, for tracebacks and whoever asks for the source of something, and the code.

use std::path::Path;
use std::{env, fs};

use aio_front::bytecode::packed::pack;
use aio_front::compile::{Options, compile};
use aio_front::diagnostic::{Color, Diagnostic, render};
use aio_front::source::SourceFile;
use aio_front::syntax::Mode;
use aio_front::syntax::parser::parse_with_warnings;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=stdlib");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    let root = fs::canonicalize("stdlib").expect("stdlib/ is there");
    let mut modules = Vec::new();
    collect(&root, "", &mut modules);
    modules.sort();
    // A table of the modules, in order of their dotted names.
    let mut table = String::from("static MODULES: &[Embedded] = &[\n");
    for (name, path, package) in modules {
        let code = out.join(format!("{name}.code"));
        fs::write(&code, compiled(&path)).expect("OUT_DIR can be written");
        table.push_str(&format!(
            "Embedded {{ name: {name:?}, text: include_str!({path:?}), code: include_bytes!({code:?}), package: {package} }},\n"
        ));
    }
    table.push_str("];\n");
    fs::write(out.join("stdlib.rs"), table).expect("OUT_DIR can be written");
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

/// The code of a module, packed. What is wrong with its text stops the build.
fn compiled(path: &str) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let source = SourceFile::new(path, text);
    let refuse = |errors: Vec<Diagnostic>| -> ! { panic!("\n{}", render(&errors, &source, Color::Off)) };
    let parsed = parse_with_warnings(&source, Mode::Module).unwrap_or_else(|errors| refuse(errors));
    let options = Options { filename: path.into(), ..Options::default() };
    let (code, warnings) = compile(&parsed.ast, &source, &options).unwrap_or_else(|errors| refuse(errors));
    for warning in parsed.warnings.iter().chain(&warnings) {
        println!("cargo::warning={path}:{}: {}", source.line(warning.span.start), warning.message);
    }
    pack(&code)
}
