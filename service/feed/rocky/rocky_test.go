package rocky

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/feedtest"
	"assay/service/advisory"
)

// document returns a genuine file of the test data of vuln-list-update.
func document(t *testing.T, name string) string {
	t.Helper()
	return string(feedtest.Zipped(t, "testdata/"+name, "feeds", "rocky-updateinfo", "vuln-list-update.zip"))
}

// perl is an erratum in the publisher's form, of a source whose packages have versions and
// epochs of their own. The second part is in another repository.
const perl = `<updates><update from="releng@rockylinux.org" status="final" type="security" version="2"><id>RLSA-2021:9999</id><title>Moderate: perl security update</title>
<issued date="2021-07-22 03:13:55"/><updated date="2021-06-29 00:00:00"/><severity>Moderate</severity><references><reference href="https://example.com" id="CVE-2020-10543" type="cve" title=""/></references>
<pkglist><collection short="RL8"><name>Rocky Linux 8</name>PACKAGES</collection></pkglist></update></updates>`

const (
	perlLibs  = `<package name="perl-libs" version="5.26.3" release="419.el8" epoch="4" arch="x86_64" src="perl-5.26.3-419.el8.src.rpm"><filename>f</filename></package>`
	perlErrno = `<package name="perl-Errno" version="1.28" release="419.el8" epoch="0" arch="x86_64" src="perl-5.26.3-419.el8.src.rpm"><filename>f</filename></package>`
)

const nothing = "<updates></updates>"

// files returns the files of the publisher, with three minor releases.
func files(t *testing.T, base8, app8 string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	add := func(repository, text string) { feedtest.AddRepository(t, all, repository+"/os/", text) }
	add("vault/rocky/8.4/BaseOS/x86_64", base8)
	add("vault/rocky/8.4/AppStream/x86_64", app8)
	add("vault/rocky/8.4/BaseOS/aarch64", nothing)
	add("pub/rocky/8.5/BaseOS/x86_64", strings.Replace(perl, "PACKAGES", perlLibs, 1))
	add("pub/rocky/8.5/AppStream/x86_64", strings.Replace(perl, "PACKAGES", perlErrno, 1))
	for _, minor := range []string{"9.0", "10.0"} {
		add("pub/rocky/"+minor+"/BaseOS/x86_64", strings.ReplaceAll(strings.Replace(perl, "PACKAGES", perlLibs, 1), "RLSA-2021:9999", "RLSA-2022:"+minor[:1]))
		add("pub/rocky/"+minor+"/AppStream/x86_64", nothing)
	}
	all["vault/rocky/8.4/extras/x86_64/os/repodata/repomd.xml"] = []byte(document(t, "fixtures/no_updateinfo_field/repomd.xml"))
	return all
}

func genuine(t *testing.T) map[string]advisory.Advisory {
	t.Helper()
	s := feedtest.New(t, Source(), files(t, document(t, "fixtures/happy/updateinfo.xml"), nothing))
	if o, err := s.Update(t); err != nil || o.Added != 7 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	if o, err := s.Update(t); err != nil || o.Whole {
		t.Fatalf("again: %+v, %v", o, err)
	}
	return s.Advisories(t)
}

// TestGenuine converts the genuine document, and compares its errata with what Trivy has of
// them.
func TestGenuine(t *testing.T) {
	all := genuine(t)
	for _, name := range []string{"2019/RLSA-2019:1972", "2021/RLSA-2021:2575", "2021/RLSA-2021:3057"} {
		var golden struct {
			Title, Severity string
			CVEIDs          []string `json:"cveids"`
			Packages        []struct{ Src string }
		}
		if err := json.Unmarshal([]byte(document(t, "golden/"+name+".json")), &golden); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, p := range golden.Packages {
			want[p.Src] = true
		}
		slices.SortFunc(golden.CVEIDs, advisory.CompareIDs)
		a := all[name[len("2019/"):]]
		got := map[string]bool{}
		for f := range a.Fixes() {
			got[f.Package+"-"+f.Version+".src.rpm"] = true
		}
		if len(want) == 0 || !maps.Equal(want, got) || a.Summary != golden.Title || !slices.Equal(a.Upstream, golden.CVEIDs) {
			t.Errorf("%s: %+v, want %v", name, a, want)
		}
	}
	if _, ok := all["RLBA-2021:2580"]; !ok {
		t.Error("the notice is missing")
	}
}

