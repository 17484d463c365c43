-- +goose Up

-- Small files that all processes share, and locks by name.
CREATE TABLE file (
    name     text        COLLATE "C" PRIMARY KEY,
    modified timestamptz NOT NULL,
    body     bytea       NOT NULL
);

CREATE TABLE lock (
    name   text        COLLATE "C" PRIMARY KEY,
    holder text        NOT NULL,
    ends   timestamptz NOT NULL
);
