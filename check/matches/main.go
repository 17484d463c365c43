// Matches evaluates the inventories of popular public images with the advisories of the
// test data, without a service, and prints how many packages are evaluated, why others
// are not, and what is found. Held beside the same of an earlier release it shows what
// a change of the matcher does.
package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/check/inventories"
	"assay/check/testkit/program"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
)

func main() {
	var testdata string
	program.TestData(&testdata, "")
	program.Main("matches", func(ctx context.Context) error { return run(ctx, testdata) })
}

func run(ctx context.Context, testdata string) error {
	ix, err := indexOf(testdata)
	if err != nil {
		return err
	}
	all, err := inventories.All(testdata)
	if err != nil {
		return err
	}
	var packages, judged, failed, findings, owned int
	causes, vendors, by := map[string]int{}, map[string]int{}, map[string]int{}
	for _, i := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		doc, err := i.Document()
		if err != nil {
			return err
		}
		scan, err := cyclonedx.Decode(bytes.NewReader(doc), cyclonedx.DefaultLimits())
		if err != nil {
			return fmt.Errorf("%s: %w", i.Image, err)
		}
		res, err := match.Inventory(scan.Inventory, ix, nil, time.Unix(0, 0).UTC())
		if err != nil {
			failed++
			fmt.Printf("%s %s: %v\n", i.Tool, i.Image, err)
			continue
		}
		packages, judged, findings = packages+res.Packages, judged+res.Evaluated, findings+len(res.Findings)
		for _, u := range res.NotEvaluated {
			causes[string(u.Cause)] += u.Packages
			if u.Cause == "vendor" {
				vendors[u.Reason] += u.Packages
			}
		}
		for _, f := range res.Findings {
			publisher, _, _ := strings.Cut(f.Advisories[0], "-")
			by[f.Package.Type+" "+publisher+"-"]++
			if f.Owned {
				owned++
			}
		}
	}
	fmt.Printf("%d inventories, %d errors\n%d packages, %d evaluated\n", len(all), failed, packages, judged)
	list("not evaluated, by cause", causes)
	list("built by other vendors", vendors)
	fmt.Printf("%d findings, %d of them left to the distribution\n", findings, owned)
	list("findings, by type and publisher", by)
	return nil
}

func list(title string, counts map[string]int) {
	fmt.Println(title)
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	}) {
		fmt.Printf("%8d  %s\n", counts[k], k)
	}
}

// indexOf returns the advisories of the test data.
func indexOf(testdata string) (*index.Memory, error) {
	var all []advisory.Advisory
	for _, folder := range [...]string{"osv", "osv-samples"} {
		for r, err := range load.Open(filepath.Join(testdata, folder)).Records() {
			if err != nil {
				return nil, err
			}
			a, err := advisory.Parse(r.Body)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.ID, err)
			}
			a.Details = ""
			all = append(all, a)
		}
	}
	return index.NewMemory(all, nil), nil
}
