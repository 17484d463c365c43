package api

import (
	"assay/remote/cyclonedx"
	"assay/service/httpserver"
)

// The memory that requests need, as measured (docs/budgets.md) and rounded up.
const (
	perScan    = 256 << 10 // for any document
	perByte    = 2         // for a byte of a document
	perObject  = 768       // for a JSON object in it
	perFinding = 4 << 10

	perRuleByte  = 64      // for a byte of a file of exceptions
	perFileByte  = 8       // for a byte of a larger file, which is JSON
	maxRuleBytes = 1 << 20 // of a file of exceptions

	reportTimes    = 3 // bytes for each byte of a verdict that is decoded and rendered as text
	formatTimes    = 9 // and in another format
	inventoryTimes = 8 // for each byte of a document that is rendered, as SPDX at most
)

// scanNeed returns the memory to decode and evaluate a document, without its findings.
func scanNeed(size, objects int64) int64 { return perScan + perByte*size + perObject*objects }

// findingsNeed returns the memory to encode and store n findings.
func findingsNeed(n int) int64 { return perFinding * int64(n) }

// loadNeed returns the memory to read a stored document of size bytes.
func loadNeed(size int64) int64 { return 64<<10 + 3*size }

// referenceNeed returns the memory to read the packages of the stored document of another
// scan, of size bytes.
func referenceNeed(size int64) int64 { return loadNeed(size) + scanNeed(size, size/100) }

// inventoryNeed returns the memory to read the stored document of a scan and to render it.
func inventoryNeed(size int64) int64 { return referenceNeed(size) + inventoryTimes*size }

// filesNeed returns the memory to read files of exceptions, and a baseline.
func filesNeed(files []cyclonedx.File) int64 {
	var need int64
	for _, f := range files {
		size := int64(len(f.Body))
		switch f.Kind {
		case cyclonedx.FileIgnore:
			need += perRuleByte * min(size, maxRuleBytes)
		case cyclonedx.FileBaseline:
			need += scanNeed(size, httpserver.CountObjects(f.Body))
		default:
			need += perFileByte * size
		}
	}
	return need
}
