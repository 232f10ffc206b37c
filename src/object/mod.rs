//! The kinds of objects: layouts and what cannot call a script. What scripts see of them as methods is in `native::types`.

#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of values are of no interest to a given question")]

mod array;
mod bytes;
mod class;
mod datetime;
mod deque;
mod descriptor;
mod dict;
mod exception;
mod function;
mod future;
mod generator;
mod iterator;
pub mod key;
mod memoryview;
mod number;
mod payload;
mod sequence;
mod set;
mod text;

pub use array::{Array, Item, array_item_size};
pub use bytes::{Buffer, ByteArray, Bytes};
pub use class::{Class, ClassFlags, Instance, ShapeId, Shapes, has_weak_references};
pub use datetime::{
    Date, DateTime, EPOCH_ORDINAL, LAST_ORDINAL, MOST_DAYS, Moment, Span, TimeDelta, TimeOfDay, TimeZone,
    days_in_month, from_ordinal, is_leap, order_dated, ordinal,
};
pub use deque::Deque;
pub use descriptor::{Access, ClassMethod, GenericAlias, GetSet, MappingProxy, Property, StaticMethod, Super, Union};
pub use dict::{Dict, DictIndex, Entries, Found, Probe};
pub use exception::{Exc, Exception, field_count, field_index};
pub use function::{BoundMethod, CodeObject, Entry, Frame, Function, Module, Traceback, Variable};
pub use future::{
    AnyFuture, BLOCKING, Callback, Context, ContextMap, ContextVar, Future, FutureBase, FutureState, GATHERING,
    HAS_EXCEPTION, Handle, MUST_CANCEL, PLACED, QUIET, RAISED, References, Task, UNRETRIEVED,
};
pub use generator::{
    AsyncGeneratorStep, BUSY, CLOSED, COROUTINES, CoroutineWrapper, Generator, GeneratorState, HOOKS,
    ITERABLE_COROUTINE, MADE, OWNED, REPORTED, StepMode, any_generator,
};
pub use iterator::{DictIterator, DictPart, DictView, Range, RangeIterator, SequenceIterator, SetIterator, Slice};
pub use memoryview::MemoryView;
pub use number::{BigInt, Complex, complex_value, int_value};
pub use payload::{NativeObject, Payload, trace_all};
pub use sequence::{List, Slots, Tuple};
pub use set::{AnySet, Combination, FrozenSet, Set, SetFound, SetProbe, SetTable};
pub use text::{ASCII, INTERNED, Offsets, SURROGATES, Str, exact_str};

use crate::heap::Heap;

/// Makes every kind of this module known to the heap.
pub fn register(heap: &mut Heap) {
    macro_rules! all { ($($ty:ty),* $(,)?) => { $(heap.register::<$ty>();)* } }
    all!(
        Array,
        AsyncGeneratorStep,
        BigInt,
        BoundMethod,
        Buffer,
        ByteArray,
        Bytes,
        Class,
        ClassMethod,
        CodeObject,
        Complex,
        Context,
        ContextMap,
        ContextVar,
        CoroutineWrapper,
        Date,
        DateTime,
        Deque,
        Dict,
        DictIndex,
        DictIterator,
        DictView,
        Entries,
        Exception,
        Frame,
        FrozenSet,
        Function,
        Future,
        Generator,
        GenericAlias,
        GetSet,
        Handle,
        Instance,
        List,
        MappingProxy,
        MemoryView,
        Module,
        NativeObject,
        Offsets,
        Property,
        Range,
        RangeIterator,
        References,
        SequenceIterator,
        Set,
        SetIterator,
        SetTable,
        Slice,
        Slots,
        StaticMethod,
        Str,
        Super,
        Task,
        TimeDelta,
        TimeOfDay,
        TimeZone,
        Traceback,
        Tuple,
        Union,
        Variable,
    );
}
