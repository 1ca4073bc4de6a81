"""Tables. Times are whole seconds since 1970 UTC; ids made by WeChat or authsvc are compared byte for byte.

The hot path does not load these models (see ``db/statements.py``); migrations and the shell use them. What statements
know of tables is in ``db/tables.py``.
"""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, ForeignKey, Index, Integer, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from authsvc.db.columns import BIG_KEY, TABLE, exact
from authsvc.values.sessions import DEVICE_CHARACTERS


class Base(DeclarativeBase):
    """Base of every table of authsvc."""


db = SQLAlchemy(model_class=Base)

# Without AUTOINCREMENT, SQLite would reuse the id of an erased row: of users, whom other services know by id, and of
# identities, by which a repeated login finds its first answer.
_LASTING_IDS = {**TABLE, "sqlite_autoincrement": True}


class UserRow(Base):
    """A person."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("country_code", "phone", name="uq_users_phone"),
        Index("ix_users_claimed_phone", "claimed_phone"),
        Index("ix_users_closed_at", "closed_at"),
        Index("ix_users_created_at", "created_at"),
        Index("ix_users_invited_by_id", "invited_by_id"),
        Index("ix_users_merged_into_id", "merged_into_id"),
        _LASTING_IDS,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    nickname: Mapped[str | None] = mapped_column(String(64))
    avatar_url: Mapped[str | None] = mapped_column(String(512))
    gender: Mapped[int | None] = mapped_column(SmallInteger)
    # Verified by WeChat: country code ("86") and national digits.
    country_code: Mapped[str | None] = mapped_column(exact(8))
    phone: Mapped[str | None] = mapped_column(exact(20))
    # Only typed in (E.164): never identifies anybody; several users may claim a number, and a verified owner ends
    # claims.
    claimed_phone: Mapped[str | None] = mapped_column(exact(20))
    status: Mapped[str] = mapped_column(String(16), server_default="active")
    # Incremented to end all sessions of the user.
    token_version: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)
    last_login_at: Mapped[int] = mapped_column(BigInteger)
    # The person closed the account; it is erased when the cooling-off period is over.
    closed_at: Mapped[int | None] = mapped_column(BigInteger)
    # The user that this one was merged into; the row stays so that ids stored by other services can be traced.
    merged_into_id: Mapped[int | None] = mapped_column(BigInteger)
    # No foreign key, because each login would then lock the inviter's row.
    invited_by_id: Mapped[int | None] = mapped_column(BigInteger)


class IdentityRow(Base):
    """One person in one mini program, with the encrypted session_keys of the last and the previous login."""

    __tablename__ = "identities"
    __table_args__ = (
        UniqueConstraint("appid", "openid", name="uq_identities_appid_openid"),
        Index("ix_identities_user_id", "user_id"),
        _LASTING_IDS,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    appid: Mapped[str] = mapped_column(exact(32))
    openid: Mapped[str] = mapped_column(exact(64))
    unionid: Mapped[str | None] = mapped_column(exact(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", name="fk_identities_user_id"))
    # Null until the first wx.login after a registration with a ticket.
    session_key: Mapped[str | None] = mapped_column(String(255))
    previous_session_key: Mapped[str | None] = mapped_column(String(255))
    session_key_replaced_at: Mapped[int | None] = mapped_column(BigInteger)
    # 1 for a second WeChat account that a session has linked: it opens the user only in this mini program.
    is_added: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    created_at: Mapped[int] = mapped_column(BigInteger)


class UnionidRow(Base):
    """The owner of a unionid: the unique key that joins one person's identities across apps, even in a race."""

    __tablename__ = "unionids"
    __table_args__ = (Index("ix_unionids_user_id", "user_id"), TABLE)

    unionid: Mapped[str] = mapped_column(exact(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", name="fk_unionids_user_id"))


class SessionRow(Base):
    """One login on one device."""

    __tablename__ = "sessions"
    __table_args__ = (
        # A login reads the live sessions and the last ended ones; an export reads them in this order.
        Index("ix_sessions_user_id_revoked_at", "user_id", "revoked_at", "id"),
        # Without live sessions, if the database supports that, so a login does not pay for it.
        Index("ix_sessions_revoked_at", "revoked_at", "contract", "id", sqlite_where=text("revoked_at IS NOT NULL")),
        TABLE,
    )

    id: Mapped[str] = mapped_column(exact(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", name="fk_sessions_user_id"))
    appid: Mapped[str] = mapped_column(exact(32))
    # The identity of the login: one user may have several identities in one mini program.
    identity_id: Mapped[int | None] = mapped_column(BigInteger)
    contract: Mapped[str] = mapped_column(String(32))
    # Of two sessions that were used in the same second, the one with the lower number is older.
    number: Mapped[int] = mapped_column(Integer, server_default="0")
    # How often the ticket of this session was rotated; tickets are compared only with this.
    counter: Mapped[int] = mapped_column(Integer, server_default="0")
    token_version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[int] = mapped_column(BigInteger)
    rotated_at: Mapped[int] = mapped_column(BigInteger)
    idle_seconds: Mapped[int] = mapped_column(Integer)
    idle_expires_at: Mapped[int] = mapped_column(BigInteger)
    absolute_expires_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)
    revoke_reason: Mapped[str | None] = mapped_column(String(32))
    device: Mapped[str] = mapped_column(String(DEVICE_CHARACTERS), server_default="")


class NotBeforeMarkRow(Base):
    """The time before which a user's tokens are invalid. No foreign key: verifiers must also learn of erased users."""

    __tablename__ = "not_before_marks"
    __table_args__ = (Index("ix_not_before_marks_not_before", "not_before"), TABLE)

    user_id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=False)
    not_before: Mapped[int] = mapped_column(BigInteger)


class LoginAttemptRow(Base):
    """A login with an Idempotency-Key: a hash of code and key, its time, and its result."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_started_at", "started_at"), TABLE)

    login_hash: Mapped[str] = mapped_column(exact(64), primary_key=True)
    started_at: Mapped[int] = mapped_column(BigInteger)
    identity_id: Mapped[int | None] = mapped_column(BigInteger)
    session_id: Mapped[str | None] = mapped_column(exact(32))
    # The result of its invite code; a repeat gets the same.
    invite: Mapped[str | None] = mapped_column(String(16))


class SpentTicketRow(Base):
    """A registration ticket that was used or refused, until it would have expired; or a refused WeChat account.

    A WeChat account is stored as a keyed hash, for a day, so its next ticket does not start counting again.
    """

    __tablename__ = "spent_tickets"
    __table_args__ = (Index("ix_spent_tickets_expires_at", "expires_at"), TABLE)

    ticket_id: Mapped[str] = mapped_column(exact(32), primary_key=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    # A refusal counts one; a success uses up the ticket.
    uses: Mapped[int] = mapped_column(SmallInteger, server_default="3")


class AuditEventRow(Base):
    """A security-relevant change: who, what, when, in which request."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_user_id_at", "user_id", "at"), Index("ix_audit_events_at", "at"), TABLE)

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    # A keyed hash of the user's first openid, which outlives the user.
    subject: Mapped[str] = mapped_column(exact(64), server_default="")
    detail: Mapped[str] = mapped_column(String(255), server_default="")
    request_id: Mapped[str] = mapped_column(exact(64), server_default="")
    # The operator who did it in the console or by its API; empty for the command line, and for people's own acts.
    operator: Mapped[str] = mapped_column(exact(40), server_default="")


