"""Deploys `infra/*.yaml`, the CloudFormation stacks of one environment, and keeps its secrets.

The same templates make an AWS account and the embedded cloud.
"""

from datavision.infra.airflow_image import airflow_drift, move_airflow
from datavision.infra.deploy import Action, deploy, plan
from datavision.infra.destroy import Destruction, destroy, plan_destruction
from datavision.infra.drift import Drift, detect_drift
from datavision.infra.errors import InfraError
from datavision.infra.plan import StackPlan
from datavision.infra.secrets import missing_secrets, put_secret_values, secret_arns
from datavision.infra.stacks import Stack, stacks, templates_dir

__all__ = [
    "Action",
    "Destruction",
    "Drift",
    "InfraError",
    "Stack",
    "StackPlan",
    "airflow_drift",
    "deploy",
    "destroy",
    "detect_drift",
    "missing_secrets",
    "move_airflow",
    "plan",
    "plan_destruction",
    "put_secret_values",
    "secret_arns",
    "stacks",
    "templates_dir",
]
