"""moto's Secrets Manager where it differs from AWS's: which parts of an ARN find a secret.

A part that ends in a hyphen and six characters is taken for a whole ARN, so a secret whose own name ends that way is
not found by it (Secrets Manager API reference, GetSecretValue, SecretId; user guide, "Troubleshooting"; what ECS then
says of `test-secret` is in aws-samples/dify-self-hosted-on-aws#35; read November 2026).
"""

import re
import sys
from typing import Any, Final

from fargate_local.cloud.replaced import original, replace

LIKE_A_SUFFIX: Final = re.compile(r"^arn:.*:secret:.*-[^-]{6}\Z", re.DOTALL)


def extend(service: str, client: Any) -> None:
    """Mend moto's Secrets Manager once it is there: other services load it as well."""
    del service, client
    if "moto.secretsmanager.models" in sys.modules:
        find_as_aws_does()


def find_as_aws_does() -> None:
    """Have moto find no secret by a part of its ARN that AWS takes for the whole."""
    from moto.secretsmanager import models

    def name_of(identifier: str) -> str:
        if LIKE_A_SUFFIX.match(identifier):
            return identifier  # which no secret has as its name
        return str(original(models, "get_secret_name_from_partial_arn")(identifier))

    replace(models, "get_secret_name_from_partial_arn", name_of)
