"""cluster/slurm.sbatch, run by bash as SLURM runs it; srun, scontrol, ray and Python are scripts that record calls."""

import contextlib
import os
import re
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "cluster" / "slurm.sbatch"
SAY = 'echo "$(basename "$0") $*" >>"$CALLS"\n'
FAKES = {
    # A step of a job: what it starts runs here, and ends when the step is told to.
    "srun": f'#!/bin/bash\n{SAY}while [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
    "scontrol": f"""#!/bin/bash
{SAY}case "$*" in
"show hostnames"*) printf 'n1\\nn2\\nn3\\n' ;;
requeue*) kill -TERM "$PPID" ;;  # as SLURM ends a job that is queued again
"--oneliner show node n1") echo "NodeName=n1 Arch=x86_64 NodeAddr=10.0.0.1 NodeHostName=n1" ;;
esac
""",
    # The head takes a moment until it answers.
    "ray": f"""#!/bin/bash
{SAY}if [ "$1" = status ]; then [ "$(grep -c '^ray status' "$CALLS")" -ge 3 ]; exit; fi
sleep 60
""",
    "python": f"""#!/bin/bash
{SAY}until [ "$(grep -c '^srun' "$CALLS")" = 2 ]; do sleep 0.05; done
echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN" >"$CALLS.token"
if [ "$ENDS" = at-once ]; then exit "$CODE"; fi
told() {{
    if [ "$ENDS" = never ]; then return; fi
    if [ "$ENDS" = slowly ]; then echo "python saves" >>"$CALLS"; sleep 1; fi
    echo "python saved" >>"$CALLS"
    exit 2
}}
trap told INT TERM
for _ in $(seq 1200); do sleep 0.05; done
""",
}


@pytest.fixture
def job(tmp_path):
    """Return a function that starts the script as a job of three nodes."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name, text in FAKES.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    started = []

    def start(*arguments, **environment):
        environment = {
            "PATH": f"{folder}:/usr/bin:/bin",
            "BIN": str(folder),
            "CALLS": str(calls),
            "PAUSE": "0.05",
            "ENDS": "at-once",
            "CODE": "0",
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "SLURM_JOB_ID": "12345",
            "SLURM_JOB_NODELIST": "n[1-3]",
            "SLURM_CPUS_PER_TASK": "32",
        } | environment
        process = subprocess.Popen(
            ["bash", SCRIPT, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # workers of pytest-xdist ignore it
        )
        started.append(process)
        return process

    start.calls = lambda: calls.read_text().splitlines() if calls.exists() else []
    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(happened):
    """Wait until something has happened, at most a minute."""
    end = time.monotonic() + 60
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    assert happened()


def session_of(job):
    return [line for line in job.calls() if line.startswith("python")]


def test_a_session_runs_on_ray_s_head_and_all_nodes(job):
    process = job("claims", "-m", "gpu", "--home", "/shared/a b", CODE="1")
    process.communicate(timeout=30)  # Ray ends with the session, or its output would not
    assert process.returncode == 1  # pytest's own
    calls = job.calls()
    assert [line for line in calls if line.startswith("srun")] == [
        "srun --nodes=1 --ntasks=1 --cpus-per-task=32 --overlap --kill-on-bad-exit=0 --nodelist=n1"
        " ray start --block --num-cpus=32 --head --port=20345",
        "srun --nodes=2 --ntasks=2 --cpus-per-task=32 --overlap --kill-on-bad-exit=0 --exclude=n1"
        " ray start --block --num-cpus=32 --address=10.0.0.1:20345",
    ]
    assert session_of(job) == [
        "python -m pytest claims -m gpu --home /shared/a b --executor ray --ray-address 10.0.0.1:20345"
    ]
    # The workers come once the head answers.
    answered = max(number for number, line in enumerate(calls) if line.startswith("ray status"))
    assert answered < next(number for number, line in enumerate(calls) if "--exclude" in line)
    assert not [line for line in calls if line.startswith("scontrol requeue")]


def test_each_job_s_ray_has_a_token_of_its_own(job, tmp_path):
    found = []
    for _ in range(2):
        job().communicate(timeout=60)
        found.append((tmp_path / "calls.token").read_text().split())
        (tmp_path / "calls").unlink()
    assert [mode for mode, _ in found] == ["token", "token"]
    assert found[0] != found[1]
    assert all(re.fullmatch(r"[0-9a-f]{48}", token) for _, token in found)


def test_without_arguments_it_judges_the_gpu_evidence(job):
    job().communicate(timeout=60)
    assert session_of(job)[0].startswith("python -m pytest claims -m gpu --executor ray")


def test_before_the_time_limit_states_are_saved_and_the_job_is_queued_again(job):
    process = job(ENDS="saving")
    until(lambda: session_of(job))
    time.sleep(0.3)  # until the fake session listens
    process.send_signal(signal.SIGUSR1)
    said = process.communicate(timeout=60)[0]
    calls = job.calls()
    assert process.returncode == 2
    assert "told to stop (requeue): the states of the runs are saved" in said
    assert calls.index("python saved") < calls.index("scontrol requeue 12345")
    assert said.count("told to stop") == 1


def test_a_job_that_is_cancelled_while_states_are_saved_is_not_queued_again(job):
    process = job(ENDS="slowly")
    until(lambda: session_of(job))
    time.sleep(0.3)
    process.send_signal(signal.SIGUSR1)
    until(lambda: "python saves" in job.calls())
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert said.count("told to stop") == 1
    assert "python saved" in job.calls()
    assert "scontrol requeue 12345" not in job.calls()


def test_a_job_that_is_cancelled_saves_its_states_and_is_not_queued_again(job):
    process = job(ENDS="saving")
    until(lambda: session_of(job))
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert "python saved" in job.calls()
    assert "scontrol requeue 12345" not in job.calls()


def test_a_session_that_does_not_end_is_ended_within_the_grace(job):
    process = job(ENDS="never", GRACE="0.3")
    until(lambda: session_of(job))
    time.sleep(0.3)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert "scontrol requeue 12345" in job.calls()


def test_outside_a_job_it_is_refused_in_a_line(job):
    process = job(SLURM_SUBMIT_DIR="")
    assert "expected a job of SLURM: sbatch cluster/slurm.sbatch" in process.communicate(timeout=60)[0]
    assert process.returncode != 0


def test_the_grace_is_within_what_slurm_leaves():
    text = SCRIPT.read_text()
    left = int(re.search(r"^#SBATCH --signal=B:USR1@(\d+)$", text, re.MULTILINE)[1])
    assert int(re.search(r"GRACE:-(\d+)", text)[1]) <= left - 30
