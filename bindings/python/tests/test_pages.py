"""The Python in the pages runs as it stands there."""

import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import pytest
from conftest import eventually
from systems import interrupt, np

import shared_channel as sc

PAGES = Path(__file__).resolve().parents[3]
Run = Callable[..., "subprocess.Popen[str]"]

# What a page leaves out, for the blocks that have these words.
LEFT_OUT = {
    "NamedTuple": "from typing import NamedTuple",
    "np.": "import numpy as np",
    "client.draft()": """
server = sc.Server("page", lambda data: data, request="bytes", reply="bytes", max_request_bytes=4096)
server.start()
client, frame = sc.Client("page", timeout=60), np.zeros(1024, np.float32)
""",
}
PRINTED = {'sc.Client("adder")': "5\n"}


def blocks(page: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def whole(block: str) -> str:
    left_out = [more for words, more in LEFT_OUT.items() if words in block]
    return "\n".join(["import shared_channel as sc", *left_out, block])


@contextmanager
def served(run_python: Run, block: str) -> Iterator[None]:
    if "adder" in sc.list_channels() and sc.inspect("adder").state == "open":
        pytest.skip("somebody serves the adder")
    process = run_python(block)
    try:
        assert eventually(lambda: "adder" in sc.list_channels() and sc.inspect("adder").state == "open")
        yield
    finally:
        interrupt(process)
        said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def output_of(run_python: Run, block: str) -> str:
    if "np." in block:
        np.ndarray  # skips where there is none
    process = run_python(whole(block))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


README_SERVER, README_CLIENT = sorted(
    (block for block in blocks("README.md") if "adder" in block), key=lambda block: "Client" in block
)


def test_the_readme(run_python: Run) -> None:
    with served(run_python, README_SERVER):
        assert output_of(run_python, README_CLIENT) == "2 + 3 = 5\n"


@pytest.mark.parametrize("block", blocks("docs/bindings_python.md"))
def test_a_block_of_the_page(run_python: Run, block: str) -> None:
    printed = "".join(text for words, text in PRINTED.items() if words in block)
    if not printed:
        assert output_of(run_python, block) == ""
        return
    with served(run_python, README_SERVER):
        assert output_of(run_python, block) == printed
