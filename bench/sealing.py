"""What phones encrypt, for every session_key that the upstream may give."""

import base64
import json
import time

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from bench.upstream import APPID, session_key

# A prime, so that somebody who comes again comes with another session_key. load.lua chooses among them.
KEYS = 499
_IV = base64.b64encode(bytes(range(16))).decode()


def sealed_profile(key_number: int) -> dict[str, str]:
    """Return encryptedData and iv: a profile as wx.getUserProfile gives it, with a watermark of now."""
    profile = {
        "nickName": "小明同学",
        "gender": 1,
        "language": "zh_CN",
        "city": "Guangzhou",
        "province": "Guangdong",
        "country": "China",
        "avatarUrl": "https://thirdwx.qlogo.cn/mmopen/vi_32/Q0j4TwGTfTJx8P3kYb9cVw2u5dRzKqLhM7sNaEoIyBgWlUeCtXvHpFiDjOrZmAnQk/132",
        "watermark": {"timestamp": int(time.time()), "appid": APPID},
    }
    text = json.dumps(profile, ensure_ascii=False, separators=(",", ":")).encode()
    key, iv = base64.b64decode(session_key(key_number)), base64.b64decode(_IV)
    sealed = AES.new(key, AES.MODE_CBC, iv).encrypt(pad(text, 16))
    return {"encryptedData": base64.b64encode(sealed).decode(), "iv": _IV}


def payload_lines() -> str:
    """Return a line per session_key, as it stands in a JSON body."""
    return "".join(json.dumps(sealed_profile(number))[1:-1] + "\n" for number in range(KEYS))
