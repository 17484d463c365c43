-- What an update needs to know, and what the last one said.
ALTER TABLE source ADD COLUMN state     TEXT;    -- null: the source is no feed
ALTER TABLE source ADD COLUMN succeeded INTEGER; -- the newest import; null: none
ALTER TABLE source ADD COLUMN failed    INTEGER; -- the last failure since; null: none
ALTER TABLE source ADD COLUMN error     TEXT;

UPDATE source SET succeeded = (SELECT max(at) FROM import WHERE import.source = source.n);

-- Lists come whole. Their versions share the sequence with the advisories'.
CREATE TABLE list (
    seq       INTEGER PRIMARY KEY,
    kind      TEXT    NOT NULL,
    import    INTEGER NOT NULL REFERENCES import (n),
    published INTEGER, -- null: not known
    entries   INTEGER NOT NULL,
    digest    BLOB    NOT NULL, -- SHA-256 of the body
    body      BLOB    NOT NULL  -- see body.go
) STRICT;

CREATE INDEX list_kind ON list (kind, seq);
