package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory/load"
	"assay/service/match"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/service/store/sqlite"
)

var flipDay = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// keepSome fills a data folder with some data of each kind.
func keepSome(t *testing.T, dir string) {
	t.Helper()
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	records := func(changed string) func(func(store.Record, error) bool) {
		return func(yield func(store.Record, error) bool) {
			for i := range 30 {
				body := fmt.Sprintf(`{"id":"TEST-2000-%d","modified":"2026-01-%02dT00:00:00Z","aliases":["CVE-2000-%04d"],"summary":"Summary %d%s","affected":[{"package":{"ecosystem":"Debian:12","name":"p%d"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"%d"}]}]}]}`,
					i, i%28+1, i+1, i, changed, i%7, i+2)
				r, err := load.Record([]byte(body))
				if !yield(r, err) {
					return
				}
			}
		}
	}
	for i, changed := range []string{"", " changed"} {
		if _, err := st.Import(t.Context(), store.Import{Origin: store.Origin{Source: "osv", Part: "Debian"}, At: flipDay.AddDate(0, 0, i), State: "{}"}, records(changed)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.Import(t.Context(), store.Import{Origin: store.Origin{Source: "import"}, At: flipDay, Whole: true}, records("")); err != nil {
		t.Fatal(err)
	}
	if _, err := st.KeepList(t.Context(), store.Import{Origin: store.Origin{Source: "kev"}, At: flipDay}, store.List{Kind: "kev", Entries: 1, Body: []byte("CVE-2000-0003 2020-02-03\n")}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		tok := store.Token{ID: fmt.Sprintf("token%d", i), Name: fmt.Sprintf("name%d", i), Scopes: []string{"scan"}, Project: "p", Created: flipDay}
		if err := st.CreateToken(t.Context(), tok, sha256.Sum256([]byte(tok.ID)), store.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.RevokeToken(t.Context(), store.Revocation{Token: "token1", At: flipDay}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		_, err := st.KeepScan(t.Context(), store.Scan{
			ID: fmt.Sprintf("scan%012d", i), At: flipDay.Add(time.Duration(i) * time.Hour), Token: "token0", Project: "p", Snapshot: "s1", Seq: 90,
			Request: []byte(strings.Repeat(fmt.Sprintf("request %d, ", i), 30)), Verdict: []byte(strings.Repeat(fmt.Sprintf("verdict %d, ", i), 30)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	index, err := snapshot.Open(filepath.Join(dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.CatchUp(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if err := index.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// answersOf returns what the service would answer from a data folder: from its snapshot,
// from a rebuilt one, and from its tokens, scans and sources. An error means that it would
// refuse to answer.
func answersOf(ctx context.Context, dir string) (string, error) {
	st, err := sqlite.Open(dir)
	if err != nil {
		return "", err
	}
	defer st.Close()
	if err := st.Check(ctx); err != nil {
		return "", err
	}
	var b strings.Builder
	index, err := snapshot.Open(filepath.Join(dir, indexName))
	if err != nil {
		return "", err
	}
	if _, err := index.CatchUp(ctx, st); err != nil {
		return "", err
	}
	if err := matched(&b, index); err != nil {
		return "", err
	}
	head, err := st.Head(ctx)
	if err != nil {
		return "", err
	}
	for _, upTo := range []int64{head.Seq, 30} {
		built, discard, err := indexOf(ctx, st, upTo)
		if err != nil {
			return "", err
		}
		if err := matched(&b, built); err != nil {
			return "", err
		}
		if err := discard(); err != nil {
			return "", err
		}
	}
	for i := range 6 {
		tok, err := st.TokenByHash(ctx, sha256.Sum256(fmt.Appendf(nil, "token%d", i)))
		if i == 5 != (err != nil) {
			return "", fmt.Errorf("token %d: %w", i, err)
		}
		tok.Used = time.Time{} // may be stored a minute later
		fmt.Fprintln(&b, tok)
	}
	scans, err := st.ListScans(ctx, 100)
	if err != nil {
		return "", err
	}
	for _, s := range scans {
		whole, err := st.Scan(ctx, s.ID)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%+v\n", whole)
	}
	if len(scans) != 20 {
		return "", fmt.Errorf("%d scans", len(scans)) // a request for the missing scan would fail
	}
	return b.String(), index.Close()
}

func matched(w io.Writer, index *snapshot.DB) error {
	v, err := index.View()
	if err != nil {
		return err
	}
	defer v.Close()
	inv := inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}}
	for i := range 7 {
		inv.Packages = append(inv.Packages, inventory.Package{Type: "deb", Name: fmt.Sprintf("p%d", i), Version: "5"})
	}
	res, err := match.Inventory(inv, v, nil, flipDay)
	if err != nil {
		return err
	}
	data := v.Data()
	data.Age = 0
	j, err := json.Marshal(struct {
		match.Result
		Data any
	}{res, data})
	fmt.Fprintf(w, "%s\n", j)
	return err
}

func copyFolder(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}

// If bits are flipped in the files of a data folder, the answers are the same, or the
// service refuses to answer and the folder can be repaired.
func TestFlips(t *testing.T) {
	flips := testkit.Some(20, 500)
	whole := filepath.Join(t.TempDir(), "whole")
	keepSome(t, whole)
	want, err := answersOf(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"advisories.db", "ledger.db", indexName} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(filepath.Join(whole, name))
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "data")
			random := rand.New(rand.NewPCG(uint64(len(name)), 7))
			refused, same, repaired := 0, 0, 0
			for range flips {
				at, bit := random.IntN(len(file)), random.IntN(8)
				if err := copyFolder(whole, dir); err != nil {
					t.Fatal(err)
				}
				file[at] ^= 1 << bit
				err := os.WriteFile(filepath.Join(dir, name), file, 0o600)
				file[at] ^= 1 << bit
				if err != nil {
					t.Fatal(err)
				}
				got, err := answersOf(t.Context(), dir)
				switch {
				case err != nil:
					refused++
					if name == indexName {
						t.Errorf("bit %d of byte %d: %v, want a snapshot that is rebuilt", bit, at, err)
					}
					if refused%3 == 1 {
						repaired++
						repairs(t, dir)
					}
				case got == want:
					same++
				default:
					t.Errorf("bit %d of byte %d (page %d, byte %d): other answers: %s", bit, at, at/4096, at%4096, firstDifference(got, want))
				}
			}
			t.Logf("%d flips were refused, %d of them repaired; %d made no difference", refused, repaired, same)
		})
	}
}

func firstDifference(got, want string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			from := max(0, i-60)
			return fmt.Sprintf("%q, want %q", got[from:min(len(got), i+60)], want[from:min(len(want), i+60)])
		}
	}
	return "one is longer"
}

// repairs checks that a folder can be repaired and is intact afterwards.
func repairs(t *testing.T, dir string) {
	t.Helper()
	out, stderr, err := assayd(t, "repair", "--data", dir)
	if err != nil {
		t.Errorf("repair: %v %s %s", err, out, stderr)
		return
	}
	if out, _, err := assayd(t, "verify-data", "--data", dir); err != nil {
		t.Errorf("after a repair: %v %s", err, out)
	}
}
