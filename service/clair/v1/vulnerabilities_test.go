package v1

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/advisory/load"
	"assay/service/snapshot"
	"assay/service/store"
)

// withData adds a view of the sample advisories, and of records, to the configuration.
func withData(t *testing.T, c *Config, records ...string) {
	t.Helper()
	st := c.Store.(interface {
		store.Advisories
		store.Lists
	})
	paths, err := filepath.Glob("../../../testdata/sample/advisories/*.json")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d sample advisories: %v", len(paths), err)
	}
	var yield iter.Seq2[store.Record, error] = func(yield func(store.Record, error) bool) {
		for _, path := range paths {
			for rec, err := range load.Open(path).Records() {
				if !yield(rec, err) {
					return
				}
			}
		}
		for _, text := range records {
			rec, err := load.Record([]byte(text))
			if !yield(rec, err) {
				return
			}
		}
	}
	if _, err := st.Import(t.Context(), store.Import{Origin: store.Origin{Source: "import"}, At: time.Now()}, yield); err != nil {
		t.Fatal(err)
	}
	db, err := snapshot.Open(filepath.Join(t.TempDir(), "index"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.CatchUp(t.Context(), c.Store.(snapshot.Source)); err != nil {
		t.Fatal(err)
	}
	c.View = func() (View, error) { return db.View() }
}

func TestNamespaces(t *testing.T) {
	record := func(id, ecosystem, name, more string) string {
		return fmt.Sprintf(`{"id":%q,"modified":"2024-01-02T03:04:05Z","details":"about %s",%s"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.1"}]}]}]}`, id, id, more, ecosystem, name)
	}
	r := newRig(t, func(c *Config) {
		withData(t, c,
			record("UBUNTU-CVE-2024-0001", "Ubuntu:22.04:LTS", "openssl", `"upstream":["CVE-2024-0001"],"severity":[{"type":"Ubuntu","score":"low"}],`),
			record("UBUNTU-CVE-2024-0002", "Ubuntu:Pro:22.04:LTS", "openssl", ""),
			record("ALPINE-CVE-2024-0001", "Alpine:v3.19", "openssl", `"upstream":["CVE-2024-0001"],`),
			record("GHSA-aaaa-bbbb-cccc", "PyPI", "web", `"aliases":["CVE-2024-0003"],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],`),
			record("RHSA-2024:1", "Red Hat:enterprise_linux:9::baseos", "openssl", ""),
			record("RHSA-2024:2", "Red Hat:enterprise_linux:9::appstream", "nginx", ""),
			`{"id":"DEBIAN-CVE-2024-0007","modified":"2024-01-02T03:04:05Z","upstream":["CVE-2024-0007"],"affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"ecosystem_specific":{"urgency":"unimportant"}}]}`,
			record("CVE-2024-0001", "CPE", "vendor:product", `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],`),
		)
	})
	secret := r.token("")
	var all namespaceEnvelope
	if err := json.Unmarshal([]byte(r.do("GET", "/v1/namespaces", secret, "", http.StatusOK)), &all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []namespace{{"debian:12", "dpkg"}, {"ubuntu:22.04", "dpkg"}, {"alpine:v3.19", "dpkg"}, {"centos:9", "rpm"}, {"PyPI", "PyPI"}, {"Ubuntu:Pro:22.04:LTS", "dpkg"}} {
		if !slices.Contains(*all.Namespaces, want) {
			t.Errorf("no namespace %v in %v", want, *all.Namespaces)
		}
	}
	names := func(namespace string, limit int) (names []string) {
		t.Helper()
		for page := ""; ; {
			query := url.Values{"limit": {fmt.Sprint(limit)}}
			if page != "" {
				query.Set("page", page)
			}
			var list vulnerabilityEnvelope
			text := r.do("GET", "/v1/namespaces/"+url.PathEscape(namespace)+"/vulnerabilities?"+query.Encode(), secret, "", http.StatusOK)
			if err := json.Unmarshal([]byte(text), &list); err != nil || list.Vulnerabilities == nil || len(*list.Vulnerabilities) > limit {
				t.Fatalf("%v in %s", err, text)
			}
			for _, v := range *list.Vulnerabilities {
				names = append(names, v.Name)
				if v.NamespaceName != namespace || v.FixedIn != nil {
					t.Errorf("%+v", v)
				}
			}
			if page = list.NextPage; page == "" {
				return names
			}
		}
	}
	whole := names("debian:12", 500)
	if len(whole) < 6 || !slices.Contains(whole, "CVE-2023-4911") || !slices.IsSorted(whole) {
		t.Errorf("vulnerabilities of debian:12: %v", whole)
	}
	if paged := names("debian:12", 2); !slices.Equal(paged, whole) {
		t.Errorf("in pages %v, at once %v", paged, whole)
	}
	if text := r.do("GET", "/v1/namespaces/debian:12/vulnerabilities?limit=0", secret, "", http.StatusOK); !strings.Contains(text, whole[0]) || !strings.Contains(text, "NextPage") {
		t.Errorf("with a limit of 0: %s", text)
	}
	if got := names("centos:9", 500); len(got) != 2 {
		t.Errorf("vulnerabilities of centos:9: %v", got)
	}
	for _, tt := range []struct {
		path, want string
		status     int
	}{
		{"debian:12/vulnerabilities", "must provide limit query parameter", http.StatusBadRequest},
		{"debian:12/vulnerabilities?limit=x", "invalid limit format", http.StatusBadRequest},
		{"debian:12/vulnerabilities?limit=-1", "limit value should not be less than zero", http.StatusBadRequest},
		{"debian:12/vulnerabilities?limit=1&page=%21", "invalid page format", http.StatusBadRequest},
		{"plan9:4/vulnerabilities?limit=1", "the resource cannot be found", http.StatusNotFound},
		{"debian:12/vulnerabilities/CVE-1999-1", "the resource cannot be found", http.StatusNotFound},
		{"alpine:v3.19/vulnerabilities/CVE-2023-4911", "the resource cannot be found", http.StatusNotFound},
		{"debian:12/vulnerabilities/CVE-2024-0001", "the resource cannot be found", http.StatusNotFound},
	} {
		if got := message(t, r.do("GET", "/v1/namespaces/"+tt.path, secret, "", tt.status)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.path, got, tt.want)
		}
	}
	for _, tt := range []struct{ namespace, name, severity, fixed, version string }{
		{"debian:12", "CVE-2023-4911", "Unknown", "glibc", "2.36-9+deb12u3"},
		{"debian:12", "DEBIAN-CVE-2023-4911", "Unknown", "glibc", "2.36-9+deb12u3"},
		{"debian:12", "CVE-2024-0007", "Negligible", "openssl", "None"},
		{"ubuntu:22.04", "CVE-2024-0001", "Low", "openssl", "3.1"},
		{"alpine:v3.19", "CVE-2024-0001", "Critical", "openssl", "3.1"},
		{"PyPI", "CVE-2024-0003", "Critical", "web", "3.1"},
		{"PyPI", "GHSA-aaaa-bbbb-cccc", "Critical", "web", "3.1"},
	} {
		var one vulnerabilityEnvelope
		text := r.do("GET", "/v1/namespaces/"+tt.namespace+"/vulnerabilities/"+tt.name+"?fixedIn", secret, "", http.StatusOK)
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatal(err)
		}
		v := one.Vulnerability
		if v == nil || v.Severity != tt.severity || v.NamespaceName != tt.namespace || v.Description == "" && tt.name != "CVE-2024-0007" || len(v.FixedIn) != 1 || v.FixedIn[0].Name != tt.fixed || v.FixedIn[0].Version != tt.version {
			t.Errorf("%v: %s", tt, text)
		}
		var fixes featureEnvelope
		text = r.do("GET", "/v1/namespaces/"+tt.namespace+"/vulnerabilities/"+tt.name+"/fixes", secret, "", http.StatusOK)
		if err := json.Unmarshal([]byte(text), &fixes); err != nil || len(*fixes.Features) != 1 {
			t.Errorf("%v: %v in %s", tt, err, text)
		}
	}
}
