package amazon

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/feedtest"
	"assay/service/advisory"
)

// unpacked returns a genuine updateinfo.xml of the test data of vuln-list-update.
func unpacked(t *testing.T, name string) string {
	t.Helper()
	return gunzip(t, feedtest.Zipped(t, "testdata/fixtures/updateinfo_"+name+".xml.gz", "feeds", "alas", "vuln-list-update.zip"))
}

func gunzip(t *testing.T, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// update is an advisory in the publisher's form.
func update(id, severity, cve string, packages ...string) string {
	var b strings.Builder
	b.WriteString(`<update author="linux-security@amazon.com" from="linux-security@amazon.com" status="final" type="security" version="1.4"><id>` + id +
		`</id><title>Amazon Linux 2 - ` + id + `: ` + severity + ` priority package update</title><issued date="2023-04-13 17:56:00" /><updated date="2023-05-09 18:35:00" /><severity>` +
		severity + `</severity><description>Package updates are available.</description><references>` +
		`<reference href="http://cve.mitre.org/cgi-bin/cvename.cgi?name=` + cve + `" id="` + cve + `" title="" type="cve" /></references><pkglist><collection short="a"><name>A</name>`)
	for _, p := range packages { // name epoch version release arch
		w := strings.Fields(p)
		b.WriteString(`<package arch="` + w[4] + `" epoch="` + w[1] + `" name="` + w[0] + `" release="` + w[3] + `" version="` + w[2] + `"><filename>Packages/` + w[0] + `.rpm</filename></package>`)
	}
	b.WriteString(`</collection></pkglist></update>`)
	return b.String()
}

const none = `<?xml version="1.0" ?><updates></updates>`

// Advisories that the test data lacks, of an extra and of the live patches. Their packages
// are those of ALAS2KERNEL-5.15-2022-001 and ALAS2023LIVEPATCH-2023-001.
var (
	kernel515 = update("ALAS2KERNEL-5.15-2022-001", "important", "CVE-2022-0500",
		"kernel 0 5.15.43 20.123.amzn2 x86_64", "kernel 0 5.15.43 20.123.amzn2 aarch64", "kernel-headers 0 5.15.43 20.123.amzn2 i686")
	livepatch = update("ALAS2023LIVEPATCH-2023-001", "important", "CVE-2023-26545", "kernel-livepatch-6.1.12-19.43 0 1.0 1.amzn2023 x86_64")
)

// files returns the files of the publisher, with the updateinfo.xml of the core of Amazon
// Linux 2, of its extra and of Amazon Linux 2023. Only the cores are there for aarch64.
func files(t *testing.T, core2, extra, core2023 string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"2/extras-catalog.json": []byte(`{"motd":"","topics":[{"n":"kernel-5.15","inst":["kernel"],"versions":["stable"]}],"version":1}`)}
	add := func(list, folder, text string) {
		all[list+"/mirror.list"] = []byte("https://cdn.amazonlinux.com/" + strings.TrimSuffix(folder, "/") + "\n")
		feedtest.AddRepository(t, all, folder, text)
	}
	add("2/core/latest/x86_64", "2/core/2.0/x86_64/221a4af0/", core2)
	add("2/core/latest/aarch64", "2/core/2.0/aarch64/35bb2d8c/", none)
	add("2/extras/kernel-5.15/latest/x86_64", "2/extras/kernel-5.15/2.0/x86_64/9f1e/", extra)
	add("al2023/core/mirrors/latest/x86_64", "al2023/core/guids/46ff4933/x86_64/", core2023)
	add("al2023/core/mirrors/latest/aarch64", "al2023/core/guids/de7fa1b0/aarch64/", core2023)
	add("al2023/kernel-livepatch/mirrors/latest/x86_64", "al2023/kernel-livepatch/guids/a1/x86_64/", "<updates>"+livepatch+"</updates>")
	return all
}

