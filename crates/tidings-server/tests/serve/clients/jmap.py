"""Speaks to a running server as a program would that was written with `requests` and RFC 8620 beside it.

usage: jmap.py BASE NAME PASSWORD

Each step is printed; the first that does not hold ends it with an error.
"""
import base64
import hashlib
import json
import re
import secrets
import sys
import threading
import urllib.parse

import requests

BASE, NAME, PASSWORD = sys.argv[1:4]
CORE, OURS = "urn:ietf:params:jmap:core", "urn:stalwart:jmap"


class Client:
    """Finds everything by the session, and shows who it is with each request."""

    def __init__(self, **auth) -> None:
        self.http = requests.Session()
        self.http.auth = auth.get("auth")
        self.http.headers.update(auth.get("headers", {}))
        answer = self.http.get(BASE + "/.well-known/jmap")
        answer.raise_for_status()
        self.session = answer.json()
        self.url = urllib.parse.urljoin(BASE, self.session["apiUrl"])

    def send(self, calls: list, **more) -> dict:
        answer = self.http.post(self.url, json={"using": [CORE, OURS], "methodCalls": calls, **more})
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()

    def call(self, name: str, arguments: dict) -> dict:
        (answered, content, mark), = self.send([[name, arguments, "c"]])["methodResponses"]
        assert mark == "c" and answered in (name, "error"), answered
        return content if answered == name else {"error": content}


def step(name: str):
    def run(check):
        check()
        print("ok    " + name, flush=True)
    return run


basic = Client(auth=(NAME, PASSWORD))


@step("session by Basic auth, found by /.well-known/jmap")
def _():
    session = basic.session
    assert CORE in session["capabilities"] and session["username"] == NAME, session
    account, = session["accounts"]
    assert session["primaryAccounts"][OURS] == account


@step("wrong passwords are refused with a challenge and a problem")
def _():
    answer = requests.get(BASE + "/api/account", auth=(NAME, "wrong"))
    assert answer.status_code == 401 and "Basic" in answer.headers["WWW-Authenticate"], answer.headers
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["status"] == 401


@step("messages by query and back reference")
def _():
    answers = basic.send([
        ["x:Message/query", {"filter": {"text": "user00003@example.test"}, "limit": 5, "calculateTotal": True}, "q"],
        ["x:Message/get", {"#ids": {"resultOf": "q", "name": "x:Message/query", "path": "/ids"}}, "g"],
    ])["methodResponses"]
    assert answers[0][1]["total"] == 1, answers
    message, = answers[1][1]["list"]
    assert message["to"] == "user00003@example.test" and message["verdict"] == "delivered", message


@step("an object is created, changed, found, and removed; states change with it")
def _():
    before = basic.call("x:Tracer/get", {"ids": []})["state"]
    tracer = {"@type": "OtelHttp", "name": "otel", "endpoint": "http://127.0.0.1:9", "enable": False,
              "httpAuth": {"@type": "Bearer", "bearerToken": {"@type": "Value", "secret": "hush"}}}
    made = basic.send([["x:Tracer/set", {"ifInState": before, "create": {"n": tracer}}, "0"]], createdIds={})
    id_ = made["createdIds"]["n"]
    tracer, = basic.call("x:Tracer/get", {"ids": [id_]})["list"]
    assert tracer["id"] == id_ and tracer["httpAuth"]["bearerToken"]["secret"] == "****", tracer
    stale = basic.call("x:Tracer/set", {"ifInState": before, "destroy": [id_]})
    assert stale["error"]["type"] == "stateMismatch", stale
    # What was read is written back, secret and all.
    back = basic.call("x:Tracer/set", {"update": {id_: {key: tracer[key] for key in ("name", "httpAuth", "level")}}})
    assert id_ in back["updated"], back
    changed = basic.call("x:Tracer/set", {"update": {id_: {"httpHeaders/X-A": "1", "level": "warn"}}})
    assert id_ in changed["updated"], changed
    changes = basic.call("x:Tracer/changes", {"sinceState": before})
    assert changes["created"] == [id_] and not changes["destroyed"], changes
    wrong = basic.call("x:Tracer/set", {"update": {id_: {"level": "loud"}}})
    assert wrong["notUpdated"][id_]["type"] in ("invalidPatch", "validationFailed"), wrong
    assert basic.call("x:Tracer/set", {"destroy": [id_]})["destroyed"] == [id_]


