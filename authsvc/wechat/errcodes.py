"""WeChat's error codes, mapped to authsvc's errors. Source: the error tables of WeChat's server API pages.

Only ``errcode`` is stable; the text and the request id go to the log.
"""

import re

from authsvc import errors as e

ERRORS: dict[int, type[e.WeChatError]] = {
    -1: e.WeChatBusy,
    # Problems with the user's one-time credential.
    40029: e.LoginCodeInvalid,
    40163: e.LoginCodeUsed,
    41008: e.LoginCodeInvalid,
    40003: e.SessionKeyStale,
    87007: e.SessionKeyStale,
    87009: e.SessionKeyStale,
    # Decisions of WeChat's risk control or of the user.
    40226: e.WeChatUserBlocked,
    50001: e.WeChatUserBlocked,
    # Quotas.
    45011: e.WeChatRateLimited,
    45009: e.WeChatQuotaExhausted,
    45029: e.WeChatQuotaExhausted,
    48006: e.WeChatQuotaExhausted,
    # Everything below concerns authsvc's configuration, account or request.
    **dict.fromkeys(
        (
            40001, 40002, 40013, 40014, 40033, 40035, 40066, 40097, 40125, 40129, 40159, 40164, 40169, 40189,
            40230, 40231, 40232, 40233, 40234, 40235, 40236, 40237, 40238, 40239, 40240, 40243,
            41001, 41002, 41004, 41009, 41030, 42001, 43001, 43002, 43003, 44002, 45063, 47001,
            48001, 48004, 50002, 50004, 50007, 61003, 61004, 65206,
            76001, 76002, 76003, 76004, 76021, 76022, 85096, 87008, 89002, 89300, 89503, 89506, 89507,
        ),
        e.WeChatMisconfigured,
    ),
}  # fmt: skip

# Endpoints that need no access_token. There 40001 means a wrong AppSecret.
_TOKENLESS = frozenset({"/sns/jscode2session", "/cgi-bin/token", "/cgi-bin/stable_token"})
_TOKEN_DEAD = frozenset({40001, 40014, 42001})

# Endpoints with a different meaning of a code. No source confirms 40003 for a code of another openid.
PHONE_ENDPOINT = "/wxa/business/getuserphonenumber"
CODE_ENDPOINT = "/wxa/getwxacodeunlimit"
BY_ENDPOINT: dict[str, dict[int, type[e.WeChatError]]] = {
    PHONE_ENDPOINT: dict.fromkeys((40003, 40029, 40163, 41008), e.PhoneCodeInvalid),
    # The older page of this endpoint lists 45009 for the limit per minute.
    CODE_ENDPOINT: {41030: e.WxaPageUnknown, 45009: e.WeChatRateLimited},
}

# WeChat texts that people may see, which two contracts promise: only those about problems that people can fix. Other
# texts describe the service: 40164 contains the address of this machine.
_TOLD = frozenset(
    {
        *("invalid code", "code been used", "missing code", "code blocked", "system error"),
        "api minute-quota reach limit, must slower, retry next minute",
    }
)

_RID = re.compile(r"rid: ([0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8})")
# "invalid ip 8.149.1.108 ipv6 ::ffff:8.149.1.108, not in whitelist rid: …"
_ADDRESS_SEEN = re.compile(r"\binvalid ip ([0-9a-fA-F.:]{2,45})\b")
_MAX_TEXT = 200


def error_for(endpoint: str, errcode: int, errmsg: str) -> e.WeChatError:
    """Return the error for this answer; its log text has the endpoint, the number and WeChat's request id."""
    kind = kind_of(endpoint, errcode)
    rid = _RID.search(errmsg)
    text = without_tail(errmsg)
    detail = f"{endpoint}: errcode {errcode} ({text}) rid {rid[1] if rid else '-'}"
    return kind(detail, errcode=errcode, errmsg=text if text in _TOLD else "")


def kind_of(endpoint: str, errcode: int) -> type[e.WeChatError]:
    """Return the error for this number at this endpoint (its path)."""
    if errcode in _TOKEN_DEAD and endpoint not in _TOKENLESS:
        return e.AccessTokenRejected
    return BY_ENDPOINT.get(endpoint, {}).get(errcode) or ERRORS.get(errcode, e.WeChatUnknownError)


def address_seen(error: e.WeChatError) -> str | None:
    """Return the address from which WeChat says that a call came, if it refused it for that (40164)."""
    found = _ADDRESS_SEEN.search(str(error)) if error.errcode == 40164 else None
    return found[1] if found else None


def without_tail(errmsg: str) -> str:
    """Return WeChat's text without hint and request id, at most 200 characters.

    Observed endings: ``, rid: 6312f81f-…``, `` rid: …``, `` hint: [IfdF…] rid: …``, ``, hints: [ req_id: … ]``.
    """
    text = errmsg[:_MAX_TEXT].rstrip()
    before, found, rid = text.rpartition("rid: ")
    if found and len(rid.split()) == 1:
        text = _without_comma(before)
    if text.endswith("]"):
        text = _without_comma(min(text.partition("hint: [")[0], text.partition("hints: [")[0], key=len))
    return text


def _without_comma(text: str) -> str:
    return text.rstrip().removesuffix(",").rstrip()
