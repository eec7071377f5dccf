"""The other usual locustfile: an HttpUser, which is python-requests, that posts without a pause."""

from __future__ import annotations

from locust import HttpUser, task

from bench.message import BODY, HEADERS, PATH


class PlainHttpUser(HttpUser):
    """Posts the one message again and again."""

    @task
    def post_message(self) -> None:
        self.client.post(PATH, data=BODY, headers=HEADERS)
