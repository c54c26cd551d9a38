#!/usr/bin/env python3
"""Whole-system figures as ratios in one run: the daemon against the floor programs of the shared bench kit.

usage: bench.py --inlet BINARY --kit DIR [--work DIR] [--rounds N] [--messages N] [--only REGEX] [--json FILE]

Needs dovecot, PostgreSQL and wrk (Debian packages), python3, cargo. Servers run on loopback below --work and are
stopped at the end. Backfill: one mailbox over TLS, full pipeline, until every message is stored. Webhooks: 64
connections, 1 KB of JSON with an HMAC, answered after the commit. Prints one table; nothing is judged here.
"""
import argparse, json, os, re, shutil, signal, socket, statistics, subprocess, sys, time, urllib.error, urllib.request

KEY = "inlet_bench_0123456789abcdefghijklmnopqrstuvwxyz"
HOOK_SECRET = "whsec_test_secret_0123456789abcdef"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--inlet", required=True)
    parser.add_argument("--kit", required=True)
    parser.add_argument("--work", default="target/bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--only", default=".")
    parser.add_argument("--json")
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Kit:
    """The shared bench kit, copied to a folder of ours, its programs built and its servers started."""

    def __init__(self, source, work, messages):
        self.root = os.path.join(work, "kit")
        self.work = os.path.join(work, f"servers-{messages}")
        self.messages = messages
        self.environment = dict(os.environ, BENCH_WORK=self.work)
        if not os.path.isdir(self.root):
            shutil.copytree(source, self.root)
            subprocess.run(["chmod", "-R", "u+w", self.root], check=True)
        build = ["cargo", "build", "--release", "--bin", "toypipe", "--bin", "hookbench"]
        build_environment = dict(os.environ, CARGO_TARGET_DIR=os.path.join(self.root, "rs", "target"))
        subprocess.run(build, cwd=os.path.join(self.root, "rs"), check=True, env=build_environment)
        os.makedirs(self.work, exist_ok=True)
        subprocess.run(["chmod", "a+rx", work, self.work], check=True)

    def shell(self, script):
        full = f'. "{self.root}/env.sh"; {script}'
        done = subprocess.run(["bash", "-c", full], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench: {script}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self):
        corpus = f"{self.work}/corpus/big"
        if not os.path.isdir(corpus + "/cur"):
            generate = ["python3", f"{self.root}/gen_corpus.py", corpus, "--n", str(self.messages)]
            subprocess.run(generate + ["--jsonl", corpus + ".jsonl"], check=True, stdout=subprocess.DEVNULL)
        self.shell("dovecot_up && pg_up; PSQL -c 'create database bench' 2>/dev/null; [ -d $P/dovecot/mail/big/Maildir ] || reset_user big big")

    def stop(self):
        self.shell("dovecot_down; pg_down; true")

    def binary(self, name):
        return f"{self.root}/rs/target/release/{name}"

    def floor(self, store):
        command = [self.binary("toypipe"), "--store", store, "--tls", "--port", "12993", "--user", "big", "--db", f"{self.work}/toy.db"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=self.work)
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        return {"rate": figures["msgs_s"], "cpu": 1000 * (figures["user"] + figures["sys"]) / figures["stored"], "peak": figures["hwm_kb"] / 1024, "n": figures["stored"]}


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid, field):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


