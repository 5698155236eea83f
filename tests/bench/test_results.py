"""What `make bench` makes of its figures: targets, what became worse, and the page."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import results_page
import run
from figures import Figure, figures_of, regressions

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"


def recorded(part: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{part}.json").read_text()))


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("n", 1.0), None),
        (Figure("n", 1.0, target=1.0), True),
        (Figure("n", 1.1, target=1.0), False),
        (Figure("n", 1.1, better="higher", target=1.0), True),
        (Figure("n", 0.9, better="higher", target=1.0), False),
    ],
)
def test_a_target_bounds_from_the_side_that_is_better(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


@pytest.mark.parametrize(("seconds", "said"), [(1.19, False), (1.21, True), (0.5, False)])
def test_seconds_are_worse_when_they_grow_by_more_than_a_fifth(seconds: float, said: bool) -> None:
    before = recorded("rfm") | {"seconds": recorded("rfm")["seconds"] | {"query": 1.0}}
    now = copy.deepcopy(before)
    now["seconds"]["query"] = seconds

    found = regressions("rfm", before, now)

    assert found == ([f"rfm: the query alone is {seconds} s, recorded was 1 s."] if said else [])


def test_a_ratio_to_a_peer_is_worse_when_it_shrinks() -> None:
    before, now = recorded("rfm"), recorded("rfm")
    now["seconds of others to ours"]["step"]["polars"] *= 0.7

    assert [sentence.split(" is ")[0] for sentence in regressions("rfm", before, now)] == [
        "rfm: polars, times as long as a warm step"
    ]


def test_every_recorded_part_of_the_page_has_figures_and_they_do_not_differ_from_themselves() -> None:
    for part in results_page.TITLES:
        if (RESULTS / f"{part}.json").is_file():
            content = json.loads((RESULTS / f"{part}.json").read_text())
            assert figures_of(part, content)
            assert not regressions(part, content, content)


def test_the_cost_of_a_day_is_lower_on_arm_and_on_spot() -> None:
    costs = {figure.name: figure.value for figure in figures_of("shared_container", recorded("shared_container"))}
    x86, spot, arm, arm_spot = (value for name, value in costs.items() if name.startswith("cost of a day"))

    assert arm_spot < spot < arm < x86
    assert arm == pytest.approx(x86 * 0.8009, abs=0.001)


def test_the_page_is_the_one_that_the_recorded_files_give() -> None:
    content = {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    written = results_page.PAGE.read_text()
    made = results_page.page(content, dict.fromkeys(content, "")).splitlines()

    assert [line for line in made if line.startswith("|")] == [
        line for line in written.splitlines() if line.startswith("|")
    ]
    for part in content:
        if bars := results_page.bars_of(part, content[part]):
            assert (RESULTS / f"{part}.svg").read_text() == results_page.bars(bars)


def test_the_longest_bar_is_as_wide_as_the_plot_and_names_are_escaped() -> None:
    root = ET.fromstring(results_page.bars({"a & b": 1.0, "c": 4.0}))  # noqa: S314 - our own text
    widths = [int(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]

    assert widths == [round(results_page.BARS_WIDTH / 4), results_page.BARS_WIDTH]
    assert "a & b" in "".join(root.itertext())


def test_an_unknown_part_is_named_with_the_known_ones() -> None:
    script = RESULTS.parent / "run.py"

    answer = subprocess.run([sys.executable, script, "rmf"], capture_output=True, text=True, check=False)

    assert answer.returncode == 2
    assert answer.stderr.startswith("There is no benchmark 'rmf'. Name any of: fargate_local_scale,")


def test_a_part_is_left_out_where_its_programs_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert [name for name in run.PARTS if not run.is_possible(name)] == ["images"]
    assert capsys.readouterr().err == "images is left out: it needs podman, runc, mmdebstrap.\n"
