"""A headless browser that is told what to do, over a pipe: keys are pressed as a hand would, with nothing installed."""

import contextlib
import itertools
import json
import os
import select
import subprocess
import time


class Page:
    """One page of a browser.

    Args:
        read: where the browser's messages come from, a file descriptor.
        write: where it is told what to do.
    """

    def __init__(self, read, write):
        self._read, self._write, self._rest, self._session = read, write, b"", None
        self._numbers = itertools.count(1)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **parameters):
        """Return the result of a command of the DevTools protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            while b"\0" not in self._rest:
                ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
                assert ready, f"no answer to {method}"
                received = os.read(self._read, 1 << 16)
                assert received, "the browser has ended"
                self._rest += received
            first, _, self._rest = self._rest.partition(b"\0")
            answer = json.loads(first)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, expression):
        """Return what a JavaScript expression is."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression):
        """Wait until a JavaScript expression is true."""
        waited = f"(async () => {{ while (!({expression})) await new Promise((go) => setTimeout(go, 20)); }})()"
        self.value(waited)

    def press(self, key, code, text=""):
        """Press and release a key.

        Args:
            key: its name, e.g. "Tab".
            code: its number on a keyboard.
            text: what it types.
        """
        of = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **of)
        self.call("Input.dispatchKeyEvent", type="keyUp", **of)


@contextlib.contextmanager
def opened(browser, flags, address):
    """Yield a page that shows an address, loaded.

    Args:
        browser: the path of Chromium or Chrome.
        flags: of its command line.
        address: what is opened.
    """
    # The browser reads commands from file descriptor 3 and writes answers to 4.
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()

    def connected():
        high = [os.dup(each) for each in (to_read, from_write)]
        for place, each in zip((3, 4), high, strict=True):
            os.dup2(each, place)

    command = [browser, *flags, "--remote-debugging-pipe"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, preexec_fn=connected, close_fds=False, **quiet)
    os.close(to_read)
    os.close(from_write)
    try:
        page = Page(from_read, to_write)
        page.call("Page.navigate", url=address)
        page.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        yield page
    finally:
        os.close(to_write)
        os.close(from_read)
        process.terminate()
        process.wait(timeout=30)
