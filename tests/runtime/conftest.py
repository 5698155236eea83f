import pytest


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What processes that are killed leave in their temporary folder goes with the test's, as with a container's."""
    # A short name: sockets lie in it.
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("t")))
