"""The page's own files."""

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
