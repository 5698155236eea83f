"""AWS's own policies in moto's IAM: made when somebody first names one, for all of them take half a second."""

import json
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from fargate_local.cloud.requests import CloudRequest
from fargate_local.protocol.arns import ACCOUNT

NAMES: Final = (b"iam::aws:policy", b"iam%3A%3Aaws%3Apolicy")


def names_aws_policy(request: CloudRequest) -> bool:
    """Return whether a request may be about a policy of AWS's own: it names one, or lists all."""
    if request.service == "iam" and request.action == "ListPolicies":
        return True
    return request.service in ("iam", "cloudformation") and any(name in request.body for name in NAMES)


def load_aws_policies() -> None:
    """Give moto's IAM the policies that it knows, unless it has them."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data
    from moto.iam.models import AWSManagedPolicy, iam_backends

    backend = iam_backends[ACCOUNT]["aws"]
    if backend.aws_managed_policies:
        return
    documents: dict[str, Any] = json.loads(aws_managed_policies_data)
    for name, document in documents.items():
        policy = AWSManagedPolicy.from_data(name, ACCOUNT, backend.region_name, document)
        # moto draws its id by chance; this one is the same at every start, and costs no draw.
        policy.id = f"ANPA{uuid5(NAMESPACE_URL, policy.arn).hex[:17].upper()}"
        backend.aws_managed_policies.append(policy)
        backend.managed_policies[policy.arn] = policy
