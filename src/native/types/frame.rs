//! Code, frames and tracebacks as scripts see them: they can be looked at, hardly changed.

use std::cell::Cell as StdCell;

use crate::bytecode::code::{Code, CodeFlags};
use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Value};
use crate::native::natives;
use crate::object::{CodeObject, Exc, Frame, Str, Traceback, Tuple};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

natives!(
    /// Code that a function, class or module was compiled to.
    pub static CODE_METHODS: Methods;

    /// Number of positional parameters, `*args` not counted.
    #[getter]
    fn co_argcount(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, |code| i64::from(code.positional))
    }

    /// Number of positional-only parameters.
    #[getter]
    fn co_posonlyargcount(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, |code| i64::from(code.positional_only))
    }

    /// Number of keyword-only parameters, `**kwargs` not counted.
    #[getter]
    fn co_kwonlyargcount(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, |code| i64::from(code.keyword_only))
    }

    /// Number of local variables.
    #[getter]
    fn co_nlocals(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, |code| variables(code).len() as i64)
    }

    /// Size of the frame beyond its variables.
    #[getter]
    fn co_stacksize(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, |code| i64::from(code.registers).saturating_sub(code.locals.len() as i64).max(1))
    }

    /// What kind of code it is, as bits.
    #[getter]
    fn co_flags(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, flags)
    }

    /// Line of the definition.
    #[getter]
    fn co_firstlineno(cx: &mut Cx, this: Root) -> NativeResult {
        number(cx, this, |code| i64::from(code.first_line))
    }

    /// The name it was defined with.
    #[getter]
    fn co_name(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |code| &code.name)
    }

    /// The name with those of the definitions it is in.
    #[getter]
    fn co_qualname(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |code| &code.qualname)
    }

    /// The file it was compiled from.
    #[getter]
    fn co_filename(cx: &mut Cx, this: Root) -> NativeResult {
        text(cx, this, |code| &code.filename)
    }

    /// Names of the local variables, parameters first.
    #[getter]
    fn co_varnames(cx: &mut Cx, this: Root) -> NativeResult {
        texts(cx, this, variables)
    }

    /// Names of the local variables that functions defined in it use.
    #[getter]
    fn co_cellvars(cx: &mut Cx, this: Root) -> NativeResult {
        texts(cx, this, |code| {
            let mut cells: Vec<&str> =
                (0..code.locals.len()).filter(|at| is_cell(code, *at)).map(|at| &*code.locals[at]).collect();
            cells.sort_unstable();
            cells.dedup();
            cells
        })
    }

    /// Names of the variables it uses of functions it is defined in.
    #[getter]
    fn co_freevars(cx: &mut Cx, this: Root) -> NativeResult {
        texts(cx, this, |code| code.free.iter().map(|name| &**name).collect())
    }

    /// Names of globals, attributes and modules it uses.
    #[getter]
    fn co_names(cx: &mut Cx, this: Root) -> NativeResult {
        // Instructions that complain about local variables name them too.
        texts(cx, this, |code| {
            let is_function = !code.flags.intersects(CodeFlags::MODULE | CodeFlags::NAMESPACE);
            let is_local =
                |name: &str| is_function && code.locals.iter().chain(&code.free).any(|local| **local == *name);
            code.names.iter().map(|name| &**name).filter(|name| !is_local(name)).collect()
        })
    }

    /// Its constants, and the code of what is defined in it.
    #[getter]
    fn co_consts(cx: &mut Cx, this: Root) -> NativeResult {
        let loaded = code_of(cx, this);
        let code = loaded.code.clone();
        let mut parts: Vec<Root> = vec![];
        let constants: Vec<Raw> =
            loaded.get().constants.get().map_or(vec![], |constants| constants.items().map(|v| v.raw()).collect());
        for raw in constants {
            parts.push(push(cx, raw));
        }
        for child in &code.children {
            let raw = cx.load(child).value().raw();
            parts.push(push(cx, raw));
        }
        let tuple = Tuple::build(&cx.heap, parts.len(), |at| parts[at].get(cx));
        Ok(tuple.into())
    }

    /// Iterate over the places of the instructions: first and last line, first and last column.
    fn co_positions(cx: &mut Cx, this: Root) -> NativeResult {
        let code = code_of(cx, this).code.clone();
        let list = empty_list(cx);
        for word in 0..code.words.len() as u32 {
            let place = code.position(word).filter(|place| place.line != 0);
            let numbers = match place {
                Some(p) => [p.line, p.end_line, p.column, p.end_column].map(|n| Value::int(i64::from(n))),
                None => [Value::NONE; 4],
            };
            let row = Tuple::new(&cx.heap, &numbers).value().raw();
            push_item(cx, list, row)?;
        }
        let iterator = cx.iter(list)?;
        Ok(iterator.get(cx).into())
    }

    /// Iterate over the lines: from where to where in the code, and the line or None.
    fn co_lines(cx: &mut Cx, this: Root) -> NativeResult {
        let code = code_of(cx, this).code.clone();
        let list = empty_list(cx);
        let mut start = 0;
        while start < code.words.len() as u32 {
            let line = code.position(start).map_or(0, |place| place.line);
            let mut end = start + 1;
            while end < code.words.len() as u32 && code.position(end).map_or(0, |place| place.line) == line {
                end += 1;
            }
            let shown = if line == 0 { Value::NONE } else { Value::int(i64::from(line)) };
            let row = [Value::int(i64::from(start) * 2), Value::int(i64::from(end) * 2), shown];
            let row = Tuple::new(&cx.heap, &row).value().raw();
            push_item(cx, list, row)?;
            start = end;
        }
        let iterator = cx.iter(list)?;
        Ok(iterator.get(cx).into())
    }

    /// Make a copy with other names, file, first line, flags or constants.
    fn replace(cx: &mut Cx, this: Root, changes: crate::vm::native::KeywordRest) -> NativeResult {
        let changes: Vec<(Raw, Raw)> = match changes.0.get(cx).exact::<crate::object::Dict>() {
            Some(dict) => dict.iter().map(|(name, value)| (name.raw(), value.raw())).collect(),
            None => vec![],
        };
        let mut code = Code::clone(&code_of(cx, this).code);
        let mut constants = None;
        for (name, value) in changes {
            let (name, value) = (cx.push_raw(name), cx.push_raw(value));
            let name = cx.str_text(name)?;
            match &*name {
                "co_name" => code.name = text_for(cx, &name, value)?.into(),
                "co_qualname" => code.qualname = text_for(cx, &name, value)?.into(),
                "co_filename" => code.filename = text_for(cx, &name, value)?.into(),
                "co_argcount" | "co_posonlyargcount" | "co_kwonlyargcount" | "co_nlocals" | "co_stacksize"
                | "co_flags"
                    if cx.index_as_i64(value)? < 0 =>
                {
                    return Err(cx.value_error(format!("{name} must be a positive integer")));
                }
                "co_code" | "co_linetable" | "co_exceptiontable" if value.get(cx).kind() != Kind::Bytes => {
                    return Err(of_wrong_type(cx, &name, "bytes", value));
                }
                "co_names" | "co_varnames" | "co_freevars" | "co_cellvars"
                    if value.get(cx).exact::<Tuple>().is_none() =>
                {
                    return Err(of_wrong_type(cx, &name, "tuple", value));
                }
                "co_firstlineno" => code.first_line = u32::try_from(cx.index_as_i64(value)?).unwrap_or(0),
                "co_flags" => {
                    let iterable = cx.index_as_i64(value)? & ITERABLE_COROUTINE != 0;
                    code.flags.set(CodeFlags::ITERABLE_COROUTINE, iterable);
                }
                "co_consts" => {
                    let Some(items) = value.get(cx).exact::<Tuple>().map(Gc::held) else {
                        let got = cx.argument_name_for_error(value.get(cx));
                        return Err(cx.type_error(format!("replace() argument 'co_consts' must be tuple, not {got}")));
                    };
                    // First come the constants, then the code of what is defined.
                    let (own, children) = (code.constants.len(), items.items().skip(code.constants.len()));
                    for (child, item) in code.children.iter_mut().zip(children) {
                        if let Some(item) = item.exact::<CodeObject>() {
                            *child = item.code.clone();
                        }
                    }
                    let old = code_of(cx, this).get().constants.get();
                    let at = |at: usize| match items.items().nth(at) {
                        Some(item) => item,
                        None => old.and_then(|old| old.items().nth(at)).unwrap_or(Value::NONE),
                    };
                    let tuple = Tuple::build(&cx.heap, own, at).value().raw();
                    constants = Some(cx.push_raw(tuple));
                }
                _ if name.starts_with("co_") => return Err(cx.missing(&format!("code.replace({name}=...)"))),
                _ => return Err(cx.type_error(format!("replace() got an unexpected keyword argument '{name}'"))),
            }
        }
        let loaded = cx.load(&std::sync::Arc::new(code)).held();
        if let Some(constants) = constants {
            let tuple = constants.get(cx).exact::<Tuple>().expect("just made").held();
            loaded.set_ref(&cx.heap, |code| &code.constants, Some(tuple));
        }
        Ok(loaded.into())
    }
);

