package walk

import "bytes"

// A Rule says which files one reader wants.
type Rule struct {
	Bases []string // whole file names, "package.json"
	Exts  []string // endings from the last dot on, ".jar"
	// Programs wants the programs and libraries that no rule wants by name: the
	// files of at least minProgram bytes that begin as ELF does. One rule may
	// want them.
	Programs bool
	// Wants, unless it is nil, is asked with the path of a file of such a name
	// before it is opened, and says whether it is wanted there.
	Wants func(path string) bool
	// Limit is how many bytes of a file may be read.
	Limit int64
	// Probes are paths below a folder by which Wants is asked whether it wants more
	// in one place than in another.
	Probes []string
}

// names is a table of rules. A file goes to the first that wants it; those that
// name it whole come before those that name its ending.
type names struct {
	rules    []Rule
	bases    map[string][]int
	exts     map[string][]int // in lower case
	maxBase  int              // the length of the longest of bases
	maxExt   int              // and of exts
	programs int              // the rule that wants programs, or -1
	data     map[string]bool  // dataNames: true where they come in bulk
	context  func(string) bool
}

func newNames(rules []Rule, context func(string) bool) *names {
	if context == nil {
		context = func(string) bool { return false }
	}
	n := &names{rules: rules, bases: map[string][]int{}, exts: map[string][]int{}, programs: -1, context: context}
	for i, r := range rules {
		for _, base := range r.Bases {
			n.bases[base] = append(n.bases[base], i)
			n.maxBase = max(n.maxBase, len(base))
		}
		for _, ext := range r.Exts {
			n.exts[ext] = append(n.exts[ext], i)
			n.maxExt = max(n.maxExt, len(ext))
		}
		if r.Programs && n.programs < 0 {
			n.programs, n.data = i, dataNames()
		}
	}
	return n
}

// A match is what the table says of a file's name.
type match struct {
	byBase, byExt []int // the rules that name it
	data          bool  // it is called as data
	bulk          bool  // it is called as data that comes in bulk
}

// match looks up a file name. It allocates nothing: nearly every file of a tree is
// asked for in vain. In endings case does not matter.
func (n *names) match(name []byte) match {
	var m match
	if len(name) <= n.maxBase {
		m.byBase = n.bases[string(name)]
	}
	switch dot := bytes.LastIndexByte(name, '.'); {
	case dot > 0:
		ext := name[dot:]
		m.byExt = n.byExt(ext)
		m.bulk, m.data = n.data[string(ext)]
	case dot < 0:
		m.bulk, m.data = n.data[string(name)]
	}
	return m
}

// byExt returns the rules that name an ending, in whatever case.
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

// rule returns the rule that wants the file at path, of whose name m is the match.
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
