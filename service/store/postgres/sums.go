package postgres

import (
	"time"

	"assay/service/store"
	"assay/service/store/encode"
)

// PostgreSQL has checksums of pages only where initdb was asked for them. What a verdict
// depends on therefore has a checksum of its own, over the row and the names that it
// refers to, which is checked whenever the row is read. Documents of scans have one in
// their encoding.

// bodySum is the part of a version's checksum that is over its body; nil is removed.
func bodySum(body []byte) int64 {
	if body == nil {
		return -1
	}
	return int64(encode.CRC(body))
}

// versionSum does not include the sequence number, which is not known when a record is
// sent, nor the body itself, which is not at hand when fixes are merged.
func versionSum(id string, from store.Origin, modified time.Time, fixes []byte, body int64) int64 {
	return new(encode.Sum).Numbers(modified.UnixMicro(), body).Text(id, from.Source, from.Part).Bytes(fixes).Int64()
}

func listSum(l store.List, from string, body []byte) int64 {
	return new(encode.Sum).Numbers(l.Seq, int64(l.Entries), l.Published.UnixMicro()).Text(l.Kind, from).Bytes(body).Int64()
}

func checkSum(kept, sum int64) error {
	if kept != sum {
		return encode.ErrSum
	}
	return nil
}
