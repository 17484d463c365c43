// Package copying copies one store into another, to move a service from SQLite to
// PostgreSQL or back.
package copying

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"assay/service/store"
)

// batch is how many rows are copied at once. Those of scans have documents of some
// hundred KiB.
func batch(t store.Table) int {
	if t == store.TableScan {
		return 50
	}
	return 500
}

// A Copied says how much of a table there is and how much of it this run wrote.
type Copied struct {
	Table store.Table
	Rows  int64 // in both stores
	New   int64 // written by this run
	Gone  int64 // removed from the copy, since the source does not have them any more
}

// Copy makes to a copy of from, which it only reads. Where it is interrupted, the next
// call goes on. What is in to must come from an earlier copy of the same store: else the
// error is ErrNotEmpty or ErrOther. If to was used since that copy, the error is ErrUsed.
// report, if set, is called with each table that is complete.
//
// At the end both stores have the same number of rows in each table, and EndCopy was
// called on to.
func Copy(ctx context.Context, from, to store.Transfer, report func(Copied)) error {
	if err := store.CheckComplete(ctx, from); err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	goOn, err := begin(ctx, from, to)
	if err != nil {
		return err
	}
	for _, t := range store.Tables() {
		// What the source has of advisories changes only with its state.
		c, err := copyTable(ctx, from, to, t, t.Constant() || goOn && t == store.TableAdvisory)
		if err != nil {
			return fmt.Errorf("copy table %q: %w", t, err)
		}
		if report != nil {
			report(c)
		}
	}
	return to.EndCopy(ctx)
}

var (
	// ErrNotEmpty is returned for a target that holds data which is not a copy.
	ErrNotEmpty = errors.New("the target is not empty, and not a copy of this store")
	// ErrOther is returned for a target that is a copy of another store.
	ErrOther = errors.New("the target is a copy of another store")
	// ErrUsed is returned for a target that has changed since it became a copy. Copying
	// again would remove its scans, and make tokens valid that were revoked there.
	ErrUsed = errors.New("the target was used since it became a copy of this store")
)

// begin checks that the target is empty or was copied from the source before. It
// reports whether an interrupted copy of the same state goes on.
func begin(ctx context.Context, from, to store.Transfer) (goOn bool, err error) {
	unfinished, err := to.Copying(ctx)
	if err != nil {
		return false, err
	}
	empty, known := true, false
	for _, t := range []store.Table{store.TableVersion, store.TableScan, store.TableToken} {
		same, other, n, err := evidence(ctx, from, to, t)
		if err != nil {
			return false, fmt.Errorf("compare table %q: %w", t, err)
		}
		if other && unfinished != "" {
			return false, ErrOther
		}
		if other {
			return false, ErrNotEmpty
		}
		empty, known = empty && n == 0, known || same
	}
	if !empty && !known {
		return false, ErrNotEmpty
	}
	if unfinished == "" { // an incomplete copy is not used by anybody
		used, err := usedSince(ctx, from, to)
		if err != nil {
			return false, fmt.Errorf("compare the use of both stores: %w", err)
		}
		if used {
			return false, ErrUsed
		}
	}
	head, err := from.DumpRows(ctx, store.TableHead, nil, 1)
	if err != nil {
		return false, err
	}
	state := fmt.Sprint("data ", head)
	return unfinished == state, to.BeginCopy(ctx, state)
}

// evidence compares the first and the last row of a table of the copy with what the
// source has under their keys. It reports whether one is the same, whether one is
// another, and how many rows there are. The source may have removed both.
func evidence(ctx context.Context, from, to store.Transfer, t store.Table) (same, other bool, n int64, err error) {
	n, last, err := to.CountRows(ctx, t)
	if err != nil || n == 0 {
		return false, false, n, err
	}
	first, err := to.DumpRows(ctx, t, nil, 1)
	if err != nil || len(first) == 0 {
		return false, false, n, err
	}
	for _, key := range []any{first[0][0], last} {
		mine, err := to.RowAt(ctx, t, key)
		if err != nil {
			return false, false, n, err
		}
		theirs, err := from.RowAt(ctx, t, key)
		if err != nil {
			return false, false, n, err
		}
		switch {
		case theirs == nil:
		// The last use and the end of a token may have changed since. The texts of a scan
		// may be stored in another form; its ID is random.
		case sameRow(mine, theirs), t != store.TableVersion && sameValue(mine[1], theirs[1]):
			same = true
		default:
			other = true
		}
	}
	return same, other, n, nil
}

