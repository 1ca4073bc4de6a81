"""Frozen values about pictures of mini-program codes, and about the place where pictures are stored."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from authsvc.clock import DAY

EnvVersion = Literal["release", "trial", "develop"]
Addressing = Literal["auto", "virtual", "path"]
Signature = Literal["s3v4", "s3"]

SCENE_CHARACTERS = 32
PAGE_CHARACTERS = 128
LEAST_WIDTH, MOST_WIDTH = 280, 1280
# WeChat's 82 characters.
SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}\Z")
# As in app.json: no leading slash, no query. WeChat reserves scancode_time (85096).
PAGE = re.compile(r"(?!.*scancode_time)(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?\Z")
# 128 unguessable bits, and an extension that we chose: strangers have no influence on a file name.
PICTURE_NAME = r"[0-9a-f]{32}\.(?:jpg|png|webp)"
COLOR = re.compile(r"[0-9a-f]{6}\Z")


@dataclass(frozen=True, slots=True)
class WxaCode:
    """A mini-program code to be drawn: its content and its look. WeChat page: 获取不限制的小程序码.

    ``page`` is empty for the home page; ``line_color`` six hex digits, used unless ``auto_color``; ``width`` in pixels.
    """

    scene: str
    page: str = "pages/login/login"
    env_version: EnvVersion = "release"
    check_path: bool = True
    width: int = 430
    line_color: str = "000000"
    auto_color: bool = False
    is_hyaline: bool = False

    def faults(self) -> dict[str, str]:
        """Return why WeChat would refuse it, "too_long" or "malformed" by field; empty for a valid one."""
        wrong = {
            "scene": not SCENE.match(self.scene),
            "page": not PAGE.match(self.page),
            "env_version": self.env_version not in get_args(EnvVersion),
            "width": not LEAST_WIDTH <= self.width <= MOST_WIDTH,
            "line_color": not COLOR.match(self.line_color),
        }
        found = {name: "malformed" for name, is_wrong in wrong.items() if is_wrong}
        too_long = {"scene": len(self.scene) > SCENE_CHARACTERS, "page": len(self.page) > PAGE_CHARACTERS}
        return found | {name: "too_long" for name, is_too_long in too_long.items() if is_too_long}


@dataclass(frozen=True, slots=True)
class CodePicture:
    """A stored picture of a mini-program code: its file name and its URL."""

    name: str
    url: str
    code: WxaCode


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """How many pictures of codes are stored: per user, per service, and in total.

    Services together get four fifths of the total. ``keep`` is seconds since a picture was last requested. 0 means no
    limit. ``per_minute`` is how many a batch requests from WeChat, whose own limit is 5,000.
    """

    per_user: int = 20
    per_service: int = 20_000
    total: int = 100_000
    keep: int = 180 * DAY
    per_minute: int = 4000


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """An S3-compatible bucket. ``None`` leaves the choice to boto3: its own settings, or the machine's role.

    ``prefix`` is empty or ends in a slash.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    addressing: Addressing = "auto"
    signature: Signature = "s3v4"
