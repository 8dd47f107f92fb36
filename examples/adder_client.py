"""Asks `hello serve`, or adder_server.py, for 2 + 3."""
import shared_channel as sc

adder = sc.Client("adder")
try:
    print("2 + 3 =", adder.call(2, 3))
except sc.ChannelError as error:
    print(error)
