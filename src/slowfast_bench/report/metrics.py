"""The one table of words: what metrics and variants are called on a page, and which way a metric is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["high", "low"]


@dataclass(frozen=True)
class Metric:
    """How to read one metric."""

    label: str
    unit: str = ""
    better: Better | None = None
    """None where neither end is good, such as motion, which should be that of true videos."""
    decimals: int | None = None
    """None shows four digits."""
    group: str = "more"
    """The part of the page on which its rows stand."""
    agrees_with_itself: bool = False
    """A frozen frame is no rival, because it has this for nothing."""


GROUPS = {
    "truth": "Places seen again, against the true frame: the first visit shown, the second generated",
    "own": "Places seen again, against the video's own first visit: all generated (a frozen frame agrees with itself)",
    "quality": "The next chunk, after the true past",
    "long": "Long videos, all generated: a frozen video has no cuts and agrees with itself",
    "cost": "Cost deep in an episode, alone on the machine; of times the median and the quartiles",
    "more": "More figures",
}
"""Parts of the page, in order, and what stands above each."""

METRICS = {
    "psnr_truth": Metric("PSNR against the true frame", "dB", "high", 2, "truth"),
    "psnr_truth_worst5": Metric("the same, worst 5 % of the frames", "dB", "high", 2, "truth"),
    "psnr_truth_worst5_gain": Metric("what is added in the worst 5 % of the frames", "dB", "high", 2, "truth"),
    "ssim_truth": Metric("SSIM against the true frame", "", "high", 3, "truth"),
    "distance_mbv2_truth": Metric("feature distance to the true frame (MobileNetV2)", "", "low", 3, "truth"),
    "colour_distance_truth": Metric("colour distance to the true frame", "", "low", 3, "truth"),
    "psnr_truth_readout": Metric("PSNR of the memory read out, nothing denoised", "dB", "high", 2, "truth"),
    "ceiling_gap_closed": Metric("way from no memory to the codec's ceiling, share", "", "high", 3, "truth"),
    "psnr_own_visit": Metric("PSNR against the video's own first visit", "dB", "high", 2, "own", True),
    "ssim_own_visit": Metric("SSIM against the video's own first visit", "", "high", 3, "own", True),
    "distance_mbv2_own_visit": Metric(
        "feature distance to the video's own first visit (MobileNetV2)", "", "low", 3, "own", True
    ),
    "colour_distance_own_visit": Metric("colour distance to the video's own first visit", "", "low", 3, "own", True),
    "psnr_own_visit_worst5": Metric("the same, worst 5 % of the frames", "dB", "high", 2, "own", True),
    "psnr_own_visit_commanded": Metric("the same, places by the commanded motions", "dB", "high", 2, "own", True),
    "psnr_own_visit_by_pair": Metric("the same, each pair read alone", "dB", "high", 2, "own", True),
    "psnr": Metric("PSNR", "dB", "high", 2, "quality"),
    "ssim": Metric("SSIM", "", "high", 3, "quality"),
    "distance_mbv2": Metric("feature distance (MobileNetV2)", "", "low", 3, "quality"),
    "lpips": Metric("LPIPS", "", "low", 3, "quality"),
    "fvd_mbv2": Metric("Fréchet distance of videos (MobileNetV2)", "", "low", 1, "quality"),
    "fvd_i3d": Metric("FVD", "", "low", 1, "quality"),
    "novel_psnr": Metric("PSNR at places never seen", "dB", "high", 2, "quality"),
    "scene_cuts": Metric("scene cuts a video (SCuts)", "", "low", 3, "long", True),
    "motion": Metric("motion", "", None, 4, "long"),
    "src_mbv2": Metric("revisit similarity (MobileNetV2, not SRC's network)", "", "high", 2, "long", True),
    "src": Metric("scene revisit consistency (SRC)", "", "high", 2, "long", True),
    "mirror_mse": Metric("squared error of mirrored paths", "", "low", 4, "long", True),
    "drift_psnr_db": Metric("drift of PSNR (late minus early)", "dB", "high", 2, "long"),
    "drift_sharpness": Metric("drift of sharpness (late minus early)", "", "high", 4, "long", True),
    "following": Metric("actions followed (share)", "", "high", 3, "long"),
    "late_sharpness_ratio": Metric("late sharpness over true", "", "high", 3, "long"),
    "late_colour_spread_ratio": Metric("late colour spread over true", "", "high", 3, "long"),
    "collapsed_share": Metric("collapsed long videos (share)", "", "low", 3, "long"),
    "seconds_per_frame": Metric("time a frame", "s", "low", 4, "cost"),
    "cost_ratio": Metric("time over that of no memory", "", "low", 2, "cost"),
    "cost_ratio_50_steps": Metric("the same at 50 sampling steps", "", "low", 2, "cost"),
    "late_over_early_time": Metric("time of a late chunk over that of chunk 10", "", "low", 2, "cost"),
    "memory_mb": Metric("size of the memory", "MB", "low", 2, "cost"),
    "frames_per_second": Metric("frames a second", "", "high", 1, "cost"),
    "frames_per_second_batch8": Metric("frames a second, 8 episodes at a time", "", "high", 1, "cost"),
    "encode_ms_per_frame": Metric("encoding a frame", "ms", "low", 3, "cost"),
    "decode_ms_per_frame": Metric("decoding a frame", "ms", "low", 3, "cost"),
    "peak_rss_mb": Metric("most memory held by the process", "MB", "low", 0, "cost"),
    "seconds_per_decision": Metric("time a decision", "s", "low", 3, "cost"),
    "action_following": Metric("turns go the right way (share)", "", "high", 3),
    "action_following_five_way": Metric("nearest of five true outcomes is the given one (share)", "", "high", 3),
    "action_following_flow": Metric("picture moves the right way in turns (share)", "", "high", 3),
    "first_frame_gain_db": Metric("first new frame over a copy of the past's last", "dB", "high", 2),
    "first_frame_psnr_db": Metric("first new frame, PSNR", "dB", "high", 2),
    "chunk_psnr_db": Metric("new chunk after the true past, PSNR", "dB", "high", 2),
    "bump_path_end_error_steps": Metric("end of true walks into walls, off by", "steps", "low", 2),
    "reader_path_disagree_share": Metric("steps of which reader and path say different things (share)", "", "low", 3),
    "paraphrase_right": Metric("paraphrases carried out as meant, the path right to 1 % (share)", "", "high", 3),
    "nonsense_reported": Metric("nonsense and negations reported (share)", "", "high", 3),
    "false_warnings": Metric("paraphrases that were warned of (share)", "", "low", 3),
    "sequences_right": Metric("texts of several actions taken apart as meant (share)", "", "high", 3),
    "full_stop_lap3_db": Metric("third lap against the first, a full stop after each phrase", "dB", "high", 2),
    "distance": Metric("distance from where a decision should have led", "", "low", 3),
    "final_distance": Metric("distance at the end", "", "low", 3),
    "success": Metric("success (share)", "", "high", 3),
    "way_points": Metric("way-points reached (share)", "", "high", 3),
    "on_way": Metric("decisions begun on the true way (share)", "", "high", 3),
    "imagination_psnr": Metric("imagined frames, PSNR", "dB", "high", 2),
    "idm_accuracy": Metric("actions read right (share)", "", "high", 3),
}

RULES = {
    "off": "no memory",
    "denoising_original": "Temp-LoRA's own update",
    "denoising": "eq. 3 (the paper)",
    "replay": "eq. 3, replay",
    "ridge": "ridge (shipped)",
    "ridge_delta": "ridge, delta rule",
    "ridge_and_denoising": "ridge and eq. 3",
}
RULES |= {name.replace("ridge", "local"): label for name, label in RULES.items() if "ridge" in name}
"""With the names of the ridge memory in results files of the last release."""
LABELS = {
    "memory": "memory",
    "no_memory": "no memory",
    "frozen": "last frame frozen",
    "raw_context_2": "raw context of 2 chunks",
    "raw_context_4": "raw context of 4 chunks",
    "raw_context_8": "raw context of 8 chunks",
    "readout": "read-out, nothing denoised",
    "ceiling": "codec's ceiling",
    "true": "true frames",
    "paper": "the paper's eq. 3",
    "eq3": "eq. 3",
    **RULES,
    **{
        f"{rule}_after_{loop}_loop": f"{RULES[rule]}, after the loop of {RULES[loop]}"
        for rule in RULES
        for loop in RULES
    },
    **{f"width{width}": f"ridge memory, key width {width}" for width in (256, 512, 1024, 2048)},
    **{f"rank{rank}": f"LoRA of rank {rank} (eq. 3)" for rank in (8, 32, 128)},
    "change_alone": "every unchanged view taken for a wall",
    "all_made": "every step taken for made",
}
"""Variants whose label no protocol tells."""
PHRASES = {"memory": "the memory", "frozen": "a frozen last frame", "true": "the true frames"} | {
    f"raw_context_{chunks}": f"a raw context of {chunks} chunks" for chunks in (2, 4, 8)
}
"""Behind "over" in a sentence, where that is not the label."""
RAW_CONTEXTS = ("raw_context_2", "raw_context_4", "raw_context_8")
BOUNDS = ("ceiling", "true", "oracle")
"""Variants that are given what no model has, so that they are never called the best."""

PENS = {
    "memory": ("#D55E00", "o", "-"),
    "no_memory": ("#4D4D4D", "s", "-"),
    "frozen": ("#8C8C8C", "X", "--"),
    "raw_context_2": ("#56B4E9", "^", "-"),
    "raw_context_4": ("#0072B2", "v", "-"),
    "raw_context_8": ("#003A66", "D", "-"),
    "anchor": ("#CC79A7", "P", "-."),
    "retrieval": ("#009E73", "*", "-."),
    "readout": ("#E69F00", "h", "--"),
    "ceiling": ("#009E73", "*", "-."),
    "foreign_memory": ("#CC79A7", "P", "-."),
    "slow_alone": ("#009E73", "*", "-."),
    "true": ("#000000", ".", ":"),
}
"""Okabe and Ito's colours, which people with colour blindness tell apart; raw contexts are three depths of one blue."""
SPARE_PENS = (
    ("#E69F00", "h", "-"), ("#882255", "<", "-"), ("#332288", ">", "-"), ("#117733", "p", "-"), ("#0072B2", "v", "--"),
    ("#D55E00", "o", "--"), ("#56B4E9", "^", "--"), ("#CC79A7", "P", "--"), ("#009E73", "*", "--"),
    ("#4D4D4D", "s", ":"),
)  # fmt: skip

