package walk

import (
	"path"
	"strings"
)

// Skip is a set of paths that are left out, with everything below them. A nil Skip is
// empty.
type Skip struct {
	below map[string]*Skip
	out   bool
}

// NewSkip returns a set of paths, each relative to the root, with or without a leading
// slash. The root itself is never left out.
func NewSkip(paths []string) *Skip {
	root := &Skip{}
	for _, p := range paths {
		at := root
		for name := range parts(p) {
			if at.below == nil {
				at.below = map[string]*Skip{}
			}
			next := at.below[name]
			if next == nil {
				next = &Skip{}
				at.below[name] = next
			}
			at = next
		}
		at.out = at != root
	}
	return root
}

// Covers reports whether p, relative to the root, is left out.
func (s *Skip) Covers(p string) bool {
	for name := range parts(p) {
		if s = s.at(name); s == nil {
			return false
		}
		if s.out {
			return true
		}
	}
	return false
}

// parts yields the components of the cleaned path.
func parts(p string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name := range strings.SplitSeq(path.Clean("/" + p)[1:], "/") {
			if name != "" && !yield(name) {
				return
			}
		}
	}
}

// at returns the set below name, or nil if nothing is left out there.
func (s *Skip) at(name string) *Skip {
	if s == nil {
		return nil
	}
	return s.below[name]
}

// atBytes is at without allocating a string.
func (s *Skip) atBytes(name []byte) *Skip {
	if s == nil || s.below == nil {
		return nil
	}
	return s.below[string(name)]
}
