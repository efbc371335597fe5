"""The figures. Each is a function that gives (name, value) pairs; README.md says what they mean."""

import contextlib
import os
import re
import signal
import statistics
import time

from broker import SESSIONS, Browser, Folder, Provider
from processes import LOAD_CORE, SERVER_CORE, Server, free_port, get, on_load_core, say, tool

ROUNDS = 7
SECONDS = 4
MIB = 1024 * 1024
OPEN_LOOP_REQUESTS = 120_000
TOKENS = 10_000


def bare_like(folder, question):
    """A bare handler that answers what the check answers to a question with these headers."""
    status, headers, _ = get(folder.port, "/oauth2/auth", question)
    if status != 202:
        raise SystemExit(f"the check answered {status}")
    # These hyper writes for both.
    same = [f"{name.lower()}: {value}" for name, value in headers if name.lower() not in ("date", "content-length")]
    say(f"  both answer {status} with {len(same)} headers: {', '.join(same)}")
    port = free_port()
    command = [os.environ["BENCH"], "bare", f"127.0.0.1:{port}", "/oauth2/auth", status, *same]
    bare = Server(command, port)
    answered, of_bare, _ = get(port, "/oauth2/auth", question)
    if (answered, sorted(n.lower() for n, _ in of_bare)) != (status, sorted(n.lower() for n, _ in headers)):
        raise SystemExit(f"the baseline answers otherwise: {answered} {of_bare}")
    return bare


def closed_loop(folder, server, seed, seconds=SECONDS):
    """CPU µs per request, requests per second. 32 connections, each asks again when it has its answer."""
    before = server.cpu_seconds()
    count = tool("closed-loop", f"127.0.0.1:{server.port}", folder.check_file, folder.handles, 202,
                 "--seconds", seconds, "--seed", seed)["count"]
    return (server.cpu_seconds() - before) / count * 1e6, count / seconds


def wrk(folder, server, seed, seconds=SECONDS):
    """The same with wrk."""
    environment = {"WRK_CHECK": folder.check_file, "WRK_HANDLES": folder.handles, "WRK_SEED": str(seed)}
    script = os.path.join(os.path.dirname(__file__), "load.lua")
    before = server.cpu_seconds()
    printed = on_load_core(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{server.port}"], environment
    )
    spent = server.cpu_seconds() - before
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(printed)
    count = int(re.search(r"(\d+) requests in", printed).group(1))
    return spent / count * 1e6, count / seconds


def interleaved(measure_bare, measure_check):
    """Pairs of one round each, in changing order."""
    pairs = []
    for number in range(ROUNDS):
        if number % 2 == 0:
            bare, check = measure_bare(number), measure_check(number)
        else:
            check, bare = measure_check(number), measure_bare(number)
        pairs.append((bare, check))
    return pairs


def cpu_ratio(folder, bare, broker, load=closed_loop):
    load(folder, bare, 1, 1)
    load(folder, broker, 1, 1)
    pairs = interleaved(lambda number: load(folder, bare, number), lambda number: load(folder, broker, number))
    for (bare_cpu, bare_rate), (cpu, rate) in pairs:
        say(f"  bare {bare_cpu:.2f} µs ({bare_rate:,.0f}/s), check {cpu:.2f} µs ({rate:,.0f}/s): {bare_cpu / cpu:.3f}")
    return statistics.median(bare_cpu / cpu for (bare_cpu, _), (cpu, _) in pairs)


@contextlib.contextmanager
def one_session():
    """A broker, its baseline, and a file with the handle of the one session."""
    with Provider() as provider, Folder(provider) as folder:
        handle = folder.seed(1)[0]
        with folder.start() as broker, bare_like(folder, folder.headers_of_check(handle)) as bare:
            yield folder, broker, bare, handle


def forward_auth_session_ratio():
    with one_session() as (folder, broker, bare, _):
        yield "forward_auth_session_ratio", f"{cpu_ratio(folder, bare, broker):.3f}"


def forward_auth_session_wrk_ratio():
    with one_session() as (folder, broker, bare, _):
        yield "forward_auth_session_wrk_ratio", f"{cpu_ratio(folder, bare, broker, wrk):.3f}"


def forward_auth_session_100k_ratio():
    with Provider() as provider, Folder(provider) as folder:
        handle = folder.seed(SESSIONS)[0]
        with folder.start() as broker, bare_like(folder, folder.headers_of_check(handle)) as bare:
            expect_all_allowed(folder.sweep())
            yield "forward_auth_session_100k_ratio", f"{cpu_ratio(folder, bare, broker):.3f}"


