package api_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/check/testkit/pgtest"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/api"
	"assay/service/index"
	"assay/service/policy/ruleset"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
	"assay/verdict"
)

var postgresql pgtest.Shared

func TestMain(m *testing.M) { os.Exit(postgresql.Main(m)) }

// A ratchetRig is a service with a ratchet of 14 days against main. A package "old…" has a
// fix of 20 days ago, "young…" of 5 days ago, and "undated…" of an unknown day.
type ratchetRig struct {
	*rig
	policy atomic.Pointer[string]
	now    atomic.Pointer[time.Time] // the server reads it after an answer, too
	// damage damages the inventory of a stored scan.
	damage func(scan string)
}

func (r *ratchetRig) setTime(now time.Time)   { r.now.Store(&now) }
func (r *ratchetRig) setPolicy(policy string) { r.policy.Store(&policy) }

func newRatchetRig(t *testing.T, st store.Store, damage func(string)) *ratchetRig {
	t.Helper()
	var records []advisory.Advisory
	add := func(id, name, events string, published time.Time) {
		day := ""
		if !published.IsZero() {
			day = `"published":"` + published.Format(time.RFC3339) + `",`
		}
		a, err := advisory.Parse(fmt.Appendf(nil, `{"id":%q,"modified":"2026-11-20T00:00:00Z",%s"aliases":["CVE-%s"],
			"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
			"affected":[{"package":{"ecosystem":"npm","name":%q},"ranges":[{"type":"SEMVER","events":[%s]}]}]}`, id, day, id, name, events))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, a)
	}
	const all = `{"introduced":"0"},{"fixed":"9.0.0"}`
	for i := range 40 {
		add(fmt.Sprintf("GHSA-youn-aaaa-%04d", i), fmt.Sprintf("young%02d", i), all, now.AddDate(0, 0, -5))
		add(fmt.Sprintf("GHSA-oldd-aaaa-%04d", i), fmt.Sprintf("old%02d", i), all, now.AddDate(0, 0, -20))
	}
	add("GHSA-unda-aaaa-0000", "undated00", all, time.Time{})
	add("GHSA-back-aaaa-0000", "backdoor", `{"introduced":"2.0.0"},{"fixed":"9.0.0"}`, now.AddDate(0, 0, -5))
	data := index.NewMemory(records, nil)
	r := &ratchetRig{damage: damage}
	r.setTime(now)
	r.setPolicy("all: {ratchet: {against: main, grace: 14d}}")
	r.rig = newRig(t, func(c *config) {
		c.API.Store, c.Server.Tokens = st, st
		c.API.Now = func() time.Time { return *r.now.Load() }
		c.API.View = func() (api.View, error) { return view{Memory: data, records: len(records)}, nil }
		c.API.Policy = func(context.Context) (*ruleset.Policy, error) { return ruleset.Parse([]byte(*r.policy.Load())) }
	})
	r.store = st
	return r
}

// scan sends a scan of packages, "a" of version 1.0.0 or "a 2.0.0". Times between scans are
// an hour.
func (r *ratchetRig) scan(t *testing.T, secret, ref, failOn string, packages []string, more ...cyclonedx.Option) verdict.Verdict {
	t.Helper()
	r.setTime(r.now.Load().Add(time.Hour))
	s := cyclonedx.Scan{Options: append([]cyclonedx.Option{
		{Name: "ref", Value: ref, Origin: "flag"}, {Name: "fail-on", Value: failOn, Origin: "flag"},
	}, more...)}
	for _, p := range append([]string{"harmless"}, packages...) {
		name, version, found := strings.Cut(p, " ")
		if !found {
			version = "1.0.0"
		}
		s.Inventory.Packages = append(s.Inventory.Packages, inventory.Package{
			Type: "npm", Name: name, Version: version, Evidence: []inventory.Evidence{{Path: "app/node_modules/" + name, Kind: "npm"}},
		})
	}
	var b bytes.Buffer
	if err := cyclonedx.Encode(&b, s); err != nil {
		t.Fatal(err)
	}
	resp, body := r.do("POST", "/api/v1/scans", secret, b.Bytes())
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", resp.Status, body, r.log)
	}
	v := decodeVerdict(t, body)
	if err := v.Check(); err != nil {
		t.Error(err)
	}
	return v
}

