"""Programs of several lines: control flow, calls, classes, generators, patterns, scopes, containers, tasks.

Each function takes a `random.Random` and returns the text of one program, which says what happens by calling `log`.
"""

import re

NAMES = "abcd"


class Writer:
    """Lines with an indentation."""

    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.depth = 0
        self.count = 0

    def add(self, text):
        for line in text.split("\n"):
            self.lines.append("    " * self.depth + line)

    def mark(self):
        """A number nothing else in the program has."""
        self.count += 1
        return self.count

    def text(self):
        return "\n".join(self.lines) + "\n"

    def inside(self, header, body, *args):
        self.add(header)
        self.depth += 1
        before = len(self.lines)
        body(*args)
        if len(self.lines) == before:
            self.add("pass")
        self.depth -= 1

    def tried(self, text, shown="log(r)"):
        """A statement whose exception is told."""
        self.add(f"try:\n    {text}\n    {shown}\nexcept Exception as e:\n    log(e)")


# ---------------------------------------------------------------- calls

KINDS_OF_FUNCTION = ["def", "def", "def", "method", "class", "static", "lambda", "nested", "init", "call", "async", "gen", "partial"]


def signature(rng, names):
    """Parameters, and the names they bind."""
    rng.shuffle(names)
    parts, bound = [], []
    defaults = False

    def parameter(name, default):
        nonlocal defaults
        defaults = defaults or default
        bound.append(name)
        return name + (f"={rng.randint(0, 9)}" if defaults else "")

    names = list(names)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        parts.append(parameter(names.pop(), rng.random() < 0.2))
    if parts:
        parts.append("/")
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        parts.append(parameter(names.pop(), rng.random() < 0.25))
    star = rng.random()
    if star < 0.25:
        parts.append("*args")
        bound.append("args")
    only = rng.choice([0, 0, 1, 2])
    if only and star >= 0.25:
        parts.append("*")
    for _ in range(only):
        name = names.pop()
        bound.append(name)
        parts.append(name + (f"={rng.randint(0, 9)}" if rng.random() < 0.5 else ""))
    if rng.random() < 0.25:
        parts.append("**kw")
        bound.append("kw")
    return ", ".join(parts), bound


def call_arguments(rng, names):
    parts = []
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4])):
        parts.append(str(rng.randint(10, 19)) if rng.random() < 0.9 else "*" + rng.choice(["[]", "[1, 2]", "'xy'", "()", "5", "None", "{1: 2}", "range(3)", "(i for i in 'q')"]))
    used = set()
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        name = rng.choice(names)
        if name not in used:
            used.add(name)
            parts.append(f"{name}={rng.randint(20, 29)}")
    if rng.random() < 0.2:
        parts.append("**" + rng.choice(["{}", f"{{'{rng.choice(names)}': 30}}", f"{{'{rng.choice(names)}': 30, '{rng.choice(names)}': 31}}", "{1: 2}", "5", "[]", "Mapping()", "{'self': 1}", "{'zz': 1}", "{'fn': 2}", "None"]))
    return ", ".join(parts)


def calls(rng):
    w = Writer(rng)
    names = list("abcdefg")
    text, bound = signature(rng, names)
    result = "(" + ", ".join(bound) + ("," if bound else "") + ")"
    comma = ", " if text else ""
    kind = rng.choice(KINDS_OF_FUNCTION)
    target = "f"
    if kind == "def":
        w.add(f"def f({text}): return {result}")
    elif kind == "lambda":
        w.add(f"f = lambda {text}: {result}")
    elif kind == "nested":
        w.add(f"def outer():\n    def f({text}): return {result}\n    return f\nf = outer()")
    elif kind == "method":
        w.add(f"class C:\n    def m(self{comma}{text}): return {result}")
        target = rng.choice(["C().m", "C().m", "C.m"])
    elif kind == "class":
        w.add(f"class C:\n    @classmethod\n    def m(cls{comma}{text}): return {result}")
        target = rng.choice(["C().m", "C.m"])
    elif kind == "static":
        w.add(f"class C:\n    @staticmethod\n    def m({text}): return {result}")
        target = rng.choice(["C().m", "C.m"])
    elif kind == "init":
        w.add(f"class C:\n    def __{rng.choice(['init', 'new'])}__(self{comma}{text}): log({result})")
        target = "C"
    elif kind == "call":
        w.add(f"class C:\n    def __call__(self{comma}{text}): return {result}")
        target = "C()"
    elif kind == "async":
        w.add(f"async def g({text}): return {result}\ndef f(*a, **k): return drive(g(*a, **k))")
    elif kind == "gen":
        w.add(f"def g({text}): yield {result}\ndef f(*a, **k): return list(g(*a, **k))")
    else:
        w.add(f"import functools\ndef g({text}): return {result}")
        w.tried(f"f = functools.partial(g, {call_arguments(rng, names).replace('**{1: 2}', '**{}')})", "pass")
    for _ in range(rng.randint(2, 6)):
        w.tried(f"r = {target}({call_arguments(rng, names + ['self', 'zz'])})")
    return w.text()


# ---------------------------------------------------------------- unpacking

ITERABLES = ["[1, 2]", "(1, 2, 3)", "'ab'", "range(3)", "{1: 2, 3: 4}", "[]", "()", "[1]", "(i for i in (1, 2))", "[[1, 2], [3, 4]]", "[(1, 'ab'), 3]", "5", "None", "{7}", "iter([1, 2, 3, 4])", "Seq(1, 2)", "Seq(1, (2, 3), 4)", "Raises()", "gen(1, 2, 3)", "L([5, 6])", "T((1, 2))", "[1, [2, [3, 4]], 5]", "'abcd'", "b'xy'", "zip('ab', 'cd')", "Mapping()", "Ops()"]  # fmt: skip


def target(rng, depth, starred=False):
    roll = rng.random()
    if depth <= 0 or roll < 0.6:
        return rng.choice(["a", "b", "c", "d", "e", "o.x", "o.y", "box[0]", "box[1:]", "box[0:1]", "t['k']"])
    count = rng.choice([1, 2, 2, 3, 3])
    parts = [target(rng, depth - 1) for _ in range(count)]
    if rng.random() < 0.45:
        at = rng.randrange(count)
        parts[at] = "*" + rng.choice(["a", "b", "rest", "o.z", "box[:]"])
    inside = ", ".join(parts) + ("," if count == 1 else "")
    return rng.choice(["({})", "[{}]"]).format(inside)


def unpacking(rng):
    w = Writer(rng)
    w.add("class O: pass\no = O(); box = [0, 0]; t = {}\na = b = c = d = e = rest = None")
    for _ in range(rng.randint(2, 4)):
        goal = target(rng, 3)
        goal = goal[1:-1] if goal[0] == "(" and rng.random() < 0.7 else goal
        source = rng.choice(ITERABLES)
        roll = rng.random()
        if roll < 0.6:
            w.tried(f"{goal} = {source}", "pass")
        elif roll < 0.75:
            w.tried(f"for {goal} in {rng.choice(['[' + source + ', ' + rng.choice(ITERABLES) + ']', source])}: log(a, b)", "pass")
        elif roll < 0.85:
            w.tried(f"{goal} = {target(rng, 2)} = {source}", "pass")
        else:
            w.tried("r = " + rng.choice([f"[*{source}, *{rng.choice(ITERABLES)}]", f"(*{source}, 1)", f"{{*{source}}}", f"{{**{source}, 'z': 1}}", f"fn(*{source}, *{rng.choice(ITERABLES)})", f"fn(**{source})", f"[*{source}][{rng.randint(-3, 3)}]"]))
        w.add("log(a, b, c, d, e, rest, box, t, o.__dict__)")
    return w.text()


# ---------------------------------------------------------------- control flow

CAUGHT = ["ValueError", "KeyError", "(ValueError, KeyError)", "Exception", "LookupError", "BaseException", "TypeError", "ZeroDivisionError", "ArithmeticError"]
RAISED = ["ValueError({})", "KeyError({})", "IndexError({})", "TypeError({})", "KeyboardInterrupt({})", "StopIteration({})", "ZeroDivisionError({})", "ExceptionGroup('g{}', [ValueError({}), KeyError(2)])"]


