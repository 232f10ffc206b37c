//! Exceptions: one layout for all of them, and the table of the builtin classes.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Heap, Ref, Value};
use crate::object::{Dict, Slots, Traceback, Tuple};

/// An exception. Its class is in the shape of its header.
#[derive(Debug)]
pub struct Exception {
    /// `args`.
    pub args: Ref<Tuple>,
    /// `__cause__`.
    pub cause: AnyRef,
    /// `__context__`.
    pub context: AnyRef,
    /// `__traceback__`.
    pub traceback: Ref<Traceback>,
    /// `__suppress_context__`.
    pub suppress_context: StdCell<bool>,
    /// Attributes set on it, `__notes__` among them.
    pub dict: Ref<Dict>,
    /// What its class keeps besides (`errno`, `value`, `name`, `exceptions`, ...): see [`field_index`].
    pub fields: Ref<Slots>,
}

crate::cell! { Exception: Exception {
    slots: [], refs: [args, cause, context, traceback, dict, fields]
} }

impl<'h> Gc<'h, Exception> {
    /// `args`.
    pub fn args(self) -> Gc<'h, Tuple> {
        self.get().args.get().expect("an exception has args")
    }

    /// Field number `index` of its class; None if it was not set.
    pub fn field(self, index: usize) -> Value<'h> {
        self.given_field(index).unwrap_or(Value::NONE)
    }

    /// The same, where None that was set is told from nothing.
    pub fn given_field(self, index: usize) -> Option<Value<'h>> {
        self.get().fields.get().filter(|fields| index < fields.capacity())?.tail()[index].get().given()
    }

    /// Sets field number `index`, for which there may have been no room yet: classes with `__slots__` have theirs behind those that
    /// the builtin class keeps.
    pub fn set_field(self, heap: &'static Heap, index: usize, value: Value<'_>) {
        let fields = match self.get().fields.get() {
            Some(fields) if index < fields.capacity() => fields,
            old => {
                let new = Slots::few(heap, index + 1);
                for (i, slot) in old.iter().flat_map(|o| o.tail()).enumerate() {
                    new.set_tail(heap, i, slot.get());
                }
                self.set_ref(heap, |e| &e.fields, Some(new));
                new
            }
        };
        fields.set_tail(heap, index, value);
    }
}

macro_rules! exceptions {
    ($( $(#[doc = $doc:literal])* $name:ident : $base:ident $([$($field:literal),*])? ; )*) => {
        /// A builtin exception class.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Exc { $( $(#[doc = $doc])* $name, )* }

        impl Exc {
            /// Every builtin exception class, bases before what derives from them.
            pub const ALL: &'static [Exc] = &[$(Exc::$name),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Exc::$name => stringify!($name),)* }
            }

            /// The lines of its docstring.
            pub fn doc(self) -> &'static [&'static str] {
                match self { $(Exc::$name => &[$($doc),*],)* }
            }

            /// The class it derives from; itself for BaseException.
            pub fn base(self) -> Exc {
                match self { $(Exc::$name => Exc::$base,)* }
            }

            /// The attributes it adds, by field number (after those of its base).
            pub fn own_fields(self) -> &'static [&'static str] {
                match self { $(Exc::$name => &[$($($field),*)?],)* }
            }
        }
    };
}

