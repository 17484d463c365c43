package chain

import "fmt"

// A Set is the set of pages of a file that have been visited. A page that is visited
// twice is part of a cycle or of two values. Rejecting it keeps the work linear in the
// size of the file.
type Set struct {
	words []uint64
	pages uint32
}

// NewSet returns an empty set for a file with the given number of pages.
func NewSet(pages uint32) *Set {
	return &Set{words: make([]uint64, (uint64(pages)+63)/64), pages: pages}
}

// Add adds a page. It returns an error if the page is already in the set or not in the
// file. Pages are numbered from 0.
func (s *Set) Add(page uint32) error {
	if page >= s.pages {
		return fmt.Errorf("invalid page %d of %d", page, s.pages)
	}
	word, bit := &s.words[page/64], uint64(1)<<(page%64)
	if *word&bit != 0 {
		return fmt.Errorf("page %d visited twice", page)
	}
	*word |= bit
	return nil
}
