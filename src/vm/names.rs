//! Names the machine itself looks up, interned once at its start.

macro_rules! names {
    ($($name:ident = $text:literal,)*) => {
        /// A name the machine looks up.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "each is its text")]
        pub enum Name { $($name,)* }

        impl Name {
            /// Every name's text, by number.
            pub const TEXTS: &'static [&'static str] = &[$($text),*];

            /// The text.
            pub fn text(self) -> &'static str {
                Name::TEXTS[self as usize]
            }
        }
    };
}

names! {
    Value2Member = "_value2member_map_", MemberValue = "_value_", MemberName = "_name_", AbcImpl = "_abc_impl",
    New = "__new__", Init = "__init__", Del = "__del__", Call = "__call__", Class = "__class__", Dict = "__dict__",
    Name = "__name__", Qualname = "__qualname__", Module = "__module__", Doc = "__doc__", Bases = "__bases__", Mro = "__mro__",
    Repr = "__repr__", Str = "__str__", Format = "__format__", Bytes = "__bytes__", Hash = "__hash__", Bool = "__bool__",
    Len = "__len__", LengthHint = "__length_hint__", Iter = "__iter__", Next = "__next__", Reversed = "__reversed__",
    Contains = "__contains__", GetItem = "__getitem__", SetItem = "__setitem__", DelItem = "__delitem__",
    Missing = "__missing__", ClassGetItem = "__class_getitem__",
    GetAttribute = "__getattribute__", GetAttr = "__getattr__", SetAttr = "__setattr__", DelAttr = "__delattr__",
    Get = "__get__", Set = "__set__", Delete = "__delete__", SetName = "__set_name__", InitSubclass = "__init_subclass__",
    Prepare = "__prepare__", InstanceCheck = "__instancecheck__", SubclassCheck = "__subclasscheck__", Slots = "__slots__",
    Weakref = "__weakref__", MroEntries = "__mro_entries__", OrigBases = "__orig_bases__", ClassCell = "__classcell__",
    ClassDictCell = "__classdictcell__", Dir = "__dir__", AbstractMethods = "__abstractmethods__",
    Lt = "__lt__", Le = "__le__", Eq = "__eq__", Ne = "__ne__", Gt = "__gt__", Ge = "__ge__",
    Add = "__add__", Sub = "__sub__", Mul = "__mul__", TrueDiv = "__truediv__", FloorDiv = "__floordiv__", Mod = "__mod__",
    Pow = "__pow__", LShift = "__lshift__", RShift = "__rshift__", And = "__and__", Or = "__or__", Xor = "__xor__",
    MatMul = "__matmul__", DivMod = "__divmod__",
    RAdd = "__radd__", RSub = "__rsub__", RMul = "__rmul__", RTrueDiv = "__rtruediv__", RFloorDiv = "__rfloordiv__",
    RMod = "__rmod__", RPow = "__rpow__", RLShift = "__rlshift__", RRShift = "__rrshift__", RAnd = "__rand__",
    ROr = "__ror__", RXor = "__rxor__", RMatMul = "__rmatmul__", RDivMod = "__rdivmod__",
    IAdd = "__iadd__", ISub = "__isub__", IMul = "__imul__", ITrueDiv = "__itruediv__", IFloorDiv = "__ifloordiv__",
    IMod = "__imod__", IPow = "__ipow__", ILShift = "__ilshift__", IRShift = "__irshift__", IAnd = "__iand__",
    IOr = "__ior__", IXor = "__ixor__", IMatMul = "__imatmul__",
    Neg = "__neg__", Pos = "__pos__", Abs = "__abs__", Invert = "__invert__", Int = "__int__", Float = "__float__",
    Complex = "__complex__", Index = "__index__", Round = "__round__", Trunc = "__trunc__", Floor = "__floor__", Ceil = "__ceil__",
    Enter = "__enter__", Exit = "__exit__", AEnter = "__aenter__", AExit = "__aexit__", Await = "__await__",
    AIter = "__aiter__", ANext = "__anext__", Send = "send", Throw = "throw", Close = "close",
    MatchArgs = "__match_args__", Annotations = "__annotations__", Annotate = "__annotate__", AnnotateFunc = "__annotate_func__",
    TypeParams = "__type_params__", Defaults = "__defaults__", KwDefaults = "__kwdefaults__", Code = "__code__",
    Globals = "__globals__", Closure = "__closure__", Wrapped = "__wrapped__", Self_ = "__self__", Func = "__func__",
    File = "__file__", Path = "__path__", Package = "__package__", Spec = "__spec__", Loader = "__loader__", All = "__all__",
    Builtins = "__builtins__", Main = "__main__", Import = "__import__", BuildClass = "__build_class__",
    Notes = "__notes__", Cause = "__cause__", Context = "__context__", Traceback = "__traceback__",
    StaticAttributes = "__static_attributes__", FirstLineNo = "__firstlineno__", Copy = "__copy__", DeepCopy = "__deepcopy__",
    Reduce = "__reduce__", ReduceEx = "__reduce_ex__", GetNewArgs = "__getnewargs__", GetNewArgsEx = "__getnewargs_ex__", GetState = "__getstate__",
    SetState = "__setstate__", Fspath = "__fspath__", SizeOf = "__sizeof__", Buffer = "__buffer__", ReleaseBuffer = "__release_buffer__", Set_ = "set", Metaclass = "metaclass",
    Keys = "keys", Items = "items", Values = "values", Append = "append", Add_ = "add", Update = "update", Write = "write",
    Flush = "flush", Read = "read", ReadLine = "readline", Stdout = "stdout", Stderr = "stderr", Stdin = "stdin", Modules = "modules",
    Displayhook = "displayhook", Excepthook = "excepthook", Underscore = "_", DunderDebug = "__debug__",
    BuiltinsModule = "builtins", FutureBlocking = "_asyncio_future_blocking", Origin = "__origin__", Args = "__args__",
    Parameters = "__parameters__", ObjClass = "__objclass__", Mangled = "__mangled__",
}
