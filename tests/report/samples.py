"""A small store of verdicts such as a session leaves: two claims, all three groups of sources, all five verdicts."""

import dataclasses

from harness.core.claim import Claim
from harness.core.verdict import RecipeUsed, Searched, Side, Verdict
from harness.report.verdict_store import VerdictStore

VIT, BIT = "ViT-L/16 (ImageNet-21k)", "BiT-R152x4 (ImageNet-21k)"
JFT_VIT, JFT_BIT = "ViT-L/16 (JFT-300M)", "BiT-R152x4 (JFT-300M)"
REASON = "neither the dataset nor the checkpoints pre-trained on it were released"
NASTY = "<img src=x onerror=\"document.title='owned'\">&amp;'</script></td>"
DAY_1, DAY_2 = "2026-03-01T09:00:00+00:00", "2026-03-02T09:00:00+00:00"

CLAIM_1 = Claim(
    id="claim1",
    title="ViT outperforms state-of-the-art CNNs after pre-training on large data",
    quote="The smaller ViT-L/16 model outperforms BiT-L on all tasks.",
    source="arXiv:2010.11929v2, section 4.2 and table 2",
    not_verifiable={"JFT-300M": REASON},
)
CLAIM_2 = Claim(id="claim2", title="More data helps", quote="It helps.", source="arXiv:2010.11929v2, table 5")


def verdict(**changes):
    """Return a Better verdict of a publication, with changes."""
    plain = {
        "claim": "claim1",
        "hypothesis": f"{VIT} > {BIT} on cifar10",
        "kind": "Better",
        "dataset": "cifar10",
        "source": "published/course",
        "verdict": "REPRODUCED",
        "reason": f"{VIT} minus {BIT}: +1.09 points [+0.61, +1.57] at 99.50 %",
        "estimate": 1.09,
        "low": 0.61,
        "high": 1.57,
        "level": 0.995,
        "p": 1e-10,
        "method": "unpaired, normal approximation",
        "sides": (Side(VIT, 99.05, 98.86, 99.24, 10_000, 1), Side(BIT, 97.96, 97.68, 98.24, 10_000, 1)),
        "citations": ("course notebooks, https://github.com/example/re_vit/tree/main/vit.json",),
        "date": DAY_1,
    }
    return Verdict(**(plain | changes))


def without_figures(**changes):
    """Return a verdict that rests on no figures."""
    nothing = dict.fromkeys(("estimate", "low", "high", "level", "p"))
    return verdict(**({"method": "", "sides": (), "citations": ()} | nothing | changes))


def store():
    """Return two claims and nineteen verdicts."""
    made = VerdictStore()
    made.add([CLAIM_1, CLAIM_2, *published(), *micro(), *gpu()])
    return made


def published():
    """Return differences, comparisons with the paper's figure, VTAB without uncertainty, and a refuted order."""
    steps = ("ViT-B/32 (ImageNet-1k)", "ViT-B/32 (ImageNet-21k)", "ViT-B/32 (JFT-300M)")
    sides = tuple(
        Side(name, value, value - 0.4, value + 0.4, 10_000, 1)
        for name, value in zip(steps, (86.3, 92.0, 91.8), strict=True)
    )
    figures = {
        "cifar100": (4.71, 3.57, 5.85, 2e-30),
        "flowers102": (0.47, -0.15, 1.10, 0.03),
        "pets": (2.57, 0.79, 4.35, 5e-5),
    }
    found = [verdict()]
    for name, (estimate, low, high, p) in figures.items():
        found.append(
            verdict(
                hypothesis=f"{VIT} > {BIT} on {name}",
                dataset=name,
                estimate=estimate,
                low=low,
                high=high,
                p=p,
                verdict="REPRODUCED" if low > 0 else "INCONCLUSIVE",
                reason=f"{VIT} minus {BIT}: {estimate:+.2f} points",
            )
        )
    for name, to, estimate, half in (("cifar10", 99.16, -0.11, 0.25), ("pets", 94.73, -1.51, 1.07)):
        inside = abs(estimate) + half < 1
        found.append(
            verdict(
                hypothesis=f"{VIT} = {to:g} on {name}",
                kind="Close",
                dataset=name,
                published=to,
                tolerance=1.0,
                estimate=estimate,
                low=estimate - half,
                high=estimate + half,
                level=0.99,
                p=0.2,
                verdict="REPRODUCED" if inside else "INCONCLUSIVE",
                sides=(Side(VIT, to + estimate, 98, 99.5, 10_000, 1),),
                reason=f"{VIT} minus {to:g}: {estimate:+.2f} points",
            )
        )
    vtab = (Side(JFT_VIT, 76.28, 75.4, 77.2, None, 3), Side(JFT_BIT, 76.29, None, None, None, 1))
    found.append(
        without_figures(
            hypothesis=f"{JFT_VIT} > {JFT_BIT} on vtab1k",
            dataset="vtab1k",
            source="published/vit-paper/table-2",
            verdict="INCONCLUSIVE",
            sides=vtab,
            reason="the second side's uncertainty is not known",
            citations=("ViT paper, table 2, arXiv:2010.11929v2",),
        )
    )
    found.append(
        verdict(
            claim="claim2",
            hypothesis=f"{' < '.join(steps)} on cifar100",
            kind="Increasing",
            dataset="cifar100",
            source="published/vit-paper/table-5",
            verdict="REFUTED",
            estimate=-1.1,
            low=-1.9,
            high=-0.3,
            p=0.004,
            sides=sides,
            reason=f"{steps[2]} minus {steps[1]}: -1.10 points [-1.90, -0.30]",
        )
    )
    return found


