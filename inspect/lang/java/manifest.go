package java

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"assay/inspect/inventory"
)

const (
	manifestName = "META-INF/MANIFEST.MF"
	// maxManifest bounds what is read of a manifest, and maxValue the attributes
	// that are kept. The list of all packages of a large bundle takes 200 KiB.
	maxManifest = 4 << 20
	maxValue    = 1 << 10
)

// A manifest is what the main section of a manifest says about the archive.
type manifest struct {
	title         string // Implementation-Title
	version       string // Implementation-Version
	bundle        string // Bundle-SymbolicName, without directives
	bundleVersion string // Bundle-Version
	module        string // Automatic-Module-Name
	// Of a plugin of Jenkins: Group-Id, Short-Name and Plugin-Version.
	pluginGroup, plugin, pluginVersion string
}

// attribute returns the field for an attribute, nil where it is of no use. Names
// of attributes do not tell cases apart.
func (m *manifest) attribute(name []byte) *string {
	switch strings.ToLower(string(name)) {
	case "implementation-title":
		return &m.title
	case "implementation-version":
		return &m.version
	case "bundle-symbolicname":
		return &m.bundle
	case "bundle-version":
		return &m.bundleVersion
	case "automatic-module-name":
		return &m.module
	case "group-id":
		return &m.pluginGroup
	case "short-name":
		return &m.plugin
	case "plugin-version":
		return &m.pluginVersion
	}
	return nil
}

// readManifest reads the main section of a manifest, as the JAR File
// Specification has it: lines end with CR, LF or both, and one that begins with a
// blank continues the one before, since no line has more than 72 bytes. A line
// that is no attribute is passed over.
func readManifest(r io.Reader) (manifest, error) {
	var m manifest
	var value *string // of the attribute that a line may continue
	l := lines{r: bufio.NewReader(r)}
	for {
		line, err := l.next()
		if err != nil {
			m.clean()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return m, err
		}
		switch {
		case len(line) == 0:
			m.clean()
			return m, nil
		case line[0] == ' ':
			line = line[1:]
		default:
			var name []byte
			var ok bool
			name, line, ok = bytes.Cut(line, []byte(":"))
			value = nil
			if ok {
				value = m.attribute(name)
			}
			if value != nil {
				*value = ""
			}
			line = bytes.TrimPrefix(line, []byte(" "))
		}
		switch {
		case value == nil:
		case len(*value)+len(line) > maxValue:
			*value, value = "", nil
		default:
			*value += string(line)
		}
	}
}

// clean takes out what is no part of the values.
func (m *manifest) clean() {
	m.bundle, _, _ = strings.Cut(m.bundle, ";")
	for _, v := range []*string{
		&m.title, &m.version, &m.bundle, &m.bundleVersion, &m.module,
		&m.pluginGroup, &m.plugin, &m.pluginVersion,
	} {
		*v = inventory.Text(strings.TrimSpace(*v))
	}
}

// lines are the lines of a text, whichever way they end. Of one that is longer
// than the buffer the parts come as several, each but the first with a blank
// before it, as a manifest continues a line.
type lines struct {
	r    *bufio.Reader
	part bool // the last line goes on
	buf  []byte
}

func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	if l.part {
		l.buf = append(l.buf, ' ')
	}
	for l.part = false; len(l.buf) < maxValue; {
		b, err := l.r.ReadByte()
		if err != nil {
			if len(l.buf) > 0 && errors.Is(err, io.EOF) {
				err = nil
			}
			return l.buf, err
		}
		switch b {
		case '\r':
			if next, err := l.r.Peek(1); err == nil && next[0] == '\n' {
				_, err = l.r.Discard(1)
				return l.buf, err
			}
			return l.buf, nil
		case '\n':
			return l.buf, nil
		}
		l.buf = append(l.buf, b)
	}
	l.part = true
	return l.buf, nil
}
