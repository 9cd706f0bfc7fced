"""A small store of verdicts such as a session leaves: two claims, all three groups of sources, all eight verdicts."""

import dataclasses

from harness.core.claim import Claim, StatementRecord
from harness.core.verdict import Component, RecipeUsed, Reported, Searched, Side, Verdict
from harness.report.verdict_store import VerdictStore

VIT, BIT = "ViT-L/16 (ImageNet-21k)", "BiT-R152x4 (ImageNet-21k)"
JFT_VIT, JFT_BIT = "ViT-L/16 (JFT-300M)", "BiT-R152x4 (JFT-300M)"
REASON = "neither the dataset nor the checkpoints pre-trained on it were released"
NASTY = "<img src=x onerror=\"document.title='owned'\">&amp;'</script></td>"
DAY_1, DAY_2 = "2026-03-01T09:00:00+00:00", "2026-03-02T09:00:00+00:00"

EVERYWHERE = f"{VIT} > {BIT} on all of cifar10, cifar100"
STATEMENTS = (
    StatementRecord(EVERYWHERE, "on all tasks", "ViT is better than BiT on both tasks", "public weights"),
    StatementRecord(f"{VIT} > {BIT} on flowers102", "on all tasks", "ViT is better than BiT on flowers"),
)

CLAIM_1 = Claim(
    id="claim1",
    title="ViT outperforms state-of-the-art CNNs after pre-training on large data",
    quote="The smaller ViT-L/16 model outperforms BiT-L on all tasks.",
    source="arXiv:2010.11929v2, section 4.2 and table 2",
    not_verifiable={"JFT-300M": REASON},
    statements=STATEMENTS,
)
CLAIM_2 = Claim(id="claim2", title="More data helps", quote="It helps.", source="arXiv:2010.11929v2, table 5")


def verdict(**changes):
    """Return a Better verdict of published figures, with changes."""
    plain = {
        "claim": "claim1",
        "hypothesis": f"{VIT} > {BIT} on cifar10",
        "kind": "Better",
        "dataset": "cifar10",
        "source": "published",
        "verdict": "REPRODUCED",
        "reason": f"{VIT} minus {BIT}: +1.09 points [+0.61, +1.57] at 99.50 %",
        "estimate": 1.09,
        "low": 0.61,
        "high": 1.57,
        "level": 0.995,
        "p": 1e-10,
        "method": "one report, normal",
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
    """Return two claims and twenty verdicts."""
    made = VerdictStore()
    made.add([CLAIM_1, CLAIM_2, *published(), *micro(), *gpu()])
    return made


def published():
    """Return differences, comparisons with the paper's figure, VTAB without uncertainty, and two compounds."""
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
    found = [together(), everywhere()]
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


def reported(publication, estimate, half, weight, *, origin="replication", dataset="cifar10"):
    """Return what one publication says: an estimate with its interval, and its weight."""
    figures = (98.0 + estimate, 98.0)
    return Reported(publication, origin, estimate, estimate - half, estimate + half, weight, figures, "", dataset)


ROWS = (
    reported("vit-paper/table-2", 0.9, 0.6, 0.25, origin="paper"),
    reported("course", 1.15, 0.4, 0.75),
    reported("library", 2.0, 0.4, 0.0, origin="re-evaluation"),
)
"""Two publications that count, and one that evaluated the authors' weights again."""


def together(**changes):
    """Return a verdict on three publications, with all that is known of how sure it is."""
    return verdict(
        method="random effects over 2 publications",
        rows=ROWS,
        tau=0.125,
        i2=0.31,
        prediction=(-0.5, 2.7),
        smallest_detectable=0.66,
        negligible=False,
        family="4 in test_better, Holm",
        **changes,
    )


def everywhere(**changes):
    """Return the verdict on a compound hypothesis, which answers its claim: one part holds, one is open."""
    components = (
        Component(f"{VIT} > {BIT} on cifar10", 1.09, 0.61, 1.57, 1e-10, True),
        Component(f"{VIT} > {BIT} on cifar100", 0.47, -0.15, 1.10, 0.03, None),
    )
    plain = {
        "hypothesis": EVERYWHERE,
        "kind": "All",
        "dataset": "cifar10, cifar100",
        "verdict": "INCONCLUSIVE",
        "statement": STATEMENTS[0].says,
        "reason": "1 of 2 hold, 0 do not, 1 are open",
        "estimate": 0.47,
        "low": -0.15,
        "high": 1.10,
        "p": 0.03,
        "components": components,
        "rows": (ROWS[0], reported("vit-paper/table-2", 0.47, 0.62, 1.0, origin="paper", dataset="cifar100")),
    }
    return verdict(**(plain | changes))


def micro():
    """Return verdicts of the scaled-down study in its own words, one of them as recorded."""
    tasks = {
        "cifar10": "digits-20: handwritten digits, 20 examples per class",
        "flowers102": "digits-5: handwritten digits, 5 examples per class",
        "vtab1k": "orientation: how a bar lies, 8 directions (synthetic)",
    }
    figures = {
        "cifar10": (-2.9, -4.1, -1.7, "DISAGREES"),
        "flowers102": (-4.4, -7.0, -1.8, "DISAGREES"),
        "vtab1k": (1.3, -0.4, 3.0, "OPEN"),
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
                p=0.0004 if word == "DISAGREES" else 0.09,
                sides=sides,
                level=0.9938,
                method="crossed over 8 seeds and 797 examples",
                citations=(),
                runs=tuple(f"{17 * k + len(name):016x}" for k in range(16)),
                # As records of before say it: in the paper's words.
                known="REFUTED" if name == "cifar10" else "",
                about=f"micro-vit-m > micro-bit-m on {tasks[name].partition(':')[0]}",
                se_seeds=0.41,
                se_examples=0.52,
                smallest_detectable=1.75,
                seeds_needed=21 if word == "OPEN" else None,
                negligible=False,
                permutation_p=0.0022,
                outliers=("00000000000000c7",) if word == "OPEN" else (),
                registered="preregistered on 2026-02-01",
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
