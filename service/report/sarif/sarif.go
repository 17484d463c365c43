// Package sarif renders a scan as SARIF 2.1.0 (OASIS), in the form that GitHub code scanning
// and other viewers accept: a rule for each vulnerability and a result for each finding.
package sarif

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"assay/service/report"
	"assay/verdict"
)

// Format is the format "sarif".
func Format() report.Format {
	return report.Format{Name: "sarif", Type: "application/sarif+json", Extension: ".sarif", Render: func(w io.Writer, s report.Scan) error {
		return render(w, s, github())
	}}
}

// limits are those of a file that a viewer accepts.
type limits struct {
	results int // of a run, and so of rules
	zipped  int // bytes in gzip
}

// github returns the limits of GitHub code scanning ("SARIF results exceed one or more
// limits"): 25,000 results and 25,000 rules in a run, and 10 MB in gzip. The rest, 20 tags of
// a rule and 1,000 locations of a result, is never reached. The file stays 5 % below the
// size, because its parts are compressed here in another order.
func github() limits { return limits{results: 25_000, zipped: 9_500_000} }

// render writes the worst findings that the limits allow, and says how many are left out.
func render(w io.Writer, s report.Scan, most limits) error {
	v := s.Verdict
	rules, results, n, err := findings(v, most)
	if err != nil {
		return fmt.Errorf("encode SARIF: %w", err)
	}
	head, err := encode(driver{Name: "assay", Version: s.Service, InformationURI: s.PublicURL})
	if err != nil {
		return fmt.Errorf("encode SARIF: %w", err)
	}
	rest, err := encode(run{
		Automation:  automation{ID: automationID(v)},
		Invocations: []invocation{invocationOf(s, n)},
		Properties: map[string]any{
			"outcome": v.Decision.Outcome, "findings": v.Counts.Findings, "failing": v.Counts.Failing,
			"packages": v.Counts.Packages, "evaluatedPackages": v.Counts.Evaluated,
			"scan": v.Scan, "snapshot": v.Data.Snapshot, "dataUpdated": v.Data.Updated,
		},
	})
	if err != nil {
		return fmt.Errorf("encode SARIF: %w", err)
	}
	// The lists are most of the file, and are not copied once more: the last brace of the driver
	// and the first one of the rest are left out.
	for _, part := range [][]byte{
		[]byte(`{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":`),
		head[:len(head)-1], []byte(`,"rules":`), rules, []byte(`}},"results":`), results, []byte(`,`), rest[1:], []byte("]}\n"),
	} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("write SARIF: %w", err)
		}
	}
	return nil
}

// automationID names the analysis, with the scan after the last slash. GitHub takes what is
// before it for the category: the alerts of each project are separate.
func automationID(v verdict.Verdict) string {
	id := "assay/"
	if p := relative(v.Options.Project); p != "" {
		id += p + "/"
	}
	return id + v.Scan
}

// findings returns the lists of rules and of results, and the number of results.
func findings(v verdict.Verdict, most limits) (rules, results []byte, n int, err error) {
	about := vulnerabilities(v)
	prints := fingerprints(v.Findings)
	indexes := map[string]int{} // of the rules
	size := sizer{most: most.zipped}
	rules, results = []byte("["), []byte("[")
	for i, f := range v.Findings[:min(len(v.Findings), most.results)] {
		id := identity(f)
		index, known := indexes[id]
		var newRule []byte
		if !known {
			index = len(indexes)
			if newRule, err = encode(about[id].rule()); err != nil {
				return nil, nil, 0, err
			}
		}
		newResult, err := encode(resultOf(f, index, prints[i], v.Options))
		if err != nil {
			return nil, nil, 0, err
		}
		if fits, err := size.add(rules, results, newRule, newResult); err != nil || !fits {
			return append(rules, ']'), append(results, ']'), n, err
		}
		if !known {
			indexes[id] = index
			rules = appendElement(rules, newRule)
		}
		results = appendElement(results, newResult)
		n++
	}
	return append(rules, ']'), append(results, ']'), n, nil
}

// A sizer says whether a text is small enough in gzip. It compresses nothing as long as the
// text itself is small enough.
type sizer struct {
	most    int
	zip     *gzip.Writer
	zipped  counter
	flushed int // elements since the last flush
}

// add adds the elements of one result to the lists that were added before. It reports whether
// all of it is small enough.
func (s *sizer) add(rules, results, newRule, newResult []byte) (bool, error) {
	added := [][]byte{newRule, newResult}
	if s.zip == nil {
		if len(rules)+len(results)+len(newRule)+len(newResult) <= s.most {
			return true, nil
		}
		s.zip = gzip.NewWriter(&s.zipped)
		added = [][]byte{rules, results, newRule, newResult}
	}
	for _, b := range added {
		if _, err := s.zip.Write(b); err != nil {
			return false, err
		}
	}
	if s.flushed++; s.flushed%64 == 0 { // each flush makes the output larger
		if err := s.zip.Flush(); err != nil {
			return false, err
		}
	}
	return s.zipped.n <= s.most, nil
}

// A counter counts the bytes that are written to it.
type counter struct{ n int }

func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	return len(b), nil
}

func appendElement(list, element []byte) []byte {
	if len(list) > 1 {
		list = append(list, ',')
	}
	return append(list, element...)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// invocationOf says whether the scan was complete. A run of which something was not evaluated
// did not succeed, so that no viewer takes the results, or their absence, for all of them. n
// is the number of results.
func invocationOf(s report.Scan, n int) invocation {
	v := s.Verdict
	in := invocation{ExitCode: v.Decision.Code, EndTime: s.At.UTC().Format(time.RFC3339)}
	gaps := s.Incomplete()
	level := "warning"
	if v.Decision.Outcome != verdict.Pass && v.Decision.Outcome != verdict.Fail {
		level = "error"
	}
	for _, g := range gaps {
		in.Notifications = append(in.Notifications, notification{descriptor{g.Rule}, level, text{Text: plain(g.Text, maxText)}})
	}
	if left := len(v.Findings) - n; left > 0 {
		in.Notifications = append(in.Notifications, notification{descriptor{"truncated"}, "error", text{Text: fmt.Sprintf(
			"%d of %d findings are left out, the least severe ones, because of the limits of GitHub code scanning; the JSON report has all of them",
			left, len(v.Findings))}})
	}
	if k := v.Counts.Kernel; k > 0 && !v.Options.Kernel {
		in.Notifications = append(in.Notifications, notification{descriptor{verdict.RuleKernel}, "note", text{Text: fmt.Sprintf(
			"%d findings of kernel packages and headers are not listed, because an image does not run its kernel", k)}})
	}
	in.ExecutionSuccessful = len(gaps) == 0 && n == len(v.Findings)
	return in
}
