"""One openstacksdk connection to one cloud, and the place where the exceptions of OpenStack's clients become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openstack
import requests
from keystoneauth1 import exceptions as keystone_errors
from openstack import exceptions as sdk_errors
from requests.adapters import HTTPAdapter

from saltus.errors import OperatorError


class CloudDidNotAnswer(OperatorError):
    """An API refused, failed or could not be reached."""


@dataclass(frozen=True)
class Login:
    """Who asks, and where. `host` is the VIP, or the own address of one control machine (a rehearsal's `upg01`, whose
    catalogue points at itself)."""

    host: str
    username: str
    project: str
    password: str = field(repr=False)
    region: str = "RegionOne"
    domain: str = "Default"
    port: int = 5000
    by: str | None = None
    """The address of a proxy that is asked in place of `host`: before the switch, when `host` is still at the other."""

    @property
    def auth_url(self) -> str:
        return f"http://{self.host}:{self.port}/v3"


class ByProxy(HTTPAdapter):
    """Sends what is asked of one host to the machine at another address, as if that host were there already."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        asked = urlsplit(str(request.url))
        request.headers["Host"] = asked.netloc
        request.url = urlunsplit(asked._replace(netloc=f"{self.address}:{asked.port or 80}"))
        return super().send(request, *args, **kwargs)


def connect(login: Login, *, timeout_s: float = 60) -> Any:
    """An authorised `openstack.connection.Connection`; its requests give up after `timeout_s` each."""
    with translated(f"cannot log in to {login.auth_url} as {login.username}"):
        connection = openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_type="password",
            auth={
                "auth_url": login.auth_url,
                "username": login.username,
                "password": login.password,
                "project_name": login.project,
                "user_domain_name": login.domain,
                "project_domain_name": login.domain,
            },
            region_name=login.region,
            interface="public",
            api_timeout=timeout_s,
            app_name="saltus",
        )
        if login.by is not None:
            connection.session.session.mount(f"http://{login.host}:", ByProxy(login.by))
        connection.authorize()
    return connection


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Let the body speak to OpenStack: what its clients raise leaves as a CloudDidNotAnswer that begins with `what`."""
    try:
        yield
    except (keystone_errors.Unauthorized, keystone_errors.Forbidden) as exc:
        raise CloudDidNotAnswer(
            what=what,
            because=f"keystone did not accept user, password or project ({first_line(exc)})",
            do="compare the admin password in the cloud's secret store with the one keystone was bootstrapped with",
        ) from exc
    except (keystone_errors.ConnectFailure, keystone_errors.ConnectTimeout) as exc:
        raise CloudDidNotAnswer(
            what=what,
            because=first_line(exc),
            do="see with `saltus lab status` that the control and proxy machines run, and that the API's unit does",
        ) from exc
    except (keystone_errors.ClientException, sdk_errors.SDKException) as exc:
        raise CloudDidNotAnswer(
            what=what, because=first_line(exc), do="read the log of that service on its control machine"
        ) from exc


def first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]
