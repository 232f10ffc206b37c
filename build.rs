//! Compiles `stdlib/` and embeds it: the code, and the texts for whoever asks for them.
//!
//! All of it is one file, the code first and then the texts, deflated: what a process touches of its binary is memory it takes,
//! in runs of 64 KiB around each place, and between the names and tables of the rest most of this would be touched at the start.

#![allow(clippy::disallowed_methods, reason = "a build script has no host")]

use std::io::Write;
use std::path::Path;
use std::{env, fs};

use aio_front::bytecode::packed::pack;
use aio_front::compile::{Options, compile};
use aio_front::diagnostic::{Color, Diagnostic, render};
use aio_front::source::SourceFile;
use aio_front::syntax::Mode;
use aio_front::syntax::parser::parse_with_warnings;
use flate2::Compression;
use flate2::write::DeflateEncoder;

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
    let mut library = Vec::new();
    let mut texts = Vec::new();
    let mut codes = Vec::new();
    for (_, path, _) in &modules {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let at = library.len();
        library.extend(compiled(path, &text));
        codes.push(at..library.len());
        texts.push(text);
    }
    let mut table = String::from("static MODULES: &[Embedded] = &[\n");
    for (((name, _, package), code), text) in modules.iter().zip(codes).zip(texts) {
        let at = library.len();
        library.extend(deflated(&text));
        table.push_str(&format!(
            "Embedded {{ name: {name:?}, code: {code:?}, text: {at}..{end}, package: {package} }},\n",
            end = library.len()
        ));
    }
    let file = out.join("library");
    fs::write(&file, library).expect("OUT_DIR can be written");
    table.push_str(&format!("];\nstatic LIBRARY: &[u8] = include_bytes!({file:?});\n"));
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
fn compiled(path: &str, text: &str) -> Vec<u8> {
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

fn deflated(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
