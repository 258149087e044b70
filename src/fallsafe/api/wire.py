"""The words of the REST API: one struct for each JSON object that a door sends, camelCase outside.

They are also the schemas in the OpenAPI. Times are RFC 3339 in UTC with microseconds, durations ISO 8601, money whole
minor units beside a currency, ids prefixed (`O- OI- T- C- F- E-`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

Value = Any


class Wire(Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object as it is sent."""


class Refusal(Wire, frozen=True):
    """Why something is not done, and what would work."""

    code: str
    what: str
    why: str
    hint: str
    pointer: str = ""


class Taken(Wire, frozen=True):
    """What became of one thing that was handed in: `accepted`, `known` (the same was here before) or `refused`."""

    result: str
    id: str | None
    source: str
    external_id: str
    href: str | None = None
    refusal: Refusal | None = None
    errors: Sequence[Mapping[str, str]] = ()


class TakenBatch(Wire, frozen=True):
    """One answer for each thing of a batch, in the order given."""

    answers: Sequence[Taken]
    accepted: int
    known: int
    refused: int


class Asked(Wire, frozen=True):
    """An action that was taken in; what comes of it shows on the thing. `already` says that it was under way."""

    result: str
    id: str
    href: str
    already: bool


class Worked(Wire, frozen=True):
    """What became of one case of many: `done`, `already` (it was so) or `refused`."""

    id: str
    result: str
    refusal: Refusal | None = None


class WorkedOn(Wire, frozen=True):
    """One answer for each case, in the order given."""

    answers: Sequence[Worked]
    done: int
    refused: int


class Comment(Wire, frozen=True):
    """What somebody wrote about a case."""

    by: str
    at: str
    text: str


class Received(Wire, frozen=True):
    """A callback that is kept. `already` says that this event of its sender was kept before."""

    received: bool
    already: bool


class Signal(Wire, frozen=True):
    """A signal from outside and what became of it; what it says stands in its evidence. `shadow` are the rules in
    shadow that would have read it otherwise.
    """

    id: str
    source: str
    external_id: str
    order_id: str | None
    order_source: str
    order_external_id: str
    state: str
    case_id: str | None
    case_state: str | None
    case_changed_at: str | None
    code: str
    rule: str
    policy_set: str
    shadow: Sequence[str]
    ends: str
    looked: int
    occurred_at: str
    received_at: str
    evidence: str
    href: str


class Rule(Wire, frozen=True):
    """One version of a classification rule: its cases, those of them that were withdrawn as no failure or stood, what a
    brake holds back, and how often it would have read a signal otherwise while it is in shadow. `precision` is the
    share of the judged cases that stood.
    """

    rule: str
    policy_set: str
    cases: int
    withdrawn: int
    confirmed: int
    precision: float | None
    candidates: int
    shadow: int


class Counted(Wire, frozen=True):
    """How many things it was done with, which, and how many refused."""

    done: int
    refused: int
    ids: Sequence[str]


class Order(Wire, frozen=True):
    """An order and where it stands."""

    id: str
    source: str
    external_id: str
    phase: str
    state: str
    version: int
    received_at: str
    last_at: str
    policy_set: str
    time_zone: str
    customer_ref: str
    segment: str
    priority: int
    vulnerable: bool
    test: bool
    channel: str
    region: str
    catalog_version: str
    requested_at: str | None
    committed_first_at: str | None
    committed_at: str | None
    supplier_at: str | None
    forecast_at: str | None
    actual_at: str | None
    fingerprint: str
    quote: Value
    approvals: Value
    parties: Value
    links: Value
    correlation_id: str
    traceparent: str
    frozen: Value
    reported: Value
    href: str


class Item(Wire, frozen=True):
    """One line of an order. `sealed` names the personal values that are kept apart."""

    id: str
    external_id: str
    parent_id: str | None
    action: str
    offer: str
    offer_title: str
    quantity: int
    characteristics: Value
    one_off_minor: int
    monthly_minor: int
    currency: str
    term_months: int
    regulated: bool
    existing_service: str
    state: str
    hold_code: str
    sealed: Sequence[str]


