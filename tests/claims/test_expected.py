"""The verdicts on record against the ViT paper's claims."""


def test_every_record_of_the_claims_names_a_stated_hypothesis():
    import importlib
    import tomllib
    from pathlib import Path

    import claims
    from harness.core.expected import ANSWERS

    folder = Path(claims.__file__).parent
    tables = tomllib.loads((folder / "expected.toml").read_text())
    answered = {name.removeprefix("test_") for name in tables if name != ANSWERS}
    assert set(tables.pop(ANSWERS)) <= answered
    for module_name, records in tables.items():
        module = importlib.import_module(f"claims.{module_name}")
        stated = {h.id for f in vars(module).values() if hasattr(f, "stated") for h in f.stated[1]}
        assert set(records) <= stated
