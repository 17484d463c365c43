package links_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/pgtest"
	"assay/service/links"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
)

var shared pgtest.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

var start = time.Date(2026, 11, 24, 12, 0, 30, 0, time.UTC)

// stores runs a test on both databases. open opens the store of a process.
func stores(t *testing.T, test func(t *testing.T, open func() store.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func() store.Store {
			s, err := sqlite.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
	t.Run("postgres", func(t *testing.T) {
		server := shared.Server(t)
		url := server.URL(server.Database(t, ""))
		test(t, func() store.Store {
			s, err := postgres.Open(t.Context(), url, false)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
}

// kept stores a scan of a new token.
func kept(t *testing.T, s store.Store, id string) store.Scan {
	t.Helper()
	token := store.Token{ID: "token" + id, Name: "ci " + id, Scopes: []string{"scan"}, Created: start}
	if err := s.CreateToken(t.Context(), token, [32]byte([]byte(id+id)), store.Event{}); err != nil {
		t.Fatal(err)
	}
	scan := store.Scan{ID: id, At: start, Token: token.ID, Snapshot: "s", Request: []byte("{}"), Verdict: []byte(`{"version":1}`)}
	if _, err := s.KeepScan(t.Context(), scan); err != nil {
		t.Fatal(err)
	}
	return scan
}

func secret(t *testing.T, l *links.Links, scan store.Scan) string {
	t.Helper()
	text, err := l.Secret(t.Context(), scan)
	if err != nil || len(text) != links.Length {
		t.Fatalf("Secret(%q) = %q, %v", scan.ID, text, err)
	}
	return text
}

const (
	first  = "mzxw6ytboi3dgnbv"
	second = "nko7osn6n35jje5w"
)

// TestLinks: each process accepts the links of the others, until one of the reasons that ends
// them.
func TestLinks(t *testing.T) {
	stores(t, func(t *testing.T, open func() store.Store) {
		now := start.Add(time.Minute)
		process := func() (*links.Links, store.Store) {
			s := open()
			return &links.Links{Store: s, Lifetime: 24 * time.Hour, Now: func() time.Time { return now }, Random: rand.Reader}, s
		}
		a, st := process()
		b, _ := process()
		one, two := kept(t, st, first), kept(t, st, second)
		if again, other := secret(t, a, one), secret(t, b, one); again != other {
			t.Fatalf("two processes make the links %q and %q", again, other)
		}
		link, otherLink := secret(t, a, one), secret(t, b, two)
		refused := func(what string, l *links.Links, id, given string) {
			t.Helper()
			if scan, _, err := l.Check(t.Context(), id, given); !errors.Is(err, links.ErrRefused) {
				t.Errorf("%s: %q, %v", what, scan.ID, err)
			}
		}
		works := func(what string, id, given string) {
			t.Helper()
			if scan, sizes, err := b.Check(t.Context(), id, given); err != nil || scan.ID != id || sizes.Verdict == 0 {
				t.Errorf("%s: %q, %v", what, scan.ID, err)
			}
		}
		works("a link", first, link)
		works("another link", second, otherLink)

		for i := range link { // one character is another one
			guess := []byte(link)
			guess[i] = "0123456789"[(strings.IndexByte("0123456789", guess[i])+1)%10]
			refused("a guessed link", b, first, string(guess))
		}
		for what, given := range map[string]string{
			"nothing": "", "a part": link[:21], "more": link + "0", "another scan's": otherLink, "large": strings.Repeat("Z", links.Length),
			"zero": strings.Repeat("0", links.Length), "negative": "-" + link[1:], "a space": " " + link[1:], "a separator": link[:20] + "_0", "letters": strings.Repeat("é", 11),
		} {
			refused(what, b, first, given)
		}
		refused("an unknown scan", b, "aaaaaaaaaaaaaaaa", link)

		now = start.Add(23 * time.Hour)
		works("a link before its end", first, link)
		now = start.Add(24 * time.Hour)
		refused("a link after its end", b, first, link)
		now = start.Add(2 * time.Hour)
		b.Lifetime = time.Hour
		refused("a link under a shorter lifetime", b, first, link)
		b.Lifetime = 48 * time.Hour
		works("a link under a longer lifetime", first, link)
		now = start.Add(25 * time.Hour)
		refused("a link that ended, under a longer lifetime", b, first, link)
		now = start.Add(2 * time.Hour)
		b.Lifetime = 0
		refused("a link without links", b, first, link)
		if text, err := b.Secret(t.Context(), one); text != "" || err != nil {
			t.Errorf("a link without links: %q, %v", text, err)
		}
		b.Lifetime = 24 * time.Hour

		if err := links.Revoke(t.Context(), st, first, now); err != nil {
			t.Fatal(err)
		}
		refused("a revoked link", b, first, link)
		works("the link of another scan", second, otherLink)
		if _, err := st.RevokeToken(t.Context(), store.Revocation{Token: two.Token, At: now}, store.Event{}); err != nil {
			t.Fatal(err)
		}
		refused("the link of a revoked token", b, second, otherLink)

		three := kept(t, st, "aaaaaaaaaaaaaaab")
		link = secret(t, a, three)
		works("a link", three.ID, link)
		if err := links.RevokeAll(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		refused("a link after all were revoked", b, three.ID, link)
		if newer := secret(t, a, three); newer == link {
			t.Error("the same link after all were revoked")
		} else {
			works("a link with the new key", three.ID, newer)
			now = start.Add(91 * 24 * time.Hour)
			pruned, err := st.Prune(t.Context(), store.Prune{Now: start.Add(800 * 24 * time.Hour), Keep: 24 * time.Hour})
			if err != nil || pruned.Scans != 3 {
				t.Fatalf("pruned %+v, %v", pruned, err)
			}
			now = start.Add(2 * time.Hour)
			refused("the link of a removed scan", b, three.ID, newer)
		}
	})
}

// TestOneKey: processes that start at the same time agree on one key.
func TestOneKey(t *testing.T) {
	stores(t, func(t *testing.T, open func() store.Store) {
		st := open()
		scan := kept(t, st, first)
		var all sync.Map
		var group sync.WaitGroup
		for range 8 {
			l := &links.Links{Store: open(), Lifetime: time.Hour, Now: time.Now, Random: rand.Reader}
			group.Go(func() {
				text, err := l.Secret(context.Background(), scan)
				if err != nil {
					t.Error(err)
				}
				all.Store(text, true)
			})
		}
		group.Wait()
		n := 0
		all.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("eight processes make %d different links", n)
		}
	})
}

// TestRevocationsEnd: a revocation is forgotten once its link would have ended.
func TestRevocationsEnd(t *testing.T) {
	s := opened(t)
	for i, id := range []string{first, second} {
		if err := links.Revoke(t.Context(), s, id, start.Add(time.Duration(i)*(links.MaxLifetime+time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.ListFiles(t.Context(), "links")
	if err != nil || len(all) != 1 || !strings.HasSuffix(all[0].Name, second) {
		t.Errorf("stored %+v, %v", all, err)
	}
}

// A damaged key makes no links.
func TestDamagedKey(t *testing.T) {
	s := opened(t)
	if err := s.PutFile(t.Context(), store.File{Name: "links/key", Modified: start, Body: []byte{}}); err != nil {
		t.Fatal(err)
	}
	l := &links.Links{Store: s, Lifetime: time.Hour, Now: time.Now, Random: rand.Reader}
	if text, err := l.Secret(t.Context(), store.Scan{ID: first, At: start}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a link %q, %v", text, err)
	}
	if _, _, err := l.Check(t.Context(), first, strings.Repeat("0", links.Length)); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a check: %v", err)
	}
}

func opened(t testing.TB) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// FuzzCheck: only one text opens a report.
func FuzzCheck(f *testing.F) {
	s := opened(f)
	if _, err := s.KeepScan(f.Context(), store.Scan{ID: first, At: start, Token: "t", Snapshot: "s", Request: []byte("{}"), Verdict: []byte("{}")}); err != nil {
		f.Fatal(err)
	}
	l := &links.Links{Store: s, Lifetime: time.Hour, Now: func() time.Time { return start }, Random: rand.Reader}
	link, err := l.Secret(f.Context(), store.Scan{ID: first, At: start})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first, link)
	f.Add(first, strings.ToLower(link))
	f.Add("", strings.Repeat("z", links.Length))
	f.Fuzz(func(t *testing.T, id, given string) {
		_, _, err := l.Check(t.Context(), id, given)
		if id == first && given == link {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, links.ErrRefused) {
			t.Errorf("Check(%q, %q): %v", id, given, err)
		}
	})
}
