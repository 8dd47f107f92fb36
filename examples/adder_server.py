"""Answers `hello` and adder_client.py, until Ctrl-C."""
import shared_channel as sc

@sc.serve("adder", "{i32 i32}", "{i32}")
def add(a: int, b: int) -> int:
    return a + b

print("serving; Ctrl-C stops", flush=True)
add.run()
