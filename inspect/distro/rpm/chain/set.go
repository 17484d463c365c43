package chain

import "fmt"

// A Set is the pages of a file that were met already. A page that is met twice
// belongs to a circle, or to two values at once; refusing it keeps the work on a
// file linear in its size.
type Set struct {
	words []uint64
	pages uint32
}

// NewSet returns an empty set for a file of that many pages.
func NewSet(pages uint32) *Set {
	return &Set{words: make([]uint64, (uint64(pages)+63)/64), pages: pages}
}

// Add adds a page. It is an error if the page is in the set, or not in the file,
// whose pages have the numbers from 0 to one below their count.
func (s *Set) Add(page uint32) error {
	if page >= s.pages {
		return fmt.Errorf("page %d of %d", page, s.pages)
	}
	word, bit := &s.words[page/64], uint64(1)<<(page%64)
	if *word&bit != 0 {
		return fmt.Errorf("page %d met twice", page)
	}
	*word |= bit
	return nil
}
