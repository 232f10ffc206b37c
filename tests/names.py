"""The table of names: what of CPython's builtin types and library modules exists in aio, name by name.

    python3 tests/names.py --aio target/release/aio            check; the table as it is now must be in tests/names/table.txt
    python3 tests/names.py --aio target/release/aio --write    write tests/names/table.txt
    python3 tests/names.py --collect "node py314.mjs" --native python3.13
                                                               ask CPython again: tests/names/cpython.txt

`cpython.txt` has a line for each type, module and public class of a module, with its names. They are 3.14's; for modules that look
different on each platform (OF_THE_PLATFORM) those of a native CPython for Linux.
"""

import argparse
import os
import shlex
import subprocess
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names")
PROBE = os.path.join(FOLDER, "probe.py")
OF_THE_PLATFORM = {"os", "os.path", "signal", "socket", "select", "selectors", "subprocess", "errno", "time", "threading", "platform", "shutil", "tempfile", "sys"}  # fmt: skip
# Names of one platform or build, and of what aio leaves out by design (README).
LEFT_OUT = {
    "module:builtins": {"copyright", "credits", "license", "exit", "quit"},
    "module:sys": {"setdlopenflags", "getdlopenflags", "activate_stack_trampoline", "deactivate_stack_trampoline", "is_stack_trampoline_active", "monitoring", "abiflags", "api_version"},  # fmt: skip
}
# What has to exist: of the types, and of the modules with their classes.
AIMS = {"type": 98.0, "module": 95.0, "class": 95.0}


def ask(command):
    done = subprocess.run([*command, PROBE], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    if not done.stdout:
        sys.exit(f"{command}: {done.stderr[-500:]}")
    return parsed(done.stdout)


def parsed(text):
    owners = {}
    for line in text.splitlines():
        owner, *names = line.split(" ")
        owners[owner] = set(names)
    return owners


def collect(newest, native):
    wanted, here = ask(newest), ask(native)
    for owner in list(wanted) + list(here):
        kind, _, path = owner.partition(":")
        module = path if kind == "module" else path.rpartition(".")[0]
        if kind != "type" and module in OF_THE_PLATFORM and owner in here:
            wanted[owner] = here[owner]
    with open(os.path.join(FOLDER, "cpython.txt"), "w", encoding="utf-8") as file:
        for owner, names in sorted(wanted.items()):
            print(owner, *sorted(names - LEFT_OUT.get(owner, set())), file=file)


def table(wanted, found):
    """The lines of the table, and how much of each kind exists."""
    lines, total, there = [], dict.fromkeys(AIMS, 0), dict.fromkeys(AIMS, 0)
    for owner, names in sorted(wanted.items()):
        kind = owner.partition(":")[0]
        missing = sorted(names - found.get(owner, set()))
        total[kind] += len(names)
        there[kind] += len(names) - len(missing)
        line = f"{owner} {len(names) - len(missing)}/{len(names)}"
        lines.append(line + (" missing: " + " ".join(missing) if missing else ""))
    shares = {kind: 100 * there[kind] / total[kind] for kind in AIMS}
    head = [f"# {kind}: {there[kind]} of {total[kind]} names exist, {shares[kind]:.1f}%" for kind in AIMS]
    return head + lines, shares


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aio", default="target/release/aio")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--collect")
    parser.add_argument("--native", default="python3.13")
    options = parser.parse_args()
    if options.collect:
        collect(shlex.split(options.collect), shlex.split(options.native))
        return
    with open(os.path.join(FOLDER, "cpython.txt"), encoding="utf-8") as file:
        wanted = parsed(file.read())
    lines, shares = table(wanted, ask([os.path.abspath(options.aio)]))
    path = os.path.join(FOLDER, "table.txt")
    text = "".join(line + "\n" for line in lines)
    print(*lines[: len(AIMS)], sep="\n")
    if options.write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        same = file.read() == text
    if not same:
        print("tests/names/table.txt says otherwise: run with --write")
    sys.exit(0 if same and all(shares[kind] >= aim for kind, aim in AIMS.items()) else 1)


if __name__ == "__main__":
    main()
