"""Signatures of callbacks: only who holds the secret can have written exactly these bytes."""

import pytest

from fallsafe.security.signature import sign, verify

SECRET, BODY = "a-shared-secret", b'{"eventId":"EV-1"}'
# Computed with openssl: printf '%s' '{"eventId":"EV-1"}' | openssl dgst -sha256 -hmac a-shared-secret
KNOWN = "sha256=ce4dc381e792bf26205df1e3bdc3def476f0c18dfd4966d5a2f50e5f0e13df80"


class WhenABodyIsSigned:
    def test_the_signature_is_that_of_any_other_implementation(self) -> None:
        assert sign(SECRET, BODY) == KNOWN

    def test_it_is_accepted_in_any_case_and_with_spaces_around(self) -> None:
        assert verify(SECRET, BODY, f" {KNOWN.upper()} ")

    @pytest.mark.parametrize("presented", ["", "sha256=", KNOWN[7:], KNOWN[:-1], f"{KNOWN}0", "sha1=00", "sha256=é"])
    def test_anything_else_is_forged(self, presented: str) -> None:
        assert not verify(SECRET, BODY, presented)

    def test_one_other_byte_or_another_secret_is_forged(self) -> None:
        assert not verify(SECRET, BODY + b" ", KNOWN)
        assert not verify("another", BODY, KNOWN)

    def test_without_a_secret_nothing_is_genuine(self) -> None:
        with pytest.raises(ValueError, match="needs a secret"):
            sign("", BODY)
        assert not verify("", BODY, KNOWN)
