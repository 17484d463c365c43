package postgres_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"assay/check/testkit/pgtest"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/storetest"
)

var shared pgtest.Shared

// The test program is run again as one that leads.
func TestMain(m *testing.M) {
	if url := os.Getenv(leadEnv); url != "" {
		fmt.Fprintln(os.Stderr, leadAsChild(url))
		os.Exit(1)
	}
	os.Exit(shared.Main(m))
}

// databases are the names of databases by the folders of tests.
var databases sync.Map

// migrated is a database that has the schema, and no data.
var migrated = struct {
	sync.Once
	name string
}{}

// newDatabase makes a database for a test. It has the schema, unless the test is about
// opening a store.
func newDatabase(t *testing.T) string {
	t.Helper()
	server := shared.Server(t)
	if strings.Contains(t.Name(), "/opening/") {
		return server.Database(t, "")
	}
	migrated.Do(func() {
		name := server.Database(t, "")
		if _, _, err := postgres.Migrate(t.Context(), server.URL(name)); err != nil {
			t.Fatal(err)
		}
		migrated.name = name
	})
	return server.Database(t, migrated.name)
}

// open opens the database of a folder. It is closed at the end of the test,
// if not before.
func open(t *testing.T, dir string) store.Store {
	t.Helper()
	server := shared.Server(t)
	name, ok := databases.Load(dir)
	if !ok {
		name, _ = databases.LoadOrStore(dir, newDatabase(t))
	}
	s, err := postgres.Open(t.Context(), server.URL(name.(string)), false)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSuite(t *testing.T) { storetest.Run(t, open) }
