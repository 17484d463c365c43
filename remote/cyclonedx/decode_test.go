package cyclonedx_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
)

// These documents have the form of other tools. The names of fields and properties come from
// real output of those tools. The packages are chosen for the case.
const (
	syft = `{
  "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
  "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79", "version": 1,
  "metadata": {"timestamp": "2026-01-01T00:00:00Z",
    "tools": {"components": [{"type": "application", "author": "anchore", "name": "syft", "version": "1.57.0"}]},
    "component": {"bom-ref": "x", "type": "container", "name": "debian:12", "version": "sha256:00"}},
  "components": [
    {"bom-ref": "pkg:deb/debian/bsdutils@1%3A2.38.1-5%2Bdeb12u3?arch=amd64&package-id=4b75", "type": "library",
     "publisher": "util-linux packagers <util-linux@packages.debian.org>", "name": "bsdutils", "version": "1:2.38.1-5+deb12u3",
     "licenses": [{"license": {"id": "MIT"}}],
     "purl": "pkg:deb/debian/bsdutils@1%3A2.38.1-5%2Bdeb12u3?arch=amd64&distro=debian-12&upstream=util-linux%402.38.1-5%2Bdeb12u3",
     "properties": [
       {"name": "syft:package:foundBy", "value": "dpkg-db-cataloger"}, {"name": "syft:package:type", "value": "deb"},
       {"name": "syft:location:0:layerID", "value": "sha256:00"}, {"name": "syft:location:0:path", "value": "/var/lib/dpkg/status"},
       {"name": "syft:location:1:path", "value": "/usr/share/doc/bsdutils/copyright"},
       {"name": "syft:metadata:installedSize", "value": "339"},
       {"name": "syft:metadata:source", "value": "util-linux"}, {"name": "syft:metadata:sourceVersion", "value": "2.38.1-5+deb12u3"}]},
    {"bom-ref": "r", "type": "library", "name": "openssl-libs", "version": "1:1.1.1g-15.el8_3",
     "purl": "pkg:rpm/redhat/openssl-libs@1.1.1g-15.el8_3?arch=x86_64&distro=rhel-8.4&epoch=1&upstream=openssl-1.1.1g-15.el8_3.src.rpm"},
    {"bom-ref": "g", "type": "library", "name": "github.com/pierrec/lz4/v4", "version": "v4.1.21",
     "purl": "pkg:golang/github.com/pierrec/lz4@v4.1.21#v4"},
    {"bom-ref": "p", "type": "library", "name": "package-1", "version": "1.0.1", "purl": "a-purl-1"},
    {"bom-ref": "os:debian@12", "type": "operating-system", "name": "debian", "version": "12", "description": "Debian GNU/Linux 12 (bookworm)",
     "swid": {"tagId": "debian", "name": "debian", "version": "12"},
     "properties": [{"name": "syft:distro:extendedSupport", "value": "false"}, {"name": "syft:distro:id", "value": "debian"},
       {"name": "syft:distro:idLike:0", "value": "like"}, {"name": "syft:distro:prettyName", "value": "Debian GNU/Linux 12 (bookworm)"},
       {"name": "syft:distro:versionCodename", "value": "bookworm"}, {"name": "syft:distro:versionID", "value": "12"}]},
    {"bom-ref": "f", "type": "file", "name": "/etc/passwd"}
  ]}`

	trivy = `{
  "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
  "metadata": {"tools": [{"vendor": "aquasecurity", "name": "trivy", "version": "dev"}],
    "component": {"bom-ref": "c", "type": "container", "name": "centos-7.tar.gz"}},
  "components": [
    {"bom-ref": "a", "type": "library", "name": "openssl-libs", "version": "1.0.2k-16.el7",
     "supplier": {"name": "CentOS"},
     "hashes": [{"alg": "MD5", "content": "483792b8b5f9eb8be7dc4407733118d0"}],
     "purl": "pkg:rpm/centos/openssl-libs@1.0.2k-16.el7?arch=x86_64&epoch=1&distro=centos-7.6.1810",
     "properties": [
       {"name": "aquasecurity:trivy:PkgID", "value": "openssl-libs@1.0.2k-16.el7.x86_64"},
       {"name": "aquasecurity:trivy:PkgType", "value": "centos"},
       {"name": "aquasecurity:trivy:SrcName", "value": "openssl"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "1.0.2k"},
       {"name": "aquasecurity:trivy:SrcRelease", "value": "16.el7"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"},
       {"name": "aquasecurity:trivy:LayerDiffID", "value": "sha256:01"}, {"name": "aquasecurity:trivy:LayerDigest", "value": "sha256:02"},
       {"name": "aquasecurity:trivy:Modularitylabel", "value": "m:1:2:3"},
       {"name": "aquasecurity:trivy:ContentSet", "value": "rhel-7-server-rpms"}]},
    {"bom-ref": "b", "type": "library", "name": "libexample1", "version": "1:2.3-4+b2",
     "purl": "pkg:deb/debian/libexample1@2.3-4%2Bb2?arch=amd64&distro=debian-12.5&epoch=1",
     "properties": [
       {"name": "aquasecurity:trivy:SrcName", "value": "example"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "2.3"},
       {"name": "aquasecurity:trivy:SrcRelease", "value": "4"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}]},
    {"bom-ref": "e", "type": "application", "name": "Gemfile.lock", "properties": [{"name": "aquasecurity:trivy:Type", "value": "bundler"}]},
    {"bom-ref": "d", "type": "library", "name": "actionpack", "version": "7.0.0", "purl": "pkg:gem/actionpack@7.0.0",
     "properties": [{"name": "aquasecurity:trivy:PkgType", "value": "gemspec"},
       {"name": "aquasecurity:trivy:FilePath", "value": "usr/lib/gems/actionpack.gemspec"}]},
    {"bom-ref": "o", "type": "operating-system", "name": "redhat", "version": "7.6",
     "properties": [{"name": "aquasecurity:trivy:Type", "value": "redhat"}, {"name": "aquasecurity:trivy:Class", "value": "os-pkgs"}]}
  ], "dependencies": [{"ref": "o", "dependsOn": ["a"]}], "vulnerabilities": []}`

	cdxgen = `{
  "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
  "metadata": {"tools": {"components": [{"group": "@cyclonedx", "name": "cdxgen", "version": "11.1.7", "type": "application",
      "purl": "pkg:npm/%40cyclonedx/cdxgen@11.1.7", "authors": [{"name": "OWASP Foundation"}]}]},
    "component": {"type": "application", "name": "app", "purl": "pkg:npm/app@1.0.0",
      "components": [{"type": "library", "name": "child", "version": "2.0.0", "purl": "pkg:npm/child@2.0.0"}]},
    "properties": [{"name": "cdx:bom:componentTypes", "value": "npm"}]},
  "components": [
    {"type": "framework", "group": "@angular", "name": "core", "version": "17.0.0", "purl": "pkg:npm/%40angular/core@17.0.0", "scope": "required",
     "evidence": {"identity": [{"field": "purl", "confidence": 1}], "occurrences": [{"location": "/app/node_modules/@angular/core/package.json"}]},
     "components": [{"type": "library", "name": "nested", "version": "1", "purl": "pkg:npm/nested@1",
       "components": [{"type": "library", "name": "deeper", "purl": "pkg:npm/deeper@3"}]}]},
    {"type": "library", "name": "libc6", "version": "2.36-9", "purl": "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
     "properties": [{"name": "SrcFile", "value": "/var/lib/dpkg/status"}]},
    {"type": "library", "name": "unknown", "version": "1"}
  ]}`
)

