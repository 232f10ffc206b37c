//! deque: a ring of values with a head, which grows by doubling.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Heap, OutOfMemory, Ref, Slot, Value};

use super::{List, Slots};

/// Items that come and go at both ends. The number of places in the ring is a power of two; those without an item are UNBOUND.
#[derive(Debug)]
pub struct Deque {
    head: StdCell<usize>,
    len: StdCell<usize>,
    /// Changes with every item that comes or goes: how iterators notice.
    version: StdCell<i64>,
    /// How many items it keeps at most.
    most: StdCell<Option<usize>>,
    ring: Ref<Slots>,
}

crate::cell! { Deque: Deque { slots: [], refs: [ring] } }

/// Places of the smallest ring.
const FEWEST: usize = 8;

impl Deque {
    /// An empty deque that keeps so many items at most.
    pub fn new(heap: &Heap, most: Option<usize>) -> Gc<'_, Deque> {
        heap.alloc(Deque {
            head: StdCell::new(0),
            len: StdCell::new(0),
            version: StdCell::new(0),
            most: StdCell::new(most),
            ring: Ref::none(),
        })
    }

    /// Number of items.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether there are no items.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Changes with every item that comes or goes.
    #[inline(always)]
    pub fn version(&self) -> i64 {
        self.version.get()
    }

    /// How many items it keeps at most; None for any number.
    #[inline(always)]
    pub fn most(&self) -> Option<usize> {
        self.most.get()
    }

    /// Sets how many items it keeps at most, from the next one on.
    pub fn set_most(&self, most: Option<usize>) {
        self.most.set(most);
    }

    #[inline(always)]
    fn changed(&self) {
        self.version.set(self.version.get().wrapping_add(1));
    }
}

