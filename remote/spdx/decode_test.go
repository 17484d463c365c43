package spdx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/jsonread"
	"assay/remote/spdx"
)

// trivy is a document as Trivy writes it. sbomTool is one of Microsoft's sbom-tool.
const (
	trivy = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","creationInfo":{"creators":["Organization: aquasecurity","Tool: trivy-0.74.0"]},
"packages":[
 {"SPDXID":"SPDXRef-Application-9ff488318faa4dd9","name":"app/Gemfile.lock","primaryPackagePurpose":"APPLICATION","annotations":[{"comment":"Class: lang-pkgs"}]},
 {"SPDXID":"SPDXRef-ContainerImage-8f","name":"rails:latest","primaryPackagePurpose":"CONTAINER","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:oci/rails@sha256%3Aab?arch=amd64"}]},
 {"SPDXID":"SPDXRef-OperatingSystem-c0","name":"redhat","versionInfo":"8.3.2011","primaryPackagePurpose":"OPERATING-SYSTEM"},
 {"SPDXID":"SPDXRef-Package-fd","name":"binutils","versionInfo":"2.30","supplier":"Organization: Red Hat, Inc.","primaryPackagePurpose":"LIBRARY","sourceInfo":"built package from: binutils-src 1:2.30-93.el8",
  "annotations":[{"comment":"PkgType: centos"},{"comment":"Modularitylabel: tools:rhel8:8020:x"}],
  "checksums":[{"algorithm":"SHA256","checksumValue":"AB12"}],
  "externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:rpm/centos/binutils@2.30-93.el8?arch=aarch64&distro=centos-8.3.2011&epoch=1"}]},
 {"SPDXID":"SPDXRef-Package-d3","name":"actionpack","versionInfo":"7.0.1","sourceInfo":"package found in: app/Gemfile.lock","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:gem/actionpack@7.0.1"}]},
 {"SPDXID":"SPDXRef-Package-e4","name":"no purl","versionInfo":"1"}],
