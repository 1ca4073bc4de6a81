"""WeChat's notifications about people: revoked authorizations, leaving, and removed profiles."""

from collections.abc import Callable

from authsvc import metrics
from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import identities, push_receipts
from authsvc.errors import LastIdentity, NoSuchRoute, PushRejected
from authsvc.sealing import KeyedHash
from authsvc.services.accounts.linking import Linking
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.profiles import Profiles
from authsvc.values.people import IdentityLink
from authsvc.values.wechat import MiniProgram, PushEvent, PushQuery
from authsvc.wechat.push import PushReader

_MAX_AGE_SECONDS = 300
# WeChat sends a push up to three times within seconds; an older one is refused by its timestamp anyway.
RECEIPT_SECONDS = 2 * _MAX_AGE_SECONDS
# The values of RevokeInfo whose data authsvc stores (WeChat page: 授权用户资料变更).
_PROFILE, _PHONE, _NICKNAME, _AVATAR = 6, 8, 19, 20


class Pushes:
    """Acts on pushed events, idempotently, because WeChat repeats pushes that were not answered in time."""

    def __init__(
        self,
        *,
        apps: Apps,
        database: Database,
        profiles: Profiles,
        linking: Linking,
        closing: AccountClosing,
        hashes: KeyedHash,
        clock: SystemClock,
    ) -> None:
        self._apps = apps
        self._database = database
        self._profiles = profiles
        self._linking = linking
        self._closing = closing
        self._hashes = hashes
        self._clock = clock
        self._acts: dict[str, Callable[[int, IdentityLink, PushEvent], None]] = {
            "user_authorization_revoke": self._forget_revoked,
            "user_authorization_cancellation": self._forget_person,
            "user_info_modified": self._forget_profile,
        }

    def check_address(self, appid: str | None, query: PushQuery) -> None:
        """Accept WeChat's test of the address. Raises PushRejected; NoSuchRoute if push is not set up."""
        _, reader = self._reader(appid)
        self._refuse_stale(query)
        reader.check_address(query)

    def receive(self, appid: str | None, query: PushQuery, body: bytes) -> None:
        """Act on a delivery, once. An unknown event, or one about an unknown person, changes nothing.

        Raises PushRejected, NoSuchRoute if push is not set up, ServiceBusy (WeChat will send it again).
        """
        app, reader = self._reader(appid)
        self._refuse_stale(query)
        event = reader.read(query, body)
        act = self._acts.get(event.name)
        metrics.pushes.labels("other" if act is None else event.name).inc()
        if act is None or event.openid is None:
            return
        openid, receipts = event.openid, self._receipts(app, query, event)
        known = self._database.read(
            lambda connection: (
                None
                if push_receipts.has_any(connection, receipts)
                else identities.owned_link(connection, app.appid, openid)
            )
        )
        # A person who left and came back since is a new user.
        if known is not None and known[1].created_at <= event.created_at:
            act(*known, event)
        now = self._clock.seconds()
        # Stored last: after an interruption the action is repeated, which is harmless, instead of skipped.
        self._database.run(push_receipts.add, receipts, now)

    def _reader(self, appid: str | None) -> tuple[MiniProgram, PushReader]:
        app = self._apps.choose(appid, None)
        if app.push is None:
            raise NoSuchRoute(f"no push token for {app.appid}")
        return app, PushReader(app, app.push)

    def _refuse_stale(self, query: PushQuery) -> None:
        stamp = query.timestamp
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
            raise PushRejected("no timestamp")
        if abs(self._clock.now() - int(stamp)) > _MAX_AGE_SECONDS:
            raise PushRejected("too old, or a clock is wrong")

    def _receipts(self, app: MiniProgram, query: PushQuery, event: PushEvent) -> list[str]:
        """Return two hashes of a delivery: of its address, whose signature omits the message, and of the event."""
        told = (event.name, event.sender, event.openid or "", str(event.created_at), *map(str, sorted(event.revoked)))
        return [
            self._hashes.of("address", app.appid, query.timestamp, query.nonce),
            self._hashes.of("event", app.appid, *told),
        ]

    def _forget_revoked(self, user_id: int, link: IdentityLink, event: PushEvent) -> None:
        # The number never belongs to an added WeChat account.
        if _PHONE in event.revoked and not link.is_added:
            self._closing.forget_phone(user_id, event.name)
        nickname, avatar = event.revoked & {_PROFILE, _NICKNAME}, event.revoked & {_PROFILE, _AVATAR}
        if nickname or avatar:
            self._profiles.forget_profile(user_id, nickname=bool(nickname), avatar=bool(avatar))

    def _forget_profile(self, user_id: int, _: IdentityLink, __: PushEvent) -> None:
        self._profiles.forget_profile(user_id, nickname=True, avatar=True)

    def _forget_person(self, user_id: int, link: IdentityLink, event: PushEvent) -> None:
        """Handle leaving this mini program: with other identities, only this one is removed; otherwise erase."""
        try:
            self._linking.forget_identity(user_id, link.id, event.name)
        except LastIdentity:
            self._closing.erase(user_id, event.name)
