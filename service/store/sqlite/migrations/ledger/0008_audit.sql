-- Who changed what, and when.
CREATE TABLE event (
    n       INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    object  TEXT    NOT NULL,
    project TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    refused INTEGER NOT NULL,
    sum     INTEGER NOT NULL -- CRC-32C, see sums.go
) STRICT;

CREATE INDEX event_at ON event (at);

-- What a derived token may do, as JSON. Null: it may only scan.
ALTER TABLE derived ADD COLUMN scopes TEXT;
