package testkit

import (
	"runtime"
	"testing"
)

// Allocates fails the test if f allocates more than most bytes. Nothing else may run.
func Allocates(t testing.TB, most uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("allocated %d MiB, want at most %d", n>>20, most>>20)
	}
}
