#!/usr/bin/env python3
"""Run the goldens on CPython: the only place expectations come from.

    AIO_ORACLE_314="node py314.mjs" AIO_ORACLE_NATIVE=python3.13 python3 tests/oracle.py --bless
    ... python3 tests/oracle.py --check ['async/*' ...]

AIO_ORACLE_314 names a command that runs a script on CPython 3.14 (it decides wording), AIO_ORACLE_NATIVE a native
64-bit CPython (it decides what depends on hashes, set orders, sizes, errno, sockets, threads and finalisers at exit).
A case goes to the native one if its text uses one of the names in NATIVE_ONLY or its NAME.opts says `reference native`,
else to 3.14. Both run every case that both can run: where they differ, NAME.opts has to say which of them is right, or
nothing is blessed. `references.tsv` in each area records who made each expectation and whether the other one agrees.

--bless writes what is missing or has changed (with --missing: only what is missing); --check writes nothing and fails
if an expectation isn't what its reference prints. Standard library only.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
EXAMPLES = ROOT / "examples"
TIMEOUT = 60

# What the WebAssembly build of 3.14 hasn't got or answers otherwise than 64-bit Linux.
NATIVE_ONLY = re.compile(
    r"\b(import socket|from socket|import threading|from threading|to_thread|run_in_executor|import errno|import subprocess"
    r"|import signal|import weakref|import gc|__del__|open_connection|start_server|getsizeof|maxsize|maxunicode"
    r"|run_coroutine_threadsafe|setrecursionlimit|RecursionError)\b"
    r"|(?<![\w.])hash\("
)
NATIVE_AREAS = {"sockets", "limits", "threads", "executors", "signals", "subprocess", "processes"}


def normalise(text, folder="", renamed=()):
    """Drop what may differ between two correct runs: folder names, addresses, library frames."""
    if folder:
        text = text.replace(folder.rstrip("/") + "/", "")
    for module in renamed:
        text = text.replace(f"{module}.py", f"{module}.aio")
    text = re.sub(r"\b(at|id=)( ?)0x[0-9a-fA-F]+", r"\1\g<2>0x...", text)
    kept, dropping = [], None
    for line in text.splitlines(keepends=True):
        if dropping is not None and line.startswith((dropping + "  ", dropping + "[Previous line")):
            continue
        dropping = None
        frame = re.match(r'([ |]*)File "(/|<frozen )', line)
        if frame:
            dropping = frame[1]
            continue
        kept.append(line)
    return "".join(kept)


class Options:
    """NAME.opts: one `key value` a line. Keys: env NAME=VALUE, args WORDS, flags WORDS, stdin TEXT, reference WHICH, deaths."""

    def __init__(self, path):
        self.env, self.args, self.stdin, self.reference = {}, [], "", None
        for line in path.read_text().splitlines() if path.exists() else ():
            key, _, value = line.partition(" ")
            if key == "env":
                name, _, value = value.partition("=")
                self.env[name] = value
            elif key == "args":
                self.args = value.split()
            elif key == "stdin":
                self.stdin += value + "\n"
            elif key == "reference":
                if value not in ("native", "3.14"):
                    raise SystemExit(f"{path}: reference is `native` or `3.14`")
                self.reference = value
            elif key not in ("flags", "deaths", "#", ""):
                raise SystemExit(f"{path}: unknown key `{key}`")


class Case:
    """A script, the area it belongs to and the files beside it."""

    def __init__(self, area, script):
        self.area, self.script = area, script
        self.name = f"{area}/{script.stem}"
        self.options = Options(script.with_suffix(".opts"))
        self.beside = GOLDEN / area if area == "examples" else script.parent

    def expectation(self, kind):
        return self.beside / f"{self.script.stem}.{kind}"

    def needs_native(self):
        return self.area in NATIVE_AREAS or bool(self.options.env) or bool(NATIVE_ONLY.search(self.text()))

    def text(self):
        # Comparing two hashes is the same everywhere, printing one is not.
        return re.sub(r"hash\(.*?\) == hash\(", "", self.script.read_text())

    def reference(self):
        """Who decides. Wrong is worse than unknown: what only the native build can answer is never blessed by 3.14."""
        declared = self.options.reference
        if declared == "3.14" and self.needs_native():
            raise Refused("NAME.opts asks for 3.14, which can't answer this (see NATIVE_ONLY)")
        return declared or ("native" if self.needs_native() else "3.14")


class Refused(Exception):
    """Why a case can't be blessed."""


def cases(patterns):
    found = []
    for area in sorted(p for p in GOLDEN.iterdir() if p.is_dir()):
        found += [Case(area.name, s) for s in sorted(area.glob("*.aio")) if not s.name.startswith("_")]
    found += [Case("examples", s) for s in sorted(EXAMPLES.glob("*.aio")) if not s.name.startswith("_")]
    return [c for c in found if not patterns or any(fnmatch.fnmatch(c.name, p) for p in patterns)]


