#!/usr/bin/env python3
"""Differential fuzzing: generated programs, run by aio and by a native CPython 3.13, line by line the same.

    AIO_ORACLE_NATIVE=python3.13 python3 tests/differential/run.py [--aio target/debug/aio] [--seed N] [--cases N]
        [--group language|library|KIND,KIND] [--oracle "node py314.mjs"]

Thousands of programs run in one process, each with names of its own and told by one line. A program whose line differs is
run again by itself, made as small as it stays different, and printed with both answers and its seed. What 3.14 prints
otherwise than 3.13 is in `changes.py`; with `--oracle` (or AIO_ORACLE_314) every difference is shown to CPython 3.14 too: where
it prints what aio does, it is a change of 3.14, listed at the end by what it is and not a failure. Standard library only; runs
itself under AIO_ORACLE_NATIVE, so seeds mean the same everywhere.
"""

import argparse
import ast
import collections
import concurrent.futures
import itertools
import json
import os
import random
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time

if sys.version_info[:2] != (3, 13):
    if not os.environ.get("AIO_ORACLE_NATIVE"):
        raise SystemExit("AIO_ORACLE_NATIVE must name a native CPython 3.13")
    os.execvp(os.environ["AIO_ORACLE_NATIVE"], [os.environ["AIO_ORACLE_NATIVE"], *sys.argv])

import changes
import library
import mistakes
import prelude
import programs
import values

GROUPS = {"language": {**values.KINDS, **programs.KINDS}, "library": library.KINDS, "syntax": mistakes.KINDS}
BATCH = 500
LIMIT = 2
MEMORY = 16 << 30


def generate(seed, kinds, number):
    """Program `number` of a seed: the same whatever else is asked for."""
    rng = random.Random(f"{seed}/{'+'.join(kinds)}/{number}")
    everything = {kind: how for group in GROUPS.values() for kind, how in group.items()}
    kind = rng.choices(list(kinds), [everything[kind][1] for kind in kinds])[0]
    return kind, everything[kind][0](rng)


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(command, cases, timeout=120, limit=limited):
    """What each program printed, starting again behind one that ended the process."""
    lines = {}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "case.py"), "w", encoding="utf-8") as file:
            file.write(prelude.SCRIPT.replace("LIMIT", str(LIMIT)))
        with open(os.path.join(folder, "cases.json"), "w", encoding="ascii") as file:
            json.dump(cases, file)
        env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
        first = 0
        while first < len(cases):
            try:
                done = subprocess.run([*command, "case.py", "cases.json", str(first)], capture_output=True, timeout=timeout, env=env, cwd=folder, stdin=subprocess.DEVNULL, preexec_fn=limit)
                text, status, errors = done.stdout, done.returncode, done.stderr.decode("utf-8", "replace")[-300:]
            except subprocess.TimeoutExpired as error:
                text, status, errors = error.stdout or b"", "timeout", ""
            text = text.decode("utf-8", "replace")
            last = first - 1
            for line in text.split("\n"):
                number, _, rest = line.partition(" ")
                if number.isascii() and number.isdigit():
                    lines[int(number)] = rest
                    last = int(number)
            if text.rstrip().endswith("done"):
                break
            lines[last + 1] = f"!! the process ended: {status} {errors!r}"
            first = last + 2
    return [lines.get(number, "") for number in range(len(cases))]


def differ(ours, theirs):
    # Where CPython itself crashes, there is nothing to compare with.
    return "slow" not in (ours, theirs) and not theirs.startswith("!! the process") and not changes.same(ours, theirs)


# Where the hash of an item is its place in memory, so is the order of a set it is in.
PLACED = re.compile(r"\bnan\b|0x\.\.\.|\w\[|<class |<function |<built-in |<method |NotImplemented|Ellipsis")


# What 3.14's decimal hands on to Python code, which the build of it for WebAssembly comes without.
NOT_THERE = "No module named '_pydecimal'"


def settled(ours, theirs, newer):
    """Whether each thing told is what the one or the other CPython tells there, or the same set in another order."""
    pieces = itertools.zip_longest(ours.split(" | "), theirs.split(" | "), newer.split(" | "), fillvalue="")
    return all(changes.same(mine, other) or changes.same(mine, new) or reordered(mine, other) or NOT_THERE in new for mine, other, new in pieces)


def reordered(mine, other):
    return "{" in mine and PLACED.search(mine) is not None and sorted(re.findall(r"\w+", mine)) == sorted(re.findall(r"\w+", other))


