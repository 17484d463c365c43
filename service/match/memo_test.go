package match

import (
	"fmt"
	"testing"
)

func TestMemoIsBounded(t *testing.T) {
	o := NewMemo()
	j := &judgement{findings: make([]*Claim, 1000)}
	one := memoSize(4, j)
	for i := range 200 {
		o.put(fmt.Appendf(nil, "%04d", i), j)
	}
	if n := len(o.judgements); n != memoBytes/one || o.size != n*one {
		t.Errorf("%d judgements of %d bytes are kept, %d bytes counted", n, one, o.size)
	}
	if o.get([]byte("0199")) != j {
		t.Error("the last one is not kept")
	}
	o.put([]byte("huge"), &judgement{findings: make([]*Claim, memoBytes/1024)})
	if o.get([]byte("huge")) != nil {
		t.Error("one package takes all the room")
	}
}

// Keys are apart where anything is that a judgement depends on.
func TestMemoKey(t *testing.T) {
	base := func() (*matcher, subject) {
		s := &scheme{typ: deb, names: bySource}
		s.hold([]string{"Debian:12", "Debian"})
		return &matcher{arch: "amd64"}, subject{scheme: s, name: "libssl3", source: "openssl", version: "3.0", stream: "a:b"}
	}
	m, s := base()
	same := string(m.memoKey(s))
	for name, change := range map[string]func(*matcher, *subject){
		"architecture": func(m *matcher, _ *subject) { m.arch = "arm64" },
		"type":         func(_ *matcher, s *subject) { s.scheme.typ = apk },
		"ecosystems":   func(_ *matcher, s *subject) { s.scheme.hold([]string{"Debian:12"}) },
		"order":        func(_ *matcher, s *subject) { s.scheme.hold([]string{"Debian", "Debian:12"}) },
		"ranked":       func(_ *matcher, s *subject) { s.scheme.ranked = true },
		"spellings":    func(_ *matcher, s *subject) { s.scheme.spellings = true },
		"naming":       func(_ *matcher, s *subject) { s.scheme.names = byName },
		"name":         func(_ *matcher, s *subject) { s.name = "openssl" },
		"source":       func(_ *matcher, s *subject) { s.source = "openssl3" },
		"version":      func(_ *matcher, s *subject) { s.version = "3.1" },
		"stream":       func(_ *matcher, s *subject) { s.stream = "" },
		"modular":      func(_ *matcher, s *subject) { s.modular = true },
		"boundary":     func(_ *matcher, s *subject) { s.name, s.source = "libssl", "3openssl" },
	} {
		m, s := base()
		if change(m, &s); string(m.memoKey(s)) == same {
			t.Errorf("%s: the key is the same", name)
		}
	}
	if m, s := base(); string(m.memoKey(s)) != same {
		t.Error("the same subject has another key")
	}
}
