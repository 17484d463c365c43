package match

import (
	"archive/zip"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/version"
)

// contradictions are what records say against themselves, by kind.
type contradictions struct {
	listed, edges, covered, touching int

	by map[string][]string // records and packages by kind
}

func (c *contradictions) add(kind string, a advisory.Advisory, p advisory.Package, v string) {
	c.by[kind] = append(c.by[kind], fmt.Sprintf("%s %s %s", a.ID, p.Name, v))
}

// entry checks one affected entry. Every version that it lists in addition to its ranges is
// affected by the ranges alone, and no fixed version is, unless another range of the
// package covers it.
func (c *contradictions) entry(a advisory.Advisory, i int) {
	af := a.Affected[i]
	order, ok := version.For(orderOf(af.Package.Ecosystem))
	if !ok || af.Package.Name == "" {
		return
	}
	compare := order.Comparer()
	of := func(af advisory.Affected) index.Affected {
		var e index.Affected
		for _, r := range af.Ranges {
			if r.Type != advisory.Git && len(r.Events) > 0 {
				e.Ranges = append(e.Ranges, index.Range{Type: r.Type, Events: r.Events})
			}
		}
		return e
	}
	ranges := of(af)
	if len(ranges.Ranges) == 0 {
		return
	}
	if e := af.Package.Ecosystem; e == "PyPI" || e == "Maven" {
		for _, v := range af.Versions {
			c.listed++
			switch out, err := evaluateEntry(compare, v, ranges); {
			case out.affected:
			case err != nil:
				c.add(e+": a listed version that cannot be compared", a, af.Package, v)
			default:
				c.add(e+": a listed version that no range holds", a, af.Package, v)
			}
		}
	}
	for j, r := range ranges.Ranges {
		for _, event := range r.Events {
			if event.Fixed == "" {
				continue
			}
			c.edges++
			family, _, _ := strings.Cut(af.Package.Ecosystem, ":")
			own, err := evaluateEntry(compare, event.Fixed, index.Affected{Ranges: []index.Range{r}})
			switch {
			case err != nil:
				c.add(family+": a fix that cannot be compared", a, af.Package, event.Fixed)
			case own.affected && slices.ContainsFunc(r.Events, func(e advisory.Event) bool {
				if e.Introduced == "" || e.Introduced == "0" {
					return false
				}
				order, err := compare(e.Introduced, event.Fixed)
				return err == nil && order == 0
			}):
				c.touching++
			case own.affected:
				c.add(family+": a fix that its own range holds", a, af.Package, event.Fixed)
			case slices.Contains(af.Versions, event.Fixed):
				c.add(family+": a fix that is listed as affected", a, af.Package, event.Fixed)
			default:
				others := index.Affected{Ranges: slices.Concat(ranges.Ranges[:j], ranges.Ranges[j+1:])}
				for k, other := range a.Affected {
					if k != i && other.Package.Ecosystem == af.Package.Ecosystem && other.Package.Name == af.Package.Name {
						others.Ranges = append(others.Ranges, of(other).Ranges...)
					}
				}
				if out, err := evaluateEntry(compare, event.Fixed, others); err == nil && out.affected {
					c.covered++
				}
			}
		}
	}
}

// TestRangesAgainstThemselves counts what the records of the test data say against
// themselves. docs/matching.md names it; the evaluation must add nothing to it.
func TestRangesAgainstThemselves(t *testing.T) {
	testkit.Long(t)
	files, err := filepath.Glob(filepath.Join(testkit.Path(t, "osv"), "*", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	c := contradictions{by: make(map[string][]string)}
	for _, file := range files {
		z, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			a := readRecord(t, f)
			for i := range a.Affected {
				if a.Withdrawn != nil {
					break
				}
				c.entry(a, i)
			}
		}
		z.Close()
	}
	t.Logf("%d listed versions, %d fixes; at %d another run begins, and another range covers %d", c.listed, c.edges, c.touching, c.covered)
	if c.listed < 169_000 || c.edges < 144_000 || c.touching < 75 || c.covered < 7_000 {
		t.Error("that is too few")
	}
	known := map[string][]string{
		"Bitnami: a fix that cannot be compared": {"BIT-mastodon-2026-47777 mastodon 4.6.0"},
		"PyPI: a fix that is listed as affected": {"PYSEC-2021-114 wagtail 2.11.6", "PYSEC-2023-177 gevent 23.9.0"},
		"PyPI: a listed version that no range holds": {
			"PYSEC-2021-114 wagtail 2.11.6", "PYSEC-2023-177 gevent 23.9.0", "PYSEC-2023-177 gevent 23.9.0.post1",
			"PYSEC-2023-61 django 3.2a1", "PYSEC-2023-61 django 3.2b1", "PYSEC-2023-61 django 3.2rc1",
			"PYSEC-2023-61 django 4.2a1", "PYSEC-2023-61 django 4.2b1", "PYSEC-2023-61 django 4.2rc1",
		},
	}
	for _, list := range c.by {
		slices.Sort(list)
	}
	if !maps.EqualFunc(c.by, known, slices.Equal) {
		t.Errorf("%d kinds of contradictions, want %d", len(c.by), len(known))
		for _, kind := range slices.Sorted(maps.Keys(c.by)) {
			t.Errorf("%d %s: %.1000s", len(c.by[kind]), kind, strings.Join(c.by[kind], ", "))
		}
	}
}
