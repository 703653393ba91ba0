"""What a command does not import for nothing, and that all of it is there afterwards."""

import subprocess
import sys

PROGRAM = """
import sys
from slowfast_vgen.cli.quick_start import COMPILER, UNUSED, import_diffusers_quickly
import_diffusers_quickly()
print([name for name in (COMPILER, *UNUSED) if name in sys.modules])
import peft, torch
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item(), sys.modules[COMPILER] is torch._dynamo)
"""


def test_diffusers_is_imported_without_what_no_command_needs() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["[]", "2.0 True"]
