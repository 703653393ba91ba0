"""Reading actions off frames: the network, what it learns from, its training, its report, the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_results import by_name
from made_sets import make_tiny_set

from slowfast_envs import actions
from slowfast_envs.actions import VERBS
from slowfast_envs.walking_scripts import retraced
from slowfast_vgen.cli.main import main
from slowfast_vgen.cli.train_reader import _episodes
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.inverse_dynamics import InverseDynamics, load_inverse_dynamics
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.plan.reader_accuracy import read_held_out
from slowfast_vgen.train.frame_pairs import MIRRORED, RETRACE, REVERSED, frame_pairs, verbs_of
from slowfast_vgen.train.inverse_dynamics import FOLDER, cut, train_inverse_dynamics, turned, worn
from slowfast_vgen.train.run import LOG_FILE, TrainingRun
from slowfast_vgen.train.settings import InverseDynamicsTrainingConfig, OptimisationConfig
from slowfast_vgen.types import Chunk, Episode

SIDE = 32
SHIFTS = {"turn_left": (0, 5), "turn_right": (0, -5), "go_forward": (5, 0), "go_back": (-5, 0), "stay": (0, 0)}
"""A toy camera over a plane of colours: rows and columns by which the picture moves a frame."""


def toy_episode(seed: int, verbs: list[str], refused: tuple[int, ...] = ()) -> Episode:
    """Blurred noise that moves by the verbs; the frames named in `refused` do not move."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), np.uint8)
    frames = [coarse.repeat(4, 0).repeat(4, 1)]
    for number, verb in enumerate(verbs):
        for step in range(4):
            moved = 1 + 4 * number + step not in refused
            frames.append(np.roll(frames[-1], SHIFTS[verb], (0, 1)) if moved else frames[-1])
    chunks = tuple(Chunk(verb, verb, 1 + 4 * number, 4) for number, verb in enumerate(verbs))
    return Episode(np.stack(frames), chunks, None, 10.0)


def toy_episodes(first: int, count: int) -> list[Episode]:
    return [
        toy_episode(seed, [str(verb) for verb in np.random.default_rng(seed).permutation(VERBS)])
        for seed in range(first, first + count)
    ]


def config(**settings: Any) -> InverseDynamicsTrainingConfig:
    optimisation = {"num_steps": 6, "validate_every": 3, "warmup_steps": 2} | settings.pop("optimisation", {})
    return InverseDynamicsTrainingConfig(OptimisationConfig(**optimisation), **settings)


def tiny(seed: int = 0) -> InverseDynamics:
    torch.manual_seed(seed)
    return InverseDynamics(width=16)


def logs(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows).log()


def test_it_is_small_and_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = InverseDynamics(("fall", "rise"), still="")
    assert 200_000 < model.num_parameters() < 450_000
    model.save_pretrained(tmp_path)
    again = load_inverse_dynamics(tmp_path)
    frames = torch.randint(0, 256, (3, 5, SIDE, SIDE, 3), dtype=torch.uint8)
    assert again.names == ("fall", "rise") and again.fingerprint == model.fingerprint
    assert torch.equal(model.log_probabilities(frames), again.log_probabilities(frames))
    readings = again.read(frames)
    assert len(readings.verbs) == 3 and (readings.confidence >= 0.5).all() and (readings.confidence <= 1).all()


def test_a_chunk_is_read_from_all_its_pairs_and_a_wall_may_cut_it_short() -> None:
    model = tiny()
    moving, still = (0.001, 0.001, 0.99, 0.004, 0.004), (0.001, 0.001, 0.001, 0.001, 0.996)

    def read(*rows: tuple[float, ...]) -> str:
        return VERBS[int(model.scores(logs(*rows)).argmax())]

    assert read(moving, moving, moving, moving) == "go_forward"
    assert read(moving, moving, still, still) == "go_forward"
    assert read(moving, still, still, still) == "go_forward"
    assert read(still, still, still, still) == "stay"
    unsure = (0.3, 0.1, 0.35, 0.15, 0.1)
    assert read(unsure, (0.9, 0.02, 0.05, 0.02, 0.01), unsure, unsure) == "turn_left"  # outvoted by a certain pair
    plain = InverseDynamics(VERBS, still="", width=16)
    assert VERBS[int(plain.scores(logs(moving, still, still, still)).argmax())] == "stay"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"names": ("up",)}, "at least two different verbs"),
        ({"names": ("up", "up")}, "at least two different verbs"),
        ({"refused_share": 0.0}, "between 0 and 0.5"),
        ({"width": 24}, "a multiple of 16"),
    ],
)
def test_networks_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        InverseDynamics(**settings)


