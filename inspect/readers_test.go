package inspect

import "testing"

// TestProbes: the walk has a bit of 64 for each probe.
func TestProbes(t *testing.T) {
	n := 0
	for _, r := range readers() {
		n += len(r.probes)
	}
	if n > 64 {
		t.Errorf("%d probes, more than 64", n)
	}
	t.Logf("%d probes", n)
}
