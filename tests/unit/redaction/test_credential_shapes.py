"""A credential is found by its shape, whoever wrote the text, and what stands around it stays."""

from __future__ import annotations

import html
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.secrets import STARS, Redactor
from tests.unit.redaction.test_secret_forms import url, url_in_lower_case


@given(st.text(max_size=200))
def test_a_text_without_secrets_and_their_shapes_stays_as_it_is(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "see eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl here",
        "Authorization: Bearer hunter2hunter2hunter2",
        "proxy-authorization: basic aHVudGVyMjpodW50ZXIyaHVudGVyMg==",
        "https://s3.example/file?X-Amz-Credential=hunter2&X-Amz-Signature=hunter2abc&x=1",
        "https://blob.example/file?sv=2024&sig=hunter2%2Fabc&se=1",
        "Location: /next?access_token=hunter2#there",
        "http://user:hunter2@proxy.example:3128/",
        '{"access_token": "hunter2", "expires_in": 5}',
        '{"jwt": "hunter2", "exp": 5}',
        r'"{\"client_secret\":\"hunter2\"}"',
        "%7B%22password%22%3A%22hunter2%22%7D",
        "https://127.0.0.1:1/#access_token=hunter2&state=1",
        "access_token=hunter2&expires_in=5",
        "grant_type=password&password=hunter2",
        "password=$2b$12$hunter2 client_secret='$hunter2' api_key=\"$6$hunter2\"",
        "refused: client_secret=hunter2",
        "https://user:p@ss/hunter2@host.example/path",
        "https://user:hunter2:3@host.example:8080/path",
        "http://hunter2@host.example",
        '{"password": {"value": "hunter2"}, "x": 1}',
        '{"access_token": ["hunter2", "b"]}',
        '{"password": {"a": {"b": 1}, "value": "hunter2"}}',
        '{"password": [["x"], "hunter2"]}',
        '{"secret": ["a]b", "hunter2"]}',
        '{"oauth.access.token": "hunter2", "api key": "hunter2"}',
        "token=hunter2",
        "accessToken=hunter2&x=1",
        'body "refresh-token=hunter2"',
        "?token[]=hunter2&user[password]=hunter2",
        "https://anna@corp.example:hunter2@gateway.example/x",
        "?client_secret=it'shunter2&x=1",
        "https://o'hunter2:hunter2@gateway.example/x https://o'hunter2@gateway.example",
        "spring.security.oauth2.client.registration.genesys-cloud.client-secret=hunter2",
        'cookie="' + "; ".join(f"c{number}=value" for number in range(300)) + '; s=hunter2"',
        '{"user&token": "hunter2", "x=y.token": ["hunter2"]}',
        "?token='hunter2'&oauth.token=hunter2",
        "https://user:it's-hunter2@host.example/",
        '{"token": {"a": {"b": {"c": {"d": "hunter2"}}}}, "x": 1}',
        '{"secret": [[["hunter2"]]]}',
        '{"my(token": "hunter2", "user|token": "hunter2", "a~1token": "hunter2"}',
        '{"#token": "hunter2", "%token": "hunter2", "user,token": "hunter2"}',
        '{"it\'s token": "hunter2"}',
        '{"a/token": "hunter2", "@token": "hunter2", "$token": "hunter2", "token ": "hunter2"}',
        "password=\"hunter2\" or password='hunter2'",
        "Login(user=x, password=hunter2) {token=hunter2} [token=hunter2] a=1,token=hunter2",
        "user[password]=hunter2",
        "cookie=hunter2&x-amz-credential=hunter2",
        "see eyAiYWxnIjoibm9uZSJ9.eyJzdWIiOiJhbm4ifQ.c2ln",
        "see ewogImFsZyI6Im5vbmUifQ.eyJzdWIiOiJhbm4ifQ.c2ln",
        "password=\"two hunter2 words\" or password='two hunter2 words'",
        r'client_secret="a \"hunter2\" b"',
        "/next?token='two hunter2 words'&x=1",
        "token[0]=hunter2&x=1",
        "?user[token][1][2]=hunter2",
        "/next?access_token=$hunter2&password='$hunter2 $'",
        "?x=1&token%5B0%5D=hunter2",
        "failed; Authorization: Bearer hunter2hunter2hunter2; csrf_token=x",
        "why? see https://admin:hunter2@proxy.example/path?token=abc",
        "a; jwt eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl then token=x",
        "GET /x?y; Basic aHVudGVyMjpodW50ZXIyaHVudGVy x; password=q",
        '{"message": "upstream#1: Bearer hunter2hunter2hunter2 but token=expired"}',
        '{"x Bearer hunter2hunter2hunter2 token": "1"}',
        "user%5Bpassword%5D=a%26hunter2 api+key=a+hunter2&x=1 client%255Fsecret=a%2526hunter2",
        r'{"to\u006ben": "a\"hunter2", "client%5Fsecret": "a&hunter2"}',
        r'{"auth\\user_token": "hunter2"}',
        "?token=a;hunter2#hunter2&x=1 Password=a;hunter2;Timeout=5 token=a&hunter2",
        'client_secret="-----BEGIN KEY-----\nhunter2\n-----END KEY-----" and more',
        "password='" + "a long one, " * 2_000 + "hunter2'",
        "password=$A-hunter2 password=$(x)hunter2 token=${A}hunter2 token=$a$hunter2",
        'client_secret="$ONE hunter2"',
        "https://eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl:hunter2@host.example",
        f"https://user:{'a' * 2_000}hunter2@host.example",
        f"https://user:{'a/' * 1_000}hunter2@host.example",
        "Authorization: Bearer 12|hunter2hunter2hunter2",
        "{'access_token': 'hunter2', b'cookie': b'it is hunter2', 'token': ['a]b', 'hunter2']}",
        'client_secret = "two hunter2 words" password := "hunter2" token == "hunter2"',
        "next=https%3A//u%3Ahunter2%40h/a by bob@example.com https%3A//hunter2%40h/a by a@b.c",
        "message: 'bad: token=''hunter2'' of bob'",
        r'{\"user\":\"bob\",\"password\":"hunter2",\"x\":1}',
        "Login(secret=Secret(name='db', value='hunter2'), token=(3, 'hunter2'))",
        '"token" => "hunter2", "password"=hunter2',
        'a text that was cut: password="two hunter2',
        '{"Proxy-Authorization": "Digest hunter2", "sessionCookie": "hunter2"}',
        r'{"m":"password\u003dab+hunter2","u":"x\u0026access_token\u003da%20hunter2\u0026z"}',
        r'{"m": "{\"u\":\"https://b/?sv\\u003d1\\u0026sig\\u003dAbCd%2Bhunter2%3D\"}"}',
        r'{"message":"no http:\/\/user:ab%20hunter2@proxy.example:3128\/"}',
        r'"https:\u002F\u002Fuser:ab%20hunter2@h\u002F"',
        "<p>GET https:&#x2F;&#x2F;u:ab+hunter2@h&#x2F; with token&#x3D;ab+hunter2</p>",
        r'{"message": "{\"cookie\": \"prefs=%7B%22a%22%3A1%7D; session=hunter2\"}"}',
        "<pre>{&quot;password&quot;:&quot;x%22hunter2&quot;}</pre>",
        r'{"message": "{\"password\": \"a&quot;hunter2\"}"}',
        r'{"message":"sent Authorization: Basic P\/90u+hunter2hunter2hunter2 to it"}',
        r'{"m":"Authorization:\tBasic YWJj+hunter2hunter2=="}',
        "m=Basic%20YWJj+hunter2hunter2",
        "m=token%3Da+hunter2 Basic+abc%20hunter2hunter2",
        "Basic b'aHVudGVyMjpodW50ZXIy' Bearer \"hunter2 hunter2 hunter2\" and",
        "\xff\xfeBearer hunter2hunter2hunter2",
        "{'password': (None, 'hunter2'), 'token': frozenset({'hunter2'})}",
        "OrderedDict([('access_token', 'hunter2'), (b'authorization', b'Digest hunter2')])",
        "{'token': bytearray(b'hunter2'), 'secret': Tok(v='hunter2'), 'jwt': u'hunter2'}",
        "Login(token=Tok('hunter2'), password=[b'hunter2'])",
        'token="""a "hunter2" b"""',
        "{'client_secret': 'aaa '\n                  'bbb hunter2'}",
        "[password] => hunter2",
        "sess_eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.hunter2.a.b.c",
        "v1.eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.hunter2",
        '{"password":"ab\\\\hunter2","code":"x"}',
        'repr of JSON \'{"password": "a\\\\"hunter2"}\'',
        repr(json.dumps({"m": json.dumps({"password": "hunter2"})})),
        json.dumps(repr(json.dumps({"m": json.dumps({"password": "hunter2"})}).encode())),
        json.dumps(html.escape(json.dumps({"m": json.dumps({"password": "hunter2"})}))),
        '"access_token": "abcdefgh1234"\n"refresh_token": "hunter2"',
        "'token' = 'abc'\n'secret' = 'hunter2'",
        html.escape('{"url":"/cb?access_token=abcdefgh","x":{"cookie":"a=b; s=hunter2"}}'),
        r'{"m": "token=abc\u0026password=\"a hunter2\""}',
        "token=abc%20%7B%22password%22:%22a'-hunter2%22%7D",
        'password="}{hunter2" password=": 5hunter2"',
        r'{"m": "password=\"},{hunter2\""}',
        '[["cookie","a=b; s=hunter2"], ["token","hunter2"]]',
        "client_secret=ab'%3Dhunter2&token=a''hunter2&x=1",
        "Bearer scopeQk7hunter2hunter2==",
        url_in_lower_case("{'Authorization': {'v': \"hunter2's\", 'w': [1, 'hunter2']}}").replace(
            "%27", "'"
        ),
        'a list that was cut off: {"token": ["x", "hunter2',
        "a text that was cut off: {'token': {'v': \"hunter2",
        json.dumps({"m": url("{'token': {'v': \"x's\", 'w': 'hunter2").replace("%27", "'")}),
        "repr of it: " + repr(json.dumps({"token": ['a"b', {"c": 'd"hunter2'}]})),
        'cannot parse {\n  "client_secret": "abc"\n  "token": "hunter2"\n}',
        r'{"path": "C:\\temp\\", "token": {"value": "hunter2", "ttl": 5',
        '5" disk, body="{"cookie": ["hunter2...',
        r'{"dir": "C:\\logs\\", "password": ":1hunter2"}',
        repr(json.dumps({"credential": json.dumps({"id": "x", "key": "hunter2"})}).encode()),
        repr(json.dumps({"cookie": 'prefs={"a":"b","sid":"hunter2"}; Path=/'})),
        repr({"m": json.dumps({"token": json.dumps(["x", "hunter2"])})}),
        '{"headers": [["token", "hunter2"]]} [["Authorization", "hunter2"]',
        r'{"m": "{\"u\": \"https://b/?sv=1\\u0026sig=%2Bhunter2%2B\\u0026sp=r\"}"}',
        r'"failed: https://x/?u\u003dbob\u0026password\u003d%20hunter2\u0026z\u003d1"',
        "<a href='/cb?a=1&amp;access_token&#x3D;+hunter2&amp;x&#x3D;1'>",
        r'see "url":"/?password\u003d%22abc%22hunter2\u0026z\u003d1"',
        "<p>u&#x3D;b&amp;password&#x3D;%27tis%27hunter2&amp;z&#x3D;1</p>",
        r'{"h": "Bearer +4BYmT\/ndXhZmN09mw2hVi++hunter2"} Bearer%20+hunter2hunter2h',
        "/login?password=rock'n'.hunter2&z=1 /login?password=abc')hunter2&z=1",
        "/login?password='tis'hunter2&z=1",
        "{'token': <Token: hunter2>}",
        "((b'Set-Cookie', b'hunter2'), (b'x', b'y'))",
        "(('token', 'hunter2'), ('x', 'y'))",
        "token=[1, 2 " * 6 + "token=('a b', 'hunter2')",
        r"got {\"token\": [\"a%22],%22hunter2\"]}",
        quote_plus('password = "two hunter2"'),
        r'see "/?password\u003d%22abc%22-hunter2\u0026z\u003d1"',
        "/login?password='tis'-hunter2&z=1",
        "Login(access_token=OrderedDict([('a', 'abc hunter2')]), token=[None, 'a hunter2'])",
        "password='it''s hunter2' and {'password': 'it''s hunter2'}",
        "%7B'token':%20'hunter2',%20'jwt'%3A%20%5B'hunter2'%5D,%20'secret':%20%5B'hunter2'%5D%7D",
        quote_plus("{'token': 'hunter2'}"),
        "{'m': " + repr('Unexpected " in {"password": "\\"\\"\\"a\\"\\"\\"hunter2"}') + "}",
        '{"a": {"b": 1, "password": "a\\\\"}hunter2"}',
        r"{\"token\":\"a%22,%22b%22:%22hunter2\"}",
        "postgres://bob:pw/hunter2@/db",
    ],
)
def test_what_has_the_shape_of_a_credential_is_hidden_though_nobody_registered_it(
    text: str,
) -> None:
    redacted = Redactor().redact(text)

    assert STARS in redacted
    assert "hunter2" not in redacted and "aHVudGVy" not in redacted and "eyJzdWIi" not in redacted


