"""Measuring recall: tours that come back after the gap they promise, figures that can be told apart, capacity."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_results import by_name
from world_checks import gaps_of

from slowfast_bench import recall as recall_module
from slowfast_bench import rules as rules_module
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.tours import (
    BUCKETS,
    PATH_SETS,
    PATHS,
    TOUR_SETS,
    draw_tours,
    held_out_tours,
    write_tours,
)
from slowfast_bench.recall import RecallConfig, RecallTest
from slowfast_bench.scores import tour_scores
from slowfast_bench.scores.capacity import CapacityConfig, CapacityTest
from slowfast_bench.scores.tour_scores import TourScores
from slowfast_bench.variants import readout_arm, recalled
from slowfast_envs.vizdoom.rooms import VizdoomRooms
from slowfast_envs.walking import walk
from slowfast_envs.walking_scripts import draw_start, retraced, round_trip
from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, write_json
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.metrics.bootstrap import estimate_share
from slowfast_vgen.rollout import WorldModel

FEW = {name: TOUR_SETS[name] for name in ("full-turn-16", "out-and-back-64", "loop-64")}


@pytest.mark.parametrize("name", TOUR_SETS)
def test_tours_come_back_to_shown_places_after_their_gap(name: str) -> None:
    (tour,) = draw_tours(name, 1)
    gaps = gaps_of(tour, bumps=name.startswith("bump"))
    if name != "retrace":
        fewest, most = BUCKETS[f"gap{name.rsplit('-', 1)[1]}"]
        assert ((gaps >= fewest) & (gaps <= most)).mean() > 0.4
    else:
        assert gaps.max() > 64


def test_tours_are_the_same_in_every_run_and_on_held_out_maps() -> None:
    one, other = draw_tours("full-turn-64", 2), draw_tours("full-turn-64", 2)
    assert [(tour.scene.digest, tour.start, tour.verbs) for tour in one] == [
        (tour.scene.digest, tour.start, tour.verbs) for tour in other
    ]
    assert one[0].scene.digest == VizdoomRooms("test", 0).scene(0).digest
    assert one[0].scene.digest != VizdoomRooms("train", 0).scene(0).digest


def test_tours_on_file_are_those_that_are_drawn(tmp_path: Path) -> None:
    for name in PATH_SETS:
        assert held_out_tours(name, 2) == draw_tours(name, 2)
        assert len(held_out_tours(name, 64)) == 64
    content = read_json(write_tours("full-turn-16", 2, tmp_path))
    assert content["tours"] == read_json(PATHS / "full-turn-16.json")["tours"][:2]
    with pytest.raises(UserError, match="2 tours full-turn-16 are on file; ask for at most as many, not 3"):
        held_out_tours("full-turn-16", 3, tmp_path)
    content["tours"][0]["map"] = 1
    write_json(tmp_path / "full-turn-16.json", content)
    with pytest.raises(UserError, match="map 1 of vizdoom-rooms is not the one"):
        held_out_tours("full-turn-16", 1, tmp_path)
    write_json(tmp_path / "full-turn-16.json", content | {"format": 9})
    with pytest.raises(UserError, match="has the format 9"):
        held_out_tours("full-turn-16", 1, tmp_path)


def test_the_way_back_undoes_the_way_out() -> None:
    world = VizdoomRooms("test", 0)
    scene = world.scene(3)
    start = draw_start(np.random.default_rng(0), scene, "wander")
    verbs = ("turn_left", "turn_left", "turn_right")
    assert walk(scene, start, [*verbs, *retraced(verbs)])[0][-1] == start


def test_a_round_trip_ends_where_it_began_and_sees_other_rooms() -> None:
    world = VizdoomRooms("test", 0)
    for index in range(20):
        scene = world.scene(index)
        rng = np.random.default_rng(index)
        start = draw_start(rng, scene, "loop")
        if verbs := round_trip(rng, scene, start, 2):
            places, refused = walk(scene, start, verbs)
            assert places[-1] == start
            assert not any(refused)
            assert len({scene.room_at(place.x, place.y) for place in places} - {None}) >= 2
            return
    raise AssertionError("no map of twenty has a round trip")


def test_shares_of_a_gap() -> None:
    lower, upper = np.zeros((4, 1, 3)), np.full((4, 1, 3), 10.0)
    samples = np.full((4, 1, 3), 4.0)
    samples[0, 0, 0] = np.nan
    share = estimate_share(samples, lower, upper)
    assert share.mean == pytest.approx(0.4)
    assert share.n == 4


@pytest.fixture
def few_tours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_module, "TOUR_SETS", FEW)
    monkeypatch.setattr(recall_module, "OWN_SETS", ("full-turn-16",))
    monkeypatch.setattr(recall_module, "SHEET_SETS", ("full-turn-16",))


def test_the_report_has_every_figure_and_goes_on_where_it_was(
    hasty_local_world: WorldModel,
    few_tours: None,
    quick_features: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = RecallTest(hasty_local_world, RecallConfig(num_maps=2, num_seeds=1, num_novel_chunks=3))
    report = test.run(tmp_path / "blocks")
    for name in (
        "recall_gain_db_gap16",
        "recall_gain_db_gap64",
        "recall_psnr_db_raw_gap16",
        "recall_psnr_db_frozen_gap64",
        "recall_psnr_db_ceiling_gap64",
        "recall_psnr_db_readout_gap16",
        "readout_minus_memory_db",
        "gain_over_frozen_db",
        "recall_gain_db_full_turn_gap16",
        "recall_gain_db_loop_gap64",
        "ceiling_gap_closed",
        "gain_over_raw_context_db",
        "history_gain_db",
        "src_on",
        "scuts_off",
        "next_chunk_gain_db",
    ):
        assert np.isfinite(report[name].mean), name
    gain = report["recall_psnr_db_on_gap16"].mean - report["recall_psnr_db_off_gap16"].mean
    assert report["recall_gain_db_gap16"].mean == pytest.approx(gain)
    assert len(report.sheets["tours"]) == 2 * 3
    monkeypatch.setattr(tour_scores, "generate_tours", None)  # all is there already
    assert test.run(tmp_path / "blocks").rows == report.rows


def test_a_longer_context_is_one_of_the_arms(ridge_world: WorldModel) -> None:
    test = RecallTest(ridge_world, RecallConfig.quick())
    raw, on = test.arms["raw"], test.arms["on"]
    assert raw.world.model.config.num_past_frames == 8 and raw.settings["memory"] is None
    memory = ridge_world.memory_config(RidgeConfig(journal_chunks=8))
    assert memory is not None and on.settings["memory"] == memory.to_json()
    assert list(test.protocol["arms"]) == ["off", "on", "raw", "readout"]


def test_steps_beside_what_was_seen_are_counted_from_poses_out_of_the_window(ridge_world: WorldModel) -> None:
    test = RecallTest(ridge_world, RecallConfig(num_maps=1, num_seeds=1, num_novel_chunks=6))
    right, ahead = np.radians(90), 24.0  # a step is 24 units

    def chunk(x: float, y: float, heading: float) -> list[list[float]]:
        return [[x * ahead, y * ahead, np.degrees(heading)]] * 4

    poses = [
        [0.0, 0.0, 0.0],
        *chunk(0, 0, 0),
        *chunk(9, 9, right),
        *chunk(9, 9, right),
        *chunk(0, 0, 0),
        *chunk(0, 0.9, 0),
    ]
    poses += chunk(0, 0, np.radians(180))
    walk = SimpleNamespace(poses=np.array(poses))
    test.__dict__["_walks"] = SimpleNamespace(wanders=[walk])
    (found,) = test._steps_beside
    # Nothing is out of the window yet; a new direction; the very pose (still in the window: new); seen; beside; new.
    assert np.isinf(found[[0, 1, 2, 5]]).all() and found[3] == 0 and found[4] == pytest.approx(0.9)


def test_the_read_out_is_what_the_memory_recalls_with_no_denoising(ridge_world: WorldModel) -> None:
    tours = TourScores(2)
    arm = readout_arm(ridge_world, ridge_world.shipped_memory)
    name = "full-turn-16"
    (one, *_), (play, *_) = tours.tours(name), tours.plays(name)
    made = generate_tours(arm, [one], [play], [0], True, lambda _: None)[0]
    rollout = ridge_world.start_batch(play.frames[:1], True, [5])  # the seed changes nothing
    codec = ridge_world.model.codec
    for number, action in enumerate(one.actions):
        now = slice(1 + 4 * number, 5 + 4 * number)
        if number < one.num_out:
            rollout.observe(torch.from_numpy(play.frames[None, now]), [action])
            continue
        found = recalled(rollout, [action])
        assert found is not None
        decoded = codec.decode(found.latents)[0].numpy()
        assert np.array_equal(made[now], decoded)
        assert not np.array_equal(decoded, codec.decode(rollout.predict([action]))[0].numpy())
        rollout.observe_latents(found.latents, [action])
    seen, same = (tours.seen(name, arm, seed) for seed in (0, 1))
    np.testing.assert_array_equal(seen.psnr, same.psnr)


def test_a_memory_that_recalls_nothing_has_no_read_out(tiny_world: WorldModel) -> None:
    assert recalled(tiny_world.start_batch(np.zeros((1, 64, 64, 3), np.uint8), True, [0]), ["stay"]) is None
    assert not RecallTest(tiny_world, RecallConfig.quick()).unseeded


def test_capacity_compares_widths_and_ranks_on_one_world(
    hasty_local_world: WorldModel, tiny_world: WorldModel, tmp_path: Path
) -> None:
    config = CapacityConfig((16, 64), (2,), ("replay",), rooms=(1, 2), num_rows=2, chunks_per_room=2)
    results = CapacityTest(hasty_local_world, config).run(tmp_path)
    protocol, figures = results.protocol, results.by_name
    arms = ("width16", "width64", "rank2", "replay")
    assert set(figures) == {"recall_psnr_db_off"} | {f"memory_mb_{arm}" for arm in arms} | {
        f"recall_gain_db_{arm}_rooms{rooms}" for arm in arms for rooms in (1, 2)
    } | {f"readout_gain_db_{arm}_rooms{rooms}" for arm in arms[:2] for rooms in (1, 2)}
    assert all(np.isfinite(figure.mean) for figure in figures.values())
    assert figures["memory_mb_width16"].mean < figures["memory_mb_width64"].mean
    assert figures["recall_gain_db_rank2_rooms1"].mean != 0
    assert protocol["ranks"] == (2,)
    with pytest.raises(UserError, match="has no ridge memory"):
        CapacityTest(tiny_world, CapacityConfig.quick())
    for wrong in ({"key_widths": ()}, {"ranks": (0,)}):
        with pytest.raises(UserError, match="all above 0"):
            CapacityConfig(**wrong)


@pytest.mark.slow  # the cost of a memory is measured at its thousandth chunk
def test_the_command_recall_writes_its_results(
    hasty_ridge_world_folder: Path, few_tours: None, quick_features: None, tmp_path: Path
) -> None:
    words = ["evaluate", "recall", "--model", str(hasty_ridge_world_folder), "--quick", "--maps", "1"]
    assert main([*words, "--json", str(tmp_path / "r.json"), "--contact-sheet", str(tmp_path / "r.png")]) == 0
    figures = by_name(read_json(tmp_path / "r.json"))
    for name in ("cost_ratio_shipped", "cost_ratio_50_steps", "chunk1000_over_chunk10", "memory_mb", "src_off"):
        assert figures[name]["mean"] > 0, name
    assert (tmp_path / "r.png").stat().st_size > 1000


def test_the_command_capacity_writes_its_results(
    hasty_ridge_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "capacity", "--model", str(hasty_ridge_world_folder), "--quick", "--rows", "1"]
    assert main([*words, "--json", str(tmp_path / "c.json")]) == 0
    assert "recall_gain_db_width64_rooms2" in capsys.readouterr().out


@pytest.mark.slow
def test_rules_are_compared_before_and_after_their_loops(
    hasty_local_world: WorldModel,
    hasty_ridge_world_folder: Path,
    quick_features: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules_module, "SEEN_SETS", ("full-turn-16",))
    monkeypatch.setattr(rules_module, "OWN_SETS", ("full-turn-16",))
    denoiser = hasty_ridge_world_folder / "denoiser"
    words = ["evaluate", "rules", "--model", str(hasty_ridge_world_folder), "--maps", "1", "--seeds", "1"]
    words += ["--loop", f"ridge={denoiser}", "--loop", f"denoising={denoiser}", "--json", str(tmp_path / "rules.json")]
    assert main(words) == 0
    results = read_json(tmp_path / "rules.json")
    arms = results["protocol"]["arms"]
    assert list(arms) == [
        "off",
        "denoising_original",
        "denoising",
        "replay",
        "ridge",
        "ridge_delta",
        "ridge_and_denoising",
        "off_after_ridge_loop",
        "ridge_after_ridge_loop",
        "ridge_delta_after_ridge_loop",
        "ridge_and_denoising_after_ridge_loop",
        "off_after_denoising_loop",
        "denoising_after_denoising_loop",
    ]
    assert arms["off"]["memory"] is None
    assert arms["ridge"]["memory"]["ridge"]["journal_chunks"] == 8  # the world's own settings of the rule
    assert {f"src_{arm}" for arm in arms} <= set(by_name(results))
    one, other = (by_name(results)[f"revisit_psnr_db_{arm}"]["mean"] for arm in ("ridge", "ridge_after_ridge_loop"))
    assert one == other  # the same weights
    read = {name for name in by_name(results) if "readout" in name}
    assert read == {f"revisit_psnr_db_readout_{rule}" for rule in ("ridge", "ridge_delta", "ridge_and_denoising")}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--loop", "denoising"], "is no RULE=DIR"),
        (["--loop", "dreaming=DENOISER"], "unknown rule 'dreaming' of a loop"),
        (["--loop", "denoising=nowhere"], "cannot read"),
        (["--before", "nowhere"], "cannot read"),
    ],
)
def test_rules_that_cannot_be_compared_are_refused(
    hasty_ridge_world_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    words = [word.replace("DENOISER", str(hasty_ridge_world_folder / "denoiser")) for word in words]
    assert main(["evaluate", "rules", "--model", str(hasty_ridge_world_folder), "--quick", *words]) == 2
    assert sentence in capsys.readouterr().err


def finished_run(folder: Path, denoiser: Path, num_steps: int, done: int | None = None) -> Path:
    """As `train loop` leaves its folder, but for the training's state."""
    (folder / "checkpoint").mkdir(parents=True)
    config = {"loop": {"num_chains": 2, "num_chunks": 3}, "optimisation": {"num_steps": num_steps}}
    header = {"step": num_steps if done is None else done, "ema_steps": 0, "config": config, "sha256": "0"}
    write_json(folder / "checkpoint" / "checkpoint.json", header)
    shutil.copytree(denoiser, folder / "denoiser")
    return folder


