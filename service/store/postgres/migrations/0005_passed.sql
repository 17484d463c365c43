-- +goose Up

-- Whether the verdict is a pass. Null: kept by an earlier version.
ALTER TABLE scan ADD COLUMN passed boolean;
CREATE INDEX scan_passed ON scan (project, ref, at) WHERE passed;