class Task(Wire, frozen=True):
    """One step of the plan. `waits_for` are steps that are not final yet, `open_cases` those that stop it. Where
    another engine executes it, `reported` is what that last said, and `steers` what it can be told to do. `frozen` says
    why nothing of it is sent before somebody has looked, `waiting` for what it waits that is no other step (a window
    of its system, with its end). `ponr_at` is from when it cannot be taken back or only at a cost, `valid_until` how
    long its effect may be relied upon.
    """

    id: str
    order_id: str
    item_id: str
    step: str
    type: str
    title: str
    system: str
    operation: str
    executor: str
    mandatory: bool
    state: str
    depends_on: Sequence[str]
    waits_for: Sequence[str]
    open_cases: Sequence[str]
    undo: str
    ponr: str
    ponr_at: str | None
    ready_at: str | None
    sent_at: str | None
    accepted_at: str | None
    completed_at: str | None
    expected_at: str | None
    warning_at: str | None
    breach_at: str | None
    valid_until: str | None
    reference: str
    frozen: Value
    waiting: Value
    reported: Value
    steers: Sequence[str]
    next_looks: Sequence[Mapping[str, str]]


class Attempt(Wire, frozen=True):
    """One sending, under one lease."""

    n: int
    at: str
    worker: str
    lease_until: str
    contract_set: str


class Outcome(Wire, frozen=True):
    """What the outside said, and how it was read."""

    at: str
    attempt: int
    source: str
    says: str
    reference: str
    raw_code: str
    message: str
    disposition: str
    occurred_at: str | None
    evidence: Sequence[str]


class Command(Wire, frozen=True):
    """One intended effect with its one key. `locked` says why it cannot be sent now, and what would work."""

    id: str
    order_id: str
    task_id: str
    purpose: str
    n: int
    key: str
    system: str
    operation: str
    state: str
    intended_at: str
    first_sent_at: str | None
    last_sent_at: str | None
    ended_at: str | None
    accepted_at: str | None
    done_at: str | None
    lease_until: str | None
    payload_digest: str
    request_evidence: str | None
    reference: str
    lost_because: str
    looks: int
    empty_looks: int
    target_id: str | None
    method: str
    finding: str
    contract_set: str
    attempts: Sequence[Attempt]
    outcomes: Sequence[Outcome]
    questions: Sequence[str]
    locked: Refusal | None


class Progress(Wire, frozen=True):
    """Why the order is where it is (`reason`), or which clause is broken and what would unblock it (`stuck`)."""

    verdict: str
    kind: str
    why: str
    until: str | None
    unblock: str
    task_id: str | None


class Customer(Wire, frozen=True):
    """What the customer may be told now; an empty text: nothing."""

    key: str
    locale: str
    text: str
    because: str


class CaseRow(Wire, frozen=True):
    """A case as a list shows it."""

    id: str
    order_id: str | None
    order_source: str
    order_external_id: str
    order_state: str
    customer_ref: str
    item_id: str | None
    item_external_id: str
    offer: str
    task_id: str | None
    task_step: str
    task_state: str
    state: str
    code: str
    raw_code: str
    title: str
    domain: str
    recoverability: str
    severity: str
    points: int
    owner_group: str
    assignee: str
    system: str
    operation: str
    detected_at: str
    sla_due_at: str | None
    committed_at: str | None
    touched_at: str
    retries: int
    occurrences: int
    blocked_tasks: int
    customer_impact: str
    amount_minor: int
    currency: str
    next_action: str
    href: str


class Facets(Wire, frozen=True):
    """How many cases match, and for each key of the filter language how many there are with each of its values, all
    else that was asked for still asked for. `more` says that there are more than were counted, `at_least`
    names the values of `sla` of which there may be more.
    """

    total: int
    more: bool
    at_least: Sequence[str]
    values: Mapping[str, Mapping[str, int]]


class SavedView(Wire, frozen=True):
    """A query with a name: one's own, a team's (a role), or everyone's. Without an id it is one that a role begins
    with.
    """

    id: str | None
    scope: str
    team: str
    title: str
    query: str
    sort: str
    made_by: str


class OrderFile(Wire, frozen=True):
    """An order with its items, its plan, its cases, its progress and what its customer may hear."""

    order: Order
    items: Sequence[Item]
    tasks: Sequence[Task]
    cases: Sequence[CaseRow]
    progress: Progress
    customer: Customer


