package jenkins

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	service "assay/service/version"
)

func genuine(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "wordpress", "feeds", "jenkins", "warnings.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// updateCenter is the file of the update centre, with warnings.
func updateCenter(warnings []byte) []byte {
	return []byte(`{"connectionCheckUrl":"http://www.google.com/","core":{"name":"core","version":"2.570"},"id":"default","plugins":{"git":{"name":"git","version":"5.7.0"}},"updateCenterVersion":1,"warnings":` + string(warnings) + `}`)
}

// TestUpdate updates from a server with all warnings, in the form of the update centre and
// as the list alone.
func TestUpdate(t *testing.T) {
	for name, b := range map[string][]byte{"update centre": updateCenter(genuine(t)), "list": genuine(t)} {
		t.Run(name, func(t *testing.T) {
			s := feedtest.New(t, Source(), map[string][]byte{file: b})
			o, err := s.Update(t)
			if err != nil || o.Added != 1511 || o.Rejected != 0 {
				t.Fatalf("%+v, %v, want 1511 records", o, err)
			}
			s.Sent()
			if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
				t.Errorf("again: %+v, %v", o, err)
			}
		})
	}
}

func TestBroken(t *testing.T) {
	var list []json.RawMessage
	if err := json.Unmarshal(genuine(t), &list); err != nil {
		t.Fatal(err)
	}
	some, err := json.Marshal(list[:50]) // each form is imported as far as it goes
	if err != nil {
		t.Fatal(err)
	}
	s := feedtest.New(t, Source(), map[string][]byte{file: updateCenter(some)})
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, file, map[string][]byte{
		"JavaScript":       []byte("updateCenter.post(\n" + string(updateCenter(some)) + "\n);"),
		"no warnings":      []byte(`{"plugins":{},"core":{}}`),
		"warnings no list": []byte(`{"warnings":{"a":1}}`),
		"warnings null":    []byte(`{"warnings":null}`),
	})
}

