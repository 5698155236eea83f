"""The CloudFormation templates as plain values."""

import json
from pathlib import Path
from typing import Any


def read_template(path: Path) -> dict[str, Any]:
    """A template in YAML, its short forms (`!Ref`) written out and its line numbers gone."""
    from cfnlint.decode import decode  # 2 seconds, which the tests of all other files would wait for

    loaded: dict[str, Any] = json.loads(json.dumps(decode(str(path))[0]))
    return loaded
