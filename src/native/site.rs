//! What `site` adds to the builtins: `exit`, `quit`, `help`, `copyright`, `credits`, `license`; and `breakpoint`.

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::{Exc, Module, NativeObject, Payload};
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::{TypeRow, Vm};

static ROWS: &[TypeRow] = &[
    TypeRow::native("_sitebuiltins", "Quitter", &[&QUITTER]),
    TypeRow::native("_sitebuiltins", "_Printer", &[&PRINTER]),
    TypeRow::native("_sitebuiltins", "_Helper", &[&HELPER]),
];

/// The payload of all of them: what they show.
#[derive(Debug)]
struct Shown(&'static str);

impl Payload for Shown {}

const OBJECTS: [(&str, &str, &str); 6] = [
    ("exit", "Quitter", "Use exit() or Ctrl-D (i.e. EOF) to exit"),
    ("quit", "Quitter", "Use quit() or Ctrl-D (i.e. EOF) to exit"),
    ("help", "_Helper", "Type help() for interactive help, or help(object) for help about object."),
    ("copyright", "_Printer", "Copyright of aio: its authors."),
    ("credits", "_Printer", "aio speaks the language of the Python community, with thanks to all who made it."),
    ("license", "_Printer", "aio is free software under the MIT or the Apache-2.0 licence, as you prefer."),
];

/// Adds them to the builtins.
pub(super) fn install(vm: &mut Vm, builtins: Gc<'static, Module>) {
    vm.install_types(ROWS);
    vm.functions_of(builtins, &SITE);
    for (name, class, text) in OBJECTS {
        let object = vm.heap.alloc_slots(NativeObject::new(Box::new(Shown(text)), 0), |_| Value::NONE);
        object.set_shape(vm.named_class(class).get().root_shape.get());
        let raw = object.value().raw();
        vm.set_builtin(name, raw);
    }
}

fn shown(cx: &mut Cx, this: Root) -> NativeResult {
    let text = this.get(cx).exact::<NativeObject>().and_then(|o| o.with(|s: &mut Shown| s.0));
    Ok(cx.str(text.unwrap_or_default()).into())
}

natives!(
    /// Ends the program when called.
    static QUITTER: Methods;

    /// End the program, as sys.exit() does.
    fn __call__(cx: &mut Cx, this: Root, #[either] code: Option<Root>) -> NativeResult {
        let none = cx.push_raw(Raw::NONE);
        Err(cx.raise_new(Exc::SystemExit, &[code.unwrap_or(none)]))
    }

    /// Say what it is for.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        shown(cx, this)
    }
);

natives!(
    /// Prints a text when called.
    static PRINTER: Methods;

    /// Print the text.
    fn __call__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = shown(cx, this)?;
        let Outcome::Value(text) = text else { return Ok(Outcome::NONE) };
        let text = cx.push_raw(text);
        let builtins = cx.import("builtins")?;
        let print = cx.attribute(builtins, "print")?;
        cx.call(print, &[text])?;
        Ok(Outcome::NONE)
    }

    /// Return the text.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        shown(cx, this)
    }
);

natives!(
    /// Describes an object when called.
    static HELPER: Methods;

    /// Print what is known of an object: its signature and its docstring.
    fn __call__(cx: &mut Cx, this: Root, args: Rest) -> NativeResult {
        let module = cx.import("_help")?;
        let describe = cx.attribute(module, "describe")?;
        let args: Vec<Root> = args.0.roots().collect();
        cx.call(describe, &args)?;
        Ok(Outcome::NONE)
    }

    /// Say how to use it.
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        shown(cx, this)
    }
);

natives!(
    /// What asks for a debugger.
    static SITE: Functions;

    /// Call sys.breakpointhook().
    fn breakpoint(cx: &mut Cx, args: Rest, kws: KeywordRest) -> NativeResult {
        let sys = cx.import("sys")?;
        let Some(hook) = cx.find_attribute(sys, "breakpointhook")? else {
            return Err(cx.runtime_error("lost sys.breakpointhook"));
        };
        let hook = hook.get(cx).raw();
        super::types::function::forward(cx, hook, args.0, kws.0)
    }
);

/// What `sys.breakpointhook` does: what PYTHONBREAKPOINT says, which is nothing for `0`.
pub(super) fn breakpoint_hook(cx: &mut Cx, args: Rest, kws: KeywordRest) -> NativeResult {
    let chosen = cx.python_variable("PYTHONBREAKPOINT").unwrap_or_default();
    match chosen.as_str() {
        "0" => Ok(Outcome::NONE),
        "" | "pdb.set_trace" => Err(no_debugger(cx)),
        path => {
            let (module, name) = path.rsplit_once('.').unwrap_or(("builtins", path));
            let module = cx.import(module)?;
            let hook = cx.attribute(module, name)?.get(cx).raw();
            super::types::function::forward(cx, hook, args.0, kws.0)
        }
    }
}

fn no_debugger(cx: &mut Cx) -> Raised {
    let text = "aio does not have a debugger yet: set PYTHONBREAKPOINT=0 to run past breakpoint(), or sys.breakpointhook to a \
                function of your own";
    cx.raise_text(Exc::NotImplementedError, text)
}
