"""The parts of a map in UDMF, the engine's text format, gathered one by one."""

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
            sector: what lies on this side.
            part: "top", "middle" or "bottom" where it has a texture, which is then the next argument.
            texture: its name.
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
