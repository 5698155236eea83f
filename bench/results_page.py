"""bench/results.md and its plots, from bench/results/*.json.

PYTHONPATH=bench python bench/results_page.py
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from figures import Figure, figures_of

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "bench" / "results"
PAGE = REPOSITORY / "bench" / "results.md"
TITLES = {
    "rfm": "fact_rfm, one date of a million accounts with 20 million activities",
    "ingesta": "ingesta, eight tables",
    "daily": "The daily transformation",
    "shared_container": "The daily pipeline with Fargate's start times, and a day's cost",
    "trivial_task": "A trivial task, queued to success",
    "operator_parse": "Parsing a DAG",
    "operator_scale": "Waiting for 1,000 tasks",
    "fargate_local_scale": "fargate-local",
    "page": "The page in Airflow's UI, beside 10,000 runs",
    "images": "Images",
}
BAR_HEIGHT, LABEL_WIDTH, BARS_WIDTH = 22, 190, 420


def page(recorded: Mapping[str, Any], dates: Mapping[str, str]) -> str:
    """Return the page's text."""
    lines = [
        "# Results of the benchmarks",
        "",
        "Written by `make bench`, or `python bench/results_page.py`, from `bench/results/*.json`; each file has the",
        'runs themselves. `make bench PARTS="rfm ingesta"` runs some. A figure that is more than 20 % worse than the',
        "recorded one ends `make bench` with exit code 1. Medians; times by the clock unless it says otherwise.",
    ]
    for part, title in TITLES.items():
        if part in recorded:
            lines += ["", f"## {title}", "", _taken_on(recorded[part], dates[part]), ""]
            if bars_of(part, recorded[part]):
                lines += [f"![{title}](results/{part}.svg)", ""]
            lines += _table(figures_of(part, recorded[part]))
    return "\n".join(lines) + "\n"


def bars_of(part: str, recorded: Any) -> dict[str, float]:
    """Return what a part's plot shows: seconds by who took them; nothing for a part without a plot."""
    seconds: dict[str, float] = {}
    if part == "rfm":
        seconds = recorded["seconds"]
    if part == "ingesta":
        seconds = recorded["first"]["seconds"] | {f"{who}, 1 %": s for who, s in recorded["changes"]["seconds"].items()}
    if part == "shared_container":
        seconds = {name: values["seconds"] for name, values in recorded["medians"].items()}
    if part == "trivial_task":
        seconds = {way: taken["p50"] for way, taken in recorded["seconds"].items()}
    return seconds


def bars(values: Mapping[str, float]) -> str:
    """Return an SVG with a horizontal bar for each value, in seconds."""
    most = max(values.values())
    rows = []
    for number, (name, value) in enumerate(values.items()):
        y, width = number * BAR_HEIGHT, max(1, round(value / most * BARS_WIDTH))
        rows.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABEL_WIDTH}" y="{y + 3}" width="{width}" height="16" rx="2"/>'
            f'<text x="{LABEL_WIDTH + width + 6}" y="{y + 15}">{value:g} s</text>'
        )
    width, height = LABEL_WIDTH + BARS_WIDTH + 70, len(values) * BAR_HEIGHT
    style = (
        "text{font:13px sans-serif;fill:#57606a}rect{fill:#2f6f9f}"
        "@media(prefers-color-scheme:dark){text{fill:#c9d1d9}rect{fill:#6cb6ff}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<style>{style}</style>" + "\n".join(rows) + "</svg>\n"
    )


def write() -> None:
    """Write the page and the plots."""
    recorded = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    PAGE.write_text(page(recorded, {part: _date(part, recorded[part]) for part in recorded}))
    for part, values in recorded.items():
        if shown := bars_of(part, values):
            (RESULTS / f"{part}.svg").write_text(bars(shown))


def _taken_on(recorded: Any, date: str) -> str:
    found = recorded if isinstance(recorded, dict) else {}
    machine = found.get("machine", "the machine is not recorded")
    if isinstance(machine, dict):
        machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())
    words = [date, str(machine)]
    if isinstance(rows := found.get("rows"), dict):
        words.append(f"{sum(rows.values()):,} rows")
    for name, version in found.get("versions", {}).items():
        words += [f"`{package}`" for package in version] if isinstance(version, list) else [f"{name} {version}"]
    # The same package may be in several peers' environments.
    return ", ".join(dict.fromkeys(words)) + "."


def _table(figures: Iterable[Figure]) -> list[str]:
    lines = ["| | figure | to reach | |", "| --- | --- | --- | --- |"]
    for figure in figures:
        sign = "≤" if figure.better == "lower" else "≥"
        target = "" if figure.target is None else f"{sign} {figure.target:g}{figure.unit}"
        met = {None: "", True: "reached", False: "**not reached**"}[figure.met]
        lines.append(f"| {figure.name} | {figure.value:,g}{figure.unit} | {target} | {met} |")
    return lines


def _date(part: str, recorded: Any) -> str:
    """Return when a part was recorded: as its file says, else when that was last committed."""
    if isinstance(recorded, dict) and "date" in recorded:
        return str(recorded["date"])
    words = ["git", "-C", str(REPOSITORY), "log", "-1", "--format=%cs", "--", f"bench/results/{part}.json"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    write()
