"""The catalogue of errors, named after what the caller can do about them. No HTTP here: web/errors.py sets the status.

The text passed to a constructor is only for the log; users read the sentences of the class.
"""

from typing import ClassVar, Literal

Action = Literal["relogin", "retry", "tap_again", "fix_request", "contact"]


class AuthSvcError(Exception):
    """Base of every refusal and failure of authsvc.

    ``error`` is a stable name for programs, ``zh`` and ``en`` are sentences for people, ``action`` is the client's
    next step, and ``retry_after`` is the number of seconds to wait before a retry.
    """

    error: ClassVar[str]
    zh: ClassVar[str]
    en: ClassVar[str]
    action: ClassVar[Action]
    retry_after: int | None = None
    # An operator has to act. It is logged at ERROR, even though the caller may only see "try later".
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
    """The request has no body: ``data`` was forgotten, or lost in a redirect."""

    error = "empty_body"
    zh = "请求体为空，应为 JSON 对象"
    en = "The request has no body; send a JSON object"


class BodyNotUtf8(MalformedBody):
    """The body is text in another encoding, or binary data."""

    error = "body_encoding"
    zh = "请求体不是 UTF-8 编码"
    en = "The body is not encoded as UTF-8"


class FormDeclaredAsJson(MalformedBody):
    """The body is a form, but is declared as JSON."""

    error = "form_declared_as_json"
    zh = "请求体是表单，却声明为 application/json；请发送 JSON 对象"
    en = "The body is a form declared as application/json; send a JSON object"


class JsonInsideText(MalformedBody):
    """The body is a JSON string that contains JSON: it was serialized twice."""

    error = "json_inside_text"
    zh = "请求体被 JSON.stringify 序列化了两次；请直接发送 JSON 对象"
    en = "The body was serialized twice (JSON.stringify); send the JSON object itself"


class BodyTooLarge(AuthSvcError):
    """The body exceeds the size limit."""

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
    """The body is declared as a form, but this route needs JSON. Pages of other sites could send a form unasked."""

    error = "form_sent"
    zh = "请求体声明为表单，此处需要 JSON；请将 content-type 设为 application/json（wx.request 的默认值）"
    en = "The body is declared as a form; send JSON as application/json, the default of wx.request"


class FormExpected(UnsupportedMediaType):
    """The body is not declared as a form, but the RFC of this route requires one."""

    error = "form_expected"
    zh = "请使用 application/x-www-form-urlencoded"
    en = "Send the body as application/x-www-form-urlencoded"


class NoSuchRoute(AuthSvcError):
    """There is no such route."""

    error = "not_found"
    zh = "地址不存在"
    en = "This address does not exist"
    action: ClassVar[Action] = "fix_request"


class MethodNotAllowed(AuthSvcError):
    """The route exists, but not for this method."""

    error = "method_not_allowed"
    zh = "不支持该请求方法"
    en = "This method is not supported here"
    action: ClassVar[Action] = "fix_request"

    def __init__(self, detail: str = "", allow: str = "") -> None:
        super().__init__(detail)
        self.allow = allow


class TooManyRequests(AuthSvcError):
    """This address, mini program or user exceeded a rate limit. ``retry_after``: seconds until a request is allowed."""

    error = "too_many_requests"
    zh = "请求过于频繁，请稍后再试"
    en = "Too many requests; try again later"
    action: ClassVar[Action] = "retry"
    retry_after = 60

    def __init__(self, detail: str = "", retry_after: int = 60) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class PushRejected(AuthSvcError):
    """The push is not from WeChat, too old, or for another mini program; all get the same answer."""

    error = "push_rejected"
    zh = "推送校验失败"
    en = "The push could not be verified"
    action: ClassVar[Action] = "fix_request"


class UnknownApp(AuthSvcError):
    """The request names a mini program that this deployment does not serve."""

    error = "unknown_app"
    zh = "未知的小程序"
    en = "This mini program is not served here"
    action: ClassVar[Action] = "fix_request"


