"""This machine's clock, against the ``Date`` header of WeChat's answers."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from authsvc.doctor.case import Case
from authsvc.doctor.findings import Line, ok, skipped, warning, wrong

# A Date header has whole seconds. Verifiers accept 5 s or less; WeChat's data is refused after WATERMARK_MAX_AGE.
_OK_SECONDS, _WRONG_SECONDS = 5, 60


def agrees(case: Case) -> Iterator[Line]:
    """Yield how far the clocks are apart."""
    answer = case.wechat_answer
    try:
        there = parsedate_to_datetime(answer.headers["Date"]).timestamp() if answer else None
    except (KeyError, TypeError, ValueError):
        there = None
    if answer is None or there is None:
        yield skipped("the answer has no Date header")
        return
    # The header is rounded down: half a second later is the best guess.
    apart = answer.at - (there + 0.5)
    says = f"this machine is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} WeChat"
    if abs(apart) <= _OK_SECONDS:
        yield ok("the clock agrees with WeChat's, to a few seconds")
    elif abs(apart) <= _WRONG_SECONDS:
        yield warning(f"{says}; other services may refuse new tokens", _REMEDY)
    else:
        yield wrong(f"{says}; tokens and WeChat's signed data will be refused", _REMEDY)


_REMEDY = "let the machine set its clock: timedatectl set-ntp true, or chrony"
