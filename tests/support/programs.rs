//! Random programs that are well-formed: they use the language and the builtin types as hostile programs might, so that most of what is
//! tried gets as far as the machine.

use crate::texts::Random;

/// Expressions for odd values: what goes wrong when an argument is not what was thought of.
const ODD: &[&str] = &[
    "None",
    "True",
    "0",
    "1",
    "-1",
    "7",
    "300",
    "10**30",
    "-10**30",
    "2**63-1",
    "-2**63",
    "1.5",
    "float('nan')",
    "float('inf')",
    "-0.0",
    "2j",
    "''",
    "'a'",
    "'abc'",
    "'\\ud800'",
    "'é日😀'",
    "'%s %(a)d {} {0.x}'",
    "b''",
    "b'ab\\xff'",
    "bytearray(b'xyz')",
    "memoryview(b'abc')",
    "[]",
    "[3, 1, 2]",
    "[1, 'a', None]",
    "()",
    "(1, 2)",
    "[(1, 2), (3, 4)]",
    "{}",
    "{'a': 1, 2: 'b'}",
    "{1, 2}",
    "frozenset([1])",
    "range(5)",
    "range(10**20, 10**20 + 5)",
    "slice(None, None, -1)",
    "...",
    "NotImplemented",
    "int",
    "str",
    "object()",
    "len",
    "(lambda *a, **k: 1)",
    "(x for x in (1, 2))",
    "iter([1, 2])",
    "ValueError('m')",
    "ValueError",
    "type",
    "zip([1], [2])",
    "map(str, [1])",
    "{1: 2}.items()",
    "property(len)",
    "classmethod(len)",
    "super",
    "shared",
    "shared_dict",
    "shared_set",
    "shared_bytes",
    "shared_text",
    "Odd()",
    "Odd(3)",
    "OddInt(5)",
    "OddStr('ms')",
    "OddList([1, 2])",
    "OddDict(a=1)",
    "OddTuple((4, 5))",
    "OddSet([1])",
    "OddBytes(b'q')",
    "OddFloat(1.5)",
    "Odd",
    "OddList",
    "gen()",
    "agen()",
    "ExceptionGroup('g', [ValueError(1), KeyError(2)])",
    "bytes",
    "list[int]",
    "int | str",
    "[shared]",
    "{'k': shared}",
    "looped()",
    "(1).__add__",
    "[].append",
    "deep(40)",
    "view",
    "started",
];

const FUNCTIONS: &[&str] = &[
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "complex",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "hasattr",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "ord",
    "pow",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "print",
    "eval",
    "compile",
    "ValueError",
    "OSError",
    "UnicodeDecodeError",
    "ExceptionGroup",
    "StopIteration",
    "aiter",
    "anext",
    "int.__new__",
    "str.__new__",
    "object.__new__",
    "list.__new__",
    "zip.__new__",
    "ValueError.__new__",
    "type.__call__",
    "dict.fromkeys",
    "int.from_bytes",
    "bytes.fromhex",
    "str.maketrans",
    "float.fromhex",
    "object.__setattr__",
    "object.__getattribute__",
    "type.__setattr__",
    "int.real.__get__",
    "list.append",
    "dict.__getitem__",
    "str.join",
    "super.__init__",
    "property.__get__",
    "type.mro",
    "str.format",
];