class States(Wire, frozen=True):
    """The six states, side by side and never folded into one (§4)."""

    order: str
    item: str
    task: str
    case: str
    sla: str
    customer: str


class Classification(Wire, frozen=True):
    """The judgement and why, by which rule of which set (§7)."""

    code: str
    title: str
    domain: str
    cause: str
    recoverability: str
    impact: str
    automation: str
    rule: str
    why: str
    policy_set: str
    raw_code: str
    raw_message: str
    detector: str
    fingerprint: str


class Reason(Wire, frozen=True):
    """One term of the severity."""

    points: int
    sentence: str
    factor: str


class Severity(Wire, frozen=True):
    """The level, the points and every term (§5.3)."""

    level: str
    points: int
    reasons: Sequence[Reason]


class Sla(Wire, frozen=True):
    """The service level row that applies (§16.1), its times and when the case is due."""

    sentence: str
    first_touch: str | None
    resolution: str | None
    customer_update: str | None
    due_at: str | None
    state: str


class Owner(Wire, frozen=True):
    """Whose case it is."""

    group: str
    title: str
    assignee: str
    escalates_to: str
    escalated_to: str


class LookUp(Wire, frozen=True):
    """One way to ask what happened."""

    method: str
    operation: str
    asks_with: str


class Reconciliation(Wire, frozen=True):
    """What has to be found out, how, and when "not found" counts (§11)."""

    command_id: str
    key: str
    needed: bool
    look_ups: Sequence[LookUp]
    settle_window: str
    settles_at: str | None
    second_look: str
    looks: int
    empty_looks: int
    next_look_at: str | None


class Blocked(Wire, frozen=True):
    """A task that waits behind the failure."""

    id: str
    step: str
    title: str
    item: str
    state: str


class Action(Wire, frozen=True):
    """An action of the catalogue; `locked` holds every reason why it cannot be run now, by this person."""

    code: str
    title: str
    kind: str
    risk: str
    approval: str
    locked: Sequence[str]
    href: str | None


class CaseAction(Wire, frozen=True):
    """An action that there is for a case, with the schema of what it must be given; `locked` holds every reason why
    this person cannot run it now. `mode` is automatic, manual or hybrid, `href` where it is previewed or done.
    """

    code: str
    title: str
    kind: str
    risk: str
    roles: Sequence[str]
    approval: str
    mode: str
    sends: Sequence[str]
    checks: Sequence[str]
    input: Mapping[str, Any]
    fields: Mapping[str, str]
    locked: Sequence[str]
    href: str | None


class Condition(Wire, frozen=True):
    """Something that must hold before a repair runs; `why` says why it does not."""

    name: str
    sentence: str
    met: bool
    why: str


class FieldChange(Wire, frozen=True):
    """Old and new of one field; of a personal value only its digest stands in a repair that is kept."""

    name: str
    title: str
    field_class: str
    old: Any
    new: Any


class RepairSending(Wire, frozen=True):
    """A command that goes out when it is run; `effect` false = it only asks."""

    purpose: str
    operation: str
    key: str
    effect: bool
    what: str


class StateAfter(Wire, frozen=True):
    """The state that a thing is in afterwards."""

    thing: str
    name: str
    was: str
    then: str


class Agreement(Wire, frozen=True):
    """Why a second person has to agree, which roles they have (empty: any that may approve), and who did."""

    why: str
    roles: Sequence[str]
    by: str
    at: str | None


class RepairCheck(Wire, frozen=True):
    """Something that is asked again before a repair goes on; `result`: to_ask, asked, passed, refused or unanswered."""

    title: str
    result: str


class CustomerHears(Wire, frozen=True):
    """What the customer may be told, each by its key: now, and once a repair has helped. An empty text: nothing."""

    now_key: str
    now: str
    then_key: str
    then: str


class Repair(Wire, frozen=True):
    """A repair of a case: what it does, who asked, agreed and ran it. `state` is what people decided; `progress` how
    far what was run has come: requested, sent, confirmed, verified, or refused. Without an id nothing can be run, and
    `conditions` says why.
    """

    id: str
    case_id: str
    action: str
    title: str
    state: str
    progress: str
    ready: bool
    hash: str
    conditions: Sequence[Condition]
    changes: Sequence[FieldChange]
    sends: Sequence[RepairSending]
    after: Sequence[StateAfter]
    checks: Sequence[RepairCheck]
    customer: CustomerHears | None
    approval: Agreement | None
    reason: str
    asked_by: str
    asked_at: str | None
    expires_at: str | None
    run_by: str
    run_at: str | None
    command_id: str | None
    ended_because: str
    version: int
    href: str