/// A text for a part of a code object.
fn text_for(cx: &mut Cx, name: &str, value: Root) -> Result<String, Raised> {
    if cx.as_str(value.get(cx)).is_none() {
        return Err(of_wrong_type(cx, name, "str", value));
    }
    Ok(cx.str_text(value)?.to_string())
}

fn of_wrong_type(cx: &mut Cx, name: &str, wanted: &str, value: Root) -> Raised {
    let got = cx.argument_name_for_error(value.get(cx));
    cx.type_error(format!("replace() argument '{name}' must be {wanted}, not {got}"))
}

natives!(
    /// A call that runs, is suspended, or was looked at before it ended.
    pub static FRAME_METHODS: Methods;

    /// The frame that called it; None if there is none or it ended.
    #[getter]
    fn f_back(cx: &mut Cx, this: Root) -> NativeResult {
        let back = cx.frame_back(this);
        Ok(back.map_or(Value::NONE, |back| back.get(cx)).into())
    }

    /// Its code.
    #[getter]
    fn f_code(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(frame_of(cx, this).get().function.get().map_or(Value::NONE, |f| f.code().value()).into())
    }

    /// The globals of its function.
    #[getter]
    fn f_globals(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(frame_of(cx, this).get().function.get().map_or(Value::NONE, |f| f.globals().value()).into())
    }

    /// The namespace of builtins.
    #[getter]
    fn f_builtins(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.builtins().value().into())
    }

    /// Its variables: for a function a view that writes through.
    #[getter]
    fn f_locals(cx: &mut Cx, this: Root) -> NativeResult {
        super::frame_locals::f_locals(cx, this)
    }

    /// The line it is at.
    #[getter]
    fn f_lineno(cx: &mut Cx, this: Root) -> NativeResult {
        let line = cx.frame_line(frame_of(cx, this));
        Ok(line.map_or(Value::NONE, |line| Value::int(i64::from(line))).into())
    }

    /// Only trace functions could set it, which aio does not have.
    #[setter]
    #[name("f_lineno")]
    fn set_f_lineno(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).is_unbound() {
            return Err(cx.raise_text(Exc::AttributeError, "cannot delete attribute"));
        }
        let int = value.get(cx).as_int().is_some();
        Err(cx.value_error(if int {
            "f_lineno can only be set in a trace function"
        } else {
            "lineno must be an integer"
        }))
    }

    /// Where in its code it is.
    #[getter]
    fn f_lasti(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((i64::from(cx.frame_word(frame_of(cx, this))) * 2).into())
    }

    /// The generator or coroutine it belongs to, or None.
    #[getter]
    fn f_generator(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(frame_of(cx, this).get().generator.value().into())
    }

    /// The function that traces it: always None.
    #[getter]
    fn f_trace(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Tracing is not there; None can be set.
    #[setter]
    #[name("f_trace")]
    fn set_f_trace(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).is_none() || value.get(cx).is_unbound() {
            Ok(Outcome::NONE)
        } else {
            Err(cx.missing("frame.f_trace"))
        }
    }

    /// Whether lines would be traced.
    #[getter]
    fn f_trace_lines(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(true.into())
    }

    /// Whether instructions would be traced.
    #[getter]
    fn f_trace_opcodes(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(false.into())
    }

    /// Drop the variables of a frame that ended.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        cx.clear_frame(this)?;
        Ok(Outcome::NONE)
    }
);

