"""Writes the README's figures from results/*.json: `python benchmarks/update_readme.py` (part of `make figures`).

A results file that is missing, or that was made with other weights than those that are shipped now, is said to be so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slowfast_bench.results import Results, read_results
from slowfast_vgen.results import Row

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "src" / "slowfast_vgen" / "weights" / "rooms-64" / "model_index.json"
TASKS = {"vizdoom-retrace": ("steps", ".1f"), "metaworld-return": ("metres", ".3f")}
"""Task -> unit of its distances, and how many digits they are told with."""
DOMAIN_ARMS = ("frozen", "no_memory", "eq3", "left_out", "left_out_eq3")
"""Arms of `evaluate domains` in the order of the README's columns."""
COMMANDS = {
    "recall": "slowfast evaluate recall",
    "dreams": "slowfast evaluate dreams",
    "smoke": "slowfast evaluate smoke",
    "bench": "slowfast bench",
    "words": "slowfast evaluate words",
}
"""What writes each results file."""
GAPS = {"gap16": "9 to 32", "gap64": "41 to 104", "gap200": "200 and more"}
RECALL_ROWS = {
    "no_memory": "no memory",
    "raw_context_2": "8 frames in view in place of 4, no memory",
    "frozen": "last frame, frozen",
    "memory": "**memory**",
    "readout": "read-out: what the memory recalls, nothing denoised",
    "ceiling": "codec's ceiling: the true frame through the codec",
}
"""Arms of `evaluate recall` in the order of the README's rows."""
TRAINED_ROWS = {
    "raw_context_8": "8 chunks in view, trained for it",
    "retrieval": "frames retrieved by true pose, trained for it",
}
"""Arms of `evaluate --suite standard` whose weights are not in the repository."""
AGAIN_ROWS = {"frozen": "last frame, frozen", "memory": "**memory**", "readout": "read-out"}
"""Arms of the same suite that anyone can measure again."""
SUITES = {"standard": "slowfast evaluate --suite standard", "consistency": "slowfast evaluate consistency"}
UNCLEAN = "+changes"


def shown(row: Row, form: str = ".2f") -> str:
    """Mean and interval, or the mean alone where there is no spread."""
    mean, low, high = (format(getattr(row, key), form) for key in ("mean", "low", "high"))
    return mean if low == high else f"{mean} [{low}, {high}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def results(name: str) -> Results | None:
    """A results file; None where there is none."""
    path = ROOT / "results" / f"{name}.json"
    return read_results(path) if path.is_file() else None


def named(results: Results, name: str, form: str = ".2f") -> str:
    """A row; a dash where the file has none of that name."""
    return shown(results[name], form) if name in results.by_name else "-"


def cleanliness(protocol: Mapping[str, Any], arms: Mapping[str, Any] = {}) -> str:
    """A sentence where a file, or some of its rows, came from a tree that was not clean; empty where all is well."""
    labels = {about["label"]: about.get("git_commit", protocol["git_commit"]) for about in arms.values()}
    clean = [label for label, commit in labels.items() if not commit.endswith(UNCLEAN)]
    if not str(protocol.get("git_commit", "")).endswith(UNCLEAN):
        return ""
    but = f", but for the row *{'*, *'.join(clean)}*" if clean else ""
    return f" (from a tree that was not clean{but}, until it is made anew)"


