"""The verdicts and answers on record against the ViT paper's claims."""

import importlib
from pathlib import Path

import claims
from harness.core.expected import ANSWERS, LEDGER, expected_answers, read_expected_file


def test_every_record_of_the_claims_names_a_stated_hypothesis_and_a_claim():
    path = Path(claims.__file__).parent / "expected.toml"
    found = set()
    for module_name, records in read_expected_file(path).items():
        if module_name in (ANSWERS, LEDGER):
            continue
        module = importlib.import_module(f"claims.{module_name}")
        stating = [function for function in vars(module).values() if hasattr(function, "stated")]
        assert set(records) <= {h.id for function in stating for h in function.stated[1]}
        found |= {function.stated[0].id for function in stating}
    assert {claim for claim, _ in expected_answers(path)} <= found
