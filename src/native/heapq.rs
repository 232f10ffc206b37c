//! The module `_heapq`: heaps in lists. Items are exchanged in place, so that none is lost when a comparison raises.

use crate::heap::{Gc, Value};
use crate::native::natives;
use crate::native::types::sort::less_without_script;
use crate::object::List;
use crate::vm::CompareKind;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_heapq").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// Heap queues.
    static FUNCTIONS: Functions;

    /// Push item onto heap, maintaining the heap invariant.
    fn heappush(cx: &mut Cx, heap: Root, item: Root) -> NativeResult {
        push::<false>(cx, "heappush", heap, item)
    }

    /// Pop the smallest item off the heap, maintaining the heap invariant.
    fn heappop(cx: &mut Cx, heap: Root) -> NativeResult {
        pop::<false>(cx, "heappop", heap)
    }

    /// Pop and return the current smallest value, and add the new item.
    fn heapreplace(cx: &mut Cx, heap: Root, item: Root) -> NativeResult {
        replace::<false>(cx, "heapreplace", heap, item)
    }

    /// Push item on the heap, then pop and return the smallest item from the heap.
    fn heappushpop(cx: &mut Cx, heap: Root, item: Root) -> NativeResult {
        push_pop::<false>(cx, "heappushpop", heap, item)
    }

    /// Transform list into a heap, in-place, in O(len(heap)) time.
    fn heapify(cx: &mut Cx, heap: Root) -> NativeResult {
        make::<false>(cx, "heapify", heap)
    }

    /// Push item onto max heap, maintaining the heap invariant.
    fn heappush_max(cx: &mut Cx, heap: Root, item: Root) -> NativeResult {
        push::<true>(cx, "heappush_max", heap, item)
    }

    /// Maxheap variant of heappop.
    fn heappop_max(cx: &mut Cx, heap: Root) -> NativeResult {
        pop::<true>(cx, "heappop_max", heap)
    }

    /// Maxheap variant of heapreplace.
    fn heapreplace_max(cx: &mut Cx, heap: Root, item: Root) -> NativeResult {
        replace::<true>(cx, "heapreplace_max", heap, item)
    }

    /// Maxheap variant of heappushpop.
    fn heappushpop_max(cx: &mut Cx, heap: Root, item: Root) -> NativeResult {
        push_pop::<true>(cx, "heappushpop_max", heap, item)
    }

    /// Maxheap variant of heapify.
    fn heapify_max(cx: &mut Cx, heap: Root) -> NativeResult {
        make::<true>(cx, "heapify_max", heap)
    }
);

/// The list that a heap is, as a root.
fn heap_of(cx: &mut Cx, name: &str, heap: Root) -> Result<Root, Raised> {
    let list = cx.payload_root(heap);
    if list.get(cx).exact::<List>().is_some() {
        return Ok(list);
    }
    let got = cx.argument_name_for_error(heap.get(cx));
    // CPython numbers the arguments where there are several.
    let number = if name.starts_with("heapify") || matches!(name, "heappop" | "heappop_max") { "" } else { " 1" };
    Err(cx.type_error(format!("{name}() argument{number} must be list, not {got}")))
}

fn list_in(cx: &Cx, heap: Root) -> Gc<'_, List> {
    heap.get(cx).exact::<List>().expect("a heap was checked to be a list")
}

/// Whether the first comes before the second; with `MAX` in a heap whose largest item is first.
fn before<const MAX: bool>(cx: &mut Cx, heap: Root, first: usize, second: usize) -> Result<bool, Raised> {
    let (first, second) = if MAX { (second, first) } else { (first, second) };
    let list = list_in(cx, heap);
    let len = list.len();
    let (Some(a), Some(b)) = (list.item(first), list.item(second)) else { return Err(changed(cx)) };
    if let Some(less) = less_without_script(a, b, 0) {
        return Ok(less);
    }
    let (a, b) = (a.raw(), b.raw());
    let mark = cx.mark();
    let (a, b) = (cx.push_raw(a), cx.push_raw(b));
    let less = cx.compare_roots(CompareKind::Lt, a, b)?;
    cx.release(mark);
    if list_in(cx, heap).len() != len {
        return Err(changed(cx));
    }
    Ok(less)
}

fn changed(cx: &mut Cx) -> Raised {
    cx.runtime_error("list changed size during iteration")
}