exceptions! {
    /// The root.
    BaseException: BaseException;
    /// Several exceptions together.
    BaseExceptionGroup: BaseException ["message", "exceptions"];
    /// `sys.exit`.
    SystemExit: BaseException ["code"];
    /// Ctrl-C.
    KeyboardInterrupt: BaseException;
    /// Thrown into a generator by `close`.
    GeneratorExit: BaseException;
    /// The root of what programs handle.
    Exception: BaseException;
    /// `ExceptionGroup`; derives from `BaseExceptionGroup` too.
    ExceptionGroup: BaseExceptionGroup;
    /// An iterator has no more items.
    StopIteration: Exception ["value"];
    /// An asynchronous iterator has no more items.
    StopAsyncIteration: Exception;
    /// The root of what arithmetic raises.
    ArithmeticError: Exception;
    /// An operation on floats failed.
    FloatingPointError: ArithmeticError;
    /// A result is too large.
    OverflowError: ArithmeticError;
    /// Division by zero.
    ZeroDivisionError: ArithmeticError;
    /// What `assert` raises.
    AssertionError: Exception;
    /// No such attribute.
    AttributeError: Exception ["name", "obj"];
    /// A buffer can't be used like this.
    BufferError: Exception;
    /// No more input.
    EOFError: Exception;
    /// Something can't be imported.
    ImportError: Exception ["msg", "name", "path", "name_from"];
    /// No such module.
    ModuleNotFoundError: ImportError;
    /// The root of index and key errors.
    LookupError: Exception;
    /// An index is out of range.
    IndexError: LookupError;
    /// No such key.
    KeyError: LookupError;
    /// There is no memory left.
    MemoryError: Exception;
    /// No such name.
    NameError: Exception ["name"];
    /// A local without a value.
    UnboundLocalError: NameError;
    /// What the operating system refuses.
    OSError: Exception ["errno", "strerror", "filename", "filename2", "characters_written"];
    /// An operation would have to wait.
    BlockingIOError: OSError;
    /// There is no such child process.
    ChildProcessError: OSError;
    /// The root of connection errors.
    ConnectionError: OSError;
    /// Nobody reads what is written.
    BrokenPipeError: ConnectionError;
    /// A connection was given up.
    ConnectionAbortedError: ConnectionError;
    /// A connection was refused.
    ConnectionRefusedError: ConnectionError;
    /// The other side ended a connection.
    ConnectionResetError: ConnectionError;
    /// EEXIST.
    FileExistsError: OSError;
    /// ENOENT.
    FileNotFoundError: OSError;
    /// EINTR.
    InterruptedError: OSError;
    /// EISDIR.
    IsADirectoryError: OSError;
    /// ENOTDIR.
    NotADirectoryError: OSError;
    /// EACCES, EPERM.
    PermissionError: OSError;
    /// ESRCH.
    ProcessLookupError: OSError;
    /// ETIMEDOUT, and every time-out of asyncio.
    TimeoutError: OSError;
    /// Weak references.
    ReferenceError: Exception;
    /// What fits nowhere else.
    RuntimeError: Exception;
    /// Not there yet, or abstract.
    NotImplementedError: RuntimeError;
    /// Too deep.
    RecursionError: RuntimeError;
    /// The interpreter is shutting down.
    PythonFinalizationError: RuntimeError;
    /// The text is not a program.
    SyntaxError: Exception ["msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset", "print_file_and_line", "_metadata"];
    /// Indentation.
    IndentationError: SyntaxError;
    /// Tabs and spaces.
    TabError: IndentationError;
    /// The incomplete input of a prompt.
    _IncompleteInputError: SyntaxError;
    /// An error of the interpreter itself.
    SystemError: Exception;
    /// Wrong type.
    TypeError: Exception;
    /// Wrong value.
    ValueError: Exception;
    /// Text and bytes.
    UnicodeError: ValueError;
    /// Bytes that are no text.
    UnicodeDecodeError: UnicodeError ["encoding", "object", "start", "end", "reason"];
    /// Text that has no bytes.
    UnicodeEncodeError: UnicodeError ["encoding", "object", "start", "end", "reason"];
    /// Text that cannot be translated.
    UnicodeTranslateError: UnicodeError ["object", "start", "end", "reason", "encoding"];
    /// The root of warnings.
    Warning: Exception;
    /// Deprecated.
    DeprecationWarning: Warning;
    /// To be deprecated.
    PendingDeprecationWarning: Warning;
    /// Doubtful behaviour at run time.
    RuntimeWarning: Warning;
    /// Doubtful syntax.
    SyntaxWarning: Warning;
    /// From users' code.
    UserWarning: Warning;
    /// Will change.
    FutureWarning: Warning;
    /// Imports.
    ImportWarning: Warning;
    /// Text and bytes.
    UnicodeWarning: Warning;
    /// Bytes compared with text.
    BytesWarning: Warning;
    /// Left open.
    ResourceWarning: Warning;
    /// No encoding given.
    EncodingWarning: Warning;
    /// The task or future was cancelled.
    CancelledError: BaseException;
    /// The state of a future does not allow this.
    InvalidStateError: Exception;
}

/// The number of the field an exception class or its bases keep under a name.
pub fn field_index(class: Exc, name: &str) -> Option<usize> {
    let mut at = class;
    loop {
        if let Some(index) = at.own_fields().iter().position(|f| *f == name) {
            return Some(index + if at.base() == at { 0 } else { field_count(at.base()) });
        }
        if at.base() == at {
            return None;
        }
        at = at.base();
    }
}

/// Number of fields an exception class keeps, its bases' included.
pub fn field_count(class: Exc) -> usize {
    let own = class.own_fields().len();
    if class.base() == class { own } else { own + field_count(class.base()) }
}
