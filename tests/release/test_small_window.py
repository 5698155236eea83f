"""A laptop releases all day: its image store stays small."""

from pathlib import Path
from typing import Any

import pytest

from datavision.config import load
from datavision.release.release import release


@pytest.mark.slow
def test_releases_with_a_small_window_keep_the_store_small_and_say_what_they_freed(
    project: Any, monkeypatch: pytest.MonkeyPatch, state: Any
) -> None:
    local = load("local").images
    assert (local.keep_releases, local.keep_days, local.prune_after_release) == (2, 0, True)
    # A scheduled moment between two releases keeps one more, "the last that a scheduled run has tried".
    monkeypatch.setattr("datavision.release.registry.prune.cron_schedules", lambda _: {})
    for key in ("keep_releases", "keep_days", "keep_unpinned_hours", "prune_after_release"):
        monkeypatch.setenv(f"DATAVISION_IMAGES__{key.upper()}", str(getattr(local, key)))
    # Tests before this one, of the same session, left images in the store too.
    before = _digests(state / "images")
    config, said = load("dev"), list[str]()
    digests: list[str] = []

    def in_flight() -> dict[str, str]:
        return {digests[0]: "pipeline_suscripciones runs with it"} if digests else {}

    # The fourth is the first after which one may go: the first is in flight, and two are kept.
    for number in range(4):
        project.change_ingesta(f"bounded store {number}")
        done = release(config, report=said.append, in_flight=in_flight)
        digests.append(done.images["ingesta"].digest)
    stored = _digests(state / "images")
    assert stored & set(digests) == {digests[0], *digests[-2:]}
    assert len(stored - before) <= 2 * len(config.modules) + 1
    assert len(list((state / "environments").iterdir())) <= 2 * len(config.modules)
    freed = [line for line in said if line.startswith("deleted 1 image of")]
    assert freed
    assert "which freed 0.0 MiB" not in freed[-1]


def _digests(store: Path) -> set[str]:
    return {path.name.replace("-", ":", 1) for path in store.glob("sha256-*")}