class TouristAppId(UnknownApp):
    """The developer tools have no AppID (``touristappid``), and WX_TOURIST_APP names no app for that case."""

    error = "tourist_appid"
    zh = (
        "开发者工具未填写 AppID（touristappid）：请在 project.config.json 的 appid 中填写小程序的 AppID；"
        "只对接模拟器时，可在服务端设置 WX_TOURIST_APP"
    )
    en = (
        "The developer tools sent touristappid, which is not an AppID: set appid in project.config.json to the AppID "
        "of the mini program; with the simulator, you can set WX_TOURIST_APP on the server instead"
    )


# --- the caller ---------------------------------------------------------------------------------------------


class Unauthenticated(AuthSvcError):
    """The token is missing, forged, expired or foreign; all get the same answer."""

    error = "unauthenticated"
    zh = "请先登录"
    en = "Please sign in"
    action: ClassVar[Action] = "relogin"


class SessionEnded(Unauthenticated):
    """The token is authentic, but its session was ended or has expired."""


class AccountDisabled(AuthSvcError):
    """The user was disabled or closed."""

    error = "account_disabled"
    zh = "账号已停用"
    en = "This account is disabled"
    action: ClassVar[Action] = "contact"


class AccountClosed(AccountDisabled):
    """The user closed the account. It can be reopened until it is erased."""

    error = "account_closed"
    zh = "账号已注销"
    en = "This account was closed"


class StepUpRequired(AuthSvcError):
    """A token alone is not enough for this call: it also needs a fresh code of ``wx.login``, from the phone."""

    error = "step_up_required"
    zh = "请在手机上的小程序中进行此操作"
    en = "Please do this in the mini program on your phone; it needs a fresh code of wx.login"
    action: ClassVar[Action] = "relogin"


class StepUpMismatch(AuthSvcError):
    """The code belongs to another WeChat account, or another mini program, than the session signed in with."""

    error = "step_up_mismatch"
    zh = "当前微信与登录时的微信不一致，请重新登录"
    en = "This is not the WeChat account that signed in; please sign in again"
    action: ClassVar[Action] = "relogin"


class OtherMiniProgram(AuthSvcError):
    """The request concerns another mini program than the session's; only a session of that one may do it."""

    error = "other_mini_program"
    zh = "请在相应的小程序中进行此操作"
    en = "This concerns another mini program; please do it there"
    action: ClassVar[Action] = "fix_request"


class AddedWeChat(AuthSvcError):
    """This session began with a WeChat account that was added later; only the original account may do this."""

    error = "added_wechat"
    zh = "请使用该账号原来的微信进行此操作"
    en = "Please do this with the original WeChat account, not with the one that was added later"
    action: ClassVar[Action] = "fix_request"


class TicketInvalid(AuthSvcError):
    """The registration ticket is forged, expired, used, or for another purpose."""

    error = "ticket_invalid"
    zh = "注册凭证无效，请重新登录"
    en = "The registration ticket is not valid; please sign in again"
    action: ClassVar[Action] = "relogin"


class ScanTicketInvalid(AuthSvcError):
    """The ticket of a scanned code is unknown, expired, decided, or another phone's; all get the same answer."""

    error = "scan_ticket_invalid"
    zh = "小程序码已失效，请在网页上重新获取后再扫码"
    en = "This code is no longer valid; get a new one on the web page and scan it"
    action: ClassVar[Action] = "fix_request"


class InviteRequired(AuthSvcError):
    """Only people with a valid invite code may register, and the request has none."""

    error = "invite_required"
    zh = "注册需要邀请码"
    en = "An invite code is needed to register"
    action: ClassVar[Action] = "fix_request"


class InviteUnknown(InviteRequired):
    """There is no such invite code; codes are case-sensitive."""

    error = "invite_unknown"
    zh = "邀请码不存在，请检查后重试"
    en = "This invite code does not exist; please check it"


