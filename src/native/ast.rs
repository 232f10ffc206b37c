//! The module `_ast`: what `ast` and `codeop` need of the parser, and what `compile` needs of them.
//!
//! Trees travel as text in the form of `ast.dump`: nodes are classes of a script's side, made and read in `stdlib/ast`.

use crate::heap::Value;
use crate::native::natives;
use crate::object::{Module, Str};
use crate::source::SourceFile;
use crate::syntax::ast::Ast;
use crate::syntax::{self, dump::dump_compactly};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

use super::ast_literal;

/// The flag of `compile` that asks for a tree.
pub const ONLY_AST: i64 = 0x400;

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_ast").held();
    cx.functions_of(module, &AST);
    Ok(())
}

/// The tree as nodes of the module `ast`.
pub fn nodes(cx: &mut Cx, ast: &Ast, source: &SourceFile) -> NativeResult {
    cx.check_stack()?;
    let text = dump_compactly(ast, source);
    let module = cx.import("ast")?;
    let raw = Str::new(&cx.heap, &text).value().raw();
    let text = cx.push_raw(raw);
    let tree = cx.call_method(module, "_from_dump", &[text])?;
    Ok(tree.get(cx).into())
}

/// The text of a tree given to `compile`, `mode` being its argument; None if the object is no tree.
pub fn text_of(cx: &mut Cx, object: Root, mode: Root) -> Result<Option<String>, Raised> {
    // Who has a tree has imported the module.
    let Some(module) = cx.find_module("ast").filter(|m| m.exact::<Module>().is_some()).map(|m| m.raw()) else {
        return Ok(None);
    };
    let module = cx.push_raw(module);
    let text = cx.call_method(module, "_text_for_compile", &[object, mode])?;
    Ok(cx.as_str(text.get(cx)).map(|text| text.to_str_lossy().into_owned()))
}

natives!(
    /// What `codeop` asks the parser.
    pub static AST: Functions;

    /// Return a tuple with the value of a literal, or None for one that the parser has to look at.
    fn literal_at_once(cx: &mut Cx, text: Root) -> NativeResult {
        let text = cx.as_str(text.get(cx)).map(|text| text.held());
        let text = text.and_then(|text| std::str::from_utf8(text.as_bytes()).ok());
        match text.and_then(|text| ast_literal::read(cx, text)) {
            Some(value) => Ok(cx.tuple(&[Value::adopt(value)]).into()),
            None => Ok(Outcome::NONE),
        }
    }

    /// Return whether a text could go on: what is wrong with it is only that it ends too early.
    fn is_incomplete(cx: &mut Cx, source: Root) -> NativeResult {
        let Some(text) = cx.as_str(source.get(cx)).map(|text| text.to_str_lossy().into_owned()) else {
            return Err(cx.type_error("a text is needed".into()));
        };
        let incomplete = syntax::is_incomplete(&SourceFile::new("<input>", text));
        Ok(crate::heap::Value::bool(incomplete).into())
    }
);
