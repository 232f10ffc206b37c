//! set and frozenset: CPython's algorithm, since the order of a set is seen when it is printed. A table of a power of two,
//! nine linear probes, then perturbation by the hash's higher bits; removed entries leave a dummy, and a new key takes the last
//! dummy on its way; growth at three fifths. (CPython: Objects/setobject.c.)

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Heap, KeyEntry, OutOfMemory, Ref, Value};
use crate::object::key::{SameKey, same_key};

/// The table of a set. A key of UNBOUND is a place never used; `...` with hash -1 is a dummy.
#[derive(Debug)]
pub struct SetTable {
    len: usize,
}

crate::cell! { SetTable: SetTable { slots: [], refs: [] } tail KeyTail by |t| t.len }

const MIN_SIZE: usize = 8;
const LINEAR_PROBES: usize = 9;
const PERTURB_SHIFT: u32 = 5;
/// No key has this hash.
const DUMMY_HASH: i64 = -1;

macro_rules! set_kind {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            /// Entries with a key.
            len: StdCell<usize>,
            /// Those and dummies.
            fill: StdCell<usize>,
            /// Places minus one.
            mask: StdCell<usize>,
            table: Ref<SetTable>,
            /// The hash of a frozenset, once asked for; -1 before.
            pub hash: StdCell<i64>,
        }
        crate::cell! { $name: $name { slots: [], refs: [table] } }
    };
}

set_kind! {
    /// A set.
    Set
}
set_kind! {
    /// A frozenset.
    FrozenSet
}

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetProbe {
    perturb: usize,
    index: usize,
    linear: usize,
    /// The last dummy on the way: a new key goes there.
    dummy: Option<usize>,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetFound {
    /// The place of the key.
    Place(usize),
    /// The key is not there; this is where it would be added.
    Missing(usize),
    /// Only a script can say whether the key at this place is it; if not, the search goes on from the probe.
    Ask(usize, SetProbe),
}

/// The keys of a set or frozenset, taken out of the cell to be worked on.
#[derive(Clone, Copy, Debug)]
struct Keys<'h> {
    table: Option<Gc<'h, SetTable>>,
    len: usize,
    fill: usize,
    mask: usize,
}

#[inline(always)]
fn is_key(entry: &KeyEntry) -> bool {
    !entry.key().is_unbound() && entry.hash.get() != DUMMY_HASH
}

impl<'h> Keys<'h> {
    const NONE: Keys<'static> = Keys { table: None, len: 0, fill: 0, mask: MIN_SIZE - 1 };