class Flow(Writer):
    """Nested statements that jump."""

    def condition(self):
        return self.rng.choice(["flip()", "flip()", "flip()", "i % 2", "not i", "True", "n > 1", "0", "i", "flip() and flip()", "flip() or i", "not flip()"])

    def raised(self):
        return self.rng.choice(RAISED).replace("{}", str(self.mark()))

    def block(self, depth, loop, function):
        for _ in range(self.rng.choice([1, 2, 2, 3])):
            self.statement(depth, loop, function)

    def statement(self, depth, loop, function):
        rng = self.rng
        roll = rng.random()
        if depth <= 0 or roll < 0.28:
            self.simple(loop, function)
        elif roll < 0.42:
            self.inside(f"if {self.condition()}:", self.block, depth - 1, loop, function)
            if rng.random() < 0.3:
                self.inside(f"elif {self.condition()}:", self.block, depth - 1, loop, function)
            if rng.random() < 0.4:
                self.inside("else:", self.block, depth - 1, loop, function)
        elif roll < 0.54:
            self.inside(f"for {rng.choice(['i', 'i', 'j'])} in {rng.choice(['range(3)', 'range(2)', '(1, 2)', 'gen(1, 2)', 'raising(2)', '[]'])}:", self.block, depth - 1, True, function)
            if rng.random() < 0.3:
                self.inside("else:", self.block, depth - 1, loop, function)
        elif roll < 0.6:
            name = f"w{self.mark()}"
            self.add(f"{name} = 0")
            self.add(f"while {name} < {rng.randint(1, 3)}:")
            self.depth += 1
            self.add(f"{name} += 1")
            self.block(depth - 1, True, function)
            self.depth -= 1
            if rng.random() < 0.3:
                self.inside("else:", self.block, depth - 1, loop, function)
        elif roll < 0.9:
            self.attempt(depth - 1, loop, function)
        else:
            managers = ", ".join(f"Manager({self.mark()}, {rng.choice(['False', 'False', 'True', 'None', 'ValueError', '1', '[]'])})" + rng.choice(["", f" as m{self.mark()}"]) for _ in range(rng.choice([1, 1, 2])))
            self.inside(f"with {managers}:", self.block, depth - 1, loop, function)

    def attempt(self, depth, loop, function):
        rng = self.rng
        self.inside("try:", self.block, depth, loop, function)
        groups = rng.random() < 0.15
        handlers = rng.choice([0, 1, 1, 2])
        for _ in range(handlers):
            name = rng.choice(["", " as e"])
            if groups:
                # No jumps out of `except*`.
                self.inside(f"except* {rng.choice(['ValueError', 'KeyError', '(ValueError, TypeError)', 'Exception'])} as e:", self.block_in_group, depth)
                continue
            self.add(f"except {rng.choice(CAUGHT)}{name}:")
            self.depth += 1
            self.add(f"log({self.mark()}, 'caught'{', e' if name else ''})")
            if rng.random() < 0.7:
                self.block(depth, loop, function)
            self.depth -= 1
        if handlers and not groups and rng.random() < 0.15:
            self.inside("except:", self.block, depth, loop, function)
        if handlers and rng.random() < 0.3:
            self.inside("else:", self.block, depth, loop, function)
        if not handlers or rng.random() < 0.45:
            self.inside("finally:", self.block, depth, loop, function)

    def block_in_group(self, depth):
        self.add(f"log({self.mark()}, e)")
        if self.rng.random() < 0.5:
            self.add(self.rng.choice(["raise", f"raise {self.raised()}", "raise e", f"raise {self.raised()} from e", "log(e.exceptions)"]))

    def simple(self, loop, function):
        rng = self.rng
        options = ["log", "log", "log", "raise", "raise", "assign", "call", "raise from", "reraise", "error", "assert", "del", "context"]
        if loop:
            options += ["break", "continue", "break", "continue"]
        if function:
            options += ["return", "return"]
        kind = rng.choice(options)
        if kind == "log":
            self.add(f"log({self.mark()}, n, i)")
        elif kind == "raise":
            self.add(f"raise {self.raised()}" if rng.random() < 0.6 else f"if {self.condition()}: raise {self.raised()}")
        elif kind == "raise from":
            self.add(f"raise {self.raised()} from {rng.choice(['None', self.raised(), 'ValueError', '5', 'last'])}")
        elif kind == "reraise":
            self.add(rng.choice(["raise", "if last: raise last", "raise 5", "raise int", "raise ValueError"]))
        elif kind == "assign":
            self.add(rng.choice(["n += 1", "n = i", "i = n", "last = sys.exception()", "n *= 2", "n, i = i, n", "n -= i"]))
        elif kind == "call":
            self.add(rng.choice(["log(raiser())", "log(fn(n))", "raiser()", "n = fn(i)[0]", "log(sys.exception())"]))
        elif kind == "error":
            self.add(rng.choice(["n / 0", "[][i]", "{}[i]", "n.missing", "missing", "None()", "i + 'a'", "x, y = i, n, i", "int('q')", "len(i)", "log(u)"]))
        elif kind == "assert":
            self.add(f"assert {self.condition()}, {self.mark()}")
        elif kind == "del":
            self.add(rng.choice(["del n", "del i", "n = 0", "i = 1"]))
        elif kind == "context":
            self.add("log(chain(sys.exception()))")
        elif kind == "return":
            self.add(f"return {self.mark()}" if rng.random() < 0.7 else rng.choice(["return", "return n, i", "return log('ret', n)"]))
        else:
            self.add(kind)


def flow(rng):
    w = Flow(rng)
    w.add(f"flip = flipper({rng.getrandbits(30)})")
    function = rng.random() < 0.85
    w.add("n = i = 0; last = None")
    if function:
        kind = rng.choice(["def f(n, i):", "def f(n, i):", "def f(n, i):", "async def f(n, i):"])
        w.add(kind)
        w.depth += 1
        w.add("last = None")
        w.block(3, False, True)
        w.depth -= 1
        call = "drive(f(1, 2))" if kind[0] == "a" else "f(1, 2)"
        w.add(f"try:\n    log('returned', {call})\nexcept BaseException as error:\n    log(chain(error))")
    else:
        w.block(3, False, False)
    return w.text()


# ---------------------------------------------------------------- generators


class Generator(Flow):
    """Control flow with yields in it."""

    may_nest = False

    def simple(self, loop, function):
        rng = self.rng
        roll = rng.random()
        if roll < 0.35:
            self.add(rng.choice([f"yield {self.mark()}", f"n = yield {self.mark()}", f"log({self.mark()}, (yield {self.mark()}))", "yield n", "i = yield"]))
        elif roll < 0.45:
            # Each inner generator may call the next; without an end of that the depth would be told.
            deeper = rng.choice(["yield from inner()", "n = yield from inner()", "log((yield from inner()))"]) if self.may_nest else "yield from gen(3)"
            self.add(rng.choice(["yield from gen(1, 2)", deeper, "yield from [7, 8]", deeper, deeper, "yield from 5", "yield from Sends()", "yield from iter(())"]))
        else:
            super().simple(loop, function)


class AsyncGenerator(Flow):
    """The same for `async def`."""

    def simple(self, loop, function):
        rng = self.rng
        roll = rng.random()
        if roll < 0.3:
            self.add(rng.choice([f"yield {self.mark()}", f"n = yield {self.mark()}", f"log({self.mark()}, (yield {self.mark()}))", "yield n"]))
        elif roll < 0.45:
            self.add(rng.choice([f"await Pause({self.mark()})", f"n = await Pause({self.mark()})", "async for j in again(2): log(j)", f"async with AManager({self.mark()}): log('in')", "log([k async for k in again(2)])", "await 5", "await again(1).asend(None)"]))
        elif rng.random() < 0.1 and function:
            self.add("return")
        else:
            while True:
                before = len(self.lines)
                super().simple(loop, function)
                if not any(line.strip().startswith("return ") for line in self.lines[before:]):
                    return
                del self.lines[before:]


def generators(rng):
    w = Generator(rng)
    w.add(f"flip = flipper({rng.getrandbits(30)})")
    w.inside("def inner(n=1, i=2):", w.block, 1, False, True)
    w.may_nest = True
    if "yield" not in "".join(w.lines):
        w.add("    yield 99")
    w.add("def g(n, i):")
    w.depth += 1
    w.add("last = None")
    w.block(3, False, True)
    w.add("yield 100")
    w.depth -= 1
    w.add("x = g(1, 2)")
    for _ in range(rng.randint(3, 8)):
        w.tried("r = " + rng.choice(["next(x)", "next(x)", "x.send(None)", "x.send(5)", "x.throw(ValueError(9))", "x.throw(KeyError)", "x.throw(StopIteration(3))", "x.throw(GeneratorExit)", "x.close()", "next(x, 'end')", "x.gi_running, x.gi_yieldfrom is None, x.gi_frame is None", "x.gi_suspended", "list(x)", "[*x]", "next(x)", "next(x)", "x.send('s')", "x.throw(ZeroDivisionError('z'))"]), "log(r)")  # fmt: skip
        w.lines[-2] = w.lines[-2].replace("Exception", "BaseException")
        w.lines[-1] = "    log(chain(e))"
    return w.text()


def async_generators(rng):
    w = AsyncGenerator(rng)
    w.add(f"flip = flipper({rng.getrandbits(30)})")
    w.add("async def g(n, i):")
    w.depth += 1
    w.add("last = None")
    w.block(3, False, True)
    w.add("yield 100")
    w.depth -= 1
    w.add("x = g(1, 2)")
    for _ in range(rng.randint(3, 8)):
        w.tried("r = drive(" + rng.choice(["anext(x)", "anext(x)", "x.asend(None)", "x.asend(5)", "x.athrow(ValueError(9))", "x.athrow(StopAsyncIteration)", "x.athrow(GeneratorExit)", "x.aclose()", "anext(x, 'end')", "x.__anext__()", "x.asend('s')", "x.athrow(KeyError('k'))"]) + ")", "log(r)")  # fmt: skip
        w.lines[-2] = w.lines[-2].replace("Exception", "BaseException")
        w.lines[-1] = "    log(chain(e))"
    return w.text()


