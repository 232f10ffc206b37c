"""The table of names: what of CPython's builtin types and library modules exists in aio, name by name.

    python3 tests/names.py --aio target/release/aio            check; the table as it is now must be in tests/names/table.txt
    python3 tests/names.py --aio target/release/aio --write    write tests/names/table.txt
    python3 tests/names.py --collect "node py314.mjs" --native python3.13
                                                               ask CPython again: tests/names/cpython.txt

`cpython.txt` has a line for each type, module and public class of a module, with its names. They are 3.14's; for modules that look
different on each platform (OF_THE_PLATFORM) also those of a native CPython for Linux. `tests/names.rs` compares as well: a name that was
there must not disappear, and what the table says must be so.
"""

import argparse
import os
import shlex
import subprocess
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names")
PROBE = os.path.join(FOLDER, "probe.py")
OF_THE_PLATFORM = {
    "errno", "http.client", "http.server", "mmap", "multiprocessing", "os", "os.path", "platform", "select", "selectors", "signal", "socket",
    "ssl", "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip
# Names of one platform or build, and of what aio leaves out by design (README).
LEFT_OUT = {
    "module:builtins": {"copyright", "credits", "license", "exit", "quit"},
    "module:os": {"O_EXEC", "O_SEARCH", "O_TTY_INIT"},
    "module:sys": {"setdlopenflags", "getdlopenflags", "activate_stack_trampoline", "deactivate_stack_trampoline", "is_stack_trampoline_active", "monitoring", "abiflags", "api_version"},  # fmt: skip
    "module:socket": {"CAPI", "IPPROTO_MAX"},
    "class:socket.AddressFamily": {"AF_ROUTE"},
    "class:socket.socket": {"sendmsg_afalg"},
    "class:socket.SocketType": {"sendmsg_afalg"},
    "class:ssl.SSLSocket": {"sendmsg_afalg"},
}
# What has to exist, in percent: of the types, of the modules, and of the classes in them. Each module has to reach it on its own too.
AIMS = {"type": 98.0, "module": 95.0, "class": 95.0}
ORDER = ["module", "type", "class"]


def ask(command, *words):
    done = subprocess.run([*command, PROBE, *words], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"})  # fmt: skip
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
        if kind != "type" and module in OF_THE_PLATFORM:
            wanted[owner] = wanted.get(owner, set()) | here.get(owner, set())
    with open(os.path.join(FOLDER, "cpython.txt"), "w", encoding="utf-8") as file:
        for owner, names in sorted(wanted.items()):
            print(owner, *sorted(names - LEFT_OUT.get(owner, set())), file=file)


def table(wanted, found):
    """The lines of the table, and what is short of its aim."""
    lines, total, there, short = [], dict.fromkeys(AIMS, 0), dict.fromkeys(AIMS, 0), []
    for owner, names in sorted(wanted.items(), key=lambda item: (ORDER.index(item[0].partition(":")[0]), item[0])):
        kind = owner.partition(":")[0]
        missing = sorted(names - found.get(owner, set()))
        total[kind] += len(names)
        there[kind] += len(names) - len(missing)
        if kind == "module" and 100 * len(missing) > (100 - AIMS[kind]) * len(names):
            short.append(owner)
        line = f"{owner} {len(names) - len(missing)}/{len(names)}"
        lines.append(line + (" missing: " + " ".join(missing) if missing else ""))
    shares = {kind: 100 * there[kind] / total[kind] for kind in AIMS}
    head = [f"# {kind}: {there[kind]} of {total[kind]} names exist, {shares[kind]:.1f}%" for kind in AIMS]
    return head + lines, [kind for kind, aim in AIMS.items() if shares[kind] < aim] + short


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
    lines, short = table(wanted, ask([os.path.abspath(options.aio)], "all"))
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
    if short:
        print("short of the aim:", *short)
    sys.exit(0 if same and not short else 1)


if __name__ == "__main__":
    main()