    #[inline(always)]
    fn entries(self) -> &'h [KeyEntry] {
        match self.table {
            Some(table) => table.tail(),
            None => &[],
        }
    }

    /// The keys with their hashes, in the order they print in.
    #[inline(always)]
    fn iter(self) -> KeyIter<'h> {
        KeyIter { left: self.entries().iter() }
    }

    /// Searches for a key. Mostly the first place decides.
    #[inline(always)]
    fn find(self, hash: i64, key: Value<'_>) -> SetFound {
        let entries = self.entries();
        let place = hash as usize & self.mask;
        let Some(entry) = entries.get(place) else { return SetFound::Missing(place) };
        let known = entry.key();
        if known.is_unbound() {
            return SetFound::Missing(place);
        }
        if known.is(key) && entry.hash.get() == hash {
            return SetFound::Place(place);
        }
        search(entries, hash, key, SetProbe { perturb: hash as usize, index: place, linear: 0, dummy: None })
    }

    /// Adds a key that is not in the set, at the place where the search for it ended.
    #[inline(always)]
    fn insert_at(&mut self, heap: &'h Heap, place: usize, hash: i64, key: Value<'_>) -> Result<(), OutOfMemory> {
        let table = match self.table {
            Some(table) => table,
            None => *self.table.insert(heap.alloc_zeroed(SetTable { len: self.mask + 1 })?),
        };
        let fresh = table.tail()[place].key().is_unbound();
        table.set_key(heap, place, hash, key);
        self.len += 1;
        if !fresh {
            return Ok(());
        }
        self.fill += 1;
        if self.fill * 5 >= self.mask * 3 {
            return self.resize(heap, self.grown());
        }
        Ok(())
    }

    /// How many keys a table that is made anew has room for.
    fn grown(self) -> usize {
        if self.len > 50_000 { self.len * 2 } else { self.len * 4 }
    }

    /// Makes the table the smallest that is larger than `min_used`, without dummies.
    #[inline(never)]
    fn resize(&mut self, heap: &'h Heap, min_used: usize) -> Result<(), OutOfMemory> {
        let mut len = MIN_SIZE;
        while len <= min_used {
            len = len.checked_mul(2).ok_or(OutOfMemory)?;
        }
        let table = heap.alloc_zeroed(SetTable { len })?;
        for (hash, key) in self.iter() {
            insert_clean(heap, table, len - 1, hash, key);
        }
        *self = Keys { table: Some(table), len: self.len, fill: self.len, mask: len - 1 };
        Ok(())
    }

    /// Removes the key at a place, which must have one.
    #[inline(always)]
    fn remove_at(&mut self, heap: &Heap, place: usize) {
        let table = self.table.expect("a place with a key");
        table.set_key(heap, place, DUMMY_HASH, Value::ELLIPSIS);
        self.len -= 1;
    }

    /// Makes room for `extra` more keys at once, as CPython does before it merges two sets.
    fn reserve(&mut self, heap: &'h Heap, extra: usize) -> Result<(), OutOfMemory> {
        if (self.fill + extra) * 5 < self.mask * 3 {
            return Ok(());
        }
        self.resize(heap, (self.len + extra) * 2)
    }

    /// Makes the table anew if over a quarter of it is left behind by removed keys.
    fn tidy(&mut self, heap: &'h Heap) -> Result<(), OutOfMemory> {
        if self.fill - self.len <= self.mask / 4 {
            return Ok(());
        }
        self.resize(heap, self.grown())
    }

    /// Takes the keys of another set if this one was never added to since it was cleared (so that none has to be compared); false
    /// otherwise. Room is made first either way. None, with no key taken, if `go_on` says not to.
    fn merge_clean(
        &mut self,
        heap: &'h Heap,
        other: Keys<'h>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<bool>, OutOfMemory> {
        // A table of nothing is not made only to be made again.
        if self.fill == 0 && self.table.is_none() && other.len * 5 >= self.mask * 3 {
            while self.mask < other.len * 2 {
                self.mask = self.mask * 2 + 1;
            }
        } else {
            self.reserve(heap, other.len)?;
        }
        if self.fill != 0 {
            return Ok(Some(false));
        }
        let table = heap.alloc_zeroed(SetTable { len: self.mask + 1 })?;
        // Equal sizes: the keys stay where they are, which is not always where adding them again would put them.
        if self.mask == other.mask && other.fill == other.len {
            for (place, entry) in other.entries().iter().enumerate() {
                if is_time(place) && !go_on() {
                    return Ok(None);
                }
                if is_key(entry) {
                    table.set_key(heap, place, entry.hash.get(), entry.key());
                }
            }
        } else {
            for (number, (hash, key)) in other.iter().enumerate() {
                if is_time(number) && !go_on() {
                    return Ok(None);
                }
                insert_clean(heap, table, self.mask, hash, key);
            }
        }
        (self.table, self.len, self.fill) = (Some(table), other.len, other.len);
        Ok(Some(true))
    }

    /// Adds the keys of another set; None if only a script knows whether some are equal, or a signal came in.
    fn merge(&mut self, heap: &'h Heap, other: Keys<'h>) -> Result<Option<()>, OutOfMemory> {
        if other.len == 0 {
            return Ok(Some(()));
        }
        match self.merge_clean(heap, other, || !heap.is_called())? {
            Some(true) => return Ok(Some(())),
            Some(false) => {}
            None => return Ok(None),
        }
        for (number, (hash, key)) in other.iter().enumerate() {
            if is_time(number) && heap.is_called() {
                return Ok(None);
            }
            match self.find(hash, key) {
                SetFound::Place(_) => {}
                SetFound::Missing(place) => self.insert_at(heap, place, hash, key)?,
                SetFound::Ask(..) => return Ok(None),
            }
        }
        Ok(Some(()))
    }

    /// Takes away the keys of another set; None if only a script knows whether some are equal, or a signal came in.
    fn remove_all(&mut self, heap: &'h Heap, other: Keys<'h>) -> Option<()> {
        for (number, (hash, key)) in other.iter().enumerate() {
            if is_time(number) && heap.is_called() {
                return None;
            }
            match self.find(hash, key) {
                SetFound::Place(place) => self.remove_at(heap, place),
                SetFound::Missing(_) => {}
                SetFound::Ask(..) => return None,
            }
        }
        Some(())
    }

    /// The keys that are (or, if `inside` is false, are not) in another set as well; None if only a script knows whether some are equal, or a
    /// signal came in.
    fn filtered(self, heap: &'h Heap, other: Keys<'_>, inside: bool) -> Result<Option<Keys<'h>>, OutOfMemory> {
        let mut made = Keys::NONE;
        for (number, (hash, key)) in self.iter().enumerate() {
            if is_time(number) && heap.is_called() {
                return Ok(None);
            }
            let found = match other.find(hash, key) {
                SetFound::Place(_) => true,
                SetFound::Missing(_) => false,
                SetFound::Ask(..) => return Ok(None),
            };
            if found == inside {
                // Keys of one set are different: there is nothing to compare.
                made.insert_clean(heap, hash, key)?;
            }
        }
        Ok(Some(made))
    }

    /// Adds a key known to be equal to none of these.
    #[inline(always)]
    fn insert_clean(&mut self, heap: &'h Heap, hash: i64, key: Value<'_>) -> Result<(), OutOfMemory> {
        let place = free_place(self.entries(), self.mask, hash);
        self.insert_at(heap, place, hash, key)
    }
}

