package token_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"assay/remote/token"
)

// base62 formats a number with math/big and converts it to the alphabet of tokens, in which
// upper case comes before lower case.
func base62(n uint32) string {
	swapped := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, new(big.Int).SetUint64(uint64(n)).Text(62))
	return fmt.Sprintf("%06s", swapped)
}

func TestNewHasFormAndChecksum(t *testing.T) {
	form := regexp.MustCompile(`^assay_[0-9A-Za-z]{38}$`)
	seen := make(map[string]bool)
	for range 1000 {
		s, err := token.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(s) || len(s) != token.Length {
			t.Fatalf("New returned an invalid token: %q", s)
		}
		body, sum := s[:38], s[38:]
		if want := base62(crc32.ChecksumIEEE([]byte(body))); sum != want {
			t.Fatalf("checksum of %q is %q, want %q", body, sum, want)
		}
		if err := token.Check(s); err != nil {
			t.Fatalf("Check of a new token: %v", err)
		}
		if seen[s] {
			t.Fatalf("New returned the token %q twice", s)
		}
		seen[s] = true
	}
}

func TestNewUsesWholeAlphabet(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	counts := make(map[rune]int)
	source := bytes.NewReader(bytes.Repeat(all, 8))
	for {
		s, err := token.New(source)
		if err != nil {
			break
		}
		for _, r := range s[6:38] {
			counts[r]++
		}
	}
	if len(counts) != 62 {
		t.Fatalf("%d characters in use, want 62", len(counts))
	}
}

func TestNewRefusesBrokenSource(t *testing.T) {
	if _, err := token.New(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short source: %v, want unexpected EOF", err)
	}
	if s, err := token.New(constant(0xff)); err == nil {
		t.Errorf("a source of 0xff gave %q", s)
	}
}

type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

// good is a valid token. Its checksum was computed with Python's zlib.crc32.
const good = "assay_0123456789ABCDEFGHIJKLMNOPQRSTUV0jfF3F"

func TestCheck(t *testing.T) {
	valid, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	typo := []byte(valid)
	typo[10] = 'A' + (typo[10]-'A'+1)%26
	if typo[10] == valid[10] {
		typo[10]++
	}
	swapped := []byte("assay_" + strings.Repeat("ab", 19))
	tests := []struct {
		name, token string
		want        error
	}{
		{"valid", valid, nil},
		{"known", good, nil},
		{"empty", "", token.Empty},
		{"braces", "${token}", token.Literal},
		{"plain variable", "$TOKEN", token.Literal},
		{"command", "$(cat /token)", token.Literal},
		{"variable inside", "assay_${token}", token.Literal},
		{"one short", valid[:token.Length-1], token.Truncated},
		{"prefix alone", "assay_", token.Truncated},
		{"newline", valid + "\n", token.TooLong},
		{"twice", valid + valid, token.TooLong},
		{"one character", string(typo), token.Mistyped},
		{"no checksum", string(swapped), token.Mistyped},
		{"not base62", "assay_" + strings.Repeat("-", 38), token.Mistyped},
		{"last character", valid[:token.Length-1] + "!", token.Mistyped},
		{"quoted", `"` + valid + `"`, token.Foreign},
		{"other product", "ghp_" + valid[6:], token.Foreign},
		{"case of prefix", "ASSAY_" + valid[6:], token.Foreign},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := token.Check(tt.token)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Check: %v, want %v", err, tt.want)
			}
			if err == nil {
				return
			}
			hint := err.(token.Problem).Hint()
			if hint == "" || strings.ContainsAny(err.Error()+hint, "\n\r") {
				t.Errorf("message %q and hint %q are not one line each", err, hint)
			}
			if strings.Contains(err.Error()+hint, valid[6:12]) {
				t.Errorf("the message shows the token: %q %q", err, hint)
			}
		})
	}
}

func TestEverySingleTypoIsFound(t *testing.T) {
	valid, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := len("assay_"); i < len(valid); i++ {
		for _, r := range "0Az_" {
			wrong := valid[:i] + string(r) + valid[i+1:]
			if wrong != valid && token.Check(wrong) == nil {
				t.Errorf("%q passes for %q", wrong, valid)
			}
		}
	}
}

func TestHash(t *testing.T) {
	// printf abc | sha256sum
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := fmt.Sprintf("%x", token.Hash("abc")); got != want {
		t.Errorf("Hash(abc) = %s, want %s", got, want)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"", "${token}", "assay_", "assay_" + strings.Repeat("0", 38), "$X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := token.Check(s)
		if err != nil {
			if len(s) > 20 && strings.Contains(err.Error(), s) {
				t.Errorf("the error shows %q", s)
			}
			return
		}
		if len(s) != token.Length || s[38:] != base62(crc32.ChecksumIEEE([]byte(s[:38]))) {
			t.Errorf("Check accepts %q", s)
		}
	})
}

// TestDerive checks that a derived token is valid, depends on both inputs, and is the same in
// every release, because replicas of two releases must agree.
func TestDerive(t *testing.T) {
	const secret = "assay_0123456789ABCDEFGHIJKLMNOPQRSTUV000000"
	got, err := token.Derive(secret, "purpose 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Check(got); err != nil {
		t.Errorf("Check(%q): %v", got, err)
	}
	const want = "assay_itXZm6ftv9vUhua3tNDLjSEV3oiouHus3LMONP"
	if got != want {
		t.Errorf("Derive = %q, want %q", got, want)
	}
	for _, other := range [][2]string{{secret, "purpose 2"}, {secret + "x", "purpose 1"}} {
		if d, err := token.Derive(other[0], other[1]); err != nil || d == got {
			t.Errorf("Derive(%q, %q) = %q, %v; want another token than %q", other[0], other[1], d, err, got)
		}
	}
}
