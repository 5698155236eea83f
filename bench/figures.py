"""What the benchmarks say: a few figures of each recorded file, what they are to reach, and which became worse."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from datavision.fargate.outcome.cost import MINIMUM_SECONDS, ON_DEMAND, cost_usd
from datavision.fargate.sizing.sizes import FargateSize

WORSE = 0.2
"""A figure worse than the recorded one by more than this share is reported."""
SIZE_OF_EIGHT = FargateSize(1024, 2048)


@dataclass(frozen=True)
class Figure:
    """One figure. `target` bounds it: from above when `better` is `lower`, from below when it is `higher`."""

    name: str
    value: float
    unit: str = ""
    better: Literal["lower", "higher"] = "lower"
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it reaches its target; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target

    def worse_than(self, before: "Figure") -> bool:
        """Whether it is worse than an earlier one by more than `WORSE`."""
        if self.better == "lower":
            return self.value > before.value * (1 + WORSE)
        return self.value < before.value * (1 - WORSE)


def figures_of(part: str, recorded: Any) -> list[Figure]:
    """Return the figures of a part's file; none for a part that has none here."""
    read = _READERS.get(part)
    return list(read(recorded)) if read else []


def regressions(part: str, before: Any, now: Any) -> list[str]:
    """Return a sentence for each figure that is worse than in the file recorded before."""
    known = {figure.name: figure for figure in figures_of(part, before)}
    return [
        f"{part}: {figure.name} is {figure.value:g}{figure.unit}, recorded was "
        f"{known[figure.name].value:g}{figure.unit}."
        for figure in figures_of(part, now)
        if figure.name in known and figure.worse_than(known[figure.name])
    ]


