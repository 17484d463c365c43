package postgres

import (
	"time"

	"assay/service/store"
	"assay/service/store/encode"
)

// PostgreSQL has checksums of pages only if initdb enabled them. Therefore every row that a
// verdict depends on has its own checksum, over the row and the names that it refers to. It
// is verified whenever the row is read. The encoding of scan documents has its own.

// bodySum is the part of a version's checksum that covers its body, which is nil for a
// removed record.
func bodySum(body []byte) int64 {
	if body == nil {
		return -1
	}
	return int64(encode.CRC(body))
}

// versionSum does not cover the sequence number, which is not known when a record is sent.
// It does not read the body, which is not available when fixes are merged.
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
