package postgres_test

import (
	"testing"
	"time"

	"assay/service/store/postgres"
)

// An import of one process reaches another by a notification alone, and so does every
// further one.
func TestNotify(t *testing.T) {
	url := shared.Server(t).URL(newDatabase(t))
	var stores [2]*postgres.Store
	for i := range stores {
		s, err := postgres.Open(t.Context(), url, true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.NeverPoll()
		stores[i] = s
	}
	changed := stores[1].Watch(t.Context())
	signal := func(what string) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Fatalf("no signal %s", what)
		}
	}
	signal("when it listens") // the only one without a notification
	for _, id := range []string{"X-1", "X-2", "X-3"} {
		lead, err := stores[0].LeadFeeds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := importOne(t, lead, id); err != nil {
			t.Fatal(err)
		}
		signal("of the import of " + id)
		release(t, lead)
	}
}
