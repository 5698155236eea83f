import re
from pathlib import Path

import typer

from ingesta.cli import app
from ingesta.settings import CHECKS, IngestaSettings


def test_every_setting_option_and_check_is_documented(repository: Path) -> None:
    text = (repository / "packages" / "ingesta" / "README.md").read_text()
    settings = {f"DATAVISION_INGESTA__{key}".upper() for key in IngestaSettings.model_fields}
    assert set(re.findall(r"\| `(DATAVISION_INGESTA__[A-Z_]+)` \|", text)) == settings
    options = {option for parameter in typer.main.get_command(app).params for option in parameter.opts if "-" in option}
    assert set(re.findall(r"\| `(--[a-z-]+)", text)) == options
    assert set(re.findall(r"\| `([a-z_]+)` \| (?:source|a key|a row|the newest)", text)) == set(CHECKS)
