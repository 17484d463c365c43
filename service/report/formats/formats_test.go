package formats

import (
	"slices"
	"testing"
)

func TestFormats(t *testing.T) {
	names := Names()
	for _, f := range All() {
		if found, ok := Find(f.Name); !ok || found.Name != f.Name {
			t.Errorf("Find(%q) = %q, %t", f.Name, found.Name, ok)
		}
		if f.Type == "" || f.Extension == "" || f.Render == nil {
			t.Errorf("format %q is not complete", f.Name)
		}
	}
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("two formats have one name: %q", names)
	}
	if _, ok := Find("nothing"); ok {
		t.Error("Find finds a format that does not exist")
	}
}
