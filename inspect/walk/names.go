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
}

// names is a table of rules. A file goes to the first that wants it; those that
// name it whole come before those that name its ending.
type names struct {
	rules    []Rule
	bases    map[string][]int
	exts     map[string][]int
	programs int             // the rule that wants programs, or -1
	data     map[string]bool // dataNames
}

func newNames(rules []Rule) *names {
	n := &names{rules: rules, bases: map[string][]int{}, exts: map[string][]int{}, programs: -1}
	for i, r := range rules {
		for _, base := range r.Bases {
			n.bases[base] = append(n.bases[base], i)
		}
		for _, ext := range r.Exts {
			n.exts[ext] = append(n.exts[ext], i)
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
	program       bool  // no rule does, and it may be a program
}

// match looks up a file name. It allocates nothing: nearly every file of a tree is
// asked for in vain.
func (n *names) match(name []byte) match {
	m := match{byBase: n.bases[string(name)]}
	data := false
	switch dot := bytes.LastIndexByte(name, '.'); {
	case dot > 0:
		ext := name[dot:]
		m.byExt, data = n.exts[string(ext)], n.data[string(ext)]
	case dot < 0:
		data = n.data[string(name)]
	}
	m.program = n.programs >= 0 && !data && len(m.byBase) == 0 && len(m.byExt) == 0
	return m
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