def forward_auth_session_p99_ratio():
    with one_session() as (folder, broker, bare, handle):
        request = folder.path / "request"
        request.write_bytes(folder.check(handle))
        slower = min(closed_loop(folder, server, 1)[1] for server in (bare, broker))
        rate = slower / 2
        say(f"  the slower one answers {slower:,.0f}/s; asked at {rate:,.0f}/s")

        def latency(server):
            return tool("open-loop", f"127.0.0.1:{server.port}", request, 202,
                        "--per-second", rate, "--count", OPEN_LOOP_REQUESTS)

        pairs = interleaved(lambda _: latency(bare), lambda _: latency(broker))
        for bare_latency, check in pairs:
            say(f"  bare {bare_latency}, check {check}: {check['p99_us'] / bare_latency['p99_us']:.2f}")
        ratio = statistics.median(check["p99_us"] / bare_latency["p99_us"] for bare_latency, check in pairs)
        yield "forward_auth_session_p99_ratio", f"{ratio:.2f}"


def ext_authz_grpc_ratio():
    grpc_port, bare_port = free_port(), free_port()
    with Provider() as provider, Folder(provider, grpc_port) as folder:
        folder.seed(1)
        question, answer = folder.path / "question", folder.path / "answer"
        tool("grpc-question", folder.check_file, folder.handles, question)
        with folder.start() as broker:
            size = tool("grpc-ask", f"127.0.0.1:{grpc_port}", question, answer)["bytes"]
            command = [os.environ["BENCH"], "grpc-bare", f"127.0.0.1:{bare_port}", answer]
            with Server(command, bare_port, path=None) as bare:
                again = tool("grpc-ask", f"127.0.0.1:{bare_port}", question, folder.path / "bare-answer")["bytes"]
                if again != size or answer.read_bytes() != (folder.path / "bare-answer").read_bytes():
                    raise SystemExit("the baseline answers otherwise")
                say(f"  a question of {question.stat().st_size} bytes, an answer of {size}")

                def grpc_loop(server, port, seconds=SECONDS):
                    before = server.cpu_seconds()
                    count = tool("grpc-loop", f"127.0.0.1:{port}", question, size, "--seconds", seconds)["count"]
                    return (server.cpu_seconds() - before) / count * 1e6, count / seconds

                grpc_loop(bare, bare_port, 1)
                grpc_loop(broker, grpc_port, 1)
                pairs = interleaved(lambda _: grpc_loop(bare, bare_port), lambda _: grpc_loop(broker, grpc_port))
        for (bare_cpu, bare_rate), (cpu, rate) in pairs:
            say(f"  bare {bare_cpu:.2f} µs ({bare_rate:,.0f}/s), check {cpu:.2f} µs ({rate:,.0f}/s): "
                f"{bare_cpu / cpu:.3f}")
        ratio = statistics.median(bare_cpu / cpu for (bare_cpu, _), (cpu, _) in pairs)
        yield "ext_authz_grpc_ratio", f"{ratio:.3f}"


NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream app {{ server 127.0.0.1:{app}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 100000000;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Real-IP $remote_addr;
        }}
    }}
}}
"""


def forward_auth_bearer_ratio():
    with Provider() as provider, Folder(provider) as folder:
        size = folder.trust(issuers=1, apps=1, tokens=1)
        say(f"  a token of {size} bytes")
        with folder.start() as broker, bare_like(folder, folder.headers_of_first()) as bare:
            yield "forward_auth_bearer_ratio", f"{cpu_ratio(folder, bare, broker):.3f}"


def issuers_1000_ratio():
    """Many of everything beside one of everything, with as many tokens."""
    with Provider() as provider, Folder(provider) as one, Folder(provider) as many:
        one.trust(issuers=1, apps=1, tokens=TOKENS)
        many.trust(issuers=1_000, apps=TOKENS, tokens=TOKENS)
        with one.start() as broker_of_one, many.start() as broker_of_many:
            for folder in (one, many):
                expect_all_allowed(folder.sweep(), TOKENS)
            pairs = interleaved(lambda number: closed_loop(one, broker_of_one, number),
                                lambda number: closed_loop(many, broker_of_many, number))
        for (one_cpu, one_rate), (cpu, rate) in pairs:
            say(f"  one {one_cpu:.2f} µs ({one_rate:,.0f}/s), many {cpu:.2f} µs ({rate:,.0f}/s): {cpu / one_cpu:.3f}")
        ratio = statistics.median(cpu / one_cpu for (one_cpu, _), (cpu, _) in pairs)
        yield "issuers_1000_ratio", f"{ratio:.3f}"


def proxy_ratio():
    app_port, nginx_port = free_port(), free_port()
    app_command = [os.environ["BENCH"], "bare", f"127.0.0.1:{app_port}", "/pages/a-page", 200, "content-type: text/html"]
    with (Provider() as provider, Folder(provider, upstream_port=app_port) as folder,
          Server(app_command, app_port, core=LOAD_CORE)):
        request = folder.write_request(folder.seed(1)[0])
        configuration = folder.path / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder.path, app=app_port, port=nginx_port))
        nginx_command = ["nginx", "-p", folder.path, "-c", configuration]
        with folder.start() as broker, Server(nginx_command, nginx_port) as nginx:

            def forwarded(server, seconds=SECONDS):
                before = server.cpu_seconds()
                count = tool("closed-loop", f"127.0.0.1:{server.port}", request, folder.handles, 200,
                             "--seconds", seconds)["count"]
                return (server.cpu_seconds() - before) / count * 1e6, count / seconds

            forwarded(nginx, 1)
            forwarded(broker, 1)
            pairs = interleaved(lambda _: forwarded(nginx), lambda _: forwarded(broker))
        for (nginx_cpu, nginx_rate), (cpu, rate) in pairs:
            say(f"  nginx {nginx_cpu:.2f} µs ({nginx_rate:,.0f}/s), Doorward {cpu:.2f} µs ({rate:,.0f}/s): "
                f"{nginx_cpu / cpu:.3f}")
        ratio = statistics.median(nginx_cpu / cpu for (nginx_cpu, _), (cpu, _) in pairs)
        yield "proxy_ratio", f"{ratio:.3f}"


def idle_rss_mib():
    with Provider() as provider, Folder(provider) as folder, folder.start(core=None) as broker:
        time.sleep(10)
        yield "idle_rss_mib", f"{broker.resident_bytes() / MIB:.1f}"


def session_bytes():
    with Provider() as provider, Folder(provider) as folder:
        handle = folder.seed(SESSIONS)[0]
        with folder.start() as broker:
            for _ in range(1000):
                get(folder.port, "/oauth2/auth", folder.headers_of_check(handle))
            before = broker.resident_bytes()
            expect_all_allowed(folder.sweep())
            after = broker.resident_bytes()
            folder.forget_app_sessions()
            expect_all_allowed(folder.sweep())
            later = broker.resident_bytes()
        say(f"  resident: {before / MIB:.1f} MiB, {after / MIB:.1f} MiB with all sessions, {later / MIB:.1f} MiB "
            "after each was checked again with nothing left in the store")
        yield "session_bytes", f"{(max(after, later) - before) / SESSIONS:.0f}"


def expect_all_allowed(statuses, count=SESSIONS):
    if statuses != {"202": count}:
        raise SystemExit(f"not all were allowed: {statuses}")


def ready_ms():
    with Provider() as provider, Folder(provider) as folder:
        folder.seed(1_000)
        times = []
        for _ in range(2 * ROUNDS + 1):
            with folder.start() as broker:
                times.append(broker.answers_after * 1000)
        say("  " + ", ".join(f"{time:.0f}" for time in times) + " ms")
        yield "ready_ms", f"{statistics.median(times):.0f}"


def reload_ms():
    """From SIGHUP to the first check that is answered by the new rules, in the last of a thousand tenants."""
    with Provider() as provider, Folder(provider) as folder:
        small = folder.configuration.read_text().replace("[server]", "[server]\nreload_on_change = false", 1)
        host = "wiki.t999.localhost"
        headers = {"Host": host, "X-Original-URL": f"http://{host}/", "X-Original-Method": "GET"}
        texts = [small + "".join(tenant_of_many(number, provider, rule) for number in range(1_000))
                 for rule in ("public", "deny")]
        folder.configuration.write_text(texts[0])
        times = []
        with folder.start() as broker:
            for number in range(2 * ROUNDS + 1):
                text, expected = (texts[1], 403) if number % 2 == 0 else (texts[0], 202)
                folder.configuration.write_text(text)
                began = time.monotonic()
                broker.process.send_signal(signal.SIGHUP)
                while get(folder.port, "/oauth2/auth", headers)[0] != expected:
                    if time.monotonic() > began + 30:
                        raise SystemExit("the new rules do not come")
                    time.sleep(0.0005)
                times.append((time.monotonic() - began) * 1000)
        say(f"  {len(texts[0]) / 1024:.0f} KiB: " + ", ".join(f"{time:.0f}" for time in times) + " ms")
        yield "reload_ms", f"{statistics.median(times):.0f}"


def tenant_of_many(number, provider, rule):
    return f"""