const METHODS: &[&str] = &[
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "clear",
    "index",
    "count",
    "sort",
    "reverse",
    "copy",
    "get",
    "keys",
    "values",
    "items",
    "setdefault",
    "update",
    "popitem",
    "add",
    "discard",
    "union",
    "intersection",
    "difference",
    "symmetric_difference",
    "issubset",
    "difference_update",
    "intersection_update",
    "isdisjoint",
    "split",
    "rsplit",
    "join",
    "replace",
    "strip",
    "find",
    "rfind",
    "startswith",
    "endswith",
    "format",
    "format_map",
    "encode",
    "decode",
    "upper",
    "title",
    "center",
    "zfill",
    "expandtabs",
    "partition",
    "splitlines",
    "translate",
    "isdigit",
    "casefold",
    "hex",
    "tobytes",
    "cast",
    "release",
    "tolist",
    "send",
    "throw",
    "close",
    "bit_length",
    "to_bytes",
    "as_integer_ratio",
    "is_integer",
    "conjugate",
    "with_traceback",
    "add_note",
    "split",
    "subgroup",
    "derive",
    "asend",
    "athrow",
    "aclose",
    "__iter__",
    "__next__",
    "__len__",
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__contains__",
    "__eq__",
    "__lt__",
    "__hash__",
    "__repr__",
    "__str__",
    "__add__",
    "__radd__",
    "__mul__",
    "__iadd__",
    "__call__",
    "__enter__",
    "__exit__",
    "__init__",
    "__reduce_ex__",
    "__format__",
    "__length_hint__",
    "__setstate__",
    "__class__",
    "__dict__",
    "__get__",
    "__set__",
    "__reversed__",
    "__mod__",
    "__pow__",
    "__index__",
    "__int__",
    "__or__",
    "__ior__",
    "__and__",
    "__xor__",
    "__new__",
    "__dir__",
    "__sizeof__",
    "__init_subclass__",
    "__subclasses__",
    "mro",
    "__instancecheck__",
    "__copy__",
    "__deepcopy__",
    "__getstate__",
    "__await__",
    "__aiter__",
    "__anext__",
];

const BINARY: &[&str] = &[
    "+", "-", "*", "/", "//", "%", "@", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "is",
    "is not", "and", "or",
];

/// What the methods of odd classes do: they change what is being worked on, raise, or answer what nobody expects.
const DEEDS: &[&str] = &[
    "shared.clear()",
    "shared.append(self)",
    "shared.pop() if shared else None",
    "del shared[:]",
    "shared.sort(key=str)",
    "shared_dict.clear()",
    "shared_dict[self] = 1",
    "shared_dict.pop(next(iter(shared_dict), None), None)",
    "shared_set.clear()",
    "shared_set.add(1)",
    "shared_bytes.extend(b'x' * 100)",
    "del shared_bytes[:]",
    "collect()",
    "raise ValueError('deed')",
    "raise StopIteration",
    "pass",
    "pass",
    "self.x = other",
    "self.__dict__.clear()",
    "self.__class__ = Other",
    "Odd.extra = len",
    "del Odd.extra",
    "return NotImplemented",
    "return None",
    "return self",
    "return 1",
    "return -1",
    "return 10**30",
    "return 'text'",
    "return True",
    "return False",
    "return [1]",
    "return iter([1, 2])",
    "return shared",
    "next(started, None)",
    "return (yield_,)",
    "sys.exc_info()",
    "shared[:] = [self] * 20",
    "locals()['q'] = 1",
    "sys._getframe().f_locals",
    "weakrefs.append(weakref.ref(self, lambda r: shared.append(1)))",
    "other == self",
    "return repr(shared)",
    "return hash(shared_tuple)",
    "started.close()",
    "return type(self)()",
    "type(self).__eq__ = lambda s, o: True",
];

const DUNDERS: &[&str] = &[
    "__eq__(self, other=None)",
    "__hash__(self, other=None)",
    "__lt__(self, other=None)",
    "__gt__(self, other=None)",
    "__iter__(self, other=None)",
    "__next__(self, other=None)",
    "__len__(self, other=None)",
    "__bool__(self, other=None)",
    "__repr__(self, other=None)",
    "__str__(self, other=None)",
    "__getitem__(self, other=None)",
    "__setitem__(self, other=None, v=None)",
    "__delitem__(self, other=None)",
    "__contains__(self, other=None)",
    "__getattr__(self, other=None)",
    "__getattribute__(self, other=None)",
    "__setattr__(self, other=None, v=None)",
    "__call__(self, other=None, *a, **k)",
    "__add__(self, other=None)",
    "__radd__(self, other=None)",
    "__iadd__(self, other=None)",
    "__mul__(self, other=None)",
    "__index__(self, other=None)",
    "__int__(self, other=None)",
    "__float__(self, other=None)",
    "__del__(self, other=None)",
    "__enter__(self, other=None)",
    "__exit__(self, other=None, *a)",
    "__get__(self, other=None, owner=None)",
    "__set__(self, other=None, v=None)",
    "__set_name__(self, other=None, n=None)",
    "__init__(self, other=None, *a, **k)",
    "__new__(self, other=None, *a, **k)",
    "__format__(self, other=None)",
    "__length_hint__(self, other=None)",
    "__reversed__(self, other=None)",
    "__missing__(self, other=None)",
    "__await__(self, other=None)",
    "__aiter__(self, other=None)",
    "__anext__(self, other=None)",
    "__instancecheck__(self, other=None)",
    "__mro_entries__(self, other=None)",
    "__init_subclass__(self, other=None, **k)",
    "__class_getitem__(self, other=None)",
    "__dir__(self, other=None)",
    "__round__(self, other=None)",
    "__bytes__(self, other=None)",
    "__keys__(self, other=None)",
    "keys(self, other=None)",
    "__reduce_ex__(self, other=None)",
    "__rsub__(self, other=None)",
    "__or__(self, other=None)",
    "__pow__(self, other=None, m=None)",
];

