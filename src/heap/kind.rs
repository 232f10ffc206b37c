//! The kinds of values: one row per layout. `heap` gets how to trace and drop each from the table that `object` and
//! `event_loop` fill at start (`Heap::register`).

macro_rules! kinds {
    (immediate { $($(#[$idoc:meta])* $imm:ident,)* } cell { $($(#[$doc:meta])* $cell:ident,)* }) => {
        /// What a value is: the low byte of its tag. Kinds below 128 have no cell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$idoc])* $imm,)*
            /// Not a value: where the kinds with a cell begin, and what a freed cell's header says.
            Free = 128,
            $($(#[$doc])* $cell,)*
        }

        impl Kind {
            /// Every kind, in order of numbers.
            pub const ALL: &'static [Kind] = &[$(Kind::$imm,)* Kind::Free, $(Kind::$cell,)*];
        }
    };
}

kinds! {
    immediate {
        /// An unassigned local.
        Unbound,
        /// `None`.
        None,
        /// `False`; `True` must follow.
        False,
        /// `True`.
        True,
        /// An int within 64 bits.
        Int,
        /// A float.
        Float,
        /// `...`.
        Ellipsis,
        /// `NotImplemented`.
        NotImplemented,
    }
    cell {
        /// An instance of a class written in the language; also, with another layout in its header, one derived from a builtin type.
        Instance,
        /// An int past 64 bits.
        BigInt,
        /// A complex number.
        Complex,
        /// Text.
        Str,
        /// Bytes.
        Bytes,
        /// A bytearray.
        ByteArray,
        /// A memoryview.
        MemoryView,
        /// A list.
        List,
        /// A tuple.
        Tuple,
        /// A dict.
        Dict,
        /// A set.
        Set,
        /// A frozenset.
        FrozenSet,
        /// A deque.
        Deque,
        /// An array of packed numbers.
        Array,
        /// A duration.
        TimeDelta,
        /// A date.
        Date,
        /// A time of day.
        TimeOfDay,
        /// A date with a time of day.
        DateTime,
        /// A time zone with a fixed offset.
        TimeZone,
        /// A range.
        Range,
        /// A slice.
        Slice,
        /// A class.
        Class,
        /// A function written in the language.
        Function,
        /// A function written in Rust.
        Native,
        /// A function bound to its first argument.
        BoundMethod,
        /// Loaded code.
        Code,
        /// A variable shared by closures.
        Cell,
        /// A module.
        Module,
        /// An exception.
        Exception,
        /// A traceback entry.
        Traceback,
        /// A frame object.
        Frame,
        /// A generator.
        Generator,
        /// A coroutine.
        Coroutine,
        /// An asynchronous generator.
        AsyncGenerator,
        /// What `__anext__`, `asend`, `athrow` and `aclose` of an asynchronous generator return.
        AsyncGeneratorStep,
        /// A coroutine whose body is native.
        NativeCoroutine,
        /// `coroutine.__await__()`.
        CoroutineWrapper,
        /// An iterator over a sequence by index: list, tuple, str, bytes, anything with `__getitem__`.
        SequenceIterator,
        /// An iterator over a range.
        RangeIterator,
        /// An iterator over a dict: keys, values or items.
        DictIterator,
        /// An iterator over a set.
        SetIterator,
        /// An iterator whose step is native: enumerate, zip, map, filter, reversed, iter(f, sentinel) and those of itertools.
        NativeIterator,
        /// The keys, values or items of a dict.
        DictView,
        /// A property.
        Property,
        /// A staticmethod.
        StaticMethod,
        /// A classmethod.
        ClassMethod,
        /// A super object.
        Super,
        /// An attribute of a builtin type, or a slot of a class with `__slots__`.
        GetSet,
        /// A read-only view of a mapping.
        MappingProxy,
        /// A weak reference.
        WeakRef,
        /// `list[int]`.
        GenericAlias,
        /// `int | str`.
        Union,
        /// A contextvars context.
        Context,
        /// A context variable.
        ContextVar,
        /// A future.
        Future,
        /// A task.
        Task,
        /// What `call_soon` and its kin return.
        Handle,
        /// An object with a Rust payload: files, sockets, locks and whatever else natives define.
        NativeObject,
        /// Slots of a list, dict or instance: never a value of its own.
        Slots,
        /// Bytes of a bytearray or a growing text: never a value of its own.
        Buffer,
        /// Bytes that texts built by appending share: never a value of its own.
        AppendBuffer,
        /// Offsets of the characters of a text: never a value of its own.
        IndexTable,
        /// The index of a dict by hash: never a value of its own.
        DictIndex,
        /// The entries of a dict: never a value of its own.
        Entries,
        /// The table of a set: never a value of its own.
        SetTable,
        /// A persistent map of a context: never a value of its own.
        ContextMap,
        /// A run of references: never a value of its own.
        References,
    }
}

impl Kind {
    /// The kind in the low byte of a tag.
    #[inline(always)]
    pub(crate) fn from_tag(tag: u64) -> Kind {
        Kind::from_byte(tag as u8)
    }

    /// The kind with this number.
    #[inline(always)]
    pub(crate) fn from_byte(byte: u8) -> Kind {
        debug_assert!(Kind::ALL.iter().any(|k| *k as u8 == byte), "no kind {byte}");
        #[allow(unsafe_code, reason = "tags and headers are only written from kinds")]
        // SAFETY: every tag and header is written from a Kind, so the byte is one.
        unsafe {
            std::mem::transmute(byte)
        }
    }
}
