package httpserver

// A Memory is what all requests together may use. Each request reserves what it will
// need before it allocates it, estimated from what was sent or is asked for. It waits
// while too much is in use, and is refused with 503 if that takes too long.
type Memory struct {
	bodies, work *budget
}

// DefaultMemory is what requests may use by default, in bytes.
const DefaultMemory = 512 << 20

// NewMemory returns a Memory of the given size. A quarter of it is for bodies that are
// being read or wait: they must not prevent running requests from finishing.
func NewMemory(bytes int64) *Memory {
	return &Memory{
		bodies: newBudget(bytes/4, bytes/8, 0, 0),
		work:   newBudget(bytes-bytes/4, (bytes-bytes/4)/2, maxWaiting, patience),
	}
}

// Changed sets a function that is called after each change with the bytes in use.
func (m *Memory) Changed(f func(used int64)) {
	m.bodies.changed = func(used int64) { f(used + m.work.usedNow()) }
	m.work.changed = func(used int64) { f(used + m.bodies.usedNow()) }
}
