-- How large documents are when they are unpacked, so that a reader can make room
-- before it reads them. Null: kept by an earlier version.
ALTER TABLE request ADD COLUMN size INTEGER;
ALTER TABLE scan    ADD COLUMN size INTEGER; -- of the verdict
