//! dict: insertion ordered. Entries lie in order of insertion; an index of open addressing leads from a hash to an entry.
//! Small dicts have no index and are searched from the end. Namespaces (globals, class bodies) are dicts too: `version`
//! changes whenever a key comes or goes, so that a cached place stays right as long as it does not.
//!
//! Comparing keys can call a script. The functions here never do: [`Gc::find`] says [`Found::Ask`] where only a script knows, and
//! `vm` goes on from there.

use std::cell::Cell as StdCell;

use crate::heap::{Entry, Gc, Heap, OutOfMemory, Ref, Value};
use crate::object::Str;
use crate::object::key::{SameKey, same_key};

/// Entries up to which a dict has no index.
const LINEAR: usize = 8;

/// The entries of a dict, in order of insertion; a removed one has no key.
#[derive(Debug)]
pub struct Entries {
    capacity: usize,
}

crate::cell! { Entries: Entries { slots: [], refs: [] } tail EntryTail by |e| e.capacity }

/// Entry numbers plus one, by hash; 0 where there is none.
#[derive(Debug)]
pub struct DictIndex {
    len: usize,
}

crate::cell! { DictIndex: DictIndex { slots: [], refs: [] } tail IndexTail by |i| i.len }

/// A dict.
#[derive(Debug)]
pub struct Dict {
    /// Number of live entries.
    len: StdCell<usize>,
    /// Entries in use, removed ones included.
    used: StdCell<usize>,
    /// Changes when a key comes or goes; unique among all dicts of the machine.
    version: StdCell<u32>,
    entries: Ref<Entries>,
    index: Ref<DictIndex>,
}

crate::cell! { Dict: Dict { slots: [], refs: [entries, index] } }

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The entry with this number has the key.
    Entry(usize),
    /// No entry has the key.
    Missing,
    /// Only a script can say whether the entry with this number has the key; if not, the search goes on with the probe after it.
    Ask(usize, Probe),
}

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe(usize);

impl Probe {
    /// The start of a search.
    pub const START: Probe = Probe(0);
}

impl Dict {
    /// An empty dict.
    #[inline]
    pub fn new(heap: &Heap) -> Gc<'_, Dict> {
        heap.alloc(Dict {
            len: StdCell::new(0),
            used: StdCell::new(0),
            version: StdCell::new(heap.next_version()),
            entries: Ref::none(),
            index: Ref::none(),
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

    /// Number of entries in use, removed ones included: entry numbers are below it.
    #[inline(always)]
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Changes when a key comes or goes.
    #[inline(always)]
    pub fn version(&self) -> u32 {
        self.version.get()
    }
}

impl<'h> Gc<'h, Dict> {
    /// Visits what it holds, even if it is old.
    pub(crate) fn trace_again(self, tracer: &mut crate::heap::Tracer<'_>) {
        tracer.again(self.value().raw());
        if let Some(entries) = self.get().entries.get() {
            tracer.again_inside(entries);
        }
    }

    #[inline(always)]
    fn storage(self) -> &'h [Entry] {
        match self.get().entries.get() {
            Some(entries) => entries.tail(),
            None => &[],
        }
    }

    /// Entry number `index`, if it is in use and not removed.
    #[inline(always)]
    pub fn entry(self, index: usize) -> Option<(Value<'h>, Value<'h>)> {
        if index >= self.used() {
            return None;
        }
        let entry = &self.storage()[index];
        let key = entry.key();
        if key.is_unbound() { None } else { Some((key, entry.value())) }
    }

    /// The hash of entry number `index`.
    pub fn entry_hash(self, index: usize) -> i64 {
        self.storage()[index].hash.get()
    }

    /// The value of entry number `index`, which must be in use; UNBOUND if it was removed.
    #[inline(always)]
    pub fn value_at(self, index: usize) -> Value<'h> {
        self.storage()[index].value()
    }

    /// Replaces the value of entry number `index`, which must be in use and not removed.
    #[inline(always)]
    pub fn set_value_at(self, heap: &Heap, index: usize, value: Value<'_>) {
        self.get().entries.get().expect("an entry in use").set_entry_value(heap, index, value);
    }

