//! The module `itertools`. Each class has a step, and where that is worth it a direct one, for sources that no script has to be asked for.

mod choose;
mod endless;
mod groups;
mod select;
mod sources;

use crate::heap::{Gc, Kind, Raw};
use crate::native::Natives;
use crate::native::types::iterator::ITERATOR;
use crate::vm::TypeRow;
use crate::vm::iterate::{Direct, NativeIterator, Step};
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root};

static ROWS: &[TypeRow] = &[
    row("accumulate", &[&sources::ACCUMULATE, &ITERATOR]),
    row("batched", &[&groups::BATCHED, &ITERATOR]),
    row("chain", &[&sources::CHAIN, &ITERATOR]),
    row("combinations", &[&choose::COMBINATIONS, &ITERATOR]),
    row("combinations_with_replacement", &[&choose::WITH_REPLACEMENT, &ITERATOR]),
    row("compress", &[&select::COMPRESS, &ITERATOR]),
    row("count", &[&endless::COUNT, &ITERATOR]),
    row("cycle", &[&endless::CYCLE, &ITERATOR]),
    row("dropwhile", &[&select::DROPWHILE, &ITERATOR]),
    row("filterfalse", &[&select::FILTERFALSE, &ITERATOR]),
    row("groupby", &[&groups::GROUPBY, &ITERATOR]),
    row("islice", &[&sources::ISLICE, &ITERATOR]),
    row("pairwise", &[&groups::PAIRWISE, &ITERATOR]),
    row("permutations", &[&choose::PERMUTATIONS, &ITERATOR]),
    row("product", &[&choose::PRODUCT, &ITERATOR]),
    row("repeat", &[&endless::REPEAT, &ITERATOR]),
    row("starmap", &[&sources::STARMAP, &ITERATOR]),
    row("takewhile", &[&select::TAKEWHILE, &ITERATOR]),
    row("zip_longest", &[&groups::ZIP_LONGEST, &ITERATOR]),
    row("_grouper", &[&groups::GROUPER, &ITERATOR]),
    row("_tee", &[&groups::TEE, &ITERATOR]),
];

const fn row(name: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
    let row = TypeRow::of(Kind::NativeIterator, name, methods).in_module("itertools");
    TypeRow { kind: None, ..row }
}

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("itertools").held();
    cx.functions_of(module, &groups::FUNCTIONS);
    for row in ROWS {
        let class = cx.named_class(row.name).held();
        let key = cx.intern(row.name).held();
        let done = module.dict().set_str(&cx.heap, key, class.value());
        cx.fits(done)?;
    }
    Ok(())
}

/// There are no more items.
const END: NativeResult = Ok(Outcome::Value(Raw::UNBOUND));

/// The iterator a window belongs to.
fn of(cx: &Cx, window: Args) -> Gc<'static, NativeIterator> {
    window.get(cx, 0).exact::<NativeIterator>().expect("a step has its iterator first").held()
}

/// The iterator of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'static, NativeIterator> {
    cx.payload(this.get(cx)).exact::<NativeIterator>().expect("a method's receiver").held()
}

/// Pushes a slot of the iterator's state.
fn push_slot(cx: &mut Cx, window: Args, index: usize) -> Root {
    let raw = of(cx, window).slot(index).raw();
    cx.push_raw(raw)
}

/// The next item of a source, nested where a script has to be asked; UNBOUND if there is none.
fn pull(cx: &mut Cx, source: Raw) -> Result<Raw, Raised> {
    if let Some(item) = cx.next_at_once(source.copied())? {
        return Ok(item);
    }
    let mark = cx.mark();
    let source = cx.push_raw(source);
    let item = cx.next(source)?.map_or(Raw::UNBOUND, |item| item.get(cx).raw());
    cx.release(mark);
    Ok(item)
}

/// The step that does what a direct one does, which may ask scripts, nested.
fn stepped(cx: &mut Cx, window: Args, direct: Direct) -> NativeResult {
    let iterator = of(cx, window);
    let mut item = Raw::UNBOUND;
    direct(cx, iterator, &mut item)?;
    Ok(Outcome::Value(item))
}

/// A new iterator whose step is also its direct one if none of its sources ever asks a script.
fn made(
    cx: &mut Cx,
    class: Root,
    name: &'static str,
    step: Step,
    direct: Direct,
    state: &[Root],
    sources: &[Root],
) -> NativeResult {
    let iterator = cx.new_iterator(step, name, state).held();
    if sources.iter().all(|source| cx.never_asks(*source)) {
        cx.step_directly(iterator, direct, true, sources);
    }
    cx.new_iterator_outcome(class, iterator.value().raw())
}

/// Calls a function of the library's module `_itertools`.
fn core(cx: &mut Cx, name: &str, args: &[Root]) -> Result<Root, Raised> {
    let module = cx.import("_itertools")?;
    let function = cx.attribute(module, name)?;
    cx.call(function, args)
}

/// As `delegated`, for one that goes on with what its sources have left after it has raised, or they have been over.
fn going_on(cx: &mut Cx, class: Root, name: &'static str, function: &str, args: &[Root]) -> NativeResult {
    let module = cx.import("_itertools")?;
    let function = cx.attribute(module, function)?;
    let generator = cx.call(function, args)?;
    let parts: Vec<Root> = [generator, function].into_iter().chain(args.iter().copied()).collect();
    let iterator = cx.handing_on_anew(name, &parts).value().raw();
    cx.new_iterator_outcome(class, iterator)
}

/// A list for what an iterator that goes on has to remember.
fn memory(cx: &mut Cx) -> Root {
    let list = cx.list(&[]).value().raw();
    cx.push_raw(list)
}

/// A new iterator whose items a generator of the library yields.
fn delegated(cx: &mut Cx, class: Root, name: &'static str, function: &str, args: &[Root]) -> NativeResult {
    let generator = core(cx, function, args)?;
    let iterator = cx.handing_on(name, generator).value().raw();
    cx.new_iterator_outcome(class, iterator)
}
