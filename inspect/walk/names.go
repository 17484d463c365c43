package walk

import (
	"bytes"
	"slices"
	"strings"
)

// A Rule says which files one reader wants.
type Rule struct {
	Bases []string // whole file names, "package.json"
	// Exts are extensions, from the last dot on, ".jar", or from the last but one, ".info.yml".
	Exts []string
	// Folders, if not empty, are names of folders. A file with one of Exts is wanted only if
	// its folder or the one above has such a name. For extensions of which there are very
	// many files this costs less than Wants.
	Folders []string
	// Programs wants the programs and libraries that no rule wants by name: ELF files
	// of at least minProgram bytes, and executable scripts and archives. Only one rule
	// may set it.
	Programs bool
	// Wants, if not nil, reports whether a file with such a name is wanted at path. It
	// is called before the file is opened.
	Wants func(path string) bool
	// Limit is how many bytes of a file may be read.
	Limit int64
	// Probes are paths below a folder. Wants is called with them to find out whether it
	// wants more in one folder than in another.
	Probes []string
}

// names is a lookup table of rules. A file goes to the first rule that wants it; rules
// for whole names come before rules for extensions.
type names struct {
	rules    []Rule
	bases    map[string][]int
	exts     map[string][]int // in lower case
	doubles  map[string]bool  // the last parts of extensions with two dots
	maxBase  int              // length of the longest name in bases
	maxExt   int              // length of the longest extension in exts
	programs int              // the rule that wants programs, or -1
	data     map[string]bool  // dataNames: true where they come in bulk
	context  func(string) bool
}

func newNames(rules []Rule, context func(string) bool) *names {
	if context == nil {
		context = func(string) bool { return false }
	}
	n := &names{rules: rules, bases: map[string][]int{}, exts: map[string][]int{}, doubles: map[string]bool{}, programs: -1, context: context}
	for i, r := range rules {
		for _, base := range r.Bases {
			n.bases[base] = append(n.bases[base], i)
			n.maxBase = max(n.maxBase, len(base))
		}
		for _, ext := range r.Exts {
			n.exts[ext] = append(n.exts[ext], i)
			n.maxExt = max(n.maxExt, len(ext))
			if dot := strings.LastIndexByte(ext, '.'); dot > 0 {
				n.doubles[ext[dot:]] = true
			}
		}
		if r.Programs && n.programs < 0 {
			n.programs, n.data = i, dataNames()
		}
	}
	return n
}

// A match is what the table says about a file name.
type match struct {
	byBase, byExt []int // the rules for the name and for its extension
	data          bool  // the name is that of a data file
	bulk          bool  // the name is that of a data file of which there are very many
}

// match looks up a file name. It does not allocate, because it is called for every file
// and finds nothing for nearly all of them. The case of extensions is ignored.
func (n *names) match(name []byte) match {
	var m match
	if len(name) <= n.maxBase {
		m.byBase = n.bases[string(name)]
	}
	switch dot := bytes.LastIndexByte(name, '.'); {
	case dot > 0:
		ext := name[dot:]
		m.byExt = n.byExt(ext)
		if n.doubles[string(ext)] {
			if dot = bytes.LastIndexByte(name[:dot], '.'); dot > 0 && n.exts[string(name[dot:])] != nil {
				m.byExt = n.exts[string(name[dot:])]
			}
		}
		m.bulk, m.data = n.data[string(ext)]
	case dot < 0:
		m.bulk, m.data = n.data[string(name)]
	}
	return m
}

// near returns rules if one of them may want a file in d.
func (n *names) near(rules []int, d *dir) []int {
	for _, i := range rules {
		folders := n.rules[i].Folders
		if len(folders) == 0 || slices.Contains(folders, d.name) || d.parent != nil && slices.Contains(folders, d.parent.name) {
			return rules
		}
	}
	return nil
}

// byExt returns the rules for an extension, ignoring case.
func (n *names) byExt(ext []byte) []int {
	if len(ext) > n.maxExt {
		return nil
	}
	if rules := n.exts[string(ext)]; rules != nil {
		return rules
	}
	var buf [32]byte
	lower, capital := buf[:0], false
	for _, c := range ext[:min(len(ext), len(buf))] {
		if 'A' <= c && c <= 'Z' {
			c, capital = c+'a'-'A', true
		}
		lower = append(lower, c)
	}
	if !capital || len(lower) < len(ext) {
		return nil
	}
	return n.exts[string(lower)]
}

// rule returns the rule that wants the file at path. m is the match of the file's name.
func (n *names) rule(m match, path string) (int, bool) {
	for _, rules := range [2][]int{m.byBase, m.byExt} {
		for _, i := range rules {
			if wants := n.rules[i].Wants; wants == nil || wants(path) {
				return i, true
			}
		}
	}
	return 0, false
}