# ---------------------------------------------------------------- match

SUBJECTS = ["1", "2.0", "True", "None", "'ab'", "b'ab'", "[]", "[1, 2]", "(1, [2, 3])", "[1, 2, 3, 4]", "{'a': 1}", "{'a': 1, 'b': [2]}", "{}", "P(1, 2)", "P(0, 'z')", "Q(x=1)", "range(3)", "{1, 2}", "L([1])", "D(a=1)", "S('s')", "I(1)", "-1", "1j", "(1+2j)", "gen(1)", "Color.RED", "T((1, 2))", "bytearray(b'a')", "Seq(1, 2)", "Always()", "[P(1, 2), {'a': None}]", "'a'", "0", "-0.0", "frozenset()", "{1: 2, None: 3}", "P(P(1, 2), [3])"]  # fmt: skip


def pattern(rng, depth, names, irrefutable=False):
    roll = rng.random()

    def capture():
        free = [name for name in "abcdefghkm" if name not in names]
        if not free:
            return "_"
        name = rng.choice(free)
        names.add(name)
        return name

    if depth <= 0 or roll < 0.25:
        kind = rng.random()
        if irrefutable and kind < 0.4:
            return capture()
        if kind < 0.55:
            return rng.choice(["1", "2.0", "True", "None", "'ab'", "b'ab'", "-1", "0", "1+2j", "-1j", "'a'", "'s'", "False", "Color.RED", "Color.X"])
        if kind < 0.65:
            return rng.choice(["int()", "str()", "float()", "bool()", "list()", "object()", "P()", "dict()", "bytes()", "tuple()"])
        return capture() if irrefutable else rng.choice(["int", "str", "list", "bytes", "bool", "float", "dict", "tuple", "set", "frozenset", "bytearray"]) + f"({capture()})"
    if roll < 0.5:
        count = rng.choice([0, 1, 2, 2, 3, 4])
        parts = [pattern(rng, depth - 1, names, True) for _ in range(count)]
        if count and rng.random() < 0.4:
            parts[rng.randrange(count)] = rng.choice(["*_", "*" + capture()])
        return rng.choice(["[{}]", "({})"]).format(", ".join(parts) + ("," if count == 1 else ""))
    if roll < 0.68:
        keys = rng.sample(["'a'", "'b'", "1", "None", "'z'", "-1", "Color.RED"], rng.choice([0, 1, 1, 2]))
        parts = [f"{key}: {pattern(rng, depth - 1, names, True)}" for key in keys]
        if rng.random() < 0.3:
            parts.append("**" + (capture() if capture != "_" else "rest"))
            if parts[-1] == "**_":
                parts.pop()
        return "{" + ", ".join(parts) + "}"
    if roll < 0.86:
        name = rng.choice(["P", "P", "Q", "int", "str", "list", "dict", "object", "Color", "Nm", "fn", "Raising", "Bad"])
        parts = [pattern(rng, depth - 1, names, True) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
        parts += [f"{key}={pattern(rng, depth - 1, names, True)}" for key in rng.sample(["x", "y", "real", "z"], rng.choice([0, 0, 1, 2]))]
        return f"{name}({', '.join(parts)})"
    if roll < 0.93:
        return f"({pattern(rng, 0, set(names) | set('abcdefghkm'))} | {pattern(rng, 0, set(names) | set('abcdefghkm'))})"
    inner = pattern(rng, depth - 1, names)
    name = capture()
    return f"({inner} as {name})" if "_" not in (inner, name) else inner


def matching(rng):
    w = Writer(rng)
    w.add("import enum\nclass P:\n    __match_args__ = ('x', 'y')\n    def __init__(self, x, y): self.x, self.y = x, y\n    def __repr__(self): return f'P({self.x}, {self.y})'\nclass Q:\n    def __init__(self, **k): self.__dict__.update(k)\n    def __repr__(self): return 'Q'\nclass Color(enum.Enum): RED = 1\nclass Nm: __match_args__ = 'x'\nclass Bad: __match_args__ = (1,)\nclass Raising:\n    @property\n    def x(self): raise KeyError('prop')")
    w.add("def f(s):")
    w.depth += 1
    w.add("match s:")
    w.depth += 1
    for number in range(rng.randint(1, 4)):
        names = set()
        text = pattern(rng, 3, names)
        guard = rng.choice(["", "", "", f" if {rng.choice(sorted(names))}" if names else "", " if flip()"])
        w.add(f"case {text}{guard}: return ({number}, {', '.join(sorted(names))})")
    w.depth -= 2
    w.add(f"flip = flipper({rng.getrandbits(30)})")
    for _ in range(rng.randint(2, 6)):
        w.tried(f"r = f({rng.choice(SUBJECTS)})")
    return w.text()


# ---------------------------------------------------------------- scopes


class Scopes(Writer):
    """Functions and classes within each other that read and write the same names."""

    def block(self, depth, kind, declared):
        rng = self.rng
        roll = rng.random()
        used = set()
        if kind == "def" and roll < 0.5:
            name = rng.choice(NAMES)
            word = rng.choice(["global", "nonlocal"]) if name in declared else "global"
            self.add(f"{word} {name}")
            used.add(name)
        assigned = set()
        for _ in range(rng.randint(2, 5)):
            roll = rng.random()
            name = rng.choice(NAMES)
            if roll < 0.25:
                self.add(f"{name} = {self.mark()}")
                assigned.add(name)
            elif roll < 0.5:
                self.tried(f"log({self.mark()}, {rng.choice([name, name, name, f'[{name} for k in (1, 2)]', f'(lambda {rng.choice(NAMES)}=3: {name})()', f'{{{name}: k for k in (4,)}}', f'[(lambda: ({name}, k))() for k in (5, 6)]', f'list({name} for _ in (1,))', f'({name} := {self.mark()})', f'[{rng.choice(NAMES)} for _ in (1,) if ({name}, 1)]', 'sorted(k for k in locals() if len(k) == 1)', f'{chr(34)}{name}{chr(34)} in globals()', f'f{chr(34)}{{{name}}}{chr(34)}'])})", "pass")  # fmt: skip
            elif roll < 0.58:
                self.tried(f"del {name}", "pass")
                assigned.add(name)
            elif roll < 0.65:
                self.tried(f"{name} += 100", "pass")
                assigned.add(name)
            elif roll < 0.7:
                self.add(f"try: 1 / 0\nexcept ZeroDivisionError as {name}: pass")
            elif roll < 0.75:
                self.add(f"for {name} in (8, 9): pass")
            elif depth > 0 and roll < 0.92:
                inner = f"f{self.mark()}"
                parameter = rng.choice(["", "", rng.choice(NAMES), f"{name}={self.mark()}"])
                inherited = declared | assigned if kind == "def" else declared
                self.inside(f"def {inner}({parameter}):", self.block, depth - 1, "def", (inherited if kind == "def" else declared) - set(parameter[:1]))
                self.tried(f"{inner}({'77' if parameter and '=' not in parameter else ''})", "pass")
            elif depth > 0:
                inner = f"K{self.mark()}"
                self.inside(f"class {inner}:", self.block, depth - 1, "class", declared | assigned if kind == "def" else declared)
                self.add(f"log(sorted(k for k in {inner}.__dict__ if len(k) == 1))")


def scopes(rng):
    for _ in range(20):
        w = Scopes(rng)
        w.add("a = 'A'; b = 'B'")
        w.inside("def outer(c):", w.block, 3, "def", set())
        w.tried("outer('C')", "pass")
        w.add("log([n for n in 'abcd' if n in globals()])")
        try:
            compile(w.text(), "<case>", "exec")
        except SyntaxError:
            continue
        return w.text()
    return w.text()


# ---------------------------------------------------------------- classes

RESULTS = ["NotImplemented", "NotImplemented", "('{name}', show(other))", "raise KeyError('{name}')", "1", "None", "self", "other", "'text'", "True", "-1", "[1]", "super().__{name}__(other)", "0", "2.5", "'{name}'"]
BINARY_NAMES = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "and", "or", "xor", "matmul", "divmod"]
BINARY_SIGNS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "lshift": "<<", "and": "&", "or": "|", "xor": "^", "matmul": "@"}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
UNARY = {"neg": "-x", "pos": "+x", "invert": "~x", "abs": "abs(x)", "len": "len(x)", "bool": "bool(x)", "int": "int(x)", "float": "float(x)", "complex": "complex(x)", "index": "[1, 2, 3][x]", "hash": "hashed(x)", "str": "str(x)", "repr": "repr(x)", "bytes": "bytes(x)", "iter": "list(x)", "next": "next(x)", "reversed": "list(reversed(x))", "trunc": "math.trunc(x)", "floor": "math.floor(x)", "ceil": "math.ceil(x)", "length_hint": "operator.length_hint(x)", "dir": "dir(x)", "fspath": "os.fspath(x)", "enter": "x.__enter__()", "await": "drive(x)", "round": "round(x)"}  # fmt: skip
ONE = {"contains": "{o} in x", "getitem": "x[{o}]", "delitem": "del x[{o}]", "getattr": "x.zzz", "delattr": "del x.q", "format": "format(x, 'spec')", "call": "x({o})", "missing": "x[{o}]", "instancecheck": "isinstance({o}, x)", "getattribute": "x.q"}


