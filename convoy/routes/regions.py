"""The regions of Genesys Cloud and their hosts: `api.<domain>` and `login.<domain>`."""

from __future__ import annotations

REGIONS = {
    "us-east-1": "mypurecloud.com",
    "us-east-2": "use2.us-gov-pure.cloud",
    "us-west-2": "usw2.pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
}
"""The domain of each region: `purecloud_region_hosts.py` of the official Python SDK, 269.0.0
(https://github.com/MyPureCloud/platform-client-sdk-python), read 2026-11-22."""


def region_of(host: str) -> str:
    """Return the region whose domain a host is in, "" for any other host."""
    for region, domain in REGIONS.items():
        if host == domain or host.endswith(f".{domain}"):
            return region
    return ""
