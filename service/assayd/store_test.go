package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit/pgtest"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/verdict/hint"
)

var shared pgtest.Shared

const password = "hunter2-secret"

// withPassword returns the URL with a password, which the server does not require.
func withPassword(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("assay", password)
	return u.String()
}

// newDatabase makes an empty database, and returns its URL.
func newDatabase(t *testing.T) string {
	t.Helper()
	server := shared.Server(t)
	return server.URL(server.Database(t, ""))
}

// An operator learns what to do about a database that is not ready for assayd.
func TestDatabaseHints(t *testing.T) {
	server := shared.Server(t)
	name := server.Database(t, "")
	server.Exec(t, name, "CREATE TABLE scan (id int)")
	readOnly := server.Database(t, "")
	server.Exec(t, readOnly, "ALTER DATABASE "+readOnly+" SET default_transaction_read_only = on")
	rights := server.Database(t, "")
	server.Exec(t, rights, "CREATE ROLE nobody_special LOGIN")
	t.Cleanup(func() { server.Exec(t, rights, "DROP ROLE nobody_special") })
	for _, tt := range []struct {
		url  string
		want error
		hint string
	}{
		{server.URL(name), postgres.ErrForeignSchema, "tables of another program"},
		{server.URL(readOnly), postgres.ErrReadOnly, "standby"},
		{strings.Replace(server.URL(rights), "assay@", "nobody_special@", 1), postgres.ErrNoRights, "docs/postgres.md"},
	} {
		s, err := postgres.Open(t.Context(), tt.url, false)
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, tt.want) || !strings.Contains(hintOf(err), tt.hint) {
			t.Errorf("%v\nhint: %s", err, hintOf(err))
		}
	}
}

// A password must not be an argument of a process, nor be printed.
func TestDatabaseURL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://assay:"+password+"@[::1/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env  string
		args []string
		want string
	}{
		"password in a flag":      {args: []string{"--database", "postgres://assay:" + password + "@localhost/assay"}, want: "--database contains a password"},
		"password as a parameter": {args: []string{"--database", "postgres://assay@localhost/assay?password=" + password}, want: "--database contains a password"},
		"key and value":           {args: []string{"--database", "host=localhost password=" + password}, want: "invalid database URL"},
		"a slash in a password":   {args: []string{"--database", "postgres://assay:" + password + "/x@localhost/assay"}, want: "invalid database URL"},
		"invalid file":            {args: []string{"--database-file", file}, want: "invalid database URL"},
		"no file":                 {args: []string{"--database-file", file + "x"}, want: "no such file"},
		"both":                    {args: []string{"--database-file", file, "--database", "postgres:///x"}, want: "exclude each other"},
		"a slash after a digit":   {args: []string{"--database", "postgres://assay:1/" + password + "@localhost/assay"}, want: "invalid database URL"},
		"a question mark":         {env: "postgres://assay:1?" + password + "@localhost/assay", want: "invalid database URL"},
		"an @ and a slash":        {env: "postgres://assay:a@b/" + password + "@localhost/assay", want: "invalid database URL"},
		"invalid variable":        {env: "postgres://assay:" + password + "@localhost:port/assay", want: "invalid database URL"},
		"invalid parameter":       {env: "postgres://assay:" + password + "@localhost/assay?sslmode=" + password, want: "invalid database URL"},
		"nobody listens":          {env: "postgres://assay:" + password + "@127.0.0.1:1/assay?sslmode=disable", want: "the store is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ASSAYD_DATABASE", tt.env)
			stdout, stderr, err := assayd(t, append([]string{"token", "list"}, tt.args...)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if all := fmt.Sprintf("%v %+v %s %s %s", err, err, hint.Of(err), stdout, stderr); strings.Contains(all, password) {
				t.Errorf("the password is printed: %s", all)
			}
		})
	}
	t.Setenv("ASSAYD_DATABASE", "postgres://assay:"+password+"@localhost/assay")
	if stdout := must(t, "token", "list", "--help"); strings.Contains(stdout, password) {
		t.Errorf("the help has the password:\n%s", stdout)
	}
}

