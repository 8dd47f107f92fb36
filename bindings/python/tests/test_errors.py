"""Errors are exceptions."""

import errno
import pickle
from typing import Any

import pytest
from systems import IS_WINDOWS

import shared_channel as sc
from shared_channel import _native


def kinds() -> list[type[sc.ChannelError]]:
    return sc.ChannelError.__subclasses__()


def test_there_is_one_class_for_each_code_of_the_library() -> None:
    names = {code: name for code, (name, _) in _native.error_codes().items()}
    assert {kind.code: kind.name for kind in kinds()} == names
    assert len(kinds()) == len(_native.error_codes()) > 15
    assert all(getattr(sc, kind.__name__) is kind and kind.__name__ in sc.__all__ for kind in kinds())


def test_what_may_be_over_a_moment_later_is_safe_to_retry() -> None:
    passing = {sc.NoServer, sc.ServerStopped, sc.ServerDied, sc.Busy, sc.TimedOut, sc.Cancelled}
    assert {kind for kind in kinds() if kind("why", not_executed=True).safe_to_retry} == passing
    assert not any(kind("why").safe_to_retry for kind in kinds())


def test_they_are_also_what_python_calls_them() -> None:
    assert issubclass(sc.ServerDied, ConnectionError)
    assert issubclass(sc.NoServer, ConnectionError)
    assert issubclass(sc.TimedOut, TimeoutError)
    assert issubclass(sc.OutOfMemory, MemoryError)
    assert issubclass(sc.AccessDenied, PermissionError)


@pytest.mark.parametrize("kind", kinds())
def test_they_survive_pickling(kind: type[sc.ChannelError]) -> None:
    error = kind("why", not_executed=True, native=5)
    error.passed_on = True
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and str(copy) == "why"
    assert (copy.not_executed, copy.native, copy.safe_to_retry) == (True, 5, error.safe_to_retry)
    assert copy.passed_on and not copy.relay().passed_on


def test_what_is_an_oserror_has_errno(run_python: Any, name: str) -> None:
    native, number = (5, errno.EACCES) if IS_WINDOWS else (errno.EIO, errno.EIO)  # ERROR_ACCESS_DENIED
    assert sc.SystemFailure("why", native=native).errno == number and sc.SystemFailure("why").errno is None
    assert pickle.loads(pickle.dumps(sc.AccessDenied("why", native=native))).errno == number
    if IS_WINDOWS:
        return
    program = """
import errno, os, resource, sys, shared_channel as sc
resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    sc.Server(sys.argv[1], lambda n: n, request="i32", reply="i32").start()
except OSError as error:
    print(type(error).__name__, error.native == error.errno == errno.EMFILE)
"""
    out, err = run_python(program, name).communicate(timeout=60)
    assert (out, err) == ("SystemFailure True\n", "")


def test_the_library_raises_them(name: str) -> None:
    with pytest.raises(sc.NoServer) as raised:
        sc.Client(name).call(1)
    error = raised.value
    assert name in str(error) and error.not_executed and error.safe_to_retry and error.code == sc.NoServer.code
    with pytest.raises(sc.InvalidName):
        sc.Client("a b")
    with pytest.raises(sc.InvalidArgument):
        sc.Server(name, lambda x: x, request="i32", reply="i32", max_calls=0).start()
    with pytest.raises(sc.NoServer):
        sc.inspect(name)
