// Package yamltext reads YAML strictly: one document of bounded size, without keys that the
// reader does not know.
package yamltext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"assay/verdict"
)

// Bounds of a file.
const (
	MaxBytes = 1 << 20
	// MaxEntries bounds a list. The longest public files have a few hundred.
	MaxEntries = 10_000

	maxValues = 400_000 // with each alias counted as what it stands for
	maxDepth  = 32
)

// Read reads the only document of a file. The result is nil for an empty file.
func Read(b []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("not YAML: %s", verdict.Short(err.Error()))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	left := maxValues
	if err := bounded(doc.Content[0], &left, maxDepth); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

// bounded returns an error if a value is nested too deeply, or has too many values in it.
func bounded(n *yaml.Node, left *int, depth int) error {
	if *left--; *left < 0 {
		return fmt.Errorf("more than %d values, counting each alias as what it stands for", maxValues)
	}
	if depth == 0 {
		return fmt.Errorf("line %d: nested more than %d deep", n.Line, maxDepth)
	}
	if n.Alias != nil {
		return bounded(n.Alias, left, depth-1)
	}
	for _, c := range n.Content {
		if err := bounded(c, left, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// Value returns what an alias stands for, and other values as they are.
func Value(n *yaml.Node) *yaml.Node {
	for n.Alias != nil {
		n = n.Alias
	}
	return n
}

// Fields calls field for each key of a mapping. null has none.
func Fields(n *yaml.Node, field func(key string, v *yaml.Node) error) error {
	n = Value(n)
	if n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want keys and values", n.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := Value(n.Content[i])
		if key.Kind != yaml.ScalarNode || seen[key.Value] {
			return fmt.Errorf("line %d: repeated or invalid key %q", key.Line, verdict.Short(key.Value))
		}
		seen[key.Value] = true
		if err := field(key.Value, Value(n.Content[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// Each calls entry for each element of a list. null has none.
func Each(n *yaml.Node, entry func(v *yaml.Node) error) error {
	if n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: want a list", n.Line)
	}
	if len(n.Content) > MaxEntries {
		return fmt.Errorf("more than %d entries", MaxEntries)
	}
	for _, c := range n.Content {
		if err := entry(Value(c)); err != nil {
			return err
		}
	}
	return nil
}

// Text reads a string or a number. null is an empty string.
func Text(n *yaml.Node, to *string) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want a text", n.Line)
	}
	if n.Tag != "!!null" {
		*to = n.Value
	}
	return nil
}

// Texts reads one string or a list of strings.
func Texts(n *yaml.Node, to *[]string) error {
	if n.Kind == yaml.ScalarNode {
		if n.Tag != "!!null" {
			*to = []string{n.Value}
		}
		return nil
	}
	return Each(n, func(v *yaml.Node) error {
		var s string
		err := Text(v, &s)
		*to = append(*to, s)
		return err
	})
}

// Day reads a day or a time. A day begins at midnight UTC.
func Day(n *yaml.Node, to *time.Time) error {
	var s string
	if err := Text(n, &s); err != nil || s == "" {
		return err
	}
	for _, layout := range []string{"2006-1-2", time.RFC3339Nano, "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999"} {
		if at, err := time.Parse(layout, s); err == nil && !at.IsZero() { // the zero time is no day
			*to = at
			return nil
		}
	}
	return fmt.Errorf("line %d: invalid day %q, want for example 2027-01-31", n.Line, verdict.Short(s))
}

// Unknown is the error for a key that a format does not have. A misspelled condition would
// accept more than was meant.
func Unknown(key string, v *yaml.Node) error {
	return fmt.Errorf("line %d: unknown key %q", v.Line, verdict.Short(key))
}
