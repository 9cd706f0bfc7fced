"""A real S3 server in a process of its own, which can be killed and started again. It keeps buckets in memory."""

import os
import socket
import subprocess
import sys
import time

import fsspec

BUCKET = "claims"


class S3Server:
    """The server, on a port of its own."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_MAX_ATTEMPTS": "1",
        }
        self.process = None

    def start(self):
        """Start it, with an empty bucket."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)
        os.environ.update(self.environment)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)

    def kill(self):
        """Kill it, and with it all that it kept."""
        self.process.kill()
        self.process.wait()
