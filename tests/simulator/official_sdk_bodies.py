"""A program that builds bodies from the official SDK's own models; argument: JSON of their values.

It prints the body that the SDK would send for each template of the routes of the definition.
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


def reply(value: dict[str, Any]) -> Any:
    """AdditionalMessage."""
    return filled(sdk.AdditionalMessage(), text_body=value["textBody"])


def notification(value: dict[str, Any]) -> Any:
    """SendAgentlessOutboundMessageRequest."""
    return filled(
        sdk.SendAgentlessOutboundMessageRequest(),
        from_address=value["fromAddress"],
        to_address=value["toAddress"],
        to_address_messenger_type=value["toAddressMessengerType"],
        text_body=value["textBody"],
        use_existing_active_conversation=value["useExistingActiveConversation"],
    )


MODELS = {"open_message": message, "agent_reply": reply, "agentless": notification}
serialise = sdk.ApiClient().sanitize_for_serialization
rendered = json.loads(sys.argv[1])
made = {name: MODELS[name.split("/")[0]](value) for name, value in rendered.items()}
print(json.dumps({name: serialise(each) for name, each in made.items()}))
