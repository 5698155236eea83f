"""Mutation tests: what share of small mistakes in the code that must not be wrong do its tests find?

    nice -n 10 python bench/mutation.py [TARGET …]

Cosmic Ray makes the mutants of a target's sources; those of SQL, which it cannot mutate, are written down here. Each is
put into a clone of HEAD (commit first) and tried with the target's tests that reach its line, slow ones too. A mutant
that no test notices survives and is printed. Rates go to `bench/results/mutation.json`, one entry per target.

Left out: mutants of annotations, of the texts of exceptions and of `frozen`, and, of operators that break a line in the
same way (one sum as difference, product, power …), all but one: any test would find them. More than 150 mutants are
sampled with a fixed seed.
"""

import argparse
import ast
import importlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import coverage
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "bench" / "results" / "mutation.json"
AT_MOST = 150
SEED = 2026
LOADED = "ignore::pytest.PytestAssertRewriteWarning"
"""Plugins of pytest are loaded before it asks, like all libraries."""
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", LOADED, "-m", "not containers")
COMPARISONS = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_Gt", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_Lt", "GtE_Gt", "GtE_Lt")
OPERATORS = (
    *(f"ReplaceComparisonOperator_{pair}" for pair in (*COMPARISONS, "Is_IsNot", "IsNot_Is")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "BitOr_BitAnd")),
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_USub_UAdd",
    "AddNot",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "ExceptionReplacer",
    "RemoveDecorator",
    "ZeroIterationForLoop",
)  # fmt: skip

Position = tuple[int, int]


@dataclass(frozen=True)
class Target:
    """What is mutated, and which tests have to notice."""

    sources: tuple[str, ...]
    """Files, or folders of Python files."""
    tests: tuple[str, ...]
    seconds: float = 60
    """A mutant whose tests take longer hangs, and counts as found."""
    texts: tuple[tuple[str, str, str], ...] = ()
    """(file name, old text, new text): mutants of SQL."""


@dataclass(frozen=True)
class Mutant:
    """One changed file."""

    path: str
    line: int
    change: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"


CORE = "packages/orchestration/src/datavision"
MACROS = "packages/transformacion/src/transformacion/dbt/macros"
TARGETS = {
    "fargate/outcome": Target(
        (f"{CORE}/fargate/outcome",),
        (
            "tests/orchestration/test_fargate_classify.py",
            "tests/orchestration/test_fargate_explained.py",
            "tests/orchestration/test_fargate_records.py",
        ),
    ),
    "fargate/launching": Target((f"{CORE}/fargate/launching",), ("tests/orchestration/test_fargate_launching.py",)),
    "release/pins": Target(
        (f"{CORE}/release/pins",), ("tests/release/test_trailers.py", "tests/release/test_pin_repository.py")
    ),
    "images/retention": Target((f"{CORE}/release/registry/retention.py",), ("tests/images/test_retention.py",)),
    "ingesta/merge": Target(
        ("packages/ingesta/src/ingesta/merge.py",),
        ("tests/ingesta/test_merge.py",),
        texts=(
            ("merge.py", 'differs = f"(l.{LOAD_ID} IS NULL OR {differs})"', 'differs = f"({differs})"'),
            ("merge.py", "IS DISTINCT FROM d.{quoted(c.name)}", "<> d.{quoted(c.name)}"),
            ("merge.py", " OR l.{ROW_HASH} IS DISTINCT FROM d.{ROW_HASH}", ""),
            ("merge.py", "THEN {self._at} ELSE l.{LOADED_AT}", "THEN {self._at} ELSE {self._at}"),
            ("merge.py", "THEN {self._id} ELSE l.{LOAD_ID}", "THEN {self._id} ELSE {self._id}"),
            ("merge.py", "LEFT JOIN {name}", "JOIN {name}"),
            ("merge.py", "ANTI JOIN", "SEMI JOIN"),
            ("merge.py", '" AND ".join(f"l.', '" OR ".join(f"l.'),
            ("merge.py", "FILTER (NOT {KNOWN})", "FILTER ({KNOWN})"),
            ("merge.py", "FILTER ({LOAD_ID} <> {self._id})", "FILTER (false)"),
            ("merge.py", "WHERE {KNOWN} UNION ALL", "WHERE NOT {KNOWN} UNION ALL"),
            ("merge.py", 'self._connection.execute(f"DELETE FROM {name}")', "pass"),
            ("merge.py", 'self._connection.execute("ROLLBACK")', "pass"),
            ("merge.py", "mark_load(self._connection, self._load.id)", "pass"),
            ("merge.py", "DROP TABLE IF EXISTS temp.changed; DROP TABLE IF EXISTS temp.gone", "SELECT 1"),
        ),
    ),
    "dbt macros": Target(
        tuple(f"{MACROS}/{name}.sql" for name in ("con_fecha_version", "intervalos_scd2", "borrar_fechas_rfm")),
        ("tests/transformacion/test_historia.py", "tests/transformacion/test_rfm.py"),
        seconds=600,
        texts=(
            (
                "con_fecha_version.sql",
                'dbt.dateadd("day", 1, snapshot_get_time())',
                'dbt.dateadd("year", 900, snapshot_get_time())',
            ),
            ("con_fecha_version.sql", "order by dbt_valid_from desc", "order by dbt_valid_from"),
            ("con_fecha_version.sql", "ultimas.dbt_valid_to is not null", "ultimas.dbt_valid_to is null"),
            (
                "con_fecha_version.sql",
                "origen.fecha_util < ultimas.dbt_valid_to, true",
                "origen.fecha_util < ultimas.dbt_valid_to, false",
            ),
            (
                "con_fecha_version.sql",
                "origen.fecha_util <= ultimas.dbt_valid_from, true",
                "origen.fecha_util < ultimas.dbt_valid_from, true",
            ),
            (
                "con_fecha_version.sql",
                "origen.fecha_util <= ultimas.dbt_valid_from, true",
                "origen.fecha_util <= ultimas.dbt_valid_from, false",
            ),
            ("con_fecha_version.sql", "is distinct from", "is not distinct from"),
            ("con_fecha_version.sql", "(ha_vuelto or cambio_sin_fecha)", "ha_vuelto"),
            ("con_fecha_version.sql", "(ha_vuelto or cambio_sin_fecha)", "cambio_sin_fecha"),
            ("con_fecha_version.sql", "fecha_util, ultima_desde, {{", "fecha_util, {{"),
            ("intervalos_scd2.sql", "order by dbt_valid_from, dbt_scd_id", "order by dbt_valid_from desc, dbt_scd_id"),
            ("intervalos_scd2.sql", "fecha_creacion < timestamp", "fecha_creacion <= timestamp"),
            ("intervalos_scd2.sql", "orden = 1\n                        and fecha", "fecha"),
            ("intervalos_scd2.sql", "rows between 1 following", "rows between current row"),
            ("intervalos_scd2.sql", "siguiente_desde is null or valido_desde < siguiente_desde", "true"),
            (
                "intervalos_scd2.sql",
                'dbt.dateadd("day", -1, "siguiente_desde")',
                'dbt.dateadd("day", 0, "siguiente_desde")',
            ),
            ("intervalos_scd2.sql", "else greatest(valido_desde, cast(dbt_valid_to as date))", "else valido_desde"),
            (
                "intervalos_scd2.sql",
                "siguiente_desde is null and dbt_valid_to is null as",
                "siguiente_desde is null as",
            ),
            ("borrar_fechas_rfm.sql", "in (", "not in ("),
            ("borrar_fechas_rfm.sql", "if is_incremental()", "if false"),
        ),
    ),
}


