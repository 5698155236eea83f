"""Compiles an image's Python files; a program of its own, `python -m datavision.images.bytecode ROOT`, on all cores."""

import os
import py_compile
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.util import cache_from_source
from itertools import repeat
from pathlib import Path


def compile_tree(root: Path) -> None:
    """Compile what has no bytecode yet below `root`, as if `root` were `/`.

    The result depends on the sources alone, not on their times or the folder they are compiled in. Files that do not
    compile (templates, other Pythons' syntax) are skipped.
    """
    missing = [str(path) for path in root.rglob("*.py") if not Path(cache_from_source(str(path))).exists()]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(_compile, missing, repeat(str(root)), chunksize=64):
            pass


def _compile(path: str, root: str) -> None:
    try:
        py_compile.compile(
            path,
            dfile="/" + os.path.relpath(path, root),
            doraise=True,
            quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, ValueError, RecursionError):
        return


if __name__ == "__main__":
    compile_tree(Path(sys.argv[1]))
