//! Functions written in Rust: how they are declared, called, and what they can return.
//!
//! A native gets its arguments in registers: it is handed the *window* [`Args`] they are in. While it runs it may push more
//! values behind them ([`Cx::push`](super::Vm::push)); all of them are visited by the collector, and gone when it returns. A value is held over
//! anything that may run a script only as such a [`Root`].
//!
//! What a native cannot do itself, because a script has to run, it asks of the run loop by what it returns: [`Outcome`].
//! So these things never nest on the machine's stack.

use std::fmt;

use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Slot, Value};
use crate::object::{Class, Function, Str};

use super::Vm;

/// What natives are given: the machine.
pub type Cx = Vm;

/// An exception was raised: it is in the machine (`Vm::take_raised`), and on its way.
#[derive(Debug)]
#[must_use]
pub struct Raised(pub(super) ());

/// A register of the running native, visited by the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(pub(super) u32);

impl Root {
    /// The value in it.
    #[inline(always)]
    pub fn get(self, cx: &Cx) -> Value<'_> {
        cx.fiber.registers.get(self.0)
    }

    /// Replaces the value in it.
    #[inline(always)]
    pub fn set(self, cx: &Cx, value: Value<'_>) {
        cx.fiber.registers.set(self.0, value.raw());
    }

    /// A register by number: for continuations that know where their state is.
    #[inline(always)]
    pub fn at(number: u32) -> Root {
        Root(number)
    }

    /// Its number.
    #[inline(always)]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The register `n` further on.
    #[inline(always)]
    pub fn offset(self, n: usize) -> Root {
        Root(self.0 + n as u32)
    }
}

/// The registers a native gets its arguments in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args {
    pub(super) start: u32,
    pub(super) count: u32,
}

impl Args {
    /// Number of arguments.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The window of `count` registers from a root on.
    pub fn of(first: Root, count: u32) -> Args {
        Args { start: first.0, count }
    }

    /// The number of the first register.
    pub fn start(self) -> u32 {
        self.start
    }

    /// Argument number `index`. Panics if there is none.
    #[inline(always)]
    pub fn root(self, index: usize) -> Root {
        assert!(index < self.count as usize, "an argument of the window");
        Root(self.start + index as u32)
    }

    /// Argument number `index`'s value. Panics if there is none.
    #[inline(always)]
    pub fn get(self, cx: &Cx, index: usize) -> Value<'_> {
        self.root(index).get(cx)
    }

    /// The arguments.
    pub fn roots(self) -> impl DoubleEndedIterator<Item = Root> + ExactSizeIterator {
        (self.start..self.start + self.count).map(Root)
    }

    /// The arguments from number `from` on.
    pub fn rest(self, from: usize) -> Args {
        let from = (from as u32).min(self.count);
        Args { start: self.start + from, count: self.count - from }
    }
}

/// How a resumption or a call that a native asked for came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It returned this.
    Returned(Root),
    /// The generator or coroutine yielded this and is suspended.
    Yielded(Root),
    /// It raised; the exception is in this root, and is no longer on its way.
    Raised(Root),
}

/// What a native does when what it asked for is done. `window` holds the native's arguments and what it pushed before it asked.
pub type Continuation = fn(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult;

/// What happens with the result of what a native asks for.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// It is the native's own result.
    Return,
    /// The native's result is None whatever it is: of a suspension that keeps nothing.
    Nothing,
    /// It goes to the continuation; an exception passes on to the native's caller.
    Continue(Continuation),
    /// It goes to the continuation, and so does an exception.
    Catch(Continuation),
}

