package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/exploit"
	"assay/service/store"
)

// kevList returns the catalogue from one of its published files.
func kevList(t testing.TB, name string) store.List {
	t.Helper()
	f, err := os.Open(testkit.Path(t, "feeds", "kev", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := exploit.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return store.List{Kind: string(l.Kind), Source: "kev", Published: l.Published, Entries: len(l.Entries), Body: l.Encode()}
}

func epssList(lines ...string) store.List {
	return store.List{Kind: "epss", Source: "epss", Entries: len(lines), Body: []byte(strings.Join(lines, "\n") + "\n")}
}

func cve(t testing.TB, id string) exploit.CVE {
	t.Helper()
	c, ok := exploit.ParseCVE(id)
	if !ok {
		t.Fatalf("%q", id)
	}
	return c
}

// wantExploit compares the entries of KEV and EPSS with a text such as "2021-12-10 7": the
// date of KEV and the probability of EPSS in billionths, or "-" for no entry.
func wantExploit(t *testing.T, db *DB, id, want string) {
	t.Helper()
	kev, epss, err := view(t, db).Exploit(cve(t, id))
	if err != nil {
		t.Fatal(err)
	}
	got := "- "
	if !kev.Added.IsZero() {
		got = kev.Added.Format(time.DateOnly) + " "
	}
	if epss.CVE == cve(t, id) {
		got += fmt.Sprint(int(epss.EPSS))
	} else {
		got += "-"
	}
	if got != want {
		t.Errorf("%s: %q, want %q", id, got, want)
	}
}

func TestLists(t *testing.T) {
	src := newMemory()
	db := openTemp(t)
	catchUp(t, db, src)
	wantExploit(t, db, "CVE-2021-44228", "- -")

	kev := kevList(t, "known_exploited_vulnerabilities.json")
	src.putCatalog(kev)
	if res := catchUp(t, db, src); res.Applied != 1 || res.Data.Records != 0 {
		t.Errorf("%+v", res)
	}
	// Every entry is found, and the adjacent numbers are not, unless they are entries too.
	entries, err := exploit.Decode(exploit.KEV, kev.Body)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[exploit.CVE]time.Time{}
	for _, e := range entries {
		listed[e.CVE] = e.Added
	}
	v := view(t, db)
	for _, e := range entries {
		for d := -1; d <= 1; d++ {
			c := exploit.CVE{Year: e.CVE.Year, Number: e.CVE.Number + d}
			if got, _, err := v.Exploit(c); err != nil || !got.Added.Equal(listed[c]) {
				t.Fatalf("%s: %v, %v, want %v", c, got, err, listed[c])
			}
		}
	}
	wantExploit(t, db, "CVE-2021-44228", "2021-12-10 -")

	src.putCatalog(epssList("CVE-2021-44228 7", "CVE-2021-44399 8", "CVE-2021-44400 9"))
	catchUp(t, db, src)
	wantExploit(t, db, "CVE-2021-44228", "2021-12-10 7")
	wantExploit(t, db, "CVE-2021-44399", "- 8")
	wantExploit(t, db, "CVE-2021-44400", "- 9")
	// A new list replaces the old one and leaves the other alone.
	src.putCatalog(epssList("CVE-2021-44399 6"))
	catchUp(t, db, src)
	wantExploit(t, db, "CVE-2021-44228", "2021-12-10 -")
	wantExploit(t, db, "CVE-2021-44399", "- 6")
	wantExploit(t, db, "CVE-2021-44400", "- -")

	// If a list cannot be read, the entries of its earlier version are removed too.
	src.putCatalog(store.List{Kind: "epss", Body: []byte("CVE-2021-44399 much\n")})
	res, err := db.CatchUp(t.Context(), src)
	if err != nil || res.UnreadableCount != 1 || view(t, db).Unreadable() != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	wantExploit(t, db, "CVE-2021-44399", "- -")
	wantExploit(t, db, "CVE-2021-44228", "2021-12-10 -")
}

// Lists are part of a snapshot, and of its id.
func TestListsSameContentSameID(t *testing.T) {
	samples := sampleRecords(t)
	json, table := kevList(t, "known_exploited_vulnerabilities.json"), kevList(t, "known_exploited_vulnerabilities.csv")
	table.Published = time.Time{}
	scores := epssList("CVE-2021-44228 944000000", "CVE-2023-4911 600000000")
	ways := []func(step func(), src *memory){
		func(step func(), src *memory) {
			src.put(samples...)
			src.putCatalog(json)
			src.putCatalog(scores)
			step()
		},
		func(step func(), src *memory) {
			src.putCatalog(epssList("CVE-2000-0001 1"))
			step()
			src.putCatalog(scores)
			src.putCatalog(store.List{Kind: "kev", Body: []byte("CVE-2000-0001 2020-01-01\n")})
			src.put(samples[50:]...)
			step()
			src.put(samples[:50]...)
			step()
			src.putCatalog(table)
			step()
		},
	}
	ids, without := map[string]bool{}, map[string]bool{}
	for _, way := range ways {
		src := newMemory()
		db := openTemp(t)
		way(func() { catchUp(t, db, src) }, src)
		ids[view(t, db).Data().Snapshot] = true
		again := openTemp(t)
		ids[catchUp(t, again, src).Data.Snapshot] = true

		// The lists of the past are part of a state of the past.
		old, err := Build(t.Context(), src, int64(len(src.versions)-1), filepath.Join(t.TempDir(), "past"))
		if err != nil {
			t.Fatal(err)
		}
		without[view(t, old).Data().Snapshot] = true
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 1 || len(without) != 2 || without[view(t, openTemp(t)).Data().Snapshot] {
		t.Errorf("ids %v, of the states before %v", ids, without)
	}
	for id := range without {
		if ids[id] {
			t.Errorf("a list makes no difference to the id %s", id)
		}
	}
}

// A flipped bit in a list is detected, at the latest when the entry is read.
func TestListsFlipped(t *testing.T) {
	src := newMemory()
	kev := kevList(t, "known_exploited_vulnerabilities.json")
	src.putCatalog(kev)
	file := built(t, src)
	random := rand.New(rand.NewPCG(7, 8))
	at := bytes.Index(file, []byte("kev\x002021-221"))
	if at < 0 {
		t.Fatal("no block")
	}
	for range 20 {
		b := bytes.Clone(file)
		b[at+random.IntN(200)] ^= 1 << random.IntN(8)
		path := filepath.Join(t.TempDir(), "index")
		writeFile(t, path, b)
		db := open(t, path)
		if err := db.Discarded(); !errors.Is(err, ErrDamaged) {
			t.Errorf("discarded because of %v", err)
		}
	}
}
