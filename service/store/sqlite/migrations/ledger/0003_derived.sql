-- Tokens that may scan in place of another, for a while.
CREATE TABLE derived (
    hash    BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the secret
    parent  TEXT    NOT NULL REFERENCES token (id),
    expires INTEGER NOT NULL
) STRICT;

CREATE INDEX derived_expires ON derived (expires);
CREATE INDEX scan_commit ON scan (commit_id, at) WHERE commit_id <> '';