// Commands work with a database as with a folder, and leave nothing in the folder.
func TestCommandsOnPostgres(t *testing.T) {
	t.Setenv("ASSAYD_DATABASE", withPassword(t, newDatabase(t)))
	t.Setenv("ASSAYD_DATA", t.TempDir())
	if _, _, err := assayd(t, "token", "list"); !errors.Is(err, postgres.ErrOldSchema) {
		t.Errorf("a database without a schema: %v", err)
	}
	if _, _, err := assayd(t, "import", "--no-migrate", mirror(t, "CRAN")); !errors.Is(err, postgres.ErrOldSchema) {
		t.Errorf("--no-migrate without a schema: %v", err)
	}
	if out := must(t, "migrate"); !strings.Contains(out, "from version 0 to") {
		t.Errorf("migrate: %q", out)
	}
	if out := must(t, "migrate"); !strings.Contains(out, "up to date") {
		t.Errorf("migrate again: %q", out)
	}
	must(t, "import", "--no-migrate", filepath.Join(mirror(t, "CRAN"), "CRAN", "all.zip"))
	must(t, "token", "create", "--name", "ci")
	for _, tt := range []struct{ command, want string }{
		{"status", "import "},
		{"token list", "ci"},
		{"token revoke ci", "revoked"},
		{"verify-data", "the database is intact"},
	} {
		if out := must(t, strings.Fields(tt.command)...); !strings.Contains(out, tt.want) {
			t.Errorf("%s prints %q, want %q", tt.command, out, tt.want)
		}
	}
	if _, _, err := assayd(t, "repair"); err == nil || !strings.Contains(hint.Of(err), "use the tools of PostgreSQL") {
		t.Errorf("repair: %v", err)
	}
	if entries, err := os.ReadDir(os.Getenv("ASSAYD_DATA")); err != nil || len(entries) > 0 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

func TestMissingDatabase(t *testing.T) {
	t.Setenv("ASSAYD_DATABASE", shared.Server(t).URL("none"))
	if _, _, err := assayd(t, "migrate"); err == nil || !strings.Contains(hint.Of(err), "and the database") {
		t.Errorf("a database that does not exist: %v, hint %q", err, hint.Of(err))
	}
}

// A replica of an earlier release continues to serve while another one migrates. It does
// not start with the newer schema.
func TestNewerSchema(t *testing.T) {
	server := shared.Server(t)
	name := server.Database(t, "")
	t.Setenv("ASSAYD_DATABASE", server.URL(name))
	must(t, "migrate")
	running := startServe(t, t.TempDir(), "--update-every", "0")
	running.wait("does not serve", func() bool { return running.health().Status != "" })

	server.Exec(t, name, "INSERT INTO assayd_schema (version_id, is_applied) VALUES (1000, true)")
	for _, command := range []string{"token list", "migrate", "serve --public-url http://localhost --listen 127.0.0.1:0 --data " + t.TempDir()} {
		_, _, err := assayd(t, strings.Fields(command)...)
		if !errors.Is(err, postgres.ErrNewSchema) || !strings.Contains(hint.Of(err), "newer one") {
			t.Errorf("%s with a newer schema: %v", command, err)
		}
	}
	if running.health().Status == "" {
		t.Error("the running assayd stopped serving")
	}
}

// Only one update of the feeds runs at a time.
func TestOneUpdate(t *testing.T) {
	url := newDatabase(t)
	t.Setenv("ASSAYD_DATABASE", url)
	t.Setenv("ASSAYD_DATA", t.TempDir())
	must(t, "migrate")
	st, err := postgres.Open(t.Context(), url, true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	lead, err := st.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	update := []string{"update", "--mirror", mirror(t, "CRAN"), "--ecosystem", "CRAN"}
	if _, _, err := assayd(t, update...); !errors.Is(err, store.ErrLocked) {
		t.Errorf("two updates: %v", err)
	}
	if err := lead.Release(); err != nil {
		t.Fatal(err)
	}
	if out := must(t, update...); !strings.Contains(out, "osv:CRAN") {
		t.Errorf("update prints %q", out)
	}
}

// Commands that need a folder say so, and name the equivalent for a database.
func TestFolderCommands(t *testing.T) {
	for _, args := range [][]string{{"backup", "x"}, {"restore", "x"}, {"repair"}} {
		_, _, err := assayd(t, append(args, "--database", "postgres://assay@localhost/assay")...)
		want := "assayd " + args[0] + " works only with a data folder, not with a PostgreSQL database"
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hint.Of(err), "pg_dump") {
			t.Errorf("%s: error %v with the hint %q, want %q", args[0], err, hint.Of(err), want)
		}
	}
}
