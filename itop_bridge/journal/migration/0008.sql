-- Dead letters counted by day (UTC), reason and route, and what was told of them by the bridge's own incidents.
CREATE TABLE letter_days (
    day    TEXT NOT NULL,
    reason TEXT NOT NULL,
    route  TEXT NOT NULL,     -- '' where none is known
    open   INTEGER NOT NULL,
    total  INTEGER NOT NULL,  -- those that the journal still has
    newest INTEGER NOT NULL,  -- id of a letter
    PRIMARY KEY (day, reason, route)
) WITHOUT ROWID;
INSERT INTO letter_days (day, reason, route, open, total, newest)
SELECT date(at, 'unixepoch'), reason, coalesce(route, ''), sum(state IN ('open', 'retrying')), count(*), max(id)
FROM dead_letters GROUP BY 1, 2, 3;

CREATE TRIGGER letters_counted AFTER INSERT ON dead_letters BEGIN
    INSERT INTO letter_days (day, reason, route, open, total, newest) VALUES (
        date(NEW.at, 'unixepoch'), NEW.reason, coalesce(NEW.route, ''), NEW.state IN ('open', 'retrying'), 1, NEW.id
    ) ON CONFLICT (day, reason, route) DO UPDATE SET
        open = open + excluded.open, total = total + 1, newest = max(newest, excluded.newest);
END;
CREATE TRIGGER letters_pruned AFTER DELETE ON dead_letters BEGIN
    UPDATE letter_days SET open = open - (OLD.state IN ('open', 'retrying')), total = total - 1
    WHERE day = date(OLD.at, 'unixepoch') AND reason = OLD.reason AND route = coalesce(OLD.route, '');
    DELETE FROM letter_days
    WHERE day = date(OLD.at, 'unixepoch') AND reason = OLD.reason AND route = coalesce(OLD.route, '') AND total <= 0;
END;
CREATE TRIGGER letters_changed AFTER UPDATE OF state, reason, route ON dead_letters
WHEN (OLD.state IN ('open', 'retrying')) <> (NEW.state IN ('open', 'retrying'))
    OR OLD.reason <> NEW.reason OR OLD.route IS NOT NEW.route
BEGIN
    UPDATE letter_days SET open = open - (OLD.state IN ('open', 'retrying')), total = total - 1
    WHERE day = date(OLD.at, 'unixepoch') AND reason = OLD.reason AND route = coalesce(OLD.route, '');
    INSERT INTO letter_days (day, reason, route, open, total, newest) VALUES (
        date(NEW.at, 'unixepoch'), NEW.reason, coalesce(NEW.route, ''), NEW.state IN ('open', 'retrying'), 1, NEW.id
    ) ON CONFLICT (day, reason, route) DO UPDATE SET
        open = open + excluded.open, total = total + 1, newest = max(newest, excluded.newest);
    DELETE FROM letter_days
    WHERE day = date(OLD.at, 'unixepoch') AND reason = OLD.reason AND route = coalesce(OLD.route, '') AND total <= 0;
END;

CREATE TABLE letter_reports (
    day    TEXT NOT NULL,
    reason TEXT NOT NULL,
    began  REAL NOT NULL,     -- when it was told last that there are open ones
    told   REAL NOT NULL,     -- when anything was told last
    newest INTEGER NOT NULL,  -- letters up to this id are told
    firing INTEGER NOT NULL,  -- 0 once it is told that none is open
    PRIMARY KEY (day, reason)
) WITHOUT ROWID;

-- Alerts to be attached to the incident that they opened. `state` is pending, unknown (it may be there), done or failed.
CREATE TABLE attachments (
    id       INTEGER PRIMARY KEY,
    case_id  INTEGER NOT NULL REFERENCES cases (id),
    event_id INTEGER NOT NULL,           -- of the alert
    class    TEXT NOT NULL,
    incident INTEGER NOT NULL,
    ref      TEXT NOT NULL,
    most     INTEGER NOT NULL,           -- bytes of it
    state    TEXT NOT NULL DEFAULT 'pending',
    due      REAL,                       -- null: nothing is to be done any more
    tries    INTEGER NOT NULL DEFAULT 0, -- that failed by themselves
    detail   TEXT NOT NULL DEFAULT '',   -- why it failed
    UNIQUE (class, incident)
);
CREATE INDEX attachments_due ON attachments (due, id) WHERE due IS NOT NULL;
CREATE INDEX attachments_event ON attachments (event_id) WHERE due IS NOT NULL;
CREATE INDEX attachments_case ON attachments (case_id);
CREATE TRIGGER attachments_gone AFTER DELETE ON cases BEGIN
    DELETE FROM attachments WHERE case_id = OLD.id;
END;
