"""The account rules, in one place: which user is this?

An identity is (appid, openid). In this order, the user is: that of a known identity; that of another identity with the
same unionid; the owner of a verified phone (``PHONE_ACCOUNT=link``); otherwise a new user. Unverified claims of a
client never identify anybody. Everything runs inside the caller's transaction; a lost race raises Restart.

Every user that a rule decides about is first read with a row lock. Otherwise, under READ COMMITTED, two logins of one
person could each decide on data that the other is about to change.
"""

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from authsvc.db.database import Restart
from authsvc.db.queries import identities, users
from authsvc.db.queries.identities import Identity
from authsvc.errors import AccountClosed, AccountDisabled, PhoneTaken
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.merging import is_bare, merge
from authsvc.services.audit import AuditLog
from authsvc.services.invites.rules import InviteRules
from authsvc.services.knownby import KnownBy
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.values.invites import InviteStatus
from authsvc.values.operator import of_app
from authsvc.values.people import PhoneNumber, PhonePolicy, Profile, User
from authsvc.values.wechat import MiniProgram


@dataclass(frozen=True, slots=True)
class Arrival:
    """A person who signs in: what WeChat confirms about them, their session_key (base64 text), and their profile."""

    app: MiniProgram
    openid: str
    unionid: str | None
    session_key: str | None = field(repr=False)
    profile: Profile
    phone: PhoneNumber | None = None
    invite_code: str | None = None

    @property
    def known_by(self) -> KnownBy:
        """What WeChat confirms about them, by which they can be recognised."""
        return KnownBy(
            ((self.app.appid, self.openid),),
            (self.unionid,) if self.unionid else (),
            (self.phone,) if self.phone else (),
        )


@dataclass(frozen=True, slots=True)
class Admitted:
    """A user, the identity they came with, and whether the user is new.

    ``invite`` is the result for their invite code, if they brought one; ``former_avatar`` is the picture address that
    this login replaced, if any.
    """

    user: User
    identity_id: int
    is_new: bool
    invite: InviteStatus | None = None
    former_avatar: str | None = None


def refuse_inactive(user: User) -> None:
    """Raise AccountClosed or AccountDisabled unless the user may sign in."""
    if user.status == "closed":
        raise AccountClosed(f"user {user.id}")
    if user.status != "active":
        raise AccountDisabled(f"user {user.id}")


