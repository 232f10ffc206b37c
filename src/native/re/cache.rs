//! Compiled patterns that are kept, by their texts and flags.

use hashbrown::HashTable;

use crate::heap::{Raw, Tracer, Value};
use crate::object::{Bytes, Str};
use crate::vm::native::Cx;
use crate::vm::{Extension, ExtensionSlot};

/// Patterns kept; when there are more all are dropped.
const MOST: usize = 512;

#[derive(Debug)]
struct Kept {
    hash: u64,
    source: Raw,
    flags: i64,
    pattern: Raw,
}

/// The cache of a machine.
#[derive(Debug, Default)]
pub(super) struct Cache {
    table: HashTable<Kept>,
}

impl Extension for Cache {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        for kept in &self.table {
            tracer.raw(kept.source);
            tracer.raw(kept.pattern);
        }
    }
}

/// The hash of a source that is exactly a str or bytes; others are not kept.
fn hash_of(cx: &Cx, source: Value<'_>, flags: i64) -> Option<u64> {
    let hash = match source.exact::<Str>() {
        Some(text) => text.hash(&cx.heap),
        None => source.exact::<Bytes>()?.hash(&cx.heap),
    };
    Some((hash ^ flags << 20) as u64)
}

fn same(a: Value<'_>, b: Value<'_>) -> bool {
    if a.raw().same(b.raw()) {
        return true;
    }
    match (a.exact::<Str>(), b.exact::<Str>()) {
        (Some(a), Some(b)) => a.equals(b),
        (None, None) => match (a.exact::<Bytes>(), b.exact::<Bytes>()) {
            (Some(a), Some(b)) => a.as_bytes() == b.as_bytes(),
            _ => false,
        },
        _ => false,
    }
}

/// The pattern kept for a source and flags.
pub(super) fn find(cx: &Cx, source: Value<'_>, flags: i64) -> Option<Raw> {
    let hash = hash_of(cx, source, flags)?;
    let cache = cx.extension::<Cache>(ExtensionSlot::Natives)?;
    let found =
        cache.table.find(hash, |k| k.hash == hash && k.flags == flags && same(Value::adopt(k.source), source))?;
    Some(found.pattern)
}

/// Keeps a pattern.
pub(super) fn keep(cx: &mut Cx, source: Raw, flags: i64, pattern: Raw) {
    let Some(hash) = hash_of(cx, Value::adopt(source), flags) else { return };
    if cx.extension::<Cache>(ExtensionSlot::Natives).is_none() {
        cx.set_extension(ExtensionSlot::Natives, Box::new(Cache::default()));
    }
    if let Some(cache) = cx.extension_mut::<Cache>(ExtensionSlot::Natives) {
        if cache.table.len() >= MOST {
            cache.table.clear();
        }
        cache.table.insert_unique(hash, Kept { hash, source, flags, pattern }, |k| k.hash);
    }
}

/// Drops all.
pub(super) fn clear(cx: &mut Cx) {
    if let Some(cache) = cx.extension_mut::<Cache>(ExtensionSlot::Natives) {
        cache.table.clear();
    }
}