const START: &str = "\
import asyncio, gc, sys, _weakref as weakref
shared = [3, 1, 2]
shared_dict = {1: 2, 'a': 'b'}
shared_set = {1, 2, 3}
shared_bytes = bytearray(b'abcdef')
shared_text = 'é' * 3
shared_tuple = (1, 'a')
weakrefs = []
view = memoryview(shared_bytes)
yield_ = 5
class Other: pass
def gen():
    try:
        x = yield 1
        yield x
        yield from gen2()
    finally:
        shared.append(1)
def gen2():
    try: yield 2
    except ValueError: yield 3
started = gen(); next(started)
async def agen():
    try:
        yield 1
        await asyncio.sleep(0)
        yield 2
    finally:
        await asyncio.sleep(0)
def looped():
    x = []; x.append(x); return x
def deep(n):
    x = []
    for _ in range(n): x = [x, (x,)]
    return x
collections = [10]
def collect():
    # Whole collections take a fifth of the time of all these programs; what is young is where a forgotten root is missed.
    if collections[0]:
        collections[0] -= 1
        gc.collect(2 if collections[0] % 5 == 4 else 0)
def attempt(f, *a, **k):
    try: return f(*a, **k)
    except Exception as e: return e
def call(value, n, *a, **k):
    try:
        names = dir(value)
        return getattr(value, names[n % len(names)])(*a, **k)
    except Exception as e: return e
def steps(it, n):
    try:
        for x in it:
            n -= 1
            if n < 0: return x
    except Exception as e: return e
";

/// Writes a program.
#[derive(Debug)]
pub(crate) struct Writer<'r> {
    random: &'r mut Random,
    text: String,
    /// Functions, coroutine functions defined so far.
    functions: usize,
    coroutines: usize,
    budget: usize,
}

/// A random program.
pub(crate) fn program(random: &mut Random) -> String {
    let mut writer = Writer { random, text: START.to_owned(), functions: 0, coroutines: 0, budget: 60 };
    for base in ["", "int", "str", "list", "dict", "tuple", "set", "bytes", "float"] {
        writer.class(base);
    }
    for _ in 0..writer.random.below(3) {
        writer.function(false);
    }
    for _ in 0..writer.random.below(3) {
        writer.function(true);
    }
    for _ in 0..2 + writer.random.below(8) {
        writer.guarded(0);
    }
    if writer.coroutines > 0 {
        let main = writer.random.below(writer.coroutines);
        writer.line(0, &format!("print(attempt(asyncio.run, attempt(c{main}, 1)))"));
    }
    writer.text
}

/// Modules written in Rust; those written in aio are found by themselves.
const NATIVE_MODULES: &[&str] = &[
    "builtins",
    "sys",
    "asyncio",
    "_random",
    "_thread",
    "_traceback",
    "_weakref",
    "errno",
    "gc",
    "io",
    "math",
    "posix",
    "time",
    "_socket",
];

