-- CRC-32C of a row, see sums.go. Null: written by an earlier version.
ALTER TABLE token    ADD COLUMN sum INTEGER; -- but for its use
ALTER TABLE derived  ADD COLUMN sum INTEGER;
ALTER TABLE scan     ADD COLUMN sum INTEGER; -- but for its documents, which have their own
ALTER TABLE scan     ADD COLUMN request_sum INTEGER; -- of the request's hash
ALTER TABLE snapshot ADD COLUMN sum INTEGER;
