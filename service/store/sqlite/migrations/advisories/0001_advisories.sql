-- Times are microseconds since 1970-01-01 UTC.

CREATE TABLE source (
    n    INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE import (
    n         INTEGER PRIMARY KEY,
    source    INTEGER NOT NULL REFERENCES source (n),
    at        INTEGER NOT NULL,
    whole     INTEGER NOT NULL,
    sample    INTEGER NOT NULL,
    added     INTEGER NOT NULL DEFAULT 0,
    changed   INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    removed   INTEGER NOT NULL DEFAULT 0,
    rejected  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What holds now, in rows so small that all of them are soon read.
CREATE TABLE advisory (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    source   INTEGER NOT NULL REFERENCES source (n), -- that brought it last
    seq      INTEGER NOT NULL,                       -- the current version
    modified INTEGER NOT NULL,
    digest   BLOB                                    -- SHA-256 of the body; null: removed
) STRICT;

CREATE INDEX advisory_source ON advisory (source) WHERE digest IS NOT NULL;

-- Every version that ever was.
CREATE TABLE version (
    seq      INTEGER PRIMARY KEY,
    advisory INTEGER NOT NULL REFERENCES advisory (n),
    import   INTEGER NOT NULL REFERENCES import (n),
    modified INTEGER NOT NULL,
    fixes    BLOB    NOT NULL, -- see fixes.go
    body     BLOB              -- see body.go; null: removed
) STRICT;

CREATE INDEX version_advisory ON version (advisory, seq);

-- One row: counters that would cost a walk over everything.
CREATE TABLE head (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    seq     INTEGER NOT NULL, -- the last sequence number given out
    records INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    newest  INTEGER NOT NULL,
    sample  INTEGER NOT NULL
) STRICT;
