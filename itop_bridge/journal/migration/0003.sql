-- An element may go to several routes: what became of it is kept by route.

-- '': before this was kept, or not by a route.
ALTER TABLE intents ADD COLUMN route TEXT NOT NULL DEFAULT '';

CREATE TABLE drops_by_route (
    event_id INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    route    TEXT NOT NULL DEFAULT '',  -- '' where no route took it
    reason   TEXT NOT NULL,             -- after the key: else integrity_check of SQLite 3.40 reports what is not so
    PRIMARY KEY (event_id, idx, route)
) WITHOUT ROWID;
INSERT INTO drops_by_route (event_id, idx, reason) SELECT event_id, idx, reason FROM drops;
DROP TABLE drops;
ALTER TABLE drops_by_route RENAME TO drops;

-- Alerts that fire and hold others back (`inhibit`). `id` is `alerts.id`, though the alert may not be there: one that
-- is silenced inhibits all the same.
CREATE TABLE inhibitors (
    key    TEXT NOT NULL,     -- of the rule, the organisation and the values of `equal`
    scope  TEXT NOT NULL,
    id     TEXT NOT NULL,
    mutual INTEGER NOT NULL,  -- it is a target of the rule as well, and inhibits none that is a source as well
    until  REAL NOT NULL,     -- when it ends if no resolve comes
    PRIMARY KEY (key, scope, id)
) WITHOUT ROWID;
CREATE INDEX inhibitors_alert ON inhibitors (scope, id);
CREATE INDEX inhibitors_until ON inhibitors (until);
