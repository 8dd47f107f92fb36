"""What differs between the systems that the tests run on."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

IS_WINDOWS = sys.platform == "win32"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
needs_files = pytest.mark.skipif(IS_WINDOWS, reason="shared memory has no files here")
on_windows = pytest.mark.skipif(not IS_WINDOWS, reason="users are named otherwise on Windows")
needs_sigterm = pytest.mark.skipif(IS_WINDOWS, reason="SIGTERM ends a program of Windows there and then")


class _NoNumpy:
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "pytest" in name:  # the collector asks everything that a module has
            raise AttributeError(name)
        pytest.skip("no numpy here")


np: Any = _NoNumpy()
try:
    import numpy as np  # noqa: F811
except ImportError:
    pass


def is_this_user(user: str) -> bool:
    """Whether a user as the library names them may be the one that the tests run as."""
    return user.startswith("S-1-") if IS_WINDOWS else user == str(os.getuid())


def command(program: str, *arguments: str) -> list[str]:
    """What runs a text in another interpreter, so that interrupt() reaches it once it has printed something."""
    if IS_WINDOWS:
        here = str(Path(__file__).parent)
        program = f"import sys; sys.path.append({here!r}); import systems; systems.listen()\n{program}"
    return [sys.executable, "-c", program, *arguments]


def command_of(script: Path) -> list[str]:
    """The same for a file."""
    if not IS_WINDOWS:
        return [sys.executable, str(script)]
    return command("import runpy; runpy.run_path(sys.argv[1], run_name='__main__')", str(script))


def interrupt(process: subprocess.Popen[Any]) -> None:
    """Ctrl-C, for this program alone. Windows can tell only all programs of a console, and each in a new thread."""
    if not IS_WINDOWS:
        process.send_signal(signal.SIGINT)
        return
    event = _kernel().OpenEventW(_EVENT_MODIFY_STATE, False, _event_name(process.pid))
    if event:  # or it has ended
        _kernel().SetEvent(ctypes.c_void_p(event))
        _kernel().CloseHandle(ctypes.c_void_p(event))


def listen() -> None:
    """In a program that interrupt() is to reach."""
    event = _kernel().CreateEventW(None, False, False, _event_name(os.getpid()))

    def wait() -> None:
        while True:
            _kernel().WaitForSingleObject(ctypes.c_void_p(event), _INFINITE)
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=wait, daemon=True).start()


def pause(process: subprocess.Popen[Any]) -> None:
    """Returns once it stands still."""
    if IS_WINDOWS:
        _native_api().NtSuspendProcess(_handle(process))
    else:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)


def go_on(process: subprocess.Popen[Any]) -> None:
    if IS_WINDOWS:
        _native_api().NtResumeProcess(_handle(process))
    else:
        process.send_signal(signal.SIGCONT)


_EVENT_MODIFY_STATE = 2
_INFINITE = 0xFFFFFFFF


def _event_name(process_id: int) -> str:
    return f"shared-channel-python-test-{process_id}"


def _handle(process: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(int(process._handle))


def _native_api() -> Any:
    return ctypes.WinDLL("ntdll")


def _kernel() -> Any:
    kernel = ctypes.WinDLL("kernel32")
    for function in (kernel.OpenEventW, kernel.CreateEventW):
        function.restype = ctypes.c_void_p
    return kernel