// usedSince reports whether a complete copy has imports or scans after the last one of
// the source, or a token that the source does not have, or has in an earlier state.
func usedSince(ctx context.Context, from, to store.Transfer) (bool, error) {
	for _, t := range []store.Table{store.TableImport, store.TableScan} {
		_, mine, err := to.CountRows(ctx, t)
		if err != nil {
			return false, err
		}
		_, theirs, err := from.CountRows(ctx, t)
		if err != nil {
			return false, err
		}
		if mine != nil && (theirs == nil || less(theirs, mine)) {
			return true, nil
		}
	}
	var after any
	for {
		tokens, err := to.DumpRows(ctx, store.TableToken, after, batch(store.TableToken))
		if err != nil || len(tokens) == 0 {
			return false, err
		}
		for _, mine := range tokens {
			theirs, err := from.RowAt(ctx, store.TableToken, mine[0])
			if err != nil {
				return false, err
			}
			if theirs == nil || tokenChanged(mine, theirs) {
				return true, nil
			}
		}
		after = tokens[len(tokens)-1][0]
	}
}

// tokenChanged reports whether a token was used, revoked or replaced in the copy only.
func tokenChanged(mine, theirs store.Row) bool {
	const expires, revoked, used = 6, 7, 8
	later := func(i int) bool {
		a, set := mine[i].(time.Time)
		b, _ := theirs[i].(time.Time)
		return set && a.After(b)
	}
	earlier := func(i int) bool {
		a, set := mine[i].(time.Time)
		b, limited := theirs[i].(time.Time)
		return set && (!limited || a.Before(b))
	}
	return later(used) || earlier(expires) || mine[revoked] != nil && theirs[revoked] == nil
}

// copyTable copies the rows of a table; with goOn only those after the last one that the
// target has.
func copyTable(ctx context.Context, from, to store.Transfer, t store.Table, goOn bool) (Copied, error) {
	c := Copied{Table: t}
	var after any
	if goOn {
		_, last, err := to.CountRows(ctx, t)
		if err != nil {
			return c, err
		}
		after = last
	}
	for {
		rows, err := from.DumpRows(ctx, t, after, batch(t))
		if err != nil {
			return c, err
		}
		if len(rows) == 0 {
			break
		}
		if err := to.LoadRows(ctx, t, rows); err != nil {
			return c, err
		}
		c.New += int64(len(rows))
		after = rows[len(rows)-1][0]
	}
	want, _, err := from.CountRows(ctx, t)
	if err != nil {
		return c, err
	}
	have, _, err := to.CountRows(ctx, t)
	if err == nil && have > want {
		c.Gone, err = removeGone(ctx, from, to, t)
		have -= c.Gone
	}
	if err == nil && have != want {
		err = fmt.Errorf("the copy has %d rows, the source has %d: is another process writing?", have, want)
	}
	c.Rows = want
	return c, err
}

// removeGone removes rows from the copy that the source has no more, because it was
// pruned between two runs.
func removeGone(ctx context.Context, from, to store.Transfer, t store.Table) (removed int64, err error) {
	var after any
	for {
		have, err := to.DumpRows(ctx, t, after, batch(t))
		if err != nil || len(have) == 0 {
			return removed, err
		}
		last := have[len(have)-1][0]
		kept := map[any]bool{}
		for passed := after; ; {
			rows, err := from.DumpRows(ctx, t, passed, batch(t))
			if err != nil {
				return removed, err
			}
			for _, r := range rows {
				kept[mapKey(r[0])] = true
			}
			if len(rows) == 0 || !less(rows[len(rows)-1][0], last) {
				break
			}
			passed = rows[len(rows)-1][0]
		}
		var gone []any
		for _, r := range have {
			if !kept[mapKey(r[0])] {
				gone = append(gone, r[0])
			}
		}
		if len(gone) > 0 {
			if err := to.RemoveRows(ctx, t, gone); err != nil {
				return removed, err
			}
			removed += int64(len(gone))
		}
		after = last
	}
}

// mapKey makes a key usable in a map.
func mapKey(key any) any {
	if b, ok := key.([]byte); ok {
		return string(b)
	}
	return key
}

// less compares two keys of one table.
func less(a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a < b.(int64)
	case string:
		return a < b.(string)
	case []byte:
		return bytes.Compare(a, b.([]byte)) < 0
	}
	return false
}

func sameRow(a, b store.Row) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !sameValue(a[i], b[i]) {
			return false
		}
	}
	return true
}

func sameValue(a, b any) bool {
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	return reflect.DeepEqual(a, b)
}
