"""Forged files whose hashes fit: each kind of lie that the fault suite has found is refused in a sentence, at once."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from fault_families import sound_data, sound_models  # noqa: E402
from fault_families.forge import mend  # noqa: E402

from slowfast_bench.planning.rows import check_rows  # noqa: E402
from slowfast_bench.results import read_results  # noqa: E402
from slowfast_bench.words import WordList  # noqa: E402
from slowfast_vgen.errors import UserError  # noqa: E402
from slowfast_vgen.files import read_bytes, read_json  # noqa: E402
from slowfast_vgen.memory.config import MemoryConfig  # noqa: E402
from slowfast_vgen.models.vocabulary import Motion, Vocabulary  # noqa: E402
from slowfast_vgen.models.world_model import load_codec, load_denoiser, load_phrasings  # noqa: E402
from slowfast_vgen.tensors import check_moments, parse_tensors, write_tensors  # noqa: E402


def forge(path: Path, **changes: Any) -> None:
    """Other values in a JSON file, and hashes that fit."""
    path.write_text(json.dumps(read_json(path) | changes))
    mend(path.parent)


def test_a_file_of_holes_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    os.truncate(tmp_path / "a.json", 2**42)
    with pytest.raises(UserError, match=r"has 4398046511104 bytes, and at most \d+ are read"):
        read_bytes(tmp_path / "a.json")


@pytest.mark.parametrize(
    "changes", [{"depth": 10**6}, {"width": 2**20}, {"latent_height": 10**6}, {"_class_name": ["VideoTransformer"]}]
)
def test_settings_ask_for_no_more_weights_than_there_are(tmp_path: Path, changes: dict[str, Any]) -> None:
    sound_models._save_denoiser(tmp_path, 0)
    forge(tmp_path / "config.json", **changes)
    begun = time.process_time()
    with pytest.raises(UserError, match="denoiser"):
        load_denoiser(tmp_path)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("changes", [{"mean": [0.0]}, {"std": [0.0] * 4}, {"fold": float("inf")}])
def test_statistics_that_no_codec_has(tmp_path: Path, changes: dict[str, Any]) -> None:
    sound_models._save_codec(tmp_path, 0)
    forge(tmp_path / "latent_statistics.json", **changes)
    with pytest.raises(UserError, match="does not fit its codec"):
        load_codec(tmp_path)


def test_a_record_of_a_training_is_named_with_its_file(tmp_path: Path) -> None:
    sound_models._save_denoiser(tmp_path, 0)
    forge(tmp_path / "training.json", num_new_frames=4e-9)
    with pytest.raises(UserError, match=r"training\.json is no record of a training \(.*num_new_frames is 4e-09"):
        load_denoiser(tmp_path)


def test_embeddings_of_another_width(tmp_path: Path) -> None:
    path = tmp_path / "phrasings.safetensors"
    for means, texts in ((torch.zeros(1, 3), '["go"]'), (torch.zeros(1, 384), "5"), (torch.zeros(2, 384), '["go"]')):
        write_tensors(path, {"means": means}, {"texts": texts})
        with pytest.raises(UserError, match="holds no embeddings of phrasings"):
            load_phrasings(path)


def test_moments_of_another_shape_are_found_before_a_step() -> None:
    parameter = torch.zeros(3, 2)
    sound = {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3, 2), "exp_avg_sq": torch.zeros(3, 2)}
    check_moments({0: sound}, [parameter])
    for changes in ({"exp_avg": torch.zeros(2)}, {"step": torch.tensor(-1.0)}, {"step": torch.zeros(3, 2)}):
        with pytest.raises(ValueError, match="the optimiser's state 0"):
            check_moments({0: sound | changes}, [parameter])
    with pytest.raises(ValueError, match="is of no parameter"):
        check_moments({1: sound}, [parameter])


@pytest.mark.parametrize(
    "values",
    [
        {"lora": {"updates_per_chunk": 1.5}},
        {"lora": {"updates_per_chunk": 10**9}},
        {"lora": {"lora": {"rank": 10**9}}},
        {"lora": {"replay_windows": "2"}},
        {"ridge": {"ridge": float("nan")}},
        {"ridge": []},
    ],
)
def test_settings_of_another_type_or_without_end(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        MemoryConfig.from_json(values)


def test_motions_and_rows_that_no_vocabulary_has() -> None:
    with pytest.raises(UserError, match="gives turn as"):
        Motion(turn=10**400)
    told = sound_data._vocabulary().to_json()
    for row in ({"verb": 5}, {"phrasings": "letters"}, {"motion": {"turn": 1e300}}):
        with pytest.raises(UserError, match="holds no actions that can be read"):
            Vocabulary.from_json(told | {"actions": [told["actions"][0] | row]})


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"nonsense": "z"}', '{"paraphrases": [{"text": 1}]}'])
def test_lists_of_texts_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json"):
        WordList.load(tmp_path / "a.json")


@pytest.mark.parametrize("changes", [{"arms": []}, {"crashed": [5]}, {"by_decision": None}, {"per_seed": "x"}])
def test_rows_of_plans_are_looked_at_before_the_episodes(tmp_path: Path, changes: dict[str, Any]) -> None:
    sound_data._save_plan_rows(tmp_path, 0)
    kept = read_results(tmp_path / "a.json")
    check_rows(kept)
    with pytest.raises(UserError, match=r"a\.json holds no rows"):
        check_rows(replace(kept, protocol=kept.protocol | changes))


def forged_cache(change: Callable[[dict[str, Any]], None], folder: Path) -> str:
    """What is read where a cache says something else, by hashes that fit."""
    from slowfast_vgen.tensors import parse_metadata

    (path,) = (folder / "cache").glob("*.safetensors")
    tensors, metadata = parse_tensors(path, path.read_bytes()), parse_metadata(path.read_bytes())
    change(tensors)
    write_tensors(path, tensors, metadata)
    mend(folder)
    return sound_data._read_cache(folder)


def test_a_forged_cache_is_computed_anew(tmp_path: Path) -> None:
    sound_data._save_cache(tmp_path, 0)
    whole = sound_data._read_cache(tmp_path)
    for change in (
        lambda tensors: tensors.update(latents=tensors["latents"][:-1]),
        lambda tensors: tensors.update(latents=tensors["latents"].float()),
        lambda tensors: tensors.update(latents=tensors["latents"] * float("nan")),
        lambda tensors: tensors.update(token_counts=tensors["token_counts"].float()),
        lambda tensors: tensors.update(token_counts=tensors["token_counts"] + 1),
    ):
        assert forged_cache(change, tmp_path) == whole


def test_a_damaged_block_is_computed_anew(tmp_path: Path) -> None:
    sound_data._save_block(tmp_path, 0)
    content = (tmp_path / "a.npz").read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content), 200):
        (tmp_path / "a.npz").write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        sound_data._read_block(tmp_path)


def test_counts_of_an_index_are_held_against_its_shards(tmp_path: Path) -> None:
    from slowfast_vgen.data.shards.index import read_index

    sound_data._save_shards(tmp_path / "shards", 0)
    sound = read_json(tmp_path / "shards" / "shards.json")
    for name in ("num_episodes", "num_frames", "num_bytes", "num_shards"):
        forge(tmp_path / "shards" / "shards.json", **(sound | {name: 10**6}))
        with pytest.raises(UserError, match=f"it gives {name} as 1000000"):
            read_index(tmp_path / "shards")
