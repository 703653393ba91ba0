"""Turns results files of before rows, `{"protocol", "figures": {NAME: {...}}}`, into rows, in place.

`python tools/results_to_rows.py results/*.json`. The numbers and the names stay as they are; metric, variant, gap and
dataset of each name are those under which the command that wrote it makes it now. Files with rows are left alone.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from slowfast_vgen.files import read_json
from slowfast_vgen.results import Estimate, Row, write_results

METRICS = {
    "truth_psnr": "psnr_truth",
    "truth_ssim": "ssim_truth",
    "truth_distance_mbv2": "distance_mbv2_truth",
    "truth_colour_distance": "colour_distance_truth",
    "worst5_truth_psnr": "psnr_truth_worst5",
    "worst5_gain_truth_psnr": "psnr_truth_worst5_gain",
    "history_psnr": "psnr_own_visit",
    "history_ssim": "ssim_own_visit",
    "history_distance_mbv2": "distance_mbv2_own_visit",
    "history_colour_distance": "colour_distance_own_visit",
    "scuts": "scene_cuts",
    "time_over_no_memory": "cost_ratio",
    "time_over_no_memory_50_steps": "cost_ratio_50_steps",
    "fvd": "fvd_i3d",
    "readout_psnr": "psnr_truth_readout",
    **{
        f"own_visit_psnr{worst}{pairs}": f"psnr_own_visit{worst}{pairs}"
        for worst, pairs in product(("", "_worst5"), ("", "_commanded", "_by_pair"))
    },
    "fps": "frames_per_second",
    "fps_stock": "frames_per_second_stock",
    "fps_over_stock": "over_stock",
}
"""Words of earlier results -> what docs/glossary.md calls the metric."""
Keys = dict[str, str | None]
Named = Iterator[tuple[str, Keys]]
GAPS = ("gap16", "gap32", "gap64", "gap200")
SCRIPTS = ("full_turn", "out_and_back")
PAIRED = ("psnr", "ssim", "distance_mbv2")
SUITE = (
    *(f"{kind}_{measure}" for kind in ("truth", "history") for measure in PAIRED),
    *("worst5_truth_psnr", *PAIRED, "lpips", "fvd_mbv2", "fvd", "src_mbv2", "src", "mirror_mse", "scuts", "motion"),
    *("following", "drift_sharpness", "drift_psnr_db", "seconds_per_frame", "time_over_no_memory", "memory_mb"),
)
RECALL = {"off": "no_memory", "on": "memory", "raw": "raw_context_2", "frozen": "frozen", "readout": "readout"}
GAIN: Keys = {"variant": "memory", "minus": "no_memory"}


def keys(metric: str, variant: str | None = None, minus: str | None = None, **others: str | None) -> Keys:
    """The keys of a row, the metric by the glossary's name."""
    return {"metric": METRICS.get(metric, metric), "variant": variant, "minus": minus, **others}


def of_suite(protocol: Mapping[str, Any]) -> Named:
    """`evaluate standard` and its parts."""
    arms = list(protocol["arms"])
    for metric, gap, arm, minus in product(SUITE, (None, *GAPS), arms, (None, *arms)):
        row = keys(metric, arm, minus, gap=gap)
        yield Row.of(Estimate.exact(0), metric, arm, minus=minus, gap=gap).name, row


