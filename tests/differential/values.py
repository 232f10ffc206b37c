"""Expressions and statements over one value: methods, operators, builtins, numbers, formats.

A generator gives what `x` is (or None), a source, and whether that is a statement; `case` makes a program of it.
"""

import re

from prelude import HELPERS

SMALL = ["0", "1", "-1", "2", "3", "7", "-5", "255", "256", "10"]
BIG = ["2**31", "-2**31-1", "2**62", "2**63-1", "2**63", "-2**63", "2**64+1", "10**30", "-10**25", "12345678901234567890"]
FLOATS = ["0.0", "-0.0", "1.5", "-2.5", "1e300", "1e-300", "float('inf')", "float('-inf')", "float('nan')", "1e16", "123456.789", "0.1", "5e-324", "2.0", "1e22"]
COMPLEX = ["1j", "(1+2j)", "complex('nan')", "-0j", "(3-4.5j)"]
STRINGS = ["''", "'a'", "'abc'", "'hello world'", "'  pad  '", "'Straße'", "'ﬁ'", "'İı'", "'日本'", "'\\U0001f600'", "'a\\nb\\r\\nc'", "'12'", "'-3.5'", "'x,y,,z'", "'\\ud800'", "'ABC def'", "'aXbXc'", "'\\t tab'", "'é'", "'{}'", "'%s'", "'\\x00'", "'٣'", "'²'", "'Ǆ'", "'true'", "'utf-8'", "'ascii'", "'strict'", "'ignore'"]
BYTES = ["b''", "b'a'", "b'abc'", "b'hello world'", "b'\\xff\\x00'", "b' sp '", "b'a\\nb'", "b'12'", "b'x,y,,z'", "b'ABC'"]
ARRAYS = ["bytearray(b'')", "bytearray(b'abc')", "bytearray(b'hello')", "bytearray(b'\\xff')"]
VIEWS = ["memoryview(b'abc')", "memoryview(bytearray(b'abcd'))", "memoryview(b'')"]
LISTS = ["[]", "[1]", "[3, 1, 2]", "['b', 'a']", "[1, 'a']", "[[1], [2]]", "[None]", "[1.5, True, 0]", "[(1, 2), (3, 4)]", "['ab', 'cd']", "[1, 2, 3, 4, 5, 6]"]
TUPLES = ["()", "(1,)", "(1, 2)", "('a', 'b', 'c')", "(1, (2, 3))", "(int, str)", "(1, [2])", "(0, 2**70)"]
DICTS = ["{}", "{'a': 1}", "{1: 2, 3: 4}", "{'x': [1]}", "{(1, 2): 3}", "{'a': 1, 'b': 2, 'c': 3}", "{97: 'z', 98: None}"]
SETS = ["set()", "{1}", "{1, 2, 3}", "{'a'}", "frozenset()", "frozenset({1, 2})", "frozenset('abc')", "{(1,), 2}"]
OTHERS = ["None", "True", "False", "...", "NotImplemented", "range(5)", "range(0)", "range(10, 0, -3)", "slice(1, 3)", "slice(None)", "slice(None, None, -1)", "slice(None, None, 0)", "slice('a')", "slice(1, 2**70, 2)",
          "int", "str", "list", "object", "type", "ValueError", "ValueError('v')", "KeyError('k')", "len", "[].append", "str.upper", "fn", "lambda: 0", "lambda a: a", "(lambda a, b: a)", "iter([1, 2])", "iter('ab')", "zip('ab', [1, 2])", "map(str, [1])", "(i for i in range(3))", "gen(1, 2)", "enumerate('ab')", "reversed([1, 2])", "{}.keys()", "{1: 2}.items()", "{1: 2}.values()", "object", "list[int]", "int | str", "Exception", "BaseException"]  # fmt: skip