natives!(
    /// An entry of a traceback: a frame that an exception passed, and where.
    pub static TRACEBACK_METHODS: Methods;

    /// Make an entry.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] tb_next: Root,
        #[either] tb_frame: Root,
        #[either] tb_lasti: i64,
        #[either] tb_lineno: i64,
    ) -> NativeResult {
        let Some(frame) = tb_frame.get(cx).exact::<Frame>().map(Gc::held) else {
            let got = cx.argument_name_for_error(tb_frame.get(cx));
            return Err(cx.type_error(format!("traceback() argument 'tb_frame' must be frame, not {got}")));
        };
        let next = traceback_or_none(cx, tb_next, "traceback object or None")?;
        let entry = cx.heap.alloc(Traceback {
            function: Ref::from_option(frame.get().function.get()),
            // A place that is none has no columns.
            word: u32::try_from(tb_lasti / 2).unwrap_or(u32::MAX),
            frame: AnyRef::new(frame.value()),
            next: Ref::from_option(next),
            line: StdCell::new(u32::try_from(tb_lineno).unwrap_or(0)),
        });
        Ok(entry.into())
    }

    /// The frame.
    #[getter]
    fn tb_frame(cx: &mut Cx, this: Root) -> NativeResult {
        let frame = cx.traceback_frame(this);
        Ok(frame.get(cx).into())
    }

    /// The line the exception passed.
    #[getter]
    fn tb_lineno(cx: &mut Cx, this: Root) -> NativeResult {
        let line = traceback_of(cx, this).and_then(|entry| cx.traceback_line(entry));
        Ok(line.map_or(Value::NONE, |line| Value::int(i64::from(line))).into())
    }

    /// Where in the code the exception passed.
    #[getter]
    fn tb_lasti(cx: &mut Cx, this: Root) -> NativeResult {
        let word = traceback_of(cx, this).map_or(u32::MAX, |entry| entry.get().word);
        Ok(if word == u32::MAX { -1 } else { i64::from(word) * 2 }.into())
    }

    /// The next entry, nearer to where the exception was raised.
    #[getter]
    fn tb_next(cx: &mut Cx, this: Root) -> NativeResult {
        let next = traceback_of(cx, this).and_then(|entry| entry.get().next.get());
        Ok(next.map_or(Value::NONE, |next| next.value()).into())
    }

    /// Replace the next entry.
    #[setter]
    #[name("tb_next")]
    fn set_tb_next(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).is_unbound() {
            return Err(cx.type_error("can't delete tb_next attribute".to_owned()));
        }
        let next = traceback_or_none(cx, value, "traceback object")?;
        let Some(entry) = traceback_of(cx, this).map(Gc::held) else { return Ok(Outcome::NONE) };
        let mut at = next;
        while let Some(current) = at {
            if current == entry {
                return Err(cx.value_error("traceback loop detected"));
            }
            at = current.get().next.get().map(Gc::held);
        }
        entry.set_ref(&cx.heap, |t| &t.next, next);
        Ok(Outcome::NONE)
    }

    /// Return the names of its attributes.
    fn __dir__(cx: &mut Cx, this: Root) -> NativeResult {
        let list = empty_list(cx);
        for name in ["tb_frame", "tb_next", "tb_lasti", "tb_lineno"] {
            let raw = cx.intern(name).value().raw();
            push_item(cx, list, raw)?;
        }
        Ok(list.get(cx).into())
    }
);

