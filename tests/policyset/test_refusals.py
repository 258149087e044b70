"""Wrong policy sets, each refused with file, line and what would be right (§28; the issue asks for ten)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policyset.sets import TELCO, line_of, problems_of, with_text

from fallsafe.policyset import PolicyError, check, load, load_files

# file, what stands there, what is written instead, words on the line that is named, what is wrong, what would be right
WRONG = [
    pytest.param(
        "plans.yaml", "  - offer: STATIC-IP\n", "  - offer: STATIC-IP\n   action: x\n", "   action: x",
        "not YAML", "indentation", id="YAML that cannot be read",
    ),
    pytest.param(
        "offers.yaml", "  STATIC-IP:", "  WIFI-ROUTER: {title: Twice}\n  STATIC-IP:", "  WIFI-ROUTER: {title: Wi-Fi",
        "'WIFI-ROUTER' stands twice", "keep one of them (the first is in line 5)", id="a key that stands twice",
    ),
    pytest.param(
        "task_types.yaml", "    breach: PT30M", "    breech: PT30M", "breech",
        "'breech' is not known here", "did you mean 'breach'?", id="an unknown key",
    ),
    pytest.param(
        "task_types.yaml", "  reserveRouter:", "  reserve router:", "  reserve router:",
        "'reserve router' is no name for this", "for example activateFiberService", id="a name with a space",
    ),
    pytest.param(
        "task_types.yaml", "    breach: PT5M\n", "", "  createBillingAccount:",
        "'breach' is missing", "from when it is a failure, for example PT15M", id="a missing time",
    ),
    pytest.param(
        "operations.yaml", "    call_timeout: PT10S\n", "", "  BIL.createAccount:",
        "'call_timeout' is missing", "how long one call may take, for example PT10S", id="a missing call time-out",
    ),
    pytest.param(
        "task_types.yaml", "    owner: SUPPLY_CHAIN", "    owner: SUPPLY_CHAINS", "SUPPLY_CHAINS",
        "no group is called 'SUPPLY_CHAINS'", "did you mean 'SUPPLY_CHAIN'?", id="an unknown owner group",
    ),
    pytest.param(
        "systems.yaml", "    owner: FIELD_OPS", "    owner: NOBODY", "NOBODY",
        "no group is called 'NOBODY'", "known: 'B2B_DELIVERY'", id="an unknown owner of a system",
    ),
    pytest.param(
        "task_types.yaml", "    undo: releaseStock", "    undo: none", "  reserveRouter:",
        "an effect that has no undo and no point of no return", "`ponr: hard`", id="an effect without undo",
    ),
    pytest.param(
        "task_types.yaml", "    undo: releaseStock", "    undo: releaseStocks", "releaseStocks",
        "no undo is called 'releaseStocks'", "did you mean 'releaseStock'?", id="an unknown undo",
    ),
    pytest.param(
        "task_types.yaml", "operation: WHS.reserve", "operation: WHS.reserv", "WHS.reserv",
        "no operation is called 'WHS.reserv'", "did you mean 'WHS.reserve'?", id="an unknown operation",
    ),
    pytest.param(
        "operations.yaml", "  WHS.reserve:", "  WHX.reserve:", "  WHX.reserve:",
        "no system is called 'WHX'", "did you mean 'WHS'?", id="an unknown system",
    ),
    pytest.param(
        "severity.yaml", "when: promise == 'at_risk'", "when: promis == 'at_risk'", "promis ==",
        "no fact is called 'promis'", "did you mean 'promise'?", id="a misspelt fact",
    ),
    pytest.param(
        "severity.yaml", "when: promise == 'at_risk'", "when: promise == 'at_rsk'", "at_rsk",
        "no promise is called 'at_rsk'", "did you mean 'at_risk'?", id="a word that never matches",
    ),
    pytest.param(
        "severity.yaml", "when: code == 'DUPLICATE_EFFECT'", "when: code == 'DUPLICATE_EFECT'", "DUPLICATE_EFECT",
        "no code is called 'DUPLICATE_EFECT'", "did you mean 'DUPLICATE_EFFECT'?", id="a code that is never given",
    ),
    pytest.param(
        "approvals.yaml", "when: discountPercent > 20", "when: discountPercent", "when: discountPercent",
        "answers 0, not true or false", "a condition answers true or false", id="a condition that answers a number",
    ),
    pytest.param(
        "approvals.yaml", "when: discountPercent > 20", "when: discountPercent >", "when: discountPercent >",
        "not a condition", "write CEL", id="a condition that does not compile",
    ),
    pytest.param(
        "plans.yaml", "after: [createBillingAccount]", "after: [createBillingAccont]", "createBillingAccont]",
        "no step of MONTHLY-BILLING is called 'createBillingAccont'", "did you mean 'createBillingAccount'?",
        id="a plan that waits for nothing",
    ),
    pytest.param(
        "plans.yaml", "        task_type: reserveRouter\n",
        "        task_type: reserveRouter\n        after_items: [{offer: FIBER-HOME-1G, step: activateFiberService}]\n",
        "step: scheduleInstallation", "steps in a circle", "take one `after` or `after_items` away",
        id="a plan in a circle",
    ),
    pytest.param(
        "operations.yaml", "settle_window: PT5M", "settle_window: P1M", "P1M",
        "'P1M' has years or months, which have no fixed length", "a month is P30D", id="a month as a duration",
    ),
    pytest.param(
        "task_types.yaml", "warning: PT10M", "warning: 10m", "warning: 10m",
        "\"10m\" is not a \"duration\"", "from when it is slow, for example PT10M", id="a duration of another kind",
    ),
    pytest.param(
        "classification.yaml", "    codes: [SKU_OUT_OF_STOCK]", "    codes: [SKU_OUT_OF_STOK]",
        "sample: {operation: WHS.reserve, status: 409",
        "the sample of H01 is read as G13, the fallback", "it says raw code 'SKU_OUT_OF_STOCK'",
        id="a rule that its own sample does not reach",
    ),
    pytest.param(
        "classification.yaml", "    codes: [SKU_DISCONTINUED]", "    codes: [SKU_DISCONTINUED, SKU_OUT_OF_STOCK]",
        "  - id: H02",
        "H01 and H02 both stand for the code 'SKU_OUT_OF_STOCK'", "keep one of them", id="two rules for one code",
    ),
    pytest.param(
        "classification.yaml", r"pattern: \bAMOUNT_MISMATCH\b", r"pattern: _(MISMATCH|BLOCKED)\b", "  - id: B07",
        "fit the sample of B07 equally well", "make it one rule", id="two patterns for one answer",
    ),
    pytest.param(
        "operations.yaml", 'headers: {Idempotency-Key: "{key}"}', 'headers: {Idempotency-Key: "{kee}"}', "headers",
        "no fact is called 'kee'", "did you mean 'key'?", id="an unknown fact in a request",
    ),
    pytest.param(
        "operations.yaml", 'headers: {Idempotency-Key: "{key}"}', 'headers: {Idempotency-Key: "{object}"}',
        "    request:",
        "the request does not carry the key in header Idempotency-Key", "repeat: unsupported",
        id="a request without its key",
    ),
    pytest.param(
        "operations.yaml", "says: done, match: {/ref: key, /object: object}", "says: done, match: {/ref: key}",
        "says: done, match: {/ref: key}",
        "a success that is not compared with the object asked for", "a success about something else is none",
        id="a success about anything",
    ),
    pytest.param(
        "operations.yaml", "{method: key, operation: WFM.queryAppointment}", "{method: key, operation: WFM.query}",
        "operation: WFM.query}",
        "no query is called 'WFM.query'", "did you mean 'WFM.queryJob'?", id="an unknown look-up",
    ),
    pytest.param(
        "codes.yaml", "[SELECT_REPLACEMENT, WAIT_UNTIL", "[SELECT_ANOTHER, WAIT_UNTIL", "SELECT_ANOTHER",
        "no action is called 'SELECT_ANOTHER'", "known: ", id="an unknown repair action",
    ),
    pytest.param(
        "messages.yaml", "Ihr Auftrag läuft nach Plan. Geplanter Termin: {date}.", "Ihr Auftrag läuft nach Plan.",
        "läuft nach Plan.",
        "de names nothing, the text before it date",
        "every locale needs the same evidence", id="a text that claims more",
    ),
    pytest.param(
        "codes.yaml", "message: confirming\n    playbook: PB-UNKNOWN\n    upstream_control: keys and",
        "message: confirming\n    playbook: PB-UNKNOWM\n    upstream_control: keys and", "PB-UNKNOWM",
        "no playbook is called 'PB-UNKNOWM'", "did you mean 'PB-UNKNOWN'?", id="a code without a playbook",
    ),
    pytest.param(
        "actions.yaml", "roles: [operator]\n    does: correct\n    corrects: {sku",
        "roles: [operater]\n    does: correct\n    corrects: {sku", "operater",
        "no role is called 'operater'", "did you mean 'operator'?", id="an unknown role",
    ),
    pytest.param(
        "actions.yaml", "{who} pointed {item} to", "{who} pointed {input.accountId} to", "{input.accountId}",
        "{input.accountId} is not known here", "what is given, if it is short and corrects nothing",
        id="a record of what may be personal",
    ),
    pytest.param(
        "actions.yaml", "which the customer chose: {changes}", "chosen as {input.customerChoice}: {changes}",
        "{input.customerChoice}", "{input.customerChoice} is not known here",
        "what is given, if it is short and corrects nothing", id="an audit template that says what is kept sealed",
    ),
    pytest.param(
        "actions.yaml", "    every_case: true\n    available: true\n    resolves: Skipped",
        "    available: true\n    resolves: Skipped", "SKIP_TASK:",
        "no code offers SKIP_TASK", "every_case: true", id="an action that nobody is offered",
    ),
    pytest.param(
        "actions.yaml", "      item.characteristics.serial: free",
        "      item.characteristics.serial: free\n      item.characteristics.addressKey: free", "addressKey: free",
        "SELECT_RESOURCE corrects item.characteristics.addressKey only after it was asked again",
        "ask ADR.qualify in its `checks` too, or leave it to SELECT_RESOURCE", id="a correction without its check",
    ),
    pytest.param(
        "actions.yaml", "    approval: A second person looks at what was seen.\n    approves_when: always",
        "    approval: A second person looks at what was seen.\n    approves_when: risk", "DECLARE_OUTCOME:",
        "by DECLARE_OUTCOME one person alone would say what happened outside", "approves_when: always",
        id="an outcome that one person says",
    ),
    pytest.param(
        "actions.yaml", "{above: 500000, roles: [manager]}]\n    available: true\n    resolves: ReconciledDone",
        "{above: 5000, roles: [support]}]\n    available: true\n    resolves: ReconciledDone", "above: 5000,",
        "5000 comes after 50000", "begin with the smallest amount", id="amounts that fall",
    ),
    pytest.param(
        "actions.yaml", "{above: 500000, roles: [manager]}]\n    available: true\n    resolves: ReconciledDone",
        "{above: 500000, roles: [support]}]\n    available: true\n    resolves: ReconciledDone", "above: 500000,",
        "support may not agree to any repair", "name one of admin, engineer", id="an amount to which nobody can agree",
    ),
]  # fmt: skip


SPOILED = ["", "  x: []", "    - {}", "when: 1", "  1: null", "\t", "}{"]


class WhenAPolicySetIsWrong:
    @pytest.mark.parametrize(("file", "was", "now", "line", "what", "right"), WRONG)
    def test_it_is_refused_with_file_line_and_what_would_be_right(self, file, was, now, line, what, right):
        files = with_text(file, was, now)
        problem = next((p for p in problems_of(files) if p.file == file and what in p.what), None)
        assert problem is not None, [str(p) for p in problems_of(files)]
        assert problem.line == line_of(files, file, line), str(problem)
        assert right in problem.would_be_right
        assert f"{file}:{problem.line}: " in str(problem)

    def test_all_that_is_wrong_is_told_at_once(self):
        files = with_text("task_types.yaml", "owner: SUPPLY_CHAIN", "owner: NOBODY")
        files["approvals.yaml"] = TELCO["approvals.yaml"].replace(b"discountPercent >", b"discount >")
        assert {p.file for p in problems_of(files)} == {"task_types.yaml", "approvals.yaml"}

    def test_the_error_is_readable_as_it_stands(self):
        with pytest.raises(PolicyError) as error:
            load_files(with_text("task_types.yaml", "owner: SUPPLY_CHAIN", "owner: SUPPLY_CHAINS"))
        assert str(error.value) == (
            "this policy set is refused: 1 problem\n"
            f"task_types.yaml:{line_of(TELCO, 'task_types.yaml', 'SUPPLY_CHAIN')}: "
            "no group is called 'SUPPLY_CHAINS' (at /task_types/reserveRouter/owner); did you mean 'SUPPLY_CHAIN'?"
        )

    def test_a_missing_file_is_named(self):
        files = {name: data for name, data in TELCO.items() if name != "undo.yaml"}
        assert [(p.file, p.what) for p in problems_of(files)] == [("undo.yaml", "the file is missing")]

    def test_a_file_of_an_unknown_kind_is_named(self):
        problem = problems_of({**TELCO, "task_type.yaml": b"x: 1"})[0]
        assert (problem.file, problem.would_be_right) == ("task_type.yaml", "did you mean 'task_types'?")

    @pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"a: \x00", b"just words", b"[1, 2]", b"x" * 2_000_000])
    def test_garbage_is_a_problem_and_not_a_crash(self, data):
        assert [p.file for p in problems_of({**TELCO, "limits.yaml": data})][:1] == ["limits.yaml"]

    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from(sorted(TELCO)), st.integers(0, 10_000), st.sampled_from(SPOILED))
    def test_no_spoiled_line_is_a_crash(self, file, number, instead):
        lines = TELCO[file].decode().splitlines()
        lines[number % len(lines)] = instead or lines[number % len(lines)].partition(":")[0] + ": x"
        for problem in problems_of({**TELCO, file: "\n".join(lines).encode()}):
            assert problem.file and problem.what and problem.would_be_right

    def test_what_the_product_says_itself_must_be_described(self):
        files = with_text("codes.yaml", "  DATABASE_REWOUND:", "  DATABASE_REWOUND_OTHERWISE:")
        assert any(p.what == "DATABASE_REWOUND is missing" for p in problems_of(files))


class WhenAFolderIsNoSet:
    def test_a_folder_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(PolicyError, match="no such folder"):
            load(tmp_path / "telco")

    def test_an_empty_folder_is_named(self, tmp_path):
        with pytest.raises(PolicyError, match="no policy files in it"):
            check(tmp_path)

    def test_a_folder_of_another_day_is_refused(self, tmp_path):
        folder = tmp_path / "telco" / "2027-01-01"
        folder.mkdir(parents=True)
        for name, data in TELCO.items():
            (folder / name).write_bytes(data)
        assert [p.what for p in check(folder)] == ["says 2026-11-01, the folder is 2027-01-01"]