def readme_recall() -> str:
    """Recall by gap: one protocol, one table, and beside it what was measured by another.

    Raises:
        KeyError: a results file lacks a figure that the README shows.
    """
    recall, standard = results("recall"), results("standard")
    head = ["PSNR to the true frame, dB; last seen so many frames ago", *GAPS.values()]
    if recall is None:
        return f"Not measured yet: `{COMMANDS['recall']} --json results/recall.json`."
    protocol = recall.protocol
    rows = [_by_gap(recall, label, variant) for variant, label in RECALL_ROWS.items()]
    gains = " / ".join(shown(recall[f"recall_gain_db_{gap}"]) for gap in GAPS)
    told = (
        f"{protocol['num_maps']} held-out maps of each of {len(protocol['tours'])} kinds of path, "
        f"{_seeds(protocol['num_seeds'])}, weights `{protocol['weights_sha256'][:12]}` (`{COMMANDS['recall']}`); "
        f"memory over none {gains} dB{_stale(protocol)}{cleanliness(protocol)}. In brackets: 95 % by bootstrap over "
        "maps."
    )
    parts = [table(head, _whole(rows)), told + _beside(recall)]
    if standard is not None:
        fresh = results("consistency")
        rows = [_by_gap(standard, label, variant) for variant, label in TRAINED_ROWS.items()]
        rows += [_by_gap(fresh or standard, label, variant) for variant, label in AGAIN_ROWS.items()]
        told = (
            "Of another protocol, full turns and ways out and back alone (`slowfast evaluate --suite standard`). The "
            "denoisers trained for the first two rows are not in the repository, so these stand as they were measured"
            + (f", the others anew (`{SUITES['consistency']}`)." if fresh else ".")
        )
        parts += [table(["the strongest baselines, the same measure", *GAPS.values()], _whole(rows)), told]
    return "\n\n".join(parts)


def _by_gap(results: Results, label: str, variant: str) -> list[str]:
    """A line of a table: a variant's recall at every gap."""
    rows = {row.gap: row for row in results.select(metric="psnr_truth", variant=variant, minus=None, dataset=None)}
    return [label, *(shown(rows[gap], ".1f") for gap in GAPS if gap in rows)]


def _whole(rows: Sequence[list[str]]) -> list[list[str]]:
    """The lines of variants that were measured."""
    return [row for row in rows if len(row) > 1]


def _beside(recall: Results) -> str:
    """How the gain falls off beside a seen pose; empty where a file does not tell."""
    names = [f"next_chunk_gain_db_{steps}_steps_beside" for steps in range(5)]
    if names[0] not in recall.by_name:
        return ""
    there, *beside = (named(recall, name, ".1f") for name in names)
    return (
        f" The gain is of the pose: next chunks on true walks gain {there} dB at a pose that was seen, and "
        f"{', '.join(beside)} dB at one to four steps beside it."
    )


def readme_videos() -> str:
    """Dreams and long videos, with memory and without, the paper's headline measures among them."""
    rows: list[list[str]] = []
    told: list[str] = []
    for part in (_dreams, _short_dreams, _walks_back, _long_videos, _words):
        part(rows, told)
    absent = [f"`{COMMANDS[name]}`" for name in ("dreams", "smoke", "words") if results(name) is None]
    told += [f"not measured yet: {', '.join(absent)}"] if absent else []
    caption = f"{'; '.join(told)}. In brackets: 95 % by bootstrap over maps."
    return table(["", "memory", "none", ""], rows) + f"\n\n{caption[0].upper()}{caption[1:]}"


def _dreams(rows: list[list[str]], told: list[str]) -> None:
    if (dreams := results("dreams")) is None:
        return
    protocol = dreams.protocol
    what = f"dreams of {protocol['num_chunks'] * 4} frames"
    gap, worst = "own_visit_psnr_gap200", "own_visit_psnr_gap200_worst5"
    rows += [
        [
            f"{what}, seen again after 200 and more: PSNR to the own first visit, dB",
            *(named(dreams, f"{gap}{arm}", ".1f") for arm in ("", "_none")),
            "",
        ],
        ["the same, worst twentieth", *(named(dreams, f"{worst}{arm}", ".1f") for arm in ("", "_none")), ""],
        [f"{what}: SRC (MobileNetV2)", *_pair(dreams, "src_mbv2", ".1f"), ""],
        [f"{what}: SCuts, a video", *_pair(dreams, "scene_cuts"), ""],
    ]
    told.append(f"dreams: `{COMMANDS['dreams']}`{_stale(protocol)}{cleanliness(protocol)}")