class Daemon:
    """One run of the program under test, on an empty store."""

    def __init__(self, binary, kit, store):
        self.folder = os.path.join(kit.work, f"inlet-{store}")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        url = f"sqlite://{os.path.abspath(self.folder)}/inlet.db"
        if store == "pg":
            kit.shell("PSQL -c 'drop database if exists inlet' -c 'create database inlet'")
            url = "postgres://postgres@127.0.0.1:15432/inlet"
        self.port = free_port()
        environment = dict(
            os.environ, DATABASE_URL=url, INLET_DATA_DIR=self.folder, INLET_LISTEN=f"127.0.0.1:{self.port}", INLET_API_KEY=KEY,
            INLET_ENCRYPTION_KEY="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", INLET__NETWORK__ALLOW_PRIVATE_HOSTS="true",
            SSL_CERT_FILE=f"{kit.work}/dovecot/cert.pem", INLET_LOG="warn")
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen([os.path.abspath(binary)], env=environment, cwd=self.folder, stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{self.port}"
        started = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=1)
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() - started > 30 or self.process.poll() is not None:
                    sys.exit(f"bench: the daemon does not start, see {self.folder}/log")
                time.sleep(0.01)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=900) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"bench: {method} {path}: {error.code} {error.read().decode()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


def backfill(binary, kit, store):
    daemon = Daemon(binary, kit, store)
    surface = daemon.call("POST", "/v1/surfaces", {"name": "bench", "type": "email", "status": "active"})["id"]
    base = f"/v1/messaging/imap/{surface}"
    cpu, started = processor_seconds(daemon.process.pid), time.monotonic()
    daemon.call("POST", base + "/start", {"fromAddress": "us@example.com", "imapHost": "localhost", "imapPort": 12993, "imapSecure": True, "imapUsername": "big", "imapPassword": "secret"})
    while True:
        status = daemon.call("GET", base + "/status")
        if status["messagesProcessed"] >= kit.messages * 0.99 and status["pollStatus"] != "polling":
            break
        if status["lastError"] or time.monotonic() - started > 900:
            sys.exit(f"bench: backfill stands still: {status}")
        time.sleep(0.02)
    wall = time.monotonic() - started
    pid = daemon.process.pid
    figures = {"rate": kit.messages / wall, "cpu": 1000 * (processor_seconds(pid) - cpu) / kit.messages, "peak": memory_mib(pid, "VmHWM"),
               "conversations": daemon.call("GET", "/v1/messaging/conversations?limit=1")["pagination"]["totalCount"]}
    daemon.stop()
    return figures


def wrk(kit, url, path, seconds, rate=None):
    kit_script = f"{kit.root}/lua/hook.lua"
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "paced.lua") if rate else kit_script
    command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", script, url]
    environment = dict(os.environ, HOOK_PATH=path, HOOK_KEY=HOOK_SECRET, HOOK_SCRIPT=kit_script, HOOK_RATE=str(rate or 0))
    printed = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    line = next((line for line in printed.splitlines() if line.startswith("JSON ")), None)
    if line is None:
        sys.exit(f"bench: wrk said: {printed}")
    figures = json.loads(line[5:])
    return {"rate": figures["rps"], "p99": figures["p99_ms"], "bad": figures["bad"] + figures["sockerr"]}


def webhook_floor(kit, store, seconds):
    port = free_port()
    mode = {"lite": "lite-group", "pg": "pg-group"}[store]
    command = [kit.binary("hookbench"), "--mode", mode, "--window-us", "0", "--port", str(port), "--db", f"{kit.work}/hook.db"]
    server = subprocess.Popen(command, cwd=kit.work, stderr=subprocess.PIPE)
    server.stderr.readline()
    time.sleep(0.3)
    url = f"http://127.0.0.1:{port}/hook"
    wrk(kit, url, "/hook", 1)
    figures = wrk(kit, url, "/hook", seconds)
    server.kill()
    server.wait()
    return figures


HOOK_SURFACE = {
    "name": "hook", "type": "webhook", "status": "active",
    "inbound": {
        "provider": "custom", "secrets": [HOOK_SECRET],
        "verify": {"scheme": "hmac-sha256", "header": "X-Signature", "prefix": "sha256=", "encoding": "hex", "signed": "{raw}"},
        "map": {"messageId": ["$.id"], "thread": ["$.externalThreadId"], "participant": ["$.externalParticipantId"],
                "name": ["$.participant.name"], "email": ["$.participant.email"], "text": ["$.text"],
                "time": {"path": ["$.sentAt"], "format": "rfc3339"}},
    },
}


