"""A program that builds bodies from the official SDK's own models; argument: JSON of their values.

It prints the body that the SDK would send for each template of `payloads/open_message`.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import PureCloudPlatformClientV2 as sdk


def filled(model: Any, **members: Any) -> Any:
    for name, value in members.items():
        assert hasattr(model, name), name
        setattr(model, name, value)
    return model


def message(value: dict[str, Any]) -> Any:
    """OpenInboundNormalizedMessage of text, and an attachment if there is one."""
    channel = value["channel"]
    sender = channel["from"]
    built = filled(
        sdk.OpenInboundNormalizedMessage(),
        channel=filled(
            sdk.OpenInboundMessageMessagingChannel(),
            message_id=channel["messageId"],
            pcFrom=filled(
                sdk.OpenMessagingFromRecipient(),
                id=sender["id"],
                id_type=sender["idType"],
                nickname=sender["nickname"],
            ),
            time=datetime.fromisoformat(channel["time"]),
        ),
        text=value["text"],
    )
    if "metadata" in value:
        built.metadata = value["metadata"]
    if "content" in value:
        attachment = value["content"][0]["attachment"]
        built.content = [
            filled(
                sdk.OpenInboundMessageContent(),
                attachment=filled(
                    sdk.OpenContentAttachment(),
                    media_type=attachment["mediaType"],
                    url=attachment["url"],
                    mime=attachment["mime"],
                    filename=attachment["filename"],
                ),
            )
        ]
    return built


serialise = sdk.ApiClient().sanitize_for_serialization
rendered = json.loads(sys.argv[1])
print(json.dumps({name: serialise(message(value)) for name, value in rendered.items()}))
