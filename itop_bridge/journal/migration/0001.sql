-- The first journal. Times are seconds since the epoch; `case` tables carry what delivery must know after a crash.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

-- MQTT messages as received. Append-only, with no index beyond the row id: intake's speed rests on it.
CREATE TABLE events (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: triage's cursor is an id
    connection     INTEGER NOT NULL,                   -- the connection that brought it first
    seen           INTEGER NOT NULL,                   -- the last connection that brought it
    received       REAL NOT NULL,
    topic          BLOB NOT NULL,
    payload        BLOB,                               -- null once pruned
    size           INTEGER NOT NULL,                   -- bytes as sent; more than the payload's when only its head is kept
    digest         BLOB NOT NULL,                      -- of topic and payload
    qos            INTEGER NOT NULL,
    retain         INTEGER NOT NULL,
    response_topic TEXT,
    correlation    BLOB
);

-- What a case's incidents are written with: a route's settings as they were, so that a case outlives its route.
CREATE TABLE profiles (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cases (
    id           INTEGER PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    digest       TEXT NOT NULL,
    organization TEXT NOT NULL,
    profile      TEXT NOT NULL REFERENCES profiles (hash),
    opened       REAL NOT NULL,
    -- its incident
    incident     INTEGER,
    ref          TEXT,
    urgency      INTEGER,                     -- as we wrote it last
    agent        INTEGER NOT NULL DEFAULT 0,  -- as we set it
    resolved     INTEGER NOT NULL DEFAULT 0,  -- by us
    resolution   TEXT,                        -- iTop's date of that: with another one, a person did it once more
    entries      INTEGER NOT NULL DEFAULT 0,  -- log entries written by us
    log_full     INTEGER NOT NULL DEFAULT 0,
    reopened     INTEGER NOT NULL DEFAULT 0,
    told         TEXT NOT NULL DEFAULT '{}',  -- what its log already says
    told_at      REAL NOT NULL DEFAULT 0,
    told_seq     INTEGER NOT NULL DEFAULT 0,  -- intents up to here are in its incidents
    interval_s   REAL NOT NULL DEFAULT 0,
    changed_at   REAL NOT NULL DEFAULT 0,     -- last call that changed its state
    previous     TEXT,                        -- the ref of the incident before
    replaced_at  REAL NOT NULL DEFAULT 0,     -- when an incident that was gone was last replaced
    -- its turn
    due          REAL,                        -- null: nothing to do
    oldest       REAL,                        -- receipt of the oldest pending intent
    rank         INTEGER NOT NULL DEFAULT 4,  -- the most urgent pending intent
    failures     INTEGER NOT NULL DEFAULT 0,  -- of the call that is next, by itself
    parked       TEXT                         -- why it needs a person
);
CREATE INDEX cases_due ON cases (due) WHERE due IS NOT NULL;
CREATE INDEX cases_parked ON cases (parked) WHERE parked IS NOT NULL;

-- What was seen under an alert's id: tells repeats, updates and episodes. `state` is firing, resolved or waiting
-- (resolved before it fired).
CREATE TABLE alerts (
    scope    TEXT NOT NULL,
    id       TEXT NOT NULL,
    case_id  INTEGER NOT NULL REFERENCES cases (id),
    state    TEXT NOT NULL,
    one_shot INTEGER NOT NULL,
    episode  REAL,                        -- the time of its firing; null where the format has none
    content  TEXT NOT NULL,
    received REAL NOT NULL,               -- when it was last accepted
    repeats  INTEGER NOT NULL DEFAULT 0,
    first_seq INTEGER NOT NULL,           -- of its episode's first intent: told once the case's `told_seq` has passed it
    handled  INTEGER NOT NULL DEFAULT 0,  -- a person resolved or closed the incident while it fired
    PRIMARY KEY (scope, id)
) WITHOUT ROWID;
CREATE INDEX alerts_waiting ON alerts (case_id, id) WHERE state = 'waiting';
CREATE INDEX alerts_firing ON alerts (case_id, received) WHERE state = 'firing' AND one_shot = 0 AND handled = 0;

-- `state` is pending, waiting (a resolve before its alert), delivered, dropped or dead.
CREATE TABLE intents (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order within a case; a retry takes a new one
    event_id INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    case_id  INTEGER NOT NULL REFERENCES cases (id),
    kind     TEXT NOT NULL,                      -- create, append or resolve
    state    TEXT NOT NULL,
    reason   TEXT,
    until    REAL,                               -- waiting: until when
    received REAL NOT NULL,
    urgency  INTEGER NOT NULL,
    impact   INTEGER NOT NULL,
    alert_id TEXT,                               -- `alerts.id`
    first_seq INTEGER,                           -- of its episode; null for a one-shot alert
    facts    TEXT NOT NULL,                      -- the alert, normalised, as JSON
    attempt  INTEGER,                            -- the attempt that delivered it
    UNIQUE (event_id, idx, n)
);
CREATE INDEX intents_open ON intents (case_id, seq) WHERE state = 'pending';
CREATE INDEX intents_waiting ON intents (until) WHERE state = 'waiting';
CREATE INDEX intents_dead ON intents (case_id) WHERE state = 'dead';

-- One write to iTop each. `state` is in_flight, unknown, applied (seen in the answer, to be looked for once more),
-- confirmed, absent (looked for, not there) or failed.
CREATE TABLE attempts (
    id       INTEGER PRIMARY KEY,
    case_id  INTEGER NOT NULL REFERENCES cases (id),
    kind     TEXT NOT NULL,
    token    TEXT NOT NULL UNIQUE,
    incident INTEGER,                    -- null for a create
    through  INTEGER NOT NULL,           -- covers the case's pending intents up to this seq
    state    TEXT NOT NULL,
    sent     REAL NOT NULL,
    look     REAL,                       -- when its token is to be looked for
    looks    INTEGER NOT NULL DEFAULT 0,
    message  TEXT NOT NULL,              -- the log entry, to append it again if it was lost
    effect   TEXT NOT NULL,              -- what holds for the case once the token is seen, as JSON
    detail   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX attempts_open ON attempts (case_id) WHERE state IN ('in_flight', 'unknown', 'applied', 'absent');
CREATE INDEX attempts_look ON attempts (look) WHERE look IS NOT NULL;

CREATE TABLE drops (
    event_id INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (event_id, idx)
) WITHOUT ROWID;

-- Elements, or whole cases (case_id), that need a person. `state` is open, retried or dropped.
CREATE TABLE dead_letters (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id INTEGER,
    idx      INTEGER,
    case_id  INTEGER,
    reason   TEXT NOT NULL,
    field    TEXT,
    detail   TEXT NOT NULL,
    at       REAL NOT NULL,
    state    TEXT NOT NULL DEFAULT 'open'
);
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE state = 'open';
