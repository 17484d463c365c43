package zipfile

import (
	"errors"
	"fmt"
)

// ErrBudget is returned if reading an archive costs more than its budget. What was read
// before is valid. Further reads with the same budget fail as well.
var ErrBudget = errors.New("archive is too expensive to read")

// A Budget is what reading an archive may still cost. One budget that is shared by an
// archive and all archives nested in it bounds their total cost, however they overlap
// or repeat. Only one goroutine may use it.
type Budget struct {
	Entries   int64 // number of entries that may be read
	Directory int64 // bytes of directories and headers that may be read
	Content   int64 // bytes of content that may be read, after decompression
}

// The factors of BudgetFor. Real archives have fewer than a quarter of these entries,
// and what they and their nested archives inflate to is rarely more than eight times
// their size.
const (
	maxEntries   = 1 << 20
	maxDirectory = 128 << 20
	baseContent  = 64 << 20
	ratioContent = 32
	maxContent   = 8 << 30
)

// BudgetFor returns the budget for an archive of size bytes. The time for a hostile
// archive thus grows with its size and not with what it claims to contain.
func BudgetFor(size int64) *Budget {
	return &Budget{
		Entries:   maxEntries,
		Directory: maxDirectory,
		Content:   baseContent + ratioContent*min(max(size, 0), (maxContent-baseContent)/ratioContent),
	}
}

// entry charges one entry with n bytes of header.
func (b *Budget) entry(n int64) error {
	if b.Entries < 1 {
		return fmt.Errorf("%w: too many entries", ErrBudget)
	}
	if b.Directory < n {
		return fmt.Errorf("%w: directory too large", ErrBudget)
	}
	b.Entries--
	b.Directory -= n
	return nil
}

// content charges n bytes of content.
func (b *Budget) content(n int) error {
	b.Content -= int64(n)
	if b.Content < 0 {
		return fmt.Errorf("%w: too much content", ErrBudget)
	}
	return nil
}
