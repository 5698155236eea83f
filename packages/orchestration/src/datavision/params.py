"""Validates the parameters of a run against its DAG's form, before the run exists."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from datavision.errors import UserError

Form = Mapping[str, Mapping[str, Any]]
"""A DAG's fields as Airflow's API gives them: name → `value`, `description`, `schema`."""


class ParamError(UserError):
    """A parameter that the pipeline does not have, or a value that its form rejects."""


def own_params(forms: Mapping[str, Form], conf: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each pipeline's share of `conf`: the parameters that its form has.

    Args:
        forms: Pipeline → its form.
        conf: Parameter → value, as given for all of them.

    Raises:
        ParamError: A parameter is in no form, or its value is not valid in one that has it.
    """
    for name, value in conf.items():
        having = [form for form in forms.values() if name in form]
        if not having:
            known = sorted({known for form in forms.values() for known in form})
            raise ParamError(
                f"{' and '.join(forms)} {'have' if len(forms) > 1 else 'has'} no parameter {name!r}. "
                f"Use one of: {', '.join(known) or 'none, it takes no parameters'}."
            )
        for form in having:
            _check(name, value, form[name])
    return {pipeline: {name: conf[name] for name in conf if name in form} for pipeline, form in forms.items()}


def _check(name: str, value: Any, field: Mapping[str, Any]) -> None:
    schema = field.get("schema") or {}
    if Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(value):
        return
    help_text = str(schema.get("description_md") or field.get("description") or schema.get("title") or "").strip()
    wanted = f" It takes: {help_text}" if help_text else f" Its form wants: {schema}."
    raise ParamError(f"{value!r} is not a valid value of the parameter {name}, so nothing was started.{wanted}")
