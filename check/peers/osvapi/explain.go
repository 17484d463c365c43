package main

import (
	"fmt"
	"slices"
	"strings"

	"assay/service/index"
	"assay/service/version"
)

// explain returns why the answer of assayd differs for a record and a package, or an empty
// string.
func explain(a record, f finding, adds bool) string {
	if base, _, _ := strings.Cut(f.ecosystem, ":"); adds && !slices.Contains(a.folders, base) {
		return "the record is only in the archive of another ecosystem, which osv-scanner does not open"
	}
	if adds && f == (finding{"PyPI", "setuptools", "40.8.0.post20190503", "PYSEC-2022-43012"}) {
		return "a post release below the fix 65.5.1, by PEP 440; osv-scanner misses it"
	}
	order, ok := version.For(f.ecosystem)
	if !ok {
		return ""
	}
	if _, err := order.Comparer()(f.version, f.version); err != nil && adds {
		return "the version cannot be compared, so that every record counts"
	}
	for _, af := range a.Affected {
		if af.Package.Ecosystem != f.ecosystem || index.NormalName(f.ecosystem, af.Package.Name) != index.NormalName(f.ecosystem, f.name) {
			continue
		}
		if _, _, leftOut := index.LeftOut(af); leftOut && !adds {
			return "the entry is not about Linux"
		}
		if fmt.Sprint(index.Bounded(af).Ranges) != fmt.Sprint(af.Ranges) && !adds {
			return "the range has an end in last_known_affected_version_range"
		}
		if strings.Contains(string(af.EcosystemSpecific), `"custom_ranges"`) {
			return "the affected tags are in custom_ranges"
		}
	}
	return ""
}