def method_body(rng, name):
    text = rng.choice(RESULTS).replace("{name}", name)
    if name == "dir":
        # How an argument that it doesn't take is refused depends on how often the call was made.
        text = text.replace("__dir__(other)", "__dir__()")
    if not text.startswith("raise"):
        text = "return " + text
    return text


def classes(rng):
    w = Writer(rng)
    w.add("import math, operator, os\nother = 'none'\ndef show(v): return type(v).__name__\ndef hashed(v): h = hash(v); return h if abs(h) < 1 << 20 else 'hashed'")
    base = rng.choice(["", "", "", "", "int", "str", "list", "dict", "tuple", "float", "set", "bytes", "frozenset", "Exception"])
    names = BINARY_NAMES + list(COMPARISONS) + list(UNARY) + list(ONE)
    made = []
    chosen = rng.sample(names, rng.randint(2, 6))
    for at, name in enumerate("XYZ"[: rng.randint(1, 3)]):
        bases = rng.choice([base, made[-1] if made else base, made[-1] if made else base]) if at else base
        w.add(f"class {name}({bases}):")
        w.depth += 1
        w.add(f"def __repr__(self): return '{name}()'")
        if rng.random() < 0.1:
            w.add("__hash__ = None")
        if rng.random() < 0.05:
            w.add("__slots__ = ('q',)")
        for dunder in rng.sample(chosen, rng.randint(1, len(chosen))):
            if dunder in ("repr", "getattribute") and rng.random() < 0.7:
                continue
            if dunder in BINARY_NAMES:
                for prefix in rng.sample(["", "r", "i"], rng.choice([1, 1, 2, 3])):
                    if prefix == "i" and dunder == "divmod":
                        continue
                    w.add(f"def __{prefix}{dunder}__(self, other): log('{name}.{prefix}{dunder}', show(other)); {method_body(rng, prefix + dunder)}")
            elif dunder in COMPARISONS or dunder in ONE:
                w.add(f"def __{dunder}__(self, other): log('{name}.{dunder}', show(other)); {method_body(rng, dunder)}")
            elif dunder == "length_hint" and base in ("set", "frozenset"):
                continue  # 3.13 asks it to show a set
            elif dunder == "trunc":
                # 3.13 asks it for an int too, if there is nothing else to ask.
                w.add(f"def __int__(self): log('{name}.int'); return 8\ndef __trunc__(self): log('{name}.trunc'); {method_body(rng, dunder)}".replace("show(other)", "5"))
            elif rng.random() < 0.07:
                w.add(f"__{dunder}__ = {rng.choice(['None', '5', 'lambda self: 3', 'property(lambda self: lambda *a: 4)', 'staticmethod(lambda *a: 6)', 'classmethod(lambda *a: 7)'])}")
            else:
                w.add(f"def __{dunder}__(self): log('{name}.{dunder}'); {method_body(rng, dunder)}".replace("show(other)", "5"))
        w.depth -= 1
        made.append(name)
    operations = []
    for dunder in chosen:
        if dunder in BINARY_SIGNS:
            operations += [f"r = {{x}} {BINARY_SIGNS[dunder]} {{o}}", f"r = {{o}} {BINARY_SIGNS[dunder]} {{x}}", f"r = {{x}}; r {BINARY_SIGNS[dunder]}= {{o}}"]
        elif dunder == "divmod":
            operations += ["r = divmod({x}, {o})", "r = divmod({o}, {x})"]
        elif dunder in COMPARISONS:
            operations += [f"r = {{x}} {COMPARISONS[dunder]} {{o}}", f"r = {{o}} {COMPARISONS[dunder]} {{x}}", "r = {x} in [{o}]", "r = max({x}, {o})", "r = sorted([{x}, {o}])", "r = [{o}, {x}].index({x})", "r = ({x},) < ({o},)"]
        elif dunder in UNARY:
            operations += ["r = " + UNARY[dunder].replace("x", "{x}", 1) if dunder != "next" and dunder != "index" else "r = " + UNARY[dunder].replace("x)", "{x})").replace("[x]", "[{x}]")]
        else:
            text = ONE[dunder]
            operations += [("" if text.startswith("del") else "r = ") + text.replace("x[", "{x}[").replace("in x", "in {x}").replace("x.", "{x}.").replace("(x,", "({x},").replace("x(", "{x}(").replace(", x)", ", {x})")]
    operations += ["r = if_true({x})", "r = '%d %s' % ({x}, {x})", "r = f'{{x}:>5}'", "r = '%x' % {x}", "r = [1, 2, 3][{x}:]", "r = list({x})", "r = dict([({x}, 1)])", "r = sum([{x}, {o}])", "r = range({x})", "r = 'a' * {x}", "r = {x}()", "r = {x} == {x}", "r = not {x}", "r = str({x}), repr({x})", "r = [*{x}]", "r = {x}.q", "r = {o}[{x}]", "r = {{x}: 1}[{x}]", "r = min([{x}, {o}], key=lambda v: v)", "r = round({x}, 1)", "r = {x} and {o}", "r = chr({x})", "r = ''.join([{x}])", "r = isinstance({x}, {o})", "with {x} as r: pass", "for r in {x}: break"]  # fmt: skip
    others = [f"{name}({inside})" for name in made for inside in ["", "", "3", "'ab'"]] + ["1", "2.5", "'s'", "None", "[1]", "X", "(1,)", "True"]
    for _ in range(rng.randint(4, 8)):
        first = rng.choice(made) + "(" + rng.choice(["", "", "", "2", "'cd'", "[4]"]) + ")"
        text = rng.choice(operations).replace("{x}", first).replace("{o}", rng.choice(others))
        w.tried(text)
    return w.text()


ATTRIBUTE_MEMBERS = [
    "v = {n}",
    "def v(self): return ('method', {n})",
    "@property\ndef v(self): log('get', {n}); return {n}",
    "@property\ndef v(self): raise AttributeError('inner{n}')",
    "v = property(None, lambda self, value: log('set', {n}, value))",
    "@classmethod\ndef v(cls): return (cls.__name__, {n})",
    "@staticmethod\ndef v(): return {n}",
    "v = Data({n})",
    "v = Plain({n})",
    "def __getattr__(self, name): log('getattr', name); return {n}",
    "def __getattr__(self, name): raise AttributeError(name)",
    "def __getattribute__(self, name): log('getattribute', name); return super().__getattribute__(name)",
    "def __setattr__(self, name, value): log('setattr', name, value); super().__setattr__(name, value)",
    "def __delattr__(self, name): log('delattr', name); super().__delattr__(name)",
    "__slots__ = ('v',)",
    "__slots__ = ('w', '__dict__')",
    "__slots__ = ()",
    "def __init__(self): self.v = {n}; self.w = 'w'",
    "def __init__(self): super().__init__(); log('init', {n})",
    "def __new__(cls, *a): log('new', cls.__name__, {n}); return super().__new__(cls)",
    "def __init_subclass__(cls, **k): log('sub', cls.__name__, k); super().__init_subclass__(**k)",
    "def __class_getitem__(cls, item): return (cls.__name__, item)",
    "def __set_name__(self, owner, name): log('name', name)",
    "w: int = {n}",
    "v = w = {n}",
    "v = super",
    "def w(self): return super().w()",
    "def v(self): return super().v",
    "w = Plain({n})",
    "def w(self): return __class__.__name__",
    "__v = {n}\ndef w(self): return self.__v",
    "import functools\n@functools.cached_property\ndef v(self): log('cached', {n}); return {n}",
    "def __dir__(self): return ['z', 'a']",
    "class v: u = {n}",
    "__match_args__ = ('v',)",
    "def __eq__(self, other): return True",
    "v = len",
    "v = int",
    "v = lambda *a: len(a)",
]
ATTRIBUTE_USES = ["r = {x}.v", "r = {x}.v", "r = {x}.w", "{x}.v = 5; r = {x}.__dict__", "{x}.w = 6", "del {x}.v", "del {x}.w", "r = {x}.v()", "r = {x}.w()", "r = {C}.v", "r = {C}.w", "{C}.v = 7", "del {C}.v", "r = {C}['k']", "r = getattr({x}, 'v', 'default')", "r = hasattr({x}, 'v')", "r = vars({x})", "r = sorted(k for k in dir({x}) if len(k) == 1)", "r = {C}.__mro__", "r = {x}.v.u", "{x}.new = 1; r = {x}.new", "r = {C}.__dict__['v']", "r = type({x}).__name__", "r = {x}.__class__.__bases__", "{x}.__class__ = A; r = type({x}).__name__", "r = {x} == {x}, hash({x}) == hash({x})", "r = {C}(1)", "r = {C}(k=1)", "r = super({C}, {x}).v", "r = {C}.__init__", "r = {C}.__qualname__, {C}.__module__", "r = {C}.__slots__", "{C}.v = property(lambda self: 'late'); r = {x}.v", "{x}.__dict__['v'] = 8; r = {x}.v", "r = object.__getattribute__({x}, 'v')", "r = {C}.__annotations__", "r = {x}.v + 1", "{x}.v += 1; r = {x}.v", "{C}.__getattr__ = lambda self, n: n; r = {x}.qq", "r = {x}.nope", "r = {C}.nope"]  # fmt: skip


