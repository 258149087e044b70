"""Many believable cases, written straight into the tables: orders of three years, failures of every system, some late,
some taken, in the proportions of a bad week. For measuring and for pictures, never for proving anything.
"""

import json

import psycopg

# How often, code, domain, way out, system, operation, raw code, message, owner group, next step, step, offer.
FAILURES = (
    (24, "UNKNOWN_OUTCOME", "Provisioning", "unknown_outcome", "PRV", "PRV.activateService", "timeout", "no answer within 10 s", "NETWORK_OPERATIONS", "Find out by key what became of it.", "activateFiberService", "FIBER-HOME-1G"),
    (16, "MISSING_CALLBACK", "Provisioning", "unknown_outcome", "PRV", "PRV.activateService", "silent", "accepted, and nothing more was heard", "NETWORK_OPERATIONS", "Ask the system for its state.", "activateStaticIp", "STATIC-IP"),
    (14, "ADDRESS_REJECTED", "Data", "repairable", "PRV", "PRV.activateService", "ADR-4011", "service address is not known to the network", "ORDER_DESK", "Correct the service address.", "activateFiberService", "FIBER-HOME-1G"),
    (12, "SKU_OUT_OF_STOCK", "Inventory", "repairable", "WHS", "WHS.reserveDevice", "OUT_OF_STOCK", "no router of this kind is left", "SUPPLY_CHAIN", "Choose another device.", "reserveRouter", "WIFI-ROUTER"),
    (12, "ACCOUNT_BLOCKED", "Billing", "repairable", "BIL", "BIL.createSubscription", "ACC-77", "account is not active", "BILLING_OPS", "Map the billing account.", "createSubscription", "MONTHLY-BILLING"),
    (10, "RETRY_EXHAUSTED", "Platform", "transient", "BIL", "BIL.createBillingAccount", "503", "temporarily unavailable", "OMS_ENGINEERING", "Wait for the next try.", "createBillingAccount", "MONTHLY-BILLING"),
    (6, "PRODUCT_MAPPING_MISSING", "Catalog", "repairable", "", "", "", "the offer has no plan", "CATALOG_OPS", "Publish the mapping, then plan again.", "", "CLOUD-PBX"),
    (4, "APPROVAL_MISSING", "Eligibility", "policy_exception", "OMS", "OMS.approve", "DISC-40", "discount above the limit", "DEAL_DESK", "Ask for the approval.", "approve", "FIBER-HOME-1G"),
    (2, "LATE_SUCCESS", "Platform", "compensatable", "PRV", "PRV.activateService", "", "it succeeded after it had been cancelled", "NETWORK_OPERATIONS", "Decide what is to be undone.", "activateFiberService", "FIBER-HOME-1G"),
)  # fmt: skip
COLUMNS = [
    "weight",
    "code",
    "domain",
    "recover",
    "system",
    "operation",
    "raw",
    "message",
    "owner",
    "next",
    "step",
    "offer",
]
CUSTOMERS = ("Northwind Bakery", "Halcyon Care", "Sora Robotics", "Delta Print Works", "Atlas Fitness", "Zephyr Energy",
             "Kettle & Co", "Maya Moreau", "Jonas Weber", "Lina Brandt", "Bluepeak Studio", "Juniper Books",
             "Cobalt Motors", "Harbour Clinic", "Oak & Stone", "Anna Keller")  # fmt: skip
