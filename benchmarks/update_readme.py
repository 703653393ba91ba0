"""Writes the README's figures from results/*.json: `python benchmarks/update_readme.py` (part of `make figures`)."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def shown(figure: dict[str, float], form: str = ".2f") -> str:
    """Mean and 95 % interval, or the mean alone where there is no spread."""
    mean, low, high = (format(figure[key], form) for key in ("mean", "low", "high"))
    return mean if low == high else f"{mean} [{low}, {high}]"


def table(rows: list[tuple[str, str]]) -> str:
    """A two-column Markdown table."""
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def readme_figures() -> str:
    """The README's section of figures.

    Raises:
        KeyError: a results file lacks a figure that the README shows.
    """
    smoke = json.loads((ROOT / "results" / "smoke.json").read_text())
    bench = json.loads((ROOT / "results" / "bench.json").read_text())
    quality, speed = smoke["figures"], bench["figures"]
    protocol = smoke["protocol"]
    rows = [
        ("turns that go the right way, share of chunks", shown(quality["action_following"], ".3f")),
        ("the right one of five actions, share of chunks", shown(quality["action_following_five_way"], ".3f")),
        ("first new frame against copying the last, dB", shown(quality["first_frame_gain_db"])),
        ("sharpness of the last 32 of 256 frames, over the true", shown(quality["late_sharpness_ratio"])),
        ("revisits, memory on minus off, dB: the paper's setting", shown(quality["revisit_gain_db_paper"], ".3f")),
        ("revisits, memory on minus off, dB: best setting found", shown(quality["revisit_gain_db_best"], ".3f")),
        ("frames/s, memory off", shown(speed["fps_memory_off"], ".1f")),
        ("frames/s, memory on", shown(speed["fps_memory_on"], ".1f")),
        ("time with memory over without", shown(speed["memory_cost_ratio"])),
        ("time of chunk 200 over chunk 10", shown(speed["chunk200_over_chunk10"])),
        ("peak memory, MB", shown(speed["peak_rss_mb"], ".0f")),
    ]
    caption = (
        f"{protocol['episodes']} test maps, {len(protocol['seeds'])} seeds, "
        f"{protocol['sampling_steps']} sampling steps, weights `{protocol['weights_sha256'][:12]}`; "
        "95 % intervals by bootstrap over episodes (`slowfast evaluate smoke`, `slowfast bench`)."
    )
    return f"{table(rows)}\n\n{caption}"


def main() -> None:
    """Replaces what stands between the two marks."""
    path = ROOT / "README.md"
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{readme_figures()}\n{END}{after}")


if __name__ == "__main__":
    main()