def attributes(rng):
    w = Writer(rng)
    w.add("class Data:\n    def __init__(self, n): self.n = n\n    def __get__(self, obj, owner): log('dget', obj is None, owner.__name__); return self.n\n    def __set__(self, obj, value): log('dset', value)\n    def __delete__(self, obj): log('ddel')\n    def __set_name__(self, owner, name): log('named', owner.__name__, name)\nclass Plain:\n    def __init__(self, n): self.n = n\n    def __get__(self, obj, owner=None): log('pget', obj is None); return self.n")
    made = []
    for name in "ABCD"[: rng.randint(2, 4)]:
        bases = rng.sample(made, min(len(made), rng.choice([0, 1, 1, 2])))
        if rng.random() < 0.1:
            bases.append(rng.choice(["dict", "int", "str", "object", "list", "Exception", "tuple"]))
        if rng.random() < 0.08:
            bases.append("k=1")
        w.add("try:")
        w.depth += 1
        w.add(f"class {name}({', '.join(bases)}):")
        w.depth += 1
        for member in rng.sample(ATTRIBUTE_MEMBERS, rng.choice([1, 1, 2, 2, 3])):
            w.add(member.replace("{n}", str(w.mark())))
        w.depth -= 2
        w.add(f"except Exception as e:\n    log(e); {name} = {made[-1] if made else 'object'}")
        made.append(name)
    for name in made:
        w.add(f"try: {name.lower()} = {name}()\nexcept Exception as e: log(e); {name.lower()} = None")
    for _ in range(rng.randint(4, 9)):
        name = rng.choice(made)
        text = rng.choice(ATTRIBUTE_USES).replace("{C}", name).replace("{x}", name.lower())
        w.tried(text if text.startswith("r =") or "; r =" in text else text + "; r = 'done'")
    return w.text()


# ---------------------------------------------------------------- containers

CONTAINERS = {
    "list": (["[]", "[3, 1, 2]", "list('abca')", "[1, 2, 3, 4, 5, 6]", "[[1], [2]]"], ["append({v})", "extend({s})", "insert({i}, {v})", "pop()", "pop({i})", "remove({v})", "index({v})", "count({v})", "reverse()", "sort()", "sort(key={k})", "sort(reverse=True, key={k})", "copy()", "clear()", "index({v}, {i}, {i})", "__iadd__({s})", "__imul__({n})"]),
    "bytearray": (["bytearray()", "bytearray(b'abc')", "bytearray(b'hello world')"], ["append({n})", "extend({b})", "insert({i}, {n})", "pop()", "pop({i})", "remove({n})", "reverse()", "clear()", "find({b})", "replace({b}, {b})", "split({b})", "partition({b})", "strip({b})", "translate(None, {b})", "join([{b}, {b}])", "upper()", "hex('-', {i})", "center({n}, b'*')", "copy()", "startswith({b}, {i})", "count({b})", "rfind({b}, {i})"]),
    "dict": (["{}", "{'a': 1, 'b': 2}", "dict.fromkeys('abc')", "{1: 'x', 2: 'y', 3: 'z'}"], ["get({v})", "pop({v})", "pop({v}, {v})", "popitem()", "setdefault({v})", "setdefault({v}, {v})", "update({p})", "update({p}, a={v})", "keys()", "items()", "values()", "clear()", "copy()", "__contains__({v})", "fromkeys({s}, {v})", "keys() & {s}", "keys() | {s}", "keys() - {s}", "items() ^ {p}", "keys() <= {e}", "keys().isdisjoint({s})", "__or__({p})", "__ior__({p})", "__reversed__()", "items() == {p}.items()"]),
    "set": (["set()", "{1, 2, 3}", "set('abcde')", "{(1,), 'a', 2.5}", "set(range(20))"], ["add({v})", "discard({v})", "remove({v})", "pop()", "update({s})", "union({s}, {s})", "intersection({s})", "difference({s}, {s})", "symmetric_difference({s})", "intersection_update({s})", "difference_update({s})", "symmetric_difference_update({s})", "issubset({s})", "issuperset({s})", "isdisjoint({s})", "copy()", "clear()", "__or__({e})", "__and__({e})", "__sub__({e})", "__xor__({e})", "__le__({e})", "__lt__({e})", "__ior__({e})", "__iand__({e})", "__isub__({e})", "__ixor__({e})"]),
    "deque": (["deque()", "deque('abc')", "deque([1, 2, 3], 3)", "deque(range(5), maxlen=7)"], ["append({v})", "appendleft({v})", "pop()", "popleft()", "extend({s})", "extendleft({s})", "rotate({i})", "rotate()", "remove({v})", "index({v})", "index({v}, {i})", "insert({i}, {v})", "count({v})", "reverse()", "copy()", "clear()", "maxlen", "__add__(deque({s}))", "__imul__({n})", "__lt__(deque({s}))"]),
    "OrderedDict": (["OrderedDict()", "OrderedDict(a=1, b=2)", "OrderedDict([(1, 2), (3, 4)])"], ["move_to_end({v})", "move_to_end({v}, last=False)", "popitem()", "popitem(False)", "pop({v}, None)", "update({p})", "setdefault({v}, 1)", "__eq__(dict({p}))", "__or__({p})", "get({v})", "copy()"]),
    "Counter": (["Counter()", "Counter('abca')", "Counter(a=3, b=-1)", "Counter({1: 2, 2: 0})"], ["most_common()", "most_common({i})", "update({s})", "subtract({s})", "elements()", "total()", "__add__(Counter({s}))", "__sub__(Counter({s}))", "__and__(Counter({s}))", "__or__(Counter({s}))", "__getitem__({v})", "__le__(Counter({s}))", "__eq__(Counter({s}))", "__pos__()", "__neg__()", "pop({v})", "items()", "update(a={i})"]),
    "defaultdict": (["defaultdict(int)", "defaultdict(list, {'a': [1]})", "defaultdict()", "defaultdict(None, a=1)"], ["__getitem__({v})", "get({v})", "default_factory", "__missing__({v})", "update({p})", "pop({v})", "items()", "copy()", "__or__({p})", "setdefault({v})"]),
    "array": (["array('i', [1, 2, 3])", "array('b')", "array('d', [1.5, 2])", "array('u', 'ab')", "array('B', b'xyz')"], ["append({v})", "extend({s})", "insert({i}, {n})", "pop()", "pop({i})", "remove({v})", "index({v})", "count({v})", "reverse()", "tolist()", "tobytes()", "byteswap()", "fromlist({s})", "frombytes({b})", "itemsize", "typecode", "buffer_info()[1]", "__add__({s})", "__imul__({n})"]),
    "memoryview": (["memoryview(bytearray(b'abcdefgh'))", "memoryview(b'abcd')", "memoryview(bytearray(8)).cast('i')", "memoryview(bytearray(b'abcdefgh')).cast('B', [2, 4])", "memoryview(bytearray(b'abcdefgh'))[::2]", "memoryview(array('h', [1, 2, 3]))"], ["tolist()", "tobytes()", "cast('b')", "cast('H')", "cast('c')", "cast('B', ({n}, {n}))", "cast('B')", "hex()", "hex(':')", "release()", "shape", "strides", "format", "nbytes", "itemsize", "contiguous", "ndim", "toreadonly()", "readonly", "obj", "__eq__({b})", "suboffsets", "c_contiguous"]),
    "str": (["'abc'", "'Hello World'", "'ßéİ'"], ["partition({t})", "split({t}, {i})", "replace({t}, {t}, {i})", "find({t}, {i}, {i})", "translate({p})", "join({s})", "center({n}, {t})", "zfill({n})", "expandtabs({i})", "encode({t})", "startswith(({t}, {t}), {i})", "maketrans({t}, {t})", "removeprefix({t})", "splitlines()", "title()", "casefold()", "format_map({p})", "rsplit(None, {i})", "strip({t})", "isidentifier()"]),
}  # fmt: skip
CONTAINER_USES = ["{m}", "{m}", "{m}", "{m}", "{m}", "{m}", "r = x[{i}]", "x[{i}] = {v}", "del x[{i}]", "r = x[{l}]", "x[{l}] = {s}", "del x[{l}]", "r = x + {s}", "x += {s}", "x *= {n}", "r = x * {n}", "r = {v} in x", "r = len(x)", "r = list(x)", "r = sorted(x, key=str)", "r = x == {e}", "r = x < {e}", "r = x[{v}]", "x[{v}] = {v}", "del x[{v}]", "r = list(reversed(x))", "r = bool(x)", "r = max(x, default={v})", "r = x | {e}", "x |= {e}", "r = x & {e}", "r = x - {e}", "r = x ^ {e}", "r = copy.copy(x)", "r = copy.deepcopy(x)", "r = hash(x)", "r = repr(x)", "it = iter(x); r = next(it); {m}; r = (r, list(it))", "r = []\n    for item in x:\n        r.append(item)\n        if len(r) < 4: x.{mm}", "r = min(x)", "r = sum(x, {v})", "a, *b = x; r = (a, b)", "r = x.nothing", "r = [i for i in x if i != {v}]", "r = pickle.loads(pickle.dumps(x))", "r = zip(x, x)", "r = type(x)(x)"]  # fmt: skip


