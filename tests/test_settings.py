"""Flags, defaults, help and files of settings come from the settings classes; no option is read by nobody."""

import argparse
import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import slowfast_bench
import slowfast_vgen
from slowfast_vgen.cli.main import build_parser, main
from slowfast_vgen.cli.settings import SettingsParser, add_settings, save_settings, settings_in, settings_of
from slowfast_vgen.flags import Flag, Nested
from slowfast_vgen.train.settings import LoopConfig, LoraLoopConfig, SlowTrainingConfig, TrainingFiles

NEEDED = {
    "codec": ["--data", "d", "--out", "o", "--precision", "float32"],
    "slow": ["--data", "d", "--out", "o", "--precision", "float32", "--codec", "c"],
    "path": ["--data", "d", "--out", "o", "--precision", "float32", "--codec", "c"],
    "loop": ["--data", "d", "--out", "o", "--precision", "float32", "--codec", "c", "--init", "i"],
    "context": ["--data", "d", "--out", "o", "--precision", "float32", "--codec", "c", "--init", "i"],
    "inverse-dynamics": ["--data", "d", "--out", "o", "--precision", "float32"],
    "still-path": ["--out", "o"],
}


@dataclass(frozen=True)
class Inner:
    """Lies in another one."""

    length: Annotated[int, Flag(low=1, high=9)] = 3
    """How long it is. This is not for the help."""
    colour: str = "red"
    """Its colour."""


@dataclass(frozen=True)
class Outer:
    """What a command takes."""

    folder: Path
    """Where it is."""
    inner: Annotated[Inner, Nested("in-", without=("colour",))] = Inner(length=4)
    kind: Literal["a", "b"] = "b"
    """Eq. 2 at 50 % of its kind."""
    rates: tuple[float, ...] = (0.5,)
    """Several."""
    loud: bool = False
    """Tells more."""
    limit: int | None = None
    """None is no limit."""


def parser_of(*classes: type[Any]) -> SettingsParser:
    parser = SettingsParser(prog="command")
    add_settings(parser, *classes)
    return parser


def all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from all_parsers(each)


def test_a_class_makes_flags() -> None:
    told = " ".join(parser_of(Outer).format_help().split())
    assert "--in-length N how long it is; default: 4" in told
    assert "--kind {a,b} eq. 2 at 50 % of its kind; default: b" in told
    assert "colour" not in told and "not for the help" not in told
    args = parser_of(Outer).parse_args(["--folder", "x", "--in-length", "7", "--rates", "1", "2e-3", "--loud"])
    assert settings_of(args, Outer) == Outer(Path("x"), Inner(7), "b", (1.0, 0.002), True, None)
    assert settings_of(parser_of(Outer).parse_args(["--folder", "x"]), Outer) == Outer(Path("x"))


@pytest.mark.parametrize("words", ["--in-length 10", "--in-length x", "--kind c", "--rates nan", ""])
def test_what_a_class_does_not_take_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser_of(Outer).parse_args(["--folder", "x", *words.split()] if words else [])
    assert "command: error:" in capsys.readouterr().err


