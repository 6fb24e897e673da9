"""`python -m docmap.cli` is the program `docmap`."""

from __future__ import annotations

import sys

from docmap.cli.main import main

sys.exit(main())