class PersonChangeRow(Base):
    """A change of a person that other services want to hear of. No foreign key: they must also hear of an erasure.

    ``position`` is null until the first reader after its commit gives it one.
    """

    __tablename__ = "person_changes"
    __table_args__ = (
        UniqueConstraint("position", name="uq_person_changes_position"),
        Index("ix_person_changes_at", "at"),
        _LASTING_IDS,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    position: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[int] = mapped_column(BigInteger)
    into_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[int] = mapped_column(BigInteger)


class ChangeSequenceRow(Base):
    """One row: the last position given to a change, and the highest position of a deleted one."""

    __tablename__ = "change_sequence"
    __table_args__ = (TABLE,)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last_given: Mapped[int] = mapped_column(BigInteger)
    deleted_until: Mapped[int] = mapped_column(BigInteger)


class WebhookRow(Base):
    """Where another service wants to be told of changes. Secrets are encrypted; blanks separate kinds and scopes."""

    __tablename__ = "webhooks"
    __table_args__ = (TABLE,)

    name: Mapped[str] = mapped_column(exact(40), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    kinds: Mapped[str] = mapped_column(String(255))
    scopes: Mapped[str] = mapped_column(String(80))
    secret: Mapped[str] = mapped_column(String(255))
    previous_secret: Mapped[str | None] = mapped_column(String(255))
    rotated_at: Mapped[int] = mapped_column(BigInteger)
    # Of the last change that deliveries were made for.
    position: Mapped[int] = mapped_column(BigInteger)
    paused_at: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)


class WebhookDeliveryRow(Base):
    """A change on its way to a webhook, until it was taken. After the last attempt it is dead, and stays a while."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook", "position", name="uq_webhook_deliveries_webhook_position"),
        Index("ix_webhook_deliveries_person", "webhook", "user_id", "id"),
        Index("ix_webhook_deliveries_due", "webhook", "dead_at", "due_at", "id"),
        Index("ix_webhook_deliveries_dead_at", "dead_at"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    webhook: Mapped[str] = mapped_column(exact(40))
    position: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[int] = mapped_column(BigInteger)
    into_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[int] = mapped_column(BigInteger)
    claimed_until: Mapped[int] = mapped_column(BigInteger)
    dead_at: Mapped[int | None] = mapped_column(BigInteger)
    last_error: Mapped[str] = mapped_column(String(80))


class MergeRow(Base):
    """A merge that an operator may still undo: what the merged user (``user_id``) had, and both inviters before.

    No foreign keys: an erasure deletes it by hand. ``gave_phone`` is 1 if the user that stays took over the number.
    """

    __tablename__ = "merges"
    __table_args__ = (Index("ix_merges_into_id", "into_id"), Index("ix_merges_merged_at", "merged_at"), TABLE)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    into_id: Mapped[int] = mapped_column(BigInteger)
    merged_at: Mapped[int] = mapped_column(BigInteger)
    country_code: Mapped[str | None] = mapped_column(exact(8))
    phone: Mapped[str | None] = mapped_column(exact(20))
    claimed_phone: Mapped[str | None] = mapped_column(exact(20))
    gave_phone: Mapped[int] = mapped_column(SmallInteger)
    inviter_id: Mapped[int | None] = mapped_column(BigInteger)
    into_inviter_id: Mapped[int | None] = mapped_column(BigInteger)
    # The inviter of the user that stays, after the merge.
    new_inviter_id: Mapped[int | None] = mapped_column(BigInteger)


class MergePartRow(Base):
    """One row that a merge moved: its kind, and its id in its own table."""

    __tablename__ = "merge_parts"
    __table_args__ = (TABLE,)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(exact(16), primary_key=True)
    item: Mapped[str] = mapped_column(exact(32), primary_key=True)


class ConsentRow(Base):
    """A version of the privacy terms that a user has agreed to, and when."""

    __tablename__ = "consents"
    __table_args__ = (TABLE,)

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", name="fk_consents_user_id"), primary_key=True, autoincrement=False
    )
    version: Mapped[str] = mapped_column(exact(40), primary_key=True)
    given_at: Mapped[int] = mapped_column(BigInteger)


class PersonRolesRow(Base):
    """The roles that other services have given to a user in a mini program, separated by blanks; no row for none."""

    __tablename__ = "person_roles"
    __table_args__ = (TABLE,)

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", name="fk_person_roles_user_id"), primary_key=True, autoincrement=False
    )
    appid: Mapped[str] = mapped_column(exact(32), primary_key=True)
    roles: Mapped[str] = mapped_column(exact(600))
    set_at: Mapped[int] = mapped_column(BigInteger)


class DecryptFailureRow(Base):
    """How often decryption failed with one session_key, which is stored as a keyed hash."""

    __tablename__ = "decrypt_failures"
    __table_args__ = (Index("ix_decrypt_failures_failed_at", "failed_at"), TABLE)

    key_hash: Mapped[str] = mapped_column(exact(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[int] = mapped_column(BigInteger)


class PhoneCallRow(Base):
    """How many phone numbers one user, address or app requested on one day (days since 1970 in China)."""

    __tablename__ = "phone_calls"
    __table_args__ = (Index("ix_phone_calls_day", "day"), TABLE)

    subject: Mapped[str] = mapped_column(exact(80), primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    calls: Mapped[int] = mapped_column(Integer)


class SpentPhoneCodeRow(Base):
    """A phone code that was sent to WeChat, as a keyed hash."""

    __tablename__ = "spent_phone_codes"
    __table_args__ = (Index("ix_spent_phone_codes_spent_at", "spent_at"), TABLE)

    code_hash: Mapped[str] = mapped_column(exact(64), primary_key=True)
    spent_at: Mapped[int] = mapped_column(BigInteger)


class ServiceCredentialRow(Base):
    """A credential of another service: a keyed hash of its secret, and its scopes, separated by blanks."""

    __tablename__ = "service_credentials"
    __table_args__ = (TABLE,)

    name: Mapped[str] = mapped_column(exact(40), primary_key=True)
    secret_hash: Mapped[str] = mapped_column(exact(64))
    scopes: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[int] = mapped_column(BigInteger)


class OperatorRow(Base):
    """Somebody of support or marketing: their role, and a keyed hash of their secret.

    The row of a removed operator stays, so that nobody else gets a name that audit events have.
    """

    __tablename__ = "operators"
    __table_args__ = (TABLE,)

    name: Mapped[str] = mapped_column(exact(40), primary_key=True)
    role: Mapped[str] = mapped_column(exact(16))
    secret_hash: Mapped[str] = mapped_column(exact(64))
    created_at: Mapped[int] = mapped_column(BigInteger)
    rotated_at: Mapped[int | None] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)
    removed_at: Mapped[int | None] = mapped_column(BigInteger)


class OperatorSessionRow(Base):
    """A browser in which an operator is signed in to the console. ``id`` is a keyed hash of its token.

    The row is deleted when the session is ended; one that has run out is purged.
    """

    __tablename__ = "operator_sessions"
    __table_args__ = (
        Index("ix_operator_sessions_operator", "operator"),
        Index("ix_operator_sessions_begun_at", "begun_at"),
        TABLE,
    )

    id: Mapped[str] = mapped_column(exact(64), primary_key=True)
    operator: Mapped[str] = mapped_column(exact(40), ForeignKey("operators.name", name="fk_operator_sessions_operator"))
    begun_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)


class InviteCodeRow(Base):
    """An invite code of a user, or of nobody (a pool). ``uses`` is the number of its rows in ``invite_uses``."""

    __tablename__ = "invite_codes"
    __table_args__ = (
        UniqueConstraint("code", name="uq_invite_codes_code"),
        UniqueConstraint("owner_id", "is_own", name="uq_invite_codes_own"),
        # This key decides which process adds the next codes of a batch.
        Index("uq_invite_codes_batch", "batch", "batch_number", unique=True),
        TABLE,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    code: Mapped[str] = mapped_column(exact(20))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", name="fk_invite_codes_owner_id"))
    # 1 for the owner's own code, null for others of theirs: unique keys ignore null.
    is_own: Mapped[int | None] = mapped_column(SmallInteger)
    # Null: no limit, no expiry.
    max_uses: Mapped[int | None] = mapped_column(Integer)
    uses: Mapped[int] = mapped_column(Integer, server_default="0")
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    # For codes that were created or imported together, numbered from 1.
    batch: Mapped[str | None] = mapped_column(exact(40))
    batch_number: Mapped[int | None] = mapped_column(Integer)


class InviteUseRow(Base):
    """Who came with which code.

    A user has at most one row; after an erasure or merge, the row stays without the user.
    """

    __tablename__ = "invite_uses"
    __table_args__ = (
        UniqueConstraint("user_id", name="uq_invite_uses_user_id"),
        Index("ix_invite_uses_invite_code_id", "invite_code_id"),
        # The uses by day of a campaign are counted from this index alone.
        Index("ix_invite_uses_used_at", "used_at", "invite_code_id"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    invite_code_id: Mapped[int] = mapped_column(ForeignKey("invite_codes.id", name="fk_invite_uses_invite_code_id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", name="fk_invite_uses_user_id"))
    used_at: Mapped[int] = mapped_column(BigInteger)


class BanMarkRow(Base):
    """A keyed hash of a person's former openid (with its mini program), unionid or phone number.

    It is in effect while its user is disabled, or if it has no user: then a disabled person was erased, and ``ban``
    connects the marks of one person. It has no foreign key, because it outlives the row.
    """

    __tablename__ = "ban_marks"
    __table_args__ = (
        UniqueConstraint("mark", "user_id", name="uq_ban_marks_mark_user_id"),
        Index("ix_ban_marks_user_id", "user_id"),
        Index("ix_ban_marks_ban", "ban"),
        Index("ix_ban_marks_expires_at", "expires_at"),
        TABLE,
    )

    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True)
    mark: Mapped[str] = mapped_column(exact(64))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    ban: Mapped[str | None] = mapped_column(exact(32))
    expires_at: Mapped[int] = mapped_column(BigInteger)


class InviteMarkRow(Base):
    """A keyed hash of a former identification of a person whom an invite has counted."""

    __tablename__ = "invite_marks"
    __table_args__ = (Index("ix_invite_marks_expires_at", "expires_at"), TABLE)

    mark: Mapped[str] = mapped_column(exact(64), primary_key=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class PushReceiptRow(Base):
    """A push that was acted on, as a keyed hash."""

    __tablename__ = "push_receipts"
    __table_args__ = (Index("ix_push_receipts_received_at", "received_at"), TABLE)

    receipt: Mapped[str] = mapped_column(exact(64), primary_key=True)
    received_at: Mapped[int] = mapped_column(BigInteger)


class WeChatErrorRow(Base):
    """How many calls to WeChat failed in an hour (its beginning), by mini program, endpoint and kind; for two days.

    ``errcode`` is 0 for calls that WeChat did not answer with one; ``appid`` is empty if it is not known.
    """

    __tablename__ = "wechat_errors"
    __table_args__ = (TABLE,)

    hour: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    appid: Mapped[str] = mapped_column(exact(32), primary_key=True)
    endpoint: Mapped[str] = mapped_column(exact(64), primary_key=True)
    error: Mapped[str] = mapped_column(exact(40), primary_key=True)
    errcode: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    calls: Mapped[int] = mapped_column(Integer)


class CodePictureRow(Base):
    """A picture of a mini-program code, stored or in progress: its owner, and when it was last requested.

    A process that makes the picture claims the row for a time, with a random number. Without an ending, there is no
    picture yet. ``service`` is the credential that requested it.
    """

    __tablename__ = "code_pictures"
    __table_args__ = (
        Index("ix_code_pictures_service", "service"),
        Index("ix_code_pictures_user_id", "user_id"),
        Index("ix_code_pictures_asked_at", "asked_at"),
        TABLE,
    )

    stem: Mapped[str] = mapped_column(exact(32), primary_key=True)
    ending: Mapped[str | None] = mapped_column(exact(4))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", name="fk_code_pictures_user_id"))
    claimed_until: Mapped[int] = mapped_column(BigInteger)
    asked_at: Mapped[int] = mapped_column(BigInteger)
    claim: Mapped[int] = mapped_column(BigInteger, server_default="0")
    service: Mapped[str | None] = mapped_column(exact(40))


class CodeFailureRow(Base):
    """How an attempt at a picture failed, for a minute: the requests that waited for it read this."""

    __tablename__ = "code_failures"
    __table_args__ = (Index("ix_code_failures_failed_at", "failed_at"), TABLE)

    claim: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    error: Mapped[str] = mapped_column(String(40))
    errcode: Mapped[int | None] = mapped_column(Integer)
    failed_at: Mapped[int] = mapped_column(BigInteger)


class ScanSignInRow(Base):
    """A browser that asks to be signed in by a scan: keyed hashes of the code's ticket and the browser's secret."""

    __tablename__ = "scan_sign_ins"
    __table_args__ = (Index("ix_scan_sign_ins_expires_at", "expires_at"), TABLE)

    id: Mapped[str] = mapped_column(exact(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(exact(64))
    appid: Mapped[str] = mapped_column(exact(32))
    # pending, scanned, approved or refused; the clock decides whether it has expired.
    state: Mapped[str] = mapped_column(String(16))
    # The browser's User-Agent and address, which the person sees before approving.
    device: Mapped[str] = mapped_column(String(DEVICE_CHARACTERS))
    address: Mapped[str | None] = mapped_column(String(45))
    created_at: Mapped[int] = mapped_column(BigInteger)
    # The deadline for scanning, deciding or, once approved, fetching.
    expires_at: Mapped[int] = mapped_column(BigInteger)
    # The session of the phone that scanned; only this session can decide.
    session_id: Mapped[str | None] = mapped_column(exact(32))
    handed_over_at: Mapped[int | None] = mapped_column(BigInteger)
