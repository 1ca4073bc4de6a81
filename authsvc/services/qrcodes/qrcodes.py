"""Mini-program codes (小程序码): their content, their look, and their owners."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from authsvc.db.queries.code_pictures import Owner
from authsvc.errors import WeChatMisconfigured, WxaPageUnknown
from authsvc.services.invites.invites import Invites
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.qrcodes.codepictures import CodePictures
from authsvc.services.qrcodes.drawing import Drawing
from authsvc.values.pictures import CodePicture, WxaCode
from authsvc.values.sessions import Caller
from authsvc.values.wechat import MiniProgram


class QrCodes:
    """Creates codes for people, for services, and for single use."""

    def __init__(
        self, apps: Apps, invites: Invites, pictures: CodePictures, drawing: Drawing, defaults: WxaCode
    ) -> None:
        """``defaults`` defines how codes look and which page they open."""
        self._apps = apps
        self._invites = invites
        self._pictures = pictures
        self._drawing = drawing
        self._defaults = defaults

    def own(self, caller: Caller, **look: Any) -> CodePicture:
        """Return the picture of the caller's own invite code; ``look`` has fields of WxaCode.

        Raises as ``CodePictures.picture`` does, but WeChatMisconfigured if WeChat does not know the configured page.
        """
        app = self._apps.choose(caller.session.appid, None)
        code = self.invite(self._invites.own_code(caller.user.id).code, **look)
        with _page_of_the_settings():
            return self._pictures.picture(app, code, Owner(user_id=caller.user.id))

    def stored_of_invite(self, appid: str, invite_code: str) -> str | None:
        """Return the name of the stored picture of anybody's invite code, without having one drawn."""
        return self._pictures.find(self._apps.get(appid), self.invite(invite_code))

    def of_invite(self, appid: str, invite_code: str) -> CodePicture:
        """Return the picture of anybody's invite code, for an operator. Raises UnknownApp, or as ``own`` does."""
        with _page_of_the_settings():
            return self._pictures.picture(self._apps.choose(appid, None), self.invite(invite_code))

    def draw_once(self, app: MiniProgram, scene: str, page: str) -> tuple[str, bytes]:
        """Have WeChat draw a single-use code, and store nothing; return its extension and content.

        Raises WxaCodeUnanswered (try again), WeChatRateLimited, or another WeChatError; the page comes from the
        settings.
        """
        with _page_of_the_settings():
            return self._drawing.draw(app, self.code(scene, page=page))

    def invite(self, invite_code: str, **look: Any) -> WxaCode:
        """Return a code that carries an invite code into the configured page."""
        return self.code(f"invite_code={invite_code}", **look)

    def code(self, scene: str, **look: Any) -> WxaCode:
        """Return a code with this scene, and otherwise with ``look`` or the settings."""
        return replace(self._defaults, scene=scene, **look)

    def of_app(self, appid: str | None, code: WxaCode, service: str) -> CodePicture:
        """Return a picture for a service, of an app by its appid (default: the first one).

        Raises UnknownApp, or as ``CodePictures.picture`` does.
        """
        return self._pictures.picture(self._apps.choose(appid, None), code, Owner(service=service))


@contextmanager
def _page_of_the_settings() -> Iterator[None]:
    """Turn an unknown page into an error of the operator, because the caller cannot fix it."""
    try:
        yield
    except WxaPageUnknown as error:
        raise WeChatMisconfigured(str(error), error.errcode, error.errmsg) from None
