"""Who may enter: the words of which every route's declaration says one. ``guards.py`` holds callers to them."""

from dataclasses import dataclass

from authsvc.values.operator import ServiceScope


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody: no credential is asked for. The view gets nothing, or a ``caller`` where the route ``knows_people``.

    The ``caller`` is None without a token that holds. What else a request brings along (a code, a ticket, WeChat's
    signature) is for the use case to judge.
    """

    knows_people: bool = False

    def __str__(self) -> str:
        return "public or person" if self.knows_people else "public"


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever has the token of a live session: the view gets the ``caller``.

    Where the token ``may_be_expired`` nobody has asked for its session yet: the view gets its ``claims``.
    """

    may_be_expired: bool = False

    def __str__(self) -> str:
        return "person, even with an expired token" if self.may_be_expired else "person"


@dataclass(frozen=True, slots=True)
class Service:
    """Another service whose credential has the ``scope``: the view gets its name as ``service``.

    ``hidden`` addresses do not exist while there is no credential at all.
    """

    scope: ServiceScope
    hidden: bool = False

    def __str__(self) -> str:
        return f"service({self.scope})"


Who = Public | Person | Service

PUBLIC = Public()
PUBLIC_OR_PERSON = Public(knows_people=True)
PERSON = Person()
PERSON_EVEN_EXPIRED = Person(may_be_expired=True)
