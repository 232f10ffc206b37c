"""Differential fuzzing of `re`: generated patterns and texts, run by aio and by a native CPython, one process each.

    python3 tests/fuzz_re.py [--aio target/fast/aio] [--python python3.13] [--seed N] [--count N] [--rounds N]

The same script runs under both and prints a line a case; lines that differ are shown with what reproduces them.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile

ATOMS = [
    "a", "b", "c", "A", "B", "x", "1", "_", " ", "\\n", "é", "É", "ſ", "K", "ß", "İ", "ı", "日", "\U00010400", "\U00010428",
    ".", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\.", "\\x61", "\\u00e9", "\\t", "[ab]", "[^a]", "[^ab]", "[a-c]", "[^a-c1]", "[A-Z]",
    "[\\w-]", "[^\\W]", "[é-ö]", "[\\d_]", "[]a]", "[^]a]", "[a\\-z]", "[\\s\\S]", "[k-s]", "[^k-s]", "[É]", "[\\Wa]",
]  # fmt: skip
ANCHORS = ["^", "$", "\\A", "\\Z", "\\b", "\\B"]
REPEATS = ["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{0,2}?", "{2,}", "{,2}", "{2,3}?", "{1,2}+", "{0}", "{0,0}", "{3}+", "{2,}+", "{1}"]  # fmt: skip
FLAGS = [0, 0, 0, 2, 2, 8, 16, 256, 258, 10, 24, 64]
LETTERS = "aaabbbccABx1_ \n\n.-éÉſKkßsSİıi日\U00010400\U00010428µμ"
NARROW = "aaabbbccABx1_ \n.-kKsSi"


class Pattern:
    """Makes one pattern."""

    def __init__(self, rng, narrow):
        self.rng = rng
        self.groups = 0
        self.closed = []
        self.narrow = narrow

    def atom(self):
        while True:
            atom = self.rng.choice(ATOMS)
            if not self.narrow or atom.isascii() and "\\u" not in atom:
                return atom

    def piece(self, depth, fixed=False):
        rng = self.rng
        roll = rng.random()
        if depth <= 0 or roll < 0.42:
            return self.atom()
        if roll < 0.48:
            return "".join(rng.choice("abcab") for _ in range(rng.randint(2, 3)))
        if roll < 0.53:
            return rng.choice(ANCHORS)
        if roll < 0.70:
            self.groups += 1
            group = self.groups
            named = f"?P<n{group}>" if rng.random() < 0.15 else ""
            body = self.alternatives(depth - 1, fixed)
            self.closed.append(group)
            return f"({named}{body})"
        if roll < 0.78:
            return f"(?:{self.alternatives(depth - 1, fixed)})"
        if roll < 0.82:
            return f"(?>{self.alternatives(depth - 1, fixed)})"
        if roll < 0.86:
            return f"(?{rng.choice('=!')}{self.alternatives(depth - 1)})"
        if roll < 0.90:
            return f"(?<{rng.choice('=!')}{self.alternatives(min(depth - 1, 1), True)})"
        if roll < 0.94 and self.closed:
            return f"\\{rng.choice(self.closed)}" + rng.choice(["", "", "(?:)"])
        if roll < 0.97 and self.groups:
            no = f"|{self.sequence(depth - 1, fixed)}" if rng.random() < 0.7 else ""
            return f"(?({rng.randint(1, self.groups)}){self.sequence(depth - 1, fixed)}{no})"
        return f"(?{rng.choice(['i', '-i', 's', 'm', 'a', 'x', 'i-s'])}:{self.alternatives(depth - 1, fixed)})"

    def sequence(self, depth, fixed=False):
        rng = self.rng
        out = []
        for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, 3)):
            groups = self.groups
            piece = self.piece(depth, fixed)
            if rng.random() < 0.38 and not (fixed and rng.random() < 0.9):
                repeat = rng.choice(REPEATS)
                # CPython forgets to put groups back where an alternative fails within a possessive repetition.
                piece += "*" if repeat[-2:] in ("*+", "++", "?+", "}+") and self.groups > groups else repeat
            out.append(piece)
        return "".join(out)

    def alternatives(self, depth, fixed=False):
        count = self.rng.choice([1, 1, 1, 2, 2, 3])
        return "|".join(self.sequence(depth, fixed) for _ in range(count))


def broken(rng, pattern):
    """A pattern with a mistake, perhaps."""
    at = rng.randint(0, len(pattern))
    return pattern[:at] + rng.choice(["(", ")", "[", "]", "*", "?", "{", "}", "\\", "(?", "(?P<", "|", "+", "{2", "\\8", "\\q", "(?<"]) + pattern[at + rng.randint(0, 1) :]  # fmt: skip


def case(rng):
    narrow = rng.random() < 0.5
    binary = narrow and rng.random() < 0.3
    maker = Pattern(rng, narrow)
    pattern = maker.alternatives(rng.randint(1, 4))
    if rng.random() < 0.08:
        pattern = broken(rng, pattern)
    flags = rng.choice(FLAGS)
    letters = NARROW if narrow else LETTERS
    texts = ["".join(rng.choice(letters) for _ in range(rng.randint(1, 14))) for _ in range(3)]
    if rng.random() < 0.2:
        texts.append("".join(rng.choice("ab") for _ in range(rng.randint(1, 12))))
    if binary:
        pattern = pattern.encode("latin-1")
        texts = [text.encode("latin-1") for text in texts]
        flags = rng.choice([flags & ~256, flags & ~256, flags & ~256 | 4, flags])
    return pattern, flags, texts, rng.randint(0, 3), rng.choice([100, 100, 5, 8]), rng.randint(0, 1 << 30)


RUNNER = r'''
import re, sys, warnings
try:
    import signal
except ImportError:
    signal = None
warnings.simplefilter("ignore")
def show(m):
    return m and (m.regs, m.lastindex, m.lastgroup, m.groups())
def stop(*args):
    raise TimeoutError
def run(number, pattern, flags, texts, pos, endpos, pick):
    try:
        p = re.compile(pattern, flags)
    except (re.error, OverflowError, ValueError, RecursionError) as e:
        print(number, type(e).__name__, ascii(str(e)))
        return
    print(number, p.flags, p.groups, ascii(dict(p.groupindex)))
    for i, text in enumerate(texts):
        alarm(3)
        try:
            out = [show(p.search(text)), show(p.match(text, pos, endpos)), show(p.fullmatch(text)), [show(m) for m in p.finditer(text, pos)]]
            way = (pick + i) % 4
            if way == 0:
                out.append(p.findall(text))
            elif way == 1:
                out.append(p.split(text, pick % 3))
            elif way == 2:
                out.append(p.subn("<\\g<0>>" if isinstance(text, str) else b"<\\g<0>>", text, pick % 3))
            else:
                out.append(p.sub(lambda m: m[0][::-1] + m.string[:1], text))
            print(number, i, ascii(out))
        except TimeoutError:
            print(number, i, "slow")
        finally:
            alarm(0)
def alarm(seconds):
    if signal:
        signal.setitimer(signal.ITIMER_REAL, seconds)
if signal:
    signal.signal(signal.SIGALRM, stop)
'''


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--aio", default="target/fast/aio")
    args.add_argument("--python", default=os.environ.get("AIO_ORACLE_NATIVE", "python3.13"))
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--count", type=int, default=5000)
    args.add_argument("--rounds", type=int, default=1)
    args.add_argument("--show", type=int, default=10)
    args = args.parse_args()
    failed = 0
    for seed in range(args.seed, args.seed + args.rounds):
        rng = random.Random(seed)
        cases = [case(rng) for _ in range(args.count)]
        script = RUNNER + "".join(f"run({n}, {', '.join(map(ascii, c))})\n" for n, c in enumerate(cases))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fuzz.aio")
            with open(path, "w") as file:
                file.write(script)
            outputs = []
            for command in (args.python, args.aio):
                done = subprocess.run([command, path], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
                if done.returncode:
                    print(command, "ended with", done.returncode, done.stderr[-2000:])
                outputs.append(done.stdout.splitlines())
        wanted, got = (dict(line.split(" ", 2)[:1] and (tuple(line.split(" ", 2)[:2]), line) for line in out) for out in outputs)
        different = [key for key in wanted if wanted[key] != got.get(key) and "slow" not in (wanted[key][-4:], (got.get(key) or "")[-4:])]
        print(f"seed {seed}: {len(wanted)} lines, {len(different)} differ, {sum(line.endswith('slow') for line in got.values())} slow")
        for key in different[: args.show]:
            pattern, flags, texts, pos, endpos, pick = cases[int(key[0])]
            print(f"  {ascii(pattern)}, flags {flags}, {ascii(texts)}, pos {pos}, endpos {endpos}, pick {pick}\n    wanted {wanted[key]}\n    got    {got.get(key)}")
        failed += len(different)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