// TestFindings has errata that were read by hand. The test data has no records of OSV about
// them.
func TestFindings(t *testing.T) {
	all := genuine(t)
	const kernel = "4.18.0-305.12.1.el8_4"
	for _, tt := range []struct{ why, version, rpm, want string }{
		{"RLSA-2021:2575: below the fix", "8.4", "lz4 1.8.3-2.el8 source=lz4-1.8.3-2.el8", "lz4 CVE-2021-3520 medium 1.8.3-3.el8_4"},
		{"RLSA-2021:2575: another package of the source", "8.10", "lz4-libs 1.8.3-2.el8 source=lz4-1.8.3-2.el8", "lz4-libs CVE-2021-3520 medium 1.8.3-3.el8_4"},
		{"RLSA-2021:2575: the fix", "8.4", "lz4 1.8.3-3.el8_4 source=lz4-1.8.3-3.el8_4", ""},
		{"RLSA-2021:2575: above", "8.4", "lz4 1.9.0-1.el8 source=lz4-1.9.0-1.el8", ""},
		{"RLSA-2021:2575: only for x86_64", "8.4", "lz4 1.8.3-2.el8 source=lz4-1.8.3-2.el8 arch=aarch64", ""},
		{"RLSA-2021:2575: an architecture whose repositories are not read", "9.0", "perl-libs 4:5.26.3-418.el8 source=perl-5.26.3-418.el8 arch=s390x",
			"perl-libs CVE-2020-10543 medium 4:5.26.3-419.el8"},
		{"RLSA-2021:3057: three vulnerabilities", "8.4", "kernel-core 4.18.0-305.10.2.el8_4 source=kernel-4.18.0-305.10.2.el8_4",
			"kernel-core CVE-2021-22543 high " + kernel + ", kernel-core CVE-2021-22555 high " + kernel + ", kernel-core CVE-2021-3609 high " + kernel},
		{"RLSA-2021:3057: the fix", "8.4", "kernel-core " + kernel + " source=kernel-" + kernel, ""},
		{"RLBA-2021:2580: a bug fix", "8.4", "firewalld 0.8.2-6.el8 source=firewalld-0.8.2-6.el8", ""},
		{"RLSA-2019:1972: the stream of the packages, which the title does not name", "8.5",
			"rubygem-abrt 0.3.0-4.module+el8.4.0+592+03ff458a source=rubygem-abrt-0.3.0-4.module+el8.4.0+592+03ff458a module=ruby:2.6",
			"rubygem-abrt CVE-2019-8324 high 0.3.0-4.module+el8.5.0+738+032c9c02"},
		{"RLSA-2019:1972: the stream of the title", "8.5",
			"rubygem-abrt 0.3.0-4.module+el8.4.0+592+03ff458a source=rubygem-abrt-0.3.0-4.module+el8.4.0+592+03ff458a module=ruby:2.5", ""},
		{"RLSA-2019:1972: the fix", "8.5",
			"rubygem-bson 4.3.0-2.module+el8.4.0+592+03ff458a source=rubygem-bson-4.3.0-2.module+el8.4.0+592+03ff458a module=ruby:2.6", ""},
		{"RLSA-2019:1972: no module build", "8.5", "rubygem-abrt 0.3.0-1.el8 source=rubygem-abrt-0.3.0-1.el8", ""},
		{"RLSA-2021:9999: the source's epoch is that of another package", "8.5", "perl-Errno 1.28-418.el8 source=perl-5.26.3-418.el8",
			"perl-Errno CVE-2020-10543 medium 4:5.26.3-419.el8"},
		{"RLSA-2021:9999: the fix", "8.5", "perl-libs 4:5.26.3-419.el8 source=perl-5.26.3-419.el8", ""},
	} {
		if got := strings.Join(feedtest.Findings(t, all, "rocky", tt.version, tt.rpm), ", "); got != tt.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", tt.why, tt.rpm, got, tt.want)
		}
	}
}

