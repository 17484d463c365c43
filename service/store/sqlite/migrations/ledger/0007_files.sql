-- Small files that all processes share, and locks by name.
CREATE TABLE file (
    name     TEXT    NOT NULL PRIMARY KEY,
    modified INTEGER NOT NULL,
    body     BLOB    NOT NULL
) STRICT;

CREATE TABLE lock (
    name   TEXT    NOT NULL PRIMARY KEY,
    holder TEXT    NOT NULL,
    ends   INTEGER NOT NULL
) STRICT;
