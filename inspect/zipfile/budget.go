package zipfile

import (
	"errors"
	"fmt"
)

// ErrBudget says that reading an archive cost more than it may. What was read
// before stands; there is no use in reading on with the same budget.
var ErrBudget = errors.New("archive costs too much to read")

// A Budget is what may still be spent on an archive. Reading takes from it, so
// that one budget given to an archive and to all that are nested in it bounds
// them together, however they overlap or repeat. It is used by one goroutine.
type Budget struct {
	Entries   int64 // entries that may be met
	Directory int64 // bytes of directories and headers that may be read
	Content   int64 // bytes of content that may be read, after decompression
}

// Bounds of BudgetFor. Real archives hold fewer entries than a quarter of this,
// and what they and all archives nested in them inflate to is seldom eight
// times their size.
const (
	maxEntries   = 1 << 20
	maxDirectory = 128 << 20
	baseContent  = 64 << 20
	ratioContent = 32
	maxContent   = 8 << 30
)

// BudgetFor returns the budget for an archive of size bytes: the time that a
// hostile one can take grows with its size, not with what it claims to hold.
func BudgetFor(size int64) *Budget {
	return &Budget{
		Entries:   maxEntries,
		Directory: maxDirectory,
		Content:   baseContent + ratioContent*min(max(size, 0), (maxContent-baseContent)/ratioContent),
	}
}

// entry takes one entry with n bytes of header.
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

// content takes n bytes of content.
func (b *Budget) content(n int) error {
	b.Content -= int64(n)
	if b.Content < 0 {
		return fmt.Errorf("%w: too much content", ErrBudget)
	}
	return nil
}
