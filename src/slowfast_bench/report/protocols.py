"""The protocol of each file, whole and readable."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from slowfast_bench.report.document import Block, Cell, Code, Fold, Heading, Table, words
from slowfast_bench.results import Results

_COLUMNS = {
    "command": "command",
    "world": "world",
    "paths_of": "paths of",
    "weights_sha256": "weights",
    "sampling_steps": "sampling steps",
    "num_maps": "maps",
    "num_seeds": "seeds",
    "git_commit": "commit",
}
_SHORT = 12
"""Letters of a checksum or a commit that tell it apart."""


def files_table(files: Sequence[Results]) -> Table:
    """What each file is, a row each."""
    rows = []
    for results in files:
        cells = [_short(key, results) for key in _COLUMNS]
        rows.append((Cell(results.name), *cells))
    return Table([words("file"), *(words(label) for label in _COLUMNS.values())], rows)


def protocol_blocks(files: Sequence[Results]) -> list[Block]:
    """Everything that each protocol says, folded."""
    blocks: list[Block] = []
    for results in files:
        blocks += [Heading(results.name), Fold(f"protocol of {results.name}", _blocks(results.protocol))]
    return blocks


def _blocks(protocol: Mapping[str, Any]) -> list[Block]:
    """Settings as a table, and what is nested as JSON."""
    simple = {key: value for key, value in protocol.items() if not _is_nested(value)}
    nested = {key: value for key, value in protocol.items() if _is_nested(value)}
    rows = [(Cell(key), Cell(_told(value), prose=True)) for key, value in simple.items()]
    table: list[Block] = [Table((words("setting"), words("value")), rows)] if rows else []
    return [*table, *(Fold(key, [Code(_json(value))]) for key, value in nested.items())]


def _is_nested(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(isinstance(each, dict | list) for each in value)


def _told(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(_told(each) for each in value) if isinstance(value, list) else json.dumps(value)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _short(key: str, results: Results) -> Cell:
    value = results.num_seeds if key == "num_seeds" else results.protocol.get(key)
    if value is None or isinstance(value, dict | list):
        return Cell("–", tone="faint", prose=True)
    text = str(value)
    if key == "git_commit":
        commit, plus, rest = text.partition("+")
        text = commit[:_SHORT] + plus + rest
    return words(text[:_SHORT] if key == "weights_sha256" else text)