class InviteUsedUp(InviteRequired):
    """The invite code has reached its maximum number of uses."""

    error = "invite_used_up"
    zh = "邀请码已达使用上限"
    en = "This invite code has reached its maximum number of uses"


class InviteExpired(InviteRequired):
    """The invite code has expired."""

    error = "invite_expired"
    zh = "邀请码已过期"
    en = "This invite code has expired"


class InviteDisabled(InviteRequired):
    """The invite code was disabled, or its owner has left."""

    error = "invite_disabled"
    zh = "邀请码已停用"
    en = "This invite code has been disabled"


class RegistrationClosed(AuthSvcError):
    """New people may not register; known users can still sign in."""

    error = "registration_closed"
    zh = "暂不开放注册"
    en = "Registration is closed"
    action: ClassVar[Action] = "contact"


class Conflict(AuthSvcError):
    """The requested item belongs to somebody else, or must not be removed."""

    error = "conflict"
    zh = "操作冲突"
    en = "This conflicts with existing data"
    action: ClassVar[Action] = "contact"


class PhoneTaken(Conflict):
    """The phone number belongs to another user."""

    error = "phone_taken"
    zh = "手机号已被其他账号使用"
    en = "This phone number belongs to another account"


class IdentityTaken(Conflict):
    """The WeChat identity already belongs to a user."""

    error = "identity_taken"
    zh = "该微信已绑定其他账号"
    en = "This WeChat account belongs to another account"


class LastIdentity(Conflict):
    """Without this identity, the user could not sign in any more."""

    error = "last_identity"
    zh = "不能解除唯一的登录方式"
    en = "The last way to sign in cannot be removed"
    action: ClassVar[Action] = "fix_request"


class NotFound(AuthSvcError):
    """The caller has no such item."""

    error = "no_such_item"
    zh = "内容不存在"
    en = "This item does not exist"
    action: ClassVar[Action] = "fix_request"


class NoSuchUser(NotFound):
    """An operator asked about a user who does not exist, or was erased."""

    error = "no_such_user"
    zh = "没有这个用户"
    en = "There is no such user"


class AlreadyDisabled(Conflict):
    """An operator disabled a user who is disabled."""

    error = "already_disabled"
    zh = "该用户已经停用"
    en = "This user is already disabled"
    action: ClassVar[Action] = "fix_request"


class NotDisabled(Conflict):
    """An operator enabled a user who is not disabled."""

    error = "not_disabled"
    zh = "该用户没有停用"
    en = "This user is not disabled"
    action: ClassVar[Action] = "fix_request"


class MergedAway(Conflict):
    """An operator acted on a user who was merged into another."""

    error = "merged_away"
    zh = "该用户已并入另一个用户，请对那个用户操作"
    en = "This user was merged into another one; act on that one"
    action: ClassVar[Action] = "fix_request"


class NotActive(Conflict):
    """An operator merged users of whom one is disabled or closed."""

    error = "not_active"
    zh = "只有状态正常的用户可以合并"
    en = "Only active users can be merged"
    action: ClassVar[Action] = "fix_request"


class SameUser(Conflict):
    """An operator merged a user into themselves."""

    error = "same_user"
    zh = "两个编号是同一个用户"
    en = "Both ids are the same user"
    action: ClassVar[Action] = "fix_request"


class NothingToUndo(Conflict):
    """An operator wanted to undo a merge that is not kept, or no longer."""

    error = "nothing_to_undo"
    zh = "该用户没有可撤销的合并，或撤销期限已过"
    en = "There is no merge of this user that can still be undone"
    action: ClassVar[Action] = "fix_request"


class BuiltOnMerge(Conflict):
    """An operator wanted to undo a merge that something was built on."""

    error = "built_on_merge"
    zh = "合并之后手机号、绑定的微信、角色或账号状态又有变化，无法撤销合并"
    en = "The phone number, linked WeChats, roles or status have changed since the merge; it cannot be undone"
    action: ClassVar[Action] = "fix_request"


