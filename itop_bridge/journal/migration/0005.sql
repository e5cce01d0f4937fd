-- Recorded alerts that were taken in again: the n-th with the same topic and payload, so that none is taken twice.
CREATE TABLE replays (
    digest   BLOB NOT NULL,
    n        INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    PRIMARY KEY (digest, n)
) WITHOUT ROWID;
CREATE INDEX replays_event ON replays (event_id);
CREATE TRIGGER replays_gone AFTER DELETE ON events BEGIN
    DELETE FROM replays WHERE event_id = OLD.id;
END;

-- Incidents that only would have been: `cases.incident` is the id with a minus, and what was written in them are
-- attempts whose state is shadowed.
CREATE TABLE shadows (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    status   TEXT NOT NULL,     -- new, assigned or resolved
    org      INTEGER NOT NULL,
    urgency  INTEGER NOT NULL,
    title    TEXT NOT NULL,
    changed  REAL NOT NULL,
    resolved REAL               -- when, as long as it is
);
CREATE TRIGGER shadows_left AFTER UPDATE OF incident ON cases
WHEN OLD.incident < 0 AND OLD.incident IS NOT NEW.incident BEGIN
    DELETE FROM shadows WHERE id = -OLD.incident;
END;
CREATE TRIGGER shadows_gone AFTER DELETE ON cases WHEN OLD.incident < 0 BEGIN
    DELETE FROM shadows WHERE id = -OLD.incident;
END;
