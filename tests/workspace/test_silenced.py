"""A line that silences a rule says why; that it names the rule and is needed at all is seen by ruff (PGH, RUF100)."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("packages", "dags", "infra", "tests", "bench")
SILENCED = re.compile(r"# (?:noqa|type: ignore)\b")
WITH_REASON = re.compile(r"# (?:noqa: [A-Z0-9, ]+ - |type: ignore\[[a-z-, ]+\] +# ).*\w")


def without_reason(path: Path) -> Iterator[str]:
    """The lines that silence a rule and do not say why."""
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT and SILENCED.match(token.string) and not WITH_REASON.match(token.string):
                yield f"{path.name}:{token.start[0]} {token.string}"


def test_every_silenced_rule_has_its_reason_beside_it() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    assert [line for path in files for line in without_reason(path)] == []


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("# noqa: S108 - the container's", False),
        ("# noqa: S108, S310 - the container's", False),
        ("# type: ignore[no-untyped-call] # untyped upstream", False),
        ("# noqa", True),
        ("# noqa: S108", True),
        ("# noqa: S108 - ", True),
        ("# type: ignore", True),
        ("# type: ignore[arg-type]", True),
        ("# type: ignore[arg-type] #", True),
    ],
)
def test_a_code_alone_is_no_reason(comment: str, found: bool, tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text(f"x = 1  {comment}\n")
    assert bool(list(without_reason(file))) is found