GAPS = {"gap16": (9, 32), "gap64": (41, 104), "gap200": (200, 100_000)}
"""Fewest and most frames since a place was last in view, where a protocol does not say (`paths.tours.BUCKETS`)."""
_ENDLESS_FRAMES = 10_000


@dataclass(frozen=True)
class Look:
    """A variant's name on the page and its pen: the same everywhere on it."""

    label: str
    phrase: str
    """As it stands behind "over" in a sentence."""
    colour: str
    marker: str
    dash: str = "-"


def metric_of(name: str) -> Metric:
    """How to read a metric; one that is not known has its name for a label."""
    return METRICS.get(name, Metric(name.replace("_", " ")))


def looks_of(variants: Sequence[str], labels: Mapping[str, str]) -> dict[str, Look]:
    """The look of each variant, in the order given; `labels` are those of a protocol."""
    unknown = [name for name in variants if name not in PENS]
    pens = PENS | {name: SPARE_PENS[number % len(SPARE_PENS)] for number, name in enumerate(unknown)}
    told = {name: labels.get(name, LABELS.get(name, name.replace("_", " "))) for name in variants}
    return {name: Look(told[name], PHRASES.get(name, told[name]), *pens[name]) for name in variants}


def gap_words(gap: str | None, bounds: tuple[int, int] | None) -> str:
    """How long ago, in words.

    >>> gap_words("gap64", (41, 104)), gap_words("gap200", (200, 100_000)), gap_words("8 rooms", None)
    ('41 to 104 frames ago', '200 or more frames ago', '8 rooms')
    """
    if gap is None:
        return "at any gap"
    if bounds is None:
        return gap.replace("_", " ")
    fewest, most = bounds
    return f"{fewest} or more frames ago" if most >= _ENDLESS_FRAMES else f"{fewest} to {most} frames ago"


def gaps_listed(words: Sequence[str]) -> str:
    """Several gaps in a sentence.

    >>> gaps_listed(["9 to 32 frames ago", "41 to 104 frames ago"])
    '9 to 32 and 41 to 104 frames ago'
    """
    ago = " frames ago"
    *first, last = words
    if first and all(each.endswith(ago) for each in words):
        return f"{', '.join(each.removesuffix(ago) for each in first)} and {last}"
    return ", ".join(words)
