"""A server that speaks S3's protocol, on 127.0.0.1, and what a program needs to know to reach it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3  # type: ignore[import-untyped]
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


@contextmanager
def s3_server() -> Iterator[str]:
    """Run one; its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def variables(endpoint: str) -> Mapping[str, str]:
    """The environment that leads there."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "AKIAhunter2hunter2",
        "AWS_SECRET_ACCESS_KEY": "Tr0ub4dor-hunter2",
        "AWS_REGION": REGION,
    }


def client(endpoint: str) -> Any:
    """Another program's way there: Amazon's own library."""
    keys = {"aws_access_key_id": "AKIAhunter2hunter2", "aws_secret_access_key": "Tr0ub4dor-hunter2"}
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **keys)
