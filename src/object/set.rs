//! set and frozenset: CPython's algorithm, since the order of a set is seen when it is printed. A table of a power of two,
//! nine linear probes, then perturbation by the hash's higher bits; removed entries leave a dummy; growth at three
//! fifths. (CPython: Objects/setobject.c.)

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
    free: Option<usize>,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetFound {
    /// The place of the key.
    Place(usize),
    /// The key is not there.
    Missing,
    /// Only a script can say whether the key at this place is it; if not, the search goes on from the probe.
    Ask(usize, SetProbe),
}

macro_rules! set_methods {
    ($name:ident) => {
        impl $name {
            /// An empty one.
            pub fn new(heap: &Heap) -> Gc<'_, $name> {
                heap.alloc($name {
                    len: StdCell::new(0),
                    fill: StdCell::new(0),
                    mask: StdCell::new(MIN_SIZE - 1),
                    table: Ref::none(),
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
            pub fn places(&self) -> usize {
                if self.table.get().is_some() { self.mask.get() + 1 } else { 0 }
            }
        }

        impl<'h> Gc<'h, $name> {
            fn entries(self) -> &'h [KeyEntry] {
                match self.get().table.get() {
                    Some(table) => table.tail(),
                    None => &[],
                }
            }

            /// The key at a place, with its hash.
            #[inline]
            pub fn at(self, place: usize) -> Option<(i64, Value<'h>)> {
                let entry = self.entries().get(place)?;
                let (hash, key) = (entry.hash.get(), entry.key());
                if key.is_unbound() || hash == DUMMY_HASH { None } else { Some((hash, key)) }
            }

            /// The keys with their hashes, in the order they print in.
            pub fn iter(self) -> impl Iterator<Item = (i64, Value<'h>)> {
                (0..self.places()).filter_map(move |place| self.at(place))
            }

            /// Starts a search.
            pub fn probe(self, hash: i64) -> SetProbe {
                SetProbe { perturb: hash as usize, index: hash as usize & self.get().mask.get(), linear: 0, free: None }
            }

            /// Searches for a key from `probe` on.
            pub fn find_from(self, hash: i64, key: Value<'_>, mut probe: SetProbe) -> SetFound {
                let entries = self.entries();
                if entries.is_empty() {
                    return SetFound::Missing;
                }
                let mask = self.get().mask.get();
                loop {
                    let probes = if probe.index + LINEAR_PROBES <= mask { LINEAR_PROBES } else { 0 };
                    while probe.linear <= probes {
                        let place = probe.index + probe.linear;
                        probe.linear += 1;
                        let entry = &entries[place];
                        if entry.key().is_unbound() {
                            return SetFound::Missing;
                        }
                        if entry.hash.get() == hash && hash != DUMMY_HASH {
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

            /// Adds a key that is not in the set.
            pub fn insert(self, heap: &'h Heap, hash: i64, key: Value<'_>) -> Result<(), OutOfMemory> {
                let set = self.get();
                let table = match set.table.get() {
                    Some(table) => table,
                    None => {
                        let table = heap.alloc_zeroed(SetTable { len: MIN_SIZE })?;
                        self.set_ref(heap, |s| &s.table, Some(table));
                        table
                    }
                };
                insert_clean(heap, table, set.mask.get(), hash, key);
                set.len.set(set.len.get() + 1);
                set.fill.set(set.fill.get() + 1);
                if set.fill.get() * 5 >= set.mask.get() * 3 {
                    let used = set.len.get();
                    self.resize(heap, if used > 50_000 { used * 2 } else { used * 4 })?;
                }
                Ok(())
            }

            /// Makes the table the smallest that is larger than `min_used`, without dummies.
            pub fn resize(self, heap: &'h Heap, min_used: usize) -> Result<(), OutOfMemory> {
                let mut len = MIN_SIZE;
                while len <= min_used {
                    len = len.checked_mul(2).ok_or(OutOfMemory)?;
                }
                let table = heap.alloc_zeroed(SetTable { len })?;
                for (hash, key) in self.iter() {
                    insert_clean(heap, table, len - 1, hash, key);
                }
                let set = self.get();
                set.mask.set(len - 1);
                set.fill.set(set.len.get());
                self.set_ref(heap, |s| &s.table, Some(table));
                Ok(())
            }

            /// Removes the key at a place, which must have one.
            pub fn remove_at(self, heap: &Heap, place: usize) {
                let table = self.get().table.get().expect("a place with a key");
                table.set_key(heap, place, DUMMY_HASH, Value::ELLIPSIS);
                self.get().len.set(self.get().len.get() - 1);
            }

            /// Removes every key.
            pub fn clear(self, heap: &Heap) {
                self.set_ref(heap, |s| &s.table, None);
                let set = self.get();
                set.len.set(0);
                set.fill.set(0);
                set.mask.set(MIN_SIZE - 1);
            }

            /// Makes this, which is empty, a copy of a set with the same keys in the same table.
            pub fn copy_from_keys(
                self,
                heap: &'h Heap,
                len: usize,
                mut keys: impl Iterator<Item = (i64, Value<'h>)>,
            ) -> Result<(), OutOfMemory> {
                // As set_merge_lock_held: room first, then a clean insertion in the other's order.
                if len * 5 >= self.get().mask.get() * 3 {
                    self.resize(heap, len * 2)?;
                }
                keys.try_for_each(|(hash, key)| {
                    let set = self.get();
                    let table = match set.table.get() {
                        Some(table) => table,
                        None => {
                            let table = heap.alloc_zeroed(SetTable { len: set.mask.get() + 1 })?;
                            self.set_ref(heap, |s| &s.table, Some(table));
                            table
                        }
                    };
                    insert_clean(heap, table, set.mask.get(), hash, key);
                    set.len.set(set.len.get() + 1);
                    set.fill.set(set.fill.get() + 1);
                    Ok(())
                })
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
    pub fn of(value: Value<'h>) -> Option<AnySet<'h>> {
        value.exact::<Set>().map(AnySet::Set).or_else(|| value.exact::<FrozenSet>().map(AnySet::Frozen))
    }

    /// Number of keys.
    pub fn len(self) -> usize {
        either!(self, set => set.len())
    }

    /// Whether there are no keys.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of keys and of what removed ones left behind.
    pub fn fill(self) -> usize {
        either!(self, set => set.get().fill.get())
    }

    /// Places of the table minus one.
    pub fn mask(self) -> usize {
        either!(self, set => set.get().mask.get())
    }

    /// Number of places to iterate over.
    pub fn places(self) -> usize {
        either!(self, set => set.places())
    }

    /// The key at a place, with its hash.
    pub fn at(self, place: usize) -> Option<(i64, Value<'h>)> {
        either!(self, set => set.at(place))
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
        if (self.fill() + extra) * 5 < self.mask() * 3 {
            return Ok(());
        }
        let room = (self.len() + extra) * 2;
        either!(self, set => set.resize(heap, room))
    }

    /// Makes the table anew if over a quarter of it is left behind by removed keys.
    pub fn tidy(self, heap: &'h Heap) -> Result<(), OutOfMemory> {
        if self.fill() - self.len() <= self.mask() / 4 {
            return Ok(());
        }
        let room = if self.len() > 50_000 { self.len() * 2 } else { self.len() * 4 };
        either!(self, set => set.resize(heap, room))
    }

    /// Takes the keys of another set if this one was never added to since it was cleared (so that none has to be compared); false
    /// otherwise. Room is made first either way.
    pub fn merge_clean(self, heap: &'h Heap, other: AnySet<'h>) -> Result<bool, OutOfMemory> {
        self.reserve(heap, other.len())?;
        if self.fill() != 0 {
            return Ok(false);
        }
        let (mask, len) = (self.mask(), other.len());
        let table = heap.alloc_zeroed(SetTable { len: mask + 1 })?;
        // Equal sizes: the keys stay where they are, which is not always where adding them again would put them.
        let in_place = mask == other.mask() && other.fill() == len;
        for place in 0..other.places() {
            if let Some((hash, key)) = other.at(place) {
                if in_place {
                    table.set_key(heap, place, hash, key);
                } else {
                    insert_clean(heap, table, mask, hash, key);
                }
            }
        }
        either!(self, set => {
            set.set_ref(heap, |s| &s.table, Some(table));
            set.get().len.set(len);
            set.get().fill.set(len);
        });
        Ok(true)
    }

    /// The set as a value.
    pub fn value(self) -> Value<'h> {
        either!(self, set => set.value())
    }

    /// An empty set of the same kind.
    fn empty_like(self, heap: &'h Heap) -> AnySet<'h> {
        match self {
            AnySet::Set(_) => AnySet::Set(Set::new(heap)),
            AnySet::Frozen(_) => AnySet::Frozen(FrozenSet::new(heap)),
        }
    }

    /// The place of a key; None outside if only a script knows.
    #[inline]
    fn place_of(self, hash: i64, key: Value<'_>) -> Option<Option<usize>> {
        match either!(self, set => set.find_from(hash, key, set.probe(hash))) {
            SetFound::Place(place) => Some(Some(place)),
            SetFound::Missing => Some(None),
            SetFound::Ask(..) => None,
        }
    }

    fn insert(self, heap: &'h Heap, hash: i64, key: Value<'_>) -> Result<(), OutOfMemory> {
        either!(self, set => set.insert(heap, hash, key))
    }

    /// The keys with their hashes, in the order they print in.
    fn keys(self) -> impl Iterator<Item = (i64, Value<'h>)> {
        (0..self.places()).filter_map(move |place| self.at(place))
    }

    /// Adds the keys of another set; None if only a script knows whether some are equal.
    fn merge(self, heap: &'h Heap, other: AnySet<'h>) -> Result<Option<()>, OutOfMemory> {
        if other.is_empty() || self.merge_clean(heap, other)? {
            return Ok(Some(()));
        }
        for (hash, key) in other.keys() {
            match self.place_of(hash, key) {
                Some(Some(_)) => {}
                Some(None) => self.insert(heap, hash, key)?,
                None => return Ok(None),
            }
        }
        Ok(Some(()))
    }

    /// A new set of the kind of this one, made of the keys of both in the order CPython makes it in; None if only a script knows
    /// whether some keys are equal.
    pub fn combine(
        self,
        heap: &'h Heap,
        combination: Combination,
        other: AnySet<'h>,
    ) -> Result<Option<AnySet<'h>>, OutOfMemory> {
        let made = self.empty_like(heap);
        let same = self.value().is(other.value());
        match combination {
            Combination::Union => {
                if made.merge(heap, self)?.is_none() || !same && made.merge(heap, other)?.is_none() {
                    return Ok(None);
                }
            }
            Combination::Intersection if same => {
                if made.merge(heap, self)?.is_none() {
                    return Ok(None);
                }
            }
            Combination::Intersection => {
                // Of two sets the larger one is asked.
                let (asked, keys) = if other.len() > self.len() { (other, self) } else { (self, other) };
                for (hash, key) in keys.keys() {
                    match asked.place_of(hash, key) {
                        Some(Some(_)) => made.insert(heap, hash, key)?,
                        Some(None) => {}
                        None => return Ok(None),
                    }
                }
            }
            Combination::Difference => {
                // If there is little to take away, a copy it is taken from is cheaper.
                if self.len() >> 2 > other.len() {
                    if made.merge(heap, self)?.is_none() {
                        return Ok(None);
                    }
                    for (hash, key) in other.keys() {
                        match made.place_of(hash, key) {
                            Some(Some(place)) => made.remove_at(heap, place),
                            Some(None) => {}
                            None => return Ok(None),
                        }
                    }
                    made.tidy(heap)?;
                } else {
                    for (hash, key) in self.keys() {
                        match other.place_of(hash, key) {
                            Some(Some(_)) => {}
                            Some(None) => made.insert(heap, hash, key)?,
                            None => return Ok(None),
                        }
                    }
                }
            }
            Combination::Symmetric if same => {}
            Combination::Symmetric => {
                if made.merge(heap, other)?.is_none() {
                    return Ok(None);
                }
                for (hash, key) in self.keys() {
                    match made.place_of(hash, key) {
                        Some(Some(place)) => made.remove_at(heap, place),
                        Some(None) => made.insert(heap, hash, key)?,
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(made))
    }

    /// Takes the table of another set, which is empty afterwards.
    pub fn take_from(self, heap: &'h Heap, other: AnySet<'h>) {
        let (len, fill, mask) = (other.len(), other.fill(), other.mask());
        let table = either!(other, set => set.get().table.get());
        either!(self, set => {
            set.set_ref(heap, |s| &s.table, table);
            set.get().len.set(len);
            set.get().fill.set(fill);
            set.get().mask.set(mask);
        });
        other.clear(heap);
    }
}

/// Puts a key into the first place never used, as CPython's `set_insert_clean` and the end of `set_add_entry` do.
fn insert_clean(heap: &Heap, table: Gc<'_, SetTable>, mask: usize, hash: i64, key: Value<'_>) {
    let entries = table.tail();
    let mut perturb = hash as usize;
    let mut index = hash as usize & mask;
    loop {
        let probes = if index + LINEAR_PROBES <= mask { LINEAR_PROBES } else { 0 };
        if let Some(free) = entries[index..=index + probes].iter().position(|entry| entry.key().is_unbound()) {
            table.set_key(heap, index + free, hash, key);
            return;
        }
        perturb >>= PERTURB_SHIFT;
        index = (index.wrapping_mul(5).wrapping_add(1).wrapping_add(perturb)) & mask;
    }
}