// genuine returns the advisories of all genuine documents, and of the two in their form.
func genuine(t *testing.T) map[string]advisory.Advisory {
	t.Helper()
	first, _, _ := strings.Cut(unpacked(t, "1_item"), "</updates>")
	_, second, _ := strings.Cut(unpacked(t, "2_items"), "<updates>")
	core2 := first + second
	s := feedtest.New(t, Source(), files(t, core2, "<updates>"+kernel515+"</updates>", unpacked(t, "AL2023")))
	if o, err := s.Update(t); err != nil || o.Added != 6 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	all := s.Advisories(t)

	one := map[string][]byte{}
	feedtest.AddRepository(t, one, "", gunzip(t, feedtest.Read(t, "feeds", "alas", "claircore", "test_updateinfo.xml.gz")))
	s1 := feedtest.New(t, Source1(), one)
	if o, err := s1.Update(t); err != nil || o.Added != 1170 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	for id, a := range s1.Advisories(t) {
		all[id] = a
	}
	return all
}

// TestGenuine converts all genuine documents, and compares those of vuln-list-update with
// what Trivy has of them.
func TestGenuine(t *testing.T) {
	all := genuine(t)
	if len(all) != 1176 {
		t.Errorf("%d advisories", len(all))
	}
	for _, id := range []string{"ALAS2-2018-939", "ALAS2-2018-942", "ALAS2-2018-949", "ALAS2023-2023-001"} {
		var golden struct {
			Severity string
			CVEIDs   []string `json:"cveids"`
			Packages []struct{ Name, Epoch, Version, Release string }
		}
		if err := json.Unmarshal(feedtest.Zipped(t, "testdata/"+id+".json.golden", "feeds", "alas", "vuln-list-update.zip"), &golden); err != nil {
			t.Fatal(err)
		}
		want, got := map[string]bool{}, map[string]bool{}
		for _, p := range golden.Packages {
			epoch := ""
			if p.Epoch != "0" {
				epoch = p.Epoch + ":"
			}
			want[p.Name+" "+epoch+p.Version+"-"+p.Release] = true
		}
		for f := range all[id].Fixes() {
			got[f.Package+" "+f.Version] = true
		}
		slices.SortFunc(golden.CVEIDs, advisory.CompareIDs)
		if len(want) == 0 || len(got) != len(want) || !slices.Equal(all[id].Upstream, golden.CVEIDs) ||
			string(all[id].DatabaseSpecific) != `{"severity":"`+golden.Severity+`"}` {
			t.Errorf("%s: %v, want %v; %q, %s", id, got, want, all[id].Upstream, all[id].DatabaseSpecific)
		}
		for f := range want {
			if !got[f] {
				t.Errorf("%s lacks %s", id, f)
			}
		}
	}
	for id, want := range map[string]string{
		"ALAS-2011-1": "https://alas.aws.amazon.com/ALAS-2011-1.html", "ALAS2-2018-939": "https://alas.aws.amazon.com/AL2/ALAS-2018-939.html",
		"ALAS2KERNEL-5.15-2022-001": "https://alas.aws.amazon.com/AL2/ALASKERNEL-5.15-2022-001.html", "ALAS2023-2023-001": "https://alas.aws.amazon.com/AL2023/ALAS-2023-001.html",
	} {
		if got := all[id].References; len(got) != 1 || got[0].URL != want {
			t.Errorf("%s: %+v", id, got)
		}
	}
	t.Run("findings", func(t *testing.T) { testFindings(t, all) })
}

