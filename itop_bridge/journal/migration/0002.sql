-- What operators ask for: by route, held back, tried again; and the whole life of an alert by its case.

ALTER TABLE cases ADD COLUMN route TEXT NOT NULL DEFAULT '';  -- that produced it last
UPDATE cases SET route = coalesce((SELECT json_extract(body, '$.route') FROM profiles WHERE hash = profile), '');

-- `state` is open, retrying (triage or delivery takes it up), retried or dropped.
ALTER TABLE dead_letters ADD COLUMN route TEXT;    -- null where no route is known
ALTER TABLE dead_letters ADD COLUMN settled REAL;  -- when it was retried or dropped
CREATE INDEX dead_letters_retrying ON dead_letters (id) WHERE state = 'retrying';

-- Routes whose delivery is held back; '*' is every route.
CREATE TABLE pauses (
    route TEXT PRIMARY KEY,
    since REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX intents_case ON intents (case_id);
CREATE INDEX attempts_case ON attempts (case_id);