@step("log entries by word and by key")
def _():
    for filter_ in ({"text": "user00004@example.test"}, {"to": "user00004@example.test"}):
        found = basic.call("x:Log/query", {"filter": filter_})
        assert found["ids"], (filter_, found)


@step("a key made by the API is shown once, and can do what it may and no more")
def _():
    account = basic.call("x:Account/query", {"filter": {"name": NAME}})["ids"][0]
    made = basic.call("x:ApiKey/set", {"create": {"k": {
        "description": "reader", "accountId": account, "permissions": {"sysTraceGet": True, "sysTraceQuery": True}}}})
    shown = made["created"]["k"]
    secret = next(value for key, value in shown.items() if key != "id" and isinstance(value, str) and len(value) > 20)
    key = Client(headers={"Authorization": "Bearer " + secret})
    assert "ids" in key.call("x:Trace/query", {"limit": 1})
    refused = key.call("x:Tracer/set", {"create": {"n": {"@type": "Stdout"}}})
    text = json.dumps(refused)
    assert "forbidden" in text, refused
    basic.call("x:ApiKey/set", {"destroy": [shown["id"]]})
    assert key.http.get(BASE + "/api/account").status_code == 401


def frames(answer):
    """Frames of a stream, as the HTML standard reads them."""
    frame = {}
    for line in answer.iter_lines(decode_unicode=True):
        if line == "":
            if "data" in frame:
                yield frame
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            frame[name] = frame[name] + "\n" + value if name in frame and name == "data" else value


def emit(name: str) -> None:
    event = {"type": "auth.failed", "data": {"accountName": name}}
    answer = basic.http.post(BASE + "/ingest", data=json.dumps(event) + "\n",
                             headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text


@step("a live stream by a token of its own, and again behind its last id, each event once")
def _():
    token = basic.http.get(BASE + "/api/token/tracing").text
    url = BASE + "/api/live/tracing?event=auth.failed&throttle=0&token=" + urllib.parse.quote(token)
    seen, last = [], None
    for names in (["anna", "bert"], ["carla"], ["dora", "emil"]):
        headers = {"Last-Event-ID": last} if last else {}
        if last:
            # While nobody listens.
            emit(names[0])
        with requests.get(url, stream=True, headers=headers, timeout=20) as answer:
            assert answer.status_code == 200, answer.text
            todo = names[1:] if last else names
            threading.Timer(0.3, lambda: [emit(name) for name in todo]).start()
            got = []
            for frame in frames(answer):
                assert frame["event"] in ("ping", "trace"), frame
                if frame["event"] == "trace":
                    last = frame["id"]
                    got += re.findall('"(anna|bert|carla|dora|emil)"', frame["data"])
                if len(got) >= len(names):
                    break
        seen += got
    assert seen == ["anna", "bert", "carla", "dora", "emil"], seen


@step("OAuth: a code by the form with PKCE, which is good once")
def _():
    about = requests.get(BASE + "/.well-known/oauth-authorization-server").json()
    assert "S256" in about["code_challenge_methods_supported"], about
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"response_type": "code", "client_id": "program", "redirect_uri": "http://127.0.0.1:1/back",
             "code_challenge": challenge, "code_challenge_method": "S256", "state": "s"}
    browser = requests.Session()
    page = browser.get(about["authorization_endpoint"], params=asked)
    assert page.status_code == 200 and "default-src 'none'" in page.headers["Content-Security-Policy"], page.headers
    hidden = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text))
    form = {**hidden, "name": NAME, "password": PASSWORD}
    fields = re.findall(r'<input[^>]*name="([^"]+)"', page.text)
    assert set(fields) >= {"password"}, page.text
    answer = browser.post(about["authorization_endpoint"], params=asked, data=form, allow_redirects=False,
                          headers={"Origin": BASE})
    assert answer.status_code in (302, 303), (answer.status_code, answer.text)
    back = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s"], back
    grant = {"grant_type": "authorization_code", "code": back["code"][0], "client_id": "program",
             "redirect_uri": asked["redirect_uri"], "code_verifier": verifier}
    tokens = requests.post(about["token_endpoint"], data=grant).json()
    by_token = Client(headers={"Authorization": "Bearer " + tokens["access_token"]})
    assert by_token.session["username"] == NAME
    again = requests.post(about["token_endpoint"], data=grant)
    assert again.status_code == 400, "a code is good once"

