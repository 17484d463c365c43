package store_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"assay/service/store"
)

func TestNewID(t *testing.T) {
	random := strings.NewReader("0123456789")
	if id, err := store.NewID(random); err != nil || id != "gaytemzugu3doobz" { // printf 0123456789 | base32
		t.Errorf("id %q, %v", id, err)
	}
	// No id without randomness.
	if id, err := store.NewID(random); err == nil {
		t.Errorf("id %q was made of nothing", id)
	}
	broken := errors.New("no entropy")
	if _, err := store.NewID(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the reader", err)
	}
}
