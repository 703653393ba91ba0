"""From scores to named figures, each with its interval over episodes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from slowfast_bench.scores.following import Following
from slowfast_bench.scores.long_videos import LongRollouts
from slowfast_bench.scores.revisits import RevisitReference, Revisits
from slowfast_envs.actions import VERBS
from slowfast_vgen.metrics.bootstrap import Estimate, estimate, estimate_ratio

Estimates = dict[str, Estimate]

SCORES_BY_VERB = ("action_following_five_way", "first_frame_gain_db", "first_frame_psnr_db", "chunk_psnr_db")


def following_figures(seeds: Sequence[Following], codec: Following) -> Estimates:
    """Action following and first frames; `codec` are the scores of the true chunks after the codec's round trip."""
    samples = {
        "action_following": _seeds([one.direction for one in seeds]),
        "action_following_five_way": _seeds([one.five_way for one in seeds]),
        "action_following_flow": _seeds([one.flow for one in seeds]),
        "first_frame_gain_db": _seeds([one.first_frame_gain for one in seeds]),
        "first_frame_psnr_db": _seeds([one.first_frame_psnr for one in seeds]),
        "copy_psnr_db": _seeds([one.copy_psnr for one in seeds[:1]]),
        "chunk_psnr_db": _seeds([one.chunk_psnr for one in seeds]),
    }
    figures = {name: estimate(values) for name, values in samples.items()}
    for index, verb in enumerate(VERBS):
        chosen = (codec.verb == index)[:, None]
        for name in SCORES_BY_VERB:
            figures[f"{name}_{verb}"] = estimate(np.where(chosen, samples[name], np.nan))
    figures["codec_psnr_db"] = estimate(_seeds([codec.chunk_psnr]))
    figures["action_following_five_way_codec"] = estimate(_seeds([codec.five_way]))
    figures["action_following_flow_codec"] = estimate(_seeds([codec.flow]))
    return figures


def long_figures(arms: Mapping[str, Sequence[LongRollouts]], true: LongRollouts, codec: LongRollouts) -> Estimates:
    """Sharpness, colour, collapse, cuts, motion; `arms` maps the ending of a name, such as "_memory", to its seeds."""
    figures = {}
    for ending, seeds in arms.items():
        figures["late_sharpness_ratio" + ending] = estimate_ratio(
            _seeds([one.sharpness[:, -1] for one in seeds]), true.sharpness
        )
        figures["late_colour_spread_ratio" + ending] = estimate_ratio(
            _seeds([one.colour_spread[:, -1] for one in seeds]), true.colour_spread
        )
    figures["codec_sharpness_ratio"] = estimate_ratio(_seeds([codec.sharpness[:, -1]]), true.sharpness[:, -1])
    for ending, seeds in {**arms, "_true": [true]}.items():
        figures["collapsed_share" + ending] = estimate(_seeds([one.collapsed for one in seeds]))
        figures["scuts" + ending] = estimate(_seeds([one.scene_cuts for one in seeds]))
        figures["motion_score" + ending] = estimate(_seeds([one.motion for one in seeds]))
    figures["rollbacks_memory"] = estimate(_seeds([one.rollbacks for one in arms["_memory"]]))
    return figures


def sharpness_over_horizon(arms: Mapping[str, Sequence[LongRollouts]], true: LongRollouts) -> dict[str, list[float]]:
    """Mean sharpness of each window of 32 frames, of the first seed and of the true frames."""
    firsts = {f"sharpness{ending}": seeds[0] for ending, seeds in arms.items()} | {"sharpness_true": true}
    return {name: [round(float(value), 5) for value in one.sharpness.mean(0)] for name, one in firsts.items()}


def revisit_figures(
    scripts: Mapping[str, Mapping[str, Sequence[Revisits]]], references: Mapping[str, RevisitReference]
) -> Estimates:
    """Scores of revisits and what the memory adds to them: `scripts[script][arm]` are the seeds' scores."""
    samples: dict[str, dict[str, np.ndarray]] = {}
    for script, arms in scripts.items():
        own: dict[str, np.ndarray] = {}
        for name, attribute in {
            "revisit_psnr_db": "psnr",
            "revisit_colour_distance": "colour_distance",
            "history_psnr_db": "history_psnr",
            "history_colour_distance": "history_colour_distance",
            "src_mbv2": "similarity",
        }.items():
            own |= {f"{name}_{arm}": _seeds([getattr(one, attribute) for one in seeds]) for arm, seeds in arms.items()}
        for gain, name in {
            "revisit_gain_db": "revisit_psnr_db",
            "history_gain_db": "history_psnr_db",
            "src_mbv2_gain": "src_mbv2",
        }.items():
            own |= {f"{gain}_{arm}": own[f"{name}_{arm}"] - own[f"{name}_off"] for arm in arms if arm != "off"}
        own["revisit_psnr_db_copy"] = _seeds([references[script].copy_psnr])
        own["revisit_colour_distance_copy"] = _seeds([references[script].copy_colour_distance])
        own["src_mbv2_unrelated"] = _seeds([references[script].unrelated_similarity])
        samples[script] = own
    names = next(iter(samples.values()))
    figures = {name: estimate(np.concatenate([own[name] for own in samples.values()], -1)) for name in names}
    for script, own in samples.items():
        figures |= {f"{name}_{script.replace('-', '_')}": estimate(values) for name, values in own.items()}
    return figures


def _seeds(values: Sequence[np.ndarray]) -> Float[np.ndarray, "episodes seeds *more"]:
    return np.stack(values, 1)
