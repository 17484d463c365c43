//go:build fat

package ruby

import (
	"slices"
	"testing"

	"assay/check/testkit"
)

// All gems in a large root are those that its own gem lists.
func TestAsGemListOfRoot(t *testing.T) {
	root := testkit.Fat(t)
	want := gemList(t, []string{"LC_ALL=C.UTF-8"}, true, "chroot", root, "gem", "list")
	if len(want) < 130 {
		t.Fatalf("gem lists %d gems", len(want))
	}
	if got := find(t, root); !slices.Equal(got, want) {
		t.Errorf("found %q\ngem lists %q", got, want)
	}
}
