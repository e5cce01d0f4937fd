-- What is to be mailed, as long as mail is configured (`mail` in meta). `subject` is an attempt's id, a dead letter's, or
-- an intent's seq, as `kind` (created, dead_letters, escalated, arrived) has it.
CREATE TABLE notices (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: what was mailed is removed up to an id
    kind    TEXT NOT NULL,
    route   TEXT NOT NULL,                      -- '' where none is known
    subject INTEGER NOT NULL,
    at      REAL NOT NULL
);
CREATE INDEX notices_pile ON notices (kind, route, id);

-- Alerts that were too late for iTop: each is mailed once. A row goes when its alert is in iTop, or is no longer owed.
CREATE TABLE escalations (
    episode INTEGER PRIMARY KEY,         -- the seq of its first intent
    seq     INTEGER NOT NULL,            -- of the intent that was late
    route   TEXT NOT NULL,
    mailed  INTEGER NOT NULL DEFAULT 0
);

CREATE TRIGGER notices_created AFTER UPDATE OF state ON attempts
WHEN NEW.kind = 'create' AND NEW.state IN ('applied', 'confirmed') AND OLD.state NOT IN ('applied', 'confirmed')
AND EXISTS (SELECT 1 FROM meta WHERE name = 'mail') BEGIN
    INSERT INTO notices (kind, route, subject, at)
    SELECT 'created', route, NEW.id, NEW.sent FROM cases WHERE id = NEW.case_id;
END;
CREATE TRIGGER notices_dead AFTER INSERT ON dead_letters
WHEN EXISTS (SELECT 1 FROM meta WHERE name = 'mail') BEGIN
    INSERT INTO notices (kind, route, subject, at) VALUES ('dead_letters', coalesce(NEW.route, ''), NEW.id, NEW.at);
END;
