"""What this installation has: mini programs with their access_tokens, services with their scopes, signing keys."""

from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.services.operator.signingkeys import SigningKeys
from authsvc.values.operator import KeyInUse, KnownService
from authsvc.values.wechat import MiniProgram, TokenStatus


class Inventory:
    """Lists what there is, without any secret."""

    def __init__(self, apps: Apps, tokens: AccessTokens, services: ServiceCredentials, keys: SigningKeys) -> None:
        self._apps = apps
        self._tokens = tokens
        self._services = services
        self._keys = keys

    def programs(self) -> list[tuple[MiniProgram, TokenStatus]]:
        """Return every mini program with the status of its access_token. Does not call WeChat."""
        return [(self._apps.get(appid), self._tokens.peek(appid)) for appid in self._apps.ids()]

    def services(self) -> list[KnownService]:
        """Return the services that have a credential, by name."""
        return [KnownService(found.name, found.scopes, found.created_at) for found in self._services.list_all()]

    def signing_keys(self) -> list[KeyInUse]:
        """Return the published signing keys, each with its next step."""
        return [
            KeyInUse(step.key.kid, step.key.state, step.key.since, step.action, step.ready_at)
            for step in self._keys.list_all()
        ]
