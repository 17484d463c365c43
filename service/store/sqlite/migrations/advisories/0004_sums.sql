-- CRC-32C of a row and of what it refers to, see sums.go. Null: written by an earlier
-- version.
ALTER TABLE version ADD COLUMN sum INTEGER;
ALTER TABLE list    ADD COLUMN sum INTEGER;
ALTER TABLE head    ADD COLUMN sum INTEGER;
