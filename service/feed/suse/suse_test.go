package suse

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
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
	"assay/service/distro"
	"assay/service/feed"
	"assay/service/feed/oval"
	"assay/service/index"
	"assay/service/match"
	"assay/service/store"
)

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, slices.Concat([]string{"feeds", "suse-oval"}, elem)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// truncated is Grype's excerpt of the document of SUSE Linux Enterprise Server 15, whose
// list of states has another name, and whose tests are incomplete.
func truncated(t testing.TB) []byte {
	b := bytes.Replace(read(t, "vunnel", "suse_truncated.xml"), []byte("<state>"), []byte("<states>"), 1)
	b = bytes.Replace(b, []byte("</state>\n</oval_definitions>"), []byte("</states>\n</oval_definitions>"), 1)
	return completed(t, bytes.ReplaceAll(b, []byte(`operation="6"`), []byte(`operation="less than"`)))
}

var criterion = regexp.MustCompile(`<criterion test_ref="oval:org\.opensuse\.security:tst:(\d+)" comment="([^"]*)"`)

// completed adds the tests that the definitions of a document refer to and that it lacks, as
// their comments describe them.
func completed(t testing.TB, doc []byte) []byte {
	t.Helper()
	var tests, objects, states strings.Builder
	for _, m := range criterion.FindAllSubmatch(doc, -1) {
		n, comment := string(m[1]), string(m[2])
		if bytes.Contains(doc, []byte(`test id="oval:org.opensuse.security:tst:`+n+`"`)) || strings.Contains(tests.String(), ":tst:"+n+`"`) {
			continue
		}
		check, name, state := describe(comment)
		fmt.Fprintf(&tests, `<rpminfo_test id="oval:org.opensuse.security:tst:%s" check="%s"><object object_ref="oval:org.opensuse.security:obj:1%[1]s"/><state state_ref="oval:org.opensuse.security:ste:1%[1]s"/></rpminfo_test>`, n, check)
		fmt.Fprintf(&objects, `<rpminfo_object id="oval:org.opensuse.security:obj:1%s"><name>%s</name></rpminfo_object>`, n, name)
		fmt.Fprintf(&states, `<rpminfo_state id="oval:org.opensuse.security:ste:1%s">%s</rpminfo_state>`, n, state)
	}
	for list, items := range map[string]string{"tests": tests.String(), "objects": objects.String(), "states": states.String()} {
		if !bytes.Contains(doc, []byte("</"+list+">")) {
			doc = bytes.Replace(doc, []byte("</oval_definitions>"), []byte("<"+list+"></"+list+"></oval_definitions>"), 1)
		}
		doc = bytes.Replace(doc, []byte("</"+list+">"), []byte(items+"</"+list+">"), 1)
	}
	return doc
}

// describe returns the parts of a test as SUSE writes them, by the comment of its criterion.
func describe(comment string) (check, name, state string) {
	words := strings.Fields(comment)
	last := words[len(words)-1]
	evr := func(operation, v string) string {
		return `<evr datatype="evr_string" operation="` + operation + `">0:` + v + `</evr>`
	}
	check = "at least one"
	what, installed := strings.CutSuffix(comment, " is installed")
	switch {
	case comment == "openSUSE Tumbleweed is installed":
		return check, "openSUSE-release", evr("greater than or equal", "20210101-0")
	case installed && strings.Contains(strings.ToUpper(what), "SUSE"):
		m := named.FindStringSubmatch(what)
		number := strings.ReplaceAll(m[3], " SP", ".")
		name = "product-release"
		if strings.HasPrefix(what, "SUSE Linux Enterprise Server 15") && !strings.HasSuffix(what, "-LTSS") {
			name = "sles-release"
		}
		return check, name, `<version operation="equals">` + number + `</version>`
	case installed && len(words) == 4: // "kernel-default 4.12.14-150.66.1 is installed"
		return check, words[0], evr("equals", words[1])
	case installed:
		i := strings.LastIndexByte(what[:strings.LastIndexByte(what, '-')], '-')
		return check, what[:i], evr("less than", what[i+1:])
	case strings.HasSuffix(comment, " is not affected"):
		return check, words[0], `<version operation="equals">0</version>`
	case strings.HasSuffix(comment, " was already fixed"):
		return check, words[0], evr("greater than", "3.10.2-160000.3.1")
	case strings.HasSuffix(comment, " is affected"):
		return check, words[0], evr("greater than", "0-0") + `<arch operation="pattern match">(aarch64|x86_64)</arch>`
	case strings.HasPrefix(comment, "no "):
		return "none satisfy", words[1], evr("greater than or equal", last+"-0")
	}
	return check, words[0], `<signature_keyid operation="equals">b88b2fd43dbdc284</signature_keyid>`
}