// testFindings has advisories that were read by hand. OSV has no records of Amazon Linux.
func testFindings(t *testing.T, all map[string]advisory.Advisory) {
	for _, tt := range []struct {
		why, version string
		rpm          string
		want         string
	}{
		{"ALAS-2011-1: below the fix", "2018.03", "httpd 2.2.21-1.17.amzn1", "httpd CVE-2011-3192 medium 2.2.21-1.18.amzn1"},
		{"ALAS-2011-1: epoch 1", "2018.03", "mod_ssl 1:2.2.21-1.17.amzn1", "mod_ssl CVE-2011-3192 medium 1:2.2.21-1.18.amzn1"},
		{"ALAS-2011-1: noarch, in a release of another name", "2016.09", "httpd-manual 2.2.15-1.amzn1", "httpd-manual CVE-2011-3192 medium 2.2.21-1.18.amzn1"},
		{"ALAS-2019-1287: below", "2018.03", "perl-Archive-Tar 1.92-3.5.amzn1", "perl-Archive-Tar CVE-2018-12015 medium 1.92-3.6.amzn1"},
		{"ALAS-2019-1287: the fix", "2018.03", "perl-Archive-Tar 1.92-3.6.amzn1", ""},
		{"ALAS-2019-1287: above", "2018.03", "perl-Archive-Tar 2.04-1.amzn1", ""},
		{"ALAS-2017-866: its CVE was never assigned", "2018.03", "aws-cfn-bootstrap 1.4-19.10.amzn1", "aws-cfn-bootstrap ALAS-2017-866 high 1.4-20.12.amzn1"},
		{"ALAS-2016-763: no CVE", "2018.03", "cloud-init 0.7.6-2.12.amzn1", "cloud-init ALAS-2016-763 high 0.7.6-2.13.amzn1"},
		{"ALAS2-2018-939: below", "2", "perf 4.9.75-25.55.amzn2", "perf CVE-2017-5715 critical 4.9.76-38.79.amzn2, perf CVE-2017-5754 critical 4.9.76-38.79.amzn2"},
		{"ALAS2-2018-939: another release", "2023", "perf 4.9.75-25.55.amzn2", ""},
		{"ALAS2-2018-942: epoch 10", "2", "qemu-img 10:1.5.3-141.amzn2.5.2", "qemu-img CVE-2017-5715 high 10:1.5.3-141.amzn2.5.3"},
		{"ALAS2-2018-942: the fix", "2", "qemu-img 10:1.5.3-141.amzn2.5.3", ""},
		{"ALAS2-2018-942: only for x86_64", "2", "qemu-img 10:1.5.3-141.amzn2.5.2 arch=aarch64", ""},
		{"ALAS2-2018-949: a package of another name", "2", "java-1.7.0-openjdk 1:1.7.0.161-2.6.12.0.amzn2.0.1", ""},
		{"ALAS2KERNEL-5.15-2022-001: the extra's kernel", "2", "kernel 5.15.35-17.102.amzn2 arch=aarch64", "kernel CVE-2022-0500 high 5.15.43-20.123.amzn2"},
		{"ALAS2KERNEL-5.15-2022-001: not the core's", "2", "kernel 4.14.336-253.554.amzn2", ""},
		{"ALAS2-2018-939: not the extra's kernel, which is newer", "2", "kernel 5.15.43-20.123.amzn2", ""},
		{"ALAS2023LIVEPATCH-2023-001: no other kernel's patch", "2023", "kernel-livepatch-6.1.19-30.43 1.0-0.amzn2023", ""},
		{"ALAS2023LIVEPATCH-2023-001", "2023", "kernel-livepatch-6.1.12-19.43 1.0-0.amzn2023", "kernel-livepatch-6.1.12-19.43 CVE-2023-26545 high 1.0-1.amzn2023"},
		{"ALAS2023-2023-001: below, on x86_64", "2023", "rsyslog 8.2204.0-3.amzn2023.0.1",
			"rsyslog CVE-2014-3634 high 8.2204.0-3.amzn2023.0.2, rsyslog CVE-2022-24903 high 8.2204.0-3.amzn2023.0.2"},
		{"ALAS2023-2023-001: below, on aarch64", "2023", "rsyslog 8.2204.0-3.amzn2023.0.1 arch=aarch64",
			"rsyslog CVE-2014-3634 high 8.2204.0-3.amzn2023.0.2, rsyslog CVE-2022-24903 high 8.2204.0-3.amzn2023.0.2"},
	} {
		id, _, _ := strings.Cut(tt.why, ":")
		some := map[string]advisory.Advisory{} // and one for each release, without which it is not evaluated
		for _, id := range []string{id, "ALAS-2012-90", "ALAS2-2018-949", "ALAS2023-2023-001"} {
			some[id] = all[id]
		}
		if got := strings.Join(feedtest.Findings(t, some, "amzn", tt.version, tt.rpm), ", "); got != tt.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", tt.why, tt.rpm, got, tt.want)
		}
	}
}

