//! tuple and list, and the slots that lists and instances grow into.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Heap, OutOfMemory, Ref, Slot, Value};

/// A tuple.
#[derive(Debug)]
pub struct Tuple {
    len: usize,
}

crate::cell! { Tuple: Tuple { slots: [], refs: [] } tail SlotTail by |t| t.len }

impl Tuple {
    /// A tuple of `len` items.
    #[inline]
    pub fn build<'h>(heap: &'h Heap, len: usize, item: impl FnMut(usize) -> Value<'h>) -> Gc<'h, Tuple> {
        heap.alloc_slots(Tuple { len }, item)
    }

    /// A tuple of these items.
    pub fn new<'h>(heap: &'h Heap, items: &[Value<'h>]) -> Gc<'h, Tuple> {
        Tuple::build(heap, items.len(), |i| items[i])
    }

    /// A tuple of `len` items, which are those of these runs.
    pub fn of_parts<'a, 'h>(heap: &'h Heap, len: usize, parts: impl Iterator<Item = &'a [Slot]>) -> Gc<'h, Tuple> {
        heap.alloc_copied(Tuple { len }, parts)
    }

    /// Number of items.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'h> Gc<'h, Tuple> {
    /// Item number `index`.
    #[inline(always)]
    pub fn item(self, index: usize) -> Value<'h> {
        self.tail()[index].get()
    }

    /// The items.
    pub fn items(self) -> impl DoubleEndedIterator<Item = Value<'h>> + ExactSizeIterator {
        self.tail().iter().map(Slot::get)
    }
}

/// A run of values with spare room.
#[derive(Debug)]
pub struct Slots {
    capacity: usize,
}

crate::cell! { Slots: Slots { slots: [], refs: [] } tail SlotTail by |s| s.capacity }

impl Slots {
    /// Slots for `capacity` values, UNBOUND at first.
    pub fn with_capacity(heap: &Heap, capacity: usize) -> Result<Gc<'_, Slots>, OutOfMemory> {
        heap.alloc_zeroed(Slots { capacity })
    }

    /// The same for a number of slots that is bounded by what is there already.
    pub fn few(heap: &Heap, capacity: usize) -> Gc<'_, Slots> {
        heap.alloc_zeroed_unchecked(Slots { capacity })
    }

    /// Number of slots.
    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

/// A list. Slots from `len` on are UNBOUND.
#[derive(Debug)]
pub struct List {
    len: StdCell<usize>,
    slots: Ref<Slots>,
}

crate::cell! { List: List { slots: [], refs: [slots] } }

impl List {
    /// A list of `len` items.
    pub fn build<'h>(heap: &'h Heap, len: usize, item: impl FnMut(usize) -> Value<'h>) -> Gc<'h, List> {
        let slots = (len > 0).then(|| heap.alloc_slots(Slots { capacity: len }, item));
        heap.alloc(List { len: StdCell::new(len), slots: Ref::from_option(slots) })
    }

    /// A list of these items.
    pub fn new<'h>(heap: &'h Heap, items: &[Value<'h>]) -> Gc<'h, List> {
        List::build(heap, items.len(), |i| items[i])
    }

    /// A list of `len` items, which are those of these runs.
    pub fn of_parts<'a, 'h>(heap: &'h Heap, len: usize, parts: impl Iterator<Item = &'a [Slot]>) -> Gc<'h, List> {
        let slots = (len > 0).then(|| heap.alloc_copied(Slots { capacity: len }, parts));
        heap.alloc(List { len: StdCell::new(len), slots: Ref::from_option(slots) })
    }

    /// An empty list with room for `capacity` items.
    pub fn with_capacity(heap: &Heap, capacity: usize) -> Result<Gc<'_, List>, OutOfMemory> {
        let slots = if capacity > 0 { Some(Slots::with_capacity(heap, capacity)?) } else { None };
        Ok(heap.alloc(List { len: StdCell::new(0), slots: Ref::from_option(slots) }))
    }

    /// Number of items.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len.get() == 0
    }
}