# Whether a builtin class looks at the names of keywords before anything else depends on how CPython happens to call it; scripts' own
# functions get other keys too, in the programs.
NAMED = ["{}", "{'a': 1}", "{'x': [1]}", "{'a': 1, 'b': 2, 'c': 3}", "D(a=1)", "Mapping()", "I(5)", "Seq(1, 2)"]
CUSTOM = ["I(5)", "I(-1)", "F(2.5)", "S('sub')", "S('')", "B(b'sb')", "L([1, 2])", "T((1, 2))", "D(a=1)", "St({1})", "Idx(1)", "Idx(-1)", "Idx(2**64)", "BadIdx()", "Fl()", "Raises()", "NegLen()", "Seq(1, 2)", "Seq((1, 2), (3, 4))", "Mapping()", "Unhash()", "Always()", "Ops()", "Attr()", "Attr", "Slots()"]  # fmt: skip
ANY = [SMALL, SMALL, BIG, FLOATS, COMPLEX, STRINGS, STRINGS, BYTES, ARRAYS, VIEWS, LISTS, TUPLES, DICTS, SETS, OTHERS, CUSTOM, CUSTOM]

RECEIVERS = {
    "int": SMALL + BIG + ["True", "I(5)"],
    "float": FLOATS + ["F(2.5)"],
    "complex": COMPLEX,
    "str": STRINGS + ["S('sub')"],
    "bytes": BYTES + ["B(b'sb')"],
    "bytearray": ARRAYS,
    "memoryview": VIEWS,
    "list": LISTS + ["L([1, 2])"],
    "tuple": TUPLES + ["T((1, 2))"],
    "dict": DICTS + ["D(a=1)"],
    "set": SETS[:4] + ["{(1,), 2}", "St({1})"],
    "frozenset": SETS[4:7],
    "range": ["range(5)", "range(0)", "range(10, 0, -3)", "range(2**70, 2**70 + 5)"],
    "slice": ["slice(1, 3)", "slice(None)", "slice(None, None, -1)", "slice('a')", "slice(5, 2**70, 2)"],
    "generator": ["gen(1, 2)", "gen()", "(i for i in range(3))"],
    "exceptions": ["ValueError('v')", "KeyError('k')", "OSError(2, 'no', 'f')", "StopIteration(3)", "UnicodeDecodeError('u', b'ab', 0, 1, 'r')", "ExceptionGroup('g', [ValueError(1), TypeError(2)])", "SystemExit(2)", "ImportError('m', name='n', path='p')", "Exception()", "AttributeError('q', name='z', obj=1)", "SyntaxError('m', ('f', 1, 2, 't', 3, 4))", "NameError('m', name='nn')"],  # fmt: skip
    "function": ["fn", "fn2", "(lambda *a, **k: (a, k))", "Attr().m", "Attr.m"],
    "type": ["int", "Attr", "Slots", "I", "type", "ValueError", "object", "type('N', (), {})"],
    "object": ["object()", "Attr()", "Slots()", "None", "...", "NotImplemented"],
    "views": ["{'a': 1, 'b': 2}.keys()", "{1: 2}.items()", "{1: 2}.values()", "{}.keys()", "{(1, 2): 3}.items()"],
    "iterators": ["iter([1, 2, 3])", "iter('ab')", "iter(b'ab')", "iter({1: 2})", "iter((1, 2))", "iter(range(3))", "iter({4})", "zip('ab', 'cd')", "map(str, [1])", "filter(None, [0, 1])", "enumerate('ab')", "reversed([1, 2])", "reversed({1: 2})", "iter(lambda: 0, 1)", "reversed(range(4))", "reversed('ab')"],  # fmt: skip
    "property": ["property(len)", "property(doc='d')", "classmethod(len)", "staticmethod(len)"],
}
SKIP_METHODS = {"__hash__", "__buffer__", "__release_buffer__", "__del__", "__sizeof__", "__reduce__", "__reduce_ex__", "__doc__", "__subclasshook__", "__dir__", "__init_subclass__", "__class_getitem__", "__new__", "mro", "__subclasses__", "__weakref__", "__module__", "__builtins__", "__globals__", "__code__", "__dict__", "__basicsize__", "__dictoffset__", "__weakrefoffset__", "__itemsize__", "__flags__", "__traceback__", "gi_frame", "gi_code", "__annotate__", "__prepare__", "__text_signature__", "__base__", "__bases__", "__mro__", "__static_attributes__", "__firstlineno__", "_from_flags"}  # fmt: skip
BUILTINS = ["abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr", "complex", "dict", "divmod", "enumerate", "filter", "float", "format", "frozenset", "getattr", "hasattr", "hash", "hex", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "memoryview", "min", "next", "oct", "ord", "pow", "print", "property", "range", "repr", "reversed", "round", "set", "setattr", "delattr", "slice", "sorted", "staticmethod", "classmethod", "str", "sum", "super", "tuple", "type", "vars", "zip", "aiter", "anext", "dir", "id", "object", "eval", "exec", "compile", "__import__", "globals", "locals", "input", "open", "BaseException", "ValueError", "OSError", "KeyError", "StopIteration", "UnicodeDecodeError", "UnicodeEncodeError", "ImportError", "NameError", "AttributeError", "SyntaxError", "ExceptionGroup", "BaseExceptionGroup", "SystemExit", "fn", "fn2"]  # fmt: skip
UNSAFE_CALLS = {"input", "open", "id", "dir", "vars", "globals", "locals", "exec", "eval", "compile", "__import__"}
# Not cbrt: its last bit is the C library's own.
MATH = ["acos", "atan2", "ceil", "comb", "copysign", "degrees", "dist", "exp", "fabs", "factorial", "floor", "fmod", "frexp", "fsum", "gcd", "hypot", "isclose", "isfinite", "isnan", "isqrt", "lcm", "ldexp", "log", "log10", "log2", "modf", "perm", "pow", "prod", "sqrt", "sumprod", "trunc", "ulp", "nextafter", "fma", "exp2", "remainder"]  # fmt: skip
KEYWORDS = ["key", "default", "reverse", "sep", "maxsplit", "start", "base", "strict", "encoding", "errors", "tabsize", "keepends", "length", "byteorder", "signed", "ndigits", "mod", "iterable", "x", "real", "imag", "string", "object", "source", "step", "stop", "value", "exp", "width", "fillchar", "count", "old", "new", "bytes_per_sep", "name", "a", "b", "d", "delete"]  # fmt: skip
ORDERS = ["'big'", "'little'"]
BINARY = ["+", "-", "*", "/", "//", "%", "@", "&", "|", "^", "<", "<=", "==", "!=", ">", ">=", "is", "in", "not in", "and", "or"]
SPEC_PARTS = (["", "", "<", ">", "^", "=", "*<", "0>", "é^", "{{<"], ["", "", "+", "-", " ", "++"], ["", "", "z"], ["", "", "#"], ["", "", "0", "00"], ["", "", "5", "12", "1", "20", "0"], ["", "", "", ",", "_", ",_", "n"], ["", "", ".0", ".3", ".10", ".", ".1", ".20", ".3,"], ["", "", "d", "f", "g", "e", "s", "x", "X", "b", "o", "c", "n", "%", "G", "E", "F", "r", "q", "é", "ff", "N"])  # fmt: skip


