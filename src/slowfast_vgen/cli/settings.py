"""Flags from settings classes: names, types, ranges, defaults and help come from the fields and their docstrings.

`--config FILE` of a `SettingsParser` gives in TOML what the flags give; a flag beats the file.
"""

import argparse
import ast
import difflib
import inspect
import json
import re
import sys
import tomllib
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from slowfast_vgen.cli.common import NumberIn, number, path_name, whole_number
from slowfast_vgen.cli.unused import settle
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_path
from slowfast_vgen.flags import ALL, NO_FLAG, Flag, Nested
from slowfast_vgen.memory.names import present_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)


@dataclass(frozen=True)
class Setting:
    """A field that a flag gives."""

    flag: str
    """Without hyphens in front."""
    place: tuple[str, ...]
    """Names of the field and of those that it lies in, the outermost first."""
    kind: Any
    how: Flag
    default: Any
    """`MISSING` where one must be given."""
    help: str
    """The first sentence of the docstring."""

    @property
    def dest(self) -> str:
        """Where argparse puts it; None there means that it was not given."""
        return self.flag.replace("-", "_")


def settings_in(defaults: Any, nested: Nested = ALL, place: tuple[str, ...] = ()) -> Iterator[Setting]:
    """All fields that have flags, of a class or of an instance whose values are the defaults."""
    owner = defaults if isinstance(defaults, type) else type(defaults)
    kinds = get_type_hints(owner, include_extras=True)
    for each in fields(owner):
        kind, *extras = get_args(kinds[each.name]) if get_origin(kinds[each.name]) is Annotated else [kinds[each.name]]
        if each.name in nested.without or NO_FLAG in extras:
            continue
        if isinstance(defaults, type):
            default = each.default if each.default_factory is MISSING else each.default_factory()
        else:
            default = getattr(defaults, each.name)
        if is_dataclass(kind):
            inner = next((extra for extra in extras if isinstance(extra, Nested)), ALL)
            inner = replace(inner, without=inner.without + nested.without)
            yield from settings_in(default, inner, (*place, each.name))
            continue
        how = next((extra for extra in extras if isinstance(extra, Flag)), Flag())
        flag = how.name or nested.prefix + each.name.replace("_", "-")
        text = next((docs[each.name] for base in owner.__mro__ if each.name in (docs := _docstrings(base))), "")
        yield Setting(flag, (*place, each.name), kind, how, default, text)


@cache
def _docstrings(owner: type) -> dict[str, str]:
    """The first sentence under each field of a class, as the help has it: without a capital and a full stop."""
    if owner.__module__ == "builtins":
        return {}
    body = _classes(owner.__module__)[owner.__name__].body
    found = {}
    for line, below in pairwise(body):
        match line, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                text = re.split(r"[.] (?=[A-Z`])", " ".join(text.split()))[0].removesuffix(".")
                found[name] = text if text[1:2].isupper() else text[:1].lower() + text[1:]
    return found


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}


def add_settings(parser: argparse.ArgumentParser, *classes: type[Any]) -> None:
    """Adds a flag for each field of the classes; see `settings_of`."""
    for setting in (setting for each in classes for setting in settings_in(each)):
        if setting.how.added:
            _add(parser, setting)
    parser.set_defaults(settings=classes)


def _add(parser: argparse.ArgumentParser, setting: Setting) -> None:
    kind, how, default = setting.kind, setting.how, setting.default
    options: dict[str, Any] = {"dest": setting.dest, "required": default is MISSING, "help": setting.help}
    if get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind):  # None is the default alone
        kind = Union[tuple(each for each in get_args(kind) if each is not type(None))]  # noqa: UP007
    if get_origin(kind) is tuple:
        options["nargs"] = "+"
        kind = get_args(kind)[0]
        default = " ".join(map(str, default)) if isinstance(default, tuple) else default
        if get_origin(kind) is Annotated:
            kind, how = get_args(kind)
    if how.default != "{}" or not (default in (MISSING, None, "", ()) or default is False):
        shown = f"{default:g}" if isinstance(default, float) and type(default) is float else default
        options["help"] += f"; default: {how.default.format(shown)}"
    options["help"] = options["help"].replace("%", "%%")
    if kind is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif get_origin(kind) is Literal:
        options["choices"] = get_args(kind)
        if "ridge" in options["choices"]:
            options["type"] = present_name
    else:
        options["type"], options["metavar"] = _reader(kind, how)
    parser.add_argument(f"--{setting.flag}", **options)


def _reader(kind: Any, how: Flag) -> tuple[Callable[[str], Any], str]:
    """How a word is read, and what it is called in the help."""
    if how.read is not None:
        return _as_argument(how.read), how.metavar or "VALUE"
    if kind is int:
        return whole_number(int(max(how.low, -(2**31))), int(min(how.high, 2**31 - 1))), how.metavar or "N"
    if kind is float:
        return number(how.low, how.high), how.metavar or "X"
    if kind is Path:
        return path_name, how.metavar or "DIR"
    return str, how.metavar or "TEXT"


