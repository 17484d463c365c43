package ignore

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"assay/service/policy/yamltext"
	"assay/verdict"
)

// Bounds of a file.
const (
	MaxBytes = yamltext.MaxBytes
	MaxRules = yamltext.MaxEntries
)

// Parse reads a file of exceptions. A YAML file is of the format whose key it has:
// "exceptions" for .assayignore.yaml, "ignore" for Grype, and "vulnerabilities" for Trivy.
// A file whose name does not end in .yaml or .yml has one id on each line, as Trivy's.
func Parse(name string, b []byte) (File, error) {
	f := File{Name: name}
	if len(b) > MaxBytes {
		return f, fmt.Errorf("more than %d bytes", MaxBytes)
	}
	if !utf8.Valid(b) {
		return f, fmt.Errorf("not UTF-8")
	}
	var err error
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
		err = f.parseYAML(b)
	} else {
		err = f.parseText(b)
	}
	if err != nil {
		return File{Name: name, Format: f.Format}, err
	}
	return f, nil
}

func (f *File) parseYAML(b []byte) error {
	top, err := yamltext.Read(b)
	if err != nil {
		return err
	}
	if top == nil {
		f.Format = Assay
		return nil
	}
	has := map[string]bool{}
	if err := yamltext.Fields(top, func(key string, _ *yaml.Node) error { has[key] = true; return nil }); err != nil {
		return err
	}
	isTrivy := slices.ContainsFunc(trivySections, func(s string) bool { return has[s] })
	switch {
	case has["exceptions"]:
		f.Format = Assay
		return yamltext.Fields(top, f.assaySection)
	case isTrivy && !has["ignore"]:
		f.Format = TrivyYAML
		return yamltext.Fields(top, f.trivySection)
	case has["ignore"] && !isTrivy:
		f.Format = Grype
		return yamltext.Fields(top, f.grypeSection)
	}
	return fmt.Errorf("line %d: want one of the keys exceptions (assay), vulnerabilities (Trivy) and ignore (Grype)", top.Line)
}

// entries reads a list of entries, each with its own line.
func (f *File) entries(list *yaml.Node, read func(r *Rule, key string, v *yaml.Node) error, check func(r *Rule) error) error {
	return yamltext.Each(list, func(entry *yaml.Node) error {
		r := &Rule{Line: entry.Line}
		err := yamltext.Fields(entry, func(key string, v *yaml.Node) error { return read(r, key, v) })
		if err != nil {
			return err
		}
		if err = check(r); err == nil {
			err = r.compile()
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.Line, err)
		}
		f.Rules = append(f.Rules, r)
		return nil
	})
}

func (f *File) assaySection(key string, v *yaml.Node) error {
	if key != "exceptions" {
		return yamltext.Unknown(key, v)
	}
	var err error
	f.Rules, err = ParseRules(v)
	return err
}

// ParseRules reads a list of rules in the format of .assayignore.yaml.
func ParseRules(list *yaml.Node) ([]*Rule, error) {
	var f File
	err := f.entries(list, assayField, func(r *Rule) error {
		switch {
		case !r.conditions():
			return fmt.Errorf("an exception without a condition, such as id or package")
		case strings.TrimSpace(r.Reason) == "":
			return fmt.Errorf("the exception has no reason")
		case r.Versions != "" && r.Package+r.Source+r.PackagePattern+r.SourcePattern == "" && len(r.PURLs) == 0:
			return fmt.Errorf("versions without a package")
		case r.FixState != "" && !slices.Contains([]string{"fixed", "not-fixed", "wont-fix"}, r.FixState):
			return fmt.Errorf("invalid fix-state %q, want fixed, not-fixed or wont-fix", verdict.Short(r.FixState))
		}
		for _, p := range r.Paths {
			if !strings.HasPrefix(p, "/") {
				return fmt.Errorf("path %q does not begin with a slash", verdict.Short(p))
			}
		}
		return nil
	})
	return f.Rules, err
}