    /// Keys and values in order of insertion, as they are now.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = (Value<'h>, Value<'h>)> {
        self.storage()[..self.used()].iter().filter(|e| !e.key().is_unbound()).map(|e| (e.key(), e.value()))
    }

    /// Searches for a key from `probe` on (see [`Found::Ask`]).
    pub fn find_from(self, heap: &Heap, hash: i64, key: Value<'_>, probe: Probe) -> Found {
        let entries = self.storage();
        match self.get().index.get() {
            None => {
                for (number, entry) in entries[..self.used()].iter().enumerate().skip(probe.0) {
                    if entry.hash.get() == hash && !entry.key().is_unbound() {
                        match same_key(entry.key(), key) {
                            SameKey::Yes => return Found::Entry(number),
                            SameKey::No => {}
                            SameKey::Ask => return Found::Ask(number, Probe(number + 1)),
                        }
                    }
                }
                Found::Missing
            }
            Some(index) => {
                let index = index.tail();
                let mask = index.len() - 1;
                let mut step = probe.0;
                loop {
                    let place = (start(heap, hash, index.len()) + step) & mask;
                    let number = index[place].get() as usize;
                    if number == 0 {
                        return Found::Missing;
                    }
                    step += 1;
                    let entry = &entries[number - 1];
                    if entry.hash.get() == hash && !entry.key().is_unbound() {
                        match same_key(entry.key(), key) {
                            SameKey::Yes => return Found::Entry(number - 1),
                            SameKey::No => {}
                            SameKey::Ask => return Found::Ask(number - 1, Probe(step)),
                        }
                    }
                }
            }
        }
    }

    /// Searches for a text.
    #[inline]
    pub fn find_str(self, heap: &Heap, key: Gc<'_, Str>) -> Option<usize> {
        self.find_str_noting(heap, key, || {})
    }

    /// Searches for a text, as scripts see it; None if only a script can say whether a key that is no text equals it.
    #[inline]
    pub fn find_text(self, heap: &Heap, key: Gc<'_, Str>) -> Option<Option<usize>> {
        let odd = StdCell::new(false);
        let found = self.find_str_noting(heap, key, || odd.set(true));
        if odd.get() { None } else { Some(found) }
    }

    /// As `find_str`; `odd` is called for each key met with the same hash that is no text.
    #[inline(always)]
    fn find_str_noting(self, heap: &Heap, key: Gc<'_, Str>, odd: impl Fn()) -> Option<usize> {
        let hash = key.hash(heap);
        let entries = self.storage();
        let same = |entry: &Entry| {
            entry.hash.get() == hash
                && match entry.key().exact::<Str>() {
                    Some(text) => text == key || text.equals(key),
                    None => {
                        odd();
                        false
                    }
                }
        };
        match self.get().index.get() {
            None => (0..self.used()).find(|number| same(&entries[*number])),
            Some(index) => {
                let index = index.tail();
                let mask = index.len() - 1;
                let mut place = start(heap, hash, index.len());
                loop {
                    let number = index[place].get() as usize;
                    if number == 0 {
                        return None;
                    }
                    if same(&entries[number - 1]) {
                        return Some(number - 1);
                    }
                    place = (place + 1) & mask;
                }
            }
        }
    }

    /// The value of a text key.
    #[inline]
    pub fn get_str(self, heap: &Heap, key: Gc<'_, Str>) -> Option<Value<'h>> {
        self.find_str(heap, key).map(|number| self.value_at(number))
    }

    /// Sets the value of a text key.
    pub fn set_str(self, heap: &'h Heap, key: Gc<'_, Str>, value: Value<'_>) -> Result<(), OutOfMemory> {
        match self.find_str(heap, key) {
            Some(number) => {
                self.set_value_at(heap, number, value);
                Ok(())
            }
            None => self.insert(heap, key.hash(heap), key.value(), value).map(|_| ()),
        }
    }

    /// As `set_str`, on behalf of the machine: one entry more is never refused, the limit is looked at by the next safepoint.
    pub fn put_str(self, heap: &'h Heap, key: Gc<'_, Str>, value: Value<'_>) {
        if let Some(number) = self.find_str(heap, key) {
            self.set_value_at(heap, number, value);
            return;
        }
        let hash = key.hash(heap);
        if self.insert(heap, hash, key.value(), value).is_err() {
            self.resize_unchecked(heap, self.len() + self.len() / 2);
            self.insert(heap, hash, key.value(), value).expect("there is room now");
        }
    }

    /// Removes a text key, and returns its value.
    pub fn remove_str(self, heap: &Heap, key: Gc<'_, Str>) -> Option<Value<'h>> {
        let number = self.find_str(heap, key)?;
        let value = self.value_at(number);
        self.remove_at(heap, number);
        Some(value)
    }

    /// Sets the value of a key, found or added in one search. False, with nothing done, where only a script knows whether a key is
    /// the same.
    pub fn store(self, heap: &'h Heap, hash: i64, key: Value<'_>, value: Value<'_>) -> Result<bool, OutOfMemory> {
        let dict = self.get();
        let number = dict.used.get();
        let Some(entries) = dict.entries.get() else {
            self.insert_growing(heap, hash, key, value)?;
            return Ok(true);
        };
        let tail = entries.tail();
        // Whether entry `number` has the key.
        let same = |number: usize| {
            let entry = &tail[number];
            if entry.hash.get() != hash || entry.key().is_unbound() { SameKey::No } else { same_key(entry.key(), key) }
        };
        let mut place = None;
        let found = match dict.index.get() {
            None => (0..number).map(|number| (number, same(number))).find(|(_, same)| *same != SameKey::No),
            Some(index) => {
                let index = index.tail();
                let mask = index.len() - 1;
                let mut at = start(heap, hash, index.len());
                loop {
                    let number = index[at].get() as usize;
                    if number == 0 {
                        place = Some(&index[at]);
                        break None;
                    }
                    let same = same(number - 1);
                    if same != SameKey::No {
                        break Some((number - 1, same));
                    }
                    at = (at + 1) & mask;
                }
            }
        };
        match found {
            Some((_, SameKey::Ask)) => return Ok(false),
            Some((number, _)) => entries.set_entry_value(heap, number, value),
            None if number == entries.capacity => {
                self.insert_growing(heap, hash, key, value)?;
            }
            None => {
                entries.set_entry(heap, number, hash, key, value);
                if let Some(place) = place {
                    place.set(entry_number(number));
                }
                dict.used.set(number + 1);
                dict.len.set(dict.len.get() + 1);
                dict.version.set(heap.next_version());
            }
        }
        Ok(true)
    }

    /// Adds a key that is not in the dict. Returns the number of its entry.
    pub fn insert(self, heap: &'h Heap, hash: i64, key: Value<'_>, value: Value<'_>) -> Result<usize, OutOfMemory> {
        let number = self.used();
        let entries = match self.get().entries.get() {
            Some(entries) if entries.capacity > number => entries,
            _ => return self.insert_growing(heap, hash, key, value),
        };
        entries.set_entry(heap, number, hash, key, value);
        if let Some(index) = self.get().index.get() {
            place(heap, index.tail(), hash, number);
        }
        let dict = self.get();
        dict.used.set(number + 1);
        dict.len.set(dict.len.get() + 1);
        dict.version.set(heap.next_version());
        Ok(number)
    }

    #[cold]
    #[inline(never)]
    fn insert_growing(self, heap: &'h Heap, hash: i64, key: Value<'_>, value: Value<'_>) -> Result<usize, OutOfMemory> {
        // Small ones grow faster: moving all entries costs more than the room.
        let factor = if self.len() < 4096 { 3 } else { 2 };
        self.resize(heap, (self.len() * factor).max(LINEAR / 2))?;
        self.insert(heap, hash, key, value)
    }

    /// Moves the live entries together, with room for `capacity`.
    fn resize(self, heap: &'h Heap, capacity: usize) -> Result<(), OutOfMemory> {
        // The index has numbers of 32 bits.
        const MOST: usize = u32::MAX as usize / 2;
        let capacity = capacity.max(self.len() + 1);
        if capacity > MOST {
            return Err(OutOfMemory);
        }
        heap.check_cell(capacity * size_of::<Entry>() + index_len(capacity) * size_of::<u32>())?;
        self.resize_unchecked(heap, capacity);
        Ok(())
    }

    fn resize_unchecked(self, heap: &'h Heap, capacity: usize) {
        let capacity = capacity.max(self.len() + 1);
        let entries = heap.alloc_zeroed_unchecked(Entries { capacity });
        let index = (capacity > LINEAR).then(|| heap.alloc_zeroed_unchecked(DictIndex { len: index_len(capacity) }));
        let mut used = 0;
        for entry in &self.storage()[..self.used()] {
            if entry.key().is_unbound() {
                continue;
            }
            entries.set_entry(heap, used, entry.hash.get(), entry.key(), entry.value());
            if let Some(index) = index {
                place(heap, index.tail(), entry.hash.get(), used);
            }
            used += 1;
        }
        if let Some(old) = self.get().entries.get() {
            heap.given_up(old);
        }
        self.set_ref(heap, |d| &d.entries, Some(entries));
        self.set_ref(heap, |d| &d.index, index);
        self.get().used.set(used);
        self.get().version.set(heap.next_version());
    }

    /// Makes room for `extra` more keys.
    pub fn reserve(self, heap: &'h Heap, extra: usize) -> Result<(), OutOfMemory> {
        let need = self.used().checked_add(extra).ok_or(OutOfMemory)?;
        if self.get().entries.get().is_none_or(|e| e.capacity < need) {
            self.resize(heap, self.len() + extra)?;
        }
        Ok(())
    }

    /// Makes room for `extra` more keys at once if they would not fit, with some to spare.
    pub fn reserve_more(self, heap: &'h Heap, extra: usize) -> Result<(), OutOfMemory> {
        let need = self.used().checked_add(extra).ok_or(OutOfMemory)?;
        if self.get().entries.get().is_none_or(|e| e.capacity < need) && extra > self.len() {
            self.resize(heap, self.len() + extra)?;
        }
        Ok(())
    }

    /// Removes entry number `index`, which must be in use and not removed.
    pub fn remove_at(self, heap: &Heap, index: usize) {
        let entries = self.get().entries.get().expect("an entry in use");
        let hash = entries.tail()[index].hash.get();
        entries.set_entry(heap, index, hash, Value::UNBOUND, Value::UNBOUND);
        let dict = self.get();
        dict.len.set(dict.len.get() - 1);
        dict.version.set(heap.next_version());
    }

    /// Moves the entries together: for `popitem`, which looks for the last one, once many at the end are gone.
    pub fn compact(self, heap: &'h Heap) -> Result<(), OutOfMemory> {
        self.resize(heap, self.len() * 2)
    }

    /// Removes every key.
    pub fn clear(self, heap: &Heap) {
        if let Some(old) = self.get().entries.get() {
            heap.given_up(old);
        }
        self.empty(heap);
    }

    fn empty(self, heap: &Heap) {
        self.set_ref(heap, |d| &d.entries, None);
        self.set_ref(heap, |d| &d.index, None);
        self.get().len.set(0);
        self.get().used.set(0);
        self.get().version.set(heap.next_version());
    }

    /// Takes the keys and values of a dict that nobody else has, into this one, which is empty.
    pub fn take_from(self, heap: &'h Heap, other: Gc<'h, Dict>) {
        self.set_ref(heap, |d| &d.entries, other.get().entries.get());
        self.set_ref(heap, |d| &d.index, other.get().index.get());
        self.get().used.set(other.used());
        self.get().len.set(other.len());
        self.get().version.set(heap.next_version());
        other.empty(heap);
    }

    /// A copy with the same keys and values.
    pub fn copy(self, heap: &'h Heap) -> Result<Gc<'h, Dict>, OutOfMemory> {
        let copy = Dict::new(heap);
        if let Some(entries) = self.get().entries.get()
            && self.used() == self.len()
            && self.len() * 2 >= entries.capacity
        {
            // Nothing was removed: the same entries in the same places.
            let twin = heap.alloc_zeroed(Entries { capacity: entries.capacity })?;
            twin.copy_entries(heap, &entries.tail()[..self.used()]);
            let index = match self.get().index.get() {
                Some(index) => {
                    let twin = heap.alloc_zeroed(DictIndex { len: index.len })?;
                    twin.tail().iter().zip(index.tail()).for_each(|(to, from)| to.set(from.get()));
                    Some(twin)
                }
                None => None,
            };
            copy.set_ref(heap, |d| &d.entries, Some(twin));
            copy.set_ref(heap, |d| &d.index, index);
            copy.get().used.set(self.used());
            copy.get().len.set(self.len());
            copy.get().version.set(heap.next_version());
        } else if !self.is_empty() {
            copy.reserve(heap, self.len())?;
            for entry in &self.storage()[..self.used()] {
                if !entry.key().is_unbound() {
                    copy.insert(heap, entry.hash.get(), entry.key(), entry.value())?;
                }
            }
        }
        Ok(copy)
    }
}

/// The number of places in the index of a dict with room for `capacity` keys.
fn index_len(capacity: usize) -> usize {
    if capacity > LINEAR { (capacity * 3 / 2).next_power_of_two() } else { 0 }
}

/// Where the search for a hash starts in an index of `len` places. The secret keeps scripts from choosing keys that collide.
///
/// Sixteen hashes that follow one another, as those of ints do, share a run of sixteen places, which is a line of the cache: whoever
/// counts through a large dict would otherwise wait for memory at every key. Within the run each has a place of its own.
#[inline(always)]
fn start(heap: &Heap, hash: i64, len: usize) -> usize {
    // The golden ratio keeps keys apart that follow one another; just any multiplier would heap them up.
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let run = (hash as u64 >> 4) ^ heap.secret();
    (run.wrapping_mul(SPREAD) >> (64 - len.trailing_zeros())) as usize ^ (hash as usize & 15)
}

fn place(heap: &Heap, index: &[StdCell<u32>], hash: i64, number: usize) {
    let mask = index.len() - 1;
    let mut at = start(heap, hash, index.len());
    while index[at].get() != 0 {
        at = (at + 1) & mask;
    }
    index[at].set(entry_number(number));
}

/// What stands in the index for an entry.
#[inline(always)]
fn entry_number(number: usize) -> u32 {
    u32::try_from(number + 1).expect("a dict has under 4 Gi entries")
}
