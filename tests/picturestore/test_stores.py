"""What every place for pictures promises, over a folder and over a bucket, and what is each one's own."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authsvc.errors import PicturesUnavailable
from authsvc.picturestore.bucket import PictureBucket
from authsvc.picturestore.folder import PictureFolder
from authsvc.picturestore.store import PictureStore, is_name
from tests.harness import codes, signedin
from tests.harness.bucket import NAME, BucketServer
from tests.harness.crowd import Crowd, Request
from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.simulator import Simulator

PICTURE = "0123456789abcdef" * 2 + ".jpg"
OTHER = "fedcba9876543210" * 2 + ".png"


@pytest.fixture(scope="module")
def server(run_folder: Path, canaries: Canaries) -> Iterator[BucketServer]:
    running = BucketServer(run_folder, canaries)
    yield running
    running.process.stop()


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PictureStore:
    if request.param == "folder":
        return PictureFolder(tmp_path / "instance" / "pictures")
    server: BucketServer = request.getfixturevalue("server")
    return PictureBucket(server.place(), f"suite-{tmp_path.name}")


def test_what_was_put_is_read_until_it_is_deleted(store: PictureStore) -> None:
    assert (store.read(PICTURE), store.holds(PICTURE)) == (None, False)
    store.delete(PICTURE)
    store.put(PICTURE, b"one")
    store.put(OTHER, b"other")
    assert (store.read(PICTURE), store.holds(PICTURE)) == (b"one", True)
    store.put(PICTURE, b"two")
    assert store.read(PICTURE) == b"two"
    store.delete(PICTURE)
    assert (store.read(PICTURE), store.holds(PICTURE), store.read(OTHER)) == (None, False, b"other")
    assert store.sweep() == 0


def test_a_reader_finds_the_old_one_or_the_new_one(store: PictureStore) -> None:
    versions = [bytes([number]) * 200_000 for number in range(10)]
    store.put(PICTURE, versions[0])
    found: set[bytes | None] = set()
    is_done = threading.Event()

    def read() -> None:
        while not is_done.is_set():
            found.add(store.read(PICTURE))

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        store.put(PICTURE, version)
    is_done.set()
    reader.join()
    assert found and found <= set(versions)


NO_NAMES = ("", ".", "..", PICTURE.upper(), PICTURE[1:], f"0{PICTURE}", f"../{PICTURE}", f"{PICTURE}\n", f"{PICTURE}/",
            f"{PICTURE[:-3]}gif", "０" + PICTURE[1:], f"{PICTURE[:-4]}\0.jpg")  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_only_names_of_our_making_are_names(name: str) -> None:
    assert is_name(PICTURE) and is_name(OTHER)
    assert not is_name(name)


# --- the folder ---------------------------------------------------------------------------------------------


def test_a_folder_is_private_and_so_is_every_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = PictureFolder(tmp_path / "pictures")
        store.put(PICTURE, b"one")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "pictures", tmp_path / "pictures" / PICTURE)]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("plant", ["link", "file"])
def test_what_is_no_folder_is_not_written_through(tmp_path: Path, plant: str) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "pictures"
    elsewhere.mkdir()
    if plant == "link":
        place.symlink_to(elsewhere, target_is_directory=True)
    else:
        place.write_bytes(b"file")
    store = PictureFolder(place)
    for work in (lambda: store.put(PICTURE, b"one"), lambda: store.read(PICTURE), lambda: store.delete(PICTURE)):
        with pytest.raises(PicturesUnavailable):
            work()
    assert list(elsewhere.iterdir()) == []
    place.unlink()
    store.put(PICTURE, b"one")
    assert store.read(PICTURE) == b"one"


def test_a_full_disk_leaves_the_old_picture_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PictureFolder(tmp_path)
    store.put(PICTURE, b"old")

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(PicturesUnavailable, match="ENOSPC"):
            store.put(PICTURE, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(PICTURE, b"old")]
    store.put(PICTURE, b"new")
    assert store.read(PICTURE) == b"new"


def test_drafts_of_killed_writers_are_swept_when_they_are_old(tmp_path: Path) -> None:
    store = PictureFolder(tmp_path)
    assert PictureFolder(tmp_path / "none").sweep() == 0
    store.put(PICTURE, b"one")
    old, young = tmp_path / f".{OTHER}.{'0' * 16}.draft", tmp_path / f".{OTHER}.{'1' * 16}.draft"
    for draft in (old, young):
        draft.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    assert store.sweep() == 1
    assert {path.name for path in tmp_path.iterdir()} == {PICTURE, young.name}


# --- the bucket ---------------------------------------------------------------------------------------------


def test_an_object_is_private_and_says_what_it_is(server: BucketServer) -> None:
    store = PictureBucket(server.place(), "kinds")
    store.put(PICTURE, b"one")
    store.put(OTHER, b"other")
    client = server.client
    found = {name: client.head_object(Bucket=NAME, Key=f"authsvc/kinds/{name}") for name in (PICTURE, OTHER)}
    assert [found[name]["ContentType"] for name in (PICTURE, OTHER)] == ["image/jpeg", "image/png"]
    grants = client.get_object_acl(Bucket=NAME, Key=f"authsvc/kinds/{PICTURE}")["Grants"]
    assert [grant["Grantee"]["Type"] for grant in grants] == ["CanonicalUser"]


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_what_cos_and_oss_refuse_is_not_sent(server: BucketServer, signature: str) -> None:
    store = PictureBucket(server.place(signature=signature), signature)
    sent: list[dict[str, str]] = []
    store._client.meta.events.register(
        "before-send.s3",
        lambda request, **_: sent.append({k.lower(): str(v).lower() for k, v in request.headers.items()}),
    )
    store.put(PICTURE, b"one")
    assert store.read(PICTURE) == b"one"
    assert len(sent) == 2
    assert [name for headers in sent for name in headers if "checksum" in name or name == "x-amz-trailer"] == []
    assert not any("aws-chunked" in value or "streaming" in value for headers in sent for value in headers.values())


@pytest.mark.parametrize(
    "endpoint, addressing, address",
    [
        (
            "https://cos.ap-guangzhou.myqcloud.com",
            "virtual",
            f"https://{NAME}.cos.ap-guangzhou.myqcloud.com/authsvc/q/",
        ),
        ("https://oss-cn-hangzhou.aliyuncs.com", "virtual", f"https://{NAME}.oss-cn-hangzhou.aliyuncs.com/authsvc/q/"),
        ("https://minio.example.com", "path", f"https://minio.example.com/{NAME}/authsvc/q/"),
    ],
)
def test_a_bucket_is_addressed_as_its_service_wants_it(
    server: BucketServer, endpoint: str, addressing: str, address: str
) -> None:
    store = PictureBucket(server.place(endpoint=endpoint, addressing=addressing), "q")
    signed = store._client.generate_presigned_url("get_object", Params=store._object(PICTURE))
    assert signed.startswith(f"{address}{PICTURE}?")


@pytest.mark.parametrize(
    "change", [{"endpoint": "http://127.0.0.1:9"}, {"bucket": "no-such-bucket"}], ids=["nobody there", "no such bucket"]
)
def test_a_bucket_that_fails_says_so_without_its_secret(server: BucketServer, change: dict[str, str]) -> None:
    store = PictureBucket(server.place(**change), "q")
    with pytest.raises(PicturesUnavailable) as failed:
        store.put(PICTURE, b"one")
    assert server.secret not in f"{failed.value} {failed.value!r} {server.place()!r}"


def test_a_service_keeps_its_pictures_in_a_bucket(
    simulator: Simulator, server: BucketServer, start_briefly: Callable[..., Service], crowd: Crowd
) -> None:
    service = start_briefly("bucket", workers=2, settings={**server.settings, "RATE_LIMIT_QRCODE": "off"})
    token = signedin.native(service, simulator, "in-a-bucket").access
    simulator.slow_down(0.2)
    headers = {"Authorization": f"Bearer {token}"}
    answers = crowd.send([Request("GET", f"{service.url}/generate_qrcode", None, headers)] * 40)
    simulator.slow_down(0)
    (address,) = {answer.json()["data"]["qr_code_url"] for answer in answers}
    assert len(codes.calls(simulator)) == 1
    name = address.rpartition("/")[2]
    picture = codes.fetched(service, address)
    assert codes.scanned(picture.content).startswith("invite_code=")
    assert (picture.headers["Content-Type"], picture.headers["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    assert server.objects()[f"authsvc/qrcodes/{name}"] == picture.content
    upload = {"file": ("me.jpg", picture.content)}
    avatar = service.call("POST", "/api/v1/me/avatar", token=token, files=upload).json()["data"]["avatar_url"]
    assert codes.fetched(service, avatar).headers["Content-Type"] == "image/jpeg"
    assert not codes.folder(service).exists() and not (service.folder / "instance" / "avatars").exists()

    server.client.delete_object(Bucket=NAME, Key=f"authsvc/qrcodes/{name}")
    assert codes.fetched(service, address).status_code == 404
    assert service.call("GET", "/generate_qrcode", token=token).json()["data"]["qr_code_url"] == address
    assert codes.fetched(service, address).status_code == 200
