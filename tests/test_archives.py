"""What leads out of an archive, or is no plain file in it, is refused; playlists, which name others, are no films."""

import hashlib
import json
import os
import tarfile
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_films import make_film
from made_sets import make_tiny_set
from made_sources import SOURCES, make_folder, write_csv

from slowfast_bench.cache import Block, compute, finished
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.data.rules import DefectiveDataError
from slowfast_vgen.data.shards.index import SHARDS_FILE
from slowfast_vgen.data.shards.read import ShardSet, check_shards
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.validate import check_dataset
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.sealed import OWN, write_record

SECRET = b"not for you"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A shard of one sample, beside a file that nobody may read or replace."""
    make_tiny_set(tmp_path / "set", 1)
    write_shards([tmp_path / "set"], tmp_path / "shards")
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path / "shards"


def rewrite(shards: Path, change: Any) -> None:
    """Changes the members (header, content) of the only sample, and mends all sizes and hashes."""
    path = shards / "shard-000000.tar"
    with tarfile.open(path) as tar:
        members = [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]
    members = change(members)
    sample = b""
    for info, content in members:
        sample += info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    path.write_bytes(sample + bytes(1024))
    record = {name: value for name, value in read_json(shards / SHARDS_FILE).items() if name != OWN}
    (shard,) = record["shards"]
    whole = hashlib.sha256(hashlib.sha256(sample).hexdigest().encode()).hexdigest()
    record |= {"num_bytes": len(sample) + 1024, "content_sha256": whole}
    shard |= {"num_bytes": len(sample) + 1024, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    shard |= {"sample_bytes": [len(sample)], "sample_sha256": [hashlib.sha256(sample).hexdigest()]}
    write_record(shards / SHARDS_FILE, record)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    info.devmajor, info.devminor = 1, 5  # /dev/zero
    return info


CHUNKS = "00000000.chunks.parquet"
ENTRIES = {
    "an absolute name": (entry("/tmp/slowfast-test-absolute", size=len(SECRET)), SECRET),
    "a name that leads out": (entry("../secret", size=len(SECRET)), SECRET),
    "a name that leads out, after the key": (entry("00000000.../../secret", size=len(SECRET)), SECRET),
    "a symbolic link": (entry(CHUNKS, tarfile.SYMTYPE, "../secret"), b""),
    "an absolute symbolic link": (entry(CHUNKS, tarfile.SYMTYPE, "/etc/passwd"), b""),
    "a hard link": (entry(CHUNKS, tarfile.LNKTYPE, "../secret"), b""),
    "a device of characters": (entry(CHUNKS, tarfile.CHRTYPE), b""),
    "a device of blocks": (entry(CHUNKS, tarfile.BLKTYPE), b""),
    "a pipe": (entry(CHUNKS, tarfile.FIFOTYPE), b""),
    "a folder": (entry(CHUNKS, tarfile.DIRTYPE), b""),
    "a sparse file": (entry(CHUNKS, tarfile.GNUTYPE_SPARSE, size=8**12), b""),
    "a name told elsewhere": (entry("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=10), b"../secret\0"),
    "other headers": (entry("pax", tarfile.XHDTYPE, size=19), b"19 path=../secret\n\0"),
    "less than nothing": (entry(CHUNKS, size=-512), b""),
    "more than there is": (entry(CHUNKS, size=8**13), b""),
}


@pytest.mark.parametrize("what", ENTRIES)
def test_an_entry_of_a_shard_that_is_no_plain_member_is_refused(
    what: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    assert check_shards(shards) == []
    hostile = ENTRIES[what]
    rewrite(shards, lambda members: [members[0], hostile, *members[2:]])
    (defect,) = check_shards(shards)
    assert defect.code == "checksum"
    assert "shard-000000.tar/00000000" in defect.path
    for read in (ShardSet(shards).tables, ShardSet(shards).__getitem__):
        with pytest.raises(DefectiveDataError, match="not the one that was written"):
            read(0)
    assert (tmp_path / "secret").read_bytes() == SECRET
    assert not Path("/tmp/slowfast-test-absolute").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_shard_that_is_a_pipe_or_a_device_does_not_hang(shards: Path) -> None:
    path = shards / "shard-000000.tar"
    kept = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    ended: list[str] = []

    def read() -> None:
        try:
            ShardSet(shards)[0]
        except UserError as error:
            ended.append(str(error))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(20)
    assert ended and "it is no regular file" in ended[0]
    assert check_dataset(shards) != []
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="it is no regular file"):
        ShardSet(shards)[0]
    path.unlink()
    path.write_bytes(kept)
    assert check_dataset(shards) == []


@dataclass(frozen=True)
class Numbers:
    """A record."""

    value: np.ndarray


def test_a_kept_part_reads_its_own_arrays_and_nothing_else(tmp_path: Path) -> None:
    """These are zip archives; whatever else stands in one is neither unpacked nor followed."""
    folder = tmp_path / "parts"
    folder.mkdir()
    block = Block("block", Numbers, 1, lambda progress: Numbers(np.arange(500)))
    compute(block, folder, lambda units: None)
    kept, path = block.file(folder).read_bytes(), block.file(folder)
    link = zipfile.ZipInfo("value.npy")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../out.npy", "/tmp/slowfast-test-absolute", "..\\out.npy"):
            archive.writestr(name, SECRET)
    assert (finished(block, folder).value == np.arange(500)).all()  # type: ignore[union-attr]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "../secret")
    (tmp_path / "secret").write_bytes(SECRET)
    assert finished(block, folder) is None
    assert {each.name for each in tmp_path.iterdir()} == {"parts", "secret"}
    rng = np.random.default_rng(0)
    for _ in range(300):
        flipped = bytearray(kept)
        flipped[rng.integers(len(kept))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        record = finished(block, folder)
        assert record is None or (record.value == np.arange(500)).all()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", SOURCES)
def test_an_archive_is_no_source(name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is ever unpacked for an import, so no name in an archive can lead anywhere."""
    path = tmp_path / f"source.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../out", SECRET)
    else:
        with tarfile.open(path, "w") as tar:
            tar.addfile(entry("a", tarfile.SYMTYPE, "/etc/passwd"))
    assert main(["data", "import", "--from", name, str(path), str(tmp_path / "set")]) == 2
    assert str(path) in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def playlist(path: object) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2.0,\n{path}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u8", playlist("../outside.ts")),
        ("a.m3u8", playlist("OUTSIDE")),
        ("a.m3u8", playlist("file:OUTSIDE")),
        ("a.mp4", playlist("../outside.ts")),
        ("a.mp4", "ffconcat version 1.0\nfile outside.ts\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile '../outside.ts'\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 1 RTP/AVP 96\n"),
        ("a.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>OUTSIDE</BaseURL></MPD>'),
    ],
)
def test_a_playlist_is_no_film(name: str, content: str, tmp_path: Path) -> None:
    """FFmpeg would show the film that it names, wherever that is."""
    source = make_folder(tmp_path / "source")
    make_film(tmp_path / "outside.ts", range(40))
    (source / name).write_text(content.replace("OUTSIDE", str(tmp_path / "outside.ts")))
    write_csv(
        source / "actions.csv", [("video", "start", "end", "action"), (name, 0, 2, "go"), ("day 2/b.mp4", 0, 1, "go")]
    )
    words = ["data", "import", "--from", "folder", str(source), str(tmp_path / "out"), "--size", "16"]
    assert main([*words, "--max-bad-share", "1"]) == 0
    report = json.loads((tmp_path / "out" / "import.json").read_text())
    assert {reason: tally["count"] for reason, tally in report["left_out"].items()} == {"broken-video": 1}
    assert [each.metadata["source"] for each in EpisodeDataset(tmp_path / "out")] == ["day 2/b.mp4 line 3"]
