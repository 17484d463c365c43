package secdb

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/match"
	"assay/service/store"
)

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		text, cves, others string
		bad                bool
	}{
		// Genuine.
		{"CVE-2019-1551", "CVE-2019-1551", "", false},
		{"CVE-2016-9932 XSA-200", "CVE-2016-9932", "XSA-200", false},
		{"CVE-2018-3639   XSA-263", "CVE-2018-3639", "XSA-263", false},
		{"CVE-2017-5753 CVE-2017-5715 CVE-2017-5754 XSA-254 XPTI", "CVE-2017-5753 CVE-2017-5715 CVE-2017-5754", "XSA-254", false},
		{"CVE-2017-17434-1", "CVE-2017-17434", "", false},
		{"CVE_2019-2426", "CVE-2019-2426", "", false},
		{"CVE 2018-16859", "CVE-2018-16859", "", false},
		{"CVE-2017-8073.patch", "CVE-2017-8073", "", false},
		{"CVE-2017-2616 (+ regression fix)", "CVE-2017-2616", "", false},
		{"CVE-2018-14466 (AFS/RX)", "CVE-2018-14466", "", false},
		{"CVE-2018-14879 (tcpdump -V)", "CVE-2018-14879", "", false},
		{"CVE-2018-14880 (OSPF6)", "CVE-2018-14880", "", false},
		{"CVE-2017-12122 TALOS-2017-0488", "CVE-2017-12122", "TALOS-2017-0488", false},
		{"CVE-????-?????  XSA-284", "", "XSA-284", false},
		{"wnpa-sec-2017-18", "", "wnpa-sec-2017-18", false},
		{"ZBX-11023", "", "ZBX-11023", false},
		{"GHSA-jq35-85cj-fj4p", "", "GHSA-jq35-85cj-fj4p", false},
		// Not genuine.
		{"GHSA-h6cc-rc6q-23j4 (+regression fix)", "", "GHSA-h6cc-rc6q-23j4", false},
		{"VSV00004", "", "VSV00004", false},
		{"cve-2020-0001", "CVE-2020-0001", "", false},
		{"CVE-2020-123", "", "", true},
		{"CVE-2020-1234 CVE-2020-12", "CVE-2020-1234", "", true},
		{"CVE-2020-12345678901234567890", "", "", true},
		{"XCVE-2020-1234", "", "XCVE-2020-1234", false},
		{"a remark", "", "", false},
		{"", "", "", false},
	} {
		cves, others, bad := identify(tt.text)
		if got := strings.Join(cves, " "); got != tt.cves || strings.Join(others, " ") != tt.others || bad != tt.bad {
			t.Errorf("%q: %q, %q, %t", tt.text, cves, others, bad)
		}
	}
}

