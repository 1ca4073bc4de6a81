"""The steps of a login that the Python peers do alike: open what came encrypted, seal, sign, answer."""

import base64
import json
import os
import secrets
import time
from pathlib import Path

import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_private_key

DATABASE_URL = os.environ["DATABASE_URL"]
APPID = os.environ["WX_APPID"]
EXCHANGE = os.environ["WX_API_BASE"] + "/sns/jscode2session"
SESSION_SECONDS = 30 * 86400
_SECRET = os.environ["WX_SECRET"]
# Loaded once: reading PEM for each token costs more than signing.
_KEY = load_pem_private_key(Path(os.environ["SIGNING_KEY_FILE"]).read_bytes(), None)
_FERNET = Fernet(os.environ["SEALING_KEY"])


def query(code):
    """Return what code2session is asked with."""
    return {"appid": APPID, "secret": _SECRET, "js_code": code, "grant_type": "authorization_code"}


def open_profile(session_key, encrypted_data, iv):
    """Return the profile in encryptedData; raise ValueError when it does not open or is another mini program's."""
    cipher = Cipher(algorithms.AES(base64.b64decode(session_key)), modes.CBC(base64.b64decode(iv))).decryptor()
    padded = cipher.update(base64.b64decode(encrypted_data)) + cipher.finalize()
    unpadder = PKCS7(128).unpadder()
    opened = json.loads(unpadder.update(padded) + unpadder.finalize())
    if opened["watermark"]["appid"] != APPID:
        raise ValueError("of another mini program")
    return {"nickname": opened["nickName"], "avatar_url": opened["avatarUrl"], "gender": opened["gender"]}


def seal(session_key):
    """Return the session_key as it is stored."""
    return _FERNET.encrypt(session_key.encode()).decode()


def new_session_id():
    return secrets.token_urlsafe(16)


def token(user_id, session_id):
    """Return a signed access token."""
    now = int(time.time())
    claims = {
        "iss": "https://login.example.test",
        "aud": APPID,
        "sub": str(user_id),
        "sid": session_id,
        "iat": now,
        "exp": now + 900,
        "jti": secrets.token_urlsafe(12),
    }
    return jwt.encode(claims, _KEY, algorithm="ES256")


def answer(user, session_id, is_new):
    """Return the body of a success; ``user`` is a mapping with id and profile."""
    data = {
        "access_token": token(user["id"], session_id),
        "token_type": "Bearer",
        "expires_in": 900,
        "is_new_user": is_new,
        "user": {**user, "id": str(user["id"])},
    }
    return {"code": 0, "msg": "ok", "data": data}


def refusal(message):
    """Return the body of a refusal."""
    return {"code": 400, "msg": message, "data": None}
