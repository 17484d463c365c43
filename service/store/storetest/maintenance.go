package storetest

import (
	"testing"

	"assay/service/store"
)

// maintenance checks that a store whose data is intact reports no problem, whether it
// is empty or not, and that Tidy changes nothing that can be read.
func maintenance(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	intact := func(when string) {
		t.Helper()
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("%s: check: %v", when, err)
		}
		if problems, err := s.Verify(t.Context()); err != nil || len(problems) != 0 {
			t.Errorf("%s: verify: problems %q, error %v", when, problems, err)
		}
		if err := s.Tidy(t.Context()); err != nil {
			t.Errorf("%s: tidy: %v", when, err)
		}
	}
	intact("empty")

	mustImport(t, s, whole("a", 1), all(record("X-1", day(1), "a", fix("1")), record("X-2", day(1), "b")), store.Imported{Added: 2, Seq: 2})
	mustImport(t, s, whole("a", 2), all(record("X-1", day(2), "c", fix("2"))), store.Imported{Changed: 1, Removed: 1, Seq: 4})
	if _, err := s.KeepList(t.Context(), source("kev", 3), store.List{Kind: "kev", Entries: 1, Body: []byte("k")}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateToken(t.Context(), store.Token{ID: "id1", Name: "ci", Created: day(1)}, hashOf(1), store.Event{}); err != nil {
		t.Fatal(err)
	}
	kept := mustKeep(t, s, scan(t, "key", "request"))
	before := texts(t, s, 0, 9)
	intact("with data")
	wantTexts(t, s, 0, 9, before...)
	if _, err := s.Scan(t.Context(), kept.ID); err != nil {
		t.Error(err)
	}
}
