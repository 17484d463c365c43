package scan_test

import (
	"testing"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/service/scan"
	"assay/verdict"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// memory returns an index of records.
func memory(t *testing.T, records ...string) match.Index {
	t.Helper()
	var all []advisory.Advisory
	for _, r := range records {
		a, err := advisory.Parse([]byte(r))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return index.NewMemory(all, nil)
}

// answer returns the whole verdict of a scan.
func answer(s cyclonedx.Scan, ix match.Index, data verdict.Data, now time.Time) (verdict.Verdict, error) {
	a, err := scan.Evaluator{}.Answer(s, ix, nil, data, now)
	return a.Whole(), err
}
