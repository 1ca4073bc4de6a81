"""The old name of ``authsvc_verifier.flask``."""

from authsvc_verifier.flask import token_required

__all__ = ["token_required"]