class RepairDone(Wire, frozen=True):
    """What became of a decision about a repair. `already` says that it had been done before, `run_by` by whom."""

    id: str
    state: str
    already: bool
    run_by: str
    run_at: str | None
    approved_by: str
    command_id: str | None
    href: str


class Automation(Wire, frozen=True):
    """An action that policy lets run by itself: whether somebody lets it (`on`, `off`, `stopped` by itself), why and
    since when; for which codes; its budget in an hour; and what came of it in the last day.
    """

    action: str
    title: str
    state: str
    why: str
    switched_by: str
    switched_at: str | None
    codes: Sequence[str]
    per_hour: int
    per_system: int
    stop_after: int
    ran: int
    proved: int
    failed: int


class Automations(Wire, frozen=True):
    """What may run by itself, and its share of all cases that were proved to be mended in the last day (null where
    there were none).
    """

    items: Sequence[Automation]
    rate: float | None


class AmendmentClause(Wire, frozen=True):
    """One clause of the deal that would be another: where, what of the deal it is and needs, old and new."""

    path: str
    title: str
    old: Any
    new: Any


class AmendmentEffect(Wire, frozen=True):
    """What exists outside of an order that is ordered anew: by which step, what it is called there, and what becomes
    of it.
    """

    step: str
    reference: str
    then: str


class Amendment(Wire, frozen=True):
    """A request to change the deal: what it asks for and needs, and what came back. `fingerprintWas` is that of the
    content it was asked of, `fingerprintNow` that of the content which superseded it.
    """

    id: str
    order_id: str
    case_id: str
    repair_id: str
    kind: str
    state: str
    item: str
    diff: Sequence[AmendmentClause]
    requires: Sequence[str]
    effects: Sequence[AmendmentEffect]
    replaced_by: dict[str, Any] | None
    asked_by: str
    asked_at: str
    expires_at: str
    answered_by: str
    answered_at: str | None
    reference: str
    ended_because: str
    superseded: dict[str, Any] | None
    fingerprint_was: str
    fingerprint_now: str


class Undo(Wire, frozen=True):
    """A completed effect and how it could be undone; `undo` is empty where nothing undoes it (§13). `way_back` is free,
    at_a_cost or none, as its point of no return decides, which comes or came at `ponr_at`.
    """

    task_id: str
    step: str
    title: str
    reference: str
    undo: str
    operation: str
    effect: str
    risk: str
    possible_while: str
    proof: str
    way_back: str
    ponr_at: str | None


class Upstream(Wire, frozen=True):
    """What would prevent it (§22, §23)."""

    control: str
    cause_category: str


class PlaybookStep(Wire, frozen=True):
    """One step of a playbook: who does it (act by itself, propose after a yes, person), the action that it takes, its
    words, and whether the case has passed it.
    """

    by: str
    action: str
    text: str
    done: bool


class Recommended(Wire, frozen=True):
    """The action that is next by rule; how often it was run for failures of this fingerprint, and proved to help."""

    action: str
    title: str
    ran: int
    proved: int


class Playbook(Wire, frozen=True):
    """What is done about this kind of failure, where the case stands in it (`at` counts from 0), and what is next;
    `runbook` is a link to how its people do it.
    """

    name: str
    title: str
    runbook: str
    at: int
    steps: Sequence[PlaybookStep]
    recommended: Recommended | None


class Handover(Wire, frozen=True):
    """A case that its group is to accept or to return: who had it, what was done, what is asked."""

    group: str
    by: str
    done: str
    asked: str
    at: str


class Consult(Wire, frozen=True):
    """A question to another group; `answer` is empty until they have answered."""

    group: str
    asked: str
    by: str
    at: str
    answer: str
    answered_by: str
    answered_at: str


class Ticket(Wire, frozen=True):
    """What a case is called in a system of others."""

    system: str
    reference: str


