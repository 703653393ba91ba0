"""`python -m slowfast_vgen` is the command `slowfast`."""

import sys

from slowfast_vgen.cli.main import main

sys.exit(main())
