"""PostgreSQL for the tests: databases of their own on a cluster that lives as long as the run.

It sorts text by the rules of English, tells time in Kathmandu and writes dates day first: an
adapter that leans on any of that answers wrongly here.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.servers import running
from tests.servers.installing import program

KIND: Final = "postgresql"
USER: Final = "docmap"
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "log_min_messages": "warning",
}
_DISK: Final = "/var/tmp"  # noqa: S108 - the folder in it has a name of its own
UNSAFE: Final = {"fsync": "off", "full_page_writes": "off"}
"""What saves time where a crash of the machine may lose all; an instance `durable` is without."""


@cache
def url(database: str, instance: str = "") -> str:
    """The URL of an empty database of this process's own.

    `instance` names a cluster of its own. That called `durable` waits for the disk; one whose name
    begins with `tls` has a certificate that nobody signed, see `certificate`.
    """
    import psycopg
    from psycopg import sql

    name = running.database(KIND, database)
    server = (not instance and running.from_environment(KIND)) or str(
        running.address(KIND, instance)["url"]
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return running.with_database(server, name)


def drop(databases: list[str]) -> None:
    """Remove databases from the server that the environment names."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(running.from_environment(KIND), autocommit=True) as connection:
        for name in databases:
            text = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(text.format(sql.Identifier(name)))


def launch(place: Path) -> dict[str, Any]:
    """Start a cluster in a folder, made on the first call; where it listens."""
    data, account = place / "data", _account()
    if not data.exists():
        _make(place, data, account)
    password = (place / "password").read_text(encoding="utf-8")
    port = (place / "port").read_text(encoding="utf-8")
    settings = {**SETTINGS, **({} if _is_durable(place) else UNSAFE), "port": port}
    if _has_tls(place):
        settings |= {"ssl": "on"}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    log = data / "server.log"
    command = ["start", "-w", "-s", "-t", "60", "-l", str(log), "-o", options]
    ended = _ctl(data, account, *command)
    if ended:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
        raise running.MissingServerError(f"PostgreSQL does not start: {tail}")
    host = f"{USER}:{password}@127.0.0.1:{port}"
    return {"url": f"postgresql://{host}/postgres", "port": int(port)}


def _make(place: Path, data: Path, account: dict[str, Any]) -> None:
    if _is_durable(place):  # on a disk, not in memory
        disk = Path(tempfile.mkdtemp(prefix="docmap-durable-", dir=_DISK))
        data.symlink_to(disk)
    else:
        data.mkdir(mode=0o700)
    password = secrets.token_hex(12)
    for name, text in (("password", password), ("port", str(running.free_port()))):
        (place / name).write_text(text, encoding="utf-8")
        (place / name).chmod(0o600)
    if account:
        shutil.chown(data.resolve(), account["user"], account["group"])
        shutil.chown(place / "password", account["user"], account["group"])
    words = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
    done = subprocess.run(
        [
            _binary("initdb"),
            *("-D", str(data), "-U", USER, "-A", "scram-sha-256", "--no-sync"),
            f"--pwfile={place / 'password'}",
            *words,
        ],
        stdout=subprocess.DEVNULL,
        cwd="/",
        check=False,
        **account,
    )
    if done.returncode:
        shutil.rmtree(data.resolve(), ignore_errors=True)
        raise running.MissingServerError("PostgreSQL's initdb failed, as the keeper's log says")
    if _has_tls(place):
        _sign(data, account)


def _sign(data: Path, account: dict[str, Any]) -> None:
    """Make the cluster a certificate of its own for the name localhost."""
    openssl = program("openssl", "openssl", KIND)
    command = [openssl, "req", "-new", "-x509", "-days", "30", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", str(data / "server.key"), "-out", str(data / "server.crt")]
    subprocess.run([*command, *files], cwd="/", capture_output=True, check=True, **account)
    (data / "server.key").chmod(0o600)


def certificate(instance: str) -> str:
    """The file of the certificate of an instance, for `sslrootcert`; root may read it."""
    running.address(KIND, instance)
    made = running.folder() / f"{instance}.crt"
    made.write_bytes((running.folder() / f"{KIND}-{instance}" / "data" / "server.crt").read_bytes())
    return str(made)


def _has_tls(place: Path) -> bool:
    return place.name.startswith(f"{KIND}-tls")


def _is_durable(place: Path) -> bool:
    return place.name == f"{KIND}-durable"


def stop(place: Path) -> None:
    """End the cluster as a crash would: connections are cut."""
    _ctl(place / "data", _account(), "stop", "-s", "-m", "immediate", "-w", "-t", "30")


def _ctl(data: Path, account: dict[str, Any], *arguments: str) -> int:
    command = [_binary("pg_ctl"), "-D", str(data), *arguments]
    return subprocess.run(command, cwd="/", check=False, **account).returncode


def _account() -> dict[str, Any]:
    """Whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return {}
    _binary("initdb")  # its package makes the user
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _binary(name: str) -> str:
    return program(name, "postgresql", KIND, _find)


def _find(name: str) -> str | None:
    """A program of the server. Debian keeps them by version, beside the path."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    beside = os.pathsep.join(str(path) for path in reversed(places))
    return shutil.which(name, path=beside) or shutil.which(name)
