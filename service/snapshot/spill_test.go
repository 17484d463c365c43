package snapshot

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"assay/service/index"
)

// TestSpill: the edits of a spill have the result that they have one after the other, and
// come once for each package, in the order of the keys.
func TestSpill(t *testing.T) {
	s, err := newSpill(filepath.Join(t.TempDir(), "edits"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	apply := func(to []index.Affected, e *edit) []index.Affected {
		to = append(slices.DeleteFunc(slices.Clone(to), e.drops), e.add...)
		slices.SortStableFunc(to, byRecord)
		return to
	}
	random := rand.New(rand.NewPCG(3, 4))
	earlier := index.Affected{Advisory: "A-1", Source: "s", Urgency: "before"}
	want := map[string][]index.Affected{}
	for batch := range 50 {
		edits := map[string]*edit{}
		for range random.IntN(20) {
			e := &edit{}
			for i := range 3 {
				about := index.Affected{Advisory: fmt.Sprintf("A-%d", i), Source: "s"}
				if random.IntN(3) == 0 {
					e.drop = append(e.drop, about)
				}
				if random.IntN(3) == 0 {
					about.Urgency = fmt.Sprint(batch)
					e.add = append(e.add, about)
				}
			}
			edits[fmt.Sprintf("ecosystem\x00p%d", random.IntN(40))] = e
		}
		for key, e := range edits {
			before, ok := want[key]
			if !ok {
				before = []index.Affected{earlier}
			}
			want[key] = apply(before, e)
		}
		if err := s.add(edits); err != nil {
			t.Fatal(err)
		}
	}
	got, last := map[string][]index.Affected{}, ""
	err = s.each(func(key string, e *edit) error {
		if key <= last {
			t.Errorf("%q comes after %q", key, last)
		}
		last, got[key] = key, apply([]index.Affected{earlier}, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 30 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := s.file.Truncate(s.size - 1); err != nil {
		t.Fatal(err)
	}
	if err := s.each(func(string, *edit) error { return nil }); err == nil {
		t.Error("a truncated file: no error")
	}
}
