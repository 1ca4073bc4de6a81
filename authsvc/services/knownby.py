"""What WeChat has confirmed about a person, and the keyed marks that replace it where it must not be stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from authsvc.db.queries.identities import Identity
from authsvc.sealing import LastingHash
from authsvc.values.people import PhoneNumber, User


@dataclass(frozen=True, slots=True)
class KnownBy:
    """Identities as (appid, openid), unionids, and verified phone numbers. Unverified claims are not included."""

    identities: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    unionids: tuple[str, ...] = field(default=(), repr=False)
    phones: tuple[PhoneNumber, ...] = ()

    @classmethod
    def of_user(cls, user: User, found: Sequence[Identity]) -> Self:
        """Return what identifies a user with these identities."""
        return cls(
            tuple((identity.appid, identity.openid) for identity in found),
            tuple(sorted({identity.unionid for identity in found if identity.unionid})),
            () if user.phone is None else (user.phone,),
        )

    def marks(self, hashes: LastingHash) -> list[str]:
        """Return one mark for each, to be stored."""
        return [hashes.of(*parts) for parts in self._parts()]

    def any_marks(self, hashes: LastingHash) -> list[str]:
        """Return every mark that may be stored for them, with each of SECRET_KEYS."""
        return [mark for parts in self._parts() for mark in hashes.any_of(*parts)]

    def _parts(self) -> list[tuple[str, ...]]:
        return [
            *(("identity", appid, openid) for appid, openid in self.identities),
            *(("unionid", unionid) for unionid in self.unionids),
            *(("phone", phone.country_code, phone.national) for phone in self.phones),
        ]
