"""``python -m wxsdk`` is the command ``wxsdk``."""

import sys

from .cli import main

sys.exit(main())
