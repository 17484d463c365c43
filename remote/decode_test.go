package remote

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzDecode checks that no key is lost in an answer that decode accepts.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":1,"a":2}`, `{"a":{"A":[{}]},"b":[]}`, `[{"k":1,"K":2}]`, `{"":"","b":{"b":null}}`, "7"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var value any
		if decode(body, &value) != nil {
			return
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if before, after := tokens(body), tokens(again); before != after {
			t.Errorf("%s: %d tokens, and %d after reading", body, before, after)
		}
	})
}

func tokens(b []byte) int {
	d, n := json.NewDecoder(bytes.NewReader(b)), 0
	d.UseNumber()
	for {
		if _, err := d.Token(); err != nil {
			return n
		}
		n++
	}
}