/// Goes over the keys of a table.
struct KeyIter<'h> {
    left: std::slice::Iter<'h, KeyEntry>,
}

impl<'h> Iterator for KeyIter<'h> {
    type Item = (i64, Value<'h>);

    #[inline(always)]
    fn next(&mut self) -> Option<(i64, Value<'h>)> {
        loop {
            let entry = self.left.next()?;
            if is_key(entry) {
                return Some((entry.hash.get(), entry.key()));
            }
        }
    }
}

/// Whether it is time to ask whether to go on.
#[inline(always)]
fn is_time(number: usize) -> bool {
    number % 4096 == 4095
}

/// Searches for a key from `probe` on.
fn search(entries: &[KeyEntry], hash: i64, key: Value<'_>, mut probe: SetProbe) -> SetFound {
    let Some(mask) = entries.len().checked_sub(1) else { return SetFound::Missing(probe.index) };
    loop {
        let probes = if probe.index + LINEAR_PROBES <= mask { LINEAR_PROBES } else { 0 };
        while probe.linear <= probes {
            let place = probe.index + probe.linear;
            probe.linear += 1;
            let entry = &entries[place];
            if entry.key().is_unbound() {
                return SetFound::Missing(probe.dummy.unwrap_or(place));
            }
            if entry.hash.get() == DUMMY_HASH {
                probe.dummy = Some(place);
            } else if entry.hash.get() == hash {
                match same_key(entry.key(), key) {
                    SameKey::Yes => return SetFound::Place(place),
                    SameKey::No => {}
                    SameKey::Ask => return SetFound::Ask(place, probe),
                }
            }
        }
        probe.perturb >>= PERTURB_SHIFT;
        probe.index = (probe.index.wrapping_mul(5).wrapping_add(1).wrapping_add(probe.perturb)) & mask;
        probe.linear = 0;
    }
}

/// The first place never used on the way of a hash, as CPython's `set_insert_clean` and the end of `set_add_entry` look for it.
#[inline(always)]
fn free_place(entries: &[KeyEntry], mask: usize, hash: i64) -> usize {
    let mut perturb = hash as usize;
    let mut index = hash as usize & mask;
    loop {
        match entries.get(index) {
            Some(entry) if !entry.key().is_unbound() => {}
            _ => return index,
        }
        if index + LINEAR_PROBES <= mask {
            let further = &entries[index + 1..=index + LINEAR_PROBES];
            if let Some(free) = further.iter().position(|entry| entry.key().is_unbound()) {
                return index + 1 + free;
            }
        }
        perturb >>= PERTURB_SHIFT;
        index = (index.wrapping_mul(5).wrapping_add(1).wrapping_add(perturb)) & mask;
    }
}

/// Adds a key that is not in a table.
#[inline(always)]
fn insert_clean(heap: &Heap, table: Gc<'_, SetTable>, mask: usize, hash: i64, key: Value<'_>) {
    table.set_key(heap, free_place(table.tail(), mask, hash), hash, key);
}

macro_rules! set_methods {
    ($name:ident) => {
        impl $name {
            /// An empty one.
            pub fn new(heap: &Heap) -> Gc<'_, $name> {
                $name::of(heap, Keys::NONE)
            }

            fn of<'h>(heap: &'h Heap, keys: Keys<'h>) -> Gc<'h, $name> {
                heap.alloc($name {
                    len: StdCell::new(keys.len),
                    fill: StdCell::new(keys.fill),
                    mask: StdCell::new(keys.mask),
                    table: Ref::from_option(keys.table),
                    hash: StdCell::new(-1),
                })
            }

            /// Number of keys.
            #[inline(always)]
            pub fn len(&self) -> usize {
                self.len.get()
            }

            /// Whether there are no keys.
            pub fn is_empty(&self) -> bool {
                self.len.get() == 0
            }

            /// Number of places in the table: what an iteration goes over.
            #[inline]
            pub fn places(&self) -> usize {
                if self.table.get().is_some() { self.mask.get() + 1 } else { 0 }
            }
        }

        impl<'h> Gc<'h, $name> {
            #[inline(always)]
            fn keys(self) -> Keys<'h> {
                let set = self.get();
                Keys { table: set.table.get(), len: set.len.get(), fill: set.fill.get(), mask: set.mask.get() }
            }

            #[inline(always)]
            fn store(self, heap: &Heap, keys: Keys<'_>) {
                let set = self.get();
                if set.table.get() != keys.table {
                    self.set_ref(heap, |s| &s.table, keys.table);
                }
                set.len.set(keys.len);
                set.fill.set(keys.fill);
                set.mask.set(keys.mask);
            }

            /// Changes the keys.
            #[inline(always)]
            fn change<R>(self, heap: &Heap, work: impl FnOnce(&mut Keys<'h>) -> R) -> R {
                let mut keys = self.keys();
                let result = work(&mut keys);
                self.store(heap, keys);
                result
            }

            /// The key at a place, with its hash.
            #[inline]
            pub fn at(self, place: usize) -> Option<(i64, Value<'h>)> {
                let entry = self.keys().entries().get(place)?;
                is_key(entry).then(|| (entry.hash.get(), entry.key()))
            }

            /// The keys with their hashes, in the order they print in.
            pub fn iter(self) -> impl Iterator<Item = (i64, Value<'h>)> {
                self.keys().iter()
            }

            /// Searches for a key.
            #[inline(always)]
            pub fn find(self, hash: i64, key: Value<'_>) -> SetFound {
                self.keys().find(hash, key)
            }

            /// Adds a key that is not in the set, at the place where the search for it ended.
            #[inline(always)]
            pub fn insert_at(self, heap: &'h Heap, place: usize, hash: i64, key: Value<'_>) -> Result<(), OutOfMemory> {
                let set = self.get();
                if let Some(table) = set.table.get()
                    && (set.fill.get() + 1) * 5 < set.mask.get() * 3
                {
                    let fresh = table.tail()[place].key().is_unbound();
                    table.set_key(heap, place, hash, key);
                    set.len.set(set.len.get() + 1);
                    set.fill.set(set.fill.get() + usize::from(fresh));
                    return Ok(());
                }
                self.insert_growing(heap, place, hash, key)
            }

            #[inline(never)]
            fn insert_growing(
                self,
                heap: &'h Heap,
                place: usize,
                hash: i64,
                key: Value<'_>,
            ) -> Result<(), OutOfMemory> {
                self.change(heap, |keys| keys.insert_at(heap, place, hash, key))
            }

            /// Removes the key at a place, which must have one.
            pub fn remove_at(self, heap: &Heap, place: usize) {
                let set = self.get();
                let table = set.table.get().expect("a place with a key");
                table.set_key(heap, place, DUMMY_HASH, Value::ELLIPSIS);
                set.len.set(set.len.get() - 1);
            }

            /// Removes every key.
            pub fn clear(self, heap: &Heap) {
                self.store(heap, Keys::NONE);
            }
        }
    };
}

