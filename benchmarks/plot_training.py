"""Draws the loss curves of docs/training.md from the logs in docs/training/: `python benchmarks/plot_training.py`."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parent.parent / "docs"


def read_log(path: Path) -> dict[str, list[float]]:
    """Columns of a run's log.jsonl."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {key: [row[key] for row in rows] for key in rows[0]}


def main() -> None:
    """Writes docs/images/training.png."""
    figure, (codec_axes, slow_axes, loop_axes) = plt.subplots(1, 3, figsize=(15, 3.6))
    codec = read_log(DOCS / "training" / "codec.jsonl")
    codec_axes.plot([seconds / 60 for seconds in codec["seconds"]], codec["validation_psnr_db"])
    codec_axes.set(title="codec", xlabel="minutes", ylabel="PSNR on held-out maps (dB)")
    for path in sorted((DOCS / "training").glob("slow-*.jsonl")):
        log = read_log(path)
        minutes = [seconds / 60 for seconds in log["seconds"]]
        slow_axes.plot(minutes, log["validation_loss"], label=path.stem.removeprefix("slow-"))
    slow_axes.set(title="denoisers", xlabel="minutes", ylabel="loss on held-out maps (eq. 2)")
    slow_axes.legend()
    loop = read_log(DOCS / "training" / "loop.jsonl")
    minutes = [seconds / 60 for seconds in loop["seconds"]]
    for name, label in (("revisit", "places seen before"), ("novel", "new places")):
        for state, style in (("on", "-"), ("off", "--")):
            loop_axes.plot(minutes, loop[f"{name}_loss_{state}"], style, label=f"{label}, memory {state}")
    loop_axes.set(title="slow-fast loop, ridge rule", xlabel="minutes", ylabel="loss on held-out maps (eq. 2)")
    loop_axes.legend(fontsize=8)
    for axes in (codec_axes, slow_axes, loop_axes):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(DOCS / "images" / "training.png", dpi=110)


if __name__ == "__main__":
    main()
