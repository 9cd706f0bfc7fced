"""SLURM itself on this machine: munged, slurmctld and two slurmd with ports of their own, in a temporary folder."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
NODES = ("one", "two")
CONF = """
ClusterName=test
SlurmctldHost={host}({address})
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that is queued again begins once its old credential is no longer valid.
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
KillWait=30
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName=one NodeHostname={host} NodeAddr={address} Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=two NodeHostname={host} NodeAddr={address} Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


def missing():
    """Return what SLURM needs and this machine lacks; "": nothing."""
    lacking = [name for name in DAEMONS if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") is None]
    if lacking:
        return f"not installed: {' '.join(lacking)} (apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "slurmd starts jobs as root"


def until(happened, seconds=120):
    """Wait until something has happened, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def free_ports(count):
    """Return numbers of free ports."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Slurm:
    """A cluster of two nodes, both of them this machine."""

    def __init__(self):
        # munged wants a folder that everyone may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        host = socket.gethostname()
        text = CONF.format(host=host, address="127.0.0.1", folder=self.folder, ports=free_ports(3))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge.key").chmod(0o600)
        left_out = ("SLURM", "SBATCH", "RAY_", "PYTEST", "VIT_CLAIMS")
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith(left_out)}
        self.environment |= {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        self.daemons = []

    def start(self):
        """Start the daemons, and wait until both nodes take jobs."""
        options = [f"--{name}={self.folder}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        self._daemon("munged", "--foreground", f"--key-file={self.folder}/munge.key", *options)
        until((self.folder / "munge.socket").exists)
        self._daemon("slurmctld", "-D")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        until(lambda: self.call("sinfo", "--noheader", "--format=%T %D").split() == ["idle", "2"])

    def _daemon(self, *command):
        with (self.folder / f"{command[0]}-{command[-1]}.log".replace("/", "_")).open("wb") as log:
            self.daemons.append(
                subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
            )

    def stop(self):
        """End all jobs and all daemons."""
        self.call("scancel", "--user=root")
        with contextlib.suppress(AssertionError):
            until(lambda: not self.call("squeue", "--noheader"), 60)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *command, **options):
        """Call a command of SLURM; return what it printed."""
        called = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, **options)
        return called.stdout + called.stderr

    def submit(self, *arguments, **options):
        """Submit a job; return its id."""
        said = self.call("sbatch", "--parsable", *arguments, **options).strip()
        assert said.isdecimal(), said
        return said

    def shown(self, job):
        """Return what SLURM knows of a job, e.g. {"JobState": "RUNNING", "Restarts": "0"}."""
        words = self.call("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def processes(self, job):
        """Return the command lines of all processes that a job started, on whichever node, by their ids."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                settings = (path / "environ").read_bytes().split(b"\0")
                conf = f"SLURM_CONF={self.folder}/slurm.conf".encode()
                if f"SLURM_JOB_ID={job}".encode() in settings and conf in settings:
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found
