package peers_test

import (
	"slices"
	"testing"

	"assay/check/peers"
)

func TestTable(t *testing.T) {
	const text = "# x\n\n| `not` | this |\n\n## Differences\n\ntext\n\n| roots | why |\n| --- | --- |\n" +
		"| `a/*` | because `b` differs from `c` |\n  | `b` |  a \\| bar  | \n\n### Deeper\n\n| `c` | `d` |\n\n## Next\n\n| `x` |\n"
	got, err := peers.Table(text, "## Differences", 2)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"a/*", "because `b` differs from `c`"}, {"b", "a | bar"}, {"c", "d"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, c := range []struct {
		heading string
		columns int
	}{{"## Differences", 3}, {"## Next", 2}, {"## Nowhere", 2}} {
		if _, err := peers.Table(text, c.heading, c.columns); err == nil {
			t.Errorf("%s with %d columns: no error", c.heading, c.columns)
		}
	}
}
