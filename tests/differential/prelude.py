"""What generated programs find defined, and the loop that runs them: both interpreters get the same text."""

HELPERS = r'''
import sys, math, itertools
class Hashed:
    # A hash that is not where the object is: that would decide the order of sets.
    def __hash__(self): return 7
class I(int): pass
class F(float): pass
class S(str): pass
class B(bytes): pass
class L(list): pass
class T(tuple): pass
class D(dict): pass
class St(set): pass
class Idx(Hashed):
    def __init__(self, n): self.n = n
    def __index__(self): return self.n
    def __repr__(self): return f"Idx({self.n})"
class BadIdx(Hashed):
    def __index__(self): return "no"
    def __repr__(self): return "BadIdx()"
class Fl(Hashed):
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
class NegLen(Hashed):
    def __len__(self): return -1
    def __getitem__(self, i): return [90, 80][i]
    def __repr__(self): return "NegLen()"
class Seq(Hashed):
    def __init__(self, *items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]
    def __repr__(self): return "Seq()"
class Mapping(Hashed):
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
class Ops(Hashed):
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
    if type(value) is dict and "__doc__" in value:
        value = {**value, "__doc__": "..."}
    if name == "memoryview":
        return f"memoryview({value.tobytes()}, {value.format}, {value.shape}, {value.readonly})"
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "..." + str(len(text))
def raising(n):
    for i in range(n):
        yield i
    raise ValueError("raising")
def raiser():
    raise KeyError("raiser")
def if_true(x):
    return "yes" if x else "no"
def flipper(seed):
    def flip():
        nonlocal seed
        seed = (seed * 1103515245 + 12345) % 2**31
        return seed >> 16 & 1 == 1
    return flip
class Manager:
    def __init__(self, n, result): self.n, self.result = n, result
    def __enter__(self): log("enter", self.n); return self.n
    def __exit__(self, *info):
        log("exit", self.n, info[0], chain(info[1]))
        if self.result is ValueError: raise ValueError("exit")
        return self.result
    def __repr__(self): return f"Manager({self.n})"
class AManager(Manager):
    def __init__(self, n): self.n = n
    async def __aenter__(self): log("aenter", await Pause(self.n)); return self.n
    async def __aexit__(self, *info): log("aexit", info[0], await Pause(-self.n))
class Pause:
    def __init__(self, n): self.n = n
    def __await__(self): return (yield self.n)
class Sends:
    def __iter__(self): return self
    def __next__(self): log("next"); return 50
    def send(self, value): log("send", value); raise StopIteration(51)
    def throw(self, *error): log("throw", error); raise StopIteration(52)
    def close(self): log("close")
async def again(n):
    for i in range(n):
        await Pause(i)
        yield i
def drive(awaitable):
    iterator = awaitable.__await__()
    for step in range(30):
        try:
            log("pause", next(iterator) if step == 0 else iterator.send(step))
        except StopIteration as end:
            return end.value
    iterator.close()
    return "endless"
def chain(error, depth=3):
    if error is None: return None
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, BaseExceptionGroup): text += "[" + ", ".join(chain(e, 2) for e in error.exceptions) + "]"
    if depth and error.__cause__ is not None: text += f" from ({chain(error.__cause__, depth - 1)})"
    if depth and error.__context__ is not None and error.__context__ is not error.__cause__: text += f" in ({chain(error.__context__, depth - 1)})"
    return text + (" suppressed" if error.__suppress_context__ and error.__cause__ is None else "")
'''

RUNNER = r'''
import re, json, warnings, os, operator, signal, gc
warnings.simplefilter("ignore")
class TooLong(BaseException): pass
def log(*values):
    if len(out) > 200: raise TooLong
    out.append(", ".join([f"{type(v).__name__}: {v}" if isinstance(v, BaseException) else v if type(v) is str else shown(v) for v in values]))
base = {name: value for name, value in globals().items() if name in ("__builtins__", "__name__", "__doc__") or name[:2] != "__"}
def quiet(text):
    # Where things are in memory or in files, and how many tasks there were before, is not compared.
    text = re.sub(r"(don't know how to coerce) \w+ and \w+", r"\1 ...", text)
    text = re.sub(r"<[\w.]+ ob\.\.\.x[0-9a-f]{6,}>|<\w+\.\.\.x[0-9a-f]{6,}>", "<...>", text)
    return re.sub(r"(0x)[0-9a-f]{6,}|(Task-)\d+|(<module '\w+' from )'[^']*'", r"\1\2\3...", text.encode("unicode_escape", "backslashreplace").decode("ascii"))
class Slow(BaseException): pass
def slow(*args): raise Slow
def alarm(seconds):
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
if hasattr(signal, "setitimer"):
    signal.signal(signal.SIGALRM, slow)
def main():
    global out
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    for number in range(int(sys.argv[2]), len(cases)):
        out = []
        names = dict(base)
        names["__name__"] = "__main__"
        if "decimal" in sys.modules:
            # What one program did to the context is not for the next one.
            sys.modules["decimal"].setcontext(sys.modules["decimal"].Context())
        try:
            alarm(LIMIT)
            try:
                exec(compile(cases[number], "<case>", "exec"), names)
            except Slow:
                out = ["slow"]
            except BaseException as error:
                out.append(f"{type(error).__name__}: {error}")
            if out != ["slow"]:
                for name in ("r", "x"):
                    if name in names:
                        try:
                            out.append(name + "=" + type(names[name]).__name__ + " " + shown(names[name]))
                        except Slow:
                            raise
                        except BaseException as error:
                            out.append(f"{name} {type(error).__name__}: {error}")
            alarm(0)
        except Slow:
            out = ["slow"]
        except BaseException as error:
            alarm(0)
            out.append(f"!{type(error).__name__}")
        try:
            line = quiet(" | ".join(out))
        except BaseException as error:
            line = f"!{type(error).__name__}"
        print(number, line, flush=True)
        if "yield" in cases[number] or "async" in cases[number]:
            # What generators and tasks do when they die is not for the next program to tell.
            names = None
            gc.collect()
    print("done")
main()
'''

SCRIPT = HELPERS + RUNNER