def micro():
    """Return verdicts of the scaled-down study, one of them as recorded."""
    tasks = {
        "cifar10": "digits-20: handwritten digits, 20 examples per class",
        "flowers102": "digits-5: handwritten digits, 5 examples per class",
        "vtab1k": "orientation: how a bar lies, 8 directions (synthetic)",
    }
    figures = {
        "cifar10": (-2.9, -4.1, -1.7, "REFUTED"),
        "flowers102": (-4.4, -7.0, -1.8, "REFUTED"),
        "vtab1k": (1.3, -0.4, 3.0, "INCONCLUSIVE"),
    }
    found = []
    for name, (estimate, low, high, word) in figures.items():
        sides = (
            Side(f"{VIT} as micro-vit-m", 88.0 + estimate, 86.4 + estimate, 89.6 + estimate, 797, 8),
            Side(f"{BIT} as micro-bit-m", 88.0, 86.9, 89.1, 797, 8),
        )
        found.append(
            verdict(
                hypothesis=f"{VIT} > {BIT} on {name}",
                dataset=name,
                source="micro",
                verdict=word,
                task=tasks[name],
                estimate=estimate,
                low=low,
                high=high,
                p=0.0004 if word == "REFUTED" else 0.09,
                sides=sides,
                level=0.9938,
                method="paired t over 8 seeds",
                citations=(),
                runs=tuple(f"{17 * k + len(name):016x}" for k in range(16)),
                known="REFUTED" if name == "cifar10" else "",
                reason=f"{VIT} minus {BIT}: {estimate:+.2f} points",
            )
        )
    return found


def gpu():
    """Return what can't be verified and what was not run."""
    names = ("cifar10", "cifar100", "flowers102", "imagenet", "imagenet_real", "pets", "vtab1k")
    missing = [
        without_figures(
            hypothesis=f"{JFT_VIT} > {JFT_BIT} on {name}",
            dataset=name,
            source="gpu",
            verdict="NOT VERIFIABLE",
            reason=f"JFT-300M: {REASON}",
        )
        for name in names
    ]
    later = without_figures(
        hypothesis=f"{VIT} > {BIT} on cifar10", source="gpu", verdict="NOT RUN", reason="no accelerator here"
    )
    return [*missing, dataclasses.replace(later, date=DAY_2)]


SETTINGS = (
    ("batch_size", "32", "512"),
    ("steps", "15,320", "10,000"),
    ("learning_rate", "0.003", ""),
    ("learning_rate_grid", "0.001, 0.003, 0.01, 0.03", ""),
    ("schedule", "cosine", ""),
    ("flip", "no", "not stated; yes in the authors' code"),
    ("test_resolution", "224", "384"),
)
SEARCHED = (
    Searched("vit-l16-in21k", 0.001, 97.3, False, ("00000000000000a1",)),
    Searched("vit-l16-in21k", 0.003, 98.125, True, ("00000000000000a2",)),
    Searched("vit-l16-in21k", 0.01, None, False, ("00000000000000a3",)),
)


def by_both_backends():
    """Return a store in which two frameworks judged two hypotheses, and whether they agree."""
    made = VerdictStore()
    made.add([CLAIM_1, verdict()])
    for name in ("cifar10", "pets"):
        for source, backend, estimate in (
            ("gpu/notebook", "torch", 1.31),
            ("gpu/notebook@jax", "jax", 1.28),
            ("gpu/notebook@both", "", -0.03),
        ):
            made.add(
                [
                    verdict(
                        hypothesis=f"{VIT} > {BIT} on {name}",
                        dataset=name,
                        source=source,
                        backend=backend,
                        estimate=estimate,
                        low=estimate - 0.2,
                        high=estimate + 0.2,
                        citations=(),
                        runs=("00000000000000b1", "00000000000000b2"),
                        recipes=(
                            RecipeUsed("vit-l16-in21k", "notebook-vit", SETTINGS),
                            RecipeUsed("bit-m-r152x4", "notebook-bit", (("momentum", "0.9", ""),)),
                        ),
                        searched=SEARCHED,
                    )
                ]
            )
    return made
