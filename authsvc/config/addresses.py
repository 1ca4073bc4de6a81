"""The settings that are addresses: authsvc, WeChat, the database, Redis. Credentials need TLS by default."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from authsvc.config.places import holds_certificates
from authsvc.config.source import Source, choice
from authsvc.networks import is_this_machine

WECHAT_API = "https://api.weixin.qq.com"

# Without the default port of the scheme.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::(?!80\Z|443\Z)[0-9]{2,5})?\Z")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?\Z")
_RESERVED = {"test", "localhost", "invalid", "example"}
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?(?::[0-9]{1,5})?\Z")
_WHITE = re.compile(r"[\s\\]")
_SWITCH = ("0", "1")
# Parsed as SQLAlchemy does, so that both see the same host: a password may contain /, # or ?.
_DATABASE = re.compile(
    r"(?P<driver>mysql\+(?:pymysql|mysqldb))://"
    r"(?:[^:/]*(?::[^@]*)?@)?"
    r"(?:\[(?P<ipv6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?"
    r"(?:/[^?]*)?(?:\?(?P<query>.*))?\Z",
    re.DOTALL,
)
_MYSQL_ADDRESS = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?\Z")
# Parameters that may follow the database: those of PyMySQL and mysqlclient.
_FILES = {"ssl_ca", "ssl_cert", "ssl_key"}
_SWITCHES = {"ssl_check_hostname", "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"}
_DATABASE_PARAMETERS = {
    *("charset", "collation", "unix_socket", "bind_address", "connect_timeout", "read_timeout", "write_timeout"),
    *("ssl_capath", "ssl_cipher", "ssl_mode", "program_name", "server_public_key"),
    *(_FILES | _SWITCHES),
}
_REDIS_PARAMETERS = {
    *("db", "username", "password", "protocol", "client_name", "health_check_interval", "socket_keepalive"),
    *("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"),
}
_YES = {"1", "true", "yes", "on"}
_UNVERIFIED_DATABASE = (
    "DATABASE_URL names another machine without a certificate authority: add ?ssl_ca=/path/to/ca.pem (for "
    "mysql+mysqldb:// with ssl_mode=VERIFY_IDENTITY), or set DATABASE_PLAIN_TEXT=1 to permit unencrypted connections"
)
_UNVERIFIED_MYSQL = (
    "MYSQL_ADDRESS names another machine: set DATABASE_PLAIN_TEXT=1 to permit unencrypted connections, or DATABASE_URL "
    "with ?ssl_ca=/path/to/ca.pem instead of MYSQL_ADDRESS"
)
_UNVERIFIED_REDIS = (
    "REDIS_URL sends a password to another machine without verified TLS: use rediss:// (with "
    "?ssl_ca_certs=/path/to/ca.pem for your own authority), or set REDIS_PLAIN_TEXT=1 to permit unencrypted connections"
)


def passwords(url: str) -> set[str]:
    """Return the password in an address, as written and percent-decoded; urlsplit refuses some of these addresses."""
    found = re.match(r"[^:]*://[^:/@]*:([^@]+)@", url)
    return {found[1], unquote(found[1])} if found else set()


def public_base_url(source: Source) -> str | None:
    """Return the origin under which clients reach authsvc, without a trailing slash: the ``iss`` of every token."""
    value = source.text("PUBLIC_BASE_URL")
    if value is None:
        source.complain("PUBLIC_BASE_URL is not set (the address that other services see; the token's iss)")
        return None
    parts = _split(value)
    if not _is_origin(value, parts):
        source.complain(
            "PUBLIC_BASE_URL must be an origin such as https://login.example.com, without path, query, fragment or user"
        )
    elif parts.scheme == "http" and not _is_near(parts.hostname):
        source.complain(
            "PUBLIC_BASE_URL must be https; http is allowed only for this machine and private network addresses"
        )
    return value.rstrip("/")


def api_base(source: Source) -> str:
    """Return the address of WeChat's API, without a trailing slash."""
    value = source.text("WX_API_BASE", WECHAT_API) or WECHAT_API
    parts = _split(value)
    encrypted = parts.scheme == "https" and parts.hostname
    local = parts.scheme == "http" and parts.hostname and is_this_machine(parts.hostname)
    if not (encrypted or local):
        source.complain("WX_API_BASE must be https, or http on this machine")
    elif parts.query or parts.fragment or parts.username is not None or _WHITE.search(value):
        source.complain("WX_API_BASE must be an address without user, query, fragment or blanks")
    return value.rstrip("/")


def proxy(source: Source) -> str | None:
    """Return the address of the proxy on the way to WeChat."""
    value = source.text("WX_PROXY")
    if value is None:
        return None
    parts = _split(value)
    if parts.scheme.startswith("socks"):
        source.complain("WX_PROXY must be an HTTP proxy (http:// or https://); SOCKS is not supported")
    elif parts.scheme not in ("http", "https") or not _is_host(parts) or parts.path.strip("/"):
        source.complain(
            "WX_PROXY must be http://host:port or https://host:port, with user:password@ before the host if needed"
        )
    return value.rstrip("/")


