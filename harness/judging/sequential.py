"""Looking at results before all seeds are run: which hypotheses are decided, and which are worth more seeds.

At each look the family is judged at the error rate that Lan and DeMets' (1983, Biometrika 70) spending function of
O'Brien and Fleming's kind leaves for it, so that the chance of a false decision over all looks stays at alpha.
"""

from __future__ import annotations

from harness.core.hypotheses import Hypothesis, simple_parts
from harness.judging.estimate import contrasted
from harness.judging.evidence import Evidence
from harness.judging.judge import FamilyEvidence, decided
from harness.judging.weighing import weighed
from harness.stats.estimate import Undefined


def worth_more_seeds(hypothesis: Hypothesis, family: FamilyEvidence, last: int, last_alpha: float) -> bool:
    """Return whether a hypothesis is open, and its last look would still decide it with a fair chance.

    Args:
        hypothesis: one of the family.
        family: its evidence so far.
        last: seeds at the last look.
        last_alpha: error rate of the family there.
    """
    from harness.stats.power import expected_error
    from harness.stats.sequential import could_be_decided

    found = family.found[hypothesis]
    if not isinstance(found, Evidence) or not found.sides:
        return False
    if decided(weighed(hypothesis, found, family.pooled), family.alphas[hypothesis]) != "INCONCLUSIVE":
        return False
    for part in simple_parts(hypothesis):
        estimate = contrasted(part, found, 0.95, family.pooled)
        if isinstance(estimate, Undefined) or estimate.crossed is None or estimate.crossed.projection is None:
            continue
        now = estimate.estimate
        then = expected_error(estimate.crossed.projection, last, 1 - last_alpha).standard_error
        if could_be_decided(now.value, now.standard_error, min(then, now.standard_error), last_alpha):
            return True
    return False
