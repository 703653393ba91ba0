"""Small files that claim to be large: each is refused in a sentence, before memory is taken for it."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_films import make_film
from made_sources import framed, make_hdd, make_rlds, masked_length, rlds_episode

from slowfast_vgen.data.adapters.base import ImportSettings, Recipe, UnusableError
from slowfast_vgen.data.adapters.registry import open_adapter
from slowfast_vgen.data.adapters.tfrecord import read_record, record_places
from slowfast_vgen.data.format import write_episode
from slowfast_vgen.data.parquet import read_columns
from slowfast_vgen.data.validate import check_episode
from slowfast_vgen.errors import UserError
from slowfast_vgen.sealed import write_record
from slowfast_vgen.types import Chunk, Episode


def large_film(path: Path) -> Path:
    """A film of 64 x 64 whose first picture says that it is 16383 x 16383, which a decoder would believe."""
    make_film(path, [0], codec="libvpx", format="webm", b_frames=0)
    data = bytearray(path.read_bytes())
    place = data.index(b"\x9d\x01\x2a") + 3  # a key frame's mark; then its sides (RFC 6386, 9.1)
    data[place : place + 4] = b"\xff\x3f\xff\x3f"
    path.write_bytes(data)
    return path


def many_pictures(path: Path) -> Path:
    """A film of some kilobytes with 60 plain pictures of 1600 x 1600: 460 MB."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "qp": "51"})
        stream.width = stream.height = 1600  # type: ignore[union-attr]
        frame = av.VideoFrame(1600, 1600, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(60):
            frame.pts = number
            container.mux(stream.encode(frame))  # type: ignore[union-attr]
        container.mux(stream.encode(None))  # type: ignore[union-attr]
    return path


def same_text(path: Path, num_rows: int = 3000, length: int = 90_000) -> Path:
    """A table of a few kilobytes with 270 MB and more of text: one value, told many times."""
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(num_rows, np.int32)), pa.array(["a" * length]))
    pq.write_table(pa.table({"action": texts}), path, compression="zstd")
    return path


