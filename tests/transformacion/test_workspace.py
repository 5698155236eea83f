from pathlib import Path

from transformacion.workspace import parse_cache


def test_projects_in_two_places_share_nothing_that_dbt_parsed() -> None:
    one, other = parse_cache(Path("/images/one/dbt")), parse_cache(Path("/images/other/dbt"))
    assert one.parent != other.parent
    assert one == parse_cache(Path("/images/one/dbt"))
