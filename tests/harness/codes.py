"""Pictures of mini-program codes: how a test asks for them, and what a scanner sees in them."""

import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import zxingcpp
from PIL import Image

from tests.harness.service import Service
from tests.harness.simulator import Simulator

ENDPOINT = "/wxa/getwxacodeunlimit"
OWN = "/api/v1/me/invite/qrcode"
INTERNAL = "/internal/v1/qrcodes"


def credential(service: Service, name: str = "printer") -> str:
    """A credential with which a service may ask for codes."""
    shown = service.flask("authsvc", "services", "add", name, "--scope", "qrcode", shows_secret=True)
    found = re.search(rf"{name}\.[A-Za-z0-9_-]{{43}}", shown)
    assert found, shown
    return service.canaries.never("service credential", found[0])


def ordered(service: Service, token: str, scene: str, **options: Any) -> requests.Response:
    """Ask for the code of a scene as another service does."""
    return service.call("POST", INTERNAL, token=token, json={"scene": scene, **options})


def fetched(service: Service, address: str, **options: Any) -> requests.Response:
    return service.call("GET", urlsplit(address).path, **options)


def scanned(content: bytes) -> str:
    """What a scanner reads in the pixels, on white. Raises for what is no whole picture."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return str(zxingcpp.read_barcode(white.convert("RGB")).text)


def calls(simulator: Simulator) -> list[dict[str, Any]]:
    """The calls for codes that reached WeChat."""
    return simulator.journal(path=ENDPOINT)


def folder(service: Service) -> Path:
    return service.folder / "instance" / "qrcodes"


def file_of(service: Service, address: str) -> Path:
    return folder(service) / urlsplit(address).path.rpartition("/")[2]


def files(service: Service) -> dict[str, bytes]:
    """Every file in the folder of pictures, drafts included."""
    return {path.name: path.read_bytes() for path in folder(service).iterdir() if path.is_file()}


def forget(service: Service, address: str | None = None) -> None:
    """Remove what the database knows of a picture (of all without an address), behind the service's back."""
    stem = "%" if address is None else file_of(service, address).stem
    connection = service.connect()
    connection.cursor().execute(f"DELETE FROM code_pictures WHERE stem LIKE '{stem}'")
    connection.close()
