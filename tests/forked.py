"""Sessions of pytest in processes that begin with the engine imported, which takes most of a short session's time.

One process of Python imports libraries and the engine, and is forked for each session that is asked for. The plugin and
its modules are left to the session, as pytest prepares their import; so are claim files, tables and settings, which are
read where they are used. Python is started for the sessions of tests/test_examples.py and tests/nightly, for those that
are stopped (tests/suite/test_stopping.py, test_gpu_session.py), and wherever a test asks what a process imports.
"""

import atexit
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
# Nothing that starts a thread, as pandas does by pyarrow: what a thread holds at a fork is never let go of.
IMPORTED = (
    *("asyncio", "pytest", "scipy.special"),
    *("harness.evidence.questions", "harness.report.rebuilding", "harness.report.html.page", "harness.report.export"),
)

SERVER = """
import faulthandler, gc, importlib, json, os, runpy, signal, sys
root, *names = sys.argv[1:]
sys.path[:1] = [root]
for name in names:
    importlib.import_module(name)
from harness.report.html.rendering import environment
for name in environment().list_templates():
    environment().get_template(name)
del sys.modules["harness"]  # where it is there, pytest warns that it can't prepare the plugin's import
gc.collect()
gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
asked = json.loads(line)
os.chdir(asked["cwd"])
os.environ.clear()
os.environ.update(asked["environment"])
for number, (name, flags) in enumerate(asked["files"]):
    os.dup2(os.open(name, flags), number)
sys.stdin = open(0)
faulthandler.register(signal.SIGALRM, open(os.dup(2), "w"), chain=True)  # says where it was, and ends the process
signal.alarm(asked["timeout"])
sys.path[:1] = [os.getcwd(), *(name for name in os.environ.get("PYTHONPATH", "").split(os.pathsep) if name)]
importlib.invalidate_caches()
sys.argv[:] = ["pytest", "-p", "no:hypothesispytest", *asked["arguments"]]  # as in pyproject.toml
runpy.run_module("pytest", run_name="__main__", alter_sys=True)
"""

_servers: list[subprocess.Popen] = []


def run_pytest(*arguments, cwd, environment, timeout):
    """Do what `python -m pytest` does in a process of its own, and return what it did, as `subprocess.run` does.

    Args:
        arguments: of pytest.
        cwd: the folder in which it is called.
        environment: all of its variables.
        timeout: seconds after which the process says what it was at, and is killed.
    """
    server = _server()
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        written = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        files = [(os.devnull, os.O_RDONLY), (str(out), written), (str(err), written)]
        asked = {"arguments": arguments, "cwd": str(cwd), "environment": environment, "timeout": timeout}
        server.stdin.write(json.dumps(asked | {"files": files}) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(["pytest", *arguments], code, out.read_text(), err.read_text())


def _server():
    if not _servers:
        inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-c", SERVER, str(ROOT), *IMPORTED]
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        _servers.append(subprocess.Popen(command, env=inherited | {"OMP_NUM_THREADS": "1"}, **piped))
        atexit.register(_stop)
    return _servers[0]


def _stop():
    for server in _servers:
        server.stdin.close()
        server.wait(timeout=60)
    _servers.clear()
