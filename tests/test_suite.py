"""The suite: every figure is there, goes on where it was, and tells a good video from a bad one."""

from pathlib import Path

import numpy as np
import pytest
from made_results import by_name
from PIL import Image, ImageFilter

from slowfast_bench import experiment as suite_module
from slowfast_bench.comparisons import ablation_arms, isolation_arms
from slowfast_bench.experiment import Suite, SuiteConfig, suite_arms
from slowfast_bench.paths.episodes import play_tours
from slowfast_bench.paths.tours import held_out_tours
from slowfast_bench.scores.consistency import RolledOut, score_revisits, score_rollouts
from slowfast_bench.scores.next_chunk import CLIP_FRAMES, score_clips
from slowfast_bench.signatures import signatures
from slowfast_vgen.cli.main import main
from slowfast_vgen.diffusion.sampler import SamplerConfig
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.metrics.bootstrap import estimate
from slowfast_vgen.metrics.networks import GivenWeights, Networks
from slowfast_vgen.metrics.video_distance import estimate_distance
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Frames

GAPS = ("gap16", "gap64", "gap200")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks.load(GivenWeights())


@pytest.fixture
def plain_networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    """Colours in place of a network's features: what the measures see in frames has tests of its own."""

    def colours(frames: Frames) -> np.ndarray:
        return frames.reshape(*frames.shape[:-3], 16, -1, 3).mean(-2).reshape(*frames.shape[:-3], -1) / 255

    plain = Networks(
        lambda a, b: np.abs(colours(a) - colours(b)).mean(-1),
        lambda a, b: 100 - np.abs(colours(a) - colours(b)).mean(-1),
        lambda clips: colours(clips).mean(1),
    )
    load = Networks.load

    def load_given(given: GivenWeights) -> Networks:
        return plain if given == GivenWeights() else load(given)

    monkeypatch.setattr(Networks, "load", load_given)
    return plain


