package explain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/explain"
	"assay/service/exploit"
	"assay/service/index"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

var scanned = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A version is a version of a record with its sequence number. Without a text the record
// was removed.
type version struct {
	seq  int64
	id   string
	text string
}

// A memory has the versions of records, as a store does.
type memory []version

func (m memory) RecordsOf(_ context.Context, id string, upTo int64) ([]store.Record, error) {
	found := version{}
	for _, v := range m {
		if v.id == id && v.seq <= upTo && v.seq > found.seq {
			found = v
		}
	}
	if found.seq == 0 {
		return nil, nil
	}
	r := store.Record{Seq: found.seq, ID: id, Origin: test, Removed: found.text == "", Body: []byte(found.text)}
	if a, err := advisory.Parse(r.Body); err == nil {
		r.Modified = a.Modified
	}
	return []store.Record{r}, nil
}

var test = store.Origin{Source: "osv", Part: "test"}

func (m memory) Sources(context.Context) ([]store.Source, error) {
	return []store.Source{{Origin: test, Updated: scanned.Add(-2 * time.Hour)}}, nil
}

// index returns the data at a sequence number.
type snapshot struct{ *index.Memory }

func (snapshot) Exploit(c exploit.CVE) (kev, epss exploit.Entry, err error) {
	if c == (exploit.CVE{Year: 2024, Number: 1000}) {
		return exploit.Entry{CVE: c, Added: time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)}, exploit.Entry{CVE: c, EPSS: 3830000}, nil
	}
	return kev, epss, nil
}

