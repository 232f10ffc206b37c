//! What texts compile to: the shapes that matter for speed, and that everything compiles to sound code.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use super::{Options, compile};
use crate::bytecode::code::Code;
use crate::bytecode::disasm::disassemble;
use crate::bytecode::op::Op;
use crate::bytecode::verify::verify;
use crate::source::SourceFile;
use crate::syntax::layout::SyntaxWarning;
use crate::syntax::{Mode, parse};
use std::sync::Arc;

fn try_code(text: &str, options: &Options) -> Result<Arc<Code>, String> {
    let source = SourceFile::new("test", text);
    let ast = parse(&source, Mode::Module).map_err(|errors| errors[0].text.clone())?;
    let (code, _) = compile(&ast, &source, options).map_err(|errors| errors[0].text.clone())?;
    verify(&code)?;
    Ok(code)
}

fn code(text: &str) -> Arc<Code> {
    try_code(text, &Options::default()).unwrap_or_else(|error| panic!("{error}\n{text:.400}"))
}

/// The names of the instructions of the first function in `text`.
fn ops(text: &str) -> Vec<&'static str> {
    let code = code(text);
    let function = code.children.first().expect("a function");
    names(function)
}

fn names(code: &Code) -> Vec<&'static str> {
    let (mut at, mut names) = (0, Vec::new());
    while at < code.words.len() {
        let op = Op::from_byte(code.words[at] as u8).expect("verified");
        names.push(op.info().name);
        at += usize::from(op.info().length());
    }
    names
}

#[test]
fn loops_compare_and_jump_in_one() {
    let loop_ops = ops("def f(n):\n    i = 0\n    while i < n:\n        i += 1\n    return i\n");
    assert_eq!(loop_ops, ["LoadInt", "JumpUnlessLt", "InplaceAddImm", "JumpIfLt", "Return"]);
}

#[test]
fn results_go_straight_to_locals() {
    assert_eq!(ops("def f(a, b):\n    c = a + b * 2\n    return c\n"), ["MulImm", "Add", "Return"]);
    assert_eq!(ops("def f(a):\n    for x in a:\n        pass\n"), ["GetIter", "ForIter", "ForLoop", "ReturnNone"]);
}

#[test]
fn an_operand_that_is_rebound_is_copied() {
    assert_eq!(ops("def f(a):\n    return a + (a := 1)\n"), ["Move", "LoadInt", "Add", "Return"]);
}

#[test]
fn methods_with_silent_arguments_are_one_instruction() {
    assert_eq!(ops("def f(a, b):\n    a.b(b, 1)\n"), ["Move", "LoadInt", "CallMethod", "Discard", "ReturnNone"]);
    let looked_up = ops("def f(a, b):\n    a.b(b())\n");
    assert_eq!(looked_up, ["LoadMethod", "Move", "Call", "CallLoaded", "Discard", "ReturnNone"]);
}

#[test]
fn awaited_calls_are_fused() {
    let fused = ["LoadGlobal", "CallAwait", "GetAwaitable", "LoadNone", "Delegate", "ReturnGenerator"];
    assert_eq!(ops("async def f():\n    return await g()\n")[..6], fused);
}

#[test]
fn unbound_locals_are_checked_where_they_may_be() {
    let count = |text| ops(text).iter().filter(|&&op| op == "CheckBound").count();
    assert_eq!(count("def f(a):\n    if a:\n        b = 1\n    return b\n"), 1);
    assert_eq!(count("def f(a):\n    if a:\n        b = 1\n    else:\n        b = 2\n    return b\n"), 0);
    assert_eq!(count("def f(a):\n    try:\n        b = a()\n    except E:\n        return 1\n    return b\n"), 0);
    assert_eq!(count("def f(a):\n    try:\n        b = a()\n    finally:\n        b\n"), 1);
    assert_eq!(count("def f(a):\n    del a\n    return a\n"), 2);
    assert_eq!(count("def f(a):\n    while True:\n        b = 1\n        if a: break\n    return b\n"), 0);
}

#[test]
fn deep_calls_spill() {
    let deep = format!("{}1{}", "f(1, ".repeat(180), ")".repeat(180));
    code(&deep);
    code(&format!("def g(f):\n    for i in f:\n        return {deep}\n"));
    let names: Vec<String> = (0..400).map(|i| format!("a{i}")).collect();
    let text = format!("def g({0}):\n    {1} = 1\n    return {1} + {0}\n", names.join(", "), names[399]);
    code(&text.replace(&format!("+ {}", names.join(", ")), &format!("+ {}", names.join(" + "))));
}

