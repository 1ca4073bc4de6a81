"""The settings of mini-program codes and of the place where pictures are stored."""

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import cast, get_args

from authsvc.clock import DAY
from authsvc.config import addresses
from authsvc.config.source import Source, choice
from authsvc.values.pictures import Addressing, BucketPlace, EnvVersion, PictureLimits, Signature, WxaCode
from authsvc.values.wechat import AppPicture

_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_-]+)*)/?\Z")
_SWITCH = ("0", "1")
_ANY = "-"
_APP_PICTURE_BYTES = 256 * 1024
# The first and last bytes of a picture, by its file extension.
_WHOLE = {"jpg": (b"\xff\xd8\xff", b"\xff\xd9"), "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82")}
_PAGE_RULE = "must be a page as in app.json, without a leading slash or a query"


def wxa_code(source: Source) -> WxaCode:
    """Return the look of mini-program codes, without a scene."""
    code = WxaCode(
        scene=_ANY,
        page=source.text("QRCODE_PAGE", "pages/login/login") or "",
        env_version=cast(EnvVersion, choice(source, "QRCODE_ENV_VERSION", "release", get_args(EnvVersion))),
        check_path=choice(source, "QRCODE_CHECK_PATH", "1", _SWITCH) == "1",
        width=source.number("QRCODE_WIDTH", 430, 280, 1280),
        line_color=source.text("QRCODE_LINE_COLOR", "000000") or "",
        auto_color=choice(source, "QRCODE_AUTO_COLOR", "0", _SWITCH) == "1",
        is_hyaline=choice(source, "QRCODE_HYALINE", "0", _SWITCH) == "1",
    )
    faults = code.faults()
    if "page" in faults:
        source.complain(f"QRCODE_PAGE {_PAGE_RULE}")
    if "line_color" in faults:
        source.complain("QRCODE_LINE_COLOR must be six lowercase hex digits")
    return code


def page(source: Source, name: str) -> str | None:
    """Return a page of the mini program, or None if the setting is absent."""
    value = source.text(name)
    if value is not None and "page" in WxaCode(_ANY, value).faults():
        source.complain(f"{name} {_PAGE_RULE}")
    return value


def of_app(source: Source, place: str, path: str | None) -> AppPicture | None:
    """Return the picture of a mini program, or None if the setting at ``place`` is absent; notes what is wrong."""
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            content = file.read(_APP_PICTURE_BYTES + 1)
    except OSError:
        source.complain(f"{place} does not name a readable file")
        return None
    ending = _ending(content) if len(content) <= _APP_PICTURE_BYTES else None
    if ending is None:
        source.complain(f"{place} must be a whole JPEG, PNG or WebP of at most 256 KB")
        return None
    return AppPicture(f"{hashlib.sha256(content).hexdigest()[:32]}.{ending}", content)


def _ending(content: bytes) -> str | None:
    """Return the file extension of a whole picture, or None. Decoding is left to browsers."""
    for ending, (start, end) in _WHOLE.items():
        if content.startswith(start) and content.endswith(end):
            return ending
    is_webp = content.startswith(b"RIFF") and content[8:12] == b"WEBP"
    return "webp" if is_webp and int.from_bytes(content[4:8], "little") + 8 == len(content) else None


def limits(source: Source) -> PictureLimits:
    """Return how many pictures of codes are stored, and for how long."""
    return PictureLimits(
        per_user=source.number("QRCODE_PER_USER", 20, 0, 10**6),
        per_service=source.number("QRCODE_PER_SERVICE", 20_000, 0, 10**9),
        total=source.number("QRCODE_TOTAL", 100_000, 0, 10**9),
        keep=source.number("QRCODE_KEEP_DAYS", 180, 0, 36500) * DAY,
        per_minute=source.number("QRCODE_PER_MINUTE", 4000, 1, 5000),
    )


def bucket(source: Source) -> BucketPlace | None:
    """Return the bucket of PICTURE_STORE, or None if pictures are stored in folders."""
    address = source.text("PICTURE_STORE")
    match = _BUCKET.match(address or "")
    name, prefix = match.groups() if match else ("", "")
    place = BucketPlace(
        bucket=name,
        prefix=f"{prefix[1:]}/" if prefix else "",
        endpoint=addresses.endpoint(source, "AWS_ENDPOINT_URL_S3") if address else source.text("AWS_ENDPOINT_URL_S3"),
        region=source.text("AWS_DEFAULT_REGION"),
        access_key_id=source.text("AWS_ACCESS_KEY_ID"),
        secret_access_key=source.text("AWS_SECRET_ACCESS_KEY"),
        addressing=cast(Addressing, choice(source, "S3_ADDRESSING_STYLE", "auto", get_args(Addressing))),
        signature=cast(Signature, choice(source, "S3_SIGNATURE_VERSION", "s3v4", get_args(Signature))),
    )
    if address is None:
        return None
    if match is None:
        source.complain("PICTURE_STORE must be s3://bucket or s3://bucket/prefix")
    if importlib.util.find_spec("boto3") is None:
        source.complain("PICTURE_STORE needs boto3 (scripts/setup s3, or pip install boto3)")
    if (place.access_key_id is None) != (place.secret_access_key is None):
        source.complain("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together")
    return place
