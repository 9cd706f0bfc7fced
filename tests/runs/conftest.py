"""Places that several machines share: a folder, and a bucket of a real S3 server."""

import os

import pytest

from harness.runs.folder_objects import FolderObjects
from harness.runs.fsspec_objects import FsspecObjects
from tests.runs.ray_cluster import RayCluster
from tests.runs.s3_server import BUCKET, S3Server


@pytest.fixture(scope="module")
def s3():
    before = dict(os.environ)
    server = S3Server()
    server.start()
    yield server
    server.kill()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(params=["folder", "s3"])
def objects(request, tmp_path):
    if request.param == "folder":
        return FolderObjects(tmp_path / "shared")
    request.getfixturevalue("s3")
    return FsspecObjects(f"s3://{BUCKET}/{tmp_path.name}", patience=20)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("VIT_CLAIMS_HOME", raising=False)
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_worker_niceness", "0")  # others would take all of the cores
        made = RayCluster(tmp_path_factory.mktemp("homes"))
        yield made
        made.stop()
