//! Builds the parser from `grammar/` and embeds `stdlib/`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
