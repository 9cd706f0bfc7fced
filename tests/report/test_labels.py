import pytest

from harness.report.labels import backends, base, by_backend, group, level, order, source_name, stated
from tests.report.samples import store, verdict


@pytest.mark.parametrize(
    "source, expected_group, expected_base",
    [
        ("micro", "micro", "micro"),
        ("micro@jax", "micro", "micro"),
        ("gpu/paper@both", "gpu", "gpu/paper"),
        ("published/vit-paper/table-2", "published", "published/vit-paper/table-2"),
        ("published/someone@home", "published", "published/someone@home"),
    ],
)
def test_a_source_is_a_kind_a_detail_and_a_backend(source, expected_group, expected_base):
    assert (group(source), base(source)) == (expected_group, expected_base)


@pytest.mark.parametrize("fraction, text", [
    (0.95, "95 %"), (0.99375, "99.38 %"), (0.99999, "99.999 %"), (0.999999999, "99.9999999 %"), (None, ""),
])  # fmt: skip
def test_a_level_below_one_does_not_read_as_100(fraction, text):
    assert level(fraction) == text


def test_a_source_is_named_with_what_computed_it():
    assert source_name(verdict(source="gpu/paper", backend="torch")) == "gpu/paper, torch"
    assert source_name(verdict(source="micro@jax")) == "micro, jax"
    assert source_name(verdict(source="micro")) == "micro"


@pytest.mark.parametrize(
    "hypothesis, dataset, expected",
    [
        ("A > B on cifar10", "cifar10", "A > B on CIFAR-10"),
        ("A > B on average over cifar10, pets", "cifar10, pets", "A > B on average over CIFAR-10, Oxford-IIIT Pets"),
        ("all of: A > B on cifar10; B > C on cifar10", "cifar10", "all of: A > B on CIFAR-10; B > C on CIFAR-10"),
        ("A > B on cifar10 or so", "cifar10", "A > B on cifar10 or so"),
        ("cost of A / B <= 0.5", "", "cost of A / B <= 0.5"),
        ("A > B on mine", "mine", "A > B on mine"),
    ],
)
def test_a_hypothesis_is_stated_with_the_names_of_its_datasets(hypothesis, dataset, expected):
    assert stated(verdict(hypothesis=hypothesis, dataset=dataset)) == expected


def test_verdicts_are_ordered_by_hypothesis_then_backend():
    made = [
        verdict(source=source, hypothesis=hypothesis, dataset="x")
        for hypothesis in ("a10", "a2")
        for source in ("micro@both", "micro@jax", "micro")
    ]
    found = [(one.hypothesis, one.source) for one in sorted(made, key=order)]
    assert found == [
        (hypothesis, source) for hypothesis in ("a2", "a10") for source in ("micro", "micro@jax", "micro@both")
    ]


def test_without_backends_there_is_one_part_and_nothing_is_lost():
    assert backends(store().sorted()) == [""]
    assert by_backend(store().sorted()) == {"": store().sorted()}
    mixed = [verdict(source="gpu"), verdict(source="gpu/paper", backend="torch"), verdict(source="gpu/paper@jax")]
    parts = by_backend(mixed)
    assert list(parts) == ["torch", "jax"]
    assert parts["torch"] == mixed[:2]
    assert by_backend(mixed[:2]) == {"torch": mixed[:2]}
