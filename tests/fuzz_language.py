"""Differential fuzzing of the language: generated programs over values, operators, methods, builtins and formats.

    python3 tests/fuzz_language.py [--aio target/fast/aio] [--python python3.13] [--seed N] [--count N] [--rounds N]
                                   [--kinds methods,formats,...] [--oracle "node py314.mjs"]

A program is one line: an expression or statement over a receiver `x`. Thousands of them run in one process of aio and one of
a native CPython 3.13, each with its own values, and print what came of it: the value, or type and text of what was raised.
Lines that differ are shown with what reproduces them. Where 3.14 answers otherwise than 3.13, either its wording is in
CHANGED below, or `--oracle` names a command that runs a script on CPython 3.14: what it confirms isn't a difference.
"""

import argparse
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile

# What CPython 3.14 says otherwise than 3.13, by name: a pattern for what 3.13 prints.
CHANGED = [
    (r"fromhex\(\) argument must be str", "bytes.fromhex takes bytes too"),
    (r"non-hexadecimal number found in fromhex", "bytes.fromhex names the even length"),
    (r"must be real number, not complex", "complex arguments: deprecation texts"),
    (r"complex\(\) ", "complex(): errors name the argument"),
    (r"unsupported format character", "% formatting errors name the position"),
    (r"not enough arguments for format string|not all arguments converted", "the same"),
    (r"format requires|%[a-z] format: ", "the same"),
    (r"incomplete format", "the same"),
    (r"could not convert string to complex|Invalid format specifier|Unknown format code", "formats: texts"),
    (r"expected \d+ arguments?, got", "argument clinic"),
]

PRELUDE = r'''
import sys, math, itertools
class I(int): pass
class F(float): pass
class S(str): pass
class B(bytes): pass
class L(list): pass
class T(tuple): pass
class D(dict): pass
class St(set): pass
class Idx:
    def __init__(self, n): self.n = n
    def __index__(self): return self.n
    def __repr__(self): return f"Idx({self.n})"
class BadIdx:
    def __index__(self): return "no"
    def __repr__(self): return "BadIdx()"
class Fl:
    def __float__(self): return 2.5
    def __repr__(self): return "Fl()"
class Raises:
    def __bool__(self): raise KeyError("bool")
    def __len__(self): raise KeyError("len")
    def __eq__(self, other): raise KeyError("eq")
    def __hash__(self): raise KeyError("hash")
    def __iter__(self): raise KeyError("iter")
    def __index__(self): raise KeyError("index")
    def __lt__(self, other): raise KeyError("lt")
    def __repr__(self): return "Raises()"
class NegLen:
    def __len__(self): return -1
    def __getitem__(self, i): return [10, 20][i]
    def __repr__(self): return "NegLen()"
class Seq:
    def __init__(self, *items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]
    def __repr__(self): return "Seq()"
class Mapping:
    def keys(self): return ["a", "b"]
    def __getitem__(self, key):
        if not isinstance(key, str): raise IndexError(key)
        return key * 2
    def __repr__(self): return "Mapping()"
class Unhash:
    __hash__ = None
    def __repr__(self): return "Unhash()"
class Always:
    def __eq__(self, other): return True
    def __hash__(self): return 1
    def __repr__(self): return "Always()"
class Ops:
    def __add__(self, o): return ("add", o)
    def __radd__(self, o): return ("radd", o)
    def __mul__(self, o): return NotImplemented
    def __rmul__(self, o): return ("rmul", o)
    def __contains__(self, o): return "yes"
    def __format__(self, spec): return "<" + spec + ">"
    def __round__(self, n=None): return ("round", n)
    def __divmod__(self, o): return ("divmod", o)
    def __rpow__(self, o, m=None): return ("rpow", o, m)
    def __getitem__(self, i):
        if isinstance(i, int) and i > 3: raise IndexError(i)
        return i
    def __lt__(self, o): return "lt"
    def __invert__(self): return "inv"
    def __int__(self): return 42
    def __repr__(self): return "Ops()"
class Attr:
    a = 1
    def __init__(self): self.b = 2
    def m(self, x, /, y, *, z=3): return (x, y, z)
    def __repr__(self): return "Attr()"
class Slots:
    __slots__ = ("p", "q")
    def __repr__(self): return "Slots()"
def fn(a, b=2, *c, d=4, **e): return (a, b, c, d, e)
def fn2(a, /, b): return (a, b)
def gen(*items):
    got = []
    for item in items:
        got.append((yield item))
    return got
def shown(value, depth=0):
    name = type(value).__name__
    if name.endswith("iterator") or name in ("zip", "map", "filter", "enumerate", "reversed", "generator", "islice", "callable_iterator"):
        taken = []
        try:
            for item in itertools.islice(value, 12):
                taken.append(shown(item, depth + 1))
        except BaseException as error:
            taken.append(f"{type(error).__name__}: {error}")
        return name + "<" + ", ".join(taken) + ">"
    if type(value) is list and depth < 3:
        return "[" + ", ".join(shown(item, depth + 1) for item in value) + "]" if len(value) < 60 else "[" + repr(value[:60])
    if name == "memoryview":
        return f"memoryview({value.tobytes()}, {value.format}, {value.shape}, {value.readonly})"
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "..." + str(len(text))
'''