def _rfm(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    targets = {"per_metric": 2, "polars": 1.5, "pandas": 10, "spark": 5}
    names = {"query": "the query alone", "step": "a warm step", "command": "the whole command"}
    for way, name in names.items():
        yield Figure(name, recorded["seconds"][way], " s")
    for way, name in names.items():
        for peer, ratio in recorded["seconds of others to ours"][way].items():
            yield Figure(f"{peer}, times as long as {name}", ratio, "", "higher", targets[peer])
    if larger := recorded.get("larger"):
        times = larger["activities"] / recorded["activities"]
        for way in ("query", "command"):
            grown = round(larger["cpu_seconds"][way] / recorded["cpu_seconds"][way], 1)
            yield Figure(f"{names[way]}, {times:g} times the business: CPU seconds grow", grown, " ×", "lower", times)


def _ingesta(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    for reading, name in (("first", "first load"), ("changes", "1 % changed")):
        yield Figure(name, recorded[reading]["seconds"]["ours"], " s")
        for peer, ratio in recorded[f"{reading}: seconds to ours"].items():
            if peer != "floor":
                yield Figure(f"{peer}, times as long as ours: {name}", ratio, "", "higher", 3)
    yield Figure("first load to COPY … TO STDOUT", recorded["ours: seconds to floor"], " ×", "lower", 1.3)
    yield Figure("1 % changed to first load", recorded["ours: changes to first"], " ×")
    memory = max(recorded[reading]["peak_mib"]["ours"] for reading in ("first", "changes"))
    yield Figure("memory, most", memory, " MiB", "lower", 1024)


def _daily(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    yield Figure("first", recorded["cpu_seconds"]["first"], " s of processor")
    yield Figure("after 1 % changed", recorded["cpu_seconds"]["changed"], " s of processor")
    yield Figure("after 1 % changed, to everything rebuilt", recorded["changed to rebuilt"], " ×", "lower", 0.1)
    yield Figure("memory, most", max(recorded["peak_mib"].values()), " MiB")
    for smaller in recorded.get("smaller", ()):
        rows = sum(smaller["rows"].values())
        name = f"after 1 % of {rows:,} rows changed, to everything rebuilt"
        yield Figure(name, smaller["changed to rebuilt"], " ×")


def _shared_container(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    targets = {"seconds": 0.4, "cost_usd": 0.35}
    for name, ratio in recorded["ratios"].items():
        what, _, other = name.partition(" to ")
        yield Figure(f"{what} of the daily pipeline to {other}", ratio, " ×", "lower", targets[what])
    yield from _a_day(recorded["medians"]["pipeline_suscripciones"]["cost_usd"])


def _a_day(ours: float) -> Iterable[Figure]:
    """Price a day: ours as recorded (x86, on demand), the others at the least that eight tasks can cost."""
    x86, arm = (ON_DEMAND["us-east-1", kind] for kind in ("X86_64", "ARM64"))
    eight = 8 * cost_usd(SIZE_OF_EIGHT, MINIMUM_SECONDS, x86, spot=False)
    # ARM costs 79.99 % of x86 a vCPU and 80.09 % a GB: the larger of the two bounds any size.
    cheaper = max(arm.cpu_hour / x86.cpu_hour, arm.gb_hour / x86.gb_hour)
    for name, factor in (
        ("x86", 1.0),
        ("x86, Spot", x86.spot_factor),
        ("ARM", cheaper),
        ("ARM, Spot", cheaper * arm.spot_factor),
    ):
        share = round(ours * factor / eight, 3)
        yield Figure(f"cost of a day on {name}, to eight tasks of a minute", share, " ×", "lower", 0.3)


def _trivial_task(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    for way, taken in recorded["seconds"].items():
        yield Figure(f"{way}, p50", taken["p50"], " s", "lower", 2.0 if way == "warm step" else None)
        yield Figure(f"{way}, p95", taken["p95"], " s")
    worker, deferred = (recorded["seconds"][way]["p50"] for way in ("stock, in the worker", "stock, deferred"))
    ours = recorded["seconds"]["ours"]["p50"]
    yield Figure("ours to the stock operator in the worker, p50", round(ours / worker, 2), " ×", "lower", 1.2)
    yield Figure("ours to the stock operator deferred, p50", round(ours / deferred, 2), " ×", "lower", 0.5)


def _operator_parse(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    ours, stock = (recorded[who]["median_seconds"] for who in ("ours", "stock"))
    yield Figure("parse of a DAG of seven tasks, to the stock operator's", round(ours / stock, 2), " ×")


def _operator_scale(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    yield Figure("exit to event, 1,000 tasks at once, median", recorded["ours"]["median_seconds"], " s")
    yield Figure("exit to event, p99", recorded["ours"]["p99_seconds"], " s")
    yield Figure("calls of DescribeTasks", recorded["ours"]["describe_calls"])


def _fargate_local_scale(recorded: Iterable[Mapping[str, Any]]) -> Iterable[Figure]:
    for row in recorded:
        higher = row["target"].startswith((">", "="))
        yield Figure(row["measure"], row["value"], f" {row['unit']}", "higher" if higher else "lower")


def _page(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    for name, taken in recorded["requests"].items():
        yield Figure(f"{name}, median", taken["median_ms"], " ms")


def _images(recorded: Mapping[str, Any]) -> Iterable[Figure]:
    for row in recorded["rows"]:
        if row["way"] == "ours":
            yield Figure(f"{row['module']}, in the registry", round(row["registry_bytes"] / 1e6, 1), " MB")
            added = round(row["changed_bytes_elsewhere"] / 1e3)
            yield Figure(f"{row['module']}, added to the registry by a changed line, built elsewhere", added, " kB")


_READERS: Mapping[str, Callable[[Any], Iterable[Figure]]] = {
    "rfm": _rfm,
    "ingesta": _ingesta,
    "daily": _daily,
    "shared_container": _shared_container,
    "trivial_task": _trivial_task,
    "operator_parse": _operator_parse,
    "operator_scale": _operator_scale,
    "fargate_local_scale": _fargate_local_scale,
    "page": _page,
    "images": _images,
}