class PictureRejected(AuthSvcError):
    """The upload is not a picture that authsvc accepts."""

    error = "picture_rejected"
    zh = "图片格式或大小不符合要求"
    en = "The picture must be a JPEG, PNG or WebP within the size limits"
    action: ClassVar[Action] = "fix_request"


class UploadMalformed(PictureRejected):
    """The upload is not a multipart form, or has no part named ``file``."""

    error = "upload_malformed"
    zh = "上传须为 multipart/form-data，且文件字段名为 file（wx.uploadFile 的 name）"
    en = "Send the upload as multipart/form-data with a part named file (the name option of wx.uploadFile)"


class BoundaryMissing(UploadMalformed):
    """The upload's Content-Type has no boundary: the client set the header itself."""

    error = "boundary_missing"
    zh = "上传请求的 Content-Type 缺少 boundary；请不要自行设置该请求头"
    en = "The Content-Type of the upload has no boundary; do not set this header yourself"


class PictureLimitReached(AuthSvcError):
    """This user or service has reached its limit of different pictures of codes."""

    error = "picture_limit_reached"
    zh = "小程序码数量已达上限"
    en = "You have reached the limit of mini-program codes"
    action: ClassVar[Action] = "contact"


class CursorExpired(AuthSvcError):
    """Changes after this cursor have been deleted: the copy must be made anew."""

    error = "cursor_expired"
    zh = "游标已过期，请重新全量同步"
    en = "The cursor is too old; make the copy anew and start from the current cursor"
    action: ClassVar[Action] = "contact"


class LimitReached(AuthSvcError):
    """This user has reached the limit of such items (consents, identities)."""

    error = "limit_reached"
    zh = "数量已达上限"
    en = "You have reached the limit"
    action: ClassVar[Action] = "contact"


class NotPermitted(AuthSvcError):
    """The caller is known, but lacks the permission for this call."""

    error = "forbidden"
    zh = "没有权限"
    en = "You do not have permission for this"
    action: ClassVar[Action] = "contact"


class ForeignPage(NotPermitted):
    """A page of another site sent the request, or an outdated form of the console."""

    error = "foreign_page"
    zh = "请求并非来自控制台的当前页面，已拒绝；请重新打开控制台后再试"
    en = "The request does not come from a current page of the console; open the console again and retry"
    action: ClassVar[Action] = "fix_request"


# --- what WeChat says ---------------------------------------------------------------------------------------


class DataRejected(AuthSvcError):
    """encryptedData or rawData does not match this session.

    Every cause gets the same answer: the format has no integrity protection, so different answers would be a padding
    oracle.
    """

    error = "data_rejected"
    zh = "微信数据校验失败，请重新登录后再试"
    en = "The WeChat data could not be verified; please sign in again and retry"
    action: ClassVar[Action] = "relogin"


class WeChatError(AuthSvcError):
    """WeChat refused, or could not be reached.

    ``errcode`` is WeChat's error number. ``errmsg`` is WeChat's text, for contracts whose front ends show it: without
    the request id at its end, and empty if it describes this service. The operator's log has the full text.
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
    """The login code looks like a code of the phone button; both are called ``code``, so they get mixed up."""

    error = "wx_code_is_phone_code"
    zh = "这是手机号按钮返回的 code，请传 wx.login 返回的 code"
    en = "This is a code of the phone button; send the code from wx.login"
    action: ClassVar[Action] = "fix_request"


class LoginCodeIsMock(LoginCodeInvalid):
    """The login code is the sentence that ``wx.login`` returns in developer tools without an AppID."""

    error = "wx_code_is_mock"
    zh = "这是开发者工具未填写 AppID 时返回的模拟 code：请在 project.config.json 的 appid 中填写小程序的 AppID"
    en = (
        "This is the mock code that wx.login returns in developer tools without an AppID: set appid in "
        "project.config.json to the AppID of the mini program"
    )
    action: ClassVar[Action] = "fix_request"


class PhoneCodeInvalid(WeChatError):
    """The code of the phone button is unknown, used, expired, or another user's; WeChat does not distinguish these."""

    error = "wx_phone_code_invalid"
    zh = "手机号授权已失效，请再次点击获取手机号"
    en = "The phone code is not valid; tap the phone button again"
    action: ClassVar[Action] = "tap_again"