[[tenants]]
id = "t{number}"
[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "http://127.0.0.1:{provider.port}"
client_id = "t{number}"
client_secret = {{ env = "CLIENT_SECRET" }}
[[tenants.apps]]
id = "wiki"
hosts = ["wiki.t{number}.localhost"]
allow = {{ {rule} = true }}
[[tenants.apps]]
id = "board"
hosts = ["board.t{number}.localhost", "*.board.t{number}.localhost"]
[[tenants.apps.rules]]
paths = ["/admin"]
groups = ["admins"]
[[tenants.apps.rules]]
email_domains = ["t{number}.example"]
"""


def brokered_login_cpu_ms():
    logins, requests = 200, 2_000
    with Provider() as provider, Folder(provider) as folder:
        with folder.start() as broker:
            browser = Browser(folder.port, provider.port)
            for _ in range(50):
                browser.sign_in()
            costs = []
            for _ in range(ROUNDS):
                before = broker.cpu_seconds()
                for _ in range(logins):
                    browser.sign_in()
                costs.append((broker.cpu_seconds() - before) / logins * 1000)
        say("  a login: " + ", ".join(f"{cost:.2f}" for cost in costs) + " ms")
        yield "brokered_login_cpu_ms", f"{statistics.median(costs):.2f}"

        rounds = []
        for _ in range(ROUNDS):
            rounds.append(tool("parts", folder.path, f"http://127.0.0.1:{provider.port}/keys", core=SERVER_CORE))
        parts = {name: statistics.median(part[name] for part in rounds) for name in rounds[0]}
        port = free_port()
        command = [os.environ["BENCH"], "bare", f"127.0.0.1:{port}", "/login", 303, "location: /", "set-cookie: a=b"]
        with Server(command, port) as bare:
            connection = Browser(port, port).broker
            before = bare.cpu_seconds()
            for _ in range(requests):
                get(None, "/login", {}, connection)
            parts["served_ms"] = (bare.cpu_seconds() - before) / requests * 1000
        say(f"  its parts: {parts}")
        # Two requests answered, an attempt written and taken out again, the session written, the code exchanged,
        # the ID token verified.
        raw = (2 * parts["served_ms"] + parts["relaxed_commit_ms"] + 2 * parts["durable_commit_ms"]
               + parts["request_ms"] + parts["verification_ms"])
        yield "brokered_login_raw_ms", f"{raw:.2f}"
        for name, value in parts.items():
            yield f"brokered_login_raw_{name}", f"{value:.3f}"


def verify_rs256_ratio():
    return verification_ratio("rs256")


def verify_es256_ratio():
    return verification_ratio("es256")


def verification_ratio(algorithm):
    """A token that was never seen before, the whole way in process, over its signature alone."""
    pairs = tool("verify", "--algorithm", algorithm, core=SERVER_CORE)
    say("  signature, whole way: " + ", ".join(f"{raw:.1f} {whole:.1f}" for raw, whole in pairs) + " µs")
    ratio = statistics.median(whole / raw for raw, whole in pairs)
    yield f"verify_{algorithm}_ratio", f"{ratio:.2f}"


def mint_es256_ratio():
    return minting_ratio("es256")


def mint_eddsa_ratio():
    return minting_ratio("eddsa")


def minting_ratio(algorithm):
    """A token of ours, from its claims to its text, over its signature alone."""
    pairs = tool("mint", "--algorithm", algorithm, core=SERVER_CORE)
    say("  signature, whole way: " + ", ".join(f"{raw:.1f} {whole:.1f}" for raw, whole in pairs) + " µs")
    ratio = statistics.median(whole / raw for raw, whole in pairs)
    yield f"mint_{algorithm}_ratio", f"{ratio:.2f}"


ALL = [
    forward_auth_session_ratio,
    forward_auth_session_wrk_ratio,
    forward_auth_session_100k_ratio,
    forward_auth_session_p99_ratio,
    forward_auth_bearer_ratio,
    issuers_1000_ratio,
    ext_authz_grpc_ratio,
    proxy_ratio,
    verify_rs256_ratio,
    verify_es256_ratio,
    mint_es256_ratio,
    mint_eddsa_ratio,
    idle_rss_mib,
    session_bytes,
    ready_ms,
    reload_ms,
    brokered_login_cpu_ms,
]
