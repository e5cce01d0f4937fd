-- What operators ask for: by route, held back, tried again; and the whole life of an alert by its case.

ALTER TABLE cases ADD COLUMN route TEXT NOT NULL DEFAULT '';  -- that produced it last
UPDATE cases SET route = coalesce((SELECT json_extract(body, '$.route') FROM profiles WHERE hash = profile), '');

-- `state` is open, retrying (triage or delivery takes it up), retried or dropped.
ALTER TABLE dead_letters ADD COLUMN route TEXT;    -- null where no route is known
UPDATE dead_letters SET route = (SELECT route FROM cases WHERE id = case_id) WHERE case_id IS NOT NULL;
ALTER TABLE dead_letters ADD COLUMN settled REAL;  -- when it was retried or dropped
CREATE INDEX dead_letters_retrying ON dead_letters (id) WHERE state = 'retrying';
CREATE INDEX dead_letters_event ON dead_letters (event_id, idx) WHERE event_id IS NOT NULL;
CREATE INDEX dead_letters_case ON dead_letters (case_id) WHERE case_id IS NOT NULL;

-- Routes whose delivery is held back; '*' is every route.
CREATE TABLE pauses (
    route TEXT PRIMARY KEY,
    since REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX intents_case ON intents (case_id, alert_id);
CREATE INDEX attempts_case ON attempts (case_id);

-- What retention asks: when an alert's id was heard of last, repeats too; which of an episode's first intents matter.
ALTER TABLE alerts ADD COLUMN heard REAL NOT NULL DEFAULT 0;
UPDATE alerts SET heard = received;
DROP INDEX alerts_waiting;
CREATE INDEX alerts_case ON alerts (case_id, id);
CREATE INDEX alerts_began ON alerts (first_seq) WHERE state = 'firing' AND one_shot = 0;
CREATE INDEX intents_later ON intents (first_seq) WHERE state = 'pending' AND first_seq < seq;
