"""The text of others on a terminal and on pages: it is shown, and does nothing."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from made_sources import make_folder, write_csv

from slowfast_vgen.cli.main import main
from slowfast_vgen.cli.terminal import PlainStream, plain
from slowfast_vgen.data.cards.card import write_data_cards
from slowfast_vgen.data.format import DatasetWriter
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.types import Chunk, Episode

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b31m\rb\u202ec\u2066d\x00\x08e"


def is_harmless(text: str) -> bool:
    return not set(text) & set("\x1b\x07\x9b\r\u202e\u2066\x00\x08")


def dataset_of(folder: Path, text: str, source: str = "x") -> Path:
    metadata = {"script": text, "licence": text, "split": "train", "world": text, "scene": text, "source": source}
    episode = Episode(np.zeros((5, 16, 16, 3), np.uint8), (Chunk(text[:30], text, 1, 4),), None, 10.0, metadata)
    writer = DatasetWriter(folder, DatasetHeader(text, "train", 1, {"note": text}))
    writer.append(episode)
    writer.finish()
    return folder


def test_letters_are_shown_and_control_characters_spelt_out() -> None:
    for text in ("turn left", "öffne die Tür\n\tja", "コンロをつける　火", "👩‍🍳 می‌خواهم"):
        assert plain(text) == text
    assert is_harmless(plain(HOSTILE))
    assert plain("\x1b[31m") == "\\x1b[31m"
    assert plain("\udcff\u2028") == "\\udcff\\u2028"


def test_bars_move_about_and_their_text_does_not() -> None:
    out = io.StringIO()
    stream = PlainStream(out, has_bars=True)
    for text in ("\r 50%|█", "\n\n", "\x1b[A\x1b[A", "\rfolder \x1b[2J"):
        stream.write(text)
    assert out.getvalue() == "\r 50%|█\n\n\x1b[A\x1b[A\rfolder \\x1b[2J"


def test_every_command_on_data_shows_the_text_of_others_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = dataset_of(tmp_path / f"x{HOSTILE}".replace("\x00", ""), HOSTILE.replace("\x00", ""))
    (made / "episodes" / "000000" / "\x1b[31mextra\nslowfast: done").touch()
    source = make_folder(tmp_path / "source")
    write_csv(
        source / "actions.csv",
        [("video", "start", "end", "action"), ("a.mp4", 0, 1, "go"), ("\x1b[2Jno.mp4", 0, 1, "x")],
    )
    out = str(tmp_path / "out")
    for words, code in (
        (["data", "check", str(made)], 1),
        (["data", "info", str(made)], 0),
        (["data", "info", str(made / "\x1b[2J")], 2),
        (["data", "import", "--from", "folder", str(source), out, "--size", "16", "--licence", "\x1b[5m"], 0),
        (["data", "import", "--from", "\x1b[2J", str(source), out], 2),
        (["data", "\x1b[2J"], 2),
        (["data", "export", "--to", "lerobot", str(made), out], 2),
    ):
        assert main(words) == code, words
        printed = capsys.readouterr()
        assert is_harmless(printed.out), words
        assert is_harmless(
            printed.err.replace("\r  ", "").replace("\r", "", 99) if "episode" in printed.err else printed.err
        )
        assert "\nslowfast: done" not in printed.out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_without_the_letters_spells_them_out(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dataset_of(tmp_path / "x", "öffne 火 the 🚪")
    terminal = io.BytesIO()
    stream = io.TextIOWrapper(terminal, encoding, newline="\n", write_through=True)
    with monkeypatch.context() as context:
        context.setattr(sys, "stdout", stream)
        assert main(["data", "info", str(made)]) == 0
    shown = terminal.getvalue().decode(encoding)
    assert ("öffne 火 the 🚪" if encoding == "utf-8" else "\\u706b the \\U0001f6aa") in shown


def test_cards_show_the_text_of_others_only(tmp_path: Path) -> None:
    text = "<script>alert(1)</script> <img src=x onerror=y> [a](javascript:b) ![c](http://d) `e` |f|"
    made = dataset_of(tmp_path / "x", text)
    (page,), _ = write_data_cards([made], tmp_path / "cards")
    card = page.read_text(encoding="utf-8")
    assert "<script" not in card
    assert "<img" not in card
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in card
    for raw in ("[a](", "![c](", " `e`", " |f|"):
        assert raw not in card
    assert main(["data", "export", "--to", "lerobot", str(made), str(tmp_path / "out")]) == 0
    body = (tmp_path / "out" / "README.md").read_text().split("---\n")[-1]
    assert "<script" not in body
