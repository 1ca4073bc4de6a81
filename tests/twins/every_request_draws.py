"""Pictures of codes as they are often kept: look whether there is a file; if not, have one drawn and write it there.

Nobody claims a picture, and the file is written in its place, in two halves with a breath between.
"""

import time
from typing import Any

from authsvc.app import create_app
from authsvc.db.queries import code_pictures
from authsvc.picturestore.folder import PictureFolder
from authsvc.services.qrcodes.codepictures import CodePictures


def _look_then_draw(self: CodePictures, stem: str, app: Any, code: Any, owner: code_pictures.Owner) -> str:
    ending, content = self._drawing.draw(app, code)
    name = f"{stem}.{ending}"
    self._store.put(name, content)
    self._database.run(lambda connection: code_pictures.begin(connection, stem, owner, 1, until=1, now=1))
    self._database.run(lambda connection: code_pictures.finish(connection, stem, ending, 1))
    return name


def _write_in_place(self: PictureFolder, name: str, content: bytes) -> None:
    self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = len(content) // 2
    with (self._folder / name).open("wb") as file:
        file.write(content[:half])
        file.flush()
        time.sleep(0.05)
        file.write(content[half:])


CodePictures._make_in_turn = _look_then_draw
PictureFolder.put = _write_in_place
app = create_app()
