"""The table of proxies: which networks stand for a contender, and the seeds of each."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.hypotheses import (
    All,
    AtLeast,
    Average,
    Better,
    Close,
    Contender,
    Equivalent,
    Increasing,
    Interaction,
    Ratio,
    Robust,
)
from harness.evidence.micro.proxies import Proxies, UpstreamNetwork, checkpoint_of, key, own_names, read_proxies

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


@pytest.mark.parametrize(
    "contender, expected",
    [
        (Contender("ViT-L/16", "JFT-300M"), "micro-vit-l"),
        (Contender("BiT-R152x4", "ImageNet-1k"), "micro-bit-s"),
        (Contender("R50+ViT-B/16", "ImageNet-21k"), "micro-hybrid-m"),
        (Contender("ViT-L/16", "ImageNet-21k", "augreg"), None),
        (Contender("ViT-H/14", "JFT-300M"), None),
    ],
)
def test_what_stands_for_a_contender(contender, expected):
    assert checkpoint_of(contender) == expected


VIT, BASE, BIT = (Contender(name, "JFT-300M") for name in ("ViT-L/16", "ViT-B/16", "BiT-R152x4"))
SMALL = Contender("ViT-L/16", "ImageNet-1k")


def better(on="cifar10", a=VIT, than=BIT):
    return Better(a, than=than, on=on)


def test_hypotheses_whose_contenders_have_one_proxy_have_one_key():
    assert key(better()) == key(better(a=BASE)) == ("Better", "1 micro-vit-l orientation", "-1 micro-bit-l orientation")
    assert key(better()) != key(better(a=BIT, than=VIT))
    both = (better(), better("pets"))
    same = (better(a=BASE), better("pets", BASE))
    for kind in (All, Average, lambda of: AtLeast(1, of)):
        assert key(kind(both)) == key(kind(same))
        assert key(kind(both)) != key(kind((better(), better("flowers102"))))


def test_another_way_of_measuring_is_another_comparison():
    assert key(better("cifar10_5shot")) == (
        "Better",
        "1 micro-vit-l digits fewshot-5",
        "-1 micro-bit-l digits fewshot-5",
    )
    assert key(better("cifar10_5shot")) != key(better("pets"))  # the same task, fine-tuned


def test_kinds_with_the_same_comparisons_are_kept_apart():
    both = (better(), better("pets"))
    assert len({key(All(both)), key(Average(both)), key(AtLeast(1, both))}) == 3
    rise = Increasing((SMALL, VIT), on="cifar10")
    assert key(rise) != key(better(a=VIT, than=SMALL))


def test_so_many_of_the_same_comparisons_are_kept_apart_by_how_many():
    three = (better(), better("pets"), better("flowers102"))
    assert key(AtLeast(1, three)) != key(AtLeast(2, three))
    one, two, three = three
    assert key(AtLeast(1, (All((one, two)), three))) != key(AtLeast(1, (one, All((two, three)))))


@pytest.mark.parametrize(
    "hypothesis",
    [
        Close(VIT, to=99.0, on="cifar10", within={"code": 0.5}),
        Equivalent(VIT, BIT, "cifar10", within=0.5),
        Ratio(VIT, BIT, of="core-days", at_most=0.5),
        better("imagenet_real"),
        better(a=Contender("ViT-H/14", "JFT-300M")),
        Average((better(), better("imagenet_real"))),
        All((better(), Equivalent(VIT, BIT, "pets", within=0.5))),
    ],
    ids=lambda hypothesis: type(hypothesis).__name__,
)
def test_what_means_nothing_at_the_studys_scale_has_no_key(hypothesis):
    assert key(hypothesis) is None


def test_a_curve_is_its_statement():
    assert key(Robust("corpus-vit", said="x")) == ("Robust", "corpus-vit")


def test_own_names_are_of_every_contender_and_dataset():
    gains = Interaction(gain=(SMALL, VIT), over=(Contender("BiT-R152x4", "ImageNet-1k"), BIT), on="pets")
    assert dict(own_names(gains)) == {
        str(VIT): "micro-vit-l",
        str(SMALL): "micro-vit-s",
        str(BIT): "micro-bit-l",
        "BiT-R152x4 (ImageNet-1k)": "micro-bit-s",
        "pets": "digits",
    }
