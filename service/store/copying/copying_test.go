package copying_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/check/testkit/pgtest"
	"assay/service/store"
	"assay/service/store/copying"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
)

var shared pgtest.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

func openSQLite(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openPostgres(t *testing.T) store.Store {
	t.Helper()
	server := shared.Server(t)
	s, err := postgres.Open(t.Context(), server.URL(server.Database(t, "")), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func day(n int) time.Time { return time.Date(2025, 1, n, 12, 0, 0, 123456000, time.UTC) }

// fill puts something into every table of a store, more than one batch of each kind of
// large rows. It can be called again with another round for more.
func fill(t *testing.T, s store.Store, round int) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records := func(n int) iter.Seq2[store.Record, error] {
		return func(yield func(store.Record, error) bool) {
			for i := range n {
				r := store.Record{ID: fmt.Sprintf("X-%d", i), Modified: day(1 + i%5), Body: fmt.Appendf(nil, `{"id":"X-%d","round":%d}`, i, round*(i%7))}
				if i%3 > 0 {
					r.Fixes = []store.Fix{{Ecosystem: "Debian:12", Package: "curl", Version: fmt.Sprint(i + round)}}
				}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	_, err := s.Import(ctx, store.Import{Origin: store.Origin{Source: "osv", Part: "Debian"}, At: day(round), Whole: true, State: "etag"}, records(1200-100*round))
	must(err)
	_, err = s.Import(ctx, store.Import{Origin: store.Origin{Source: "own"}, At: day(round), Sample: true}, records(3))
	must(err)
	must(s.FeedFailed(ctx, store.Origin{Source: "osv", Part: "npm"}, day(round), "no route"))
	_, err = s.KeepList(ctx, store.Import{Origin: store.Origin{Source: "kev"}, At: day(round)}, store.List{Kind: "kev", Published: day(round), Entries: 1, Body: fmt.Appendf(nil, "list %d", round)})
	must(err)
	head, err := s.Head(ctx)
	must(err)
	must(s.Published(ctx, fmt.Sprintf("%064d", round), head.Seq))
	token := store.Token{ID: fmt.Sprint("id", round), Name: fmt.Sprint("ci", round), Scopes: []string{"scan", "read"}, Project: "shop", Created: day(round)}
	if round == 2 {
		token.Scopes, token.Expires = nil, day(9)
	}
	must(s.CreateToken(ctx, token, [32]byte{byte(round)}, store.Event{At: day(round), Actor: "ops", Action: store.ActionTokenCreate, Object: token.Name, Project: "shop", Detail: "x", Refused: round == 2}))
	must(s.DeriveToken(ctx, token.ID, [32]byte{byte(150 + round)}, []string{"scan", "read"}, day(round), day(round+20)))
	must(s.PutFile(ctx, store.File{Name: fmt.Sprint("acme/", round), Modified: day(round), Body: []byte("key")}))
	must(s.UsedToken(ctx, token.ID, day(round)))
	must(s.DeriveToken(ctx, token.ID, [32]byte{byte(100 + round)}, nil, day(round), day(round+20)))
	for i := range 130 {
		id, err := store.NewID(rand.Reader)
		must(err)
		scan := store.Scan{ID: id, At: day(round).Add(time.Duration(i) * time.Second), Token: token.ID, Project: "shop", Ref: fmt.Sprint("branch", i%10), Commit: "c0ffee",
			Snapshot: fmt.Sprintf("%064d", round), Seq: head.Seq, Request: fmt.Appendf(nil, `{"components":[%d]}`, i%20),
			Verdict: []byte(`{"findings":[` + strings.Repeat(`{"id":"CVE-1","text":"of many"},`, i) + `{"id":"last"}],"counts":{}}`)}
		if i%2 == 0 {
			scan.Key = fmt.Sprint("key", i)
		}
		_, err = s.KeepScan(ctx, scan)
		must(err)
	}
}

// contents returns all rows of a store. Of scans it has what is read through the
// interface that the service uses, byte for byte.
func contents(t *testing.T, s store.Store) map[store.Table][]store.Row {
	t.Helper()
	all := map[store.Table][]store.Row{}
	for _, table := range store.Tables() {
		rows, err := s.DumpRows(t.Context(), table, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if n, _, err := s.CountRows(t.Context(), table); err != nil || n != int64(len(rows)) {
			t.Errorf("table %q: counted %d, %v, read %d", table, n, err, len(rows))
		}
		for _, r := range rows {
			if table == store.TableScan {
				scan, err := s.Scan(t.Context(), r[1].(string))
				if err != nil {
					t.Fatal(err)
				}
				r[11] = string(scan.Request) // however it is packed
				r[13] = string(scan.Verdict)
			}
		}
		all[table] = rows
	}
	return all
}

func compare(t *testing.T, what string, got, want map[store.Table][]store.Row) {
	t.Helper()
	for _, table := range store.Tables() {
		if len(want[table]) == 0 {
			t.Errorf("%s: table %q is empty: nothing is compared", what, table)
		}
		for i, row := range want[table] {
			if i >= len(got[table]) || !reflect.DeepEqual(got[table][i], row) {
				t.Errorf("%s: row %d of table %q differs:\n got %.500v\nwant %.500v", what, i, table, got[table][min(i, len(got[table])-1):], row)
				break
			}
		}
	}
}

// A flaky side fails after some writes, once before and once after it has written, and
// later each time.
type flaky struct {
	store.Store
	calls, fail int
	after       bool
}

var errCut = errors.New("cut")

func (f *flaky) LoadRows(ctx context.Context, t store.Table, rows []store.Row) error {
	if f.calls++; f.calls < f.fail {
		return f.Store.LoadRows(ctx, t, rows)
	}
	f.calls, f.fail = 0, f.fail+1
	if f.after = !f.after; f.after {
		if err := f.Store.LoadRows(ctx, t, rows); err != nil {
			return err
		}
	}
	return errCut
}

func TestThereAndBack(t *testing.T) {
	from, to, back := openSQLite(t), openPostgres(t), openSQLite(t)
	fill(t, from, 1)
	want := contents(t, from)
	cut := &flaky{Store: to, fail: 1}
	times := 0
	for ; times < 100; times++ {
		err := copying.Copy(t.Context(), from, cut, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if err := to.Check(t.Context()); !errors.Is(err, store.ErrIncomplete) {
			t.Fatalf("an incomplete copy: %v", err)
		}
	}
	if times < 5 || times == 100 {
		t.Errorf("the copy was interrupted only %d times", times)
	}
	compare(t, "the copy", contents(t, to), want)
	compare(t, "the source", contents(t, from), want)
	if err := to.Check(t.Context()); err != nil {
		t.Error(err)
	}

	// The service went on before the switch: the next run copies what is new and
	// removes what is gone.
	fill(t, from, 2)
	if got, err := from.Prune(t.Context(), store.Prune{Now: day(392), Keep: 390 * 24 * time.Hour}); err != nil || got.Scans == 0 {
		t.Fatalf("pruned %+v, %v", got, err)
	}
	want = contents(t, from)
	if err := copying.Copy(t.Context(), from, to, nil); err != nil {
		t.Fatal(err)
	}
	compare(t, "the copy after the second run", contents(t, to), want)

	// And back. Numbers go on after those that were copied.
	fill(t, to, 3)
	want = contents(t, to)
	if err := copying.Copy(t.Context(), to, back, nil); err != nil {
		t.Fatal(err)
	}
	compare(t, "the copy back", contents(t, back), want)
	for _, s := range []store.Store{to, back} {
		if problems, err := s.Verify(t.Context()); err != nil || len(problems) > 0 {
			t.Errorf("verify: %q, %v", problems, err)
		}
	}
	fill(t, back, 4)
}

func TestRefused(t *testing.T) {
	ctx := t.Context()
	from, other, to := openSQLite(t), openSQLite(t), openPostgres(t)
	fill(t, from, 1)
	fill(t, other, 2)
	if err := copying.Copy(ctx, from, other, nil); !errors.Is(err, copying.ErrNotEmpty) {
		t.Errorf("into another store: %v", err)
	}
	if err := copying.Copy(ctx, from, &flaky{Store: to, fail: 7}, nil); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	if err := copying.Copy(ctx, other, to, nil); !errors.Is(err, copying.ErrOther) {
		t.Errorf("over a copy of another store: %v", err)
	}
	if err := copying.Copy(ctx, to, openSQLite(t), nil); !errors.Is(err, store.ErrIncomplete) {
		t.Errorf("from an incomplete copy: %v", err)
	}
}

// A copy that an assayd has worked with is not copied over: its scans would be removed,
// and a token that was revoked there would be valid again.
func TestUsedCopy(t *testing.T) {
	ctx := t.Context()
	for name, use := range map[string]func(store.Store) error{
		"a scan": func(s store.Store) error {
			_, err := s.KeepScan(ctx, store.Scan{ID: "one", At: day(9), Token: "id1", Request: []byte("{}"), Verdict: []byte("{}")})
			return err
		},
		"an import": func(s store.Store) error {
			_, err := s.Import(ctx, store.Import{Origin: store.Origin{Source: "own"}, At: day(9)}, func(func(store.Record, error) bool) {})
			return err
		},
		"a new token": func(s store.Store) error {
			return s.CreateToken(ctx, store.Token{ID: "id9", Name: "new", Created: day(9)}, [32]byte{9}, store.Event{})
		},
		"a revoked token": func(s store.Store) error {
			_, err := s.RevokeToken(ctx, store.Revocation{Token: "id1", At: day(9)}, store.Event{})
			return err
		},
		"a used token": func(s store.Store) error { return s.UsedToken(ctx, "id1", day(9)) },
		"a replaced token": func(s store.Store) error {
			_, _, err := s.RotateToken(ctx, store.Token{ID: "id9", Name: "ci1", Created: day(9)}, [32]byte{9}, store.Rotation{End: day(10)}, store.Event{})
			return err
		},
	} {
		from, to := openSQLite(t), openSQLite(t)
		fill(t, from, 1)
		for range 2 { // the second finds nothing to do
			if err := copying.Copy(ctx, from, to, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := use(to); err != nil {
			t.Fatal(err)
		}
		if err := copying.Copy(ctx, from, to, nil); !errors.Is(err, copying.ErrUsed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := to.Check(ctx); err != nil {
			t.Errorf("%s: the copy cannot be used any more: %v", name, err)
		}
	}
}

// SQLite keeps any text. PostgreSQL refuses a NUL, and bytes that are not UTF-8.
func TestStrangeText(t *testing.T) {
	ctx, from, to := t.Context(), openSQLite(t), openPostgres(t)
	for i, ref := range []string{"a\x00b", "\xff\xfe", "plain"} {
		_, err := from.KeepScan(ctx, store.Scan{ID: fmt.Sprint("scan", i), At: day(1 + i), Token: "t", Project: ref, Ref: ref, Request: []byte("{}"), Verdict: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := copying.Copy(ctx, from, to, nil); err != nil {
			t.Fatal(err)
		}
	}
	if scan, err := to.Scan(ctx, "scan0"); err != nil || scan.Ref != "a\uFFFDb" {
		t.Errorf("copied %+v, %v", scan, err)
	}
}