def _short_dreams(rows: list[list[str]], told: list[str]) -> None:
    if (recall := results("recall")) is None:
        return
    arms = ("on", "off")
    rows += [
        [
            "short dreams that come back: PSNR to the own first visit, dB",
            *_pair(recall, "history_psnr_db", ".1f", arms),
            "",
        ],
        ["short dreams that come back: SRC (MobileNetV2)", *_pair(recall, "src", ".1f", arms), ""],
        ["short dreams that come back: SCuts, a video", *_pair(recall, "scuts", ".2f", arms), ""],
        ["next chunk at places never seen, dB", *_pair(recall, "novel_psnr_db", ".1f", arms), ""],
    ]
    told.append(f"short dreams: `{COMMANDS['recall']}`")


def _walks_back(rows: list[list[str]], told: list[str]) -> None:
    name = "consistency" if results("consistency") else "standard"
    if (suite := results(name)) is None:
        return
    protocol, arms = suite.protocol, ("memory", "no_memory")
    what = "256 frames, out and all the way back"
    rows += [
        [f"{what}: SRC (MobileNetV2)", *_pair(suite, "src_mbv2", ".1f", arms), ""],
        [f"{what}: SCuts, a video", *_pair(suite, "scuts", ".2f", arms), ""],
    ]
    told.append(f"out and back: `{SUITES[name]}`{_stale(protocol)}{cleanliness(protocol)}")


def _long_videos(rows: list[list[str]], told: list[str]) -> None:
    if (smoke := results("smoke")) is None:
        return
    protocol = smoke.protocol
    what = f"{protocol['long_video_frames']} frames of wandering"
    late = f"sharpness of their last {protocol['late_frames']} over the true"
    for label, name, other in (
        (f"{what}: SCuts, a video", "scuts", f"true: {named(smoke, 'scuts_true')}"),
        (late, "late_sharpness_ratio", ""),
    ):
        rows.append([label, named(smoke, f"{name}_memory"), named(smoke, name), other])
    for label, name in (
        ("turns that go the right way, share of chunks", "action_following"),
        ("the right one of five actions, share of chunks", "action_following_five_way"),
    ):
        rows.append([label, named(smoke, name, ".3f"), "", ""])
    told.append(f"wandering and actions: `{COMMANDS['smoke']}`{_stale(protocol)}{cleanliness(protocol)}")


def _words(rows: list[list[str]], told: list[str]) -> None:
    if (words := results("words")) is None:
        return
    protocol = words.protocol
    for label, name, form in (
        ("paraphrases carried out as meant, share", "paraphrase_right", ".3f"),
        ("nonsense and negations reported, share", "nonsense_reported", ".3f"),
        ("false warnings, share", "false_warnings", ".3f"),
        ("third lap against the first, told with full stops, dB", "full_stop_lap3_db", ".1f"),
    ):
        rows.append([label, named(words, name, form), "", ""])
    told.append(f"words: `{COMMANDS['words']}`{cleanliness(protocol)}")


def readme_cost() -> str:
    """Speed and what memories cost."""
    bench, recall = results("bench"), results("recall")
    if bench is None:
        return f"Not measured yet: `{COMMANDS['bench']} --json results/bench.json`."
    protocol, kept = bench.protocol, recall or Results({}, ())
    rows = [
        ["frames/s", shown(bench["fps_memory_off"], ".1f"), shown(bench["fps_memory_on"], ".1f"), ""],
        [
            "time over no memory",
            "1",
            shown(bench["memory_cost_ratio"]),
            shown(bench["memory_cost_ratio_paper"]),
        ],
        [
            "the same at 50 sampling steps",
            "1",
            shown(bench["memory_cost_ratio_50_steps"]),
            shown(bench["memory_cost_ratio_paper_50_steps"]),
        ],
        ["time of chunk 1000 over chunk 10", "", named(kept, "chunk1000_over_chunk10"), ""],
        ["size of the memory, MB", "", named(kept, "memory_mb", ".1f"), ""],
        ["most memory held by the process, MB", shown(bench["peak_rss_mb"], ".0f"), "", ""],
    ]
    machine = protocol["machine"]
    caption = (
        f"{machine['cores']} cores ({machine['cpu']}), {machine['threads']} threads (`{COMMANDS['bench']}`); the "
        f"median of {protocol['num_repetitions']} repetitions and, in brackets, the least and the greatest"
        f"{_stale(protocol)}{cleanliness(protocol)}."
    )
    return table(["", "no memory", "memory", "the paper's eq. 3"], rows) + f"\n\n{caption}"