// TestCopies: the source decides about the streams that an erratum lists, and OSV's copy about
// others.
func TestCopies(t *testing.T) {
	all := genuine(t)
	// A record in the form of OSV's, without the stream of the packages, and with another fix.
	copied, err := advisory.Parse([]byte(`{"id":"RLSA-2019:1972","modified":"2023-02-02T12:55:31Z","summary":"Important: ruby:2.5 security update","upstream":["CVE-2019-8324"],
		"affected":[{"package":{"ecosystem":"Rocky Linux:8","name":"rubygem-abrt"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"0:0.3.0-5.module+el8.5.0+1+a"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	copied.Source = "osv"
	all["a copy"] = copied
	const installed = "rubygem-abrt 0.3.0-4.module+el8.4.0+592+03ff458a source=rubygem-abrt-0.3.0-4.module+el8.4.0+592+03ff458a module=ruby:"
	for stream, want := range map[string]string{
		"2.6": "rubygem-abrt CVE-2019-8324 high 0.3.0-4.module+el8.5.0+738+032c9c02",
		"2.5": "rubygem-abrt CVE-2019-8324 high 0:0.3.0-5.module+el8.5.0+1+a",
	} {
		if got := strings.Join(feedtest.Findings(t, all, "rocky", "8.5", installed+stream), ", "); got != want {
			t.Errorf("%s: %s, want %s", stream, got, want)
		}
	}
}

func TestBroken(t *testing.T) {
	const folder = "vault/rocky/8.4/BaseOS/x86_64/os/repodata/"
	s := feedtest.New(t, Source(), files(t, document(t, "fixtures/happy/updateinfo.xml"), nothing))
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, folder+"repomd.xml", map[string][]byte{
		"a genuine broken file":          []byte(document(t, "fixtures/repomd_invalid/repomd.xml")),
		"without errata":                 []byte(document(t, "fixtures/no_updateinfo_field/repomd.xml")),
		"of another file":                []byte(document(t, "fixtures/happy/repomd.xml")),
		"of a file that is cut off":      []byte(feedtest.Repomd("repodata/updateinfo.xml.gz", feedtest.Zipped(t, "testdata/fixtures/updateinfo_invalid/updateinfo.xml.gz", "feeds", "rocky-updateinfo", "vuln-list-update.zip"))),
		"of a file that does not exist":  []byte(feedtest.Repomd("repodata/more.xml.gz", []byte("x"))),
		"of a file in another directory": []byte(feedtest.Repomd("../more.xml.gz", []byte("x"))),
	})
}

// TestMinors: every minor release up to the newest must be there.
func TestMinors(t *testing.T) {
	all := files(t, nothing, nothing)
	feedtest.AddRepository(t, all, "pub/rocky/8.6/BaseOS/x86_64/os/", nothing)
	feedtest.AddRepository(t, all, "pub/rocky/8.6/AppStream/x86_64/os/", nothing)
	s := feedtest.New(t, Source(), maps.Clone(all))
	if o, err := s.Update(t); err != nil || o.Added != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	for name, want := range map[string]string{
		"pub/rocky/8.5/BaseOS/x86_64": "has release 8.6, and lacks 8.5", "vault/rocky/8.4/BaseOS/x86_64": "has release 8.5, and lacks 8.4",
		"pub/rocky/10.0/BaseOS/x86_64": "lacks release 10.0", "pub/rocky/9.0/AppStream/x86_64": `"9.0/AppStream/x86_64": `,
	} {
		name += "/os/repodata/repomd.xml"
		s.Remove(name)
		if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %+v, %v", name, o, err)
		}
		s.Put(name, all[name])
	}
	if o, err := s.Update(t); err != nil || o.Whole {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestMoved: what a minor release had must be there too after it has moved to the vault.
func TestMoved(t *testing.T) {
	all := files(t, nothing, nothing)
	feedtest.AddRepository(t, all, "pub/rocky/8.5/PowerTools/x86_64/os/", nothing)
	feedtest.AddRepository(t, all, "pub/rocky/8.5/BaseOS/aarch64/os/", nothing)
	s := feedtest.New(t, Source(), maps.Clone(all))
	if o, err := s.Update(t); err != nil || o.Added != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	move := func(but string) {
		for name, b := range all {
			if rest, ok := strings.CutPrefix(name, "pub/rocky/8.5/"); ok {
				s.Remove(name)
				s.Remove("vault/rocky/8.5/" + rest)
				if but == "" || !strings.HasPrefix(rest, but) {
					s.Put("vault/rocky/8.5/"+rest, b)
				}
			}
		}
	}
	move("BaseOS/aarch64")
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `"8.5/BaseOS/aarch64"`) {
		t.Errorf("%+v, %v", o, err)
	}
	move("")
	s.Put("vault/rocky/8.5/BaseOS/x86_64/os/repodata/repomd.xml", []byte("<repomd/>"))
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `"8.5/BaseOS/x86_64"`) {
		t.Errorf("%+v, %v", o, err)
	}
	move("")
	if o, err := s.Update(t); err != nil || o.Unchanged != 3 {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestLacksArchitecture: errata count for the architecture whose repository a mirror lacks.
func TestLacksArchitecture(t *testing.T) {
	s := feedtest.New(t, Source(), files(t, nothing, nothing))
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	const old = "perl-libs 4:5.26.3-418.el8 source=perl-5.26.3-418.el8 arch=aarch64"
	if got := feedtest.Findings(t, s.Advisories(t), "rocky", "8.5", old); len(got) != 1 || got[0] != "perl-libs CVE-2020-10543 medium 4:5.26.3-419.el8" {
		t.Errorf("%q", got)
	}
}