// converted returns the records of a document by the CVE, the rejections, and the error that
// ended it.
func converted(t testing.TB, line string, doc []byte) (all map[string]advisory.Advisory, rejected []error, failed error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	all = make(map[string]advisory.Advisory)
	for r, err := range records([]document{{"document", line}}, []string{path}) {
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
			all[advisory.CVEIn(a.ID)] = a
		}
	}
	return all, rejected, failed
}

// TestDocuments converts every document of the test data. Four definitions of SUSE Linux
// Enterprise Desktop 10 are about thin clients, so their records have no entries.
func TestDocuments(t *testing.T) {
	for _, tt := range []struct {
		name              string
		doc               []byte
		records, rejected int
		why, failed       string
	}{
		{"SUSE Linux Enterprise Desktop 10", read(t, "claircore-suse.linux.enterprise.desktop.10.xml.gz"), 1873, 0, "", ""},
		{"an excerpt without states", read(t, "vunnel", "suse_truncated.xml"), 0, 4, "is missing", ""},
		{"the excerpt, completed", truncated(t), 4, 0, "", ""},
		{"written by hand", completed(t, []byte(samples)), 9, 0, "", ""},
		{"Oracle", foreign(t, "oracle-oval", "claircore-com.oracle.elsa-2018.xml.gz"), 0, 0, "", `is not an ID of "oval:org.opensuse.security:tst"`},
		{"Red Hat", foreign(t, "redhat-oval", "claircore-rhel-8-rpm-unpatched.xml"), 0, 0, "", `is not an ID of "oval:org.opensuse.security:tst"`},
		{"CVRF", []byte("<cvrfdoc/>"), 0, 0, "", `in place of "oval_definitions"`},
	} {
		all, rejected, failed := converted(t, "SUSE-SLE-15", tt.doc)
		if len(all) != tt.records || len(rejected) != tt.rejected || (failed == nil) != (tt.failed == "") || failed != nil && !strings.Contains(failed.Error(), tt.failed) {
			t.Errorf("%s: %d records, %d rejected: %v; %v", tt.name, len(all), len(rejected), rejected, failed)
		}
		for _, err := range rejected {
			if !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%s: %v", tt.name, err)
			}
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

// samples has definitions as SUSE publishes them, shortened.
const samples = `<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"><definitions>
<definition id="oval:org.opensuse.security:def:20102322" version="1" class="vulnerability"><metadata><title>CVE-2010-2322</title><advisory><issued date="2021-08-10"/><updated date="2021-08-10"/><severity>Low</severity></advisory></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:1" comment="openSUSE Leap 15.2 is installed"/>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:2" comment="fastjar-0.98-lp152.4.3.1 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:3" comment="fastjar is signed with openSUSE key"/></criteria></criteria></definition>
<definition id="oval:org.opensuse.security:def:20011267" version="1" class="vulnerability"><metadata><title>CVE-2001-1267</title><advisory><severity>Moderate</severity></advisory></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:4" comment="openSUSE Tumbleweed is installed"/>
<criteria operator="OR"><criterion test_ref="oval:org.opensuse.security:tst:5" comment="tar-1.34-2.2 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:6" comment="tar-backup-scripts-1.34-2.2 is installed"/></criteria></criteria></definition>
<definition id="oval:org.opensuse.security:def:201825020" version="1" class="vulnerability"><metadata><title>CVE-2018-25020</title><advisory><severity>Important</severity></advisory></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:7" comment="SUSE Linux Enterprise Server for SAP Applications 15 is installed"/>
<criteria operator="OR"><criteria operator="OR"><criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:8" comment="kernel-default 4.12.14-150.66.1 is installed"/>
<criterion test_ref="oval:org.opensuse.security:tst:9" comment="no kernel-livepatch-4_12_14-150_66-default is greater or equal than 14-2.2"/></criteria></criteria>
<criterion test_ref="oval:org.opensuse.security:tst:10" comment="kernel-default-4.12.14-150.35.1 is installed"/></criteria></criteria></definition>
<definition id="oval:org.opensuse.security:def:19990512" version="1" class="vulnerability"><metadata><title>CVE-1999-0512</title><advisory><severity>Moderate</severity></advisory></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:11" comment="openSUSE Leap 16.0 is installed"/>
<criteria operator="OR"><criterion test_ref="oval:org.opensuse.security:tst:12" comment="postfix was already fixed"/></criteria></criteria></definition>
<definition id="oval:org.opensuse.security:def:20220330" version="1" class="vulnerability"><metadata><title>CVE-2022-0330</title><advisory><severity>Important</severity></advisory></metadata>
<criteria operator="OR"><criteria operator="AND"><criteria operator="OR"><criterion test_ref="oval:org.opensuse.security:tst:13" comment="SUSE Enterprise Storage 7.1 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:14" comment="SUSE Linux Enterprise Module for Legacy 15 SP3 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:15" comment="SUSE Linux Enterprise Server 15 SP3 is installed"/></criteria>
<criterion test_ref="oval:org.opensuse.security:tst:16" comment="reiserfs-kmp-default-5.3.18-150300.59.49.1 is installed"/></criteria>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:17" comment="SUSE Manager Server 4.2 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:18" comment="kernel-default-5.3.18-150300.59.49.1 is installed"/></criteria></criteria></definition>
<definition id="oval:org.opensuse.security:def:20231" version="1" class="vulnerability"><metadata><title>CVE-2023-0001</title><advisory><severity>Critical</severity></advisory></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:19" comment="SUSE Linux Enterprise Micro 5.3 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:20" comment="openssl is affected"/></criteria></definition>
<definition id="oval:org.opensuse.security:def:20232" version="1" class="vulnerability"><metadata><title>CVE-2023-0002</title></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:21" comment="SUSE Linux Micro 6.0 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:22" comment="openssl-3-3.1.4-9.1 is installed"/></criteria></definition>
<definition id="oval:org.opensuse.security:def:20233" version="1" class="vulnerability"><metadata><title>CVE-2023-0003</title></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:23" comment="SUSE Linux Enterprise Server 16.0 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:24" comment="libopenssl3-3.5.0-160000.3.1 is installed"/></criteria></definition>
<definition id="oval:org.opensuse.security:def:20234" version="1" class="vulnerability"><metadata><title>CVE-2023-0004</title></metadata>
<criteria operator="AND"><criterion test_ref="oval:org.opensuse.security:tst:25" comment="SUSE Linux Enterprise Server 15 SP5 is installed"/><criterion test_ref="oval:org.opensuse.security:tst:26" comment="libxml2-2-2.10.3-150500.5.14.1 is installed"/></criteria></definition>
</definitions></oval_definitions>`

// An image has one package.
type image struct {
	id, release           string
	name, version         string
	source, sourceVersion string
	arch                  string
}

// evaluate returns the CVEs of the package by records, with the severity and the fix of the
// first.
func evaluate(t *testing.T, p image, records ...advisory.Advisory) string {
	t.Helper()
	if p.arch == "" {
		p.arch = "x86_64"
	}
	inv := inventory.Inventory{
		System: inventory.System{ID: p.id, VersionID: p.release},
		Packages: []inventory.Package{{
			Type: "rpm", Name: p.name, Version: p.version, Source: p.source, SourceVersion: p.sourceVersion, Arch: p.arch, Vendor: "SUSE LLC <https://www.suse.com/>",
		}},
	}
	// Any other record makes the release one that is evaluated.
	r, _ := distro.Of(inv)
	other := advisory.Advisory{ID: "SUSE-SU-2000:1-1", Source: "osv", Affected: []advisory.Affected{{
		Package: advisory.Package{Ecosystem: distro.MainEcosystem(r.Ecosystems), Name: "x"}, Versions: []string{"1"},
	}}}
	res, err := match.Inventory(inv, index.NewMemory(append(records, other), nil), nil, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
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
	return strings.TrimSpace(strings.Join(found, " ") + " " + string(res.Findings[0].Severity) + " " + res.Findings[0].Fixed)
}

// TestWorkedByHand: what a reader of the publisher's definitions finds for a package.
func TestWorkedByHand(t *testing.T) {
	all, _, err := converted(t, "SUSE-SLE-15", truncated(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range [][]byte{completed(t, []byte(samples)), read(t, "claircore-suse.linux.enterprise.desktop.10.xml.gz")} {
		more, _, err := converted(t, "SUSE-SLE-15", doc)
		if err != nil {
			t.Fatal(err)
		}
		for cve, a := range more {
			if all[cve].ID == "" {
				all[cve] = a
			}
		}
	}
	sles := func(release, name, version string) image {
		return image{id: "sles", release: release, name: name, version: version}
	}
	for _, tt := range []struct {
		cve  string
		p    image
		want string
	}{
		{"CVE-2010-1323", sles("15", "krb5-client", "1.15.2-4.24"), "CVE-2010-1323 medium 0:1.15.2-4.25"},
		{"CVE-2010-1323", sles("15", "krb5-client", "1.15.2-4.25"), ""},
		{"CVE-2010-1323", sles("15", "krb5-server", "1.15.2-4.24"), "CVE-2010-1323 medium 0:1.15.2-4.25"}, // of a module
		{"CVE-2010-1323", sles("15.1", "krb5-client", "1.15.2-4.24"), ""},                                 // another service pack
		{"CVE-2010-1323", sles("15", "krb5-doc", "1.15.2-4.24"), ""},                                      // not named
		// Long-term support, with which the server is evaluated too.
		{"CVE-2021-29154", sles("15", "kernel-default", "4.12.14-150.69.1"), "CVE-2021-29154 high 0:4.12.14-150.72.1"},
		{"CVE-2021-29154", sles("15", "kernel-default", "4.12.14-150.72.1"), ""},
		{"CVE-2021-29154", sles("15.1", "kernel-default", "4.12.14-197.86.1"), "CVE-2021-29154 high 0:4.12.14-197.89.2"},
		{"CVE-2021-29154", sles("15.1", "kernel-default", "4.12.14-197.89.2"), ""},
		// A product that images are not evaluated with.
		{"CVE-2021-29154", sles("15.2", "kernel-default-extra", "5.3.18-24.52.1"), ""},
		// The publisher says that the packages are not affected.
		{"CVE-1999-0524", sles("15", "kernel-default", "4.12.14-23.1"), ""},
		{"CVE-2026-34073", sles("15", "python3-cryptography", "2.1.4-4.3.1"), ""},
		{"CVE-2010-2322", image{id: "opensuse-leap", release: "15.2", name: "fastjar", version: "0.98-lp152.3.1"}, "CVE-2010-2322 low 0:0.98-lp152.4.3.1"},
		{"CVE-2010-2322", image{id: "opensuse-leap", release: "15.2", name: "fastjar", version: "0.98-lp152.4.3.1"}, ""},
		{"CVE-2010-2322", image{id: "opensuse-leap", release: "15.3", name: "fastjar", version: "0.98-lp152.3.1"}, ""},
		{"CVE-2001-1267", image{id: "opensuse-tumbleweed", release: "20220412", name: "tar-backup-scripts", version: "1.34-1.1"}, "CVE-2001-1267 medium 0:1.34-2.2"},
		{"CVE-2001-1267", image{id: "opensuse-tumbleweed", release: "20220412", name: "tar", version: "1.34-5.1"}, ""},
		// A kernel that only a live patch of the running system fixes.
		{"CVE-2018-25020", image{id: "sles_sap", release: "15", name: "kernel-default", version: "4.12.14-150.66.1"}, "CVE-2018-25020 high"},
		{"CVE-2018-25020", image{id: "sles_sap", release: "15", name: "kernel-default", version: "4.12.14-150.69.1"}, ""},
		{"CVE-2018-25020", image{id: "sles_sap", release: "15", name: "kernel-default", version: "4.12.14-150.32.1"}, "CVE-2018-25020 high 0:4.12.14-150.35.1"},
		{"CVE-2018-25020", sles("15", "kernel-default", "4.12.14-150.66.1"), ""}, // without SAP
		// The definition says nothing about older versions.
		{"CVE-1999-0512", image{id: "opensuse-leap", release: "16.0", name: "postfix", version: "3.9.0-1.1"}, ""},
		{"CVE-2022-0330", sles("15.3", "reiserfs-kmp-default", "5.3.18-59.37.2"), "CVE-2022-0330 high 0:5.3.18-150300.59.49.1"},
		{"CVE-2022-0330", sles("15.3", "kernel-default", "5.3.18-59.37.2"), ""}, // of SUSE Manager
		// No fix.
		{"CVE-2023-0001", image{id: "sle-micro", release: "5.3", name: "openssl", version: "1.1.1l-150400.7.7.1"}, "CVE-2023-0001 critical"},
		{"CVE-2023-0001", image{id: "sle-micro", release: "5.3", name: "openssl", version: "1.1.1l-150400.7.7.1", arch: "s390x"}, ""},
		{"CVE-2023-0001", image{id: "sle-micro", release: "5.4", name: "openssl", version: "1.1.1l-150400.7.7.1"}, ""},
		{"CVE-2023-0002", image{id: "sl-micro", release: "6.0", name: "openssl-3", version: "3.1.4-8.1"}, "CVE-2023-0002 unrated 0:3.1.4-9.1"},
		{"CVE-2023-0003", sles("16.0", "libopenssl3", "3.5.0-160000.2.2"), "CVE-2023-0003 unrated 0:3.5.0-160000.3.1"},
		// A genuine definition of a whole document.
		{"CVE-2002-2443", image{id: "sled", release: "10", name: "krb5-client", version: "1.4.3-19.49.49.1"}, "CVE-2002-2443 unrated 0:1.4.3-19.49.53.1"},
		{"CVE-2002-2443", image{id: "sled", release: "10", name: "krb5-client", version: "1.4.3-19.49.53.1"}, ""},
		{"CVE-2013-4083", image{id: "sled", release: "10", name: "wireshark", version: "1.6.15-0.5.5"}, "CVE-2013-4083 unrated 0:1.6.16-0.5.5"},
	} {
		a, ok := all[tt.cve]
		if !ok {
			t.Fatalf("%s is missing", tt.cve)
		}
		if got := evaluate(t, tt.p, a); got != tt.want {
			t.Errorf("%s, %+v: %q, want %q", tt.cve, tt.p, got, tt.want)
		}
	}
}

// TestProducts: the tests of products with which images are evaluated must say what their
// names say. Other products are never installed.
func TestProducts(t *testing.T) {
	equals := func(v string) oval.State {
		return oval.State{Version: oval.Comparison{Operation: "equals", Value: v}}
	}
	for _, tt := range []struct {
		name, pkg string
		state     oval.State
		want      string // the release, "never", or the beginning of an error
	}{
		{"SUSE Linux Enterprise Server 15 SP1", "sles-release", equals("15.1"), "SUSE:Linux Enterprise Server 15 SP1"},
		{"SUSE Linux Enterprise Server 15 SP1-BCL", "sles-release", equals("15.1"), "SUSE:Linux Enterprise Server 15 SP1"},
		{"SUSE Linux Enterprise Server 15 SP1-LTSS", "sles-ltss-release", equals("15.1"), "SUSE:Linux Enterprise Server 15 SP1-LTSS"},
		{"SUSE Linux Enterprise Server 16.0", "SLES-release", equals("16.0"), "SUSE:Linux Enterprise Server 16.0"},
		{"SUSE Linux Enterprise Module for Python 3 15 SP6", "sle-module-python3-release", equals("15.6"), "SUSE:Linux Enterprise Module for Python 3 15 SP6"},
		{"SUSE Linux Enterprise Software Development Kit 12 SP5", "sle-sdk-release", equals("12.5"), "SUSE:Linux Enterprise Software Development Kit 12 SP5"},
		{"openSUSE Leap 16.0", "Leap-release", equals("16.0"), "openSUSE:Leap 16.0"},
		{"SUSE Linux Micro 6.1", "SL-Micro-release", equals("6.1"), "SUSE:Linux Micro 6.1"},
		{"sled10-sp2-tc", "sletc-release", equals("10"), "never"},
		{"HPE Helion OpenStack 8", "hpe-helion-openstack-release", equals("8"), "never"},
		{"SUSE Linux Enterprise High Performance Computing 15 SP1-ESPOS", "sle_hpc-espos-release", equals("15.1"), "never"},
		{"SUSE Linux Enterprise Server LTSS Extended Security 12 SP5", "SLES-LTSS-Extended-Security-release", equals("12.5"), "never"},
		{"SUSE Linux Enterprise Module for Basesystem 15 SP2", "sle-module-basesystem-release", equals("15.3"), "the test of the product"},
		{"SUSE Linux Enterprise Server 15 SP1", "sles-release", oval.State{}, "the test of the product"},
		{"SUSE Linux Enterprise Server 11 SP4", "sles-release", oval.State{EVR: oval.Comparison{Operation: "greater than or equal", Value: "0:11.4-0"}}, "the test of the product"},
	} {
		f, err := product(tt.name, oval.Test{Kind: "rpminfo", Check: "at least one", Name: tt.pkg, State: tt.state})
		got := f.Release
		switch {
		case err != nil:
			got = err.Error()
		case f.Never:
			got = "never"
		}
		if !strings.HasPrefix(got, tt.want) || err == nil && got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.name, tt.pkg, got, tt.want)
		}
	}
}

// TestOwnNames: SUSE's definitions name binary packages, and OSV's records of SUSE their
// source packages. Each is compared with the version of what it names.
func TestOwnNames(t *testing.T) {
	all, _, err := converted(t, "SUSE-SLE-15", completed(t, []byte(samples)))
	if err != nil {
		t.Fatal(err)
	}
	own := all["CVE-2023-0004"] // libxml2-2 before 2.10.3-150500.5.14.1
	copied := func(name, fixed string) advisory.Advisory {
		return advisory.Advisory{
			ID: "SUSE-SU-2024:1-1", Source: "osv", Upstream: []string{"CVE-2023-0004"},
			Affected: []advisory.Affected{{
				Package: advisory.Package{Ecosystem: "SUSE:Linux Enterprise Server 15 SP5", Name: name},
				Ranges:  []advisory.Range{{Type: advisory.Ecosystem, Events: []advisory.Event{{Introduced: "0"}, {Fixed: fixed}}}},
			}},
		}
	}
	library := image{id: "sles", release: "15.5", name: "libxml2-2", version: "2.10.3-150500.5.11.1", source: "libxml2", sourceVersion: "2.10.3-150500.5.11.1"}
	for _, tt := range []struct {
		name    string
		p       image
		records []advisory.Advisory
		want    string
	}{
		{"both", library, []advisory.Advisory{own, copied("libxml2", "2.10.3-150500.5.14.1")}, "CVE-2023-0004 unrated 0:2.10.3-150500.5.14.1"},
		{"the copy alone", library, []advisory.Advisory{copied("libxml2", "2.10.3-150500.5.14.1")}, "CVE-2023-0004 unrated 2.10.3-150500.5.14.1"},
		{"the own entry decides", library, []advisory.Advisory{own, copied("libxml2", "9")}, "CVE-2023-0004 unrated 0:2.10.3-150500.5.14.1"},
		{"and if it is fixed", image{id: "sles", release: "15.5", name: "libxml2-2", version: "2.10.3-150500.5.14.1", source: "libxml2", sourceVersion: "2.10.3-150500.5.14.1"},
			[]advisory.Advisory{own, copied("libxml2", "9")}, ""},
		// The name of a binary package is that of another source package.
		{"a copy about another source", library, []advisory.Advisory{copied("libxml2-2", "9")}, ""},
		{"an own entry about another package", image{id: "sles", release: "15.5", name: "libxml2-tools", version: "1-1", source: "libxml2-2", sourceVersion: "1-1"},
			[]advisory.Advisory{own}, ""},
		// A package with another version than its source.
		{"the version of the source", image{id: "sles", release: "15.5", name: "libxml2-2", version: "9-1", source: "libxml2", sourceVersion: "2.9-1"},
			[]advisory.Advisory{copied("libxml2", "2.10-1")}, "CVE-2023-0004 unrated 2.10-1"},
		{"the version of the package", image{id: "sles", release: "15.5", name: "libxml2-2", version: "9-1", source: "libxml2", sourceVersion: "2.9-1"},
			[]advisory.Advisory{own}, ""},
	} {
		if got := evaluate(t, tt.p, tt.records...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestGrype: what Grype's provider concludes from the same excerpt, for each service pack.
// It merges products under the version of their release packages, and writes packages that
// are not affected as fixed in version 0.
func TestGrype(t *testing.T) {
	all, _, err := converted(t, "SUSE-SLE-15", truncated(t))
	if err != nil {
		t.Fatal(err)
	}
	for file, ecosystems := range map[string][]string{
		"sles:15/cve-2010-1323.json":    {"SUSE:Linux Enterprise Server 15"},
		"sles:15/cve-2021-29154.json":   {"SUSE:Linux Enterprise Server 15-LTSS"},
		"sles:15.1/cve-2021-29154.json": {"SUSE:Linux Enterprise Server 15 SP1", "SUSE:Linux Enterprise Server 15 SP1-LTSS"},
		"sles:15/cve-2026-34073.json":   {"SUSE:Linux Enterprise Server 15"},
	} {
		var snapshot struct {
			Item struct {
				Vulnerability struct {
					Name    string
					FixedIn []struct{ Name, Version string }
				}
			}
		}
		if err := json.Unmarshal(read(t, "vunnel", "snapshots", filepath.FromSlash(file)), &snapshot); err != nil {
			t.Fatal(err)
		}
		v := snapshot.Item.Vulnerability
		var want, got []string
		for _, f := range v.FixedIn {
			want = append(want, f.Name+" "+f.Version)
		}
		for _, af := range all[v.Name].Affected {
			if !slices.Contains(ecosystems, af.Package.Ecosystem) {
				continue
			}
			fixed := "0"
			if af.Status != advisory.StatusNotAffected {
				fixed = af.Ranges[0].Events[1].Fixed
			}
			got = append(got, af.Package.Name+" "+fixed)
		}
		slices.Sort(want)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

const listing = `<html><head><title>Index of /pub/projects/security/oval/</title></head><body><pre><a href="../">../</a>
<a href="LICENSE">LICENSE</a> 10-Aug-2021 15:13 226
<a href="opensuse.leap.15.2-affected.xml">opensuse.leap.15.2-affected.xml</a> 23-May-2022 04:33 19M
<a href="opensuse.leap.15.2-patch.xml">opensuse.leap.15.2-patch.xml</a>
<a href="opensuse.leap.15.2.xml">opensuse.leap.15.2.xml</a>
<a href="opensuse.leap.15.2.xml.gz">opensuse.leap.15.2.xml.gz</a>
<a href="opensuse.leap.micro.5.2.xml.gz">opensuse.leap.micro.5.2.xml.gz</a>
<a href="opensuse.tumbleweed.xml">opensuse.tumbleweed.xml</a>
<a href="opensuse.tumbleweed.xml.gz">opensuse.tumbleweed.xml.gz</a>
<a href="org.opensuse.CVE-2008-5679.xml.gz">org.opensuse.CVE-2008-5679.xml.gz</a>
<a href="suse.linux.enterprise.15-affected.xml">suse.linux.enterprise.15-affected.xml</a>
<a href="suse.linux.enterprise.15-affected.xml.bz2">suse.linux.enterprise.15-affected.xml.bz2</a>
<a href="suse.linux.enterprise.15-affected.xml.gz">suse.linux.enterprise.15-affected.xml.gz</a>
<a href="suse.linux.enterprise.15-sp4-affected.xml.gz">suse.linux.enterprise.15-sp4-affected.xml.gz</a>
<a href="suse.linux.enterprise.15.xml.gz">suse.linux.enterprise.15.xml.gz</a>
<a href="suse.linux.enterprise.16.0-affected.xml.gz">suse.linux.enterprise.16.0-affected.xml.gz</a>
<a href="suse.linux.enterprise.micro.5-affected.xml.bz2">suse.linux.enterprise.micro.5-affected.xml.bz2</a>
<a href="suse.linux.enterprise.micro.5.0-affected.xml.gz">suse.linux.enterprise.micro.5.0-affected.xml.gz</a>
<a href="suse.linux.enterprise.server.15-affected.xml.gz">suse.linux.enterprise.server.15-affected.xml.gz</a>
<a href="suse.linux.micro.6.0-affected.xml.gz">suse.linux.micro.6.0-affected.xml.gz</a>
<a href="suse.manager.4.0-affected.xml.gz">suse.manager.4.0-affected.xml.gz</a>
</pre></body></html>`

func TestList(t *testing.T) {
	all, err := documents(listing)
	if err != nil {
		t.Fatal(err)
	}
	want := []document{
		{"suse.linux.enterprise.15-affected.xml.gz", "SUSE-SLE-15"},
		{"suse.linux.enterprise.16.0-affected.xml.gz", "SUSE-SLE-16.0"},
		{"suse.linux.enterprise.micro.5-affected.xml.bz2", "SUSE-SLEM-5"},
		{"suse.linux.micro.6.0-affected.xml.gz", "SUSE-SLM-6.0"},
		{"opensuse.leap.15.2-affected.xml", "openSUSE-LEAP-15.2"},
		{"opensuse.tumbleweed.xml.gz", "openSUSE-TUMBLEWEED"},
	}
	if !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	for _, page := range []string{"", "<html></html>", `{"files":[]}`} {
		if _, err := documents(page); err == nil {
			t.Errorf("%.40q: no error", page)
		}
	}
}

// TestLookedUp: images are evaluated with the products that are converted.
func TestLookedUp(t *testing.T) {
	for _, s := range []inventory.System{
		{ID: "sles", VersionID: "12.5"}, {ID: "sles", VersionID: "15"}, {ID: "sles", VersionID: "15.7"}, {ID: "sles", VersionID: "16.0"}, {ID: "sles_sap", VersionID: "15.4"},
		{ID: "sled", VersionID: "15.4"}, {ID: "sle-micro", VersionID: "5.5"}, {ID: "sl-micro", VersionID: "6.1"}, {ID: "opensuse-leap", VersionID: "15.6"},
		{ID: "opensuse-leap", VersionID: "16.0"}, {ID: "opensuse-tumbleweed", VersionID: "20261101"},
	} {
		r, reason := distro.Of(inventory.Inventory{System: s})
		if reason != "" || r.Publisher != Name || !r.OwnNames {
			t.Fatal(s.ID, reason)
		}
		for _, e := range r.Ecosystems {
			if !lookedUp.MatchString(e.Name) {
				t.Errorf("%q is not converted", e.Name)
			}
		}
	}
}

func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestUpdate(t *testing.T) {
	const sle, leap = "suse.linux.enterprise.15-affected.xml.gz", "opensuse.leap.15.2.xml.gz"
	page := []byte(`<html><a href="` + sle + `">x</a><a href="` + leap + `">x</a></html>`)
	s := feedtest.New(t, Source(), map[string][]byte{"": page, sle: packed(t, truncated(t)), leap: packed(t, completed(t, []byte(samples)))})
	o, err := s.Update(t)
	if err != nil || o.Added != 13 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want 13 records", o, err)
	}
	if all := s.Advisories(t); all["SUSE-SLE-15-CVE-2010-1323"].ID == "" || all["openSUSE-LEAP-15.2-CVE-2010-2322"].ID == "" {
		t.Error("the IDs do not name the product lines")
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() > len(page) {
		t.Errorf("again: %+v, %v", o, err)
	}
	s.Broken(t, sle, map[string][]byte{
		"entity":      packed(t, []byte(`<!DOCTYPE d [<!ENTITY e "x">]><oval_definitions/>`)),
		"not packed":  []byte("<oval_definitions/>"),
		"of Oracle":   packed(t, bytes.ReplaceAll(truncated(t), []byte("org.opensuse.security"), []byte("com.oracle.elsa"))),
		"no packages": packed(t, []byte("<oval_definitions><definitions/></oval_definitions>")),
	})
	s.Put("", []byte(strings.Replace(listing, "</html>", "", 1)))
	if _, err := s.Update(t); err == nil {
		t.Error("an incomplete list: no error")
	}
}

// TestFolder: a copy in a folder has the list in a file.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for name, b := range map[string][]byte{
		"index.html":                       []byte(`<html><a href="opensuse.tumbleweed-affected.xml">x</a></html>`),
		"opensuse.tumbleweed-affected.xml": completed(t, []byte(samples)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := feed.Open(dir, feed.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	all, err := list(t.Context(), m)
	if err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}
