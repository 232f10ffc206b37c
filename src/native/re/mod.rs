//! The module `_sre`: what `re` is made of. Patterns and matches as objects; the parsing and matching is in [`crate::text::regex`].
//!
//! `pattern` has the pattern's methods, `subject` what a pattern is applied to and how runs go on, `matched` the match, `replace` what
//! `sub` does, `functions` those of the module.

mod cache;
mod functions;
mod matched;
mod pattern;
mod replace;
mod subject;

use crate::heap::{Raw, Value};
use crate::object::ClassFlags;
use crate::vm::TypeRow;
use crate::vm::native::{Cx, Raised, Root};

const CLOSED: ClassFlags = ClassFlags::FINAL.union(ClassFlags::NO_NEW);

static ROWS: &[TypeRow] = &[
    TypeRow::native("re", "Pattern", &[&pattern::PATTERN]).with(CLOSED),
    TypeRow::native("re", "Match", &[&matched::MATCH]).with(CLOSED),
    TypeRow::native("_sre", "SRE_Scanner", &[&pattern::SCANNER]).with(CLOSED),
];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_sre").held();
    // The functions are shown as those of `re`.
    let name_key = cx.intern("__name__").held();
    for (name, functions) in [("re", true), ("_sre", false)] {
        let name = cx.str(name).held();
        let done = module.dict().set_str(&cx.heap, name_key, name.value());
        cx.fits(done)?;
        if functions {
            cx.functions_of(module, &functions::SRE);
        }
    }
    let pattern = cx.named_class("Pattern").value().raw();
    let matched = cx.named_class("Match").value().raw();
    for (name, raw) in [
        ("Pattern", pattern),
        ("Match", matched),
        ("MAXREPEAT", Raw::int(i64::from(u32::MAX))),
        ("MAXGROUPS", Raw::int(1_073_741_823)),
        ("MAGIC", Raw::int(20_241_125)),
        ("CODESIZE", Raw::int(4)),
    ] {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(raw));
        cx.fits(done)?;
    }
    Ok(())
}

/// Raises `PatternError`, which the module in the language has.
pub(crate) fn pattern_error(cx: &mut Cx, message: &[u8], source: Option<Root>, at: Option<usize>) -> Raised {
    match make_error(cx, message, source, at) {
        Ok(exception) => cx.raise(exception),
        Err(raised) => raised,
    }
}

fn make_error(cx: &mut Cx, message: &[u8], source: Option<Root>, at: Option<usize>) -> Result<Root, Raised> {
    let module = cx.import("re")?;
    let class = cx.attribute(module, "PatternError")?;
    let message = crate::object::Str::from_parts(&cx.heap, &[message]).value().raw();
    let mut args = vec![cx.push_raw(message)];
    if let (Some(source), Some(at)) = (source, at) {
        args.push(source);
        args.push(cx.push_raw(Raw::int(at as i64)));
    }
    cx.call(class, &args)
}
