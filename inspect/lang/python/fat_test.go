//go:build fat

package python

import (
	"slices"
	"testing"

	"assay/check/testkit"
)

// All packages in a large root are those that pip lists: for Debian's Python, for a
// virtual environment, and for a folder.
func TestAsPipOfRoot(t *testing.T) {
	root := testkit.Fat(t)
	var want []string
	for _, args := range [][]string{
		{"python3"}, {"/srv/venv/bin/python3"}, {"/srv/venv/bin/python3", "--path", "/srv/function"},
	} {
		command := append([]string{"chroot", root, args[0], "-B", "-m", "pip", "list", "--format=json"}, args[1:]...)
		want = append(want, pipList(t, command...)...)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if len(want) < 60 {
		t.Fatalf("pip lists %d packages", len(want))
	}
	if got := find(t, root); !slices.Equal(got, want) {
		t.Errorf("found %q\npip lists %q", got, want)
	}
}
