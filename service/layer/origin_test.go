package layer

import (
	"slices"
	"testing"
)

func stanzas(packages ...string) string {
	var s string
	for i := 0; i < len(packages); i += 2 {
		s += "Package: " + packages[i] + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + packages[i+1] + "\n\n"
	}
	return s
}

// A package belongs to the layer since which the database has had its version; any other one
// to the layer that wrote its file.
func TestOrigins(t *testing.T) {
	const status = "var/lib/dpkg/status"
	node := func(name string) entry {
		return entry{"srv/node_modules/" + name + "/package.json", "f", `{"name": "` + name + `", "version": "1.0.0"}`}
	}
	img := imageOf(t,
		[]entry{{status, "f", stanzas("stays", "1", "removed", "1", "upgraded", "1", "back", "1")}, node("lower"), node("again"), {"db", "l", "var/lib/dpkg"}},
		[]entry{{"unrelated", "f", ""}, node("middle"), {"srv/node_modules/\xff/package.json", "f", `{"name": "odd", "version": "1.0.0"}`}},
		[]entry{{status, "f", stanzas("stays", "1", "upgraded", "2")}},
		[]entry{{status, "f", stanzas("stays", "1", "upgraded", "2", "back", "1", "added", "1")}},
		[]entry{node("again"), {"var/lib/dpkg/.wh.status", "f", ""}, {"var/lib/dpkg/status", "f", stanzas("stays", "1", "upgraded", "2", "back", "1", "added", "1", "last", "1")}},
		[]entry{{"srv/link", "l", "node_modules"}},
	)
	got, err := Inspect(t.Context(), t.TempDir(), img, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"stays": 0, "upgraded": 2, "back": 3, "added": 3, "last": 4, "lower": 0, "middle": 1, "again": 4, "odd": 1}
	for _, p := range got.Inventory.Packages {
		i := slices.IndexFunc(got.Layers, func(l Layer) bool { return l.DiffID == p.Layer })
		if n, ok := want[p.Name]; !ok || n != i {
			t.Errorf("%s %s has layer %d, want %d", p.Name, p.Version, i, n)
		}
		delete(want, p.Name)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if got.Modified.Unix() != 1e9 {
		t.Errorf("modified %v", got.Modified)
	}
}

// Attribution stops when databases are too large to be read after each layer, and the
// inventory does not depend on it.
func TestOriginsAreBounded(t *testing.T) {
	const status = "var/lib/dpkg/status"
	img := imageOf(t, []entry{{status, "f", stanzas("a", "1")}}, []entry{{status, "f", stanzas("a", "1", "b", "1")}})
	_, root, err := newFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	o, err := newOrigins(root)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	_, err = tree.add(t.Context(), img, DefaultLimits(), func(i int) {
		o.add(t.Context(), i)
		o.bytes = maxDatabases
	})
	if err != nil || o.first != nil {
		t.Errorf("%v, %v", o.first, err)
	}
}
