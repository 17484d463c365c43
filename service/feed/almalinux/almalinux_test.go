package almalinux

import (
	"archive/zip"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/service/advisory"
)

// genuineFile is the file of the test data of vuln-list-update. It has the older form.
func genuineFile(t *testing.T) []byte {
	t.Helper()
	return feedtest.Read(t, "feeds", "alma-updateinfo", "vuln-list-update", "testdata", "errata.json")
}

// modern is an excerpt of errata.full.json, with packages of ALSA-2019:3708 and a package that
// is not of the module, which follows them. The last two errata are for release 9.
const modern = `{"schema_version":"1.0","data":[
{"id":"ALSA-2019:3708","issued_date":1572983623,"updated_date":1651142818,"severity":"Moderate","title":"Moderate: mariadb:10.3 security and bug fix update","description":"MariaDB","type":"security",
"packages":[
{"name":"Judy","epoch":"0","version":"1.0.5","release":"18.module_el8.5.0+2632+14ced695","arch":"x86_64","src":"Judy-1.0.5-18.module_el8.5.0+2632+14ced695.src.rpm","filename":"f","checksum":"d","checksum_type":"sha256","reboot_suggested":0,"module":"mariadb:10.3:8050020220427075058:c5368500:x86_64"},
{"name":"Judy","epoch":"0","version":"1.0.5","release":"18.module_el8.3.0+2028+5e3224e9","arch":"i686","src":"Judy-1.0.5-18.module_el8.3.0+2028+5e3224e9.src.rpm","module":"mariadb-devel:10.3:8030020210324132345:229f0a1c:x86_64"},
{"name":"Judy","epoch":"0","version":"1.0.5","release":"18.module_el8.6.0+2761+593e5e59","arch":"aarch64","src":"Judy-1.0.5-18.module_el8.6.0+2761+593e5e59.src.rpm","module":"mariadb:10.5:8060020220420124706:9edba152:aarch64"},
{"name":"galera","epoch":"1","version":"25.3","release":"1.el8","arch":"noarch","src":"galera-25.3-1.el8.src.rpm","module":"mariadb:10.3:8050020220427075058:c5368500:x86_64"}],
"modules":[{"name":"mariadb","arch":"x86_64","stream":"10.3","version":"8050020220427075058","context":"c5368500"}],
"references":[{"id":"CVE-2019-2510","type":"cve","href":"https://vulners.com/cve/CVE-2019-2510"},{"id":"ALSA-2019-3708","type":"self","href":"https://errata.almalinux.org/8/ALSA-2019-3708.html"}]}]}`

// of returns a file with one erratum.
func of(id, release string) []byte {
	return []byte(`{"schema_version":"1.0","data":[{"id":"` + id + `","issued_date":1700000000,"updated_date":1700000001,"severity":"Important","title":"Important: openssl security update","description":"d","type":"security",` +
		`"packages":[{"name":"openssl","epoch":"1","version":"3.5.1","release":"4.` + release + `","arch":"x86_64_v2","src":"openssl-3.5.1-4.` + release + `.src.rpm"},` +
		`{"name":"openssl","epoch":"1","version":"3.5.1","release":"4.` + release + `","arch":"aarch64","src":"openssl-3.5.1-4.` + release + `.src.rpm"}],` +
		`"modules":[],"references":[{"id":"CVE-2025-11187","type":"cve","href":""}]}]}`)
}

func files(release8 []byte) map[string][]byte {
	return map[string][]byte{
		"8/errata.full.json": release8, "9/errata.full.json": of("ALSA-2025:18824", "el9"), "10/errata.full.json": of("ALSA-2025:18824", "el10"),
	}
}

// genuine returns the records of the genuine file, and those of modern.
func genuine(t *testing.T) map[string]advisory.Advisory {
	t.Helper()
	s := feedtest.New(t, Source(), files(genuineFile(t)))
	if o, err := s.Update(t); err != nil || o.Added != 5 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	all := s.Advisories(t)
	s.Put("8/errata.full.json", []byte(modern))
	if o, err := s.Update(t); err != nil || o.Added != 1 || o.Rejected != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	maps.Copy(all, s.Advisories(t))
	return all
}

