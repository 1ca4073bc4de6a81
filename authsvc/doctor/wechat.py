"""WeChat: reachable, with our secrets, from this address, with the permissions that authsvc's features need.

No call here costs money or changes anything. An access_token comes from stable_token without force_refresh, which gives
everybody the same one. Permissions are asked for with codes and openids that do not exist: WeChat checks the permission
first (48001), and charges for phone numbers only when the phone's button succeeds (page 手机号快速验证组件).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from authsvc.config import WECHAT_API
from authsvc.doctor.case import Case
from authsvc.doctor.fetching import Unfetched, fetch
from authsvc.doctor.findings import Line, ok, skipped, warning, wrong
from authsvc.errors import PhoneCodeInvalid, WeChatError, WeChatMisconfigured, WxaPageUnknown
from authsvc.values.pictures import LEAST_WIDTH, WxaCode
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.errcodes import address_seen

_CONSOLE = "at mp.weixin.qq.com (开发管理 > 开发设置)"
_NO_PERMISSION = 48001
# Of the right form, and nobody's.
_NO_PHONE_CODE = "0" * 64
_NO_OPENID = "o" + "0" * 27
_AN_ADDRESS = "192.0.2.1"
# Why no access_token can be had, by errcode (pages 获取稳定版接口调用凭据, 获取接口调用凭据, 服务端 API 调用说明).
_REMEDIES = {
    40013: f"WX_APPID is not the AppID of a mini program; copy it {_CONSOLE}",
    40125: f"WX_SECRET is not the AppSecret of this AppID; copy or reset it {_CONSOLE}",
    40001: f"WX_SECRET is not the AppSecret of this AppID; copy or reset it {_CONSOLE}",
    40243: f"the AppSecret is frozen; unfreeze it {_CONSOLE} and wait ten minutes",
    45009: "the quota of this call is used up for today; find out what else fetches tokens for this AppID",
    50004: "WeChat does not allow this account to fetch access_tokens; see the notices at mp.weixin.qq.com",
    50007: "the account is frozen; see the notices at mp.weixin.qq.com",
    89503: "the mini program's administrator has to confirm this address: a message in WeChat; then run this again",
    89506: "the administrator has refused this address; try again in 24 hours",
    89507: "the administrator has refused this address; try again in an hour",
}


def reachable(case: Case) -> Iterator[Line]:
    """Yield whether WeChat's API answers anything, without a secret."""
    settings = case.settings
    try:
        # Without parameters this endpoint only says that they are missing.
        answer = fetch(settings.wx_api_base, "/cgi-bin/token", proxy=settings.wx_proxy, ca_file=settings.wx_ca_file)
    except Unfetched as failure:
        way = " through WX_PROXY" if settings.wx_proxy else ""
        yield wrong(
            f"{settings.wx_api_base} cannot be reached{way}: {failure}",
            "allow this machine to connect to it (firewall, DNS), or set WX_PROXY"
            if settings.wx_api_base == WECHAT_API
            else "check WX_API_BASE, or remove it to use WeChat's own address",
        )
        return
    if answer.status != 200 or answer.json() is None:
        yield wrong(
            f"{settings.wx_api_base} does not answer as WeChat's API does (HTTP status {answer.status})",
            "check WX_API_BASE and WX_PROXY: something else answers there",
        )
        return
    case.wechat_answer = answer
    yield ok(f"{settings.wx_api_base} answers in {answer.seconds * 1000:.0f} ms")


def secrets(case: Case) -> Iterator[Line]:
    """Yield for each mini program whether WeChat accepts AppID and AppSecret, and keep its access_token."""
    for app in case.settings.apps:
        try:
            case.tokens[app.appid] = case.wechat.fetch_access_token(app).token
        except WeChatError as error:
            case.refusals[app.appid] = error
            yield _refused(app, error)
        else:
            yield ok(f"{app.appid}: WeChat accepts the AppSecret")


def _refused(app: MiniProgram, error: WeChatError) -> Line:
    case_of = f"{app.appid}: no access_token"
    if error.errcode == 40164:
        return skipped(f"{case_of}: WeChat refuses this machine's address before it says anything about the AppSecret")
    if error.errcode is None:
        return wrong(f"{case_of}: {error}", "try again; if it stays so, check the network between here and WeChat")
    todo = _REMEDIES.get(error.errcode, "look the errcode up in docs/errors.md, and search for its rid at WeChat")
    return wrong(f"{case_of}: {error}", todo)


def allow_list(case: Case) -> Iterator[Line]:
    """Yield for each mini program whether this machine's address may fetch access_tokens."""
    for app in case.settings.apps:
        error = case.refusals.get(app.appid)
        if error is None:
            yield ok(f"{app.appid}: this machine's address may fetch access_tokens")
        elif error.errcode != 40164:
            yield _without_token(app)
        else:
            seen = address_seen(error) or "an address that it does not name"
            yield wrong(
                f"{app.appid}: WeChat saw the call come from {seen}, which is not in the IP allow-list (40164)",
                f"add {seen} to the IP allow-list {_CONSOLE}, and all others if this machine's way out changes",
            )


