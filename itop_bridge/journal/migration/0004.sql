-- Until when a case counts as flapping, where its incident was told; 0: not told, or over.
ALTER TABLE cases ADD COLUMN flaps_until REAL NOT NULL DEFAULT 0;
CREATE INDEX intents_resolving ON intents (case_id, received) WHERE kind = 'resolve';

-- Routes whose silence is an alarm (`expect_every`), and how long they have been silent.
CREATE TABLE sources (
    route    TEXT PRIMARY KEY,
    heard    REAL NOT NULL,            -- receipt of the last event; before the first, when the watch began
    silent_s REAL NOT NULL DEFAULT 0,  -- since then, but only the time in which we listened
    lost     REAL                      -- when the alarm began, if it holds
) WITHOUT ROWID;

-- Storms: while one holds, one case takes the alerts of what would be new cases of a route, of an organisation.
CREATE TABLE storms (
    case_id      INTEGER PRIMARY KEY REFERENCES cases (id),
    organization TEXT NOT NULL,
    route        TEXT NOT NULL,
    until        REAL NOT NULL  -- when it is over, unless so many come again
);
CREATE INDEX storms_until ON storms (route, organization, until);
CREATE TABLE sheltered (
    storm INTEGER NOT NULL REFERENCES storms (case_id),
    key   TEXT NOT NULL,        -- of the case that was not opened
    at    REAL NOT NULL,
    PRIMARY KEY (storm, key)
) WITHOUT ROWID;
CREATE INDEX sheltered_at ON sheltered (storm, at);
CREATE INDEX cases_opened ON cases (route, organization, opened);
ALTER TABLE cases ADD COLUMN storm INTEGER NOT NULL DEFAULT 0;  -- 1: it is a storm's
CREATE TRIGGER storms_gone AFTER DELETE ON cases WHEN OLD.storm = 1 BEGIN
    DELETE FROM sheltered WHERE storm = OLD.id;
    DELETE FROM storms WHERE case_id = OLD.id;
END;
