// Package copa writes a report as the manifest of updates that a scanner plug-in of Copacetic
// prints (UpdateManifest, v1alpha1): copa patches the packages of the operating system in a
// finished image with it.
package copa

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"assay/service/report"
	"assay/verdict"
)

// Format is the manifest.
func Format() report.Format {
	return report.Format{Name: "copa", Type: "application/json", Extension: ".json", Render: render}
}

type manifest struct {
	APIVersion string `json:"apiVersion"`
	// Error is set instead of updates. The version is then one that copa refuses.
	Error    string   `json:"error,omitempty"`
	Metadata metadata `json:"metadata"`
	Updates  []update `json:"updates"`
}

type metadata struct {
	OS     system `json:"os"`
	Config config `json:"config"`
}

type system struct {
	Type    string `json:"type"`
	Version string `json:"version"`
}

type config struct {
	Arch string `json:"arch"` // as Go names it
}

type update struct {
	Name      string `json:"name"`
	Installed string `json:"installedVersion"`
	Fixed     string `json:"fixedVersion"`
	ID        string `json:"vulnerabilityID"`
}

// untrusted is the version of a manifest without updates of a scan that says nothing about
// the image. copa takes a valid manifest without updates for an image that needs none.
const untrusted = "not-evaluated"

func render(w io.Writer, s report.Scan) error {
	v := s.Verdict
	m := manifest{
		APIVersion: "v1alpha1", Updates: []update{},
		Metadata: metadata{OS: system{Type: family(v.System.ID), Version: report.Line(v.System.VersionID, 100)}},
	}
	if o := v.Decision.Outcome; o != verdict.Pass && o != verdict.Fail {
		m.APIVersion, m.Error = untrusted, "the scan could not be evaluated"
		if len(v.Decision.Reasons) > 0 {
			m.Error = report.Line(v.Decision.Reasons[0].Text, 1000)
		}
		return write(w, m)
	}
	arches := map[string]int{}
	for _, f := range v.Findings {
		p := f.Package
		if p.Type != "deb" && p.Type != "apk" && p.Type != "rpm" {
			continue
		}
		arches[architecture(p.Arch)]++
		switch {
		case f.Fixed == "" || f.Rule == verdict.RuleAccepted || f.Rule == verdict.RuleVEX:
		case !name.MatchString(p.Name) || !version.MatchString(p.Version) || !version.MatchString(f.Fixed):
		default:
			m.Updates = append(m.Updates, update{p.Name, p.Version, f.Fixed, report.Line(f.ID, 100)})
		}
	}
	delete(arches, "")
	for arch, n := range arches {
		if best := arches[m.Metadata.Config.Arch]; n > best || n == best && arch < m.Metadata.Config.Arch {
			m.Metadata.Config.Arch = arch
		}
	}
	slices.SortFunc(m.Updates, func(a, b update) int {
		return strings.Compare(a.Name+"\x00"+a.ID+"\x00"+a.Installed+"\x00"+a.Fixed, b.Name+"\x00"+b.ID+"\x00"+b.Installed+"\x00"+b.Fixed)
	})
	m.Updates = slices.Compact(m.Updates)
	return write(w, m)
}

func write(w io.Writer, m manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the manifest of copa: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// copa puts names and versions into commands of a shell. These are the characters that
// package managers allow in them.
var (
	name    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
	version = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+:~^-]*$`)
)

// family returns copa's name of an operating system.
func family(id string) string {
	switch id {
	case "rhel":
		return "redhat"
	case "amzn":
		return "amazon"
	case "ol":
		return "oracle"
	case "mariner":
		return "cbl-mariner"
	}
	return report.Line(id, 100)
}

// architecture returns Go's name of the architecture of a package, or an empty string for one
// of all architectures.
func architecture(arch string) string {
	switch arch {
	case "all", "any", "noarch":
		return ""
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386", "i686", "x86":
		return "386"
	case "armhf", "armv7", "armv7hl":
		return "arm"
	case "ppc64el":
		return "ppc64le"
	}
	return report.Line(arch, 100)
}
