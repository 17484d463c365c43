package copa

import (
	"encoding/json"
	"testing"

	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

func read(t *testing.T, s report.Scan) manifest {
	t.Helper()
	var m manifest
	if err := json.Unmarshal(reporttest.Render(t, Format(), s), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDebian: the updates are the findings of a real Debian that have a fix.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	m := read(t, s)
	if m.APIVersion != "v1alpha1" || m.Metadata.OS.Type != "debian" || m.Metadata.OS.Version != "12" || m.Metadata.Config.Arch != "amd64" {
		t.Errorf("%+v", m.Metadata)
	}
	want := map[update]bool{}
	for _, f := range s.Verdict.Findings {
		if f.Fixed != "" {
			want[update{f.Package.Name, f.Package.Version, f.Fixed, f.ID}] = true
		}
	}
	if len(m.Updates) != len(want) || len(want) < 10 {
		t.Fatalf("%d updates, want %d", len(m.Updates), len(want))
	}
	for _, u := range m.Updates {
		if !want[u] {
			t.Errorf("%+v", u)
		}
	}
}

// TestUntrusted: copa refuses the manifest of a scan that evaluated nothing. A valid one
// without updates would say that the image needs none.
func TestUntrusted(t *testing.T) {
	for name, s := range map[string]report.Scan{"untrusted": reporttest.Untrusted(t), "empty": {}} {
		if m := read(t, s); m.APIVersion == "v1alpha1" || m.Error == "" || len(m.Updates) > 0 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if m := read(t, reporttest.Clean(t)); m.APIVersion != "v1alpha1" || m.Updates == nil || m.Error != "" {
		t.Errorf("%+v", m)
	}
}

// TestShell: no name or version is a command of a shell, and nothing that was accepted or
// does not apply is patched.
func TestShell(t *testing.T) {
	s := reporttest.Clean(t)
	good := verdict.Package{Type: "deb", Name: "libstdc++6", Version: "1:12.2.0-14~deb12u1"}
	add := func(change func(*verdict.Finding)) {
		f := verdict.Finding{ID: "CVE-1", Package: good, Fixed: "2"}
		change(&f)
		s.Verdict.Findings = append(s.Verdict.Findings, f)
	}
	add(func(*verdict.Finding) {})
	add(func(*verdict.Finding) {}) // again: of another path
	for _, bad := range []string{"a;reboot", "$(x)", "-o", "a b", "a\nb", "`x`", "a|b", "", "é"} {
		add(func(f *verdict.Finding) { f.Package.Name = bad })
		add(func(f *verdict.Finding) { f.Package.Version = bad })
		if bad != "" {
			add(func(f *verdict.Finding) { f.Fixed = bad })
		}
	}
	add(func(f *verdict.Finding) { f.Rule = verdict.RuleAccepted })
	add(func(f *verdict.Finding) { f.Rule = verdict.RuleVEX })
	add(func(f *verdict.Finding) { f.Package.Type = "npm" })
	if m := read(t, s); len(m.Updates) != 1 || m.Updates[0].Name != "libstdc++6" {
		t.Errorf("%+v", m.Updates)
	}
}
