"""A published set is never edited, so that every later release can read it (§28)."""

import pytest

from fallsafe import policyset
from fallsafe.policyset.load import digest_of


def older(name: str = "telco") -> dict[str, bytes]:
    """The files of the shipped set as an earlier release took them: nothing says what failures say by themselves."""
    files = policyset.read_folder(policyset.shipped(name))
    files["messages.yaml"] = files["messages.yaml"].partition(b"\nby_failure:")[0] + b"\n"
    return files


class WhenASetOfAnEarlierReleaseIsRead:
    @pytest.mark.parametrize("name", ["telco", "commerce"])
    def test_it_is_completed_and_stays_the_set_that_was_published(self, name: str) -> None:
        files, now = older(name), policyset.load(policyset.shipped(name))
        found = policyset.load_published(files)
        assert found.message_by_failure == now.message_by_failure
        assert (found.digest, found.files) == (digest_of(files), files)
        assert found.id == f"{name}@{found.date}+{found.digest[:12]}" != now.id

    def test_what_cannot_be_completed_is_named_with_file_and_line(self) -> None:
        files = older()
        files["messages.yaml"] = files["messages.yaml"].replace(b"activation_slow", b"something_else")
        with pytest.raises(policyset.PolicyError) as wrong:
            policyset.load_published(files)
        assert {(p.file, p.line > 0) for p in wrong.value.problems} >= {("messages.yaml", True)}
        assert any("activation_slow" in p.what for p in wrong.value.problems)

    def test_a_new_set_must_say_it_itself(self) -> None:
        assert any("by_failure" in p.what or "by_failure" in p.pointer for p in policyset.check_files(older()))