def test_frames_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(UserError, match="8-bit RGB"):
        tiny().read(torch.zeros(1, 5, SIDE, SIDE, 3))
    with pytest.raises(UserError, match="from 32 pixels"):
        tiny().read(torch.zeros(1, 5, 16, 16, 3, dtype=torch.uint8))


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load_inverse_dynamics(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "PlanarAddress"}')
    with pytest.raises(UserError, match="no inverse dynamics model"):
        load_inverse_dynamics(tmp_path)
    tiny().save_pretrained(tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match="copy it again"):
        load_inverse_dynamics(tmp_path)


def test_pairs_have_the_verb_of_their_chunk_but_not_where_a_wall_refused_the_step() -> None:
    episodes = [toy_episode(0, ["go_forward", "stay", "turn_left"], refused=(3, 4)), toy_episode(1, ["go_back"])]
    told = episodes[1].chunks[0]
    episodes.append(Episode(episodes[1].frames, (Chunk("retrace your steps", "retrace", 1, 4),), None, 10.0))
    episodes.append(Episode(episodes[1].frames, (Chunk("what now", "", 1, 4),), None, 10.0))
    assert verbs_of(episodes) == ("turn_left", "go_forward", "go_back", "stay") and told.verb == "go_back"
    pairs = frame_pairs(episodes)
    assert [pairs.names[label] for label in pairs.label] == (
        ["go_forward"] * 2 + ["stay"] * 4 + ["turn_left"] * 4 + ["go_back"] * 4
    )
    assert pairs.first.tolist() == [0, 1, *range(4, 12), *range(13, 17)]  # never from one episode to the next
    pixels, labels = cut(pairs, np.array([0]))
    assert torch.equal(pixels[0, 1], pixels[0, 0].roll(5, 1)) and pairs.names[int(labels[0])] == "go_forward"


def test_verbs_are_drawn_equally_often_however_rare_they_are() -> None:
    pairs = frame_pairs([toy_episode(0, ["go_forward"] * 19 + ["stay"])])
    drawn = pairs.label[pairs.balanced(np.random.default_rng(0), 2000)]
    assert 0.45 < (drawn == pairs.names.index("stay")).mean() < 0.55


