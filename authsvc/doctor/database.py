"""The database: reachable, migrated, writable, and set up as authsvc needs it."""

import os
from collections.abc import Iterator

from authsvc.db import engine, examination, faults
from authsvc.db.sqlitefile import path_of
from authsvc.doctor.case import Case
from authsvc.doctor.findings import MIGRATE, Line, ok, skipped, warning, wrong
from authsvc.errors import DatabaseUnusable, ServiceBusy

_SAFE_ISOLATION = "READ COMMITTED"
_CHARSETS = ("utf8mb4",)


def reachable(case: Case) -> Iterator[Line]:
    """Yield whether it answers, and keep what it says about itself."""
    path = path_of(case.settings.database_url)
    if path is not None and not path.exists():
        yield wrong(f"there is no database yet: {path}", f"run: {MIGRATE}")
        return
    if path is not None and not os.access(path, os.R_OK):
        yield wrong(f"{path} cannot be read by this user", "run this as the user of the service, or give it the file")
        return
    try:
        case.facts = facts = case.database.read(examination.facts)
    except (ServiceBusy, DatabaseUnusable) as error:
        todo, _, says = str(error).removesuffix(")").rpartition(" (")  # as Fault.explain writes it
        yield wrong(f"no answer from {_named(case)}: {says}", todo or "see docs/database.md")
        return
    except RuntimeError as error:  # PyMySQL lacks a package for an authentication plugin
        yield wrong(f"no login to {_named(case)}", faults.advice_on_package(str(error)))
        return
    yield ok(f"{_named(case)} answers: {'SQLite' if path else 'version'} {facts.version}")


def _named(case: Case) -> str:
    """The database without user and password."""
    url = case.settings.database_url
    return str(path_of(url) or engine.server_of(url))


def migrated(case: Case) -> Iterator[Line]:
    """Yield whether the newest migration has run."""
    found, newest = case.facts.revisions if case.facts else frozenset(), case.database.newest
    if found == {newest}:
        yield ok(f"migrated to {newest}, the newest")
    elif not found:
        yield wrong("not migrated: it has no tables of authsvc", f"run: {MIGRATE}")
    elif max(found) > newest:
        yield wrong(
            f"migrated to {max(found)} by a newer authsvc; this one knows {newest}",
            "start the newer version, or restore the backup from before the migration",
        )
    else:
        yield wrong(f"migrated to {', '.join(sorted(found))}; the newest is {newest}", f"run: {MIGRATE}")


def writable(case: Case) -> Iterator[Line]:
    """Yield whether rows can be written to every table, in a transaction that is rolled back."""
    if path_of(case.settings.database_url) is not None and not case.is_owner:
        yield skipped("only the user of the service can tell; files that another user makes would be in its way")
        return
    word = case.database.condition().word
    if word is None:
        yield ok("every table can be written to (rolled back)")
        return
    yield wrong(f"it cannot be written to ({word})", faults.advice(word))


def collation(case: Case) -> Iterator[Line]:
    """Yield whether ids are compared byte by byte, and whether names may have any character."""
    facts = case.facts
    if facts is None:
        return
    if facts.folding:
        yield wrong(
            f"these columns must be case-sensitive and are not: {', '.join(facts.folding)}",
            "otherwise two people may share an account: ALTER TABLE … MODIFY … COLLATE ascii_bin (or utf8mb4_bin)",
        )
    if facts.charset and facts.charset not in _CHARSETS:
        yield warning(
            f"the database's default character set is {facts.charset}; tables to come may not hold all names",
            "run: ALTER DATABASE … CHARACTER SET utf8mb4",
        )
    elif not facts.folding:
        yield ok("ids are case-sensitive" + (f", the character set is {facts.charset}" if facts.charset else ""))


def isolation(case: Case) -> Iterator[Line]:
    """Yield the isolation level of authsvc's own connections."""
    level = case.facts.isolation if case.facts else ""
    if case.facts and case.facts.journal:
        yield ok("SQLite: one writer at a time (BEGIN IMMEDIATE)")
    elif level == _SAFE_ISOLATION:
        yield ok(f"authsvc's connections use {level}")
    else:
        yield wrong(
            f"authsvc's connections use {level} instead of {_SAFE_ISOLATION}",
            "something between authsvc and the server overrides it: check the proxy and the server's init_connect",
        )


def encrypted(case: Case) -> Iterator[Line]:
    """Yield whether the connection to a server is encrypted, if it leaves this machine."""
    if path_of(case.settings.database_url) is not None:
        yield ok("a file needs no TLS")
        return
    cipher = case.facts.cipher if case.facts else ""
    if cipher:
        yield ok(f"TLS with a verified server ({cipher})")
    elif not engine.leaves_this_machine(case.settings.database_url):
        yield ok("on this machine, without TLS")
    else:
        yield warning(
            "the connection leaves this machine without TLS (DATABASE_PLAIN_TEXT=1)",
            "unless the network itself encrypts, add ?ssl_ca=/path/to/ca.pem to DATABASE_URL and remove it",
        )


def connections(case: Case) -> Iterator[Line]:
    """Yield whether the server allows as many connections as the workers may open."""
    most = case.facts.most_connections if case.facts else 0
    settings = case.settings
    needed = case.workers * settings.database_pool_size
    if not most:
        yield ok("SQLite has no limit of connections")
    elif needed > most:
        yield warning(
            f"{case.workers} workers with {settings.database_pool_size} connections each may open {needed},"
            f" and the server allows {most} in total",
            "raise the server's max_connections, or lower DATABASE_POOL_SIZE",
        )
    else:
        yield ok(f"up to {needed} connections of at most {most}")


def sqlite(case: Case) -> Iterator[Line]:
    """Yield whether this SQLite, and the file system under it, are fit for several processes."""
    journal = case.facts.journal if case.facts else ""
    if not journal:
        yield ok("not in use")
        return
    if journal != "wal":
        yield wrong(
            f"the file system does not support SQLite's WAL (journal mode {journal})",
            "put the database on a local disk: not NFS, SMB or a shared folder",
        )
    mended = engine.mended_sqlite() if case.workers > 1 else None
    if mended:
        yield warning(
            "this SQLite can, very rarely, lose a commit when several processes write (WAL-reset bug)",
            f"use a Python with SQLite {mended}, or WEB_CONCURRENCY=1 (docs/decisions.md)",
        )
    if journal == "wal" and not mended:
        yield ok("its version and the file system are fit for several processes")
