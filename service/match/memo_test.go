package match

import (
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"encoding/json"
	"fmt"
	"testing"
)

func TestMemoIsBounded(t *testing.T) {
	o := NewMemo()
	j := &evaluation{matches: make([]*Match, 1000)}
	one := memoSize(4, j)
	for i := range 200 {
		o.put(fmt.Appendf(nil, "%04d", i), j)
	}
	if n := len(o.evaluations); n != memoBytes/one || o.size != n*one {
		t.Errorf("%d evaluations of %d bytes are kept, %d bytes counted", n, one, o.size)
	}
	if o.get([]byte("0199")) != j {
		t.Error("the last one is not kept")
	}
	o.put([]byte("huge"), &evaluation{matches: make([]*Match, memoBytes/1024)})
	if o.get([]byte("huge")) != nil {
		t.Error("one package takes all the room")
	}
}

// TestMemoKey checks that keys differ if anything does that an evaluation depends on.
func TestMemoKey(t *testing.T) {
	debian, reason := distro.Of(inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}})
	centos, reason2 := distro.Of(inventory.Inventory{System: inventory.System{ID: "centos", VersionID: "8"}})
	if reason+reason2 != "" {
		t.Fatal(reason, reason2)
	}
	held := func(r rules, ecosystems ...string) *rules {
		r.ecosystems = nil
		var records []string
		for _, e := range ecosystems {
			r.ecosystems = append(r.ecosystems, distro.Ecosystem{Name: e})
			records = append(records, `{"id":"X-`+e+`","affected":[{"package":{"ecosystem":"`+e+`","name":"p"},"versions":["1"]}]}`)
		}
		if err := r.hold(memoryOf(t, records...)); err != nil {
			t.Fatal(err)
		}
		return &r
	}
	base := func() (*matcher, lookup) {
		by := held(rules{typ: distro.Deb, names: distro.BySource, distribution: debian.Distribution}, "Debian:12", "Debian")
		return &matcher{arch: "amd64"}, lookup{rules: by, name: "libssl3", source: "openssl", version: "3.0", stream: "a:b"}
	}
	m, l := base()
	same := string(m.memoKey(l))
	for name, change := range map[string]func(*matcher, *lookup){
		"architecture": func(m *matcher, _ *lookup) { m.arch = "arm64" },
		"type": func(_ *matcher, l *lookup) {
			l.rules = held(rules{typ: distro.Apk, distribution: debian.Distribution}, "Debian:12", "Debian")
		},
		"ecosystems": func(_ *matcher, l *lookup) { l.rules = held(*l.rules, "Debian:12") },
		"order":      func(_ *matcher, l *lookup) { l.rules = held(*l.rules, "Debian", "Debian:12") },
		"distribution": func(_ *matcher, l *lookup) {
			r := *l.rules
			r.distribution = centos.Distribution
			l.rules = held(r, "Debian:12", "Debian")
		},
		"no distribution": func(_ *matcher, l *lookup) {
			r := *l.rules
			r.distribution = nil
			l.rules = held(r, "Debian:12", "Debian")
		},
		"extended support": func(_ *matcher, l *lookup) {
			r := *l.rules
			r.extended = "8.4"
			l.rules = held(r, "Debian:12", "Debian")
		},
		"name":     func(_ *matcher, l *lookup) { l.name = "openssl" },
		"source":   func(_ *matcher, l *lookup) { l.source = "openssl3" },
		"version":  func(_ *matcher, l *lookup) { l.version = "3.1" },
		"stream":   func(_ *matcher, l *lookup) { l.stream = "" },
		"module":   func(_ *matcher, l *lookup) { l.module = true },
		"epoch":    func(_ *matcher, l *lookup) { l.noEpoch = true },
		"boundary": func(_ *matcher, l *lookup) { l.name, l.source = "libssl", "3openssl" },
	} {
		m, l := base()
		if change(m, &l); string(m.memoKey(l)) == same {
			t.Errorf("%s: the key is the same", name)
		}
	}
	if m, l := base(); string(m.memoKey(l)) != same {
		t.Error("the same lookup has another key")
	}
}

func memoryOf(t *testing.T, records ...string) *index.Memory {
	t.Helper()
	var all []advisory.Advisory
	for _, r := range records {
		var a advisory.Advisory
		if err := json.Unmarshal([]byte(r), &a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return index.NewMemory(all, nil)
}