/// A program that takes public names of a module or two, of the library or native, and calls what they stand for with odd arguments, and
/// methods of what comes back.
pub(crate) fn library_program(random: &mut Random) -> String {
    let library: Vec<&str> = aio::stdlib::names().chain(NATIVE_MODULES.iter().copied()).collect();
    let mut writer = Writer { random, text: START.to_owned(), functions: 0, coroutines: 0, budget: 60 };
    writer.text.push_str(LIBRARY);
    for base in ["", "int", "str", "list", "dict", "tuple", "set", "bytes", "float"] {
        writer.class(base);
    }
    writer.line(0, "v = 0");
    for _ in 0..1 + writer.random.below(2) {
        let module = library[writer.random.below(library.len())];
        writer.line(0, &format!("m = attempt(__import__, '{module}', None, None, ['x'])"));
        for _ in 0..2 + writer.random.below(5) {
            let (number, arguments) = (writer.random.below(500), writer.arguments());
            let comma = if arguments.is_empty() { "" } else { ", " };
            writer.line(0, &format!("v = public(m, {number}{comma}{arguments})"));
            match writer.random.below(6) {
                0 => {
                    let count = writer.random.below(6);
                    writer.line(0, &format!("print(steps(v, {count}))"));
                }
                1 => writer.line(0, "print(attempt(repr, v))"),
                2 => writer.line(0, "asyncio.iscoroutine(v) and print(attempt(asyncio.run, v))"),
                _ => {
                    let (number, arguments) = (writer.random.below(90), writer.arguments());
                    let comma = if arguments.is_empty() { "" } else { ", " };
                    writer.line(0, &format!("v = call(v, {number}{comma}{arguments})"));
                }
            }
        }
    }
    writer.text
}

const LIBRARY: &str = "\
def public(m, n, *a, **k):
    try:
        names = [name for name in dir(m) if name[:1] != '_']
        f = getattr(m, names[n % len(names)])
        if isinstance(f, type) and n % 3 == 0:
            f = getattr(f, [*vars(f), '__init__', '__new__'][n % (len(vars(f)) + 2)])
        return f(*a, **k)
    except Exception as e: return e
";

