package inventory

import (
	"slices"
	"strings"
)

// A Linked names the Go packages of a module that have functions in a program: their import
// paths relative to that of the module, separated by spaces and sorted, and "." for the
// package at its root. The standard library has whole import paths. A Linked is empty if
// nothing is known, and "-" if the program has no function of the module. It is one text,
// since large programs have thousands of packages.
type Linked string

// nothing is a Linked without packages.
const nothing = "-"

// LinkedOf returns the Linked with the given relative import paths.
func LinkedOf(paths []string) Linked {
	if len(paths) == 0 {
		return nothing
	}
	sorted := slices.Sorted(slices.Values(paths))
	return Linked(strings.Join(slices.Compact(sorted), " "))
}

// Known reports whether it is known what is linked.
func (l Linked) Known() bool { return l != "" }

// Has reports whether the package with a relative import path is linked. It is true if that
// is unknown.
func (l Linked) Has(path string) bool {
	if l == "" {
		return true
	}
	// The text comes from a client and may be long, and many vulnerabilities ask.
	for from := 0; path != ""; {
		i := strings.Index(string(l[from:]), path)
		if i < 0 {
			return false
		}
		begin, end := from+i, from+i+len(path)
		if (begin == 0 || l[begin-1] == ' ') && (end == len(l) || l[end] == ' ') {
			return true
		}
		from = begin + 1
	}
	return false
}
