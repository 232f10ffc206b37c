"""Prints the names of builtin types and library modules, one owner a line: what `dir()` says, without what differs by platform or
build. `tests/names.py` runs it on CPython and on aio."""

import sys

MODULES = """abc annotationlib argparse array ast asyncio atexit base64 binascii bisect builtins calendar cmath codecs collections collections.abc
concurrent.futures configparser contextlib contextvars copy copyreg csv dataclasses datetime decimal difflib doctest email.utils enum
errno faulthandler fnmatch fractions functools gc getpass glob graphlib gzip hashlib heapq hmac html http http.client http.cookies
http.server importlib importlib.machinery importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools json
keyword locale logging logging.config logging.handlers math mimetypes mmap multiprocessing numbers operator os os.path pathlib pickle
pkgutil platform pprint queue random re reprlib secrets select selectors shlex shutil signal socket ssl statistics string
string.templatelib struct subprocess sys sysconfig tempfile textwrap threading time timeit tokenize tomllib traceback tracemalloc types
typing unicodedata unittest unittest.mock urllib.error urllib.parse urllib.request uuid warnings weakref webbrowser zlib zoneinfo""".split()


def types():
    import builtins
    import types as kinds

    found = {}
    for name, value in vars(builtins).items():
        if isinstance(value, type) and value.__module__ == "builtins" and not name.startswith("_"):
            found["builtins." + name] = value

    def generator():
        yield

    async def coroutine():
        pass

    async def asyncgen():
        yield

    waiting = coroutine()
    examples = [
        generator, generator(), waiting, asyncgen(), asyncgen().asend(None), asyncgen().athrow(ValueError), waiting.__await__(),
        generator.__code__, len, [].append, [].__len__, list.append, list.__len__, dict.__dict__["fromkeys"], kinds.SimpleNamespace(),
        type.__dict__["__mro__"], complex.__dict__["real"], type(list).__dict__["__dict__"], sys, None, ..., NotImplemented, list[int],
        int | str, {}.keys(), {}.values(), {}.items(), iter([]), iter(()), iter({}), iter({}.values()), iter({}.items()), iter(set()),
        iter(""), iter("\xe9"), iter(b""), iter(bytearray()), iter(range(1)), iter(range(2**70)), reversed([]), reversed({}),
        iter(len, 0), (lambda x: lambda: x)(1).__closure__[0], kinds.MappingProxyType({}), sys._getframe(), iter(memoryview(b"")),
        sys.flags, sys.version_info, sys.float_info, sys.hash_info, sys.int_info, sys.thread_info, sys.implementation,
        (lambda: 0).__get__(1),
    ]  # fmt: skip
    waiting.close()
    try:
        raise ValueError
    except ValueError as error:
        examples.append(error.__traceback__)
    for value in examples:
        kind = type(value)
        found.setdefault(f"{kind.__module__}.{kind.__qualname__}", kind)
    return found


def is_own(module, name):
    """Whether a name of a module without `__all__` is public and its own, not imported from somewhere."""
    value = getattr(module, name, None)
    if name.startswith("_") or type(value).__name__ == "module":
        return False
    home = getattr(value, "__module__", None)
    return not callable(value) or home is None or home.lstrip("_") == module.__name__ or home in ("builtins", "posix", "posixpath")


def shown(owner, names):
    print(owner, *sorted(set(names)))


# What is expected is what is public; what is there is all that `dir()` says.
EVERYTHING = "all" in sys.argv[1:]

for owner, kind in sorted(types().items()):
    shown("type:" + owner, dir(kind))
for module in MODULES:
    try:
        __import__(module)
    except Exception:
        continue
    here = sys.modules[module]
    public = getattr(here, "__all__", None)
    names = set(dir(here))
    # Modules that a module imports are not its own, and private names are nobody's business.
    own = set(public or (n for n in names if is_own(here, n)))
    shown("module:" + module, names | own if EVERYTHING else own)
    for name in sorted(own):
        kind = getattr(here, name, None)
        if isinstance(kind, type) and kind.__module__.partition(".")[0].lstrip("_") == module.partition(".")[0] and module != "builtins":
            shown(f"class:{module}.{name}", [n for n in dir(kind) if not n.startswith("_")])
