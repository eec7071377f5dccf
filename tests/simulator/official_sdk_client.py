"""A program that lists conversations through the official SDK; argument: the simulator's URL."""

from __future__ import annotations

import json
import sys

import PureCloudPlatformClientV2 as sdk


def main(url: str) -> None:
    sdk.configuration.host = url
    api = sdk.ApiClient().get_client_credentials_token("demo", "demo")
    listing = sdk.ConversationsApi(api).get_conversations()
    first = listing.entities[0]
    found = {
        "total": listing.total,
        "ids": [each.id for each in listing.entities],
        "state": first.state,
        "purposes": [each.purpose for each in first.participants],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
