//! Builds the parser from `grammar/`.

use std::path::Path;
use std::{env, fs};

/// Generate `OUT_DIR/aio.rs` from `grammar/aio.lalrpop`. LALRPOP itself skips the work if the grammar's hash stands in
/// the file it made before, so a build script that runs for another reason costs nothing here.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../grammar");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::create_dir_all(&out).expect("OUT_DIR can be made");
    lalrpop::Configuration::new()
        .set_in_dir(Path::new("../grammar"))
        .set_out_dir(Path::new(&out))
        .emit_rerun_directives(false)
        .process()
        .unwrap_or_else(|error| panic!("grammar/aio.lalrpop: {error}"));
}
