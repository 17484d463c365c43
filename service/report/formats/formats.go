// Package formats lists all formats of reports.
package formats

import (
	"slices"

	"assay/service/report"
	"assay/service/report/copa"
	"assay/service/report/csv"
	"assay/service/report/cyclonedx"
	"assay/service/report/gitlab"
	"assay/service/report/html"
	"assay/service/report/junit"
	"assay/service/report/markdown"
	"assay/service/report/microscanner"
	"assay/service/report/openvex"
	"assay/service/report/plain"
	"assay/service/report/sarif"
	"assay/service/report/spdx"
)

// All returns the formats in the order of the documentation.
func All() []report.Format {
	return []report.Format{
		plain.Text(),
		plain.JSON(),
		html.Format(),
		sarif.Format(),
		cyclonedx.Format(),
		spdx.Format(),
		openvex.Format(),
		csv.Format(),
		markdown.Format(),
		junit.Format(),
		gitlab.Format(),
		microscanner.Format(),
		copa.Format(),
	}
}

// Find returns the format with a name.
func Find(name string) (report.Format, bool) {
	all := All()
	i := slices.IndexFunc(all, func(f report.Format) bool { return f.Name == name })
	if i < 0 {
		return report.Format{}, false
	}
	return all[i], true
}

// Names returns the names of all formats.
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}
