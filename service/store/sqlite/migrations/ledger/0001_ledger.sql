-- Times are microseconds since 1970-01-01 UTC.

CREATE TABLE token (
    id      TEXT    NOT NULL PRIMARY KEY,
    hash    BLOB    NOT NULL UNIQUE, -- SHA-256 of the secret
    name    TEXT    NOT NULL,
    scopes  TEXT    NOT NULL,        -- JSON
    project TEXT    NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,                 -- null: never
    revoked INTEGER,                 -- null: not
    used    INTEGER                  -- null: never
) STRICT;

CREATE TABLE request (
    n    INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, -- SHA-256 of what was sent
    body BLOB NOT NULL         -- packed, see packed.go
) STRICT;

CREATE TABLE scan (
    n          INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    at         INTEGER NOT NULL,
    token      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    ref        TEXT    NOT NULL,
    commit_id  TEXT    NOT NULL,
    snapshot   TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    request    INTEGER NOT NULL REFERENCES request (n),
    verdict    BLOB    NOT NULL -- packed
) STRICT;

CREATE UNIQUE INDEX scan_key ON scan (token, key) WHERE key <> '';
CREATE INDEX scan_at ON scan (at);

CREATE TABLE snapshot (
    id  TEXT    NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;