def of_recall(protocol: Mapping[str, Any]) -> Named:
    """`evaluate recall`."""
    arms = RECALL | {"ceiling": "ceiling", "raw": f"raw_context_{protocol['raw_context_frames'] // 4}"}
    for gap in GAPS:
        for arm, variant in arms.items():
            yield f"recall_psnr_db_{arm}_{gap}", keys("truth_psnr", variant, gap=gap)
        yield f"recall_gain_db_{gap}", keys("truth_psnr", **GAIN, gap=gap)
        yield f"recall_worst_5_percent_gain_db_{gap}", keys("worst5_gain_truth_psnr", **GAIN, gap=gap)
        for kind in (*SCRIPTS, "loop", "retrace", "bump"):
            yield f"recall_gain_db_{kind}_{gap}", keys("truth_psnr", **GAIN, gap=gap, dataset=kind)
    yield "recall_gain_db", keys("truth_psnr", **GAIN)
    yield "gain_over_raw_context_db", keys("truth_psnr", "memory", arms["raw"])
    yield "raw_context_gain_db", keys("truth_psnr", arms["raw"], "no_memory")
    yield "gain_over_frozen_db", keys("truth_psnr", "memory", "frozen")
    yield "readout_minus_memory_db", keys("truth_psnr", "readout", "memory")
    yield "ceiling_gap_closed", keys("ceiling_gap_closed", "memory")
    for metric, name, gain in (
        ("history_psnr", "history_psnr_db", "history_gain_db"),
        ("src_mbv2", "src", "src_gain"),
        ("scuts", "scuts", ""),
        ("motion", "motion", ""),
        ("novel_psnr", "novel_psnr_db", "novel_gain_db"),
        ("psnr", "next_chunk_psnr_db", "next_chunk_gain_db"),
    ):
        yield from ((f"{name}_{arm}", keys(metric, RECALL[arm])) for arm in ("off", "on"))
        yield gain, keys(metric, **GAIN)
    for steps in range(5):
        beside = f"{steps}_steps_beside"
        yield f"next_chunk_gain_db_{beside}", keys("psnr", **GAIN, dataset=beside.replace("_", " "))
    yield "cost_ratio_shipped", keys("time_over_no_memory", "memory")
    yield "cost_ratio_50_steps", keys("time_over_no_memory_50_steps", "memory")
    yield "chunk1000_over_chunk10", keys("late_over_early_time", "memory")
    yield "memory_mb", keys("memory_mb", "memory")


def of_rules(protocol: Mapping[str, Any]) -> Named:
    """`evaluate rules`."""
    columns = {"src": "src_mbv2", "scuts": "scuts", "motion": "motion", "history_psnr_db": "history_psnr"}
    for arm in protocol["arms"]:
        yield from ((f"{column}_{arm}", keys(metric, arm)) for column, metric in columns.items())
        yield f"revisit_psnr_db_{arm}", keys("truth_psnr", arm)
        yield f"revisit_psnr_db_readout_{arm}", keys("truth_psnr", f"readout_{arm}")


def of_scaling(protocol: Mapping[str, Any]) -> Named:
    """`evaluate scaling`."""
    for run in protocol["points"]:
        yield f"recall_psnr_db_off_{run}", keys("truth_psnr", "no_memory", dataset=run)
        yield f"recall_psnr_db_on_{run}", keys("truth_psnr", "memory", dataset=run)
        yield f"recall_gain_db_{run}", keys("truth_psnr", **GAIN, dataset=run)
    yield "recall_psnr_db_readout", keys("truth_psnr", "readout")


def of_capacity(protocol: Mapping[str, Any]) -> Named:
    """`evaluate capacity`."""
    arms = [f"width{one}" for one in protocol["key_widths"]] + [f"rank{one}" for one in protocol["ranks"]]
    for arm in (*arms, *(one.replace("-", "_") for one in protocol["rules"])):
        for rooms in protocol["rooms"]:
            for metric, name in (("truth_psnr", "recall_gain_db"), ("readout_psnr", "readout_gain_db")):
                yield f"{name}_{arm}_rooms{rooms}", keys(metric, arm, "no_memory", gap=f"{rooms} rooms")
        yield f"memory_mb_{arm}", keys("memory_mb", arm)
    yield "recall_psnr_db_off", keys("truth_psnr", "no_memory")