class AccountRules:
    """Applies the rules; ``phone_policy`` decides about a verified phone of another user."""

    def __init__(
        self, phone_policy: PhonePolicy, invites: InviteRules, bans: Bans, audit: AuditLog, session_keys: SessionKeys
    ) -> None:
        self._phone_policy = phone_policy
        self._invites = invites
        self._bans = bans
        self._audit = audit
        self._session_keys = session_keys

    def recognise(self, connection: Connection, known: Identity, arrival: Arrival, now: int) -> Admitted:
        """Return the user of a known identity, after storing this login, a new session_key, unionid or verified phone.

        ``known`` was read in this transaction. Raises AccountDisabled, or PhoneTaken if the phone belongs to another
        user and neither can be merged.
        """
        user = known.user
        refuse_inactive(user)
        if known.is_added:
            # An added identity opens the user only here and adds nothing, or it would open them in other mini programs
            # too.
            self._note_unionid(connection, known, arrival.unionid)
        else:
            user = self._bring(connection, known, arrival, now)
        new_key = None if arrival.session_key is None else self._session_keys.seal_new(known, arrival.session_key)
        self._tell_profile(connection, user, arrival.profile, now)
        identities.record_login(connection, known, user.id, arrival.profile, now, session_key=new_key)
        invite = self._invites.apply(connection, user, arrival.known_by, arrival.invite_code, now)
        return _admitted(user, arrival.profile, known.id, invite, is_new=False)

    def renew_key(self, connection: Connection, known: Identity, session_key: str, now: int) -> None:
        """Store the session_key that WeChat has just returned for this identity, unless it is already stored."""
        self._session_keys.renew(connection, known, session_key, now)

    def _note_unionid(self, connection: Connection, known: Identity, unionid: str | None) -> None:
        if unionid and unionid != known.unionid:
            identities.set_unionid(connection, known.id, unionid)

    def _bring(self, connection: Connection, known: Identity, arrival: Arrival, now: int) -> User:
        """Give the user a late unionid and a verified phone; return the identity's user afterwards."""
        user = known.user
        if arrival.unionid and arrival.unionid != known.unionid:
            user = self._attach_unionid(connection, known, arrival.unionid, now)
        if arrival.phone is not None:
            user = self.bind_phone(connection, user, arrival.phone, arrival.app.appid, now)
        return user

    def admit(self, connection: Connection, arrival: Arrival, now: int) -> Admitted:
        """Add an identity that has no user yet, with its user: by unionid, by verified phone, or a new one.

        Raises AccountDisabled, PhoneTaken if the phone belongs to another user and must not link, and
        RegistrationClosed or InviteRequired if a new user must not be created.
        """
        self.refuse_banned(connection, arrival, now)
        return self.let_in(connection, arrival, now)

    def let_in(self, connection: Connection, arrival: Arrival, now: int) -> Admitted:
        """Do the same as ``admit`` for a person whom ``refuse_banned`` has accepted in this transaction."""
        owner = self.find_owner(connection, arrival, now)
        if owner is None:
            return self._register(connection, arrival, now)
        # Before the identity is added, because whether an owner is bare depends on what they had until now.
        user = (
            owner
            if arrival.phone is None
            else self.bind_phone(connection, owner, arrival.phone, arrival.app.appid, now)
        )
        self._tell_profile(connection, user, arrival.profile, now)
        users.record_login(connection, user.id, arrival.profile, now)
        invite = self._invites.apply(connection, user, arrival.known_by, arrival.invite_code, now)
        identity_id = self.add_identity(connection, arrival, user.id, now)
        self._audit.tell(connection, "identity.linked", user.id, now)
        return _admitted(user, arrival.profile, identity_id, invite, is_new=False)

    def _tell_profile(self, connection: Connection, user: User, arrived: Profile, now: int) -> None:
        if arrived.over(user.profile) != user.profile:
            self._audit.tell(connection, "profile.changed", user.id, now)

    def _register(self, connection: Connection, arrival: Arrival, now: int) -> Admitted:
        self.refuse_newcomers()
        user = users.insert(connection, arrival.profile, now)
        invite = self._invites.welcome(connection, user, arrival.known_by, arrival.invite_code, now)
        identity_id = self.add_identity(connection, arrival, user.id, now)
        self._audit.record(connection, "register", user.id, now, of_app(arrival.app.appid))
        if arrival.phone is not None:
            user = self._take_phone(connection, user, arrival.phone, arrival.app.appid, now)
        return _admitted(user, arrival.profile, identity_id, invite, is_new=True)

    def check_right(self, connection: Connection, arrival: Arrival, now: int) -> None:
        """Raise what ``admit`` would raise for a person who may not enter, and change nothing.

        AccountDisabled, RegistrationClosed, or InviteRequired and its kinds.
        """
        self.refuse_banned(connection, arrival, now)
        if self.find_owner(connection, arrival, now) is None:
            self._invites.refuse_newcomers()
            self._invites.refuse_uninvited(connection, arrival.invite_code, now)

    def refuse_newcomers(self) -> None:
        """Raise RegistrationClosed if no new user may be created, with any code."""
        self._invites.refuse_newcomers()

    def refuse_banned(self, connection: Connection, arrival: Arrival, now: int) -> None:
        """Raise AccountDisabled for a person who was disabled under an account that no longer belongs to them.

        Call this before an identity is added to a user; for a known identity, its user's status decides.
        """
        self._bans.refuse(connection, arrival.known_by, now)

    def find_owner(self, connection: Connection, arrival: Arrival, now: int) -> User | None:
        """Return the user that an unknown identity already belongs to, by unionid or verified phone."""
        owner = identities.find_unionid_owner(connection, arrival.unionid) if arrival.unionid else None
        if owner is None and arrival.phone is not None:
            owner = self._phone_owner(connection, arrival, arrival.phone, now)
        if owner is not None:
            refuse_inactive(owner)
        return owner

    def add_identity(
        self, connection: Connection, arrival: Arrival, user_id: int, now: int, *, is_added: bool = False
    ) -> int:
        """Add the identity to this user and return its id.

        ``is_added`` marks a second WeChat account: its unionid does not become the user's.
        """
        identity_id = identities.insert_if_absent(
            connection,
            appid=arrival.app.appid,
            openid=arrival.openid,
            unionid=arrival.unionid,
            user_id=user_id,
            session_key=None if arrival.session_key is None else self._session_keys.seal(arrival.session_key),
            now=now,
            is_added=is_added,
        )
        if identity_id is None:
            raise Restart
        if arrival.unionid and not is_added and not identities.claim_unionid(connection, arrival.unionid, user_id):
            self._check_claim(connection, arrival.unionid, user_id)
        return identity_id

    def bind_phone(self, connection: Connection, user: User, phone: PhoneNumber, appid: str, now: int) -> User:
        """Give the user a number that WeChat has verified in this app; return the resulting user.

        The same number changes nothing; a free one replaces an older one. If another user has it, the two are merged if
        the policy allows it and one is bare; otherwise raises PhoneTaken. A disabled person's number raises
        AccountDisabled.
        """
        if user.phone == phone:
            return user
        owner = users.find_by_phone(connection, phone)
        if owner is None:
            self._bans.refuse(connection, KnownBy(phones=(phone,)), now)
            return self._take_phone(connection, user, phone, appid, now)
        if self._phone_policy == "reject" or not is_bare(connection, user):
            raise PhoneTaken(f"user {user.id} asked for the phone of user {owner.id}")
        refuse_inactive(owner)
        merge(connection, self._audit, user, owner, now)
        return owner

    def give_up_phone(self, connection: Connection, user: User, appid: str, now: int) -> bool:
        """Remove the verified number of a user, on request in this app; False if there is none.

        The user's row must be locked. A later ban includes this number.
        """
        if user.phone is None or not users.clear_phone(connection, user.id, now):
            return False
        self._bans.note(connection, user, KnownBy(phones=(user.phone,)), now)
        self._audit.record(connection, "phone_unbound", user.id, now, of_app(appid))
        return True

    def _take_phone(self, connection: Connection, user: User, phone: PhoneNumber, appid: str, now: int) -> User:
        if not users.set_phone(connection, user.id, phone, now):
            raise Restart
        if user.phone is not None:
            self._bans.note(connection, user, KnownBy(phones=(user.phone,)), now)
        self._audit.record(connection, "phone_bound", user.id, now, of_app(appid))
        return replace(user, phone=phone, claimed_phone=None)

    def _attach_unionid(self, connection: Connection, known: Identity, unionid: str, now: int) -> User:
        """Store a newly known unionid. If it belongs to another user, a bare one of the two is merged into the other;

        if neither is bare, both stay, and the pair is listed among the conflicts.
        """
        user = known.user
        identities.set_unionid(connection, known.id, unionid)
        if identities.claim_unionid(connection, unionid, user.id):
            return user
        owner = identities.find_unionid_owner(connection, unionid)
        if owner is None:
            raise Restart
        if owner.id == user.id or owner.status != "active":
            return user
        # Of two bare users the older one stays, because other services have known it for longer.
        for loser, winner in sorted(((user, owner), (owner, user)), key=lambda pair: -pair[0].id):
            if is_bare(connection, loser):
                merge(connection, self._audit, loser, winner, now)
                return winner
        self._audit.record(connection, "unionid_conflict", user.id, now, f"with user {owner.id}")
        return user

    def take_over(self, connection: Connection, user: User, now: int) -> None:
        """Turn the oldest identity into the user's own if only added ones are left.

                The phone number is removed, because the person who proved that it is theirs is gone. The user's row
                must be
        locked.
        """
        left = identities.all_of_user(connection, user.id)
        if not left or not all(identity.is_added for identity in left):
            return
        heir = left[0]
        identities.make_own(connection, heir.id)
        if heir.unionid:
            identities.claim_unionid(connection, heir.unionid, user.id)
        if users.forget_phone(connection, user.id, now) and user.phone is not None:
            self._bans.note(connection, user, KnownBy(phones=(user.phone,)), now)
            self._audit.record(connection, "phone_unbound", user.id, now, of_app(heir.appid))

    def _check_claim(self, connection: Connection, unionid: str, user_id: int) -> None:
        """Accept a unionid that already belongs to this user; otherwise another login has just taken it."""
        owner = identities.find_unionid_owner(connection, unionid)
        if owner is None or owner.id != user_id:
            raise Restart

    def _phone_owner(self, connection: Connection, arrival: Arrival, phone: PhoneNumber, now: int) -> User | None:
        owner = users.find_by_phone(connection, phone)
        if owner is None:
            return None
        if self._phone_policy == "reject":
            raise PhoneTaken(f"phone of user {owner.id}")
        if identities.find_of_user(connection, owner.id, arrival.app.appid) is not None:
            self._audit.record(connection, "second_identity", owner.id, now, of_app(arrival.app.appid))
        return owner


def _admitted(user: User, profile: Profile, identity_id: int, invite: InviteStatus | None, *, is_new: bool) -> Admitted:
    wearing = profile.over(user.profile)
    former = user.profile.avatar_url if user.profile.avatar_url != wearing.avatar_url else None
    return Admitted(replace(user, profile=wearing), identity_id, is_new, invite, former)
