"""How guests' requests are refused: codes and sentences of the guest protocol.

Codes: Genesys' messenger transport SDK, `ErrorCode.kt`
(https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk, read 2026-11-26); 409 and
4102 are a third party's.
"""

from __future__ import annotations

REQUEST_FAILED, UNAUTHORISED, FORBIDDEN = 400, 401, 403
READ_ONLY = 409
FILE_TYPE, FILE_SIZE, FILE_NAME, FILE_NAME_LENGTH, EMPTY_FILE = 4001, 4002, 4004, 4005, 4102
SESSION_EXPIRED, SESSION_NOT_FOUND = 4006, 4007
ATTACHMENT_NOT_FOUND, ATTACHMENT_NOT_UPLOADED = 4009, 4010
NO_DOWNGRADE = 4017
TOO_LONG, ATTRIBUTES_TOO_LARGE, RATE_TOO_HIGH, UNEXPECTED = 4011, 4013, 4029, 5000
GUEST_CODES = {
    REQUEST_FAILED: "Request failed.",
    UNAUTHORISED: "User is unauthorized",
    FORBIDDEN: "Turn on the Feature Toggle or fix the configuration.",
    404: "Not found.",
    408: "Request timeout.",
    READ_ONLY: "The session is read-only.",
    4000: "Feature unavailable.",
    FILE_TYPE: "File type not supported",
    FILE_SIZE: "File size not supported",
    4003: "File content not supported",
    FILE_NAME: "File name not supported",
    FILE_NAME_LENGTH: "File name is too long",
    SESSION_EXPIRED: "session expired error message",
    SESSION_NOT_FOUND: "session not found error message",
    4008: "Attachment has expired",
    ATTACHMENT_NOT_FOUND: "Attachment not found",
    ATTACHMENT_NOT_UPLOADED: "Attachment has not been successfully uploaded",
    TOO_LONG: "message too long",
    ATTRIBUTES_TOO_LARGE: "Custom Attributes in channel metadata is too large",
    NO_DOWNGRADE: "Cannot downgrade to an unauthenticated session",
    4020: "Missing parameter",
    RATE_TOO_HIGH: "Message rate too high for this session",
    EMPTY_FILE: "File is empty",
    UNEXPECTED: "Unexpected error",
}
"""Every code that a request can be refused with, and its sentence where nothing else is said."""


class GuestError(Exception):
    """A request that is refused by a code of `GUEST_CODES`; its text is the sentence."""

    def __init__(self, code: int, sentence: str = "") -> None:
        super().__init__(sentence or GUEST_CODES[code])
        self.code = code


class RequestRateExceeded(GuestError):
    """Too many requests; `retry_after_s` is whole seconds, at least 1."""

    def __init__(self, retry_after_s: int, sentence: str = "") -> None:
        super().__init__(RATE_TOO_HIGH, sentence)
        self.retry_after_s = retry_after_s


class FileRefused(GuestError):
    """A file that may not be uploaded."""

    def __init__(self, code: int, sentence: str, attachment_id: str) -> None:
        super().__init__(code, sentence)
        self.attachment_id = attachment_id