/// What a native hands back to the run loop.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// A result.
    Value(Raw),
    /// Call the callable in `callee` with the `argc` registers after it; the last are keywords named by the tuple in
    /// `keywords`, if any.
    Call {
        /// Where the callable is.
        callee: Root,
        /// Number of registers with arguments.
        argc: u32,
        /// A tuple with the names of the last arguments.
        keywords: Option<Root>,
        /// What then.
        then: Then,
    },
    /// Resume the generator or coroutine in `target`, with a value sent or an exception thrown.
    Resume {
        /// Where the generator is.
        target: Root,
        /// Where the value sent (None to begin) or the exception thrown is.
        input: Root,
        /// Whether `input` is thrown.
        throw: bool,
        /// What then. `Return` means as `send` does it: what is yielded is the result, and a return raises StopIteration.
        then: Then,
    },
    /// Suspend the coroutine that awaits this native, yielding the value in this root to whoever drives it.
    Suspend {
        /// What is yielded.
        value: Root,
        /// What happens when it is resumed: with what was sent as `Returned`, or with what was thrown as `Raised`.
        then: Then,
    },
}

/// What a native returns.
pub type NativeResult = Result<Outcome, Raised>;

impl Outcome {
    /// `None`.
    pub const NONE: Outcome = Outcome::Value(Raw::NONE);
}

impl From<Value<'_>> for Outcome {
    #[inline(always)]
    fn from(value: Value<'_>) -> Outcome {
        Outcome::Value(value.raw())
    }
}

impl<T: crate::heap::Cell> From<Gc<'_, T>> for Outcome {
    #[inline(always)]
    fn from(cell: Gc<'_, T>) -> Outcome {
        Outcome::Value(cell.value().raw())
    }
}

impl From<bool> for Outcome {
    #[inline(always)]
    fn from(value: bool) -> Outcome {
        Outcome::Value(Raw::bool(value))
    }
}

impl From<i64> for Outcome {
    #[inline(always)]
    fn from(value: i64) -> Outcome {
        Outcome::Value(Raw::int(value))
    }
}

impl From<f64> for Outcome {
    #[inline(always)]
    fn from(value: f64) -> Outcome {
        Outcome::Value(Raw::float(value))
    }
}

impl From<()> for Outcome {
    #[inline(always)]
    fn from((): ()) -> Outcome {
        Outcome::NONE
    }
}

/// How an argument may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// By position only.
    Positional,
    /// By position or name.
    Either,
    /// By name only.
    Keyword,
    /// `*args`.
    Rest,
    /// `**kwargs`.
    KeywordRest,
}

/// A parameter of a native.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// How it may be given.
    pub kind: ParamKind,
    /// The default as text, for signatures; empty if it must be given.
    pub default: &'static str,
}

/// How a native is reached through a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeKind {
    /// A function of a module.
    Function,
    /// A method: its first parameter is the instance.
    Method,
    /// A class method: its first parameter is the class.
    ClassMethod,
    /// A static method (`__new__` among them).
    StaticMethod,
    /// An attribute that is computed: called with the instance.
    Getter,
    /// Sets the attribute of the getter with the same name: called with the instance and the value (UNBOUND to delete).
    Setter,
}

/// What a native does with arguments of the usual types, where that is so little that a window and an outcome would cost more. It asks no script
/// and raises nothing; UNBOUND says that the native itself is to be called. The receiver of a method counts as an argument.
#[derive(Clone, Copy, Debug)]
pub enum Quick {
    /// Nothing.
    No,
    /// For a call with one argument.
    One(fn(&mut Cx, Raw) -> Raw),
    /// For a call with two.
    Two(fn(&mut Cx, Raw, Raw) -> Raw),
    /// For a call with one, a generator of the language that nothing is special about: the run loop resumes it.
    Next,
    /// As `Next` with a second argument, which is sent.
    Send,
    /// For a call with two or three; the third is UNBOUND if it is not given.
    Three(fn(&mut Cx, Raw, Raw, Raw) -> Raw),
}

/// Whether what stands in a class's namespace is called with the receiver before its arguments: functions of the language and methods of
/// builtin types are. A builtin function is given none, and other things say so themselves when they are bound.
pub(super) fn takes_receiver(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Function => true,
        Kind::Native => {
            value.exact::<NativeFunction>().is_some_and(|native| native.get().def.kind == NativeKind::Method)
        }
        _ => false,
    }
}

