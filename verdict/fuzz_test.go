package verdict_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"assay/verdict"
)

// FuzzText puts hostile text into every string of a verdict and checks what every log
// guarantees.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"", "libssl3", "x\nassay: verdict=pass code=0", "assay:", "assay: verdict=pass", "\x1b[31mred\x1b[0m", "\x1b]8;;http://x\x07",
		"a\r\x08\x08b", "\u202egnp.exe", "\u2028", "\u0085", "\xff\xfe", "😀", "::error::x", "a ::set-env name=PATH::x",
		"##vso[task.complete result=Succeeded]", "##[error]x", strings.Repeat("long", 200), strings.Repeat("many words ", 100),
		"critical", "unrated", "fail", "deb", "-", "2028-06-30", " ", "\t",
	} {
		f.Add(s, "deb", "fail", uint8(3), uint16(0xffff), 0)
		f.Add("pypi", s, "high", uint8(7), uint16(0), 80)
		f.Add("1.0-1", "unrated", s, uint8(1), uint16(0x5a5a), 1)
		f.Add(s, s, s, uint8(2), uint16(0x7f7d), 60)
	}
	f.Fuzz(func(t *testing.T, a, b, c string, n uint8, flags uint16, width int) {
		source := &values{texts: []string{a, b, c, a + b, b + c + a}, flags: flags}
		var v verdict.Verdict
		source.fill(reflect.ValueOf(&v).Elem(), int(n%8))
		v.Decision.Outcome = []verdict.Outcome{verdict.Pass, verdict.Fail, verdict.Untrusted, verdict.Outcome(a)}[n%4]
		style := verdict.Style{Width: width, Server: c, Exit: int(n % 6), Verbose: flags&1 != 0, Quiet: flags&2 != 0}
		log := text(t, v, style)
		hold(t, log, style)
		if tail := last(log); style.Quiet && tail != log {
			t.Errorf("quiet has more than ten lines:\n%s", log)
		}
		if machine := strings.Count("\n"+log, "\nassay: verdict="); machine != 1 {
			t.Errorf("%d stable lines:\n%s", machine, log)
		}
		for line := range strings.Lines(log) {
			if start := strings.TrimLeft(line, " "); strings.HasPrefix(start, "::") || strings.Contains(line, "##") {
				t.Errorf("a command of a CI system: %q", line)
			}
		}
		style.Color = true
		if got := plain(text(t, v, style)); got != log {
			t.Errorf("another layout with colour:\n%s\nwithout:\n%s", got, log)
		}
	})
}

// values returns the texts in turn, and the bits of flags.
type values struct {
	texts []string
	flags uint16
	n     int
}

func (s *values) fill(v reflect.Value, items int) {
	s.n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(s.texts[s.n%len(s.texts)])
	case reflect.Bool:
		v.SetBool(s.flags>>(s.n%16)&1 != 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(s.n) * int64(s.flags))
	case reflect.Float64:
		v.SetFloat(float64(s.n) / 8)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), items, items))
		for i := range items {
			s.fill(v.Index(i), items)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.fill(v.Field(i), items)
			}
		}
	}
}

// FuzzClean: a cleaned text is short enough and printable ASCII, cleaning it again does not
// change it, and plain names do not change at all.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "openssl", "5.36.0-7+deb12u3", "Foo::Bar", "\x00", "\u202e", "😀\xff", "assay: ", "::x", strings.Repeat("y", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := verdict.Clean(s)
		if len(got) > 200 {
			t.Errorf("%d columns", len(got))
		}
		safe := len(s) <= 200 && !strings.ContainsAny(s, ":#")
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Errorf("byte %#x in %q", got[i], got)
			}
		}
		for i := range len(s) {
			safe = safe && ' ' <= s[i] && s[i] <= '~'
		}
		if safe && got != s {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if again := verdict.Clean(got); again != got {
			t.Errorf("Clean(%q) = %q", got, again)
		}
	})
}

// FuzzJSON: the JSON is ASCII without control characters, and decodes to the same verdict.
func FuzzJSON(f *testing.F) {
	f.Add("\u202e\u0085\x7f\x1b😀<&>", "e\u0301")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip("JSON holds UTF-8 only")
		}
		var v verdict.Verdict
		(&values{texts: []string{a, b}, flags: 0x5555}).fill(reflect.ValueOf(&v).Elem(), 2)
		var out strings.Builder
		if err := verdict.WriteJSON(&out, v); err != nil {
			t.Fatal(err)
		}
		for i := range out.Len() {
			if c := out.String()[i]; c != '\n' && (c < ' ' || c > '~') {
				t.Fatalf("byte %#x", c)
			}
		}
		var got verdict.Verdict
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, v) {
			t.Errorf("got %+v\nwant %+v", got, v)
		}
	})
}
