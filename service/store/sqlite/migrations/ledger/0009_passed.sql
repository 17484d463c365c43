-- Whether the verdict is a pass. Null: kept by an earlier version.
ALTER TABLE scan ADD COLUMN passed INTEGER;
CREATE INDEX scan_passed ON scan (project, ref, at) WHERE passed = 1;
