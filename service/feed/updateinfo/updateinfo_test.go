package updateinfo

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/service/advisory"
	"assay/service/feed"
)

// collect reads all errata of a text.
func collect(text string) ([]Erratum, error) {
	var all []Erratum
	for e, err := range Read(strings.NewReader(text)) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

const small = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="releng@rockylinux.org" status="final" type="security" version="2">
    <id> RLSA-2019:1972 </id>
    <title>Important: ruby:2.5
      security update</title>
    <issued date="2019-07-30 11:16:25"></issued>
    <updated date="2023-02-02 12:55:31"/>
    <severity>Important</severity>
    <summary>An update &amp; more.<id>not this</id></summary>
    <description>Ruby is a &lt;language&gt;.</description>
    <references>
      <reference href="https://cve.mitre.org/" id="CVE-2019-8324" type="cve" title="CVE-2019-8324"/>
      <reference href="https://errata.rockylinux.org/" id="RLSA-2019:1972" type="self"/>
    </references>
    <pkglist>
      <collection short="a"><name>a</name>
        <module name="ruby" stream="2.6" version="1" context="d63f516d" arch="x86_64"/>
        <package name="rubygem-abrt" arch="noarch" epoch="0" version="0.3.0" release="4.module+el8" src="rubygem-abrt-0.3.0-4.module+el8.src.rpm"><filename>f</filename></package>
      </collection>
      <collection short="b"><name>b</name>
        <package name="bash" arch="x86_64" epoch="1" version="4.4" release="2.el8" src="bash-4.4-2.el8.src.rpm"/>
      </collection>
    </pkglist>
  </update>
  <other><update/></other>
</updates>
`

func TestRead(t *testing.T) {
	got, err := collect(small)
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	want := Erratum{
		ID: "RLSA-2019:1972", Title: "Important: ruby:2.5\n      security update", Description: "Ruby is a <language>.",
		Kind: "security", Status: "final", Severity: "Important",
		Issued: time.Date(2019, 7, 30, 11, 16, 25, 0, time.UTC), Updated: time.Date(2023, 2, 2, 12, 55, 31, 0, time.UTC),
		CVEs: []string{"CVE-2019-8324"},
		Packages: []Package{
			{"rubygem-abrt", "0", "0.3.0", "4.module+el8", "noarch", "rubygem-abrt-0.3.0-4.module+el8.src.rpm", "ruby:2.6"},
			{"bash", "1", "4.4", "2.el8", "x86_64", "bash-4.4-2.el8.src.rpm", ""},
		},
	}
	if fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

// TestReadBroken: none of these is read, and none is read in part.
func TestReadBroken(t *testing.T) {
	update := func(inner string) string { return "<updates><update>" + inner + "</update></updates>" }
	for name, tt := range map[string]struct{ text, want string }{
		"empty":                 {"", "EOF"},
		"JSON":                  {"{}", "EOF"},
		"a page":                {"<html></html>", `not "updates"`},
		"cut off":               {small[:len(small)/2], "unexpected EOF"},
		"cut off at the end":    {strings.TrimSuffix(small, "</updates>\n"), "unexpected EOF"},
		"two roots":             {"<updates/><updates/>", "followed by another"},
		"a document type":       {`<!DOCTYPE updates SYSTEM "http://example.com/x"><updates/>`, "document type"},
		"an external entity":    {`<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + update("<id>&x;</id>"), "document type"},
		"a billion laughs":      {`<!DOCTYPE u [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + update("<id>&b;</id>"), "document type"},
		"an unknown entity":     {update("<id>&nbsp;</id>"), "entity"},
		"a late document type":  {"<updates><!DOCTYPE x></updates>", "document type"},
		"a type in an erratum":  {update("<!DOCTYPE x>"), "document type"},
		"nested":                {update(strings.Repeat("<a>", 100_000)), "nested deeper"},
		"nested in a field":     {update("<id>" + strings.Repeat("<a>", 100_000)), "nested deeper"},
		"nested elsewhere":      {"<updates>" + strings.Repeat("<a>", 100_000), "nested deeper"},
		"a wrong end":           {update("<id>x</title>"), "closed by"},
		"another encoding":      {`<?xml version="1.0" encoding="ISO-8859-1"?><updates/>`, "encoding"},
		"control characters":    {update("<id>\x01</id>"), "illegal character"},
		"invalid UTF-8":         {update("<id>\xff</id>"), "UTF-8"},
		"many packages":         {update(strings.Repeat("<package/>", maxPackages+1)), "more than 100000 packages"},
		"an attribute in twice": {update(`<package name="a" name="b"`), ""},
	} {
		if got, err := collect(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d errata, %v", name, len(got), err)
		}
	}
	endless := io.MultiReader(strings.NewReader("<updates><update><id>"), &repeated{"x"})
	for _, err := range Read(endless) {
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("an endless text: %v", err)
		}
	}
}

// A repeated reader repeats a text without an end.
type repeated struct{ text string }

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[i%len(r.text)]
	}
	return len(p), nil
}

func TestRepomd(t *testing.T) {
	good := feedtest.Repomd("repodata/updateinfo.xml.gz", []byte("x"))
	f, err := parseRepomd([]byte(good))
	if err != nil || f.Href != "repodata/updateinfo.xml.gz" || f.Size != 1 || f.Type != "sha256" {
		t.Errorf("%+v, %v", f, err)
	}
	begin, end := strings.Index(good, `<data type="updateinfo">`), strings.Index(good, "</repomd>")
	for name, tt := range map[string]struct{ text, want string }{
		"no updateinfo":       {good[:begin] + good[end:], errNoUpdateinfo.Error()},
		"twice":               {good[:end] + good[begin:], "more than once"},
		"another folder":      {strings.Replace(good, "repodata/updateinfo", "../x/updateinfo", 1), "invalid path"},
		"a climbing path":     {strings.Replace(good, "repodata/updateinfo", "repodata/../../updateinfo", 1), "invalid path"},
		"an address":          {strings.Replace(good, "repodata/updateinfo", "https://example.com/updateinfo", 1), "invalid path"},
		"a query":             {strings.Replace(good, "updateinfo.xml.gz", "updateinfo.xml.gz?x", 1), "invalid path"},
		"MD5":                 {strings.ReplaceAll(good, `"sha256"`, `"md5"`), "checksum type"},
		"a short checksum":    {strings.ReplaceAll(good, `"sha256"`, `"sha512"`), "invalid checksum"},
		"too large":           {strings.Replace(good, "<size>1<", "<size>99999999999<", 1), "more than"},
		"negative":            {strings.Replace(good, "<size>1<", "<size>-1<", 1), "more than"},
		"a size of words":     {strings.Replace(good, "<size>1<", "<size>many<", 1), "invalid syntax"},
		"a document type":     {"<!DOCTYPE repomd>" + good, "document type"},
		"cut off":             {good[:len(good)-3], "EOF"},
		"another root":        {"<updates/>", `not "repomd"`},
		"a mirror of nothing": {"", "EOF"},
	} {
		if f, err := parseRepomd([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func TestRepomdGenuine(t *testing.T) {
	for _, tt := range []struct {
		path []string
		want file
	}{
		{[]string{"feeds", "alas", "claircore", "test_repomd.xml"},
			file{"repodata/updateinfo.xml.gz", "sha256", "9dd3ce045294b530720d13829817254e3cd67ec1ac36f66069238d9d111d3cc0", 610596}},
		{[]string{"feeds", "alas", "vuln-list-update.zip", "testdata/fixtures/repomd_valid.xml"},
			file{"repodata/updateinfo.xml.gz", "sha256", "e6f569f8ed2246a6b06c0fef7cfd71560df02781327e31c38396ed358d591d48", 146324}},
		{[]string{"feeds", "alas", "vuln-list-update.zip", "testdata/fixtures/repomd_invalid.xml"}, file{}},
		{[]string{"feeds", "rocky-updateinfo", "vuln-list-update.zip", "testdata/fixtures/happy/repomd.xml"},
			file{"repodata/updateinfo.xml.gz", "sha256", "c14b2249cc128fa8c565d0b79986daffc4e1c0a430c84a3ebccc1a016d59bda1", 24366}},
		{[]string{"feeds", "rocky-updateinfo", "vuln-list-update.zip", "testdata/fixtures/no_updateinfo_field/repomd.xml"}, file{}},
		{[]string{"feeds", "rocky-updateinfo", "vuln-list-update.zip", "testdata/fixtures/repomd_invalid/repomd.xml"}, file{}},
	} {
		f, err := parseRepomd(genuine(t, tt.path...))
		if f != tt.want || (err == nil) != (tt.want != file{}) {
			t.Errorf("%q: %+v, %v", tt.path, f, err)
		}
	}
}

// genuine reads a file of the test data, or a file of a zip archive of it.
func genuine(t testing.TB, elem ...string) []byte {
	t.Helper()
	i := slices.IndexFunc(elem, func(e string) bool { return strings.HasSuffix(e, ".zip") })
	if i < 0 {
		b, err := os.ReadFile(testkit.Path(t, elem...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	z, err := zip.OpenReader(testkit.Path(t, elem[:i+1]...))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	b, err := readFile(z, elem[i+1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readFile(z *zip.ReadCloser, name string) ([]byte, error) {
	f, err := z.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// TestOpen: the forms in which updateinfo.xml may be compressed.
func TestOpen(t *testing.T) {
	var gz, broken, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	if _, err := z.Write([]byte(small)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	broken.Write(gz.Bytes())
	broken.Bytes()[broken.Len()-6] ^= 0xff // its checksum
	w, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(small)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		b  []byte
		ok bool
	}{
		"plain": {[]byte(small), true}, "gzip": {gz.Bytes(), true}, "zstd": {zst.Bytes(), true},
		"gzip, wrong checksum": {broken.Bytes(), false}, "gzip, cut off": {gz.Bytes()[:gz.Len()-9], false},
		"empty": {nil, false}, "xz": {[]byte("\xfd7zXZ\x00" + strings.Repeat("x", 600)), false}, "zchunk": {[]byte("\x00ZCK1" + strings.Repeat("x", 600)), false},
	} {
		path := filepath.Join(t.TempDir(), "u")
		if err := os.WriteFile(path, tt.b, 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := feed.Text(path, maxDecompressed, func(r io.Reader) error {
			for _, err := range Read(r) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if (err == nil) != tt.ok || tt.ok && n != 1 {
			t.Errorf("%s: %d errata, %v", name, n, err)
		}
	}
}

func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "u")
	if err := os.WriteFile(path, []byte("updates"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha512.Sum512([]byte("updates")))
	for _, tt := range []struct {
		file file
		ok   bool
	}{
		{file{Type: "sha512", Checksum: sum, Size: 7}, true},
		{file{Type: "sha512", Checksum: sum}, true},
		{file{Type: "sha512", Checksum: sum, Size: 8}, false},
		{file{Type: "sha1", Checksum: "28a8aa95fc3b41ec6e10f8f9ea2a0fb5b1b07d8b", Size: 7}, false},
	} {
		if err := tt.file.verify(path); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.file, err)
		}
	}
}

// records converts errata, each in an ecosystem.
func records(t *testing.T, s *Errata, all ...Erratum) (converted []advisory.Advisory, rejected []string) {
	t.Helper()
	for _, e := range all {
		if err := s.Add("Rocky Linux:8", e); err != nil {
			t.Fatal(err)
		}
	}
	for r, err := range s.Records() {
		if err != nil {
			rejected = append(rejected, err.Error())
			continue
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		converted = append(converted, a)
	}
	return converted, rejected
}

// short returns the entries of a record: name, fix and what the entry is limited to.
func short(a advisory.Advisory) string {
	var b strings.Builder
	for _, e := range a.Affected {
		fmt.Fprintf(&b, "%s %s %s\n", e.Package.Name, e.Ranges[0].Events[1].Fixed, e.EcosystemSpecific)
	}
	return strings.ReplaceAll(strings.TrimSpace(b.String()), " \n", "\n")
}

func pkg(name, epoch, version, release, arch, src, module string) Package {
	return Package{name, epoch, version, release, arch, src, module}
}

// TestSources: entries by source package have the epoch of a binary package with the version
// of the source.
func TestSources(t *testing.T) {
	s := &Errata{BySource: true, Others: []string{"s390x"}}
	// Another release has another epoch.
	if err := s.Add("Rocky Linux:9", Erratum{ID: "RLSA-9", Packages: []Package{pkg("perl", "9", "5.32", "1.el9", "x86_64", "perl-5.32-1.el9.src.rpm", "")}}); err != nil {
		t.Fatal(err)
	}
	got, rejected := records(t, s,
		Erratum{ID: "RLSA-1", Kind: "security", CVEs: []string{"CVE-2024-0002", "CVE-2024-0001", "CVE-PENDING"}, Severity: "Important", Packages: []Package{
			pkg("perl-libs", "4", "5.26.3", "422.el8", "x86_64", "perl-5.26.3-422.el8.src.rpm", ""),
			pkg("perl-Errno", "0", "1.28", "422.el8", "x86_64", "perl-5.26.3-422.el8.src.rpm", ""),
			pkg("perl-Errno", "0", "1.28", "422.el8", "aarch64", "perl-5.26.3-422.el8.src.rpm", ""),
			pkg("lz4", "0", "1.8.3", "3.el8_4", "x86_64", "lz4-1.8.3-3.el8_4.src.rpm", ""),
			pkg("lz4", "0", "1.8.3", "3.el8_4", "src", "", ""),
		}},
		Erratum{ID: "RLSA-2", Kind: "security", Packages: []Package{pkg("perl-Errno", "0", "1.28", "423.el8", "noarch", "perl-5.26.3-423.el8.src.rpm", "")}},
		Erratum{ID: "RLBA-3", Kind: "bugfix", Severity: "None", Packages: []Package{
			pkg("a", "", "1", "1.module+el8.1+1+a", "aarch64", "a-1-1.module+el8.1+1+a.src.rpm", "m:1"),
			pkg("b", "", "1", "1.el8", "noarch", "b-1-1.el8.src.rpm", "m:1"),
		}},
	)
	if len(rejected) != 0 || len(got) != 4 {
		t.Fatalf("%+v, %q", got, rejected)
	}
	for i, want := range []string{
		`a 1-1.module+el8.1+1+a {"affects":{"arch":["aarch64","s390x"]},"rpm_modularity":"m:1"}` + "\nb 1-1.el8",
		"lz4 1.8.3-3.el8_4 {\"affects\":{\"arch\":[\"i686\",\"s390x\",\"x86_64\"]}}\nperl 4:5.26.3-422.el8",
		"perl 4:5.26.3-423.el8",
	} {
		if short(got[i]) != want {
			t.Errorf("%s: %s\nwant %s", got[i].ID, short(got[i]), want)
		}
	}
	if a := got[1]; strings.Join(a.Upstream, " ") != "CVE-2024-0001 CVE-2024-0002" || a.Related != nil || string(a.DatabaseSpecific) != `{"severity":"Important"}` {
		t.Errorf("%+v", a)
	}
	if a := got[0]; string(a.Affected[0].DatabaseSpecific) != `{"informational":"notice"}` || a.DatabaseSpecific != nil {
		t.Errorf("a notice: %+v", a)
	}
}

// TestJoined: the parts of an erratum in several repositories become one record.
func TestJoined(t *testing.T) {
	s := &Errata{Related: true}
	part := func(p ...Package) Erratum {
		return Erratum{ID: "RLSA-1", Title: "Important: a\n  update", Kind: "security", Packages: p}
	}
	first, second := part(pkg("a", "0", "1", "2", "x86_64", "", "")), part(pkg("a", "0", "1", "2", "aarch64", "", ""), pkg("b", "2", "1", "2", "noarch", "", ""))
	first.CVEs, second.CVEs = []string{"CVE-2024-0002"}, []string{"CVE-2024-0001"}
	first.Issued, second.Updated = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	got, rejected := records(t, s, first, second, first)
	if len(got) != 1 || rejected != nil || short(got[0]) != "a 1-2\nb 2:1-2" {
		t.Fatalf("%+v, %q", got, rejected)
	}
	if a := got[0]; strings.Join(a.Related, " ") != "CVE-2024-0001 CVE-2024-0002" || a.Upstream != nil || a.Summary != "Important: a update" ||
		!a.Published.Equal(first.Issued) || !a.Modified.Equal(second.Updated) {
		t.Errorf("%+v", a)
	}
}

// TestRejected: an erratum with a part that cannot be converted is rejected as a whole.
func TestRejected(t *testing.T) {
	good := pkg("a", "0", "1", "2", "x86_64", "a-1-2.src.rpm", "")
	for name, bad := range map[string]Package{
		"no version":            pkg("a", "0", "", "2", "x86_64", "a-1-2.src.rpm", ""),
		"no release":            pkg("a", "0", "1", "", "x86_64", "a-1-2.src.rpm", ""),
		"no name":               pkg("", "0", "1", "2", "x86_64", "a-1-2.src.rpm", ""),
		"a space":               pkg("a b", "0", "1", "2", "x86_64", "a-1-2.src.rpm", ""),
		"a hyphen":              pkg("a", "0", "1-1", "2", "x86_64", "a-1-2.src.rpm", ""),
		"an epoch in a version": pkg("a", "0", "1:1", "2", "x86_64", "a-1-2.src.rpm", ""),
		"a word as epoch":       pkg("a", "one", "1", "2", "x86_64", "a-1-2.src.rpm", ""),
		"no architecture":       pkg("a", "0", "1", "2", "", "a-1-2.src.rpm", ""),
		"another architecture":  pkg("a", "0", "1", "2", "vax", "a-1-2.src.rpm", ""),
		"no source":             pkg("a", "0", "1", "2", "x86_64", "", ""),
		"a binary as source":    pkg("a", "0", "1", "2", "x86_64", "a-1-2.x86_64.rpm", ""),
		"an unknown epoch":      pkg("c", "0", "1", "3", "x86_64", "b-1-2.src.rpm", ""),
		"a source of a name":    pkg("a", "0", "1", "2", "x86_64", "a.src.rpm", ""),
		"a source of no name":   pkg("a", "0", "1", "2", "x86_64", "-1-2.src.rpm", ""),
	} {
		got, rejected := records(t, &Errata{BySource: true}, Erratum{ID: "RLSA-1", Packages: []Package{good, bad}}, Erratum{ID: "RLSA-2", Packages: []Package{good}})
		if len(got) != 1 || got[0].ID != "RLSA-2" || len(rejected) != 1 || !strings.Contains(rejected[0], `"RLSA-1"`) {
			t.Errorf("%s: %+v, %q", name, got, rejected)
		}
	}
	got, rejected := records(t, &Errata{}, Erratum{ID: "A", Status: "retracted", Packages: []Package{good}}, Erratum{ID: "", Packages: []Package{good}},
		Erratum{ID: "a b", Packages: []Package{good}}, Erratum{ID: "B"})
	if len(got) != 0 || len(rejected) != 4 {
		t.Errorf("%+v, %q", got, rejected)
	}
}

// TestMissingRepository: an optional repository may be missing, unless it was there before.
func TestMissingRepository(t *testing.T) {
	files := map[string][]byte{}
	feedtest.AddRepository(t, files, "base/", small)
	source := feed.Source{Name: "rocky", Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
		return Feed{
			Setup: s, Source: "rocky", Link: func(id string) string { return "https://example.com/" + id }, Errata: Errata{BySource: true},
			Repositories: func(context.Context, feed.Mirror) ([]Repository, error) {
				return []Repository{
					{Name: "base", Ecosystem: "Rocky Linux:8", Folders: []string{"old/", "base/"}, MayLackErrata: true},
					{Name: "more", Ecosystem: "Rocky Linux:8", Folders: []string{"more/"}, Optional: true},
					{Name: "none", Ecosystem: "Rocky Linux:8", Folders: []string{"none/"}, Optional: true, MayLackErrata: true},
				}, nil
			},
		}, nil
	}}
	s := feedtest.New(t, source, files)
	if o, err := s.Update(t); err != nil || o.Added != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	if o, err := s.Update(t); err != nil || o.Whole {
		t.Errorf("unchanged: %+v, %v", o, err)
	}
	more := map[string][]byte{}
	feedtest.AddRepository(t, more, "more/", strings.ReplaceAll(small, "RLSA-2019:1972", "RLSA-2019:1973"))
	for name, b := range more {
		s.Put(name, b)
	}
	s.Put("none/repodata/repomd.xml", []byte("<repomd/>"))
	s.Sent()
	o, err := s.Update(t)
	if err != nil || o.Added != 1 || o.Unchanged != 1 {
		t.Errorf("a new repository: %+v, %v", o, err)
	}
	// What was downloaded before is not downloaded again.
	if want := len(more["more/repodata/repomd.xml"]) + len(more["more/repodata/updateinfo.xml.gz"]) + len("<repomd/>"); s.Sent() != want {
		t.Errorf("the update did not receive %d bytes", want)
	}
	intact := files["base/repodata/repomd.xml"]
	s.Put("base/repodata/repomd.xml", []byte("<repomd/>"))
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `repository "base": `) {
		t.Errorf("a repository without errata: %+v, %v", o, err)
	}
	s.Put("base/repodata/repomd.xml", intact)
	s.Remove("more/repodata/repomd.xml")
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `repository "more"`) {
		t.Errorf("a repository that is gone: %+v, %v", o, err)
	}
	if n := len(s.Advisories(t)); n != 2 {
		t.Errorf("%d records", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(small)
	f.Add("<updates><update><id>a</id><pkglist><collection><package/></collection></pkglist></update></updates>")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := collect(text)
		if err != nil {
			return
		}
		for _, s := range []*Errata{{}, {BySource: true, Related: true}} {
			for _, e := range all {
				if err := s.Add("Rocky Linux:8", e); err != nil {
					t.Fatal(err)
				}
			}
			for r, err := range s.Records() {
				if err == nil && (r.ID == "" || len(r.Body) == 0) {
					t.Errorf("%+v", r)
				}
			}
		}
	})
}

func FuzzRepomd(f *testing.F) {
	f.Add([]byte(feedtest.Repomd("repodata/updateinfo.xml.gz", []byte("x"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if found, err := parseRepomd(b); err == nil && (found.hash() == nil || !strings.HasPrefix(found.Href, "repodata/") || strings.Contains(found.Href, "..")) {
			t.Errorf("%+v", found)
		}
	})
}

// TestLost: a repository that has lost all of its errata, or is not listed any more, ends the
// update, although most records are there.
func TestLost(t *testing.T) {
	files := map[string][]byte{}
	feedtest.AddRepository(t, files, "a/", small)
	feedtest.AddRepository(t, files, "b/", strings.ReplaceAll(small, "RLSA-2019:1972", "RLSA-2019:1973"))
	feedtest.AddRepository(t, files, "9/", strings.ReplaceAll(small, "RLSA-2019:1972", "RLSA-2019:1974"))
	names := []string{"a", "b", "9"}
	s := feedtest.New(t, feed.Source{Name: "rocky", Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
		return Feed{
			Setup: s, Source: "rocky", Link: func(id string) string { return id },
			Repositories: func(context.Context, feed.Mirror) (all []Repository, err error) {
				for _, n := range names {
					ecosystem := "Rocky Linux:8"
					if n == "9" {
						ecosystem = "Rocky Linux:9"
					}
					all = append(all, Repository{Name: n, Ecosystem: ecosystem, Folders: []string{n + "/"}})
				}
				return all, nil
			},
		}, nil
	}}, files)
	if o, err := s.Update(t); err != nil || o.Added != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	names = names[:2] // without the only repository of a release
	if o, err := s.Update(t); err != nil || o.Removed != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	// The same text again, with another version for the server.
	s.Put("b/repodata/repomd.xml", append(slices.Clone(files["b/repodata/repomd.xml"]), '\n'))
	if o, err := s.Update(t); err != nil || o.Whole {
		t.Errorf("%+v, %v", o, err)
	}
	emptied := map[string][]byte{}
	feedtest.AddRepository(t, emptied, "b/", "<updates></updates>")
	for name, b := range emptied {
		s.Put(name, b)
	}
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `repository "b" has no errata any more`) {
		t.Errorf("%+v, %v", o, err)
	}
	names = names[:1]
	if o, err := s.Update(t); err == nil || !strings.Contains(err.Error(), `repository "b" is not listed any more`) {
		t.Errorf("%+v, %v", o, err)
	}
	if n := len(s.Advisories(t)); n != 2 {
		t.Errorf("%d records", n)
	}
}

// TestRejectedBefore: an erratum that could not be read stays rejected, whatever its other
// parts are.
func TestRejectedBefore(t *testing.T) {
	good := Erratum{ID: "RLSA-1", Kind: "security", Packages: []Package{pkg("a", "0", "1", "2", "x86_64", "a-1-2.src.rpm", "")}}
	for _, first := range []bool{true, false} {
		s := &Errata{}
		for _, reject := range []bool{first, !first} {
			var err error
			if reject {
				err = s.Reject("RLSA-1", errors.New("not JSON"))
			} else {
				err = s.Add("Rocky Linux:8", good)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got, rejected := records(t, s); len(got) != 0 || len(rejected) != 1 || !strings.Contains(rejected[0], "not JSON") {
			t.Errorf("%+v, %q", got, rejected)
		}
	}
}

// TestTooMany: what cannot be read is bounded too.
func TestTooMany(t *testing.T) {
	s := &Errata{}
	for n := range maxErrata {
		if err := s.Reject(strconv.Itoa(n), io.EOF); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := s.Reject("another", io.EOF); err == nil {
		t.Error("no error")
	}
	s = &Errata{}
	for n := range maxCVEs + 1 { // each in another part
		e := Erratum{ID: "RLSA-1", CVEs: []string{"CVE-2024-" + strconv.Itoa(10000+n)}, Packages: []Package{pkg("a", "0", "1", "2", "x86_64", "", "")}}
		if err := s.Add("Rocky Linux:8", e); err != nil {
			t.Fatal(err)
		}
	}
	if got, rejected := records(t, s); len(got) != 0 || len(rejected) != 1 || !strings.Contains(rejected[0], "10000 CVEs") {
		t.Errorf("%d, %q", len(got), rejected)
	}
}

// TestForeign: an erratum must have an ID of the distribution, because records of all sources
// with one ID are about the same.
func TestForeign(t *testing.T) {
	for _, id := range []string{"CVE-2024-1000", "DEBIAN-CVE-2024-1000", "ALSA-2024:1", "RHSA-2024:1", "GHSA-aaaa-bbbb-cccc"} {
		got, rejected := records(t, &Errata{}, Erratum{ID: id, Packages: []Package{pkg("a", "0", "1", "2", "x86_64", "", "")}})
		if len(got) != 0 || len(rejected) != 1 || !strings.Contains(rejected[0], `an erratum of "Rocky Linux:8"`) {
			t.Errorf("%s: %+v, %q", id, got, rejected)
		}
	}
}

// TestEpochs: of several epochs of one source, the fix has the highest in any order.
func TestEpochs(t *testing.T) {
	one, ten := pkg("a", "1", "1", "2", "x86_64", "s-1-2.src.rpm", ""), pkg("b", "10", "1", "2", "x86_64", "s-1-2.src.rpm", "")
	none := pkg("c", "0", "1", "2", "x86_64", "s-1-2.src.rpm", "")
	for _, packages := range [][]Package{{one, ten, none}, {none, ten, one}, {ten, none, one}} {
		got, rejected := records(t, &Errata{BySource: true}, Erratum{ID: "RLSA-1", Kind: "security", Packages: packages})
		if len(got) != 1 || short(got[0]) != `s 10:1-2 {"affects":{"arch":["i686","x86_64"]}}` {
			t.Errorf("%+v, %q", got, rejected)
		}
	}
}

// TestKinds: only known kinds are no vulnerabilities.
func TestKinds(t *testing.T) {
	for kind, notice := range map[string]bool{"bugfix": true, "enhancement": true, "security": false, "": false, "Security": false, "critical": false} {
		got, rejected := records(t, &Errata{}, Erratum{ID: "RLSA-1", Kind: kind, Packages: []Package{pkg("a", "0", "1", "2", "noarch", "", "")}})
		if len(got) != 1 || (got[0].Affected[0].DatabaseSpecific != nil) != notice {
			t.Errorf("%q: %+v, %q", kind, got, rejected)
		}
	}
}