/// The quick way of a native method for its receiver and one argument.
pub(super) fn quick_method(value: Value<'_>) -> Option<fn(&mut Cx, Raw, Raw) -> Raw> {
    let def = value.exact::<NativeFunction>()?.get().def;
    match def.quick {
        Quick::Two(quick) if def.kind == NativeKind::Method => Some(quick),
        _ => None,
    }
}

/// A native as it is declared.
pub struct NativeDef {
    /// Its name.
    pub name: &'static str,
    /// Its docstring, one line after the other.
    pub doc: &'static [&'static str],
    /// How it is reached.
    pub kind: NativeKind,
    /// Its parameters.
    pub params: &'static [Param],
    /// Whether it can suspend the task: shown as `async def`.
    pub suspends: bool,
    /// Whether CPython has it written in the language: then the errors of its calls, and how it is shown, are those of such functions.
    pub scripted: bool,
    /// Whether CPython has it count its arguments itself, which shows in the errors of its calls.
    pub counted: bool,
    /// Whether CPython has it do so without saying its name.
    pub unnamed: bool,
    /// What the run loop tries first.
    pub quick: Quick,
    /// Runs it.
    pub run: fn(&mut Cx, Args) -> NativeResult,
}

impl fmt::Debug for NativeDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NativeDef({})", self.name)
    }
}

/// A table of natives: see `natives!`.
#[derive(Debug)]
pub struct Natives {
    /// The docs of the table: the module's or type's docstring, line by line.
    pub doc: &'static [&'static str],
    /// The natives.
    pub defs: &'static [NativeDef],
}

impl NativeDef {
    /// Number of parameters that are given by position, and whether these are all (so that a call with just as many arguments needs no
    /// binding).
    pub fn positional(&self) -> (usize, bool) {
        let count =
            self.params.iter().take_while(|p| matches!(p.kind, ParamKind::Positional | ParamKind::Either)).count();
        (count, count == self.params.len())
    }

    /// The fewest arguments that a call needs if they are given by position and bound as they are; more than there are parameters if
    /// calls take more than that.
    pub fn least(&self) -> u8 {
        let (positional, simple) = self.positional();
        // What `__new__` makes depends on its class, which is looked at first.
        if !simple || self.suspends || self.name == "__new__" {
            return u8::MAX;
        }
        let optional = self.params.iter().rev().take_while(|p| !p.default.is_empty()).count();
        u8::try_from(positional - optional).unwrap_or(u8::MAX)
    }
}

/// A function written in Rust, as a value.
#[derive(Debug)]
pub struct NativeFunction {
    /// Its declaration.
    pub def: &'static NativeDef,
    /// Parameters given by position.
    pub positional: u8,
    /// Whether a call with exactly that many arguments needs no binding.
    pub simple: bool,
    /// The fewest arguments of a call that the run loop makes by itself: the others are optional. More than there are parameters if it
    /// makes none.
    pub least: u8,
    /// `__self__` of a module's function: the module or None.
    pub receiver: Slot,
    /// The class it is a method of, or none.
    pub class: Ref<Class>,
    /// `__module__`: a str, or None.
    pub module: AnyRef,
    /// The function of aio's library that does what CPython does in C, and that a call of this is a call of; none for natives proper.
    pub target: Ref<Function>,
}

impl NativeFunction {
    /// Whether the run loop calls it by itself with this many arguments.
    #[inline(always)]
    pub(super) fn takes(&self, argc: usize) -> bool {
        argc >= usize::from(self.least) && argc <= usize::from(self.positional)
    }
}

crate::cell! { NativeFunction: Native { slots: [receiver], refs: [class, module, target] } }