def test_a_flag_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "it.toml"
    file.write_text('folder = "y"\nin_length = 5\nrates = [1, 2.5]\nloud = true\nkind = "a"\nlimit = -3\n')
    for words in (["--config", str(file), "--in-length", "6"], ["--in-length", "6", f"--config={file}"]):
        given = settings_of(parser_of(Outer).parse_args(words), Outer)
        assert given == Outer(Path("y"), Inner(6), "a", (1.0, 2.5), True, -3)
    assert not settings_of(parser_of(Outer).parse_args(["--config", str(file), "--no-loud"]), Outer).loud


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("batch_sise = 4", "slowfast train slow has no setting 'batch_sise'; the nearest one is 'batch-size'"),
        ("batch-size = 'many'", 'batch-size = "many" is not a number'),
        ("batch-size = 2.5", "batch-size = 2.5: '2.5' is not a whole number from 1"),
        ("steps = 0", "steps = 0: '0' is not a whole number from 1"),
        ("steps = true", "steps = true is not a number"),
        ("memory = 1", "memory = 1 is not true or false"),
        ("out = 3", "out = 3 is not text in quotes"),
        ("steps = [1, 2]", "steps = [1, 2] is not a number"),
        ("target = 'dreams'", 'target = "dreams" is none of epsilon, v_prediction, flow'),
        ("validation = ['95%']", "cannot be held out; use 1% to 90%"),
        ("[slow]\nsteps = 1", "has no setting 'slow'"),
        ("steps = ", "cannot be read as TOML"),
        ("config = 'x'", "has no setting 'config'"),
    ],
)
def test_a_file_that_cannot_be_is_one_sentence(
    line: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it.toml").write_text(line + "\n")
    assert main(["train", "slow", *NEEDED["slow"], "--config", str(tmp_path / "it.toml")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"slowfast: error: {tmp_path / 'it.toml'}") and len(said.splitlines()) == 1
    assert told in said


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "codec", "--config", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("command", NEEDED)
def test_saved_settings_give_the_same(command: str, tmp_path: Path) -> None:
    given = build_parser().parse_args(["train", command, *NEEDED[command]])
    save_settings(tmp_path / "settings.toml", given)
    again = build_parser().parse_args(["train", command, "--config", str(tmp_path / "settings.toml")])
    for owner in given.settings:
        assert settings_of(again, owner) == settings_of(given, owner)
    saved = tomllib.loads((tmp_path / "settings.toml").read_text())
    flags = {setting.flag for owner in given.settings for setting in settings_in(owner) if setting.default is not None}
    assert flags - {"kinds", "lora-layers"} <= set(saved)


def test_the_classes_have_the_defaults_of_the_commands() -> None:
    args = build_parser().parse_args(["train", "slow", *NEEDED["slow"]])
    assert settings_of(args, SlowTrainingConfig) == SlowTrainingConfig()
    assert (SlowTrainingConfig().batch_size, SlowTrainingConfig().optimisation.num_steps) == (16, 10_000)
    assert (LoopConfig().num_chains, LoopConfig().slow.optimisation.learning_rate) == (4, 4e-4)
    assert LoraLoopConfig().learning.lora.rank == 8
    assert str(TrainingFiles(data=(Path("x"),), out=Path("y")).validation[0]) == "10%"


def test_help_needs_no_torch() -> None:
    code = "import sys; from slowfast_vgen.cli.main import main; main(['train', 'loop', '--help'])"
    code += "; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "False"


def test_every_setting_of_a_training_has_help() -> None:
    for command in NEEDED:
        settings = [each for owner in parse(command).settings for each in settings_in(owner)]
        assert settings and not [each.flag for each in settings if not each.help]
        flags = [each.flag for each in settings]
        assert len(flags) == len(set(flags))


def parse(command: str) -> argparse.Namespace:
    return build_parser().parse_args(["train", command, *NEEDED[command]])


def names_read(tree: ast.AST) -> set[str]:
    """Names that are read as `x.name`, or that stand as a string, as for `getattr`."""
    found = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load)}
    words = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return found | words


def unread(parser: argparse.ArgumentParser, read: set[str]) -> set[str]:
    """Options of a parser and all below it, other than help, that nobody reads: fields by their own names."""
    found = set()
    for each in all_parsers(parser):
        fields = {s.dest: s.place[-1] for owner in each.get_default("settings") or () for s in settings_in(owner)}
        dests = {action.dest for action in each._actions if action.option_strings} - {"help", "version", "config"}
        found |= {dest for dest in dests if fields.get(dest, dest) not in read}
    return found


def test_every_option_is_read() -> None:
    read: set[str] = set()
    for package in (slowfast_vgen, slowfast_bench):
        for path in Path(package.__path__[0]).rglob("*.py"):
            read |= names_read(ast.parse(path.read_text()))
    parser = build_parser()
    assert sum(len(each._actions) for each in all_parsers(parser)) > 300
    assert unread(parser, read) == set()
    more = argparse.ArgumentParser()
    more.add_argument("--read-by-nobody-at-all")
    assert unread(more, read) == {"read_by_nobody_at_all"}