set_methods!(Set);
set_methods!(FrozenSet);

/// How two sets are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// `|`
    Union,
    /// `&`
    Intersection,
    /// `-`
    Difference,
    /// `^`
    Symmetric,
}

/// A set or a frozenset, for what both do alike.
#[derive(Clone, Copy, Debug)]
pub enum AnySet<'h> {
    /// A set.
    Set(Gc<'h, Set>),
    /// A frozenset.
    Frozen(Gc<'h, FrozenSet>),
}

/// The same expression for either kind.
macro_rules! either {
    ($any:expr, $set:ident => $body:expr) => {
        match $any {
            AnySet::Set($set) => $body,
            AnySet::Frozen($set) => $body,
        }
    };
}

impl<'h> AnySet<'h> {
    /// The set a value exactly is.
    #[inline]
    pub fn of(value: Value<'h>) -> Option<AnySet<'h>> {
        value.exact::<Set>().map(AnySet::Set).or_else(|| value.exact::<FrozenSet>().map(AnySet::Frozen))
    }

    #[inline(always)]
    fn keys(self) -> Keys<'h> {
        either!(self, set => set.keys())
    }

    /// Number of keys.
    pub fn len(self) -> usize {
        self.keys().len
    }

    /// Whether there are no keys.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Places of the table minus one.
    pub fn mask(self) -> usize {
        self.keys().mask
    }

    /// Number of places to iterate over.
    pub fn places(self) -> usize {
        either!(self, set => set.places())
    }

    /// The key at a place, with its hash.
    #[inline]
    pub fn at(self, place: usize) -> Option<(i64, Value<'h>)> {
        either!(self, set => set.at(place))
    }

    /// The first key at a place or behind it, and the place after that.
    #[inline]
    pub fn next_from(self, place: usize) -> Option<(usize, Value<'h>)> {
        let rest = self.keys().entries().get(place..)?;
        let skipped = rest.iter().position(is_key)?;
        Some((place + skipped + 1, rest[skipped].key()))
    }

    /// The keys with their hashes, in the order they print in.
    pub fn iter(self) -> impl Iterator<Item = (i64, Value<'h>)> {
        self.keys().iter()
    }

    /// Searches for a key.
    #[inline]
    pub fn find(self, hash: i64, key: Value<'_>) -> SetFound {
        self.keys().find(hash, key)
    }

    /// Goes on with a search that stopped to ask a script.
    pub fn find_from(self, hash: i64, key: Value<'_>, probe: SetProbe) -> SetFound {
        search(self.keys().entries(), hash, key, probe)
    }

    /// Adds a key that is not in the set, at the place where the search for it ended.
    #[inline]
    pub fn insert_at(self, heap: &'h Heap, place: usize, hash: i64, key: Value<'_>) -> Result<(), OutOfMemory> {
        either!(self, set => set.insert_at(heap, place, hash, key))
    }

    /// Removes the key at a place, which must have one.
    pub fn remove_at(self, heap: &Heap, place: usize) {
        either!(self, set => set.remove_at(heap, place));
    }

    /// Removes every key.
    pub fn clear(self, heap: &Heap) {
        either!(self, set => set.clear(heap));
    }

    /// Makes room for `extra` more keys at once, as CPython does before it merges two sets.
    pub fn reserve(self, heap: &'h Heap, extra: usize) -> Result<(), OutOfMemory> {
        either!(self, set => set.change(heap, |keys| keys.reserve(heap, extra)))
    }

    /// Makes the table anew if over a quarter of it is left behind by removed keys.
    pub fn tidy(self, heap: &'h Heap) -> Result<(), OutOfMemory> {
        either!(self, set => set.change(heap, |keys| keys.tidy(heap)))
    }

    /// Takes the keys of another set if this one was never added to since it was cleared (so that none has to be compared); false
    /// otherwise. Room is made first either way. None, with no key taken, if `go_on` says not to.
    pub fn merge_clean(
        self,
        heap: &'h Heap,
        other: AnySet<'h>,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<bool>, OutOfMemory> {
        either!(self, set => set.change(heap, |keys| keys.merge_clean(heap, other.keys(), go_on)))
    }

    /// The set as a value.
    pub fn value(self) -> Value<'h> {
        either!(self, set => set.value())
    }

    /// Whether another set has all keys of this one; None if only a script knows whether some are equal, or a signal came in.
    pub fn subset_of(self, heap: &Heap, other: AnySet<'_>) -> Option<bool> {
        let other = other.keys();
        if self.len() > other.len {
            return Some(false);
        }
        for (number, (hash, key)) in self.iter().enumerate() {
            if is_time(number) && heap.is_called() {
                return None;
            }
            match other.find(hash, key) {
                SetFound::Place(_) => {}
                SetFound::Missing(_) => return Some(false),
                SetFound::Ask(..) => return None,
            }
        }
        Some(true)
    }

    /// A new set of the kind of this one, made of the keys of both in the order CPython makes it in; None if only a script knows
    /// whether some keys are equal, or a signal came in.
    pub fn combine(
        self,
        heap: &'h Heap,
        combination: Combination,
        other: AnySet<'h>,
    ) -> Result<Option<AnySet<'h>>, OutOfMemory> {
        let same = self.value().is(other.value());
        let Some(made) = combined(heap, combination, self.keys(), other.keys(), same)? else { return Ok(None) };
        Ok(Some(match self {
            AnySet::Set(_) => AnySet::Set(Set::of(heap, made)),
            AnySet::Frozen(_) => AnySet::Frozen(FrozenSet::of(heap, made)),
        }))
    }

    /// Takes the table of another set, which is empty afterwards.
    pub fn take_from(self, heap: &'h Heap, other: AnySet<'h>) {
        let keys = other.keys();
        either!(self, set => set.store(heap, keys));
        other.clear(heap);
    }
}

