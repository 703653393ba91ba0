"""The engine's archive: maps, the camera, and the textures and palette of a look."""

import struct
from collections.abc import Iterable, Sequence

from slowfast_envs.scene import Look, Lump

EYE_HEIGHT = 72
"""Height of the camera, more than the game's 41, so that floors do not fill the picture."""
_CAMERA = f"actor RoomsCamera : DoomPlayer {{ player.viewheight {EYE_HEIGHT} }}\n"


def build_wad(map_texts: Sequence[str], look: Look, textures: Iterable[str]) -> bytes:
    """One WAD with the maps as MAP01, MAP02, ... (at most 99) and the lumps that the look needs for the textures."""
    lumps: list[Lump] = look.palette()
    for number, text in enumerate(map_texts, start=1):
        lumps += [(f"MAP{number:02d}", b""), ("TEXTMAP", text.encode()), ("ENDMAP", b"")]
    lumps += [("DECORATE", _CAMERA.encode()), ("ZMAPINFO", b'gameinfo { playerclasses = "RoomsCamera" }\n')]
    lumps += look.textures(textures)
    body, directory, position = [], [], 12
    for name, data in lumps:
        directory.append(struct.pack("<ii8s", position, len(data), name.encode()))
        body.append(data)
        position += len(data)
    return struct.pack("<4sii", b"PWAD", len(lumps), position) + b"".join(body) + b"".join(directory)