impl<'h> Gc<'h, List> {
    #[inline(always)]
    fn storage(self) -> &'h [Slot] {
        match self.get().slots.get() {
            Some(slots) => slots.tail(),
            None => &[],
        }
    }

    /// The places of the items as they are now.
    #[inline(always)]
    pub fn slots(self) -> &'h [Slot] {
        &self.storage()[..self.len()]
    }

    /// Appends copies of values, which may be its own.
    pub fn extend_from(self, heap: &'h Heap, values: &[Slot]) -> Result<(), OutOfMemory> {
        if values.is_empty() {
            return Ok(());
        }
        let len = self.len();
        self.reserve(heap, values.len())?.copy_tail(heap, len, values);
        self.get().len.set(len + values.len());
        Ok(())
    }

    /// Item number `index`, if there is one.
    #[inline(always)]
    pub fn item(self, index: usize) -> Option<Value<'h>> {
        if index >= self.len() {
            return None;
        }
        Some(self.storage()[index].get())
    }

    /// The items as they are now.
    pub fn items(self) -> impl DoubleEndedIterator<Item = Value<'h>> + ExactSizeIterator {
        self.storage()[..self.len()].iter().map(Slot::get)
    }

    /// Replaces item number `index`; false if there is none.
    #[inline(always)]
    pub fn set_item(self, heap: &Heap, index: usize, value: Value<'_>) -> bool {
        if index >= self.len() {
            return false;
        }
        let slots = self.get().slots.get().expect("a list with items has slots");
        slots.set_tail(heap, index, value);
        true
    }

    /// Makes room for `extra` more items.
    pub fn reserve(self, heap: &'h Heap, extra: usize) -> Result<Gc<'h, Slots>, OutOfMemory> {
        let len = self.len();
        let need = len.checked_add(extra).ok_or(OutOfMemory)?;
        if let Some(slots) = self.get().slots.get()
            && slots.capacity >= need
        {
            return Ok(slots);
        }
        let capacity = need.max(len + len / 2).max(4);
        heap.check_cell(capacity.checked_mul(16).ok_or(OutOfMemory)?)?;
        Ok(self.grow(heap, capacity))
    }

    fn grow(self, heap: &'h Heap, capacity: usize) -> Gc<'h, Slots> {
        let len = self.len();
        let old = self.storage();
        let slots = Slots::few(heap, capacity);
        slots.copy_tail(heap, 0, &old[..len]);
        if let Some(old) = self.get().slots.get() {
            heap.given_up(old);
        }
        self.set_ref(heap, |l| &l.slots, Some(slots));
        slots
    }

    /// Appends an item.
    #[inline(always)]
    pub fn push(self, heap: &'h Heap, value: Value<'_>) -> Result<(), OutOfMemory> {
        let len = self.len();
        let slots = match self.get().slots.get() {
            Some(slots) if slots.capacity > len => slots,
            _ => self.reserve(heap, 1)?,
        };
        slots.set_tail(heap, len, value);
        self.get().len.set(len + 1);
        Ok(())
    }

    /// Appends an item that needs more memory elsewhere than here: the limit is looked at by the next safepoint.
    pub fn push_unchecked(self, heap: &'h Heap, value: Value<'_>) {
        let len = self.len();
        let slots = match self.get().slots.get() {
            Some(slots) if slots.capacity > len => slots,
            _ => self.grow(heap, (len + len / 2).max(4)),
        };
        slots.set_tail(heap, len, value);
        self.get().len.set(len + 1);
    }

    /// Removes and returns the last item.
    pub fn pop(self, heap: &Heap) -> Option<Value<'h>> {
        let last = self.len().checked_sub(1)?;
        let value = self.item(last)?;
        self.truncate(heap, last);
        Some(value)
    }

    /// Keeps the first `len` items.
    pub fn truncate(self, heap: &Heap, len: usize) {
        let old = self.len();
        if len >= old {
            return;
        }
        let slots = self.get().slots.get().expect("a list with items has slots");
        for index in len..old {
            slots.set_tail(heap, index, Value::UNBOUND);
        }
        self.get().len.set(len);
    }

    /// Replaces items `start..end` by `count` others: `item(i)` is the i-th.
    pub fn splice(
        self,
        heap: &'h Heap,
        start: usize,
        end: usize,
        count: usize,
        mut item: impl FnMut(usize) -> Value<'h>,
    ) -> Result<(), OutOfMemory> {
        let len = self.len();
        assert!(start <= end && end <= len, "a range within the list");
        let removed = end - start;
        if count > removed {
            self.reserve(heap, count - removed)?;
        }
        let Some(slots) = self.get().slots.get() else { return Ok(()) };
        slots.move_tail(heap, end, start + count, len - end);
        for i in 0..count {
            slots.set_tail(heap, start + i, item(i));
        }
        let new_len = len - removed + count;
        for index in new_len..len {
            slots.set_tail(heap, index, Value::UNBOUND);
        }
        self.get().len.set(new_len);
        Ok(())
    }

    /// Replaces items `start..end` by copies of values, which are not its own.
    pub fn replace(self, heap: &'h Heap, start: usize, end: usize, values: &[Slot]) -> Result<(), OutOfMemory> {
        if values.len() != end - start {
            return self.splice(heap, start, end, values.len(), |i| values[i].get());
        }
        if let Some(slots) = self.get().slots.get() {
            assert!(end <= self.len(), "a range within the list");
            slots.copy_tail(heap, start, values);
        }
        Ok(())
    }

    /// Reverses the order of the items.
    pub fn reverse(self, heap: &Heap) {
        let Some(slots) = self.get().slots.get() else { return };
        let (mut low, mut high) = (0, self.len());
        while low + 1 < high {
            high -= 1;
            let (first, last) = (slots.tail()[low].get(), slots.tail()[high].get());
            slots.set_tail(heap, low, last);
            slots.set_tail(heap, high, first);
            low += 1;
        }
    }

    /// Takes all items out, as a list of their own (what `sort` works on).
    pub fn take(self, heap: &'h Heap) -> Gc<'h, List> {
        let taken = heap.alloc(List { len: StdCell::new(self.len()), slots: Ref::from_option(self.get().slots.get()) });
        self.set_ref(heap, |l| &l.slots, None);
        self.get().len.set(0);
        taken
    }

    /// Replaces all items by those of another list, which is empty afterwards.
    pub fn give(self, heap: &'h Heap, from: Gc<'h, List>) {
        self.set_ref(heap, |l| &l.slots, from.get().slots.get());
        self.get().len.set(from.len());
        from.set_ref(heap, |l| &l.slots, None);
        from.get().len.set(0);
    }
}
