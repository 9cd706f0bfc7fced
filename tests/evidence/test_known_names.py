import pytest

from harness.core.hypotheses import Better, Contender, Increasing
from harness.evidence.known_names import known_names, unknown_contenders


def test_a_misspelt_contender_is_named_once_with_the_nearest_name():
    architectures, sets = known_names()
    name, second = sorted(architectures)[:2]
    of = max(sets, key=len)
    good, bad = Contender(name, of), Contender(f"{name}x", of)
    other = Contender(name, f"{of}x")
    assert unknown_contenders([Better(good, than=Contender(second, of), on="cifar10")]) == []
    lines = unknown_contenders([Better(bad, than=good, on="cifar10"), Increasing((good, bad, other), on="cifar10")])
    assert len(lines) == 2
    assert f"knows the architecture '{name}x' (did you mean '{name}'?)" in lines[0]
    assert f"knows the pre-training set '{of}x' (did you mean '{of}'?)" in lines[1]


def test_a_session_warns_of_it_and_judges_the_rest(tmp_path):
    from harness.evidence.questions import EvidenceRequest
    from harness.suite.selection import questions_in
    from tests.core.test_expected import CLAIM_FILE, imported

    module = imported(
        tmp_path, CLAIM_FILE.replace('Contender("ViT-tiny", "nothing")', 'Contender("ViT-tyni", "nothing")')
    )
    with pytest.warns(UserWarning, match=r"^c: ViT-tyni .* knows the architecture .*\(did you mean 'ViT-tiny'\?\)"):
        found = questions_in(module, module.CLAIM, EvidenceRequest())
    assert not any(str(question.source) == "published" for question in found)
