package api

// A Memory is what all requests together may use. Every request says beforehand what
// it will need, by what it has sent or asks for; what is not free is waited for, and
// what is not free soon is refused with 503.
type Memory struct {
	bodies, work *budget
}

// DefaultMemory is what requests may use where nobody says.
const DefaultMemory = 512 << 20

// NewMemory returns a memory of so many bytes. A quarter is for bodies that are being
// read, or wait: those must not keep what runs from coming to its end.
func NewMemory(bytes int64) *Memory {
	return &Memory{
		bodies: newBudget(bytes/4, bytes/8, 0, 0),
		work:   newBudget(bytes-bytes/4, (bytes-bytes/4)/2, maxWaiting, patience),
	}
}

// Changed sets what is told after each change how many bytes are in use.
func (m *Memory) Changed(f func(used int64)) {
	m.bodies.changed = func(used int64) { f(used + m.work.usedNow()) }
	m.work.changed = func(used int64) { f(used + m.bodies.usedNow()) }
}

// What requests need, measured (docs/budgets.md) and rounded up.
const (
	perScan    = 256 << 10 // whatever is sent
	perByte    = 2         // of a document
	perObject  = 768       // of JSON in it
	perFinding = 4 << 10

	reportTimes = 3 // bytes for each of a verdict that is decoded and rendered
)

// scanNeed is what it takes to decode and judge a document, without its findings.
func scanNeed(size, objects int64) int64 { return perScan + perByte*size + perObject*objects }

// findingsNeed is what it takes to encode and keep so many findings.
func findingsNeed(n int) int64 { return perFinding * int64(n) }

// loadNeed is what it takes to read a kept document of so many bytes.
func loadNeed(size int64) int64 { return 64<<10 + 3*size }