@pytest.mark.parametrize(
    ("verbs", "names", "sentence"),
    [(["stay"], None, "at least two verbs"), (["stay", "go_back"], VERBS, "no frame of turn_left, turn_right")],
)
def test_data_that_cannot_teach_is_refused(verbs: list[str], names: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        frame_pairs([toy_episode(0, verbs)], names)


def test_verbs_are_those_of_who_walks_and_so_is_the_way_back() -> None:
    assert (tuple(MIRRORED), tuple(REVERSED), RETRACE) == (VERBS, VERBS, actions.RETRACE)
    assert all(retraced([verb]) == (other,) for verb, other in REVERSED.items())


def test_mirrors_and_time_turned_round_change_the_verb_with_the_picture() -> None:
    pairs = frame_pairs([toy_episode(0, list(VERBS))])
    pixels, labels = cut(pairs, np.arange(len(pairs.first)))
    for seed in range(8):
        new, told = turned(pixels, labels, pairs.names, np.random.default_rng(seed))
        for before_after, label in zip(new, told.tolist(), strict=True):
            shift = SHIFTS[pairs.names[label]]
            assert torch.equal(before_after[1], before_after[0].roll(shift, (1, 2)))
    assert torch.equal(turned(pixels, labels, ("press", "lift"), np.random.default_rng(0))[0], pixels)


def test_frames_are_worn_the_same_way_for_the_same_draws() -> None:
    pixels, _ = cut(frame_pairs(toy_episodes(0, 2)), np.arange(32))
    codec = Codec.from_config(CodecConfig(latent_channels=4, encoder_width=8, decoder_width=8, decoder_blocks=(1, 1)))

    def draw(seed: int, with_codec: bool = True) -> torch.Tensor:
        return worn(pixels, config(), codec if with_codec else None, torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    assert draw(1).abs().max() <= 1 and draw(1).shape == pixels.shape
    nothing = {"clean_share": 0.0, "blurred_share": 0.0, "pixel_noise": 0.0, "colour_shift": 0.0}
    assert torch.allclose(worn(pixels, config(**nothing, coded_share=0.0), codec, torch.Generator()), pixels)
    coded = worn(pixels, config(**nothing, coded_share=1.0), codec, torch.Generator().manual_seed(0))
    alone = (coded[:, 0] == pixels[:, 0]).flatten(1).all(1)
    assert 4 < alone.sum() < 28 and not (coded[:, 1] == pixels[:, 1]).flatten(1).all(1).any()
    untouched = (draw(1) == pixels).flatten(1).all(1)
    assert 1 <= untouched.sum() <= 20
    assert torch.equal(worn(pixels, config(clean_share=1.0), codec, torch.Generator()), pixels)
    with torch.autocast("cpu", torch.bfloat16):  # as in a training with --precision bfloat16
        low = worn(pixels, config(**nothing, coded_share=1.0), codec, torch.Generator().manual_seed(0))
    assert low.dtype == torch.float32 and float((low - coded).abs().mean()) < 0.05


def test_it_learns_to_read_and_says_how_well(tmp_path: Path) -> None:
    training, held_out = toy_episodes(0, 40), toy_episodes(100, 6)
    settings = config(batch_size=32, optimisation={"num_steps": 120, "learning_rate": 3e-3, "ema_decay": 0.9})
    pairs, held_pairs = frame_pairs(training), frame_pairs(held_out)
    model = train_inverse_dynamics(settings, tiny(), None, pairs, held_pairs, tmp_path)
    log = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert log[-1]["validation_accuracy"] > 0.9 > log[0]["validation_accuracy"]
    cut_short = toy_episode(200, list(VERBS), refused=(3, 4, 5, 6, 7, 8, 11, 12))
    report = read_held_out(load_inverse_dynamics(tmp_path / FOLDER), [*held_out, cut_short])
    assert report.figures["idm_accuracy"].mean > 0.95 and report.figures["idm_accuracy"].n == 7
    assert report.confusion.sum() == 6 * 5 + 4  # a chunk that was refused from the first step on shows nothing
    assert report.confusion.trace() / report.confusion.sum() == pytest.approx(report.figures["idm_accuracy"].mean)
    assert read_held_out(tiny(7), held_out).figures["idm_accuracy"].mean < 0.6 < model.num_parameters()
    with pytest.raises(UserError, match="no chunk has one of"):
        read_held_out(InverseDynamics(("press", "lift"), width=16), held_out)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = frame_pairs(toy_episodes(0, 3))
    whole = train_inverse_dynamics(config(), tiny(), None, pairs, pairs, tmp_path / "whole")
    take_step = TrainingRun._take_step

    def stops(self: TrainingRun) -> None:
        if self.progress.step == 4:
            raise KeyboardInterrupt
        take_step(self)

    monkeypatch.setattr(TrainingRun, "_take_step", stops)
    with pytest.raises(KeyboardInterrupt):
        train_inverse_dynamics(config(), tiny(), None, pairs, pairs, tmp_path / "parts")
    monkeypatch.setattr(TrainingRun, "_take_step", take_step)
    resumed = train_inverse_dynamics(config(), tiny(1), None, pairs, pairs, tmp_path / "parts")
    assert resumed.fingerprint == whole.fingerprint != tiny().fingerprint
    with pytest.raises(UserError, match=r"other settings \(data"):
        other = frame_pairs(toy_episodes(0, 4))
        train_inverse_dynamics(config(), tiny(), None, other, other, tmp_path / "whole")


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"coded_share": 1.5}, {"label_smoothing": -0.1}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="at least 1 pair"):
        config(**settings)


def test_episodes_are_of_every_set(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 10)):
        make_tiny_set(tmp_path / name, 5, first=first)
    episodes = _episodes([open_episodes(tmp_path / name) for name in ("a", "b")], count=4, seed=0)
    assert [episode.metadata["number"] >= 10 for episode in episodes] == [False, False, True, True]


def test_the_command_line_trains_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out, report = (str(tmp_path / name) for name in ("data", "run", "report.json"))
    made = ["data", "make", "--env", "vizdoom-rooms", "--split", "validation", "--script", "wander"]
    assert main([*made, "--episodes", "2", "--num-chunks", "24", "--out", data]) == 0
    common = ["--data", data, "--validation", data, "--steps", "3", "--batch-size", "4", "--episodes", "2"]
    codec = str(Path(__file__).parent.parent / "src/slowfast_vgen/weights/rooms-64/codec")
    capsys.readouterr()
    assert main(["train", "inverse-dynamics", *common, "--codec", codec, "--out", out, "--json", report]) == 0
    printed = capsys.readouterr().out
    assert "idm accuracy" in printed and "turn_left" in printed and f"wrote {out}/inverse_dynamics" in printed
    content = json.loads(Path(report).read_text())
    assert by_name(content)["idm_accuracy"]["n"] == 2
    assert np.sum(content["protocol"]["confusion"]) <= 48 and content["protocol"]["verbs"] == list(VERBS)
    assert load_inverse_dynamics(Path(out) / FOLDER).fingerprint == content["protocol"]["weights_sha256"]
    nowhere = ["train", "inverse-dynamics", *common, "--out", out, "--json", str(tmp_path)]
    assert main(nowhere) == 2 and "a folder of that name" in capsys.readouterr().err