class PhoneCodeIsLoginCode(PhoneCodeInvalid):
    """The phone code looks like a code of ``wx.login``."""

    error = "wx_phone_code_is_login_code"
    zh = "这是 wx.login 返回的 code，请传手机号按钮（bindgetphonenumber）返回的 code"
    en = "This is a code of wx.login; send the code from the phone button (bindgetphonenumber)"
    action: ClassVar[Action] = "fix_request"


class PhoneBudgetExhausted(AuthSvcError):
    """This user or address has used up the day's budget of phone numbers, which WeChat charges for."""

    error = "phone_budget_exhausted"
    zh = "今日获取手机号次数已达上限，请明天再试或使用其他方式"
    en = "Too many phone numbers were requested today; try again tomorrow or use another method"
    action: ClassVar[Action] = "retry"
    retry_after = 3600


class PhoneCallsStopped(PhoneBudgetExhausted):
    """The mini program's budget of the day is used up. Nobody gets a number until tomorrow, or until it is raised."""

    error = "phone_calls_stopped"
    alarm = True


class LookUpsStopped(PhoneCallsStopped):
    """The budget for calls that identify nobody is used up. People who have signed in still get numbers."""


class SessionKeyStale(WeChatError):
    """WeChat no longer accepts the stored session_key."""

    error = "wx_session_stale"
    zh = "微信登录态已过期，请重新登录"
    en = "The WeChat session has expired; call wx.login again"
    action: ClassVar[Action] = "relogin"


class SessionKeyReplaced(AuthSvcError):
    """The stored session_key of a person whom another service asks about is not WeChat's current one, or is missing.

    The service passes this on to the mini program, which signs in silently and repeats its request.
    """

    error = "session_key_replaced"
    zh = "微信登录态已更新，请重新登录后再试"
    en = "WeChat has replaced the session_key; sign in again with wx.login, then repeat"
    action: ClassVar[Action] = "relogin"


class WeChatUserBlocked(WeChatError):
    """WeChat classifies the user as a risk."""

    error = "wx_user_blocked"
    zh = "微信拒绝了此次登录"
    en = "WeChat refused this sign-in"
    action: ClassVar[Action] = "contact"


class WeChatRateLimited(WeChatError):
    """There were too many calls to WeChat in this minute."""

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
    """authsvc's AppID, secret, address or request is wrong, or the account is restricted. The operator must act."""

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
    """WeChat rejected the access_token (40001, 40014, 42001). This error does not leave ``accesstokens.py``."""


class WeChatUnreachable(WeChatError):
    """The request was provably never sent, so the client may send the same code again."""

    error = "wechat_unavailable"
    zh = "微信服务暂不可用，请稍后再试"
    en = "WeChat is unavailable; please try again"
    action: ClassVar[Action] = "retry"
    retry_after = 2
    # A certificate, a proxy, a name: usually something on our side.
    alarm = True


class WeChatOverloaded(WeChatUnreachable):
    """WeChat was not called: too many calls are in progress, or WeChat has been failing."""

    error = "wechat_overloaded"
    retry_after = 3
    alarm = False  # the failures that opened the breaker were logged


class AccessTokenUnavailable(WeChatUnreachable):
    """There is no access_token at the moment, so WeChat was not called. The same phone code may be sent again."""


class WeChatBusy(WeChatError):
    """WeChat answered that it is busy (-1)."""

    error = "wechat_busy"
    zh = "微信服务繁忙，请重新登录"
    en = "WeChat is busy; please sign in again"
    action: ClassVar[Action] = "relogin"
    retry_after = 2


