"""Sealed folders: no byte of them may differ, none be missing, none be added; old ones load; readers see one state."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slowfast_vgen.cli.main import main
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, sha256_of_file
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.sessions import SESSION
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.memory.store import MEMORY
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.settings import CodecConfig
from slowfast_vgen.models.weights import WEIGHTS, PartFiles, save_part, write_module
from slowfast_vgen.models.world_model import WORLD, WorldWeights, load_codec, load_denoiser, seal_world
from slowfast_vgen.presets.readers import shipped_reader
from slowfast_vgen.presets.worlds import shipped_worlds
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.sealed import OWN, Seal, files_in, from_json, write_record

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Header:
    """A small one."""

    number: int
    share: float = 0.5
    names: tuple[str, ...] = ()
    more: dict[str, int] | None = None


NOTE = Seal("note", "note.json", "test-note", 1, Header)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A sealed folder with a file, and one in a folder inside."""
    folder = tmp_path / "note"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 100)
    (folder / "deep" / "b.bin").write_bytes(b"b" * 100)
    NOTE.seal(folder, Header(3, names=("x",)))
    return folder


def test_what_is_read_is_what_was_sealed(note: Path) -> None:
    sealed = NOTE.read(note)
    assert sealed.header == Header(3, names=["x"])  # type: ignore[arg-type]
    assert sealed.files["deep/b.bin"] == b"b" * 100
    assert NOTE.read_header(note) == sealed.header
    assert NOTE.named(note).keys() == {"a.bin", "deep/b.bin"}


def test_every_bit_of_every_file_counts(note: Path) -> None:
    rng = np.random.default_rng(0)
    for name in files_in(note):
        content = (note / name).read_bytes()
        for place in rng.choice(len(content), min(len(content), 60), replace=False):
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(rng.integers(8))
            (note / name).write_bytes(flipped)
            try:
                header = NOTE.read(note).header
            except UserError:
                continue
            # Only where JSON says the same in another way.
            assert name == "note.json"
            assert header == Header(3, names=["x"])  # type: ignore[arg-type]
        (note / name).write_bytes(content)
    NOTE.read(note)


@pytest.mark.parametrize("name", ["c.bin", "deep/c.bin", "new/c.bin", ".hidden"])
def test_a_file_that_no_hash_names_is_refused(note: Path, name: str) -> None:
    (note / name).parent.mkdir(exist_ok=True)
    (note / name).touch()
    with pytest.raises(UserError, match=r"is no part of the note: no SHA-256 names it; move it"):
        NOTE.read(note)
    (note / name).unlink()
    (note / ".DS_Store").touch()
    NOTE.read(note)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"number": -1}, "it gives number as -1"),
        ({"number": 2**31}, "it gives number"),
        ({"number": True}, "it gives number as True"),
        ({"number": 1.5}, "it gives number"),
        ({"share": "much"}, "it gives share as 'much'"),
        ({"names": [1]}, "it gives names"),
        ({"more": {"a": "b"}}, "it gives more"),
        ({"extra": 1}, "it gives 'extra'"),
        ({"number": None}, "it gives number as None"),
        ({"sha256": 3}, "names no files"),
        ({"sha256": {"../x": "0" * 64}}, "which is no file of its folder"),
        ({"sha256": {"/etc/passwd": "0" * 64}}, "which is no file of its folder"),
        ({"sha256": {"a.bin": 3}}, "which is no file of its folder"),
        ({"sha256": {}}, "is no part of the note"),
        ({"version": 2}, "no note of format version 1"),
        ({"format": "other"}, "no note of format version 1"),
    ],
)
def test_impossible_headers_are_refused_though_their_hash_is_right(
    note: Path, changes: dict[str, Any], told: str
) -> None:
    record = read_json(note / "note.json") | changes
    write_record(note / "note.json", record)
    with pytest.raises(UserError, match=told):
        NOTE.read(note)


