import pytest

from harness.core.errors import ClaimsError
from harness.cost.cards import card, card_of_device, cards


def test_cards_have_other_names_and_unknown_ones_are_told_the_nearest():
    assert card("a100").memory == 80e9
    assert card("H100") is card("h100")
    with pytest.raises(ClaimsError, match=r"unknown card 'rtx490' \(did you mean 'rtx4090'\?\)"):
        card("rtx490")


@pytest.mark.parametrize(
    "device, name",
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-40GB", "a100-40"),
        ("NVIDIA A100-PCIE-40GB", "a100-40"),
        ("NVIDIA A100 80GB PCIe", "a100-80"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA GeForce RTX 3090", "rtx3090"),
        ("NVIDIA L4", "l4"),
        ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-32GB", "v100-32"),
    ],
)
def test_a_device_is_found_by_the_drivers_name_and_keeps_its_own_memory(device, name):
    found = card_of_device(device, 12_345)
    assert (found.id, found.memory, found.bfloat16) == (name, 12_345, card(name).bfloat16)


@pytest.mark.parametrize(
    "device", ["NVIDIA L40", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA B200"]
)
def test_a_device_that_is_like_one_of_the_table_is_not_taken_for_it(device):
    found = card_of_device(device, 10_000)
    assert not found.known
    assert found.memory == 10_000
    assert found.rate("bfloat16") == (None, "")


def test_arithmetic_that_a_card_lacks_is_estimated_at_float32():
    rate, said = card("t4").rate("bfloat16")
    assert rate == 8.1e12
    assert said == "NVIDIA T4 has no bfloat16: estimated at float32, 8.1 TFLOP/s; a recipe in float16 would have 65"
    assert card("t4").rate("float16") == (65e12, "")


def test_rates_are_dense():
    # The datasheets print with sparsity 1,979 (H100, H200), 1,513 (H100 PCIe) and 242 (L4); without, 312 (A100).
    printed = {"h100": 1979 / 2, "h200": 1979 / 2, "h100-pcie": 1513 / 2, "l4": 242 / 2, "a100-40": 312, "a100-80": 312}
    assert {name: cards()[name].bfloat16 / 1e12 for name in printed} == printed
    assert all(each.citation and each.float32 and each.float16 and each.bandwidth for each in cards().values())


def test_a_bandwidth_is_that_of_the_memory():
    # Bits of the bus x bits per second of a pin, from the architectures' whitepapers: 5,120 at 5.2 Gbit/s (H100 SXM),
    # 5,120 at 2.43 (A100 40 GB), 384 at 21 and 19.5 (RTX 4090 and 3090), 4,096 at 1.75 (V100).
    buses = {"h100": (5120, 5.23), "a100-40": (5120, 2.43), "rtx4090": (384, 21), "rtx3090": (384, 19.5)}
    for name, (bits, rate) in (buses | {"v100-16": (4096, 1.75)}).items():
        assert cards()[name].bandwidth == pytest.approx(bits * rate * 1e9 / 8, rel=0.01)


def test_each_kind_of_product_reaches_a_share_of_the_peak():
    found = card("h100")
    reached = {
        kind: found.share(kind) * found.bfloat16 / 1e12 for kind in ("matrix product", "convolution", "attention")
    }
    assert reached == pytest.approx({"matrix product": 650, "convolution": 480, "attention": 400}, rel=0.002)
    assert found.bandwidth_share * found.bandwidth == pytest.approx(2.8e12, rel=0.002)
    with pytest.raises(ValueError, match="expected a kind of product .* found 'other'"):
        found.share("other")
