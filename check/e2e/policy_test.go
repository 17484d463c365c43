package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"assay/check/testkit/pgtest"
	"assay/verdict"
)

// TestPolicyOnReplicas sets versions of the policy through one of two assayd on a database.
// The other one decides its next scan by them, and compares with a reference that the first
// one stored. A replay uses the version and the reference of the scan.
func TestPolicyOnReplicas(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, nil)
	database := server.URL(server.Database(t, ""))
	config := databaseConfig(t, database)
	if err := config.Import(t.Context(), sampleAdvisories); err != nil {
		t.Fatal(err)
	}
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	a, b := serveDatabase(t, database, token, nil), serveDatabase(t, database, token, nil)

	scan := func(on onDatabase, flags ...string) verdict.Verdict {
		t.Helper()
		args := append([]string{token, "--root", sampleRoot, "--server", on.url, "--format", "json"}, flags...)
		out, err := exec.Command(filepath.Join(bin, "assay"), args...).Output()
		exit, _ := errors.AsType[*exec.ExitError](err)
		if err != nil && (exit == nil || exit.ExitCode() != verdict.CodeFail) {
			t.Fatalf("assay: %v\n%s", err, out)
		}
		var v verdict.Verdict
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	set := func(version int, text string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := a.config.Run(t.Context(), "policy", "set", file)
		if want := fmt.Sprintf("stored version %d of the policy\n", version); err != nil || string(out) != want {
			t.Fatalf("%s, %v; want %s", out, err, want)
		}
	}
	// replay decides a scan again with the data folder of the other replica.
	replay := func(v verdict.Verdict, flags ...string) verdict.Verdict {
		t.Helper()
		out, err := b.config.Run(t.Context(), "replay", append([]string{v.Scan, "--format", "json"}, flags...)...)
		if err != nil {
			t.Fatal(err)
		}
		var again verdict.Verdict
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatal(err)
		}
		return again
	}
	same := func(what string, v, again verdict.Verdict) {
		t.Helper()
		x, err1 := json.Marshal(v)
		y, err2 := json.Marshal(again)
		if err1 != nil || err2 != nil || string(x) != string(y) {
			t.Errorf("%s: the replay differs:\n%s\n%s", what, x, y)
		}
	}

	first := scan(b)
	if first.Decision.Outcome != verdict.Fail || first.Policy != nil {
		t.Fatalf("without a policy: %+v, %+v", first.Decision, first.Policy)
	}
	var lax, strict verdict.Verdict
	for version := 1; version <= 6; version += 2 {
		set(version, "all: {default: {fail-on: none}}")
		if lax = scan(b); lax.Decision.Outcome != verdict.Pass || lax.Policy == nil || lax.Policy.Version != version {
			t.Errorf("version %d: %+v, %+v", version, lax.Decision, lax.Policy)
		}
		set(version+1, "all: {mandatory: {fail-on: high}}")
		if strict = scan(b, "--fail-on", "none"); strict.Decision.Outcome != verdict.Fail || strict.Policy.Version != version+1 {
			t.Errorf("version %d: %+v, %+v", version+1, strict.Decision, strict.Policy)
		}
	}
	asOf := []string{"--as-of", first.Data.Snapshot}
	same("no policy", first, replay(first, asOf...))
	same("version 5", lax, replay(lax, asOf...))
	same("version 6", strict, replay(strict, asOf...))
	if now := replay(lax); now.Decision.Outcome != verdict.Fail || now.Policy.Version != 6 {
		t.Errorf("by the current policy: %+v, %+v", now.Decision, now.Policy)
	}

	// The reference is stored by one replica, and the other compares with it.
	set(7, "all: {ratchet: {against: main, grace: 3650d}}")
	shop := []string{"--project", "shop", "--ref"}
	if v := scan(b, append(shop, "topic")...); v.Ratchet == nil || v.Ratchet.Known != 0 || v.Decision.Outcome != verdict.Fail {
		t.Errorf("without a reference: %+v", v.Ratchet)
	}
	main := scan(a, append(shop, "main", "--fail-on", "none")...)
	topic := scan(b, append(shop, "topic")...)
	if r := topic.Ratchet; r == nil || r.Scan != main.Scan || r.Introduced != 0 || r.Known != first.Counts.Failing {
		t.Errorf("%+v, want %d known of scan %s", r, first.Counts.Failing, main.Scan)
	}
	scan(a, append(shop, "main", "--fail-on", "none")...) // a newer reference
	set(8, "all: {ratchet: off}")
	same("the ratchet", topic, replay(topic, asOf...))
}