def endpoint(source: Source, name: str) -> str | None:
    """Return the address of a service, which has no path after its host."""
    value = source.text(name)
    if value is None:
        return None
    parts = _split(value)
    if not _is_origin(value, parts):
        source.complain(
            f"{name} must be an http(s) address with only a host, such as https://cos.ap-guangzhou.myqcloud.com"
        )
    return value.rstrip("/")


def origins(source: Source, name: str, base_url: str | None) -> tuple[str, ...]:
    """Return web origins as browsers write them, whose pages may get tokens from ``base_url``."""
    found = tuple(filter(None, map(str.strip, (source.text(name) or "").split(","))))
    if not all(map(_is_web_origin, found)):
        source.complain(f"{name} must contain only origins (https://host, without a trailing slash)")
    elif base_url and base_url.startswith("http:") and any(origin.startswith("https:") for origin in found):
        source.complain(f"{name} contains https pages, which cannot get tokens from an http PUBLIC_BASE_URL")
    return found


def hosts(source: Source, name: str) -> tuple[str, ...]:
    """Return ``host`` or ``host:port``, separated by commas, in lower case."""
    found = tuple(filter(None, (part.strip().lower() for part in (source.text(name) or "").split(","))))
    if not all(_HOST.match(host) for host in found):
        source.complain(f"{name} must contain only hosts (orders.internal or 10.0.0.5:8080), separated by commas")
    return found


def database(source: Source, instance: Path) -> str:
    """Return SQLAlchemy's address of the database. Another machine needs TLS with a verified server.

    Only DATABASE_PLAIN_TEXT permits plain text.
    """
    in_parts = _mysql_in_parts(source)
    given = source.text("DATABASE_URL")
    value = given or in_parts or f"sqlite:///{instance / 'authsvc.db'}"
    # Platforms provide mysql://; authsvc's driver is PyMySQL.
    value = re.sub(r"^(mysql|mariadb)://", "mysql+pymysql://", value)
    plain = choice(source, "DATABASE_PLAIN_TEXT", "0", _SWITCH) == "1"
    if value.startswith("sqlite:"):
        return _sqlite(source, value, instance)
    parts = _DATABASE.match(value)
    if parts is None:
        source.complain("DATABASE_URL must begin with sqlite:/// or mysql://")
        return value
    query = _mysql_query(source, parts, plain, _UNVERIFIED_DATABASE if given else _UNVERIFIED_MYSQL)
    address = value if parts["query"] is None else value.partition("?")[0]
    return f"{address}?{urlencode(query)}" if query else address


def _mysql_in_parts(source: Source) -> str | None:
    """Return the address of a database whose parts a platform provides, unless DATABASE_URL is set."""
    place, user = source.text("MYSQL_ADDRESS"), source.text("MYSQL_USERNAME")
    password, name = source.text("MYSQL_PASSWORD") or "", source.text("MYSQL_DATABASE", "authsvc")
    if place is None or source.text("DATABASE_URL") is not None:
        return None
    if not _MYSQL_ADDRESS.match(place):
        source.complain("MYSQL_ADDRESS must be host:port, without a scheme or a user")
        return None
    if user is None:
        source.complain("MYSQL_USERNAME is not set, but MYSQL_ADDRESS is")
        return None
    credentials = ":".join(quote(text, safe="") for text in (user, password))
    return f"mysql://{credentials}@{place}/{quote(name or '', safe='')}"


def _sqlite(source: Source, value: str, instance: Path) -> str:
    """Return the address of a file by its absolute path; a relative path begins in INSTANCE_PATH."""
    _, scheme, path = value.rpartition("sqlite:///") if value.startswith("sqlite:///") else ("", "", value)
    if value in ("sqlite://", "sqlite:///") or ":memory:" in value or "mode=memory" in value:
        source.complain(
            "DATABASE_URL: an in-memory SQLite database is different in each process and is lost with it; name a file"
        )
    elif not scheme:
        source.complain("DATABASE_URL needs three slashes and a path: sqlite:///authsvc.db, sqlite:////var/lib/…")
    elif path.startswith(("file:", "~")) or "?" in path:
        source.complain("DATABASE_URL: after sqlite:/// there must be a path, without file:, ~ or parameters")
    elif path.endswith("/"):
        source.complain("DATABASE_URL names a folder; it must name a file")
    return f"sqlite:///{instance / path}"


def _mysql_query(source: Source, parts: re.Match[str], plain: bool, unverified: str) -> dict[str, str]:
    query = _query(source, "DATABASE_URL", parts["query"] or "", _DATABASE_PARAMETERS)
    if not _is_port(parts["port"]):
        source.complain("DATABASE_URL has an invalid port (valid: 1 to 65535)")
    for name in sorted(_FILES & query.keys()):
        if not (holds_certificates(Path(query[name])) if name == "ssl_ca" else Path(query[name]).is_file()):
            source.complain(f"DATABASE_URL: {name} does not name a readable PEM file")
    if parts["driver"] == "mysql+pymysql":
        query = _tls_of_pymysql(query)
    is_here = is_this_machine(parts["ipv6"] or parts["host"]) or bool(query.get("unix_socket"))
    if is_here or _is_verified_mysql(parts["driver"], query):
        return query
    if not plain:
        source.complain(unverified)
    return query if any(name.startswith("ssl") for name in query) else {**query, "ssl_disabled": "true"}


