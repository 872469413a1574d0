"""One row of the route table: what can be asked, and what is answered.

The application, its OpenAPI document and the access rules are all made from these rows.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ..base.clock import Clock
from ..base.ids import Entropy
from ..store.documents import Store
from .auth import ApiKeys
from .metrics import Metrics
from .ports import CallDesk, ReadinessCheck, TimelineWaiter, TrunkDesk, TrunkTester

Access = Literal["key", "public", "metrics"]


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with."""

    store: Store
    desk: CallDesk
    trunks: TrunkDesk
    trunk_tester: TrunkTester
    keys: ApiKeys
    timeline: TimelineWaiter
    metrics: Metrics
    clock: Clock
    entropy: Entropy
    readiness: Mapping[str, ReadinessCheck]
    metrics_public: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose sender is known; `org_id` is empty on public routes."""

    request: Request
    services: Services
    org_id: str

    @property
    def id(self) -> str:
        """The id in the path."""
        value: str = self.request.path_params["id"]
        return value


Handler = Callable[[Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    summary: str
    access: Access = "key"
    body: tuple[type[BaseModel], ...] = ()
    """The models of the body; of several, any one."""
    answer: str = "object"
    """A resource's name, `list of` one, a media type, or `object` for other JSON."""
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)
    """Names of query parameters and their JSON type."""
    also: tuple[int, ...] = ()
    """Error statuses beyond 400, 401, 404 and 500 that fit the access, path and body."""