def _as_argument(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = read(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return path_name(text) if isinstance(value, Path) else value

    return parse


def settings_of(args: argparse.Namespace, owner: "type[Settings]") -> "Settings":
    """The settings that `add_settings` added, as the user gave them, and their defaults elsewhere."""
    given: dict[str, Any] = {}
    for setting in settings_in(owner):
        value = getattr(args, setting.dest)
        if value is not None:
            within = given
            for name in setting.place[:-1]:
                within = within.setdefault(name, {})
            within[setting.place[-1]] = tuple(value) if isinstance(value, list) else value
    return owner(**{name: _changed(getattr(owner, name, None), value) for name, value in given.items()})


def _changed(default: Any, value: Any) -> Any:
    """A value; for the settings inside others, the default ones with other values."""
    if not isinstance(value, dict):
        return value
    return replace(default, **{name: _changed(getattr(default, name), inner) for name, inner in value.items()})


def flags_of(owner: type[Any]) -> list[str]:
    """Where argparse puts the settings of a class."""
    return [setting.dest for setting in settings_in(owner)]


def warn_unused(args: argparse.Namespace, used: bool, why: str, *names: str) -> None:
    """Warns of settings that were given and change nothing, unless they are `used`; see `settle`.

    Those are not saved with the others, either.
    """
    settle(args, used, why, **dict.fromkeys(names))
    if not used:
        args.unused = (*getattr(args, "unused", ()), *names)


class SettingsParser(argparse.ArgumentParser):
    """A command whose flags can be given by a file, too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        text = "a TOML file with any of these settings, named as the flags are; a flag beats the file"
        self.add_argument("--config", type=path_name, metavar="FILE", help=text)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See `argparse`: the file's settings come first, and of several values of a flag the last one counts."""
        only = argparse.ArgumentParser(prog=self.prog, usage=argparse.SUPPRESS, add_help=False)
        only.add_argument("--config", type=path_name)
        path = only.parse_known_args(args)[0].config
        words = [] if path is None else list(self._words(path))
        return super().parse_known_args([*words, *args], namespace)

    def _words(self, path: Path) -> Iterator[str]:
        """The settings of a file as words of the command line.

        Raises:
            UserError: a file that cannot be read, a setting that there is not, or a value of another type.
        """
        try:
            given = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{path} cannot be read as TOML ({reason}); give lines such as steps = 100") from error
        known = {name[2:]: action for name, action in self._option_string_actions.items() if name.startswith("--")}
        for name in ("help", "config", *(name for name in known if name.startswith("no-"))):
            known.pop(name, None)
        for key, value in given.items():
            flag = key.replace("_", "-")
            if flag not in known:
                (near,) = difflib.get_close_matches(flag, known, n=1, cutoff=0)
                raise UserError(f"{path}: {self.prog} has no setting {key!r:.80}; the nearest one is {near!r}")
            yield from self._word(f"{path}: {key} = {json.dumps(value, default=str):.80}", known[flag], flag, value)

    def _word(self, where: str, action: argparse.Action, flag: str, value: Any) -> Sequence[str]:
        many = action.nargs in ("+", "*")
        if isinstance(action, argparse.BooleanOptionalAction):
            if not isinstance(value, bool):
                raise UserError(f"{where} is not true or false")
            return [f"--{flag}" if value else f"--no-{flag}"]
        values = value if many and isinstance(value, list) else [value]
        wanted: tuple[type, ...] = (str,) if action.type in (None, str, path_name) else (str, int)
        wanted, name = ((int, float), "a number") if isinstance(action.type, NumberIn) else (wanted, "text in quotes")
        for each in values:
            if not isinstance(each, wanted) or isinstance(each, bool):
                raise UserError(f"{where} is not {name}{', or a list of such' if many else ''}")
            try:
                read = action.type(str(each)) if callable(action.type) else each
            except argparse.ArgumentTypeError as error:
                raise UserError(f"{where}: {error}") from error
            if action.choices is not None and read not in action.choices:
                raise UserError(f"{where} is none of {', '.join(action.choices)}")
        return [f"--{flag}", *map(str, values)] if many else [f"--{flag}={values[0]}"]


def save_settings(path: Path, args: argparse.Namespace) -> None:
    """Writes all that a command has used, given or by default, as a file for `--config`."""
    values = {name: getattr(args, name, None) for name in ("device", "precision", "threads")}
    for setting in (setting for each in args.settings for setting in settings_in(each)):
        value = getattr(args, setting.dest)
        if setting.dest not in getattr(args, "unused", ()):
            values[setting.flag] = setting.default if value is None else value
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items() if value not in (None, (), "")]
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines), "utf-8", "replace")


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int) or type(value) is float:
        return str(value).lower()
    return json.dumps(str(value), ensure_ascii=False)
