import re
import tomllib
from pathlib import Path

from release.lock import pins

ROOT = Path(__file__).parents[2]


def package(name, version, **where):
    return {"metadata": {"name": name, "version": version}, "download_info": where}


def test_each_package_is_pinned_but_the_project_and_what_installs():
    found = [
        package("Jinja2", "3.1"),
        package("vit-claims", "0.1", dir_info={}),
        package("setuptools", "84.0"),
        package("accelerate", "1.2"),
        package("zipp", "4.0"),
    ]
    assert pins(found) == ["accelerate==1.2", "Jinja2==3.1", "zipp==4.0"]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_the_project_asks_for_is_pinned():
    """A package that is added to the checks or the tests, and not pinned, would be another one every month."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {normal(re.match(r"[\w.-]+", each)[0]) for each in wanted}
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==\S+", line) for line in lines)
    assert names - {normal(line.partition("==")[0]) for line in lines} == set()
