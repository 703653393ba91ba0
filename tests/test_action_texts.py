"""How long an action may be: importing, writing, checking, training and generating say the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_sources import make_folder, write_csv

from slowfast_vgen.action_texts import length_fault, num_tokens
from slowfast_vgen.cli.main import main
from slowfast_vgen.data import rules
from slowfast_vgen.data.adapters.base import UnusableError, words_of
from slowfast_vgen.data.format import write_episode
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.validate import check_episode
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.text import validate_action
from slowfast_vgen.types import Chunk, Episode

TEXTS = [
    "go",
    "pick up the red block and put it on the shelf",
    "turn left " * 15,
    "turn left " * 16,
    "a " * 30,
    "a " * 31,
    "öffne die Tür, dann gehe geradeaus und drehe dich um, bitte",
    "火" * 30,
    "火" * 31,
    "x" * 1000,
    "x" * 1001,
    "12.5, 0.25, 7.125 " * 4,
]


def is_valid(text: str) -> bool:
    try:
        validate_action(text)
    except UserError:
        return False
    return True


@pytest.mark.parametrize("text", TEXTS)
def test_everybody_accepts_the_same(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = is_valid(text)
    assert (length_fault(text) is None) == fits
    episode = Episode(np.zeros((5, 16, 16, 3), np.uint8), (Chunk(text, "", 1, 4),), None, 10.0)
    if fits:
        assert words_of(text).action == text.strip()
        write_episode(tmp_path / "x", episode)
        assert check_episode(tmp_path / "x") == []
        return
    with pytest.raises(UnusableError) as caught:
        words_of(text)
    assert caught.value.reason == "no-action"
    with pytest.raises(DefectiveDataError, match="long-action"):
        write_episode(tmp_path / "x", episode)
    with monkeypatch.context() as context:  # as written by a version that took it
        context.setattr(rules, "length_fault", lambda text: None)
        write_episode(tmp_path / "x", episode)
    assert [defect.code for defect in check_episode(tmp_path / "x")] == ["long-action"]


def test_an_import_leaves_out_what_cannot_be_trained_on(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "source")
    long = "open the door and walk through it, then turn around, close it and " * 3
    rows = [("video", "start", "end", "action"), ("a.mp4", 0, 1, "go"), ("a.mp4", 2, 3, long)]
    write_csv(source / "actions.csv", rows)
    assert num_tokens(long) > 32
    assert main(["data", "import", "--from", "folder", str(source), str(tmp_path / "out"), "--size", "16"]) == 0
    left_out = json.loads((tmp_path / "out" / "import.json").read_text())["left_out"]
    (found,) = left_out["no-action"]["first"]
    assert found["name"] == "actions.csv line 3 (a.mp4)"
    assert "tokens, over 32 (about 20 words)" in found["message"]
