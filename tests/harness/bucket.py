"""An S3 server as its own process: moto's."""

import os
import secrets
import sys
from pathlib import Path

import boto3

from authsvc.values.pictures import BucketPlace
from tests.harness.leaks import Canaries
from tests.harness.processes import Process, free_port

NAME = "pictures-1250000000"


class BucketServer:
    """A running S3 server with one bucket, and the key to it."""

    def __init__(self, folder: Path, canaries: Canaries) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.secret = canaries.never("bucket secret", secrets.token_urlsafe(30))
        self.process = Process(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            log=folder / "bucket.txt",
            env=dict(os.environ),
            cwd=folder,
        )
        self.process.wait_for(f"{self.url}/moto-api/", 40)
        self.client.create_bucket(Bucket=NAME)

    @property
    def client(self):
        """A client of the test's own."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test-key",
            aws_secret_access_key=self.secret,
        )

    def place(self, **options: str) -> BucketPlace:
        """As the settings would have it."""
        found = {"bucket": NAME, "prefix": "authsvc/", "endpoint": self.url, "region": "us-east-1", **options}
        return BucketPlace(access_key_id="test-key", secret_access_key=self.secret, **found)  # type: ignore[arg-type]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PICTURE_STORE": f"s3://{NAME}/authsvc",
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "S3_ADDRESSING_STYLE": "path",
        }

    def objects(self) -> dict[str, bytes]:
        """Every object by its key."""
        client = self.client
        keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=NAME).get("Contents", [])]
        return {key: client.get_object(Bucket=NAME, Key=key)["Body"].read() for key in keys}
