package main

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// A tree has those parts of a document that must agree with each other.
type tree struct {
	Tree struct {
		Relationships []struct {
			Product struct {
				ID string `json:"product_id"`
			} `json:"full_product_name"`
			Part string `json:"product_reference"`
		} `json:"relationships"`
	} `json:"product_tree"`
	Vulnerabilities []struct {
		CVE    string              `json:"cve"`
		Status map[string][]string `json:"product_status"`
	} `json:"vulnerabilities"`
}

func (d tree) pairs() (all []string) {
	for _, list := range d.Vulnerabilities[0].Status {
		all = append(all, list...)
	}
	slices.Sort(all)
	return all
}

// TestCopies checks that the copies of genuine documents have as many products and
// packages, all of them related, under other names.
func TestCopies(t *testing.T) {
	templates, err := readTemplates(testkit.Path(t, "feeds", "redhat-csaf-vex"))
	if err != nil {
		t.Fatal(err)
	}
	if len(templates) < 15 {
		t.Errorf("%d genuine documents", len(templates))
	}
	for _, tt := range templates {
		var own, other tree
		for variant, doc := range map[int]*tree{0: &own, 7: &other} {
			if err := json.Unmarshal(tt.as("1999-7", variant), doc); err != nil {
				t.Fatal(err)
			}
		}
		if cve := other.Vulnerabilities[0].CVE; cve != "CVE-1999-7" {
			t.Errorf("%s instead of CVE-1999-7", cve)
		}
		before, after := own.pairs(), other.pairs()
		if len(slices.Compact(slices.Clone(after))) != len(slices.Compact(slices.Clone(before))) || len(after) != tt.pairs {
			t.Errorf("%d pairs, want %d", len(after), tt.pairs)
		}
		related := make(map[string]bool)
		for i, r := range other.Tree.Relationships {
			related[r.Product.ID] = true
			if !strings.HasSuffix(r.Product.ID, r.Part) && strings.HasSuffix(own.Tree.Relationships[i].Product.ID, own.Tree.Relationships[i].Part) {
				t.Errorf("%q has the part %q", r.Product.ID, r.Part)
			}
		}
		renamed := 0
		for _, id := range after {
			switch {
			case slices.Contains(before, id): // a product as a whole, or an image
			case related[id]:
				renamed++
			default:
				t.Errorf("%q is not related to a product", id)
			}
		}
		if renamed == 0 {
			t.Errorf("no package has another name: %q", after[0])
		}
	}
}

func TestCut(t *testing.T) {
	names := map[string]bool{"go": true, "go-libs": true, "libssh": true}
	text := `{"id": "CVE-2024-1", "go": "go is", "a": ["el9:go-libs-0:1.2.x86_64", "el9:libssh", "pkg:rpm/redhat/go@1?arch=src", "go.src", "gopher-1", "cve-2024-1.json"]}`
	got := string(template{pieces: cut([]byte(text), "2024-1", names)}.as("2030-99", 3))
	want := `{"id": "CVE-2030-99", "go": "go-g3 is", "a": ["el9:go-libs-g3-0:1.2.x86_64", "el9:libssh-g3", "pkg:rpm/redhat/go-g3@1?arch=src", "go-g3.src", "gopher-1", "cve-2030-99.json"]}`
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestDraw(t *testing.T) {
	d, err := newDraw([]template{{pairs: 20}, {pairs: 200}, {pairs: 2000}}, 100)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	const n = 20_000
	for i := range n {
		_, _, pairs := d.document(i)
		sum += pairs
	}
	if mean := float64(sum) / n; math.Abs(mean-100) > 10 {
		t.Errorf("%.1f pairs on average, want 100", mean)
	}
	if _, err := newDraw([]template{{pairs: 20}}, 100); err == nil {
		t.Error("no error for a mean that is not possible")
	}
}

func TestMakeVEX(t *testing.T) {
	testdata, dir := filepath.Dir(filepath.Dir(testkit.Path(t, "feeds", "redhat-csaf-vex"))), t.TempDir()
	m, err := makeVEX(testdata, dir, 200, 200*143, 10)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := filepath.Glob(filepath.Join(dir, vexDocuments, "2*", "cve-*.json"))
	if err != nil || len(changed) != 10 {
		t.Errorf("changed documents %q, %v", changed, err)
	}
	archived, err := readVEX(filepath.Join(dir, vexDocuments, vexArchive))
	if err != nil || len(archived) != 200 {
		t.Errorf("%d documents in the archive, %v", len(archived), err)
	}
	if again, err := makeVEX(testdata, dir, 200, 200*143, 10); err != nil || again != m {
		t.Errorf("again: %v, %v", again, err)
	}
	if err := m.list(dir, true); err != nil {
		t.Error(err)
	}
}
