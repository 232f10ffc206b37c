//! `--dump=STAGE`: a script as each stage of the pipeline sees it.

use std::fmt::Write;

use crate::bytecode::disasm::disassemble;
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostic;
use crate::resolve::{self, Context};
use crate::source::SourceFile;
use crate::syntax::{self, Mode};

/// One token a line: its place, kind and text.
pub fn tokens(source: &SourceFile) -> String {
    let mut out = String::new();
    for lexeme in syntax::layout::lex(source).tokens {
        let (start, end) = (source.position(lexeme.span.start), source.position(lexeme.span.end));
        writeln!(
            out,
            "{}:{}-{}:{} {:?} {:?}",
            start.line,
            start.column,
            end.line,
            end.column,
            lexeme.token,
            source.slice(lexeme.span)
        )
        .expect("a String takes everything");
    }
    out
}

/// What `ast.dump(ast.parse(text), indent=1)` prints.
pub fn ast(source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    syntax::parse(source, Mode::Module).map(|ast| syntax::dump::dump(&ast) + "\n")
}

/// The same with the place of each node.
pub fn ast_with_positions(source: &SourceFile) -> Result<String, Vec<Diagnostic>> {
    syntax::parse(source, Mode::Module).map(|ast| syntax::dump::dump_with_positions(&ast, source) + "\n")
}

/// The scopes of a module's text and what names mean in them.
pub fn scopes(source: &SourceFile, top_level_await: bool) -> Result<String, Vec<Diagnostic>> {
    let ast = syntax::parse(source, Mode::Module)?;
    let context = Context { top_level_await, ..Context::default() };
    let scopes = resolve::resolve(&ast, context)?;
    Ok(resolve::dump(&ast, &scopes))
}

/// The bytecode of a module's text.
pub fn code(source: &SourceFile, top_level_await: bool) -> Result<String, Vec<Diagnostic>> {
    let ast = syntax::parse(source, Mode::Module)?;
    let options = Options { filename: source.name().into(), top_level_await, ..Options::default() };
    let (code, _) = compile(&ast, source, &options)?;
    Ok(disassemble(&code))
}