// TestBroken: whatever is broken, the earlier records stay.
func TestBroken(t *testing.T) {
	all := files(t, "<updates>"+update("ALAS2-2024-1", "low", "CVE-2024-1000", "a 0 1 1 x86_64")+"</updates>", none, none)
	s := feedtest.New(t, Source(), maps.Clone(all))
	if o, err := s.Update(t); err != nil || o.Added != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
	s.Broken(t, "2/extras-catalog.json", map[string][]byte{
		"no extras":         []byte(`{"topics":[]}`),
		"a climbing name":   []byte(`{"topics":[{"n":"../core"}]}`),
		"a name of nothing": []byte(`{"topics":[{"n":""}]}`),
	})
	const folder = "2/core/2.0/x86_64/221a4af0/"
	s.Broken(t, folder+"repodata/repomd.xml", map[string][]byte{
		"no errata in the core": []byte("<repomd></repomd>"),
		"another checksum":      []byte(feedtest.Repomd("repodata/updateinfo.xml.gz", []byte("x"))),
		"another name":          []byte(feedtest.Repomd("repodata/more.xml.gz", []byte("x"))),
	})
	for name, text := range map[string]string{
		"entities":          `<!DOCTYPE u [<!ENTITY x "y">]><updates><update><id>&x;</id></update></updates>`,
		"another XML":       "<repomd/>",
		"a bomb":            "<updates>" + strings.Repeat(" ", 24<<20) + "</updates>",
		"most are rejected": "<updates>" + update("ALAS2-2024-1", "low", "CVE-2024-1000", "a 0 1 1 vax") + update("ALAS2-2024-2", "low", "CVE-2024-1000", "a 0 1 1 vax") + "</updates>",
	} {
		broken := map[string][]byte{}
		feedtest.AddRepository(t, broken, folder, text)
		for name, b := range broken {
			s.Put(name, b)
		}
		o, err := s.Update(t)
		if _, ok := s.Advisories(t)["ALAS2-2024-1"]; err == nil || !ok {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		for name := range broken {
			s.Put(name, all[name])
		}
		if _, err := s.Update(t); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	s.Remove("al2023/kernel-livepatch/mirrors/latest/x86_64/mirror.list")
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), "kernel-livepatch") {
		t.Errorf("without a list: %+v, %v", o, err)
	}
}

func TestMirrors(t *testing.T) {
	for address, want := range map[string]string{
		"https://cdn.amazonlinux.com/2/core/2.0/x86_64/221a/":      "2/core/2.0/x86_64/221a/",
		"http://mirror.example.com/al2023/core/guids/46ff/x86_64":  "al2023/core/guids/46ff/x86_64/",
		"https://cdn.amazonlinux.com/":                             "",
		"https://cdn.amazonlinux.com/2/../../etc":                  "",
		"https://cdn.amazonlinux.com/2/%2e%2e/etc":                 "",
		"https://cdn.amazonlinux.com/2/core?x=y":                   "",
		"file:///etc/passwd":                                       "",
		"2/core":                                                   "",
		"<html>":                                                   "",
		"https://[::1":                                             "",
		"https://cdn.amazonlinux.com/2/core/2.0/x86_64/a b/%00/..": "",
	} {
		if got, err := folderOf(address); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", address, got, err)
		}
	}
}
