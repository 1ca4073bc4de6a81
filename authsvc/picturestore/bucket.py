"""Pictures in an S3-compatible bucket: Amazon's, Tencent's COS, Alibaba's OSS, MinIO.

An object is stored whole or not at all. Needs boto3 (``scripts/setup s3``).
"""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from authsvc.connections import NotConnected, TimedConnection, deadline
from authsvc.errors import PicturesUnavailable
from authsvc.values.pictures import BucketPlace

T = TypeVar("T")

# For a whole call with its second try; then for one connection: its name, addresses and TLS together.
_CALL_SECONDS = 6.0
_CONNECT_SECONDS = 2
_READ_SECONDS = 5
# The services' error codes for a missing object; a HEAD has no body with an error code.
_MISSING = {"404", "NoSuchKey", "NotFound"}
_CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


class PictureBucket:
    """Stores pictures as private objects under a prefix; clients read them only through authsvc."""

    def __init__(self, place: BucketPlace, folder: str) -> None:
        """``folder`` follows the prefix of the place. Raises ImportError without boto3."""
        # Not at the top of the file: it is an optional extra, and its import takes 200 ms.
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        failures = importlib.import_module("botocore.exceptions")
        self._failures: tuple[type[Exception], ...] = (failures.ClientError, failures.BotoCoreError, OSError)
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            aws_access_key_id=place.access_key_id,
            aws_secret_access_key=place.secret_access_key,
            config=config.Config(
                signature_version=place.signature,
                s3={"addressing_style": place.addressing},
                # COS and OSS refuse the checksums that boto3 adds by itself.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 2},
            ),
        )
        _keep_to_the_deadline(self._client)
        self._bucket = place.bucket
        self._prefix = f"{place.prefix}{folder}/"

    def put(self, name: str, content: bytes) -> None:
        """Upload a picture."""
        content_type = _CONTENT_TYPES[name.rpartition(".")[2]]
        self._ask(lambda: self._client.put_object(**self._object(name), Body=content, ContentType=content_type))

    def read(self, name: str) -> bytes | None:
        """Return a picture, or None."""
        return self._ask(lambda: bytes(self._client.get_object(**self._object(name))["Body"].read()))

    def holds(self, name: str) -> bool:
        """True if there is an object with this name."""
        return self._ask(lambda: bool(self._client.head_object(**self._object(name)))) is True

    def delete(self, name: str) -> None:
        """Delete a picture if there is one."""
        self._ask(lambda: self._client.delete_object(**self._object(name)))

    def sweep(self) -> int:
        """An interrupted upload leaves nothing behind."""
        return 0

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}

    def _ask(self, work: Callable[[], T]) -> T | None:
        """Do ``work`` within six seconds; None if there is no such object.

        boto3's texts contain keys, so only the kind and the code are passed on.
        """
        try:
            with deadline(_CALL_SECONDS):
                return work()
        except self._failures as error:
            code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
            if code in _MISSING:
                return None
            reason = getattr(error, "kwargs", {}).get("error")
            said = str(reason) if isinstance(reason, NotConnected) else f"{type(error).__name__} {code}"
            raise PicturesUnavailable(f"bucket {self._bucket}: {said}") from None


def _keep_to_the_deadline(client: Any) -> None:
    """Give a boto3 client connections that obey the deadline. boto3 has no setting for a whole call."""
    ours = importlib.import_module("botocore.awsrequest")

    class Plain(TimedConnection, ours.AWSHTTPConnection):  # type: ignore[name-defined, misc]
        pass

    read: set[tuple[int, str]] = set()

    class Encrypted(TimedConnection, ours.AWSHTTPSConnection):  # type: ignore[name-defined, misc]
        def connect(self) -> None:
            # The connections of a pool share a context, so the authorities are not read for each of them, which takes
            # 20 ms.
            known = (id(self.ssl_context), str(self.ca_certs))
            if known in read:
                self.ca_certs: str | None = None
            super().connect()
            read.add(known)

    class PlainPool(ours.AWSHTTPConnectionPool):  # type: ignore[name-defined, misc]
        ConnectionCls = Plain

    class EncryptedPool(ours.AWSHTTPSConnectionPool):  # type: ignore[name-defined, misc]
        ConnectionCls = Encrypted

    # All of its pools, including those for a proxy, are created from this table.
    client._endpoint.http_session._pool_classes_by_scheme.update({"http": PlainPool, "https": EncryptedPool})
