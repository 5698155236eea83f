"""How people sign on to Airflow on AWS: with the OpenID Connect provider that `[airflow]` of the configuration names.

Flask-AppBuilder reads this file. Members of the group OIDC_ADMINS (claim `groups`) administer Airflow, everybody else
whom the provider lets in may look. Without an issuer nobody can sign on: there are no other users and no passwords.
"""

import os

from flask_appbuilder.const import AUTH_DB, AUTH_OAUTH

_ISSUER = os.environ.get("OIDC_ISSUER", "").rstrip("/")

AUTH_TYPE = AUTH_OAUTH if _ISSUER else AUTH_DB
AUTH_USER_REGISTRATION = bool(_ISSUER)
AUTH_USER_REGISTRATION_ROLE = "Viewer"
AUTH_ROLES_SYNC_AT_LOGIN = True
AUTH_ROLES_MAPPING = {os.environ.get("OIDC_ADMINS", "datavision-admins"): ["Admin"]}
OAUTH_PROVIDERS = [
    {
        "name": "sso",
        "icon": "fa-sign-in",
        "token_key": "access_token",
        "remote_app": {
            "client_id": os.environ.get("OIDC_CLIENT_ID", ""),
            "client_secret": os.environ.get("OIDC_CLIENT_SECRET", ""),
            "server_metadata_url": f"{_ISSUER}/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid profile email groups"},
        },
    }
]
SESSION_COOKIE_SECURE = True
WTF_CSRF_ENABLED = True
