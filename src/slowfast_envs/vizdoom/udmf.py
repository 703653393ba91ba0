"""Maps as the engine reads them: a text in UDMF, and the archive (WAD) of the texts with their textures and palette.

The text has one sector per room or corridor, and a panel on each wall.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from slowfast_envs.scene import CELL, Corridor, Look, Lump, Rect

EYE_HEIGHT = 72
"""Height of the camera, more than the game's 41, so that floors do not fill the picture."""
_CAMERA = f"actor RoomsCamera : DoomPlayer {{ player.viewheight {EYE_HEIGHT} }}\n"

Point = tuple[int, int]


class MapText:
    """Gathers sectors, sides and lines, and the names of the textures on them."""

    def __init__(self) -> None:
        self._vertices: dict[Point, int] = {}
        self._lines: list[str] = []
        self._sides: list[str] = []
        self._sectors: list[str] = []
        self._used: set[str] = set()

    @property
    def textures(self) -> tuple[str, ...]:
        """Names of all textures that were mentioned, sorted."""
        return tuple(sorted(self._used))

    def sector(self, heights: tuple[int, int], textures: tuple[str, str], settings: str) -> int:
        """Adds a sector with its floor and its ceiling; returns its number."""
        self._used |= set(textures)
        self._sectors.append(
            f"sector{{heightfloor={heights[0]};heightceiling={heights[1]};"
            f'texturefloor="{textures[0]}";textureceiling="{textures[1]}";{settings}}}'
        )
        return len(self._sectors) - 1

    def side(self, sector: int, part: str = "", texture: str = "", scale: tuple[float, float] | None = None) -> int:
        """Adds one side of a line; returns its number.

        Args:
            sector: number of the sector on this side.
            part: "top", "middle" or "bottom" if it has a texture, which is then the next argument.
            texture: name of the texture.
            scale: pixels of the texture on one map unit, across and up.
        """
        text = f"sector={sector};"
        if part:
            self._used.add(texture)
            text += f'texture{part}="{texture}";'
        if scale:
            short = {"middle": "mid"}.get(part, part)
            text += f"scalex_{short}={scale[0]:.8f};scaley_{short}={scale[1]:.8f};"
        self._sides.append(f"sidedef{{{text}}}")
        return len(self._sides) - 1

    def line(self, v1: Point, v2: Point, front: int, back: int | None, settings: str = "") -> None:
        """Adds a line whose front side is at the right hand on the way from `v1` to `v2`."""
        ends = [self._vertices.setdefault(point, len(self._vertices)) for point in (v1, v2)]
        two = "twosided=true;" if back is not None else "blocking=true;"
        back_side = f"sideback={back};" if back is not None else ""
        self._lines.append(f"linedef{{v1={ends[0]};v2={ends[1]};sidefront={front};{back_side}{two}{settings}}}")

    def finish(self, start: Point) -> str:
        """The whole text; the engine puts the camera at `start` first, looking east."""
        thing = f"thing{{x={start[0]};y={start[1]};angle=0;type=1;"
        thing += "skill1=true;skill2=true;skill3=true;skill4=true;skill5=true;single=true;coop=true;dm=true;}"
        points = [f"vertex{{x={x};y={y};}}" for x, y in self._vertices]
        parts = ['namespace="zdoom";', thing, *points, *self._lines, *self._sides, *self._sectors, ""]
        return "\n".join(parts)


class Panel(NamedTuple):
    """Cover of a wall: a texture's name, and the number of its pixels per map unit in each direction."""

    texture: str
    scale_x: float
    scale_y: float


class Decor(Protocol):
    """Chooses the covers of the surfaces of one map. Regions are the rooms, then the corridors, counted through.

    It is asked region by region, floors and ceilings first, so that choices may depend on those made before.
    """

    @property
    def sector_settings(self) -> str:
        """Settings that all sectors share: the light, and the scale of floors and ceilings."""
        ...

    def flats(self, region: int) -> tuple[str, str]:
        """Textures of the floor and the ceiling."""
        ...

    def panel(self, region: int, length: int, height: int) -> Panel:
        """Cover of the region's next wall."""
        ...

    def lintel(self, region: int) -> str:
        """The texture above the region's next door."""
        ...


def write_udmf(
    rooms: Sequence[Rect], corridors: Sequence[Corridor], heights: Sequence[int], decor: Decor
) -> tuple[str, tuple[str, ...]]:
    """The map's text and the names of its textures, sorted.

    Args:
        rooms: the rooms; they do not touch each other.
        corridors: the passages between them; they touch no room but their two, and not each other.
        heights: heights of the ceilings of the rooms, then of the corridors, which are nowhere higher than their rooms.
        decor: covers of the surfaces.
    """
    text = MapText()

    def panel(region: int, length: int) -> int:
        name, scale_x, scale_y = decor.panel(region, length, heights[region])
        return text.side(region, "middle", name, (scale_x, scale_y))

    regions = [*rooms, *(corridor.rect for corridor in corridors)]
    for index, height in enumerate(heights):
        text.sector((0, height), decor.flats(index), decor.sector_settings)
    for index, region in enumerate(regions):
        for v1, v2 in _clockwise(region):
            if index >= len(rooms) and (v1[0] == v2[0]) == corridors[index - len(rooms)].along_x:
                continue  # the open ends of a corridor: the rooms draw them
            cuts = [v1]
            for sector, corridor in enumerate(corridors, start=len(rooms)) if index < len(rooms) else ():
                ends = _shared(v1, v2, corridor.rect)
                if ends is None:
                    continue
                front = text.side(index, "top", decor.lintel(index))
                text.line(ends[0], ends[1], front, text.side(sector))
                cuts += ends
            cuts = sorted([*cuts, v2], key=lambda point: abs(point[0] - v1[0]) + abs(point[1] - v1[1]))
            for a, b in zip(cuts[::2], cuts[1::2], strict=True):
                if a != b:  # equal where a door is as wide as the room
                    text.line(a, b, panel(index, abs(a[0] - b[0]) + abs(a[1] - b[1])), None)
    return text.finish((rooms[0].left + 2 * CELL, rooms[0].bottom + 2 * CELL)), text.textures


def _clockwise(rect: Rect) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The four sides with the inside on the right, as the engine needs it."""
    corners = [(rect.left, rect.bottom), (rect.left, rect.top), (rect.right, rect.top), (rect.right, rect.bottom)]
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


def _shared(v1: tuple[int, int], v2: tuple[int, int], rect: Rect) -> list[tuple[int, int]] | None:
    """The ends, in the order of v1 to v2, of the side of `rect` that lies on the line; None if none does."""
    for b, a in _clockwise(rect):
        across = 0 if v1[0] == v2[0] else 1
        along = 1 - across
        low, high = sorted((v1[along], v2[along]))
        if a[across] == b[across] == v1[across] and low <= min(a[along], b[along]) and max(a[along], b[along]) <= high:
            return [a, b]
    return None


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
