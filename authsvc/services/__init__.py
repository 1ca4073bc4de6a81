"""What the product does. Knows nothing of Flask, of HTTP or of Redis."""

from dataclasses import dataclass

from authsvc.services.health import HealthService
from authsvc.services.login import LoginService
from authsvc.services.sessions import SessionService


@dataclass(frozen=True, slots=True)
class Services:
    """Every use case, built once by the composition root."""

    login: LoginService
    sessions: SessionService
    health: HealthService