RUNNER = r'''
import re, json, warnings
warnings.simplefilter("ignore")
base = dict(globals())
def quiet(text):
    return re.sub(r"0x[0-9a-f]{6,}", "0x...", ascii(text)[1:-1])
first, last = int(sys.argv[1]) if len(sys.argv) > 1 else 0, len(CASES)
for number in range(first, last):
    receiver, source, statement = CASES[number]
    names = dict(base)
    out = []
    try:
        if receiver is not None:
            names["x"] = eval(receiver, names)
        if statement:
            exec(source, names)
            result = names.get("r")
        else:
            result = eval(source, names)
        out.append(type(result).__name__ + " " + shown(result))
    except BaseException as error:
        out.append(f"{type(error).__name__}: {error}")
    if receiver is not None and "x" in names:
        try:
            out.append("x=" + shown(names["x"]))
        except BaseException as error:
            out.append(f"x {type(error).__name__}: {error}")
    print(number, quiet(" | ".join(out)), flush=True)
print("done")
'''

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
SKIP_METHODS = {"__hash__", "__buffer__", "__release_buffer__", "__del__", "__sizeof__", "__reduce__", "__reduce_ex__", "__doc__", "__subclasshook__", "__dir__", "__init_subclass__", "__class_getitem__", "__new__", "mro", "__subclasses__", "__weakref__", "__module__", "__builtins__", "__globals__", "__code__", "__dict__", "__basicsize__", "__dictoffset__", "__weakrefoffset__", "__itemsize__", "__flags__", "__traceback__", "gi_frame", "gi_code", "__annotate__", "__prepare__", "__text_signature__", "__base__", "__bases__", "__mro__", "__static_attributes__", "__firstlineno__"}  # fmt: skip
BUILTINS = ["abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr", "complex", "dict", "divmod", "enumerate", "filter", "float", "format", "frozenset", "getattr", "hasattr", "hash", "hex", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "memoryview", "min", "next", "oct", "ord", "pow", "print", "property", "range", "repr", "reversed", "round", "set", "setattr", "delattr", "slice", "sorted", "staticmethod", "classmethod", "str", "sum", "super", "tuple", "type", "vars", "zip", "aiter", "anext", "dir", "id", "object", "eval", "exec", "compile", "__import__", "globals", "locals", "input", "open", "BaseException", "ValueError", "OSError", "KeyError", "StopIteration", "UnicodeDecodeError", "UnicodeEncodeError", "ImportError", "NameError", "AttributeError", "SyntaxError", "ExceptionGroup", "BaseExceptionGroup", "SystemExit", "fn", "fn2"]  # fmt: skip
UNSAFE_CALLS = {"input", "open", "id", "dir", "vars", "globals", "locals", "exec", "eval", "compile", "__import__"}
MATH = ["acos", "atan2", "ceil", "comb", "copysign", "degrees", "dist", "exp", "fabs", "factorial", "floor", "fmod", "frexp", "fsum", "gcd", "hypot", "isclose", "isfinite", "isnan", "isqrt", "lcm", "ldexp", "log", "log10", "log2", "modf", "perm", "pow", "prod", "sqrt", "sumprod", "trunc", "ulp", "nextafter", "fma", "cbrt", "exp2", "remainder"]  # fmt: skip
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
            out.append(f"**{rng.choice(DICTS + CUSTOM)}")
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


def texts(rng, tables):
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


