package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"assay/service/store"
	"assay/service/store/encode"
)

const (
	addRequest = `INSERT INTO request (hash, body, size) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	addScan    = `
	INSERT INTO scan (id, at, token, key, project, ref, commit_id, snapshot, seq, verdict, request, size, sum, request_sum, passed, outcome)
	SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, n, ?12, ?13, ?14, ?15, ?16 FROM request WHERE hash = ?1
	ON CONFLICT (token, key) WHERE key <> '' DO NOTHING`
)

// KeepScan implements store.Scans. It compresses before it makes other writers wait. A
// request that was sent in gzip is stored as it was sent.
func (s *Store) KeepScan(ctx context.Context, scan store.Scan) (store.Scan, error) {
	kept, err := s.keepScan(ctx, scan)
	if err != nil {
		return store.Scan{}, fmt.Errorf("keep scan: %w", err)
	}
	kept.RequestGzip = nil
	return kept, nil
}

func (s *Store) keepScan(ctx context.Context, scan store.Scan) (store.Scan, error) {
	if !s.reserve.whole() {
		return store.Scan{}, errNoRoom
	}
	buf, _ := s.buffers.Get().(*buffers)
	if buf == nil {
		buf = new(buffers)
	}
	defer s.buffers.Put(buf)
	head, pieces, tail := s.pieces.of(scan.Verdict)
	sent, request := scan.RequestGzip, scan.RequestGzip
	if sent == nil {
		sent = scan.Request
		buf.request = encode.PackDocument(encode.FormWhole, buf.request, scan.Request)
		request = buf.request
	}
	hash := sha256.Sum256(sent)
	err := s.state.update(ctx, quick, func(tx transaction) error {
		if err := tx.use(pieces, dayOf(scan.At)); err != nil {
			return err
		}
		buf.frame = appendFrame(buf.frame[:0], scan.Verdict, head, pieces, tail)
		buf.verdict = encode.PackDocument(encode.FormFrame, buf.verdict, buf.frame)
		if _, err := tx.exec(addRequest, hash[:], request, len(scan.Request)); err != nil {
			return err
		}
		n, err := tx.exec(addScan, hash[:], scan.ID, toMicro(scan.At), scan.Token, scan.Key,
			scan.Project, scan.Ref, scan.Commit, scan.Snapshot, scan.Seq, buf.verdict, len(scan.Verdict),
			scanSum(scan, toMicro(scan.At)), new(encode.Sum).Bytes(hash[:]).Int64(), boolean(encode.Passed(scan.Verdict)), encode.Outcome(scan.Verdict))
		if err == nil && n == 0 {
			err = errKeyUsed
		}
		return err
	})
	if errors.Is(err, errKeyUsed) {
		earlier, _, err := s.findScan(ctx, findByKey, scan.Token, scan.Key)
		return earlier, err
	}
	if err != nil {
		return store.Scan{}, err
	}
	s.pieces.remember(pieces)
	return scan, nil
}

// buffers are the memory of one KeepScan, which the next one uses again.
type buffers struct{ frame, verdict, request []byte }

// errKeyUsed rolls back the transaction of a scan with the key of an earlier one.
var errKeyUsed = errors.New("idempotency key was used")

const scanColumns = `scan.id, scan.at, scan.token, scan.key, scan.project, scan.ref, scan.commit_id, scan.snapshot, scan.seq, scan.sum`

const findByKey = `SELECT ` + scanColumns + `, request.size, scan.size
	FROM scan JOIN request ON request.n = scan.request WHERE scan.token = ? AND scan.key = ? AND scan.key <> ''`

const findByID = `SELECT ` + scanColumns + `, request.size, scan.size
	FROM scan JOIN request ON request.n = scan.request WHERE scan.id = ?`

const findScan = `SELECT ` + scanColumns + `, request.body, scan.verdict, scan.size, request.hash, scan.request_sum
	FROM scan JOIN request ON request.n = scan.request WHERE scan.id = ?`

const findPassed = `SELECT ` + scanColumns + `, request.size, scan.size
	FROM scan JOIN request ON request.n = scan.request
	WHERE scan.project = ? AND scan.ref = ? AND scan.passed = 1 AND scan.at < ? ORDER BY scan.at DESC, scan.n DESC LIMIT 1`

const findVerdict = `SELECT verdict, size FROM scan WHERE id = ?`

// maxDocument is larger than any document that was stored without its size.
const maxDocument = 96 << 20

// FindScan implements store.Scans.
func (s *Store) FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error) {
	scan, sizes, err := s.findScan(ctx, findByID, id)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Scan{}, store.Sizes{}, fmt.Errorf("scan %q: %w", id, err)
	}
	return scan, sizes, nil
}

// PassedScan implements store.Scans.
func (s *Store) PassedScan(ctx context.Context, project, ref string, before time.Time) (store.Scan, store.Sizes, error) {
	scan, sizes, err := s.findScan(ctx, findPassed, project, ref, toMicro(before))
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Scan{}, store.Sizes{}, fmt.Errorf("newest scan of %q and %q that passed: %w", project, ref, err)
	}
	return scan, sizes, nil
}

func (s *Store) findScan(ctx context.Context, query string, args ...any) (store.Scan, store.Sizes, error) {
	var k scanRow
	var request, verdict sql.NullInt64
	if err := s.state.read.row(ctx, query, args, append(k.dest(), &request, &verdict)...); err != nil {
		return store.Scan{}, store.Sizes{}, err
	}
	size := func(n sql.NullInt64) int64 {
		if n.Valid {
			return n.Int64
		}
		return maxDocument
	}
	found, err := k.scan()
	return found, store.Sizes{Request: size(request), Verdict: size(verdict)}, err
}

// ScanVerdict implements store.Scans.
func (s *Store) ScanVerdict(ctx context.Context, id string) ([]byte, error) {
	var packed []byte
	var size sql.NullInt64
	err := s.state.read.row(ctx, findVerdict, []any{id}, &packed, &size)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("verdict of scan %q: %w", id, err)
	}
	verdict, err := s.verdict(ctx, packed, size.Int64)
	if err != nil {
		return nil, fmt.Errorf("verdict of scan %q: %w", id, err)
	}
	return verdict, nil
}

// Scan implements store.Scans.
func (s *Store) Scan(ctx context.Context, id string) (store.Scan, error) {
	scan, err := s.wholeScan(ctx, findScan, id)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Scan{}, fmt.Errorf("scan %q: %w", id, err)
	}
	return scan, nil
}

func (s *Store) wholeScan(ctx context.Context, query string, args ...any) (store.Scan, error) {
	var k scanRow
	var request, verdict, hash []byte
	var size, requestSum sql.NullInt64
	err := s.state.read.row(ctx, query, args, append(k.dest(), &request, &verdict, &size, &hash, &requestSum)...)
	if err != nil {
		return store.Scan{}, err
	}
	scan, err := k.scan()
	if err == nil {
		err = checkSum(requestSum, new(encode.Sum).Bytes(hash).Int64())
	}
	if err != nil {
		return store.Scan{}, err
	}
	if _, scan.Request, err = encode.UnpackDocument(request); err != nil {
		return store.Scan{}, fmt.Errorf("stored request: %w", err)
	}
	if scan.Verdict, err = s.verdict(ctx, verdict, size.Int64); err != nil {
		return store.Scan{}, fmt.Errorf("stored verdict: %w", err)
	}
	return scan, nil
}

const (
	listScans     = `SELECT ` + scanColumns + ` FROM scan ORDER BY at DESC, n DESC LIMIT ?`
	scansOfCommit = `SELECT ` + scanColumns + ` FROM scan
	WHERE commit_id = ?1 AND commit_id <> '' AND (?2 = '' OR project = ?2) ORDER BY at DESC, n DESC LIMIT ?3`
)

// ListScans implements store.Scans.
func (s *Store) ListScans(ctx context.Context, limit int) ([]store.Scan, error) {
	return s.queryScans(ctx, listScans, max(limit, 0)) // for SQLite a negative limit means no limit
}

// ScansOfCommit implements store.Scans.
func (s *Store) ScansOfCommit(ctx context.Context, commit, project string, limit int) ([]store.Scan, error) {
	return s.queryScans(ctx, scansOfCommit, commit, project, max(limit, 0))
}

func (s *Store) queryScans(ctx context.Context, query string, args ...any) ([]store.Scan, error) {
	var scans []store.Scan
	err := s.state.read.rows(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		var k scanRow
		if err := rows.Scan(k.dest()...); err != nil {
			return false, err
		}
		scan, err := k.scan()
		scans = append(scans, scan)
		return err == nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("list scans: %w", err)
	}
	return scans, nil
}

// A scanRow has the values of scanColumns.
type scanRow struct {
	kept store.Scan
	at   int64
	sum  sql.NullInt64
}

func (r *scanRow) dest() []any {
	k := &r.kept
	return []any{&k.ID, &r.at, &k.Token, &k.Key, &k.Project, &k.Ref, &k.Commit, &k.Snapshot, &k.Seq, &r.sum}
}

func (r *scanRow) scan() (store.Scan, error) {
	if err := checkSum(r.sum, scanSum(r.kept, r.at)); err != nil {
		return store.Scan{}, fmt.Errorf("stored scan %q: %w", r.kept.ID, err)
	}
	r.kept.At = fromMicro(r.at)
	return r.kept, nil
}
