"""Policy at the door: written, checked, compared, published, put in force and taken back, each with who and why (§7,
model rule 9).
"""

import json
from collections.abc import Mapping

from tests.doors.conftest import Api
from tests.policyset.sets import TELCO, with_text

Texts = Mapping[str, str]


def texts(files: Mapping[str, bytes] = TELCO) -> dict[str, str]:
    """The files of a set as a door takes them, with another date so that it is another set."""
    return {name: body.decode() for name, body in files.items()}


LONGER = texts(with_text("operations.yaml", "key_lives: PT24H", "key_lives: PT48H"))
WRONG = texts(with_text("task_types.yaml", "owner: SUPPLY_CHAIN", "owner: SUPPLY_CHAINS"))


async def put(api: Api, files: Texts, role: str = "operator", status: int = 200, match: str = "") -> dict:
    """Saves the draft of telco."""
    headers = api.as_(role, **({"If-Match": match} if match else {}))
    body = {"files": files, "reason": "as agreed"}
    answer = await api.client.put("/api/v1/policy-drafts/telco", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def written(api: Api, *things: str) -> list[dict]:
    """The records of some kinds of thing, in the order in which they were made."""
    rows = await api.database.fetch("promises/all_journal")
    return [said for said in (json.loads(row["payload"]) for row in rows) if said["thing"] in things]


class WhenASetIsPublished:
    async def test_it_is_immutable_in_force_and_may_be_taken_back(self, api: Api) -> None:
        first = await api.post("/policy-sets", {"files": texts(), "reason": "the first"}, "engineer", 201)
        assert (first["inForce"], first["id"].partition("+")[0]) == (True, "telco@2026-11-01")
        body = {"files": LONGER, "reason": "keys live longer", "activate": False}
        second = await api.post("/policy-sets", body, "engineer", 201)
        assert second["inForce"] is False
        again = await api.post("/policy-sets", body, "engineer", 200)
        assert (again["id"], again["digest"]) == (second["id"], second["digest"])

        diff = await api.get(f"/policy-sets/{second['id']}/diff")
        assert (diff["was"], diff["now"]) == (first["id"], second["id"])
        assert [(c["sentence"], c["counts"]) for c in diff["changes"]] == [
            ("contract BIL.createAccount: key_lives was PT24H, is PT48H", "when_planned")
        ]
        assert (await api.get(f"/policy-sets/{first['id']}/diff"))["changes"] == []

        there = f"/policy-sets/{second['id']}/activate"
        stale = await api.post(there, {"reason": "now"}, "engineer", 412, **{"If-Match": f'"{second["id"]}"'})
        assert (stale["code"], first["id"] in stale["detail"]) == ("CHANGED_MEANWHILE", True)
        seen = {"If-Match": f'"{first["id"]}"'}
        assert (await api.post(there, {"reason": "now"}, "engineer", **seen))["inForce"] is True
        assert (await api.post(there, {"reason": "now"}, "engineer"))["inForce"] is True  # twice is once
        listed = {s["id"]: s for s in (await api.get("/policy-sets"))["items"]}
        assert [listed[s["id"]]["inForce"] for s in (first, second)] == [False, True]
        assert listed[second["id"]]["activatedBecause"] == "now"
        assert listed[second["id"]]["activatedBy"] == "person:a-engineer"

        back = f"/policy-sets/{first['id']}/activate"
        assert (await api.post(back, {"reason": "it was wrong"}, "engineer"))["inForce"] is True

    async def test_whoever_may_not_changes_nothing_and_it_is_written_down(self, api: Api) -> None:
        first = await api.post("/policy-sets", {"files": texts(), "reason": "the first"}, "engineer", 201)
        there = f"/policy-sets/{first['id']}/activate"
        assert (await api.post(there, {"reason": "x"}, "operator", 403))["code"] == "NOT_ALLOWED"
        assert (await api.post("/policy-sets/telco@2099-01-01+0/activate", {"reason": "x"}, "engineer", 404))["hint"]
        assert (await api.post(there, {}, "engineer", 400))["errors"][0]["pointer"] == "/reason"
        said = [(one["verb"], one["facts"].get("code", "")) for one in await written(api, "policy_set")]
        assert said == [("publish", ""), ("activate", "")]
        codes = [one["facts"].get("code", "") for one in await written(api, "access")]
        assert codes == ["NOT_ALLOWED", "NOT_FOUND", "FIELD_MISSING"]


class WhenFilesAreChecked:
    async def test_all_that_is_wrong_is_told_with_file_line_and_what_would_be_right(self, api: Api) -> None:
        right = await api.post("/policy-sets/check", {"files": texts()})
        assert (right["ok"], right["problems"]) == (True, [])
        wrong = await api.post("/policy-sets/check", {"files": WRONG})
        line = WRONG["task_types.yaml"].splitlines().index("    owner: SUPPLY_CHAINS") + 1
        assert (wrong["ok"], wrong["id"]) == (False, None)
        assert wrong["problems"] == [
            {
                "file": "task_types.yaml",
                "line": line,
                "pointer": "/task_types/reserveRouter/owner",
                "what": "no group is called 'SUPPLY_CHAINS'",
                "wouldBeRight": "did you mean 'SUPPLY_CHAIN'?",
            }
        ]
        refused = await api.post("/policy-sets", {"files": WRONG, "reason": "x"}, "engineer", 422)
        assert (refused["code"], refused["errors"][0]["pointer"]) == ("POLICY_WRONG", "/files/task_types.yaml")
        assert f"line {line}: " in refused["errors"][0]["detail"]


class WhenASetIsWritten:
    async def test_a_draft_may_be_wrong_and_is_published_only_when_it_is_not(self, api: Api) -> None:
        first = await api.post("/policy-sets", {"files": texts(), "reason": "the first"}, "engineer", 201)
        assert (await put(api, WRONG))["version"] == 1
        assert (await put(api, WRONG))["version"] == 1  # the same files again are no edit
        unseen = await put(api, LONGER, status=412)
        assert 'If-Match: "1"' in unseen["hint"]
        shown = await api.client.get("/api/v1/policy-drafts/telco", headers=api.as_("support"))
        assert (shown.headers["ETag"], len(shown.json()["problems"])) == ('"1"', 1)
        publish = "/policy-drafts/telco/publish"
        assert (await api.post(publish, {"reason": "x"}, "engineer", 422))["code"] == "POLICY_WRONG"
        assert (await put(api, LONGER, match='"1"'))["version"] == 2
        assert [c["name"] for c in (await api.get("/policy-drafts/telco/diff"))["changes"]] == ["BIL.createAccount"]
        assert (await api.post(publish, {"reason": "x"}, "operator", 403))["code"] == "NOT_ALLOWED"
        old = await api.post(publish, {"reason": "x"}, "engineer", 412, **{"If-Match": '"1"'})
        assert old["code"] == "CHANGED_MEANWHILE"
        made = await api.post(publish, {"reason": "keys live longer"}, "engineer", 201, **{"If-Match": '"2"'})
        assert made["inForce"] is True and made["id"] != first["id"]
        assert (await api.get("/policy-drafts"))["items"] == []
        assert (await api.get("/policy-drafts/telco", status=404))["code"] == "NOT_FOUND"

        assert (await put(api, WRONG))["version"] == 1  # a new one begins
        gone = await api.post("/policy-drafts/telco/discard", {"reason": "no longer wanted"})
        assert (gone["state"], (await api.get("/policy-drafts"))["items"]) == ("discarded", [])
        assert (await put(api, WRONG, role="support", status=403))["code"] == "NOT_ALLOWED"
        await self.everything_is_in_the_journal(api)

    @staticmethod
    async def everything_is_in_the_journal(api: Api) -> None:
        rows = await written(api, "policy_draft", "policy_set")
        done = [(one["verb"], one["actor"]) for one in rows if not one["verb"].startswith("refuse_")]
        assert done == [
            ("publish", "person:a-engineer"),
            ("activate", "person:a-engineer"),
            ("save", "person:a-operator"),
            ("save", "person:a-operator"),
            ("publish", "person:a-engineer"),
            ("activate", "person:a-engineer"),
            ("publish", "person:a-engineer"),
            ("save", "person:a-operator"),
            ("discard", "person:a-operator"),
        ]
        assert all(one["reason"] for one in rows)
