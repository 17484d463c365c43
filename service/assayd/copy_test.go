package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

// A store is copied to a database and back, and backed up and restored, by the commands.
func TestCopyAndBackup(t *testing.T) {
	server := shared.Server(t)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		d := &daemon{stdout: &out, stderr: &out, now: func() time.Time { return now }}
		err := d.run(t.Context(), append([]string{"assayd"}, args...))
		return out.String(), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("assayd %q: %v, hint %q\n%s", args, err, hint.Of(err), out)
		}
		return out
	}
	dir, back := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "back")
	must("import", filepath.Join(testkit.Root(t), "testdata", "sample", "advisories"), "--sample", "--data", dir)
	must("token", "create", "--name", "ci", "--data", dir)
	keepScans(t, dir, now, 100, 50, 1)
	database := server.URL(server.Database(t, ""))

	out := must("copy", "--from", dir, "--to", database)
	for _, want := range []string{"scan      3     3           0", "the copy is complete: snapshot "} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	_, snapshot, _ := strings.Cut(out, "complete: snapshot ")
	must("prune", "--keep", "30d", "--data", dir)
	out = must("copy", "--from", dir, "--to", database)
	if !strings.Contains(out, "scan      1     0           2") {
		t.Errorf("after pruning:\n%s", out)
	}
	out = must("copy", "--from", database, "--to", back)
	if !strings.Contains(out, "snapshot "+strings.Fields(snapshot)[0]) {
		t.Errorf("the copy back does not have the snapshot %s:\n%s", snapshot, out)
	}
	status := must("status", "--data", back)
	if want := must("status", "--database", database); len(want) < 100 || strings.Split(status, "\n")[0] != strings.Split(want, "\n")[0] {
		t.Errorf("status of the copy back:\n%s\nof the database:\n%s", status, want)
	}

	backup, restored := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "restored")
	must("backup", backup, "--data", dir)
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info, err)
	}
	t.Chdir(filepath.Dir(dir)) // a relative folder works too
	must("backup", backup, "--data", filepath.Base(dir))
	t.Chdir(filepath.Dir(restored))
	must("restore", backup, "--data", filepath.Base(restored))
	must("verify-data", "--data", restored)

	unlock, err := sqlite.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	must("backup", backup, "--data", dir) // while an assayd serves
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"copy", "--from", dir, "--to", back}, "stop the assayd"},
		{[]string{"copy", "--from", back}, "a folder, or the URL"},
		{[]string{"copy", "--from", filepath.Join(dir, "none"), "--to", t.TempDir()}, "name the folder"},
		{[]string{"copy", "--from", back, "--to", "postgres://assay:secret@127.0.0.1/assay"}, "put the URL into a file"},
		{[]string{"copy", "--from", back, "--to", "Postgres://assay:secret@127.0.0.1/assay"}, "put the URL into a file"},
		{[]string{"copy", "--from", back, "--to", "host=127.0.0.1 password=secret"}, "it looks like postgres://"},
		{[]string{"copy", "--from", back, "--to", "mysql://assay:secret@127.0.0.1/assay"}, "it looks like postgres://"},
		{[]string{"copy", "--from", restored, "--to", "file:" + filepath.Join(dir, "none")}, ""},
		{[]string{"backup", "--data", dir}, "assayd backup FILE"},
		{[]string{"backup", backup, "--database", database}, "use the tools of PostgreSQL"},
		{[]string{"backup", filepath.Join(dir, "ledger.db"), "--data", dir}, "name another file"},
		{[]string{"restore", backup, "--data", dir}, "name an empty folder"},
		{[]string{"restore", backup, "--data", restored}, "name an empty folder"},
		{[]string{"restore", filepath.Join(dir, "advisories.db"), "--data", t.TempDir()}, "a complete backup"},
		{[]string{"restore", filepath.Join(dir, "none"), "--data", t.TempDir()}, ""},
	} {
		out, err := run(tt.args...)
		if err == nil || !strings.Contains(hint.Of(err), tt.want) {
			t.Errorf("assayd %q: %v, hint %q, want %q", tt.args, err, hint.Of(err), tt.want)
		}
		if strings.Contains(out, "secret") || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("assayd %q prints a password: %v", tt.args, err)
		}
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	served, err := postgres.Open(t.Context(), database, true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changed := served.Watch(ctx)
	<-changed
	for _, args := range [][]string{{"copy", "--from", dir, "--to", database}, {"copy", "--from", database, "--to", filepath.Join(t.TempDir(), "new")}} {
		if _, err := run(args...); !errors.Is(err, store.ErrLocked) || !strings.Contains(hint.Of(err), "stop every assayd") {
			t.Errorf("assayd %q while an assayd serves: %v", args, err)
		}
	}
	cancel()
	for range changed { // until it is closed
	}
	served.Close()
	other := filepath.Join(t.TempDir(), "other")
	keepScans(t, other, now, 3)
	if _, err := run("copy", "--from", other, "--to", database); err == nil || !strings.Contains(hint.Of(err), "empty") {
		t.Errorf("over the data of another store: %v", err)
	}
}

// Only a copy that is continued reads or writes an incomplete copy.
func TestIncompleteCopy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.BeginCopy(t.Context(), "data"), st.Close()); err != nil {
		t.Fatal(err)
	}
	sample := filepath.Join(testkit.Root(t), "testdata", "sample", "advisories")
	for _, args := range [][]string{{"import", sample}, {"status"}, {"token", "create", "--name", "x"}, {"prune", "--keep", "1d"}, {"verify-data"}} {
		var out bytes.Buffer
		d := &daemon{stdout: &out, stderr: &out, now: time.Now}
		err := d.run(t.Context(), append(append([]string{"assayd"}, args...), "--data", dir))
		if !errors.Is(err, store.ErrIncomplete) || !strings.Contains(hint.Of(err), "assayd copy") {
			t.Errorf("assayd %q: %v, hint %q\n%s", args, err, hint.Of(err), &out)
		}
	}
}