def any_value(rng):
    return rng.choice(rng.choice(ANY))


def small_int(rng):
    return rng.choice(SMALL + ["20", "64"])


def arguments(rng, most=3, keywords=True, fitting=None):
    count = rng.choice([0, 1, 1, 1, 2, 2, 3])
    out = []
    for _ in range(min(count, most)):
        value = rng.choice(fitting) if fitting and rng.random() < 0.55 else any_value(rng)
        if rng.random() < 0.03:
            value = "*" + rng.choice(LISTS + TUPLES + STRINGS + CUSTOM)
        out.append(value)
    if keywords and rng.random() < 0.15:
        out.append(f"{rng.choice(KEYWORDS)}={any_value(rng)}")
        if rng.random() < 0.2:
            out.append(f"**{rng.choice(NAMED)}")
    return ", ".join(out)


def methods(rng, tables):
    kind = rng.choice(list(RECEIVERS))
    receiver = rng.choice(RECEIVERS[kind])
    name = rng.choice(tables[kind])
    fitting = RECEIVERS[kind] if rng.random() < 0.5 else SMALL
    if kind == "exceptions" or rng.random() < 0.05:
        roll = rng.random()
        if roll < 0.4:
            return receiver, f"x.{name}", False
        if roll < 0.7:
            return receiver, f"x.{name} = {any_value(rng)}", True
        if roll < 0.8:
            return receiver, f"del x.{name}", True
    if rng.random() < 0.06:
        return receiver, f"type(x).{name}({arguments(rng, fitting=fitting)})", False
    return receiver, f"x.{name}({arguments(rng, fitting=fitting)})", False


