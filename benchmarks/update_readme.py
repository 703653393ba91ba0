"""Writes the README's figures from results/*.json: `python benchmarks/update_readme.py` (part of `make figures`)."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
TASKS = {"vizdoom-retrace": ("steps", ".1f"), "metaworld-return": ("metres", ".3f")}
"""Task -> unit of its distances, and how many digits they are told with."""
DOMAIN_ARMS = ("frozen", "no_memory", "eq3", "left_out", "left_out_eq3")
"""Arms of `evaluate domains` in the order of the README's columns."""


def shown(figure: dict[str, float], form: str = ".2f") -> str:
    """Mean and 95 % interval, or the mean alone where there is no spread."""
    mean, low, high = (format(figure[key], form) for key in ("mean", "low", "high"))
    return mean if low == high else f"{mean} [{low}, {high}]"


def table(rows: list[tuple[str, str]]) -> str:
    """A two-column Markdown table."""
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def readme_figures() -> str:
    """The README's section of figures; results of other weights than those of the recall report are left out.

    Raises:
        KeyError: a results file lacks a figure that the README shows.
    """
    recall, smoke, bench = (
        json.loads((ROOT / "results" / f"{name}.json").read_text()) for name in ("recall", "smoke", "bench")
    )
    tours, weights = recall["protocol"], recall["protocol"]["weights_sha256"]
    memory = recall["figures"]
    rows = [
        (f"places seen {gap} frames ago, memory on minus off, dB", shown(memory[f"recall_gain_db_{name}"]))
        for gap, name in (("9 to 32", "gap16"), ("41 to 104", "gap64"), ("200 and more", "gap200"))
    ]
    rows += [
        ("the same, over a raw context twice as long, dB", shown(memory["gain_over_raw_context_db"])),
        ("of the way to the true frame of the same pose, share", shown(memory["retrieval_gap_closed"])),
        ("next chunk at places never seen, memory on minus off, dB", shown(memory["novel_gain_db"])),
        ("revisit against the video's own first visit, on minus off, dB", shown(memory["history_gain_db"])),
        ("time with memory over without", shown(memory["cost_ratio_shipped"])),
        ("the same at 50 sampling steps", shown(memory["cost_ratio_50_steps"])),
        ("time of chunk 1000 over chunk 10", shown(memory["chunk1000_over_chunk10"])),
        ("size of the memory, MB", shown(memory["memory_mb"], ".1f")),
    ]
    caption = [
        f"{tours['num_maps']} held-out maps of each kind of path, {_seeds(tours['num_seeds'])}, weights "
        f"`{weights[:12]}` (`slowfast evaluate recall`)"
    ]
    if bench["protocol"]["weights_sha256"] == weights:
        speed = bench["figures"]
        rows += [
            ("frames/s, memory off", shown(speed["fps_memory_off"], ".1f")),
            ("frames/s, memory on", shown(speed["fps_memory_on"], ".1f")),
            ("most memory held by the process, MB", shown(speed["peak_rss_mb"], ".0f")),
        ]
        caption.append("speed on two cores (`slowfast bench`)")
    if smoke["protocol"]["weights_sha256"] == weights:
        quality = smoke["figures"]
        rows += [
            ("turns that go the right way, share of chunks", shown(quality["action_following"], ".3f")),
            ("the right one of five actions, share of chunks", shown(quality["action_following_five_way"], ".3f")),
            ("first new frame against copying the last, dB", shown(quality["first_frame_gain_db"])),
            ("sharpness of the last 32 of 256 frames over the true", shown(quality["late_sharpness_ratio_memory"])),
            ("the same without memory", shown(quality["late_sharpness_ratio"])),
        ]
        episodes, seeds = smoke["protocol"]["episodes"], smoke["protocol"]["seeds"]
        caption.append(f"actions and long videos on {episodes} maps, {_seeds(len(seeds))} (`slowfast evaluate smoke`)")
    return f"{table(rows)}\n\n{'; '.join(caption)}. 95 % intervals by bootstrap over maps."


def readme_planning() -> str:
    """The README's tables of planning, one for each task whose results are there."""
    tables = []
    for task, (unit, form) in TASKS.items():
        path = ROOT / "results" / f"plan-{task}.json"
        if not path.is_file():
            continue
        content = json.loads(path.read_text())
        protocol, figures = content["protocol"], content["figures"]
        head = [f"| `{task}` | distance, {unit} | success, share |", "|---|---|---|"]
        rows = [
            f"| {about['label']} | {shown(figures[f'distance_{arm}'], form)} | {shown(figures[f'success_{arm}'])} |"
            for arm, about in protocol["arms"].items()
        ]
        seconds = shown(figures["seconds_per_decision"])
        caption = (
            f"{protocol['num_episodes']} held-out episodes, {_seeds(protocol['num_seeds'])} "
            f"(`slowfast plan --task {task}`); {seconds} seconds a decision (median, quartiles)."
        )
        tables.append("\n".join([*head, *rows, "", caption]))
    return "\n\n".join(tables)


def readme_domains() -> str:
    """The README's table of one model over all domains, empty without its results."""
    path = ROOT / "results" / "domains.json"
    if not path.is_file():
        return ""
    content = json.loads(path.read_text())
    protocol, figures = content["protocol"], content["figures"]
    labels = {name: arm["label"] for about in protocol["domains"].values() for name, arm in about["arms"].items()}
    columns = ["world", *(labels[arm] for arm in DOMAIN_ARMS), "what eq. 3 adds to it"]
    rows = [
        [
            name,
            *(shown(figures[key], ".1f") if (key := f"psnr_{arm}_{name}") in figures else "" for arm in DOMAIN_ARMS),
            shown(figures[key]) if (key := f"psnr_left_out_eq3_minus_left_out_{name}") in figures else "",
        ]
        for name in protocol["domains"]
    ]
    lines = [columns, ["---"] * len(columns), *rows]
    caption = (
        f"PSNR of the next {protocol['made_chunks'] * 4} frames, dB, after {protocol['num_shown']} chunks that are "
        f"shown; {protocol['num_episodes']} held-out episodes of each world, {_seeds(protocol['num_seeds'])} "
        "(`slowfast evaluate domains`)."
    )
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", caption])


def _seeds(count: int) -> str:
    return f"{count} seed" + ("s" if count > 1 else "")


def main() -> None:
    """Replaces what stands between each two marks."""
    path = ROOT / "README.md"
    text = path.read_text()
    sections = {"figures": readme_figures(), "planning": readme_planning(), "domains": readme_domains()}
    for name, section in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{section}\n{end}{rest.split(end)[1]}"
    path.write_text(text)


if __name__ == "__main__":
    main()
