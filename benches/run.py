#!/usr/bin/env python3
"""Time the scripts beside this file on aio and on CPython.

    python3 benches/run.py [--aio PATH] [--python PATH] [--runs N] [--only GLOB] [--check]

Runs of both are interleaved, so that a busy machine disturbs them alike. What counts is CPU time, user and system, of
the whole process; of all runs the least. A ratio under 1 means that aio needs less than CPython. Each script prints a
checksum that has to equal the one in checksums.txt. The scripts in net/server
are servers: their load comes from another process, the same for both, and what counts is the server's CPU time for the requests, without start
and connecting, at 1, 64 and 512 connections. `--check` only runs aio once on each and compares the checksums;
`--record` writes checksums.txt from CPython. A folder is a group with a geometric mean of its own. Standard library only.
"""

import argparse
import fnmatch
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "net"))
# How many connections a server has, and how many requests come over them.
LOADS = [(1, 10_000), (64, 20_000), (512, 20_000)]
GROUPS = ["language", "native", "async", "net", "start"]
TITLES = {
    "language": "calls, loops, floats, objects, generators",
    "native": "strings, dicts, sort, JSON, big integers, what the library does natively",
    "async": "tasks, switching, queues, locks, timers",
    "net": "TCP, server and clients in one process",
    "served": "TCP, CPU of the server alone",
    "start": "start of the process",
}


class Failed(Exception):
    """Why a script has no time."""


def run_once(command):
    """CPU seconds, wall seconds and stdout of one run."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = time.monotonic()
        env = dict(os.environ, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=HERE)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - before
        # The child is reaped here; Popen must not look for it again.
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            last = err.read().decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise Failed(f"exit status {child.returncode}: {last[0][:100]}")
        return usage.ru_utime + usage.ru_stime, wall, out.read().decode(errors="replace").strip()


def read_checksums():
    path = HERE / "checksums.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("\t", 1) for line in lines if line)


def measure(name, commands, runs, checksum):
    """The least CPU time of each command."""
    best = [math.inf] * len(commands)
    for _ in range(runs):
        for i, command in enumerate(commands):
            cpu, _, printed = run_once([*command, str(HERE / name)])
            if printed != checksum:
                raise Failed(f"{command[0]} printed {printed[:60]!r} instead of {(checksum or 'nothing recorded')[:60]!r}")
            best[i] = min(best[i], cpu)
    return best


def serve(name, connections, requests, commands, runs):
    """The least CPU time of each command as a server."""
    import load

    best = [math.inf] * len(commands)
    for _ in range(runs):
        for i, command in enumerate(commands):
            try:
                used = load.measure([*command, str(HERE / name)], connections, requests)
            except (OSError, ValueError, subprocess.TimeoutExpired) as error:
                raise Failed(f"{command[0]}: {error!r}"[:100]) from None
            best[i] = min(best[i], used)
    return best


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def main():
    parser = argparse.ArgumentParser(description="Time the scripts in this folder on aio and on CPython.")
    parser.add_argument("--aio", default=str(HERE.parent / "target" / "release" / "aio"))
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="*", metavar="GLOB", help="group/name, without .aio")
    parser.add_argument("--check", action="store_true", help="run aio once on each for the checksums only")
    parser.add_argument("--record", action="store_true", help="write checksums.txt from CPython")
    options = parser.parse_args()
    # Scripts run in this folder, so paths are made whole first.
    options.aio = str(pathlib.Path(options.aio).resolve())
    names = [f"{g}/{p.stem}" for g in GROUPS for p in sorted((HERE / g).glob("*.aio"))]
    names = [n for n in names if fnmatch.fnmatch(n, options.only) or fnmatch.fnmatch(n.split("/")[1], options.only)]
    checksums = read_checksums()
    failed, ratios = 0, {}

    if options.record:
        for name in names:
            cpu, wall, checksums[name] = run_once([options.python, str(HERE / f"{name}.aio")])
            print(f"{name:34} {cpu:6.2f} s CPU {wall:6.2f} s  {checksums[name][:60]}")
        (HERE / "checksums.txt").write_text("".join(f"{n}\t{c}\n" for n, c in sorted(checksums.items())))
        return 0

    if options.check:
        for name in names:
            try:
                measure(f"{name}.aio", [[options.aio, "run"]], 1, checksums.get(name))
            except Failed as reason:
                failed += 1
                print(f"{name}: {reason}")
        print(f"{len(names) - failed} of {len(names)} checksums are right")
        return 1 if failed else 0

    print(f"{'script':34} {'aio':>9} {'CPython':>9} {'ratio':>7}")
    for group in GROUPS:
        for name in (n for n in names if n.startswith(group + "/")):
            try:
                ours, theirs = measure(f"{name}.aio", [[options.aio, "run"], [options.python]], options.runs, checksums.get(name))
            except Failed as reason:
                failed += 1
                print(f"{name:34} {reason}")
                continue
            ratio = max(ours, 0.0005) / max(theirs, 0.0005)
            ratios.setdefault(group, []).append(ratio)
            print(f"{name:34} {ours:8.3f}s {theirs:8.3f}s {ratio:7.3f}", flush=True)
        servers = [p.stem for p in sorted((HERE / group / "server").glob("*.aio"))]
        for server, (connections, requests) in [(s, l) for s in servers for l in LOADS]:
            name = f"{group}/server/{server}-{connections}"
            if not (fnmatch.fnmatch(name, options.only) or fnmatch.fnmatch(f"{server}-{connections}", options.only)):
                continue
            commands = [[options.aio, "run"], [options.python]]
            try:
                ours, theirs = serve(f"{group}/server/{server}.aio", connections, requests, commands, options.runs)
            except Failed as reason:
                failed += 1
                print(f"{name:34} {reason}")
                continue
            ratios.setdefault("served", []).append(ours / theirs)
            each = f"{ours / requests * 1e6:5.1f} and {theirs / requests * 1e6:5.1f} us a request"
            print(f"{name:34} {ours:8.3f}s {theirs:8.3f}s {ours / theirs:7.3f}  {each}", flush=True)
    print()
    for group, values in ratios.items():
        print(f"{group:10} {TITLES[group]:44} mean {geometric_mean(values):6.3f}  worst {max(values):6.3f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
