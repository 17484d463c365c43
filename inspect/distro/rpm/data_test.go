package rpm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/distro/rpm/header"
	"assay/inspect/inventory"
)

// headersOf reads data in the format of the file name.
func headersOf(file string, data []byte) iter.Seq2[*header.Header, error] {
	r, size := bytes.NewReader(data), int64(len(data))
	switch file {
	case "Packages":
		return BDB(r, size)
	case "Packages.db":
		return NDB(r, size)
	}
	return SQLite(r, size, nil, 0)
}

// row is a package in expected.json.
type row struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Arch          string `json:"arch"`
	Source        string `json:"source"`
	SourceVersion string `json:"source_version"`
}

// expected returns the packages in the list of a database, without keys.
func expected(t testing.TB, name string) []row {
	t.Helper()
	var rows []row
	readJSON(t, &rows, name, "expected.json")
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.Name == "gpg-pubkey" })
	slices.SortFunc(rows, compareRows)
	return rows
}

func readJSON(t testing.TB, v any, name, file string) {
	t.Helper()
	text, err := os.ReadFile(testkit.Path(t, "pkgdb", "rpm", name, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(packages []inventory.Package) []row {
	rows := make([]row, len(packages))
	for i, p := range packages {
		rows[i] = row{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion}
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

func compareRows(a, b row) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch))
}

// diff describes how got differs from want. Both are sorted.
func diff[T comparable](t *testing.T, got, want []T) {
	t.Helper()
	if len(want) == 0 {
		t.Error("nothing is expected")
	}
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%d, want %d", len(got), len(want))
	shown := 0
	for _, list := range []struct {
		what    string
		in, out []T
	}{{"missing", want, got}, {"not expected", got, want}} {
		has := map[T]bool{}
		for _, v := range list.out {
			has[v] = true
		}
		for _, v := range list.in {
			if shown++; !has[v] && shown < 1000 {
				t.Errorf("%s: %+v", list.what, v)
			}
		}
	}
}