def _pair(results: Results, name: str, form: str = ".2f", arms: Sequence[str] = ("memory", "none")) -> list[str]:
    return [named(results, f"{name}_{arm}", form) for arm in arms]


def _stale(protocol: Mapping[str, Any]) -> str:
    """A sentence where figures are of other weights than those that are shipped now."""
    weights = protocol.get("weights_sha256", "")
    if not SHIPPED.is_file() or not weights or weights == shipped_fingerprint():
        return ""
    return f" (of the weights `{weights[:12]}`, not of those that are shipped now)"


def shipped_fingerprint() -> str:
    """Of the world rooms-64 as it is shipped now."""
    from slowfast_vgen.presets.worlds import load

    return load("rooms-64").model.fingerprint


def readme_planning() -> str:
    """The README's tables of planning, one for each task whose results are there."""
    tables = []
    for task, (unit, form) in TASKS.items():
        content = results(f"plan-{task}")
        if content is None:
            continue
        protocol = content.protocol
        rows = [
            [about["label"], shown(content[f"distance_{arm}"], form), shown(content[f"success_{arm}"])]
            for arm, about in sorted(protocol["arms"].items(), key=lambda arm: _place(arm[0]))
        ]
        seconds = shown(content["seconds_per_decision"])
        caption = (
            f"{protocol['num_episodes']} held-out episodes, {_seeds(protocol['num_seeds'])} "
            f"(`slowfast plan --task {task}`), 95 % by bootstrap over episodes; {seconds} seconds a decision (median, "
            f"quartiles){cleanliness(protocol, protocol['arms'])}."
        )
        tables.append(table([f"`{task}`", f"distance, {unit}", "success, share"], rows) + f"\n\n{caption}")
    return "\n\n".join(tables)


def _place(arm: str) -> int:
    """Where an arm stands in the table: those that imagine, the path alone, the bounds."""
    from slowfast_bench.planning.arms import ARMS

    return ARMS.index(arm) if arm in ARMS else len(ARMS)


def readme_domains() -> str:
    """The README's table of one model over all domains, empty without its results."""
    content = results("domains")
    if content is None:
        return ""
    protocol = content.protocol
    labels = {name: arm["label"] for about in protocol["domains"].values() for name, arm in about["arms"].items()}
    head = ["world", *(labels[arm] for arm in DOMAIN_ARMS), "what eq. 3 adds to it"]
    rows = []
    for name in protocol["domains"]:
        cells = [content.by_name.get(f"psnr_{arm}_{name}") for arm in DOMAIN_ARMS]
        frozen, adapted = cells[0], cells[-1]
        worse = adapted is not None and frozen is not None and adapted.mean < frozen.mean
        added = content.by_name.get(f"psnr_left_out_eq3_minus_left_out_{name}")
        rows.append([f"{name} *" if worse else name, *(shown(each, ".1f") if each else "" for each in cells),
                     shown(added) if added else ""])  # fmt: skip
    clean = cleanliness(protocol)
    caption = (
        f"PSNR of the next {protocol['made_chunks'] * 4} frames, dB, after {protocol['num_shown']} chunks that are "
        f"shown; {protocol['num_episodes']} held-out episodes of each world, {_seeds(protocol['num_seeds'])} "
        f"(`slowfast evaluate domains`), 95 % by bootstrap over episodes{clean}. * Here a frozen last frame is nearer "
        "to the truth than the model that never saw the world, eq. 3 included."
    )
    return f"{table(head, rows)}\n\n{caption}"


def _seeds(count: int) -> str:
    return f"{count} seed" + ("s" if count > 1 else "")


SECTIONS = {
    "recall": readme_recall,
    "videos": readme_videos,
    "cost": readme_cost,
    "planning": readme_planning,
    "domains": readme_domains,
}
"""What stands between each two marks of the README."""


def updated(text: str) -> str:
    """The README with every section written anew."""
    for name, section in SECTIONS.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{section()}\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    """Replaces what stands between each two marks."""
    path = ROOT / "README.md"
    path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