// inOSV returns records of OSV.
func inOSV(t *testing.T, ids ...string) map[string]advisory.Advisory {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "osv", "AlmaLinux", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string]advisory.Advisory{}
	for _, id := range ids {
		f, err := z.Open(id + ".json")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if all[id], err = advisory.Parse(b); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestGenuine converts the genuine file, and compares each erratum with what Trivy and OSV have
// of it.
func TestGenuine(t *testing.T) {
	all := genuine(t)
	for _, name := range []string{"2020/ALSA-2020:0279", "2021/ALSA-2021:3152", "2021/ALSA-2021:3253"} {
		var golden struct {
			List packageList `json:"pkglist"`
		}
		if err := json.Unmarshal(feedtest.Read(t, "feeds", "alma-updateinfo", "vuln-list-update", "testdata", "golden", name+".json"), &golden); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, p := range golden.List.Packages {
			want[p.Name+" "+p.Version+"-"+p.Release] = true
		}
		got := map[string]bool{}
		for f := range all[name[len("2020/"):]].Fixes() {
			_, version, epoch := strings.Cut(f.Version, ":")
			if !epoch {
				version = f.Version
			}
			got[f.Package+" "+version] = true
		}
		if len(want) == 0 || !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	copies := inOSV(t, "ALSA-2020:0279", "ALSA-2021:3152", "ALSA-2021:3253", "ALBA-2021:3240")
	for id, copied := range copies {
		own := all[id]
		if own.Summary != copied.Summary || !slices.Equal(own.Related, copied.Related) || !own.Published.Equal(copied.Published) {
			t.Errorf("%s: %q %q %v, in OSV %q %q %v", id, own.Summary, own.Related, own.Published, copied.Summary, copied.Related, copied.Published)
		}
	}
	fixes := func(a advisory.Advisory) string {
		var list []string
		for f := range a.Fixes() {
			list = append(list, f.Package+" "+f.Version)
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	for id, tt := range map[string]struct{ own, osv string }{
		// The same.
		"ALBA-2021:3240": {"dotnet-host-fxr-2.1 2.1.30-1.el8_4, dotnet-runtime-2.1 2.1.30-1.el8_4, dotnet-sdk-2.1 2.1.526-1.el8_4, dotnet-sdk-2.1.5xx 2.1.526-1.el8_4",
			"dotnet-host-fxr-2.1 2.1.30-1.el8_4, dotnet-runtime-2.1 2.1.30-1.el8_4, dotnet-sdk-2.1 2.1.526-1.el8_4, dotnet-sdk-2.1.5xx 2.1.526-1.el8_4"},
		// The genuine file is older than OSV's record: AlmaLinux added a package later.
		"ALSA-2021:3253": {"libsndfile 1.0.28-10.el8_4.1", "libsndfile 1.0.28-10.el8_4.1, libsndfile-devel 1.0.28-10.el8_4.1"},
		// OSV's record lacks packages that the publisher has.
		"ALSA-2021:3152": {"exiv2 0.27.3-3.el8_4, exiv2-devel 0.27.3-3.el8_4, exiv2-doc 0.27.3-3.el8_4, exiv2-libs 0.27.3-3.el8_4",
			"exiv2-devel 0.27.3-3.el8_4, exiv2-doc 0.27.3-3.el8_4"},
	} {
		if own, osv := fixes(all[id]), fixes(copies[id]); own != tt.own || osv != tt.osv {
			t.Errorf("%s: %s; in OSV %s", id, own, osv)
		}
	}
	// Module builds: those of 8.3 are in both, the older file has those of 8.4, and OSV those of
	// 8.5 and 8.6.
	for _, f := range slices.Collect(all["ALSA-2020:0279"].Fixes()) {
		known := slices.Contains(slices.Collect(copies["ALSA-2020:0279"].Fixes()), f)
		if strings.Contains(f.Version, ".module_el8.4.0+") == known && !strings.HasPrefix(f.Package, "sgabios") {
			t.Errorf("%+v: in OSV %v", f, known)
		}
	}
	for _, e := range all["ALSA-2020:0279"].Affected {
		if !strings.Contains(string(e.EcosystemSpecific), `"rpm_modularity":"virt:rhel"`) {
			t.Errorf("%s: %s", e.Package.Name, e.EcosystemSpecific)
		}
	}
	if a := all["ALSA-2025:18824"]; len(a.Affected) != 2 || a.Affected[0].Package.Ecosystem != "AlmaLinux:10" || a.Affected[1].Package.Ecosystem != "AlmaLinux:9" {
		t.Errorf("an erratum for two releases: %+v", a)
	}
	if a := all["ALSA-2019:3708"]; a.References[0].URL != "https://errata.almalinux.org/8/ALSA-2019-3708.html" || a.Modified.Unix() != 1651142818 {
		t.Errorf("%+v", a)
	}
}

// TestFindings has errata that were read by hand.
func TestFindings(t *testing.T) {
	all := genuine(t)
	const judy = "Judy 1.0.5-18.module_el8.3.0+2000+aaaaaaaa module=mariadb:10."
	for _, tt := range []struct{ why, version, rpm, want string }{
		{"ALSA-2021:3253: below", "8.4", "libsndfile 1.0.28-10.el8", "libsndfile CVE-2021-3246 high 1.0.28-10.el8_4.1"},
		{"ALSA-2021:3253: the fix", "8.4", "libsndfile 1.0.28-10.el8_4.1", ""},
		{"ALSA-2021:3253: a 32-bit package", "8.4", "libsndfile 1.0.28-10.el8 arch=i686", "libsndfile CVE-2021-3246 high 1.0.28-10.el8_4.1"},
		{"ALSA-2021:3253: only for x86_64", "8.4", "libsndfile 1.0.28-10.el8 arch=aarch64", ""},
		{"ALSA-2021:3152: a package that OSV's record lacks", "8.4", "exiv2-libs 0.27.3-2.el8", "exiv2-libs CVE-2021-31291 high 0.27.3-3.el8_4"},
		{"ALSA-2021:3152: above", "8.10", "exiv2-libs 0.27.5-1.el8", ""},
		{"ALBA-2021:3240: a bug fix without CVEs", "8.4", "dotnet-runtime-2.1 2.1.29-1.el8_4", ""},
		{"ALSA-2020:0279: its stream", "8.3", "netcf 0.2.8-12.module_el8.2.0+1+a module=virt:rhel", "netcf CVE-2019-11135 medium 0.2.8-12.module_el8.3.0+2048+e7a0a3ea"},
		{"ALSA-2020:0279: another stream", "8.3", "netcf 0.2.8-12.module_el8.2.0+1+a module=virt:av", ""},
		{"ALSA-2020:0279: no module build", "8.3", "netcf 0.2.8-11.el8", ""},
		{"ALSA-2020:0279: an epoch", "8.3", "sgabios-bin 1:0.20170427git-2.module_el8.2.0+1+a module=virt:rhel",
			"sgabios-bin CVE-2019-11135 medium 1:0.20170427git-3.module_el8.3.0+2048+e7a0a3ea"},
		{"ALSA-2019:3708: the stream for x86_64", "8.5", judy + "3", "Judy CVE-2019-2510 medium 1.0.5-18.module_el8.5.0+2632+14ced695"},
		{"ALSA-2019:3708: another stream for x86_64", "8.5", judy + "5", ""},
		{"ALSA-2019:3708: the stream for aarch64", "8.5", judy + "5 arch=aarch64", "Judy CVE-2019-2510 medium 1.0.5-18.module_el8.6.0+2761+593e5e59"},
		{"ALSA-2019:3708: another stream for aarch64", "8.5", judy + "3 arch=aarch64", ""},
		{"ALSA-2019:3708: no build of the module", "8.5", "galera 1:25.2-1.el8", "galera CVE-2019-2510 medium 1:25.3-1.el8"},
		{"ALSA-2025:18824: release 9", "9.6", "openssl 1:3.2.2-6.el9_5", "openssl CVE-2025-11187 high 1:3.5.1-4.el9"},
		{"ALSA-2025:18824: release 10, x86_64_v2", "10.0", "openssl 1:3.2.2-16.el10 arch=x86_64_v2", "openssl CVE-2025-11187 high 1:3.5.1-4.el10"},
		{"ALSA-2025:18824: the fix of the other release", "10.0", "openssl 1:3.5.1-4.el10", ""},
	} {
		if got := strings.Join(feedtest.Findings(t, all, "almalinux", tt.version, tt.rpm), ", "); got != tt.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", tt.why, tt.rpm, got, tt.want)
		}
	}
}

func TestBroken(t *testing.T) {
	s := feedtest.New(t, Source(), files([]byte(modern)))
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, "8/errata.full.json", map[string][]byte{
		"a genuine broken file": feedtest.Read(t, "feeds", "alma-updateinfo", "vuln-list-update", "testdata", "invalid.json"),
		"no errata":             []byte(`{"data":[]}`),
		"an object":             []byte(`{"data":{}}`),
		"twice":                 []byte(modern + modern),
		"records of OSV":        []byte(`[{"id":"ALSA-2019:3708","modified":"2024-01-01T00:00:00Z","affected":[]},{"id":"ALSA-2019:3709"},{"id":"ALSA-2019:3710"}]`),
	})
}

// TestRejected: an erratum that cannot be read is rejected and named, and the others stay.
func TestRejected(t *testing.T) {
	good := strings.TrimSuffix(modern, "]}")
	for name, tt := range map[string]struct{ bad, want string }{
		"a number as version": {`{"id":"ALSA-2024:1","packages":[{"name":"a","version":1,"release":"1","arch":"x86_64"}]}`, "ALSA-2024:1"},
		"no version":          {`{"id":"ALSA-2024:1","packages":[{"name":"a","release":"1","arch":"x86_64"}]}`, "ALSA-2024:1"},
		"no packages":         {`{"id":"ALSA-2024:1"}`, "no package"},
		"no ID":               {`{"packages":[]}`, "erratum 2 of release 8"},
		"a text":              {`"ALSA-2024:1"`, "erratum 2 of release 8"},
		"nested":              {strings.Repeat(`[`, 5000) + strings.Repeat("]", 5000), "erratum 2 of release 8"},
	} {
		s := feedtest.New(t, Source(), files([]byte(good+","+tt.bad+"]}")))
		o, err := s.Update(t)
		if err != nil || o.Added != 2 || o.Rejected != 1 || !strings.Contains(o.Rejections[0].Error(), tt.want) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"ALSA-2024:1","issued_date":{"$date":1},"packages":[{"name":"a","module":"a:b:c"}],"references":[{"type":"cve","id":"CVE-2024-1"}]}`))
	f.Add([]byte(`{"updateinfo_id":"ALSA-2024:1","pkglist":{"packages":[{}],"module":{"name":"a"}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parse(b, "8"); err == nil && e.ID == "" {
			t.Errorf("%+v", e)
		}
	})
}