func TestDecodeSyft(t *testing.T) {
	want := cyclonedx.Scan{Client: "syft 1.57.0", Inventory: inventory.Inventory{
		System: inventory.System{ID: "debian", IDLike: []string{"like"}, VersionID: "12", Codename: "bookworm", PrettyName: "Debian GNU/Linux 12 (bookworm)"},
		Packages: []inventory.Package{
			{Type: "deb", Name: "bsdutils", Version: "1:2.38.1-5+deb12u3", Arch: "amd64", Source: "util-linux", SourceVersion: "2.38.1-5+deb12u3",
				Vendor: "util-linux packagers <util-linux@packages.debian.org>", Layer: "sha256:00",
				Evidence: []inventory.Evidence{
					{Path: "usr/share/doc/bsdutils/copyright", Kind: "dpkg-db-cataloger"}, {Path: "var/lib/dpkg/status", Kind: "dpkg-db-cataloger"}}},
			{Type: "golang", Name: "github.com/pierrec/lz4/v4", Version: "v4.1.21"},
			{Type: "rpm", Name: "openssl-libs", Version: "1:1.1.1g-15.el8_3", Arch: "x86_64", Source: "openssl", SourceVersion: "1.1.1g-15.el8_3"},
		},
		ScanErrors: []inventory.ScanError{{Kind: inventory.KindFile, Err: `component "package-1": purl "a-purl-1": the scheme is not "pkg"`}},
	}}
	compare(t, syft, want)
}

