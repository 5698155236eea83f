"""What every Dockerfile promises, read from the file itself; `tests/release/test_containers.py` builds and runs them."""

import re
from pathlib import Path

import pytest

DOCKERFILES = sorted((Path(__file__).resolve().parents[2] / "packages").glob("*/Dockerfile"))


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.parent.name)
def stages(request: pytest.FixtureRequest) -> list[str]:
    """The text of each stage; the last one is the image."""
    text = Path(request.param).read_text()
    return re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]


def test_tmp_is_a_volume_so_that_fargate_mounts_it_as_the_image_has_it(stages: list[str]) -> None:
    lines = stages[-1].splitlines()
    assert "VOLUME /tmp" in lines
    # What a build writes below a volume after its declaration is lost.
    assert lines.index("VOLUME /tmp") > max(number for number, line in enumerate(lines) if line.startswith("COPY"))


def test_the_user_of_the_image_has_a_name_and_may_write_under_tmp(stages: list[str]) -> None:
    (slim,) = (stage for stage in stages if " AS slim\n" in stage)
    assert re.search(r"^RUN /tmp/user\b", slim, flags=re.MULTILINE)
    assert re.search(r"^USER 10001:10001$", stages[-1], flags=re.MULTILINE)
    script = (DOCKERFILES[0].parents[1] / "runtime" / "image" / "user").read_text()
    assert "datavision:x:10001:10001:" in script
    assert "chmod 1777 /tmp" in script