PEOPLE = ("", "", "", "", "", "jonas", "jonas", "mei", "aisha", "sam")
SEED = """
CREATE TEMP TABLE kinds AS SELECT *, row_number() OVER () AS n FROM jsonb_to_recordset(%(kinds)s::jsonb)
    k (weight int, code text, domain text, recover text, system text, operation text, raw text, message text, owner text, next text, step text, offer text);
CREATE TEMP TABLE made AS
SELECT i, %(first)s::bigint + i * 8192 AS base, k.*, (hashint8(i) & 2147483647)::bigint AS h, (hashint8(i + 7000001) & 2147483647)::bigint AS g
FROM generate_series(1::bigint, %(count)s) i,
     LATERAL (SELECT * FROM kinds k ORDER BY (hashint8(i * 31 + k.n) & 65535)::float8 / k.weight LIMIT 1) k;
"""
ORDERS = """
INSERT INTO orders SELECT base, 'CRM', 'W-' || (100000 + i), 'running', 'in_progress', 1,
    %(now)s::timestamptz - (g %% 259200) * interval '1 second', %(now)s, %(set)s, 'Europe/Berlin', (%(customers)s::text[])[1 + h %% %(customer_count)s],
    (ARRAY['consumer','consumer','business','enterprise'])[1 + (g / 8) %% 4], 2, false, false, (ARRAY['web','shop','partner'])[1 + h %% 3],
    (ARRAY['north','south','west'])[1 + g %% 3], (ARRAY['2026.09','2026.10','2026.11'])[1 + h %% 3], NULL, NULL, %(now)s::timestamptz + (h %% 96) * interval '1 hour',
    NULL, NULL, NULL, '{}', '', NULL, NULL, NULL, NULL, 'corr-' || i, '', NULL, 0, 0, '', NULL FROM made;
INSERT INTO items SELECT base + 1, base, 'i1', NULL, 'add', offer, 1, NULL, NULL, 0, 3900, 'EUR', 24, false, 'none', 'held', code FROM made;
INSERT INTO tasks (id, order_id, item_id, step, type, system, operation, executor, mandatory, state, pending, depends_on, next, undo, ponr, reference)
    SELECT base + 2, base, base + 1, step, step, system, operation, 'command', true,
           CASE recover WHEN 'unknown_outcome' THEN 'unknown' ELSE 'failed' END, 0, '{}', '{}', '', 'none', '' FROM made WHERE step <> '';
INSERT INTO commands (id, order_id, task_id, purpose, n, key, system, operation, state, intended_at, attempts, retries, payload_digest, first_sent_at, last_sent_at,
        lease_worker, reference, lost_because, looks, empty_looks, pending_looks, look, method, finding, contract_set)
    SELECT base + 3, base, base + 2, 'fulfill', 1, 'CRM/W-' || (100000 + i) || '/' || step || '/fulfill/1', system, operation,
           CASE recover WHEN 'unknown_outcome' THEN 'unknown' ELSE 'rejected' END, %(now)s::timestamptz - (h %% 259200) * interval '1 second',
           1 + g %% 3, g %% 3, '', %(now)s::timestamptz - (h %% 259200) * interval '1 second', %(now)s::timestamptz - (h %% 259200) * interval '1 second',
           '', '', CASE recover WHEN 'unknown_outcome' THEN 'timeout' ELSE '' END, g %% 4, 0, 0, 0, '', '', %(set)s
    FROM made WHERE system <> '';
"""
CASES = """
INSERT INTO cases (id, order_id, item_id, task_id, command_id, case_key, state, code, domain, cause, recoverability, automation, severity, points, reasons,
    owner_group, assignee, system, operation, raw_code, raw_message, fingerprint, detector, occurred_at, detected_at, touched_at, sla_due_at,
    customer_impact, amount_minor, currency, message_key, blocked_tasks, occurrences, next_action, waiting_for, related, resolution, rule, policy_set, escalated_to)
SELECT base + 4, base, base + 1, CASE WHEN step <> '' THEN base + 2 END, CASE WHEN system <> '' THEN base + 3 END, base || '/' || code,
    CASE WHEN i %% %(ended_each)s = 0 THEN 'resolved' ELSE (ARRAY['assigned','assigned','assigned','diagnosing','repairing'])[1 + h %% 5] END,
    code, domain, '', recover, 'manual', s.level, s.points,
    jsonb_build_array(jsonb_build_object('factor', 'customer impact', 'points', s.points, 'sentence', 'The customer cannot use the service.')),
    owner, (%(people)s::text[])[1 + (h / 64) %% %(people_count)s], system, operation, raw, message,
    md5(code || system || operation), 'outcome', at, at, at + interval '5 minutes', CASE WHEN (g / 16) %% 40 = 0 THEN NULL ELSE at + s.span END,
    CASE WHEN h %% 4 = 0 THEN 'none' ELSE 'delayed' END, (h %% 90) * 100, 'EUR', '', (g %% 4)::int, (1 + h %% 3)::int, next,
    CASE WHEN (g / 32) %% 25 = 0 THEN '{"for": "customer", "what": "an answer"}'::jsonb END, NULL, NULL, 'G01', %(set)s,
    CASE WHEN (g / 64) %% 60 = 0 THEN 'NETWORK_LEAD' ELSE '' END
FROM made, LATERAL (SELECT %(now)s::timestamptz - (h %% 259200) * interval '1 second' AS at) a,
    LATERAL (SELECT (ARRAY['critical','high','high','medium','medium','medium','medium','low','low','low'])[1 + g %% 10] AS level,
                    (ARRAY[97,72,68,45,41,38,35,20,18,12])[1 + g %% 10] AS points,
                    (ARRAY[4,24,24,72,72,72,72,120,120,120])[1 + g %% 10] * interval '1 hour' AS span) s;
"""

