"""A real `doorward serve` with two tenants, a provider, and people who are signed in."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import sqlite3
import tempfile
import urllib.parse

from processes import LOAD_CORE, SERVER_CORE, Server, free_port, get, tool

SESSIONS = 100_000

CONFIGURATION = """
[server]
listen = "127.0.0.1:{port}"
development = true
public_url = "http://login.localhost:{port}"
trusted_proxies = [{{ networks = ["127.0.0.1/32"], target_headers = "x-original" }}]

[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "SEALING_KEY" }}]

[[tenants]]
id = "acme"
name = "Acme"
base_url = "http://acme.localhost:{port}"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Acme ID"
issuer = "{issuer}"
client_id = "acme"
client_secret = {{ env = "CLIENT_SECRET" }}
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.acme.localhost:{port}"]
hide_cookies = true
[[tenants.apps.rules]]
paths = ["/public"]
public = true
[[tenants.apps.rules]]
groups = ["admins", "staff"]

[[tenants]]
id = "globex"
name = "Globex"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Globex ID"
issuer = "{issuer}"
client_id = "globex"
client_secret = {{ env = "CLIENT_SECRET" }}

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.globex.localhost:{port}"]
allow = {{ signed_in = true }}
"""

# What a browser sends, as nginx asks for it: ten headers, four cookies.
CHECK = """GET /oauth2/auth HTTP/1.1\r
Host: {host}\r
X-Original-URL: http://{host}/pages/a-page?revision=12\r
X-Original-Method: GET\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
Accept-Language: en-GB,en;q=0.7,de;q=0.3\r
Accept-Encoding: gzip, deflate, br, zstd\r
Referer: http://{host}/pages/\r
Sec-Fetch-Mode: navigate\r
Cookie: theme=dark; _ga=GA1.1.1234567890.1234567890; wiki_session=3f1c9a0e5b7d42f6a8c1; __Host-dwa={handle}\r
\r
"""

# The same browser at the app itself, where Doorward or nginx forwards: 1 KiB.
REQUEST = """GET /pages/a-page?revision=12 HTTP/1.1\r
Host: {host}\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
Accept-Language: en-GB,en;q=0.7,de;q=0.3\r
Accept-Encoding: gzip, deflate, br, zstd\r
Referer: http://{host}/pages/\r
Sec-Fetch-Mode: navigate\r
Sec-Fetch-Site: same-origin\r
Cookie: theme=dark; _ga=GA1.1.1234567890.1234567890; wiki_session={filling}; __Host-dwa={handle}\r
\r
"""

# The same with a token, as programs send it.
BEARER_CHECK = """GET /oauth2/auth HTTP/1.1\r
Host: {host}\r
X-Original-URL: http://{host}/pages/a-page?revision=12\r
X-Original-Method: GET\r
User-Agent: orders-client/3.2 (linux)\r
Accept: application/json\r
Accept-Encoding: gzip\r
Authorization: Bearer {handle}\r
\r
"""

# A tenant with an issuer and its apps, for tokens.
TENANT_OF_TOKENS = """
[[tenants]]
id = "{tenant}"
base_url = "http://{tenant}.localhost:{port}"
[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "{provider}"
client_id = "{tenant}"
client_secret = {{ env = "CLIENT_SECRET" }}
[[tenants.trusted_issuers]]
id = "cloud"
issuer = "https://login.issuer.example/{issuer:036}/v2.0"
audiences = ["api://66666666-7777-4888-8999-000000000000"]
algorithm = "ES256"
keys = '{keys}'
"""

APP_OF_TOKENS = """
[[tenants.apps]]
id = "{app}"
hosts = ["{app}.{tenant}.localhost:{port}"]
accept = ["bearer", "session"]
[[tenants.apps.rules]]
paths = ["/public"]
public = true
[[tenants.apps.rules]]
scopes = ["orders.read"]
"""

GROUPS = [
    "engineering", "platform-team", "oncall-primary", "oncall-secondary", "wiki-editors", "release-managers",
    "support", "sales-emea", "finance-readers", "data-science", "berlin-office", "contractors",
]


class Provider(Server):
    """Somebody who vouches for everybody, on the load's core."""

    def __init__(self):
        port = free_port()
        super().__init__([os.environ["BENCH"], "provider", f"127.0.0.1:{port}"], port, LOAD_CORE)


class Folder:
    """A configuration and its database. A broker can be started here again and again."""

    def __init__(self, provider, grpc_port=None, upstream_port=None):
        self.provider = provider
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="doorward-bench-")
        self.path = pathlib.Path(self.folder.name)
        issuer = f"http://127.0.0.1:{provider.port}"
        configuration = CONFIGURATION.format(port=self.port, issuer=issuer)
        if grpc_port is not None:
            configuration += f'\n[ext_authz]\nlisten = "127.0.0.1:{grpc_port}"\n'
        if upstream_port is not None:
            upstream = f'hide_cookies = true\nupstream = "http://127.0.0.1:{upstream_port}"'
            configuration = configuration.replace("[server]", "[server]\nforward_to_apps = true", 1)
            configuration = configuration.replace("hide_cookies = true", upstream, 1)
        self.configuration = self.path / "doorward.toml"
        self.configuration.write_text(configuration)
        self.host = f"wiki.acme.localhost:{self.port}"
        self.handles = self.path / "handles"
        self.check_file = self.path / "check"
        self.check_file.write_text(CHECK.format(host=self.host, handle="{handle}"), newline="")

    def start(self, core=SERVER_CORE):
        """`doorward serve`, ready."""
        return Server(
            [os.environ["DOORWARD"], "serve", "--config", self.configuration],
            self.port,
            core,
            {"SEALING_KEY": base64.b64encode(bytes(range(32))).decode(), "CLIENT_SECRET": "a secret of this run"},
            path="/readyz",
        )

    def check(self, handle):
        """The request as it goes out: bytes."""
        return CHECK.format(host=self.host, handle=handle).encode()

    def write_request(self, handle):
        """A file with the request of 1 KiB to the app. The place of the handle is left open in it."""
        whole = REQUEST.format(host=self.host, handle=handle, filling="")
        filled = REQUEST.format(host=self.host, handle="{handle}", filling="f" * (1024 - len(whole)))
        path = self.path / "request"
        path.write_text(filled, newline="")
        return path

    def headers_of_check(self, handle):
        lines = self.check(handle).decode().split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines if line)

    def seed(self, count):
        """People who are signed in at the tenant and at its app: copies of one who did it for real, each with
        a name, groups and handles of their own. A broker must not be running."""
        with self.start():
            sign_in(self.port, self.provider.port)
        base = sqlite3.connect(self.path / "doorward.db")
        base.row_factory = sqlite3.Row
        pattern = dict(base.execute("SELECT * FROM session LIMIT 1").fetchone())
        handles = []
        with base:
            for number in range(count):
                user, session = drawn("user", number), drawn("id", number)
                data = json.loads(pattern["data"])
                data["person"].update(
                    user=user.hex(),
                    subject=f"b9b8c7d6-0000-4000-8000-{number:012}",
                    name=f"Person Number {number}",
                    preferred_username=f"person.{number}",
                    email=f"person.{number}@example.com",
                    groups=["staff", *(GROUPS[(number * 7 + step * 5) % len(GROUPS)] for step in range(4))],
                )
                row = {
                    **pattern,
                    "id": session,
                    "user": user,
                    "handle": digest("session", drawn("session", number)),
                    "data": json.dumps(data),
                }
                handle = drawn("app session", number)
                base.execute("INSERT INTO user VALUES (?, ?, ?)", (row["tenant"], user, row["began_at"]))
                insert(base, "session", row)
                insert(base, "app_session", {
                    "handle": digest("app session", handle),
                    "tenant": row["tenant"],
                    "session": session,
                    "app": "wiki",
                    "host": self.host,
                    "began_at": row["began_at"],
                })
                handles.append(base64.urlsafe_b64encode(handle).decode().rstrip("="))
        base.close()
        self.handles.write_text("\n".join(handles) + "\n")
        return handles

    def trust(self, issuers, apps, tokens):
        """In place of what stood in the configuration: `issuers` tenants with an issuer each, `apps` apps of them, and
        `tokens` callers with a token each, each for one app of its issuer's tenant. How long a token is."""
        size = tool("tokens", self.path, "--issuers", issuers, "--tokens", tokens)["bytes"]
        key_sets = (self.path / "key-sets").read_text().splitlines()
        texts = (self.path / "tokens").read_text().splitlines()
        server = self.configuration.read_text().split("[[tenants]]", 1)[0]
        provider = f"http://127.0.0.1:{self.provider.port}"
        parts = [server]
        for issuer, keys in enumerate(key_sets):
            tenant = f"t{issuer}"
            parts.append(TENANT_OF_TOKENS.format(tenant=tenant, port=self.port, provider=provider, issuer=issuer,
                                                 keys=keys))
            parts += (APP_OF_TOKENS.format(app=f"app{app}", tenant=tenant, port=self.port)
                      for app in range(apps // issuers))
        self.configuration.write_text("".join(parts))
        lines = []
        for number, token in enumerate(texts):
            app, issuer = number // issuers % (apps // issuers), number % issuers
            lines.append(f"{token}\tapp{app}.t{issuer}.localhost:{self.port}")
        self.handles.write_text("\n".join(lines) + "\n")
        self.check_file.write_text(BEARER_CHECK, newline="")
        return size

    def headers_of_first(self):
        """The headers of the check with the first token."""
        token, host = self.handles.read_text().splitlines()[0].split("\t")
        lines = BEARER_CHECK.format(handle=token, host=host).split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines if line)

    def forget_app_sessions(self):
        """Behind the broker's back: whoever asks the store now finds nothing."""
        base = sqlite3.connect(self.path / "doorward.db")
        with base:
            base.execute("DELETE FROM app_session")
        base.close()

    def sweep(self):
        """One check with each handle: how many answers of each status."""
        return tool("sweep", f"127.0.0.1:{self.port}", self.check_file, self.handles)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


def insert(base, table, row):
    marks = ", ".join("?" * len(row))
    base.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def drawn(what, number):
    """16 bytes, the same in each run."""
    return hashlib.sha256(f"{what} {number}".encode()).digest()[:16]


def digest(kind, handle):
    """What the store looks a handle up by (`src/domain/handle.rs`)."""
    return hashlib.sha256(kind.encode() + b"\0" + handle).digest()


class Browser:
    """As much of one as a login needs."""

    def __init__(self, port, provider_port):
        self.broker = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.provider = http.client.HTTPConnection("127.0.0.1", provider_port, timeout=10)
        self.port = port

    def sign_in(self):
        """A login at the tenant `acme` by a browser without cookies, as far as the cookie of its session."""
        host = f"acme.localhost:{self.port}"
        headers = {"Host": host, "Accept": "text/html", "User-Agent": "Mozilla/5.0 Firefox/140.0"}
        to_provider, cookies = self.redirected(self.broker, "/login/main", headers)
        back, _ = self.redirected(self.provider, path_of(to_provider), {})
        _, cookies = self.redirected(self.broker, path_of(back), {**headers, "Cookie": "; ".join(cookies)})
        if not any(cookie.startswith("__Host-dws-acme=") for cookie in cookies):
            raise SystemExit("a login without a session")

    @staticmethod
    def redirected(connection, path, headers):
        status, answer, body = get(None, path, headers, connection)
        if status != 303:
            raise SystemExit(f"{path} was answered with {status}: {body[:2000]}")
        cookies = [value.split(";")[0] for name, value in answer if name.lower() == "set-cookie"]
        return dict((name.lower(), value) for name, value in answer)["location"], cookies


def path_of(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}"


def sign_in(port, provider_port):
    Browser(port, provider_port).sign_in()
