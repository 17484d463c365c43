package api

// What requests need, measured (docs/budgets.md) and rounded up.
const (
	perScan    = 256 << 10 // whatever is sent
	perByte    = 2         // of a document
	perObject  = 768       // of JSON in it
	perFinding = 4 << 10

	reportTimes = 3 // bytes for each of a verdict that is decoded and rendered
)

// scanNeed is what it takes to decode and evaluate a document, without its findings.
func scanNeed(size, objects int64) int64 { return perScan + perByte*size + perObject*objects }

// findingsNeed is what it takes to encode and keep so many findings.
func findingsNeed(n int) int64 { return perFinding * int64(n) }

// loadNeed is what it takes to read a kept document of so many bytes.
func loadNeed(size int64) int64 { return 64<<10 + 3*size }
