"""The baseline: a mini-program login "the plain Flask way", as tutorials and small projects write it.

``requests.get`` per call, models loaded, changed, committed and refreshed by the ORM, an HS256 token by
flask-jwt-extended, pycryptodome for encryptedData. One kindness: SQLite gets WAL and ``synchronous=NORMAL``, which
no tutorial sets, so that the comparison is of code and not of how often a disk is told to flush.
"""

import base64
import json
import os
import secrets
from datetime import datetime, timedelta

import requests
from Crypto.Cipher import AES
from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"].replace("mysql://", "mysql+pymysql://")
app.config["JWT_SECRET_KEY"] = "a-secret-of-the-benchmark-that-protects-nothing"
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(days=7)
app.config["WX_APPID"] = os.environ["WX_APPID"]
app.config["WX_SECRET"] = os.environ["WX_SECRET"]
app.config["WX_API_BASE"] = os.environ["WX_API_BASE"]
db = SQLAlchemy(app)
JWTManager(app)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    openid = db.Column(db.String(64), unique=True, nullable=False)
    unionid = db.Column(db.String(64), index=True)
    session_key = db.Column(db.String(64))
    nickname = db.Column(db.String(64))
    avatar_url = db.Column(db.String(512))
    gender = db.Column(db.Integer)
    created_at = db.Column(db.DateTime, default=datetime.now)
    last_login_at = db.Column(db.DateTime)

    def to_dict(self):
        return {
            "id": self.id,
            "nickname": self.nickname,
            "avatar_url": self.avatar_url,
            "gender": self.gender,
            "created_at": self.created_at.isoformat(),
        }


class LoginSession(db.Model):
    id = db.Column(db.String(32), primary_key=True)
    user_id = db.Column(db.Integer, db.ForeignKey("user.id"), index=True, nullable=False)
    device = db.Column(db.String(255))
    created_at = db.Column(db.DateTime, default=datetime.now)
    expires_at = db.Column(db.DateTime)


class WXBizDataCrypt:
    """As in WeChat's own sample."""

    def __init__(self, app_id, session_key):
        self.app_id = app_id
        self.session_key = session_key

    def decrypt(self, encrypted_data, iv):
        session_key = base64.b64decode(self.session_key)
        encrypted_data = base64.b64decode(encrypted_data)
        iv = base64.b64decode(iv)
        cipher = AES.new(session_key, AES.MODE_CBC, iv)
        decrypted = json.loads(self._unpad(cipher.decrypt(encrypted_data)))
        if decrypted["watermark"]["appid"] != self.app_id:
            raise Exception("Invalid Buffer")
        return decrypted

    def _unpad(self, s):
        return s[: -ord(s[len(s) - 1 :])]


def code2session(code):
    params = {
        "appid": app.config["WX_APPID"],
        "secret": app.config["WX_SECRET"],
        "js_code": code,
        "grant_type": "authorization_code",
    }
    return requests.get(app.config["WX_API_BASE"] + "/sns/jscode2session", params=params, timeout=5).json()


@app.post("/api/v1/auth/login")
def login():
    body = request.get_json()
    answer = code2session(body["code"])
    if "openid" not in answer:
        return jsonify(code=400, msg=answer.get("errmsg"), data=None), 400
    user = User.query.filter_by(openid=answer["openid"]).first()
    is_new = user is None
    if is_new:
        user = User(openid=answer["openid"])
        db.session.add(user)
    user.session_key = answer["session_key"]
    user.unionid = answer.get("unionid")
    user.last_login_at = datetime.now()
    if body.get("encryptedData"):
        info = WXBizDataCrypt(app.config["WX_APPID"], answer["session_key"]).decrypt(body["encryptedData"], body["iv"])
        user.nickname = info["nickName"]
        user.avatar_url = info["avatarUrl"]
        user.gender = info["gender"]
    db.session.flush()
    session = LoginSession(
        id=secrets.token_urlsafe(16),
        user_id=user.id,
        device=request.headers.get("User-Agent", ""),
        expires_at=datetime.now() + timedelta(days=30),
    )
    db.session.add(session)
    db.session.commit()
    db.session.refresh(user)
    token = create_access_token(identity=str(user.id), additional_claims={"sid": session.id})
    data = {"access_token": token, "token_type": "Bearer", "is_new_user": is_new, "user": user.to_dict()}
    return jsonify(code=0, msg="ok", data=data)


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")


def _gentler_sqlite(connection, _record):
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


with app.app_context():
    if db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", _gentler_sqlite)
