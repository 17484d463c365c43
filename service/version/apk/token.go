package apk

import "strings"

// A kind is a kind of token. Kinds are in the order of versions that are equal up to the
// token: a version that goes on is newer than one that ends, except with a suffix for
// versions before a release.
type kind uint8

const (
	preSuffix kind = iota
	invalid        // the rest cannot be parsed
	missing        // a number is missing
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

// A token is the current token of a version, and what comes after it.
type token struct {
	kind   kind
	suffix uint8  // place among the suffixes
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
	numbers := t.inNumbers()
	suffixes := numbers || t.kind == letter || isSuffix(t.kind) || t.kind == suffixNumber
	switch c := t.rest[0]; {
	case isLower(c) && numbers:
		t.kind, t.value, t.rest = letter, t.rest[:1], t.rest[1:]
	case c == '.' && numbers:
		t.rest = t.rest[1:]
		t.digits(number)
	case isDigit(c) && t.kind == letter:
		t.digits(letterNumber)
	case isDigit(c) && isSuffix(t.kind):
		t.digits(suffixNumber)
	case c == '_' && suffixes:
		t.readSuffix()
	case c == '~' && suffixes:
		t.readHash()
	case c == '-' && (suffixes || t.kind == hash):
		t.readRevision()
	default:
		t.kind = invalid
	}
}

// inNumbers reports whether a number or a letter may follow. A missing number counts as
// a number.
func (t *token) inNumbers() bool { return t.kind >= letterNumber || t.kind == missing }

// readRevision reads -r and a number, which is 0 if it is missing.
func (t *token) readRevision() {
	rest, ok := strings.CutPrefix(t.rest, "-r")
	if !ok {
		t.kind = invalid
		return
	}
	t.rest = rest
	t.digits(revision)
	if t.kind == missing {
		t.kind, t.value = revision, "0"
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
		t.kind = missing
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