# What happened to the newest orders: so many records each, three attempts of which one was answered, and what was said.
HISTORY = """
INSERT INTO journal (lane, seq, order_id, version, at, thing, thing_id, verb, payload, digest, link)
    SELECT 255, base + nr, base, nr, %(now)s::timestamptz + nr * interval '1 second', k.thing, base + k.at, k.verb,
           json_build_object('transaction', json_build_array(255, base + nr), 'before', json_build_array(255, base + nr - 1, repeat('ab', 32)),
               'actor', 'system:worker-1', 'causation', '', 'was', k.was, 'now', k.now, 'delta', json_build_object('state', k.now, 'touched_at', %(now)s),
               'reason', 'no answer within 10 s; nobody knows yet what became of it', 'policySet', %(set)s::text, 'rule', 'G01',
               'evidence', json_build_array(base + 100 + nr %% 6), 'facts', json_build_object('waited', 'PT10S'))::text,
           sha256(convert_to(base || '/' || nr, 'UTF8')), sha256(convert_to(nr || '/' || base, 'UTF8'))
    FROM made, generate_series(1, %(records)s) nr,
         LATERAL (SELECT * FROM (VALUES (0, 'command', 3, 'send', 'intended', 'sending'), (1, 'command', 3, 'lose', 'sending', 'unknown'),
                                        (2, 'task', 2, 'lose', 'sending', 'unknown'), (3, 'case', 4, 'touch', 'assigned', 'assigned')) v (m, thing, at, verb, was, now)
                  WHERE v.m = nr %% 4) k
    WHERE i > %(count)s - %(told)s AND system <> '';
INSERT INTO attempts (command_id, n, order_id, at, worker, lease_until, contract_set)
    SELECT base + 3, nr, base, %(now)s, 'worker-1', %(now)s, %(set)s FROM made, generate_series(1, 3) nr WHERE i > %(count)s - %(told)s AND system <> '';
INSERT INTO outcomes (id, order_id, command_id, attempt, at, source, says, reference, raw_code, message, disposition, occurred_at, evidence)
    SELECT base + 50 + nr, base, base + 3, nr, %(now)s, 'answer', 'lost', '', 'timeout', 'no answer within 10 s', 'applied', NULL, ARRAY[base + 100 + nr]
    FROM made, generate_series(1, 3) nr WHERE i > %(count)s - %(told)s AND system <> '';
INSERT INTO evidence (id, order_id, command_id, attempt, kind, source, media_type, sensitivity, size, head, at, digest, sealed_digest, sealed)
    SELECT base + 100 + nr, base, base + 3, 1, 'request', system, 'application/json', 'internal', 300, 'POST /activations', %(now)s, repeat('ab', 32), repeat('cd', 32), '\\x00'
    FROM made, generate_series(0, 5) nr WHERE i > %(count)s - %(told)s AND system <> '';
"""
RECORDS, TOLD = 60, 1_000


def seed(url: str, count: int, policy_set: str, first: int, ended_each: int = 1_000_000_000) -> None:
    """Writes `count` orders with one case each; every `ended_each`th case has ended. `url` may write anything."""
    with psycopg.connect(url) as connection:
        now = connection.execute("SELECT clock_timestamp()").fetchone()[0]
        given = {
            "kinds": json.dumps([dict(zip(COLUMNS, kind, strict=True)) for kind in FAILURES]),
            "count": count, "first": first, "now": now, "set": policy_set, "customers": list(CUSTOMERS),
            "customer_count": len(CUSTOMERS), "people": list(PEOPLE), "people_count": len(PEOPLE), "ended_each": ended_each,
            "records": RECORDS, "told": TOLD,
        }  # fmt: skip
        cursor = psycopg.ClientCursor(connection)
        for part in (SEED, ORDERS, CASES, HISTORY):
            cursor.execute(part, given)
        connection.commit()
        connection.autocommit = True
        for table in ("orders", "items", "tasks", "commands", "cases", "case_numbers", "case_words"):
            connection.execute(f"VACUUM ANALYZE {table}")
