"""Exchanges codes of the phone button for numbers, without unexpected costs.

WeChat charges for numbers, so budgets are reserved before each call: per person, per address, and per mini program for
everybody together. Calls that identify nobody share a part of the last one, so strangers cannot use up the budget of
signed-in people. The database counts for all workers and machines, per calendar day in China, like WeChat's own quotas.
"""

import logging
from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc import metrics
from authsvc.clock import CHINA, DAY, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import phone_calls
from authsvc.errors import (
    AuthSvcError,
    DatabaseUnusable,
    LookUpsStopped,
    PhoneBudgetExhausted,
    PhoneCallsStopped,
    PhoneCodeInvalid,
    PhoneUnanswered,
    ServiceBusy,
    WeChatBadAnswer,
    WeChatBusy,
    WeChatError,
    WeChatMisconfigured,
    WeChatNoAnswer,
    WeChatQuotaExhausted,
    WeChatRateLimited,
    WeChatUnreachable,
)
from authsvc.networks import site, subscriber
from authsvc.sealing import KeyedHash
from authsvc.services import numbers
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.values.limits import PhoneBudgets
from authsvc.values.people import PhoneNumber
from authsvc.values.wechat import MiniProgram, WeChatPhone
from authsvc.wechat.client import WeChatClient

logger = logging.getLogger(__name__)

# A code is valid for five minutes; this is twice that, because clocks differ.
_CODE_MEMORY_SECONDS = 600
_SWEEP_SECONDS = 600.0
# How far WeChat's clock may be ahead of ours.
_FUTURE_SECONDS = 60
# Codes that WeChat refuses cost nothing, but must not allow unlimited calls.
_REFUSALS_PER_USER = 20
_REFUSALS_PER_SITE = 100
# WeChat did not look at the code, so it may be sent again.
_UNSPENT = (WeChatUnreachable, WeChatMisconfigured, WeChatQuotaExhausted, WeChatRateLimited)
# The errors of exhausted budgets that concern more than one person, by the first four letters of the subject.
_EXHAUSTED: dict[str, type[PhoneBudgetExhausted]] = {"app:": PhoneCallsStopped, "anon": LookUpsStopped}


@dataclass(frozen=True, slots=True)
class _Claim:
    """The reservation of one call: a code, by its hash, and one call of each budget (subject, limit) on a day.

    A limit of 0 means none. ``refused`` is where refusals are counted (subject, limit): the user, or else the address.
    """

    code_hash: str
    day: int
    budgets: tuple[tuple[str, int], ...]
    refused: tuple[str, int] | None


