"""The CURVE keys of a swarm: master and workers derive the same two pairs from their secret."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import zmq
from zmq.utils import z85

from convoy.secrets import Secret

_SALT = b"convoy swarm channel 1"
"""It cannot be random, because nothing but the secret is shared."""
_COST = {"n": 2**14, "r": 8, "p": 1}
"""16 MiB and some 50 ms for each secret that somebody tries, paid once in each process."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A Curve25519 pair, each half in the 40 characters of Z85 that ZMQ takes."""

    public: bytes
    private: Secret

    @property
    def raw_public(self) -> bytes:
        """The 32 bytes of the public half, as ZMQ hands them to whoever decides about a peer."""
        return bytes(z85.decode(self.public))


@dataclass(frozen=True, slots=True)
class SwarmKeys:
    """The pair of the master, and the one that all workers of a swarm share."""

    master: KeyPair
    worker: KeyPair

    @classmethod
    def derived_from(cls, secret: Secret) -> SwarmKeys:
        """Return the keys of this secret, the same on every machine."""
        text = secret.reveal().encode("utf-8")
        return cls._of_root(hashlib.scrypt(text, salt=_SALT, dklen=32, **_COST))

    @classmethod
    def for_this_process(cls) -> SwarmKeys:
        """Return keys that only the processes forked from this one will know."""
        return cls._of_root(os.urandom(32))

    @classmethod
    def _of_root(cls, root: bytes) -> SwarmKeys:
        return cls(_pair(root, b"master"), _pair(root, b"worker"))


def _pair(root: bytes, person: bytes) -> KeyPair:
    """Return the pair of one kind of process; neither can be told from the other's."""
    private = z85.encode(hashlib.blake2b(key=root, person=person, digest_size=32).digest())
    return KeyPair(zmq.curve_public(private), Secret(private.decode("ascii")))
