package postgres_test

import (
	"testing"

	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/storetest"
)

func mustOpen(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestFaults cuts the connection of every write, before and after it was carried out.
func TestFaults(t *testing.T) {
	server := shared.Server(t)
	storetest.RunFaults(t, func(t *testing.T) (storetest.Faulty, store.Store) {
		name := newDatabase(t)
		proxy := server.NewProxy(t)
		return storetest.Faulty{Store: mustOpen(t, proxy.URL(name)), CutRound: proxy.CutRound}, mustOpen(t, server.URL(name))
	})
}
