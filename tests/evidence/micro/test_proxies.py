"""The table of proxies: which networks stand for a contender, and the seeds of each."""

import pytest

from harness.core.errors import ClaimsError
from harness.evidence.micro.proxies import Proxies, UpstreamNetwork, read_proxies

TABLE = """
judged = [8, 9, 10]
development = [1000]
[architectures]
"Big" = "net"
"Other" = "toy"
[pretraining]
"Much" = "l"
"Little" = "s"
"""
AGAIN = "[upstream]\nmicro-net-l = {groups}\n"


def table(tmp_path, groups="[[8, 9], [10, 11]]", name="proxies.toml"):
    path = tmp_path / name
    path.write_text(TABLE + AGAIN.format(groups=groups))
    return read_proxies(path)


def test_a_network_that_was_pre_trained_again_has_an_id_and_seeds_of_its_own(tmp_path):
    found = table(tmp_path)
    assert found.networks("net", "l") == (
        UpstreamNetwork("micro-net-l", (8, 9)),
        UpstreamNetwork("micro-net-l-2", (10, 11)),
    )
    assert found.networks("net", "s") == (UpstreamNetwork("micro-net-s", (8, 9, 10)),)
    assert found.again == {"micro-net-l-2": "micro-net-l"}
    assert found.all_judged == (8, 9, 10, 11)


def test_a_table_without_networks_that_were_pre_trained_again():
    found = Proxies(judged=(0, 1), development=(7,))
    assert found.networks("net", "s") == (UpstreamNetwork("micro-net-s", (0, 1)),)
    assert not found.again


@pytest.mark.parametrize(
    "groups, message",
    [
        (
            "[[8, 9], [10]]",
            r"groups of equally many seeds for 'micro-net-l', no seed twice, found \[\[8, 9\], \[10\]\]",
        ),
        ("[[8, 9], [9, 10]]", "no seed twice"),
        ("[[], []]", "groups of equally many seeds"),
        ("[[8, 9], [10, 1000]]", "nothing was chosen on, found some of `development`"),
        ("[[8]]\nmicro-net-xl = [[8]]", "a checkpoint that stands for something, found 'micro-net-xl'"),
    ],
)
def test_seeds_that_would_mislead_are_refused(tmp_path, groups, message):
    with pytest.raises(ClaimsError, match=message):
        table(tmp_path, groups)
