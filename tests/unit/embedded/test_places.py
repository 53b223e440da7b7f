"""The folders of the engines."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from focal_data.embedded.places import Place, cached, copy_tree, make_runtime, reachable
from focal_data.errors import UsageError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose caches can't be used, unless the test makes one usable."""
    monkeypatch.setattr("focal_data.embedded.places._cache_candidates", lambda _: iter([tmp_path / "cache"]))
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    return Place(runtime, runtime, False, None, str(tmp_path))


def make(path: Path) -> None:
    """Fill a folder."""
    path.mkdir()
    (path / "file").write_text("made", encoding="utf-8")


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return [path.name for path in folder.iterdir()]


def test_what_is_cached_is_made_once(place: Place, tmp_path: Path) -> None:
    """The second time, it is there."""
    first = cached("name", place, make)
    assert tmp_path / "cache/name" == first == cached("name", place, lambda _: pytest.fail("made again"))


def test_many_who_make_it_at_once_get_the_same(place: Place, tmp_path: Path) -> None:
    """One of them stays, complete, and no other trace."""
    together = threading.Barrier(8)

    def meet_and_make(path: Path) -> None:
        together.wait(10)
        make(path)

    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(cached("name", place, meet_and_make))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [tmp_path / "cache/name"] * 8 == found
    assert ["name"] == names_in(tmp_path / "cache")
    assert ["file"] == names_in(tmp_path / "cache/name")


def test_what_fails_while_it_is_made_leaves_nothing(place: Place, tmp_path: Path) -> None:
    """Nothing half made is ever found."""

    def make_half(path: Path) -> None:
        make(path)
        raise UsageError("no")

    with pytest.raises(UsageError):
        cached("name", place, make_half)
    assert [] == names_in(tmp_path / "cache")


def test_without_a_usable_cache_it_goes_with_the_run(place: Place, tmp_path: Path) -> None:
    """A cache that others may write to is not used."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    assert place.runtime / "name" == cached("name", place, make)


def test_a_copy_is_private_unless_it_is_public(tmp_path: Path) -> None:
    """Data are for their owner, programs for everybody."""
    (tmp_path / "from/folder").mkdir(parents=True)
    (tmp_path / "from/folder/file").write_bytes(b"x" * 3_000_000)
    for name, public, modes in (("private", False, (0o700, 0o600)), ("public", True, (0o755, 0o755))):
        copy_tree(tmp_path / "from", tmp_path / name, public=public)
        file = tmp_path / name / "folder/file"
        assert 3_000_000 == file.stat().st_size
        assert modes == (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777)


def test_a_temporary_folder_with_too_long_a_path_is_not_used(tmp_path: Path) -> None:
    """Sockets have short paths."""
    long = tmp_path / ("long" * 20)
    long.mkdir()
    runtime = make_runtime(str(long), None, durable=True)
    runtime.rmdir()
    assert runtime.parent in {Path("/tmp"), Path("/var/tmp")}  # noqa: S108


def test_what_lies_in_a_closed_folder_is_not_reachable(tmp_path: Path) -> None:
    """Every folder above counts."""
    program = tmp_path / "closed/program"
    program.parent.mkdir()
    program.touch(mode=0o755)
    program.parent.chmod(0o700)
    assert not reachable(program)
    assert not reachable(tmp_path / "missing")
