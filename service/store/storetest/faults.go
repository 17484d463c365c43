package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// A Faulty is a store over a connection that can be cut.
type Faulty struct {
	store.Store
	// CutRound cuts the connection at the n-th round trip from now on, the first being
	// 1: before the request arrives, or with answered after it was carried out and
	// before the answer arrives. The function that it returns reports whether this has
	// happened, and disarms it.
	CutRound func(n int, answered bool) (fired func() bool)
}

// A write is an operation that a store must do completely or not at all. The number i makes
// each execution different.
type write struct {
	name string
	// prepare makes what the write changes; it may be nil.
	prepare func(ctx context.Context, s store.Store, i int) error
	do      func(ctx context.Context, s store.Store, i int) error
	// again repeats a write that may have been done. If it is nil, do is used.
	again func(ctx context.Context, s store.Store, i int) error
	// state describes what the write changes.
	state func(ctx context.Context, s store.Store, i int) (string, error)
	steps bool // it has several transactions
}

// RunFaults cuts the connection of every write at each of its round trips, once before the
// request arrives and once before the answer does. Whatever the store returns, the write
// must be done completely or not at all, an error must wrap store.ErrUnavailable, and it
// must be possible to repeat the write. Open opens one store twice, the first time over a
// connection that can be cut.
func RunFaults(t *testing.T, open func(t *testing.T) (Faulty, store.Store)) {
	for _, w := range writes() {
		t.Run(w.name, func(t *testing.T) { runFault(t, w, open) })
	}
}

func runFault(t *testing.T, w write, open func(t *testing.T) (Faulty, store.Store)) {
	faulty, direct := open(t)
	ctx, i := t.Context(), 0
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("write %d: %s: %v", i, what, err)
		}
	}
	state := func() string {
		t.Helper()
		s, err := w.state(ctx, direct, i)
		must("read the state", err)
		return s
	}
	begin := func() (before string) {
		t.Helper()
		i++
		if w.prepare != nil {
			must("prepare", w.prepare(ctx, direct, i))
		}
		return state()
	}
	for _, answered := range []bool{false, true} {
		notPersisted, unanswered := 0, 0
		// Other requests of the store can shift the rounds, so that the one with the commit
		// is left out. Then the rounds are cut once more.
		missed := func() bool { return answered && unanswered == 0 || !answered && notPersisted == 0 }
		for round, tries := 1, 1; ; round++ {
			before := begin()
			fired := faulty.CutRound(round, answered)
			err := w.do(ctx, faulty, i)
			if !fired() {
				must("without a cut", err)
				if !missed() || tries == 3 {
					break
				}
				round, tries = 0, tries+1
				continue
			}
			after := state()
			switch {
			case err != nil && !errors.Is(err, store.ErrUnavailable):
				t.Errorf("round %d, answered %v: error %v, want ErrUnavailable", round, answered, err)
			case err == nil && after == before:
				t.Errorf("round %d, answered %v: no error, and nothing was written", round, answered)
			case err != nil && after == before:
				notPersisted++
			case err != nil:
				unanswered++
			}
			again := w.again
			if again == nil {
				again = w.do
			}
			must("repeat", again(ctx, faulty, i))
			repeated := state()
			if err != nil && after != before && repeated != after {
				t.Errorf("round %d, answered %v: it was %q, and %q when it was repeated", round, answered, after, repeated)
			}
			if repeated == before {
				t.Errorf("round %d, answered %v: repeated, it is as before: %q", round, answered, before)
			}
			if round > 500 {
				t.Fatal("the write has no end")
			}
		}
		t.Logf("answered %v: %d writes not persisted, %d persisted and unanswered", answered, notPersisted, unanswered)
		if answered && unanswered == 0 {
			t.Error("no write was persisted and unanswered")
		}
		if !answered && notPersisted == 0 {
			t.Error("no write was cut before it was persisted")
		}
		if !answered && unanswered > 0 && !w.steps {
			t.Errorf("%d writes failed before they arrived, and are persisted", unanswered)
		}
	}
}

// hash makes the hash of the i-th token of a kind.
func hash(kind byte, i int) (h [32]byte) {
	h[0], h[1], h[2] = kind, byte(i), byte(i>>8)
	return h
}