fn swap(cx: &Cx, heap: Root, a: usize, b: usize) {
    let list = list_in(cx, heap);
    if let (Some(x), Some(y)) = (list.item(a), list.item(b)) {
        list.set_item(&cx.heap, a, y);
        list.set_item(&cx.heap, b, x);
    }
}

/// Moves the item at a place towards the root, which is at `start`, until its parent comes before it.
fn towards_root<const MAX: bool>(cx: &mut Cx, heap: Root, start: usize, mut at: usize) -> Result<(), Raised> {
    while at > start {
        let parent = (at - 1) / 2;
        if !before::<MAX>(cx, heap, at, parent)? {
            break;
        }
        swap(cx, heap, at, parent);
        at = parent;
    }
    Ok(())
}

/// Moves the item at a place to a leaf, the better child up each time, and from there to where it belongs: that asks less often than
/// to look at each level whether it has arrived.
fn towards_leaf<const MAX: bool>(cx: &mut Cx, heap: Root, start: usize) -> Result<(), Raised> {
    let end = list_in(cx, heap).len();
    let mut at = start;
    while at < end / 2 {
        let mut child = 2 * at + 1;
        if child + 1 < end && !before::<MAX>(cx, heap, child, child + 1)? {
            child += 1;
        }
        swap(cx, heap, child, at);
        at = child;
    }
    towards_root::<MAX>(cx, heap, start, at)
}

fn push<const MAX: bool>(cx: &mut Cx, name: &str, heap: Root, item: Root) -> NativeResult {
    let heap = heap_of(cx, name, heap)?;
    cx.list_push(heap, item)?;
    let last = list_in(cx, heap).len() - 1;
    towards_root::<MAX>(cx, heap, 0, last)?;
    Ok(Outcome::NONE)
}

fn pop<const MAX: bool>(cx: &mut Cx, name: &str, heap: Root) -> NativeResult {
    let heap = heap_of(cx, name, heap)?;
    let list = list_in(cx, heap);
    let Some(last) = list.pop(&cx.heap) else { return Err(cx.index_error("index out of range")) };
    let Some(first) = list.item(0) else { return Ok(last.into()) };
    list.set_item(&cx.heap, 0, last);
    let first = first.raw();
    let first = cx.push_raw(first);
    towards_leaf::<MAX>(cx, heap, 0)?;
    Ok(first.get(cx).into())
}

fn replace<const MAX: bool>(cx: &mut Cx, name: &str, heap: Root, item: Root) -> NativeResult {
    let heap = heap_of(cx, name, heap)?;
    let Some(first) = list_in(cx, heap).item(0).map(Value::raw) else {
        return Err(cx.index_error("index out of range"));
    };
    let first = cx.push_raw(first);
    list_in(cx, heap).set_item(&cx.heap, 0, item.get(cx));
    towards_leaf::<MAX>(cx, heap, 0)?;
    Ok(first.get(cx).into())
}

fn push_pop<const MAX: bool>(cx: &mut Cx, name: &str, heap: Root, item: Root) -> NativeResult {
    let heap = heap_of(cx, name, heap)?;
    let Some(first) = list_in(cx, heap).item(0).map(Value::raw) else { return Ok(item.get(cx).into()) };
    let first = cx.push_raw(first);
    let (a, b) = if MAX { (item, first) } else { (first, item) };
    let goes = match less_without_script(a.get(cx), b.get(cx), 0) {
        Some(less) => less,
        None => cx.compare_roots(CompareKind::Lt, a, b)?,
    };
    if !goes {
        return Ok(item.get(cx).into());
    }
    if list_in(cx, heap).is_empty() {
        return Err(cx.index_error("index out of range"));
    }
    let first = list_in(cx, heap).item(0).map_or(Value::NONE, |first| first).raw();
    let first = cx.push_raw(first);
    list_in(cx, heap).set_item(&cx.heap, 0, item.get(cx));
    towards_leaf::<MAX>(cx, heap, 0)?;
    Ok(first.get(cx).into())
}

fn make<const MAX: bool>(cx: &mut Cx, name: &str, heap: Root) -> NativeResult {
    let heap = heap_of(cx, name, heap)?;
    for at in (0..list_in(cx, heap).len() / 2).rev() {
        towards_leaf::<MAX>(cx, heap, at)?;
    }
    Ok(Outcome::NONE)
}
