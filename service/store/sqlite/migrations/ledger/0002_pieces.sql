-- Findings that many verdicts have in common, see pieces.go.
CREATE TABLE piece (
    n    INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, -- SHA-256 of the piece
    body BLOB NOT NULL         -- packed
) STRICT;