class PhoneCodes:
    """Requests numbers from WeChat, within budgets."""

    def __init__(
        self,
        *,
        wechat: WeChatClient,
        access_tokens: AccessTokens,
        database: Database,
        hashes: KeyedHash,
        budgets: PhoneBudgets,
        max_age: int,
        clock: SystemClock,
    ) -> None:
        """``max_age`` is the maximum age of the user's tap, in seconds, by WeChat's watermark."""
        self._wechat = wechat
        self._access_tokens = access_tokens
        self._database = database
        self._hashes = hashes
        self._budgets = budgets
        self._max_age = max_age
        self._clock = clock
        self._sweep_at = 0.0

    def number(self, app: MiniProgram, code: str, openid: str | None = None, address: str | None = None) -> PhoneNumber:
        """Return the number behind ``code``; pass ``openid`` and the client's IP ``address`` if they are known.

        Without an openid the call identifies nobody, and also counts towards the budget for such calls.
        Raises PhoneCodeInvalid (also for a code seen before, which is not sent again), PhoneBudgetExhausted,
        PhoneUnanswered (a new tap is needed), or a WeChatError after which the same code may be tried again.
        """
        try:
            phone = self._ask(app, code, openid, address)
            number = _canonical(phone)
        except AuthSvcError as error:
            metrics.phone_calls.labels(error.error).inc()
            raise
        metrics.phone_calls.labels("answered").inc()
        if not -_FUTURE_SECONDS <= self._clock.now() - phone.tapped_at <= self._max_age:
            raise PhoneCodeInvalid("the tap is too old, or a clock is wrong")
        return number

    def calls_today(self, app: MiniProgram) -> int:
        """Return how many numbers were requested for this app today."""
        subject, day = _everybody(app), self._today()
        return self._database.read(phone_calls.count, subject, day)

    def _ask(self, app: MiniProgram, code: str, openid: str | None, address: str | None) -> WeChatPhone:
        self._sweep()
        claim = self._claim(app, code, openid, address)
        try:
            return self._access_tokens.call(app, lambda token: self._wechat.phone_number(app, token, code, openid))
        except PhoneCodeInvalid:
            self._give_back(claim, is_refused=True)
            raise
        except _UNSPENT:
            self._give_back(claim, is_refused=False)
            raise
        except (WeChatBusy, WeChatNoAnswer) as error:
            raise _unanswered(error) from None

    def _claim(self, app: MiniProgram, code: str, openid: str | None, address: str | None) -> _Claim:
        """Reserve the code and one call of each budget. The app's comes last, because everybody waits for its row."""
        budgets = self._budgets
        subjects: list[tuple[str, int]] = []
        refused = None
        if openid is not None:
            user = self._hashes.of("user", app.appid, openid)
            subjects.append((f"user:{user}", budgets.per_user))
            refused = (f"refused:{user}", _REFUSALS_PER_USER)
        if address is not None:
            subjects.append((f"addr:{self._hashes.of('address', subscriber(address))}", budgets.per_address))
        if openid is None:
            if address is not None:
                whose = self._hashes.of("site", site(address))
                subjects.append((f"site:{whose}", budgets.unattributed_per_address))
                refused = (f"refused:{whose}", _REFUSALS_PER_SITE)
            subjects.append((f"anon:{app.appid}", budgets.unattributed))
        # The app's calls are counted even without a limit, for the operator.
        limited = [(subject, limit) for subject, limit in subjects if limit]
        limited.append((_everybody(app), budgets.per_app))
        claim = _Claim(self._hashes.of("code", app.appid, code), self._today(), tuple(limited), refused)
        self._database.run(self._reserve, claim)
        return claim

    def _reserve(self, connection: Connection, claim: _Claim) -> None:
        """Reserve everything in a claim; an exception undoes all of it."""
        if not phone_calls.claim_code(connection, claim.code_hash, self._clock.seconds()):
            raise PhoneCodeInvalid("this code was sent before")
        if claim.refused is not None:
            subject, limit = claim.refused
            if phone_calls.count(connection, subject, claim.day) >= limit:
                raise PhoneBudgetExhausted("too many refused codes of one user or address")
        for subject, limit in claim.budgets:
            if phone_calls.add(connection, subject, claim.day) > limit > 0:
                kind = _EXHAUSTED.get(subject[:4], PhoneBudgetExhausted)
                raise kind(f"the {subject[:4]} budget of {limit} a day is used up")

    def _give_back(self, claim: _Claim, *, is_refused: bool) -> None:
        """Undo the reservations of a call that cost nothing. A refused code stays used, and is counted separately."""

        def undo(connection: Connection) -> None:
            for subject, _ in claim.budgets:
                phone_calls.take_back(connection, subject, claim.day)
            if not is_refused:
                phone_calls.release_code(connection, claim.code_hash)
            elif claim.refused is not None:
                phone_calls.add(connection, claim.refused[0], claim.day)

        try:
            self._database.run(undo)
        except (
            ServiceBusy,
            DatabaseUnusable,
        ) as error:  # WeChat's answer matters more to the caller than our counters
            logger.warning("a call for a phone number that cost nothing is still counted: %s", error)

    def _sweep(self) -> None:
        """Delete old codes and days occasionally, in a separate transaction, because such a DELETE waits for every
        lock.
        """
        now = self._clock.now()
        if now < self._sweep_at:
            return
        self._sweep_at = now + _SWEEP_SECONDS
        codes_before, days_before = int(now) - _CODE_MEMORY_SECONDS, self._today() - 1
        try:
            self._database.run(phone_calls.sweep, codes_before=codes_before, days_before=days_before)
        except (ServiceBusy, DatabaseUnusable) as error:
            logger.info("old phone codes not swept: %s", error)

    def _today(self) -> int:
        return (self._clock.seconds() + CHINA) // DAY


def _everybody(app: MiniProgram) -> str:
    return f"app:{app.appid}"


def _canonical(phone: WeChatPhone) -> PhoneNumber:
    """Handle an answer without a number, which was paid for: the person taps again, and the operator is informed."""
    try:
        return numbers.from_code(phone)
    except WeChatBadAnswer as error:
        raise _unanswered(error) from None


def _unanswered(error: WeChatError) -> PhoneUnanswered:
    if isinstance(error, WeChatBadAnswer):
        logger.error("unusable answer to a phone code: %s", error)
    return PhoneUnanswered(str(error), error.errcode, error.errmsg)
