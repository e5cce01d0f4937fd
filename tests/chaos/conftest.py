"""The modules of the kill loop are found beside their tests, as when the program runs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
