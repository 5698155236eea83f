"""Imported for its effect, in the interpreter that steps are forked from: what the module's commands need is loaded."""

import sys
import traceback

from datavision_runtime.process_environment import ProcessEnvironment
from datavision_runtime.shared.child import preload
from datavision_runtime.shared.messages import Serving

try:
    preload(Serving.of(ProcessEnvironment.current().shared or "").module)
except Exception:  # noqa: BLE001 - a step that needs it fails with a sentence of its own, the others run
    traceback.print_exc(file=sys.stderr)