/// A type whose values natives take as parameters: how an argument becomes one.
pub trait FromArg<'a>: Sized {
    /// What the argument becomes first, while a script may still be called (`__index__`, `__float__`).
    type Prepared: Copy;
    /// Checks and converts an argument. `name` is the parameter's.
    fn prepare(cx: &mut Cx, root: Root, at: &ParamAt) -> Result<Self::Prepared, Raised>;
    /// As `prepare`, for what needs to know the whole window: `*args` is a run of registers behind the parameters.
    #[inline(always)]
    fn prepare_at(cx: &mut Cx, place: Place, at: &ParamAt) -> Result<Self::Prepared, Raised> {
        Self::prepare(cx, place.root(), at)
    }
    /// The parameter's value.
    fn get(cx: &'a Cx, prepared: Self::Prepared) -> Self;
}

/// Where a parameter is in a native's window.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The window.
    pub args: Args,
    /// The parameter's number, from 0.
    pub index: usize,
    /// Number of parameters.
    pub count: usize,
}

impl Place {
    /// The parameter's register.
    #[inline(always)]
    pub fn root(self) -> Root {
        debug_assert!(self.index < self.args.len(), "a parameter of the window");
        Root(self.args.start + self.index as u32)
    }
}

impl<'a> FromArg<'a> for Rest {
    type Prepared = Args;
    fn prepare(_: &mut Cx, root: Root, _: &ParamAt) -> Result<Args, Raised> {
        Ok(Args { start: root.0, count: 0 })
    }
    #[inline(always)]
    fn prepare_at(_: &mut Cx, place: Place, _: &ParamAt) -> Result<Args, Raised> {
        Ok(place.args.rest(place.count))
    }
    #[inline(always)]
    fn get(_: &'a Cx, args: Args) -> Rest {
        Rest(args)
    }
}

impl<'a> FromArg<'a> for KeywordRest {
    type Prepared = Root;
    #[inline(always)]
    fn prepare(_: &mut Cx, root: Root, _: &ParamAt) -> Result<Root, Raised> {
        Ok(root)
    }
    #[inline(always)]
    fn get(_: &'a Cx, root: Root) -> KeywordRest {
        KeywordRest(root)
    }
}

/// Which parameter of which native is converted: for error messages.
#[derive(Clone, Copy, Debug)]
pub struct ParamAt {
    /// The native's name.
    pub function: &'static str,
    /// The parameter's name.
    pub param: &'static str,
    /// Its number, from 1.
    pub number: usize,
}

impl<'a> FromArg<'a> for Root {
    type Prepared = Root;
    #[inline(always)]
    fn prepare(_: &mut Cx, root: Root, _: &ParamAt) -> Result<Root, Raised> {
        Ok(root)
    }
    #[inline(always)]
    fn get(_: &'a Cx, root: Root) -> Root {
        root
    }
}

impl<'a> FromArg<'a> for Value<'a> {
    type Prepared = Root;
    #[inline(always)]
    fn prepare(_: &mut Cx, root: Root, _: &ParamAt) -> Result<Root, Raised> {
        Ok(root)
    }
    #[inline(always)]
    fn get(cx: &'a Cx, root: Root) -> Value<'a> {
        root.get(cx)
    }
}

impl<'a> FromArg<'a> for i64 {
    type Prepared = i64;
    #[inline]
    fn prepare(cx: &mut Cx, root: Root, _: &ParamAt) -> Result<i64, Raised> {
        if let Some(int) = root.get(cx).as_int() {
            return Ok(int);
        }
        cx.index_as_i64(root)
    }
    #[inline(always)]
    fn get(_: &'a Cx, int: i64) -> i64 {
        int
    }
}

/// What C keeps in an `int`.
impl<'a> FromArg<'a> for i32 {
    type Prepared = i32;
    #[inline]
    fn prepare(cx: &mut Cx, root: Root, _: &ParamAt) -> Result<i32, Raised> {
        let mark = cx.mark();
        let index = cx.index(root)?;
        let int = index.get(cx).as_int();
        cx.release(mark);
        let fitting = int.and_then(|int| i32::try_from(int).ok());
        fitting.ok_or_else(|| cx.overflow_error("Python int too large to convert to C int"))
    }
    #[inline(always)]
    fn get(_: &'a Cx, int: i32) -> i32 {
        int
    }
}

