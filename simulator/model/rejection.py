"""The one way the model says no: a code, a sentence and, where one is to blame, a field."""

from __future__ import annotations

from collections.abc import Mapping

INVALID_PAYLOAD = "invalid_payload"


class Rejection(Exception):
    """A request that is refused.

    `code` is the remote's error code, `field` a path such as `to.type` or "", `params` the values
    that the sentence mentions; `status` is given where it is not the code's usual one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str = "",
        params: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.params = dict(params or {})
        self.status = status


class RateExceeded(Rejection):
    """A limit's window is used up; `retry_after_s`, `allowed` and the limit's `key` say more.

    Sentence and code: https://developer.genesys.cloud/forum/t/normalized-platform-api-429-responses/12028
    (read 2026-11-22).
    """

    def __init__(self, retry_after_s: int, allowed: int, key: str) -> None:
        super().__init__(
            "too.many.requests.retry.after",
            f"Rate limit exceeded the maximum. Retry the request in [{retry_after_s}] seconds",
        )
        self.retry_after_s = retry_after_s
        self.allowed = allowed
        self.key = key


def conversation_not_found() -> Rejection:
    return Rejection(
        "conversation.error.conversation.not.found", "The conversation does not exist."
    )