def _tls_of_pymysql(query: dict[str, str]) -> dict[str, str]:
    """Write the TLS parameters in the form that SQLAlchemy and PyMySQL both understand, with host names checked.

    With ``ssl_verify_identity`` beside ``ssl_ca``, PyMySQL ignores the authority and the name (seen in 1.2.4), and
    ``ssl_disabled=false`` turns TLS off.
    """
    said = {name: query[name].lower() in _YES for name in _SWITCHES & query.keys()}
    kept = {name: text for name, text in query.items() if name not in {*_SWITCHES, "ssl_mode"}}
    if said.pop("ssl_disabled", False) or query.get("ssl_mode", "").upper() == "DISABLED":
        kept["ssl_disabled"] = "true"
    if not all(said.values()):
        kept["ssl_check_hostname"] = "false"
    return kept


def _is_verified_mysql(driver: str, query: dict[str, str]) -> bool:
    if not (query.get("ssl_ca") or query.get("ssl_capath")):
        return False
    if driver == "mysql+mysqldb":
        return query.get("ssl_mode", "").upper() == "VERIFY_IDENTITY"
    return not {"ssl_disabled", "ssl_check_hostname"} & query.keys()


def redis(source: Source) -> str | None:
    """Return the address of Redis. A password to another machine needs TLS with a verified server.

    Only REDIS_PLAIN_TEXT permits plain text.
    """
    value = source.text("REDIS_URL")
    plain = choice(source, "REDIS_PLAIN_TEXT", "0", _SWITCH) == "1"
    if value is None:
        return None
    parts = _split(value)
    if not value.startswith(("redis://", "rediss://", "unix://")) or parts.scheme == "":
        source.complain("REDIS_URL must begin with redis://, rediss:// or unix://")
        return value
    query = _query(source, "REDIS_URL", parts.query, _REDIS_PARAMETERS)
    has_password = bool(parts.password or query.get("password"))
    local = parts.scheme == "unix" or is_this_machine(parts.hostname)
    if has_password and not local and not plain and not _is_verified_redis(parts.scheme, query):
        source.complain(_UNVERIFIED_REDIS)
    return value


def _is_verified_redis(scheme: str, query: dict[str, str]) -> bool:
    return (
        scheme == "rediss"
        and query.get("ssl_cert_reqs", "required") == "required"
        and query.get("ssl_check_hostname", "true").lower() in _YES
    )


def _query(source: Source, name: str, text: str, known: set[str]) -> dict[str, str]:
    """Return the parameters of an address; notes a problem for those that the driver would only refuse later."""
    pairs = parse_qsl(text, keep_blank_values=True)
    query = dict(pairs)
    if query.keys() - known:
        source.complain(f"{name} has parameters other than {', '.join(sorted(known))}")
    if len(query) < len(pairs):
        source.complain(f"{name} has the same parameter twice")
    return query


def _is_origin(url: str, parts: SplitResult) -> bool:
    """True for http or https with a host and an optional port, and nothing else, not even an empty query."""
    bare = url.rstrip("/") == f"{parts.scheme}://{parts.netloc}" and parts.username is None
    return bare and parts.scheme in ("http", "https") and _is_host(parts)


def _is_web_origin(origin: str) -> bool:
    """True for an origin as browsers write it: https, or http on this machine."""
    parts = _split(origin)
    is_safe = parts.scheme == "https" or is_this_machine(parts.hostname)
    return bool(_ORIGIN.match(origin)) and _is_origin(origin, parts) and is_safe


def web_origin(url: str) -> str:
    """Return an origin as browsers write it: in lower case, without the default port of its scheme."""
    scheme, _, host = url.lower().partition("://")
    return f"{scheme}://{host.removesuffix({'http': ':80', 'https': ':443'}.get(scheme, ''))}"


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return bool(_NAME.match(host) or _numeric(host)) and not parts.query and not parts.fragment


def _numeric(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_near(host: str | None) -> bool:
    """True for this machine and for private addresses, such as a laptop that a phone on the same network uses."""
    address = _numeric(host or "")
    return is_this_machine(host) or (address is not None and address.is_private)


def is_for_tests(url: str) -> bool:
    """True for an address that no phone outside can reach: http, or a name reserved for tests (RFC 6761)."""
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme != "https" or _is_near(host) or host.rpartition(".")[2] in _RESERVED


def is_on_this_machine(url: str) -> bool:
    """True if an address leads to this machine."""
    return is_this_machine(_split(url).hostname)


def _is_port(text: str | None) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) < 65536)


def _split(url: str) -> SplitResult:
    """Return the parts of an address; empty parts if it is not an address or its port is invalid."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
