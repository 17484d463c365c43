package ubuntu

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/check/testkit/xztest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"assay/service/match"
	"assay/service/version"
)

// pack returns a tar archive in the format xz.
func pack(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(files[name])), Mode: 0o644})
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return xztest.Pack(buf.Bytes(), 8)
}

// samples are the archives with the genuine documents in the test data: eight OSV records of
// CVEs, one of a notice, which is not read, and two VEX documents.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string]map[string][]byte{osvFile: {}, vexFile: {}}
	walk(t, func(name string, b []byte) {
		switch {
		case strings.HasPrefix(name, "osv/"):
			files[osvFile][name] = b
		case strings.HasPrefix(name, "osv-esm-cases/"):
			files[osvFile]["osv/"+strings.TrimPrefix(name, "osv-esm-cases/")] = b
		case strings.HasPrefix(name, "vex/"):
			files[vexFile][name] = b
		}
	})
	if len(files[osvFile]) != 9 || len(files[vexFile]) != 2 {
		t.Fatalf("%d OSV records, %d VEX documents", len(files[osvFile]), len(files[vexFile]))
	}
	return map[string][]byte{osvFile: pack(t, files[osvFile]), vexFile: pack(t, files[vexFile])}
}

// walk calls f with the genuine documents.
func walk(t testing.TB, f func(name string, b []byte)) {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "ubuntu", "vunnel.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	err = fs.WalkDir(z, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(z, path)
		f(path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// advisories converts archives.
func advisories(t testing.TB, files map[string][]byte) []advisory.Advisory {
	t.Helper()
	dir := t.TempDir()
	paths := make(map[string]string)
	for name, b := range files {
		paths[name] = filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(paths[name], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all []advisory.Advisory
	for r, err := range records(paths[vexFile], paths[osvFile]) {
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = Name
		all = append(all, a)
	}
	return all
}

// events returns the events of an entry as text.
func events(af advisory.Affected) string {
	var all []advisory.Event
	for _, r := range af.Ranges {
		all = append(all, r.Events...)
	}
	return fmt.Sprint(all)
}

func TestUpdate(t *testing.T) {
	s := feedtest.New(t, Source(), samples(t))
	o, err := s.Update(t)
	if err != nil || o.Added != 8 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
}

const (
	someVEX = `{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-2024-0001"},"status":"affected","action_statement":"` + ignored + `. CVE Notes / justification: too\n intrusive","products":[{"@id":"pkg:deb/ubuntu/a@1?arch=source&distro=jammy"},{"@id":"pkg:deb/ubuntu/a-bin@1?arch=amd64&distro=jammy"}]}]}`
	someOSV = `{"id":"UBUNTU-CVE-2024-0001","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2024-0001"],"severity":[{"type":"Ubuntu","score":"low"}],"affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"a","purl":"pkg:deb/ubuntu/a@1?arch=source&distro=jammy"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`
)

// some returns archives with one document each, and with more.
func some(t testing.TB, more map[string]string) map[string][]byte {
	t.Helper()
	osv := map[string][]byte{"osv/cve/2024/UBUNTU-CVE-2024-0001.json": []byte(someOSV)}
	vex := map[string][]byte{"vex/cve/2024/CVE-2024-0001.json": []byte(someVEX)}
	for name, text := range more {
		if strings.HasPrefix(name, "osv/") {
			osv[name] = []byte(text)
		} else {
			vex[name] = []byte(text)
		}
	}
	return map[string][]byte{osvFile: pack(t, osv), vexFile: pack(t, vex)}
}

func TestBroken(t *testing.T) {
	files := some(t, nil)
	s := feedtest.New(t, Source(), files)
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{osvFile, vexFile} {
		s.Broken(t, name, map[string][]byte{
			"the other archive":        some(t, nil)[map[string]string{osvFile: vexFile, vexFile: osvFile}[name]],
			"an archive of other data": pack(t, map[string][]byte{"osv/usn/USN-1-1.json": []byte(`{}`), "README.md": nil}),
			"a large document":         pack(t, map[string][]byte{"osv/cve/a.json": make([]byte, 33<<20), "vex/cve/a.json": make([]byte, 33<<20)}),
			"invalid documents":        pack(t, map[string][]byte{"osv/cve/a.json": []byte(`{`), "vex/cve/a.json": []byte(`{`)}),
			"a large dictionary":       xztest.Pack([]byte("x"), 40),
		})
	}
}

// TestRejected: a document that cannot be read is rejected and named. Without a VEX document
// a record has no statuses.
func TestRejected(t *testing.T) {
	good := strings.ReplaceAll(someOSV, "2024-0001", "2024-0002")
	vex := strings.ReplaceAll(someVEX, "2024-0001", "2024-0002")
	for name, tt := range map[string]struct {
		vex, osv string
		records  int
		named    string
	}{
		"no JSON":                {`{`, good, 2, `"CVE-2024-0002"`},
		"no statements":          {`{"statements":[]}`, good, 2, "the document has no statements"},
		"statements of no list":  {`{"statements":{}}`, good, 2, "not an array"},
		"products of no list":    {`{"statements":[{"vulnerability":{"name":"CVE-2024-0002"},"products":{}}]}`, good, 2, `"CVE-2024-0002"`},
		"another CVE":            {strings.Replace(vex, `[{"vuln`, `[{"vulnerability":{"name":"CVE-2024-0003"}},{"vuln`, 1), good, 2, `"CVE-2024-0002"`},
		"purls of another form":  {strings.ReplaceAll(vex, "arch=source&distro=jammy", "arch=src?distro=ubuntu/jammy"), good, 2, "no product is a source package"},
		"a second document":      {someVEX, good, 2, "a second document about CVE-2024-0001"},
		"a record of no CVE":     {vex, strings.ReplaceAll(good, "UBUNTU-CVE-2024-0002", "USN-1-1"), 1, `"USN-1-1" is not the ID`},
		"a range without a type": {vex, strings.Replace(good, `{"introduced":"0"}`, `{}`, 1), 1, "an event of package"},
		"another distribution":   {vex, strings.Replace(good, `"ecosystem":"Ubuntu`, `"ecosystem":"Debian`, 1), 1, "it has packages of \"Debian"},
		"specific of no object":  {vex, strings.Replace(good, `"ranges"`, `"ecosystem_specific":[],"ranges"`, 1), 1, "ecosystem_specific"},
	} {
		t.Run(name, func(t *testing.T) {
			s := feedtest.New(t, Source(), some(t, map[string]string{"vex/cve/2024/CVE-2024-0002.json": tt.vex, "osv/cve/2024/UBUNTU-CVE-2024-0002.json": tt.osv}))
			o, err := s.Update(t)
			if err != nil || o.Added != tt.records || o.Rejected != 1 || !strings.Contains(o.Rejections[0].Error(), tt.named) {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestStatuses: each answer of a VEX document, for a package that the OSV record lists without
// a fix.
func TestStatuses(t *testing.T) {
	statement := func(word, action, products string) string {
		field := "action_statement"
		if word != "affected" {
			field = "status_notes"
		}
		return `{"vulnerability":{"name":"CVE-2024-0001"},"status":"` + word + `","` + field + `":"` + action + `","products":[` + products + `]}`
	}
	const (
		a     = `{"@id":"pkg:deb/ubuntu/a@1?arch=source&distro=jammy"}`
		other = `{"@id":"pkg:deb/ubuntu/other@1?arch=source&distro=esm-infra/jammy"}`
	)
	for name, tt := range map[string]struct{ statements, status, note string }{
		"ignored":             {statement("affected", ignored+".", a), "will not fix", "ignored"},
		"ignored, why":        {statement("affected", ignored+". CVE Notes / justification: too  intrusive", a), "will not fix", "ignored: too intrusive"},
		"no longer supported": {statement("affected", unsupported+". Please upgrade your system.", a), "will not fix", "no longer supported"},
		"deferred":            {statement("under_investigation", "The vulnerability is known but remediation is deferred. CVE notes / justification: low impact", a), "fix deferred", "fix deferred: low impact"},
		"needs fixing":        {statement("affected", "This package (for the given release) is vulnerable to the CVE and needs fixing.", a), "affected", ""},
		"not known yet":       {statement("under_investigation", "The vulnerability of this package (for the given release) is not known and needs to be evaluated.", a), "under investigation", "not yet determined"},
		"two answers":         {statement("affected", ignored, a) + "," + statement("affected", "needs fixing", a), "affected", ""},
		"fixed":               {statement("fixed", "", a), "affected", ""},
		"a binary":            {statement("affected", ignored, `{"@id":"pkg:deb/ubuntu/a@1?arch=amd64&distro=jammy"},`+other), "affected", ""},
		"another pocket":      {statement("affected", ignored, `{"@id":"pkg:deb/ubuntu/a@1?arch=source&distro=esm-apps/jammy"}`), "affected", ""},
		"another package":     {statement("affected", unsupported, `{"@id":"pkg:deb/ubuntu/b@1?arch=source&distro=jammy"}`), "affected", ""},
		"no purl":             {statement("affected", ignored, `{"@id":"a"},{},`+other), "affected", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := some(t, map[string]string{"vex/cve/2024/CVE-2024-0001.json": `{"statements":[` + tt.statements + `]}`})
			all := advisories(t, files)
			if len(all) != 1 || len(all[0].Affected) != 1 {
				t.Fatalf("%+v", all)
			}
			af := all[0].Affected[0]
			entries := index.Entries(all[0], nil)
			if af.Status.String() != tt.status || len(entries) != 1 || entries[0].Affected.Note != tt.note {
				t.Errorf("%s, %s", af.Status, af.DatabaseSpecific)
			}
		})
	}
}

// image is an image of Ubuntu with one package, and with Ubuntu Pro if esm is set.
func image(release, source, installed string, esm bool) inventory.Inventory {
	inv := inventory.Inventory{
		System:   inventory.System{ID: "ubuntu", VersionID: release},
		Packages: []inventory.Package{{Type: "deb", Name: source + "-bin", Source: source, Version: installed, SourceVersion: installed, Arch: "amd64"}},
	}
	if esm {
		inv.Packages = append(inv.Packages, inventory.Package{Type: "deb", Name: "other", Version: "1+esm1", Arch: "amd64"})
	}
	return inv
}

// TestByHand holds findings against Canonical's own words. Each row was worked out by
// reading the documents. The OSV records are those that OSV has copied, so they say the
// same but for the status and its reason, which only the VEX documents have.
func TestByHand(t *testing.T) {
	all := advisories(t, samples(t))
	for _, tt := range []struct {
		image         inventory.Inventory
		id, fixed     string // empty: no finding, no fix
		status        advisory.Status
		severity, why string
	}{
		// CVE-2016-20013: Canonical will not fix the password hashes of glibc and others.
		{image("22.04", "glibc", "2.35-0ubuntu3.8", false), "CVE-2016-20013", "", advisory.StatusWontFix, "negligible", "is listed as affected (ignored: Actually addressing this"},
		{image("24.04", "sssd", "2.9.4-1.1ubuntu6", false), "CVE-2016-20013", "", advisory.StatusWontFix, "negligible", "ignored"},
		{image("24.04", "zabbix", "1:6.0.25+dfsg-1", false), "", "", 0, "", ""}, // does not exist in the archive
		// The VEX document only has the pocket esm-apps of 22.04.
		{image("22.04", "zabbix", "1:5.0.17+dfsg-1", false), "CVE-2016-20013", "", 0, "negligible", "Ubuntu:22.04:LTS zabbix"},
		// The OSV record lacks dietlibc of 14.04, which the VEX document says is vulnerable.
		{image("14.04", "dietlibc", "0.33~cvs20120325-4", false), "CVE-2016-20013", "", advisory.StatusWontFix, "negligible", "Ubuntu:14.04:LTS dietlibc"},
		// Of glibc in 16.04 the OSV record only has the pocket esm-infra.
		{image("16.04", "glibc", "2.23-0ubuntu11.3", false), "CVE-2016-20013", "", advisory.StatusWontFix, "negligible", "Ubuntu:Pro:16.04:LTS glibc"},
		// CVE-2021-3782: fixed by USN-5614-1, in 16.04 with Pro only.
		{image("20.04", "wayland", "1.18.0-1", false), "CVE-2021-3782", "1.18.0-1ubuntu0.1", 0, "medium", "< fixed"},
		{image("20.04", "wayland", "1.18.0-1ubuntu0.1", false), "", "", 0, "", ""},
		{image("18.04", "wayland", "1.16.0-1ubuntu1.1~18.04.3", false), "CVE-2021-3782", "1.16.0-1ubuntu1.1~18.04.4", 0, "medium", ""},
		{image("16.04", "wayland", "1.12.0-1~ubuntu16.04.3", false), "CVE-2021-3782", "", 0, "medium", "1.12.0-1~ubuntu16.04.3+esm1, which needs Ubuntu Pro"},
		{image("16.04", "wayland", "1.12.0-1~ubuntu16.04.3", true), "CVE-2021-3782", "1.12.0-1~ubuntu16.04.3+esm1", 0, "medium", ""},
		{image("16.04", "wayland", "1.12.0-1~ubuntu16.04.3+esm1", true), "", "", 0, "", ""},
		// CVE-2014-9913: the pocket of 14.04 is called trusty/esm.
		{image("14.04", "unzip", "6.0-9ubuntu1.5", true), "CVE-2014-9913", "6.0-9ubuntu1.6", 0, "negligible", ""},
		{image("14.04", "unzip", "6.0-9ubuntu1.6", true), "", "", 0, "", ""},
		{image("16.04", "unzip", "6.0-20ubuntu1", false), "CVE-2014-9913", "6.0-20ubuntu1.1", 0, "negligible", ""},
		// CVE-2022-24823: fixed in 16.04 with Pro, and not in 14.04.
		{image("16.04", "netty", "1:4.0.34-1ubuntu0.1~esm1", true), "CVE-2022-24823", "1:4.0.34-1ubuntu0.1~esm2", 0, "low", ""},
		{image("14.04", "netty", "1:3.2.6.Final-2", true), "CVE-2022-24823", "", 0, "low", ""},
		// CVE-2026-1403: unfixed in 16.04
		{image("16.04", "gitlab", "8.5.8+dfsg-5", false), "CVE-2026-1403", "", 0, "medium", "is listed as affected"},
		// CVE-2013-2208, CVE-2020-36325 and CVE-2014-2901 are withdrawn.
		{image("14.04", "tpp", "1.3.1-2", false), "", "", 0, "", ""},
		{image("14.04", "jansson", "2.5-2", true), "", "", 0, "", ""},
		{image("16.04", "wolfssl", "3.4.8+dfsg-1", true), "", "", 0, "", ""},
		// CVE-2023-38545: of curl in 16.04 the VEX document says only that the release is no
		// longer supported. In the pocket esm-infra of the same release it is not affected.
		{image("16.04", "curl", "7.47.0-1ubuntu2.19", false), "", "", 0, "", ""},
	} {
		p := tt.image.Packages[0]
		t.Run(fmt.Sprint(p.Source, " ", p.Version, " in ", tt.image.System.VersionID, " ", len(tt.image.Packages) > 1), func(t *testing.T) {
			res, err := match.Inventory(tt.image, index.NewMemory(all, nil), nil, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC))
			if err != nil || len(res.NotEvaluated) != 0 {
				t.Fatalf("not evaluated: %+v, %v", res.NotEvaluated, err)
			}
			if tt.id == "" {
				if len(res.Findings) != 0 {
					t.Errorf("finding: %s", res.Findings[0].Why)
				}
				return
			}
			if len(res.Findings) != 1 {
				t.Fatalf("%d findings, want %s", len(res.Findings), tt.id)
			}
			f := res.Findings[0]
			if f.ID != tt.id || f.Fixed != tt.fixed || f.Status != tt.status || string(f.Severity) != tt.severity || !strings.Contains(f.Why, tt.why) {
				t.Errorf("%s fixed %q, %s, %s: %s", f.ID, f.Fixed, f.Status, f.Severity, f.Why)
			}
		})
	}
}

// TestOSVCopies: the entries of the records that OSV has copied are the same. It lacks the
// three packages of CVE-2016-20013 that the VEX document adds, and of CVE-2020-36325, which is
// withdrawn, it has an earlier state.
func TestOSVCopies(t *testing.T) {
	records, equal := 0, 0
	for _, a := range advisories(t, samples(t)) {
		b, err := os.ReadFile(filepath.Join(testkit.Path(t, "osv-samples"), a.ID+".json"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		copied, err := advisory.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		records++
		for _, af := range a.Affected {
			i := slices.IndexFunc(copied.Affected, func(c advisory.Affected) bool {
				return c.Package.Ecosystem == af.Package.Ecosystem && c.Package.Name == af.Package.Name
			})
			switch {
			case i < 0:
				t.Logf("%s: OSV has no %s of %s", a.ID, af.Package.Name, af.Package.Ecosystem)
			case events(copied.Affected[i]) != events(af):
				t.Errorf("%s %s of %s: %s, OSV %s", a.ID, af.Package.Name, af.Package.Ecosystem, events(af), events(copied.Affected[i]))
			default:
				equal++
			}
		}
	}
	if records != 7 || equal != 46 {
		t.Errorf("%d records with %d equal entries", records, equal)
	}
}

// TestReleases: the ecosystems that the codenames stand for are those of the genuine records.
func TestReleases(t *testing.T) {
	releases := make(map[string]bool)
	for _, a := range advisories(t, samples(t)) {
		for _, af := range a.Affected {
			if _, release, ok := source(af.Package.PURL); ok && !strings.Contains(release, "/") {
				releases[release] = true
				if got := distro.UbuntuEcosystem(release); got != af.Package.Ecosystem {
					t.Errorf("%s is %s, the record has %s", release, got, af.Package.Ecosystem)
				}
			}
		}
	}
	if got := distro.UbuntuEcosystem("zany"); len(releases) != 7 || got != "Ubuntu:zany" {
		t.Errorf("%d releases, and %q of an unknown one", len(releases), got)
	}
}

// TestVunnel compares the entries with what Grype's vunnel concludes from the same archives.
// Grype infers an entry of the release, which will not be fixed, from one that only Ubuntu
// Pro has. assay looks such packages up in the ecosystem of Pro itself. Grype does not add the
// packages that only the VEX documents have.
func TestVunnel(t *testing.T) {
	type entry struct{ ecosystem, id, pkg string }
	own := make(map[entry]advisory.Affected)
	for _, a := range advisories(t, samples(t)) {
		for _, af := range a.Affected {
			own[entry{af.Package.Ecosystem, a.ID, af.Package.Name}] = af
		}
	}
	equal, inferred := 0, 0
	walk(t, func(name string, b []byte) {
		if !strings.HasPrefix(name, "snapshots/ubuntu-") {
			return // of other files
		}
		var s struct {
			Item advisory.Advisory `json:"item"`
		}
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		for _, af := range s.Item.Affected {
			var specific struct {
				Anchore struct {
					Status    string `json:"status"`
					Inference any    `json:"inference"`
				} `json:"anchore"`
			}
			if len(af.DatabaseSpecific) > 0 {
				if err := json.Unmarshal(af.DatabaseSpecific, &specific); err != nil {
					t.Fatal(err)
				}
			}
			key := entry{af.Package.Ecosystem, s.Item.ID, af.Package.Name}
			if specific.Anchore.Inference != nil {
				key.ecosystem = strings.Replace(key.ecosystem, "Ubuntu:", "Ubuntu:Pro:", 1)
				if _, ok := own[key]; !ok {
					t.Errorf("%s: no entry for %v", name, key)
				}
				inferred++
				continue
			}
			got, ok := own[key]
			wontFix := specific.Anchore.Status == "wont-fix"
			if !ok || (got.Status == advisory.StatusWontFix) != wontFix || events(got) != events(af) {
				t.Errorf("%s %v: %s %v, vunnel %q %v", name, key, got.Status, events(got), specific.Anchore.Status, events(af))
			}
			equal++
		}
	})
	if equal == 0 || inferred == 0 {
		t.Errorf("%d entries equal, %d inferred", equal, inferred)
	}
	t.Logf("%d entries equal, %d inferred by vunnel", equal, inferred)
}

func FuzzDocuments(f *testing.F) {
	f.Add([]byte(someVEX), []byte(someOSV))
	f.Fuzz(func(t *testing.T, vex, osv []byte) {
		s := newStatuses()
		if err := s.add(vex); err != nil {
			s = newStatuses()
		}
		r, err := s.record(osv)
		if err != nil {
			return
		}
		before, err := advisory.Parse(osv)
		if err != nil {
			t.Fatal(err)
		}
		after, err := advisory.Parse(r.Body)
		if err != nil || len(after.Affected) < len(before.Affected) {
			t.Fatalf("%v: %s", err, r.Body)
		}
		order, _ := version.For("Ubuntu")
		for i, af := range before.Affected {
			for _, r := range af.Ranges {
				was, _, err := advisory.InRange(order.Comparer(), "1", r.Events)
				is, _, err2 := advisory.InRange(order.Comparer(), "1", after.Affected[i].Ranges[0].Events)
				if len(af.Ranges) == 1 && (was != is || (err == nil) != (err2 == nil)) {
					t.Fatalf("affected %t becomes %t", was, is)
				}
			}
		}
	})
}

// BenchmarkStatuses reads VEX documents of the size of a kernel's: 300 source packages, each
// with 20 binaries. It reports the memory that a status needs.
func BenchmarkStatuses(b *testing.B) {
	var doc bytes.Buffer
	doc.WriteString(`{"statements":[{"vulnerability":{"name":"CVE-2024-NNNNN"},"status":"affected","action_statement":"` + ignored + `","products":[`)
	for i := range 300 {
		for j := range 21 {
			if i+j > 0 {
				doc.WriteByte(',')
			}
			arch := "amd64"
			if j == 0 {
				arch = "source"
			}
			fmt.Fprintf(&doc, `{"@id":"pkg:deb/ubuntu/linux-flavour-%d@5.15.0-1001.1?arch=%s&distro=jammy"}`, i, arch)
		}
	}
	doc.WriteString("]}]}")
	b.SetBytes(int64(doc.Len()))
	s := newStatuses()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if err := s.add(bytes.ReplaceAll(doc.Bytes(), []byte("NNNNN"), fmt.Append(nil, 10000+n))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.total)/float64(n), "statuses/op")
}