def container_text(rng, text):
    pools = {
        "{v}": ["1", "2", "'a'", "'b'", "None", "2.5", "(1,)", "[1]", "0", "True", "97", "300", "-1", "'ab'", "Unhash()", "NAN", "Idx(1)"],
        "{i}": ["0", "1", "-1", "2", "-2", "5", "-7", "100", "None", "'a'", "Idx(1)", "2**70", "True", "1.0"],
        "{n}": ["0", "1", "2", "3", "-1", "4", "97", "98", "255", "256", "2**62", "'a'"],
        "{s}": ["[]", "'ab'", "[1, 2]", "(2, 3)", "{1, 'a'}", "range(3)", "x", "5", "{'a': 1}", "b'bc'", "[1, 2, 3, 4]", "None", "iter('bc')", "(i for i in (1, 2))", "[[1]]", "[1.5]"],
        "{e}": ["{1, 2}", "[1, 2, 3]", "set()", "{'a': 1}", "frozenset('ab')", "(1, 2)", "x", "{}", "'ab'", "deque([1])", "{}.keys()", "{'a': 1}.keys()", "bytearray(b'abc')"],
        "{p}": ["{}", "{'a': 1}", "[('a', 2)]", "[(1, 2), ('b', 3)]", "{97: 'z', 98: None}", "x", "[1]", "['ab', 'cd']", "5", "{1: 5, 3: 6}.items()", "Mapping()", "[(1, 2, 3)]"],
        "{b}": ["b''", "b'a'", "b'l'", "b'bc'", "bytearray(b'o')", "'a'", "97", "None", "b' '", "memoryview(b'b')"],
        "{t}": ["''", "'a'", "'l'", "'bc'", "' '", "'o W'", "None", "b'a'", "'ß'", "'utf-8'", "1"],
        "{k}": ["None", "str", "len", "abs", "lambda v: -v", "lambda v: 0", "repr", "lambda: 0", "type"],
        "{l}": ["::2", "1:", ":-1", "::-1", "1:3", "5:2", "::0", "-3::2", "2:2", ":", "None:None:None", "'a':", "1:100:3", "::-2", "10::-1"],
    }  # fmt: skip
    for key, pool in pools.items():
        while key in text:
            value = rng.choice(pool)
            text = text.replace(key, value, 1)
    return text


def containers(rng):
    w = Writer(rng)
    kind = rng.choice(list(CONTAINERS))
    starts, ways = CONTAINERS[kind]
    w.add("import copy, pickle\nfrom collections import *\nfrom array import array\nNAN = float('nan')")
    w.add(f"x = {rng.choice(starts)}")
    for _ in range(rng.randint(3, 9)):
        text = rng.choice(CONTAINER_USES)
        method = rng.choice(ways)
        if "{mm}" in text and not any(part in method for part in ("append", "add", "pop", "remove", "discard", "clear", "insert", "update", "setdefault", "rotate", "reverse", "sort", "move")):
            text = "{m}"
        text = text.replace("{mm}", method).replace("{m}", f"r = x.{method}")
        text = container_text(rng, text)
        w.add(f"r = None\ntry:\n    {text}\n    log(r, x)\nexcept Exception as e:\n    log(e, x)")
    return w.text()


# ---------------------------------------------------------------- expressions

ATOMS = ["1", "2", "0", "-3", "2.5", "'ab'", "'c'", "[1, 2]", "(3, 4)", "{'k': 1}", "{1, 2}", "None", "True", "v", "v", "w", "b'xy'", "range(4)", "1j", "'%s'", "10**20", "[]", "''"]


def expression(rng, depth):
    """A nested expression over the names `v` and `w`."""
    e = lambda: expression(rng, depth - 1)
    if depth <= 0 or rng.random() < 0.12:
        return rng.choice(ATOMS)
    kind = rng.randrange(22)
    if kind < 3:
        return f"({e()} {rng.choice(['+', '-', '%', '//', '/', '&', '|', '^', '+', '+'])} {e()})"
    if kind == 3:
        return f"({e()} {rng.choice(['<', '<=', '==', '!=', '>', 'in', 'not in', 'is'])} {e()}" + (f" {rng.choice(['<', '==', '>=', 'in'])} {e()})" if rng.random() < 0.3 else ")")
    if kind == 4:
        return f"({e()} {rng.choice(['and', 'or'])} {e()})"
    if kind == 5:
        return f"({e()} if {e()} else {e()})"
    if kind == 6:
        return rng.choice(["[{e} for v in {i}]", "[v for v in {i} if {e}]", "{{v: {e} for v in {i}}}", "{{{e} for w in {i}}}", "list({e} for v in {i})", "[({e}, w) for v in {i} for w in {i}]", "sum({e} for v in {i})", "any({e} for v in {i})", "[w for v in {i} if (w := {e})]"]).replace("{{", "{").replace("}}", "}").replace("{e}", e(), 1).replace("{i}", e(), 1).replace("{i}", "(1, 2)")  # fmt: skip
    if kind == 7:
        return f"(lambda v, w={e()}: {e()})({e()})"
    if kind == 8:
        return f"{e()}[{rng.choice([e(), slice_part(rng), slice_part(rng)])}]"
    if kind == 9:
        return rng.choice(["sorted({e})", "sorted({e}, key=lambda v: {f})", "max({e}, key=lambda v: {f}, default={g})", "min({e}, {f})", "list(map(lambda v: {f}, {e}))", "list(filter(lambda v: {f}, {e}))", "list(zip({e}, {f}))", "list(enumerate({e}, {f}))", "list(reversed({e}))", "sum({e}, {f})", "tuple({e})", "set({e})", "dict(zip({e}, {f}))", "len({e})", "abs({e})", "str({e})", "repr({e})", "int({e})", "float({e})", "bool({e})", "round({e}, {f})", "divmod({e}, {f})", "all({e})", "list({e})", "next(iter({e}))", "type({e})", "isinstance({e}, ({f}, int))", "format({e}, {f})", "hash({e}) == hash({f})", "bytes({e})", "chr({e})", "ord({e})", "getattr({e}, {f})", "slice({e}, {f}).indices({g})", "range({e}, {f})", "complex({e}, {f})", "frozenset({e})", "bytearray({e})", "pow({e}, {f}, {g})", "ascii({e})", "bin({e})", "iter({e}).__next__()", "callable({e})"]).replace("{e}", e(), 1).replace("{f}", e(), 1).replace("{g}", e(), 1)  # fmt: skip
    if kind == 10:
        return "f'" + rng.choice(["{{{}}}", "{{{}!r}}", "{{{}:>6}}", "{{{}!s:*^9}}", "{{{}:{{w}}}}", "{{{}:d}}", "{{{}:.2f}}", "a{{{}}}b"]).format(" " + e().replace("'", '"')) + "'"
    if kind == 11:
        return f"({e()}, *{e()})"
    if kind == 12:
        return f"[{e()}, *{e()}]"
    if kind == 13:
        return f"{{{e()}: {e()}, **{e()}}}"
    if kind == 14:
        return f"(not {e()})"
    if kind == 15:
        return f"(-{e()})" if rng.random() < 0.7 else f"(~{e()})"
    if kind == 16:
        return f"({e()})" + rng.choice([".upper()", ".split()", ".join({})", ".index({})", ".count({})", ".keys()", ".items()", ".get({})", ".union({})", ".real", ".copy()", ".format({})", ".replace({}, '-')", ".encode()", ".bit_length()", ".pop()", ".is_integer()", ".hex()", ".startswith({})", ".conjugate()", ".zfill({})"]).format(e())
    if kind == 17:
        return f"({e()} * {rng.choice(['0', '1', '2', '-1', '3', 'v', e()])})"
    if kind == 18:
        return f"(w := {e()})"
    if kind == 19:
        return f"('{rng.choice(['%s', '%r %s', '%d', '%5.1f', '%(k)s', '%c', '%x', '%s%%', '%-4s|', '%+d', '%*d', '%a'])}' % {e()})"
    if kind == 20:
        return f"({e()} ** {rng.choice(['0', '1', '2', '-1', '0.5', '3'])})"
    return f"({e()} {rng.choice(['<<', '>>'])} {rng.choice(['0', '1', '3', 'v', '-1'])})"


def slice_part(rng):
    return rng.choice(["1:", ":-1", "::2", "::-1", "0", "-1", "1", ":", "v:", ":w", "::0", "'k'"])


