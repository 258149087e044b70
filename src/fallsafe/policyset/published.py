"""A set as it was published, perhaps by an earlier release. It stays readable: what later releases began to ask for is
completed in memory by what the shipped set of that name says. Its id, digest and files stay those that were published.
"""

from collections.abc import Mapping
from dataclasses import replace

from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.policyset.load import digest_of, load_files, read_folder, set_id
from fallsafe.policyset.problem import PolicyError
from fallsafe.policyset.shipped import shipped

ASKED_LATER = (("messages.yaml", "by_failure"),)
"""File and key of what a published set may lack."""


def load_published(files: Mapping[str, bytes], time_scale: float = 1.0) -> PolicySet:
    """The set that these files are. Raises `PolicyError` with every problem that completing it leaves."""
    try:
        return load_files(files, time_scale)
    except PolicyError:
        whole = completed(files)
        if whole == files:
            raise
    policy, digest = load_files(whole, time_scale), digest_of(files)
    return replace(policy, id=set_id(policy.name, policy.date, digest), digest=digest, files=dict(files))


def completed(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The files with what they lack; the same files where they lack nothing."""
    missing = [(name, key) for name, key in ASKED_LATER if name in files and not _block(files[name], key)]
    if not missing:
        return files
    name_of = "commerce" if b"\nname: commerce" in b"\n" + files.get("set.yaml", b"") else "telco"
    ours, whole = read_folder(shipped(name_of)), dict(files)
    for name, key in missing:
        whole[name] = whole[name].rstrip(b"\n") + b"\n\n" + _block(ours[name], key)
    return whole


def _block(content: bytes, key: str) -> bytes:
    """The lines of a key that stands at the top of a file; nothing where it does not."""
    lines = content.splitlines(keepends=True)
    begins = next((n for n, line in enumerate(lines) if line.startswith(f"{key}:".encode())), None)
    if begins is None:
        return b""
    after = range(begins + 1, len(lines))
    ends = next((n for n in after if lines[n][:1] not in (b" ", b"\n", b"#")), len(lines))
    return b"".join(lines[begins:ends])