def stage(case, folder):
    """Copy the script and the modules beside it; CPython imports `.py` only, so `.aio` modules get that name."""
    renamed = []
    shutil.copy(case.script, folder)
    for path in case.script.parent.iterdir():
        if path.is_dir() and path.name != "__pycache__":
            shutil.copytree(path, folder / path.name)
        elif path.suffix == ".py" or (path.suffix == ".aio" and path.name.startswith("_")):
            shutil.copy(path, folder)
    for path in sorted(folder.rglob("*.aio")):
        if path != folder / case.script.name:
            path.rename(path.with_suffix(".py"))
            renamed.append(path.stem)
    return renamed


def run(case, command, wasm):
    """What the reference prints: (stdout, stderr, status)."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        renamed = stage(case, folder)
        env = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
        env.update(case.options.env)
        done = subprocess.run(
            [*shlex.split(command), case.script.name, *case.options.args],
            cwd=folder, env=env, input=case.options.stdin.encode("utf-8", "surrogateescape"), capture_output=True, timeout=TIMEOUT,
        )
        # Not in text mode: a carriage return stays one.
        stdout, stderr = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
        home = "/script" if wasm else str(folder)
        return normalise(stdout, home, renamed), normalise(stderr, home, renamed), done.returncode


def answer(case, commands):
    """The deciding reference's output, and whether the other one agrees (None: it couldn't be asked)."""
    which = case.reference()
    if which not in commands:
        raise Refused(f"needs the {which} reference, which isn't configured")
    output = run(case, commands[which], which == "3.14")
    agrees = None
    if which == "3.14" and "native" in commands:
        agrees = run(case, commands["native"], False) == output
        if not agrees and case.options.reference is None:
            raise Refused("the references differ: say `reference 3.14` or `reference native` in NAME.opts")
    if "RuntimeError: deadlock: nothing is scheduled" in output[1]:
        raise Refused("the reference deadlocked")
    return which, output, agrees


def expected(case):
    def read(kind):
        path = case.expectation(kind)
        return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None
    return read("out"), read("err"), read("status")


def wanted(output):
    out, err, status = output
    return out, err or None, f"{status}\n" if status else None


def write(case, values):
    for kind, value in zip(("out", "err", "status"), values):
        path = case.expectation(kind)
        if value is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value.encode("utf-8", "surrogateescape"))


def record(rows):
    """Merge `area -> {case: (reference, agrees)}` into each area's references.tsv."""
    for area, new in rows.items():
        path = GOLDEN / area / "references.tsv"
        old = dict(line.split("\t", 1) for line in path.read_text().splitlines()[1:]) if path.exists() else {}
        words = {True: "yes", False: "no", None: "-"}
        old.update({name: f"{which}\t{words[agrees]}" for name, (which, agrees) in new.items()})
        present = {c.script.stem for c in cases([f"{area}/*"])}
        lines = [f"{name}\t{rest}" for name, rest in sorted(old.items()) if name in present]
        path.write_text("\n".join(["case\treference\tother agrees", *lines]) + "\n")


def self_test():
    """The runner has the same normalisation in Rust; both are held to one sample."""
    sample = ROOT / "tests" / "normalise"
    result = normalise((sample / "before.txt").read_text(), "/home/someone/scripts")
    if result != (sample / "after.txt").read_text():
        sys.exit("normalise() differs from tests/normalise/after.txt:\n" + result)


def main():
    parser = argparse.ArgumentParser(description="Run the goldens on CPython.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare, write nothing")
    mode.add_argument("--bless", action="store_true", help="write expectations")
    parser.add_argument("--missing", action="store_true", help="only cases without an expectation")
    parser.add_argument("--show", action="store_true", help="print what each case prints")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("patterns", nargs="*", help="area/case globs")
    options = parser.parse_args()
    self_test()
    names = {"3.14": "AIO_ORACLE_314", "native": "AIO_ORACLE_NATIVE"}
    commands = {which: os.environ[name] for which, name in names.items() if os.environ.get(name)}
    if not commands:
        sys.exit("set AIO_ORACLE_314 and AIO_ORACLE_NATIVE (see the head of this file)")
    chosen = cases(options.patterns)
    if options.missing:
        chosen = [c for c in chosen if not c.expectation("out").exists()]
    failures, changed, rows = [], 0, {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(answer, case, commands): case for case in chosen}
        for future in concurrent.futures.as_completed(futures):
            case = futures[future]
            try:
                which, output, agrees = future.result()
            except Refused as reason:
                failures.append(f"{case.name}: {reason}")
                continue
            except subprocess.TimeoutExpired:
                failures.append(f"{case.name}: no end after {TIMEOUT} s")
                continue
            if options.show:
                print(f"--- {case.name} ({which}) status {output[2]}\n{output[0]}{output[1]}", end="")
            if wanted(output) != expected(case):
                changed += 1
                if options.bless:
                    write(case, wanted(output))
                else:
                    failures.append(f"{case.name}: not what {which} prints")
            if options.bless:
                rows.setdefault(case.area, {})[case.script.stem] = which, agrees
    record(rows)
    for failure in sorted(failures):
        print(failure)
    print(f"{len(chosen)} cases, {changed} changed, {len(failures)} refused or different")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