// TestRejected: one bad warning is rejected, counted and named, and the others stay.
func TestRejected(t *testing.T) {
	good := `{"id":"SECURITY-1","type":"plugin","name":"git","versions":[{"pattern":"1[.].*"}]}`
	for name, bad := range map[string]string{
		"unknown type":      strings.NewReplacer("SECURITY-1", "bad", "plugin", "tool").Replace(good),
		"name with a slash": strings.NewReplacer("SECURITY-1", "bad", "git", "a/b").Replace(good),
		"no ID":             `{"type":"core","versions":[{"pattern":".*"}],"name":"bad"}`,
	} {
		t.Run(name, func(t *testing.T) {
			other := strings.Replace(good, "SECURITY-1", "SECURITY-2", 1)
			s := feedtest.New(t, Source(), map[string][]byte{file: updateCenter([]byte("[" + good + "," + bad + "," + other + "]"))})
			o, err := s.Update(t)
			if err != nil || o.Added != 2 || o.Rejected != 1 || len(o.Rejections) != 1 || !strings.Contains(o.Rejections[0].Error(), "bad") {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestUnevaluated: a package is not evaluated with a warning whose pattern is not supported
// or missing. A warning without versions is about all of them, as in Jenkins.
func TestUnevaluated(t *testing.T) {
	for name, tt := range map[string]struct {
		versions string
		affected bool
	}{
		"no versions":            {`[]`, true},
		"no pattern":             {`[{"lastVersion":"1"}]`, false},
		"unsupported pattern":    {`[{"pattern":"(?=1).*"}]`, false},
		"possessive":             {`[{"pattern":"1*+1"}]`, false},
		"sets":                   {`[{"pattern":"[0-9&&[^1]]"}]`, false},
		"a pattern without end":  {`[{"pattern":"` + strings.Repeat("1", 1001) + `"}]`, false},
		"repeated too often":     {`[{"pattern":"((1{1000}){1000}){1000}"}]`, false},
		"unbalanced parenthesis": {`[{"pattern":"1)|(2"}]`, false},
		"too many patterns":      {`[` + strings.Repeat(`{"pattern":"9"},`, 100) + `{"pattern":"9"}]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := convert([]byte(`{"id":"SECURITY-1","type":"core","versions":` + tt.versions + `}`))
			if err != nil {
				t.Fatal(err)
			}
			a.Source = Name
			got := scan(t, index.NewMemory([]advisory.Advisory{a}, nil), "pkg:jenkins/core@2.400")
			if (len(got.Findings) == 1) != tt.affected || (len(got.NotEvaluated) == 0) != tt.affected {
				t.Errorf("%d findings, not evaluated %+v", len(got.Findings), got.NotEvaluated)
			}
		})
	}
}

// TestGenuine evaluates each warning: the version that people see as the last affected one
// is affected, and a version of the far future is not, unless all versions are. In a few
// warnings the pattern and lastVersion differ, and Jenkins decides by the pattern.
func TestGenuine(t *testing.T) {
	var list []json.RawMessage
	if err := json.Unmarshal(genuine(t), &list); err != nil {
		t.Fatal(err)
	}
	var all []advisory.Advisory
	warnings := make(map[string]warning)
	for _, b := range list {
		a, err := convert(b)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = Name
		all = append(all, a)
		var w warning
		if err := json.Unmarshal(b, &w); err != nil {
			t.Fatal(err)
		}
		warnings[a.ID] = w
	}
	ix := index.NewMemory(all, nil)
	last, open := 0, 0
	results := make(map[string]match.Result) // by purl
	affected := func(id, u string) bool {
		if _, ok := results[u]; !ok {
			results[u] = scan(t, ix, u)
		}
		return has(results[u], id)
	}
	for _, a := range all {
		name, w := a.Affected[0].Package.Name, warnings[a.ID]
		pattern := ""
		for _, v := range w.Versions {
			pattern = v.Pattern
			if v.Last == "" {
				continue
			}
			version := v.Last[strings.LastIndexByte(v.Last, ' ')+1:] // "LTS 2.555.2"
			want := false
			for _, v := range w.Versions {
				p, err := service.NewPattern(v.Pattern)
				if err != nil {
					t.Fatal(err)
				}
				want = want || p.Matches(version)
			}
			if got := affected(a.ID, "pkg:jenkins/"+name+"@"+version); got != want {
				t.Errorf("%s: %s %s: %t, want %t", a.ID, name, version, got, want)
			}
			if want {
				last++
			}
		}
		if affected(a.ID, "pkg:jenkins/"+name+"@99999.0") {
			open++
			if pattern != ".*" && !strings.Contains(pattern, "[0-9]+") && !strings.HasSuffix(pattern, ".*") {
				t.Errorf("%s: %s 99999.0 is affected by %q", a.ID, name, pattern)
			}
		}
	}
	t.Logf("%d warnings, %d last affected versions are affected, %d warnings without an end", len(all), last, open)
	if last < 1400 {
		t.Errorf("%d last affected versions are affected", last)
	}
}

// TestNames: the coordinates of Maven name the same plugin, and those of others do not.
func TestNames(t *testing.T) {
	a, err := convert([]byte(`{"id":"SECURITY-1","type":"plugin","name":"git","message":"m","url":"https://www.jenkins.io/security/advisory/2026-01-02/","versions":[{"lastVersion":"1.9","pattern":"1[.][0-9](|[.-].*)"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	core, err := convert([]byte(`{"id":"core-1","type":"core","name":"core","versions":[{"pattern":"2[.]441"},{"pattern":"2[.]426[.][12]"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	maven := advisory.Advisory{ID: "GHSA-1", Affected: []advisory.Affected{{Package: advisory.Package{Ecosystem: "Maven", Name: "a:b"}, Versions: []string{"1"}}}}
	ix := index.NewMemory([]advisory.Advisory{a, core, maven}, nil)
	if affected(t, index.NewMemory([]advisory.Advisory{a}, nil), a.ID, "pkg:maven/org.jenkins-ci.plugins/git@1.9") {
		t.Error("a package of Maven is evaluated without advisories of Maven")
	}
	for u, want := range map[string]bool{
		"pkg:jenkins/plugin/git@1.9":               true,
		"pkg:jenkins/git@1.9-rc1":                  true,
		"pkg:jenkins-plugin/git@1.9":               true,
		"pkg:maven/org.jenkins-ci.plugins/git@1.9": true,
		"pkg:maven/io.jenkins.plugins.x/git@1.9":   true,
		"pkg:jenkins/plugin/git@1.10":              false,
		"pkg:jenkins/plugin/git@11.9":              false,
		"pkg:jenkins/plugin/git@1.9%0A":            false,
		"pkg:maven/org.eclipse/git@1.9":            false,
		"pkg:maven/org.jenkins-cinema/git@1.9":     false,
		"pkg:jenkins/core@1.9":                     false,
		"pkg:jenkins/core@2.441":                   false, // of the other record
	} {
		if got := affected(t, ix, a.ID, u); got != want {
			t.Errorf("%s: %t, want %t", u, got, want)
		}
	}
	for u, want := range map[string]bool{
		"pkg:jenkins/core@2.441": true, "pkg:generic/jenkins@2.426.2": true, "pkg:jenkins/core@2.426.3": false, "pkg:jenkins/core@2.442": false,
		"pkg:maven/org.jenkins-ci.main/jenkins-core@2.441": true, "pkg:maven/org.jenkins-ci.main/jenkins-war@2.441": true, "pkg:maven/org.jenkins-ci.main/cli@2.441": false,
	} {
		if got := affected(t, ix, core.ID, u); got != want {
			t.Errorf("%s: %t, want %t", u, got, want)
		}
	}
}

// affected reports whether a package has a finding of an advisory.
func affected(t *testing.T, ix match.Index, id, u string) bool {
	t.Helper()
	return has(scan(t, ix, u), id)
}

func has(res match.Result, id string) bool {
	return slices.ContainsFunc(res.Findings, func(f match.Finding) bool { return f.ID == id })
}

func scan(t *testing.T, ix match.Index, u string) match.Result {
	t.Helper()
	var p purl.PURL
	if err := p.Parse(u); err != nil {
		t.Fatal(err)
	}
	res, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{p.Package()}}, ix, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(`{"id":"SECURITY-1","type":"plugin","name":"git","versions":[{"pattern":"1[.].*"}]}`), "1.2")
	f.Add([]byte(`{"id":"x","type":"core","versions":[{"pattern":"("}]}`), "1.2")
	f.Fuzz(func(t *testing.T, b []byte, version string) {
		a, err := convert(b)
		if err != nil {
			return
		}
		ix := index.NewMemory([]advisory.Advisory{a}, nil)
		p := inventory.Package{Type: "jenkins", Name: a.Affected[0].Package.Name, Version: version}
		if _, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{p}}, ix, nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestEmptyWarnings: millions of empty warnings fit into a file. They are read one at a time.
func TestEmptyWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, updateCenter([]byte("["+strings.Repeat("0,", 2<<20)+"0]")), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	testkit.Allocates(t, 128<<20, func() {
		for _, err := range records(path) {
			if err == nil {
				t.Error("no error")
			}
			if n++; n == 20 { // the caller sees them before the last one is read
				break
			}
		}
	})
}