#[test]
fn big_displays_and_calls_are_built_in_parts() {
    let items: Vec<String> = (0..3000).map(|i| format!("x{i}")).collect();
    let pairs: Vec<String> = (0..3000).map(|i| format!("{i}: x{i}")).collect();
    let keywords: Vec<String> = (0..300).map(|i| format!("k{i}=x{i}")).collect();
    for text in [
        format!("[{}]", items.join(", ")),
        format!("({})", items.join(", ")),
        format!("{{{}}}", items.join(", ")),
        format!("{{{}}}", pairs.join(", ")),
        format!("f({})", items.join(", ")),
        format!("f({}, *a, **b)", items.join(", ")),
        format!("o.f({})", keywords.join(", ")),
        format!("{} = y", items.join(", ")),
        format!("a, *b, {} = y", items.join(", ")),
        items[..2000].join(" + "),
        items.join(" < "),
        items.join(" and "),
        format!("f'{{{}}}'", items.join("}{")),
        format!("a.{}()", items[..1000].join("().")),
        format!("a.{}", items[..2000].join(".")),
    ] {
        code(&text);
    }
}

#[test]
fn a_class_hands_its_cell_to_methods() {
    let code = code("class A:\n    def f(self):\n        return super().f()\n");
    let shown = disassemble(&code);
    assert!(shown.contains("__classcell__") && shown.contains("SuperMethod"), "{shown}");
}

#[test]
fn a_class_can_have_an_attribute_called_class() {
    let code = code("class A:\n    __class__ = 1\n    def f(self): return __class__\n");
    let shown = disassemble(&code);
    assert!(shown.contains(", __class__\n") && shown.contains("__classcell__"), "{shown}");
}

#[test]
fn comprehensions_of_exec_see_its_namespace() {
    let options = Options { namespace: true, ..Options::default() };
    let code = try_code("x = 1\n[x + y for y in z]\n", &options).expect("it compiles");
    assert!(names(&code).contains(&"LoadName") && !names(&code).contains(&"LoadGlobal"));
}

/// Compiles every file of a Python library: `AIO_LIBRARY=/usr/lib/python3.13 cargo test library`.
#[test]
fn a_whole_library_compiles() {
    let Some(root) = std::env::var_os("AIO_LIBRARY") else { return };
    let mut folders = vec![std::path::PathBuf::from(root)];
    let (mut files, mut failed) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "py")
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                let source = SourceFile::new("test", text.clone());
                // Some files are meant to be wrong.
                let wrong = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("badsyntax"));
                if wrong || parse(&source, Mode::Module).is_err() {
                    continue;
                }
                files += 1;
                let result = std::panic::catch_unwind(|| try_code(&text, &Options::default()));
                match result {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => failed.push(format!("{}: {error}", path.display())),
                    Err(_) => failed.push(format!("{}: panicked", path.display())),
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} of {files} failed:\n{}", failed.len(), failed.join("\n"));
}

/// Texts with what CPython 3.14 says of them: the error and its place, or the warnings and their lines.
#[test]
fn errors_and_warnings_are_those_of_the_reference() {
    for case in include_str!("../../tests/syntax_errors.txt").lines() {
        let (text, expected) = case.split_once(" => ").expect("a text and an outcome");
        let source = SourceFile::new("test", text.replace("\\n", "\n"));
        let compiled = parse(&source, Mode::Module).and_then(|ast| compile(&ast, &source, &Options::default()));
        let outcome = match compiled {
            Ok((_, warnings)) => {
                let line = |warning: &SyntaxWarning| format!("{} {}", warning.message, source.line(warning.span.start));
                format!("ok [{}]", warnings.iter().map(line).collect::<Vec<_>>().join(", "))
            }
            Err(errors) => {
                let at = errors[0].position(&source);
                format!("{} @{}:{}-{}:{} []", errors[0].text, at.line, at.offset, at.end_line, at.end_offset)
            }
        };
        assert_eq!(outcome, expected, "{text}");
    }
}

#[test]
fn depth_is_an_error_and_no_overflow() {
    for (part, end, close) in [
        ("-", "x", ""),
        ("not ", "x", ""),
        ("lambda: ", "x", ""),
        ("x ** ", "x", ""),
        ("x if y else ", "x", ""),
        ("await ", "x", ""),
        ("*", "x", ""),
        ("[x for x in ", "x", "]"),
        ("f(x)[", "x", "]"),
        ("f(x, a=", "x", ")"),
        ("{1: ", "x", "}"),
        ("(y := ", "x", ")"),
        ("(yield ", "x", ")"),
        ("x and y or (", "x", ")"),
        ("f'{", "x", "}'"),
    ] {
        for count in [90, 190, 900, 3000] {
            let text = format!("async def f():\n  {}{end}{}\n", part.repeat(count), close.repeat(count));
            let _ = try_code(&text, &Options::default());
        }
    }
}
