"""``/``: two simulated phones in a browser, with the real login manager, and a live list of every call.

The phones' calls to authsvc go through here (``/ui/authsvc/…``), so authsvc needs no CORS.
"""

from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, abort, current_app, render_template, request

from authsvc.wxsim.browsers import is_this_machine
from authsvc.wxsim.profiles import profile_for
from authsvc.wxsim.simulator import simulator

blueprint = Blueprint("page", __name__, template_folder="templates", static_folder="static", static_url_path="/ui")

# Beside the package in a checkout; an installed package has no mini program.
KIT = Path(__file__).resolve().parents[2] / "miniprogram" / "demo" / "authsvc"
AUTHSVC = "AUTHSVC_ADDRESS"
_PEOPLE = ("alice", "bob", "carol", "dave")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SENT = ("Authorization", "Content-Type", "Accept-Language", "Idempotency-Key", "Step-Up-Code")
_ANSWERED = ("Content-Type", "Retry-After")
# authsvc shows people a session of such a phone as "WeChat · iPhone".
_USER_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 MicroMessenger/8.0.50"


def require_loopback(address: str) -> None:
    """Raise ValueError unless ``address`` is ``http://`` on this machine; calls are never forwarded elsewhere."""
    parts = urlsplit(address)
    if parts.scheme != "http" or not is_this_machine(parts.hostname) or parts.port is None:
        raise ValueError(f"{address!r} is not an address on this machine, such as http://127.0.0.1:8000")


@blueprint.get("/")
def page() -> Response:
    """Show the page, in Chinese unless the browser prefers English or ``?lang=en`` is given."""
    wanted = request.args.get("lang") or request.accept_languages.best_match(("zh", "zh-CN", "en"), default="zh")
    is_english = wanted == "en"
    response = Response(
        render_template(
            "page.html",
            language="en" if is_english else "zh-CN",
            say=lambda chinese, english: english if is_english else chinese,
            appid=simulator().world.apps()[0].appid,
            authsvc=current_app.config[AUTHSVC],
            has_kit=KIT.is_dir(),
            people=[(name, profile_for(name)["nickName"]) for name in _PEOPLE],
        )
    )
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept-Language"
    return response


@blueprint.get("/ui/kit.js")
def kit() -> Response:
    """Return the login manager's files, each unchanged in its own function: CommonJS without eval."""
    files = [
        f'"./{path.stem}": function (require, module, exports) {{\n{path.read_text(encoding="utf-8")}}},\n'
        for path in sorted(KIT.glob("*.js"))
    ]
    return Response(f"export default {{\n{''.join(files)}}};\n", mimetype="text/javascript")


@blueprint.route("/ui/authsvc/<path:path>", methods=["GET", "POST", "PUT", "DELETE"])
def forward(path: str) -> Response:
    """Pass a phone's call on to authsvc, only for callers on this machine; 502 if it does not answer.

    authsvc's status is in ``Authsvc-Status``, because a refusal by authsvc is not an error of this page, and browsers
    would print it on the console.
    """
    if not is_this_machine(request.remote_addr):
        abort(403, "only for browsers on this machine")
    address = current_app.config[AUTHSVC]
    if address is None:
        abort(404, "start the simulator with --authsvc")
    authsvc = urlsplit(address)
    headers = {name: request.headers[name] for name in _SENT if name in request.headers}
    target = quote(f"/{path}") + (f"?{request.query_string.decode()}" if request.query_string else "")
    connection = HTTPConnection(str(authsvc.hostname), authsvc.port, timeout=30)
    try:
        connection.request(request.method, target, request.get_data(), {**headers, "User-Agent": _USER_AGENT})
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name in _ANSWERED}
        return Response(answer.read(), headers={**kept, "Authsvc-Status": str(answer.status)})
    except (OSError, HTTPException) as error:
        abort(502, f"authsvc does not answer: {error}")
    finally:
        connection.close()