def test_scaling_compares_runs_of_the_loop(
    hasty_ridge_world_folder: Path, quick_features: None, tmp_path: Path
) -> None:
    runs = [finished_run(tmp_path / f"steps-{n}", hasty_ridge_world_folder / "denoiser", n) for n in (10, 30)]
    words = ["evaluate", "scaling", "--model", str(hasty_ridge_world_folder), "--maps", "1", "--seeds", "1"]
    words += [word for run in runs for word in ("--run", str(run))]
    assert main([*words, "--json", str(tmp_path / "scaling.json")]) == 0
    results = read_json(tmp_path / "scaling.json")
    figures, points = by_name(results), results["protocol"]["points"]
    assert list(points) == ["steps-10", "steps-30"]
    assert points["steps-30"]["loop_flop"] == pytest.approx(3 * points["steps-10"]["loop_flop"])
    # 8 frames of 4 x 4 patches, 6 windows a step
    assert points["steps-10"]["loop_flop"] == 6 * points["steps-10"]["parameters"] * (8 * 16 * 6 * 10)
    assert figures["recall_psnr_db_readout"]["n"] == 1
    gain = figures["recall_psnr_db_on_steps-10"]["mean"] - figures["recall_psnr_db_off_steps-10"]["mean"]
    assert figures["recall_gain_db_steps-10"]["mean"] == pytest.approx(gain)


def test_runs_that_cannot_be_compared_are_refused(
    hasty_ridge_world_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    denoiser = hasty_ridge_world_folder / "denoiser"
    words = ["evaluate", "scaling", "--model", str(hasty_ridge_world_folder), "--quick", "--run"]
    assert main([*words, str(finished_run(tmp_path / "half", denoiser, 30, 15))]) == 2
    assert "is no finished run" in capsys.readouterr().err
    one, other = (finished_run(tmp_path / name / "run", denoiser, 3) for name in ("a", "b"))
    assert main([*words, str(one), "--run", str(other)]) == 2
    assert "two runs are called 'run'" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
