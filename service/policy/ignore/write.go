package ignore

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"assay/verdict"
)

// An exception is an entry as .assayignore.yaml has it.
type exception struct {
	ID             string   `yaml:"id,omitempty"`
	Package        string   `yaml:"package,omitempty"`
	PackagePattern string   `yaml:"package-pattern,omitempty"`
	Source         string   `yaml:"source,omitempty"`
	SourcePattern  string   `yaml:"source-pattern,omitempty"`
	PURL           []string `yaml:"purl,omitempty,flow"`
	Type           []string `yaml:"type,omitempty,flow"`
	Versions       string   `yaml:"versions,omitempty"`
	Path           []string `yaml:"path,omitempty,flow"`
	FixState       string   `yaml:"fix-state,omitempty"`
	Reason         string   `yaml:"reason"`
	By             string   `yaml:"by,omitempty"`
	Expires        string   `yaml:"expires,omitempty"`
}

// Write writes the exceptions of a file in the format of .assayignore.yaml. Comments at
// the end name those that accept nothing.
func Write(w io.Writer, f File) error {
	var all []exception
	var left strings.Builder
	for _, r := range f.Rules {
		if r.Inactive != "" {
			fmt.Fprintf(&left, "# not converted: %s: %s\n", verdict.Clean(r.Title()), verdict.Clean(r.Inactive))
			continue
		}
		e := exception{
			ID: r.ID, Package: r.Package, PackagePattern: r.PackagePattern, Source: r.Source, SourcePattern: r.SourcePattern,
			PURL: r.PURLs, Type: r.Types, Versions: r.Versions, FixState: r.FixState, Reason: r.Reason, By: r.By,
		}
		if strings.TrimSpace(e.Reason) == "" {
			e.Reason = fmt.Sprintf("not given in line %d of %s", r.Line, f.Name)
		}
		for _, p := range r.Paths {
			if !strings.HasPrefix(p, "/") { // of Grype, where "**" may be first
				p = "/" + p
			}
			e.Path = append(e.Path, p)
		}
		if !r.Expires.IsZero() {
			e.Expires = r.Expires.UTC().Format(time.RFC3339)
			if r.Expires.Equal(r.Expires.UTC().Truncate(24 * time.Hour)) {
				e.Expires = r.Expires.UTC().Format(time.DateOnly)
			}
		}
		all = append(all, e)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(map[string][]exception{"exceptions": all}); err != nil {
		return fmt.Errorf("write the exceptions: %w", err)
	}
	b.WriteString(left.String())
	_, err := w.Write(b.Bytes())
	return err
}