"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relatedSpdxElement":"SPDXRef-ContainerImage-8f","relationshipType":"DESCRIBES"},
 {"spdxElementId":"SPDXRef-Application-9ff488318faa4dd9","relatedSpdxElement":"SPDXRef-Package-d3","relationshipType":"CONTAINS"}]}`

	sbomTool = `{"files":[{"fileName":"./tool","SPDXID":"SPDXRef-File--tool","checksums":[{"algorithm":"SHA1","checksumValue":"00"}]}],
"packages":[
 {"name":"Castle.Core","SPDXID":"SPDXRef-Package-1","versionInfo":"5.1.1","supplier":"NOASSERTION","externalRefs":[{"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:nuget/Castle.Core@5.1.1"}]},
 {"name":"sbom-tool","SPDXID":"SPDXRef-RootPackage","versionInfo":"4","hasFiles":["SPDXRef-File--tool"],"externalRefs":[{"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:swid/Microsoft/sbom.microsoft/sbom-tool@4?tag_id=1"}]}],
"externalDocumentRefs":[{"externalDocumentId":"DocumentRef-base","spdxDocument":"https://example.com/base"}],
"relationships":[{"relationshipType":"DEPENDS_ON","relatedSpdxElement":"SPDXRef-Package-1","spdxElementId":"SPDXRef-RootPackage"}],
"spdxVersion":"SPDX-2.2","creationInfo":{"creators":["Organization: Microsoft","Tool: Microsoft.SBOMTool-4.0.3"]},"documentDescribes":["SPDXRef-RootPackage"]}`
)

func decode(t *testing.T, doc string) cyclonedx.Scan {
	t.Helper()
	s, err := spdx.Decode(doc, cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPeers reads documents as other tools write them. What has no purl is a scan error.
func TestPeers(t *testing.T) {
	for name, tt := range map[string]struct {
		doc  string
		want cyclonedx.Scan
	}{
		"trivy": {trivy, cyclonedx.Scan{
			Client: "trivy 0.74.0",
			Inventory: inventory.Inventory{
				System: inventory.System{ID: "rhel", VersionID: "8.3.2011"},
				Packages: []inventory.Package{
					{Type: "gem", Name: "actionpack", Version: "7.0.1", Evidence: []inventory.Evidence{{Path: "app/Gemfile.lock"}}},
					{Type: "rpm", Name: "binutils", Version: "1:2.30-93.el8", Arch: "aarch64", Source: "binutils-src", SourceVersion: "2.30-93.el8",
						Vendor: "Red Hat, Inc.", Module: "tools:rhel8:8020:x", Hashes: []string{"sha256:ab12"}},
				},
				ScanErrors: []inventory.ScanError{{Kind: inventory.KindFile, Err: `package "no purl": the purl is missing`}},
			},
		}},
		"sbom-tool": {sbomTool, cyclonedx.Scan{
			Client: "Microsoft.SBOMTool 4.0.3",
			Inventory: inventory.Inventory{
				Packages:   []inventory.Package{{Type: "nuget", Name: "Castle.Core", Version: "5.1.1"}},
				ScanErrors: []inventory.ScanError{{Kind: inventory.KindFile, Err: `the document refers to the document "DocumentRef-base", which was not sent`}},
			},
		}},
	} {
		if got := decode(t, tt.doc); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, tt.want)
		}
	}
}

// TestNothingIsDropped: each package is in the inventory or is a scan error.
func TestNothingIsDropped(t *testing.T) {
	purl := func(p string) string {
		return `{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"` + p + `"}`
	}
	for name, tt := range map[string]struct {
		packages, more   string
		found, notMapped int
	}{
		"no purl":                    {`{"SPDXID":"SPDXRef-1","name":"a"}`, ``, 0, 1},
		"bad purl":                   {`{"SPDXID":"SPDXRef-1","name":"a","externalRefs":[` + purl("npm/a") + `]}`, ``, 0, 1},
		"two purls":                  {`{"SPDXID":"SPDXRef-1","name":"a","externalRefs":[` + purl("pkg:npm/a@1") + `,` + purl("pkg:npm/b@1") + `,` + purl("x") + `]}`, ``, 2, 1},
		"application":                {`{"SPDXID":"SPDXRef-1","name":"a","primaryPackagePurpose":"APPLICATION"}`, ``, 0, 1},
		"what it describes":          {`{"SPDXID":"SPDXRef-1","name":"a"}`, `,"documentDescribes":["SPDXRef-1"]`, 0, 0},
		"it describes each":          {`{"SPDXID":"SPDXRef-1","name":"a"},{"SPDXID":"SPDXRef-2","name":"b"}`, `,"documentDescribes":["SPDXRef-1","SPDXRef-2"]`, 0, 2},
		"described with a purl":      {`{"SPDXID":"SPDXRef-1","name":"a","externalRefs":[` + purl("pkg:npm/a@1") + `]}`, `,"documentDescribes":["SPDXRef-1"]`, 1, 0},
		"swid":                       {`{"SPDXID":"SPDXRef-1","name":"a","externalRefs":[` + purl("pkg:swid/a@1?tag_id=1") + `]}`, ``, 0, 1},
		"two systems":                {`{"name":"debian","primaryPackagePurpose":"OPERATING_SYSTEM"},{"name":"alpine","primaryPackagePurpose":"OPERATING_SYSTEM"}`, ``, 0, 1},
		"null":                       {`null`, ``, 0, 0},
		"a scan error of a document": {``, `,"annotations":[{"comment":"assay:partial {\"path\":\"a\",\"kind\":\"database\",\"error\":\"x\"}"},{"comment":"other"}]`, 0, 1},
	} {
		inv := decode(t, `{"spdxVersion":"SPDX-2.3","packages":[`+tt.packages+`]`+tt.more+`}`).Inventory
		if len(inv.Packages) != tt.found || len(inv.ScanErrors) != tt.notMapped {
			t.Errorf("%s: packages %+v, scan errors %+v", name, inv.Packages, inv.ScanErrors)
		}
	}
}

// TestUnknownVersion: the words of SPDX for an unknown version are not versions, which would be
// newer than any other in some orders.
func TestUnknownVersion(t *testing.T) {
	for _, version := range []string{"NOASSERTION", "NONE", ""} {
		inv := decode(t, `{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","versionInfo":"`+version+`",
			"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/a?distro=debian-12"}]}]}`).Inventory
		if len(inv.Packages) != 1 || inv.Packages[0].Version != "" {
			t.Errorf("%q: %+v", version, inv.Packages)
		}
	}
}

// TestRejected: a document that is damaged, of another version or too large is an error.
func TestRejected(t *testing.T) {
	small := jsonread.Limits{Bytes: 1 << 20, Values: 50, Depth: 8}
	for name, tt := range map[string]struct {
		doc string
		is  error
	}{
		"version":      {`{"spdxVersion":"SPDX-3.0"}`, nil},
		"no version":   {`{"packages":[]}`, nil},
		"damaged":      {`{"spdxVersion":"SPDX-2.3","packages":[`, nil},
		"type":         {`{"spdxVersion":"SPDX-2.3","packages":{}}`, nil},
		"other":        {`{"predicateType":"https://slsa.dev/provenance/v1","predicate":{"spdxVersion":"SPDX-2.3"}}`, nil},
		"no predicate": {`{"predicateType":"https://spdx.dev/Document","spdxVersion":"SPDX-2.3"}`, nil},
		"annotation":   {`{"spdxVersion":"SPDX-2.3","annotations":[{"comment":"assay:partial {"}]}`, nil},
		"about":        {`{"spdxVersion":"SPDX-2.3","packages":[{"annotations":[{"comment":"assay:about {"}],"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}`, nil},
		"about values": {`{"spdxVersion":"SPDX-2.3","packages":[{"annotations":[{"comment":"assay:about {\"evidence\":[` + strings.Repeat("{},", 60) + `{}]}"}],"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}`, jsonread.ErrTooLarge},
		"paths":        {`{"spdxVersion":"SPDX-2.3","packages":[{"sourceInfo":"found in ` + strings.Repeat("/a, /b, ", 30) + `/c"}]}`, jsonread.ErrTooLarge},
		"texts of purls": {`{"spdxVersion":"SPDX-2.3","packages":[{"supplier":"Person: ` + strings.Repeat("a", 300_000) + ` (a@b)","externalRefs":[` +
			strings.Repeat(`{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"},`, 6) + `{}]}]}`, jsonread.ErrTooLarge},
		"paths of purls": {`{"spdxVersion":"SPDX-2.3","packages":[{"sourceInfo":"found in ` + strings.Repeat("/a, /b, ", 5) + `/c","externalRefs":[` +
			strings.Repeat(`{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"},`, 6) + `{}]}]}`, jsonread.ErrTooLarge},
		"values": {`{"spdxVersion":"SPDX-2.3","files":[` + strings.Repeat("1,", 60) + `1]}`, jsonread.ErrTooLarge},
		"depth":  {`{"spdxVersion":"SPDX-2.3","files":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, jsonread.ErrTooDeep},
	} {
		if s, err := spdx.Decode(tt.doc, small); err == nil || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// TestRoundTrip: a document of assay has the same inventory, alone and in a statement.
func TestRoundTrip(t *testing.T) {
	sample, err := inspect.Inspect(t.Context(), filepath.Join(testkit.Root(t), "testdata", "sample", "root"), inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	everything := inventory.Inventory{
		System: inventory.System{ID: "mint", IDLike: []string{"ubuntu", "debian"}, VersionID: "21", Codename: "x", PrettyName: "Mint", CPE: "cpe:/o:mint:21",
			Repositories: []string{"a", "b"}, Path: "etc/os-release"},
		Packages: []inventory.Package{
			{Type: "deb", Name: "a//b\n", Version: "1:2", Arch: "amd64", Source: "s", SourceVersion: "3", Vendor: "V (x) <v@example.com>", CPE: "cpe:2.3:a:x:x:1:*:*:*:*:*:*:*",
				Evidence: []inventory.Evidence{{Path: "a, /b", Kind: "chisel"}, {Path: "c", Kind: "dpkg"}}, Held: true},
			{Type: "npm", Name: "@a/b", Version: "1", Owner: &inventory.Owner{Package: "a", Digest: inventory.DigestEqual}, EmbeddedIn: "x.jar"},
			{Type: "rpm", Name: "r", Version: "1:2-3", Source: "s", SourceVersion: "2-3", Module: "m:1", ContentSets: []string{"a", "b"}},
		},
		ScanErrors: []inventory.ScanError{{Path: "p", Kind: inventory.KindDatabase, Err: "denied"}},
	}
	for name, inv := range map[string]inventory.Inventory{"sample": sample, "everything": everything, "empty": {}} {
		inv.Sort()
		for i := range inv.Packages {
			inv.Packages[i].Hashes = nil // nothing evaluates them
		}
		want, err := json.Marshal(inv)
		if err != nil {
			t.Fatal(err)
		}
		d := spdx.Document{Name: "image", Namespace: "https://assay.example.com/x", Created: created, Tool: "assay 1.0.0", Inventory: inv}
		var alone, statement bytes.Buffer
		if err := errors.Join(spdx.Write(&alone, d), spdx.WriteStatement(&statement, d)); err != nil {
			t.Fatal(err)
		}
		for _, doc := range []string{alone.String(), statement.String()} {
			s := decode(t, doc)
			if got, err := json.Marshal(s.Inventory); err != nil || !bytes.Equal(got, want) || s.Client != "assay 1.0.0" {
				t.Errorf("%s, by %q, %v:\n%s, want\n%s", name, s.Client, err, got, want)
			}
			if !spdx.Is(doc, cyclonedx.DefaultLimits()) {
				t.Errorf("%s is not taken for SPDX", name)
			}
		}
	}
}

// FuzzDecode: a document is an error, or its packages have a type and a name.
func FuzzDecode(f *testing.F) {
	f.Add(trivy)
	f.Add(sbomTool)
	f.Add(`{"predicateType":"https://spdx.dev/Document","predicate":` + trivy + `}`)
	f.Add(`{"spdxVersion":"SPDX-2.3","packages":[{"annotations":[{"comment":"assay:about {\"properties\":[{\"name\":\"assay:type\",\"value\":\"deb\"}]}"}],"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/a@1?distro=debian-12"}]}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		s, err := spdx.Decode(doc, jsonread.Limits{Bytes: 1 << 20, Values: 10_000, Depth: 32})
		again, err2 := spdx.Decode(doc, jsonread.Limits{Bytes: 1 << 20, Values: 10_000, Depth: 32})
		if fmt.Sprint(err) != fmt.Sprint(err2) || !reflect.DeepEqual(s, again) {
			t.Fatal("the second reading differs")
		}
		if err != nil {
			return
		}
		if strings.Count(doc, "[") == 0 && len(s.Inventory.Packages) > 0 {
			t.Fatal("packages without a list")
		}
		spdx.Is(doc, jsonread.Limits{Bytes: 1 << 20, Values: 10_000, Depth: 32})
	})
}
