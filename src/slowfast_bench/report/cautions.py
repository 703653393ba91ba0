"""What to know before believing the figures: told by the files themselves, and seen in them."""

from collections.abc import Iterator, Mapping, Sequence

from slowfast_bench.report.judgements import listed
from slowfast_bench.report.verdict import Headline
from slowfast_bench.results import Results

LEAST_EPISODES = 64
"""Below this many the intervals of recall are wider than the differences that matter."""
LEAST_SEEDS = 3
LEAST_VIDEOS = 2048
"""Below this many a Fréchet distance is mostly bias: between Gaussians at 5 it came out as 611 at 64, 48 at 2048."""


def cautions(files: Sequence[Results], headlines: Mapping[str, Headline]) -> list[str]:
    """One sentence each.

    Args:
        files: all that the page is made of.
        headlines: the verdicts by the names of their files.
    """
    by_sentence: dict[str, list[str]] = {}
    for results in files:
        told = [*_of_file(results)]
        if results.name in headlines:
            told += _few_episodes(headlines[results.name])
        for sentence in told:
            by_sentence.setdefault(sentence, []).append(results.name)
    return [*_other_weights(files), *(f"{listed(names)}: {sentence}" for sentence, names in by_sentence.items())]


def _other_weights(files: Sequence[Results]) -> Iterator[str]:
    by_weights: dict[str, list[str]] = {}
    for results in files:
        if weights := results.text("weights_sha256"):
            by_weights.setdefault(weights, []).append(results.name)
    if len(by_weights) > 1:
        groups = [f"{listed(names)} on {weights[:12]}" for weights, names in by_weights.items()]
        yield f"Files were made on different weights, so their figures do not go together: {'; '.join(groups)}."


def _of_file(results: Results) -> Iterator[str]:
    if results.text("suite") == "quick":
        yield "the suite is “quick”: it shows that everything runs, its figures mean nothing."
    given = results.protocol.get("warnings")
    told = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    yield from told
    if results.num_seeds is not None and results.num_seeds < LEAST_SEEDS:
        yield (
            f"{_count(results.num_seeds, 'seed')} for each episode; with fewer than {LEAST_SEEDS} the spread over "
            "seeds is not known."
        )
    if results.text("git_commit").endswith("+changes"):
        yield "made by a source tree with uncommitted changes, which nobody can check out again."
    few = {row.name: row.n for row in results.rows if row.metric in ("fvd_i3d", "fvd_mbv2") and row.n < LEAST_VIDEOS}
    if few and not any("Fréchet" in sentence for sentence in told):
        yield (
            f"Fréchet distances are over {_range(list(few.values()), 'videos')}; below {LEAST_VIDEOS} most of such a "
            "distance is bias, so compare only those of the same number."
        )


def _few_episodes(found: Headline) -> Iterator[str]:
    few = {name: one.n for name, one in found.used.items() if one.n < LEAST_EPISODES}
    if few:
        yield (
            f"{len(few)} of the {_count(len(found.used), 'figure')} of the verdict rest on fewer than {LEAST_EPISODES} "
            f"episodes ({_range(list(few.values()), 'episodes')})."
        )


def _range(counts: Sequence[int], of: str) -> str:
    low, high = min(counts), max(counts)
    return f"{low} {of}" if low == high else f"{low} to {high} {of}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