def of_dreams(protocol: Mapping[str, Any]) -> Named:
    """`evaluate dreams`."""
    by_dream = {"scene_cuts": "scuts"} | {
        name: name
        for name in ("motion", "src_mbv2", "steps_not_made_share", "steps_unread_share", "reader_path_disagree_share")
    }
    for dataset, arm in product((None, "crossing"), protocol["arms"]):
        behind = (f"_{dataset}" if dataset else "") + ("" if arm == "memory" else f"_{arm}")
        variant = "no_memory" if arm == "none" else arm
        for gap in GAPS:
            for worst, pairs in product(("", "_worst5"), ("", "_commanded", "_by_pair")):
                row = keys(f"own_visit_psnr{worst}{pairs}", variant, gap=gap, dataset=dataset)
                yield f"own_visit_psnr_{gap}{worst}{behind}{pairs}", row
            for script in protocol["scripts"]["dreams"]:
                row = keys("own_visit_psnr", variant, gap=gap, dataset=script)
                yield f"own_visit_psnr_{gap}_{script}{behind}", row
        for name, metric in by_dream.items():
            yield f"{name}{behind or '_memory'}", keys(metric, variant, dataset=dataset)
        if dataset is None:
            name = "bump_path_end_error_steps"
            yield name + ("" if arm == "memory" else f"_{arm}"), keys(name, arm)


def of_smoke(protocol: Mapping[str, Any]) -> Named:
    """`evaluate smoke`."""
    del protocol
    following = ("action_following", "action_following_five_way", "action_following_flow")
    for metric in (*following, "first_frame_gain_db", "first_frame_psnr_db", "chunk_psnr_db"):
        yield metric, keys(metric)
        for verb in ("turn_left", "turn_right", "go_forward", "go_back", "stay"):
            yield f"{metric}_{verb}", keys(metric, dataset=verb)
    yield from ((f"{metric}_codec", keys(metric, "codec")) for metric in following[1:])
    yield "copy_psnr_db", keys("first_frame_psnr_db", "frozen")
    yield "codec_psnr_db", keys("chunk_psnr_db", "codec")
    yield "codec_sharpness_ratio", keys("late_sharpness_ratio", "codec")
    for ending, variant in {"": "no_memory", "_memory": "memory", "_true": "true"}.items():
        for name in ("late_sharpness_ratio", "late_colour_spread_ratio", "collapsed_share", "scuts", "motion_score"):
            yield name + ending, keys("motion" if name == "motion_score" else name, variant)
    yield "rollbacks_memory", keys("rollbacks", "memory")
    arms = {"off": "no_memory", "paper": "paper", "best": "memory", "copy": "frozen", "unrelated": "unrelated"}
    for dataset in (None, *SCRIPTS):
        behind = f"_{dataset}" if dataset else ""
        for metric, name, gain in (
            ("truth_psnr", "revisit_psnr_db", "revisit_gain_db"),
            ("truth_colour_distance", "revisit_colour_distance", ""),
            ("history_psnr", "history_psnr_db", "history_gain_db"),
            ("history_colour_distance", "history_colour_distance", ""),
            ("src_mbv2", "src_mbv2", "src_mbv2_gain"),
        ):
            for arm, variant in arms.items():
                yield f"{name}_{arm}{behind}", keys(metric, variant, dataset=dataset)
                yield f"{gain}_{arm}{behind}", keys(metric, variant, "no_memory", dataset=dataset)


def of_bench(protocol: Mapping[str, Any]) -> Named:
    """`bench`."""
    batch = protocol["batch"]
    for arm in ("off", "on"):
        yield f"fps_memory_{arm}", keys("frames_per_second", RECALL[arm])
        yield f"fps_batch{batch}_memory_{arm}", keys(f"frames_per_second_batch{batch}", RECALL[arm])
    for behind in ("", "_50_steps"):
        yield f"memory_cost_ratio{behind}", keys(f"time_over_no_memory{behind}", "memory")
        yield f"memory_cost_ratio_paper{behind}", keys(f"time_over_no_memory{behind}", "paper")
    yield "chunk200_over_chunk10", keys("late_over_early_time", "memory")


