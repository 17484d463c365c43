// Package wordpress converts what several sources publish about WordPress, its plugins and
// its themes into affected entries of the ecosystem WordPress.
package wordpress

import (
	"encoding/json"
	"strings"
	"unicode"

	"assay/service/advisory"
	"assay/service/version"
)

// Ecosystem is the ecosystem of the entries.
const Ecosystem = "WordPress"

// Core is the name of WordPress itself.
const Core = "core"

// A Kind is the kind of an extension of WordPress.
type Kind string

const (
	Plugin Kind = "plugin"
	Theme  Kind = "theme"
)

// Name returns the name of a plugin or a theme in the ecosystem, given its slug. It is
// not ok if the slug is not the name of a folder.
func Name(kind Kind, slug string) (name string, ok bool) {
	slug = strings.ToLower(strings.TrimSpace(slug))
	if slug == "" || len(slug) > maxSlug || slug == "." || slug == ".." || strings.ContainsFunc(slug, notInSlug) {
		return "", false
	}
	return string(kind) + "/" + slug, true
}

const maxSlug = 200 // bytes; wordpress.org's column has as many characters

func notInSlug(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`/\<>:"|?*%#`, r)
}

// Package returns the package of a name.
func Package(name string) advisory.Package {
	return advisory.Package{Ecosystem: Ecosystem, Name: name, PURL: "pkg:wordpress/" + name}
}

// First reports whether the start of a range means the first version. The sources write it
// in many ways.
func First(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "*", "0", "n/a", "unspecified", "-":
		return true
	}
	return false
}

// Bound returns the end of a range without what does not belong to a version: white space,
// operators and "v" before a number. Its second result reports whether the rest has an
// order. If it does not, the text must stay in the record, so that packages are not
// evaluated with it.
func Bound(text string) (bound string, ordered bool) {
	bound = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("<>=,;", r) })
	if rest := strings.TrimLeft(bound, "vV"); len(bound)-len(rest) == 1 && rest != "" && '0' <= rest[0] && rest[0] <= '9' {
		bound = rest
	}
	if bound == "" {
		return text, false
	}
	return bound, Ordered(bound)
}

// Ordered reports whether a text is a version that the ecosystem can order.
func Ordered(text string) bool {
	_, err := compare(text, text)
	return err == nil
}

// compare orders two versions of the ecosystem.
func compare(a, b string) (int, error) {
	order, _ := version.For(Ecosystem)
	return order.Comparer()(a, b)
}

// newer reports whether both versions have an order and a is newer than b.
func newer(a, b string) bool {
	c, err := compare(a, b)
	return err == nil && c > 0
}

// Contradicts is the note of an entry whose record says of some versions both that they
// are affected and that they are fixed.
const Contradicts = "the record contradicts itself"

// Note is database_specific of an affected entry with a note for people.
func Note(text string) json.RawMessage {
	b, _ := json.Marshal(struct {
		Note string `json:"note"`
	}{text}) // a string can always be marshaled
	return b
}
