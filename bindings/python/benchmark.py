"""What a call from Python costs, beside the same call from C++ in the same run.

usage: python benchmark.py BUILD_DIR [SECONDS]     needs python_peer, built by CMake there, and numpy

Servers are the same C++ programs for both, and have a processor of their own; they and their clients spin, but for
asyncio's. Each figure is the p50 of its calls, the median of five rounds in which all take turns. The reply of 1 MiB is
written anew for each call, and summed up.
"""

import asyncio
import os
import platform
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np

import shared_channel as sc

ROUNDS = 5
Measure = Callable[[], float]


def p50(call: Callable[[], Any], seconds: float) -> float:
    """Microseconds."""
    times = []
    end = time.perf_counter_ns() + int(seconds * 1e9)
    before = time.perf_counter_ns()
    while before < end:
        call()
        after = time.perf_counter_ns()
        times.append(after - before)
        before = after
    return statistics.median(times) / 1000


def cpp(peer: Path, kind: str, name: str, seconds: float) -> float:
    done = subprocess.run([str(peer), kind, name, str(seconds)], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1000


def keep_to(processor: int, process: int = 0) -> None:
    """Pins a process, so that spinning ends do not share a processor."""
    if sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(process, [processor])


def from_loop(client: sc.Client, seconds: float) -> float:
    async def main() -> float:
        times = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            before = time.perf_counter_ns()
            await client.call_async(1, 2, 3, 4, 5, 6)
            times.append(time.perf_counter_ns() - before)
        return statistics.median(times) / 1000

    return asyncio.run(main())


def words(peer: Path, name: str, seconds: float) -> Iterator[tuple[str, Measure]]:
    client = sc.Client(name, spin=float("inf"), timeout=10)
    request = bytes(48)
    yield "48 bytes, C++", lambda: cpp(peer, "words", name, seconds)
    yield "48 bytes, Python, call_bytes(bytes)", lambda: p50(lambda: client.call_bytes(request), seconds)
    yield "48 bytes, Python, call() of six u64", lambda: p50(lambda: client.call(1, 2, 3, 4, 5, 6), seconds)
    sleeper = sc.Client(name, timeout=10)
    yield "48 bytes, Python, await call_async()", lambda: from_loop(sleeper, seconds)


def frames(peer: Path, name: str, seconds: float) -> Iterator[tuple[str, Measure]]:
    client = sc.Client(name, spin=float("inf"), timeout=10)
    request = struct.pack("=I", 1 << 18)

    def in_place() -> None:
        with client.call_in_place(request) as reply:
            np.frombuffer(reply.view(), np.float32).sum()

    def copied() -> None:
        np.frombuffer(client.call(request), np.float32).sum()

    yield "reply of 1 MiB, C++, in place", lambda: cpp(peer, "frame", name, seconds)
    yield "reply of 1 MiB, numpy, in place", lambda: p50(in_place, seconds)
    yield "reply of 1 MiB, numpy, as bytes", lambda: p50(copied, seconds)


def measured(peer: Path, kind: str, make: Callable[..., Iterator[tuple[str, Measure]]], seconds: float) -> None:
    name = f"py-benchmark-{os.getpid()}"
    command = [str(peer), "serve", kind, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        for task in Path(f"/proc/{server.pid}/task").glob("*"):
            keep_to(1, int(task.name))
        measures = list(make(peer, name, seconds))
        rounds = [[measure() for _, measure in measures] for _ in range(ROUNDS)]
        server.communicate()
    for (label, _), figures in zip(measures, zip(*rounds)):
        print(f"{label:38} {statistics.median(figures):8.2f} us", flush=True)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    peer = Path(sys.argv[1]) / "bindings/python/python_peer"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
    print(f"{processor()}, {os.cpu_count()} processors; {platform.system()} {platform.release()}; "
          f"Python {platform.python_version()}, numpy {np.__version__}, SharedChannel {sc.__version__}")
    keep_to(0)
    measured(peer, "words", words, seconds)
    measured(peer, "frame", frames, seconds)


if __name__ == "__main__":
    main()
