"""What the doctor finds of the ViT paper's claims."""

from harness.catalog.checkpoint_files import materials
from harness.catalog.checkpoints import checkpoint
from harness.cli import doctor_findings
from harness.core.paper import paper


def test_every_probe_is_a_source_of_the_zoo_where_it_says():
    assert paper().probes
    for probe in paper().probes:
        source = str(materials(checkpoint(probe.checkpoint))[0].sources[probe.source])
        place = probe.name.split(", ")[-1].split(" ")[-1].removesuffix("/*")
        assert place in source, (probe.name, source)


def texts(claim_id, cache):
    return {
        f.text.split(":")[0].split(" (")[0]: f for f in doctor_findings.claim_findings(cache) if f.topic == claim_id
    }


def test_a_claim_names_what_it_lacks_until_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "data"))
    before = texts("claim1", tmp_path)
    assert "ViT-L/16 (JFT-300M)" in before["can't be measured, never released"].text
    assert "vit-l16-in21k-in1k-384" in before["checkpoints to fetch"].text
    assert "cifar10 cifar100" in before["datasets to fetch"].text
    for name in ("vit-l16-in21k-in1k-384", "vit-l16-in21k", "bit-m-r152x4-in1k", "bit-m-r152x4"):
        path = materials(checkpoint(name))[0].path(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"w")
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    (tmp_path / "data" / "cifar10" / "x").write_text("")
    after = texts("claim1", tmp_path)
    assert "checkpoints to fetch" not in after
    assert "cifar10 " not in after["datasets to fetch"].text
    assert "cifar100" in after["datasets to fetch"].text