class Handling(Wire, frozen=True):
    """How people pass a case on. `held` gives the seconds for which each group had it before `since`."""

    handover: Handover | None
    consults: Sequence[Consult]
    tickets: Sequence[Ticket]
    follow_up_at: str | None
    claimed_until: str | None
    bounces: int
    held: Mapping[str, float]
    since: str


class Today(Wire, frozen=True):
    """A case that waits for somebody, and why."""

    case: CaseRow
    why: Sequence[str]


class LeftOpen(Wire, frozen=True):
    """A case that somebody still works on at the end of a shift."""

    id: str
    code: str
    severity: str
    state: str
    next_action: str
    waiting_for: Value
    handling: Handling
    touched_at: str


class ShiftSheet(Wire, frozen=True):
    """What somebody leaves behind: what is open, what ended, what they gave to others."""

    person: str
    since: str
    until: str
    open: Sequence[LeftOpen]
    ended: Sequence[CaseRow]
    given: Sequence[CaseRow]


class Link(Wire, frozen=True):
    """Another case or order that this one names, and how: `caused_by`, `duplicate_of`, `parent`, `child`, …"""

    to: str
    how: str


class CaseFile(Wire, frozen=True):
    """A case and everything that answers the questions about it (§26)."""

    id: str
    order_id: str | None
    item_id: str | None
    task_id: str | None
    command_id: str | None
    state: str
    states: States
    classification: Classification
    severity: Severity
    sla: Sla
    owner: Owner
    occurred_at: str
    detected_at: str
    touched_at: str
    occurrences: int
    amount_minor: int
    currency: str
    next_action: str
    playbook: Playbook | None
    waiting_for: Value
    resolution: Value
    reconciliation: Reconciliation | None
    not_to_be_sent: Sequence[Command]
    blocked_tasks: Sequence[Blocked]
    customer: Customer
    actions: Sequence[Action]
    locked_actions: Sequence[Action]
    undo: Sequence[Undo]
    upstream: Upstream
    related: Sequence[CaseRow]
    links: Sequence[Link]
    handling: Handling
    evidence: Sequence[str]
    events: Mapping[str, str]
    version: int
    href: str


class Evidence(Wire, frozen=True):
    """What is known of a piece of evidence without its bytes; `href` opens them for those who may."""

    id: str
    order_id: str | None
    command_id: str | None
    attempt: int
    kind: str
    source: str
    media_type: str
    sensitivity: str
    size: int
    head: str
    at: str
    digest: str
    sealed_digest: str
    href: str


class Record(Wire, frozen=True):
    """One record of the journal. `event` is its public name, `event_id` names it everywhere."""

    event_id: str
    event: str
    order_id: str | None
    version: int
    at: str
    actor: str
    causation: str
    thing: str
    thing_id: str
    verb: str
    was: str
    now: str
    changes: Value
    reason: str
    policy_set: str
    rule: str
    evidence: Sequence[str]
    facts: Value
    digest: str


