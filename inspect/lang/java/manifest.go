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
	// maxManifest bounds how much of a manifest is read, and maxValue the attributes
	// that are kept. The list of the packages in a large bundle takes 200 KiB.
	maxManifest = 4 << 20
	maxValue    = 1 << 10
)

// A manifest has the attributes in the main section of a manifest that identify the
// archive.
type manifest struct {
	title         string // Implementation-Title
	version       string // Implementation-Version
	bundle        string // Bundle-SymbolicName, without directives
	bundleVersion string // Bundle-Version
	module        string // Automatic-Module-Name
	// The attributes of a Jenkins plugin: Group-Id, Short-Name and Plugin-Version.
	pluginGroup, plugin, pluginVersion string
	// Jenkins-Version and Hudson-Version: the version of Jenkins that a plugin needs, or that
	// jenkins.war has.
	jenkins, hudson string
}

// attribute returns the field for an attribute, or nil if it is not used. The names of
// attributes are case-insensitive.
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
	case "jenkins-version":
		return &m.jenkins
	case "hudson-version":
		return &m.hudson
	}
	return nil
}

// readManifest reads the main section of a manifest, according to the JAR File
// Specification: a line ends with CR, LF or both, and a line that begins with a space
// continues the previous one, because lines are limited to 72 bytes. Lines that are not
// attributes are ignored.
func readManifest(r io.Reader) (manifest, error) {
	var m manifest
	var value *string // of the attribute that the next line may continue
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

// clean removes from the values what is not part of them.
func (m *manifest) clean() {
	m.bundle, _, _ = strings.Cut(m.bundle, ";")
	for _, v := range []*string{
		&m.title, &m.version, &m.bundle, &m.bundleVersion, &m.module,
		&m.pluginGroup, &m.plugin, &m.pluginVersion, &m.jenkins, &m.hudson,
	} {
		*v = inventory.Text(strings.TrimSpace(*v))
	}
}

// lines reads the lines of a text with any line ending. A line that is longer than the
// buffer is returned in parts. Each part but the first has a space in front, like a
// continuation line of a manifest.
type lines struct {
	r    *bufio.Reader
	part bool // the last line is not complete
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
