"""What can go wrong, named for what the caller can do about it. No HTTP here: web/errors.py gives the status.

The text given to a constructor is for the log only; users read the sentences of the class.
"""

from typing import ClassVar, Literal

Action = Literal["relogin", "retry", "tap_again", "fix_request", "contact"]


class AuthSvcError(Exception):
    """Base of everything that authsvc refuses or fails at.

    ``error`` is a stable name for programs, ``zh`` and ``en`` sentences for people, ``action`` what the client
    should do next, ``retry_after`` seconds to wait before a retry.
    """

    error: ClassVar[str]
    zh: ClassVar[str]
    en: ClassVar[str]
    action: ClassVar[Action]
    retry_after: int | None = None
    # An operator has to act: logged at ERROR even though the caller may only see "try later".
    alarm: ClassVar[bool] = False


# --- the request itself -------------------------------------------------------------------------------------


class InvalidRequest(AuthSvcError):
    """A field is missing, of the wrong type or malformed. ``fields`` maps its dotted name to reasons."""

    error = "invalid_request"
    zh = "请求参数有误"
    en = "The request is not valid"
    action: ClassVar[Action] = "fix_request"

    def __init__(self, detail: str = "", fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.fields = fields or {}


class MalformedBody(AuthSvcError):
    """The body is not one JSON object."""

    error = "malformed_body"
    zh = "请求体必须是 JSON 对象"
    en = "The body must be a JSON object"
    action: ClassVar[Action] = "fix_request"


class EmptyBody(MalformedBody):
    """There is no body at all: ``data`` was forgotten, or got lost in a redirect."""

    error = "empty_body"
    zh = "请求体为空，应为 JSON 对象"
    en = "There is no body; send a JSON object"


class BodyNotUtf8(MalformedBody):
    """The body is text in another encoding, or bytes."""

    error = "body_encoding"
    zh = "请求体不是 UTF-8 编码"
    en = "The body is not in UTF-8"


class FormDeclaredAsJson(MalformedBody):
    """The body is a form, but is declared as JSON."""

    error = "form_declared_as_json"
    zh = "请求体是表单，却声明为 application/json；请发送 JSON 对象"
    en = "The body is a form declared as application/json; send a JSON object"


class JsonInsideText(MalformedBody):
    """The body is a JSON text that holds JSON: it was turned into text twice."""

    error = "json_inside_text"
    zh = "请求体被转换了两次（JSON.stringify）；请直接发送 JSON 对象"
    en = "The body went through JSON.stringify twice; send the JSON object itself"


class BodyTooLarge(AuthSvcError):
    """The body is over the size limit."""

    error = "body_too_large"
    zh = "请求体过大"
    en = "The body is too large"
    action: ClassVar[Action] = "fix_request"


class UnsupportedMediaType(AuthSvcError):
    """The body is declared as something other than JSON."""

    error = "unsupported_media_type"
    zh = "请使用 application/json"
    en = "Send the body as application/json"
    action: ClassVar[Action] = "fix_request"


class FormSent(UnsupportedMediaType):
    """The body is declared as a form where JSON is wanted. Pages of other sites could send one unasked."""

    error = "form_sent"
    zh = "请求体声明为表单，此处需要 JSON；请将 content-type 设为 application/json（wx.request 的默认值）"
    en = "The body is declared as a form; send JSON as application/json, which wx.request does by itself"


class FormExpected(UnsupportedMediaType):
    """The body is declared as something other than a form, at an address whose RFC wants one."""

    error = "form_expected"
    zh = "请使用 application/x-www-form-urlencoded"
    en = "Send the body as application/x-www-form-urlencoded"


class NoSuchRoute(AuthSvcError):
    """No such address."""

    error = "not_found"
    zh = "地址不存在"
    en = "No such address"
    action: ClassVar[Action] = "fix_request"


class MethodNotAllowed(AuthSvcError):
    """The address exists, but not for this method."""

    error = "method_not_allowed"
    zh = "不支持该请求方法"
    en = "This method is not supported here"
    action: ClassVar[Action] = "fix_request"

    def __init__(self, detail: str = "", allow: str = "") -> None:
        super().__init__(detail)
        self.allow = allow


class TooManyRequests(AuthSvcError):
    """This address, mini program or user asks too often. ``retry_after`` is seconds until there is room again."""

    error = "too_many_requests"
    zh = "请求过于频繁，请稍后再试"
    en = "Too many requests; try again later"
    action: ClassVar[Action] = "retry"
    retry_after = 60

    def __init__(self, detail: str = "", retry_after: int = 60) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class PushRejected(AuthSvcError):
    """A push that is not WeChat's, is too old, or is for another mini program: all look alike."""

    error = "push_rejected"
    zh = "推送校验失败"
    en = "The push was not accepted"
    action: ClassVar[Action] = "fix_request"


class UnknownApp(AuthSvcError):
    """The request names a mini program that this deployment does not serve."""

    error = "unknown_app"
    zh = "未知的小程序"
    en = "This mini program is not served here"
    action: ClassVar[Action] = "fix_request"


class TouristAppId(UnknownApp):
    """The developer tools have no AppID to send (``touristappid``), and no app of ours stands in for it."""

    error = "tourist_appid"
    zh = (
        "开发者工具未填写 AppID（touristappid）：请在 project.config.json 的 appid 中填写小程序的 AppID；"
        "只对接模拟器时，可在服务端设置 WX_TOURIST_APP"
    )
    en = (
        "The developer tools sent touristappid, which is no AppID: put the mini program's own into appid of "
        "project.config.json; against the simulator, set WX_TOURIST_APP on the server"
    )


# --- who is asking ------------------------------------------------------------------------------------------


class Unauthenticated(AuthSvcError):
    """No token, or one that is forged, expired or foreign: all look alike."""

    error = "unauthenticated"
    zh = "请先登录"
    en = "Please sign in"
    action: ClassVar[Action] = "relogin"


class SessionEnded(Unauthenticated):
    """The token is ours, but its session was ended or has run out."""


class AccountDisabled(AuthSvcError):
    """The user was disabled or closed."""

    error = "account_disabled"
    zh = "账号已停用"
    en = "This account is disabled"
    action: ClassVar[Action] = "contact"


class AccountClosed(AccountDisabled):
    """The user asked to leave; until erased, the account can be opened again."""

    error = "account_closed"
    zh = "账号已注销"
    en = "This account was closed"


class StepUpRequired(AuthSvcError):
    """A token alone is not enough here: a fresh code of ``wx.login`` must come along, from the phone."""

    error = "step_up_required"
    zh = "请在手机上的小程序中进行此操作"
    en = "Do this in the mini program on your phone: it takes a fresh code of wx.login"
    action: ClassVar[Action] = "relogin"


class StepUpMismatch(AuthSvcError):
    """The code that came along is not of the WeChat account, in the mini program, that this session signed in with."""

    error = "step_up_mismatch"
    zh = "当前微信与登录时的微信不一致，请重新登录"
    en = "This is not the WeChat account that signed in; sign in again"
    action: ClassVar[Action] = "relogin"


class OtherMiniProgram(AuthSvcError):
    """This session is of one mini program, and what was asked for concerns another: it is for that one to do."""

    error = "other_mini_program"
    zh = "请在相应的小程序中进行此操作"
    en = "This concerns another mini program; do it there"
    action: ClassVar[Action] = "fix_request"


class AddedWeChat(AuthSvcError):
    """This session began with a WeChat account that was added later, and what was asked for is for the one before."""

    error = "added_wechat"
    zh = "请使用该账号原来的微信进行此操作"
    en = "Do this with the WeChat account that was there before this one was added"
    action: ClassVar[Action] = "fix_request"


class TicketInvalid(AuthSvcError):
    """A registration ticket that is forged, expired, for another purpose, or used."""

    error = "ticket_invalid"
    zh = "注册凭证无效，请重新登录"
    en = "The registration ticket is not valid; sign in again"
    action: ClassVar[Action] = "relogin"


class ScanTicketInvalid(AuthSvcError):
    """The ticket of a scanned code is unknown, expired, decided on, or another phone's: all look alike."""

    error = "scan_ticket_invalid"
    zh = "小程序码已失效，请在网页上换一个后重新扫码"
    en = "This code is no longer valid; get a new one on the page and scan it"
    action: ClassVar[Action] = "fix_request"


class InviteRequired(AuthSvcError):
    """Only people with a good invite code may register here, and none came along."""

    error = "invite_required"
    zh = "注册需要邀请码"
    en = "Registering takes an invite code"
    action: ClassVar[Action] = "fix_request"


class InviteUnknown(InviteRequired):
    """There is no such invite code; case counts."""

    error = "invite_unknown"
    zh = "邀请码不存在，请检查后重试"
    en = "There is no such invite code"


class InviteUsedUp(InviteRequired):
    """As many people came with this invite code as may."""

    error = "invite_used_up"
    zh = "邀请码已达使用上限"
    en = "This invite code is used up"


class InviteExpired(InviteRequired):
    """The invite code was good until lately."""

    error = "invite_expired"
    zh = "邀请码已过期"
    en = "This invite code has expired"


class InviteDisabled(InviteRequired):
    """The invite code was taken out of use, or its owner has left."""

    error = "invite_disabled"
    zh = "邀请码已停用"
    en = "This invite code is no longer in use"


class RegistrationClosed(AuthSvcError):
    """Nobody new may register; whoever is known signs in as ever."""

    error = "registration_closed"
    zh = "暂不开放注册"
    en = "Registration is closed"
    action: ClassVar[Action] = "contact"


class Conflict(AuthSvcError):
    """What was asked for belongs to somebody else, or may not be given up."""

    error = "conflict"
    zh = "操作冲突"
    en = "This conflicts with what is stored"
    action: ClassVar[Action] = "contact"


class PhoneTaken(Conflict):
    """The phone number is another user's."""

    error = "phone_taken"
    zh = "手机号已被其他账号使用"
    en = "This phone number belongs to another account"


class IdentityTaken(Conflict):
    """The WeChat identity is a user's already."""

    error = "identity_taken"
    zh = "该微信已绑定其他账号"
    en = "This WeChat account belongs to another account"


class LastIdentity(Conflict):
    """Without this identity nobody could sign in any more."""

    error = "last_identity"
    zh = "不能解除唯一的登录方式"
    en = "The last way to sign in cannot be removed"
    action: ClassVar[Action] = "fix_request"


class NotFound(AuthSvcError):
    """The caller has no such thing."""

    error = "no_such_item"
    zh = "内容不存在"
    en = "There is no such item"
    action: ClassVar[Action] = "fix_request"


class PictureRejected(AuthSvcError):
    """The upload is not a picture that we keep."""

    error = "picture_rejected"
    zh = "图片格式或大小不符合要求"
    en = "Send a JPEG, PNG or WebP picture of reasonable size"
    action: ClassVar[Action] = "fix_request"


class UploadMalformed(PictureRejected):
    """The upload is no multipart form, or has no part named ``file``."""

    error = "upload_malformed"
    zh = "上传须为 multipart/form-data，且文件字段名为 file（wx.uploadFile 的 name）"
    en = "Upload as multipart/form-data with a part named file (the name of wx.uploadFile)"


class BoundaryMissing(UploadMalformed):
    """The upload's Content-Type names no boundary: somebody set the header by hand."""

    error = "boundary_missing"
    zh = "上传请求的 Content-Type 缺少 boundary；请不要自行设置该请求头"
    en = "The upload's Content-Type names no boundary; do not set that header yourself"


class PictureLimitReached(AuthSvcError):
    """This user, or service, has as many different pictures of codes as one may have."""

    error = "picture_limit_reached"
    zh = "小程序码数量已达上限"
    en = "You have as many mini-program codes as one may have"
    action: ClassVar[Action] = "contact"


class LimitReached(AuthSvcError):
    """This user has as many of these (consents, identities) as one may have."""

    error = "limit_reached"
    zh = "数量已达上限"
    en = "You have as many of these as one may have"
    action: ClassVar[Action] = "contact"


class NotPermitted(AuthSvcError):
    """A known caller without the permission that this takes."""

    error = "forbidden"
    zh = "没有权限"
    en = "Not permitted"
    action: ClassVar[Action] = "contact"


# --- what WeChat says ---------------------------------------------------------------------------------------


class DataRejected(AuthSvcError):
    """encryptedData or rawData does not hold for this session. Every cause looks the same from outside:

    the format has no integrity protection, so a second answer would be a padding oracle.
    """

    error = "data_rejected"
    zh = "微信数据校验失败，请重新登录后再试"
    en = "The WeChat data could not be verified; sign in again and retry"
    action: ClassVar[Action] = "relogin"


class WeChatError(AuthSvcError):
    """WeChat refused, or could not be asked.

    ``errcode`` is WeChat's number, ``errmsg`` its text for contracts whose front ends show it: without the request-id
    tail, and empty where it speaks of us. The operator's log has all of it.
    """

    def __init__(self, detail: str = "", errcode: int | None = None, errmsg: str = "") -> None:
        super().__init__(detail)
        self.errcode = errcode
        self.errmsg = errmsg


class LoginCodeInvalid(WeChatError):
    """The login code is unknown, expired, or another app's."""

    error = "wx_code_invalid"
    zh = "登录凭证无效，请重新登录"
    en = "The login code is not valid; call wx.login again"
    action: ClassVar[Action] = "relogin"


class LoginCodeUsed(WeChatError):
    """The login code was exchanged before."""

    error = "wx_code_used"
    zh = "登录凭证已使用，请重新登录"
    en = "The login code was already used; call wx.login again"
    action: ClassVar[Action] = "relogin"


class LoginCodeIsPhoneCode(LoginCodeInvalid):
    """What came as login code has the shape of a phone-button code: both are called ``code`` and get mixed up."""

    error = "wx_code_is_phone_code"
    zh = "这是手机号按钮返回的 code，请传 wx.login 返回的 code"
    en = "This is the code of the phone button; send the one from wx.login"
    action: ClassVar[Action] = "fix_request"


class LoginCodeIsMock(LoginCodeInvalid):
    """What came as login code is the sentence that ``wx.login`` gives in developer tools without an AppID."""

    error = "wx_code_is_mock"
    zh = "这是开发者工具未填写 AppID 时返回的模拟 code：请在 project.config.json 的 appid 中填写小程序的 AppID"
    en = (
        "This is what wx.login gives in developer tools without an AppID: put the mini program's own into appid of "
        "project.config.json"
    )
    action: ClassVar[Action] = "fix_request"


class PhoneCodeInvalid(WeChatError):
    """The code of the phone button is unknown, used, expired, or another user's: WeChat tells none of these apart."""

    error = "wx_phone_code_invalid"
    zh = "手机号授权已失效，请再次点击获取手机号"
    en = "The phone code is not valid; tap the phone button again"
    action: ClassVar[Action] = "tap_again"


class PhoneCodeIsLoginCode(PhoneCodeInvalid):
    """What came as phone code has the shape of a ``wx.login`` code."""

    error = "wx_phone_code_is_login_code"
    zh = "这是 wx.login 返回的 code，请传手机号按钮（bindgetphonenumber）返回的 code"
    en = "This is the code of wx.login; send the one from the phone button (bindgetphonenumber)"
    action: ClassVar[Action] = "fix_request"


class PhoneBudgetExhausted(AuthSvcError):
    """This user or address asked WeChat for enough numbers today: every answer costs money."""

    error = "phone_budget_exhausted"
    zh = "今日获取手机号次数已达上限，请明天再试或使用其他方式"
    en = "Too many phone numbers were asked for today; try again tomorrow or use another way"
    action: ClassVar[Action] = "retry"
    retry_after = 3600


class PhoneCallsStopped(PhoneBudgetExhausted):
    """The mini program's budget of the day is used up: nobody gets a number until tomorrow, or a higher setting."""

    error = "phone_calls_stopped"
    alarm = True


class LookUpsStopped(PhoneCallsStopped):
    """The share of callers who name nobody is used up: people who have signed in still get numbers."""


class SessionKeyStale(WeChatError):
    """WeChat no longer knows the session_key that we hold."""

    error = "wx_session_stale"
    zh = "微信登录态已过期，请重新登录"
    en = "The WeChat session has expired; call wx.login again"
    action: ClassVar[Action] = "relogin"


class WeChatUserBlocked(WeChatError):
    """WeChat judges the user to be a risk."""

    error = "wx_user_blocked"
    zh = "微信拒绝了此次登录"
    en = "WeChat refused this sign-in"
    action: ClassVar[Action] = "contact"


class WeChatRateLimited(WeChatError):
    """Too many calls in this minute."""

    error = "wx_rate_limited"
    zh = "操作过于频繁，请稍后再试"
    en = "Too many requests; please try again in a minute"
    action: ClassVar[Action] = "retry"
    retry_after = 60


class WeChatQuotaExhausted(WeChatError):
    """A daily or lifetime quota of the mini program is used up."""

    error = "wx_quota_exhausted"
    zh = "服务暂不可用，请稍后再试"
    en = "The service is unavailable; please try again later"
    action: ClassVar[Action] = "retry"
    retry_after = 3600
    alarm = True


class WeChatMisconfigured(WeChatError):
    """Our appid, secret, address or request is wrong, or the account is limited: the operator must act."""

    error = "wx_misconfigured"
    zh = "服务配置有误，请联系管理员"
    en = "The service is not set up correctly; please contact its operator"
    action: ClassVar[Action] = "contact"
    alarm = True


class WxaPageUnknown(WeChatError):
    """The page is not in the published mini program, or nothing is published yet (41030)."""

    error = "wx_page_unknown"
    zh = "小程序中没有该页面，或小程序尚未发布"
    en = "The published mini program has no such page"
    action: ClassVar[Action] = "fix_request"


class AccessTokenRejected(WeChatMisconfigured):
    """WeChat takes our access_token for dead (40001, 40014, 42001). It does not leave ``accesstokens.py``."""


class WeChatUnreachable(WeChatError):
    """The request provably never left: the same code may be tried again."""

    error = "wechat_unavailable"
    zh = "微信服务暂不可用，请稍后再试"
    en = "WeChat is unavailable; please try again"
    action: ClassVar[Action] = "retry"
    retry_after = 2
    # A certificate, a proxy, a name: as a rule something of ours on the way to WeChat.
    alarm = True


class WeChatOverloaded(WeChatUnreachable):
    """Too many calls to WeChat are in flight here, or it has been failing: not asked at all."""

    error = "wechat_overloaded"
    retry_after = 3
    alarm = False  # what opened the breaker has been said


class AccessTokenUnavailable(WeChatUnreachable):
    """No access_token could be had just now, so WeChat was not asked: the same phone code may be tried again."""


class WeChatBusy(WeChatError):
    """WeChat itself said that it is busy (-1)."""

    error = "wechat_busy"
    zh = "微信服务繁忙，请重新登录"
    en = "WeChat is busy; please sign in again"
    action: ClassVar[Action] = "relogin"
    retry_after = 2


class WeChatNoAnswer(WeChatError):
    """The request left and no usable answer came: the code may be spent, so a new one is needed."""

    error = "wechat_no_answer"
    zh = "微信服务无响应，请重新登录"
    en = "WeChat did not answer; please sign in again"
    action: ClassVar[Action] = "relogin"
    retry_after = 2


class PhoneUnanswered(WeChatNoAnswer):
    """The phone code left and no usable answer came: it may be spent, so a new one is needed."""

    error = "wx_phone_no_answer"
    zh = "微信服务无响应，请再次点击获取手机号"
    en = "WeChat did not answer; tap the phone button again"
    action: ClassVar[Action] = "tap_again"


class WxaCodeUnanswered(WeChatNoAnswer):
    """WeChat gave no picture of a code, or nothing that is one: asking again does no harm."""

    error = "wx_code_picture_unavailable"
    zh = "小程序码生成失败，请稍后再试"
    en = "The mini-program code could not be made; please try again"
    action: ClassVar[Action] = "retry"
    retry_after = 5


class WeChatBadAnswer(WeChatNoAnswer):
    """WeChat answered something that is not what the endpoint promises."""

    error = "wechat_bad_answer"
    zh = "微信服务响应异常，请重新登录"
    en = "WeChat gave an unusable answer; please sign in again"
    alarm = True


class WeChatUnknownError(WeChatError):
    """An errcode that no table of ours names."""

    error = "wechat_error"
    zh = "微信服务异常，请稍后再试"
    en = "WeChat reported an error; please try again later"
    action: ClassVar[Action] = "retry"
    retry_after = 5
    alarm = True


# --- ourselves ----------------------------------------------------------------------------------------------


class ServiceBusy(AuthSvcError):
    """The database is locked, away or out of connections for longer than a request may wait."""

    error = "service_busy"
    zh = "服务繁忙，请稍后再试"
    en = "The service is busy; please try again"
    action: ClassVar[Action] = "retry"
    retry_after = 2
    alarm = True


class PicturesUnavailable(ServiceBusy):
    """The folder or bucket of pictures cannot be read or written: away, full, or not ours."""

    error = "pictures_unavailable"


class PicturesBusy(ServiceBusy):
    """More pictures wait to be drawn than may wait, or one took longer than it may on a machine as busy as this."""

    error = "pictures_busy"
    zh = "图片处理繁忙，请稍后再试"
    en = "Too many pictures are waiting; please try again"
    alarm = False


class PicturesFull(ServiceBusy):
    """As many pictures of codes are kept as the operator allows."""

    error = "pictures_full"
    zh = "服务暂不可用，请稍后再试"
    en = "The service is unavailable; please try again later"
    retry_after = 3600


class InternalError(AuthSvcError):
    """Anything that nobody foresaw."""

    error = "internal_error"
    zh = "服务内部错误"
    en = "Internal error"
    action: ClassVar[Action] = "contact"
    alarm = True


class DatabaseUnusable(InternalError):
    """The database refuses what waiting does not cure: rights, tables, a full disk. ``/readyz`` has a word for it."""

    error = "database_unusable"


def will_pass(error: AuthSvcError) -> bool:
    """Tell whether the same will do later, without anybody doing anything about it."""
    return error.action == "retry" and not isinstance(error, PicturesFull)