def of_words(protocol: Mapping[str, Any]) -> Named:
    """`evaluate words`."""
    metrics = ("paraphrase_right", "false_warnings", "nonsense_reported", "sequences_right", "full_stop_lap3_db")
    for metric, world in product(metrics, (None, *protocol["per_world"])):
        yield f"{metric}_{world}" if world else metric, keys(metric, dataset=world)


def of_domains(protocol: Mapping[str, Any]) -> Named:
    """`evaluate domains`."""
    names = {"psnr": "psnr", "ssim": "ssim", "distance": "distance_mbv2", "fvd_mbv2": "fvd_mbv2"}
    for domain, about in protocol["domains"].items():
        arms = list(about["arms"])
        for (name, metric), arm, minus in product(names.items(), arms, (None, *arms)):
            middle = f"{arm}_minus_{minus}" if minus else arm
            yield f"{name}_{middle}_{domain}", keys(metric, arm, minus, dataset=domain)


def of_plan(protocol: Mapping[str, Any]) -> Named:
    """`plan`."""
    metrics = ("distance", "final_distance", "success", "way_points", "on_way", "confidence", "fvd_mbv2")
    for arm in protocol["arms"]:
        for metric in (*metrics, "imagination_psnr", "idm_accuracy", "seconds_per_decision"):
            yield f"{metric}_{arm}", keys(metric, arm)
        yield f"distance_{arm}_minus_loop", keys("distance", arm, "loop")


def of_benchmarks(protocol: Mapping[str, Any]) -> Named:
    """What is measured of data."""
    for name in protocol["parts"].get("engine_speed", {}).get("figures", ()):
        for begin, metric in (("fps_over_stock_", "fps_over_stock"), ("fps_stock_", "fps_stock"), ("fps_", "fps")):
            if name.startswith(begin):
                yield name, keys(metric, dataset=name.removeprefix(begin))
                break


COMMANDS = {
    **{f"evaluate {part}": of_suite for part in ("standard", "quality", "consistency", "isolation", "crossdomain")},
    "evaluate ablations": of_suite,
    "evaluate recall": of_recall,
    "evaluate rules": of_rules,
    "evaluate scaling": of_scaling,
    "evaluate capacity": of_capacity,
    "evaluate dreams": of_dreams,
    "evaluate smoke": of_smoke,
    "bench": of_bench,
    "evaluate words": of_words,
    "evaluate domains": of_domains,
    "plan": of_plan,
    "benchmarks": of_benchmarks,
}


def keys_of(protocol: Mapping[str, Any], names: list[str]) -> dict[str, Keys]:
    """The keys of every name; a count or a reading has its name for a metric."""
    command = protocol.get("command")
    if command == "benchmarks/sweep_domains.py":
        found = {}
        for name in names:
            field, world, setting = name.split(" ", 2)
            metric = "psnr" if field == "psnr" else "distance_mbv2"
            found[name] = keys(metric, setting, "none", dataset=world)
        return found
    if command == "benchmarks/sweep_fast_learning.py":
        return {name: keys("truth_psnr", name, "no memory") for name in names}
    if command == "evaluate words":
        worlds = [world.partition("@")[0] for world in protocol["worlds"]]
        protocol = {**protocol, "per_world": worlds}
    known = dict(COMMANDS[command](protocol)) if command in COMMANDS else {}
    return {name: known.get(name, {**keys(name), "metric": name}) for name in names}


def converted(content: Mapping[str, Any]) -> list[Row]:
    """The rows of a file's figures."""
    figures = content["figures"]
    return [
        Row(*(figures[name][key] for key in ("mean", "low", "high", "n")), name=name, **row)
        for name, row in keys_of(content["protocol"], list(figures)).items()
    ]


def main(paths: list[str]) -> None:
    """Converts each file that has no rows yet."""
    for path in map(Path, paths):
        content = read_json(path)
        if "figures" in content and "protocol" in content:
            write_results(path, content["protocol"], converted(content))
            print(f"{path}: {len(content['figures'])} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