fn push(cx: &mut Cx, raw: Raw) -> Root {
    cx.push(Value::adopt(raw))
}

fn empty_list(cx: &mut Cx) -> Root {
    let raw = cx.list(&[]).value().raw();
    push(cx, raw)
}

fn push_item(cx: &mut Cx, list: Root, raw: Raw) -> Result<(), Raised> {
    let mark = cx.mark();
    let item = push(cx, raw);
    cx.list_push(list, item)?;
    cx.release(mark);
    Ok(())
}

fn code_of(cx: &Cx, this: Root) -> Gc<'static, CodeObject> {
    this.get(cx).exact::<CodeObject>().expect("methods get what they are methods of").held()
}

fn frame_of(cx: &Cx, this: Root) -> Gc<'_, Frame> {
    this.get(cx).exact::<Frame>().expect("methods get what they are methods of")
}

fn traceback_of(cx: &Cx, this: Root) -> Option<Gc<'_, Traceback>> {
    this.get(cx).exact::<Traceback>()
}

fn traceback_or_none(cx: &mut Cx, value: Root, expected: &str) -> Result<Option<Gc<'static, Traceback>>, Raised> {
    if value.get(cx).kind() == Kind::None {
        return Ok(None);
    }
    if let Some(traceback) = value.get(cx).exact::<Traceback>() {
        return Ok(Some(traceback.held()));
    }
    let got = cx.type_name_for_error(value.get(cx));
    Err(cx.type_error(format!("expected {expected}, got '{got}'")))
}

