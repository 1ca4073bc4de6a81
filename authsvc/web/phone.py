"""The phone blueprint: binding phone numbers. Its routes come with the access_token that they need."""

from flask import Blueprint

phone = Blueprint("phone", __name__)