// counted is what a ratchet counted.
func counted(r *verdict.Ratchet) string {
	if r == nil {
		return "no ratchet"
	}
	return fmt.Sprintf("%d introduced, %d known, %d in grace, %d overdue", r.Introduced, r.Known, r.InGrace, r.Overdue)
}

// numbered returns n names.
func numbered(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%02d", prefix, i))
	}
	return all
}

// onStores runs a test with each store.
func onStores(t *testing.T, test func(t *testing.T, r *ratchetRig)) {
	t.Run("SQLite", func(t *testing.T) {
		dir := t.TempDir()
		st, err := sqlite.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		test(t, newRatchetRig(t, st, func(scan string) {
			db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(`UPDATE request SET body = x'0203' WHERE n = (SELECT request FROM scan WHERE id = ?)`, scan); err != nil {
				t.Fatal(err)
			}
		}))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgresql.Server(t)
		url := server.URL(server.Database(t, ""))
		st, err := postgres.Open(t.Context(), url, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		test(t, newRatchetRig(t, st, func(scan string) {
			c, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(t.Context())
			if _, err := c.Exec(t.Context(), `UPDATE request SET body = '\x0203' WHERE hash = (SELECT request FROM scan WHERE id = $1)`, scan); err != nil {
				t.Fatal(err)
			}
		}))
	})
}

// A build is compared with the last scan of main that passed: what it introduces fails, what
// was there has a grace, and what an upgrade brings is introduced.
func TestRatchet(t *testing.T) {
	onStores(t, func(t *testing.T, r *ratchetRig) {
		shop := r.token(store.Token{Name: "shop", Project: "shop"})
		blog := r.token(store.Token{Name: "blog", Project: "blog"})
		all := r.token(store.Token{Name: "all"})
		before := append(numbered("young", 30), "old00", "backdoor 1.0.0")
		if v := r.scan(t, shop, "topic", "high", before); counted(v.Ratchet) != "31 introduced, 0 known, 0 in grace, 0 overdue" ||
			v.Ratchet.Missing != `no stored scan of main has passed` {
			t.Errorf("without a reference: %+v", v.Ratchet)
		}
		main := r.scan(t, shop, "main", "none", before) // as it was before the gate
		after := append(numbered("young", 32), "old00", "backdoor 2.0.0")
		v := r.scan(t, shop, "topic", "high", after)
		if counted(v.Ratchet) != "3 introduced, 31 known, 30 in grace, 1 overdue" || v.Ratchet.Scan != main.Scan || v.Counts.Failing != 4 {
			t.Errorf("%+v", v.Ratchet)
		}
		v = r.scan(t, shop, "topic", "high", numbered("young", 30))
		if v.Decision.Outcome != verdict.Pass || counted(v.Ratchet) != "0 introduced, 30 known, 30 in grace, 0 overdue" {
			t.Errorf("what was there: %s, %s", v.Decision.Outcome, counted(v.Ratchet))
		}

		// The grace counts from the day of the fix, not from that of the scan.
		r.setTime(r.now.Load().AddDate(0, 0, 10))
		v = r.scan(t, shop, "topic", "high", numbered("young", 2))
		if counted(v.Ratchet) != "0 introduced, 2 known, 0 in grace, 2 overdue" || v.Decision.Outcome != verdict.Fail {
			t.Errorf("after the grace: %s", counted(v.Ratchet))
		}
		r.setTime(now.Add(24 * time.Hour))

		// What is no reference: scans of other projects and refs, those that failed, that were not
		// kept, whose project a variable names.
		poison := []string{"young35"}
		r.scan(t, blog, "main", "none", poison)
		r.scan(t, shop, "feature", "none", poison)
		if v := r.scan(t, shop, "main", "high", poison, cyclonedx.Option{Name: "continue-on-failure", Value: "true", Origin: "flag"}); v.Decision.Outcome != verdict.Fail {
			t.Errorf("a failing main: %s", v.Decision.Outcome)
		}
		variable := cyclonedx.Option{Name: "project", Value: "shop", Origin: "ASSAY_PROJECT"}
		if v := r.scan(t, all, "main", "none", poison, variable); v.Decision.Outcome != verdict.Pass || !v.ProjectInherited {
			t.Errorf("a project of a variable: %s", v.Decision.Outcome)
		}
		if v := r.scan(t, shop, "topic", "high", poison); counted(v.Ratchet) != "1 introduced, 0 known, 0 in grace, 0 overdue" || v.Ratchet.Scan != main.Scan {
			t.Errorf("after scans that are no reference: %+v", v.Ratchet)
		}
		if v := r.scan(t, all, "topic", "high", numbered("young", 1), variable); v.Ratchet.Missing != "a variable names the project" || v.Decision.Outcome != verdict.Fail {
			t.Errorf("a build whose project a variable names: %+v", v.Ratchet)
		}
		// With a token of the project, the variable does not matter.
		again := r.scan(t, shop, "main", "none", before, variable)
		if v := r.scan(t, shop, "topic", "high", numbered("young", 1)); v.Ratchet.Scan != again.Scan {
			t.Errorf("a token of the project: %+v", v.Ratchet)
		}
	})
}

// What accepts or forbids a finding comes before the ratchet, and --grace after it.
func TestRatchetAndExceptions(t *testing.T) {
	onStores(t, func(t *testing.T, r *ratchetRig) {
		shop := r.token(store.Token{Name: "shop", Project: "shop"})
		r.scan(t, shop, "main", "none", []string{"young00", "young01", "young02", "young03", "old00", "old01", "undated00"})
		r.setPolicy(`all:
  ratchet: {against: main, grace: 14d}
  exceptions:
    - {package: young01, reason: r}
    - {package: young02, reason: r, expires: 2026-01-31}
    - {package: old00, reason: r}
    - {package: old01, reason: r, expires: 2026-01-31}
    - {package: young10, reason: r}
    - {package: young11, reason: r, expires: 2026-01-31}
  forbidden:
    - {package: young03, reason: r}
`)
		v := r.scan(t, shop, "topic", "high", append(numbered("young", 4), "old00", "old01", "undated00", "young10", "young11", "young12"))
		got := map[string]string{}
		for _, f := range v.Findings {
			got[f.Package.Name] = f.Rule
		}
		for name, want := range map[string]string{
			"young00": verdict.RuleRatchet, "young01": verdict.RuleAccepted, "young02": verdict.RuleRatchet, "young03": verdict.RuleForbidden,
			"old00": verdict.RuleAccepted, "old01": verdict.RuleSeverity, "undated00": verdict.RuleSeverity,
			"young10": verdict.RuleAccepted, "young11": verdict.RuleSeverity, "young12": verdict.RuleSeverity,
		} {
			if got[name] != want {
				t.Errorf("%s: %s, want %s", name, got[name], want)
			}
		}
		if counted(v.Ratchet) != "2 introduced, 4 known, 2 in grace, 1 overdue" {
			t.Errorf("%+v", v.Ratchet)
		}
		v = r.scan(t, shop, "topic", "high", []string{"young00", "old01", "young12"}, cyclonedx.Option{Name: "grace", Value: "30d", Origin: "flag"})
		if counted(v.Ratchet) != "1 introduced, 2 known, 1 in grace, 1 overdue" || v.Decision.Outcome != verdict.Pass {
			t.Errorf("--grace: %s, %+v", v.Decision.Outcome, v.Ratchet)
		}
		// A mandatory fail-on takes the grace of the build, and not that of the ratchet.
		r.setPolicy("all: {ratchet: {against: main, grace: 14d}, mandatory: {fail-on: high}}")
		v = r.scan(t, shop, "topic", "none", []string{"young00", "young12"}, cyclonedx.Option{Name: "grace", Value: "30d", Origin: "flag"})
		if counted(v.Ratchet) != "1 introduced, 1 known, 1 in grace, 0 overdue" || v.Decision.Outcome != verdict.Fail || len(v.Ignored) != 2 {
			t.Errorf("mandatory: %s, %+v, %+v", v.Decision.Outcome, v.Ratchet, v.Ignored)
		}
	})
}

// A reference that is damaged or removed is left out, and the one before it counts.
func TestRatchetWithoutItsReference(t *testing.T) {
	onStores(t, func(t *testing.T, r *ratchetRig) {
		shop := r.token(store.Token{Name: "shop", Project: "shop"})
		older := r.scan(t, shop, "main", "none", []string{"young00"})
		newer := r.scan(t, shop, "main", "none", []string{"young00", "young01"})
		build := []string{"young00", "young01"}
		r.damage(newer.Scan)
		v := r.scan(t, shop, "topic", "high", build)
		if v.Ratchet.Scan != older.Scan || counted(v.Ratchet) != "1 introduced, 1 known, 1 in grace, 0 overdue" {
			t.Errorf("a damaged reference: %+v", v.Ratchet)
		}
		if _, err := r.store.Prune(t.Context(), store.Prune{Now: now.AddDate(2, 0, 0), Keep: 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		v = r.scan(t, shop, "topic", "high", build)
		if v.Ratchet.Scan != "" || v.Ratchet.Missing != "no stored scan of main has passed" || counted(v.Ratchet) != "2 introduced, 0 known, 0 in grace, 0 overdue" {
			t.Errorf("a removed reference: %+v", v.Ratchet)
		}
	})
}

// The last ten lines say what the build introduced, what is overdue and since when, and what
// to do.
func TestRatchetTail(t *testing.T) {
	onStores(t, func(t *testing.T, r *ratchetRig) {
		shop := r.token(store.Token{Name: "shop", Project: "shop"})
		r.scan(t, shop, "main", "none", append(numbered("young", 30), "old00"))
		v := r.scan(t, shop, "topic", "high", append(numbered("young", 32), "old00"))
		var b strings.Builder
		if err := verdict.WriteText(&b, v, verdict.Style{Exit: v.Decision.Code}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		tail := strings.Join(lines[max(0, len(lines)-10):], "\n")
		for _, want := range []string{
			"note: 2 introduced by this build, 31 known in main: 1 overdue since 2026-11-18, 30 in their grace",
			"worst: high old00 1.0.0 -> 9.0.0", "fix: in the project of /app: raise old00 to 9.0.0, young30 to 9.0.0 and young31 to 9.0.0",
			"FAIL, exit code 4: 3 of 33 findings fail, in 3 packages",
		} {
			if !strings.Contains(strings.Join(strings.Fields(tail), " "), want) {
				t.Errorf("%q is not in the last ten lines:\n%s", want, b.String())
			}
		}
		for _, want := range []string{
			"(CVSS 3.1) until 2026-11-18: known in main, and its grace is over; the fix was published on 2026-11-04 (policy version 0 line 1)",
			"(CVSS 3.1) introduced by this build (policy version 0 line 1)",
			"of main on 2026-11-24",
		} {
			if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
				t.Errorf("%q is not in the log:\n%s", want, b.String())
			}
		}
		if !slices.ContainsFunc(lines[len(lines)-10:], func(l string) bool { return strings.HasPrefix(l, "assay: verdict=fail") }) {
			t.Errorf("the stable line is not in the last ten lines:\n%s", b.String())
		}
	})
}
