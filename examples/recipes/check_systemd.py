"""Stands for systemd: starts the service, waits for READY=1, calls nobody, and ends it by SIGTERM."""
import os
import signal
import socket
import subprocess
import sys
import tempfile

# One of its own: a service of the same name may run on this machine.
name = "adder.service.%s%d" % (os.environ.get("SHARED_CHANNEL_TEST_RUN", ""), os.getpid())
file = "/dev/shm/shared_channel." + name
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "notify")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(path)
    listening.settimeout(60)
    service = subprocess.Popen([sys.argv[1], name], env={**os.environ, "NOTIFY_SOCKET": path})
    try:
        assert listening.recv(100) == b"READY=1"
        assert os.path.exists(file)
        service.send_signal(signal.SIGTERM)
        assert listening.recv(100) == b"STOPPING=1"
        assert service.wait(60) == 0
    finally:
        service.kill()
assert not os.path.exists(file)
