"""GET /sns/jscode2session, page 小程序登录凭证校验 (code2Session)."""

from authsvc.wxsim.asked import Asked, require_app
from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.world import World

# Checked in this order before anything else. The order is inferred, because no page documents it.
_REQUIRED = (("appid", 41002), ("secret", 41004), ("js_code", 41008))


def jscode2session(world: World, asked: Asked) -> dict[str, str]:
    """Exchange a ``wx.login`` code, once, within five minutes of the simulator's clock.

    A success has no errcode, and its keys have the captured order: session_key, openid, and unionid only for an app
    bound to an Open Platform account. Raises WeChatRefusal.
    """
    for name, errcode in _REQUIRED:
        if not asked.query.get(name):
            raise WeChatRefusal(errcode)
    app = require_app(world, asked.query["appid"], asked.query["secret"])
    if asked.query.get("grant_type") != "authorization_code":
        raise WeChatRefusal(40002)
    session = world.exchange(app.appid, asked.query["js_code"])
    asked.call.consumed = True
    answer = {"session_key": session.session_key, "openid": session.openid}
    if session.unionid is not None:
        answer["unionid"] = session.unionid
    return answer