def test_a_name_that_is_no_regular_file_does_not_hang(note: Path) -> None:
    record = read_json(note / "note.json")
    (note / "a.bin").unlink()
    (note / "a.bin").symlink_to("/dev/zero")
    write_record(note / "note.json", record)
    with pytest.raises(UserError, match=r"a\.bin is missing"):
        NOTE.read(note)


def test_only_what_is_ours_may_be_replaced(note: Path, tmp_path: Path) -> None:
    NOTE.check_target(note)
    NOTE.check_target(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    NOTE.check_target(tmp_path / "empty")
    (note / "thesis.txt").touch()
    with pytest.raises(UserError, match=r"holds other files \(thesis\.txt\)"):
        NOTE.check_target(note)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.json").write_text('{"format": "other", "sha256": {}}')
    with pytest.raises(UserError, match=r"holds other files \(note\.json\)"):
        NOTE.check_target(tmp_path / "other")


def test_fields_that_are_missing_are_told() -> None:
    with pytest.raises(ValueError, match="it does not give number"):
        from_json(Header, {})


WRITER = """
import sys
from dataclasses import make_dataclass
from pathlib import Path
from slowfast_vgen.files import atomic_folder
from slowfast_vgen.sealed import Seal
Header = make_dataclass("Header", [("number", int)])
NOTE = Seal("note", "note.json", "test-note", 1, Header)
folder = Path(sys.argv[1])
number = 0
while not (folder.parent / "stop").exists():
    number += 1
    with atomic_folder(folder) as temporary:
        for name in "abcdef":
            (temporary / name).write_text(str(number) * 2000)
        if number % 2:
            (temporary / "odd").write_text(str(number))
        NOTE.seal(temporary, Header(number))
"""


def test_a_reader_sees_one_state_while_writers_replace_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(tmp_path / "f")]
    writers = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(2)]
    seen = set()
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and len(seen) < 40:
            if not (tmp_path / "f").exists():
                continue
            sealed = NOTE.read(tmp_path / "f")
            number = sealed.header.number
            assert all(sealed.files[name] == str(number).encode() * 2000 for name in "abcdef")
            assert ("odd" in sealed.files) == bool(number % 2)
            seen.add(number)
    finally:
        (tmp_path / "stop").touch()
        told = [each.communicate(timeout=120)[1].decode() for each in writers]
    assert told == ["", ""]
    assert len(seen) >= 10


# --------------------------------------------------------------------------------------------------------- what is ours


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 4
    path.write_bytes(content)


def test_all_that_is_shipped_is_sealed() -> None:
    for folder in shipped_worlds().values():
        # Where a file was added or changed: `seal_world(folder)` of `models.world_model`.
        assert OWN in read_json(folder / WORLD.file)
        WORLD.read(folder)
        for part in ("codec", "denoiser", "address"):
            WEIGHTS.read(folder / part)
    for name in ("rooms", "moves"):
        assert "config.json" in WEIGHTS.read(shipped_reader(name)).files