def mutants(target: Target, tree: Path) -> Iterator[Mutant]:
    """Yield every mutant of a target, in a fixed order."""
    for path in (file for source in target.sources for file in python_files(tree / source)):
        code = path.read_text(encoding="utf-8")
        lines, left_out = code.splitlines(), list(without_meaning(code))
        nodes = list(ast_nodes(get_ast(code)))
        for name in OPERATORS:
            operator = get_operator(f"core/{name}")()
            positions = (position for node in nodes for position in operator.mutation_positions(node))
            for occurrence, (start, end) in enumerate(positions):
                if any(first <= start and end <= last for first, last in left_out):
                    continue
                if lines[start[0] - 1][start[1] :].startswith("*,"):  # keyword-only arguments, no product
                    continue
                text = mutate_code(code, operator, occurrence)
                assert text is not None
                yield Mutant(str(path.relative_to(tree)), *difference(code, text, name), text)
    for file, old, new in target.texts:
        (path,) = (tree / source for source in target.sources if source.endswith(file))
        code = path.read_text(encoding="utf-8")
        if old not in code:
            raise SystemExit(f"{file} no longer has the text {old!r}: bring bench/mutation.py up to date.")
        line = code[: code.index(old)].count("\n") + 1
        yield Mutant(str(path.relative_to(tree)), line, f"{old!r} became {new!r}", code.replace(old, new))


def python_files(source: Path) -> list[Path]:
    return sorted(source.rglob("*.py")) if source.is_dir() else [source] if source.suffix == ".py" else []


def without_meaning(code: str) -> Iterator[tuple[Position, Position]]:
    """Yield where annotations, type aliases, the texts of exceptions and the `frozen` of classes are."""
    tree = ast.parse(code)
    aliases = [node.value for node in tree.body if isinstance(node, ast.Assign) and "|" in ast.unparse(node.value)]
    for node in ast.walk(tree):
        found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.Raise):
            found += [text for text in ast.walk(node) if isinstance(text, ast.JoinedStr)]
        if isinstance(node, ast.keyword) and node.arg == "frozen":
            found.append(node.value)
        for part in (*found, *(aliases if node is tree else ())):
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def difference(before: str, after: str, operator: str) -> tuple[int, str]:
    """Return the first line that differs, and how."""
    pairs = enumerate(zip(before.splitlines(), after.splitlines(), strict=False), 1)
    line, old, new = next((number, old, new) for number, (old, new) in pairs if old != new)
    return line, f"{operator}: `{old.strip()}` became `{new.strip()}`"