def phone(case: Case) -> Iterator[Line]:
    """Yield whether phone numbers can be had; free, because the code that is sent does not exist."""

    def ask(app: MiniProgram, token: str) -> None:
        case.wechat.phone_number(app, token, _NO_PHONE_CODE)

    yield from _permissions(
        case,
        ask,
        PhoneCodeInvalid,
        "phone numbers (getuserphonenumber)",
        "only verified accounts of companies get it; without it, leave the phone button out of the mini program",
    )


def codes(case: Case) -> Iterator[Line]:
    """Yield whether mini-program codes can be drawn."""

    def ask(app: MiniProgram, token: str) -> None:
        code = replace(case.settings.wxa_code, scene="doctor", page="", check_path=False, width=LEAST_WIDTH)
        case.wechat.get_wxacode_unlimited(token, code)

    yield from _permissions(
        case,
        ask,
        None,
        "mini-program codes (getwxacodeunlimit)",
        "invite codes and scan sign-in need it; see the notices at mp.weixin.qq.com",
    )


def risk(case: Case) -> Iterator[Line]:
    """Yield whether the risk rank can be had. authsvc itself does not ask for it, so nothing is wrong without it."""
    for app in case.settings.apps:
        token = case.tokens.get(app.appid)
        if token is None:
            yield _without_token(app)
            continue
        try:
            case.wechat.user_risk_rank(app, token, _NO_OPENID, _AN_ADDRESS)
            has_it = True
        except WeChatError as error:
            if error.errcode is None:
                yield warning(f"{app.appid}: risk rank not tested: {error}", "run this again later")
                continue
            has_it = error.errcode != _NO_PERMISSION
        rest = "may be asked for" if has_it else "is not granted (48001)"
        yield ok(f"{app.appid}: the risk rank (getuserriskrank) {rest}; authsvc does not need it")


def pages(case: Case) -> Iterator[Line]:
    """Yield whether the pages that codes open are in the published mini program (41030 if not)."""
    for app in case.settings.apps:
        token = case.tokens.get(app.appid)
        if token is None:
            yield _without_token(app)
            continue
        for setting, page in _pages(case):
            yield _page(case, app, token, setting, page)


def _pages(case: Case) -> Iterator[tuple[str, str]]:
    settings = case.settings
    if settings.wxa_code.page:
        yield "QRCODE_PAGE", settings.wxa_code.page
    if settings.scan_sign_in_page and settings.scan_sign_in_page != settings.wxa_code.page:
        yield "SCAN_SIGN_IN_PAGE", settings.scan_sign_in_page


def _page(case: Case, app: MiniProgram, token: str, setting: str, page: str) -> Line:
    code = WxaCode(scene="doctor", page=page, width=LEAST_WIDTH)
    try:
        case.wechat.get_wxacode_unlimited(token, code)
    except WxaPageUnknown:
        says = f"{app.appid}: the page {page} ({setting}) is not in the published mini program (41030)"
        todo = f"publish it, or set {setting} to a published page, without a leading slash"
        return wrong(says, todo) if setting == "SCAN_SIGN_IN_PAGE" else warning(f"{says}; its codes open nothing", todo)
    except WeChatError as error:
        if error.errcode == _NO_PERMISSION:
            return skipped(f"{app.appid}: needs the permission for mini-program codes")
        return warning(f"{app.appid}: the page {page} ({setting}) was not tested: {error}", "run this again later")
    return ok(f"{app.appid}: the page {page} ({setting}) is published")


def _permissions(
    case: Case,
    ask: Callable[[MiniProgram, str], None],
    granted: type[WeChatError] | None,
    what: str,
    todo: str,
) -> Iterator[Line]:
    """Yield for each mini program whether a call is permitted; ``granted`` is the refusal that proves it."""
    for app in case.settings.apps:
        token = case.tokens.get(app.appid)
        if token is None:
            yield _without_token(app)
            continue
        try:
            ask(app, token)
        except WeChatError as error:
            if granted is None or not isinstance(error, granted):
                yield _not_permitted(app, error, what, todo)
                continue
        yield ok(f"{app.appid}: has the permission for {what}")


def _not_permitted(app: MiniProgram, error: WeChatError, what: str, todo: str) -> Line:
    if error.errcode == _NO_PERMISSION:
        return warning(f"{app.appid}: has no permission for {what}: errcode 48001", todo)
    if isinstance(error, WeChatMisconfigured):
        return wrong(f"{app.appid}: WeChat refuses {what}: {error}", "look the errcode up in docs/errors.md")
    return warning(f"{app.appid}: {what} not tested: {error}", "run this again later")


def _without_token(app: MiniProgram) -> Line:
    return skipped(f"{app.appid}: needs an access_token")
