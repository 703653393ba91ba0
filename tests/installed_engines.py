"""Engines that are installed for one test: a distribution with entry points and nothing else."""

from pathlib import Path

import pytest

from slowfast_vgen.engines import GROUP


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, **worlds: str) -> None:
    """Registers worlds, name="module:Class", by a distribution in `folder`, which comes first on the search path."""
    made = folder / "some_engines-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: some-engines\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in worlds.items()]
    (made / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(folder)
