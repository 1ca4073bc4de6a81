"""Django REST framework, in one file: a view, a serializer, models, ``transaction.atomic``.

Kept lean, as for a service of its own: no middleware, no sessions, no admin, persistent database connections.
"""

import time
from urllib.parse import urlsplit

import django
import pymysql
import requests
from django.conf import settings

from bench.peers import steps

# As Django's users without a C compiler do: it looks for the version number of mysqlclient.
pymysql.version_info = (2, 2, 7, "final", 0)
pymysql.install_as_MySQLdb()


def _database():
    if steps.DATABASE_URL.startswith("sqlite"):
        options = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        }
        name = steps.DATABASE_URL.removeprefix("sqlite:///")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options, "CONN_MAX_AGE": None}
    place = urlsplit(steps.DATABASE_URL)
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": place.path[1:],
        "HOST": place.hostname,
        "PORT": place.port,
        "USER": place.username,
        "CONN_MAX_AGE": None,
    }


settings.configure(
    SECRET_KEY="of-the-benchmark-and-protects-nothing",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=[],
    DATABASES={"default": _database()},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class User(models.Model):
    nickname = models.CharField(max_length=64, null=True)
    avatar_url = models.CharField(max_length=512, null=True)
    gender = models.SmallIntegerField(null=True)
    created_at = models.BigIntegerField()
    last_login_at = models.BigIntegerField()

    class Meta:
        app_label, db_table = "peer", "users"


class Identity(models.Model):
    appid = models.CharField(max_length=32)
    openid = models.CharField(max_length=64)
    unionid = models.CharField(max_length=64, null=True)
    user = models.ForeignKey(User, models.CASCADE)
    session_key = models.CharField(max_length=255)

    class Meta:
        app_label, db_table = "peer", "identities"


class LoginSession(models.Model):
    id = models.CharField(max_length=32, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE)
    device = models.CharField(max_length=255)
    created_at = models.BigIntegerField()
    expires_at = models.BigIntegerField()

    class Meta:
        app_label, db_table = "peer", "sessions"


class LoginFields(serializers.Serializer):
    code = serializers.CharField()
    encryptedData = serializers.CharField(required=False)
    iv = serializers.CharField(required=False)


class UserView(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ("id", "nickname", "avatar_url", "gender", "created_at")


wechat = requests.Session()
wechat.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))


class Login(APIView):
    def post(self, request):
        asked = LoginFields(data=request.data)
        asked.is_valid(raise_exception=True)
        body = asked.validated_data
        answer = wechat.get(steps.EXCHANGE, params=steps.query(body["code"]), timeout=5).json()
        if "openid" not in answer:
            return Response(steps.refusal(answer.get("errmsg")), 400)
        profile = {}
        if "encryptedData" in body:
            try:
                profile = steps.open_profile(answer["session_key"], body["encryptedData"], body["iv"])
            except ValueError:
                return Response(steps.refusal("encryptedData"), 400)
        user, session, is_new = self._store(answer, profile, request.headers.get("User-Agent", ""))
        return Response(steps.answer(UserView(user).data, session.id, is_new))

    @transaction.atomic
    def _store(self, answer, profile, device):
        now, unionid = int(time.time()), answer.get("unionid")
        known = {"appid": steps.APPID, "openid": answer["openid"]}
        identity = Identity.objects.select_related("user").filter(**known).first()
        is_new = False
        if identity is None:
            other = unionid and Identity.objects.select_related("user").filter(unionid=unionid).first()
            is_new = not other
            identity = Identity(**known, user=other.user if other else User(created_at=now))
        user = identity.user
        user.last_login_at = now
        for name, value in profile.items():
            setattr(user, name, value)
        user.save()
        identity.user = user
        identity.unionid, identity.session_key = unionid, steps.seal(answer["session_key"])
        identity.save()
        session = LoginSession.objects.create(
            id=steps.new_session_id(),
            user=user,
            device=device,
            created_at=now,
            expires_at=now + steps.SESSION_SECONDS,
        )
        return user, session, is_new


class Health(APIView):
    def get(self, request):
        return Response({"status": "ok"})


urlpatterns = [path("api/v1/auth/login", Login.as_view()), path("healthz", Health.as_view())]
application = get_wsgi_application()
