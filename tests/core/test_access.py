"""Rights: a role × action table; the doors hold no rule of their own, and machines never approve."""

import pytest

from fallsafe.core.access import RIGHTS, ROLES, Actor, may, narrowed, system, unknown_roles, who_may


def person(*roles: str) -> Actor:
    return Actor("person", "mia", frozenset(roles))


class WhenSomebodyAsks:
    @pytest.mark.parametrize("action", RIGHTS)
    @pytest.mark.parametrize("role", ROLES)
    def test_the_table_decides(self, role, action):
        assert may(person(role), action) == (role in who_may(action))

    def test_one_role_that_may_is_enough(self):
        assert may(person("support", "engineer"), "resend")

    def test_nobody_may_what_is_not_in_the_table(self):
        assert not may(person(*ROLES), "edit_the_database")
        assert who_may("edit_the_database") == ()

    def test_somebody_without_a_role_may_nothing(self):
        assert not any(may(person(), action) for action in RIGHTS)

    def test_the_product_itself_may_do_its_work(self):
        assert may(system("dispatcher"), "resend")
        assert str(system("dispatcher")) == "system:dispatcher"

    @pytest.mark.parametrize("action", ["reconcile", "resend", "publish_policy", "end_rewind", "manage_tokens"])
    def test_a_machine_decides_nothing(self, action):
        assert "machine" not in who_may(action)

    def test_a_role_that_does_not_exist_is_named(self):
        assert unknown_roles(["operator", "wizard"]) == ("wizard",)

    @pytest.mark.parametrize(
        ("of_token", "of_person", "reach"),
        [
            ("A B", "*", "A B"),
            ("*", "A", "A"),
            ("A B", "B C", "B"),
            ("A", "B", ""),
            ("*", "*", "*"),
            ("*", "", ""),
            ("", "*", ""),
        ],
    )
    def test_a_token_gives_no_more_than_whoever_holds_it_may(self, of_token, of_person, reach):
        held = Actor("person", "mia", frozenset({"operator", "manager"}), frozenset(of_token.split()))
        now = narrowed(held, ["operator", "support"], of_person.split())
        assert (now.roles, now.groups) == (frozenset({"operator"}), frozenset(reach.split()))
