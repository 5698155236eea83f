"""Who may call the page: Airflow leaves the apps of plugins open to everybody, so each route names one of these.

Airflow 3.3: https://github.com/apache/airflow/issues/72655.
"""

from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from fastapi import Depends, HTTPException, Request, status


def operates(user: BaseUser) -> bool:
    """Return whether `user` may change what runs: whoever may change pools, in Airflow's roles `Op` and above."""
    return get_auth_manager().is_authorized_pool(method="PUT", user=user)


def readable_pipelines(user: BaseUser) -> set[str]:
    """Return the ids of the DAGs that `user` may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def requires_operator(user: GetUserDep) -> None:
    """Refuse whoever may not change what runs.

    Raises:
        HTTPException: 403.
    """
    if not operates(user):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "Only operators may change a release. Ask an administrator for the role Op."
        )


def requires_same_origin(request: Request) -> None:
    """Refuse what a page of another origin had the user's browser send.

    A program sends no Origin and shows a token; a browser that shows only its cookie has to send the Origin.

    Raises:
        HTTPException: 403.
    """
    origin = request.headers.get("origin")
    ours = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    program = origin is None and "authorization" in request.headers
    if not (ours or program):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "This call has to come from Airflow's own page.")


VIEWER = Depends(requires_access_view(AccessView.WEBSITE))
"""May open the UI."""
READER = Depends(requires_access_dag("GET", DagAccessEntity.RUN))
"""May see the runs of the DAG that the path names."""
EDITOR = Depends(requires_access_dag("PUT"))
"""May change the DAG that the path names."""
OPERATOR = Depends(requires_operator)
SAME_ORIGIN = Depends(requires_same_origin)
CHECKS = (VIEWER, READER, EDITOR, OPERATOR)
"""A route without one of them would be open."""

User = Annotated[BaseUser, GetUserDep.__metadata__[0]]
