#!/usr/bin/env python3
"""Large numbers and long runs: what a task and a connection cost in memory, how deep calls go, whether anything leaks.

    python3 benches/scale.py [--aio PATH] [--only GLOB] [--seconds N]

Memory is the peak resident size of the process, less that of the same script with a small number. A soak samples memory and
open descriptors while it runs and compares the second half with the first. Fails if a limit below isn't kept. `--aio` may
name a python3 for comparison. Standard library only; needs Linux (/proc) and an open-files limit above 10,100.
"""

import argparse
import fnmatch
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent / "scale"


class Run:
    """One run of a script: status, output, peak memory and samples taken meanwhile."""

    def __init__(self, command, sample_every=None):
        self.samples = []
        with tempfile.TemporaryFile() as out:
            start = time.monotonic()
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
            while sample_every and child.returncode is None:
                time.sleep(sample_every)
                done, status, usage = os.wait4(child.pid, os.WNOHANG)
                if done:
                    child.returncode = os.waitstatus_to_exitcode(status)
                else:
                    self.samples.append(self.sample(child.pid))
            if child.returncode is None:
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
            self.wall = time.monotonic() - start
            self.status = child.returncode
            self.cpu = usage.ru_utime + usage.ru_stime
            self.peak = usage.ru_maxrss * 1024
            out.seek(0)
            self.printed = out.read().decode(errors="replace").strip()

    @staticmethod
    def sample(pid):
        try:
            pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
            return pages * resource.getpagesize(), len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return 0, 0


def each(aio, script, n, expected, limit_bytes, limit_seconds):
    small = Run([*aio, str(HERE / script), "10"])
    large = Run([*aio, str(HERE / script), str(n)])
    if large.status != 0 or large.printed != expected:
        return False, f"status {large.status}: {large.printed[-200:]}"
    cost = (large.peak - small.peak) / n
    fine = (limit_bytes is None or cost <= limit_bytes) and large.wall <= limit_seconds
    return fine, f"{n:,}: {cost:,.0f} bytes each, {large.wall:.2f} s, {large.cpu:.2f} s CPU"


def idle(aio, n):
    """Connections from this process to a server in another: each needs a descriptor on both sides."""
    child = subprocess.Popen([*aio, str(HERE / "idle_server.aio")], stdout=subprocess.PIPE)
    connections, heard = [], 0
    try:
        address = "127.0.0.1", int(child.stdout.readline())

        def connect():
            connections.append(socket.create_connection(address, timeout=30))

        def say(connection, line):
            connection.sendall(line)
            return len(connection.recv(100))

        connect()
        say(connections[0], b"x\n")
        before = Run.sample(child.pid)[0]
        while len(connections) < n:
            connect()
        time.sleep(1)
        idle_size = Run.sample(child.pid)[0]
        heard = sum(say(connection, b"x\n") for connection in connections)
        say(connections[0], b"stop\n")
        child.wait(30)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return False, f"after {len(connections):,} connections: {error!r}"
    finally:
        for connection in connections:
            connection.close()
        child.kill()
        child.wait()
    cost = (idle_size - before) / n
    return heard == 2 * n and cost <= 1500, f"{n:,}: {cost:,.0f} bytes each, {heard // 2:,} answered"


def deep(aio, script, n):
    run = Run([*aio, str(HERE / script), str(n)])
    return run.printed == str(n) and run.status == 0, f"{n:,} deep: {run.printed[-100:]} ({run.wall:.2f} s, {run.peak // 1024 // 1024} MiB)"


def soak(aio, script, seconds):
    run = Run([*aio, str(HERE / script), str(seconds)], sample_every=max(0.2, seconds / 200))
    # The first tenth is warming up, the last is ending.
    samples = [s for s in run.samples[len(run.samples) // 10 : -max(1, len(run.samples) // 10)] if s[0]]
    if run.status != 0 or len(samples) < 4:
        return False, f"status {run.status}, {len(samples)} samples: {run.printed[-200:]}"
    half = len(samples) // 2
    early, late = (max(s[0] for s in part) for part in (samples[:half], samples[half:]))
    files_early, files_late = (max(s[1] for s in part) for part in (samples[:half], samples[half:]))
    fine = late <= early * 1.05 + 2**20 and files_late <= files_early + 5
    return fine, f"{seconds:.0f} s: memory {early / 2**20:.1f} -> {late / 2**20:.1f} MiB, descriptors {files_early} -> {files_late}"


def start(aio, code, limit_seconds, limit_bytes):
    runs = [Run([*aio, "-c", code]) for _ in range(20)]
    best = min(r.wall for r in runs)
    # What the system counts for a child begins with the size of this process, which it was before it became aio: the script asks.
    peaks = [Run([*aio, "-c", f"{code}\nprint(open('/proc/self/status').read())"]).printed for _ in range(3)]
    peak = min(int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in peaks)
    return best <= limit_seconds and peak <= limit_bytes, f"{best * 1000:.1f} ms, {peak / 2**20:.1f} MiB"


def main():
    parser = argparse.ArgumentParser(description="Large numbers and long runs.")
    parser.add_argument("--aio", default=str(HERE.parent.parent / "target" / "release" / "aio"))
    parser.add_argument("--only", default="*", metavar="GLOB")
    parser.add_argument("--seconds", type=float, default=300, help="length of each soak")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    aio = [str(pathlib.Path(options.aio).resolve())]
    awaits = "import asyncio\nasync def main(): await asyncio.sleep(0)\nasyncio.run(main())"
    checks = {
        "start-hello": lambda: start(aio, "print('hello')", 0.004, 10 * 2**20),
        "start-await": lambda: start(aio, awaits, 0.004, 10 * 2**20),
        "sleepers": lambda: each(aio, "sleepers.aio", 1_000_000, "1000000", 500, 5),
        "idle-connections": lambda: idle(aio, 10_000),
        "busy-connections": lambda: each(aio, "busy_connections.aio", 1_000, "500000", None, 60),
        "deep-recursion": lambda: deep(aio, "deep_recursion.aio", 100_000),
        "deep-await": lambda: deep(aio, "deep_await.aio", 100_000),
        "soak-trees": lambda: soak(aio, "soak_trees.aio", options.seconds),
        "soak-echo": lambda: soak(aio, "soak_echo.aio", options.seconds),
    }
    failed = 0
    for name, check in checks.items():
        if fnmatch.fnmatch(name, options.only):
            fine, report = check()
            failed += not fine
            print(f"{'ok ' if fine else 'BAD'} {name:18} {report}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