class Covered:
    """A pytest plugin that notes which tests reach which lines."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=[*sources])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        return (yield)

    def run(self, tests: Sequence[str]) -> "Baseline":
        self._coverage.start()
        code = run_tests(tests, [self])
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {path: data.contexts_by_lineno(path) for path in data.measured_files()}
        libraries = [
            name
            for name, module in list(sys.modules.items())
            if "site-packages" in (getattr(module, "__file__", "") or "")
        ]
        return Baseline(code, lines, libraries)


@dataclass(frozen=True)
class Baseline:
    """A run of the tests on the code as it is."""

    exit_code: int
    lines: dict[str, dict[int, list[str]]]
    """By file and line: the tests that reach it."""
    libraries: list[str]

    def tests(self, path: Path, line: int) -> set[str] | None:
        """Return the tests that reach the function of a line; None: it runs at import, so all of them."""
        if path.suffix != ".py":
            return None
        functions = [
            range(node.body[0].lineno, (node.end_lineno or 0) + 1)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        ]
        around = max((found for found in functions if line in found), key=lambda found: found.start, default=None)
        if around is None:
            return None
        reached = self.lines.get(str(path), {})
        return {test for number in around for test in reached.get(number, ()) if test}


def run_tests(tests: Iterable[str], plugins: Sequence[object] = ()) -> int:
    return int(pytest.main([*OPTIONS, *tests], [*plugins]))


def in_child(act: Callable[[], object], seconds: float | None, log: Path) -> object | None:
    """Return what `act` returns in a forked process, which has all libraries loaded; None: it took too long or died."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sender.send(act())

    process = context.Process(target=child)
    process.start()
    sender.close()
    try:
        if receiver.poll(seconds):
            with suppress(EOFError):
                returned: object = receiver.recv()
                return returned
        return None
    finally:
        process.join(5)
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGINT)  # fixtures stop what they started
            process.join(30)
            process.kill()
        process.join()


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    before = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def measure(name: str, target: Target, tree: Path) -> dict[str, object]:
    """Return how many of a target's mutants its tests find."""
    log = tree / "mutation.log"
    sources = [str(tree / source) + ("" if Path(source).suffix else "/*") for source in target.sources]
    baseline = in_child(lambda: Covered(sources).run(target.tests), None, log)
    if not isinstance(baseline, Baseline) or baseline.exit_code != 0:
        raise SystemExit(f"The tests of {name} fail on the code as it is:\n{log.read_text()}")
    for library in baseline.libraries:
        with suppress(Exception):  # a part of a library that imports by itself only there
            importlib.import_module(library)
    names = sorted({test for lines in baseline.lines.values() for tests in lines.values() for test in tests if test})
    if names and in_child(lambda: run_tests(names), None, log) != 0:  # SQL has no lines that coverage could know
        raise SystemExit(f"The tests of {name} fail when they are named one by one:\n{log.read_text()}")
    found = list(mutants(target, tree))
    tried = found if len(found) <= AT_MOST else random.Random(SEED).sample(found, AT_MOST)
    survivors = []
    for number, mutant in enumerate(tried, 1):
        path = tree / mutant.path
        tests = baseline.tests(path, mutant.line)
        with changed(path, mutant.text):
            chosen = target.tests if tests is None else sorted(tests)
            survived = not chosen or in_child(partial(run_tests, chosen), target.seconds, log) == 0
        if survived:
            survivors.append(str(mutant))
            sys.stderr.write(f"{name} {number}/{len(tried)} survived: {mutant}\n")
    killed = len(tried) - len(survivors)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "tool": f"cosmic-ray {version('cosmic-ray')}",
        "tests": target.tests,
        "mutants": len(tried),
        "sampled_from": len(found),
        "killed": killed,
        "survived": len(survivors),
        "rate": round(killed / len(tried), 3),
        "survivors": survivors,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"any of {', '.join(TARGETS)}; all by default")
    names = parser.parse_args().targets or list(TARGETS)
    if unknown := sorted(set(names) - set(TARGETS)):
        parser.error(f"there is no target {unknown[0]!r}; use any of {', '.join(TARGETS)}")
    edited = git("status", "--porcelain", "--", "packages", "tests", "pyproject.toml")
    if edited:
        parser.error(f"HEAD is what is mutated, and these files differ from it; commit them first:\n{edited}")
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        tree = Path(scratch) / "tree"
        git("clone", "--quiet", str(REPOSITORY), str(tree))
        os.chdir(tree)
        paths = [str(path) for path in tree.glob("packages/*/src")]
        sys.path[:0] = paths
        sys.dont_write_bytecode = True  # a mutant may have the size and the second of the one before
        os.environ |= {
            "AIRFLOW_HOME": str(Path(scratch) / "airflow"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        for name in names:
            measured = measure(name, TARGETS[name], tree)
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            RESULTS.write_text(json.dumps({**results, name: measured}, indent=1, ensure_ascii=False) + "\n")
            sys.stdout.write(f"{name}: {measured['killed']} of {measured['mutants']} killed ({measured['rate']:.1%})\n")
    return 0


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.rstrip()


if __name__ == "__main__":
    sys.exit(main())
