"""Has WeChat draw mini-program codes (小程序码)."""

import logging

from authsvc.errors import WeChatBadAnswer, WeChatBusy, WeChatNoAnswer, WxaCodeUnanswered
from authsvc.imaging.essence import Undecodable
from authsvc.imaging.lane import Lane
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.values.pictures import WxaCode
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.client import WeChatClient

logger = logging.getLogger(__name__)


class Drawing:
    """Requests codes from WeChat; ``lane`` redraws them, because the answer could contain anything."""

    def __init__(self, wechat: WeChatClient, access_tokens: AccessTokens, lane: Lane) -> None:
        self._wechat = wechat
        self._access_tokens = access_tokens
        self._lane = lane

    def draw(self, app: MiniProgram, code: WxaCode) -> tuple[str, bytes]:
        """Return the extension ("jpg" or "png") and the content of a code's picture.

        Raises WxaPageUnknown, WxaCodeUnanswered (try again), WeChatRateLimited (5,000 a minute), another WeChatError.
        """
        try:
            answer = self._access_tokens.call(app, lambda token: self._wechat.get_wxacode_unlimited(token, code))
            return self._lane.draw(answer)
        except Undecodable as reason:
            logger.error("WeChat sent something that is not a picture of a code: %s", reason)
            raise WxaCodeUnanswered(str(reason)) from None
        except (WeChatBusy, WeChatNoAnswer) as error:
            if isinstance(error, WeChatBadAnswer):
                logger.error("unusable answer to a code: %s", error)
            raise WxaCodeUnanswered(str(error), error.errcode, error.errmsg) from None
