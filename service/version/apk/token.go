package apk

import "strings"

// A kind is one of the kinds of tokens, from the oldest to the newest of versions
// that are equal up to there: a version that goes on is newer than one that
// ends, but for a suffix of what was before a release.
type kind uint8

const (
	preSuffix kind = iota
	invalid        // what follows cannot be read
	missing        // there is no number where one should be
	end
	revision
	hash
	suffixNumber
	postSuffix
	letter
	letterNumber
	number
	firstNumber
)

// A token is the one at hand of a version, and what comes after it.
type token struct {
	kind   kind
	suffix uint8  // place among the suffixes
	lax    bool   // apk-tools 3 does not accept it
	value  string // the digits, the letter or the hash
	rest   string
}

// first returns the first token of a version.
func first(s string) token {
	t := token{rest: s}
	t.digits(firstNumber)
	return t
}

// next goes on to the next token. After end and invalid there is none.
func (t *token) next() {
	if t.rest == "" {
		t.kind = end
		return
	}
	// Where the version is, with a missing number among the numbers.
	numbers := t.kind >= letterNumber || t.kind == missing
	suffixes := numbers || t.kind == letter || isSuffix(t.kind) || t.kind == suffixNumber
	switch c := t.rest[0]; {
	case isLower(c) && numbers:
		t.kind, t.value, t.rest = letter, t.rest[:1], t.rest[1:]
	case c == '.' && numbers:
		t.rest = t.rest[1:]
		t.digits(number)
	case isDigit(c) && t.kind == letter:
		t.lax = true
		t.digits(letterNumber)
	case isDigit(c) && isSuffix(t.kind):
		t.digits(suffixNumber)
	case c == '_' && suffixes:
		t.readSuffix()
	case c == '~' && suffixes:
		t.readHash()
	case strings.HasPrefix(t.rest, "-r") && (suffixes || t.kind == hash):
		t.rest = t.rest[len("-r"):]
		t.digits(revision)
		if t.kind == missing {
			t.kind, t.value = revision, "0"
		}
	default:
		t.kind = invalid
	}
}

// digits reads a number as a token of kind k.
func (t *token) digits(k kind) {
	n := 0
	for n < len(t.rest) && isDigit(t.rest[n]) {
		n++
	}
	t.kind, t.value, t.rest = k, t.rest[:n], t.rest[n:]
	if n == 0 {
		t.kind, t.lax = missing, true
	}
}

func (t *token) readSuffix() {
	n := 1
	for n < len(t.rest) && isLower(t.rest[n]) {
		n++
	}
	t.kind = postSuffix
	switch t.rest[1:n] {
	case "alpha":
		t.kind, t.suffix = preSuffix, 0
	case "beta":
		t.kind, t.suffix = preSuffix, 1
	case "pre":
		t.kind, t.suffix = preSuffix, 2
	case "rc":
		t.kind, t.suffix = preSuffix, 3
	case "cvs":
		t.suffix = 4
	case "svn":
		t.suffix = 5
	case "git":
		t.suffix = 6
	case "hg":
		t.suffix = 7
	case "p":
		t.suffix = 8
	default:
		t.kind = invalid
	}
	t.rest = t.rest[n:]
}

func (t *token) readHash() {
	n := 1
	for n < len(t.rest) && isHex(t.rest[n]) {
		n++
	}
	t.kind, t.value, t.rest = hash, t.rest[1:n], t.rest[n:]
	if n == 1 {
		t.kind = invalid
	}
}

func isSuffix(k kind) bool { return k == preSuffix || k == postSuffix }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c && c <= 'f' }