// convert returns the advisories of files, and the errors of rejected entries.
func convert(t *testing.T, d database, files ...string) (all map[string]advisory.Advisory, rejected []string, failed error) {
	t.Helper()
	var paths []string
	for i, f := range files {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	all = make(map[string]advisory.Advisory)
	for r, err := range d.records(paths) {
		switch {
		case errors.Is(err, store.ErrRejected):
			rejected = append(rejected, err.Error())
		case err != nil:
			return all, rejected, err
		default:
			a, err := advisory.Parse(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			all[a.ID] = a
		}
	}
	return all, rejected, nil
}

// db returns a file of Alpine v3.19.
func db(repository, packages string) string {
	return fmt.Sprintf(`{"distroversion":"v3.19","reponame":%q,"apkurl":"x","archs":["x86_64"],"packages":%s}`, repository, packages)
}

func pkg(name, secfixes string) string {
	return fmt.Sprintf(`{"pkg":{"name":%q,"secfixes":%s}}`, name, secfixes)
}

func TestConvert(t *testing.T) {
	all, rejected, err := convert(t, alpine,
		db("main", "["+strings.Join([]string{
			pkg("a", `{"1.2-r0":["CVE-2024-0001 XSA-1","CVE-2024-0001"],"1.3-r0":["CVE-2024-0001"],"0":["CVE-2024-0001","CVE-2024-0002"]}`),
			pkg("b", `{"None":["CVE-2024-0001"]}`),
			pkg("c", `{"1-r0":{},"2-r0":"","3-r0":null,"4-r0":[]}`),
			pkg("d", `[]`),
			pkg("e", `{"1-r0":"CVE-2024-0003","2-r0":["CVE-2024-0004",5],"3-r0":["?"],"a b":["CVE-2024-0005"],"5-r0":["CVE-2024-0006"],"5-r0":["CVE-2024-0007"]}`),
			pkg("", `{}`), pkg("f g", `{}`), pkg("h", `[1]`), `5`, `{"pkg":[]}`, `{}`,
		}, ",")+"]"),
		db("community", "["+pkg("a", `{"1.4-r0":["CVE-2024-0001"]}`)+"]"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for id, a := range all {
		for _, af := range a.Affected {
			text := af.Status.String()
			for _, r := range af.Ranges {
				text += " <"
				for _, e := range r.Events {
					text += e.Fixed
				}
			}
			got[strings.TrimPrefix(id, "ALPINE-")+" "+af.Package.Ecosystem+" "+af.Package.Name] = text
		}
	}
	want := map[string]string{
		"CVE-2024-0001 Alpine:v3.19 a": "affected <1.2-r0 <1.3-r0 <1.4-r0", // "0" does not count
		"CVE-2024-0001 Alpine:v3.19 b": "affected <",
		"CVE-2024-0002 Alpine:v3.19 a": "not affected",
		"CVE-2024-0006 Alpine:v3.19 e": "affected <5-r0", // both values of a repeated version
		"CVE-2024-0007 Alpine:v3.19 e": "affected <5-r0",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if a := all["ALPINE-CVE-2024-0001"]; !slices.Equal(a.Upstream, []string{"CVE-2024-0001"}) || !slices.Equal(a.Related, []string{"XSA-1"}) ||
		a.References[0].URL != "https://security.alpinelinux.org/vuln/CVE-2024-0001" {
		t.Errorf("%+v", a)
	}
	if len(rejected) != 10 {
		t.Errorf("%d rejected: %q", len(rejected), rejected)
	}
}

func TestBrokenFiles(t *testing.T) {
	good := db("main", "["+pkg("a", `{"1-r0":["CVE-2024-0001"]}`)+"]")
	for name, files := range map[string][]string{
		"empty":                    {""},
		"no packages":              {`{"distroversion":"v3.19","reponame":"main"}`},
		"packages are a text":      {db("main", `"x"`)},
		"no packages of main":      {db("main", `{}`)},
		"packages are a number":    {db("main", `5`)},
		"another release":          {`{"distroversion":"../x","reponame":"main","packages":[]}`},
		"no release":               {`{"reponame":"main","packages":[]}`},
		"a release that is a list": {`{"distroversion":["v3.19"],"reponame":"main","packages":[]}`},
		"truncated":                {good[:len(good)-1]},
		"twice":                    {good, good},
		"nested":                   {db("main", strings.Repeat("[", 20_000))},
		"nested in a package":      {db("main", "["+pkg("a", `{"1-r0":`+strings.Repeat("[", 20_000)+`}`)+"]")},
	} {
		if all, _, err := convert(t, alpine, files...); err == nil {
			t.Errorf("%s: no error, %v", name, all)
		}
	}
}

// TestAlpineBroken: whatever the server sends, an update keeps the data.
func TestAlpineBroken(t *testing.T) {
	good := db("main", "["+pkg("a", `{"1-r0":["CVE-2024-0001"]}`)+"]")
	s := feedtest.New(t, AlpineSource(), map[string][]byte{
		"": indexPage("v3.19"), "v3.19/main.json": []byte(good), "v3.19/community.json": []byte(db("community", "[]")),
	})
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, "v3.19/main.json", map[string][]byte{"community's": []byte(db("community", "[]"))})
	s.Put("v3.19/main.json", []byte(db("main", "[]")))
	if _, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `"v3.19/main.json": the file has no packages`) {
		t.Errorf("%v, want the name of the file", err)
	}
	s.Put("v3.19/main.json", []byte(good))
	// A release without one of its files.
	s.Put("", indexPage("v3.19", "v3.20"))
	s.Put("v3.20/main.json", []byte(strings.ReplaceAll(good, "v3.19", "v3.20")))
	if _, err := s.Update(t); !errors.Is(err, feed.ErrNotFound) {
		t.Errorf("%v, want that a file is not found", err)
	}
	for name, page := range map[string]string{
		"no release": string(indexPage()),
		"cut off":    strings.TrimSuffix(strings.TrimSpace(string(indexPage("v3.19"))), "</html>"),
		"many":       string(indexPage(strings.Fields(strings.Repeat("v1.1 v1.2 v1.3 ", 1) + many(300))...)),
	} {
		s.Put("", []byte(page))
		if _, err := s.Update(t); err == nil {
			t.Errorf("index with %s: no error", name)
		}
	}
	if n := len(s.Advisories(t)); n != 1 {
		t.Errorf("%d advisories", n)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "v3.%d ", i)
	}
	return b.String()
}

// found reports what the advisories find in a package of an Alpine release: the fix, "-" if
// there is a finding without a fix, "not evaluated", or nothing.
func found(t *testing.T, ix match.Index, system inventory.System, id, name, version string) string {
	t.Helper()
	inv := inventory.Inventory{System: system, Packages: []inventory.Package{{Type: "apk", Name: name, Version: version, Source: name, SourceVersion: version}}}
	res, err := match.Inventory(inv, ix, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range res.Findings {
		if f.ID == id {
			if f.Fixed == "" {
				return "-"
			}
			return f.Fixed
		}
	}
	if len(res.NotEvaluated) > 0 {
		return "not evaluated"
	}
	return ""
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(db("main", "["+pkg("a", `{"1-r0":["CVE-2024-0001 XSA-1"],"0":["GHSA-jq35-85cj-fj4p"]}`)+"]")))
	f.Add([]byte(db("main", `{}`)))
	f.Add([]byte(`{"distroversion":"edge","packages":[{"pkg":{"name":"a","secfixes":{"1":{},"":["CVE_2019-2426"]}}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, d := range []database{alpine, secureOS} {
			for r, err := range d.records([]string{path}) {
				if err == nil && r.ID == "" {
					t.Error("a record without an ID")
				}
			}
		}
	})
}

// TestHuge: a text with many IDs is rejected, and many versions with one ID do not take
// quadratic time.
func TestHuge(t *testing.T) {
	var ids, versions strings.Builder
	for n := range 20_000 {
		fmt.Fprintf(&ids, "CVE-2024-%d XSA-%d ", 10000+n, n)
	}
	for n := range 200_000 {
		fmt.Fprintf(&versions, `,"1.%d-r0":["CVE-2024-0001 XSA-%d"]`, n, n)
	}
	all, rejected, err := convert(t, alpine, db("main", "["+pkg("a", `{"1-r0":["`+ids.String()+`"],"2-r0":["CVE-2024-0002"]`+versions.String()+"}")+"]"))
	if err != nil || len(rejected) != 2 || len(all) != 1 || all["ALPINE-CVE-2024-0002"].ID == "" { // one record is too large
		t.Errorf("%d records, %.300q, %v", len(all), rejected, err)
	}
}
