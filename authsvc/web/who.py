"""Who may enter: every route's declaration has one of these words. ``guards.py`` enforces them."""

from dataclasses import dataclass

from authsvc.values.operator import OperatorRole, ServiceScope


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody, without a credential. The view gets nothing, or a ``caller`` if the route ``knows_people``.

    The ``caller`` is None without a valid token. The use case checks everything else in the request (a code, a ticket,
    WeChat's signature).
    """

    knows_people: bool = False

    def __str__(self) -> str:
        return "public or person" if self.knows_people else "public"


@dataclass(frozen=True, slots=True)
class Person:
    """A caller with the token of a live session: the view gets the ``caller``.

    If the token ``may_be_expired``, its session has not been checked yet, and the view gets its ``claims``.
    """

    may_be_expired: bool = False

    def __str__(self) -> str:
        return "person, even with an expired token" if self.may_be_expired else "person"


@dataclass(frozen=True, slots=True)
class Service:
    """Another service with the ``scope``: the view gets its name as ``service``.

    ``hidden`` routes do not exist while there is no credential at all.
    """

    scope: ServiceScope
    hidden: bool = False

    def __str__(self) -> str:
        return f"service({self.scope})"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with this role or a higher one: the view gets the ``operator``.

    A ``page`` knows them by the session of their browser, and refuses writes that are not of its own forms. The API
    knows them by their credential, and refuses writes that pages send.
    """

    role: OperatorRole
    page: bool = False

    def __str__(self) -> str:
        return f"operator({self.role}){' on a page' if self.page else ''}"


Who = Public | Person | Service | Operator

PUBLIC = Public()
PUBLIC_OR_PERSON = Public(knows_people=True)
PERSON = Person()
PERSON_EVEN_EXPIRED = Person(may_be_expired=True)