class CloudEvent(Struct, frozen=True, kw_only=True):
    """A record as a CloudEvent 1.0 of the feed; `data` is the record."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: Record


class Gap(Wire, frozen=True):
    """Something live that nobody will look at."""

    order_id: str | None
    thing: str
    thing_id: str
    gap: str


class Coverage(Wire, frozen=True):
    """How much of what is live has a time at which it is next looked at; 100 is the only good number (P1)."""

    percent: float
    live: int
    gaps: int
    late: int
    waiting_to_send: int
    first_gaps: Sequence[Gap]
    at: str


class Health(Wire, frozen=True):
    """Whether a system is sent to: `clear`, `tripped` (its tasks are parked), `probing` (the canary tries), `releasing`
    (what was parked goes on). `failures` attempts in a row came back unsent, `probes` canaries failed since it tripped.
    """

    state: str
    since: str | None
    why: str
    failures: int
    probes: int
    canary: str
    look_at: str | None


class Downstream(Wire, frozen=True):
    """A system outside and its health; `parked` tasks wait until it works again, `waiting` ones are due and wait for
    their turn.
    """

    name: str
    title: str
    domain: str
    owner: str
    concurrency: int
    calls_back: bool
    operations: Sequence[str]
    health: Health
    parked: int
    waiting: int


class PolicySet(Wire, frozen=True):
    """A policy set; `files` only where one is asked for."""

    id: str
    name: str
    date: str
    digest: str
    in_force: bool
    published_at: str | None
    published_by: str
    reason: str
    activated_at: str | None = None
    activated_by: str = ""
    activated_because: str = ""
    files: Mapping[str, str] | None = None


class PolicyProblem(Wire, frozen=True):
    """One thing that is wrong with a policy set. `line` counts from 1, 0 is the file as a whole."""

    file: str
    line: int
    pointer: str
    what: str
    would_be_right: str


class PolicyChecked(Wire, frozen=True):
    """Whether files are a set that may be used: its id, or everything that is wrong."""

    ok: bool
    id: str | None
    problems: Sequence[PolicyProblem]


class PolicyChange(Wire, frozen=True):
    """One thing that two policy sets have differently. `counts` says from when: at_once for every order, or
    when_planned for those planned from then on, and those that are moved.
    """

    kind: str
    thing: str
    name: str
    turn: str
    counts: str
    sentence: str


class PolicyDiff(Wire, frozen=True):
    """What became another between two policy sets."""

    was: str
    now: str
    changes: Sequence[PolicyChange]


class MovedOrder(Wire, frozen=True):
    """What moving a running order to another policy set does to it: `verdict` is moves, stays or refused."""

    id: str
    was: str
    verdict: str
    added: Sequence[str]
    removed: Sequence[str]
    changes: Sequence[str]
    code: str = ""
    why: str = ""
    hint: str = ""


class Moves(Wire, frozen=True):
    """What moving running orders does: how many move, stay, are refused, and are left beyond these; what it comes to in
    all; and the orders themselves, those that are refused first. `hash` names all of it.
    """

    to: str
    moves: int
    stays: int
    refused: int
    left: int
    tasks_added: int
    tasks_removed: int
    tasks_changed: int
    hash: str
    orders: Sequence[MovedOrder]


class PolicyDraft(Wire, frozen=True):
    """A policy set that is being written. `version` counts its edits; `files` and `problems` only where one is asked
    for.
    """

    name: str
    version: int
    state: str
    edited_at: str
    edited_by: str
    reason: str
    files: Mapping[str, str] | None = None
    problems: Sequence[PolicyProblem] | None = None


class Token(Wire, frozen=True):
    """A token that was made. `token` is shown this once and never again."""

    id: str
    name: str
    kind: str
    roles: Sequence[str]
    groups: Sequence[str]
    expires_at: str | None
    token: str


class KeptToken(Wire, frozen=True):
    """A token as it is kept: whose it is and what it may, not the token."""

    id: str
    name: str
    kind: str
    roles: Sequence[str]
    groups: Sequence[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class Person(Wire, frozen=True):
    """Somebody who may sign in: their roles, and the owner groups that they work for (`*` = all). `version` is the tag
    that If-Match may name.
    """

    name: str
    title: str
    roles: Sequence[str]
    groups: Sequence[str]
    has_password: bool
    locked_until: str | None
    left_at: str | None
    version: int


class Permission(Wire, frozen=True):
    """Whether the one who asks may do something, and why not. `roles` are those that hold the right; `of_a_group` says
    that it reaches as far as the owner groups that somebody works for.
    """

    action: str
    allowed: bool
    why: str
    roles: Sequence[str]
    of_a_group: bool


class Me(Wire, frozen=True):
    """Who asks, and what they may do."""

    kind: str
    name: str
    roles: Sequence[str]
    groups: Sequence[str]
    rights: Sequence[str]


class Rewind(Wire, frozen=True):
    """Whether this installation may send, and how often its database went back in time."""

    sending: bool
    stopped_because: str
    stopped_at: str | None
    rewinds: int


def pages(kind: type[Any]) -> dict[str, Any]:
    """The schema of one page of a list of `kind`."""
    return {
        "type": "object",
        "required": ["items", "after"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"#/components/schemas/{kind.__name__}"}},
            "after": {"type": "string", "description": "The cursor of the next page, empty on the last."},
        },
    }


def schemas() -> dict[str, Any]:
    """The JSON Schemas of every struct, for the OpenAPI."""
    kinds = [kind for kind in _below(Wire) if kind is not Wire] + [CloudEvent]
    _, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return found


def _below(kind: type[Any]) -> list[type[Any]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _below(child))]
