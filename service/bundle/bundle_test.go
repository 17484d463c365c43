package bundle

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit/osvtest"
	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/store"
	"assay/service/store/sqlite"
)

func day(n int) time.Time { return time.Date(2026, 12, n, 12, 0, 0, 0, time.UTC) }

func open(t *testing.T) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// fill puts records of an ecosystem into a store.
func fill(t *testing.T, st *sqlite.Store, from store.Origin, at time.Time, state string, ecosystem string) {
	t.Helper()
	_, err := st.Import(t.Context(), store.Import{Origin: from, At: at, State: state}, func(yield func(store.Record, error) bool) {
		for _, body := range osvtest.Records(ecosystem) {
			if !yield(load.Record(body)) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// content lists the current data of a store with its sources.
func content(t *testing.T, st *sqlite.Store) (records string, ages map[string]time.Time) {
	t.Helper()
	var lines []string
	for r, err := range st.Changes(t.Context(), 0, math.MaxInt64) {
		if err != nil {
			t.Fatal(err)
		}
		if !r.Removed {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %v", r.Origin, r.ID, r.Modified, r.Body, len(r.Fixes)))
		}
	}
	for l, err := range st.Lists(t.Context(), 0, math.MaxInt64) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %d %s", l.Source, l.Kind, l.Published, l.Entries, l.Body))
	}
	slices.Sort(lines)
	sources, err := st.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ages = map[string]time.Time{}
	for _, s := range sources {
		ages[s.Origin.String()] = s.Updated
	}
	return strings.Join(lines, "\n"), ages
}

var known = []feed.Source{
	{Name: "osv", MayPassOn: true, Licence: "CC-BY-4.0"},
	{Name: "kev", MayPassOn: true, Licence: "CC0-1.0"},
	{Name: "secret", Licence: "for customers"},
}

// filled returns a store with two parts of osv, a catalog, a source that may not be passed
// on and an import.
func filled(t *testing.T) *sqlite.Store {
	t.Helper()
	st := open(t)
	fill(t, st, store.Origin{Source: "osv", Part: "CRAN"}, day(1), `{"place":"x"}`, "CRAN")
	fill(t, st, store.Origin{Source: "osv", Part: "Hackage"}, day(2), `{"place":"x"}`, "Hackage")
	fill(t, st, store.Origin{Source: "secret"}, day(2), `{"place":"x"}`, "crates.io")
	fill(t, st, store.Origin{Source: "own"}, day(2), "", "Azure Linux")
	kev := store.List{Kind: "kev", Published: day(1), Entries: 1, Body: []byte("CVE-2021-44228 2021-12-10\n")}
	if _, err := st.KeepList(t.Context(), store.Import{Origin: store.Origin{Source: "kev"}, At: day(3), State: `{"place":"x"}`}, kev); err != nil {
		t.Fatal(err)
	}
	return st
}

// keys returns a pair of keys as the files and texts of the user.
func keys(t *testing.T) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	text, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ReadPrivateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublicKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func export(t *testing.T, st *sqlite.Store, key ed25519.PrivateKey, named ...string) ([]byte, Header) {
	t.Helper()
	var buf bytes.Buffer
	h, err := Export{Store: st, Known: known, Named: named, Now: day(4)}.Write(t.Context(), &buf, key)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), h
}

func read(t *testing.T, im Import, b []byte) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundle")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	im.Dir = filepath.Join(t.TempDir(), "feed")
	if im.Now.IsZero() {
		im.Now = day(30)
	}
	if im.Done == nil {
		im.Done = func(Source, feed.Outcome) {}
	}
	_, err := im.Read(t.Context(), path)
	if left, dirErr := os.ReadDir(im.Dir); dirErr != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, dirErr)
	}
	return err
}

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	public, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := CreateKey(path); err == nil {
		t.Error("a key was overwritten")
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePublicKey(path); err == nil || strings.Contains(err.Error(), strings.TrimSpace(string(secret))) {
		t.Errorf("a private key as public key: %v", err)
	}
	file := filepath.Join(t.TempDir(), "public")
	if err := os.WriteFile(file, []byte(public+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPrivateKey(file); err == nil {
		t.Error("a public key as private key: no error")
	}
	fromFile, err := ParsePublicKey(file)
	fromText, err2 := ParsePublicKey(public)
	if err != nil || err2 != nil || !fromFile.Equal(fromText) {
		t.Errorf("%v, %v", err, err2)
	}
}

// What is exported arrives byte for byte, with the ages of the sources.
func TestRoundTrip(t *testing.T) {
	private, public := keys(t)
	b, h := export(t, filled(t), private)
	var out []string
	for _, l := range h.LeftOut {
		out = append(out, l.Name+": "+l.Reason)
	}
	want := "own: imported from files, so its licence is unknown; name it with --source to export it|secret: its licence (for customers) does not permit passing it on"
	if got := strings.Join(out, "|"); got != want {
		t.Errorf("left out: %s", got)
	}
	if bytes.Contains(b, []byte("crates.io")) {
		t.Error("the bundle names the data that is left out")
	}
	expected := open(t)
	fill(t, expected, store.Origin{Source: "osv", Part: "CRAN"}, day(1), `x`, "CRAN")
	fill(t, expected, store.Origin{Source: "osv", Part: "Hackage"}, day(2), `x`, "Hackage")
	if _, err := expected.KeepList(t.Context(), store.Import{Origin: store.Origin{Source: "kev"}, At: day(3), State: `x`},
		store.List{Kind: "kev", Published: day(1), Entries: 1, Body: []byte("CVE-2021-44228 2021-12-10\n")}); err != nil {
		t.Fatal(err)
	}
	wantRecords, wantAges := content(t, expected)
	st := open(t)
	for range 2 { // again: nothing changes
		if err := read(t, Import{Store: st, Trust: public}, b); err != nil {
			t.Fatal(err)
		}
		records, ages := content(t, st)
		if records != wantRecords || fmt.Sprint(ages) != fmt.Sprint(wantAges) {
			t.Errorf("%d bytes of records, want %d; ages %v, want %v", len(records), len(wantRecords), ages, wantAges)
		}
		if head, err := st.Head(t.Context()); err != nil || !head.Updated.Equal(day(1)) || head.Seq != 50 {
			t.Errorf("%+v, %v", head, err)
		}
	}
	// The data of a bundle is not updated from a publisher, unless the source is named.
	u := feed.Updater{
		Plans: []feed.Plan{{Source: feed.Source{Name: "osv", Default: true}, Err: errors.New("asked")}},
		Store: st, Now: func() time.Time { return day(9) }, Fetched: true,
	}
	if err := u.Update(t.Context(), feed.Events{}); err != nil {
		t.Errorf("an update after a bundle: %v", err)
	}
	// A named import is exported, and a source that may not be passed on is not.
	if _, h := export(t, filled(t), private, "own"); len(h.Sources) != 1 || h.Sources[0].Name != "own" {
		t.Errorf("%+v", h)
	}
	for _, name := range []string{"secret", "unknown"} {
		if _, err := (Export{Store: filled(t), Known: known, Named: []string{name}}).Write(t.Context(), &bytes.Buffer{}, private); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A bundle that is not as it was signed changes nothing.
func TestTampered(t *testing.T) {
	private, public := keys(t)
	other, otherPublic := keys(t)
	good, _ := export(t, filled(t), private)
	bad := map[string][]byte{
		"empty": {}, "another file": bytes.Repeat([]byte("PK\x03\x04"), 100),
		"signed by another key": func() []byte { b, _ := export(t, filled(t), other); return b }(),
		"appended":              append(slices.Clone(good), 0),
		"signature replaced":    append(slices.Clone(good[:len(good)-64]), make([]byte, 64)...),
	}
	for _, n := range []int{1, len(magic), len(magic) + 64, len(good) / 2, len(good) - 64, len(good) - 1} {
		bad[fmt.Sprintf("cut off after %d bytes", n)] = good[:n]
	}
	for i := range 40 {
		at := i * (len(good) - 1) / 39
		b := slices.Clone(good)
		b[at] ^= 1
		bad[fmt.Sprintf("byte %d changed", at)] = b
	}
	st := open(t)
	for name, b := range bad {
		if err := read(t, Import{Store: st, Trust: public}, b); err == nil {
			t.Errorf("%s: no error", name)
		}
		if head, err := st.Head(t.Context()); err != nil || head != (store.Head{}) {
			t.Fatalf("%s: %+v, %v", name, head, err)
		}
	}
	if err := read(t, Import{Store: st, Trust: otherPublic}, good); !errors.Is(err, ErrSignature) {
		t.Errorf("%v", err)
	}
	if err := read(t, Import{Store: st, Trust: public}, good); err != nil {
		t.Error(err)
	}
}

// An older bundle is refused as a whole, unless that is accepted; then the ages are those
// of the bundle.
func TestOlder(t *testing.T) {
	private, public := keys(t)
	b, _ := export(t, filled(t), private)
	st := open(t)
	hackage := store.Origin{Source: "osv", Part: "Hackage"}
	fill(t, st, hackage, day(8), `{"place":"x"}`, "Hackage")
	err := read(t, Import{Store: st, Trust: public}, b)
	if err == nil || !strings.Contains(err.Error(), "newer data of osv:Hackage") {
		t.Errorf("%v", err)
	}
	if _, ages := content(t, st); len(ages) != 1 {
		t.Errorf("something was imported: %v", ages)
	}
	if err := read(t, Import{Store: st, Trust: public, Older: true}, b); err != nil {
		t.Fatal(err)
	}
	if _, ages := content(t, st); !ages["osv:Hackage"].Equal(day(2)) || !ages["osv:CRAN"].Equal(day(1)) {
		t.Errorf("%v", ages)
	}
}

// A source in a bundle that has far fewer records than the store is refused.
func TestShrunk(t *testing.T) {
	private, public := keys(t)
	small, st := open(t), open(t)
	one := []byte(`{"id":"HSEC-2023-0001","modified":"2026-01-01T00:00:00Z"}`)
	hackage := store.Origin{Source: "osv", Part: "Hackage"}
	_, err := small.Import(t.Context(), store.Import{Origin: hackage, At: day(3), State: "{}x"}, func(yield func(store.Record, error) bool) { yield(load.Record(one)) })
	if err != nil {
		t.Fatal(err)
	}
	fill(t, st, hackage, day(1), `{"place":"x"}`, "Hackage")
	b, _ := export(t, small, private)
	before, _ := content(t, st)
	if err := read(t, Import{Store: st, Trust: public}, b); !errors.Is(err, feed.ErrShrunk) {
		t.Errorf("%v", err)
	}
	if after, _ := content(t, st); after != before {
		t.Error("the data changed")
	}
	if err := read(t, Import{Store: st, Trust: public, AcceptShrink: true}, b); err != nil {
		t.Error(err)
	}
}

// signed makes a bundle with a payload that write writes.
func signed(t testing.TB, key ed25519.PrivateKey, h Header, write func(w *writer) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := newWriter(&buf, h)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.close(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Also what a trusted key has signed is bounded and checked.
func TestBadPayload(t *testing.T) {
	private, public := keys(t)
	osv := Source{Name: "osv", Part: "CRAN", Updated: day(1)}
	header := Header{Sources: []Source{osv}}
	zeros := make([]byte, 1<<20)
	body := []byte(`{"id":"A-1","modified":"2026-01-01T00:00:00Z"}`)
	good := func(w *writer) error { return errors.Join(w.record(record{"A-1", day(1), body}), w.end()) }
	for name, b := range map[string][]byte{
		"more than 16777216": signed(t, private, header, func(w *writer) error {
			return w.record(record{"A-1", day(1), make([]byte, 17<<20)})
		}),
		"too large for the file": signed(t, private, header, func(w *writer) error {
			for range 600 {
				if err := w.record(record{"A-1", day(1), zeros}); err != nil {
					return err
				}
			}
			return w.end()
		}),
		"unexpected EOF":   signed(t, private, header, func(w *writer) error { return w.record(record{"A-1", day(1), body}) }),
		"no valid record":  signed(t, private, header, func(w *writer) error { return errors.Join(w.record(record{"A-2", day(1), body}), w.end()) }),
		"data follows":     signed(t, private, header, func(w *writer) error { return errors.Join(good(w), w.end()) }),
		"twice":            signed(t, private, Header{Sources: []Source{osv, osv}}, good),
		"0 sources":        signed(t, private, Header{}, good),
		"no time":          signed(t, private, Header{Sources: []Source{{Name: "osv"}}}, good),
		"name of the sour": signed(t, private, Header{Sources: []Source{{Updated: day(1)}}}, good),
		"invalid CVE ID": signed(t, private, Header{Sources: []Source{{Name: "kev", Updated: day(1), Catalog: &Catalog{Kind: "kev"}}}}, func(w *writer) error {
			return errors.Join(w.record(record{"kev", day(1), []byte("x\n")}), w.end())
		}),
		"does not have the catalog": signed(t, private, Header{Sources: []Source{{Name: "kev", Updated: day(1), Catalog: &Catalog{Kind: "kev"}}}}, func(w *writer) error {
			return errors.Join(w.record(record{"epss", day(1), nil}), w.end())
		}),
	} {
		st := open(t)
		if err := read(t, Import{Store: st, Trust: public}, b); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
		if head, err := st.Head(t.Context()); err != nil || head.Records > 1 || head.Records == 1 && name != "data follows" {
			t.Errorf("%s: %+v, %v", name, head, err)
		}
	}
}

// FuzzReader: any payload is read within bounds.
func FuzzReader(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	header := Header{Sources: []Source{{Name: "osv", Updated: day(1)}, {Name: "kev", Updated: day(1), Catalog: &Catalog{Kind: "kev"}}}}
	b := signed(f, private, header, func(w *writer) error {
		return errors.Join(w.record(record{"A-1", day(1), []byte("{}")}), w.end(), w.record(record{"kev", day(1), []byte("x")}), w.end())
	})
	f.Add(b[len(magic) : len(b)-ed25519.SignatureSize])
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, h, err := newReader(bytes.NewReader(payload), int64(len(payload)))
		if err != nil {
			return
		}
		defer r.close()
		read := 0
		for _, s := range h.Sources {
			for {
				rec, more, err := r.record(s.Catalog != nil)
				if err != nil {
					return
				}
				if !more {
					break
				}
				if rec.id == "" || len(rec.id) > maxID || len(rec.body) > maxCatalog {
					t.Fatalf("a record with the id %.80q and %d bytes", rec.id, len(rec.body))
				}
				if read += len(rec.body); int64(read) > freeBytes+maxRatio*int64(len(payload)) {
					t.Fatalf("%d bytes of %d", read, len(payload))
				}
			}
		}
		_ = r.end() // either is fine
	})
}

// FuzzVerify: nothing that the key has not signed is accepted.
func FuzzVerify(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	good := signed(f, private, Header{}, func(*writer) error { return nil })
	f.Add(good)
	f.Add(good[:len(good)-1])
	public, _ := private.Public().(ed25519.PublicKey)
	f.Fuzz(func(t *testing.T, b []byte) {
		var copied bytes.Buffer
		if _, err := verify(&copied, bytes.NewReader(b), int64(len(b)), public); err == nil && !bytes.Equal(b, good) {
			t.Fatalf("accepted: %q", b)
		}
	})
}

// An import that is interrupted keeps whole sources, and can be repeated.
func TestInterrupted(t *testing.T) {
	private, public := keys(t)
	b, _ := export(t, filled(t), private)
	path := filepath.Join(t.TempDir(), "bundle")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	st := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	im := Import{Store: st, Trust: public, Dir: t.TempDir(), Now: day(30), Done: func(Source, feed.Outcome) { cancel() }}
	if _, err := im.Read(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, ages := content(t, st); len(ages) != 1 {
		t.Errorf("%v", ages)
	}
	im.Done = func(Source, feed.Outcome) {}
	if _, err := im.Read(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, ages := content(t, st); len(ages) != 3 {
		t.Errorf("%v", ages)
	}
}

// Another import at the same time cannot replace what is imported.
func TestConcurrentImports(t *testing.T) {
	private, public := keys(t)
	b, _ := export(t, filled(t), private)
	dir := t.TempDir()
	paths := map[bool]string{true: filepath.Join(dir, "good"), false: filepath.Join(dir, "tampered")}
	for good, path := range paths {
		content := slices.Clone(b)
		if !good {
			clear(content[len(magic):])
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	im := Import{Store: open(t), Trust: public, Dir: filepath.Join(dir, "feed"), Now: day(30)}
	im.Done = func(Source, feed.Outcome) {
		if left, err := os.ReadDir(im.Dir); err != nil || len(left) > 0 {
			t.Errorf("another process can open %v, %v", left, err)
		}
		if _, err := im.Read(t.Context(), paths[false]); !errors.Is(err, ErrSignature) {
			t.Errorf("the tampered bundle: %v", err)
		}
	}
	if _, err := im.Read(t.Context(), paths[true]); err != nil {
		t.Error(err)
	}
}

// Data from the future would look up to date for too long.
func TestFuture(t *testing.T) {
	private, public := keys(t)
	b, _ := export(t, filled(t), private)
	st := open(t)
	err := read(t, Import{Store: st, Trust: public, Now: day(2).Add(time.Minute), Older: true, AcceptShrink: true}, b)
	if err == nil || !strings.Contains(err.Error(), `"kev" was updated on 2026-12-03 12:00 UTC, which is in the future`) {
		t.Errorf("%v", err)
	}
	if _, ages := content(t, st); len(ages) != 0 {
		t.Errorf("something was imported: %v", ages)
	}
	if err := read(t, Import{Store: st, Trust: public, Now: day(3).Add(-time.Minute)}, b); err != nil {
		t.Errorf("a clock that is a minute ahead: %v", err)
	}
}
