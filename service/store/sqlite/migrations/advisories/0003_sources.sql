-- A source is a publisher's data, and a feed is what is updated by itself within
-- it. Each source has records of its own: an id is unique within a source.
-- Versions stay with the advisory that they were versions of, also where another
-- source brought them then, so that every earlier state is what it was.
ALTER TABLE source RENAME TO feed;
ALTER TABLE import RENAME COLUMN source TO feed;

CREATE TABLE source (
    n    INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO source (name)
SELECT DISTINCT substr(name, 1, instr(name || ':', ':') - 1) FROM feed ORDER BY n;

-- feed.name is the source and, after a colon, the part.
ALTER TABLE feed ADD COLUMN source INTEGER REFERENCES source (n);
ALTER TABLE feed ADD COLUMN part   TEXT NOT NULL DEFAULT '';

UPDATE feed SET
    source = (SELECT s.n FROM source s WHERE s.name = substr(feed.name, 1, instr(feed.name || ':', ':') - 1)),
    part   = substr(name, instr(name || ':', ':') + 1);

CREATE TABLE advisory_by_source (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL,
    source   INTEGER NOT NULL REFERENCES source (n),
    feed     INTEGER NOT NULL REFERENCES feed (n), -- that brought it last
    seq      INTEGER NOT NULL,                     -- the current version
    modified INTEGER NOT NULL,
    digest   BLOB,                                 -- SHA-256 of the body; null: removed
    UNIQUE (id, source)
) STRICT;

INSERT INTO advisory_by_source (n, id, source, feed, seq, modified, digest)
SELECT a.n, a.id, f.source, f.n, a.seq, a.modified, a.digest
FROM advisory a JOIN feed f ON f.n = a.source ORDER BY a.n;

DROP TABLE advisory;
ALTER TABLE advisory_by_source RENAME TO advisory;

CREATE INDEX advisory_feed ON advisory (feed) WHERE digest IS NOT NULL;
