"""Programs with a mistake in their text: what is said of it, and where.

Statements of all kinds are put together and a token or two of them is lost, doubled, replaced or put elsewhere.
"""

import re

STATEMENTS = """\
x = 1
x = y = f(1, b=2, *c, **d)
x: int = 3
x.y: list[int]
x += [1, 2][0]
a, *b = 1, 2, 3
(a, b), c = d
x[1:2, ::3] = y
del a, b[0], c.d
assert x > 1, "no"
pass
import a.b as c, d
from .a import b, c as d
from . import (a, b,)
from a import *
global g
print("a", end="")
return_value = lambda a, *b, c=1, **d: a + b
x = [i * 2 for i in range(3) if i if not i]
x = {k: v for k, v in z.items()}
x = {1, *a, 2}
x = {1: 2, **a, "b": 3}
x = (yield_ for yield_ in a)
f(i for i in x)
f(a)(b)[c].d
x = a if b else c
x = not a and b or c
x = a < b <= c != d is not e not in f
x = -a ** -b // ~c @ d % e
x = a << 1 | b & c ^ d
x = (y := 3) + 1
x = f"a{b!r:>{c}}d{e=}"
x = f'{a["b"]}' "c" 'd'
x = b"ab" rb'c'
x = 0x1F + 0b11 + 0o17 + 1_000 + 1.5e3 + 2j
x = "a\\nb" \\
    + 'c'
x = ...
x = None is True
raise ValueError("a") from e
type A[T: int, *Ts, **P] = list[T]
print(*a, sep=b, **c)
x = a.b.c(d)[e:f]
x = [
    1,
    (2, 3),
]
f(
    a,
    b=1,
)
if a: b
if a == 1:
    b
elif c:
    d
else:
    e
while a < 3:
    a += 1
    if b: break
    continue
else:
    pass
for i, j in a, b:
    pass
else:
    c
try:
    a
except ValueError:
    b
except (A, B) as e:
    c
else:
    d
finally:
    f
try:
    a
except* A as b:
    pass
try:
    a
except A, B:
    pass
try:
    a
finally:
    b
with a as b, c(d) as (e, f):
    pass
with (a as b, c):
    pass
def f(a, b: int = 1, /, c=2, *args, d, e=3, **kwargs) -> int:
    \"\"\"doc\"\"\"
    nonlocal_ = a
    return a
def f(*, a): return a
async def f():
    await a
    async for b in c:
        yield b
    async with d as e:
        return
def f[T](a: T):
    x = yield a
    yield from b
    return x, *y
class A(B, metaclass=C):
    x = 1

    @property
    def y(self):
        return self.x
class A: pass
@a.b(c)
def f(): ...
match a:
    case 1 | -2 | "a" | None:
        b
    case [a, *_] if a > 1:
        c
    case {"a": 1, **rest}:
        d
    case A.B(c, d=e) as f:
        g
    case (1 as x, y):
        h
    case _:
        i
match (a, b):
    case 1.5 + 2j: pass
def outer():
    x = 1
    def inner():
        nonlocal x
        x = 2
    return inner
lambda: (yield)
x = *a, b
x = f(**a, b=1)
print(f"{a:{b}.{c}}")
x = a[b, *c]
x = {**a}
x = t"a{b}"
"""
PIECE = re.compile(r"\w+|\"\"\"|[\"']|\*\*=?|//=?|>>=?|<<=?|[-+*/%@&|^<>=!:]=|->|\n *|[^\w\s]| +")
OTHERS = ["(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "=", "==", ":=", "->", "*", "**", "+", "-", "~", "!", "@", "&", "...", "?", "$", "\\", "#", "\n", "\n    ", "'", '"', "\"\"\"", "if", "else", "elif", "for", "while", "in", "is", "not", "and", "or", "def", "class", "return", "yield", "await", "async", "lambda", "import", "from", "as", "with", "try", "except", "finally", "raise", "pass", "break", "continue", "global", "nonlocal", "del", "assert", "match", "case", "type", "print", "None", "True", "x", "1", "0777", "1_", "1x", "0b2", '"s"', "f'{'", "f'{a'", "f'}'", "f'{a!x}'", "b'é'", "_", "exec", "é", "\x0c", "\t", "“"]  # fmt: skip


def statements():
    """The statements above, each a list of lines."""
    found = []
    for line in STATEMENTS.splitlines():
        joined = found and (line[:1] in " )]" or not line or re.match(r"(elif|else|except|finally)\b", line) or found[-1][-1][:1] == "@")
        if joined:
            found[-1].append(line)
        else:
            found.append([line])
    return found


def changed(rng, text):
    """The text with one mistake more."""
    pieces = PIECE.findall(text)
    at = rng.randrange(len(pieces))
    how = rng.random()
    if how < 0.3:
        del pieces[at]
    elif how < 0.5:
        pieces[at] = rng.choice(OTHERS)
    elif how < 0.7:
        pieces.insert(at, rng.choice([" ", ""]) + rng.choice(OTHERS) + rng.choice([" ", ""]))
    elif how < 0.78:
        pieces.insert(at, pieces[at])
    elif how < 0.86:
        other = rng.randrange(len(pieces))
        pieces[at], pieces[other] = pieces[other], pieces[at]
    elif how < 0.93:
        del pieces[at:]
    elif how < 0.96:
        del pieces[at : at + rng.randint(2, 5)]
    else:
        pieces[at] = rng.choice(["\n", "\n  ", "\n\t", "\n    ", "\n        ", " "])
    return "".join(pieces)


def mistakes(rng):
    """A text, compiled; what is wrong with it."""
    lines = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        lines += rng.choice(statements())
    if rng.random() < 0.2:
        lines = ["def f():", *["    " + line for line in lines]]
    text = changed(rng, "\n".join(lines) + "\n")
    if rng.random() < 0.1:
        text = changed(rng, text or "x")
    mode = "exec" if rng.random() < 0.95 else rng.choice(["eval", "single"])
    return f"""\
try:
    compile({text!r}, "f", "{mode}")
    log("fine")
except SyntaxError as e:
    log(type(e).__name__, e.msg, e.lineno, e.offset, e.end_lineno, e.end_offset, e.text)
"""


KINDS = {"mistakes": (mistakes, 3)}
