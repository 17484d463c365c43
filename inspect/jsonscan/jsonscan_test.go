package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// flatten reads a whole text and returns its brackets, keys and strings, and "_" for
// every other value.
func flatten(r io.Reader) ([]string, error) {
	s := New(r)
	var out []string
	var value func() error
	value = func() error {
		array, err := s.IsArray()
		if err != nil {
			return err
		}
		if array {
			out = append(out, "[")
			_, err := s.Array(value)
			out = append(out, "]")
			return err
		}
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c == '{' {
			out = append(out, "{")
			_, err := s.Object(func(key string) error {
				out = append(out, key)
				return value()
			})
			out = append(out, "}")
			return err
		}
		text, ok, err := s.String()
		if !ok {
			text = "_"
		}
		out = append(out, text)
		return err
	}
	if err := value(); err != nil {
		return out, err
	}
	return out, s.End()
}

// native is flatten with encoding/json.
func native(text string) []string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // numbers may be too large for a float
	var out []string
	for {
		token, err := d.Token()
		if err != nil {
			return out
		}
		switch v := token.(type) {
		case json.Delim:
			out = append(out, v.String())
		case string:
			out = append(out, v)
		default:
			out = append(out, "_")
		}
	}
}

func TestScanner(t *testing.T) {
	for _, c := range []struct {
		text string
		err  string // "" for no error
	}{
		{`{"a": "b", "c": [1, -2.5e+3, true, false, null, {}, []], "d": {"e": {"f": "g"}}}`, ""},
		{" [\t\n\r] ", ""},
		{`"é\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"`, ""},
		{`["\ud83d", "\ude00\ud83d", "\ud83dx\ude00", "\ud83d\n", "\ud83d\ud83d\ude00", "abc\ude00"]`, ""},
		{`0`, ""},
		{``, "unexpected EOF"},
		{`{`, "unexpected EOF"},
		{`{"a`, "unexpected EOF"},
		{`{"a"`, "unexpected EOF"},
		{`{"a":`, "unexpected EOF"},
		{`["\u12`, "unexpected EOF"},
		{`tru`, "unexpected EOF"},
		{`{"a" 1}`, `unexpected '1' at byte 5`},
		{`{a: 1}`, `unexpected 'a' at byte 1`},
		{`{"a": 1,}`, `unexpected '}' at byte 8`},
		{`[1,]`, `unexpected ']' at byte 3`},
		{`[1 2]`, `unexpected '2' at byte 3`},
		{`[1}`, `unexpected '}' at byte 2`},
		{`[,]`, `unexpected ',' at byte 1`},
		{`{} {}`, `unexpected '{' at byte 3`},
		{`nul!`, `unexpected '!' at byte 3`},
		{"\"a\nb\"", `unexpected '\n' at byte 2`},
		{`"\x"`, `unexpected 'x' at byte 2`},
		{`"\u12g4"`, `unexpected 'g' at byte 5`},
		{`'a'`, `unexpected '\'' at byte 0`},
		{strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), ""},
		{strings.Repeat("[", MaxDepth+1), `nested more than 512 deep at byte 512`},
		{`"` + strings.Repeat("x", MaxText) + `"`, ""},
		{`"` + strings.Repeat("x", MaxText+1) + `"`, `string of more than 4096 bytes at byte 4098`},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text))} {
			got, err := flatten(r)
			if message := fmt.Sprint(err); c.err == "" && err != nil || c.err != "" && message != c.err {
				t.Errorf("%.60q: %v, want %q", c.text, err, c.err)
			}
			if c.err == "" && !slices.Equal(got, native(c.text)) {
				t.Errorf("%.60q: %q, want %q", c.text, got, native(c.text))
			}
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	got, err := flatten(iotest.OneByteReader(strings.NewReader("\ufeff{}")))
	if err != nil || !slices.Equal(got, []string{"{", "}"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{"\ufeff", "{\ufeff}", "\ufeff\ufeff{}"} {
		if _, err := flatten(strings.NewReader(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// TestLeft checks that values that are not read are skipped.
func TestLeft(t *testing.T) {
	s := New(strings.NewReader(`{"a": {"x": [1, "` + strings.Repeat(`\n`, 3*MaxText) + `"]}, "b": "c", "b": {}, "b": "d"}`))
	var got []string
	object, err := s.Object(func(key string) error {
		if key != "b" {
			return nil
		}
		text, ok, err := s.String()
		got = append(got, fmt.Sprint(text, ok))
		return err
	})
	if want := []string{"ctrue", "false", "dtrue"}; !object || err != nil || s.End() != nil || !slices.Equal(got, want) {
		t.Errorf("%v %q, %v, want %q", object, got, err, want)
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", "{", `{"a": 1`, `["`} {
		if _, err := flatten(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%q: %v", text, err)
		}
	}
	s := New(strings.NewReader(`[1, 2]`))
	if _, err := s.Array(func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error of an element: %v", err)
	}
}

// FuzzScanner checks that every JSON text is read like with encoding/json.
func FuzzScanner(f *testing.F) {
	f.Add(`{"name": "a", "version": "1.0.0", "files": ["x\u00e9", 1.5e-3, null]}`)
	f.Add(`["\ud83d\ude00", "\ud83d", {"a": {"a": true}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := flatten(strings.NewReader(text))
		if !json.Valid([]byte(text)) || len(text) > MaxDepth {
			return
		}
		// encoding/json replaces invalid UTF-8 with U+FFFD.
		for i, s := range got {
			b, _ := json.Marshal(s)
			if e := json.Unmarshal(b, &got[i]); e != nil {
				t.Fatal(e)
			}
		}
		if want := native(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	})
}