impl<'h> Gc<'h, Deque> {
    #[inline(always)]
    fn ring(self) -> Gc<'h, Slots> {
        self.get().ring.get().expect("a deque with items has a ring")
    }

    /// The place of item number `index`, which may be one past the last.
    #[inline(always)]
    fn place(self, ring: Gc<'h, Slots>, index: usize) -> usize {
        (self.head.get() + index) & (ring.capacity() - 1)
    }

    /// The items in two runs.
    pub fn parts(self) -> [&'h [Slot]; 2] {
        let Some(ring) = self.get().ring.get() else { return [&[], &[]] };
        let (head, len, places) = (self.head.get(), self.len(), ring.tail());
        let end = head + len;
        if end <= places.len() { [&places[head..end], &[]] } else { [&places[head..], &places[..end - places.len()]] }
    }

    /// Item number `index`, if there is one.
    #[inline(always)]
    pub fn item(self, index: usize) -> Option<Value<'h>> {
        if index >= self.len() {
            return None;
        }
        let ring = self.ring();
        Some(ring.tail()[self.place(ring, index)].get())
    }

    /// Replaces item number `index`, which must be there.
    #[inline(always)]
    pub fn set_item(self, heap: &Heap, index: usize, value: Value<'_>) {
        let ring = self.ring();
        ring.set_tail(heap, self.place(ring, index), value);
    }

    /// A list of the items.
    pub fn to_list(self, heap: &'h Heap) -> Gc<'h, List> {
        List::of_parts(heap, self.len(), self.parts().into_iter())
    }

    /// Makes room for `extra` more items.
    #[cold]
    fn grow(self, heap: &'h Heap, extra: usize) -> Result<Gc<'h, Slots>, OutOfMemory> {
        let need = self.len().checked_add(extra).ok_or(OutOfMemory)?;
        let capacity = need.checked_next_power_of_two().ok_or(OutOfMemory)?.max(FEWEST);
        heap.check_cell(capacity.checked_mul(16).ok_or(OutOfMemory)?)?;
        let ring = Slots::with_capacity(heap, capacity)?;
        let [first, second] = self.parts();
        ring.copy_tail(heap, 0, first);
        ring.copy_tail(heap, first.len(), second);
        if let Some(old) = self.get().ring.get() {
            heap.given_up(old);
        }
        self.set_ref(heap, |d| &d.ring, Some(ring));
        self.head.set(0);
        Ok(ring)
    }

    #[inline(always)]
    fn with_room(self, heap: &'h Heap) -> Result<Gc<'h, Slots>, OutOfMemory> {
        match self.get().ring.get() {
            Some(ring) if ring.capacity() > self.len() => Ok(ring),
            _ => self.grow(heap, 1),
        }
    }

    /// Puts an item at the right end. One that is too many leaves at the left.
    #[inline(always)]
    pub fn push_back(self, heap: &'h Heap, value: Value<'_>) -> Result<(), OutOfMemory> {
        if self.most.get() == Some(self.len()) {
            if self.is_empty() {
                return Ok(());
            }
            self.pop_front(heap);
        }
        let ring = self.with_room(heap)?;
        let len = self.len();
        ring.set_tail(heap, self.place(ring, len), value);
        self.len.set(len + 1);
        self.changed();
        Ok(())
    }

    /// Puts an item at the left end. One that is too many leaves at the right.
    #[inline(always)]
    pub fn push_front(self, heap: &'h Heap, value: Value<'_>) -> Result<(), OutOfMemory> {
        if self.most.get() == Some(self.len()) {
            if self.is_empty() {
                return Ok(());
            }
            self.pop_back(heap);
        }
        let ring = self.with_room(heap)?;
        let head = self.head.get().wrapping_sub(1) & (ring.capacity() - 1);
        ring.set_tail(heap, head, value);
        self.head.set(head);
        self.len.set(self.len() + 1);
        self.changed();
        Ok(())
    }

    /// Appends copies of values, which are not its own and not too many.
    pub fn extend_from(self, heap: &'h Heap, values: &[Slot]) -> Result<(), OutOfMemory> {
        if values.is_empty() {
            return Ok(());
        }
        let len = self.len();
        let ring = match self.get().ring.get() {
            Some(ring) if ring.capacity() - len >= values.len() => ring,
            _ => self.grow(heap, values.len())?,
        };
        let at = self.place(ring, len);
        let (first, second) = values.split_at(values.len().min(ring.capacity() - at));
        ring.copy_tail(heap, at, first);
        ring.copy_tail(heap, 0, second);
        self.len.set(len + values.len());
        self.changed();
        Ok(())
    }

    /// Removes and returns the last item.
    #[inline(always)]
    pub fn pop_back(self, heap: &Heap) -> Option<Value<'h>> {
        let last = self.len().checked_sub(1)?;
        let ring = self.ring();
        let place = self.place(ring, last);
        let value = ring.tail()[place].get();
        ring.set_tail(heap, place, Value::UNBOUND);
        self.len.set(last);
        self.changed();
        Some(value)
    }

    /// Removes and returns the first item.
    #[inline(always)]
    pub fn pop_front(self, heap: &Heap) -> Option<Value<'h>> {
        let left = self.len().checked_sub(1)?;
        let ring = self.ring();
        let place = self.head.get();
        let value = ring.tail()[place].get();
        ring.set_tail(heap, place, Value::UNBOUND);
        self.head.set((place + 1) & (ring.capacity() - 1));
        self.len.set(left);
        self.changed();
        Some(value)
    }

    /// Removes all items.
    pub fn clear(self, heap: &Heap) {
        self.set_ref(heap, |d| &d.ring, None);
        self.head.set(0);
        self.len.set(0);
        self.changed();
    }

    /// Moves the last `steps` items to the front.
    pub fn rotate(self, heap: &Heap, steps: i64) {
        let len = self.len();
        if len < 2 {
            return;
        }
        // Iterators are told even where nothing moves.
        self.changed();
        let right = steps.rem_euclid(len as i64) as usize;
        if right == 0 {
            return;
        }
        let ring = self.ring();
        let mask = ring.capacity() - 1;
        let mut head = self.head.get();
        if len > mask {
            // A full ring only begins elsewhere.
            head = head.wrapping_sub(right) & mask;
        } else if right <= len / 2 {
            for _ in 0..right {
                let from = (head + len - 1) & mask;
                head = head.wrapping_sub(1) & mask;
                ring.set_tail(heap, head, ring.tail()[from].get());
                ring.set_tail(heap, from, Value::UNBOUND);
            }
        } else {
            for _ in 0..len - right {
                let to = (head + len) & mask;
                ring.set_tail(heap, to, ring.tail()[head].get());
                ring.set_tail(heap, head, Value::UNBOUND);
                head = (head + 1) & mask;
            }
        }
        self.head.set(head);
    }

    /// Reverses the order of the items.
    pub fn reverse(self, heap: &Heap) {
        let (mut low, mut high) = (0, self.len());
        while low + 1 < high {
            high -= 1;
            let (a, b) = (self.item(low).expect("an item"), self.item(high).expect("an item"));
            self.set_item(heap, low, b);
            self.set_item(heap, high, a);
            low += 1;
        }
    }

    /// Removes item number `index`, which must be there. The items of the shorter side move up.
    pub fn remove(self, heap: &Heap, index: usize) {
        let len = self.len();
        if index < len / 2 {
            for at in (1..=index).rev() {
                self.set_item(heap, at, self.item(at - 1).expect("an item"));
            }
            self.pop_front(heap);
        } else {
            for at in index + 1..len {
                self.set_item(heap, at - 1, self.item(at).expect("an item"));
            }
            self.pop_back(heap);
        }
    }

    /// Puts an item before number `index`, at most the number of items.
    pub fn insert(self, heap: &'h Heap, index: usize, value: Value<'_>) -> Result<(), OutOfMemory> {
        let len = self.len();
        if index < len / 2 {
            self.push_front(heap, value)?;
            for at in 0..index {
                self.set_item(heap, at, self.item(at + 1).expect("an item"));
            }
        } else {
            self.push_back(heap, value)?;
            for at in (index + 1..=len).rev() {
                self.set_item(heap, at, self.item(at - 1).expect("an item"));
            }
        }
        self.set_item(heap, index, value);
        Ok(())
    }
}
