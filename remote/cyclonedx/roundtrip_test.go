package cyclonedx_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

func encode(t testing.TB, s cyclonedx.Scan) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := cyclonedx.Encode(&buf, s); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func decode(t testing.TB, doc []byte) cyclonedx.Scan {
	t.Helper()
	s, err := cyclonedx.Decode(bytes.NewReader(doc), cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return s
}

var example = cyclonedx.Scan{
	Client: "assay 0.1.0",
	Files: []cyclonedx.File{
		{Kind: cyclonedx.FileIgnore, Name: "dir/a:b.yaml", Body: []byte("exceptions:\n\xff\x00")},
		{Kind: cyclonedx.FileVEX, Name: "vex.json", Body: []byte("{}")},
		{Kind: cyclonedx.FileBaseline, Name: "/tmp/base.json", Body: []byte(`{"bomFormat":"CycloneDX"}`)},
		{Kind: cyclonedx.FileBaselineScan, Name: "mzxw6ytboi3dgnbv", Body: []byte{}},
	},
	Options: []cyclonedx.Option{
		{Name: "fail-on", Value: "critical", Origin: "flag"},
		{Name: "strict", Value: "true", Origin: "ASSAY_STRICT"},
		{Name: "project", Value: "a:b", Origin: "flag"},
	},
	Inventory: inventory.Inventory{
		System: inventory.System{
			ID: "debian", IDLike: []string{"a", "b"}, VersionID: "12", Codename: "bookworm",
			PrettyName: "Debian GNU/Linux 12 (bookworm)", CPE: "cpe:/o:debian:debian_linux:12", Path: "usr/lib/os-release",
			Repositories: []string{"bookworm", "bookworm-security"},
		},
		Packages: []inventory.Package{
			{
				Type: "deb", Name: "bash", Version: "5.2.15-2+b13", Arch: "amd64", Source: "bash", SourceVersion: "5.2.15-2",
				Vendor:   "Matthias Klose <doko@debian.org>",
				Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
			},
			{
				Type: "maven", Name: "org.slf4j:slf4j-api", Version: "1.7.36",
				Hashes:     []string{"sha1:6c62681a2f655b49963a5983b8b0950a6120ae14"},
				EmbeddedIn: "app/app.jar", Evidence: []inventory.Evidence{{Path: "app/app.jar", Kind: "java"}},
			},
			{
				Type: "pypi", Name: "PyYAML", Version: "6.0",
				Owner:    &inventory.Owner{Package: "python3-yaml", Digest: inventory.DigestEqual},
				Evidence: []inventory.Evidence{{Path: "usr/lib/python3/METADATA", Kind: "python"}},
			},
			{
				Type: "rpm", Name: "nodejs", Version: "1:10.21.0-3.module_el8.2", Arch: "x86_64",
				Source: "nodejs", SourceVersion: "10.21.0-3.module_el8.2", Vendor: "CentOS",
				Module: "nodejs:10:8020020200707141642:6a468ee4", CPE: "cpe:/a:redhat:enterprise_linux:8::appstream",
				ContentSets: []string{"rhel-8-for-x86_64-appstream-rpms", "rhel-8-for-x86_64-baseos-rpms"},
				Hashes:      []string{"md5:483792b8b5f9eb8be7dc4407733118d0", "x:y"},
			},
		},
		ScanErrors: []inventory.ScanError{
			{Path: "root", Kind: inventory.KindDirectory, Err: "permission denied"},
			{Path: "var/lib/rpm/Packages", Kind: inventory.KindDatabase, Err: "page 3: \"x\""},
		},
	},
}

func TestRoundTripOfExample(t *testing.T) {
	doc := encode(t, example)
	if got := decode(t, doc); !reflect.DeepEqual(got, example) {
		t.Errorf("\n got %+v\nwant %+v\n%s", got, example, doc)
	}
	if again := encode(t, example); !bytes.Equal(doc, again) {
		t.Error("two documents of one scan differ")
	}
}

// This is the complete document of one package, as in docs/api.md.
func TestDocument(t *testing.T) {
	s := example
	s.Options, s.Inventory.Packages, s.Inventory.ScanErrors = s.Options[:1], s.Inventory.Packages[:1], s.Inventory.ScanErrors[:1]
	const want = `{"$schema":"http://cyclonedx.org/schema/bom-1.6.schema.json","bomFormat":"CycloneDX","specVersion":"1.6","version":1,` +
		`"metadata":{"tools":{"components":[{"type":"application","name":"assay","version":"0.1.0"}]},"properties":[` +
		`{"name":"assay:option:flag:fail-on","value":"critical"},{"name":"assay:file:ignore:dir/a:b.yaml","value":"ZXhjZXB0aW9uczoK/wA="},{"name":"assay:file:vex:vex.json","value":"e30="},` +
		`{"name":"assay:file:baseline:/tmp/base.json","value":"eyJib21Gb3JtYXQiOiJDeWNsb25lRFgifQ=="},{"name":"assay:file:baseline-scan:mzxw6ytboi3dgnbv","value":""},` +
		`{"name":"assay:partial","value":"{\"path\":\"root\",\"kind\":\"directory\",\"error\":\"permission denied\"}"}]},"components":[` +
		`{"type":"operating-system","name":"debian","version":"12","description":"Debian GNU/Linux 12 (bookworm)",` +
		`"cpe":"cpe:/o:debian:debian_linux:12","evidence":{"occurrences":[{"location":"usr/lib/os-release"}]},"properties":[` +
		`{"name":"assay:codename","value":"bookworm"},{"name":"assay:id-like","value":"a"},{"name":"assay:id-like","value":"b"},` +
		`{"name":"assay:repository","value":"bookworm"},{"name":"assay:repository","value":"bookworm-security"}]},` +
		`{"type":"library","publisher":"Matthias Klose <doko@debian.org>","name":"bash","version":"5.2.15-2+b13",` +
		`"purl":"pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2",` +
		`"evidence":{"occurrences":[{"location":"var/lib/dpkg/status","additionalContext":"dpkg"}]}}]}` + "\n"
	if got := string(encode(t, s)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestEqualPackagesStaySeveral(t *testing.T) {
	p := inventory.Package{Type: "npm", Name: "ms", Version: "2.1.3"}
	nameless := inventory.Package{Type: "npm"}
	s := cyclonedx.Scan{Inventory: inventory.Inventory{Packages: []inventory.Package{nameless, nameless, p, p, p}}}
	if got := decode(t, encode(t, s)); !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v, want %+v", got, s)
	}
}

func TestOptionWithColonInOrigin(t *testing.T) {
	s := cyclonedx.Scan{Options: []cyclonedx.Option{{Name: "fail-on", Value: "low", Origin: "a:b"}}}
	if err := cyclonedx.Encode(&bytes.Buffer{}, s); err == nil || !strings.Contains(err.Error(), `"a:b"`) {
		t.Errorf("got %v", err)
	}
}

// words are ordinary and unusual values of a field.
var words = []string{
	"", "a", "bash", "lib c++", "@scope/x", "g:a", "a/b/c", "1:2.3-4", "0:1", "2.3-4~deb12u1", "v4", "Ünïcode", "<&>\"\\", "%2F", "#", "?x=y",
	"a@b", "x-1-2.src.rpm", "\u2028", "tab\there",
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func randomScan(r *rand.Rand) cyclonedx.Scan {
	word := func() string { return words[r.IntN(len(words))] }
	list := func() []string {
		var out []string
		for range r.IntN(3) {
			out = append(out, word())
		}
		return out
	}
	types := []string{"deb", "rpm", "apk", "alpm", "npm", "maven", "golang", "pypi", "composer", "gem", "", "Bad Type"}
	var s cyclonedx.Scan
	s.Client = word() + []string{"", " 1.0", " "}[r.IntN(3)]
	if s.Client == " " || s.Client == " 1.0" {
		s.Client = ""
	}
	if r.IntN(2) == 0 {
		s.Modified = time.Unix(r.Int64N(4e9), 0).UTC()
	}
	for range r.IntN(3) {
		s.Options = append(s.Options, cyclonedx.Option{Name: word(), Value: word(), Origin: strings.ReplaceAll(word(), ":", "")})
	}
	if r.IntN(4) > 0 {
		s.Inventory.System = inventory.System{
			ID: word(), IDLike: list(), VersionID: word(), Codename: word(), PrettyName: word(), CPE: word(), Path: word(), Repositories: list(),
		}
	}
	for range r.IntN(4) {
		p := inventory.Package{
			Type: types[r.IntN(len(types))], Name: word(), Version: word(), Arch: word(), Source: word(), SourceVersion: word(),
			Vendor: word(), SignedBy: word(), Module: word(), CPE: word(), ContentSets: list(), Hashes: list(), EmbeddedIn: word(), Held: r.IntN(2) == 0, Linked: inventory.Linked(word()), Layer: word(),
		}
		for range r.IntN(3) {
			p.Evidence = append(p.Evidence, inventory.Evidence{Path: word(), Kind: word()})
		}
		if r.IntN(2) == 0 {
			p.Owner = &inventory.Owner{Package: word(), Digest: pick(r, inventory.DigestEqual, inventory.DigestDifferent, inventory.DigestUnknown)}
		}
		s.Inventory.Packages = append(s.Inventory.Packages, p)
	}
	for range r.IntN(3) {
		s.Inventory.ScanErrors = append(s.Inventory.ScanErrors, inventory.ScanError{Path: word(), Kind: pick(r, inventory.KindDatabase, inventory.KindSystem, inventory.KindDirectory, inventory.KindFile), Err: word()})
	}
	s.Inventory.Sort()
	return s
}

func TestRoundTripOfRandomScans(t *testing.T) {
	for seed := range uint64(1000) {
		want := randomScan(rand.New(rand.NewPCG(seed, 0)))
		doc := encode(t, want)
		if got := decode(t, doc); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d\n got %+v\nwant %+v\n%s", seed, got, want, doc)
		}
	}
}

// The test fails for a new field of the inventory that Encode does not write.
func TestEveryFieldTravels(t *testing.T) {
	var check func(v reflect.Value, path string)
	check = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				break
			}
			for i := range v.NumField() {
				check(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		case reflect.Pointer:
			if !v.IsNil() {
				check(v.Elem(), path)
			}
		}
		if v.IsZero() {
			t.Errorf("the test has no value for %s", path)
		}
	}
	system := example.Inventory.System
	full := inventory.Package{
		Type: "rpm", Name: "a", Version: "1", Arch: "b", Source: "c", SourceVersion: "2", Vendor: "d", SignedBy: "p", Module: "e", CPE: "f",
		Linked: "http2", ContentSets: []string{"g"}, Hashes: []string{"h:i"}, Evidence: []inventory.Evidence{{Path: "j", Kind: "k"}},
		Owner: &inventory.Owner{Package: "l", Digest: inventory.DigestUnknown}, EmbeddedIn: "n", Held: true, Layer: "q",
	}
	s := cyclonedx.Scan{Client: "o", Options: example.Options, Files: example.Files, Modified: time.Unix(1e9, 0).UTC(), Image: &verdict.Image{Name: "r", Digest: "s", Platform: "t", Layers: []verdict.ImageLayer{{Digest: "u", DiffID: "v", CreatedBy: "w"}}}, Inventory: inventory.Inventory{
		System: system, Packages: []inventory.Package{full}, ScanErrors: example.Inventory.ScanErrors}}
	check(reflect.ValueOf(s), "Scan")
	check(reflect.ValueOf(full), "Package")
	check(reflect.ValueOf(s.Options[0]), "Option")
	check(reflect.ValueOf(s.Inventory.ScanErrors[0]), "ScanErrors")
	if got := decode(t, encode(t, s)); !reflect.DeepEqual(got, s) {
		t.Errorf("\n got %+v\nwant %+v", got, s)
	}
}