@pytest.mark.parametrize(
    "text",
    [
        '{"code": "400 invalid_payload", "fieldName": "to.type"}',
        'curl -H "Authorization: Bearer $TOKEN" https://api.example/?pageSize=25&sort=name',
        "oauth: {tokens: per_user, refresh_before_s: 300}",
        "[convoy:20261126-063154-0a1b2c:conversation_messages:17]",
        "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "https://host.example:8080/path?to=ann@mail.example is no login",
        "https://host.example/a:b@c",
        '{"tokens": 5, "token_type": "bearer", "expires_in": 86400}',
        'password=$PASSWORD client_secret="$SECRET" token=${CONVOY_TOKEN_2}&api_key=$KEY',
        "user%5Btoken_type%5D=a%26b&%23token_type=1 {'tokens': 'a'} the token: it is old",
        "https://host.example/?a=://b&c=://d ftp://host:21/x?y=@z",
        "user[token_type]=bearer&token_type[0]=bearer&token[type]=bearer",
        'an empty token="" and password="$ONE $TWO" are none',
        'WWW-Authenticate: Bearer error="invalid_token", error_description="it expired today"',
        "WWW-Authenticate: Bearer error=invalid_token,error_description=expired",
        "https://[::1]:8080/x?to=ann@mail.example",
        """{"Cookie":{"env":"GW_COOKIE"},"x-api-key":{"file":"/run/key"},"Token":{env: A}}""",
        'no answer to {"url": "https://host.example/?token=", "code": "x"}, given up',
        '["token=", {"a": "b"}]',
        '{"Cookie": {"env": "GW_COOKIE"}, "a": 1}',
        "if token ==expected: pass",
        '{"required": ["password", "user"], "code": "x"}',
        "missing ('password', 'username') and ('token', 'was', 'read') {'loc': ('token', 'str')}",
        '    token = response.json()["access_token"]',
        "    assert response.token == self.token  # password = None, user = bob",
        "the token= parameter is missing (`password=$PASSWORD`)",
        "convoy.plugin.users.ScenarioUser and heyJude.example.org",
    ],
)
def test_what_helps_to_find_a_fault_is_left_alone(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"token": [1, {"x": "]"}], "b": 2}', {"token": STARS, "b": 2}),
        ('{"resetToken": 12345678, "b": 2}', {"resetToken": STARS, "b": 2}),
        ('{"resetToken": -1.2e345678}', {"resetToken": STARS}),
        (json.dumps({"a": '{"cookie": ["x=y"]}'}), {"a": json.dumps({"cookie": STARS})}),
        (json.dumps({"a": 'no token="a b" here'}), {"a": f'no token="{STARS}" here'}),
        (json.dumps({"a": "see ?token='a\\nb'&x=1"}), {"a": f"see ?token='{STARS}'&x=1"}),
        (json.dumps({"password": "$HUNTER", "b": 2}), {"password": STARS, "b": 2}),
        (json.dumps({"credential": ['a"b'], "b": 2}), {"credential": STARS, "b": 2}),
        (json.dumps({"cookie": {"a": "%22"}, "b": 2}), {"cookie": STARS, "b": 2}),
        (json.dumps({"password": "ab\\", "b": 2}), {"password": STARS, "b": 2}),
        (json.dumps([{"password": "\\"}, {"b": 2}]), [{"password": STARS}, {"b": 2}]),
        (json.dumps({"m": "password=x\\", "b": 2}), {"m": f"password={STARS}", "b": 2}),
        (json.dumps({"m": 'near "token": {', "b": 2}), {"m": f'near "token": {STARS}', "b": 2}),
        (json.dumps({"m": 'token="a"\n  ', "b": 2}), {"m": f'token="{STARS}"\n  ', "b": 2}),
        (
            json.dumps({"m": json.dumps(repr({"jwt": ["a'b"]})), "b": 2}),
            {"m": json.dumps(f"{{'jwt': {STARS}}}"), "b": 2},
        ),
        (json.dumps({"m": "token='x", "b": 2}), {"m": f"token='{STARS}", "b": 2}),
        (json.dumps({"m": "{'token': 'x", "b": 2}), {"m": f"{{'token': '{STARS}", "b": 2}),
        (json.dumps({"token": ["a\\", {"b": "c\\"}], "b": 2}), {"token": STARS, "b": 2}),
        (json.dumps({"m": "token='abc'\n", "b": 2}), {"m": f"token='{STARS}'\n", "b": 2}),
        (json.dumps({"m": 'token="abc"\n', "b": 2}), {"m": f'token="{STARS}"\n', "b": 2}),
        (json.dumps(["token='abc'\n", "b='c'\n"]), [f"token='{STARS}'\n", "b='c'\n"]),
        (json.dumps({"m": 'without "token":', "b": 2}), {"m": 'without "token":', "b": 2}),
        (json.dumps({"m": "near 'token':", "b": 2}), {"m": "near 'token':", "b": 2}),
        (json.dumps({"m": "password=a('b", "b": 2}), {"m": f"password={STARS}", "b": 2}),
        (
            json.dumps({"m": "{'token': {'k': \"it's\"}}", "b": 2}),
            {"m": f"{{'token': {STARS}}}", "b": 2},
        ),
        (
            json.dumps({"a": json.dumps({"b": "token=x", "c": 1})}),
            {"a": json.dumps({"b": f"token={STARS}", "c": 1})},
        ),
        (
            json.dumps({"a": json.dumps({"token": "x\\", "b": 1})}),
            {"a": json.dumps({"token": STARS, "b": 1})},
        ),
        (
            json.dumps({"m": 'cut {"token": {"a": 1,', "b": "x"}),
            {"m": f'cut {{"token": {STARS}', "b": "x"},
        ),
        (
            json.dumps({"m": json.dumps(html.escape("token=X(a='{\"x', b=2)")), "b": 2}),
            {"m": json.dumps(f"token={STARS}"), "b": 2},
        ),
    ],
)
def test_what_was_json_is_json_without_its_secrets(text: str, redacted: object) -> None:
    assert json.loads(Redactor().redact(text)) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (
            html.escape('{"message":"bad token=abc123","status":401}'),
            html.escape(f'{{"message":"bad token={STARS}","status":401}}', quote=False).replace(
                '"', "&quot;"
            ),
        ),
        ('<a href="/x?token=abc123&amp;page=2">', f'<a href="/x?token={STARS}&amp;page=2">'),
        ("<p>token=abc123&nbsp;failed</p>", f"<p>token={STARS}&nbsp;failed</p>"),
        ("client_secret=%22k08z&status=b", f"client_secret={STARS}&status=b"),
        ('token="abc123"\n"GET /" failed', f'token="{STARS}"\n"GET /" failed'),
        ("password=ab7(x91 for user b (id 3))", f"password={STARS} for user b (id 3))"),
        ("PASSWORD=ab7{x91\nHOST=a\nZ={1}", f"PASSWORD={STARS}\nHOST=a\nZ={{1}}"),
        ("/x?token='abc123&page=2 HTTP/1.1", f"/x?token='{STARS}&page=2 HTTP/1.1"),
        (
            r'got {"m": "no token=\"abc\"", "b": "\n"}',
            rf'got {{"m": "no token=\"{STARS}\"", "b": "\n"}}',
        ),
        (r"{'token': ['a\'b', 'x'], 'z': 1}", f"{{'token': {STARS}, 'z': 1}}"),
    ],
)
def test_a_credential_takes_nothing_along_of_what_stands_around_it(
    text: str, redacted: str
) -> None:
    assert Redactor().redact(text) == redacted
