package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/encode"
)

const (
	addRequest = `INSERT INTO request (hash, body, size) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	addScan    = `
	INSERT INTO scan (id, at, token, key, project, ref, commit_id, snapshot, seq, request, verdict, size, passed, outcome)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
	ON CONFLICT (token, key) WHERE key <> '' DO NOTHING`
)

// KeepScan implements store.Scans. A request in gzip is stored as received. Both rows are
// written in one round trip and one transaction. Of two scans with the same key, the
// unique index accepts one, even if two processes send them.
func (s *Store) KeepScan(ctx context.Context, scan store.Scan) (store.Scan, error) {
	kept, err := s.keepScan(ctx, scan)
	if sqlState(err) == foreignKeyViolation { // the request was pruned between the two statements
		kept, err = s.keepScan(ctx, scan)
	}
	if err != nil {
		return store.Scan{}, fmt.Errorf("keep scan: %w", err)
	}
	kept.RequestGzip = nil
	return kept, nil
}

// buffers are reused by the next KeepScan.
type buffers struct{ request, verdict []byte }

var pool = sync.Pool{New: func() any { return new(buffers) }}

func (s *Store) keepScan(ctx context.Context, scan store.Scan) (store.Scan, error) {
	buf := pool.Get().(*buffers)
	defer pool.Put(buf)
	sent, request := scan.RequestGzip, scan.RequestGzip
	if sent == nil {
		sent = scan.Request
		buf.request = encode.PackDocument(encode.FormWhole, buf.request, scan.Request)
		request = buf.request
	}
	hash := sha256.Sum256(sent)
	buf.verdict = encode.PackDocument(encode.FormWhole, buf.verdict, scan.Verdict)

	var batch pgx.Batch
	batch.Queue(addRequest, hash[:], request, len(scan.Request))
	batch.Queue(addScan, scan.ID, scan.At, text(scan.Token), text(scan.Key), label(scan.Project), label(scan.Ref), label(scan.Commit),
		scan.Snapshot, scan.Seq, hash[:], buf.verdict, len(scan.Verdict), encode.Passed(scan.Verdict), encode.Outcome(scan.Verdict))
	written, err := s.send(ctx, &batch)
	if err != nil {
		return store.Scan{}, err
	}
	if written == 0 {
		earlier, _, err := s.findScan(ctx, findByKey, text(scan.Token), text(scan.Key))
		return earlier, err
	}
	return scan, nil
}

// send runs a batch in one transaction, and returns how many rows its last statement
// affected.
func (s *Store) send(ctx context.Context, batch *pgx.Batch) (affected int64, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	limited, cancel := context.WithTimeout(ctx, quickTime)
	defer cancel()
	results := conn.SendBatch(limited, batch)
	for range batch.Len() {
		tag, e := results.Exec()
		err = errors.Join(err, e)
		affected = tag.RowsAffected()
	}
	return affected, failed(ctx, errors.Join(err, results.Close())) // the answer to the commit comes last
}

const scanColumns = `scan.id, scan.at, scan.token, scan.key, scan.project, scan.ref, scan.commit_id, scan.snapshot, scan.seq`

const (
	findByKey = `SELECT ` + scanColumns + `, request.size, scan.size
		FROM scan JOIN request ON request.hash = scan.request WHERE scan.token = $1 AND scan.key = $2 AND scan.key <> ''`
	findByID = `SELECT ` + scanColumns + `, request.size, scan.size
		FROM scan JOIN request ON request.hash = scan.request WHERE scan.id = $1`
	findScan = `SELECT ` + scanColumns + `, request.body, scan.verdict
		FROM scan JOIN request ON request.hash = scan.request WHERE scan.id = $1`
	findPassed = `SELECT ` + scanColumns + `, request.size, scan.size
		FROM scan JOIN request ON request.hash = scan.request
		WHERE scan.project = $1 AND scan.ref = $2 AND scan.passed AND scan.at < $3 ORDER BY scan.at DESC, scan.n DESC LIMIT 1`
	findVerdict = `SELECT verdict FROM scan WHERE id = $1`
)

// FindScan implements store.Scans.
func (s *Store) FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error) {
	scan, sizes, err := s.findScan(ctx, findByID, text(id))
	if err != nil {
		return store.Scan{}, store.Sizes{}, fmt.Errorf("scan %q: %w", id, err)
	}
	return scan, sizes, nil
}

// PassedScan implements store.Scans.
func (s *Store) PassedScan(ctx context.Context, project, ref string, before time.Time) (store.Scan, store.Sizes, error) {
	scan, sizes, err := s.findScan(ctx, findPassed, label(project), label(ref), before)
	if err != nil {
		return store.Scan{}, store.Sizes{}, fmt.Errorf("newest scan of %q and %q that passed: %w", project, ref, err)
	}
	return scan, sizes, nil
}

func (s *Store) findScan(ctx context.Context, query string, args ...any) (store.Scan, store.Sizes, error) {
	var found store.Scan
	var sizes store.Sizes
	if err := s.row(ctx, query, args, append(scanDest(&found), &sizes.Request, &sizes.Verdict)...); err != nil {
		return store.Scan{}, store.Sizes{}, notFound(err)
	}
	found.At = found.At.UTC()
	return found, sizes, nil
}

// ScanVerdict implements store.Scans.
func (s *Store) ScanVerdict(ctx context.Context, id string) ([]byte, error) {
	var packed []byte
	err := s.row(ctx, findVerdict, []any{text(id)}, &packed)
	if err != nil {
		return nil, fmt.Errorf("verdict of scan %q: %w", id, notFound(err))
	}
	verdict, err := document(packed)
	if err != nil {
		return nil, fmt.Errorf("verdict of scan %q: %w", id, err)
	}
	return verdict, nil
}

// Scan implements store.Scans.
func (s *Store) Scan(ctx context.Context, id string) (store.Scan, error) {
	var scan store.Scan
	err := s.read(ctx, func(tx transaction) (err error) {
		scan, err = scanIn(tx, id)
		return err
	})
	if err != nil {
		return store.Scan{}, fmt.Errorf("scan %q: %w", id, err)
	}
	return scan, nil
}

// scanIn reads a whole scan.
func scanIn(tx transaction, id string) (store.Scan, error) {
	var scan store.Scan
	var request, verdict []byte
	if err := tx.row(findScan, []any{text(id)}, append(scanDest(&scan), &request, &verdict)...); err != nil {
		return store.Scan{}, notFound(err)
	}
	scan.At = scan.At.UTC()
	var err error
	if scan.Request, err = document(request); err != nil {
		return store.Scan{}, fmt.Errorf("kept request: %w", err)
	}
	if scan.Verdict, err = document(verdict); err != nil {
		return store.Scan{}, fmt.Errorf("kept verdict: %w", err)
	}
	return scan, nil
}

func document(packed []byte) ([]byte, error) {
	form, text, err := encode.UnpackDocument(packed)
	if err == nil && form != encode.FormWhole {
		err = fmt.Errorf("%w: unknown form of a document", store.ErrDamaged)
	}
	return text, err
}

const (
	listScans     = `SELECT ` + scanColumns + ` FROM scan ORDER BY at DESC, n DESC LIMIT $1`
	scansOfCommit = `SELECT ` + scanColumns + ` FROM scan
	WHERE commit_id = $1 AND commit_id <> '' AND ($2 = '' OR project = $2) ORDER BY at DESC, n DESC LIMIT $3`
)

// ListScans implements store.Scans.
func (s *Store) ListScans(ctx context.Context, limit int) ([]store.Scan, error) {
	return s.queryScans(ctx, listScans, max(limit, 0))
}

// ScansOfCommit implements store.Scans.
func (s *Store) ScansOfCommit(ctx context.Context, commit, project string, limit int) ([]store.Scan, error) {
	return s.queryScans(ctx, scansOfCommit, label(commit), label(project), max(limit, 0))
}

func (s *Store) queryScans(ctx context.Context, query string, args ...any) ([]store.Scan, error) {
	var scans []store.Scan
	err := s.rows(ctx, slowTime, query, args, func(rows pgx.Rows) error {
		var scan store.Scan
		err := rows.Scan(scanDest(&scan)...)
		scan.At = scan.At.UTC()
		scans = append(scans, scan)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list scans: %w", err)
	}
	return scans, nil
}

// scanDest is for scanColumns.
func scanDest(k *store.Scan) []any {
	return []any{&k.ID, &k.At, &k.Token, &k.Key, &k.Project, &k.Ref, &k.Commit, &k.Snapshot, &k.Seq}
}
