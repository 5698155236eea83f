"""What may follow the verb: dbt's selectors, and no option that changes how dbt runs."""

import pytest

from transformacion.errors import UsageError
from transformacion.selection import dbt_options, is_selection


@pytest.mark.parametrize(
    "text",
    [
        "fact_rfm",
        "fact_rfm+",
        "+fact_rfm+",
        "2+fact_rfm+10",
        "@dim_cuentas",
        "staging marts",
        "  fact_rfm   dim_cuentas ",
        "dim_*",
        "dim_cuent?s[ab]",
        "datavision.marts.*",
        "path:models/staging/stg_accounts.sql",
        "./models/marts",
        "tag:diario,config.materialized:table+",
        "config.meta.dueno:datos-y-mas",
        "source:raw_datavision.accounts+",
        "state:modified+",
        "result:error+ resource_type:model",
        "test_type:unit",
        "fact_rfm+,resource_type:model staging",
    ],
)
def test_what_dbts_select_takes_is_a_selection(text: str) -> None:
    assert is_selection(text)
    assert dbt_options(["--select", text]) == ["--select", *text.split()]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "--threads 8",
        "fact_rfm --threads 8",
        "fact_rfm\n--threads=8",
        "fact_rfm\n",
        "-s",
        "fact_rfm -x",
        "tag:-x",
        "fact_rfm,",
        ",fact_rfm",
        "fact_rfm,,dim_cuentas",
        "fact_rfm, dim_cuentas",
        "+",
        "fact_rfm;rm",
        "$(id)",
        "{{ 1 }}",
        "'fact_rfm'",
        "selección",
        "fact_rfm\x00",
        "a\u2028b",
    ],
)
def test_anything_else_is_none_and_options_least_of_all(text: str) -> None:
    assert not is_selection(text)
    with pytest.raises(UsageError):
        dbt_options(["--select", text])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threads", "8"],
        ["--threads=8"],
        ["--select", "fact_rfm", "--threads", "8"],
        ["--profiles-dir", "/tmp"],
        ["--target", "prod"],
        ["--log-level", "debug"],
        ["-t", "prod"],
        ["-sfact_rfm"],
        ["--"],
    ],
)
def test_an_option_that_changes_how_dbt_runs_is_refused_by_name(arguments: list[str]) -> None:
    refused = next(argument for argument in arguments if argument not in ("--select", "fact_rfm"))
    with pytest.raises(UsageError, match="is not an option here") as raised:
        dbt_options(arguments)
    assert repr(refused) in str(raised.value)


def test_the_options_that_say_what_to_run_reach_dbt_as_they_are() -> None:
    arguments = ["-s", "a", "b+", "--exclude", "c", "--resource-type=model", "--vars", "{x: -1}", "--full-refresh"]
    assert dbt_options(arguments) == [
        *("-s", "a", "b+", "--exclude", "c", "--resource-type", "model", "--vars", "{x: -1}", "--full-refresh")
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--select"], "needs a value"),
        (["--vars"], "needs a value"),
        (["--select", "--exclude", "a"], "is not a selection"),
        (["fact_rfm"], "--select fact_rfm"),
        (["--full-refresh", "fact_rfm"], "--select fact_rfm"),
    ],
)
def test_a_selection_out_of_place_is_refused_with_how_to_write_it(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        dbt_options(arguments)
