"""The qrcode blueprint: mini-program codes that carry an invite. Its routes come with the access_token they need."""

from flask import Blueprint

qrcode = Blueprint("qrcode", __name__)
