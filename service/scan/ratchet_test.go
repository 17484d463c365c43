package scan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/match"
	"assay/service/policy/ruleset"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// keptScans are scans, of which passed are those that passed, the newest first.
type keptScans struct {
	scans  map[string]store.Scan
	passed []string
	err    error
	reads  int
}

func (k *keptScans) PassedScan(ctx context.Context, _, _ string, before time.Time) (store.Scan, store.Sizes, error) {
	for _, id := range k.passed {
		if k.scans[id].At.Before(before) {
			s := k.scans[id]
			return s, store.Sizes{Request: int64(len(s.Request))}, k.err
		}
	}
	return store.Scan{}, store.Sizes{}, store.ErrNotFound
}

func (k *keptScans) FindScan(_ context.Context, id string) (store.Scan, store.Sizes, error) {
	s, ok := k.scans[id]
	if !ok {
		return s, store.Sizes{}, store.ErrNotFound
	}
	return s, store.Sizes{Request: int64(len(s.Request))}, k.err
}

func (k *keptScans) Scan(_ context.Context, id string) (store.Scan, error) {
	k.reads++
	s := k.scans[id]
	switch string(s.Request) {
	case "removed":
		return s, store.ErrNotFound
	case "damaged":
		return s, store.ErrDamaged
	}
	return s, nil
}

func (k *keptScans) add(id string, hour int, request string) {
	k.scans[id] = store.Scan{ID: id, At: now.Add(time.Duration(hour-24) * time.Hour), Request: []byte(request)}
}

