package bitnami

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// TestGenuine reads the records of Bitnami's images.
func TestGenuine(t *testing.T) {
	root := testkit.Path(t, "pkgdb", "bitnami-spdx", "syft")
	for _, tt := range []struct {
		path  string
		want  []string // some of the packages
		count int
		fails string
	}{
		{"json/opt/bitnami/postgresql/.spdx-postgresql.spdx", []string{"postgresql 17.2.0-8 arm64", "geos 3.13.0 arm64", "nss_wrapper 1.1.16 arm64"}, 16, ""},
		{"no-rel/opt/bitnami/redis/.spdx-redis.spdx", []string{"redis 7.4.0-0 arm64"}, 1, ""},
		{"mix/opt/bitnami/render-template/.spdx-render-template.spdx", []string{"render-template 1.0.7-4 arm64"}, 1, ""},
		{"tag-value/opt/bitnami/redis/.spdx-apache.spdx", []string{"redis 7.4.1-0 arm64"}, 1, ""},
		{"components-json-postgresql/opt/bitnami/.bitnami_components.json", []string{"postgresql 11.22.0-4 amd64"}, 1, ""},
		{"components-json-mongodb/opt/bitnami/.bitnami_components.json", []string{"gosu 1.14.0-1 amd64", "mongodb 4.4.11-2 amd64", "yq 4.16.2-2 amd64"}, 5, ""},
		{"invalid/opt/bitnami/redis/.spdx-redis.spdx", nil, 0, "invalid character"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			_, at, _ := strings.Cut(tt.path, "/")
			if !Wants(at) {
				t.Errorf("Wants(%q) is false", at)
			}
			f, err := os.Open(filepath.Join(root, tt.path))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			found, err := Read(f, at)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v, %v", found, err)
				}
				return
			}
			if err != nil || len(found) != tt.count {
				t.Fatalf("%d packages, %v", len(found), err)
			}
			var got []string
			for _, p := range found {
				if p.Type != "bitnami" || p.Evidence[0].Path != at {
					t.Errorf("%+v", p)
				}
				got = append(got, p.Name+" "+p.Version+" "+p.Arch)
			}
			for _, w := range tt.want {
				if !slices.Contains(got, w) {
					t.Errorf("%q is missing: %q", w, got)
				}
			}
		})
	}
}

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		"opt/bitnami/redis/.spdx-redis.spdx":         true,
		"opt/bitnami/redis/scripts/.spdx-redis.spdx": true,
		"opt/bitnami/.bitnami_components.json":       true,
		"opt/bitnami/x/.bitnami_components.json":     false,
		"opt/bitnami/redis/redis.spdx":               false,
		"srv/opt/bitnami/redis/.spdx-redis.spdx":     false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("Wants(%q) = %t", path, got)
		}
	}
}

func TestRead(t *testing.T) {
	const at = "opt/bitnami/x/.spdx-x.spdx"
	document := func(purl string) string {
		return `{"spdxVersion":"SPDX-2.3","packages":[{"externalRefs":[{"referenceType":"purl","referenceLocator":"` + purl + `"}]}]}`
	}
	for name, tt := range map[string]struct{ path, text, want, fails string }{
		"escapes":                 {at, document("pkg:bitnami/a%2Bb@1%3A2?arch=amd64#x"), "a+b 1:2 amd64", ""},
		"no architecture":         {at, document("pkg:bitnami/a@1"), "a 1 ", ""},
		"no version":              {at, document("pkg:bitnami/a"), "", "invalid purl"},
		"a space":                 {at, document("pkg:bitnami/a%20b@1"), "", "invalid purl"},
		"a broken escape":         {at, document("pkg:bitnami/a@%"), "", "invalid purl"},
		"no package of Bitnami":   {at, document("pkg:golang/a@1"), "", "no package of Bitnami"},
		"another version of SPDX": {at, `{"spdxVersion":"SPDX-3.0"}`, "", "not an SPDX 2 document"},
		"other text":              {at, "text", "", "not an SPDX 2 document"},
		"empty":                   {at, "", "", "not an SPDX 2 document"},
		"a bad component":         {folder + components, `{"a":{"version":"1"},"b":{}}`, "a 1 ", `component "b"`},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Read(strings.NewReader(tt.text), tt.path)
			got := ""
			for _, p := range found {
				got += p.Name + " " + p.Version + " " + p.Arch
			}
			if got != tt.want || (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"spdxVersion":"SPDX-2.3","packages":[{"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:bitnami/a@1?arch=b"}]}]}`)
	f.Add("SPDXVersion: SPDX-2.3\nExternalRef: PACKAGE-MANAGER purl pkg:bitnami/a@1\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, at := range []string{"opt/bitnami/x/.spdx-x.spdx", folder + components} {
			found, _ := Read(strings.NewReader(text), at)
			for _, p := range found {
				if p.Name == "" || p.Version == "" || strings.ContainsAny(p.Name+p.Version+p.Arch, " \n") {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}
