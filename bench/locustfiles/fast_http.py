"""What a locustfile usually looks like: a FastHttpUser that posts, without a pause."""

from __future__ import annotations

from locust import FastHttpUser, task

from bench.message import BODY, HEADERS, PATH


class PlainFastHttpUser(FastHttpUser):
    """Posts the one message again and again; certificates are not verified, as is its default."""

    @task
    def post_message(self) -> None:
        # It takes bytes as they are, whatever its types say; a str it would encode each time.
        self.client.post(PATH, data=BODY, headers=HEADERS)  # type: ignore[arg-type]