func ratchetPolicy(t *testing.T) *ruleset.Policy {
	t.Helper()
	p, err := ruleset.Parse([]byte("all: {ratchet: {against: main, grace: 14d}}"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// npm is a document with packages of npm, "a 1.0.0".
func npm(packages ...string) string {
	var all []string
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		all = append(all, fmt.Sprintf(`{"type":"library","name":%q,"version":%q,"purl":"pkg:npm/%s@%s"}`, name, version, name, version))
	}
	return `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + strings.Join(all, ",") + `]}`
}

func TestReferences(t *testing.T) {
	p := ratchetPolicy(t)
	rules := p.For("shop", "")
	k := &keptScans{scans: map[string]store.Scan{}}
	k.add("good", 5, npm("a 1.0.0"))
	k.add("older", 4, npm("a 1.0.0"))
	k.add("bad", 6, `{`)
	k.add("damaged", 7, "damaged")
	k.add("removed", 8, "removed")
	r := &scan.References{Store: k}
	with := scan.Matching{Index: memory(t), Snapshot: "1", Now: now}
	for _, tt := range []struct{ passed, project, scan, missing string }{
		{"", "shop", "", "no stored scan of main has passed"},
		{"good", "", "", "names no project"},
		{"good", "shop", "good", ""},
		{"good older", "shop", "good", ""},
		{"bad", "shop", "", "the last scan of main that passed, bad, cannot be read"},
		{"bad good", "shop", "good", ""},
		{"removed damaged", "shop", "", "the last 2 scans of main that passed cannot be read"},
		{"removed damaged good", "shop", "good", ""},
		{"removed damaged bad good", "shop", "", "the last 3 scans of main that passed cannot be read"},
	} {
		k.passed = strings.Fields(tt.passed)
		got, err := r.Ratchet(t.Context(), rules, tt.project, now, with)
		if err != nil || got.Scan != tt.scan || !strings.Contains(got.Missing, tt.missing) || (got.Missing == "") != (tt.missing == "") ||
			got.Against != "main" || (got.Reference == nil) != (tt.scan == "") {
			t.Errorf("%+v: %+v, %v", tt, got, err)
		}
	}

	k.passed, k.reads = []string{"good"}, 0
	for _, snapshot := range []string{"1", "1", "2", "2", "1"} { // today's data counts
		with.Snapshot = snapshot
		if _, err := r.Ratchet(t.Context(), rules, "shop", now, with); err != nil {
			t.Fatal(err)
		}
	}
	if k.reads != 2 {
		t.Errorf("%d reads", k.reads)
	}
	k.passed = []string{"older"}
	busy := errors.New("busy")
	with.Need = func(store.Sizes) error { return busy }
	if got, err := r.Ratchet(t.Context(), rules, "shop", now, with); !errors.Is(err, busy) {
		t.Errorf("no room: %+v, %v", got, err)
	}
	with.Need = nil
	k.err = store.ErrUnavailable
	if _, err := r.Ratchet(t.Context(), rules, "shop", now, with); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("unavailable: %v", err)
	}
	k.err = nil
	if got, err := r.Ratchet(t.Context(), p.ForInherited("shop", ""), "shop", now, with); err != nil || got.Scan != "" || got.Missing != "a variable names the project" {
		t.Errorf("a project of a variable: %+v, %v", got, err)
	}
	if got, err := r.Ratchet(t.Context(), nil, "shop", now, with); got != nil || err != nil {
		t.Errorf("without a policy: %+v, %v", got, err)
	}

	var before verdict.Verdict
	if err := json.Unmarshal([]byte(`{"ratchet":{"against":"main","grace":"14d","scan":"good"}}`), &before); err != nil {
		t.Fatal(err)
	}
	if got, err := r.RatchetOf(t.Context(), rules, before, with); err != nil || got.Scan != "good" {
		t.Errorf("as of: %+v, %v", got, err)
	}
	for id, want := range map[string]error{"gone": store.ErrNotFound, "removed": store.ErrNotFound, "bad": nil} {
		before.Ratchet.Scan = id
		if got, err := r.RatchetOf(t.Context(), rules, before, with); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("as of %s: %+v, %v", id, got, err)
		}
	}
}

// Today's data says what the reference has: a vulnerability that an upgrade introduces is not
// known, and one that was found since is.
func TestRatchetMatchesReference(t *testing.T) {
	record := func(id, ecosystem, name, events string) string {
		return fmt.Sprintf(`{"id":%q,"modified":"2026-11-20T00:00:00Z","published":"2026-11-20T00:00:00Z","aliases":["CVE-%s"],
			"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}]}`, id, id, ecosystem, name, events)
	}
	both := `{"introduced":"0"},{"fixed":"3.0.0"}`
	ix := memory(t,
		record("GHSA-aaaa-aaaa-aaaa", "npm", "old", both),
		record("GHSA-bbbb-bbbb-bbbb", "npm", "upgraded", both),
		record("GHSA-cccc-cccc-cccc", "npm", "backdoor", `{"introduced":"2.0.0"},{"fixed":"3.0.0"}`),
		record("GHSA-dddd-dddd-dddd", "npm", "added", both),
		record("GHSA-eeee-eeee-eeee", "npm", "downgraded", both),
		record("DSA-1-1", "Debian:11", "patched", `{"introduced":"0"},{"fixed":"1-1+deb11u1"}`),
		record("DSA-1-2", "Debian:12", "patched", `{"introduced":"0"},{"fixed":"2-1+deb12u1"}`),
	)
	library := func(name, version string) inventory.Package { return library("npm", name, version) }
	deb := func(version string) inventory.Package {
		return inventory.Package{Type: "deb", Name: "patched", Version: version, Arch: "amd64", Source: "patched", SourceVersion: version, Vendor: "M <m@debian.org>"}
	}
	image := func(release string, packages ...inventory.Package) cyclonedx.Scan {
		return cyclonedx.Scan{
			Inventory: inventory.Inventory{System: inventory.System{ID: "debian", VersionID: release}, Packages: packages},
		}
	}
	reference := image("11", library("old", "1.0.0"), library("upgraded", "1.0.0"), library("backdoor", "1.9.0"), library("downgraded", "2.0.0"), deb("1-1+deb11u1"))
	var b strings.Builder
	if err := cyclonedx.Encode(&b, reference); err != nil {
		t.Fatal(err)
	}
	k := &keptScans{scans: map[string]store.Scan{}, passed: []string{"main"}}
	k.add("main", 1, b.String())
	rules := ratchetPolicy(t).For("shop", "")
	ratchet, err := (&scan.References{Store: k}).Ratchet(t.Context(), rules, "shop", now, scan.Matching{Index: ix, Memo: match.NewMemo(), Snapshot: "1", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	build := image("12", library("old", "1.0.0"), library("upgraded", "2.0.0"), library("backdoor", "2.0.0"), library("added", "1.0.0"), library("downgraded", "1.0.0"), deb("2-1"))
	answer, err := scan.Evaluator{Policy: rules, Ratchet: ratchet}.Answer(build, ix, nil, verdict.Data{Records: 7, Updated: now}, now)
	if err != nil {
		t.Fatal(err)
	}
	v := answer.Whole()
	want := map[string]string{
		"old": verdict.RuleRatchet, "upgraded": verdict.RuleRatchet, "backdoor": verdict.RuleSeverity,
		"added": verdict.RuleSeverity, "downgraded": verdict.RuleSeverity,
		"patched": verdict.RuleSeverity, // fixed in the release of the reference
	}
	for _, f := range v.Findings {
		if f.Rule != want[f.Package.Name] {
			t.Errorf("%s: %s, want %s", f.Package.Name, f.Rule, want[f.Package.Name])
		}
		delete(want, f.Package.Name)
	}
	if len(want) > 0 {
		t.Errorf("no findings of %v", want)
	}
	if r := v.Ratchet; r == nil || r.Introduced != 4 || r.Known != 2 || r.InGrace != 2 {
		t.Errorf("%+v", r)
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}

// Many scans ask for references at once, while main gets new ones and the data changes.
func TestReferencesConcurrently(t *testing.T) {
	k := &lockedScans{keptScans: keptScans{scans: map[string]store.Scan{}}}
	for i := range 20 {
		id := fmt.Sprint("s", i)
		k.add(id, i, npm(fmt.Sprintf("a %d.0.0", i)))
		k.passed = append([]string{id}, k.passed...)
	}
	rules, ix := ratchetPolicy(t).For("shop", ""), memory(t)
	r := &scan.References{Store: k}
	var work sync.WaitGroup
	for i := range 40 {
		work.Go(func() {
			at := now.Add(time.Duration(i%20-24)*time.Hour + time.Minute) // after scan i%20
			with := scan.Matching{Index: ix, Snapshot: fmt.Sprint(i / 20), Now: now}
			for range 5 {
				if got, err := r.Ratchet(t.Context(), rules, "shop", at, with); err != nil || got.Scan != fmt.Sprint("s", i%20) || got.Reference == nil {
					t.Errorf("%+v, %v; want scan %d", got, err, i%20)
				}
			}
		})
	}
	work.Wait()
}

// lockedScans are keptScans for many goroutines.
type lockedScans struct {
	mu sync.Mutex
	keptScans
}

func (l *lockedScans) Scan(ctx context.Context, id string) (store.Scan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keptScans.Scan(ctx, id)
}