func name(kind string, i int) string { return fmt.Sprintf("%s-%d", kind, i) }

// writes are all operations that a lost connection could leave half done.
func writes() []write {
	tokensOf := func(kind string) func(ctx context.Context, s store.Store, i int) (string, error) {
		return func(ctx context.Context, s store.Store, i int) (string, error) {
			list, err := s.ListTokens(ctx)
			var out []string
			for _, t := range list {
				if t.Name == name(kind, i) {
					out = append(out, fmt.Sprintf("revoked %v, expires %d, used %v", !t.Revoked.IsZero(), t.Expires.Day(), !t.Used.IsZero()))
				}
			}
			return strings.Join(out, "; "), err
		}
	}
	createToken := func(kind string) func(ctx context.Context, s store.Store, i int) error {
		return func(ctx context.Context, s store.Store, i int) error {
			return s.CreateToken(ctx, store.Token{ID: name(kind, i), Name: name(kind, i), Created: day(1)}, hash(kind[0], i), store.Event{})
		}
	}
	importOf := func(i, version int, records ...store.Record) func(ctx context.Context, s store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			_, err := s.Import(ctx, whole(name("source", i), version), all(records...))
			return err
		}
	}
	faultScan := func(i int) store.Scan {
		return store.Scan{ID: name("scan", i), At: day(3), Token: "token", Key: name("key", i), Seq: 1,
			Request: []byte(name("request", i)), Verdict: []byte(name("verdict", i))}
	}
	return []write{
		{
			name: "import",
			prepare: func(ctx context.Context, s store.Store, i int) error {
				return importOf(i, 1, record(name("A", i), day(1), "a", fix("1")), record(name("B", i), day(1), "b"))(ctx, s)
			},
			do: func(ctx context.Context, s store.Store, i int) error {
				return importOf(i, 2, record(name("A", i), day(2), "a2", fix("2")), record(name("C", i), day(2), "c"))(ctx, s)
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				var out []string
				for _, id := range []string{name("A", i), name("B", i), name("C", i)} {
					r, err := s.Record(ctx, name("source", i), id, 1<<40)
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						return "", err
					}
					out = append(out, fmt.Sprintf("%s %v %d", r.Body, r.Removed, len(r.Fixes)))
				}
				head, err := s.Head(ctx)
				if err != nil {
					return "", err
				}
				held := 0
				for _, err := range s.Held(ctx, from(name("source", i))) {
					if err != nil {
						return "", err
					}
					held++
				}
				return fmt.Sprintf("%s; held %d; %d records", strings.Join(out, ", "), held, head.Records), nil
			},
		},
		{
			name: "list",
			do: func(ctx context.Context, s store.Store, i int) error {
				_, err := s.KeepList(ctx, source("kev", 1), store.List{Kind: "kev", Entries: i, Body: []byte(name("list", i))})
				return err
			},
			state: func(ctx context.Context, s store.Store, _ int) (string, error) {
				for l, err := range s.Lists(ctx, 0, 1<<40) {
					return fmt.Sprintf("%d %s", l.Seq, l.Body), err
				}
				return "none", nil
			},
		},
		{
			name: "failure of a feed",
			do: func(ctx context.Context, s store.Store, i int) error {
				return s.FeedFailed(ctx, from(name("feed", i)), day(1), "no route")
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				sources, err := s.Sources(ctx)
				for _, src := range sources {
					if src.Origin == from(name("feed", i)) {
						return src.Err, err
					}
				}
				return "none", err
			},
		},
		{
			name: "state of a feed",
			do: func(ctx context.Context, s store.Store, i int) error {
				return s.FeedState(ctx, from(name("stated", i)), day(1), "state")
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				sources, err := s.Sources(ctx)
				for _, src := range sources {
					if src.Origin == from(name("stated", i)) {
						return src.State, err
					}
				}
				return "none", err
			},
		},
		{
			name: "lead",
			do: func(ctx context.Context, s store.Store, i int) error {
				lead, err := s.LeadFeeds(ctx)
				if err != nil {
					return err
				}
				_, err = lead.Import(lead.Context(), source(name("led", i), 1), all(record(name("L", i), day(1), "l")))
				if e := lead.Release(); err == nil {
					err = e
				}
				return err
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				for r, err := range s.Held(ctx, from(name("led", i))) {
					return r.ID, err
				}
				return "none", nil
			},
			steps: true,
		},
		{
			name: "published snapshot",
			do:   func(ctx context.Context, s store.Store, i int) error { return s.Published(ctx, name("snapshot", i), 1) },
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				seq, err := s.Snapshot(ctx, name("snapshot", i))
				if errors.Is(err, store.ErrNotFound) {
					err = nil
				}
				return fmt.Sprint(seq), err
			},
		},
		{
			name: "new token",
			do:   createToken("new"),
			again: func(ctx context.Context, s store.Store, i int) error {
				err := createToken("new")(ctx, s, i)
				if errors.Is(err, store.ErrNameTaken) { // it was made
					return nil
				}
				return err
			},
			state: tokensOf("new"),
		},
		{
			name:    "rotated token",
			prepare: createToken("rotated"),
			do: func(ctx context.Context, s store.Store, i int) error {
				_, _, err := s.RotateToken(ctx, store.Token{ID: name("after", i), Name: name("rotated", i), Created: day(2)}, hash('R', i), store.Rotation{End: day(9)}, store.Event{})
				return err
			},
			again: func(ctx context.Context, s store.Store, i int) error {
				if _, err := s.TokenByHash(ctx, hash('R', i)); err == nil {
					return nil // the secret is lost with the answer; whoever asked rotates again
				}
				_, _, err := s.RotateToken(ctx, store.Token{ID: name("after", i), Name: name("rotated", i), Created: day(2)}, hash('R', i), store.Rotation{End: day(9)}, store.Event{})
				return err
			},
			state: tokensOf("rotated"),
		},
		{
			name:    "revoked token",
			prepare: createToken("gone"),
			do: func(ctx context.Context, s store.Store, i int) error {
				_, err := s.RevokeToken(ctx, store.Revocation{Token: name("gone", i), At: day(5)}, store.Event{})
				return err
			},
			state: tokensOf("gone"),
		},
		{
			name:    "use of a token",
			prepare: createToken("used"),
			do: func(ctx context.Context, s store.Store, i int) error {
				return s.UsedToken(ctx, name("used", i), day(5))
			},
			state: tokensOf("used"),
		},
		{
			name:    "derived token",
			prepare: createToken("parent"),
			do: func(ctx context.Context, s store.Store, i int) error {
				return s.DeriveToken(ctx, name("parent", i), hash('D', i), nil, day(2), day(3))
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				t, err := s.TokenByHash(ctx, hash('D', i))
				if errors.Is(err, store.ErrNotFound) {
					return "none", nil
				}
				return t.ID, err
			},
		},
		{
			name: "scan",
			do: func(ctx context.Context, s store.Store, i int) error {
				_, err := s.KeepScan(ctx, faultScan(i))
				return err
			},
			// A client sends its key again, and the service has another id for it.
			again: func(ctx context.Context, s store.Store, i int) error {
				scan := faultScan(i)
				scan.ID += "-again"
				_, err := s.KeepScan(ctx, scan)
				return err
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				scans, err := s.ListScans(ctx, 10_000)
				var out []string
				for _, scan := range scans {
					if scan.Key != name("key", i) {
						continue
					}
					whole, err := s.Scan(ctx, scan.ID)
					if err != nil {
						return "", err
					}
					out = append(out, fmt.Sprintf("%s %s", whole.Request, whole.Verdict))
				}
				return strings.Join(out, "; "), err
			},
		},
		{
			name: "pruned scan",
			prepare: func(ctx context.Context, s store.Store, i int) error {
				scan := faultScan(i)
				scan.ID, scan.Key, scan.At, scan.Ref = name("old", i), "", day(1).AddDate(-10, 0, 0), name("ref", i)
				_, err := s.KeepScan(ctx, scan)
				return err
			},
			do: func(ctx context.Context, s store.Store, _ int) error {
				_, err := s.Prune(ctx, store.Prune{Now: day(1), Keep: time.Hour})
				return err
			},
			state: func(ctx context.Context, s store.Store, i int) (string, error) {
				_, err := s.Scan(ctx, name("old", i))
				if errors.Is(err, store.ErrNotFound) {
					return "removed", nil
				}
				return "kept", err
			},
			steps: true,
		},
	}
}
