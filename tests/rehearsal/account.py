"""An empty account, and what a new team has besides it: a code host, Docker Hub, a certificate, a source database.

The account is an embedded cloud that refuses what AWS would, with podman's containers in networks of their own.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import trustme
from tests.rehearsal.page import Step, write_setting

from fargate_local import FargateLocal

HOST = "airflow.rehearsal.example"
ACCOUNT = "123456789012"
EXAMPLE_ACCOUNT = "210987654321"
"""The one in the repository's `config/dev.toml`."""
SMTP = {
    "conn_type": "smtp",
    "host": "email-smtp.us-east-1.amazonaws.com",
    "port": 587,
    "login": "rehearsal",
    "password": "rehearsal",
    "extra": {"disable_ssl": True},
}
NOT_HERE = {"mail", "alarms", "fargate quota"}
"""What `doctor` misses on an embedded cloud: SES's server, somebody who confirms a subscription, and Service Quotas."""
PASSWORD = "of-the-business"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@datavision.example",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@datavision.example",
}


@dataclass
class Account:
    """One environment on its way from an empty account to a running platform."""

    cloud: FargateLocal
    project: Path
    state: Path
    authority: trustme.CA
    printed: str = ""
    """The last line that a command printed."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each command took."""

    def make_source(self) -> str:
        """Make the business's PostgreSQL, with its rows, in the VPC, and return its URL as seen from there."""
        rds = self.client("rds")
        (ours,) = rds.describe_db_instances(DBInstanceIdentifier="datavision-dev")["DBInstances"]
        rds.create_db_instance(
            DBInstanceIdentifier="source",
            DBName="source",
            Engine="postgres",
            DBInstanceClass="db.t4g.small",
            AllocatedStorage=20,
            MasterUsername="business",
            MasterUserPassword=PASSWORD,
            DBSubnetGroupName=ours["DBSubnetGroup"]["DBSubnetGroupName"],
            VpcSecurityGroupIds=[group["VpcSecurityGroupId"] for group in ours["VpcSecurityGroups"]],
        )
        rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="source", WaiterConfig={"Delay": 1})
        (made,) = rds.describe_db_instances(DBInstanceIdentifier="source")["DBInstances"]
        url = f"postgresql://business:{PASSWORD}@{made['Endpoint']['Address']}:{made['Endpoint']['Port']}/source"
        load = ("datavision", "source", "load", "--accounts", "2000")
        subprocess.run(
            load,
            cwd=self.project,
            env={**self.variables, "DATAVISION_SOURCE__URL": url},
            check=True,
            capture_output=True,
        )
        return url

    def client(self, service: str) -> Any:
        """A client of the account's root user."""
        return boto3.client(service, **self.cloud.client_args)

    def follow(self, step: Step) -> None:
        """Do what a step of the page says: write its settings, then run its commands."""
        for key in step.settings:
            self.write(key)
        for words in step.commands:
            self.run(*words)

    def write(self, key: str) -> None:
        """Write what this account's value of a setting is."""
        file = self.project / "config" / "dev.toml"
        write_setting(file, key, self._answers[key]())
        if key == "aws.account_id":
            file.write_text(file.read_text().replace(EXAMPLE_ACCOUNT, ACCOUNT))

    @property
    def _answers(self) -> dict[str, Callable[[], str]]:
        return {
            "aws.account_id": lambda: ACCOUNT,
            "network.source_cidr": lambda: "10.65.0.0/16",
            "airflow.image": lambda: self.printed,
            "airflow.host": lambda: HOST,
            "airflow.certificate_arn": self._certificate,
            "airflow.oidc_issuer": lambda: "https://id.rehearsal.example",
            "airflow.oidc_client_id": lambda: "airflow",
        }

    @property
    def _secrets(self) -> dict[str, Callable[[], str]]:
        return {
            "source_url": self.make_source,
            "airflow_oidc": lambda: "not used here",
            "smtp": lambda: json.dumps(SMTP),
        }

    def _certificate(self) -> str:
        certificate = self.authority.issue_cert(HOST)
        made = self.client("acm").import_certificate(
            Certificate=certificate.cert_chain_pems[0].bytes(),
            PrivateKey=certificate.private_key_pem.bytes(),
            CertificateChain=self.authority.cert_pem.bytes(),
        )
        return str(made["CertificateArn"])

    def run(self, *words: str) -> str:
        """Run a command as people do, in the project, with what it asks for on standard input; return its output."""
        given = self._secrets[words[3]]() if words[1:3] == ("infra", "secret") else None
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=self.project, env=self.variables, input=given, capture_output=True, text=True, check=False
        )
        self.seconds[" ".join(words)] = time.monotonic() - began
        sys.stderr.write(f"$ {' '.join(words)}  ({self.seconds[' '.join(words)]:.0f} s)\n")
        missing = set(re.findall(r"^missing\t([^\t]+)", done.stdout, flags=re.MULTILINE))
        well = done.returncode == 0 or (words[1] == "doctor" and missing == NOT_HERE)
        assert well, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
        if done.stdout.strip():
            self.printed = done.stdout.strip().splitlines()[-1]
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        """What is set where the commands run."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DATAVISION_"))}
        return {
            **inherited,
            **IDENTITY,
            **self.cloud.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATAVISION_AWS__ENDPOINT_URL": self.cloud.url,
            "DATAVISION_STATE_DIR": str(self.state),
            "DATAVISION_IMAGES__ENGINE": "podman",
        }

    def services(self) -> dict[str, tuple[int, int, str]]:
        """Airflow's services: desired and running tasks, and the state of the newest deployment."""
        ecs = self.client("ecs")
        arns = ecs.list_services(cluster="datavision-dev")["serviceArns"]
        found = ecs.describe_services(cluster="datavision-dev", services=arns)["services"] if arns else []
        return {
            each["serviceName"]: (each["desiredCount"], each["runningCount"], each["deployments"][0]["rolloutState"])
            for each in found
        }