def operators(rng, tables):
    roll = rng.random()
    receiver, other = any_value(rng), any_value(rng)
    if rng.random() < 0.4:
        kind = rng.choice(list(RECEIVERS))
        receiver, other = rng.choice(RECEIVERS[kind]), rng.choice(RECEIVERS[rng.choice(list(RECEIVERS)) if rng.random() < 0.3 else kind])
    if roll < 0.45:
        op = rng.choice(BINARY)
        if op == "*" and "**" in other + receiver:
            op = "+"
        return receiver, f"x {op} {other}", False
    if roll < 0.55:
        op = rng.choice(["**", "<<", ">>"])
        return receiver, f"x {op} {rng.choice(SMALL + FLOATS + COMPLEX + CUSTOM[:10] + STRINGS[:3])}" if op == ">>" or rng.random() < 0.9 else f"{small_int(rng)} {op} x", False
    if roll < 0.6:
        return receiver, f"{rng.choice(['-', '+', '~', 'not '])}x", False
    if roll < 0.72:
        return receiver, f"x[{any_value(rng) if rng.random() < 0.5 else slice_text(rng)}]", False
    if roll < 0.82:
        return receiver, f"x[{any_value(rng) if rng.random() < 0.3 else slice_text(rng)}] = {any_value(rng)}", True
    if roll < 0.87:
        return receiver, f"del x[{any_value(rng) if rng.random() < 0.3 else slice_text(rng)}]", True
    if roll < 0.95:
        op = rng.choice(["+", "-", "*", "/", "//", "%", "&", "|", "^", "@"])
        if op == "*" and "**" in other + receiver:
            op = "+"
        return receiver, f"x {op}= {other}", True
    return receiver, rng.choice(["a, b = x", "a, *b = x; r = (a, b)", "[*x, *x]; r = 1", "r = [*x]", "r = {**x}", "r = fn(*x)", "r = fn(**x)", "for i in x: r = i", "r = x.nothing", "x.new = 1", "del x.new", "x()", "r = x(1)", "with x: pass", "raise x", "r = f'{x!r:>12}|{x!s}|{x!a}'", "r = [i for i, j in x]", "match x:\n case [a, b]: r = 1\n case {'a': c}: r = c\n case int(n) | str(n): r = n\n case _: r = 'other'", "r = x < x", "r = x == x", "a = b = x; r = a is b", "r = x if x else 'falsy'", "assert x, x", "r = x[0][0]", "r = x.__class__.__mro__", "x.__class__ = I", "r = x.__doc__ is None", "r = isinstance(x, (int, str, list))", "r = {x: 1}", "r = {x}", "raise ValueError from x", "r = lambda a=x: a; r = r()"]), True  # fmt: skip


def slice_text(rng):
    pick = lambda: rng.choice(["", "", "0", "1", "-1", "2", "-2", "5", "100", "-100", "None", "2**70", "-2**70", "Idx(1)", "'a'", "1.0"])
    if rng.random() < 0.2:
        return pick() or "0"
    return f"{pick()}:{pick()}" + (f":{rng.choice(['', '1', '-1', '2', '-2', '0', '3', '2**70', 'None', 'Idx(-1)'])}" if rng.random() < 0.5 else "")