def expressions(rng):
    w = Writer(rng)
    for _ in range(rng.randint(1, 3)):
        w.add(f"v = {rng.choice(ATOMS).replace('v', '1').replace('w', '2')}; w = {rng.choice(ATOMS).replace('v', '1').replace('w', '2')}")
        text = expression(rng, rng.randint(2, 4))
        if rng.random() < 0.3:
            w.add(f"def f(v, w):\n    r = {text}\n    return r, v, w")
            w.tried("r = f(v, w)")
        else:
            w.tried(f"r = {text}", "log(r, v, w)")
    # What takes long without ever looking at a signal.
    return w.text().replace("10**20", "10**20" if "range(" not in w.text() else "10")


# ---------------------------------------------------------------- comparisons

VERDICTS = ["NotImplemented", "NotImplemented", "True", "False", "True", "False", "self.n {s} getattr(other, 'n', other)", "self.n {s} getattr(other, 'n', other)", "0", "'yes'", "[]", "raise KeyError(self.n)", "self", "super().__{name}__(other)"]
COMPARED = ["{a} {s} {b}", "{a} {s} {b} {s} {c}", "not {a} {s} {b}", "[{a}, {b}] {s} [{c}, {d}]", "({a}, {b}) {s} ({c},)", "[[{a}], {b}] {s} [[{c}], {d}]", "deque([{a}, {b}]) {s} deque([{c}, {d}])", "{{1: {a}}} {s} {{1: {b}}}", "{a} in [{b}, {c}]", "{a} not in ({b}, {c})", "{a} in deque([{b}])", "[{a}, {b}].index({c})", "[{a}, {b}, {c}].count({d})", "({a}, {b}).index({c}, 1)", "({a}, {b}).count({c})", "remove([{a}, {b}], {c})", "sorted([{a}, {b}, {c}, {d}])", "sorted([{a}, {b}, {c}], reverse=True)", "sorted([({a}, 1), ({b}, 0)])", "sorted([[{a}], [{b}]], key=lambda v: v[0])", "min({a}, {b}, {c})", "max([{a}, {b}], default={c})", "max([{a}, {b}], key=lambda v: [v])", "{{{a}: 1}}.get({b}, 'no')", "len({{{a}, {b}, {c}}})", "{{{a}: 1, {b}: 2}}", "{{{a}}} {s} {{{b}}}", "{{{a}, {b}}} & {{{c}}}", "{{{a}}} ^ {{{b}, {c}}}", "{a} in {{{b}, {c}}}", "{{{a}: 1}}.keys() {s} {{{b}: 1}}.keys()", "{{1: {a}}}.items() {s} {{1: {b}}}.items()", "(1, {a}) in {{1: {b}}}.items()", "{a} in {{1: {b}}}.values()", "bisect.bisect([{a}, {b}], {c})", "heapq.nsmallest(2, [{a}, {b}, {c}])", "slice({a}, {b}) {s} slice({c}, {d})", "operator.{name}({a}, {b})", "operator.contains([{a}], {b})", "operator.indexOf([{a}, {b}], {c})", "operator.countOf([{a}, {b}], {c})", "functools.cmp_to_key(lambda v, w: (v > w) - (v < w))({a}) {s} functools.cmp_to_key(lambda v, w: 0)({b})", "{a}.__{name}__({b})", "{k}.__{name}__({a}, {b})", "SimpleNamespace(v={a}) {s} SimpleNamespace(v={b})", "functools.partial(fn, {a}) {s} functools.partial(fn, {b})", "list(heapq.merge([{a}], [{b}]))", "matched({a}, {b})", "range(5).index({a})", "range(5).count({a})", "{a} in range(4)", "{a} in iter([{b}, {c}])", "Counter([{a}, {b}])[{c}]", "[k for k, g in itertools.groupby([{a}, {b}, {c}])]", "{a} is {b} or {a} {s} {a}", "all(v {s} w for v in [{a}, {b}] for w in [{c}])"]
# One nan only: those that are the same bit by bit are the same object here.
ORDINARY = ["1", "2", "1.0", "NAN", "'a'", "(1,)", "[1]", "None", "True", "1j", "2**70", "b'a'", "{1}", "frozenset({1})", "I(1)", "F(1.0)", "range(1)", "{}"]


def comparisons(rng):
    w = Writer(rng)
    w.add("import bisect, heapq, operator, functools, itertools\nfrom collections import deque, Counter\nfrom types import SimpleNamespace\nNAN = float('nan')")
    w.add("def remove(items, item):\n    items.remove(item)\n    return items\ndef matched(subject, value):\n    ns = SimpleNamespace(v=value)\n    match subject:\n        case ns.v: return 'value'\n        case 1 | 'a': return 'literal'\n        case _: return 'other'")
    made = []
    base = rng.choice(["", "", "", "", "int", "tuple", "str", "float", "list"])
    for at, name in enumerate("XYZ"[: rng.choice([1, 2, 2, 3])]):
        parent = rng.choice([base, made[-1], made[-1]]) if made else base
        total = rng.random() < 0.15
        if total:
            w.add("@functools.total_ordering")
        w.add(f"class {name}({parent}):")
        w.depth += 1
        if parent == base and base:
            w.add("def __new__(cls, n): self = super().__new__(cls" + {"tuple": ", (n,)", "str": ", n", "list": ""}.get(base, ", n") + "); self.n = n; return self")
        elif parent == base:
            w.add("def __init__(self, n): self.n = n")
        w.add(f"def __repr__(self): return f'{name}{{self.n}}'")
        names = rng.sample(list(COMPARISONS), rng.choice([1, 2, 2, 3, 6]))
        for dunder in names + (["lt"] if total and "lt" not in names else []):
            text = rng.choice(VERDICTS).replace("{s}", COMPARISONS[dunder]).replace("{name}", dunder)
            w.add(f"def __{dunder}__(self, other): log('{name}.{dunder}', other); {text if text.startswith('raise') else 'return ' + text}")
        # A hash that is not where the object is: that would decide the order of sets.
        if rng.random() < 0.6 or "eq" not in names and parent == base:
            w.add(f"def __hash__(self): return {rng.choice(['1', 'hash(self.n)', '2', '1'])}")
        elif rng.random() < 0.05:
            w.add("__eq__ = None")
        w.depth -= 1
        made.append(name)
    w.add("\n".join(f"p{number} = {rng.choice(made)}({rng.choice('112')})" for number in range(4)))
    for _ in range(rng.randint(4, 9)):
        text = rng.choice(COMPARED)
        dunder = rng.choice(list(COMPARISONS))
        others = [one for one in ORDINARY if one != "NAN" or "{{{" not in text]
        text = text.replace("{s}", COMPARISONS[dunder]).replace("{name}", dunder).replace("{k}", rng.choice(made + ["object", "int", "list", "tuple"]))
        for key in "abcd":
            text = text.replace("{" + key + "}", rng.choice(["p0", "p1", "p2", "p3", "p0", "p1", rng.choice(others)]))
        w.tried("r = " + text.replace("{{", "{").replace("}}", "}"))
    return w.text()


# ---------------------------------------------------------------- exceptions

EXCEPTION_TYPES = ["ValueError", "KeyError", "OSError", "StopIteration", "SystemExit", "ImportError", "AttributeError", "NameError", "SyntaxError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError", "Exception", "BaseException", "Mine", "ExceptionGroup", "BaseExceptionGroup", "FileNotFoundError", "IndexError", "AssertionError", "IsADirectoryError", "MineGroup", "MineOS", "MineKey"]
EXCEPTION_ARGS = ["", "1", "'m'", "2, 'two'", "2, 'two', 'file'", "2, 'two', 'file', None, 'other'", "'utf-8', b'ab', 0, 1, 'why'", "'utf-8', 'ab', 0, 2, 'why'", "'ab', 1, 2, 'why'", "'m', ('f', 1, 2, 'text')", "'m', ('f', 1, 2, 'text', 3, 4)", "'g', [ValueError(1), KeyError(2)]", "'g', [ValueError(1), ExceptionGroup('h', [TypeError(3), KeyError(4)])]", "'g', []", "'g', (ValueError(1),)", "'g', [KeyboardInterrupt()]", "'m', name='n'", "'m', name='n', obj=1", "'m', name='n', path='p'", "None", "('t',)", "'a', 'b', 'c'", "13, 'no'", "'g', [1]", "b'x'", "[1]"]
EXCEPTION_USES = ["r = str(x)", "r = repr(x)", "r = x.args", "x.args = {a}; r = (str(x), repr(x))", "r = x.errno, x.strerror, x.filename, x.filename2", "r = x.name", "r = x.value", "r = x.code", "r = x.msg, x.lineno, x.offset, x.text", "r = x.reason, x.start, x.end, x.object, x.encoding", "x.start = 1; x.end = 5; r = str(x)", "r = x.exceptions", "r = x.message", "r = x.split({c})", "r = x.subgroup({c})", "r = x.derive([ValueError(5)])", "x.add_note('note'); r = x.__notes__", "x.add_note(1)", "x.__cause__ = ValueError(2); r = x.__cause__, x.__suppress_context__", "x.__context__ = {v}", "x.__cause__ = {v}", "r = x.with_traceback(None) is x", "x.with_traceback({v})", "r = copy.copy(x); r = (type(r), r.args, r.__dict__)", "r = pickle.loads(pickle.dumps(x)); r = (type(r), r.args, r.__dict__)", "raise x from {v}", "raise x", "raise type(x)", "x.foo = 1; r = x.__dict__", "r = isinstance(x, ({t}, int))", "r = type(x).__mro__", "r = x == x, x == type(x)(*x.args)", "r = x.__suppress_context__, x.__cause__, x.__context__", "x.__traceback__ = {v}", "x.__notes__ = {v}; r = show_exception(x)", "r = show_exception(x)", "x.errno = {v}; r = str(x)", "x.strerror = {v}; r = str(x)", "x.filename = {v}; r = str(x)", "x.name = {v}; r = repr(x)", "x.msg = {v}; r = str(x)", "x.lineno = {v}; r = str(x)", "del x.args", "x.value = {v}; r = str(x)", "x.__init__({a2}); r = (str(x), x.args)", "try:\n        raise x\n    except* {t} as group:\n        r = group", "r = x.__reduce__()[1:]", "x.__setstate__({{'q': 1}}); r = x.q", "r = x.name_from"]  # fmt: skip