fn number(cx: &Cx, this: Root, of: impl Fn(&Code) -> i64) -> NativeResult {
    Ok(of(&code_of(cx, this).code).into())
}

fn text(cx: &Cx, this: Root, of: impl Fn(&Code) -> &str) -> NativeResult {
    let code = code_of(cx, this).code.clone();
    Ok(Str::new(&cx.heap, of(&code)).into())
}

fn texts(cx: &mut Cx, this: Root, of: impl Fn(&Code) -> Vec<&str>) -> NativeResult {
    let code = code_of(cx, this).code.clone();
    let mut roots = vec![];
    for name in of(&code) {
        let raw = cx.intern(name).value().raw();
        roots.push(push(cx, raw));
    }
    let tuple = Tuple::build(&cx.heap, roots.len(), |at| roots[at].get(cx));
    Ok(tuple.into())
}

/// Whether local number `at` is in a cell, since functions defined in the code use it.
fn is_cell(code: &Code, at: usize) -> bool {
    let near = usize::from(code.near_locals);
    let register = if at < near { at } else { usize::from(code.far_base) + at - near };
    u16::try_from(register).is_ok_and(|register| code.cell_registers.contains(&register))
}

/// The names of `co_varnames`: parameters, then the other locals that are in no cell.
fn variables(code: &Code) -> Vec<&str> {
    let mut names: Vec<&str> = vec![];
    if !code.flags.contains(CodeFlags::FUNCTION) {
        return names;
    }
    for (at, name) in code.locals.iter().enumerate() {
        let parameter = at < usize::from(code.parameters());
        if parameter || !(is_cell(code, at) || name.starts_with('.') || names.contains(&&**name)) {
            names.push(name);
        }
    }
    names
}

/// CPython's bit for code whose generators can be awaited.
const ITERABLE_COROUTINE: i64 = 0x100;

/// `co_flags`, with CPython's bits.
fn flags(code: &Code) -> i64 {
    let bits = [
        (CodeFlags::FUNCTION, 3),
        (CodeFlags::VARARGS, 4),
        (CodeFlags::VARKEYWORDS, 8),
        (CodeFlags::NESTED, 0x10),
        (CodeFlags::GENERATOR, 0x20),
        (CodeFlags::COROUTINE, 0x80),
        (CodeFlags::ITERABLE_COROUTINE, ITERABLE_COROUTINE),
        (CodeFlags::ASYNC_GENERATOR, 0x200),
        (CodeFlags::DOCSTRING, 0x400_0000),
        (CodeFlags::METHOD, 0x800_0000),
        (CodeFlags::FUTURE_ANNOTATIONS, 0x100_0000),
    ];
    bits.iter().filter(|(flag, _)| code.flags.contains(*flag)).map(|(_, bit)| bit).sum()
}