def signature(ours, theirs):
    """The first thing told that differs, without its numbers and names: differences of one kind."""
    for mine, other in itertools.zip_longest(ours.split(" | "), theirs.split(" | "), fillvalue=""):
        if mine != other:
            return re.sub(r"'[^']*'|\d+", "#", mine)[:60], re.sub(r"'[^']*'|\d+", "#", other)[:60]
    return "", ""


def told_apart(ours, theirs):
    """The kinds of differences between what was told, each once."""
    pairs = itertools.zip_longest(ours.split(" | "), theirs.split(" | "), fillvalue="")
    return {signature(mine, other) for mine, other in pairs if not changes.same(mine, other)}


class Both:
    """The two interpreters."""

    def __init__(self, aio, python):
        self.aio, self.python = [os.path.abspath(aio)], [python]

    def answers(self, cases):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            ours, theirs = pool.submit(run, self.aio, cases), pool.submit(run, self.python, cases)
            return list(zip(ours.result(), theirs.result()))


# ---------------------------------------------------------------- making a program smaller


def smaller(source):
    """Programs that lack something of this one: a statement, the rest around a block or an expression, an item."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        lines = source.splitlines(keepends=True)
        yield from ("".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines)))
        return
    count = sum(1 for _ in ast.walk(tree))
    for at in range(count):
        for way in range(16):
            copy = ast.parse(source)
            node = next(node for number, node in enumerate(ast.walk(copy)) if number == at)
            if not shrink(copy, node, way):
                break
            try:
                text = ast.unparse(ast.fix_missing_locations(copy)) + "\n"
            except Exception:
                continue
            if len(text) < len(source) or text.count("\n") < source.count("\n"):
                yield text


def shrink(tree, node, way):
    """One way to make the tree smaller at a node; False if there are no more."""
    ways = []
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            if len(value) > 3 and isinstance(value[0], ast.stmt):
                ways += [(value, slice(half * len(value) // 2, (half + 1) * len(value) // 2), []) for half in (0, 1)]
            for at, item in enumerate(value):
                if isinstance(item, ast.stmt):
                    ways.append((value, at, []))
                    ways += [(value, at, inner) for _, inner in ast.iter_fields(item) if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt)]
                elif isinstance(item, ast.AST) and not isinstance(node, (ast.Compare, ast.BoolOp, ast.Dict)) and field not in ("targets", "generators", "ops"):
                    ways.append((value, at, []))
        elif isinstance(value, ast.expr):
            ways += [(node, field, child) for child in ast.iter_child_nodes(value) if isinstance(child, ast.expr)]
            if isinstance(value, (ast.BinOp, ast.Call, ast.BoolOp, ast.Compare, ast.IfExp, ast.ListComp, ast.Lambda)):
                ways.append((node, field, ast.Constant(1)))
    if way >= len(ways):
        return False
    where, key, what = ways[way]
    if isinstance(where, list):
        where[key if isinstance(key, slice) else slice(key, key + 1)] = what
        if not where and isinstance(node, (ast.stmt, ast.ExceptHandler)) and where is getattr(node, "body", None):
            where.append(ast.Pass())
    else:
        setattr(where, key, what)
    return True


def without(source, numbers):
    """The program without some of its statements, which are counted from the outside in; None if nothing is left of one."""
    tree = ast.parse(source)
    gone = {id(node) for number, node in enumerate(node for node in ast.walk(tree) if isinstance(node, ast.stmt)) if number in numbers}
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                kept = [item for item in value if id(item) not in gone]
                setattr(node, field, kept or ([] if isinstance(node, ast.Module) or field in ("orelse", "finalbody") and not isinstance(node, ast.Try) else [ast.Pass()]))
    try:
        return ast.unparse(tree) + "\n"
    except Exception:
        return None


def shrunk(both, source, seconds, changed):
    """The smallest program found that still differs, and otherwise than by what 3.14 has changed; its two answers."""
    end = time.monotonic() + seconds
    answer = both.answers([source])[0]
    if not differ(*answer):
        return None, answer
    raised = "NameError" in answer[1]
    own = told_apart(*answer) - changed

    def still(found):
        return differ(*found) and (not own or own & told_apart(*found)) and "!! the process" not in found[1] and "SyntaxError" not in found[1] and (raised or "NameError" not in found[1])

    try:
        while time.monotonic() < end:
            count = sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(source)))
            texts = [without(source, {number}) or source for number in range(count)]
            free = [number for number, found in enumerate(both.answers(texts)) if texts[number] != source and still(found)]
            if not free:
                break
            # Together, or as many of them as can go together.
            sets = [set(free[len(free) * part // parts : len(free) * (part + 1) // parts]) for parts in (1, 2, 3, 4, 8) for part in range(parts)] + [{number} for number in free]
            texts = sorted({without(source, numbers) or source for numbers in sets}, key=len)
            kept = [(text, found) for text, found in zip(texts, both.answers(texts)) if still(found) and len(text) < len(source)]
            if not kept:
                break
            source, answer = kept[0]
    except (SyntaxError, ValueError):
        pass
    seen = {source}
    while time.monotonic() < end:
        candidates = []
        for text in smaller(source):
            if text not in seen and len(candidates) < 200:
                seen.add(text)
                candidates.append(text)
        candidates.sort(key=len)
        kept = [(text, found) for text, found in zip(candidates, both.answers(candidates)) if still(found)]
        if not kept:
            break
        source, answer = kept[0]
    return source, answer


# ---------------------------------------------------------------- the rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aio", default="target/debug/aio")
    parser.add_argument("--oracle", default=os.environ.get("AIO_ORACLE_314", ""))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--group", default="language", help="language, library, syntax, or kinds: " + ", ".join(kind for group in GROUPS.values() for kind in group))
    parser.add_argument("--show", type=int, default=40, help="how many differences to make small and print")
    parser.add_argument("--patience", type=int, default=20, help="how many seconds to make one smaller")
    parser.add_argument("--print", type=int, default=0, help="print that many programs and end")
    options = parser.parse_args()
    kinds = list(GROUPS.get(options.group) or options.group.split(","))
    both = Both(options.aio, sys.executable)
    if options.print:
        for number in range(options.print):
            kind, source = generate(options.seed, kinds, number)
            print(f"# {number} {kind}\n{source}")
        return
    begun = time.monotonic()
    found, slow = [], 0

    def batch(first):
        made = [generate(options.seed, kinds, number) for number in range(first, min(first + BATCH, options.cases))]
        cases = [source for _, source in made]
        return [(first + at, *made[at], *answer) for at, answer in enumerate(zip(run(both.aio, cases), run(both.python, cases)))]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for results in pool.map(batch, range(0, options.cases, BATCH)):
            for number, kind, source, ours, theirs in results:
                slow += "slow" in (ours, theirs)
                if differ(ours, theirs):
                    found.append((number, kind, source, ours, theirs))
    newer = [""] * len(found)
    if options.oracle:
        newer = run(shlex.split(options.oracle), [source for _, _, source, _, _ in found], timeout=600, limit=None)
    agreed = [each for each, answer in zip(found, newer) if settled(each[3], each[4], answer)]
    found = [each for each, answer in zip(found, newer) if not settled(each[3], each[4], answer)]
    print(f"seed {options.seed}: {options.cases} programs, {len(found)} differ, {len(agreed)} as 3.14, {slow} slow, {time.monotonic() - begun:.0f} s", flush=True)
    known = set().union(*(told_apart(each[3], each[4]) for each in agreed))

    def sign_of(each):
        return min(told_apart(each[3], each[4]) - known, default=signature(each[3], each[4]))

    alike = collections.Counter(map(sign_of, found))
    # The same pair of answers again and again is one difference.
    kinds = {sign_of(each): each for each in reversed(found)}
    for sign, (number, kind, source, ours, theirs) in list(kinds.items())[:: -1]:
        small, answer = shrunk(both, source, options.patience, known)
        note = ""
        if small is None:
            small, answer, note = source, (ours, theirs), " (only behind others)"
        print(f"--- seed {options.seed} case {number} {kind}, {alike[sign]} alike{note}\n{small.rstrip()}\n  aio  {answer[0]}\n  3.13 {answer[1]}")
        if options.oracle:
            print(f"  3.14 {run(shlex.split(options.oracle), [small], limit=None)[0]}")
        sys.stdout.flush()
        options.show -= 1
        if not options.show:
            break
    changed = collections.Counter(signature(ours, theirs) for _, _, _, ours, theirs in agreed)
    for (mine, other), count in changed.most_common():
        print(f"3.14 has changed, {count} alike\n  3.14 {mine}\n  3.13 {other}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
