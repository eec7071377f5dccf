"""Secrets with awkward characters, and the search for them in whatever a run leaves behind."""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from tests.unit.redaction.test_secret_forms import FORMS

CLIENT_ID = "idq7headAA u&<s>er/1 idq7tailBB"
CLIENT_SECRET = "csq7headAA q\"u\\o/t<e>&d%41+ü€😀' csq7tailBB"
ACCESS_TOKEN = "atq7headAA\"q\\o/t<e>&d%41+='atq7tailBB"
REFRESH_TOKEN = 'rtq7headAA"q\\o/t<e>&d%41+ü rtq7tailBB'
NEXT_REFRESH_TOKEN = "rnq7headAA.plain~as-a-code_rnq7tailBB"
HEADER_OF_VARIABLE = 'hvq7headAA g"a\\t/e<w>a&y%2F+ hvq7tailBB'
HEADER_OF_FILE = "hfq7headAA-plain.as_a-code-hfq7tailBB"
PROXY_LOGIN = 'prq7headAA:p"r\\o/x<y>&%41+ü prq7tailBB'
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJqd3E3aGVhZEFBIjoxfQjwq7headAA.jwq7tailBB"
SIGNATURE = "sgq7headAA%2Fx%2By-sgq7tailBB"
SIGNED_URL = f"https://files.example/a?X-Amz-Credential=AKIA1&X-Amz-Signature={SIGNATURE}&x=1"
OF_A_STRANGER = "stq7headAA.0123456789-stq7tailBB"
LOCATION = "loq7headAA.0123456789~loq7tailBB"

PLANTED = {
    "client id": CLIENT_ID,
    "client secret": CLIENT_SECRET,
    "access token": ACCESS_TOKEN,
    "refresh token": REFRESH_TOKEN,
    "refresh token of an answer": NEXT_REFRESH_TOKEN,
    "header from a variable": HEADER_OF_VARIABLE,
    "header from a file": HEADER_OF_FILE,
    "proxy login": PROXY_LOGIN,
    "JSON Web Token": JWT,
    "signed address": SIGNATURE,
    "token of a stranger": OF_A_STRANGER,
    "token in a redirect": LOCATION,
}
REGISTERED = [
    CLIENT_ID,
    CLIENT_SECRET,
    ACCESS_TOKEN,
    REFRESH_TOKEN,
    NEXT_REFRESH_TOKEN,
    HEADER_OF_VARIABLE,
    HEADER_OF_FILE,
]
"""Those that Convoy knows; the others have the shape of a credential."""
BASIC = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
_CORE = re.compile(r"[a-z]{2}q7(?:headAA|tailBB)")
_ZLIB = b"\x78\x01"
_GZIP = b"\x1f\x8b\x08"


def told_of(secret: str) -> str:
    """What somebody careless says with a secret in all of its forms."""
    return " ".join(f"({name}: {form(secret)})" for name, form in FORMS.items())


def strangers() -> str:
    """What nobody has registered, each where it has its shape."""
    return (
        f'Bearer {OF_A_STRANGER} {SIGNED_URL} {JWT} {{"access_token": "{OF_A_STRANGER}"}} '
        f"/next?access_token={LOCATION}#x"
    )


def leaks_in(data: bytes) -> set[str]:
    """Return which secrets can be read in a stream, whole or in part and in whatever form.

    White space is left out, so that what was wrapped is found too; gzip members are unpacked, and
    what is packed by zlib as a whole.
    """
    found: set[str] = set()
    for part in _parts(data):
        text = re.sub(r"\s|\\n", "", part.decode("utf-8", "replace"))
        cores = set(_CORE.findall(text))
        for name, secret in PLANTED.items():
            if cores.intersection(_CORE.findall(secret)):
                found.add(f"{name} in clear")
            for form, write in FORMS.items():
                written = re.sub(r"\s|\\n", "", write(secret)).strip("'\"")
                if form.startswith(("base64", "hexadecimal")):
                    written = written[8:-8]  # the ends are mixed with what surrounds them
                if written in text:
                    found.add(f"{name}: {form}")
        if BASIC[8:-8] in text:
            found.add("the login in base64")
    return found


def _parts(data: bytes) -> Iterator[bytes]:
    yield data
    if data.startswith(_ZLIB):
        yield zlib.decompress(data)
    for match in re.finditer(re.escape(_GZIP), data):
        unpacker = zlib.decompressobj(31)
        try:
            yield unpacker.decompress(data[match.start() :], 2**24)
        except zlib.error:
            continue


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