def builtins(rng, tables):
    name = rng.choice(BUILTINS)
    if name in UNSAFE_CALLS:
        name = rng.choice(["int", "str", "sum", "max", "min", "round", "pow", "sorted", "float", "bytes", "range"])
    fitting = {"int": STRINGS + SMALL, "float": STRINGS, "range": SMALL + BIG, "sum": LISTS + TUPLES, "sorted": LISTS, "pow": SMALL, "round": FLOATS + SMALL, "isinstance": OTHERS + TUPLES, "getattr": STRINGS, "bytes": BYTES + SMALL + STRINGS, "chr": SMALL, "dict": DICTS + LISTS}.get(name, LISTS + TUPLES + STRINGS + SMALL)  # fmt: skip
    return None, f"{name}({arguments(rng, 3, True, fitting)})", False


def numbers(rng, tables):
    pool = SMALL + BIG + FLOATS + CUSTOM[:3] + ["True", "Idx(3)", "Fl()", "'1'", "None", "1j"]
    roll = rng.random()
    if roll < 0.4:
        return None, f"math.{rng.choice(MATH)}({', '.join(rng.choice(pool if rng.random() < 0.8 else LISTS + TUPLES) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])))})", False
    if roll < 0.6:
        return None, f"pow({rng.choice(pool)}, {rng.choice(SMALL + FLOATS)}{rng.choice(['', '', ', ' + rng.choice(pool)])})", False
    if roll < 0.7:
        return None, f"round({rng.choice(pool)}, {rng.choice(SMALL + ['None', '-3', '400', '-400', '1.0', 'Idx(2)'])})", False
    if roll < 0.85:
        text = "".join(rng.choice("0123456789.eE+-_ xXoObBjJnaif") for _ in range(rng.randint(1, 7)))
        return None, f"{rng.choice(['int', 'float', 'complex', 'I', 'F'])}({text!r}{rng.choice(['', '', ', 0', ', 16', ', 2', ', 36', ', 1', ', 37'])})", False
    a, b = rng.choice(pool), rng.choice(pool)
    mantissa = rng.choice([f"{rng.uniform(-1e6, 1e6)!r}", f"{rng.random() * 10 ** rng.randint(-20, 20)!r}", f"{rng.getrandbits(rng.randint(1, 200))}"])
    return None, rng.choice([f"divmod({a}, {b})", f"{mantissa} // ({b})", f"{mantissa} % ({b})", f"({mantissa}, {mantissa} * ({b}))", f"({mantissa}).as_integer_ratio()", f"hash({mantissa})", f"float({mantissa}).hex()", f"round({mantissa}, {rng.randint(-5, 12)})", f"int({mantissa}).to_bytes({rng.randint(0, 12)}, {rng.choice(ORDERS)}, signed={rng.choice(['True', 'False'])})", f"str({mantissa})"]), False  # fmt: skip


def formats(rng, tables):
    spec = "".join(rng.choice(part) for part in SPEC_PARTS)
    roll = rng.random()
    value = rng.choice(rng.choice([SMALL, BIG, FLOATS, FLOATS, STRINGS, COMPLEX, CUSTOM, ["True", "None", "[1]", "b'a'"]]))
    if rng.random() < 0.3:
        value = f"{rng.choice([rng.uniform(-1000, 1000), rng.random() * 10 ** rng.randint(-12, 25), rng.getrandbits(rng.randint(1, 90))])!r}"
    if roll < 0.5:
        return None, f"format({value}, {spec!r})", False
    if roll < 0.75:
        flags = "".join(rng.choice(["", "", "-", "+", " ", "#", "0"]) for _ in range(2))
        percent = "%" + rng.choice(["", "", "(a)", "("]) + flags + rng.choice(["", "", "5", "12", "*", "0"]) + rng.choice(["", "", ".0", ".3", ".*", ".10", "."]) + rng.choice(["", "l"]) * (rng.random() < 0.2) + rng.choice("dddiouxXeEfFgGcrsa%bq y")  # fmt: skip
        right = rng.choice([value, f"({value},)", f"({value}, {any_value(rng)})", f"({small_int(rng)}, {value})", "{'a': " + value + "}", "()"])
        left = rng.choice(["", "", "pre ", "%s "]) + percent + rng.choice(["", "", " post", "%%", "%"])
        return None, f"{'b' if rng.random() < 0.15 else ''}{left!r} % {right}", False
    field = rng.choice(["", "0", "1", "a", "0.a", "0[0]", "0[x]", "a.b", "-1", "0.", "0[", "a b", "0.real", "0.__class__"])
    text = rng.choice(["", "x", "{{"]) + "{" + field + rng.choice(["", "", "!r", "!s", "!a", "!x", "!"]) + rng.choice(["", ":" + spec.replace("{{", ""), ":{0}", ":{}"]) + rng.choice(["}", "}", "}", "}", "", "}}"]) + rng.choice(["", "{}", "y"])  # fmt: skip
    if roll < 0.92:
        return None, f"{text!r}.format({value}{rng.choice(['', ', ' + any_value(rng)])}{rng.choice(['', ', a=' + value])})", False
    spec = spec.replace("{{", "")
    return value, f"f{'{x' + rng.choice(['', '!r', '!s', '=']) + ':' + spec + '}'!r}", False


