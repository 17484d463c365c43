-- What scans are removed by, and what they leave behind.
CREATE INDEX scan_ref     ON scan (project, ref, at);
CREATE INDEX scan_request ON scan (request);
CREATE INDEX scan_seq     ON scan (seq);

-- The day, counted from 1970-01-01 UTC, on which a scan last referred to a piece. Null:
-- not known, the piece is older than this column.
ALTER TABLE piece ADD COLUMN used INTEGER;

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- A store that holds something already keeps everything until it is told otherwise.
INSERT INTO setting SELECT 'keep', '2160h' WHERE NOT EXISTS (SELECT 1 FROM token) AND NOT EXISTS (SELECT 1 FROM scan);
-- Scans from before this time do not say when they used a piece.
INSERT INTO setting SELECT 'pieces_since', CAST((SELECT coalesce(max(at), 0) FROM scan) AS TEXT);
