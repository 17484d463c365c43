// Package clair has what the APIs of all versions of Clair share.
package clair

import "assay/verdict"

// Severity returns Clair's word for a severity. It is "Unknown" for an unrated one.
func Severity(s verdict.Severity) string {
	switch s {
	case verdict.Critical:
		return "Critical"
	case verdict.High:
		return "High"
	case verdict.Medium:
		return "Medium"
	case verdict.Low:
		return "Low"
	case verdict.Negligible:
		return "Negligible"
	}
	return "Unknown"
}