class WeChatNoAnswer(WeChatError):
    """The request was sent, but no usable answer came. The code may be used up, so a new one is needed."""

    error = "wechat_no_answer"
    zh = "微信服务无响应，请重新登录"
    en = "WeChat did not answer; please sign in again"
    action: ClassVar[Action] = "relogin"
    retry_after = 2


class PhoneUnanswered(WeChatNoAnswer):
    """The phone code was sent, but no usable answer came. It may be used up, so a new one is needed."""

    error = "wx_phone_no_answer"
    zh = "微信服务无响应，请再次点击获取手机号"
    en = "WeChat did not answer; tap the phone button again"
    action: ClassVar[Action] = "tap_again"


class WxaCodeUnanswered(WeChatNoAnswer):
    """WeChat returned no valid picture of a code. Asking again does no harm."""

    error = "wx_code_picture_unavailable"
    zh = "小程序码生成失败，请稍后再试"
    en = "The mini-program code could not be created; please try again"
    action: ClassVar[Action] = "retry"
    retry_after = 5


class WeChatBadAnswer(WeChatNoAnswer):
    """WeChat's answer does not match the documentation of the endpoint."""

    error = "wechat_bad_answer"
    zh = "微信服务响应异常，请重新登录"
    en = "WeChat gave an unusable answer; please sign in again"
    alarm = True


class WeChatUnknownError(WeChatError):
    """WeChat returned an errcode that authsvc does not know."""

    error = "wechat_error"
    zh = "微信服务异常，请稍后再试"
    en = "WeChat reported an error; please try again later"
    action: ClassVar[Action] = "retry"
    retry_after = 5
    alarm = True


# --- this service -------------------------------------------------------------------------------------------


class ServiceBusy(AuthSvcError):
    """The database is locked, unreachable or out of connections for longer than a request may wait."""

    error = "service_busy"
    zh = "服务繁忙，请稍后再试"
    en = "The service is busy; please try again"
    action: ClassVar[Action] = "retry"
    retry_after = 2
    alarm = True


class DatabaseBusy(ServiceBusy):
    """The database refuses work that it will do later. The text says what the operator can look at."""


class PicturesUnavailable(ServiceBusy):
    """The folder or bucket of pictures cannot be read or written: unreachable, full, or no permission."""

    error = "pictures_unavailable"


class PicturesBusy(ServiceBusy):
    """Too many pictures are waiting to be processed, or one took too long because the machine is busy."""

    error = "pictures_busy"
    zh = "图片处理繁忙，请稍后再试"
    en = "Too many pictures are being processed; please try again"
    alarm = False


class PicturesFull(ServiceBusy):
    """The number of stored pictures of codes has reached the operator's limit."""

    error = "pictures_full"
    zh = "服务暂不可用，请稍后再试"
    en = "The service is unavailable; please try again later"
    retry_after = 3600


class InternalError(AuthSvcError):
    """An unexpected error."""

    error = "internal_error"
    zh = "服务内部错误"
    en = "Internal error"
    action: ClassVar[Action] = "contact"
    alarm = True


class DatabaseUnusable(InternalError):
    """The database fails in a way that waiting does not fix: privileges, tables, a full disk. See ``/readyz``."""

    error = "database_unusable"


def will_pass(error: AuthSvcError) -> bool:
    """Tell whether the same request will succeed later without anybody having to act."""
    return error.action == "retry" and not isinstance(error, PicturesFull)


def error_kinds() -> list[type[AuthSvcError]]:
    """Return one class for each stable name, in alphabetical order: the most general one."""
    kinds: dict[str, type[AuthSvcError]] = {}
    found = list(AuthSvcError.__subclasses__())
    for kind in found:  # which grows meanwhile
        found.extend(kind.__subclasses__())
        if hasattr(kind, "error"):
            kinds.setdefault(kind.error, kind)
    return [kinds[name] for name in sorted(kinds)]
