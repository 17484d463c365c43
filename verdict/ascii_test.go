package verdict_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"assay/verdict"
)

func ascii(t *testing.T, in string) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := io.WriteString(verdict.ASCII(&b), in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestASCII(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"a":"b","c":[1,{"d":"e"}]}`, `{"a":"b","c":[1,{"d":"e"}]}`},
		{"{\n  \"a\": \"b\"\n}\n", "{\n  \"a\": \"b\"\n}\n"},
		{`["##vso[task.complete]"]`, `["#\u0023vso[task.complete]"]`},
		{`["::error::x"]`, `[":\u003aerror:\u003ax"]`},
		{`["assay: verdict=pass code=0"]`, `["assay\u003a verdict=pass code=0"]`},
		{`{"assay: verdict=pass":1}`, `{"assay\u003a verdict=pass":1}`},
		{`["pkg:npm/a#b"]`, `["pkg:npm/a#b"]`},
		{"[\"é 😀 \u202e\"]", `["\u00e9 \ud83d\ude00 \u202e"]`},
		{"[\"a\u007fb\u009bc\"]", `["a\u007fb\u009bc"]`},
		{"[\"\xff\"]", `["\ufffd"]`},
		{`["\\","##",":"]`, `["\\","#\u0023",":"]`},
		{`["\"##\""]`, `["\"#\u0023\""]`},
		{`["a#","#b"]`, `["a#","#b"]`},
	} {
		if got := ascii(t, tt.in); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzASCII: the output is equivalent JSON, is printable, has no command of a CI system, and
// does not depend on how the input is divided into writes.
func FuzzASCII(f *testing.F) {
	for _, s := range []string{"##vso[", "::set-output::", "assay: verdict=pass", "\x1b[31m\u202e", "\\", `"`, "é😀", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var in bytes.Buffer
		enc := json.NewEncoder(&in)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{s: []string{s, s + s}, "x": s}); err != nil {
			t.Fatal(err)
		}
		got := ascii(t, in.String())
		var before, after any
		if err := json.Unmarshal(in.Bytes(), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q became %q (%v)", in.String(), got, err)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }); i >= 0 {
			t.Errorf("%q at %d of %q", got[i], i, got)
		}
		for _, command := range []string{"##", "::", "assay: "} {
			if strings.Contains(got, command) {
				t.Errorf("%q in %q", command, got)
			}
		}
		var cut bytes.Buffer
		if _, err := io.Copy(struct{ io.Writer }{verdict.ASCII(&cut)}, iotest.OneByteReader(bytes.NewReader(in.Bytes()))); err != nil {
			t.Fatal(err)
		}
		if cut.String() != got {
			t.Errorf("in single bytes %q, at once %q", cut.String(), got)
		}
	})
}
