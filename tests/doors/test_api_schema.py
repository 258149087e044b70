"""The OpenAPI describes what the API does, and no request that it allows, or forbids, is answered with a 500."""

import random
import re

import jsonschema_rs
import pytest
from tests.doors.conftest import ROLES, Api, an_order
from tests.doors.generated import requests_of
from tests.doors.test_api_authorisation import TABLE

EXAMPLES = 15


@pytest.fixture
async def described(api: Api) -> dict:
    return (await api.client.get("/openapi.json")).json()


class WhenTheApiIsDescribed:
    async def test_every_reference_leads_somewhere(self, described: dict) -> None:
        def walk(value: object) -> list[str]:
            if isinstance(value, dict):
                own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
                return own + [r for each in value.values() for r in walk(each)]
            return [r for each in value for r in walk(each)] if isinstance(value, list) else []

        for reference in walk(described):
            assert reference.startswith("#/components/schemas/")
            assert reference.rpartition("/")[2] in described["components"]["schemas"]

    async def test_every_route_says_what_it_takes_and_what_can_go_wrong(self, described: dict) -> None:
        for path, verbs in described["paths"].items():
            for method, operation in verbs.items():
                if path.startswith("/api/"):
                    assert operation["description"], path
                    assert {"400", "401", "503"} <= set(operation["responses"]), (method, path)
                    problem = operation["responses"]["400"]["content"]["application/problem+json"]
                    assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}

    async def test_the_answers_are_as_described(self, api: Api, described: dict) -> None:
        order = await api.post("/orders", an_order(), "machine", 201)
        await api.post("/orders", b"garbage", "machine", 400)
        case = (await api.get("/fallout-cases"))["items"][0]["id"]
        one = {"order_id": order["id"], "case_id": case, "set_id": api.context.newest.id}
        for path, verbs in described["paths"].items():
            if (
                "get" not in verbs
                or not path.startswith("/api/")
                or not set(re.findall(r"{(\w+)}", path)) <= one.keys()
            ):
                continue
            answer = await api.client.get(path.format(**one), headers=api.as_("admin"))
            shape = verbs["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            check(answer.json(), shape, described)


def check(value: object, shape: dict, described: dict) -> None:
    """That a value is what a schema of the description says."""
    whole = {**shape, "components": described["components"]}
    assert list(jsonschema_rs.Draft202012Validator(whole).iter_errors(value)) == []


class WhenAnythingIsAsked:
    """Requests are made from the description, right ones and wrong ones, by every role in turn."""

    @pytest.mark.parametrize("spoiled", [False, True], ids=["right", "wrong"])
    async def test_there_is_never_a_500_and_no_role_finds_a_way_around(
        self, api: Api, described: dict, spoiled: bool
    ) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        seen, dice = set(), random.Random(27)
        for wanted in requests_of(described, random.Random(26), EXAMPLES, spoiled):
            operation, role = wanted.pop("operation"), dice.choice(("admin", *ROLES))
            headers = {**wanted.pop("headers"), **api.as_(role)}
            answer = await api.client.request(**wanted, headers=headers)
            assert answer.status_code < 500, (wanted, answer.text)
            if TABLE.get(operation, {}).get(role) == "no":
                assert answer.status_code >= 400, (role, wanted, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json", (wanted, answer.text)
                said = answer.json()
                assert said["detail"] and said["code"] and "hint" in said
            seen.add(answer.status_code)
        assert seen >= ({400, 404} if spoiled else {200, 404})
        assert (await api.get("/coverage"))["percent"] == 100