impl Writer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"    ".repeat(depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.random.below(from.len())]
    }

    fn class(&mut self, base: &str) {
        let name = format!("Odd{}{}", &base[..base.len().min(1)].to_uppercase(), base.get(1..).unwrap_or(""));
        self.line(0, &format!("class {name}({base}):"));
        if base.is_empty() && self.random.below(6) == 0 {
            self.line(1, "__slots__ = ('x', '__dict__')");
        }
        self.line(1, "extra = None");
        for _ in 0..self.random.below(5) {
            let dunder = self.pick(DUNDERS);
            // Constructors that always fail would leave the program with nothing.
            if (dunder.starts_with("__new__") || dunder.starts_with("__getattribute__")) && self.random.below(4) > 0 {
                continue;
            }
            let kind = match self.random.below(12) {
                0 => "async def",
                1 => "@staticmethod\n    def",
                2 => "@classmethod\n    def",
                3 => "@property\n    def",
                _ => "def",
            };
            self.line(1, &format!("{kind} {dunder}:"));
            for _ in 0..1 + self.random.below(2) {
                let deed = self.pick(DEEDS);
                self.line(2, deed);
            }
            match self.random.below(4) {
                0 => {
                    let value = self.expression(1);
                    self.line(2, &format!("return {value}"));
                }
                1 => {
                    let end = dunder.find('(').unwrap_or(0);
                    let name = &dunder[..end];
                    self.line(2, &format!("return super().{name}(other)"));
                }
                // An asynchronous generator must not return a value, as deeds do.
                2 if kind != "async def" => self.line(2, "yield 1"),
                _ => {}
            }
        }
    }

    fn function(&mut self, is_async: bool) {
        let (keyword, name) = if is_async {
            self.coroutines += 1;
            ("async def", format!("c{}", self.coroutines - 1))
        } else {
            self.functions += 1;
            ("def", format!("f{}", self.functions - 1))
        };
        self.line(0, &format!("{keyword} {name}(a=1, *rest, k=2, **others):"));
        self.line(1, "v = a");
        for _ in 0..1 + self.random.below(4) {
            self.statement(1, is_async);
        }
        let value = self.expression(2);
        let last = if self.random.below(4) == 0 { "yield" } else { "return" };
        let last = if last == "yield" || !is_async { last } else { "return" };
        self.line(1, &format!("{last} {value}"));
    }

    /// A statement whose failure does not end the program.
    fn guarded(&mut self, depth: usize) {
        self.line(depth, "try:");
        self.line(depth + 1, "v = 0");
        self.statement(depth + 1, false);
        self.line(depth, "except Exception as e:");
        self.line(depth + 1, "print(type(e).__name__)");
    }

    fn block(&mut self, depth: usize, is_async: bool) {
        for _ in 0..1 + self.random.below(2) {
            self.statement(depth, is_async);
        }
    }

    fn statement(&mut self, depth: usize, is_async: bool) {
        if depth > 5 || self.budget == 0 {
            let value = self.expression(2);
            return self.line(depth, &format!("v = {value}"));
        }
        self.budget -= 1;
        let value = self.expression(3);
        match self.random.below(if is_async { 26 } else { 19 }) {
            0 | 1 => self.line(depth, &format!("v = {value}")),
            2 => self.line(depth, &format!("print({value})")),
            3 => {
                let other = self.expression(2);
                self.line(depth, &format!("a, *v = {value}, {other}"));
            }
            4 => self.line(depth, &format!("v, *w = {value}")),
            5 => {
                self.line(depth, &format!("for v in {value}:"));
                self.block(depth + 1, is_async);
                if self.random.below(2) == 0 {
                    self.line(depth + 1, "break");
                }
            }
            6 => {
                self.line(depth, &format!("while {value}:"));
                self.block(depth + 1, is_async);
                self.line(depth + 1, "break");
            }
            7 => {
                self.line(depth, &format!("if {value}:"));
                self.block(depth + 1, is_async);
                self.line(depth, "else:");
                self.block(depth + 1, is_async);
            }
            8 => {
                self.line(depth, "try:");
                self.block(depth + 1, is_async);
                if self.random.below(3) == 0 {
                    self.line(depth, "except* (ValueError, TypeError) as e:");
                } else {
                    self.line(depth, "except Exception as e:");
                }
                self.block(depth + 1, is_async);
                if self.random.below(2) == 0 {
                    self.line(depth, "finally:");
                    self.block(depth + 1, is_async);
                }
            }
            9 => {
                self.line(depth, &format!("with {value} as w:"));
                self.block(depth + 1, is_async);
            }
            10 => {
                let key = self.expression(1);
                let target = self.pick(&["shared", "shared_dict", "shared_bytes", "v"]);
                self.line(depth, &format!("{target}[{key}] = {value}"));
            }
            11 => {
                let target = self.pick(&["shared[0]", "shared_dict['a']", "v.x", "shared[1:2]", "shared[::2]", "v"]);
                self.line(depth, &format!("{target} = {value}"));
            }
            12 => {
                let target =
                    self.pick(&["shared[0]", "shared[0:1]", "shared_dict['a']", "v.x", "v[0]", "shared_bytes[::2]"]);
                self.line(depth, &format!("del {target}"));
            }
            13 => {
                let operator = self.pick(&["+=", "-=", "*=", "|=", "&=", "%=", "//="]);
                let target = self.pick(&["shared", "shared_dict", "shared_set", "shared_bytes", "shared_text", "v"]);
                // A global that a function assigns to would be a local.
                let target = if depth > 0 && target != "v" { "v" } else { target };
                self.line(depth, &format!("{target} {operator} {value}"));
            }
            14 => {
                let other = self.expression(1);
                self.line(depth, &format!("raise {value} from {other}"));
            }
            15 => {
                self.line(depth, &format!("match {value}:"));
                let pattern = self.pick(&[
                    "[a, *_]",
                    "{'a': w, **r}",
                    "Odd(x=1)",
                    "int(w)",
                    "str() | bytes()",
                    "(1 | 2) as w",
                    "Odd(a, b)",
                    "{}",
                    "[]",
                    "[[a]]",
                    "-1",
                ]);
                self.line(depth + 1, &format!("case {pattern}:"));
                self.block(depth + 2, is_async);
                self.line(depth + 1, "case _: pass");
            }
            16 => {
                self.line(depth, "def inner(q=v):");
                self.line(depth + 1, "nonlocal_ = v");
                self.block(depth + 1, false);
                let last = self.pick(&["return q", "yield q", "yield from q", "pass"]);
                self.line(depth + 1, last);
                self.line(depth, "v = attempt(inner)");
            }
            17 => {
                let bases = self.expression(1);
                self.line(depth, &format!("class Inner({bases}):"));
                self.line(depth + 1, "x = 1");
                self.line(depth, "v = Inner");
            }
            18 => self.line(depth, &format!("collect(); {value}")),
            19 => self.line(depth, &format!("v = await {value}")),
            20 => {
                let how = self.pick(&[
                    "asyncio.sleep(0)",
                    "asyncio.sleep(3)",
                    "asyncio.wait_for(asyncio.sleep(5), 1)",
                    "asyncio.gather(asyncio.sleep(1), v)",
                    "asyncio.shield(asyncio.sleep(1))",
                    "asyncio.create_task(asyncio.sleep(1, v))",
                    "asyncio.wait([v])",
                    "asyncio.Event().wait()",
                    "asyncio.Queue(v).get()",
                    "agen().__anext__()",
                    "agen().asend(v)",
                    "agen().athrow(ValueError)",
                    "asyncio.Lock().acquire()",
                    "asyncio.gather(*[asyncio.sleep(i) for i in range(3)], return_exceptions=True)",
                    "asyncio.get_running_loop().create_future()",
                ]);
                self.line(depth, &format!("v = await {how}"));
            }
            21 => {
                self.line(depth, &format!("async for w in {value}:"));
                self.block(depth + 1, true);
                self.line(depth + 1, "break");
            }
            22 => {
                let manager = self.pick(&[
                    "asyncio.timeout(1)",
                    "asyncio.TaskGroup()",
                    "asyncio.Lock()",
                    "asyncio.Semaphore(v)",
                    "v",
                    "asyncio.timeout(v)",
                ]);
                self.line(depth, &format!("async with {manager} as w:"));
                self.block(depth + 1, true);
            }
            23 => {
                let which = self.random.below(self.coroutines.max(1));
                self.line(depth, &format!("w = asyncio.create_task(c{which}({value}))"));
                let then = self.pick(&[
                    "w.cancel()",
                    "v = await w",
                    "w.add_done_callback(shared.append)",
                    "del w",
                    "w.cancel('m'); v = await w",
                    "v = w",
                ]);
                self.line(depth, then);
            }
            24 => {
                let call = self.pick(&[
                    "call_soon",
                    "call_later",
                    "call_at",
                    "create_task",
                    "set_exception_handler",
                    "run_until_complete",
                    "call_exception_handler",
                    "set_task_factory",
                    "create_future",
                    "time",
                    "stop",
                    "close",
                    "set_debug",
                    "call_soon_threadsafe",
                ]);
                let args = self.arguments();
                self.line(depth, &format!("v = attempt(asyncio.get_running_loop().{call}, {args})"));
            }
            _ => {
                let kind = self.pick(&[
                    "Future",
                    "Task",
                    "Queue",
                    "Lock",
                    "Event",
                    "Condition",
                    "Semaphore",
                    "Barrier",
                    "PriorityQueue",
                    "timeout",
                    "TaskGroup",
                ]);
                let method = self.pick(&[
                    "set_result",
                    "set_exception",
                    "cancel",
                    "result",
                    "exception",
                    "put_nowait",
                    "get_nowait",
                    "release",
                    "notify",
                    "set",
                    "add_done_callback",
                    "remove_done_callback",
                    "uncancel",
                    "get_loop",
                    "acquire",
                    "reschedule",
                    "abort",
                    "task_done",
                    "join",
                    "__await__",
                    "__iter__",
                    "__enter__",
                    "__aenter__",
                    "__init__",
                    "send",
                    "set_name",
                    "get_stack",
                    "create_task",
                    "put",
                    "get",
                ]);
                let (first, second) = (self.arguments(), self.arguments());
                self.line(
                    depth,
                    &format!("v = attempt(getattr(attempt(asyncio.{kind}, {first}), '{method}', None), {second})"),
                );
            }
        }
    }

    fn arguments(&mut self) -> String {
        let count = self.random.below(4);
        let mut all: Vec<String> = (0..count).map(|_| self.expression(0)).collect();
        match self.random.below(20) {
            0 => all.push(format!("*{}", self.expression(0))),
            1 => all.push(format!("**{}", self.expression(0))),
            2 => {
                let name = self.pick(&[
                    "key", "default", "sep", "x", "strict", "reverse", "start", "end", "file", "encoding", "loop",
                    "name",
                ]);
                all.push(format!("{name}={}", self.expression(0)));
            }
            _ => {}
        }
        all.join(", ")
    }

    /// An expression; mostly one whose failure is a value, so that the program goes on.
    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.below(6) == 0 {
            return match self.random.below(8) {
                0 => "v".to_owned(),
                _ => self.pick(ODD).to_owned(),
            };
        }
        let below = depth - 1;
        match self.random.below(20) {
            0..=3 => {
                let function = self.pick(FUNCTIONS);
                let arguments = self.arguments();
                format!("attempt({function}{}{arguments})", if arguments.is_empty() { "" } else { ", " })
            }
            4..=8 => {
                let (value, arguments) = (self.expression(below), self.arguments());
                let number = self.random.below(90);
                format!("call({value}, {number}{}{arguments})", if arguments.is_empty() { "" } else { ", " })
            }
            9 => {
                let (value, count) = (self.expression(below), self.random.below(6));
                format!("steps({value}, {count})")
            }
            _ => {
                let operation = self.operation(below);
                if self.random.below(6) == 0 { operation } else { format!("attempt(lambda: {operation})") }
            }
        }
    }

    fn operation(&mut self, below: usize) -> String {
        match self.random.below(13) {
            0..=2 => {
                let (a, b) = (self.expression(below), self.expression(below));
                format!("(({a}) {} ({b}))", self.pick(BINARY))
            }
            3 => {
                let (a, b) = (self.expression(below), self.expression(below));
                format!("({a})[{b}]")
            }
            4 => {
                let (a, b, c) = (self.expression(below), self.expression(0), self.expression(0));
                format!("({a})[{b}:{c}]")
            }
            5 => {
                let (a, b) = (self.expression(below), self.expression(below));
                let (open, close) =
                    [("[", "]"), ("{", "}"), ("list(", ")"), ("sum(", ")"), ("sorted(", ")")][self.random.below(5)];
                format!("{open}{a} for w in {b}{close}")
            }
            6 => {
                let (a, b) = (self.expression(below), self.expression(below));
                format!("[{a}, *{b}]")
            }
            7 => {
                let (a, b, c) = (self.expression(below), self.expression(below), self.expression(below));
                format!("{{{a}: {b}, **{c}}}")
            }
            8 => {
                let a = self.expression(below);
                let spec = self.pick(&["", ":>10", "!r", ":x", ":{v}", ":,.3f", ":%", "=", ":>{v}.{v}", "!s:^9"]);
                format!("f\"{{({}){spec}}}\"", a.replace('"', "'"))
            }
            9 if self.functions > 0 => {
                let which = self.random.below(self.functions);
                format!("f{which}({})", self.arguments())
            }
            10 => {
                let function = self.pick(&["sorted", "max", "min", "list.sort", "sum", "map", "filter"]);
                let value = self.expression(below);
                let key = self.pick(&[
                    "Odd",
                    "len",
                    "lambda x: shared.clear()",
                    "lambda x: shared.append(x)",
                    "str",
                    "OddInt",
                    "lambda x: collect()",
                    "None",
                ]);
                match function {
                    "map" | "filter" => format!("list({function}({key}, {value}))"),
                    "sum" => format!("sum({value}, {key})"),
                    _ => format!("{function}({value}, key={key})"),
                }
            }
            11 => {
                let (value, method, arguments) = (self.expression(below), self.pick(METHODS), self.arguments());
                format!("({value}).{method}({arguments})")
            }
            _ => {
                let (a, b) = (self.expression(below), self.expression(below));
                format!("({a} if {b} else v)")
            }
        }
    }
}
