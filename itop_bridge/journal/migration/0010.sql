-- What became of an alert is asked by its id, whether it landed or not: so the id of what did not is always kept now (it
-- was while anybody was answered). Drops have no index for that: random ids would make landing them several times as
-- slow, and a million of them are read in a tenth of a second. Letters are long, and few have an id.
CREATE INDEX dead_letters_alert ON dead_letters (alert_id, event_id) WHERE alert_id IS NOT NULL;