READERS = """
import resource, sys
from pathlib import Path
from slowfast_vgen.data.adapters.clips import picture_times, read_clip
from slowfast_vgen.data.parquet import read_columns
from slowfast_vgen.data.validate import check_episode
from slowfast_vgen.data.video import read_video
from slowfast_vgen.errors import UserError

folder = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, read in {
    "large.webm": lambda path: read_clip(path, [0.0], (64, 64)),
    "large.webm ": lambda path: read_video(path),
    "many.mp4": lambda path: read_video(path, 10**8),
    "texts.parquet": lambda path: read_columns(path, ["action"], 10**6),
    "rows.parquet": lambda path: read_columns(path, ["x"], 10**6),
    "zeros.parquet": lambda path: read_columns(path, ["x"], 10**6),
}.items():
    try:
        read(folder / name.strip())
        print(name, "was read")
    except (UserError, ValueError) as error:
        print(name, "refused", error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_small_files_that_claim_much_take_little_memory(tmp_path: Path) -> None:
    large_film(tmp_path / "large.webm")
    many_pictures(tmp_path / "many.mp4")
    same_text(tmp_path / "texts.parquet", 20_000)  # 1.8 GB
    pq.write_table(pa.table({"x": pa.array(np.zeros(2_000_000, np.int8))}), tmp_path / "rows.parquet")
    wide = pa.array([bytes(2**24)] * 70, pa.binary())
    pq.write_table(pa.table({"x": wide}), tmp_path / "zeros.parquet", compression="zstd", use_dictionary=False)
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 300_000
    done = subprocess.run([sys.executable, "-c", READERS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *lines, megabytes = done.stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["refused"] * 6, lines
    assert int(megabytes) < 700


def test_texts_are_read_up_to_the_limits(tmp_path: Path) -> None:
    table = read_columns(same_text(tmp_path / "a.parquet", 1000, 100), ["action"], 1000)
    assert table["action"].to_pylist() == ["a" * 100] * 1000
    with pytest.raises(ValueError, match="1000 rows, 999 at most are read"):
        read_columns(tmp_path / "a.parquet", ["action"], 999)
    with pytest.raises(ValueError, match="a text of 100001 bytes"):
        read_columns(same_text(tmp_path / "b.parquet", 2, 100_001), ["action"], 1000)
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]), tmp_path / "c.parquet")
    with pytest.raises(KeyError, match="2 columns named x"):
        read_columns(tmp_path / "c.parquet", ["x"], 10)


def test_episodes_too_large_to_read_are_not_written(tmp_path: Path) -> None:
    frames = np.broadcast_to(np.uint8(0), (100_000, 128, 128, 3))
    with pytest.raises(UserError, match="more than 2147483648 bytes of pixels; make several of it"):
        write_episode(tmp_path / "x", Episode(frames, (Chunk("go", "", 1, 99_999),), None, 10.0))
    with pytest.raises(UserError, match=r"take 25\.8 GB, over 2\.1; use fewer or smaller frames"):
        ImportSettings(size=4096)


def test_a_header_of_more_than_is_there_is_refused(tmp_path: Path) -> None:
    frames = np.zeros((5, 16, 16, 3), np.uint8)
    write_episode(tmp_path / "x", Episode(frames, (Chunk("go", "", 1, 4),), None, 10.0))
    path = tmp_path / "x" / "episode.json"
    header = json.loads(path.read_text())
    for change in ({"num_frames": 10**9}, {"height": 10**9, "width": 10**9}, {"num_frames": 2_000_000}):
        told = header | change
        write_record(path, told)  # a forged header has a hash that fits it
        found = check_episode(tmp_path / "x")
        if "num_frames" in change and change["num_frames"] < 10**7:  # as many as could be, and not there
            assert {defect.code for defect in found} == {"frame-count", "chunk-gap"}
        else:
            assert [defect.code for defect in found] == ["bad-header"]
            assert "2147483648 at most are read" in found[0].message


def test_labels_that_are_not_there_take_no_memory(tmp_path: Path) -> None:
    make_hdd(tmp_path)
    header = {"descr": "<i8", "fortran_order": False, "shape": (10**10,)}
    with (tmp_path / "target" / "201702271017.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    recordings = open_adapter("hdd", tmp_path, ImportSettings(size=16)).recordings()
    samples = [each for one in recordings for each in one.samples()]
    assert [each.reason for each in samples if not isinstance(each, Recipe)] == ["broken-file"]


# ---------------------------------------------------------------------------------------------- compressed records


def test_records_compressed_by_gzip_are_the_same(tmp_path: Path) -> None:
    toy = make_rlds(tmp_path / "toy")
    settings = ImportSettings(size=16)

    def imported() -> list[object]:
        samples = [each for one in open_adapter("rlds", toy, settings).recordings() for each in one.samples()]
        return [(each.words, each.decode().tolist()) if isinstance(each, Recipe) else each for each in samples]

    plain = imported()
    for path in sorted(toy.glob("*.tfrecord*")):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert imported() == plain
    for path in sorted(toy.glob("*.tfrecord*")):
        path.rename(f"{path}.gz")
    assert imported() == plain


def test_a_broken_or_swollen_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    whole = gzip.compress(framed(rlds_episode(4, "go")) + framed(rlds_episode(4, "stop")))
    for content in (whole[: len(whole) // 2], whole[:60] + b"\xff" * 30 + whole[90:], whole[:-20]):
        path.write_bytes(content)
        with pytest.raises(UnusableError) as caught:
            for place in record_places(path):
                read_record(place)
        assert caught.value.reason == "broken-file"
    path.write_bytes(gzip.compress(masked_length(2**28) + bytes(2**28)))
    assert path.stat().st_size < 300_000
    with pytest.raises(UnusableError, match="the file ends within the record at byte 0"):
        list(record_places(path))
    path.write_bytes(masked_length(2**40) + bytes(100))
    with pytest.raises(UnusableError, match="says that it has 1099511627776 bytes"):
        list(record_places(path))


def test_a_report_is_the_same_in_every_run(tmp_path: Path) -> None:
    """Pictures that cannot be decoded: what is told of them names no place in memory."""
    from slowfast_vgen.cli.main import main

    toy = make_rlds(tmp_path / "toy")
    path = toy / "toy-train.tfrecord-00001-of-00002"
    path.write_bytes(framed(rlds_episode(10, "push").replace(b"IHDR", b"IHDX")))
    reports = []
    for number in range(2):
        out = tmp_path / str(number)
        assert main(["data", "import", "--from", "rlds", str(toy), str(out), "--size", "16"]) == 0
        reports.append((out / "import.json").read_text() + (out / "import_findings.jsonl").read_text())
    assert reports[0] == reports[1]
    assert "0x" not in reports[0]
    assert json.loads((tmp_path / "0" / "import.json").read_text())["left_out"]["broken-video"]["count"] == 1
