import asyncio
import os
import stat
from pathlib import Path

import pytest

from itop_bridge.command import lock
from itop_bridge.command.lock import LockError, find_folder, hold_case


async def test_a_case_is_held_by_one_at_a_time(tmp_path):
    folder, order = tmp_path / "locks", []

    async def work(name):
        async with hold_case(folder, "case", sleep=lambda _: asyncio.sleep(0)):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(*(work(name) for name in "abc"))
    assert [each.split()[1] for each in order] == ["in", "out"] * 3


async def test_other_cases_do_not_wait(tmp_path):
    async with hold_case(tmp_path, "case 1"), hold_case(tmp_path, "case 2", patience_s=0):
        assert len(list(tmp_path.iterdir())) == 2


async def test_who_waits_too_long_is_told_why(tmp_path):
    async with hold_case(tmp_path, "case"):
        with pytest.raises(LockError, match="another command has been writing on this case for 0 s"):
            async with hold_case(tmp_path, "case", patience_s=0):
                pytest.fail("held twice")


async def test_the_lock_ends_with_the_block_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        async with hold_case(tmp_path, "case"):
            raise ZeroDivisionError
    async with hold_case(tmp_path, "case", patience_s=0):
        pass


async def test_folder_and_files_are_for_the_group_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        async with hold_case(tmp_path / "a", "case"):
            (file,) = (tmp_path / "a").iterdir()
            assert stat.S_IMODE(file.stat().st_mode) == 0o660
            assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o2770
    finally:
        os.umask(before)


async def test_a_folder_that_anybody_may_write_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(LockError, match="may be written by anybody"):
        async with hold_case(tmp_path / "open", "case"):
            pytest.fail("used")


async def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path):
    async with hold_case(tmp_path / "a", "case"):
        (lock_file,) = (tmp_path / "a").iterdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / lock_file.name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LockError, match=r"commands\.lock_folder"):
        async with hold_case(tmp_path / "b", "case"):
            pytest.fail("followed")
    assert not (tmp_path / "elsewhere").exists()


async def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LockError, match=r"set commands\.lock_folder"):
        async with hold_case(tmp_path / "file" / "locks", "case"):
            pytest.fail("made")


def test_the_usual_folder_is_the_groups_below_the_systems(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_SYSTEM_FOLDER", tmp_path)
    assert find_folder() == tmp_path / f"itop-bridge-{os.getegid()}"


def test_where_the_system_has_none_there_is_another(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_SYSTEM_FOLDER", tmp_path / "none")
    monkeypatch.setattr(lock, "_LAST_FOLDER", tmp_path)
    own = Path(f"/run/user/{os.geteuid()}/itop-bridge")
    assert find_folder() in (own, tmp_path / f"itop-bridge-{os.getegid()}")
