"""Compare `aio --dump=ast` with `ast.dump` over every file of the running Python's own library.

    python3.13 tests/ast_dump.py target/release/aio [--positions] [--limit N] [FOLDER ...]

Files that this Python itself refuses are left out, and those that declare an encoding other than UTF-8, ASCII and
Latin-1, which aio refuses by name. With --positions the places of all nodes are compared too.
Exit status 1 if any file differs. The form of the dump is 3.14's; what 3.13 does otherwise is normalised here:

- new characters: 3.14 knows Unicode 16 and its repr shows the characters that came with it; a Python with older
  tables escapes them, so here they are escaped too.
"""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import warnings
from concurrent.futures import ThreadPoolExecutor

warnings.simplefilter("ignore")
sys.setrecursionlimit(20_000)


UNKNOWN_ENCODING = object()


def files(folders):
    for folder in folders:
        if os.path.isfile(folder):
            yield folder
        for place, folders, names in sorted(os.walk(folder)):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    yield os.path.join(place, name)


def ours(aio, path, positions):
    stage = "positions" if positions else "ast"
    done = subprocess.run([aio, f"--dump={stage}", path], capture_output=True)
    if done.returncode == 2 and b": unknown encoding: " in done.stderr:
        return UNKNOWN_ENCODING, ""
    if done.returncode:
        return None, done.stderr.decode(errors="replace")
    return re.sub(r"[^\x00-\x7f]", escape_unknown, done.stdout.decode("utf-8", "replace")), ""


def escape_unknown(found):
    char = found[0]
    if char.isprintable():
        return char
    return repr(char)[1:-1]


def theirs(path, positions):
    with open(path, "rb") as file:
        text = file.read()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    return ast.dump(tree, indent=1, include_attributes=positions) + "\n"


def main(args):
    positions = "--positions" in args
    args = [arg for arg in args if arg != "--positions"]
    limit = None
    if "--limit" in args:
        at = args.index("--limit")
        limit = int(args[at + 1])
        del args[at : at + 2]
    aio, *folders = args
    paths = list(files(folders or [sysconfig.get_path("stdlib")]))[:limit]
    same = left_out = 0
    different = []
    with ThreadPoolExecutor(2) as pool:
        jobs = pool.map(lambda path: ours(aio, path, positions), paths)
        for path, (text, error) in zip(paths, jobs):
            expected = theirs(path, positions)
            if expected is None or text is UNKNOWN_ENCODING:
                left_out += 1
            elif text == expected:
                same += 1
            else:
                different.append(path)
                print(f"DIFFERENT {path}")
                if text is None:
                    print("   ", "\n    ".join(error.splitlines()[:8]))
                    continue
                pairs = zip(text.splitlines(), expected.splitlines())
                for number, (one, other) in enumerate(pairs, 1):
                    if one != other:
                        print(f"    line {number}: aio {one.strip()!r}, python {other.strip()!r}")
                        break
    print(f"{same} the same, {len(different)} different, {left_out} left out")
    return 1 if different or not same else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
