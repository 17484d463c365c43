package purl_test

import (
	"reflect"
	"strings"
	"testing"

	"assay/remote/purl"
)

func qualifiers(pairs ...string) []purl.Qualifier {
	var qs []purl.Qualifier
	for i := 0; i < len(pairs); i += 2 {
		qs = append(qs, purl.Qualifier{Key: pairs[i], Value: pairs[i+1]})
	}
	return qs
}

// The cases are those of the test suite of the purl specification.
func TestParse(t *testing.T) {
	tests := []struct {
		purl, canonical string
		want            purl.PURL
	}{
		{"pkg:maven/org.apache.commons/io@1.3.4", "",
			purl.PURL{Type: "maven", Namespace: "org.apache.commons", Name: "io", Version: "1.3.4"}},
		{"pkg:maven/HTTPClient/HTTPClient@0.3-3", "",
			purl.PURL{Type: "maven", Namespace: "HTTPClient", Name: "HTTPClient", Version: "0.3-3"}},
		{"pkg:maven/mygroup/myartifact@1.0.0%20Final?mykey=my%20value", "",
			purl.PURL{Type: "maven", Namespace: "mygroup", Name: "myartifact", Version: "1.0.0 Final", Qualifiers: qualifiers("mykey", "my value")}},
		{"pkg:Maven/org.apache.xmlgraphics/batik-anim@1.9.1?repositorY_url=repo.spring.io/release&classifier=sources",
			"pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1?classifier=sources&repository_url=repo.spring.io/release",
			purl.PURL{Type: "maven", Namespace: "org.apache.xmlgraphics", Name: "batik-anim", Version: "1.9.1",
				Qualifiers: qualifiers("classifier", "sources", "repository_url", "repo.spring.io/release")}},
		{"pkg:GOLANG/google.golang.org/genproto@abcdedf#/googleapis/api/annotations/",
			"pkg:golang/google.golang.org/genproto@abcdedf#googleapis/api/annotations",
			purl.PURL{Type: "golang", Namespace: "google.golang.org", Name: "genproto", Version: "abcdedf", Subpath: "googleapis/api/annotations"}},
		{"pkg:golang/github.com/gorilla/context@234fd47e07d1004f0aed9c", "",
			purl.PURL{Type: "golang", Namespace: "github.com/gorilla", Name: "context", Version: "234fd47e07d1004f0aed9c"}},
		{"pkg:golang/github.com/Azure/azure-sdk-for-go@v1.0.0", "",
			purl.PURL{Type: "golang", Namespace: "github.com/Azure", Name: "azure-sdk-for-go", Version: "v1.0.0"}},
		{"pkg:github/Package-url/purl-Spec@244fd47e07d1004f0aed9c", "pkg:github/package-url/purl-spec@244fd47e07d1004f0aed9c",
			purl.PURL{Type: "github", Namespace: "package-url", Name: "purl-spec", Version: "244fd47e07d1004f0aed9c"}},
		{"pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie", "",
			purl.PURL{Type: "deb", Namespace: "debian", Name: "curl", Version: "7.50.3-1", Qualifiers: qualifiers("arch", "i386", "distro", "jessie")}},
		{"pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64", "",
			purl.PURL{Type: "deb", Namespace: "debian", Name: "attr", Version: "1:2.4.47-2+b1", Qualifiers: qualifiers("arch", "amd64")}},
		{"pkg:deb/debian/attr@1%3A2.4.47-2+b1", "pkg:deb/debian/attr@1:2.4.47-2%2Bb1",
			purl.PURL{Type: "deb", Namespace: "debian", Name: "attr", Version: "1:2.4.47-2+b1"}},
		{"pkg:docker/customer/dockerimage@sha256:244fd47e07d1004f0aed9c?repository_url=gcr.io", "",
			purl.PURL{Type: "docker", Namespace: "customer", Name: "dockerimage", Version: "sha256:244fd47e07d1004f0aed9c", Qualifiers: qualifiers("repository_url", "gcr.io")}},
		{"pkg:gem/jruby-launcher@1.1.2?Platform=java", "pkg:gem/jruby-launcher@1.1.2?platform=java",
			purl.PURL{Type: "gem", Name: "jruby-launcher", Version: "1.1.2", Qualifiers: qualifiers("platform", "java")}},
		{"pkg:npm/%40angular/animation@12.3.1", "",
			purl.PURL{Type: "npm", Namespace: "@angular", Name: "animation", Version: "12.3.1"}},
		{"pkg:npm/@babel/core#/googleapis/api/annotations/", "pkg:npm/%40babel/core#googleapis/api/annotations",
			purl.PURL{Type: "npm", Namespace: "@babel", Name: "core", Subpath: "googleapis/api/annotations"}},
		{"pkg:npm/mypackage@12.4.5?vcs_url=git://host.com/path/to/repo.git%404345abcd34343", "",
			purl.PURL{Type: "npm", Name: "mypackage", Version: "12.4.5", Qualifiers: qualifiers("vcs_url", "git://host.com/path/to/repo.git@4345abcd34343")}},
		{"pkg:npm/foo@1.0.0#src/%F0%9F%98%83/file.js", "",
			purl.PURL{Type: "npm", Name: "foo", Version: "1.0.0", Subpath: "src/😃/file.js"}},
		{"pkg:nuget/EnterpriseLibrary.Common@6.0.1304", "",
			purl.PURL{Type: "nuget", Name: "EnterpriseLibrary.Common", Version: "6.0.1304"}},
		{"pkg:PYPI/Django_package@1.11.1.dev1", "pkg:pypi/django-package@1.11.1.dev1",
			purl.PURL{Type: "pypi", Name: "django-package", Version: "1.11.1.dev1"}},
		{"pkg:Rpm/fedora/curl@7.50.3-1.fc25?Arch=i386&Distro=fedora-25", "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25",
			purl.PURL{Type: "rpm", Namespace: "fedora", Name: "curl", Version: "7.50.3-1.fc25", Qualifiers: qualifiers("arch", "i386", "distro", "fedora-25")}},
		{"pkg:///maven/org.apache.commons/io", "pkg:maven/org.apache.commons/io",
			purl.PURL{Type: "maven", Namespace: "org.apache.commons", Name: "io"}},
		{"pkg:generic/openssl@1.1.10g?checksum=sha1:ad9503c3e994a4f%2Csha256:41bf9088b3a1e6c1ef1d", "",
			purl.PURL{Type: "generic", Name: "openssl", Version: "1.1.10g", Qualifiers: qualifiers("checksum", "sha1:ad9503c3e994a4f,sha256:41bf9088b3a1e6c1ef1d")}},
		{"pkg:swift/github.com/Alamofire/Alamofire@5.4.3", "",
			purl.PURL{Type: "swift", Namespace: "github.com/Alamofire", Name: "Alamofire", Version: "5.4.3"}},
	}
	for _, tt := range tests {
		got, err := parse(tt.purl)
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Parse(%q)\n got %+v\nwant %+v", tt.purl, got, tt.want)
		}
		canonical := tt.canonical
		if canonical == "" {
			canonical = tt.purl
		}
		if got.String() != canonical {
			t.Errorf("String of %q\n got %q\nwant %q", tt.purl, got, canonical)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"",
		"a-purl-1",
		"EnterpriseLibrary.Common@6.0.1304",
		"pkg:EnterpriseLibrary.Common@6.0.1304",
		"pkg:n&g?inx/nginx@0.8.9",
		"pkg:3nginx/nginx@0.8.9",
		"pkg:nginx:a/nginx@0.8.9",
		"pkg:npm/myartifact@1.0.0?in%20production=true",
		"pkg:maven/@1.3.4",
		"pkg%3Amaven/org.apache.commons/io",
		"pkg:npm/",
		"pkg:npm",
		"pkg:npm/%",
		"pkg:npm/a@1%2",
		"pkg:npm/a@1%zz",
		"pkg:npm/a@%ff",
		"pkg:npm/a%2Fb/c@1",
		"pkg:npm/a@1?x=1&X=2",
		"pkg:npm/a?" + strings.Repeat("a=&", 100),
	} {
		if p, err := parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", s, p)
		}
	}
}

func TestStringOfInvalid(t *testing.T) {
	for _, p := range []purl.PURL{{}, {Type: "deb"}, {Name: "bash"}, {Type: "de b", Name: "bash"}} {
		if s := p.String(); s != "" {
			t.Errorf("String of %+v = %q, want nothing", p, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2")
	f.Add("pkg:npm/@babel/core#/googleapis/api/annotations/")
	f.Add("pkg:rpm/redhat/openssl-libs@1.0.2k-16.el7?arch=x86_64&epoch=1&upstream=openssl-1.0.2k-16.el7.src.rpm")
	f.Add("pkg:maven/a/b@%20#..//x")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parse(s)
		if err != nil {
			return
		}
		again, err := parse(p.String())
		if err != nil {
			t.Fatalf("the canonical form of %q: %v", s, err)
		}
		if !reflect.DeepEqual(again, p) {
			t.Errorf("%q is read as %+v, its canonical form %q as %+v", s, p, p, again)
		}
	})
}

// parse parses into a new PURL, with nil for an empty list of qualifiers.
func parse(s string) (purl.PURL, error) {
	var p purl.PURL
	err := p.Parse(s)
	if len(p.Qualifiers) == 0 {
		p.Qualifiers = nil
	}
	return p, err
}