@pytest.fixture
def short_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short paths in place of long ones, and one sampling step: the same code, in seconds."""
    config = SamplerConfig.__init__
    monkeypatch.setattr(SamplerConfig, "__init__", lambda self, *_, **__: config(self, 1))
    sets = {"gap16": ("full-turn-16", "out-and-back-16"), "gap64": ("out-and-back-64",), "gap200": ("full-turn-16",)}
    monkeypatch.setattr(suite_module, "REVISIT_SETS", sets)
    monkeypatch.setattr(suite_module, "EPISODES_PER_PART", 2)
    monkeypatch.setattr("slowfast_bench.cost.SHOWN_CHUNKS", 4)


@pytest.mark.slow
def test_the_suite_has_every_figure_and_goes_on_where_it_was(
    ridge_world: WorldModel,
    plain_networks: Networks,
    short_paths: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arms = suite_arms(ridge_world, ridge_world.model.denoiser)
    arms = [arm for arm in arms if arm.name in ("memory", "no_memory", "frozen", "raw_context_2", "retrieval")]
    config = SuiteConfig("quick", 3, 1)
    suite = Suite(arms, config, plain_networks, {"src": "needs weights: --resnet18 PATH"})
    report = suite.run(tmp_path / "parts")
    long = [arm.name for arm in arms if arm.name != "raw_context_2"]
    wanted = [f"{name}_{arm.name}" for name in ("psnr", "ssim", "distance_mbv2", "fvd_mbv2") for arm in arms]
    wanted += [f"{name}_{arm.name}" for name in ("seconds_per_frame", "memory_mb", "truth_psnr_gap16") for arm in arms]
    wanted += [f"{name}_{arm}" for name in ("scuts", "motion", "src_mbv2", "mirror_mse", "following") for arm in long]
    wanted += [f"history_psnr_gap64_{arm}" for arm in long] + [f"worst5_truth_psnr_gap64_{arm}" for arm in long]
    wanted += [f"truth_psnr_gap64_memory_minus_{arm.name}" for arm in arms[1:]]
    for name in wanted:
        assert np.isfinite(report[name].mean), name
    assert "src_memory" not in report.by_name and "lpips_memory" not in report.by_name
    assert report.protocol["needs_weights"]["src"] == "needs weights: --resnet18 PATH"
    assert "src" in report.protocol["needs_weights"]
    memory, without = (report[f"psnr_{name}"].mean for name in ("memory", "no_memory"))
    assert report["psnr_memory_minus_no_memory"].mean == pytest.approx(memory - without)
    assert report["memory_mb_no_memory"].mean == 0 < report["memory_mb_memory"].mean
    assert {one["arm"] for one in report.protocol["signatures"]} == set(long)
    assert any(one["found"] for one in report.protocol["signatures"] if one["arm"] == "frozen")
    assert set(report.sheets) == {
        f"{kind}_{which}" for kind in ("revisit", "rollout") for which in ("best", "median", "worst")
    }
    curve = report.protocol["curves"]["rollout_psnr"]
    assert len(curve["x"]) == len(curve["lines"]["memory"]["mean"]) == len(curve["lines"]["frozen"]["high"])
    assert any("only 3 episodes" in told for told in report.protocol["warnings"])
    for name in ("clips", "rollouts"):  # the parts are there already: nothing is generated again
        monkeypatch.setattr(suite_module, {"clips": "next_chunks", "rollouts": "rolled_out"}[name], None)
    assert Suite(arms, config, plain_networks, {}).run(tmp_path / "parts").rows == report.rows


@pytest.mark.slow
def test_the_commands_write_results_and_pictures(
    ridge_world_folder: Path, plain_networks: Networks, short_paths: None, tmp_path: Path
) -> None:
    words = ["--model", str(ridge_world_folder), "--maps", "2", "--seeds", "1"]
    assert main(["evaluate", "--suite", "quick", *words, "--json", str(tmp_path / "quick.json")]) == 0
    results = read_json(tmp_path / "quick.json")
    assert results["protocol"]["command"] == "evaluate standard" and results["protocol"]["suite"] == "quick"
    assert "raw_context_8" in results["protocol"]["needs_weights"]
    for picture in results["protocol"]["pictures"].values():
        assert (tmp_path / picture).stat().st_size > 1000
    isolation = ["evaluate", "isolation", *words, "--quick", "--json", str(tmp_path / "isolation.json")]
    assert main([*isolation, "--before", str(ridge_world_folder / "denoiser")]) == 0
    figures = by_name(read_json(tmp_path / "isolation.json"))
    assert {f"psnr_{arm}" for arm in ("memory", "no_memory", "foreign_memory", "slow_alone")} <= set(figures)
    cross = ["evaluate", "crossdomain", *words, "--quick", "--json", str(tmp_path / "crossdomain.json")]
    assert main(cross) == 0
    results = read_json(tmp_path / "crossdomain.json")
    assert results["protocol"]["paths_of"] == "vizdoom-mazes"
    assert {f"psnr_{arm}" for arm in ("memory", "no_memory", "frozen", "eq3", "memory_and_eq3")} <= set(
        by_name(results)
    )
    assert by_name(read_json(tmp_path / "quick.json"))["psnr_frozen"] != by_name(results)["psnr_frozen"]  # other paths


def test_the_command_quality_writes_its_part(
    ridge_world_folder: Path,
    plain_networks: Networks,
    short_paths: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--model", str(ridge_world_folder), "--maps", "2", "--seeds", "1"]
    assert main(["evaluate", "quality", *words, "--quick", "--json", str(tmp_path / "quality.json")]) == 0
    results = read_json(tmp_path / "quality.json")
    assert results["protocol"]["command"] == "evaluate quality"
    assert np.isfinite(by_name(results)["psnr_memory"]["mean"]) and "scuts_memory" not in by_name(results)
    capsys.readouterr()
    for wrong, sentence in (
        (["evaluate"], "nothing to evaluate was named"),
        (["evaluate", "--suite", "quick", "--resnet18", "nowhere.pth"], "nowhere.pth"),
        (["evaluate", "--suite", "quick", "--context", "nowhere"], "nowhere"),
        (["evaluate", "quality", "--quick", "--i3d", str(tmp_path / "quality.json")], "SHA-256"),
    ):
        assert main([*wrong, "--model", str(ridge_world_folder)]) == 2
        assert sentence in capsys.readouterr().err


def test_arms_of_the_other_comparisons(ridge_world: WorldModel, tiny_world: WorldModel) -> None:
    names = [arm.name for arm in ablation_arms(ridge_world)]
    assert {"eq3", "original_update", "no_local_rule", "single_frame_past", "no_memory", "ridge"} <= set(names)
    assert len(names) == len(set(names))
    assert [arm.name for arm in isolation_arms(ridge_world, None)] == ["memory", "no_memory", "foreign_memory"]
    with pytest.raises(UserError, match="has no ridge memory"):
        isolation_arms(tiny_world, None)
    with pytest.raises(UserError, match="unknown suite 'huge'"):
        SuiteConfig.named("huge")
    with pytest.raises(UserError, match="at least 2 maps"):
        SuiteConfig(num_maps=1)
    with pytest.raises(UserError, match="parts are clips, revisits, rollouts"):
        SuiteConfig(parts=())


# --- sensitivity: each measure moves the right way under a known corruption


def blurred(frames: Frames, radius: float = 2.0) -> Frames:
    return np.stack([np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius))) for frame in frames])


def tinted(frames: Frames) -> Frames:
    return np.clip(frames.astype(int) + np.array([60, 0, -60]), 0, 255).astype(np.uint8)


@pytest.mark.slow
def test_quality_falls_under_corruption(networks: Networks) -> None:
    plays = play_tours(held_out_tours("wander", 6))
    true = np.stack([play.frames[-CLIP_FRAMES:] for play in plays])
    perfect = score_clips(true, true, networks)
    assert (perfect.psnr == 100).all() and np.allclose(perfect.ssim, 1) and np.allclose(perfect.distance, 0, atol=1e-5)
    rng = np.random.default_rng(0)
    corrupted = {
        "blur": np.stack([blurred(clip) for clip in true]),
        "tint": np.stack([tinted(clip) for clip in true]),
        "swapped": true[[1, 2, 3, 4, 5, 0]],
        "shuffled": np.stack([clip[rng.permutation(CLIP_FRAMES)] for clip in true]),
    }
    for name, clips in corrupted.items():
        scores = score_clips(clips, true, networks)
        assert scores.psnr.mean() < 40, name
        assert scores.ssim.mean() < 0.99, name
        assert scores.distance.mean() > 0.01, name
        if name != "swapped":  # the same clips in another order are the same distribution
            assert estimate_distance(scores.clip[:, None], perfect.clip).mean > 0.01, name


@pytest.mark.slow
def test_consistency_falls_under_corruption(networks: Networks, quick_features: None) -> None:
    tours = held_out_tours("retrace", 3)
    plays = play_tours(tours)
    true = [play.frames for play in plays]
    perfect = score_rollouts(true, tours, plays, networks)
    assert np.nanmin(perfect.similarity) == pytest.approx(100, abs=1e-3)
    assert (perfect.mirror == 0).all() and (np.nan_to_num(perfect.history_psnr, nan=100) == 100).all()
    assert (perfect.following[~np.isnan(perfect.following)] > 0.9).all()
    middle = 1 + 4 * tours[0].num_out

    def changed(change: "object") -> RolledOut:
        return score_rollouts([change(frames) for frames in true], tours, plays, networks)  # type: ignore[operator]

    other_room = [
        np.concatenate([one[:middle], other[middle:]]) for one, other in zip(true, true[1:] + true[:1], strict=True)
    ]
    swapped = score_rollouts(other_room, tours, plays, networks)
    tint = changed(lambda frames: np.concatenate([frames[:middle], tinted(frames[middle:])]))
    for scores in (swapped, tint):
        assert np.nanmean(scores.history_psnr) < 40 and np.nanmean(scores.similarity) < 99.9
        assert np.nanmean(scores.history_ssim) < 0.999 and np.nanmean(scores.history_distance) > 0.001
        assert scores.mirror.mean() > 0.001
    cut = changed(lambda frames: np.concatenate([frames[:middle], 255 - frames[middle:]]))
    assert cut.scene_cuts.mean() > perfect.scene_cuts.mean()
    fading = changed(lambda frames: np.concatenate([frames[:middle], blurred(frames[middle:], 3)]))
    still = changed(lambda frames: np.repeat(frames[:1], len(frames), 0))
    backwards = score_rollouts([frames[:, :, ::-1] for frames in true], tours, plays, networks)
    assert np.nanmean(backwards.following) < 0.2
    videos = np.stack(true)

    def found_in(scores: RolledOut) -> set[str]:
        again, followed = (estimate(values[:, None]) for values in (scores.history_psnr, scores.following))
        return {each.name for each in signatures("memory", scores, videos, again, followed) if each.found}

    found = {
        name: found_in(scores)
        for name, scores in {
            "perfect": perfect,
            "swapped": swapped,
            "fading": fading,
            "still": still,
            "backwards": backwards,
        }.items()
    }
    assert found["perfect"] == set()
    assert "scene inconsistent across windows" in found["swapped"]
    assert found["fading"] >= {"quality decays with length"}
    assert "video stands still" in found["still"]
    assert found["backwards"] == {"actions not followed"}


def test_revisits_are_scored_against_the_truth(networks: Networks) -> None:
    tours = held_out_tours("full-turn-16", 3)
    plays = play_tours(tours)
    true = [play.frames for play in plays]
    perfect = score_revisits(true, tours, plays, networks)
    assert (np.nan_to_num(perfect.psnr, nan=100) == 100).all()
    wrong = score_revisits(true[1:] + true[:1], tours, plays, networks)
    assert np.nanmean(wrong.psnr) < 20 and np.nanmean(wrong.ssim) < 0.9 and np.nanmean(wrong.distance) > 0.05
    np.testing.assert_array_equal(wrong.gap, perfect.gap)