fn combined<'h>(
    heap: &'h Heap,
    combination: Combination,
    a: Keys<'h>,
    b: Keys<'h>,
    same: bool,
) -> Result<Option<Keys<'h>>, OutOfMemory> {
    let mut made = Keys::NONE;
    let done = match combination {
        Combination::Union => match made.merge(heap, a)? {
            Some(()) if !same => made.merge(heap, b)?,
            done => done,
        },
        Combination::Intersection if same => made.merge(heap, a)?,
        // Of two sets the larger one is asked.
        Combination::Intersection if b.len > a.len => return a.filtered(heap, b, true),
        Combination::Intersection => return b.filtered(heap, a, true),
        // If there is little to take away, a copy it is taken from is cheaper.
        Combination::Difference if a.len >> 2 > b.len => {
            let done = match made.merge(heap, a)? {
                Some(()) => made.remove_all(heap, b),
                None => None,
            };
            if done.is_some() {
                made.tidy(heap)?;
            }
            done
        }
        Combination::Difference => return a.filtered(heap, b, false),
        Combination::Symmetric if same => Some(()),
        Combination::Symmetric => {
            if made.merge(heap, b)?.is_none() {
                return Ok(None);
            }
            for (number, (hash, key)) in a.iter().enumerate() {
                if is_time(number) && heap.is_called() {
                    return Ok(None);
                }
                match made.find(hash, key) {
                    SetFound::Place(place) => made.remove_at(heap, place),
                    SetFound::Missing(place) => made.insert_at(heap, place, hash, key)?,
                    SetFound::Ask(..) => return Ok(None),
                }
            }
            Some(())
        }
    };
    Ok(done.map(|()| made))
}
