-- Results: what became of alerts, kept until the broker has it. They are recorded by triggers, so that every way in
-- which an alert is settled has them in its own commit.

-- Routes whose results are published; '*' is every sender that names a response topic. As the configuration says.
CREATE TABLE answered (
    route TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE INDEX events_asking ON events (id) WHERE response_topic IS NOT NULL;

-- An alert's id as its SIEM gave it; kept while anybody is answered.
ALTER TABLE drops ADD COLUMN alert_id TEXT;
ALTER TABLE dead_letters ADD COLUMN alert_id TEXT;

-- `outcome` is delivered, shadowed, dropped or dead. What an intent's event and facts say is read when it is sent.
CREATE TABLE results (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given again: a reader tells a repeat by it
    settled  REAL NOT NULL,
    event_id INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    route    TEXT NOT NULL,     -- '' where no route is known
    by_route INTEGER NOT NULL,  -- 1: the route publishes its results; 0: only who asked is answered
    intent   INTEGER,           -- its seq; null for what never landed
    alert_id TEXT,              -- of what never landed
    case_id  INTEGER,
    incident INTEGER,
    ref      TEXT,
    outcome  TEXT NOT NULL,
    action   TEXT,              -- create, append, resolve or reopen
    reason   TEXT
);
CREATE INDEX results_event ON results (event_id);

-- What is inserted here becomes a result if anybody wants it.
CREATE VIEW settlements AS
    SELECT event_id, idx, route, intent, alert_id, case_id, outcome, action, reason FROM results;
CREATE TRIGGER results_wanted INSTEAD OF INSERT ON settlements
WHEN EXISTS (SELECT 1 FROM answered WHERE route = NEW.route) OR (
    EXISTS (SELECT 1 FROM answered WHERE route = '*') AND EXISTS (
        SELECT 1 FROM events INDEXED BY events_asking WHERE id = NEW.event_id AND response_topic IS NOT NULL
    )
) BEGIN
    INSERT INTO results
        (settled, event_id, idx, route, by_route, intent, alert_id, case_id, incident, ref, outcome, action, reason)
    SELECT
        (julianday('now') - 2440587.5) * 86400.0, NEW.event_id, NEW.idx, NEW.route,
        EXISTS (SELECT 1 FROM answered WHERE route = NEW.route), NEW.intent, NEW.alert_id, NEW.case_id,
        (SELECT incident FROM cases WHERE id = NEW.case_id), (SELECT ref FROM cases WHERE id = NEW.case_id),
        NEW.outcome, NEW.action, NEW.reason;
END;

-- Intents from 1000 on are the bridge's own (an expiry, an operator's resolve): no alert's fate.
CREATE TRIGGER results_of_intents AFTER UPDATE OF state ON intents
WHEN NEW.state IN ('delivered', 'dropped') AND OLD.state IN ('pending', 'waiting') AND NEW.n < 1000
    AND EXISTS (SELECT 1 FROM answered)
BEGIN
    INSERT INTO settlements VALUES (
        NEW.event_id, NEW.idx, NEW.route, NEW.seq, NULL, NEW.case_id,
        CASE
            WHEN NEW.state = 'dropped' THEN 'dropped'
            WHEN (SELECT incident FROM cases WHERE id = NEW.case_id) < 0 THEN 'shadowed'
            ELSE 'delivered'
        END,
        CASE NEW.state WHEN 'delivered' THEN NEW.reason END,
        CASE NEW.state WHEN 'dropped' THEN NEW.reason END
    );
END;

CREATE TRIGGER results_of_drops AFTER INSERT ON drops
WHEN EXISTS (SELECT 1 FROM answered)
BEGIN
    INSERT INTO settlements VALUES (
        NEW.event_id, NEW.idx, NEW.route, NULL, NEW.alert_id, NULL, 'dropped', NULL, NEW.reason
    );
END;

CREATE TRIGGER results_of_letters AFTER INSERT ON dead_letters
WHEN NEW.event_id IS NOT NULL AND EXISTS (SELECT 1 FROM answered)
BEGIN
    INSERT INTO settlements VALUES (
        NEW.event_id, NEW.idx, coalesce(NEW.route, ''), NULL, NEW.alert_id, NULL, 'dead', NULL, NEW.reason
    );
END;
CREATE TRIGGER results_of_retries AFTER UPDATE OF state ON dead_letters
WHEN NEW.event_id IS NOT NULL AND EXISTS (SELECT 1 FROM answered)
    AND ((NEW.state = 'open' AND OLD.state = 'retrying') OR (NEW.state = 'dropped' AND OLD.state <> 'dropped'))
BEGIN
    INSERT INTO settlements VALUES (
        NEW.event_id, NEW.idx, coalesce(NEW.route, ''), NULL, NEW.alert_id, NULL,
        CASE NEW.state WHEN 'open' THEN 'dead' ELSE 'dropped' END, NULL,
        CASE NEW.state WHEN 'open' THEN NEW.reason ELSE 'dead_letter_dropped' END
    );
END;

-- A case is parked: each alert that it owes is told, and each that joins it later. (A trigger on each new intent would
-- make landing a quarter slower; triage updates the cases of what it lands.)
ALTER TABLE cases ADD COLUMN dead_seq INTEGER NOT NULL DEFAULT 0;  -- intents up to here were told as dead
CREATE TRIGGER results_of_parking AFTER UPDATE OF parked ON cases
WHEN NEW.parked IS NOT NULL AND OLD.parked IS NULL AND EXISTS (SELECT 1 FROM answered)
BEGIN
    INSERT INTO settlements
    SELECT event_id, idx, route, seq, NULL, case_id, 'dead', NULL, NEW.parked FROM intents
    WHERE case_id = NEW.id AND state = 'pending' AND n < 1000 ORDER BY seq;
    UPDATE cases SET dead_seq = coalesce((SELECT max(seq) FROM intents WHERE case_id = NEW.id AND state = 'pending'), 0)
    WHERE id = NEW.id;
END;
CREATE TRIGGER results_of_joining AFTER UPDATE OF oldest ON cases
WHEN NEW.parked IS NOT NULL AND OLD.parked IS NOT NULL AND EXISTS (SELECT 1 FROM answered)
BEGIN
    INSERT INTO settlements
    SELECT event_id, idx, route, seq, NULL, case_id, 'dead', NULL, NEW.parked FROM intents
    WHERE case_id = NEW.id AND state = 'pending' AND n < 1000 AND seq > NEW.dead_seq ORDER BY seq;
    UPDATE cases SET dead_seq = coalesce((SELECT max(seq) FROM intents WHERE case_id = NEW.id AND state = 'pending'), 0)
    WHERE id = NEW.id;
END;
