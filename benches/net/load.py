#!/usr/bin/env python3
"""Load for an echo server in another process: so many connections, each sending a request of 1 KiB as soon as the last is answered.

    python3 benches/net/load.py CONNECTIONS REQUESTS COMMAND...

Starts the command, which prints its port, and prints the CPU seconds that it needed for the requests: start and connecting are
left out. Standard library only; needs Linux (/proc).
"""

import select
import socket
import subprocess
import sys

REQUEST = b"x" * 1024


def cpu_seconds(pid):
    """CPU time of all threads of a process, in seconds."""
    import os

    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def load(sockets, requests):
    """Sends so many requests over all, and takes the answers."""
    poll = select.epoll()
    by_number = {}
    for s in sockets:
        poll.register(s, select.EPOLLIN)
        by_number[s.fileno()] = [s, 0]
    left = requests
    waiting = 0
    for s in sockets:
        if left:
            s.send(REQUEST)
            left -= 1
            waiting += 1
    while waiting:
        for number, _ in poll.poll():
            entry = by_number[number]
            data = entry[0].recv(65536)
            if not data:
                raise ConnectionError("closed by the server")
            entry[1] += len(data)
            if entry[1] == len(REQUEST):
                entry[1] = 0
                if left:
                    entry[0].send(REQUEST)
                    left -= 1
                else:
                    waiting -= 1
    poll.close()


def measure(command, connections, requests):
    """CPU seconds of a server for so many requests."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    sockets = []
    try:
        address = "127.0.0.1", int(child.stdout.readline())
        for _ in range(connections):
            s = socket.create_connection(address, timeout=30)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets.append(s)
        load(sockets, max(200, 2 * connections))
        before = cpu_seconds(child.pid)
        load(sockets, requests)
        used = cpu_seconds(child.pid) - before
        sockets[0].sendall(b"stop")
        child.wait(30)
        return used
    finally:
        for s in sockets:
            s.close()
        child.kill()
        child.wait()
        child.stdout.close()


if __name__ == "__main__":
    print(measure(sys.argv[3:], int(sys.argv[1]), int(sys.argv[2])))