def test_flips_in_a_run_folder_are_found(tiny_world_folder: Path, tmp_path: Path) -> None:
    net, codec = load_denoiser(tiny_world_folder / "denoiser"), load_codec(tiny_world_folder / "codec")
    rng = np.random.default_rng(0)
    for module, load, write in ((net, load_denoiser, None), (codec, load_codec, codec.save)):
        folder = tmp_path / type(module).__name__
        save_part(folder, module, write)
        assert load(folder).state_dict().keys() == module.state_dict().keys()
        for name in sorted(files_in(folder) - {WEIGHTS.file}):
            kept = (folder / name).read_bytes()
            for _ in range(10):
                flip(folder / name, int(rng.integers(len(kept))))
                with pytest.raises(UserError, match=name):
                    load(folder)
                (folder / name).write_bytes(kept)
        (folder / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
        with pytest.raises(UserError, match=r"diffusion_pytorch_model\.bin is no part"):
            load(folder)


def test_parts_of_before_there_were_seals_load(tiny_world_folder: Path, tmp_path: Path) -> None:
    net = load_denoiser(tiny_world_folder / "denoiser")
    net.save_pretrained(tmp_path / "old", safe_serialization=True)
    assert not (tmp_path / "old" / WEIGHTS.file).exists()
    for name, value in load_denoiser(tmp_path / "old").state_dict().items():
        assert torch.equal(value, net.state_dict()[name])


def test_a_world_of_before_there_were_seals_loads(tiny_world_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    shutil.copytree(tiny_world_folder, folder)
    for part in folder.glob("*/seal.json"):
        part.unlink()
    index = read_json(folder / WORLD.file)
    index = {name: value for name, value in index.items() if name not in ("format", "version", OWN)}
    index["sha256"] = {name: each for name, each in index["sha256"].items() if not name.endswith("seal.json")}
    if index["address"] is None:
        del index["address"]
    (folder / WORLD.file).write_text(json.dumps(index))
    assert WorldWeights.load(folder).fingerprint == WorldWeights.load(tiny_world_folder).fingerprint
    # A seal that was damaged is no old header.
    seal_world(folder)
    (folder / WORLD.file).write_text((folder / WORLD.file).read_text().replace(f'"{OWN}"', '"keader_sha256"'))
    with pytest.raises(UserError, match="keader_sha256"):
        WorldWeights.load(folder)


def test_nothing_is_drawn_when_weights_are_loaded(tiny_world_folder: Path) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    load_denoiser(tiny_world_folder / "denoiser")
    load_codec(tiny_world_folder / "codec")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path: Path, value: float) -> None:
    codec = Codec.from_config(CodecConfig(encoder_width=8, decoder_width=8))
    save_part(tmp_path / "codec", codec, codec.save)
    kept = sha256_of_file(tmp_path / "codec" / WEIGHTS.file)
    codec.latent_std[0] = value
    with pytest.raises(UserError, match="not finite"):
        save_part(tmp_path / "codec", codec, codec.save)
    assert sha256_of_file(tmp_path / "codec" / WEIGHTS.file) == kept
    codec.latent_std[0] = 1
    next(iter(codec.parameters())).data.view(-1)[0] = value
    (tmp_path / "raw").mkdir()
    codec.save(tmp_path / "raw")
    with pytest.raises(UserError, match="not finite"):
        load_codec(tmp_path / "raw")


def test_what_is_written_diffusers_reads(tiny_world_folder: Path, tmp_path: Path) -> None:
    net = load_denoiser(tiny_world_folder / "denoiser")
    write_module(tmp_path / "net", net)
    again = type(net).from_pretrained(tmp_path / "net", local_files_only=True, use_safetensors=True)
    for name, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert PartFiles.read(tmp_path / "net").json("config.json")["_class_name"] == type(net).__name__


# ---------------------------------------------------------------------------------------------------------- sessions


STRONG = FastLearningConfig(LoraConfig(rank=2), learning_rate=1e-2)


@pytest.mark.parametrize("extra", ["pytorch_model.bin", "memory/adapter_model.bin"])
def test_a_file_in_a_session_that_no_hash_names_is_refused(tiny_world: WorldModel, tmp_path: Path, extra: str) -> None:
    session = tiny_world.start(IMAGE, memory=STRONG)
    session.step("turn left")
    session.save(tmp_path / "s")
    (tmp_path / "s" / extra).touch()
    with pytest.raises(UserError, match="no SHA-256 names it"):
        tiny_world.resume(tmp_path / "s")


def test_a_session_that_is_not_finite_is_never_saved_over_a_good_one(tiny_world: WorldModel, tmp_path: Path) -> None:
    session = tiny_world.start(IMAGE, memory=STRONG)
    session.step("turn left")
    session.save(tmp_path / "s")
    good = sha256_of_file(tmp_path / "s" / SESSION.file)
    rollout = session._rollout
    assert rollout.memory is not None
    assert rollout.memory.lora is not None

    kept = rollout.history
    rollout.history = kept * float("nan")
    with pytest.raises(UserError, match="the session holds values that are not finite"):
        session.save(tmp_path / "s")
    rollout.history = kept

    weights = rollout.memory.lora.weights.parameters[0].data
    weights.view(-1)[0] = float("inf")
    with pytest.raises(UserError, match="the memory holds values that are not finite"):
        session.save(tmp_path / "s")
    assert sha256_of_file(tmp_path / "s" / SESSION.file) == good
    assert tiny_world.resume(tmp_path / "s").num_chunks == 1


def test_frames_that_are_not_finite_are_not_taken_in(tiny_world: WorldModel, tmp_path: Path) -> None:
    rollout = tiny_world.start_batch(np.stack([IMAGE, IMAGE]), STRONG, [0, 1])
    rollout.step(["turn left", "turn right"])
    history = rollout.history.clone()
    with pytest.raises(UserError, match="frames that are not finite"):
        rollout.observe_latents(torch.full_like(history[:, :4], float("nan")), ["stay", "stay"])
    assert torch.equal(rollout.history, history)
    assert rollout.num_chunks == 1


def test_a_memory_of_another_batch_size_is_refused(tiny_world: WorldModel, tmp_path: Path) -> None:
    one = tiny_world.start(IMAGE, memory=STRONG)
    one.step("turn left")
    one.save(tmp_path / "one")
    pair = tiny_world.start_batch(np.stack([IMAGE, IMAGE]), STRONG, [0, 1])
    pair.step(["turn left", "turn right"])
    assert pair.memory is not None
    assert one.memory is not None
    with pytest.raises(UserError, match="one of 2 batched episodes"):
        pair.memory.save(tmp_path / "pair")
    with pytest.raises(UserError, match="one of 2 batched episodes"):
        pair.memory.load(tmp_path / "one" / "memory")
    with pytest.raises(UserError, match="continues one episode"):
        tiny_world.start(IMAGE, memory=pair.memory)
    for first, second in ((one.memory, pair.memory), (pair.memory, one.memory)):
        with pytest.raises(UserError, match="cannot take over one of"):
            first.merge(second)


def test_a_session_read_while_it_is_replaced_has_its_own_memory(tiny_world: WorldModel, tmp_path: Path) -> None:
    # The reader has read the header; then another session takes the folder's place, and the reader goes on.
    first, second = (tiny_world.start(IMAGE, memory=STRONG, seed=seed) for seed in (1, 2))
    for session in (first, second):
        session.step("turn left")
    first.save(tmp_path / "s")
    read = SESSION._read

    def slow(folder: Path, content: bytes, only: Any) -> Any:
        if not (tmp_path / "done").exists():
            (tmp_path / "done").touch()
            second.save(tmp_path / "s")
        return read(folder, content, only)

    object.__setattr__(SESSION, "_read", slow)
    try:
        sealed = SESSION.read(tmp_path / "s")
    finally:
        del SESSION.__dict__["_read"]
    memory = MEMORY.within(sealed, "memory")
    assert sealed.header.seed == 2
    assert memory.header.counts["seed"] == 2


def test_the_command_line_finds_a_file_that_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "rooms-64"
    shutil.copytree(shipped_worlds()["rooms-64"], copy)
    monkeypatch.setattr("slowfast_vgen.presets.worlds.shipped_worlds", lambda: {"rooms-64": copy})
    assert main(["models"]) == 0
    (copy / "denoiser" / "diffusion_pytorch_model.bin").touch()
    assert main(["models"]) == 1
    assert "NOT NAMED" in capsys.readouterr().out


def test_other_peoples_pipelines_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "unet").mkdir(parents=True)
    (theirs / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "x"]}')
    (theirs / "unet" / "weights.safetensors").write_bytes(b"precious")
    words = ["--codec", str(tmp_path), "--denoiser", str(tmp_path), "--out", str(theirs)]
    assert main(["models", "pack", "--name", "mine", *words]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert (theirs / "unet" / "weights.safetensors").read_bytes() == b"precious"


def test_settings_of_no_rule_are_still_settings() -> None:
    assert MemoryConfig.from_json(MemoryConfig(lora=STRONG).to_json()).lora == STRONG
