"""The tokens of a session."""

import secrets
from typing import Any

from authsvc.services.miniprograms.apps import Apps
from authsvc.services.sessions.claims import RuledClaims
from authsvc.services.sessions.refreshtokens import RefreshTokens
from authsvc.signing.tokens import TokenIssuer
from authsvc.values.claims import ClaimValue
from authsvc.values.invites import InviteStatus
from authsvc.values.people import User
from authsvc.values.sessions import AccessToken, ExtraClaim, LoginResult, Session, TokenPolicy

NATIVE = "native"


class SessionTokens:
    """Signs access tokens and creates refresh tokens, according to the policy of the session's contract."""

    def __init__(
        self,
        apps: Apps,
        issuer: TokenIssuer,
        refresh_tokens: RefreshTokens,
        extra_claims: tuple[ExtraClaim, ...],
        ruled: RuledClaims,
        native: TokenPolicy,
    ) -> None:
        """``native`` is the policy of the native contract, which is the default."""
        self._apps = apps
        self._issuer = issuer
        self._refresh_tokens = refresh_tokens
        self._extra_claims = extra_claims
        self._ruled = ruled
        self.native = native

    def hand_out(
        self,
        user: User,
        session: Session,
        openid: str,
        policy: TokenPolicy | None = None,
        *,
        is_new: bool = False,
        opened: dict[str, Any] | None = None,
        invite: InviteStatus | None = None,
    ) -> LoginResult:
        """Return the answer for a person who has just signed in or renewed their session: the tokens and the user."""
        return LoginResult(
            user=user,
            session=session,
            token=self.access(user, session, openid, policy or self.native, is_new=is_new),
            openid=openid,
            refresh_token=self.refresh(session),
            is_new=is_new,
            opened=opened,
            invite=invite,
        )

    def access(self, user: User, session: Session, openid: str, policy: TokenPolicy, *, is_new: bool) -> AccessToken:
        """Return a signed token. The jti of a front end's only token is session and counter, so that it can rotate."""
        values: dict[str, ClaimValue] = {"openid": openid, "nickname": user.profile.nickname or ""}
        app = self._apps.get(session.appid)
        named: dict[str, ClaimValue] = {
            name: values[name] for name in sorted({*policy.extra_claims, *self._extra_claims})
        }
        return self._issuer.issue(
            user_id=user.id,
            session_id=session.id,
            app=app,
            lifetime=policy.lifetime,
            jti=secrets.token_urlsafe(16) if session.contract == NATIVE else f"{session.id}.{session.counter}",
            extra={**self._ruled.of(user, app, is_new=is_new), **named},
        )

    def refresh(self, session: Session) -> str:
        """Return the refresh token of a native session, or None for a session without one."""
        return self._refresh_tokens.make(session.id, session.counter) if session.contract == NATIVE else ""

    def read_refresh(self, text: str) -> tuple[str, int]:
        """Return (session id, counter) of a refresh token; raises Unauthenticated."""
        return self._refresh_tokens.read(text)
