"""The checks in their order, and the examination itself, which nothing stops."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from authsvc.doctor import clock, database, disk, files, keys, proxies, publicaddress, redisserver, settings, wechat
from authsvc.doctor.case import Case
from authsvc.doctor.findings import Check, Finding, Line, skipped, wrong

# After this, what is left is skipped. A check takes ten seconds at most.
MOST_SECONDS = 60.0
_LEAST_SECRET = 6

GROUPS = {
    "settings": "Settings",
    "files": "Files",
    "keys": "Signing keys",
    "database": "Database",
    "redis": "Redis",
    "wechat": "WeChat",
    "clock": "Clock",
    "public": "Public address",
}
CHECKS = (
    Check(
        "settings.valid",
        "Every setting can be read and is allowed. The service starts only then.",
        "Correct what is named, in `.env` or in the environment. [.env.example](../.env.example) has every setting.",
        settings.valid,
    ),
    Check(
        "settings.unknown",
        "No name looks like a setting without being one.",
        "Remove it, or correct its spelling. A misspelt setting leaves the default in force.",
        settings.unknown,
    ),
    Check(
        "settings.practice",
        "Nothing is set for practice: no simulator, no AppID of the simulator or of WeChat's examples, no plain http.",
        "Set the real values before people use it. While you develop, ignore the warning.",
        settings.practice,
        ("settings.valid",),
    ),
    Check(
        "files.owner",
        "The doctor runs as the user that owns the instance folder.",
        "Run it as the user of the service, such as `sudo -u authsvc`.",
        settings.runs_as,
    ),
    Check(
        "files.private",
        "No other user of this machine can read `.env`, the instance folder, the database file, or the files that "
        "`…_FILE` settings name.",
        "`chmod 600` the file, `chmod 700` the folder. If others may have read a secret, change it.",
        files.private,
    ),
    Check(
        "files.space",
        "There is room on the disks of the instance folder and of SQLite's file: wrong below 100 MB, a warning below "
        "1 GB.",
        "Free some space, or move the folder (`INSTANCE_PATH`, `DATABASE_URL`).",
        disk.space,
    ),
    Check(
        "keys.usable",
        "The signing keys can be read, are private, and one of them signs.",
        "Missing: `authsvc init`, or a backup. Readable by others: `chmod 600`, and [change the key](keys.md).",
        keys.usable,
    ),
    Check(
        "keys.ages",
        "No change of keys was left half-way, and the signing key is less than two years old.",
        "Take the next step of [the change](keys.md): activate a waiting key, retire a former one, make a new one.",
        keys.ages,
        ("keys.usable",),
    ),
    Check(
        "database.reachable",
        "The database of `DATABASE_URL` exists, and accepts the user.",
        "The line names the cause: server, user, password, TLS, or no such database. [Database](database.md).",
        database.reachable,
        ("settings.valid",),
    ),
    Check(
        "database.migrated",
        "The newest migration of this version has run.",
        "Run the command that the line names. A database of a newer version needs that version, or a backup.",
        database.migrated,
        ("database.reachable",),
    ),
    Check(
        "database.writable",
        "Rows can be written to every table. Nothing stays: the transaction is rolled back.",
        "Read-only, full, or a missing privilege: [rights of the user](database.md#rights-and-settings-of-a-server).",
        database.writable,
        ("database.migrated",),
    ),
    Check(
        "database.collation",
        "Ids are compared byte by byte, and new tables hold every character (utf8mb4).",
        "Restore the collation of the columns; set the character set of the database.",
        database.collation,
        ("database.reachable",),
    ),
    Check(
        "database.isolation",
        "authsvc's connections use READ COMMITTED.",
        "Something between authsvc and the server changes it: a proxy, or the server's `init_connect`.",
        database.isolation,
        ("database.reachable",),
    ),
    Check(
        "database.tls",
        "A connection that leaves this machine is encrypted.",
        "Name the certificate authority: `?ssl_ca=…` in `DATABASE_URL`.",
        database.encrypted,
        ("database.reachable",),
    ),
    Check(
        "database.connections",
        "The server allows as many connections as the workers may open.",
        "Raise `max_connections` of the server, or lower `DATABASE_POOL_SIZE`.",
        database.connections,
        ("database.reachable",),
    ),
    Check(
        "database.sqlite",
        "SQLite is recent enough, and its file is on a file system that supports WAL.",
        "A local disk, and a Python with the SQLite that the line names ([why](decisions.md)).",
        database.sqlite,
        ("database.reachable",),
    ),
    Check(
        "redis.usable",
        "Redis, if `REDIS_URL` is set, takes a key and runs a script. The key is deleted at once.",
        "The line names the cause. Until it works, each machine stores access_tokens and counts requests alone.",
        redisserver.usable,
        ("settings.valid",),
    ),
    Check(
        "wechat.reachable",
        "WeChat's API answers, without a secret.",
        "Let this machine connect to `api.weixin.qq.com` port 443, or set `WX_PROXY`.",
        wechat.reachable,
        ("settings.valid",),
    ),
    Check(
        "wechat.secret",
        "WeChat accepts AppID and AppSecret of each mini program (`stable_token`; the live access_token stays valid).",
        "Copy or reset the AppSecret at mp.weixin.qq.com.",
        wechat.secrets,
        ("wechat.reachable",),
    ),
    Check(
        "wechat.allow_list",
        "This machine's address is allowed to fetch access_tokens; the line has the address that WeChat saw.",
        "Add that address to the IP allow-list (IP 白名单) at mp.weixin.qq.com.",
        wechat.allow_list,
        ("wechat.reachable",),
    ),
    Check(
        "wechat.phone",
        "The mini program may ask for phone numbers. Free: the code that is sent does not exist.",
        "The account needs to be a verified company's. Without it, leave the phone button out.",
        wechat.phone,
        ("wechat.reachable",),
    ),
    Check(
        "wechat.codes",
        "The mini program may draw mini-program codes. One code is drawn and thrown away; there is no limit in total.",
        "See the notices at mp.weixin.qq.com.",
        wechat.codes,
        ("wechat.reachable",),
    ),
    Check(
        "wechat.pages",
        "The pages of `QRCODE_PAGE` and `SCAN_SIGN_IN_PAGE` are in the published mini program.",
        "Publish the page, or correct the setting. Before the first release, this cannot be ok.",
        wechat.pages,
        ("wechat.reachable",),
    ),
    Check(
        "wechat.risk",
        "Tells whether the risk rank is granted. authsvc does not need it, so nothing is wrong without it.",
        "If another service of yours needs it, apply for it in WeChat's security centre (安全中心).",
        wechat.risk,
        ("wechat.reachable",),
    ),
    Check(
        "clock.agrees",
        "This machine's clock agrees with WeChat's `Date`: a warning from 5 seconds, wrong from a minute.",
        "Let the machine set its clock (NTP).",
        clock.agrees,
        ("wechat.reachable",),
    ),
    Check(
        "public.reachable",
        "An authsvc answers at `PUBLIC_BASE_URL`, without a redirect, with a certificate that everybody accepts and "
        "that lasts two more weeks.",
        "Start service and proxy; check DNS, firewall and certificate; let the proxy pass on every path.",
        publicaddress.reachable,
        ("settings.valid",),
    ),
    Check(
        "public.issuer",
        "The service there issues tokens with the `iss` of these settings.",
        "Restart the service after a change, or correct `PUBLIC_BASE_URL`.",
        publicaddress.issuer,
        ("public.reachable",),
    ),
    Check(
        "public.keys",
        "The key set there has exactly the keys of this installation.",
        "Copy the key file to every machine, clear a cache in front, or correct the address.",
        publicaddress.keys,
        ("public.reachable", "keys.usable"),
    ),
    Check(
        "public.client_address",
        "`TRUSTED_PROXIES` matches the proxies: the service knows its clients' addresses, and no client chooses one.",
        "Set `TRUSTED_PROXIES` to the number in the line and restart.",
        proxies.believed,
        ("public.reachable",),
    ),
)

# What needs no other machine but the database's, and writes nothing: a second at most while that answers.
QUICK = tuple(
    check
    for check in CHECKS
    if check.name.partition(".")[0] in ("settings", "files", "keys", "database") and check.name != "database.writable"
)


def examine(
    case: Case,
    seen: Callable[[Finding], None] = lambda _: None,
    *,
    checks: tuple[Check, ...] = CHECKS,
    seconds: float = MOST_SECONDS,
) -> list[Finding]:
    """Run every check and return the findings; each is passed to ``seen`` as soon as it is there. Raises nothing."""
    ends_at = time.monotonic() + seconds
    bad: dict[str, str] = {}
    findings: list[Finding] = []
    with _quiet():
        for check in checks:
            for line in _lines(check, case, bad, ends_at):
                if line.status in ("wrong", "skipped"):
                    bad.setdefault(check.name, check.name)
                findings.append(Finding(check.name, _without_secrets(line, case.secrets)))
                seen(findings[-1])
    return findings


def _lines(check: Check, case: Case, bad: dict[str, str], ends_at: float) -> Iterator[Line]:
    """Yield the lines of a check, whatever happens in it. ``bad`` has the cause of each failure by check."""
    if cause := next((bad[name] for name in check.needs if name in bad), None):
        bad[check.name] = cause
        yield skipped(f"cannot be told until {cause} is right")
        return
    if time.monotonic() > ends_at:
        yield skipped("the time for the whole examination is over")
        return
    try:
        yield from check.run(case)
    except PermissionError as error:
        yield wrong(f"this user may not look at {error.filename}", "run this as the user of the service")
    except Exception as error:  # its text may contain anything
        yield wrong(f"the check itself failed ({type(error).__name__})", "report this as a bug of authsvc")


def _without_secrets(line: Line, secrets: tuple[str, ...]) -> Line:
    """Return the line without secrets, in case somebody else's text repeats one."""
    says, todo = line.says, line.todo
    for secret in secrets:
        if len(secret) >= _LEAST_SECRET:
            says, todo = says.replace(secret, "***"), todo.replace(secret, "***")
    return Line(line.status, says, todo)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log silent: the findings say the same in other words."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