func TestDecodeTrivy(t *testing.T) {
	want := cyclonedx.Scan{Client: "trivy dev", Inventory: inventory.Inventory{
		System: inventory.System{ID: "rhel", VersionID: "7.6"},
		Packages: []inventory.Package{
			{Type: "deb", Name: "libexample1", Version: "1:2.3-4+b2", Arch: "amd64", Source: "example", SourceVersion: "1:2.3-4"},
			{Type: "gem", Name: "actionpack", Version: "7.0.0", Evidence: []inventory.Evidence{{Path: "usr/lib/gems/actionpack.gemspec", Kind: "gemspec"}}},
			{Type: "rpm", Name: "openssl-libs", Version: "1:1.0.2k-16.el7", Arch: "x86_64", Source: "openssl", SourceVersion: "1.0.2k-16.el7",
				Vendor: "CentOS", Layer: "sha256:01", Module: "m:1:2:3", ContentSets: []string{"rhel-7-server-rpms"}, Hashes: []string{"md5:483792b8b5f9eb8be7dc4407733118d0"}},
		},
	}}
	compare(t, trivy, want)
}

func TestDecodeCdxgen(t *testing.T) {
	want := cyclonedx.Scan{Client: "cdxgen 11.1.7", Inventory: inventory.Inventory{
		System: inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{
			{Type: "deb", Name: "libc6", Version: "2.36-9", Arch: "amd64", Source: "libc6", SourceVersion: "2.36-9",
				Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status"}}},
			{Type: "npm", Name: "@angular/core", Version: "17.0.0", Evidence: []inventory.Evidence{{Path: "app/node_modules/@angular/core/package.json"}}},
			{Type: "npm", Name: "child", Version: "2.0.0"},
			{Type: "npm", Name: "deeper", Version: "3"},
			{Type: "npm", Name: "nested", Version: "1"},
		},
		ScanErrors: []inventory.ScanError{{Kind: inventory.KindFile, Err: `component "unknown": the purl is missing`}},
	}}
	compare(t, cdxgen, want)
}

func compare(t *testing.T, doc string, want cyclonedx.Scan) {
	t.Helper()
	got := decode(t, []byte(doc))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if again := decode(t, encode(t, got)); !reflect.DeepEqual(again, got) {
		t.Errorf("encoded and decoded again\n got %+v\nwant %+v", again, got)
	}
}

// This document of Trivy's tests has vulnerability statements and no components.
func TestDecodeStatements(t *testing.T) {
	archive, err := zip.OpenReader(testkit.Path(t, "feeds", "openvex", "trivy.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	f, err := archive.Open("cyclonedx.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, doc); !reflect.DeepEqual(got, cyclonedx.Scan{}) {
		t.Errorf("got %+v, want nothing", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const head = `{"bomFormat":"CycloneDX","specVersion":"1.6",`
	tests := []struct{ name, doc, want string }{
		{"empty", ``, "unexpected end"},
		{"no JSON", `<bom/>`, `unexpected "<bom/>", want an object`},
		{"no object", `[]`, `"[]", want an object`},
		{"SPDX", `{"spdxVersion":"SPDX-2.3"}`, `bomFormat is ""`},
		{"other format", `{"bomFormat":"SPDX","specVersion":"1.6"}`, `bomFormat is "SPDX"`},
		{"2.0", `{"bomFormat":"CycloneDX","specVersion":"2.0"}`, `specVersion "2.0"`},
		{"no version", `{"bomFormat":"CycloneDX"}`, `specVersion ""`},
		{"cut off", head + `"components":[{"type":"libr`, "unexpected end"},
		{"two documents", head + `"version":1}{}`, `"{}", want the end`},
		{"components of another type", head + `"components":"none"}`, `want a list`},
		{"option without a name", head + `"metadata":{"properties":[{"name":"assay:option:flag","value":"x"}]}}`, "ORIGIN:NAME"},
		{"partial that is not JSON", head + `"metadata":{"properties":[{"name":"assay:partial","value":"x"}]}}`, "assay:partial"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := cyclonedx.Decode(strings.NewReader(tt.doc), cyclonedx.DefaultLimits())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want %q", s, err, tt.want)
			}
		})
	}
}

func TestDecodeIsBounded(t *testing.T) {
	const head = `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[`
	limits := cyclonedx.Limits{Bytes: 10_000, Values: 100, Depth: 10}
	tests := []struct{ name, doc, want string }{
		{"bytes", head + strings.Repeat(" ", 10_000) + `]}`, "more than 10000 bytes"},
		{"objects", head + strings.Repeat(`{},`, 200) + `{}]}`, "more than 100 values"},
		{"nulls", head + strings.Repeat(`null,`, 200) + `null]}`, "more than 100 values"},
		{"strings within strings", head + `{"name":"` + strings.Repeat(`\",{[`, 50) + `","x":[` + strings.Repeat(`1,`, 200) + `1]}]}`, "more than 100 values"},
		{"nesting", head + strings.Repeat(`{"components":[`, 20) + strings.Repeat(`]}`, 20) + `]}`, "nested too deeply: more than 10 levels"},
		{"nesting of what is ignored", head + `{"x":` + strings.Repeat(`[`, 20), "nested too deeply: more than 10 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cyclonedx.Decode(strings.NewReader(tt.doc), limits)
			if !errors.Is(err, cyclonedx.ErrTooLarge) && !errors.Is(err, cyclonedx.ErrTooDeep) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	within := head + `{"type":"library","name":"` + strings.Repeat(`\",{[`, 100) + `","purl":"pkg:npm/a@1"},null]}`
	if s, err := cyclonedx.Decode(strings.NewReader(within), limits); err != nil || len(s.Inventory.Packages) != 1 {
		t.Errorf("brackets within a string: %+v, %v", s, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range []string{syft, trivy, cdxgen, string(encode(f, example)), `{"bomFormat":"CycloneDX","specVersion":"1.4","components":[{"purl":"pkg:a/b"}]}`} {
		f.Add([]byte(doc))
	}
	limits := cyclonedx.Limits{Bytes: 1 << 20, Values: 10_000, Depth: 64}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := cyclonedx.Decode(bytes.NewReader(doc), limits)
		if err != nil {
			return
		}
		// A decoded scan can be encoded and decoded without loss.
		first := encode(t, s)
		again, err := cyclonedx.Decode(bytes.NewReader(first), cyclonedx.DefaultLimits())
		if err != nil {
			t.Fatalf("assay's own document: %v\n%s", err, first)
		}
		if !reflect.DeepEqual(again, s) {
			t.Errorf("\n got %+v\nwant %+v\n%s", again, s, first)
		}
		if !slices.IsSortedFunc(s.Inventory.ScanErrors, func(a, b inventory.ScanError) int { return strings.Compare(a.Path, b.Path) }) {
			t.Error("the inventory is not sorted")
		}
	})
}

// An unknown value counts as the worst known one. It must not remove a package, make a scan
// error harmless, or let a distribution decide about a file.
func TestDecodeUnknown(t *testing.T) {
	got := decode(t, []byte(`{"bomFormat": "CycloneDX", "specVersion": "1.6",
		"metadata": {"properties": [{"name": "assay:partial", "value": "{\"path\":\"a\",\"kind\":\"archive\",\"error\":\"x\"}"}]},
		"components": [
			{"type": "platform", "purl": "pkg:npm/a@1"},
			{"type": "firmware", "purl": "pkg:npm/b@1", "components": [{"type": "file", "purl": "pkg:npm/c@1"}]},
			{"type": "container", "name": "debian", "purl": "pkg:oci/debian@sha256:0"},
			{"type": "file", "name": "/etc/passwd"},
			{"type": "library", "purl": "pkg:pypi/d@1", "properties": [
				{"name": "assay:owner", "value": "python3-d"}, {"name": "assay:owner-digest", "value": "probably"}]}
		]}`)).Inventory
	var names []string
	for _, p := range got.Packages {
		names = append(names, p.Name)
		if p.Name == "d" && (p.Owner == nil || p.Owner.Digest != inventory.DigestDifferent) {
			t.Errorf("the owner of d: %+v", p.Owner)
		}
	}
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(names, want) {
		t.Errorf("packages %q, want %q", names, want)
	}
	if len(got.ScanErrors) != 1 || got.ScanErrors[0].Kind != inventory.KindDatabase {
		t.Errorf("scan errors %+v", got.ScanErrors)
	}
}

// A repeated key is read as by encoding/json: the later list replaces the earlier one. No part
// of a component stays in the next one.
func TestDecodeTwice(t *testing.T) {
	const doc = `{"bomFormat":"CycloneDX","specVersion":"1.6",
	  "components":[{"type":"operating-system","name":"debian"},{"purl":"pkg:deb/debian/a@1?distro=debian-12"},{"name":"no purl"}],
	  "components":[
	    {"purl":"pkg:npm/b@1","properties":[{"name":"assay:arch","value":"x"}],"properties":[{"name":"assay:vendor","value":"v"},{"name":"assay:vendor","value":"w"}],
	     "hashes":[{"alg":"MD5","content":"00"}],"evidence":{"occurrences":[{"location":"b"},{"location":"a"}]}},
	    null,
	    {"purl":"pkg:npm/c@1","evidence":{"occurrences":[{"location":"c"}]},"evidence":null},
	    {"purl":"pkg:npm/d@1"}]}`
	want := cyclonedx.Scan{Inventory: inventory.Inventory{Packages: []inventory.Package{
		{Type: "npm", Name: "b", Version: "1", Vendor: "v", Hashes: []string{"md5:00"}, Evidence: []inventory.Evidence{{Path: "a"}, {Path: "b"}}},
		{Type: "npm", Name: "c", Version: "1"},
		{Type: "npm", Name: "d", Version: "1"},
	}}}
	if got := decode(t, []byte(doc)); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}