def exceptions(rng):
    w = Writer(rng)
    w.add("import copy, pickle, traceback\nclass Mine(Exception):\n    def __init__(self, a=1, *, b=2): self.a = a\nclass MineGroup(ExceptionGroup):\n    def derive(self, items): return MineGroup(self.message, items)\nclass MineOS(OSError):\n    def __str__(self): return 'mine os'\nclass MineKey(KeyError):\n    def __new__(cls, *a): log('new', a); return super().__new__(cls, *a)\ndef show_exception(x): return ''.join(traceback.format_exception(x))")
    for _ in range(rng.randint(1, 2)):
        w.add(f"x = None\ntry:\n    x = {rng.choice(EXCEPTION_TYPES)}({rng.choice(EXCEPTION_ARGS)})\n    log(x, repr(x))\nexcept Exception as e:\n    log(e)")
        w.add("if x is None: x = ValueError('v')")
        for _ in range(rng.randint(2, 6)):
            text = rng.choice(EXCEPTION_USES).replace("{a}", rng.choice(["()", "(1,)", "[1, 2]", "5", "'ab'"])).replace("{a2}", rng.choice(EXCEPTION_ARGS)).replace("{c}", rng.choice(["ValueError", "(KeyError, ValueError)", "lambda e: True", "lambda e: isinstance(e, KeyError)", "5", "TypeError", "ExceptionGroup", "[ValueError]", "None"])).replace("{v}", rng.choice(["None", "5", "'s'", "KeyError('k')", "ValueError", "[1]", "x"])).replace("{t}", rng.choice(EXCEPTION_TYPES)).replace("{{", "{").replace("}}", "}")  # fmt: skip
            # What shows itself recurses to a depth that is the machine's affair.
            text = re.sub(r"^(x\.\w+) = x; r = (str|repr)\b", r"\1 = 6; r = \2", text)
            w.add(f"r = None\ntry:\n    {text}\n    log(r)\nexcept BaseException as e:\n    log(chain(e))")
    return w.text()


# ---------------------------------------------------------------- tasks

TASK_STEPS = ["await asyncio.sleep(0)", "log('{t}', {m})", "log('{t}', {m})", "await ev.wait()", "ev.set()", "await q.put({m})", "log('{t}', await q.get())", "q.put_nowait({m})", "log('{t}', q.get_nowait())", "async with lock: log('{t}', 'locked'); await asyncio.sleep(0)", "fut.set_result({m})", "log('{t}', await fut)", "fut.set_exception(ValueError({m}))", "fut.cancel()", "tasks[{i}].cancel()", "tasks[{i}].cancel('why{m}')", "log('{t}', await tasks[{i}])", "await asyncio.wait_for(asyncio.sleep(0), None)", "log('{t}', await asyncio.gather(asyncio.sleep(0, 1), sub({m})))", "log('{t}', await asyncio.gather(sub({m}), bad({m}), return_exceptions=True))", "await bad({m})", "await asyncio.shield(sub({m}))", "loop.call_soon(log, 'soon', {m})", "async with sem: await asyncio.sleep(0)", "async with asyncio.timeout(0): await asyncio.sleep(0); log('no')", "log('{t}', tasks[{i}].done(), tasks[{i}].cancelled())", "log('{t}', asyncio.current_task().cancelling())", "asyncio.current_task().uncancel()", "tasks.append(asyncio.create_task(sub({m})))", "async with asyncio.TaskGroup() as g: g.create_task(sub({m})); g.create_task(bad({m}))", "async with asyncio.TaskGroup() as g: x = g.create_task(sub({m})); log(await x)", "done, wait = await asyncio.wait([asyncio.ensure_future(sub({m})), asyncio.ensure_future(asyncio.sleep(0))], return_when=asyncio.FIRST_COMPLETED); log(len(done), len(wait))", "async with cond: cond.notify_all()", "async with cond: await cond.wait()", "raise KeyError({m})", "log('{t}', await asyncio.wait_for(sub({m}), 0))", "return {m}", "ev.clear()", "fut = loop.create_future()", "log('{t}', sorted([str(await c) async for c in asyncio.as_completed([sub({m}), asyncio.sleep(0, 'z')])]))", "tasks[{i}].add_done_callback(lambda t: log('cb', {m}, t.cancelled()))", "await asyncio.sleep(0, {m})", "log('{t}', repr(fut)[:20])", "q.task_done()", "await q.join()", "log('{t}', tasks[{i}].result())", "log('{t}', tasks[{i}].exception())", "q.shutdown()", "q.shutdown(immediate=True)", "log('{t}', q.qsize(), q.empty(), q.full())", "lock.release()", "await lock.acquire()", "await barrier.wait()"]  # fmt: skip


def tasks(rng):
    w = Writer(rng)
    w.add("import asyncio\nasync def sub(n):\n    try:\n        await asyncio.sleep(0)\n        return n\n    except BaseException as e:\n        log('sub', n, chain(e)); raise\nasync def bad(n): raise ValueError(n)")
    w.add(f"async def main():\n    loop = asyncio.get_running_loop()\n    ev = asyncio.Event(); q = asyncio.{rng.choice(['Queue', 'Queue', 'LifoQueue', 'PriorityQueue'])}({rng.choice([0, 1, 2])}); lock = asyncio.Lock(); sem = asyncio.Semaphore({rng.choice([1, 2])}); cond = asyncio.Condition(); barrier = asyncio.Barrier(2); tasks = []; fut = loop.create_future()\n    loop.set_exception_handler(lambda loop, context: None)")
    w.depth = 1
    count = rng.randint(2, 4)
    for number in range(count):
        w.add(f"async def t{number}():")
        w.depth = 2
        w.add("nonlocal fut\nlog('begin', %d)" % number)
        depth = 2
        for _ in range(rng.randint(2, 6)):
            step = rng.choice(TASK_STEPS)
            # Tasks don't wait for each other in a ring: how deep a cancellation goes round it is the machine's affair.
            other = rng.randrange(number + 1 if "await tasks" in step else count)
            step = step.replace("{t}", f"t{number}").replace("{m}", str(w.mark())).replace("{i}", str(other))
            roll = rng.random()
            if roll < 0.25:
                w.add(f"try:\n    {step}\nexcept {rng.choice(['Exception', 'BaseException', 'asyncio.CancelledError', 'ValueError'])} as e: log('t{number}', chain(e))" + rng.choice(["", "", f"; {rng.choice(TASK_STEPS[:8])}".replace("{t}", f"t{number}").replace("{m}", "0"), "; raise"]))
            elif roll < 0.32:
                w.add(f"try:\n    {step}\nfinally:\n    log('t{number} finally')")
            else:
                w.add(step)
        w.depth = 1
    w.add(f"for f in [{', '.join(f't{n}' for n in range(count))}]: tasks.append(asyncio.create_task(f()))")
    w.add(f"for _ in range({rng.randint(3, 25)}): await asyncio.sleep(0)")
    w.add("for n, t in enumerate(list(tasks)):\n    if not t.done(): log('pending', n)\n    elif t.cancelled(): log('cancelled', n)\n    else: log('done', n, t.exception() or t.result())")
    # What is left is cancelled in order: asyncio.run() does it in the order of a set.
    w.add("for t in list(tasks): t.cancel()\nfor _ in range(12): await asyncio.sleep(0)")
    w.depth = 0
    w.add("asyncio.run(main())")
    return w.text()


KINDS = {"calls": (calls, 3), "unpacking": (unpacking, 2), "flow": (flow, 4), "generators": (generators, 4), "async_generators": (async_generators, 2), "matching": (matching, 3), "scopes": (scopes, 3), "classes": (classes, 5), "attributes": (attributes, 4), "containers": (containers, 5), "expressions": (expressions, 5), "exceptions": (exceptions, 3), "comparisons": (comparisons, 4), "tasks": (tasks, 2)}  # fmt: skip
