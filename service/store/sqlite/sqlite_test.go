package sqlite_test

import (
	"testing"

	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/service/store/storetest"
)

// open opens a store that is closed at the end of the test, if not before.
func open(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSuite(t *testing.T) { storetest.Run(t, open) }
