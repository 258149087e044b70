"""A secret of a home is made once, whole or not at all."""

from pathlib import Path

import pytest

from fallsafe.store.kept import kept_once


class WhenASecretIsMade:
    def test_it_is_kept_and_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        place = tmp_path / "home" / "master.key"
        assert kept_once(place, lambda: b"one") == kept_once(place, lambda: b"two") == b"one"
        assert place.stat().st_mode & 0o777 == 0o600

    def test_a_maker_that_fails_half_way_leaves_nothing_that_looks_like_one(self, tmp_path: Path) -> None:
        def fail() -> bytes:
            raise OSError("no entropy")

        with pytest.raises(OSError, match="no entropy"):
            kept_once(tmp_path / "token", fail)
        assert list(tmp_path.iterdir()) == []

    def test_of_two_who_make_it_at_once_the_first_wins_and_both_read_the_same(self, tmp_path: Path) -> None:
        place = tmp_path / "token"

        def late() -> bytes:
            return kept_once(place, lambda: b"first") and b"late"

        assert kept_once(place, late) == b"first"
        assert [path.name for path in tmp_path.iterdir()] == ["token"]