def webhooks(binary, kit, store, seconds):
    daemon = Daemon(binary, kit, store)
    surface = daemon.call("POST", "/v1/surfaces", HOOK_SURFACE)["id"]
    path = f"/v1/webhooks/{surface}"
    wrk(kit, daemon.url + path, path, 1)
    figures = wrk(kit, daemon.url + path, path, seconds)
    half = wrk(kit, daemon.url + path, path, seconds, figures["rate"] / 2)
    figures.update(half_rate=half["rate"], half_p99=half["p99"], bad=figures["bad"] + half["bad"])
    figures["peak"] = memory_mib(daemon.process.pid, "VmHWM")
    daemon.stop()
    return figures


def idle_memory(binary, kit):
    daemon = Daemon(binary, kit, "lite")
    figures = {"peak": memory_mib(daemon.process.pid, "VmRSS")}
    daemon.stop()
    return figures


def median(runs, name):
    return statistics.median(run[name] for run in runs)


def main():
    options = arguments()
    missing = [tool for tool in ("wrk", "dovecot", "openssl") if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing or not os.path.isdir(options.kit):
        sys.exit(f"bench: not here: {', '.join(missing) or options.kit} (Debian packages wrk, dovecot-imapd, postgresql, openssl; the kit is ../shared/bench)")
    os.makedirs(options.work, exist_ok=True)
    kit = Kit(os.path.abspath(options.kit), os.path.abspath(options.work), options.messages)
    kit.start()
    wanted = lambda name: re.search(options.only, name)
    results = {}
    try:
        for _ in range(options.rounds):
            for store in ("lite", "pg"):
                if wanted("backfill-" + store):
                    results.setdefault(("backfill", store, "floor"), []).append(kit.floor(store))
                    results.setdefault(("backfill", store, "inlet"), []).append(backfill(options.inlet, kit, store))
                if wanted("webhook-" + store):
                    results.setdefault(("webhook", store, "floor"), []).append(webhook_floor(kit, store, options.seconds))
                    results.setdefault(("webhook", store, "inlet"), []).append(webhooks(options.inlet, kit, store, options.seconds))
        idle = idle_memory(options.inlet, kit)
    finally:
        kit.stop()
    size = os.path.getsize(options.inlet) / 1e6
    print(f"\n{options.messages} messages, {options.rounds} rounds, medians; floor = the minimal program of the bench kit, same run, TLS")
    print(f"{'work':10} {'store':5} {'inlet/s':>9} {'floor/s':>9} {'ratio':>6}  more")
    for (work, store, who), runs in results.items():
        if who == "floor":
            continue
        floor = results[(work, store, "floor")]
        rate, base = median(runs, "rate"), median(floor, "rate")
        if work == "backfill":
            more = f"cpu s/1000: {median(runs, 'cpu'):.3f} (floor {median(floor, 'cpu'):.3f}, {median(runs, 'cpu') / median(floor, 'cpu'):.1f}x), peak {median(runs, 'peak'):.0f} MiB, conversations {runs[0]['conversations']}"
        else:
            more = f"p99 {median(runs, 'p99'):.1f} ms (floor {median(floor, 'p99'):.1f}), at half of the load {median(runs, 'half_rate'):.0f}/s p99 {median(runs, 'half_p99'):.1f} ms, bad {max(run['bad'] for run in runs)}, peak {median(runs, 'peak'):.0f} MiB"
        print(f"{work:10} {store:5} {rate:9.0f} {base:9.0f} {rate / base:6.2f}  {more}")
    print(f"idle resident {idle['peak']:.0f} MiB, binary {size:.1f} MB")
    if options.json:
        with open(options.json, "w") as out:
            json.dump([{"work": work, "store": store, "who": who, "runs": runs} for (work, store, who), runs in results.items()], out, indent=1)


main()
