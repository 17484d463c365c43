package oracle

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
)

// year has Oracle's errata of 2018, as the publisher has them for one year.
func year(t *testing.T) []byte { return read(t, "claircore-com.oracle.elsa-2018.xml.gz") }

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, slices.Concat([]string{"feeds", "oracle-oval"}, elem)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// zipped returns a test file of vuln-list-update.
func zipped(t *testing.T, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "oracle-oval", "vuln-list-update.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var criterion = regexp.MustCompile(`<criterion test_ref="oval:com\.oracle\.elsa:tst:(\d+)" comment="([^"]*)"/>`)

// completed adds the tests, objects and states that the definitions of a document refer
// to, as their comments describe them. The test files of others lack most of them.
func completed(t *testing.T, doc []byte) []byte {
	t.Helper()
	definitions, _, ok := bytes.Cut(doc, []byte("</definitions>"))
	if !ok {
		t.Fatal("no definitions")
	}
	var tests, objects, states strings.Builder
	seen := map[string]bool{}
	for _, m := range criterion.FindAllSubmatch(definitions, -1) {
		n, comment := string(m[1]), string(m[2])
		if seen[n] {
			continue
		}
		seen[n] = true
		name, state, kind, check := "oraclelinux-release", "", "rpminfo", "at least one"
		switch words := strings.Fields(comment); {
		case strings.HasSuffix(comment, " is installed"):
			state = `<version operation="pattern match">^` + words[2] + `</version>`
		case strings.HasPrefix(comment, "Oracle Linux arch is "):
			state = `<arch operation="pattern match">` + words[4] + `</arch>`
		case strings.Contains(comment, " is earlier than "):
			name, state = words[0], `<evr datatype="evr_string" operation="less than">`+words[4]+`</evr>`
		case strings.HasSuffix(comment, " is ksplice-based"):
			name, state = words[0], `<release operation="pattern match">ksplice</release>`
		case strings.HasSuffix(comment, " key"):
			name, state = words[0], `<signature_keyid operation="equals">72f97b74ec551f03</signature_keyid>`
		default:
			t.Fatalf("comment %q", comment)
		}
		fmt.Fprintf(&tests, `<%s_test id="oval:com.oracle.elsa:tst:%s" check="%s"><object object_ref="oval:com.oracle.elsa:obj:%[2]s"/><state state_ref="oval:com.oracle.elsa:ste:%[2]s"/></%[1]s_test>`, kind, n, check)
		fmt.Fprintf(&objects, `<%s_object id="oval:com.oracle.elsa:obj:%s"><name>%s</name></%[1]s_object>`, kind, n, name)
		fmt.Fprintf(&states, `<%s_state id="oval:com.oracle.elsa:ste:%s">%s</%[1]s_state>`, kind, n, state)
	}
	return fmt.Appendf(nil, "%s</definitions><tests>%s</tests><objects>%s</objects><states>%s</states></oval_definitions>", definitions, &tests, &objects, &states)
}

// converted returns the records of a document by ID, the rejections, and the error that
// ended it.
func converted(t testing.TB, doc []byte) (all map[string]advisory.Advisory, rejected []error, failed error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	all = make(map[string]advisory.Advisory)
	for r, err := range records(path) {
		switch {
		case errors.Is(err, store.ErrRejected):
			rejected = append(rejected, err)
		case err != nil:
			failed = err
		default:
			a, err := advisory.Parse(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			a.Source = Name
			all[a.ID] = a
		}
	}
	return all, rejected, failed
}

func TestUpdate(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{file: year(t)})
	o, err := s.Update(t)
	if err != nil || o.Added != 280 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want 280 records", o, err)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
}

// TestDocuments converts every document of the test data. Those of others are refused, and
// test files without their tests are rejected, definition by definition.
func TestDocuments(t *testing.T) {
	for _, tt := range []struct {
		name              string
		doc               []byte
		records, rejected int
		failed            string
	}{
		{"the errata of 2018", year(t), 280, 0, ""},
		{"one erratum", zipped(t, "ELSA-2007-0057.xml"), 1, 0, ""},
		{"one erratum with two numbers", zipped(t, "elsa-2018-1196-1.xml.bz2"), 1, 0, ""},
		{"without tests", zipped(t, "all-positive-data.xml.bz2"), 0, 14, ""},
		{"another title", zipped(t, "invalid-title-format.xml.bz2"), 1, 1, ""},
		{"broken", zipped(t, "broken-oval-data.xml.bz2"), 0, 0, "closed by"},
		{"text", zipped(t, "invalid.txt"), 0, 0, "unexpected EOF"},
		{"Grype: two errata", read(t, "vunnel", "mock_data"), 0, 2, ""},
		{"Grype: two errata, completed", completed(t, read(t, "vunnel", "mock_data")), 2, 0, ""},
		{"Grype: ksplice", read(t, "vunnel", "mock_ksplice_data"), 1, 0, ""},
		{"Grype: architectures", read(t, "vunnel", "mock_per_arch_data"), 0, 3, ""},
		{"Grype: architectures, completed", completed(t, read(t, "vunnel", "mock_per_arch_data")), 3, 0, ""},
		{"Red Hat", foreign(t, "redhat-oval", "claircore-com.redhat.rhsa-RHEL8.xml.gz"), 0, 0, `is not an ID of "oval:com.oracle.elsa:tst"`},
		{"SUSE", foreign(t, "suse-oval", "claircore-suse.linux.enterprise.desktop.10.xml.gz"), 0, 0, `is not an ID of "oval:com.oracle.elsa:tst"`},
	} {
		all, rejected, failed := converted(t, tt.doc)
		if len(all) != tt.records || len(rejected) != tt.rejected || (failed == nil) != (tt.failed == "") || failed != nil && !strings.Contains(failed.Error(), tt.failed) {
			t.Errorf("%s: %d records, %d rejected: %v; %v", tt.name, len(all), len(rejected), rejected, failed)
		}
	}
}

func foreign(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, slices.Concat([]string{"feeds"}, elem)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An installed package of Oracle Linux.
type installed struct{ release, name, version, module, arch string }

// TestWorkedByHand: what a reader of the publisher's documents finds for a package. OSV has
// no records of Oracle Linux to compare with.
func TestWorkedByHand(t *testing.T) {
	all, _, _ := converted(t, year(t))
	for _, doc := range [][]byte{
		read(t, "vunnel", "mock_ksplice_data"), completed(t, read(t, "vunnel", "mock_data")), completed(t, read(t, "vunnel", "mock_per_arch_data")),
		zipped(t, "elsa-2018-1196-1.xml.bz2"), []byte(virt),
	} {
		more, rejected, err := converted(t, doc)
		if err != nil || len(rejected) > 0 {
			t.Fatal(rejected, err)
		}
		for id, a := range more {
			all[id] = a
		}
	}
	const none = ""
	spectre := "CVE-2017-5715 high"
	for _, tt := range []struct {
		erratum string
		p       installed
		want    string // the CVEs and the severity; empty if the package is not affected
	}{
		{"ELSA-2018-0012", installed{release: "7.9", name: "microcode_ctl", version: "2:2.1-22.el7"}, spectre},
		{"ELSA-2018-0012", installed{release: "7.9", name: "microcode_ctl", version: "2:2.1-22.2.el7"}, none}, // the fix
		{"ELSA-2018-0012", installed{release: "7.9", name: "microcode_ctl", version: "2:2.1-61.el7"}, none},
		{"ELSA-2018-0012", installed{release: "7.9", name: "microcode_ctl", version: "1:9.9-9.el7"}, spectre}, // an older epoch
		{"ELSA-2018-0012", installed{release: "6.10", name: "microcode_ctl", version: "1:1.17-25.el6"}, none}, // another release
		{"ELSA-2018-0013", installed{release: "6.10", name: "microcode_ctl", version: "1:1.17-25.el6"}, spectre},
		// One erratum for two releases, each with its own fix.
		{"ELSA-2018-0549", installed{release: "6.10", name: "firefox", version: "52.7.2-1.0.1.el6_8"}, "CVE-2018-5146 critical"},
		{"ELSA-2018-0549", installed{release: "6.10", name: "firefox", version: "52.7.2-1.0.1.el6_9"}, none},
		{"ELSA-2018-0549", installed{release: "7.5", name: "firefox", version: "52.7.2-1.0.1.el7_3"}, "CVE-2018-5146 critical"},
		{"ELSA-2018-0549", installed{release: "7.5", name: "firefox", version: "52.7.2-1.0.1.el7_4"}, none},
		{"ELSA-2018-0504", installed{release: "6", name: "mailman", version: "3:2.1.12-25.el6"}, "CVE-2018-5950 medium"},
		{"ELSA-2018-0842", installed{release: "7", name: "xdg-user-dirs", version: "0.15-4.el7"}, "CVE-2017-15131 low"},
		{"ELSA-2018-0842", installed{release: "7", name: "xdg-user-dirs-gtk", version: "0.1-1.el7"}, none}, // not named
		{"ELSA-2018-1777", installed{release: "6.9", name: "procps", version: "3.2.8-45.el6_9.2"}, "CVE-2018-1124 CVE-2018-1126 high"},
		{"ELSA-2018-1196-1", installed{release: "5.11", name: "kernel", version: "2.6.18-419.el5"}, spectre},
		{"ELSA-2018-1196-1", installed{release: "5.11", name: "kernel", version: "2.6.18-419.0.0.0.10.el5"}, none},
		{"ELSA-2007-0057", installed{release: "5.11", name: "bind-libs", version: "30:9.3.3-7.el5"}, "CVE-2007-0493 CVE-2007-0494 medium"},
		{"ELSA-2007-0057", installed{release: "5.11", name: "bind-libs", version: "30:9.3.3-8.el5"}, none},
		// A build that is patched in memory has fixes of its own, which say nothing about the
		// ordinary build.
		{"ELSA-2021-9151", installed{release: "8.4", name: "openssl", version: "1:1.1.1g-12.el8_3"}, none},
		{"ELSA-2021-9151", installed{release: "8.4", name: "openssl", version: "2:1.1.1g-12.ksplice1.el8_3"}, "CVE-2021-3449 CVE-2021-3450 high"},
		{"ELSA-2021-9151", installed{release: "8.4", name: "openssl", version: "2:1.1.1g-15.ksplice1.el8_3"}, none},
		{"ELSA-2021-9151", installed{release: "8.4", name: "openssl-static", version: "2:1.1.1g-12.ksplice1.el8_3"}, none}, // on aarch64 only
		{"ELSA-2021-9151", installed{release: "8.4", name: "openssl-static", version: "2:1.1.1g-12.ksplice1.el8_3", arch: "aarch64"}, "CVE-2021-3449 CVE-2021-3450 high"},
		// The fix for x86_64 is older than that for aarch64.
		{"ELSA-2022-4803", installed{release: "7.9", name: "rsyslog", version: "8.24.0-57.0.1.el7_9.3"}, none},
		{"ELSA-2022-4803", installed{release: "7.9", name: "rsyslog", version: "8.24.0-57.0.1.el7_9.3", arch: "aarch64"}, "CVE-2022-24903 high"},
		{"ELSA-2022-4803", installed{release: "7.9", name: "rsyslog", version: "8.24.0-57.0.1.el7_9.2"}, "CVE-2022-24903 high"},
		{"ELSA-2025-10073", installed{release: "10.0", name: "firefox", version: "128.11.0-1.0.1.el10_0"}, "CVE-2025-6424 CVE-2025-6425 CVE-2025-6429 CVE-2025-6430 high"},
		// A stream of a module: another stream and the ordinary build are not meant.
		{"ELSA-2023-12342", installed{release: "8.8", name: "hivex", version: "1.3.18-20.module+el8.3.0+7860+a7792d29", module: "virt:kvm_utils:8030020210405:229f0a1c", arch: "aarch64"}, "CVE-2022-4144 CVE-2023-0664 high"},
		{"ELSA-2023-12342", installed{release: "8.8", name: "hivex", version: "1.3.18-21.module+el8.7.0+21037+8ee66348", module: "virt:kvm_utils:8070020230425:229f0a1c", arch: "aarch64"}, none},
		{"ELSA-2023-12342", installed{release: "8.8", name: "hivex", version: "1.3.18-20.module+el8.3.0+7860+a7792d29", module: "virt:ol:8030020210405:229f0a1c", arch: "aarch64"}, none},
		{"ELSA-2023-12342", installed{release: "8.8", name: "hivex", version: "1.3.18-20.el8", arch: "aarch64"}, none},
		{"ELSA-2023-12342", installed{release: "8.8", name: "hivex", version: "1.3.18-20.module+el8.3.0+7860+a7792d29", module: "virt:kvm_utils:8030020210405:229f0a1c"}, none}, // x86_64
	} {
		a, ok := all[tt.erratum]
		if !ok {
			t.Fatalf("%s is missing", tt.erratum)
		}
		if got := find(t, a, tt.p); got != tt.want {
			t.Errorf("%s, %+v: %q, want %q", tt.erratum, tt.p, got, tt.want)
		}
	}
}

// find returns the CVEs that a package has by one erratum, and their severity.
func find(t *testing.T, a advisory.Advisory, p installed) string {
	t.Helper()
	if p.arch == "" {
		p.arch = "x86_64"
	}
	// Any other record makes the release one that is evaluated.
	other := advisory.Advisory{ID: "ELSA-2000-1", Source: Name}
	for _, r := range []string{"5", "6", "7", "8", "9", "10"} {
		other.Affected = append(other.Affected, advisory.Affected{Package: advisory.Package{Ecosystem: "Oracle Linux:" + r, Name: "x"}, Versions: []string{"1"}})
	}
	inv := inventory.Inventory{
		System:   inventory.System{ID: "ol", VersionID: p.release},
		Packages: []inventory.Package{{Type: "rpm", Name: p.name, Version: p.version, Arch: p.arch, Vendor: "Oracle America", Module: p.module}},
	}
	res, err := match.Inventory(inv, index.NewMemory([]advisory.Advisory{a, other}, nil), nil, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || res.Evaluated != 1 {
		t.Fatalf("%+v: evaluated %d, %v, %+v", p, res.Evaluated, err, res.NotEvaluated)
	}
	var found []string
	for _, f := range res.Findings {
		found = append(found, f.ID)
	}
	if len(found) == 0 {
		return ""
	}
	return strings.Join(found, " ") + " " + string(res.Findings[0].Severity)
}

// virt is ELSA-2023-12342 with one of its packages, in the publisher's form.
const virt = `<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5" xmlns:ind-def="http://oval.mitre.org/XMLSchema/oval-definitions-5#independent">
<generator/>
<definitions>
<definition id="oval:com.oracle.elsa:def:202312342" version="501" class="patch"><metadata>
<title>
ELSA-2023-12342:  virt:kvm_utils security update (IMPORTANT)
</title>
<affected family="unix"><platform>Oracle Linux 8</platform></affected>
<reference source="elsa" ref_id="ELSA-2023-12342" ref_url="https://linux.oracle.com/errata/ELSA-2023-12342.html"/>
<advisory><severity>IMPORTANT</severity><rights>Copyright 2023 Oracle, Inc.</rights><issued date="2023-05-15"/>
<cve cvss3="7.8/CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H" href="https://linux.oracle.com/cve/CVE-2023-0664.html" public="20230220">CVE-2023-0664</cve>
<cve href="https://linux.oracle.com/cve/CVE-2022-4144.html">CVE-2022-4144</cve></advisory></metadata>
<criteria operator="AND">
<criterion test_ref="oval:com.oracle.elsa:tst:202312342001" comment="Oracle Linux 8 is installed"/>
<criteria operator="OR"><criteria operator="AND">
<criterion test_ref="oval:com.oracle.elsa:tst:202312342002" comment="Oracle Linux arch is aarch64"/>
<criteria operator="AND">
<criterion test_ref="oval:com.oracle.elsa:tst:202312342003" comment="Module virt:kvm_utils is enabled"/>
<criteria operator="OR"><criteria operator="AND">
<criterion test_ref="oval:com.oracle.elsa:tst:202312342004" comment="hivex is earlier than 0:1.3.18-21.module+el8.7.0+21037+8ee66348"/>
<criterion test_ref="oval:com.oracle.elsa:tst:202312342005" comment="hivex is signed with the Oracle Linux 8 key"/>
</criteria></criteria></criteria></criteria></criteria></criteria></definition>
</definitions>
<tests>
<rpminfo_test id="oval:com.oracle.elsa:tst:202312342001" check="at least one"><object object_ref="oval:com.oracle.elsa:obj:202312342001"/><state state_ref="oval:com.oracle.elsa:ste:202312342001"/></rpminfo_test>
<rpminfo_test id="oval:com.oracle.elsa:tst:202312342002" check="at least one"><object object_ref="oval:com.oracle.elsa:obj:202312342001"/><state state_ref="oval:com.oracle.elsa:ste:202312342003"/></rpminfo_test>
<ind-def:textfilecontent54_test id="oval:com.oracle.elsa:tst:202312342003" comment="Module virt:kvm_utils is enabled" check="all"><ind-def:object object_ref="oval:com.oracle.elsa:obj:202312342105"/><ind-def:state state_ref="oval:com.oracle.elsa:ste:202312342002"/></ind-def:textfilecontent54_test>
<rpminfo_test id="oval:com.oracle.elsa:tst:202312342004" check="at least one"><object object_ref="oval:com.oracle.elsa:obj:202312342002"/><state state_ref="oval:com.oracle.elsa:ste:202312342004"/></rpminfo_test>
<rpminfo_test id="oval:com.oracle.elsa:tst:202312342005" check="at least one"><object object_ref="oval:com.oracle.elsa:obj:202312342002"/><state state_ref="oval:com.oracle.elsa:ste:202312342005"/></rpminfo_test>
</tests>
<objects>
<rpminfo_object id="oval:com.oracle.elsa:obj:202312342001"><name>oraclelinux-release</name></rpminfo_object>
<rpminfo_object id="oval:com.oracle.elsa:obj:202312342002"><name>hivex</name></rpminfo_object>
<ind-def:textfilecontent54_object id="oval:com.oracle.elsa:obj:202312342105"><ind-def:filepath datatype="string">/etc/dnf/modules.d/virt.module</ind-def:filepath><ind-def:pattern operation="pattern match">\[virt\][\w\W]*</ind-def:pattern><ind-def:instance datatype="int">1</ind-def:instance></ind-def:textfilecontent54_object>
</objects>
<states>
<rpminfo_state id="oval:com.oracle.elsa:ste:202312342001"><version operation="pattern match">^8</version></rpminfo_state>
<ind-def:textfilecontent54_state id="oval:com.oracle.elsa:ste:202312342002"><ind-def:text operation="pattern match">\nstream\s*=\s*kvm_utils\b[\w\W]*\nstate\s*=\s*(enabled|1|true)</ind-def:text></ind-def:textfilecontent54_state>
<rpminfo_state id="oval:com.oracle.elsa:ste:202312342003"><arch operation="pattern match">aarch64</arch></rpminfo_state>
<rpminfo_state id="oval:com.oracle.elsa:ste:202312342004"><evr datatype="evr_string" operation="less than">0:1.3.18-21.module+el8.7.0+21037+8ee66348</evr></rpminfo_state>
<rpminfo_state id="oval:com.oracle.elsa:ste:202312342005"><signature_keyid operation="equals">82562ea9ad986da3</signature_keyid></rpminfo_state>
</states>
</oval_definitions>
`

// TestGrype: what Grype's provider concludes from the same documents. It leaves out the
// fixes of ksplice builds, which it cannot match.
func TestGrype(t *testing.T) {
	all, _, err := converted(t, completed(t, read(t, "vunnel", "mock_data")))
	if err != nil {
		t.Fatal(err)
	}
	for file, id := range map[string]string{"ol:5/elsa-2007-0057.json": "ELSA-2007-0057", "ol:6/elsa-2018-4250.json": "ELSA-2018-4250"} {
		var snapshot struct {
			Item struct {
				Vulnerability struct {
					FixedIn []struct{ Name, NamespaceName, Version string }
				}
			}
		}
		if err := json.Unmarshal(read(t, "vunnel", "snapshots", file), &snapshot); err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, f := range snapshot.Item.Vulnerability.FixedIn {
			want = append(want, "Oracle Linux:"+strings.TrimPrefix(f.NamespaceName, "ol:")+" "+f.Name+" "+f.Version)
		}
		for _, af := range all[id].Affected {
			got = append(got, af.Package.Ecosystem+" "+af.Package.Name+" "+af.Ranges[0].Events[1].Fixed)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func TestBroken(t *testing.T) {
	small := zipped(t, "elsa-2018-1196-1.xml.bz2")
	text, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(small)))
	if err != nil {
		t.Fatal(err)
	}
	s := feedtest.New(t, Source(), map[string][]byte{file: small})
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	replaced := func(old, new string) []byte {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("no %q", old)
		}
		return bytes.ReplaceAll(text, []byte(old), []byte(new))
	}
	s.Broken(t, file, map[string][]byte{
		"entity":           append([]byte(`<!DOCTYPE d [<!ENTITY e "x">]>`), text...),
		"unknown entity":   replaced("kernel-headers", "&e;"),
		"no definitions":   []byte(`<oval_definitions><definitions/></oval_definitions>`),
		"another document": []byte(`<updates><update/></updates>`),
		"two documents":    slices.Concat(text, text),
		"of Red Hat":       replaced("com.oracle.elsa", "com.redhat.rhsa"),
		"deep":             replaced("<description>", "<description>"+strings.Repeat("<a>", 1000)+strings.Repeat("</a>", 1000)),
		"no tests":         replaced("tests>", "x>"),
		"no operation":     replaced("less than", "bitwise or"),
		"negated":          replaced(`operator="AND"`, `operator="AND" negate="true"`),
		"another operator": replaced(`operator="OR"`, `operator="XOR"`),
		"no release":       replaced("oraclelinux-release", "redhat-release"),
	})
}
