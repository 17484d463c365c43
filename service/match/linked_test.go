package match_test

import (
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// TestNotLinked: a record of the Go project names the packages of a module that are affected.
// A program without a function of them is not affected, even if the record of another
// database is about the whole module.
func TestNotLinked(t *testing.T) {
	const (
		module  = "golang.org/x/net"
		html    = `{"path":"golang.org/x/net/html"}`
		http2   = `{"path":"golang.org/x/net/http2","symbols":["F"]}`
		root    = `{"path":"golang.org/x/net"}`
		foreign = `{"path":"golang.org/x/netip"}`
		windows = `{"path":"golang.org/x/net/win","goos":["windows"]}`
	)
	for _, tt := range []struct {
		name     string
		imports  []string // of the record of the Go project; nil without such a record
		github   bool     // there is a record of GitHub, too
		linked   inventory.Linked
		absent   bool
		whyNames string
	}{
		{"absent", []string{html}, false, "http2 http2/hpack", true, "the program usr/bin/app has no function of golang.org/x/net/html"},
		{"absent, with a record of GitHub", []string{html}, true, "http2", true, "no function of golang.org/x/net/html"},
		{"nothing is linked", []string{html, http2}, false, "-", true, "no function of golang.org/x/net/html, golang.org/x/net/http2"},
		{"one of two is linked", []string{html, http2}, false, "http2", false, ""},
		{"a package below is linked", []string{html}, false, "html/atom", true, "golang.org/x/net/html"},
		{"the root is absent", []string{root}, false, "http2", true, "no function of golang.org/x/net"},
		{"the root is linked", []string{root}, false, ". http2", false, ""},
		{"unknown what is linked", []string{html}, false, "", false, ""},
		{"no packages in the record", []string{}, false, "-", false, ""},
		{"the record of GitHub alone", nil, true, "-", false, ""},
		{"a package of another module in the record", []string{html, foreign}, false, "-", false, ""},
		{"another system's package is linked", []string{html, windows}, false, "win", true, "golang.org/x/net/html"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []advisory.Advisory
			add := func(id, rest string) {
				a, err := advisory.Parse([]byte(`{"id":"` + id + `","modified":"2024-01-01T00:00:00Z","aliases":["CVE-2024-1000"],"affected":[{"package":{"ecosystem":"Go","name":"` + module + `"},
					"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"0.9.0"}]}]` + rest + `}]}`))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, a)
			}
			if tt.imports != nil {
				add("GO-2024-0001", `,"ecosystem_specific":{"imports":[`+strings.Join(tt.imports, ",")+`]}`)
			}
			if tt.github {
				add("GHSA-aaaa-bbbb-cccc", "")
			}
			one := inventory.Package{Type: "golang", Name: module, Version: "v0.8.0", EmbeddedIn: "usr/bin/app", Linked: tt.linked}
			other := one
			other.EmbeddedIn, other.Linked = "usr/bin/other", ". html http2 html/atom win"
			ix := index.NewMemory(all, nil)
			res, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{one, other}}, ix, match.NewMemo(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Findings) != 2 {
				t.Fatalf("%d findings", len(res.Findings))
			}
			if f := res.Findings[0]; f.NotLinked != tt.absent || !strings.Contains(f.Why, tt.whyNames) || !tt.absent && strings.Contains(f.Why, "program") {
				t.Errorf("not linked: %t, why %q", f.NotLinked, f.Why)
			}
			if f := res.Findings[1]; f.NotLinked || strings.Contains(f.Why, "program") {
				t.Errorf("the other program: %t, %q", f.NotLinked, f.Why)
			}
		})
	}
}

// TestNotLinkedStdlib: packages of the standard library have their whole paths.
func TestNotLinkedStdlib(t *testing.T) {
	a, err := advisory.Parse([]byte(`{"id":"GO-2024-0001","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Go","name":"stdlib"},
		"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.22.1"}]}],"ecosystem_specific":{"imports":[{"path":"net/http"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for linked, absent := range map[inventory.Linked]bool{"net/http runtime": false, "net net/http/httptest runtime": true, "": false} {
		inv := inventory.Inventory{Packages: []inventory.Package{{Type: "golang", Name: "stdlib", Version: "1.21.0", EmbeddedIn: "app", Linked: linked}}}
		res, err := match.Inventory(inv, index.NewMemory([]advisory.Advisory{a}, nil), nil, time.Time{})
		if err != nil || len(res.Findings) != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		if f := res.Findings[0]; f.NotLinked != absent || absent && !strings.HasSuffix(f.Why, "the program app has no function of net/http") {
			t.Errorf("%q: %t, %q", linked, f.NotLinked, f.Why)
		}
	}
}