GENERATORS = {"methods": methods, "operators": operators, "builtins": builtins, "numbers": numbers, "formats": formats, "texts": texts}
WEIGHTS = {"methods": 5, "operators": 5, "builtins": 3, "numbers": 2, "formats": 3, "texts": 3}
# Programs that take all memory or time there is.
HEAVY = re.compile(r"2\*\*31.*\*|\* *\(?2\*\*|range\((-?\d+, *)?(2\*\*|10\*\*|12345)|\*2\*\*(31|62)|(bytes|bytearray|list|tuple|sum|sorted|set|max|min|all|any|dict|enumerate)\(.*range\(2|comb|perm|factorial\((2|1)|(zfill|ljust|rjust|center|expandtabs|tabsize|repeat|to_bytes|bytes|bytearray|bit_length|__mul__|__rmul__|__imul__)\(?.*2\*\*31|__l?r?shift__|__r?lshift__|__i?r?pow__|ldexp|print\(.*file")  # fmt: skip


def tables():
    scope = {}
    exec(PRELUDE, scope)  # only CPython's own names are asked for here
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


def generate(rng, count, kinds, methods_of):
    kinds = [kind for kind in kinds for _ in range(WEIGHTS[kind])]
    cases = []
    while len(cases) < count:
        case = GENERATORS[rng.choice(kinds)](rng, methods_of)
        if not HEAVY.search(f"{case[0]} {case[1]}"):
            cases.append(case)
    return cases


def script_for(cases):
    return PRELUDE + "\nCASES = " + "[\n" + "".join(f"  {case!r},\n" for case in cases) + "]\n" + RUNNER


def run(command, folder, name, cases):
    """The lines of each case, starting again behind one that ended the process."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(script_for(cases))
    lines = {}
    first = 0
    while first < len(cases):
        try:
            done = subprocess.run([*command, path, str(first)], capture_output=True, timeout=25, env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"}, cwd=folder)
            text, status = done.stdout.decode("utf-8", "replace"), done.returncode
            errors = done.stderr.decode("utf-8", "replace")[-300:]
        except subprocess.TimeoutExpired as error:
            text, status, errors = (error.stdout or b"").decode("utf-8", "replace"), "timeout", ""
        last = first - 1
        for line in text.split("\n"):
            number, _, rest = line.partition(" ")
            if number.isascii() and number.isdigit():
                lines[int(number)] = rest
                last = int(number)
        if text.rstrip().endswith("done"):
            break
        lines[last + 1] = f"!! the process ended: {status} {errors}"
        first = last + 2
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aio", default="target/fast/aio")
    parser.add_argument("--python", default="python3.13")
    parser.add_argument("--oracle", default=os.environ.get("AIO_ORACLE_314", ""))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(GENERATORS))
    parser.add_argument("--keep", default="", help="write the differences there as JSON")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    methods_of = json.loads(subprocess.run([options.python, "-c", f"import sys, json; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import fuzz_language; print(json.dumps(fuzz_language.tables()))"], capture_output=True, text=True, check=True).stdout)  # fmt: skip
    found = 0
    kept = []
    for seed in range(options.seed, options.seed + options.rounds):
        cases = generate(random.Random(seed), options.count, kinds, methods_of)
        with tempfile.TemporaryDirectory() as folder:
            ours = run([os.path.abspath(options.aio)], folder, "case.py", cases)
            theirs = run([options.python], folder, "case.py", cases)
            different = [number for number in range(len(cases)) if ours.get(number) != theirs.get(number)]
            different = [number for number in different if not any(re.search(pattern, theirs.get(number, "")) for pattern, _ in CHANGED) or options.oracle]
            newer = {}
            if options.oracle and different:
                answers = run(shlex.split(options.oracle), folder, "newer.py", [cases[number] for number in different])
                newer = {number: answers.get(at) for at, number in enumerate(different)}
            for number in different:
                if number in newer and newer[number] == ours.get(number):
                    continue
                receiver, source, statement = cases[number]
                found += 1
                kept.append([receiver, source, ours.get(number), theirs.get(number), newer.get(number)])
                print(f"seed {seed} case {number}: " + (f"x = {receiver}; " if receiver else "") + source)
                print(f"    aio  {ours.get(number)}\n    3.13 {theirs.get(number)}" + (f"\n    3.14 {newer[number]}" if newer.get(number) != theirs.get(number) and number in newer else ""), flush=True)  # fmt: skip
    if options.keep:
        with open(options.keep, "w", encoding="utf-8") as file:
            json.dump(kept, file)
    print(f"{options.count * options.rounds} programs, {found} differences")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