def text_methods(rng, tables):
    """Text and bytes methods with fitting arguments."""
    raw = "".join(rng.choice("abcABC 12\n\t,.éßİ日\U0001f600ſǅ\x00\x85\u2028") for _ in range(rng.randint(0, 9)))
    if rng.random() < 0.3:
        raw = raw.encode("utf-8")
    kind = "bytes" if isinstance(raw, bytes) else "str"
    piece = lambda: repr(raw[(i := rng.randint(0, len(raw))) : i + rng.randint(0, 2)])
    name = rng.choice(tables[kind])
    extra = rng.choice(["", "", f", {small_int(rng)}", f", {small_int(rng)}, {small_int(rng)}", f", {piece()}", ", None"])
    first = rng.choice([piece(), piece(), piece(), small_int(rng), f"[{piece()}, {piece()}]", f"({piece()}, {piece()})", "None", ""])
    return repr(raw), f"x.{name}({(first + extra).lstrip(', ')})", False


GENERATORS = {"methods": methods, "operators": operators, "builtins": builtins, "numbers": numbers, "formats": formats, "text_methods": text_methods}
WEIGHTS = {"methods": 5, "operators": 5, "builtins": 3, "numbers": 2, "formats": 3, "text_methods": 3}
# Programs that take all memory or time there is.
HEAVY = re.compile(r"2\*\*31.*\*|\* *\(?2\*\*|range\((-?\d+, *)?(2\*\*|10\*\*|12345)|\*2\*\*(31|62)|(bytes|bytearray|list|tuple|sum|sorted|set|max|min|all|any|dict|enumerate)\(.*range\(2|comb|perm|factorial\((2|1)|(zfill|ljust|rjust|center|expandtabs|tabsize|repeat|to_bytes|bytes|bytearray|bit_length|__mul__|__rmul__|__imul__)\(?.*2\*\*31|__l?r?shift__|__r?lshift__|__i?r?pow__|ldexp|print\(.*file")  # fmt: skip


# The hash of what hashes as the place where it is.
PLACES = re.compile(r"hash\((?!-?\d|b?'|\(?-?\d)")


def tables():
    scope = {}
    exec(HELPERS, scope)  # the names of CPython, which runs this
    out = {}
    for kind, receivers in RECEIVERS.items():
        names = set()
        for receiver in receivers:
            try:
                names.update(dir(eval(receiver, scope)))
            except Exception:
                continue
        out[kind] = sorted(names - SKIP_METHODS)
    return out


def case(rng, kind):
    """The text of one program of this kind."""
    while True:
        receiver, source, statement = GENERATORS[kind](rng, TABLES)
        if not HEAVY.search(f"{receiver} {source}") and not PLACES.search(source):
            break
    return (f"x = {receiver}\n" if receiver else "") + (source if statement else f"r = {source}") + "\n"


TABLES = tables()
KINDS = {kind: (lambda rng, kind=kind: case(rng, kind), weight) for kind, weight in WEIGHTS.items()}
