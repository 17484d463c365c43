-- +goose Up

-- The outcome of the verdict. Null: kept by an earlier version.
ALTER TABLE scan ADD COLUMN outcome text COLLATE "C";
CREATE INDEX scan_project ON scan (project, at, n);
