-- +goose Up

-- What scans are removed by.
CREATE INDEX scan_ref ON scan (project, ref, at);
CREATE INDEX scan_seq ON scan (seq);

CREATE TABLE setting (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- A store that holds something already keeps everything until it is told otherwise.
INSERT INTO setting SELECT 'keep', '2160h'
WHERE NOT EXISTS (SELECT 1 FROM token) AND NOT EXISTS (SELECT 1 FROM scan);
