"""The Dockerfile and the dev container agree with what they are made of; they are built where there is a daemon."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
USER = re.search(r"useradd --uid (\d+) --create-home (\w+)", DOCKERFILE)


def test_the_image_s_cuda_is_the_one_that_pytorch_was_built_for():
    image = re.search(r"^FROM nvidia/cuda:(\d+)\.\d+\.\d+-base-", DOCKERFILE, re.MULTILINE)[1]
    pinned = re.search(r"^nvidia-cublas==(\d+)\.", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert image == pinned


def test_what_is_installed_and_run_is_not_done_by_root():
    number, name = USER.groups()
    lines = re.sub(r"\\\n", "", DOCKERFILE).splitlines()
    begins = lines.index(f"USER {number}:{number}")
    after = lines[begins + 1 :]
    assert not [line for line in after if line.startswith("USER")]
    assert [line for line in lines[:begins] if line.startswith("COPY")] == []
    assert all(f"--chown={name}:{name}" in line for line in after if line.startswith("COPY"))
    assert any("make setup" in line for line in after)


def test_it_runs_a_make_target_and_installs_extras_that_there_are():
    from tests.test_workflows import targets

    command = json.loads(re.search(r"^CMD (.*)", DOCKERFILE, re.MULTILINE)[1])
    assert (command[0], set(command[1:]) <= targets()) == ("make", True)
    extras = re.search(r"^ARG EXTRAS=(.*)", DOCKERFILE, re.MULTILINE)[1].split(",")
    text = (ROOT / "pyproject.toml").read_text()
    assert [name for name in extras if not re.search(rf"^{name} = \[", text, re.MULTILINE)] == []


def test_the_dev_container_is_the_image_with_its_user():
    made = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    folder = ROOT / ".devcontainer"
    assert (folder / made["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert made["remoteUser"] == USER[2]
    home = f"/home/{USER[2]}/.cache"
    assert f"VOLUME {home}\n" in DOCKERFILE
    assert f"target={home}," in made["mounts"][0]


def test_what_git_ignores_is_not_sent_to_the_build():
    listed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] not in "#!"]
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line and line[0] != "!"]
    patterns = {line.removeprefix("**/") for line in listed}
    assert [name for name in ignored if not any(name == each or fnmatch(name, each) for each in patterns)] == []
    assert ".git" in patterns


def test_what_a_night_in_a_container_hands_over_is_in_the_volume():
    (command,) = re.findall(
        r"^docker run .* \\\n.*make nightly;.*$", (ROOT / "docs/nightly.md").read_text(), re.MULTILINE
    )
    volume = re.search(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)[1]
    assert f"-v vit-claims:{volume} " in command
    assert re.search(r"-e NIGHTLY_OUT=(\S+)", command)[1].startswith(f"{volume}/")
