package redhat

import (
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

func TestRealManifests(t *testing.T) {
	for name, want := range map[string][]string{
		"ubi8-minimal-container-8.5-218.json": {"rhel-8-for-x86_64-appstream-rpms", "rhel-8-for-x86_64-baseos-rpms"},
		"sbom-purl.json":                      nil,
		"broken.json":                         nil,
	} {
		f, err := os.Open(testkit.Path(t, "pkgdb", "redhat-build-info", "trivy", "content_manifests", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadContentSets(f)
		f.Close()
		if !slices.Equal(got, want) || (err != nil) != (name == "broken.json") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestReadContentSets(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  []string
		fails bool
	}{
		{`{"content_sets": ["b", "a", "b"]}`, []string{"a", "b"}, false},
		{`{"content_sets": null}`, nil, false},
		{`{}`, nil, false},
		{``, nil, true},
		{`{"content_sets": ["a"`, nil, true},
		{`{"content_sets": [1]}`, nil, true},
		{`{"content_sets": [""]}`, nil, true},
		{`{"content_sets": ["` + strings.Repeat("x", maxName+1) + `"]}`, nil, true},
		{`{"content_sets": ["a"` + strings.Repeat(`, "a"`, maxSets) + `]}`, nil, true},
		{strings.Repeat(`{"content_sets":`, 100_000), nil, true},
		{`[]`, nil, true},
		// Labels, as quay/claircore has them in its test data.
		{`{"name": "openshift-gitops-1/gitops-rhel8-operator", "org.opencontainers.image.created": "2025-04-14T02:14:26Z",
			"cpe": "cpe:/a:redhat:openshift_gitops:1.16::el8", "architecture": "x86_64"}`, []string{"cpe:/a:redhat:openshift_gitops:1.16::el8"}, false},
		{`{"name": "\"rhacs-main-container\"", "cpe": "\"cpe:/a:redhat:advanced_cluster_security:4.9::el8\""}`,
			[]string{"cpe:/a:redhat:advanced_cluster_security:4.9::el8"}, false},
		{`{"content_sets": ["rhel", "a"], "cpe": "cpe:/b"}`, []string{"a", "cpe:/b", "rhel"}, false},
		{`{"cpe": ""}`, nil, false},
		{`{"cpe": ["cpe:/a"]}`, nil, true},
		{`{"cpe": "` + strings.Repeat("x", maxName+1) + `"}`, nil, true},
	} {
		got, err := ReadContentSets(strings.NewReader(c.text))
		if !slices.Equal(got, c.want) || (err != nil) != c.fails {
			t.Errorf("%.40s: %q, %v", c.text, got, err)
		}
	}
}

func FuzzReadContentSets(f *testing.F) {
	f.Add(`{"content_sets": ["rhel-8-for-x86_64-baseos-rpms", "b"]}`)
	f.Add(`{"content_sets": ["\ud800", "a\u0000"], "image_contents": []}`)
	f.Fuzz(func(t *testing.T, text string) {
		sets, err := ReadContentSets(strings.NewReader(text))
		if err != nil && sets != nil {
			t.Errorf("%q with %v", sets, err)
		}
		if !slices.IsSorted(sets) || len(slices.Compact(slices.Clone(sets))) != len(sets) || slices.Contains(sets, "") {
			t.Errorf("%q", sets)
		}
	})
}