impl<'a> FromArg<'a> for f64 {
    type Prepared = f64;
    #[inline]
    fn prepare(cx: &mut Cx, root: Root, _: &ParamAt) -> Result<f64, Raised> {
        if let Some(float) = root.get(cx).as_float() {
            return Ok(float);
        }
        cx.to_float(root)
    }
    #[inline(always)]
    fn get(_: &'a Cx, float: f64) -> f64 {
        float
    }
}

impl<'a> FromArg<'a> for bool {
    type Prepared = bool;
    #[inline]
    fn prepare(cx: &mut Cx, root: Root, _: &ParamAt) -> Result<bool, Raised> {
        cx.truth(root)
    }
    #[inline(always)]
    fn get(_: &'a Cx, truth: bool) -> bool {
        truth
    }
}

impl<'a> FromArg<'a> for Gc<'a, Str> {
    type Prepared = Root;
    fn prepare(cx: &mut Cx, root: Root, at: &ParamAt) -> Result<Root, Raised> {
        if cx.as_str(root.get(cx)).is_some() {
            return Ok(root);
        }
        let got = cx.argument_name_for_error(root.get(cx));
        Err(cx.type_error(format!("{}() argument '{}' must be str, not {got}", at.function, at.param)))
    }
    #[inline(always)]
    fn get(cx: &'a Cx, root: Root) -> Gc<'a, Str> {
        cx.as_str(root.get(cx)).expect("checked when prepared")
    }
}

impl<'a> FromArg<'a> for &'a str {
    type Prepared = Root;
    fn prepare(cx: &mut Cx, root: Root, at: &ParamAt) -> Result<Root, Raised> {
        let root = <Gc<'_, Str>>::prepare(cx, root, at)?;
        if cx.as_str(root.get(cx)).is_some_and(|s| s.as_str().is_some()) {
            return Ok(root);
        }
        Err(cx.surrogate_error(root))
    }
    #[inline(always)]
    fn get(cx: &'a Cx, root: Root) -> &'a str {
        cx.as_str(root.get(cx)).and_then(|s| s.as_str()).expect("checked when prepared")
    }
}

impl<'a, T: FromArg<'a>> FromArg<'a> for Option<T> {
    type Prepared = Option<T::Prepared>;
    /// None for an argument that was not given, and for `None`.
    fn prepare(cx: &mut Cx, root: Root, at: &ParamAt) -> Result<Self::Prepared, Raised> {
        let value = root.get(cx);
        if value.is_unbound() || value.is_none() { Ok(None) } else { T::prepare(cx, root, at).map(Some) }
    }
    #[inline(always)]
    fn get(cx: &'a Cx, prepared: Self::Prepared) -> Self {
        prepared.map(|p| T::get(cx, p))
    }
}

/// An argument that may be left out: unlike `Option`, `None` counts as given.
#[derive(Clone, Copy, Debug)]
pub struct Given<T>(pub Option<T>);

impl<'a, T: FromArg<'a>> FromArg<'a> for Given<T> {
    type Prepared = Option<T::Prepared>;
    fn prepare(cx: &mut Cx, root: Root, at: &ParamAt) -> Result<Self::Prepared, Raised> {
        if root.get(cx).is_unbound() { Ok(None) } else { T::prepare(cx, root, at).map(Some) }
    }
    #[inline(always)]
    fn get(cx: &'a Cx, prepared: Self::Prepared) -> Self {
        Given(prepared.map(|p| T::get(cx, p)))
    }
}

/// `*args` of a native: its registers.
#[derive(Clone, Copy, Debug)]
pub struct Rest(pub Args);

/// `**kwargs` of a native: the register with a dict.
#[derive(Clone, Copy, Debug)]
pub struct KeywordRest(pub Root);
