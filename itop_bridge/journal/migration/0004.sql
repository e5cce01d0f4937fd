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