func assayField(r *Rule, key string, v *yaml.Node) error {
	// An empty condition, such as that of a template without a value, would accept more than
	// was meant, and an empty day for ever.
	if key != "reason" && (strings.TrimSpace(v.Value) == "" && len(v.Content) == 0 || v.Tag == "!!null") {
		return fmt.Errorf("line %d: %q has no value", v.Line, verdict.Short(key))
	}
	switch key {
	case "id":
		return yamltext.Text(v, &r.ID)
	case "purl":
		return yamltext.Texts(v, &r.PURLs)
	case "package":
		return yamltext.Text(v, &r.Package)
	case "package-pattern":
		return yamltext.Text(v, &r.PackagePattern)
	case "source":
		return yamltext.Text(v, &r.Source)
	case "source-pattern":
		return yamltext.Text(v, &r.SourcePattern)
	case "type":
		return yamltext.Texts(v, &r.Types)
	case "versions":
		return yamltext.Text(v, &r.Versions)
	case "path":
		return yamltext.Texts(v, &r.Paths)
	case "fix-state":
		return yamltext.Text(v, &r.FixState)
	case "reason":
		return yamltext.Text(v, &r.Reason)
	case "by":
		return yamltext.Text(v, &r.By)
	case "expires":
		return yamltext.Day(v, &r.Expires)
	}
	return yamltext.Unknown(key, v)
}

// trivySections are the keys of .trivyignore.yaml. Those other than the first are about
// what assay does not look for.
var trivySections = []string{"vulnerabilities", "misconfigurations", "secrets", "licenses"}

func (f *File) trivySection(key string, v *yaml.Node) error {
	if !slices.Contains(trivySections, key) {
		return yamltext.Unknown(key, v)
	}
	if key != trivySections[0] {
		return nil
	}
	read := func(r *Rule, key string, v *yaml.Node) error {
		switch key {
		case "id":
			return yamltext.Text(v, &r.ID)
		case "paths":
			return yamltext.Texts(v, &r.Paths)
		case "purls":
			return yamltext.Texts(v, &r.PURLs)
		case "expired_at":
			return yamltext.Day(v, &r.Expires)
		case "statement":
			return yamltext.Text(v, &r.Reason)
		}
		return yamltext.Unknown(key, v)
	}
	return f.entries(v, read, func(r *Rule) error {
		if r.ID == "" {
			r.Inactive = "it has no id"
		}
		for i, p := range r.Paths {
			r.Paths[i] = "/" + p // Trivy's paths are relative to the root
		}
		return nil
	})
}

// id is the form of an id in a .trivyignore, also of a license such as "GPL-2.0+" or the
// first word of "(MIT OR CC0-1.0)". Other text is no such file.
var id = regexp.MustCompile(`^[A-Za-z0-9(][A-Za-z0-9._:/+-]{0,198}[A-Za-z0-9+)]$`)

func (f *File) parseText(b []byte) error {
	f.Format = TrivyText
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 64<<10)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		switch {
		case id.MatchString(words[0]):
		case strings.HasPrefix(line, "{"):
			return fmt.Errorf("line %d: it is JSON; --vex reads VEX statements", n)
		case strings.HasSuffix(words[0], ":"):
			return fmt.Errorf("line %d: %q is not an id; the name of a YAML file ends in .yaml or .yml", n, verdict.Short(words[0]))
		default:
			return fmt.Errorf("line %d: %q is not an id", n, verdict.Short(words[0]))
		}
		if len(f.Rules) == MaxRules {
			return fmt.Errorf("more than %d entries", MaxRules)
		}
		r := &Rule{Line: n, ID: words[0]}
		for _, w := range words {
			date, ok := strings.CutPrefix(w, "exp:")
			if !ok {
				continue
			}
			var err error
			if r.Expires, err = time.Parse(time.DateOnly, date); err != nil || r.Expires.IsZero() {
				r.Inactive = fmt.Sprintf("its date %q is invalid", verdict.Short(date)) // Trivy skips the line, too
			}
			break
		}
		f.Rules = append(f.Rules, r)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the lines: %w", err)
	}
	return nil
}