func (m memory) index(t *testing.T, upTo int64) snapshot {
	t.Helper()
	var all []advisory.Advisory
	for _, v := range m {
		r, err := m.RecordsOf(t.Context(), v.id, upTo)
		if err != nil || len(r) == 0 || r[0].Removed || r[0].Seq != v.seq {
			continue
		}
		a, err := advisory.Parse(r[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = test.Source
		all = append(all, a)
	}
	// Advisories for every package of the image, so that all of them are evaluated.
	return snapshot{index.NewMemory(all, nil)}
}

// Withdrawn returns the one withdrawn record.
func (snapshot) Withdrawn(name string) ([]string, error) {
	if name == "CVE-2024-1004" {
		return []string{"DEBIAN-CVE-2024-1004"}, nil
	}
	return nil, nil
}

// record returns an advisory with an id, more fields, and affected entries of the form
// "ecosystem name introduced fixed".
func record(id, more string, entries ...string) string {
	var affected []string
	for _, e := range entries {
		f := strings.Fields(e)
		events := fmt.Sprintf(`{"introduced":%q}`, f[2])
		if len(f) > 3 {
			events += fmt.Sprintf(`,{"fixed":%q}`, f[3])
		}
		affected = append(affected, fmt.Sprintf(`{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}`, f[0], f[1], events))
	}
	return fmt.Sprintf(`{"id":%q,"modified":"2024-02-03T04:05:06Z"%s,"affected":[%s]}`, id, more, strings.Join(affected, ","))
}

var image = inventory.Inventory{
	System: inventory.System{ID: "debian", VersionID: "12"},
	Packages: []inventory.Package{
		{Type: "deb", Name: "bash", Version: "5.2.15-2+b13", Source: "bash", SourceVersion: "5.2.15-2"},
		{Type: "deb", Name: "libc6", Version: "2.36-9", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9"},
		{Type: "deb", Name: "linux-libc-dev", Version: "6.1.1-1", Source: "linux", SourceVersion: "6.1.1-1"},
		{Type: "deb", Name: "zlib1g", Version: "1:1.2.13", Source: "zlib", SourceVersion: "1:1.2.13"},
	},
}

var data = memory{
	{1, "DEBIAN-CVE-2024-1000", record("DEBIAN-CVE-2024-1000", `,"upstream":["CVE-2024-1000"]`, "Debian:12 glibc 0 2.36-10", "Debian:11 glibc 0 2.31-5", "Debian:12 musl 0 2")},
	{2, "GHSA-aaaa-bbbb-cccc", record("GHSA-aaaa-bbbb-cccc", `,"aliases":["CVE-2024-1000"],"summary":"Overflow in glibc"`, "npm glibc 0 1")},
	{3, "DSA-1-1", record("DSA-1-1", `,"upstream":["CVE-2024-1001","CVE-2024-1002"]`, "Debian:12 bash 0 6")},
	{4, "DEBIAN-CVE-2024-1001", record("DEBIAN-CVE-2024-1001", `,"upstream":["CVE-2024-1001"]`, "Debian:12 bash 0 5.1")},
	{5, "DEBIAN-CVE-2024-1003", record("DEBIAN-CVE-2024-1003", ``, "Debian:12 linux 0 7")},
	{6, "DEBIAN-CVE-2024-1004", record("DEBIAN-CVE-2024-1004", `,"withdrawn":"2024-03-01T00:00:00Z"`, "Debian:12 bash 0 6")},
	{7, "DEBIAN-CVE-2024-1005", record("DEBIAN-CVE-2024-1005", ``, "Debian:12 bash 0 1_bad:2")},
	{8, "DEBIAN-CVE-2024-1006", record("DEBIAN-CVE-2024-1006", `,"upstream":["CVE-2024-1006"]`, "Debian:11 bash 0 6")},
	{9, "DEBIAN-CVE-2024-1007", record("DEBIAN-CVE-2024-1007", ``, "Debian:12 bash 5.2.16 5.3", "Debian:12 zlib 0 1:1.2.13")},
	{10, "DEBIAN-CVE-2024-1008", record("DEBIAN-CVE-2024-1008", ``, "Debian:12 bash 0 6")},
	{11, "DEBIAN-CVE-2024-1008", ""},
	{12, "RUSTSEC-2024-0001", record("RUSTSEC-2024-0001", `,"aliases":["CVE-2024-1009"]`, "crates.io bash 0")},
	// After the scan.
	{21, "DEBIAN-CVE-2024-1010", record("DEBIAN-CVE-2024-1010", ``, "Debian:12 bash 0 6")},
	{22, "DEBIAN-CVE-2024-1000", record("DEBIAN-CVE-2024-1000", `,"upstream":["CVE-2024-1000"]`, "Debian:12 glibc 0 2.36-8")},
}

const scanSeq = 20

func explainIn(t *testing.T, inv inventory.Inventory, id string) explain.Explanation {
	t.Helper()
	v, err := scan.Evaluator{}.Answer(cyclonedx.Scan{Inventory: inv}, data.index(t, scanSeq), nil, verdict.Data{Snapshot: "s1", Records: 11, Updated: scanned.Add(-time.Hour)}, scanned)
	if err != nil {
		t.Fatal(err)
	}
	e, err := explain.Explain(t.Context(), explain.Input{
		Scan:      store.Scan{ID: "scan", At: scanned, Seq: scanSeq},
		Inventory: inv, Verdict: v.Whole(), ID: id,
		Index: data.index(t, 1000), Records: data, Now: scanned,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// outcomes returns lines of the form "record: package outcome: why" and "record
// elsewhere: …".
func outcomes(e explain.Explanation) []string {
	var out []string
	for _, r := range e.Records {
		for _, a := range r.Affected {
			for _, p := range a.Packages {
				out = append(out, fmt.Sprintf("%s %s %s: %s %s: %s", r.ID, r.State, a.Ecosystem, p.Package.Name, p.Outcome, p.Why))
			}
		}
		if len(r.Elsewhere) > 0 {
			out = append(out, r.ID+" elsewhere: "+strings.Join(r.Elsewhere, ", "))
		}
		if len(r.Affected)+len(r.Elsewhere) == 0 {
			out = append(out, r.ID+" "+r.State)
		}
	}
	return out
}

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		id     string
		found  bool
		reason string
		want   []string
	}{
		{"CVE-2024-1000", true, `fails it, by the rule "known-exploited"`, []string{
			"DEBIAN-CVE-2024-1000 used Debian:12: libc6 matches: DEBIAN-CVE-2024-1000: Debian:12 glibc 2.36-9 < fixed 2.36-10",
			"DEBIAN-CVE-2024-1000 used Debian:11: libc6 other-release: the entry is about Debian:11, this package is looked up in Debian:12",
			"DEBIAN-CVE-2024-1000 elsewhere: Debian:12 musl",
			"GHSA-aaaa-bbbb-cccc used npm: libc6 other-ecosystem: the entry is about npm, this package is looked up in Debian:12",
		}},
		{"GHSA-aaaa-bbbb-cccc", true, `fails it`, nil},
		{"CVE-2024-1001", false, "the record of it that counts says that the package is not affected", []string{
			"DEBIAN-CVE-2024-1001 used Debian:12: bash not-affected: 5.2.15-2 > fixed 5.1",
			"DSA-1-1 used Debian:12: bash overruled: DSA-1-1: Debian:12 bash 5.2.15-2 < fixed 6; but DEBIAN-CVE-2024-1001 says that the package is not affected",
		}},
		{"CVE-2024-1002", true, `fails it`, []string{
			"DSA-1-1 used Debian:12: bash matches: DSA-1-1: Debian:12 bash 5.2.15-2 < fixed 6",
		}},
		{"DSA-1-1", true, `fails it`, nil},
		{"CVE-2024-1003", false, "kernel packages", []string{
			"DEBIAN-CVE-2024-1003 used Debian:12: linux-libc-dev matches: DEBIAN-CVE-2024-1003: Debian:12 linux 6.1.1-1 < fixed 7",
		}},
		{"DEBIAN-CVE-2024-1004", false, "withdrawn", []string{
			"DEBIAN-CVE-2024-1004 withdrawn Debian:12: bash not-used: the record was withdrawn on 2024-03-01",
		}},
		{"CVE-2024-1004", false, "withdrawn", []string{
			"DEBIAN-CVE-2024-1004 withdrawn Debian:12: bash not-used: the record was withdrawn on 2024-03-01",
		}},
		{"CVE-2024-1005", false, "a version cannot be compared", nil},
		{"CVE-2024-1006", false, "another release", []string{
			"DEBIAN-CVE-2024-1006 used Debian:11: bash other-release: the entry is about Debian:11, this package is looked up in Debian:12",
		}},
		{"CVE-2024-1007", false, "the installed version is not affected", []string{
			"DEBIAN-CVE-2024-1007 used Debian:12: bash not-affected: 5.2.15-2 < introduced 5.2.16, < fixed 5.3",
			"DEBIAN-CVE-2024-1007 used Debian:12: zlib1g not-affected: 1:1.2.13 = fixed 1:1.2.13",
		}},
		{"DEBIAN-CVE-2024-1008", false, "no longer published", []string{"DEBIAN-CVE-2024-1008 removed"}},
		{"CVE-2024-1009", false, "another package of that name", []string{
			"RUSTSEC-2024-0001 used crates.io: bash other-ecosystem: the entry is about crates.io, this package is looked up in Debian:12",
		}},
		{"CVE-2024-1010", false, "a new scan would find it", []string{
			"DEBIAN-CVE-2024-1010 later Debian:12: bash matches: DEBIAN-CVE-2024-1010: Debian:12 bash 5.2.15-2 < fixed 6",
		}},
		{"CVE-1999-9999", false, "no record of the service is about it", []string{}},
		{"nonsense \x1b[31m", false, "no record", []string{}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			e := explainIn(t, image, tt.id)
			if e.Found != tt.found || len(e.Findings) > 0 != tt.found || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("found %v because %q, want %v because %q", e.Found, e.Reason, tt.found, tt.reason)
			}
			if got := outcomes(e); tt.want != nil && !slices.Equal(got, tt.want) {
				t.Errorf("outcomes\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			var b bytes.Buffer
			if err := explain.WriteText(&b, e); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(b.String(), "\n") {
				if len(line) > 100 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Errorf("line %q", line)
				}
			}
		})
	}
}

func TestNotInstalled(t *testing.T) {
	small := inventory.Inventory{System: image.System, Packages: image.Packages[:1]}
	e := explainIn(t, small, "CVE-2024-1000")
	if e.Found || !strings.Contains(e.Reason, "none of the packages") {
		t.Errorf("%v, %q", e.Found, e.Reason)
	}
	want := []string{"DEBIAN-CVE-2024-1000 elsewhere: Debian:11 glibc, Debian:12 glibc, Debian:12 musl", "GHSA-aaaa-bbbb-cccc elsewhere: npm glibc"}
	if got := outcomes(e); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestNotEvaluated checks that packages of a system without advisories are explained as not
// evaluated.
func TestNotEvaluated(t *testing.T) {
	other := image
	other.System = inventory.System{ID: "debian", VersionID: "99"}
	e := explainIn(t, other, "CVE-2024-1000")
	if e.Found || !strings.Contains(e.Reason, "unknown: the package was not evaluated") {
		t.Errorf("%v, %q", e.Found, e.Reason)
	}
	if got := outcomes(e)[0]; !strings.Contains(got, "libc6 not-judged: this service has no advisories for Debian:99") {
		t.Errorf("%s", got)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := explain.WriteText(&b, explainIn(t, image, "CVE-2024-1000")); err != nil {
		t.Fatal(err)
	}
	const want = `CVE-2024-1000 in scan scan: a finding of this scan that fails it, by the rule "known-exploited"
  also called GHSA-aaaa-bbbb-cccc
  known to be exploited: CISA listed it on 2024-05-06
  EPSS 0.00383: the probability of exploitation within 30 days
  decided with snapshot s1 of 11 records, 60 minutes old at the time
  the system is evaluated as Debian:12

libc6 2.36-9 -> 2.36-10
  unrated; fails by the rule "known-exploited"
  DEBIAN-CVE-2024-1000: Debian:12 glibc 2.36-9 < fixed 2.36-10

DEBIAN-CVE-2024-1000, modified 2024-02-03, has changed since the scan
  from osv:test, last reached 2 hours ago
  Debian:12 glibc: from the first version, fixed 2.36-10
    libc6 2.36-9 (source glibc): matches
      DEBIAN-CVE-2024-1000: Debian:12 glibc 2.36-9 < fixed 2.36-10
  Debian:11 glibc: from the first version, fixed 2.31-5
    libc6 2.36-9 (source glibc): other release
      the entry is about Debian:11, this package is looked up in Debian:12
  not in this image: Debian:12 musl

GHSA-aaaa-bbbb-cccc, modified 2024-02-03
  from osv:test, last reached 2 hours ago
  Overflow in glibc
  npm glibc: from the first version, fixed 1
    libc6 2.36-9 (source glibc): other ecosystem
      the entry is about npm, this package is looked up in Debian:12
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

// The text says who decided on a finding, and why. The end of an exception that no longer
// counts is not that of the failure.
func TestTextGrounds(t *testing.T) {
	e := explainIn(t, image, "CVE-2024-1000")
	f := &e.Findings[0]
	f.Fails, f.Rule, f.Grounds = false, "accepted", verdict.Grounds{By: "security team", Reason: "not reachable", Until: &scanned, Written: "a.yaml line 2"}
	until := scanned.UTC().Format(time.DateOnly)
	for _, want := range []string{
		`unrated; does not fail by the rule "accepted" until ` + until + ": not reachable (security team, a.yaml line 2)",
		`unrated; fails by the rule "severity": not reachable (security team, a.yaml line 2)`,
	} {
		var b bytes.Buffer
		if err := explain.WriteText(&b, e); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
		f.Fails, f.Rule = true, "severity"
	}
}

// ofTwo has the records of osv and those of another source.
type ofTwo struct{ osv, own memory }

var ownOrigin = store.Origin{Source: "own", Part: "test"}

func (o ofTwo) RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error) {
	all, err := o.osv.RecordsOf(ctx, id, upTo)
	if err != nil {
		return nil, err
	}
	own, err := o.own.RecordsOf(ctx, id, upTo)
	for i := range own {
		own[i].Origin = ownOrigin
	}
	return append(all, own...), err
}

func (ofTwo) Sources(context.Context) ([]store.Source, error) {
	return []store.Source{{Origin: test}, {Origin: ownOrigin}}, nil
}

func (o ofTwo) index(t *testing.T) snapshot {
	t.Helper()
	var all []advisory.Advisory
	for source, records := range map[string]memory{"osv": o.osv, "own": o.own} {
		for _, v := range records {
			a, err := advisory.Parse([]byte(v.text))
			if err != nil {
				t.Fatal(err)
			}
			a.Source = source
			all = append(all, a)
		}
	}
	return snapshot{index.NewMemory(all, nil)}
}

// TestPublisher: the record of the distribution's own source that replaces one of osv is
// named.
func TestPublisher(t *testing.T) {
	r, _ := distro.Of(image)
	before := r.Distribution.Publisher
	t.Cleanup(func() { r.Distribution.Publisher = before })
	r.Distribution.Publisher = "own"
	records := ofTwo{
		osv: memory{
			{1, "DEBIAN-CVE-2024-1000", record("DEBIAN-CVE-2024-1000", "", "Debian:12 bash 0 9")},
			{2, "DEBIAN-CVE-2024-1001", record("DEBIAN-CVE-2024-1001", "", "Debian:12 bash 0 9")},
			{3, "DEBIAN-CVE-2024-1002", record("DEBIAN-CVE-2024-1002", "", "Debian:12 bash 0 1_bad:2")},
		},
		own: memory{
			{4, "DSA-1-1", record("DSA-1-1", `,"upstream":["CVE-2024-1000","CVE-2024-1002"]`, "Debian:12 bash 0 5")},
			{5, "DEBIAN-CVE-2024-1001", record("DEBIAN-CVE-2024-1001", "", "Debian:12 bash 0 6")},
		},
	}
	ix := records.index(t)
	v, err := scan.Evaluator{}.Answer(cyclonedx.Scan{Inventory: image}, ix, nil, verdict.Data{}, scanned)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string][]string{
		"CVE-2024-1000": {
			"DEBIAN-CVE-2024-1000 used Debian:12: bash overruled: DEBIAN-CVE-2024-1000: Debian:12 bash 5.2.15-2 < fixed 9; but DSA-1-1 takes precedence, because its source own is the distribution's own",
			"DSA-1-1 used Debian:12: bash not-affected: 5.2.15-2 > fixed 5",
		},
		"CVE-2024-1001": {
			"DEBIAN-CVE-2024-1001 used Debian:12: bash overruled: DEBIAN-CVE-2024-1001: Debian:12 bash 5.2.15-2 < fixed 9; but DEBIAN-CVE-2024-1001 takes precedence, because its source own is the distribution's own",
			"DEBIAN-CVE-2024-1001 used Debian:12: bash matches: DEBIAN-CVE-2024-1001: Debian:12 bash 5.2.15-2 < fixed 6",
		},
		"CVE-2024-1002": {
			`DEBIAN-CVE-2024-1002 used Debian:12: bash overruled: version "1_bad:2" has an epoch that is not a number; but DSA-1-1 takes precedence, because its source own is the distribution's own`,
			"DSA-1-1 used Debian:12: bash not-affected: 5.2.15-2 > fixed 5",
		},
	} {
		e, err := explain.Explain(t.Context(), explain.Input{
			Scan: store.Scan{ID: "scan", At: scanned, Seq: scanSeq}, Inventory: image, Verdict: v.Whole(), ID: id,
			Index: ix, Records: records, Now: scanned,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(e); !slices.Equal(got, want) {
			t.Errorf("outcomes\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

func TestDeterministic(t *testing.T) {
	first, err := json.Marshal(explainIn(t, image, "CVE-2024-1000"))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if again, err := json.Marshal(explainIn(t, image, "CVE-2024-1000")); err != nil || !bytes.Equal(again, first) {
			t.Fatalf("%s\n%s, %v", first, again, err)
		}
	}
}
